package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

var commitCases = []testCase{
	{"an entry is stored as it was given", anyEngine, entryRoundTrip},
	{"numbers have no gaps", anyEngine, gapless},
	{"several entries in one write", anyEngine, severalEntries},
	{"what does not exist is not found", anyEngine, notFound},
	{"a head that moved changes nothing", anyEngine, headMoved},
	{"a head with another hash changes nothing", anyEngine, headForked},
	{"an id in another scope changes nothing", anyEngine, idElsewhere},
	{"a gap changes nothing", anyEngine, gapRefused},
	{"a known batch changes nothing", anyEngine, batchKnown},
	{"a known batch among new ones changes nothing", transactions, batchKnownAmongNew},
	{"the same batch number of another device or scope is another batch", anyEngine, batchOfOthers},
	{"several scopes in one commit", anyEngine, severalScopes},
	{"when one scope fails none is written", transactions, scopesTogether},
	{"of two at the same head one wins", anyEngine, twoAtOneHead},
	{"many writers leave one chain", transactions, manyWriters},
	{"what a head promises is there", transactions, headPromises},
	{"two processes at the same head", processes, twoProcesses},
	{"a call that comes too late changes nothing", anyEngine, tooLate},
	{"a commit cut in flight is whole or absent", transactions, cutInFlight},
}

func entryRoundTrip(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	w := d.write(scope, 1)
	e := &w.Entries[0]
	e.Actor, e.Batch = "", 1<<53+1
	e.At = time.Date(2026, 2, 28, 23, 59, 59, 999e6, time.UTC)
	e.Body = []byte("{\"z\":1, \"a\" : \"检查 \\u00e9 é \U0001f4f7\",\"n\":9007199254740993,\"f\":1.10e-7,\"o\":{\"b\":null,\"a\":[]}}\n")
	w.Head.At = e.At
	w.Head.Info = field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan", "bijie", "aa"}, Region: "440103", Project: "0193594e-0000-7000-8000-0000000000cc"}
	d.commit(w)

	same(t, "Entry", must(d.s.Entry(d.ctx, scope, 1))(t), *e)
	same(t, "Batch", must(d.s.Batch(d.ctx, scope, e.Device, e.Batch))(t), *e)
	same(t, "Entries", must(d.s.Entries(d.ctx, scope, 0, 10))(t), []store.Entry{*e})
	same(t, "Head", must(d.s.Head(d.ctx, scope))(t), w.Head)
}

func gapless(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b := d.site(), d.site()
	var want []store.Entry
	for range 25 {
		w := d.write(a, 1)
		want = append(want, w.Entries...)
		d.commit(w)
		d.put(b)
	}
	same(t, "all entries", must(d.s.Entries(d.ctx, a, 0, 100))(t), want)
	same(t, "a page", must(d.s.Entries(d.ctx, a, 7, 5))(t), want[7:12])
	same(t, "after the end", must(d.s.Entries(d.ctx, a, 25, 5))(t), []store.Entry{})
	for i, e := range want {
		if e.Seq != int64(i+1) {
			t.Fatalf("entry %d has number %d", i+1, e.Seq)
		}
	}
	same(t, "the head", must(d.s.Head(d.ctx, a))(t), d.heads[a])
}

func severalEntries(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	d.put(scope)
	r := d.record()
	w := d.write(scope, 5, r)
	d.commit(w)
	same(t, "entries", must(d.s.Entries(d.ctx, scope, 1, 10))(t), w.Entries)
	same(t, "head", must(d.s.Head(d.ctx, scope))(t), w.Head)
	for _, e := range w.Entries {
		same(t, "by batch", must(d.s.Batch(d.ctx, scope, e.Device, e.Batch))(t), e)
	}
	same(t, "the record", must(d.s.Changed(d.ctx, scope, 5, 6, 10))(t), []*field.Record{r})
}

