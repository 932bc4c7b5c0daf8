package engine_test

import (
	"slices"
	"strconv"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Somebody who can work out the ids of the server's own records takes them for his. The conflict and the grant are made all the
// same, under other ids, and nothing is written into what he made.
func TestTheServersIdsAreTaken(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		var his []*field.Record
		take := func(id field.RecordID) field.RecordID {
			t.Helper()
			c.outcome(c.push(c.lin, c.scope, protocol.Operation{ID: id, Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "占位"})}), 0, protocol.Applied)
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
		take(take(field.DeriveID(first.CreatedAt, "conflict", string(report), "summary", string(c.chen.Device), strconv.FormatInt(first.Version, 10))))
		conflict := c.outcome(c.push(c.chen, c.scope, edit("二")), 0, protocol.Conflict).Conflicts[0]
		if r := c.get(conflict); r == nil || r.Kind != field.KindConflicts || r.Text("offered") != "二" {
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
