package field

import (
	"slices"
	"strings"
	"time"
)

// States of a mandate.
const (
	MandateValid   State = "valid"
	MandateRevoked State = "revoked"
)

// Power is one thing that a mandate empowers the agent's people to do, beyond reading, each within their own role.
type Power string

// The powers. What each comes to stands in server/access/table.go.
const (
	PowerInspect  Power = "inspect"  // visit, report, photograph, interview
	PowerReview   Power = "review"   // take, return and approve reports, decide flags, accept what was kept
	PowerClassify Power = "classify" // say what becomes of a finding; a clue that comes of it is the principal's
	PowerRevisit  Power = "revisit"  // assign and judge revisit tasks
	PowerHandle   Power = "handle"   // work on the clues that the mandate names
)

var powers = []Choice{
	{Code: string(PowerInspect), ZH: "现场检查", EN: "inspect"},
	{Code: string(PowerReview), ZH: "审核", EN: "review"},
	{Code: string(PowerClassify), ZH: "问题分类", EN: "classify findings"},
	{Code: string(PowerRevisit), ZH: "回头看", EN: "revisit"},
	{Code: string(PowerHandle), ZH: "承办线索", EN: "handle clues"},
}

var mandateSubjects = []Choice{
	{Code: "site", ZH: "项目点", EN: "site"},
	{Code: "project", ZH: "项目", EN: "project"},
	{Code: "region", ZH: "地区", EN: "region"},
	{Code: "clue", ZH: "问题线索", EN: "clue"},
}

