package workflow_test

import (
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// An alias that is or holds a name of the people list is flagged for review, once, without saying whose name it is; any
// other is not.
func TestAnAliasLikeANameIsFlagged(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		scope := siteScope(c.sites[0])
		w.see("ann", scope)
		aliases := map[field.RecordID]string{}
		for _, alias := range []string{"ann", "村东 A.n n家", "甲户", "an", "青松户"} {
			id := w.id()
			aliases[id] = alias
			w.push("ann", scope, protocol.Operation{ID: id, Kind: field.KindInterview, Set: quoted(map[string]any{"siteId": c.sites[0], "alias": alias})})
		}
		home := w.id()
		aliases[home] = "ann"
		w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindHousehold, field.RecordID(home), quoted(map[string]any{"siteId": c.sites[0], "alias": "ann"})))
		entries, err := w.store.Entries(w.ctx, scope, 0, 1000)
		w.must(err)
		f := workflow.NewAliases(w.store, w.engine)
		for range 2 {
			for _, e := range entries {
				w.must(f.Entry(w.ctx, e))
			}
		}
		flags, err := w.store.List(w.ctx, store.Query{Visible: access.Everything, Scope: scope, Kinds: []field.Kind{field.KindFlag}, Limit: 100})
		w.must(err)
		flagged := map[field.RecordID]int{}
		for _, r := range flags {
			if r.Text("code") != workflow.AliasLikeName || r.Text("severity") != "review" || strings.Contains(r.Text("zh")+r.Text("en"), "ann") {
				t.Errorf("%s", r.Document())
			}
			flagged[field.RecordID(r.Text("targetId"))]++
		}
		for id, alias := range aliases {
			want := 0
			if strings.Contains(strings.ToLower(strings.NewReplacer(" ", "", ".", "").Replace(alias)), "ann") {
				want = 1
			}
			if flagged[id] != want {
				t.Errorf("%q has %d flags, want %d", alias, flagged[id], want)
			}
		}
	})
}
