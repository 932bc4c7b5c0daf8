package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// The three devices of the story: last year's tablet and the two phones of the day.
const (
	tablet = "tablet-huang"
	phoneA = "phone-li"
	phoneB = "phone-wang"
)

// play tells the story from the beginning; what was finished in an earlier run passes by at once.
func (d *demo) play(ctx context.Context) error {
	if n := d.memory.steps(); n > 0 {
		d.say("接着上次继续 · going on where the last run stopped: %d steps were done", n)
	}
	d.title("建县情", "A county is set up")
	people, err := d.people(ctx)
	if err != nil {
		return err
	}
	if err := d.reference(ctx); err != nil {
		return err
	}
	d.say("   2 organisations, %d people in every role, 6 projects, %d sites, 1 checklist of %d items citing red lines", len(officials)+1, len(places), len(checklist))
	d.title("委托监督", "A mandate for the partner")
	if err := d.entrust(ctx); err != nil {
		return err
	}
	d.title("去年的检查", "Last year's visits")
	if err := d.playLastYear(ctx, people); err != nil {
		return err
	}
	d.title("一天两人", "One day of two inspectors")
	if err := d.playDay(ctx, people); err != nil {
		return err
	}
	if err := once(d, "under the mandate", func() error { return d.showMandate(ctx) }); err != nil {
		return err
	}
	d.title("监督室审核", "The supervisor's desk")
	if err := d.playReview(ctx, people); err != nil {
		return err
	}
	d.title("问题线索", "A finding becomes a clue")
	if err := d.playClue(ctx, people); err != nil {
		return err
	}
	d.title("回头看", "The revisit campaign")
	if err := d.playRevisit(ctx, people); err != nil {
		return err
	}
	return d.tally(ctx)
}

// enter signs somebody in on a device and lets it pull until it holds the given sites.
func (d *demo) enter(ctx context.Context, h *handset, keys ...string) error {
	if h.phone.User() == "" {
		if err := d.signOn(ctx, h.phone, h.login); err != nil {
			return err
		}
	}
	return await(ctx, "the work pack of "+h.device, func() (bool, error) {
		if err := h.phone.Pull(ctx); err != nil {
			return false, err
		}
		if _, ok := h.phone.Record(d.id("template")); !ok {
			return false, nil
		}
		held := map[field.Scope]bool{}
		for _, s := range h.phone.Scopes() {
			held[s] = true
		}
		for _, key := range keys {
			if !held[d.scope(key)] {
				return false, nil
			}
		}
		return true, nil
	})
}

func (d *demo) playLastYear(ctx context.Context, people map[string]field.UserID) error {
	if err := d.grant(ctx, supervisor, people[lead], "补录去年检查 / last year's visits", "road", "school"); err != nil {
		return err
	}
	h, err := d.handset(tablet, lead, 0)
	if err != nil {
		return err
	}
	visits := d.lastYear()
	err = once(d, "last year is recorded", func() error {
		if err := d.enter(ctx, h, "road", "school"); err != nil {
			return err
		}
		for _, v := range visits {
			if err := d.record(h, v, people[lead], people[inspectorB]); err != nil {
				return err
			}
		}
		return h.phone.Sync(ctx)
	})
	if err != nil {
		return err
	}
	for _, v := range visits {
		if err := d.approve(ctx, v.report(), "approve "+v.name); err != nil {
			return err
		}
	}
	k := d.desk(supervisor)
	road, school := visits[0], visits[1]
	if err := d.makeClue(ctx, road, "clue of "+road.name, people); err != nil {
		return err
	}
	if err := d.closeClue(ctx, "clue of "+road.name); err != nil {
		return err
	}
	err = k.click(ctx, "classify "+school.name, "/v1/findings", d.id(school.problem()), "classify",
		object{"class": "rectification", "reason": "承诺半年内验收"}, field.FindingClassified, field.StateClosed)
	if err != nil {
		return err
	}
	for _, v := range visits {
		err = k.click(ctx, "close finding of "+v.name, "/v1/findings", d.id(v.problem()), "close", object{"reason": "已收到整改承诺及回执，销号；留待回头看"}, field.StateClosed)
		if err != nil {
			return err
		}
	}
	d.say("   2 reports approved, 2 findings closed on a promise, clue of the road closed")
	return nil
}

