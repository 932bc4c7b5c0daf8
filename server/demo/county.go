package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// The two organisations, and the county where they look.
const (
	guangzhou = "gz-liwan"
	bijie     = "bijie"
	county    = "520502" // Qixingguan district of Bijie
)

// official is somebody who works on either side. All names are invented.
type official struct {
	login, org, name, title string
	roles                   []string
}

const (
	admin      = "he.admin"
	supervisor = "chen.supervisor"
	lead       = "huang.lead"
	inspectorA = "li.inspector"
	inspectorB = "wang.inspector"
	clues      = "liang.clues"
	handler    = "zheng.handler"
	leader     = "zhou.leader"
	hostDesk   = "yang.supervisor"
)

var officials = []official{
	{supervisor, guangzhou, "陈静怡", "监督室主任", []string{"supervisor"}},
	{lead, guangzhou, "黄国梁", "核查组组长", []string{"team_lead"}},
	{inspectorA, guangzhou, "李志远", "检查干部", []string{"inspector"}},
	{clues, guangzhou, "梁敏仪", "案管室干部", []string{"clue_manager"}},
	{handler, guangzhou, "郑浩然", "承办室干部", []string{"handler"}},
	{leader, guangzhou, "周文博", "分管副书记", []string{"leader"}},
	{"feng.audit", guangzhou, "冯雪梅", "区审计局联络员", []string{"contributor"}},
	{"luo.custodian", guangzhou, "罗秀英", "身份信息保管员", []string{"identity_custodian"}},
	{"deng.auditor", guangzhou, "邓永康", "内审员", []string{"auditor"}},
	{inspectorB, bijie, "王建国", "检查干部", []string{"inspector"}},
	{hostDesk, bijie, "杨丽", "监督室副主任", []string{"supervisor"}},
	{"zhao.liaison", bijie, "赵明", "协作联络员", []string{"liaison"}},
	{"liu.unit", bijie, "刘波", "项目管理单位经办人", []string{"responsible_unit"}},
}

// people makes the two organisations and everybody, and returns the ids by sign-in name.
func (d *demo) people(ctx context.Context) (map[string]field.UserID, error) {
	if err := once(d, "set-up", func() error { return d.setUp(ctx) }); err != nil {
		return nil, err
	}
	k := d.desk(admin)
	if err := once(d, "organisations", func() error { return d.organisations(ctx, k) }); err != nil {
		return nil, err
	}
	ids := map[string]field.UserID{}
	for _, o := range officials {
		id, err := step(d, "person "+o.login, func() (field.UserID, error) {
			var roles []map[string]any
			for _, r := range o.roles {
				roles = append(roles, map[string]any{"role": r})
			}
			var p struct {
				ID field.UserID `json:"id"`
			}
			err := k.ask(ctx, http.MethodPost, "/v1/people", "person "+o.login, map[string]any{
				"org": o.org, "login": o.login, "password": d.memory.password(o.login), "name": o.name, "title": o.title, "roles": roles,
			}, &p)
			return p.ID, err
		})
		if err != nil {
			return nil, err
		}
		ids[o.login] = id
	}
	return ids, nil
}

// setUp makes the first organisation and its administrator with the one-time code. A run that was cut off after the
// server had done so finds the door closed and its password good.
func (d *demo) setUp(ctx context.Context) error {
	k := d.desk(admin)
	var refused *phone.Refused
	err := k.send(ctx, http.MethodPost, "/v1/setup", "", map[string]any{
		"code": d.o.SetupCode, "org": map[string]any{"code": guangzhou, "name": "广州市荔湾区纪委监委", "region": "440103"},
		"name": "何俊杰", "login": admin, "password": d.memory.password(admin), "device": k.device(),
	}, nil)
	if errors.As(err, &refused) && refused.Code == field.CodeSetupClosed {
		if k.signIn(ctx) == nil {
			return nil
		}
		return fmt.Errorf("this server was set up by somebody else; give the demo a directory of its own: %w", err)
	}
	return err
}

