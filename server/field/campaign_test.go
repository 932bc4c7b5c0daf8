package field_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
)

const goldenFrameHash = "dac33b4f51ce11de362203bbd9a9846b1bc5db31cac2a078db371f321eadf048"

// stratum, end of the site's id, alias
const goldenSample = `problems 064 
problems 067 
unsampled 06e 
petitioners 066 户02
petitioners 06f 户11
petitioners 069 户05
petitioners 06c 户08`

func frameOf(n int) []field.Unit {
	var frame []field.Unit
	for i := range n {
		stratum := []string{"problems", "unsampled", "petitioners"}[i%3]
		u := field.Unit{Stratum: stratum, SiteID: field.SiteID(id(100 + i))}
		if stratum == "petitioners" {
			u.Alias = fmt.Sprintf("户%02d", i)
		}
		frame = append(frame, u)
	}
	return frame
}

// The figures of this test are published with every campaign: who has the frame and the seed must draw the same sample
// with any later version of this program, and with any other program.
func TestTheSampleIsDrawnAsPublished(t *testing.T) {
	frame := frameOf(12)
	if got, want := field.FrameHash(frame), goldenFrameHash; got != want {
		t.Errorf("frame hash %s, want %s", got, want)
	}
	sample := field.Draw(frame, "2026-Q4 双色球 07 11 19 23 28 33", []field.Stratum{{Stratum: "problems", Size: 2}, {Stratum: "unsampled", Size: 1}, {Stratum: "petitioners", Size: 9}})
	var got []string
	for _, u := range sample {
		got = append(got, u.Stratum+" "+string(u.SiteID[len(u.SiteID)-3:])+" "+u.Alias)
	}
	if strings.Join(got, "\n") != goldenSample {
		t.Errorf("the sample is\n%s\nwant\n%s", strings.Join(got, "\n"), goldenSample)
	}
}

// The rule in the words of the documentation, written down a second time: in each stratum the units with the smallest
// SHA-256 of frame hash, seed and unit.
func TestAnyoneCanDrawTheSampleAgain(t *testing.T) {
	frame := frameOf(60)
	lines := make([]string, 0, len(frame))
	for _, u := range frame {
		lines = append(lines, u.Stratum+"\x00"+string(u.SiteID)+"\x00"+u.Alias)
	}
	slices.Sort(lines)
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(strings.ReplaceAll(l, "\x00", "\t") + "\n")
	}
	sum := sha256.Sum256([]byte(text.String()))
	frameHash := hex.EncodeToString(sum[:])
	if frameHash != field.FrameHash(frame) {
		t.Fatalf("the hash of the frame is %s by hand and %s by the program", frameHash, field.FrameHash(frame))
	}
	type ticket struct{ lot, site string }
	var tickets []ticket
	for _, l := range lines {
		if strings.HasPrefix(l, "unsampled\x00") {
			lot := sha256.Sum256([]byte(frameHash + "\nseed\n" + l))
			tickets = append(tickets, ticket{hex.EncodeToString(lot[:]), strings.Split(l, "\x00")[1]})
		}
	}
	slices.SortFunc(tickets, func(a, b ticket) int { return strings.Compare(a.lot, b.lot) })
	for i, u := range field.Draw(frame, "seed", []field.Stratum{{Stratum: "unsampled", Size: 5}}) {
		if string(u.SiteID) != tickets[i].site {
			t.Errorf("unit %d is %s, by hand %s", i, u.SiteID, tickets[i].site)
		}
	}
}

func TestTheOrderOfTheFrameDoesNotMatter(t *testing.T) {
	frame := frameOf(40)
	strata := []field.Stratum{{Stratum: "problems", Size: 4}, {Stratum: "petitioners", Size: 4}}
	want, _ := json.Marshal(field.Draw(frame, "s", strata)) // units marshal
	for range 20 {
		rand.Shuffle(len(frame), func(i, j int) { frame[i], frame[j] = frame[j], frame[i] })
		got, _ := json.Marshal(field.Draw(frame, "s", strata)) // units marshal
		if string(got) != string(want) {
			t.Fatalf("another order drew another sample:\n%s\n%s", got, want)
		}
	}
	if other, _ := json.Marshal(field.Draw(frame, "t", strata)); string(other) == string(want) { // units marshal
		t.Error("another seed drew the same sample")
	}
}

