package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/merge"
	"fieldclue/sync/protocol"
)

var everything = access.Everything

// decision is what a batch comes to: for each scope that it touches, the entry and the new images.
type decision struct {
	outcomes []protocol.Outcome
	records  map[field.RecordID]*field.Record
	heads    map[field.Scope]*store.Head
	entries  map[field.Scope]store.Entry
	home     field.Scope
	keys     []store.Doc // of what the entries seal
}

// needScopes says that a batch writes to scopes whose lanes are not held.
type needScopes struct{ scopes []field.Scope }

func (n *needScopes) Error() string { return fmt.Sprintf("engine: also needs %v", n.scopes) }

// batch decides one batch on top of a view. held are the scopes whose lanes are held; touching another one is answered
// by needScopes.
type batch struct {
	e       *Engine
	in      *protocol.Batch
	digest  string
	at      time.Time
	view    *view
	held    []field.Scope
	bodies  map[field.Scope]*protocol.Body
	infos   map[field.Scope]field.ScopeInfo // of the scopes in bodies
	need    []field.Scope
	home    field.Scope    // where the batch's own entry goes
	lost    bool           // what the device had seen of the scope is not in this history: no base version counts
	end     int64          // of the scope, before this batch
	mandate field.RecordID // under which the batch acts, if the matter is another organisation's
	kept    *kept          // what lies open of the author, once something is kept; nil before
	keys    []store.Doc    // of what is sealed
	forked  *bool          // whether the device has; nil: not asked yet
	outer   *batch         // of an operation that was kept and is accepted now: the batch that accepts it
}

func (e *Engine) decide(root *view, in *protocol.Batch, digest string, held []field.Scope) (*decision, error) {
	return e.decideFrom(root, in, digest, held, in.Scope)
}

// decideFrom decides a batch whose own entry goes to home.
func (e *Engine) decideFrom(root *view, in *protocol.Batch, digest string, held []field.Scope, home field.Scope) (*decision, error) {
	b := &batch{
		e: e, in: in, digest: digest, at: e.serverTime(), view: root.above(), held: held,
		bodies: map[field.Scope]*protocol.Body{}, infos: map[field.Scope]field.ScopeInfo{}, home: home,
	}
	if err := b.prefetch(); err != nil {
		return nil, err
	}
	refused, err := b.scopeRefused()
	if err != nil {
		return nil, err
	}
	if err := b.compareHistory(); err != nil {
		return nil, err
	}
	if err := b.compareNumbers(); err != nil {
		return nil, err
	}
	if refused != nil && !in.Strict {
		b.home = b.own()
	}
	if _, err := b.body(b.home); err != nil {
		return nil, err
	}
	outcomes := make([]protocol.Outcome, len(in.Operations))
	for i := range in.Operations {
		out, err := b.operation(i, refused)
		if err != nil {
			return nil, err
		}
		outcomes[i] = out
	}
	if b.unmade() {
		return e.decideFrom(root, in, digest, held, b.own())
	}
	if in.Then != nil {
		if err := b.then(); err != nil {
			return nil, err
		}
	}
	if len(b.need) > 0 {
		slices.Sort(b.need)
		return nil, &needScopes{slices.Compact(b.need)}
	}
	return b.seal(outcomes)
}

// unmade reports whether a batch was to make a scope, and everything in it was refused. Then the scope is not there, as
// before: it would be nobody's, and the corrected record could never be made in it.
func (b *batch) unmade() bool {
	body := b.bodies[b.in.Scope]
	return b.home == b.in.Scope && b.in.Actor.User != "" && !b.in.Strict && body.Seq == 1 && len(body.Changes) == 0 && body.Info == nil
}

