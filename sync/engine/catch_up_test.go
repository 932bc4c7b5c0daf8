package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

const (
	day     = 24 * time.Hour
	horizon = 400 * day
)

// puller is a phone that reads. An old one keeps of a cursor only what it knows.
type puller struct {
	c       *county
	who     *access.Actor
	old     bool
	cursors map[field.Scope]protocol.Cursor
	held    map[field.RecordID]protocol.PulledRecord

	restarts, tombstones int
}

func (c *county) puller(old bool) *puller {
	return &puller{c: c, who: c.chen, old: old, cursors: map[field.Scope]protocol.Cursor{}, held: map[field.RecordID]protocol.PulledRecord{}}
}

// page reads one page, and reports whether there is more.
func (r *puller) page(limit int) bool {
	r.c.t.Helper()
	resp, err := r.c.Pull(r.c.ctx, r.who, protocol.PullRequest{Device: r.who.Device, Cursors: r.cursors, Limit: limit})
	r.c.must(err)
	for _, scope := range resp.Restart {
		r.restarts++
		delete(r.cursors, scope)
		for id, one := range r.held {
			if one.Scope == scope {
				delete(r.held, id)
			}
		}
	}
	for _, one := range resp.Records {
		if one.Deleted {
			r.tombstones++
			delete(r.held, one.ID)
		} else {
			r.held[one.ID] = one
		}
	}
	for scope, at := range resp.Cursors {
		if r.old {
			at.Load = ""
		}
		r.cursors[scope] = at
	}
	return resp.More
}

// drain reads to the end.
func (r *puller) drain() {
	r.c.t.Helper()
	for pages := 0; r.page(7); pages++ {
		if pages > 2000 {
			r.c.t.Fatal("the pull does not end")
		}
	}
}

// equal checks that the phone, which has read to the end, holds what the server does, by the records and by the digest.
func (r *puller) equal() {
	r.c.t.Helper()
	live, err := r.c.store.List(r.c.ctx, store.Query{Visible: access.Everything, Scope: r.c.scope, Limit: 10_000})
	r.c.must(err)
	var digest protocol.Digest
	n := 0
	for _, one := range r.held {
		if one.Scope == r.c.scope {
			digest.Mix(one.ID, one.Version)
			n++
		}
	}
	for _, one := range live {
		if r.held[one.ID].Version != one.Version {
			r.c.t.Errorf("the phone holds version %d of a record, the server %d", r.held[one.ID].Version, one.Version)
		}
	}
	if n != len(live) {
		r.c.t.Errorf("the phone holds %d records, the server %d", n, len(live))
	}
	resp, err := r.c.Pull(r.c.ctx, r.who, protocol.PullRequest{Device: r.who.Device, Cursors: r.cursors, Digests: map[field.Scope]string{r.c.scope: digest.String()}})
	r.c.must(err)
	if len(resp.Diverged) > 0 || len(resp.Restart) > 0 || resp.More {
		r.c.t.Errorf("diverged %v, restart %v, more %v", resp.Diverged, resp.Restart, resp.More)
	}
}

func (c *county) later(d time.Duration) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	c.clock.at = c.clock.at.Add(d)
}

// withHorizon gives the county an engine with a horizon, and a log of three years in its scope: findings, every third
// of them void.
func (c *county) withHorizon() (findings []field.RecordID) {
	c.t.Helper()
	c.Engine = engine.New(engine.Options{Store: c.store, Now: c.clock.now, Horizon: horizon})
	for i := range 24 {
		findings = append(findings, c.finding())
		if i%3 == 0 {
			c.void(findings[i])
		}
		c.later(45 * day)
	}
	return findings
}

func (c *county) finding() field.RecordID {
	c.t.Helper()
	f := id()
	c.outcome(c.push(c.lin, c.scope, protocol.Operation{ID: f, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "漏雨"})}), 0, protocol.Applied)
	return f
}

func (c *county) void(finding field.RecordID) {
	c.t.Helper()
	op := protocol.Operation{ID: finding, Kind: field.KindFinding, Base: c.get(finding).Version, Command: "void", Args: fields(m{"reason": "重复"})}
	c.outcome(c.push(c.lin, c.scope, op), 0, protocol.Applied)
}

// A scope's log is years old, and a phone on a bad link takes weeks for its first load, page by page, while others go
// on working. It is never sent back to the start, and nothing that was voided meanwhile stays with it.
func TestASlowFirstLoadOfAnOldScope(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		findings := c.withHorizon()
		alive := slices.DeleteFunc(findings, func(f field.RecordID) bool { return c.get(f).Deleted })
		for _, old := range []bool{false, true} {
			r := c.puller(old)
			r.drain() // the small scopes before
			delete(r.cursors, c.scope)
			clear(r.held)
			r.tombstones = 0
			for i := 1; r.page(2); i++ {
				c.later(5 * day)
				if i%3 == 0 { // some that it holds already, some that it does not
					c.void(alive[0])
					c.void(alive[len(alive)-1])
					alive = alive[1 : len(alive)-1]
				}
				if i > 100 {
					t.Fatal("the load does not end")
				}
			}
			if r.restarts > 0 {
				t.Errorf("it was sent back to the start %d times", r.restarts)
			}
			r.equal()
		}
	})
}

