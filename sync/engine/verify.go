package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Verification is what Verify found.
type Verification struct {
	Scopes  int      `json:"scopes"`
	Entries int64    `json:"entries"`
	Records int64    `json:"records"`
	Moved   int64    `json:"moved"`  // records that somebody changed while this was read: not compared, and no fault
	Faults  []string `json:"faults"` // each names a scope and an entry or a record; at most maxFaults
}

const maxFaults = 100

func (v *Verification) fault(format string, args ...any) {
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
	}
}

// Kept is what verification and rebuilding ask of a store besides.
type Kept interface {
	Store
	LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error)
	Repair(ctx context.Context, r store.Repair) error
}

// Look is what the caller wants to look at on the way; each may be nil.
type Look struct {
	// Record is called for every record that is right, to check what it stands for (a photo's bytes). Its error is a fault.
	Record func(*field.Record) error
	// Entry is called for every entry that is right.
	Entry func(scope field.Scope, seq int64, hash string)
}

// Verify reads the whole log and checks that each scope's entries are gapless and chained by their hashes, that the
// heads are the last entries, and that the records are exactly what the log says.
func Verify(ctx context.Context, s Kept, look Look) (*Verification, error) {
	v := &Verification{}
	q := store.ListScopes{Visible: everything, Limit: 500}
	for {
		heads, err := s.Heads(ctx, q)
		if err != nil {
			return v, err
		}
		for _, h := range heads {
			if err := v.scope(ctx, s, h, look); err != nil {
				return v, err
			}
		}
		if len(heads) < q.Limit {
			return v, v.ends(ctx, s)
		}
		q.After = heads[len(heads)-1].Scope
	}
}

// ends looks for logs that go on behind their head, or have none.
func (v *Verification) ends(ctx context.Context, s Kept) error {
	return eachEnd(ctx, s, func(last store.Entry) error {
		head, err := s.Head(ctx, last.Scope)
		switch {
		case field.Is(err, field.CodeNotFound):
			v.fault("%s: has a log and no head", last.Scope)
		case err != nil:
			return err
		case head.Seq < last.Seq:
			v.fault("%s: the head is entry %d, and the log goes on to %d", last.Scope, head.Seq, last.Seq)
		}
		return nil
	})
}

func eachEnd(ctx context.Context, s Kept, do func(last store.Entry) error) error {
	for after := field.Scope(""); ; {
		ends, err := s.LastEntries(ctx, after, 500)
		if err != nil {
			return err
		}
		for _, e := range ends {
			if err := do(e); err != nil {
				return err
			}
			after = e.Scope
		}
		if len(ends) < 500 {
			return nil
		}
	}
}

// unreadable reports whether an error is about what is stored, and not about the store.
func unreadable(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !field.Is(err, field.CodeStoreDown) && !field.Is(err, field.CodeBusy)
}

func (v *Verification) scope(ctx context.Context, s Store, head store.Head, look Look) error {
	v.Scopes++
	image, info, ok, err := v.replay(ctx, s, head, look.Entry)
	if err != nil || !ok {
		return err
	}
	if !sameInfo(info, head.Info) {
		v.fault("%s: who may see it is not what the log says", head.Scope)
	}
	for after := int64(0); ; {
		stored, err := s.Changed(ctx, head.Scope, after, head.Seq, 500)
		if unreadable(ctx, err) {
			v.fault("%s: a record cannot be read: %v", head.Scope, err)
			return nil
		}
		if err != nil {
			return err
		}
		if len(stored) == 0 {
			break
		}
		for _, r := range stored {
			after = r.Version
			want := image[r.ID]
			delete(image, r.ID)
			if what := differs(want, r); what != "" {
				v.fault("%s: record %s: %s", head.Scope, r.ID, what)
				continue
			}
			v.Records++
			v.stands(r, look)
		}
	}
	return v.left(ctx, s, head, image, look)
}

// stands lets the caller look at what a record stands for.
func (v *Verification) stands(r *field.Record, look Look) {
	if look.Record == nil {
		return
	}
	if err := look.Record(r); err != nil {
		v.fault("%s: record %s: %v", r.Scope, r.ID, err)
	}
}

