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
	w.must(w.make(cai, field.KindCampaign, id(9), field.MakeScope(field.ScopeCampaign, string(id(9))), map[string]any{
		"title": "2026 Q4", "from": "2026-12-01", "to": "2026-12-31", "templateId": id(5),
		"strata": []field.Stratum{{Stratum: "problems", Size: 2}},
	}))
	return id(9)
}

func TestACampaignIsApprovedWithItsSampleByASecondPerson(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	w.refuses(field.CodeNotNow, func() error { return w.give(dai, c, "approve", nil) })
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "run", nil) })
	w.must(w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": frameOf(9)}))
	w.refuses(field.CodeSecondPerson, func() error { return w.give(cai, c, "approve", nil) })
	w.must(w.give(dai, c, "approve", nil))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "draw", map[string]any{"seed": "t", "frame": frameOf(9)}) })
	w.must(w.give(cai, c, "run", nil))
	w.must(w.give(cai, c, "close", nil))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, c, "report", nil) })
	w.must(w.give(cai, c, "report", map[string]any{"text": "两处反弹"}))
	w.state(c, "reported")

	r := w.records[c]
	var sample []field.Unit
	w.must(r.Decode("sample", &sample))
	var strata []field.Stratum
	w.must(r.Decode("strata", &strata))
	if len(sample) != 2 || strata[0].Frame != 3 || r.Text("frameHash") != field.FrameHash(frameOf(9)) || !field.ValidID(string(sample[0].Revisit)) {
		t.Errorf("the campaign holds %s", r.Document())
	}
}

func TestAPlanThatChangesIsDrawnAnew(t *testing.T) {
	w := newWorld(t)
	c := planned(w)
	w.must(w.give(cai, c, "draw", map[string]any{"seed": "s", "frame": frameOf(9)}))
	r := w.records[c].Clone()
	r.Fields["to"] = field.Quote("2027-01-31")
	w.must(field.KindOf(field.KindCampaign).Edited(w.caseOf(r, cai)))
	for _, f := range []string{"sample", "frame", "frameHash", "seed"} {
		if r.Fields[f] != nil {
			t.Errorf("%s of the old plan is still there", f)
		}
	}
	r.Fields["to"] = field.Quote("2026-11-30")
	if err := field.KindOf(field.KindCampaign).Edited(w.caseOf(r, cai)); !field.Is(err, field.CodeBadTime) {
		t.Errorf("a campaign that ends before it starts: %v", err)
	}
}
