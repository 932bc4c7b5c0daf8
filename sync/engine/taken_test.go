package engine_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Nobody takes an id that the server derives, and the refusal is the same whether it is there or not.
func TestTheServersIdsAreReserved(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		task := id()
		c.server(string(c.scope), protocol.Operation{ID: task, Kind: field.KindRevisit, Set: fields(m{
			"campaignId": id(), "siteId": c.site, "stratum": "problems", "due": "2026-12-01",
		})})
		c.must(c.click(c.zhao, c.get(task), "assign", m{"assignee": c.chen.User, "companion": c.lin.User, "due": "2026-12-01"}))
		granted, free := field.GrantID(c.chen.User, c.scope), field.GrantID(c.qian.User, c.scope)
		if c.get(granted) == nil || c.get(free) != nil {
			t.Fatal("the grants are not as they should be")
		}
		register := field.DeriveID(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), "register", "gz-liwan")
		var told []string
		for _, taken := range []field.RecordID{granted, free, register, field.DeriveID(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "org", "other")} {
			resp := c.push(c.lin, c.scope, protocol.Operation{ID: taken, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "占位"})})
			out := c.outcome(resp, 0, protocol.Rejected)
			told = append(told, string(out.Code)+out.Message)
		}
		if slices.Sort(told); told[0] != told[len(told)-1] || !strings.HasPrefix(told[0], string(field.CodeBadID)) {
			t.Errorf("he is told %q", told)
		}
		c.sound()
	})
}

// The clue of a finding has an id that nobody can work out, and the same one however often its batch is decided: the
// clock of this county never stands still.
func TestAFindingIsMadeAndBecomesAClueInOneBatch(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		finding := id()
		resp := c.push(c.zhao, c.scope,
			protocol.Operation{ID: finding, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "漏雨", "violation": "behind_plan"})},
			protocol.Operation{ID: finding, Kind: field.KindFinding, Command: "classify", Args: fields(m{"class": "clue"})})
		c.outcome(resp, 0, protocol.Applied)
		c.outcome(resp, 1, protocol.Applied)
		clue := c.get(field.RecordID(c.get(finding).Text("clueId")))
		if clue == nil || clue.Kind != field.KindClue || clue.Text("findingId") != string(finding) {
			t.Errorf("the clue is %+v", clue)
		}
		c.sound()
	})
}

// Before they were reserved, somebody who could work out the ids of the server's own records took them for his. The
// conflict and the grant are made all the same, under other ids, and nothing is written into what he made.
func TestTheServersIdsAreTaken(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		var his []*field.Record
		take := func(id field.RecordID) field.RecordID {
			t.Helper()
			c.server(string(c.scope), protocol.Operation{ID: id, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "占位"})})
			r := c.get(id)
			his = append(his, r)
			return field.DeriveID(r.CreatedAt, "next", string(id)) // he has read this program
		}
		report := c.newReport(c.chen)
		base := c.get(report).Version
		edit := func(summary string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": summary})}
		}
		c.push(c.lin, c.scope, edit("一"))
		first := c.get(report)
		take(take(field.ServerID("conflict", string(report), "summary", string(c.chen.Device), strconv.FormatInt(first.Version, 10))))
		conflict := c.outcome(c.push(c.chen, c.scope, edit("二")), 0, protocol.Conflict).Conflicts[0]
		if r := c.get(conflict); r == nil || r.Kind != field.KindConflict || r.Text("offered") != "二" {
			t.Errorf("the conflict is %+v", r)
		}
		if again := c.outcome(c.push(c.chen, c.scope, edit("三")), 0, protocol.Conflict).Conflicts; !slices.Equal(again, []field.RecordID{conflict}) || c.get(conflict).Text("offered") != "三" {
			t.Errorf("the same field offered again: %v after %s", again, conflict)
		}

		take(take(field.GrantID(c.chen.User, c.scope)))
		own := field.MakeScope(field.ScopeUser, string(c.chen.User))
		granted := func() (states []field.State) {
			for _, r := range c.list(field.KindGrant) {
				if r.Scope == own && r.Text("scope") == string(c.scope) {
					states = append(states, r.State)
				}
			}
			return states
		}
		task := id()
		c.server(string(c.scope), protocol.Operation{ID: task, Kind: field.KindRevisit, Set: fields(m{
			"campaignId": id(), "siteId": c.site, "stratum": "problems", "due": "2026-12-01",
		})})
		give := m{"assignee": c.chen.User, "companion": c.lin.User, "due": "2026-12-01"}
		c.must(c.click(c.zhao, c.get(task), "assign", give))
		if got := granted(); !slices.Equal(got, []field.State{field.StateActive}) {
			t.Errorf("assigned: %v", got)
		}
		other := c.person("gz-liwan", "何", "inspector")
		give["assignee"], give["reason"] = other.User, "换人"
		c.must(c.click(c.zhao, c.get(task), "reassign", give))
		if got := granted(); !slices.Equal(got, []field.State{field.StateEnded}) {
			t.Errorf("given to somebody else: %v", got)
		}
		for _, r := range his {
			if now := c.get(r.ID); now.Version != r.Version || now.Kind != field.KindFinding {
				t.Errorf("his record was written to: %s", now.Document())
			}
		}
		c.sound()
	})
}
