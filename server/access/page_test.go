package access

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write docs/access.md anew")

// What people read is what the program judges by.
func TestThePageIsTheTable(t *testing.T) {
	const file = "../../docs/access.md"
	if *update {
		if err := os.WriteFile(file, Page(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, Page()) {
		t.Error("docs/access.md is older than server/access and server/field: go test ./server/access -run Page -update")
	}
}

// An action that nobody may do is a step that no record ever takes.
func TestEveryActionIsSomebodys(t *testing.T) {
	for _, r := range Rows() {
		if r.by() == "nobody" {
			t.Errorf("%s: no role may do it, and it does not say that it is the server's", r.Action())
		}
	}
}

// A power that names an action which no kind knows would be a mandate for nothing.
func TestThePowersNameActionsThatExist(t *testing.T) {
	known := allActions()
	for power, list := range powers {
		for action := range list {
			if !slices.Contains(known, action) {
				t.Errorf("%s: %s", power, action)
			}
		}
	}
	for name, list := range map[string]map[Action]bool{"own": own, "kept": kept} {
		for action := range list {
			if !slices.Contains(known, action) {
				t.Errorf("%s: %s", name, action)
			}
		}
	}
}
