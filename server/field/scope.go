package field

import (
	"slices"
	"strings"
)

// Scope is the unit of order, of access and of partial replication: "site/0192…", "clue/…", "campaign/…", "ledger/…",
// "org/gz", "user/…", "register/gz", "custody/0192…-gz", "signin/gz". Every record has one home scope.
type Scope string

// ScopeType is the part of a scope before the slash.
type ScopeType string

// The types of scope, in the order in which a phone pulls them.
const (
	ScopeUser     ScopeType = "user"     // inbox, grants and recusals of one person
	ScopeOrg      ScopeType = "org"      // reference data: templates, projects, sites, people's names
	ScopeSite     ScopeType = "site"     // visit reports, findings, photos, interviews, revisit tasks of one site
	ScopeClue     ScopeType = "clue"     // one case: the clue and its evidence links
	ScopeCampaign ScopeType = "campaign" // one revisit campaign: strata, frame, sample
	ScopeLedger   ScopeType = "ledger"   // the payments of one project
	ScopeRegister ScopeType = "register" // the clue numbers that an organisation has given out, case files and legal holds; nobody pulls it
	ScopeCustody  ScopeType = "custody"  // who of one organisation has looked at the photos of one site; nobody pulls it
	ScopeSignin   ScopeType = "signin"   // who can sign in as whom in an organisation, and who did; nobody pulls it
)

// ScopeTypes lists the types.
var ScopeTypes = []ScopeType{ScopeUser, ScopeOrg, ScopeSite, ScopeClue, ScopeCampaign, ScopeLedger, ScopeRegister, ScopeCustody, ScopeSignin}

// Pulled reports whether phones pull scopes of the type, push to them and hear of them. What the server notes about
// readers, about all cases in one place and about sign-in, is for pages at the desk alone, which know from which case
// somebody stays away.
func (t ScopeType) Pulled() bool { return t != ScopeCustody && t != ScopeRegister && t != ScopeSignin }

// PulledTypes lists the types that phones hold, in the order in which they pull them.
var PulledTypes = slices.DeleteFunc(slices.Clone(ScopeTypes), func(t ScopeType) bool { return !t.Pulled() })

// MakeScope joins a type and an id.
func MakeScope(t ScopeType, id string) Scope { return Scope(string(t) + "/" + id) }

// CustodyScope is where it is noted that people of an organisation look at the photos of a site. Each organisation has
// its own: what one side looks at tells what it is working on, and the other side may be whom it is about.
func CustodyScope(site SiteID, org OrgID) Scope {
	return MakeScope(ScopeCustody, string(site)+"-"+string(org))
}

// custody takes the id of a custody scope apart.
func (s Scope) custody() (site SiteID, org OrgID, ok bool) {
	id := s.ID()
	if s.Type() != ScopeCustody || len(id) < 37 || id[36] != '-' {
		return "", "", false
	}
	return SiteID(id[:36]), OrgID(id[37:]), ValidID(id[:36]) && ValidOrg(id[37:])
}

// Type is the part before the slash.
func (s Scope) Type() ScopeType { t, _, _ := strings.Cut(string(s), "/"); return ScopeType(t) }

// ID is the part after the slash.
func (s Scope) ID() string { _, id, _ := strings.Cut(string(s), "/"); return id }

// Valid reports whether the scope has a known type and an id of the shape that the type asks for.
func (s Scope) Valid() bool {
	switch s.Type() {
	case ScopeOrg, ScopeRegister, ScopeSignin:
		return ValidOrg(s.ID())
	case ScopeUser, ScopeSite, ScopeClue, ScopeCampaign, ScopeLedger:
		return ValidID(s.ID())
	case ScopeCustody:
		_, _, ok := s.custody()
		return ok
	}
	return false
}

// ScopeInfo is what access asks about a scope. It is set by a log entry of that scope, like everything else, and copied
// onto the scope's records so that a list can be filtered in the query.
type ScopeInfo struct {
	Orgs    []OrgID   `json:"orgs"`              // the organisations that take part; the first is the one that owns it
	Region  string    `json:"region,omitempty"`  // GB/T 2260 code of six digits; empty: no place
	Project ProjectID `json:"project,omitempty"` // the project it belongs to, if any
}

// Owner is the organisation to which the scope belongs; empty when there is none.
func (i ScopeInfo) Owner() OrgID {
	if len(i.Orgs) == 0 {
		return ""
	}
	return i.Orgs[0]
}

// Has reports whether the organisation takes part.
func (i ScopeInfo) Has(org OrgID) bool {
	for _, o := range i.Orgs {
		if o == org {
			return true
		}
	}
	return false
}
