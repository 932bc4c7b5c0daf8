package mongo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/exactjson"
)

// JSON values are stored as BSON that people can read and query, and come back as the bytes that they were. Most are
// the same either way: appendValue says so, value by value, by comparing what appendJSON would give back. Whatever is
// not (1.50, an instant that became a date, a key that BSON cannot hold) is kept a second time as its exact JSON,
// beside the legible form.

// maxDepth is how deeply a value may be nested as BSON. The server's own limit is 100 for a whole document.
const maxDepth = 60

// appendValue appends the element key: v to a BSON document. exact reports whether appendJSON gives the same bytes
// back. A value that BSON cannot hold becomes a text that holds its JSON. f, which may be nil, tells instants from
// other texts; an instant inside an object stays a text, or the whole object would have to be kept twice.
func appendValue(dst []byte, key string, v []byte, f *field.Field) (out []byte, exact bool) {
	start := len(dst)
	r := reader{Scanner: exactjson.Scan(v), exact: true}
	out, ok := r.element(dst, key, f, 0)
	if !ok || !r.Whole() || r.Spaced() {
		return bsoncore.AppendStringElement(dst[:start], key, strings.ToValidUTF8(string(v), "\uFFFD")), false
	}
	return out, r.exact
}

// reader makes BSON of JSON without white space. What BSON cannot hold it gives up on, and the value is kept as a text.
type reader struct {
	exactjson.Scanner
	exact bool
}

func (r *reader) element(dst []byte, key string, f *field.Field, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, false
	}
	switch r.Peek() {
	case '"':
		text, ok := r.text(r.Text())
		if !ok {
			return dst, false
		}
		if f != nil && f.Type == field.Time {
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				r.exact = false // a date forgets the offset
				return bsoncore.AppendDateTimeElement(dst, key, t.UnixMilli()), true
			}
		}
		return bsoncore.AppendStringElement(dst, key, text), true
	case '{':
		return r.object(dst, key, depth)
	case '[':
		return r.array(dst, key, f, depth)
	case 't':
		r.Word("true")
		return bsoncore.AppendBooleanElement(dst, key, true), true
	case 'f':
		r.Word("false")
		return bsoncore.AppendBooleanElement(dst, key, false), true
	case 'n':
		r.Word("null")
		return bsoncore.AppendNullElement(dst, key), true
	}
	return r.number(dst, key)
}

// text reads a string. It is exact when writing the text again gives the same bytes.
func (r *reader) text(inner []byte, escaped bool) (text string, ok bool) {
	if r.Bad() {
		return "", false
	}
	if !escaped && exactjson.Canonical(inner) {
		return string(inner), true
	}
	text, ok = exactjson.Unescape(inner)
	if again := exactjson.AppendText(nil, text); string(again[1:len(again)-1]) != string(inner) {
		r.exact = false
	}
	return text, ok
}

func (r *reader) number(dst []byte, key string) ([]byte, bool) {
	raw := string(r.Number())
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		if strconv.FormatInt(n, 10) != raw {
			r.exact = false
		}
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return bsoncore.AppendInt32Element(dst, key, int32(n)), true
		}
		return bsoncore.AppendInt64Element(dst, key, n), true
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return dst, false
	}
	if string(appendFloat(nil, n)) != raw {
		r.exact = false
	}
	return bsoncore.AppendDoubleElement(dst, key, n), true
}

// array reads a list. A list directly in a list makes the whole value a text: queries could not look into it, and the
// stand-in cannot store it.
func (r *reader) array(dst []byte, key string, f *field.Field, depth int) ([]byte, bool) {
	at, dst := bsoncore.AppendArrayElementStart(dst, key)
	i := 0
	for r.Open('['); r.More(']'); i++ {
		if r.Peek() == '[' {
			return dst, false
		}
		var ok bool
		if dst, ok = r.element(dst, strconv.Itoa(i), f, depth+1); !ok {
			return dst, false
		}
	}
	dst, err := bsoncore.AppendArrayEnd(dst, at)
	return dst, err == nil
}

