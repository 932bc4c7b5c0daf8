package field_test

import (
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
)

const (
	hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

var (
	templateID = id(5)
	reportID   = id(10)
)

// visit puts down a complete report of two inspectors that can be submitted.
func visit(w *world) *field.Record {
	w.put(field.KindTemplate, templateID, "published", cai, map[string]any{"title": "清单", "version": 1, "items": []map[string]any{
		{"id": "roof", "zh": "屋面漏水？", "type": "yes_no", "required": true},
		{"id": "why", "zh": "原因", "type": "text", "requiredIf": map[string]any{"item": "roof", "equals": true}},
		{"id": "front", "zh": "正面照片", "type": "photo", "required": true, "minPhotos": 1, "maxPhotos": 2},
		{"id": "ledger", "zh": "台账", "type": "text", "required": true},
	}})
	w.put(field.KindPhoto, id(11), field.PhotoStored, ann, map[string]any{"reportId": reportID, "sha256": hashA, "item": "front", "facts": map[string]any{}})
	return w.put(field.KindReport, reportID, "", ann, map[string]any{
		"siteId": siteID, "templateId": templateID, "inspectors": []field.UserID{ann, ben}, "photos": []string{hashA},
		"startedAt": "2026-11-23T01:00:00Z", "endedAt": "2026-11-23T02:00:00Z",
		"answers.roof":   map[string]any{"value": false},
		"answers.ledger": map[string]any{"cannotObtain": "会计出差"},
	})
}

func set(r *field.Record, path string, v any) {
	if v == nil {
		delete(r.Fields, path)
	} else {
		r.Fields[path] = field.Quote(v)
	}
	field.Index(r)
}

func TestAReportIsRefusedUntilItIsComplete(t *testing.T) {
	cases := []struct {
		name string
		code field.Code
		with func(w *world, r *field.Record)
	}{
		{"one inspector", field.CodeTwoInspectors, func(_ *world, r *field.Record) { set(r, "inspectors", []field.UserID{ann}) }},
		{"the same inspector twice", field.CodeTwoInspectors, func(_ *world, r *field.Record) { set(r, "inspectors", []field.UserID{ann, ann}) }},
		{"no start", field.CodeMissingField, func(_ *world, r *field.Record) { set(r, "startedAt", nil) }},
		{"no end", field.CodeMissingField, func(_ *world, r *field.Record) { set(r, "endedAt", nil) }},
		{"an end before the start", field.CodeMissingField, func(_ *world, r *field.Record) { set(r, "endedAt", "2026-11-22T01:00:00Z") }},
		{"an unknown template", field.CodeTemplateState, func(w *world, _ *field.Record) { delete(w.records, templateID) }},
		{"a template that is a draft", field.CodeTemplateState, func(w *world, _ *field.Record) { w.records[templateID].State = field.StateDraft }},
		{"a required item without answer", field.CodeAnswersMissing, func(_ *world, r *field.Record) { set(r, "answers.ledger", nil) }},
		{"an answer of blanks why not", field.CodeAnswersMissing, func(_ *world, r *field.Record) {
			set(r, "answers.ledger", map[string]any{"cannotObtain": "  "})
		}},
		{"an item that another answer makes required", field.CodeAnswersMissing, func(_ *world, r *field.Record) {
			set(r, "answers.roof", map[string]any{"value": true})
		}},
		{"a photo too few", field.CodeAnswersMissing, func(w *world, r *field.Record) {
			delete(w.records, id(11))
			set(r, "photos", nil)
		}},
		{"a photo too many", field.CodeTooManyPhotos, func(w *world, _ *field.Record) {
			for i := range 2 {
				w.put(field.KindPhoto, id(20+i), field.PhotoStored, ann, map[string]any{"reportId": reportID, "sha256": hashA, "item": "front"})
			}
		}},
		{"a declared photo that has not arrived", field.CodePhotosMissing, func(_ *world, r *field.Record) { set(r, "photos", []string{hashA, hashB}) }},
		{"a photo record that has not arrived", field.CodePhotosMissing, func(w *world, _ *field.Record) {
			w.put(field.KindPhoto, id(12), "", ann, map[string]any{"reportId": reportID, "sha256": hashB})
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			tc.with(w, visit(w))
			w.refuses(tc.code, func() error { return w.give(ann, reportID, "submit", nil) })
			if tc.code != field.CodePhotosMissing {
				w.refuses(tc.code, func() error { return w.give(ann, reportID, "queue", nil) })
			}
		})
	}
}

func TestACompleteReportIsSubmitted(t *testing.T) {
	for name, with := range map[string]func(w *world, r *field.Record){
		"as it is": func(*world, *field.Record) {},
		"a desk review by one person": func(_ *world, r *field.Record) {
			set(r, "visitType", "desk")
			set(r, "inspectors", []field.UserID{ann})
		},
		"with a retired template": func(w *world, _ *field.Record) { w.records[templateID].State = "retired" },
		"with no photos, and why": func(w *world, r *field.Record) {
			delete(w.records, id(11))
			set(r, "photos", nil)
			set(r, "answers.front", map[string]any{"cannotObtain": "大雾"})
		},
		"beside a photo that was refused": func(w *world, _ *field.Record) {
			w.put(field.KindPhoto, id(12), field.PhotoRejected, ann, map[string]any{"reportId": reportID, "sha256": hashB})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			with(w, visit(w))
			w.must(w.give(ann, reportID, "submit", nil))
			w.state(reportID, field.ReportSubmitted)
			if w.records[reportID].Time("submittedAt").IsZero() {
				t.Error("nobody knows when it was submitted")
			}
		})
	}
}

