package engine_test

import (
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// by sends operations as a phone with a clock of its own does.
func (c *county) by(who *access.Actor, deviceTime string, skew time.Duration, ops ...protocol.Operation) protocol.PushResponse {
	c.t.Helper()
	resp, err := c.Push(c.ctx, who, protocol.PushRequest{
		Device: who.Device, Batch: c.next(), Scope: c.scope, DeviceTime: deviceTime, SkewMS: skew.Milliseconds(), Operations: ops,
	})
	c.must(err)
	return resp
}

// flagsOf are the flags about the clock of a report.
func (c *county) flagsOf(report field.RecordID) []*field.Record {
	var found []*field.Record
	for _, f := range c.list(field.KindFlag, field.KeyFor("reportId", report)) {
		if f.Text("code") == field.ClockDoubtful {
			found = append(found, f)
		}
	}
	return found
}

// visitAt is a visit of an hour with a photo and a note, all by one clock.
func (c *county) visitAt(report field.RecordID, at time.Time) []protocol.Operation {
	s := func(d time.Duration) string { return at.Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }
	op := c.reportOp(report)
	op.Set["startedAt"], op.Set["endedAt"] = field.Quote(s(0)), field.Quote(s(time.Hour))
	op.Set["answers"] = field.Quote(m{"roof": m{"value": "漏雨", "at": s(time.Minute)}})
	return []protocol.Operation{
		op,
		{ID: id(), Kind: field.KindPhoto, Set: fields(m{
			"siteId": c.site, "reportId": report, "sha256": strings.Repeat("a", 64), "size": 9, "type": "image/jpeg", "takenAt": s(time.Minute), "clockSkewMs": at.Sub(c.clock.now()).Milliseconds(),
		})},
		{ID: id(), Kind: field.KindInterview, Set: fields(m{
			"siteId": c.site, "reportId": report, "alias": "甲户", "startedAt": s(0), "endedAt": s(time.Minute), "consent": m{"given": true, "at": s(0)},
		})},
	}
}

// Nobody's day of work is refused for a clock: what it said is kept as it was stated, marked, shown beside the server's
// time, and flagged once.
func TestTimesOfAWrongClockAreEvidence(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		now := c.clock.now()
		for name, row := range map[string]struct {
			at   time.Time
			why  string
			skew bool // the phone measured it; else it was set right, or is not noticed by the phone
		}{
			"1970, measured":       {time.Unix(60, 0), "long_ago", true},
			"1970, set right":      {time.Unix(60, 0), "long_ago", false},
			"1980":                 {time.Date(1980, 1, 6, 0, 0, 0, 0, time.UTC), "long_ago", false},
			"2038":                 {time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), "ahead", true},
			"three days ahead":     {now.Add(72 * time.Hour), "ahead", false},
			"a year ahead":         {now.AddDate(1, 0, 0), "ahead", true},
			"an hour behind":       {now.Add(-3 * time.Hour), "skew", true},
			"the end of the years": {time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), "ahead", false},
		} {
			t.Run(name, func(t *testing.T) {
				c.t = t
				report := id()
				ops := c.visitAt(report, row.at)
				var skew time.Duration
				if row.skew {
					skew = -time.Hour
				}
				resp := c.by(c.chen, protocol.Stamp(now), skew, ops...)
				for i := range ops {
					c.outcome(resp, i, protocol.Applied)
				}
				r, photo, note := c.get(report), c.get(ops[1].ID), c.get(ops[2].ID)
				for _, x := range []struct {
					r    *field.Record
					path string
				}{{r, "startedAt"}, {r, "endedAt"}, {r, "answers.roof.at"}, {photo, "takenAt"}, {note, "startedAt"}, {note, "consent.at"}} {
					if !x.r.Doubtful(x.path) {
						t.Errorf("%s of the %s is not marked: %s", x.path, x.r.Kind, x.r.Fields["clock"])
					}
				}
				if got := r.Time("startedAt"); !got.Equal(row.at.Truncate(time.Millisecond)) {
					t.Errorf("it is kept as %s", got)
				}
				clock := string(r.Fields["clock"])
				if !strings.Contains(clock, `"`+row.why+`"`) || !strings.Contains(clock, `"serverTime":"`+protocol.Stamp(now)[:17]) || row.skew != strings.Contains(clock, `"skewMs":-3600000`) {
					t.Errorf("beside it stands %s", clock)
				}
				flags := c.flagsOf(report)
				if len(flags) != 1 || flags[0].State != field.FlagRaised || flags[0].Text("severity") != "review" {
					t.Fatalf("%d flags", len(flags))
				}
				for _, part := range []field.RecordID{report, photo.ID, note.ID} {
					if !strings.Contains(string(flags[0].Fields["inputs"]), string(part)) {
						t.Errorf("the flag does not name %s", part)
					}
				}
				c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: photo.ID, Kind: field.KindPhoto, Base: photo.Version, Command: "void", Args: fields(m{"reason": "重拍"})}), 0, protocol.Applied)
				c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: r.Version, Command: "submit"}), 0, protocol.Applied)
				if r = c.get(report); r.Int("severity") != 1 {
					t.Errorf("the queue does not show it: severity %d", r.Int("severity"))
				}
				right := m{"times": []m{{"of": "startedAt", "to": "2026-11-23T08:00:00+08:00"}, {"of": "answers.roof.at", "to": "2026-11-23t00:01:00z"}}, "reason": "手机时钟有误，按行程更正"}
				for who, code := range map[*access.Actor]field.Code{c.chen: field.CodeNotPermitted, c.lin: field.CodeNotPermitted} {
					if err := c.click(who, r, "correct", right); !field.Is(err, code) {
						t.Errorf("%s corrects: %v", who.Name, err)
					}
				}
				for what, bad := range map[string]struct {
					args any
					code field.Code
				}{
					"what is not stated": {m{"times": []m{{"of": "submittedAt", "to": "2026-11-23T08:00:00+08:00"}}, "reason": "x"}, field.CodeBadChoice},
					"to tomorrow":        {m{"times": []m{{"of": "startedAt", "to": protocol.Stamp(now.Add(24 * time.Hour))}}, "reason": "x"}, field.CodeBadTime},
					"without a reason":   {m{"times": []m{{"of": "startedAt", "to": "2026-11-23T08:00:00+08:00"}}, "reason": "\u3000\u200b"}, field.CodeMissingField},
					"nothing":            {m{"times": []m{}, "reason": "x"}, field.CodeMissingField},
					"one twice":          {m{"times": []m{{"of": "endedAt", "to": "2026-11-22T08:00:00Z"}, {"of": "endedAt", "to": "2026-11-22T08:00:01Z"}}, "reason": "x"}, field.CodeBadRequest},
				} {
					if err := c.click(c.zhao, r, "correct", bad.args); !field.Is(err, bad.code) {
						t.Errorf("%s is corrected: %v", what, err)
					}
				}
				if c.get(report).Version != r.Version {
					t.Error("a refused correction changed it")
				}
				c.must(c.click(c.zhao, r, "correct", right))
				r = c.get(report)
				if got := r.Moment("startedAt"); protocol.Stamp(got) != "2026-11-23T00:00:00.000Z" || r.Doubtful("startedAt") || !r.Doubtful("endedAt") {
					t.Errorf("corrected to %s: %s", got, r.Fields["corrections"])
				}
				if !r.Time("startedAt").Equal(row.at.Truncate(time.Millisecond)) || !strings.Contains(string(r.Fields["corrections"]), `"stated":"`+r.Text("startedAt")+`"`) || !strings.Contains(string(r.Fields["corrections"]), string(c.zhao.User)) {
					t.Errorf("both values are not there: %s %s", r.Fields["startedAt"], r.Fields["corrections"])
				}
			})
		}
		c.t = t
		c.sound()
	})
}

