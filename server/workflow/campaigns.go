package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// PlanCampaign makes a revisit campaign, in a scope of its own that belongs to the actor's organisation.
func (f *Flow) PlanCampaign(ctx context.Context, act Act, id field.CampaignID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindCampaign, field.MakeScope(field.ScopeCampaign, string(id)), field.RecordID(id), fields)
}

// EditCampaign changes a plan. What was drawn for the plan before is dropped.
func (f *Flow) EditCampaign(ctx context.Context, act Act, id field.CampaignID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindCampaign, field.RecordID(id), version, fields)
}

// Announcement says how the seed of a sample comes about: SeedHash is the SHA-256 of a seed, in hex; or Source is a public draw
// and Date the later day on which it takes place. Reason is why the sample is drawn again.
type Announcement struct {
	SeedHash string `json:"seedHash"`
	Source   string `json:"source"`
	Date     string `json:"date"`
	Reason   string `json:"reason"`
}

// AnnounceSeed begins a draw, before the frame is known. A sample that was drawn before is dropped and stays listed.
func (f *Flow) AnnounceSeed(ctx context.Context, act Act, id field.CampaignID, version int64, a Announcement) (*field.Record, error) {
	return f.command(ctx, act, field.KindCampaign, field.RecordID(id), version, "announce", values{
		"seedHash": a.SeedHash, "source": a.Source, "date": a.Date, "reason": a.Reason,
	})
}

// DrawSample puts the frame together from the records and draws the sample from it with the seed that was announced, or with the
// numbers of the public draw. Frame, hash, seed and sample stand in the campaign, so that anyone can draw it again.
func (f *Flow) DrawSample(ctx context.Context, act Act, id field.CampaignID, version int64, seed string) (*field.Record, error) {
	campaign, err := f.reach(ctx, act, field.KindCampaign, field.RecordID(id), "draw")
	if err != nil {
		return nil, err
	}
	if done, err := f.done(ctx, act, campaign.Scope); err != nil {
		return nil, err
	} else if done {
		return campaign, nil // the frame of a second look might differ; the first answer stands
	}
	frame, err := f.frame(ctx, act.Actor, campaign)
	if err != nil {
		return nil, err
	}
	if len(frame) == 0 {
		return nil, field.Refuse(field.CodeNotNow, "There is nothing to draw from: no site that you see fits a stratum.").
			InChinese("没有可抽样的对象：您可见的项目点均不属于任何一层。")
	}
	return f.run(ctx, act, campaign.Scope, true, protocol.Operation{
		ID: campaign.ID, Kind: field.KindCampaign, Base: version, Command: "draw", Args: values{"seed": seed, "frame": frame}.quoted(),
	})
}

// ApproveCampaign agrees to the plan and its sample; whoever planned it does not approve it.
func (f *Flow) ApproveCampaign(ctx context.Context, act Act, id field.CampaignID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindCampaign, field.RecordID(id), version, "approve", nil)
}

// RunCampaign starts an approved campaign; the follower Campaigns makes its tasks.
func (f *Flow) RunCampaign(ctx context.Context, act Act, id field.CampaignID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindCampaign, field.RecordID(id), version, "run", nil)
}

// CloseCampaign ends the visits of a campaign, when all its tasks have ended; a refusal names those that have not.
func (f *Flow) CloseCampaign(ctx context.Context, act Act, id field.CampaignID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindCampaign, field.RecordID(id), version, "close", nil)
}

// ReportCampaign says what a campaign came to.
func (f *Flow) ReportCampaign(ctx context.Context, act Act, id field.CampaignID, version int64, text string) (*field.Record, error) {
	return f.command(ctx, act, field.KindCampaign, field.RecordID(id), version, "report", values{"text": text})
}

// Campaigns lists campaigns, the oldest first.
func (f *Flow) Campaigns(ctx context.Context, who *access.Actor, state field.State, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindCampaign}, States: states(state)}, ask)
}

// Team is who goes on a revisit, and by when. Due is a date.
type Team struct {
	Assignee  field.UserID
	Companion field.UserID
	Due       string
}

// AssignRevisit gives a task to two inspectors, who see the site from then on.
func (f *Flow) AssignRevisit(ctx context.Context, act Act, id field.RevisitID, version int64, to Team) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "assign", values{"assignee": to.Assignee, "companion": to.Companion, "due": to.Due})
}

// ReassignRevisit gives it to others. Those who had it lose the site, unless they have another task there.
func (f *Flow) ReassignRevisit(ctx context.Context, act Act, id field.RevisitID, version int64, to Team, reason string) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "reassign", values{"assignee": to.Assignee, "companion": to.Companion, "due": to.Due, "reason": reason})
}

// AcceptRevisit ends a task whose report is approved. A relapse opens its finding and clue again in the same commit.
func (f *Flow) AcceptRevisit(ctx context.Context, act Act, id field.RevisitID, version int64) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "accept", nil)
}

// ReturnRevisit sends a submitted task back.
func (f *Flow) ReturnRevisit(ctx context.Context, act Act, id field.RevisitID, version int64, reason string) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "return", values{"reason": reason})
}

// MarkMissed says that nobody went in time, and why.
func (f *Flow) MarkMissed(ctx context.Context, act Act, id field.RevisitID, version int64, reason string) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "miss", values{"reason": reason})
}

// ExcuseRevisit says why nobody needs to go.
func (f *Flow) ExcuseRevisit(ctx context.Context, act Act, id field.RevisitID, version int64, reason string) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "excuse", values{"reason": reason})
}