// The phone queues the report when everything is written; the server submits it when the last photo has arrived.
func TestAQueuedReportIsSubmittedWithItsLastPhoto(t *testing.T) {
	w := newWorld(t)
	r := visit(w)
	set(r, "photos", []string{hashA, hashB, strings.Repeat("c", 64)})
	w.put(field.KindPhoto, id(12), "", ann, map[string]any{"reportId": reportID, "sha256": hashB})
	w.put(field.KindPhoto, id(13), "", ann, map[string]any{"reportId": reportID, "sha256": strings.Repeat("c", 64)})
	w.must(w.give(ann, reportID, "queue", nil))
	w.state(reportID, field.ReportQueued)
	w.must(w.give("", id(12), "store", map[string]any{"receipt": map[string]any{"sha256": hashB}}))
	w.state(reportID, field.ReportReceiving)
	w.must(w.give("", id(13), "store", map[string]any{"receipt": map[string]any{"sha256": strings.Repeat("c", 64)}}))
	w.state(reportID, field.ReportSubmitted)
	w.refuses(field.CodeNotNow, func() error {
		return w.give("", id(13), "store", map[string]any{"receipt": map[string]any{"sha256": hashB}})
	})
}

// A photo that was declared and is lost with its phone must not hold the report for ever.
func TestAQueuedReportCanBeTakenBack(t *testing.T) {
	w := newWorld(t)
	r := visit(w)
	set(r, "photos", []string{hashA, hashB})
	w.put(field.KindPhoto, id(12), "", ann, map[string]any{"reportId": reportID, "sha256": hashB})
	w.must(w.give(ann, reportID, "queue", nil))
	w.must(w.give(ann, reportID, "recall", nil))
	w.state(reportID, field.StateDraft)
	set(w.records[reportID], "photos", []string{hashA})
	w.must(w.give(ann, id(12), "void", map[string]any{"reason": "手机遗失，照片未能上传"}))
	delete(w.records, id(12)) // voided records are not found by the guards
	w.must(w.give(ann, reportID, "submit", nil))
	w.state(reportID, field.ReportSubmitted)
	w.refuses(field.CodeNotNow, func() error { return w.give(ann, reportID, "recall", nil) })
}

func submitted(t *testing.T) *world {
	w := newWorld(t)
	visit(w)
	w.must(w.give(ann, reportID, "submit", nil))
	return w
}

