package exactjson

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Writer appends members and items as encoding/json writes them, with a comma before each but the first.
type Writer struct {
	b     []byte
	fresh bool // nothing has been written since the last bracket was opened
	err   error
	names []string // scratch
}

// Append makes a writer that appends to b.
func Append(b []byte) Writer { return Writer{b: b, fresh: true} }

// Bytes are what was written, and the first error.
func (w *Writer) Bytes() ([]byte, error) { return w.b, w.err }

// Open writes the bracket that opens an object or a list.
func (w *Writer) Open(bracket byte) {
	w.b = append(w.b, bracket)
	w.fresh = true
}

// Close writes the bracket that closes it.
func (w *Writer) Close(bracket byte) {
	w.b = append(w.b, bracket)
	w.fresh = false
}

// Item comes before each item of a list.
func (w *Writer) Item() {
	if !w.fresh {
		w.b = append(w.b, ',')
	}
	w.fresh = false
}

// Member comes before the value of each member.
func (w *Writer) Member(name string) {
	w.Item()
	w.b = append(AppendText(w.b, name), ':')
}

// Text writes a member that is a text.
func (w *Writer) Text(name, s string) {
	w.Member(name)
	w.b = AppendText(w.b, s)
}

// TextIf leaves an empty one out.
func (w *Writer) TextIf(name, s string) {
	if s != "" {
		w.Text(name, s)
	}
}

// Number writes a member that is a whole number.
func (w *Writer) Number(name string, n int64) {
	w.Member(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

// NumberIf leaves 0 out.
func (w *Writer) NumberIf(name string, n int64) {
	if n != 0 {
		w.Number(name, n)
	}
}

// Bool writes true or false as a value.
func (w *Writer) Bool(is bool) { w.b = strconv.AppendBool(w.b, is) }

// Any writes what is rare and small as a value.
func (w *Writer) Any(v any) {
	b, err := json.Marshal(v)
	w.note(err)
	w.b = append(w.b, b...)
}

// Values writes a member with values by name, in the order of the names. Without any it is left out; one that is nil is
// null.
func (w *Writer) Values(name string, values map[string]json.RawMessage) {
	if len(values) == 0 {
		return
	}
	w.names = w.names[:0]
	for n := range values {
		w.names = append(w.names, n)
	}
	slices.Sort(w.names)
	w.Member(name)
	w.Open('{')
	for _, n := range w.names {
		w.Member(n)
		v := values[n]
		if v == nil {
			w.b = append(w.b, "null"...)
			continue
		}
		var err error
		w.b, err = AppendValue(w.b, v)
		w.note(err)
	}
	w.Close('}')
}

func (w *Writer) note(err error) {
	if w.err == nil {
		w.err = err
	}
}
