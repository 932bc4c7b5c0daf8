package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
	"fieldclue/sync/engine/enginetest"
	"fieldclue/sync/protocol"
)

// world is two organisations on the real write path and the embedded store, and the people of a story.
type world struct {
	t      *testing.T
	ctx    context.Context
	store  storage.Store
	engine *engine.Engine
	begin  *enginetest.World
	flow   *workflow.Flow
	clock  atomic.Int64 // Unix milliseconds
	last   int64        // number of a batch or record
	people map[string]*person
}

type person struct {
	id     field.UserID
	org    field.OrgID
	roles  []access.Grant
	device field.DeviceID
}

var everybody = []struct {
	name string
	org  field.OrgID
	role access.Role
}{
	{"ann", "gz", access.Inspector},
	{"ben", "gz", access.Inspector},
	{"cai", "gz", access.Supervisor},
	{"dai", "gz", access.ClueManager},
	{"eva", "gz", access.Leader},
	{"han", "gz", access.Handler},
	{"aud", "gz", access.Auditor},
	{"adm", "gz", access.Administrator},
	{"con", "gz", access.Contributor},
	{"gus", "gz", access.Inspector},
	{"xin", "elsewhere", access.Supervisor},
	{"yan", "elsewhere", access.ClueManager},
	{"zoe", "elsewhere", access.Leader},
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storagetest.SQLite(t))
}

// onBothStores runs a test on the embedded store and on MongoDB or its stand-in.
func onBothStores(t *testing.T, test func(t *testing.T, w *world)) {
	storagetest.OnBothStores(t, func(t *testing.T, s storage.Store) { test(t, newWorldOn(t, s)) })
}

func newWorldOn(t *testing.T, s storage.Store) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), people: map[string]*person{}, store: s}
	w.clock.Store(time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC).UnixMilli())
	w.engine = engine.New(engine.Options{Store: w.store, Now: w.now, ActorOf: w.whois})
	w.flow = workflow.New(w.store, w.engine, alike.New(w.store, w.now), w.now)
	w.begin = &enginetest.World{T: t, Engine: func() *engine.Engine { return w.engine }, Records: s.Records, Now: w.now, ID: w.id, Number: w.next}
	w.begin.Org("gz")
	w.begin.Org("elsewhere")
	for _, p := range everybody {
		a := w.begin.Person(p.org, p.name, p.role)
		w.people[p.name] = &person{id: a.User, org: p.org, roles: a.Roles, device: a.Device}
	}
	w.begin.Mandate("gz", "elsewhere", "region", "52", "2026-01-01", "2026-12-31")
	return w
}

func (w *world) now() time.Time                 { return time.UnixMilli(w.clock.Load()).UTC() }
func (w *world) pass(by time.Duration)          { w.clock.Add(by.Milliseconds()) }
func (w *world) stamp(ago time.Duration) string { return w.now().Add(-ago).Format(time.RFC3339) }
func (w *world) next() int64                    { w.last++; return w.last }

func (w *world) id() field.RecordID {
	var r [10]byte
	n := w.next()
	r[8], r[9] = byte(n>>8), byte(n)
	return field.NewID(w.now(), r)
}

func quoted(fields map[string]any) map[string]field.Value {
	out := make(map[string]field.Value, len(fields))
	for k, v := range fields {
		out[k] = field.Quote(v)
	}
	return out
}

// server commits as the server itself.
func (w *world) server(scope field.Scope, ops ...protocol.Operation) {
	w.t.Helper()
	w.begin.Server(scope, ops...)
}

// whois says who somebody is, as accounts does for the engine.
func (w *world) whois(_ context.Context, user field.UserID) (*access.Actor, error) {
	for name, p := range w.people {
		if p.id == user {
			return w.as(name), nil
		}
	}
	return nil, nil
}

// as is somebody with what the records grant at the moment.
func (w *world) as(name string) *access.Actor {
	w.t.Helper()
	p := w.people[name]
	a := &access.Actor{User: p.id, Name: name, Org: p.org, Device: p.device, Roles: p.roles}
	mandates, err := w.store.List(w.ctx, store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindMandate}, Limit: 100})
	w.must(err)
	for _, r := range mandates {
		if m, ok := field.MandateOf(r, w.now()); ok && m.Agent == a.Org {
			a.Mandates = append(a.Mandates, m)
		} else if ok && m.Principal == a.Org {
			a.Given = append(a.Given, m)
		}
	}
	records, err := w.store.List(w.ctx, store.Query{
		Visible: access.Everything, Scope: field.MakeScope(field.ScopeUser, string(p.id)),
		Kinds: []field.Kind{field.KindGrant, field.KindRecusal}, States: []field.State{field.StateActive}, Limit: 1000,
	})
	w.must(err)
	for _, r := range records {
		if r.Kind == field.KindGrant {
			a.Scopes = append(a.Scopes, field.Scope(r.Text("scope")))
		} else {
			a.Recused = append(a.Recused, field.Scope(r.Text("scope")))
		}
	}
	return a
}

