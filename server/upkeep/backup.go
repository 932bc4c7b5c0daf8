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
	"fieldclue/server/store"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/engine"
)

// A backup of the embedded store is a data directory of its own: the database as it was at one moment, then every file
// that it names. Files never change, so a second backup into the same place brings only the new ones. Half-finished
// uploads stay behind: their phones still hold them, and begin them again.

// Done is what a backup, a restore or a move did.
type Done struct {
	Scopes, Entries int64 // in the log
	Files, There    int64 // brought; there already
	Bytes           int64
	Numbers         []string // where the clue numbers go on after a restore
	From            string   // what was copied without its files, because they lie elsewhere; empty: everything
}

// String is a line for a person.
func (d *Done) String() string {
	s := fmt.Sprintf("%d logs with %d entries; %d files with %d MB, %d files were there already", d.Scopes, d.Entries, d.Files, d.Bytes>>20, d.There)
	if d.From != "" {
		s += "; photos stay in " + d.From
	}
	return s
}

// errNotEmbedded is what backup and restore answer for MongoDB.
var errNotEmbedded = errors.New("records are in MongoDB: back it up with mongodump, or bring everything into a directory with fieldclue move")

// Backup copies the embedded store into a directory, also while a server is using it.
func Backup(ctx context.Context, cfg config.Config, to string, told func(*Done)) (*Done, error) {
	if cfg.MongoDB.URI != "" {
		return nil, errNotEmbedded
	}
	if inside(cfg.Data, to) {
		return nil, fmt.Errorf("%s lies in the data directory itself: choose another disk", to)
	}
	// The database goes first into a place beside the last one: until its files are here too, the last backup counts.
	fresh := filepath.Join(to, "next")
	if err := storage.KeepPrivate(to, slog.New(slog.DiscardHandler)); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := errors.Join(os.MkdirAll(to, 0o700), os.RemoveAll(fresh)); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := sqlite.Copy(ctx, cfg.Data, fresh); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	done := &Done{}
	if err := done.countLogs(ctx, fresh); err != nil {
		return done, fmt.Errorf("backup: %w", err)
	}
	target := config.Config{Data: to}
	if cfg.S3.Endpoint != "" {
		done.From = "the bucket " + cfg.S3.Bucket + ", which has to be mirrored too"
	} else if err := done.files(ctx, cfg, target, told); err != nil {
		return done, fmt.Errorf("backup: %w", err)
	}
	if err := sqlite.Replace(fresh, to); err != nil {
		return done, fmt.Errorf("backup: %w", err)
	}
	if err := os.Remove(marksOf(to)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, fmt.Errorf("backup: %w", err)
	}
	return done, os.RemoveAll(fresh)
}

// countLogs opens a copy once before it counts as one, and removes from it what no copy can hold.
func (d *Done) countLogs(ctx context.Context, dir string) error {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	err = storage.EachDoc(ctx, s, store.Uploads, func(doc store.Doc) error { return s.DeleteDoc(ctx, doc.Shelf, doc.ID, doc.Version) })
	if err != nil {
		return errors.Join(err, s.Close())
	}
	err = storage.EachHead(ctx, s, func(h store.Head) error {
		d.Scopes++
		d.Entries += h.Seq
		return nil
	})
	return errors.Join(err, s.Close())
}

// Restore puts a backup into an empty data directory, and keeps a statement that it was put back. One that was
// interrupted goes on where it was: the database comes last, and its registers have passed over then what may have been
// given since the backup.
func Restore(ctx context.Context, cfg config.Config, log *slog.Logger, from string, told func(*Done)) (*Done, error) {
	if cfg.MongoDB.URI != "" {
		return nil, errNotEmbedded
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, sqlite.DataFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is a store in %s (%w): move it out of the way, and keep it", cfg.Data, errors.Join(err, fs.ErrExist))
	}
	if _, err := os.Stat(filepath.Join(from, sqlite.DataFile)); err != nil {
		return nil, fmt.Errorf("there is no backup in %s: %w", from, err)
	}
	if err := storage.KeepPrivate(cfg.Data, log); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	done := &Done{}
	if cfg.S3.Endpoint == "" {
		if err := done.files(ctx, config.Config{Data: from}, cfg, told); err != nil {
			return done, fmt.Errorf("restore: %w", err)
		}
	} else {
		done.From = "the bucket " + cfg.S3.Bucket
	}
	fresh := filepath.Join(cfg.Data, "next")
	if err := os.RemoveAll(fresh); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if err := sqlite.Copy(ctx, from, fresh); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if err := done.countLogs(ctx, fresh); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if err := done.goOn(ctx, fresh, from, log); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if err := errors.Join(sqlite.Replace(fresh, cfg.Data), os.RemoveAll(fresh)); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if err := keepRestored(ctx, cfg, log); err != nil {
		return done, fmt.Errorf("everything is back; the statement about it could not be kept: %w", err)
	}
	return done, nil
}

// goOn sets the registers of a copy of a backup to where their numbers go on.
func (d *Done) goOn(ctx context.Context, dir, backup string, log *slog.Logger) error {
	now := time.Now()
	earlier, err := countMarks(backup)
	if err != nil {
		return err
	}
	if err := mark(backup, now); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	d.Numbers, err = skipNumbers(ctx, s, log, now, earlier)
	return errors.Join(err, s.Close())
}

func keepRestored(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	_, _, err = keepStatement(ctx, p, p.Now(), true)
	return errors.Join(err, p.Close())
}

