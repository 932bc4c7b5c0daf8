package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

// judge asks access, once for each action of an operation, and notes under which mandate it happens.
func (s *step) judge(action access.Action, m access.Matter) error {
	leave, err := access.Judge(s.b.in.Actor, action, m)
	if err == nil && leave.Mandate != "" {
		s.b.under(leave.Mandate)
	}
	return err
}

// under notes the mandate in the entries of a batch.
func (b *batch) under(mandate field.RecordID) {
	if b.outer != nil {
		b.outer.under(mandate)
		return
	}
	b.mandate = mandate
	for _, body := range b.bodies {
		body.Mandate = mandate
	}
}

// readmit decides an operation again that was kept in a parked record, in the scope that it was meant for, by the same
// table and rules as every other, with what a correction puts in place of parts of it. It must be allowed to its author
// as things are now, or to the author with the grant that who accepts could give; then it is written in the author's
// name. Or it is allowed to who accepts; then it is that person's act. It comes from the device on which it was written
// either way. What it comes to stands on the parked record, and what was corrected, beside what was sent. An operation
// that is still not good is refused with its code, and stays where it was.
func (s *step) readmit(parked *field.Record, correction field.Value) error {
	raw, target := parked.Fields["operation"], field.Scope(parked.Text("target"))
	c, err := field.ReadCorrection(correction)
	if err != nil {
		return err
	}
	if c == nil {
		c = &field.Correction{}
		if field.IsSealed(parked) {
			return field.Refuse(field.CodeIdentityInText, "What was sent says a number of a person and is sealed. Accept it with a correction that puts another text in its place.").
				InChinese("所发内容含有个人号码，已封存。采纳时请附更正，换用其他文字。")
		}
	} else {
		if raw, err = c.Apply(raw); err != nil {
			return err
		}
		if c.Scope != "" {
			target = c.Scope
		}
		parked.Fields["correction"] = c.Corrected(parked.Fields["operation"])
		parked.Fields["correctedBy"] = field.Quote(s.b.in.Actor.User)
	}
	var op protocol.Operation
	if err := exactjson.Exact(raw, &op); err != nil {
		return field.Refuse(field.CodeBadRequest, "The operation is not one that this server understands.").
			InChinese("服务器不识别该操作。").Because(err)
	}
	if !target.Valid() {
		return field.Refuse(field.CodeWrongScope, "The operation was sent to no scope.").InChinese("该操作未指明范围。")
	}
	head, err := s.view.head(target)
	if err != nil {
		return err
	}
	if head == nil || !access.MayRead(s.b.in.Actor, target, head.Info) {
		return field.Refuse(field.CodeNotFound, "")
	}
	if _, err := s.b.body(target); err != nil {
		return err
	}
	names, err := s.inWhoseName(parked, target)
	if err != nil {
		return err
	}
	var refused error
	for _, who := range names {
		st, out, err := s.again(parked, op, who, target, head.Seq)
		if err == nil {
			st.view.fold()
			s.changes = append(s.changes, st.changes...)
			parked.Fields["outcome"] = field.Quote(out)
			return nil
		}
		if refused == nil || notAllowed(refused) {
			refused = err
		}
		if !notAllowed(err) {
			break // the person may, and the rules of the kind refuse
		}
	}
	return refused
}

// notAllowed reports whether a refusal is about the person rather than about what was to be done.
func notAllowed(err error) bool {
	return field.Is(err, field.CodeNotPermitted) || field.Is(err, field.CodeNotFound) || field.Is(err, field.CodeNotYours) || field.Is(err, field.CodeUnknownRecord) ||
		field.Is(err, field.CodeReviewerIsAuthor) || field.Is(err, field.CodeSecondPerson) || field.Is(err, field.CodeRecused)
}

// inWhoseName lists in whose name a kept operation may be decided again, the author first.
func (s *step) inWhoseName(parked *field.Record, target field.Scope) ([]*access.Actor, error) {
	if s.b.in.Actor.Server {
		if s.b.in.Sender == nil {
			return nil, field.Refuse(field.CodeNotPermitted, "Nobody accepts the operation.").InChinese("没有人采纳该操作。")
		}
		return []*access.Actor{s.b.in.Sender}, nil
	}
	names := []*access.Actor{s.b.in.Actor}
	if s.b.e.actorOf == nil {
		return names, nil
	}
	author, err := s.b.e.actorOf(s.view.ctx, field.UserID(parked.Text("author")))
	if err != nil {
		return nil, err
	}
	if author == nil {
		return names, nil
	}
	if access.MayAnywhere(s.b.in.Actor, "grant.create") { // he sees the scope, which is all that it takes to grant it
		author = access.Lend(author, target)
	}
	return append([]*access.Actor{author}, names...), nil
}

