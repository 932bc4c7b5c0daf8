package field

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fieldclue/sync/exactjson"
)

// The kinds of record, with the type of their home scope in kinds below.
const (
	KindOrg       Kind = "org"
	KindPerson    Kind = "person"
	KindProject   Kind = "project"
	KindSite      Kind = "site"
	KindTemplate  Kind = "template"
	KindReport    Kind = "report"
	KindFinding   Kind = "finding"
	KindPhoto     Kind = "photo"
	KindInterview Kind = "interview"
	KindFlag      Kind = "flag"
	KindClue      Kind = "clue"
	KindLink      Kind = "link"
	KindCampaign  Kind = "campaign"
	KindRevisit   Kind = "revisit"
	KindNotice    Kind = "notice"
	KindGrant     Kind = "grant"
	KindRecusal   Kind = "recusal"
	KindConflict  Kind = "conflict"
	KindParked    Kind = "parked"
	KindRegister  Kind = "register"
	KindExport    Kind = "export"
	KindReview    Kind = "review"
	KindView      Kind = "view"
	KindHold      Kind = "hold"
	KindMandate   Kind = "mandate"
	KindAccount   Kind = "account"
	KindDevice    Kind = "device"
	KindCode      Kind = "code"
	KindSession   Kind = "session"
	KindHousehold Kind = "household"
	KindPayment   Kind = "payment"
)

// Spec declares a kind: its home, its fields, its life cycle.
type Spec struct {
	Kind     Kind
	ZH, EN   string
	Home     ScopeType // "": the scope of the record that it is about
	Opens    Opening   // whether its scope is made with it; every kind says it
	Filed    Filing    // its place in the file of a case and in the graph of a clue; every kind says it
	Shown    Showing   // what of it the page of its site shows; every kind that lives with a site says it
	Fields   []Field
	Initial  State
	States   []Choice
	Editable []State // states in which fields may be set; empty: never, only by commands
	Commands []Command
	Made     func(*Case) error      // runs when a record is made, after its fields are set; nil: nothing
	Edited   func(*Case) error      // runs after fields of a record that was there are set; nil: nothing
	Rank     func(*Record) string   // order in lists; nil: by the time of making
	Keys     func(*Record) []string // keys besides those of the fields; nil: none
	Desk     *Desk                  // how the desk offers it; nil: not by routes of its own
	ServerOK bool                   // made by the server only
	Moves    bool                   // its rank changes: field "moves" tells where it stood, so that a list that is read in pages stands still
	Long     bool                   // may have more than MaxRecord bytes: its scope is read at the desk

	// Whose a record is. Commands that are Own, and edits if EditOwn says so, are for these people: a colleague with
	// the same role and the same grant leaves the record alone, unless he has the action Others of the command, or
	// "edit_others". Part names the field with the report that a record is a part of: it is made by the report's
	// people, or with the action "create_others". nil: everybody who has the action.
	Whose   *Whose
	EditOwn bool
	Part    string

	// What only some kinds have to say (says.go).
	Page      ScopeType                         // what lives in the scope of this type that bears its id is shown on a page of it; empty: it has none
	Use       Use                               // what the server itself keeps in its records; empty: nothing, they are people's
	Bytes     string                            // the command that notes that the bytes have come which a record declares; empty: it declares none
	Ties      *Tie                              // it ties evidence to a case
	Holds     *Holding                          // it is a case: what is tied to it is held
	Matters   []State                           // in which the desk has built on what it rests on
	Told      *Told                             // who is told when what it rests on no longer counts
	Trace     *Trace                            // what it adds to the custody of a photo
	Work      []Work                            // whose work it is
	TellsKept func(*Case)                       // tells of what was sent for a record or a part of it, and was kept; nil: nobody is told
	Spares    func(*Case, Effect) (bool, error) // whether a record that a command of another one makes is not made after all; nil: all are made

	rests   []*Field            // filled by init: what it names and rests on
	field   map[string]*Field   //
	command map[string]*Command //
}

// Command is one step of a life cycle.
type Command struct {
	Name   string
	ZH, EN string
	From   []State // empty: any
	To     State   // empty: Do decides, or it stays
	Args   []Field
	Server bool // given by the server only

	Own      bool              // for those whose record it is
	Others   string            // the verb of the action that it takes for anybody else; empty: nobody else
	Whose    *Whose            // whose it is for this command; nil: the Spec's
	Readmits bool              // the operation that the record keeps is decided again, in the name of who sent it
	Do       func(*Case) error // guards and effects; nil: none

	TakesOver bool // what the operation that the record keeps says is taken over by another act, which is noted
}

