package field

import (
	"encoding/json"
	"slices"
)

// States of a revisit task.
const (
	RevisitPending    State = "pending"
	RevisitAssigned   State = "assigned"
	RevisitDownloaded State = "downloaded"
	RevisitInProgress State = "in_progress"
	RevisitSubmitted  State = "submitted"
	RevisitReturned   State = "returned"
	RevisitDone       State = "done"
	RevisitMissed     State = "missed"
	RevisitExcused    State = "excused"
	RevisitCancelled  State = "cancelled"
)

// RevisitResult is what the inspectors found about one earlier problem.
type RevisitResult struct {
	FindingID RecordID `json:"findingId"`
	Result    string   `json:"result"` // fixed, partly, relapse, unknown
	Note      string   `json:"note,omitempty"`
}

var resultFields = []Field{
	{Name: "findingId", Type: ID, Of: KindFinding, Required: true},
	{Name: "result", Type: Enum, Choices: results, Required: true},
	{Name: "note", Type: Text, Max: 2000},
}

var openRevisit = []State{RevisitPending, RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned}

var revisitSpec = &Spec{
	Kind: KindRevisit, ZH: "回头看任务", EN: "revisit task", Home: ScopeSite, ServerOK: true, Whose: byAssignees,
	Initial: RevisitPending,
	States: []Choice{
		{Code: "pending", ZH: "待派", EN: "pending"},
		{Code: "assigned", ZH: "已派", EN: "assigned"},
		{Code: "downloaded", ZH: "已下载", EN: "downloaded"},
		{Code: "in_progress", ZH: "进行中", EN: "in progress"},
		{Code: "submitted", ZH: "已提交", EN: "submitted"},
		{Code: "returned", ZH: "已退回", EN: "returned"},
		{Code: "done", ZH: "完成", EN: "done"},
		{Code: "missed", ZH: "逾期未访", EN: "missed"},
		{Code: "excused", ZH: "免访", EN: "excused"},
		{Code: "cancelled", ZH: "已取消", EN: "cancelled"},
	},
	Fields: []Field{
		{Name: "campaignId", Type: ID, Of: KindCampaign, Required: true, Server: true, Key: true, ZH: "回头看", EN: "campaign"},
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Server: true, Key: true, ZH: "项目点", EN: "site"},
		{Name: "templateId", Type: ID, Of: KindTemplate, Server: true, ZH: "模板", EN: "template"},
		{Name: "stratum", Type: Enum, Choices: strata, Required: true, Server: true, Key: true, ZH: "层", EN: "stratum"},
		{Name: "alias", Type: Text, Max: 40, Server: true, ZH: "户化名", EN: "household's alias"},
		{Name: "findings", Type: ID, Of: KindFinding, List: true, Server: true, Key: true, ZH: "上次发现的问题", EN: "previous findings"},
		{Name: "photos", Type: ID, Of: KindPhoto, List: true, Server: true, ZH: "上次的照片", EN: "previous photos"},
		{Name: "assignee", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "承办人", EN: "assignee"},
		{Name: "companion", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "同行人", EN: "companion"},
		{Name: "due", Type: Date, Server: true, ZH: "期限", EN: "due"},
		{Name: "reportId", Type: ID, Of: KindReport, Server: true, ZH: "报告", EN: "report"},
		{Name: "results", Type: Object, List: true, Server: true, Fields: resultFields, ZH: "逐项结果", EN: "result per problem"},
		{Name: "reason", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason"},
		{Name: "reassigned", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "改派次数", EN: "times reassigned"},
	},
	Rank: func(r *Record) string { return r.Text("due") + RankTime(r.CreatedAt) },
	Commands: []Command{
		{
			Name: "assign", ZH: "派单", EN: "assign", From: []State{RevisitPending}, To: RevisitAssigned,
			Args: []Field{
				{Name: "assignee", Type: ID, Of: KindPerson, Required: true},
				{Name: "companion", Type: ID, Of: KindPerson, Required: true},
				{Name: "due", Type: Date, Required: true},
			},
			Do: assignRevisit,
		},
		{
			Name: "reassign", ZH: "改派", EN: "reassign", From: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned, RevisitMissed}, To: RevisitAssigned,
			Args: []Field{
				{Name: "assignee", Type: ID, Of: KindPerson, Required: true},
				{Name: "companion", Type: ID, Of: KindPerson, Required: true},
				{Name: "due", Type: Date, Required: true},
				reason,
			},
			Do: func(c *Case) error {
				before := []UserID{UserID(c.Record.Text("assignee")), UserID(c.Record.Text("companion"))}
				c.Set("reassigned", c.Record.Int("reassigned")+1)
				c.Set("reason", c.Arg("reason"))
				if err := assignRevisit(c); err != nil {
					return err
				}
				for _, old := range before {
					if old != "" && string(old) != c.Arg("assignee") && string(old) != c.Arg("companion") {
						if err := endSiteGrant(c, old); err != nil {
							return err
						}
						c.Notify(old, Notice{Type: "reassigned", ZH: "一项回头看任务已改派他人。", EN: "A revisit task went to somebody else."})
					}
				}
				return nil
			},
		},
		{Name: "download", ZH: "下载", EN: "download", From: []State{RevisitAssigned}, To: RevisitDownloaded, Own: true},
		{Name: "start", ZH: "开始", EN: "start", From: []State{RevisitAssigned, RevisitDownloaded}, To: RevisitInProgress, Own: true},
		{
			Name: "submit", Own: true, ZH: "提交", EN: "submit", From: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned}, To: RevisitSubmitted,
			Args: []Field{{Name: "reportId", Type: ID, Of: KindReport, Required: true}, {Name: "results", Type: Object, List: true, Fields: resultFields}},
			Do:   submitRevisit,
		},
		{Name: "return", ZH: "退回", EN: "return", From: []State{RevisitSubmitted}, To: RevisitReturned, Args: []Field{reason}, Do: func(c *Case) error {
			c.Set("reason", c.Arg("reason"))
			c.Notify(UserID(c.Record.Text("assignee")), Notice{Type: "returned", ZH: "回头看任务被退回：" + c.Arg("reason"), EN: "A revisit task came back: " + c.Arg("reason")})
			return nil
		}},
		{Name: "accept", ZH: "完成", EN: "accept", From: []State{RevisitSubmitted}, To: RevisitDone, Do: acceptRevisit},
		{Name: "miss", ZH: "逾期", EN: "mark as missed", From: openRevisit, To: RevisitMissed, Args: []Field{reason}, Do: endTask},
		{Name: "excuse", ZH: "免访", EN: "excuse", From: append([]State{RevisitMissed}, openRevisit...), To: RevisitExcused, Args: []Field{reason}, Do: endTask},
		{Name: "cancel", ZH: "取消", EN: "cancel", From: openRevisit, To: RevisitCancelled, Args: []Field{reason}, Do: endTask},
	},
}