// prefetch reads what the operations name in one go.
func (b *batch) prefetch() error {
	ids := make([]field.RecordID, 0, 2*len(b.in.Operations))
	for i := range b.in.Operations {
		op := &b.in.Operations[i]
		if field.ValidID(string(op.ID)) {
			ids = append(ids, op.ID)
		}
		spec := b.e.kindOf(op.Kind)
		if spec == nil {
			continue
		}
		for path, v := range op.Set {
			if f, _ := spec.Field(path); f != nil && f.Type == field.ID && !f.List {
				for _, id := range f.Refs(v) {
					if field.ValidID(string(id)) {
						ids = append(ids, id)
					}
				}
			}
		}
	}
	return b.view.load(ids...)
}

// scopeRefused returns why the actor may not write to the batch's scope at all: then the batch is kept in the actor's
// own scope, every operation parked.
func (b *batch) scopeRefused() (*field.Error, error) {
	scope, actor := b.in.Scope, b.in.Actor
	if actor.Server {
		return nil, nil
	}
	if actor.HandsIn {
		return field.Refuse(field.CodeDeviceRevoked, ""), nil
	}
	unknown := field.Refuse(field.CodeNotFound, "There is no such scope, or you may not see it.").InChinese("没有该范围，或您无权查看。")
	if !scope.Type().Pulled() && !b.in.Trusted { // the desk writes there, and is asked for the action like everybody
		return unknown, nil
	}
	head, err := b.view.head(scope)
	if err != nil {
		return nil, err
	}
	if head == nil {
		op := b.in.Operations[0]
		spec := b.e.kindOf(op.Kind)
		if spec != nil && spec.Opens.Scope() && spec.Home == scope.Type() && (spec.Opens == field.OpensByName || string(op.ID) == scope.ID()) &&
			op.Command == "" && op.Base == 0 && access.MayAnywhere(actor, access.ActionFor(op.Kind, "create")) {
			return nil, nil
		}
		return unknown, nil
	}
	if slices.Contains(actor.Recused, scope) {
		return field.Refuse(field.CodeRecused, ""), nil
	}
	if access.MayRead(actor, scope, head.Info) || access.MayWrite(actor, scope, head.Info) || b.decidesKept() {
		return nil, nil
	}
	return unknown, nil
}

// decidesKept reports whether a batch is about operations that were kept, which lie with others and are judged one by
// one.
func (b *batch) decidesKept() bool {
	return !slices.ContainsFunc(b.in.Operations, func(op protocol.Operation) bool { return op.Kind != keptKind || op.Command == "" })
}

// compareHistory finds out whether the device has seen this history of the scope. After a restore from a backup its
// versions are numbers of entries that are gone, and others may have taken them. The store is asked also about what
// lies above the head: another server may have written it, and a batch that is refused is kept elsewhere, so its commit
// does not find that out.
func (b *batch) compareHistory() error {
	head, err := b.view.head(b.in.Scope)
	if err != nil || head == nil {
		b.lost = err == nil && b.in.Seen != nil && b.in.Seen.Seq > 0
		return err
	}
	b.end = head.Seq
	seen := b.in.Seen
	switch {
	case seen == nil || seen.Seq == 0:
	case seen.Seq < 0:
		b.lost = true
	case seen.Seq == head.Seq:
		b.lost = seen.Hash != head.Hash
	default:
		marks, err := b.e.store.Marks(b.view.ctx, b.in.Scope, seen.Seq-1, 1)
		if err != nil {
			return err
		}
		if len(marks) == 0 { // up to the head it is in this group, and so in this history: nobody was told of another
			b.lost = seen.Seq > head.Seq
			return nil
		}
		b.lost = marks[0].Hash != seen.Hash
	}
	return nil
}

