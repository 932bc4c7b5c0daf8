package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerReference registers who sees what: grants and recusals, which are made for a person, and what they come to.
func (s *Server) registerReference() {
	f := s.flow
	s.get("/v1/access", "whoSees", func(c *fiber.Ctx) error {
		seers, err := f.WhoSees(c.UserContext(), actor(c), field.Scope(c.Query("scope")))
		if err != nil {
			return err
		}
		return reply(c, seers)
	})
	scoped := func(kind field.Kind) fiber.Handler {
		return listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
			return f.Scoped(c.UserContext(), actor(c), kind, stateIn(c), field.Scope(c.Query("scope")), ask)
		})
	}
	s.get("/v1/grants", "listGrants", scoped(field.KindGrant))
	s.get("/v1/recusals", "listRecusals", scoped(field.KindRecusal))
	s.post("/v1/grants", "createGrant", "grant.create", making(s, s.createGrant, granting.id))
	s.post("/v1/recusals", "createRecusal", "recusal.create", making(s, s.createRecusal, scoping.id))
}

type scoping struct {
	ID     string       `json:"id"`
	UserID field.UserID `json:"userId"`
	Scope  field.Scope  `json:"scope"`
	Why    string       `json:"why"`
}

type granting struct {
	scoping
	Until string `json:"until"`
}

func (q scoping) id() string { return q.ID }

func (s *Server) createGrant(ctx context.Context, act workflow.Act, id field.RecordID, req granting) (*field.Record, error) {
	return s.flow.GrantAccess(ctx, act, id, workflow.Scoping{UserID: req.UserID, Scope: req.Scope, Why: req.Why, Until: req.Until})
}

func (s *Server) createRecusal(ctx context.Context, act workflow.Act, id field.RecordID, req scoping) (*field.Record, error) {
	return s.flow.DeclareRecusal(ctx, act, id, workflow.Scoping{UserID: req.UserID, Scope: req.Scope, Why: req.Why})
}
