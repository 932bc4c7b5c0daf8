package alike_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// county is what the index reads: heads, hashes, and what has changed, of photos that lie in memory.
type county struct {
	heads  map[field.Scope]*store.Head
	photos []*field.Record
	down   error // of Hashes, after the first page
}

func (c *county) Heads(_ context.Context, q store.ListScopes) ([]store.Head, error) {
	var page []store.Head
	for _, h := range c.heads {
		if h.Scope > q.After && slices.Contains(q.Types, h.Scope.Type()) && q.Visible.Match(h.Scope, h.Info) {
			page = append(page, *h)
		}
	}
	slices.SortFunc(page, func(a, b store.Head) int { return cmp.Compare(a.Scope, b.Scope) })
	return page[:min(len(page), q.Limit)], nil
}

func (c *county) Hashes(_ context.Context, after store.Hash, limit int) ([]store.Hash, error) {
	var page []store.Hash
	for _, p := range c.photos {
		if !p.Deleted && p.Fields["perceptual"] != nil && p.ID > after.Place.ID {
			page = append(page, store.Hash{Scope: p.Scope, Value: p.Text("perceptual"), Place: store.PlaceOf(p)})
		}
	}
	slices.SortFunc(page, func(a, b store.Hash) int { return cmp.Compare(a.Place.ID, b.Place.ID) })
	return page[:min(len(page), limit)], c.down
}

func (c *county) Changed(_ context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	var page []*field.Record
	for _, p := range c.photos {
		if p.Scope == scope && p.Version > after && p.Version <= upTo {
			page = append(page, p.Clone())
		}
	}
	slices.SortFunc(page, func(a, b *field.Record) int { return cmp.Compare(a.Version, b.Version) })
	return page[:min(len(page), limit)], nil
}

// site makes a site of organisations.
func (c *county) site(n int, region string, orgs ...field.OrgID) field.Scope {
	scope := field.MakeScope(field.ScopeSite, string(id(1000+n)))
	c.heads[scope] = &store.Head{Scope: scope, Info: field.ScopeInfo{Orgs: orgs, Region: region}}
	return scope
}

// write puts a photo into the log of its site: new, or as it is now.
func (c *county) write(p *field.Record) {
	h := c.heads[p.Scope]
	h.Seq++
	p.Version = h.Seq
	if !slices.Contains(c.photos, p) {
		c.photos = append(c.photos, p)
	}
}

func id(n int) field.RecordID { return field.DeriveID(time.UnixMilli(int64(n)), fmt.Sprint(n)) }

func photo(n int, scope field.Scope, name string, hash uint64) *field.Record {
	return &field.Record{ID: id(n), Kind: field.KindPhoto, Scope: scope, Fields: map[string]field.Value{
		"perceptual": field.Quote(fmt.Sprintf("%s:%016x", name, hash)),
	}}
}

func empty() *county { return &county{heads: map[field.Scope]*store.Head{}} }

// near asks every photo, one by one: what the index must answer.
func (c *county) near(q alike.Question) alike.Answer {
	name, hash, _ := alike.Parse(q.Hash)
	var a alike.Answer
	for _, p := range c.photos {
		n, h, ok := alike.Parse(p.Text("perceptual"))
		d := bits.OnesCount64(h ^ hash)
		if ok && !p.Deleted && n == name && d <= q.Within && !slices.Contains(q.Except, p.ID) && p.Scope != q.NotAt && q.Visible.Match(p.Scope, c.heads[p.Scope].Info) {
			a.Total++
			a.Nearest = append(a.Nearest, alike.Found{ID: p.ID, Scope: p.Scope, Distance: d})
		}
	}
	slices.SortFunc(a.Nearest, func(a, b alike.Found) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
	})
	a.Nearest = a.Nearest[:min(len(a.Nearest), q.Name)]
	return a
}

func (c *county) same(t interface {
	Fatalf(format string, args ...any)
}, x *alike.Index, q alike.Question,
) {
	got, err := x.Near(context.Background(), q)
	want := c.near(q)
	if err != nil || got.Total != want.Total || !slices.Equal(got.Nearest, want.Nearest) {
		t.Fatalf("%+v:\n got %+v, %v\nwant %+v", q, got, err, want)
	}
}

