package api_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// What the desk and a phone are told: what a thing is about, which one is meant, and why not.

// inOffice runs a test in an office with sites, on both stores.
func inOffice(t *testing.T, test func(t *testing.T, o *office, sites []string)) {
	onBothStores(t, func(t *testing.T, w *world) {
		o := officeOf(w)
		test(t, o, o.ledger())
	})
}

// fields reads some of the fields of a record, as somebody is shown it.
func (o *office) fields(u *user, id string, into any) {
	o.t.Helper()
	answer{t: o.t, body: o.record(u, id).Fields}.into(into)
}

// problem is the refusal that a request is answered with; nothing is written.
func (o *office) problem(u *user, status int, code field.Code, method, path string, body any) (p api.Problem) {
	o.t.Helper()
	before := o.heads()
	u.do(method, path, body).refused(status, code).into(&p)
	if after := o.heads(); !maps.Equal(before, after) {
		o.t.Errorf("%s %s was refused and wrote: %v, before %v", method, path, after, before)
	}
	return p
}

// pushed is what became of one operation from a phone.
func (o *office) pushed(u *user, scope string, op obj) protocol.Outcome {
	o.t.Helper()
	var res protocol.PushResponse
	u.push(scope, op).want(200).into(&res)
	return res.Outcomes[0]
}

// both fails unless a refusal says all of this in English and in Chinese.
func (o *office) both(en, zh string, facts ...string) {
	o.t.Helper()
	for _, fact := range facts {
		if !strings.Contains(en, fact) || !strings.Contains(zh, fact) {
			o.t.Errorf("%q is not said by %q and %q", fact, en, zh)
		}
	}
}

func TestTheSubjectOfAClueIsTheProject(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office, sites []string) {
		long := strings.Repeat("饮水工程", 50) // the longest name
		project := o.make(o.cai, "projects", obj{"externalId": "P-9", "name": long, "type": "infrastructure", "county": "520502"})
		far := o.make(o.cai, "sites", obj{"name": "水厂", "projectId": project, "region": "520502", "position": obj{"lat": 27.3, "lon": 105.3}})
		never := o.id()
		lone := o.make(o.cai, "sites", obj{"name": "水厂", "projectId": never, "region": "520502", "position": obj{"lat": 27.3, "lon": 105.3}})
		for _, site := range []string{far, lone} {
			o.click(o.cai, "sites", site, "activate", nil, "active")
			for _, u := range []*user{o.ann, o.ben} {
				o.ok(o.cai, "POST", "/v1/grants", obj{"userId": u.User.ID, "scope": "site/" + site}, nil)
			}
		}
		cases := []struct {
			name, site, project, called string
			classify                    func(finding string, args obj)
		}{
			{"at the desk", sites[0], o.project, "饮水工程", func(f string, args obj) { o.click(o.cai, "findings", f, "classify", args, "classified") }},
			{"from a phone", sites[1], o.project, "饮水工程", func(f string, args obj) { o.sends(o.cai, "site/"+sites[1], o.command("finding", f, "classify", args)) }},
			{"of a project that never arrived", lone, never, never, func(f string, args obj) { o.click(o.cai, "findings", f, "classify", args, "classified") }},
			{"a long name", far, project, long, func(f string, args obj) { o.click(o.cai, "findings", f, "classify", args, "classified") }},
		}
		for i, tc := range cases {
			v := o.visits(tc.site, time.Hour, strings.Repeat(string(rune('a'+i)), 64))
			tc.classify(v.finding, obj{"class": "clue", "violation": "poor_quality"})
			clue := o.text(o.cai, v.finding, "clueId")
			var said struct {
				FindingID string
				Subjects  []struct{ Kind, Ref, Name string }
			}
			o.fields(o.dai, clue, &said)
			if len(said.Subjects) != 1 || said.FindingID != v.finding {
				t.Fatalf("%s: the clue says %+v", tc.name, said)
			}
			if s := said.Subjects[0]; s.Kind != "project" || s.Ref != tc.project || s.Name != tc.called {
				t.Errorf("%s: it is about %+v", tc.name, s)
			}
			// What it says can be said again: who adds a subject keeps the first.
			subjects := append([]obj{{"kind": "project", "ref": tc.project, "name": tc.called}}, obj{"kind": "unit", "name": "水务局"})
			o.ok(o.dai, "PATCH", "/v1/clues/"+clue, o.body(clue, obj{"fields": obj{"subjects": subjects}}), nil)
		}
	})
}

