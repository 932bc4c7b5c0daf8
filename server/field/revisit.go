package field

import (
	"encoding/json"
	"slices"
	"time"
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
	{Name: "findingId", Type: ID, Of: KindFinding, Required: true, ZH: "发现问题", EN: "finding"},
	{Name: "result", Type: Enum, Choices: results, Required: true, ZH: "核查结果", EN: "result"},
	{Name: "note", Type: Text, Max: 2000, ZH: "备注", EN: "note"},
}

var openRevisit = []State{RevisitPending, RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned}

var revisitStates = []Choice{
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
}

// revisitWork is the work of two people: both go.
var revisitWork = func() (both []Work) {
	for _, as := range []string{"assignee", "companion"} {
		both = append(both, Work{
			As:   as,
			Open: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitSubmitted, RevisitReturned, RevisitMissed},
			Next: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned},
			Move: "reassign", Takes: []Role{RoleInspector, RoleTeamLead}, Args: reassigned,
		})
	}
	return both
}()

// reassigned puts another person in the place of one of the two. What is overdue is due today.
func reassigned(r *Record, from, to UserID, reason, today string) map[string]Value {
	args := map[string]Value{"reason": Quote(reason), "due": Quote(max(r.Text("due"), today))}
	for _, as := range []string{"assignee", "companion"} {
		if v := r.Fields[as]; v != nil {
			args[as] = v
		}
	}
	as := "companion"
	if r.Text("assignee") == string(from) {
		as = "assignee"
	}
	args[as] = Quote(to)
	return args
}

