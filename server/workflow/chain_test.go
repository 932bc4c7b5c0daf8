package workflow_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/storetest"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// custody is the chain of hands as somebody sees it, each step with the entry that says so compared to the log.
func (w *world) custody(name string, photo field.RecordID) *workflow.Custody {
	w.t.Helper()
	c, err := w.flow.PhotoCustody(w.ctx, w.as(name), field.PhotoID(photo))
	w.must(err)
	about := []string{string(photo), w.get(photo).Text("reportId"), w.get(photo).Text("sha256")}
	for _, e := range c.Events {
		entry, err := w.store.Entry(w.ctx, e.Entry.Scope, e.Entry.Seq)
		w.must(err)
		for _, name := range []string{"flagId", "linkId", "holdId", "findingId"} {
			if v := e.Details[name]; v != nil {
				about = append(about, strings.Trim(string(v), `"`))
			}
		}
		if entry.Hash != e.Entry.Hash || !slices.ContainsFunc(about, func(id string) bool { return bytes.Contains(entry.Body, []byte(id)) }) {
			w.t.Errorf("%s: entry %s %d does not say so", e.Code, e.Entry.Scope, e.Entry.Seq)
		}
		if e.ZH == "" || e.EN == "" {
			w.t.Errorf("%s has no sentence", e.Code)
		}
	}
	return c
}

func codes(c *workflow.Custody) string {
	var all []string
	for _, e := range c.Events {
		all = append(all, e.Code)
	}
	return strings.Join(all, " ")
}

func (w *world) event(c *workflow.Custody, code string) workflow.CustodyEvent {
	w.t.Helper()
	i := slices.IndexFunc(c.Events, func(e workflow.CustodyEvent) bool { return e.Code == code })
	if i < 0 {
		w.t.Fatalf("nothing was %s", code)
	}
	return c.Events[i]
}

