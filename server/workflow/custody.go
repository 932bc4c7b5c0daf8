package workflow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Custody is the chain of hands of a photo, in the order in which the server learned of it.
type Custody struct {
	Photo   protocol.PulledRecord `json:"photo"`
	Events  []CustodyEvent        `json:"events"`
	Views   bool                  `json:"views"`   // the reader is told who of his own organisation looked
	Exports bool                  `json:"exports"` // the reader is told of holds and exports that his own organisation has registered
	More    bool                  `json:"more"`    // there is more than is listed
}

// CustodyEvent is one step. Clock says whose word At is: "server", or "device" and "app" for what a phone stated.
type CustodyEvent struct {
	Code    string                 `json:"code"`
	ZH      string                 `json:"zh"`
	EN      string                 `json:"en"`
	At      string                 `json:"at"`
	Clock   string                 `json:"clock"`
	By      *Named                 `json:"by,omitempty"` // nil: the server itself, or not known
	Device  field.DeviceID         `json:"device,omitempty"`
	Entry   EntryRef               `json:"entry"`             // that says so
	Details map[string]field.Value `json:"details,omitempty"` // as the entry has them

	by   field.UserID
	when time.Time // by the server's clock: events are ordered by it
}

// EntryRef names an entry of the log.
type EntryRef struct {
	Scope field.Scope `json:"scope"`
	Seq   int64       `json:"seq"`
	Hash  string      `json:"hash"`
}

// mostLooks is how many views, of the photo itself and of its report's small pictures, are listed.
const mostLooks = 300

// PhotoCustody tells what happened to a photo, by whom, and where the log says so. Every step is read from the entry
// that made it, which the stamps of the records name. Only a withdrawn confirmation, and evidence that was taken out of
// a finding, have no stamp left: they are looked for between two entries that are known. Who may see the photo sees its
// steps in the site; links, holds, exports and views are for those who read the scope in which they stand.
func (f *Flow) PhotoCustody(ctx context.Context, who *access.Actor, id field.PhotoID) (*Custody, error) {
	photo, err := f.readFiled(ctx, who, field.RecordID(id), field.FiledPicture)
	if err != nil {
		return nil, err
	}
	at := photo.Info
	at.Orgs = []field.OrgID{who.Org}
	out := &Custody{
		Photo:   protocol.FromRecord(photo),
		Views:   access.MayRead(who, field.CustodyScope(field.SiteID(photo.Scope.ID()), who.Org), at),
		Exports: access.MayRead(who, field.MakeScope(field.ScopeRegister, string(who.Org)), at),
	}
	c := &chain{flow: f, ctx: ctx, who: who, photo: photo}
	for _, part := range []func() error{c.kept, c.own, c.evidence, c.traces, c.views} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	out.More = c.more
	slices.SortStableFunc(c.events, func(a, b CustodyEvent) int {
		return cmp.Or(a.when.Compare(b.when), cmp.Compare(a.Entry.Scope, b.Entry.Scope), cmp.Compare(a.Entry.Seq, b.Entry.Seq))
	})
	var ids []field.RecordID
	for _, e := range c.events {
		ids = append(ids, field.RecordID(e.by))
	}
	name, err := f.named(ctx, who, ids)
	if err != nil {
		return nil, err
	}
	for i := range c.events {
		c.events[i].By = name(ids[i])
	}
	out.Events = c.events
	return out, nil
}

// chain collects the steps of one photo.
type chain struct {
	flow   *Flow
	ctx    context.Context
	who    *access.Actor
	photo  *field.Record
	asKept *told  // the entry of a declaration that was kept and accepted, if the reader may know of it
	sentAt string // its time by the device
	events []CustodyEvent
	more   bool // something was left out
}

// told is what a step needs of an entry, which may be large with what else was sent in it.
type told struct {
	place      EntryRef
	at         time.Time
	by         field.UserID
	device     field.DeviceID
	deviceTime string
}