func TestDrawingTakesNoMoreThanThereIs(t *testing.T) {
	if got := field.Draw(frameOf(9), "s", []field.Stratum{{Stratum: "problems", Size: 100}}); len(got) != 3 {
		t.Errorf("drew %d of 3", len(got))
	}
	if got := field.Draw(nil, "s", []field.Stratum{{Stratum: "problems", Size: 1}}); len(got) != 0 {
		t.Errorf("drew %d from nothing", len(got))
	}
}

func planned(w *world) field.RecordID {
	w.put(field.KindTemplate, id(5), "published", cai, nil)
	w.must(w.make(cai, field.KindCampaign, id(9), field.MakeScope(field.ScopeCampaign, string(id(9))), plan("problems")))
	return id(9)
}

func plan(strata ...string) map[string]any {
	var list []field.Stratum
	for _, s := range strata {
		list = append(list, field.Stratum{Stratum: s, Size: 2})
	}
	return map[string]any{"title": "2026 Q4", "from": "2026-11-20", "to": "2026-12-31", "templateId": id(5), "strata": list}
}

func hashOf(seed string) string {
	h := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(h[:])
}

// drawn announces a seed and draws with it.
func drawn(w *world, campaign field.RecordID, seed, reason string) {
	w.t.Helper()
	args := map[string]any{"seedHash": hashOf(seed)}
	if reason != "" {
		args["reason"] = reason
	}
	w.must(w.give(cai, campaign, "announce", args))
	w.must(w.give(cai, campaign, "draw", map[string]any{"seed": seed, "frame": frameOf(9)}))
}

func draws(w *world, campaign field.RecordID) []field.Drawing {
	w.t.Helper()
	list, err := field.DrawingsOf(w.records[campaign])
	w.must(err)
	return list
}

func TestACampaignIsApprovedWithItsSampleByASecondPerson(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	w.refuses(field.CodeNotNow, func() error { return w.give(dai, c, "approve", nil) })
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "run", nil) })
	drawn(w, c, "s", "")
	w.refuses(field.CodeSecondPerson, func() error { return w.give(cai, c, "approve", nil) })
	w.must(w.give(dai, c, "approve", nil))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "t", "frame": frameOf(9)}) })
	w.refuses(field.CodeNotNow, func() error {
		return w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("t"), "reason": "r"})
	})
	w.must(w.give(cai, c, "run", nil))

	r := w.records[c]
	var sample []field.Unit
	w.must(r.Decode("sample", &sample))
	var strata []field.Stratum
	w.must(r.Decode("strata", &strata))
	if len(sample) != 2 || strata[0].Frame != 3 || r.Text("frameHash") != field.FrameHash(frameOf(9)) || !field.ValidID(string(sample[0].Revisit)) {
		t.Errorf("the campaign holds %s", r.Document())
	}
}

// The planner says the hash of his seed first; the salt is the server's and comes when the frame is there.
func TestTheSeedIsAnnouncedBeforeTheFrameIsKnown(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	draw := func(seed string) func() error {
		return func() error { return w.give(cai, c, "draw", map[string]any{"seed": seed, "frame": frameOf(9)}) }
	}
	w.refuses(field.CodeSeedNotAnnounced, draw("s"))
	for name, args := range map[string]map[string]any{
		"nothing": nil, "a source without a day": {"source": "双色球"}, "a day without a source": {"date": "2026-12-03", "source": "  "},
	} {
		t.Log(name)
		w.refuses(field.CodeMissingField, func() error { return w.give(cai, c, "announce", args) })
	}
	w.refuses(field.CodeBadRequest, func() error {
		return w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("s"), "source": "双色球", "date": "2026-12-03"})
	})
	w.must(w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("s")}))
	w.refuses(field.CodeSeedNotAnnounced, draw("t"))
	w.must(draw("s")())
	d := draws(w, c)[0]
	if d.SeedHash != hashOf(d.Given) || d.Seed != d.Given+" "+d.Salt || len(d.Salt) != 36 || d.AnnouncedBy != cai || d.DrawnBy != cai || w.records[c].Text("seed") != d.Seed {
		t.Errorf("the draw is %+v", d)
	}
	var sample []field.Unit
	w.must(w.records[c].Decode("sample", &sample))
	if d.SampleHash != field.FrameHash(sample) || d.Sample != 2 || d.FrameHash != field.FrameHash(frameOf(9)) {
		t.Errorf("the draw is %+v", d)
	}
	w.refuses(field.CodeSeedNotAnnounced, draw("s")) // once
}