// What was void before a load began is not sent; a phone that holds the records is told.
func TestAFirstLoadBringsNoTombstones(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		findings := c.withHorizon()
		r, before := c.puller(false), c.puller(false)
		r.drain()
		if r.tombstones > 0 {
			t.Errorf("%d tombstones for a phone that held nothing", r.tombstones)
		}
		before.drain()
		c.void(findings[1])
		c.void(findings[4])
		for _, one := range []*puller{r, before} {
			one.drain()
			if one.tombstones != 2 || one.restarts != 0 {
				t.Errorf("%d tombstones and %d restarts, want the two that were voided", one.tombstones, one.restarts)
			}
			one.equal()
		}
	})
}

func TestAPhoneBehindTheHorizonLoadsAfresh(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		findings := c.withHorizon()
		next := 1
		for _, tc := range []struct {
			name     string
			days     int
			old      bool
			restarts int
		}{
			{"399 days away", 399, false, 0},
			{"401 days away", 401, false, 1},
			{"399 days away, an old app", 399, true, 0},
			{"401 days away, an old app", 401, true, 0},
		} {
			r := c.puller(tc.old)
			r.drain()
			r.restarts = 0
			c.later(90 * day) // nobody writes: the phone has all there is
			c.void(findings[next])
			c.later(time.Duration(tc.days) * day)
			c.void(findings[next+3])
			next += 6
			r.drain()
			if r.restarts != tc.restarts {
				t.Errorf("%s: sent back to the start %d times", tc.name, r.restarts)
			}
			r.equal()
		}
		quiet := c.puller(false)
		quiet.drain()
		c.later(3 * 365 * day)
		quiet.drain()
		c.finding()
		quiet.drain()
		if quiet.restarts > 0 {
			t.Error("a phone that had read all was sent back to the start because the scope had been quiet")
		}
		quiet.equal()
	})
}

// A load that began in a history which was then put back to an older copy is not gone on with: what was voided before
// it began was not the same.
func TestALoadFromALostHistoryBeginsAnew(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.withHorizon()
		r := c.puller(false)
		r.drain()
		good := r.cursors[c.scope]
		mark, err := c.store.Marks(c.ctx, c.scope, 5, 1)
		c.must(err)
		for name, tc := range map[string]struct {
			load   string
			afresh bool
		}{
			"as it was given":         {protocol.Loading(good.Seq, good.Hash), false},
			"another history":         {protocol.Loading(good.Seq, strings.Repeat("0", 64)), true},
			"beyond the end":          {protocol.Loading(good.Seq+1, good.Hash), true},
			"far beyond the end":      {protocol.Loading(1<<62, good.Hash), true},
			"before the cursor":       {protocol.Loading(3, good.Hash), true},
			"not a number":            {"x y", false},
			"nothing that is known":   {"later", false},
			"a number that is no seq": {"-5 " + good.Hash, false},
		} {
			at := protocol.Cursor{Seq: 6, Hash: mark[0].Hash, Load: tc.load}
			resp, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Limit: 2, Cursors: map[field.Scope]protocol.Cursor{c.scope: at}})
			c.must(err)
			if got := slices.Contains(resp.Restart, c.scope); got != tc.afresh {
				t.Errorf("%s: sent back to the start: %v", name, got)
			}
		}
	})
}

// Whatever phones, desks and the server's clock do, a phone that reads to the end holds what the server holds, and it
// is sent back to the start at most once after each absence or jump of the clock.
func TestAnyReaderEndsEqual(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := storagetest.SQLite(t)
			c := newCounty(t, s)
			random := rand.New(rand.NewPCG(seed, 7))
			live := c.withHorizon()
			live = slices.DeleteFunc(live, func(f field.RecordID) bool { return c.get(f).Deleted })
			readers := []*puller{c.puller(false), c.puller(true), c.puller(false), c.puller(true)}
			reasons := 0
			for range 150 {
				switch n := random.IntN(20); {
				case n < 5:
					live = append(live, c.finding())
				case n < 9 && len(live) > 0:
					i := random.IntN(len(live))
					c.void(live[i])
					live = slices.Delete(live, i, i+1)
				case n < 17:
					readers[random.IntN(len(readers))].page(1 + random.IntN(5))
				case n < 19:
					c.later(time.Duration(random.IntN(60)) * day)
				default:
					reasons++
					c.later(time.Duration(random.IntN(1200)-500) * day)
				}
			}
			for i, r := range readers {
				r.drain()
				r.equal()
				if r.restarts > reasons+12 || r.old && r.restarts > 0 {
					t.Errorf("reader %d was sent back to the start %d times after %d jumps", i, r.restarts, reasons)
				}
			}
		})
	}
}

