package access

import (
	"slices"

	"fieldclue/server/field"
)

// Role is one of the roles of docs/glossary.md.
type Role = field.Role

// The roles, under the names that the table uses.
const (
	Inspector     = field.RoleInspector
	TeamLead      = field.RoleTeamLead
	Supervisor    = field.RoleSupervisor
	ClueManager   = field.RoleClueManager
	Handler       = field.RoleHandler
	Leader        = field.RoleLeader
	Liaison       = field.RoleLiaison
	Responsible   = field.RoleResponsible
	Contributor   = field.RoleContributor
	Custodian     = field.RoleCustodian
	Auditor       = field.RoleAuditor
	Administrator = field.RoleAdministrator
	Founder       = field.RoleFounder
)

// Action is a verb on a kind of record: "report.create", "report.edit", or a command such as "report.return".
type Action string

// ActionFor joins a kind and a verb.
func ActionFor(k field.Kind, verb string) Action { return Action(string(k) + "." + verb) }

type row struct {
	reads  []reach // scopes that the role reads, and in which its actions count
	writes []reach // scopes in which its actions count although it does not read them
	may    map[Action]bool
}

func actions(list ...Action) map[Action]bool {
	m := make(map[Action]bool, len(list))
	for _, a := range list {
		m[a] = true
	}
	return m
}

// own are the actions that everybody has in his user scope: to read the inbox, to stay away from a matter on one's own
// account, and to say that an operation that was kept needs no decision any more, or by what it was replaced.
var own = actions("notice.read", "recusal.create", "parked.settle", "parked.takeover", "parked.read", "parked.destroy")

// kept are the actions about operations that were kept. They lie with who sent them and are decided by who may read
// what they were meant for.
var kept = actions("parked.accept", "parked.takeover", "parked.settle", "parked.destroy")

// powers says what each power of a mandate comes to: an agent's people do what their role and one of its powers both
// allow. A payment, a template, a site of the principal, its people and its organisation are under no power.
var powers = map[field.Power]map[Action]bool{
	field.PowerInspect: actions(collect...),
	field.PowerReview: actions(
		"report.take", "report.return", "report.approve", "report.archive", "report.reopen", "report.correct",
		"photo.correct", "photo.discredit", "interview.correct", "interview.review", "interview.seal", "review.decide",
		"flag.decide", "conflict.resolve", "conflict.arbitrate", "parked.accept", "parked.takeover", "parked.settle",
		"finding.create", "finding.create_others",
	),
	field.PowerClassify: actions("finding.classify", "finding.close", "finding.reopen"),
	field.PowerRevisit: actions(
		"revisit.assign", "revisit.reassign", "revisit.excuse", "revisit.miss", "revisit.return", "revisit.accept", "revisit.cancel",
	),
	field.PowerHandle: actions("clue.edit", "clue.propose", "clue.handle", "clue.report", "link.create", "link.confirm", "link.withdraw"),
}

// empowered reports whether a mandate is for the action.
func empowered(m *field.Mandate, action Action) bool {
	return slices.ContainsFunc(m.Powers, func(p field.Power) bool { return powers[p][action] })
}

var collect = []Action{
	"report.create", "report.edit", "report.queue", "report.submit", "report.recall", "report.resubmit", "report.void",
	"finding.create", "finding.edit", "finding.void",
	"photo.create", "photo.edit", "photo.void",
	"interview.create", "interview.edit", "interview.submit", "interview.void",
	"revisit.download", "revisit.start", "revisit.submit",
	"conflict.resolve",
}