// endTask says why nobody goes, or goes any more, and takes the site back from the team, who are told.
func endTask(c *Case) error {
	c.Set("reason", c.Arg("reason"))
	for _, u := range teamOf(c.Record) {
		c.Notify(u, Notice{Type: "info", ZH: "您的一项回头看任务已结束：" + clipTo(c.Arg("reason"), 300), EN: "A revisit task of yours has ended: " + clipTo(c.Arg("reason"), 300)})
	}
	return endSiteGrants(c)
}

// teamOf is who goes on a revisit.
func teamOf(task *Record) []UserID {
	var team []UserID
	for _, role := range []string{"assignee", "companion"} {
		if u := UserID(task.Text(role)); u != "" {
			team = append(team, u)
		}
	}
	return team
}

// endSiteGrants takes the site back from those who have nothing else to do there.
func endSiteGrants(c *Case) error {
	for _, u := range teamOf(c.Record) {
		if err := endSiteGrant(c, u); err != nil {
			return err
		}
	}
	return nil
}

// byAssignees is whose a task is: who goes.
var byAssignees = &Whose{ZH: "承办人及同行人", EN: "who goes: assignee and companion", People: func(_ Lookup, task *Record) ([]UserID, error) { return teamOf(task), nil }}

func assignRevisit(c *Case) error {
	assignee, companion := UserID(c.Arg("assignee")), UserID(c.Arg("companion"))
	if assignee == companion {
		return Refuse(CodeTwoInspectors, "")
	}
	for _, u := range []UserID{assignee, companion} {
		if _, err := ableTo(c, u, c.Record.Scope, c.Record.Info, PowerInspect, RoleInspector, RoleTeamLead); err != nil {
			return err
		}
		GrantScope(c, u, c.Record.Scope, "回头看任务 / revisit task")
		c.Notify(u, Notice{Type: "assigned", Due: c.Arg("due") + "T23:59:59+08:00", ZH: "您有一项回头看任务。", EN: "You have a revisit task."})
	}
	c.Set("assignee", assignee)
	c.Set("companion", companion)
	c.Set("due", c.Arg("due"))
	return nil
}

