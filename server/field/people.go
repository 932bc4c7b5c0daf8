package field

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// States that several kinds share.
const (
	StateActive State = "active"
	StateEnded  State = "ended"
	StateVoided State = "voided"
	StateDraft  State = "draft"
	StateOpen   State = "open" // something is to be decided or done about it
	StateClosed State = "closed"
	StateLeft   State = "left" // of a person
)

var reason = Field{Name: "reason", Type: Text, Max: 1000, Required: true, ZH: "理由", EN: "reason"}

// void is the command that takes a record out of view without deleting it: nothing submitted is ever deleted.
func void(from ...State) Command {
	return Command{Name: "void", ZH: "作废", EN: "void", From: from, To: StateVoided, Args: []Field{reason}, Do: func(c *Case) error {
		c.Set("voidReason", c.Arg("reason"))
		c.Record.Deleted = true
		return nil
	}}
}

// ownVoid is void for those whose record it is; anybody else needs the action "void_others".
func ownVoid(whose *Whose, from ...State) Command {
	cmd := void(from...)
	cmd.Own, cmd.Others, cmd.Whose = true, "void_others", whose
	return cmd
}

var voidReason = Field{Name: "voidReason", Type: Text, Max: 1000, Server: true, ZH: "作废理由", EN: "reason for voiding"}

var orgSpec = &Spec{
	Kind: KindOrg, ZH: "组织", EN: "organisation", Opens: OpensByName, Filed: FiledNone, Home: ScopeOrg,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}}, Editable: []State{StateActive},
	Fields: []Field{
		{Name: "code", Type: Org, Required: true, Once: true, ZH: "代码", EN: "short name"},
		{Name: "name", Type: Text, Required: true, ZH: "名称", EN: "name"},
		{Name: "nameEn", Type: Text, ZH: "英文名称", EN: "name in English"},
		{Name: "region", Type: Region, Required: true, ZH: "地区", EN: "region"},
		{Name: "partners", Type: Org, List: true, Items: 50, ZH: "协作组织", EN: "partner organisations"},
		{Name: "spaceLimit", Type: Integer, Low: 1 << 20, High: 1 << 50, Roles: []Role{RoleFounder}, ZH: "照片空间上限（字节）", EN: "limit of space for originals, in bytes"},
		{Name: "founding", Type: Bool, Server: true, ZH: "创建方", EN: "it set this server up"},
	},
	Made: orgScope, Edited: orgScope,
}

// OrgRecord is the id of an organisation's record. It follows from the code, so a code is given once and a scope has
// one organisation.
func OrgRecord(code OrgID) RecordID {
	return DeriveID(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "org", string(code))
}

// orgScope keeps the scope of an organisation open to itself and to its partners: reference data is shared by those who
// inspect together.
func orgScope(c *Case) error {
	code := OrgID(c.Record.Text("code"))
	if MakeScope(ScopeOrg, string(code)) != c.Record.Scope {
		return Refuse(CodeWrongScope, "An organisation lives in its own scope, org/%s.", code).InChinese("组织应存于其自身的范围 org/%s 中。", code)
	}
	if c.Record.ID != OrgRecord(code) {
		return Refuse(CodeBadID, "The id of an organisation's record follows from its code.").InChinese("组织记录的编号由其代码得出。")
	}
	info := ScopeInfo{Orgs: []OrgID{code}, Region: c.Record.Text("region")}
	for _, p := range c.Record.Texts("partners") {
		if !info.Has(OrgID(p)) {
			info.Orgs = append(info.Orgs, OrgID(p))
		}
	}
	c.Effect(Effect{Scope: c.Record.Scope, Info: &info})
	c.Effect(Effect{Scope: MakeScope(ScopeRegister, string(code)), Info: &ScopeInfo{Orgs: []OrgID{code}, Region: info.Region}})
	c.Effect(Effect{Scope: SigninScope(code), Info: &ScopeInfo{Orgs: []OrgID{code}}})
	return nil
}

