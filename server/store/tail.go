package store

import (
	"context"
	"math"

	"fieldclue/server/access"
	"fieldclue/server/field"
)

// Tail keeps something that is derived from records, and held in memory, equal to what the log says: it reads
// everything once, and after that what has changed in the scopes whose log has grown, no matter who wrote to them. One
// goroutine at a time may use it. The zero Tail of some types of scopes has seen nothing.
type Tail struct {
	Types []field.ScopeType
	seen  map[field.Scope]int64 // up to which entry; nil: nothing was read yet
}

// TailStore is what a Tail reads.
type TailStore interface {
	Heads(ctx context.Context, q ListScopes) ([]Head, error)
	Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error)
}

// Derived is what a Tail keeps equal.
type Derived interface {
	// Moved is told of the scopes that have grown, before anything of them is read. It reports whether what was derived
	// so far is worth nothing any more; it has been forgotten then.
	Moved(heads []Head) (forgotten bool)
	// Build reads everything. After an error it is called again.
	Build(ctx context.Context) error
	// Changed is given the records that were written since, of a scope in the order of their versions.
	Changed(records []*field.Record)
}

const (
	tailHeads   = 1000
	tailRecords = 500
)

// CatchUp returns when everything is derived that any process had committed before the call. The heads come first: what
// is written while everything is read is read again.
func (t *Tail) CatchUp(ctx context.Context, s TailStore, d Derived) error {
	moved, err := t.moved(ctx, s)
	if err != nil {
		return err
	}
	if d.Moved(moved) {
		t.seen = nil
		return t.CatchUp(ctx, s, d)
	}
	if t.seen == nil {
		if err := d.Build(ctx); err != nil {
			return err
		}
		t.seen = make(map[field.Scope]int64, len(moved))
		for _, h := range moved {
			t.seen[h.Scope] = h.Seq
		}
		return nil
	}
	for _, h := range moved {
		if err := t.follow(ctx, s, h, d); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tail) moved(ctx context.Context, s TailStore) ([]Head, error) {
	var moved []Head
	q := ListScopes{Visible: access.Everything, Types: t.Types, Limit: tailHeads}
	for {
		heads, err := s.Heads(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			if t.seen[h.Scope] < h.Seq {
				moved = append(moved, h)
			}
		}
		if len(heads) < q.Limit {
			return moved, nil
		}
		q.After = heads[len(heads)-1].Scope
	}
}

func (t *Tail) follow(ctx context.Context, s TailStore, h Head, d Derived) error {
	for after := t.seen[h.Scope]; ; {
		changed, err := s.Changed(ctx, h.Scope, after, math.MaxInt64, tailRecords)
		if err != nil {
			return err
		}
		d.Changed(changed)
		if len(changed) < tailRecords {
			t.seen[h.Scope] = h.Seq
			return nil
		}
		after = changed[len(changed)-1].Version
	}
}
