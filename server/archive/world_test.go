package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/server/access"
	"fieldclue/server/archive"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/engine/enginetest"
	"fieldclue/sync/protocol"
)

// raw is a store as it is opened.
type raw interface {
	engine.Kept
	Archive(ctx context.Context, b store.Bundled) error
}

// whole is a store with a Reader over it, as the program uses it.
type whole struct {
	engine.Kept
	log *archive.Reader
}

func (w whole) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	return w.log.Entry(ctx, scope, seq)
}

func (w whole) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	return w.log.Batch(ctx, scope, device, batch)
}

func (w whole) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	return w.log.Entries(ctx, scope, after, limit)
}

// world is two organisations, three sites, and people who write there with several devices for years.
type world struct {
	t      *testing.T
	ctx    context.Context
	random *rand.Rand
	raw    raw
	blobs  blob.Store
	dir    string // of the blobs
	now    time.Time

	engine *engine.Engine
	begin  *enginetest.World
	people []*access.Actor
	sites  []field.RecordID
	visits map[field.RecordID]field.RecordID // by site: the report that names everybody as an inspector
	made   []*field.Record                   // id, kind and scope of what was written
	sent   []protocol.PushRequest
	by     []*access.Actor // of sent
	n      int64
	fewer  bool // a picture has the pulls from a few cursors only
}

func newWorld(t *testing.T, seed uint64, s raw) *world {
	w := &world{t: t, ctx: t.Context(), random: rand.New(rand.NewPCG(seed, 1)), raw: s, dir: t.TempDir(), now: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)}
	blobs, err := dir.Open(dir.Config{Root: w.dir})
	w.must(err)
	w.blobs = blobs
	w.restart()
	begin := &enginetest.World{
		T: t, Engine: func() *engine.Engine { return w.engine }, Records: s.Records, Now: func() time.Time { return w.now }, ID: w.id,
		Number: func() int64 { w.n++; return w.n },
	}
	w.begin = begin
	begin.Org("gz-liwan", "bijie", "gz-liwan")
	begin.Org("bijie", "bijie", "gz-liwan")
	project := begin.Project("gz-liwan")
	for range 3 {
		w.sites = append(w.sites, begin.Site(project, "gz-liwan", "bijie"))
	}
	forBijie := begin.Mandate("gz-liwan", "bijie", "project", project, "2024-01-01", "2044-01-01", field.PowerInspect)
	var team []field.UserID
	for i, org := range []field.OrgID{"gz-liwan", "bijie", "gz-liwan"} {
		who := begin.Person(org, fmt.Sprint("人", i), access.Inspector)
		if org == "bijie" {
			who.Mandates = []field.Mandate{forBijie}
		}
		for _, site := range w.sites {
			who.Scopes = append(who.Scopes, field.MakeScope(field.ScopeSite, string(site)))
		}
		team = append(team, who.User)
		again := *who
		again.Device = field.DeviceID(w.id())
		w.people = append(w.people, who, &again)
	}
	w.visits = map[field.RecordID]field.RecordID{}
	for _, site := range w.sites {
		w.visits[site] = w.id()
		w.server("site/"+string(site), protocol.Operation{ID: w.visits[site], Kind: field.KindReport, Set: fields(m{"siteId": site, "templateId": w.id(), "inspectors": team})})
	}
	return w
}

// restart is what a new start of the server does: nothing is remembered.
func (w *world) restart() whole {
	s := whole{w.raw, archive.Over(w.raw, w.blobs)}
	w.engine = engine.New(engine.Options{Store: s, Now: func() time.Time { return w.now }, Horizon: 400 * 24 * time.Hour})
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) id() field.RecordID {
	w.n++
	return field.DeriveID(w.now, "archive", fmt.Sprint(w.n))
}

type m = map[string]any

func fields(v any) map[string]field.Value {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var f map[string]field.Value
	if err := json.Unmarshal(raw, &f); err != nil {
		panic(err)
	}
	return f
}

func (w *world) server(scope string, ops ...protocol.Operation) {
	w.t.Helper()
	w.begin.Server(field.Scope(scope), ops...)
}

func (w *world) push(who *access.Actor, scope field.Scope, ops ...protocol.Operation) {
	w.t.Helper()
	w.n++
	req := protocol.PushRequest{Device: who.Device, Batch: w.n, Scope: scope, App: "1.4.0", DeviceTime: protocol.Stamp(w.now), Operations: ops}
	_, err := w.engine.Push(w.ctx, who, req)
	w.must(err)
	w.sent, w.by = append(w.sent, req), append(w.by, who)
}

