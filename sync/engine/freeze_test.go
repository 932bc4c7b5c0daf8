package engine_test

import (
	"slices"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// handedIn is a report of 陈's with one of each part, submitted.
type handedIn struct{ report, photo, interview, finding field.RecordID }

func (c *county) part(kind field.Kind, id field.RecordID, more m) protocol.Operation {
	set := m{"siteId": c.site}
	switch kind {
	case field.KindPhoto:
		set["sha256"], set["size"], set["type"] = strings.Repeat("a", 32)+strings.ReplaceAll(string(id), "-", ""), 9, "image/jpeg"
	case field.KindInterview:
		set["alias"] = "甲户"
	case field.KindFinding:
		set["title"] = "漏雨"
	}
	for k, v := range more {
		set[k] = v
	}
	return protocol.Operation{ID: id, Kind: kind, Set: fields(set)}
}

func (c *county) stores(photo field.RecordID) {
	c.t.Helper()
	sum := c.get(photo).Text("sha256")
	c.server(string(c.scope),
		protocol.Operation{ID: photo, Kind: field.KindPhoto, Command: "store", Args: fields(m{"receipt": m{"sha256": sum}})},
		protocol.Operation{ID: photo, Kind: field.KindPhoto, Command: "analyse", Args: fields(m{"facts": m{"type": "image/jpeg"}})})
}

func (c *county) handIn() handedIn {
	c.t.Helper()
	h := handedIn{c.newReport(c.chen), id(), id(), id()}
	of := m{"reportId": h.report}
	c.outcome(c.push(c.chen, c.scope, c.part(field.KindPhoto, h.photo, of), c.part(field.KindInterview, h.interview, of),
		c.part(field.KindFinding, h.finding, m{"reportId": h.report, "evidence": []field.RecordID{h.photo, h.interview}})), 2, protocol.Applied)
	c.stores(h.photo)
	c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: h.report, Kind: field.KindReport, Base: c.get(h.report).Version, Command: "submit"}), 0, protocol.Applied)
	c.must(c.click(c.zhao, c.get(h.report), "take", nil))
	return h
}

// changes are what an inspector may try with the parts of a report.
func (c *county) changes(h handedIn) []protocol.Operation {
	edit := func(kind field.Kind, id field.RecordID, set m) protocol.Operation {
		return protocol.Operation{ID: id, Kind: kind, Base: c.get(id).Version, Set: fields(set)}
	}
	void := func(kind field.Kind, id field.RecordID) protocol.Operation {
		return protocol.Operation{ID: id, Kind: kind, Base: c.get(id).Version, Command: "void", Args: fields(m{"reason": "不要了"})}
	}
	return []protocol.Operation{
		edit(field.KindPhoto, h.photo, m{"caption": "另一处"}), edit(field.KindFinding, h.finding, m{"facts": "没有的事"}), edit(field.KindInterview, h.interview, m{"text": "改口"}),
		void(field.KindPhoto, h.photo), void(field.KindFinding, h.finding), void(field.KindInterview, h.interview),
	}
}

func (c *county) told(who *access.Actor, kind string, about field.RecordID) bool {
	return slices.ContainsFunc(c.list(field.KindNotice, field.KeyFor("recordId", about)), func(n *field.Record) bool {
		return n.Scope == field.MakeScope(field.ScopeUser, string(who.User)) && n.Text("type") == kind
	})
}

