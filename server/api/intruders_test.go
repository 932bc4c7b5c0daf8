package api_test

import (
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// joint is an office with a partner organisation, and a site at which both take part.
type joint struct {
	*office
	site, scope                string
	wang, lin, zhao, wu, frank *user // the partner's administrator, inspector, supervisor, clue manager, auditor
}

func newJoint(t *testing.T) *joint {
	t.Helper()
	return jointOf(newOffice(t))
}

func jointOf(o *office) *joint {
	o.t.Helper()
	j := &joint{office: o}
	j.office.project = j.make(j.cai, "projects", obj{"externalId": "P-9", "name": "茶厂", "type": "industry", "county": "520502"})
	j.site = j.make(j.cai, "sites", obj{
		"name": "村口", "projectId": j.office.project, "region": "520502", "orgs": []string{"gz-liwan", "bijie"}, "position": obj{"lat": 27.3, "lon": 105.3},
	})
	j.scope = "site/" + j.site
	j.click(j.cai, "sites", j.site, "activate", nil, "active")
	j.ok(j.admin, "POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节", "region": "520500", "partners": []string{"gz-liwan"}}, nil)
	of := func(login string, role access.Role) *user { return j.admin.hireIn("bijie", login, role) }
	j.wang, j.lin, j.zhao = of("wang", access.Administrator), of("lin", access.Inspector), of("zhao", access.Supervisor)
	j.wu, j.frank = of("wu", access.ClueManager), of("frank", access.Auditor)
	j.ok(j.cai, "POST", "/v1/grants", obj{"userId": j.ann.User.ID, "scope": j.scope, "why": "检查"}, nil)
	return j
}

// mandate lets the partner act at the site, and returns its id.
func (j *joint) mandate(powers ...field.Power) string {
	j.t.Helper()
	id := j.make(j.cai, "mandates", obj{
		"principal": "gz-liwan", "agent": "bijie", "subjects": []obj{{"kind": "site", "ref": j.site}}, "powers": powers,
		"validFrom": "2026-01-01", "validTo": "2099-12-31", "document": "委托函〔2026〕3号",
	})
	j.no(j.cai, 403, field.CodeNotPermitted, "POST", "/v1/mandates/"+id+"/approve", j.body(id, nil))
	j.click(j.eva, "mandates", id, "approve", nil, "valid")
	return id
}

// refusedAll pushes operations that must all be refused for who sends them, and checks that no record has moved.
func (j *joint) refusedAll(u *user, scope string, ops ...obj) {
	j.t.Helper()
	before := j.moved()
	var res protocol.PushResponse
	u.push(scope, ops...).want(200).into(&res)
	for i, o := range res.Outcomes {
		switch o.Code {
		case field.CodeNotPermitted, field.CodeNotFound, field.CodeUnknownRecord, field.CodeNotYours, field.CodeBadID, field.CodeSecondPerson:
		default:
			j.t.Errorf("%s in %s, operation %d %v: %+v", u.User.Name, scope, i, ops[i], o)
		}
		if kept := j.office.world.record(string(o.RecordID)); kept.Scope != field.MakeScope(field.ScopeUser, string(u.User.ID)) {
			j.t.Errorf("what was refused lies in %s", kept.Scope)
		}
	}
	if after := j.moved(); after != before {
		j.t.Errorf("%s in %s moved something:\n%s\nbefore:\n%s", u.User.Name, scope, after, before)
	}
}

