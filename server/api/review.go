package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerReview registers the routes of the supervisor's desk: the queue, reports, findings, flags, interviews.
func (s *Server) registerReview() {
	f := s.flow
	s.get("/v1/review/queue", "reviewQueue", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[workflow.QueueItem], error) {
		return f.ReviewQueue(c.UserContext(), actor(c), ask)
	}))

	s.get("/v1/reports", "listReports", listed(s.listReports))
	s.get("/v1/reports/:id", "getReport", viewed(f.ReportView))
	s.get("/v1/reports/:id/history", "getReportHistory", s.history(field.KindReport))
	s.post("/v1/reports/:id/take", "takeReport", "report.take", plain(f.TakeReport))
	s.post("/v1/reports/:id/return", "returnReport", "report.return", clicked(s.returnReport))
	s.post("/v1/reports/:id/correct", "correctReport", "report.correct", corrected(f.CorrectReport))
	s.post("/v1/reports/:id/approve", "approveReport", "report.approve", clicked(s.approveReport))
	s.post("/v1/reports/:id/archive", "archiveReport", "report.archive", plain(f.ArchiveReport))
	s.post("/v1/reports/:id/reopen", "reopenReport", "report.reopen", reasoned(f.ReopenReport))
	s.post("/v1/reports/:id/void", "voidReport", "report.void", reasoned(f.VoidReport))

	s.get("/v1/findings", "listFindings", listed(s.listFindings))
	s.get("/v1/findings/:id", "getFinding", s.one(field.KindFinding))
	s.post("/v1/findings/:id/classify", "classifyFinding", "finding.classify", clicked(s.classifyFinding))
	s.post("/v1/findings/:id/close", "closeFinding", "finding.close", reasoned(f.CloseFinding))
	s.post("/v1/findings/:id/reopen", "reopenFinding", "finding.reopen", reasoned(f.ReopenFinding))

	s.get("/v1/flags", "listFlags", listed(s.listFlags))
	s.post("/v1/flags/:id/decide", "decideFlag", "flag.decide", clicked(s.decideFlag))

	s.get("/v1/interviews", "listInterviews", listed(s.listInterviews))
	s.get("/v1/interviews/:id", "getInterview", s.one(field.KindInterview))
	s.post("/v1/interviews/:id/review", "reviewInterview", "interview.review", plain(f.ReviewInterview))
	s.post("/v1/interviews/:id/seal", "sealInterview", "interview.seal", plain(f.SealInterview))
	s.post("/v1/interviews/:id/correct", "correctInterview", "interview.correct", corrected(f.CorrectInterview))
	s.post("/v1/interviews/:id/void", "voidInterview", "interview.void", reasoned(f.VoidInterview))

	s.get("/v1/photos/:id", "getPhoto", s.one(field.KindPhoto))
	s.get("/v1/photos/:id/impact", "getPhotoImpact", viewed(f.PhotoImpact))
	s.get("/v1/photos/:id/pair", "getPhotoPair", viewed(f.PhotoPair))
	s.get("/v1/photos/:id/custody", "getPhotoCustody", viewed(f.PhotoCustody))
	s.get("/v1/photos/:id/similar", "listSimilarPhotos", s.similarPhotos)
	s.post("/v1/photos/:id/correct", "correctPhoto", "photo.correct", corrected(f.CorrectPhoto))
	s.post("/v1/photos/:id/void", "voidPhoto", "photo.void", reasoned(f.VoidPhoto))
	s.post("/v1/photos/:id/discredit", "discreditPhoto", "photo.discredit", reasoned(f.DiscreditPhoto))

	s.get("/v1/reviews", "listReviews", listed(s.listReviews))
	s.post("/v1/reviews/:id/decide", "decideReview", "review.decide", clicked(s.decideReview))
}

func (s *Server) similarPhotos(c *fiber.Ctx) error {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	distance, err := numberIn(c, "distance", alike.MaxDistance, alike.MaxDistance)
	if err != nil {
		return err
	}
	limit, err := numberIn(c, "limit", workflow.DefaultSimilar, workflow.MaxSimilar)
	if err != nil {
		return err
	}
	similar, err := s.flow.SimilarPhotos(c.UserContext(), actor(c), field.PhotoID(id), distance, limit)
	if err != nil {
		return err
	}
	return reply(c, similar)
}

