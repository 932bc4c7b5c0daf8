package sqlite

import (
	"cmp"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/exactjson"
)

func millis(t time.Time) int64      { return t.UnixMilli() }
func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
func joinOrgs(orgs []field.OrgID) string {
	if len(orgs) == 0 {
		return ""
	}
	var b strings.Builder
	for _, o := range orgs {
		b.WriteByte('|')
		b.WriteString(string(o))
	}
	b.WriteByte('|')
	return b.String()
}

func splitOrgs(s string) []field.OrgID {
	if s == "" {
		return nil
	}
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(s, "|"), "|"), "|")
	orgs := make([]field.OrgID, len(parts))
	for i, p := range parts {
		orgs[i] = field.OrgID(p)
	}
	return orgs
}

// The columns of a record as they are written: recordChanged are those that any new image may change, recordFixed are
// those that stay with the record, and rank is changed only when it has changed, for it is in an index.
const (
	insertRecord = `INSERT INTO records (orgs, region, project, version, state, deleted, author, device, created, updated,
		keys, fields, stamps, id, kind, scope, rank) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO NOTHING`
	updateRecord = `UPDATE records SET orgs=?1, region=?2, project=?3, version=?4, state=?5, deleted=?6, author=?7, device=?8,
		created=?9, updated=?10, keys=?11, fields=?12, stamps=?13 WHERE id=?14`
	replaceRecord = `UPDATE records SET orgs=?1, region=?2, project=?3, version=?4, state=?5, deleted=?6, author=?7, device=?8,
		created=?9, updated=?10, keys=?11, fields=?12, stamps=?13, kind=?15, scope=?16, rank=?17 WHERE id=?14`
	updateWidth = 14

	// Of records t. As BLOB, JSON is read without a detour over a string.
	recordColumns = `t.id, t.kind, t.scope, t.orgs, t.region, t.project, t.version, t.state, t.deleted, t.author, t.device,
		t.created, t.updated, t.rank, CAST(t.keys AS BLOB), CAST(t.fields AS BLOB), CAST(t.stamps AS BLOB)`
)

// shared is what the records that one batch makes mostly have in common.
type shared struct {
	orgs, region, project     string
	version                   int64
	state                     string
	deleted                   int64
	author, device            string
	created, updated          int64
	stamps, kind, scope, rank string
}

// recordRow is a record ready to be bound, made by the caller's goroutine so that the writer has less to do.
type recordRow struct {
	shared
	id, keysText, fields string
	keys                 []string
	args                 []driver.NamedValue // of insertRecord
}

func encodeRecord(r *field.Record) recordRow {
	row := recordRow{
		id: string(r.ID), keys: slices.Clone(r.Keys), keysText: "[]", fields: encodeFields(r.Fields),
		shared: shared{
			orgs: joinOrgs(r.Info.Orgs), region: r.Info.Region, project: string(r.Info.Project), version: r.Version,
			state: string(r.State), deleted: int64(b2i(r.Deleted)), author: string(r.Author), device: string(r.Device),
			created: millis(r.CreatedAt), updated: millis(r.UpdatedAt), kind: string(r.Kind), scope: string(r.Scope), rank: r.Rank,
		},
	}
	if !ownStamps(r) {
		row.stamps = encodeStamps(r.Stamps)
	}
	if len(r.Keys) > 0 {
		b := make([]byte, 0, 64*len(r.Keys))
		for i, k := range r.Keys {
			b = append(b, ",["[b2i(i == 0)])
			b = exactjson.AppendText(b, k)
		}
		row.keysText = string(append(b, ']'))
	}
	return row
}

// columns are the arguments of insertRecord.
func (r *recordRow) columns() []driver.NamedValue {
	return values(
		r.orgs, r.region, r.project, r.version, r.state, r.deleted, r.author, r.device, r.created, r.updated,
		r.keysText, r.fields, r.stamps, r.id, r.kind, r.scope, r.rank,
	)
}

// ownStamps reports whether every field of a record, its life cycle and nothing else carries the stamp of the entry and
// the device that made it: so it is with a record that nobody has changed yet, and nothing need be written down.
func ownStamps(r *field.Record) bool {
	own := field.Stamp{Seq: r.Version, Device: r.Device}
	if len(r.Stamps) != len(r.Fields)+1 {
		return false
	}
	for path, st := range r.Stamps {
		if _, ok := r.Fields[path]; st != own || !ok && path != "" {
			return false
		}
	}
	return true
}

// madeRows are new records with all that they share bound once.
type madeRows struct {
	shared
	args  []driver.NamedValue // what is shared
	rows  []recordRow
	keys  []keyRows
	keyAt map[string]int // in keys
}

// keyRows are the new records that have a key.
type keyRows struct {
	key string
	ids []string
}

