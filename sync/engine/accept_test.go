package engine_test

import (
	"context"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// A posting is over while the phone is offline: what it sends afterwards is kept, and takes effect operation by
// operation when somebody who may says so, in the inspector's name.
func TestWhatWasSentAfterTheAccessEndedIsAcceptedItemByItem(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report, finding, refused := id(), id(), id()
		c.chen.Scopes = nil
		resp := c.push(c.chen, c.scope,
			c.reportOp(report),
			protocol.Operation{ID: report, Kind: field.KindReport, Set: fields(m{"summary": "屋顶漏雨"})},
			protocol.Operation{ID: finding, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "漏雨"})},
			protocol.Operation{ID: refused, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "x", "mood": "bad"})},
		)
		var kept []*field.Record
		for i := range resp.Outcomes {
			kept = append(kept, c.get(c.outcome(resp, i, protocol.Rejected).RecordID))
		}
		if c.get(report) != nil || c.get(finding) != nil {
			t.Fatal("a phone without access wrote to the site")
		}
		for _, who := range []*access.Actor{c.chen, c.lin, c.stranger} {
			if err := c.click(who, kept[0], "accept", nil); err == nil {
				t.Errorf("%s accepted", who.Name)
			}
		}
		elsewhere := *c.zhao
		elsewhere.Roles = []access.Grant{{Role: access.Supervisor, Regions: []string{"440000"}}}
		if err := c.click(&elsewhere, kept[0], "accept", nil); !field.Is(err, field.CodeUnknownRecord) {
			t.Errorf("a supervisor of another region accepted: %v", err)
		}
		for _, r := range kept[:2] {
			c.must(c.click(c.zhao, r, "accept", nil))
		}
		c.must(c.click(c.zhao, kept[2], "settle", m{"reason": "重复"}))
		if err := c.click(c.zhao, kept[3], "accept", nil); !field.Is(err, field.CodeUnknownField) {
			t.Errorf("an operation that is not understood was accepted: %v", err)
		}
		if err := c.click(c.zhao, c.get(kept[0].ID), "accept", nil); !field.Is(err, field.CodeNotNow) {
			t.Errorf("accepted twice: %v", err)
		}
		r := c.get(report)
		if r == nil || r.Author != c.chen.User || r.Device != c.chen.Device || r.Scope != c.scope || r.Text("summary") != "屋顶漏雨" {
			t.Fatalf("the report is %+v", r)
		}
		if got := r.Stamps["summary"].Device; got != c.chen.Device {
			t.Errorf("the summary was written by %s", got)
		}
		if c.get(finding) != nil {
			t.Error("a declined operation took effect")
		}
		for i, state := range []field.State{"accepted", "accepted", "settled", "open"} {
			if r := c.get(kept[i].ID); r.State != state || i < 2 && (len(r.Fields["outcome"]) == 0 || r.Text("decidedBy") != string(c.zhao.User)) {
				t.Errorf("operation %d is %s: %s", i, r.State, r.Document())
			}
		}
		if conflicts := c.list(field.KindConflict); len(conflicts) != 0 {
			t.Errorf("the inspector's own writes conflict: %s", conflicts[0].Document())
		}
		c.sound()
	})
}

// An edit that comes too late conflicts with what somebody wrote since, also when it is accepted.
func TestAnAcceptedEditOverwritesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		base := c.get(report).Version
		c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": "林"})})
		c.chen.Scopes = nil
		resp := c.push(c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": "陈"})})
		c.must(c.click(c.zhao, c.get(c.outcome(resp, 0, protocol.Rejected).RecordID), "accept", nil))
		conflicts := c.list(field.KindConflict)
		if c.get(report).Text("summary") != "林" || len(conflicts) != 1 || conflicts[0].Text("offered") != "陈" || conflicts[0].Text("offeredBy") != string(c.chen.User) {
			t.Fatalf("%s, %d conflicts", c.get(report).Document(), len(conflicts))
		}
		c.sound()
	})
}

// A batch may change a field twice before its phone has seen that somebody else did: the later offer takes the place of
// the first, as it does when it comes with the next batch.
func TestABatchOffersTwice(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		base := c.get(report).Version
		edit := func(summary string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": summary})}
		}
		c.push(c.lin, c.scope, edit("林"))
		resp := c.push(c.chen, c.scope, edit("一"), edit("二"), edit("三"))
		for i := range resp.Outcomes {
			c.outcome(resp, i, protocol.Conflict)
		}
		offered := func(want string) {
			t.Helper()
			conflicts := c.list(field.KindConflict)
			if c.get(report).Text("summary") != "林" || len(conflicts) != 1 || conflicts[0].Text("offered") != want {
				t.Fatalf("%s, %d conflicts, the first is %s", c.get(report).Document(), len(conflicts), conflicts[0].Document())
			}
		}
		offered("三")
		c.outcome(c.push(c.chen, c.scope, edit("四")), 0, protocol.Conflict)
		offered("四")
		c.sound()
	})
}