// files brings all files of one place to another.
func (d *Done) files(ctx context.Context, from, to config.Config, told func(*Done)) error {
	source, err1 := storage.OpenBlobs(ctx, from)
	target, err2 := storage.OpenBlobs(ctx, to)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return d.blobs(ctx, source, target, told)
}

func (d *Done) blobs(ctx context.Context, from, to *storage.Engines, told func(*Done)) error {
	for _, pair := range [][2]blob.Store{{from.Originals, to.Originals}, {from.Small, to.Small}, {from.Anchors, to.Anchors}} {
		if err := d.mirror(ctx, pair[0], pair[1], told); err != nil {
			return err
		}
	}
	return nil
}

// mirror brings what one store has to another, hashing every byte on its way, and legal holds with it.
func (d *Done) mirror(ctx context.Context, from, to blob.Store, told func(*Done)) error {
	return from.Each(ctx, func(i blob.Info) error {
		if err := d.bring(ctx, from, to, i); err != nil {
			return fmt.Errorf("file %s: %w", i.Sum, err)
		}
		if told != nil {
			told(d)
		}
		return nil
	})
}

func (d *Done) bring(ctx context.Context, from, to blob.Store, i blob.Info) error {
	there, err := to.Stat(ctx, i.Sum)
	switch {
	case err == nil && there.Size == i.Size:
		d.There++
		return hold(ctx, from, to, i.Sum)
	case err == nil:
		return field.Refuse(field.CodeSizeMismatch, "The target has another file under this name.")
	case !field.Is(err, field.CodeNotFound):
		return err
	}
	r, err := from.Open(ctx, i.Sum, 0, -1)
	if err != nil {
		return err
	}
	_, err = to.PutIfAbsent(ctx, i.Sum, i.Size, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	d.Files++
	d.Bytes += i.Size
	return hold(ctx, from, to, i.Sum)
}

// hold brings a legal hold; it never releases one.
func hold(ctx context.Context, from, to blob.Store, sum blob.Sum) error {
	held, err := from.Held(ctx, sum)
	if err != nil || !held {
		return err
	}
	return to.SetHold(ctx, sum, true)
}

// Move brings everything from one pair of engines to another, records and files, and compares the ends of all logs
// afterwards. It goes on where an earlier one stopped: run it beside the working server first, then once more when that
// has been stopped, and start the server on the new engines.
func Move(ctx context.Context, from, to config.Config, log *slog.Logger, told func(*Done)) (*Done, error) {
	source, err := storage.OpenToRead(ctx, from, log)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	target, err := storage.Open(ctx, to, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the target: %w", err), source.Close())
	}
	done := &Done{}
	err = done.move(ctx, source, target, told)
	return done, errors.Join(err, target.Close(), source.Close())
}

func (d *Done) move(ctx context.Context, from, to *storage.Engines, told func(*Done)) error {
	_, err := engine.Copy(ctx, from.Store, to.Store, func(c *engine.Copied) {
		d.Scopes, d.Entries = c.Scopes, c.Entries+c.There
		if told != nil {
			told(d)
		}
	})
	if err != nil {
		return err
	}
	// Files come after the records that were read: whatever a record names was there before it.
	if err := d.blobs(ctx, from, to, told); err != nil {
		return err
	}
	for _, shelf := range []store.Shelf{store.Accounts, store.Devices, store.Sessions, store.Jobs, store.Cursors, store.Keys, store.Sealed} {
		if err := moveShelf(ctx, from.Store, to.Store, shelf); err != nil {
			return fmt.Errorf("shelf %s: %w", shelf, err)
		}
	}
	return storage.EachHead(ctx, from.Store, func(h store.Head) error {
		there, err := to.Store.Head(ctx, h.Scope)
		if err != nil {
			return fmt.Errorf("comparing %s: %w", h.Scope, err)
		}
		if there.Seq < h.Seq || there.Seq == h.Seq && there.Hash != h.Hash {
			return fmt.Errorf("%s has %d entries in the source and %d in the target: somebody is writing; run this once more when the server has been stopped", h.Scope, h.Seq, there.Seq)
		}
		return nil
	})
}

// moveShelf makes the documents of the target those of the source.
func moveShelf(ctx context.Context, from, to storage.Store, shelf store.Shelf) error {
	have := map[string]bool{}
	err := storage.EachDoc(ctx, from, shelf, func(doc store.Doc) error {
		have[doc.ID] = true
		old, err := to.GetDoc(ctx, shelf, doc.ID)
		if err != nil && !field.Is(err, field.CodeNotFound) {
			return err
		}
		doc.Version = old.Version
		_, err = to.PutDoc(ctx, doc)
		return err
	})
	if err != nil {
		return err
	}
	return storage.EachDoc(ctx, to, shelf, func(doc store.Doc) error {
		if have[doc.ID] {
			return nil
		}
		return to.DeleteDoc(ctx, shelf, doc.ID, doc.Version)
	})
}

// inside reports whether a path lies in a directory, or is it.
func inside(dir, path string) bool {
	d, err1 := filepath.Abs(dir)
	p, err2 := filepath.Abs(path)
	if err1 != nil || err2 != nil {
		return false
	}
	rel, err := filepath.Rel(d, p)
	return err == nil && filepath.IsLocal(rel)
}

// Often lets a report through every few seconds.
func Often[T any](say func(T)) func(T) {
	last := time.Now()
	return func(v T) {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			say(v)
		}
	}
}
