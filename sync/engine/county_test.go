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
	"fieldclue/sync/engine/enginetest"
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
	world *enginetest.World

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
	c.world = &enginetest.World{T: t, Engine: func() *engine.Engine { return c.Engine }, Records: s.Records, Now: c.clock.now, ID: id, Number: c.next}
	c.world.Org("gz-liwan", "bijie")
	c.world.Org("bijie", "gz-liwan")
	c.world.Org("qiannan")
	c.chen = c.person("gz-liwan", "陈", access.Inspector)
	c.lin = c.person("bijie", "林", access.Inspector)
	c.zhao = c.person("gz-liwan", "赵", access.Supervisor)
	c.wu = c.person("gz-liwan", "吴", access.ClueManager)
	c.qian = c.person("gz-liwan", "钱", access.Leader)
	c.stranger = c.person("qiannan", "外", access.Inspector)
	c.template, c.foreignSite = id(), id()
	c.project = c.world.Project("gz-liwan")
	c.site = c.world.Site(c.project, "gz-liwan", "bijie")
	c.server("org/gz-liwan",
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
	c.world.Server(field.Scope(scope), ops...)
}

func (c *county) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
	return c.batches
}

func (c *county) person(org field.OrgID, name string, role access.Role) *access.Actor {
	a := c.world.Person(org, name, role)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people[a.User] = a
	return a
}

// anotherServer is a second process on the same store.
func (c *county) anotherServer() *county {
	other := &county{
		t: c.t, ctx: c.ctx, store: c.store, clock: c.clock, people: c.people, scope: c.scope, chen: c.chen,
		Engine: engine.New(engine.Options{Store: c.store, Now: c.clock.now, ActorOf: c.whois}),
	}
	world := *c.world
	world.Engine, world.Number = func() *engine.Engine { return other.Engine }, other.next
	other.world = &world
	return other
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
	mandate := c.world.Mandate("gz-liwan", "bijie", "site", c.site, "2026-01-01", "2026-12-31", powers...)
	c.mandate = mandate.ID
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