var revisitSpec = &Spec{
	Kind: KindRevisit, ZH: "回头看任务", EN: "revisit task", Home: ScopeSite, Opens: OpensNone, Filed: FiledNone, Shown: ShownOpen, ServerOK: true, Whose: byAssignees,
	Matters: []State{RevisitDone}, Told: ToldNobody, Work: revisitWork,
	Initial: RevisitPending,
	States:  revisitStates,
	Fields: []Field{
		{Name: "campaignId", Type: ID, Of: KindCampaign, Required: true, Server: true, Key: true, ZH: "回头看", EN: "campaign"},
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Server: true, Key: true, ZH: "项目点", EN: "site"},
		{Name: "templateId", Type: ID, Of: KindTemplate, Server: true, ZH: "模板", EN: "template"},
		{Name: "stratum", Type: Enum, Choices: strata, Required: true, Server: true, Key: true, ZH: "层", EN: "stratum"},
		{Name: "alias", Type: Text, Max: 40, Server: true, ZH: "户化名", EN: "household's alias"},
		{Name: "findings", Type: ID, Of: KindFinding, List: true, Server: true, Key: true, ZH: "上次发现的问题", EN: "previous findings"},
		{Name: "photos", Type: ID, Of: KindPhoto, Evidence: OnlyNamed, List: true, Server: true, ZH: "上次的照片", EN: "previous photos"},
		{Name: "assignee", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "承办人", EN: "assignee"},
		{Name: "companion", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "同行人", EN: "companion"},
		{Name: "assignedAt", Type: Time, Server: true, ZH: "首次派单时间", EN: "when it was first given to a team"},
		{Name: "due", Type: Date, Server: true, ZH: "期限", EN: "due"},
		{Name: "reportId", Type: ID, Of: KindReport, Evidence: RestsOnIt, Server: true, ZH: "报告", EN: "report"},
		{Name: "results", Type: Object, List: true, Server: true, Fields: resultFields, ZH: "逐项结果", EN: "result per problem"},
		{Name: "reason", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason"},
		{Name: "reassigned", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "改派次数", EN: "times reassigned"},
	},
	Moves: true,
	Rank:  func(r *Record) string { return r.Text("due") + RankTime(r.CreatedAt) },
	Commands: []Command{
		{
			Name: "assign", ZH: "派单", EN: "assign", From: []State{RevisitPending}, To: RevisitAssigned,
			Args: []Field{
				{Name: "assignee", Type: ID, Of: KindPerson, Required: true, ZH: "承办人", EN: "assignee"},
				{Name: "companion", Type: ID, Of: KindPerson, Required: true, ZH: "另一人，须与承办人不同", EN: "the second inspector, who is not the first"},
				{Name: "due", Type: Date, Required: true, ZH: "期限", EN: "due"},
			},
			Do: assignRevisit,
		},
		{
			Name: "reassign", ZH: "改派", EN: "reassign", From: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned, RevisitMissed}, To: RevisitAssigned,
			Args: []Field{
				{Name: "assignee", Type: ID, Of: KindPerson, Required: true, ZH: "承办人", EN: "assignee"},
				{Name: "companion", Type: ID, Of: KindPerson, Required: true, ZH: "另一人，须与承办人不同", EN: "the second inspector, who is not the first"},
				{Name: "due", Type: Date, Required: true, ZH: "期限", EN: "due"},
				reason,
			},
			Do: func(c *Case) error {
				before := teamOf(c.Record)
				c.Set("reassigned", c.Record.Int("reassigned")+1)
				c.Set("reason", c.Arg("reason"))
				if err := assignRevisit(c); err != nil {
					return err
				}
				for _, old := range before {
					if string(old) != c.Arg("assignee") && string(old) != c.Arg("companion") {
						if err := endSiteGrant(c, old); err != nil {
							return err
						}
						c.Notify(old, Notice{Type: "reassigned", ZH: "一项回头看任务已改派他人。", EN: "A revisit task went to somebody else."})
					}
				}
				return keepOpen(c)
			},
		},
		{Name: "download", ZH: "下载", EN: "download", From: []State{RevisitAssigned}, To: RevisitDownloaded, Own: true},
		{Name: "start", ZH: "开始", EN: "start", From: []State{RevisitAssigned, RevisitDownloaded}, To: RevisitInProgress, Own: true},
		{
			Name: "submit", Own: true, ZH: "提交", EN: "submit", From: []State{RevisitAssigned, RevisitDownloaded, RevisitInProgress, RevisitReturned}, To: RevisitSubmitted,
			Args: []Field{{Name: "reportId", Type: ID, Of: KindReport, Required: true, ZH: "报告", EN: "report"}, {Name: "results", Type: Object, List: true, ZH: "核查结果", EN: "results", Fields: resultFields}},
			Do:   submitRevisit,
		},
		{Name: "return", ZH: "退回", EN: "return", From: []State{RevisitSubmitted}, To: RevisitReturned, Args: []Field{reason}, Do: func(c *Case) error {
			if err := inCampaign(c, RevisitReturned); err != nil {
				return err
			}
			c.Set("reason", c.Arg("reason"))
			tellTeam(c, "returned", "回头看任务被退回", "A revisit task came back")
			return nil
		}},
		{Name: "accept", ZH: "通过", EN: "accept", From: []State{RevisitSubmitted}, To: RevisitDone, Do: acceptRevisit},
		{Name: "miss", ZH: "逾期", EN: "mark as missed", From: openRevisit, To: RevisitMissed, Args: []Field{reason}, Do: endTask("逾期未访", "was missed")},
		{Name: "excuse", ZH: "免访", EN: "excuse", From: append([]State{RevisitMissed}, openRevisit...), To: RevisitExcused, Args: []Field{reason}, Do: endTask("免于走访", "was excused")},
		{Name: "cancel", ZH: "取消", EN: "cancel", From: openRevisit, To: RevisitCancelled, Args: []Field{reason}, Do: endTask("已取消", "was cancelled")},
	},
	Desk: revisitDesk,
}