func TestAPublicDrawIsNamedBeforeItTakesPlace(t *testing.T) {
	w := newWorld(t) // 2026-11-23, 09:00 in Beijing
	c := planned(w)
	name := func(day string) func() error {
		return func() error {
			return w.give(cai, c, "announce", map[string]any{"source": "双色球，红球由小到大，蓝球在后", "date": day})
		}
	}
	w.refuses(field.CodeBadTime, name("2026-11-22"))
	w.refuses(field.CodeBadTime, name("2026-11-23"))
	w.refuses(field.CodeBadTime, name("2027-01-01")) // after the campaign
	w.must(name("2026-11-24")())
	draw := func(numbers string) func() error {
		return func() error { return w.give(cai, c, "draw", map[string]any{"seed": numbers, "frame": frameOf(9)}) }
	}
	w.refuses(field.CodeNotNow, draw("06 11 17"))
	w.now = w.now.AddDate(0, 0, 1)
	w.refuses(field.CodeMissingField, draw("六 十一"))
	before := w.records[c]
	w.must(draw("06 11 17+09")())
	want := draws(w, c)[0]
	if want.Given != "6 11 17 9" || want.Seed != "双色球，红球由小到大，蓝球在后 2026-11-24 6 11 17 9 "+want.Salt {
		t.Errorf("the draw is %+v", want)
	}
	for _, same := range []string{"6,11,17,9", "０６ 11 17 / 009", "红06、11、17 蓝09"} { // no way of writing them is another try
		w.records[c] = before
		w.must(draw(same)())
		if got := draws(w, c)[0]; got.Given != want.Given || got.SampleHash != want.SampleHash {
			t.Errorf("%q gave %q", same, got.Given)
		}
	}
}

func TestEveryDrawStaysInTheCampaign(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	drawn(w, c, "first", "")
	old := draws(w, c)[0]
	w.refuses(field.CodeReasonMissing, func() error { return w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("second")}) })
	w.refuses(field.CodeReasonMissing, func() error {
		return w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("second"), "reason": "  "})
	})
	w.refuses(field.CodeBadChoice, func() error {
		return w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("first"), "reason": "再来"})
	})
	w.must(w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("second"), "reason": "漏了一户"}))
	w.refuses(field.CodeNotNow, func() error { return w.give(dai, c, "approve", nil) }) // the dropped sample is nobody's
	w.must(w.give(cai, c, "draw", map[string]any{"seed": "second", "frame": frameOf(9)}))
	w.must(w.give(dai, c, "approve", nil))
	all := draws(w, c)
	if len(all) != 2 || all[0].Seed != old.Seed || all[0].SampleHash != old.SampleHash || all[0].DroppedBy != cai || all[0].DroppedFor != "漏了一户" || all[0].DroppedAt == "" {
		t.Errorf("the first draw is %+v", all[0])
	}
	if all[1].Reason != "漏了一户" || all[1].DroppedAt != "" || all[1].Salt == old.Salt {
		t.Errorf("the second draw is %+v", all[1])
	}
}

