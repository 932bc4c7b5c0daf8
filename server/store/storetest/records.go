package storetest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var recordCases = []testCase{
	{"a record is stored as it was given", anyEngine, recordRoundTrip},
	{"an empty record", anyEngine, recordEmpty},
	{"a new image replaces the old one whole", anyEngine, recordReplaced},
	{"what a caller does to its copy stays with the caller", anyEngine, recordCopies},
	{"by id", anyEngine, recordsByID},
	{"changed, in order, once, with tombstones", anyEngine, changedOrder},
	{"changed since and up to", anyEngine, changedBounds},
	{"a version is never cut by a page", anyEngine, changedWholeVersions},
	{"changed in one scope only", anyEngine, changedScope},
	{"five thousand in pages", anyEngine, thousands},
}

// full is a record in which everything is set, and nothing is simple.
func full(d *desk) *field.Record {
	r := d.record()
	r.State = "submitted"
	r.Deleted = true
	r.Author, r.Device = "0193594e-0000-7000-8000-0000000000dd", tablet
	r.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	r.UpdatedAt = time.Date(2026, 12, 31, 23, 59, 59, 999e6, time.UTC)
	r.Rank = "00f\x7f~ é 荔"
	r.Keys = []string{"reportId=0193594e", "tag=a|b", "tag=“李” \\ \" %_", "tag=\u2028"}
	r.Fields = map[string]field.Value{
		"caption":        field.Value(`"检查 \u003cé\u003e \"quoted\" \\ \/ \u2028 \ud83d\udcf7 😀 e\u0301"`),
		"float":          field.Value(`0.10`),
		"exponent":       field.Value(`-1.5E-7`),
		"huge":           field.Value(`1e400`),
		"long":           field.Value(`123456789012345678901234567890.123456789`),
		"big":            field.Value(`9007199254740993`),
		"zero":           field.Value(`-0`),
		"yes":            field.Value(`true`),
		"nothing":        field.Value(`null`),
		"list":           field.Value(`[1,"two",[],{},{"b":1,"a":[null,false]}]`),
		"object":         field.Value(`{"z":1,"a":{"y":"}","x":"]"},"$set":{"a.b":2},"":0}`),
		"position":       field.Value(`{"lat":23.1291,"lon":113.2644,"accuracy":4.50}`),
		"answers.roof":   field.Value(`{"value":"leaks"}`),
		"answers.A-b_9":  field.Value(`{"value":"\\"}`),
		"answers.id-001": field.Value(`""`),
		"text":           field.Quote(strings.Repeat("长文本 with \"marks\" ", 3000)),
	}
	r.Stamps = map[string]field.Stamp{
		"": {Seq: 3, Device: tablet}, "caption": {Seq: 1 << 40, Device: phone}, "answers.roof": {Seq: 2, Device: phone},
		"answers.A-b_9": {Seq: 2, Device: phone}, "position": {Seq: 2, Device: tablet}, "gone": {Seq: 1},
	}
	return r
}

func recordRoundTrip(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), full(d)
	w := d.write(scope, 1, r)
	w.Head.Info = field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan", "bijie", "aa"}, Region: "440103", Project: "0193594e-0000-7000-8000-0000000000cc"}
	r.Info = w.Head.Info
	d.commit(w)
	want := []*field.Record{r}
	same(t, "Records", must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t), want)
	same(t, "Changed", must(d.s.Changed(d.ctx, scope, 0, 1, 9))(t), want)
	same(t, "List", must(d.s.List(d.ctx, store.Query{Visible: everything, Deleted: true, Limit: 9}))(t), want)
	for _, key := range r.Keys {
		same(t, "by key", must(d.s.List(d.ctx, store.Query{Visible: everything, Keys: []string{key}, Deleted: true, Limit: 9}))(t), want)
	}
}

func recordEmpty(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	r := &field.Record{
		ID: d.id(), Kind: "notice", CreatedAt: start, UpdatedAt: start,
		Fields: map[string]field.Value{}, Stamps: map[string]field.Stamp{},
	}
	w := d.write(scope, 1, r)
	w.Head.Info, r.Info = field.ScopeInfo{}, field.ScopeInfo{}
	d.commit(w)
	same(t, "the record", must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t), []*field.Record{r})
	same(t, "the head", must(d.s.Head(d.ctx, scope))(t), w.Head)
	same(t, "listed", must(d.s.List(d.ctx, store.Query{Visible: everything, Limit: 9}))(t), []*field.Record{r})
}

