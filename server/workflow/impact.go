package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Impact is what rests on a photo, as far as the reader may see it.
type Impact struct {
	Photo     protocol.PulledRecord   `json:"photo"`
	SameBytes []protocol.PulledRecord `json:"sameBytes"`        // other photo records with the same SHA-256
	Report    *protocol.PulledRecord  `json:"report,omitempty"` // that holds it
	Findings  []protocol.PulledRecord `json:"findings"`         // that name it as evidence
	Others    []protocol.PulledRecord `json:"others,omitempty"` // of other kinds that name it as evidence
	Revisits  []protocol.PulledRecord `json:"revisits"`         // that were answered with its report: what was put right, and what was not
	Links     []protocol.PulledRecord `json:"links"`            // to clues, not withdrawn
	Clues     []ClueImpact            `json:"clues"`
	Standing  []Standing              `json:"standing"` // of the findings, the others, the revisits and the clues, without the photo
}

// ClueImpact says whether a clue would still stand without the photo.
type ClueImpact struct {
	ClueID      field.RecordID          `json:"clueId"`
	Clue        *protocol.PulledRecord  `json:"clue,omitempty"` // left out when the reader may not see it
	Independent bool                    `json:"independent"`    // something else supports it
	Supports    []protocol.PulledRecord `json:"supports"`       // the links that do not rest on the photo
}

// Standing says on how many independent sources a record would still stand if the photo fell.
type Standing struct {
	ID       field.RecordID `json:"id"`
	Kind     field.Kind     `json:"kind"`
	Sources  int            `json:"sources"`
	KeepsTwo bool           `json:"keepsTwo"`
}

// PhotoImpact gives what rests on a photo, and what of it would still stand. Sources are counted as
// docs/decisions/custody.md says, among all that there is, also what the reader may not see: otherwise a clue would
// look weaker than it is.
func (f *Flow) PhotoImpact(ctx context.Context, who *access.Actor, id field.PhotoID) (*Impact, error) {
	photo, err := f.readFiled(ctx, who, field.RecordID(id), field.FiledPicture)
	if err != nil {
		return nil, err
	}
	look := &looking{flow: f, ctx: ctx, who: who}
	same, err := look.Find(photo.Kind, field.KeyFor("sha256", photo.Text("sha256")))
	if err != nil {
		return nil, err
	}
	same = slices.DeleteFunc(same, func(p *field.Record) bool { return p.ID == photo.ID })
	resting, err := field.RestingOn(look, photo)
	if err != nil {
		return nil, err
	}
	out := &Impact{
		Photo: protocol.FromRecord(photo), SameBytes: wire(same), Links: wire(resting.Links),
		Findings: []protocol.PulledRecord{}, Revisits: []protocol.PulledRecord{}, Clues: []ClueImpact{}, Standing: []Standing{},
	}
	var clues []field.RecordID
	visible := map[field.RecordID]*field.Record{}
	for _, l := range resting.Links {
		which, _ := field.KindOf(l.Kind).Ties.Of(l)
		clues = append(clues, which)
	}
	without := &falling{flow: f, ctx: ctx, photo: photo}
	for _, r := range resting.Records {
		var n int
		switch spec := field.KindOf(r.Kind); {
		case spec.Filed == field.FiledVisit:
			out.Report = wireOne(r)
			continue
		case spec.Holds != nil:
			visible[r.ID] = r
			clues = append(clues, r.ID)
			continue
		case spec.AnsweredBy() != nil:
			out.Revisits = append(out.Revisits, protocol.FromRecord(r))
			n, err = without.answered(r, spec.AnsweredBy())
		default:
			if spec.Filed == field.FiledProblem {
				out.Findings = append(out.Findings, protocol.FromRecord(r))
			} else {
				out.Others = append(out.Others, protocol.FromRecord(r))
			}
			clues = append(clues, spec.Cases(r)...)
			n, err = without.conclusion(r)
		}
		if err != nil {
			return nil, err
		}
		out.Standing = append(out.Standing, Standing{r.ID, r.Kind, n, n >= 2})
	}
	for _, clue := range distinct(clues) {
		c := ClueImpact{ClueID: clue, Clue: wireOne(visible[clue]), Supports: []protocol.PulledRecord{}}
		if visible[clue] != nil {
			supports, n, err := without.held(clue)
			if err != nil {
				return nil, err
			}
			c.Supports, c.Independent = wire(supports), len(supports) > 0
			out.Standing = append(out.Standing, Standing{clue, visible[clue].Kind, n, n >= 2})
		}
		out.Clues = append(out.Clues, c)
	}
	return out, nil
}