func (d *demo) organisations(ctx context.Context, k *desk) error {
	err := k.ask(ctx, http.MethodPost, "/v1/orgs", "org "+bijie, map[string]any{
		"code": bijie, "name": "毕节市七星关区纪委监委", "nameEn": "Discipline inspection, Qixingguan, Bijie", "region": county, "partners": []string{guangzhou},
	}, nil)
	if err != nil {
		return err
	}
	var orgs page[struct {
		Version int64 `json:"version"`
		Fields  struct {
			Code     string   `json:"code"`
			Partners []string `json:"partners"`
		} `json:"fields"`
	}]
	if err := k.get(ctx, "/v1/orgs", &orgs); err != nil {
		return err
	}
	for _, o := range orgs.Items {
		if o.Fields.Code == guangzhou && len(o.Fields.Partners) == 0 {
			return k.ask(ctx, http.MethodPatch, "/v1/orgs/"+guangzhou, "", map[string]any{
				"version": o.Version, "nameEn": "Discipline inspection, Liwan, Guangzhou", "partners": []string{bijie},
			}, nil)
		}
	}
	return nil
}

// day is a date some days from the story's beginning.
func (d *demo) day(days int) string {
	return d.memory.story.Start.In(field.Beijing).AddDate(0, 0, days).Format(time.DateOnly)
}

type object = map[string]any

// projects are six stories of what went wrong elsewhere, with numbers that show it.
func (d *demo) projects() []object {
	pay := func(days int, amount int, payee, kind string) object {
		return object{"date": d.day(days), "amount": amount, "payee": payee, "payeeKind": kind}
	}
	stone := func(name string, planned, actual, weight int) object {
		m := object{"name": name, "planned": d.day(planned), "weight": weight}
		if actual != 0 {
			m["actual"] = d.day(actual)
		}
		return m
	}
	return []object{
		{
			"externalId": "QXG-2025-011", "name": "肉牛养殖合作社分红", "type": "industry", "managingUnit": "青山镇经济发展办",
			"purpose": "42 户脱贫户入股分红，按户打卡发放", "budget": 1_260_000,
			"payments":      []object{pay(-70, 378_000, "入股农户（打卡发放）", "person")},
			"milestones":    []object{stone("第一期分红到户", -60, -58, 50), stone("第二期分红到户", 40, 0, 50)},
			"beneficiaries": object{"total": 60, "registeredPoor": 42},
		},
		{
			"externalId": "QXG-2024-027", "name": "长冲村通组路硬化", "type": "infrastructure", "managingUnit": "区交通运输局",
			"purpose": "6.4 公里通组路硬化", "budget": 2_980_000,
			"payments":   []object{pay(-420, 1_200_000, "黔路建设有限公司", "unit"), pay(-390, 480_000, "工地负责人（个人账户）", "person")},
			"milestones": []object{stone("路基", -460, -450, 40), stone("面层", -400, -370, 45), stone("验收", -360, -350, 15)},
		},
		{
			"externalId": "QXG-2024-033", "name": "冷链仓储中心", "type": "consumption", "managingUnit": "区供销社",
			"purpose": "东西部消费协作产品预冷与仓储", "budget": 3_200_000,
			"payments":   []object{pay(-300, 310_000, "设计咨询有限公司", "unit")},
			"milestones": []object{stone("立项批复", -500, -480, 10), stone("用地手续", -430, 0, 20), stone("主体完工", -120, 0, 70)},
		},
		{
			"externalId": "QXG-2023-041", "name": "凉水小学学生宿舍楼", "type": "education", "managingUnit": "区教育局",
			"purpose": "三层宿舍，180 个床位", "budget": 4_600_000,
			"payments":   []object{pay(-520, 2_300_000, "恒基建筑有限公司", "unit"), pay(-310, 1_840_000, "恒基建筑有限公司", "unit")},
			"milestones": []object{stone("主体完工", -400, -380, 70), stone("竣工验收", -210, 0, 30)},
		},
		{
			"externalId": "QXG-2024-052", "name": "柏杨林安置点配套工程", "type": "relocation", "managingUnit": "区生态移民局",
			"purpose": "安置点道路、排水与公共服务用房", "budget": 5_400_000,
			"payments":   []object{pay(-280, 2_700_000, "中筑工程有限公司", "unit"), pay(-90, 1_890_000, "中筑工程有限公司", "unit")},
			"milestones": []object{stone("排水", -240, -200, 25), stone("道路", -150, -100, 15), stone("公共用房", -60, 0, 60)},
		},
		{
			"externalId": "QXG-2025-018", "name": "对坡镇蔬菜大棚", "type": "industry", "managingUnit": "对坡镇政府",
			"purpose": "连栋大棚 48 座；招标限额 400,000 元", "budget": 1_580_000,
			"payments": []object{
				pay(-120, 396_000, "绿源设施有限公司", "unit"), pay(-117, 392_000, "绿源设施有限公司", "unit"),
				pay(-114, 398_000, "绿源设施有限公司", "unit"), pay(-111, 390_000, "绿源设施有限公司", "unit"),
			},
			"milestones": []object{stone("一至四标段", -80, -76, 100)},
		},
	}
}