// Of two edits of one field, from two phones of a person, that one batch accepts, the second meets the first, and both
// are there to choose from.
func TestOneBatchAcceptsTwoEditsOfAField(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		base := c.get(report).Version
		c.chen.Scopes = nil
		tablet := *c.chen
		tablet.Device = field.DeviceID(id())
		var accept []protocol.Operation
		for i, who := range []*access.Actor{c.chen, &tablet} {
			resp := c.push(who, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": []string{"一", "二"}[i]})})
			kept := c.get(c.outcome(resp, 0, protocol.Rejected).RecordID)
			accept = append(accept, protocol.Operation{ID: kept.ID, Kind: field.KindParked, Base: kept.Version, Command: "accept"})
		}
		resp := c.push(c.zhao, field.MakeScope(field.ScopeUser, string(c.chen.User)), accept...)
		for i := range accept {
			c.outcome(resp, i, protocol.Applied)
		}
		conflicts := c.list(field.KindConflict)
		if c.get(report).Text("summary") != "一" || len(conflicts) != 1 || conflicts[0].Text("offered") != "二" || conflicts[0].Text("currentUser") != string(c.chen.User) {
			t.Fatalf("%s, conflicts %v", c.get(report).Document(), conflicts)
		}
		c.sound()
	})
}

// Of three who wrote the same field, nobody is overwritten by a choice between the first two.
func TestAResolvedConflictOverwritesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		base := c.get(report).Version
		edit := func(base int64, summary string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": summary})}
		}
		c.push(c.chen, c.scope, edit(base, "一"))
		resp := c.push(c.lin, c.scope, edit(base, "二"))
		conflict := c.outcome(resp, 0, protocol.Conflict).Conflicts[0]
		c.push(c.chen, c.scope, edit(c.get(report).Version, "三"))
		if err := c.click(c.zhao, c.get(conflict), "resolve", m{"take": "offered"}); !field.Is(err, field.CodeStale) {
			t.Errorf("resolved against a value that nobody was shown: %v", err)
		}
		c.must(c.click(c.zhao, c.get(conflict), "resolve", m{"take": "current"}))
		if got := c.get(report).Text("summary"); got != "三" {
			t.Errorf("the summary is %s", got)
		}
		c.sound()
	})
}

// After a restore from a backup the versions that a phone has seen are numbers of other entries.
func TestVersionsOfALostHistoryCountForNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: 99, Set: fields(m{"summary": "新"})})
		if got := c.get(report).Text("summary"); got != "新" {
			t.Fatalf("the summary is %q", got)
		}
		head, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		push := func(seen protocol.Cursor, ops ...protocol.Operation) protocol.PushResponse {
			t.Helper()
			resp, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: c.chen.Device, Batch: c.next(), Scope: c.scope, Seen: &seen, Operations: ops})
			c.must(err)
			return resp
		}
		edit := func(path, value string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: head.Seq, Set: fields(m{path: value})}
		}
		for _, seen := range []protocol.Cursor{
			{Seq: head.Seq, Hash: "another history"}, {Seq: head.Seq - 1, Hash: "another history"}, {Seq: head.Seq + 7, Hash: head.Hash}, {Seq: -1},
		} {
			resp := push(seen, edit("summary", "旧"), edit("endedAt", "2026-11-23T09:30:00+08:00"))
			c.outcome(resp, 0, protocol.Conflict)
			c.outcome(resp, 1, protocol.Merged)
		}
		head, err = c.store.Head(c.ctx, c.scope)
		c.must(err)
		c.outcome(push(protocol.Cursor{Seq: head.Seq, Hash: head.Hash}, edit("summary", "看过")), 0, protocol.Applied)
		c.sound()
	})
}

