package field

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// States of a site-visit report.
const (
	ReportQueued      State = "queued"
	ReportReceiving   State = "receiving"
	ReportSubmitted   State = "submitted"
	ReportUnderReview State = "under_review"
	ReportReturned    State = "returned"
	ReportResubmitted State = "resubmitted"
	ReportApproved    State = "approved"
	ReportArchived    State = "archived"
)

// ReturnedItem is one point on which a report went back to its authors.
type ReturnedItem struct {
	Item    string `json:"item"`
	Comment string `json:"comment"`
}

var returnedItem = []Field{
	{Name: "item", Type: Text, Max: 64, Required: true, ZH: "事项", EN: "item"},
	{Name: "comment", Type: Text, Max: 2000, Required: true, ZH: "意见", EN: "comment"},
}

// Answer is the answer to one item of the checklist. Either Value, or CannotObtain with the reason: "cannot obtain yet,
// because…" is always a legal answer.
type Answer struct {
	Value        Value  `json:"value,omitempty"`
	CannotObtain string `json:"cannotObtain,omitempty"`
	Note         string `json:"note,omitempty"`
	Seconds      int    `json:"seconds,omitempty"`
	At           string `json:"at,omitempty"`
}

var reportSpec = &Spec{
	Kind: KindReport, ZH: "现场检查报告", EN: "site-visit report", Opens: OpensNone, Filed: FiledVisit, Shown: ShownLatest, Home: ScopeSite,
	Whose: byTeam, EditOwn: true, Told: ToldNobody, TellsKept: tellOfKept,
	Work: []Work{{As: "inspectors", Role: "inspector", Open: []State{
		StateDraft, ReportQueued, ReportReceiving, ReportSubmitted, ReportUnderReview, ReportReturned, ReportResubmitted,
	}}},
	Initial: StateDraft,
	States: []Choice{
		{Code: "draft", ZH: "草稿", EN: "draft"},
		{Code: "queued", ZH: "待上传", EN: "queued"},
		{Code: "receiving", ZH: "接收中", EN: "receiving"},
		{Code: "submitted", ZH: "已提交", EN: "submitted"},
		{Code: "under_review", ZH: "审核中", EN: "under review"},
		{Code: "returned", ZH: "已退回", EN: "returned"},
		{Code: "resubmitted", ZH: "重新提交", EN: "resubmitted"},
		{Code: "approved", ZH: "已通过", EN: "approved"},
		{Code: "archived", ZH: "已归档", EN: "archived"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{StateDraft, ReportReturned},
	Fields: []Field{
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Once: true, Key: true, ZH: "项目点", EN: "site"},
		{Name: "revisitId", Type: ID, Of: KindRevisit, Once: true, Key: true, ZH: "回头看任务", EN: "revisit task"},
		{Name: "templateId", Type: ID, Of: KindTemplate, Required: true, Once: true, ZH: "模板", EN: "template"},
		{Name: "templateVersion", Type: Integer, Low: 1, High: 10_000, Once: true, ZH: "模板版本", EN: "template version"},
		{Name: "visitType", Type: Enum, Choices: visitTypes, Author: true, ZH: "检查方式", EN: "type of visit"},
		{Name: "inspectors", Type: ID, Of: KindPerson, List: true, Items: 20, Key: true, Author: true, ZH: "检查人员", EN: "inspectors"},
		{Name: "startedAt", Type: Time, ZH: "开始时间", EN: "start"},
		{Name: "endedAt", Type: Time, ZH: "结束时间", EN: "end"},
		{Name: "answers", Type: Object, Keyed: true, ZH: "回答", EN: "answers", Fields: []Field{
			{Name: "value", Type: Any, ZH: "回答", EN: "value"},
			{Name: "cannotObtain", Type: Text, Max: 1000, ZH: "无法取得的原因", EN: "why it cannot be obtained"},
			{Name: "note", Type: Text, Max: 5000, ZH: "说明", EN: "note"},
			{Name: "seconds", Type: Integer, Low: 0, High: 86_400, ZH: "用时（秒）", EN: "seconds"},
			{Name: "at", Type: Time, ZH: "时间", EN: "time"},
		}},
		{Name: "photos", Type: Hash, List: true, Items: 200, ZH: "声明的照片", EN: "photos declared by hash"},
		{Name: "position", Type: Position, ZH: "位置", EN: "position"},
		{Name: "activeSeconds", Type: Integer, Low: 0, High: 864_000, ZH: "实际用时（秒）", EN: "active seconds"},
		{Name: "summary", Type: Text, Max: 10_000, ZH: "小结", EN: "summary"},

		{Name: "severity", Type: Integer, Low: 0, High: 9, Server: true, ZH: "未处理标记的最高等级，0 为无，3 为阻断", EN: "highest open flag, 0 none to 3 blocking"},
		{Name: "submittedAt", Type: Time, Server: true, ZH: "提交时间", EN: "submitted at"},
		{Name: "returnedItems", Type: Object, List: true, Server: true, Fields: returnedItem, ZH: "退回事项", EN: "returned items"},
		{Name: "returnDeadline", Type: Time, Ahead: true, Server: true, ZH: "更正期限", EN: "deadline for the correction"},
		{Name: "returns", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "退回次数", EN: "times returned"},
		{Name: "reviewer", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "审核人", EN: "reviewer"},
		{Name: "reviewedAt", Type: Time, Server: true, ZH: "审核时间", EN: "reviewed at"},
		{Name: "keptUndecided", Type: ID, Of: KindParked, List: true, Items: mostUndecided, Server: true, ZH: "通过时未处理的留存操作，前 200 条", EN: "what was kept for it and undecided when it was approved, the first 200"},
		{Name: "namedFlags", Type: ID, Of: KindFlag, List: true, Items: 1000, Server: true, ZH: "通过时列明的未处理标记", EN: "undecided flags that the approval names"},
		{Name: "formerInspectors", Type: ID, Of: KindPerson, List: true, Server: true, ZH: "曾列为检查人员", EN: "who was named as an inspector and is not any more"},
		{Name: "reopened", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "重新审核次数", EN: "times put under review again"},
		{Name: "reopenedBy", Type: Text, Max: 1000, Server: true, ZH: "重新审核依据", EN: "why it was put under review again"},
		clockField, correctionsField, voidReason,
	},
	Edited: rememberInspectors,
	Moves:  true,
	Rank: func(r *Record) string { // by severity of flags, then by age
		at := r.Time("submittedAt")
		if at.IsZero() {
			at = r.CreatedAt
		}
		return fmt.Sprintf("%d%s", 9-r.Int("severity"), RankTime(at))
	},
	Commands: []Command{
		{Name: "queue", Own: true, ZH: "排队提交", EN: "queue", From: []State{StateDraft, ReportReturned}, Do: func(c *Case) error {
			// Everything is written; the server submits by itself when the last photo has arrived.
			if err := readyToSubmit(c); err != nil {
				return err
			}
			missing, err := MissingPhotos(c.Record, c.Look)
			if err != nil {
				return err
			}
			if len(missing) == 0 {
				return submitted(c)
			}
			c.Record.State = ReportQueued
			return nil
		}},
		{Name: "submit", Own: true, ZH: "提交", EN: "submit", From: []State{StateDraft, ReportQueued, ReportReceiving}, Do: submitReport},
		{Name: "recall", Own: true, ZH: "撤回修改", EN: "take back to correct", From: []State{ReportQueued, ReportReceiving}, Do: func(c *Case) error {
			// For a photo that will never arrive: without this a lost phone would hold the report for ever.
			c.Record.State = StateDraft
			if c.Record.Int("returns") > 0 {
				c.Record.State = ReportReturned
			}
			return nil
		}},
		{Name: "resubmit", Own: true, ZH: "重新提交", EN: "resubmit", From: []State{ReportReturned}, Do: submitReport},
		{Name: "take", ZH: "受理审核", EN: "take for review", From: []State{ReportSubmitted, ReportResubmitted}, To: ReportUnderReview, Do: func(c *Case) error {
			if err := notAuthor(c); err != nil {
				return err
			}
			c.Set("reviewer", c.Who.User)
			return nil
		}},
		{
			Name: "return", ZH: "退回", EN: "return", From: []State{ReportSubmitted, ReportResubmitted, ReportUnderReview}, To: ReportReturned,
			Args: []Field{
				{Name: "items", Type: Object, List: true, ZH: "退回的事项", EN: "items that go back", Fields: returnedItem, Required: true},
				{Name: "deadline", Type: Time, Ahead: true, Required: true, ZH: "更正期限", EN: "to be corrected by"},
			},
			Do: returnReport,
		},
		{
			Name: "approve", ZH: "通过", EN: "approve", From: []State{ReportSubmitted, ReportResubmitted, ReportUnderReview}, To: ReportApproved,
			Args: []Field{{Name: "flags", Type: ID, Of: KindFlag, List: true, Items: 1000, ZH: "通过时列明的未处理的高等级标记", EN: "the undecided flags of severity high over which the report is approved"}},
			Do:   approveReport,
		},
		correctTimes(ReportSubmitted, ReportResubmitted, ReportUnderReview),
		{Name: "archive", ZH: "归档", EN: "archive", From: []State{ReportApproved}, To: ReportArchived},
		{Name: "reopen", ZH: "重新审核", EN: "put under review again", From: []State{ReportApproved, ReportArchived}, To: ReportUnderReview, Args: []Field{reason}, Do: reopenReport},
		voidedReport(voidReport(StateDraft, ReportQueued, ReportReceiving, ReportSubmitted, ReportReturned, ReportResubmitted, ReportUnderReview)),
	},
	Desk: reportDesk,
}

// reportDesk is what the desk offers of it.
var reportDesk = &Desk{
	Group: "review",
	Filters: []Filter{
		{Name: "state"},
		{Name: "siteId", Says: "Of this site."},
		{Name: "inspector", Key: "inspectors", Says: "Of a visit by this person."},
		{Name: "reviewer", Says: "Taken by this person."},
	},
	Acts: []Act{
		{Verb: "list", More: "In the order of the review queue."},
		{Verb: "take", Says: "Take a report for review.", More: "Refused to its authors."},
		{
			Verb: "return", Body: "ReturnReport", Says: "Send a report back on some items.",
			More:    "It lands on top of its authors' inboxes in the same commit.",
			Example: "items: [{item: roof, comment: 请补拍屋顶照片}], deadline: '2026-12-01T18:00:00.000+08:00'",
		},
		{
			Verb: "correct", Says: "Put the right times beside those that a report states.", Body: "CorrectTimes",
			More: "What the clock of a phone said stays as it was stated; `corrections` has both values, who corrected, " +
				"when and why. Refused with reviewer_is_author to those who were on the visit, with bad_choice for " +
				"a time that is not stated, with bad_time for one that is still to come.",
			Example: "times: [{of: startedAt, to: '2026-11-23T09:05:00+08:00'}], reason: 手机时钟慢了一天",
		},
		{
			Verb: "approve", Says: "Approve a report.",
			More: "Refused to everybody who was ever on it; while a blocking flag is undecided (flags_open), a declared " +
				"photo is missing (photos_missing) or not examined yet (photos_unexamined), or a conflict of the " +
				"report or of one of its parts is open (conflicts_open); and unless it names the undecided flags of " +
				"severity high (flags_unnamed). What stands before it is in `approval` of GET /v1/reports/{id}.",
			Example: "flags: ['0193a000-0000-7000-8000-0000000000a1']",
		},
		{
			Verb: "reopen", Says: "Put an approved or archived report under review again.",
			More: "Its authors and who approved it are told. The server does the same by itself when a flag of severity " +
				"high or blocking is raised on it.",
			Example: "reason: 新收到的照片与结论不符",
		},
		{
			Verb: "archive", Says: "Archive an approved report.",
			More: "For supervisors. `state_not_allowed` when it is not approved; `stale_version` when the record has " +
				"changed since `version`.",
		},
		{
			Verb: "void", Says: "Take a report out of view.",
			More:    "It is kept; nothing that was submitted is deleted.",
			Example: "reason: 重复填报",
		},
	},
}

// MissingPhotos lists the declared hashes for which no stored photo of the report with that hash is known.
func MissingPhotos(report *Record, look Lookup) ([]string, error) {
	photos, err := PartsOf(look, KindPhoto, report)
	if err != nil {
		return nil, err
	}
	stored := map[string]bool{}
	declared := report.Texts("photos")
	for _, p := range photos {
		if PhotoIsStored(p) {
			stored[p.Text("sha256")] = true
		} else if p.State != PhotoRejected {
			declared = append(declared, p.Text("sha256"))
		}
	}
	var missing []string
	for _, h := range declared {
		if !stored[h] && !slices.Contains(missing, h) {
			missing = append(missing, h)
		}
	}
	return missing, nil
}

// readyToSubmit checks everything but the photos.
func readyToSubmit(c *Case) error {
	r := c.Record
	if r.Text("visitType") != "desk" && len(slices.Compact(slices.Sorted(slices.Values(r.Texts("inspectors"))))) < 2 {
		return Refuse(CodeTwoInspectors, "")
	}
	start, end := r.Moment("startedAt"), r.Moment("endedAt")
	doubted := r.Doubtful("startedAt") || r.Doubtful("endedAt") // the clock was set in between: the flag asks the reviewer
	if start.IsZero() || end.IsZero() || end.Before(start) && !doubted {
		return Refuse(CodeMissingField, "A visit needs its start, and an end that is not before it.").InChinese("检查须有开始时间，且结束时间不得早于开始时间。")
	}
	for _, i := range r.Texts("inspectors") {
		if err := onVisit(c, UserID(i)); err != nil {
			return err
		}
	}
	template, err := c.See(RecordID(r.Text("templateId")))
	if err != nil {
		return err
	}
	if template == nil || template.State == StateDraft {
		return Refuse(CodeTemplateState, "")
	}
	items, err := TemplateItems(template)
	if err != nil {
		return err
	}
	photos, err := PartsOf(c.Look, KindPhoto, r)
	if err != nil {
		return err
	}
	return checkAnswers(r, items, photos)
}

func submitReport(c *Case) error {
	if err := readyToSubmit(c); err != nil {
		return err
	}
	missing, err := MissingPhotos(c.Record, c.Look)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return Refuse(CodePhotosMissing, "%d declared photos have not arrived. Upload them, then submit again.", len(missing)).
			InChinese("有 %d 张声明的照片尚未到达，请补传后再提交。", len(missing))
	}
	return submitted(c)
}