func recordReplaced(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, old := d.site(), full(d)
	d.put(scope, old)
	r := d.record()
	r.ID, r.Kind, r.Keys = old.ID, old.Kind, []string{"tag=new"}
	r.Fields = map[string]field.Value{"caption": field.Quote("new")}
	d.put(scope, r)
	want := []*field.Record{r}
	same(t, "Records", must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t), want)
	same(t, "Changed", must(d.s.Changed(d.ctx, scope, 0, 9, 9))(t), want)
	same(t, "List", must(d.s.List(d.ctx, store.Query{Visible: everything, Deleted: true, Limit: 9}))(t), want)
	same(t, "by its key", must(d.s.List(d.ctx, store.Query{Visible: everything, Keys: r.Keys, Limit: 9}))(t), want)
	same(t, "in its state", must(d.s.List(d.ctx, store.Query{Visible: everything, Kinds: []field.Kind{r.Kind}, States: []field.State{r.State}, Limit: 9}))(t), want)
	for _, key := range old.Keys {
		same(t, "by a key that it had", must(d.s.List(d.ctx, store.Query{Visible: everything, Keys: []string{key}, Deleted: true, Limit: 9}))(t), []*field.Record{})
	}
	same(t, "in the state that it had", must(d.s.List(d.ctx, store.Query{Visible: everything, States: []field.State{old.State}, Deleted: true, Limit: 9}))(t), []*field.Record{})
}

func recordCopies(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	w := d.write(scope, 1, r)
	d.commit(w)
	want := r.Clone()
	body := string(w.Entries[0].Body)
	r.Fields["caption"], r.State = field.Quote("scribbled"), "scribbled"
	w.Entries[0].Body[0] = 'X'
	got := must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t)
	same(t, "after a scribble on what was written", got, []*field.Record{want})
	got[0].Fields["more"] = field.Quote("scribbled")
	got[0].Stamps["more"] = field.Stamp{Seq: 9}
	same(t, "after a scribble on what was read", must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t), []*field.Record{want})
	for range 2 {
		e := must(d.s.Entry(d.ctx, scope, 1))(t)
		if string(e.Body) != body {
			t.Fatalf("body %s, want %s", e.Body, body)
		}
		e.Body[0] = 'X'
	}
}

func recordsByID(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	var all []field.RecordID
	for range 3 {
		var rs []*field.Record
		for range 40 {
			r := d.record()
			r.Deleted = len(rs)%3 == 0
			rs = append(rs, r)
			all = append(all, r.ID)
		}
		d.put(d.site(), rs...)
	}
	asked := append([]field.RecordID{d.id()}, all[10:110]...)
	asked = append(asked, d.id())
	got := must(d.s.Records(d.ctx, asked))(t)
	seen := map[field.RecordID]bool{}
	for _, r := range got {
		if seen[r.ID] {
			t.Fatalf("record %s twice", r.ID)
		}
		seen[r.ID] = true
	}
	for i, id := range all {
		if seen[id] != (i >= 10 && i < 110) {
			t.Fatalf("record %d of the asked 10 to 109: present is %v", i, seen[id])
		}
	}
	if len(got) != 100 {
		t.Fatalf("%d records, want 100", len(got))
	}
}

func changedOrder(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	a, b, c := d.record(), d.record(), d.record()
	d.put(scope, c, b, a) // one version: by id
	x := d.record()
	d.put(scope, x)
	b = b.Clone()
	b.Deleted = true
	d.put(scope, b) // moves to the end, as a tombstone
	same(t, "changed", must(d.s.Changed(d.ctx, scope, 0, 9, 9))(t), []*field.Record{a, c, x, b})
}