// Case is what a command's guard sees and writes. Look reads what is committed, and what earlier operations of the same
// batch have changed.
type Case struct {
	Record *Record
	Args   map[string]Value
	Who    Who
	Now    time.Time
	Look   Lookup
	Secret string // of the process that decides

	ImageMax int64 // bytes of the largest image that is taken; 0: 64 MiB

	// Sees reports whether who acts may read a scope; nil: everything. What a person names is looked up with See, so
	// that nobody learns from a refusal whether something is there that he may not see.
	Sees func(Scope, ScopeInfo) bool
	// Head gives the attributes of a scope; ok is false when nothing was written to it. nil: none is known.
	Head func(Scope) (info ScopeInfo, ok bool, err error)

	Effects []Effect
}

// See is Look.Get through the eyes of who acts: nil for what is not there and for what may not be seen alike.
func (c *Case) See(id RecordID) (*Record, error) {
	r, err := c.Look.Get(id)
	if err != nil || r == nil || c.Sees != nil && !c.Sees(r.Scope, r.Info) {
		return nil, err
	}
	return r, nil
}

// SeesScope reports whether there is such a scope and who acts may read it.
func (c *Case) SeesScope(scope Scope) (bool, error) {
	if c.Head == nil {
		return true, nil
	}
	info, ok, err := c.Head(scope)
	return ok && (c.Sees == nil || c.Sees(scope, info)), err
}

// Whose says to whom a record belongs, in words and by the records.
type Whose struct {
	ZH, EN string
	People func(Lookup, *Record) ([]UserID, error)
}

// Own reports whether a command is for those whose record it is, and whose that is.
func (s *Spec) Own(cmd *Command) (own bool, whose *Whose) {
	if cmd.Whose != nil {
		return cmd.Own, cmd.Whose
	}
	return cmd.Own, s.Whose
}

// NewID makes the id of a record that a command brings about, with parts that tell it from others of the command. It is
// the same when the command is decided again, and nobody can work it out and take it first.
func (c *Case) NewID(parts ...string) RecordID {
	return ServerID(append([]string{c.Secret, string(c.Record.ID)}, parts...)...)
}

// Who acts.
type Who struct {
	User   UserID
	Org    OrgID
	Device DeviceID
	Server bool
}

// Lookup reads other records for a guard.
type Lookup interface {
	// Get returns the record, or nil when it is not known.
	Get(id RecordID) (*Record, error)
	// Several is Get for many, in their order.
	Several(ids []RecordID) ([]*Record, error)
	// Find returns the records of a kind, tombstones left out, that carry the key, such as "reportId=0192…". More than
	// the bound of a guard is an error: nothing is decided on half of what there is.
	Find(kind Kind, key string) ([]*Record, error)
	// FindIn is Find in one scope: what others have written elsewhere under the key is not among it, and fills no
	// bound.
	FindIn(scope Scope, kind Kind, key string) ([]*Record, error)
	// In returns the records of a kind in a scope, tombstones left out. The bound is that of Find.
	In(scope Scope, kind Kind) ([]*Record, error)
}

// MostFound bounds what a guard looks through: photos of a report, flags of a report, links of a photo, people of an
// organisation.
const MostFound = 5000

// FoundTooMany is what a Lookup answers where there are more records of a kind than MostFound.
func FoundTooMany(kind Kind) error {
	return Refuse(CodeTooLong, "There are more than %d records of kind %s to look through; nothing is decided on a part of them.", MostFound, kind).
		InChinese("需要查阅的%s超过 %d 条，不能只凭其中一部分作出决定。", kind.ZH(), MostFound)
}

// Effect is a change to another record, in this scope or in another one.
type Effect struct {
	ID    RecordID
	Kind  Kind
	Scope Scope
	Info  *ScopeInfo       // attributes of the scope, when it is made or changed by this
	Make  bool             // the record is made if it is missing; otherwise it is changed like any other
	Set   map[string]Value // by path; nil value: removed
	State State            // empty: as it is, or the initial one
	Edit  bool             // what is set is checked like an edit by hand: state, values, references, what the kind asks
}

// Own finds a record that the server makes under a derived id, or the id under which it is to make it; then the record
// is nil. Before such ids were reserved, anyone who knew what one is derived from could take it for a record of his
// own. Then the next one counts, and so on: nobody keeps the server from writing its record that way, or has it write
// into his.
func Own(look Lookup, id RecordID, kind Kind, scope Scope) (RecordID, *Record, error) {
	for {
		r, err := look.Get(id)
		if err != nil || r == nil || r.Kind == kind && r.Scope == scope {
			return id, r, err
		}
		id = DeriveID(r.CreatedAt, "next", string(id))
	}
}

// Set changes a field of the case's own record.
func (c *Case) Set(path string, v any) {
	if v == nil {
		delete(c.Record.Fields, path)
		return
	}
	c.Record.Fields[path] = Quote(v)
}

// Arg reads an argument as a text.
func (c *Case) Arg(name string) string {
	s, _ := exactjson.Text(c.Args[name]) // not a text: stays empty
	return s
}

