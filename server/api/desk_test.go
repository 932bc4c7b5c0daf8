package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// office is a county with everybody who works on a case, each signed in on a device.
type office struct {
	*world
	admin, ann, ben, gus, cai, dai, han, eva *user
	project, template                        string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	return officeOf(start(t))
}

func officeOf(w *world) *office {
	w.t.Helper()
	o := &office{world: w, admin: w.setUp()}
	o.ann, o.ben, o.gus = o.admin.hire("ann", access.Inspector), o.admin.hire("ben", access.Inspector), o.admin.hire("gus", access.Inspector)
	o.cai, o.dai = o.admin.hire("cai", access.Supervisor), o.admin.hire("dai", access.ClueManager)
	o.han, o.eva = o.admin.hire("han", access.Handler), o.admin.hire("eva", access.Leader)
	return o
}

// ok does one request that must succeed.
func (o *office) ok(u *user, method, path string, body any, into any, headers ...string) answer {
	o.t.Helper()
	a := u.do(method, path, body, headers...)
	if a.status >= 300 {
		o.t.Fatalf("%s %s as %s: %d %s", method, path, u.User.Name, a.status, clip(a.body))
	}
	if into != nil {
		a.into(into)
	}
	return a
}

func (o *office) record(u *user, id string) protocol.PulledRecord {
	o.t.Helper()
	var r protocol.PulledRecord
	o.ok(u, "GET", "/v1/records/"+id, nil, &r)
	return r
}

// text reads a text of a record's fields.
func (o *office) text(u *user, id, name string) string {
	o.t.Helper()
	var fields map[string]any
	answer{t: o.t, body: o.record(u, id).Fields}.into(&fields)
	s, _ := fields[name].(string) // another type: empty
	return s
}

func (o *office) make(u *user, kind string, fields obj) string {
	o.t.Helper()
	var r protocol.PulledRecord
	o.ok(u, "POST", "/v1/"+kind, obj{"fields": fields}, &r)
	return string(r.ID)
}

// body is the body of a click on a record as the eye of the supervisor sees it now.
func (o *office) body(id string, args obj) obj {
	o.t.Helper()
	rs, err := o.store.Records(o.t.Context(), []field.RecordID{field.RecordID(id)})
	if err != nil || len(rs) != 1 {
		o.t.Fatalf("record %s: %v %v", id, rs, err)
	}
	b := obj{"version": rs[0].Version}
	for k, v := range args {
		b[k] = v
	}
	return b
}

// click gives a command and expects the state that it leads to.
func (o *office) click(u *user, kind, id, command string, args obj, state field.State) {
	o.t.Helper()
	var r protocol.PulledRecord
	o.ok(u, "POST", "/v1/"+kind+"/"+id+"/"+command, o.body(id, args), &r)
	if r.State != state {
		o.t.Errorf("%s/%s leads to %s, want %s", kind, command, r.State, state)
	}
}

// no expects a refusal, and that nothing was written.
func (o *office) no(u *user, status int, code field.Code, method, path string, body any) {
	o.t.Helper()
	before := fmt.Sprint(o.heads())
	u.do(method, path, body).refused(status, code)
	if after := fmt.Sprint(o.heads()); after != before {
		o.t.Errorf("%s %s was refused and wrote: %s, before %s", method, path, after, before)
	}
}

func (o *office) list(u *user, path string) []string {
	o.t.Helper()
	var page workflow.Records
	o.ok(u, "GET", path, nil, &page)
	out := []string{}
	for _, r := range page.Items {
		out = append(out, string(r.ID))
	}
	return out
}

func (o *office) listed(u *user, path string, want ...string) {
	o.t.Helper()
	if got := o.list(u, path); !slices.Equal(got, want) {
		o.t.Errorf("%s: %v, want %v", path, got, want)
	}
}

func (o *office) op(kind, id string, set obj) obj {
	return obj{"id": id, "kind": kind, "base": 0, "set": set}
}

func (o *office) command(kind, id, name string, args obj) obj {
	if args == nil {
		args = obj{}
	}
	return obj{"id": id, "kind": kind, "base": o.body(id, nil)["version"], "command": name, "args": args}
}

// sends pushes from a phone; every operation must be applied.
func (o *office) sends(u *user, scope string, ops ...obj) {
	o.t.Helper()
	var res protocol.PushResponse
	u.push(scope, ops...).want(200).into(&res)
	for i, out := range res.Outcomes {
		if out.Outcome != protocol.Applied {
			o.t.Fatalf("operation %d: %s %s", i, out.Code, out.Message)
		}
	}
}

func (o *office) ago(d time.Duration) string { return o.clock.now().Add(-d).UTC().Format(time.RFC3339) }

type visit struct{ report, photo, interview, finding string }

// visits is a visit of ann and ben with a photo, an interview and a finding, some time ago.
func (o *office) visits(site string, ago time.Duration, hash string) visit {
	o.t.Helper()
	v, scope := visit{o.id(), o.id(), o.id(), o.id()}, "site/"+site
	o.sends(o.ann, scope,
		o.op("report", v.report, obj{
			"siteId": site, "templateId": o.template, "inspectors": []string{string(o.ann.User.ID), string(o.ben.User.ID)},
			"startedAt": o.ago(ago), "endedAt": o.ago(ago - time.Hour), "photos": []string{hash},
			"answers": obj{"roof": obj{"value": true}, "ledger": obj{"cannotObtain": "会计出差"}},
		}),
		o.op("photo", v.photo, obj{
			"reportId": v.report, "siteId": site, "sha256": hash, "size": 10, "type": "image/jpeg", "item": "front", "photoPoint": "gate", "takenAt": o.ago(ago), "clockSkewMs": 60_000,
			"position": obj{"lat": 27.3 + ago.Hours()*1e-7, "lon": 105.3, "accuracy": 5}, // nobody stands where he stood last year
		}),
		o.op("interview", v.interview, obj{"reportId": v.report, "siteId": site, "alias": "甲户", "text": "没有水", "startedAt": o.ago(ago)}),
		o.op("finding", v.finding, obj{"reportId": v.report, "siteId": site, "title": "屋面漏水", "evidence": []string{v.photo, v.interview}}),
	)
	o.by(scope, protocol.Operation{
		ID: field.RecordID(v.photo), Kind: field.KindPhoto, Command: "store", Args: map[string]field.Value{"receipt": field.Quote(obj{"sha256": hash})},
	})
	o.sends(o.ann, scope, o.command("report", v.report, "submit", nil), o.command("interview", v.interview, "submit", nil))
	return v
}

// pair sets the photo of the gate beside that of last year, for who may see both.
func (o *office) pair(last, now visit) {
	t := o.t
	var p workflow.Pair
	o.ok(o.cai, "GET", "/v1/photos/"+now.photo+"/pair", nil, &p)
	if p.Point != "gate" || p.Label != "大门" || string(p.Current.Photo.ID) != now.photo || p.Previous == nil || string(p.Previous.Photo.ID) != last.photo {
		t.Fatalf("the pair is %+v", p)
	}
	year := int64(o.world.record(now.photo).Time("takenAt").Sub(o.world.record(last.photo).Time("takenAt")).Seconds()) // less three hours
	if p.ElapsedSeconds == nil || *p.ElapsedSeconds != year || p.DistanceMetres == nil || math.Abs(*p.DistanceMetres-97.4) > 0.2 || *p.MarginMetres != 10 {
		t.Errorf("apart by %v s, %v m, %v m", p.ElapsedSeconds, p.DistanceMetres, p.MarginMetres)
	}
	for _, s := range []workflow.Shot{p.Current, *p.Previous} {
		if len(s.Places) != 1 || len(s.Moments) != 1 || s.VisitStart == nil || !s.Moments[0].Corrected.Equal(s.TakenAt.Add(-time.Minute)) {
			t.Errorf("%+v", s)
			continue
		}
		for _, at := range []time.Time{s.TakenAt, *s.VisitStart, s.Moments[0].At, *s.Moments[0].Corrected} {
			if _, offset := at.Zone(); offset != 8*3600 {
				t.Errorf("%v is in a zone of its own", at)
			}
		}
	}
	p = workflow.Pair{}
	o.ok(o.cai, "GET", "/v1/photos/"+last.photo+"/pair", nil, &p)
	if p.Previous != nil || p.DistanceMetres != nil {
		t.Errorf("before the first photo was %+v", p.Previous)
	}
}

// alike finds the photo of last year by its picture, for who may see both, and only as far as was asked.
func (o *office) alike(site string, last, now visit) {
	t := o.t
	for id, hash := range map[string]string{last.photo: "phash/1:00000000000000ff", now.photo: "phash/1:000000000000000f"} {
		o.by("site/"+site, protocol.Operation{
			ID: field.RecordID(id), Kind: field.KindPhoto, Command: "analyse", Args: map[string]field.Value{"perceptual": field.Quote(hash), "facts": field.Quote(obj{"type": "image/jpeg"})},
		})
	}
	var found workflow.Similar
	o.ok(o.cai, "GET", "/v1/photos/"+now.photo+"/similar", nil, &found)
	if found.Total != 1 || len(found.Items) != 1 || string(found.Items[0].Photo.ID) != last.photo || found.Items[0].Distance != 4 || !found.Items[0].SamePoint {
		t.Errorf("what looks alike is %+v", found)
	}
	found = workflow.Similar{}
	o.ok(o.cai, "GET", "/v1/photos/"+now.photo+"/similar?distance=3&limit=1", nil, &found)
	if found.Total != 0 || len(found.Items) != 0 || found.Distance != 3 {
		t.Errorf("within 3 bits are %+v", found)
	}
	o.cai.do("GET", "/v1/photos/"+now.photo+"/similar?distance=11", nil).refused(400, field.CodeBadRequest)
}