// compareNumbers finds out whether the device's batches in the scope are those of one phone: that which it says it
// sealed before this one is the last that is there. A higher one that this phone does not know, or a later one that
// does not know of this, is another copy's, and the device has forked although no number was used twice. One that is
// missing was refused as a whole, or lost with a store that was put back.
func (b *batch) compareNumbers() error {
	in := b.in
	if in.Previous == nil || in.Actor.Server {
		return nil
	}
	last, err := b.e.store.LastBatch(b.view.ctx, in.Scope, in.Device)
	if err != nil {
		return err
	}
	var newest *store.Entry
	for v := b.view; v != nil; v = v.below {
		for i := range v.decided {
			if e := &v.decided[i]; e.Scope == in.Scope && e.Device == in.Device && e.Batch > last {
				last, newest = e.Batch, e
			}
		}
	}
	if last <= *in.Previous {
		return nil
	}
	if last > in.Number {
		if newest == nil {
			e, err := b.e.store.Batch(b.view.ctx, in.Scope, in.Device, last)
			if err != nil {
				return err
			}
			newest = &e
		}
		body, err := protocol.Open(*newest)
		if err != nil || body.Previous == nil || *body.Previous >= in.Number {
			return err
		}
	}
	b.e.log.Warn("a device id stands for two phones: a batch does not know of another one", "scope", in.Scope, "device", in.Device, "batch", in.Number, "previous", *in.Previous, "last", last)
	forked := true
	b.forked = &forked
	return b.e.forks.mark(b.view.ctx, in.Device)
}

// base is the version from which an operation on a record starts. One of a lost history says nothing, so whatever
// another device has written stands against the operation. No device has seen more of a record than of its scope: a
// version that it learnt from an outcome covers what others wrote in between, unseen, so what it had read when it
// sealed the batch bounds the base. Nor does it follow that it has seen the record up to there: one that changed again
// while the device read the scope comes with a later page, in its last state alone. So when a base claims more than was
// read, and somebody else has changed the record since, it says nothing.
func (b *batch) base(op *protocol.Operation, r *field.Record) int64 {
	if b.lost || op.Base > b.end {
		return 0
	}
	seen := b.in.Seen
	if seen == nil || op.Base <= seen.Read(op.ID) {
		return op.Base
	}
	for _, s := range r.Stamps {
		if s.Seq > seen.Read(op.ID) && s.Device != b.in.Device {
			return 0
		}
	}
	return seen.Read(op.ID)
}

// writer is the device that writes to a record, and which of the entries in its name, after the base, may be those of
// another copy of it: all of them once the device has forked; else those with a higher number than this batch, which
// were sealed after it.
func (b *batch) writer(r *field.Record, base int64) (merge.Writer, error) {
	by := merge.Writer{Device: b.in.Device}
	for _, s := range r.Stamps {
		if s.Device != by.Device || s.Seq <= base || s.Seq > b.end { // not its own, or read, or of this batch: nobody need be asked
			continue
		}
		if _, asked := by.Others[s.Seq]; asked {
			continue
		}
		if by.Others == nil {
			by.Others = map[int64]bool{}
		}
		other, err := b.othersEntry(s)
		if err != nil {
			return by, err
		}
		by.Others[s.Seq] = other
	}
	return by, nil
}

// othersEntry reports whether an entry in the name of the batch's device may be that of another copy.
func (b *batch) othersEntry(by field.Stamp) (bool, error) {
	if by.Seq > b.end { // the batch's own
		return false, nil
	}
	forked, err := b.hasForked()
	if err != nil || forked || b.outer != nil { // the number of what was kept is not known any more
		return forked, err
	}
	entry, err := b.entry(b.in.Scope, by.Seq)
	return entry.Device == by.Device && entry.Batch > b.in.Number, err
}

// entry returns an entry by which something that is there was written. The one that the batch itself is about to write
// has no body and no hash yet. That one is missing is a fault of the store, and never a refusal.
func (b *batch) entry(scope field.Scope, seq int64) (store.Entry, error) {
	if own := b.bodies[scope]; own != nil && own.Seq == seq {
		return store.Entry{Scope: scope, Seq: seq, Device: own.Device, Batch: own.Batch, Actor: own.Actor, At: b.at}, nil
	}
	entry, err := b.view.entry(scope, seq)
	if field.Is(err, field.CodeNotFound) {
		err = fmt.Errorf("engine: entry %d of %s, by which a record was written, is missing", seq, scope)
	}
	return entry, err
}

