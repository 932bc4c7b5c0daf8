package app_test

import (
	"log/slog"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/upkeep"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// An older server kept in org/ who was paid and who petitioned. The next one moves it when it starts: what everybody of
// the organisation pulls names nobody then, and who works with it has it where it lies now.
func TestNoPrivateNameLiesInWhatEverybodyPulls(t *testing.T) {
	onBoth(t, setApart)
}

func setApart(t *testing.T, cfg config.Config) {
	const paid, petitioner = "钱七", "孙家户"
	o := open(t, cfg)
	tokens := map[string]string{"inspector": o.ann, "supervisor": o.desk, "administrator": o.admin}
	devices := map[string]field.RecordID{"inspector": o.phone}
	for _, role := range []string{"clue_manager", "leader", "auditor", "team_lead", "handler", "liaison", "responsible_unit", "contributor", "identity_custodian"} {
		devices[role] = newID()
		_, tokens[role] = o.person(strings.ReplaceAll(role, "_", "."), role, devices[role])
	}
	stop(t, o.a)
	old := newID()
	asOlderServer(t, cfg, func(s engine.Kept) {
		e := engine.New(engine.Options{Store: s, Kinds: func(k field.Kind) *field.Spec {
			spec := *field.KindOf(k)
			if k == field.KindProject {
				spec.Made = nil // there was no ledger
			}
			return &spec
		}})
		set := func(id field.RecordID, kind field.Kind, fields obj) protocol.Operation {
			op := protocol.Operation{ID: id, Kind: kind, Set: map[string]field.Value{}}
			for name, v := range fields {
				op.Set[name] = field.Quote(v)
			}
			if known, err := s.Records(t.Context(), []field.RecordID{id}); err == nil && len(known) == 1 {
				op.Base = known[0].Version
			}
			return op
		}
		_, err := e.Commit(t.Context(), protocol.Batch{
			Actor: engine.Server, Device: "server/older", Number: 1, Scope: "org/bijie", Strict: true, Trusted: true, Operations: []protocol.Operation{
				set(old, field.KindProject, obj{"externalId": "OLD", "name": "旧项目", "type": "industry", "county": "520502", "payments": []obj{
					{"date": "2026-01-02", "amount": 9000, "payee": paid, "payeeKind": "person"}, {"date": "2026-01-03", "amount": 1, "payee": "某公司", "payeeKind": "unit"},
				}}),
				set(o.site, field.KindSite, obj{"households": []obj{{"alias": petitioner, "petitioned": true}, {"alias": "李家户"}}}),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	})

	for round := range 2 { // the second start finds nothing to do
		o.a = start(t, cfg)
		var page struct{ Items []protocol.PulledRecord }
		o.ok("GET", "/v1/payments?projectId="+string(old), o.desk, nil, &page)
		if len(page.Items) != 2 || !strings.Contains(string(page.Items[0].Fields)+string(page.Items[1].Fields), paid) {
			t.Fatalf("start %d: payments %+v", round, page.Items)
		}
		o.ok("GET", "/v1/households?siteId="+string(o.site), o.desk, nil, &page)
		if len(page.Items) != 2 || !strings.Contains(string(page.Items[0].Fields)+string(page.Items[1].Fields), petitioner) {
			t.Fatalf("start %d: households %+v", round, page.Items)
		}
		for role, token := range tokens {
			o.walk(role, token, devices[role], old, paid, petitioner)
		}
		stop(t, o.a)
	}
	v, err := upkeep.Verify(t.Context(), cfg, slog.New(slog.DiscardHandler), upkeep.Look{})
	if err != nil || len(v.Faults) > 0 {
		t.Errorf("%v, %+v", err, v)
	}
	asOlderServer(t, cfg, func(s engine.Kept) {
		q := store.Query{Visible: access.Everything, Scope: "org/bijie", Limit: 500, Deleted: true}
		if err := store.EachPage(t.Context(), s, q, func(records []*field.Record) error {
			for _, r := range records {
				if field.HeldInOrg(r) || strings.Contains(string(r.Document()), paid) || strings.Contains(string(r.Document()), petitioner) {
					t.Errorf("%s %s holds %s", r.Kind, r.ID, r.Document())
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

// walk looks for private names in everything that a role reads.
func (o *office) walk(role, token string, device, project field.RecordID, paid, petitioner string) {
	o.t.Helper()
	seen := ""
	if device != "" { // the others sit at a desk, and read the same by its routes
		var pulled struct{ Records []protocol.PulledRecord }
		o.ok("POST", "/v1/sync/pull", token, obj{"device": device, "cursors": obj{}, "limit": 2000}, &pulled)
		for _, r := range pulled.Records {
			seen += string(r.Fields)
			if r.Scope.Type() == field.ScopeOrg && (strings.Contains(string(r.Fields), paid) || strings.Contains(string(r.Fields), petitioner)) {
				o.t.Errorf("a %s pulls %s %s", role, r.Kind, r.Fields)
			}
		}
	}
	for _, path := range []string{"/v1/payments?projectId=" + string(project), "/v1/households?siteId=" + string(o.site), "/v1/sites/" + string(o.site), "/v1/projects/" + string(project), "/v1/projects", "/v1/sites"} {
		_, _, answer := o.ask("GET", path, token, nil)
		seen += string(answer)
	}
	office := map[string]bool{"supervisor": true, "clue_manager": true, "leader": true, "auditor": true}[role]
	if got := strings.Contains(seen, paid); got != office {
		o.t.Errorf("a %s reads who was paid: %v", role, got)
	}
	if got := strings.Contains(seen, petitioner); got != (office || role == "inspector") {
		o.t.Errorf("a %s reads who petitioned: %v", role, got)
	}
}
