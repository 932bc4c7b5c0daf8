package engine

import (
	"context"
	"slices"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// view reads records as they will be once everything decided so far is committed. Views stack: a group of batches, one
// batch, one operation. What a view holds is folded into the one below when it succeeds, and dropped when it does not.
type view struct {
	ctx     context.Context
	store   Store
	below   *view
	records map[field.RecordID]*field.Record // changed in this view
	heads   map[field.Scope]*store.Head      // after the entries of this view
	loaded  map[field.RecordID]*field.Record // in the lowest view: as stored; nil: not there
	decided []store.Entry                    // in the lowest view: of this commit
}

func newView(ctx context.Context, s Store) *view {
	return &view{
		ctx: ctx, store: s, records: map[field.RecordID]*field.Record{}, heads: map[field.Scope]*store.Head{},
		loaded: map[field.RecordID]*field.Record{},
	}
}

func (v *view) above() *view {
	return &view{ctx: v.ctx, store: v.store, below: v, records: map[field.RecordID]*field.Record{}, heads: map[field.Scope]*store.Head{}}
}

func (v *view) fold() {
	for id, r := range v.records {
		v.below.records[id] = r
	}
	for s, h := range v.heads {
		v.below.heads[s] = h
	}
}

// Get implements field.Lookup.
func (v *view) Get(id field.RecordID) (*field.Record, error) {
	if id == "" {
		return nil, nil
	}
	for w := v; ; w = w.below {
		if r, ok := w.records[id]; ok {
			return r, nil
		}
		if w.below == nil {
			if r, ok := w.loaded[id]; ok {
				return r, nil
			}
			if err := w.load(id); err != nil {
				return nil, err
			}
			return w.loaded[id], nil
		}
	}
}

// Several implements field.Lookup, reading what is missing in few requests.
func (v *view) Several(ids []field.RecordID) ([]*field.Record, error) {
	for part := range slices.Chunk(ids, 500) {
		if err := v.load(part...); err != nil {
			return nil, err
		}
	}
	found := make([]*field.Record, len(ids))
	for i, id := range ids {
		var err error
		if found[i], err = v.Get(id); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// load reads records into the lowest view.
func (v *view) load(ids ...field.RecordID) error {
	for v.below != nil {
		v = v.below
	}
	var missing []field.RecordID
	for _, id := range ids {
		if _, ok := v.loaded[id]; !ok {
			missing = append(missing, id)
			v.loaded[id] = nil
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rs, err := v.store.Records(v.ctx, missing)
	if err != nil {
		for _, id := range missing {
			delete(v.loaded, id)
		}
		return err
	}
	for _, r := range rs {
		v.loaded[r.ID] = r
	}
	return nil
}

// Find implements field.Lookup: what is stored, with what the views have changed laid over it.
func (v *view) Find(kind field.Kind, key string) ([]*field.Record, error) {
	return v.find(kind, store.Query{Keys: []string{key}}, func(r *field.Record) bool { return slices.Contains(r.Keys, key) })
}

// FindIn implements field.Lookup in the same way.
func (v *view) FindIn(scope field.Scope, kind field.Kind, key string) ([]*field.Record, error) {
	return v.find(kind, store.Query{Scope: scope, Keys: []string{key}}, func(r *field.Record) bool { return r.Scope == scope && slices.Contains(r.Keys, key) })
}

// In implements field.Lookup in the same way.
func (v *view) In(scope field.Scope, kind field.Kind) ([]*field.Record, error) {
	return v.find(kind, store.Query{Scope: scope}, func(r *field.Record) bool { return r.Scope == scope })
}

func (v *view) find(kind field.Kind, q store.Query, fits func(*field.Record) bool) ([]*field.Record, error) {
	q.Visible, q.Kinds, q.Limit = everything, []field.Kind{kind}, field.MostFound+1
	stored, err := v.store.List(v.ctx, q)
	if err != nil {
		return nil, err
	}
	if len(stored) > field.MostFound {
		return nil, field.FoundTooMany(kind)
	}
	found := map[field.RecordID]*field.Record{}
	var order []field.RecordID
	for _, r := range stored {
		found[r.ID] = r
		order = append(order, r.ID)
	}
	var stack []*view
	for w := v; w != nil; w = w.below {
		stack = append(stack, w)
	}
	slices.Reverse(stack)
	for _, w := range stack {
		for id, r := range w.records {
			if r.Kind != kind {
				continue
			}
			if r.Deleted || !fits(r) {
				delete(found, id)
				continue
			}
			if _, ok := found[id]; !ok {
				order = append(order, id)
			}
			found[id] = r
		}
	}
	out := make([]*field.Record, 0, len(found))
	for _, id := range order {
		if r, ok := found[id]; ok && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *field.Record) int { // maps have no order, and a replay must see the same
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return out, nil
}

// head returns the end of a scope after everything decided so far; nil when nothing has been written to it yet.
func (v *view) head(scope field.Scope) (*store.Head, error) {
	for w := v; ; w = w.below {
		if h, ok := w.heads[scope]; ok {
			return h, nil
		}
		if w.below == nil {
			h, err := w.store.Head(w.ctx, scope)
			if field.Is(err, field.CodeNotFound) {
				w.heads[scope] = nil
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			w.heads[scope] = &h
			return &h, nil
		}
	}
}

// entry returns an entry of a scope, be it stored or about to be.
func (v *view) entry(scope field.Scope, seq int64) (store.Entry, error) {
	for v.below != nil {
		v = v.below
	}
	for _, e := range v.decided {
		if e.Scope == scope && e.Seq == seq {
			return e, nil
		}
	}
	return v.store.Entry(v.ctx, scope, seq)
}