func notFound(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, other := d.site(), d.site()
	d.put(scope)
	_, err := d.s.Head(d.ctx, other)
	wantCode(t, err, field.CodeNotFound)
	for _, seq := range []int64{0, 2} {
		_, err = d.s.Entry(d.ctx, scope, seq)
		wantCode(t, err, field.CodeNotFound)
	}
	_, err = d.s.Entry(d.ctx, other, 1)
	wantCode(t, err, field.CodeNotFound)
	_, err = d.s.Batch(d.ctx, scope, phone, d.batch+1)
	wantCode(t, err, field.CodeNotFound)
	_, err = d.s.Batch(d.ctx, scope, tablet, d.batch)
	wantCode(t, err, field.CodeNotFound)
	same(t, "the last batch", must(d.s.LastBatch(d.ctx, scope, phone))(t), d.batch)
	same(t, "the last batch of a device that never wrote here", must(d.s.LastBatch(d.ctx, scope, "nobody"))(t), int64(0))
	_, err = d.s.Batch(d.ctx, other, phone, d.batch)
	wantCode(t, err, field.CodeNotFound)
	same(t, "records that do not exist", must(d.s.Records(d.ctx, []field.RecordID{d.id()}))(t), []*field.Record{})
	same(t, "no records asked for", must(d.s.Records(d.ctx, nil))(t), []*field.Record{})
}

func headMoved(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	d.put(scope, r)
	late := r.Clone()
	late.Fields["caption"] = field.Quote("written at a head that is gone")
	w := d.write(scope, 1, late, d.record()) // entry 2, decided before the next line
	d.put(scope, r)
	d.putDoc("of the other")
	before := d.picture()
	refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrHeadMoved)
	d.unchanged(before)

	first := d.write(d.site(), 1, d.record())
	d.commit(first)
	again := entryAfter(store.Head{Scope: first.Head.Scope}, tablet, 900)
	before = d.picture()
	refused(t, d.s.Commit(d.ctx, []store.Write{{Entries: []store.Entry{again}, Head: endOf(again, first.Head.Info)}}), store.ErrHeadMoved)
	d.unchanged(before)
}

// Two writers took the same id at the same time, in two scopes: the second decides again, and sees it.
func idElsewhere(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	here, there, r := d.site(), d.site(), d.record()
	d.put(here, r)
	d.put(there, d.record())
	for _, age := range []time.Duration{0, time.Hour} { // it looks new, and it does not
		taken := r.Clone()
		taken.Fields["caption"] = field.Quote("made elsewhere")
		taken.UpdatedAt = taken.CreatedAt.Add(age)
		w := d.write(there, 1, d.record(), taken)
		before := d.picture()
		refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrHeadMoved)
		d.unchanged(before)
		d.put(there, d.record())
	}
	d.put(here, r)
}

// A head with the right number and another hash is another history: a backup was restored under a running server.
func headForked(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	d.put(scope, d.record())
	head := d.heads[scope]
	head.Hash = "0000000000000000000000000000000000000000000000000000000000000000"
	e := entryAfter(head, phone, 900)
	w := store.Write{Entries: []store.Entry{e}, Head: endOf(e, head.Info)}
	before := d.picture()
	refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrHeadMoved)
	d.unchanged(before)
}

func gapRefused(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, fresh := d.site(), d.site()
	d.put(scope)
	before := d.picture()
	for _, sc := range []field.Scope{scope, fresh} {
		head := d.heads[sc]
		head.Scope, head.Seq = sc, head.Seq+1 // as if one more had been written
		e := entryAfter(head, phone, 900)
		w := store.Write{Entries: []store.Entry{e}, Head: endOf(e, d.heads[scope].Info)}
		refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrHeadMoved)
		d.unchanged(before)
	}
}

func batchKnown(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	first := d.write(scope, 1, r)
	d.commit(first)
	d.put(scope)
	before := d.picture()

	// At the right head: only the batch gives it away.
	twice := r.Clone()
	twice.Fields["caption"] = field.Quote("twice")
	w := d.write(scope, 1, twice, d.record())
	w.Entries[0] = entryAfter(d.heads[scope], phone, first.Entries[0].Batch)
	w.Head.Hash = w.Entries[0].Hash
	refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrBatchKnown)
	d.unchanged(before)

	// Sent again as it was, both are true: the head has moved, and the batch is known.
	err := d.s.Commit(d.ctx, []store.Write{first})
	if !errors.Is(err, store.ErrBatchKnown) && !errors.Is(err, store.ErrHeadMoved) {
		t.Fatalf("the same commit again: %v", err)
	}
	d.unchanged(before)
	same(t, "the batch", must(d.s.Batch(d.ctx, scope, phone, first.Entries[0].Batch))(t), first.Entries[0])
}

