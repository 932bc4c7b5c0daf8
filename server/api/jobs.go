package api

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"fieldclue/media/worker"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// Jobs is the queue of work that goes on beside the requests. The contract stands in media/worker.
type Jobs interface {
	Aside(ctx context.Context, after string, limit int) ([]worker.Job, error)
	Again(ctx context.Context, id string) error
}

// registerJobs: jobs are the administrator's, as devices are.
func (s *Server) registerJobs() {
	s.route(fiber.MethodGet, "/v1/jobs", "listJobs", may("person.edit"), s.listJobs)
	s.route(fiber.MethodPost, "/v1/jobs/again", "tryJobAgain", may("person.edit"), s.tryJobAgain)
}

// listJobs lists the jobs that were set aside: they failed too often and wait for somebody who runs the server.
func (s *Server) listJobs(c *fiber.Ctx) error {
	limit, err := pageLimit(c)
	if err != nil {
		return err
	}
	jobs, err := s.jobs.Aside(c.UserContext(), c.Query("after"), limit+1)
	if err != nil {
		return err
	}
	page := workflow.Page[worker.Job]{Items: jobs}
	if len(jobs) > limit {
		page.Items = jobs[:limit]
		page.Next = jobs[limit-1].ID
	}
	return reply(c, page)
}

func (s *Server) tryJobAgain(c *fiber.Ctx) error {
	req, err := decode[struct {
		ID string `json:"id"`
	}](c)
	if err != nil {
		return err
	}
	if req.ID == "" {
		return field.Refuse(field.CodeMissingField, "id is missing: that of the job, as it is listed.").
			InChinese("缺少 id，即列表中该后台任务的编号。")
	}
	if err := s.jobs.Again(c.UserContext(), req.ID); err != nil {
		return err
	}
	return done(c)
}
