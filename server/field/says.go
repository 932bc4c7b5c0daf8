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
	for _, s := range known {
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

// Showing is what the page of a site shows of a kind.
type Showing string

// What there is to say. A kind that lives with a site and says none of them is a failing test.
const (
	ShownNone   Showing = "none"   // nothing
	ShownLatest Showing = "latest" // the last ones that were made
	ShownOpen   Showing = "open"   // those that wait for somebody: their Work is open
)

// OpenStates are those in which a record waits for somebody.
func (s *Spec) OpenStates() (states []State) {
	for _, w := range s.Work {
		for _, st := range w.Open {
			if !slices.Contains(states, st) {
				states = append(states, st)
			}
		}
	}
	return states
}

// Bearing is what the record that names a piece of evidence has to do with it.
type Bearing string

// The bearings. A field with the id of a photo, an interview or a visit that says none of them is a failing test,
// unless it is the Part of its kind.
const (
	RestsOnIt Bearing = "rests" // the record falls in doubt when the evidence no longer counts
	OnlyNamed Bearing = "named" // it stands whatever becomes of the evidence
)

// RestsOn are the fields with the evidence on which records of the kind rest.
func (s *Spec) RestsOn() []*Field { return s.rests }

// Ground is a field with evidence, and the kind whose records rest on it.
type Ground struct {
	*Spec
	*Field
}

// Grounds lists the fields that name evidence on which their records rest: those that name a visit, or those that name
// what was brought home from one.
func Grounds(visit bool) (all []Ground) {
	for _, s := range known {
		for _, f := range s.rests {
			if visit == (f.Of.Filing() == FiledVisit) {
				all = append(all, Ground{s, f})
			}
		}
	}
	return all
}

// AnsweredBy is the field with the visit that answered a record, and on which it rests; nil where no visit answers one.
func (s *Spec) AnsweredBy() *Field {
	for _, f := range s.rests {
		if f.Of.Filing() == FiledVisit {
			return f
		}
	}
	return nil
}

// Cases are the cases that a record names: that were made of it, as a clue is of a finding.
func (s *Spec) Cases(r *Record) (ids []RecordID) {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Type == ID && KindOf(f.Of).holding() != nil {
			ids = append(ids, f.Refs(r.Fields[f.Name])...)
		}
	}
	return ids
}

// Use is what the server itself keeps in the records of a kind.
type Use string

// The uses. Each has one kind.
const (
	UseConflict Use = "conflict" // two values of a field of which one stands
	UseKept     Use = "kept"     // an operation that was refused
	UseNotice   Use = "notice"   // what somebody is told
	UseHold     Use = "hold"     // that an original is under legal hold
	UseView     Use = "view"     // that somebody looked at a photo
)

// KindFor is the kind in which the server keeps something.
func KindFor(u Use) Kind { return byUse[u] }

// Tie says that records of a kind tie evidence to a case. The originals of photos that are tied to a case that holds
// them lie under legal hold.
type Tie struct {
	Case     string  // the key with the id of the case
	Evidence string  // the key with the id of the evidence
	Kind     string  // the field with its kind
	Relation string  // the field with what it does for the case
	Against  string  // the relation of evidence that speaks against the case
	Counts   []State // those in which it counts; in the others it was withdrawn
}

// Of is the case to which a record ties evidence, and which evidence that is.
func (t *Tie) Of(r *Record) (which, evidence RecordID) {
	return RecordID(r.Text(t.Case)), RecordID(r.Text(t.Evidence))
}

// Stands reports whether a record was not withdrawn.
func (t *Tie) Stands(r *Record) bool { return slices.Contains(t.Counts, r.State) }

// Contradicts reports whether what a record ties to a case speaks against it.
func (t *Tie) Contradicts(r *Record) bool { return t.Against != "" && r.Text(t.Relation) == t.Against }

// Tying lists the kinds that tie evidence to cases.
func Tying() (all []*Spec) {
	for _, s := range known {
		if s.Ties != nil {
			all = append(all, s)
		}
	}
	return all
}

