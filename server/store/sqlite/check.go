package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// checkPage is how many rows are looked at in one piece: a longer reading keeps SQLite from reusing its log.
const checkPage = 5000

// Check keeps the contract in server/store. What queries find records by is compared with the records, what lies in a
// column with how this program writes it, the tables with those that it makes, and the pages of the file with each
// other.
func (s *Store) Check(ctx context.Context, found func(store.Flaw)) error {
	return s.read(ctx, "Check", func(c *conn) error {
		ch := checker{c: c, ctx: ctx, found: found}
		for _, look := range []func() error{ch.pages, ch.tables} {
			if err := look(); err != nil || ch.blind {
				return err
			}
		}
		for _, look := range []func() error{ch.columns, ch.heads, ch.homeless, ch.records, ch.keys} {
			if err := look(); err != nil {
				return err
			}
		}
		return nil
	})
}

type checker struct {
	c     *conn
	ctx   context.Context
	found func(store.Flaw)
	blind bool
}

func (ch *checker) flaw(help, where, what string, args ...any) {
	ch.found(store.Flaw{Where: where, What: fmt.Sprintf(what, args...), Help: help})
}

// pages asks SQLite whether the file is whole and each index says what its table says.
func (ch *checker) pages() error {
	err := ch.c.query(ch.ctx, "PRAGMA integrity_check(20)", nil, func(row []driver.Value) error {
		if said := text(row[0]); said != "ok" {
			index := strings.Contains(said, "index") && !strings.Contains(said, "malformed")
			help := store.HelpRestore
			if index {
				help = store.HelpRebuild
			}
			ch.blind = ch.blind || !index
			ch.found(store.Flaw{Where: DataFile, What: "SQLite says: " + said, Help: help, Blind: !index})
		}
		return nil
	})
	if resultCode(err) == codeCorrupt || resultCode(err) == codeNoDatabase {
		ch.blind = true
		ch.found(store.Flaw{Where: DataFile, What: "SQLite says: " + err.Error(), Help: store.HelpRestore, Blind: true})
		return nil
	}
	return err
}

// tables compares what the file declares with what this program makes.
func (ch *checker) tables() error {
	want, err := declared()
	if err != nil {
		return err
	}
	have := map[string]string{}
	if err := ch.c.declarations(ch.ctx, have); err != nil {
		return err
	}
	for name, sql := range want {
		got, there := have[name]
		delete(have, name)
		switch {
		case !there && strings.HasPrefix(name, "index "):
			ch.found(store.Flaw{Where: DataFile, What: "the " + name + " is missing", Help: store.HelpRebuild, Blind: true})
		case !there:
			ch.found(store.Flaw{Where: DataFile, What: "the " + name + " is missing", Help: store.HelpRestore, Blind: true})
		case got != sql:
			ch.found(store.Flaw{Where: DataFile, What: "the " + name + " is declared in another way", Help: store.HelpRestore, Blind: true})
		default:
			continue
		}
		ch.blind = true
	}
	for name := range have {
		ch.flaw("look at it with sqlite3 and drop it there", DataFile, "it has the %s, which this program did not make", name)
	}
	rows := 0
	err = ch.c.query(ch.ctx, "SELECT typeof(version) FROM schema", nil, func(row []driver.Value) error {
		if rows++; text(row[0]) != "integer" {
			ch.flaw("delete the row with sqlite3", "schema", "a version is no number")
		}
		return nil
	})
	if err == nil && rows != 1 {
		ch.flaw("leave the row with the highest version and delete the others with sqlite3", "schema", "it has %d rows and should have one", rows)
	}
	return err
}

// declared is what a fresh file declares, by type and name.
func declared() (map[string]string, error) {
	raw, err := (&sqlite.Driver{}).Open(":memory:")
	if err != nil {
		return nil, err
	}
	c := &conn{c: raw, stmts: map[string]driver.Stmt{}, known: map[string]string{}}
	defer func() { _ = c.close() }() // it is only memory
	if err := c.run(context.Background(), schema); err != nil {
		return nil, err
	}
	want := map[string]string{}
	return want, c.declarations(context.Background(), want)
}

// declarations reads what a file declares, without its white space: a column that was added later stands on a line of
// its own.
func (c *conn) declarations(ctx context.Context, into map[string]string) error {
	return c.query(ctx, "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", nil, func(row []driver.Value) error {
		into[text(row[0])+" "+text(row[1])] = strings.Join(strings.Fields(text(row[2])), "")
		return nil
	})
}

