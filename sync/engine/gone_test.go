package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// What becomes of edits of records that are voided, closed, given to somebody else, or not known, and of what a phone
// still holds when its access ends: testdata/gone has one file per case.
func TestEditsOfWhatIsGoneAsTwoPeopleReadThem(t *testing.T) {
	tellAll(t, "gone", []told{
		{"voided", "A finding is voided while another phone edits it: nothing comes back to life", func(s *story) {
			f := s.finds(s.chen)
			v := s.get(f).Version
			s.writes("09:10", s.lin, s.command(f, v, "void", m{"reason": "与另一条重复"}))
			s.writes("09:20", s.chen, s.set(f, v, m{"facts": "东屋两处"}))
			s.writes("09:30", s.chen, s.command(f, v, "void", m{"reason": "误建"}))
			s.writes("09:40", s.chen, s.set(f, 0, m{"siteId": s.site, "title": "漏雨", "facts": "东屋两处"}))
			s.afterwards()
		}},
		{"closed", "A finding is classified and closed while a phone edits it", func(s *story) {
			f := s.finds(s.chen)
			v := s.get(f).Version
			s.clicks("09:10", s.zhao, f, "classify", m{"class": "explanation"})
			s.clicks("09:20", s.zhao, f, "close", m{"reason": "已说明"})
			s.writes("09:30", s.chen, s.set(f, v, m{"facts": "东屋两处"}))
			s.afterwards()
		}},
		{"approved", "A report is approved while a phone edits it", func(s *story) {
			r := id()
			s.name(string(r), "REPORT")
			s.writes("09:00", s.chen, s.reportOp(r), s.command(r, 0, "submit", nil))
			v := s.get(r).Version
			s.clicks("09:10", s.zhao, r, "approve", nil)
			s.writes("09:20", s.lin, s.set(r, v, m{"answers": m{"roof": m{"value": "完好"}}}))
			s.afterwards()
		}},
		{"unknown-id", "Edits of an id that the server does not know, between two that it knows", func(s *story) {
			f, unknown := s.finds(s.chen), id()
			s.name(string(unknown), "UNKNOWN")
			v := s.get(f).Version
			s.writes("09:10", s.chen,
				s.set(f, v, m{"facts": "东屋"}),
				protocol.Operation{ID: unknown, Kind: field.KindFinding, Base: 7, Set: fields(m{"siteId": s.site, "title": "没有这条"})},
				protocol.Operation{ID: unknown, Kind: field.KindFinding, Base: 7, Command: "void", Args: fields(m{"reason": "误建"})},
				s.set(f, v, m{"amount": 300}),
			)
			s.afterwards()
		}},
		{"reassigned", "A revisit goes to somebody else while 陈 is on the way; 林 keeps the site by another task", func(s *story) {
			task, report := s.task("TASK"), id()
			s.name(string(report), "REPORT of 陈")
			other := s.task("OTHER-TASK")
			he, sun := s.another("何"), s.another("孙")
			give := func(a, b *access.Actor) m {
				return m{"assignee": a.User, "companion": b.User, "due": "2026-12-01"}
			}
			s.clicks("09:00", s.zhao, task, "assign", give(s.chen, s.lin))
			s.clicks("09:01", s.zhao, other, "assign", give(s.lin, he))
			v := s.get(task).Version
			again := give(he, sun)
			again["reason"] = "陈另有任务"
			s.clicks("09:10", s.zhao, task, "reassign", again)
			s.follow(s.chen)
			s.follow(s.lin)
			s.writes("09:20", s.chen, s.reportOp(report), s.command(task, v, "submit", m{"reportId": report}))
			s.writes("09:30", s.lin, s.command(task, v, "start", nil))
			s.afterwards()
		}},
		{"access-ended", "The access ends while the outbox is full: a supervisor accepts or declines item by item", func(s *story) {
			r, f, g := id(), id(), id()
			s.name(string(r), "REPORT")
			s.name(string(f), "FINDING-1")
			s.name(string(g), "FINDING-2")
			seen := s.pulls("08:50", s.chen, nil)
			s.ends(s.chen)
			out := s.writes("09:10", s.chen,
				s.reportOp(r),
				protocol.Operation{ID: r, Kind: field.KindReport, Set: fields(m{"summary": "屋顶漏雨"})},
				protocol.Operation{ID: f, Kind: field.KindFinding, Set: fields(m{"siteId": s.site, "title": "漏雨"})},
				protocol.Operation{ID: g, Kind: field.KindFinding, Set: fields(m{"siteId": s.site, "title": "欠款", "mood": "bad"})},
			)
			s.pulls("09:20", s.chen, seen)
			s.clicks("10:00", s.chen, out[0].RecordID, "accept", nil)
			s.clicks("10:01", s.lin, out[0].RecordID, "accept", nil)
			s.clicks("10:02", s.zhao, out[0].RecordID, "accept", nil)
			s.clicks("10:03", s.zhao, out[1].RecordID, "accept", nil)
			s.clicks("10:04", s.zhao, out[2].RecordID, "settle", m{"reason": "与已有问题重复"})
			s.clicks("10:05", s.zhao, out[3].RecordID, "accept", nil)
			s.clicks("10:06", s.zhao, out[0].RecordID, "accept", nil)
			s.afterwards()
		}},
		{"phone-lost", "The phone was reported lost and its device revoked; found again, it hands in what was written on it", func(s *story) {
			f, mine := s.finds(s.lin), id()
			s.name(string(mine), "FINDING of 陈")
			v := s.get(f).Version
			s.chen.HandsIn = true
			s.say("陈's phone is revoked.")
			out := s.writes("09:10", s.chen,
				protocol.Operation{ID: mine, Kind: field.KindFinding, Set: fields(m{"siteId": s.site, "title": "墙裂"})},
				s.set(f, v, m{"facts": "东屋"}),
			)
			s.clicks("10:00", s.zhao, out[0].RecordID, "accept", nil)
			s.clicks("10:01", s.zhao, out[1].RecordID, "settle", m{"reason": "无法确认由本人填写"})
			s.afterwards()
		}},
		{"access-given-again", "Access that ends and begins again while the phone is offline is no special case", func(s *story) {
			f := s.report(s.chen)
			v := s.get(f).Version
			seen := s.pulls("09:05", s.chen, nil)
			before := s.chen.Scopes
			s.ends(s.chen)
			s.writes("09:10", s.lin, s.set(f, v, m{"activeSeconds": 300}))
			s.chen.Scopes = before
			s.say("陈 has access again, and was offline all the time.")
			s.writes("09:20", s.chen, s.set(f, v, m{"summary": "东屋"}))
			s.pulls("09:30", s.chen, seen)
			s.afterwards()
		}},
		{"photo-half-way", "A photo was on its way when the access ended: it arrives, and waits with its declaration", func(s *story) {
			photo, sum := id(), strings.Repeat("a", 64)
			s.name(string(photo), "PHOTO")
			s.name(sum, "SHA256")
			s.ends(s.chen)
			out := s.writes("09:10", s.chen, protocol.Operation{ID: photo, Kind: field.KindPhoto, Set: fields(m{
				"siteId": s.site, "reportId": s.unseen("REPORT"), "sha256": sum, "size": 10, "type": "image/jpeg",
			})})
			kept := out[0].RecordID
			s.later("09:20")
			s.say("## 09:20  the last byte of the photo arrives")
			s.server(string(s.get(kept).Scope), protocol.Operation{ID: kept, Kind: field.KindParked, Command: "store", Args: fields(m{"receipt": m{"sha256": sum}})})
			s.afterwards()
			s.clicks("10:00", s.zhao, kept, "accept", nil)
			s.afterwards()
		}},
	})
}

