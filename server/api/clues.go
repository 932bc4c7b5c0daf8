package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerClues registers the views of a clue, and the evidence that is linked to it.
func (s *Server) registerClues() {
	s.get("/v1/clues/:id/graph", "getClueGraph", viewed(s.flow.ClueGraph))
	s.get("/v1/clues/:id/history", "getClueHistory", s.history(field.KindClue))
	s.post("/v1/clues/:id/export", "exportClue", "clue.export", s.exportClue)
	s.post("/v1/clues/:id/links", "linkEvidence", "link.create", s.linkEvidence())
	s.get("/v1/clues/:id/links", "listLinks", listed(s.listLinks))
}

type linking struct {
	ID         string         `json:"id"`
	TargetKind field.Kind     `json:"targetKind"`
	TargetID   field.RecordID `json:"targetId"`
	Relation   string         `json:"relation"`
	Why        string         `json:"why"`
}

func (s *Server) linkEvidence() fiber.Handler {
	return func(c *fiber.Ctx) error {
		clue, err := idIn(c)
		if err != nil {
			return err
		}
		return making(s, func(ctx context.Context, act workflow.Act, id field.RecordID, req linking) (*field.Record, error) {
			return s.flow.LinkEvidence(ctx, act, id, field.ClueID(clue), workflow.Evidence{
				Kind: req.TargetKind, ID: req.TargetID, Relation: req.Relation, Why: req.Why,
			})
		}, func(req linking) string { return req.ID })(c)
	}
}

func (s *Server) listLinks(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	clue, err := idIn(c)
	if err != nil {
		return workflow.Records{}, err
	}
	return s.flow.Links(c.UserContext(), actor(c), field.ClueID(clue), ask)
}