var personSpec = &Spec{
	Kind: KindPerson, ZH: "人员", EN: "person", Opens: OpensNone, Filed: FiledPerson, Home: ScopeOrg,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "在岗", EN: "active"}, {Code: "left", ZH: "离岗", EN: "left"}},
	Editable: []State{StateActive},
	Fields: []Field{
		{Name: "name", Type: Text, Required: true, Max: 50, ZH: "姓名", EN: "name"},
		{Name: "title", Type: Text, Max: 100, ZH: "职务", EN: "title"},
		{Name: "roles", Type: Object, List: true, Items: 20, Roles: []Role{RoleAdministrator}, ZH: "角色", EN: "roles", Fields: []Field{
			{Name: "role", Type: Text, Max: 40, Required: true, ZH: "角色", EN: "role"},
			{Name: "regions", Type: Text, Max: 6, List: true, ZH: "限于地区", EN: "only in these regions"},
			{Name: "projects", Type: ID, Of: KindProject, List: true, ZH: "限于项目", EN: "only in these projects"},
		}},
		{Name: "leftAt", Type: Time, Server: true, ZH: "离岗时间", EN: "when the person left"},
	},
	Edited: checkPerson,
	Made: func(c *Case) error {
		if err := knownRoles(c.Record); err != nil {
			return err
		}
		// Everybody has an inbox.
		info := ScopeInfo{Orgs: []OrgID{OrgID(c.Record.Scope.ID())}}
		c.Effect(Effect{Scope: MakeScope(ScopeUser, string(c.Record.ID)), Info: &info})
		return nil
	},
	Commands: []Command{{Name: "leave", ZH: "离岗", EN: "leave", From: []State{StateActive}, To: StateLeft, Args: []Field{reason}, Do: leave}},
}

// otherAdministrator is CodeLastAdmin when nobody else in the organisation administers it.
func otherAdministrator(c *Case) error {
	people, err := c.Look.In(c.Record.Scope, KindPerson)
	if err != nil {
		return err
	}
	for _, p := range people {
		if p.ID != c.Record.ID && p.State == StateActive && holds(p, RoleAdministrator) {
			return nil
		}
	}
	return Refuse(CodeLastAdmin, "")
}

// leave ends somebody's work here, and tells those who give out the work: what the person was doing lies still until it
// is moved.
func leave(c *Case) error {
	if holds(c.Record, RoleAdministrator) {
		if err := otherAdministrator(c); err != nil {
			return err
		}
	}
	c.Set("leftAt", stamp(c.Now))
	people, err := c.Look.In(c.Record.Scope, KindPerson)
	if err != nil {
		return err
	}
	name := c.Record.Text("name")
	for _, p := range people {
		if p.ID != c.Record.ID && p.State == StateActive && holds(p, RoleSupervisor) {
			c.Notify(UserID(p.ID), Notice{
				Type: "info", ZH: name + "已离岗，请查看并移交其未完成的工作。", EN: name + " has left. Look at the open work and hand it over.",
			})
		}
	}
	return nil
}

// checkPerson keeps people from changing what they themselves may do.
func checkPerson(c *Case) error {
	old, err := c.Look.Get(c.Record.ID)
	if err != nil {
		return err
	}
	if old != nil && !bytes.Equal(old.Fields["roles"], c.Record.Fields["roles"]) {
		if RecordID(c.Who.User) == c.Record.ID {
			return Refuse(CodeSecondPerson, "Nobody changes their own roles.").InChinese("任何人不得更改本人的角色。")
		}
		if holds(old, RoleAdministrator) && !holds(c.Record, RoleAdministrator) {
			if err := otherAdministrator(c); err != nil {
				return err
			}
		}
		return knownRoles(c.Record)
	}
	return nil
}

// knownRoles refuses a role that nobody can be given.
func knownRoles(person *Record) error {
	roles, err := RolesOf(person)
	if err != nil {
		return Refuse(CodeWrongType, "The roles cannot be read.").InChinese("角色无法读取。").Because(err)
	}
	for _, g := range roles {
		if !slices.ContainsFunc(Roles, func(c Choice) bool { return c.Code == string(g.Role) }) {
			return Refuse(CodeBadChoice, "%s is not a role.", clip(string(g.Role))).InChinese("%s 不是角色。", clip(string(g.Role)))
		}
	}
	return nil
}

