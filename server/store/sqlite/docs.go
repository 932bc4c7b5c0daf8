package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// GetDoc returns a working document; CodeNotFound when there is none.
func (s *Store) GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error) {
	var doc store.Doc
	err := s.one(ctx, "GetDoc", "SELECT "+docColumns+" FROM docs WHERE shelf = ? AND id = ?", values(string(shelf), id), func(row []driver.Value) {
		doc = decodeDoc(row)
	})
	return doc, err
}

// PutDoc writes a document over the version that it names; CodeStale when another one is stored. The versions of
// documents grow over all of them, so one that was removed and made again never repeats a version.
func (s *Store) PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error) {
	if s.writer == nil {
		return store.Doc{}, closed("PutDoc on a store opened for reading")
	}
	doc.Body = slices.Concat([]byte{}, doc.Body)
	if !doc.Due.IsZero() {
		doc.Due = fromMillis(millis(doc.Due))
	}
	p := &putDoc{doc: doc}
	if err := s.writer.write(ctx, "PutDoc", p); err != nil {
		return store.Doc{}, err
	}
	doc.Version = p.version
	return doc, nil
}

// DeleteDoc removes the version that is named; CodeStale when another one is stored, CodeNotFound when none is.
func (s *Store) DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error {
	if s.writer == nil {
		return closed("DeleteDoc on a store opened for reading")
	}
	return s.writer.write(ctx, "DeleteDoc", &deleteDoc{shelf: string(shelf), id: id, version: version})
}

const (
	docsByKeyQuery = "SELECT " + docColumns + ` FROM docs INDEXED BY docs_key
		WHERE shelf = ? AND key = ? AND key <> '' AND id > ? ORDER BY id LIMIT ?+0`
	docsDueQuery = "SELECT " + docColumns + ` FROM docs INDEXED BY docs_due
		WHERE shelf = ? AND due <= ? ORDER BY due, id LIMIT ?+0`
)

// DocsByKey returns documents with a key, by id.
func (s *Store) DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error) {
	return s.docs(ctx, "DocsByKey", docsByKeyQuery, string(shelf), key, after, int64(limit))
}

// DocsDue returns documents that are due, by date and id.
func (s *Store) DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error) {
	return s.docs(ctx, "DocsDue", docsDueQuery, string(shelf), millis(before), int64(limit))
}

func (s *Store) docs(ctx context.Context, op, query string, args ...driver.Value) ([]store.Doc, error) {
	var docs []store.Doc
	err := s.read(ctx, op, func(c *conn) error {
		return c.query(ctx, query, values(args...), func(row []driver.Value) error {
			docs = append(docs, decodeDoc(row))
			return nil
		})
	})
	return docs, err
}

type putDoc struct {
	doc     store.Doc
	version int64 // that it was given
}

func (p *putDoc) bytes() int { return len(p.doc.Body) }

func (p *putDoc) apply(w *writer) error {
	d := p.doc
	stored, err := w.docVersion(string(d.Shelf), d.ID)
	if err != nil {
		return err
	}
	if stored != d.Version {
		return field.Refuse(field.CodeStale, "").About(d.ID)
	}
	w.last++
	p.version = w.last
	var due driver.Value
	if !d.Due.IsZero() {
		due = millis(d.Due)
	}
	_, err = w.c.exec("INSERT OR REPLACE INTO docs ("+docColumns+") VALUES (?,?,?,?,?,?)",
		values(string(d.Shelf), d.ID, p.version, d.Key, due, []byte(d.Body)))
	return err
}

type deleteDoc struct {
	shelf, id string
	version   int64
}

func (*deleteDoc) bytes() int { return 0 }

func (d *deleteDoc) apply(w *writer) error {
	stored, err := w.docVersion(d.shelf, d.id)
	switch {
	case err != nil:
		return err
	case stored == 0:
		return field.Refuse(field.CodeNotFound, "").About(d.id)
	case stored != d.version:
		return field.Refuse(field.CodeStale, "").About(d.id)
	}
	_, err = w.c.exec("DELETE FROM docs WHERE shelf = ? AND id = ?", values(d.shelf, d.id))
	return err
}

// docVersion returns the stored version; 0 when there is no such document.
func (w *writer) docVersion(shelf, id string) (version int64, err error) {
	err = w.c.query(context.Background(), "SELECT version FROM docs WHERE shelf = ? AND id = ?", values(shelf, id), func(row []driver.Value) error {
		version = number(row[0])
		return nil
	})
	return version, err
}

func (c *conn) lastDocVersion(ctx context.Context) (version int64, err error) {
	err = c.query(ctx, "SELECT coalesce(max(version), 0) FROM docs", nil, func(row []driver.Value) error {
		version = number(row[0])
		return nil
	})
	return version, err
}
