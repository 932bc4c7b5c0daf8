package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// start is when the story of every case begins.
var start = time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)

const (
	phone  = field.DeviceID("0193594e-0000-7000-8000-00000000000a")
	tablet = field.DeviceID("0193594e-0000-7000-8000-00000000000b")
	author = field.UserID("0193594e-0000-7000-8000-0000000000aa")
)

// desk is the caller: it keeps what a lane of the server keeps, the heads, and makes commits that follow on them.
type desk struct {
	t     *testing.T
	s     Store
	ctx   context.Context
	heads map[field.Scope]store.Head
	ids   int
	batch int64
}

func sitDown(t *testing.T, s Store) *desk {
	t.Helper()
	return &desk{t: t, s: s, ctx: t.Context(), heads: map[field.Scope]store.Head{}}
}

func (d *desk) id() field.RecordID {
	d.ids++
	return field.DeriveID(start.Add(time.Duration(d.ids)*time.Millisecond), "storetest", fmt.Sprint(d.ids))
}

func (d *desk) site() field.Scope { return field.MakeScope(field.ScopeSite, string(d.id())) }

// record makes a photo that write will put into a scope.
func (d *desk) record() *field.Record {
	id := d.id()
	return &field.Record{
		ID: id, Kind: "photo", State: "declared", Author: author, Device: phone,
		CreatedAt: start, UpdatedAt: start, Rank: field.RankTime(start.Add(time.Duration(d.ids) * time.Millisecond)),
		Fields: map[string]field.Value{"caption": field.Quote(id)},
		Stamps: map[string]field.Stamp{"caption": {Seq: 1, Device: phone}},
	}
}

// write makes entries that follow on the head that the desk knows, and gives the records the last one's number.
func (d *desk) write(scope field.Scope, entries int, records ...*field.Record) store.Write {
	head := d.heads[scope]
	head.Scope = scope
	if head.Info.Orgs == nil {
		head.Info = field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan"}, Region: "440103"}
	}
	w := store.Write{Records: records}
	for range entries {
		d.batch++
		e := entryAfter(head, phone, d.batch)
		head.Seq, head.Hash, head.At = e.Seq, e.Hash, e.At
		w.Entries = append(w.Entries, e)
	}
	w.Head = head
	for _, r := range records {
		r.Scope, r.Info, r.Version = scope, head.Info, head.Seq
	}
	return w
}

func entryAfter(head store.Head, device field.DeviceID, batch int64) store.Entry {
	e := store.Entry{
		Scope: head.Scope, Seq: head.Seq + 1, Device: device, Batch: batch, Prev: head.Hash,
		At: start.Add(time.Duration(head.Seq) * time.Second), Actor: author,
	}
	e.Body = fmt.Appendf(nil, `{"v":1,"scope":%q,"seq":%d,"device":%q,"batch":%d}`, e.Scope, e.Seq, e.Device, e.Batch)
	sum := sha256.Sum256(e.Body)
	e.Hash = hex.EncodeToString(sum[:])
	return e
}

// endOf is the head after an entry.
func endOf(e store.Entry, info field.ScopeInfo) store.Head {
	return store.Head{Scope: e.Scope, Seq: e.Seq, Hash: e.Hash, Info: info, At: e.At}
}

// commit does what must succeed, and remembers the heads.
func (d *desk) commit(writes ...store.Write) {
	d.t.Helper()
	if err := d.s.Commit(d.ctx, writes); err != nil {
		d.t.Fatalf("commit: %v", err)
	}
	for _, w := range writes {
		d.heads[w.Head.Scope] = w.Head
	}
}

// put commits one entry with the records.
func (d *desk) put(scope field.Scope, records ...*field.Record) {
	d.t.Helper()
	d.commit(d.write(scope, 1, records...))
}

// picture is everything in a store, for "nothing changed".
type picture struct {
	Heads   []store.Head
	Entries []store.Entry
	Records []*field.Record
	Listed  []*field.Record
	Docs    []store.Doc
}

const docKey = "of-the-case" // the key of the documents that a picture holds

func (d *desk) picture() picture {
	d.t.Helper()
	var p picture
	p.Heads = must(d.s.Heads(d.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000}))(d.t)
	for _, h := range p.Heads {
		p.Entries = append(p.Entries, must(d.s.Entries(d.ctx, h.Scope, 0, 1000))(d.t)...)
		p.Records = append(p.Records, must(d.s.Changed(d.ctx, h.Scope, 0, math.MaxInt64, 1000))(d.t)...)
	}
	p.Listed = must(d.s.List(d.ctx, store.Query{Visible: access.Everything, Deleted: true, Limit: 1000}))(d.t)
	p.Docs = must(d.s.DocsByKey(d.ctx, store.Jobs, docKey, "", 1000))(d.t)
	return p
}

// unchanged fails the case if anything is not as it was.
func (d *desk) unchanged(before picture) {
	d.t.Helper()
	same(d.t, "the store after a refusal", d.picture(), before)
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// same compares whole values; times must be equal to the nanosecond and in UTC.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(plain(got), plain(want)) {
		t.Fatalf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

func wantCode(t *testing.T, err error, code field.Code) {
	t.Helper()
	if !field.Is(err, code) {
		t.Fatalf("got error %v, want code %s", err, code)
	}
}

// plain turns pointers into values and nil slices into empty ones, so that DeepEqual compares what a caller can tell
// apart. Maps must not be nil: callers write into them.
func plain(v any) any {
	switch v := v.(type) {
	case picture:
		return []any{plain(v.Heads), plain(v.Entries), plain(v.Records), plain(v.Listed), plain(v.Docs)}
	case []*field.Record:
		return each(v)
	case []store.Entry:
		return each(v)
	case []store.Head:
		return each(v)
	case []store.Doc:
		return each(v)
	case *field.Record:
		r := *v
		r.Info = plainInfo(r.Info)
		r.Keys = append([]string{}, r.Keys...)
		return r
	case store.Entry:
		v.Body = append([]byte{}, v.Body...)
		return v
	case store.Head:
		v.Info = plainInfo(v.Info)
		return v
	}
	return v
}

func plainInfo(i field.ScopeInfo) field.ScopeInfo {
	i.Orgs = append([]field.OrgID{}, i.Orgs...)
	return i
}

func each[T any](list []T) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		out = append(out, plain(v))
	}
	return out
}

func show(v any) string {
	if list, ok := v.([]*field.Record); ok {
		var b strings.Builder
		for _, r := range list {
			fmt.Fprintf(&b, "\n  %+v", *r)
		}
		return b.String()
	}
	if r, ok := v.(*field.Record); ok {
		return fmt.Sprintf("%+v", *r)
	}
	s := fmt.Sprintf("%+v", v)
	if len(s) > 4000 {
		s = s[:4000] + " and so on"
	}
	return s
}

func idsOf(records []*field.Record) []field.RecordID {
	ids := make([]field.RecordID, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}
