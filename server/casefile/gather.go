package casefile

import (
	"cmp"
	"context"
	"io"
	"slices"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Source is what is read of the store. The contracts of the methods stand in server/store/log.go.
type Source interface {
	Head(ctx context.Context, scope field.Scope) (store.Head, error)
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
}

// Blobs gives the bytes of originals and renditions alike. The contract stands in media/blob.
type Blobs interface {
	Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, sum blob.Sum) (blob.Info, error)
}

// Maker makes case files.
type Maker struct {
	Store Source
	Blobs Blobs
	Keys  receipt.Holder // the server's, with which receipts are signed too
}

// near collects the records of a case, as they are stored.
type near struct {
	ctx     context.Context
	store   Source
	visible access.Filter
	clue    *field.Record
	in      map[field.RecordID]*field.Record
	left    map[field.RecordID]LeftOut
	reports []*field.Record // whose parts are still to be looked at
}

// collect finds what belongs to a case: the clue with all its links; what links that were not withdrawn lead to, and
// the finding from which the clue came; of findings the evidence; and the report of each, with everything in it that is
// not tied to another clue alone. To read it also: site, template and the people who are named; not the project, whose
// payments name villagers. What the filter does not show stays out.
func collect(ctx context.Context, s Source, visible access.Filter, id field.ClueID) (*near, error) {
	n := &near{ctx: ctx, store: s, visible: visible, in: map[field.RecordID]*field.Record{}, left: map[field.RecordID]LeftOut{}}
	found, err := s.Records(ctx, []field.RecordID{field.RecordID(id)})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].Kind.Filing() != field.FiledClue || !visible.Match(found[0].Scope, found[0].Info) {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	n.clue = found[0]
	n.in[n.clue.ID] = n.clue
	links, err := n.list(store.Query{Scope: n.clue.Scope, Kinds: field.FiledAs(field.FiledLink)})
	if err != nil {
		return nil, err
	}
	roots := []field.RecordID{field.RecordID(n.clue.Text("findingId"))}
	for _, l := range links {
		n.in[l.ID] = l
		if field.KindOf(l.Kind).Ties.Stands(l) {
			roots = append(roots, field.RecordID(l.Text("targetId")))
		}
	}
	if err := n.take("", roots); err != nil {
		return nil, err
	}
	for len(n.reports) > 0 {
		r := n.reports[0]
		n.reports = n.reports[1:]
		if err := n.parts(r); err != nil {
			return nil, err
		}
	}
	if err := n.remarks(); err != nil {
		return nil, err
	}
	return n, n.surroundings()
}

// list reads a list to its end. It is asked of everything: what is shown is decided record by record.
func (n *near) list(q store.Query) (all []*field.Record, err error) {
	q.Visible, q.Limit = access.Everything, 500
	err = store.EachPage(n.ctx, n.store, q, func(page []*field.Record) error {
		all = append(all, page...)
		if len(all) > maxRecords {
			return field.Refuse(field.CodeTooLong, "The case has over %d records.", maxRecords).InChinese("该案卷的记录超过 %d 条。", maxRecords)
		}
		return nil
	})
	return all, err
}