// left looks at the records of the log that were not met among the stored ones: those that somebody has changed since
// the head was read are no fault. What such a record stands for is looked at all the same.
func (v *Verification) left(ctx context.Context, s Store, head store.Head, image map[field.RecordID]*field.Record, look Look) error {
	if len(image) == 0 {
		return nil
	}
	now, err := s.Records(ctx, slices.Collect(maps.Keys(image)))
	if err != nil {
		return err
	}
	for _, r := range now {
		if r.Scope != head.Scope || r.Version <= head.Seq {
			continue
		}
		delete(image, r.ID)
		v.Moved++
		v.stands(r, look)
	}
	for id := range image {
		v.fault("%s: record %s is in the log and not in the store", head.Scope, id)
	}
	return nil
}

// replay makes the records of a scope from its log, up to the head that was read first.
func (v *Verification) replay(ctx context.Context, s Store, head store.Head, saw func(field.Scope, int64, string)) (map[field.RecordID]*field.Record, field.ScopeInfo, bool, error) {
	image := map[field.RecordID]*field.Record{}
	var info field.ScopeInfo
	seq, prev := int64(0), ""
	for seq < head.Seq {
		entries, err := s.Entries(ctx, head.Scope, seq, int(min(200, head.Seq-seq)))
		if errors.Is(err, store.ErrDamaged) {
			v.fault("%v", err)
			return nil, info, false, nil
		}
		if err != nil {
			return nil, info, false, err
		}
		if len(entries) == 0 {
			v.fault("%s: entry %d is missing", head.Scope, seq+1)
			return nil, info, false, nil
		}
		for _, e := range entries {
			v.Entries++
			body, err := protocol.Open(e)
			switch {
			case err != nil:
				v.fault("%v", err)
			case e.Seq != seq+1:
				v.fault("%s: entry %d is missing", head.Scope, seq+1)
			case protocol.HashOf(e.Body) != e.Hash:
				v.fault("%s: entry %d is not what its hash says", head.Scope, e.Seq)
			case e.Prev != prev || body.Prev != prev:
				v.fault("%s: entry %d does not follow on entry %d", head.Scope, e.Seq, seq)
			case body.Scope != e.Scope || body.Seq != e.Seq || body.Device != e.Device || body.Batch != e.Batch || body.Actor != e.Actor || body.At != protocol.Stamp(e.At):
				v.fault("%s: the columns of entry %d are not what its body says", head.Scope, e.Seq)
			default:
				seq, prev = e.Seq, e.Hash
				info = Replay(image, info, &body, e)
				if saw != nil {
					saw(e.Scope, e.Seq, e.Hash)
				}
				continue
			}
			return nil, info, false, nil
		}
	}
	if prev != head.Hash {
		v.fault("%s: the head is not the last entry", head.Scope)
	}
	return image, info, true, nil
}

// Replay applies an entry to the image of its scope and returns what access asks about the scope from then on.
func Replay(image map[field.RecordID]*field.Record, info field.ScopeInfo, body *protocol.Body, e store.Entry) field.ScopeInfo {
	if body.Info != nil {
		info = *body.Info
		for id, r := range image {
			c := r.Clone()
			c.Info = info
			image[id] = c
		}
	}
	for _, c := range body.Changes {
		image[c.ID] = protocol.Apply(body, c, e.At, image[c.ID], info)
	}
	return info
}

// differs says in what a stored record is not what the log says; empty: in nothing.
func differs(want, got *field.Record) string {
	switch {
	case want == nil:
		return "is in the store and not in the log"
	case want.Kind != got.Kind, want.Scope != got.Scope:
		return "has another kind or scope than in the log"
	case want.Version != got.Version:
		return fmt.Sprintf("has version %d, in the log %d", got.Version, want.Version)
	case want.State != got.State, want.Deleted != got.Deleted:
		return fmt.Sprintf("is %s, in the log %s", got.State, want.State)
	case want.Author != got.Author, want.Device != got.Device, !want.CreatedAt.Equal(got.CreatedAt), !want.UpdatedAt.Equal(got.UpdatedAt):
		return "has another author or time than in the log"
	case !sameInfo(want.Info, got.Info):
		return "is open to others than in the log"
	case !maps.EqualFunc(want.Fields, got.Fields, func(a, b field.Value) bool { return bytes.Equal(a, b) }):
		return "has other fields than in the log"
	case !maps.Equal(want.Stamps, got.Stamps):
		return "has other stamps than in the log"
	case want.Rank != got.Rank || !slices.Equal(want.Keys, got.Keys):
		return "is listed in another way than the log says"
	}
	return ""
}