// revisitDesk is what the desk offers of it.
var revisitDesk = &Desk{
	Group: "campaigns",
	Filters: []Filter{
		{Name: "state"},
		{Name: "campaignId", Says: "Of this campaign."},
		{Name: "siteId", Says: "At this site."},
		{Name: "assignee", Says: "Given to this person."},
		{Name: "companion", Says: "With this person as companion."},
		{Name: "stratum", Says: "Of this stratum."},
	},
	Acts: []Act{
		{Verb: "list", Says: "Revisit tasks.", More: "By due date; those without one come first."},
		{Verb: "get"},
		{
			Verb: "assign", Says: "Give a task to two inspectors.",
			More: "For supervisors, of a pending task in a running campaign. Both see the site from then on and are " +
				"told. `two_inspectors` when it is one person twice; `cannot_do_this` when one lacks the role, the " +
				"place, or must stay away; `bad_time` when the day has passed or lies after the campaign.",
			Example: "assignee: 0193a000-0000-7000-8000-0000000000b1, companion: 0193a000-0000-7000-8000-0000000000b2, " +
				"due: '2026-12-20'",
		},
		{
			Verb: "reassign", Says: "Give a task to others.",
			More: "For supervisors, of a task that was given out, or was missed. Who does not go any more loses the " +
				"site in the same commit, and is told. Refused as assigning is.",
			Example: "assignee: 0193a000-0000-7000-8000-0000000000b1, companion: 0193a000-0000-7000-8000-0000000000b4, " +
				"due: '2026-12-24', reason: 原承办人调离",
		},
		{
			Verb: "accept", Says: "Accept what a revisit found.",
			More: "A relapse opens its finding and its clue again in the same commit.",
		},
		{
			Verb: "return", Says: "Send a submitted task back.",
			More: "For supervisors. The team is told the reason and submits the task again. `state_not_allowed` when it " +
				"is not submitted, or its campaign has been reported.",
			Example: "reason: 缺少第二户的照片",
		},
		{
			Verb: "miss", Says: "Say that nobody went in time.",
			More: "For supervisors. The task counts as missed, and the team loses the site; it can be given out again. " +
				"`state_not_allowed` when it is submitted or done, or its campaign has been reported.",
			Example: "reason: 道路中断，未能在期限内走访",
		},
		{
			Verb: "excuse", Says: "Say why nobody needs to go.",
			More: "For supervisors, of a task that is open or was missed. The team loses the site and is told the " +
				"reason. `state_not_allowed` when it is submitted or done.",
			Example: "reason: 该户已搬迁",
		},
		{
			Verb: "cancel", Says: "Take a task out of the campaign.",
			More: "For supervisors, of an open task. It stays to be seen in the sample as cancelled; the team loses the " +
				"site and is told the reason.",
			Example: "reason: 项目点已撤销",
		},
	},
}

// endTask says why nobody goes, or goes any more, and takes the site back from the team, who are told.
func endTask(zh, en string) func(*Case) error {
	return func(c *Case) error {
		if err := inCampaign(c, c.Record.State); err != nil {
			return err
		}
		c.Set("reason", c.Arg("reason"))
		tellTeam(c, "info", "您的一项回头看任务"+zh, "A revisit task of yours "+en)
		return endSiteGrants(c)
	}
}

// tellTeam tells everybody who goes, or went, what became of a task, with the reason.
func tellTeam(c *Case, kind, zh, en string) {
	why := clipTo(c.Arg("reason"), 300)
	for _, u := range teamOf(c.Record) {
		c.Notify(u, Notice{Type: kind, ZH: zh + "：" + why, EN: en + ": " + why})
	}
}

// inCampaign refuses what the campaign of a task does not allow any more: once it has been reported nothing of it
// changes, and work is given out only while it runs. A campaign that cannot be found bounds nothing.
func inCampaign(c *Case, to State) error {
	campaign, err := campaignOf(c, c.Record)
	switch {
	case err != nil || campaign == nil:
		return err
	case campaign.State == CampaignReported:
		return Refuse(CodeNotNow, "The campaign has been reported; its tasks stay as they are.").InChinese("该次回头看已作总结，其任务不再变动。")
	case campaign.State != CampaignRunning && to == RevisitAssigned:
		return Refuse(CodeNotNow, "The campaign does not run, and no work is given out in it.").InChinese("该次回头看不在进行中，不能派单。")
	}
	return nil
}

func campaignOf(c *Case, task *Record) (*Record, error) {
	campaign, err := c.Look.Get(RecordID(task.Text("campaignId")))
	if err != nil || campaign == nil || campaign.Kind != KindCampaign {
		return nil, err
	}
	return campaign, nil
}