func TestPartsFreezeWithTheirReport(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		h := c.handIn()
		frozen := func(ops []protocol.Operation) {
			t.Helper()
			resp := c.push(c.chen, c.scope, ops...)
			for i := range ops {
				if out := c.outcome(resp, i, protocol.Rejected); out.Code != field.CodePartFrozen || c.get(out.RecordID).Text("reportId") != string(h.report) {
					t.Errorf("%s %s: %s, kept for %s", ops[i].Kind, ops[i].Command, out.Code, c.get(out.RecordID).Text("reportId"))
				}
			}
		}
		added := func() []protocol.Operation {
			of := m{"reportId": h.report}
			return []protocol.Operation{c.part(field.KindPhoto, id(), of), c.part(field.KindInterview, id(), of), c.part(field.KindFinding, id(), of)}
		}
		frozen(c.changes(h))
		if !c.told(c.zhao, "parked", h.report) {
			t.Error("who reviews the report is not told of what is kept")
		}
		more := added()
		c.outcome(c.push(c.chen, c.scope, more...), 2, protocol.Applied)
		for _, op := range more {
			if string(c.get(op.ID).Fields["afterSubmission"]) != "true" {
				t.Errorf("the %s that was added does not say so", op.Kind)
			}
		}
		if !c.told(c.zhao, "info", h.report) {
			t.Error("who reviews the report is not told of what was added")
		}
		if err := c.click(c.zhao, c.get(h.report), "approve", nil); !field.Is(err, field.CodePhotosMissing) {
			t.Errorf("approved without the photo that was added: %v", err)
		}
		c.stores(more[0].ID)
		c.must(c.click(c.zhao, c.get(h.report), "approve", nil))
		for _, state := range []string{"approve", "archive"} {
			frozen(append(c.changes(h), added()...))
			if state == "approve" {
				c.must(c.click(c.zhao, c.get(h.report), "archive", nil))
			}
		}
		for _, r := range []field.RecordID{h.photo, h.interview} {
			if err := c.click(c.zhao, c.get(r), "void", m{"reason": "r"}); !field.Is(err, field.CodePartFrozen) {
				t.Errorf("the desk empties an archived report: %v", err)
			}
		}
		kept := c.list(field.KindParked, field.KeyFor("code", field.CodePartFrozen))
		if err := c.click(c.zhao, kept[0], "accept", nil); !field.Is(err, field.CodePartFrozen) {
			t.Errorf("accepted into an archived report: %v", err)
		}
		// Put back, it is its authors' again.
		c.must(c.click(c.zhao, c.get(h.report), "reopen", m{"reason": "漏看一处"}))
		c.must(c.click(c.zhao, c.get(h.report), "return", m{"items": []m{{"item": "roof", "comment": "哪里"}}, "deadline": "2026-11-30T18:00:00+08:00"}))
		c.outcome(c.push(c.chen, c.scope, c.changes(h)[:3]...), 2, protocol.Applied)
		c.sound()
	})
}

func TestALateFlagPutsAnApprovedReportBackUnderReview(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		flag := func(h handedIn, severity string) field.RecordID {
			f := id()
			c.server(string(c.scope), protocol.Operation{ID: f, Kind: field.KindFlag, Set: fields(m{
				"code": "photo_far", "severity": severity, "reportId": h.report, "targetId": h.photo,
			})})
			return f
		}
		h := c.handIn()
		high := flag(h, "high")
		if err := c.click(c.zhao, c.get(h.report), "approve", nil); !field.Is(err, field.CodeFlagsUnnamed) || !strings.Contains(err.Error(), string(high)) {
			t.Errorf("approved over a flag that it does not name: %v", err)
		}
		c.must(c.click(c.zhao, c.get(h.report), "approve", m{"flags": []field.RecordID{high}}))
		if got := c.get(h.report).Texts("namedFlags"); !slices.Equal(got, []string{string(high)}) {
			t.Errorf("the approval names %v", got)
		}
		late := flag(h, "blocking")
		if r := c.get(h.report); r.State != field.ReportUnderReview || r.Int("reopened") != 1 || r.Int("severity") != 3 {
			t.Errorf("the report is %s, reopened %d times, severity %d", r.State, r.Int("reopened"), r.Int("severity"))
		}
		if !c.told(c.zhao, "reopened", h.report) || !c.told(c.chen, "reopened", h.report) {
			t.Error("nobody is told")
		}
		if err := c.click(c.zhao, c.get(h.report), "approve", m{"flags": []field.RecordID{high, late}}); !field.Is(err, field.CodeFlagsOpen) {
			t.Errorf("a blocking flag is not decided by naming it: %v", err)
		}
		c.sound()
	})
}

