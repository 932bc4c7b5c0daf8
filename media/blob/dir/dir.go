// Package dir keeps blobs in one directory tree: the embedded default.
//
// Under the root, data/ab/<sum> holds a blob as a read-only file, data/ab/<sum>.hold marks a legal hold, staging/<id>/
// the segments of a half-finished upload, tmp/ what is being written. A name appears only after its bytes and then the
// directory are flushed. Start with Open; staging.go has the half-finished uploads.
package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Config says where the bytes live. Several stores may share nothing but a parent directory.
type Config struct {
	Root string // made if it is not there
}

// Store is a blob.Store and, through Staging, a blob.Staging on one file system.
type Store struct {
	root    string
	flushed sync.Map // of directories below data/ whose names are known to be on the disk, up to the root
}

// Open makes the directories it needs. What an earlier process left in tmp/ is removed by CleanTemp, not here, because
// another process may be writing.
func Open(cfg Config) (*Store, error) {
	if cfg.Root == "" {
		return nil, field.Refuse(field.CodeBadRequest, "The blob directory has no path.")
	}
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, down(err)
	}
	s := &Store{root: root}
	for _, d := range []string{"data", "staging", "tmp"} {
		path := filepath.Join(root, d)
		err := os.MkdirAll(path, 0o700)
		for err == nil && path != filepath.Dir(path) {
			path = filepath.Dir(path)
			err = syncDir(path)
			if errors.Is(err, fs.ErrPermission) { // not ours, so nothing was made in it
				err = nil
			}
		}
		if err != nil {
			return nil, down(err)
		}
	}
	return s, nil
}

// Engine names the store for people.
func (s *Store) Engine() string { return "directory " + s.root }

// Ping writes, flushes and removes a small file.
func (s *Store) Ping(context.Context) error {
	f, err := os.CreateTemp(filepath.Join(s.root, "tmp"), "ping-")
	if err != nil {
		return down(err)
	}
	name := f.Name()
	_, err = f.WriteString("ping")
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if e := os.Remove(name); err == nil {
		err = e
	}
	if err != nil {
		return down(err)
	}
	return nil
}

// path is where a blob is, or where it goes. Servers before November 2026 put it a directory deeper, and most photos of
// a county office then cost a directory of their own, and two flushes.
func (s *Store) path(sum blob.Sum) string {
	at := filepath.Join(s.root, "data", string(sum[:2]), string(sum))
	if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
		older := filepath.Join(s.root, "data", string(sum[:2]), string(sum[2:4]), string(sum))
		if _, err := os.Lstat(older); err == nil {
			return older
		}
	}
	return at
}

// PutIfAbsent follows blob.Store: a temporary file, fsync, a link that fails when the name is taken, fsync of the
// directory.
func (s *Store) PutIfAbsent(ctx context.Context, sum blob.Sum, size int64, r io.Reader) (bool, error) {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return false, err
	}
	if there, err := s.Stat(ctx, sum); err == nil && there.Size == size {
		return false, s.settled(sum)
	} else if err == nil { // a file of another size was damaged: the right bytes take its place
		return true, s.Replace(ctx, sum, size, r)
	} else if !field.Is(err, field.CodeNotFound) {
		return false, err
	}
	tmp, err := s.write(sum, size, r)
	if err != nil {
		return false, err
	}
	defer func() {
		_ = os.Remove(tmp) // swept by CleanTemp otherwise
	}()
	return s.publish(tmp, sum)
}

// Replace follows blob.Replaces.
func (s *Store) Replace(_ context.Context, sum blob.Sum, size int64, r io.Reader) error {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return err
	}
	tmp, err := s.write(sum, size, r)
	if err != nil {
		return err
	}
	to := s.path(sum)
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o750), os.Rename(tmp, to)); err != nil {
		_ = os.Remove(tmp) // swept by CleanTemp otherwise
		return down(err)
	}
	return s.settled(sum)
}

// write makes a complete, flushed, read-only file below tmp/, and nothing when the bytes are not the right ones.
func (s *Store) write(sum blob.Sum, size int64, r io.Reader) (path string, err error) {
	f, err := os.CreateTemp(filepath.Join(s.root, "tmp"), "put-")
	if err != nil {
		return "", down(err)
	}
	name := f.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(name) // gone already, or swept by CleanTemp
		}
	}()
	exact := blob.NewExact(r, sum, size)
	_, _, err = blob.Copy(f, exact) // Exact must see its EOF also for an empty blob
	if e := exact.Err(); e != nil {
		_ = f.Close() // the file is thrown away
		return "", e
	}
	if err == nil {
		err = f.Chmod(0o400)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return "", down(err)
	}
	return name, nil
}

