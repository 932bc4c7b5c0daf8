package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	Moved   int64    `json:"moved"`             // records that somebody changed while this was read: not compared, and no fault
	Faults  []string `json:"faults"`            // each names a scope and an entry or a record, what is wrong and what helps; at most maxFaults
	More    int64    `json:"more,omitempty"`    // faults that are not listed
	Stopped bool     `json:"stopped,omitempty"` // the store is in no state to be read on

	Numbers   int64    `json:"numbers"`             // entries in which a person wrote a number of a person, from before that was refused; no fault
	NumbersIn []string `json:"numbersIn,omitempty"` // the first of them, with scope and entry and without the number

	links *linkSums
}

const maxFaults = 200

// Fault adds one. help is what the keeper of the store can do about it; empty: the text says so itself.
func (v *Verification) Fault(help, format string, args ...any) {
	if len(v.Faults) >= maxFaults {
		v.More++
		return
	}
	text := fmt.Sprintf(format, args...)
	if help != "" {
		text += "; " + help
	}
	v.Faults = append(v.Faults, text)
}

func (v *Verification) derived(format string, args ...any) {
	v.Fault(store.HelpRebuild, format, args...)
}

func (v *Verification) lost(format string, args ...any) { v.Fault(store.HelpRestore, format, args...) }

// Kept is what verification and rebuilding ask of a store besides.
type Kept interface {
	Store
	LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error)
	Repair(ctx context.Context, r store.Repair) error
	Check(ctx context.Context, found func(store.Flaw)) error
	Mend(ctx context.Context) ([]field.RecordID, error)
}

// Look is what the caller wants to look at on the way; each may be nil.
type Look struct {
	// Record is called for every record that is right, to check what it stands for (a photo's bytes). Its error is a
	// fault.
	Record func(*field.Record) error
	// Entry is called for every entry that is right.
	Entry func(scope field.Scope, seq int64, hash string)
	// Checked says that the caller has called Check.
	Checked bool
}

// Check looks at how everything lies in the store. Stopped says afterwards that nothing read from it can be believed.
func (v *Verification) Check(ctx context.Context, s Kept) error {
	return s.Check(ctx, func(f store.Flaw) {
		v.Stopped = v.Stopped || f.Blind
		v.Fault(f.Help, "%s: %s", f.Where, f.What)
	})
}

// Verify looks at how everything lies in the store, then reads the whole log and checks that each scope's entries are
// gapless, chained by their hashes and named by those that were written with them, that the heads are the last entries,
// and that the records are exactly what the log says. At any time it holds the records of one scope, and a number for
// each scope.
func Verify(ctx context.Context, s Kept, look Look) (*Verification, error) {
	v := &Verification{links: &linkSums{}}
	if !look.Checked {
		if err := v.Check(ctx, s); err != nil || v.Stopped {
			return v, err
		}
	}
	if err := v.links.begin(ctx, s); err != nil {
		return v, err
	}
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
			err := errors.Join(v.ends(ctx, s), v.unlinked(ctx, s))
			v.links = nil // of no use to anybody else
			return v, err
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
			v.derived("%s: has a log and no head", last.Scope)
		case err != nil:
			return err
		case head.Seq < last.Seq:
			v.derived("%s: the head is entry %d, and the log goes on to %d", last.Scope, head.Seq, last.Seq)
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
	var later []*field.Record
	met := map[field.RecordID]bool{} // one that is changed on the way comes a second time, behind the others
	if !sameInfo(info, head.Info) {
		v.derived("%s: who may see it is not what the log says", head.Scope)
	}
	for after := int64(math.MinInt64); ; {
		stored, err := s.Changed(ctx, head.Scope, after, math.MaxInt64, 500)
		if unreadable(ctx, err) {
			v.derived("%s: a record cannot be read: %v", head.Scope, err)
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
			if met[r.ID] {
				continue
			}
			met[r.ID] = true
			if r.Version > head.Seq {
				later = append(later, r)
				continue
			}
			want := image[r.ID]
			delete(image, r.ID)
			if what := differs(want, r); what != "" {
				v.derived("%s: record %s: %s", head.Scope, r.ID, what)
				continue
			}
			v.Records++
			v.stands(r, look)
		}
		if len(later) >= mostLater {
			break
		}
	}
	return v.left(ctx, s, head, image, later, met, look)
}

// mostLater is how many records are looked at that are newer than the log was when it was read.
const mostLater = 10_000

// Helped is what Look.Record answers when it knows what helps.
type Helped struct {
	Err  error
	Help string
}

func (h Helped) Error() string { return h.Err.Error() }
func (h Helped) Unwrap() error { return h.Err }