// place is a site: of which project, where, and who lives there under which alias.
type place struct {
	name, label string
	project     int
	lat, lon    float64
	households  []string // those whose names end in * petitioned
}

var places = map[string]place{
	"coop":     {"肉牛养殖合作社（青山）", "the cattle cooperative", 0, 27.3021, 105.2874, []string{"青松户", "石桥户*", "竹林户"}},
	"coop2":    {"肉牛养殖合作社二分场", "its second yard", 0, 27.3390, 105.2311, nil},
	"road":     {"长冲村通组路", "the village road", 1, 27.2412, 105.3266, []string{"岩脚户*", "井边户"}},
	"cold":     {"冷链仓储中心", "the cold store", 2, 27.3104, 105.3391, nil},
	"school":   {"凉水小学宿舍楼", "the school dormitory", 3, 27.4103, 105.4012, []string{"坡上户"}},
	"resettle": {"柏杨林安置点", "the resettlement", 4, 27.3266, 105.3017, []string{"三栋甲户", "五栋乙户*"}},
	"green":    {"对坡镇蔬菜大棚", "the greenhouses", 5, 27.3538, 105.3419, []string{"田坝户"}},
	"green2":   {"对坡镇蔬菜大棚二期", "their second phase", 5, 27.3612, 105.3575, nil},
}

// placeOrder is the order in which the sites are made.
var placeOrder = []string{"coop", "coop2", "road", "cold", "school", "resettle", "green", "green2"}

func (p place) at(north, east float64) object {
	return object{"lat": round(p.lat + north/111_320), "lon": round(p.lon + east/98_900), "accuracy": 6.0, "source": "gnss", "system": "wgs84"}
}

// round keeps seven digits after the point, a centimetre.
func round(v float64) float64 { return float64(int64(v*1e7+0.5)) / 1e7 }

// point is where a photo point lies, in metres north and east of the site.
func point(name string) (north, east float64) {
	switch name {
	case "gate":
		return -20, 12
	case "works":
		return 25, -8
	}
	return 5, 30
}

func (p place) fields(project field.RecordID) object {
	points := object{}
	for name, label := range map[string]string{"gate": "入口", "works": "主体", "board": "公示牌"} {
		north, east := point(name)
		points[name] = object{"label": label, "position": p.at(north, east), "bearing": 90}
	}
	return object{
		"name": p.name, "projectId": project, "region": county, "orgs": []string{guangzhou, bijie},
		"position": p.at(0, 0), "radius": 150, "address": "毕节市七星关区", "photoPoints": points,
	}
}

// homes are the households of a site, which lie in its scope.
func (p place) homes(site field.RecordID) (homes []object) {
	for _, alias := range p.households {
		alias, petitioned := strings.CutSuffix(alias, "*")
		homes = append(homes, object{"siteId": site, "alias": alias, "petitioned": petitioned})
	}
	return homes
}

