package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// history is what phones and the desk asked about findings and were answered, with when they asked and when they knew.
// It is linearisable, record by record, if there is an order in which each thing happens at one moment between the two
// and in which every answer is what the rules say (Herlihy and Wing 1990): an edit of what another device has changed
// since is a conflict, and nothing else is; a read gives what the last write left.
type history struct {
	now  int64
	ops  []porcupine.Operation
	open map[batchKey]*asked
}

type batchKey struct {
	device field.DeviceID
	batch  int64
}

// asked is a batch of a phone: from the first time it was sent to the first answer that came through.
type asked struct {
	phone    int
	call     int64
	returned int64
	req      protocol.PushRequest
	claims   []bool // by operation: its base says more than was read
	outcomes []protocol.Outcome
}

func (h *history) tick() int64 {
	h.now++
	return h.now
}

func (h *history) called(phone int, req protocol.PushRequest) {
	if h.open == nil {
		h.open = map[batchKey]*asked{}
	}
	k := batchKey{req.Device, req.Batch}
	if h.open[k] == nil {
		var claims []bool
		if req.Seen != nil { // no device has seen more than it has read
			req.Operations = slices.Clone(req.Operations)
			claims = make([]bool, len(req.Operations))
			for i := range req.Operations {
				op := &req.Operations[i]
				claims[i] = op.Base > req.Seen.Read(op.ID)
				op.Base = min(op.Base, req.Seen.Read(op.ID))
			}
		}
		h.open[k] = &asked{phone: phone, call: h.tick(), req: req, claims: claims}
	}
}

func (h *history) of(body []byte) *asked {
	var req protocol.PushRequest
	if json.Unmarshal(body, &req) != nil {
		return &asked{}
	}
	return h.open[batchKey{req.Device, req.Batch}]
}

func (h *history) decided(body []byte, resp protocol.PushResponse) {
	if a := h.of(body); a.outcomes == nil {
		a.outcomes = resp.Outcomes
	}
}

func (h *history) returned(body []byte) {
	if a := h.of(body); a.returned == 0 {
		a.returned = h.tick()
	}
}

// did is one thing that happened to a finding.
type did struct {
	record  field.RecordID
	device  field.DeviceID
	base    int64
	set     map[string]string // title, facts, as JSON
	command string            // void; resolve: base does not count, the desk has seen both
	claims  bool              // more than was read: if somebody else has changed anything since, it has seen nothing
	read    bool
	now     bool // decided by somebody who sees it as it is: base does not count
}

// came is what it came to, or what was read.
type came struct {
	protocol.Outcome
	deleted      bool
	title, facts string
}

// add notes one thing that happened.
func (h *history) add(client int, in did, out came, call, back int64) {
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: []did{in}, Output: []came{out}, Call: call, Return: back})
}

// addBatch notes what a batch came to. What it did to one record is one thing, in the order of its operations: nobody
// comes between them.
func (h *history) addBatch(a *asked) {
	at := map[field.RecordID]int{}
	for i, out := range a.outcomes {
		in, ok := understand(a.req.Operations[i], a.req.Device)
		if !ok {
			continue
		}
		in.claims = a.claims != nil && a.claims[i]
		k, ok := at[in.record]
		if !ok {
			k = len(h.ops)
			at[in.record] = k
			h.ops = append(h.ops, porcupine.Operation{ClientId: a.phone, Input: []did{}, Output: []came{}, Call: a.call, Return: a.returned})
		}
		op := &h.ops[k]
		op.Input, op.Output = append(op.Input.([]did), in), append(op.Output.([]came), came{Outcome: out})
	}
}

func (h *history) read(phone int, records []protocol.PulledRecord, call int64) {
	for _, r := range records {
		if r.Kind != field.KindFinding {
			continue
		}
		var f map[string]json.RawMessage
		_ = json.Unmarshal(r.Fields, &f) // a tombstone has none
		h.add(phone, did{record: r.ID, read: true}, came{
			Outcome: protocol.Outcome{Version: r.Version}, deleted: r.Deleted, title: string(f["title"]), facts: string(f["facts"]),
		}, call, h.tick())
	}
}

// clicked notes what the desk did to a conflict.
func (h *history) clicked(conflict *field.Record, op protocol.Operation, resp protocol.PushResponse, call int64) {
	if op.Command != "resolve" || string(op.Args["take"]) != `"offered"` {
		return
	}
	in := did{record: field.RecordID(conflict.Text("recordId")), device: "desk", command: "resolve", set: map[string]string{}}
	if path := conflict.Text("path"); path == "title" || path == "facts" {
		in.set[path] = string(conflict.Fields["offered"])
	}
	h.add(-1, in, came{Outcome: protocol.Outcome{Outcome: protocol.Applied, Version: resp.Seq}}, call, h.tick())
}