func back(deadline time.Time, item string) map[string]any {
	return map[string]any{"items": []field.ReturnedItem{{Item: item, Comment: "请补充"}}, "deadline": deadline.Format(time.RFC3339)}
}

func TestTheReviewerIsNotAnAuthor(t *testing.T) {
	w := submitted(t)
	for _, author := range []field.UserID{ann, ben} { // who wrote it, and who went along
		w.refuses(field.CodeReviewerIsAuthor, func() error { return w.give(author, reportID, "take", nil) })
		w.refuses(field.CodeReviewerIsAuthor, func() error { return w.give(author, reportID, "approve", nil) })
		w.refuses(field.CodeReviewerIsAuthor, func() error { return w.give(author, reportID, "return", back(w.now.Add(time.Hour), "roof")) })
	}
	w.must(w.give(cai, reportID, "take", nil))
	w.state(reportID, field.ReportUnderReview)
}

func TestAReturnNamesItemsAndADeadline(t *testing.T) {
	w := submitted(t)
	w.refuses(field.CodeMissingField, func() error {
		return w.give(cai, reportID, "return", map[string]any{"items": []field.ReturnedItem{}, "deadline": w.now.Add(time.Hour)})
	})
	w.refuses(field.CodeMissingField, func() error {
		return w.give(cai, reportID, "return", map[string]any{"items": []map[string]string{{"item": "roof"}}, "deadline": w.now.Add(time.Hour)})
	})
	w.refuses(field.CodeMissingField, func() error {
		return w.give(cai, reportID, "return", map[string]any{"items": []field.ReturnedItem{{Item: "roof", Comment: "?"}}})
	})
	w.refuses(field.CodeBadTime, func() error { return w.give(cai, reportID, "return", back(w.now.Add(-time.Second), "roof")) })
	w.refuses(field.CodeBadChoice, func() error { return w.give(cai, reportID, "return", back(w.now.Add(time.Hour), "cellar")) })
	w.must(w.give(cai, reportID, "return", back(w.now.Add(time.Hour), "roof")))
	w.state(reportID, field.ReportReturned)
	for _, a := range []field.UserID{ann, ben} {
		if got := w.notices(a); len(got) != 1 || got[0] != "returned" {
			t.Errorf("%s found %v in the inbox", a, got)
		}
	}
	w.refuses(field.CodeNotNow, func() error { return w.give(ann, reportID, "submit", nil) })
	w.must(w.give(ann, reportID, "resubmit", nil))
	w.state(reportID, field.ReportResubmitted)
}

func TestBlockingFlagsAreDecidedBeforeApproval(t *testing.T) {
	w := submitted(t)
	flag := func(n int, severity string) field.RecordID {
		w.must(w.make("", field.KindFlag, id(n), siteHome, map[string]any{"code": "same_photo", "severity": severity, "reportId": reportID}))
		return id(n)
	}
	severity := func(want int64) {
		t.Helper()
		if got := w.records[reportID].Int("severity"); got != want {
			t.Errorf("the report's severity is %d, want %d", got, want)
		}
	}
	high, blocking := flag(30, "high"), flag(31, "blocking")
	severity(3)
	w.refuses(field.CodeFlagsOpen, func() error { return w.give(cai, reportID, "approve", nil) })
	// A flag that is no longer found, because what it is found by was damaged, is not gone.
	for _, r := range w.records {
		if r.Kind == field.KindFlag {
			r.Keys = nil
		}
	}
	w.refuses(field.CodeFlagsOpen, func() error { return w.give(cai, reportID, "approve", nil) })
	for _, r := range w.records {
		if r.Kind == field.KindFlag {
			field.Index(r)
		}
	}
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, blocking, "decide", map[string]any{"decision": "false_alarm"}) })
	w.refuses(field.CodeBadChoice, func() error {
		return w.give(cai, blocking, "decide", map[string]any{"decision": "whatever", "reason": "r"})
	})
	w.refuses(field.CodeReviewerIsAuthor, func() error {
		return w.give(ben, blocking, "decide", map[string]any{"decision": "explained", "reason": "同一点位"})
	})
	w.must(w.give(cai, blocking, "decide", map[string]any{"decision": "explained", "reason": "同一点位"}))
	severity(2)
	w.must(w.give(cai, high, "decide", map[string]any{"decision": "false_alarm", "reason": "坐标系"}))
	severity(0)
	w.must(w.give(cai, reportID, "approve", nil))
	w.state(reportID, field.ReportApproved)
	if got := w.notices(ann); len(got) != 1 || got[0] != "approved" {
		t.Errorf("the author found %v in the inbox", got)
	}
	w.must(w.give(cai, reportID, "archive", nil))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, reportID, "void", map[string]any{"reason": "r"}) })
}

