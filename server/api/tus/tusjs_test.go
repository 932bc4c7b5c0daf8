package tus_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fieldclue/server/api/tus"
)

// FIELDCLUE_NODE_MODULES names a folder node_modules that holds tus-js-client.
func TestTusJSClient(t *testing.T) {
	node, err := exec.LookPath("node")
	modules := os.Getenv("FIELDCLUE_NODE_MODULES")
	if err != nil || modules == "" {
		t.Skip("tus-js-client: skipped, it needs node on PATH and FIELDCLUE_NODE_MODULES, a folder with tus-js-client")
	}
	s := start(t)
	folder := t.TempDir()
	for _, id := range []string{"plain", "pieces", "stream", "with-creation"} {
		b, _ := s.photo(id, 3_000_000)
		must(t, os.WriteFile(filepath.Join(folder, id), b, 0o600))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "testdata/upload.cjs", "http://"+s.addr+tus.Path, folder)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if want := "plain received\npieces received\nstream received\nwith-creation received\n" +
		"plain received\nwith-creation received\n"; err != nil || string(out) != want {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(s.ledger.Stored) != 4 {
		t.Fatal(s.ledger.Stored)
	}
}
