package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// refusal is an operation that is refused, and what puts it right: a correction, or something that happens meanwhile.
type refusal struct {
	name    string
	op      protocol.Operation
	code    field.Code
	correct m      // with it the operation is accepted
	until   func() // or it is accepted as it is after this
}

func (c *county) refusals() []refusal {
	c.t.Helper()
	draft := func() (field.RecordID, int64) {
		r := c.newReport(c.chen)
		return r, c.get(r).Version
	}
	edit := func(set m) protocol.Operation {
		r, base := draft()
		return protocol.Operation{ID: r, Kind: field.KindReport, Base: base, Set: fields(set)}
	}
	finding := func(set m) protocol.Operation {
		set["siteId"] = c.site
		return protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(set)}
	}
	command := func(name string) protocol.Operation {
		r, base := draft()
		return protocol.Operation{ID: r, Kind: field.KindReport, Base: base, Command: name}
	}
	voided, _ := draft()
	c.push(c.chen, c.scope, protocol.Operation{ID: voided, Kind: field.KindReport, Base: c.get(voided).Version, Command: "void", Args: fields(m{"reason": "误建"})})
	submit := func(r field.RecordID) {
		c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: r, Kind: field.KindReport, Base: c.get(r).Version, Command: "submit"}), 0, protocol.Applied)
	}
	closed, closedBase := draft()
	submit(closed)
	early, earlyBase := draft()
	stale, staleBase := draft()
	c.push(c.lin, c.scope, protocol.Operation{ID: stale, Kind: field.KindReport, Base: c.get(stale).Version, Set: fields(m{"summary": "同行补充"})})
	late := id()
	alone := protocol.Operation{ID: id(), Kind: field.KindReport, Set: c.reportOp(id()).Set}
	alone.Set["inspectors"] = field.Quote([]field.UserID{c.chen.User})
	c.outcome(c.push(c.chen, c.scope, alone), 0, protocol.Applied)
	back := func(r field.RecordID) func() {
		return func() {
			c.must(c.click(c.zhao, c.get(r), "return", m{"items": []m{{"item": "roof", "comment": "核实"}}, "deadline": "2026-12-01T00:00:00+08:00"}))
		}
	}
	return []refusal{
		{name: "a number where a text belongs", op: edit(m{"summary": 7}), code: field.CodeWrongType, correct: m{"set": m{"summary": "七户"}}},
		{name: "a text over its limit", op: edit(m{"summary": strings.Repeat("长", 10_001)}), code: field.CodeTooLong, correct: m{"set": m{"summary": "长"}}},
		{name: "a negative duration", op: edit(m{"activeSeconds": -1}), code: field.CodeOutOfRange, correct: m{"set": m{"activeSeconds": 60}}},
		{name: "nowhere", op: edit(m{"position": m{"lat": 0, "lon": 0}, "summary": "漏雨"}), code: field.CodeBadPosition, correct: m{"drop": []string{"position"}}},
		{name: "a time that is none", op: edit(m{"startedAt": "8 o'clock"}), code: field.CodeBadTime, correct: m{"set": m{"startedAt": "2026-11-23T08:00:00+08:00"}}},
		{name: "an id that is none", op: protocol.Operation{ID: "7", Kind: field.KindFinding, Set: finding(m{"title": "漏雨"}).Set}, code: field.CodeBadID, correct: m{"id": id()}},
		{name: "an id of another kind", op: edit(m{"inspectors": []any{c.project, c.chen.User}}), code: field.CodeWrongKind, correct: m{"set": m{"inspectors": []any{c.chen.User, c.lin.User}}}},
		{name: "another site", op: protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": id(), "title": "漏雨"})}, code: field.CodeWrongScope, correct: m{"set": m{"siteId": c.site}}},
		{name: "a required field is missing", op: finding(m{"facts": "三户"}), code: field.CodeMissingField, correct: m{"set": m{"title": "三户漏雨"}}},
		{name: "a field of the server", op: edit(m{"severity": 0, "summary": "漏雨"}), code: field.CodeReadOnlyField, correct: m{"drop": []string{"severity"}}},
		{name: "a choice that is none", op: edit(m{"visitType": "drone"}), code: field.CodeBadChoice, correct: m{"set": m{"visitType": "desk"}}},
		{name: "an answer with a member that is not known", op: edit(m{"answers": m{"roof": m{"mood": "bad", "value": "漏"}}}), code: field.CodeUnknownField, correct: m{"set": m{"answers.roof": m{"value": "漏"}}}},
		{name: "a kind that is not known", op: protocol.Operation{ID: id(), Kind: "drone", Set: fields(m{"siteId": c.site, "title": "漏雨"})}, code: field.CodeUnknownKind, correct: m{"kind": "finding"}},
		{name: "a command that is not known", op: command("teleport"), code: field.CodeUnknownCommand, correct: m{"command": "submit"}},
		{name: "fields and a command at once", op: func() protocol.Operation { o := edit(m{"summary": "漏雨"}); o.Command = "submit"; return o }(), code: field.CodeBadRequest, correct: m{"drop": []string{"command"}}},
		{name: "an edit of a voided report", op: protocol.Operation{ID: voided, Kind: field.KindReport, Base: 99, Set: fields(m{"summary": "漏雨"})}, code: field.CodeVoided, correct: m{"id": stale, "base": 1}},
		{name: "a number of a person", op: finding(m{"title": "漏雨", "facts": "户主身份证11010519491231002X"}), code: field.CodeIdentityInText, correct: m{"set": m{"facts": "户主身份已入保密库"}}},
		{name: "an edit of a record that is not here yet", op: protocol.Operation{ID: late, Kind: field.KindFinding, Base: 3, Set: fields(m{"facts": "三户"})}, code: field.CodeUnknownRecord, until: func() {
			c.push(c.chen, c.scope, protocol.Operation{ID: late, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "漏雨"})})
		}},
		{name: "an edit of a submitted report", op: protocol.Operation{ID: closed, Kind: field.KindReport, Base: closedBase, Set: fields(m{"summary": "后补"})}, code: field.CodeNotEditable, until: back(closed)},
		{name: "a command before its time", op: protocol.Operation{ID: early, Kind: field.KindReport, Base: earlyBase, Command: "resubmit"}, code: field.CodeNotNow, until: func() { submit(early); back(early)() }},
		{name: "a command on an older version", op: protocol.Operation{ID: stale, Kind: field.KindReport, Base: staleBase, Command: "void", Args: fields(m{"reason": "误建"})}, code: field.CodeStale, until: func() {}},
		{name: "one inspector", op: protocol.Operation{ID: alone.ID, Kind: field.KindReport, Base: 1 << 40, Command: "submit"}, code: field.CodeStale, until: func() {
			c.push(c.chen, c.scope, protocol.Operation{ID: alone.ID, Kind: field.KindReport, Base: c.get(alone.ID).Version, Set: fields(m{"inspectors": []any{c.chen.User, c.lin.User}})})
		}},
	}
}

