package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

var listCases = []testCase{
	{"the empty filter shows nothing", anyEngine, emptyFilter},
	{"pages visit everything once, also at equal ranks", anyEngine, listPages},
	{"a list changes between pages", anyEngine, listMoves},
	{"a list is what the conditions and the access rule say", anyEngine, listProperty},
	{"heads are what the access rule says", anyEngine, headsProperty},
	{"heads follow what their scope says now", anyEngine, headsFollow},
}

var everything = access.Everything

func emptyFilter(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	r.Keys = []string{"tag=a"}
	d.put(scope, r)
	for _, q := range []store.Query{
		{},
		{Scope: scope},
		{Kinds: []field.Kind{"photo"}},
		{Keys: []string{"tag=a"}},
		{Deleted: true},
		{Visible: access.Filter{Except: []field.Scope{"site/another"}}},
	} {
		q.Limit = 9
		same(t, fmt.Sprintf("records for %+v", q), must(d.s.List(d.ctx, q))(t), []*field.Record{})
		same(t, "heads", must(d.s.Heads(d.ctx, store.ListScopes{Visible: q.Visible, Limit: 9}))(t), []store.Head{})
	}
}

// pages reads a list to its end and checks what holds for every list.
func pages(t fataler, d *desk, q store.Query) []*field.Record {
	var all []*field.Record
	for {
		page, err := d.s.List(d.ctx, q)
		if err != nil {
			t.Fatalf("list %+v: %v", q, err)
		}
		if len(page) > q.Limit {
			t.Fatalf("a page of %d where %d were asked for", len(page), q.Limit)
		}
		for _, r := range page {
			if at := store.PlaceOf(r); q.After != (store.Place{}) && comparePlaces(at, q.After) <= 0 {
				t.Fatalf("%+v comes after %+v", at, q.After)
			}
			q.After = store.PlaceOf(r)
		}
		all = append(all, page...)
		if len(page) < q.Limit {
			return all
		}
	}
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func comparePlaces(a, b store.Place) int {
	return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
}

func listPages(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b := d.site(), d.site()
	var of [2][]*field.Record
	for i := range 60 {
		r := d.record()
		r.Rank = []string{"", "a", "b", "b", "b", "é"}[i%6]
		r.Kind = []field.Kind{"photo", "report"}[i%2]
		r.Keys = []string{"tag=all"}
		of[i%2] = append(of[i%2], r)
	}
	slices.Reverse(of[0])
	d.commit(d.write(a, 1, of[0]...), d.write(b, 1, of[1]...))
	want := slices.Concat(of[0], of[1])
	slices.SortFunc(want, func(x, y *field.Record) int { return comparePlaces(store.PlaceOf(x), store.PlaceOf(y)) })
	for _, limit := range []int{1, 7, 30, 60, 61} {
		for _, q := range []store.Query{{}, {Kinds: []field.Kind{"photo", "report", "photo"}}, {Keys: []string{"tag=all"}}, {Kinds: []field.Kind{"report", "photo", "clue"}, Keys: []string{"tag=all"}}} {
			q.Visible, q.Limit = everything, limit
			same(t, fmt.Sprintf("pages of %d", limit), pages(t, d, q), want)
		}
	}
}

func listMoves(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	var rs []*field.Record
	for i := range 6 {
		r := d.record()
		r.Rank = fmt.Sprint(i)
		rs = append(rs, r)
	}
	d.put(scope, rs...)
	q := store.Query{Visible: everything, Kinds: []field.Kind{"photo"}, Limit: 3}
	first := must(d.s.List(d.ctx, q))(t)
	same(t, "the first page", first, rs[:3])
	last, moved := rs[2].Clone(), rs[4].Clone()
	last.Deleted = true // the place that the next page starts after is gone
	moved.Rank = "1"    // and one has moved before it
	d.put(scope, last, moved)
	q.After = store.PlaceOf(first[2])
	same(t, "the second page", must(d.s.List(d.ctx, q))(t), []*field.Record{rs[3], rs[5]})
	q.After = store.Place{}
	q.Limit = 9
	same(t, "all", idsOf(must(d.s.List(d.ctx, q))(t)), []field.RecordID{rs[0].ID, rs[1].ID, rs[4].ID, rs[3].ID, rs[5].ID})
}

// county is a store full of scopes of all types, with records whose attributes overlap in every way.
type county struct {
	d       *desk
	scopes  []field.Scope
	records []*field.Record
}

var (
	orgs     = []field.OrgID{"gz", "gz-liwan", "gz-liwan2", "bijie", "liwan"}
	regions  = []string{"440103", "440104", "44010", "520502", ""}
	prefixes = []string{"44", "440103", "4401", "52", "", "0", "4401033"}
	projects = []field.ProjectID{"0193594e-0000-7000-8000-0000000000c1", "0193594e-0000-7000-8000-0000000000c2", ""}
	kinds    = []field.Kind{"photo", "report", "clue", "finding"}
	states   = []field.State{"draft", "submitted", "approved", ""}
	keys     = []string{"reportId=1", "reportId=10", "tag=a|b", "tag=a", "tag=%", "tag=é"}
)

func fill(t *testing.T, s *suite) *county {
	c := &county{d: sitDown(t, s.open(t))}
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(n int) int { return rnd.IntN(n) }
	for i := range 36 {
		typ := field.ScopeTypes[i%len(field.ScopeTypes)]
		scope := field.MakeScope(typ, string(c.d.id()))
		if typ == field.ScopeOrg || typ == field.ScopeRegister || typ == field.ScopeSignin {
			scope = field.MakeScope(typ, fmt.Sprintf("org-%d", i))
		}
		info := field.ScopeInfo{Region: regions[pick(len(regions))], Project: projects[pick(len(projects))]}
		for _, o := range rnd.Perm(len(orgs))[:pick(3)] {
			info.Orgs = append(info.Orgs, orgs[o])
		}
		var rs []*field.Record
		for range 4 {
			r := c.d.record()
			r.Kind, r.State, r.Deleted = kinds[pick(len(kinds))], states[pick(len(states))], pick(5) == 0
			r.Rank = []string{"", "1", "2", "22"}[pick(4)]
			for _, k := range keys {
				if pick(3) == 0 {
					r.Keys = append(r.Keys, k)
				}
			}
			slices.Sort(r.Keys)
			rs = append(rs, r)
		}
		w := c.d.write(scope, 1, rs...)
		w.Head.Info = info
		for _, r := range rs {
			r.Info = info
		}
		c.d.commit(w)
		c.scopes = append(c.scopes, scope)
		c.records = append(c.records, rs...)
	}
	slices.SortFunc(c.records, func(x, y *field.Record) int { return comparePlaces(store.PlaceOf(x), store.PlaceOf(y)) })
	slices.Sort(c.scopes)
	return c
}

func some[T any](t *rapid.T, from []T, most int, name string) []T {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, most).Draw(t, name)
}

