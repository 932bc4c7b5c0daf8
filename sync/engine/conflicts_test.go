package engine_test

import (
	"context"
	"sync"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// What becomes of what several people write to one record: testdata/conflicts has one file per case, to be read and
// agreed on by two people. 陈 and 林 are inspectors on the site, 何 is another one, 赵 is their supervisor.
func TestConflictsAsTwoPeopleReadThem(t *testing.T) {
	tellAll(t, "conflicts", []told{
		{"same-field-twice", "Two write the same field; the supervisor takes the second", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨，两间"}))
			out := s.writes("09:20", s.lin, s.set(r, v, m{"summary": "西侧漏雨，一间"}))
			s.say("Both have the report and the conflict on their phones.")
			s.pulls("09:30", s.chen, nil)
			s.pulls("09:31", s.lin, nil)
			s.afterwards()
			s.clicks("10:00", s.zhao, out[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.afterwards()
		}},
		{"different-fields", "Two write different fields", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨，两间"}))
			s.writes("09:20", s.lin, s.set(r, v, m{"activeSeconds": 1500, "endedAt": "2026-11-23T17:15:00+08:00"}))
			s.afterwards()
		}},
		{"position", "A position is one value: latitude, longitude and accuracy never mix", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"position": m{"lat": 27.31, "lon": 105.28, "accuracy": 40}}))
			s.writes("09:20", s.lin, s.set(r, v, m{"position": m{"lat": 27.3, "lon": 105.29, "accuracy": 5}}))
			s.afterwards()
		}},
		{"answer", "An answer is one value with its note; answers to other items are others", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"answers": m{"roof": m{"value": "漏雨，东屋", "seconds": 40}}}))
			s.writes("09:20", s.lin, s.set(r, v, m{"answers": m{"roof": m{"value": "漏雨", "note": "户主说去年就漏"}, "paid": m{"value": true}}}))
			s.afterwards()
		}},
		{"long-texts", "Long texts stay whole, both of them: nothing is merged by line", func(s *story) {
			r := s.made(s.chen, "INTERVIEW", field.KindInterview, m{"siteId": s.site, "alias": "甲户", "text": "问：补助到账了吗？\n答：没有。"})
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"text": "问：补助到账了吗？\n答：没有，说是下个月。"}))
			s.writes("09:20", s.second(s.chen), s.set(r, v, m{"text": "问：补助到账了吗？\n答：没有。\n问：谁通知的？\n答：村会计。"}))
			s.afterwards()
		}},
		{"own-earlier-write", "An own earlier write is no conflict, though the phone has not pulled since", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨"}))
			s.writes("09:20", s.chen, s.set(r, v, m{"summary": "东侧漏雨，两间"}))
			s.afterwards()
		}},
		{"two-phones-of-one-person", "One person writes the same field on two phones", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨"}))
			out := s.writes("09:20", s.second(s.chen), s.set(r, v, m{"summary": "东侧漏雨，两间"}))
			s.clicks("09:30", s.chen, out[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.afterwards()
		}},
		{"same-value-twice", "Two write the same value", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨"}))
			s.writes("09:20", s.lin, s.set(r, v, m{"summary": "东侧漏雨"}))
			s.afterwards()
		}},
		{"changed-then-removed", "One changes what the other one removes; the removal is taken", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "东侧漏雨"}))
			out := s.writes("09:20", s.lin, s.set(r, v, m{"summary": nil}))
			s.afterwards()
			s.clicks("10:00", s.zhao, out[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.afterwards()
		}},
		{"removed-then-changed", "One removes what the other one changes; the change is taken", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, protocol.Operation{ID: r, Kind: field.KindReport, Base: v, Set: fields(m{"answers.roof": nil})})
			out := s.writes("09:20", s.lin, s.set(r, v, m{"answers": m{"roof": m{"value": "漏雨，西屋"}}}))
			s.afterwards()
			s.clicks("10:00", s.zhao, out[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.afterwards()
		}},
		{"three-devices", "Three write the same field: each value that came later is kept beside the first", func(s *story) {
			he := s.another("何")
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "一间"}))
			second := s.writes("09:20", s.lin, s.set(r, v, m{"summary": "两间"}))
			third := s.writes("09:30", he, s.set(r, v, m{"summary": "三间"}))
			s.clicks("10:00", s.zhao, third[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.say("The value that 林 was compared with is gone by now, so hers can no longer be taken unseen.")
			s.clicks("10:10", s.zhao, second[0].Conflicts[0], "resolve", m{"take": "offered"})
			s.clicks("10:20", s.zhao, second[0].Conflicts[0], "resolve", m{"take": "current"})
			s.afterwards()
		}},
		{"edited-again-before-it-was-seen", "Who goes on editing before the conflict was seen changes what is offered", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "一间"}))
			s.writes("09:20", s.lin, s.set(r, v, m{"summary": "两间"}))
			s.writes("09:30", s.lin, s.set(r, v, m{"summary": "两间，东屋"}))
			s.afterwards()
		}},
		{"author-takes-the-other-value", "Who wrote the value that stands takes the other one", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "一间"}))
			out := s.writes("09:20", s.lin, s.set(r, v, m{"summary": "两间"}))
			conflict := out[0].Conflicts[0]
			s.writes("09:40", s.chen, protocol.Operation{
				ID: conflict, Kind: field.KindConflict, Base: s.get(conflict).Version, Command: "resolve", Args: fields(m{"take": "offered"}),
			})
			s.afterwards()
		}},
		{"supervisor-writes-a-third-value", "The supervisor takes neither and writes a third value", func(s *story) {
			r := s.made(s.chen, "INTERVIEW", field.KindInterview, m{"siteId": s.site, "alias": "甲户", "text": "没有到账。"})
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"text": "没有到账，说是下个月。"}))
			conflict := s.writes("09:20", s.second(s.chen), s.set(r, v, m{"text": "没有到账，村会计通知的。"}))[0].Conflicts[0]
			s.say("A third value is checked like any edit.")
			s.clicks("10:00", s.zhao, conflict, "resolve", m{"take": "other"})
			s.clicks("10:01", s.zhao, conflict, "resolve", m{"take": "other", "value": 7})
			s.clicks("10:02", s.zhao, conflict, "resolve", m{"take": "other", "value": "身份证11010519491231002X的那户。"})
			s.clicks("10:03", s.zhao, conflict, "resolve", m{"take": "offered", "value": "没有到账。"})
			s.clicks("10:04", s.zhao, conflict, "resolve", m{"take": "other", "value": "没有到账；村会计通知，说是下个月。"})
			s.afterwards()
		}},
		{"somebody-who-may-not", "Who neither wrote a value nor supervises resolves nothing", func(s *story) {
			he := s.another("何")
			r := s.report(s.chen)
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"summary": "一间"}))
			conflict := s.writes("09:20", s.lin, s.set(r, v, m{"summary": "两间"}))[0].Conflicts[0]
			s.clicks("09:30", he, conflict, "resolve", m{"take": "offered"})
			s.clicks("09:31", s.qian, conflict, "resolve", m{"take": "offered"})
			s.clicks("09:32", s.stranger, conflict, "resolve", m{"take": "offered"})
			s.afterwards()
		}},
		{"record-that-is-submitted", "A conflict that is resolved after the record was submitted", func(s *story) {
			r := s.made(s.chen, "INTERVIEW", field.KindInterview, m{"siteId": s.site, "alias": "甲户", "text": "没有到账。"})
			v := s.get(r).Version
			s.writes("09:10", s.chen, s.set(r, v, m{"text": "没有到账，说是下个月。"}))
			conflict := s.writes("09:20", s.second(s.chen), s.set(r, v, m{"text": "没有到账，村会计通知的。"}))[0].Conflicts[0]
			s.writes("09:30", s.chen, protocol.Operation{ID: r, Kind: field.KindInterview, Base: s.get(r).Version, Command: "submit"})
			s.clicks("10:00", s.zhao, conflict, "resolve", m{"take": "offered"})
			s.clicks("10:01", s.zhao, conflict, "resolve", m{"take": "current"})
			s.afterwards()
		}},
		{"the-server-writes-beside", "What the server writes stands in fields of its own, and against nobody", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			s.later("09:10")
			s.say("## 09:10  the server raises the report's severity")
			s.server(string(s.scope), protocol.Operation{ID: r, Kind: field.KindReport, Set: fields(m{"severity": 2})})
			s.writes("09:20", s.lin, s.set(r, v, m{"summary": "东侧漏雨"}), s.set(r, v, m{"severity": 0}))
			s.afterwards()
		}},
		{"two-findings", "What two people add are two records", func(s *story) {
			a, b := id(), id()
			s.name(string(a), "FINDING of 陈")
			s.name(string(b), "FINDING of 林")
			s.writes("09:10", s.chen, protocol.Operation{ID: a, Kind: field.KindFinding, Set: fields(m{"siteId": s.site, "title": "漏雨", "facts": "东屋"})})
			s.writes("09:20", s.lin, protocol.Operation{ID: b, Kind: field.KindFinding, Set: fields(m{"siteId": s.site, "title": "漏雨", "facts": "西屋"})})
			s.afterwards()
		}},
		{"late-edit-that-was-accepted", "An edit that was kept and is accepted later: both values name who wrote them", func(s *story) {
			r := s.report(s.chen)
			v := s.get(r).Version
			scopes := s.chen.Scopes
			s.chen.Scopes = nil
			s.say("陈's access to the site ends.")
			late := s.writes("09:10", s.chen, s.set(r, v, m{"summary": "一间"}))
			s.clicks("09:20", s.zhao, late[0].RecordID, "accept", nil)
			s.chen.Scopes = scopes
			s.writes("09:30", s.lin, s.set(r, v, m{"summary": "两间"}))
			s.afterwards()
		}},
	})
}

