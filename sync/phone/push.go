package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// queue turns an Op into an operation of the outbox. Its base is what the user had in front of him: the version that
// was pulled.
func (s *state) queue(group string, op *Op) (queued, error) {
	q := queued{Group: group, Scope: op.Scope, File: op.File, After: op.After}
	q.Op = protocol.Operation{ID: op.ID, Kind: op.Kind, Command: op.Command}
	q.Op.Base = s.Records[op.ID].Version
	var err error
	if q.Op.Set, err = values(op.Set); err != nil {
		return q, err
	}
	q.Op.Args, err = values(op.Args)
	return q, err
}

func values(m map[string]any) (map[string]field.Value, error) {
	if m == nil {
		return nil, nil
	}
	out := make(map[string]field.Value, len(m))
	for k, v := range m {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = raw
	}
	return out, nil
}

func (s *state) applyGroup(g *groupEvent) {
	s.Groups[g.Name] = true
	for _, q := range g.Ops {
		s.Queue = append(s.Queue, q)
		s.Stats.Operations++
		w := s.Written[q.Op.ID]
		if w == nil {
			_, pulled := s.Records[q.Op.ID]
			w = &Written{ID: q.Op.ID, Kind: q.Op.Kind, Scope: q.Scope, Made: !pulled, Fields: map[string]field.Value{}}
			s.Written[q.Op.ID] = w
			s.Order = append(s.Order, q.Op.ID)
		}
		spec := field.KindOf(q.Op.Kind)
		for name, v := range q.Op.Set {
			var members map[string]field.Value
			if f := specField(spec, name); f != nil && f.Keyed && json.Unmarshal(v, &members) == nil {
				for key, v := range members {
					w.Fields[name+"."+key] = v
				}
				continue
			}
			w.Fields[name] = v
		}
		if q.File != "" {
			s.Photos[q.Op.ID] = &photo{File: q.File, SHA256: text(q.Op.Set["sha256"]), Size: number(q.Op.Set["size"]), Type: text(q.Op.Set["type"])}
		}
	}
}

func specField(spec *field.Spec, name string) *field.Field {
	if spec == nil {
		return nil
	}
	for i := range spec.Fields {
		if spec.Fields[i].Name == name {
			return &spec.Fields[i]
		}
	}
	return nil
}

func text(v field.Value) string {
	var s string
	_ = json.Unmarshal(v, &s) // missing or not a text: empty
	return s
}

func number(v field.Value) int64 {
	var n int64
	_ = json.Unmarshal(v, &n) // missing or not a number: 0
	return n
}

// nextBatch chooses what goes into the next batch: whole groups of the first scope in the queue, up to the limits. What
// waits for a photo stays, and with it whatever follows on the same record. What was written before the scope started
// afresh goes by itself, with the cursor of that time.
func (s *state) nextBatch(limit, bytes int) (scope field.Scope, places []int) {
	held := map[field.RecordID]bool{}
	size := 0
	for i := 0; i < len(s.Queue); {
		end := i + 1
		for end < len(s.Queue) && s.Queue[end].Group == s.Queue[i].Group {
			end++
		}
		var group []int
		groupSize := 0
		for k := i; k < end; k++ {
			q := &s.Queue[k]
			if held[q.Op.ID] || slices.ContainsFunc(q.After, func(id field.RecordID) bool { return s.Photos[id] != nil && s.Photos[id].Receipt == nil }) {
				held[q.Op.ID] = true
				continue
			}
			if scope != "" && q.Scope != scope {
				continue
			}
			if first := slices.Concat(places, group); len(first) > 0 && !sameCursor(s.Queue[first[0]].Seen, q.Seen) {
				held[q.Op.ID] = true
				continue
			}
			scope = q.Scope
			raw, err := json.Marshal(q.Op)
			if err != nil {
				continue // it was made by Marshal
			}
			if full := len(group) >= limit || groupSize+len(raw) > bytes; full && len(places) == 0 {
				return scope, group // a group over the limits goes in parts, in order
			}
			group = append(group, k)
			groupSize += len(raw) + 1
		}
		if len(places)+len(group) > limit || size+groupSize > bytes {
			return scope, places
		}
		places = append(places, group...)
		size += groupSize
		i = end
	}
	return scope, places
}

func sameCursor(a, b *protocol.Cursor) bool { return a == b || a != nil && b != nil && *a == *b }

func (s *state) applySeal(e *sealEvent) {
	s.Sealed = append(s.Sealed, e.sealed)
	s.sealedLast(e.Scope, e.Batch)
	taken := map[int]bool{}
	for _, k := range e.Places {
		taken[k] = true
	}
	var left []queued
	for k, q := range s.Queue {
		if !taken[k] {
			left = append(left, q)
		}
	}
	s.Queue = left
}

