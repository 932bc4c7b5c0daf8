package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// big fills the site with one entry of so many findings, of about 2 KiB each.
func (c *county) big(n int) (ids []field.RecordID) {
	c.t.Helper()
	var ops []protocol.Operation
	for i := range n {
		ids = append(ids, id())
		ops = append(ops, protocol.Operation{ID: ids[i], Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": fmt.Sprint("漏雨", i), "facts": strings.Repeat("长", 700)})})
	}
	resp := c.push(c.lin, c.scope, ops...)
	for i := range ops {
		c.outcome(resp, i, protocol.Applied)
	}
	return ids
}

// A page is bounded by its bytes and its number also inside an entry: a link that drops every minute gets through. What
// the cursor does not cover belongs to an entry that is not whole yet.
func TestAPageEndsInsideAnEntry(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.big(120)
		late := c.big(120)
		disturbed := false
		for name, req := range map[string]protocol.PullRequest{"by bytes": {Bytes: protocol.MinPageBytes}, "by number": {Limit: 7}} {
			req.Device, req.Cursors = c.chen.Device, map[field.Scope]protocol.Cursor{}
			held, open, pages := map[field.RecordID]int64{}, 0, 0
			for more := true; more; pages++ {
				if pages > 400 {
					t.Fatalf("%s: the pull does not end", name)
				}
				if pages == 5 && !disturbed { // meanwhile somebody changes and voids some of it
					c.push(c.lin, c.scope, protocol.Operation{ID: late[3], Kind: field.KindFinding, Base: c.get(late[3]).Version, Set: fields(m{"title": "改"})})
					c.void(late[4])
					disturbed = true
				}
				page, err := c.Pull(c.ctx, c.chen, req)
				c.must(err)
				if size := len(field.Quote(page)); req.Bytes > 0 && size > req.Bytes {
					t.Errorf("%s: a page of %d bytes", name, size)
				}
				if req.Limit > 0 && len(page.Records) > req.Limit {
					t.Errorf("%s: a page of %d records", name, len(page.Records))
				}
				for _, r := range page.Records {
					if v, twice := held[r.ID]; twice && v == r.Version {
						t.Errorf("%s: %s comes twice", name, r.ID)
					}
					held[r.ID] = r.Version
					if r.Deleted {
						delete(held, r.ID)
					}
					if at := page.Cursors[r.Scope]; r.Version > at.Seq {
						open++
					}
				}
				for scope, at := range page.Cursors {
					req.Cursors[scope] = at
				}
				if len(page.Restart) > 0 {
					t.Fatalf("%s: it starts again", name)
				}
				more = page.More
			}
			if open == 0 {
				t.Errorf("%s: no page ended inside an entry", name)
			}
			for _, r := range c.list(field.KindFinding) {
				if v, ok := held[r.ID]; r.Deleted == ok || ok && v != r.Version {
					t.Errorf("%s: the phone has version %d of %s, the server %d, deleted %v", name, v, r.ID, r.Version, r.Deleted)
				}
			}
		}
	})
}

// An app that keeps of a cursor only number and hash gets entries whole, as ever.
func TestAnOldAppGetsEntriesWhole(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.big(120)
		c.big(120)
		phone := c.puller(true)
		phone.page(7) // it is not known yet as an old one
		phone.drain()
		phone.equal()
		if phone.restarts != 0 {
			t.Errorf("it started again %d times", phone.restarts)
		}
	})
}

// An edit of a record out of an entry that is not whole yet counts from what was read of it.
func TestAnEditOfHalfAnEntryIsNoConflict(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen, c.chen, c.lin)
		var ops []protocol.Operation
		for range 20 {
			ops = append(ops, protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "reportId": report, "title": "漏雨"})})
		}
		c.push(c.lin, c.scope, ops...)
		req := protocol.PullRequest{Device: c.chen.Device, Limit: 1, Cursors: map[field.Scope]protocol.Cursor{}}
		var read []protocol.PulledRecord
		for len(read) < 5 {
			page, err := c.Pull(c.ctx, c.chen, req)
			c.must(err)
			for scope, at := range page.Cursors {
				req.Cursors[scope] = at
			}
			for _, r := range page.Records {
				if r.Kind == field.KindFinding {
					read = append(read, r)
				}
			}
		}
		seen := req.Cursors[c.scope]
		unread := ops[len(ops)-1].ID
		for _, op := range ops {
			if op.ID > unread {
				unread = op.ID
			}
		}
		edit := func(id field.RecordID) protocol.Outcome {
			resp, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: c.chen.Device, Batch: c.next(), Scope: c.scope, Seen: &seen, Operations: []protocol.Operation{
				{ID: id, Kind: field.KindFinding, Base: read[0].Version, Set: fields(m{"title": "改"})},
			}})
			c.must(err)
			return resp.Outcomes[0]
		}
		if out := edit(read[4].ID); out.Outcome != protocol.Applied {
			t.Errorf("what was read is edited: %+v", out)
		}
		if out := edit(unread); out.Outcome != protocol.Conflict {
			t.Errorf("what was not read is overwritten: %+v", out)
		}
	})
}

