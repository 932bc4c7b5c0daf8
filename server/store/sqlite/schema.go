package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"fieldclue/server/field"
)

// schemaVersion is the version of the tables below. A change of them is a new version and one more of the steps.
const schemaVersion = 3

// steps bring an older file up, one version each: steps[v] makes version v+1 of version v. The tables below are those
// of the newest version.
var steps = map[int64]string{
	1: "", // the rows are read as before; those of new records say less (see ownStamps), which version 1 cannot read
	2: "ALTER TABLE log ADD COLUMN bundle BLOB;",
}

// The tables. Times are milliseconds since 1970 in UTC. orgs is "|a|b|", so that one of them is found with instr; the
// first owns the scope. log and records keep a rowid because their rows are longer than WITHOUT ROWID likes.
const schema = `
CREATE TABLE schema (version INTEGER NOT NULL);

-- One row for each scope: the end of its log, and what access asks about it.
CREATE TABLE scopes (
	scope TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL,
	orgs TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL
) WITHOUT ROWID;

-- The log. body is what the hash covers, byte by byte. Where bundle is not NULL, the body is empty and lies in the bundle
-- with that SHA-256.
CREATE TABLE log (
	scope TEXT NOT NULL, seq INTEGER NOT NULL, device TEXT NOT NULL, batch INTEGER NOT NULL,
	hash TEXT NOT NULL, prev TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, body BLOB NOT NULL, bundle BLOB
);
CREATE UNIQUE INDEX log_seq ON log (scope, seq);
CREATE UNIQUE INDEX log_batch ON log (scope, device, batch);

-- The image of the log. fields is a JSON object by path; stamps is a JSON list of [device, seq, path, ...],
-- or empty where all that is there carries the record's own version and device.
CREATE TABLE records (
	id TEXT NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL, orgs TEXT NOT NULL, region TEXT NOT NULL,
	project TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, deleted INTEGER NOT NULL,
	author TEXT NOT NULL, device TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
	rank TEXT NOT NULL, keys TEXT NOT NULL, fields TEXT NOT NULL, stamps TEXT NOT NULL
);
CREATE UNIQUE INDEX records_id ON records (id);
CREATE INDEX records_changed ON records (scope, version, id);
CREATE INDEX records_list ON records (kind, rank, id);

-- By which keys lists find a record, in the order of the list.
CREATE TABLE record_keys (
	key TEXT NOT NULL, rank TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (key, rank, id)
) WITHOUT ROWID;

-- Working documents, which are not in the log. due is NULL when it is never.
CREATE TABLE docs (
	shelf TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, due INTEGER, body BLOB NOT NULL,
	PRIMARY KEY (shelf, id)
) WITHOUT ROWID;
CREATE INDEX docs_key ON docs (shelf, key, id) WHERE key <> '';
CREATE INDEX docs_due ON docs (shelf, due, id) WHERE due IS NOT NULL;


`

// migrate makes the tables of a new file, brings an older file up in one transaction, and refuses a file of a newer
// program.
func migrate(ctx context.Context, c *conn) error {
	version, err := storedVersion(ctx, c)
	if err != nil {
		return broken("open", err)
	}
	change := ""
	switch {
	case version == 0:
		change = schema
	case version < schemaVersion:
		for v := version; v < schemaVersion; v++ {
			change += steps[v]
		}
		change += "DELETE FROM schema;"
	}
	if change != "" {
		change += fmt.Sprintf("INSERT INTO schema VALUES (%d);", schemaVersion)
		if err := c.run(ctx, "BEGIN IMMEDIATE;"+change+"COMMIT;"); err != nil {
			_ = c.run(ctx, "ROLLBACK") // the fault above is what the caller has to know
			return broken("make tables", err)
		}
	}
	return checkSchema(ctx, c)
}

func checkSchema(ctx context.Context, c *conn) error {
	version, err := storedVersion(ctx, c)
	switch {
	case err != nil:
		return broken("open", err)
	case version > schemaVersion:
		return field.Refuse(field.CodeStoreDown, "The data was written by a newer version of the program (schema %d, this one knows %d). Start that version.", version, schemaVersion)
	case version < schemaVersion:
		return field.Refuse(field.CodeStoreDown, "The data has schema %d, and this program needs %d.", version, schemaVersion)
	}
	return nil
}

func storedVersion(ctx context.Context, c *conn) (version int64, err error) {
	tables := 0
	err = c.query(ctx, "SELECT name FROM sqlite_master WHERE type = 'table'", nil, func(row []driver.Value) error {
		tables++
		return nil
	})
	if err != nil || tables == 0 {
		return 0, err
	}
	err = c.query(ctx, "SELECT max(version) FROM schema", nil, func(row []driver.Value) error {
		version = number(row[0])
		return nil
	})
	if err == nil && version == 0 {
		err = fmt.Errorf("the file has tables and no schema version")
	}
	return version, err
}