// A photo from the shutter to the day on which it is voided, as each who may see it is told; and nobody else.
func TestTheCustodyOfAPhoto(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		site := w.together(c)
		scope := siteScope(site)
		report, photo, flag := w.id(), w.id(), w.id()
		ann, hash := w.people["ann"], strings.Repeat("a", 64)
		at := func(seconds int) string {
			return w.now().Add(time.Duration(seconds) * time.Second).Format(time.RFC3339)
		}
		later := func() { w.pass(time.Minute) }
		server := func(id field.RecordID, kind field.Kind, name string, args map[string]any) {
			t.Helper()
			w.server(scope, protocol.Operation{ID: id, Kind: kind, Base: w.v(id), Command: name, Args: quoted(args)})
			later()
		}
		taken := w.stamp(3 * time.Hour)
		w.push("ann", scope, protocol.Operation{ID: photo, Kind: field.KindPhoto, Set: quoted(map[string]any{
			"reportId": report, "siteId": site, "sha256": hash, "size": 9000, "type": "image/jpeg", "takenAt": taken, "capture": "app", "caption": "大门",
			"position": map[string]any{"lat": 27.3, "lon": 105.3, "accuracy": 8}, "clockSkewMs": 1200,
		})})
		later()
		w.push("ann", scope, protocol.Operation{ID: photo, Kind: field.KindPhoto, Base: w.v(photo), Set: quoted(map[string]any{"caption": "西门"})})
		later()
		server(photo, field.KindPhoto, "store", map[string]any{
			"receipt":       map[string]any{"sha256": hash, "number": "R-7", "keyId": "k1", "receivedAt": at(20), "size": 9000},
			"interruptions": 2, "breaks": []map[string]any{{"offset": 3000, "at": at(5), "code": "body_truncated"}, {"offset": 7000, "at": at(10), "code": "body_slow"}},
			"sentBy": ann.id, "sentFrom": ann.device,
		})
		server(photo, field.KindPhoto, "analyse", map[string]any{"small": strings.Repeat("b", 64), "facts": map[string]any{"type": "image/jpeg"}})
		w.server(scope, protocol.Operation{ID: flag, Kind: field.KindFlag, Set: quoted(map[string]any{
			"code": "photo_far", "rule": "Q2/1", "severity": "high", "reportId": report, "targetId": photo, "inputs": map[string]any{"metres": 900}, "zh": "远离项目点", "en": "far from the site",
		})})
		later()
		w.done(w.click("cai", field.KindFlag, field.RecordID(flag), w.v(flag), "decide", map[string]any{"decision": "explained", "reason": "山路绕行"}))
		later()
		for _, look := range []struct{ name, what string }{{"cai", workflow.ViewLarge}, {"dai", workflow.ViewSmall}, {"xin", workflow.ViewOriginal}} {
			w.must(w.flow.RecordView(w.ctx, w.as(look.name), w.get(photo), look.what))
			later()
		}
		clue := w.done(w.flow.Make(w.ctx, w.act("dai"), field.KindClue, field.RecordID(w.id()), quoted(map[string]any{"title": "信访件", "channel": "petition"}))).ID
		w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(clue), "register", nil))
		link := w.done(w.flow.LinkEvidence(w.ctx, w.act("dai"), w.id(), field.ClueID(clue), workflow.Evidence{Kind: field.KindPhoto, ID: photo, Relation: "supports"})).ID
		later()
		w.done(w.click("dai", field.KindLink, field.RecordID(link), w.v(link), "confirm", nil))
		later()
		hold := w.id()
		w.server("register/gz", protocol.Operation{ID: hold, Kind: field.KindHold, Set: quoted(map[string]any{"sha256": hash, "clueId": clue})})
		later()
		w.done(w.flow.RecordExport(w.ctx, w.act("dai"), workflow.Exported{Clue: w.get(clue), SHA256: strings.Repeat("c", 64), Size: 5, Photos: []field.RecordID{photo}}))
		later()
		w.done(w.click("dai", field.KindLink, field.RecordID(link), w.v(link), "withdraw", map[string]any{"reason": "另有更清楚的"}))
		later()
		w.server("register/gz", protocol.Operation{ID: hold, Kind: field.KindHold, Base: w.v(hold), Command: "release"})
		later()
		w.done(w.click("cai", field.KindPhoto, field.RecordID(photo), w.v(photo), "discredit", map[string]any{"reason": "翻拍"}))
		later()
		w.done(w.click("cai", field.KindPhoto, field.RecordID(photo), w.v(photo), "void", map[string]any{"reason": "误传"}))

		own := "captured hashed declared edited interrupted interrupted received receipt examined flag_raised flag_decided"
		end := "discredited voided"
		for name, want := range map[string]string{
			"dai": own + " viewed viewed_list linked link_confirmed hold_set exported link_withdrawn hold_released " + end,
			"aud": own + " viewed viewed_list linked link_confirmed hold_set exported link_withdrawn hold_released " + end,
			"eva": own + " viewed viewed_list linked link_confirmed link_withdrawn " + end,
			"cai": own + " viewed viewed_list " + end,
			"xin": own + " viewed " + end,
			"yan": own + " viewed " + end,
			"ann": own + " " + end,
		} {
			seen := w.custody(name, photo)
			if got := codes(seen); got != want {
				t.Errorf("%s is told\n%s, want\n%s", name, got, want)
			}
			if seen.Views != (name != "ann") || seen.Exports != slices.Contains([]string{"dai", "aud", "yan"}, name) || seen.More {
				t.Errorf("%s: views %v, exports %v, more %v", name, seen.Views, seen.Exports, seen.More)
			}
		}
		for _, name := range []string{"gus", "han", "adm", "con"} {
			if _, err := w.flow.PhotoCustody(w.ctx, w.as(name), field.PhotoID(photo)); !field.Is(err, field.CodeNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}

		seen := w.custody("dai", photo)
		is := func(code, at, clock, by string, details map[string]string) {
			t.Helper()
			e := w.event(seen, code)
			who := ""
			if e.By != nil {
				who = e.By.Name
			}
			if at != "" && !strings.HasPrefix(e.At, strings.TrimSuffix(at, "Z")) || e.Clock != clock || who != by || by == "" && e.Device != "" || by != "" && e.Device != w.people[by].device {
				t.Errorf("%s: at %s by the %s, by %s on %q; want %s by the %s, by %s", code, e.At, e.Clock, who, e.Device, at, clock, by)
			}
			for name, want := range details {
				if got := string(e.Details[name]); got != want {
					t.Errorf("%s: %s is %s, want %s", code, name, got, want)
				}
			}
		}
		is("captured", taken, "app", "ann", map[string]string{"capture": `"app"`, "clockSkewMs": "1200"})
		is("hashed", "", "device", "ann", map[string]string{"sha256": `"` + hash + `"`, "size": "9000"})
		is("declared", "", "server", "ann", map[string]string{"caption": `"大门"`})
		is("edited", "", "server", "ann", map[string]string{"caption": `"西门"`})
		is("interrupted", "", "server", "ann", map[string]string{"from": "0", "offset": "3000", "code": `"body_truncated"`})
		is("received", "", "server", "ann", map[string]string{"interruptions": "2", "from": "7000", "size": "9000"})
		is("receipt", "", "server", "", nil)
		is("examined", "", "server", "", map[string]string{"facts": `{"type":"image/jpeg"}`})
		is("flag_raised", "", "server", "", map[string]string{"code": `"photo_far"`, "rule": `"Q2/1"`})
		is("flag_decided", "", "server", "cai", map[string]string{"decision": `"explained"`, "reason": `"山路绕行"`})
		is("viewed", "", "server", "cai", map[string]string{"what": `"large"`})
		is("linked", "", "server", "dai", map[string]string{"clueId": `"` + string(clue) + `"`, "relation": `"supports"`})
		is("exported", "", "server", "dai", map[string]string{"sha256": `"` + strings.Repeat("c", 64) + `"`})
		is("discredited", "", "server", "cai", map[string]string{"discreditReason": `"翻拍"`})
		is("voided", "", "server", "cai", map[string]string{"voidReason": `"误传"`})
		if e := w.event(seen, "flag_raised"); e.EN != "far from the site" || e.ZH != "远离项目点" {
			t.Errorf("the flag says %s, %s", e.ZH, e.EN)
		}
		if e := w.event(seen, "receipt"); !bytes.Contains(e.Details["receipt"], []byte(`"R-7"`)) || !bytes.Contains(e.Details["receipt"], []byte(`"k1"`)) {
			t.Errorf("the receipt is %s", e.Details["receipt"])
		}
	})
}