var grantSpec = &Spec{
	Kind: KindGrant, ZH: "授权", EN: "grant", Opens: OpensNone, Filed: FiledNone, Home: ScopeUser,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}, {Code: "ended", ZH: "已结束", EN: "ended"}},
	Fields: []Field{
		{Name: "scope", Type: Home, Required: true, Once: true, Key: true, ZH: "范围", EN: "scope"},
		{Name: "why", Type: Text, Max: 500, ZH: "依据", EN: "why"},
		{Name: "until", Type: Time, Ahead: true, Once: true, ZH: "截止", EN: "it ends by itself at this time"},
	},
	Made: giveGrant,
	Commands: []Command{{Name: "end", ZH: "结束", EN: "end", From: []State{StateActive}, To: StateEnded, Args: []Field{reason}, Do: func(c *Case) error {
		c.Notify(UserID(c.Record.Scope.ID()), Notice{Type: "info", ZH: "您的一项授权已结束。", EN: "A grant of yours has ended."})
		return nil
	}}},
	Desk: grantDesk,
}

// grantDesk is what the desk offers of it.
var grantDesk = &Desk{
	Group: "reference",
	Acts: []Act{
		{
			Verb: "end", Says: "End a grant.",
			More: "For supervisors and clue managers. The phones of the person get the scope in `gone` with the next " +
				"pull, unless it may be read for another reason. `state_not_allowed` when it has ended already.",
			Example: "reason: 检查结束",
		},
	},
}

// giveGrant lets somebody of their own organisation see one site or clue. Nobody gives what he cannot see himself.
func giveGrant(c *Case) error {
	scope := Scope(c.Record.Text("scope"))
	if t := scope.Type(); t != ScopeSite && t != ScopeClue {
		return Refuse(CodeWrongScope, "Sites and clues are granted one by one; everything else follows from roles.").
			InChinese("只有项目点和问题线索逐一授权，其余均由角色决定。")
	}
	if sees, err := c.SeesScope(scope); err != nil || !sees {
		if err != nil {
			return err
		}
		return Refuse(CodeNotFound, "")
	}
	if c.Record.Fields["until"] != nil && !c.Record.Time("until").After(c.Now) {
		return Refuse(CodeBadTime, "The grant would have ended already.").InChinese("该授权的截止时间已过。")
	}
	_, err := worker(c, UserID(c.Record.Scope.ID()))
	return err
}

// worker finds somebody who works here now.
func worker(c *Case, id UserID) (*Record, error) {
	person, err := c.See(RecordID(id))
	if err != nil {
		return nil, err
	}
	if person == nil || person.Kind != KindPerson || person.State != StateActive || person.Deleted {
		return nil, Refuse(CodeUnknownRecord, "There is no such person, or not any more.").InChinese("没有该人员，或该人员已离岗。").About(string(id))
	}
	return person, nil
}

// ableTo finds somebody who can do work in a scope: who is there, holds one of the roles for that place, is of an
// organisation that may do it there, and need not stay away.
func ableTo(c *Case, id UserID, scope Scope, info ScopeInfo, power Power, roles ...Role) (*Record, error) {
	person, err := worker(c, id)
	if err != nil {
		return nil, err
	}
	return person, fit(c, person, scope, info, c.Now, power, roles...)
}

// fit checks that somebody holds one of the roles for a place, is of an organisation that may do the work there, and
// need not stay away since before a moment.
func fit(c *Case, person *Record, scope Scope, info ScopeInfo, since time.Time, power Power, roles ...Role) error {
	grants, err := RolesOf(person)
	if err != nil {
		return err
	}
	fits := func(g RoleGrant) bool {
		return slices.Contains(roles, g.Role) &&
			(len(g.Regions) == 0 || slices.ContainsFunc(g.Regions, func(p string) bool { return strings.HasPrefix(info.Region, p) })) &&
			(len(g.Projects) == 0 || slices.Contains(g.Projects, info.Project))
	}
	allowed, err := mandated(c, OrgID(person.Scope.ID()), scope, info, power)
	if err != nil {
		return err
	}
	if !allowed || !slices.ContainsFunc(grants, fits) {
		return Refuse(CodeCannotDo, "").About(string(person.ID))
	}
	recused, err := recusedFrom(c.Look, UserID(person.ID), scope, since)
	if err != nil || recused {
		if err == nil { // who must stay away from what is nobody else's business
			err = Refuse(CodeCannotDo, "").About(string(person.ID))
		}
		return err
	}
	return nil
}

