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
	s.get("/v1/parked", "listParked", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[workflow.Kept], error) {
		return f.Parked(c.UserContext(), actor(c), stateIn(c), field.UserID(c.Query("author")), field.Code(c.Query("code")), ask)
	}))
	s.route(fiber.MethodGet, "/v1/parked/:id/photo", "keptPhoto", signedIn, s.keptPhoto)
	// What was sealed is read by who wrote it alone: asked on the write path.
	s.get("/v1/parked/:id/content", "getParkedContent", viewed(s.parkedContent))
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

// because is the body of a click that needs a reason.
type because struct {
	seen
	Reason string `json:"reason"`
}

// destroyParked destroys the key of what was sealed, once the record says that it is destroyed.
func (s *Server) destroyParked(ctx context.Context, act workflow.Act, id field.RecordID, req because) (*field.Record, error) {
	var args map[string]field.Value
	if req.Reason != "" {
		args = map[string]field.Value{"reason": field.Quote(req.Reason)}
	}
	r, err := s.flow.Click(ctx, act, field.KindParked, id, req.Version, "destroy", args)
	if err != nil {
		return nil, err
	}
	return r, s.engine.Shred(ctx, id)
}