// ledger makes a project, a published template and sites, and shows the sites to the inspectors.
func (o *office) ledger() (sites []string) {
	o.t.Helper()
	o.project = o.make(o.cai, "projects", obj{"externalId": "P-1", "name": "饮水工程", "type": "infrastructure", "county": "520502", "budget": 100})
	o.listed(o.cai, "/v1/projects?externalId=P-1", o.project)
	o.ok(o.cai, "GET", "/v1/projects/"+o.project, nil, nil)
	o.ok(o.cai, "PATCH", "/v1/projects/"+o.project, o.body(o.project, obj{"fields": obj{"donor": "荔湾", "purpose": nil}}), nil)
	o.no(o.cai, 409, field.CodeNotNow, "POST", "/v1/projects/"+o.project+"/advance", o.body(o.project, obj{"to": "funded"}))
	o.click(o.cai, "projects", o.project, "advance", obj{"to": "approved"}, "approved")

	paid := o.make(o.cai, "payments", obj{"projectId": o.project, "date": "2026-01-01", "amount": 7, "payee": "工地负责人", "payeeKind": "person"})
	o.ok(o.cai, "PATCH", "/v1/payments/"+paid, o.body(paid, obj{"fields": obj{"amount": 70}}), nil)
	o.ok(o.cai, "GET", "/v1/payments/"+paid, nil, nil)
	o.listed(o.cai, "/v1/payments?projectId="+o.project, paid)
	o.listed(o.ann, "/v1/payments?projectId="+o.project)
	o.no(o.ann, 404, field.CodeNotFound, "GET", "/v1/payments/"+paid, nil)
	wrong := o.make(o.cai, "payments", obj{"projectId": o.project, "date": "2026-01-01", "amount": 7})
	o.click(o.cai, "payments", wrong, "void", obj{"reason": "重复"}, "voided")
	o.no(o.cai, 400, field.CodeMissingField, "POST", "/v1/payments", obj{"fields": obj{"date": "2026-01-01", "amount": 7}})
	o.no(o.cai, 404, field.CodeNotFound, "POST", "/v1/payments", obj{"fields": obj{"projectId": o.id(), "date": "2026-01-01", "amount": 7}})
	o.no(o.cai, 404, field.CodeNotFound, "POST", "/v1/households", obj{"fields": obj{"siteId": o.id(), "alias": "甲户"}})
	o.no(o.cai, 400, field.CodeMovedField, "POST", "/v1/projects", obj{"fields": obj{"externalId": "P-2", "name": "x", "type": "industry", "county": "520502", "payments": []obj{}}})

	items := []obj{
		{"id": "roof", "zh": "屋面漏水？", "type": "yes_no", "required": true, "redLine": "acceptance_false"},
		{"id": "ledger", "zh": "台账", "type": "text", "required": true},
		{"id": "front", "zh": "正面", "type": "photo", "maxPhotos": 3},
	}
	o.template = o.make(o.cai, "templates", obj{"title": "清单", "version": 1, "items": append(items, obj{"id": "budget", "zh": "预算", "type": "number", "known": "budget"})})
	o.no(o.cai, 409, field.CodeAsksAgain, "POST", "/v1/templates/"+o.template+"/publish", o.body(o.template, nil))
	o.ok(o.cai, "PATCH", "/v1/templates/"+o.template, o.body(o.template, obj{"fields": obj{"items": items}}), nil)
	o.click(o.cai, "templates", o.template, "publish", nil, "published")
	o.no(o.cai, 409, field.CodeNotEditable, "PATCH", "/v1/templates/"+o.template, o.body(o.template, obj{"fields": obj{"title": "另一份"}}))
	old := o.make(o.cai, "templates", obj{"title": "旧", "version": 1, "items": items})
	o.click(o.cai, "templates", old, "publish", nil, "published")
	o.click(o.cai, "templates", old, "retire", nil, "retired")
	o.listed(o.cai, "/v1/templates?state=published", o.template)
	o.ok(o.ann, "GET", "/v1/templates/"+o.template, nil, nil)

	for i := range 4 {
		site := o.make(o.cai, "sites", obj{
			"name": fmt.Sprintf("水厂%d", i), "projectId": o.project, "region": "520502", "photoPoints": obj{"gate": obj{"label": "大门"}},
		})
		home := o.make(o.cai, "households", obj{"siteId": site, "alias": "甲", "petitioned": i == 2})
		o.ok(o.cai, "PATCH", "/v1/households/"+home, o.body(home, obj{"fields": obj{"alias": "甲户"}}), nil)
		o.ok(o.cai, "GET", "/v1/households/"+home, nil, nil)
		o.listed(o.cai, "/v1/households?siteId="+site, home)
		wrong := o.make(o.cai, "households", obj{"siteId": site, "alias": "误记户", "petitioned": true})
		o.click(o.cai, "households", wrong, "void", obj{"reason": "重复"}, "voided")
		o.no(o.cai, 400, field.CodeMovedField, "PATCH", "/v1/sites/"+site, o.body(site, obj{"fields": obj{"households": []obj{{"alias": "甲户", "petitioned": true}}}}))
		o.no(o.cai, 400, field.CodeMovedField, "PATCH", "/v1/sites/"+site, o.body(site, obj{"fields": obj{"households": nil}}))
		o.no(o.cai, 400, field.CodeMissingField, "POST", "/v1/sites/"+site+"/activate", o.body(site, nil))
		o.ok(o.cai, "PATCH", "/v1/sites/"+site, o.body(site, obj{"fields": obj{"position": obj{"lat": 27.3, "lon": 105.3, "accuracy": 5}}}), nil)
		o.click(o.cai, "sites", site, "activate", nil, "active")
		sites = append(sites, site)
	}
	o.click(o.cai, "sites", sites[3], "close", obj{"reason": "并入水厂2"}, "closed")
	o.ok(o.ann, "GET", "/v1/sites/"+sites[0], nil, nil)
	o.listed(o.cai, "/v1/sites?state=active&projectId="+o.project, sites[:3]...)
	for _, s := range sites[:3] {
		for _, u := range []*user{o.ann, o.ben} {
			o.ok(o.cai, "POST", "/v1/grants", obj{"userId": u.User.ID, "scope": "site/" + s, "why": "检查"}, nil)
		}
	}
	return sites[:3]
}

// A case from the ledger to the relapse, told by everybody who has a hand in it, over HTTP.
func TestACaseThroughManyHands(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	last := o.visits(sites[0], 365*24*time.Hour, strings.Repeat("b", 64))
	now := o.visits(sites[0], 3*time.Hour, strings.Repeat("a", 64))
	o.pair(last, now)
	o.alike(sites[0], last, now)
	o.review(now)
	clue := o.clue(last)
	o.campaign(sites, last, clue)
	o.others(sites[1])
	o.custody(last, clue)
	o.ok(o.cai, "GET", "/v1/grants?scope=site/"+sites[0], nil, nil)
	o.ok(o.cai, "GET", "/v1/recusals", nil, nil)
	if registers := o.list(o.dai, "/v1/registers"); len(registers) != 1 {
		t.Errorf("there are %d registers of clue numbers", len(registers))
	}
}

// A mandate is drafted, changed, approved by somebody else and extended; a draft is taken back.
func TestAMandateFromItsDraftToItsExtension(t *testing.T) {
	o := newOffice(t)
	day := func(days int) string { return o.clock.now().AddDate(0, 0, days).Format(time.DateOnly) }
	fields := obj{
		"principal": "gz-liwan", "agent": "bijie", "subjects": []obj{{"kind": "region", "ref": "520502"}}, "powers": []string{"inspect"},
		"validFrom": day(-1), "validTo": day(30), "document": "荔湾纪委托函〔2026〕3号",
	}
	id := o.make(o.cai, "mandates", fields)
	one := "/v1/mandates/" + id
	o.ok(o.cai, "PATCH", one, o.body(id, obj{"fields": obj{"validTo": day(60)}}), nil)
	o.no(o.eva, 409, field.CodeNotNow, "POST", one+"/extend", o.body(id, obj{"validTo": day(90), "reason": "续期"}))
	o.click(o.eva, "mandates", id, "approve", nil, field.MandateValid)
	o.no(o.eva, 400, field.CodeBadTime, "POST", one+"/extend", o.body(id, obj{"validTo": day(60), "reason": "续期"}))
	o.no(o.cai, 403, field.CodeNotPermitted, "POST", one+"/extend", o.body(id, obj{"validTo": day(90), "reason": "续期"}))
	o.click(o.eva, "mandates", id, "extend", obj{"validTo": day(90), "reason": "续期"}, field.MandateValid)
	var mandate struct{ Fields struct{ ValidTo string } }
	if o.ok(o.cai, "GET", one, nil, &mandate); mandate.Fields.ValidTo != day(90) {
		t.Errorf("the mandate ends on %s", mandate.Fields.ValidTo)
	}
	o.no(o.cai, 409, field.CodeNotNow, "POST", one+"/void", o.body(id, obj{"reason": "误拟"}))
	o.click(o.cai, "mandates", o.make(o.cai, "mandates", fields), "void", obj{"reason": "误拟"}, field.StateVoided)
}