func addMade(groups []madeRows, r recordRow) []madeRows {
	i := slices.IndexFunc(groups, func(m madeRows) bool { return m.shared == r.shared })
	if i < 0 {
		i = len(groups)
		groups = append(groups, madeRows{shared: r.shared, keyAt: map[string]int{}, args: values(
			r.orgs, r.region, r.project, r.version, r.state, r.deleted, r.author, r.device, r.created, r.updated,
			r.stamps, r.kind, r.scope, r.rank,
		)})
	}
	m := &groups[i]
	m.rows = append(m.rows, r)
	for _, key := range r.keys {
		k, ok := m.keyAt[key]
		if !ok {
			k = len(m.keys)
			m.keyAt[key] = k
			m.keys = append(m.keys, keyRows{key: key})
		}
		m.keys[k].ids = append(m.keys[k].ids, r.id)
	}
	return groups
}

// The statements for several rows at once, by how many. What the rows share is bound once, under a number; what is a
// row's own follows without one, for the driver looks a number up by its name. OR IGNORE, besides leaving alone what is
// there, spares SQLite a journal for the statement.
var makeStatement, keyStatement = map[int]string{}, map[int]string{}

const sharedWidth = 14

func init() {
	for _, n := range atOnce {
		makeStatement[n] = `INSERT OR IGNORE INTO records (orgs, region, project, version, state, deleted, author, device,
			created, updated, stamps, kind, scope, rank, id, keys, fields) VALUES ` +
			strings.Repeat(",(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?,?,?)", n)[1:]
		keyStatement[n] = "INSERT OR IGNORE INTO record_keys (key, rank, id) VALUES " + strings.Repeat(",(?1,?2,?)", n)[1:]
	}
}

// atOnce are the numbers of rows for which there is a statement.
var atOnce = [...]int{32, 8, 2, 1}

func rowsAtOnce(n int) int {
	for _, size := range atOnce {
		if n >= size {
			return size
		}
	}
	return 1
}