// Who stays away from a case is told neither of its hold nor of its file, and no phone carries what the register says
// of all cases.
func TestARecusalCoversHoldsAndExports(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		w.see("ann", siteScope(c.sites[0]))
		w.see("ben", siteScope(c.sites[0]))
		hash := strings.Repeat("a", 64)
		v := w.visit(c, c.sites[0], 2*time.Hour, hash)
		var clues []field.RecordID
		for range 2 {
			clue := w.done(w.flow.Make(w.ctx, w.act("dai"), field.KindClue, field.RecordID(w.id()), quoted(map[string]any{"title": "信访件", "channel": "petition"}))).ID
			w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(clue), "register", nil))
			w.done(w.flow.LinkEvidence(w.ctx, w.act("dai"), w.id(), field.ClueID(clue), workflow.Evidence{Kind: field.KindPhoto, ID: v.photo, Relation: "supports"}))
			hold := w.id()
			w.server("register/gz", protocol.Operation{ID: hold, Kind: field.KindHold, Set: quoted(map[string]any{"sha256": hash, "clueId": clue})})
			w.server("register/gz", protocol.Operation{ID: hold, Kind: field.KindHold, Base: w.v(hold), Command: "release"})
			w.done(w.flow.RecordExport(w.ctx, w.act("dai"), workflow.Exported{Clue: w.get(clue), SHA256: strings.Repeat("c", 64), Size: 5, Photos: []field.RecordID{v.photo}}))
			clues = append(clues, clue)
		}
		told := func(name string, clue field.RecordID) (n int) {
			for _, e := range w.custody(name, v.photo).Events {
				if string(e.Details["clueId"]) == string(field.Quote(clue)) {
					n++
				}
			}
			return n
		}
		w.done(w.flow.DeclareRecusal(w.ctx, w.act("eva"), w.id(), workflow.Scoping{UserID: w.people["dai"].id, Scope: field.MakeScope(field.ScopeClue, string(clues[0])), Why: "亲属"}))
		if a, b := told("dai", clues[0]), told("dai", clues[1]); a != 0 || b != 4 {
			t.Errorf("dai is told %d steps of the case from which she stays away, and %d of the other", a, b)
		}
		if a := told("aud", clues[0]); a != 4 {
			t.Errorf("the auditor is told %d steps", a)
		}
		dai := w.as("dai")
		pulled, err := w.engine.Pull(w.ctx, dai, protocol.PullRequest{Device: dai.Device, Cursors: map[field.Scope]protocol.Cursor{"register/gz": {Seq: 1, Hash: "x"}}})
		w.must(err)
		if slices.Contains(pulled.Scopes, "register/gz") || !slices.Contains(pulled.Gone, "register/gz") {
			t.Errorf("scopes %v, gone %v", pulled.Scopes, pulled.Gone)
		}
		for _, r := range pulled.Records {
			if r.Kind == field.KindHold || r.Kind == field.KindExport || bytes.Contains(field.Quote(r), []byte(clues[0])) && r.Kind != field.KindRecusal && r.Kind != field.KindNotice {
				t.Errorf("pulled %s %s", r.Kind, r.ID)
			}
		}
	})
}