// The pair of photos, and who is told what of a photo, on both stores.
func TestAPhotoBesideThatOfLastYear(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		o := officeOf(w)
		sites := o.ledger()
		last := o.visits(sites[0], 365*24*time.Hour, strings.Repeat("b", 64))
		now := o.visits(sites[0], 3*time.Hour, strings.Repeat("a", 64))
		o.pair(last, now)
		far := o.admin.hire("far", access.Inspector)
		for _, view := range []string{"/pair", "/custody"} {
			far.do("GET", "/v1/photos/"+now.photo+view, nil).refused(404, field.CodeNotFound)
			o.gus.do("GET", "/v1/photos/"+o.id()+view, nil).refused(404, field.CodeNotFound)
		}
		o.custody(now, "")
	})
}

// The page of a site has what its kinds say, as far as the reader sees it: the newest first, and no words of villagers.
func TestThePageOfASiteShowsWhatItsKindsSay(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		o := officeOf(w)
		sites := o.ledger()
		last := o.visits(sites[0], 48*time.Hour, strings.Repeat("b", 64))
		now := o.visits(sites[0], 3*time.Hour, strings.Repeat("a", 64))
		shown := func(u *user, site string) map[field.Kind]workflow.Shown {
			t.Helper()
			var page workflow.SiteView
			o.ok(u, "GET", "/v1/sites/"+site+"/page", nil, &page)
			of := map[field.Kind]workflow.Shown{}
			for _, s := range page.Shown {
				of[s.Kind] = s
			}
			if string(page.Site.ID) != site || len(of) != len(page.Shown) {
				t.Errorf("the page is of %s and shows %d kinds, %d of them once", page.Site.ID, len(page.Shown), len(of))
			}
			return of
		}
		of := shown(o.cai, sites[0])
		for kind, ids := range map[field.Kind][]string{field.KindReport: {now.report, last.report}, field.KindFinding: {now.finding, last.finding}, field.KindPhoto: {now.photo, last.photo}} {
			var got []string
			for _, r := range of[kind].Items {
				got = append(got, string(r.ID))
			}
			if !slices.Equal(got, ids) || of[kind].More {
				t.Errorf("%s: %v, more %t; the newest first are %v", kind, got, of[kind].More, ids)
			}
		}
		if len(of) != 3 {
			t.Errorf("it shows %d kinds: %v", len(of), of)
		}
		var many []obj
		for range 20 {
			many = append(many, o.op("finding", o.id(), obj{"siteId": sites[0], "title": "积水"}))
		}
		o.sends(o.ann, "site/"+sites[0], many...)
		if f := shown(o.cai, sites[0])[field.KindFinding]; len(f.Items) != 20 || !f.More {
			t.Errorf("of 22 findings it shows %d, more %t", len(f.Items), f.More)
		}
		o.no(o.cai, 404, field.CodeNotFound, "GET", "/v1/sites/"+now.report+"/page", nil)
		if of := shown(o.admin.hire("far", access.Inspector), sites[0]); len(of) > 0 {
			t.Errorf("who has no part in the site is shown %v", of)
		}
	})
}

// custody reads the chain of hands: who reads the case is told that the photo was linked to it.
func (o *office) custody(v visit, clue string) {
	t := o.t
	told := func(u *user) (codes []string) {
		t.Helper()
		var c workflow.Custody
		o.ok(u, "GET", "/v1/photos/"+v.photo+"/custody", nil, &c)
		for _, e := range c.Events {
			codes = append(codes, e.Code)
		}
		for _, first := range []string{"captured", "hashed", "declared", "received", "receipt"} {
			if !slices.Contains(codes, first) {
				t.Errorf("%s is not told that it was %s: %v", u.User.Name, first, codes)
			}
		}
		return codes
	}
	if got := slices.Contains(told(o.dai), "linked"); got != (clue != "") {
		t.Errorf("linked: %v", got)
	}
	for _, u := range []*user{o.cai, o.ann} {
		if slices.Contains(told(u), "linked") {
			t.Errorf("%s is told of a case that is not for reading", u.User.Name)
		}
	}
}

// review: the queue, a return on one item, the correction, the approval.
func (o *office) review(v visit) {
	t := o.t
	t.Helper()
	flag := o.id()
	o.by(string(o.record(o.cai, v.report).Scope), protocol.Operation{ID: field.RecordID(flag), Kind: field.KindFlag, Set: map[string]field.Value{
		"code": field.Quote("same_photo"), "severity": field.Quote("blocking"), "reportId": field.Quote(v.report), "zh": field.Quote("同一照片"), "en": field.Quote("same photo"),
	}})
	var queue workflow.Page[workflow.QueueItem]
	o.ok(o.cai, "GET", "/v1/review/queue?limit=1", nil, &queue)
	if len(queue.Items) != 1 || string(queue.Items[0].ID) != v.report || queue.Next == "" || queue.Items[0].Counts.CannotObtain != 1 {
		t.Fatalf("the queue is %+v", queue)
	}
	o.ok(o.cai, "GET", "/v1/review/queue?limit=1&after="+queue.Next, nil, &queue)
	if len(queue.Items) != 1 || string(queue.Items[0].ID) == v.report {
		t.Errorf("its second page is %+v", queue)
	}
	path := "/v1/reports/" + v.report
	var view workflow.ReportView
	o.ok(o.cai, "GET", path, nil, &view)
	if len(view.Items) != 3 || len(view.Items[2].Photos) != 1 || view.Previous == nil || len(view.PhotoPoints) != 1 || view.PhotoPoints[0].Previous == nil {
		t.Errorf("the screen shows %+v", view)
	}
	o.listed(o.cai, "/v1/reports?state=submitted&inspector="+string(o.ben.User.ID)+"&limit=1", v.report)
	o.listed(o.cai, "/v1/flags?reportId="+v.report, flag)
	o.listed(o.cai, "/v1/interviews?reportId="+v.report, v.interview)
	o.ok(o.cai, "GET", "/v1/interviews/"+v.interview, nil, nil)

	o.no(o.ann, 403, field.CodeNotPermitted, "POST", path+"/take", o.body(v.report, nil))
	o.no(o.gus, 403, field.CodeNotPermitted, "POST", path+"/take", o.body(v.report, nil))
	o.no(o.cai, 400, field.CodeMissingField, "POST", path+"/take", obj{})
	o.no(o.cai, 400, field.CodeBadRequest, "POST", path+"/take", obj{"version": 1, "force": true})
	o.no(o.cai, 409, field.CodeStale, "POST", path+"/take", obj{"version": 1})
	o.no(o.cai, 404, field.CodeNotFound, "POST", "/v1/reports/"+v.photo+"/take", o.body(v.photo, nil))
	o.no(o.cai, 404, field.CodeNotFound, "POST", "/v1/reports/17/take", obj{"version": 1})
	o.click(o.cai, "reports", v.report, "take", nil, "under_review")
	right := func(of string) obj {
		return obj{"times": []obj{{"of": of, "to": o.ago(4 * time.Hour)}}, "reason": "手机时钟慢，按行程更正"}
	}
	o.no(o.ann, 403, field.CodeNotPermitted, "POST", path+"/correct", o.body(v.report, right("startedAt")))
	o.no(o.cai, 400, field.CodeBadChoice, "POST", path+"/correct", o.body(v.report, right("submittedAt")))
	o.no(o.cai, 400, field.CodeMissingField, "POST", path+"/correct", o.body(v.report, obj{"times": right("startedAt")["times"], "reason": "\u3000"}))
	o.no(o.cai, 400, field.CodeBadTime, "POST", path+"/correct", o.body(v.report, obj{"times": []obj{{"of": "startedAt", "to": "2026-11-23T8:00:00+08:00"}}, "reason": "x"}))
	o.click(o.cai, "reports", v.report, "correct", right("startedAt"), "under_review")
	o.click(o.cai, "photos", v.photo, "correct", right("takenAt"), o.record(o.cai, v.photo).State)
	o.click(o.cai, "interviews", v.interview, "correct", right("startedAt"), "submitted")
	o.no(o.cai, 409, field.CodeFlagsOpen, "POST", path+"/approve", o.body(v.report, nil))
	o.no(o.cai, 400, field.CodeMissingField, "POST", "/v1/flags/"+flag+"/decide", o.body(flag, obj{"decision": "explained", "reason": ""}))
	o.click(o.cai, "flags", flag, "decide", obj{"decision": "explained", "reason": "同一点位"}, "decided")

	back := obj{"items": []obj{{"item": "roof", "comment": "哪一处？"}}, "deadline": o.ago(-48 * time.Hour)}
	o.no(o.cai, 400, field.CodeBadTime, "POST", path+"/return", o.body(v.report, obj{"items": back["items"], "deadline": o.ago(time.Hour)}))
	o.no(o.cai, 400, field.CodeBadChoice, "POST", path+"/return", o.body(v.report, obj{"items": []obj{{"item": "cellar", "comment": "?"}}, "deadline": back["deadline"]}))
	o.click(o.cai, "reports", v.report, "return", back, "returned")

	var inbox workflow.Records
	o.ok(o.ann, "GET", "/v1/inbox", nil, &inbox)
	if len(inbox.Items) == 0 || !strings.Contains(string(inbox.Items[0].Fields), "哪一处") {
		t.Fatalf("ann's inbox is %+v", inbox.Items)
	}
	notice := string(inbox.Items[0].ID)
	o.no(o.gus, 404, field.CodeNotFound, "POST", "/v1/notices/"+notice+"/read", o.body(notice, nil))
	o.click(o.ann, "notices", notice, "read", nil, "read")

	o.sends(o.ann, string(o.record(o.ann, v.report).Scope),
		obj{"id": v.report, "kind": "report", "base": o.body(v.report, nil)["version"], "set": obj{"answers": obj{"roof": obj{"value": true, "note": "东侧"}}}},
		o.command("report", v.report, "resubmit", nil))
	o.click(o.cai, "reports", v.report, "approve", nil, "approved")
	o.click(o.cai, "reports", v.report, "archive", nil, "archived")
	o.no(o.cai, 400, field.CodeMissingField, "POST", path+"/reopen", o.body(v.report, nil))
	o.no(o.ann, 403, field.CodeNotPermitted, "POST", path+"/reopen", o.body(v.report, obj{"reason": "有疑问"}))
	o.click(o.cai, "reports", v.report, "reopen", obj{"reason": "有疑问"}, "under_review")
	o.click(o.cai, "reports", v.report, "approve", nil, "approved")
	o.click(o.cai, "reports", v.report, "archive", nil, "archived")
	o.no(o.cai, 409, field.CodeNotNow, "POST", path+"/void", o.body(v.report, obj{"reason": "不要了"}))
	o.no(o.cai, 409, field.CodeNotNow, "POST", "/v1/interviews/"+v.interview+"/seal", o.body(v.interview, nil))
	o.click(o.cai, "interviews", v.interview, "review", nil, "reviewed")
	o.click(o.cai, "interviews", v.interview, "seal", nil, "sealed")

	var history workflow.Page[workflow.Event]
	o.ok(o.cai, "GET", path+"/history", nil, &history)
	var told []string
	for _, e := range history.Items {
		for _, op := range e.Operations {
			told = append(told, e.By.Name+":"+op.Command)
		}
	}
	if want := "ann: ann:submit cai:take cai:correct cai:return ann: ann:resubmit cai:approve cai:archive cai:reopen cai:approve cai:archive"; strings.Join(told, " ") != want {
		t.Errorf("the history is %q, want %q", strings.Join(told, " "), want)
	}
	o.ok(o.cai, "GET", "/v1/records/"+v.report+"/history?limit=2", nil, &history)
	o.ok(o.cai, "GET", "/v1/records/"+v.report+"/history?limit=2&after="+history.Next, nil, &history)
	if len(history.Items) != 2 {
		t.Errorf("a page of two holds %d", len(history.Items))
	}
}