func TestADuplicateLinkNamesTheOneThatThereIs(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office, sites []string) {
		v := o.visits(sites[0], time.Hour, strings.Repeat("a", 64))
		clue, other := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"}), o.make(o.dai, "clues", obj{"title": "审计移交", "channel": "audit"})
		for kind, target := range map[string]string{"photo": v.photo, "finding": v.finding, "interview": v.interview, "report": v.report} {
			args := obj{"targetKind": kind, "targetId": target, "relation": "supports"}
			var first, elsewhere protocol.PulledRecord
			o.ok(o.dai, "POST", "/v1/clues/"+other+"/links", args, &elsewhere)
			o.ok(o.dai, "POST", "/v1/clues/"+clue+"/links", args, &first)
			args["relation"] = "contradicts"
			p := o.problem(o.dai, 409, field.CodeDuplicateLink, "POST", "/v1/clues/"+clue+"/links", args)
			if p.RecordID != string(first.ID) {
				t.Errorf("of the %s the link %s is named, not %s", kind, p.RecordID, first.ID)
			}
			o.both(p.Detail, p.DetailZH, string(first.ID))
			out := o.pushed(o.dai, "clue/"+clue, o.op("link", o.id(), obj{"clueId": clue, "targetKind": kind, "targetId": target, "relation": "supports"}))
			if out.Outcome != protocol.Rejected || out.Code != field.CodeDuplicateLink {
				t.Errorf("from a phone: %+v", out)
			}
			o.both(out.Message, out.MessageZH, string(first.ID))
			o.both(o.text(o.dai, string(out.RecordID), "message"), o.text(o.dai, string(out.RecordID), "messageZh"), string(first.ID))
			o.click(o.dai, "links", string(first.ID), "withdraw", obj{"reason": "有误"}, "withdrawn")
			o.ok(o.dai, "POST", "/v1/clues/"+clue+"/links", args, nil)
		}
	})
}

// everything is one record of every kind that stands in the path of a route.
func (o *office) everything(sites []string) map[string]string {
	o.t.Helper()
	site := sites[0]
	v := o.visits(site, time.Hour, strings.Repeat("a", 64))
	other := o.visits(site, 4*time.Hour, strings.Repeat("b", 64)) // discredited, and a clue
	all := map[string]string{
		"reports": v.report, "findings": v.finding, "interviews": v.interview, "photos": v.photo, "sites": site, "projects": o.project, "templates": o.template,
		"flags": o.id(), "revisits": o.id(), "records": v.report,
	}
	all["campaigns"] = o.make(o.cai, "campaigns", obj{
		"title": "回头看", "from": "2026-12-01", "to": "2026-12-31", "templateId": o.template, "strata": []obj{{"stratum": "problems", "size": 1}},
	})
	op := func(kind field.Kind, id string, set obj) protocol.Operation {
		values := map[string]field.Value{}
		for k, v := range set {
			values[k] = field.Quote(v)
		}
		return protocol.Operation{ID: field.RecordID(id), Kind: kind, Set: values}
	}
	o.by("site/"+site,
		op(field.KindFlag, all["flags"], obj{"code": "photo_far", "severity": "high", "reportId": v.report, "zh": "远", "en": "far"}),
		op(field.KindRevisit, all["revisits"], obj{"campaignId": all["campaigns"], "siteId": site, "stratum": "problems"}))
	all["households"] = o.make(o.cai, "households", obj{"siteId": site, "alias": "乙户"})
	all["payments"] = o.make(o.cai, "payments", obj{"projectId": o.project, "date": "2026-01-01", "amount": 7})
	o.click(o.cai, "findings", other.finding, "classify", obj{"class": "clue", "violation": "poor_quality"}, "classified")
	all["clues"] = o.text(o.cai, other.finding, "clueId")
	all["links"] = o.list(o.dai, "/v1/clues/"+all["clues"]+"/links")[0]
	o.click(o.cai, "photos", other.photo, "discredit", obj{"reason": "翻拍"}, "stored")
	all["reviews"] = o.list(o.cai, "/v1/reviews?state=open&kind=finding&photoId="+other.photo)[0]
	o.click(o.cai, "reports", other.report, "return", obj{"items": []obj{{"item": "roof", "comment": "?"}}, "deadline": o.ago(-time.Hour)}, "returned")
	edit := obj{"id": other.report, "kind": "report", "base": o.body(other.report, nil)["version"], "set": obj{"summary": "东侧漏水"}}
	o.sends(o.ann, "site/"+site, edit)
	edit["set"] = obj{"summary": "西侧漏水"}
	all["conflicts"] = string(o.pushed(o.ben, "site/"+site, edit).Conflicts[0])
	all["parked"] = string(o.pushed(o.ann, "site/"+site, o.op("finding", o.id(), obj{"siteId": site, "title": "漏雨", "weather": "雨"})).RecordID)
	all["notices"] = o.list(o.ann, "/v1/inbox")[0]
	var grant, recusal protocol.PulledRecord
	o.ok(o.cai, "POST", "/v1/grants", obj{"userId": o.gus.User.ID, "scope": "site/" + sites[1]}, &grant)
	o.ok(o.eva, "POST", "/v1/recusals", obj{"userId": o.gus.User.ID, "scope": "site/" + sites[2], "why": "亲属"}, &recusal)
	all["grants"], all["recusals"] = string(grant.ID), string(recusal.ID)
	return all
}