// Whatever is written, voided, hashed anew, opened to others and asked, the index answers as looking at every photo
// does.
func TestTheIndexAnswersAsLookingAtEveryPhotoDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := empty()
		sites := []field.Scope{c.site(0, "520502", "bijie"), c.site(1, "520502", "bijie", "gz"), c.site(2, "440103", "gz"), c.site(3, "5227", "far")}
		x := alike.New(c, time.Now)
		bases := []uint64{0, 0xffff0000ffff0000, 0x123456789abcdef0}
		hash := func() uint64 {
			h := rapid.SampledFrom(bases).Draw(t, "base")
			for range rapid.IntRange(0, 12).Draw(t, "bits") {
				h ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
			}
			return h
		}
		name := func() string { return rapid.SampledFrom([]string{"phash/1", "phash/1", "phash/2"}).Draw(t, "name") }
		filters := []access.Filter{
			access.Everything,
			{},
			{Any: []access.Clause{{Types: []field.ScopeType{field.ScopeSite}, Orgs: []field.OrgID{"bijie"}}}},
			{Any: []access.Clause{{Orgs: []field.OrgID{"gz"}, Regions: []string{"44"}}, {Scopes: []field.Scope{sites[3]}}}},
			{Any: []access.Clause{{Orgs: []field.OrgID{"gz", "far"}}}, Except: []field.Scope{sites[2]}},
		}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"write": func(*rapid.T) {
				n++
				c.write(photo(n, rapid.SampledFrom(sites).Draw(t, "site"), name(), hash()))
			},
			"not examined yet": func(*rapid.T) {
				n++
				c.write(&field.Record{ID: id(n), Kind: field.KindPhoto, Scope: sites[0], Fields: map[string]field.Value{}})
			},
			"change": func(*rapid.T) {
				if len(c.photos) == 0 {
					return
				}
				p := rapid.SampledFrom(c.photos).Draw(t, "photo")
				if p.Deleted = rapid.Bool().Draw(t, "voided"); !p.Deleted {
					p.Fields["perceptual"] = field.Quote(fmt.Sprintf("%s:%016x", name(), hash()))
				}
				c.write(p)
			},
			"open to another": func(*rapid.T) {
				h := c.heads[rapid.SampledFrom(sites).Draw(t, "site")]
				h.Seq++
				h.Info.Orgs = []field.OrgID{rapid.SampledFrom([]field.OrgID{"bijie", "gz", "far"}).Draw(t, "org")}
			},
			"ask": func(rt *rapid.T) {
				c.same(rt, x, alike.Question{
					Visible: rapid.SampledFrom(filters).Draw(t, "filter"), Hash: fmt.Sprintf("%s:%016x", name(), hash()),
					Within: rapid.IntRange(0, 10).Draw(t, "within"), Except: []field.RecordID{id(rapid.IntRange(0, n+1).Draw(t, "except"))},
					NotAt: rapid.SampledFrom(append(sites, "")).Draw(t, "not at"), Name: rapid.IntRange(0, 4).Draw(t, "name at most"),
				})
			},
		})
	})
}

// A reading of all hashes that was cut short is begun anew, and what was voided meanwhile is not found.
func TestAReadingThatWasCutShort(t *testing.T) {
	c := empty()
	scope := c.site(0, "520502", "bijie")
	first := photo(1, scope, "phash/1", 7)
	c.write(first)
	c.write(photo(2, scope, "phash/1", 7))
	c.down = errors.New("the store is down")
	x := alike.New(c, time.Now)
	q := alike.Question{Visible: access.Everything, Hash: "phash/1:0000000000000007", Within: 5, Name: 9}
	if _, err := x.Near(t.Context(), q); !errors.Is(err, c.down) {
		t.Fatalf("an index that could not be read answered: %v", err)
	}
	c.down = nil
	first.Deleted = true
	c.write(first)
	c.same(t, x, q)
}

// A page ends within many photos, and with many sites.
func TestManyPages(t *testing.T) {
	c := empty()
	for n := range 2300 {
		c.write(photo(n, c.site(n, "520502", "bijie"), "phash/1", uint64(n)))
	}
	x := alike.New(c, time.Now)
	q := alike.Question{Visible: access.Everything, Hash: "phash/1:0000000000000000", Within: 10, Name: 3}
	c.same(t, x, q)
	scope := c.site(5000, "520502", "bijie")
	for n := range 1200 {
		c.write(photo(10_000+n, scope, "phash/1", uint64(n)))
	}
	c.same(t, x, q)
}

// Within its age an answer is given without asking the store; after it, what was written is there.
func TestHowOldAnAnswerMayBe(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	c := empty()
	scope := c.site(0, "520502", "bijie")
	x := alike.New(c, func() time.Time { return now })
	q := alike.Question{Visible: access.Everything, Hash: "phash/1:0000000000000000", Within: 10, Name: 3, Age: time.Second}
	c.same(t, x, q)
	c.write(photo(1, scope, "phash/1", 1))
	now = now.Add(time.Second)
	if a, err := x.Near(t.Context(), q); err != nil || a.Total != 0 {
		t.Errorf("the store was asked again within the age: %+v, %v", a, err)
	}
	now = now.Add(time.Millisecond)
	c.same(t, x, q)
	c.write(photo(2, scope, "phash/1", 2))
	q.Age = 0
	c.same(t, x, q)
}

func TestWhatIsNoHash(t *testing.T) {
	x := alike.New(empty(), time.Now)
	for _, value := range []string{"", "phash/1", ":0000000000000000", "phash/1:00", "phash/1:000000000000000g", "0000000000000000"} {
		if _, _, ok := alike.Parse(value); ok {
			t.Errorf("%q is read as a hash", value)
		}
		if a, err := x.Near(t.Context(), alike.Question{Visible: access.Everything, Hash: value, Within: 10, Name: 1}); err != nil || a.Total != 0 {
			t.Errorf("%q: %+v, %v", value, a, err)
		}
	}
}

// A picture that was turned has another hash: the nearest of all that the question brings counts, each photo once.
func TestTurnedPictures(t *testing.T) {
	c := empty()
	scope := c.site(0, "520502", "bijie")
	c.write(photo(1, scope, "phash/1", 0xff))
	c.write(photo(2, scope, "phash/1", 0xffff_0000_0000_0001))
	c.write(photo(3, scope, "phash/2", 0xffff_0000_0000_0000))
	x := alike.New(c, time.Now)
	q := alike.Question{Visible: access.Everything, Hash: "phash/1:00000000000000fe", Within: 5, Name: 9}
	a, err := x.Near(t.Context(), q)
	if err != nil || a.Total != 1 || a.Nearest[0].ID != id(1) {
		t.Fatalf("%+v, %v", a, err)
	}
	q.Turned = []string{"phash/1:ffff000000000000", "phash/1:00000000000000ff", "phash/2:ffff000000000000", "nonsense"}
	a, err = x.Near(t.Context(), q)
	if err != nil || a.Total != 2 || a.Nearest[0] != (alike.Found{ID: id(1), Scope: scope}) || a.Nearest[1] != (alike.Found{ID: id(2), Scope: scope, Distance: 1}) {
		t.Fatalf("%+v, %v", a, err)
	}
}