func TestApprovalNeedsEveryPhoto(t *testing.T) {
	w := submitted(t)
	w.records[id(11)].State = field.PhotoDeclared // as after a restore that lost it
	w.refuses(field.CodePhotosMissing, func() error { return w.give(cai, reportID, "approve", nil) })
}

func TestVoidedIsKept(t *testing.T) {
	w := submitted(t)
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, reportID, "void", nil) })
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, reportID, "void", map[string]any{"reason": " "}) })
	w.must(w.give(cai, reportID, "void", map[string]any{"reason": "重复"}))
	r := w.records[reportID]
	if !r.Deleted || r.Text("voidReason") != "重复" || r.Fields["answers.roof"] == nil {
		t.Errorf("the voided report holds %s", r.Document())
	}
}

// The queue orders by severity first, by age then.
func TestTheQueueIsOrderedBySeverityAndAge(t *testing.T) {
	w := newWorld(t)
	r := visit(w)
	rank := func(severity int, at string) string {
		c := r.Clone()
		c.Fields["severity"], c.Fields["submittedAt"] = field.Quote(severity), field.Quote(at)
		field.Index(c)
		return c.Rank
	}
	order := []string{
		rank(3, "2026-11-23T09:00:00Z"), rank(2, "2026-11-20T09:00:00Z"), rank(2, "2026-11-21T09:00:00Z"), rank(0, "2026-11-01T09:00:00Z"),
	}
	for i := 1; i < len(order); i++ {
		if order[i-1] >= order[i] {
			t.Errorf("%d stands behind %d: %q, %q", i-1, i, order[i-1], order[i])
		}
	}
}

func TestANoteIsReviewedByASecondPersonAndHoldsNoIdentity(t *testing.T) {
	w := newWorld(t)
	note := func(fields map[string]any) func() error {
		fields["siteId"], fields["alias"] = siteID, "甲户"
		return func() error { return w.make(ann, field.KindInterview, id(40), siteHome, fields) }
	}
	for _, text := range []string{"身份证11010519491231002X。", "电话13800138000", "440524188001010014"} {
		w.refuses(field.CodeIdentityInText, note(map[string]any{"text": text}))
		w.refuses(field.CodeIdentityInText, note(map[string]any{"answers": map[string]any{"q1": text}}))
	}
	w.refuses(field.CodeMissingField, func() error {
		return w.make(ann, field.KindInterview, id(40), siteHome, map[string]any{"siteId": siteID})
	})
	w.must(note(map[string]any{"text": "补助 12345 元，2026 年到账，单号 202611230000000000001。"})())
	w.refuses(field.CodeIdentityInText, func() error {
		return w.give(ann, id(40), "void", map[string]any{"reason": "打 138 0013 8000 问过"})
	})
	w.must(w.give(ann, id(40), "submit", nil))
	w.refuses(field.CodeReviewerIsAuthor, func() error { return w.give(ann, id(40), "review", nil) })
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, id(40), "seal", nil) })
	w.must(w.give(cai, id(40), "review", nil))
	w.must(w.give(cai, id(40), "seal", nil))
	w.refuses(field.CodeNotNow, func() error { return w.give(cai, id(40), "void", map[string]any{"reason": "r"}) })
}