func (r *reader) object(dst []byte, key string, depth int) ([]byte, bool) {
	at, dst := bsoncore.AppendDocumentElementStart(dst, key)
	var names []string
	for r.Open('{'); r.More('}'); {
		name, ok := r.text(r.Name())
		if !ok || !isKey(name) || slices.Contains(names, name) || len(names) > 500 {
			return dst, false
		}
		names = append(names, name)
		if dst, ok = r.element(dst, name, nil, depth+1); !ok {
			return dst, false
		}
	}
	dst, err := bsoncore.AppendDocumentEnd(dst, at)
	return dst, err == nil
}

// isKey reports whether every supported server stores name as a key, and queries reach it by its path. The first
// programs took no name with a byte 0xe2, and what they stored is compared with what is written now.
func isKey(name string) bool {
	return name != "" && name[0] != '$' && name != "_id" && strings.IndexByte(name, '.') < 0 && strings.IndexByte(name, 0xe2) < 0 && exactjson.Canonical(name)
}

func appendFloat(b []byte, n float64) []byte {
	raw, err := json.Marshal(n)
	if err != nil { // NaN or infinite: no JSON value becomes one
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// appendJSON appends a BSON value as the JSON that it came from.
func appendJSON(b []byte, v bsoncore.Value) ([]byte, error) {
	switch v.Type {
	case bson.TypeString:
		return exactjson.AppendText(b, v.StringValue()), nil
	case bson.TypeInt32:
		return strconv.AppendInt(b, int64(v.Int32()), 10), nil
	case bson.TypeInt64:
		return strconv.AppendInt(b, v.Int64(), 10), nil
	case bson.TypeDouble:
		return appendFloat(b, v.Double()), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(b, v.Boolean()), nil
	case bson.TypeNull:
		return append(b, "null"...), nil
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		open, end := byte('{'), byte('}')
		if v.Type == bson.TypeArray {
			open, end = '[', ']'
		}
		b = append(b, open)
		first := true
		err := each(v.Data, func(key []byte, item bsoncore.Value) (err error) {
			if !first {
				b = append(b, ',')
			}
			first = false
			if open == '{' {
				b = append(exactjson.AppendText(b, string(key)), ':')
			}
			b, err = appendJSON(b, item)
			return err
		})
		return append(b, end), err
	}
	return b, fmt.Errorf("a BSON %s stands where this program writes none", v.Type)
}

// each walks through the elements of a document or array.
func each(doc []byte, do func(key []byte, v bsoncore.Value) error) error {
	length, rest, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) > len(doc) || length < 5 {
		return fmt.Errorf("a BSON document of %d bytes is cut", len(doc))
	}
	rest = rest[:length-5]
	for len(rest) > 0 {
		e, more, ok := bsoncore.ReadElement(rest)
		if !ok {
			return fmt.Errorf("a BSON element is cut")
		}
		v, err := e.ValueErr()
		if err != nil {
			return err
		}
		if err := do(e.KeyBytes(), v); err != nil {
			return err
		}
		rest = more
	}
	return nil
}

// appendBytes appends bytes that are JSON: as a text, or as binary data if they are no valid text.
func appendBytes(dst []byte, key string, v []byte) []byte {
	if utf8.Valid(v) {
		return bsoncore.AppendStringElement(dst, key, string(v))
	}
	return bsoncore.AppendBinaryElement(dst, key, 0, v)
}

func bytesOf(v bsoncore.Value) []byte {
	if v.Type == bson.TypeBinary {
		_, data := v.Binary()
		return slices.Clone(data)
	}
	return []byte(textOf(v))
}

func textOf(v bsoncore.Value) string  { s, _ := v.StringValueOK(); return s } // not a text: empty
func numberOf(v bsoncore.Value) int64 { n, _ := v.AsInt64OK(); return n }     // not a number: 0
func timeOf(v bsoncore.Value) time.Time {
	ms, ok := v.DateTimeOK()
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func textsOf[T ~string](v bsoncore.Value) ([]T, error) {
	var list []T
	err := each(v.Data, func(_ []byte, item bsoncore.Value) error {
		list = append(list, T(textOf(item)))
		return nil
	})
	return list, err
}

func appendTexts[T ~string](dst []byte, key string, list []T) []byte {
	at, dst := bsoncore.AppendArrayElementStart(dst, key)
	for i, s := range list {
		dst = bsoncore.AppendStringElement(dst, strconv.Itoa(i), string(s))
	}
	return closeArray(dst, at)
}

// closeArray and closeDocument end what was started; they fail only for an index that is no start.
func closeArray(dst []byte, at int32) []byte { dst, _ = bsoncore.AppendArrayEnd(dst, at); return dst }

func closeDocument(dst []byte, at int32) []byte {
	dst, _ = bsoncore.AppendDocumentEnd(dst, at)
	return dst
}

func appendInfo(dst []byte, scope field.Scope, info field.ScopeInfo) []byte {
	dst = bsoncore.AppendStringElement(dst, "type", string(scope.Type()))
	dst = appendTexts(dst, "orgs", info.Orgs)
	dst = bsoncore.AppendStringElement(dst, "region", info.Region)
	return bsoncore.AppendStringElement(dst, "project", string(info.Project))
}

// readInfo reads one element that appendInfo wrote, and leaves others alone.
func readInfo(info *field.ScopeInfo, key []byte, v bsoncore.Value) (err error) {
	switch string(key) {
	case "orgs":
		info.Orgs, err = textsOf[field.OrgID](v)
	case "region":
		info.Region = textOf(v)
	case "project":
		info.Project = field.ProjectID(textOf(v))
	}
	return err
}

// encodeRecord makes the document of a record:
//
//	{_id, kind, scope, state, deleted, author, createdAt, updatedAt, fields: {siteId: …, answers: {roof: …}},
//	 position: GeoJSON, _sync: {version, device, type, orgs, region, project, rank, keys, keyed, stamps, exact}}
//
// _sync.keyed names the fields that are set key by key; _sync.stamps groups the paths that one entry of one device
// changed last, see appendStamps; _sync.exact holds the JSON of the values that their BSON does not give back.
func encodeRecord(r *field.Record) bson.Raw {
	at, d := bsoncore.AppendDocumentStart(make([]byte, 0, 2048))
	d = bsoncore.AppendStringElement(d, "_id", string(r.ID))
	d = bsoncore.AppendStringElement(d, "kind", string(r.Kind))
	d = bsoncore.AppendStringElement(d, "scope", string(r.Scope))
	d = bsoncore.AppendStringElement(d, "state", string(r.State))
	d = bsoncore.AppendBooleanElement(d, "deleted", r.Deleted)
	d = bsoncore.AppendStringElement(d, "author", string(r.Author))
	d = appendTime(d, "createdAt", r.CreatedAt)
	d = appendTime(d, "updatedAt", r.UpdatedAt)
	d, keyed, inexact := appendFields(d, r)
	d = appendPoint(d, r)

	sync, d := bsoncore.AppendDocumentElementStart(d, "_sync")
	d = bsoncore.AppendInt64Element(d, "version", r.Version)
	d = bsoncore.AppendStringElement(d, "device", string(r.Device))
	d = appendInfo(d, r.Scope, r.Info)
	d = bsoncore.AppendStringElement(d, "rank", r.Rank)
	d = appendTexts(d, "keys", r.Keys)
	if len(keyed) > 0 {
		d = appendTexts(d, "keyed", keyed)
	}
	d = appendStamps(d, r)
	if len(inexact) > 0 {
		list, e := bsoncore.AppendArrayElementStart(d, "exact")
		for i, path := range inexact {
			one, x := bsoncore.AppendDocumentElementStart(e, strconv.Itoa(i))
			x = bsoncore.AppendStringElement(x, "path", path)
			e = closeDocument(appendBytes(x, "json", r.Fields[path]), one)
		}
		d = closeArray(e, list)
	}
	return bson.Raw(closeDocument(closeDocument(d, sync), at))
}

func appendTime(dst []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return bsoncore.AppendDateTimeElement(dst, key, t.UnixMilli())
}

// appendFields appends the fields nested at the first dot of their paths. A path that cannot be nested is only in
// inexact, beside those whose BSON is not exact.
func appendFields(d []byte, r *field.Record) (out []byte, keyed, inexact []string) {
	spec := field.KindOf(r.Kind)
	paths := make([]string, 0, len(r.Fields))
	for p := range r.Fields {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	at, d := bsoncore.AppendDocumentElementStart(d, "fields")
	open, nest := "", int32(0)
	for _, p := range paths {
		name, key, nested := strings.Cut(p, ".")
		_, whole := r.Fields[name]
		if !isKey(name) || nested && (!isKey(key) || whole) {
			inexact = append(inexact, p)
			continue
		}
		if open != "" && open != name {
			d, open = closeDocument(d, nest), ""
		}
		var f *field.Field
		if spec != nil {
			f, _ = spec.Field(p)
		}
		last := name
		if nested {
			if open == "" {
				nest, d = bsoncore.AppendDocumentElementStart(d, name)
				open, keyed = name, append(keyed, name)
			}
			last = key
		}
		var exact bool
		if d, exact = appendValue(d, last, r.Fields[p], f); !exact {
			inexact = append(inexact, p)
		}
	}
	if open != "" {
		d = closeDocument(d, nest)
	}
	return closeDocument(d, at), keyed, inexact
}

// appendPoint appends the record's position as GeoJSON, so that people can ask what is near. Positions in the shifted
// systems GCJ-02 and BD-09 are left out: they would lie hundreds of metres off.
func appendPoint(d []byte, r *field.Record) []byte {
	v, ok := r.Fields["position"]
	if !ok {
		return d
	}
	var p field.Fix
	if json.Unmarshal(v, &p) != nil || p.Lat == nil || p.Lon == nil || p.System != "" && p.System != "wgs84" {
		return d
	}
	if math.Abs(*p.Lat) > 90 || math.Abs(*p.Lon) > 180 {
		return d // the index would refuse the record
	}
	at, d := bsoncore.AppendDocumentElementStart(d, "position")
	d = bsoncore.AppendStringElement(d, "type", "Point")
	list, d := bsoncore.AppendArrayElementStart(d, "coordinates")
	d = bsoncore.AppendDoubleElement(d, "0", *p.Lon)
	d = bsoncore.AppendDoubleElement(d, "1", *p.Lat)
	return closeDocument(closeArray(d, list), at)
}

// appendStamps groups the paths by entry and device. When every field has a stamp, as in all records that the log made,
// the largest group says rest: true instead of naming the fields: it stands for those that no group names.
func appendStamps(d []byte, r *field.Record) []byte {
	type group struct {
		stamp field.Stamp
		paths []string
	}
	groups := make([]group, 0, 4)
	unstamped := len(r.Fields)
	for path, st := range r.Stamps {
		if _, ok := r.Fields[path]; ok {
			unstamped--
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.stamp == st })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{stamp: st})
		}
		groups[i].paths = append(groups[i].paths, path)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.stamp.Seq, b.stamp.Seq), cmp.Compare(a.stamp.Device, b.stamp.Device))
	})
	rest := -1
	for i := range groups {
		if unstamped == 0 && (rest < 0 || len(groups[i].paths) > len(groups[rest].paths)) {
			rest = i
		}
	}
	at, d := bsoncore.AppendArrayElementStart(d, "stamps")
	for i, g := range groups {
		one, e := bsoncore.AppendDocumentElementStart(d, strconv.Itoa(i))
		e = bsoncore.AppendInt64Element(e, "seq", g.stamp.Seq)
		e = bsoncore.AppendStringElement(e, "device", string(g.stamp.Device))
		if i == rest {
			e = bsoncore.AppendBooleanElement(e, "rest", true)
			g.paths = slices.DeleteFunc(g.paths, func(path string) bool { _, ok := r.Fields[path]; return ok })
		}
		sort.Strings(g.paths)
		d = closeDocument(appendTexts(e, "paths", g.paths), one)
	}
	return closeArray(d, at)
}