// act is one click of somebody at the desk.
func (w *world) act(name string) workflow.Act {
	w.t.Helper()
	a := w.as(name)
	return workflow.Act{Actor: a, Device: "desk/" + a.Device, Number: w.next()}
}

// click is somebody's command to a record at the desk.
func (w *world) click(name string, kind field.Kind, id field.RecordID, version int64, command string, args map[string]any) (*field.Record, error) {
	w.t.Helper()
	return w.flow.Click(w.ctx, w.act(name), kind, id, version, command, quoted(args))
}

// push sends a batch from somebody's phone; every operation must be applied.
func (w *world) push(name string, scope field.Scope, ops ...protocol.Operation) {
	w.t.Helper()
	a := w.as(name)
	resp, err := w.engine.Push(w.ctx, a, protocol.PushRequest{
		Device: a.Device, Batch: w.next(), Scope: scope, Operations: ops, DeviceTime: w.stamp(0), App: "1.0.0", SkewMS: 1200,
	})
	w.must(err)
	for i, o := range resp.Outcomes {
		if o.Outcome != protocol.Applied {
			w.t.Fatalf("operation %d of %s: %s %s %s", i, name, o.Outcome, o.Code, o.Message)
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("refused: %v", err)
	}
}

// done is must for a click.
func (w *world) done(r *field.Record, err error) *field.Record {
	w.t.Helper()
	w.must(err)
	return r
}

func (w *world) get(id field.RecordID) *field.Record {
	w.t.Helper()
	rs, err := w.store.Records(w.ctx, []field.RecordID{id})
	w.must(err)
	if len(rs) != 1 {
		w.t.Fatalf("there is no record %s", id)
	}
	return rs[0]
}

func (w *world) v(id field.RecordID) int64 { return w.get(id).Version }

// heads is the state of every log: when it is the same, nothing was written and nothing announced.
func (w *world) heads() map[field.Scope]int64 {
	w.t.Helper()
	heads, err := w.store.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
	w.must(err)
	out := map[field.Scope]int64{}
	for _, h := range heads {
		out[h.Scope] = h.Seq
	}
	return out
}

// refuses does what must be refused with a code, and checks that no log has moved and nobody was told anything.
func (w *world) refuses(code field.Code, do func() (*field.Record, error)) {
	w.t.Helper()
	pokes, cancel := w.engine.Listen(16)
	defer cancel()
	before := w.heads()
	_, err := do()
	var e *field.Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Errorf("want %s, got %v", code, err)
	}
	if after := w.heads(); fmt.Sprint(before) != fmt.Sprint(after) {
		w.t.Errorf("a refusal with %s wrote: %v, before %v", code, after, before)
	}
	select {
	case p := <-pokes:
		w.t.Errorf("a refusal with %s was announced: %v", code, p)
	default:
	}
}

// county is what inspections stand on.
type county struct {
	project  field.ProjectID
	template field.TemplateID
	sites    []field.SiteID // active; the first two have photo points, the third a household that petitioned
}

func (w *world) county() county {
	w.t.Helper()
	c := county{project: field.ProjectID(w.id()), template: field.TemplateID(w.id())}
	w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindProject, field.RecordID(c.project), quoted(map[string]any{
		"externalId": "P-1", "name": "饮水工程", "type": "infrastructure", "county": "520502", "budget": 1000,
		"milestones": []map[string]any{{"name": "管网", "weight": 60, "planned": "2026-06-01", "actual": "2026-07-01"}, {"name": "水厂", "weight": 40, "planned": "2026-09-01"}},
	})))
	for _, p := range []map[string]any{{"date": "2026-01-01", "amount": 700}, {"date": "2026-02-01", "amount": 50}} {
		p["projectId"] = c.project
		w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindPayment, field.RecordID(w.id()), quoted(p)))
	}
	w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindTemplate, field.RecordID(c.template), quoted(map[string]any{
		"title": "清单", "version": 1, "items": []map[string]any{
			{"id": "roof", "zh": "屋面漏水？", "type": "yes_no", "required": true},
			{"id": "front", "zh": "正面照片", "type": "photo"},
		},
	})))
	w.done(w.click("cai", field.KindTemplate, field.RecordID(c.template), w.v(field.RecordID(c.template)), "publish", nil))
	for i := range 4 {
		id := field.SiteID(w.id())
		set := map[string]any{
			"name": fmt.Sprintf("水厂%d", i), "projectId": c.project, "region": "520502", "position": map[string]any{"lat": 27.3, "lon": 105.3},
			"photoPoints": map[string]any{"gate": map[string]any{"label": "大门"}},
		}
		w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindSite, field.RecordID(id), quoted(set)))
		if i == 2 {
			for _, h := range []map[string]any{{"alias": "甲户", "petitioned": true}, {"alias": "乙户"}} {
				h["siteId"] = id
				w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindHousehold, field.RecordID(w.id()), quoted(h)))
			}
		}
		if i < 3 {
			w.done(w.click("cai", field.KindSite, field.RecordID(id), w.v(field.RecordID(id)), "activate", nil))
			c.sites = append(c.sites, id)
		}
	}
	return c
}