// shown reports whether somebody is shown a record, by itself or, of access to a site, in the list of that.
func (o *office) shown(u *user, kind, id string) bool {
	o.t.Helper()
	if kind == "grants" || kind == "recusals" {
		a := u.do("GET", "/v1/"+kind+"?scope="+o.world.record(id).Text("scope"), nil)
		if a.status == 200 && bytes.Contains(a.body, []byte(id)) {
			return true
		}
	}
	return u.do("GET", "/v1/records/"+id, nil).status == 200
}

var requestIDs = regexp.MustCompile(`"requestId":"[^"]*"`)

// Who reads a record and may not do something with it is told that, and not that there is nothing; who does not read it
// is told the same as of what is not there. So it is with every route and everybody. No store has a hand in it, so one
// is enough.
func TestWhoMayKnowIsToldWhatHeMayNotDo(t *testing.T) {
	o := newOffice(t)
	known := o.everything(o.ledger())
	auditor := o.admin.hire("aud", access.Auditor)
	o.clock.move(time.Minute) // what was granted counts
	before, forbidden, absent := o.heads(), 0, 0
	for _, u := range []*user{o.ann, o.ben, o.gus, o.cai, o.dai, o.han, o.eva, o.admin, auditor} {
		shown := map[string]bool{}
		for kind, id := range known {
			shown[id] = o.shown(u, kind, id)
		}
		for _, r := range o.api.Routes() {
			parts := strings.Split(r.Path, "/")
			id, ok := known[parts[2%len(parts)]]
			if !ok || r.Method != "POST" && r.Method != "PATCH" || !strings.Contains(r.Path, "{id}") || r.OperationID == "exportClue" {
				continue
			}
			body := obj{"version": 1 << 40} // nobody has seen that
			switch last := parts[len(parts)-1]; {
			case r.Method == "PATCH":
				body["fields"] = obj{"colour": "red"} // which nothing has
			case last == "links":
				body = obj{"targetKind": "photo", "targetId": o.id(), "relation": "supports"}
			}
			a := u.do(r.Method, strings.Replace(r.Path, "{id}", id, 1), body)
			switch {
			case a.status < 300:
				t.Errorf("%s %s as %s: %d", r.Method, r.Path, u.User.Name, a.status)
			case a.status == 403:
				forbidden++
			case a.status == 404:
				absent++
			}
			if shown[id] {
				if a.code() == field.CodeNotFound {
					t.Errorf("%s reads the record, and %s %s says that there is none", u.User.Name, r.Method, r.Path)
				}
				continue
			}
			none := o.id()
			b := u.do(r.Method, strings.Replace(r.Path, "{id}", none, 1), body)
			there, not := requestIDs.ReplaceAll(a.body, nil), requestIDs.ReplaceAll(bytes.ReplaceAll(b.body, []byte(none), []byte(id)), nil)
			if !bytes.Equal(there, not) {
				t.Errorf("%s %s as %s tells what there is from what there is not:\n%s\n%s", r.Method, r.Path, u.User.Name, there, not)
			}
		}
	}
	if after := o.heads(); !maps.Equal(before, after) {
		t.Errorf("something was written: %v, before %v", after, before)
	}
	if forbidden < 300 || absent < 20 {
		t.Errorf("%d were told that they may not, and %d that there is nothing", forbidden, absent)
	}
}

