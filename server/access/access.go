// Package access says who may see and do what. It is pure.
//
// Start with table.go: one row per role, one per power of a mandate. Judge answers for one action on one scope,
// ReadUnder for reading one, Visible for lists; all stand on the same Clause, so a list never shows what Judge would
// refuse. A scope that is covered can be read whole, because what somebody may not read lives in another scope.
// docs/access.md is the table for people, made from here and from server/field (page.go).
//
// Whose record it is (its author's, its report's team's) is not asked here but by the kind: field.Spec.Authors.
package access

import (
	"slices"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Grant is a role that a person holds, with the places where it counts.
type Grant = field.RoleGrant

// Actor is somebody who acts: a person on a device, or a part of the server.
type Actor struct {
	User     field.UserID
	Name     string
	Org      field.OrgID
	Device   field.DeviceID
	Roles    []Grant
	Founder  bool            // the organisation set this server up
	Scopes   []field.Scope   // granted one by one: the sites of tasks, the clues of a case
	Until    time.Time       // when the first of these grants ends by itself; zero: none does
	Recused  []field.Scope   // 回避: beats every grant
	Mandates []field.Mandate // of other organisations, to one's own, that count today
	Given    []field.Mandate // of one's own organisation, to others, that count today
	HandsIn  bool            // the device was revoked, or the person has left: what is still sent is kept for review, and nothing else is allowed
	Moving   bool            // the device is being moved to somebody else: it sends what is left on it, and reads nothing
	Server   bool            // a follower, a worker, the set-up: no person
}

// Has reports whether the actor holds the role anywhere.
func (a *Actor) Has(r Role) bool {
	return slices.ContainsFunc(a.grants(), func(g Grant) bool { return g.Role == r })
}

// grants are the roles that somebody was given, and those that follow from them.
func (a *Actor) grants() []Grant {
	if a.Founder && slices.ContainsFunc(a.Roles, func(g Grant) bool { return g.Role == Administrator }) {
		return append(slices.Clip(a.Roles), Grant{Role: Founder})
	}
	return a.Roles
}

// Clause is one way in which a scope may be covered. Every set that is not empty must match.
type Clause struct {
	Types    []field.ScopeType
	Scopes   []field.Scope
	Orgs     []field.OrgID     // one of them takes part in the scope
	Owners   []field.OrgID     // one of them owns it: it is the first of those that take part
	Regions  []string          // the scope's region starts with one of them
	Projects []field.ProjectID // the scope belongs to one of them
	Keys     []string          // of single records: they are found by one of them
}

// Match reports whether the clause covers the scope.
func (c Clause) Match(scope field.Scope, info field.ScopeInfo) bool {
	if len(c.Types) > 0 && !slices.Contains(c.Types, scope.Type()) {
		return false
	}
	if len(c.Scopes) > 0 && !slices.Contains(c.Scopes, scope) {
		return false
	}
	if len(c.Orgs) > 0 && !slices.ContainsFunc(c.Orgs, info.Has) {
		return false
	}
	if len(c.Owners) > 0 && !slices.Contains(c.Owners, info.Owner()) {
		return false
	}
	if len(c.Regions) > 0 && !slices.ContainsFunc(c.Regions, func(p string) bool { return strings.HasPrefix(info.Region, p) }) {
		return false
	}
	return len(c.Projects) == 0 || slices.Contains(c.Projects, info.Project)
}

// covers is Match for one record.
func (c Clause) covers(m Matter) bool {
	return c.Match(m.Scope, m.Info) && (len(c.Keys) == 0 || slices.ContainsFunc(c.Keys, func(k string) bool { return slices.Contains(m.Keys, k) }))
}

// Filter says which scopes are visible: those that a clause covers and that are not excepted. The stores turn it into
// part of their queries. The zero Filter shows nothing.
type Filter struct {
	Any    []Clause
	Except []field.Scope
	Hidden []string // records that are found by one of these keys are not shown
}

// Everything shows every scope: for the server itself, for verification and for rebuilding.
var Everything = Filter{Any: []Clause{{}}}

// Match reports whether the scope is visible as a whole.
func (f Filter) Match(scope field.Scope, info field.ScopeInfo) bool {
	if slices.Contains(f.Except, scope) {
		return false
	}
	return slices.ContainsFunc(f.Any, func(c Clause) bool { return len(c.Keys) == 0 && c.Match(scope, info) })
}

// Whole is the filter as it counts for scopes: without the ways that lead to single records.
func (f Filter) Whole() Filter {
	return Filter{Except: f.Except, Any: slices.DeleteFunc(slices.Clone(f.Any), func(c Clause) bool { return len(c.Keys) > 0 })}
}

// Matter is what a judgement is about: a record, or the place where one is to be made.
type Matter struct {
	Scope field.Scope
	Info  field.ScopeInfo
	Keys  []string // by which lists find the record
}

// Of is the matter of a record.
func Of(r *field.Record) Matter { return Matter{Scope: r.Scope, Info: r.Info, Keys: r.Keys} }

// Shows reports whether a record is visible.
func (f Filter) Shows(m Matter) bool {
	if slices.Contains(f.Except, m.Scope) || slices.ContainsFunc(f.Hidden, func(k string) bool { return slices.Contains(m.Keys, k) }) {
		return false
	}
	return slices.ContainsFunc(f.Any, func(c Clause) bool { return c.covers(m) })
}

// way is how somebody comes to cover scopes: a clause, and the mandate under which it counts, if it is not by one's own
// organisation's right.
type way struct {
	Clause
	mandate *field.Mandate
}

// Visible is the list form of access: the scopes, and so the records, that the actor may read.
func Visible(a *Actor) Filter {
	if a.Server {
		return Everything
	}
	f := Filter{Except: slices.Clone(a.Recused)}
	for _, s := range a.Recused {
		if s.Type() == field.ScopeSite { // who stays away from a site is not told who looks at it
			f.Except = append(f.Except, field.CustodyScope(field.SiteID(s.ID()), a.Org))
		}
		f.Hidden = append(f.Hidden, field.KeyFor("target", s), field.KeyFor("recordScope", s))
	}
	for _, w := range readable(a) {
		f.Any = append(f.Any, w.Clause)
	}
	return f
}

// readable lists the ways in which somebody reads.
func readable(a *Actor) []way {
	ways := []way{
		{Clause: Clause{Scopes: []field.Scope{field.MakeScope(field.ScopeUser, string(a.User))}}},
		{Clause: Clause{Types: []field.ScopeType{field.ScopeOrg}, Orgs: []field.OrgID{a.Org}, Owners: []field.OrgID{a.Org}}},
	}
	for i := range a.Mandates { // who acts for another organisation reads its templates and what it says of its sites
		m := &a.Mandates[i]
		ways = append(ways, way{Clause: Clause{Scopes: []field.Scope{field.MakeScope(field.ScopeOrg, string(m.Principal))}}, mandate: m})
	}
	for i := range a.Given { // and the one who is acted for reads who it is that acts
		m := &a.Given[i]
		ways = append(ways, way{Clause: Clause{Scopes: []field.Scope{field.MakeScope(field.ScopeOrg, string(m.Agent))}}, mandate: m})
	}
	for _, g := range a.grants() {
		for _, reach := range table[g.Role].reads {
			ways = append(ways, reach.ways(a, g)...)
		}
	}
	return ways
}

// Quarantine is the list form for operations that were kept. They lie with who sent them; who decides about them sees
// those that were meant for what he may read.
func Quarantine(a *Actor) Filter {
	f := Visible(a)
	for _, g := range a.Roles {
		if !table[g.Role].may["parked.accept"] {
			continue
		}
		for _, reach := range table[g.Role].reads {
			for _, w := range reach.ways(a, g) {
				if w.mandate != nil && !empowered(w.mandate, "parked.accept") {
					continue
				}
				f.Any = append(f.Any, keptFor(w.Clause, reach.scope)...)
			}
		}
		f.Any = append(f.Any, keptFor(Clause{Owners: []field.OrgID{a.Org}}, field.ScopeOrg)...)
	}
	return f
}

// keptFor covers operations that were kept and had been meant for scopes that a clause covers.
func keptFor(c Clause, meant field.ScopeType) []Clause {
	var keys []string
	switch {
	case len(c.Scopes) > 0:
		for _, s := range c.Scopes {
			keys = append(keys, field.KeyFor("target", s))
		}
	case len(c.Owners) > 0 && meant.Pulled() && meant != field.ScopeUser:
		for _, owner := range c.Owners {
			for _, region := range orEmpty(c.Regions) {
				for _, project := range orEmpty(c.Projects) {
					keys = append(keys, field.KeyFor("about", field.About(meant, owner, region, project)))
				}
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return []Clause{{Types: []field.ScopeType{field.ScopeUser}, Keys: keys}}
}

func orEmpty[T ~string](list []T) []T {
	if len(list) == 0 {
		return []T{""}
	}
	return list
}

// MayRead is the item form of access: whether the actor may read what lives in the scope.
func MayRead(a *Actor, scope field.Scope, info field.ScopeInfo) bool {
	return Visible(a).Match(scope, info)
}

// ReadUnder is MayRead that tells the mandate under which it counts; empty where one's own organisation's right is
// enough.
func ReadUnder(a *Actor, scope field.Scope, info field.ScopeInfo) (mandate field.RecordID, ok bool) {
	if a.Server || !MayRead(a, scope, info) {
		return "", a.Server
	}
	for _, w := range readable(a) {
		switch {
		case !w.Match(scope, info):
		case w.mandate == nil:
			return "", true
		default:
			mandate, ok = w.mandate.ID, true
		}
	}
	return mandate, ok
}

// MayWrite reports whether some action of the actor counts in the scope although it may not be readable: an
// administrator makes people without reading what they do.
func MayWrite(a *Actor, scope field.Scope, info field.ScopeInfo) bool {
	if a.Server {
		return true
	}
	for _, g := range a.grants() {
		for _, reach := range table[g.Role].writes {
			if slices.ContainsFunc(reach.ways(a, g), func(w way) bool { return w.mandate == nil && w.Match(scope, info) }) {
				return true
			}
		}
	}
	return false
}

// Leave is a judgement that lets an action happen: by which role, and under which mandate if the matter is another
// organisation's.
type Leave struct {
	Role    Role
	Mandate field.RecordID
}

// Judge says by what right the actor may do the action about a matter, or CodeRecused, CodeNotFound (the matter is not
// visible: strangers cannot probe for existence) or CodeNotPermitted. The rules of the kind come on top.
func Judge(a *Actor, action Action, m Matter) (Leave, error) {
	if a.Server {
		return Leave{}, nil
	}
	if slices.Contains(a.Recused, m.Scope) {
		return Leave{}, field.Refuse(field.CodeRecused, "")
	}
	if a.HandsIn {
		return Leave{}, field.Refuse(field.CodeDeviceRevoked, "")
	}
	if own[action] && m.Scope == field.MakeScope(field.ScopeUser, string(a.User)) {
		return Leave{}, nil
	}
	if kept[action] {
		from := *a
		if action == "parked.destroy" { // what is gone is gone: that is under no power
			from.Mandates = nil
		}
		switch f := Quarantine(&from); {
		case !f.Shows(m):
			return Leave{}, field.Refuse(field.CodeNotFound, "")
		case !given(a, action):
			return Leave{}, field.Refuse(field.CodeNotPermitted, "")
		}
		return Leave{}, nil
	}
	var under *Leave
	for _, g := range a.grants() {
		row := table[g.Role]
		if !row.may[action] {
			continue
		}
		for _, reach := range slices.Concat(row.reads, row.writes) {
			for _, w := range reach.ways(a, g) {
				switch {
				case !w.covers(m):
				case w.mandate == nil:
					return Leave{Role: g.Role}, nil
				case under == nil && empowered(w.mandate, action):
					under = &Leave{Role: g.Role, Mandate: w.mandate.ID}
				}
			}
		}
	}
	if under != nil {
		return *under, nil
	}
	if !Visible(a).Shows(m) {
		return Leave{}, field.Refuse(field.CodeNotFound, "")
	}
	return Leave{}, field.Refuse(field.CodeNotPermitted, "")
}

// May is Judge for who does not ask by what right.
func May(a *Actor, action Action, scope field.Scope, info field.ScopeInfo) error {
	_, err := Judge(a, action, Matter{Scope: scope, Info: info})
	return err
}

// MayAnywhere reports whether any role of the actor allows the action at all: for actions that make a new scope.
func MayAnywhere(a *Actor, action Action) bool {
	return a.Server || own[action] || given(a, action)
}

// given reports whether a role of the actor allows the action.
func given(a *Actor, action Action) bool {
	return slices.ContainsFunc(a.grants(), func(g Grant) bool { return table[g.Role].may[action] })
}

// MaySet reports whether the actor holds one of the roles that set a field; empty: every role that may change the
// record.
func MaySet(a *Actor, roles []Role) bool {
	return a.Server || len(roles) == 0 || slices.ContainsFunc(roles, a.Has)
}

// Lend is the actor with a scope granted: who accepts an operation that was kept, and could give its author the scope,
// lets it in as if he had.
func Lend(a *Actor, scope field.Scope) *Actor {
	lent := *a
	lent.Scopes = append(slices.Clip(a.Scopes), scope)
	return &lent
}

// by says how a role comes to cover scopes of a type.
type by int

const (
	byOrg   by = iota // the actor's organisation owns it, or has a mandate of who does, within the regions and projects of the role
	byGrant           // the same, and named one by one
	byAll             // of every organisation
)

type reach struct {
	scope field.ScopeType
	by    by
}

// ways are the clauses of a reach: one for what one's own organisation owns, and for joint sites and clues one for each
// mandate and sort of subject.
func (r reach) ways(a *Actor, g Grant) []way {
	c := Clause{Types: []field.ScopeType{r.scope}}
	placed := r.scope == field.ScopeSite || r.scope == field.ScopeCustody || r.scope == field.ScopeLedger
	switch r.by {
	case byAll:
		return []way{{Clause: c}}
	case byOrg:
		if placed {
			c.Regions, c.Projects = g.Regions, g.Projects
		}
	case byGrant:
		for _, s := range a.Scopes {
			if s.Type() == r.scope {
				c.Scopes = append(c.Scopes, s)
			}
		}
		if len(c.Scopes) == 0 {
			return nil
		}
	}
	own := c
	own.Orgs, own.Owners = []field.OrgID{a.Org}, []field.OrgID{a.Org}
	ways := []way{{Clause: own}}
	for i := range a.Mandates {
		ways = append(ways, under(&a.Mandates[i], a.Org, c, r.scope)...)
	}
	return ways
}

// under narrows a clause to what a mandate is about.
func under(m *field.Mandate, agent field.OrgID, c Clause, scope field.ScopeType) []way {
	c.Owners = []field.OrgID{m.Principal}
	var ways []way
	narrow := func(c Clause) { ways = append(ways, way{Clause: c, mandate: m}) }
	switch scope {
	case field.ScopeClue:
		if c.Scopes = common(c.Scopes, m.Clues); len(c.Scopes) > 0 {
			narrow(c)
		}
	case field.ScopeSite:
		c.Orgs = []field.OrgID{agent} // joint sites alone
		if sites := common(c.Scopes, m.Sites); len(sites) > 0 {
			one := c
			one.Scopes = sites
			narrow(one)
		}
		if projects := common(c.Projects, m.Projects); len(projects) > 0 {
			one := c
			one.Projects = projects
			narrow(one)
		}
		if regions := meet(c.Regions, m.Regions); len(regions) > 0 {
			one := c
			one.Regions = regions
			narrow(one)
		}
	}
	return ways
}

// common is what two lists share, the first standing for everything when it is empty.
func common[T comparable](some, all []T) []T {
	if len(some) == 0 {
		return all
	}
	var both []T
	for _, x := range some {
		if slices.Contains(all, x) {
			both = append(both, x)
		}
	}
	return both
}

// meet is common for prefixes of regions: of two that lie in each other, the longer.
func meet(some, all []string) []string {
	if len(some) == 0 {
		return all
	}
	var both []string
	for _, x := range some {
		for _, y := range all {
			switch {
			case strings.HasPrefix(x, y):
				both = append(both, x)
			case strings.HasPrefix(y, x):
				both = append(both, y)
			}
		}
	}
	return both
}