// moved prints every record that is not kept for review.
func (j *joint) moved() string {
	var lines []string
	for _, line := range strings.Split(j.state(), "\n")[1:] {
		if !strings.Contains(line, string(field.KindParked)) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func (j *joint) cmd(kind, id, name string, args obj) obj {
	return obj{"id": id, "kind": kind, "base": j.version(id), "command": name, "args": args}
}

func (j *joint) set(kind, id string, fields obj) obj {
	return obj{"id": id, "kind": kind, "base": j.version(id), "set": fields}
}

// Who administers a partner organisation takes nothing over by the door of the phones, and nobody makes himself more
// than he is.
func TestAPushTakesNoOrganisationOver(t *testing.T) {
	j := newJoint(t)
	org := string(field.OrgRecord("gz-liwan"))
	roles := []obj{{"role": "administrator"}, {"role": "auditor"}}
	attack := []obj{
		j.set("person", string(j.eva.User.ID), obj{"roles": roles}),
		j.cmd("person", string(j.eva.User.ID), "leave", obj{"reason": "调离"}),
		j.op("person", j.id(), obj{"name": "新人", "roles": roles}),
		j.set("org", org, obj{"partners": []string{"bijie", "qiannan"}}),
		j.set("org", org, obj{"spaceLimit": 1 << 40}),
		j.op("org", j.id(), obj{"code": "gz-liwan", "name": "另一个", "region": "440103"}),
		j.op("mandate", j.id(), obj{"principal": "gz-liwan", "agent": "bijie", "subjects": []obj{{"kind": "site", "ref": j.site}}, "validFrom": "2026-01-01", "validTo": "2099-01-01", "document": "x"}),
		j.set("project", j.office.project, obj{"budget": 1}),
		j.cmd("site", j.site, "close", obj{"reason": "不要了"}),
	}
	for _, u := range []*user{j.wang, j.zhao, j.lin, j.wu} {
		j.refusedAll(u, "org/gz-liwan", attack...)
		j.refusedAll(u, "user/"+string(j.eva.User.ID), j.op("grant", j.id(), obj{"scope": j.scope}), j.op("recusal", j.id(), obj{"scope": j.scope, "why": "w"}))
	}
	// At home, too: only administrators, and nobody his own roles or a second organisation.
	j.refusedAll(j.zhao, "org/bijie", j.set("person", string(j.zhao.User.ID), obj{"roles": roles}), j.op("person", j.id(), obj{"name": "新人"}))
	j.refusedAll(j.wang, "org/bijie", j.set("person", string(j.wang.User.ID), obj{"roles": roles}), j.set("org", string(field.OrgRecord("bijie")), obj{"spaceLimit": 1 << 40}),
		j.op("org", j.id(), obj{"code": "bijie", "name": "另一个", "region": "520500"}), j.op("org", j.id(), obj{"code": "qiannan", "name": "新", "region": "520500"}))
	j.refusedAll(j.wang, "org/qiannan", j.op("org", string(field.OrgRecord("qiannan")), obj{"code": "qiannan", "name": "新", "region": "520500"}))
}

// What somebody may not do is not done by having it kept and accepted.
func TestAcceptanceIsNoWayAroundTheTable(t *testing.T) {
	j := newJoint(t)
	clue := j.make(j.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	j.click(j.dai, "clues", clue, "register", nil, "registered")
	j.click(j.dai, "clues", clue, "assign", obj{"handler": j.han.User.ID}, "assigned")
	j.click(j.han, "clues", clue, "propose", obj{"disposition": "closed", "reason": "失实"}, "disposition_proposed")
	var res protocol.PushResponse
	j.ann.push("clue/"+clue, j.cmd("clue", clue, "approve", obj{})).want(200).into(&res)
	kept := string(res.Outcomes[0].RecordID)
	j.no(j.cai, 404, field.CodeNotFound, "POST", "/v1/parked/"+kept+"/accept", j.body(kept, nil)) // who may not read the clue
	j.no(j.dai, 403, field.CodeNotPermitted, "POST", "/v1/parked/"+kept+"/accept", j.body(kept, nil))
	if s := j.office.world.record(clue).State; s != "disposition_proposed" {
		t.Errorf("approved without a leader: %s", s)
	}
	j.ann.push("org/gz-liwan", j.set("person", string(j.ann.User.ID), obj{"roles": []obj{{"role": "administrator"}}})).want(200).into(&res)
	kept = string(res.Outcomes[0].RecordID)
	j.no(j.cai, 403, field.CodeNotPermitted, "POST", "/v1/parked/"+kept+"/accept", j.body(kept, nil))
	if len(j.ann.pull(nil).Records) == 0 {
		t.Error("the inspector is gone")
	}
}

// A partner sees and does nothing without a mandate, with one what it says, and nothing when it has ended; its id
// stands in the log.
func TestAPartnerActsUnderAMandateAlone(t *testing.T) {
	j := newJoint(t)
	j.ann.push(j.scope, j.op("interview", j.id(), obj{"siteId": j.site, "alias": "甲户", "text": "补助到账了。"})).want(200)
	interview := j.list(j.cai, "/v1/interviews")[0]
	void := func(u *user, status int, code field.Code) {
		t.Helper()
		j.no(u, status, code, "POST", "/v1/interviews/"+interview+"/void", j.body(interview, obj{"reason": "不要了"}))
	}
	sees := func(want bool) {
		t.Helper()
		scopes := string(field.Quote(j.zhao.pull(nil).Scopes))
		if got := strings.Contains(scopes, j.scope); got != want || strings.Contains(scopes, "org/gz-liwan") != want {
			t.Errorf("the partner's supervisor holds %s", scopes)
		}
		status := map[bool]int{true: 200, false: 404}[want]
		j.zhao.do("GET", "/v1/interviews/"+interview, nil).want(status)
	}
	sees(false)
	void(j.zhao, 404, field.CodeNotFound)

	id := j.mandate(field.PowerInspect)
	sees(true)
	void(j.zhao, 403, field.CodeNotYours)
	j.refusedAll(j.zhao, "org/gz-liwan", j.set("project", j.office.project, obj{"budget": 1}), j.cmd("site", j.site, "close", obj{"reason": "x"}))
	j.ok(j.zhao, "POST", "/v1/grants", obj{"userId": j.lin.User.ID, "scope": j.scope, "why": "委托检查"}, nil)
	finding := j.id()
	var res protocol.PushResponse
	j.lin.push(j.scope, j.op("finding", finding, obj{"siteId": j.site, "title": "漏雨", "violation": "poor_quality"})).want(200).into(&res)
	entry, err := j.store.Entry(t.Context(), field.Scope(j.scope), res.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := protocol.Open(entry); err != nil || string(body.Mandate) != id || body.Org != "bijie" {
		t.Errorf("the entry is under mandate %q: %v", body.Mandate, err)
	}
	// The partner's clue manager makes no clue of what is the other's; with the power it is the other's clue.
	j.no(j.wu, 403, field.CodeNotPermitted, "POST", "/v1/findings/"+finding+"/classify", j.body(finding, obj{"class": "clue"}))
	j.mandate(field.PowerClassify)
	j.click(j.wu, "findings", finding, "classify", obj{"class": "clue"}, "classified")
	clue := j.text(j.cai, finding, "clueId")
	j.ok(j.dai, "GET", "/v1/clues/"+clue, nil, nil)
	j.no(j.wu, 404, field.CodeNotFound, "GET", "/v1/clues/"+clue, nil)

	for _, m := range j.list(j.cai, "/v1/mandates?state=valid") {
		j.click(j.eva, "mandates", m, "revoke", obj{"reason": "委托结束"}, "revoked")
	}
	sees(false)
	j.lin.push(j.scope, j.op("finding", j.id(), obj{"siteId": j.site, "title": "墙裂"})).want(200).into(&res)
	kept := string(res.Outcomes[0].RecordID)
	if res.Outcomes[0].Code != field.CodeNotFound || j.office.world.record(kept).Scope != field.MakeScope(field.ScopeUser, string(j.lin.User.ID)) {
		t.Errorf("after the mandate: %+v", res.Outcomes[0])
	}
	// The principal's supervisor sees what was kept for its own site, and cannot let it in: the author acts under no
	// mandate.
	j.listed(j.cai, "/v1/parked?author="+string(j.lin.User.ID), kept)
	j.no(j.zhao, 404, field.CodeNotFound, "GET", "/v1/records/"+kept, nil)
}

// A mandate counts on the days that it names, Beijing time.
func TestAMandateCountsOnItsDays(t *testing.T) {
	j := newJoint(t)
	id := j.mandate(field.PowerInspect)
	m := j.office.world.record(id)
	for at, want := range map[string]bool{
		"2025-12-31T15:59:59Z": false, "2025-12-31T16:00:00Z": true, "2099-12-31T15:59:59Z": true, "2099-12-31T16:00:00Z": false,
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := field.MandateOf(m, moment); ok != want {
			t.Errorf("at %s it counts: %v", at, ok)
		}
	}
}

// A colleague with the same role and a grant for the same site leaves other people's records alone.
func TestAColleagueLeavesOthersWorkAlone(t *testing.T) {
	j := newJoint(t)
	j.ok(j.cai, "POST", "/v1/grants", obj{"userId": j.gus.User.ID, "scope": j.scope, "why": "检查"}, nil)
	if j.template = j.make(j.cai, "templates", obj{"title": "清单", "version": 1, "items": []obj{{"id": "roof", "zh": "屋顶", "type": "text"}}}); true {
		j.click(j.cai, "templates", j.template, "publish", nil, "published")
	}
	report, interview, finding, photo := j.id(), j.id(), j.id(), j.id()
	var res protocol.PushResponse
	j.ann.push(j.scope,
		j.op("report", report, obj{"siteId": j.site, "templateId": j.template, "inspectors": []any{j.ann.User.ID, j.ben.User.ID}}),
		j.op("interview", interview, obj{"siteId": j.site, "reportId": report, "alias": "甲户", "text": "到账了。"}),
		j.op("finding", finding, obj{"siteId": j.site, "reportId": report, "title": "漏雨"}),
		j.op("photo", photo, obj{"siteId": j.site, "reportId": report, "sha256": strings.Repeat("a", 64), "size": 9, "type": "image/jpeg"}),
	).want(200).into(&res)
	for i, o := range res.Outcomes {
		if o.Outcome != protocol.Applied {
			t.Fatalf("operation %d: %+v", i, o)
		}
	}
	reason := obj{"reason": "不要了"}
	j.refusedAll(j.gus, j.scope,
		j.set("report", report, obj{"summary": "改"}), j.set("report", report, obj{"inspectors": []any{j.gus.User.ID}}), j.cmd("report", report, "submit", obj{}), j.cmd("report", report, "void", reason),
		j.set("interview", interview, obj{"text": "改"}), j.cmd("interview", interview, "submit", obj{}), j.cmd("interview", interview, "void", reason),
		j.set("finding", finding, obj{"facts": "改"}), j.cmd("finding", finding, "void", reason),
		j.set("photo", photo, obj{"caption": "改"}), j.cmd("photo", photo, "void", reason),
		j.op("photo", j.id(), obj{"siteId": j.site, "reportId": report, "sha256": strings.Repeat("b", 64), "size": 9, "type": "image/jpeg"}),
		j.op("interview", j.id(), obj{"siteId": j.site, "reportId": report, "alias": "乙户"}),
	)
}

// Photos and findings can name any report and any photo: one that lies elsewhere is not moved, not held up and not
// judged by them, and what is decided about it is not told where they lie.
func TestAPartOfWhatLiesElsewhereMeansNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		j := jointOf(officeOf(w))
		hash, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
		template := j.make(j.cai, "templates", obj{"title": "清单", "version": 1, "items": []obj{{"id": "roof", "zh": "屋顶", "type": "text", "maxPhotos": 1}}})
		j.click(j.cai, "templates", template, "publish", nil, "published")
		project := j.make(j.zhao, "projects", obj{"externalId": "P-8", "name": "果园", "type": "industry", "county": "520502"})
		site := j.make(j.zhao, "sites", obj{"name": "村尾", "projectId": project, "region": "520502", "orgs": []string{"bijie"}, "position": obj{"lat": 27.4, "lon": 105.4}})
		j.click(j.zhao, "sites", site, "activate", nil, "active")
		away := "site/" + site
		j.ok(j.zhao, "POST", "/v1/grants", obj{"userId": j.lin.User.ID, "scope": away, "why": "检查"}, nil)

		report, photo := j.id(), j.id()
		j.sends(j.ann, j.scope,
			j.op("report", report, obj{
				"siteId": j.site, "templateId": template, "inspectors": []any{j.ann.User.ID, j.ben.User.ID}, "photos": []string{hash},
				"startedAt": j.ago(3 * time.Hour), "endedAt": j.ago(2 * time.Hour),
			}),
			j.op("photo", photo, obj{"siteId": j.site, "reportId": report, "sha256": hash, "size": 10, "type": "image/jpeg", "item": "roof"}))
		before := j.heads()[field.Scope(j.scope)]
		same, more, finding := j.id(), j.id(), j.id()
		j.sends(j.lin, away,
			j.op("photo", same, obj{"siteId": site, "reportId": report, "sha256": hash, "size": 10, "type": "image/jpeg", "item": "roof"}),
			j.op("photo", more, obj{"siteId": site, "reportId": report, "sha256": other, "size": 10, "type": "image/jpeg", "item": "roof"}),
			j.op("finding", finding, obj{"siteId": site, "reportId": report, "title": "漏雨", "violation": "poor_quality", "evidence": []string{photo}}))
		j.sends(j.ann, j.scope, j.command("report", report, "queue", nil))
		arrives := func(scope, photo, hash string) {
			j.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Command: "store", Args: map[string]field.Value{"receipt": field.Quote(obj{"sha256": hash})}})
		}
		arrives(away, same, hash)
		j.by(away, protocol.Operation{ID: field.RecordID(j.id()), Kind: field.KindFlag, Set: map[string]field.Value{
			"code": field.Quote("same_photo"), "severity": field.Quote("blocking"), "reportId": field.Quote(report), "targetId": field.Quote(same),
		}})
		j.ok(j.zhao, "POST", "/v1/photos/"+same+"/discredit", j.body(same, obj{"reason": "翻拍"}), nil)
		if r := j.office.world.record(report); r.State != field.ReportQueued || r.Int("severity") != 0 || j.heads()[field.Scope(j.scope)] != before+1 {
			t.Errorf("the report is %s with severity %d, the site at %d: it was at %d before it was queued", r.State, r.Int("severity"), j.heads()[field.Scope(j.scope)], before)
		}
		arrives(j.scope, photo, hash)
		j.by(j.scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Command: "analyse", Args: map[string]field.Value{"facts": field.Quote(obj{"type": "image/jpeg"})}})
		var kept protocol.PushResponse
		j.lin.push(away, j.op("photo", j.id(), obj{"siteId": site, "reportId": report, "weather": "rain"})).want(200).into(&kept)
		if kept.Outcomes[0].RecordID == "" {
			t.Fatalf("nothing is kept elsewhere: %+v", kept.Outcomes[0])
		}
		j.click(j.cai, "reports", report, "take", nil, "under_review")
		j.click(j.cai, "reports", report, "approve", nil, "approved")
		if named := j.office.world.record(report).Texts("keptUndecided"); len(named) > 0 {
			t.Errorf("the approval names %v, which was sent elsewhere", named)
		}

		before = j.heads()[field.Scope(away)]
		j.ok(j.cai, "POST", "/v1/photos/"+photo+"/discredit", j.body(photo, obj{"reason": "村民说照片是去年的"}), nil)
		if after := j.heads()[field.Scope(away)]; after != before {
			t.Errorf("what was decided about a photo is told at %s", away)
		}
		j.click(j.wu, "findings", finding, "classify", obj{"class": "clue"}, "classified")
		if links := j.list(j.wu, "/v1/clues/"+j.text(j.wu, finding, "clueId")+"/links"); len(links) != 1 {
			t.Errorf("the clue is linked to %d records; the finding alone is its own", len(links))
		}
	})
}