// What each column has to be, where reading it would hide that it is not.
var columnRules = []struct{ table, row, wrong string }{
	{"scopes", "scope", `typeof(scope) <> 'text' OR typeof(seq) <> 'integer' OR typeof(hash) <> 'text' OR typeof(at) <> 'integer'
		OR typeof(orgs) <> 'text' OR typeof(region) <> 'text' OR typeof(project) <> 'text'`},
	{"log", "scope || ' ' || seq", `typeof(scope) <> 'text' OR typeof(seq) <> 'integer' OR seq < 1 OR typeof(device) <> 'text' OR typeof(batch) <> 'integer'
		OR typeof(hash) <> 'text' OR typeof(prev) <> 'text' OR typeof(at) <> 'integer' OR typeof(actor) <> 'text' OR typeof(body) <> 'blob'
		OR bundle IS NOT NULL AND (typeof(bundle) <> 'blob' OR length(bundle) <> 32 OR length(body) <> 0)`},
	{"docs", "shelf || ' ' || id", `typeof(shelf) <> 'text' OR typeof(id) <> 'text' OR typeof(version) <> 'integer' OR version < 1 OR typeof(key) <> 'text'
		OR due IS NOT NULL AND typeof(due) <> 'integer' OR typeof(body) <> 'blob' OR NOT json_valid(CAST(body AS TEXT))
		OR id = '' OR shelf NOT IN (` + knownShelves() + `)`},
}

func knownShelves() string {
	var names []string
	for _, shelf := range store.Shelves {
		names = append(names, "'"+string(shelf)+"'")
	}
	return strings.Join(names, ",")
}