// again decides a kept operation in somebody's name.
func (s *step) again(parked *field.Record, op protocol.Operation, who *access.Actor, target field.Scope, end int64) (*step, protocol.Outcome, error) {
	in := *s.b.in
	in.Actor, in.Scope, in.Operations, in.Trusted, in.Strict = who, target, []protocol.Operation{op}, false, false
	in.Device, in.DeviceTime, in.Seen = field.DeviceID(parked.Text("device")), parked.Text("deviceTime"), nil
	if parked.Fields["seen"] != nil {
		in.Seen = &protocol.Cursor{Seq: parked.Int("seen")}
	}
	in.SkewMS, in.KeptAt = parked.Int("skewMs"), parked.CreatedAt
	if in.Device == "" { // kept by a server that did not note it
		in.Device = senderOf(parked.Device)
	}
	inner := *s.b
	inner.in, inner.outer, inner.end, inner.lost, inner.forked = &in, s.b, end, false, nil
	st := &step{b: &inner, view: s.view.above(), infos: s.infos, kept: in.Device, sender: field.UserID(parked.Text("author")), decidedNow: !s.b.in.Actor.Server}
	decided := protocol.Decided{Operation: op}
	out, err := st.apply(&decided)
	return st, out, err
}

// takeOver resolves a kept operation by an act of somebody's own that puts its content into the record: an operation
// that is decided now, in the same commit and by the rules for everybody, or one that is in the log already. The parked
// record names it.
func (s *step) takeOver(parked *field.Record, args map[string]field.Value) error {
	if args["operation"] == nil {
		return s.tookOver(parked, args)
	}
	members := struct {
		protocol.Operation
		Scope field.Scope `json:"scope"`
	}{Scope: field.Scope(parked.Text("target"))}
	if err := exactjson.Exact(args["operation"], &members); err != nil {
		return field.Refuse(field.CodeBadRequest, "operation is not one of a push, with the scope that it goes to.").
			InChinese("operation 须为推送中的一项操作，并带其所属的范围（scope）。").Because(err)
	}
	op, target := members.Operation, members.Scope
	if !target.Valid() || op.Kind == keptKind {
		return field.Refuse(field.CodeWrongScope, "operation goes to the scope of the record into which the content is taken over.").
			InChinese("operation 须发往转录目标记录所属的范围。")
	}
	head, err := s.view.head(target)
	if err != nil {
		return err
	}
	if head == nil || !access.MayRead(s.b.in.Actor, target, head.Info) {
		return field.Refuse(field.CodeNotFound, "")
	}
	body, err := s.b.body(target)
	if err != nil {
		return err
	}
	in := *s.b.in
	in.Scope, in.Operations, in.Trusted, in.Strict, in.Seen = target, []protocol.Operation{op}, false, false, nil
	inner := *s.b
	inner.in, inner.outer, inner.end, inner.lost = &in, s.b, head.Seq, false
	st := &step{b: &inner, view: s.view.above(), infos: s.infos, kept: in.Device}
	out, err := st.apply(&protocol.Decided{Operation: op})
	if err != nil {
		return err
	}
	if out.Outcome == protocol.Conflict {
		return field.Refuse(field.CodeStale, "")
	}
	st.view.fold()
	s.changes = append(s.changes, st.changes...)
	parked.Fields["outcome"] = field.Quote(out)
	noteAct(parked, target, body.Seq, op.ID, op.Kind)
	return nil
}

// tookOver notes an act that is in the log: a later version of a record that the actor reads, made by a person.
func (s *step) tookOver(parked *field.Record, args map[string]field.Value) error {
	var id field.RecordID
	var version int64
	if err := errors.Join(json.Unmarshal(args["recordId"], &id), json.Unmarshal(args["recordVersion"], &version)); err != nil {
		return field.Refuse(field.CodeWrongType, "recordVersion is the number of a version.").InChinese("recordVersion 须为版本号。").Because(err)
	}
	r, err := s.view.Get(id)
	if err != nil {
		return err
	}
	if r == nil || r.Kind == keptKind || !access.MayRead(s.b.in.Actor, r.Scope, r.Info) {
		return field.Refuse(field.CodeUnknownRecord, "")
	}
	none := field.Refuse(field.CodeUnknownRecord, "No person has made version %d of this record since the operation was kept.", version).
		InChinese("该操作留存之后，没有人写过该记录的第 %d 版。", version)
	if version > r.Version {
		return none
	}
	entry, err := s.view.entry(r.Scope, version)
	if field.Is(err, field.CodeNotFound) {
		return none
	}
	if err != nil {
		return err
	}
	body, err := protocol.Open(entry)
	if err != nil {
		return err
	}
	touched := slices.ContainsFunc(body.Changes, func(c protocol.Change) bool { return c.ID == id })
	if !touched || body.Actor == "" || entry.At.Before(parked.CreatedAt) {
		return none
	}
	noteAct(parked, r.Scope, version, r.ID, r.Kind)
	return nil
}

