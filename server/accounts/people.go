package accounts

import (
	"context"
	"fmt"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Act says who clicks, on which device and under which number; as in server/workflow.
type Act struct {
	Actor  *access.Actor
	Device field.DeviceID
	Number int64
}

func (t Act) name() string { return fmt.Sprintf("%s %d", t.Device, t.Number) }

// batch puts a click together.
func (t Act) batch(scope field.Scope, ops ...protocol.Operation) protocol.Batch {
	return protocol.Batch{Actor: t.Actor, Device: t.Device, Number: t.Number, Scope: scope, Operations: ops, Strict: true}
}

// Org is an organisation.
type Org struct {
	Code     field.OrgID
	Name     string
	NameEN   string
	Region   string // GB/T 2260 code of six digits
	Partners []field.OrgID
}

func (o Org) fields() map[string]field.Value {
	set := map[string]field.Value{"code": field.Quote(o.Code), "name": field.Quote(o.Name), "region": field.Quote(o.Region)}
	if o.NameEN != "" {
		set["nameEn"] = field.Quote(o.NameEN)
	}
	if len(o.Partners) > 0 {
		set["partners"] = field.Quote(o.Partners)
	}
	return set
}

// CreateOrg makes another organisation; only an administrator of the founding one may. CodeTaken when the code is.
func (a *Accounts) CreateOrg(ctx context.Context, act Act, o Org) (*field.Record, error) {
	if !field.ValidOrg(string(o.Code)) {
		return nil, field.Refuse(field.CodeBadID, "code has 2 to 32 of a-z, 0-9 and '-'.")
	}
	id, scope := field.OrgRecord(o.Code), field.MakeScope(field.ScopeOrg, string(o.Code))
	if !access.MayAnywhere(act.Actor, "org.create") { // who may not make one learns nothing of the code
		return nil, field.Refuse(field.CodeNotPermitted, "Only an administrator of the founding organisation makes others.")
	}
	known, err := a.records.Records(ctx, []field.RecordID{id})
	if err != nil {
		return nil, err
	}
	if len(known) > 0 { // unless this very click made it
		if _, err := a.records.Batch(ctx, scope, act.Device, act.Number); field.Is(err, field.CodeNotFound) {
			return nil, field.Refuse(field.CodeTaken, "").About(string(id))
		} else if err != nil {
			return nil, err
		}
	}
	if _, err := a.commit.Commit(ctx, act.batch(scope, protocol.Operation{ID: id, Kind: field.KindOrg, Set: o.fields()})); err != nil {
		return nil, err
	}
	return a.record(ctx, field.KindOrg, id)
}

// EditOrg changes an organisation that was last seen at version. The limit of its space is for an administrator of the
// founding organisation.
func (a *Accounts) EditOrg(ctx context.Context, act Act, code field.OrgID, version int64, set map[string]field.Value) (*field.Record, error) {
	r, err := a.managed(ctx, act.Actor, "org.edit", field.KindOrg, field.OrgRecord(code))
	if err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, field.Refuse(field.CodeMissingField, "Name at least one field to change.")
	}
	if _, err := a.commit.Commit(ctx, act.batch(r.Scope, protocol.Operation{ID: r.ID, Kind: field.KindOrg, Base: version, Set: set})); err != nil {
		return nil, err
	}
	return a.record(ctx, field.KindOrg, r.ID)
}

// MayManage refuses who administers neither the organisation nor, as the founder does, all of them.
func (a *Accounts) MayManage(ctx context.Context, who *access.Actor, code field.OrgID) error {
	_, err := a.managed(ctx, who, "org.edit", field.KindOrg, field.OrgRecord(code))
	return err
}

