package app_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/upkeep"
)

// Every member of a document of every collection is changed, one is added, one taken out; verification names it.
func TestEveryMemberOfEveryCollection(t *testing.T) {
	if testing.Short() {
		t.Skip("tampers with everything in turn; skipped with -short")
	}
	server := mongotest.Start(t)
	cfg := configured(t, t.TempDir())
	cfg.MongoDB = config.MongoDB{URI: config.Secret(server.URI), Database: fmt.Sprintf("tamper-%d-%d", os.Getpid(), time.Now().UnixNano()), AllowStandIn: true}
	full(t, cfg)
	if text, sound := said(t, cfg, upkeep.Look{}); !sound {
		t.Fatal(text)
	}
	hands := mongotest.Reach(t, server, cfg.MongoDB.Database)
	for _, name := range hands.Collections() {
		if people(name) {
			continue
		}
		where := map[string]string{}
		if name == "records" {
			where = map[string]string{"kind": "photo", "state": "analysed"}
		}
		hands.EachHarm(name, where, name == "keys" || name == "cursors", func(id, what string) {
			text, sound := said(t, cfg, upkeep.Look{})
			if sound && !free(name, id, what) {
				t.Errorf("nobody noticed %s %s: %s\n%s", name, id, what, text)
			}
		})
	}
	hands.Make("notes")
	if text, sound := said(t, cfg, upkeep.Look{}); sound || !strings.Contains(text, "notes: this program did not make it") {
		t.Errorf("another collection:\n%s", text)
	}
	hands.Drop("notes")
	// What is derived is made anew.
	for name, harm := range map[string]func(){
		"keys of records": func() { hands.Set("records", "kind", "photo", "_sync.keys", []string{}) },
		"records":         func() { hands.TakeOut("records", "kind", "finding") },
		"a stray record":  func() { hands.PutIn("records", map[string]string{"_id": "x", "scope": "site/none"}) },
		"heads":           func() { hands.Set("scopes", "type", "site", "type", "x") },
	} {
		harm()
		if text, sound := said(t, cfg, upkeep.Look{}); sound {
			t.Errorf("nobody noticed %s:\n%s", name, text)
		}
		if done, err := upkeep.Rebuild(t.Context(), cfg, quiet, nil); err != nil || len(done.Failed) > 0 {
			t.Fatalf("%s: %v, %+v", name, err, done)
		}
		if text, sound := said(t, cfg, upkeep.Look{}); !sound {
			t.Errorf("%s, after rebuilding:\n%s", name, text)
		}
	}
}

// free is what may be changed without a word; harmless and TestEveryMemberOfAWorkingDocument say why.
func free(collection, id, what string) bool {
	gone := what == mongotest.TakenOut && (slices.Contains([]string{"cursors", "jobs"}, collection) && id != "anchor" ||
		id == "one-time-codes" || id == "accounts-in-log") // made again when they are needed
	return gone || what == "version" && !slices.Contains([]string{"log", "records", "scopes"}, collection) ||
		id == "access-token" || id == "one-time-codes" && strings.HasPrefix(what, "body.seed") || collection == "uploads" || collection == "cursors" && strings.HasPrefix(what, "body.seq") ||
		id == "setup" && (strings.HasPrefix(what, "body.hash") || strings.HasPrefix(what, "body.begun"))
}