func batchKnownAmongNew(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	first := d.write(scope, 1, d.record())
	d.commit(first)
	before := d.picture()
	for known := range 3 {
		w := store.Write{Records: []*field.Record{d.record()}}
		head := d.heads[scope]
		for i := range 3 {
			batch := int64(700 + i)
			if i == known {
				batch = first.Entries[0].Batch
			}
			e := entryAfter(head, phone, batch)
			head.Seq, head.Hash, head.At = e.Seq, e.Hash, e.At
			w.Entries = append(w.Entries, e)
		}
		w.Head = head
		w.Records[0].Scope, w.Records[0].Info, w.Records[0].Version = scope, head.Info, head.Seq
		refused(t, d.s.Commit(d.ctx, []store.Write{w}), store.ErrBatchKnown)
		d.unchanged(before)
	}
}

func batchOfOthers(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, other := d.site(), d.site()
	d.put(scope)
	w := d.write(scope, 1)
	w.Entries[0] = entryAfter(d.heads[scope], tablet, d.batch-1)
	w.Head.Hash = w.Entries[0].Hash
	d.commit(w)
	w = d.write(other, 1)
	w.Entries[0] = entryAfter(store.Head{Scope: other}, phone, 1)
	w.Head.Hash = w.Entries[0].Hash
	d.commit(w)
	for _, e := range must(d.s.Entries(d.ctx, scope, 0, 9))(t) {
		same(t, "by batch", must(d.s.Batch(d.ctx, scope, e.Device, e.Batch))(t), e)
	}
	same(t, "by batch elsewhere", must(d.s.Batch(d.ctx, other, phone, 1))(t), w.Entries[0])
}

func severalScopes(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b, c := d.site(), field.MakeScope(field.ScopeUser, string(d.id())), field.MakeScope(field.ScopeClue, string(d.id()))
	ra, rb, rc := d.record(), d.record(), d.record()
	d.put(b)
	d.commit(d.write(a, 1, ra), d.write(b, 2, rb), d.write(c, 1, rc))
	for scope, r := range map[field.Scope]*field.Record{a: ra, b: rb, c: rc} {
		same(t, "head", must(d.s.Head(d.ctx, scope))(t), d.heads[scope])
		same(t, "record", must(d.s.Changed(d.ctx, scope, 0, 9, 9))(t), []*field.Record{r})
	}
}

func scopesTogether(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b, c := d.site(), d.site(), d.site()
	shared := d.record()
	d.put(a, shared)
	known := d.write(b, 1, d.record())
	d.commit(known)
	d.put(c)
	d.putDoc("stays")
	before := d.picture()

	good := func(scope field.Scope) store.Write {
		r := shared.Clone()
		r.Fields["caption"] = field.Quote("never seen")
		if scope != a {
			r = d.record()
		}
		return d.write(scope, 2, r, d.record())
	}
	moved := d.write(b, 1, d.record())
	moved.Entries[0] = entryAfter(store.Head{Scope: b}, tablet, 901) // entry 1 again
	moved.Head = endOf(moved.Entries[0], moved.Head.Info)
	twice := d.write(b, 1, d.record())
	twice.Entries[0] = entryAfter(d.heads[b], phone, known.Entries[0].Batch)
	twice.Head.Hash = twice.Entries[0].Hash
	for _, fault := range []struct {
		bad  store.Write
		want error
	}{{moved, store.ErrHeadMoved}, {twice, store.ErrBatchKnown}} {
		for at := range 3 {
			writes := []store.Write{good(a), good(c)}
			writes = append(writes[:min(at, 2)], append([]store.Write{fault.bad}, writes[min(at, 2):]...)...)
			refused(t, d.s.Commit(d.ctx, writes), fault.want)
			d.unchanged(before)
		}
	}
	d.commit(good(a), good(c)) // nothing of the refused ones is in the way
}

