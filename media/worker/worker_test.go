package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldclue/media/worker"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// shelf is the working documents of a store in memory, by the contract of store.Doc. changed tells of every write.
type shelf struct {
	mu      sync.Mutex
	docs    map[string]store.Doc
	changed chan struct{}
}

func newShelf() *shelf {
	return &shelf{docs: map[string]store.Doc{}, changed: make(chan struct{}, 1)}
}

func (s *shelf) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *shelf) GetDoc(_ context.Context, _ store.Shelf, id string) (store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[id]
	if !ok {
		return d, field.Refuse(field.CodeNotFound, "")
	}
	return d, nil
}

func (s *shelf) PutDoc(ctx context.Context, d store.Doc) (store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.docs[d.ID].Version != d.Version {
		return store.Doc{}, field.Refuse(field.CodeStale, "")
	}
	d.Version++
	s.docs[d.ID] = d
	s.tell()
	return d, nil
}

func (s *shelf) DeleteDoc(_ context.Context, _ store.Shelf, id string, version int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs[id].Version != version {
		return field.Refuse(field.CodeStale, "")
	}
	delete(s.docs, id)
	s.tell()
	return nil
}

func (s *shelf) find(limit int, ok func(store.Doc) bool) []store.Doc {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Doc
	for _, d := range s.docs {
		if ok(d) {
			found = append(found, d)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].ID < found[j].ID })
	return found[:min(limit, len(found))]
}

func (s *shelf) DocsDue(_ context.Context, _ store.Shelf, before time.Time, limit int) ([]store.Doc, error) {
	return s.find(limit, func(d store.Doc) bool { return !d.Due.IsZero() && !d.Due.After(before) }), nil
}

func (s *shelf) DocsByKey(_ context.Context, _ store.Shelf, key, after string, limit int) ([]store.Doc, error) {
	return s.find(limit, func(d store.Doc) bool { return d.Key == key && d.ID > after }), nil
}

// clock is a time that the test moves.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.ns.Add(int64(d)) }

type room struct {
	t     *testing.T
	shelf *shelf
	clock *clock
}

func newRoom(t *testing.T) *room {
	r := &room{t: t, shelf: newShelf(), clock: &clock{}}
	r.clock.ns.Store(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC).UnixNano())
	return r
}

func (r *room) pool() *worker.Pool {
	return worker.New(worker.Config{Docs: r.shelf, Now: r.clock.now, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond})
}

// run starts a pool and gives the way to stop it.
func (r *room) run(p *worker.Pool) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

// until waits for a state of the shelf.
func (r *room) until(what string, ok func(map[string]store.Doc) bool) {
	r.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		r.shelf.mu.Lock()
		yes := ok(r.shelf.docs)
		r.shelf.mu.Unlock()
		if yes {
			return
		}
		select {
		case <-r.shelf.changed:
		case <-limit.C:
			r.t.Fatalf("waited in vain until %s: %v", what, r.shelf.docs)
		}
	}
}

func empty(docs map[string]store.Doc) bool { return len(docs) == 0 }

func TestEveryJobIsDone(t *testing.T) {
	r := newRoom(t)
	var mu sync.Mutex
	var done []string
	pools := []*worker.Pool{r.pool(), r.pool()} // two servers
	for _, p := range pools {
		p.Handle("facts", func(_ context.Context, payload json.RawMessage) error {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, string(payload))
			return nil
		})
		defer r.run(p)()
	}
	var want []string
	for i := range 50 {
		id := string(rune('A'+i/26)) + string(rune('a'+i%26))
		want = append(want, `"`+id+`"`)
		for range 2 { // the same job twice is one job
			must(t, pools[i%2].Enqueue(t.Context(), "facts", id, id))
		}
	}
	r.until("all is done", empty)
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(done)
	done = slices.Compact(done) // enqueued again after it was done, it is done again
	if !slices.Equal(done, want) {
		t.Fatal(done)
	}
}

func TestAJobThatFailsComesBackLaterAndIsSetAside(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	broken := errors.New("no luck")
	var fail atomic.Bool
	fail.Store(true)
	p.Handle("facts", func(context.Context, json.RawMessage) error {
		if fail.Load() {
			return broken
		}
		return nil
	})
	defer r.run(p)()
	must(t, p.Enqueue(t.Context(), "facts", "x", nil))
	wait := 5 * time.Second
	for try := 1; try < worker.MaxTries; try++ {
		var due time.Time
		r.until("it failed", func(docs map[string]store.Doc) bool {
			due = docs["facts/x"].Due
			return due.Equal(r.clock.now().Add(wait))
		})
		r.clock.forward(wait)
		wait *= 2
	}
	r.until("it was set aside", func(docs map[string]store.Doc) bool { return docs["facts/x"].Due.IsZero() })
	jobs, err := p.Aside(t.Context(), "", 10)
	must(t, err)
	if len(jobs) != 1 || jobs[0].ID != "facts/x" || jobs[0].Tries != worker.MaxTries || jobs[0].Error != "no luck" {
		t.Fatalf("%+v", jobs)
	}
	if err := p.Again(t.Context(), "facts/y"); !field.Is(err, field.CodeNotFound) {
		t.Fatal(err)
	}
	fail.Store(false)
	must(t, p.Again(t.Context(), "facts/x"))
	r.until("it was done", empty)
}

