package field_test

import (
	"testing"

	"fieldclue/server/field"
)

func TestATemplateIsPublishedOnlyWhenItCanBeAnswered(t *testing.T) {
	item := func(id string, more map[string]any) map[string]any {
		m := map[string]any{"id": id, "zh": "问题", "type": "text"}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	cases := []struct {
		name  string
		code  field.Code
		items []map[string]any
	}{
		{"no item", field.CodeMissingField, []map[string]any{}},
		{"asks what the ledger holds", field.CodeAsksAgain, []map[string]any{item("budget", map[string]any{"known": "budget"})}},
		{"the same id twice", field.CodeBadID, []map[string]any{item("a", nil), item("a", nil)}},
		{"an id that is no key", field.CodeBadID, []map[string]any{item("a.b", nil)}},
		{"more photos than it takes", field.CodeOutOfRange, []map[string]any{item("a", map[string]any{"minPhotos": 3, "maxPhotos": 2})}},
		{"depends on what is not asked", field.CodeBadChoice, []map[string]any{item("a", map[string]any{"requiredIf": map[string]any{"item": "b", "equals": true}})}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(field.KindTemplate, templateID, "", cai, map[string]any{"items": tc.items})
			w.refuses(tc.code, func() error { return w.give(cai, templateID, "publish", nil) })
		})
	}
	w := newWorld(t)
	w.put(field.KindTemplate, templateID, "", cai, map[string]any{"items": []map[string]any{item("a", nil)}})
	w.must(w.give(cai, templateID, "publish", nil))
	if field.KindOf(field.KindTemplate).EditableIn("published") {
		t.Error("a published template can be edited")
	}
	w.must(w.give(cai, templateID, "retire", nil))
}

func TestAProjectGoesOneStepAtATime(t *testing.T) {
	w := newWorld(t)
	w.put(field.KindProject, project, "", cai, nil)
	to := func(state, reason string) func() error {
		args := map[string]any{"to": state}
		if reason != "" {
			args["reason"] = reason
		}
		return func() error { return w.give(cai, project, "advance", args) }
	}
	w.refuses(field.CodeNotNow, to("funded", ""))
	w.refuses(field.CodeBadChoice, to("declared", ""))
	w.refuses(field.CodeReasonMissing, to("suspended", ""))
	for _, s := range []string{"approved", "funded", "in_progress"} {
		w.must(to(s, "")())
	}
	w.refuses(field.CodeNotNow, to("approved", ""))
	w.must(to("suspended", "停工")())
	w.refuses(field.CodeNotNow, to("completed", ""))
	for _, s := range []string{"in_progress", "completed", "accepted", "handed_over"} {
		w.must(to(s, "")())
	}
	w.refuses(field.CodeNotNow, to("terminated", "r"))
}

func TestASiteHasAPlaceAndBelongsToWhoMakesIt(t *testing.T) {
	w := newWorld(t)
	org := field.MakeScope(field.ScopeOrg, string(local))
	site := func(orgs []string) func() error {
		return func() error {
			return w.make(cai, field.KindSite, siteID, org, map[string]any{"name": "水厂", "projectId": project, "region": "520502", "orgs": orgs})
		}
	}
	w.refuses(field.CodeForeignOrg, site([]string{"bijie"}))
	w.must(site([]string{"gz-liwan", "bijie"})())
	if info := w.infos[siteHome]; !info.Has("bijie") || !info.Has(local) || info.Region != "520502" || info.Project != field.ProjectID(project) {
		t.Errorf("the site's scope is open to %+v", info)
	}
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, siteID, "activate", nil) })
	set(w.records[siteID], "position", map[string]any{"lat": 27.3, "lon": 105.3})
	w.must(w.give(cai, siteID, "activate", nil))
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, siteID, "close", nil) })
}

func TestAnOrganisationLivesInItsOwnScopeAndOpensItToPartners(t *testing.T) {
	w := newWorld(t)
	org := func(scope field.Scope) func() error {
		return func() error {
			return w.make("", field.KindOrg, field.OrgRecord("bijie"), scope, map[string]any{"code": "bijie", "name": "毕节", "region": "520500", "partners": []string{"gz-liwan"}})
		}
	}
	w.refuses(field.CodeWrongScope, org("org/gz-liwan"))
	w.must(org("org/bijie")())
	if info := w.infos["org/bijie"]; !info.Has("gz-liwan") || info.Orgs[0] != "bijie" {
		t.Errorf("org/bijie is open to %+v", info)
	}
	if info := w.infos["register/bijie"]; info.Has("gz-liwan") || !info.Has("bijie") {
		t.Errorf("register/bijie is open to %+v", info)
	}
}

func TestAPersonHasAnInboxFromTheStart(t *testing.T) {
	w := newWorld(t)
	w.must(w.make(cai, field.KindPerson, id(4), "org/gz-liwan", map[string]any{"name": "王"}))
	if info := w.infos[field.MakeScope(field.ScopeUser, string(id(4)))]; !info.Has(local) {
		t.Errorf("the inbox is open to %+v", info)
	}
	w.refuses(field.CodeMissingField, func() error { return w.give(cai, id(4), "leave", nil) })
	w.must(w.give(cai, id(4), "leave", map[string]any{"reason": "调离"}))
}

func TestNobodyEndsTheOwnRecusal(t *testing.T) {
	w := newWorld(t)
	r := w.put(field.KindRecusal, id(6), "", dai, map[string]any{"scope": siteHome, "why": "亲属"})
	r.Scope = field.MakeScope(field.ScopeUser, string(cai))
	w.refuses(field.CodeSecondPerson, func() error { return w.give(cai, id(6), "end", map[string]any{"reason": "想看"}) })
	w.refuses(field.CodeMissingField, func() error { return w.give(dai, id(6), "end", nil) })
	w.must(w.give(dai, id(6), "end", map[string]any{"reason": "已调岗"}))
}