// Undecided flags of severity high are named in the approval, each; what is named must be a flag of the report, and one
// that blocks is not named away.
func TestAnApprovalNamesTheFlagsThatAreUndecided(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office, sites []string) {
		v, other := o.visits(sites[0], time.Hour, strings.Repeat("a", 64)), o.visits(sites[1], time.Hour, strings.Repeat("b", 64))
		flag := func(site string, v visit, code, severity string) string {
			id := o.id()
			o.by("site/"+site, protocol.Operation{ID: field.RecordID(id), Kind: field.KindFlag, Set: map[string]field.Value{
				"code": field.Quote(code), "severity": field.Quote(severity), "reportId": field.Quote(v.report), "zh": field.Quote("标记"), "en": field.Quote("flag"),
			}})
			return id
		}
		far, late, light := flag(sites[0], v, "photo_far", "high"), flag(sites[0], v, "photo_time", "high"), flag(sites[0], v, "photo_picked", "review")
		elsewhere := flag(sites[1], other, "photo_far", "high")
		for _, w := range []visit{v, other} {
			o.by(string(o.record(o.cai, w.report).Scope), protocol.Operation{
				ID: field.RecordID(w.photo), Kind: field.KindPhoto, Command: "analyse", Args: map[string]field.Value{"facts": field.Quote(obj{"type": "image/jpeg"})},
			})
		}
		o.click(o.cai, "reports", v.report, "take", nil, "under_review")
		path := "/v1/reports/" + v.report
		var view workflow.ReportView
		o.ok(o.cai, "GET", path, nil, &view)
		if high := view.Approval.High; len(high) != 2 || !slices.Contains(high, field.RecordID(far)) || !slices.Contains(high, field.RecordID(late)) || len(view.Approval.Blocking) != 0 {
			t.Errorf("before the approval stand %+v", view.Approval)
		}
		naming := func(flags any) obj { return o.body(v.report, obj{"flags": flags}) }
		for _, tc := range []struct {
			name    string
			body    obj
			lacking []string
		}{
			{"no argument", o.body(v.report, nil), []string{"photo_far " + far, "photo_time " + late}},
			{"none", naming([]string{}), []string{"photo_far " + far, "photo_time " + late}},
			{"one of two", naming([]string{far, far}), []string{"photo_time " + late}},
			{"another", naming([]string{light}), []string{"photo_far " + far, "photo_time " + late}},
		} {
			p := o.problem(o.cai, 409, field.CodeFlagsUnnamed, "POST", path+"/approve", tc.body)
			o.both(p.Detail, p.DetailZH, tc.lacking...)
			if len(tc.lacking) == 1 && strings.Contains(p.Detail, far) {
				t.Errorf("%s: %s", tc.name, p.Detail)
			}
		}
		absent := o.id()
		for _, wrong := range []string{absent, v.photo, elsewhere} {
			p := o.problem(o.cai, 400, wrongFlag(wrong, absent, v.photo), "POST", path+"/approve", naming([]string{far, late, wrong}))
			if wrong == absent {
				o.both(p.Detail, p.DetailZH, absent)
			}
		}
		o.no(o.cai, 400, field.CodeBadRequest, "POST", path+"/approve", naming("all"))
		o.no(o.cai, 400, field.CodeBadID, "POST", path+"/approve", naming([]string{"all"}))
		o.no(o.cai, 400, field.CodeTooLong, "POST", path+"/approve", naming(slices.Repeat([]string{far}, 1001)))
		o.no(o.ann, 403, field.CodeNotPermitted, "POST", path+"/approve", naming([]string{far, late}))

		same := flag(sites[0], v, "photo_same", "blocking")
		p := o.problem(o.cai, 409, field.CodeFlagsOpen, "POST", path+"/approve", naming([]string{far, late, same}))
		o.both(p.Detail, p.DetailZH, "photo_same "+same)
		o.click(o.cai, "flags", same, "decide", obj{"decision": "explained", "reason": "同一点位"}, "decided")

		if out := o.pushed(o.cai, "site/"+sites[0], o.command("report", v.report, "approve", obj{"flags": []string{late}})); out.Code != field.CodeFlagsUnnamed {
			t.Errorf("from a phone: %+v", out)
		}
		o.click(o.cai, "reports", v.report, "approve", obj{"flags": []string{late, far}}, "approved")
		o.named(v.report, far, late)

		// The phone's approval names them too, and one that was decided needs no name.
		o.sends(o.cai, "site/"+sites[1], o.command("report", other.report, "take", nil))
		o.sends(o.cai, "site/"+sites[1], o.command("report", other.report, "approve", obj{"flags": []string{elsewhere}}))
		o.named(other.report, elsewhere)
		o.click(o.cai, "reports", v.report, "reopen", obj{"reason": "有疑问"}, "under_review")
		o.click(o.cai, "flags", far, "decide", obj{"decision": "explained", "reason": "山路"}, "decided")
		o.click(o.cai, "reports", v.report, "approve", obj{"flags": []string{late}}, "approved")
		o.named(v.report, late)
	})
}

