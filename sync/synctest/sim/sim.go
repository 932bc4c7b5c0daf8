// Package sim plays sync against itself: phones on bad links, several servers on one store, crashes, store errors,
// clocks that jump, upgrades, restored backups and access that ends, all chosen by a seed, and checks afterwards that
// nothing was lost, doubled or leaked.
//
// Run is the one to read; story.go is what people do, server.go and link.go are what goes wrong and where, breaks.go
// breaks the promises one by one to show that it would be noticed, check.go and linear.go are what must hold. The
// phones are the real ones of sync/phone, the servers are real engines on a real store; between them there is a
// transport in place of HTTP.
//
// One thing happens at a time. Two servers meet inside one commit all the same: at each call to the store another phone
// may come first, through another server. So a seed gives the same history every time, down to the hashes of the log.
//
// Not here: several batches in one lane of one server (the engine's tests fire those), photos, HTTP.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// Store is the store of a run.
type Store interface {
	engine.Kept
	engine.Docs
	Close() error
}

// Options of a run. Dir is an empty directory for the phones, and for a store that lives in one.
type Options struct {
	Seed    uint64
	Dir     string
	Open    func(ctx context.Context, dir string) (Store, error)
	Phones  int // 0: 3
	Servers int // 0: 2
	Steps   int // 0: 120
	Break   Break

	// Choose picks a number below n, the higher the worse for everybody; nil: by the seed.
	Choose func(n int) int
	// Copy makes a backup of the store in one directory in another, where Open finds it; nil: no backups.
	Copy func(ctx context.Context, dir, to string) error
	// Copies lets phones be put back to a copy of theirs, and be cloned. Then nobody looks for an order of all answers.
	Copies bool
	// Alone lets no two servers meet inside a commit, for an engine without transactions.
	Alone bool
}

// Report says what happened in a run. Points counts, by its name, each place at which something went wrong.
type Report struct {
	Operations, Problems, Revoked, Upgrades, Restores, Desk, Reviews int
	Frozen                                                           int // changes of parts that came too late and are kept
	Copies, Forks                                                    int // phones that were put back or cloned, and numbers that were used twice
	Linear                                                           int // operations and reads whose order was checked
	Points                                                           map[string]int
	Digest                                                           string // of all heads: equal for equal seeds
}

const (
	day     = 24 * time.Hour
	horizon = 400 * day
)

type world struct {
	o       Options
	ctx     context.Context
	store   Store   // the one that serves
	opened  []Store // all, to be closed
	dir     string  // of the store
	copied  string  // of its last backup
	random  *rand.Rand
	clock   time.Time // the servers'
	servers []*server
	people  []*person
	desk    *access.Actor
	sites   []field.RecordID

	template field.RecordID
	visits   map[field.RecordID]field.RecordID // by site: the report that names everybody as an inspector
	handed   map[field.RecordID]field.RecordID // by site: the report of another visit of them all, which is handed in and reviewed
	writes   []write
	acked    map[string]bool       // values whose answer came through
	calm     bool                  // nothing goes wrong any more
	inside   bool                  // somebody came first, inside a call to the store
	late     map[field.Scope]int64 // LateRows
	history  history
	faults   []string
	report   Report
	batches  int64
}

type person struct {
	n     int
	actor *access.Actor
	phone *phone.Phone
	o     phone.Options
	skew  time.Duration
	busy  bool
	died  string           // where its directory was copied to when the battery went empty
	sent  [][]byte         // pushes, for repetition
	read  map[string]int64 // values, by when they were read first
	twin  *device

	copied   string // where its directory was copied to, to be put back or cloned; empty: nowhere
	copiedAt int    // how much was written then
	hadRead  map[string]int64
}

// device is what the copies of a phone have in common: the server takes them for one.
type device struct {
	n      int // of the person who had it first
	copies int // phones that were put back to a copy or cloned
	first  map[string]string

	claimed map[string][]protocol.Operation // by the bytes of the push: LastWins, ClockWins
}

// write is a value that somebody wrote; there is no other like it.
type write struct {
	by    int
	value string
	at    int64
	read  []map[string]int64 // what was read on the phones from which it may come: where it was written, and on copies
	lost  bool               // the phone was put back to a copy from before, and nobody had answered
	risky bool               // the same, but it was answered: it is lost if the server is put back too
}

