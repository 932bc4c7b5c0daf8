// Package access says who may see and do what. It is pure.
//
// Start with table.go: one row per role. Reach decides which scopes a role covers; a scope that is covered can be read
// whole, because what somebody may not read lives in another scope. May answers for one action on one scope, Visible
// for lists; both stand on the same Clause, so a list never shows what May would refuse.
package access

import (
	"slices"
	"strings"

	"fieldclue/server/field"
)

// Grant is a role that a person holds, with the places where it counts.
type Grant struct {
	Role     Role              `json:"role"`
	Regions  []string          `json:"regions,omitempty"`  // prefixes of GB/T 2260 codes; empty: everywhere
	Projects []field.ProjectID `json:"projects,omitempty"` // empty: all
}

// Actor is somebody who acts: a person on a device, or a part of the server.
type Actor struct {
	User    field.UserID
	Name    string
	Org     field.OrgID
	Device  field.DeviceID
	Roles   []Grant
	Scopes  []field.Scope // granted one by one: the sites of tasks, the clues of a case
	Recused []field.Scope // 回避: beats every grant
	HandsIn bool          // the device was revoked: what it still sends is kept for review, and it may do nothing else
	Server  bool          // a follower, a worker, the set-up: no person
}

// Has reports whether the actor holds the role anywhere.
func (a *Actor) Has(r Role) bool {
	return slices.ContainsFunc(a.Roles, func(g Grant) bool { return g.Role == r })
}

// Clause is one way in which a scope may be covered. Every set that is not empty must match.
type Clause struct {
	Types    []field.ScopeType
	Scopes   []field.Scope
	Orgs     []field.OrgID     // one of them takes part in the scope
	Regions  []string          // the scope's region starts with one of them
	Projects []field.ProjectID // the scope belongs to one of them
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
	if len(c.Regions) > 0 && !slices.ContainsFunc(c.Regions, func(p string) bool { return strings.HasPrefix(info.Region, p) }) {
		return false
	}
	return len(c.Projects) == 0 || slices.Contains(c.Projects, info.Project)
}

// Filter says which scopes are visible: those that a clause covers and that are not excepted. The stores turn it into
// part of their queries. The zero Filter shows nothing.
type Filter struct {
	Any    []Clause
	Except []field.Scope
}

// Everything shows every scope: for the server itself, for verification and for rebuilding.
var Everything = Filter{Any: []Clause{{}}}

// Match reports whether the scope is visible.
func (f Filter) Match(scope field.Scope, info field.ScopeInfo) bool {
	if slices.Contains(f.Except, scope) {
		return false
	}
	return slices.ContainsFunc(f.Any, func(c Clause) bool { return c.Match(scope, info) })
}

// Visible is the list form of access: the scopes, and so the records, that the actor may read.
func Visible(a *Actor) Filter {
	if a.Server {
		return Everything
	}
	f := Filter{Except: slices.Clone(a.Recused)}
	for _, s := range a.Recused { // who stays away from a site is not told who looks at it
		if s.Type() == field.ScopeSite {
			f.Except = append(f.Except, field.CustodyScope(field.SiteID(s.ID()), a.Org))
		}
	}
	f.Any = append(f.Any, Clause{Scopes: []field.Scope{field.MakeScope(field.ScopeUser, string(a.User))}})
	f.Any = append(f.Any, Clause{Types: []field.ScopeType{field.ScopeOrg}, Orgs: []field.OrgID{a.Org}})
	for _, g := range a.Roles {
		for _, reach := range table[g.Role].reads {
			f.Any = append(f.Any, reach.clauses(a, g)...)
		}
	}
	return f
}

// Quarantine is the list form for operations that were kept: what the actor may read, and besides, for those who decide
// about kept operations of their whole organisation, what its people sent to scopes that they may no longer write to.
// A grant for some regions or projects only does not count: what was sent may be about any place.
func Quarantine(a *Actor) Filter {
	f := Visible(a)
	for _, g := range a.Roles {
		if !table[g.Role].may["parked.accept"] || len(g.Regions) > 0 || len(g.Projects) > 0 {
			continue
		}
		for _, reach := range table[g.Role].writes {
			if reach.scope == field.ScopeUser {
				f.Any = append(f.Any, reach.clauses(a, g)...)
			}
		}
	}
	return f
}

// MayRead is the item form of access: whether the actor may read what lives in the scope.
func MayRead(a *Actor, scope field.Scope, info field.ScopeInfo) bool {
	return Visible(a).Match(scope, info)
}

// MayWrite reports whether some action of the actor counts in the scope although it may not be readable: an
// administrator makes people without reading what they do.
func MayWrite(a *Actor, scope field.Scope, info field.ScopeInfo) bool {
	if a.Server {
		return true
	}
	for _, g := range a.Roles {
		for _, reach := range table[g.Role].writes {
			if slices.ContainsFunc(reach.clauses(a, g), func(c Clause) bool { return c.Match(scope, info) }) {
				return true
			}
		}
	}
	return false
}

// May returns nil if the actor may do the action to a record of the scope, CodeRecused, CodeNotFound (the scope is not
// visible: strangers cannot probe for existence) or CodeNotPermitted. The guards of a life cycle come on top.
func May(a *Actor, action Action, scope field.Scope, info field.ScopeInfo) error {
	if a.Server {
		return nil
	}
	if slices.Contains(a.Recused, scope) {
		return field.Refuse(field.CodeRecused, "")
	}
	if own[action] && scope == field.MakeScope(field.ScopeUser, string(a.User)) {
		return nil
	}
	for _, g := range a.Roles {
		row := table[g.Role]
		if !row.may[action] {
			continue
		}
		for _, reach := range slices.Concat(row.reads, row.writes) {
			if slices.ContainsFunc(reach.clauses(a, g), func(c Clause) bool { return c.Match(scope, info) }) {
				return nil
			}
		}
	}
	if !MayRead(a, scope, info) {
		return field.Refuse(field.CodeNotFound, "")
	}
	return field.Refuse(field.CodeNotPermitted, "")
}

// MayAnywhere reports whether any role of the actor allows the action at all: for actions that make a new scope.
func MayAnywhere(a *Actor, action Action) bool {
	return a.Server || slices.ContainsFunc(a.Roles, func(g Grant) bool { return table[g.Role].may[action] })
}

// by says how a role comes to cover scopes of a type.
type by int

const (
	byOrg   by = iota // the actor's organisation takes part, within the regions and projects of the grant
	byGrant           // named one by one
)

type reach struct {
	scope field.ScopeType
	by    by
}

func (r reach) clauses(a *Actor, g Grant) []Clause {
	c := Clause{Types: []field.ScopeType{r.scope}}
	switch r.by {
	case byOrg:
		c.Orgs = []field.OrgID{a.Org}
		if r.scope == field.ScopeSite || r.scope == field.ScopeCustody {
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
	return []Clause{c}
}
