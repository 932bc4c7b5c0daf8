package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var docCases = []testCase{
	{"a document is stored as it was given", anyEngine, docRoundTrip},
	{"made once", anyEngine, docMadeOnce},
	{"changed only by who saw it last", anyEngine, docSwap},
	{"removed only by who saw it last", anyEngine, docDelete},
	{"of two who make it one wins", anyEngine, docMakeRace},
	{"of two who change it one wins", transactions, docRace},
	{"shelves are apart", anyEngine, docShelves},
	{"by key in pages", anyEngine, docsByKey},
	{"due in order, and never without a date", anyEngine, docsDue},
}

// putDoc makes a document that belongs to pictures.
func (d *desk) putDoc(id string) store.Doc {
	d.t.Helper()
	return must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Jobs, ID: id, Key: docKey, Body: []byte(`{"n":1}`)}))(d.t)
}

// sameDoc compares two documents; the bodies as JSON, with numbers as they are written.
func sameDoc(t *testing.T, got, want store.Doc) {
	t.Helper()
	g, w := decoded(t, got.Body), decoded(t, want.Body)
	if !reflect.DeepEqual(g, w) {
		t.Fatalf("body %s, want %s", got.Body, want.Body)
	}
	got.Body, want.Body = nil, nil
	same(t, "document", got, want)
}

func decoded(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("body %q: %v", raw, err)
	}
	return v
}

func docRoundTrip(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	for i, doc := range []store.Doc{
		{Shelf: store.Accounts, ID: "李华@gz-liwan", Body: []byte(`{}`)},
		{Shelf: store.Jobs, ID: "j 1", Key: "photo=é", Due: start, Body: []byte(`{"tries":0,"big":9007199254740993,"list":[1,"二",null,true,{"a":{}}],"text":"\u0001 \" \\ é"}`)},
		{Shelf: store.Cursors, ID: "x", Due: time.Date(2027, 1, 1, 0, 0, 0, 1e6, time.UTC), Body: []byte(`{"b":1,"a":{"$set":1,"x.y":2}}`)},
	} {
		put := must(d.s.PutDoc(d.ctx, doc))(t)
		if put.Version <= 0 {
			t.Fatalf("document %d has version %d", i, put.Version)
		}
		doc.Version = put.Version
		sameDoc(t, put, doc)
		sameDoc(t, must(d.s.GetDoc(d.ctx, doc.Shelf, doc.ID))(t), doc)
	}
	local := start.In(time.FixedZone("", 8*3600)).Add(999 * time.Microsecond)
	must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Jobs, ID: "local", Due: local, Body: []byte(`{}`)}))(t)
	same(t, "due in UTC to the millisecond", must(d.s.GetDoc(d.ctx, store.Jobs, "local"))(t).Due, start)
}

func docMadeOnce(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	d.putDoc("a")
	before := d.picture()
	_, err := d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Jobs, ID: "a", Key: "other", Body: []byte(`{"n":2}`)})
	wantCode(t, err, field.CodeStale)
	d.unchanged(before)
	_, err = d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Jobs, ID: "b", Version: 1, Key: docKey, Body: []byte(`{"n":2}`)})
	wantCode(t, err, field.CodeStale) // a version of what does not exist
	d.unchanged(before)
	_, err = d.s.GetDoc(d.ctx, store.Jobs, "b")
	wantCode(t, err, field.CodeNotFound)
}

func docSwap(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	first := d.putDoc("a")
	next := first
	next.Body, next.Due, next.Key = []byte(`{"n":2}`), start, docKey
	second := must(d.s.PutDoc(d.ctx, next))(t)
	if second.Version == first.Version {
		t.Fatalf("version %d stayed", second.Version)
	}
	next.Version = second.Version
	sameDoc(t, must(d.s.GetDoc(d.ctx, store.Jobs, "a"))(t), next)
	before := d.picture()
	for _, version := range []int64{0, first.Version, second.Version + 1, -1} {
		stale := next
		stale.Version, stale.Body = version, []byte(`{"n":3}`)
		_, err := d.s.PutDoc(d.ctx, stale)
		wantCode(t, err, field.CodeStale)
		d.unchanged(before)
	}
	next.Due, next.Key = time.Time{}, ""
	must(d.s.PutDoc(d.ctx, next))(t)
	same(t, "due no longer", len(must(d.s.DocsDue(d.ctx, store.Jobs, start.Add(time.Hour), 9))(t)), 0)
	same(t, "under its key no longer", len(must(d.s.DocsByKey(d.ctx, store.Jobs, docKey, "", 9))(t)), 0)
}

