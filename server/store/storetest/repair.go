package storetest

import (
	"fmt"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

var keepCases = []testCase{
	{"the last entries of all logs, in pages", anyEngine, lastEntries},
	{"a shelf is read to its end, in pages", anyEngine, docsAll},
	{"a repair makes the head and the records right", anyEngine, repairs},
	{"a repair finds records by what they are now", anyEngine, repairKeys},
	{"a repair by another log changes nothing", anyEngine, repairRefused},
}

func lastEntries(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	if all := must(d.s.LastEntries(d.ctx, "", 10))(t); len(all) != 0 {
		t.Fatalf("an empty store has entries: %v", show(all))
	}
	var want []store.Entry
	for n := range 5 {
		w := d.write(field.Scope(fmt.Sprintf("site/%d", n)), n+1)
		d.commit(w)
		want = append(want, w.Entries[n])
	}
	same(t, "all", must(d.s.LastEntries(d.ctx, "", 10))(t), want)
	first := must(d.s.LastEntries(d.ctx, "", 2))(t)
	same(t, "the first page", first, want[:2])
	same(t, "the second page", must(d.s.LastEntries(d.ctx, first[1].Scope, 2))(t), want[2:4])
	same(t, "the last page", must(d.s.LastEntries(d.ctx, want[3].Scope, 2))(t), want[4:])
}

func docsAll(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	var want []store.Doc
	for n := range 5 {
		doc := must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Accounts, ID: fmt.Sprint(n), Key: "k", Due: start.Add(time.Hour), Body: []byte(`{"n":1}`)}))(t)
		want = append(want, doc)
	}
	d.putDoc("on another shelf")
	var got []store.Doc
	for after := ""; ; after = got[len(got)-1].ID {
		page := must(d.s.Docs(d.ctx, store.Accounts, after, 2))(t)
		got = append(got, page...)
		if len(page) < 2 {
			break
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	for i := range got {
		sameDoc(t, got[i], want[i])
	}
}

func repairs(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	right, wrong, stray, elsewhere := d.record(), d.record(), d.record(), d.record()
	d.put(scope, right, wrong, stray)
	d.put(d.site(), elsewhere)
	wrong, stray = wrong.Clone(), stray.Clone()
	wrong.State, wrong.Fields = "verified", map[string]field.Value{"caption": field.Quote("as the log says")}
	missing := d.record()
	missing.Scope, missing.Info, missing.Version = scope, right.Info, 1
	head := d.heads[scope]
	head.Info = field.ScopeInfo{Orgs: []field.OrgID{"other"}, Region: "110000"}
	err := d.s.Repair(d.ctx, store.Repair{Head: head, Records: []*field.Record{wrong, missing}, Gone: []field.RecordID{stray.ID, elsewhere.ID, d.id()}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the head", must(d.s.Head(d.ctx, scope))(t), head)
	same(t, "the records of the scope", must(d.s.Changed(d.ctx, scope, 0, 9, 10))(t), []*field.Record{right, wrong, missing})
	if left := must(d.s.Records(d.ctx, []field.RecordID{elsewhere.ID}))(t); len(left) != 1 {
		t.Error("a record of another scope was removed")
	}
	// The log goes on from there.
	d.heads[scope] = head
	d.put(scope, d.record())
}

func repairKeys(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	r := d.record()
	r.Keys = []string{"reportId=a"}
	gone := d.record()
	gone.Keys = []string{"reportId=a"}
	d.put(scope, r, gone)
	now := r.Clone()
	now.Keys, now.Rank = []string{"reportId=b"}, field.RankTime(start)
	if err := d.s.Repair(d.ctx, store.Repair{Head: d.heads[scope], Records: []*field.Record{now}, Gone: []field.RecordID{gone.ID}}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"reportId=a": 0, "reportId=b": 1} {
		if got := must(d.s.List(d.ctx, store.Query{Visible: access.Everything, Keys: []string{key}, Limit: 10}))(t); len(got) != want {
			t.Errorf("%d records under %s, want %d", len(got), key, want)
		}
	}
}

func repairRefused(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	r := d.record()
	d.put(scope, r)
	old := d.heads[scope]
	d.put(scope, d.record())
	before := d.picture()
	changed := r.Clone()
	changed.State = "verified"
	forked := d.heads[scope]
	forked.Hash = old.Hash
	unknown := d.heads[scope]
	unknown.Scope = d.site()
	for name, head := range map[string]store.Head{"an older end": old, "another history": forked, "no log": unknown} {
		err := d.s.Repair(d.ctx, store.Repair{Head: head, Records: []*field.Record{changed}, Gone: []field.RecordID{r.ID}})
		t.Log(name)
		refused(t, err, store.ErrHeadMoved)
		d.unchanged(before)
	}
}
