package field

// States of an interview note; it begins as a draft.
const (
	InterviewSubmitted State = "submitted"
	InterviewReviewed  State = "reviewed"
	InterviewSealed    State = "sealed"
)

var interviewSpec = &Spec{
	Kind: KindInterview, ZH: "访谈笔录", EN: "interview note", Opens: OpensNone, Filed: FiledWords, Shown: ShownNone, Home: ScopeSite,
	Whose: byAuthor, EditOwn: true, Part: "reportId",
	Initial: StateDraft,
	States: []Choice{
		{Code: "draft", ZH: "草稿", EN: "draft"},
		{Code: "submitted", ZH: "已提交", EN: "submitted"},
		{Code: "reviewed", ZH: "已审阅", EN: "reviewed"},
		{Code: "sealed", ZH: "已封存", EN: "sealed"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{StateDraft},
	Fields: []Field{
		{Name: "reportId", Type: ID, Of: KindReport, Once: true, Key: true, ZH: "报告", EN: "report"},
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Once: true, ZH: "项目点", EN: "site"},
		{Name: "alias", Type: Text, Max: 40, Required: true, ZH: "化名", EN: "respondent's alias"},
		{Name: "stratum", Type: Enum, Choices: households, ZH: "户类型", EN: "household stratum"},
		{Name: "consent", Type: Object, ZH: "知情同意", EN: "consent", Fields: []Field{
			{Name: "given", Type: Bool, Required: true, ZH: "已知情同意", EN: "consent was given"}, {Name: "at", Type: Time, ZH: "同意时间", EN: "when it was given"}, {Name: "how", Type: Text, Max: 200, ZH: "同意方式", EN: "how it was given"},
		}},
		{Name: "answers", Type: Any, Keyed: true, ZH: "回答", EN: "structured answers"},
		{Name: "text", Type: Text, Max: 20_000, ZH: "笔录", EN: "text"},
		{Name: "activeSeconds", Type: Integer, Low: 0, High: 86_400, ZH: "实际用时（秒）", EN: "active seconds"},
		{Name: "cadrePresent", Type: Bool, ZH: "干部在场", EN: "cadre present"},
		{Name: "startedAt", Type: Time, ZH: "开始时间", EN: "start"},
		{Name: "endedAt", Type: Time, ZH: "结束时间", EN: "end"},
		afterSubmission,
		clockField, correctionsField, voidReason,
	},
	Made: partAdded,
	Commands: []Command{
		{Name: "submit", Own: true, ZH: "提交", EN: "submit", From: []State{StateDraft}, To: InterviewSubmitted, Do: func(c *Case) error {
			if report, err := KindOf(KindInterview).reportOf(c.Look, c.Record); err != nil || report == nil || !over(report) {
				return err
			}
			return Refuse(CodePartFrozen, "")
		}},
		{Name: "review", ZH: "审阅", EN: "review", From: []State{InterviewSubmitted}, To: InterviewReviewed, Do: func(c *Case) error {
			return notItsAuthor(c, c.Record)
		}},
		{Name: "seal", ZH: "封存", EN: "seal", From: []State{InterviewReviewed}, To: InterviewSealed},
		correctTimes(InterviewSubmitted, InterviewReviewed),
		partVoid(StateDraft, InterviewSubmitted, InterviewReviewed),
	},
	Desk: interviewDesk,
}

// interviewDesk is what the desk offers of it.
var interviewDesk = &Desk{
	Group: "review",
	Filters: []Filter{
		{Name: "state"},
		{Name: "siteId", Home: true, Says: "At this site."},
		{Name: "reportId", Says: "Of this report."},
	},
	Acts: []Act{
		{
			Verb: "list", Says: "Interview notes.",
			More: "Those of the sites that you may read, with the filters below. People who were talked with are named " +
				"by an alias.",
		},
		{Verb: "get"},
		{
			Verb: "review", Says: "Mark a note as read by a second person.",
			More: "For supervisors, of a submitted note. `reviewer_is_author` for who wrote it or was on the visit; " +
				"`state_not_allowed` when it is a draft or was reviewed already.",
		},
		{
			Verb: "seal", Says: "Close a reviewed note for good.",
			More: "For supervisors, of a reviewed note: nothing of it changes any more. `state_not_allowed` when nobody " +
				"has reviewed it.",
		},
		{
			Verb: "correct", Says: "Put the right times beside those that a note states.", Body: "CorrectTimes",
			More: "What the clock of a phone said stays as it was stated; `corrections` has both values, who corrected, " +
				"when and why. Refused with reviewer_is_author to those who were on the visit, with bad_choice for " +
				"a time that is not stated, with bad_time for one that is still to come.",
			Example: "times: [{of: startedAt, to: '2026-11-23T10:05:00+08:00'}], reason: 手机时钟慢了一天",
		},
		{
			Verb: "void", Says: "Take a note out of view.",
			More: "For its author, and for supervisors; a sealed note is never voided. What rests on the note is put up " +
				"for review. `part_frozen` for the author once the report was handed in.",
			Example: "reason: 误录",
		},
	},
}
