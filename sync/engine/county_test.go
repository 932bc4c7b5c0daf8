package engine_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// county is a small world: two organisations that inspect one site together, and a third that has nothing to do with
// it.
type county struct {
	t     *testing.T
	ctx   context.Context
	store engine.Kept
	*engine.Engine
	clock *clock

	chen, lin, zhao, wu, qian, stranger *access.Actor // inspectors, inspector, supervisor, clue manager, leader, foreign inspector
	site, project, template             field.RecordID
	scope                               field.Scope
	foreignSite                         field.RecordID
	mandate                             field.RecordID // of gz-liwan for bijie
	people                              map[field.UserID]*access.Actor
	batches                             int64
	mu                                  sync.Mutex
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

// onBothStores runs a test on the embedded store and on MongoDB or its stand-in.
func onBothStores(t *testing.T, test func(t *testing.T, c *county)) {
	storagetest.OnBothStores(t, func(t *testing.T, s storage.Store) { test(t, newCounty(t, s)) })
}

func onSQLite(t *testing.T) *county { return newCounty(t, storagetest.SQLite(t)) }

func id() field.RecordID {
	var r [10]byte
	_, _ = rand.Read(r[:]) // never fails
	return field.NewID(time.Now(), r)
}

func fields(v any) map[string]field.Value {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var m map[string]field.Value
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	return m
}

type m = map[string]any

func newCounty(t *testing.T, s engine.Kept) *county {
	c := &county{t: t, ctx: t.Context(), store: s, clock: &clock{at: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}}
	c.people = map[field.UserID]*access.Actor{}
	c.Engine = engine.New(engine.Options{Store: s, Now: c.clock.now, ActorOf: c.whois})
	for _, org := range []struct {
		code     string
		partners []string
	}{{"gz-liwan", []string{"bijie"}}, {"bijie", []string{"gz-liwan"}}, {"qiannan", nil}} {
		c.server("org/"+org.code, protocol.Operation{ID: field.OrgRecord(field.OrgID(org.code)), Kind: field.KindOrg, Set: fields(m{"code": org.code, "name": org.code, "region": "520500", "partners": org.partners})})
	}
	c.chen = c.person("gz-liwan", "陈", access.Inspector)
	c.lin = c.person("bijie", "林", access.Inspector)
	c.zhao = c.person("gz-liwan", "赵", access.Supervisor)
	c.wu = c.person("gz-liwan", "吴", access.ClueManager)
	c.qian = c.person("gz-liwan", "钱", access.Leader)
	c.stranger = c.person("qiannan", "外", access.Inspector)
	c.project, c.site, c.template, c.foreignSite = id(), id(), id(), id()
	c.server("org/gz-liwan",
		protocol.Operation{ID: c.project, Kind: field.KindProject, Set: fields(m{"externalId": "P-1", "name": "茶厂", "type": "industry", "county": "520502"})},
		protocol.Operation{ID: c.site, Kind: field.KindSite, Set: fields(m{
			"name": "村口", "projectId": c.project, "region": "520502", "orgs": []string{"gz-liwan", "bijie"}, "position": m{"lat": 27.3, "lon": 105.28}, "radius": 80,
		})},
		protocol.Operation{ID: c.template, Kind: field.KindTemplate, Set: fields(m{"title": "清单", "version": 1, "items": []m{
			{"id": "roof", "zh": "屋顶是否完好", "type": "text", "required": true}, {"id": "paid", "zh": "是否已付款", "type": "yes_no"},
		}})},
		protocol.Operation{ID: c.template, Kind: field.KindTemplate, Command: "publish"},
	)
	c.server("org/qiannan", protocol.Operation{ID: c.foreignSite, Kind: field.KindSite, Set: fields(m{"name": "外地", "projectId": c.project, "region": "522700", "orgs": []string{"qiannan"}})})
	c.scope = field.MakeScope(field.ScopeSite, string(c.site))
	c.chen.Scopes = []field.Scope{c.scope}
	c.lin.Scopes = []field.Scope{c.scope}
	c.empower(c.lin, field.PowerInspect)
	c.stranger.Scopes = []field.Scope{field.MakeScope(field.ScopeSite, string(c.foreignSite))}
	return c
}

// server commits as the server itself.
func (c *county) server(scope string, ops ...protocol.Operation) {
	c.t.Helper()
	if _, err := c.Commit(c.ctx, protocol.Batch{Actor: engine.Server, Device: "server/setup", Number: c.next(), Scope: field.Scope(scope), Operations: ops, Strict: true, Trusted: true}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *county) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
	return c.batches
}

func (c *county) person(org field.OrgID, name string, role access.Role) *access.Actor {
	user := id()
	c.server("org/"+string(org), protocol.Operation{ID: user, Kind: field.KindPerson, Set: fields(m{"name": name, "roles": []m{{"role": role}}})})
	a := &access.Actor{User: field.UserID(user), Org: org, Name: name, Device: field.DeviceID(id()), Roles: []access.Grant{{Role: role}}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people[a.User] = a
	return a
}

// anotherServer is a second process on the same store.
func (c *county) anotherServer() *county {
	return &county{
		t: c.t, ctx: c.ctx, store: c.store, clock: c.clock, people: c.people, scope: c.scope, chen: c.chen,
		Engine: engine.New(engine.Options{Store: c.store, Now: c.clock.now, ActorOf: c.whois}),
	}
}

// whois says who somebody is, as accounts does for the engine.
func (c *county) whois(_ context.Context, user field.UserID) (*access.Actor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.people[user]; a != nil {
		now := *a
		now.HandsIn = false // the person may although the device may not
		return &now, nil
	}
	return nil, nil
}

// empower gives the other organisation's people a mandate for the joint site.
func (c *county) empower(who *access.Actor, powers ...field.Power) {
	c.mandate = id()
	c.server("org/gz-liwan",
		protocol.Operation{ID: c.mandate, Kind: field.KindMandate, Set: fields(m{
			"principal": "gz-liwan", "agent": "bijie", "subjects": []m{{"kind": "site", "ref": c.site}}, "powers": powers,
			"validFrom": "2026-01-01", "validTo": "2026-12-31", "document": "委托函〔2026〕1号",
		})},
		protocol.Operation{ID: c.mandate, Kind: field.KindMandate, Command: "approve"},
	)
	mandate, ok := field.MandateOf(c.get(c.mandate), c.clock.now())
	if !ok {
		c.t.Fatal("the mandate does not count")
	}
	who.Mandates = []field.Mandate{mandate}
	for _, a := range []*access.Actor{c.chen, c.zhao, c.wu, c.qian} {
		a.Given = []field.Mandate{mandate}
	}
}

// push sends operations as a phone does.
func (c *county) push(who *access.Actor, scope field.Scope, ops ...protocol.Operation) protocol.PushResponse {
	c.t.Helper()
	resp, err := c.Push(c.ctx, who, protocol.PushRequest{Device: who.Device, Batch: c.next(), Scope: scope, Operations: ops})
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// click gives a command as the desk does.
func (c *county) click(who *access.Actor, r *field.Record, command string, args any) error {
	op := protocol.Operation{ID: r.ID, Kind: r.Kind, Base: r.Version, Command: command}
	if args != nil {
		op.Args = fields(args)
	}
	_, err := c.Commit(c.ctx, protocol.Batch{Actor: who, Device: "desk/" + who.Device, Number: c.next(), Scope: r.Scope, Operations: []protocol.Operation{op}, Strict: true})
	return err
}

func (c *county) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// get reads a record; nil when there is none.
func (c *county) get(id field.RecordID) *field.Record {
	c.t.Helper()
	rs, err := c.store.Records(c.ctx, []field.RecordID{id})
	c.must(err)
	if len(rs) == 0 {
		return nil
	}
	return rs[0]
}

// list reads all records of a kind.
func (c *county) list(kind field.Kind, keys ...string) []*field.Record {
	c.t.Helper()
	rs, err := c.store.List(c.ctx, store.Query{Visible: access.Everything, Kinds: []field.Kind{kind}, Keys: keys, Limit: 1000, Deleted: true})
	c.must(err)
	return rs
}

// newReport writes a draft that could be submitted.
func (c *county) newReport(who *access.Actor, team ...*access.Actor) field.RecordID {
	c.t.Helper()
	report := id()
	op := c.reportOp(report)
	if len(team) > 0 {
		var users []field.UserID
		for _, a := range team {
			users = append(users, a.User)
		}
		op.Set["inspectors"] = field.Quote(users)
	}
	resp := c.push(who, c.scope, op)
	c.outcome(resp, 0, protocol.Applied)
	return report
}

func (c *county) reportOp(report field.RecordID) protocol.Operation {
	return protocol.Operation{ID: report, Kind: field.KindReport, Set: fields(m{
		"siteId": c.site, "templateId": c.template, "templateVersion": 1, "inspectors": []any{c.chen.User, c.lin.User},
		"startedAt": "2026-11-23T08:00:00+08:00", "endedAt": "2026-11-23T09:00:00+08:00", "answers": m{"roof": m{"value": "漏雨"}},
	})}
}

func (c *county) outcome(resp protocol.PushResponse, i int, want protocol.OutcomeKind) protocol.Outcome {
	c.t.Helper()
	if len(resp.Outcomes) <= i || resp.Outcomes[i].Outcome != want {
		c.t.Fatalf("operation %d: %+v, want %s", i, resp.Outcomes, want)
	}
	return resp.Outcomes[i]
}

// sound checks that the log is whole and the records are its image.
func (c *county) sound() {
	c.t.Helper()
	v, err := engine.Verify(c.ctx, c.store, engine.Look{})
	c.must(err)
	if len(v.Faults) > 0 {
		c.t.Fatalf("verification: %v", v.Faults)
	}
	if v.Entries == 0 || v.Records == 0 {
		c.t.Fatal("verification saw nothing")
	}
}