// A store that is away for a night sets no job aside: when it is back, all are done without anybody asking for them.
func TestAJobWaitsForAStoreThatIsDown(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	var tries atomic.Int64
	var down atomic.Bool
	down.Store(true)
	p.Handle("facts", func(context.Context, json.RawMessage) error {
		tries.Add(1)
		if down.Load() {
			return fmt.Errorf("the original: %w", field.Refuse(field.CodeStoreDown, ""))
		}
		return nil
	})
	defer r.run(p)()
	must(t, p.Enqueue(t.Context(), "facts", "x", nil))
	for try := int64(1); try <= 3*worker.MaxTries; try++ {
		r.until("it was tried and put back", func(docs map[string]store.Doc) bool {
			wait := 5 * time.Second << (min(try, worker.MaxTries-1) - 1)
			return tries.Load() == try && docs["facts/x"].Due.Equal(r.clock.now().Add(wait))
		})
		r.clock.forward(time.Hour)
	}
	down.Store(false)
	r.until("it was done", empty)
}

func TestAPanicOrAnUnknownKindIsAFailure(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	p.Handle("mad", func(context.Context, json.RawMessage) error { panic("mad") })
	defer r.run(p)()
	must(t, p.Enqueue(t.Context(), "mad", "x", nil))
	must(t, p.Enqueue(t.Context(), "unheard", "x", nil))
	r.until("both failed", func(docs map[string]store.Doc) bool {
		later := r.clock.now().Add(5 * time.Second)
		return docs["mad/x"].Due.Equal(later) && docs["unheard/x"].Due.Equal(later)
	})
	if err := p.Again(t.Context(), "mad/x"); !field.Is(err, field.CodeNotNow) {
		t.Fatal(err)
	}
}

func TestAnotherServerGoesOnWhenALeaseRunsOut(t *testing.T) {
	r := newRoom(t)
	// Dying as far as others can see: it does not renew before the test is over.
	dying := worker.New(worker.Config{Docs: r.shelf, Now: r.clock.now, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond, Lease: time.Hour, Workers: 1})
	next := r.pool()
	began := make(chan struct{})
	var once sync.Once
	dying.Handle("facts", func(ctx context.Context, _ json.RawMessage) error {
		once.Do(func() { close(began) })
		<-ctx.Done()
		return ctx.Err()
	})
	done := make(chan struct{})
	next.Handle("facts", func(context.Context, json.RawMessage) error {
		close(done)
		return nil
	})
	must(t, dying.Enqueue(t.Context(), "facts", "x", nil))
	stopDying := r.run(dying)
	<-began
	r.clock.forward(61 * time.Minute) // its lease is over, and it does not know
	stopNext := r.run(next)
	<-done
	r.until("it was done", empty)
	stopNext()
	stopDying() // notes a failure for a lease it no longer has: nothing changes
	r.until("nothing is left", empty)
}

func TestALeaseIsRenewedWhileTheWorkGoesOn(t *testing.T) {
	r := newRoom(t)
	p := worker.New(worker.Config{Docs: r.shelf, Now: r.clock.now, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond, Lease: 30 * time.Millisecond})
	enough := make(chan struct{})
	p.Handle("facts", func(context.Context, json.RawMessage) error {
		<-enough
		return nil
	})
	defer r.run(p)()
	must(t, p.Enqueue(t.Context(), "facts", "x", nil))
	r.until("it was leased", func(docs map[string]store.Doc) bool { return docs["facts/x"].Version == 2 })
	r.clock.forward(20 * time.Millisecond)
	r.until("it was renewed by the time of now", func(docs map[string]store.Doc) bool {
		return docs["facts/x"].Due.Equal(r.clock.now().Add(30 * time.Millisecond))
	})
	close(enough)
	r.until("it was done under the renewed lease", empty)
}