// Whatever an operation was refused for, it can be resolved: with the correction that it takes, or as it is when the
// time has come, or by hand. What was sent stays as it came, with what was corrected and by whom beside it.
func TestEveryKeptOperationCanBeResolved(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		seen := map[field.Code]bool{}
		for _, row := range c.refusals() {
			t.Run(row.name, func(t *testing.T) {
				c.t = t
				kept := func() *field.Record {
					out := c.outcome(c.push(c.chen, c.scope, row.op), 0, protocol.Rejected)
					if out.Code != row.code {
						t.Fatalf("refused with %s, want %s", out.Code, row.code)
					}
					return c.get(out.RecordID)
				}
				byHand, r := kept(), kept()
				seen[row.code] = true
				sent := string(r.Fields["operation"])
				ways := field.WaysFor(r)
				want := field.WayAccept
				var args m
				if row.correct != nil {
					want, args = field.WayCorrect, m{"correction": row.correct}
				}
				if !slices.Contains(ways, want) || !slices.Contains(ways, field.WayTakeOver) {
					t.Errorf("the ways are %v", ways)
				}
				c.takenOver(byHand)
				if row.until != nil {
					row.until()
				} else if err := c.click(c.zhao, r, "accept", nil); !field.Is(err, row.code) {
					t.Errorf("accepted as it is: %v", err)
				}
				c.must(c.click(c.zhao, r, "accept", args))
				now := c.get(r.ID)
				if now.State != "accepted" || string(now.Fields["operation"]) != sent || now.Text("decidedBy") != string(c.zhao.User) || now.Fields["outcome"] == nil {
					t.Errorf("it is %s: %s", now.State, now.Document())
				}
				if corrected := now.Fields["correction"] != nil && now.Text("correctedBy") == string(c.zhao.User); corrected != (args != nil) {
					t.Errorf("corrected %s by %s", now.Fields["correction"], now.Fields["correctedBy"])
				}
				if field.IsSealed(r) {
					content, err := c.Content(c.ctx, c.chen, r.ID)
					if err != nil || !strings.Contains(string(content), "11010519491231002X") || strings.Contains(string(now.Document()), "11010519491231002X") {
						t.Errorf("what was sealed: %s, %v; the record: %s", content, err, now.Document())
					}
				}
				if len(field.WaysFor(now)) != 0 {
					t.Error("what is resolved still has ways")
				}
			})
		}
		c.t = t
		for _, code := range field.KeptCodes() { // those for which there is no story above: what they have in common is the last way
			if !seen[code] {
				r := id()
				own := field.MakeScope(field.ScopeUser, string(c.chen.User))
				c.server(string(own), protocol.Operation{ID: r, Kind: field.KindParked, Set: fields(m{
					"code": code, "message": "…", "operation": m{"id": id(), "kind": "finding", "base": 0, "set": m{}}, "target": c.scope, "author": c.chen.User,
					"recordId": id(), "recordKind": "finding", "owner": "gz-liwan", "region": "520502",
				})})
				c.takenOver(c.get(r))
			}
		}
		c.sound()
	})
}

