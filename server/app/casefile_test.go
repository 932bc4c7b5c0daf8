package app_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"fieldclue/server/app"
	"fieldclue/server/casefile"
	"fieldclue/server/config"
	"fieldclue/server/upkeep"
)

// exportCase writes the file of a clue of the demo with the command, and gives its bytes.
func exportCase(t *testing.T, cfg config.Config, number string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "case.zip")
	done, at, err := app.ExportCase(t.Context(), cfg, slog.New(slog.DiscardHandler), number, path)
	if err != nil || at != path {
		t.Fatal(at, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) != done.Int("size") {
		t.Fatalf("%d bytes, %d are recorded: %v", len(b), done.Int("size"), err)
	}
	return b
}

// The same case gives the same file: again, from another process's view of the store, and from other engines.
func TestTheSameCaseGivesTheSameFile(t *testing.T) {
	if testing.Short() {
		t.Skip("plays the whole demo; skipped with -short")
	}
	cfg := configured(t, afterTheDemo(t))
	first := exportCase(t, cfg, "gz-liwan-2026-0001")
	if again := exportCase(t, cfg, "gz-liwan-2026-0001"); !bytes.Equal(first, again) {
		t.Error("another file the second time")
	}
	path := filepath.Join(t.TempDir(), "case.zip")
	if err := os.WriteFile(path, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if report, err := casefile.CheckFile(path, ""); err != nil || !report.Sound() || report.Photos != 2 {
		t.Errorf("%v\n%v", err, report)
	}
	t.Run("after moving to MongoDB and MinIO", func(t *testing.T) {
		to := onEngines(t)
		if _, err := upkeep.Move(t.Context(), cfg, to, slog.New(slog.DiscardHandler), nil); err != nil {
			t.Fatal(err)
		}
		if again := exportCase(t, to, "gz-liwan-2026-0001"); !bytes.Equal(first, again) {
			t.Error("another file from the other engines")
		}
	})
}
