package field

import (
	"cmp"
	"slices"
	"strings"
)

// Desk says how the desk offers a kind. From it follow the routes (server/api) and the paths of openapi.yaml
// (server/api/schemagen): nothing about a kind is written there by hand but views that put several records together. A
// kind without a Desk has no routes of its own.
type Desk struct {
	Path    string   // the plural in /v1/…; empty: the kind and an s
	Group   string   // the tag under which openapi.yaml has it
	Within  string   // the field with the id of the scope in which one is made; empty: see Place
	Filters []Filter // by what its list is narrowed
	Acts    []Act    // what people do with it; each of them needs the action of its verb in the access table
}

// Filter narrows a list to records whose key has a value: ?Name=value.
type Filter struct {
	Name string // "state" is the state
	Key  string // the field, which must be one with Key; empty: Name
	Home bool   // it is the id of the scope in which the records live
	Says string // which ones it leaves, in a sentence for openapi.yaml; empty for the state
}

// The verbs of acts that are no commands.
const (
	VerbCreate = "create"
	VerbEdit   = "edit"
	VerbList   = "list"
	VerbGet    = "get"
)

// Act is one thing that a person does at the desk, under the name by which programs know it. Of a command label,
// arguments and states stand in its Command.
type Act struct {
	Verb      string // one of those above, or the name of a command
	ID        string // the operationId; empty: the verb and the kind, such as closeClue
	Says      string // what is done, in a sentence for openapi.yaml, which is English; empty only for reading and listing
	More      string // for whom, with what effect, and as what it is refused
	Example   string // of what is sent, as YAML: the arguments, or the fields
	Body      string // the schema of the body that openapi.yaml has by hand, because it says more than the arguments do; empty: they say it all
	Everybody bool   // who may do it is asked of the record alone: there is no role for it

	Command *Command // of a command; filled by init
}

// fill puts in what goes without saying.
func (d *Desk) fill(s *Spec) {
	if d.Path == "" {
		d.Path = string(s.Kind) + "s"
	}
	for i := range d.Filters {
		if f := &d.Filters[i]; f.Key == "" {
			f.Key = f.Name
		}
	}
	for i := range d.Acts {
		a := &d.Acts[i]
		a.Command = s.Command(a.Verb)
		noun := s.Kind
		if a.Verb == VerbList {
			noun = Kind(d.Path)
		}
		if a.ID == "" {
			a.ID = a.Verb + upper(string(noun))
		}
		switch {
		case a.Verb == VerbList:
			a.Says, a.More = cmp.Or(a.Says, upper(d.Path)+"."), cmp.Or(a.More, "Those that you may read, with the filters below.")
		case a.Verb == VerbGet:
			a.Says, a.More = cmp.Or(a.Says, "One "+s.EN+"."), cmp.Or(a.More, "`not_found` when there is none, or none that you may see.")
		}
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Act finds an act by its verb; nil when the desk offers none.
func (d *Desk) Act(verb string) *Act {
	if d == nil {
		return nil
	}
	if i := slices.IndexFunc(d.Acts, func(a Act) bool { return a.Verb == verb }); i >= 0 {
		return &d.Acts[i]
	}
	return nil
}

// Asked are the arguments that a person gives with an act; the server puts the others together.
func (a *Act) Asked() []Field {
	if a.Command == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.Command.Args), func(f Field) bool { return f.Server })
}

// Said is the name of an argument in the body of an act.
func (f *Field) Said() string { return cmp.Or(f.As, f.Name) }

// Place is the scope in which somebody of an organisation makes a record of the kind: a new one of the record's own,
// the one that a field names by its id, or that of the organisation. named: it is one that must be there already; it is
// empty when the field holds no id.
func (s *Spec) Place(org OrgID, id RecordID, fields map[string]Value) (scope Scope, named bool) {
	switch {
	case s.Opens == OpensByID:
		return MakeScope(s.Home, string(id)), false
	case s.Desk.Within == "":
		return MakeScope(s.Home, string(org)), false
	}
	within := (&Record{Fields: fields}).Text(s.Desk.Within)
	if !ValidID(within) {
		return "", true
	}
	return MakeScope(s.Home, within), true
}