// Holding says that records of a kind are cases: evidence that is tied to one is held while it goes on, for the
// organisation that manages it.
type Holding struct {
	For    string  // the field with that organisation
	Not    []State // in which nothing is held
	Merged State   // in which what is tied to it counts for another one
	Into   string  // the field with that one
}

// Holders lists the kinds that hold what is tied to them.
func Holders() (all []*Spec) {
	for _, s := range known {
		if s.Holds != nil {
			all = append(all, s)
		}
	}
	return all
}

// DeclaresBytes reports whether records of the kind declare bytes, which come after them.
func (k Kind) DeclaresBytes() bool {
	s := KindOf(k)
	return s != nil && s.Bytes != ""
}

// WithBytes lists the kinds that declare bytes.
func WithBytes() (all []Kind) {
	for _, s := range known {
		if s.Kind.DeclaresBytes() {
			all = append(all, s.Kind)
		}
	}
	return all
}

// Standing is a case itself, or the one into which it was merged, or any other record itself; nil when it is not there.
func Standing(look Lookup, id RecordID) (*Record, error) {
	for range mostMerged {
		r, err := look.Get(id)
		if err != nil || r == nil {
			return nil, err
		}
		h := KindOf(r.Kind).holding()
		if h == nil || r.State != h.Merged {
			return r, nil
		}
		id = RecordID(r.Text(h.Into))
	}
	return nil, nil
}

func (s *Spec) holding() *Holding {
	if s == nil {
		return nil
	}
	return s.Holds
}

// Told says who answers for a record and is told when what it rests on no longer counts.
type Told struct {
	ZH, EN string                 // what it is to them, with %s for the name of the kind
	People func(*Record) []UserID // nil: nobody
	Role   Role                   // who is told where there is nobody: all of the organisation's who hold it; empty: nobody
	Else   Notice                 // what these are told
}

// Who is told.
var (
	ToldNobody = &Told{} // its people learn of it from the review item beside it

	// ToldAuthor answers for a record that one person wrote.
	ToldAuthor = &Told{ZH: "您提交的%s", EN: "a %s of yours", People: func(r *Record) []UserID { return []UserID{r.Author} }}
)

// tell tells who answers for a record that the ground of it has moved.
func (t *Told) tell(c *Case, about *Record, because cause) error {
	told := false
	if t.People != nil {
		for _, u := range t.People(about) {
			if u != "" {
				c.Notify(u, because.toOwner(t, KindOf(about.Kind), KindOf(c.Record.Kind)))
				told = true
			}
		}
	}
	if told || t.Role == "" {
		return nil
	}
	return c.NotifyRole(about.Info.Owner(), t.Role, t.Else)
}

// Work says that a record waits for somebody.
type Work struct {
	As    string  // the key with whose work it is
	Role  string  // what that person is in it; empty: As
	Open  []State // in which it is not done
	Next  []State // in which it is the next thing that its people have to do: its scope comes first to their phones
	Move  string  // the command that moves it to somebody else; empty: none does
	Takes []Role  // of which somebody needs one to take it over

	// Args are the arguments of Move; today is a date.
	Args func(r *Record, from, to UserID, reason, today string) map[string]Value
}

// Trace says what records of a kind add to the custody of a photo.
type Trace struct {
	Key   string // the key by which they name the photo
	Bytes bool   // Key holds the SHA-256 of its bytes: it is about any photo of the same bytes
	ID    string // under which name the id of the record is shown; empty: it is not
	Steps []Step
}

// Step is a step of custody that an entry of the log tells.
type Step struct {
	Code  string   // of CustodySteps
	Set   []string // the entry sets one of these fields
	State State    // or brings the record into this state
	Shows []string // fields of the entry that are shown
	Words bool     // the record has sentences of its own for it
	Now   []string // fields that it shows as they are now
	Lost  *Between // where to look when the stamp that names the entry is overwritten
}

// Between is the part of a log between the entries that set two fields of a record. Once the second is set the step
// lies there.
type Between struct{ After, Before string }
