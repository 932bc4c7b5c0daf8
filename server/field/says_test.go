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

// A kind says all about itself, also that something does not concern it. What it leaves out would be missing where
// nobody looks for it.
func TestEveryKindSaysAllAboutItself(t *testing.T) {
	for _, s := range field.Kinds() {
		if !slices.Contains([]field.Opening{field.OpensNone, field.OpensByID, field.OpensByName}, s.Opens) {
			t.Errorf("%s does not say in Opens whether its scope is made with it", s.Kind)
		}
		if !slices.Contains(filings, s.Filed) {
			t.Errorf("%s does not say in Filed what place it has in the file of a case", s.Kind)
		}
		switch said := slices.Contains([]field.Showing{field.ShownNone, field.ShownLatest, field.ShownOpen}, s.Shown); {
		case s.Home == field.ScopeSite && !said:
			t.Errorf("%s lives with a site and does not say in Shown what of it the page of the site shows (ShownNone, ShownLatest, ShownOpen)", s.Kind)
		case s.Home != field.ScopeSite && s.Shown != "":
			t.Errorf("%s says in Shown what the page of its site shows, and lives with none", s.Kind)
		case s.Shown == field.ShownOpen && len(s.OpenStates()) == 0:
			t.Errorf("%s shows on the page of its site what is open, and does not say in Work what is", s.Kind)
		}
		if s.Opens.Scope() && s.Home == "" {
			t.Errorf("%s opens a scope and does not say in Home of which type", s.Kind)
		}
	}
}

// brings are the kinds that a visit brings home, and the visit: what names one of them rests on it or does not.
func brings(k field.Kind) bool {
	return slices.Contains([]field.Filing{field.FiledVisit, field.FiledPicture, field.FiledWords}, k.Filing())
}

// A field that names a photo, an interview or a visit says whether the record rests on it. Otherwise nobody is asked
// when the evidence falls.
func TestEveryKindSaysWhatItRestsOn(t *testing.T) {
	for _, s := range field.Kinds() {
		var look func(of []field.Field, in string)
		look = func(of []field.Field, in string) {
			for i := range of {
				f := &of[i]
				switch name := in + f.Name; {
				case f.Type == field.Object:
					look(f.Fields, name+".")
				case f.Evidence != "" && f.Type != field.ID:
					t.Errorf("%s.%s says what it is to a piece of evidence and names none", s.Kind, name)
				case f.Evidence == field.RestsOnIt && in != "":
					t.Errorf("%s.%s: a record is found by its own fields, not by members of them: it cannot rest on what stands there", s.Kind, name)
				case !brings(f.Of) || name == s.Part:
				case f.Evidence != field.RestsOnIt && f.Evidence != field.OnlyNamed:
					t.Errorf("%s.%s names a %s and does not say in Evidence whether the record rests on it (RestsOnIt, OnlyNamed)", s.Kind, name, f.Of)
				}
			}
		}
		look(s.Fields, "")
		for _, f := range s.RestsOn() {
			if !f.Key && f.Of.Filing() != field.FiledVisit {
				t.Errorf("%s.%s: what rests on a piece of evidence is found by its id: it must be a Key", s.Kind, f.Name)
			}
			if s.Home != field.ScopeSite {
				t.Errorf("%s.%s: what rests on the evidence of a site lives with the site; from elsewhere it is tied to it (Ties)", s.Kind, f.Name)
			}
		}
		if answers := len(s.RestsOn()) > 0 || s.Holds != nil || s.Filed == field.FiledVisit; answers {
			if s.Told == nil {
				t.Errorf("%s does not say in Told who is told when what it rests on no longer counts (ToldNobody, ToldAuthor)", s.Kind)
			}
			if s.Holds == nil && s.Filed != field.FiledVisit && len(s.Matters) == 0 {
				t.Errorf("%s does not say in Matters in which states the desk has built on what it rests on", s.Kind)
			}
		}
		for _, st := range s.Matters {
			if !hasState(s, st) {
				t.Errorf("%s.Matters: it has no state %s", s.Kind, st)
			}
		}
	}
}

func hasState(s *field.Spec, st field.State) bool {
	return slices.ContainsFunc(s.States, func(c field.Choice) bool { return c.Code == string(st) })
}

