package api

import (
	"github.com/gofiber/fiber/v2"

	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerReview registers the views of the supervisor's desk: the queue, a site and a report with all that belongs to
// it, and what there is to see of a photo.
func (s *Server) registerReview() {
	f := s.flow
	s.get("/v1/review/queue", "reviewQueue", listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[workflow.QueueItem], error) {
		return f.ReviewQueue(c.UserContext(), actor(c), ask)
	}))
	s.get("/v1/sites/:id/page", "getSitePage", viewed(f.SitePage))
	s.get("/v1/reports/:id", "getReport", viewed(f.ReportView))
	s.get("/v1/reports/:id/history", "getReportHistory", s.history(field.KindReport))
	s.get("/v1/photos/:id/impact", "getPhotoImpact", viewed(f.PhotoImpact))
	s.get("/v1/photos/:id/pair", "getPhotoPair", viewed(f.PhotoPair))
	s.get("/v1/photos/:id/custody", "getPhotoCustody", viewed(f.PhotoCustody))
	s.get("/v1/photos/:id/similar", "listSimilarPhotos", s.similarPhotos)
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
