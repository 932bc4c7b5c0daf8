package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Rebuilt is what Rebuild did.
type Rebuilt struct {
	Scopes  int
	Records int64            // that the log says there are: all were written anew
	Wrong   int64            // of these were not as the log says
	Heads   int              // were missing or wrong
	Strange []*field.Record  // were stored and are in no log; removed, and here for anyone who wants to know what they were
	Gone    []field.RecordID // the same, of scopes that have no log
}

const rebuildChunk = 200

// Rebuild makes all records and heads anew from the log, and then what the store finds them by. It stops before a scope
// whose log is not whole: the log is the evidence, and what is missing from it comes back from a backup alone. told
// hears how far it is; it may be nil.
func Rebuild(ctx context.Context, s Kept, told func(*Rebuilt)) (*Rebuilt, error) {
	done := &Rebuilt{}
	gone, err := s.Mend(ctx) // first: without its indexes nothing is read
	if err != nil {
		return done, fmt.Errorf("rebuild of the indexes: %w", err)
	}
	done.Gone = gone
	err = eachEnd(ctx, s, func(last store.Entry) error {
		err := done.scope(ctx, s, last)
		for try := 1; errors.Is(err, store.ErrHeadMoved) && try < maxTries; try++ { // a server writes beside us
			if last, err = endOf(ctx, s, last.Scope); err == nil {
				err = done.scope(ctx, s, last)
			}
		}
		if err != nil {
			return fmt.Errorf("rebuild of %s: %w", last.Scope, err)
		}
		if told != nil {
			told(done)
		}
		return nil
	})
	if err == nil {
		_, err = s.Mend(ctx) // what follows from the records as they are now
	}
	return done, err
}

func endOf(ctx context.Context, s Store, scope field.Scope) (store.Entry, error) {
	head, err := s.Head(ctx, scope)
	if err != nil {
		return store.Entry{}, err
	}
	return s.Entry(ctx, scope, head.Seq)
}

func (d *Rebuilt) scope(ctx context.Context, s Kept, last store.Entry) error {
	stored, err := s.Head(ctx, last.Scope)
	if err != nil && !field.Is(err, field.CodeNotFound) {
		return err
	}
	if stored.Seq > last.Seq {
		return field.Refuse(field.CodeHashMismatch, "The head is entry %d, and the log ends at %d: entries are missing. Put a backup back.", stored.Seq, last.Seq)
	}
	v := &Verification{}
	head := store.Head{Scope: last.Scope, Seq: last.Seq, Hash: last.Hash, At: last.At}
	image, info, whole, err := v.replay(ctx, s, head, nil)
	switch {
	case err != nil:
		return err
	case !whole || len(v.Faults) > 0:
		return field.Refuse(field.CodeHashMismatch, "The log is not whole: %v. Put a backup back.", v.Faults)
	}
	head.Info = info
	strange, right, err := compare(ctx, s, head.Scope, image)
	if err != nil {
		return err
	}
	records := make([]*field.Record, 0, len(image))
	for _, r := range image {
		records = append(records, r)
	}
	for first := true; first || len(records) > 0; first = false {
		n := min(len(records), rebuildChunk)
		r := store.Repair{Head: head, Records: records[:n]}
		if first {
			for _, gone := range strange {
				r.Gone = append(r.Gone, gone.ID)
			}
		}
		if err := s.Repair(ctx, r); err != nil {
			return err
		}
		records = records[n:]
	}
	d.Scopes++
	d.Records += int64(len(image))
	d.Wrong += int64(len(image) - right)
	d.Strange = append(d.Strange, strange...)
	if stored.Hash != head.Hash || !stored.At.Equal(head.At) || !sameInfo(stored.Info, head.Info) {
		d.Heads++
	}
	return nil
}

// compare counts the records that are right, and finds those that the log does not know.
func compare(ctx context.Context, s Store, scope field.Scope, image map[field.RecordID]*field.Record) (strange []*field.Record, right int, err error) {
	for after := int64(math.MinInt64); ; {
		stored, err := s.Changed(ctx, scope, after, math.MaxInt64, rebuildChunk)
		if unreadable(ctx, err) {
			return strange, right, nil // what cannot be read is written anew all the same
		}
		if err != nil {
			return nil, 0, err
		}
		for _, r := range stored {
			after = r.Version
			switch want := image[r.ID]; {
			case want == nil:
				strange = append(strange, r)
			case differs(want, r) == "":
				right++
			}
		}
		if len(stored) < rebuildChunk {
			return strange, right, nil
		}
	}
}
