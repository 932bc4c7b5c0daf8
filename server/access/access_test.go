package access

import (
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
)

const (
	here   = field.Scope("site/0193a000-0000-7000-8000-000000000001")
	aCase  = field.Scope("clue/0193a000-0000-7000-8000-000000000002")
	season = field.Scope("campaign/0193a000-0000-7000-8000-000000000003")
	inbox  = field.Scope("user/0193a000-0000-7000-8000-00000000000a")
	others = field.Scope("user/0193a000-0000-7000-8000-00000000000b")
	ledger = field.Scope("org/gz-liwan")
	looked = field.Scope("custody/0193a000-0000-7000-8000-000000000001-gz-liwan")
)

var ours = field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan", "bijie"}, Region: "520502", Project: "p1"}

func actor(role Role, change func(*Actor)) *Actor {
	a := &Actor{User: "0193a000-0000-7000-8000-00000000000a", Org: "gz-liwan", Roles: []Grant{{Role: role}}}
	if change != nil {
		change(a)
	}
	return a
}

func allActions() []Action {
	all := []Action{"clue.export"} // no step of a life cycle: nothing about the clue changes
	for _, spec := range field.Kinds() {
		all = append(all, ActionFor(spec.Kind, "create"), ActionFor(spec.Kind, "edit"))
		for _, c := range spec.Commands {
			all = append(all, ActionFor(spec.Kind, c.Name))
			if c.Others != "" {
				all = append(all, ActionFor(spec.Kind, c.Others))
			}
		}
		if spec.EditOwn {
			all = append(all, ActionFor(spec.Kind, "edit_others"))
		}
		if spec.Part != "" {
			all = append(all, ActionFor(spec.Kind, "create_others"))
		}
	}
	return all
}

// Who may see an interview, a clue, a campaign: one row per role.
func TestWhatEachRoleReads(t *testing.T) {
	for role, want := range map[Role][]field.Scope{
		Inspector: {inbox, ledger}, TeamLead: {inbox, ledger}, Liaison: {inbox, ledger}, Responsible: {inbox, ledger},
		Handler: {inbox, ledger}, Contributor: {inbox, ledger}, Custodian: {inbox, ledger}, Administrator: {inbox, ledger},
		Supervisor: {here, season, inbox, ledger, looked}, ClueManager: {here, aCase, inbox, ledger, looked},
		Leader: {here, aCase, season, inbox, ledger, looked}, Auditor: {here, aCase, season, inbox, others, ledger, looked},
	} {
		a := actor(role, nil)
		for _, scope := range []field.Scope{here, aCase, season, inbox, others, ledger, looked} {
			if got := MayRead(a, scope, ours); got != slices.Contains(want, scope) {
				t.Errorf("%s reads %s: %v", role, scope, got)
			}
			if MayRead(a, scope, field.ScopeInfo{Orgs: []field.OrgID{"elsewhere"}}) && scope != inbox {
				t.Errorf("%s reads %s of another organisation", role, scope)
			}
		}
	}
	if len(Roles()) != 12 {
		t.Errorf("%d roles: add the new one here", len(Roles()))
	}
}

func TestAGrantOpensOneScopeToThoseWhoWorkByGrant(t *testing.T) {
	for role, scope := range map[Role]field.Scope{Inspector: here, TeamLead: here, Handler: aCase, Liaison: aCase, Responsible: aCase, Supervisor: aCase} {
		a := actor(role, func(a *Actor) { a.Scopes = []field.Scope{scope} })
		if !MayRead(a, scope, ours) {
			t.Errorf("%s does not read %s although it was granted", role, scope)
		}
		if other := scope[:len(scope)-1] + "f"; role != Supervisor && MayRead(a, other, ours) {
			t.Errorf("%s reads %s by a grant for another", role, other)
		}
	}
	if MayRead(actor(Custodian, func(a *Actor) { a.Scopes = []field.Scope{here, aCase} }), here, ours) {
		t.Error("a grant opens a site to a role that has no business there")
	}
}