// recusedFrom reports whether somebody must stay away from a scope, and had to at a moment.
func recusedFrom(look Lookup, id UserID, scope Scope, at time.Time) (bool, error) {
	found, err := look.Find(KindRecusal, KeyFor("scope", scope))
	return slices.ContainsFunc(found, func(r *Record) bool {
		return r.State == StateActive && r.Scope == MakeScope(ScopeUser, string(id)) && !r.CreatedAt.After(at)
	}), err
}

var recusalSpec = &Spec{
	Kind: KindRecusal, ZH: "回避", EN: "recusal", Opens: OpensNone, Filed: FiledNone, Home: ScopeUser,
	Initial: StateActive, States: grantSpec.States,
	Fields: []Field{
		{Name: "scope", Type: Home, Required: true, Once: true, Key: true, ZH: "范围", EN: "scope"},
		{Name: "why", Type: Text, Max: 500, Required: true, ZH: "原因", EN: "why"},
	},
	Made: recuse,
	Commands: []Command{{Name: "end", ZH: "结束", EN: "end", From: []State{StateActive}, To: StateEnded, Args: []Field{reason}, Do: func(c *Case) error {
		of := UserID(c.Record.Scope.ID())
		if of == c.Who.User {
			return Refuse(CodeSecondPerson, "Nobody ends their own recusal.").InChinese("任何人不得结束本人的回避。")
		}
		if err := mayEndRecusal(c, of); err != nil {
			return err
		}
		if sees, err := c.SeesScope(Scope(c.Record.Text("scope"))); err != nil || !sees {
			if err != nil {
				return err
			}
			return Refuse(CodeNotFound, "")
		}
		return tellOfRecusal(c, of, "一项回避已结束。", "A recusal has ended.")
	}}},
	Desk: recusalDesk,
}

// recusalDesk is what the desk offers of it.
var recusalDesk = &Desk{
	Group: "reference",
	Acts: []Act{
		{Verb: "end", Says: "End a recusal.", More: "Nobody ends their own (second_person).", Example: "reason: 回避事由已消除"},
	},
}

// recuse keeps somebody away from one matter (回避), whatever else would allow it. It is for who may see the matter and
// stands above the person in it, or for the person; never against auditors and administrators, who watch over those who
// order it. The person and the auditors are told.
func recuse(c *Case) error {
	scope, of := Scope(c.Record.Text("scope")), UserID(c.Record.Scope.ID())
	if t := scope.Type(); t != ScopeSite && t != ScopeClue && t != ScopeCampaign {
		return Refuse(CodeWrongScope, "One stays away from a site, a clue or a campaign.").InChinese("回避的对象只能是项目点、问题线索或回头看。")
	}
	if sees, err := c.SeesScope(scope); err != nil || !sees {
		if err != nil {
			return err
		}
		return Refuse(CodeNotFound, "")
	}
	person, err := worker(c, of)
	if err != nil {
		return err
	}
	if of != c.Who.User && !c.Who.Server {
		orders, err := c.Look.Get(RecordID(c.Who.User))
		if err != nil {
			return err
		}
		switch {
		case holds(person, RoleAuditor, RoleAdministrator):
			return Refuse(CodeNotPermitted, "Auditors and administrators are not recused by those whom they watch.").
				InChinese("审计员和系统管理员不由其监督对象决定回避。")
		case orders == nil || orders.Kind != KindPerson || rankOf(orders) <= rankOf(person):
			return Refuse(CodeNotPermitted, "A recusal is ordered by somebody who stands above the person, or declared by the person.").
				InChinese("回避须由该人员的上级决定，或由本人提出。")
		}
	}
	return tellOfRecusal(c, of, "您须回避一项事务。", "You are recused from a matter.")
}

// mayEndRecusal refuses those who stand below the person or below who ordered the recusal: a leader's staff does not
// call him back.
func mayEndRecusal(c *Case, of UserID) error {
	if c.Who.Server {
		return nil
	}
	ends, err := c.Look.Get(RecordID(c.Who.User))
	if err != nil {
		return err
	}
	for _, id := range []UserID{of, c.Record.Author} {
		above, err := c.Look.Get(RecordID(id))
		if err != nil {
			return err
		}
		if above != nil && above.Kind == KindPerson && (ends == nil || ends.Kind != KindPerson || rankOf(ends) < rankOf(above)) {
			return Refuse(CodeNotPermitted, "A recusal is ended by nobody who stands below the person or below who ordered it.").
				InChinese("回避不得由职级低于该人员或低于作出决定者的人结束。")
		}
	}
	return nil
}