// hasForked reports whether the batch's device is known to have, asked once.
func (b *batch) hasForked() (bool, error) {
	if b.forked == nil {
		forked, err := b.e.forks.has(b.view.ctx, b.in.Device)
		if err != nil {
			return false, err
		}
		b.forked = &forked
	}
	return *b.forked, nil
}

// own is the scope of who sent the batch.
func (b *batch) own() field.Scope { return field.MakeScope(field.ScopeUser, string(b.in.Actor.User)) }

// body returns the entry that the batch writes to a scope.
func (b *batch) body(scope field.Scope) (*protocol.Body, error) {
	if b.outer != nil {
		return b.outer.body(scope)
	}
	if body, ok := b.bodies[scope]; ok {
		return body, nil
	}
	if !slices.Contains(b.held, scope) {
		b.need = append(b.need, scope)
	}
	head, err := b.view.head(scope)
	if err != nil {
		return nil, err
	}
	body := &protocol.Body{
		V: protocol.Version, Scope: scope, Seq: 1, Digest: b.digest,
		Actor: b.in.Actor.User, Org: b.in.Actor.Org, App: field.MaskIdentity(b.in.App), At: protocol.Stamp(b.at), DeviceTime: field.MaskIdentity(b.in.DeviceTime), SkewMS: b.in.SkewMS,
	}
	var info field.ScopeInfo
	if head != nil {
		body.Seq, body.Prev, info = head.Seq+1, head.Hash, head.Info
	}
	body.Mandate = b.mandate
	b.bodies[scope], b.infos[scope] = body, info
	body.Device, body.Batch, body.Previous = b.in.Device, b.in.Number, b.in.Previous
	if scope != b.in.Scope {
		body.Device, body.Batch = b.sideKey(scope)
		body.Previous = nil
	}
	return body, nil
}

// sideKey is the device and number under which the batch's entry in another scope stands, so that it can never be taken
// for a batch which the device sends to that scope itself.
func (b *batch) sideKey(scope field.Scope) (field.DeviceID, int64) {
	if scope == b.home {
		return refusedDevice(b.in.Scope, b.in.Device), b.in.Number
	}
	if b.in.Actor.Server {
		return field.DeviceID(merge.ServerDevice + "via/" + string(b.home) + "/" + string(b.in.Device)), b.in.Number
	}
	return field.DeviceID("via/" + string(b.home) + "/" + string(b.in.Device)), b.in.Number
}

// refusedDevice is the device under which a batch for a scope that was refused is kept in the sender's own scope.
func refusedDevice(scope field.Scope, device field.DeviceID) field.DeviceID {
	return field.DeviceID("refused/" + string(scope) + "/" + string(device))
}

// operation decides operation number i. An error means that the batch as a whole cannot go on.
func (b *batch) operation(i int, refused *field.Error) (protocol.Outcome, error) {
	decided := protocol.Decided{Operation: b.in.Operations[i]}
	s := b.step()
	var err error
	if refused != nil {
		err = refused
	} else {
		decided.Outcome, err = s.apply(&decided)
	}
	var fe *field.Error
	errors.As(err, &fe)
	switch {
	case err == nil && b.in.Strict && decided.Outcome.Outcome == protocol.Conflict:
		return decided.Outcome, field.Refuse(field.CodeStale, "").About(string(decided.ID))
	case err == nil:
	case !refusal(err):
		return decided.Outcome, err
	case b.in.Strict && fe.Record != "": // it names another: what stands in the way
		return decided.Outcome, fe
	case b.in.Strict:
		return decided.Outcome, fe.About(string(decided.ID))
	default:
		decided.Operation = b.in.Operations[i] // as it came, whatever was understood of it
		s = b.step()
		decided.Outcome, err = s.park(i, fe)
		if err != nil {
			return decided.Outcome, err
		}
		// What it says stands in the record that keeps it, with who wrote it, and nowhere where others read.
		decided.Operation = bared(decided.Operation)
	}
	s.keep(&decided)
	return decided.Outcome, nil
}