// publish links a complete, flushed, read-only file under its final name.
func (s *Store) publish(from string, sum blob.Sum) (bool, error) {
	to := s.path(sum)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return false, down(err)
	}
	created := true
	if err := os.Link(from, to); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return false, down(err)
		}
		created = false
	}
	// Also when another writer was first: its entry may not be flushed yet, and we promise that it is.
	if err := s.flush(filepath.Dir(to)); err != nil {
		return false, down(err)
	}
	return created, nil
}

// settled makes sure that the name of a blob that is there survives a crash: the writer that put it may still be at
// that.
func (s *Store) settled(sum blob.Sum) error {
	if err := s.flush(filepath.Dir(s.path(sum))); err != nil {
		return down(err)
	}
	return nil
}

// Open follows blob.Store.
func (s *Store) Open(_ context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error) {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(sum))
	if err != nil {
		return nil, missing(err)
	}
	st, err := f.Stat()
	if err == nil {
		length, err = blob.CheckRange(offset, length, st.Size())
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, missing(err)
	}
	return section{io.NewSectionReader(f, offset, length), f}, nil
}

// section seeks within the range that was asked for, so callers can serve ranges and decode headers first.
type section struct {
	*io.SectionReader
	f *os.File
}

func (s section) Close() error { return s.f.Close() }

// File follows blob.OnDisk.
func (s section) File() *os.File { return s.f }

// Stat follows blob.Store; StoredAt is the modification time of the file.
func (s *Store) Stat(_ context.Context, sum blob.Sum) (blob.Info, error) {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return blob.Info{}, err
	}
	st, err := os.Stat(s.path(sum))
	if err != nil {
		return blob.Info{}, missing(err)
	}
	return blob.Info{Sum: sum, Size: st.Size(), StoredAt: st.ModTime().UTC()}, nil
}

// Each follows blob.Store.
func (s *Store) Each(ctx context.Context, fn func(blob.Info) error) error {
	return filepath.WalkDir(filepath.Join(s.root, "data"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return down(err)
		}
		if err := ctx.Err(); err != nil {
			return down(err)
		}
		sum, err := blob.ParseSum(d.Name())
		if d.IsDir() || err != nil {
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return down(err)
		}
		return fn(blob.Info{Sum: sum, Size: st.Size(), StoredAt: st.ModTime().UTC()})
	})
}

// SetHold follows blob.Store, with a marker file beside the blob.
func (s *Store) SetHold(ctx context.Context, sum blob.Sum, on bool) error {
	if _, err := s.Stat(ctx, sum); err != nil {
		return err
	}
	marker := s.path(sum) + ".hold"
	var err error
	if on {
		var f *os.File
		if f, err = os.OpenFile(marker, os.O_CREATE|os.O_WRONLY, 0o400); errors.Is(err, fs.ErrPermission) {
			err = nil // it is there and read-only already
		} else if err == nil {
			err = f.Close()
		}
	} else if err = os.Remove(marker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(marker))
	}
	if err != nil {
		return down(err)
	}
	return nil
}

// Held follows blob.Store.
func (s *Store) Held(ctx context.Context, sum blob.Sum) (bool, error) {
	if _, err := s.Stat(ctx, sum); err != nil {
		return false, err
	}
	_, err := os.Stat(s.path(sum) + ".hold")
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, down(err)
}

// CleanTemp removes what a killed process left half written: files that nobody has written to since before. Call it at
// start, with a time that spares what other processes are writing.
func (s *Store) CleanTemp(before time.Time) error {
	entries, err := os.ReadDir(filepath.Join(s.root, "tmp"))
	if err != nil {
		return down(err)
	}
	for _, e := range entries {
		if st, err := e.Info(); err != nil || !st.ModTime().Before(before) { // an error: it is gone
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.root, "tmp", e.Name())); err != nil {
			return down(err)
		}
	}
	return nil
}

// flush makes the names in a directory below data/ durable, and its own name in each directory above, whichever process
// made them. Directories are flushed after all was put into them, because one flush of several changes costs the disk
// as much as one of each: https://docs.kernel.org/filesystems/ext4/journal.html.
func (s *Store) flush(path string) error {
	if err := syncDir(path); err != nil {
		return err
	}
	if _, known := s.flushed.Load(path); known || path == filepath.Join(s.root, "data") {
		return nil
	}
	if err := s.flush(filepath.Dir(path)); err != nil {
		return err
	}
	s.flushed.Store(path, true)
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	// Some file systems cannot flush a directory and say so; their names are flushed with the file.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return field.Refuse(field.CodeNotFound, "")
	}
	return down(err)
}

// down gives an error of the file system its code; one that has a code keeps it.
func down(err error) error {
	var known *field.Error
	switch {
	case errors.As(err, &known):
		return err
	case blob.Full(err):
		return field.Refuse(field.CodeStorageFull, "").Because(err)
	default:
		return field.Refuse(field.CodeStoreDown, "").Because(err)
	}
}
