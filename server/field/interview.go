package field

// States of an interview note; it begins as a draft.
const (
	InterviewSubmitted State = "submitted"
	InterviewReviewed  State = "reviewed"
	InterviewSealed    State = "sealed"
)

var interviewSpec = &Spec{
	Kind: KindInterview, ZH: "访谈笔录", EN: "interview note", Home: ScopeSite,
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
			{Name: "given", Type: Bool, Required: true}, {Name: "at", Type: Time}, {Name: "how", Type: Text, Max: 200},
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
}
