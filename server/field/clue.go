package field

import (
	"slices"
)

// States of a clue.
const (
	ClueReceived    State = "received"
	ClueRegistered  State = "registered"
	ClueAssigned    State = "assigned"
	ClueProposed    State = "disposition_proposed"
	ClueApproved    State = "approved"
	ClueHandling    State = "handling"
	ClueReported    State = "reported"
	ClueFiled       State = "filed"
	ClueMerged      State = "merged"
	ClueTransferred State = "transferred"
)

// States of an evidence link.
const (
	LinkProposed  State = "proposed"
	LinkConfirmed State = "confirmed"
	LinkWithdrawn State = "withdrawn"
)

var clueSpec = &Spec{
	Kind: KindClue, ZH: "问题线索", EN: "clue", Opens: OpensByID, Filed: FiledClue, Home: ScopeClue,
	Whose: byHandler, EditOwn: true,
	Holds: &Holding{For: "managingOrg", Not: []State{ClueReceived, StateVoided}, Merged: ClueMerged, Into: "mergedInto"},
	Work: []Work{{
		As: "handler", Open: []State{ClueAssigned, ClueProposed, ClueApproved, ClueHandling, ClueReported}, Move: "assign", Takes: []Role{RoleHandler},
		Args: func(_ *Record, _, to UserID, _, _ string) map[string]Value {
			return map[string]Value{"handler": Quote(to)}
		},
	}},
	Told: &Told{
		ZH: "您承办的%s", EN: "a %s that you handle", People: func(r *Record) []UserID { return []UserID{UserID(r.Text("handler"))} },
		Role: RoleClueManager,
		Else: Notice{Type: "info", ZH: "一件未分办的问题线索，其依据有变动，请复核。", EN: "The ground of a clue that nobody handles yet has moved. Look at it."},
	},
	Initial: ClueReceived,
	States: []Choice{
		{Code: "received", ZH: "已收到", EN: "received"},
		{Code: "registered", ZH: "已登记", EN: "registered"},
		{Code: "assigned", ZH: "已分办", EN: "assigned"},
		{Code: "disposition_proposed", ZH: "拟处置", EN: "disposition proposed"},
		{Code: "approved", ZH: "已批准", EN: "approved"},
		{Code: "handling", ZH: "办理中", EN: "handling"},
		{Code: "reported", ZH: "已报告", EN: "reported"},
		{Code: "closed", ZH: "已了结", EN: "closed"},
		{Code: "filed", ZH: "已立案", EN: "filed"},
		{Code: "merged", ZH: "已并案", EN: "merged"},
		{Code: "transferred", ZH: "已移送", EN: "transferred"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{ClueReceived, ClueRegistered, ClueAssigned, ClueHandling},
	Fields: []Field{
		{Name: "title", Type: Text, Max: 200, Required: true, ZH: "标题", EN: "title"},
		{Name: "channel", Type: Enum, Choices: channels, Required: true, Once: true, Key: true, ZH: "来源", EN: "channel"},
		{Name: "batch", Type: Text, Max: 40, Key: true, ZH: "批次，如 2026Q3-audit", EN: "batch, such as 2026Q3-audit"},
		{Name: "subjects", Type: Object, List: true, Items: 50, ZH: "反映对象", EN: "subjects", Fields: []Field{
			{Name: "kind", Type: Enum, Choices: subjectKinds, Required: true, ZH: "种类", EN: "kind"}, {Name: "name", Type: Text, Required: true, ZH: "名称", EN: "name"}, {Name: "ref", Type: Text, Max: 80, ZH: "编号或链接", EN: "reference"},
		}},
		{Name: "violation", Type: Enum, Choices: Violations, Key: true, ZH: "违规违纪类型", EN: "violation"},
		{Name: "urgency", Type: Enum, Choices: urgencies, Key: true, ZH: "紧急程度", EN: "urgency"},
		{Name: "summary", Type: Text, Max: 10_000, ZH: "摘要", EN: "summary"},

		{Name: "findingId", Type: ID, Of: KindFinding, Server: true, Key: true, ZH: "来源发现", EN: "the finding it came from"},
		{Name: "managingOrg", Type: Org, Server: true, Key: true, ZH: "主管组织", EN: "managing organisation"},
		{Name: "number", Type: Text, Max: 60, Server: true, Key: true, ZH: "线索编号", EN: "number"},
		{Name: "handler", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "承办人", EN: "handler"},
		{Name: "formerHandlers", Type: ID, Of: KindPerson, List: true, Server: true, ZH: "曾承办人", EN: "who handled it before"},
		{Name: "disposition", Type: Enum, Choices: dispositions, Server: true, Key: true, ZH: "处置方式", EN: "disposition"},
		{Name: "proposedBy", Type: ID, Of: KindPerson, Server: true, ZH: "拟办人", EN: "proposed by"},
		{Name: "outcome", Type: Text, Max: 5000, Server: true, ZH: "办理结果", EN: "outcome"},
		{Name: "mergedInto", Type: ID, Of: KindClue, Server: true, ZH: "并入", EN: "merged into"},
		{Name: "mergedFrom", Type: ID, Of: KindClue, List: true, Items: 1000, Server: true, ZH: "并入的线索", EN: "clues that were merged into it"},
		{Name: "findingClass", Type: Enum, Choices: classes, Server: true, Key: true, ZH: "来源发现的现分类", EN: "what the finding it came from is classified as now, if not as a clue"},
		{Name: "reopened", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "重新打开次数", EN: "times reopened"},
		{Name: "reopenedBy", Type: Text, Max: 1000, Server: true, ZH: "重新打开依据", EN: "why it was reopened"},
		voidReason,
	},
	Made: func(c *Case) error {
		if c.Record.Fields["managingOrg"] == nil {
			c.Set("managingOrg", c.Who.Org)
		}
		if c.Record.Fields["urgency"] == nil {
			c.Set("urgency", "normal")
		}
		return nil
	},
	Moves: true,
	Rank: func(r *Record) string {
		first := "2"
		switch r.Text("urgency") {
		case "major":
			first = "0"
		case "urgent":
			first = "1"
		}
		return first + RankTime(r.CreatedAt)
	},
	Commands: []Command{
		{Name: "register", ZH: "登记编号", EN: "register", From: []State{ClueReceived}, To: ClueRegistered, Do: registerClue},
		{
			Name: "assign", ZH: "分办", EN: "assign", From: []State{ClueRegistered, ClueAssigned, ClueProposed, ClueApproved, ClueHandling},
			Args: []Field{{Name: "handler", Type: ID, Of: KindPerson, Required: true, ZH: "承办人", EN: "handler"}},
			Do:   assignClue,
		},
		{
			Name: "propose", Own: true, ZH: "拟处置", EN: "propose a disposition", From: []State{ClueAssigned}, To: ClueProposed,
			Args: []Field{{Name: "disposition", Type: Enum, Choices: dispositions, Required: true, ZH: "处置方式", EN: "disposition"}, reason},
			Do: func(c *Case) error {
				c.Set("disposition", c.Arg("disposition"))
				c.Set("proposedBy", c.Who.User)
				return nil
			},
		},
		{Name: "approve", ZH: "批准处置", EN: "approve the disposition", From: []State{ClueProposed}, To: ClueApproved, Do: func(c *Case) error {
			if UserID(c.Record.Text("proposedBy")) == c.Who.User {
				return Refuse(CodeSecondPerson, "Who proposed a disposition does not approve it.").InChinese("拟定处置意见的人不得批准该处置。")
			}
			return nil
		}},
		{Name: "handle", Own: true, ZH: "开始办理", EN: "start handling", From: []State{ClueApproved}, To: ClueHandling},
		{
			Name: "report", Own: true, ZH: "报告结果", EN: "report the outcome", From: []State{ClueHandling}, To: ClueReported,
			Args: []Field{{Name: "outcome", Type: Text, Max: 5000, Required: true, ZH: "办理结果", EN: "outcome"}},
			Do:   func(c *Case) error { c.Set("outcome", c.Arg("outcome")); return nil },
		},
		{Name: "close", ZH: "了结", EN: "close", From: []State{ClueReported}, To: StateClosed, Args: []Field{reason}, Do: endClue},
		{Name: "file", ZH: "立案", EN: "file", From: []State{ClueReported}, To: ClueFiled, Args: []Field{reason}, Do: endClue},
		{
			Name: "merge", ZH: "并案", EN: "merge", From: []State{ClueReceived, ClueRegistered, ClueAssigned}, To: ClueMerged,
			Args: []Field{{Name: "into", Type: ID, Of: KindClue, Required: true, ZH: "并入线索", EN: "the clue into which it is merged"}, reason},
			Do:   mergeClue,
		},
		{Name: "reopen", ZH: "重新打开", EN: "reopen", From: []State{StateClosed}, Args: []Field{reason}, Do: func(c *Case) error {
			c.Record.State = ReopenedClue(c.Record)
			c.Set("reopened", c.Record.Int("reopened")+1)
			c.Set("reopenedBy", c.Arg("reason"))
			return backToHandler(c, c.Record)
		}},
		voidClue(ClueReceived, ClueRegistered),
	},
	Desk: clueDesk,
}

// clueDesk is what the desk offers of it.
var clueDesk = &Desk{
	Group: "clues",
	Filters: []Filter{
		{Name: "state"},
		{Name: "channel", Says: "Received by this channel."},
		{Name: "violation", Says: "Of this type of violation."},
		{Name: "urgency", Says: "As urgent as this."},
		{Name: "batch", Says: "Of this batch."},
		{Name: "number", Says: "With this number."},
		{Name: "disposition", Says: "With this disposition."},
		{Name: "handler", Says: "Handled by this person."},
		{Name: "findingId", Says: "Made of this finding."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Receive a clue.",
			More:    "It gets a scope of its own that belongs to the actor's organisation.",
			Example: "title: 危房改造补助未足额发放, channel: petition, summary: 三户反映补助少发, urgency: normal",
		},
		{Verb: "list", More: "The most urgent first, then the oldest."},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change what is written in a clue.",
			More: "For clue managers, and for who handles it now, until it is reported. `not_yours` for another " +
				"handler; `not_editable` in its later states; `stale_version` when the record has changed since " +
				"`version`.",
			Example: "urgency: urgent",
		},
		{Verb: "register", Says: "Give a clue its number.", More: "The next of the organisation and year, without gaps."},
		{
			Verb: "assign", Says: "Hand a clue to a handler.",
			More: "The handler sees it from then on, and the one before no more. Work that has begun " +
				"(`disposition_proposed`, `approved`, `handling`) goes on where it stands.",
			Example: "handler: '0193a000-0000-7000-8000-0000000000b3'",
		},
		{
			Verb: "propose", ID: "proposeDisposition", Says: "Propose a disposition.",
			More:    "For who handles the clue, when it is assigned. A leader approves it. `not_yours` for everybody else.",
			Example: "disposition: inquiry, reason: 线索具体，可查",
		},
		{
			Verb: "approve", ID: "approveDisposition", Says: "Approve the disposition.",
			More: "Refused to who proposed it (second_person).",
		},
		{
			Verb: "handle", Says: "Start handling a clue.",
			More: "For who handles the clue, once a leader has approved the disposition. `state_not_allowed` before " +
				"that.",
		},
		{
			Verb: "report", Says: "Report what the handling came to.",
			More:    "For who handles the clue, while it is being handled. After it a leader closes the clue or files it.",
			Example: "outcome: 已查实，少发三户，款项已补发。",
		},
		{
			Verb: "close", Says: "Close a reported clue.",
			More:    "Refused to who handled it (second_person).",
			Example: "reason: 反映不实",
		},
		{
			Verb: "file", Says: "File a reported clue as a case.",
			More:    "Refused to who handled it (second_person).",
			Example: "reason: 涉嫌违纪，予以立案",
		},
		{
			Verb: "merge", Says: "Merge a clue into another one.",
			More: "For clue managers, of a clue that nobody has begun to handle; its evidence leads on to the other " +
				"one. `clue_ended` when the other one has come to its end itself.",
			Example: "into: '0193a000-0000-7000-8000-0000000000c2', reason: 同一问题",
		},
		{
			Verb: "reopen", Says: "Open a closed clue again.",
			More: "For clue managers. It goes back to its last handler, who is told, or to the state registered when it " +
				"had none; how often is counted.",
			Example: "reason: 收到新证据",
		},
		{
			Verb: "void", Says: "Take a clue out of view.",
			More: "For clue managers, of a clue that was received or registered by mistake. Clues that were merged into " +
				"it, and findings that led to it, go back to where they were. `state_not_allowed` once it was " +
				"assigned.",
			Example: "reason: 误登记",
		},
	},
}

// byHandler is whose a clue is: who handles it now. A person who handled it before does not, whatever he was granted.
var byHandler = &Whose{ZH: "现承办人", EN: "who handles it now", People: func(_ Lookup, clue *Record) ([]UserID, error) {
	return []UserID{UserID(clue.Text("handler"))}, nil
}}

// assignClue hands a clue to a handler, who sees it from then on. The one before loses it in the same commit; both are
// told. Work that has begun goes on where it stands: a handler who falls ill or leaves must not hold a clue for ever.
func assignClue(c *Case) error {
	handler, before := UserID(c.Arg("handler")), UserID(c.Record.Text("handler"))
	if _, err := ableTo(c, handler, c.Record.Scope, c.Record.Info, PowerHandle, RoleHandler); err != nil {
		return err
	}
	if c.Record.State == ClueRegistered {
		c.Record.State = ClueAssigned
	}
	c.Set("handler", handler)
	if before != handler {
		c.remember("formerHandlers", before)
	}
	GrantScope(c, handler, c.Record.Scope, "承办问题线索 / handles the clue")
	c.Notify(handler, Notice{Type: "assigned", ZH: "有一件问题线索分给您承办。", EN: "A clue was assigned to you."})
	if before == "" || before == handler {
		return nil
	}
	c.Notify(before, Notice{Type: "reassigned", ZH: "您承办的一件问题线索已改由他人承办。", EN: "A clue that you handled went to somebody else."})
	return endGrant(c, before)
}

// endHandling takes a clue from its handler, because the work is over.
func endHandling(c *Case) error {
	handler := UserID(c.Record.Text("handler"))
	if handler == "" {
		return nil
	}
	c.Notify(handler, Notice{Type: "info", ZH: "您承办的一件问题线索已办结。", EN: "A clue that you handled has come to its end."})
	return endGrant(c, handler)
}

// endGrant takes back what GrantScope gave.
func endGrant(c *Case, from UserID) error {
	_, grant, err := Own(c.Look, GrantID(from, c.Record.Scope), KindGrant, MakeScope(ScopeUser, string(from)))
	if err != nil || grant == nil {
		return err
	}
	c.Effect(Effect{ID: grant.ID, Kind: KindGrant, Scope: grant.Scope, State: StateEnded})
	return nil
}

// endClue closes or files a clue: a second person does it.
func endClue(c *Case) error {
	if UserID(c.Record.Text("handler")) == c.Who.User || slices.Contains(users(c.Record, "formerHandlers"), c.Who.User) {
		return Refuse(CodeSecondPerson, "Who handled a clue does not close it.").InChinese("承办过该问题线索的人不得将其了结。")
	}
	c.Set("outcome", c.Record.Text("outcome")+"\n"+c.Arg("reason"))
	return endHandling(c)
}

// ReopenedClue is the state to which a closed clue goes back: to its handler, or to the desk that assigns.
func ReopenedClue(clue *Record) State {
	if clue.Text("handler") != "" {
		return ClueAssigned
	}
	return ClueRegistered
}

// backToHandler lets the handler of a clue that is open again see it again, and says so. Of a clue without one the clue
// managers are told.
func backToHandler(c *Case, clue *Record) error {
	h := UserID(clue.Text("handler"))
	if h == "" {
		return c.NotifyRole(clue.Info.Owner(), RoleClueManager, Notice{Type: "reopened", ZH: "一件问题线索重新打开，尚无承办人。", EN: "A clue is open again, and nobody handles it."})
	}
	GrantScope(c, h, clue.Scope, "承办问题线索 / handles the clue")
	c.NotifyAbout(h, clue, Notice{Type: "reopened", ZH: "您承办的一件问题线索重新打开。", EN: "A clue that you handled is open again."})
	return nil
}

// GrantScope lets somebody see a scope; granted already, nothing happens.
func GrantScope(c *Case, to UserID, scope Scope, why string) {
	c.Effect(Effect{
		ID: GrantID(to, scope), Kind: KindGrant, Scope: MakeScope(ScopeUser, string(to)), Make: true, State: StateActive,
		Set: map[string]Value{"scope": Quote(scope), "why": Quote(why)},
	})
}

// GrantID is the id of the grant of a scope to a person: the same grant is never made twice, and a later one revives
// it.
func GrantID(to UserID, scope Scope) RecordID {
	return ServerID("grant", string(to), string(scope))
}

var linkSpec = &Spec{
	Kind: KindLink, ZH: "证据关联", EN: "evidence link", Opens: OpensNone, Filed: FiledLink, Home: ScopeClue,
	Ties: &Tie{Case: "clueId", Evidence: "targetId", Kind: "targetKind", Relation: "relation", Against: "contradicts", Counts: []State{LinkProposed, LinkConfirmed}},
	Trace: &Trace{Key: "targetId", ID: "linkId", Steps: []Step{
		{Code: StepLinked, Set: []string{"targetId"}, Shows: []string{"relation"}, Now: []string{"clueId"}},
		{Code: StepLinkConfirmed, State: LinkConfirmed, Now: []string{"clueId"}, Lost: &Between{After: "targetId", Before: "withdrawReason"}},
		{Code: StepLinkWithdrawn, Set: []string{"withdrawReason"}, Shows: []string{"withdrawReason"}, Now: []string{"clueId"}},
	}},
	Initial: LinkProposed,
	States:  []Choice{{Code: "proposed", ZH: "拟关联", EN: "proposed"}, {Code: "confirmed", ZH: "已确认", EN: "confirmed"}, {Code: "withdrawn", ZH: "已撤回", EN: "withdrawn"}},
	Fields: []Field{
		{Name: "clueId", Type: ID, Of: KindClue, Required: true, Once: true, Key: true, ZH: "线索", EN: "clue"},
		{Name: "targetKind", Type: Enum, Choices: evidenceKinds, Required: true, Once: true, ZH: "证据类型", EN: "kind of evidence"},
		{Name: "targetId", Type: ID, Evidence: RestsOnIt, Required: true, Once: true, Key: true, ZH: "证据", EN: "evidence"},
		{Name: "targetScope", Type: Home, Once: true, ZH: "证据所在范围", EN: "where the evidence lives"},
		{Name: "relation", Type: Enum, Choices: relations, Required: true, Once: true, ZH: "关系", EN: "relation"},
		{Name: "why", Type: Text, Max: 1000, Once: true, ZH: "理由", EN: "why"},
		{Name: "withdrawReason", Type: Text, Max: 1000, Server: true, ZH: "撤回理由", EN: "reason for withdrawing"},
		{Name: "discredited", Type: Bool, Server: true, ZH: "证据不可采信", EN: "the evidence was discredited, or voided"},
		{Name: "movedTo", Type: ID, Of: KindClue, Server: true, ZH: "随并案转入", EN: "the clue to which it went when this one was merged"},
	},
	Made: func(c *Case) error {
		if MakeScope(ScopeClue, c.Record.Text("clueId")) != c.Record.Scope {
			return Refuse(CodeWrongScope, "A link lives with the clue that it belongs to.").InChinese("证据关联应存于其所属的问题线索中。")
		}
		clue, err := c.Look.Get(RecordID(c.Record.Text("clueId")))
		if err != nil {
			return err
		}
		if clue != nil && clue.State == ClueMerged {
			return Refuse(CodeClueEnded, "The clue was merged into %s. Link the evidence there.", clue.Text("mergedInto")).
				InChinese("该问题线索已并入 %s，请在那里关联证据。", clue.Text("mergedInto"))
		}
		if clue != nil && clue.State == StateVoided {
			return Refuse(CodeClueEnded, "The clue was voided.").InChinese("该问题线索已作废。")
		}
		links, err := c.Look.Find(KindLink, KeyFor("targetId", c.Record.Text("targetId")))
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.ID != c.Record.ID && l.State != LinkWithdrawn && l.Text("clueId") == c.Record.Text("clueId") {
				return Refuse(CodeDuplicateLink, "This evidence is linked there already, by %s.", l.ID).InChinese("该证据已关联，关联记录为 %s。", l.ID).About(string(l.ID))
			}
		}
		target, err := c.See(RecordID(c.Record.Text("targetId")))
		if err != nil {
			return err
		}
		if target == nil {
			return Refuse(CodeUnknownRecord, "The evidence is not known here.").InChinese("服务器没有该证据。")
		}
		if string(target.Kind) != c.Record.Text("targetKind") {
			return Refuse(CodeWrongKind, "The evidence is a %s.", target.Kind).InChinese("该证据为%s。", target.Kind.ZH())
		}
		c.Set("targetScope", target.Scope)
		if target.Deleted || target.Kind == KindPhoto && Discredited(target) {
			c.Set("discredited", true)
		}
		return nil
	},
	Commands: []Command{
		{Name: "confirm", ZH: "确认", EN: "confirm", From: []State{LinkProposed}, To: LinkConfirmed},
		{Name: "withdraw", ZH: "撤回", EN: "withdraw", From: []State{LinkProposed, LinkConfirmed}, To: LinkWithdrawn, Args: []Field{reason}, Do: func(c *Case) error {
			c.Set("withdrawReason", c.Arg("reason"))
			return nil
		}},
	},
	Desk: linkDesk,
}

// linkDesk is what the desk offers of it.
var linkDesk = &Desk{
	Group: "clues",
	Acts: []Act{
		{
			Verb: "confirm", ID: "confirmEvidence", Says: "Confirm a proposed link.",
			More: "For clue managers and handlers who may see the clue. `state_not_allowed` when it is confirmed or " +
				"withdrawn already.",
		},
		{
			Verb: "withdraw", ID: "withdrawEvidence", Says: "Withdraw a link.",
			More:    "For clue managers and handlers who may see the clue. The link stays in the history, with the reason.",
			Example: "reason: 与本线索无关",
		},
	},
}