// keepOpen notes in the campaign that a task which had been missed is open again. So it is written in the campaign's
// own log, in one order with its closing: either it is found open there, or it finds the campaign closed.
func keepOpen(c *Case) error {
	old, err := c.Look.Get(c.Record.ID)
	if err != nil || old == nil || old.State != RevisitMissed {
		return err
	}
	campaign, err := campaignOf(c, c.Record)
	if err != nil || campaign == nil {
		return err
	}
	c.Effect(Effect{ID: campaign.ID, Kind: KindCampaign, Scope: campaign.Scope, Set: map[string]Value{"reopened": Quote(campaign.Int("reopened") + 1)}})
	for _, u := range teamOf(c.Record) {
		c.Notify(u, Notice{Type: "reopened", ZH: "一项逾期未访的回头看任务重新派出。", EN: "A revisit task that had been missed is open again."})
	}
	return nil
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
	if err := inCampaign(c, RevisitAssigned); err != nil {
		return err
	}
	if err := dueInTime(c); err != nil {
		return err
	}
	assignee, companion := UserID(c.Arg("assignee")), UserID(c.Arg("companion"))
	if assignee == companion {
		return Refuse(CodeTwoInspectors, "")
	}
	for _, u := range []UserID{assignee, companion} {
		if _, err := ableTo(c, u, c.Record.Scope, c.Record.Info, PowerInspect, RoleInspector, RoleTeamLead); err != nil {
			return err
		}
		away, err := recusedFrom(c.Look, u, MakeScope(ScopeCampaign, c.Record.Text("campaignId")), c.Now)
		if err != nil {
			return err
		}
		if away {
			return Refuse(CodeCannotDo, "").About(string(u))
		}
		GrantScope(c, u, c.Record.Scope, "回头看任务 / revisit task")
		c.Notify(u, Notice{Type: "assigned", Due: c.Arg("due") + "T23:59:59+08:00", ZH: "您有一项回头看任务。", EN: "You have a revisit task."})
	}
	c.Set("assignee", assignee)
	c.Set("companion", companion)
	c.Set("due", c.Arg("due"))
	if c.Record.Fields["assignedAt"] == nil {
		c.Set("assignedAt", stamp(c.Now))
	}
	return nil
}

// today is the day by which terms are counted.
func today(c *Case) string { return DayOf(c.Now) }

// dueInTime refuses a due date that nobody can keep, or that lies after the campaign.
func dueInTime(c *Case) error {
	due := c.Arg("due")
	if due < today(c) {
		return Refuse(CodeBadTime, "The due date %s has passed already.", due).InChinese("期限 %s 已过。", due)
	}
	campaign, err := campaignOf(c, c.Record)
	if err != nil || campaign == nil {
		return err
	}
	if to := campaign.Text("to"); due > to {
		return Refuse(CodeBadTime, "The campaign ends on %s, and the due date %s lies after it.", to, due).
			InChinese("回头看于 %s 结束，期限 %s 晚于该日。", to, due)
	}
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
	if err := inCampaign(c, RevisitSubmitted); err != nil {
		return err
	}
	report, err := c.Look.Get(RecordID(c.Arg("reportId")))
	if err != nil {
		return err
	}
	if report == nil || report.Kind != KindReport || report.Scope != c.Record.Scope {
		return Refuse(CodeUnknownRecord, "The report of the revisit has not arrived.").InChinese("回头看的报告尚未到达。")
	}
	if err := answersTask(c, report); err != nil {
		return err
	}
	var given []RevisitResult
	if v, ok := c.Args["results"]; ok {
		if err := json.Unmarshal(v, &given); err != nil {
			return Refuse(CodeWrongType, "The results cannot be read.").InChinese("逐项结果无法读取。").Because(err)
		}
	}
	for _, f := range c.Record.Texts("findings") {
		if !slices.ContainsFunc(given, func(r RevisitResult) bool { return string(r.FindingID) == f }) {
			return Refuse(CodeAnswersMissing, "Every earlier problem needs a result; %s has none.", f).InChinese("上次发现的每个问题都须有结果，%s 尚无。", f)
		}
	}
	for _, r := range given {
		if !slices.Contains(c.Record.Texts("findings"), string(r.FindingID)) {
			return Refuse(CodeBadChoice, "%s is not among the earlier problems.", r.FindingID).InChinese("%s 不在上次发现的问题之列。", r.FindingID)
		}
	}
	c.Set("reportId", report.ID)
	c.Set("results", given)
	return nil
}

