package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"unicode/utf8"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Heads returns a page of the heads of visible scopes, by scope.
func (s *Store) Heads(ctx context.Context, page store.ListScopes) ([]store.Head, error) {
	if len(page.Visible.Any) == 0 {
		return nil, ctx.Err()
	}
	q := headsQuery(page)
	var heads []store.Head
	err := s.read(ctx, "Heads", func(c *conn) error {
		return c.query(ctx, q.sql.String(), q.args, func(row []driver.Value) error {
			heads = append(heads, decodeHead(row))
			return nil
		})
	})
	return heads, err
}

// headsQuery walks along the primary key for each way in which a scope may be visible, so that a phone's few scopes
// cost the same among thousands. SQLite merges the walks in order and stops at the limit.
func headsQuery(page store.ListScopes) *builder {
	q := &builder{}
	walk := func(c access.Clause, where string, args ...driver.Value) {
		if q.sql.Len() > 0 {
			q.say(" UNION ")
		}
		q.say("SELECT "+headColumns+" FROM scopes t WHERE "+where, args...)
		q.types(page.Types)
		q.visible(access.Filter{Any: []access.Clause{c}, Except: page.Visible.Except})
	}
	clauses := page.Visible.Whole().Any
	if slices.ContainsFunc(clauses, coversAll) {
		clauses = []access.Clause{{}}
	}
	for _, c := range clauses {
		switch {
		case len(c.Scopes) > 0: // the + keeps SQLite from walking along all that follow instead
			walk(c, "t.scope IN (SELECT value FROM json_each(?)) AND +t.scope > ?", jsonList(c.Scopes), string(page.After))
		case len(c.Types) > 0:
			for _, t := range c.Types {
				walk(c, "t.scope > ? AND t.scope < ?", max(string(page.After), string(t)+"/"), string(t)+"0") // '0' follows on '/'
			}
		default:
			walk(c, "t.scope > ?", string(page.After))
		}
	}
	q.say(" ORDER BY 1 LIMIT ?+0", int64(page.Limit))
	return q
}

// List returns a page of visible records by rank and id. A key leads it, else the scope, else the kinds; without any of
// them it reads all records.
func (s *Store) List(ctx context.Context, page store.Query) ([]*field.Record, error) {
	if len(page.Visible.Any) == 0 {
		return nil, ctx.Err()
	}
	var records []*field.Record
	err := s.read(ctx, "List", func(c *conn) error {
		if len(page.Keys) > 1 {
			if err := c.rarestFirst(ctx, &page); err != nil {
				return err
			}
		}
		q := listQuery(page)
		return c.query(ctx, q.sql.String(), q.args, c.into(&records))
	})
	return records, err
}