// take takes in records that the case rests on, with what they rest on. in is the scope in which they all lie; empty:
// anywhere. The evidence and the report of a finding lie where it does: what it names elsewhere is no part of it, and
// nothing is told of it.
func (n *near) take(in field.Scope, ids []field.RecordID) error {
	var fresh []field.RecordID
	for _, id := range ids {
		if _, known := n.in[id]; id != "" && !known && !slices.Contains(fresh, id) {
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	records, err := n.store.Records(n.ctx, fresh)
	if err != nil {
		return err
	}
	for _, r := range records {
		if in != "" && r.Scope != in || !n.keep(r) {
			continue
		}
		var on []field.RecordID
		switch r.Kind.Filing() {
		case field.FiledVisit:
			n.reports = append(n.reports, r)
		case field.FiledProblem:
			for _, e := range r.Texts("evidence") {
				on = append(on, field.RecordID(e))
			}
			on = append(on, field.RecordID(r.Text("reportId")))
		case field.FiledPicture, field.FiledWords:
			on = append(on, field.RecordID(r.Text("reportId")))
		}
		if err := n.take(r.Scope, on); err != nil {
			return err
		}
	}
	return nil
}

// keep takes one record in, unless it must stay out.
func (n *near) keep(r *field.Record) bool {
	why := ""
	switch {
	case !n.visible.Match(r.Scope, r.Info):
		why = whyHidden
	case r.Kind.Filing() == field.FiledWords && r.Deleted:
		why = whyVoided
	case r.Scope.Type() != field.ScopeSite:
		why = whyElsewhere
	}
	if why != "" {
		n.leave(r, why)
		return false
	}
	delete(n.left, r.ID)
	n.in[r.ID] = r
	return true
}

func (n *near) leave(r *field.Record, why string) {
	n.left[r.ID] = LeftOut{ID: r.ID, Kind: r.Kind, Why: why}
}

// parts takes in what else is in a report, but for what is tied to other clues and not to this one.
func (n *near) parts(report *field.Record) error {
	all, err := n.list(store.Query{
		Scope: report.Scope, Keys: []string{field.KeyFor("reportId", report.ID)},
		Kinds: field.FiledAs(field.FiledProblem, field.FiledPicture, field.FiledWords),
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *field.Record) int { // findings first: they say whose the rest is
		return cmp.Compare(b2i(a.Kind.Filing() != field.FiledProblem), b2i(b.Kind.Filing() != field.FiledProblem))
	})
	others := map[string]bool{} // evidence of findings of other clues
	for _, r := range all {
		if n.in[r.ID] != nil {
			continue
		}
		elsewhere, err := n.elsewhere(r)
		if err != nil {
			return err
		}
		if elsewhere || others[string(r.ID)] {
			n.leave(r, whyElsewhere)
			for _, e := range r.Texts("evidence") {
				others[e] = true
			}
			continue
		}
		if err := n.take(report.Scope, []field.RecordID{r.ID}); err != nil {
			return err
		}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// elsewhere reports whether a record, which no link ties to this case, is tied to another one.
func (n *near) elsewhere(r *field.Record) (bool, error) {
	if r.Kind.Filing() == field.FiledProblem && r.Text("clueId") != "" && r.Text("clueId") != string(n.clue.ID) {
		return true, nil
	}
	for _, spec := range field.Tying() {
		links, err := n.list(store.Query{Kinds: []field.Kind{spec.Kind}, States: spec.Ties.Counts, Keys: []string{field.KeyFor(spec.Ties.Evidence, r.ID)}})
		if err != nil || len(links) > 0 {
			return len(links) > 0, err
		}
	}
	return false, nil
}

// remarks takes in flags and conflicts about records of the case.
func (n *near) remarks() error {
	about := func(id string) *field.Record { return n.in[field.RecordID(id)] }
	for _, r := range n.sorted() {
		var flags, conflicts []*field.Record
		var err error
		if r.Kind.Filing() == field.FiledVisit {
			if flags, err = n.list(store.Query{Scope: r.Scope, Kinds: field.FiledAs(field.FiledFlag), Keys: []string{field.KeyFor("reportId", r.ID)}}); err != nil {
				return err
			}
		}
		if conflicts, err = n.list(store.Query{Scope: r.Scope, Kinds: field.FiledAs(field.FiledConflict), Keys: []string{field.KeyFor("recordId", r.ID)}}); err != nil {
			return err
		}
		for _, f := range flags {
			switch target := about(f.Text("targetId")); {
			case f.Text("targetId") == "":
				n.keep(f)
			case target == nil:
				n.leave(f, whyElsewhere)
			case target.Kind.Filing() == field.FiledWords:
				n.leave(f, whyInterview)
			default:
				n.keep(f)
			}
		}
		for _, c := range conflicts {
			switch {
			case r.Kind.Filing() == field.FiledWords:
				n.leave(c, whyInterview)
			case c.Scope == n.clue.Scope:
				n.in[c.ID] = c
			default:
				n.keep(c)
			}
		}
	}
	return nil
}

// surroundings takes in where it was and what was asked, as far as it may be seen.
func (n *near) surroundings() error {
	var ids []field.RecordID
	for _, r := range n.sorted() {
		ids = append(ids, named(r, field.FiledAround)...)
		ids = append(ids, peopleOf(r)...)
	}
	return n.beside(ids)
}

// beside takes in reference data, of which what may not be seen is simply not there: its name is then missing.
func (n *near) beside(ids []field.RecordID) error {
	var fresh []field.RecordID
	for _, id := range ids {
		if id != "" && n.in[id] == nil {
			fresh = append(fresh, id)
		}
	}
	slices.Sort(fresh)
	if fresh = slices.Compact(fresh); len(fresh) == 0 {
		return nil
	}
	records, err := n.store.Records(n.ctx, fresh)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Scope.Type() == field.ScopeOrg && n.visible.Match(r.Scope, r.Info) {
			n.in[r.ID] = r
		}
	}
	return nil
}

// peopleOf are the people whom a record names.
func peopleOf(r *field.Record) []field.RecordID {
	return append([]field.RecordID{field.RecordID(r.Author)}, named(r, field.FiledPerson)...)
}

// named are the records of a place that a record names in its fields.
func named(r *field.Record, place field.Filing) (ids []field.RecordID) {
	spec := field.KindOf(r.Kind)
	if spec == nil {
		return nil
	}
	for i := range spec.Fields {
		if f := &spec.Fields[i]; f.Of != "" && f.Of.Filing() == place {
			ids = append(ids, f.Refs(r.Fields[f.Name])...)
		}
	}
	return ids
}

func (n *near) sorted() []*field.Record {
	all := make([]*field.Record, 0, len(n.in))
	for _, r := range n.in {
		all = append(all, r)
	}
	slices.SortFunc(all, byKindAndAge)
	return all
}

// byKindAndAge orders records so that the same ones are always listed in the same way.
func byKindAndAge(a, b *field.Record) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}