// checklist are the twelve questions, each citing the red line that it guards.
var checklist = []object{
	{"id": "exists", "zh": "项目是否在现场真实存在", "en": "Does the project stand here", "type": "yes_no", "required": true, "redLine": "approval_forged", "minPhotos": 1, "maxPhotos": 4, "minSeconds": 20},
	{"id": "state", "zh": "现场状态", "en": "State of the works", "type": "choice", "choices": []string{"未开工", "在建", "停工", "完工", "投用"}, "required": true, "redLine": "acceptance_false", "violation": "behind_plan", "minSeconds": 10},
	{"id": "built", "zh": "目测完成比例（%）", "en": "Built, by eye (%)", "type": "number", "required": true, "redLine": "funds_ahead", "violation": "behind_plan", "minPhotos": 1, "maxPhotos": 4, "minSeconds": 30},
	{"id": "quality", "zh": "工程质量可见问题", "en": "Visible faults of quality", "type": "text", "required": true, "redLine": "acceptance_false", "violation": "poor_quality", "maxPhotos": 4, "minSeconds": 60},
	{"id": "board", "zh": "公示牌内容是否与批复一致", "en": "Does the notice board say what was approved", "type": "yes_no", "required": true, "redLine": "approval_skipped", "maxPhotos": 2, "minSeconds": 20},
	{"id": "contracts", "zh": "现场可见的合同（标段）数", "en": "Contracts (lots) visible on site", "type": "number", "required": true, "redLine": "tender_split", "violation": "tender_violation", "minSeconds": 20},
	{"id": "payee", "zh": "付款是否都付给合同相对方", "en": "Was every payment to the contract party", "type": "yes_no", "required": true, "redLine": "funds_private", "violation": "improper_payment", "minSeconds": 20},
	{"id": "cards", "zh": "抽查户的补助是否进了本人的卡", "en": "Did the subsidy reach the household's own card", "type": "text", "required": true, "redLine": "subsidy_claimed", "violation": "false_claim", "maxPhotos": 3, "minSeconds": 60},
	{"id": "households", "zh": "现场核实到的受益户数", "en": "Beneficiary households met", "type": "number", "required": true, "redLine": "beneficiary_false", "violation": "deception", "minSeconds": 30},
	{"id": "idle", "zh": "是否有资金或设施闲置", "en": "Is money or equipment idle", "type": "yes_no", "required": true, "redLine": "funds_idle", "violation": "idle_funds", "minSeconds": 10},
	{"id": "desk", "zh": "若闲置，停在哪个环节", "en": "If so, at which desk does it wait", "type": "text", "requiredIf": object{"item": "idle", "equals": true}, "redLine": "funds_withheld", "violation": "neglect", "minSeconds": 20},
	{"id": "burden", "zh": "同一数据要求基层填报几次", "en": "How often is the same figure asked of the village", "type": "number", "required": true, "redLine": "formalism", "violation": "formalism", "minSeconds": 10},
}

// reference makes projects, sites and the published checklist.
func (d *demo) reference(ctx context.Context) error {
	k := d.desk(supervisor)
	var projects []field.RecordID
	for i, p := range d.projects() {
		p["county"], p["donor"] = county, "广州市荔湾区"
		payments, _ := p["payments"].([]object) // each is a record of its own, in the project's ledger
		delete(p, "payments")
		id, err := k.create(ctx, "/v1/projects", fmt.Sprintf("project %d", i), p)
		if err != nil {
			return err
		}
		for j, pay := range payments {
			pay["projectId"] = id
			if _, err := k.create(ctx, "/v1/payments", fmt.Sprintf("payment %d of project %d", j, i), pay); err != nil {
				return err
			}
		}
		for _, to := range []field.State{field.ProjectApproved, field.ProjectFunded, field.ProjectInProgress} {
			if err := k.click(ctx, fmt.Sprintf("project %d is %s", i, to), "/v1/projects", id, "advance", object{"to": to}, to); err != nil {
				return err
			}
		}
		projects = append(projects, id)
	}
	for _, key := range placeOrder {
		id, err := k.create(ctx, "/v1/sites", "site "+key, places[key].fields(projects[places[key].project]))
		if err != nil {
			return err
		}
		for i, home := range places[key].homes(id) {
			if _, err := k.create(ctx, "/v1/households", fmt.Sprintf("household %d of site %s", i, key), home); err != nil {
				return err
			}
		}
		if err := k.click(ctx, "site "+key+" is active", "/v1/sites", id, "activate", nil, field.StateActive); err != nil {
			return err
		}
	}
	id, err := k.create(ctx, "/v1/templates", "template", object{"title": "帮扶项目现场检查清单", "version": 1, "items": checklist})
	if err != nil {
		return err
	}
	return k.click(ctx, "template is published", "/v1/templates", id, "publish", nil, field.TemplatePublished)
}

func (d *demo) site(key string) field.RecordID { return d.id("site " + key) }

func (d *demo) scope(key string) field.Scope {
	return field.MakeScope(field.ScopeSite, string(d.site(key)))
}

// grant lets an inspector see sites: nobody on the road sees more than the work needs.
func (d *demo) grant(ctx context.Context, by string, to field.UserID, why string, keys ...string) error {
	k := d.desk(by)
	for _, key := range keys {
		name := fmt.Sprintf("grant %s to %s", key, to)
		err := once(d, name, func() error {
			return k.ask(ctx, http.MethodPost, "/v1/grants", name, object{"id": d.id(name), "userId": to, "scope": d.scope(key), "why": why}, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
