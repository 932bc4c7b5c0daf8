package demo

import (
	"fmt"
	"math"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// visit is what two inspectors bring back from a site.
type visit struct {
	name     string // of the visit in the story
	site     string
	start    time.Time
	length   time.Duration
	summary  string
	answers  map[string]any    // by item: a value, or because
	notes    map[string]string // beside an answer
	shots    []framed
	talks    []talk
	finding  problem
	revisits field.RecordID // the task that the visit answers, if any
}

// because is the answer "cannot obtain yet, because…".
type because string

// framed is a photo of a photo point, for an item.
type framed struct {
	point, item, caption string
	picked               bool // from the gallery, not taken in the app
}

// talk is an interview under alias.
type talk struct {
	alias, stratum, text string
	answers              object
	cadre                bool
}

// problem is what a visit found.
type problem struct {
	item, title, facts, violation, redLine, severity, promise string
	amount                                                    int
}

func (v visit) report() string     { return "report of " + v.name }
func (v visit) photo(i int) string { return fmt.Sprintf("photo %d of %s", i+1, v.name) }
func (v visit) talk(i int) string  { return fmt.Sprintf("talk %d of %s", i+1, v.name) }
func (v visit) problem() string    { return "finding of " + v.name }

// record writes a visit on a phone, as it happens: photos taken, twelve answers, interviews, the problem, and the
// report to be submitted when its photos have arrived.
func (d *demo) record(h *handset, v visit, inspectors ...field.UserID) error {
	group := "visit " + v.name
	if h.phone.Wrote(group) {
		return nil
	}
	p, scope, site := places[v.site], d.scope(v.site), d.site(v.site)
	report := d.id(v.report())
	ops := []phone.Op{phone.Create(scope, field.KindReport, report, object{
		"siteId": site, "templateId": d.id("template"), "templateVersion": 1, "visitType": "visit", "inspectors": inspectors,
		"startedAt": clock(v.start), "position": p.at(-8, 5),
	})}
	if v.revisits != "" {
		ops[0].Set["revisitId"] = v.revisits
	}
	at := v.start.Add(4 * time.Minute)
	for _, item := range checklist {
		id := item["id"].(string)
		answer := object{"seconds": 45 + int(d.memory.number("seconds "+v.name+id)%90), "at": clock(at)}
		if why, ok := v.answers[id].(because); ok {
			answer["cannotObtain"] = string(why)
		} else {
			answer["value"] = v.answers[id]
		}
		if n := v.notes[id]; n != "" {
			answer["note"] = n
		}
		ops = append(ops, phone.Edit(scope, field.KindReport, report, object{"answers": object{id: answer}}))
		at = at.Add(v.length / 20)
	}
	var photos []field.RecordID
	var hashes []string
	for i, f := range v.shots {
		op, err := d.takePhoto(h, v, i, f)
		if err != nil {
			return err
		}
		photos, hashes = append(photos, op.ID), append(hashes, op.Set["sha256"].(string))
		ops = append(ops, op)
	}
	evidence := photos[:1:1]
	for i, t := range v.talks {
		id := d.id(v.talk(i))
		begin := v.start.Add(v.length/2 + time.Duration(i)*9*time.Minute)
		ops = append(ops, phone.Create(scope, field.KindInterview, id, object{
			"reportId": report, "siteId": site, "alias": t.alias, "stratum": t.stratum, "text": t.text, "answers": t.answers,
			"consent": object{"given": true, "at": clock(begin), "how": "口头同意，现场说明"}, "cadrePresent": t.cadre,
			"startedAt": clock(begin), "endedAt": clock(begin.Add(8 * time.Minute)), "activeSeconds": 420,
		}), phone.Command(scope, field.KindInterview, id, "submit", nil))
		evidence = append(evidence, id)
	}
	found := object{
		"reportId": report, "siteId": site, "item": v.finding.item, "title": v.finding.title, "facts": v.finding.facts,
		"violation": v.finding.violation, "redLine": v.finding.redLine, "severity": v.finding.severity, "evidence": evidence,
	}
	if v.finding.amount > 0 {
		found["amount"] = v.finding.amount
	}
	if v.finding.promise != "" {
		found["promise"] = v.finding.promise
	}
	ops = append(ops,
		phone.Create(scope, field.KindFinding, d.id(v.problem()), found),
		phone.Edit(scope, field.KindReport, report, object{
			"endedAt": clock(v.start.Add(v.length)), "activeSeconds": int(v.length.Seconds()) * 3 / 4, "summary": v.summary, "photos": hashes,
		}),
		phone.Command(scope, field.KindReport, report, "submit", nil, photos...))
	return h.phone.Write(group, ops...)
}

// takePhoto makes a picture, keeps it on the phone and declares it.
func (d *demo) takePhoto(h *handset, v visit, i int, f framed) (phone.Op, error) {
	p := places[v.site]
	north, east := point(f.point)
	pos := p.at(north+float64(i), east-float64(i))
	at := v.start.Add(5*time.Minute + time.Duration(i)*v.length/10)
	content, err := picture(shot{
		Seed: d.memory.number(v.photo(i)), At: at, Lat: pos["lat"].(float64), Lon: pos["lon"].(float64), Accuracy: 6, Model: "Simulated " + h.device,
	})
	if err != nil {
		return phone.Op{}, err
	}
	capture := "app"
	if f.picked {
		capture = "picked"
	}
	id := d.id(v.photo(i))
	file, err := h.phone.Keep(string(id)+".jpg", content)
	if err != nil {
		return phone.Op{}, err
	}
	return phone.Photo(d.scope(v.site), id, file, object{
		"reportId": d.id(v.report()), "siteId": d.site(v.site), "item": f.item, "caption": f.caption, "takenAt": clock(at),
		"position": pos, "capture": capture, "photoPoint": f.point, "clockSkewMs": 0,
	}), nil
}

// usual are the answers of a visit on which all is well; a story changes those that it is about.
func usual(change map[string]any) map[string]any {
	a := map[string]any{
		"exists": true, "state": "在建", "built": 60, "quality": "未见明显质量问题", "board": true, "contracts": 1, "payee": true,
		"cards": "不涉及到户补助", "households": 6, "idle": false, "desk": "不涉及", "burden": 2,
	}
	for k, v := range change {
		a[k] = v
	}
	return a
}

// lastYear are the visits of a year ago, which ended with promises.
func (d *demo) lastYear() []visit {
	day := d.memory.story.Start.In(field.Beijing).AddDate(-1, 0, -20)
	at := func(hour, minute int) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, field.Beijing)
	}
	return []visit{
		{
			name: "last year, road", site: "road", start: at(9, 30), length: 70 * time.Minute,
			summary: "路面已完工；部分工程款付入个人账户，施工方承诺退回并由对公账户重新支付。",
			answers: usual(map[string]any{"state": "完工", "built": 95, "payee": false, "contracts": 1, "households": 31, "quality": "K2+300 处路面有两条横向裂缝"}),
			shots:   []framed{{point: "gate", item: "exists", caption: "村口起点"}, {point: "works", item: "built", caption: "面层与裂缝"}},
			finding: problem{
				item: "payee", title: "工程款 48 万元付入工地负责人个人账户", violation: "improper_payment", redLine: "funds_private", severity: "serious", amount: 480_000,
				facts: "合同相对方为黔路建设有限公司，第二笔款付入个人账户，无授权委托书。", promise: "一个月内退回款项并由对公账户支付，修补路面裂缝。",
			},
		},
		{
			name: "last year, school", site: "school", start: at(14, 0), length: 60 * time.Minute,
			summary: "宿舍楼主体完工，尚未验收即安排入住准备；教育局承诺半年内完成验收。",
			answers: usual(map[string]any{"state": "完工", "built": 90, "households": 0, "idle": true, "desk": "区住建局竣工备案环节", "quality": "三层走廊扶手松动"}),
			shots:   []framed{{point: "gate", item: "exists", caption: "校门一侧"}, {point: "works", item: "built", caption: "宿舍楼正面"}},
			finding: problem{
				item: "state", title: "宿舍楼完工后长期未验收", violation: "acceptance_fraud", redLine: "acceptance_false", severity: "minor",
				facts: "完工已数月，验收资料停在备案环节。", promise: "半年内完成竣工验收，加固扶手。",
			},
		},
	}
}

