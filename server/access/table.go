package access

import "fieldclue/server/field"

// Role is one of the roles of domain.md.
type Role string

// The roles.
const (
	Inspector     Role = "inspector"          // 检查人员
	TeamLead      Role = "team_lead"          // 核查组长
	Supervisor    Role = "supervisor"         // 监督室
	ClueManager   Role = "clue_manager"       // 案管室
	Handler       Role = "handler"            // 承办部门
	Leader        Role = "leader"             // 分管领导
	Liaison       Role = "liaison"            // 对方联络员
	Responsible   Role = "responsible_unit"   // 责任单位
	Contributor   Role = "contributor"        // 提供线索的部门
	Custodian     Role = "identity_custodian" // 身份信息保管员
	Auditor       Role = "auditor"            // 审计员
	Administrator Role = "administrator"      // 系统管理员
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

// own are the actions that everybody has in the own user scope.
var own = actions("notice.read")

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
		reads: []reach{{field.ScopeSite, byOrg}, {field.ScopeCampaign, byOrg}, {field.ScopeCustody, byOrg}, {field.ScopeClue, byGrant}},
		may: actions(
			"project.create", "project.edit", "project.advance", "site.create", "site.edit", "site.activate", "site.close",
			"template.create", "template.edit", "template.publish", "template.retire",
			"report.take", "report.return", "report.approve", "report.archive", "report.void",
			"finding.create", "finding.classify", "finding.close", "finding.reopen",
			"photo.void", "photo.discredit", "review.decide", "interview.review", "interview.seal", "interview.void",
			"flag.decide", "conflict.resolve", "conflict.arbitrate", "parked.accept", "parked.settle",
			"campaign.create", "campaign.edit", "campaign.draw", "campaign.run", "campaign.close", "campaign.report",
			"revisit.assign", "revisit.reassign", "revisit.excuse", "revisit.miss", "revisit.return", "revisit.accept", "revisit.cancel",
			"grant.create", "grant.end", "recusal.create", "recusal.end",
			"clue.create",
		),
		writes: []reach{{field.ScopeOrg, byOrg}, {field.ScopeUser, byOrg}},
	},
	ClueManager: {
		reads: []reach{{field.ScopeClue, byOrg}, {field.ScopeSite, byOrg}, {field.ScopeRegister, byOrg}, {field.ScopeCustody, byOrg}},
		may: actions(
			"clue.create", "clue.edit", "clue.register", "clue.assign", "clue.merge", "clue.reopen", "clue.void", "clue.export",
			"link.create", "link.confirm", "link.withdraw", "review.decide",
			"finding.classify", "grant.create", "grant.end", "parked.accept", "parked.settle", "conflict.resolve", "conflict.arbitrate",
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
		reads: []reach{{field.ScopeClue, byOrg}, {field.ScopeSite, byOrg}, {field.ScopeCampaign, byOrg}, {field.ScopeCustody, byOrg}},
		may: actions(
			"clue.approve", "clue.close", "clue.file", "clue.export", "campaign.approve", "recusal.create", "recusal.end",
		),
		writes: []reach{{field.ScopeUser, byOrg}},
	},
	Liaison:     {reads: []reach{{field.ScopeClue, byGrant}}},
	Responsible: {reads: []reach{{field.ScopeClue, byGrant}}},
	Contributor: {
		may: actions("clue.create"),
	},
	Custodian: {},
	Auditor: {
		reads: []reach{
			{field.ScopeSite, byOrg}, {field.ScopeClue, byOrg}, {field.ScopeCampaign, byOrg}, {field.ScopeRegister, byOrg}, {field.ScopeUser, byOrg}, {field.ScopeCustody, byOrg},
		},
		may: actions("clue.export"), // takes a copy along; it changes nothing
	},
	Administrator: {
		may: actions(
			"org.create", "org.edit", "person.create", "person.edit", "person.leave",
		),
		writes: []reach{{field.ScopeOrg, byOrg}, {field.ScopeUser, byOrg}},
	},
}

// Roles lists the roles with their labels in Chinese and English.
func Roles() []field.Choice {
	return []field.Choice{
		{Code: string(Inspector), ZH: "检查人员", EN: "inspector"},
		{Code: string(TeamLead), ZH: "核查组长", EN: "team lead"},
		{Code: string(Supervisor), ZH: "监督室", EN: "supervisor"},
		{Code: string(ClueManager), ZH: "案管室", EN: "clue manager"},
		{Code: string(Handler), ZH: "承办部门", EN: "handler"},
		{Code: string(Leader), ZH: "分管领导", EN: "leader"},
		{Code: string(Liaison), ZH: "对方联络员", EN: "partner liaison"},
		{Code: string(Responsible), ZH: "责任单位", EN: "responsible unit"},
		{Code: string(Contributor), ZH: "线索提供部门", EN: "contributor"},
		{Code: string(Custodian), ZH: "身份信息保管员", EN: "identity custodian"},
		{Code: string(Auditor), ZH: "审计员", EN: "auditor"},
		{Code: string(Administrator), ZH: "系统管理员", EN: "system administrator"},
	}
}
