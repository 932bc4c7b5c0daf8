package checks_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// Every code that a rule raises is enumerated for those who write clients, and none that no rule raises.
func TestEveryFlagCodeIsEnumerated(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	raised := map[string]bool{}
	for _, path := range append(sources, "../workflow/aliases.go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"((?:photo|alias|report|visit|interview)_[a-z_]+)"`).FindAllSubmatch(src, -1) {
			raised[string(m[1])] = true
		}
	}
	for code := range raised {
		if !slices.ContainsFunc(field.FlagCodes, func(c field.Choice) bool { return c.Code == code }) {
			t.Errorf("field.FlagCodes lacks %s", code)
		}
	}
	for _, c := range field.FlagCodes {
		if !raised[c.Code] {
			t.Errorf("no rule raises %s", c.Code)
		}
	}
}