// entry reads an entry. Its body is for the caller alone; the chain keeps none.
func (c *chain) entry(scope field.Scope, seq int64) (told, *protocol.Body, error) {
	e, err := c.flow.store.Entry(c.ctx, scope, seq)
	if err != nil {
		return told{}, nil, err
	}
	return read(e)
}

func read(e store.Entry) (told, *protocol.Body, error) {
	body, err := protocol.Open(e)
	if err != nil {
		return told{}, nil, err
	}
	return told{EntryRef{body.Scope, body.Seq, e.Hash}, e.At, body.Actor, body.Device, body.DeviceTime}, &body, nil
}

// step begins the event of an entry: by the person who sent it, at the server's time.
func (t told) step(code string, details map[string]field.Value) CustodyEvent {
	e := CustodyEvent{
		Code: code, At: protocol.Stamp(t.at), Clock: "server", by: t.by, when: t.at,
		Entry: t.place, Details: details,
	}
	if t.by != "" {
		e.Device = deviceOf(t.device)
	}
	for _, s := range field.CustodySteps {
		if s.Code == code {
			e.ZH, e.EN = s.ZH, s.EN
		}
	}
	return e
}

// kept finds the declaration among what was refused when it came and kept: not edits of the photo, and not what others
// sent under its id.
func (c *chain) kept() error {
	found, whole, err := c.flow.upTo(c.ctx, store.Query{
		Visible: access.Quarantine(c.who), Kinds: []field.Kind{keptKind}, Keys: where{}.is("recordId", string(c.photo.ID)).is("author", string(c.photo.Author)),
	}, mostLinks)
	if err != nil {
		return err
	}
	c.more = c.more || !whole
	first := c.photo.Fields["sha256"]
	var corrected map[string]field.Value
	if c.photo.Decode("declaredFirst", &corrected) == nil && corrected != nil {
		first = corrected["sha256"]
	}
	for _, p := range found {
		var op protocol.Operation
		if p.Text("target") != string(c.photo.Scope) || p.Text("recordKind") != string(c.photo.Kind) || p.Decode("operation", &op) != nil {
			continue // what does not read as an operation cannot have been accepted
		}
		if op.Base != 0 || op.Command != "" || !bytes.EqualFold(op.Set["sha256"], first) {
			continue
		}
		t, _, err := c.entry(p.Scope, p.Stamps["operation"].Seq)
		if err != nil {
			return err
		}
		e := t.step(field.StepKept, part(p.Fields, "code"))
		e.by, e.Device = field.UserID(p.Text("author")), field.DeviceID(p.Text("device"))
		c.add(e)
		if p.State == field.ParkedAccepted {
			c.asKept, c.sentAt = &t, p.Text("deviceTime")
		}
	}
	return nil
}

// said are the fields of a photo that people may change.
var said = []string{"caption", "item", "photoPoint"}

// own are the steps of the photo's record.
func (c *chain) own() error {
	return c.steps(c.photo, func(t told, e Event) error {
		if e.Set["reportId"] != nil {
			c.declared(t, e)
		} else {
			c.addIf(t, field.StepRedeclared, part(e.Set, "sha256", "size", "type"))
			edited := part(e.Set, said...)
			for _, name := range e.Unset {
				if slices.Contains(said, name) {
					edited = with(edited, name, field.Value("null"))
				}
			}
			c.addIf(t, field.StepEdited, edited)
		}
		if e.Set["receipt"] != nil {
			if err := c.received(t, e.Set); err != nil {
				return err
			}
		}
		c.addIf(t, field.StepExamined, part(e.Set, "facts", "small", "large", "perceptual", "analysisNote"))
		c.addIf(t, field.StepDiscredited, part(e.Set, "discreditReason"))
		c.addIf(t, field.StepVoided, part(e.Set, "voidReason"))
		return nil
	})
}

