package space_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/space"
	"fieldclue/server/store"
)

var at = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// log is a store in memory: the records, and per scope the number of the last entry.
type log struct {
	now     time.Time
	records map[field.RecordID]*field.Record
	heads   map[field.Scope]store.Head
	looks   int // at the heads
	fail    error
}

func newLog() *log {
	return &log{now: at, records: map[field.RecordID]*field.Record{}, heads: map[field.Scope]store.Head{}}
}

func (l *log) clock() time.Time { return l.now }

// put commits the image of a record.
func (l *log) put(r *field.Record) *field.Record {
	h := l.heads[r.Scope]
	h.Scope, h.Info, h.Seq = r.Scope, r.Info, h.Seq+1
	l.heads[r.Scope] = h
	r = r.Clone()
	r.Version = h.Seq
	r.Stamps["spaceLimit"] = field.Stamp{Seq: h.Seq}
	l.records[r.ID] = r
	return r
}

func (l *log) Heads(_ context.Context, q store.ListScopes) ([]store.Head, error) {
	l.looks++
	var page []store.Head
	for _, h := range l.heads {
		if slices.Contains(q.Types, h.Scope.Type()) && h.Scope > q.After {
			page = append(page, h)
		}
	}
	slices.SortFunc(page, func(a, b store.Head) int { return cmp.Compare(a.Scope, b.Scope) })
	return page[:min(len(page), q.Limit)], l.fail
}

func (l *log) Changed(_ context.Context, scope field.Scope, after, _ int64, limit int) ([]*field.Record, error) {
	var page []*field.Record
	for _, r := range l.records {
		if r.Scope == scope && r.Version > after {
			page = append(page, r)
		}
	}
	slices.SortFunc(page, func(a, b *field.Record) int { return cmp.Compare(a.Version, b.Version) })
	return page[:min(len(page), limit)], l.fail
}

func (l *log) List(_ context.Context, q store.Query) ([]*field.Record, error) {
	var page []*field.Record
	for _, r := range l.records {
		if slices.Contains(q.Kinds, r.Kind) && (q.Deleted || !r.Deleted) && r.ID > q.After.ID {
			page = append(page, r)
		}
	}
	slices.SortFunc(page, func(a, b *field.Record) int { return cmp.Compare(a.ID, b.ID) })
	return page[:min(len(page), q.Limit)], l.fail
}

func (l *log) Records(_ context.Context, ids []field.RecordID) ([]*field.Record, error) {
	var found []*field.Record
	for _, id := range ids {
		if r := l.records[id]; r != nil {
			found = append(found, r)
		}
	}
	return found, l.fail
}

func (l *log) limit(org string, bytes int64) {
	r := &field.Record{
		ID: field.OrgRecord(field.OrgID(org)), Kind: field.KindOrg, Scope: field.MakeScope(field.ScopeOrg, org),
		Fields: map[string]field.Value{"code": field.Quote(org)},
	}
	if bytes > 0 {
		r.Fields["spaceLimit"] = field.Quote(bytes)
	}
	l.put(r)
}