// then adds what the batch brings about besides its operations.
func (b *batch) then() error {
	s := b.step()
	r, err := s.view.Get(b.in.Operations[0].ID)
	if err != nil {
		return err
	}
	if r == nil {
		return field.Refuse(field.CodeUnknownRecord, "")
	}
	c := s.newCase(r.Clone())
	if err := b.in.Then(c); err != nil {
		return err
	}
	for _, e := range c.Effects {
		if err := s.effect(c, e); err != nil {
			return err
		}
	}
	s.keepChanges(nil)
	return nil
}

// seal turns what was decided into entries and heads.
func (b *batch) seal(outcomes []protocol.Outcome) (*decision, error) {
	d := &decision{outcomes: outcomes, entries: map[field.Scope]store.Entry{}, heads: map[field.Scope]*store.Head{}, records: b.view.records, home: b.home, keys: b.keys}
	for scope, body := range b.bodies {
		if scope != b.home && len(body.Changes) == 0 && body.Info == nil {
			delete(b.bodies, scope)
		}
	}
	scopes := slices.Sorted(maps.Keys(b.bodies))
	for _, scope := range scopes {
		for _, other := range scopes {
			if other != scope {
				b.bodies[scope].With = append(b.bodies[scope].With, protocol.Link{Scope: other, Seq: b.bodies[other].Seq})
			}
		}
	}
	for _, scope := range scopes {
		entry, err := protocol.Seal(*b.bodies[scope], b.at)
		if err != nil {
			return nil, err
		}
		d.entries[scope] = entry
		d.heads[scope] = &store.Head{Scope: scope, Seq: entry.Seq, Hash: entry.Hash, Info: b.infos[scope], At: b.at}
	}
	return d, nil
}

// step is the work of one operation: it is kept whole or dropped whole.
type step struct {
	b       *batch
	view    *view
	changes []scopedChange
	sealed  []protocol.Sealed // into the author's own scope
	infos   map[field.Scope]field.ScopeInfo

	kept   field.DeviceID // not empty: the operation was kept, or takes the place of one, and came from this device
	sender field.UserID   // and this person

	decidedNow bool // somebody who sees the record as it is lets the command in: it was given on an older version, and is decided again
}

type scopedChange struct {
	scope  field.Scope
	change protocol.Change
}

func (b *batch) step() *step {
	return &step{b: b, view: b.view.above(), infos: map[field.Scope]field.ScopeInfo{}}
}

// keep adds the step to the batch's entries. Values that stand in the operation already are not written twice.
func (s *step) keep(decided *protocol.Decided) {
	home := s.b.bodies[s.b.home]
	home.Ops = append(home.Ops, *decided)
	s.keepChanges(decided)
}

// keepChanges adds what the step changes. decided is the operation that it is for; nil: none.
func (s *step) keepChanges(decided *protocol.Decided) {
	s.view.fold()
	for scope, info := range s.infos {
		s.b.infos[scope] = info
		body := s.b.bodies[scope]
		body.Info = &info
	}
	for _, c := range s.changes {
		body := s.b.bodies[c.scope]
		if decided != nil && c.scope == s.b.home && len(c.change.Set) > 0 && c.change.ID == decided.ID && maps.EqualFunc(c.change.Set, decided.Set, sameValue) {
			c.change.Set, c.change.Op = nil, len(body.Ops)
		}
		body.Changes = append(body.Changes, c.change)
	}
	if len(s.sealed) > 0 {
		own := s.b.bodies[s.b.own()]
		own.Sealed = append(own.Sealed, s.sealed...)
	}
}