func (c *county) filter(t *rapid.T) access.Filter {
	var f access.Filter
	for range rapid.IntRange(0, 3).Draw(t, "clauses") {
		var k access.Clause
		shape := rapid.IntRange(0, 31).Draw(t, "shape") // which sets the clause has
		if shape&1 != 0 {
			k.Types = some(t, field.ScopeTypes, 3, "types")
		}
		if shape&2 != 0 {
			k.Scopes = some(t, c.scopes, 20, "scopes")
		}
		if shape&4 != 0 {
			k.Orgs = some(t, orgs, 2, "orgs")
		}
		if shape&8 != 0 {
			k.Regions = some(t, prefixes, 2, "regions")
		}
		if shape&16 != 0 {
			k.Projects = some(t, projects, 2, "projects")
		}
		f.Any = append(f.Any, k)
	}
	f.Except = some(t, c.scopes, 6, "except")
	return f
}

func listProperty(t *testing.T, s *suite) {
	c := fill(t, s)
	rapid.Check(t, func(t *rapid.T) {
		q := store.Query{Visible: c.filter(t), Limit: rapid.IntRange(1, 200).Draw(t, "limit")}
		if rapid.IntRange(0, 2).Draw(t, "with conditions") == 0 {
			q.Kinds = some(t, kinds, 2, "kinds")
			q.States = some(t, states, 2, "states")
			q.Keys = some(t, keys, 2, "keys")
			if rapid.IntRange(0, 4).Draw(t, "in one scope") == 0 {
				q.Scope = rapid.SampledFrom(c.scopes).Draw(t, "scope")
			}
		}
		q.Deleted = rapid.Bool().Draw(t, "deleted")
		var want []field.RecordID
		for _, r := range c.records {
			if asked(q, r) && q.Visible.Match(r.Scope, r.Info) {
				want = append(want, r.ID)
			}
		}
		if got := idsOf(pages(t, c.d, q)); !slices.Equal(got, want) {
			t.Fatalf("list %+v:\n got %v\nwant %v", q, got, want)
		}
	})
}

