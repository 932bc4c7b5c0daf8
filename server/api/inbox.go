package api

import (
	"context"
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerInbox registers the routes of the inbox, and of what was kept because it could not be applied.
func (s *Server) registerInbox() {
	f := s.flow
	s.get("/v1/inbox", "listInbox", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Inbox(c.UserContext(), actor(c), stateIn(c), ask)
	}))
	// Everybody reads the own notices; whose they are is asked on the write path.
	s.route(fiber.MethodPost, "/v1/notices/:id/read", "readNotice", signedIn, plain(f.ReadNotice))

	s.get("/v1/conflicts", "listConflicts", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Conflicts(c.UserContext(), actor(c), stateIn(c), field.RecordID(c.Query("recordId")), ask)
	}))
	s.post("/v1/conflicts/:id/resolve", "resolveConflict", "conflict.resolve", clicked(s.resolveConflict))
	s.get("/v1/parked", "listParked", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Parked(c.UserContext(), actor(c), stateIn(c), field.UserID(c.Query("author")), field.Code(c.Query("code")), ask)
	}))
	s.post("/v1/parked/:id/accept", "acceptParked", "parked.accept", plain(f.AcceptParked))
	s.post("/v1/parked/:id/settle", "settleParked", "parked.settle", reasoned(f.SettleParked))
	// What was sealed is read by who wrote it alone, and destroyed by that person or a supervisor: asked on the write path.
	s.get("/v1/parked/:id/content", "getParkedContent", viewed(s.parkedContent))
	s.route(fiber.MethodPost, "/v1/parked/:id/destroy", "destroyParked", signedIn, reasoned(s.destroyParked))
}

// content is an operation as it came, for who sent it.
type content struct {
	Operation json.RawMessage `json:"operation"`
}

func (s *Server) parkedContent(ctx context.Context, who *access.Actor, id field.RecordID) (content, error) {
	op, err := s.engine.Content(ctx, who, id)
	return content{op}, err
}

func (s *Server) destroyParked(ctx context.Context, act workflow.Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	r, err := s.flow.DestroyParked(ctx, act, id, version, reason)
	if err != nil {
		return nil, err
	}
	return r, s.engine.Shred(ctx, id)
}

type resolving struct {
	seen
	Take  string      `json:"take"`
	Value field.Value `json:"value"` // with take other
}

func (s *Server) resolveConflict(ctx context.Context, act workflow.Act, id field.RecordID, req resolving) (*field.Record, error) {
	return s.flow.ResolveConflict(ctx, act, id, req.Version, req.Take, req.Value)
}
