package app_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/store"
	"fieldclue/server/upkeep"
)

var quiet = slog.New(slog.DiscardHandler)

// long asks for the form that CI runs: everything is changed in every way. In the short one each is changed in one way,
// in turn.
var long = os.Getenv("FIELDCLUE_TEST_LONG") != ""

// ways are all ways in the long form, and in the short one the next of them.
func ways[T any](turn *int, all ...T) []T {
	if long || len(all) == 0 {
		return all
	}
	*turn++
	return all[*turn%len(all) : *turn%len(all)+1]
}

// full is the data of a server that has stopped, with something in every table, on every shelf and in every folder.
func full(t *testing.T, cfg config.Config) *office {
	t.Helper()
	o := open(t, cfg)
	content := picture(t, 7)
	photo, sum := o.declare(content, "image/jpeg")
	if status, code, _ := o.upload(o.ann, photo, sum, content); status != 201 {
		t.Fatalf("%d %s", status, code)
	}
	o.until("the photo is examined", func() bool {
		_, fields := o.state(photo)
		return fields["facts"] != nil
	})
	half := picture(t, 90)
	photo, sum = o.declare(half, "image/jpeg")
	o.interrupt(o.ann, photo, sum, half, len(half)/2)
	for n := range 3 {
		o.batch++
		o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{{
			"id": newID(), "kind": "finding", "base": 0, "set": obj{"siteId": o.site, "title": strings.Repeat("漏", n+1)},
		}}}, nil)
	}
	stop(t, o.a)
	if _, n, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil || n == 0 {
		t.Fatalf("%d logs in a statement: %v", n, err)
	}
	if _, n, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil || n == 0 {
		t.Fatalf("%d logs in a second statement: %v", n, err)
	}
	return o
}

// copied is a copy of a data directory to do harm to.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// said is everything that verification has to say; sound is false when it found a fault, or could not even begin.
func said(t *testing.T, cfg config.Config, look upkeep.Look) (text string, sound bool) {
	t.Helper()
	report, err := upkeep.Verify(t.Context(), cfg, quiet, look)
	if err != nil {
		text = "ERROR " + err.Error() + "\n"
	}
	if report == nil {
		return text, false
	}
	return text + report.String(), err == nil && report.Sound()
}

func database(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "fieldclue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the directory goes away with it
	return db
}

