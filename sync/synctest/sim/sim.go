// Package sim plays sync against itself: phones on bad links, several servers on one store, crashes, store errors, clocks
// that jump and access that ends, all chosen by a seed, and checks afterwards that nothing was lost, doubled or leaked.
//
// Run is the one to read; faults.go is what goes wrong, check.go is what must hold all the same. The phones are the real
// ones of sync/synctest, the servers are real engines on a real store; between them there is a transport in place of HTTP.
// One thing happens at a time, so a seed gives the same history every time, down to the hashes of the log.
//
// Not here: two servers inside one commit at the same moment (storetest and the engine's tests fire those), photos, HTTP.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"fieldclue/sync/protocol"
	"fieldclue/sync/synctest"
)

// Break is a deliberate break of one promise, with which the simulation shows that it would notice.
type Break string

// The breaks.
const (
	None       Break = ""
	NoDedupe   Break = "a repeated batch has its effect again"
	LateRows   Break = "a cursor passes records that are not given out"
	OldImage   Break = "a record goes out as it was before"
	FilterLate Break = "scopes are asked for that the user may not read"
	NoFsync    Break = "a commit is acknowledged and not on disk when the server dies"
)

// Options of a run. Dir is an empty directory for the phones, Store is empty.
type Options struct {
	Seed    uint64
	Dir     string
	Store   engine.Kept
	Phones  int // 0: 3
	Servers int // 0: 2
	Steps   int // 0: 120
	Break   Break
}

// Report says what happened in a run.
type Report struct {
	Operations, Problems, Crashes, Lost, Repeated, Revoked int
	Digest                                                 string // of all heads: equal for equal seeds
}

const day = 24 * time.Hour

type world struct {
	o       Options
	ctx     context.Context
	random  *rand.Rand
	clock   time.Time // the servers'
	servers []*server
	people  []*person
	sites   []field.RecordID
	writes  []write
	calm    bool // nothing goes wrong any more
	faults  []string
	report  Report
	batches int64
}

type person struct {
	n     int
	actor *access.Actor
	phone *synctest.Phone
	o     synctest.Options
	skew  time.Duration
	sent  [][]byte // pushes, for repetition
	first map[string]string
}

// write is a value that somebody wrote; there is no other like it.
type write struct {
	by    int
	value string
}