// looking is a field.Lookup of what somebody may see.
type looking struct {
	flow *Flow
	ctx  context.Context
	who  *access.Actor
}

func (l *looking) Get(id field.RecordID) (*field.Record, error) {
	if id == "" {
		return nil, nil
	}
	found, err := l.flow.readMany(l.ctx, l.who, []field.RecordID{id})
	return found[id], err
}

func (l *looking) Several(ids []field.RecordID) ([]*field.Record, error) {
	known, err := l.flow.readMany(l.ctx, l.who, ids)
	found := make([]*field.Record, len(ids))
	for i, id := range ids {
		found[i] = known[id]
	}
	return found, err
}

func (l *looking) Find(kind field.Kind, key string) ([]*field.Record, error) {
	return l.flow.every(l.ctx, l.who, store.Query{Kinds: []field.Kind{kind}, Keys: []string{key}})
}

func (l *looking) FindIn(scope field.Scope, kind field.Kind, key string) ([]*field.Record, error) {
	return l.flow.every(l.ctx, l.who, store.Query{Scope: scope, Kinds: []field.Kind{kind}, Keys: []string{key}})
}

func (l *looking) In(scope field.Scope, kind field.Kind) ([]*field.Record, error) {
	return l.flow.every(l.ctx, l.who, store.Query{Scope: scope, Kinds: []field.Kind{kind}})
}

// falling counts what stands without a photo.
type falling struct {
	flow  *Flow
	ctx   context.Context
	photo *field.Record
}

// source is where a piece of evidence comes from. Two pieces are independent when they come from different visits, or
// in one visit are of different kinds or from different authors. One photo that was declared twice is one source.
type source struct {
	report string
	kind   field.Kind
	author field.UserID
}

// sources are the independent sources of some evidence, and the visits that are only known by their report: these count
// unless something else of the visit does.
type sources struct {
	found map[source]bool
	sums  map[string]bool
	words map[string]bool
}

func (s *sources) count() int {
	n := len(s.found)
	for report := range s.words {
		held := false
		for f := range s.found {
			held = held || f.report == report
		}
		if !held {
			n++
		}
	}
	return n
}

// add takes a piece of evidence in, and reports whether it stands without the photo.
func (w *falling) add(s *sources, r *field.Record, evidence map[field.RecordID]*field.Record) bool {
	if r == nil || r.Deleted {
		return false
	}
	switch r.Kind.Filing() {
	case field.FiledPicture:
		sum := r.Text("sha256")
		if sum == w.photo.Text("sha256") || field.Discredited(r) || !field.PhotoIsStored(r) {
			return false
		}
		if !s.sums[sum] {
			s.sums[sum] = true
			s.found[source{r.Text("reportId"), r.Kind, r.Author}] = true
		}
		return true
	case field.FiledProblem:
		return w.concluded(s, r, evidence)
	case field.FiledVisit:
		return w.word(s, string(r.ID))
	}
	s.found[source{r.Text("reportId"), r.Kind, r.Author}] = true
	return true
}

// concluded takes in what a record rests on that was concluded from evidence; one that names none rests on the
// inspectors' word.
func (w *falling) concluded(s *sources, r *field.Record, evidence map[field.RecordID]*field.Record) bool {
	named := field.Named(r)
	if len(named) == 0 {
		return w.word(s, r.Text("reportId"))
	}
	stands := false
	for _, e := range named {
		if of := evidence[e]; of != nil && of.Scope == r.Scope {
			stands = w.add(s, of, nil) || stands
		}
	}
	return stands
}