// What a kind says names fields, commands and states that it has.
func TestWhatAKindSaysIsThere(t *testing.T) {
	uses := map[field.Use]field.Kind{}
	for _, s := range field.Kinds() {
		has := func(what, name string, key bool) {
			if f := s.Named(name); f == nil || key && !f.Key {
				t.Errorf("%s.%s: it has no field %s by which it is found", s.Kind, what, name)
			}
		}
		in := func(what string, states ...field.State) {
			for _, st := range states {
				if !hasState(s, st) {
					t.Errorf("%s.%s: it has no state %s", s.Kind, what, st)
				}
			}
		}
		if s.Use != "" {
			if other := uses[s.Use]; other != "" {
				t.Errorf("%s and %s: the server keeps %s in one kind", s.Kind, other, s.Use)
			}
			uses[s.Use] = s.Kind
		}
		if s.Part != "" {
			if f := s.Named(s.Part); s.Part != "reportId" || f == nil || !f.Key || f.Of.Filing() != field.FiledVisit {
				t.Errorf("%s.Part: the parts of a report are found by reportId, a Key with the id of a report", s.Kind)
			}
		}
		if (s.Filed == field.FiledPicture) != (s.Bytes != "") {
			t.Errorf("%s: what is filed as a picture declares bytes, and says in Bytes which command notes that they have come", s.Kind)
		}
		if s.Bytes != "" {
			if c := s.Command(s.Bytes); c == nil || !c.Server {
				t.Errorf("%s.Bytes: the server has no command %s", s.Kind, s.Bytes)
			}
			has("Bytes", "sha256", true)
			has("Bytes", "receipt", false)
		}
		if (s.Filed == field.FiledLink) != (s.Ties != nil) || (s.Filed == field.FiledClue) != (s.Holds != nil) {
			t.Errorf("%s: what is filed as a link says in Ties what it ties, and what is filed as a clue in Holds while it holds its evidence", s.Kind)
		}
		if tie := s.Ties; tie != nil {
			has("Ties.Case", tie.Case, true)
			has("Ties.Evidence", tie.Evidence, true)
			has("Ties.Kind", tie.Kind, false)
			has("Ties.Relation", tie.Relation, false)
			has("Ties", "discredited", false)
			in("Ties.Counts", tie.Counts...)
			evidence := s.Named(tie.Kind).Choices
			for _, k := range field.Kinds() {
				may := slices.Contains([]field.Filing{field.FiledVisit, field.FiledPicture, field.FiledWords, field.FiledProblem}, k.Filed)
				if listed := slices.ContainsFunc(evidence, func(c field.Choice) bool { return c.Code == string(k.Kind) }); may != listed {
					t.Errorf("%s: as a kind of evidence that a %s ties it is listed: %t; filed as one: %t (evidenceKinds in choices.go)", k.Kind, s.Kind, listed, may)
				}
			}
		}
		if h := s.Holds; h != nil {
			has("Holds.For", h.For, false)
			has("Holds.Into", h.Into, false)
			in("Holds", append(slices.Clone(h.Not), h.Merged)...)
		}
		for _, w := range s.Work {
			has("Work.As", w.As, true)
			in("Work", slices.Concat(w.Open, w.Next)...)
			if w.Move != "" && (s.Command(w.Move) == nil || len(w.Takes) == 0 || w.Args == nil) {
				t.Errorf("%s.Work: what moves to somebody else by %q says who takes it over, and with which arguments", s.Kind, w.Move)
			}
		}
		if s.Trace == nil {
			continue
		}
		has("Trace.Key", s.Trace.Key, true)
		for _, step := range s.Trace.Steps {
			if !slices.ContainsFunc(field.CustodySteps, func(c field.Choice) bool { return c.Code == step.Code }) {
				t.Errorf("%s.Trace: there is no step %s (custody.go)", s.Kind, step.Code)
			}
			for _, name := range slices.Concat(step.Set, step.Shows, step.Now) {
				has("Trace", name, false)
			}
			if step.State != "" {
				in("Trace", step.State)
			}
		}
	}
	for _, u := range []field.Use{field.UseConflict, field.UseKept, field.UseNotice, field.UseHold, field.UseView} {
		if uses[u] == "" {
			t.Errorf("no kind says that the server keeps %s in it", u)
		}
	}
}