// A phone asks which of its answered batches the server still holds.
func TestBatchesThatTheLogDoesNotHoldAreNamed(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		first := c.push(c.chen, c.scope, c.reportOp(id()))
		second := c.batches
		c.stranger.Scopes = nil
		away := c.push(c.stranger, c.scope, c.reportOp(id())) // kept in the author's own scope
		third := c.batches
		ask := func(who *access.Actor, acked ...protocol.Acknowledged) []int64 {
			t.Helper()
			resp, err := c.Pull(c.ctx, who, protocol.PullRequest{Device: who.Device, Acknowledged: map[field.Scope][]protocol.Acknowledged{c.scope: acked}})
			c.must(err)
			return resp.Missing[c.scope]
		}
		if got := ask(c.chen, protocol.Acknowledged{Batch: second, Hash: first.Hash}); len(got) != 0 {
			t.Errorf("%v is missing", got)
		}
		if got := ask(c.stranger, protocol.Acknowledged{Batch: third, Hash: away.Hash}); len(got) != 0 {
			t.Errorf("%v is missing", got)
		}
		if got := ask(c.chen, protocol.Acknowledged{Batch: second, Hash: away.Hash}, protocol.Acknowledged{Batch: 4711, Hash: first.Hash}); len(got) != 2 {
			t.Errorf("%v is missing, of two", got)
		}
		if got := ask(c.lin, protocol.Acknowledged{Batch: second, Hash: first.Hash}); len(got) != 1 {
			t.Error("somebody else's batch was confirmed")
		}
		if _, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Acknowledged: map[field.Scope][]protocol.Acknowledged{
			c.scope: make([]protocol.Acknowledged, protocol.MaxAnswers+1),
		}}); !field.Is(err, field.CodeBadRequest) {
			t.Errorf("asked after too many: %v", err)
		}
	})
}

// A phone on a slow link asks for short pages, and each brings it further.
func TestAShortPageBringsAPhoneFurther(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		for range 60 {
			c.newReport(c.chen)
		}
		req := protocol.PullRequest{Device: c.chen.Device, Bytes: 1, Cursors: map[field.Scope]protocol.Cursor{}}
		seen, pages := map[field.RecordID]bool{}, 0
		for more := true; more; pages++ {
			page, err := c.Pull(c.ctx, c.chen, req)
			c.must(err)
			size, before := 0, len(seen)
			for _, r := range page.Records {
				seen[r.ID] = true
				size += len(r.Fields)
			}
			if size > protocol.MinPageBytes || page.More && len(seen) == before {
				t.Fatalf("a page of %d bytes with %d new records", size, len(seen)-before)
			}
			for scope, at := range page.Cursors {
				req.Cursors[scope] = at
			}
			more = page.More
		}
		if pages < 3 || len(seen) < 60 {
			t.Errorf("%d records on %d pages", len(seen), pages)
		}
	})
}

// An older server has kept what a newer app sent. The server that knows it lets it take effect, in order, as far as the
// sender may now.
func TestWhatANewerAppSentTakesEffectAfterTheUpgrade(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report, foreign, finding := id(), id(), id()
		keep := func(who *access.Actor, code field.Code, op any, target field.RecordID) field.RecordID {
			t.Helper()
			kept := id()
			c.server("user/"+string(who.User), protocol.Operation{ID: kept, Kind: field.KindParked, Set: fields(m{
				"code": code, "message": "x", "recordId": target, "recordKind": "report", "target": c.scope, "operation": op, "author": who.User, "device": who.Device,
			})})
			return kept
		}
		kept := []field.RecordID{
			keep(c.chen, field.CodeUnknownField, c.reportOp(report), report),
			keep(c.chen, field.CodeUnknownRecord, protocol.Operation{ID: report, Kind: field.KindReport, Set: fields(m{"summary": "之后"})}, report),
			keep(c.stranger, field.CodeUnknownKind, c.reportOp(foreign), foreign),
			keep(c.chen, field.CodeUnknownKind, m{"id": id(), "kind": "drone", "base": 0, "set": m{}}, id()),
			keep(c.chen, field.CodeUnknownRecord, protocol.Operation{ID: finding, Kind: field.KindFinding, Base: 3, Set: fields(m{"title": "x"})}, finding),
		}
		people := map[field.UserID]*access.Actor{c.chen.User: c.chen, c.stranger.User: c.stranger}
		n, err := c.Reconsider(c.ctx, func(_ context.Context, user field.UserID) (*access.Actor, error) { return people[user], nil })
		c.must(err)
		if n != 2 {
			t.Errorf("%d took effect", n)
		}
		for i, state := range []field.State{"accepted", "accepted", "open", "open", "open"} {
			if r := c.get(kept[i]); r.State != state {
				t.Errorf("operation %d is %s: %s", i, r.State, r.Document())
			}
		}
		r := c.get(report)
		if r == nil || r.Author != c.chen.User || r.Device != c.chen.Device || r.Text("summary") != "之后" {
			t.Fatalf("the report is %+v", r)
		}
		if c.get(foreign) != nil {
			t.Error("who may not write there did")
		}
		n, err = c.Reconsider(c.ctx, func(_ context.Context, user field.UserID) (*access.Actor, error) { return people[user], nil })
		c.must(err)
		if n != 0 {
			t.Errorf("%d took effect twice", n)
		}
		c.sound()
	})
}

