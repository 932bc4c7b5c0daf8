package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// reader is a follower that remembers what it was given, and can be made to fail.
type reader struct {
	scope field.Scope
	mu    sync.Mutex
	seen  []int64
	fail  bool
	moved chan struct{}
}

func (r *reader) Name() string             { return "reader" }
func (r *reader) Types() []field.ScopeType { return []field.ScopeType{field.ScopeSite} }

func (r *reader) Entry(_ context.Context, e store.Entry) error {
	if e.Scope != r.scope {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.moved <- struct{}{}:
		default:
		}
	}()
	if r.fail {
		return errors.New("not today")
	}
	r.seen = append(r.seen, e.Seq)
	return nil
}

// until waits until the reader has been given an entry, and returns all that it was given.
func (r *reader) until(t *testing.T, seq int64) []int64 {
	t.Helper()
	for {
		r.mu.Lock()
		seen := slices.Clone(r.seen)
		r.mu.Unlock()
		if len(seen) > 0 && seen[len(seen)-1] >= seq {
			return seen
		}
		select {
		case <-r.moved:
		case <-t.Context().Done():
			t.Fatal("the follower was not told")
		}
	}
}

// A follower gets every entry of its scopes in order: those from before it began, those written meanwhile, and after a
// stop only those that are new. After a crash it gets some again, and misses none.
func TestAFollowerMissesNothing(t *testing.T) {
	s := storagetest.SQLite(t)
	c := newCounty(t, s)
	write := func(n int) (end int64) {
		for range n {
			end = c.push(c.chen, c.scope, protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "x"})}).Seq
		}
		return end
	}
	follow := func(r *reader) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Follow(ctx, s, r) }()
		return func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		}
	}
	ordered := func(seen []int64, from, to int64) {
		t.Helper()
		for i, seq := range seen {
			if seq != from+int64(i) {
				t.Fatalf("entry %d came where %d was due", seq, from+int64(i))
			}
		}
		if len(seen) == 0 || seen[len(seen)-1] != to {
			t.Fatalf("%v does not end with %d", seen, to)
		}
	}

	end := write(130)
	r := &reader{scope: c.scope, moved: make(chan struct{}, 1)}
	stop := follow(r)
	r.until(t, end)
	middle := write(30)
	ordered(r.until(t, middle), 1, middle)
	stop()

	r = &reader{scope: c.scope, moved: make(chan struct{}, 1), fail: true}
	stop = follow(r)
	next := write(1)
	<-r.moved // it failed
	stop()
	r = &reader{scope: c.scope, moved: make(chan struct{}, 1)}
	stop = follow(r)
	ordered(r.until(t, next), middle+1, next)

	// Another server follows the same log: it begins where the first one has saved, and both get what is new.
	other := &reader{scope: c.scope, moved: make(chan struct{}, 1)}
	second := engine.New(engine.Options{Store: s, Now: c.clock.now})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- second.Follow(ctx, s, other) }()
	last := write(250)
	second.Tell(engine.Poke{Scope: c.scope, Seq: last})
	ordered(r.until(t, last), middle+1, last)
	seen := other.until(t, last)
	ordered(seen, seen[0], last)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop()
}
