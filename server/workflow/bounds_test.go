package workflow_test

import (
	"fmt"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// What stands before an approval is counted to the last conflict, and said to be too much where the approval itself
// would not be decided: nobody sees a part of it and takes it for the whole.
func TestWhatIsDecidedOnIsReadWhole(t *testing.T) {
	w := newWorld(t) // on one store: on a stand-in 5,001 conflicts take minutes, and what a Lister gives is in the contract of both
	c := w.county()
	for _, name := range []string{"ann", "ben"} {
		w.see(name, siteScope(c.sites[0]))
	}
	v := w.visit(c, c.sites[0], 2*time.Hour, hashA)
	disagree := func(n int) {
		for n > 0 {
			var conflicts []protocol.Operation
			for range min(n, protocol.MaxOperations) {
				conflicts = append(conflicts, protocol.Operation{ID: w.id(), Kind: field.KindConflict, Set: quoted(map[string]any{
					"recordId": v.report, "recordKind": field.KindReport, "path": "summary",
				})})
			}
			w.server(siteScope(c.sites[0]), conflicts...)
			n -= len(conflicts)
		}
	}
	disagree(501) // more than a graph shows
	view, err := w.flow.ReportView(w.ctx, w.as("cai"), field.ReportID(v.report))
	w.must(err)
	if len(view.Approval.Conflicts) != 501 {
		t.Errorf("of 501 conflicts %d stand before the approval", len(view.Approval.Conflicts))
	}
	disagree(field.MostFound + 1 - 501)
	if _, err = w.flow.ReportView(w.ctx, w.as("cai"), field.ReportID(v.report)); !field.Is(err, field.CodeTooLong) {
		t.Errorf("with %d conflicts the report is shown: %v", field.MostFound+1, err)
	}
	if _, err = w.click("cai", field.KindReport, v.report, w.v(v.report), "approve", nil); !field.Is(err, field.CodeTooLong) {
		t.Errorf("with %d conflicts the approval is decided: %v", field.MostFound+1, err)
	}
	if queue, err := w.flow.ReviewQueue(w.ctx, w.as("cai"), workflow.Ask{}); err != nil || len(queue.Items) != 1 {
		t.Errorf("the queue ends at one report that has too much: %v", err)
	}
}

// The page of a report does not grow with the years of its site: it carries the last findings, and says that there are
// more.
func TestThePageOfAReportCarriesTheLastFindings(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		for _, name := range []string{"ann", "ben"} {
			w.see(name, siteScope(c.sites[0]))
		}
		var past []protocol.Operation
		for i := range 60 {
			past = append(past, protocol.Operation{ID: w.id(), Kind: field.KindFinding, Set: quoted(map[string]any{"siteId": c.sites[0], "title": fmt.Sprint("漏雨", i)})})
		}
		w.push("ann", siteScope(c.sites[0]), past[:50]...)
		v := w.visit(c, c.sites[0], 2*time.Hour, hashA)
		view, err := w.flow.ReportView(w.ctx, w.as("cai"), field.ReportID(v.report))
		w.must(err)
		if len(view.PastFindings) != 50 || view.MorePast {
			t.Errorf("of 50 past findings there are %d, and more: %v", len(view.PastFindings), view.MorePast)
		}
		w.push("ann", siteScope(c.sites[0]), past[50:]...)
		view, err = w.flow.ReportView(w.ctx, w.as("cai"), field.ReportID(v.report))
		w.must(err)
		last := view.PastFindings[len(view.PastFindings)-1]
		if len(view.PastFindings) != 50 || !view.MorePast || last.ID != past[59].ID {
			t.Errorf("of 60 past findings there are %d, to %s, and more: %v", len(view.PastFindings), last.Fields, view.MorePast)
		}
	})
}
