package sqlite

import (
	"database/sql/driver"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// What a phone or a desk asks for all day walks along an index in the order of the answer: nothing is sorted, and no
// table is read whole.
func TestPlans(t *testing.T) {
	s := openIn(t, t.TempDir())
	visible := access.Filter{
		Any: []access.Clause{
			{Scopes: []field.Scope{"user/1"}},
			{Types: []field.ScopeType{"site"}, Orgs: []field.OrgID{"gz"}, Regions: []string{"44"}, Projects: []field.ProjectID{"p"}},
		},
		Except: []field.Scope{"site/2"},
	}
	after := store.Place{Rank: "0", ID: "1"}
	list := func(q store.Query) *builder {
		q.Visible, q.After, q.Limit = visible, after, 50
		return listQuery(q)
	}
	plain := func(query string, args ...driver.Value) *builder {
		q := &builder{}
		q.say(query, args...)
		return q
	}
	for name, q := range map[string]*builder{
		"a kind":         list(store.Query{Kinds: []field.Kind{"report"}, States: []field.State{"submitted"}}),
		"several kinds":  list(store.Query{Kinds: []field.Kind{"report", "photo", "clue"}}),
		"a key":          list(store.Query{Keys: []string{"reportId=1"}}),
		"keys and kinds": list(store.Query{Keys: []string{"reportId=1", "siteId=2"}, Kinds: []field.Kind{"photo", "finding"}}),
		"changed":        plain(changedQuery, "site/1", int64(3), int64(9)),
		"hashes":         plain(hashesQuery, "perceptual=a", "0", "1", int64(9)),
		"due":            plain(docsDueQuery, "jobs", int64(3), int64(9)),
		"by key":         plain(docsByKeyQuery, "jobs", "k", "a", int64(9)),
	} {
		var plan []string
		err := s.read(t.Context(), "plan", func(c *conn) error {
			return c.query(t.Context(), "EXPLAIN QUERY PLAN "+q.sql.String(), q.args, func(row []driver.Value) error {
				plan = append(plan, text(row[3]))
				return nil
			})
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole := strings.Join(plan, "\n")
		for _, table := range []string{"SCAN t", "SCAN k", "SCAN o", "SCAN docs", "TEMP B-TREE"} {
			if strings.Contains(whole, table) {
				t.Errorf("%s: %s in\n%s", name, table, whole)
			}
		}
	}
}

// A bare "LIMIT ?" makes SQLite plan the statement again each time that it is used: a fifth of what a pull costs.
func TestNoStatementIsPlannedTwice(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	bare := regexp.MustCompile(`LIMIT \?[0-9]*([^0-9+]|$)`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "conn.go" { // which says why
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bare.Find(source); at != nil {
			t.Errorf("%s has %q: write LIMIT ?+0", name, at)
		}
	}
}