// clue: from the finding to the number, to the handler, to the leader, and closed.
func (o *office) clue(v visit) string {
	t := o.t
	t.Helper()
	finding := "/v1/findings/" + v.finding
	o.listed(o.cai, "/v1/findings?state=open&reportId="+v.report, v.finding)
	o.no(o.ann, 403, field.CodeNotPermitted, "POST", finding+"/classify", o.body(v.finding, obj{"class": "dismissed", "reason": "r"}))
	o.no(o.cai, 409, field.CodeViolationMissing, "POST", finding+"/classify", o.body(v.finding, obj{"class": "clue"}))
	o.no(o.cai, 400, field.CodeReasonMissing, "POST", finding+"/classify", o.body(v.finding, obj{"class": "dismissed"}))
	o.click(o.cai, "findings", v.finding, "classify", obj{"class": "clue", "violation": "poor_quality"}, "classified")
	var f protocol.PulledRecord
	o.ok(o.cai, "GET", finding, nil, &f)
	id := o.text(o.cai, v.finding, "clueId")
	path := "/v1/clues/" + id

	o.no(o.cai, 403, field.CodeNotPermitted, "POST", path+"/register", o.body(id, nil)) // a supervisor keeps no register
	o.no(o.han, 404, field.CodeNotFound, "GET", path, nil)
	o.click(o.dai, "clues", id, "register", nil, "registered")
	o.ok(o.dai, "PATCH", path, o.body(id, obj{"fields": obj{"urgency": "major", "batch": "2026Q4-visits"}}), nil)
	o.no(o.dai, 400, field.CodeReadOnlyField, "PATCH", path, o.body(id, obj{"fields": obj{"number": "mine-1"}}))
	o.click(o.dai, "clues", id, "assign", obj{"handler": o.han.User.ID}, "assigned")
	o.ok(o.han, "GET", path, nil, nil)
	o.click(o.han, "clues", id, "propose", obj{"disposition": "verification", "reason": "可查"}, "disposition_proposed")
	o.no(o.han, 403, field.CodeNotPermitted, "POST", path+"/approve", o.body(id, nil))
	o.click(o.eva, "clues", id, "approve", nil, "approved")
	o.click(o.han, "clues", id, "handle", nil, "handling")
	o.click(o.han, "clues", id, "report", obj{"outcome": "属实，已整改"}, "reported")
	var g workflow.Graph
	o.ok(o.han, "GET", path+"/graph", nil, &g)
	if n := slices.IndexFunc(g.Nodes, func(n workflow.Node) bool { return n.Visible && string(n.ID) != id }); n >= 0 {
		t.Errorf("the handler sees %+v", g.Nodes[n])
	}
	o.click(o.eva, "clues", id, "close", obj{"reason": "整改到位"}, "closed")
	o.no(o.han, 404, field.CodeNotFound, "GET", path+"/graph", nil) // what was given has ended with the work
	o.no(o.dai, 409, field.CodeNotNow, "POST", path+"/void", o.body(id, obj{"reason": "r"}))
	o.click(o.cai, "findings", v.finding, "close", obj{"reason": "整改到位"}, "closed")
	o.click(o.cai, "findings", v.finding, "reopen", obj{"reason": "看错"}, "open")
	o.click(o.cai, "findings", v.finding, "classify", obj{"class": "clue"}, "classified")
	o.click(o.cai, "findings", v.finding, "close", obj{"reason": "整改到位"}, "closed")
	o.listed(o.dai, "/v1/clues?urgency=major&violation=poor_quality&channel=site_visit&state=closed&batch=2026Q4-visits&handler="+string(o.han.User.ID), id)
	o.listed(o.dai, "/v1/clues?urgency=normal")

	g = workflow.Graph{}
	o.ok(o.dai, "GET", path+"/graph", nil, &g)
	if len(g.Nodes) != 5 {
		t.Errorf("the graph is %+v", g)
	}
	var impact workflow.Impact
	o.ok(o.dai, "GET", "/v1/photos/"+v.photo+"/impact", nil, &impact)
	if len(impact.Clues) != 1 || !impact.Clues[0].Independent {
		t.Errorf("on the photo rests %+v", impact)
	}
	var history workflow.Page[workflow.Event]
	o.ok(o.dai, "GET", path+"/history", nil, &history)
	if len(history.Items) < 8 {
		t.Errorf("the clue's history has %d events", len(history.Items))
	}
	o.ok(o.dai, "GET", "/v1/photos/"+v.photo, nil, nil)
	return id
}