// graves is a store whose scope holds a million tombstones.
type graves struct {
	engine.Kept
	scope field.Scope
	on    bool
	read  int
}

const million = 1_000_000

func (g *graves) Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error) {
	heads, err := g.Kept.Heads(ctx, q)
	for i := range heads {
		if g.on && heads[i].Scope == g.scope {
			heads[i].Seq, heads[i].Hash = million, "h"
		}
	}
	return heads, err
}

func (g *graves) Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	if !g.on || scope != g.scope {
		return g.Kept.Marks(ctx, scope, after, limit)
	}
	return []store.Entry{{Scope: scope, Seq: after + 1, Hash: "h"}, {Scope: scope, Seq: after + 2, Hash: "h"}}[:limit], nil
}

func (g *graves) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	if !g.on || scope != g.scope {
		return g.Kept.Changed(ctx, scope, after, upTo, limit)
	}
	var records []*field.Record
	for v := after + 1; v <= upTo && len(records) < limit; v++ {
		records = append(records, &field.Record{ID: "r", Scope: scope, Version: v, Deleted: true})
	}
	g.read += len(records)
	return records, nil
}

// Tombstones that are left out cost no more than a bounded part of each request.
func TestLeavingOutTombstonesIsBounded(t *testing.T) {
	s := storagetest.SQLite(t)
	g := &graves{Kept: s}
	c := newCounty(t, g)
	c.finding()
	g.scope, g.on = c.scope, true
	for _, limit := range []int{1, 2000} {
		r := c.puller(false)
		pages := 0
		for more := true; more; pages++ {
			before, at := g.read, r.cursors[c.scope].Seq
			more = r.page(limit)
			if n := g.read - before; n > 25_000 {
				t.Fatalf("%d records were read for a page", n)
			}
			if pages > 20 && r.cursors[c.scope].Seq == at {
				t.Fatal("a page brought the phone no further")
			}
		}
		if r.cursors[c.scope].Seq != million || pages > 200 {
			t.Errorf("at %d after %d pages", r.cursors[c.scope].Seq, pages)
		}
	}
}

// A phone reads its inbox first, then the sites at which its owner has something to do, then the rest.
func TestTasksComeBeforeOtherRecords(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		scopes := []field.Scope{c.scope}
		for range 3 {
			site := id()
			c.server("org/gz-liwan", protocol.Operation{ID: site, Kind: field.KindSite, Set: fields(m{
				"name": "村", "projectId": c.project, "region": "520502", "orgs": []string{"gz-liwan", "bijie"},
			})})
			scopes = append(scopes, field.MakeScope(field.ScopeSite, string(site)))
		}
		he := c.person("gz-liwan", "何", access.Inspector)
		c.chen.Scopes, he.Scopes = scopes, scopes
		last := scopes[len(scopes)-1]
		task := id()
		c.server(string(last), protocol.Operation{ID: task, Kind: field.KindRevisit, Set: fields(m{
			"campaignId": id(), "siteId": last.ID(), "stratum": "problems", "due": "2026-12-01",
		})})
		order := func(who *access.Actor) (read []field.Scope) {
			t.Helper()
			req := protocol.PullRequest{Device: who.Device, Cursors: map[field.Scope]protocol.Cursor{}, Limit: 1}
			for pages := 0; ; pages++ {
				page, err := c.Pull(c.ctx, who, req)
				c.must(err)
				for _, r := range page.Records {
					if !slices.Contains(read, r.Scope) {
						read = append(read, r.Scope)
					}
				}
				for scope, at := range page.Cursors {
					req.Cursors[scope] = at
				}
				if !page.More || pages > 200 {
					return read
				}
			}
		}
		place := func(who *access.Actor) int {
			read := order(who)
			return slices.Index(read, last) - slices.IndexFunc(read, func(s field.Scope) bool { return s.Type() == field.ScopeOrg })
		}
		if n := place(c.chen); n < 1 {
			t.Errorf("without a task the site comes %d after the organisation", n)
		}
		c.must(c.click(c.zhao, c.get(task), "assign", m{"assignee": c.chen.User, "companion": he.User, "due": "2026-12-01"}))
		for _, who := range []*access.Actor{c.chen, he} {
			read := order(who)
			if read[0].Type() != field.ScopeUser || read[1] != last {
				t.Errorf("%s reads %v, and the task is at %s", who.Name, read, last)
			}
		}
	})
}
