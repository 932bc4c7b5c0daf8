package field

import "slices"

// FindingClassified is the state of a finding of which it is decided what becomes of it. Before it is open, after it
// closed.
const FindingClassified State = "classified"

var findingSpec = &Spec{
	Kind: KindFinding, ZH: "发现问题", EN: "finding", Opens: OpensNone, Filed: FiledProblem, Shown: ShownLatest, Home: ScopeSite,
	Whose: byTeam, EditOwn: true, Part: "reportId", Matters: []State{FindingClassified, StateClosed}, Told: ToldNobody,
	Initial: StateOpen,
	States: []Choice{
		{Code: "open", ZH: "待分类", EN: "open"},
		{Code: "classified", ZH: "已分类", EN: "classified"},
		{Code: "closed", ZH: "已关闭", EN: "closed"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{StateOpen},
	Fields: []Field{
		{Name: "reportId", Type: ID, Of: KindReport, Once: true, Key: true, ZH: "报告", EN: "report"},
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Once: true, Key: true, ZH: "项目点", EN: "site"},
		{Name: "item", Type: Text, Max: 64, ZH: "事项", EN: "checklist item"},
		{Name: "title", Type: Text, Max: 200, Required: true, ZH: "标题", EN: "title"},
		{Name: "facts", Type: Text, Max: 10_000, ZH: "事实", EN: "facts"},
		{Name: "violation", Type: Enum, Choices: Violations, Key: true, ZH: "违规违纪类型", EN: "violation"},
		{Name: "redLine", Type: Enum, Choices: RedLines, ZH: "红线", EN: "red line"},
		{Name: "severity", Type: Enum, Choices: findingSeverities, ZH: "程度", EN: "severity"},
		{Name: "amount", Type: Number, Low: 0, High: 1e12, ZH: "金额（元）", EN: "amount (CNY)"},
		{Name: "evidence", Type: ID, Evidence: RestsOnIt, List: true, Key: true, ZH: "证据", EN: "evidence: photos, interviews"},
		{Name: "helpNeeded", Type: Bool, ZH: "需协助解决的困难，非违规违纪", EN: "a blocker, not misconduct"},
		{Name: "promise", Type: Text, Max: 1000, ZH: "整改承诺", EN: "what was promised"},

		{Name: "class", Type: Enum, Choices: classes, Server: true, Key: true, ZH: "分类", EN: "class"},
		{Name: "classReason", Type: Text, Max: 1000, Server: true, ZH: "分类理由", EN: "reason of the class"},
		{Name: "clueId", Type: ID, Of: KindClue, Server: true, Key: true, ZH: "问题线索", EN: "clue"},
		{Name: "reopened", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "重新打开次数", EN: "times reopened"},
		{Name: "reopenedBy", Type: Text, Max: 80, Server: true, ZH: "重新打开依据", EN: "the revisit that reopened it"},
		afterSubmission,
		{Name: "closeReason", Type: Text, Max: 1000, Server: true, ZH: "关闭理由", EN: "reason for closing"},
		voidReason,
	},
	Made: partAdded,
	Commands: []Command{
		{
			Name: "classify", ZH: "分类", EN: "classify", From: []State{StateOpen}, To: FindingClassified,
			Args: []Field{
				{Name: "class", Type: Enum, Choices: classes, Required: true, ZH: "分类", EN: "class"},
				{Name: "reason", Type: Text, Max: 1000, ZH: "理由，不予处理时必填", EN: "needed for dismissed"},
				{Name: "violation", Type: Enum, Choices: Violations, ZH: "违规违纪类型，列为线索而发现中未填时必填", EN: "needed for a clue when the finding has none"},
				{Name: "clueId", Type: ID, ZH: "将生成的线索的编号；空缺：由服务器生成", EN: "for the clue that is made; left out, the server makes one"},
			},
			Do: classifyFinding,
		},
		{Name: "close", ZH: "关闭", EN: "close", From: []State{FindingClassified}, To: StateClosed, Args: []Field{reason}, Do: func(c *Case) error {
			if err := notItsAuthor(c, c.Record); err != nil {
				return Refuse(CodeSecondPerson, "The person who wrote a finding does not close it.").InChinese("发现问题的填写人不得将其关闭。")
			}
			c.Set("closeReason", c.Arg("reason"))
			return nil
		}},
		{Name: "reopen", ZH: "重新打开", EN: "reopen", From: []State{StateClosed, FindingClassified}, To: StateOpen, Args: []Field{reason}, Do: func(c *Case) error {
			c.Set("reopened", c.Record.Int("reopened")+1)
			c.Set("reopenedBy", c.Arg("reason"))
			return tellReopened(c, c.Record)
		}},
		partVoid(StateOpen),
	},
	Desk: findingDesk,
}

// findingDesk is what the desk offers of it.
var findingDesk = &Desk{
	Group: "review",
	Filters: []Filter{
		{Name: "state"},
		{Name: "class", Says: "Classified so."},
		{Name: "violation", Says: "Of this type of violation."},
		{Name: "siteId", Says: "At this site."},
		{Name: "reportId", Says: "Of this report."},
	},
	Acts: []Act{
		{Verb: "list", More: "Those of the sites that you may read, with the filters below."},
		{Verb: "get"},
		{
			Verb: "classify", Says: "Decide what becomes of a finding.",
			More: "As a clue it needs a violation type; the clue and its first links are made in the same commit, and " +
				"clueId of the finding names it.",
			Example: "class: clue, violation: false_claim, reason: 付款与进度不符",
		},
		{
			Verb: "close", Says: "Close a classified finding.",
			More:    "Who wrote it does not close it (second_person).",
			Example: "reason: 已整改到位",
		},
		{
			Verb: "reopen", Says: "Open a finding again.",
			More: "For supervisors, of a classified or closed finding; how often is counted. `state_not_allowed` when " +
				"it is open.",
			Example: "reason: 整改后再次漏雨",
		},
	},
}

// classifyFinding decides what becomes of a finding. As a clue it needs a violation type; the clue is made in the same
// commit, with the report, the evidence and the finding linked to it. A finding that led to a clue before, and was
// opened again, keeps it: one that was merged leads to the other, and for one that was voided there is a new one.
// Classified as something else, its clue loses its ground.
func classifyFinding(c *Case) error {
	report, err := ReportOf(c.Look, c.Record)
	if err != nil {
		return err
	}
	if report != nil && slices.Contains(Involved(report), c.Who.User) {
		return Refuse(CodeReviewerIsAuthor, "")
	}
	if v := c.Arg("violation"); v != "" {
		c.Set("violation", v)
	}
	class := c.Arg("class")
	if class == "dismissed" && Blank(c.Arg("reason")) {
		return Refuse(CodeReasonMissing, "")
	}
	c.Set("class", class)
	if r := c.Arg("reason"); !Blank(r) {
		c.Set("classReason", r)
	}
	before, err := Standing(c.Look, RecordID(c.Record.Text("clueId")))
	if err != nil {
		return err
	}
	if before != nil && before.State == StateVoided {
		before = nil
	}
	if class != "clue" {
		return leaveClue(c, before)
	}
	if c.Record.Text("violation") == "" {
		return Refuse(CodeViolationMissing, "")
	}
	if before != nil {
		return backToClue(c, before)
	}
	return makeClue(c, report)
}

// leaveClue says of the clue that a finding led to that it is no clue any more by what the finding is classified as
// now.
func leaveClue(c *Case, clue *Record) error {
	if clue == nil {
		return nil
	}
	if clue.Text("findingId") == string(c.Record.ID) {
		c.Effect(Effect{ID: clue.ID, Kind: KindClue, Scope: clue.Scope, Set: map[string]Value{"findingClass": Quote(c.Arg("class"))}})
	}
	resting, err := RestingOn(c.Look, c.Record)
	if err != nil {
		return err
	}
	resting.Links = nil // what the inspectors saw counts as much as before
	return groundMoved(c, resting, causeDismissed, c.Arg("reason"))
}

// backToClue leads a finding back to the clue that it led to before. Where that has come to its end, those who manage
// clues are told, who may open it again.
func backToClue(c *Case, clue *Record) error {
	c.Set("clueId", clue.ID)
	if clue.Fields["findingClass"] != nil {
		c.Effect(Effect{ID: clue.ID, Kind: KindClue, Scope: clue.Scope, Set: map[string]Value{"findingClass": nil}})
	}
	if goesOn(clue) {
		return nil
	}
	return c.NotifyRole(clue.Info.Owner(), RoleClueManager, Notice{
		Type: "info", ZH: "一件已办结的问题线索，其来源的发现问题再次分类为线索，请研究是否重新打开。", EN: "The finding of a clue that has come to its end was classified as a clue again. Decide whether to open the clue.",
	})
}

// makeClue makes the clue of a finding that stands in a report; nil: in none.
func makeClue(c *Case, report *Record) error {
	clue := RecordID(c.Arg("clueId"))
	if clue == "" {
		clue = c.NewID("clue")
		if before := c.Record.Text("clueId"); before != "" {
			clue = c.NewID("clue", before)
		}
	}
	if known, err := c.Look.Get(clue); err != nil || known != nil || c.Arg("clueId") != "" && ReservedID(clue) {
		if err != nil {
			return err
		}
		return Refuse(CodeBadID, "") // as for every id that cannot be used: nobody learns what it is the id of
	}
	c.Set("clueId", clue)
	scope := MakeScope(ScopeClue, string(clue))
	// The clue belongs to the organisation whose site it is, also when an agent under a mandate has classified the
	// finding.
	owner := c.Record.Info.Owner()
	info := ScopeInfo{Orgs: []OrgID{owner}, Region: c.Record.Info.Region, Project: c.Record.Info.Project}
	set := map[string]Value{
		"title": Quote(c.Record.Text("title")), "channel": Quote("site_visit"), "violation": Quote(c.Record.Text("violation")),
		"summary": Quote(c.Record.Text("facts")), "findingId": Quote(c.Record.ID), "urgency": Quote("normal"), "managingOrg": Quote(owner),
	}
	if about := c.Record.Info.Project; about != "" {
		subject := map[string]string{"kind": "project", "name": string(about), "ref": string(about)} // that has not arrived, or was never sent
		project, err := c.Look.Get(RecordID(about))
		if err != nil {
			return err
		}
		if project != nil && project.Kind == KindProject {
			subject["name"] = project.Text("name")
		}
		set["subjects"] = Quote([]map[string]string{subject})
	}
	c.Effect(Effect{ID: clue, Kind: KindClue, Scope: scope, Info: &info, Make: true, Set: set})
	linkTo := func(kind Kind, id RecordID, why string, discredited bool) {
		set := map[string]Value{
			"clueId": Quote(clue), "targetKind": Quote(kind), "targetId": Quote(id), "targetScope": Quote(c.Record.Scope),
			"relation": Quote("supports"), "why": Quote(why),
		}
		if discredited {
			set["discredited"] = Quote(true)
		}
		c.Effect(Effect{ID: DeriveID(c.Now, "link", string(clue), string(id)), Kind: KindLink, Scope: scope, Make: true, Set: set})
	}
	linkTo(KindFinding, c.Record.ID, "发现问题转为线索 / the finding that became this clue", false)
	if report != nil {
		linkTo(KindReport, report.ID, "所属现场检查报告 / the report of the visit", false)
	}
	evidence, err := EvidenceOf(c.Look, c.Record)
	if err != nil {
		return err
	}
	for _, e := range evidence {
		linkTo(e.Kind, e.ID, "发现问题所附证据 / evidence of the finding", e.Deleted || e.Kind == KindPhoto && Discredited(e))
	}
	return nil
}
