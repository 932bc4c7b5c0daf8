package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerClues registers the routes of the clue manager's, the handler's and the leader's desk.
func (s *Server) registerClues() {
	f := s.flow
	s.post("/v1/clues", "createClue", "clue.create", made(s, f.ReceiveClue))
	s.get("/v1/clues", "listClues", listed(s.listClues))
	s.get("/v1/registers", "listRegisters", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Registers(c.UserContext(), actor(c), ask)
	}))
	s.get("/v1/clues/:id", "getClue", s.one(field.KindClue))
	s.route(fiber.MethodPatch, "/v1/clues/:id", "editClue", may("clue.edit"), edited(f.EditClue))
	s.get("/v1/clues/:id/graph", "getClueGraph", viewed(f.ClueGraph))
	s.get("/v1/clues/:id/history", "getClueHistory", s.history(field.KindClue))
	s.post("/v1/clues/:id/register", "registerClue", "clue.register", plain(f.RegisterClue))
	s.post("/v1/clues/:id/assign", "assignClue", "clue.assign", clicked(s.assignClue))
	s.post("/v1/clues/:id/propose", "proposeDisposition", "clue.propose", clicked(s.proposeDisposition))
	s.post("/v1/clues/:id/approve", "approveDisposition", "clue.approve", plain(f.ApproveDisposition))
	s.post("/v1/clues/:id/handle", "handleClue", "clue.handle", plain(f.HandleClue))
	s.post("/v1/clues/:id/report", "reportClue", "clue.report", clicked(s.reportClue))
	s.post("/v1/clues/:id/close", "closeClue", "clue.close", reasoned(f.CloseClue))
	s.post("/v1/clues/:id/file", "fileClue", "clue.file", reasoned(f.FileClue))
	s.post("/v1/clues/:id/merge", "mergeClue", "clue.merge", clicked(s.mergeClue))
	s.post("/v1/clues/:id/reopen", "reopenClue", "clue.reopen", reasoned(f.ReopenClue))
	s.post("/v1/clues/:id/void", "voidClue", "clue.void", reasoned(f.VoidClue))

	s.post("/v1/clues/:id/export", "exportClue", "clue.export", s.exportClue)

	s.post("/v1/clues/:id/links", "linkEvidence", "link.create", s.linkEvidence())
	s.get("/v1/clues/:id/links", "listLinks", listed(s.listLinks))
	s.post("/v1/links/:id/confirm", "confirmEvidence", "link.confirm", plain(f.ConfirmEvidence))
	s.post("/v1/links/:id/withdraw", "withdrawEvidence", "link.withdraw", reasoned(f.WithdrawEvidence))
}

func (s *Server) listClues(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Clues(c.UserContext(), actor(c), workflow.ClueFilter{
		State: stateIn(c), Channel: c.Query("channel"), Violation: c.Query("violation"), Urgency: c.Query("urgency"),
		Batch: c.Query("batch"), Number: c.Query("number"), Disposition: c.Query("disposition"),
		Handler: field.UserID(c.Query("handler")), FindingID: field.FindingID(c.Query("findingId")),
	}, ask)
}

type assigning struct {
	seen
	Handler field.UserID `json:"handler"`
}

func (s *Server) assignClue(ctx context.Context, act workflow.Act, id field.ClueID, req assigning) (*field.Record, error) {
	return s.flow.AssignClue(ctx, act, id, req.Version, req.Handler)
}

type proposing struct {
	because
	Disposition string `json:"disposition"`
}

func (s *Server) proposeDisposition(ctx context.Context, act workflow.Act, id field.ClueID, req proposing) (*field.Record, error) {
	return s.flow.ProposeDisposition(ctx, act, id, req.Version, req.Disposition, req.Reason)
}

type reportingClue struct {
	seen
	Outcome string `json:"outcome"`
}

func (s *Server) reportClue(ctx context.Context, act workflow.Act, id field.ClueID, req reportingClue) (*field.Record, error) {
	return s.flow.ReportClue(ctx, act, id, req.Version, req.Outcome)
}

type merging struct {
	because
	Into field.ClueID `json:"into"`
}

func (s *Server) mergeClue(ctx context.Context, act workflow.Act, id field.ClueID, req merging) (*field.Record, error) {
	return s.flow.MergeClue(ctx, act, id, req.Version, req.Into, req.Reason)
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
