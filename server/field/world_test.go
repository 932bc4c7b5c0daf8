package field_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"fieldclue/server/field"
)

// world is the records of a test with just enough of a write path to give commands: arguments are checked, the state
// must allow it, the guard decides, effects are applied. A refused command leaves the world as it was, because it works
// on copies. It is not the world of the others (sync/engine/enginetest): the nouns know no engine, and their rules are
// told without one.
type world struct {
	t       *testing.T
	now     time.Time
	records map[field.RecordID]*field.Record
	infos   map[field.Scope]field.ScopeInfo
	seq     int64
}

const (
	ann   field.UserID = "019300f0-0000-7000-8000-00000000000a" // inspector
	ben   field.UserID = "019300f0-0000-7000-8000-00000000000b" // inspector
	cai   field.UserID = "019300f0-0000-7000-8000-00000000000c" // supervisor
	dai   field.UserID = "019300f0-0000-7000-8000-00000000000d" // leader
	local field.OrgID  = "gz-liwan"
)

var (
	siteID   = id(1)
	project  = id(2)
	siteHome = field.MakeScope(field.ScopeSite, string(siteID))
	morning  = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
)

// id makes a valid id from a small number.
func id(n int) field.RecordID { return field.RecordID(fmt.Sprintf("019300f1-0000-7000-8000-%012x", n)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: morning, records: map[field.RecordID]*field.Record{}, infos: map[field.Scope]field.ScopeInfo{}}
	for p, roles := range map[field.UserID][]field.RoleGrant{
		ann: {{Role: field.RoleInspector}}, ben: {{Role: field.RoleInspector}, {Role: field.RoleHandler}},
		cai: {{Role: field.RoleSupervisor}, {Role: field.RoleInspector}}, dai: {{Role: field.RoleLeader}, {Role: field.RoleInspector}},
	} {
		w.put(field.KindPerson, field.RecordID(p), "", "", map[string]any{"name": "somebody", "roles": roles})
	}
	return w
}

// put places a record without asking any guard. State "" is the initial one, author "" is nobody.
func (w *world) put(kind field.Kind, id field.RecordID, state field.State, author field.UserID, fields map[string]any) *field.Record {
	w.t.Helper()
	spec := field.KindOf(kind)
	if state == "" {
		state = spec.Initial
	}
	scope := siteHome
	switch spec.Home {
	case field.ScopeOrg:
		scope = field.MakeScope(field.ScopeOrg, string(local))
	case field.ScopeClue, field.ScopeCampaign:
		scope = field.MakeScope(spec.Home, string(id))
	}
	w.seq++
	r := &field.Record{
		ID: id, Kind: kind, Scope: scope, Info: field.ScopeInfo{Orgs: []field.OrgID{local}, Region: "520502", Project: field.ProjectID(project)},
		Version: w.seq, State: state, Author: author, CreatedAt: w.now, UpdatedAt: w.now,
		Fields: map[string]field.Value{}, Stamps: map[string]field.Stamp{},
	}
	for path, v := range fields {
		r.Fields[path] = field.Quote(v)
	}
	field.Index(r)
	w.records[id] = r
	return r
}

func (w *world) Get(id field.RecordID) (*field.Record, error) { return w.records[id], nil }

func (w *world) Several(ids []field.RecordID) ([]*field.Record, error) {
	var found []*field.Record
	for _, id := range ids {
		found = append(found, w.records[id])
	}
	return found, nil
}

func (w *world) Find(kind field.Kind, key string) ([]*field.Record, error) {
	var found []*field.Record
	for _, r := range w.records {
		if r.Kind == kind && !r.Deleted && slices.Contains(r.Keys, key) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *field.Record) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return found, nil
}

func (w *world) FindIn(scope field.Scope, kind field.Kind, key string) ([]*field.Record, error) {
	found, err := w.Find(kind, key)
	return slices.DeleteFunc(found, func(r *field.Record) bool { return r.Scope != scope }), err
}