func twoAtOneHead(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	race(t, d, d.s, d.s)
}

func twoProcesses(t *testing.T, s *suite) {
	first := s.open(t)
	d := sitDown(t, first)
	race(t, d, first, s.caps.Second(t, first))
}

// race lets two commit entry n+1 at once, again and again, and expects one winner each time.
func race(t *testing.T, d *desk, one, two Store) {
	t.Helper()
	scope := d.site()
	r := d.record()
	d.put(scope, r)
	for round := range 20 {
		var writes [2]store.Write
		for i := range writes {
			mine := r.Clone()
			mine.Fields["caption"] = field.Quote(fmt.Sprint(round, i))
			writes[i] = d.write(scope, 1, mine, d.record())
		}
		var errs [2]error
		together(2, func(i int) { errs[i] = []Store{one, two}[i].Commit(d.ctx, writes[i:i+1]) })
		winner, loser := 0, 1
		if errs[0] != nil {
			winner, loser = 1, 0
		}
		if errs[winner] != nil || !errors.Is(errs[loser], store.ErrHeadMoved) {
			t.Fatalf("round %d: %v and %v, want one success and one ErrHeadMoved", round, errs[0], errs[1])
		}
		w := writes[winner]
		d.heads[scope] = w.Head
		same(t, "head", must(d.s.Head(d.ctx, scope))(t), w.Head)
		same(t, "entry", must(d.s.Entry(d.ctx, scope, w.Head.Seq))(t), w.Entries[0])
		same(t, "the winner's record", must(d.s.Records(d.ctx, []field.RecordID{r.ID}))(t), w.Records[:1])
		same(t, "the loser's record", must(d.s.Records(d.ctx, []field.RecordID{writes[loser].Records[1].ID}))(t), []*field.Record{})
	}
}

// together starts n at once and waits for all.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-gate; do(i) })
	}
	close(gate)
	wg.Wait()
}

func manyWriters(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope := d.site()
	d.put(scope)
	const writers, each = 8, 10
	fails := make([]error, writers)
	together(writers, func(i int) {
		device := field.DeviceID(fmt.Sprintf("0193594e-0000-7000-8000-0000000001%02d", i))
		for n := 0; n < each; {
			head, err := d.s.Head(d.ctx, scope)
			if err != nil {
				fails[i] = err
				return
			}
			e := entryAfter(head, device, int64(n+1))
			head.Seq, head.Hash, head.At = e.Seq, e.Hash, e.At
			switch err := d.s.Commit(d.ctx, []store.Write{{Entries: []store.Entry{e}, Head: head}}); {
			case err == nil:
				n++
			case !errors.Is(err, store.ErrHeadMoved):
				fails[i] = err
				return
			}
		}
	})
	if err := errors.Join(fails...); err != nil {
		t.Fatal(err)
	}
	entries := must(d.s.Entries(d.ctx, scope, 0, 1000))(t)
	if len(entries) != writers*each+1 {
		t.Fatalf("%d entries, want %d", len(entries), writers*each+1)
	}
	next := map[field.DeviceID]int64{}
	prev := ""
	for i, e := range entries {
		if e.Seq != int64(i+1) || e.Prev != prev {
			t.Fatalf("entry %d has number %d and follows on %q, want %q", i+1, e.Seq, e.Prev, prev)
		}
		prev = e.Hash
		if e.Device != phone {
			if next[e.Device]++; e.Batch != next[e.Device] {
				t.Fatalf("device %s: batch %d, want %d", e.Device, e.Batch, next[e.Device])
			}
		}
	}
	if head := must(d.s.Head(d.ctx, scope))(t); head.Seq != int64(len(entries)) || head.Hash != prev {
		t.Fatalf("head %+v does not end the chain", head)
	}
}

