package workflow_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

const year = 365 * 24 * time.Hour

var (
	hashA = strings.Repeat("a", 64)
	hashB = strings.Repeat("b", 64)
)

// A report comes in, goes back, comes again and is approved; its finding becomes a clue and is closed; a campaign goes
// back to look, and the relapse opens both again.
func TestFromTheReportToTheRelapse(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	for _, s := range c.sites {
		w.see("ann", siteScope(s))
		w.see("ben", siteScope(s))
	}
	site := c.sites[0]
	before := w.visit(c, site, year, hashB)
	now := w.visit(c, site, 2*time.Hour, hashA)
	flag := w.flag(now.report, "blocking")

	// As supervisor: the queue has the flagged report on top, and one call shows all of it.
	queue, err := w.flow.ReviewQueue(w.ctx, w.as("cai"), workflow.Ask{})
	w.must(err)
	if len(queue.Items) != 2 || queue.Items[0].ID != now.report || queue.Items[0].Severity != 3 || queue.Items[0].Site.Name != "水厂0" ||
		queue.Items[0].Author.Name != "ann" || len(queue.Items[0].Inspectors) != 2 {
		t.Fatalf("the queue is %+v", queue.Items)
	}
	if n := queue.Items[0].Counts; n.Answers != 2 || n.Photos != 1 || n.Findings != 1 || n.Interviews != 1 || n.Flags["blocking"] != 1 {
		t.Errorf("counted %+v", n)
	}
	view, err := w.flow.ReportView(w.ctx, w.as("cai"), field.ReportID(now.report))
	w.must(err)
	roof, front := view.Items[0], view.Items[1]
	if string(roof.Answer) == "" || string(roof.PreviousAnswer) == "" || len(front.Photos) != 1 || front.Photos[0].ID != now.photo || front.Photos[0].RestsOn.Findings != 1 {
		t.Errorf("the items are %+v", view.Items)
	}
	if view.Previous == nil || view.Previous.ReportID != before.report || view.Previous.Author.Name != "ann" {
		t.Errorf("the visit before is %+v", view.Previous)
	}
	if len(view.PhotoPoints) != 1 || view.PhotoPoints[0].Label != "大门" || view.PhotoPoints[0].Previous.ID != before.photo || view.PhotoPoints[0].Current[0].ID != now.photo {
		t.Errorf("the photo points are %+v", view.PhotoPoints)
	}
	if *view.Works.PaidPercent != 75 || *view.Works.BuiltPercent != 60 || *view.Works.PlannedPercent != 100 {
		t.Errorf("the works are %v %v %v", *view.Works.PaidPercent, *view.Works.BuiltPercent, *view.Works.PlannedPercent)
	}
	if len(view.PastFindings) != 1 || view.PastFindings[0].ID != before.finding || len(view.Flags) != 1 || len(view.Interviews) != 1 {
		t.Errorf("past findings %v, flags %v, interviews %v", view.PastFindings, view.Flags, view.Interviews)
	}

	// As the author: no word on one's own report.
	w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
		return w.click("ann", field.KindReport, field.RecordID(now.report), w.v(now.report), "take", nil)
	})

	// As supervisor: take it, and send it back on one item.
	report := field.ReportID(now.report)
	w.done(w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "take", nil))
	w.refuses(field.CodeFlagsOpen, func() (*field.Record, error) {
		return w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "approve", nil)
	})
	w.done(w.click("cai", field.KindFlag, field.RecordID(flag), w.v(flag), "decide", map[string]any{"decision": "explained", "reason": "同一点位"}))
	deadline := w.now().Add(48 * time.Hour).Format(time.RFC3339)
	w.done(w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "return", map[string]any{"items": []field.ReturnedItem{{Item: "roof", Comment: "哪一处？"}}, "deadline": deadline}))

	// As inspector: the returned work is on top of the inbox.
	inbox, err := w.flow.Inbox(w.ctx, w.as("ann"), "", workflow.Ask{})
	w.must(err)
	if len(inbox.Items) == 0 || !strings.Contains(string(inbox.Items[0].Fields), `"returned"`) || !strings.Contains(string(inbox.Items[0].Fields), "哪一处") {
		t.Fatalf("the inbox is %+v", inbox.Items)
	}
	notice := inbox.Items[0]
	w.refuses(field.CodeNotFound, func() (*field.Record, error) {
		return w.click("gus", field.KindNotice, field.RecordID(notice.ID), notice.Version, "read", nil)
	})
	w.done(w.click("ann", field.KindNotice, field.RecordID(notice.ID), notice.Version, "read", nil))
	w.push("ann", siteScope(site),
		protocol.Operation{ID: now.report, Kind: field.KindReport, Base: w.v(now.report), Set: quoted(map[string]any{"answers": map[string]any{"roof": map[string]any{"value": true, "note": "东侧"}}})},
		protocol.Operation{ID: now.report, Kind: field.KindReport, Base: w.v(now.report), Command: "resubmit"},
	)
	view, err = w.flow.ReportView(w.ctx, w.as("cai"), report)
	w.must(err)
	if view.Items[0].Returned != "哪一处？" || !strings.Contains(string(view.Items[0].Answer), "东侧") {
		t.Errorf("the returned item is %+v", view.Items[0])
	}
	w.refuses(field.CodePhotosUnexamined, func() (*field.Record, error) {
		return w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "approve", nil)
	})
	w.examined(now.photo)
	w.done(w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "approve", nil))
	w.done(w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "archive", nil))
	w.refuses(field.CodeNotNow, func() (*field.Record, error) {
		return w.click("cai", field.KindReport, field.RecordID(report), w.v(now.report), "void", map[string]any{"reason": "不要了"})
	})
	w.done(w.click("cai", field.KindInterview, field.RecordID(now.interview), w.v(now.interview), "review", nil))
	w.done(w.click("cai", field.KindInterview, field.RecordID(now.interview), w.v(now.interview), "seal", nil))

	clue := w.clueStory(before)
	w.campaignStory(c, site, before, clue)
}

