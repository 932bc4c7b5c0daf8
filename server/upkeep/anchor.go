package upkeep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
)

// Once a day the server signs where all logs stand and keeps the statement outside of the database: on MinIO in a
// bucket of its own, where nobody can remove it for ten years, whatever keys he holds; in the embedded directory as a
// read-only file, of which anyone who distrusts the machine keeps a copy elsewhere.
const (
	anchorEvery = 24 * time.Hour
	anchorDoc   = "anchor"
	maxAnchor   = 1 << 30 // bytes of a statement that is read
)

// anchored is the document that tells servers when the newest statement was made.
type anchored struct {
	At   time.Time `json:"at"`
	Sum  blob.Sum  `json:"sum"`
	Kept time.Time `json:"kept,omitzero"` // when that was by the clock; zero: At
}

// due reports whether the next statement is. One from the future was kept by a clock that was put right since.
func (a anchored) due(now time.Time) bool {
	kept := a.Kept
	if kept.IsZero() {
		kept = a.At
	}
	age := now.Sub(kept)
	return age >= anchorEvery || age < -receipt.Clocks
}

func lastAnchored(ctx context.Context, p *storage.Engines) (last anchored, doc store.Doc, err error) {
	doc, err = p.Store.GetDoc(ctx, store.Cursors, anchorDoc)
	if field.Is(err, field.CodeNotFound) {
		return last, store.Doc{Shelf: store.Cursors, ID: anchorDoc}, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &last)
	}
	return last, doc, err
}

// AnchorDaily keeps a statement a day. Servers that do it at the same time both do; no harm comes of it.
func AnchorDaily(ctx context.Context, p *storage.Engines, log *slog.Logger) error {
	for {
		if err := anchorIfDue(ctx, p, log); err != nil && ctx.Err() == nil {
			log.Error("no signed statement of the logs was kept; it is tried again", "error", err)
		}
		again := time.NewTimer(anchorEvery / 24)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case <-again.C:
		}
	}
}

func anchorIfDue(ctx context.Context, p *storage.Engines, log *slog.Logger) error {
	last, _, err := lastAnchored(ctx, p)
	if err != nil || !last.due(p.Now()) {
		return err
	}
	sum, n, err := keepStatement(ctx, p, p.Now(), false)
	if err == nil && n > 0 {
		log.Info("a signed statement of the logs was kept", "sha256", sum, "scopes", n)
	}
	return err
}

// keepStatement signs where all logs stand, and keeps it. n is the number of logs. By their times one sees which
// statement came later (anchor.Witness), so its time is after that of the one before, also if the clock was put back;
// after a restore it is after that of all that were kept, because the copy knows only the older ones.
func keepStatement(ctx context.Context, p *storage.Engines, now time.Time, restored bool) (sum blob.Sum, n int, err error) {
	last, doc, err := lastAnchored(ctx, p)
	if err != nil {
		return "", 0, err
	}
	ring, err := Ring(ctx, p)
	if err != nil {
		return "", 0, err
	}
	now = now.UTC().Truncate(time.Millisecond)
	s, before := anchor.Statement{At: now, Prev: string(last.Sum), Restored: restored}, last.At
	if restored {
		_, newest, _, err := hear(ctx, p, ring.Keys, &anchor.Witness{}) // its faults are for verify
		if err != nil {
			return "", 0, err
		}
		if newest.After(before) {
			before = newest
		}
	}
	if !s.At.After(before) {
		s.At = before.Add(time.Millisecond)
	}
	msg, n, err := signHeads(ctx, p, ring, s)
	if err != nil || n == 0 {
		return "", 0, err
	}
	if sum, err = keep(ctx, p.Anchors, msg); err != nil {
		return "", 0, err
	}
	next := anchored{At: s.At, Sum: sum}
	if !s.At.Equal(now) {
		next.Kept = now
	}
	doc.Body = field.Quote(next)
	if _, err := p.Store.PutDoc(ctx, doc); err != nil && !field.Is(err, field.CodeStale) {
		return "", 0, err
	}
	return sum, n, nil
}

// signHeads makes a statement say where all logs stand, and which keys the server has. n is the number of logs; without
// any there is nothing to sign.
func signHeads(ctx context.Context, p *storage.Engines, ring receipt.Ring, s anchor.Statement) (msg []byte, n int, err error) {
	err = storage.EachHead(ctx, p.Store, func(h store.Head) error {
		s.Heads = append(s.Heads, anchor.Head{Scope: h.Scope, Seq: h.Seq, Hash: h.Hash})
		return nil
	})
	if err != nil || len(s.Heads) == 0 {
		return nil, 0, err
	}
	s.Keys = digestOf(ring.Keys)
	msg, err = anchor.Sign(ring.Private, s)
	return msg, len(s.Heads), err
}

