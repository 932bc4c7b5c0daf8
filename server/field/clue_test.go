package field_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fieldclue/server/field"
)

var findingID = id(50)

// fault puts down a finding of ann's with a photo, an interview and something of another site as evidence.
func fault(w *world) *field.Record {
	w.put(field.KindPhoto, id(11), field.PhotoStored, ann, map[string]any{"reportId": reportID, "sha256": hashA})
	w.put(field.KindInterview, id(40), "submitted", ann, map[string]any{"alias": "甲户"})
	w.put(field.KindPhoto, id(12), field.PhotoStored, ann, map[string]any{"sha256": hashB}).Scope = "site/elsewhere"
	return w.put(field.KindFinding, findingID, "", ann, map[string]any{
		"siteId": siteID, "reportId": reportID, "title": "屋面漏水", "facts": "三处", "evidence": []field.RecordID{id(11), id(40), id(12), id(99)},
	})
}

func clueOf(w *world, finding field.RecordID) field.RecordID {
	return field.RecordID(w.records[finding].Text("clueId"))
}

func TestAFindingBecomesAClueWithItsEvidence(t *testing.T) {
	w := newWorld(t)
	w.put(field.KindReport, reportID, field.ReportApproved, ann, nil)
	fault(w)
	w.refuses(field.CodeViolationMissing, func() error { return w.give(cai, findingID, "classify", map[string]any{"class": "clue"}) })
	w.refuses(field.CodeReasonMissing, func() error { return w.give(cai, findingID, "classify", map[string]any{"class": "dismissed"}) })
	w.refuses(field.CodeBadChoice, func() error {
		return w.give(cai, findingID, "classify", map[string]any{"class": "clue", "violation": "jaywalking"})
	})
	w.refuses(field.CodeBadID, func() error {
		return w.give(cai, findingID, "classify", map[string]any{"class": "clue", "violation": "poor_quality", "clueId": id(40)})
	})
	w.must(w.give(cai, findingID, "classify", map[string]any{"class": "clue", "violation": "poor_quality", "clueId": id(60)}))
	w.state(findingID, "classified")
	clue := w.records[id(60)]
	if clueOf(w, findingID) != id(60) || clue == nil || clue.Kind != field.KindClue || clue.Text("violation") != "poor_quality" || clue.Text("findingId") != string(findingID) {
		t.Fatalf("the clue is %+v", clue)
	}
	var targets []string
	for _, l := range w.records {
		if l.Kind == field.KindLink {
			targets = append(targets, l.Text("targetKind")+" "+l.Text("targetId"))
		}
	}
	slices.Sort(targets)
	want := []string{"finding " + string(findingID), "interview " + string(id(40)), "photo " + string(id(11)), "report " + string(reportID)}
	if !slices.Equal(targets, want) {
		t.Errorf("linked: %v, want %v", targets, want)
	}
	if info := w.infos[clue.Scope]; !info.Has(local) || info.Project != field.ProjectID(project) {
		t.Errorf("the clue's scope is open to %+v", info)
	}

	w.refuses(field.CodeSecondPerson, func() error { return w.give(ann, findingID, "close", map[string]any{"reason": "r"}) })
	w.must(w.give(cai, findingID, "close", map[string]any{"reason": "已整改"}))
	w.must(w.give(cai, findingID, "reopen", map[string]any{"reason": "反弹"}))
	w.must(w.give(cai, findingID, "classify", map[string]any{"class": "clue"}))
	if clueOf(w, findingID) != id(60) || w.records[findingID].Int("reopened") != 1 {
		t.Error("a finding that was opened again keeps its clue")
	}
}

func TestADismissedFindingSaysWhy(t *testing.T) {
	w := newWorld(t)
	fault(w)
	w.must(w.give(cai, findingID, "classify", map[string]any{"class": "dismissed", "reason": "不成立"}))
	if clueOf(w, findingID) != "" || w.records[findingID].Text("classReason") != "不成立" {
		t.Errorf("dismissed: %s", w.records[findingID].Document())
	}
}

func received(w *world, n int) field.RecordID {
	w.must(w.make(cai, field.KindClue, id(n), field.MakeScope(field.ScopeClue, string(id(n))), map[string]any{"title": "线索", "channel": "petition"}))
	return id(n)
}

func TestNumbersAreGivenInOrderPerOrganisationAndYear(t *testing.T) {
	w := newWorld(t)
	for n := 1; n <= 3; n++ {
		c := received(w, 60+n)
		w.must(w.give(cai, c, "register", nil))
		if got, want := w.records[c].Text("number"), fmt.Sprintf("gz-liwan-2026-%04d", n); got != want {
			t.Errorf("number %s, want %s", got, want)
		}
		w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "register", nil) })
	}
	w.now = time.Date(2026, 12, 31, 16, 0, 0, 0, time.UTC) // already 2027 in Beijing
	c := received(w, 70)
	w.must(w.give(cai, c, "register", nil))
	if got := w.records[c].Text("number"); got != "gz-liwan-2027-0001" {
		t.Errorf("the first number of 2027 is %s", got)
	}
}

// Who can work out the id of next year's register takes it for a finding. Numbers are given all the same.
func TestNumbersAreGivenWhenTheIdOfTheRegisterIsTaken(t *testing.T) {
	w := newWorld(t)
	taken := field.DeriveID(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "register", string(local))
	w.put(field.KindFinding, taken, "", ann, map[string]any{"title": "占位"})
	for n := 1; n <= 2; n++ {
		c := received(w, 60+n)
		w.must(w.give(cai, c, "register", nil))
		if got, want := w.records[c].Text("number"), fmt.Sprintf("gz-liwan-2026-%04d", n); got != want {
			t.Errorf("number %s, want %s", got, want)
		}
	}
	if r := w.records[taken]; r.Kind != field.KindFinding || r.Fields["last"] != nil {
		t.Errorf("the register was written into %s", r.Document())
	}
}

