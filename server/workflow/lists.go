package workflow

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// MaxPage is how many records a page may be asked for.
const MaxPage = 200

const (
	defaultPage = 50
	wholePage   = 500 // of lists that are read to their end
)

// Ask asks for a page: After is the Next of the page before, Limit is 1 to 200, 0 for 50.
type Ask struct {
	After string
	Limit int
}

func (a Ask) size() int {
	if a.Limit <= 0 {
		return defaultPage
	}
	return min(a.Limit, MaxPage)
}

// Page is one page of a list. Next is opaque and empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Records is a page of records as they go over the wire.
type Records = Page[protocol.PulledRecord]

// list reads a page of what the actor may see; visibility is part of the query.
func (f *Flow) list(ctx context.Context, who *access.Actor, q store.Query, ask Ask) ([]*field.Record, string, error) {
	return f.listOf(ctx, access.Visible(who), q, ask)
}

func (f *Flow) listOf(ctx context.Context, visible access.Filter, q store.Query, ask Ask) ([]*field.Record, string, error) {
	after, err := store.ParseCursor(ask.After)
	if err != nil {
		return nil, "", err
	}
	since := after.Since
	moving := slices.ContainsFunc(q.Kinds, func(k field.Kind) bool { return field.KindOf(k).Moves })
	if since.IsZero() && moving {
		since = f.now().UTC().Truncate(time.Millisecond)
	}
	size := ask.size()
	q.Visible, q.After, q.Limit = visible, after.Place, size+1
	var found []standing
	if moving && ask.After != "" {
		found, err = f.asItWas(ctx, q, since)
	} else {
		found, err = f.asItIs(ctx, q)
	}
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(found) > size {
		found = found[:size]
		next = store.Cursor{Place: found[size-1].at, Since: since}.String()
	}
	records := make([]*field.Record, 0, len(found))
	for _, s := range found {
		records = append(records, s.Record)
	}
	return records, next, nil
}

// standing is a record with its place in the list that is read.
type standing struct {
	*field.Record
	at store.Place
}

func (f *Flow) asItIs(ctx context.Context, q store.Query) ([]standing, error) {
	records, err := f.store.List(ctx, q)
	found := make([]standing, 0, len(records))
	for _, r := range records {
		found = append(found, standing{r, store.PlaceOf(r)})
	}
	return found, err
}

// late is the beginning of the rank of what came into a list after its first page: it stands at the end.
const late = "~"

// mostDays is how far back pages go on a first one.
const mostDays = 7