func changedBounds(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	var all []*field.Record
	for range 6 {
		r := d.record()
		d.put(scope, r)
		all = append(all, r)
	}
	for after := range 8 {
		for upTo := range 8 {
			want := []*field.Record{}
			for _, r := range all {
				if int64(after) < r.Version && r.Version <= int64(upTo) {
					want = append(want, r)
				}
			}
			what := fmt.Sprintf("after %d up to %d", after, upTo)
			same(t, what, must(d.s.Changed(d.ctx, scope, int64(after), int64(upTo), 99))(t), want)
		}
	}
	same(t, "up to anything", must(d.s.Changed(d.ctx, scope, 3, math.MaxInt64, 99))(t), all[3:])
}

// A page may be longer than its limit, so that its last version is whole; it is never shorter unless it is the last.
func changedWholeVersions(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	var want []field.RecordID
	sizes := []int{1, 7, 0, 2, 30, 1, 1, 5, 3}
	for _, n := range sizes {
		var rs []*field.Record
		for range n {
			rs = append(rs, d.record())
		}
		d.put(scope, rs...)
		want = append(want, idsOf(rs)...)
	}
	for _, limit := range []int{1, 2, 3, 4, 7, 8, 10, 39, 49, 50, 51, 100} {
		var got []field.RecordID
		for after := int64(0); ; {
			page := must(d.s.Changed(d.ctx, scope, after, math.MaxInt64, limit))(t)
			got = append(got, idsOf(page)...)
			if len(page) < limit {
				break
			}
			last := page[len(page)-1].Version
			inLast := 0
			for _, r := range page {
				if r.Version == last {
					inLast++
				}
			}
			if inLast != sizes[last-1] {
				t.Fatalf("limit %d: a page has %d of the %d records of version %d", limit, inLast, sizes[last-1], last)
			}
			if len(page)-inLast >= limit {
				t.Fatalf("limit %d: a page of %d, and %d were there before its last version", limit, len(page), len(page)-inLast)
			}
			after = last
		}
		same(t, fmt.Sprintf("all pages of %d", limit), got, want)
	}
}

func changedScope(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b := field.Scope("site/0193594e-0000-7000-8000-000000000001"), field.Scope("site/0193594e-0000-7000-8000-0000000000011")
	ra, rb := d.record(), d.record()
	d.commit(d.write(a, 1, ra), d.write(b, 1, rb))
	same(t, "here", must(d.s.Changed(d.ctx, a, 0, 9, 9))(t), []*field.Record{ra})
	same(t, "there", must(d.s.Changed(d.ctx, b, 0, 9, 9))(t), []*field.Record{rb})
	same(t, "nowhere", must(d.s.Changed(d.ctx, d.site(), 0, 9, 9))(t), []*field.Record{})
}

func thousands(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	const versions, inOne = 20, 250
	want := map[field.RecordID]bool{}
	for v := range versions {
		var rs []*field.Record
		for i := range inOne {
			r := d.record()
			r.Rank = fmt.Sprintf("%03d", (v*31+i)%97) // many share a rank
			r.Keys = []string{"reportId=one", fmt.Sprintf("siteId=%d", i%10)}
			rs = append(rs, r)
			want[r.ID] = true
		}
		d.put(scope, rs...)
	}
	pulled := map[field.RecordID]bool{}
	for after := int64(0); ; {
		page := must(d.s.Changed(d.ctx, scope, after, versions, 300))(t)
		for _, r := range page {
			if pulled[r.ID] || r.Version <= after {
				t.Fatalf("record %s of version %d again", r.ID, r.Version)
			}
			pulled[r.ID] = true
		}
		if len(page) < 300 {
			break
		}
		after = page[len(page)-1].Version
	}
	same(t, "pulled", len(pulled), len(want))
	for name, q := range map[string]struct {
		query store.Query
		want  int
	}{
		"of a kind": {store.Query{Kinds: []field.Kind{"photo"}}, versions * inOne},
		"by a key":  {store.Query{Keys: []string{"reportId=one"}}, versions * inOne},
		"by keys":   {store.Query{Keys: []string{"reportId=one", "siteId=3"}}, versions * inOne / 10},
		"of scope":  {store.Query{Scope: scope, Kinds: []field.Kind{"photo"}}, versions * inOne},
	} {
		q.query.Visible, q.query.Limit = everything, 700
		if got := len(pages(t, d, q.query)); got != q.want {
			t.Fatalf("%s: %d records in pages, want %d", name, got, q.want)
		}
	}
}
