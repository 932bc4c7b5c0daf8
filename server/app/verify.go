package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/sync/anchor"
	"fieldclue/sync/engine"
)

// Report is what verification found. As JSON it is what `fieldclue verify --report` writes.
type Report struct {
	At time.Time `json:"at"`
	engine.Verification
	Photos     int64     `json:"photos"` // originals that are recorded as stored, with a receipt that holds and equal bytes
	Bytes      int64     `json:"bytes"`
	Renditions int64     `json:"renditions"`
	Held       int64     `json:"held"`       // photo records whose original is under legal hold
	Statements int       `json:"statements"` // signed statements of where the logs stood, which the logs confirm
	Newest     time.Time `json:"newestStatement,omitzero"`
	Remarks    []string  `json:"remarks,omitempty"` // what a person should know and is no fault

	keys   receipt.Keys     // of this server; empty when it has none yet
	leaked map[string]int64 // receipts of keys that others may have
}

// Sound reports whether everything is as it was acknowledged.
func (r *Report) Sound() bool { return len(r.Faults) == 0 }

// String is the report for a person.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "log         %d scopes, %d entries, each chained to the one before\n", r.Scopes, r.Entries)
	fmt.Fprintf(&b, "records     %d, equal to what the log says\n", r.Records)
	if r.Moved > 0 {
		fmt.Fprintf(&b, "            %d more were changed while this was read; the next run compares them\n", r.Moved)
	}
	fmt.Fprintf(&b, "photos      %d originals with %d bytes, equal to their SHA-256 and their receipts; %d renditions; %d under legal hold\n", r.Photos, r.Bytes, r.Renditions, r.Held)
	if r.Statements > 0 {
		fmt.Fprintf(&b, "statements  %d, signed; the newest of %s\n", r.Statements, r.Newest.UTC().Format(time.RFC3339))
	} else {
		b.WriteString("statements  none was kept yet: nothing outside of the database vouches for the log\n")
	}
	for _, s := range r.Remarks {
		fmt.Fprintf(&b, "REMARK      %s\n", s)
	}
	if r.Sound() {
		b.WriteString("verified: no fault")
		return b.String()
	}
	fmt.Fprintf(&b, "FAULTS      %d\n", len(r.Faults))
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return strings.TrimRight(b.String(), "\n")
}

// JSON is the report for a program.
func (r *Report) JSON() []byte {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic("app: a report of numbers and texts does not marshal: " + err.Error())
	}
	return append(b, '\n')
}

// Verify checks everything that the configuration names, beside a running server if need be. progress is told now and
// then how far it is; it may be nil.
func Verify(ctx context.Context, cfg config.Config, log *slog.Logger, progress func(string)) (*Report, error) {
	p, err := openToRead(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	report, err := check(ctx, p, progress)
	return report, errors.Join(err, p.close())
}

// Verify checks everything that this server stores.
func (a *App) Verify(ctx context.Context) (*Report, error) { return check(ctx, a.parts, nil) }

func check(ctx context.Context, p *parts, progress func(string)) (*Report, error) {
	r := &Report{At: time.Now().UTC().Truncate(time.Millisecond), leaked: map[string]int64{}}
	key, _, err := storedKey(ctx, p.store)
	switch {
	case err == nil:
		r.keys = key.ring().Keys
	case !field.Is(err, field.CodeNotFound):
		return r, err
	}
	var said anchor.Witness
	var faults []string
	if r.Statements, r.Newest, faults, err = p.hear(ctx, r.keys, &said); err != nil {
		return r, err
	}
	looked, told, held := 0, time.Now(), &holds{store: p.store, originals: p.originals}
	v, err := engine.Verify(ctx, p.store, engine.Look{
		Entry: said.Confirm,
		Record: func(rec *field.Record) error {
			if looked++; progress != nil && time.Since(told) > 5*time.Second {
				told = time.Now()
				progress(fmt.Sprintf("%d records, %d photos with %d MB so far", looked, r.Photos, r.Bytes>>20))
			}
			if rec.Kind != field.KindPhoto {
				return nil
			}
			if err := r.photo(ctx, p, rec); err != nil {
				return err
			}
			if rec.Fields["receipt"] == nil {
				return nil
			}
			return r.hold(ctx, held, blob.Sum(rec.Text("sha256")))
		},
	})
	r.Verification = *v
	r.Faults = append(r.Faults, faults...)
	r.contradictions(&said)
	for _, id := range slices.Sorted(maps.Keys(r.leaked)) {
		r.Remarks = append(r.Remarks, fmt.Sprintf("%d receipts are of the key %s, which may be in other hands: they hold because the log has them, for which later statements vouch", r.leaked[id], id))
	}
	return r, err
}

// contradictions are what a statement says and the log does not.
func (r *Report) contradictions(said *anchor.Witness) {
	excused := map[string]int{}
	for _, c := range said.Contradictions() {
		if c.Excused {
			excused[c.At.Format(time.RFC3339)]++
			continue
		}
		r.Faults = append(r.Faults, fmt.Sprintf("%s: by the signed statement of %s entry %d had the hash %s, and the log does not have it: it was rewritten or cut off",
			c.Scope, c.At.Format(time.RFC3339), c.Seq, c.Hash))
	}
	for at, n := range excused {
		r.Remarks = append(r.Remarks, fmt.Sprintf("%d logs knew more on %s than now: the database was put back from a copy later", n, at))
	}
	slices.Sort(r.Remarks)
}

// photo reads the original of a photo that is recorded as stored, whole, and the renditions' sizes.
func (r *Report) photo(ctx context.Context, p *parts, rec *field.Record) error {
	if rec.Fields["receipt"] == nil {
		return nil
	}
	sum := rec.Text("sha256")
	var paper receipt.Receipt
	if err := json.Unmarshal(rec.Fields["receipt"], &paper); err != nil {
		return fmt.Errorf("photo %s has a receipt that cannot be read: %w", sum, err)
	}
	if _, known := r.keys.Find(paper.KeyID); !known { // the key may have been changed since this began
		if key, _, err := storedKey(ctx, p.store); err == nil {
			r.keys = key.ring().Keys
		}
	}
	if err := r.keys.Verify(paper); err != nil {
		return fmt.Errorf("photo %s: %w", sum, err)
	}
	if key, _ := r.keys.Find(paper.KeyID); key.Leaked {
		r.leaked[key.KeyID]++
	}
	if paper.SHA256 != sum || paper.Size != rec.Int("size") || paper.PhotoID != string(rec.ID) {
		return fmt.Errorf("photo %s has the receipt of another file", sum)
	}
	body, err := p.originals.Open(ctx, blob.Sum(sum), 0, -1)
	if err != nil {
		return fmt.Errorf("photo %s is acknowledged and cannot be read: %w", sum, err)
	}
	h := sha256.New()
	n, err := io.Copy(h, body)
	err = errors.Join(err, body.Close())
	switch {
	case err != nil:
		return fmt.Errorf("photo %s cannot be read: %w", sum, err)
	case hex.EncodeToString(h.Sum(nil)) != sum, n != rec.Int("size"):
		return fmt.Errorf("photo %s is not the bytes that were received", sum)
	}
	r.Photos++
	r.Bytes += n
	for _, name := range []string{"small", "large"} {
		if s := rec.Text(name); s != "" {
			if _, err := p.small.Stat(ctx, blob.Sum(s)); err != nil {
				return fmt.Errorf("the %s rendition of photo %s: %w", name, sum, err)
			}
			r.Renditions++
		}
	}
	return nil
}
