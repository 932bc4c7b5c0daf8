package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const found = `{"config":{"protocol_version":"v1.0.0"}}
{"osv":{"id":"GO-1","summary":"one of a module"}}
{"osv":{"id":"GO-2","summary":"one of the standard library"}}
{"osv":{"id":"GO-3","summary":"another of it"}}
{"osv":{"id":"GO-4","summary":"not reached"}}
{"osv":{"id":"GO-5","summary":"not mended"}}
{"finding":{"osv":"GO-1","fixed_version":"v1.2.7","trace":[{"module":"example.org/m","version":"v1.1.0"}]}}
{"finding":{"osv":"GO-1","fixed_version":"v1.2.7","trace":[{"module":"example.org/m","version":"v1.1.0","package":"example.org/m","function":"Read"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","function":"Dial"}]}}
{"finding":{"osv":"GO-3","fixed_version":"v1.26.10","trace":[{"module":"stdlib","version":"v1.26.8","function":"Verify"}]}}
{"finding":{"osv":"GO-4","fixed_version":"v2.0.0","trace":[{"module":"example.org/n","version":"v1.0.0","package":"example.org/n"}]}}
{"finding":{"osv":"GO-5","trace":[{"module":"example.org/o","version":"v1.0.0","function":"Do"}]}}
`

// without leaves out what speaks of a fault.
func without(id string) string {
	var kept strings.Builder
	for line := range strings.Lines(found) {
		if !strings.Contains(line, `"`+id+`"`) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestWhatAModuleUpdateMendsFails(t *testing.T) {
	r, err := read(strings.NewReader(found))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = r.judge(&out, nil)
	if err == nil || !strings.Contains(out.String(), "go get example.org/m@v1.2.7") {
		t.Errorf("it did not fail, or does not say what to do: %v\n%s", err, out.String())
	}
	for _, want := range []string{"build a release with Go 1.26.10 or newer", "GO-2 stdlib", "GO-5 example.org/o", "4 reached, 1 in modules"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
}

func TestTheFilesNameTheGoOfARelease(t *testing.T) {
	r, err := read(strings.NewReader(without("GO-1")))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "Dockerfile")
	for text, good := range map[string]bool{
		"FROM golang:1.26.10-alpine AS build": true,
		"Build it with Go 1.27.0 or newer.":   true,
		"FROM golang:1.26.9-alpine AS build":  false,
		"FROM golang:1.26-alpine AS build":    false,
		"FROM scratch":                        false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.judge(&bytes.Buffer{}, []string{file}); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestATornOutputFails(t *testing.T) {
	if _, err := read(strings.NewReader(`{"finding":`)); err == nil {
		t.Error("half an output was taken for a good one")
	}
}
