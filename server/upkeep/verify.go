package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/server/accounts"
	"fieldclue/server/config"
	"fieldclue/server/evidence"
	"fieldclue/server/field"
	"fieldclue/server/storage"
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
	Accounts   int       `json:"accounts"` // whose password hash is the one that the log names
	Devices    int       `json:"devices"`
	Sessions   int       `json:"sessions"`
	Remarks    []string  `json:"remarks,omitempty"` // what a person should know and is no fault

	Witness time.Time `json:"witness,omitzero"` // of the statement outside that the logs confirm
	Files   int64     `json:"files"`            // originals, bundles and renditions whose bytes are what their names say
	Unknown int64     `json:"unknown"`          // of these, what lies beside the originals that records name: bundles of old entries, and bytes of which no record came to know

	keys   receipt.Keys     // of this server; empty when it has none yet
	leaked map[string]int64 // receipts of keys that others may have
	files  files
	found  founding
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
	fmt.Fprintf(&b, "sign-in     %d accounts with %d devices and %d sessions, as the log says\n", r.Accounts, r.Devices, r.Sessions)
	if r.Statements > 0 {
		fmt.Fprintf(&b, "statements  %d, signed; the newest of %s\n", r.Statements, r.Newest.UTC().Format(time.RFC3339))
	} else {
		b.WriteString("statements  none was kept yet: nothing outside of the database vouches for the log\n")
	}
	fmt.Fprintf(&b, "files       %d, each with the bytes that its name says; %d of them are no photo of a record: bundles of old entries, and bytes that no record names\n", r.Files, r.Unknown)
	if !r.Witness.IsZero() {
		fmt.Fprintf(&b, "witness     of %s, confirmed where no fault says otherwise\n", r.Witness.UTC().Format(time.RFC3339))
	}
	if r.Stopped {
		b.WriteString("STOPPED     the store is in no state to be read on: nothing else was looked at\n")
	}
	for _, s := range r.Remarks {
		fmt.Fprintf(&b, "REMARK      %s\n", s)
	}
	if r.Sound() {
		b.WriteString("verified: no fault")
		return b.String()
	}
	fmt.Fprintf(&b, "FAULTS      %d\n", int64(len(r.Faults))+r.More)
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  and %d more; they show when these are mended\n", r.More)
	}
	return strings.TrimRight(b.String(), "\n")
}

// JSON is the report for a program.
func (r *Report) JSON() []byte {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic("upkeep: a report of numbers and texts does not marshal: " + err.Error())
	}
	return append(b, '\n')
}

// Look says what verification shall do besides.
type Look struct {
	Witness  string       // a file outside that knows where the logs stood, and is brought up when there is no fault; empty: none
	Progress func(string) // is told now and then how far it is; may be nil
}

