package workflow_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
)

// asked is what the open review items of a photo are about, by the record.
func (w *world) asked(photo field.RecordID) map[field.RecordID]*field.Record {
	w.t.Helper()
	found, err := w.store.List(w.ctx, store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindReview}, Keys: []string{field.KeyFor("photoId", photo)}, Limit: 100,
	})
	w.must(err)
	out := map[field.RecordID]*field.Record{}
	for _, r := range found {
		out[field.RecordID(r.Text("recordId"))] = r
	}
	return out
}

// clueOf makes a clue of a finding.
func (w *world) clueOf(finding field.RecordID) field.RecordID {
	w.t.Helper()
	w.done(w.click("cai", field.KindFinding, field.RecordID(finding), w.v(finding), "classify", map[string]any{"class": "clue", "violation": "poor_quality"}))
	return field.RecordID(w.get(finding).Text("clueId"))
}

// A photo that falls is asked about wherever something rests on it: at the site and in the case, in one commit.
func TestWhatRestsOnADiscreditedPhotoIsAskedAbout(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		w.see("ann", siteScope(c.sites[0]))
		v := w.visit(c, c.sites[0], 3*time.Hour, strings.Repeat("a", 64))
		other := w.visit(c, c.sites[0], 2*time.Hour, strings.Repeat("b", 64))
		clue := w.clueOf(v.finding)
		elsewhere := w.clueOf(other.finding)
		w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(clue), "register", nil))
		w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(clue), "assign", map[string]any{"handler": w.people["han"].id}))
		before := w.get(v.photo)

		photo := field.PhotoID(v.photo)
		w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
			return w.click("ann", field.KindPhoto, field.RecordID(photo), w.v(v.photo), "discredit", map[string]any{"reason": "不是我拍的"})
		})
		w.refuses(field.CodeNotFound, func() (*field.Record, error) {
			return w.click("xin", field.KindPhoto, field.RecordID(photo), w.v(v.photo), "discredit", map[string]any{"reason": "好奇"})
		})
		w.people["ben"].roles = append(w.people["ben"].roles, access.Grant{Role: access.Supervisor})
		w.refuses(field.CodeReviewerIsAuthor, func() (*field.Record, error) { // he was on the visit
			return w.click("ben", field.KindPhoto, field.RecordID(photo), w.v(v.photo), "discredit", map[string]any{"reason": "补一刀"})
		})
		act := w.act("cai")
		w.done(w.flow.Click(w.ctx, act, field.KindPhoto, field.RecordID(photo), before.Version, "discredit", quoted(map[string]any{"reason": "翻拍的旧照片"})))
		w.done(w.flow.Click(w.ctx, act, field.KindPhoto, field.RecordID(photo), before.Version, "discredit", quoted(map[string]any{"reason": "翻拍的旧照片"}))) // the click is repeated

		after := w.get(v.photo)
		if after.Deleted || after.State != before.State || after.Text("discreditReason") != "翻拍的旧照片" || after.Text("discreditedBy") != string(w.people["cai"].id) {
			t.Errorf("the photo is %+v", after.Fields)
		}
		asked := w.asked(v.photo)
		if len(asked) != 3 || asked[v.report] == nil || asked[v.finding] == nil || asked[clue] == nil {
			t.Fatalf("asked about %v", asked)
		}
		if asked[clue].Scope != field.MakeScope(field.ScopeClue, string(clue)) || asked[v.finding].Scope != siteScope(c.sites[0]) {
			t.Error("a review item does not live beside what it asks about")
		}
		if len(w.asked(other.photo)) != 0 || w.get(elsewhere).UpdatedAt != w.get(elsewhere).CreatedAt {
			t.Error("something is asked about that does not rest on it")
		}
		marked := 0
		links, err := w.flow.Links(w.ctx, w.as("dai"), field.ClueID(clue), workflow.Ask{})
		w.must(err)
		for _, l := range links.Items {
			r := w.get(l.ID)
			if got, want := r.Fields["discredited"] != nil, r.Text("targetId") == string(v.photo); got != want {
				t.Errorf("the link to the %s is marked: %v", r.Text("targetKind"), got)
			} else if got {
				marked++
			}
		}
		if marked != 1 {
			t.Errorf("%d links are marked", marked)
		}
		for _, name := range []string{"ann", "han"} {
			inbox, err := w.flow.Inbox(w.ctx, w.as(name), "", workflow.Ask{})
			w.must(err)
			told := false
			for _, n := range inbox.Items {
				told = told || strings.Contains(string(n.Fields), string(v.photo)) && strings.Contains(string(n.Fields), "discredited")
			}
			if !told {
				t.Errorf("%s was not told", name)
			}
		}

		// The history of the photo names what was written with it only to who may read that.
		for name, want := range map[string][]field.ScopeType{
			"ann": {field.ScopeUser}, "ben": nil, "dai": {field.ScopeClue}, "eva": {field.ScopeClue}, "cai": nil,
		} {
			history, err := w.flow.History(w.ctx, w.as(name), field.KindPhoto, v.photo, workflow.Ask{})
			w.must(err)
			var with []field.ScopeType
			for _, e := range history.Items {
				for _, l := range e.With {
					if l.Scope.Type() == field.ScopeUser && l.Scope.ID() != string(w.people[name].id) {
						t.Errorf("%s is told of %s", name, l.Scope)
					}
					if l.Scope.Type() == field.ScopeClue && l.Scope.ID() != string(clue) {
						t.Errorf("%s is told of %s", name, l.Scope)
					}
					with = append(with, l.Scope.Type())
				}
			}
			if !slices.Equal(with, want) {
				t.Errorf("%s is told of %v, want %v", name, with, want)
			}
		}

		// A link that is made later is born marked.
		third := w.done(w.flow.Make(w.ctx, w.act("dai"), field.KindClue, field.RecordID(w.id()), quoted(map[string]any{"title": "信访件", "channel": "petition"})))
		link := w.done(w.flow.LinkEvidence(w.ctx, w.act("dai"), w.id(), field.ClueID(third.ID), workflow.Evidence{Kind: field.KindPhoto, ID: v.photo, Relation: "supports"}))
		if link.Fields["discredited"] == nil {
			t.Error("a link to a discredited photo is not marked")
		}

		// Who decides: not the author, and not the one who handles the case.
		item := asked[v.finding]
		w.refuses(field.CodeReviewerIsAuthor, func() (*field.Record, error) {
			return w.click("ben", field.KindReview, field.RecordID(item.ID), item.Version, "decide", map[string]any{"decision": "stands", "reason": "看得见"})
		})
		w.done(w.click("cai", field.KindReview, field.RecordID(item.ID), item.Version, "decide", map[string]any{"decision": "weakened", "reason": "还有访谈"}))
		item = asked[clue]
		w.refuses(field.CodeNotPermitted, func() (*field.Record, error) {
			return w.click("han", field.KindReview, field.RecordID(item.ID), item.Version, "decide", map[string]any{"decision": "stands", "reason": "不要紧"})
		})
		w.done(w.click("dai", field.KindReview, field.RecordID(item.ID), item.Version, "decide", map[string]any{"decision": "stands", "reason": "访谈可证"}))

		verified, err := engine.Verify(w.ctx, w.store, engine.Look{})
		if err != nil || len(verified.Faults) > 0 {
			t.Errorf("%v %v", err, verified.Faults)
		}
	})
}

