package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// home is the scope of the actor's own organisation, where reference data lives.
func home(act Act) field.Scope { return field.MakeScope(field.ScopeOrg, string(act.Actor.Org)) }

// RegisterProject puts a project into the ledger of the actor's organisation.
func (f *Flow) RegisterProject(ctx context.Context, act Act, id field.ProjectID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindProject, home(act), field.RecordID(id), fields)
}

// EditProject changes what the ledger says.
func (f *Flow) EditProject(ctx context.Context, act Act, id field.ProjectID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindProject, field.RecordID(id), version, fields)
}

// AdvanceProject moves a project one step along its life, or suspends or terminates it with a reason.
func (f *Flow) AdvanceProject(ctx context.Context, act Act, id field.ProjectID, version int64, to field.State, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindProject, field.RecordID(id), version, "advance", values{"to": to, "reason": reason})
}

// Projects lists projects, the oldest first. externalID finds one by its number in the ledger.
func (f *Flow) Projects(ctx context.Context, who *access.Actor, state field.State, externalID string, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindProject}, States: states(state), Keys: where{}.is("externalId", externalID)}, ask)
}

// AddSite makes a site of a project; with it comes the scope in which its reports live.
func (f *Flow) AddSite(ctx context.Context, act Act, id field.SiteID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindSite, home(act), field.RecordID(id), fields)
}

// EditSite changes what is known of a site.
func (f *Flow) EditSite(ctx context.Context, act Act, id field.SiteID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindSite, field.RecordID(id), version, fields)
}

// ActivateSite opens a site that has a position for visits.
func (f *Flow) ActivateSite(ctx context.Context, act Act, id field.SiteID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindSite, field.RecordID(id), version, "activate", nil)
}

// CloseSite ends the visits to a site.
func (f *Flow) CloseSite(ctx context.Context, act Act, id field.SiteID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindSite, field.RecordID(id), version, "close", values{"reason": reason})
}

// Sites lists sites, the oldest first.
func (f *Flow) Sites(ctx context.Context, who *access.Actor, state field.State, project field.ProjectID, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindSite}, States: states(state), Keys: where{}.is("projectId", string(project))}, ask)
}

// AddHousehold notes under which alias a household lives at a site, and whether it petitioned.
func (f *Flow) AddHousehold(ctx context.Context, act Act, id field.RecordID, fields map[string]field.Value) (*field.Record, error) {
	scope, err := f.scopeNamed(ctx, act, field.KindHousehold, field.ScopeSite, "siteId", fields)
	if err != nil {
		return nil, err
	}
	return f.create(ctx, act, field.KindHousehold, scope, id, fields)
}

// EditHousehold changes what is noted of it.
func (f *Flow) EditHousehold(ctx context.Context, act Act, id field.RecordID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindHousehold, id, version, fields)
}

// VoidHousehold takes it off the list.
func (f *Flow) VoidHousehold(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindHousehold, id, version, "void", values{"reason": reason})
}

// Households lists the households of sites, the oldest first.
func (f *Flow) Households(ctx context.Context, who *access.Actor, site field.SiteID, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindHousehold}, Keys: where{}.is("siteId", string(site))}, ask)
}

// EnterPayment puts a payment into the ledger of a project.
func (f *Flow) EnterPayment(ctx context.Context, act Act, id field.RecordID, fields map[string]field.Value) (*field.Record, error) {
	scope, err := f.scopeNamed(ctx, act, field.KindPayment, field.ScopeLedger, "projectId", fields)
	if err != nil {
		return nil, err
	}
	return f.create(ctx, act, field.KindPayment, scope, id, fields)
}

// EditPayment changes what the ledger says of it.
func (f *Flow) EditPayment(ctx context.Context, act Act, id field.RecordID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindPayment, id, version, fields)
}

// VoidPayment takes it out of the ledger.
func (f *Flow) VoidPayment(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindPayment, id, version, "void", values{"reason": reason})
}

// Payments lists the payments of projects, the oldest entered first.
func (f *Flow) Payments(ctx context.Context, who *access.Actor, project field.ProjectID, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindPayment}, Keys: where{}.is("projectId", string(project))}, ask)
}

