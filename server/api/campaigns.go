package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerCampaigns registers the routes of revisit campaigns and their tasks.
func (s *Server) registerCampaigns() {
	f := s.flow
	s.post("/v1/campaigns", "createCampaign", "campaign.create", made(s, f.PlanCampaign))
	s.get("/v1/campaigns", "listCampaigns", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Campaigns(c.UserContext(), actor(c), stateIn(c), ask)
	}))
	s.get("/v1/campaigns/:id", "getCampaign", s.one(field.KindCampaign))
	s.route(fiber.MethodPatch, "/v1/campaigns/:id", "editCampaign", may("campaign.edit"), edited(f.EditCampaign))
	s.post("/v1/campaigns/:id/announce", "announceSeed", "campaign.announce", clicked(s.announceSeed))
	s.post("/v1/campaigns/:id/draw", "drawSample", "campaign.draw", clicked(s.drawSample))
	s.post("/v1/campaigns/:id/approve", "approveCampaign", "campaign.approve", plain(f.ApproveCampaign))
	s.post("/v1/campaigns/:id/run", "runCampaign", "campaign.run", plain(f.RunCampaign))
	s.post("/v1/campaigns/:id/close", "closeCampaign", "campaign.close", plain(f.CloseCampaign))
	s.post("/v1/campaigns/:id/report", "reportCampaign", "campaign.report", clicked(s.reportCampaign))
	s.get("/v1/campaigns/:id/progress", "getCampaignProgress", viewed(f.Progress))

	s.get("/v1/revisits", "listRevisits", listed(s.listRevisits))
	s.get("/v1/revisits/:id", "getRevisit", s.one(field.KindRevisit))
	s.post("/v1/revisits/:id/assign", "assignRevisit", "revisit.assign", clicked(s.assignRevisit))
	s.post("/v1/revisits/:id/reassign", "reassignRevisit", "revisit.reassign", clicked(s.reassignRevisit))
	s.post("/v1/revisits/:id/accept", "acceptRevisit", "revisit.accept", plain(f.AcceptRevisit))
	s.post("/v1/revisits/:id/return", "returnRevisit", "revisit.return", reasoned(f.ReturnRevisit))
	s.post("/v1/revisits/:id/miss", "missRevisit", "revisit.miss", reasoned(f.MarkMissed))
	s.post("/v1/revisits/:id/excuse", "excuseRevisit", "revisit.excuse", reasoned(f.ExcuseRevisit))
	s.post("/v1/revisits/:id/cancel", "cancelRevisit", "revisit.cancel", reasoned(f.CancelRevisit))
}

type announcing struct {
	seen
	workflow.Announcement
}

func (s *Server) announceSeed(ctx context.Context, act workflow.Act, id field.CampaignID, req announcing) (*field.Record, error) {
	return s.flow.AnnounceSeed(ctx, act, id, req.Version, req.Announcement)
}

type drawing struct {
	seen
	Seed string `json:"seed"`
}

func (s *Server) drawSample(ctx context.Context, act workflow.Act, id field.CampaignID, req drawing) (*field.Record, error) {
	return s.flow.DrawSample(ctx, act, id, req.Version, req.Seed)
}

type reportingCampaign struct {
	seen
	Text string `json:"text"`
}

func (s *Server) reportCampaign(ctx context.Context, act workflow.Act, id field.CampaignID, req reportingCampaign) (*field.Record, error) {
	return s.flow.ReportCampaign(ctx, act, id, req.Version, req.Text)
}

func (s *Server) listRevisits(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
	return s.flow.Revisits(c.UserContext(), actor(c), workflow.RevisitFilter{
		State: stateIn(c), CampaignID: field.CampaignID(c.Query("campaignId")), SiteID: field.SiteID(c.Query("siteId")),
		Assignee: field.UserID(c.Query("assignee")), Companion: field.UserID(c.Query("companion")), Stratum: c.Query("stratum"),
	}, ask)
}

type team struct {
	seen
	Assignee  field.UserID `json:"assignee"`
	Companion field.UserID `json:"companion"`
	Due       string       `json:"due"` // a date
}

func (t team) team() workflow.Team {
	return workflow.Team{Assignee: t.Assignee, Companion: t.Companion, Due: t.Due}
}

func (s *Server) assignRevisit(ctx context.Context, act workflow.Act, id field.RevisitID, req team) (*field.Record, error) {
	return s.flow.AssignRevisit(ctx, act, id, req.Version, req.team())
}

type otherTeam struct {
	team
	Reason string `json:"reason"`
}

func (s *Server) reassignRevisit(ctx context.Context, act workflow.Act, id field.RevisitID, req otherTeam) (*field.Record, error) {
	return s.flow.ReassignRevisit(ctx, act, id, req.Version, req.team.team(), req.Reason)
}
