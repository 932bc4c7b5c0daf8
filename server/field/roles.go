package field

// Role is one of the roles of the field. What a role may do stands in server/access/table.go; here are the names,
// because a field of a record may say which roles set it.
type Role string

// The roles.
const (
	RoleInspector     Role = "inspector"          // 检查人员
	RoleTeamLead      Role = "team_lead"          // 核查组长
	RoleSupervisor    Role = "supervisor"         // 监督室
	RoleClueManager   Role = "clue_manager"       // 案管室
	RoleHandler       Role = "handler"            // 承办部门
	RoleLeader        Role = "leader"             // 分管领导
	RoleLiaison       Role = "liaison"            // 对方联络员
	RoleResponsible   Role = "responsible_unit"   // 责任单位
	RoleContributor   Role = "contributor"        // 提供线索的部门
	RoleCustodian     Role = "identity_custodian" // 身份信息保管员
	RoleAuditor       Role = "auditor"            // 审计员
	RoleAdministrator Role = "administrator"      // 系统管理员

	// RoleFounder is what an administrator of the founding organisation is besides. Nobody is given it: it follows from
	// the organisation's record.
	RoleFounder Role = "founder" // 创建方系统管理员
)

// Roles lists the roles that a person can be given, with their labels in Chinese and English.
var Roles = []Choice{
	{Code: string(RoleInspector), ZH: "检查人员", EN: "inspector"},
	{Code: string(RoleTeamLead), ZH: "核查组长", EN: "team lead"},
	{Code: string(RoleSupervisor), ZH: "监督室", EN: "supervisor"},
	{Code: string(RoleClueManager), ZH: "案管室", EN: "clue manager"},
	{Code: string(RoleHandler), ZH: "承办部门", EN: "handler"},
	{Code: string(RoleLeader), ZH: "分管领导", EN: "leader"},
	{Code: string(RoleLiaison), ZH: "对方联络员", EN: "partner liaison"},
	{Code: string(RoleResponsible), ZH: "责任单位", EN: "responsible unit"},
	{Code: string(RoleContributor), ZH: "线索提供部门", EN: "contributor"},
	{Code: string(RoleCustodian), ZH: "身份信息保管员", EN: "identity custodian"},
	{Code: string(RoleAuditor), ZH: "审计员", EN: "auditor"},
	{Code: string(RoleAdministrator), ZH: "系统管理员", EN: "system administrator"},
}

// EN and ZH are what a role is called; the code itself where it is none that people have.
func (r Role) EN() string { return r.called().EN }

// ZH is EN in Chinese.
func (r Role) ZH() string { return r.called().ZH }

func (r Role) called() Choice {
	if r == RoleFounder {
		return Choice{Code: string(r), ZH: "创建方系统管理员", EN: "founding administrator"}
	}
	return chosen(Roles, string(r))
}

// standing orders roles by who answers for whom: a recusal is ordered from above.
var standing = map[Role]int{RoleLeader: 4, RoleSupervisor: 3, RoleClueManager: 3, RoleTeamLead: 2, RoleHandler: 2}

// RoleGrant is a role that a person holds, with the places where it counts.
type RoleGrant struct {
	Role     Role        `json:"role"`
	Regions  []string    `json:"regions,omitempty"`  // prefixes of GB/T 2260 codes; empty: everywhere
	Projects []ProjectID `json:"projects,omitempty"` // empty: all
}

// RolesOf reads the roles of a person's record.
func RolesOf(person *Record) ([]RoleGrant, error) {
	var roles []RoleGrant
	if err := person.Decode("roles", &roles); err != nil {
		return nil, Refuse(CodeInternal, "").Because(err).About(string(person.ID))
	}
	return roles, nil
}

// holds reports whether a person's record says one of the roles.
func holds(person *Record, any ...Role) bool {
	roles, err := RolesOf(person)
	if err != nil {
		return false
	}
	for _, g := range roles {
		for _, r := range any {
			if g.Role == r {
				return true
			}
		}
	}
	return false
}

// rankOf is the highest standing among a person's roles; 1 for everybody who has none that stands above others.
func rankOf(person *Record) int {
	best := 1
	roles, err := RolesOf(person)
	if err != nil {
		return best
	}
	for _, g := range roles {
		best = max(best, standing[g.Role])
	}
	return best
}
