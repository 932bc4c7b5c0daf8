package storetest

import (
	"strings"
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var archiveCases = []testCase{
	{"marks are entries without bodies", anyEngine, marks},
	{"archived entries keep all but their bodies", anyEngine, archived},
	{"archiving again changes nothing", anyEngine, archivedAgain},
	{"what is not in the bundle is not archived", anyEngine, archiveRefused},
	{"a batch of an archived entry is known", anyEngine, archivedBatch},
	{"an archived entry outlives a kill", reopening, archivedReopened},
}

var (
	bundle  = strings.Repeat("0f", 32)
	another = strings.Repeat("e1", 32)
)

// written makes a scope of so many entries, and returns them.
func written(d *desk, n int) (field.Scope, []store.Entry) {
	d.t.Helper()
	scope := d.site()
	w := d.write(scope, n, d.record())
	d.commit(w)
	return scope, w.Entries
}

// bundled says that entries first to last lie in a bundle.
func bundled(entries []store.Entry, first, last int, in string) store.Bundled {
	b := store.Bundled{Scope: entries[0].Scope, First: int64(first), Bundle: in}
	for _, e := range entries[first-1 : last] {
		b.Hashes = append(b.Hashes, e.Hash)
	}
	return b
}

func markOf(e store.Entry) store.Entry {
	e.Body = nil
	return e
}

func marks(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, entries := written(d, 5)
	var want []store.Entry
	for _, e := range entries {
		want = append(want, markOf(e))
	}
	same(t, "all", must(d.s.Marks(d.ctx, scope, 0, 10))(t), want)
	same(t, "a page", must(d.s.Marks(d.ctx, scope, 2, 2))(t), want[2:4])
	same(t, "after the end", must(d.s.Marks(d.ctx, scope, 5, 2))(t), []store.Entry{})
	same(t, "of a scope without a log", must(d.s.Marks(d.ctx, d.site(), 0, 2))(t), []store.Entry{})
	same(t, "none", must(d.s.Marks(d.ctx, scope, 0, 0))(t), []store.Entry{})
}

func archived(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, entries := written(d, 6)
	other, untouched := written(d, 3)
	before := d.picture()
	if err := d.s.Archive(d.ctx, bundled(entries, 1, 2, bundle)); err != nil {
		t.Fatal(err)
	}
	if err := d.s.Archive(d.ctx, bundled(entries, 3, 4, another)); err != nil {
		t.Fatal(err)
	}
	for i, in := range []string{bundle, bundle, another, another} {
		entries[i].Body, entries[i].Bundle = nil, in
	}
	same(t, "entries", must(d.s.Entries(d.ctx, scope, 0, 10))(t), entries)
	for _, e := range entries {
		same(t, "an entry", must(d.s.Entry(d.ctx, scope, e.Seq))(t), e)
		same(t, "by batch", must(d.s.Batch(d.ctx, scope, e.Device, e.Batch))(t), e)
		same(t, "a mark", must(d.s.Marks(d.ctx, scope, e.Seq-1, 1))(t), []store.Entry{markOf(e)})
	}
	same(t, "entries of another scope", must(d.s.Entries(d.ctx, other, 0, 10))(t), untouched)
	after := d.picture()
	same(t, "heads", after.Heads, before.Heads)
	same(t, "records", after.Records, before.Records)
	d.put(scope, d.record())
	same(t, "the log goes on", must(d.s.Head(d.ctx, scope))(t), d.heads[scope])
}

func archivedAgain(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	_, entries := written(d, 6)
	for range 2 {
		if err := d.s.Archive(d.ctx, bundled(entries, 2, 4, bundle)); err != nil {
			t.Fatal(err)
		}
	}
	before := d.picture()
	if err := d.s.Archive(d.ctx, bundled(entries, 3, 3, bundle)); err != nil {
		t.Fatal(err)
	}
	d.unchanged(before)
}

func archiveRefused(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, entries := written(d, 6)
	if err := d.s.Archive(d.ctx, bundled(entries, 1, 3, bundle)); err != nil {
		t.Fatal(err)
	}
	before := d.picture()
	wrong := bundled(entries, 4, 6, another)
	wrong.Hashes[2] = strings.Repeat("0", 64)
	long := bundled(entries, 4, 6, another)
	long.Hashes = append(long.Hashes, long.Hashes[0])
	early := bundled(entries, 4, 6, another)
	early.First = 0
	nowhere := bundled(entries, 4, 6, another)
	nowhere.Scope = d.site()
	unnamed := bundled(entries, 4, 6, "")
	for name, c := range map[string]struct {
		b    store.Bundled
		code field.Code
	}{
		"another hash":                 {wrong, field.CodeStale},
		"some lie in another bundle":   {bundled(entries, 2, 6, another), field.CodeStale},
		"all lie in another bundle":    {bundled(entries, 1, 3, another), field.CodeStale},
		"more entries than there are":  {long, field.CodeNotFound},
		"a number before the first":    {early, field.CodeNotFound},
		"a scope without a log":        {nowhere, field.CodeNotFound},
		"a bundle that has not a name": {unnamed, field.CodeBadRequest},
	} {
		if err := d.s.Archive(d.ctx, c.b); !field.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		d.unchanged(before)
	}
	if got := must(d.s.Entry(d.ctx, scope, 4))(t); got.Body == nil {
		t.Error("a refused entry lost its body")
	}
}

func archivedBatch(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, entries := written(d, 2)
	if err := d.s.Archive(d.ctx, bundled(entries, 1, 2, bundle)); err != nil {
		t.Fatal(err)
	}
	before := d.picture()
	w := d.write(scope, 1)
	w.Entries[0] = entryAfter(d.heads[scope], phone, entries[0].Batch)
	w.Head.Hash = w.Entries[0].Hash
	refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrBatchKnown)
	d.unchanged(before)
}

func archivedReopened(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	_, entries := written(d, 4)
	if err := d.s.Archive(d.ctx, bundled(entries, 1, 3, bundle)); err != nil {
		t.Fatal(err)
	}
	before := d.picture()
	d.s = s.caps.Reopen(t, d.s)
	d.unchanged(before)
}
