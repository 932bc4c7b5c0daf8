package protocol

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"fieldclue/server/field"
)

// ReadPush reads the body of a push in one pass. It takes what phones send: JSON in UTF-8 with the documented members,
// each once, with their types, and with no escape in a name or in an identifier. ok is false for everything else, be it
// wrong or merely rare, and says nothing more: anyone who wants to know asks encoding/json, which reads what is taken here
// in the same way (TestReadPushAgreesWithJSON). The values are slices of a copy of the body.
func ReadPush(body []byte) (req PushRequest, ok bool) {
	r := reader{b: bytes.Clone(body), names: map[string]string{}}
	if !utf8.Valid(r.b) {
		return PushRequest{}, false
	}
	r.space()
	r.object(func(name []byte) uint {
		switch string(name) {
		case "device":
			req.Device = field.DeviceID(r.plain())
			return 1
		case "batch":
			req.Batch = r.integer()
			return 2
		case "scope":
			req.Scope = field.Scope(r.plain())
			return 4
		case "app":
			req.App = r.plain()
			return 8
		case "deviceTime":
			req.DeviceTime = r.plain()
			return 16
		case "skewMs":
			req.SkewMS = r.integer()
			return 32
		case "seen":
			req.Seen = r.cursor()
			return 64
		case "operations":
			req.Operations = r.operations()
			return 128
		case "previous":
			n := r.integer()
			req.Previous = &n
			return 256
		}
		return 0
	})
	r.space()
	if r.bad || r.i != len(r.b) {
		return PushRequest{}, false
	}
	return req, true
}

// reader walks over JSON and stops at the first thing that it does not take.
type reader struct {
	b     []byte
	i     int
	bad   bool
	depth int
	names map[string]string // of fields and kinds, each once in memory
	size  int               // how many fields the operation before set: the next one is mostly alike
}

func (r *reader) fail() { r.bad = true; r.i = len(r.b) }

// peek gives the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *reader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\r' || r.b[r.i] == '\t') {
		r.i++
	}
}

// take steps over a byte that must be there, and the space behind it.
func (r *reader) take(c byte) {
	if r.peek() != c {
		r.fail()
		return
	}
	r.i++
	r.space()
}

// more is asked before each member of an object or a list that ends with end; it steps over what lies between them.
func (r *reader) more(first bool, end byte) bool {
	switch {
	case r.bad:
		return false
	case r.peek() == end:
		r.i++
		r.depth--
		return false
	case first:
		return true
	}
	r.take(',')
	return !r.bad
}

func (r *reader) open(c byte) {
	r.take(c)
	if r.depth++; r.depth > MaxDepth {
		r.fail()
	}
}

// object reads an object of which each member has a bit of its own; 0: there is no such member.
func (r *reader) object(member func(name []byte) uint) {
	var seen uint
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		bit := member(r.name())
		if bit == 0 || seen&bit != 0 {
			r.fail()
		}
		seen |= bit
		r.space()
	}
}

func (r *reader) name() []byte {
	name, escaped := r.text()
	if escaped {
		r.fail()
	}
	r.space()
	r.take(':')
	return name
}

// text steps over a string and returns what stands between its quotation marks.
func (r *reader) text() (inner []byte, escaped bool) {
	if r.peek() != '"' {
		r.fail()
		return nil, false
	}
	from := r.i + 1
	for at := from; ; {
		at += field.PlainPrefix(r.b[at:])
		switch {
		case at >= len(r.b) || r.b[at] < 0x20:
			r.fail()
			return nil, false
		case r.b[at] == '"':
			r.i = at + 1
			return r.b[from:at], escaped
		}
		escaped = true
		if at = field.EscapeEnd(r.b, at); at < 0 {
			r.fail()
			return nil, false
		}
	}
}

// plain reads a string without escapes.
func (r *reader) plain() string {
	text, escaped := r.text()
	if escaped {
		r.fail()
	}
	return string(text)
}

// once reads a string of a small vocabulary.
func (r *reader) once(text []byte) string {
	if s, ok := r.names[string(text)]; ok {
		return s
	}
	s := string(text)
	r.names[s] = s
	return s
}

func (r *reader) integer() int64 {
	n, err := strconv.ParseInt(string(r.number()), 10, 64)
	if err != nil {
		r.fail()
	}
	return n
}

// number steps over a number by the grammar of JSON.
func (r *reader) number() []byte {
	from := r.i
	if r.peek() == '-' {
		r.i++
	}
	if r.peek() == '0' {
		r.i++
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.i++
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.i++
		if c := r.peek(); c == '+' || c == '-' {
			r.i++
		}
		r.digits()
	}
	if r.bad {
		return nil
	}
	return r.b[from:r.i]
}

func (r *reader) digits() {
	from := r.i
	for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
		r.i++
	}
	if r.i == from {
		r.fail()
	}
}

func (r *reader) cursor() *Cursor {
	c := &Cursor{}
	r.object(func(name []byte) uint {
		switch string(name) {
		case "seq":
			c.Seq = r.integer()
			return 1
		case "hash":
			c.Hash = r.plain()
			return 2
		case "load":
			c.Load = r.plain()
			return 4
		}
		return 0
	})
	return c
}

func (r *reader) operations() []Operation {
	ops := []Operation{}
	r.open('[')
	for first := true; r.more(first, ']'); first = false {
		ops = append(ops, Operation{})
		op := &ops[len(ops)-1]
		r.object(func(name []byte) uint {
			switch string(name) {
			case "id":
				op.ID = field.RecordID(r.plain())
				return 1
			case "kind":
				text, escaped := r.text()
				if escaped {
					r.fail()
				}
				op.Kind = field.Kind(r.once(text))
				return 2
			case "base":
				op.Base = r.integer()
				return 4
			case "set":
				op.Set = r.values()
				r.size = len(op.Set)
				return 8
			case "command":
				op.Command = r.plain()
				return 16
			case "args":
				op.Args = r.values()
				return 32
			}
			return 0
		})
		r.space()
	}
	return ops
}

func (r *reader) values() map[string]field.Value {
	values := make(map[string]field.Value, r.size)
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		name := r.once(r.name())
		from := r.i
		r.value()
		if _, twice := values[name]; twice || r.bad {
			r.fail()
			return nil
		}
		values[name] = r.b[from:r.i:r.i]
		r.space()
	}
	return values
}

// value steps over any value.
func (r *reader) value() {
	switch c := r.peek(); c {
	case '"':
		r.text()
	case '{':
		r.anyObject()
	case '[':
		r.open('[')
		for first := true; r.more(first, ']'); first = false {
			r.value()
			r.space()
		}
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		r.number()
	}
}

func (r *reader) word(w string) {
	if !bytes.HasPrefix(r.b[r.i:], []byte(w)) {
		r.fail()
		return
	}
	r.i += len(w)
}

// anyObject steps over an object in which no name stands twice. One with very many names is left to others.
func (r *reader) anyObject() {
	var few [32][]byte
	n := 0
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		name := r.name()
		for _, known := range few[:n] {
			if bytes.Equal(known, name) {
				r.fail()
			}
		}
		if n == len(few) {
			r.fail()
			return
		}
		few[n] = name
		n++
		r.value()
		r.space()
	}
}