// campaign: back to last year's promise, where the fault is there again.
func (o *office) campaign(sites []string, last visit, clue string) {
	t := o.t
	t.Helper()
	today := o.clock.now().In(time.FixedZone("UTC+8", 8*3600))
	plan := obj{
		"title": "回头看", "from": today.AddDate(0, 0, -1).Format(time.DateOnly), "to": today.AddDate(0, 1, 0).Format(time.DateOnly), "templateId": o.template,
		"strata": []obj{{"stratum": "problems", "size": 3}, {"stratum": "unsampled", "size": 1}, {"stratum": "petitioners", "size": 1}},
	}
	id := o.make(o.cai, "campaigns", plan)
	path := "/v1/campaigns/" + id
	o.ok(o.cai, "PATCH", path, o.body(id, obj{"fields": obj{"title": "年末回头看"}}), nil)
	o.no(o.cai, 400, field.CodeBadTime, "PATCH", path, o.body(id, obj{"fields": obj{"to": "2020-01-01"}}))
	o.no(o.eva, 409, field.CodeNotNow, "POST", path+"/approve", o.body(id, nil))
	o.no(o.cai, 400, field.CodeMissingField, "POST", path+"/draw", o.body(id, obj{"seed": ""}))
	o.no(o.cai, 409, field.CodeSeedNotAnnounced, "POST", path+"/draw", o.body(id, obj{"seed": "2026-11-23"}))
	o.no(o.cai, 400, field.CodeBadTime, "POST", path+"/announce", o.body(id, obj{"source": "双色球", "date": today.Format(time.DateOnly)}))
	o.click(o.cai, "campaigns", id, "announce", obj{"source": "双色球", "date": today.AddDate(0, 0, 1).Format(time.DateOnly)}, "draft")
	o.no(o.cai, 409, field.CodeNotNow, "POST", path+"/draw", o.body(id, obj{"seed": "06 11 17"}))
	seed := sha256.Sum256([]byte("2026-11-23"))
	announced := obj{"seedHash": hex.EncodeToString(seed[:])}
	o.no(o.cai, 400, field.CodeReasonMissing, "POST", path+"/announce", o.body(id, announced))
	announced["reason"] = "不等摇号"
	o.click(o.cai, "campaigns", id, "announce", announced, "draft")
	o.click(o.cai, "campaigns", id, "draw", obj{"seed": "2026-11-23"}, "draft")
	o.no(o.cai, 403, field.CodeNotPermitted, "POST", path+"/approve", o.body(id, nil))
	o.click(o.eva, "campaigns", id, "approve", nil, "approved")
	o.click(o.cai, "campaigns", id, "run", nil, "running")
	o.listed(o.cai, "/v1/campaigns?state=running", id)
	var campaign struct {
		Fields struct{ Sample []field.Unit }
	}
	o.ok(o.cai, "GET", path, nil, &campaign)
	follower := workflow.NewCampaigns(o.store, o.engine)
	entries, err := o.store.Entries(t.Context(), field.Scope("campaign/"+id), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Concat(entries, entries) { // at least once
		if err := follower.Entry(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var p workflow.Progress
	o.ok(o.cai, "GET", path+"/progress", nil, &p)
	if p.Total.Sample != 3 || p.Total.Tasks["pending"] != 3 || len(p.Draws) != 2 || p.Draws[0].DroppedFor != "不等摇号" {
		t.Errorf("progress %+v", p)
	}

	task := string(campaign.Fields.Sample[0].Revisit)
	o.ok(o.cai, "GET", "/v1/revisits/"+task, nil, nil)
	team := obj{"assignee": o.ann.User.ID, "companion": o.gus.User.ID, "due": today.AddDate(0, 0, 7).Format(time.DateOnly)}
	o.no(o.cai, 409, field.CodeTwoInspectors, "POST", "/v1/revisits/"+task+"/assign", o.body(task, obj{"assignee": o.ann.User.ID, "companion": o.ann.User.ID, "due": team["due"]}))
	for _, due := range []time.Time{today.AddDate(0, 0, -1), today.AddDate(0, 2, 0)} {
		o.no(o.cai, 400, field.CodeBadTime, "POST", "/v1/revisits/"+task+"/assign", o.body(task, obj{"assignee": o.ann.User.ID, "companion": o.gus.User.ID, "due": due.Format(time.DateOnly)}))
	}
	o.click(o.cai, "revisits", task, "assign", team, "assigned")
	if !slices.Contains(o.gus.pull(nil).Scopes, field.Scope("site/"+sites[0])) {
		t.Error("gus does not see the site of his task")
	}
	team["companion"], team["reason"] = o.ben.User.ID, "调岗"
	o.click(o.cai, "revisits", task, "reassign", team, "assigned")
	o.clock.move(time.Minute)
	if slices.Contains(o.gus.pull(nil).Scopes, field.Scope("site/"+sites[0])) {
		t.Error("gus still sees the site of the task that went to ben")
	}
	o.listed(o.ann, "/v1/revisits?assignee="+string(o.ann.User.ID), task)
	for i, u := range campaign.Fields.Sample[1:] {
		other := string(u.Revisit)
		if i == 0 {
			o.click(o.cai, "revisits", other, "miss", obj{"reason": "塌方"}, "missed")
			o.click(o.cai, "revisits", other, "excuse", obj{"reason": "道路中断"}, "excused")
		} else {
			o.click(o.cai, "revisits", other, "cancel", obj{"reason": "已搬迁"}, "cancelled")
		}
	}
	again := o.visits(sites[0], time.Hour, strings.Repeat("c", 64))
	found := obj{"reportId": again.report, "results": []obj{{"findingId": last.finding, "result": "relapse"}}}
	o.sends(o.ann, "site/"+sites[0], o.command("revisit", task, "submit", found))
	o.click(o.cai, "revisits", task, "return", obj{"reason": "照片不清"}, "returned")
	o.sends(o.ann, "site/"+sites[0], o.command("revisit", task, "submit", found))
	o.no(o.cai, 409, field.CodeNotNow, "POST", "/v1/revisits/"+task+"/accept", o.body(task, nil))
	o.no(o.cai, 409, field.CodePhotosUnexamined, "POST", "/v1/reports/"+again.report+"/approve", o.body(again.report, nil))
	o.by("site/"+o.world.record(again.report).Scope.ID(), protocol.Operation{
		ID: field.RecordID(again.photo), Kind: field.KindPhoto, Command: "analyse", Args: map[string]field.Value{"facts": field.Quote(obj{"type": "image/jpeg"})},
	})
	o.click(o.cai, "reports", again.report, "approve", nil, "approved")
	o.no(o.cai, 409, field.CodeTasksOpen, "POST", path+"/close", o.body(id, nil))
	o.click(o.cai, "revisits", task, "accept", nil, "done")
	if f, k := o.record(o.cai, last.finding), o.record(o.dai, clue); f.State != "open" || k.State != "assigned" {
		t.Errorf("after the relapse the finding is %s and the clue %s", f.State, k.State)
	}
	o.ok(o.cai, "GET", path+"/progress", nil, &p)
	if p.Strata[0].Results["relapse"] != 1 || p.Total.Tasks["done"] != 1 || p.Total.Tasks["excused"] != 1 {
		t.Errorf("progress %+v", p)
	}
	o.click(o.cai, "campaigns", id, "close", nil, "closing")
	o.no(o.cai, 409, field.CodeNotNow, "POST", "/v1/revisits/"+string(campaign.Fields.Sample[1].Revisit)+"/reassign", o.body(string(campaign.Fields.Sample[1].Revisit), team))
	o.click(o.cai, "campaigns", id, "report", obj{"text": "一处反弹"}, "reported")
}

// others: clues of other channels, evidence that is linked and withdrawn, what is voided, conflicts and parked
// operations, recusals.
func (o *office) others(site string) {
	t := o.t
	t.Helper()
	v := o.visits(site, time.Hour, strings.Repeat("d", 64))
	a := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	b := o.make(o.dai, "clues", obj{"title": "审计移交", "channel": "audit", "subjects": []obj{{"kind": "unit", "name": "水务局"}}})
	c := o.make(o.dai, "clues", obj{"title": "误收", "channel": "alert"})
	o.no(o.dai, 404, field.CodeUnknownRecord, "POST", "/v1/clues/"+a+"/links", obj{"targetKind": "photo", "targetId": o.id(), "relation": "supports"})
	o.no(o.dai, 400, field.CodeWrongKind, "POST", "/v1/clues/"+a+"/links", obj{"targetKind": "report", "targetId": v.photo, "relation": "supports"})
	var link protocol.PulledRecord
	o.ok(o.dai, "POST", "/v1/clues/"+a+"/links", obj{"targetKind": "photo", "targetId": v.photo, "relation": "supports", "why": "现场"}, &link)
	o.no(o.dai, 409, field.CodeDuplicateLink, "POST", "/v1/clues/"+a+"/links", obj{"targetKind": "photo", "targetId": v.photo, "relation": "identifies"})
	o.click(o.dai, "links", string(link.ID), "confirm", nil, "confirmed")
	var impact workflow.Impact
	o.ok(o.dai, "GET", "/v1/photos/"+v.photo+"/impact", nil, &impact)
	if len(impact.Clues) != 1 || impact.Clues[0].Independent {
		t.Errorf("nothing but the photo supports the clue: %+v", impact)
	}
	o.ok(o.cai, "GET", "/v1/photos/"+v.photo+"/impact", nil, &impact)
	if len(impact.Clues)+len(impact.Links) != 0 {
		t.Errorf("a supervisor sees clues that are nobody's business: %+v", impact)
	}
	o.listed(o.dai, "/v1/clues/"+a+"/links", string(link.ID))
	o.click(o.dai, "links", string(link.ID), "withdraw", obj{"reason": "照片有误"}, "withdrawn")
	o.no(o.dai, 404, field.CodeUnknownRecord, "POST", "/v1/clues/"+b+"/merge", o.body(b, obj{"into": o.id(), "reason": "重复"}))
	o.click(o.dai, "clues", b, "merge", obj{"into": a, "reason": "重复"}, "merged")
	o.ok(o.dai, "POST", "/v1/clues/"+b+"/export", nil, nil)
	o.click(o.dai, "clues", c, "void", obj{"reason": "误收"}, "voided")
	o.click(o.dai, "clues", a, "register", nil, "registered")
	o.click(o.dai, "clues", a, "assign", obj{"handler": o.han.User.ID}, "assigned")
	o.click(o.han, "clues", a, "propose", obj{"disposition": "inquiry", "reason": "谈话"}, "disposition_proposed")
	o.click(o.eva, "clues", a, "approve", nil, "approved")
	o.click(o.han, "clues", a, "handle", nil, "handling")
	o.click(o.han, "clues", a, "report", obj{"outcome": "涉嫌职务违法"}, "reported")
	o.click(o.eva, "clues", a, "file", obj{"reason": "立案"}, "filed")
	d := o.make(o.dai, "clues", obj{"title": "又一件", "channel": "petition"})
	o.click(o.dai, "clues", d, "register", nil, "registered")
	o.click(o.dai, "clues", d, "assign", obj{"handler": o.han.User.ID}, "assigned")
	o.click(o.han, "clues", d, "propose", obj{"disposition": "closed", "reason": "失实"}, "disposition_proposed")
	o.click(o.eva, "clues", d, "approve", nil, "approved")
	o.click(o.han, "clues", d, "handle", nil, "handling")
	o.click(o.han, "clues", d, "report", obj{"outcome": "失实"}, "reported")
	o.click(o.eva, "clues", d, "close", obj{"reason": "失实"}, "closed")
	o.click(o.dai, "clues", d, "reopen", obj{"reason": "新证据"}, "assigned")

	o.discredited(v, b)
	o.kept(v, site)
	o.click(o.cai, "interviews", v.interview, "void", obj{"reason": "重复"}, "voided")
	o.click(o.cai, "photos", v.photo, "void", obj{"reason": "误传"}, "voided")
	o.click(o.cai, "reports", v.report, "void", obj{"reason": "误报"}, "voided")
	if r := o.record(o.cai, v.report); !r.Deleted || r.State != "voided" {
		t.Errorf("the voided report is %+v", r)
	}
	o.listed(o.cai, "/v1/reports?siteId="+site)

	var recusal, grant protocol.PulledRecord
	o.ok(o.eva, "POST", "/v1/recusals", obj{"userId": o.cai.User.ID, "scope": "site/" + site, "why": "亲属"}, &recusal)
	o.clock.move(time.Minute)
	o.no(o.cai, 404, field.CodeNotFound, "GET", "/v1/reports/"+v.report, nil)
	o.no(o.cai, 403, field.CodeSecondPerson, "POST", "/v1/recusals/"+string(recusal.ID)+"/end", o.body(string(recusal.ID), obj{"reason": "想看"}))
	o.click(o.eva, "recusals", string(recusal.ID), "end", obj{"reason": "已调岗"}, "ended")
	o.clock.move(time.Minute)
	o.ok(o.cai, "GET", "/v1/reports/"+v.report, nil, nil)
	o.no(o.cai, 404, field.CodeNotFound, "POST", "/v1/grants", obj{"userId": o.cai.User.ID, "scope": "clue/" + a, "why": "好奇"}) // nobody gives what he cannot see
	o.ok(o.cai, "POST", "/v1/grants", obj{"userId": o.gus.User.ID, "scope": "site/" + site}, &grant)
	o.click(o.cai, "grants", string(grant.ID), "end", obj{"reason": "结束"}, "ended")
}

// kept: a value that lost against another one, and an operation that could not be applied. discredited: a photo that
// proves nothing any more, and what has to be looked at again because of it.
func (o *office) discredited(v visit, merged string) {
	t := o.t
	t.Helper()
	path := "/v1/photos/" + v.photo
	o.no(o.dai, 403, field.CodeNotPermitted, "POST", path+"/discredit", o.body(v.photo, obj{"reason": "翻拍"}))
	o.no(o.ann, 403, field.CodeNotPermitted, "POST", path+"/discredit", o.body(v.photo, obj{"reason": "翻拍"}))
	o.no(o.cai, 400, field.CodeMissingField, "POST", path+"/discredit", o.body(v.photo, nil))
	state := o.record(o.cai, v.photo).State
	o.click(o.cai, "photos", v.photo, "discredit", obj{"reason": "翻拍的旧照片"}, state)
	o.no(o.cai, 409, field.CodeNotNow, "POST", path+"/discredit", o.body(v.photo, obj{"reason": "再一次"}))
	if why := o.text(o.cai, v.photo, "discreditReason"); why != "翻拍的旧照片" {
		t.Errorf("the photo says %q", why)
	}
	o.ok(o.ann, "GET", path, nil, nil) // it stays to be seen
	about := o.list(o.cai, "/v1/reviews?state=open&kind=finding&photoId="+v.photo)
	if len(about) != 1 {
		t.Fatalf("of the finding ask %v", about)
	}
	o.listed(o.cai, "/v1/reviews?recordId="+v.finding, about...)
	o.no(o.ann, 403, field.CodeNotPermitted, "POST", "/v1/reviews/"+about[0]+"/decide", o.body(about[0], obj{"decision": "stands", "reason": "r"}))
	o.no(o.cai, 400, field.CodeBadChoice, "POST", "/v1/reviews/"+about[0]+"/decide", o.body(about[0], obj{"decision": "maybe", "reason": "r"}))
	o.click(o.cai, "reviews", about[0], "decide", obj{"decision": "weakened", "reason": "还有访谈"}, "decided")
	o.listed(o.dai, "/v1/reviews?kind=clue&recordId="+merged)
}

func (o *office) kept(v visit, site string) {
	t := o.t
	t.Helper()
	o.click(o.cai, "reports", v.report, "return", obj{"items": []obj{{"item": "roof", "comment": "?"}}, "deadline": o.ago(-time.Hour)}, "returned")
	base := o.body(v.report, nil)["version"]
	edit := func(text string) obj {
		return obj{"id": v.report, "kind": "report", "base": base, "set": obj{"summary": text}}
	}
	o.sends(o.ann, "site/"+site, edit("东侧漏水"))
	var res protocol.PushResponse
	o.ben.push("site/"+site, edit("西侧漏水")).want(200).into(&res)
	if res.Outcomes[0].Outcome != protocol.Conflict {
		t.Fatalf("two phones wrote the same field: %+v", res.Outcomes)
	}
	conflict := string(res.Outcomes[0].Conflicts[0])
	o.listed(o.cai, "/v1/conflicts?state=open&recordId="+v.report, conflict)
	o.click(o.cai, "conflicts", conflict, "resolve", obj{"take": "offered"}, "resolved")
	if got := o.text(o.cai, v.report, "summary"); got != "西侧漏水" {
		t.Errorf("the summary is %q", got)
	}
	took := func(seconds int) obj {
		return obj{"id": v.report, "kind": "report", "base": base, "set": obj{"activeSeconds": seconds}}
	}
	o.ann.push("site/"+site, took(1500)).want(200)
	o.ben.push("site/"+site, took(1800)).want(200).into(&res)
	conflict = string(res.Outcomes[0].Conflicts[0])
	third := obj{"version": o.body(conflict, nil)["version"], "take": "other"}
	o.no(o.cai, 400, field.CodeMissingField, "POST", "/v1/conflicts/"+conflict+"/resolve", third)
	third["value"] = "long"
	o.no(o.cai, 400, field.CodeWrongType, "POST", "/v1/conflicts/"+conflict+"/resolve", third)
	o.click(o.cai, "conflicts", conflict, "resolve", obj{"take": "other", "value": 1650}, "resolved")
	if got := string(o.world.record(v.report).Fields["activeSeconds"]); got != "1650" {
		t.Errorf("it took %s seconds", got)
	}
	o.ann.push("site/"+site, obj{"id": o.id(), "kind": "report", "base": 0, "set": obj{"siteId": site, "weather": "雨"}}).want(200).into(&res)
	parked := string(res.Outcomes[0].RecordID)
	o.listed(o.cai, "/v1/parked?state=open&code=unknown_field&author="+string(o.ann.User.ID), parked)
	o.click(o.cai, "parked", parked, "settle", obj{"reason": "旧版应用"}, "settled")

	// What can never be good as it came is accepted with a correction, or taken over by an act of who reviews it.
	refused := func() string {
		o.ann.push("site/"+site, o.op("finding", o.id(), obj{"siteId": site, "title": "墙裂", "weather": "雨"})).want(200).into(&res)
		return string(res.Outcomes[0].RecordID)
	}
	parked = refused()
	o.no(o.cai, 400, field.CodeUnknownField, "POST", "/v1/parked/"+parked+"/accept", o.body(parked, nil))
	o.click(o.cai, "parked", parked, "accept", obj{"correction": obj{"set": obj{"title": "墙裂，雨天"}, "drop": []string{"weather"}}}, "accepted")
	parked = refused()
	made := o.id()
	o.no(o.cai, 400, field.CodeMissingField, "POST", "/v1/parked/"+parked+"/takeover", o.body(parked, nil))
	o.no(o.ben, 404, field.CodeNotFound, "POST", "/v1/parked/"+parked+"/takeover", o.body(parked, obj{"recordId": site, "recordVersion": 1}))
	o.click(o.cai, "parked", parked, "takeover", obj{"operation": obj{"id": made, "kind": "finding", "base": 0, "set": obj{"siteId": site, "title": "墙裂"}}, "note": "按原文录入"}, "taken")
	o.ok(o.cai, "GET", "/v1/findings/"+made, nil, nil)
	o.no(o.cai, 404, field.CodeNotFound, "GET", "/v1/parked/"+parked+"/photo", nil)

	// What somebody sends to a site where he has no task is kept, and accepted by who reviews that site.
	finding, bob := o.id(), o.admin.hire("bob", access.Inspector)
	bob.push("site/"+site, o.op("finding", finding, obj{"siteId": site, "title": "漏雨"})).want(200).into(&res)
	parked = string(res.Outcomes[0].RecordID)
	o.listed(o.cai, "/v1/parked?state=open&author="+string(bob.User.ID), parked)
	o.listed(o.eva, "/v1/parked?state=open&author="+string(bob.User.ID))
	o.click(o.cai, "parked", parked, "accept", nil, "accepted")
	o.ok(o.cai, "GET", "/v1/findings/"+finding, nil, nil)

	// What says a number of a person is read again by who wrote it alone, until it is destroyed. Nobody else is told
	// the number: not by the kept record, not by a page, not by the log of the program.
	number := "138 0013 8000"
	said := func() string {
		o.ann.push("site/"+site, o.op("finding", o.id(), obj{"siteId": site, "title": "漏雨，电话 " + number})).want(200).into(&res)
		if res.Outcomes[0].Code != field.CodeIdentityInText {
			t.Errorf("%+v", res)
		}
		return string(res.Outcomes[0].RecordID)
	}
	parked = said()
	path := "/v1/parked/" + parked
	var content struct{ Operation obj }
	o.ok(o.ann, "GET", path+"/content", nil, &content)
	if set, ok := content.Operation["set"].(map[string]any); !ok || set["title"] != "漏雨，电话 "+number {
		t.Errorf("the author reads %v", content)
	}
	for _, u := range []*user{o.ann, o.cai} {
		if a := u.do("GET", "/v1/records/"+parked, nil); strings.Contains(string(a.body), "8000") {
			t.Errorf("the record says %s", a.body)
		}
	}
	o.no(o.cai, 403, field.CodeNotPermitted, "GET", path+"/content", nil)
	o.no(bob, 404, field.CodeNotFound, "GET", path+"/content", nil)
	o.no(o.cai, 400, field.CodeIdentityInText, "POST", path+"/accept", o.body(parked, nil))
	o.no(o.cai, 400, field.CodeIdentityInText, "POST", path+"/destroy", o.body(parked, obj{"reason": "是 " + number}))
	o.no(bob, 404, field.CodeNotFound, "POST", path+"/destroy", o.body(parked, obj{"reason": "不该"}))
	o.click(o.cai, "parked", parked, "destroy", obj{"reason": "已另行登记"}, "destroyed")
	o.no(o.ann, 409, field.CodeContentDestroyed, "GET", path+"/content", nil)
	own := said()
	o.click(o.ann, "parked", own, "destroy", obj{"reason": "写错了"}, "destroyed")
	for _, id := range []string{parked, own} {
		if _, err := o.store.GetDoc(t.Context(), store.Sealed, id); !field.Is(err, field.CodeNotFound) {
			t.Errorf("the key of %s: %v", id, err)
		}
	}
	o.no(o.cai, 400, field.CodeIdentityInText, "PATCH", "/v1/sites/"+site, obj{"version": o.body(site, nil)["version"], "fields": obj{"address": number}})
	o.no(o.cai, 400, field.CodeIdentityInText, "PATCH", "/v1/sites/"+site, obj{"version": o.body(site, nil)["version"], "fields": obj{number: "x"}})
	for what, text := range map[string]string{"the log": o.log.String(), "the metrics": string(o.cai.do("GET", "/metrics", nil).body)} {
		if strings.Contains(text, number) || strings.Contains(text, "13800138000") {
			t.Errorf("%s holds the number", what)
		}
	}
}

// What the desk asks before it gives a grant or a recusal cannot be gone round by a phone.
func TestAPhoneGivesNoAccess(t *testing.T) {
	o := newOffice(t)
	clue := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	var recusal protocol.PulledRecord
	o.ok(o.eva, "POST", "/v1/recusals", obj{"userId": o.cai.User.ID, "scope": "clue/" + clue, "why": "亲属"}, &recusal)
	var res protocol.PushResponse
	o.cai.push("user/"+string(o.cai.User.ID),
		o.op("grant", o.id(), obj{"scope": "clue/" + clue, "why": "好奇"}), o.op("recusal", o.id(), obj{"scope": "clue/" + clue, "why": "捣乱"}),
		o.command("recusal", string(recusal.ID), "end", obj{"reason": "想看"}),
	).want(200).into(&res)
	for i, code := range []field.Code{field.CodeNotFound, field.CodeNotFound, field.CodeSecondPerson} {
		if out := res.Outcomes[i]; out.Outcome != protocol.Rejected || out.Code != code {
			t.Errorf("operation %d: %+v, want %s", i, out, code)
		}
	}
	o.clock.move(time.Minute)
	o.no(o.cai, 404, field.CodeNotFound, "GET", "/v1/clues/"+clue, nil)
}

// Bad input at the desk is a problem document with a stable code, and nothing moves.
func TestBadInputAtTheDeskMovesNothing(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	v := o.visits(sites[0], time.Hour, strings.Repeat("a", 64))
	o.admin.do("POST", "/v1/orgs", obj{"code": "elsewhere", "name": "别处", "region": "110101"}).want(201)
	o.admin.do("POST", "/v1/people", obj{"org": "elsewhere", "login": "xin", "password": password, "name": "xin", "roles": []obj{{"role": "supervisor"}}}).want(201)
	site := func(fields obj) obj {
		all := obj{"name": "水厂", "projectId": o.project, "region": "520502"}
		for k, v := range fields {
			all[k] = v
		}
		return obj{"fields": all}
	}
	deadline := o.ago(-time.Hour)
	cases := []struct {
		name, method, path string
		body               any
		status             int
		code               field.Code
	}{
		{"no JSON", "POST", "/v1/sites", []byte(`{"fields":`), 400, field.CodeBadJSON},
		{"two values", "POST", "/v1/sites", []byte(`{"fields":{}} {}`), 400, field.CodeBadJSON},
		{"not UTF-8", "POST", "/v1/sites", []byte("{\"id\":\"\xff\"}"), 400, field.CodeBadJSON},
		{"too deep", "POST", "/v1/sites", []byte(`{"fields":{"name":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`), 400, field.CodeTooDeep},
		{"an unknown member", "POST", "/v1/sites", obj{"fields": obj{}, "trusted": true}, 400, field.CodeBadRequest},
		{"a member of another type", "POST", "/v1/reports/" + v.report + "/take", obj{"version": "1"}, 400, field.CodeBadRequest},
		{"too large", "POST", "/v1/sites", site(obj{"address": strings.Repeat("x", 1<<20)}), 413, field.CodeBodyTooLarge},
		{"no fields", "POST", "/v1/sites", obj{}, 400, field.CodeMissingField},
		{"a required field missing", "POST", "/v1/sites", obj{"fields": obj{"name": "水厂"}}, 400, field.CodeMissingField},
		{"a wrong type", "POST", "/v1/sites", site(obj{"radius": "wide"}), 400, field.CodeWrongType},
		{"a text over its limit", "POST", "/v1/sites", site(obj{"name": strings.Repeat("长", 201)}), 400, field.CodeTooLong},
		{"NaN", "POST", "/v1/sites", []byte(`{"fields":{"name":"水厂","projectId":"` + o.project + `","region":"520502","radius":NaN}}`), 400, field.CodeBadJSON},
		{"a number without end", "POST", "/v1/sites", []byte(`{"fields":{"name":"水厂","projectId":"` + o.project + `","region":"520502","radius":1e999}}`), 400, field.CodeOutOfRange},
		{"absurd coordinates", "POST", "/v1/sites", site(obj{"position": obj{"lat": 91, "lon": 0}}), 400, field.CodeBadPosition},
		{"nowhere", "POST", "/v1/sites", site(obj{"position": obj{"lat": 0, "lon": 0}}), 400, field.CodeBadPosition},
		{"an id of another kind", "POST", "/v1/sites", site(obj{"projectId": o.template}), 400, field.CodeWrongKind},
		{"another organisation's site", "POST", "/v1/sites", site(obj{"orgs": []string{"elsewhere"}}), 403, field.CodeForeignOrg},
		{"an unknown field", "POST", "/v1/sites", site(obj{"colour": "red"}), 400, field.CodeUnknownField},
		{"the server's own field", "POST", "/v1/sites", site(obj{"voidReason": "r"}), 400, field.CodeReadOnlyField},
		{"a field that stays", "PATCH", "/v1/sites/" + sites[0], o.body(sites[0], obj{"fields": obj{"region": "520503"}}), 400, field.CodeReadOnlyField},
		{"nothing to change", "PATCH", "/v1/sites/" + sites[0], o.body(sites[0], obj{"fields": obj{}}), 400, field.CodeMissingField},
		{"a required field removed", "PATCH", "/v1/sites/" + sites[0], o.body(sites[0], obj{"fields": obj{"name": nil}}), 400, field.CodeMissingField},
		{"an impossible choice", "POST", "/v1/projects", obj{"fields": obj{"externalId": "Y", "name": "n", "type": "rumour", "county": "520502"}}, 400, field.CodeBadChoice},
		{"a deadline before 2000", "POST", "/v1/reports/" + v.report + "/return", o.body(v.report, obj{"items": []obj{{"item": "roof", "comment": "?"}}, "deadline": "1999-01-01T00:00:00Z"}), 400, field.CodeBadTime},
		{"a deadline without offset", "POST", "/v1/reports/" + v.report + "/return", o.body(v.report, obj{"items": []obj{{"item": "roof", "comment": "?"}}, "deadline": "2099-01-01 00:00"}), 400, field.CodeBadTime},
		{"a return of nothing", "POST", "/v1/reports/" + v.report + "/return", o.body(v.report, obj{"items": []obj{}, "deadline": deadline}), 400, field.CodeMissingField},
		{"a state that does not allow it", "POST", "/v1/reports/" + v.report + "/archive", o.body(v.report, nil), 409, field.CodeNotNow},
		{"an old version", "POST", "/v1/reports/" + v.report + "/take", obj{"version": 1}, 409, field.CodeStale},
		{"a negative version", "POST", "/v1/reports/" + v.report + "/take", obj{"version": -1}, 400, field.CodeMissingField},
		{"a scope that is none", "POST", "/v1/grants", obj{"userId": o.ann.User.ID, "scope": "everything"}, 400, field.CodeBadID},
		{"a person that is none", "POST", "/v1/recusals", obj{"userId": o.id(), "scope": "site/" + sites[0], "why": "w"}, 404, field.CodeNotFound},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			o.no(o.cai, tc.status, tc.code, tc.method, tc.path, tc.body)
		})
	}
}

// The auditor sees and changes nothing; the administrator makes users and reads no content.
func TestTheAuditorChangesNothingAndTheAdministratorReadsNothing(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	v := o.visits(sites[0], time.Hour, strings.Repeat("a", 64))
	auditor := o.admin.hire("aud", access.Auditor)
	o.ok(auditor, "GET", "/v1/reports/"+v.report, nil, nil)
	o.listed(auditor, "/v1/findings", v.finding)
	o.no(o.admin, 404, field.CodeNotFound, "GET", "/v1/reports/"+v.report, nil)
	o.listed(o.admin, "/v1/findings")
	o.listed(o.admin, "/v1/clues")
	before := fmt.Sprint(o.heads())
	for _, u := range []*user{auditor, o.admin} {
		for _, r := range o.api.Routes() {
			if r.Rule.String() == "signed in" || r.Rule.String() == "open" || r.Rule.String() == "metrics token" || r.Rule.String() == "clue.export" || r.Rule.String() == "recusal.create" || r.Rule.String() == "parked.settle" ||
				strings.HasPrefix(r.Rule.String(), "org.") || strings.HasPrefix(r.Rule.String(), "person.") {
				continue
			}
			if u == o.admin && (strings.HasPrefix(r.Rule.String(), "code.") || strings.HasPrefix(r.Rule.String(), "device.")) {
				continue
			}
			u.do(r.Method, strings.Replace(r.Path, "{id}", v.report, 1), obj{"version": 1}).refused(403, field.CodeNotPermitted)
		}
	}
	if after := fmt.Sprint(o.heads()); after != before {
		t.Error("something was written")
	}
}

// A click that is repeated under its key has its effect once and gets the record again.
func TestARepeatedClickHasItsEffectOnce(t *testing.T) {
	o := newOffice(t)
	o.ledger()
	fields := obj{"fields": obj{"title": "信访件", "channel": "petition"}}
	var first, second protocol.PulledRecord
	o.ok(o.dai, "POST", "/v1/clues", fields, &first, "Idempotency-Key", "k1")
	o.ok(o.dai, "POST", "/v1/clues", fields, &second, "Idempotency-Key", "k1")
	if first.ID != second.ID || first.Version != second.Version {
		t.Errorf("one click made %s and %s", first.ID, second.ID)
	}
	id := string(first.ID)
	body := obj{"version": first.Version}
	o.ok(o.dai, "POST", "/v1/clues/"+id+"/register", body, &first, "Idempotency-Key", "k2")
	o.ok(o.dai, "POST", "/v1/clues/"+id+"/register", body, &second, "Idempotency-Key", "k2")
	if first.Version != second.Version || o.text(o.dai, id, "number") != "gz-liwan-2026-0001" && !strings.HasSuffix(o.text(o.dai, id, "number"), "-0001") {
		t.Errorf("registered twice: %d and %d, %s", first.Version, second.Version, o.text(o.dai, id, "number"))
	}
	if a := o.dai.do("POST", "/v1/clues/"+id+"/assign", o.body(id, obj{"handler": o.han.User.ID}), "Idempotency-Key", "k2").refused(409, field.CodeBatchReused); !strings.Contains(string(a.body), "Idempotency-Key") {
		t.Errorf("the answer speaks of something else: %s", a.body)
	}
	o.no(o.dai, 400, field.CodeBadID, "POST", "/v1/clues", obj{"id": id, "fields": fields["fields"]})
	o.no(o.dai, 400, field.CodeBadID, "POST", "/v1/clues", obj{"id": "17", "fields": fields["fields"]})
}

// Of two who decide at once, one is told that the other was first.
func TestTwoDecideAtOnce(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	v := o.visits(sites[0], time.Hour, strings.Repeat("a", 64))
	second := o.admin.hire("cam", access.Supervisor)
	body := o.body(v.report, nil)
	answers := make([]answer, 2)
	var wg sync.WaitGroup
	for i, u := range []*user{o.cai, second} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			answers[i] = u.do("POST", "/v1/reports/"+v.report+"/take", body)
		}()
	}
	wg.Wait()
	slices.SortFunc(answers, func(a, b answer) int { return a.status - b.status })
	if answers[0].status != http.StatusOK || answers[1].status != http.StatusConflict {
		t.Errorf("%d %s and %d %s", answers[0].status, answers[0].code(), answers[1].status, answers[1].code())
	}
}