func TestAStopIsNoFailure(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	began := make(chan struct{})
	p.Handle("facts", func(ctx context.Context, _ json.RawMessage) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	must(t, p.Enqueue(t.Context(), "facts", "x", nil))
	stop := r.run(p)
	<-began
	stop()
	r.until("it is back with no try counted", func(docs map[string]store.Doc) bool {
		var b struct{ Tries int }
		must(t, json.Unmarshal(docs["facts/x"].Body, &b))
		return b.Tries == 0 && docs["facts/x"].Key == "queued"
	})
}

func TestAJobThatKillsTheServerIsSetAsideToo(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	p.Handle("facts", func(context.Context, json.RawMessage) error {
		t.Error("tried once too often")
		return nil
	})
	body := []byte(`{"kind":"facts","payload":null,"tries":8,"since":"2026-05-01T00:00:00Z"}`)
	_, err := r.shelf.PutDoc(t.Context(), store.Doc{Shelf: store.Jobs, ID: "facts/x", Due: r.clock.now(), Body: body})
	must(t, err)
	defer r.run(p)()
	r.until("it was set aside", func(docs map[string]store.Doc) bool { return docs["facts/x"].Key == "poisoned" })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// However many jobs of a lane wait, and while one of them runs, the others are done; and those of the lane one after
// the other, also those of a server that died, and those that failed.
func TestALaneIsNobodyElsesQueue(t *testing.T) {
	r := newRoom(t)
	p := r.pool()
	started, release := make(chan string, 200), make(chan struct{})
	var running, most atomic.Int32
	var failed atomic.Bool
	p.HandleApart("slow", func(_ context.Context, payload json.RawMessage) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		started <- string(payload)
		<-release
		if string(payload) == `"b"` && !failed.Swap(true) {
			return errors.New("no luck")
		}
		return nil
	})
	p.Handle("facts", func(context.Context, json.RawMessage) error { return nil })
	for i := range 100 { // all of them before the others, by any order
		must(t, p.Enqueue(t.Context(), "slow", string(rune('a'+i/10))+string(rune('a'+i%10)), "a"))
	}
	must(t, p.Enqueue(t.Context(), "slow", "zz", "b"))
	left := r.shelf.docs["slow/aa"] // a server leased it and died
	left.Due = r.clock.now().Add(time.Second)
	_, err := r.shelf.PutDoc(t.Context(), left)
	must(t, err)
	defer r.run(p)()
	<-started
	for i := range 50 {
		must(t, p.Enqueue(t.Context(), "facts", string(rune('A'+i)), nil))
	}
	r.until("the others are done, while the lane stands still", func(docs map[string]store.Doc) bool { return len(docs) == 101 })
	close(release)
	r.until("what waited in the lane is done", func(docs map[string]store.Doc) bool {
		// The failure is noted: before that the job is leased, and the clock must not go on.
		return len(docs) == 2 && strings.Contains(string(docs["slow/zz"].Body), "no luck")
	})
	r.clock.forward(time.Minute)
	r.until("so is what came back", empty)
	if most.Load() != 1 {
		t.Fatalf("%d at once", most.Load())
	}
}

// A job of a lane that is set aside and asked for again waits in its lane again, and one of a lane that this program
// does not have becomes a job like any other, which is set aside for people.
func TestJobsOfALaneAreSetAsideAsOthersAre(t *testing.T) {
	r := newRoom(t)
	old := r.pool()
	old.HandleApart("gone", nil)
	must(t, old.Enqueue(t.Context(), "gone", "x", nil))
	d := r.shelf.docs["gone/x"]
	d.Due = r.clock.now()
	_, err := r.shelf.PutDoc(t.Context(), d)
	must(t, err)
	p := r.pool()
	var luck atomic.Bool
	p.HandleApart("slow", func(context.Context, json.RawMessage) error {
		if luck.Load() {
			return nil
		}
		return errors.New("no luck")
	})
	must(t, p.Enqueue(t.Context(), "slow", "x", nil))
	defer r.run(p)()
	r.until("both are set aside", func(docs map[string]store.Doc) bool {
		r.clock.forward(2 * time.Hour) // the next try is due, wherever a job stands
		for _, d := range docs {
			if d.Key != "poisoned" {
				return false
			}
		}
		return len(docs) == 2
	})
	aside := func() []string {
		jobs, err := p.Aside(t.Context(), "", 9)
		must(t, err)
		var ids []string
		for _, j := range jobs {
			ids = append(ids, j.ID)
		}
		return ids
	}
	if got := aside(); !slices.Equal(got, []string{"gone/x", "slow/x"}) {
		t.Fatal(got)
	}
	luck.Store(true)
	must(t, p.Again(t.Context(), "slow/x"))
	r.until("it is done", func(docs map[string]store.Doc) bool { return len(docs) == 1 })
}

// A clock that was a year ahead put jobs off for a year. They are done when it was put right, with a new start of the
// server and without.
func TestJobsDoNotWaitForATimeThatTheClockHadBefore(t *testing.T) {
	year := 365 * 24 * time.Hour
	r := newRoom(t)
	r.clock.forward(year)
	must(t, r.pool().Enqueue(t.Context(), "facts", "before", nil))
	r.clock.forward(-year)
	p := r.pool()
	var fail atomic.Bool
	p.Handle("facts", func(context.Context, json.RawMessage) error {
		if fail.Load() {
			return errors.New("no luck")
		}
		return nil
	})
	defer r.run(p)()
	r.until("it was done after the start", empty)
	fail.Store(true)
	r.clock.forward(year)
	must(t, p.Enqueue(t.Context(), "facts", "meanwhile", nil))
	r.until("it failed", func(docs map[string]store.Doc) bool {
		return docs["facts/meanwhile"].Due.Equal(r.clock.now().Add(5 * time.Second))
	})
	fail.Store(false)
	r.clock.forward(-year)
	r.until("it was done without a start", empty)
}