// clueStory makes a clue of last year's finding and closes it.
func (w *world) clueStory(v visit) field.ClueID {
	t := w.t
	t.Helper()
	finding := field.FindingID(v.finding)
	w.refuses(field.CodeViolationMissing, func() (*field.Record, error) {
		return w.click("cai", field.KindFinding, field.RecordID(finding), w.v(v.finding), "classify", map[string]any{"class": "clue"})
	})
	w.done(w.click("cai", field.KindFinding, field.RecordID(finding), w.v(v.finding), "classify", map[string]any{"class": "clue", "violation": "poor_quality"}))
	id := field.RecordID(w.get(v.finding).Text("clueId"))
	clue := field.ClueID(id)
	w.refuses(field.CodeNotFound, func() (*field.Record, error) {
		return w.click("han", field.KindClue, field.RecordID(clue), w.v(id), "assign", map[string]any{"handler": w.people["han"].id})
	})
	w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(id), "register", nil))
	if n := w.get(id).Text("number"); n != "gz-2026-0001" {
		t.Errorf("number %s", n)
	}
	w.done(w.flow.Edit(w.ctx, w.act("dai"), field.KindClue, field.RecordID(clue), w.v(id), quoted(map[string]any{"urgency": "major", "batch": "2026Q4-visits"})))
	w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(id), "assign", map[string]any{"handler": w.people["han"].id}))
	w.done(w.click("han", field.KindClue, field.RecordID(clue), w.v(id), "propose", map[string]any{"disposition": "verification", "reason": "可查"}))
	w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
		return w.click("han", field.KindClue, field.RecordID(clue), w.v(id), "approve", nil)
	})
	w.done(w.click("eva", field.KindClue, field.RecordID(clue), w.v(id), "approve", nil))
	w.done(w.click("han", field.KindClue, field.RecordID(clue), w.v(id), "handle", nil))
	w.done(w.click("han", field.KindClue, field.RecordID(clue), w.v(id), "report", map[string]any{"outcome": "属实，已整改"}))
	// The handler, who may not see the site, sees in the graph that it is there; when the clue is closed, not even the
	// clue.
	g, err := w.flow.ClueGraph(w.ctx, w.as("han"), clue)
	w.must(err)
	for _, n := range g.Nodes {
		if n.Visible != (n.ID == id) || !n.Visible && (n.Label != "" || n.State != "" || n.Scope != "") {
			t.Errorf("the handler sees %+v", n)
		}
	}
	if len(g.Nodes) != 5 {
		t.Errorf("the handler's graph is %+v", g.Nodes)
	}
	w.done(w.click("eva", field.KindClue, field.RecordID(clue), w.v(id), "close", map[string]any{"reason": "整改到位"}))
	if _, err := w.flow.ClueGraph(w.ctx, w.as("han"), clue); !field.Is(err, field.CodeNotFound) {
		t.Errorf("the handler of a closed clue: %v", err)
	}
	w.done(w.click("cai", field.KindFinding, field.RecordID(finding), w.v(v.finding), "close", map[string]any{"reason": "整改到位"}))

	// The clue manager sees everything in the graph.
	g, err = w.flow.ClueGraph(w.ctx, w.as("dai"), clue)
	w.must(err)
	if len(g.Nodes) != 5 || slices.ContainsFunc(g.Nodes, func(n workflow.Node) bool { return !n.Visible }) {
		t.Errorf("the clue manager's graph is %+v", g.Nodes)
	}
	evidence := 0
	for _, e := range g.Edges {
		if e.Relation == "evidence" && e.From == v.finding {
			evidence++
		}
	}
	if evidence != 2 {
		t.Errorf("the edges are %+v", g.Edges)
	}
	// Without the photo the interview still stands; without both, nothing would.
	impact, err := w.flow.PhotoImpact(w.ctx, w.as("dai"), field.PhotoID(v.photo))
	w.must(err)
	if len(impact.Findings) != 1 || len(impact.Links) != 1 || len(impact.Clues) != 1 || !impact.Clues[0].Independent {
		t.Errorf("on the photo rests %+v", impact)
	}
	links, err := w.flow.Links(w.ctx, w.as("dai"), clue, workflow.Ask{})
	w.must(err)
	for _, l := range links.Items {
		if strings.Contains(string(l.Fields), string(v.interview)) {
			w.done(w.click("dai", field.KindLink, field.RecordID(l.ID), l.Version, "withdraw", map[string]any{"reason": "证言撤回"}))
		} else if strings.Contains(string(l.Fields), string(v.photo)) {
			w.done(w.click("dai", field.KindLink, field.RecordID(l.ID), l.Version, "confirm", nil))
		}
	}
	return clue
}

