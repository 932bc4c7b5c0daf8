package sqlite

import (
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// worked is a store with two sites, records and documents.
func worked(t *testing.T) *Store {
	t.Helper()
	s := openIn(t, t.TempDir())
	for n := range 2 {
		w := first(n, "{}")
		for i := range 3 {
			r := &field.Record{
				ID: field.RecordID(strings.Repeat(string(rune('a'+n)), 3) + string(rune('a'+i))), Kind: field.KindFlag, Scope: w.Head.Scope, Version: 1, State: "raised",
				Author: "u", Device: "d", CreatedAt: at, UpdatedAt: at, Rank: "5", Keys: []string{"reportId=r", "targetId=t"},
				Info:   field.ScopeInfo{Orgs: []field.OrgID{"a", "b"}, Region: "520500", Project: "p"},
				Fields: map[string]field.Value{"severity": field.Quote("blocking")},
				Stamps: map[string]field.Stamp{"": {Seq: 1, Device: "d"}, "severity": {Seq: 1, Device: "e"}},
			}
			w.Records = append(w.Records, r)
		}
		w.Head.Info = w.Records[0].Info
		if err := s.Commit(t.Context(), []store.Write{w}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutDoc(t.Context(), store.Doc{Shelf: store.Jobs, ID: "j", Key: "queued", Due: at, Body: []byte(`{"n":1}`)}); err != nil {
		t.Fatal(err)
	}
	return s
}

func flaws(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	if err := s.Check(t.Context(), func(f store.Flaw) { all = append(all, f.String()) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// harm runs statements past the store.
func harm(t *testing.T, s *Store, statements string) {
	t.Helper()
	if err := s.writer.c.run(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// What lists find by a row that somebody took out, put in or changed is found, named and mended.
func TestIndexRowsAreComparedAndMended(t *testing.T) {
	for name, statement := range map[string]string{
		"one taken out":         "DELETE FROM record_keys WHERE key = 'reportId=r' AND id = 'aaaa'",
		"all taken out":         "DELETE FROM record_keys",
		"one put in":            "INSERT INTO record_keys VALUES ('reportId=other', '5', 'aaaa')",
		"one of no record":      "INSERT INTO record_keys VALUES ('reportId=r', '5', 'zzzz')",
		"another key":           "UPDATE record_keys SET key = 'reportId=q' WHERE id = 'bbbb' AND key = 'reportId=r'",
		"another rank":          "UPDATE record_keys SET rank = '0' WHERE id = 'bbbb'",
		"another record":        "UPDATE record_keys SET id = 'zzzz' WHERE id = 'bbbb'",
		"a number for a key":    "INSERT INTO record_keys VALUES (x'00', '5', 'aaaa')",
		"an index taken out":    "DROP INDEX docs_due",
		"a record without home": "INSERT INTO records SELECT 'zzzz', kind, 'site/none', orgs, region, project, version, state, deleted, author, device, created, updated, rank, '[]', fields, stamps FROM records LIMIT 1",
	} {
		t.Run(name, func(t *testing.T) {
			s := worked(t)
			if got := flaws(t, s); len(got) > 0 {
				t.Fatalf("at first: %q", got)
			}
			harm(t, s, statement)
			got := flaws(t, s)
			if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), store.HelpRebuild) {
				t.Fatalf("found: %q", got)
			}
			gone, err := s.Mend(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if homeless := name == "a record without home"; homeless != (len(gone) == 1) {
				t.Errorf("removed: %v", gone)
			}
			if got := flaws(t, s); len(got) > 0 {
				t.Errorf("mended: %q", got)
			}
			page, err := s.List(t.Context(), store.Query{Visible: access.Everything, Keys: []string{"reportId=r"}, Limit: 10})
			if err != nil || len(page) != 6 {
				t.Errorf("%d records of the report: %v", len(page), err)
			}
		})
	}
}

// Every column of every row is as this program writes it, or it is named.
func TestOddColumnsAreNamed(t *testing.T) {
	for _, tc := range [][2]string{
		{"UPDATE scopes SET orgs = 'xa|bx' WHERE scope = 'site/0'", "scopes site/0"},
		{"UPDATE scopes SET orgs = '|' WHERE scope = 'site/0'", "scopes site/0"},
		{"UPDATE scopes SET region = x'00' WHERE scope = 'site/0'", "scopes site/0"},
		{"UPDATE scopes SET seq = 'x' WHERE scope = 'site/0'", "scopes site/0"},
		{"UPDATE log SET seq = 0 WHERE scope = 'site/1'", "log site/1"},
		{"UPDATE log SET body = CAST(body AS TEXT) WHERE scope = 'site/1'", "log site/1"},
		{"UPDATE log SET bundle = zeroblob(32) WHERE scope = 'site/1'", "log site/1"},
		{"UPDATE log SET batch = 'x' WHERE scope = 'site/1'", "log site/1"},
		{"UPDATE records SET keys = '[ \"reportId=r\",\"targetId=t\"]' WHERE id = 'aaaa'", "records aaaa: it does not parse"},
		{"UPDATE records SET keys = 'x' WHERE id = 'aaaa'", "records aaaa: it does not parse"},
		{"UPDATE records SET orgs = 'xa|bx' WHERE id = 'aaaa'", "records aaaa: orgs"},
		{"UPDATE records SET deleted = 7 WHERE id = 'aaaa'", "records aaaa: deleted"},
		{"UPDATE records SET fields = '{\"severity\":\"blocking\",\"severity\":\"blocking\"}' WHERE id = 'aaaa'", "records aaaa: fields"},
		{"UPDATE records SET stamps = '[[\"e\",1,\"severity\"],[\"d\",1,\"\"]]' WHERE id = 'aaaa'", "records aaaa: stamps"},
		{"UPDATE records SET rank = x'35' WHERE id = 'aaaa'", "records aaaa: rank"},
		{"UPDATE records SET id = x'00' WHERE id = 'aaaa'", "holds what this program never writes"},
		{"UPDATE docs SET version = 0", "docs jobs j"},
		{"UPDATE docs SET due = 'x'", "docs jobs j"},
		{"UPDATE docs SET body = CAST('{' AS BLOB)", "docs jobs j"},
		{"UPDATE docs SET key = x'00'", "docs jobs j"},
		{"INSERT INTO schema VALUES (1)", "schema: it has 2 rows"},
		{"CREATE TABLE notes (a)", "table notes"},
		{"CREATE TRIGGER quiet AFTER INSERT ON records BEGIN DELETE FROM record_keys; END", "trigger quiet"},
		{"DROP INDEX records_list", "index records_list is missing"},
		{"DROP INDEX log_batch; CREATE INDEX log_batch ON log (scope, device, batch)", "index log_batch is declared"},
		{"PRAGMA writable_schema=1; UPDATE sqlite_master SET sql = replace(sql, 'body BLOB NOT NULL', 'body BLOB') WHERE name = 'log'; PRAGMA writable_schema=0", "table log is declared"},
	} {
		t.Run(tc[0], func(t *testing.T) {
			s := worked(t)
			harm(t, s, tc[0])
			if got := strings.Join(flaws(t, s), "\n"); !strings.Contains(got, tc[1]) {
				t.Errorf("want %q in:\n%s", tc[1], got)
			}
		})
	}
}

// An older file, to which a column was added later, and rows that say all their stamps have no flaw.
func TestAnOlderFileHasNoFlaw(t *testing.T) {
	s := worked(t)
	harm(t, s, `DROP INDEX log_seq; DROP INDEX log_batch; ALTER TABLE log DROP COLUMN bundle; ALTER TABLE log ADD COLUMN bundle BLOB;
		CREATE UNIQUE INDEX log_seq ON log (scope, seq); CREATE UNIQUE INDEX log_batch ON log (scope, device, batch);
		UPDATE records SET stamps = '[["e",1,"","severity"]]' WHERE id = 'aaaa'; UPDATE records SET device = 'e' WHERE id = 'aaaa'`)
	if got := flaws(t, s); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