// Effect adds a change to another record.
func (c *Case) Effect(e Effect) { c.Effects = append(c.Effects, e) }

// Notify puts a notice about the case's record into somebody's inbox.
func (c *Case) Notify(to UserID, n Notice) { c.NotifyAbout(to, c.Record, n) }

// NotifyAbout puts a notice about a record into somebody's inbox: one of a type in a batch.
func (c *Case) NotifyAbout(to UserID, about *Record, n Notice) {
	set := map[string]Value{
		"type": Quote(n.Type), "zh": Quote(n.ZH), "en": Quote(n.EN),
		"recordId": Quote(about.ID), "recordKind": Quote(about.Kind), "recordScope": Quote(about.Scope),
	}
	if n.Due != "" {
		set["due"] = Quote(n.Due)
	}
	if len(n.Items) > 0 {
		set["items"] = Quote(n.Items)
	}
	c.Effect(Effect{
		ID:   DeriveID(c.Now, "notice", string(to), string(about.ID), fmt.Sprint(about.Version), n.Type),
		Kind: KindNotice, Scope: MakeScope(ScopeUser, string(to)), Make: true, Set: set,
	})
}

// Notice is what somebody finds in the inbox.
type Notice struct {
	Type   string
	ZH, EN string
	Due    string // RFC 3339
	Items  []ReturnedItem
}

// KindOf returns the declaration of a kind; nil when this server does not know it.
func KindOf(k Kind) *Spec { return byKind[k] }

// ZH is what a record of the kind is called in Chinese; the code itself where there is no such kind.
func (k Kind) ZH() string {
	if s := KindOf(k); s != nil {
		return s.ZH
	}
	return string(k)
}

// StateZH is what the state of the record is called in Chinese; the code itself where its kind has no such state.
func (r *Record) StateZH() string {
	if s := KindOf(r.Kind); s != nil {
		return chosen(s.States, string(r.State)).ZH
	}
	return string(r.State)
}

// Chosen is the value of an enum with its labels; the code itself where it is none of the choices.
func (r *Record) Chosen(name string) Choice {
	var choices []Choice
	if f := KindOf(r.Kind).Named(name); f != nil {
		choices = f.Choices
	}
	return chosen(choices, r.Text(name))
}

func chosen(choices []Choice, code string) Choice {
	for _, c := range choices {
		if c.Code == code {
			return c
		}
	}
	return Choice{Code: code, ZH: code, EN: code}
}

// Kinds lists the declarations.
func Kinds() []*Spec { return known }

// Field returns the field that a path belongs to and the key within it; nil when there is none.
func (s *Spec) Field(path string) (f *Field, key string) {
	name, key, keyed := strings.Cut(path, ".")
	f = s.field[name]
	if f == nil || f.Keyed != keyed || keyed && !validKey(key) {
		return nil, ""
	}
	return f, key
}

// Without is the kind as a server knows it that is older than some of its fields.
func (s *Spec) Without(fields ...string) *Spec {
	older := *s
	older.field = maps.Clone(s.field)
	for _, name := range fields {
		delete(older.field, name)
	}
	older.Fields = slices.DeleteFunc(slices.Clone(s.Fields), func(f Field) bool { return slices.Contains(fields, f.Name) })
	return &older
}

// Command returns a command by name; nil when there is none.
func (s *Spec) Command(name string) *Command { return s.command[name] }

// Allows reports whether the command may be given in the state.
func (c *Command) Allows(s State) bool { return len(c.From) == 0 || slices.Contains(c.From, s) }

// EditableIn reports whether fields may be set in the state.
func (s *Spec) EditableIn(st State) bool { return slices.Contains(s.Editable, st) }