// tellOfRecusal tells the person and the auditors of the organisation. The notices name the recusal, not the matter.
func tellOfRecusal(c *Case, of UserID, zh, en string) error {
	c.Notify(of, Notice{Type: "info", ZH: zh, EN: en})
	return c.NotifyRole(c.Record.Info.Owner(), RoleAuditor, Notice{Type: "info", ZH: "回避登记有变动，请查阅。", EN: "A recusal was made or ended; look at it."})
}

// NotifyRole puts a notice into the inboxes of those who hold a role in an organisation, but for who acts.
func (c *Case) NotifyRole(org OrgID, role Role, n Notice) error {
	if org == "" {
		return nil
	}
	people, err := c.Look.In(MakeScope(ScopeOrg, string(org)), KindPerson)
	for _, p := range people {
		if p.State == StateActive && holds(p, role) && UserID(p.ID) != c.Who.User {
			c.Notify(UserID(p.ID), n)
		}
	}
	return err
}

// staysAway reports whether a notice would tell somebody of a matter from which he stays away, or of one of an
// organisation for which his own does not act, or not any more: a report can name anybody as its inspector.
func staysAway(c *Case, e Effect) (bool, error) {
	if info := c.Record.Info; info.Owner() != "" {
		person, err := c.Look.Get(RecordID(e.Scope.ID()))
		if err != nil {
			return false, err
		}
		if person == nil || person.Kind != KindPerson {
			return true, nil
		}
		if ours, err := c.Concerns(OrgID(person.Scope.ID()), c.Record.Scope, info); err != nil || !ours {
			return true, err
		}
	}
	about := (&Record{Fields: e.Set}).Text("recordScope")
	found, err := c.Look.Find(KindRecusal, KeyFor("scope", about))
	return slices.ContainsFunc(found, func(r *Record) bool { return r.Scope == e.Scope && r.State == StateActive }), err
}

// States of a notice.
const (
	NoticeUnread State = "unread"
	NoticeRead   State = "read"
)

var noticeSpec = &Spec{
	Kind: KindNotice, ZH: "收件箱", EN: "notice", Home: ScopeUser, Opens: OpensNone, Filed: FiledNone, Use: UseNotice, ServerOK: true, Spares: staysAway,
	Initial: NoticeUnread, States: []Choice{{Code: "unread", ZH: "未读", EN: "unread"}, {Code: "read", ZH: "已读", EN: "read"}},
	Fields: []Field{
		{Name: "type", Type: Enum, Choices: noticeTypes, Required: true, Server: true, ZH: "类型", EN: "type"},
		{Name: "zh", Type: Text, Max: 1000, Server: true, ZH: "中文", EN: "in Chinese"},
		{Name: "en", Type: Text, Max: 1000, Server: true, ZH: "英文", EN: "in English"},
		{Name: "recordId", Type: Text, Max: 80, Server: true, Key: true, ZH: "记录", EN: "record"},
		{Name: "recordKind", Type: Text, Max: 40, Server: true, ZH: "记录种类", EN: "kind of the record"},
		{Name: "recordScope", Type: Text, Max: 80, Server: true, Key: true, ZH: "记录范围", EN: "scope of the record"},
		{Name: "due", Type: Time, Ahead: true, Server: true, ZH: "期限", EN: "due"},
		{Name: "items", Type: Object, List: true, Server: true, ZH: "事项", EN: "items", Fields: returnedItem},
	},
	Commands: []Command{{Name: "read", ZH: "已读", EN: "read", From: []State{NoticeUnread}, To: NoticeRead}},
	Moves:    true,
	Rank: func(r *Record) string { // returned work first, then the newest
		first := "1"
		if r.Text("type") == "returned" && r.State == NoticeUnread {
			first = "0"
		}
		return first + RankNewest(r.CreatedAt)
	},
	Desk: noticeDesk,
}

// noticeDesk is what the desk offers of it.
var noticeDesk = &Desk{
	Group: "inbox",
	Acts: []Act{
		{
			Verb: "read", Says: "Mark an own notice as read.", Everybody: true,
			More: "For whose inbox it is in. `state_not_allowed` when it is read already.",
		},
	},
}
