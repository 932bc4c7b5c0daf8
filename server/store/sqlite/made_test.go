package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Records that are changed in the millisecond in which they were made look new, and some among them are: each has its
// last image and the keys of that image, however many go into one statement.
func TestRecordsThatLookNewAndAreNot(t *testing.T) {
	s := openIn(t, t.TempDir())
	at := time.UnixMilli(1_700_000_000_000).UTC()
	head := store.Head{Scope: "site/1", At: at}
	commit := func(from, to int, key, title string) {
		t.Helper()
		w := next(head)
		w.Head.At, w.Entries[0].At = at, at
		for i := from; i < to; i++ {
			stamp := field.Stamp{Seq: w.Head.Seq, Device: "d"}
			r := &field.Record{
				ID: field.RecordID(fmt.Sprintf("r%03d", i)), Kind: field.KindFinding, Scope: "site/1", Version: w.Head.Seq, State: "open",
				Device: "d", CreatedAt: at, UpdatedAt: at, Rank: field.RankTime(at), Keys: []string{key, fmt.Sprintf("own=%d", i%7)},
				Fields: map[string]field.Value{"title": field.Quote(title)}, Stamps: map[string]field.Stamp{"": stamp, "title": stamp},
			}
			if i%5 == 0 {
				r.Stamps["title"] = field.Stamp{Seq: w.Head.Seq - 1, Device: "other"}
			}
			if i%11 == 0 {
				r.Stamps["gone"] = stamp // a field that was removed
			}
			w.Records = append(w.Records, r)
		}
		if err := s.Commit(t.Context(), []store.Write{w}); err != nil {
			t.Fatal(err)
		}
		head = w.Head
	}
	commit(0, 43, "k=1", "first")
	commit(30, 90, "k=2", "second")

	found := func(keys ...string) []*field.Record {
		t.Helper()
		rs, err := s.List(t.Context(), store.Query{Visible: access.Everything, Keys: keys, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		return rs
	}
	if first, second := found("k=1"), found("k=2"); len(first) != 30 || len(second) != 60 {
		t.Errorf("%d by the first key and %d by the second", len(first), len(second))
	}
	if both := found("own=3", "k=2"); len(both) != 9 {
		t.Errorf("%d by two keys", len(both))
	}
	all, err := s.Changed(t.Context(), "site/1", 0, head.Seq, 500)
	if err != nil || len(all) != 90 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	slices.SortFunc(all, func(a, b *field.Record) int {
		return int(a.ID[1]-b.ID[1])*100 + int(a.ID[2]-b.ID[2])*10 + int(a.ID[3]-b.ID[3])
	})
	for i, r := range all {
		version, title := int64(1), "first"
		if i >= 30 {
			version, title = 2, "second"
		}
		want := map[string]field.Stamp{"": {Seq: version, Device: "d"}, "title": {Seq: version, Device: "d"}}
		if i%5 == 0 {
			want["title"] = field.Stamp{Seq: version - 1, Device: "other"}
		}
		if i%11 == 0 {
			want["gone"] = field.Stamp{Seq: version, Device: "d"}
		}
		if r.Version != version || r.Text("title") != title || fmt.Sprint(r.Stamps) != fmt.Sprint(want) {
			t.Errorf("%s: version %d, %q, %v", r.ID, r.Version, r.Text("title"), r.Stamps)
		}
	}
}