// today are the three visits of the day: the first two on one phone, the third on the other.
func (d *demo) today() (a, b []visit) {
	a = []visit{
		{
			name: "the cooperative", site: "coop", start: d.ago(5 * time.Hour), length: 50 * time.Minute,
			summary: "三户分红未进本人银行卡，其中一张卡的持卡人疑为镇经办人员。",
			answers: usual(map[string]any{
				"state": "投用", "built": 100, "households": 9, "payee": false,
				"cards":     "抽查 3 户：分红均进了同一张卡",
				"contracts": because("合作社会计外出，合同锁在镇里，约定周五补看"),
			}),
			notes: map[string]string{"payee": "打卡明细与户主姓名不符的有三行", "households": "与花名册逐户核对，走到了九户"},
			shots: []framed{{point: "gate", item: "exists", caption: "牛场大门"}, {point: "works", item: "built", caption: "牛舍与存栏"}, {point: "board", item: "cards", caption: "分红公示表（账号已遮）"}},
			talks: []talk{
				{alias: "青松户", stratum: "registered_poor", answers: object{"received": false, "told": "说卡在办"}, text: "分红听说发了两个月，我没有收到短信。经办的人来过一次，说先用他的卡代收，以后再转给我们三家。"},
				{alias: "石桥户", stratum: "petitioner", answers: object{"received": false, "since": 2}, text: "我去信用社打过流水，没有这笔钱进来。去年冬天在镇上反映过一回，回话是资料要重报，让等通知。"},
			},
			finding: problem{
				item: "cards", title: "三户分红被代收，银行卡疑非本人", violation: "false_claim", redLine: "subsidy_claimed", severity: "major", amount: 27_000,
				facts: "三户分红共 27,000 元进入同一张银行卡；两户访谈均称未收到，经办人自称代收。",
			},
		},
		{
			name: "the resettlement", site: "resettle", start: d.ago(3*time.Hour + 40*time.Minute), length: 45 * time.Minute,
			summary: "已付款约 85%，公共用房仅起到基础，进度明显落后于付款。",
			answers: usual(map[string]any{
				"state": "停工", "built": 40, "households": 12, "idle": true, "desk": "施工方称等区里调整概算",
				"quality": because("公共用房基础已回填，需要开挖才能看到，约定与监理同去"),
			}),
			notes: map[string]string{"built": "排水、道路已做，公共用房只有基础", "idle": "塔吊与钢模闲置在现场"},
			shots: []framed{{point: "gate", item: "exists", caption: "安置点入口"}, {point: "works", item: "built", caption: "公共用房基础"}, {point: "board", item: "board", caption: "工程公示牌"}},
			talks: []talk{
				{alias: "三栋甲户", stratum: "registered_poor", answers: object{"moved": true, "clinic": false}, text: "搬来一年半，说好的卫生室和活动室一直没有盖起来。工人六月份走了以后就没见再来，孩子放学只能在路边写作业。"},
			},
			finding: problem{
				item: "built", title: "付款 85% 而建成约 40%", violation: "behind_plan", redLine: "funds_ahead", severity: "serious", amount: 4_590_000,
				facts: "台账显示已付 459 万元；现场公共用房停在基础，停工约五个月。",
			},
		},
	}
	b = []visit{{
		name: "the greenhouses", site: "green", start: d.ago(2*time.Hour + 20*time.Minute), length: 45 * time.Minute,
		summary: "四个标段同一施工方、同一时段，金额均略低于招标限额。",
		answers: usual(map[string]any{
			"state": "投用", "built": 100, "contracts": 4, "households": 17, "burden": 4,
			"payee": because("镇财政所经办人参加培训，付款凭证下周一才能调阅"),
		}),
		notes: map[string]string{"contracts": "四份合同签订日期相隔三天一份，均不足 40 万元", "burden": "同一亩数在四张表里各填一次"},
		shots: []framed{{point: "gate", item: "exists", caption: "大棚入口"}, {point: "works", item: "built", caption: "连栋大棚"}, {point: "board", item: "board", caption: "四块标段牌", picked: true}},
		talks: []talk{
			{alias: "田坝户", stratum: "near_poor", answers: object{"rent": 600, "works": true}, text: "大棚是一拨人从头修到尾，没有分过队伍。土地流转费按时给了，一亩六百；来登记的干部这个月是第四个。"},
		},
		finding: problem{
			item: "contracts", title: "同一工程分四份合同，均低于招标限额", violation: "tender_violation", redLine: "tender_split", severity: "serious", amount: 1_576_000,
			facts: "四份合同同一施工方，金额 39.0 至 39.8 万元，限额为 40 万元。",
		},
	}}
	return a, b
}

