package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A few kills of each kind, so that the soak itself is known to work.
func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server and kills it; skipped with -short")
	}
	var out bytes.Buffer
	o := options{kills: 6, seed: 2, pushers: 4, phones: 1, dir: t.TempDir(), load: 150 * time.Millisecond, full: 3, say: time.Hour, out: &out}
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "nothing acknowledged is missing, changed, or there twice") {
		t.Error(out.String())
	}
	t.Log(out.String())
}
