// Package sqlite is the embedded store: one directory, one file, no server. It is the only importer of
// modernc.org/sqlite. It keeps the contract of server/store, which storetest checks; nothing here decides anything.
//
// Start with schema.go for the tables. writer.go has the one goroutine that writes and its group commit; commit.go and
// docs.go say what it writes; read.go and list.go are the queries; encode.go is how a record lies in its row.
// docs/decisions/sqlite.md says why it is so.
package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"modernc.org/sqlite"

	"fieldclue/server/field"
)

// The files in the directory. SQLite adds fieldclue.db-wal and fieldclue.db-shm beside the first.
const (
	DataFile = "fieldclue.db"
	lockFile = "fieldclue.lock"
)

// Store is an open store. Its methods may be called from many goroutines.
type Store struct {
	readers chan *conn
	opened  int // how many readers there are
	closing chan struct{}
	once    sync.Once

	// Of a store that may write; nil otherwise.
	lock   *conn
	writer *writer

	version string // of SQLite
}

// Open opens the store in dir, which is made when it is missing. The process holds the directory until Close or its
// end; a second one is refused with a sentence that says so. A database of a newer version of the program is refused.
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	// A commit waits for fdatasync instead of fsync where the system has it, as SQLite itself does in the builds of the
	// distributions: the same durability, without the file's times. Elsewhere the call is refused and fsync stays.
	_, _ = sqlite.Fdatasync(true)
	s := &Store{closing: make(chan struct{})}
	if err := s.open(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// touch makes a file that only its owner reads, unless it is there: to open and close one that is would let go of the
// locks that this process holds on it. SQLite gives what lies beside it the same mode.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *Store) open(ctx context.Context, dir string) error {
	var err error
	if s.lock, err = holdDirectory(ctx, dir); err != nil {
		return err
	}
	if err := touch(filepath.Join(dir, DataFile)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return s.openData(ctx, dir, true)
}

// OpenBeside opens the store in dir for working documents, also while a server has it open: a document is changed by
// compare-and-swap, whichever process does it. The log is the server's: nobody commits to it from beside.
func OpenBeside(ctx context.Context, dir string) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, DataFile)); err != nil {
		return nil, fmt.Errorf("there is none: %w", err)
	}
	s := &Store{closing: make(chan struct{})}
	if err := s.openData(ctx, dir, false); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openData opens the writer and the readers. own says that no other process has the directory.
func (s *Store) openData(ctx context.Context, dir string, own bool) error {
	w, err := dial(filepath.Join(dir, DataFile), "rwc")
	if err != nil {
		return err
	}
	s.writer = &writer{c: w}
	for _, pragma := range []string{
		"PRAGMA journal_mode=WAL",
		"PRAGMA synchronous=FULL",
		"PRAGMA wal_autocheckpoint=2000", // pages: a longer log costs readers, a shorter one costs commits
		"PRAGMA journal_size_limit=67108864",
		"PRAGMA cache_size=-32768",
	} {
		if err := w.run(ctx, pragma); err != nil {
			return broken("open", err)
		}
	}
	if own {
		if err := migrate(ctx, w); err != nil {
			return err
		}
	}
	last, err := w.lastDocVersion(ctx)
	if err != nil {
		return broken("open", err)
	}
	if err := s.openReaders(ctx, dir); err != nil {
		return err
	}
	s.writer.start(last)
	return nil
}

// OpenReadOnly opens the store in dir for reading, also while a server has it open. Its writing methods are refused.
func OpenReadOnly(ctx context.Context, dir string) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, DataFile)); err != nil {
		return nil, fmt.Errorf("there is none: %w", err)
	}
	s := &Store{closing: make(chan struct{})}
	if err := s.openReaders(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openReaders(ctx context.Context, dir string) error {
	n := max(4, 2*runtime.GOMAXPROCS(0))
	s.readers = make(chan *conn, n)
	for range n {
		c, err := dial(filepath.Join(dir, DataFile), "ro")
		if err != nil {
			return err
		}
		s.readers <- c
		s.opened++
		if err := c.run(ctx, "PRAGMA query_only=1"); err != nil {
			return broken("open", err)
		}
	}
	return s.read(ctx, "open", func(c *conn) error {
		if err := checkSchema(ctx, c); err != nil {
			return err
		}
		return c.query(ctx, "SELECT sqlite_version()", nil, func(row []driver.Value) error {
			s.version = text(row[0])
			return nil
		})
	})
}

// holdDirectory takes the lock that keeps a second server process out. The lock is SQLite's own, on a file of its own,
// so that it works on every system, ends with the process, and leaves the data open to readers.
func holdDirectory(ctx context.Context, dir string) (*conn, error) {
	if err := touch(filepath.Join(dir, lockFile)); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	c, err := dial(filepath.Join(dir, lockFile), "rwc")
	if err != nil {
		return nil, err
	}
	for _, q := range []string{"PRAGMA busy_timeout=0", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"} {
		if err := c.run(ctx, q); err != nil {
			_ = c.close() // the refusal is what the caller has to know
			if isBusy(err) {
				return nil, field.Refuse(field.CodeStoreDown, "Another server process is using %s. Stop it, or choose another data directory.", dir).Because(err)
			}
			return nil, broken("lock", err)
		}
	}
	return c, nil
}

// Close finishes the writes that wait, and lets go of the directory. Calls that come later are refused.
func (s *Store) Close() error {
	var errs []error
	s.once.Do(func() {
		close(s.closing)
		for range s.opened {
			errs = append(errs, (<-s.readers).close()) // when its reader has finished
		}
		if s.writer != nil {
			errs = append(errs, s.writer.stop())
		}
		if s.lock != nil {
			errs = append(errs, s.lock.close())
		}
	})
	return errors.Join(errs...)
}

// read borrows a reading connection.
func (s *Store) read(ctx context.Context, op string, do func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return late(op, err)
	}
	select {
	case <-s.closing:
		return closed(op)
	default:
	}
	select {
	case <-s.closing:
		return closed(op)
	case <-ctx.Done():
		return late(op, ctx.Err())
	case c := <-s.readers:
		err := do(c)
		s.readers <- c
		return broken(op, err)
	}
}

// Ping reads from the file and reports whether writes are still taken.
func (s *Store) Ping(ctx context.Context) error {
	err := s.read(ctx, "Ping", func(c *conn) error {
		return c.query(ctx, "SELECT seq FROM scopes LIMIT 1", nil, func([]driver.Value) error { return nil })
	})
	if err == nil && s.writer != nil {
		err = s.writer.health()
	}
	return err
}

// Engine names the engine for people.
func (s *Store) Engine(context.Context) (name, version string, err error) {
	return "sqlite", s.version, nil
}
