package upkeep

import (
	"context"
	"slices"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// office is a server's engines, in which something was written.
type office struct {
	t       *testing.T
	engines *storage.Engines
}

func onBothEngines(t *testing.T, test func(*testing.T, *office)) {
	storagetest.OnBoth(t, func(t *testing.T, p *storage.Engines) {
		o := &office{t: t, engines: p}
		e := engine.New(engine.Options{Store: p.Store})
		id := e.NewID()
		_, err := e.Commit(t.Context(), protocol.Batch{
			Actor: engine.Server, Device: "server/test", Number: 1, Scope: field.MakeScope(field.ScopeClue, string(id)), Strict: true, Trusted: true,
			Operations: []protocol.Operation{{ID: id, Kind: field.KindClue, Set: map[string]field.Value{
				"title": field.Quote("线索"), "channel": field.Quote("petition"), "managingOrg": field.Quote("gz"),
			}}},
		})
		o.must(err)
		test(t, o)
	})
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// growing is a store of statements to which another is added when all were listed.
type growing struct {
	blob.Store
	then func()
}

func (g *growing) Each(ctx context.Context, fn func(blob.Info) error) error {
	err := g.Store.Each(ctx, fn)
	if then := g.then; then != nil {
		g.then = nil
		then()
	}
	return err
}

// The key is changed and statements are kept while others are read. None of that is a fault.
func TestStatementsAreHeardWhileTheKeyIsChanged(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *office) {
		p := f.engines
		ring, err := Ring(t.Context(), p)
		f.must(err)
		say := func() {
			t.Helper()
			_, n, err := keepStatement(t.Context(), p, time.Now(), false)
			if f.must(err); n == 0 {
				t.Error("a statement about nothing")
			}
		}
		hear := func(what string, want int) {
			t.Helper()
			n, _, faults, err := hear(t.Context(), p, ring.Keys, &anchor.Witness{}) // as they were when verifying began
			if f.must(err); n != want || len(faults) > 0 {
				t.Errorf("%s: %d statements, want %d; faults %q", what, n, want, faults)
			}
		}
		say()
		hear("one key", 1)
		_, doc, err := storedKey(t.Context(), p.Store)
		f.must(err)
		next, old := newKey(time.Now()), slices.Clone(ring.Keys)
		old[0].Until = next.From
		next.Older = old
		doc.Body = field.Quote(next)
		_, err = p.Store.PutDoc(t.Context(), doc)
		f.must(err)
		say()
		hear("by a new key", 2)
		p.Anchors = &growing{p.Anchors, say}
		hear("and one that came after the list", 2)
		hear("which is in the next", 3)
	})
}