// approve takes a report for review, waits until its photos were examined, decides what flags it carries, and approves
// it.
func (d *demo) approve(ctx context.Context, report, name string) error {
	id, k := d.id(report), d.desk(supervisor)
	err := k.click(ctx, "take: "+name, "/v1/reports", id, "take", nil, field.ReportUnderReview, field.ReportApproved)
	if err != nil {
		return err
	}
	err = await(ctx, "the photos are examined: "+name, func() (bool, error) {
		var view struct{ Approval field.Approval }
		err := k.get(ctx, "/v1/reports/"+string(id), &view)
		return len(view.Approval.Unexamined) == 0, err
	})
	if err != nil {
		return err
	}
	if err := once(d, "flags: "+name, func() error { return d.decideFlags(ctx, k, id) }); err != nil {
		return err
	}
	return k.click(ctx, name, "/v1/reports", id, "approve", nil, field.ReportApproved)
}

// decideFlags says of every flag that a report carries so far what it came to.
func (d *demo) decideFlags(ctx context.Context, k *desk, report field.RecordID) error {
	var flags page[protocol.PulledRecord]
	if err := k.get(ctx, "/v1/flags?state=raised&reportId="+string(report), &flags); err != nil {
		return err
	}
	for _, f := range flags.Items {
		what, err := fieldsOf[struct{ Code, EN string }](f)
		if err != nil {
			return err
		}
		d.say("   flag %s (%s): explained", what.Code, what.EN)
		err = k.click(ctx, "decide "+string(f.ID), "/v1/flags", f.ID, "decide", object{"decision": "explained", "reason": "与两名检查人员核对，情况属实可解释"}, field.FlagDecided)
		if err != nil {
			return err
		}
	}
	return nil
}

// playDay is the day: the pack, no signal, three visits, and a link that comes back badly.
func (d *demo) playDay(ctx context.Context, people map[string]field.UserID) error {
	if err := d.grant(ctx, supervisor, people[inspectorA], "本次检查 / this inspection", "coop", "resettle"); err != nil {
		return err
	}
	if err := d.grant(ctx, hostDesk, people[inspectorB], "本次检查 / this inspection", "green"); err != nil {
		return err
	}
	a, err := d.handset(phoneA, inspectorA, 0)
	if err != nil {
		return err
	}
	b, err := d.handset(phoneB, inspectorB, 40*time.Second)
	if err != nil {
		return err
	}
	first, second := d.today()
	err = once(d, "work packs", func() error {
		return errors.Join(d.enter(ctx, a, "coop", "resettle"), d.enter(ctx, b, "green"))
	})
	if err != nil {
		return err
	}
	d.say("   %s and %s hold their work packs; %.0f km of road, no signal", phoneA, phoneB, apart(places["coop"], places["resettle"])+apart(places["resettle"], places["green"]))
	return once(d, "the day", func() error {
		a.link.Signal(false)
		b.link.Signal(false)
		err := both(
			func() error { return d.records(a, first, people) },
			func() error { return d.records(b, second, people) },
		)
		if err != nil {
			return err
		}
		for _, h := range []*handset{a, b} {
			ops, photos := h.phone.Waiting()
			if err := h.phone.Pull(ctx); err == nil {
				return errors.New("a phone without signal reached the server")
			}
			d.say("   📵 %s: %d operations and %d photos wait in the outbox", h.device, ops, photos)
		}
		d.say("   信号恢复 · the link comes back, badly")
		return both(
			func() error { return d.comeBack(ctx, a, badFirst, badThen) },
			func() error { return d.comeBack(ctx, b, badOther, nil) },
		)
	})
}

func (d *demo) records(h *handset, visits []visit, people map[string]field.UserID) error {
	for _, v := range visits {
		if err := d.record(h, v, people[inspectorA], people[inspectorB]); err != nil {
			return err
		}
		d.say("   ✎ %s: %s · 12 answers, %d photos, %d interviews", h.device, places[v.site].name, len(v.shots), len(v.talks))
	}
	return nil
}

// What the links do to the first requests that fit, each once.
var (
	badFirst = []badlink.Fault{
		{Method: http.MethodPost, Path: "/v1/sync/push", Harm: badlink.Cut, After: 5_000},
		{Method: http.MethodPost, Path: "/v1/sync/push", Harm: badlink.LoseAnswer},
		{Method: http.MethodPost, Path: "/v1/uploads", Harm: badlink.LoseAnswer},
		{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 1_100_000},
	}
	badThen = []badlink.Fault{
		{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 700_000, Reset: true},
		{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.LoseAnswer},
		{Method: http.MethodPost, Path: "/v1/sync/push", Harm: badlink.Twice},
	}
	badOther = []badlink.Fault{
		{Method: http.MethodPost, Path: "/v1/sync/push", Harm: badlink.Twice},
		{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 1_600_000, Reset: true},
		{Method: http.MethodHead, Path: "/v1/uploads", Harm: badlink.Cut},
		{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 400_000},
	}
)

