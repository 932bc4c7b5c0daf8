package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var hashCases = []testCase{
	{"the hashes of all photos, in pages", anyEngine, hashPages},
	{"a page of hashes follows on one that is gone", anyEngine, hashesMove},
}

// hashed makes a photo that has been examined.
func (d *desk) hashed(hash string) *field.Record {
	r := d.record()
	value := "test:" + hash
	r.Fields["perceptual"] = field.Quote(value)
	r.Stamps["perceptual"] = field.Stamp{Seq: 1, Device: phone}
	r.Keys = []string{field.KeyFor("perceptual", value), "tag=z"}
	return r
}

func hashOf(r *field.Record) store.Hash {
	return store.Hash{Scope: r.Scope, Value: r.Text("perceptual"), Place: store.PlaceOf(r)}
}

// hashes reads them to the end, in an order that both stores have.
func (d *desk) hashes(after store.Hash, limit int) []store.Hash {
	d.t.Helper()
	var all []store.Hash
	for {
		page := must(d.s.Hashes(d.ctx, after, limit))(d.t)
		if len(page) > limit {
			d.t.Fatalf("a page of %d where %d were asked for", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			slices.SortFunc(all, func(a, b store.Hash) int { return cmp.Compare(a.Place.ID, b.Place.ID) })
			return all
		}
		after = page[len(page)-1]
	}
}

func hashPages(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	same(t, "an empty store", d.hashes(store.Hash{}, 5), []store.Hash(nil))
	a, b := d.site(), d.site()
	var here, there []*field.Record
	var want []store.Hash
	for i := range 12 {
		// Equal hashes, and equal places in lists, so that pages end among them.
		r := d.hashed(fmt.Sprintf("%016x", i/5))
		r.Rank = fmt.Sprint(i / 4)
		here = append(here, r)
	}
	gone, bare, other := d.hashed("00000000000000aa"), d.record(), d.hashed("00000000000000bb")
	gone.Deleted, gone.State = true, field.StateVoided
	other.Kind = field.KindReport
	there = append(there, d.hashed("00000000000000cc"), gone, bare, other)
	d.commit(d.write(a, 1, here...), d.write(b, 1, there...))
	for _, r := range append(slices.Clone(here), there[0]) {
		want = append(want, hashOf(r))
	}
	slices.SortFunc(want, func(x, y store.Hash) int { return cmp.Compare(x.Place.ID, y.Place.ID) })
	for _, limit := range []int{1, 2, 5, 13, 100} {
		same(t, fmt.Sprintf("pages of %d", limit), d.hashes(store.Hash{}, limit), want)
	}
}

func hashesMove(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	var rs []*field.Record
	for i := range 6 {
		rs = append(rs, d.hashed(fmt.Sprintf("%016x", i)))
	}
	d.put(scope, rs...)
	first := must(d.s.Hashes(d.ctx, store.Hash{}, 3))(t)
	last := rs[2].Clone()
	last.Deleted = true
	d.put(scope, last)
	got := append(first, d.hashes(first[2], 2)...)
	if len(got) != 6 {
		t.Fatalf("%d hashes, want each of 6 once: %+v", len(got), got)
	}
	for i, h := range got {
		if h != hashOf(rs[i]) {
			t.Errorf("place %d is %+v, want %+v", i, h, hashOf(rs[i]))
		}
	}
	if all := d.hashes(store.Hash{}, 2); len(all) != 5 {
		t.Errorf("%d hashes are left, want 5", len(all))
	}
}
