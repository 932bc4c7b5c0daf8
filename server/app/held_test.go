package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldclue/server/upkeep"
)

// Through the whole program: a photo that is linked to a registered clue is held, a hold that somebody takes off is
// reported, and the next start sets it again.
func TestTheServerKeepsLegalHolds(t *testing.T) {
	cfg := configured(t, t.TempDir())
	o := open(t, cfg)
	_, dai := o.person("dai", "clue_manager", newID())
	content := picture(t, 7)
	photo, sum := o.declare(content, "image/jpeg")
	if status, code, _ := o.upload(o.ann, photo, sum, content); status != 201 {
		t.Fatalf("%d %s", status, code)
	}
	var clue struct {
		ID      string
		Version int64
	}
	o.ok("POST", "/v1/clues", dai, obj{"fields": obj{"title": "信访件", "channel": "petition"}}, &clue)
	o.ok("POST", "/v1/clues/"+clue.ID+"/links", dai, obj{"targetKind": "photo", "targetId": photo, "relation": "supports"}, nil)
	o.ok("POST", "/v1/clues/"+clue.ID+"/register", dai, obj{"version": clue.Version}, nil)
	verify := func() *upkeep.Report {
		t.Helper()
		r, err := upkeep.Verify(t.Context(), cfg, slog.New(slog.DiscardHandler), upkeep.Look{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	held := func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			r := verify()
			if r.Held == 1 && r.Sound() {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("it is not held:\n%s", r)
			}
		}
	}
	held()
	o.until("the register says so", func() bool {
		_, _, page := o.ask("GET", "/v1/photos/"+string(photo)+"/custody", dai, nil)
		return strings.Contains(string(page), `"hold_set"`)
	})
	stop(t, o.a)
	if err := os.Remove(filepath.Join(cfg.Data, "photos", "data", sum[:2], sum+".hold")); err != nil {
		t.Fatal(err)
	}
	if r := verify(); r.Sound() || !strings.Contains(r.String(), "not under legal hold") {
		t.Errorf("nobody missed it:\n%s", r)
	}
	start(t, cfg)
	held()
}