// Nor does a page grow with the number of scopes, whether they are new to the device, start afresh after a restore, or
// are gone. On one store: that scopes are listed whole on both is in their contract, and a stand-in takes minutes for
// so many.
func TestAPageIsBoundedHoweverManyScopesThereAre(t *testing.T) {
	c := onSQLite(t)
	const sites = 400
	for range sites / 100 {
		var ops []protocol.Operation
		for range 100 {
			site := id()
			ops = append(ops, protocol.Operation{ID: site, Kind: field.KindSite, Set: fields(m{"name": "组", "projectId": c.project, "region": "520502", "orgs": []string{"gz-liwan"}})})
			c.chen.Scopes = append(c.chen.Scopes, field.MakeScope(field.ScopeSite, string(site)))
		}
		c.server("org/gz-liwan", ops...)
	}
	req := protocol.PullRequest{Device: c.chen.Device, Bytes: protocol.MinPageBytes, Cursors: map[field.Scope]protocol.Cursor{}}
	restarts := 0
	pull := func() (page protocol.PullResponse) {
		t.Helper()
		page, err := c.Pull(c.ctx, c.chen, req)
		c.must(err)
		if size := len(field.Quote(page)); size > req.Bytes {
			t.Errorf("a page of %d bytes, with %d records, %d cursors, %d scopes, %d gone and %d restarts", size, len(page.Records), len(page.Cursors), len(page.Scopes), len(page.Gone), len(page.Restart))
		}
		for _, scope := range page.Restart {
			delete(req.Cursors, scope)
			restarts++
		}
		maps.Copy(req.Cursors, page.Cursors)
		return page
	}
	drain := func(what string) {
		t.Helper()
		for pages := 1; pull().More; pages++ {
			if pages > sites {
				t.Fatalf("%s: the pull does not end", what)
			}
		}
		for _, scope := range c.chen.Scopes {
			if at, held := req.Cursors[scope]; !held || at.Hash == "x" {
				t.Fatalf("%s: %s is held: %v, at %+v", what, scope, held, at)
			}
		}
	}
	if page := pull(); len(page.Scopes) < 20 || page.Scopes[0] != field.MakeScope(field.ScopeUser, string(c.chen.User)) {
		t.Errorf("the first page names %d scopes: %v", len(page.Scopes), page.Scopes)
	}
	drain("a first load")
	if page := pull(); page.More || len(page.Scopes) > 0 || len(page.Records) > 0 {
		t.Errorf("nothing is new, and %d scopes and %d records come", len(page.Scopes), len(page.Records))
	}

	for scope, at := range req.Cursors {
		at.Hash = "x"
		req.Cursors[scope] = at
	}
	drain("after a restore")
	if restarts < sites {
		t.Errorf("%d scopes started afresh", restarts)
	}

	// What cannot be given up yet, because the outbox has something for it, does not keep the rest waiting.
	kept := c.chen.Scopes[1:51]
	c.chen.Scopes = c.chen.Scopes[:1]
	for pulls := 1; len(req.Cursors) > len(kept)+10; pulls++ {
		page := pull()
		if page.More || len(page.Gone) == 0 || pulls > 10*sites {
			t.Fatalf("pull %d: %d are gone, more: %v; %d cursors are left", pulls, len(page.Gone), page.More, len(req.Cursors))
		}
		for _, scope := range page.Gone {
			if !slices.Contains(kept, scope) {
				delete(req.Cursors, scope)
			}
		}
	}
}