func TestRegionsAndProjectsBoundARole(t *testing.T) {
	for name, c := range map[string]struct {
		grant Grant
		want  bool
	}{
		"no bounds":           {Grant{Role: Supervisor}, true},
		"the county":          {Grant{Role: Supervisor, Regions: []string{"520502"}}, true},
		"its prefecture":      {Grant{Role: Supervisor, Regions: []string{"44", "5205"}}, true},
		"another prefecture":  {Grant{Role: Supervisor, Regions: []string{"5227"}}, false},
		"the project":         {Grant{Role: Supervisor, Projects: []field.ProjectID{"p1"}}, true},
		"another project":     {Grant{Role: Supervisor, Projects: []field.ProjectID{"p2"}}, false},
		"one of two does not": {Grant{Role: Supervisor, Regions: []string{"5205"}, Projects: []field.ProjectID{"p2"}}, false},
	} {
		a := actor(Supervisor, func(a *Actor) { a.Roles = []Grant{c.grant} })
		for _, scope := range []field.Scope{here, looked} {
			if got := MayRead(a, scope, ours); got != c.want {
				t.Errorf("%s: reads %s: %v", name, scope, got)
			}
		}
		if err := May(a, "report.approve", here, ours); (err == nil) != c.want || !c.want && !field.Is(err, field.CodeNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Recusal 回避 beats every role and every grant, for reading and for every action.
func TestRecusalBeatsEverything(t *testing.T) {
	for _, r := range Roles() {
		for _, scope := range []field.Scope{here, aCase, season} {
			a := actor(Role(r.Code), func(a *Actor) { a.Scopes, a.Recused = []field.Scope{scope}, []field.Scope{scope} })
			if MayRead(a, scope, ours) {
				t.Errorf("%s reads %s", r.Code, scope)
			}
			if scope == here && MayRead(a, looked, ours) {
				t.Errorf("%s is told who looks at %s", r.Code, scope)
			}
			for _, action := range allActions() {
				if err := May(a, action, scope, ours); !field.Is(err, field.CodeRecused) {
					t.Errorf("%s %s in %s: %v", r.Code, action, scope, err)
				}
			}
		}
	}
}

// The administrator makes people and reads no content; the auditor reads and changes nothing.
func TestTheAdministratorAndTheAuditor(t *testing.T) {
	for _, action := range allActions() {
		kind, _, _ := strings.Cut(string(action), ".")
		if own[action] {
			continue
		}
		if MayAnywhere(actor(Administrator, nil), action) && kind != "org" && kind != "person" && kind != "device" && kind != "code" {
			t.Errorf("the administrator may %s", action)
		}
		if MayAnywhere(actor(Auditor, nil), action) != (action == "clue.export") { // a copy changes nothing
			t.Errorf("the auditor may %s", action)
		}
	}
}

// A stranger cannot tell what is there from what is not; a reader who may not act is told so.
func TestWhatARefusalTells(t *testing.T) {
	if err := May(actor(Inspector, nil), "report.edit", here, ours); !field.Is(err, field.CodeNotFound) {
		t.Errorf("without a grant: %v", err)
	}
	granted := actor(Inspector, func(a *Actor) { a.Scopes = []field.Scope{here} })
	if err := May(granted, "report.edit", here, ours); err != nil {
		t.Errorf("with a grant: %v", err)
	}
	if err := May(granted, "report.approve", here, ours); !field.Is(err, field.CodeNotPermitted) {
		t.Errorf("what is the supervisor's: %v", err)
	}
	if err := May(actor(Inspector, nil), "notice.read", inbox, ours); err != nil {
		t.Errorf("ben's own inbox: %v", err)
	}
	if err := May(actor(Inspector, nil), "notice.read", others, ours); !field.Is(err, field.CodeNotFound) {
		t.Errorf("somebody else's inbox: %v", err)
	}
}

// A row that names an action which no kind knows would allow nothing and look as if it did.
func TestTheTableNamesActionsThatExist(t *testing.T) {
	known := allActions()
	for role, row := range table {
		for action := range row.may {
			if !slices.Contains(known, action) {
				t.Errorf("%s: %s", role, action)
			}
		}
	}
	for _, r := range Roles() {
		if _, ok := table[Role(r.Code)]; !ok || r.ZH == "" || r.EN == "" {
			t.Errorf("%s has no row or no label", r.Code)
		}
	}
}