// takenOver resolves a kept operation by hand, with a finding that is made in the same commit and with one that was
// there.
func (c *county) takenOver(r *field.Record) {
	c.t.Helper()
	if !slices.Contains(field.WaysFor(r), field.WayTakeOver) {
		c.t.Errorf("%s cannot be taken over by hand", r.Text("code"))
	}
	made, before := id(), len(c.list(field.KindFinding))
	op := func(title any) m {
		return m{"id": made, "kind": "finding", "base": 0, "set": m{"siteId": c.site, "title": title}}
	}
	for name, args := range map[string]m{
		"nothing":                      {},
		"an act that is refused":       {"operation": op(7)},
		"an act in an unknown scope":   {"operation": m{"id": made, "kind": "finding", "base": 0, "scope": "site/" + id(), "set": m{}}},
		"an act that nobody did":       {"recordId": id(), "recordVersion": 1},
		"an act from before":           {"recordId": c.site, "recordVersion": c.get(c.site).Version},
		"an act and another":           {"operation": op("手工转录"), "recordId": c.site, "recordVersion": 1},
		"itself":                       {"recordId": r.ID, "recordVersion": r.Version},
		"a record without its version": {"recordId": c.site},
	} {
		if err := c.click(c.zhao, r, "takeover", args); err == nil {
			c.t.Errorf("taken over by %s", name)
		}
	}
	if now := c.get(r.ID); now.Version != r.Version || len(c.list(field.KindFinding)) != before {
		c.t.Error("a refusal wrote something")
	}
	if err := c.click(c.stranger, r, "takeover", m{"operation": op("外人")}); err == nil {
		c.t.Error("a stranger took it over")
	}
	c.must(c.click(c.zhao, r, "takeover", m{"operation": op("手工转录"), "reason": "按原文录入"}))
	now, act := c.get(r.ID), c.get(made)
	if act == nil || act.Author != c.zhao.User || act.Device != "desk/"+c.zhao.Device {
		c.t.Fatalf("the act is %+v", act)
	}
	var by struct {
		Scope    field.Scope
		Seq      int64
		RecordID field.RecordID
	}
	if err := json.Unmarshal(now.Fields["takenOver"], &by); err != nil || by.RecordID != made || by.Scope != act.Scope || by.Seq != act.Version ||
		now.State != field.ParkedTaken || now.Text("decidedBy") != string(c.zhao.User) || string(now.Fields["operation"]) != string(r.Fields["operation"]) {
		c.t.Errorf("it is %s: %s, %v", now.State, now.Document(), err)
	}
}