// finds is a finding that somebody has made before the story begins.
func (s *story) finds(who *access.Actor) field.RecordID {
	return s.made(who, "FINDING", field.KindFinding, m{"siteId": s.site, "title": "漏雨"})
}

// task is a revisit of the site that nobody has yet.
func (s *story) task(name string) field.RecordID {
	s.t.Helper()
	task := id()
	s.name(string(task), name)
	s.server(string(s.scope), protocol.Operation{ID: task, Kind: field.KindRevisit, Set: fields(m{
		"campaignId": s.unseen("CAMPAIGN of " + name), "siteId": s.site, "stratum": "problems", "due": "2026-12-01",
	})})
	s.show(task)
	return task
}

// unseen is the id of a record that is never sent.
func (s *story) unseen(name string) field.RecordID {
	r := id()
	s.name(string(r), name)
	return r
}

func (s *story) command(r field.RecordID, base int64, name string, args m) protocol.Operation {
	kind := field.KindReport
	if known := s.get(r); known != nil {
		kind = known.Kind
	}
	op := protocol.Operation{ID: r, Kind: kind, Base: base, Command: name}
	if args != nil {
		op.Args = fields(args)
	}
	return op
}

// ends takes the site from somebody.
func (s *story) ends(who *access.Actor) {
	who.Scopes = nil
	s.say("%s's access to the site ends.", who.Name)
}

// follow gives somebody the access that the grants in the store say.
func (s *story) follow(who *access.Actor) {
	who.Scopes = nil
	grant := s.get(field.GrantID(who.User, s.scope))
	if grant != nil && grant.State == field.StateActive {
		who.Scopes = []field.Scope{s.scope}
		s.say("%s still has access to the site.", who.Name)
		return
	}
	s.say("%s has no access to the site any more.", who.Name)
}

// pulls is what somebody's phone gets, and is told to drop.
func (s *story) pulls(clock string, who *access.Actor, cursors map[field.Scope]protocol.Cursor) map[field.Scope]protocol.Cursor {
	s.t.Helper()
	s.later(clock)
	s.say("## %s  %s pulls", clock, who.Name)
	resp, err := s.Pull(s.ctx, who, protocol.PullRequest{Device: who.Device, Cursors: cursors})
	s.must(err)
	n, gone := 0, "nothing"
	for _, r := range resp.Records {
		if r.Scope == s.scope {
			n++
		}
	}
	if len(resp.Gone) > 0 {
		gone = fmt.Sprint(resp.Gone)
	}
	s.say("=> %d records of the site; gone: %s; restart: %d scopes", n, gone, len(resp.Restart))
	return resp.Cursors
}