func (w *world) campaignStory(c county, site field.SiteID, before visit, clue field.ClueID) {
	t := w.t
	t.Helper()
	id := w.id()
	campaign := field.CampaignID(id)
	w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindCampaign, field.RecordID(campaign), quoted(map[string]any{
		"title": "回头看", "from": "2026-11-23", "to": "2026-12-31", "templateId": c.template,
		"strata": []field.Stratum{{Stratum: "problems", Size: 5}, {Stratum: "unsampled", Size: 1}, {Stratum: "petitioners", Size: 5}},
	})))
	w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
		return w.flow.DrawSample(w.ctx, w.act("eva"), campaign, w.v(id), "seed")
	})
	w.refuses(field.CodeMissingField, func() (*field.Record, error) { return w.flow.DrawSample(w.ctx, w.act("cai"), campaign, w.v(id), "") })
	w.refuses(field.CodeSeedNotAnnounced, func() (*field.Record, error) {
		return w.flow.DrawSample(w.ctx, w.act("cai"), campaign, w.v(id), "2026-11-23")
	})
	w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
		return w.click("eva", field.KindCampaign, field.RecordID(campaign), w.v(id), "announce", map[string]any{"seedHash": hashA})
	})
	first := sha256.Sum256([]byte("first"))
	w.done(w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "announce", map[string]any{"seedHash": hex.EncodeToString(first[:])}))
	dropped := w.done(w.flow.DrawSample(w.ctx, w.act("cai"), campaign, w.v(id), "first"))
	seed := sha256.Sum256([]byte("2026-11-23"))
	w.done(w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "announce", map[string]any{"seedHash": hex.EncodeToString(seed[:]), "reason": "漏了一户"}))
	draw := w.act("cai")
	sampled := w.done(w.flow.DrawSample(w.ctx, draw, campaign, w.v(id), "2026-11-23"))
	again := w.done(w.flow.DrawSample(w.ctx, draw, campaign, sampled.Version, "2026-11-23"))
	if again.Version != sampled.Version {
		t.Error("a repeated click drew again")
	}
	var sample, frame []field.Unit
	w.must(sampled.Decode("sample", &sample))
	w.must(sampled.Decode("frame", &frame))
	var got []string
	for _, u := range frame {
		got = append(got, fmt.Sprintf("%s %d %s %d %d", u.Stratum, slices.Index(c.sites, u.SiteID), u.Alias, len(u.Findings), len(u.Photos)))
	}
	slices.Sort(got)
	if want := []string{"petitioners 2 甲户 0 0", "problems 0  1 1", "unsampled 1  0 0", "unsampled 2  0 0"}; !slices.Equal(got, want) {
		t.Errorf("the frame is %q, want %q", got, want)
	}
	if drawn := field.Draw(frame, sampled.Text("seed"), []field.Stratum{{Stratum: "problems", Size: 5}, {Stratum: "unsampled", Size: 1}, {Stratum: "petitioners", Size: 5}}); len(drawn) != len(sample) || drawn[1].SiteID != sample[1].SiteID {
		t.Errorf("drawn again: %v, stored: %v", drawn, sample)
	}

	w.done(w.click("eva", field.KindCampaign, field.RecordID(campaign), w.v(id), "approve", nil))
	w.done(w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "run", nil))
	w.follow(id)
	heads := w.heads()
	w.follow(id)
	if after := w.heads(); fmt.Sprint(heads) != fmt.Sprint(after) {
		t.Errorf("the follower wrote again: %v, before %v", after, heads)
	}

	p, err := w.flow.Progress(w.ctx, w.as("cai"), campaign)
	w.must(err)
	if len(p.Draws) != 2 || p.Draws[0].Seed != dropped.Text("seed") || p.Draws[0].DroppedFor != "漏了一户" || p.Draws[1].Seed != p.Seed {
		t.Errorf("the draws are %+v", p.Draws)
	}
	if p.Total.Sample != 3 || p.Total.Tasks[field.RevisitPending] != 3 || p.Strata[1].Frame != 2 || p.Strata[1].Size != 1 {
		t.Errorf("progress %+v", p)
	}
	task := sample[0].Revisit
	if fields := string(w.get(task).Document()); !strings.Contains(fields, string(before.finding)) || !strings.Contains(fields, string(before.photo)) {
		t.Errorf("the task is %s", fields)
	}
	team := map[string]any{"assignee": w.people["ann"].id, "companion": w.people["gus"].id, "due": "2026-12-01"}
	w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
		return w.click("eva", field.KindRevisit, field.RecordID(task), w.v(task), "assign", team)
	})
	w.done(w.click("cai", field.KindRevisit, field.RecordID(task), w.v(task), "assign", team))
	team["companion"], team["reason"] = w.people["ben"].id, "调岗"
	w.done(w.click("cai", field.KindRevisit, field.RecordID(task), w.v(task), "reassign", team))
	if seen := w.as("gus").Scopes; len(seen) != 0 {
		t.Errorf("gus still sees %v", seen)
	}
	for i, u := range sample[1:] {
		r := field.RevisitID(u.Revisit)
		if i == 0 {
			w.done(w.click("cai", field.KindRevisit, field.RecordID(r), w.v(u.Revisit), "miss", map[string]any{"reason": "塌方"}))
			w.done(w.click("cai", field.KindRevisit, field.RecordID(r), w.v(u.Revisit), "excuse", map[string]any{"reason": "道路中断"}))
		} else {
			w.done(w.click("cai", field.KindRevisit, field.RecordID(r), w.v(u.Revisit), "cancel", map[string]any{"reason": "已搬迁"}))
		}
	}

	// As inspector: the fault is there again.
	w.pass(24 * time.Hour)
	later := w.visit(c, site, time.Hour, strings.Repeat("c", 64))
	submit := func() {
		w.push("ann", siteScope(site), protocol.Operation{ID: task, Kind: field.KindRevisit, Base: w.v(task), Command: "submit", Args: quoted(map[string]any{
			"reportId": later.report, "results": []field.RevisitResult{{FindingID: before.finding, Result: "relapse"}},
		})})
	}
	submit()
	w.done(w.click("cai", field.KindRevisit, field.RecordID(task), w.v(task), "return", map[string]any{"reason": "照片不清"}))
	submit()
	w.refuses(field.CodeNotNow, func() (*field.Record, error) {
		return w.click("cai", field.KindRevisit, field.RecordID(task), w.v(task), "accept", nil)
	})
	w.examined(later.photo)
	w.done(w.click("cai", field.KindReport, field.RecordID(later.report), w.v(later.report), "approve", nil))
	w.refuses(field.CodeTasksOpen, func() (*field.Record, error) {
		return w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "close", nil)
	})
	w.done(w.click("cai", field.KindRevisit, field.RecordID(task), w.v(task), "accept", nil))
	if f := w.get(before.finding); f.State != "open" || f.Int("reopened") != 1 {
		t.Errorf("the finding is %s", f.State)
	}
	if k := w.get(field.RecordID(clue)); k.State != field.ClueAssigned || k.Int("reopened") != 1 {
		t.Errorf("the clue is %s", k.State)
	}
	p, err = w.flow.Progress(w.ctx, w.as("cai"), campaign)
	w.must(err)
	if p.Strata[0].Results["relapse"] != 1 || p.Total.Tasks[field.RevisitDone] != 1 || p.Total.Tasks[field.RevisitExcused] != 1 || p.Total.Tasks[field.RevisitCancelled] != 1 {
		t.Errorf("progress %+v", p)
	}
	if c := w.done(w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "close", nil)); string(c.Fields["ended"]) != `[{"state":"done","tasks":1},{"state":"excused","tasks":1},{"state":"cancelled","tasks":1}]` {
		t.Errorf("it was closed with %s", c.Fields["ended"])
	}
	w.done(w.click("cai", field.KindCampaign, field.RecordID(campaign), w.v(id), "report", map[string]any{"text": "一处反弹"}))

	tasks, err := w.flow.List(w.ctx, w.as("cai"), field.KindRevisit, map[string]string{"campaignId": string(campaign), "state": string(field.RevisitDone)}, workflow.Ask{})
	w.must(err)
	same(t, "done tasks", idsOf(tasks), []field.RecordID{task})
	w.history(before.finding, task)
}

