package field

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
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
	Kind: KindReport, ZH: "现场检查报告", EN: "site-visit report", Home: ScopeSite,
	Whose: byTeam, EditOwn: true,
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
			{Name: "value", Type: Any},
			{Name: "cannotObtain", Type: Text, Max: 1000},
			{Name: "note", Type: Text, Max: 5000},
			{Name: "seconds", Type: Integer, Low: 0, High: 86_400},
			{Name: "at", Type: Time},
		}},
		{Name: "photos", Type: Hash, List: true, Items: 200, ZH: "声明的照片", EN: "photos declared by hash"},
		{Name: "position", Type: Position, ZH: "位置", EN: "position"},
		{Name: "activeSeconds", Type: Integer, Low: 0, High: 864_000, ZH: "实际用时（秒）", EN: "active seconds"},
		{Name: "summary", Type: Text, Max: 10_000, ZH: "小结", EN: "summary"},

		{Name: "severity", Type: Integer, Low: 0, High: 9, Server: true, ZH: "标记等级", EN: "highest open flag, 0 none to 3 blocking"},
		{Name: "submittedAt", Type: Time, Server: true, ZH: "提交时间", EN: "submitted at"},
		{Name: "returnedItems", Type: Object, List: true, Server: true, Fields: returnedItem, ZH: "退回事项", EN: "returned items"},
		{Name: "returnDeadline", Type: Time, Ahead: true, Server: true, ZH: "更正期限", EN: "deadline for the correction"},
		{Name: "returns", Type: Integer, Low: 0, High: 1000, Server: true, ZH: "退回次数", EN: "times returned"},
		{Name: "reviewer", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "审核人", EN: "reviewer"},
		{Name: "reviewedAt", Type: Time, Server: true, ZH: "审核时间", EN: "reviewed at"},
		{Name: "keptUndecided", Type: ID, Of: KindParked, List: true, Items: mostUndecided, Server: true, ZH: "通过时未处理的留存操作", EN: "what was kept for it and undecided when it was approved, the first 200"},
		voidReason,
	},
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
				{Name: "items", Type: Object, List: true, Fields: returnedItem, Required: true},
				{Name: "deadline", Type: Time, Ahead: true, Required: true},
			},
			Do: returnReport,
		},
		{Name: "approve", ZH: "通过", EN: "approve", From: []State{ReportSubmitted, ReportResubmitted, ReportUnderReview}, To: ReportApproved, Do: approveReport},
		{Name: "archive", ZH: "归档", EN: "archive", From: []State{ReportApproved}, To: ReportArchived},
		ownVoid(byAuthor, StateDraft, ReportQueued, ReportReceiving, ReportSubmitted, ReportReturned, ReportResubmitted, ReportUnderReview),
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
	if r.Time("startedAt").IsZero() || r.Time("endedAt").Before(r.Time("startedAt")) {
		return Refuse(CodeMissingField, "A visit needs its start, and an end that is not before it.")
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
		return Refuse(CodePhotosMissing, "%d declared photos have not arrived. Upload them, then submit again.", len(missing))
	}
	return submitted(c)
}

func submitted(c *Case) error {
	c.Record.State = submittedState(c.Record)
	if c.Record.Fields["submittedAt"] == nil {
		c.Set("submittedAt", stamp(c.Now))
	}
	return nil
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
			if report.Fields["submittedAt"] == nil {
				e.Set["submittedAt"] = Quote(stamp(c.Now))
			}
		case !errors.As(err, &unready) || unready.Kind == KindInternal || unready.Kind == KindBusy:
			return err
		default: // a photo that it needs was voided or rejected after it was queued
			whole.Notify(report.Author, Notice{Type: "info", ZH: "报告未能提交：" + clipTo(unready.SentenceZH(), 900), EN: "A report could not be submitted: " + clipTo(unready.Sentence(), 900)})
			c.Effects = append(c.Effects, whole.Effects...)
		}
	}
	c.Effect(e)
	return nil
}

// Authors are those who may not review a report: who made it and who inspected.
func Authors(report *Record) []UserID {
	authors := []UserID{report.Author}
	for _, i := range report.Texts("inspectors") {
		if !slices.Contains(authors, UserID(i)) {
			authors = append(authors, UserID(i))
		}
	}
	return authors
}

// byTeam is whose a report is, and a finding: of who wrote it and of those whom the report names as inspectors, as people at a
// visit fill in one list and come to their findings together.
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
	if slices.Contains(Authors(c.Record), c.Who.User) {
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
		return Refuse(CodeMissingField, "Say which items go back, each with a comment.")
	}
	deadline, _ := time.Parse(time.RFC3339Nano, c.Arg("deadline")) // checked with the arguments
	if !deadline.After(c.Now) {
		return Refuse(CodeBadTime, "The deadline has passed already.")
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
				return Refuse(CodeBadChoice, "%s is not an item of this checklist.", clip(it.Item))
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

func approveReport(c *Case) error {
	if err := notAuthor(c); err != nil {
		return err
	}
	flags, err := PartsOf(c.Look, KindFlag, c.Record)
	if err != nil {
		return err
	}
	worst := int64(0)
	for _, f := range flags {
		if f.State != FlagRaised {
			continue
		}
		if f.Text("severity") == "blocking" {
			return Refuse(CodeFlagsOpen, "The blocking flag %s is undecided.", f.Text("code"))
		}
		worst = max(worst, SeverityRank(f.Text("severity")))
	}
	if worst < c.Record.Int("severity") { // which is kept in the commit of every flag: a flag that is not found is not gone
		return Refuse(CodeFlagsOpen, "The report carries an undecided flag that cannot be found: what it is found by is damaged. Have the operator run fieldclue rebuild.")
	}
	missing, err := MissingPhotos(c.Record, c.Look)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return Refuse(CodePhotosMissing, "")
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

// nameUndecided says in the approval what was kept for the report and nobody has decided: it does not stand in the report.
func nameUndecided(c *Case) error {
	kept, err := KeptOf(c.Look, c.Record.ID)
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