// asItWas reads a page of a list as it stood at a time, with what moved since where it stood then, and what came in
// since at the end. So nothing is missed and nothing shown twice by who reads page after page.
func (f *Flow) asItWas(ctx context.Context, q store.Query, since time.Time) ([]standing, error) {
	moved := map[field.RecordID]bool{}
	var found []standing
	today := f.now().UTC()
	for day, n := since, 0; !day.After(today.Add(24*time.Hour)) && n < mostDays; day, n = day.Add(24*time.Hour), n+1 {
		all := q
		all.After, all.Limit, all.Keys = store.Place{}, wholePage, append(slices.Clone(q.Keys), field.MovedOn(day))
		err := store.EachPage(ctx, f.store, all, func(page []*field.Record) error {
			for _, r := range page {
				rank, state, yes := field.Stood(r, since)
				if !yes || moved[r.ID] {
					continue
				}
				moved[r.ID] = true
				if r.CreatedAt.After(since) || len(q.States) > 0 && !slices.Contains(q.States, state) {
					rank = late + r.Rank
				}
				if s := (standing{r, store.Place{Rank: rank, ID: r.ID}}); after(s.at, q.After) {
					found = append(found, s)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	still := q
	still.Limit = q.Limit + len(moved)
	rest, err := f.asItIs(ctx, still)
	if err != nil {
		return nil, err
	}
	for _, s := range rest {
		if !moved[s.ID] {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b standing) int {
		return cmp.Or(strings.Compare(a.at.Rank, b.at.Rank), strings.Compare(string(a.ID), string(b.ID)))
	})
	return found[:min(len(found), q.Limit)], nil
}

func after(a, b store.Place) bool {
	return cmp.Or(strings.Compare(a.Rank, b.Rank), strings.Compare(string(a.ID), string(b.ID))) > 0
}

// Query reads a page of the records that the actor may see.
func (f *Flow) Query(ctx context.Context, who *access.Actor, q store.Query, ask Ask) (Records, error) {
	records, next, err := f.list(ctx, who, q, ask)
	if err != nil {
		return Records{}, err
	}
	return Records{Items: wire(records), Next: next}, nil
}

// all reads a list of what the actor may see, up to most records; whole is false when there are more.
func (f *Flow) all(ctx context.Context, who *access.Actor, q store.Query, most int) (found []*field.Record, whole bool, err error) {
	q.Visible = access.Visible(who)
	return f.upTo(ctx, q, most)
}

// every is all for what is counted or decided on: more than a guard may look through is an error, as it is at the
// commit.
func (f *Flow) every(ctx context.Context, who *access.Actor, q store.Query) ([]*field.Record, error) {
	q.Visible = access.Visible(who)
	return f.everyOf(ctx, q)
}

// everyOf is every for a query that says itself what is visible.
func (f *Flow) everyOf(ctx context.Context, q store.Query) ([]*field.Record, error) {
	found, whole, err := f.upTo(ctx, q, field.MostFound)
	if err == nil && !whole {
		err = field.FoundTooMany(q.Kinds[0])
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// upTo is all for a query that says itself what is visible.
func (f *Flow) upTo(ctx context.Context, q store.Query, most int) (found []*field.Record, whole bool, err error) {
	for {
		q.Limit = min(wholePage, most-len(found)+1)
		records, err := f.store.List(ctx, q)
		if err != nil {
			return nil, false, err
		}
		found = append(found, records...)
		switch {
		case len(found) > most:
			return found[:most], false, nil
		case len(records) < q.Limit:
			return found, true, nil
		}
		q.After = store.PlaceOf(records[len(records)-1])
	}
}

func wire(records []*field.Record) []protocol.PulledRecord {
	out := make([]protocol.PulledRecord, 0, len(records))
	for _, r := range records {
		out = append(out, protocol.FromRecord(r))
	}
	return out
}

func wireOne(r *field.Record) *protocol.PulledRecord {
	if r == nil {
		return nil
	}
	w := protocol.FromRecord(r)
	return &w
}

// where collects the keys of a query from filters; an empty value is no filter.
type where []string

func (w where) is(name, value string) where {
	if value == "" {
		return w
	}
	return append(w, field.KeyFor(name, value))
}

func states(s field.State) []field.State {
	if s == "" {
		return nil
	}
	return []field.State{s}
}

// Named is a record in short: enough to show it in a line.
type Named = protocol.Named

// named looks up names of people, sites and clues, as far as the reader may see them.
func (f *Flow) named(ctx context.Context, who *access.Actor, ids []field.RecordID) (func(id field.RecordID) *Named, error) {
	records, err := f.readMany(ctx, who, distinct(ids))
	if err != nil {
		return nil, err
	}
	return func(id field.RecordID) *Named {
		if id == "" {
			return nil
		}
		n := &Named{ID: id}
		if r := records[id]; r != nil {
			n.Name = label(r)
		}
		return n
	}, nil
}

// label is what a record is called in a line of text; empty for kinds without a name.
func label(r *field.Record) string {
	for _, name := range []string{"name", "title", "alias", "caption"} {
		if t := r.Text(name); t != "" {
			return t
		}
	}
	return ""
}

func distinct(ids []field.RecordID) []field.RecordID {
	seen := make(map[field.RecordID]bool, len(ids))
	var out []field.RecordID
	for _, id := range ids {
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
