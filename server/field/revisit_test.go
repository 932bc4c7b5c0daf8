package field_test

import (
	"testing"

	"fieldclue/server/field"
)

var taskID = id(90)

func task(w *world) {
	w.put(field.KindRevisit, taskID, "", "", map[string]any{
		"campaignId": id(9), "siteId": siteID, "stratum": "problems", "findings": []field.RecordID{findingID},
	})
}

func team(a, b field.UserID) map[string]any {
	return map[string]any{"assignee": a, "companion": b, "due": "2026-12-15", "reason": "调岗"}
}

func assigned(a, b field.UserID) map[string]any {
	m := team(a, b)
	delete(m, "reason")
	return m
}

func TestARevisitIsGivenToTwoWhoAreThere(t *testing.T) {
	w := newWorld(t)
	task(w)
	w.refuses(field.CodeTwoInspectors, func() error { return w.give(cai, taskID, "assign", assigned(ann, ann)) })
	w.refuses(field.CodeUnknownRecord, func() error { return w.give(cai, taskID, "assign", assigned(ann, field.UserID(id(98)))) })
	w.records[field.RecordID(ben)].State = "left"
	w.refuses(field.CodeUnknownRecord, func() error { return w.give(cai, taskID, "assign", assigned(ann, ben)) })
	w.records[field.RecordID(ben)].State = field.StateActive
	w.must(w.give(cai, taskID, "assign", assigned(ann, ben)))
	for _, u := range []field.UserID{ann, ben} {
		if g := w.records[field.GrantID(u, siteHome)]; g == nil || g.State != field.StateActive {
			t.Errorf("%s does not see the site", u)
		}
	}
	w.refuses(field.CodeNotYours, func() error { return w.give(cai, taskID, "download", nil) })
	w.refuses(field.CodeNotYours, func() error { return w.give(dai, taskID, "start", nil) })
	w.must(w.give(ann, taskID, "download", nil))
	w.must(w.give(ben, taskID, "start", nil))
}

func TestAReassignedTaskTakesTheSiteAlong(t *testing.T) {
	w := newWorld(t)
	task(w)
	w.must(w.give(cai, taskID, "assign", assigned(ann, ben)))
	w.put(field.KindRevisit, id(91), field.RevisitAssigned, "", map[string]any{"assignee": dai, "companion": ben})
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, taskID, "reassign", assigned(cai, dai)) })
	w.must(w.give(cai, taskID, "reassign", team(cai, dai)))
	if g := w.records[field.GrantID(ann, siteHome)]; g.State != field.StateEnded {
		t.Error("ann still sees the site")
	}
	if g := w.records[field.GrantID(ben, siteHome)]; g.State != field.StateActive {
		t.Error("ben has another task there and lost the site")
	}
	if w.records[taskID].Int("reassigned") != 1 {
		t.Error("the reassignment was not counted")
	}
	w.must(w.give(cai, taskID, "reassign", team(ann, dai)))
	if g := w.records[field.GrantID(ann, siteHome)]; g.State != field.StateActive {
		t.Error("ann has the task again and does not see the site")
	}
}

func visited(t *testing.T) *world {
	w := newWorld(t)
	task(w)
	fault(w)
	visit(w)
	w.records[findingID].State = field.StateClosed
	w.must(w.give(cai, taskID, "assign", assigned(ann, ben)))
	return w
}

func outcome(result string) map[string]any {
	return map[string]any{"reportId": reportID, "results": []field.RevisitResult{{FindingID: findingID, Result: result}}}
}

func TestARevisitSaysWhatBecameOfEveryProblem(t *testing.T) {
	w := visited(t)
	w.refuses(field.CodeNotYours, func() error { return w.give(cai, taskID, "submit", outcome("fixed")) })
	w.refuses(field.CodeUnknownRecord, func() error {
		return w.give(ann, taskID, "submit", map[string]any{"reportId": id(98)})
	})
	w.refuses(field.CodeAnswersMissing, func() error { return w.give(ann, taskID, "submit", map[string]any{"reportId": reportID}) })
	w.refuses(field.CodeBadChoice, func() error { return w.give(ann, taskID, "submit", outcome("perhaps")) })
	w.refuses(field.CodeBadChoice, func() error {
		return w.give(ann, taskID, "submit", map[string]any{"reportId": reportID, "results": []field.RevisitResult{
			{FindingID: findingID, Result: "fixed"}, {FindingID: id(98), Result: "fixed"},
		}})
	})
	set(w.records[reportID], "visitType", "desk")
	w.refuses(field.CodeNotNow, func() error { return w.give(ann, taskID, "submit", outcome("fixed")) })
	set(w.records[reportID], "visitType", "visit")
	w.must(w.give(ann, taskID, "submit", outcome("partly")))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, taskID, "return", nil) })
	w.must(w.give(cai, taskID, "return", map[string]any{"reason": "照片不清"}))
	w.must(w.give(ben, taskID, "submit", outcome("fixed")))
	w.state(taskID, field.RevisitSubmitted)
}

func TestARelapseOpensFindingAndClueAgain(t *testing.T) {
	w := visited(t)
	clue := w.put(field.KindClue, id(60), field.StateClosed, "", map[string]any{"handler": dai})
	set(w.records[findingID], "clueId", clue.ID)
	w.must(w.give(ann, taskID, "submit", outcome("relapse")))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, taskID, "accept", nil) })
	w.records[reportID].State = field.ReportApproved
	w.refuses(field.CodeReviewerIsAuthor, func() error { return w.give(ann, taskID, "accept", nil) })
	w.must(w.give(cai, taskID, "accept", nil))
	w.state(taskID, field.RevisitDone)
	w.state(findingID, "open")
	w.state(clue.ID, field.ClueAssigned)
	if w.records[findingID].Int("reopened") != 1 || w.records[clue.ID].Int("reopened") != 1 || w.records[findingID].Text("reopenedBy") != string(taskID) {
		t.Error("it is not told what opened finding and clue")
	}
	if got := w.notices(dai); len(got) != 1 || got[0] != "reopened" {
		t.Errorf("the handler found %v in the inbox", got)
	}
}

func TestWhatIsFixedStaysClosed(t *testing.T) {
	w := visited(t)
	w.must(w.give(ann, taskID, "submit", outcome("fixed")))
	w.records[reportID].State = field.ReportApproved
	w.must(w.give(cai, taskID, "accept", nil))
	w.state(findingID, field.StateClosed)
}

func TestATaskThatNobodyDidSaysWhy(t *testing.T) {
	for _, command := range []string{"miss", "excuse", "cancel"} {
		w := newWorld(t)
		task(w)
		w.refuses(field.CodeMissingField, func() error { return w.give(cai, taskID, command, nil) })
		w.must(w.give(cai, taskID, command, map[string]any{"reason": "塌方封路"}))
		if w.records[taskID].Text("reason") != "塌方封路" {
			t.Errorf("%s lost its reason", command)
		}
	}
	w := newWorld(t)
	task(w)
	w.must(w.give(cai, taskID, "miss", map[string]any{"reason": "r"}))
	w.must(w.give(cai, taskID, "excuse", map[string]any{"reason": "户主去世"}))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, taskID, "cancel", map[string]any{"reason": "r"}) })
}