// Somebody of another organisation finds nothing, and cannot tell what is there from what is not.
func TestStrangersFindNothing(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	v := o.visits(sites[0], time.Hour, strings.Repeat("a", 64))
	clue := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	campaign := o.make(o.cai, "campaigns", obj{
		"title": "回头看", "from": "2026-12-01", "to": "2026-12-31", "templateId": o.template, "strata": []obj{{"stratum": "problems", "size": 1}},
	})
	o.admin.do("POST", "/v1/orgs", obj{"code": "elsewhere", "name": "别处", "region": "110101"}).want(201)
	var strangers []*user
	for _, role := range []access.Role{access.Supervisor, access.ClueManager, access.Leader, access.Auditor} {
		login := "x-" + string(role)
		strangers = append(strangers, o.admin.hireIn("elsewhere", login, role))
	}
	known := map[string]string{
		"reports": v.report, "findings": v.finding, "interviews": v.interview, "photos": v.photo, "clues": clue, "campaigns": campaign,
		"sites": sites[0], "projects": o.project, "templates": o.template, "revisits": o.id(), "links": o.id(), "flags": o.id(),
		"conflicts": o.id(), "parked": o.id(), "grants": o.id(), "recusals": o.id(), "notices": o.id(), "records": v.report,
	}
	for _, u := range strangers {
		for _, r := range o.api.Routes() {
			parts := strings.Split(r.Path, "/")
			id, ok := known[parts[2%len(parts)]]
			if !ok {
				continue
			}
			path := strings.Replace(r.Path, "{id}", id, 1)
			switch {
			case r.Method == "GET" && !strings.Contains(r.Path, "{id}"):
				var page workflow.Records
				u.do("GET", path, nil).want(200).into(&page)
				if len(page.Items) != 0 {
					t.Errorf("%s sees %d items of %s", u.User.Name, len(page.Items), path)
				}
			case r.Method == "GET":
				o.no(u, 404, field.CodeNotFound, "GET", path, nil)
				o.no(u, 404, field.CodeNotFound, "GET", strings.Replace(r.Path, "{id}", o.id(), 1), nil)
			case strings.Contains(r.Path, "{id}"):
				o.stranger(u, r, path)
			}
		}
	}
}

