package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/sync/anchor"
)

// A witness is a file outside of everything that the server keeps: one signed statement of where all logs stood, on
// another disk or another machine. Anyone who puts database, photos and statements back to an older state, all
// together, contradicts it. What was put back on purpose contradicts it too; only the operator knows that, and begins
// another file.

const (
	helpWitness = "if you put a backup back yourself, name another file from now on; otherwise keep both as they are and call for help"
	helpSignIn  = "put the sign-in documents back from a backup, or give the person a new password with a one-time code; nobody signs in by what the log does not name"
	helpFile    = "put the file back from a backup: its name is its SHA-256"
	helpKeys    = "if it was not signed with a key of this server, the server's keys or the file were changed: keep the place as it is, and put both back from a backup"
)

// readWitness reads the statement in a file; nil when there is no file yet.
func readWitness(ctx context.Context, p *storage.Engines, file string) (*anchor.Statement, error) {
	msg, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the witness: %w", err)
	}
	key, _, err := storedKey(ctx, p.Store)
	if err != nil {
		return nil, fmt.Errorf("the witness %s cannot be checked: %w", file, err)
	}
	keys := key.ring().Keys
	s, err := anchor.Open(keys.Public(), msg)
	if err != nil {
		return nil, fmt.Errorf("the witness %s: %w", file, err)
	}
	return &s, nil
}

// Testify writes where all logs stand now to the file of a witness, see testify.
func Testify(ctx context.Context, cfg config.Config, log *slog.Logger, file string) error {
	p, err := storage.OpenToRead(ctx, cfg, log)
	if err != nil {
		return err
	}
	return errors.Join(testify(ctx, p, file), p.Close())
}

// testify writes where all logs stand now to the file of a witness, in the place of what it said before. It refuses
// when the logs do not hold what the witness knows: then the file is the evidence.
func testify(ctx context.Context, p *storage.Engines, file string) error {
	old, err := readWitness(ctx, p, file)
	if err != nil {
		return err
	}
	if old != nil {
		for _, h := range old.Heads {
			if err := stands(ctx, p, h, old.At); err != nil {
				return fmt.Errorf("the witness %s is left as it is: %w; run fieldclue verify --witness %s", file, err, file)
			}
		}
	}
	key, _, err := storedKey(ctx, p.Store)
	if err != nil {
		return noKey(err)
	}
	last, _, err := lastAnchored(ctx, p)
	if err != nil {
		return err
	}
	msg, n, err := signHeads(ctx, p, key.ring(), anchor.Statement{At: p.Now().UTC().Truncate(time.Millisecond), Prev: string(last.Sum)})
	if err != nil || n == 0 {
		return err
	}
	return replaceFile(file, msg)
}

// stands looks whether a log holds what a statement says of it.
func stands(ctx context.Context, p *storage.Engines, h anchor.Head, at time.Time) error {
	e, err := p.Raw.Entry(ctx, h.Scope, h.Seq)
	if err != nil && !field.Is(err, field.CodeNotFound) {
		return err
	}
	if err != nil || e.Hash != h.Hash {
		return fmt.Errorf("on %s entry %d of %s had the hash %s, and the log does not have it", at.UTC().Format(time.RFC3339), h.Seq, h.Scope, h.Hash)
	}
	return nil
}

// replaceFile writes a file under another name first, so that a crash leaves the old one or the new one.
func replaceFile(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("the witness: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it says nothing yet
		return fmt.Errorf("the witness: %w", err)
	}
	return nil
}

// swear compares a witness with the statements that were kept. Where the logs stand is compared while they are read.
func (r *Report) swear(ctx context.Context, p *storage.Engines, s *anchor.Statement) error {
	if s.Prev == "" {
		return nil
	}
	found := false
	err := p.Anchors.Each(ctx, func(i blob.Info) error {
		found = found || string(i.Sum) == s.Prev
		return nil
	})
	if err == nil && !found {
		r.Fault(helpWitness, "the witness of %s knows the statement %s, and it is gone", s.At.Format(time.RFC3339), s.Prev)
	}
	return err
}
