package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/upkeep"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// The program reads its log through the archive wherever it reads it, and verification reads the bundles.
func TestTheProgramReadsThroughTheArchive(t *testing.T) {
	ctx, dir, quiet := t.Context(), t.TempDir(), slog.New(slog.DiscardHandler)
	cfg, err := config.Load([]string{"--data", dir, "--listen", "127.0.0.1:0"}, []string{"FIELDCLUE_ARCHIVE_DAYS=30"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(ctx, cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	batch := protocol.Batch{Actor: engine.Server, Device: "server/setup", Number: 1, Scope: "org/gz-liwan", Strict: true, Trusted: true, Operations: []protocol.Operation{{
		ID: field.OrgRecord("gz-liwan"), Kind: field.KindOrg,
		Set: map[string]field.Value{"code": field.Quote("gz-liwan"), "name": field.Quote("荔湾"), "region": field.Quote("440103")},
	}}}
	first, err := a.engine.Commit(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := upkeep.ArchiveOnce(ctx, a.parts, cfg, time.Now(), nil); err != nil || done.Entries != 0 {
		t.Fatalf("an entry of today: %+v, %v", done, err)
	}
	done, err := upkeep.ArchiveOnce(ctx, a.parts, cfg, time.Now().AddDate(1, 0, 0), nil)
	if err != nil || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	e, err := a.parts.Raw.Entry(ctx, batch.Scope, 1)
	if err != nil || e.Bundle == "" {
		t.Fatalf("%+v, %v", e, err)
	}
	if again, err := a.engine.Commit(ctx, batch); err != nil || !again.Replayed || again.Hash != first.Hash {
		t.Errorf("the batch again: %+v, %v", again, err)
	}
	if report, err := a.Verify(ctx); err != nil || !report.Sound() || report.Entries != int64(done.Entries) {
		t.Errorf("%v\n%v", err, report)
	}
	if err := upkeep.Archive(ctx, cfg, quiet, func(string) {}); err == nil {
		t.Error("the command archived under a running server")
	}
	last, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := a.Stop(last); err != nil {
		t.Fatal(err)
	}

	var said []string
	if err := upkeep.Archive(ctx, cfg, quiet, func(line string) { said = append(said, line) }); err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "0 entries") {
		t.Errorf("the command: %q, %v", said, err)
	}
	never := cfg
	never.ArchiveDays = 0
	if err := upkeep.Archive(ctx, never, quiet, func(string) {}); err == nil || !strings.Contains(err.Error(), "FIELDCLUE_ARCHIVE_DAYS") {
		t.Errorf("without an age: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "photos", "data", e.Bundle[:2], e.Bundle)); err != nil {
		t.Fatal(err)
	}
	report, err := upkeep.Verify(ctx, cfg, quiet, upkeep.Look{})
	if err != nil || report.Sound() || !strings.Contains(report.String(), e.Bundle) {
		t.Errorf("a lost bundle: %v\n%v", err, report)
	}
}