func submitted(c *Case) error {
	c.Record.State = submittedState(c.Record)
	worst, err := worstFlag(c.Look, c.Record)
	if err != nil {
		return err
	}
	if c.Record.Int("severity") != worst {
		c.Set("severity", worst)
	}
	if c.Record.Fields["submittedAt"] == nil {
		c.Set("submittedAt", stamp(c.Now))
	}
	return nil
}

// worstFlag is the severity of a report's worst undecided flag, which may have been raised before the report came.
func worstFlag(look Lookup, report *Record) (int64, error) {
	flags, err := PartsOf(look, KindFlag, report)
	worst := int64(0)
	for _, f := range flags {
		if f.State == FlagRaised {
			worst = max(worst, SeverityRank(f.Text("severity")))
		}
	}
	return worst, err
}

func submittedState(r *Record) State {
	if r.Int("returns") > 0 {
		return ReportResubmitted
	}
	return ReportSubmitted
}

// photoArrived moves a queued report on: to receiving, or to submitted when this was the last photo.
func photoArrived(c *Case) error {
	report, err := ReportOf(c.Look, c.Record)
	if err != nil || report == nil || report.State != ReportQueued && report.State != ReportReceiving {
		return err
	}
	missing, err := MissingPhotos(report, c.Look)
	if err != nil {
		return err
	}
	e := Effect{ID: report.ID, Kind: KindReport, Scope: report.Scope, State: ReportReceiving, Set: map[string]Value{}}
	if len(missing) == 0 || len(missing) == 1 && missing[0] == c.Record.Text("sha256") {
		whole := *c
		whole.Record, whole.Effects = report, nil
		var unready *Error
		switch err := readyToSubmit(&whole); {
		case err == nil:
			e.State = submittedState(report)
			worst, err := worstFlag(c.Look, report)
			if err != nil {
				return err
			}
			if report.Int("severity") != worst {
				e.Set["severity"] = Quote(worst)
			}
			if report.Fields["submittedAt"] == nil {
				e.Set["submittedAt"] = Quote(stamp(c.Now))
			}
		case !errors.As(err, &unready) || unready.Kind == ErrorInternal || unready.Kind == ErrorBusy:
			return err
		default: // a photo that it needs was voided or rejected after it was queued
			whole.Notify(report.Author, Notice{Type: "info", ZH: "报告未能提交：" + clipTo(unready.SentenceZH(), 900), EN: "A report could not be submitted: " + clipTo(unready.Sentence(), 900)})
			c.Effects = append(c.Effects, whole.Effects...)
		}
	}
	c.Effect(e)
	return nil
}