// scopeNamed is the scope, of a site or of a ledger, whose id stands among the fields of a record that is to be made there.
func (f *Flow) scopeNamed(ctx context.Context, act Act, kind field.Kind, home field.ScopeType, name string, fields map[string]field.Value) (field.Scope, error) {
	id := (&field.Record{Fields: fields}).Text(name)
	if !field.ValidID(id) {
		return "", field.Refuse(field.CodeMissingField, "%s is missing, or is no id.", name).InChinese("缺少 %s，或其不是编号。", name)
	}
	scope := field.MakeScope(home, id)
	head, err := f.store.Head(ctx, scope)
	if field.Is(err, field.CodeNotFound) {
		return "", field.Refuse(field.CodeNotFound, "There is no such scope, or you may not see it.").InChinese("没有该范围，或您无权查看。")
	}
	if err != nil {
		return "", err
	}
	return scope, access.May(act.Actor, access.ActionFor(kind, "create"), scope, head.Info)
}

// DraftTemplate makes a checklist template that is not yet in use.
func (f *Flow) DraftTemplate(ctx context.Context, act Act, id field.TemplateID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindTemplate, home(act), field.RecordID(id), fields)
}

// EditTemplate changes a draft; what is published never changes.
func (f *Flow) EditTemplate(ctx context.Context, act Act, id field.TemplateID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindTemplate, field.RecordID(id), version, fields)
}

// PublishTemplate puts a template to use. One that asks what the ledger holds already is refused.
func (f *Flow) PublishTemplate(ctx context.Context, act Act, id field.TemplateID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindTemplate, field.RecordID(id), version, "publish", nil)
}

// RetireTemplate ends the use of a template; reports that answer it still arrive.
func (f *Flow) RetireTemplate(ctx context.Context, act Act, id field.TemplateID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindTemplate, field.RecordID(id), version, "retire", nil)
}

// Templates lists checklist templates, the oldest first.
func (f *Flow) Templates(ctx context.Context, who *access.Actor, state field.State, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindTemplate}, States: states(state)}, ask)
}

// Scoping says whom a grant or a recusal is for, and about what. Until is when a grant ends by itself; empty: never.
type Scoping struct {
	UserID field.UserID
	Scope  field.Scope
	Why    string
	Until  string
}

// GrantAccess lets somebody see one site or clue. Nobody gives what he cannot see himself.
func (f *Flow) GrantAccess(ctx context.Context, act Act, id field.RecordID, g Scoping) (*field.Record, error) {
	return f.create(ctx, act, field.KindGrant, field.MakeScope(field.ScopeUser, string(g.UserID)), id, values{"scope": g.Scope, "why": g.Why, "until": g.Until}.quoted())
}

// EndGrant takes it back.
func (f *Flow) EndGrant(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindGrant, id, version, "end", values{"reason": reason})
}

// DeclareRecusal keeps somebody away from a site, a clue or a campaign (回避), whatever else would allow it.
func (f *Flow) DeclareRecusal(ctx context.Context, act Act, id field.RecordID, r Scoping) (*field.Record, error) {
	return f.create(ctx, act, field.KindRecusal, field.MakeScope(field.ScopeUser, string(r.UserID)), id, values{"scope": r.Scope, "why": r.Why}.quoted())
}

// EndRecusal ends it. Nobody ends the own one.
func (f *Flow) EndRecusal(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindRecusal, id, version, "end", values{"reason": reason})
}

// DraftMandate writes down what the own organisation would let another one do (委托). It counts once a leader approves it.
func (f *Flow) DraftMandate(ctx context.Context, act Act, id field.RecordID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindMandate, home(act), id, fields)
}

// EditMandate changes a draft.
func (f *Flow) EditMandate(ctx context.Context, act Act, id field.RecordID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindMandate, id, version, fields)
}

// ApproveMandate puts a mandate into force; who drafted it does not approve it.
func (f *Flow) ApproveMandate(ctx context.Context, act Act, id field.RecordID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindMandate, id, version, "approve", nil)
}

// ExtendMandate moves the last day of a mandate.
func (f *Flow) ExtendMandate(ctx context.Context, act Act, id field.RecordID, version int64, to, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindMandate, id, version, "extend", values{"validTo": to, "reason": reason})
}

// RevokeMandate ends a mandate at once.
func (f *Flow) RevokeMandate(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindMandate, id, version, "revoke", values{"reason": reason})
}

// VoidMandate takes a draft out of view.
func (f *Flow) VoidMandate(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindMandate, id, version, "void", values{"reason": reason})
}

// Mandates lists the mandates that somebody may see: those of the own organisation, and those under which it acts.
func (f *Flow) Mandates(ctx context.Context, who *access.Actor, state field.State, agent, principal string, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindMandate}, States: states(state), Keys: where{}.is("agent", agent).is("principal", principal),
	}, ask)
}