// sealedLast counts a batch that was sealed for a scope.
func (s *state) sealedLast(scope field.Scope, batch int64) {
	s.LastBatch = max(s.LastBatch, batch)
	if s.Last == nil {
		s.Last = map[field.Scope]int64{}
	}
	s.Last[scope] = batch
}

func (s *state) applyAnswer(e *answerEvent) {
	i := slices.IndexFunc(s.Sealed, func(b sealed) bool { return b.Batch == e.Batch })
	if i < 0 {
		return
	}
	var req protocol.PushRequest
	_ = json.Unmarshal(s.Sealed[i].Body, &req) // the phone's own bytes
	s.Kept = append(s.Kept, kept{sealed: s.Sealed[i], Hash: e.Answer.Hash})
	size, from := 0, len(s.Kept)-1
	for ; from > 0 && len(s.Kept)-from < mostKept && size < mostKeptBytes; from-- {
		size += len(s.Kept[from-1].Body)
	}
	s.Kept = slices.Delete(s.Kept, 0, from)
	s.Sealed = slices.Delete(s.Sealed, i, i+1)
	s.Stats.Batches++
	if e.Answer.Replayed {
		s.Stats.Replayed++
	}
	for k, out := range e.Answer.Outcomes {
		if k >= len(req.Operations) {
			break
		}
		op := &req.Operations[k]
		switch out.Outcome {
		case protocol.Applied, protocol.Merged:
			s.Stats.Acknowledged++
		default:
			s.Problems = append(s.Problems, Problem{ID: op.ID, Kind: op.Kind, Command: op.Command, Outcome: out})
		}
	}
}

// seal gives the next operations a number and bytes that never change. It reports whether there is a batch to send.
func (p *Phone) seal() (bool, error) {
	p.mu.Lock()
	if len(p.st.Sealed) > 0 {
		p.mu.Unlock()
		return true, nil
	}
	scope, places := p.st.nextBatch(protocol.MaxOperations, protocol.MaxBatchBytes-4096)
	req := protocol.PushRequest{
		Device: p.o.Device.ID, Batch: p.st.LastBatch + 1, Scope: scope, App: p.o.App,
		DeviceTime: p.o.Now().Format("2006-01-02T15:04:05.000Z07:00"), SkewMS: p.st.SkewMS,
	}
	previous := p.st.Last[scope]
	req.Previous = &previous
	if at, ok := p.st.Cursors[scope]; ok {
		req.Seen = &at
	}
	for _, k := range places {
		req.Operations = append(req.Operations, p.st.Queue[k].Op)
		if at := p.st.Queue[k].Seen; at != nil {
			req.Seen = at
		}
	}
	p.mu.Unlock()
	if len(places) == 0 {
		return false, nil
	}
	body, err := json.Marshal(req)
	if err != nil {
		return false, fmt.Errorf("batch %d: %w", req.Batch, err)
	}
	return true, p.note(event{Seal: &sealEvent{
		sealed: sealed{Batch: req.Batch, Scope: scope, Operations: len(places), Body: body}, Places: places,
	}})
}

// push sends batch after batch until nothing is left that can go.
func (p *Phone) push(ctx context.Context) error {
	for {
		more, err := p.seal()
		if err != nil || !more {
			return err
		}
		if err := p.retry(ctx, p.pushOne); err != nil {
			return err
		}
	}
}

// pushOne sends the first batch that has no answer yet.
func (p *Phone) pushOne(ctx context.Context) error {
	p.mu.Lock()
	b := p.st.Sealed[0]
	p.mu.Unlock()
	t := trafficEvent{Tried: b.Batch}
	if b.Tried {
		t.Resent = int64(len(b.Body))
	}
	if err := p.note(event{Traffic: &t}); err != nil {
		return err
	}
	var answer protocol.PushResponse
	sent, err := p.call(ctx, http.MethodPost, "/v1/sync/push", b.Body, &answer)
	if err2 := p.note(event{Traffic: &trafficEvent{Sent: sent}}); err2 != nil {
		return err2
	}
	if refusedWith(err, field.CodeBatchReused) {
		var r *Refused
		_ = errors.As(err, &r) // it is one
		return p.renumber(b, r.Highest)
	}
	if err != nil {
		return err
	}
	return p.note(event{Answer: &answerEvent{Batch: b.Batch, Answer: answer}})
}

// renumber keeps the outbox and sends the batch under a new number, as the server asks when the old one was used for
// other content: a phone that was restored from a backup.
func (p *Phone) renumber(b sealed, highest int64) error {
	var req protocol.PushRequest
	if err := json.Unmarshal(b.Body, &req); err != nil {
		return err
	}
	p.mu.Lock()
	req.Batch = max(p.st.LastBatch, highest) + 1000
	p.mu.Unlock()
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if err := p.note(event{Renumber: &renumber{Old: b.Batch, New: req.Batch, Scope: b.Scope, Body: body}}); err != nil {
		return err
	}
	return errAgain
}
