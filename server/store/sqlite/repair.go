package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

const lastEntriesQuery = `WITH RECURSIVE next(scope) AS (
	SELECT min(scope) FROM log WHERE scope > ?1
	UNION ALL SELECT (SELECT min(scope) FROM log WHERE scope > next.scope) FROM next WHERE next.scope IS NOT NULL LIMIT ?2+0)
	SELECT ` + entryColumns + ` FROM log WHERE (scope, seq) IN (SELECT n.scope, (SELECT max(seq) FROM log WHERE scope = n.scope) FROM next n)
	ORDER BY scope`

// LastEntries returns the last entry of each scope in the log.
func (s *Store) LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error) {
	var entries []store.Entry
	err := s.read(ctx, "LastEntries", func(c *conn) error {
		return c.query(ctx, lastEntriesQuery, values(string(after), int64(limit)), func(row []driver.Value) error {
			entries = append(entries, decodeEntry(row))
			return nil
		})
	})
	return entries, err
}

// Docs returns documents of a shelf, by id.
func (s *Store) Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error) {
	return s.docs(ctx, "Docs", "SELECT "+docColumns+" FROM docs WHERE shelf = ? AND id > ? ORDER BY id LIMIT ?+0", string(shelf), after, int64(limit))
}

// Repair makes a scope's head and records what its log says.
func (s *Store) Repair(ctx context.Context, r store.Repair) error {
	if s.writer == nil {
		return closed("Repair on a store opened for reading")
	}
	h := r.Head
	ch := &repair{head: values(string(h.Scope), h.Seq, h.Hash, millis(h.At), joinOrgs(h.Info.Orgs), h.Info.Region, string(h.Info.Project))}
	for _, rec := range r.Records {
		row := encodeRecord(rec)
		row.args = row.columns()
		ch.records = append(ch.records, row)
		ch.size += 2 * len(row.fields)
	}
	for _, id := range r.Gone {
		ch.gone = append(ch.gone, string(id))
	}
	return s.writer.write(ctx, "Repair", ch)
}

type repair struct {
	head    []driver.NamedValue
	records []recordRow
	gone    []string
	size    int
}

func (r *repair) bytes() int { return r.size }

func (r *repair) apply(w *writer) error {
	right := false
	err := w.c.query(context.Background(), "SELECT seq, hash FROM log WHERE scope = ? ORDER BY seq DESC LIMIT 1", r.head[:1], func(row []driver.Value) error {
		right = number(row[0]) == r.head[1].Value && text(row[1]) == r.head[2].Value
		return nil
	})
	if err != nil {
		return err
	}
	if !right {
		return store.ErrHeadMoved
	}
	if _, err := w.c.exec("INSERT OR REPLACE INTO scopes ("+headColumns+") VALUES (?,?,?,?,?,?,?)", r.head); err != nil {
		return err
	}
	for i := range r.records {
		// Made anew, with the keys of the old image: whatever is wrong about it goes.
		if err := w.dropRecord(r.records[i].id, ""); err != nil {
			return err
		}
		if err := w.putRecord(&r.records[i]); err != nil {
			return err
		}
	}
	for _, id := range r.gone {
		if err := w.dropRecord(id, r.head[0].Value); err != nil {
			return err
		}
	}
	return nil
}

// dropRecord removes the image of a record and its keys. With a scope, only if that is its home.
func (w *writer) dropRecord(id string, scope driver.Value) error {
	var rank, keys string
	found := false
	err := w.c.query(context.Background(), "SELECT rank, keys FROM records WHERE id = ?1 AND (?2 = '' OR scope = ?2)",
		[]driver.NamedValue{{Ordinal: 1, Value: id}, {Ordinal: 2, Value: scope}}, func(row []driver.Value) error {
			found, rank, keys = true, text(row[0]), text(row[1])
			return nil
		})
	if err != nil || !found {
		return err
	}
	p := w.c.parser([]byte(keys))
	for _, key := range p.texts() {
		if _, err := w.c.exec("DELETE FROM record_keys WHERE key = ? AND rank = ? AND id = ?", values(key, rank, id)); err != nil {
			return err
		}
	}
	_, err = w.c.exec("DELETE FROM records WHERE id = ?", values(id))
	return err
}

// Copy writes the store in dir as it is at one moment into another directory, also while a server is writing. The copy
// is durable when it returns, and has no name before it is whole; one that is there is replaced.
func Copy(ctx context.Context, dir, to string) (err error) {
	if _, err := os.Stat(filepath.Join(dir, DataFile)); err != nil {
		return fmt.Errorf("there is no store in %s: %w", dir, err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	part := filepath.Join(to, DataFile+".part")
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the copy: %w", err)
	}
	c, err := dial(filepath.Join(dir, DataFile), "ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if version, err := storedVersion(ctx, c); err != nil || version > schemaVersion {
		return errors.Join(err, checkSchema(ctx, c)) // an older one is brought up when it is opened
	}
	if err := touch(part); err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	if _, err := c.exec("VACUUM INTO ?", values(part)); err != nil {
		return broken("copy", err)
	}
	return name(part, to)
}

// Replace puts the closed store of one directory in the place of the closed store of another.
func Replace(from, to string) error {
	for _, beside := range []string{"-wal", "-shm"} { // of the store that was there; a closed one has none
		if err := os.Remove(filepath.Join(to, DataFile+beside)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the copy: %w", err)
		}
	}
	return name(filepath.Join(from, DataFile), to)
}

// name gives a whole file the name of the store in a directory, durably.
func name(file, dir string) error {
	if err := flush(file); err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	if err := os.Rename(file, filepath.Join(dir, DataFile)); err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	return flush(dir)
}

// flush waits until a file, or the names in a directory, are on disk.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