func (w *world) In(scope field.Scope, kind field.Kind) ([]*field.Record, error) {
	var found []*field.Record
	for _, r := range w.records {
		if r.Kind == kind && !r.Deleted && r.Scope == scope {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *field.Record) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return found, nil
}

func (w *world) caseOf(r *field.Record, who field.UserID) *field.Case {
	return &field.Case{Record: r, Now: w.now, Look: w, Who: field.Who{User: who, Org: local, Server: who == ""}}
}

// give gives a command.
func (w *world) give(who field.UserID, id field.RecordID, command string, args map[string]any) error {
	w.t.Helper()
	old := w.records[id]
	if old == nil {
		w.t.Fatalf("there is no record %s to %s", id, command)
	}
	spec := field.KindOf(old.Kind)
	cmd := spec.Command(command)
	if cmd == nil {
		w.t.Fatalf("a %s has no command %s", old.Kind, command)
	}
	given := map[string]field.Value{}
	for name, v := range args {
		given[name] = field.Quote(v)
	}
	err := spec.Spoken(nil, command, given)
	if err != nil {
		return err
	}
	checked, err := field.CheckArgs(cmd.Args, given)
	if err != nil {
		return err
	}
	if own, whose := spec.Own(cmd); own && who != "" && cmd.Others == "" {
		people, err := whose.People(w, old)
		if err != nil || !slices.Contains(people, who) {
			return field.Refuse(field.CodeNotYours, "").Because(err)
		}
	}
	if !cmd.Allows(old.State) {
		return field.Refuse(field.CodeNotNow, "")
	}
	c := w.caseOf(old.Clone(), who)
	c.Args = checked
	if cmd.To != "" {
		c.Record.State = cmd.To
	}
	if cmd.Do != nil {
		if err := cmd.Do(c); err != nil {
			return err
		}
	}
	w.keep(c)
	return nil
}

// make runs what runs when a record is made.
func (w *world) make(who field.UserID, kind field.Kind, id field.RecordID, scope field.Scope, fields map[string]any) error {
	w.t.Helper()
	spec := field.KindOf(kind)
	set := map[string]field.Value{}
	for name, v := range fields {
		set[name] = field.Quote(v)
	}
	if err := spec.Spoken(set, "", nil); err != nil {
		return err
	}
	flat, err := spec.Flatten(set, who == "")
	if err != nil {
		return err
	}
	r := &field.Record{
		ID: id, Kind: kind, Scope: scope, State: spec.Initial, Author: who, CreatedAt: w.now, Fields: flat, Stamps: map[string]field.Stamp{},
		Info: field.ScopeInfo{Orgs: []field.OrgID{local}},
	}
	if err := spec.Complete(r); err != nil {
		return err
	}
	c := w.caseOf(r, who)
	if spec.Made != nil {
		if err := spec.Made(c); err != nil {
			return err
		}
	}
	w.keep(c)
	return nil
}

func (w *world) keep(c *field.Case) {
	w.seq++
	c.Record.Version, c.Record.UpdatedAt = w.seq, w.now
	field.Index(c.Record)
	w.records[c.Record.ID] = c.Record
	for _, e := range c.Effects {
		if e.Info != nil {
			w.infos[e.Scope] = *e.Info
		}
		if e.Kind == "" {
			continue
		}
		r := w.records[e.ID]
		if r == nil {
			if !e.Make {
				continue
			}
			r = &field.Record{ID: e.ID, Kind: e.Kind, Scope: e.Scope, State: field.KindOf(e.Kind).Initial, CreatedAt: w.now, Fields: map[string]field.Value{}}
		}
		r = r.Clone()
		for p, v := range e.Set {
			if v == nil {
				delete(r.Fields, p)
			} else {
				r.Fields[p] = v
			}
		}
		if e.State != "" {
			r.State = e.State
		}
		r.Version = w.seq
		field.Index(r)
		w.records[r.ID] = r
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("refused: %v", err)
	}
}

// refuses runs what must be refused with a code, and checks that no record has changed.
func (w *world) refuses(code field.Code, do func() error) {
	w.t.Helper()
	before := maps.Clone(w.records)
	print := fmt.Sprint(w.prints())
	err := do()
	var e *field.Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Errorf("want %s, got %v", code, err)
	}
	if !maps.Equal(before, w.records) || print != fmt.Sprint(w.prints()) {
		w.t.Errorf("a refusal with %s changed something", code)
	}
}

func (w *world) prints() []string {
	var out []string
	for _, r := range w.records {
		out = append(out, fmt.Sprint(r.ID, r.State, r.Deleted, string(r.Document())))
	}
	slices.Sort(out)
	return out
}

func (w *world) state(id field.RecordID, want field.State) {
	w.t.Helper()
	if got := w.records[id].State; got != want {
		w.t.Errorf("%s %s is %s, want %s", w.records[id].Kind, id, got, want)
	}
}

// notices lists the types of the notices in somebody's inbox.
func (w *world) notices(to field.UserID) []string {
	var out []string
	for _, r := range w.records {
		if r.Kind == field.KindNotice && r.Scope == field.MakeScope(field.ScopeUser, string(to)) {
			out = append(out, r.Text("type"))
		}
	}
	slices.Sort(out)
	return out
}