// Who is named as an inspector is told of the return of the report, and only for as long as the matter concerns him:
// the partner's inspector may be named under a mandate, and is told nothing once it is revoked.
func TestNoticesStayWithThoseWhomTheyConcern(t *testing.T) {
	j := newJoint(t)
	template := j.make(j.cai, "templates", obj{"title": "清单", "version": 1, "items": []obj{{"id": "roof", "zh": "屋顶", "type": "text"}}})
	j.click(j.cai, "templates", template, "publish", nil, "published")
	told := func(u *user) int { return len(j.list(u, "/v1/inbox")) }
	report := func(inspectors ...any) string {
		t.Helper()
		report := j.id()
		j.sends(j.ann, j.scope, j.op("report", report, obj{
			"siteId": j.site, "templateId": template, "inspectors": inspectors, "startedAt": j.ago(3 * time.Hour), "endedAt": j.ago(2 * time.Hour),
			"answers": obj{"roof": obj{"value": "漏雨"}},
		}))
		return report
	}
	returned := func(report string) {
		t.Helper()
		before := told(j.ann)
		j.click(j.cai, "reports", report, "return", obj{"items": []obj{{"item": "roof", "comment": "村民李某说漏雨"}}, "deadline": j.clock.now().Add(48 * time.Hour).UTC().Format(time.RFC3339)}, "returned")
		if told(j.ann) != before+1 {
			t.Error("the author was not told")
		}
	}
	for name, other := range map[string]any{"nobody": j.id(), "the partner's inspector": j.lin.User.ID} {
		var res protocol.PushResponse
		j.ann.push(j.scope, j.command("report", report(j.ann.User.ID, other), "submit", nil)).want(200).into(&res)
		if res.Outcomes[0].Outcome != protocol.Rejected {
			t.Errorf("%s was on the visit without a mandate: %+v", name, res.Outcomes[0])
		}
	}
	mandate := j.mandate(field.PowerInspect)
	first, second := report(j.ann.User.ID, j.lin.User.ID), report(j.ann.User.ID, j.lin.User.ID)
	j.sends(j.ann, j.scope, j.command("report", first, "submit", nil))
	j.sends(j.ann, j.scope, j.command("report", second, "submit", nil))
	returned(first)
	if n := told(j.lin); n != 1 {
		t.Errorf("under a mandate the partner's inspector has %d notices", n)
	}
	j.click(j.eva, "mandates", mandate, "revoke", obj{"reason": "委托结束"}, "revoked")
	returned(second)
	if n := told(j.lin); n > 1 {
		t.Errorf("the partner's inspector, who acts under no mandate any more, has %d notices", n)
	}
}