var table = map[Role]row{
	Inspector: {
		reads: []reach{{field.ScopeSite, byGrant}},
		may:   actions(collect...),
	},
	TeamLead: {
		reads: []reach{{field.ScopeSite, byGrant}},
		may:   actions(collect...),
	},
	Supervisor: {
		reads: []reach{{field.ScopeSite, byOrg}, {field.ScopeCampaign, byOrg}, {field.ScopeCustody, byOrg}, {field.ScopeLedger, byOrg}, {field.ScopeClue, byGrant}},
		may: actions(
			"project.create", "project.edit", "project.advance", "payment.create", "payment.edit", "payment.void",
			"household.create", "household.edit", "household.void", "site.create", "site.edit", "site.activate", "site.close",
			"template.create", "template.edit", "template.publish", "template.retire",
			"report.take", "report.return", "report.approve", "report.archive", "report.reopen", "report.correct",
			"report.void", "report.void_others",
			"finding.create", "finding.create_others", "finding.classify", "finding.close", "finding.reopen",
			"photo.correct", "photo.void", "photo.void_others", "photo.discredit", "review.decide",
			"interview.correct", "interview.review", "interview.seal", "interview.void", "interview.void_others",
			"flag.decide", "conflict.resolve", "conflict.arbitrate", "parked.accept", "parked.takeover", "parked.settle", "parked.destroy",
			"campaign.create", "campaign.edit", "campaign.announce", "campaign.draw", "campaign.run", "campaign.close", "campaign.report",
			"revisit.assign", "revisit.reassign", "revisit.excuse", "revisit.miss", "revisit.return", "revisit.accept", "revisit.cancel",
			"grant.create", "grant.end", "recusal.create", "recusal.end",
			"mandate.create", "mandate.edit", "mandate.void",
			"clue.create",
		),
		writes: []reach{{field.ScopeOrg, byOrg}, {field.ScopeUser, byOrg}},
	},
	ClueManager: {
		reads: []reach{{field.ScopeClue, byOrg}, {field.ScopeSite, byOrg}, {field.ScopeRegister, byOrg}, {field.ScopeCustody, byOrg}, {field.ScopeLedger, byOrg}},
		may: actions(
			"clue.create", "clue.edit", "clue.edit_others", "clue.register", "clue.assign", "clue.merge", "clue.reopen", "clue.void", "clue.export",
			"link.create", "link.confirm", "link.withdraw", "review.decide",
			"finding.classify", "grant.create", "grant.end",
			"parked.accept", "parked.takeover", "parked.settle", "conflict.resolve", "conflict.arbitrate",
		),
		writes: []reach{{field.ScopeUser, byOrg}},
	},
	Handler: {
		reads: []reach{{field.ScopeClue, byGrant}},
		may: actions(
			"clue.edit", "clue.propose", "clue.handle", "clue.report", "link.create", "link.confirm", "link.withdraw",
		),
	},
	Leader: {
		reads: []reach{{field.ScopeClue, byOrg}, {field.ScopeSite, byOrg}, {field.ScopeCampaign, byOrg}, {field.ScopeCustody, byOrg}, {field.ScopeLedger, byOrg}},
		may: actions(
			"clue.approve", "clue.close", "clue.file", "clue.export", "campaign.approve", "recusal.create", "recusal.end",
			"mandate.approve", "mandate.extend", "mandate.revoke",
		),
		writes: []reach{{field.ScopeOrg, byOrg}, {field.ScopeUser, byOrg}},
	},
	Liaison:     {reads: []reach{{field.ScopeClue, byGrant}}},
	Responsible: {reads: []reach{{field.ScopeClue, byGrant}}},
	Contributor: {
		may: actions("clue.create"),
	},
	Custodian: {},
	Auditor: {
		reads: []reach{
			{field.ScopeSite, byOrg},
			{field.ScopeClue, byOrg},
			{field.ScopeCampaign, byOrg},
			{field.ScopeRegister, byOrg},
			{field.ScopeUser, byOrg},
			{field.ScopeCustody, byOrg},
			{field.ScopeSignin, byOrg},
			{field.ScopeLedger, byOrg},
		},
		may: actions("clue.export"), // takes a copy along; it changes nothing
	},
	Administrator: {
		reads:  []reach{{field.ScopeSignin, byOrg}},
		may:    actions("org.edit", "person.create", "person.edit", "person.leave", "code.create", "device.move", "device.revoke"),
		writes: []reach{{field.ScopeOrg, byOrg}, {field.ScopeUser, byOrg}},
	},
	Founder: {
		reads: []reach{{field.ScopeOrg, byAll}}, // whose people it makes; the content lies elsewhere
		may: actions(
			"org.create", "org.edit", "person.create", "person.edit", "person.leave", "code.create", "device.move", "device.revoke",
		),
		writes: []reach{{field.ScopeOrg, byAll}, {field.ScopeUser, byAll}, {field.ScopeSignin, byAll}},
	},
}

// Roles lists the roles with their labels in Chinese and English.
func Roles() []field.Choice { return field.Roles }