// Two independent supports: other visits count, other kinds and other authors of one visit count, one photo declared
// twice counts once, and what was discredited or withdrawn does not count.
func TestWhatStandsWithoutAPhoto(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		w.see("ann", siteScope(c.sites[0]))
		w.see("ben", siteScope(c.sites[0]))
		v := w.visit(c, c.sites[0], 5*time.Hour, strings.Repeat("a", 64))
		clue := w.clueOf(v.finding)
		w.done(w.click("dai", field.KindClue, field.RecordID(clue), w.v(clue), "register", nil))
		stands := func(what string, kind field.Kind, want int) {
			t.Helper()
			impact, err := w.flow.PhotoImpact(w.ctx, w.as("dai"), field.PhotoID(v.photo))
			w.must(err)
			for _, s := range impact.Standing {
				if s.Kind == kind {
					if s.Sources != want || s.KeepsTwo != (want >= 2) {
						t.Errorf("%s: the %s stands on %d, keeps two: %v", what, kind, s.Sources, s.KeepsTwo)
					}
					return
				}
			}
			t.Errorf("%s: no word about the %s in %+v", what, kind, impact.Standing)
		}
		add := func(target field.RecordID, kind field.Kind, relation string) field.RecordID {
			t.Helper()
			return w.done(w.flow.LinkEvidence(w.ctx, w.act("dai"), w.id(), field.ClueID(clue), workflow.Evidence{Kind: kind, ID: target, Relation: relation})).ID
		}
		stands("the interview of the visit is left", field.KindFinding, 1)
		stands("and for the clue too", field.KindClue, 1)

		second := w.visit(c, c.sites[0], 4*time.Hour, strings.Repeat("b", 64))
		contradicts := add(second.photo, field.KindPhoto, "contradicts")
		stands("what contradicts supports nothing", field.KindClue, 1)
		w.done(w.click("dai", field.KindLink, field.RecordID(contradicts), w.v(contradicts), "withdraw", map[string]any{"reason": "关系填错"}))
		report := add(second.report, field.KindReport, "supports")
		stands("another visit, by its report", field.KindClue, 2)
		link := add(second.photo, field.KindPhoto, "supports")
		stands("the report is as good as what it holds", field.KindClue, 2)

		twin := w.visit(c, c.sites[0], time.Hour, strings.Repeat("b", 64))
		add(twin.photo, field.KindPhoto, "identifies")
		stands("the same bytes again", field.KindClue, 2)
		w.done(w.click("dai", field.KindLink, field.RecordID(report), w.v(report), "withdraw", map[string]any{"reason": "重复"}))
		w.done(w.click("cai", field.KindPhoto, field.RecordID(second.photo), w.v(second.photo), "discredit", map[string]any{"reason": "翻拍"}))
		stands("one of the twins is discredited", field.KindClue, 2)
		w.done(w.click("cai", field.KindPhoto, field.RecordID(twin.photo), w.v(twin.photo), "discredit", map[string]any{"reason": "翻拍"}))
		stands("both are", field.KindClue, 1)
		w.done(w.click("dai", field.KindLink, field.RecordID(link), w.v(link), "withdraw", map[string]any{"reason": "不可采信"}))

		third := w.visit(c, c.sites[0], 30*time.Minute, strings.Repeat("c", 64))
		add(third.finding, field.KindFinding, "supports")
		stands("a finding brings its photo and its interview", field.KindClue, 3)
	})
}