// A photo that an older server took in has neither breaks nor a sender, and one that only was declared has no bytes.
func TestCustodyOfOlderAndUnfinishedPhotos(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	w.see("ann", siteScope(c.sites[0]))
	w.see("ben", siteScope(c.sites[0]))
	v := w.visit(c, c.sites[0], 2*time.Hour, strings.Repeat("a", 64))
	seen := w.custody("cai", v.photo)
	if got := codes(seen); got != "captured hashed declared evidence received receipt" {
		t.Errorf("an older one: %s", got)
	}
	if e := w.event(seen, "received"); e.By != nil || e.Device != "" {
		t.Errorf("received from %v", e.By)
	}
	waiting := w.id()
	w.push("ann", siteScope(c.sites[0]), protocol.Operation{ID: waiting, Kind: field.KindPhoto, Set: quoted(map[string]any{
		"reportId": v.report, "siteId": c.sites[0], "sha256": strings.Repeat("d", 64), "size": 9000, "type": "image/jpeg",
	})})
	if got := codes(w.custody("ann", waiting)); got != "hashed declared" {
		t.Errorf("one that waits: %s", got)
	}
}

// kept pushes an operation of somebody without access; it is kept for review, and accepted.
func (w *world) kept(name string, scope field.Scope, deviceTime string, accept bool, op protocol.Operation) {
	w.t.Helper()
	a := w.as(name)
	resp, err := w.engine.Push(w.ctx, a, protocol.PushRequest{
		Device: a.Device, Batch: w.next(), Scope: scope, Operations: []protocol.Operation{op}, DeviceTime: deviceTime, App: "1.0.0",
	})
	w.must(err)
	if o := resp.Outcomes[0]; o.Outcome != protocol.Rejected || o.RecordID == "" {
		w.t.Fatalf("%s: %+v", name, o)
	}
	w.pass(time.Minute)
	if accept {
		id := resp.Outcomes[0].RecordID
		w.done(w.click("cai", field.KindParked, field.RecordID(id), w.v(id), "accept", nil))
		w.pass(time.Minute)
	}
}