// comeBack sends all that a phone holds over a bad link. In between its battery runs empty, where there is a second lot
// of faults to meet.
func (d *demo) comeBack(ctx context.Context, h *handset, now, later []badlink.Fault) error {
	h.link.Signal(true)
	h.link.SetWeather(badlink.Weather{Cut: 0.03, LoseAnswer: 0.02, Delay: 400 * time.Millisecond})
	h.link.Plan(now...)
	if later != nil {
		short, cancel := context.WithCancel(ctx)
		go func() { // the battery lasts until the first photo was cut
			for len(h.link.Planned()) > 0 && short.Err() == nil {
				if brief(short, 100*time.Millisecond) != nil {
					break
				}
			}
			cancel()
		}()
		err := h.phone.Sync(short)
		cancel()
		if err != nil {
			d.say("   🔋 %s: the battery is empty; the phone starts again with what is on its disk", h.device)
		}
		if err := h.restart(); err != nil {
			return err
		}
		h.link.Plan(later...)
	}
	for attempt := 1; ; attempt++ {
		err := h.phone.Sync(ctx)
		if err == nil {
			break
		}
		if attempt == 5 || ctx.Err() != nil {
			return err
		}
	}
	h.link.SetWeather(badlink.Weather{})
	s := h.phone.Stats()
	d.say("   ✓ %s: all is in; %d receipts, %d retries, %d answers asked for again, %s sent again", h.device, s.Receipts, s.Retries, s.Replayed, megabytes(s.BytesResent))
	if len(s.Problems) > 0 {
		return fmt.Errorf("%s: not everything was applied: %v", h.device, s.Problems)
	}
	return nil
}

func both(f, g func() error) error {
	done := make(chan error, 1)
	go func() { done <- g() }()
	return errors.Join(f(), <-done)
}

// playReview is the supervisor's part: the queue, one report back on two items, the correction, the approvals.
func (d *demo) playReview(ctx context.Context, people map[string]field.UserID) error {
	k := d.desk(supervisor)
	first, second := d.today()
	coop, resettle, green := first[0], first[1], second[0]
	if err := once(d, "the queue", func() error { return d.queue(ctx, k, green) }); err != nil {
		return err
	}
	if err := once(d, "the flag", func() error { return d.decideFlag(ctx, k, green) }); err != nil {
		return err
	}
	id := d.id(coop.report())
	if err := k.click(ctx, "take the cooperative", "/v1/reports", id, "take", nil, field.ReportUnderReview, field.ReportReturned); err != nil {
		return err
	}
	err := k.click(ctx, "return the cooperative", "/v1/reports", id, "return", object{
		"items": []object{
			{"item": "cards", "comment": "请写明三户的化名、期数和金额，不写卡号。"},
			{"item": "contracts", "comment": "合同既已约定补看，请写明约定的日期和对方经办岗位。"},
		},
		"deadline": clock(d.memory.story.Start.AddDate(0, 0, 3)),
	}, field.ReportReturned)
	if err != nil {
		return err
	}
	d.say("   ↩ returned on 2 items, with 3 days to correct them")
	if err := once(d, "the correction", func() error { return d.correct(ctx, coop) }); err != nil {
		return err
	}
	for _, v := range []visit{coop, resettle, green} {
		if err := d.approve(ctx, v.report(), "approve "+v.name); err != nil {
			return err
		}
		for i := range v.talks {
			if err := k.click(ctx, "review "+v.talk(i), "/v1/interviews", d.id(v.talk(i)), "review", nil, field.InterviewReviewed); err != nil {
				return err
			}
		}
	}
	err = k.click(ctx, "classify "+resettle.name, "/v1/findings", d.id(resettle.problem()), "classify",
		object{"class": "rectification", "reason": "责成区生态移民局列出复工计划"}, field.FindingClassified)
	if err != nil {
		return err
	}
	d.say("   ✓ corrected, sent again, 3 reports approved, 4 interviews reviewed")
	return nil
}