// earlier is by how much a visit may begin before its task was written down: a team is sent off by telephone in the
// morning, and the desk writes it down in the evening. What the server had before the task is of another visit in any
// case.
const earlier = 12 * time.Hour

// handedIn are the states of a report that its authors have given out of their hands.
var handedIn = []State{ReportSubmitted, ReportResubmitted, ReportUnderReview, ReportApproved, ReportArchived}

// answersTask checks that a report is the visit for which the task was made: handed in, of the task's team, of a visit
// in the campaign and after the task was given out, and no other task's.
func answersTask(c *Case, report *Record) error {
	task := c.Record
	switch {
	case report.Text("visitType") == "desk":
		return Refuse(CodeNotNow, "A desk review never counts as a visit.").InChinese("案头核查不能算作走访。")
	case report.Deleted || !slices.Contains(handedIn, report.State):
		return Refuse(CodeReportUnfit, "The report is %s. Submit it first.", report.State).InChinese("报告的状态为“%s”，请先提交。", report.StateZH())
	case report.Text("revisitId") != "" && report.Text("revisitId") != string(task.ID):
		return Refuse(CodeReportUnfit, "The report was written for another task.").InChinese("该报告是为另一任务填写的。")
	}
	authors := Authors(report)
	if team := teamOf(task); !slices.ContainsFunc(team, func(u UserID) bool { return slices.Contains(authors, u) }) {
		return Refuse(CodeReportUnfit, "Nobody of the task's team made this visit.").InChinese("任务承办人及同行人均未参加此次走访。")
	}
	tasks, err := c.Look.In(task.Scope, KindRevisit)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.ID != task.ID && t.Text("reportId") == string(report.ID) && (t.State == RevisitSubmitted || t.State == RevisitDone || t.State == RevisitReturned) {
			return Refuse(CodeReportUnfit, "The report answers another task already.").InChinese("该报告已用于另一任务。")
		}
	}
	return visitedFor(c, report)
}

// visitedFor checks when the visit was. The clock of a phone is evidence and no proof: a report that the server had
// before the task was given out is of an earlier visit whatever it says, and what it says must fit too.
func visitedFor(c *Case, report *Record) error {
	given := c.Record.Time("assignedAt")
	if given.IsZero() { // it was given out by an older server
		given = c.Record.CreatedAt
	}
	began := report.Time("startedAt")
	if report.CreatedAt.Before(given) || began.Before(given.Add(-earlier)) {
		return Refuse(CodeReportUnfit, "The visit began at %s, and the task was given out at %s. If the phone's clock was wrong, have the time corrected first.", stamp(began), stamp(given)).
			InChinese("走访始于 %s，而任务于 %s 派出。若手机时钟有误，请先更正时间。", stamp(began), stamp(given))
	}
	campaign, err := campaignOf(c, c.Record)
	if err != nil || campaign == nil {
		return err
	}
	if day := DayOf(began); day < campaign.Text("from") {
		return Refuse(CodeReportUnfit, "The visit was on %s, and the campaign begins on %s.", day, campaign.Text("from")).
			InChinese("走访在 %s 进行，而回头看于 %s 开始。", day, campaign.Text("from"))
	}
	return nil
}

// voidedReport is the voiding of a report: the task that it had answered goes back to its team.
func voidedReport(void Command) Command {
	do := void.Do
	void.Do = func(c *Case) error {
		if err := do(c); err != nil {
			return err
		}
		return askTaskAgain(c, c.Record, RevisitReturned, Notice{Type: "returned", ZH: "回头看任务被退回：所交报告已作废。", EN: "A revisit task came back: its report was voided."})
	}
	return void
}

