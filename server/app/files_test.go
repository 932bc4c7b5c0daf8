package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldclue/server/upkeep"
)

// A file that nobody of this program put into the data directory is remarked, each by its name; the phones of the demo,
// which the demo goes on from, in one line that tells nobody to move them away.
func TestStrangeFilesAreRemarked(t *testing.T) {
	cfg := configured(t, t.TempDir())
	stop(t, open(t, cfg).a)
	for _, name := range []string{"notes.txt", "demo/story.json", "demo/phones/one/journal"} {
		path := filepath.Join(cfg.Data, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err := upkeep.Verify(t.Context(), cfg, slog.New(slog.DiscardHandler), upkeep.Look{})
	if err != nil || !report.Sound() {
		t.Fatalf("%v\n%v", err, report)
	}
	said := report.String()
	if strings.Count(said, "move it away") != 1 || !strings.Contains(said, "notes.txt is no file of this program") || strings.Count(said, "phones of fieldclue demo") != 1 {
		t.Errorf("%s", said)
	}
}