func decodeRecord(doc []byte) (*field.Record, error) {
	r := &field.Record{Fields: map[string]field.Value{}, Stamps: map[string]field.Stamp{}}
	var fields, sync bsoncore.Value
	err := each(doc, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "_id":
			r.ID = field.RecordID(textOf(v))
		case "kind":
			r.Kind = field.Kind(textOf(v))
		case "scope":
			r.Scope = field.Scope(textOf(v))
		case "state":
			r.State = field.State(textOf(v))
		case "deleted":
			r.Deleted, _ = v.BooleanOK() // not a bool: false
		case "author":
			r.Author = field.UserID(textOf(v))
		case "createdAt":
			r.CreatedAt = timeOf(v)
		case "updatedAt":
			r.UpdatedAt = timeOf(v)
		case "fields":
			fields = v
		case "_sync":
			sync = v
		}
		return nil
	})
	if err == nil {
		err = decodeSync(r, sync.Data, fields.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("mongo: record %q does not decode: %w", r.ID, err)
	}
	return r, nil
}

func decodeSync(r *field.Record, sync, fields []byte) error {
	var keyed []string
	var rest *field.Stamp
	err := each(sync, func(key []byte, v bsoncore.Value) (err error) {
		switch string(key) {
		case "version":
			r.Version = numberOf(v)
		case "device":
			r.Device = field.DeviceID(textOf(v))
		case "rank":
			r.Rank = textOf(v)
		case "keys":
			r.Keys, err = textsOf[string](v)
		case "keyed":
			keyed, err = textsOf[string](v)
		case "stamps":
			err = each(v.Data, func(_ []byte, group bsoncore.Value) error {
				st, whole, err := decodeStamps(r.Stamps, group.Data)
				if whole {
					rest = &st
				}
				return err
			})
		case "exact":
			err = each(v.Data, func(_ []byte, one bsoncore.Value) error {
				d, ok := one.DocumentOK()
				if !ok {
					return fmt.Errorf("a BSON %s stands where this program writes none", one.Type)
				}
				r.Fields[textOf(d.Lookup("path"))] = bytesOf(d.Lookup("json"))
				return nil
			})
		default:
			err = readInfo(&r.Info, key, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = each(fields, func(key []byte, v bsoncore.Value) error {
		if !slices.Contains(keyed, string(key)) {
			return decodeField(r.Fields, string(key), v)
		}
		return each(v.Data, func(inner []byte, v bsoncore.Value) error {
			return decodeField(r.Fields, string(key)+"."+string(inner), v)
		})
	})
	if rest != nil {
		for path := range r.Fields {
			if _, named := r.Stamps[path]; !named {
				r.Stamps[path] = *rest
			}
		}
	}
	return err
}

func decodeField(fields map[string]field.Value, path string, v bsoncore.Value) error {
	if _, exact := fields[path]; exact {
		return nil
	}
	raw, err := appendJSON(make([]byte, 0, len(v.Data)+8), v)
	fields[path] = raw
	return err
}

// decodeStamps reads one group; rest says that its stamp is also that of every field that no group names.
func decodeStamps(stamps map[string]field.Stamp, group []byte) (st field.Stamp, rest bool, err error) {
	var paths []string
	err = each(group, func(key []byte, v bsoncore.Value) (err error) {
		switch string(key) {
		case "seq":
			st.Seq = numberOf(v)
		case "device":
			st.Device = field.DeviceID(textOf(v))
		case "rest":
			rest, _ = v.BooleanOK() // not a bool: false
		case "paths":
			paths, err = textsOf[string](v)
		}
		return err
	})
	for _, p := range paths {
		stamps[p] = st
	}
	return st, rest, err
}

// entryID names an entry so that entries of one scope lie beside each other in order.
func entryID(scope field.Scope, seq int64) string { return fmt.Sprintf("%s#%016d", scope, seq) }

// encodeEntry makes {_id, scope, seq, device, batch, hash, prev, at, actor, body}; body is the text that the hash
// covers. An archived entry has bundle in its place.
func encodeEntry(e *store.Entry) bson.Raw {
	at, d := bsoncore.AppendDocumentStart(make([]byte, 0, len(e.Body)+512))
	d = bsoncore.AppendStringElement(d, "_id", entryID(e.Scope, e.Seq))
	d = bsoncore.AppendStringElement(d, "scope", string(e.Scope))
	d = bsoncore.AppendInt64Element(d, "seq", e.Seq)
	d = bsoncore.AppendStringElement(d, "device", string(e.Device))
	d = bsoncore.AppendInt64Element(d, "batch", e.Batch)
	d = bsoncore.AppendStringElement(d, "hash", e.Hash)
	d = bsoncore.AppendStringElement(d, "prev", e.Prev)
	d = appendTime(d, "at", e.At)
	d = bsoncore.AppendStringElement(d, "actor", string(e.Actor))
	return bson.Raw(closeDocument(appendBytes(d, "body", e.Body), at))
}

func decodeEntry(doc []byte) (e store.Entry, err error) {
	err = each(doc, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "scope":
			e.Scope = field.Scope(textOf(v))
		case "seq":
			e.Seq = numberOf(v)
		case "device":
			e.Device = field.DeviceID(textOf(v))
		case "batch":
			e.Batch = numberOf(v)
		case "hash":
			e.Hash = textOf(v)
		case "prev":
			e.Prev = textOf(v)
		case "at":
			e.At = timeOf(v)
		case "actor":
			e.Actor = field.UserID(textOf(v))
		case "body":
			e.Body = bytesOf(v)
		case "bundle":
			e.Bundle = textOf(v)
		}
		return nil
	})
	return e, err
}

// encodeHead makes {_id: the scope, seq, hash, at, type, orgs, region, project}.
func encodeHead(h *store.Head) bson.Raw {
	at, d := bsoncore.AppendDocumentStart(make([]byte, 0, 384))
	d = bsoncore.AppendStringElement(d, "_id", string(h.Scope))
	d = bsoncore.AppendInt64Element(d, "seq", h.Seq)
	d = bsoncore.AppendStringElement(d, "hash", h.Hash)
	d = appendTime(d, "at", h.At)
	return bson.Raw(closeDocument(appendInfo(d, h.Scope, h.Info), at))
}

func decodeHead(doc []byte) (h store.Head, err error) {
	err = each(doc, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "_id":
			h.Scope = field.Scope(textOf(v))
		case "seq":
			h.Seq = numberOf(v)
		case "hash":
			h.Hash = textOf(v)
		case "at":
			h.At = timeOf(v)
		default:
			return readInfo(&h.Info, key, v)
		}
		return nil
	})
	return h, err
}

