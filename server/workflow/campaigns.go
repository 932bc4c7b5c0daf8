package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// DrawSample puts the frame together from the records and draws the sample from it with the seed that was announced, or
// with the numbers of the public draw. Frame, hash, seed and sample stand in the campaign, so that anyone can draw it
// again.
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