// again is the revisit of the road, at the photo points of last year.
func (d *demo) again(task field.RecordID) visit {
	return visit{
		name: "the road again", site: "road", start: d.ago(55 * time.Minute), length: 40 * time.Minute, revisits: task,
		summary: "去年承诺退回的款项未见退回，今年又有一笔付入同一个人账户；裂缝已修补。",
		answers: usual(map[string]any{
			"state": "完工", "built": 100, "payee": false, "households": 28, "quality": "裂缝已灌缝修补",
			"cards": because("涉及个人账户流水，需依程序向银行调取"),
		}),
		notes: map[string]string{"payee": "新增一笔 12 万元仍付入同一个人账户"},
		shots: []framed{{point: "gate", item: "exists", caption: "村口起点（与去年同点）"}, {point: "works", item: "built", caption: "面层（与去年同点）"}},
		finding: problem{
			item: "payee", title: "个人账户收款再次发生", violation: "improper_payment", redLine: "funds_private", severity: "major", amount: 120_000,
			facts: "整改承诺未兑现，且新增一笔付入同一个人账户。",
		},
	}
}

// apart is the distance of two sites in kilometres, for the line that says how far the day went.
func apart(a, b place) float64 {
	north, east := (a.lat-b.lat)*111.32, (a.lon-b.lon)*98.9
	return math.Hypot(north, east)
}
