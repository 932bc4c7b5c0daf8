package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// seedOfDraw stands for a seed that the planner rolls with dice. Its hash is announced before the sample is drawn.
const seedOfDraw = "骰子 6 1 3 3 5 2 4 4 1 6"

// playRevisit plans the campaign, draws its sample, sends a task to a phone and brings a relapse back.
func (d *demo) playRevisit(ctx context.Context, people map[string]field.UserID) error {
	k := d.desk(supervisor)
	campaign, err := k.create(ctx, "/v1/campaigns", "campaign", object{
		"title": "去年整改承诺回头看", "from": field.DayOf(d.ago(6 * time.Hour)), "to": d.day(30), "templateId": d.id("template"),
		"strata": []object{{"stratum": "problems", "size": 10}, {"stratum": "unsampled", "size": 1}, {"stratum": "petitioners", "size": 2}},
	})
	if err != nil {
		return err
	}
	task, err := step(d, "the draw", func() (field.RecordID, error) { return d.draw(ctx, k, campaign) })
	if err != nil {
		return err
	}
	if err := d.desk(leader).click(ctx, "approve the campaign", "/v1/campaigns", campaign, "approve", nil, field.CampaignApproved, field.CampaignRunning); err != nil {
		return err
	}
	if err := k.click(ctx, "run the campaign", "/v1/campaigns", campaign, "run", nil, field.CampaignRunning); err != nil {
		return err
	}
	if err := d.assign(ctx, k, campaign, task, people); err != nil {
		return err
	}
	h, err := d.handset(phoneA, inspectorA, 0)
	if err != nil {
		return err
	}
	if err := once(d, "the pack of the revisit", func() error { return d.pack(ctx, h, task) }); err != nil {
		return err
	}
	v := d.again(task)
	if err := once(d, "the revisit", func() error { return d.revisit(ctx, h, v, task, people) }); err != nil {
		return err
	}
	if err := d.approve(ctx, v.report(), "approve "+v.name); err != nil {
		return err
	}
	if err := k.click(ctx, "accept the revisit", "/v1/revisits", task, "accept", nil, field.RevisitDone); err != nil {
		return err
	}
	return once(d, "open again", func() error { return d.openAgain(ctx, k, campaign) })
}

// draw draws the sample and returns the task of the site with last year's closed finding and clue. It draws the sample
// again by itself, from the published frame and seed, and compares.
func (d *demo) draw(ctx context.Context, k *desk, campaign field.RecordID) (field.RecordID, error) {
	r, err := k.record(ctx, campaign)
	if err != nil {
		return "", err
	}
	type drawn struct {
		Seed, FrameHash string
		Draws           []field.Drawing
		Strata          []field.Stratum
		Frame, Sample   []field.Unit
	}
	what, err := fieldsOf[drawn](r)
	if err != nil {
		return "", err
	}
	if len(what.Draws) == 0 {
		hash := sha256.Sum256([]byte(seedOfDraw))
		if err := k.ask(ctx, "POST", "/v1/campaigns/"+string(campaign)+"/announce", "announce", object{"version": r.Version, "seedHash": hex.EncodeToString(hash[:])}, &r); err != nil {
			return "", err
		}
	}
	if what.Seed == "" {
		if err := k.ask(ctx, "POST", "/v1/campaigns/"+string(campaign)+"/draw", "draw", object{"version": r.Version, "seed": seedOfDraw}, &r); err != nil {
			return "", err
		}
		if what, err = fieldsOf[drawn](r); err != nil {
			return "", err
		}
	}
	mine := field.Draw(what.Frame, what.Seed, what.Strata)
	same := func(a, b field.Unit) bool {
		return a.Stratum == b.Stratum && a.SiteID == b.SiteID && a.Alias == b.Alias
	}
	if field.FrameHash(what.Frame) != what.FrameHash || !slices.EqualFunc(mine, what.Sample, same) {
		return "", errors.New("the sample cannot be drawn again from the published frame and seed")
	}
	d.say("   抽样 seed %q (its hash was announced before the frame was known; then the server's salt), frame %d units (hash %s…), sample %d; drawn a second time here: the same", what.Seed, len(what.Frame), what.FrameHash[:12], len(what.Sample))
	road := d.id(d.lastYear()[0].problem())
	for _, u := range what.Sample {
		if slices.Contains(u.Findings, road) {
			return u.Revisit, nil
		}
	}
	return "", errors.New("the site with last year's finding is not in the sample")
}

// assign gives the tasks out: the road to the two inspectors, the school to the team lead. Tasks are made one by one
// after the draw, so it waits for both.
func (d *demo) assign(ctx context.Context, k *desk, campaign, task field.RecordID, people map[string]field.UserID) error {
	problem := d.id(d.lastYear()[1].problem())
	var school field.RecordID
	err := await(ctx, "the revisit tasks", func() (bool, error) {
		var tasks page[protocol.PulledRecord]
		if err := k.get(ctx, "/v1/revisits?limit=100&campaignId="+string(campaign), &tasks); err != nil {
			return false, err
		}
		for _, t := range tasks.Items {
			of, err := fieldsOf[struct{ Findings []field.RecordID }](t)
			if err != nil {
				return false, err
			}
			if slices.Contains(of.Findings, problem) {
				school = t.ID
			}
		}
		return school != "" && slices.ContainsFunc(tasks.Items, func(t protocol.PulledRecord) bool { return t.ID == task }), nil
	})
	if err != nil {
		return err
	}
	assigned := []field.State{field.RevisitAssigned, field.RevisitDownloaded, field.RevisitInProgress, field.RevisitSubmitted, field.RevisitDone}
	err = k.click(ctx, "assign the road", "/v1/revisits", task, "assign",
		object{"assignee": people[inspectorA], "companion": people[inspectorB], "due": d.day(7)}, assigned...)
	if err != nil {
		return err
	}
	return k.click(ctx, "assign the school", "/v1/revisits", school, "assign",
		object{"assignee": people[lead], "companion": people[inspectorB], "due": d.day(14)}, assigned...)
}

