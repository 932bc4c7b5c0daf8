package accounts

import (
	"context"
	"slices"
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

// batch puts a click together.
func (t Act) batch(scope field.Scope, ops ...protocol.Operation) protocol.Batch {
	return protocol.Batch{Actor: t.Actor, Device: t.Device, Number: t.Number, Scope: scope, Operations: ops, Strict: true}
}

// desk is batch for what phones may not write: the server puts it together, and whether the actor may is asked all the
// same.
func (t Act) desk(scope field.Scope, ops ...protocol.Operation) protocol.Batch {
	b := t.batch(scope, ops...)
	b.Trusted = true
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

// CreateOrg makes another organisation; only an administrator of the founding one may. CodeTaken when the code is.
func (a *Accounts) CreateOrg(ctx context.Context, act Act, o Org) (*field.Record, error) {
	if !field.ValidOrg(string(o.Code)) {
		return nil, field.Refuse(field.CodeBadID, "code has 2 to 32 of a-z, 0-9 and '-'.").InChinese("code 由 2 至 32 个 a-z、0-9 或 '-' 组成。")
	}
	id, scope := field.OrgRecord(o.Code), field.MakeScope(field.ScopeOrg, string(o.Code))
	if !access.MayAnywhere(act.Actor, "org.create") { // who may not make one learns nothing of the code
		return nil, field.Refuse(field.CodeNotPermitted, "Only an administrator of the founding organisation makes others.").
			InChinese("只有创建方的系统管理员可以新建组织。")
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
	return a.click(ctx, act, scope, protocol.Operation{ID: id, Kind: field.KindOrg, Set: o.fields()})
}

// click commits one operation and gives back the record as it left it, or of a repetition as it stands.
func (a *Accounts) click(ctx context.Context, act Act, scope field.Scope, op protocol.Operation) (*field.Record, error) {
	done, err := a.commit.Commit(ctx, act.batch(scope, op))
	if err != nil {
		return nil, err
	}
	return a.left(ctx, done, op.Kind, op.ID)
}

// left is a record as a commit left it, and not as somebody else has changed it since.
func (a *Accounts) left(ctx context.Context, done protocol.PushResponse, kind field.Kind, id field.RecordID) (*field.Record, error) {
	if r := done.Records[id]; r != nil {
		return r, nil
	}
	return a.record(ctx, kind, id)
}

// EditOrg changes an organisation that was last seen at version. The limit of its space is for an administrator of the
// founding organisation.
func (a *Accounts) EditOrg(ctx context.Context, act Act, code field.OrgID, version int64, set map[string]field.Value) (*field.Record, error) {
	r, err := a.managed(ctx, act.Actor, "org.edit", field.KindOrg, field.OrgRecord(code))
	if err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, field.Refuse(field.CodeMissingField, "Name at least one field to change.").InChinese("请至少列明一个要更改的字段。")
	}
	return a.click(ctx, act, r.Scope, protocol.Operation{ID: r.ID, Kind: field.KindOrg, Base: version, Set: set})
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

// CreatePerson makes a person, the account to sign in with and a one-time code for the first device, in one commit: all
// of it or nothing. An administrator of the organisation may, and one of the founding organisation for every other.
// CodeTaken when the organisation has the sign-in name, CodeBadID when the id is taken, no matter by whom.
func (a *Accounts) CreatePerson(ctx context.Context, act Act, org field.OrgID, p Person, login, password string) (*field.Record, Code, error) {
	if _, err := a.managed(ctx, act.Actor, "person.create", field.KindOrg, field.OrgRecord(org)); err != nil {
		return nil, Code{}, err
	}
	name, err := NormalLogin(login)
	if err != nil {
		return nil, Code{}, err
	}
	word, err := a.codeFor(ctx, field.ForDevice, org, act)
	if err != nil {
		return nil, Code{}, err
	}
	scope := field.MakeScope(field.ScopeOrg, string(org))
	made, err := a.records.Batch(ctx, scope, act.Device, act.Number)
	switch {
	case err == nil:
		return a.createdBefore(ctx, made, org, p, name, word)
	case !field.Is(err, field.CodeNotFound):
		return nil, Code{}, err
	}
	if p.ID == "" {
		p.ID = field.RandomID(a.now())
	}
	if !field.ValidID(string(p.ID)) {
		return nil, Code{}, field.Refuse(field.CodeBadID, "")
	}
	known, err := a.records.Records(ctx, []field.RecordID{p.ID, field.AccountID(org, name)})
	if err != nil {
		return nil, Code{}, err
	}
	// Said before the work of a hash; what counts is asked again at the commit.
	switch {
	case slices.ContainsFunc(known, func(r *field.Record) bool { return r.ID == p.ID }):
		return nil, Code{}, field.Refuse(field.CodeBadID, "The id is taken; make a new one.").InChinese("该编号已被使用，请另行生成。")
	case len(known) > 0:
		return nil, Code{}, field.Refuse(field.CodeTaken, "")
	}
	digest, err := a.newPassword(ctx, password, name, p.Name, org)
	if err != nil {
		return nil, Code{}, err
	}
	user, until := field.UserID(p.ID), a.now().UTC().Truncate(time.Millisecond).Add(a.codeTTL)
	b := act.batch(scope, protocol.Operation{ID: p.ID, Kind: field.KindPerson, Set: p.fields()})
	b.Then = func(c *field.Case) error {
		if err := field.NewAccount(c, org, name, user, digest); err != nil {
			return err
		}
		return field.NewCode(c, field.CodeID(word), org, field.ForDevice, user, field.CodeDigest(word), until, "")
	}
	res, err := a.commit.Commit(ctx, b)
	if err != nil || res.Replayed { // the same click came twice at once: the other one's hash counts
		a.dropHash(ctx, digest, err)
	}
	if err != nil {
		return nil, Code{}, err
	}
	r, err := a.left(ctx, res, field.KindPerson, p.ID)
	return r, Code{Code: word, Until: until}, err
}

// createdBefore answers a click that made a person already, if it was the same.
func (a *Accounts) createdBefore(ctx context.Context, made store.Entry, org field.OrgID, p Person, login, word string) (*field.Record, Code, error) {
	reused := field.Refuse(field.CodeBatchReused, "This Idempotency-Key was used for something else.").
		InChinese("该 Idempotency-Key 已用于其他请求。")
	body, err := protocol.Open(made)
	if err != nil {
		return nil, Code{}, err
	}
	if len(body.Ops) != 1 || body.Ops[0].Kind != field.KindPerson || p.ID != "" && p.ID != body.Ops[0].ID {
		return nil, Code{}, reused
	}
	r, err := a.record(ctx, field.KindPerson, body.Ops[0].ID)
	if err != nil {
		return nil, Code{}, err
	}
	acc, err := a.find(ctx, field.KindAccount, field.AccountID(org, login))
	if err != nil {
		return nil, Code{}, err
	}
	if acc == nil || acc.Text("personId") != string(r.ID) {
		return nil, Code{}, reused
	}
	code, err := a.find(ctx, field.KindCode, field.CodeID(word))
	if err != nil || code == nil {
		return r, Code{}, err
	}
	return r, Code{Code: word, Until: code.Time("until")}, nil
}

// EditPerson changes the name, title or roles of a person who was last seen at version.
func (a *Accounts) EditPerson(ctx context.Context, act Act, id field.UserID, version int64, set map[string]field.Value) (*field.Record, error) {
	r, err := a.managed(ctx, act.Actor, "person.edit", field.KindPerson, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, field.Refuse(field.CodeMissingField, "Name at least one field to change.").InChinese("请至少列明一个要更改的字段。")
	}
	defer a.actors.dropUser(id)
	return a.click(ctx, act, r.Scope, protocol.Operation{ID: r.ID, Kind: field.KindPerson, Base: version, Set: set})
}

// Leave ends somebody's work here: their password is good for nothing from now on, and their sessions for handing in
// what is on their devices.
func (a *Accounts) Leave(ctx context.Context, act Act, id field.UserID, version int64, reason string) (*field.Record, error) {
	r, err := a.managed(ctx, act.Actor, "person.leave", field.KindPerson, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	op := protocol.Operation{ID: r.ID, Kind: field.KindPerson, Base: version, Command: "leave", Args: map[string]field.Value{"reason": field.Quote(reason)}}
	defer a.actors.dropUser(id)
	return a.click(ctx, act, r.Scope, op)
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