func (ch *checker) columns() error {
	for _, rule := range columnRules {
		help := store.HelpRestore
		if rule.table == "scopes" {
			help = store.HelpRebuild
		}
		query := "SELECT CAST(" + rule.row + " AS TEXT) FROM " + rule.table + " WHERE " + rule.wrong
		err := ch.c.query(ch.ctx, query, nil, func(row []driver.Value) error {
			ch.flaw(help, rule.table+" "+text(row[0]), "a column holds what this program never writes there")
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// heads looks at how access finds a scope.
func (ch *checker) heads() error {
	return ch.c.query(ch.ctx, "SELECT scope, orgs FROM scopes", nil, func(row []driver.Value) error {
		if orgs := text(row[1]); joinOrgs(splitOrgs(orgs)) != orgs {
			ch.flaw(store.HelpRebuild, "scopes "+text(row[0]), "orgs is %q, by which no query finds the scope", orgs)
		}
		return nil
	})
}

// homelessQuery finds the scopes of records that have no log.
const homelessQuery = `WITH RECURSIVE s(scope) AS (SELECT min(scope) FROM records
	UNION ALL SELECT (SELECT min(scope) FROM records WHERE scope > s.scope) FROM s WHERE s.scope IS NOT NULL)
	SELECT r.id, r.scope FROM s JOIN records r ON r.scope = s.scope
	WHERE s.scope IS NOT NULL AND NOT EXISTS (SELECT 1 FROM log WHERE log.scope = s.scope)`

func (ch *checker) homeless() error {
	return ch.c.query(ch.ctx, homelessQuery, nil, func(row []driver.Value) error {
		ch.flaw(store.HelpRebuild, "records "+text(row[0]), "it is of %s, which has no log", text(row[1]))
		return nil
	})
}

const recordNames = "id, kind, scope, orgs, region, project, version, state, deleted, author, device, created, updated, rank, keys, fields, stamps"

// records reads every row and compares each column with what this program writes for what was read.
func (ch *checker) records() error {
	query := "SELECT t.rowid, " + recordNames + " FROM records t WHERE t.rowid > ? ORDER BY t.rowid LIMIT ?+0"
	names := strings.Split(recordNames, ", ")
	return ch.paged(query, func(row []driver.Value) {
		row = row[1:]
		for i, v := range row {
			switch v.(type) {
			case string, int64:
			default:
				ch.flaw(store.HelpRebuild, fmt.Sprintf("records %v", row[0]), "%s holds what this program never writes there", names[i])
				return
			}
		}
		bytes := slices.Clone(row)
		for i := 14; i < 17; i++ {
			bytes[i] = []byte(text(row[i]))
		}
		r, err := ch.c.decodeRecord(bytes)
		if err != nil {
			ch.flaw(store.HelpRebuild, "records "+text(row[0]), "it does not parse")
			return
		}
		want := encodeRecord(r)
		columns := []driver.Value{
			want.id, want.kind, want.scope, want.orgs, want.region, want.project, want.version, want.state, want.deleted, want.author,
			want.device, want.created, want.updated, want.rank, want.keysText, want.fields, want.stamps,
		}
		for i, v := range columns {
			if v != row[i] && (names[i] != "stamps" || encodeStamps(r.Stamps) != row[i]) { // older rows say their stamps in full
				ch.flaw(store.HelpRebuild, "records "+text(row[0]), "%s is not as this program writes it", names[i])
			}
		}
	})
}

// paged walks over a table by its row ids.
func (ch *checker) paged(query string, do func(row []driver.Value)) error {
	for last, n := int64(-1<<63), checkPage; n == checkPage; {
		n = 0
		err := ch.c.query(ch.ctx, query, values(last, int64(checkPage)), func(row []driver.Value) error {
			n++
			last = number(row[0])
			do(row)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	// ofRecord are the keys of records r, whatever its column holds.
	ofRecord = "json_each(CASE WHEN json_valid(r.keys) THEN r.keys ELSE '[]' END) j"

	missingKeys = `FROM records r, ` + ofRecord + ` WHERE r.rowid > ?1 AND r.rowid <= ?2
		AND NOT EXISTS (SELECT 1 FROM record_keys k WHERE k.key = j.value AND k.rank = r.rank AND k.id = r.id)`
	pageOfRecords = "SELECT max(rowid) FROM (SELECT rowid FROM records WHERE rowid > ?1 ORDER BY rowid LIMIT ?2+0)"

	surplus = `NOT EXISTS (SELECT 1 FROM records r, ` + ofRecord + `
		WHERE r.id = record_keys.id AND r.rank = record_keys.rank AND j.value = record_keys.key)`
	keyOrder = " ORDER BY key, rank, id LIMIT ?+0"
)

// keys compares the rows by which lists find records with the records, in both directions.
func (ch *checker) keys() error {
	err := eachPageOfRecords(ch.ctx, ch.c, func(from, to int64) error {
		return ch.c.query(ch.ctx, "SELECT r.id, j.value "+missingKeys, values(from, to), func(row []driver.Value) error {
			ch.flaw(store.HelpRebuild, fmt.Sprintf("record_keys %v", row[1]), "record %v is missing, so that lists do not find it", row[0])
			return nil
		})
	})
	if err != nil {
		return err
	}
	return eachPageOfKeys(ch.ctx, ch.c, func(row []driver.Value, wrong bool) error {
		if wrong {
			ch.flaw(store.HelpRebuild, fmt.Sprintf("record_keys %v", row[0]), "it names record %v, which does not have this key or this rank", row[2])
		}
		return nil
	})
}

func eachPageOfRecords(ctx context.Context, c *conn, do func(from, to int64) error) error {
	for from := int64(-1 << 63); ; {
		var to driver.Value
		err := c.query(ctx, pageOfRecords, values(from, int64(checkPage)), func(row []driver.Value) error {
			to = row[0]
			return nil
		})
		if err != nil || to == nil {
			return err
		}
		if err := do(from, number(to)); err != nil {
			return err
		}
		from = number(to)
	}
}

// eachPageOfKeys calls do for every row of record_keys: key, rank, id, and whether no record asks for it.
func eachPageOfKeys(ctx context.Context, c *conn, do func(row []driver.Value, wrong bool) error) error {
	const columns = "SELECT key, rank, id, " + surplus + " FROM record_keys"
	var last []driver.Value
	for n := checkPage; n == checkPage; {
		query, args := columns+keyOrder, values(int64(checkPage))
		if last != nil {
			query, args = columns+" WHERE (key, rank, id) > (?, ?, ?)"+keyOrder, values(last[0], last[1], last[2], int64(checkPage))
		}
		n = 0
		err := c.query(ctx, query, args, func(row []driver.Value) error {
			n++
			last = slices.Clone(row)
			return do(last, number(row[3]) != 0)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Mend keeps the contract in server/store: indexes that are missing or wrong, rows of record_keys, records whose scope
// has no log.
func (s *Store) Mend(ctx context.Context) ([]field.RecordID, error) {
	if s.writer == nil {
		return nil, closed("Mend on a store opened for reading")
	}
	m := &mendIndexes{}
	if err := s.writer.write(ctx, "Mend", m); err != nil {
		return nil, err
	}
	k := &mendKeys{}
	for from := int64(-1 << 63); !k.done; {
		k.from = from
		if err := s.writer.write(ctx, "Mend", k); err != nil {
			return m.gone, err
		}
		from = k.to
	}
	return m.gone, s.dropKeys(ctx)
}

// mendIndexes makes the indexes that are missing, all anew when SQLite finds them wrong, and removes records that no
// log can know.
type mendIndexes struct{ gone []field.RecordID }

func (m *mendIndexes) bytes() int { return 1 << 20 }

func (m *mendIndexes) apply(w *writer) error {
	m.gone = nil // a fault in the same group runs it again
	for _, index := range indexStatements() {
		if err := w.c.run(context.Background(), index); err != nil {
			return err
		}
	}
	wrong := false
	err := w.c.query(context.Background(), "PRAGMA integrity_check(1)", nil, func(row []driver.Value) error {
		wrong = text(row[0]) != "ok"
		return nil
	})
	if err == nil && wrong {
		err = w.c.run(context.Background(), "REINDEX")
	}
	if err != nil {
		return err
	}
	err = w.c.query(context.Background(), homelessQuery, nil, func(row []driver.Value) error {
		m.gone = append(m.gone, field.RecordID(text(row[0])))
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range m.gone {
		if _, err := w.c.exec("DELETE FROM records WHERE id = ?", values(string(id))); err != nil {
			return err
		}
	}
	for _, nameless := range []string{"records WHERE typeof(id) <> 'text' OR typeof(scope) <> 'text'", "scopes WHERE typeof(scope) <> 'text'"} {
		if _, err := w.c.exec("DELETE FROM "+nameless, nil); err != nil {
			return err
		}
	}
	return nil
}

// indexStatements make every index of the tables that is not there.
func indexStatements() []string {
	var list []string
	for _, statement := range strings.SplitAfter(schema, ";") {
		for _, kind := range []string{"CREATE UNIQUE INDEX ", "CREATE INDEX "} {
			if _, rest, ok := strings.Cut(statement, kind); ok {
				list = append(list, kind+"IF NOT EXISTS "+rest)
			}
		}
	}
	return list
}

// mendKeys adds the rows that are missing for a page of records.
type mendKeys struct {
	from, to int64
	done     bool
}

func (m *mendKeys) bytes() int { return 4 << 20 }

func (m *mendKeys) apply(w *writer) error {
	var to driver.Value
	err := w.c.query(context.Background(), pageOfRecords, values(m.from, int64(checkPage)), func(row []driver.Value) error {
		to = row[0]
		return nil
	})
	if err != nil || to == nil {
		m.done = err == nil
		return err
	}
	m.to = number(to)
	_, err = w.c.exec("INSERT OR IGNORE INTO record_keys (key, rank, id) SELECT j.value, r.rank, r.id "+missingKeys, values(m.from, m.to))
	return err
}

// dropKeys removes the rows of record_keys that no record asks for. Each is looked at once more when it is removed: a
// server may be writing.
func (s *Store) dropKeys(ctx context.Context) error {
	var wrong [][]driver.Value
	err := s.read(ctx, "Mend", func(c *conn) error {
		return eachPageOfKeys(ctx, c, func(row []driver.Value, extra bool) error {
			if extra {
				wrong = append(wrong, row[:3])
			}
			return nil
		})
	})
	for err == nil && len(wrong) > 0 {
		n := min(len(wrong), checkPage)
		err = s.writer.write(ctx, "Mend", dropKeys(wrong[:n]))
		wrong = wrong[n:]
	}
	return err
}

type dropKeys [][]driver.Value

func (d dropKeys) bytes() int { return 100 * len(d) }

func (d dropKeys) apply(w *writer) error {
	for _, row := range d {
		if _, err := w.c.exec("DELETE FROM record_keys WHERE key = ? AND rank = ? AND id = ? AND "+surplus, values(row...)); err != nil {
			return err
		}
	}
	return nil
}
