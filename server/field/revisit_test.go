package field_test

import (
	"slices"
	"strings"
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
	w.must(w.give(cai, taskID, "assign", assigned(ann, ben)))
	visit(w).State = field.ReportSubmitted
	w.records[findingID].State = field.StateClosed
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
	if got := w.notices(ben); !slices.Contains(got, "reopened") {
		t.Errorf("an inspector of the finding found %v in the inbox", got)
	}
}

// A clue that nobody handles goes back to the desk that assigns.
func TestAClueThatIsOpenAgainAndNobodysIsToldToTheClueManagers(t *testing.T) {
	w := newWorld(t)
	w.put(field.KindPerson, id(70), "", "", map[string]any{"name": "somebody", "roles": []field.RoleGrant{{Role: field.RoleClueManager}}})
	clue := w.put(field.KindClue, id(60), field.StateClosed, "", nil)
	w.must(w.give(dai, clue.ID, "reopen", map[string]any{"reason": "新证据"}))
	if got := w.notices(field.UserID(id(70))); len(got) != 1 || got[0] != "reopened" {
		t.Errorf("the clue manager found %v in the inbox", got)
	}
}

// What the report of a task must be, one case for each way in which it can be another one.
func TestATaskIsAnsweredByItsOwnVisit(t *testing.T) {
	cases := []struct {
		name string
		code field.Code // empty: it is taken
		with func(w *world, r *field.Record)
	}{
		{"as it is", "", func(*world, *field.Record) {}},
		{"written for this task", "", func(_ *world, r *field.Record) { set(r, "revisitId", taskID) }},
		{"of a team that was sent off by telephone", "", func(_ *world, r *field.Record) { set(r, "startedAt", "2026-11-22T22:00:00Z") }},
		{"approved meanwhile", "", func(_ *world, r *field.Record) { r.State = field.ReportApproved }},
		{"the report of a task that was cancelled", "", func(w *world, _ *field.Record) {
			w.put(field.KindRevisit, id(91), field.RevisitCancelled, "", map[string]any{"reportId": reportID})
		}},
		{"a desk review", field.CodeNotNow, func(_ *world, r *field.Record) { set(r, "visitType", "desk") }},
		{"a draft", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.State = field.StateDraft }},
		{"queued", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.State = field.ReportQueued }},
		{"still arriving", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.State = field.ReportReceiving }},
		{"returned", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.State = field.ReportReturned }},
		{"voided", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.State, r.Deleted = field.StateVoided, true }},
		{"last year's, and so dated", field.CodeReportUnfit, func(_ *world, r *field.Record) { set(r, "startedAt", "2025-11-23T01:00:00Z") }},
		{"last year's, dated today", field.CodeReportUnfit, func(_ *world, r *field.Record) { r.CreatedAt = r.CreatedAt.AddDate(-1, 0, 0) }},
		{"of the day before the task was given out", field.CodeReportUnfit, func(_ *world, r *field.Record) { set(r, "startedAt", "2026-11-22T02:00:00Z") }},
		{"of a day before the campaign", field.CodeReportUnfit, func(w *world, r *field.Record) {
			w.put(field.KindCampaign, id(9), field.CampaignRunning, "", map[string]any{"from": "2026-11-24", "to": "2026-12-31"})
		}},
		{"written for another task", field.CodeReportUnfit, func(_ *world, r *field.Record) { set(r, "revisitId", id(91)) }},
		{"the answer to another task", field.CodeReportUnfit, func(w *world, _ *field.Record) {
			w.put(field.KindRevisit, id(91), field.RevisitDone, "", map[string]any{"reportId": reportID})
		}},
		{"of others", field.CodeReportUnfit, func(_ *world, r *field.Record) {
			r.Author = cai
			set(r, "inspectors", []field.UserID{cai, dai})
		}},
		{"of another site", field.CodeUnknownRecord, func(_ *world, r *field.Record) { r.Scope = field.MakeScope(field.ScopeSite, string(id(77))) }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := visited(t)
			tc.with(w, w.records[reportID])
			submit := func() error { return w.give(ann, taskID, "submit", outcome("fixed")) }
			if tc.code == "" {
				w.must(submit())
				return
			}
			w.refuses(tc.code, submit)
			// An older server had taken it: then it is not accepted.
			task := w.records[taskID]
			task.State = field.RevisitSubmitted
			set(task, "reportId", reportID)
			if w.give(cai, taskID, "accept", nil) == nil && tc.name != "of another site" {
				t.Error("it was accepted")
			}
		})
	}
}

func TestATaskIsDueInItsCampaign(t *testing.T) {
	w := newWorld(t) // 2026-11-23, 09:00 in Beijing
	task(w)
	w.put(field.KindCampaign, id(9), field.CampaignRunning, "", map[string]any{"from": "2026-11-20", "to": "2026-12-20"})
	due := func(day string) map[string]any {
		m := assigned(ann, ben)
		m["due"] = day
		return m
	}
	for _, day := range []string{"2020-01-01", "2026-11-22", "2026-12-21", "2027-11-23"} {
		w.refuses(field.CodeBadTime, func() error { return w.give(cai, taskID, "assign", due(day)) })
	}
	for _, state := range []field.State{field.StateDraft, field.CampaignApproved, field.CampaignClosing, field.CampaignReported} {
		w.records[id(9)].State = state
		w.refuses(field.CodeNotNow, func() error { return w.give(cai, taskID, "assign", due("2026-11-23")) })
	}
	w.records[id(9)].State = field.CampaignRunning
	w.must(w.give(cai, taskID, "assign", due("2026-11-23")))
	again := due("2026-12-21")
	again["reason"] = "调岗"
	w.refuses(field.CodeBadTime, func() error { return w.give(cai, taskID, "reassign", again) })
	again["due"] = "2026-12-20"
	given := w.records[taskID].Text("assignedAt")
	w.now = w.now.AddDate(0, 0, 1)
	w.must(w.give(cai, taskID, "reassign", again))
	if w.records[taskID].Text("assignedAt") != given {
		t.Error("what was collected before it was reassigned does not count any more")
	}
}