func sumOf(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

var made int

// photo declares one at a site of an organisation. Its bytes are named by content.
func (l *log) photo(org, site, content string, size int64) *field.Record {
	made++
	var n [10]byte
	n[8], n[9] = byte(made>>8), byte(made)
	return l.put(&field.Record{
		ID: field.NewID(at, n), Kind: field.KindPhoto, Scope: field.MakeScope(field.ScopeSite, site), Info: field.ScopeInfo{Orgs: []field.OrgID{field.OrgID(org), "partner"}},
		State: field.PhotoDeclared, CreatedAt: l.now,
		Fields: map[string]field.Value{"sha256": field.Quote(sumOf(content)), "size": field.Quote(size)},
	})
}

func (l *log) arrives(r *field.Record) *field.Record {
	r = l.records[r.ID].Clone()
	r.State, r.Fields["receipt"] = field.PhotoStored, field.Value(`{"v":1}`)
	return l.put(r)
}

func (l *log) void(r *field.Record) {
	r = l.records[r.ID].Clone()
	r.State, r.Deleted = field.StateVoided, true
	l.put(r)
}

func room(t *testing.T, x *space.Index, r *field.Record) bool {
	t.Helper()
	err := x.Room(t.Context(), space.Photo{
		ID: r.ID, Org: r.Info.Orgs[0], SHA256: r.Text("sha256"), Size: r.Int("size"), DeclaredAt: r.CreatedAt,
	})
	if err != nil && !field.Is(err, field.CodeSpaceLimit) {
		t.Fatal(err)
	}
	return err == nil
}

func of(t *testing.T, x *space.Index, org field.OrgID) space.Use {
	t.Helper()
	u, err := x.Of(t.Context(), org)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Whatever happens in whatever order, the count that followed it is the plain sum over the records, and so is the one
// of a server that starts only now.
func TestTheCountIsThatOfTheRecords(t *testing.T) {
	for seed := range uint64(30) {
		dice := rand.New(rand.NewPCG(seed, 7))
		l := newLog()
		x := space.New(l, l.clock)
		orgs := []string{"a1", "b1", "c1"}
		for _, o := range orgs {
			l.limit(o, 0)
		}
		var photos []*field.Record
		for step := range 300 {
			l.now = l.now.Add(time.Duration(dice.IntN(12)) * time.Hour)
			switch n := dice.IntN(10); {
			case n < 5 || len(photos) == 0:
				org, content := dice.IntN(3), dice.IntN(60)
				photos = append(photos, l.photo(orgs[org], fmt.Sprint(orgs[org], dice.IntN(3)), fmt.Sprint(content), int64(content+1)))
			case n < 8:
				l.arrives(photos[dice.IntN(len(photos))])
			default:
				l.void(photos[dice.IntN(len(photos))])
			}
			if step%7 != 0 {
				continue
			}
			for _, o := range orgs {
				want, other := plain(l, o), space.New(l, l.clock)
				if got := of(t, x, field.OrgID(o)); got != want {
					t.Fatalf("seed %d, step %d: %+v, want %+v", seed, step, got, want)
				}
				if got := of(t, other, field.OrgID(o)); got != want {
					t.Fatalf("seed %d, step %d, counted anew: %+v, want %+v", seed, step, got, want)
				}
			}
		}
	}
}

// plain counts as docs/decisions/space.md says it, without haste.
func plain(l *log, org string) space.Use {
	u := space.Use{Org: field.OrgID(org)}
	have, coming := map[string]int64{}, map[string]int64{}
	for _, r := range l.records {
		if r.Kind == field.KindPhoto && string(r.Info.Orgs[0]) == org && r.Fields["receipt"] != nil {
			have[r.Text("sha256")] = r.Int("size")
		}
	}
	for _, r := range l.records {
		if r.Kind == field.KindPhoto && string(r.Info.Orgs[0]) == org && r.Fields["receipt"] == nil && !r.Deleted && r.CreatedAt.After(l.now.Add(-space.Waits)) {
			if _, stored := have[r.Text("sha256")]; !stored {
				coming[r.Text("sha256")] = r.Int("size")
			}
		}
	}
	for _, n := range have {
		u.Stored, u.Files = u.Stored+n, u.Files+1
	}
	for _, n := range coming {
		u.OnTheWay += n
	}
	return u
}

// The room goes to those who declared first, no matter who asks first, and what was declared more than 30 days ago and
// never came stands in nobody's way.
func TestTheRoomGoesInTheOrderOfTheDeclarations(t *testing.T) {
	l := newLog()
	x := space.New(l, l.clock)
	l.limit("a1", 1000)
	l.arrives(l.photo("a1", "s1", "stored", 400))
	first := l.photo("a1", "s1", "first", 300)
	l.now = l.now.Add(time.Minute)
	second := l.photo("a1", "s2", "second", 300)
	third := l.photo("a1", "s1", "third", 300)
	twin := l.photo("a1", "s3", "first", 300)
	for range 2 { // asking changes nothing
		if room(t, x, third) || !room(t, x, second) || !room(t, x, first) {
			t.Fatal("not in the order of the declarations")
		}
	}
	if !room(t, x, twin) {
		t.Error("the bytes of the first one, declared again, want more room")
	}
	if room(t, x, l.photo("a1", "s2", "large", 1001)) {
		t.Error("more than the limit")
	}
	if !room(t, x, l.photo("b1", "s9", "elsewhere", 1001)) {
		t.Error("another organisation without a limit")
	}
	l.void(first)
	l.void(twin)
	if !room(t, x, third) {
		t.Error("the first one was voided, and its room is not free")
	}
	l.now = l.now.Add(space.Waits + time.Minute)
	late := l.photo("a1", "s1", "late", 600)
	if !room(t, x, late) {
		t.Error("what never came stands in the way")
	}
	l.limit("a1", 300)
	l.now = l.now.Add(2 * time.Second)
	if room(t, x, late) {
		t.Error("a limit that was lowered does not count")
	}
	if !room(t, x, l.photo("a1", "s4", "stored", 400)) {
		t.Error("bytes that are stored need no room")
	}
}

// Far from the limit a question costs no look at the store; near it every answer is of now.
func TestFarFromTheLimitTheCountMayBeASecondOld(t *testing.T) {
	l := newLog()
	x := space.New(l, l.clock)
	l.limit("a1", 10_000)
	p := l.photo("a1", "s1", "p", 100)
	room(t, x, p)
	l.now = l.now.Add(time.Millisecond)
	looks := l.looks
	for range 100 {
		if !room(t, x, p) {
			t.Fatal("no room")
		}
	}
	if l.looks != looks {
		t.Errorf("%d looks at the store for 100 questions", l.looks-looks)
	}
	l.photo("a1", "s1", "a lot", 9_800)
	l.now = l.now.Add(time.Millisecond)
	if room(t, x, l.photo("a1", "s1", "more", 9_500)) {
		t.Error("near the limit the answer is old")
	}
	u := of(t, x, "b1")
	if u.Stored != 0 || u.Limit.Bytes != 0 || u.Reached() != 0 {
		t.Errorf("an organisation without photos: %+v", u)
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct{ stored, coming, limit, want int64 }{
		{0, 0, 0, 0},
		{1 << 50, 0, 0, 0},
		{799, 0, 1000, 0},
		{800, 0, 1000, 80},
		{700, 100, 1000, 80},
		{0, 949, 1000, 80},
		{950, 0, 1000, 95},
		{999, 0, 1000, 95},
		{1000, 0, 1000, 100},
		{3000, 0, 1000, 100},
		{1 << 49, 1 << 49, 1 << 50, 100},
	} {
		u := space.Use{Stored: c.stored, OnTheWay: c.coming, Limit: space.Limit{Bytes: c.limit}}
		if got := u.Reached(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A count that failed half-way is begun anew, and one that went wrong unseen is right again after a recount.
func TestRecount(t *testing.T) {
	l := newLog()
	x := space.New(l, l.clock)
	l.limit("a1", 0)
	l.arrives(l.photo("a1", "s1", "p", 100))
	l.fail = errors.New("down")
	if _, err := x.Of(t.Context(), "a1"); err == nil || x.Last() != nil {
		t.Fatalf("the store is down: %v", err)
	}
	l.fail = nil
	if u := of(t, x, "a1"); u.Stored != 100 {
		t.Fatalf("%+v", u)
	}
	// Mended beside the server: the record is another, and no entry says so.
	for _, r := range l.records {
		if r.Kind == field.KindPhoto {
			r.Fields["size"], r.Fields["sha256"] = field.Quote(50), field.Quote(sumOf("q"))
		}
	}
	if err := x.Recount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := of(t, x, "a1"); u.Stored != 50 || u.Files != 1 {
		t.Fatalf("%+v", u)
	}
	if all, err := x.Look(t.Context()); err != nil || len(all) != 1 || all[0] != of(t, x, "a1") {
		t.Fatalf("%+v, %v", all, err)
	}
	// The site's log was rebuilt and belongs to somebody else.
	for id, r := range l.records {
		if r.Kind == field.KindPhoto {
			c := r.Clone()
			c.Info.Orgs = []field.OrgID{"b1"}
			l.records[id] = l.put(c)
		}
	}
	if a, b := of(t, x, "a1"), of(t, x, "b1"); a.Stored != 0 || b.Stored != 50 {
		t.Fatalf("%+v, %+v", a, b)
	}
}

// A declaration that could not be applied keeps its bytes: those of the sender's organisation.
func TestKeptDeclarationsCount(t *testing.T) {
	l := newLog()
	x := space.New(l, l.clock)
	kept := l.put(&field.Record{
		ID: field.NewID(at, [10]byte{9}), Kind: field.KindParked, Scope: field.MakeScope(field.ScopeUser, "u"), Info: field.ScopeInfo{Orgs: []field.OrgID{"a1"}},
		State: "open", CreatedAt: l.now, Fields: map[string]field.Value{"operation": field.Value(`{"id":"x","kind":"photo","set":{"sha256":"` + sumOf("p") + `","size":70}}`)},
	})
	if u := of(t, x, "a1"); u.OnTheWay != 70 || u.Stored != 0 {
		t.Fatalf("%+v", u)
	}
	arrived := kept.Clone()
	arrived.Fields["receipt"] = field.Value(`{"sha256":"` + sumOf("p") + `","size":70}`)
	l.put(arrived)
	if u := of(t, x, "a1"); u.OnTheWay != 0 || u.Stored != 70 {
		t.Fatalf("%+v", u)
	}
	l.arrives(l.photo("a1", "s1", "p", 70)) // and then it was accepted
	if u := of(t, x, "a1"); u.Stored != 70 || u.Files != 1 {
		t.Fatalf("%+v", u)
	}
}
