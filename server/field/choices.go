package field

// RedLines are the twenty red lines of discipline (20项纪律红线) that checklist items cite, in their three groups.
var RedLines = []Choice{
	{"approval_forged", "虚构项目或伪造申报材料", "invented project or forged application", "项目审核"},
	{"approval_skipped", "未经审批擅自立项", "project started without approval", "项目审核"},
	{"approval_order", "审批文件时间倒置", "approval documents dated in the wrong order", "项目审核"},
	{"tender_split", "拆分合同规避招标", "contract split to avoid a tender", "项目审核"},
	{"tender_rigged", "围标串标", "rigged tender", "项目审核"},
	{"beneficiary_false", "虚报受益贫困户", "false beneficiaries", "项目审核"},
	{"acceptance_false", "虚假验收", "false acceptance", "项目审核"},
	{"funds_diverted", "挪用帮扶资金", "funds diverted", "资金用途"},
	{"funds_withheld", "截留滞留资金", "funds withheld", "资金用途"},
	{"funds_private", "公款转入私人账户", "public money into a private account", "资金用途"},
	{"funds_cash", "大额现金支付", "large payments in cash", "资金用途"},
	{"funds_idle", "资金长期闲置", "money left idle", "资金用途"},
	{"funds_ahead", "超进度付款", "paid ahead of the works", "资金用途"},
	{"subsidy_claimed", "冒领补贴", "subsidy claimed for others", "资金用途"},
	{"office_oversize", "超标准办公用房", "office over the permitted size", "办公纪律"},
	{"vehicle_misuse", "公车私用", "official car used privately", "办公纪律"},
	{"gift_taken", "收受礼品礼金", "gifts taken", "办公纪律"},
	{"banquet", "违规吃喝", "banquets against the rules", "办公纪律"},
	{"absence", "驻点干部脱岗", "posted official absent", "办公纪律"},
	{"formalism", "形式主义、重复填表", "formalism, the same form twice", "办公纪律"},
}

// Violations are the twelve types of violation in three aspects (3个方面12种违规违纪). A finding needs one before it
// becomes a clue.
var Violations = []Choice{
	{"misappropriation", "贪污侵占", "misappropriation", "资金管理"},
	{"diversion", "挤占挪用", "diversion of funds", "资金管理"},
	{"false_claim", "虚报冒领", "false claims", "资金管理"},
	{"idle_funds", "滞留闲置", "funds withheld or idle", "资金管理"},
	{"improper_payment", "违规支付", "improper payment", "资金管理"},
	{"tender_violation", "违规招投标", "tender rules broken", "项目建设"},
	{"poor_quality", "工程质量问题", "poor quality of works", "项目建设"},
	{"behind_plan", "进度严重滞后", "far behind plan", "项目建设"},
	{"acceptance_fraud", "验收走过场", "acceptance as a formality", "项目建设"},
	{"neglect", "失职失责", "neglect of duty", "工作落实"},
	{"formalism", "形式主义官僚主义", "formalism and bureaucracy", "工作落实"},
	{"deception", "弄虚作假", "deception", "工作落实"},
}

