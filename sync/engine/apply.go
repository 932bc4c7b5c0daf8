package engine

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/merge"
	"fieldclue/sync/protocol"
)

// apply decides one operation: it is understood, allowed, and valid, or the error says why not.
func (s *step) apply(d *protocol.Decided) (protocol.Outcome, error) {
	op := &d.Operation
	spec := s.b.e.kindOf(op.Kind)
	switch {
	case op.Unknown != nil:
		return protocol.Outcome{}, field.Refuse(field.CodeUnknownField, "The operation has members that this server does not know.").
			InChinese("该操作含有服务器不识别的成员。")
	case !field.ValidID(string(op.ID)):
		return protocol.Outcome{}, field.Refuse(field.CodeBadID, "")
	case spec == nil:
		return protocol.Outcome{}, field.Refuse(field.CodeUnknownKind, "")
	case op.Command != "" && len(op.Set) > 0:
		return protocol.Outcome{}, field.Refuse(field.CodeBadRequest, "An operation sets fields or gives a command, not both.").
			InChinese("一项操作只能设置字段或给出命令，不能兼有。")
	case op.Command == "" && op.Set == nil:
		return protocol.Outcome{}, field.Refuse(field.CodeBadRequest, "An operation sets fields or gives a command.").
			InChinese("一项操作须设置字段或给出命令。")
	case op.Base < 0:
		return protocol.Outcome{}, field.Refuse(field.CodeOutOfRange, "base is the version of the record that the device last saw; 0 for a new one.").
			InChinese("base 为设备最后看到的记录版本；新记录为 0。")
	}
	if err := s.spoken(spec, op); err != nil {
		return protocol.Outcome{}, err
	}
	if op.Base == 0 && op.Command == "" && !s.b.in.Trusted && spec.Opens != field.OpensByName && field.ReservedID(op.ID) {
		return protocol.Outcome{}, field.Refuse(field.CodeBadID, "")
	}
	old, err := s.view.Get(op.ID)
	if err != nil {
		return protocol.Outcome{}, err
	}
	if old == nil {
		return s.make(spec, d)
	}
	if err := s.reachable(spec, op, old); err != nil {
		return protocol.Outcome{}, err
	}
	if op.Command != "" {
		return s.command(spec, d, old)
	}
	return s.edit(spec, d, old)
}

// reachable checks that an existing record is what and where the operation says, and that the actor may do this to it.
// What cannot be seen answers like what is not there: a command or an edit meets an unknown record, and a new record an
// id that cannot be used, as it meets the server's own ids.
func (s *step) reachable(spec *field.Spec, op *protocol.Operation, old *field.Record) error {
	actor := s.b.in.Actor
	unseen := field.Refuse(field.CodeUnknownRecord, "")
	if op.Base == 0 && op.Command == "" {
		unseen = field.Refuse(field.CodeBadID, "")
	}
	switch {
	case old.Scope != s.b.in.Scope && access.MayRead(actor, old.Scope, old.Info):
		return field.Refuse(field.CodeWrongScope, "The record belongs to %s.", old.Scope).InChinese("该记录属于 %s。", old.Scope)
	case old.Scope != s.b.in.Scope:
		return unseen
	case old.Kind != spec.Kind && access.MayRead(actor, old.Scope, old.Info):
		return field.Refuse(field.CodeWrongKind, "The id belongs to a %s.", old.Kind).InChinese("该编号属于一条%s。", old.Kind.ZH())
	case old.Kind != spec.Kind:
		return unseen
	}
	verb := "edit"
	if op.Command != "" {
		cmd := spec.Command(op.Command)
		if cmd == nil {
			return field.Refuse(field.CodeUnknownCommand, "")
		}
		if cmd.Server && !s.b.in.Trusted {
			return field.Refuse(field.CodeNotPermitted, "This command is the server's own.").InChinese("该命令只由服务器自身使用。")
		}
		verb = op.Command
	}
	if err := s.judge(access.ActionFor(spec.Kind, verb), access.Of(old)); field.Is(err, field.CodeNotFound) {
		return unseen
	} else if err != nil {
		return err
	}
	if err := s.whose(spec, op, old); err != nil {
		return err
	}
	if old.Deleted {
		return field.Refuse(field.CodeVoided, "")
	}
	return nil
}

