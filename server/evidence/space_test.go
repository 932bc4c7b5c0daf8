package evidence

import (
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// A threshold that was told is told, also by a server whose notice has other words, and nobody's record is in the way.
func TestAThresholdIsToldOnceInWhateverWords(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		org, to := field.OrgRecord("gz"), f.id()
		f.do("org/gz", protocol.Operation{ID: org, Kind: field.KindOrg, Set: said(map[string]any{"code": "gz", "name": "贵州", "region": "520000"})})
		records, err := f.holds.store.Records(t.Context(), []field.RecordID{org})
		f.must(err)
		inbox := field.MakeScope(field.ScopeUser, string(to))
		f.do(inbox, protocol.Operation{ // the id that followed from all this
			ID: field.DeriveID(records[0].CreatedAt, "space", "gz", "7 80", string(to)), Kind: field.KindNotice,
			Set: said(map[string]any{"type": "info", "recordId": to, "recordKind": "person", "recordScope": inbox, "zh": "其他", "en": "another"}),
		})
		for _, words := range []string{"old words", "new words"} {
			l := &Ledger{engine: engine.New(engine.Options{Store: f.holds.store}), store: f.holds.store}
			f.must(l.notice(t.Context(), to, "server/space/gz", 7080, "空间", words, map[string]field.Value{
				"recordId": field.Quote(org), "recordKind": field.Quote(field.KindOrg), "recordScope": field.Quote(records[0].Scope),
			}))
		}
		found, err := f.holds.store.List(t.Context(), store.Query{Visible: access.Everything, Scope: inbox, Kinds: []field.Kind{field.KindNotice}, Limit: 10})
		f.must(err)
		told := 0
		for _, r := range found {
			if r.Text("recordKind") == "org" && r.Text("en") == "old words" {
				told++
			}
		}
		if told != 1 || len(found) != 2 {
			t.Errorf("told %d times; %d notices", told, len(found))
		}
	})
}