func texts(t *testing.T, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

// harmless is what may be changed without a word, with the reason. docs/decisions/verify.md has the same list for
// people.
var harmless = map[string]string{
	"docs.version":           "a number for compare-and-swap: whatever it is, the next write takes it from there",
	"docs uploads.due":       "when half an upload is forgotten; a date too far off is named",
	"docs uploads.id":        "the phone begins the upload again, and this one is forgotten when it is due",
	"docs cursors taken out": "the follower reads the scope again, and what it writes twice counts once",
	"docs uploads taken out": "the phone begins the upload again",
	"docs jobs taken out":    "of a photo that is examined; for one that is not, it is a fault",
	"docs keys taken out":    "of access tokens: the next start makes another, and phones get new tokens by themselves",
}

// people are the shelves that server/accounts compares with the log.
func people(shelf string) bool {
	return slices.Contains([]string{"accounts", "devices", "sessions", "throttle"}, shelf)
}

// Every column of every table is changed, every table loses a row and gets one: verification names it, and what follows
// from something else is made anew.
func TestEveryColumnOfEveryTable(t *testing.T) {
	if testing.Short() {
		t.Skip("tampers with everything in turn; skipped with -short")
	}
	dir := t.TempDir()
	full(t, configured(t, dir))
	if text, sound := said(t, configured(t, dir), upkeep.Look{}); !sound {
		t.Fatal(text)
	}
	db := database(t, copied(t, dir))
	turn := 0
	for _, table := range texts(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
		columns := texts(t, db, "SELECT name FROM pragma_table_info(?)", table)
		where := []string{"rowid = (SELECT max(rowid) FROM " + table + ")"}
		switch table {
		case "scopes":
			where = []string{"scope LIKE 'site/%'"}
		case "record_keys":
			where = []string{"key = (SELECT max(key) FROM record_keys)"}
		case "docs":
			where = nil
			for _, shelf := range texts(t, db, "SELECT DISTINCT shelf FROM docs") {
				for _, id := range texts(t, db, "SELECT id FROM docs WHERE shelf = ?", shelf) {
					if !people(shelf) {
						where = append(where, fmt.Sprintf("shelf = '%s' AND id = '%s'", shelf, id))
					}
				}
			}
		}
		for _, row := range where {
			for _, column := range columns {
				var kind string
				if err := db.QueryRowContext(t.Context(), "SELECT typeof("+column+") FROM "+table+" WHERE "+row).Scan(&kind); err != nil {
					t.Fatalf("%s: %v", row, err)
				}
				var changes []string
				switch kind {
				case "integer":
					changes = []string{column + " + 1", column + " - 1", column + " + 100000000000000", "'x'"}
				case "blob":
					changes = []string{"CAST(CAST(" + column + " AS TEXT) || ' ' AS BLOB)", "CAST(" + column + " AS TEXT)", "x''", "zeroblob(length(" + column + "))"}
				case "null":
					changes = []string{"x'00'", "zeroblob(32)"}
				default:
					changes = []string{column + " || 'x'", "''", "x'00'"}
				}
				for _, to := range ways(&turn, changes...) {
					tamper(t, dir, table, row, table+"."+column+" = "+to, fmt.Sprintf("UPDATE OR IGNORE %s SET %s = %s WHERE %s AND %s IS NOT (%s)", table, column, to, row, column, to))
				}
			}
			tamper(t, dir, table, row, table+" taken out", fmt.Sprintf("DELETE FROM %s WHERE %s", table, row))
		}
		list := strings.Join(columns, ", ")
		for first, text := range map[string]string{"scope": "'site/0193b8a0-0000-7000-8000-000000000001'", "id": "'0193b8a0-0000-7000-8000-000000000001'", "key": "'siteId=x'", "version": "version", "shelf": "'cursors'"} {
			if columns[0] == first {
				added := strings.Replace(list, first, text, 1)
				tamper(t, dir, table, where[0], table+" added to", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s LIMIT 1", table, list, added, table, where[0]))
			}
		}
	}
}

// tamper does harm to a copy, and judges what verification says and what rebuilding mends.
func tamper(t *testing.T, dir, table, row, name, statement string) {
	t.Helper()
	shelf := ""
	if table == "docs" {
		shelf = strings.Split(row, "'")[1]
		name = strings.Replace(name, "docs", "docs "+shelf, 1)
	}
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		harmed := copied(t, dir)
		db := database(t, harmed)
		done, err := db.ExecContext(t.Context(), statement)
		if err != nil {
			t.Logf("the database itself refuses: %v", err)
			return
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			t.Log("that is another row's place, and nothing was changed")
			return
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		text, sound := said(t, configured(t, harmed), upkeep.Look{})
		if sound {
			for what := range harmless {
				if strings.HasPrefix(name, what) || strings.HasPrefix(strings.Replace(name, " "+shelf+".", ".", 1), what) {
					return
				}
			}
			t.Fatalf("nobody noticed %s\n%s", statement, text)
		}
		if !strings.Contains(text, "; ") && !strings.Contains(text, "ERROR") {
			t.Errorf("it does not say what helps:\n%s", text)
		}
		if !slices.Contains([]string{"scopes", "records", "record_keys"}, table) {
			return
		}
		evidence := strings.Contains(text, store.HelpRestore) // a head that knows more than the log: nobody can say which is right
		if done, err := upkeep.Rebuild(t.Context(), configured(t, harmed), quiet, nil); err != nil || len(done.Failed) > 0 {
			if !evidence {
				t.Fatalf("%v, %+v", err, done)
			}
			return
		}
		if text, sound := said(t, configured(t, harmed), upkeep.Look{}); !sound && !evidence {
			t.Errorf("after rebuilding:\n%s", text)
		}
	})
}

// What a working document says is changed, member by member.
func TestEveryMemberOfAWorkingDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("tampers with everything in turn; skipped with -short")
	}
	dir := t.TempDir()
	full(t, configured(t, dir))
	db := database(t, copied(t, dir))
	// What may be changed without a word, and why.
	free := map[string]string{
		"access-token":   "another key makes the tokens of the one before worthless, and phones get new ones by themselves",
		"uploads":        "the bytes are hashed again before they count, and the phone sends them again",
		"setup":          "a code that is spent",
		"one-time-codes": "another seed makes other codes; those that were given out stay good, because the log has their digests",
		"seq":            "a follower that reads again what it has read; one that would leave something out is a fault",
	}
	turn := 0
	for _, id := range texts(t, db, "SELECT shelf || ' ' || id FROM docs WHERE shelf IN ('cursors', 'jobs', 'keys', 'uploads')") {
		shelf, name, _ := strings.Cut(id, " ")
		for _, member := range texts(t, db, "SELECT j.key FROM docs, json_each(CAST(body AS TEXT)) j WHERE docs.shelf = ? AND docs.id = ?", shelf, name) {
			for _, to := range ways(&turn, "'x'", "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='", "json('null')", "1000000", "0", "'2031-01-01T00:00:00Z'", "json('true')", "json('false')") {
				t.Run(id+" "+member+" "+to, func(t *testing.T) {
					t.Parallel()
					harmed := copied(t, dir)
					done, err := database(t, harmed).ExecContext(t.Context(), fmt.Sprintf(
						"UPDATE docs SET body = CAST(json_set(CAST(body AS TEXT), '$.%s', %s) AS BLOB) WHERE shelf = ? AND id = ?", member, to), shelf, name)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := done.RowsAffected(); err != nil || n != 1 {
						t.Fatalf("%d rows, %v", n, err)
					}
					text, sound := said(t, configured(t, harmed), upkeep.Look{})
					if sound && free[shelf] == "" && free[name] == "" && free[member] == "" {
						t.Errorf("nobody noticed:\n%s", text)
					}
				})
			}
		}
	}
	for statement, want := range map[string]string{
		"UPDATE docs SET body = CAST('{\"seq\":999}' AS BLOB) WHERE id LIKE 'arrivals@%'":                               "would go on behind entry 999",
		"UPDATE docs SET body = CAST(json_set(CAST(body AS TEXT), '$.done', json('false')) AS BLOB) WHERE id = 'setup'": "the set-up is open",
		"DELETE FROM docs WHERE id = 'setup'":                                          "another first administrator could be made",
		"DELETE FROM docs WHERE id = 'receipts'":                                       "is missing",
		"INSERT INTO docs VALUES ('keys', 'mine', 1000, '', NULL, CAST('{}' AS BLOB))": "this program did not make it",
		"INSERT INTO docs VALUES ('jobs', 'examine/x', 1000, 'queued', 99999999999999, CAST('{\"kind\":\"examine\",\"payload\":\"x\"}' AS BLOB))": "the job waits until",
		"INSERT INTO docs VALUES ('jobs', 'examine/x', 1000, '', NULL, CAST('{\"kind\":\"examine\",\"payload\":\"x\"}' AS BLOB))":                 "nobody comes to it",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			harmed := copied(t, dir)
			execute(t, harmed, statement)
			if text, sound := said(t, configured(t, harmed), upkeep.Look{}); sound || !strings.Contains(text, want) {
				t.Errorf("want %q in:\n%s", want, text)
			}
			if strings.Contains(statement, "'receipts'") || strings.Contains(statement, "'mine'") {
				return // no image of anything else
			}
			if _, err := upkeep.Rebuild(t.Context(), configured(t, harmed), quiet, nil); err != nil {
				t.Fatal(err)
			}
			if text, sound := said(t, configured(t, harmed), upkeep.Look{}); !sound {
				t.Errorf("after rebuilding:\n%s", text)
			}
		})
	}
}

