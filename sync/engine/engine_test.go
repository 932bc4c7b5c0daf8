package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

func TestAPushIsAnsweredOnceAndTheSameEverAfter(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		req := protocol.PushRequest{Device: c.chen.Device, Batch: 7001, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}}
		first, err := c.Push(c.ctx, c.chen, req)
		c.must(err)
		again, err := c.Push(c.ctx, c.chen, req)
		c.must(err)
		if first.Replayed || !again.Replayed || again.Seq != first.Seq || again.Hash != first.Hash || again.Outcomes[0].Version != first.Outcomes[0].Version {
			t.Fatalf("first %+v, again %+v", first, again)
		}
		other := req
		other.Operations = []protocol.Operation{c.reportOp(id())}
		if _, err := c.Push(c.ctx, c.chen, other); !field.Is(err, field.CodeBatchReused) {
			t.Fatalf("other content under the same number: %v", err)
		}
		if n := len(c.list(field.KindReport)); n != 1 {
			t.Fatalf("%d reports", n)
		}
		c.sound()
	})
}

func TestTheSameBatchFromManyConnectionsHasOneEffect(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		req := protocol.PushRequest{Device: c.chen.Device, Batch: 7001, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}}
		var wg sync.WaitGroup
		answers := make([]protocol.PushResponse, 8)
		for i := range answers {
			wg.Go(func() {
				var err error
				if answers[i], err = c.Push(c.ctx, c.chen, req); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		fresh := 0
		for _, a := range answers {
			if !a.Replayed {
				fresh++
			}
			if a.Seq != answers[0].Seq || a.Hash != answers[0].Hash {
				t.Errorf("answers differ: %+v, %+v", a, answers[0])
			}
		}
		if fresh != 1 {
			t.Errorf("%d answers say that they were the first", fresh)
		}
		c.sound()
	})
}

func TestTwoInspectorsEditOneReport(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		seen := c.get(report).Version
		edit := func(set m) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: seen, Set: fields(set)}
		}
		c.outcome(c.push(c.chen, c.scope, edit(m{"answers": m{"roof": m{"value": "漏雨，东屋"}}})), 0, protocol.Applied)
		c.outcome(c.push(c.lin, c.scope, edit(m{"summary": "已核实"})), 0, protocol.Merged)
		c.outcome(c.push(c.chen, c.scope, edit(m{"answers.roof": m{"value": "漏雨，东屋和西屋"}})), 0, protocol.Merged) // own earlier write, beside Lin's
		clash := c.outcome(c.push(c.lin, c.scope, edit(m{"answers": m{"roof": m{"value": "完好"}}})), 0, protocol.Conflict)

		r := c.get(report)
		if got := string(r.Fields["answers.roof"]); !strings.Contains(got, "西屋") {
			t.Errorf("the value that was there did not stay: %s", got)
		}
		kept := c.get(clash.Conflicts[0])
		if kept == nil || !strings.Contains(string(kept.Fields["offered"]), "完好") || !strings.Contains(string(kept.Fields["current"]), "西屋") {
			t.Fatalf("the conflict does not keep both values: %+v", kept)
		}
		c.must(c.click(c.zhao, kept, "resolve", m{"take": "offered"}))
		if got := string(c.get(report).Fields["answers.roof"]); !strings.Contains(got, "完好") {
			t.Errorf("the offered value was not taken: %s", got)
		}
		c.sound()
	})
}

func TestAReportGoesBackAndComesAgain(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Command: "submit"}), 0, protocol.Applied)
		if err := c.click(c.chen, c.get(report), "approve", nil); !field.Is(err, field.CodeNotPermitted) {
			t.Errorf("an inspector approved: %v", err)
		}
		stale := c.get(report).Clone()
		c.must(c.click(c.zhao, c.get(report), "take", nil))
		c.must(c.click(c.zhao, c.get(report), "return", m{"items": []m{{"item": "roof", "comment": "请补充照片"}}, "deadline": "2026-11-30T18:00:00+08:00"}))
		if err := c.click(c.qian, stale, "archive", nil); !field.Is(err, field.CodeNotPermitted) {
			t.Errorf("a leader archived: %v", err)
		}

		inbox := field.MakeScope(field.ScopeUser, string(c.chen.User))
		pulled, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device})
		c.must(err)
		if len(pulled.Records) == 0 || pulled.Scopes[0] != inbox {
			t.Fatalf("the inbox does not come first: %v", pulled.Scopes)
		}
		if !slices.ContainsFunc(pulled.Records, func(r protocol.PulledRecord) bool {
			return r.Kind == field.KindNotice && r.Scope == inbox && strings.Contains(string(r.Fields), "请补充照片")
		}) {
			t.Error("the author has no notice of the return")
		}
		r := c.get(report)
		c.outcome(c.push(c.chen, c.scope,
			protocol.Operation{ID: report, Kind: field.KindReport, Base: r.Version, Set: fields(m{"answers": m{"roof": m{"value": "漏雨，已拍照"}}})},
			protocol.Operation{ID: report, Kind: field.KindReport, Base: r.Version, Command: "resubmit"},
		), 1, protocol.Applied)
		c.must(c.click(c.zhao, c.get(report), "approve", nil))
		if s := c.get(report).State; s != field.ReportApproved {
			t.Errorf("the report is %s", s)
		}
		c.sound()
	})
}