// Run plays one seed. The error is what did not hold, or what stopped it.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Phones, o.Servers, o.Steps = orDefault(o.Phones, 3), orDefault(o.Servers, 2), orDefault(o.Steps, 120)
	w := &world{o: o, ctx: ctx, random: rand.New(rand.NewPCG(o.Seed, 77)), clock: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}
	for range o.Servers {
		w.servers = append(w.servers, w.boot())
	}
	if err := w.settle(); err != nil {
		return w.report, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	for step := range o.Steps {
		if err := w.step(step); err != nil {
			return w.report, fmt.Errorf("seed %d, step %d: %w", o.Seed, step, err)
		}
	}
	err := w.finish()
	for _, p := range w.people {
		_ = p.phone.Close() // its directory goes away with it
	}
	if err != nil {
		return w.report, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	if len(w.faults) > 0 {
		return w.report, fmt.Errorf("seed %d: %s", o.Seed, strings.Join(w.faults, "\n  "))
	}
	return w.report, nil
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

func (w *world) chance(percent int) bool { return !w.calm && w.random.IntN(100) < percent }

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

// commit writes as the server itself, on a good day.
func (w *world) commit(scope field.Scope, ops ...protocol.Operation) error {
	w.batches++
	calm := w.calm
	w.calm = true
	defer func() { w.calm = calm }()
	_, err := engine.New(engine.Options{Store: w.o.Store, Now: w.now}).Commit(w.ctx, protocol.Batch{
		Actor: engine.Server, Device: "server/sim", Number: w.batches, Scope: scope, Operations: ops, Strict: true, Trusted: true,
	})
	return err
}

// settle makes an organisation, its people with their phones, and two sites.
func (w *world) settle() error {
	const org = field.Scope("org/bijie")
	project := w.id()
	ops := []protocol.Operation{
		{ID: w.id(), Kind: field.KindOrg, Set: quoted(set{"code": "bijie", "name": "毕节", "region": "520500"})},
		{ID: project, Kind: field.KindProject, Set: quoted(set{"externalId": "P", "name": "茶园", "type": "industry", "county": "520502"})},
	}
	for range 2 {
		site := w.id()
		w.sites = append(w.sites, site)
		ops = append(ops, protocol.Operation{ID: site, Kind: field.KindSite, Set: quoted(set{"name": "村", "projectId": project, "region": "520502"})})
	}
	for n := range w.o.Phones {
		user := w.id()
		ops = append(ops, protocol.Operation{ID: user, Kind: field.KindPerson, Set: quoted(set{"name": fmt.Sprint("检查员", n), "roles": []set{{"role": access.Inspector}}})})
		p := &person{n: n, first: map[string]string{}}
		p.actor = &access.Actor{
			User: field.UserID(user), Org: "bijie", Device: field.DeviceID(w.id()), Roles: []access.Grant{{Role: access.Inspector}}, Scopes: w.scopes(),
		}
		w.people = append(w.people, p)
	}
	if err := w.commit(org, ops...); err != nil {
		return err
	}
	for _, p := range w.people {
		p.o = synctest.Options{
			Dir: filepath.Join(w.o.Dir, fmt.Sprint("phone", p.n)), BaseURL: "http://server", Device: synctest.Device{ID: p.actor.Device, Name: "sim", Platform: "sim"},
			Transport: &link{w: w, p: p}, Now: func() time.Time { return w.now().Add(p.skew) }, Seed: w.o.Seed, Attempts: 3,
			Sleep: func(context.Context, time.Duration) error { return nil }, Unlock: func() (string, string) { return "n", "p" },
		}
		var err error
		if p.phone, err = synctest.Open(p.o); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) scopes() []field.Scope {
	var s []field.Scope
	for _, id := range w.sites {
		s = append(s, field.MakeScope(field.ScopeSite, string(id)))
	}
	return s
}

// step lets one thing happen.
func (w *world) step(n int) error {
	p := w.people[w.random.IntN(len(w.people))]
	switch dice := w.random.IntN(100); {
	case dice < 55:
		return w.writeSomething(p, n)
	case dice < 85:
		_ = p.phone.Sync(w.ctx) // the link may fail it; it goes on where it was
	case dice < 89: // the battery is empty
		if err := p.phone.Close(); err != nil {
			return err
		}
		var err error
		p.phone, err = synctest.Open(p.o)
		return err
	case dice < 93:
		w.clock = w.clock.Add(time.Duration(w.random.IntN(72)) * time.Hour)
	case dice < 95:
		p.skew = time.Duration(w.random.IntN(5)-2) * day
	case dice < 98: // access ends, or begins again
		scope := w.scopes()[w.random.IntN(len(w.sites))]
		if i := slices.Index(p.actor.Scopes, scope); i >= 0 {
			w.report.Revoked++
			p.actor.Scopes = slices.Delete(slices.Clone(p.actor.Scopes), i, i+1)
		} else {
			p.actor.Scopes = append(slices.Clone(p.actor.Scopes), scope)
		}
	default:
		w.crash(w.random.IntN(len(w.servers)))
	}
	return nil
}

// writeSomething makes a finding, or changes one that the phone knows, offline.
func (w *world) writeSomething(p *person, n int) error {
	value := fmt.Sprintf("v%d-%d", n, w.random.Uint32())
	known := p.phone.Records(field.KindFinding)
	path := []string{"title", "facts"}[w.random.IntN(2)]
	var op synctest.Op
	if len(known) == 0 || w.random.IntN(3) == 0 {
		site := w.sites[w.random.IntN(len(w.sites))]
		op = synctest.Create(field.MakeScope(field.ScopeSite, string(site)), field.KindFinding, w.id(), set{"siteId": site, "title": value})
	} else {
		r := known[w.random.IntN(len(known))]
		op = synctest.Edit(r.Scope, field.KindFinding, r.ID, set{path: value})
	}
	if err := p.phone.Write(value, op); err != nil {
		return err
	}
	w.writes = append(w.writes, write{p.n, value})
	w.report.Operations++
	return nil
}

// finish lets the weather clear up: everybody syncs until nothing waits, and everything is checked.
func (w *world) finish() error {
	w.calm = true
	for i := range w.servers {
		w.servers[i] = w.boot()
	}
	for range 3 {
		for _, p := range w.people {
			if err := p.phone.Sync(w.ctx); err != nil {
				return fmt.Errorf("phone %d on a good link: %w", p.n, err)
			}
		}
	}
	if err := w.check(); err != nil {
		return err
	}
	heads, err := w.o.Store.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
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
