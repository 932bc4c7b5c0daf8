package casefile

import (
	"fmt"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// tale is what entries of the log come to: the records, and what happened to each. The code that makes a file and the
// code that checks it tell it from the same bytes.
type tale struct {
	image  map[field.RecordID]*field.Record
	events map[field.RecordID][]protocol.Event
}

func newTale() *tale {
	return &tale{image: map[field.RecordID]*field.Record{}, events: map[field.RecordID][]protocol.Event{}}
}

// hear takes the next entry of a scope in. An entry that cannot be is an error, and changes nothing.
func (t *tale) hear(b *protocol.Body, hash string) error {
	at, err := time.Parse(time.RFC3339Nano, b.At)
	if err != nil {
		return fmt.Errorf("its time: %w", err)
	}
	ids := map[field.RecordID]bool{}
	for _, c := range b.Changes {
		old := t.image[c.ID]
		switch {
		case c.Op < 0 || c.Op > len(b.Ops):
			return fmt.Errorf("a change rests on operation %d of %d", c.Op, len(b.Ops))
		case old == nil && !ids[c.ID] && field.KindOf(c.Kind) == nil:
			return fmt.Errorf("it makes a record of an unknown kind")
		case old != nil && old.Scope != b.Scope:
			return fmt.Errorf("record %s lives in another scope", c.ID)
		case len(t.image) > maxRecords:
			return fmt.Errorf("there are over %d records", maxRecords)
		}
		ids[c.ID] = true
	}
	for _, op := range b.Ops {
		ids[op.ID] = true
	}
	for _, c := range b.Changes {
		t.image[c.ID] = protocol.Apply(b, c, at, t.image[c.ID], field.ScopeInfo{})
	}
	for id := range ids {
		if e, ok := protocol.EventOf(b, hash, id); ok {
			if b.Actor != "" {
				e.By = &protocol.Named{ID: field.RecordID(b.Actor)}
			}
			t.events[id] = append(t.events[id], e)
		}
	}
	return nil
}

// filed is a record with its history.
func (t *tale) filed(r *field.Record) Filed {
	return Filed{Record: protocol.FromRecord(r), History: t.events[r.ID]}
}
