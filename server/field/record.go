package field

import (
	"encoding/json"
	"sort"
	"strings"
	"time"

	"fieldclue/sync/exactjson"
)

// Kind names a kind of record: "report", "photo", "clue". The kinds are declared in kinds.go.
type Kind string

// State is a step of a kind's life cycle.
type State string

// Value is a JSON value in its shortest form. Numbers are kept as they were written.
type Value = json.RawMessage

// Stamp says which entry last changed a path of a record, and from which device.
type Stamp struct {
	Seq    int64    `json:"s"`
	Device DeviceID `json:"d"`
}

// Record is the latest image of a record: what the log says, summed up.
type Record struct {
	ID      RecordID
	Kind    Kind
	Scope   Scope
	Info    ScopeInfo // of the scope, copied for queries
	Version int64     // the number of the entry, in the home scope, that changed it last
	State   State
	Deleted bool // a tombstone: phones drop it, the desk shows it as voided

	Author    UserID   // who made it
	Device    DeviceID // on which device
	CreatedAt time.Time
	UpdatedAt time.Time // both server time, milliseconds

	Rank string   // the order in lists; made by Index
	Keys []string // by which lists find it, such as "reportId=0192…"; made by Index

	Fields map[string]Value // by path: "siteId", "answers.roof"
	Stamps map[string]Stamp // by path; "" is the life cycle
}

// Clone returns a copy that shares no map with r. Values are never changed in place, so they are shared.
func (r *Record) Clone() *Record {
	c := *r
	c.Fields = make(map[string]Value, len(r.Fields))
	for k, v := range r.Fields {
		c.Fields[k] = v
	}
	c.Stamps = make(map[string]Stamp, len(r.Stamps))
	for k, v := range r.Stamps {
		c.Stamps[k] = v
	}
	return &c
}

// Text returns a text field; empty if it is missing or not a text.
func (r *Record) Text(path string) string {
	s, _ := exactjson.Text(r.Fields[path]) // not a text: stays empty, as the comment says
	return s
}

// Texts returns a list of texts; nil if it is missing or not one.
func (r *Record) Texts(path string) []string {
	var s []string
	if v, ok := r.Fields[path]; ok {
		_ = json.Unmarshal(v, &s) // not such a list: stays nil, as the comment says
	}
	return s
}

// Int returns a whole number; 0 if it is missing or not one.
func (r *Record) Int(path string) int64 {
	var n int64
	if v, ok := r.Fields[path]; ok {
		_ = json.Unmarshal(v, &n) // not a number: stays 0, as the comment says
	}
	return n
}

// Time returns a point in time; the zero time if it is missing or not one.
func (r *Record) Time(path string) time.Time {
	s := r.Text(path)
	t, ok := ParseTime(s)
	if !ok {
		t, _ = time.Parse(time.RFC3339Nano, s) // older servers took a little more; missing or not a time: zero, as the comment says
	}
	return t
}

// Decode reads one field into a Go value. A missing field leaves it alone.
func (r *Record) Decode(path string, into any) error {
	v, ok := r.Fields[path]
	if !ok {
		return nil
	}
	return json.Unmarshal(v, into)
}

// Keyed returns the keys and values of a keyed field such as answers, in the order of the keys.
func (r *Record) Keyed(name string) (keys []string, values map[string]Value) {
	values = map[string]Value{}
	for p, v := range r.Fields {
		if key, ok := strings.CutPrefix(p, name+"."); ok {
			keys = append(keys, key)
			values[key] = v
		}
	}
	sort.Strings(keys)
	return keys, values
}

// Document returns the fields as the nested JSON object that goes over the wire, with keys in order.
func (r *Record) Document() json.RawMessage {
	paths := make([]string, 0, len(r.Fields))
	for p := range r.Fields {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	b := make([]byte, 0, 512)
	b = append(b, '{')
	open := ""
	for _, p := range paths {
		name, key, keyed := strings.Cut(p, ".")
		switch {
		case keyed && open == name:
			b = append(b, ',')
		default:
			if open != "" {
				b = append(b, '}')
				open = ""
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = exactjson.AppendText(b, name)
			b = append(b, ':')
			if keyed {
				b = append(b, '{')
				open = name
			}
		}
		if keyed {
			b = exactjson.AppendText(b, key)
			b = append(b, ':')
		}
		b = append(b, r.Fields[p]...)
	}
	if open != "" {
		b = append(b, '}')
	}
	return append(b, '}')
}

// Quote makes a Value of anything that marshals: the texts, numbers and structs of this package all do.
func Quote(v any) Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic("field: a value of the program itself does not marshal: " + err.Error())
	}
	return b
}