func siteScope(id field.SiteID) field.Scope { return field.MakeScope(field.ScopeSite, string(id)) }

// see grants somebody a scope that cai sees.
func (w *world) see(name string, scope field.Scope) {
	w.t.Helper()
	w.done(w.flow.GrantAccess(w.ctx, w.act("cai"), w.id(), workflow.Scoping{UserID: w.people[name].id, Scope: scope, Why: "任务"}))
}

// visit is one visit of ann and ben, some time ago, with a photo, an interview and a finding.
type visit struct {
	report, photo, interview, finding field.RecordID
}

func (w *world) visit(c county, site field.SiteID, ago time.Duration, hash string) visit {
	w.t.Helper()
	v := visit{w.id(), w.id(), w.id(), w.id()}
	ann, ben := w.people["ann"].id, w.people["ben"].id
	scope := siteScope(site)
	op := func(kind field.Kind, id field.RecordID, set map[string]any) protocol.Operation {
		return protocol.Operation{ID: id, Kind: kind, Set: quoted(set)}
	}
	w.push("ann", scope,
		op(field.KindReport, v.report, map[string]any{
			"siteId": site, "templateId": c.template, "inspectors": []field.UserID{ann, ben}, "startedAt": w.stamp(ago), "endedAt": w.stamp(ago - time.Hour),
			"photos": []string{hash}, "answers": map[string]any{"roof": map[string]any{"value": true}, "front": map[string]any{"note": "见照片"}},
		}),
		op(field.KindPhoto, v.photo, map[string]any{
			"reportId": v.report, "siteId": site, "sha256": hash, "size": 10, "type": "image/jpeg", "item": "front", "photoPoint": "gate", "takenAt": w.stamp(ago),
		}),
		op(field.KindInterview, v.interview, map[string]any{"reportId": v.report, "siteId": site, "alias": "甲户", "text": "没有水"}),
		op(field.KindFinding, v.finding, map[string]any{
			"reportId": v.report, "siteId": site, "title": "屋面漏水", "facts": "三处", "evidence": []field.RecordID{v.photo, v.interview},
		}),
	)
	w.server(scope, protocol.Operation{ID: v.photo, Kind: field.KindPhoto, Base: w.v(v.photo), Command: "store", Args: quoted(map[string]any{"receipt": map[string]any{"sha256": hash}})})
	w.push("ann", scope,
		protocol.Operation{ID: v.report, Kind: field.KindReport, Base: w.v(v.report), Command: "submit"},
		protocol.Operation{ID: v.interview, Kind: field.KindInterview, Base: w.v(v.interview), Command: "submit"},
	)
	return v
}

// examined says that the server has looked at a photo.
func (w *world) examined(photo field.RecordID) {
	w.t.Helper()
	w.server(w.get(photo).Scope, protocol.Operation{ID: photo, Kind: field.KindPhoto, Base: w.v(photo), Command: "analyse", Args: quoted(map[string]any{
		"facts": map[string]any{"type": "image/jpeg"},
	})})
}

func (w *world) flag(report field.RecordID, severity string) field.RecordID {
	w.t.Helper()
	id := w.id()
	w.server(w.get(report).Scope, protocol.Operation{ID: id, Kind: field.KindFlag, Set: quoted(map[string]any{
		"code": "same_photo", "severity": severity, "reportId": report, "zh": "同一照片", "en": "the same photo",
	})})
	return id
}

func idsOf(page workflow.Records) []field.RecordID {
	out := []field.RecordID{}
	for _, r := range page.Items {
		out = append(out, r.ID)
	}
	return out
}

func same(t *testing.T, what string, got, want []field.RecordID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
