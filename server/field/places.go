package field

import "slices"

// States of a project.
const (
	ProjectDeclared   State = "declared"
	ProjectApproved   State = "approved"
	ProjectFunded     State = "funded"
	ProjectInProgress State = "in_progress"
	ProjectCompleted  State = "completed"
	ProjectAccepted   State = "accepted"
	ProjectHandedOver State = "handed_over"
	ProjectSuspended  State = "suspended"
	ProjectTerminated State = "terminated"
)

var projectSpec = &Spec{
	Kind: KindProject, ZH: "项目", EN: "project", Opens: OpensNone, Filed: FiledNone, Home: ScopeOrg,
	Initial: ProjectDeclared,
	States: []Choice{
		{Code: "declared", ZH: "申报", EN: "declared"},
		{Code: "approved", ZH: "批复", EN: "approved"},
		{Code: "funded", ZH: "资金下达", EN: "funded"},
		{Code: "in_progress", ZH: "实施中", EN: "in progress"},
		{Code: "completed", ZH: "完工", EN: "completed"},
		{Code: "accepted", ZH: "验收", EN: "accepted"},
		{Code: "handed_over", ZH: "移交", EN: "handed over"},
		{Code: "suspended", ZH: "暂停", EN: "suspended"},
		{Code: "terminated", ZH: "终止", EN: "terminated"},
	},
	Editable: []State{ProjectDeclared, ProjectApproved, ProjectFunded, ProjectInProgress, ProjectCompleted, ProjectAccepted, ProjectHandedOver, ProjectSuspended},
	Fields: []Field{
		{Name: "externalId", Type: Text, Max: 60, Required: true, Key: true, ZH: "项目编号", EN: "external id"},
		{Name: "name", Type: Text, Max: 200, Required: true, ZH: "名称", EN: "name"},
		{Name: "type", Type: Enum, Choices: projectTypes, Required: true, ZH: "类型", EN: "type"},
		{Name: "donor", Type: Text, Max: 100, ZH: "帮扶方", EN: "donor"},
		{Name: "county", Type: Region, Required: true, ZH: "县区", EN: "county"},
		{Name: "managingUnit", Type: Text, Max: 100, ZH: "管理单位", EN: "managing unit"},
		{Name: "purpose", Type: Text, Max: 1000, ZH: "用途", EN: "purpose"},
		{Name: "budget", Type: Number, Low: 0, High: 1e12, ZH: "预算（元）", EN: "budget (CNY)"},
		{
			Name: "payments", Type: Object, List: true, Items: 500, Fields: paymentFields, Server: true, ZH: "付款（旧）", EN: "payments, as older servers kept them",
			Moved:   "payments are records of the kind payment in ledger/ and the project's id: who was paid is not for everybody.",
			MovedZH: "payments 现为 ledger/ 加项目编号中的 payment 类记录：收款人不向所有人公开。",
		},
		{Name: "milestones", Type: Object, List: true, ZH: "里程碑", EN: "milestones", Fields: []Field{
			{Name: "name", Type: Text, Required: true, ZH: "名称", EN: "name"},
			{Name: "planned", Type: Date, ZH: "计划完成", EN: "planned"},
			{Name: "actual", Type: Date, ZH: "实际完成", EN: "actually"},
			{Name: "weight", Type: Number, Low: 0, High: 100, ZH: "权重（%）", EN: "weight (%)"},
		}},
		{Name: "beneficiaries", Type: Object, ZH: "受益户", EN: "beneficiaries", Fields: []Field{
			{Name: "total", Type: Integer, Low: 0, High: 1e8, ZH: "总户数", EN: "in all"}, {Name: "registeredPoor", Type: Integer, Low: 0, High: 1e8, ZH: "建档立卡贫困户", EN: "registered as poor"},
		}},
	},
	Made: openLedger,
	Commands: []Command{apart("payments", KindPayment, "projectId", paymentFields, func(c *Case) (Scope, error) {
		return LedgerScope(ProjectID(c.Record.ID)), openLedger(c)
	}), {
		Name: "advance", ZH: "变更阶段", EN: "advance",
		Args: []Field{
			{Name: "to", Type: Enum, Required: true, ZH: "变更为", EN: "to the phase", Choices: []Choice{
				{Code: "approved", ZH: "批复", EN: "approved"},
				{Code: "funded", ZH: "资金下达", EN: "funded"},
				{Code: "in_progress", ZH: "实施中", EN: "in progress"},
				{Code: "completed", ZH: "完工", EN: "completed"},
				{Code: "accepted", ZH: "验收", EN: "accepted"},
				{Code: "handed_over", ZH: "移交", EN: "handed over"},
				{Code: "suspended", ZH: "暂停", EN: "suspended"},
				{Code: "terminated", ZH: "终止", EN: "terminated"},
			}},
			{Name: "reason", Type: Text, Max: 1000, ZH: "理由，暂停或终止时必填", EN: "needed to suspend or terminate"},
		},
		Do: advanceProject,
	}},
	Desk: projectDesk,
}