func TestAQueuedReportIsSubmittedByItsLastPhoto(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report, photos := id(), []field.RecordID{id(), id()}
		sums := []string{strings.Repeat("a", 64), strings.Repeat("b", 64)}
		op := c.reportOp(report)
		op.Set["photos"] = field.Quote(sums)
		ops := []protocol.Operation{op}
		for i, p := range photos {
			ops = append(ops, protocol.Operation{ID: p, Kind: field.KindPhoto, Set: fields(m{"reportId": report, "siteId": c.site, "sha256": sums[i], "size": 10, "type": "image/jpeg"})})
		}
		ops = append(ops, protocol.Operation{ID: report, Kind: field.KindReport, Command: "submit"}, protocol.Operation{ID: report, Kind: field.KindReport, Command: "queue"})
		resp := c.push(c.chen, c.scope, ops...)
		if o := c.outcome(resp, 3, protocol.Rejected); o.Code != field.CodePhotosMissing || c.get(o.RecordID) == nil {
			t.Fatalf("submit without photos: %+v", o)
		}
		c.outcome(resp, 4, protocol.Applied)
		for i, p := range photos {
			if want := []field.State{field.ReportQueued, field.ReportReceiving}[i]; c.get(report).State != want {
				t.Fatalf("before photo %d the report is %s", i, c.get(report).State)
			}
			c.server(string(c.scope), protocol.Operation{ID: p, Kind: field.KindPhoto, Command: "store", Args: fields(m{"receipt": m{"sha256": sums[i]}})})
		}
		if s := c.get(report).State; s != field.ReportSubmitted {
			t.Fatalf("after the last photo the report is %s", s)
		}
		c.sound()
	})
}

func TestClueNumbersAreUniqueAndWithoutGaps(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		const n = 12
		clues := make([]field.RecordID, n)
		for i := range clues {
			clues[i] = id()
			c.must(func() error {
				_, err := c.Commit(c.ctx, protocol.Batch{
					Actor: c.wu, Device: "desk/wu", Number: c.next(), Scope: field.MakeScope(field.ScopeClue, string(clues[i])), Strict: true,
					Operations: []protocol.Operation{{ID: clues[i], Kind: field.KindClue, Set: fields(m{"title": "线索", "channel": "petition"})}},
				})
				return err
			}())
		}
		var wg sync.WaitGroup
		for _, clue := range clues {
			wg.Go(func() {
				if err := c.click(c.wu, c.get(clue), "register", nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, clue := range clues {
			seen[c.get(clue).Text("number")] = true
		}
		for i := 1; i <= n; i++ {
			if !seen[fmt.Sprintf("gz-liwan-2026-%04d", i)] {
				t.Errorf("number %d is missing: %v", i, seen)
			}
		}
		c.sound()
	})
}

func TestAFindingBecomesAClueWithItsEvidence(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		interview, finding := id(), id()
		resp := c.push(c.chen, c.scope,
			protocol.Operation{ID: interview, Kind: field.KindInterview, Set: fields(m{"siteId": c.site, "reportId": report, "alias": "甲户", "text": "钱没有到。"})},
			protocol.Operation{ID: finding, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "reportId": report, "title": "补助未到户", "evidence": []any{interview}})},
		)
		c.outcome(resp, 1, protocol.Applied)
		if err := c.click(c.zhao, c.get(finding), "classify", m{"class": "clue"}); !field.Is(err, field.CodeViolationMissing) {
			t.Fatalf("a clue without a violation type: %v", err)
		}
		before := c.get(finding)
		c.must(c.click(c.zhao, before, "classify", m{"class": "clue", "violation": "false_claim"}))
		clue := c.get(field.RecordID(c.get(finding).Text("clueId")))
		if clue == nil || clue.State != field.ClueReceived || !clue.Info.Has("gz-liwan") || clue.Info.Has("bijie") {
			t.Fatalf("clue: %+v", clue)
		}
		if links := c.list(field.KindLink, field.KeyFor("clueId", clue.ID)); len(links) != 3 {
			t.Errorf("%d links, want finding, report and interview", len(links))
		}
		if access.MayRead(c.chen, clue.Scope, clue.Info) {
			t.Error("the inspector may read the clue")
		}
		c.sound()
	})
}