// The clock is a year ahead, and put right. Statements follow each other by their times all the same, so that the
// newest is known for what it is; the next is due a day after the last was kept; and the first one that an older
// program kept, with the time that the clock had when the key was made, is not contradicted.
func TestStatementsFollowEachOtherWhenTheClockIsPutRight(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *office) {
		right := time.Now().UTC().Truncate(time.Millisecond)
		wrong, now := right.AddDate(1, 0, 0), right
		p := f.engines
		p.Now = func() time.Time { return now }
		key := newKey(wrong) // as an older program made the first one
		_, err := p.Store.PutDoc(t.Context(), store.Doc{Shelf: store.Keys, ID: serverKey, Body: field.Quote(key)})
		f.must(err)
		said := func(what string, want int) (w anchor.Witness) {
			t.Helper()
			ring, err := Ring(t.Context(), p)
			f.must(err)
			n, _, faults, err := hear(t.Context(), p, ring.Keys, &w)
			if f.must(err); n != want || len(faults) > 0 {
				t.Errorf("%s: %d statements, want %d; faults %q", what, n, want, faults)
			}
			var r Report
			if r.serverKey(t.Context(), p, &w); !r.Sound() {
				t.Errorf("%s: %q", what, r.Faults)
			}
			return w
		}
		ring := key.ring()
		ring.Keys = key.keys()
		msg, _, err := signHeads(t.Context(), p, ring, anchor.Statement{At: wrong})
		f.must(err)
		sum, err := keep(t.Context(), p.Anchors, msg)
		f.must(err)
		_, err = p.Store.PutDoc(t.Context(), store.Doc{Shelf: store.Cursors, ID: anchorDoc, Body: field.Quote(anchored{At: wrong, Sum: sum})})
		f.must(err)
		said("of an older program", 1)

		last, _, err := lastAnchored(t.Context(), p)
		if f.must(err); !last.due(now) {
			t.Error("the next is not due for a year")
		}
		_, _, err = keepStatement(t.Context(), p, now, false)
		f.must(err)
		last, _, err = lastAnchored(t.Context(), p)
		if f.must(err); last.due(now) || last.due(now.Add(anchorEvery-time.Second)) || !last.due(now.Add(anchorEvery)) || !last.At.After(wrong) {
			t.Errorf("the next after %+v", last)
		}
		said("put right", 2)

		// The key is changed: it was good for all that it signed.
		k, doc, err := storedKey(t.Context(), p.Store)
		f.must(err)
		until, err := latest(t.Context(), p, now)
		if f.must(err); !until.Equal(last.At) {
			t.Errorf("it was good until %s, and signed on %s", until, last.At)
		}
		next := newKey(now)
		next.Older = k.ring().Keys
		next.Older[0].Until = until
		doc.Body = field.Quote(next)
		_, err = p.Store.PutDoc(t.Context(), doc)
		f.must(err)
		_, _, err = keepStatement(t.Context(), p, now, false)
		f.must(err)
		w := said("by a new key", 3)
		if digest, _ := w.Keys(); digest != digestOf(next.keys()) {
			t.Error("an older statement passes for the newest")
		}

		// After a restore the copy knows older statements alone.
		last, doc, err = lastAnchored(t.Context(), p)
		f.must(err)
		doc.Body = field.Quote(anchored{At: wrong, Sum: sum})
		_, err = p.Store.PutDoc(t.Context(), doc)
		f.must(err)
		_, _, err = keepStatement(t.Context(), p, now, true)
		f.must(err)
		if again, _, err := lastAnchored(t.Context(), p); err != nil || !again.At.After(last.At) {
			t.Errorf("%v: restored %s, and the one before %s", err, again.At, last.At)
		}
	})
}

// An entry from when the clock was ahead may lie before others in its log. The key was good until then.
func TestAKeyWasGoodUntilTheLatestEntry(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *office) {
		p := f.engines
		ahead := time.Now().UTC().Truncate(time.Millisecond).AddDate(0, 0, 1)
		clock := ahead
		e := engine.New(engine.Options{Store: p.Store, Now: func() time.Time { return clock }})
		scope := field.MakeScope(field.ScopeUser, string(e.NewID()))
		for n := range int64(2) {
			_, err := e.Commit(t.Context(), protocol.Batch{
				Actor: engine.Server, Device: "server/clock", Number: n + 1, Scope: scope, Strict: true, Trusted: true,
				Operations: []protocol.Operation{{ID: e.NewID(), Kind: field.KindNotice, Set: map[string]field.Value{
					"type": field.Quote("info"), "zh": field.Quote("时钟"), "en": field.Quote("clock"),
				}}},
			})
			f.must(err)
			clock = time.Now()
		}
		until, err := latest(t.Context(), p, time.Now())
		if f.must(err); !until.Equal(ahead) {
			t.Errorf("until %s, want %s", until, ahead)
		}
		copied, latest, _, err := endOfCopy(t.Context(), p.Store, time.Now())
		if f.must(err); copied.After(time.Now()) || copied.IsZero() || latest.After(time.Now()) {
			t.Errorf("%s %s", copied, latest)
		}
		if doubt, err := Doubt(t.Context(), p); err != nil || doubt != nil {
			t.Errorf("%+v %v", doubt, err)
		}
		p.Now = func() time.Time { return time.Now().AddDate(-1, 0, 0) }
		if doubt, err := Doubt(t.Context(), p); err != nil || doubt == nil || doubt.EN == "" || doubt.ZH == "" {
			t.Errorf("%+v %v", doubt, err)
		}
	})
}