// pack pulls until the task is on the phone with last year's finding and photos, and fetches the small pictures.
func (d *demo) pack(ctx context.Context, h *handset, task field.RecordID) error {
	old := d.lastYear()[0]
	finding := d.id(old.problem())
	if err := d.enter(ctx, h, "road"); err != nil {
		return err
	}
	var photos []field.RecordID
	err := await(ctx, "the small pictures of last year", func() (bool, error) {
		if err := h.phone.Pull(ctx); err != nil {
			return false, err
		}
		t, ok := h.phone.Record(task)
		if !ok {
			return false, nil
		}
		of, err := fieldsOf[struct{ Findings, Photos []field.RecordID }](t)
		if err != nil {
			return false, err
		}
		if !slices.Contains(of.Findings, finding) || len(of.Photos) == 0 {
			return false, fmt.Errorf("the task names %d findings and %d photos", len(of.Findings), len(of.Photos))
		}
		if _, ok := h.phone.Record(finding); !ok {
			return false, nil
		}
		photos = of.Photos
		for _, id := range photos {
			p, ok := h.phone.Record(id)
			if !ok {
				return false, nil
			}
			rendition, err := fieldsOf[struct{ Small string }](p)
			if err != nil || rendition.Small == "" {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	size := 0
	for _, id := range photos {
		small, err := h.phone.Fetch(ctx, "/v1/photos/"+string(id)+"/small")
		if err != nil {
			return err
		}
		size += len(small)
	}
	d.say("   📥 %s: the task of %s with last year's finding and %d photo (%s as small picture)", h.device, places[old.site].name, len(photos), megabytes(int64(size)))
	return nil
}

// revisit goes there: it finds last year's fault again.
func (d *demo) revisit(ctx context.Context, h *handset, v visit, task field.RecordID, people map[string]field.UserID) error {
	scope := d.scope(v.site)
	err := h.phone.Write("start of the revisit",
		phone.Command(scope, field.KindRevisit, task, "download", nil),
		phone.Command(scope, field.KindRevisit, task, "start", nil))
	if err != nil {
		return err
	}
	if err := d.record(h, v, people[inspectorA], people[inspectorB]); err != nil {
		return err
	}
	var photos []field.RecordID // the report is handed in when they are there, and the task after it
	for i := range v.shots {
		photos = append(photos, d.id(v.photo(i)))
	}
	err = h.phone.Write("end of the revisit", phone.Command(scope, field.KindRevisit, task, "submit", object{
		"reportId": d.id(v.report()),
		"results":  []object{{"findingId": d.id(d.lastYear()[0].problem()), "result": "relapse", "note": "承诺未兑现，再次付入个人账户"}},
	}, photos...))
	if err != nil {
		return err
	}
	h.link.Plan(
		badlink.Fault{Method: "PATCH", Path: "/v1/uploads", Harm: badlink.Cut, After: 900_000},
		badlink.Fault{Method: "POST", Path: "/v1/sync/push", Harm: badlink.LoseAnswer})
	if err := h.phone.Sync(ctx); err != nil {
		return err
	}
	if p := h.phone.Stats().Problems; len(p) > 0 {
		return fmt.Errorf("the revisit was not applied: %v", p)
	}
	d.say("   ✎ %s: revisit of %s: relapse", h.device, places[v.site].name)
	return nil
}

// openAgain checks that the relapse opened last year's finding and clue, and shows the campaign's progress.
func (d *demo) openAgain(ctx context.Context, k *desk, campaign field.RecordID) error {
	old := d.lastYear()[0]
	type reopened struct {
		Reopened int64
		Number   string
	}
	finding, err := k.record(ctx, d.id(old.problem()))
	if err != nil {
		return err
	}
	clue, err := d.desk(clues).record(ctx, d.id("clue of "+old.name))
	if err != nil {
		return err
	}
	f, err := fieldsOf[reopened](finding)
	if err != nil {
		return err
	}
	c, err := fieldsOf[reopened](clue)
	if err != nil {
		return err
	}
	if finding.State != field.StateOpen || f.Reopened != 1 || clue.State != field.ClueAssigned || c.Reopened != 1 {
		return fmt.Errorf("after the relapse the finding is %s and the clue %s", finding.State, clue.State)
	}
	d.say("   反弹 · relapse accepted: the finding is open again, clue %s is with its handler again", c.Number)
	var progress struct {
		Strata []struct {
			Stratum             string
			Size, Frame, Sample int
			Tasks               map[string]int
			Results             map[string]int
		} `json:"strata"`
	}
	if err := k.get(ctx, "/v1/campaigns/"+string(campaign)+"/progress", &progress); err != nil {
		return err
	}
	for _, s := range progress.Strata {
		d.say("   %-12s frame %d, sample %d, tasks: %s; results: %s", s.Stratum, s.Frame, s.Sample, counts(s.Tasks), counts(s.Results))
	}
	return nil
}

// counts says how many there are of each, such as "1 done, 2 pending".
func counts(of map[string]int) string {
	if len(of) == 0 {
		return "none yet"
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[what], what))
	}
	return strings.Join(parts, ", ")
}