// A good clock raises nothing, and what an older server kept in another form is the same time.
func TestTimesOfAGoodClockStandForThemselves(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := id()
		ops := c.visitAt(report, c.clock.now().Add(-2*time.Hour))
		ops[1].Set["takenAt"] = field.Quote("2026-11-23T06:30:00.5+08:00")
		c.by(c.chen, protocol.Stamp(c.clock.now()), 2*time.Second, ops...)
		if flags := c.flagsOf(report); len(flags) != 0 || c.get(report).Fields["clock"] != nil || c.get(report).Int("severity") != 0 {
			t.Fatalf("it is doubted: %s", c.get(report).Fields["clock"])
		}
		photo := c.get(ops[1].ID)
		if photo.Text("takenAt") != "2026-11-22T22:30:00.500Z" {
			t.Errorf("stored as %s", photo.Text("takenAt"))
		}
		again := c.by(c.chen, "", 0, protocol.Operation{ID: photo.ID, Kind: field.KindPhoto, Base: photo.Version, Set: fields(m{"takenAt": "2026-11-22t22:30:00.500000z"})})
		c.outcome(again, 0, protocol.Applied)
		other := c.by(c.chen, "", 0, protocol.Operation{ID: photo.ID, Kind: field.KindPhoto, Base: photo.Version, Set: fields(m{"takenAt": "2026-11-22T22:30:00.501Z"})})
		if out := c.outcome(other, 0, protocol.Rejected); out.Code != field.CodeReadOnlyField {
			t.Errorf("another time of taking: %s", out.Code)
		}
		c.sound()
	})
}

