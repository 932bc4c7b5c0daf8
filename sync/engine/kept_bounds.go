package engine

import (
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// What may lie undecided of one person: what is kept is pulled by the author's phones and read by reviewers, so
// nonsense without end would cost both. A batch of which something would be kept beyond that is refused as a whole, and
// stays in the outbox.
const (
	keptMost  = 2000     // operations
	keptBytes = 32 << 20 // of these, as they are kept
)

// kept is what lies open of a person.
type kept struct {
	operations int
	bytes      int64
}

func (k *kept) add(r *field.Record) {
	k.operations++
	k.bytes += int64(len(r.Fields["operation"]))
}

// roomToKeep counts one more operation that is about to be kept for the batch's author: CodeTooMuchKept when there is
// no room for it. What lies open is read once for each batch, and only for one of which something is kept.
func (b *batch) roomToKeep(operation field.Value) error {
	if b.in.Actor.Server || b.in.Actor.User == "" {
		return nil
	}
	if b.kept == nil {
		var err error
		if b.kept, err = b.view.keptOf(b.in.Actor.User); err != nil {
			return err
		}
	}
	b.kept.operations++
	b.kept.bytes += int64(len(operation))
	if b.kept.operations > b.e.keptMost || b.kept.bytes > b.e.keptBytes {
		return field.Refuse(field.CodeTooMuchKept, "")
	}
	return nil
}

// keptOf counts what lies open of a person, with what was decided so far and is not stored yet.
func (v *view) keptOf(user field.UserID) (*kept, error) {
	key := field.KeyFor("author", user)
	changed := map[field.RecordID]*field.Record{}
	for w := v; w != nil; w = w.below {
		for id, r := range w.records {
			if _, later := changed[id]; !later && r.Kind == keptKind {
				changed[id] = r
			}
		}
	}
	var all kept
	q := store.Query{Visible: everything, Kinds: []field.Kind{keptKind}, States: []field.State{field.StateOpen}, Keys: []string{key}, Limit: 500}
	err := store.EachPage(v.ctx, v.store, q, func(page []*field.Record) error {
		for _, r := range page {
			if changed[r.ID] == nil {
				all.add(r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, r := range changed {
		if r.State == field.StateOpen && !r.Deleted && r.Text("author") == string(user) {
			all.add(r)
		}
	}
	return &all, nil
}