// projectDesk is what the desk offers of it.
var projectDesk = &Desk{
	Group: "reference",
	Filters: []Filter{
		{Name: "state"},
		{Name: "externalId", Says: "With this number in the ledger."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Put a project into the ledger.",
			More:    "For supervisors, in their own organisation.",
			Example: "externalId: '2026-GZ-017', name: 凉水小学宿舍楼, type: education, county: '520502', budget: 1200000",
		},
		{Verb: "list", More: "Those of the organisations whose reference data you may read, with the filters below."},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change what the ledger says.",
			More: "For supervisors. Payments are records of their own (`moved_field`); the state changes by /advance. " +
				"`not_editable` when the project is terminated; `stale_version` when the record has changed since " +
				"`version`.",
			Example: "managingUnit: 县教育局",
		},
		{
			Verb: "advance", Says: "Move a project along its life.",
			More:    "One step at a time, or suspended or terminated with a reason.",
			Example: "to: suspended, reason: 等待复工验收",
		},
	},
}

// projectOrder is the order of a project's life. A project may be suspended and terminated at any point before it is
// handed over, with a reason; a suspended one goes back to where work goes on.
var projectOrder = []State{ProjectDeclared, ProjectApproved, ProjectFunded, ProjectInProgress, ProjectCompleted, ProjectAccepted, ProjectHandedOver}

func advanceProject(c *Case) error {
	to := State(c.Arg("to"))
	from := slices.Index(projectOrder, c.Record.State)
	next := slices.Index(projectOrder, to)
	switch {
	case c.Record.State == ProjectTerminated || c.Record.State == ProjectHandedOver:
		return Refuse(CodeNotNow, "")
	case to == ProjectSuspended || to == ProjectTerminated:
		if Blank(c.Arg("reason")) {
			return Refuse(CodeReasonMissing, "")
		}
	case c.Record.State == ProjectSuspended && to == ProjectInProgress:
	case next != from+1 || from < 0:
		return Refuse(CodeNotNow, "A project goes from %s one step at a time.", c.Record.State).
			InChinese("项目须从“%s”起逐个阶段变更。", c.Record.StateZH())
	}
	c.Record.State = to
	return nil
}

var siteSpec = &Spec{
	Kind: KindSite, ZH: "项目点", EN: "site", Opens: OpensNone, Filed: FiledAround, Home: ScopeOrg, Page: ScopeSite,
	Initial: StateDraft, States: []Choice{{Code: "draft", ZH: "草稿", EN: "draft"}, {Code: "active", ZH: "有效", EN: "active"}, {Code: "closed", ZH: "关闭", EN: "closed"}},
	Editable: []State{StateDraft, StateActive},
	Fields: []Field{
		{Name: "name", Type: Text, Max: 200, Required: true, ZH: "名称", EN: "name"},
		{Name: "projectId", Type: ID, Of: KindProject, Required: true, Once: true, Key: true, ZH: "项目", EN: "project"},
		{Name: "region", Type: Region, Required: true, Once: true, ZH: "地区", EN: "region"},
		{Name: "orgs", Type: Org, List: true, Items: 10, Once: true, ZH: "共同监督组织", EN: "organisations that take part"},
		{Name: "position", Type: Position, ZH: "位置", EN: "position"},
		{Name: "radius", Type: Number, Low: 1, High: 50_000, ZH: "半径（米）", EN: "radius in metres"},
		{Name: "polygon", Type: Position, List: true, Items: 500, ZH: "边界", EN: "outline"},
		{Name: "address", Type: Text, Max: 300, ZH: "地址", EN: "address"},
		{Name: "photoPoints", Type: Object, Keyed: true, ZH: "拍照点", EN: "photo points", Fields: []Field{
			{Name: "label", Type: Text, Max: 100, Required: true, ZH: "名称", EN: "label"},
			{Name: "position", Type: Position, ZH: "位置", EN: "position"},
			{Name: "bearing", Type: Number, Low: 0, High: 360, ZH: "方位角（度）", EN: "bearing in degrees"},
		}},
		{
			Name: "households", Type: Object, List: true, Items: 500, Server: true, Withheld: true, ZH: "走访户（旧）", EN: "households, as older servers kept them",
			Moved:   "households are records of the kind household in the site's scope: who petitioned is not for everybody.",
			MovedZH: "households 现为项目点范围中的 household 类记录：谁信访过不向所有人公开。",
			Fields:  []Field{{Name: "alias", Type: Text, Max: 40, Required: true, ZH: "化名", EN: "alias"}, {Name: "petitioned", Type: Bool, ZH: "信访过", EN: "petitioned"}},
		},
		{Name: "voidReason", Type: Text, Max: 1000, Server: true, ZH: "作废理由", EN: "why it was voided"},
	},
	Made: func(c *Case) error {
		owner := OrgID(c.Record.Scope.ID())
		info := SiteInfo(c.Record, owner)
		if info.Owner() != owner {
			return Refuse(CodeForeignOrg, "Your own organisation must be the first of orgs: the site is its own.").
				InChinese("orgs 的第一个须为您所在的组织：项目点归其所有。")
		}
		c.Effect(Effect{Scope: MakeScope(ScopeSite, string(c.Record.ID)), Info: &info})
		return nil
	},
	Commands: []Command{
		apart("households", KindHousehold, "siteId", []Field{{Name: "alias"}, {Name: "petitioned"}}, func(c *Case) (Scope, error) {
			return MakeScope(ScopeSite, string(c.Record.ID)), nil
		}),
		{Name: "activate", ZH: "启用", EN: "activate", From: []State{StateDraft}, To: StateActive, Do: func(c *Case) error {
			if c.Record.Fields["position"] == nil && c.Record.Fields["polygon"] == nil {
				return Refuse(CodeMissingField, "A site needs a position or an outline before it is active.").InChinese("项目点启用前须有位置或边界。")
			}
			return nil
		}},
		{Name: "close", ZH: "关闭", EN: "close", From: []State{StateActive}, To: StateClosed, Args: []Field{reason}},
	},
	Desk: siteDesk,
}

