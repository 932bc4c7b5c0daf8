package api

import (
	"context"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"fieldclue/server/field"
	"fieldclue/server/space"
)

// Space counts what the photos of organisations take up. The contract stands in server/space.
type Space interface {
	Of(ctx context.Context, org field.OrgID) (space.Use, error)
	Last() []space.Use
}

type spaceUse struct {
	Org      field.OrgID `json:"org"`
	Stored   int64       `json:"stored"`
	Files    int64       `json:"files"`
	OnTheWay int64       `json:"onTheWay"`
	Limit    *int64      `json:"limit"`   // null: none
	Reached  int64       `json:"reached"` // per cent
}

// getSpace tells an administrator what the photos of an organisation take up.
func (s *Server) getSpace(c *fiber.Ctx) error {
	code := c.Params("code")
	if !field.ValidOrg(code) {
		return field.Refuse(field.CodeNotFound, "")
	}
	org := field.OrgID(code)
	if err := s.accounts.MayManage(c.UserContext(), actor(c), org); err != nil {
		return err
	}
	u, err := s.space.Of(c.UserContext(), org)
	if err != nil {
		return err
	}
	answer := spaceUse{Org: org, Stored: u.Stored, Files: u.Files, OnTheWay: u.OnTheWay, Reached: u.Reached()}
	if u.Limit.Bytes > 0 {
		answer.Limit = &u.Limit.Bytes
	}
	return reply(c, answer)
}

// spaceMetrics gives the figures of the last count, so that a scrape asks no store. The label is the organisation's
// code: there are few of them, and it names no person.
type spaceMetrics struct{ space Space }

var (
	orgLabel    = []string{"org"}
	storedDesc  = prometheus.NewDesc("fieldclue_space_stored_bytes", "Bytes of originals, by organisation.", orgLabel, nil)
	comingDesc  = prometheus.NewDesc("fieldclue_space_on_the_way_bytes", "Bytes of photos that were declared in the last 30 days and have not arrived, by organisation.", orgLabel, nil)
	limitDesc   = prometheus.NewDesc("fieldclue_space_limit_bytes", "Limit of space, for the organisations that have one.", orgLabel, nil)
	spaceGauges = []*prometheus.Desc{storedDesc, comingDesc, limitDesc}
)

// Describe implements prometheus.Collector.
func (m spaceMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range spaceGauges {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m spaceMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, org field.OrgID, v int64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), string(org))
	}
	for _, u := range m.space.Last() {
		gauge(storedDesc, u.Org, u.Stored)
		gauge(comingDesc, u.Org, u.OnTheWay)
		if u.Limit.Bytes > 0 {
			gauge(limitDesc, u.Org, u.Limit.Bytes)
		}
	}
}
