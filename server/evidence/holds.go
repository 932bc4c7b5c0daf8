package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Holds keeps the legal holds of originals equal to what the records say: an original is held while a photo with its
// bytes is linked to a clue that has a number. It follows the logs of the cases, and those of the sites for photos that
// arrive after they were linked. docs/decisions/holds.md says what counts.
type Holds struct {
	store     storage.Store
	commit    Committer
	originals blob.Store
	log       *slog.Logger
}

// Committer is the one write path.
type Committer interface {
	Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error)
}

// NewHolds keeps the holds of the originals in a store of blobs. commit and log may be nil where only Check is called.
func NewHolds(s storage.Store, commit Committer, originals blob.Store, log *slog.Logger) *Holds {
	return &Holds{store: s, commit: commit, originals: originals, log: log}
}

// holdKind is the kind in which it is noted what is held.
var holdKind = field.KindFor(field.UseHold)

// Name implements engine.Follower.
func (h *Holds) Name() string { return "holds" }

// Types implements engine.Follower.
func (h *Holds) Types() []field.ScopeType { return []field.ScopeType{field.ScopeClue, field.ScopeSite} }

// Entry implements engine.Follower. What it sets follows from the records as they are now, not from the entry, so it
// may be given the same entry any number of times. It fails only where trying again may help: a hold that is refused
// for good stops no other.
func (h *Holds) Entry(ctx context.Context, e store.Entry) error {
	if e.Scope.Type() == field.ScopeSite && !bytes.Contains(e.Body, []byte(`"receipt":`)) {
		return nil // most entries, and not worth parsing
	}
	body, err := protocol.Open(e)
	if err != nil {
		return err
	}
	var ids []field.RecordID
	for _, c := range body.Changes {
		if e.Scope.Type() == field.ScopeClue || c.Set["receipt"] != nil {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	records, err := h.store.Records(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range records {
		var failed error
		switch spec := field.KindOf(r.Kind); {
		case spec == nil:
		case spec.Bytes != "":
			failed = h.arrived(ctx, r)
		case spec.Ties != nil:
			failed = h.link(ctx, r)
		case spec.Holds != nil:
			failed = h.clue(ctx, r.ID, 0)
		}
		if failed != nil && err == nil {
			err = fmt.Errorf("legal hold after entry %s %d: %w", e.Scope, e.Seq, failed)
		}
	}
	return err
}

// mostMerged is how far a chain of clues that were merged into each other is followed.
const mostMerged = 20

// clue settles what a clue is linked to, and what those are linked to that were merged into it.
func (h *Holds) clue(ctx context.Context, id field.RecordID, depth int) error {
	for _, link := range field.Tying() {
		err := h.each(ctx, store.Query{Kinds: []field.Kind{link.Kind}, Keys: []string{field.KeyFor(link.Ties.Case, id)}}, h.link)
		if err != nil {
			return err
		}
	}
	if depth == mostMerged {
		return nil
	}
	for _, clue := range field.Holders() {
		err := h.each(ctx, store.Query{Kinds: []field.Kind{clue.Kind}, States: []field.State{clue.Holds.Merged}}, func(ctx context.Context, c *field.Record) error {
			if c.Text(clue.Holds.Into) != string(id) {
				return nil
			}
			return h.clue(ctx, c.ID, depth+1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *Holds) link(ctx context.Context, l *field.Record) error {
	tie := field.KindOf(l.Kind).Ties
	if !field.Kind(l.Text(tie.Kind)).DeclaresBytes() {
		return nil
	}
	_, photo := tie.Of(l)
	return h.photo(ctx, photo)
}

// photo sees to the hold of a photo's bytes. Bytes that have not arrived are held when they do.
func (h *Holds) photo(ctx context.Context, id field.RecordID) error {
	records, err := h.store.Records(ctx, []field.RecordID{id})
	if err != nil || len(records) == 0 || records[0].Fields["receipt"] == nil {
		return err
	}
	return h.bytes(ctx, blob.Sum(records[0].Text("sha256")))
}

// arrived sees to the hold of a photo that was linked before its bytes came. Nearly none was, and the arrival of bytes
// ends no hold: the photo store is not asked then.
func (h *Holds) arrived(ctx context.Context, photo *field.Record) error {
	sum := blob.Sum(photo.Text("sha256"))
	want, err := h.wanted(ctx, sum)
	if err != nil || len(want) == 0 {
		return err
	}
	return h.bytes(ctx, sum)
}

// bytes sees to the hold of an original. What is refused for good is for the operator, who finds it in the report of
// verify, too; the log goes on, and Mend tries it again every day.
func (h *Holds) bytes(ctx context.Context, sum blob.Sum) error {
	err := h.settle(ctx, sum)
	if refused(err) {
		h.log.Error("the legal hold of an original is refused; it is tried again every day", "sha256", sum, "error", err)
		return nil
	}
	return err
}

// refused reports whether trying again at once cannot help: the records or the photo store say no. A store that is down
// or full, a record that somebody else has changed, and whatever has no code, are none of that.
func refused(err error) bool {
	var e *field.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case field.ErrorInternal, field.ErrorBusy, field.ErrorConflict, field.ErrorTimeout, field.ErrorTooMany, field.ErrorFull:
		return false
	}
	return true
}

// settle sets or releases the hold of an original. Of several servers that do so at once each looks again after it has
// set something, so the last of them leaves what the records say.
func (h *Holds) settle(ctx context.Context, sum blob.Sum) error {
	for range 10 {
		want, err := h.wanted(ctx, sum)
		if err != nil {
			return err
		}
		held, err := h.originals.Held(ctx, sum)
		if err != nil {
			return err
		}
		if held == (len(want) > 0) {
			changed, err := h.note(ctx, sum, want)
			if err != nil || !changed {
				return err
			}
			continue
		}
		if held {
			if bundle, err := h.bundle(ctx, sum); err != nil || bundle {
				return err
			}
		}
		if err := h.originals.SetHold(ctx, sum, len(want) > 0); err != nil {
			return err
		}
		h.log.Info("legal hold", "sha256", sum, "on", len(want) > 0)
	}
	return field.Refuse(field.CodeBusy, "The legal hold of %s does not come to rest.", sum).InChinese("%s 的证据保全状态仍在变动。", sum)
}

// note writes into the registers what holds there are: in that of each organisation whose clue asks for one that the
// store keeps from now on, and none any more where no clue asks for it. It is done after the store has done it, and
// compared with the registers each time, so that a crash between the two leaves nothing out. The id of a hold is
// random: anyone who could work it out could take it before, and learn from the attempt whether it is there. Of several
// servers that note the same the first is heard, because they give their batches the same numbers.
func (h *Holds) note(ctx context.Context, sum blob.Sum, want map[string]*demand) (changed bool, err error) {
	noted, open, err := h.noted(ctx, sum)
	if err != nil {
		return false, err
	}
	write := func(register field.Scope, about string, number int64, op protocol.Operation) {
		changed = true
		failed := h.write(ctx, register, about, number, op)
		if failed != nil && (err == nil || refused(err)) { // one that may be tried again comes first
			err = failed
		}
	}
	for _, org := range slices.Sorted(maps.Keys(want)) {
		register := field.MakeScope(field.ScopeRegister, org)
		if slices.ContainsFunc(open, func(r *field.Record) bool { return r.Scope == register }) {
			continue
		}
		op := protocol.Operation{ID: field.RandomID(time.Now()), Kind: holdKind, Set: map[string]field.Value{
			"sha256": field.Quote(sum), "clueId": field.Quote(want[org].clue.ID()),
		}}
		write(register, string(sum), noted[register]+1, op)
	}
	for _, r := range open {
		if want[r.Scope.ID()] != nil {
			continue
		}
		op := protocol.Operation{ID: r.ID, Kind: holdKind, Base: r.Version, Command: "release"}
		write(r.Scope, string(r.ID), 1+r.Version, op)
	}
	return changed, err
}

// noted counts the holds of an original that stand in each register, and lists those that were not released.
func (h *Holds) noted(ctx context.Context, sum blob.Sum) (n map[field.Scope]int64, open []*field.Record, err error) {
	n = map[field.Scope]int64{}
	err = h.each(ctx, store.Query{Kinds: []field.Kind{holdKind}, Keys: []string{field.KeyFor("sha256", sum)}}, func(_ context.Context, r *field.Record) error {
		n[r.Scope]++
		if r.State == field.HoldHeld {
			open = append(open, r)
		}
		return nil
	})
	return n, open, err
}

// write commits one operation of the register, under a number that is the same at every server.
func (h *Holds) write(ctx context.Context, register field.Scope, about string, number int64, op protocol.Operation) error {
	_, err := h.commit.Commit(ctx, protocol.Batch{
		Actor: engine.Server, Device: field.DeviceID("server/holds/" + about), Number: number, Scope: register,
		Operations: []protocol.Operation{op}, Strict: true, Trusted: true,
	})
	if field.Is(err, field.CodeBatchReused) || field.Is(err, field.CodeNotNow) { // another server was first
		return nil
	}
	return err
}

// bundle reports whether a blob is a bundle of the archive (gzip, which no photo is): these are held for ever, also
// when somebody has declared a photo with the hash of one.
func (h *Holds) bundle(ctx context.Context, sum blob.Sum) (bool, error) {
	r, err := h.originals.Open(ctx, sum, 0, 2)
	if err != nil {
		return false, err
	}
	b, err := io.ReadAll(r)
	return string(b) == "\x1f\x8b", errors.Join(err, r.Close())
}

// demand is why an original is to be held for an organisation: a case that it manages, the entries that say so, and
// when the last of them was written.
type demand struct {
	clue field.Scope
	said map[field.Scope]int64
	at   time.Time
}

// wanted says why an original is to be held, for each organisation whose clues ask for it; empty when nothing does.
func (h *Holds) wanted(ctx context.Context, sum blob.Sum) (map[string]*demand, error) {
	wanted := map[string]*demand{}
	photos := store.Query{Kinds: field.WithBytes(), Keys: []string{field.KeyFor("sha256", sum)}, Deleted: true} // a voided one may be evidence of that
	err := h.each(ctx, photos, func(ctx context.Context, p *field.Record) error {
		return h.links(ctx, func(t *field.Tie) []string { return []string{field.KeyFor(t.Evidence, p.ID)} }, func(ctx context.Context, l *field.Record) error {
			clue, forOrg, err := h.standing(ctx, l)
			if err != nil || clue == nil || wanted[forOrg] != nil {
				return err
			}
			found := &demand{clue: clue.Scope, said: map[field.Scope]int64{p.Scope: p.Stamps["receipt"].Seq}}
			wanted[forOrg] = found
			for _, r := range []*field.Record{l, clue} {
				found.said[r.Scope] = max(found.said[r.Scope], r.Version)
			}
			for _, r := range []*field.Record{l, clue, p} {
				if r.UpdatedAt.After(found.at) {
					found.at = r.UpdatedAt
				}
			}
			return nil
		})
	})
	return wanted, err
}

// links calls fn for the links that count and have one of the keys that keys makes of how their kind ties evidence.
func (h *Holds) links(ctx context.Context, keys func(*field.Tie) []string, fn func(context.Context, *field.Record) error) error {
	for _, link := range field.Tying() {
		if err := h.each(ctx, store.Query{Kinds: []field.Kind{link.Kind}, States: link.Ties.Counts, Keys: keys(link.Ties)}, fn); err != nil {
			return err
		}
	}
	return nil
}

// standing is the clue of a link, or the one that it was merged into, if that one has a number and was not voided; with
// the organisation for which it holds its evidence.
func (h *Holds) standing(ctx context.Context, link *field.Record) (clue *field.Record, forOrg string, err error) {
	id, _ := field.KindOf(link.Kind).Ties.Of(link)
	for range mostMerged {
		records, err := h.store.Records(ctx, []field.RecordID{id})
		if err != nil || len(records) == 0 {
			return nil, "", err
		}
		clue := records[0]
		spec := field.KindOf(clue.Kind)
		if spec == nil || spec.Holds == nil {
			return nil, "", nil
		}
		switch holds := spec.Holds; {
		case clue.State == holds.Merged:
			id = field.RecordID(clue.Text(holds.Into))
		case slices.Contains(holds.Not, clue.State):
			return nil, "", nil
		default:
			return clue, clue.Text(holds.For), nil
		}
	}
	return nil, "", nil
}

// each calls fn for all records of a query, also after it has failed for one, and returns its first error.
func (h *Holds) each(ctx context.Context, q store.Query, fn func(context.Context, *field.Record) error) error {
	q.Visible, q.Limit = access.Everything, 500
	var failed error
	err := store.EachPage(ctx, h.store, q, func(records []*field.Record) error {
		for _, r := range records {
			if err := fn(ctx, r); ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil && failed == nil {
				failed = err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return failed
}

// Mend sets the holds that are missing. The follower sees to every change of the records; this sees to what happened
// outside of them: a hold that somebody took off, a photo store that was put back from a copy. It releases nothing,
// because a hold that nobody's link asks for may have been set by hand.
func (h *Holds) Mend(ctx context.Context) error {
	return h.links(ctx, func(*field.Tie) []string { return nil }, func(ctx context.Context, l *field.Record) error {
		if clue, _, err := h.standing(ctx, l); err != nil || clue == nil {
			return err
		}
		return h.link(ctx, l)
	})
}

// MendDaily looks for missing holds at the start and once a day.
func (h *Holds) MendDaily(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		if err := h.Mend(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("looking for missing legal holds; the next day tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// holdsDue is how long after a change of the records a missing hold is no fault: the server that follows may be down.
const holdsDue = 10 * time.Minute

// Check compares the legal hold of a photo's original with what the records say, at a time. A remark is what a person
// should know and is no fault; err says what is wrong, or why it could not be looked at.
func (h *Holds) Check(ctx context.Context, sum blob.Sum, at time.Time) (held bool, remark string, err error) {
	held, err = h.originals.Held(ctx, sum)
	if err != nil {
		return false, "", fmt.Errorf("the legal hold of photo %s: %w", sum, err)
	}
	want, err := h.wanted(ctx, sum)
	switch {
	case err != nil:
		return held, "", err
	case held == (len(want) > 0):
		return held, "", nil
	case held:
		return held, fmt.Sprintf("photo %s is under legal hold and no clue asks for it: set by hand, or about to be released", sum), nil
	}
	for _, org := range slices.Sorted(maps.Keys(want)) {
		d := want[org]
		passed, err := h.passed(ctx, sum, d)
		if err != nil {
			return held, "", err
		}
		if passed || at.Sub(d.at) >= holdsDue {
			return held, "", fmt.Errorf("photo %s is linked to a clue (%s) and not under legal hold; the server sets it at its next start", sum, d.clue)
		}
	}
	return held, fmt.Sprintf("photo %s is not under legal hold yet: the server that sets it has not come to it", sum), nil
}

// passed reports whether the follower has said that it was there: it has noted the hold, or gone on.
func (h *Holds) passed(ctx context.Context, sum blob.Sum, d *demand) (bool, error) {
	if _, open, err := h.noted(ctx, sum); err != nil || len(open) > 0 {
		return err == nil, err
	}
	for scope, seq := range d.said {
		doc, err := h.store.GetDoc(ctx, store.Cursors, h.Name()+"@"+string(scope))
		if field.Is(err, field.CodeNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		var at struct{ Seq int64 }
		if err := json.Unmarshal(doc.Body, &at); err != nil || at.Seq < seq {
			return false, err
		}
	}
	return true, nil
}