// rarestFirst puts the key that finds least in front, as far as that shows in the first few.
func (c *conn) rarestFirst(ctx context.Context, page *store.Query) error {
	keys := slices.Clone(page.Keys)
	least := int64(-1)
	for i, key := range keys {
		err := c.query(ctx, "SELECT count(*) FROM (SELECT 1 FROM record_keys WHERE key = ? LIMIT 500)", values(key), func(row []driver.Value) error {
			if n := number(row[0]); least < 0 || n < least {
				least = n
				keys[0], keys[i] = keys[i], keys[0]
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	page.Keys = keys
	return nil
}

func listQuery(page store.Query) *builder {
	q := &builder{}
	switch {
	case len(page.Keys) > 0:
		q.say("SELECT "+recordColumns+` FROM record_keys k CROSS JOIN records t ON t.id = k.id
			WHERE k.key = ? AND (k.rank, k.id) > (?, ?)`, page.Keys[0], page.After.Rank, string(page.After.ID))
		for _, key := range page.Keys[1:] {
			q.say(" AND EXISTS (SELECT 1 FROM record_keys o WHERE o.key = ? AND o.rank = k.rank AND o.id = k.id)", key)
		}
		if page.Scope != "" {
			q.say(" AND t.scope = ?", string(page.Scope))
		}
		oneOf(q, "t.kind", page.Kinds)
		q.conditions(page)
		q.say(" ORDER BY k.rank, k.id")
	case page.Scope != "":
		q.say("SELECT "+recordColumns+" FROM records t INDEXED BY records_changed WHERE t.scope = ?", string(page.Scope))
		q.after(page.After)
		oneOf(q, "t.kind", page.Kinds)
		q.conditions(page)
		q.say(" ORDER BY t.rank, t.id")
	case len(page.Kinds) > 0:
		// One walk along the index for each kind; SQLite merges them in order and stops at the limit.
		kinds := slices.Clone(page.Kinds)
		slices.Sort(kinds)
		for i, kind := range slices.Compact(kinds) {
			if i > 0 {
				q.say(" UNION ALL ")
			}
			q.say("SELECT "+recordColumns+" FROM records t INDEXED BY records_list WHERE t.kind = ?", string(kind))
			q.after(page.After)
			q.conditions(page)
		}
		q.say(" ORDER BY 14, 1") // rank and id among recordColumns
	default:
		q.say("SELECT " + recordColumns + " FROM records t WHERE 1")
		q.after(page.After)
		q.conditions(page)
		q.say(" ORDER BY t.rank, t.id")
	}
	q.say(" LIMIT ?+0", int64(page.Limit))
	return q
}

// builder collects the text of a query and its arguments. The table's name in it is t.
type builder struct {
	sql  strings.Builder
	args []driver.NamedValue
}

func (q *builder) say(sql string, args ...driver.Value) {
	q.sql.WriteString(sql)
	for _, a := range args {
		q.args = append(q.args, driver.NamedValue{Ordinal: len(q.args) + 1, Value: a})
	}
}

func (q *builder) after(p store.Place) {
	if p != (store.Place{}) {
		q.say(" AND (t.rank, t.id) > (?, ?)", p.Rank, string(p.ID))
	}
}

func (q *builder) conditions(page store.Query) {
	oneOf(q, "t.state", page.States)
	if !page.Deleted {
		q.say(" AND t.deleted = 0")
	}
	q.visible(page.Visible)
}

func oneOf[T ~string](q *builder, column string, list []T) {
	if len(list) > 0 {
		q.say(" AND "+column+" IN (SELECT value FROM json_each(?))", jsonList(list))
	}
}

func (q *builder) types(types []field.ScopeType) {
	if len(types) == 0 {
		return
	}
	q.say(" AND (")
	for i, t := range types {
		if i > 0 {
			q.say(" OR ")
		}
		q.say("(t.scope >= ? AND t.scope < ?)", string(t)+"/", string(t)+"0") // '0' follows on '/'
	}
	q.say(")")
}

// visible is access.Filter.Match as a condition: the same words in the same order.
func (q *builder) visible(f access.Filter) {
	if len(f.Except) > 0 {
		q.say(" AND t.scope NOT IN (SELECT value FROM json_each(?))", jsonList(f.Except))
	}
	if len(f.Hidden) > 0 {
		q.say(" AND NOT ")
		q.found(f.Hidden)
	}
	if slices.ContainsFunc(f.Any, coversAll) {
		return
	}
	q.say(" AND (0")
	for _, c := range f.Any {
		q.say(" OR (1")
		q.types(c.Types)
		if len(c.Scopes) > 0 {
			q.say(" AND t.scope IN (SELECT value FROM json_each(?))", jsonList(c.Scopes))
		}
		if len(c.Orgs) > 0 {
			q.any(len(c.Orgs), func(i int) { q.say("instr(t.orgs, ?) > 0", "|"+string(c.Orgs[i])+"|") })
		}
		if len(c.Owners) > 0 {
			q.any(len(c.Owners), func(i int) {
				owner := "|" + string(c.Owners[i]) + "|"
				q.say("substr(t.orgs, 1, ?) = ?", int64(len(owner)), owner)
			})
		}
		if len(c.Regions) > 0 {
			q.any(len(c.Regions), func(i int) {
				q.say("substr(t.region, 1, ?) = ?", int64(utf8.RuneCountInString(c.Regions[i])), c.Regions[i])
			})
		}
		if len(c.Projects) > 0 {
			q.say(" AND t.project IN (SELECT value FROM json_each(?))", jsonList(c.Projects))
		}
		if len(c.Keys) > 0 {
			q.say(" AND ")
			q.found(c.Keys)
		}
		q.say(")")
	}
	q.say(")")
}

// found is true of a record that is found by one of the keys.
func (q *builder) found(keys []string) {
	q.say("EXISTS (SELECT 1 FROM record_keys f WHERE f.key IN (SELECT value FROM json_each(?)) AND f.rank = t.rank AND f.id = t.id)", jsonList(keys))
}

func coversAll(c access.Clause) bool {
	return len(c.Types)+len(c.Scopes)+len(c.Orgs)+len(c.Owners)+len(c.Regions)+len(c.Projects)+len(c.Keys) == 0
}

func (q *builder) any(n int, say func(i int)) {
	q.say(" AND (")
	for i := range n {
		if i > 0 {
			q.say(" OR ")
		}
		say(i)
	}
	q.say(")")
}
