package main

import (
	"bytes"
	"image"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"fieldclue/media/sandbox"
)

// A part may start this program again as a server of its own, and every server starts it to decode pictures: here that
// is the test.
func TestMain(m *testing.M) {
	sandbox.Main()
	if dir := os.Getenv(serveVariable); dir != "" {
		if err := serveApart(dir); err != nil {
			log.Fatal(err)
		}
		return
	}
	if path := os.Getenv(examineVariable); path != "" {
		if err := examineApart(path); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

var smallSizes = sizes{pushRate: 50, devices: 4, large: 30, perSite: 20, first: 2000, phones: 2, listeners: 30, deaf: 12, photo: image.Pt(400, 300), idle: 100 * time.Millisecond, half: 15, file: 20_000_000, screen: 10}

// The figures of so short a run mean nothing; what counts is that every row was measured and nothing was lost.
func TestEveryRowIsMeasuredAndNothingIsLost(t *testing.T) {
	if os.Getenv("FIELDCLUE_TEST_LONG") == "" {
		t.Skip("a load and no unit: CI runs it, and FIELDCLUE_TEST_LONG=1 does here")
	}
	var out bytes.Buffer
	o := options{all: true, sizes: smallSizes, store: "sqlite", blobs: "dir", clients: 2, duration: 100 * time.Millisecond, photoBytes: 60_000, dir: t.TempDir(), out: &out}
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"single pushes", "bare single writes", "documents in batches of 50", "bare batches", "documents pulled, first load",
		"examine: ", "both renditions",
		"half-load: ", "p99.9", "sign-in-flood: ", "during the flood: 10 of 10 honest sign-ins were served", "hot-scope: ", "4 devices in a closed loop", "pull-1m: ", "600 records", "finds 200 changed records of one scope", "finds nothing new",
		"alike: ", "600 photos at 30 sites", "as of now", "finds the same",
		"first-load: ", "2 at once: peak heap", "listeners: ", "every one of 30 heard of it", "12 listeners that do not read", "none of those that read",
		"half-sent: ", "15 of 15 were receipted", "large-file: ", "20 MB in", "review-screen: ", "10 small renditions", "10 large renditions", "within the quarter of an hour",
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
