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
	s.get("/v1/parked", "listParked", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[workflow.Kept], error) {
		return f.Parked(c.UserContext(), actor(c), stateIn(c), field.UserID(c.Query("author")), field.Code(c.Query("code")), ask)
	}))
	s.post("/v1/parked/:id/accept", "acceptParked", "parked.accept", clicked(s.acceptParked))
	// Who sent it may say too by what it was replaced: asked on the write path.
	s.route(fiber.MethodPost, "/v1/parked/:id/takeover", "takeOverParked", signedIn, clicked(s.takeOverParked))
	s.route(fiber.MethodGet, "/v1/parked/:id/photo", "keptPhoto", signedIn, s.keptPhoto)
	s.post("/v1/parked/:id/settle", "settleParked", "parked.settle", reasoned(f.SettleParked))
	// What was sealed is read by who wrote it alone, and destroyed by that person or a supervisor: asked on the write path.
	s.get("/v1/parked/:id/content", "getParkedContent", viewed(s.parkedContent))
	s.route(fiber.MethodPost, "/v1/parked/:id/destroy", "destroyParked", signedIn, reasoned(s.destroyParked))
}

type accepting struct {
	seen
	Correction field.Value `json:"correction"`
}

func (s *Server) acceptParked(ctx context.Context, act workflow.Act, id field.RecordID, req accepting) (*field.Record, error) {
	return s.flow.AcceptParked(ctx, act, id, req.Version, req.Correction)
}

type takingOver struct {
	seen
	workflow.TakeOver
}

func (s *Server) takeOverParked(ctx context.Context, act workflow.Act, id field.RecordID, req takingOver) (*field.Record, error) {
	return s.flow.TakeOverParked(ctx, act, id, req.Version, req.TakeOver)
}

// keptPhoto serves the original of a photo whose declaration was kept, to who decides about it and to who sent it.
func (s *Server) keptPhoto(c *fiber.Ctx) error {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	photo, err := s.flow.KeptPhoto(c.UserContext(), actor(c), id)
	if err != nil {
		return err
	}
	return s.bytesOf(c, photo, "sha256", workflow.ViewOriginal)
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
