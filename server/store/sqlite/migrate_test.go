package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// A file of version 1 is opened in place: what is in it reads as it did, and new work goes into it.
func TestAFileOfVersion1IsBroughtUp(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	old, err := dial(filepath.Join(dir, DataFile), "rwc")
	if err != nil {
		t.Fatal(err)
	}
	id := "0193b8a0-0000-7000-8000-000000000001"
	err = old.run(ctx, versionOne+fmt.Sprintf(`
		INSERT INTO scopes VALUES ('site/1', 1, 'h1', 1700000000000, '|gz|', '520502', 'p');
		INSERT INTO log VALUES ('site/1', 1, 'd', 1, 'h1', '', 1700000000000, 'u', X'7B7D');
		INSERT INTO records VALUES ('%s', 'finding', 'site/1', '|gz|', '520502', 'p', 1, 'open', 0, 'u', 'd',
			1700000000000, 1700000000000, '018bcfe56800', '["siteId=1"]', '{"siteId":"1","title":"t"}', '[["d",1,"","siteId","title"]]');
		INSERT INTO record_keys VALUES ('siteId=1', '018bcfe56800', '%s');`, id, id))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(ctx, dir); err == nil {
		t.Error("a reader cannot bring a file up, and must not take it as it is")
	}

	for range 2 { // the second time there is nothing left to do
		s := openIn(t, dir)
		rs, err := s.Records(ctx, []field.RecordID{field.RecordID(id)})
		if err != nil || len(rs) != 1 {
			t.Fatal(rs, err)
		}
		own := field.Stamp{Seq: 1, Device: "d"}
		if r := rs[0]; r.Text("title") != "t" || r.Stamps[""] != own || r.Stamps["title"] != own || len(r.Stamps) != 3 || len(r.Keys) != 1 {
			t.Errorf("%+v", r)
		}
		if err := s.read(ctx, "schema", func(c *conn) error { return checkSchema(ctx, c) }); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := openIn(t, dir)
	head, err := s.Head(ctx, "site/1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background(), []store.Write{next(head)}); err != nil {
		t.Error(err)
	}
}

// A file of version 2 is opened in place: its entries have their bodies, and can be archived.
func TestAFileOfVersion2IsBroughtUp(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	old, err := dial(filepath.Join(dir, DataFile), "rwc")
	if err != nil {
		t.Fatal(err)
	}
	err = old.run(ctx, strings.Replace(versionOne, "INSERT INTO schema VALUES (1)", "INSERT INTO schema VALUES (2)", 1)+`
		INSERT INTO scopes VALUES ('site/1', 2, 'h2', 1700000000000, '|gz|', '520502', 'p');
		INSERT INTO log VALUES ('site/1', 1, 'd', 1, 'h1', '', 1700000000000, 'u', X'7B7D'), ('site/1', 2, 'd', 2, 'h2', 'h1', 1700000000000, 'u', X'7B7D');`)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(ctx, dir); err == nil {
		t.Error("a reader cannot bring a file up, and must not take it as it is")
	}
	bundle := strings.Repeat("ab", 32)
	for _, want := range []store.Entry{{Body: []byte("{}")}, {Bundle: bundle}} {
		s := openIn(t, dir)
		e, err := s.Entry(ctx, "site/1", 1)
		if err != nil || string(e.Body) != string(want.Body) || e.Bundle != want.Bundle || e.Hash != "h1" {
			t.Errorf("%+v, %v", e, err)
		}
		if err := s.Archive(ctx, store.Bundled{Scope: "site/1", First: 1, Hashes: []string{"h1"}, Bundle: bundle}); err != nil {
			t.Error(err)
		}
		if e, err := s.Entry(ctx, "site/1", 2); err != nil || string(e.Body) != "{}" {
			t.Errorf("%+v, %v", e, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func next(head store.Head) store.Write {
	at := time.UnixMilli(1_700_000_001_000).UTC()
	e := store.Entry{Scope: head.Scope, Seq: head.Seq + 1, Device: "d", Batch: head.Seq + 1, Hash: "h2", Prev: head.Hash, At: at, Actor: "u", Body: []byte("{}")}
	head.Seq, head.Hash, head.At = e.Seq, e.Hash, at
	return store.Write{Entries: []store.Entry{e}, Head: head}
}

// versionOne are the tables of the first version, as it made them.
const versionOne = `
CREATE TABLE schema (version INTEGER NOT NULL);
CREATE TABLE scopes (
	scope TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL,
	orgs TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE log (
	scope TEXT NOT NULL, seq INTEGER NOT NULL, device TEXT NOT NULL, batch INTEGER NOT NULL,
	hash TEXT NOT NULL, prev TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX log_seq ON log (scope, seq);
CREATE UNIQUE INDEX log_batch ON log (scope, device, batch);
CREATE TABLE records (
	id TEXT NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL, orgs TEXT NOT NULL, region TEXT NOT NULL,
	project TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, deleted INTEGER NOT NULL,
	author TEXT NOT NULL, device TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
	rank TEXT NOT NULL, keys TEXT NOT NULL, fields TEXT NOT NULL, stamps TEXT NOT NULL
);
CREATE UNIQUE INDEX records_id ON records (id);
CREATE INDEX records_changed ON records (scope, version, id);
CREATE INDEX records_list ON records (kind, rank, id);
CREATE TABLE record_keys (
	key TEXT NOT NULL, rank TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (key, rank, id)
) WITHOUT ROWID;
CREATE TABLE docs (
	shelf TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, due INTEGER, body BLOB NOT NULL,
	PRIMARY KEY (shelf, id)
) WITHOUT ROWID;
CREATE INDEX docs_key ON docs (shelf, key, id) WHERE key <> '';
CREATE INDEX docs_due ON docs (shelf, due, id) WHERE due IS NOT NULL;
INSERT INTO schema VALUES (1);
`
