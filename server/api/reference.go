package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerReference registers the routes of what inspections stand on: projects, sites, templates, grants, recusals.
func (s *Server) registerReference() {
	f := s.flow
	s.post("/v1/projects", "createProject", "project.create", made(s, f.RegisterProject))
	s.get("/v1/projects", "listProjects", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Projects(c.UserContext(), actor(c), stateIn(c), c.Query("externalId"), ask)
	}))
	s.get("/v1/projects/:id", "getProject", s.one(field.KindProject))
	s.route(fiber.MethodPatch, "/v1/projects/:id", "editProject", may("project.edit"), edited(f.EditProject))
	s.post("/v1/projects/:id/advance", "advanceProject", "project.advance", clicked(s.advanceProject))

	s.post("/v1/sites", "createSite", "site.create", made(s, f.AddSite))
	s.get("/v1/sites", "listSites", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Sites(c.UserContext(), actor(c), stateIn(c), field.ProjectID(c.Query("projectId")), ask)
	}))
	s.get("/v1/sites/:id", "getSite", s.one(field.KindSite))
	s.route(fiber.MethodPatch, "/v1/sites/:id", "editSite", may("site.edit"), edited(f.EditSite))
	s.post("/v1/sites/:id/activate", "activateSite", "site.activate", plain(f.ActivateSite))
	s.post("/v1/sites/:id/close", "closeSite", "site.close", reasoned(f.CloseSite))

	s.post("/v1/households", "createHousehold", "household.create", made(s, f.AddHousehold))
	s.get("/v1/households", "listHouseholds", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Households(c.UserContext(), actor(c), field.SiteID(c.Query("siteId")), ask)
	}))
	s.get("/v1/households/:id", "getHousehold", s.one(field.KindHousehold))
	s.route(fiber.MethodPatch, "/v1/households/:id", "editHousehold", may("household.edit"), edited(f.EditHousehold))
	s.post("/v1/households/:id/void", "voidHousehold", "household.void", reasoned(f.VoidHousehold))

	s.post("/v1/payments", "createPayment", "payment.create", made(s, f.EnterPayment))
	s.get("/v1/payments", "listPayments", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Payments(c.UserContext(), actor(c), field.ProjectID(c.Query("projectId")), ask)
	}))
	s.get("/v1/payments/:id", "getPayment", s.one(field.KindPayment))
	s.route(fiber.MethodPatch, "/v1/payments/:id", "editPayment", may("payment.edit"), edited(f.EditPayment))
	s.post("/v1/payments/:id/void", "voidPayment", "payment.void", reasoned(f.VoidPayment))

	s.post("/v1/templates", "createTemplate", "template.create", made(s, f.DraftTemplate))
	s.get("/v1/templates", "listTemplates", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Templates(c.UserContext(), actor(c), stateIn(c), ask)
	}))
	s.get("/v1/templates/:id", "getTemplate", s.one(field.KindTemplate))
	s.route(fiber.MethodPatch, "/v1/templates/:id", "editTemplate", may("template.edit"), edited(f.EditTemplate))
	s.post("/v1/templates/:id/publish", "publishTemplate", "template.publish", plain(f.PublishTemplate))
	s.post("/v1/templates/:id/retire", "retireTemplate", "template.retire", plain(f.RetireTemplate))

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
	s.post("/v1/grants/:id/end", "endGrant", "grant.end", reasoned(f.EndGrant))
	s.post("/v1/recusals", "createRecusal", "recusal.create", making(s, s.createRecusal, scoping.id))
	s.post("/v1/recusals/:id/end", "endRecusal", "recusal.end", reasoned(f.EndRecusal))

	s.post("/v1/mandates", "createMandate", "mandate.create", made(s, f.DraftMandate))
	s.get("/v1/mandates", "listMandates", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		return f.Mandates(c.UserContext(), actor(c), stateIn(c), c.Query("agent"), c.Query("principal"), ask)
	}))
	s.get("/v1/mandates/:id", "getMandate", s.one(field.KindMandate))
	s.route(fiber.MethodPatch, "/v1/mandates/:id", "editMandate", may("mandate.edit"), edited(f.EditMandate))
	s.post("/v1/mandates/:id/approve", "approveMandate", "mandate.approve", plain(f.ApproveMandate))
	s.post("/v1/mandates/:id/extend", "extendMandate", "mandate.extend", clicked(s.extendMandate))
	s.post("/v1/mandates/:id/revoke", "revokeMandate", "mandate.revoke", reasoned(f.RevokeMandate))
	s.post("/v1/mandates/:id/void", "voidMandate", "mandate.void", reasoned(f.VoidMandate))
}

type advancing struct {
	because
	To field.State `json:"to"`
}

func (s *Server) advanceProject(ctx context.Context, act workflow.Act, id field.ProjectID, req advancing) (*field.Record, error) {
	return s.flow.AdvanceProject(ctx, act, id, req.Version, req.To, req.Reason)
}

type extending struct {
	because
	ValidTo string `json:"validTo"`
}

func (s *Server) extendMandate(ctx context.Context, act workflow.Act, id field.RecordID, req extending) (*field.Record, error) {
	return s.flow.ExtendMandate(ctx, act, id, req.Version, req.ValidTo, req.Reason)
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