func (s *step) infoOf(scope field.Scope) field.ScopeInfo {
	if info, ok := s.infos[scope]; ok {
		return info
	}
	return s.b.infos[scope]
}

// write changes one record in its scope.
func (s *step) write(scope field.Scope, c protocol.Change) (*field.Record, error) {
	body, err := s.b.body(scope)
	if err != nil {
		return nil, err
	}
	old, err := s.view.Get(c.ID)
	if err != nil {
		return nil, err
	}
	c.Device = s.kept
	r := protocol.Apply(body, c, s.b.at, old, s.infoOf(scope))
	if spec := field.KindOf(r.Kind); spec != nil && spec.Moves {
		if moves := field.Moved(old, r, s.b.at); moves != nil {
			set := maps.Clone(c.Set)
			if set == nil {
				set = map[string]field.Value{}
			}
			set["moves"] = moves
			c.Set = set
			r = protocol.Apply(body, c, s.b.at, old, s.infoOf(scope))
		}
	}
	s.view.records[c.ID] = r
	s.changes = append(s.changes, scopedChange{scope, c})
	return r, nil
}

// setInfo sets what access asks about a scope, and copies it onto the records that are there.
func (s *step) setInfo(scope field.Scope, info field.ScopeInfo) error {
	body, err := s.b.body(scope)
	if err != nil {
		return err
	}
	if body.Seq > 1 && sameInfo(s.infoOf(scope), info) {
		return nil
	}
	s.infos[scope] = info
	for w := s.view; w != nil; w = w.below { // what this commit has written to the scope so far
		for id, r := range w.records {
			if r.Scope != scope {
				continue
			}
			now, err := s.view.Get(id)
			if err != nil {
				return err
			}
			c := now.Clone()
			c.Info = info
			s.view.records[id] = c
		}
	}
	if body.Seq == 1 {
		return nil
	}
	for after := int64(0); ; {
		rs, err := s.b.e.store.Changed(s.view.ctx, scope, after, body.Seq-1, 1000)
		if err != nil {
			return err
		}
		if len(rs) == 0 {
			return nil
		}
		for _, r := range rs {
			after = r.Version
			now, err := s.view.Get(r.ID)
			if err != nil {
				return err
			}
			c := now.Clone()
			c.Info = info
			s.view.records[c.ID] = c
		}
	}
}

func sameValue(a, b field.Value) bool { return bytes.Equal(a, b) }

func sameInfo(a, b field.ScopeInfo) bool {
	return slices.Equal(a.Orgs, b.Orgs) && a.Region == b.Region && a.Project == b.Project
}

