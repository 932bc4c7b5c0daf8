package engine

import (
	"context"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// way is how a device comes from its cursor to the end of a scope.
//
// A device that reads a scope from nothing needs no tombstone of a record that was deleted before it began: it never
// got that record. So the cursor that it gets while it loads says where the log ended then, and everything up to there
// is loaded without tombstones, however long the load takes and however old the log is. No clock is asked for that.
//
// A device that holds a scope needs the tombstones since its cursor, and the store keeps them all. One that has been
// away for longer than the horizon loads afresh all the same, which costs less than years of changes. It has been away
// since the first entry that it has not read: the age of the entry on which it stands says nothing, for a scope may be
// quiet for years. While it loads, the first one that counts is the first behind the end that the log had when it
// began.
//
// A device that does not give back what its cursors said, an old app, is told of every tombstone and never sent back to
// the start, because nobody could tell its slow load from a long absence. It gets entries whole, however long they are.
type way struct {
	afresh bool
	loaded int64  // tombstones up to this version are left out
	began  string // Load of the cursors on the way, until loaded is reached
	then   string // and from there on
	entire bool   // entries come whole: the device does not give back where in one it stands
}

// load is the Load of a cursor at a version.
func (w way) load(at int64) string {
	if at < w.loaded {
		return w.began
	}
	return w.then
}

// setOut finds the way from a cursor that is not at the head. given: the device has sent one.
func (p *page) setOut(head *store.Head, from protocol.Cursor, given bool) (way, error) {
	fresh := way{afresh: true}
	switch {
	case from.Seq == 0 && from.Part() == "":
		return way{loaded: head.Seq, began: protocol.Loading(head.Seq, head.Hash), then: protocol.Whole, entire: given}, nil
	case from.Seq < 0 || from.Seq >= head.Seq:
		return fresh, nil // equal heads were answered before
	}
	var marks []store.Entry
	var err error
	if from.Seq > 0 { // the entry on which the device stands, and the first that it has not read
		marks, err = p.e.store.Marks(p.ctx, head.Scope, from.Seq-1, 2)
		if err != nil || len(marks) < 2 || marks[0].Hash != from.Hash {
			return fresh, err
		}
	}
	var w way
	seq, hash, loading := from.Began()
	switch {
	case from.Came() == protocol.Whole && from.Seq > 0:
		w.then = protocol.Whole
	case !loading && from.Seq > 0:
		w.entire = true
		return w, nil
	case !loading:
		return fresh, nil
	case seq <= from.Seq || seq > head.Seq:
		return fresh, nil // no cursor that this history has given out
	default:
		marks, err = p.e.store.Marks(p.ctx, head.Scope, seq-1, 2)
		if err != nil || len(marks) == 0 || marks[0].Hash != hash {
			return fresh, err
		}
		w = way{loaded: seq, began: from.Came(), then: protocol.Whole}
	}
	w.afresh = p.behindHorizon(marks)
	return w, nil
}

// behindHorizon reports whether the second of two entries, the first that a device has not read, was written before the
// horizon. A server whose clock was wrong for a while does not send everybody back to the start: no entry is older than
// the one before it.
func (p *page) behindHorizon(marks []store.Entry) bool {
	if p.e.horizon <= 0 || len(marks) < 2 {
		return false
	}
	missed := marks[1].At
	if marks[0].At.After(missed) {
		missed = marks[0].At
	}
	return p.e.now().Sub(missed) > p.e.horizon
}

// mark reads an entry that must be there, without its body.
func (e *Engine) mark(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	marks, err := e.store.Marks(ctx, scope, seq-1, 1)
	if err != nil || len(marks) == 0 || marks[0].Seq != seq {
		if err == nil {
			err = field.Refuse(field.CodeNotFound, "")
		}
		return store.Entry{}, err
	}
	return marks[0], nil
}