// another is an inspector of 陈's organisation with access to the site.
func (s *story) another(name string) *access.Actor {
	who := s.person("gz-liwan", name, access.Inspector)
	who.Scopes = s.chen.Scopes
	s.knows(who)
	s.others = append(s.others, who.User)
	return who
}

// second is somebody with another device.
func (s *story) second(who *access.Actor) *access.Actor {
	again := *who
	again.Device = field.DeviceID(id())
	s.name(string(again.Device), "tablet of "+who.Name)
	return &again
}

// grouped counts the commits that held several entries of one scope.
type grouped struct {
	engine.Kept
	groups int
}

func (g *grouped) Commit(ctx context.Context, writes []store.Write) error {
	if len(writes[0].Entries) > 1 {
		g.groups++
	}
	return g.Kept.Commit(ctx, writes)
}

// Of values that clash in one commit, too, both say who wrote them, although neither was stored when they met.
func TestAConflictInOneCommitNamesBoth(t *testing.T) {
	s := storagetest.SQLite(t)
	g := &grouped{Kept: s}
	c := newCounty(t, g)
	writers := []*access.Actor{c.chen, c.lin}
	for range 6 {
		who := c.person("gz-liwan", "何", access.Inspector)
		who.Scopes = c.chen.Scopes
		writers = append(writers, who)
	}
	for round := 0; g.groups == 0; round++ {
		if round == 200 {
			t.Fatal("no two batches met in one commit")
		}
		report := c.newReport(c.chen, writers...)
		base := c.get(report).Version
		var wg sync.WaitGroup
		for _, who := range writers {
			wg.Go(func() {
				c.push(who, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": string(who.User)})})
			})
		}
		wg.Wait()
		conflicts := c.list(field.KindConflict, field.KeyFor("recordId", report))
		if len(conflicts) != len(writers)-1 {
			t.Fatalf("%d conflicts of %d writers", len(conflicts), len(writers))
		}
		for _, one := range conflicts {
			if one.Text("currentUser") != one.Text("current") || one.Text("offeredBy") != one.Text("offered") || one.Time("currentAt").IsZero() {
				t.Errorf("it names somebody else: %s", one.Document())
			}
		}
	}
	c.sound()
}
