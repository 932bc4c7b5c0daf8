package engine_test

import (
	"context"
	"strings"
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// rewritten is a store of which somebody has rewritten one entry, consistently: hashes, chain, head and all.
type rewritten struct {
	engine.Kept
	scope field.Scope
	after map[int64]store.Entry
	head  store.Head
}

// rewrite changes the body of the last entry of a scope, or takes it out.
func rewrite(c *county, scope field.Scope, change func(*protocol.Body) bool) *rewritten {
	c.t.Helper()
	head, err := c.store.Head(c.ctx, scope)
	c.must(err)
	e, err := c.store.Entry(c.ctx, scope, head.Seq)
	c.must(err)
	body, err := protocol.Open(e)
	c.must(err)
	r := &rewritten{Kept: c.store, scope: scope, after: map[int64]store.Entry{}, head: head}
	if change(&body) {
		next, err := protocol.Seal(body, e.At)
		c.must(err)
		r.after[e.Seq], r.head.Hash = next, next.Hash
		return r
	}
	before, err := c.store.Entry(c.ctx, scope, head.Seq-1)
	c.must(err)
	r.head.Seq, r.head.Hash, r.head.At = before.Seq, before.Hash, before.At
	return r
}

func (r *rewritten) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	if scope == r.scope && seq > r.head.Seq {
		return store.Entry{}, field.Refuse(field.CodeNotFound, "")
	}
	if e, ok := r.after[seq]; ok && scope == r.scope {
		return e, nil
	}
	return r.Kept.Entry(ctx, scope, seq)
}

func (r *rewritten) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	all, err := r.Kept.Entries(ctx, scope, after, limit)
	var kept []store.Entry
	for _, e := range all {
		if scope == r.scope && e.Seq > r.head.Seq {
			continue
		}
		if changed, ok := r.after[e.Seq]; ok && scope == r.scope {
			e = changed
		}
		kept = append(kept, e)
	}
	return kept, err
}

func (r *rewritten) Head(ctx context.Context, scope field.Scope) (store.Head, error) {
	if scope == r.scope {
		return r.head, nil
	}
	return r.Kept.Head(ctx, scope)
}

func (r *rewritten) Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error) {
	heads, err := r.Kept.Heads(ctx, q)
	for i := range heads {
		if heads[i].Scope == r.scope {
			heads[i] = r.head
		}
	}
	return heads, err
}

func (r *rewritten) LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error) {
	ends, err := r.Kept.LastEntries(ctx, after, limit)
	for i := range ends {
		if ends[i].Scope == r.scope {
			ends[i], err = r.Entry(ctx, r.scope, r.head.Seq)
		}
	}
	return ends, err
}

// Two logs were written together: anyone who rewrites one of them, hashes and all, contradicts the other.
func TestEntriesOfOneCommitVouchForEachOther(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		inbox, scope := pairOfEntries(c)
		c.sound()
		for name, tc := range map[string]struct {
			scope  field.Scope
			change func(*protocol.Body) bool
			says   string
		}{
			"one forgets the other":  {inbox, func(b *protocol.Body) bool { b.With = nil; return true }, "which does not say so"},
			"one names another":      {inbox, func(b *protocol.Body) bool { b.With[0].Seq--; return true }, "which does not say so"},
			"one names what is not":  {inbox, func(b *protocol.Body) bool { b.With[0].Seq += 1000; return true }, "which is missing"},
			"one names an own scope": {inbox, func(b *protocol.Body) bool { b.With[0].Scope = "site/none"; return true }, "which is missing"},
			"one is cut off":         {inbox, func(*protocol.Body) bool { return false }, "which is missing"},
		} {
			v, err := engine.Verify(c.ctx, rewrite(c, tc.scope, tc.change), engine.Look{})
			c.must(err)
			if got := strings.Join(v.Faults, "\n"); !strings.Contains(got, tc.says) || !strings.Contains(got, string(scope)) {
				t.Errorf("%s: want %q in:\n%s", name, tc.says, got)
			}
		}
	})
}

// A record that claims to be newer than its log is none that somebody has just changed.
func TestARecordNewerThanItsLogIsNamed(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := busy(c)
		ahead := c.get(report).Clone()
		ahead.Version += 1000
		ahead.State = "approved"
		planted := ahead.Clone()
		planted.ID = id()
		old := ahead.Clone()
		old.ID, old.Version = id(), -5
		damage(c, store.Repair{Head: store.Head{Scope: c.scope}, Records: []*field.Record{ahead, planted, old}})
		got := strings.Join(faults(c), "\n")
		for _, one := range []field.RecordID{report, planted.ID, old.ID} {
			if !strings.Contains(got, string(one)) {
				t.Errorf("%s is not named in:\n%s", one, got)
			}
		}
		_, err := engine.Rebuild(c.ctx, c.store, nil)
		c.must(err)
		c.sound()
	})
}

// pairOfEntries lets a supervisor return a report: that is an entry of the site and one of the author's inbox.
func pairOfEntries(c *county) (inbox, scope field.Scope) {
	c.t.Helper()
	report := c.newReport(c.chen)
	c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Command: "submit"}), 0, protocol.Applied)
	c.must(c.click(c.zhao, c.get(report), "return", m{"items": []m{{"item": "roof", "comment": "请补充照片"}}, "deadline": "2026-11-30T18:00:00+08:00"}))
	return field.MakeScope(field.ScopeUser, string(c.chen.User)), c.scope
}