// whose checks that the record is the actor's, where the kind says that it must be.
func (s *step) whose(spec *field.Spec, op *protocol.Operation, old *field.Record) error {
	own, whose, others := spec.EditOwn, spec.Whose, "edit_others"
	if op.Command != "" {
		cmd := spec.Command(op.Command)
		others = cmd.Others
		own, whose = spec.Own(cmd)
	}
	if !own {
		return nil
	}
	return s.belongs(spec, old, whose, others, access.Of(old))
}

// belongs checks that the actor is one of those whose record it is, or has the action of others about a matter.
func (s *step) belongs(spec *field.Spec, r *field.Record, whose *field.Whose, others string, m access.Matter) error {
	actor := s.b.in.Actor
	if actor.Server {
		return nil
	}
	people, err := whose.People(s.view, r)
	if err != nil || slices.Contains(people, actor.User) {
		return err
	}
	if others == "" || s.judge(access.ActionFor(spec.Kind, others), m) != nil {
		return field.Refuse(field.CodeNotYours, "")
	}
	return nil
}

// make makes a new record.
func (s *step) make(spec *field.Spec, d *protocol.Decided) (protocol.Outcome, error) {
	op, in := &d.Operation, s.b.in
	if op.Command != "" || op.Base != 0 {
		return protocol.Outcome{}, field.Refuse(field.CodeUnknownRecord, "")
	}
	if spec.Home != "" && spec.Home != in.Scope.Type() || spec.Opens == field.OpensByID && string(op.ID) != in.Scope.ID() {
		return protocol.Outcome{}, field.Refuse(field.CodeWrongScope, "A %s lives in another scope.", spec.Kind).
			InChinese("%s应存于另一种范围中。", spec.Kind.ZH())
	}
	if (spec.ServerOK || spec.Home == "") && !in.Trusted {
		return protocol.Outcome{}, field.Refuse(field.CodeNotPermitted, "A %s is made by the server.", spec.Kind).
			InChinese("%s只由服务器生成。", spec.Kind.ZH())
	}
	body, err := s.b.body(in.Scope)
	if err != nil {
		return protocol.Outcome{}, err
	}
	info := s.infoOf(in.Scope)
	create := access.ActionFor(spec.Kind, "create")
	if fresh := body.Seq == 1 && len(info.Orgs) == 0; fresh && spec.Opens.Scope() {
		if !access.MayAnywhere(in.Actor, create) {
			return protocol.Outcome{}, field.Refuse(field.CodeNotPermitted, "")
		}
		if spec.Opens == field.OpensByID {
			info = field.ScopeInfo{Orgs: []field.OrgID{in.Actor.Org}}
			if err := s.setInfo(in.Scope, info); err != nil {
				return protocol.Outcome{}, err
			}
		}
	} else {
		if fresh && !in.Actor.Server {
			return protocol.Outcome{}, field.Refuse(field.CodeNotFound, "There is no such scope, or you may not see it.").
				InChinese("没有该范围，或您无权查看。")
		}
		if err := s.judge(create, access.Matter{Scope: in.Scope, Info: info}); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if d.Set, err = spec.Flatten(op.Set, in.Trusted); err != nil {
		return protocol.Outcome{}, err
	}
	if err := s.sets(spec, d.Set); err != nil {
		return protocol.Outcome{}, err
	}
	if err := s.references(spec, d.Set); err != nil {
		return protocol.Outcome{}, err
	}
	if err := s.partOf(spec, d.Set, info); err != nil {
		return protocol.Outcome{}, err
	}
	c := s.newCase(&field.Record{
		ID: op.ID, Kind: spec.Kind, Scope: in.Scope, Info: info, State: spec.Initial, Author: in.Actor.User, Device: in.Device,
		CreatedAt: s.b.at, Fields: make(map[string]field.Value, len(d.Set)),
	})
	for p, v := range d.Set {
		if v != nil {
			c.Record.Fields[p] = v
		}
	}
	if err := spec.Complete(c.Record); err != nil {
		return protocol.Outcome{}, err
	}
	if spec.Made != nil {
		if err := spec.Made(c); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if err := s.doubtTimes(c, d.Set); err != nil {
		return protocol.Outcome{}, err
	}
	if err := spec.Fits(nil, c.Record); err != nil && !in.Actor.Server {
		return protocol.Outcome{}, err
	}
	change := diff(nil, c.Record)
	change.Kind, change.Author = spec.Kind, in.Actor.User
	out, err := s.finish(c, change, protocol.Outcome{Outcome: protocol.Applied})
	if err == nil && spec.Bytes != "" {
		err = s.bytesOf(spec, op.ID)
	}
	return out, err
}

// doubtTimes holds the times that somebody states against the clocks. What the server writes it read from its own.
func (s *step) doubtTimes(c *field.Case, set map[string]field.Value) error {
	in := s.b.in
	if in.Actor.Server {
		return nil
	}
	at := in.KeptAt
	if at.IsZero() {
		at = s.b.at
	}
	return field.DoubtTimes(c, set, field.Sent{At: at, DeviceTime: in.DeviceTime, SkewMS: in.SkewMS})
}

// sets checks that the actor's roles set these fields.
func (s *step) sets(spec *field.Spec, set map[string]field.Value) error {
	for path := range set {
		if f, _ := spec.Field(path); !access.MaySet(s.b.in.Actor, f.Roles) {
			return field.Refuse(field.CodeNotPermitted, "%s is set by the %s.", path, labels(f.Roles, field.Role.EN, " or the ")).
				InChinese("%s 由%s填写。", path, labels(f.Roles, field.Role.ZH, "或"))
		}
	}
	return nil
}

func labels(roles []field.Role, label func(field.Role) string, or string) string {
	var names []string
	for _, r := range roles {
		names = append(names, label(r))
	}
	return strings.Join(names, or)
}

// partOf checks that who makes a part of a report belongs to it. A report that is not known yet arrives later.
func (s *step) partOf(spec *field.Spec, set map[string]field.Value, info field.ScopeInfo) error {
	if spec.Part == "" || set[spec.Part] == nil {
		return nil
	}
	f, _ := spec.Field(spec.Part)
	whole, err := s.view.Get(f.Refs(set[spec.Part])[0])
	if err != nil || whole == nil || whole.Kind != f.Of {
		return err
	}
	if whole.Scope != s.b.in.Scope { // it cannot be seen, or references refuses it by name
		return nil
	}
	return s.belongs(spec, whole, field.KindOf(f.Of).Whose, "create_others", access.Matter{Scope: s.b.in.Scope, Info: info})
}

// edit sets fields of a record that is there.
func (s *step) edit(spec *field.Spec, d *protocol.Decided, old *field.Record) (protocol.Outcome, error) {
	op := &d.Operation
	var err error
	if d.Set, err = s.values(spec, op.Set, old); err != nil {
		return protocol.Outcome{}, err
	}
	if err := s.sets(spec, d.Set); err != nil {
		return protocol.Outcome{}, err
	}
	by, err := s.b.writer(old, s.b.base(op, old))
	if err != nil {
		return protocol.Outcome{}, err
	}
	verdict := merge.Fields(old, d.Set, s.b.base(op, old), by)
	c, err := s.edited(spec, old, verdict.Apply)
	if err != nil {
		return protocol.Outcome{}, err
	}
	if err := s.doubtTimes(c, verdict.Apply); err != nil {
		return protocol.Outcome{}, err
	}
	out := protocol.Outcome{Outcome: protocol.Applied, Version: old.Version}
	if verdict.Beside {
		out.Outcome = protocol.Merged
	}
	for _, clash := range verdict.Clashes {
		id, err := s.conflict(old, op, clash)
		if err != nil {
			return protocol.Outcome{}, err
		}
		out.Outcome = protocol.Conflict
		out.Conflicts = append(out.Conflicts, id)
	}
	return s.finish(c, diff(old, c.Record), out)
}

// values checks what is to be set in a record that is there.
func (s *step) values(spec *field.Spec, set map[string]field.Value, old *field.Record) (map[string]field.Value, error) {
	in := s.b.in
	flat, err := spec.Flatten(set, in.Trusted)
	if err != nil {
		return nil, err
	}
	if !in.Trusted {
		if err := spec.Changeable(s.view, old); err != nil {
			return nil, err
		}
	}
	for path, v := range flat {
		f, _ := spec.Field(path)
		same := f.Same(v, old.Fields[path])
		if same {
			flat[path] = old.Fields[path] // as it stands, in whatever form
		}
		switch changed := !same; {
		case changed && f.Once && (f.Mends == "" || old.State != f.Mends):
			return nil, field.Refuse(field.CodeReadOnlyField, "%s cannot be changed after the record was made.", path).
				InChinese("记录生成后，%s 不能再更改。", path)
		case changed && f.Author && !in.Actor.Server && in.Actor.User != old.Author:
			return nil, field.Refuse(field.CodeNotYours, "%s is set by the author alone.", path).InChinese("%s 只能由作者填写。", path)
		}
	}
	return flat, s.references(spec, flat)
}

// edited is the record with values set, as far as its kind takes it.
func (s *step) edited(spec *field.Spec, old *field.Record, set map[string]field.Value) (*field.Case, error) {
	c := s.newCase(old.Clone())
	for p, v := range set {
		if v == nil {
			delete(c.Record.Fields, p)
		} else {
			c.Record.Fields[p] = v
		}
	}
	if err := spec.Complete(c.Record); err != nil {
		return nil, err
	}
	if spec.Edited != nil && len(set) > 0 {
		if err := spec.Edited(c); err != nil {
			return nil, err
		}
	}
	return c, spec.Fits(old, c.Record)
}

// conflict keeps the value that came later beside the one that stays. A device that goes on editing the same field
// before it has seen the conflict changes what it offers; it does not make another conflict. An offer that was written
// after this one stays beside it, and so does one that another copy of the device may have made.
func (s *step) conflict(r *field.Record, op *protocol.Operation, clash merge.Clash) (field.RecordID, error) {
	in := s.b.in
	id := field.ServerID("conflict", string(r.ID), clash.Path, string(in.Device), strconv.FormatInt(clash.By.Seq, 10))
	null := func(v field.Value) field.Value {
		if v == nil {
			return field.Removed
		}
		return v
	}
	who, at, err := s.wrote(r, clash.By)
	if err != nil {
		return "", err
	}
	set := map[string]field.Value{
		"recordId": field.Quote(r.ID), "recordKind": field.Quote(r.Kind), "path": field.Quote(clash.Path), "base": field.Quote(op.Base),
		"current": null(clash.Current), "currentBy": field.Quote(clash.By.Device), "currentDevice": field.Quote(clash.By.Device), "currentVersion": field.Quote(clash.By.Seq),
		"offered": null(clash.Offered), "offeredBy": field.Quote(in.Actor.User), "offeredUser": field.Quote(in.Actor.User), "offeredDevice": field.Quote(in.Device),
		"offeredAt": field.Quote(clip(field.MaskIdentity(in.DeviceTime))), "currentAt": field.Quote(protocol.Stamp(at)),
	}
	if who != "" {
		set["currentUser"] = field.Quote(who)
	}
	id, known, err := field.Own(s.view, id, conflictKind, r.Scope)
	if err != nil {
		return "", err
	}
	if known != nil && !bytes.Equal(known.Fields["offered"], set["offered"]) {
		beside := s.b.outer != nil
		if !beside {
			if beside, err = s.b.othersEntry(known.Stamps["offered"]); err != nil {
				return "", err
			}
		}
		if beside {
			id = field.ServerID("conflict", string(r.ID), clash.Path, string(in.Device), strconv.FormatInt(clash.By.Seq, 10), strconv.FormatInt(in.Number, 10))
			if id, known, err = field.Own(s.view, id, conflictKind, r.Scope); err != nil {
				return "", err
			}
		}
	}
	change := protocol.Change{ID: id, Set: set}
	if known == nil {
		change.Kind, change.Author = conflictKind, in.Actor.User
	}
	change.State = field.StateOpen // a resolved one opens again: something new was offered
	_, err = s.write(r.Scope, change)
	return id, err
}

// wrote finds out who wrote the value of a record that a clash met, and when the server took it. No person: the server.
func (s *step) wrote(r *field.Record, by field.Stamp) (field.UserID, time.Time, error) {
	entry, err := s.b.entry(r.Scope, by.Seq)
	if err != nil || entry.Device == by.Device {
		return entry.Actor, entry.At, err
	}
	kept, err := s.view.Find(keptKind, field.KeyFor("recordId", r.ID)) // somebody accepted what another one had sent
	if err != nil {
		return "", entry.At, err
	}
	for _, k := range kept {
		var out protocol.Outcome
		if err := k.Decode("outcome", &out); err != nil {
			return "", entry.At, err
		}
		if out.Version == by.Seq && k.Text("device") == string(by.Device) {
			return field.UserID(k.Text("author")), entry.At, nil
		}
	}
	return entry.Actor, entry.At, nil
}

// command takes a step of a life cycle.
func (s *step) command(spec *field.Spec, d *protocol.Decided, old *field.Record) (protocol.Outcome, error) {
	op, in := &d.Operation, s.b.in
	cmd := spec.Command(op.Command)
	args, err := field.CheckArgs(cmd.Args, op.Args)
	if err != nil {
		return protocol.Outcome{}, err
	}
	for i := range cmd.Args {
		if err := s.referencesOf(&cmd.Args[i], args[cmd.Args[i].Name]); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if !cmd.Allows(old.State) {
		return protocol.Outcome{}, field.Refuse(field.CodeNotNow, "A %s that is %s does not take the command %s.", old.Kind, old.State, cmd.Name).
			InChinese("%s的状态为“%s”，不能进行“%s”。", old.Kind.ZH(), old.StateZH(), cmd.ZH)
	}
	if !in.Actor.Server && !s.b.lost && !s.decidedNow && op.Base > old.Version {
		return protocol.Outcome{}, field.Refuse(field.CodeStale, "The command was given on version %d, and the record here is at %d. Read it again and decide again.", op.Base, old.Version).
			InChinese("该命令针对第 %d 版作出，而此处记录为第 %d 版，请重新读取后再决定。", op.Base, old.Version)
	}
	by, err := s.b.writer(old, s.b.base(op, old))
	if err != nil {
		return protocol.Outcome{}, err
	}
	if !in.Actor.Server && !s.decidedNow && merge.ChangedSince(old, s.b.base(op, old), by) {
		return protocol.Outcome{}, field.Refuse(field.CodeStale, "")
	}
	d.Args = args
	c := s.newCase(old.Clone())
	c.Args = args
	if cmd.To != "" {
		c.Record.State = cmd.To
	}
	if cmd.Do != nil {
		if err := cmd.Do(c); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if cmd.Readmits {
		if err := s.readmit(c.Record, args["correction"]); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if cmd.TakesOver {
		if err := s.takeOver(c.Record, args); err != nil {
			return protocol.Outcome{}, err
		}
	}
	if err := spec.Fits(old, c.Record); err != nil && !cmd.Server {
		return protocol.Outcome{}, err
	}
	change := diff(old, c.Record)
	change.State = c.Record.State // said even when it stays, so that the life cycle's stamp moves
	return s.finish(c, change, protocol.Outcome{Outcome: protocol.Applied})
}

func (s *step) newCase(r *field.Record) *field.Case {
	a := s.b.in.Actor
	return &field.Case{
		Record: r, Now: s.b.at, Look: s.view, Secret: s.b.e.secret, ImageMax: s.b.e.imageMax,
		Who:  field.Who{User: a.User, Org: a.Org, Device: s.b.in.Device, Server: a.Server},
		Sees: func(scope field.Scope, info field.ScopeInfo) bool { return access.MayRead(a, scope, info) },
		Head: func(scope field.Scope) (field.ScopeInfo, bool, error) {
			head, err := s.view.head(scope)
			if err != nil || head == nil {
				return field.ScopeInfo{}, false, err
			}
			return head.Info, true, nil
		},
	}
}

// finish writes the record itself and then the effects.
func (s *step) finish(c *field.Case, change protocol.Change, out protocol.Outcome) (protocol.Outcome, error) {
	change.ID = c.Record.ID
	if !empty(change) {
		r, err := s.write(c.Record.Scope, change)
		if err != nil {
			return out, err
		}
		out.Version = r.Version
	}
	for _, e := range c.Effects {
		if err := s.effect(c, e); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *step) effect(c *field.Case, e field.Effect) error {
	if e.Info != nil {
		if err := s.setInfo(e.Scope, *e.Info); err != nil {
			return err
		}
	}
	if e.Kind == "" {
		return nil
	}
	var old *field.Record
	var err error
	if e.Make {
		e.ID, old, err = field.Own(s.view, e.ID, e.Kind, e.Scope)
	} else {
		old, err = s.view.Get(e.ID)
	}
	if err != nil {
		return err
	}
	if old == nil && !e.Make {
		return nil
	}
	if old != nil && e.Edit {
		return s.correct(old, e.Set)
	}
	change := protocol.Change{ID: e.ID, State: e.State}
	if old == nil {
		if spares := field.KindOf(e.Kind).Spares; spares != nil {
			if spared, err := spares(c, e); err != nil || spared {
				return err
			}
		}
		change.Kind, change.Author = e.Kind, c.Who.User
		if change.State == "" {
			change.State = field.KindOf(e.Kind).Initial
		}
	} else if change.State == old.State {
		change.State = ""
	}
	for p, v := range e.Set {
		switch {
		case v == nil && old != nil && old.Fields[p] != nil:
			change.Unset = append(change.Unset, p)
		case v != nil && (old == nil || !bytes.Equal(v, old.Fields[p])):
			if change.Set == nil {
				change.Set = map[string]field.Value{}
			}
			change.Set[p] = v
		}
	}
	slices.Sort(change.Unset)
	if empty(change) {
		return nil
	}
	_, err = s.write(e.Scope, change)
	return err
}

// correct sets what a command says of another record, by the rules of an edit.
func (s *step) correct(old *field.Record, set map[string]field.Value) error {
	spec := field.KindOf(old.Kind)
	flat, err := s.values(spec, set, old)
	if err != nil {
		return err
	}
	c, err := s.edited(spec, old, flat)
	if err == nil {
		err = s.doubtTimes(c, flat)
	}
	if err != nil {
		return err
	}
	_, err = s.finish(c, diff(old, c.Record), protocol.Outcome{})
	return err
}

func empty(c protocol.Change) bool {
	return c.Kind == "" && len(c.Set) == 0 && len(c.Unset) == 0 && c.State == "" && c.Deleted == nil
}

// diff says what has to be set to come from one image to the other.
func diff(old, now *field.Record) protocol.Change {
	c := protocol.Change{ID: now.ID}
	var before map[string]field.Value
	if old != nil {
		before = old.Fields
	}
	if old == nil && len(now.Fields) > 0 {
		c.Set = now.Fields
		c.State = now.State
		if now.Deleted {
			c.Deleted = &now.Deleted
		}
		return c
	}
	for p, v := range now.Fields {
		if was, ok := before[p]; !ok || !bytes.Equal(was, v) {
			if c.Set == nil {
				c.Set = map[string]field.Value{}
			}
			c.Set[p] = v
		}
	}
	for p := range before {
		if _, ok := now.Fields[p]; !ok {
			c.Unset = append(c.Unset, p)
		}
	}
	slices.Sort(c.Unset)
	if old == nil || old.State != now.State {
		c.State = now.State
	}
	if was := old != nil && old.Deleted; was != now.Deleted {
		c.Deleted = &now.Deleted
	}
	return c
}

// references checks that the ids among the values are of the right kind and of the same site. What is not known yet, or
// not to who writes, is tolerated: it may arrive later, and nobody learns from a reference what there is.
func (s *step) references(spec *field.Spec, set map[string]field.Value) error {
	for path, v := range set {
		f, _ := spec.Field(path)
		if err := s.referencesOf(f, v); err != nil {
			return err
		}
		if spec.Home == field.ScopeSite && path == "siteId" && v != nil {
			if id := f.Refs(v)[0]; string(id) != s.b.in.Scope.ID() {
				return field.Refuse(field.CodeWrongScope, "siteId is another site than that of the scope.").
					InChinese("siteId 与该范围所属的项目点不一致。")
			}
		}
	}
	return nil
}

func (s *step) referencesOf(f *field.Field, v field.Value) error {
	if v == nil {
		return nil
	}
	if f.Type == field.Object {
		return s.referencesIn(f, v)
	}
	for _, id := range f.Refs(v) {
		r, err := s.view.Get(id)
		if err != nil {
			return err
		}
		if r == nil || !access.MayRead(s.b.in.Actor, r.Scope, r.Info) {
			continue // what is not there and what may not be seen is one to who asks
		}
		if f.Of != "" && r.Kind != f.Of {
			return field.Refuse(field.CodeWrongKind, "%s is the id of a %s, not of a %s.", f.Name, r.Kind, f.Of).
				InChinese("%s 是%s的编号，不是%s的编号。", f.Name, r.Kind.ZH(), f.Of.ZH())
		}
		// The server's flags repeat what a photo says, also when that is the id of a report elsewhere, which means
		// nothing here.
		if home := field.KindOf(r.Kind).Home; home == field.ScopeSite && home == s.b.in.Scope.Type() && r.Scope != s.b.in.Scope && !s.b.in.Actor.Server {
			return field.Refuse(field.CodeWrongScope, "%s is a %s of another site.", f.Name, r.Kind).
				InChinese("%s 是另一项目点的%s。", f.Name, r.Kind.ZH())
		}
	}
	return nil
}

// referencesIn looks at the ids inside objects.
func (s *step) referencesIn(f *field.Field, v field.Value) error {
	objects := []map[string]field.Value{}
	if f.List {
		if err := json.Unmarshal(v, &objects); err != nil {
			return field.Refuse(field.CodeWrongType, "%s is not a list of objects.", f.Name).InChinese("%s 不是对象的列表。", f.Name)
		}
	} else {
		var o map[string]field.Value
		if err := json.Unmarshal(v, &o); err != nil {
			return field.Refuse(field.CodeWrongType, "%s is not an object.", f.Name).InChinese("%s 不是对象。", f.Name)
		}
		objects = append(objects, o)
	}
	for _, o := range objects {
		for i := range f.Fields {
			m := &f.Fields[i]
			if value := o[m.Name]; m.Type == field.ID && value != nil {
				if err := s.referencesOf(m, value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
