package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Archive takes the bodies of entries out of the log; they lie in a bundle. The pages that become free are used by what
// is written later; see Compact.
func (s *Store) Archive(ctx context.Context, b store.Bundled) error {
	if s.writer == nil {
		return closed("Archive on a store opened for reading")
	}
	bundle, err := hex.DecodeString(b.Bundle)
	if err != nil || len(bundle) == 0 {
		return field.Refuse(field.CodeBadRequest, "").Because(fmt.Errorf("%q is no SHA-256", b.Bundle))
	}
	ch := &archive{hashes: b.Hashes, first: b.First, bundle: bundle}
	ch.from = values(string(b.Scope), b.First, b.First+int64(len(b.Hashes))-1)
	return s.writer.write(ctx, "Archive", ch)
}

type archive struct {
	from   []driver.NamedValue // scope, first, last
	first  int64
	hashes []string
	bundle []byte
}

func (a *archive) bytes() int { return 1 << 20 } // it frees more than it writes

// apply looks at all entries before it changes one.
func (a *archive) apply(w *writer) error {
	n := 0
	var refused error
	err := w.c.query(context.Background(), "SELECT seq, hash, bundle FROM log WHERE scope = ? AND seq >= ? AND seq <= ? ORDER BY seq", a.from, func(row []driver.Value) error {
		bundle := raw(row[2])
		switch {
		case number(row[0]) != a.first+int64(n):
			return errEnough
		case text(row[1]) != a.hashes[n], bundle != nil && string(bundle) != string(a.bundle):
			refused = field.Refuse(field.CodeStale, "")
			return errEnough
		}
		n++
		return nil
	})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case n != len(a.hashes):
		return field.Refuse(field.CodeNotFound, "")
	}
	_, err = w.c.exec(archiveRows, append(a.from, driver.NamedValue{Ordinal: 4, Value: a.bundle}))
	return err
}

// archiveRows puts short rows at the end of the table in place of the long ones. An UPDATE would make them short where
// they are, and leave behind pages that are nearly empty and that nothing else is ever written to.
const archiveRows = "INSERT OR REPLACE INTO log (" + markColumns + ", body, bundle) SELECT " + markColumns + `, X'', ?4 FROM log
	WHERE scope = ?1 AND seq >= ?2 AND seq <= ?3 AND bundle IS NULL`

// Compact gives the free pages of the store in dir back to the disk, when they are a tenth of it. It writes the file
// anew, which takes as much room again until it is done, and needs the directory to itself.
func Compact(ctx context.Context, dir string) (err error) {
	lock, err := holdDirectory(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.close()) }()
	c, err := dial(filepath.Join(dir, DataFile), "rw")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := checkSchema(ctx, c); err != nil {
		return err
	}
	var pages, free int64
	for pragma, n := range map[string]*int64{"PRAGMA page_count": &pages, "PRAGMA freelist_count": &free} {
		err := c.query(ctx, pragma, nil, func(row []driver.Value) error {
			*n = number(row[0])
			return nil
		})
		if err != nil {
			return broken("compact", err)
		}
	}
	if free*10 < pages {
		return nil
	}
	for _, statement := range []string{"PRAGMA synchronous=FULL", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if err := c.run(ctx, statement); err != nil {
			return broken("compact", err)
		}
	}
	return nil
}
