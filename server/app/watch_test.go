package app

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/store/mongotest"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Of two server processes on one MongoDB, each learns what the other writes.
func TestAnotherServerHearsOfAWrite(t *testing.T) {
	mongodb := mongotest.Start(t)
	var servers []*App
	for range 2 {
		cfg, err := config.Load([]string{"--data", t.TempDir(), "--listen", "127.0.0.1:0"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		cfg.MongoDB = config.MongoDB{URI: config.Secret(mongodb.URI), Database: fmt.Sprintf("watch-%d", os.Getpid()), AllowStandIn: true}
		a, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		servers = append(servers, a)
	}
	pokes, cancel := servers[1].engine.Listen(100)
	defer cancel()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for n := int64(1); ; n++ { // it may not listen yet when the first is written
		org := field.OrgRecord("far")
		_, err := servers[0].engine.Commit(t.Context(), protocol.Batch{
			Actor: engine.Server, Device: "server/test", Number: n, Scope: "org/far", Strict: true, Trusted: true,
			Operations: []protocol.Operation{{ID: org, Kind: field.KindOrg, Set: map[string]field.Value{
				"code": field.Quote("far"), "name": field.Quote("远方"), "region": field.Quote("520500"),
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		again := time.NewTimer(2 * headsAlone)
		select {
		case p := <-pokes:
			if p.Scope != "org/far" || p.Seq < 1 || p.Seq > n {
				t.Fatalf("heard of %+v after %d entries", p, n)
			}
			return
		case <-again.C:
		case <-limit.C:
			t.Fatal("the other server was never told")
		}
	}
}