// word counts a visit by its report. The report that holds the photo is no word for what the photo shows.
func (w *falling) word(s *sources, report string) bool {
	if report == "" || report == w.photo.Text("reportId") {
		return false
	}
	s.words[report] = true
	return true
}

// records loads records, no matter who may see them.
func (w *falling) records(ids []field.RecordID) (map[field.RecordID]*field.Record, error) {
	return w.flow.readMany(w.ctx, theServer, distinct(ids))
}

var theServer = &access.Actor{Server: true}

func newSources() *sources {
	return &sources{found: map[source]bool{}, sums: map[string]bool{}, words: map[string]bool{}}
}

func evidenceOf(findings map[field.RecordID]*field.Record) []field.RecordID {
	var ids []field.RecordID
	for _, r := range findings {
		if r.Kind.Filing() == field.FiledProblem {
			ids = append(ids, field.Named(r)...)
		}
	}
	return ids
}

// conclusion counts what a record rests on that was concluded from evidence, as a finding is.
func (w *falling) conclusion(r *field.Record) (int, error) {
	evidence, err := w.records(field.Named(r))
	if err != nil {
		return 0, err
	}
	s := newSources()
	w.concluded(s, r, evidence)
	return s.count(), nil
}

// answered counts what else was brought home from the visit that answered a record, as one answers a revisit task.
func (w *falling) answered(r *field.Record, by *field.Field) (int, error) {
	found, err := w.flow.every(w.ctx, theServer, store.Query{
		Scope: r.Scope, Kinds: field.FiledAs(field.FiledPicture, field.FiledWords), Keys: where{}.is("reportId", r.Text(by.Name)),
	})
	s := newSources()
	for _, e := range found {
		w.add(s, e, nil)
	}
	return s.count(), err
}

// held gives the links to a case that support it without the photo, and the number of their sources. One that
// contradicts is no support.
func (w *falling) held(id field.RecordID) ([]*field.Record, int, error) {
	var links []*field.Record
	for _, spec := range field.Tying() {
		found, err := w.flow.every(w.ctx, theServer, store.Query{
			Kinds: []field.Kind{spec.Kind}, States: spec.Ties.Counts, Keys: where{}.is(spec.Ties.Case, string(id)),
		})
		if err != nil {
			return nil, 0, err
		}
		links = append(links, found...)
	}
	target := func(l *field.Record) field.RecordID {
		_, evidence := field.KindOf(l.Kind).Ties.Of(l)
		return evidence
	}
	var ids []field.RecordID
	for _, l := range links {
		ids = append(ids, target(l))
	}
	targets, err := w.records(ids)
	if err != nil {
		return nil, 0, err
	}
	evidence, err := w.records(evidenceOf(targets))
	if err != nil {
		return nil, 0, err
	}
	s := newSources()
	links = slices.DeleteFunc(links, func(l *field.Record) bool {
		return field.KindOf(l.Kind).Ties.Contradicts(l) || !w.add(s, targets[target(l)], evidence)
	})
	return links, s.count(), nil
}

// resting finds the links and findings that name a photo.
func (f *Flow) resting(ctx context.Context, who *access.Actor, photo *field.Record) (links, findings []*field.Record, err error) {
	for _, spec := range field.Tying() {
		found, err := f.every(ctx, who, store.Query{
			Kinds: []field.Kind{spec.Kind}, States: spec.Ties.Counts, Keys: where{}.is(spec.Ties.Evidence, string(photo.ID)),
		})
		if err != nil {
			return nil, nil, err
		}
		links = append(links, found...)
	}
	for _, on := range field.Grounds(false) {
		if on.Filed != field.FiledProblem {
			continue
		}
		found, err := f.every(ctx, who, store.Query{Scope: photo.Scope, Kinds: []field.Kind{on.Kind}, Keys: where{}.is(on.Name, string(photo.ID))})
		if err != nil {
			return nil, nil, err
		}
		findings = append(findings, found...)
	}
	return links, findings, nil
}