// mandateSpec is 委托: one organisation, the principal, lets another, the agent, act about some of its subjects, in
// some ways, for some time. It lives with the principal. Without a valid one a partner sees and does nothing here,
// whatever the roles of its people are; with one they see what their role shows, and do what their role and the mandate
// both allow.
var mandateSpec = &Spec{
	Kind: KindMandate, ZH: "委托", EN: "mandate", Opens: OpensNone, Filed: FiledNone, Home: ScopeOrg,
	Initial: StateDraft,
	States: []Choice{
		{Code: "draft", ZH: "拟定", EN: "draft"},
		{Code: "valid", ZH: "有效", EN: "valid from its first to its last day"},
		{Code: "revoked", ZH: "已撤销", EN: "revoked"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{StateDraft},
	Fields: []Field{
		{Name: "principal", Type: Org, Required: true, Once: true, Key: true, ZH: "委托方", EN: "principal"},
		{Name: "agent", Type: Org, Required: true, Once: true, Key: true, ZH: "受托方", EN: "agent"},
		{Name: "subjects", Type: Object, List: true, Items: 200, Required: true, ZH: "委托事项范围", EN: "what it is about", Fields: []Field{
			{Name: "kind", Type: Enum, Choices: mandateSubjects, Required: true, ZH: "类型", EN: "kind"},
			{Name: "ref", Type: Text, Max: 40, Required: true, ZH: "对象", EN: "id of the record, or the first digits of a region's code"},
		}},
		{Name: "powers", Type: Enum, Choices: powers, List: true, Items: 10, ZH: "除查阅外的权限", EN: "what the agent may do, beyond reading"},
		{Name: "validFrom", Type: Date, Required: true, ZH: "起始日", EN: "first day"},
		{Name: "validTo", Type: Date, Required: true, ZH: "截止日", EN: "last day"},
		{Name: "document", Type: Text, Max: 200, Required: true, ZH: "委托文书", EN: "number of the document"},
		{Name: "why", Type: Text, Max: 1000, ZH: "说明", EN: "why"},
		{Name: "approvedBy", Type: ID, Of: KindPerson, Server: true, ZH: "批准人", EN: "approved by"},
		{Name: "approvedAt", Type: Time, Server: true, ZH: "批准时间", EN: "approved at"},
		{Name: "revokedBy", Type: ID, Of: KindPerson, Server: true, ZH: "撤销人", EN: "revoked by"},
		{Name: "revokeReason", Type: Text, Max: 1000, Server: true, ZH: "撤销理由", EN: "why it was revoked"},
		voidReason,
	},
	Made: checkMandate, Edited: checkMandate,
	Commands: []Command{
		{Name: "approve", ZH: "批准", EN: "approve", From: []State{StateDraft}, To: MandateValid, Do: func(c *Case) error {
			if c.Record.Author == c.Who.User && !c.Who.Server {
				return Refuse(CodeSecondPerson, "Who drafted a mandate does not approve it.").InChinese("拟定委托的人不得批准该委托。")
			}
			if c.Record.Text("validTo") < DayOf(c.Now) {
				return Refuse(CodeBadTime, "The mandate would end before it begins to count.").InChinese("该委托在生效之前即已到期。")
			}
			c.Set("approvedBy", c.Who.User)
			c.Set("approvedAt", stamp(c.Now))
			return nil
		}},
		{Name: "extend", ZH: "延期", EN: "extend", From: []State{MandateValid}, Args: []Field{
			{Name: "validTo", Type: Date, Required: true, ZH: "截止日", EN: "last day"}, reason,
		}, Do: func(c *Case) error {
			if c.Arg("validTo") <= c.Record.Text("validTo") {
				return Refuse(CodeBadTime, "A mandate is extended to a later day, and ended by revoking it.").
					InChinese("延期只能延至更晚的日期；如需提前结束，请撤销委托。")
			}
			c.Set("validTo", c.Arg("validTo"))
			return nil
		}},
		{Name: "revoke", ZH: "撤销", EN: "revoke", From: []State{MandateValid}, To: MandateRevoked, Args: []Field{reason}, Do: func(c *Case) error {
			c.Set("revokedBy", c.Who.User)
			c.Set("revokeReason", c.Arg("reason"))
			return nil
		}},
		void(StateDraft),
	},
	Desk: mandateDesk,
}

// mandateDesk is what the desk offers of it.
var mandateDesk = &Desk{
	Group: "reference",
	Filters: []Filter{
		{Name: "state"},
		{Name: "agent", Says: "Only those for this organisation."},
		{Name: "principal", Says: "Only those of this organisation."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Draft a mandate.",
			More: "Your organisation would let another one act about some of its sites, projects, regions or clues " +
				"(委托). It counts once a leader approves it, from its first to its last day in Beijing. Without one " +
				"a partner reads and does nothing here.",
			Example: "principal: gz-liwan, agent: bijie, subjects: [{kind: region, ref: '520502'}], powers: [inspect], " +
				"validFrom: '2026-12-01', validTo: '2027-11-30', document: 荔湾纪委托函〔2026〕3号",
		},
		{
			Verb: "list", Says: "Mandates of your organisation, and those under which it acts.",
			More: "With the filters below.",
		},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change a draft.",
			More:    "For supervisors of the principal. `not_editable` once it is approved: it is extended or revoked.",
			Example: "validTo: '2027-12-31'",
		},
		{Verb: "approve", Says: "Put a mandate into force.", More: "Who drafted it does not approve it (second_person)."},
		{
			Verb: "extend", Says: "Move the last day of a mandate.",
			More:    "To a later day only.",
			Example: "validTo: '2028-05-31', reason: 整改期延长",
		},
		{
			Verb: "revoke", Says: "End a mandate at once.",
			More:    "The agent reads and does nothing here from now on; what its phones still send is kept for review.",
			Example: "reason: 合作结束",
		},
		{Verb: "void", Says: "Take a draft out of view.", More: "It is not deleted.", Example: "reason: 拟稿有误"},
	},
}

func checkMandate(c *Case) error {
	r := c.Record
	principal, agent := r.Text("principal"), r.Text("agent")
	switch {
	case MakeScope(ScopeOrg, principal) != r.Scope:
		return Refuse(CodeWrongScope, "A mandate lives with the principal, in org/%s.", principal).
			InChinese("委托应存于委托方的 org/%s 中。", principal)
	case principal == agent:
		return Refuse(CodeBadChoice, "Nobody gives himself a mandate.").InChinese("不得委托本组织自身。")
	case r.Text("validFrom") > r.Text("validTo"):
		return Refuse(CodeBadTime, "The mandate ends before it begins.").InChinese("委托的截止日早于起始日。")
	}
	subjects, err := subjectsOf(r)
	if err != nil {
		return err
	}
	if len(subjects) == 0 {
		return Refuse(CodeMissingField, "Say what the mandate is about: sites, projects, regions or clues.").
			InChinese("请说明委托事项范围：项目点、项目、地区或问题线索。")
	}
	for _, s := range subjects {
		region := s.Kind == "region"
		if region && (len(s.Ref) < 2 || len(s.Ref) > 6 || strings.Trim(s.Ref, "0123456789") != "") || !region && !ValidID(s.Ref) {
			kind := chosen(mandateSubjects, s.Kind)
			return Refuse(CodeBadID, "%s is not the id of a %s.", clip(s.Ref), kind.EN).InChinese("%s 不是%s的编号。", clip(s.Ref), kind.ZH)
		}
	}
	return nil
}

// Subject is one thing that a mandate is about.
type Subject struct {
	Kind string `json:"kind"`
	Ref  string `json:"ref"`
}

func subjectsOf(mandate *Record) ([]Subject, error) {
	var subjects []Subject
	if err := mandate.Decode("subjects", &subjects); err != nil {
		return nil, Refuse(CodeWrongType, "The subjects of the mandate cannot be read.").InChinese("委托事项范围无法读取。").Because(err)
	}
	return subjects, nil
}

// Mandate is what access asks about a mandate.
type Mandate struct {
	ID        RecordID
	Principal OrgID
	Agent     OrgID
	Powers    []Power
	Sites     []Scope
	Clues     []Scope
	Projects  []ProjectID
	Regions   []string
}

// MandateOf reads a mandate that counts at a moment; ok is false for one that does not: a draft, one that was revoked,
// or one of another day. Days are those of Beijing.
func MandateOf(r *Record, at time.Time) (m Mandate, ok bool) {
	day := DayOf(at)
	if r.Kind != KindMandate || r.Deleted || r.State != MandateValid || day < r.Text("validFrom") || day > r.Text("validTo") {
		return m, false
	}
	subjects, err := subjectsOf(r)
	if err != nil {
		return m, false
	}
	m = Mandate{ID: r.ID, Principal: OrgID(r.Text("principal")), Agent: OrgID(r.Text("agent"))}
	for _, p := range r.Texts("powers") {
		m.Powers = append(m.Powers, Power(p))
	}
	for _, s := range subjects {
		switch s.Kind {
		case "site":
			m.Sites = append(m.Sites, MakeScope(ScopeSite, s.Ref))
		case "clue":
			m.Clues = append(m.Clues, MakeScope(ScopeClue, s.Ref))
		case "project":
			m.Projects = append(m.Projects, ProjectID(s.Ref))
		case "region":
			m.Regions = append(m.Regions, s.Ref)
		}
	}
	return m, true
}

// Empowers reports whether the mandate gives a power.
func (m *Mandate) Empowers(p Power) bool { return slices.Contains(m.Powers, p) }

// Covers reports whether the mandate is about a site or a clue of the principal. A site is joint: the agent is one of
// its organisations.
func (m *Mandate) Covers(agent OrgID, scope Scope, info ScopeInfo) bool {
	if info.Owner() != m.Principal {
		return false
	}
	switch scope.Type() {
	case ScopeClue:
		return slices.Contains(m.Clues, scope)
	case ScopeSite:
		return info.Has(agent) && (slices.Contains(m.Sites, scope) || slices.Contains(m.Projects, info.Project) ||
			slices.ContainsFunc(m.Regions, func(p string) bool { return strings.HasPrefix(info.Region, p) }))
	}
	return false
}

// mandated finds out whether an organisation may do something about a site or clue of another one today.
func mandated(c *Case, agent OrgID, scope Scope, info ScopeInfo, p Power) (bool, error) {
	return c.underMandate(agent, scope, info, func(m *Mandate) bool { return m.Empowers(p) })
}

// Concerns reports whether a matter is an organisation's today: its own, or of one for which it acts.
func (c *Case) Concerns(org OrgID, scope Scope, info ScopeInfo) (bool, error) {
	return c.underMandate(org, scope, info, func(*Mandate) bool { return true })
}

func (c *Case) underMandate(agent OrgID, scope Scope, info ScopeInfo, counts func(*Mandate) bool) (bool, error) {
	if info.Owner() == agent {
		return true, nil
	}
	found, err := c.Look.Find(KindMandate, KeyFor("agent", agent))
	if err != nil {
		return false, err
	}
	for _, r := range found {
		if m, ok := MandateOf(r, c.Now); ok && counts(&m) && m.Covers(agent, scope, info) {
			return true, nil
		}
	}
	return false, nil
}

// Powers lists the powers with their labels.
func Powers() []Choice { return powers }
