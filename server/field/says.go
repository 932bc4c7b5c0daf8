package field

import "slices"

// Opening says whether a record makes the scope that it lives in.
type Opening string

// The ways. A kind that says none of them is a failing test.
const (
	OpensNone   Opening = "none"    // it lives in a scope that is there
	OpensByID   Opening = "by id"   // the scope bears the id of the record, and belongs to the organisation of who makes it
	OpensByName Opening = "by name" // the scope bears a name; the id of the record follows from it, and is the server's to know
)

// Scope reports whether a scope is made with the record.
func (o Opening) Scope() bool { return o == OpensByID || o == OpensByName }

// Filing is the place that records of a kind have in the file of a case, and in the graph of its clue.
type Filing string

// The places. A kind that says none of them is a failing test, and no gap in a file.
const (
	FiledNone     Filing = "none"     // it is no part of a case
	FiledClue     Filing = "clue"     // what the case is about
	FiledLink     Filing = "link"     // it ties evidence to the clue
	FiledVisit    Filing = "visit"    // what somebody saw at a place: with everything in it
	FiledProblem  Filing = "problem"  // what was found in a visit, with its evidence
	FiledPicture  Filing = "picture"  // evidence that is bytes: with the original, a small rendition and the receipt
	FiledWords    Filing = "words"    // evidence that a villager gave in words: as it stands, never what was corrected in it
	FiledFlag     Filing = "flag"     // a doubt about a part of a visit
	FiledConflict Filing = "conflict" // two values of which one stands
	FiledAround   Filing = "around"   // what is named by the rest and needed to read it
	FiledPerson   Filing = "person"   // who is named by the rest, as the author or in a field
)

// FiledAs lists the kinds that have one of the places.
func FiledAs(places ...Filing) []Kind {
	var found []Kind
	for _, s := range kinds {
		if slices.Contains(places, s.Filed) {
			found = append(found, s.Kind)
		}
	}
	return found
}

// Filing is the place of a kind in the file of a case; FiledNone where there is no such kind.
func (k Kind) Filing() Filing {
	if s := KindOf(k); s != nil {
		return s.Filed
	}
	return FiledNone
}
