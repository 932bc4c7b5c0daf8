package engine

import (
	"bytes"
	"encoding/json"
	"strings"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// may asks access, unless somebody who may has accepted the operation.
func (s *step) may(action access.Action, scope field.Scope, info field.ScopeInfo) error {
	if s.accepted != "" {
		return nil
	}
	return access.May(s.b.in.Actor, action, scope, info)
}

// readmit decides an operation again that was kept in a parked record: in the scope that it was meant for, with the
// rules of field and merge as they are for everybody, written in the name and from the device of who sent it. What it
// comes to stands on the parked record. Whoever accepts must be able to read the scope. An operation that is still not
// good is refused with its code, and stays where it was.
func (s *step) readmit(parked *field.Record) error {
	decoder := json.NewDecoder(bytes.NewReader(parked.Fields["operation"]))
	decoder.DisallowUnknownFields()
	var op protocol.Operation
	if err := decoder.Decode(&op); err != nil {
		return field.Refuse(field.CodeBadRequest, "The operation is not one that this server understands.").Because(err)
	}
	target := field.Scope(parked.Text("target"))
	if !target.Valid() {
		return field.Refuse(field.CodeWrongScope, "The operation was sent to no scope.")
	}
	head, err := s.view.head(target)
	if err != nil {
		return err
	}
	if head == nil || !access.MayRead(s.b.in.Actor, target, head.Info) {
		return field.Refuse(field.CodeNotPermitted, "You may not read the scope that the operation was sent to.")
	}
	if _, err := s.b.body(target); err != nil {
		return err
	}
	author := &access.Actor{User: field.UserID(parked.Text("author"))}
	if len(parked.Info.Orgs) > 0 {
		author.Org = parked.Info.Orgs[0]
	}
	in := *s.b.in
	in.Actor, in.Scope, in.Operations, in.Trusted, in.Strict = author, target, []protocol.Operation{op}, false, false
	in.Device, in.DeviceTime = field.DeviceID(parked.Text("device")), parked.Text("deviceTime")
	if in.Device == "" { // kept by a server that did not note it
		in.Device = senderOf(parked.Device)
	}
	inner := *s.b
	inner.in, inner.outer, inner.end, inner.lost = &in, s.b, head.Seq, false
	st := &step{b: &inner, view: s.view.above(), infos: s.infos, accepted: in.Device}
	decided := protocol.Decided{Operation: op}
	out, err := st.apply(&decided)
	if err != nil {
		return err
	}
	st.view.fold()
	s.changes = append(s.changes, st.changes...)
	parked.Fields["outcome"] = field.Quote(out)
	return nil
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
