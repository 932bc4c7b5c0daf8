package storetest

import (
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var durableCases = []testCase{
	{"the engine has a name and a version, and answers", anyEngine, engineNamed},
	{"what was acknowledged is there after a kill", reopening, reopened},
	{"after a kill the log goes on", reopening, goesOn},
}

func engineNamed(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	name, version, err := d.s.Engine(d.ctx)
	if err != nil || name == "" || version == "" {
		t.Fatalf("engine %q %q: %v", name, version, err)
	}
	if err := d.s.Ping(d.ctx); err != nil {
		t.Fatal(err)
	}
}

func reopened(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	for range 5 {
		d.commit(d.write(d.site(), 2, d.record(), full(d)), d.write(d.site(), 1, d.record()))
	}
	doc := d.putDoc("a")
	must(d.s.PutDoc(d.ctx, doc))(t)
	before := d.picture()
	d.s = s.caps.Reopen(t, d.s)
	d.unchanged(before)
}

func goesOn(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	first := d.write(scope, 1, r)
	d.commit(first)
	doc := d.putDoc("a")
	d.s = s.caps.Reopen(t, d.s)
	d.put(scope, r.Clone())

	before := d.picture()
	twice := d.write(scope, 1)
	twice.Entries[0] = entryAfter(d.heads[scope], phone, first.Entries[0].Batch)
	twice.Head.Hash = twice.Entries[0].Hash
	refused(t, d.s.Commit(d.ctx, []store.Write{twice}), store.ErrBatchKnown)
	_, err := d.s.PutDoc(d.ctx, store.Doc{Shelf: doc.Shelf, ID: doc.ID, Body: []byte(`{}`)})
	wantCode(t, err, field.CodeStale)
	d.unchanged(before)
	d.putDoc("b")
	d.put(scope, d.record())
}