var (
	severities = []Choice{
		{Code: "info", ZH: "提示", EN: "information"},
		{Code: "review", ZH: "需复核", EN: "to review"},
		{Code: "high", ZH: "高", EN: "high"},
		{Code: "blocking", ZH: "阻断", EN: "blocking"},
	}
	viewParts = []Choice{
		{Code: "original", ZH: "原件", EN: "original"},
		{Code: "large", ZH: "大图（1600 px）", EN: "rendition of 1600 px"},
		{Code: "small", ZH: "缩略图（320 px）", EN: "renditions of 320 px"},
	}
	findingSeverities = []Choice{
		{Code: "minor", ZH: "轻微", EN: "minor"}, {Code: "serious", ZH: "较重", EN: "serious"}, {Code: "major", ZH: "重大", EN: "major"},
	}
	projectTypes = []Choice{
		{Code: "industry", ZH: "产业", EN: "industry"},
		{Code: "infrastructure", ZH: "基础设施", EN: "infrastructure"},
		{Code: "education", ZH: "教育", EN: "education"},
		{Code: "relocation", ZH: "易地搬迁", EN: "relocation"},
		{Code: "consumption", ZH: "消费帮扶", EN: "consumption"},
	}
	itemTypes = []Choice{
		{Code: "text", ZH: "文本", EN: "text"},
		{Code: "number", ZH: "数字", EN: "number"},
		{Code: "yes_no", ZH: "是否", EN: "yes or no"},
		{Code: "choice", ZH: "单选", EN: "one choice"},
		{Code: "choices", ZH: "多选", EN: "several choices"},
		{Code: "photo", ZH: "照片", EN: "photo"},
	}
	visitTypes = []Choice{
		{Code: "visit", ZH: "现场检查", EN: "site visit"}, {Code: "desk", ZH: "案头核查", EN: "desk review"},
	}
	classes = []Choice{
		{Code: "data_correction", ZH: "数据更正", EN: "data correction"},
		{Code: "explanation", ZH: "说明", EN: "explanation"},
		{Code: "rectification", ZH: "整改", EN: "rectification"},
		{Code: "clue", ZH: "问题线索", EN: "clue"},
		{Code: "dismissed", ZH: "不成立", EN: "dismissed"},
	}
	captures = []Choice{{Code: "app", ZH: "应用内拍摄", EN: "taken in the app"}, {Code: "picked", ZH: "相册选取", EN: "picked from the gallery"}}
	strata   = []Choice{
		{Code: "problems", ZH: "曾反馈问题的地方", EN: "places with problems fed back"},
		{Code: "unsampled", ZH: "从未抽查的地方", EN: "places never sampled"},
		{Code: "petitioners", ZH: "信访户", EN: "households that petitioned"},
	}
	households = []Choice{
		{Code: "registered_poor", ZH: "建档立卡贫困户", EN: "registered poor"},
		{Code: "near_poor", ZH: "边缘户", EN: "near poor"},
		{Code: "petitioner", ZH: "信访户", EN: "petitioner"},
		{Code: "other", ZH: "其他", EN: "other"},
	}
	channels = []Choice{
		{Code: "site_visit", ZH: "现场检查", EN: "site visit"},
		{Code: "audit", ZH: "审计", EN: "audit"},
		{Code: "petition", ZH: "信访", EN: "petition"},
		{Code: "inspection", ZH: "巡察", EN: "inspection"},
		{Code: "alert", ZH: "预警", EN: "alert"},
		{Code: "transfer", ZH: "移送", EN: "transfer"},
	}
	urgencies = []Choice{
		{Code: "normal", ZH: "一般", EN: "normal"}, {Code: "urgent", ZH: "紧急", EN: "urgent"}, {Code: "major", ZH: "重大", EN: "major"},
	}
	dispositions = []Choice{
		{Code: "inquiry", ZH: "谈话函询", EN: "inquiry"},
		{Code: "verification", ZH: "初步核实", EN: "preliminary verification"},
		{Code: "stored", ZH: "暂存待查", EN: "stored"},
		{Code: "closed", ZH: "予以了结", EN: "closed"},
	}
	payeeKinds = []Choice{{Code: "unit", ZH: "单位", EN: "unit"}, {Code: "person", ZH: "个人", EN: "person"}}
	relations  = []Choice{
		{Code: "supports", ZH: "支持", EN: "supports"}, {Code: "contradicts", ZH: "反驳", EN: "contradicts"}, {Code: "identifies", ZH: "指认", EN: "identifies"},
	}
	evidenceKinds = []Choice{
		{Code: "report", ZH: "现场检查报告", EN: "site-visit report"},
		{Code: "photo", ZH: "照片", EN: "photo"},
		{Code: "interview", ZH: "访谈笔录", EN: "interview note"},
		{Code: "finding", ZH: "发现问题", EN: "finding"},
	}
	decisions = []Choice{
		{Code: "confirmed", ZH: "属实", EN: "confirmed"}, {Code: "explained", ZH: "已说明", EN: "explained"}, {Code: "false_alarm", ZH: "误报", EN: "false alarm"},
	}
	results = []Choice{
		{Code: "fixed", ZH: "已整改", EN: "fixed"},
		{Code: "partly", ZH: "部分整改", EN: "partly fixed"},
		{Code: "relapse", ZH: "反弹", EN: "relapse"},
		{Code: "unknown", ZH: "无法核实", EN: "could not be seen"},
	}
	subjectKinds = []Choice{{Code: "official", ZH: "干部", EN: "official"}, {Code: "unit", ZH: "单位", EN: "unit"}, {Code: "project", ZH: "项目", EN: "project"}}
	noticeTypes  = []Choice{
		{Code: "returned", ZH: "退回", EN: "returned"},
		{Code: "assigned", ZH: "任务", EN: "assigned"},
		{Code: "parked", ZH: "留存操作", EN: "parked operation"},
		{Code: "approved", ZH: "已通过", EN: "approved"},
		{Code: "reopened", ZH: "重新打开", EN: "reopened"},
		{Code: "info", ZH: "通知", EN: "information"},
		{Code: "reassigned", ZH: "改派", EN: "reassigned"},
	}
	reviewCauses = []Choice{
		{Code: string(causeDiscredited), ZH: "照片不可采信", EN: "a photo was discredited"},
		{Code: string(causeVoided), ZH: "证据已作废", EN: "evidence was voided"},
		{Code: string(causeDismissed), ZH: "发现问题已重新分类，不再作为问题线索", EN: "the finding was classified anew, as no clue"},
		{Code: string(causeWithdrawn), ZH: "报告在提交后被作废", EN: "the report was voided after it was handed in"},
	}
	reviewDecisions = []Choice{
		{Code: "stands", ZH: "仍然成立", EN: "still stands"}, {Code: "weakened", ZH: "证据减弱", EN: "weakened"}, {Code: "falls", ZH: "不再成立", EN: "no longer stands"},
	}
	takes = []Choice{{Code: "current", ZH: "保留现值", EN: "keep the current value"}, {Code: "offered", ZH: "采用新值", EN: "take the offered value"}, {Code: "other", ZH: "另填一值", EN: "write a third value"}}
)

// Enums lists every enum by name, with labels in Chinese and English.
func Enums() map[string][]Choice {
	return map[string][]Choice{
		"redLine": RedLines, "violation": Violations, "flagSeverity": severities, "findingSeverity": findingSeverities,
		"projectType": projectTypes, "itemType": itemTypes, "visitType": visitTypes, "findingClass": classes, "capture": captures,
		"stratum": strata, "household": households, "channel": channels, "urgency": urgencies, "disposition": dispositions,
		"relation": relations, "evidenceKind": evidenceKinds, "flagDecision": decisions, "custodyStep": CustodySteps, "clockDoubt": clockDoubts, "viewPart": viewParts, "revisitResult": results,
		"subjectKind": subjectKinds, "noticeType": noticeTypes, "conflictTake": takes, "payeeKind": payeeKinds,
		"mandatePower": powers, "mandateSubject": mandateSubjects,
		"reviewCause": reviewCauses, "reviewDecision": reviewDecisions,
		"codePurpose": codePurposes, "sessionEnd": sessionEnds, "role": Roles,
		"flagCode": FlagCodes, "code": codeChoices(),
	}
}