// A phone whose records are not the server's at the same cursor starts the scope afresh.
func TestADivergedScopeIsLoadedAfresh(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		gone := c.newReport(c.chen)
		c.newReport(c.lin)
		c.push(c.chen, c.scope, protocol.Operation{ID: gone, Kind: field.KindReport, Base: c.get(gone).Version, Command: "void", Args: fields(m{"reason": "误建"})})
		req := protocol.PullRequest{Device: c.chen.Device, Cursors: map[field.Scope]protocol.Cursor{}}
		page, err := c.Pull(c.ctx, c.chen, req)
		c.must(err)
		var sum protocol.Digest
		for _, r := range page.Records {
			if r.Scope == c.scope && !r.Deleted {
				sum.Mix(r.ID, r.Version)
			}
		}
		req.Cursors = page.Cursors
		for _, row := range []struct {
			digest string
			healed int
		}{{sum.String(), 0}, {protocol.Digest(7).String(), 1}, {"", 0}} {
			req.Digests = map[field.Scope]string{c.scope: row.digest}
			page, err = c.Pull(c.ctx, c.chen, req)
			c.must(err)
			if len(page.Diverged) != row.healed || len(page.Restart) != row.healed || page.More != (row.healed > 0) {
				t.Errorf("digest %q: %+v", row.digest, page)
			}
		}
		c.newReport(c.lin) // behind the head nothing is compared
		req.Digests = map[field.Scope]string{c.scope: sum.String()}
		page, err = c.Pull(c.ctx, c.chen, req)
		c.must(err)
		if len(page.Diverged) != 0 || len(page.Records) != 1 {
			t.Errorf("%+v", page)
		}
	})
}

// overtaken is a store in which somebody else writes at the next read of records.
type overtaken struct {
	engine.Kept
	write func()
}

func (o *overtaken) now() {
	if write := o.write; write != nil {
		o.write = nil
		write()
	}
}

func (o *overtaken) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	o.now()
	return o.Kept.Changed(ctx, scope, after, upTo, limit)
}

func (o *overtaken) Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error) {
	rs, err := o.Kept.Records(ctx, ids)
	o.now()
	return rs, err
}

// Another server writes to a record between the moment at which this one reads it and its commit: the second value is a
// conflict, whatever this server remembers of the scope.
func TestTwoServersOverwriteNothing(t *testing.T) {
	for name, remembers := range map[string]bool{"a server that has just started": false, "one that knows the scope": true} {
		t.Run(name, func(t *testing.T) {
			s := storagetest.SQLite(t)
			o := &overtaken{Kept: s}
			c := newCounty(t, o)
			report := c.newReport(c.chen)
			base := c.get(report).Version
			other := engine.New(engine.Options{Store: s, Now: c.clock.now})
			if !remembers {
				c.Engine = engine.New(engine.Options{Store: o, Now: c.clock.now})
			}
			edit := protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": "林"})}
			o.write = func() {
				_, err := other.Push(c.ctx, c.lin, protocol.PushRequest{Device: c.lin.Device, Batch: c.next(), Scope: c.scope, Operations: []protocol.Operation{edit}})
				c.must(err)
			}
			mine := edit
			mine.Set = fields(m{"summary": "陈"})
			c.outcome(c.push(c.chen, c.scope, mine), 0, protocol.Conflict)
			if got := c.get(report).Text("summary"); got != "林" {
				t.Errorf("the summary is %q", got)
			}
			c.sound()
		})
	}
}

// A write that comes between the head and the records of a sum makes nobody start afresh, and the sum is not
// remembered.
func TestAWriteBesideASumIsNoDivergence(t *testing.T) {
	s := storagetest.SQLite(t)
	o := &overtaken{Kept: s}
	c := newCounty(t, o)
	report := c.newReport(c.chen)
	req := protocol.PullRequest{Device: c.chen.Device, Cursors: map[field.Scope]protocol.Cursor{}}
	page, err := c.Pull(c.ctx, c.chen, req)
	c.must(err)
	var sum protocol.Digest
	for _, r := range page.Records {
		if r.Scope == c.scope {
			sum.Mix(r.ID, r.Version)
		}
	}
	req.Cursors, req.Digests = page.Cursors, map[field.Scope]string{c.scope: sum.String()}
	base := c.get(report).Version
	o.write = func() {
		c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": "林"})})
	}
	page, err = c.Pull(c.ctx, c.chen, req)
	c.must(err)
	if o.write != nil || len(page.Diverged) != 0 || len(page.Restart) != 0 {
		t.Fatalf("diverged %v, restart %v", page.Diverged, page.Restart)
	}
}