// declared are the steps that the declaration tells: taken, hashed, declared; and that somebody accepted it, if it was
// kept.
func (c *chain) declared(t told, e Event) {
	first, sentAt := t, t.deviceTime
	accepted := t.by != c.photo.Author
	if accepted {
		sentAt = c.sentAt
		if c.asKept != nil {
			first = *c.asKept
		}
	}
	by := func(t told, code string, details map[string]field.Value) CustodyEvent {
		s := t.step(code, details)
		s.by, s.Device = c.photo.Author, deviceOf(c.photo.Device)
		return s
	}
	if at := c.photo.Text("takenAt"); at != "" {
		s := by(first, field.StepCaptured, part(e.Set, "takenAt", "position", "capture", "clockSkewMs"))
		s.At, s.Clock = at, "app"
		c.add(s)
	}
	s := by(first, field.StepHashed, part(e.Set, "sha256", "size", "type"))
	switch {
	case new(time.Time).UnmarshalText([]byte(sentAt)) == nil:
		s.At, s.Clock = sentAt, "device"
	case sentAt != "": // nobody has checked it
		s.Details = with(s.Details, "deviceTime", field.Quote(sentAt))
	}
	c.add(s)
	c.add(by(t, field.StepDeclared, part(e.Set, "reportId", "item", "photoPoint", "caption")))
	if accepted {
		c.add(t.step(field.StepAccepted, nil))
	}
}

// received are the steps of the upload, which may have ended with bytes that were here already. By whom it was sent is
// not known of what an older server received.
func (c *chain) received(t told, set map[string]field.Value) error {
	var paper struct {
		ReceivedAt time.Time
		Size       int64
	}
	if err := json.Unmarshal(set["receipt"], &paper); err != nil {
		return err
	}
	var broke []struct {
		Offset int64
		At     time.Time
		Code   field.Value
	}
	if v := set["breaks"]; v != nil {
		if err := json.Unmarshal(v, &broke); err != nil {
			return err
		}
	}
	record := &field.Record{Fields: set}
	at := func(code string, when time.Time, details map[string]field.Value) CustodyEvent {
		s := t.step(code, details)
		s.by, s.Device = field.UserID(record.Text("sentBy")), field.DeviceID(record.Text("sentFrom"))
		if !when.IsZero() {
			s.At, s.when = protocol.Stamp(when), when
		}
		return s
	}
	from := int64(0)
	for _, b := range broke {
		piece := map[string]field.Value{"from": field.Quote(from), "offset": field.Quote(b.Offset)}
		if b.Code != nil {
			piece["code"] = b.Code
		}
		c.add(at(field.StepInterrupted, b.At, piece))
		from = b.Offset
	}
	whole := with(part(set, "interruptions"), "from", field.Quote(from))
	if paper.Size > 0 {
		whole["size"] = field.Quote(paper.Size)
	}
	code := field.StepReceived
	if string(set["already"]) == "true" {
		code = field.StepFound
	}
	c.add(at(code, paper.ReceivedAt, whole))
	s := at(field.StepReceipt, paper.ReceivedAt, part(set, "receipt"))
	s.by, s.Device = "", ""
	c.add(s)
	return nil
}