// Authors are whose a report is: who made it, and whom it names as inspectors.
func Authors(report *Record) []UserID {
	authors := []UserID{report.Author}
	for _, i := range report.Texts("inspectors") {
		if !slices.Contains(authors, UserID(i)) {
			authors = append(authors, UserID(i))
		}
	}
	return authors
}

// Involved are those who may not review a report: its authors, and who was named as an inspector at any time.
func Involved(report *Record) []UserID {
	return append(Authors(report), users(report, "formerInspectors")...)
}

// users reads a list of people.
func users(r *Record, path string) []UserID {
	var list []UserID
	for _, u := range r.Texts(path) {
		list = append(list, UserID(u))
	}
	return list
}

// remember adds people to a list of the case's record, each once.
func (c *Case) remember(path string, people ...UserID) {
	list := users(c.Record, path)
	for _, u := range people {
		if u != "" && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	if len(list) > 0 {
		c.Set(path, list)
	}
}

// rememberInspectors notes who is taken off a report: he was on the visit and does not review it.
func rememberInspectors(c *Case) error {
	old, err := c.Look.Get(c.Record.ID)
	if err != nil || old == nil {
		return err
	}
	now := Authors(c.Record)
	c.remember("formerInspectors", slices.DeleteFunc(Authors(old), func(u UserID) bool { return slices.Contains(now, u) })...)
	return nil
}

// onVisit checks that somebody whom a report names as an inspector is a person who could be sent there. Who left after
// the visit, or was recused after its report was begun, was there all the same.
func onVisit(c *Case, id UserID) error {
	person, err := c.See(RecordID(id))
	if err != nil {
		return err
	}
	if person == nil || person.Kind != KindPerson || person.Deleted {
		return Refuse(CodeUnknownRecord, "There is no person %s, whom the report names as an inspector.", id).
			InChinese("报告列为检查人员的 %s 不存在。", id).About(string(id))
	}
	if person.State != StateActive && person.Time("leftAt").Before(c.Record.Time("startedAt")) {
		return Refuse(CodeCannotDo, "").About(string(id))
	}
	return fit(c, person, c.Record.Scope, c.Record.Info, c.Record.CreatedAt, PowerInspect, RoleInspector, RoleTeamLead, RoleSupervisor, RoleLeader)
}

// byTeam is whose a report is, and a finding: of who wrote it and of those whom the report names as inspectors, as
// people at a visit fill in one list and come to their findings together.
var byTeam = &Whose{ZH: "作者及报告中的检查人员", EN: "its author and the inspectors of the report", People: func(look Lookup, r *Record) ([]UserID, error) {
	if r.Kind == KindReport {
		return Authors(r), nil
	}
	people := []UserID{r.Author}
	report, err := ReportOf(look, r)
	if err == nil && report != nil {
		people = append(people, Authors(report)...)
	}
	return people, err
}}

// byAuthor is whose a record is that one person wrote.
var byAuthor = &Whose{ZH: "作者本人", EN: "its author", People: func(_ Lookup, r *Record) ([]UserID, error) { return []UserID{r.Author}, nil }}

func notAuthor(c *Case) error {
	if slices.Contains(Involved(c.Record), c.Who.User) {
		return Refuse(CodeReviewerIsAuthor, "")
	}
	return nil
}

func returnReport(c *Case) error {
	if err := notAuthor(c); err != nil {
		return err
	}
	var items []ReturnedItem
	if err := json.Unmarshal(c.Args["items"], &items); err != nil || len(items) == 0 {
		return Refuse(CodeMissingField, "Say which items go back, each with a comment.").InChinese("请说明退回哪些事项，并逐项写明意见。")
	}
	deadline, _ := ParseTime(c.Arg("deadline")) // checked with the arguments
	if !deadline.After(c.Now) {
		return Refuse(CodeBadTime, "The deadline has passed already.").InChinese("期限已过。")
	}
	template, err := c.See(RecordID(c.Record.Text("templateId")))
	if err != nil {
		return err
	}
	if template != nil {
		known, err := TemplateItems(template)
		if err != nil {
			return err
		}
		for _, it := range items {
			if !slices.ContainsFunc(known, func(k Item) bool { return k.ID == it.Item }) {
				return Refuse(CodeBadChoice, "%s is not an item of this checklist.", clip(it.Item)).InChinese("%s 不是该检查清单中的事项。", clip(it.Item))
			}
		}
	}
	c.Record.Fields["returnedItems"] = c.Args["items"]
	c.Set("returnDeadline", c.Arg("deadline"))
	c.Set("returns", c.Record.Int("returns")+1)
	c.Set("reviewer", c.Who.User)
	c.Set("reviewedAt", stamp(c.Now))
	for _, a := range Authors(c.Record) {
		c.Notify(a, Notice{
			Type: "returned", Due: c.Arg("deadline"), Items: items,
			ZH: fmt.Sprintf("报告被退回，有 %d 项需更正。", len(items)), EN: fmt.Sprintf("A report came back with %d items to correct.", len(items)),
		})
	}
	return nil
}

// Approval is what stands before the approval of a report.
type Approval struct {
	Missing    []string   `json:"missing"`    // hashes that were declared and have not arrived
	Unexamined []RecordID `json:"unexamined"` // photos at which the server has not looked yet
	Conflicts  []RecordID `json:"conflicts"`  // open ones, of the report and of its parts
	Blocking   []RecordID `json:"blocking"`   // undecided flags that must be decided
	High       []RecordID `json:"high"`       // undecided flags that must be decided, or named in the approval

	worst int64    // rank of the worst undecided flag
	said  []string // of Blocking and then High: what each is about
}

// BeforeApproval gathers what stands before the approval of a report.
func BeforeApproval(look Lookup, report *Record) (Approval, error) {
	a := Approval{Missing: []string{}, Unexamined: []RecordID{}, Conflicts: []RecordID{}, Blocking: []RecordID{}, High: []RecordID{}}
	missing, err := MissingPhotos(report, look)
	if err != nil {
		return a, err
	}
	a.Missing = append(a.Missing, missing...)
	whole := []*Record{report}
	of := Parts()
	slices.SortStableFunc(of, func(a, b *Spec) int { return len(a.rests) - len(b.rests) }) // what findings rest on before the findings
	for _, kind := range of {
		parts, err := PartsOf(look, kind.Kind, report)
		if err != nil {
			return a, err
		}
		whole = append(whole, parts...)
	}
	for _, r := range whole {
		if r.Kind == KindPhoto && PhotoIsStored(r) && !PhotoIsExamined(r) {
			a.Unexamined = append(a.Unexamined, r.ID)
		}
		conflicts, err := look.FindIn(r.Scope, KindConflict, KeyFor("recordId", r.ID))
		if err != nil {
			return a, err
		}
		for _, x := range conflicts {
			if x.State == StateOpen {
				a.Conflicts = append(a.Conflicts, x.ID)
			}
		}
	}
	return a, a.flags(look, report)
}

func (a *Approval) flags(look Lookup, report *Record) error {
	flags, err := PartsOf(look, KindFlag, report)
	if err != nil {
		return err
	}
	for _, severity := range []string{"blocking", "high"} {
		for _, f := range flags {
			if f.State != FlagRaised {
				continue
			}
			a.worst = max(a.worst, SeverityRank(f.Text("severity")))
			if f.Text("severity") != severity {
				continue
			}
			a.said = append(a.said, f.Text("code")+" "+string(f.ID))
			if severity == "blocking" {
				a.Blocking = append(a.Blocking, f.ID)
			} else {
				a.High = append(a.High, f.ID)
			}
		}
	}
	return nil
}

func approveReport(c *Case) error {
	if err := notAuthor(c); err != nil {
		return err
	}
	before, err := BeforeApproval(c.Look, c.Record)
	if err != nil {
		return err
	}
	var named []RecordID
	if v, ok := c.Args["flags"]; ok {
		if err := json.Unmarshal(v, &named); err != nil {
			return Refuse(CodeWrongType, "The flags cannot be read.").InChinese("标记无法读取。").Because(err)
		}
	}
	unnamed := slices.DeleteFunc(slices.Clone(before.High), func(id RecordID) bool { return slices.Contains(named, id) })
	switch {
	case len(before.Blocking) > 0:
		en, zh := list(before.said[:len(before.Blocking)])
		return Refuse(CodeFlagsOpen, "Undecided blocking flags: %s. Decide them first.", en).InChinese("有阻断性标记未处理：%s。请先处理。", zh)
	case before.worst < c.Record.Int("severity"): // which is kept in the commit of every flag: a flag that is not found is not gone
		return Refuse(CodeFlagsOpen, "The report carries an undecided flag that cannot be found: what it is found by is damaged. Have the operator run fieldclue rebuild.").
			InChinese("报告有未处理的标记，但因索引损坏而无法找到，请运维人员运行 fieldclue rebuild。")
	case len(before.Missing) > 0:
		return Refuse(CodePhotosMissing, "%d declared photos have not arrived. Return the report, or void the photos that never will.", len(before.Missing)).
			InChinese("有 %d 张声明的照片尚未到达，请退回报告，或作废不会再到达的照片。", len(before.Missing))
	case len(before.Unexamined) > 0:
		return Refuse(CodePhotosUnexamined, "%d photos are still being examined. Approve the report when they are; if it goes on, have the operator look at the jobs that were set aside.", len(before.Unexamined)).
			InChinese("有 %d 张照片仍在检验中，请待检验完成后再通过报告；若持续如此，请运维人员查看被搁置的后台任务。", len(before.Unexamined))
	case len(before.Conflicts) > 0:
		return Refuse(CodeConflictsOpen, "%d conflicts are open. Resolve them, or return the report.", len(before.Conflicts)).
			InChinese("有 %d 处冲突待处理，请先处理，或退回报告。", len(before.Conflicts))
	case len(unnamed) > 0:
		var said []string
		for i, id := range before.High {
			if slices.Contains(unnamed, id) {
				said = append(said, before.said[len(before.Blocking)+i])
			}
		}
		en, zh := list(said)
		return Refuse(CodeFlagsUnnamed, "Undecided flags of severity high: %s. Decide them, or name each in the approval.", en).
			InChinese("有高等级标记未处理：%s。请先处理，或在通过时逐一列明。", zh)
	}
	for _, id := range named {
		f, err := c.Look.Get(id)
		if err != nil {
			return err
		}
		if f == nil || f.Kind != KindFlag || f.Text("reportId") != string(c.Record.ID) {
			return Refuse(CodeBadChoice, "%s is no flag of this report.", id).InChinese("%s 不是该报告的标记。", id)
		}
	}
	c.Set("namedFlags", nil)
	if len(before.High) > 0 {
		c.Set("namedFlags", before.High)
	}
	if err := nameUndecided(c); err != nil {
		return err
	}
	c.Set("reviewer", c.Who.User)
	c.Set("reviewedAt", stamp(c.Now))
	c.Notify(c.Record.Author, Notice{Type: "approved", ZH: "报告已通过。", EN: "A report was approved."})
	return nil
}

// mostUndecided are named of what was undecided when a report was approved.
const mostUndecided = 200

// nameUndecided says in the approval what was kept for the report and nobody has decided: it does not stand in the
// report.
func nameUndecided(c *Case) error {
	kept, err := KeptOf(c.Look, c.Record)
	if err != nil {
		return err
	}
	var ids []RecordID
	for _, r := range kept[:min(len(kept), mostUndecided)] {
		ids = append(ids, r.ID)
	}
	if len(ids) == 0 {
		c.Set("keptUndecided", nil)
		return nil
	}
	c.Set("keptUndecided", ids)
	return nil
}

// list writes the first few of many, in English and in Chinese.
func list(said []string) (en, zh string) {
	const few = 10
	en, zh = strings.Join(said[:min(few, len(said))], ", "), strings.Join(said[:min(few, len(said))], "、")
	if more := len(said) - few; more > 0 {
		return fmt.Sprintf("%s, and %d more", en, more), fmt.Sprintf("%s，另有 %d 个", zh, more)
	}
	return en, zh
}

// reopenReport puts a report that was approved back under review: something was overlooked. From there it can go back
// to its authors, or be approved again.
func reopenReport(c *Case) error {
	if err := notAuthor(c); err != nil {
		return err
	}
	c.tellReviewer(c.Record, Notice{Type: "reopened", ZH: "您通过的报告已重新进入审核。", EN: "A report that you have approved is under review again."})
	for _, a := range Authors(c.Record) {
		c.Notify(a, Notice{Type: "reopened", ZH: "您的报告已重新进入审核。", EN: "A report of yours is under review again."})
	}
	c.Set("reviewer", c.Who.User)
	c.Set("reopened", c.Record.Int("reopened")+1)
	c.Set("reopenedBy", c.Arg("reason"))
	return underReviewAgain(c, c.Record)
}

// voidReport takes a report out of view. When its own side does so after it was handed in, that is a matter for who
// reviews it: a notice, and a review item that stays open until somebody else has looked. When somebody else does so,
// its authors are told. What the desk has built on it is asked about again.
func voidReport(from ...State) Command {
	cmd := ownVoid(byAuthor, from...)
	void := cmd.Do
	cmd.Do = func(c *Case) error {
		resting, err := RestingOn(c.Look, c.Record)
		if err != nil {
			return err
		}
		if err := void(c); err != nil {
			return err
		}
		why := c.Arg("reason")
		if !slices.Contains(Involved(c.Record), c.Who.User) {
			for _, a := range Authors(c.Record) {
				c.Notify(a, Notice{Type: "info", ZH: "您的报告已被作废：" + clipTo(why, 300), EN: "A report of yours was voided: " + clipTo(why, 300)})
			}
		} else if c.Record.Fields["submittedAt"] != nil {
			told := Notice{Type: "info", ZH: "一份已提交的报告被其作者作废：" + clipTo(why, 300), EN: "A report was voided by its author after it was handed in: " + clipTo(why, 300)}
			ask(c, c.Record, causeWithdrawn, why)
			if c.Record.Text("reviewer") != "" {
				c.tellReviewer(c.Record, told)
			} else if err := c.NotifyRole(c.Record.Info.Owner(), RoleSupervisor, told); err != nil {
				return err
			}
		}
		if !resting.Matters() {
			return nil
		}
		return groundMoved(c, resting, causeVoided, why)
	}
	return cmd
}