func number3(args []driver.NamedValue, a, b, c driver.Value) []driver.NamedValue {
	n := len(args)
	return append(args, driver.NamedValue{Ordinal: n + 1, Value: a}, driver.NamedValue{Ordinal: n + 2, Value: b}, driver.NamedValue{Ordinal: n + 3, Value: c})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func encodeFields(fields map[string]field.Value) string {
	size := 2
	paths := make([]string, 0, len(fields))
	for p, v := range fields {
		paths = append(paths, p)
		size += len(p) + len(v) + 8
	}
	slices.Sort(paths)
	b := append(make([]byte, 0, size), '{')
	for i, p := range paths {
		if i > 0 {
			b = append(b, ',')
		}
		b = exactjson.AppendText(b, p)
		b = append(b, ':')
		if v := fields[p]; len(v) > 0 {
			b = append(b, v...)
		} else {
			b = append(b, "null"...)
		}
	}
	return string(append(b, '}'))
}

// encodeStamps writes the paths that one entry set together, for they mostly are.
func encodeStamps(stamps map[string]field.Stamp) string {
	paths := slices.Collect(maps.Keys(stamps))
	slices.SortFunc(paths, func(a, b string) int {
		x, y := stamps[a], stamps[b]
		return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.Device, y.Device), cmp.Compare(a, b))
	})
	b := append(make([]byte, 0, 64+24*len(paths)), '[')
	for i, p := range paths {
		st := stamps[p]
		if i == 0 || stamps[paths[i-1]] != st {
			if i > 0 {
				b = append(b, "],"...)
			}
			b = append(b, '[')
			b = exactjson.AppendText(b, string(st.Device))
			b = append(b, ',')
			b = strconv.AppendInt(b, st.Seq, 10)
		}
		b = append(b, ',')
		b = exactjson.AppendText(b, p)
	}
	if len(paths) > 0 {
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// decodeRecord reads a row of recordColumns.
func (c *conn) decodeRecord(row []driver.Value) (*field.Record, error) {
	r := &field.Record{
		ID: field.RecordID(text(row[0])), Kind: field.Kind(c.once(text(row[1]))), Scope: field.Scope(text(row[2])),
		Info:    field.ScopeInfo{Orgs: splitOrgs(text(row[3])), Region: text(row[4]), Project: field.ProjectID(text(row[5]))},
		Version: number(row[6]), State: field.State(c.once(text(row[7]))), Deleted: number(row[8]) != 0,
		Author: field.UserID(text(row[9])), Device: field.DeviceID(text(row[10])),
		CreatedAt: fromMillis(number(row[11])), UpdatedAt: fromMillis(number(row[12])), Rank: text(row[13]),
	}
	p := c.parser(raw(row[14]))
	r.Keys = p.texts()
	p.next(raw(row[15]))
	r.Fields = p.fields()
	if stamps := raw(row[16]); len(stamps) > 0 {
		p.next(stamps)
		r.Stamps = p.stamps()
	} else {
		own := field.Stamp{Seq: r.Version, Device: r.Device}
		r.Stamps = make(map[string]field.Stamp, len(r.Fields)+1)
		r.Stamps[""] = own
		for path := range r.Fields {
			r.Stamps[path] = own
		}
	}
	if p.end(); p.bad {
		return nil, field.Refuse(field.CodeInternal, "").About(string(r.ID)).Because(errDamaged)
	}
	return r, nil
}

var errDamaged = errors.New("a stored record does not parse")

// once returns the same string for the same text, so that a path is in memory once.
func (c *conn) once(s string) string {
	if k, ok := c.known[s]; ok {
		return k
	}
	if len(c.known) > 10000 {
		clear(c.known)
	}
	c.known[s] = s
	return s
}

// parser reads the JSON that this file writes.
type parser struct {
	exactjson.Scanner
	c   *conn
	bad bool
}

func (c *conn) parser(b []byte) parser { return parser{Scanner: exactjson.Scan(b), c: c} }

// next goes on with another text, when the one before was read to its end.
func (p *parser) next(b []byte) {
	p.end()
	p.Scanner = exactjson.Scan(b)
}

func (p *parser) end() { p.bad = p.bad || !p.Whole() }

// known reads a text of a small vocabulary.
func (p *parser) known(inner []byte, escaped bool) string {
	if escaped {
		return p.text(inner, true)
	}
	if s, ok := p.c.known[string(inner)]; ok {
		return s
	}
	return p.c.once(string(inner))
}

func (p *parser) text(inner []byte, escaped bool) string {
	if !escaped {
		return string(inner)
	}
	s, ok := exactjson.Unescape(inner)
	p.bad = p.bad || !ok
	return s
}

func (p *parser) texts() []string {
	var out []string
	for p.Open('['); p.More(']'); {
		out = append(out, p.text(p.Text()))
	}
	p.bad = p.bad || p.Bad() || p.Spaced()
	return out
}

func (p *parser) fields() map[string]field.Value {
	out := make(map[string]field.Value, p.c.size)
	for p.Open('{'); p.More('}'); {
		path := p.known(p.Name())
		out[path] = p.Value()
	}
	p.c.size = len(out)
	return out
}

// stamps reads lists of a device, the number of an entry, and the paths that it set.
func (p *parser) stamps() map[string]field.Stamp {
	out := make(map[string]field.Stamp, p.c.size)
	for p.Open('['); p.More(']'); {
		var st field.Stamp
		n := 0
		for p.Open('['); p.More(']'); n++ {
			switch n {
			case 0:
				st.Device = field.DeviceID(p.known(p.Text()))
			case 1:
				seq, err := strconv.ParseInt(string(p.Number()), 10, 64)
				p.bad = p.bad || err != nil
				st.Seq = seq
			default:
				out[p.known(p.Text())] = st
			}
		}
		p.bad = p.bad || n < 2
	}
	return out
}

const (
	markColumns  = "scope, seq, device, batch, hash, prev, at, actor"
	entryColumns = markColumns + ", body, bundle"
	headColumns  = "scope, seq, hash, at, orgs, region, project"
	docColumns   = "shelf, id, version, key, due, body"
)

func decodeEntry(row []driver.Value) store.Entry {
	e := store.Entry{
		Scope: field.Scope(text(row[0])), Seq: number(row[1]), Device: field.DeviceID(text(row[2])), Batch: number(row[3]),
		Hash: text(row[4]), Prev: text(row[5]), At: fromMillis(number(row[6])), Actor: field.UserID(text(row[7])), Body: raw(row[8]),
	}
	if bundle := raw(row[9]); bundle != nil {
		e.Body, e.Bundle = nil, hex.EncodeToString(bundle)
	}
	return e
}

func decodeHead(row []driver.Value) store.Head {
	return store.Head{
		Scope: field.Scope(text(row[0])), Seq: number(row[1]), Hash: text(row[2]), At: fromMillis(number(row[3])),
		Info: field.ScopeInfo{Orgs: splitOrgs(text(row[4])), Region: text(row[5]), Project: field.ProjectID(text(row[6]))},
	}
}

func decodeDoc(row []driver.Value) store.Doc {
	d := store.Doc{Shelf: store.Shelf(text(row[0])), ID: text(row[1]), Version: number(row[2]), Key: text(row[3]), Body: raw(row[5])}
	if ms, ok := row[4].(int64); ok {
		d.Due = fromMillis(ms)
	}
	return d
}
