package protocol

import (
	"encoding/json"
	"slices"
	"strconv"

	"fieldclue/server/field"
)

// appendBody writes a body byte by byte as encoding/json does, which wrote the first logs: the hash of an entry covers
// these bytes. TestBodiesAreWrittenAsJSONWritesThem holds the two together.
func appendBody(b []byte, body *Body) ([]byte, error) {
	w := writer{b: b}
	w.open('{')
	w.number("v", int64(body.V))
	w.text("scope", string(body.Scope))
	w.number("seq", body.Seq)
	w.text("prev", body.Prev)
	w.text("device", string(body.Device))
	w.number("batch", body.Batch)
	if body.Previous != nil {
		w.number("previous", *body.Previous)
	}
	w.text("digest", body.Digest)
	w.textIf("actor", string(body.Actor))
	w.textIf("org", string(body.Org))
	w.textIf("mandate", string(body.Mandate))
	w.textIf("app", body.App)
	w.text("at", body.At)
	w.textIf("deviceTime", body.DeviceTime)
	w.numberIf("skewMs", body.SkewMS)
	if len(body.With) > 0 {
		w.member("with")
		w.any(body.With)
	}
	if body.Info != nil {
		w.member("info")
		w.any(body.Info)
	}
	if len(body.Ops) > 0 {
		w.list("ops")
		for i := range body.Ops {
			w.item()
			w.decided(&body.Ops[i])
		}
		w.close(']')
	}
	if len(body.Changes) > 0 {
		w.list("changes")
		for i := range body.Changes {
			w.item()
			w.change(&body.Changes[i])
		}
		w.close(']')
	}
	if len(body.Sealed) > 0 {
		w.member("sealed")
		w.any(body.Sealed)
	}
	w.close('}')
	return w.b, w.err
}

// sizeOf is about how many bytes a body takes, so that it is written in one piece of memory.
func sizeOf(body *Body) int {
	n := 800
	for i := range body.Ops {
		op := &body.Ops[i]
		n += 180 + len(op.Outcome.Message) + len(op.Outcome.MessageZH)
		for _, values := range []map[string]field.Value{op.Set, op.Args} {
			for name, v := range values {
				n += len(name) + len(v) + 4
			}
		}
	}
	for i := range body.Changes {
		n += 180
		for name, v := range body.Changes[i].Set {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// writer appends members and items; a comma comes before each but the first.
type writer struct {
	b     []byte
	fresh bool // nothing has been written since the last bracket was opened
	err   error
	names []string // scratch
}

func (w *writer) open(c byte) {
	w.b = append(w.b, c)
	w.fresh = true
}

func (w *writer) close(c byte) {
	w.b = append(w.b, c)
	w.fresh = false
}

func (w *writer) item() {
	if !w.fresh {
		w.b = append(w.b, ',')
	}
	w.fresh = false
}

func (w *writer) member(name string) {
	w.item()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, `":`...)
}

func (w *writer) list(name string) {
	w.member(name)
	w.open('[')
}

func (w *writer) text(name, s string) {
	w.member(name)
	w.b = field.AppendText(w.b, s)
}

func (w *writer) textIf(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *writer) number(name string, n int64) {
	w.member(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) numberIf(name string, n int64) {
	if n != 0 {
		w.number(name, n)
	}
}

// any is for what is rare and small.
func (w *writer) any(v any) {
	b, err := json.Marshal(v)
	w.note(err)
	w.b = append(w.b, b...)
}

func (w *writer) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

// values writes values by name, in the order of the names.
func (w *writer) values(name string, values map[string]field.Value) {
	if len(values) == 0 {
		return
	}
	w.names = w.names[:0]
	for n := range values {
		w.names = append(w.names, n)
	}
	slices.Sort(w.names)
	w.member(name)
	w.open('{')
	for _, n := range w.names {
		w.item()
		w.b = append(field.AppendText(w.b, n), ':')
		v := values[n]
		if v == nil {
			w.b = append(w.b, "null"...)
			continue
		}
		var err error
		w.b, err = field.AppendValue(w.b, v)
		w.note(err)
	}
	w.close('}')
}

func (w *writer) decided(d *Decided) {
	w.open('{')
	w.text("id", string(d.ID))
	w.text("kind", string(d.Kind))
	w.number("base", d.Base)
	w.values("set", d.Set)
	w.textIf("command", d.Command)
	w.values("args", d.Args)
	w.member("outcome")
	w.outcome(&d.Outcome)
	w.close('}')
}

func (w *writer) outcome(o *Outcome) {
	w.open('{')
	w.text("outcome", string(o.Outcome))
	w.numberIf("version", o.Version)
	w.textIf("code", string(o.Code))
	w.textIf("message", o.Message)
	w.textIf("messageZh", o.MessageZH)
	w.textIf("recordId", string(o.RecordID))
	if len(o.Conflicts) > 0 {
		w.member("conflicts")
		w.any(o.Conflicts)
	}
	w.close('}')
}

func (w *writer) change(c *Change) {
	w.open('{')
	w.text("id", string(c.ID))
	w.textIf("kind", string(c.Kind))
	w.textIf("author", string(c.Author))
	w.textIf("device", string(c.Device))
	w.numberIf("op", int64(c.Op))
	w.values("set", c.Set)
	if len(c.Unset) > 0 {
		w.member("unset")
		w.any(c.Unset)
	}
	w.textIf("state", string(c.State))
	if c.Deleted != nil {
		w.member("deleted")
		w.b = strconv.AppendBool(w.b, *c.Deleted)
	}
	w.close('}')
}