// managed loads a record about which somebody may do an action. What he may neither do nor see is not there.
func (a *Accounts) managed(ctx context.Context, who *access.Actor, action access.Action, kind field.Kind, id field.RecordID) (*field.Record, error) {
	r, err := a.record(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	_, err = access.Judge(who, action, access.Of(r))
	return r, err
}

// Person is somebody who works here.
type Person struct {
	ID    field.RecordID // empty: one is made
	Name  string
	Title string
	Roles []access.Grant
}

func (p Person) fields() map[string]field.Value {
	set := map[string]field.Value{"name": field.Quote(p.Name)}
	if p.Title != "" {
		set["title"] = field.Quote(p.Title)
	}
	if len(p.Roles) > 0 {
		set["roles"] = field.Quote(p.Roles)
	}
	return set
}

// CreatePerson makes a person and the account to sign in with; an administrator of the organisation may, and one of the
// founding organisation for every other. CodeTaken when the sign-in name is.
func (a *Accounts) CreatePerson(ctx context.Context, act Act, org field.OrgID, p Person, login, password string) (*field.Record, error) {
	if _, err := a.managed(ctx, act.Actor, "person.create", field.KindOrg, field.OrgRecord(org)); err != nil {
		return nil, err
	}
	name, err := NormalLogin(login)
	if err != nil {
		return nil, err
	}
	if p.ID == "" {
		p.ID = a.newID()
	}
	if !field.ValidID(string(p.ID)) {
		return nil, field.Refuse(field.CodeBadID, "")
	}
	hash, err := a.hash.make(ctx, password)
	if err != nil {
		return nil, err
	}
	// The name first: a name without a person signs nobody in, a person without a name could not be repaired.
	acc, err := a.reserve(ctx, name, account{User: field.UserID(p.ID), Org: org, Hash: hash, Made: a.now().UTC(), By: act.name()})
	if err != nil {
		return nil, err
	}
	p.ID = field.RecordID(acc.User)
	_, err = a.commit.Commit(ctx, act.batch(field.MakeScope(field.ScopeOrg, string(org)),
		protocol.Operation{ID: p.ID, Kind: field.KindPerson, Set: p.fields()}))
	if err != nil {
		if !momentary(err) {
			a.release(ctx, name, acc)
		}
		return nil, err
	}
	return a.record(ctx, field.KindPerson, p.ID)
}

// reserve takes a sign-in name. The same click gets the account that it made before; a name whose person was never
// written is taken over.
func (a *Accounts) reserve(ctx context.Context, login string, wanted account) (account, error) {
	old, doc, found, err := read[account](ctx, a.docs, store.Accounts, login)
	if err != nil {
		return old, err
	}
	if found {
		if old.By == wanted.By && old.Org == wanted.Org {
			return old, nil
		}
		people, err := a.records.Records(ctx, []field.RecordID{field.RecordID(old.User)})
		if err != nil {
			return old, err
		}
		if len(people) > 0 || a.now().Before(old.Made.Add(time.Minute)) {
			return old, field.Refuse(field.CodeTaken, "")
		}
	}
	doc.Key = string(wanted.User)
	err = write(ctx, a.docs, doc, wanted)
	if field.Is(err, field.CodeStale) {
		return old, field.Refuse(field.CodeTaken, "")
	}
	return wanted, err
}

// release gives a name back whose person was refused.
func (a *Accounts) release(ctx context.Context, login string, acc account) {
	now, doc, found, err := read[account](ctx, a.docs, store.Accounts, login)
	if err != nil || !found || now.User != acc.User {
		return
	}
	people, err := a.records.Records(ctx, []field.RecordID{field.RecordID(acc.User)})
	if err != nil || len(people) > 0 {
		return
	}
	_ = a.docs.DeleteDoc(ctx, store.Accounts, login, doc.Version) // otherwise it is taken over later, see reserve
}

// Leave ends somebody's work here: their tokens and their password are good for nothing from now on.
func (a *Accounts) Leave(ctx context.Context, act Act, id field.UserID, version int64, reason string) (*field.Record, error) {
	r, err := a.managed(ctx, act.Actor, "person.leave", field.KindPerson, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	op := protocol.Operation{ID: r.ID, Kind: field.KindPerson, Base: version, Command: "leave", Args: map[string]field.Value{"reason": field.Quote(reason)}}
	if _, err := a.commit.Commit(ctx, act.batch(r.Scope, op)); err != nil {
		return nil, err
	}
	a.actors.dropUser(id)
	return a.record(ctx, field.KindPerson, r.ID)
}

func (a *Accounts) record(ctx context.Context, kind field.Kind, id field.RecordID) (*field.Record, error) {
	records, err := a.records.Records(ctx, []field.RecordID{id})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Kind != kind {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return records[0], nil
}