// wrongFlag is the code for naming what is no flag of the report: one that the actor reads is told apart by its kind or
// its site.
func wrongFlag(named, absent, photo string) field.Code {
	switch named {
	case absent:
		return field.CodeBadChoice
	case photo:
		return field.CodeWrongKind
	}
	return field.CodeWrongScope
}

// named fails unless the approval of a report names these flags.
func (o *office) named(report string, flags ...string) {
	o.t.Helper()
	var said struct{ NamedFlags []string }
	o.fields(o.cai, report, &said)
	slices.Sort(flags)
	if slices.Sort(said.NamedFlags); !slices.Equal(said.NamedFlags, flags) {
		o.t.Errorf("the approval names %v, want %v", said.NamedFlags, flags)
	}
}

// What the authors take back while it is reviewed reaches who reviews it: the report itself, with the reason and
// something to decide; a part of it, which stays.
func TestWhatIsTakenBackUnderReviewReachesTheReviewer(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office, sites []string) {
		told := func(u *user, about string) (all []string) {
			t.Helper()
			var page workflow.Records
			o.ok(u, "GET", "/v1/inbox", nil, &page)
			for _, r := range page.Items {
				var n struct{ Type, RecordID, ZH, EN string }
				answer{t: t, body: r.Fields}.into(&n)
				if r.Kind == field.KindNotice && n.RecordID == about && !slices.Contains([]string{"assigned"}, n.Type) {
					all = append(all, n.Type+" "+n.ZH+" "+n.EN)
				}
			}
			return all
		}
		fresh := func(before, after []string) []string {
			return slices.DeleteFunc(slices.Clone(after), func(s string) bool { return slices.Contains(before, s) })
		}
		void := obj{"reason": "走错了村"}
		for i, tc := range []struct {
			name string
			take bool
			void func(v visit, site string)
			by   *user
		}{
			{"from a phone", true, func(v visit, site string) { o.sends(o.ann, "site/"+site, o.command("report", v.report, "void", void)) }, o.ann},
			{"at the desk", true, func(v visit, _ string) { o.click(o.ann, "reports", v.report, "void", void, "voided") }, o.ann},
			{"before anybody took it", false, func(v visit, site string) { o.sends(o.ann, "site/"+site, o.command("report", v.report, "void", void)) }, o.ann},
		} {
			v := o.visits(sites[i], time.Hour, strings.Repeat(string(rune('a'+i)), 64))
			if tc.take {
				o.click(o.cai, "reports", v.report, "take", nil, "under_review")
			}

			// A part is not taken back any more: it is kept, and the reviewer hears of it.
			before := told(o.cai, v.report)
			for kind, part := range map[string]string{"photo": v.photo, "interview": v.interview, "finding": v.finding} {
				out := o.pushed(o.ann, "site/"+sites[i], o.command(kind, part, "void", void))
				if out.Outcome != protocol.Rejected || out.Code != field.CodePartFrozen {
					t.Errorf("%s: the %s is voided: %+v", tc.name, kind, out)
				}
				if o.world.record(part).Deleted || !slices.Contains(o.list(o.cai, "/v1/parked?state=open&author="+string(o.ann.User.ID)), string(out.RecordID)) {
					t.Errorf("%s: the %s is gone, or what was sent is", tc.name, kind)
				}
				if kind != "finding" { // of which the desk has no void: there it is dismissed
					o.no(o.ann, 409, field.CodePartFrozen, "POST", "/v1/"+kind+"s/"+part+"/void", o.body(part, void))
				}
			}
			if n := fresh(before, told(o.cai, v.report)); tc.take && len(n) == 0 {
				t.Errorf("%s: nobody told the reviewer that something was kept", tc.name)
			}

			before = told(o.cai, v.report)
			tc.void(v, sites[i])
			if r := o.record(o.cai, v.report); !r.Deleted || r.State != field.StateVoided {
				t.Fatalf("%s: the report is %s", tc.name, r.State)
			}
			if n := fresh(before, told(o.cai, v.report)); len(n) != 1 || strings.Count(n[0], "走错了村") != 2 {
				t.Errorf("%s: the reviewer is told %q", tc.name, n)
			}
			asked := o.list(o.cai, "/v1/reviews?state=open&recordId="+v.report)
			if len(asked) != 1 || o.text(o.cai, asked[0], "reason") != "走错了村" || o.text(o.cai, asked[0], "cause") != "report_voided" {
				t.Fatalf("%s: to decide are %v", tc.name, asked)
			}
			o.no(o.ann, 403, field.CodeNotPermitted, "POST", "/v1/reviews/"+asked[0]+"/decide", o.body(asked[0], obj{"decision": "stands", "reason": "r"}))
			o.click(o.cai, "reviews", asked[0], "decide", obj{"decision": "stands", "reason": "已核实"}, "decided")
		}
	})
}