// Verify checks everything that the configuration names, beside a running server if need be.
func Verify(ctx context.Context, cfg config.Config, log *slog.Logger, look Look) (*Report, error) {
	p, err := storage.OpenToRead(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	report, err := Check(ctx, p, look)
	if err == nil && cfg.S3.Endpoint == "" {
		err = report.strangers(ctx, cfg.Data)
	}
	if err == nil && look.Witness != "" && report.Sound() {
		err = testify(ctx, p, look.Witness)
	}
	return report, errors.Join(err, p.Close())
}

// Check checks everything that the engines hold.
func Check(ctx context.Context, p *storage.Engines, look Look) (*Report, error) {
	r := &Report{At: p.Now().UTC().Truncate(time.Millisecond), leaked: map[string]int64{}}
	if err := r.Check(ctx, p.Store); err != nil || r.Stopped {
		return r, err
	}
	key, _, err := storedKey(ctx, p.Store)
	switch {
	case err == nil:
		r.keys = key.ring().Keys
	case field.Is(err, field.CodeStoreDown), field.Is(err, field.CodeBusy), ctx.Err() != nil:
		return r, err
	}
	var said, sworn anchor.Witness
	var faults []string
	if r.Statements, r.Newest, faults, err = hear(ctx, p, r.keys, &said); err != nil {
		return r, err
	}
	var witness *anchor.Statement
	if look.Witness != "" {
		if witness, err = readWitness(ctx, p, look.Witness); err != nil {
			faults = append(faults, fmt.Sprintf("%v; %s", err, helpWitness))
		} else if witness != nil {
			r.Witness = witness.At
			sworn.Hear(*witness)
		}
	}
	if err := r.walk(ctx, p, look.Progress); err != nil {
		return r, err
	}
	looked, told, held := 0, time.Now(), evidence.NewHolds(p.Store, nil, p.Originals, nil)
	v, err := engine.Verify(ctx, p.Store, engine.Look{
		Checked: true,
		Entry: func(scope field.Scope, seq int64, hash string) {
			said.Confirm(scope, seq, hash)
			sworn.Confirm(scope, seq, hash)
		},
		Record: func(rec *field.Record) error {
			if looked++; look.Progress != nil && time.Since(told) > 5*time.Second {
				told = time.Now()
				look.Progress(fmt.Sprintf("%d records, %d photos with %d MB so far", looked, r.Photos, r.Bytes>>20))
			}
			return r.record(ctx, p, held, rec)
		},
	})
	v.Faults, v.More = append(r.Faults, v.Faults...), v.More+r.More
	r.Verification = *v
	for _, f := range faults {
		r.Fault("", "%s", f)
	}
	if err != nil || r.Stopped {
		return r, err
	}
	r.contradictions(&said)
	for _, c := range sworn.Contradictions() {
		r.Fault(helpWitness, "%s: the witness of %s knows entry %d with the hash %s, and the log does not have it: all of it was put back to an older state, rewritten or cut off",
			c.Scope, c.At.Format(time.RFC3339), c.Seq, c.Hash)
	}
	if witness != nil {
		if err := r.swear(ctx, p, witness); err != nil {
			return r, err
		}
	}
	r.unclaimed()
	c, err := accounts.Check(ctx, p.Store, p.Now())
	if err != nil {
		return r, err
	}
	r.Accounts, r.Devices, r.Sessions = c.Accounts, c.Devices, c.Sessions
	for _, f := range c.Faults {
		r.Fault(helpSignIn, "%s", f)
	}
	if v.Numbers > 0 {
		r.Remarks = append(r.Remarks, fmt.Sprintf("%d entries of older versions hold an ID, phone or bank card number that somebody wrote: %s", v.Numbers, strings.Join(v.NumbersIn, ", ")))
	}
	for _, id := range slices.Sorted(maps.Keys(r.leaked)) {
		r.Remarks = append(r.Remarks, fmt.Sprintf("%d receipts are of the key %s, which may be in other hands: they hold because the log has them, for which later statements vouch", r.leaked[id], id))
	}
	doubt, err := Doubt(ctx, p)
	if err != nil {
		return r, err
	}
	if doubt != nil {
		r.Remarks = append(r.Remarks, doubt.EN)
	}
	return r, r.shelves(ctx, p, &said)
}

// record looks at what a record stands for.
func (r *Report) record(ctx context.Context, p *storage.Engines, held *evidence.Holds, rec *field.Record) error {
	r.found.see(rec)
	if rec.Kind == field.KindParked && field.IsSealed(rec) {
		if err := engine.Opens(ctx, p.Store, rec); err != nil {
			return fmt.Errorf("what is sealed: %w", err)
		}
	}
	if rec.Kind == field.KindParked && rec.Fields["receipt"] != nil {
		return r.kept(ctx, p, rec)
	}
	if !rec.Kind.DeclaresBytes() || rec.Fields["receipt"] == nil {
		return nil
	}
	if err := r.photo(ctx, p, rec); err != nil {
		return err
	}
	if err := r.examined(ctx, p, rec); err != nil {
		return err
	}
	return r.hold(ctx, held, blob.Sum(rec.Text("sha256")))
}

// hold looks at the legal hold of a photo's original.
func (r *Report) hold(ctx context.Context, h *evidence.Holds, sum blob.Sum) error {
	held, remark, err := h.Check(ctx, sum, r.At)
	if held {
		r.Held++
	}
	if remark != "" {
		r.Remarks = append(r.Remarks, remark)
	}
	return err
}

// contradictions are what a statement says and the log does not.
func (r *Report) contradictions(said *anchor.Witness) {
	excused := map[string]int{}
	for _, c := range said.Contradictions() {
		if c.Excused {
			excused[c.At.Format(time.RFC3339)]++
			continue
		}
		r.Fault("if you put a backup back yourself, fieldclue anchor --restored says so; otherwise keep the place as it is and call for help",
			"%s: by the signed statement of %s entry %d had the hash %s, and the log does not have it: it was rewritten, cut off or put back to an older state",
			c.Scope, c.At.Format(time.RFC3339), c.Seq, c.Hash)
	}
	for at, n := range excused {
		r.Remarks = append(r.Remarks, fmt.Sprintf("%d logs knew more on %s than now: the database was put back from a copy later", n, at))
	}
	slices.Sort(r.Remarks)
}

// photo compares a photo that is recorded as stored with its receipt, and looks at what was found of its files.
func (r *Report) photo(ctx context.Context, p *storage.Engines, rec *field.Record) error {
	sum, size := blob.Sum(rec.Text("sha256")), rec.Int("size")
	if err := r.receipt(ctx, p, rec, sum, size); err != nil {
		return err
	}
	if err := r.files.original(ctx, p.Originals, sum, size); err != nil {
		return err
	}
	r.Photos++
	r.Bytes += size
	for _, name := range []string{"small", "large"} {
		if s := rec.Text(name); s != "" {
			if err := r.files.rendition(ctx, p.Small, blob.Sum(s)); err != nil {
				return engine.Helped{Err: fmt.Errorf("the %s rendition %s of photo %s: %w", name, s, sum, err), Help: helpRendition}
			}
			r.Renditions++
		}
	}
	return nil
}

// kept does the same for the photo of a declaration that was kept, because the access had ended when it came.
func (r *Report) kept(ctx context.Context, p *storage.Engines, rec *field.Record) error {
	var paper receipt.Receipt
	if err := json.Unmarshal(rec.Fields["receipt"], &paper); err != nil {
		return fmt.Errorf("a receipt that cannot be read: %w", err)
	}
	var op struct{ ID string }
	if rec.Decode("operation", &op) != nil || op.ID != paper.PhotoID {
		return errors.New("the receipt is of another photo than was kept")
	}
	if err := r.vouched(ctx, p, paper); err != nil {
		return err
	}
	return r.files.original(ctx, p.Originals, blob.Sum(paper.SHA256), paper.Size)
}

func (r *Report) receipt(ctx context.Context, p *storage.Engines, rec *field.Record, sum blob.Sum, size int64) error {
	var paper receipt.Receipt
	if err := json.Unmarshal(rec.Fields["receipt"], &paper); err != nil {
		return fmt.Errorf("photo %s has a receipt that cannot be read: %w", sum, err)
	}
	if err := r.vouched(ctx, p, paper); err != nil {
		return engine.Helped{Err: fmt.Errorf("photo %s: %w", sum, err), Help: helpKeys}
	}
	if paper.SHA256 != string(sum) || paper.Size != size || paper.PhotoID != string(rec.ID) {
		return fmt.Errorf("photo %s has the receipt of another file", sum)
	}
	return nil
}

// vouched checks the signature of a receipt.
func (r *Report) vouched(ctx context.Context, p *storage.Engines, paper receipt.Receipt) error {
	if _, known := r.keys.Find(paper.KeyID); !known { // the key may have been changed since this began
		if key, _, err := storedKey(ctx, p.Store); err == nil {
			r.keys = key.ring().Keys
		}
	}
	if err := r.keys.Verify(paper); err != nil {
		return err
	}
	if key, _ := r.keys.Find(paper.KeyID); key.Leaked {
		r.leaked[key.KeyID]++
	}
	return nil
}
