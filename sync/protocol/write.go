package protocol

import (
	"fieldclue/server/field"
	"fieldclue/sync/exactjson"
)

// appendBody writes a body byte by byte as encoding/json does, which wrote the first logs: the hash of an entry covers
// these bytes. TestBodiesAreWrittenAsJSONWritesThem holds the two together.
func appendBody(b []byte, body *Body) ([]byte, error) {
	w := exactjson.Append(b)
	w.Open('{')
	w.Number("v", int64(body.V))
	w.Text("scope", string(body.Scope))
	w.Number("seq", body.Seq)
	w.Text("prev", body.Prev)
	w.Text("device", string(body.Device))
	w.Number("batch", body.Batch)
	if body.Previous != nil {
		w.Number("previous", *body.Previous)
	}
	w.Text("digest", body.Digest)
	w.TextIf("actor", string(body.Actor))
	w.TextIf("org", string(body.Org))
	w.TextIf("mandate", string(body.Mandate))
	w.TextIf("app", body.App)
	w.Text("at", body.At)
	w.TextIf("deviceTime", body.DeviceTime)
	w.NumberIf("skewMs", body.SkewMS)
	if len(body.With) > 0 {
		w.Member("with")
		w.Any(body.With)
	}
	if body.Info != nil {
		w.Member("info")
		w.Any(body.Info)
	}
	if len(body.Ops) > 0 {
		w.Member("ops")
		w.Open('[')
		for i := range body.Ops {
			w.Item()
			writeDecided(&w, &body.Ops[i])
		}
		w.Close(']')
	}
	if len(body.Changes) > 0 {
		w.Member("changes")
		w.Open('[')
		for i := range body.Changes {
			w.Item()
			writeChange(&w, &body.Changes[i])
		}
		w.Close(']')
	}
	if len(body.Sealed) > 0 {
		w.Member("sealed")
		w.Any(body.Sealed)
	}
	w.Close('}')
	return w.Bytes()
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

func writeDecided(w *exactjson.Writer, d *Decided) {
	w.Open('{')
	w.Text("id", string(d.ID))
	w.Text("kind", string(d.Kind))
	w.Number("base", d.Base)
	w.Values("set", d.Set)
	w.TextIf("command", d.Command)
	w.Values("args", d.Args)
	w.Member("outcome")
	writeOutcome(w, &d.Outcome)
	w.Close('}')
}

func writeOutcome(w *exactjson.Writer, o *Outcome) {
	w.Open('{')
	w.Text("outcome", string(o.Outcome))
	w.NumberIf("version", o.Version)
	w.TextIf("code", string(o.Code))
	w.TextIf("message", o.Message)
	w.TextIf("messageZh", o.MessageZH)
	w.TextIf("recordId", string(o.RecordID))
	if len(o.Conflicts) > 0 {
		w.Member("conflicts")
		w.Any(o.Conflicts)
	}
	w.Close('}')
}

func writeChange(w *exactjson.Writer, c *Change) {
	w.Open('{')
	w.Text("id", string(c.ID))
	w.TextIf("kind", string(c.Kind))
	w.TextIf("author", string(c.Author))
	w.TextIf("device", string(c.Device))
	w.NumberIf("op", int64(c.Op))
	w.Values("set", c.Set)
	if len(c.Unset) > 0 {
		w.Member("unset")
		w.Any(c.Unset)
	}
	w.TextIf("state", string(c.State))
	if c.Deleted != nil {
		w.Member("deleted")
		w.Bool(*c.Deleted)
	}
	w.Close('}')
}
