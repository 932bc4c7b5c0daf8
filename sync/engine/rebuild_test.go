package engine_test

import (
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// busy lets people work in a county, so that there is something to keep.
func busy(c *county) (report field.RecordID) {
	report = c.newReport(c.chen)
	for n := range 5 {
		c.push(c.lin, c.scope, protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": strings.Repeat("漏", n+1)})})
	}
	c.push(c.chen, c.scope, protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "后来"})})
	return report
}

// damage writes into a store past the engine.
func damage(c *county, r store.Repair) {
	c.t.Helper()
	head, err := c.store.Head(c.ctx, r.Head.Scope)
	c.must(err)
	if r.Head.Seq == 0 {
		r.Head = head
	}
	c.must(c.store.Repair(c.ctx, r))
}

func faults(c *county) []string {
	c.t.Helper()
	v, err := engine.Verify(c.ctx, c.store, engine.Look{})
	c.must(err)
	return v.Faults
}

func TestWhatIsNotTheLogsImageIsFoundAndMadeAnew(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := busy(c)
		c.sound()
		right := c.get(report)
		changed := right.Clone()
		changed.State = "approved"
		invented := right.Clone()
		invented.ID = id()
		finding := c.list(field.KindFinding)[0]
		damage(c, store.Repair{Head: store.Head{Scope: c.scope}, Records: []*field.Record{changed, invented}, Gone: []field.RecordID{finding.ID}})
		if got := faults(c); len(got) != 3 {
			t.Fatalf("a changed, an invented and a missing record: %q", got)
		}
		done, err := engine.Rebuild(c.ctx, c.store, nil)
		c.must(err)
		if done.Wrong != 2 || len(done.Strange) != 1 || done.Strange[0].ID != invented.ID || done.Heads != 0 {
			t.Errorf("rebuilt %+v", done)
		}
		c.sound()
		if c.get(report).State != right.State || c.get(finding.ID) == nil || c.get(invented.ID) != nil {
			t.Error("the records are not as they were")
		}
		again, err := engine.Rebuild(c.ctx, c.store, nil)
		c.must(err)
		if again.Wrong != 0 || len(again.Strange) != 0 || again.Records != done.Records {
			t.Errorf("nothing was wrong any more: %+v", again)
		}
	})
}

func TestAHeadIsMadeAnew(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		busy(c)
		head, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		open := head
		open.Info.Orgs = append(open.Info.Orgs, "qiannan") // somebody let a third organisation in
		damage(c, store.Repair{Head: open})
		if got := faults(c); len(got) == 0 || !strings.Contains(got[0], "who may see it") {
			t.Fatalf("another organisation was let in: %q", got)
		}
		done, err := engine.Rebuild(c.ctx, c.store, nil)
		c.must(err)
		if done.Heads != 1 {
			t.Errorf("rebuilt %+v", done)
		}
		c.sound()
	})
}

func TestACopyIsTheSameAndGoesOn(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		busy(c)
		target := storagetest.SQLite(t)
		first, err := engine.Copy(c.ctx, c.store, target, nil)
		c.must(err)
		if first.Entries == 0 || first.There != 0 {
			t.Errorf("copied %+v", first)
		}
		busy(c)
		second, err := engine.Copy(c.ctx, c.store, target, nil)
		c.must(err)
		if second.There != first.Entries || second.Entries == 0 {
			t.Errorf("first %+v, then %+v", first, second)
		}
		third, err := engine.Copy(c.ctx, c.store, target, nil)
		c.must(err)
		if third.Entries != 0 {
			t.Errorf("there was nothing new: %+v", third)
		}
		heads := func(s engine.Store) []store.Head {
			all, err := s.Heads(c.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
			c.must(err)
			return all
		}
		from, to := heads(c.store), heads(target)
		if string(field.Quote(from)) != string(field.Quote(to)) {
			t.Errorf("heads\n %s\n %s", field.Quote(from), field.Quote(to))
		}
		v, err := engine.Verify(c.ctx, target, engine.Look{})
		c.must(err)
		if len(v.Faults) > 0 {
			t.Errorf("the copy: %q", v.Faults)
		}
		// A target with a life of its own is left alone.
		_, err = engine.New(engine.Options{Store: target}).Push(c.ctx, c.chen, protocol.PushRequest{Device: c.chen.Device, Batch: 9000, Scope: c.scope, Operations: []protocol.Operation{
			{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "另"})},
		}})
		c.must(err)
		busy(c)
		if _, err := engine.Copy(c.ctx, c.store, target, nil); !field.Is(err, field.CodeStale) {
			t.Errorf("another history: %v", err)
		}
	})
}
