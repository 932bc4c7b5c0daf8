// Package workflow carries out what people do at the desk, and answers what its screens ask. What there is to do with a
// kind says its field.Desk; here are the four ways in which all of it is done: Make, Edit and Click, each of which
// commits one operation on the one write path and gives back the record that it has committed, and List. It decides
// nothing that field and access decide.
//
// Open this file first. An act that takes more than one operation of what a person sent has a method of its own: to
// draw a sample, to link evidence, to grant access, to declare a recusal, to hand work over. review.go, clues.go,
// campaigns.go, reference.go and inbox.go hold these and the views of one desk each; report_view.go, graph.go,
// alike.go, history.go and custody.go put together what one screen shows; photo_views.go notes who looks at photos;
// followers.go and aliases.go hold what follows the log. Nothing here knows HTTP, and nothing here writes to the store.
package workflow

import (
	"context"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Committer is the one write path. With Batch.Strict an operation that is rejected, or that conflicts, is an error and
// nothing at all is written; a batch that is in the log already is answered as the first time.
type Committer interface {
	Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error)
	// Could lists what the actor may do to a record as it stands, by the verbs of field.Desk.
	Could(ctx context.Context, who *access.Actor, r *field.Record) ([]string, error)
}

// Store is what is read here. The contracts of the methods stand in server/store/log.go.
type Store interface {
	Head(ctx context.Context, scope field.Scope) (store.Head, error)
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
	Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
}

// Flow carries out what people do at the desk.
type Flow struct {
	store  Store
	commit Committer
	alike  Alike
	now    func() time.Time
	views  noted
}

// New makes a Flow. now is the server's clock.
func New(s Store, c Committer, x Alike, now func() time.Time) *Flow {
	return &Flow{store: s, commit: c, alike: x, now: now}
}

// Act says who clicks. Device is "desk/" and the id of the device that is signed in. Number makes the click one of its
// kind: a click that is repeated with the same number has its effect once and gets the record again.
type Act struct {
	Actor  *access.Actor
	Device field.DeviceID
	Number int64
}

// Click gives a command to a record that was last seen at version, and gives back the record as this click left it. A
// record of another kind, or one that the actor may neither read nor act on, is CodeNotFound: strangers cannot probe
// for existence. The other refusals are those of access.Judge and of the kind's life cycle; nothing has changed then.
func (f *Flow) Click(ctx context.Context, act Act, kind field.Kind, id field.RecordID, version int64, command string, args map[string]field.Value) (*field.Record, error) {
	r, err := f.reach(ctx, act, kind, id, command)
	if err != nil {
		return nil, err
	}
	return f.run(ctx, act, r.Scope, false, protocol.Operation{ID: id, Kind: kind, Base: version, Command: command, Args: args})
}

// Edit sets fields of a record that was last seen at version; otherwise it is as Click.
func (f *Flow) Edit(ctx context.Context, act Act, kind field.Kind, id field.RecordID, version int64, fields map[string]field.Value) (*field.Record, error) {
	r, err := f.reach(ctx, act, kind, id, field.VerbEdit)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, field.Refuse(field.CodeMissingField, "Name at least one field to change.").InChinese("请至少列明一个要更改的字段。")
	}
	return f.run(ctx, act, r.Scope, false, protocol.Operation{ID: id, Kind: kind, Base: version, Set: fields})
}

// Make makes a record where those of its kind are made (field.Spec.Place). An id that is taken is refused, unless this
// very click made the record.
func (f *Flow) Make(ctx context.Context, act Act, kind field.Kind, id field.RecordID, fields map[string]field.Value) (*field.Record, error) {
	spec := field.KindOf(kind)
	scope, named := spec.Place(act.Actor.Org, id, fields)
	if named {
		if err := f.mayMakeIn(ctx, act, kind, scope); err != nil {
			return nil, err
		}
	}
	return f.create(ctx, act, kind, scope, id, fields)
}

// mayMakeIn refuses to make a record of a kind in a scope that is not there, or not for the actor.
func (f *Flow) mayMakeIn(ctx context.Context, act Act, kind field.Kind, scope field.Scope) error {
	if scope == "" {
		name := field.KindOf(kind).Desk.Within
		return field.Refuse(field.CodeMissingField, "%s is missing, or is no id.", name).InChinese("缺少 %s，或其不是编号。", name)
	}
	head, err := f.store.Head(ctx, scope)
	if field.Is(err, field.CodeNotFound) {
		return field.Refuse(field.CodeNotFound, "There is no such scope, or you may not see it.").InChinese("没有该范围，或您无权查看。")
	}
	if err != nil {
		return err
	}
	return access.May(act.Actor, access.ActionFor(kind, field.VerbCreate), scope, head.Info)
}

