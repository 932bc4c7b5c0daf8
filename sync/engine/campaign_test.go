package engine_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

const seedHash = "19b25856e1c150ca834cffc8b59b23adbd0ec0389e58eb22b3b64768098d002b" // sha256 of "seed"

// campaign is one that runs, with two tasks at the county's site, as desk, leader and follower make it.
func (c *county) campaign() (campaign field.RecordID, tasks []field.RecordID) {
	c.t.Helper()
	campaign = id()
	scope := field.MakeScope(field.ScopeCampaign, string(campaign))
	plan := m{
		"title": "回头看", "from": "2026-11-20", "to": "2026-12-31", "templateId": c.template,
		"strata": []m{{"stratum": "problems", "size": 1}, {"stratum": "petitioners", "size": 1}},
	}
	c.outcome(c.push(c.zhao, scope, protocol.Operation{ID: campaign, Kind: field.KindCampaign, Set: fields(plan)}), 0, protocol.Applied)
	c.must(c.click(c.zhao, c.get(campaign), "announce", m{"seedHash": seedHash}))
	frame := []field.Unit{{Stratum: "problems", SiteID: field.SiteID(c.site)}, {Stratum: "petitioners", SiteID: field.SiteID(c.site), Alias: "甲户"}}
	c.server(string(scope), protocol.Operation{ID: campaign, Kind: field.KindCampaign, Command: "draw", Args: fields(m{"seed": "seed", "frame": frame})})
	c.must(c.click(c.qian, c.get(campaign), "approve", nil))
	c.must(c.click(c.zhao, c.get(campaign), "run", nil))
	var sample []field.Unit
	c.must(c.get(campaign).Decode("sample", &sample))
	for _, u := range sample {
		c.server(string(c.scope), protocol.Operation{ID: u.Revisit, Kind: field.KindRevisit, Set: fields(m{"campaignId": campaign, "siteId": c.site, "stratum": u.Stratum})})
		tasks = append(tasks, u.Revisit)
	}
	return campaign, tasks
}

