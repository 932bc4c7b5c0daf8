package evidence

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
)

// listed is a store that lists some photos.
type listed struct {
	storage.Store
	photos []*field.Record
}

func (l listed) List(_ context.Context, q store.Query) ([]*field.Record, error) {
	rest := l.photos
	if i := slices.IndexFunc(rest, func(r *field.Record) bool { return store.PlaceOf(r) == q.After }); i >= 0 {
		rest = rest[i+1:]
	}
	return rest[:min(q.Limit, len(rest))], nil
}

// Who declares a file again and again in one report does not hide that it stands in another one.
func TestCopiesInTheSameReportHideNoOther(t *testing.T) {
	photo := func(i int, report string) *field.Record {
		return &field.Record{ID: field.RecordID(fmt.Sprint(i)), Kind: field.KindPhoto, Scope: "site/a", Rank: fmt.Sprintf("%06d", i), Fields: map[string]field.Value{"reportId": field.Quote(report)}}
	}
	var all []*field.Record
	for i := range mostSame + 1 {
		all = append(all, photo(i, "mine"))
	}
	all = append(all, photo(len(all), "another"))
	l := &Ledger{store: listed{photos: all}}
	same, err := l.sameBytes(t.Context(), all[0])
	if err != nil || len(same) != 1 || same[0].Text("reportId") != "another" {
		t.Errorf("%v, %v", same, err)
	}
}