// encodeDoc makes {_id, version, key, due, body, exact}; key and due only when they are set, exact (the body's JSON)
// only when the legible body does not give it back.
func encodeDoc(w *store.Doc, version int64) bson.Raw {
	at, d := bsoncore.AppendDocumentStart(make([]byte, 0, len(w.Body)+256))
	d = bsoncore.AppendStringElement(d, "_id", w.ID)
	d = bsoncore.AppendInt64Element(d, "version", version)
	if w.Key != "" {
		d = bsoncore.AppendStringElement(d, "key", w.Key)
	}
	d = appendTime(d, "due", w.Due)
	d, exact := appendValue(d, "body", w.Body, nil)
	if !exact {
		d = appendBytes(d, "exact", w.Body)
	}
	return bson.Raw(closeDocument(d, at))
}

func decodeDoc(shelf store.Shelf, doc []byte) (w store.Doc, err error) {
	w.Shelf = shelf
	var body, exact bsoncore.Value
	err = each(doc, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "_id":
			w.ID = textOf(v)
		case "version":
			w.Version = numberOf(v)
		case "key":
			w.Key = textOf(v)
		case "due":
			w.Due = timeOf(v)
		case "body":
			body = v
		case "exact":
			exact = v
		}
		return nil
	})
	switch {
	case err != nil:
	case exact.Type != 0:
		w.Body = bytesOf(exact)
	default:
		w.Body, err = appendJSON(nil, body)
	}
	return w, err
}