// A phone announces, plans and closes by the same rules as the desk, and what it sent against them is not let in
// afterwards.
func TestACampaignKeepsItsRulesAtEveryDoor(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		twice := id()
		resp := c.push(c.zhao, field.MakeScope(field.ScopeCampaign, string(twice)), protocol.Operation{ID: twice, Kind: field.KindCampaign, Set: fields(m{
			"title": "回头看", "from": "2026-11-20", "to": "2026-12-31", "templateId": c.template,
			"strata": []m{{"stratum": "problems", "size": 1}, {"stratum": "problems", "size": 1}},
		})})
		if out := c.outcome(resp, 0, protocol.Rejected); out.Code != field.CodeBadChoice || c.get(twice) != nil {
			t.Errorf("a stratum that is named twice: %+v", out)
		}
		campaign, tasks := c.campaign()
		home := field.MakeScope(field.ScopeCampaign, string(campaign))
		team := m{"assignee": c.chen.User, "companion": c.lin.User, "due": "2026-12-15"}
		ask := func(r field.RecordID, name string, args any) protocol.Operation {
			op := protocol.Operation{ID: r, Kind: c.get(r).Kind, Base: c.get(r).Version, Command: name}
			if args != nil {
				op.Args = fields(args)
			}
			return op
		}
		for _, due := range []string{"2026-11-22", "2027-01-01"} {
			late := m{"assignee": c.chen.User, "companion": c.lin.User, "due": due}
			if out := c.outcome(c.push(c.zhao, c.scope, ask(tasks[0], "assign", late)), 0, protocol.Rejected); out.Code != field.CodeBadTime {
				t.Errorf("due on %s: %+v", due, out)
			}
		}
		c.must(c.click(c.zhao, c.get(tasks[0]), "assign", team))
		out := c.outcome(c.push(c.zhao, home, ask(campaign, "close", nil)), 0, protocol.Rejected)
		if out.Code != field.CodeTasksOpen || !strings.Contains(out.Message, string(tasks[0])+" (assigned)") || !strings.Contains(out.Message, string(tasks[1])+" (pending)") {
			t.Errorf("closed with open tasks: %+v", out)
		}
		if err := c.click(c.person("gz-liwan", "孙", access.Supervisor), c.get(out.RecordID), "accept", nil); !field.Is(err, field.CodeTasksOpen) {
			t.Errorf("the closing was let in afterwards: %v", err)
		}

		// A draft, a visit of last year, and one that the server had before the task.
		report := c.newReport(c.chen, c.chen, c.lin)
		answer := func(r field.RecordID) protocol.Operation {
			return ask(tasks[0], "submit", m{"reportId": r})
		}
		old := c.reportOp(id())
		old.Set["startedAt"], old.Set["endedAt"] = field.Quote("2025-11-23T08:00:00+08:00"), field.Quote("2025-11-23T09:00:00+08:00")
		c.outcome(c.push(c.chen, c.scope, old, protocol.Operation{ID: old.ID, Kind: field.KindReport, Command: "submit"}), 1, protocol.Applied)
		for what, r := range map[string]field.RecordID{"a draft": report, "last year's visit": old.ID} {
			out := c.outcome(c.push(c.chen, c.scope, answer(r)), 0, protocol.Rejected)
			if out.Code != field.CodeReportUnfit {
				t.Errorf("%s: %+v", what, out)
			}
			if err := c.click(c.zhao, c.get(out.RecordID), "accept", nil); !field.Is(err, field.CodeReportUnfit) {
				t.Errorf("%s was let in afterwards: %v", what, err)
			}
		}
		if c.get(tasks[0]).State != field.RevisitAssigned {
			t.Errorf("the task is %s", c.get(tasks[0]).State)
		}
		c.outcome(c.push(c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Command: "submit"}), 0, protocol.Applied)
		c.outcome(c.push(c.chen, c.scope, answer(report)), 0, protocol.Applied)
		c.must(c.click(c.zhao, c.get(tasks[1]), "assign", team))
		if out := c.outcome(c.push(c.chen, c.scope, ask(tasks[1], "submit", m{"reportId": report})), 0, protocol.Rejected); out.Code != field.CodeReportUnfit {
			t.Errorf("one visit for two tasks: %+v", out)
		}
		c.must(c.click(c.zhao, c.get(tasks[0]), "return", m{"reason": "照片不清"}))
		told := 0
		for _, n := range c.list(field.KindNotice, field.KeyFor("recordId", tasks[0])) {
			if n.Text("type") == "returned" && strings.Contains(n.Text("zh"), "照片不清") {
				told++
			}
		}
		if told != 2 {
			t.Errorf("%d of two were told that the task came back", told)
		}
		c.sound()
	})
}

// A missed task is given out again while the campaign is closed: one of the two finds what the other did.
func TestClosingAndGivingOutAgainDoNotPassEachOther(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		for range 4 {
			campaign, tasks := c.campaign()
			for _, task := range tasks {
				c.must(c.click(c.zhao, c.get(task), "miss", m{"reason": "塌方"}))
			}
			closing, missed := c.get(campaign), c.get(tasks[1])
			var both sync.WaitGroup
			var errs [2]error
			both.Go(func() { errs[0] = c.click(c.zhao, closing, "close", nil) })
			both.Go(func() {
				errs[1] = c.click(c.zhao, missed, "reassign", m{"assignee": c.chen.User, "companion": c.lin.User, "due": "2026-12-15", "reason": "路通了"})
			})
			both.Wait()
			closed, open := c.get(campaign).State == field.CampaignClosing, c.get(tasks[1]).State == field.RevisitAssigned
			if closed == open {
				t.Fatalf("closed %v, given out again %v (%v)", closed, open, errs)
			}
			c.later(time.Minute)
		}
		c.sound()
	})
}
