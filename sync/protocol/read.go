package protocol

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"fieldclue/server/field"
	"fieldclue/sync/exactjson"
)

// ReadPush reads the body of a push in one pass. It takes what phones send: JSON in UTF-8 with the documented members,
// each once, with their types, and with no escape in a name or in an identifier. ok is false for everything else, be it
// wrong or merely rare, and says nothing more: anyone who wants to know asks encoding/json, which reads what is taken
// here in the same way (TestReadPushAgreesWithJSON). The values are slices of a copy of the body.
func ReadPush(body []byte) (req PushRequest, ok bool) {
	if !utf8.Valid(body) {
		return PushRequest{}, false
	}
	r := reader{Scanner: exactjson.Scan(bytes.Clone(body)), names: map[string]string{}}
	r.Deepest, r.Once = MaxDepth, true
	r.Space()
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
	r.Space()
	if !r.Whole() {
		return PushRequest{}, false
	}
	return req, true
}

type reader struct {
	exactjson.Scanner
	names map[string]string // of fields and kinds, each once in memory
	size  int               // how many fields the operation before set: the next one is mostly alike
}

// object reads an object of which each member has a bit of its own; 0: there is no such member.
func (r *reader) object(member func(name []byte) uint) {
	var seen uint
	for r.Open('{'); r.More('}'); {
		bit := member(r.name())
		if bit == 0 || seen&bit != 0 {
			r.Fail()
		}
		seen |= bit
	}
}

func (r *reader) name() []byte {
	name, escaped := r.Name()
	if escaped {
		r.Fail()
	}
	return name
}

// plain reads a string without escapes.
func (r *reader) plain() string {
	text, escaped := r.Text()
	if escaped {
		r.Fail()
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
	n, err := strconv.ParseInt(string(r.Number()), 10, 64)
	if err != nil {
		r.Fail()
	}
	return n
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
	for r.Open('['); r.More(']'); {
		ops = append(ops, Operation{})
		op := &ops[len(ops)-1]
		r.object(func(name []byte) uint {
			switch string(name) {
			case "id":
				op.ID = field.RecordID(r.plain())
				return 1
			case "kind":
				text, escaped := r.Text()
				if escaped {
					r.Fail()
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
	}
	return ops
}

func (r *reader) values() map[string]field.Value {
	values := make(map[string]field.Value, r.size)
	for r.Open('{'); r.More('}'); {
		name := r.once(r.name())
		v := r.Value()
		if _, twice := values[name]; twice || v == nil {
			r.Fail()
			return nil
		}
		values[name] = v
	}
	return values
}
