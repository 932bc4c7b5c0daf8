package workflow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// Who walks through a list page by page misses nothing and sees nothing twice, whatever rises, falls, is decided or
// comes in meanwhile.
func TestAQueueStandsStillWhileItIsRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		for _, site := range c.sites {
			for _, who := range []string{"ann", "ben"} {
				w.see(who, siteScope(site))
			}
		}
		var reports []field.RecordID
		for i := range 9 {
			w.pass(time.Second)
			reports = append(reports, w.visit(c, c.sites[i%3], 2*time.Hour, strings.Repeat(fmt.Sprint(i), 64)).report)
		}
		w.flag(reports[4], "high")
		second := w.flag(reports[5], "review")
		w.pass(time.Second)
		var seen []field.RecordID
		ask := workflow.Ask{Limit: 2}
		for page := 0; ; page++ {
			w.pass(time.Second)
			p, err := w.flow.ReviewQueue(w.ctx, w.as("cai"), ask)
			w.must(err)
			for _, item := range p.Items {
				seen = append(seen, item.ID)
			}
			w.pass(time.Second)
			switch page {
			case 0: // 4 and 5 were shown
				w.flag(reports[8], "blocking")
				w.done(w.click("cai", field.KindFlag, field.RecordID(second), w.v(second), "decide", map[string]any{"decision": "explained", "reason": "已核实"}))
				w.flag(reports[4], "blocking")
			case 1: // 0 and 1 were shown
				w.flag(reports[0], "high")
				w.flag(reports[2], "high")
				w.flag(reports[2], "blocking")
				seen = append(seen, "came in")
				reports = append(reports, w.visit(c, c.sites[0], 2*time.Hour, strings.Repeat("f", 64)).report)
			case 2:
				w.flag(reports[9], "blocking")
			}
			if p.Next == "" {
				break
			}
			ask.After = p.Next
		}
		seen = slices.DeleteFunc(seen, func(id field.RecordID) bool { return id == "came in" })
		want := []field.RecordID{reports[4], reports[5], reports[0], reports[1], reports[2], reports[3], reports[6], reports[7], reports[8], reports[9]}
		same(t, "the walk", seen, want)

		// An inbox is read from the front, and what is read there moves.
		var inbox []field.RecordID
		ask = workflow.Ask{Limit: 1}
		for {
			w.pass(time.Second)
			p, err := w.flow.Inbox(w.ctx, w.as("ann"), "", ask)
			w.must(err)
			for _, r := range p.Items {
				inbox = append(inbox, r.ID)
				if r.State == "unread" {
					w.done(w.click("ann", field.KindNotice, field.RecordID(r.ID), w.v(r.ID), "read", nil))
				}
			}
			if p.Next == "" {
				break
			}
			ask.After = p.Next
		}
		if n := len(inbox); n != len(slices.Compact(slices.Sorted(slices.Values(inbox)))) {
			t.Errorf("of %d notices some were shown twice", n)
		}
	})
}
