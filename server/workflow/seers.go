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

// watches are the roles that ask who can see a site or a clue: those who give access, order recusals or audit.
var watches = []access.Role{access.Supervisor, access.ClueManager, access.Leader, access.Auditor}

// mayWatch loads the attributes of a site or clue for somebody who may ask who sees it; any other is CodeNotFound.
func (f *Flow) mayWatch(ctx context.Context, who *access.Actor, scope field.Scope) (field.ScopeInfo, error) {
	if t := scope.Type(); !scope.Valid() || t != field.ScopeSite && t != field.ScopeClue && t != field.ScopeCampaign {
		return field.ScopeInfo{}, field.Refuse(field.CodeBadRequest, "scope is that of a site, a clue or a campaign.").
			InChinese("scope 须为项目点、问题线索或回头看的范围。")
	}
	head, err := f.store.Head(ctx, scope)
	switch {
	case field.Is(err, field.CodeNotFound) || err == nil && !access.MayRead(who, scope, head.Info):
		return field.ScopeInfo{}, field.Refuse(field.CodeNotFound, "").About(string(scope))
	case err != nil:
		return field.ScopeInfo{}, err
	case !slices.ContainsFunc(watches, who.Has):
		return field.ScopeInfo{}, field.Refuse(field.CodeNotPermitted, "")
	}
	return head.Info, nil
}

// Scoped lists grants or recusals: those about a site or clue for who watches over it, or, without a scope, somebody's
// own.
func (f *Flow) Scoped(ctx context.Context, who *access.Actor, kind field.Kind, state field.State, scope field.Scope, ask Ask) (Records, error) {
	visible := access.Visible(who)
	q := store.Query{Kinds: []field.Kind{kind}, States: states(state), Keys: where{}.is("scope", string(scope))}
	if scope == "" {
		q.Scope = field.MakeScope(field.ScopeUser, string(who.User))
	} else {
		if _, err := f.mayWatch(ctx, who, scope); err != nil {
			return Records{}, err
		}
		visible = access.Filter{Any: []access.Clause{{Types: []field.ScopeType{field.ScopeUser}, Keys: []string{field.KeyFor("scope", scope)}}}}
	}
	records, next, err := f.listOf(ctx, visible, q, ask)
	if err != nil {
		return Records{}, err
	}
	return Records{Items: wire(records), Next: next}, nil
}

// Seer is somebody who can see a site or a clue, with one reason for it. A person stands once for each reason.
type Seer struct {
	Person  Named          `json:"person"`
	Org     field.OrgID    `json:"org"`
	Roles   []field.Role   `json:"roles"`             // that count there
	By      string         `json:"by"`                // role, grant or mandate: why
	Since   string         `json:"since"`             // when the reason was written down, as far as the server knows
	Until   string         `json:"until,omitempty"`   // when it ends by itself
	Why     string         `json:"why,omitempty"`     // of a grant
	Grant   field.RecordID `json:"grant,omitempty"`   // the record to end
	Mandate field.RecordID `json:"mandate,omitempty"` // under which the person's organisation acts
	Recused bool           `json:"recused"`           // the person must stay away, and sees nothing
}

// Seers says who can see a site or a clue, since when, and why. The list is whole for organisations of up to
// mostPeople.
type Seers struct {
	Scope field.Scope `json:"scope"`
	Items []Seer      `json:"items"`
	Cut   bool        `json:"cut"` // there are more people than were looked at
}

// mostPeople bounds how many people of one organisation are looked at.
const mostPeople = 5000

// WhoSees puts together who can see a site or a clue.
func (f *Flow) WhoSees(ctx context.Context, who *access.Actor, scope field.Scope) (*Seers, error) {
	info, err := f.mayWatch(ctx, who, scope)
	if err != nil {
		return nil, err
	}
	about := func(kind field.Kind) (map[field.UserID][]*field.Record, error) {
		found, err := f.everyOf(ctx, store.Query{
			Visible: access.Everything, Kinds: []field.Kind{kind}, States: []field.State{field.StateActive}, Keys: where{}.is("scope", string(scope)),
		})
		by := map[field.UserID][]*field.Record{}
		for _, r := range found {
			id := field.UserID(r.Scope.ID())
			by[id] = append(by[id], r)
		}
		return by, err
	}
	grants, err := about(field.KindGrant)
	if err != nil {
		return nil, err
	}
	recusals, err := about(field.KindRecusal)
	if err != nil {
		return nil, err
	}
	mandates, err := f.mandatesOf(ctx, info.Owner())
	if err != nil {
		return nil, err
	}
	out := &Seers{Scope: scope, Items: []Seer{}}
	orgs := []field.OrgID{info.Owner()}
	for _, m := range mandates {
		if m.Covers(m.Agent, scope, info) && !slices.Contains(orgs, m.Agent) {
			orgs = append(orgs, m.Agent)
		}
	}
	for _, org := range orgs {
		people, whole, err := f.upTo(ctx, store.Query{
			Visible: access.Everything, Scope: field.MakeScope(field.ScopeOrg, string(org)), Kinds: []field.Kind{field.KindPerson}, States: []field.State{field.StateActive},
		}, mostPeople)
		if err != nil {
			return nil, err
		}
		out.Cut = out.Cut || !whole
		for _, p := range people {
			out.Items = append(out.Items, seersOf(p, org, scope, info, mandates, grants[field.UserID(p.ID)], len(recusals[field.UserID(p.ID)]) > 0, f.now)...)
		}
	}
	return out, nil
}

// mandatesOf lists the mandates of an organisation that count now.
func (f *Flow) mandatesOf(ctx context.Context, principal field.OrgID) ([]field.Mandate, error) {
	records, err := f.everyOf(ctx, store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindMandate}, States: []field.State{field.MandateValid}, Keys: where{}.is("principal", string(principal)),
	})
	var found []field.Mandate
	for _, r := range records {
		if m, ok := field.MandateOf(r, f.now()); ok {
			found = append(found, m)
		}
	}
	return found, err
}

// seersOf gives the reasons for which one person sees a scope: a role, and each grant.
func seersOf(p *field.Record, org field.OrgID, scope field.Scope, info field.ScopeInfo, mandates []field.Mandate, grants []*field.Record, recused bool, now func() time.Time) []Seer {
	roles, err := field.RolesOf(p)
	if err != nil {
		return nil // the record is damaged, and the person has no role
	}
	actor := &access.Actor{User: field.UserID(p.ID), Org: org, Roles: roles}
	for _, m := range mandates {
		if m.Agent == org {
			actor.Mandates = append(actor.Mandates, m)
		}
	}
	row := Seer{Person: Named{ID: p.ID, Name: label(p)}, Org: org, Roles: []field.Role{}, Recused: recused}
	for _, g := range roles {
		row.Roles = append(row.Roles, g.Role)
	}
	var out []Seer
	if mandate, sees := access.ReadUnder(actor, scope, info); sees {
		one := row
		one.By, one.Since, one.Mandate = "role", protocol.Stamp(p.UpdatedAt), mandate
		if mandate != "" {
			one.By = "mandate"
		}
		return append(out, one)
	}
	actor.Scopes = []field.Scope{scope}
	mandate, sees := access.ReadUnder(actor, scope, info)
	for _, g := range grants {
		if until := g.Time("until"); !sees || !until.IsZero() && !until.After(now()) {
			continue
		}
		one := row
		one.By, one.Since, one.Until, one.Why, one.Grant, one.Mandate = "grant", protocol.Stamp(g.UpdatedAt), g.Text("until"), g.Text("why"), g.ID, mandate
		out = append(out, one)
	}
	return out
}
