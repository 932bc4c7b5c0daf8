package field_test

import (
	"slices"
	"testing"

	"fieldclue/server/field"
)

var filings = []field.Filing{
	field.FiledNone, field.FiledClue, field.FiledLink, field.FiledVisit, field.FiledProblem, field.FiledPicture, field.FiledWords,
	field.FiledFlag, field.FiledConflict, field.FiledAround, field.FiledPerson,
}

// A kind says all about itself, also that something does not concern it. What it leaves out would be missing where nobody looks for it.
func TestEveryKindSaysAllAboutItself(t *testing.T) {
	for _, s := range field.Kinds() {
		if !slices.Contains([]field.Opening{field.OpensNone, field.OpensByID, field.OpensByName}, s.Opens) {
			t.Errorf("%s does not say in Opens whether its scope is made with it", s.Kind)
		}
		if !slices.Contains(filings, s.Filed) {
			t.Errorf("%s does not say in Filed what place it has in the file of a case", s.Kind)
		}
		if s.Opens.Scope() && s.Home == "" {
			t.Errorf("%s opens a scope and does not say in Home of which type", s.Kind)
		}
	}
}