// Every file below the data directory is cut, emptied, changed, taken out, swapped with another, or joined by one that
// is not this program's.
func TestEveryFileOfTheDataDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("tampers with everything in turn; skipped with -short")
	}
	dir := t.TempDir()
	full(t, configured(t, dir))
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path) // below dir
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// What may be harmed without a word, and why.
	scratch := func(name string) bool {
		return strings.HasPrefix(name, "fieldclue.lock") || // holds nothing; made at every start
			strings.HasSuffix(name, "-shm") || strings.HasSuffix(name, "-wal") || // of a store that was closed
			strings.HasPrefix(name, "photos/staging/") // half an upload, which is hashed again before it counts
	}
	for _, name := range names {
		for what, harm := range map[string]func(path string) error{
			"emptied":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"taken out": os.Remove,
			"cut": func(path string) error {
				b, err := os.ReadFile(path)
				return errors.Join(err, os.WriteFile(path, b[:len(b)/2], 0o600))
			},
			"changed": func(path string) error {
				b, err := os.ReadFile(path)
				for i := len(b) / 2; i < len(b); i += 512 { // more than one byte: a database has places that nothing uses
					b[i] ^= 0xff
				}
				return errors.Join(err, os.WriteFile(path, b, 0o600))
			},
			"swapped": func(path string) error { return os.WriteFile(path, picture(t, 200), 0o600) },
			"linked elsewhere": func(path string) error {
				return errors.Join(os.Rename(path, path+"~"), os.Symlink(path+"~", path))
			},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				harmed := copied(t, dir)
				path := filepath.Join(harmed, filepath.FromSlash(name))
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := harm(path); err != nil {
					t.Fatal(err)
				}
				text, sound := said(t, configured(t, harmed), upkeep.Look{})
				switch {
				case scratch(name):
					if !sound && what != "linked elsewhere" {
						t.Errorf("it should do no harm:\n%s", text)
					}
				case sound:
					t.Errorf("nobody noticed:\n%s", text)
				case !strings.Contains(text, filepath.Base(name)) && !strings.Contains(text, "fieldclue.db") && !strings.Contains(text, harmed):
					t.Errorf("it is not named:\n%s", text)
				}
				if !strings.HasPrefix(name, "renditions/") || what == "linked elsewhere" {
					return
				}
				done, err := upkeep.Rebuild(t.Context(), configured(t, harmed), quiet, nil)
				if err != nil || done.Renditions != 1 || len(done.Failed) > 0 {
					t.Fatalf("%v, %+v", err, done)
				}
				b, err := os.ReadFile(path)
				was, err2 := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
				if errors.Join(err, err2) != nil || !bytes.Equal(b, was) {
					t.Errorf("it is not what it was: %v, %v", err, err2)
				}
				if text, sound := said(t, configured(t, harmed), upkeep.Look{}); !sound {
					t.Errorf("after rebuilding:\n%s", text)
				}
			})
		}
	}
	sum := strings.Repeat("ab", 32)
	for name, fault := range map[string]bool{
		"notes.txt": false, "photos/data/zz": false, "photos/data/ab/" + sum: true, "renditions/data/ab/" + sum: true, "anchors/data/ab/" + sum: true,
		"photos/data/cd/" + sum: true, "photos/data/ab/" + sum + ".hold": false, "photos/more": false, "renditions/staging/x": false,
	} {
		t.Run(name+" put in", func(t *testing.T) {
			t.Parallel()
			harmed := copied(t, dir)
			path := filepath.Join(harmed, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if text, sound := said(t, configured(t, harmed), upkeep.Look{}); sound == fault || !strings.Contains(text, filepath.Base(name)) {
				t.Errorf("sound %v:\n%s", sound, text)
			}
		})
	}
}

