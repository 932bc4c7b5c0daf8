package casefile

import (
	"bytes"
	"slices"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// cutter decides what of an entry may be shown.
type cutter struct {
	in    map[field.RecordID]field.Scope   // the records of the case, with their home
	kinds map[field.RecordID]field.Kind    // and their kind
	final map[field.RecordID]*field.Record // the interviews of the case as they stand
}

// touches reports whether an entry speaks of the case.
func (c *cutter) touches(b *protocol.Body) bool {
	for _, op := range b.Ops {
		if c.holds(b, op.ID) {
			return true
		}
	}
	for _, ch := range b.Changes {
		if c.holds(b, ch.ID) {
			return true
		}
	}
	return false
}

func (c *cutter) holds(b *protocol.Body, id field.RecordID) bool {
	home, ok := c.in[id]
	return ok && home == b.Scope
}

// cut gives what may be shown of an entry. whole: all of it. bared: something about a record of the case itself is not
// shown, so that nothing unknown but a short text is missing, and anyone who guesses it could confirm the guess by the
// hash.
//
// Not shown are operations and changes of other records; what a refused operation carried, for it may be the very name
// or number for which it was refused (it stands with who sent it, and in entries of older servers here; the digest of
// the batch covers it in both); of an interview every value that was replaced later, for it may be a name that somebody
// corrected to the alias; and of a site its households, of whom most have no part in the case.
func (c *cutter) cut(b *protocol.Body) (part *protocol.Body, whole, bared bool) {
	p := *b
	p.Ops, p.Changes, p.Sealed = nil, nil, nil
	whole = true
	place := make([]int, len(b.Ops)+1) // of operation i, counted from 1, in the part
	for i, op := range b.Ops {
		if !c.holds(b, op.ID) {
			whole = false
			continue
		}
		if op.Outcome.Outcome == protocol.Rejected {
			op.Operation = protocol.Operation{ID: op.ID, Kind: c.kinds[op.ID], Base: op.Base}
			op.Outcome, bared = protocol.Outcome{Outcome: protocol.Rejected, Code: op.Outcome.Code}, true
		}
		var less bool
		if op.Set, less = c.shown(op.ID, b.Seq, op.Set); less {
			bared = true
		}
		if c.final[op.ID] != nil && len(op.Outcome.Conflicts) > 0 {
			op.Outcome.Conflicts, bared = nil, true
		}
		p.Ops = append(p.Ops, op)
		place[i+1] = len(p.Ops)
	}
	for _, ch := range b.Changes {
		if !c.holds(b, ch.ID) {
			whole = false
			continue
		}
		var less bool
		if ch.Set, less = c.shown(ch.ID, b.Seq, ch.Set); less {
			bared = true
		}
		if ch.Op > 0 && ch.Op < len(place) {
			ch.Op = place[ch.Op]
		}
		p.Changes = append(p.Changes, ch)
	}
	if whole && !bared {
		return b, true, false
	}
	p.Digest = "" // it covers what is not shown
	return &p, false, bared
}

// shown are those of the values that may be shown: all but those of fields that are withheld, such as the households of
// a site, and of an interview those which the record still has from this entry.
func (c *cutter) shown(id field.RecordID, seq int64, set map[string]field.Value) (kept map[string]field.Value, less bool) {
	final, withheld := c.final[id], withheldOf(c.kinds[id])
	if final == nil && len(withheld) == 0 {
		return set, false
	}
	for path, v := range set {
		if slices.Contains(withheld, path) || final != nil && !stands(final, seq, path, v) {
			less = true
			continue
		}
		if kept == nil {
			kept = make(map[string]field.Value, len(set))
		}
		kept[path] = v
	}
	return kept, less
}

// withheldOf are the fields of a kind that are not shown.
func withheldOf(k field.Kind) (names []string) {
	if spec := field.KindOf(k); spec != nil {
		for i := range spec.Fields {
			if spec.Fields[i].Withheld {
				names = append(names, spec.Fields[i].Name)
			}
		}
	}
	return names
}

func stands(r *field.Record, seq int64, path string, v field.Value) bool {
	now, is := r.Fields[path]
	return r.Stamps[path].Seq == seq && (is && bytes.Equal(now, v) || !is && string(v) == "null")
}
