package fieldclue_test

import (
	"go/types"
	"slices"
	"testing"
)

// kindless are the packages that name no kind of record: what they do with one is said by its Spec, so that a new kind cannot be missing.
var kindless = []string{"fieldclue/server/casefile"}

func TestWhoAsksTheSpecNamesNoKind(t *testing.T) {
	w, err := openWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, p := range w.ours {
		if !slices.Contains(kindless, p.ImportPath) {
			continue
		}
		looked++
		s, err := w.parsed(p)
		if err != nil {
			t.Fatal(err)
		}
		for id, of := range s.info.Uses {
			if c, ok := of.(*types.Const); ok && c.Type().String() == ourField+"Kind" {
				t.Errorf("%s: it names %s: say it in the Spec, and ask that", s.fset.Position(id.Pos()), id.Name)
			}
		}
	}
	if looked != len(kindless) {
		t.Errorf("%d of %d packages are there", looked, len(kindless))
	}
}