// CancelRevisit takes a task out of the campaign.
func (f *Flow) CancelRevisit(ctx context.Context, act Act, id field.RevisitID, version int64, reason string) (*field.Record, error) {
	return f.revisit(ctx, act, id, version, "cancel", values{"reason": reason})
}

func (f *Flow) revisit(ctx context.Context, act Act, id field.RevisitID, version int64, name string, args values) (*field.Record, error) {
	return f.command(ctx, act, field.KindRevisit, field.RecordID(id), version, name, args)
}

// RevisitFilter narrows a list of revisit tasks; empty: all. Assignee finds a companion's tasks as well only by the
// companion's own filter.
type RevisitFilter struct {
	State      field.State
	CampaignID field.CampaignID
	SiteID     field.SiteID
	Assignee   field.UserID
	Companion  field.UserID
	Stratum    string
}

// Revisits lists revisit tasks by due date; those without one come first.
func (f *Flow) Revisits(ctx context.Context, who *access.Actor, by RevisitFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindRevisit}, States: states(by.State),
		Keys: where{}.is("campaignId", string(by.CampaignID)).is("siteId", string(by.SiteID)).is("assignee", string(by.Assignee)).
			is("companion", string(by.Companion)).is("stratum", by.Stratum),
	}, ask)
}

// Progress is how far a campaign has come.
type Progress struct {
	CampaignID field.RecordID    `json:"campaignId"`
	State      field.State       `json:"state"`
	FrameHash  string            `json:"frameHash,omitempty"`
	Seed       string            `json:"seed,omitempty"`
	Draws      []field.Drawing   `json:"draws"` // every one, also those that do not stand
	Strata     []StratumProgress `json:"strata"`
	Total      StratumProgress   `json:"total"`
	Cut        bool              `json:"cut"` // there are more tasks than were counted
}

// StratumProgress is how far one stratum has come. Tasks that the reader may not see are not counted.
type StratumProgress struct {
	Stratum string              `json:"stratum"` // empty: of the whole campaign
	Size    int                 `json:"size"`    // how many units were to be drawn
	Frame   int                 `json:"frame"`   // how many there were to draw from
	Sample  int                 `json:"sample"`  // how many were drawn
	Tasks   map[field.State]int `json:"tasks"`
	Overdue int                 `json:"overdue"` // open tasks whose due date has passed
	Results map[string]int      `json:"results"` // of the prior problems, in submitted and done tasks
}

// mostTasks is how many tasks of a campaign are counted: the size of the largest sample.
const mostTasks = 20_000

// Progress counts the tasks of a campaign by stratum and state, and what they found.
func (f *Flow) Progress(ctx context.Context, who *access.Actor, id field.CampaignID) (*Progress, error) {
	campaign, err := f.read(ctx, who, field.KindCampaign, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	var strata []field.Stratum
	if err := campaign.Decode("strata", &strata); err != nil {
		return nil, err
	}
	var sample []field.Unit
	if err := campaign.Decode("sample", &sample); err != nil {
		return nil, err
	}
	draws, err := field.DrawingsOf(campaign)
	if err != nil {
		return nil, err
	}
	tasks, whole, err := f.all(ctx, who, store.Query{Kinds: []field.Kind{field.KindRevisit}, Keys: where{}.is("campaignId", string(id))}, mostTasks)
	if err != nil {
		return nil, err
	}
	p := &Progress{
		CampaignID: campaign.ID, State: campaign.State, FrameHash: campaign.Text("frameHash"), Seed: campaign.Text("seed"),
		Draws: append([]field.Drawing{}, draws...), Strata: []StratumProgress{}, Total: emptyProgress(""), Cut: !whole,
	}
	today := f.today()
	for _, s := range strata {
		row := emptyProgress(s.Stratum)
		row.Size, row.Frame = s.Size, s.Frame
		for _, u := range sample {
			if u.Stratum == s.Stratum {
				row.Sample++
			}
		}
		for _, t := range tasks {
			if t.Text("stratum") != s.Stratum {
				continue
			}
			if err := row.count(t, today); err != nil {
				return nil, err
			}
		}
		p.Strata = append(p.Strata, row)
		p.Total.add(row)
	}
	return p, nil
}

func emptyProgress(stratum string) StratumProgress {
	return StratumProgress{Stratum: stratum, Tasks: map[field.State]int{}, Results: map[string]int{}}
}

// finished are the states in which nobody is expected to go any more.
var finished = []field.State{field.RevisitSubmitted, field.RevisitDone, field.RevisitMissed, field.RevisitExcused, field.RevisitCancelled}

func (p *StratumProgress) count(task *field.Record, today string) error {
	p.Tasks[task.State]++
	if due := task.Text("due"); due != "" && due < today && !slices.Contains(finished, task.State) {
		p.Overdue++
	}
	if task.State != field.RevisitSubmitted && task.State != field.RevisitDone {
		return nil
	}
	var results []field.RevisitResult
	if err := task.Decode("results", &results); err != nil {
		return err
	}
	for _, r := range results {
		p.Results[r.Result]++
	}
	return nil
}

func (p *StratumProgress) add(row StratumProgress) {
	p.Size += row.Size
	p.Frame += row.Frame
	p.Sample += row.Sample
	p.Overdue += row.Overdue
	for s, n := range row.Tasks {
		p.Tasks[s] += n
	}
	for r, n := range row.Results {
		p.Results[r] += n
	}
}
