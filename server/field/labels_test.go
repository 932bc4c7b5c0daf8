package field_test

import (
	"slices"
	"testing"
	"unicode"

	"fieldclue/server/field"
)

func labelled(t *testing.T, what, zh, en string) {
	t.Helper()
	if en == "" {
		t.Errorf("%s has no label in English", what)
	}
	hasHan := false
	for _, r := range zh {
		hasHan = hasHan || unicode.Is(unicode.Han, r)
	}
	if !hasHan && zh != "JPEG" && zh != "PNG" && zh != "HEIC" {
		t.Errorf("%s has no label in Chinese: %q", what, zh)
	}
}

// labelledFields walks fields with their choices and members, down to the last: forms and pages are made of them.
func labelledFields(t *testing.T, where string, fields []field.Field) {
	t.Helper()
	for _, f := range fields {
		name := where + "." + f.Name
		labelled(t, name, f.ZH, f.EN)
		for _, c := range f.Choices {
			labelled(t, name+" "+c.Code, c.ZH, c.EN)
		}
		labelledFields(t, name, f.Fields)
	}
}

// People read every kind, state, command, choice and code in Chinese and in English.
func TestEverythingPeopleReadIsLabelled(t *testing.T) {
	for _, s := range field.Kinds() {
		labelled(t, string(s.Kind), s.ZH, s.EN)
		for _, st := range s.States {
			labelled(t, string(s.Kind)+" "+st.Code, st.ZH, st.EN)
		}
		labelledFields(t, string(s.Kind), s.Fields)
		for _, c := range s.Commands {
			labelled(t, string(s.Kind)+"."+c.Name, c.ZH, c.EN)
			labelledFields(t, string(s.Kind)+"."+c.Name, c.Args)
		}
	}
	for name, choices := range field.Enums() {
		seen := map[string]bool{}
		for _, c := range choices {
			labelled(t, name+" "+c.Code, c.ZH, c.EN)
			if seen[c.Code] {
				t.Errorf("%s has %s twice", name, c.Code)
			}
			seen[c.Code] = true
		}
	}
	for _, c := range field.Codes() {
		labelled(t, "code "+string(c), c.SentenceZH(), c.Sentence())
		if c.Kind() == "" {
			t.Errorf("code %s has no kind", c)
		}
	}
}

func TestTheListsOfThePracticeAreComplete(t *testing.T) {
	groups := func(choices []field.Choice) map[string]int {
		n := map[string]int{}
		for _, c := range choices {
			n[c.Group]++
		}
		return n
	}
	if len(field.RedLines) != 20 || len(groups(field.RedLines)) != 3 {
		t.Errorf("20 red lines in three groups, have %d in %v", len(field.RedLines), groups(field.RedLines))
	}
	if len(field.Violations) != 12 || len(groups(field.Violations)) != 3 {
		t.Errorf("12 violations in three groups, have %d in %v", len(field.Violations), groups(field.Violations))
	}
}

// A life cycle that names a state which its kind does not have could never be shown to anybody.
func TestLifeCyclesNameOnlyTheirStates(t *testing.T) {
	for _, s := range field.Kinds() {
		has := func(st field.State) bool {
			return slices.ContainsFunc(s.States, func(c field.Choice) bool { return c.Code == string(st) })
		}
		if !has(s.Initial) {
			t.Errorf("%s starts as %q, which it does not have", s.Kind, s.Initial)
		}
		for _, st := range s.Editable {
			if !has(st) {
				t.Errorf("%s is editable as %q, which it does not have", s.Kind, st)
			}
		}
		names := map[string]bool{}
		for _, c := range s.Commands {
			if names[c.Name] {
				t.Errorf("%s has two commands %s", s.Kind, c.Name)
			}
			names[c.Name] = true
			for _, st := range c.From {
				if !has(st) {
					t.Errorf("%s.%s starts from %q, which it does not have", s.Kind, c.Name, st)
				}
			}
			if c.To != "" && !has(c.To) {
				t.Errorf("%s.%s leads to %q, which it does not have", s.Kind, c.Name, c.To)
			}
		}
		for _, f := range s.Fields {
			if f.Name == "" || s.Kind == "" {
				t.Errorf("%s has a field without a name", s.Kind)
			}
			if found, _ := s.Field(f.Name); !f.Keyed && found == nil {
				t.Errorf("%s does not find its field %s", s.Kind, f.Name)
			}
		}
	}
}

// Nothing submitted is ever deleted: the only command that makes a tombstone is void, it needs a reason, and it is
// never open to what has been approved or archived.
func TestVoidingNeedsAReason(t *testing.T) {
	for _, s := range field.Kinds() {
		c := s.Command("void")
		if c == nil {
			continue
		}
		if !slices.ContainsFunc(c.Args, func(f field.Field) bool { return f.Name == "reason" && f.Required }) {
			t.Errorf("%s can be voided without a reason", s.Kind)
		}
		for _, st := range []field.State{"approved", "archived", "sealed", "classified", "closed", "filed"} {
			if len(c.From) == 0 || slices.Contains(c.From, st) {
				t.Errorf("%s can be voided when it is %s", s.Kind, st)
			}
		}
	}
}