// Only the declaration itself is told as one that was kept: neither an edit of it, nor what somebody else, or another
// scope, was sent under its id.
func TestADeclarationThatWasKept(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		site, other := siteScope(c.sites[0]), siteScope(c.sites[1])
		photo, report, hash := w.id(), w.id(), strings.Repeat("a", 64)
		declares := func(id field.RecordID, site field.SiteID, hash string) protocol.Operation {
			return protocol.Operation{ID: id, Kind: field.KindPhoto, Set: quoted(map[string]any{
				"reportId": report, "siteId": site, "sha256": hash, "size": 9000, "type": "image/jpeg", "caption": "大门",
			})}
		}
		sent := w.stamp(0)
		w.kept("ben", site, w.stamp(0), false, declares(photo, c.sites[0], hash))
		w.kept("ann", other, w.stamp(0), false, declares(photo, c.sites[1], hash))
		w.kept("ann", site, w.stamp(0), false, declares(photo, c.sites[0], strings.Repeat("b", 64)))
		w.kept("ann", site, sent, true, declares(photo, c.sites[0], hash))
		w.kept("ann", site, w.stamp(0), true, protocol.Operation{ID: photo, Kind: field.KindPhoto, Base: w.v(photo), Set: quoted(map[string]any{"caption": "西门"})})
		seen := w.custody("cai", photo)
		if got := codes(seen); got != "kept hashed declared accepted edited" {
			t.Errorf("it tells %s", got)
		}
		if e := w.event(seen, "kept"); e.By == nil || e.By.Name != "ann" || string(e.Details["code"]) == "" {
			t.Errorf("kept: %+v", e)
		}
		if e := w.event(seen, "hashed"); e.At != sent || e.Clock != "device" {
			t.Errorf("hashed at %s by the %s, want %s", e.At, e.Clock, sent)
		}

		// An edit of a photo that was declared in time.
		plain := w.id()
		w.see("ann", site)
		w.push("ann", site, declares(plain, c.sites[0], strings.Repeat("c", 64)))
		w.pass(time.Minute)
		w.kept("ben", site, w.stamp(0), false, protocol.Operation{ID: plain, Kind: field.KindPhoto, Base: w.v(plain), Set: quoted(map[string]any{"caption": "西门"})})
		if got := codes(w.custody("cai", plain)); got != "hashed declared" {
			t.Errorf("of the other it tells %s", got)
		}
	})
}

// Small pictures are noted by the report, once in a quarter of an hour: no photo is said to have been looked at, least
// of all before it was there, and no look that may have shown it is left out.
func TestALookAtAReportIsNoLookAtOnePhoto(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		site := w.together(c)
		scope, report := siteScope(site), w.id()
		arrives := func(digit string) field.RecordID {
			t.Helper()
			id, hash := w.id(), strings.Repeat(digit, 64)
			w.push("ann", scope, protocol.Operation{ID: id, Kind: field.KindPhoto, Set: quoted(map[string]any{
				"reportId": report, "siteId": site, "sha256": hash, "size": 9000, "type": "image/jpeg",
			})})
			w.pass(time.Minute)
			w.server(scope, protocol.Operation{ID: id, Kind: field.KindPhoto, Base: w.v(id), Command: "store", Args: quoted(map[string]any{"receipt": map[string]any{"sha256": hash}})})
			w.server(scope, protocol.Operation{ID: id, Kind: field.KindPhoto, Base: w.v(id), Command: "analyse", Args: quoted(map[string]any{"small": hash})})
			return id
		}
		first := arrives("a")
		w.pass(time.Minute)
		w.must(w.flow.RecordView(w.ctx, w.as("cai"), w.get(first), workflow.ViewSmall)) // its window is over before the second
		w.pass(20 * time.Minute)
		w.must(w.flow.RecordView(w.ctx, w.as("cai"), w.get(first), workflow.ViewSmall))
		w.pass(time.Minute)
		second := arrives("b")
		there := w.now()
		w.must(w.flow.RecordView(w.ctx, w.as("cai"), w.get(second), workflow.ViewSmall)) // noted already
		w.pass(time.Minute)
		w.must(w.flow.RecordView(w.ctx, w.as("dai"), w.get(second), workflow.ViewSmall))

		if got := codes(w.custody("dai", first)); got != "hashed declared received receipt examined viewed_list viewed_list viewed_list" {
			t.Errorf("of the first it tells %s", got)
		}
		seen := w.custody("dai", second)
		if got := codes(seen); got != "hashed declared received receipt examined viewed_list viewed_list" {
			t.Fatalf("of the second it tells %s", got)
		}
		for i, want := range []struct {
			who string
			at  time.Time
		}{{"cai", there}, {"dai", there.Add(time.Minute)}} {
			e := seen.Events[5+i]
			if e.By.Name != want.who || e.At != protocol.Stamp(want.at) || string(e.Details["report"]) != `"`+string(report)+`"` || e.Details["since"] == nil {
				t.Errorf("viewed: %+v by %s, want %+v", e, e.By.Name, want)
			}
		}
	})
}