// live lets people write: new findings, edits of what they and others wrote, from what they last saw or from before,
// voids, edits of what is void, and things that are refused.
func (w *world) live(batches int) {
	w.t.Helper()
	for range batches {
		w.now = w.now.Add(time.Duration(w.random.IntN(20*24)) * time.Hour)
		who, site := w.people[w.random.IntN(len(w.people))], w.sites[w.random.IntN(len(w.sites))]
		scope, report := field.MakeScope(field.ScopeSite, string(site)), w.visits[site]
		var ops []protocol.Operation
		for range 1 + w.random.IntN(3) {
			if len(w.made) == 0 || w.random.IntN(3) == 0 {
				f := &field.Record{ID: w.id(), Kind: field.KindFinding, Scope: scope}
				w.made = append(w.made, f)
				ops = append(ops, protocol.Operation{ID: f.ID, Kind: f.Kind, Set: fields(m{"siteId": site, "reportId": report, "title": fmt.Sprint("漏雨 ", w.n), "facts": string(bytes.Repeat([]byte("三户 "), w.random.IntN(200)))})})
				continue
			}
			old := w.made[w.random.IntN(len(w.made))]
			scope = old.Scope
			base := int64(w.random.IntN(4))
			if rs, err := w.raw.Records(w.ctx, []field.RecordID{old.ID}); err == nil && len(rs) > 0 && w.random.IntN(2) == 0 {
				base = rs[0].Version
			}
			op := protocol.Operation{ID: old.ID, Kind: old.Kind, Base: base}
			switch w.random.IntN(8) {
			case 0:
				op.Command, op.Args = "void", fields(m{"reason": "重复"})
			case 1:
				op.Set = fields(m{"mood": "bad"}) // is kept, and refused
			default:
				op.Set = fields(m{[]string{"title", "facts", "promise"}[w.random.IntN(3)]: fmt.Sprint("改 ", w.n)})
			}
			ops = append(ops, op)
		}
		w.push(who, scope, ops...)
	}
}

// picture is everything that can be asked of the server, by the question. Nothing of it may change by archiving.
func (w *world) picture() map[string]string {
	w.t.Helper()
	s := w.restart()
	p := map[string]string{}
	heads, err := s.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
	w.must(err)
	for _, h := range heads {
		entries, err := s.Entries(w.ctx, h.Scope, 0, 10_000)
		w.must(err)
		for i, e := range entries {
			p[fmt.Sprintf("entry %s %d", h.Scope, i+1)] = fmt.Sprintf("%+v %s", e, e.Body)
			one, err := s.Entry(w.ctx, h.Scope, e.Seq)
			w.must(err)
			batch, err := s.Batch(w.ctx, h.Scope, e.Device, e.Batch)
			w.must(err)
			if fmt.Sprint(one) != fmt.Sprint(e) || fmt.Sprint(batch) != fmt.Sprint(e) {
				w.t.Fatalf("entry %d of %s is another by its number or by its batch", e.Seq, h.Scope)
			}
			if w.fewer && i%7 > 0 {
				continue
			}
			for _, load := range []string{"", protocol.Whole, protocol.Loading(h.Seq, h.Hash)} {
				at := protocol.Cursor{Seq: e.Seq, Hash: e.Hash, Load: load}
				w.pull(p, fmt.Sprintf("pull %s from %d %q", h.Scope, e.Seq, load), map[field.Scope]protocol.Cursor{h.Scope: at}, 3)
			}
		}
	}
	w.pull(p, "first load", nil, 2)
	for i, req := range w.sent {
		resp, err := w.engine.Push(w.ctx, w.by[i], req)
		w.must(err)
		p[fmt.Sprint("batch ", req.Batch)] = string(field.Quote(resp))
	}
	v, err := engine.Verify(w.ctx, s, engine.Look{})
	w.must(err)
	if len(v.Faults) > 0 {
		w.t.Fatal(v.Faults)
	}
	p["verification"] = fmt.Sprintf("%+v", *v)
	return p
}

// pull asks for a page and for those that follow.
func (w *world) pull(p map[string]string, name string, cursors map[field.Scope]protocol.Cursor, pages int) {
	w.t.Helper()
	who := w.people[0]
	req := protocol.PullRequest{Device: who.Device, Cursors: map[field.Scope]protocol.Cursor{}, Limit: 5}
	for scope, at := range cursors {
		req.Cursors[scope] = at
	}
	for i := range pages {
		resp, err := w.engine.Pull(w.ctx, who, req)
		w.must(err)
		p[fmt.Sprint(name, " page ", i)] = string(field.Quote(resp))
		for scope, at := range resp.Cursors {
			req.Cursors[scope] = at
		}
		for _, scope := range resp.Restart {
			delete(req.Cursors, scope)
		}
	}
}

func (w *world) same(what string, before, after map[string]string) {
	w.t.Helper()
	if len(before) != len(after) {
		w.t.Fatalf("%s: %d answers, %d before", what, len(after), len(before))
	}
	for question, answer := range before {
		if after[question] != answer {
			w.t.Fatalf("%s: %s is answered\n%s\nand was\n%s", what, question, after[question], answer)
		}
	}
}

// plan archives what is older than a day, in small bundles.
func (w *world) plan() archive.Plan {
	return archive.Plan{Store: w.raw, Blobs: w.blobs, Now: w.now.Add(25 * time.Hour), Age: 24 * time.Hour, Entries: 4, Bytes: 6000, Few: 1}
}

func openSQLite(t *testing.T) raw { return storagetest.SQLite(t) }
func openMongo(t *testing.T) raw  { return storagetest.MongoDB(t) }
