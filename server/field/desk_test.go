package field

import (
	"slices"
	"testing"
)

// What a Desk says is about what the kind has: commands, fields by which lists find, and a place where one is made.
func TestTheDeskOffersWhatTheKindHas(t *testing.T) {
	ids := map[string]Kind{}
	for _, s := range Kinds() {
		d := s.Desk
		if d == nil {
			continue
		}
		for i := range d.Acts {
			a := &d.Acts[i]
			if other := ids[a.ID]; other != "" {
				t.Errorf("%s is an act of a %s and of a %s", a.ID, other, s.Kind)
			}
			ids[a.ID] = s.Kind
			step := !slices.Contains([]string{VerbList, VerbGet, VerbCreate, VerbEdit}, a.Verb)
			if step && a.Command == nil {
				t.Errorf("%s: a %s has no command %s", a.ID, s.Kind, a.Verb)
			}
			if a.Verb == VerbEdit && len(s.Editable) == 0 {
				t.Errorf("%s: a %s cannot be edited in any state", a.ID, s.Kind)
			}
			if a.Says == "" || a.More == "" {
				t.Errorf("%s says not what it is, or no more than that", a.ID)
			}
			if len(a.Asked()) > 0 && a.Example == "" {
				t.Errorf("%s asks for arguments and has no example", a.ID)
			}
		}
		within := s.Named(d.Within)
		if d.Act(VerbCreate) != nil && s.Opens != OpensByID && s.Home != ScopeOrg && (within == nil || within.Type != ID || !within.Required) {
			t.Errorf("where is a %s made? Within names a field with the id of the scope", s.Kind)
		}
		for _, f := range d.Filters {
			if f.Name == "state" || f.Home {
				continue
			}
			if known := s.Named(f.Key); known == nil || !known.Key || f.Says == "" {
				t.Errorf("%s: lists of a %s do not find it by %s, or it says not what is left", f.Name, s.Kind, f.Key)
			}
		}
	}
	if len(ids) < 100 {
		t.Errorf("%d acts were found", len(ids))
	}
}