// Run plays one seed. The error is what did not hold, or what stopped it.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Phones, o.Servers, o.Steps = orDefault(o.Phones, 3), orDefault(o.Servers, 2), orDefault(o.Steps, 120)
	w := &world{
		o: o, ctx: ctx, random: rand.New(rand.NewPCG(o.Seed, 77)), clock: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC),
		late: map[field.Scope]int64{}, acked: map[string]bool{}, report: Report{Points: map[string]int{}},
	}
	if w.o.Choose == nil {
		w.o.Choose = w.random.IntN
	}
	err := w.open(filepath.Join(o.Dir, "store"))
	if err == nil {
		err = w.settle()
	}
	for step := 0; step < o.Steps && err == nil && len(w.faults) == 0; step++ {
		if err = w.step(step); err != nil {
			err = fmt.Errorf("step %d: %w", step, err)
		}
	}
	if err == nil && len(w.faults) == 0 {
		err = w.finish()
	}
	for _, p := range w.people {
		_ = p.phone.Close() // its directory goes away with it
	}
	for _, s := range w.opened {
		err = errors.Join(err, s.Close())
	}
	if err == nil && len(w.faults) > 0 {
		err = fmt.Errorf("%s", strings.Join(w.faults, "\n  "))
	}
	if err != nil {
		return w.report, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	return w.report, nil
}

// open begins with the store in a directory, and servers of the older version on it.
func (w *world) open(dir string) error {
	s, err := w.o.Open(w.ctx, dir)
	if err != nil {
		return err
	}
	w.store, w.dir = s, dir
	w.opened = append(w.opened, s)
	for len(w.servers) < w.o.Servers {
		w.servers = append(w.servers, w.boot(true))
	}
	return nil
}

func orDefault(n, d int) int {
	if n == 0 {
		return d
	}
	return n
}

func (w *world) id() field.RecordID {
	var r [10]byte
	for i := range r {
		r[i] = byte(w.random.Uint32())
	}
	return field.NewID(w.clock, r)
}

func (w *world) now() time.Time {
	w.clock = w.clock.Add(time.Millisecond)
	return w.clock
}

// choose picks a number below n.
func (w *world) choose(n int) int { return w.o.Choose(n) }

// chance is true in so many of a thousand cases, while things may go wrong.
func (w *world) chance(permille int) bool { return !w.calm && w.choose(1000) >= 1000-permille }

// at is chance, at a named point.
func (w *world) at(point string, permille int) bool {
	hit := w.chance(permille)
	if hit {
		w.report.Points[point]++
	}
	return hit
}