func docDelete(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	first := d.putDoc("a")
	second := must(d.s.PutDoc(d.ctx, first))(t)
	before := d.picture()
	wantCode(t, d.s.DeleteDoc(d.ctx, store.Jobs, "a", first.Version), field.CodeStale)
	d.unchanged(before)
	wantCode(t, d.s.DeleteDoc(d.ctx, store.Jobs, "b", 1), field.CodeNotFound)
	d.unchanged(before)
	if err := d.s.DeleteDoc(d.ctx, store.Jobs, "a", second.Version); err != nil {
		t.Fatal(err)
	}
	_, err := d.s.GetDoc(d.ctx, store.Jobs, "a")
	wantCode(t, err, field.CodeNotFound)
	wantCode(t, d.s.DeleteDoc(d.ctx, store.Jobs, "a", second.Version), field.CodeNotFound)
	_, err = d.s.PutDoc(d.ctx, second)
	wantCode(t, err, field.CodeStale) // it is gone: who saw it before must look again
	d.putDoc("a")
}

func docMakeRace(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	for round := range 10 {
		doc := store.Doc{Shelf: store.Jobs, ID: fmt.Sprint(round), Key: docKey}
		d.docRace(doc, 0)
	}
}

func docRace(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	doc := d.putDoc("a")
	for range 20 {
		doc = d.docRace(doc, doc.Version)
	}
}

// docRace lets four write the same version at once and returns what the one winner wrote.
func (d *desk) docRace(doc store.Doc, version int64) store.Doc {
	d.t.Helper()
	const writers = 4
	var errs [writers]error
	var docs [writers]store.Doc
	together(writers, func(i int) {
		mine := doc
		mine.Version, mine.Body = version, fmt.Appendf(nil, `{"writer":%d,"over":%d}`, i, version)
		docs[i], errs[i] = d.s.PutDoc(d.ctx, mine)
	})
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			d.t.Fatalf("%d and %d both wrote over version %d", winner, i, version)
		case !field.Is(err, field.CodeStale):
			d.t.Fatal(err)
		}
	}
	if winner < 0 {
		d.t.Fatalf("nobody wrote: %v", errors.Join(errs[:]...))
	}
	got := must(d.s.GetDoc(d.ctx, doc.Shelf, doc.ID))(d.t)
	sameDoc(d.t, got, docs[winner])
	return got
}

func docShelves(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	shelves := []store.Shelf{store.Accounts, store.Devices, store.Sessions, store.Uploads, store.Jobs, store.Cursors, store.Keys, store.Throttle, store.Sealed}
	for i, shelf := range shelves {
		must(d.s.PutDoc(d.ctx, store.Doc{Shelf: shelf, ID: "same", Key: "k", Due: start, Body: fmt.Appendf(nil, `{"n":%d}`, i)}))(t)
	}
	for i, shelf := range shelves {
		doc := must(d.s.GetDoc(d.ctx, shelf, "same"))(t)
		sameDoc(t, doc, store.Doc{Shelf: shelf, ID: "same", Version: doc.Version, Key: "k", Due: start, Body: fmt.Appendf(nil, `{"n":%d}`, i)})
		same(t, "by key", len(must(d.s.DocsByKey(d.ctx, shelf, "k", "", 99))(t)), 1)
		same(t, "due", len(must(d.s.DocsDue(d.ctx, shelf, start, 99))(t)), 1)
	}
}

func docsByKey(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	for i := range 23 {
		id := fmt.Sprintf("%c-%02d", 'z'-i, i) // made in another order than they are listed
		must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Sessions, ID: id, Key: "user=1", Body: []byte(`{}`)}))(t)
		must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Sessions, ID: "other" + id, Key: "user=10", Body: []byte(`{}`)}))(t)
		must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Sessions, ID: "none" + id, Body: []byte(`{}`)}))(t)
	}
	after, n := "", 0
	for {
		page := must(d.s.DocsByKey(d.ctx, store.Sessions, "user=1", after, 5))(t)
		if len(page) > 5 {
			t.Fatalf("a page of %d", len(page))
		}
		for _, doc := range page {
			if doc.Key != "user=1" || doc.ID <= after || doc.Version <= 0 {
				t.Fatalf("document %+v after %q", doc, after)
			}
			after = doc.ID
			n++
		}
		if len(page) < 5 {
			break
		}
	}
	if n != 23 {
		t.Fatalf("%d documents in pages, want 23", n)
	}
}

func docsDue(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	put := func(id string, due time.Time) {
		t.Helper()
		must(d.s.PutDoc(d.ctx, store.Doc{Shelf: store.Jobs, ID: id, Due: due, Body: []byte(`{}`)}))(t)
	}
	put("never", time.Time{})
	put("b-second", start.Add(time.Millisecond))
	put("a-second", start.Add(time.Millisecond))
	put("z-first", start)
	put("later", start.Add(2*time.Millisecond))
	want := []string{"z-first", "a-second", "b-second", "later"}
	due := func(before time.Time, limit int) []string {
		t.Helper()
		ids := []string{}
		for _, doc := range must(d.s.DocsDue(d.ctx, store.Jobs, before, limit))(t) {
			ids = append(ids, doc.ID)
		}
		return ids
	}
	same(t, "before any", due(start.Add(-time.Millisecond), 9), []string{})
	same(t, "at the first", due(start, 9), want[:1])
	same(t, "all but the last", due(start.Add(time.Millisecond), 9), want[:3])
	same(t, "all", due(start.Add(time.Hour), 9), want)
	same(t, "a page", due(start.Add(time.Hour), 2), want[:2])
}