// A photo that is taken out of a finding keeps the step that put it in, by whom it was; what is done to another photo
// of the same finding is no step of it.
func TestAPhotoThatAFindingNoLongerNames(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		scope := siteScope(c.sites[0])
		w.see("ann", scope)
		w.see("ben", scope)
		v := w.visit(c, c.sites[0], 2*time.Hour, strings.Repeat("a", 64))
		w.done(w.click("cai", field.KindReport, field.RecordID(v.report), w.v(v.report), "return", map[string]any{"items": []field.ReturnedItem{{Item: "roof", Comment: "补证据"}}, "deadline": w.now().Add(48 * time.Hour).Format(time.RFC3339)}))
		stays := w.get(v.photo)
		names := func(who string, evidence any) {
			t.Helper()
			w.pass(time.Minute)
			w.push(who, scope, protocol.Operation{ID: v.finding, Kind: field.KindFinding, Base: w.v(v.finding), Set: map[string]field.Value{"evidence": field.Quote(evidence)}})
		}
		moved := w.id()
		w.push("ann", scope, protocol.Operation{ID: moved, Kind: field.KindPhoto, Set: quoted(map[string]any{
			"reportId": v.report, "siteId": c.sites[0], "sha256": strings.Repeat("d", 64), "size": 9000, "type": "image/jpeg",
		})})
		names("ann", []field.RecordID{v.photo, moved})
		put := w.get(v.finding).Stamps["evidence"].Seq
		names("ann", []field.RecordID{v.photo, moved, v.interview})
		names("ann", []field.RecordID{v.photo})
		names("ann", []field.RecordID{moved, v.photo})
		names("ann", nil)

		seen := w.custody("cai", moved)
		if got := codes(seen); got != "hashed declared evidence evidence_removed evidence evidence_removed" {
			t.Fatalf("it tells %s", got)
		}
		if e := seen.Events[2]; e.By.Name != "ann" || e.Entry.Seq != put || e.Entry.Scope != scope {
			t.Errorf("named by %s in %+v", e.By.Name, e.Entry)
		}
		seen = w.custody("cai", v.photo)
		if got := codes(seen); got != "captured hashed declared evidence received receipt evidence_removed" {
			t.Errorf("of the one that stayed it tells %s", got)
		}
		if e := w.event(seen, "evidence"); e.Entry.Seq != stays.Stamps["sha256"].Seq || e.By.Name != "ann" {
			t.Errorf("named by %s in %+v", e.By.Name, e.Entry)
		}
	})
}

// Where more concerns a photo than is listed, the page says so.
func TestCustodySaysThatThereIsMore(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	scope := siteScope(c.sites[0])
	declare := func(set map[string]any) protocol.Operation {
		return protocol.Operation{ID: w.id(), Kind: field.KindPhoto, Set: quoted(set)}
	}
	set := map[string]any{"reportId": w.id(), "siteId": c.sites[0], "sha256": strings.Repeat("a", 64), "size": 9000, "type": "image/jpeg"}
	flagged, kept := declare(set), declare(set)
	a := w.as("ann")
	for range 6 { // before she has access
		ops := slices.Repeat([]protocol.Operation{kept}, 84)
		_, err := w.engine.Push(w.ctx, a, protocol.PushRequest{Device: a.Device, Batch: w.next(), Scope: scope, Operations: ops})
		w.must(err)
	}
	w.see("ann", scope)
	w.push("ann", scope, flagged, kept)
	for n := range 2 {
		var flags []protocol.Operation
		for range 250 + n {
			flags = append(flags, protocol.Operation{ID: w.id(), Kind: field.KindFlag, Set: quoted(map[string]any{
				"code": "photo_far", "severity": "info", "targetId": flagged.ID,
			})})
		}
		if seen := w.custody("cai", flagged.ID); seen.More {
			t.Error("there is no more yet")
		}
		w.server(scope, flags...)
	}
	for what, id := range map[string]field.RecordID{"flags": flagged.ID, "kept": kept.ID} {
		seen, err := w.flow.PhotoCustody(w.ctx, w.as("cai"), field.PhotoID(id))
		w.must(err)
		if !seen.More || len(seen.Events) != 502 {
			t.Errorf("%s: more %v, %d steps", what, seen.More, len(seen.Events))
		}
	}
}