func TestABatchForAScopeThatIsNotMineIsKeptForMe(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		req := protocol.PushRequest{Device: c.stranger.Device, Batch: 9, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}}
		first, err := c.Push(c.ctx, c.stranger, req)
		c.must(err)
		own := field.MakeScope(field.ScopeUser, string(c.stranger.User))
		o := c.outcome(first, 0, protocol.Rejected)
		if first.Scope != own || c.get(o.RecordID).Scope != own || len(c.list(field.KindReport)) != 0 {
			t.Fatalf("%+v", first)
		}
		again, err := c.Push(c.ctx, c.stranger, req)
		c.must(err)
		if !again.Replayed || again.Outcomes[0].RecordID != o.RecordID {
			t.Fatalf("again %+v", again)
		}
		c.sound()
	})
}

func TestManyDevicesInOneScope(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		const devices, each = 8, 6
		var wg sync.WaitGroup
		for range devices {
			who := *c.chen
			who.Device = field.DeviceID(id())
			wg.Go(func() {
				for b := range each {
					op := c.reportOp(id())
					if _, err := c.Push(c.ctx, &who, protocol.PushRequest{Device: who.Device, Batch: int64(b + 1), Scope: c.scope, Operations: []protocol.Operation{op}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := len(c.list(field.KindReport)); n != devices*each {
			t.Errorf("%d reports, want %d", n, devices*each)
		}
		c.sound()
	})
}

func TestPullPagesForksAndGoneScopes(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		for range 25 {
			c.newReport(c.chen)
		}
		seen := map[field.RecordID]int{}
		cursors := map[field.Scope]protocol.Cursor{}
		for pages := 0; ; pages++ {
			resp, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Cursors: cursors, Limit: 7})
			c.must(err)
			for _, r := range resp.Records {
				seen[r.ID]++
			}
			for s, cur := range resp.Cursors {
				cursors[s] = cur
			}
			if !resp.More {
				if pages < 4 {
					t.Errorf("only %d pages", pages)
				}
				break
			}
			if pages > 50 {
				t.Fatal("the pull does not end")
			}
		}
		reports := 0
		for _, r := range c.list(field.KindReport) {
			if seen[r.ID] != 1 {
				t.Errorf("report %s came %d times", r.ID, seen[r.ID])
			}
			reports++
		}
		if reports != 25 {
			t.Errorf("%d reports", reports)
		}
		forged := cursors[c.scope]
		forged.Hash = strings.Repeat("0", 64)
		cursors[c.scope] = forged
		cursors["site/"+field.Scope(c.foreignSite)] = protocol.Cursor{Seq: 1, Hash: "x"}
		resp, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Cursors: cursors})
		c.must(err)
		if len(resp.Restart) != 1 || resp.Restart[0] != c.scope || len(resp.Gone) != 1 || len(resp.Records) != 0 {
			t.Errorf("forked cursor: restart %v, gone %v, %d records", resp.Restart, resp.Gone, len(resp.Records))
		}
	})
}

func TestListenersHearOfEveryScope(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		pokes, cancel := c.Listen(16)
		defer cancel()
		c.newReport(c.chen)
		if p := <-pokes; p.Scope != c.scope || p.Seq != 2 {
			t.Errorf("poke %+v", p)
		}
		slow, stop := c.Listen(1)
		defer stop()
		for range 3 {
			c.newReport(c.chen)
		}
		n := 0
		for range slow {
			n++
		}
		if n != 1 {
			t.Errorf("the slow listener got %d pokes before it was dropped", n)
		}
	})
}

var _ = engine.Server

// gated holds commits back until they are let through.
type gated struct {
	engine.Kept
	on      atomic.Bool
	arrived chan struct{}
	pass    chan struct{}
}

func (g *gated) Commit(ctx context.Context, w []store.Write) error {
	if g.on.Load() {
		g.arrived <- struct{}{}
		<-g.pass
	}
	return g.Kept.Commit(ctx, w)
}

// "Busy" says that nothing was changed: a batch that gave up while it waited is not committed by the next group.
func TestABatchThatGaveUpIsNotCommittedLater(t *testing.T) {
	s := storagetest.SQLite(t)
	g := &gated{Kept: s, arrived: make(chan struct{}), pass: make(chan struct{})}
	c := newCounty(t, g)
	g.on.Store(true)
	first := make(chan error, 1)
	go func() {
		_, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: c.chen.Device, Batch: 7001, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}})
		first <- err
	}()
	<-g.arrived
	gone, giveUp := context.WithCancel(c.ctx)
	giveUp()
	late := protocol.PushRequest{Device: c.lin.Device, Batch: 7002, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}}
	if _, err := c.Push(gone, c.lin, late); !field.Is(err, field.CodeBusy) {
		t.Fatalf("a batch that waited and gave up: %v", err)
	}
	g.on.Store(false)
	g.pass <- struct{}{}
	c.must(<-first)
	_, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: c.chen.Device, Batch: 7003, Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}})
	c.must(err)
	if n := len(c.list(field.KindReport)); n != 2 {
		t.Fatalf("%d reports, want the two that were acknowledged", n)
	}
	c.sound()
}
