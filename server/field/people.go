package field

// States that several kinds share.
const (
	StateActive State = "active"
	StateEnded  State = "ended"
	StateVoided State = "voided"
	StateDraft  State = "draft"
	StateClosed State = "closed"
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

var voidReason = Field{Name: "voidReason", Type: Text, Max: 1000, Server: true, ZH: "作废理由", EN: "reason for voiding"}

var orgSpec = &Spec{
	Kind: KindOrg, ZH: "组织", EN: "organisation", Home: ScopeOrg,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}}, Editable: []State{StateActive},
	Fields: []Field{
		{Name: "code", Type: Org, Required: true, Once: true, ZH: "代码", EN: "short name"},
		{Name: "name", Type: Text, Required: true, ZH: "名称", EN: "name"},
		{Name: "nameEn", Type: Text, ZH: "英文名称", EN: "name in English"},
		{Name: "region", Type: Region, Required: true, ZH: "地区", EN: "region"},
		{Name: "partners", Type: Org, List: true, Items: 50, ZH: "协作组织", EN: "partner organisations"},
		{Name: "spaceLimit", Type: Integer, Low: 1 << 20, High: 1 << 50, Server: true, ZH: "照片空间上限（字节）", EN: "limit of space for originals, in bytes"},
	},
	Made: orgScope, Edited: orgScope,
}

// orgScope keeps the scope of an organisation open to itself and to its partners: reference data is shared by those who
// inspect together.
func orgScope(c *Case) error {
	code := OrgID(c.Record.Text("code"))
	if MakeScope(ScopeOrg, string(code)) != c.Record.Scope {
		return Refuse(CodeWrongScope, "An organisation lives in its own scope, org/%s.", code)
	}
	info := ScopeInfo{Orgs: []OrgID{code}, Region: c.Record.Text("region")}
	for _, p := range c.Record.Texts("partners") {
		if !info.Has(OrgID(p)) {
			info.Orgs = append(info.Orgs, OrgID(p))
		}
	}
	c.Effect(Effect{Scope: c.Record.Scope, Info: &info})
	c.Effect(Effect{Scope: MakeScope(ScopeRegister, string(code)), Info: &ScopeInfo{Orgs: []OrgID{code}, Region: info.Region}})
	return nil
}

var personSpec = &Spec{
	Kind: KindPerson, ZH: "人员", EN: "person", Home: ScopeOrg,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "在岗", EN: "active"}, {Code: "left", ZH: "离岗", EN: "left"}},
	Editable: []State{StateActive},
	Fields: []Field{
		{Name: "name", Type: Text, Required: true, Max: 50, ZH: "姓名", EN: "name"},
		{Name: "title", Type: Text, Max: 100, ZH: "职务", EN: "title"},
		{Name: "roles", Type: Object, List: true, Items: 20, ZH: "角色", EN: "roles", Fields: []Field{
			{Name: "role", Type: Text, Max: 40, Required: true},
			{Name: "regions", Type: Text, Max: 6, List: true},
			{Name: "projects", Type: ID, Of: KindProject, List: true},
		}},
	},
	Made: func(c *Case) error { // everybody has an inbox
		info := ScopeInfo{Orgs: []OrgID{OrgID(c.Record.Scope.ID())}}
		c.Effect(Effect{Scope: MakeScope(ScopeUser, string(c.Record.ID)), Info: &info})
		return nil
	},
	Commands: []Command{{Name: "leave", ZH: "离岗", EN: "leave", From: []State{StateActive}, To: "left", Args: []Field{reason}}},
}

var grantSpec = &Spec{
	// The desk makes it, after it has asked whether the giver sees the scope; a phone never does.
	Kind: KindGrant, ZH: "授权", EN: "grant", Home: ScopeUser, ServerOK: true,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}, {Code: "ended", ZH: "已结束", EN: "ended"}},
	Fields: []Field{
		{Name: "scope", Type: Home, Required: true, Once: true, Key: true, ZH: "范围", EN: "scope"},
		{Name: "why", Type: Text, Max: 500, ZH: "依据", EN: "why"},
	},
	Commands: []Command{{Name: "end", ZH: "结束", EN: "end", From: []State{StateActive}, To: StateEnded, Args: []Field{reason}}},
}

var recusalSpec = &Spec{
	Kind: KindRecusal, ZH: "回避", EN: "recusal", Home: ScopeUser, ServerOK: true,
	Initial: StateActive, States: grantSpec.States,
	Fields: []Field{
		{Name: "scope", Type: Home, Required: true, Once: true, Key: true, ZH: "范围", EN: "scope"},
		{Name: "why", Type: Text, Max: 500, Required: true, ZH: "原因", EN: "why"},
	},
	Commands: []Command{{Name: "end", ZH: "结束", EN: "end", From: []State{StateActive}, To: StateEnded, Args: []Field{reason}, Do: func(c *Case) error {
		if c.Record.Scope == MakeScope(ScopeUser, string(c.Who.User)) {
			return Refuse(CodeSecondPerson, "Nobody ends the own recusal.")
		}
		return nil
	}}},
}

var noticeSpec = &Spec{
	Kind: KindNotice, ZH: "收件箱", EN: "notice", Home: ScopeUser, ServerOK: true,
	Initial: "unread", States: []Choice{{Code: "unread", ZH: "未读", EN: "unread"}, {Code: "read", ZH: "已读", EN: "read"}},
	Fields: []Field{
		{Name: "type", Type: Enum, Choices: noticeTypes, Required: true, Server: true},
		{Name: "zh", Type: Text, Max: 1000, Server: true},
		{Name: "en", Type: Text, Max: 1000, Server: true},
		{Name: "recordId", Type: Text, Max: 80, Server: true, Key: true},
		{Name: "recordKind", Type: Text, Max: 40, Server: true},
		{Name: "recordScope", Type: Text, Max: 80, Server: true},
		{Name: "due", Type: Time, Ahead: true, Server: true},
		{Name: "items", Type: Object, List: true, Server: true, Fields: returnedItem},
	},
	Commands: []Command{{Name: "read", ZH: "已读", EN: "read", From: []State{"unread"}, To: "read"}},
	Rank: func(r *Record) string { // returned work first, then the newest
		first := "1"
		if r.Text("type") == "returned" && r.State == "unread" {
			first = "0"
		}
		return first + RankNewest(r.CreatedAt)
	},
}

var registerSpec = &Spec{
	Kind: KindRegister, ZH: "线索台账", EN: "clue register", Home: ScopeRegister, ServerOK: true,
	Initial: StateActive, States: []Choice{{Code: "active", ZH: "有效", EN: "active"}},
	Fields: []Field{
		{Name: "year", Type: Integer, Low: 2000, High: 2100, Server: true},
		{Name: "last", Type: Integer, Low: 0, High: 1e9, Server: true},
	},
}