// List lists what somebody may see of a kind, in the order of its rank. by are values of the filters of its field.Desk,
// by their names; an empty one leaves all.
func (f *Flow) List(ctx context.Context, who *access.Actor, kind field.Kind, by map[string]string, ask Ask) (Records, error) {
	spec := field.KindOf(kind)
	q := store.Query{Kinds: []field.Kind{kind}}
	for _, filter := range spec.Desk.Filters {
		switch value := by[filter.Name]; {
		case value == "":
		case filter.Name == "state":
			q.States = []field.State{field.State(value)}
		case filter.Home:
			q.Scope = field.MakeScope(spec.Home, value)
		default:
			q.Keys = append(q.Keys, field.KeyFor(filter.Key, value))
		}
	}
	return f.Query(ctx, who, q, ask)
}

// create is Make in a scope that is known.
func (f *Flow) create(ctx context.Context, act Act, kind field.Kind, scope field.Scope, id field.RecordID, fields map[string]field.Value) (*field.Record, error) {
	if !field.ValidID(string(id)) {
		return nil, field.Refuse(field.CodeBadID, "")
	}
	known, err := f.store.Records(ctx, []field.RecordID{id})
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		done, err := f.done(ctx, act, scope)
		if err != nil {
			return nil, err
		}
		if !done {
			return nil, field.Refuse(field.CodeBadID, "The id is taken; make a new one.").InChinese("该编号已被使用，请另行生成。")
		}
	}
	return f.run(ctx, act, scope, false, protocol.Operation{ID: id, Kind: kind, Set: fields})
}

// done reports whether this click is in the log already.
func (f *Flow) done(ctx context.Context, act Act, scope field.Scope) (bool, error) {
	_, err := f.store.Batch(ctx, scope, act.Device, act.Number)
	if field.Is(err, field.CodeNotFound) {
		return false, nil
	}
	return err == nil, err
}

// run commits one operation. What is given back is what it came to, and not what somebody else has made of the record
// since. Only a click that was in the log already, whose answer was lost, gets the record as it stands now.
func (f *Flow) run(ctx context.Context, act Act, scope field.Scope, trusted bool, op protocol.Operation) (*field.Record, error) {
	done, err := f.commit.Commit(ctx, protocol.Batch{
		Actor: act.Actor, Device: act.Device, Number: act.Number, Scope: scope,
		Operations: []protocol.Operation{op}, Strict: true, Trusted: trusted,
	})
	if err != nil {
		return nil, err
	}
	if r := done.Records[op.ID]; r != nil {
		return r, nil
	}
	return f.load(ctx, op.Kind, op.ID)
}

// reach loads a record on which the actor may do something.
func (f *Flow) reach(ctx context.Context, act Act, kind field.Kind, id field.RecordID, verb string) (*field.Record, error) {
	r, err := f.load(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	if _, err := access.Judge(act.Actor, access.ActionFor(kind, verb), access.Of(r)); err != nil {
		return nil, err
	}
	return r, nil
}

// read loads a record that somebody may see; any other is CodeNotFound. An empty kind takes all.
func (f *Flow) read(ctx context.Context, who *access.Actor, kind field.Kind, id field.RecordID) (*field.Record, error) {
	r, err := f.load(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	if !access.Quarantine(who).Shows(access.Of(r)) {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return r, nil
}

// readFiled is read for a record of a kind that has one of the places in the file of a case.
func (f *Flow) readFiled(ctx context.Context, who *access.Actor, id field.RecordID, places ...field.Filing) (*field.Record, error) {
	r, err := f.read(ctx, who, "", id)
	if err == nil && !slices.Contains(places, r.Kind.Filing()) {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return r, err
}

// readMany loads those of the records that exist and that somebody may see, by id.
func (f *Flow) readMany(ctx context.Context, who *access.Actor, ids []field.RecordID) (map[field.RecordID]*field.Record, error) {
	found := make(map[field.RecordID]*field.Record, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	records, err := f.store.Records(ctx, ids)
	if err != nil {
		return nil, err
	}
	visible := access.Quarantine(who)
	for _, r := range records {
		if visible.Shows(access.Of(r)) {
			found[r.ID] = r
		}
	}
	return found, nil
}

func (f *Flow) load(ctx context.Context, kind field.Kind, id field.RecordID) (*field.Record, error) {
	records, err := f.store.Records(ctx, []field.RecordID{id})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || kind != "" && records[0].Kind != kind {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return records[0], nil
}

// Record gives one record. One of another kind is CodeNotFound; an empty kind takes all.
func (f *Flow) Record(ctx context.Context, who *access.Actor, kind field.Kind, id field.RecordID) (*field.Record, error) {
	return f.read(ctx, who, kind, id)
}

// values are the arguments of a command. An empty text is an argument that was not given.
type values map[string]any

func (v values) quoted() map[string]field.Value {
	if len(v) == 0 {
		return nil
	}
	out := make(map[string]field.Value, len(v))
	for name, x := range v {
		q := field.Quote(x)
		if s := string(q); s != `""` && s != "null" {
			out[name] = q
		}
	}
	return out
}