// park keeps an operation that could not be applied as a visible record.
func (s *step) park(i int, why *field.Error) (protocol.Outcome, error) {
	b := s.b
	op := b.in.Operations[i]
	id := field.DeriveID(b.at, b.e.secret, "parked", string(b.in.Scope), string(b.in.Device), strconv.FormatInt(b.in.Number, 10), strconv.Itoa(i))
	raw, err := json.Marshal(op)
	if err != nil {
		return protocol.Outcome{}, fmt.Errorf("parking an operation: %w", err)
	}
	if op.Unknown != nil {
		raw = op.Unknown
	}
	if err := b.roomToKeep(raw); err != nil {
		return protocol.Outcome{}, err
	}
	sealed := b.seals(&op)
	if sealed {
		if err := s.sealUp(id, raw); err != nil {
			return protocol.Outcome{}, err
		}
		if raw, err = b.maskedCopy(op, raw); err != nil {
			return protocol.Outcome{}, err
		}
		op.ID, op.Kind = field.RecordID(field.MaskIdentity(string(op.ID))), field.Kind(field.MaskIdentity(string(op.Kind)))
	}
	set := map[string]field.Value{
		"device": field.Quote(clip(string(b.in.Device))), "code": field.Quote(why.Code), "operation": raw, "target": field.Quote(b.in.Scope),
		"message": field.Quote(why.Sentence()), "messageZh": field.Quote(why.SentenceZH()),
		"recordId": field.Quote(clip(string(op.ID))), "recordKind": field.Quote(clip(string(op.Kind))),
	}
	home := b.home // of the server's own, there is nobody with whom it could lie
	if b.in.Actor.User != "" {
		home = b.own()
		set["author"] = field.Quote(b.in.Actor.User)
	}
	if head, err := b.view.head(b.in.Scope); err != nil {
		return protocol.Outcome{}, err
	} else if head != nil {
		if owner := head.Info.Owner(); owner != "" {
			set["owner"] = field.Quote(owner)
		}
		if head.Info.Region != "" {
			set["region"] = field.Quote(head.Info.Region)
		}
		if head.Info.Project != "" {
			set["project"] = field.Quote(head.Info.Project)
		}
	}
	if b.in.DeviceTime != "" {
		set["deviceTime"] = field.Quote(clip(field.MaskIdentity(b.in.DeviceTime)))
	}
	if b.in.SkewMS != 0 {
		set["skewMs"] = field.Quote(b.in.SkewMS)
	}
	if sealed {
		set["sealed"] = field.Quote(true)
	}
	report, err := s.reportOf(&op)
	if err != nil {
		return protocol.Outcome{}, err
	}
	if report != "" {
		set["reportId"] = field.Quote(report)
	}
	switch seen := b.in.Seen; {
	case b.lost:
		set["seen"] = field.Quote(0)
	case seen != nil:
		set["seen"] = field.Quote(max(0, seen.Read(op.ID)))
	}
	if err := s.tellOfKept(&op, sealed); err != nil {
		return protocol.Outcome{}, err
	}
	if _, err := s.write(home, protocol.Change{ID: id, Kind: keptKind, Author: b.in.Actor.User, Set: set, State: field.StateOpen}); err != nil {
		return protocol.Outcome{}, err
	}
	return protocol.Outcome{
		Outcome: protocol.Rejected, Code: why.Code, Message: why.Sentence(), MessageZH: why.SentenceZH(), RecordID: id,
	}, nil
}

// reportOf is the report to which what an operation is about belongs, as far as that shows: the report itself, the one
// that the operation names, or the one that the record names.
func (s *step) reportOf(op *protocol.Operation) (field.RecordID, error) {
	if spec := field.KindOf(op.Kind); spec != nil && spec.TellsKept != nil && field.ValidID(string(op.ID)) {
		return op.ID, nil
	}
	if v := op.Set["reportId"]; v != nil {
		if named := (&field.Field{Type: field.ID}).Refs(v)[0]; field.ValidID(string(named)) {
			return named, nil
		}
	}
	if !field.ValidID(string(op.ID)) {
		return "", nil
	}
	r, err := s.view.Get(op.ID)
	if err != nil || r == nil || r.Scope != s.b.in.Scope {
		return "", err
	}
	return field.RecordID(r.Text("reportId")), nil
}

// tellOfKept tells those whom its kind names that something was sent for a report which is kept.
func (s *step) tellOfKept(op *protocol.Operation, sealed bool) error {
	id, err := s.reportOf(op)
	if err != nil || id == "" || sealed {
		return err
	}
	report, err := s.view.Get(id)
	if err != nil || report == nil || report.Scope != s.b.in.Scope {
		return err
	}
	spec := field.KindOf(report.Kind)
	if spec == nil || spec.TellsKept == nil {
		return nil
	}
	c := s.newCase(report)
	spec.TellsKept(c)
	for _, e := range c.Effects {
		if err := s.effect(c, e); err != nil {
			return err
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return string(bytes.ToValidUTF8([]byte(s[:80]), nil))
	}
	return s
}