// Of the report's people the author alone says who was there.
func TestTheTeamIsNamedByTheAuthorAlone(t *testing.T) {
	j := newJoint(t)
	j.ok(j.cai, "POST", "/v1/grants", obj{"userId": j.ben.User.ID, "scope": j.scope, "why": "检查"}, nil)
	report := j.id()
	j.ann.push(j.scope, j.op("report", report, obj{"siteId": j.site, "templateId": j.id(), "inspectors": []any{j.ann.User.ID, j.ben.User.ID}})).want(200)
	var res protocol.PushResponse
	j.ben.push(j.scope, j.set("report", report, obj{"summary": "两人都写"})).want(200).into(&res)
	if res.Outcomes[0].Outcome != protocol.Applied {
		t.Errorf("the second inspector writes %+v", res.Outcomes[0])
	}
	j.refusedAll(j.ben, j.scope, j.set("report", report, obj{"inspectors": []any{j.ben.User.ID, j.gus.User.ID}}), j.set("report", report, obj{"visitType": "desk"}),
		j.cmd("report", report, "void", obj{"reason": "x"}))
}

// A grant with an end ends by itself, and who can see a site, since when and why is said to who watches over it.
func TestWhoCanSeeASiteAndUntilWhen(t *testing.T) {
	j := newJoint(t)
	until := j.clock.now().Add(time.Hour).UTC().Format(time.RFC3339)
	j.ok(j.cai, "POST", "/v1/grants", obj{"userId": j.gus.User.ID, "scope": j.scope, "why": "复查", "until": until}, nil)
	j.no(j.cai, 400, field.CodeBadTime, "POST", "/v1/grants", obj{"userId": j.ben.User.ID, "scope": j.scope, "until": "2025-01-01T00:00:00Z"})
	id := j.mandate(field.PowerReview)
	type seer struct {
		Person  struct{ Name string }
		By, Why string
		Until   string
		Mandate string
		Recused bool
	}
	seers := func(u *user) map[string]seer {
		t.Helper()
		var page struct{ Items []seer }
		j.ok(u, "GET", "/v1/access?scope="+j.scope, nil, &page)
		by := map[string]seer{}
		for _, s := range page.Items {
			by[s.Person.Name] = s
		}
		return by
	}
	j.ok(j.cai, "POST", "/v1/recusals", obj{"userId": j.ann.User.ID, "scope": j.scope, "why": "亲属"}, nil)
	got := seers(j.eva)
	if s := got["gus"]; s.By != "grant" || s.Why != "复查" || s.Until == "" {
		t.Errorf("gus: %+v", s)
	}
	if s := got["ann"]; !s.Recused {
		t.Errorf("ann: %+v", s)
	}
	if s := got["zhao"]; s.By != "mandate" || s.Mandate != id {
		t.Errorf("zhao: %+v", s)
	}
	if s := got["cai"]; s.By != "role" {
		t.Errorf("cai: %+v", s)
	}
	for _, name := range []string{"ben", "han", "lin", "wang"} {
		if s, ok := got[name]; ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
	j.no(j.gus, 403, field.CodeNotPermitted, "GET", "/v1/access?scope="+j.scope, nil)
	j.no(j.ben, 404, field.CodeNotFound, "GET", "/v1/access?scope="+j.scope, nil)
	if len(j.list(j.cai, "/v1/grants?scope="+j.scope)) != 2 || len(j.list(j.gus, "/v1/grants")) != 1 || len(j.list(j.ben, "/v1/grants")) != 0 {
		t.Error("grants are listed wrong")
	}
	j.no(j.gus, 403, field.CodeNotPermitted, "GET", "/v1/recusals?scope="+j.scope, nil)

	j.ok(j.gus, "GET", "/v1/findings?siteId="+j.site, nil, nil)
	if scopes := string(field.Quote(j.gus.pull(nil).Scopes)); !strings.Contains(scopes, j.scope) {
		t.Errorf("before its end the grant gives %s", scopes)
	}
	j.clock.move(2 * time.Hour)
	j.gus.refresh(j.gus.RefreshToken).want(200).into(&j.gus.Tokens)
	if scopes := string(field.Quote(j.gus.pull(nil).Scopes)); strings.Contains(scopes, j.scope) {
		t.Errorf("after its end the grant gives %s", scopes)
	}
}

// What was given ends: the clue with its new handler, the recusal from above, and never against who watches.
func TestWhatWasGivenEndsAndRecusalIsNoWeapon(t *testing.T) {
	j := newJoint(t)
	han2, aud := j.admin.hire("han2", access.Handler), j.admin.hire("aud", access.Auditor)
	clue := j.make(j.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	j.click(j.dai, "clues", clue, "register", nil, "registered")
	for _, unfit := range []*user{j.ann, j.cai, j.lin, j.admin} {
		code := field.CodeCannotDo
		if unfit == j.lin {
			code = field.CodeUnknownRecord
		}
		status := map[field.Code]int{field.CodeCannotDo: 409, field.CodeUnknownRecord: 404}[code]
		j.no(j.dai, status, code, "POST", "/v1/clues/"+clue+"/assign", j.body(clue, obj{"handler": unfit.User.ID}))
	}
	j.click(j.dai, "clues", clue, "assign", obj{"handler": j.han.User.ID}, "assigned")
	j.ok(j.han, "GET", "/v1/clues/"+clue, nil, nil)
	j.click(j.dai, "clues", clue, "assign", obj{"handler": han2.User.ID}, "assigned")
	j.no(j.han, 404, field.CodeNotFound, "GET", "/v1/clues/"+clue, nil)
	j.refusedAll(j.han, "clue/"+clue, j.set("clue", clue, obj{"summary": "改"}), j.cmd("clue", clue, "propose", obj{"disposition": "closed", "reason": "x"}))
	for _, u := range []*user{j.han, han2} {
		if notices := j.list(u, "/v1/inbox?state=unread"); len(notices) == 0 {
			t.Errorf("%s was not told", u.User.Name)
		}
	}

	recuse := func(by *user, status int, of *user, scope string) {
		t.Helper()
		by.do("POST", "/v1/recusals", obj{"userId": of.User.ID, "scope": scope, "why": "w"}).want(status)
	}
	recuse(j.cai, 404, aud, "clue/"+clue)       // he does not see the clue
	recuse(j.cai, 400, j.admin, "org/gz-liwan") // nobody is recused from an organisation
	recuse(j.cai, 403, aud, j.scope)            // the auditor watches
	recuse(j.eva, 403, aud, j.scope)            //
	recuse(j.cai, 403, j.admin, j.scope)        // and so does not the administrator
	recuse(j.cai, 403, j.eva, j.scope)          // nobody from below
	recuse(j.cai, 403, j.dai, j.scope)          // nor beside
	recuse(j.cai, 201, j.ann, j.scope)          // from above
	recuse(j.eva, 201, j.dai, "clue/"+clue)     //
	recuse(j.gus, 404, j.gus, j.scope)          // what one does not see
	recuse(j.eva, 201, j.eva, j.scope)          // one's own account
	for _, r := range j.list(j.cai, "/v1/recusals?scope="+j.scope) {
		if j.office.world.record(r).Scope == field.MakeScope(field.ScopeUser, string(j.eva.User.ID)) { // a leader is not called back by the staff
			j.no(j.cai, 403, field.CodeNotPermitted, "POST", "/v1/recusals/"+r+"/end", j.body(r, obj{"reason": "请回"}))
		}
	}
	recuse(j.cai, 201, j.cai, j.scope)                  // also of a supervisor
	if len(j.list(aud, "/v1/inbox?state=unread")) < 3 { // the auditor is told of each
		t.Error("the auditor was not told")
	}
	// Who stays away reads nothing of it, nor what was kept for it.
	var res protocol.PushResponse
	j.han.push("clue/"+clue, j.set("clue", clue, obj{"summary": "李某收了钱"})).want(200).into(&res)
	kept := string(res.Outcomes[0].RecordID)
	j.no(j.dai, 404, field.CodeNotFound, "GET", "/v1/records/"+kept, nil)
	for _, id := range j.list(j.dai, "/v1/parked") {
		if id == kept {
			t.Error("the recused clue manager reads what was kept for the clue")
		}
	}
}

// What is not there and what may not be seen is one to who asks.
func TestNobodyLearnsWhatThereIs(t *testing.T) {
	j := newJoint(t)
	clue := j.make(j.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	own := j.make(j.zhao, "projects", obj{"externalId": "P-2", "name": "别处", "type": "industry", "county": "520502"})
	answers := func(u *user, scope string, made func(id string) []obj, ids ...string) {
		t.Helper()
		var first string
		for i, id := range ids {
			var res protocol.PushResponse
			u.push(scope, made(id)...).want(200).into(&res)
			got := ""
			for _, o := range res.Outcomes {
				got += string(o.Outcome) + " " + string(o.Code) + " " + strings.ReplaceAll(o.Message, id, "ID") + "\n"
			}
			if i == 0 {
				first = got
			} else if got != first {
				t.Errorf("%s in %s asks about %s and hears\n%sof what there is not\n%s", u.User.Name, scope, id, got, first)
			}
		}
	}
	unseen := []string{j.id(), clue, own, j.site}
	// As a reference, of any kind.
	answers(j.zhao, "org/bijie", func(id string) []obj {
		return []obj{j.op("site", j.id(), obj{"name": "x", "projectId": id, "region": "520502", "orgs": []string{"bijie"}})}
	}, j.id(), clue, j.office.project, j.site)
	// As what a command or an edit is about.
	answers(j.ann, j.scope, func(id string) []obj {
		return []obj{
			{"id": id, "kind": "finding", "base": 1, "set": obj{"title": "x"}},
			{"id": id, "kind": "clue", "base": 1, "command": "approve", "args": obj{}},
			{"id": id, "kind": "report", "base": 1, "command": "void", "args": obj{"reason": "x"}},
		}
	}, unseen[:3]...)
	// As a handler, or a person to grant something to.
	for _, id := range []string{j.id(), own, string(j.lin.User.ID)} {
		c := j.make(j.dai, "clues", obj{"title": "又一件", "channel": "petition"})
		j.click(j.dai, "clues", c, "register", nil, "registered")
		j.no(j.dai, 404, field.CodeUnknownRecord, "POST", "/v1/clues/"+c+"/assign", j.body(c, obj{"handler": id}))
		j.no(j.cai, 404, field.CodeNotFound, "POST", "/v1/grants", obj{"userId": id, "scope": j.scope})
	}
	// A taken id that is not to be seen, whatever it is of, is an id that cannot be used, as the server's own are.
	answers(j.ann, j.scope, func(id string) []obj { return []obj{j.op("finding", id, obj{"siteId": j.site, "title": "x"})} },
		string(field.ServerID("nothing")), clue, own, string(field.GrantID(j.ann.User.ID, field.Scope(j.scope))))
}