func TestAClueGoesThroughManyHands(t *testing.T) {
	w := newWorld(t)
	c := received(w, 60)
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, c, "assign", map[string]any{"handler": ben}) })
	w.must(w.give(cai, c, "register", nil))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, c, "assign", nil) })
	w.must(w.give(cai, c, "assign", map[string]any{"handler": ben}))
	grant := w.records[field.GrantID(ben, w.records[c].Scope)]
	if grant == nil || grant.State != field.StateActive || grant.Text("scope") != string(w.records[c].Scope) {
		t.Errorf("the handler's grant is %+v", grant)
	}
	w.refuses(field.CodeMissingField, func() error { return w.give(ben, c, "propose", map[string]any{"disposition": "inquiry"}) })
	w.refuses(field.CodeBadChoice, func() error {
		return w.give(ben, c, "propose", map[string]any{"disposition": "forget", "reason": "r"})
	})
	w.must(w.give(ben, c, "propose", map[string]any{"disposition": "verification", "reason": "可查"}))
	w.refuses(field.CodeSecondPerson, func() error { return w.give(ben, c, "approve", nil) })
	w.refuses(field.CodeNotNow, func() error { return w.give(ben, c, "handle", nil) })
	w.must(w.give(dai, c, "approve", nil))
	w.must(w.give(ben, c, "handle", nil))
	w.refuses(field.CodeMissingField, func() error { return w.give(ben, c, "report", nil) })
	w.must(w.give(ben, c, "report", map[string]any{"outcome": "属实"}))
	w.refuses(field.CodeSecondPerson, func() error { return w.give(ben, c, "close", map[string]any{"reason": "r"}) })
	w.refuses(field.CodeSecondPerson, func() error { return w.give(ben, c, "file", map[string]any{"reason": "r"}) })
	w.must(w.give(dai, c, "close", map[string]any{"reason": "已处理"}))
	w.must(w.give(cai, c, "reopen", map[string]any{"reason": "新证据"}))
	w.state(c, field.ClueAssigned)
	if w.records[c].Int("reopened") != 1 {
		t.Error("it was not counted that the clue was opened again")
	}
}

func TestAClueMergesIntoOneThatIsThere(t *testing.T) {
	w := newWorld(t)
	a, b := received(w, 60), received(w, 61)
	w.put(field.KindClue, id(62), "", "", nil).Info = field.ScopeInfo{Orgs: []field.OrgID{"elsewhere"}}
	into := func(id field.RecordID) func() error {
		return func() error { return w.give(cai, a, "merge", map[string]any{"into": id, "reason": "重复"}) }
	}
	for _, wrong := range []field.RecordID{a, id(62), id(98), field.RecordID(ann)} {
		w.refuses(field.CodeUnknownRecord, into(wrong))
	}
	w.must(into(b)())
	w.state(a, field.ClueMerged)
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, a, "void", map[string]any{"reason": "r"}) })
}

func TestEvidenceIsLinkedOnceAndWithdrawnWithAReason(t *testing.T) {
	w := newWorld(t)
	fault(w)
	c := received(w, 60)
	link := func(n int, kind field.Kind, target field.RecordID) func() error {
		return func() error {
			return w.make(cai, field.KindLink, id(n), w.records[c].Scope, map[string]any{
				"clueId": c, "targetKind": kind, "targetId": target, "relation": "supports",
			})
		}
	}
	w.refuses(field.CodeUnknownRecord, link(70, field.KindPhoto, id(98)))
	w.refuses(field.CodeWrongKind, link(70, field.KindInterview, id(11)))
	w.refuses(field.CodeBadChoice, link(70, field.KindPerson, id(11)))
	w.must(link(70, field.KindPhoto, id(11))())
	if w.records[id(70)].Text("targetScope") != string(siteHome) {
		t.Error("the link does not say where the evidence lives")
	}
	w.refuses(field.CodeDuplicateLink, link(71, field.KindPhoto, id(11)))
	w.must(w.give(cai, id(70), "confirm", nil))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, id(70), "withdraw", nil) })
	w.must(w.give(cai, id(70), "withdraw", map[string]any{"reason": "照片有误"}))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, id(70), "confirm", nil) })
	w.must(link(71, field.KindPhoto, id(11))())
}

func TestTheLosingValueOfAConflictIsTakenOnlyWhereItCanBeEdited(t *testing.T) {
	w := newWorld(t)
	visit(w)
	w.put(field.KindConflict, id(80), "open", "", map[string]any{"recordId": reportID, "path": "summary", "offered": "另一句"})
	w.put(field.KindConflict, id(81), "open", "", map[string]any{"recordId": reportID, "path": "summary", "offered": "第三句"})
	w.refuses(field.CodeBadChoice, func() error { return w.give(cai, id(80), "resolve", map[string]any{"take": "both"}) })
	w.must(w.give(cai, id(80), "resolve", map[string]any{"take": "offered"}))
	if got := w.records[reportID].Text("summary"); got != "另一句" {
		t.Errorf("the summary is %q", got)
	}
	w.records[reportID].State = field.ReportApproved
	w.refuses(field.CodeNotEditable, func() error { return w.give(cai, id(81), "resolve", map[string]any{"take": "offered"}) })
	w.must(w.give(cai, id(81), "resolve", map[string]any{"take": "current"}))
}