func noteAct(parked *field.Record, scope field.Scope, seq int64, id field.RecordID, kind field.Kind) {
	parked.Fields["takenOver"] = field.Quote(map[string]any{"recordId": id, "recordKind": kind, "scope": scope, "seq": seq})
}

// bytesOf stores with a photo that was just made what arrived for it before: the same person declared the same file,
// the declaration was kept, and the file came to it.
func (s *step) bytesOf(spec *field.Spec, photo field.RecordID) error {
	r, err := s.view.Get(photo)
	if err != nil {
		return err
	}
	sender := s.b.in.Actor.User
	if s.sender != "" {
		sender = s.sender
	}
	kept, err := field.Arrival(s.view, r, sender)
	if err != nil || kept == nil {
		return err
	}
	in := *s.b.in
	in.Actor, in.Trusted, in.Strict = Server, true, false
	in.Device = field.DeviceID(kept.Text("device"))
	inner := *s.b
	inner.in = &in
	if inner.outer == nil {
		inner.outer = s.b
	}
	st := &step{b: &inner, view: s.view.above(), infos: s.infos}
	decided := protocol.Decided{Operation: protocol.Operation{ID: photo, Kind: spec.Kind, Command: spec.Bytes, Args: map[string]field.Value{}}}
	for _, name := range field.ArrivalFields {
		if v := kept.Fields[name]; v != nil {
			decided.Args[name] = v
		}
	}
	if _, err := st.apply(&decided); err != nil {
		return err
	}
	st.view.fold()
	s.changes = append(s.changes, st.changes...)
	return nil
}

// Reconsider tries operations again that came from newer apps than the server was then: with kinds, fields and commands
// that it did not know. They take effect in the order in which they came, in the name of who sent them and as far as
// that person may now; what was written afterwards to the records that they make follows. actorOf says who a person is.
// It returns how many took effect; the others stay as they are.
func (e *Engine) Reconsider(ctx context.Context, actorOf func(context.Context, field.UserID) (*access.Actor, error)) (int, error) {
	var kept []*field.Record
	for _, code := range []field.Code{field.CodeUnknownKind, field.CodeUnknownField, field.CodeUnknownCommand} {
		found, err := e.keptBy(ctx, field.KeyFor("code", code))
		if err != nil {
			return 0, err
		}
		kept = append(kept, found...)
	}
	slices.SortFunc(kept, func(a, b *field.Record) int {
		return cmp.Or(strings.Compare(a.Rank, b.Rank), strings.Compare(string(a.ID), string(b.ID)))
	})
	taken := 0
	for len(kept) > 0 {
		r := kept[0]
		kept = kept[1:]
		sender, err := actorOf(ctx, field.UserID(r.Text("author")))
		if err == nil {
			_, err = e.Commit(ctx, protocol.Batch{
				Actor: Server, Sender: sender, Device: field.DeviceID("server/again/" + string(r.ID)), Number: r.Version, Scope: r.Scope, Strict: true, Trusted: true,
				Operations: []protocol.Operation{{ID: r.ID, Kind: keptKind, Base: r.Version, Command: "again"}},
			})
		}
		var refused *field.Error
		switch {
		case err == nil:
			taken++
			follow, err := e.keptBy(ctx, field.KeyFor("recordId", r.Text("recordId")))
			if err != nil {
				return taken, err
			}
			for _, f := range follow {
				if f.Text("code") == string(field.CodeUnknownRecord) && f.Text("device") == r.Text("device") {
					kept = append(kept, f)
				}
			}
		case ctx.Err() != nil:
			return taken, ctx.Err()
		case !errors.As(err, &refused) || refused.Kind == field.ErrorInternal || refused.Kind == field.ErrorBusy:
			return taken, err
		}
	}
	return taken, nil
}

// keptBy reads the open parked records with a key, the oldest first.
func (e *Engine) keptBy(ctx context.Context, key string) ([]*field.Record, error) {
	q := store.Query{Visible: everything, Kinds: []field.Kind{keptKind}, States: []field.State{field.StateOpen}, Keys: []string{key}, Limit: 500}
	var all []*field.Record
	err := store.EachPage(ctx, e.store, q, func(page []*field.Record) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// senderOf is the phone behind the device under which a refused batch was kept.
func senderOf(kept field.DeviceID) field.DeviceID {
	if rest, ok := strings.CutPrefix(string(kept), "refused/"); ok {
		if i := strings.LastIndexByte(rest, '/'); i >= 0 {
			return field.DeviceID(rest[i+1:])
		}
	}
	return kept
}