// Flatten turns the "set" of an operation into validated values by path. A nil value removes the path. server says that
// the server itself writes.
func (s *Spec) Flatten(set map[string]Value, server bool) (map[string]Value, error) {
	out := make(map[string]Value, len(set))
	put := func(f *Field, path string, v Value) error {
		if f == nil {
			return Refuse(CodeUnknownField, "%s has no field %s.", s.Kind, clip(path)).InChinese("%s没有字段 %s。", s.Kind.ZH(), clip(path))
		}
		if f.Moved != "" && !server {
			return Refuse(CodeMovedField, "%s", f.Moved).InChinese("%s", f.MovedZH)
		}
		if f.Server && !server {
			return Refuse(CodeReadOnlyField, "%s is written by the server or by a command only.", f.Name).
				InChinese("%s 只能由服务器写入，或随相应操作写入。", f.Name)
		}
		c, err := f.Check(v)
		if err != nil {
			return err
		}
		out[path] = c
		return nil
	}
	for name, v := range set {
		f := s.field[name]
		if f == nil || !f.Keyed {
			if f == nil {
				f, _ = s.Field(name) // by path
			}
			if err := put(f, name, v); err != nil {
				return nil, err
			}
			continue
		}
		members, err := exactjson.Members(v)
		if err != nil {
			return nil, Refuse(CodeWrongType, "%s is not an object, or has a key twice.", name).InChinese("%s 不是对象，或有重复的键。", name)
		}
		for key, v := range members {
			path := name + "." + key
			f, _ := s.Field(path)
			if err := put(f, path, v); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// Complete checks what must hold when a record is made: the required fields are there.
func (s *Spec) Complete(r *Record) error {
	for _, f := range s.Fields {
		if f.Required && !f.Keyed && r.Fields[f.Name] == nil {
			return Refuse(CodeMissingField, "%s is missing.", f.Name).InChinese("缺少 %s。", f.Name)
		}
		if f.Keyed {
			if keys, _ := r.Keyed(f.Name); len(keys) > maxKeyed {
				return Refuse(CodeTooLong, "%s has over %d entries.", f.Name, maxKeyed).InChinese("%s 超过 %d 项。", f.Name, maxKeyed)
			}
		}
	}
	return nil
}

// Refs lists the ids that a value of the field refers to.
func (f *Field) Refs(v Value) []RecordID {
	if f.Type != ID || v == nil {
		return nil
	}
	if f.List {
		var ids []RecordID
		_ = json.Unmarshal(v, &ids) // checked before; a stored value is a list of texts
		return ids
	}
	id, _ := exactjson.Text(v) // checked before; a stored value is a text
	return []RecordID{RecordID(id)}
}

// Index fills the record's Rank and Keys, by which lists order and find it.
func Index(r *Record) {
	s := byKind[r.Kind]
	if s == nil {
		r.Rank, r.Keys = "", nil
		return
	}
	r.Rank = RankTime(r.CreatedAt)
	if s.Rank != nil {
		r.Rank = s.Rank(r)
	}
	r.Keys = nil
	for i := range s.Fields {
		f := &s.Fields[i]
		v := r.Fields[f.Name]
		if !f.Key || v == nil {
			continue
		}
		if f.List {
			for _, t := range r.Texts(f.Name) {
				r.Keys = append(r.Keys, f.Name+"="+t)
			}
			continue
		}
		t := string(v)
		if v[0] == '"' {
			t = r.Text(f.Name)
		}
		r.Keys = append(r.Keys, f.Name+"="+t)
	}
	if s.Keys != nil {
		r.Keys = append(r.Keys, s.Keys(r)...)
	}
	if s.Moves {
		r.Keys = append(r.Keys, movedKeys(r)...)
	}
	slices.Sort(r.Keys)
	r.Keys = slices.Compact(r.Keys)
}

// RankNewest orders by time, newest first.
func RankNewest(t time.Time) string { return rank((int64(1) << 47) - t.UnixMilli()) }

// RankTime orders by time, oldest first.
func RankTime(t time.Time) string { return rank(t.UnixMilli()) }

// rank writes a number so that texts order as numbers do.
func rank(n int64) string {
	if n < 0 || n >= 1<<48 {
		return fmt.Sprintf("%012x", n)
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return hex.EncodeToString(b[2:])
}

// KeyFor makes the key by which Find and lists look a record up.
func KeyFor[T ~string](name string, value T) string { return name + "=" + string(value) }

var kinds = []*Spec{
	orgSpec, personSpec, mandateSpec, grantSpec, recusalSpec, noticeSpec, registerSpec, exportSpec,
	projectSpec, siteSpec, templateSpec,
	reportSpec, findingSpec, photoSpec, interviewSpec, flagSpec,
	clueSpec, linkSpec, campaignSpec, revisitSpec,
	conflictSpec, parkedSpec, reviewSpec, viewSpec, holdSpec,
	accountSpec, deviceSpec, oneTimeSpec, sessionSpec,
	householdSpec, paymentSpec,
}

// What the rules of the kinds themselves look up; filled by init.
var (
	known  []*Spec
	byKind = map[Kind]*Spec{}
	byUse  = map[Use]Kind{}
)

func init() {
	known = kinds
	for _, s := range known {
		if s.Moves {
			s.Fields = append(s.Fields, moves)
		}
		s.field = map[string]*Field{}
		for i := range s.Fields {
			f := &s.Fields[i]
			s.field[f.Name] = f
			if f.Evidence == RestsOnIt && s.Ties == nil {
				s.rests = append(s.rests, f)
			}
		}
		s.command = map[string]*Command{}
		for i := range s.Commands {
			s.command[s.Commands[i].Name] = &s.Commands[i]
		}
		if s.Desk != nil {
			s.Desk.fill(s)
		}
		byKind[s.Kind] = s
		if s.Use != "" {
			byUse[s.Use] = s.Kind
		}
	}
}
