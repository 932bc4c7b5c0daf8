package field_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// unseen are texts of which nothing can be seen.
var unseen = map[string]string{
	"nothing": "", "spaces": "  \t\n", "U+3000": "\u3000\u3000", "no-break space": "\u00a0", "zero width": "\u200b\u200c\u200d\u2060\ufeff",
	"direction marks": "\u200e\u202e", "combining marks": "\u0301\u0308", "variation selector": "\ufe0f", "Hangul filler": "\u3164\u115f\uffa0",
	"Braille without dots": "\u2800", "soft hyphen": "\u00ad", "tags": "\U000e0041", "control": "\x01\x7f", "grapheme joiner": "\u034f",
}

func TestWhatCannotBeSeenIsBlank(t *testing.T) {
	for name, s := range unseen {
		if !field.Blank(s) || !field.Blank([]byte(s)) {
			t.Errorf("%s: %q is taken for a text", name, s)
		}
	}
	for _, s := range []string{"a", " 无 ", "\u200b好", "e\u0301", "…", "🙂", "\ue000", "𠮷", "\xff"} {
		if field.Blank(s) {
			t.Errorf("%q is taken for nothing", s)
		}
	}
}

// Each required text of every kind and command is refused when it cannot be seen: a reason is one helper's business.
func TestWhatIsRequiredIsSeen(t *testing.T) {
	checked := 0
	var look func(where string, fields []field.Field)
	look = func(where string, fields []field.Field) {
		for i := range fields {
			f := fields[i]
			at := where + "." + f.Name
			look(at, f.Fields)
			if f.Type != field.Text || !f.Required {
				continue
			}
			f.List = false
			checked++
			for name, s := range unseen {
				if _, err := f.Check(field.Quote(s)); !field.Is(err, field.CodeMissingField) {
					t.Errorf("%s takes %s: %v", at, name, err)
				}
			}
			if _, err := f.Check(field.Quote("理由")); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	for _, s := range field.Kinds() {
		look(string(s.Kind), s.Fields)
		for _, c := range s.Commands {
			look(string(s.Kind)+"."+c.Name, c.Args)
		}
	}
	if checked < 30 {
		t.Errorf("only %d required texts were found", checked)
	}
}

// contract is a template with an item of each type, and a report that answers all of it.
func contract(w *world) *field.Record {
	w.put(field.KindTemplate, templateID, "published", cai, map[string]any{"title": "清单", "version": 1, "items": []map[string]any{
		{"id": "note", "zh": "情况", "type": "text", "required": true},
		{"id": "count", "zh": "户数", "type": "number", "required": true},
		{"id": "paid", "zh": "是否付款", "type": "yes_no", "required": true},
		{"id": "state", "zh": "状态", "type": "choice", "choices": []string{"café", "在建"}, "required": true},
		{"id": "faults", "zh": "问题", "type": "choices", "choices": []string{"漏雨", "裂缝", "无"}, "required": true},
		{"id": "crack", "zh": "裂缝说明", "type": "text", "requiredIf": map[string]any{"item": "faults", "equals": "裂缝"}},
		{"id": "three", "zh": "三张照片", "type": "photo", "required": true, "minPhotos": 3},
		{"id": "seen", "zh": "看见什么", "type": "text", "minPhotos": 1},
	}})
	for i := range 3 {
		w.put(field.KindPhoto, id(20+i), field.PhotoStored, ann, map[string]any{"reportId": reportID, "sha256": strings.Repeat(fmt.Sprint(i), 64), "item": "three", "type": "image/jpeg"})
	}
	r := w.put(field.KindReport, reportID, "", ann, map[string]any{
		"siteId": siteID, "templateId": templateID, "inspectors": []field.UserID{ann, ben},
		"startedAt": "2026-11-23T01:00:00Z", "endedAt": "2026-11-23T02:00:00Z",
	})
	for item, v := range map[string]any{"note": "屋面完好", "count": 12, "paid": false, "state": "café", "faults": []string{"漏雨"}} {
		answer(r, item, v)
	}
	return r
}

func answer(r *field.Record, item string, v any) { set(r, "answers."+item, map[string]any{"value": v}) }

func TestAnswersAreHeldAgainstTheTemplate(t *testing.T) {
	type change func(w *world, r *field.Record)
	gives := func(item string, v any) change { return func(_ *world, r *field.Record) { answer(r, item, v) } }
	refused := map[string]struct {
		code field.Code
		item string
		with change
	}{
		"a text that is a number":           {field.CodeAnswersUnfit, "note", gives("note", 12)},
		"a text that is a list":             {field.CodeAnswersUnfit, "note", gives("note", []string{"好"})},
		"a number that is a text":           {field.CodeAnswersUnfit, "count", gives("count", "12")},
		"a number that is true":             {field.CodeAnswersUnfit, "count", gives("count", true)},
		"yes or no that is a text":          {field.CodeAnswersUnfit, "paid", gives("paid", "是")},
		"yes or no that is 1":               {field.CodeAnswersUnfit, "paid", gives("paid", 1)},
		"none of the choices":               {field.CodeAnswersUnfit, "state", gives("state", "停工")},
		"a choice with a space":             {field.CodeAnswersUnfit, "state", gives("state", "在建 ")},
		"a list for one choice":             {field.CodeAnswersUnfit, "state", gives("state", []string{"在建"})},
		"a text for several choices":        {field.CodeAnswersUnfit, "faults", gives("faults", "漏雨")},
		"one of several is none":            {field.CodeAnswersUnfit, "faults", gives("faults", []string{"漏雨", "塌方"})},
		"the same choice twice":             {field.CodeAnswersUnfit, "faults", gives("faults", []string{"漏雨", "漏雨"})},
		"no choices":                        {field.CodeAnswersMissing, "faults", gives("faults", []string{})},
		"choices that cannot be seen":       {field.CodeAnswersMissing, "faults", gives("faults", []string{"\u3000", ""})},
		"a condition on one of several":     {field.CodeAnswersMissing, "crack", gives("faults", []string{"漏雨", "裂缝"})},
		"an answer without the photo of it": {field.CodeAnswersMissing, "seen", gives("seen", "看见裂缝")},
		"one file three times": {field.CodeAnswersMissing, "three", func(w *world, _ *field.Record) {
			for i := range 3 {
				set(w.records[id(20+i)], "sha256", hashA)
			}
		}},
		"a recording for a photo": {field.CodeAnswersMissing, "three", func(w *world, _ *field.Record) { set(w.records[id(20)], "type", "audio/mp4") }},
	}
	for name, s := range unseen {
		refused["required, and "+name] = struct {
			code field.Code
			item string
			with change
		}{field.CodeAnswersMissing, "note", gives("note", s)}
		refused["cannot be obtained because of "+name] = struct {
			code field.Code
			item string
			with change
		}{field.CodeAnswersMissing, "note", func(_ *world, r *field.Record) { set(r, "answers.note", map[string]any{"cannotObtain": s}) }}
	}
	for name, tc := range refused {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.with(w, contract(w))
			for _, command := range []string{"submit", "queue"} {
				var err error
				w.refuses(tc.code, func() error { err = w.give(ann, reportID, command, nil); return err })
				if e := field.AsError(err); !strings.Contains(e.Sentence(), tc.item) || !strings.Contains(e.SentenceZH(), tc.item) {
					t.Errorf("%s: %q and %q do not name %s", command, e.Sentence(), e.SentenceZH(), tc.item)
				}
			}
		})
	}
	for name, with := range map[string]change{
		"as it is":                         func(*world, *field.Record) {},
		"é of two characters":              gives("state", "cafe\u0301"),
		"a number of the other form":       gives("count", json.RawMessage("1.20e1")),
		"a condition that does not hold":   gives("faults", []string{"无"}),
		"an optional one that is blank":    gives("seen", "\u3000"),
		"what cannot be obtained, and why": func(_ *world, r *field.Record) { set(r, "answers.faults", map[string]any{"cannotObtain": "夜间"}) },
		"a condition that holds, answered": func(_ *world, r *field.Record) {
			answer(r, "faults", []string{"漏雨", "裂缝"})
			answer(r, "crack", "东墙两处")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			with(w, contract(w))
			w.must(w.give(ann, reportID, "submit", nil))
			w.state(reportID, field.ReportSubmitted)
		})
	}
}