// digestOf is what a statement says of the server's keys, with when each was good and which may be in other hands.
func digestOf(keys receipt.Keys) string {
	h := sha256.Sum256(field.Quote(keys.Publish()))
	return hex.EncodeToString(h[:])
}

// Anchor keeps a signed statement now. restored says that the database was put back from a copy: what earlier
// statements know and the logs do not is then no fault, but stays in every report; and the registers pass over the
// numbers that may have been given since, of which told says where they go on. It comes before the server gives the
// next number.
func Anchor(ctx context.Context, cfg config.Config, log *slog.Logger, restored bool) (sum string, scopes int, told []string, err error) {
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		return "", 0, nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if restored {
		earlier, err := restoredBefore(ctx, p)
		if err != nil {
			return "", 0, nil, err
		}
		if told, err = skipNumbers(ctx, p.Store, log, p.Now(), earlier); err != nil {
			return "", 0, told, err
		}
	}
	kept, n, err := keepStatement(ctx, p, p.Now(), restored)
	return string(kept), n, told, err
}

// hear reads all statements that were kept. faults are those that do not hold, or are missing from the row. Beside it
// the key may be changed and statements may be kept.
func hear(ctx context.Context, p *storage.Engines, keys receipt.Keys, w *anchor.Witness) (n int, newest time.Time, faults []string, err error) {
	known, wanted := map[string]bool{}, map[string]time.Time{}
	last, doc, err := lastAnchored(ctx, p) // before they are listed: what is kept from now on may not be in the list
	switch {
	case err != nil && doc.Version > 0:
		faults = append(faults, fmt.Sprintf("cursors %s: it cannot be read: %v; %s", anchorDoc, err, store.HelpRebuild))
		last = anchored{}
	case err != nil:
		return n, newest, faults, err
	}
	if last.Sum != "" {
		wanted[string(last.Sum)] = last.At
	}
	err = p.Anchors.Each(ctx, func(i blob.Info) error {
		known[string(i.Sum)] = true
		msg, err := fetch(ctx, p.Anchors, i)
		if err != nil {
			faults = append(faults, fmt.Sprintf("statement %s cannot be read: %v; %s", i.Sum, err, helpFile))
			return nil
		}
		s, err := anchor.Open(keys.Public(), msg)
		if err != nil { // the key may have been changed since they were read
			if k, _, failed := storedKey(ctx, p.Store); failed == nil {
				keys = k.ring().Keys
				s, err = anchor.Open(keys.Public(), msg)
			}
		}
		if err == nil {
			signer, _ := keys.Find(receipt.KeyID(s.Key))
			err = signer.Signed(s.At)
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("statement %s: %v; %s", i.Sum, err, helpKeys))
			return nil
		}
		if s.Prev != "" {
			wanted[s.Prev] = s.At
		}
		if i.Sum == last.Sum && !s.At.Equal(last.At) {
			faults = append(faults, fmt.Sprintf("cursors %s: it says that the newest statement %s is of %s, which is of %s; %s", anchorDoc, i.Sum,
				last.At.UTC().Format(time.RFC3339), s.At.Format(time.RFC3339), store.HelpRebuild))
		}
		if n++; s.At.After(newest) {
			newest = s.At
		}
		w.Hear(s)
		return nil
	})
	if err != nil {
		return n, newest, faults, err
	}
	for sum, at := range wanted {
		if !known[sum] {
			faults = append(faults, fmt.Sprintf("statement %s is gone, which was the newest before %s; %s", sum, at.UTC().Format(time.RFC3339), helpFile))
		}
	}
	if last.Sum == "" && n > 0 && len(faults) == 0 {
		faults = append(faults, fmt.Sprintf("cursors %s: it is missing, and %d statements were kept; %s", anchorDoc, n, store.HelpRebuild))
	}
	return n, newest, faults, nil
}

// keep stores bytes that are in memory.
func keep(ctx context.Context, s blob.Store, b []byte) (blob.Sum, error) {
	h := sha256.Sum256(b)
	sum := blob.Sum(hex.EncodeToString(h[:]))
	_, err := s.PutIfAbsent(ctx, sum, int64(len(b)), bytes.NewReader(b))
	return sum, err
}

// fetch reads a small blob whole, and believes it only if its hash is right.
func fetch(ctx context.Context, s blob.Store, i blob.Info) (b []byte, err error) {
	if i.Size > maxAnchor {
		return nil, field.Refuse(field.CodeSizeMismatch, "")
	}
	r, err := s.Open(ctx, i.Sum, 0, -1)
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(blob.NewExact(r, i.Sum, i.Size))
	return b, errors.Join(err, r.Close())
}