// queue shows what waits for review: three reports, on top the one with a flag.
func (d *demo) queue(ctx context.Context, k *desk, flagged visit) error {
	var queue page[struct {
		ID   field.RecordID `json:"id"`
		Site struct {
			Name string `json:"name"`
		} `json:"site"`
		Severity int64 `json:"severity"`
		Counts   struct {
			Answers      int `json:"answers"`
			CannotObtain int `json:"cannotObtain"`
			Photos       int `json:"photos"`
			Findings     int `json:"findings"`
			Interviews   int `json:"interviews"`
		} `json:"counts"`
	}]
	// Photos are looked at a little after they have arrived.
	err := await(ctx, "the flag of the photo from the gallery", func() (bool, error) {
		err := k.get(ctx, "/v1/review/queue", &queue)
		return err == nil && len(queue.Items) > 0 && queue.Items[0].Severity > 0, err
	})
	if err != nil {
		return err
	}
	if len(queue.Items) != 3 || queue.Items[0].ID != d.id(flagged.report()) {
		return fmt.Errorf("three reports should wait for review, the flagged one on top; %d do", len(queue.Items))
	}
	for _, q := range queue.Items {
		d.say("   待审 %s: %d answers (%d cannot be obtained yet), %d photos, %d interviews, %d findings, severity %d",
			q.Site.Name, q.Counts.Answers, q.Counts.CannotObtain, q.Counts.Photos, q.Counts.Interviews, q.Counts.Findings, q.Severity)
	}
	return nil
}

// decideFlag is the supervisor's word on the photo that was picked from the gallery.
func (d *demo) decideFlag(ctx context.Context, k *desk, v visit) error {
	var flags page[protocol.PulledRecord]
	if err := k.get(ctx, "/v1/flags?reportId="+string(d.id(v.report())), &flags); err != nil {
		return err
	}
	for _, f := range flags.Items {
		what, err := fieldsOf[struct{ Code, ZH string }](f)
		if err != nil {
			return err
		}
		if what.Code != "photo_picked" {
			return fmt.Errorf("nobody expects the flag %s", what.Code)
		}
		const reason = "与检查人员核实：应用闪退，用系统相机补拍，时间地点一致。"
		err = k.click(ctx, "decide the flag", "/v1/flags", f.ID, "decide", object{"decision": "explained", "reason": reason}, field.FlagDecided)
		if err != nil {
			return err
		}
		d.say("   ⚑ %s (%s) 已说明: %s", what.ZH, what.Code, reason)
	}
	return nil
}

// correct is what the author does with a returned report: it lies on top of the inbox.
func (d *demo) correct(ctx context.Context, v visit) error {
	h, err := d.handset(phoneA, inspectorA, 0)
	if err != nil {
		return err
	}
	id, scope := d.id(v.report()), d.scope(v.site)
	const group = "correction"
	if !h.phone.Wrote(group) {
		if err := h.phone.Pull(ctx); err != nil {
			return err
		}
		inbox := h.phone.Inbox()
		if len(inbox) == 0 {
			return errors.New("the inbox is empty")
		}
		top, err := fieldsOf[struct {
			Type     string
			RecordID field.RecordID
			ZH       string
			Due      string
			Items    []field.ReturnedItem
		}](inbox[0])
		if err != nil {
			return err
		}
		if top.Type != "returned" || top.RecordID != id || len(top.Items) != 2 {
			return fmt.Errorf("the returned report is not on top of the inbox, but %s %s", top.Type, top.RecordID)
		}
		d.say("   📥 %s: on top of the inbox: %s (%s) until %s", h.device, top.ZH, top.Items[0].Comment, top.Due)
		at := clock(d.ago(10 * time.Minute))
		err = h.phone.Write(group,
			phone.Edit(scope, field.KindReport, id, object{"answers": object{
				"cards":     object{"value": "青松户、石桥户、竹林户，第一期各 9,000 元，均进入同一张卡", "seconds": 140, "at": at},
				"contracts": object{"cannotObtain": "合作社会计岗约定本周五上午十点在镇经济发展办补看", "seconds": 80, "at": at},
			}}),
			phone.Command(scope, field.KindReport, id, "resubmit", nil),
			phone.Command(field.MakeScope(field.ScopeUser, string(h.phone.User())), field.KindNotice, inbox[0].ID, "read", nil),
		)
		if err != nil {
			return err
		}
	}
	if err := h.phone.Sync(ctx); err != nil {
		return err
	}
	if p := h.phone.Stats().Problems; len(p) > 0 {
		return fmt.Errorf("the correction was not applied: %v", p)
	}
	return nil
}