// All that is wrong is said at once, each item by its id.
func TestEachItemThatDoesNotFitIsNamed(t *testing.T) {
	w := newWorld(t)
	r := contract(w)
	answer(r, "count", "12")
	answer(r, "state", "停工")
	set(r, "answers.note", nil)
	var err error
	w.refuses(field.CodeAnswersUnfit, func() error { err = w.give(ann, reportID, "submit", nil); return err })
	e := field.AsError(err)
	for _, item := range []string{"count", "state", "note"} {
		if !strings.Contains(e.Sentence(), item) || !strings.Contains(e.SentenceZH(), item) {
			t.Errorf("%s is not named: %s %s", item, e.Sentence(), e.SentenceZH())
		}
	}
}

// A photo that is voided while the others are on their way is missing in the end.
func TestAQueuedReportIsHeldAgainstTheTemplateWhenTheLastPhotoComes(t *testing.T) {
	w := newWorld(t)
	r := contract(w)
	w.records[id(22)].State = field.PhotoDeclared
	set(r, "photos", []string{strings.Repeat("2", 64)})
	w.must(w.give(ann, reportID, "queue", nil))
	delete(w.records, id(21)) // voided records are not found by the guards
	w.must(w.give("", id(22), "store", map[string]any{"receipt": map[string]any{"sha256": strings.Repeat("2", 64)}}))
	w.state(reportID, field.ReportReceiving)
	if w.records[reportID].Fields["submittedAt"] != nil {
		t.Error("it says when it was submitted")
	}
	told := false
	for _, n := range w.records {
		told = told || n.Kind == field.KindNotice && strings.Contains(n.Text("zh"), "three") && n.Text("recordId") == string(reportID)
	}
	if !told {
		t.Error("its author was not told what is missing")
	}
	w.must(w.give(ann, reportID, "recall", nil))
	w.state(reportID, field.StateDraft)
}

