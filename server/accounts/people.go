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

// batch puts a click together. trusted says that the server vouches for it: the founder's administrator acts in the
// scope of an organisation that is not the own one.
func (t Act) batch(scope field.Scope, trusted bool, ops ...protocol.Operation) protocol.Batch {
	b := protocol.Batch{Actor: t.Actor, Device: t.Device, Number: t.Number, Scope: scope, Operations: ops, Strict: true}
	if trusted {
		who := *t.Actor
		who.Server = true
		b.Actor, b.Trusted = &who, true
	}
	return b
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

// orgEpoch is part of every organisation's record id, and of nothing else.
var orgEpoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// OrgRecord is the id of an organisation's record. It follows from the code, so a code is given once.
func OrgRecord(code field.OrgID) field.RecordID { return field.DeriveID(orgEpoch, "org", string(code)) }

// CreateOrg makes another organisation; only an administrator of the founding one may. CodeTaken when the code is.
func (a *Accounts) CreateOrg(ctx context.Context, act Act, o Org) (*field.Record, error) {
	founder, err := a.isFounder(ctx, act.Actor)
	if err != nil {
		return nil, err
	}
	if !founder {
		return nil, field.Refuse(field.CodeNotPermitted, "Only an administrator of the founding organisation makes others.")
	}
	if !field.ValidOrg(string(o.Code)) {
		return nil, field.Refuse(field.CodeBadID, "code has 2 to 32 of a-z, 0-9 and '-'.")
	}
	id, scope := OrgRecord(o.Code), field.MakeScope(field.ScopeOrg, string(o.Code))
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
	if _, err := a.commit.Commit(ctx, act.batch(scope, true, protocol.Operation{ID: id, Kind: field.KindOrg, Set: o.fields()})); err != nil {
		return nil, err
	}
	return a.record(ctx, field.KindOrg, id)
}

// EditOrg changes an organisation that was last seen at version. The limit of its space is for an administrator of the
// founding organisation.
func (a *Accounts) EditOrg(ctx context.Context, act Act, code field.OrgID, version int64, set map[string]field.Value) (*field.Record, error) {
	id := OrgRecord(code)
	r, err := a.record(ctx, field.KindOrg, id)
	if err != nil {
		return nil, err
	}
	trusted, err := a.elsewhere(ctx, act.Actor, r)
	if err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, field.Refuse(field.CodeMissingField, "Name at least one field to change.")
	}
	if _, ok := set["spaceLimit"]; ok { // who is limited does not set the limit
		if trusted, err = a.isFounder(ctx, act.Actor); err != nil {
			return nil, err
		}
		if !trusted {
			return nil, field.Refuse(field.CodeNotPermitted, "Only an administrator of the founding organisation sets the limit of space.")
		}
	}
	if _, err := a.commit.Commit(ctx, act.batch(r.Scope, trusted, protocol.Operation{ID: id, Kind: field.KindOrg, Base: version, Set: set})); err != nil {
		return nil, err
	}
	return a.record(ctx, field.KindOrg, id)
}

// MayManage refuses who is neither an administrator of the organisation nor one of the founding one, as elsewhere does.
func (a *Accounts) MayManage(ctx context.Context, who *access.Actor, code field.OrgID) error {
	r, err := a.record(ctx, field.KindOrg, OrgRecord(code))
	if err != nil {
		return err
	}
	_, err = a.elsewhere(ctx, who, r)
	return err
}

// elsewhere reports whether somebody acts on a record of another organisation than the own one. That is for an
// administrator of the founding organisation; for others it is CodeNotPermitted, or CodeNotFound where they see nothing.
func (a *Accounts) elsewhere(ctx context.Context, who *access.Actor, r *field.Record) (bool, error) {
	if string(who.Org) == r.Scope.ID() {
		return false, nil
	}
	founder, err := a.isFounder(ctx, who)
	if err != nil || founder {
		return founder, err
	}
	if !access.MayRead(who, r.Scope, r.Info) {
		return false, field.Refuse(field.CodeNotFound, "")
	}
	return false, field.Refuse(field.CodeNotPermitted, "")
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

func checkRoles(roles []access.Grant) error {
	for _, g := range roles {
		known := false
		for _, r := range access.Roles() {
			known = known || r.Code == string(g.Role)
		}
		if !known {
			return field.Refuse(field.CodeBadChoice, "%s is not a role.", field.Quote(g.Role))
		}
	}
	return nil
}

// CreatePerson makes a person and the account to sign in with; an administrator of the organisation may, and one of the
// founding organisation for every other. CodeTaken when the sign-in name is.
func (a *Accounts) CreatePerson(ctx context.Context, act Act, org field.OrgID, p Person, login, password string) (*field.Record, error) {
	home, err := a.record(ctx, field.KindOrg, OrgRecord(org))
	if err != nil {
		return nil, err
	}
	trusted, err := a.elsewhere(ctx, act.Actor, home)
	if err != nil {
		return nil, err
	}
	name, err := NormalLogin(login)
	if err != nil {
		return nil, err
	}
	if err := checkRoles(p.Roles); err != nil {
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
	_, err = a.commit.Commit(ctx, act.batch(field.MakeScope(field.ScopeOrg, string(org)), trusted,
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
	r, err := a.record(ctx, field.KindPerson, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	trusted, err := a.elsewhere(ctx, act.Actor, r)
	if err != nil {
		return nil, err
	}
	op := protocol.Operation{ID: r.ID, Kind: field.KindPerson, Base: version, Command: "leave", Args: map[string]field.Value{"reason": field.Quote(reason)}}
	if _, err := a.commit.Commit(ctx, act.batch(r.Scope, trusted, op)); err != nil {
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