// Who sent it writes it again himself, and says by which act it was replaced.
func TestTheAuthorNamesTheActThatReplacesWhatWasKept(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		long := protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"summary": strings.Repeat("长", 10_001)})}
		kept := c.get(c.outcome(c.push(c.chen, c.scope, long), 0, protocol.Rejected).RecordID)
		short := long
		short.Set = fields(m{"summary": "短"})
		c.outcome(c.push(c.chen, c.scope, short), 0, protocol.Applied)
		args := m{"recordId": report, "recordVersion": c.get(report).Version}
		if err := c.click(c.lin, kept, "takeover", args); err == nil {
			t.Error("a colleague decides what somebody else sent")
		}
		c.must(c.click(c.chen, kept, "takeover", args))
		if now := c.get(kept.ID); now.State != field.ParkedTaken || now.Fields["takenOver"] == nil {
			t.Errorf("it is %s: %s", now.State, now.Document())
		}
	})
}

// A correction is held against the same rules as everything else, and what is sealed does not come out by it.
func TestACorrectionIsJudgedLikeEverythingElse(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		op := protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "漏雨", "facts": "电话13800138000", "promise": "身份证11010519491231002X"})}
		kept := c.get(c.outcome(c.push(c.chen, c.scope, op), 0, protocol.Rejected).RecordID)
		head, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		for name, row := range map[string]struct {
			correction any
			code       field.Code
		}{
			"a number in place of a number": {m{"set": m{"facts": "电话13800138001", "promise": "无"}}, field.CodeIdentityInText},
			"one of two numbers":            {m{"set": m{"facts": "无"}}, field.CodeIdentityInText},
			"nothing":                       {m{}, field.CodeIdentityInText},
			"a member that there is not":    {m{"author": c.zhao.User}, field.CodeWrongType},
			"no object":                     {[]int{1}, field.CodeWrongType},
			"a name that is not there":      {m{"drop": []string{"colour"}}, field.CodeBadRequest},
			"another organisation's site":   {m{"scope": "site/" + string(c.foreignSite), "drop": []string{"facts", "promise"}}, field.CodeNotFound},
		} {
			if err := c.click(c.zhao, kept, "accept", m{"correction": row.correction}); !field.Is(err, row.code) {
				t.Errorf("%s: %v, want %s", name, err, row.code)
			}
		}
		now, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		if now.Hash != head.Hash || c.get(op.ID) != nil || c.get(kept.ID).Version != kept.Version {
			t.Error("a refusal wrote something")
		}
		c.must(c.click(c.zhao, kept, "accept", m{"correction": m{"drop": []string{"facts", "promise"}}}))
		if r := c.get(op.ID); r == nil || r.Text("title") != "漏雨" || r.Author != c.chen.User {
			t.Errorf("the finding is %+v", r)
		}
	})
}

// What a phone had read when it sealed a batch bounds the base of an operation that was kept, too.
func TestAnAcceptedEditCountsFromWhatThePhoneHadRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		first := c.get(report).Version
		head, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: first, Set: fields(m{"summary": "同行所写"})})
		scopes := c.chen.Scopes
		c.chen.Scopes = nil
		resp, err := c.Push(c.ctx, c.chen, protocol.PushRequest{
			Device: c.chen.Device, Batch: c.next(), Scope: c.scope, Seen: &protocol.Cursor{Seq: head.Seq, Hash: head.Hash},
			Operations: []protocol.Operation{{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"summary": "没见过就写"})}},
		})
		c.must(err)
		kept := c.get(c.outcome(resp, 0, protocol.Rejected).RecordID)
		c.chen.Scopes = scopes
		c.must(c.click(c.zhao, kept, "accept", nil))
		if got := c.get(report).Text("summary"); got != "同行所写" || len(c.list(field.KindConflict)) != 1 {
			t.Errorf("the summary is %s, with %d conflicts", got, len(c.list(field.KindConflict)))
		}
	})
}