// accepted notes what an accepted operation came to.
func (h *history) accepted(parked *field.Record, call int64) error {
	var op protocol.Operation
	var out protocol.Outcome
	if err := parked.Decode("operation", &op); err != nil {
		return fmt.Errorf("the operation of %s: %w", parked.ID, err)
	}
	if err := parked.Decode("outcome", &out); err != nil {
		return fmt.Errorf("the outcome of %s: %w", parked.ID, err)
	}
	if in, ok := understand(op, field.DeviceID(parked.Text("device"))); ok {
		in.now = true
		h.add(-1, in, came{Outcome: out}, call, h.tick())
	}
	return nil
}

// understand says what an operation does in the model; false: nothing.
func understand(op protocol.Operation, device field.DeviceID) (did, bool) {
	if op.Kind != field.KindFinding || op.Set[newField] != nil { // that field is not in the model
		return did{}, false
	}
	in := did{record: op.ID, device: device, base: op.Base, command: op.Command, set: map[string]string{}}
	for _, path := range []string{"title", "facts"} {
		if v, ok := op.Set[path]; ok {
			in.set[path] = string(v)
		}
	}
	return in, true
}

// finding is what the model knows of one.
type finding struct {
	there, deleted bool
	title, facts   written
}

type written struct {
	value string
	seq   int64
	by    field.DeviceID
}

func (f *finding) path(name string) *written {
	if name == "title" {
		return &f.title
	}
	return &f.facts
}

// step is what the rules say about one thing that happens to a finding.
func (f finding) step(in did, out came) (bool, finding) {
	switch {
	case in.read:
		return f.there && f.deleted == out.deleted && (f.deleted || f.title.value == out.title && f.facts.value == out.facts), f
	case out.Outcome.Outcome == protocol.Rejected:
		switch out.Code {
		case field.CodeVoided:
			return f.deleted, f
		case field.CodeUnknownRecord:
			return !f.there, f
		}
		return true, f
	case f.deleted:
		return false, f
	case in.command == "resolve":
	case in.command == "void":
		for _, was := range []written{f.title, f.facts} {
			if was.seq > in.base && was.by != in.device && !in.now {
				return false, f
			}
		}
		f.deleted = true
		return f.there, f
	case !f.there && in.base != 0:
		return false, f
	}
	f.there = true
	base := in.base
	if in.claims && len(out.Conflicts) > f.clashes(in, base) { // the model does not know of every field that somebody may have changed
		base = 0
	}
	clash := f.clashes(in, base) > 0
	for name, value := range in.set {
		if was := f.path(name); was.value != value && !f.clashesAt(name, in, base) {
			*was = written{value, out.Version, in.device}
		}
	}
	return clash == (out.Outcome.Outcome == protocol.Conflict), f
}

// clashesAt reports whether what is to be set was changed by another device after the base.
func (f *finding) clashesAt(name string, in did, base int64) bool {
	was := f.path(name)
	return in.command != "resolve" && was.seq > base && was.by != in.device && was.value != in.set[name]
}

func (f *finding) clashes(in did, base int64) (n int) {
	for name := range in.set {
		if f.clashesAt(name, in, base) {
			n++
		}
	}
	return n
}

// model lets porcupine look for the order, record by record.
var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := map[field.RecordID]int{}
		var parts [][]porcupine.Operation
		for _, op := range all {
			record := op.Input.([]did)[0].record
			i, ok := by[record]
			if !ok {
				i = len(parts)
				by[record] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() any { return finding{} },
	Step: func(state, input, output any) (bool, any) {
		f, ok := state.(finding), true
		for i, in := range input.([]did) {
			if ok, f = f.step(in, output.([]came)[i]); !ok {
				break
			}
		}
		return ok, f
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// linear checks the history. After a restore there is none: what was answered may not have happened. Copies of a phone
// are one to the server until they use a number twice; what must hold of them says unseen.
func (w *world) linear() {
	if w.report.Restores+w.report.Copies > 0 {
		return
	}
	h := &w.history
	for _, a := range h.open {
		if a.returned == 0 {
			a.returned = h.now + 1
		}
		h.addBatch(a)
	}
	w.report.Linear += len(h.ops)
	for _, part := range model.Partition(h.ops) {
		one := model
		one.Partition = nil
		if porcupine.CheckOperationsTimeout(one, part, 20*time.Second) != porcupine.Ok {
			slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			var story strings.Builder
			for _, op := range part {
				fmt.Fprintf(&story, "\n    %d to %d: phone %d: %+v -> %+v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
			}
			w.fault("no order explains this:%s", &story)
		}
	}
}