// asked says whether the conditions of a query hold, apart from visibility and place.
func asked(q store.Query, r *field.Record) bool {
	for _, k := range q.Keys {
		if !slices.Contains(r.Keys, k) {
			return false
		}
	}
	return (q.Scope == "" || r.Scope == q.Scope) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind)) &&
		(len(q.States) == 0 || slices.Contains(q.States, r.State)) &&
		(q.Deleted || !r.Deleted)
}

func headsProperty(t *testing.T, s *suite) {
	c := fill(t, s)
	rapid.Check(t, func(t *rapid.T) {
		q := store.ListScopes{Visible: c.filter(t), Limit: rapid.IntRange(1, 40).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "with types") {
			q.Types = some(t, field.ScopeTypes, 2, "only")
		}
		var want, got []field.Scope
		for _, scope := range c.scopes {
			if len(q.Types) > 0 && !slices.Contains(q.Types, scope.Type()) {
				continue
			}
			if q.Visible.Match(scope, c.d.heads[scope].Info) {
				want = append(want, scope)
			}
		}
		for page := q; ; {
			heads, err := c.d.s.Heads(c.d.ctx, page)
			if err != nil || len(heads) > q.Limit {
				t.Fatalf("%d heads, %v", len(heads), err)
			}
			for _, h := range heads {
				if len(got) > 0 && h.Scope <= got[len(got)-1] {
					t.Fatalf("%s after %s", h.Scope, got[len(got)-1])
				}
				got = append(got, h.Scope)
				page.After = h.Scope
			}
			if len(heads) < q.Limit {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("heads %+v:\n got %v\nwant %v", q, got, want)
		}
	})
	for _, scope := range c.scopes {
		same(t, "head", must(c.d.s.Head(c.d.ctx, scope))(t), c.d.heads[scope])
	}
	all := must(c.d.s.Heads(c.d.ctx, store.ListScopes{Visible: everything, Limit: 99}))(t)
	for i, scope := range c.scopes {
		same(t, "listed head", all[i], c.d.heads[scope])
	}
}

func headsFollow(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	d.put(scope)
	of := func(org field.OrgID) int {
		f := access.Filter{Any: []access.Clause{{Orgs: []field.OrgID{org}}}}
		return len(must(d.s.Heads(d.ctx, store.ListScopes{Visible: f, Limit: 9}))(t))
	}
	same(t, "before", []int{of("gz-liwan"), of("bijie")}, []int{1, 0})
	w := d.write(scope, 1)
	w.Head.Info = field.ScopeInfo{Orgs: []field.OrgID{"bijie"}, Region: "520502"}
	d.commit(w)
	same(t, "after", []int{of("gz-liwan"), of("bijie")}, []int{0, 1})
	same(t, "the head", must(d.s.Head(d.ctx, scope))(t), w.Head)
}