// stands lets the caller look at what a record stands for.
func (v *Verification) stands(r *field.Record, look Look) {
	if look.Record == nil {
		return
	}
	if err := look.Record(r); err != nil {
		help := store.HelpRestore
		var known Helped
		if errors.As(err, &known) {
			help = known.Help
		}
		v.Fault(help, "%s: record %s: %v", r.Scope, r.ID, err)
	}
}

// left looks at the records that were not met among those as old as the log that was read. Those that somebody has
// changed since the head was read are no fault, if the log has grown so far. What such a record stands for is looked at
// all the same.
func (v *Verification) left(ctx context.Context, s Store, head store.Head, image map[field.RecordID]*field.Record, later []*field.Record, met map[field.RecordID]bool, look Look) error {
	if len(image)+len(later) == 0 {
		return nil
	}
	elsewhere, err := s.Records(ctx, slices.Collect(maps.Keys(image)))
	if unreadable(ctx, err) {
		v.derived("%s: a record cannot be read: %v", head.Scope, err)
		return nil
	}
	if err != nil {
		return err
	}
	now, err := s.Head(ctx, head.Scope)
	if err != nil && !field.Is(err, field.CodeNotFound) {
		return err
	}
	for _, r := range elsewhere { // moved on since the others were read
		if r.Scope == head.Scope && r.Version > head.Seq && !met[r.ID] {
			later = append(later, r)
		}
	}
	for _, r := range later {
		_, whole := image[r.ID]
		delete(image, r.ID)
		if r.Version > now.Seq {
			what := "is in the store and not in the log"
			if whole {
				what = "is not what the log says"
			}
			v.derived("%s: record %s: has version %d, and the log ends at %d: it %s", head.Scope, r.ID, r.Version, now.Seq, what)
			continue
		}
		v.Moved++
		v.stands(r, look)
	}
	for id := range image {
		v.derived("%s: record %s is in the log and not in the store", head.Scope, id)
	}
	return nil
}

// replay makes the records of a scope from its log, up to the head that was read first.
func (v *Verification) replay(ctx context.Context, s Store, head store.Head, saw func(field.Scope, int64, string)) (map[field.RecordID]*field.Record, field.ScopeInfo, bool, error) {
	image := map[field.RecordID]*field.Record{}
	var info field.ScopeInfo
	seq, prev, at := int64(0), "", head.At
	for from := int64(math.MinInt64); seq < head.Seq; from = seq {
		entries, err := s.Entries(ctx, head.Scope, from, int(min(200, head.Seq-seq)))
		if errors.Is(err, store.ErrDamaged) {
			v.lost("%v", err)
			return nil, info, false, nil
		}
		if err != nil {
			return nil, info, false, err
		}
		if len(entries) == 0 && seq == 0 {
			v.lost("%s: it has a head, which is entry %d, and no log: the log was taken away, or the head put in (then no backup and no statement knows it, and its row in scopes can be deleted); entry 1 is missing", head.Scope, head.Seq)
			return nil, info, false, nil
		}
		if len(entries) == 0 {
			v.lost("%s: entry %d is missing", head.Scope, seq+1)
			return nil, info, false, nil
		}
		for _, e := range entries {
			v.Entries++
			body, err := protocol.Open(e)
			switch {
			case err != nil:
				v.lost("%v", err)
			case slices.ContainsFunc(body.Changes, func(c protocol.Change) bool { return c.Op < 0 || c.Op > len(body.Ops) }):
				v.lost("%s: entry %d names an operation that it does not have", head.Scope, e.Seq)
			case e.Seq != seq+1:
				v.lost("%s: entry %d is missing", head.Scope, seq+1)
			case protocol.HashOf(e.Body) != e.Hash:
				v.lost("%s: entry %d is not what its hash says", head.Scope, e.Seq)
			case e.Prev != prev || body.Prev != prev:
				v.lost("%s: entry %d does not follow on entry %d", head.Scope, e.Seq, seq)
			case body.Scope != e.Scope || body.Seq != e.Seq || body.Device != e.Device || body.Batch != e.Batch || body.Actor != e.Actor || body.At != protocol.Stamp(e.At):
				v.lost("%s: the columns of entry %d are not what its body says", head.Scope, e.Seq)
			default:
				seq, prev, at = e.Seq, e.Hash, e.At
				v.links.add(&body)
				info = Replay(image, info, &body, e)
				v.number(image, &body)
				if saw != nil {
					saw(e.Scope, e.Seq, e.Hash)
				}
				continue
			}
			return nil, info, false, nil
		}
	}
	if prev != head.Hash {
		v.derived("%s: the head is not the last entry", head.Scope)
	}
	if !at.Equal(head.At) {
		v.derived("%s: the head is of %s, and the last entry of %s", head.Scope, protocol.Stamp(head.At), protocol.Stamp(at))
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
