package engine

import (
	"context"
	"fmt"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Copied is what Copy did.
type Copied struct {
	Scopes, Entries int64
	There           int64 // entries that were there already
}

// Copy brings one store's log and records to another, scope by scope, and goes on where an earlier one was interrupted.
// It refuses when the other has another history of a scope. What is written meanwhile comes with the next Copy.
func Copy(ctx context.Context, from Kept, to Store, told func(*Copied)) (*Copied, error) {
	done := &Copied{}
	err := eachEnd(ctx, from, func(last store.Entry) error {
		if err := done.scope(ctx, from, to, last.Scope); err != nil {
			return fmt.Errorf("copy of %s: %w", last.Scope, err)
		}
		if told != nil {
			told(done)
		}
		return nil
	})
	return done, err
}

// copying is the copy of one scope: where it stands, and what the records are there.
type copying struct {
	there store.Head // the end in the target when it began
	head  store.Head // of what was read
	image map[field.RecordID]*field.Record
}

func (d *Copied) scope(ctx context.Context, from Kept, to Store, scope field.Scope) error {
	end, err := from.Head(ctx, scope)
	if err != nil {
		return err
	}
	there, err := to.Head(ctx, scope)
	if err != nil && !field.Is(err, field.CodeNotFound) {
		return err
	}
	if there.Seq > end.Seq {
		return field.Refuse(field.CodeStale, "The target has %d entries, the source %d.", there.Seq, end.Seq)
	}
	d.Scopes++
	d.There += there.Seq
	c := copying{there: there, head: store.Head{Scope: scope}, image: map[field.RecordID]*field.Record{}}
	for c.head.Seq < end.Seq {
		entries, err := from.Entries(ctx, scope, c.head.Seq, int(min(rebuildChunk, end.Seq-c.head.Seq)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return field.Refuse(field.CodeHashMismatch, "Entry %d is missing in the source.", c.head.Seq+1)
		}
		w, err := c.read(entries)
		if err != nil {
			return err
		}
		if len(w.Entries) == 0 {
			continue
		}
		if err := to.Commit(ctx, []store.Write{w}); err != nil {
			return err
		}
		d.Entries += int64(len(w.Entries))
	}
	return nil
}

// read applies entries, and makes of those that the target lacks what has to be written.
func (c *copying) read(entries []store.Entry) (store.Write, error) {
	var w store.Write
	changed := map[field.RecordID]bool{}
	for _, e := range entries {
		body, err := protocol.Open(e)
		if err != nil {
			return w, err
		}
		if e.Seq != c.head.Seq+1 || e.Prev != c.head.Hash || protocol.HashOf(e.Body) != e.Hash {
			return w, field.Refuse(field.CodeHashMismatch, "Entry %d does not follow on entry %d in the source.", e.Seq, c.head.Seq)
		}
		info := Replay(c.image, c.head.Info, &body, e)
		for _, ch := range body.Changes {
			changed[ch.ID] = true
		}
		if !sameInfo(c.head.Info, info) {
			for id := range c.image {
				changed[id] = true
			}
		}
		c.head.Seq, c.head.Hash, c.head.At, c.head.Info = e.Seq, e.Hash, e.At, info
		switch {
		case e.Seq == c.there.Seq && e.Hash != c.there.Hash:
			return w, field.Refuse(field.CodeStale, "The target has another history from entry %d or before.", e.Seq)
		case e.Seq <= c.there.Seq:
			clear(changed)
		default:
			w.Entries = append(w.Entries, e)
		}
	}
	for id := range changed {
		w.Records = append(w.Records, c.image[id])
	}
	w.Head = c.head
	return w, nil
}