// siteDesk is what the desk offers of it.
var siteDesk = &Desk{
	Group: "reference",
	Filters: []Filter{
		{Name: "state"},
		{Name: "projectId", Says: "Of this project."},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Add a site to a project.",
			More: "For supervisors, as a draft. Its organisation must be the first of `orgs` (`foreign_organisation`), " +
				"and partners in it see the site only under a mandate.",
			Example: "name: 凉水小学宿舍楼, projectId: 0193a000-0000-7000-8000-000000000041, region: '520502', orgs: " +
				"[gz-liwan, bijie], position: {lat: 27.3021, lon: 105.2847, accuracy: 8}, radius: 150",
		},
		{Verb: "list", More: "Those of the organisations whose reference data you may read, with the filters below."},
		{Verb: "get"},
		{
			Verb: "edit", Says: "Change what is known of a site.",
			More: "For supervisors, while it is not closed. Households are records of their own (`moved_field`). " +
				"`stale_version` when the record has changed since `version`.",
			Example: "radius: 200, address: null",
		},
		{
			Verb: "activate", Says: "Open a site for visits.",
			More: "For supervisors, of a draft. `missing_field` without a position or an outline: nobody could tell " +
				"whether a photo was taken there.",
		},
		{
			Verb: "close", Says: "End the visits to a site.",
			More:    "For supervisors, of an active site. What was found there stays to be read.",
			Example: "reason: 项目已移交",
		},
	},
}

// SiteInfo is what access asks about the scope of a site.
func SiteInfo(site *Record, maker OrgID) ScopeInfo {
	info := ScopeInfo{Region: site.Text("region"), Project: ProjectID(site.Text("projectId"))}
	for _, o := range site.Texts("orgs") {
		info.Orgs = append(info.Orgs, OrgID(o))
	}
	if len(info.Orgs) == 0 {
		info.Orgs = []OrgID{maker}
	}
	return info
}

// Item is one question of a checklist template.
type Item struct {
	ID         string     `json:"id"`
	ZH         string     `json:"zh"`
	EN         string     `json:"en"`
	Type       string     `json:"type"`
	Choices    []string   `json:"choices,omitempty"`
	Required   bool       `json:"required,omitempty"`
	RequiredIf *Condition `json:"requiredIf,omitempty"`
	RedLine    string     `json:"redLine,omitempty"`
	Violation  string     `json:"violation,omitempty"`
	MinPhotos  int        `json:"minPhotos,omitempty"`
	MaxPhotos  *int       `json:"maxPhotos,omitempty"` // nil or 0: any number
	MinSeconds int        `json:"minSeconds,omitempty"`
	Known      string     `json:"known,omitempty"` // the project field that holds the answer already: shown, never asked
}

// Condition is the answer to an earlier item that makes another one required.
type Condition struct {
	Item   string `json:"item"`
	Equals Value  `json:"equals"`
}

func (it *Item) mostPhotos() int {
	if it.MaxPhotos == nil {
		return 0
	}
	return *it.MaxPhotos
}

