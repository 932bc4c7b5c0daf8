package api

import (
	"context"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// registerCampaigns registers how far a campaign has come.
func (s *Server) registerCampaigns() {
	s.get("/v1/campaigns/:id/progress", "getCampaignProgress", viewed(s.flow.Progress))
}

type drawing struct {
	seen
	Seed string `json:"seed"`
}

func (s *Server) drawSample(ctx context.Context, act workflow.Act, id field.CampaignID, req drawing) (*field.Record, error) {
	return s.flow.DrawSample(ctx, act, id, req.Version, req.Seed)
}