func TestWhoStaysAwayFromACampaignIsGivenNoneOfIt(t *testing.T) {
	w := newWorld(t)
	task(w)
	r := w.put(field.KindRecusal, id(80), "", "", map[string]any{"scope": "campaign/" + string(id(9)), "why": "亲属"})
	r.Scope = field.MakeScope(field.ScopeUser, string(ben))
	w.refuses(field.CodeCannotDo, func() error { return w.give(cai, taskID, "assign", assigned(ann, ben)) })
}

func TestTheTeamIsToldWhatBecomesOfItsTask(t *testing.T) {
	for command, want := range map[string]string{"miss": "info", "excuse": "info", "cancel": "info", "return": "returned"} {
		w := visited(t)
		if command == "return" {
			w.must(w.give(ann, taskID, "submit", outcome("fixed")))
		}
		w.must(w.give(cai, taskID, command, map[string]any{"reason": "塌方封路"}))
		for _, u := range []field.UserID{ann, ben} {
			told := false
			for _, r := range w.records {
				told = told || r.Kind == field.KindNotice && r.Scope.ID() == string(u) && r.Text("type") == want && strings.Contains(r.Text("zh"), "塌方封路")
			}
			if !told {
				t.Errorf("after %s %s found %v in the inbox", command, u, w.notices(u))
			}
		}
	}
	w := visited(t)
	w.put(field.KindCampaign, id(9), field.CampaignRunning, "", map[string]any{"from": "2026-11-20", "to": "2026-12-20"})
	w.must(w.give(cai, taskID, "miss", map[string]any{"reason": "塌方"}))
	w.must(w.give(cai, taskID, "reassign", team(ann, dai)))
	if !slices.Contains(w.notices(ann), "reopened") || !slices.Contains(w.notices(dai), "reopened") || !slices.Contains(w.notices(ben), "reassigned") {
		t.Errorf("they found %v, %v and %v in the inboxes", w.notices(ann), w.notices(dai), w.notices(ben))
	}
	if w.records[id(9)].Int("reopened") != 1 {
		t.Error("the campaign does not say that a missed task was given out again")
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

func TestATaskWhoseReportIsVoidedGoesBackToItsTeam(t *testing.T) {
	w := visited(t)
	w.must(w.give(ann, taskID, "submit", outcome("fixed")))
	w.must(w.give(ann, reportID, "void", map[string]any{"reason": "拍错了地方"}))
	w.state(taskID, field.RevisitReturned)
	for _, u := range []field.UserID{ann, ben} {
		if !slices.Contains(w.notices(u), "returned") {
			t.Errorf("%s found %v in the inbox", u, w.notices(u))
		}
	}
}

// A task that was accepted rests on its report. When that is under review again, by hand or because of a late flag, the
// task is to be accepted again; when it is voided, the task goes back to its team, who see the site.
func TestATaskIsAskedAboutAgainWhenItsReportIs(t *testing.T) {
	done := func(t *testing.T, campaign field.State) *world {
		w := visited(t)
		w.put(field.KindCampaign, id(9), field.CampaignRunning, dai, map[string]any{"title": "t", "from": "2026-01-01", "to": "2026-12-31"})
		w.must(w.give(ann, taskID, "submit", outcome("fixed")))
		w.records[reportID].State = field.ReportApproved
		w.must(w.give(cai, taskID, "accept", nil))
		w.state(taskID, field.RevisitDone)
		w.records[id(9)].State = campaign
		return w
	}
	reopen := func(w *world) { w.must(w.give(cai, reportID, "reopen", map[string]any{"reason": "照片有疑问"})) }
	flag := func(w *world) {
		w.must(w.make("", field.KindFlag, id(77), siteHome, map[string]any{
			"reportId": reportID, "code": "same_photo", "severity": "high",
		}))
	}
	for name, happens := range map[string]func(*world){"reopened": reopen, "a late flag": flag} {
		t.Run(name, func(t *testing.T) {
			w := done(t, field.CampaignClosing)
			happens(w)
			w.state(reportID, field.ReportUnderReview)
			w.state(taskID, field.RevisitSubmitted)
			if g := w.records[field.GrantID(ann, siteHome)]; g.State != field.StateActive {
				t.Error("ann may have to correct the report and does not see the site")
			}
			for _, u := range []field.UserID{ann, ben, dai} {
				if !slices.Contains(w.notices(u), "reopened") {
					t.Errorf("%s found %v in the inbox", u, w.notices(u))
				}
			}
			if w.records[id(9)].Int("reopened") != 1 {
				t.Error("the campaign does not say that a task was opened again")
			}
			w.refuses(field.CodeNotNow, func() error { return w.give(cai, taskID, "accept", nil) })
			w.records[reportID].State = field.ReportApproved
			w.must(w.give(cai, taskID, "accept", nil))
		})
	}
	t.Run("voided", func(t *testing.T) {
		w := done(t, field.CampaignRunning)
		reopen(w)
		w.must(w.give(ann, reportID, "void", map[string]any{"reason": "拍错了地方"}))
		w.state(taskID, field.RevisitReturned)
	})
	t.Run("the campaign was reported", func(t *testing.T) {
		w := done(t, field.CampaignReported)
		reopen(w)
		w.state(taskID, field.RevisitDone)
		if !slices.Contains(w.notices(dai), "info") {
			t.Errorf("who planned it found %v in the inbox", w.notices(dai))
		}
	})
}