// States of a template; it begins as a draft.
const (
	TemplatePublished State = "published"
	TemplateRetired   State = "retired"
)

var templateSpec = &Spec{
	Kind: KindTemplate, ZH: "检查清单模板", EN: "checklist template", Opens: OpensNone, Filed: FiledAround, Home: ScopeOrg,
	Initial: StateDraft, States: []Choice{{Code: "draft", ZH: "草稿", EN: "draft"}, {Code: "published", ZH: "已发布", EN: "published"}, {Code: "retired", ZH: "停用", EN: "retired"}},
	Editable: []State{StateDraft},
	Fields: []Field{
		{Name: "title", Type: Text, Required: true, ZH: "标题", EN: "title"},
		{Name: "version", Type: Integer, Low: 1, High: 10_000, Required: true, Once: true, ZH: "版本", EN: "version"},
		{Name: "items", Type: Object, List: true, Items: 200, Required: true, ZH: "检查事项", EN: "items", Fields: []Field{
			{Name: "id", Type: Text, Max: 64, Required: true, ZH: "编号（字母、数字）", EN: "id (letters, digits)"},
			{Name: "zh", Type: Text, Max: 500, Required: true, ZH: "中文", EN: "in Chinese"},
			{Name: "en", Type: Text, Max: 500, ZH: "英文", EN: "in English"},
			{Name: "type", Type: Enum, Choices: itemTypes, Required: true, ZH: "类型", EN: "type"},
			{Name: "choices", Type: Text, List: true, ZH: "选项", EN: "choices"},
			{Name: "required", Type: Bool, ZH: "必填", EN: "required"},
			{Name: "requiredIf", Type: Object, ZH: "在此情况下必填", EN: "required if", Fields: []Field{
				{Name: "item", Type: Text, Max: 64, Required: true, ZH: "事项", EN: "item"}, {Name: "equals", Type: Any, Required: true, ZH: "等于", EN: "equals"},
			}},
			{Name: "redLine", Type: Enum, Choices: RedLines, ZH: "红线", EN: "red line"},
			{Name: "violation", Type: Enum, Choices: Violations, ZH: "违规违纪类型", EN: "violation"},
			{Name: "minPhotos", Type: Integer, Low: 0, High: 20, ZH: "照片至少", EN: "at least so many photos"},
			{Name: "maxPhotos", Type: Integer, Low: 0, High: 20, ZH: "照片最多", EN: "at most so many photos"},
			{Name: "minSeconds", Type: Integer, Low: 0, High: 3600, ZH: "至少用时（秒）", EN: "at least so many seconds"},
			{Name: "known", Type: Text, Max: 60, ZH: "台账中已有的字段", EN: "field of the ledger that has it"},
		}},
	},
	Commands: []Command{
		{Name: "publish", ZH: "发布", EN: "publish", From: []State{StateDraft}, To: TemplatePublished, Do: func(c *Case) error {
			items, err := TemplateItems(c.Record)
			if err != nil {
				return err
			}
			return contradicts(items)
		}},
		{Name: "retire", ZH: "停用", EN: "retire", From: []State{TemplatePublished}, To: TemplateRetired},
	},
	Desk: templateDesk,
}

// templateDesk is what the desk offers of it.
var templateDesk = &Desk{
	Group: "reference",
	Filters: []Filter{
		{Name: "state"},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Draft a checklist template.",
			More: "For supervisors, as a draft that can be changed until it is published. `asks_again` when an item " +
				"asks for what the ledger holds already.",
			Example: "title: 宿舍楼检查, version: 1, items: [{id: roof, zh: 屋顶是否漏雨, en: 'Does the roof leak?', type: yes_no, " +
				"required: true}]",
		},
		{
			Verb: "list", Says: "Checklist templates.",
			More: "Those of the organisations whose reference data you may read, with the filters below.",
		},
		{Verb: "get", Says: "One template."},
		{
			Verb: "edit", Says: "Change a draft.",
			More:    "For supervisors. `not_editable` once it is published: make the next version of it.",
			Example: "title: 宿舍楼检查（修订）",
		},
		{
			Verb: "publish", Says: "Publish a template.",
			More: "One that asks what the ledger holds already is refused (asks_again).",
		},
		{
			Verb: "retire", Says: "End the use of a template.",
			More: "For supervisors, of a published template. Apps offer it no more; a report that was begun with it can " +
				"still be handed in.",
		},
	},
}

// TemplateItems reads the items of a template.
func TemplateItems(template *Record) ([]Item, error) {
	var items []Item
	if err := template.Decode("items", &items); err != nil {
		return nil, Refuse(CodeWrongType, "The items of the template cannot be read.").InChinese("模板的检查事项无法读取。").Because(err)
	}
	return items, nil
}