func (w *world) fault(format string, args ...any) {
	if len(w.faults) < 10 {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

type set = map[string]any

func quoted(v set) map[string]field.Value {
	out := map[string]field.Value{}
	for k, x := range v {
		out[k] = field.Quote(x)
	}
	return out
}

const secret = "of the simulation" // so that a seed replays exactly

// quiet is an engine to which nothing happens.
func (w *world) quiet() *engine.Engine {
	return engine.New(engine.Options{Store: w.store, Now: w.now, Horizon: horizon, Secret: secret, ActorOf: w.person})
}

// settle makes an organisation, its people with their phones, and two sites, each with the reports of two visits of
// them all: what is found there everybody may edit, at the second one until it is handed in.
func (w *world) settle() error {
	project, template := w.id(), w.id()
	ops := []protocol.Operation{
		{ID: field.OrgRecord("bijie"), Kind: field.KindOrg, Set: quoted(set{"code": "bijie", "name": "毕节", "region": "520500"})},
		{ID: project, Kind: field.KindProject, Set: quoted(set{"externalId": "P", "name": "茶园", "type": "industry", "county": "520502"})},
		{ID: template, Kind: field.KindTemplate, Set: quoted(set{"title": "清单", "version": 1, "items": []set{{"id": checklistItem, "zh": "屋顶是否完好", "type": "text"}}})},
		{ID: template, Kind: field.KindTemplate, Command: "publish"},
	}
	for range 2 {
		site := w.id()
		w.sites = append(w.sites, site)
		ops = append(ops, protocol.Operation{ID: site, Kind: field.KindSite, Set: quoted(set{"name": "村", "projectId": project, "region": "520502", "orgs": []string{"bijie"}})})
	}
	member := func(name string, role access.Role) *access.Actor {
		user := w.id()
		ops = append(ops, protocol.Operation{ID: user, Kind: field.KindPerson, Set: quoted(set{"name": name, "roles": []set{{"role": role}}})})
		return &access.Actor{User: field.UserID(user), Org: "bijie", Device: field.DeviceID(w.id()), Roles: []access.Grant{{Role: role}}}
	}
	w.desk = member("监督室", access.Supervisor)
	for n := range w.o.Phones {
		p := &person{n: n, actor: member(fmt.Sprint("检查员", n), access.Inspector), read: map[string]int64{}, twin: &device{n: n, first: map[string]string{}, claimed: map[string][]protocol.Operation{}}}
		p.actor.Scopes = w.scopes()
		w.people = append(w.people, p)
	}
	if err := w.given(engine.Server, "org/bijie", ops...); err != nil {
		return err
	}
	w.template, w.visits, w.handed = template, map[field.RecordID]field.RecordID{}, map[field.RecordID]field.RecordID{}
	var err error
	for _, site := range w.sites {
		if w.visits[site], err = w.visit(engine.Server, site); err != nil {
			return err
		}
		if w.handed[site], err = w.visit(w.people[0].actor, site); err != nil {
			return err
		}
	}
	for _, p := range w.people {
		if err := w.start(p, filepath.Join(w.o.Dir, fmt.Sprint("phone", p.n)), oldApp); err != nil {
			return err
		}
	}
	return nil
}

// start opens somebody's phone.
func (w *world) start(p *person, dir, app string) (err error) {
	p.o = phone.Options{
		Dir: dir, BaseURL: "http://server", Device: phone.Device{ID: p.actor.Device, Name: "sim", Platform: "sim"},
		App: app, Transport: &link{w: w, p: p}, Now: func() time.Time { return w.now().Add(p.skew) }, Seed: w.o.Seed, Attempts: 3,
		Sleep: func(context.Context, time.Duration) error { return nil }, Unlock: func() (string, string) { return "n", "p" },
	}
	p.phone, err = phone.Open(p.o)
	return err
}

// visit makes the report of a visit of everybody to a site.
func (w *world) visit(by *access.Actor, site field.RecordID) (field.RecordID, error) {
	var team []field.UserID
	for _, p := range w.people[:w.o.Phones] {
		team = append(team, p.actor.User)
	}
	id := w.id()
	return id, w.given(by, field.MakeScope(field.ScopeSite, string(site)), protocol.Operation{ID: id, Kind: field.KindReport, Set: quoted(set{
		"siteId": site, "templateId": w.template, "inspectors": team, "startedAt": protocol.Stamp(w.clock.Add(-time.Hour)), "endedAt": protocol.Stamp(w.clock),
	})})
}

// given commits what is there before the story begins, and what comes into it from outside.
func (w *world) given(by *access.Actor, scope field.Scope, ops ...protocol.Operation) error {
	w.batches++
	_, err := w.quiet().Commit(w.ctx, protocol.Batch{
		Actor: by, Device: "server/sim", Number: w.batches, Scope: scope, Operations: ops, Strict: true, Trusted: true,
	})
	return err
}

func (w *world) scopes() []field.Scope {
	var s []field.Scope
	for _, id := range w.sites {
		s = append(s, field.MakeScope(field.ScopeSite, string(id)))
	}
	return s
}

// person finds who a user is.
func (w *world) person(_ context.Context, user field.UserID) (*access.Actor, error) {
	i := slices.IndexFunc(w.people, func(p *person) bool { return p.actor.User == user })
	if i < 0 {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return w.people[i].actor, nil
}

// finish lets the weather clear up: all servers are of the newest version, everybody syncs until nothing waits, and
// everything is checked.
func (w *world) finish() error {
	w.calm = true
	for i := range w.servers {
		w.servers[i] = w.boot(false)
	}
	for range 3 {
		if _, err := w.quiet().Reconsider(w.ctx, w.person); err != nil {
			return fmt.Errorf("taking up what was kept: %w", err)
		}
		for _, p := range w.people {
			if err := p.phone.Sync(w.ctx); err != nil {
				return fmt.Errorf("phone %d on a good link: %w", p.n, err)
			}
		}
	}
	if err := w.check(); err != nil {
		return err
	}
	heads, err := w.heads(access.Everything)
	if err != nil {
		return err
	}
	sum := sha256.New()
	for _, h := range heads {
		_, _ = fmt.Fprintln(sum, h.Scope, h.Seq, h.Hash) // a hash takes everything
	}
	w.report.Digest = hex.EncodeToString(sum.Sum(nil)[:8])
	return nil
}

func (w *world) heads(visible access.Filter) ([]store.Head, error) {
	return w.store.Heads(w.ctx, store.ListScopes{Visible: visible, Limit: 1000})
}
