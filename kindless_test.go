package fieldclue_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kindless is the code that names no kind of record: packages, and files of packages that do name some. What they do
// with one is said by its Spec, so that a new kind cannot be missing.
var kindless = []string{
	"sync/engine",
	"server/casefile",
	"server/evidence/holds.go",
	"server/workflow/graph.go",
	"server/workflow/impact.go",
	"server/workflow/custody.go",
	"server/workflow/inbox.go",
	"server/workflow/site.go",
}

func TestWhoAsksTheSpecNamesNoKind(t *testing.T) {
	w, err := openWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	looked, seen := map[string]bool{}, 0
	for _, p := range w.ours {
		room := strings.TrimPrefix(p.ImportPath, "fieldclue/")
		if !slices.ContainsFunc(kindless, func(k string) bool { return k == room || filepath.Dir(k) == room }) {
			continue
		}
		s, err := w.parsed(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.files {
			file := filepath.Join(room, filepath.Base(s.fset.Position(f.Pos()).Filename))
			for _, place := range []string{room, file} {
				looked[place] = true
			}
		}
		for file, names := range kindsNamed(s) {
			seen += len(names)
			if slices.Contains(kindless, room) || slices.Contains(kindless, filepath.Join(room, file)) {
				for _, name := range names {
					t.Errorf("%s: say it in the Spec, and ask that (server/field/says.go)", name)
				}
			}
		}
	}
	for _, k := range kindless {
		if !looked[k] {
			t.Errorf("%s is not there", k)
		}
	}
	if seen < 30 { // the other files of the desk name their kinds, 70 times when this was written: a guard that sees none of it is blind
		t.Errorf("only %d names of kinds were seen", seen)
	}
}

// kindsNamed are the constants of kinds in a package, by file: neither by its name nor as a text does one stand where a
// kind is expected.
func kindsNamed(s source) map[string][]string {
	named := map[string][]string{}
	for e, of := range s.info.Types {
		if of.Value != nil && of.Type.String() == ourField+"Kind" && of.Value.ExactString() != `""` {
			at := s.fset.Position(e.Pos())
			file := filepath.Base(at.Filename)
			named[file] = append(named[file], fmt.Sprintf("%s names the kind %s", at, of.Value))
		}
	}
	return named
}
