package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"fieldclue/media/blob"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/sync/engine"
)

// Report is what verification found.
type Report struct {
	engine.Verification
	Photos     int64 // originals that are recorded as stored and whose bytes are equal
	Bytes      int64
	Renditions int64
}

// Sound reports whether everything is as it was acknowledged.
func (r *Report) Sound() bool { return len(r.Faults) == 0 }

// String is the report for a person.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "log      %d scopes, %d entries, each chained to the one before\n", r.Scopes, r.Entries)
	fmt.Fprintf(&b, "records  %d, equal to what the log says\n", r.Records)
	if r.Moved > 0 {
		fmt.Fprintf(&b, "         %d more were changed while this was read; the next run compares them\n", r.Moved)
	}
	fmt.Fprintf(&b, "photos   %d originals with %d bytes, equal to their SHA-256; %d renditions\n", r.Photos, r.Bytes, r.Renditions)
	if r.Sound() {
		b.WriteString("verified: no fault")
		return b.String()
	}
	fmt.Fprintf(&b, "FAULTS   %d\n", len(r.Faults))
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return strings.TrimRight(b.String(), "\n")
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
	r := &Report{}
	looked := 0
	v, err := engine.Verify(ctx, p.store, func(rec *field.Record) error {
		if looked++; looked%1000 == 0 && progress != nil {
			progress(fmt.Sprintf("%d records, %d photos so far", looked, r.Photos))
		}
		if rec.Kind != field.KindPhoto {
			return nil
		}
		return r.photo(ctx, p, rec)
	})
	r.Verification = *v
	return r, err
}

// photo reads the original of a photo that is recorded as stored, whole, and the renditions' sizes.
func (r *Report) photo(ctx context.Context, p *parts, rec *field.Record) error {
	if rec.Fields["receipt"] == nil {
		return nil
	}
	sum := rec.Text("sha256")
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