// A reader beside a writer finds, for the head that it read, the entry and the records of every scope of the commit.
func headPromises(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	a, b := d.site(), d.site()
	ra, rb := d.record(), d.record()
	d.commit(d.write(a, 1, ra), d.write(b, 1, rb))
	ctx, stop := context.WithCancel(d.ctx)
	defer stop()
	var fail error
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			head, err := d.s.Head(d.ctx, a)
			if err != nil {
				fail = err
				return
			}
			e, err := d.s.Entry(d.ctx, a, head.Seq)
			if err != nil || e.Hash != head.Hash {
				fail = fmt.Errorf("head %d: entry %+v, %w", head.Seq, e, err)
				return
			}
			other, err := d.s.Head(d.ctx, b)
			if err != nil || other.Seq < head.Seq {
				fail = fmt.Errorf("head %d here and %d in the other scope of the same commit, %w", head.Seq, other.Seq, err)
				return
			}
			got, err := d.s.Records(d.ctx, []field.RecordID{ra.ID, rb.ID})
			if err != nil || len(got) != 2 || got[0].Version < head.Seq || got[1].Version < head.Seq {
				fail = fmt.Errorf("head %d without its records: %s, %w", head.Seq, show(got), err)
				return
			}
		}
	})
	for range 60 {
		ra, rb := ra.Clone(), rb.Clone()
		d.commit(d.write(a, 1, ra), d.write(b, 1, rb))
	}
	stop()
	wg.Wait()
	if fail != nil {
		t.Fatal(fail)
	}
}

func tooLate(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	scope, r := d.site(), d.record()
	d.put(scope, r)
	doc := d.putDoc("stays")
	before := d.picture()
	gone, cancel := context.WithCancel(d.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(d.ctx, time.Unix(1, 0))
	defer cancelLate()
	for _, ctx := range []context.Context{gone, late} {
		changed := doc
		changed.Body = []byte(`{"n":2}`)
		calls := map[string]func() error{
			"Commit":    func() error { return d.s.Commit(ctx, []store.Write{d.write(scope, 1, d.record())}) },
			"PutDoc":    func() error { _, err := d.s.PutDoc(ctx, changed); return err },
			"DeleteDoc": func() error { return d.s.DeleteDoc(ctx, doc.Shelf, doc.ID, doc.Version) },
			"Head":      func() error { _, err := d.s.Head(ctx, scope); return err },
			"Records":   func() error { _, err := d.s.Records(ctx, []field.RecordID{r.ID}); return err },
			"Changed":   func() error { _, err := d.s.Changed(ctx, scope, 0, 9, 9); return err },
			"List":      func() error { _, err := d.s.List(ctx, store.Query{Scope: scope, Limit: 9}); return err },
			"GetDoc":    func() error { _, err := d.s.GetDoc(ctx, doc.Shelf, doc.ID); return err },
		}
		for name, call := range calls {
			err := call()
			if err == nil || errors.Is(err, store.ErrHeadMoved) || errors.Is(err, store.ErrBatchKnown) ||
				field.Is(err, field.CodeNotFound) || field.Is(err, field.CodeStale) {
				t.Fatalf("%s after its deadline answered %v, which says something about the data", name, err)
			}
			d.unchanged(before)
		}
	}
}

func cutInFlight(t *testing.T, s *suite) {
	d := sitDown(t, s.open(t))
	for range 30 {
		a, b := d.site(), d.site()
		writes := []store.Write{d.write(a, 1, d.record()), d.write(b, 1, d.record())}
		ctx, cancel := context.WithCancel(d.ctx)
		var err error
		together(2, func(i int) {
			if i == 1 {
				cancel()
				return
			}
			err = d.s.Commit(ctx, writes)
		})
		cancel()
		// Another commit shows that the store works, and that what was in flight is over.
		d.put(d.site())
		there := 0
		for _, w := range writes {
			head, herr := d.s.Head(d.ctx, w.Head.Scope)
			if herr == nil {
				there++
				same(t, "head", head, w.Head)
				same(t, "entries", must(d.s.Entries(d.ctx, head.Scope, 0, 9))(t), w.Entries)
			} else {
				wantCode(t, herr, field.CodeNotFound)
			}
			if got := must(d.s.Records(d.ctx, idsOf(w.Records)))(t); len(got) == 1 != (herr == nil) {
				t.Fatalf("%d records beside head %v", len(got), herr)
			}
		}
		if there == 1 || err == nil && there != 2 {
			t.Fatalf("%d of 2 scopes were written, and the answer was %v", there, err)
		}
	}
}

func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}