// askTaskAgain puts the task that a report had answered back: to its team when the report is gone, and to be accepted
// once more when the report is under review again, since what was accepted rests on it. The team gets the site back. A
// campaign that has been reported does not change any more: its planner is told.
func askTaskAgain(c *Case, report *Record, to State, n Notice) error {
	tasks, err := c.Look.In(report.Scope, KindRevisit)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Text("reportId") != string(report.ID) || t.State == to || t.State != RevisitSubmitted && t.State != RevisitDone {
			continue
		}
		campaign, err := campaignOf(c, t)
		if err != nil {
			return err
		}
		if t.State == RevisitDone && campaign != nil {
			if campaign.State == CampaignReported {
				c.NotifyAbout(campaign.Author, t, Notice{
					Type: "info", ZH: "已总结的回头看中，一项任务所依据的报告重新审核或已作废。",
					EN: "In a campaign that has been reported, the report on which a task rests is under review again, or was voided.",
				})
				continue
			}
			c.Effect(Effect{ID: campaign.ID, Kind: KindCampaign, Scope: campaign.Scope, Set: map[string]Value{"reopened": Quote(campaign.Int("reopened") + 1)}})
			c.NotifyAbout(campaign.Author, t, n)
		}
		c.Effect(Effect{ID: t.ID, Kind: KindRevisit, Scope: t.Scope, State: to, Set: map[string]Value{"reason": Quote(n.ZH + " / " + n.EN)}})
		for _, u := range teamOf(t) {
			if t.State == RevisitDone {
				GrantScope(c, u, t.Scope, "回头看任务 / revisit task")
			}
			c.NotifyAbout(u, t, n)
		}
	}
	return nil
}

// underReviewAgain is what becomes of the task that a report had answered when the report is under review again.
func underReviewAgain(c *Case, report *Record) error {
	return askTaskAgain(c, report, RevisitSubmitted, Notice{
		Type: "reopened", ZH: "回头看任务待重新验收：所依据的报告重新审核。", EN: "A revisit task is to be accepted again: its report is under review again.",
	})
}

// acceptRevisit ends the task. A relapse opens the finding and its clue again, in the same commit.
func acceptRevisit(c *Case) error {
	if err := inCampaign(c, RevisitDone); err != nil {
		return err
	}
	report, err := c.Look.Get(RecordID(c.Record.Text("reportId")))
	if err != nil {
		return err
	}
	if report == nil || report.State != ReportApproved && report.State != ReportArchived {
		return Refuse(CodeNotNow, "Approve the report of the revisit first.").InChinese("请先通过回头看的报告。")
	}
	if slices.Contains(Involved(report), c.Who.User) || slices.Contains(teamOf(c.Record), c.Who.User) {
		return Refuse(CodeReviewerIsAuthor, "")
	}
	if err := answersTask(c, report); err != nil { // what an older server took
		return err
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
	if err != nil || finding == nil || finding.State == StateOpen {
		return err
	}
	c.Effect(Effect{ID: finding.ID, Kind: KindFinding, Scope: finding.Scope, State: StateOpen, Set: map[string]Value{
		"reopened": Quote(finding.Int("reopened") + 1), "reopenedBy": Quote(c.Record.ID),
	}})
	if err := tellReopened(c, finding); err != nil {
		return err
	}
	clue, err := Standing(c.Look, RecordID(finding.Text("clueId")))
	if err != nil || clue == nil || clue.State != StateClosed {
		return err
	}
	c.Effect(Effect{ID: clue.ID, Kind: KindClue, Scope: clue.Scope, State: ReopenedClue(clue), Set: map[string]Value{
		"reopened": Quote(clue.Int("reopened") + 1), "reopenedBy": Quote("回头看发现反弹 / relapse found by revisit " + string(c.Record.ID)),
	}})
	return backToHandler(c, clue)
}

// tellReopened tells those who wrote a finding that it is open again.
func tellReopened(c *Case, finding *Record) error {
	people, err := byTeam.People(c.Look, finding)
	for _, u := range people {
		if u != c.Who.User && u != "" {
			c.Notify(u, Notice{Type: "reopened", ZH: "您参与发现的一个问题重新打开。", EN: "A finding of yours is open again."})
		}
	}
	return err
}