// weighing measures what is held on the heap while entries are read.
type weighing struct {
	storetest.Store
	reads int
	last  uint64 // bytes, at the latest read
}

func (s *weighing) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	if s.reads++; s.reads >= 40 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		s.last = m.HeapAlloc
	}
	return s.Store.Entry(ctx, scope, seq)
}

// A page of many steps holds what the steps need, not the entries in which they were sent along with much else.
func TestACustodyPageKeepsNoEntries(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	scope := siteScope(c.sites[0])
	w.see("ann", scope)
	photo := w.id()
	w.push("ann", scope, protocol.Operation{ID: photo, Kind: field.KindPhoto, Set: quoted(map[string]any{
		"reportId": w.id(), "siteId": c.sites[0], "sha256": strings.Repeat("a", 64), "size": 9000, "type": "image/jpeg",
	})})
	flag := func(target field.RecordID, inputs string) protocol.Operation {
		return protocol.Operation{ID: w.id(), Kind: field.KindFlag, Set: quoted(map[string]any{
			"code": "photo_far", "severity": "info", "targetId": target, "inputs": inputs,
		})}
	}
	const entries, along, size = 40, 20, 18_000
	for range entries {
		ops := []protocol.Operation{flag(photo, "")}
		for range along {
			ops = append(ops, flag("another", strings.Repeat("x", size)))
		}
		w.server(scope, ops...)
	}
	s := &weighing{Store: w.store}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	seen, err := workflow.New(s, w.engine, alike.New(w.store, w.now), w.now).PhotoCustody(w.ctx, w.as("cai"), field.PhotoID(photo))
	w.must(err)
	if len(seen.Events) != entries+2 || s.last == 0 {
		t.Fatalf("%d steps, %d reads", len(seen.Events), s.reads)
	}
	if held := int64(s.last) - int64(before.HeapAlloc); held > entries*along*size/4 {
		t.Errorf("%d bytes are held for the page", held)
	}
}

// What a phone states as its time is shown as a time only if it is one.
func TestADeviceTimeThatIsNone(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		scope := siteScope(c.sites[0])
		declare := func(hash string) protocol.Operation {
			return protocol.Operation{ID: w.id(), Kind: field.KindPhoto, Set: quoted(map[string]any{
				"reportId": w.id(), "siteId": c.sites[0], "sha256": strings.Repeat(hash, 64), "size": 9000, "type": "image/jpeg",
			})}
		}
		check := func(what string, photo field.RecordID, at time.Time, clock, said string) {
			t.Helper()
			e := w.event(w.custody("cai", photo), "hashed")
			if e.At != protocol.Stamp(at) || e.Clock != clock || string(e.Details["deviceTime"]) != said {
				t.Errorf("%s: at %s by the %s, said %s", what, e.At, e.Clock, e.Details["deviceTime"])
			}
		}
		late := declare("a")
		came := w.now()
		w.kept("ann", scope, "昨天上午八点", true, late)
		check("kept", late.ID, came, "server", `"昨天上午八点"`)
		w.see("ann", scope)
		a := w.as("ann")
		for digit, said := range map[string]string{"b": "2026-11-23 08:00:00", "c": "2026-13-01T08:00:00Z", "d": "<script>"} {
			op := declare(digit)
			came := w.now()
			_, err := w.engine.Push(w.ctx, a, protocol.PushRequest{Device: a.Device, Batch: w.next(), Scope: scope, Operations: []protocol.Operation{op}, DeviceTime: said})
			w.must(err)
			w.pass(time.Minute)
			check(said, op.ID, came, "server", string(field.Quote(said)))
		}
		op := declare("e")
		_, err := w.engine.Push(w.ctx, a, protocol.PushRequest{Device: a.Device, Batch: w.next(), Scope: scope, Operations: []protocol.Operation{op}})
		w.must(err)
		check("none", op.ID, w.now(), "server", "")
	})
}