// history of a finding: written on a phone, classified and closed at the desk, opened again by the acceptance of a
// task.
func (w *world) history(finding, task field.RecordID) {
	w.t.Helper()
	h, err := w.flow.History(w.ctx, w.as("cai"), field.KindFinding, finding, workflow.Ask{})
	w.must(err)
	var got []string
	for _, e := range h.Items {
		line := e.By.Name
		for _, op := range e.Operations {
			line += " " + op.Command + ":" + string(op.Outcome.Outcome)
		}
		got = append(got, line+" "+string(e.State))
	}
	want := []string{"ann :applied open", "cai classify:applied classified", "cai close:applied closed", "cai open"}
	if !slices.Equal(got, want) {
		w.t.Errorf("history %q, want %q", got, want)
	}
	first := h.Items[0]
	if first.DeviceTime == "" || first.SkewMS != 1200 || first.App != "1.0.0" || first.Device != w.people["ann"].device || len(first.Set) == 0 {
		w.t.Errorf("the first event is %+v", first)
	}
	var paged []int64
	for ask := (workflow.Ask{Limit: 1}); ; {
		page, err := w.flow.History(w.ctx, w.as("cai"), "", finding, ask)
		w.must(err)
		for _, e := range page.Items {
			paged = append(paged, e.Seq)
		}
		if ask.After = page.Next; page.Next == "" {
			break
		}
	}
	if len(paged) != len(want) || !slices.IsSorted(paged) {
		w.t.Errorf("paged: %v", paged)
	}
	if _, err := w.flow.History(w.ctx, w.as("cai"), field.KindReport, task, workflow.Ask{}); !field.Is(err, field.CodeNotFound) {
		w.t.Errorf("a task passed for a report: %v", err)
	}
}

// follow gives the campaign's log to the follower, as its runner does.
func (w *world) follow(campaign field.RecordID) {
	w.t.Helper()
	f := workflow.NewCampaigns(w.store, w.engine)
	entries, err := w.store.Entries(w.ctx, field.MakeScope(field.ScopeCampaign, string(campaign)), 0, 100)
	w.must(err)
	for _, e := range entries {
		w.must(f.Entry(w.ctx, e))
	}
}