// stranger posts to what is there and to what is not: both answers are the same, and nothing is written.
func (o *office) stranger(u *user, r api.Route, path string) {
	o.t.Helper()
	body := obj{"version": 1}
	switch parts := strings.Split(r.Path, "/"); {
	case r.Method == "PATCH":
		body["fields"] = obj{"name": "改"}
	case parts[len(parts)-1] == "links":
		body = obj{"targetKind": "photo", "targetId": o.id(), "relation": "supports"}
	case parts[len(parts)-1] == "draw":
		body["seed"] = "s"
	}
	before := fmt.Sprint(o.heads())
	there, not := u.do(r.Method, path, body), u.do(r.Method, strings.Replace(r.Path, "{id}", o.id(), 1), body)
	if there.status != not.status || there.code() != not.code() || there.status != 404 && there.status != 403 {
		o.t.Errorf("%s %s as %s: %d %s for what is there, %d %s for what is not", r.Method, r.Path, u.User.Name, there.status, there.code(), not.status, not.code())
	}
	if after := fmt.Sprint(o.heads()); before != after {
		o.t.Errorf("%s %s as %s wrote something", r.Method, r.Path, u.User.Name)
	}
}

func TestAPageIsAskedForAsDocumented(t *testing.T) {
	o := newOffice(t)
	for _, bad := range []string{"limit=0", "limit=201", "limit=many", "after=%21", "after=bm9wZQ"} {
		o.no(o.cai, 400, field.CodeBadRequest, "GET", "/v1/reports?"+bad, nil)
	}
	o.no(o.dai, 400, field.CodeBadRequest, "GET", "/v1/records/"+o.make(o.dai, "clues", obj{"title": "t", "channel": "audit"})+"/history?after=-1", nil)
	var want []string
	for i := range 7 {
		want = append(want, o.make(o.dai, "clues", obj{"title": fmt.Sprint(i), "channel": "audit", "batch": "b"}))
	}
	var got []string
	for after := ""; ; {
		var page workflow.Records
		o.ok(o.dai, "GET", "/v1/clues?batch=b&limit=3&after="+after, nil, &page)
		for _, r := range page.Items {
			got = append(got, string(r.ID))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("paged %v, want %v", got, want)
	}
}