func TestAPlanThatChangesIsDrawnAnew(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	drawn(w, c, "s", "")
	r := w.records[c].Clone()
	r.Fields["to"] = field.Quote("2027-01-31")
	w.must(field.KindOf(field.KindCampaign).Edited(w.caseOf(r, cai)))
	for _, f := range []string{"sample", "frame", "frameHash", "seed"} {
		if r.Fields[f] != nil {
			t.Errorf("%s of the old plan is still there", f)
		}
	}
	if d, err := field.DrawingsOf(r); err != nil || len(d) != 1 || d[0].DroppedAt == "" || d[0].Seed == "" {
		t.Errorf("the draw of the old plan: %+v %v", d, err)
	}
	w.records[c] = r
	w.refuses(field.CodeSeedNotAnnounced, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": frameOf(9)}) })
	r = r.Clone()
	r.Fields["to"] = field.Quote("2026-10-30")
	if err := field.KindOf(field.KindCampaign).Edited(w.caseOf(r, cai)); !field.Is(err, field.CodeBadTime) {
		t.Errorf("a campaign that ends before it starts: %v", err)
	}
}

func TestAStratumIsNamedOnceAndAUnitDrawnOnce(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	for code, p := range map[field.Code]map[string]any{field.CodeBadChoice: plan("problems", "problems"), field.CodeMissingField: plan()} {
		w.refuses(code, func() error {
			return w.make(cai, field.KindCampaign, id(8), field.MakeScope(field.ScopeCampaign, string(id(8))), p)
		})
		r := w.records[c].Clone()
		r.Fields["strata"] = field.Quote(p["strata"])
		if err := field.KindOf(field.KindCampaign).Edited(w.caseOf(r, cai)); err == nil {
			t.Errorf("the strata %s were taken", r.Fields["strata"])
		}
	}
	w.must(w.give(cai, c, "announce", map[string]any{"seedHash": hashOf("s")}))
	twice := append(frameOf(9), frameOf(1)...)
	w.refuses(field.CodeBadChoice, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": twice}) })
	// An older server had taken the plan.
	w.records[c].Fields["strata"] = field.Quote(plan("problems", "problems")["strata"])
	w.refuses(field.CodeBadChoice, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": frameOf(9)}) })
	w.records[c].Fields["strata"] = field.Quote([]field.Stratum{{Stratum: "problems"}})
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": frameOf(9)}) })
}

// running is a campaign whose tasks are there, as the follower makes them.
func running(w *world) (campaign field.RecordID, tasks []field.RecordID) {
	campaign = planned(w)
	drawn(w, campaign, "s", "")
	w.must(w.give(dai, campaign, "approve", nil))
	w.must(w.give(cai, campaign, "run", nil))
	var sample []field.Unit
	w.must(w.records[campaign].Decode("sample", &sample))
	for _, u := range sample {
		w.put(field.KindRevisit, u.Revisit, "", "", map[string]any{"campaignId": campaign, "siteId": siteID, "stratum": u.Stratum})
		tasks = append(tasks, u.Revisit)
	}
	return campaign, tasks
}

func TestACampaignIsClosedWhenItsTasksHaveEnded(t *testing.T) {
	w := newWorld(t)
	c, tasks := running(w)
	late := w.records[tasks[1]]
	delete(w.records, tasks[1])
	w.must(w.give(cai, tasks[0], "cancel", map[string]any{"reason": "已搬迁"}))
	closes := func() error { return w.give(cai, c, "close", nil) }
	w.refuses(field.CodeTasksOpen, closes) // one was not made yet
	w.records[tasks[1]] = late
	for _, open := range []field.State{
		field.RevisitPending, field.RevisitAssigned, field.RevisitDownloaded, field.RevisitInProgress, field.RevisitSubmitted, field.RevisitReturned,
	} {
		late.State = open
		if err := closes(); !field.Is(err, field.CodeTasksOpen) || !strings.Contains(err.Error(), string(tasks[1])+" ("+string(open)+")") {
			t.Errorf("with a task that is %s: %v", open, err)
		}
		w.records[c].State = field.CampaignClosing // closed by an older server
		w.refuses(field.CodeTasksOpen, func() error { return w.give(cai, c, "report", map[string]any{"text": "好"}) })
		w.records[c].State = field.CampaignRunning
	}
	late.State = field.RevisitPending
	w.must(w.give(cai, tasks[1], "miss", map[string]any{"reason": "塌方"}))
	w.must(closes())
	if got := string(w.records[c].Fields["ended"]); got != `[{"state":"missed","tasks":1},{"state":"cancelled","tasks":1}]` {
		t.Errorf("it was closed with %s", got)
	}
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, tasks[1], "reassign", team(ann, ben)) })
	w.must(w.give(cai, tasks[1], "excuse", map[string]any{"reason": "户主去世"}))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, c, "report", nil) })
	w.must(w.give(cai, c, "report", map[string]any{"text": "两处反弹"}))
	w.state(c, field.CampaignReported)
	if got := string(w.records[c].Fields["ended"]); got != `[{"state":"excused","tasks":1},{"state":"cancelled","tasks":1}]` {
		t.Errorf("it was reported with %s", got)
	}
	w.records[tasks[1]].State = field.RevisitMissed
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, tasks[1], "excuse", map[string]any{"reason": "r"}) })
}

func TestACampaignThatIsOverDoesNotBegin(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	drawn(w, c, "s", "")
	begun := w.now
	w.now = w.now.AddDate(0, 2, 0)
	w.refuses(field.CodeBadTime, func() error { return w.give(dai, c, "approve", nil) })
	w.now = begun
	w.must(w.give(dai, c, "approve", nil))
	w.now = w.now.AddDate(0, 2, 0)
	w.refuses(field.CodeBadTime, func() error { return w.give(cai, c, "run", nil) })
}