func TestWhoWasOnAReportDoesNotApproveIt(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen, c.chen, c.lin, c.zhao)
		submit := func(command string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Command: command}
		}
		off := protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"inspectors": []field.UserID{c.chen.User, c.lin.User}})}
		c.outcome(c.push(c.chen, c.scope, off), 0, protocol.Applied)
		c.outcome(c.push(c.chen, c.scope, submit("submit")), 0, protocol.Applied)
		for _, command := range []string{"take", "approve"} {
			if err := c.click(c.zhao, c.get(report), command, nil); !field.Is(err, field.CodeReviewerIsAuthor) {
				t.Errorf("%s: %v", command, err)
			}
		}
		invented := c.reportOp(id())
		invented.Set["inspectors"] = field.Quote([]field.RecordID{id(), id()})
		resp := c.push(c.chen, c.scope, invented, protocol.Operation{ID: invented.ID, Kind: field.KindReport, Command: "submit"})
		if out := c.outcome(resp, 1, protocol.Rejected); out.Code != field.CodeUnknownRecord {
			t.Errorf("two inspectors whom nobody knows: %s", out.Code)
		}
		c.sound()
	})
}

func TestMergedCluesLeadOn(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.wu.Scopes = nil
		clue := func() field.RecordID {
			n := id()
			scope := field.MakeScope(field.ScopeClue, string(n))
			c.outcome(c.push(c.wu, scope, protocol.Operation{ID: n, Kind: field.KindClue, Set: fields(m{"title": "线索", "channel": "petition"})}), 0, protocol.Applied)
			return n
		}
		merge := func(from, into field.RecordID) error {
			return c.click(c.wu, c.get(from), "merge", m{"into": into, "reason": "同一事项"})
		}
		h := c.handIn()
		c.must(c.click(c.zhao, c.get(h.finding), "classify", m{"class": "clue", "violation": "poor_quality"}))
		a, b := field.RecordID(c.get(h.finding).Text("clueId")), clue()
		c.must(merge(a, b))
		if err := merge(b, a); !field.Is(err, field.CodeClueEnded) {
			t.Errorf("merged in a circle: %v", err)
		}
		if got := c.get(h.finding).Text("clueId"); got != string(b) {
			t.Errorf("the finding leads to %s", got)
		}
		live := func(of field.RecordID) (n int) {
			for _, l := range c.list(field.KindLink, field.KeyFor("clueId", of)) {
				if l.State != field.LinkWithdrawn {
					n++
				}
			}
			return n
		}
		if live(a) != 0 || live(b) != 4 {
			t.Errorf("%d links stayed, %d went along", live(a), live(b))
		}
		gone := clue()
		c.must(c.click(c.wu, c.get(gone), "void", m{"reason": "误收"}))
		if err := merge(clue(), gone); err == nil {
			t.Error("merged into a clue that was voided")
		}
		c.must(c.click(c.wu, c.get(b), "void", m{"reason": "误收"}))
		if r := c.get(a); r.State != field.ClueReceived || r.Fields["mergedInto"] != nil || live(a) != 4 || c.get(h.finding).Text("clueId") != string(a) {
			t.Errorf("the clue that was merged is %s with %d links; the finding leads to %s", r.State, live(a), c.get(h.finding).Text("clueId"))
		}

		// The finding is dismissed: the clue says so, is asked about, and who manages clues is told.
		c.must(c.click(c.zhao, c.get(h.finding), "reopen", m{"reason": "再看"}))
		c.must(c.click(c.zhao, c.get(h.finding), "classify", m{"class": "dismissed", "reason": "不成立"}))
		asked := c.list(field.KindReview, field.KeyFor("recordId", a))
		if c.get(a).Text("findingClass") != "dismissed" || len(asked) != 1 || asked[0].Text("cause") != "finding_dismissed" || !c.told(c.wu, "info", h.finding) {
			t.Errorf("the clue says %q; asked: %v", c.get(a).Text("findingClass"), asked)
		}
		// And one whose clue was voided gets a new one.
		c.must(c.click(c.wu, c.get(a), "void", m{"reason": "不成立"}))
		c.must(c.click(c.zhao, c.get(h.finding), "reopen", m{"reason": "再看"}))
		c.must(c.click(c.zhao, c.get(h.finding), "classify", m{"class": "clue"}))
		if now := c.get(field.RecordID(c.get(h.finding).Text("clueId"))); now == nil || now.ID == a || now.State != field.ClueReceived {
			t.Errorf("the finding leads to %+v", now)
		}
		c.sound()
	})
}