// Of both values of a conflict it is said in even words who wrote it, on which device and when. Older apps find the two
// uneven names that they know.
func TestAConflictNamesBothSidesEvenly(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office, sites []string) {
		report, scope := o.id(), "site/"+sites[0]
		o.sends(o.ann, scope, o.op("report", report, obj{
			"siteId": sites[0], "templateId": o.template, "inspectors": []string{string(o.ann.User.ID), string(o.ben.User.ID)},
			"startedAt": o.ago(time.Hour), "endedAt": o.ago(0),
		}))
		base := o.body(report, nil)["version"]
		edit := func(text string) obj {
			return obj{"id": report, "kind": "report", "base": base, "set": obj{"summary": text}}
		}
		o.sends(o.ann, scope, edit("东侧漏水"))
		stands := o.body(report, nil)["version"]
		at := o.ago(time.Minute)
		o.ben.batch++
		var res protocol.PushResponse
		o.ben.do("POST", "/v1/sync/push", obj{
			"device": o.ben.Device.ID, "batch": o.ben.batch, "scope": scope, "deviceTime": at, "operations": []obj{edit("西侧漏水")},
		}).want(200).into(&res)
		if res.Outcomes[0].Outcome != protocol.Conflict || len(res.Outcomes[0].Conflicts) != 1 {
			t.Fatalf("%+v", res)
		}
		conflict := string(res.Outcomes[0].Conflicts[0])
		want := map[string]any{
			"recordId": report, "recordKind": "report", "path": "summary", "base": base,
			"current": "东侧漏水", "currentUser": o.ann.User.ID, "currentDevice": o.ann.Device.ID, "currentVersion": stands,
			"offered": "西侧漏水", "offeredUser": o.ben.User.ID, "offeredDevice": o.ben.Device.ID, "offeredAt": at,
			"currentBy": o.ann.Device.ID, "offeredBy": o.ben.User.ID,
		}
		for _, u := range []*user{o.ann, o.ben, o.cai} { // at the desk, and by what a phone pulls
			var page workflow.Records
			o.ok(u, "GET", "/v1/conflicts?state=open&recordId="+report, nil, &page)
			pulled := slices.DeleteFunc(slices.Clone(u.pull(nil).Records), func(r protocol.PulledRecord) bool { return string(r.ID) != conflict })
			for door, found := range map[string][]protocol.PulledRecord{"desk": page.Items, "pull": pulled} {
				if len(found) != 1 || string(found[0].ID) != conflict {
					t.Fatalf("%s as %s: %+v", door, u.User.Name, found)
				}
				var fields map[string]json.RawMessage
				answer{t: t, body: found[0].Fields}.into(&fields)
				for name, value := range want {
					if got := string(fields[name]); got != string(field.Quote(value)) {
						t.Errorf("%s as %s: %s is %s, want %s", door, u.User.Name, name, got, field.Quote(value))
					}
				}
				var when time.Time
				if err := json.Unmarshal(fields["currentAt"], &when); err != nil || !when.Equal(o.world.record(conflict).Time("currentAt")) || when.IsZero() {
					t.Errorf("%s as %s: currentAt is %s", door, u.User.Name, fields["currentAt"])
				}
			}
		}
		o.no(o.gus, 404, field.CodeNotFound, "POST", "/v1/conflicts/"+conflict+"/resolve", o.body(conflict, obj{"take": "offered"}))
		o.click(o.ben, "conflicts", conflict, "resolve", obj{"take": "offered"}, "resolved")
		if got := o.text(o.cai, report, "summary"); got != "西侧漏水" || o.text(o.cai, conflict, "resolvedBy") != string(o.ben.User.ID) {
			t.Errorf("the summary is %q", got)
		}
	})
}