func TestATemplateThatContradictsItselfIsNotPublished(t *testing.T) {
	type item = map[string]any
	choice := item{"id": "c", "zh": "选", "type": "choice", "choices": []string{"甲", "乙"}}
	many := item{"id": "m", "zh": "多选", "type": "choices", "choices": []string{"甲", "乙"}}
	yes, number := item{"id": "y", "zh": "是否", "type": "yes_no"}, item{"id": "n", "zh": "数", "type": "number"}
	photo, text := item{"id": "p", "zh": "照片", "type": "photo"}, item{"id": "t", "zh": "文本", "type": "text"}
	on := func(of string, equals any) item {
		return item{"id": "q", "zh": "问", "type": "text", "requiredIf": item{"item": of, "equals": equals}}
	}
	refused := map[string]struct {
		code  field.Code
		items []item
	}{
		"a choice without choices":           {field.CodeMissingField, []item{{"id": "c", "zh": "选", "type": "choice"}}},
		"several of no choices":              {field.CodeMissingField, []item{{"id": "c", "zh": "选", "type": "choices", "choices": []string{}}}},
		"choices of a text":                  {field.CodeBadChoice, []item{{"id": "c", "zh": "选", "type": "text", "choices": []string{"甲"}}}},
		"a choice twice":                     {field.CodeBadChoice, []item{{"id": "c", "zh": "选", "type": "choice", "choices": []string{"甲", "甲"}}}},
		"a choice twice, in two forms":       {field.CodeBadChoice, []item{{"id": "c", "zh": "选", "type": "choice", "choices": []string{"é", "e\u0301"}}}},
		"a choice that cannot be seen":       {field.CodeMissingField, []item{{"id": "c", "zh": "选", "type": "choice", "choices": []string{"甲", "\u200b"}}}},
		"a question that cannot be seen":     {field.CodeMissingField, []item{{"id": "c", "zh": "\u200b\u3000", "type": "text"}}},
		"a photo and none is taken":          {field.CodeOutOfRange, []item{{"id": "c", "zh": "照", "type": "photo", "maxPhotos": 0}}},
		"two photos and none is taken":       {field.CodeOutOfRange, []item{{"id": "c", "zh": "照", "type": "text", "minPhotos": 2, "maxPhotos": 0}}},
		"a condition on itself":              {field.CodeBadChoice, []item{on("q", "x")}},
		"a condition on what comes after":    {field.CodeBadChoice, []item{on("y", true), yes}},
		"a choice that is not offered":       {field.CodeBadChoice, []item{choice, on("c", "丙")}},
		"a choice that is a list":            {field.CodeBadChoice, []item{choice, on("c", []string{"甲"})}},
		"one of several that is not offered": {field.CodeBadChoice, []item{many, on("m", "丙")}},
		"several that are not offered":       {field.CodeBadChoice, []item{many, on("m", []string{"甲", "丙"})}},
		"yes or no that is a text":           {field.CodeBadChoice, []item{yes, on("y", "是")}},
		"a number that is a text":            {field.CodeBadChoice, []item{number, on("n", "3")}},
		"the value of a photo":               {field.CodeBadChoice, []item{photo, on("p", "x")}},
		"a text that cannot be seen":         {field.CodeBadChoice, []item{text, on("t", "\u3000")}},
		"a list of nothing":                  {field.CodeBadChoice, []item{many, on("m", []string{})}},
	}
	for name, tc := range refused {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(field.KindTemplate, templateID, "", cai, map[string]any{"items": tc.items})
			w.refuses(tc.code, func() error { return w.give(cai, templateID, "publish", nil) })
		})
	}
	w := newWorld(t)
	w.put(field.KindTemplate, templateID, "", cai, map[string]any{"items": []item{
		choice, many, yes, number, photo, text, on("c", "甲"),
		{"id": "q2", "zh": "问", "type": "text", "requiredIf": item{"item": "m", "equals": "乙"}},
		{"id": "q3", "zh": "问", "type": "text", "requiredIf": item{"item": "m", "equals": []string{"乙", "甲"}}},
		{"id": "q4", "zh": "问", "type": "photo", "minPhotos": 2, "maxPhotos": 2, "requiredIf": item{"item": "y", "equals": false}},
		{"id": "q5", "zh": "问", "type": "text", "requiredIf": item{"item": "n", "equals": 0}},
	}})
	w.must(w.give(cai, templateID, "publish", nil))
}