// endSiteGrant takes the site away from somebody who has no other open task there.
func endSiteGrant(c *Case, from UserID) error {
	for _, role := range []string{"assignee", "companion"} {
		tasks, err := c.Look.Find(KindRevisit, KeyFor(role, from))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(tasks, func(t *Record) bool {
			return t.ID != c.Record.ID && t.Scope == c.Record.Scope && slices.Contains(openRevisit, t.State)
		}) {
			return nil
		}
	}
	return endGrant(c, from)
}

func submitRevisit(c *Case) error {
	report, err := c.Look.Get(RecordID(c.Arg("reportId")))
	if err != nil {
		return err
	}
	if report == nil || report.Kind != KindReport || report.Scope != c.Record.Scope {
		return Refuse(CodeUnknownRecord, "The report of the revisit has not arrived.")
	}
	if report.Text("visitType") == "desk" {
		return Refuse(CodeNotNow, "A desk review never counts as a visit.")
	}
	var given []RevisitResult
	if v, ok := c.Args["results"]; ok {
		if err := json.Unmarshal(v, &given); err != nil {
			return Refuse(CodeWrongType, "The results cannot be read.").Because(err)
		}
	}
	for _, f := range c.Record.Texts("findings") {
		if !slices.ContainsFunc(given, func(r RevisitResult) bool { return string(r.FindingID) == f }) {
			return Refuse(CodeAnswersMissing, "Every earlier problem needs a result; %s has none.", f)
		}
	}
	for _, r := range given {
		if !slices.Contains(c.Record.Texts("findings"), string(r.FindingID)) {
			return Refuse(CodeBadChoice, "%s is not among the earlier problems.", r.FindingID)
		}
	}
	c.Set("reportId", report.ID)
	c.Set("results", given)
	return nil
}

// acceptRevisit ends the task. A relapse opens the finding and its clue again, in the same commit.
func acceptRevisit(c *Case) error {
	report, err := c.Look.Get(RecordID(c.Record.Text("reportId")))
	if err != nil {
		return err
	}
	if report == nil || report.State != ReportApproved && report.State != ReportArchived {
		return Refuse(CodeNotNow, "Approve the report of the revisit first.")
	}
	if slices.Contains(Authors(report), c.Who.User) {
		return Refuse(CodeReviewerIsAuthor, "")
	}
	var got []RevisitResult
	if err := c.Record.Decode("results", &got); err != nil {
		return err
	}
	for _, r := range got {
		if r.Result != "relapse" {
			continue
		}
		if err := reopenFinding(c, r); err != nil {
			return err
		}
	}
	return endSiteGrants(c)
}

func reopenFinding(c *Case, r RevisitResult) error {
	finding, err := c.Look.Get(r.FindingID)
	if err != nil || finding == nil || finding.State == "open" {
		return err
	}
	c.Effect(Effect{ID: finding.ID, Kind: KindFinding, Scope: finding.Scope, State: "open", Set: map[string]Value{
		"reopened": Quote(finding.Int("reopened") + 1), "reopenedBy": Quote(c.Record.ID),
	}})
	clue, err := c.Look.Get(RecordID(finding.Text("clueId")))
	if err != nil || clue == nil || clue.State != StateClosed {
		return err
	}
	c.Effect(Effect{ID: clue.ID, Kind: KindClue, Scope: clue.Scope, State: ReopenedClue(clue), Set: map[string]Value{
		"reopened": Quote(clue.Int("reopened") + 1), "reopenedBy": Quote("回头看发现反弹 / relapse found by revisit " + string(c.Record.ID)),
	}})
	backToHandler(c, clue)
	return nil
}