// What was put back to an older state, all of it together, contradicts nothing but a witness elsewhere; the database
// alone contradicts the statements beside the photos.
func TestWhatWasPutBackIsFoundByAWitness(t *testing.T) {
	dir, witness := t.TempDir(), filepath.Join(t.TempDir(), "witness")
	cfg := configured(t, dir)
	o := full(t, cfg)
	look := upkeep.Look{Witness: witness}
	if text, sound := said(t, cfg, look); !sound { // there is none yet: it is begun
		t.Fatal(text)
	}
	older := copied(t, dir)
	for _, w := range []string{"", "again"} {
		if text, sound := said(t, cfg, look); !sound || !strings.Contains(text, "witness") {
			t.Fatalf("%s\n%s", w, text)
		}
	}
	o.a = start(t, cfg)
	o.declare(picture(t, 3), "image/jpeg")
	stop(t, o.a)
	if _, _, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil {
		t.Fatal(err)
	}
	if err := upkeep.Testify(t.Context(), cfg, quiet, witness); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(witness)
	if err != nil {
		t.Fatal(err)
	}
	put := configured(t, older)
	if text, sound := said(t, put, upkeep.Look{}); !sound {
		t.Errorf("by itself it is consistent:\n%s", text)
	}
	if text, sound := said(t, put, look); sound || !strings.Contains(text, "the witness of") {
		t.Errorf("put back, all of it:\n%s", text)
	}
	if after, err := os.ReadFile(witness); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the witness was overwritten: %v", err)
	}
	// The database alone contradicts the statements that lie beside the photos, without any witness.
	database, err := os.ReadFile(filepath.Join(older, "fieldclue.db"))
	if err != nil {
		t.Fatal(err)
	}
	alone := copied(t, dir)
	rewrite(t, filepath.Join(alone, "fieldclue.db"), database)
	if text, sound := said(t, configured(t, alone), upkeep.Look{}); sound || !strings.Contains(text, "put back to an older state") {
		t.Errorf("the database put back:\n%s", text)
	}
	for _, forged := range [][]byte{{}, bytes.Replace(before, []byte("site/"), []byte("sitf/"), 1), before[:len(before)-9]} {
		if err := os.WriteFile(witness, forged, 0o600); err != nil {
			t.Fatal(err)
		}
		if text, sound := said(t, cfg, look); sound || !strings.Contains(text, "witness") {
			t.Errorf("a witness that does not hold:\n%s", text)
		}
		if err := upkeep.Testify(t.Context(), cfg, quiet, witness); err == nil {
			t.Error("it was overwritten")
		}
	}
}

// The page for people has every table and every shelf.
func TestThePageHasEverythingThatIsKept(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "decisions", "verify.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stop(t, start(t, configured(t, dir)))
	names := texts(t, database(t, dir), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'docs'")
	for _, shelf := range store.Shelves {
		names = append(names, string(shelf))
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("it does not say how %s is compared", name)
		}
	}
}
