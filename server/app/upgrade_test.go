package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/mongo"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// An older server has kept what a newer app sent: a field that it did not know. The next one, which knows it, starts on
// the same store, and the operation takes effect without anybody's doing.
func TestWhatANewerAppSentTakesEffectWhenTheNewServerStarts(t *testing.T) {
	onBoth(t, upgrades)
}

func upgrades(t *testing.T, cfg config.Config) {
	o := open(t, cfg)
	stop(t, o.a)
	finding, kept := newID(), newID()
	asOlderServer(t, cfg, func(s engine.Kept) {
		grants, err := s.List(t.Context(), store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindGrant}, Limit: 1})
		if err != nil || len(grants) != 1 {
			t.Fatalf("%d grants, %v", len(grants), err)
		}
		own := grants[0].Scope // the inspector's
		_, err = engine.New(engine.Options{Store: s}).Commit(t.Context(), protocol.Batch{
			Actor: engine.Server, Device: "server/older", Number: 1, Scope: own, Strict: true, Trusted: true, Operations: []protocol.Operation{{
				ID: kept, Kind: field.KindParked, Set: map[string]field.Value{
					"code": field.Quote(field.CodeUnknownField), "message": field.Quote("title is not known"), "recordId": field.Quote(finding),
					"recordKind": field.Quote("finding"), "target": field.Quote(o.scope), "author": field.Quote(own.ID()), "device": field.Quote(o.phone),
					"operation": field.Quote(obj{"id": finding, "kind": "finding", "base": 0, "set": obj{"siteId": o.site, "title": "漏雨"}}),
				},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	o.a = start(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _, _ := o.ask("GET", "/v1/findings/"+string(finding), o.desk, nil)
		if status == http.StatusOK {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the operation did not take effect: %d", status)
		}
	}
	var parked struct {
		State  field.State
		Fields struct{ Outcome protocol.Outcome }
	}
	o.ok("GET", "/v1/records/"+string(kept), o.ann, nil, &parked)
	if parked.State != "accepted" || parked.Fields.Outcome.Outcome != protocol.Applied {
		t.Errorf("the kept operation: %+v", parked)
	}
}

// asOlderServer opens the store of a server that is not running.
func asOlderServer(t *testing.T, cfg config.Config, do func(engine.Kept)) {
	t.Helper()
	var s interface {
		engine.Kept
		Close() error
	}
	var err error
	if cfg.MongoDB.URI == "" {
		s, err = sqlite.Open(t.Context(), cfg.Data)
	} else {
		s, err = mongo.Open(t.Context(), mongo.Options{
			URI: string(cfg.MongoDB.URI), Database: cfg.MongoDB.Database, AllowStandIn: true, Logger: slog.New(slog.DiscardHandler),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