// What was kept is judged by the clocks of the hour in which it came, no matter who accepts it and when; the flag that
// a phone's clock raised once is raised anew when it was decided and the phone is still wrong.
func TestAKeptOperationIsJudgedByTheClockOfItsTime(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := id()
		scopes := c.chen.Scopes
		c.chen.Scopes = nil
		resp := c.by(c.chen, "1970-01-01T00:01:00.000Z", -1780000000*time.Second, c.visitAt(report, time.Unix(30, 0))[0])
		kept := c.get(c.outcome(resp, 0, protocol.Rejected).RecordID)
		c.must(c.click(c.zhao, kept, "accept", nil))
		if clock := string(c.get(report).Fields["clock"]); !strings.Contains(clock, `"skewMs":-1780000000000`) || !strings.Contains(clock, `"deviceTime":"1970-01-01T00:01:00.000Z"`) {
			t.Fatalf("accepted with %s", clock)
		}
		c.chen.Scopes = scopes
		flag := c.flagsOf(report)[0]
		c.must(c.click(c.zhao, flag, "decide", m{"decision": "explained", "reason": "电池耗尽"}))
		edit := func(at string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"endedAt": at})}
		}
		c.outcome(c.by(c.chen, "", 0, edit("2040-01-01T00:00:00Z")), 0, protocol.Applied)
		if flags := c.flagsOf(report); len(flags) != 2 {
			t.Errorf("%d flags after the clock was wrong again", len(flags))
		}
		c.outcome(c.by(c.chen, "", 0, edit("2026-11-23T00:30:00Z")), 0, protocol.Applied)
		if r := c.get(report); r.Doubtful("endedAt") || !r.Doubtful("startedAt") {
			t.Errorf("a time that was stated anew is doubted still, or the other no more: %s", r.Fields["clock"])
		}
		c.sound()
	})
}

// A clock that is set back during the visit ends it before it began. The day counts; the reviewer is asked.
func TestAClockThatIsSetDuringTheVisit(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		submit := func(start, end string) (field.RecordID, protocol.Outcome) {
			report := id()
			op := c.reportOp(report)
			op.Set["startedAt"], op.Set["endedAt"] = field.Quote(start), field.Quote(end)
			resp := c.by(c.chen, "", 0, op, protocol.Operation{ID: report, Kind: field.KindReport, Command: "submit"})
			return report, resp.Outcomes[1]
		}
		report, out := submit("2027-11-23T00:00:00Z", "2026-11-23T00:30:00Z")
		if out.Outcome != protocol.Applied || !strings.Contains(string(c.get(report).Fields["clock"]), "reversed") || len(c.flagsOf(report)) != 1 {
			t.Errorf("%+v, %s", out, c.get(report).Fields["clock"])
		}
		if _, out := submit("2026-11-23T00:30:00Z", "2026-11-23T00:00:00Z"); out.Code != field.CodeMissingField {
			t.Errorf("a slip of the hand, of a good clock: %+v", out)
		}
		c.sound()
	})
}
