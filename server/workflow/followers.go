package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Campaigns follows the campaigns' logs: when one starts to run, its sample becomes revisit tasks, each in the scope of
// its site.
type Campaigns struct {
	store  Store
	commit Committer
}

// NewCampaigns makes the follower.
func NewCampaigns(s Store, c Committer) *Campaigns { return &Campaigns{store: s, commit: c} }

// Name is under which name its place in the log is kept.
func (f *Campaigns) Name() string { return "campaign" }

// Types says which scopes it follows.
func (f *Campaigns) Types() []field.ScopeType { return []field.ScopeType{field.ScopeCampaign} }

// Entry makes the tasks of a campaign that this entry set running. It may be called with the same entry any number of
// times: the ids of the tasks stand in the sample, and the numbers of the batches follow from the campaign and the
// entry, so every task is made once.
func (f *Campaigns) Entry(ctx context.Context, e store.Entry) error {
	body, err := protocol.Open(e)
	if err != nil {
		return err
	}
	for _, c := range body.Changes {
		if c.State != field.CampaignRunning || string(c.ID) != e.Scope.ID() {
			continue
		}
		if err := f.start(ctx, c.ID, e.Seq); err != nil {
			return fmt.Errorf("tasks of campaign %s: %w", c.ID, err)
		}
	}
	return nil
}

func (f *Campaigns) start(ctx context.Context, id field.RecordID, seq int64) error {
	records, err := f.store.Records(ctx, []field.RecordID{id})
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return field.Refuse(field.CodeNotFound, "The campaign of the entry is not there.").InChinese("该条日志所属的回头看不存在。")
	}
	campaign := records[0]
	var sample []field.Unit // fixed once approved, so it is the one that this entry started
	if err := campaign.Decode("sample", &sample); err != nil {
		return err
	}
	var sites []field.SiteID
	tasks := map[field.SiteID][]protocol.Operation{}
	for _, u := range sample {
		if tasks[u.SiteID] == nil {
			sites = append(sites, u.SiteID)
		}
		set := values{
			"campaignId": id, "siteId": u.SiteID, "templateId": campaign.Text("templateId"), "stratum": u.Stratum, "alias": u.Alias,
			"findings": u.Findings, "photos": u.Photos,
		}
		tasks[u.SiteID] = append(tasks[u.SiteID], protocol.Operation{ID: u.Revisit, Kind: field.KindRevisit, Set: set.quoted()})
	}
	for _, site := range sites {
		ops := tasks[site]
		for part := 0; len(ops) > 0; part++ {
			n := min(len(ops), protocol.MaxOperations)
			_, err := f.commit.Commit(ctx, protocol.Batch{
				Actor: &access.Actor{Server: true}, Device: "server/campaign", Number: numberOf(id, seq, part),
				Scope: field.MakeScope(field.ScopeSite, string(site)), Operations: ops[:n], Trusted: true,
			})
			if err != nil {
				return err
			}
			ops = ops[n:]
		}
	}
	return nil
}

// numberOf makes the number of a batch from what it is derived from: two campaigns that start at the same number of
// their own logs must not take each other's place in the scope of a site.
func numberOf(id field.RecordID, seq int64, part int) int64 {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", id, seq, part))
	return int64(binary.BigEndian.Uint64(h[:8])>>1) | 1
}