// traces are the steps that records of other kinds add: their Trace says how they name the photo, and what an entry of
// theirs tells. What stands in a register about a clue from which the reader stays away is not told.
func (c *chain) traces() error {
	for _, spec := range field.Kinds() {
		trace := spec.Trace
		if trace == nil {
			continue
		}
		name := string(c.photo.ID)
		if trace.Bytes {
			name = c.photo.Text("sha256")
		}
		found, err := c.all(store.Query{Scope: c.beside(spec), Kinds: []field.Kind{spec.Kind}, Keys: where{}.is(trace.Key, name)})
		if err != nil {
			return err
		}
		for _, r := range found {
			if slices.Contains(c.who.Recused, field.MakeScope(field.ScopeClue, r.Text("clueId"))) {
				continue
			}
			if err := c.steps(r, func(t told, e Event) error {
				for i := range trace.Steps {
					if err := c.trace(trace, &trace.Steps[i], r, t, e); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside is the scope of the photo for a kind that lives with it; empty, which is all of them, for another one.
func (c *chain) beside(spec *field.Spec) field.Scope {
	if spec.Home == c.photo.Scope.Type() {
		return c.photo.Scope
	}
	return ""
}

// trace adds a step of a record, if the entry tells it. A step whose entry no stamp names any more lies in the log
// between two that are known.
func (c *chain) trace(trace *field.Trace, step *field.Step, r *field.Record, t told, e Event) error {
	if lost := step.Lost; lost != nil && e.Set[lost.Before] != nil {
		return c.between(r, r.Stamps[lost.After].Seq, r.Stamps[lost.Before].Seq, func(t told, e Event) bool {
			if e.State != step.State {
				return true
			}
			c.add(t.step(step.Code, details(trace, step, r, e)))
			return false
		})
	}
	if step.State != "" && e.State != step.State || len(step.Set) > 0 && part(e.Set, step.Set...) == nil {
		return nil
	}
	s := t.step(step.Code, details(trace, step, r, e))
	if step.Words {
		s.ZH, s.EN = cmp.Or(r.Text("zh"), s.ZH), cmp.Or(r.Text("en"), s.EN)
	}
	c.add(s)
	return nil
}

// details are what a step shows.
func details(trace *field.Trace, step *field.Step, r *field.Record, e Event) map[string]field.Value {
	shown := map[string]field.Value{}
	maps.Copy(shown, part(e.Set, step.Shows...))
	maps.Copy(shown, part(r.Fields, step.Now...))
	if trace.ID != "" {
		shown[trace.ID] = field.Quote(r.ID)
	}
	return shown
}

// evidence are the records that rest on the photo as evidence, as a finding does, and those that did: who wrote a
// finding may change what it names while it is open, and the stamp knows the last change alone. The others lie between
// it and the entry that made the finding.
func (c *chain) evidence() error {
	for _, on := range field.Grounds(false) {
		if err := c.evidenceOf(on); err != nil {
			return err
		}
	}
	return nil
}

func (c *chain) evidenceOf(on field.Ground) error {
	seen := map[field.RecordID]bool{}
	for _, q := range []store.Query{{Scope: c.photo.Scope, Keys: where{}.is(on.Name, string(c.photo.ID))}, {Scope: c.photo.Scope}} {
		q.Kinds = []field.Kind{on.Kind}
		found, err := c.all(q)
		if err != nil {
			return err
		}
		for _, r := range found {
			from, upTo := firstOf(r), r.Stamps[on.Name].Seq
			if seen[r.ID] || from == upTo && !c.among(on, r.Fields[on.Name]) {
				continue
			}
			seen[r.ID] = true
			about := map[string]field.Value{string(r.Kind) + "Id": field.Quote(r.ID)}
			named := false
			if err := c.between(r, from-1, upTo+1, func(t told, e Event) bool {
				if e.Set[on.Name] == nil && !slices.Contains(e.Unset, on.Name) {
					return true
				}
				switch now := c.among(on, e.Set[on.Name]); {
				case now && !named:
					c.named(on, t, field.StepEvidence, about)
				case named && !now:
					c.named(on, t, field.StepUnnamed, about)
				}
				named = c.among(on, e.Set[on.Name])
				return true
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// named adds that a record names the photo as evidence, or no longer does.
func (c *chain) named(on field.Ground, t told, code string, about map[string]field.Value) {
	s, said := t.step(code, about), field.EvidenceStep(code, on.Spec)
	s.ZH, s.EN = said.ZH, said.EN
	c.add(s)
}

// firstOf is the number of the entry that made a record: a field that never changes has its stamp.
func firstOf(r *field.Record) int64 {
	var first int64
	for _, s := range r.Stamps {
		if first == 0 || s.Seq < first {
			first = s.Seq
		}
	}
	return first
}

// among reports whether the photo is among what a field names.
func (c *chain) among(on field.Ground, v field.Value) bool {
	return slices.Contains(on.Refs(v), c.photo.ID)
}

// views are those of the reader's own organisation: of the photo itself, and of the small pictures of its report since
// it has one. Those are noted once in a quarter of an hour, so who looked earlier in the one in which it came may have
// seen it too: the step stands where that begins to be possible.
func (c *chain) views() error {
	var small time.Time
	if s, ok := c.photo.Stamps["small"]; ok {
		t, _, err := c.entry(c.photo.Scope, s.Seq)
		if err != nil {
			return err
		}
		small = t.at
	}
	for name, about := range map[string]string{"photo": string(c.photo.ID), "report": c.photo.Text("reportId")} {
		if about == "" || name == "report" && small.IsZero() {
			continue
		}
		found, whole, err := c.flow.all(c.ctx, c.who, store.Query{Kinds: []field.Kind{field.KindFor(field.UseView)}, Keys: where{}.is(name, about)}, mostLooks)
		if err != nil {
			return err
		}
		c.more = c.more || !whole
		for _, r := range found {
			if name == "report" && !r.Time("since").Add(field.ViewWindow).After(small) {
				continue
			}
			t, _, err := c.entry(r.Scope, r.Version)
			if err != nil {
				return err
			}
			code := field.StepViewed
			if name == "report" {
				code = field.StepViewedList
			}
			s := t.step(code, part(r.Fields, "what", "report", "since"))
			if name == "report" && s.when.Before(small) {
				s.At, s.when = protocol.Stamp(small), small.Add(1) // behind the step that made the picture
			}
			s.by, s.Device = field.UserID(r.Text("by")), field.DeviceID(r.Text("device"))
			c.add(s)
		}
	}
	return nil
}

// all reads the records that the reader may see, also those that were taken out of view.
func (c *chain) all(q store.Query) ([]*field.Record, error) {
	q.Deleted = true
	found, whole, err := c.flow.all(c.ctx, c.who, q, mostLinks)
	c.more = c.more || !whole
	return found, err
}

// steps calls do for every entry that a record's stamps name, the oldest first, with what it says of the record.
func (c *chain) steps(r *field.Record, do func(t told, e Event) error) error {
	var seqs []int64
	for _, s := range r.Stamps {
		seqs = append(seqs, s.Seq)
	}
	slices.Sort(seqs)
	for _, seq := range slices.Compact(seqs) {
		t, body, err := c.entry(r.Scope, seq)
		if err != nil {
			return err
		}
		if e, ok := protocol.EventOf(body, t.place.Hash, r.ID); ok {
			if err := do(t, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// between calls do, until it is false, for the entries behind from and before upTo that concern a record.
func (c *chain) between(r *field.Record, from, upTo int64, do func(t told, e Event) bool) error {
	for from < upTo-1 {
		entries, err := c.flow.store.Entries(c.ctx, r.Scope, from, int(min(wholePage, upTo-1-from)))
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			from = e.Seq
			if !bytes.Contains(e.Body, []byte(`"`+string(r.ID)+`"`)) {
				continue
			}
			t, body, err := read(e)
			if err != nil {
				return err
			}
			if event, ok := protocol.EventOf(body, t.place.Hash, r.ID); ok && !do(t, event) {
				return nil
			}
		}
	}
	return nil
}

// deviceOf is the enrolled device behind the name under which a batch stands in the log: "desk/0193…",
// "via/site/…/desk/0193…".
func deviceOf(d field.DeviceID) field.DeviceID {
	return d[strings.LastIndexByte(string(d), '/')+1:]
}

func (c *chain) add(e CustodyEvent) { c.events = append(c.events, e) }

// addIf adds a step for which the entry has something to show.
func (c *chain) addIf(t told, code string, details map[string]field.Value) {
	if details != nil {
		c.add(t.step(code, details))
	}
}

// part picks values of an entry; nil when none of them is there.
func part(set map[string]field.Value, names ...string) map[string]field.Value {
	var out map[string]field.Value
	for _, n := range names {
		if v := set[n]; v != nil {
			out = with(out, n, v)
		}
	}
	return out
}

func with(set map[string]field.Value, name string, v field.Value) map[string]field.Value {
	if set == nil {
		set = map[string]field.Value{}
	}
	set[name] = v
	return set
}
