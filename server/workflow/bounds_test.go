package workflow_test

import (
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// What stands before an approval is counted to the last conflict, and said to be too much where the approval itself would not be decided:
// nobody sees a part of it and takes it for the whole.
func TestWhatIsDecidedOnIsReadWhole(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
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
	})
}
