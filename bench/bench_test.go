package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// The figures of so short a run mean nothing; what counts is that every row was measured and nothing was lost.
func TestEveryRowIsMeasuredAndNothingIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server and loads it; skipped with -short")
	}
	var out bytes.Buffer
	o := options{store: "sqlite", blobs: "dir", clients: 2, duration: 100 * time.Millisecond, photoBytes: 60_000, dir: t.TempDir(), out: &out}
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"single pushes", "bare single writes", "documents in batches of 50", "bare batches", "documents pulled, first load",
		"photos in, examined beside", "recordings in, nothing to examine", "bare photos", "0 are missing, 0 are there twice", "verified: no fault",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(out.String(), " 0 docs/s") || strings.Contains(out.String(), " 0 MB/s") {
		t.Error("a row without a rate")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