func (s *Server) listReports(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Reports(c.UserContext(), actor(c), workflow.ReportFilter{
		State: stateIn(c), SiteID: field.SiteID(c.Query("siteId")),
		Inspector: field.UserID(c.Query("inspector")), Reviewer: field.UserID(c.Query("reviewer")),
	}, ask)
}

type approving struct {
	seen
	Flags []field.RecordID `json:"flags"` // undecided ones of severity high, named
}

func (s *Server) approveReport(ctx context.Context, act workflow.Act, id field.ReportID, req approving) (*field.Record, error) {
	return s.flow.ApproveReport(ctx, act, id, req.Version, req.Flags)
}

type correcting struct {
	because
	Times []workflow.RightTime `json:"times"`
}

// corrected is the handler of a click that puts right times beside stated ones.
func corrected[ID ~string](do func(context.Context, workflow.Act, ID, int64, []workflow.RightTime, string) (*field.Record, error)) fiber.Handler {
	return clicked(func(ctx context.Context, act workflow.Act, id ID, req correcting) (*field.Record, error) {
		return do(ctx, act, id, req.Version, req.Times, req.Reason)
	})
}

type returning struct {
	seen
	Items    []field.ReturnedItem `json:"items"`
	Deadline string               `json:"deadline"` // RFC 3339
}

func (s *Server) returnReport(ctx context.Context, act workflow.Act, id field.ReportID, req returning) (*field.Record, error) {
	return s.flow.ReturnReport(ctx, act, id, req.Version, req.Items, req.Deadline)
}

func (s *Server) listFindings(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Findings(c.UserContext(), actor(c), workflow.FindingFilter{
		State: stateIn(c), Class: c.Query("class"), Violation: c.Query("violation"),
		SiteID: field.SiteID(c.Query("siteId")), ReportID: field.ReportID(c.Query("reportId")),
	}, ask)
}

type classifying struct {
	seen
	Class     string       `json:"class"`
	Reason    string       `json:"reason"`
	Violation string       `json:"violation"`
	ClueID    field.ClueID `json:"clueId"`
}

func (s *Server) classifyFinding(ctx context.Context, act workflow.Act, id field.FindingID, req classifying) (*field.Record, error) {
	return s.flow.ClassifyFinding(ctx, act, id, req.Version, workflow.Class{
		Class: req.Class, Reason: req.Reason, Violation: req.Violation, ClueID: req.ClueID,
	})
}

func (s *Server) listFlags(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Flags(c.UserContext(), actor(c), workflow.FlagFilter{
		State: stateIn(c), Code: c.Query("code"), ReportID: field.ReportID(c.Query("reportId")),
	}, ask)
}

type deciding struct {
	because
	Decision string `json:"decision"`
}

func (s *Server) decideFlag(ctx context.Context, act workflow.Act, id field.RecordID, req deciding) (*field.Record, error) {
	return s.flow.DecideFlag(ctx, act, id, req.Version, req.Decision, req.Reason)
}

func (s *Server) listReviews(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Reviews(c.UserContext(), actor(c), workflow.ReviewFilter{
		State: stateIn(c), Kind: c.Query("kind"), RecordID: field.RecordID(c.Query("recordId")), PhotoID: field.PhotoID(c.Query("photoId")),
	}, ask)
}

func (s *Server) decideReview(ctx context.Context, act workflow.Act, id field.RecordID, req deciding) (*field.Record, error) {
	return s.flow.DecideReview(ctx, act, id, req.Version, req.Decision, req.Reason)
}

func (s *Server) listInterviews(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Interviews(c.UserContext(), actor(c), workflow.InterviewFilter{
		State: stateIn(c), SiteID: field.SiteID(c.Query("siteId")), ReportID: field.ReportID(c.Query("reportId")),
	}, ask)
}
