package workflow

import (
	"context"
	"encoding/base64"
	"strings"

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
	after, err := openPlace(ask.After)
	if err != nil {
		return nil, "", err
	}
	size := ask.size()
	q.Visible, q.After, q.Limit = visible, after, size+1
	records, err := f.store.List(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if len(records) <= size {
		return records, "", nil
	}
	return records[:size], sealPlace(store.PlaceOf(records[size-1])), nil
}

func (f *Flow) page(ctx context.Context, who *access.Actor, q store.Query, ask Ask) (Records, error) {
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

// Places travel as one opaque word: base64 of the rank, a space and the id.
func sealPlace(p store.Place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.Rank + " " + string(p.ID)))
}

func openPlace(s string) (store.Place, error) {
	if s == "" {
		return store.Place{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	i := strings.LastIndexByte(string(raw), ' ')
	if err != nil || i < 0 || len(raw) > 300 || !field.ValidID(string(raw[i+1:])) {
		return store.Place{}, field.Refuse(field.CodeBadRequest, "after is not the next of an earlier page.")
	}
	return store.Place{Rank: string(raw[:i]), ID: field.RecordID(raw[i+1:])}, nil
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
type Named struct {
	ID   field.RecordID `json:"id"`
	Name string         `json:"name,omitempty"` // left out when the reader may not see the record
}

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
