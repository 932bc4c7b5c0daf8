package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Mortal is what keeps the bytes when it is a process of its own. Kill ends it at once, as SIGKILL does; Restart brings
// it back with what it had.
type Mortal interface {
	Kill()
	Restart(ctx context.Context) error
}

// long asks for the form that CI runs, with more kills; the short one is for a person who waits.
var long = os.Getenv("FIELDCLUE_TEST_LONG") != ""

// RunKilled checks what the contract promises when the process that keeps the bytes is killed in the middle of a call
// and restarted: the caller in a call is told CodeStoreDown; what was acknowledged is there, byte for byte; what failed
// is not there or there whole, never half; and the same instances go on as soon as it serves again.
func RunKilled(t *testing.T, open func(t *testing.T) Pair, place Mortal) {
	p := open(t)
	t.Log("store:", p.Store.Engine())
	s := &mortal{suite: suite{Pair: p, open: open}, place: place}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"killed in the middle of a put", s.put},
		{"killed in the middle of an append", s.append},
		{"killed in the middle of a whole upload", s.whole},
		{"killed in the middle of a promote", s.promote},
		{"killed in the middle of a read", s.read},
		{"killed again and again while everything is under way", s.storm},
	} {
		if !t.Run(c.name, c.run) {
			return // the place may be dead, and every other case would wait for it
		}
	}
}

type mortal struct {
	suite
	place Mortal
}

func (s *mortal) restart(t *testing.T) {
	t.Helper()
	must(t, s.place.Restart(t.Context()))
	must(t, s.Store.Ping(t.Context()))
}

// killing gives b, and kills the place when the first n bytes have been given.
func (s *mortal) killing(b []byte, n int) io.Reader {
	return io.MultiReader(bytes.NewReader(b[:n]), &first{do: s.place.Kill}, bytes.NewReader(b[n:]))
}

// first does something when it is read, and is empty.
type first struct{ do func() }

func (f *first) Read([]byte) (int, error) {
	f.do()
	return 0, io.EOF
}

func (s *mortal) put(t *testing.T) {
	const size = 3 << 20
	places := []int{size} // it has all but a byte, which waits for the hash
	if long {
		places = []int{0, size / 2, size}
	}
	for _, at := range places {
		b, sum := random(size)
		_, err := s.Store.PutIfAbsent(t.Context(), sum, size, s.killing(b, at))
		code(t, err, field.CodeStoreDown)
		code(t, s.Store.Ping(t.Context()), field.CodeStoreDown)
		s.restart(t)
		_, err = s.Store.Stat(t.Context(), sum)
		code(t, err, field.CodeNotFound)
		s.unlisted(t, sum)
		s.store(t, sum, b)
		s.equal(t, sum, b)
	}
}

func (s *mortal) unlisted(t *testing.T, sum blob.Sum) {
	t.Helper()
	must(t, s.Store.Each(t.Context(), func(i blob.Info) error {
		if i.Sum == sum {
			return fmt.Errorf("%s is listed with %d bytes", sum, i.Size)
		}
		return nil
	}))
}

func (s *mortal) append(t *testing.T) {
	b, sum := random(1 << 20)
	half := int64(len(b) / 2)
	_, err := s.Staging.Append(t.Context(), "killed", 1, 0, bytes.NewReader(b), half)
	must(t, err)
	for gen := int64(2); gen < 4; gen++ { // twice, at the same place
		n, err := s.Staging.Append(t.Context(), "killed", gen, half, s.killing(b[half:], 100_000), half)
		code(t, err, field.CodeStoreDown)
		if n != 0 {
			t.Fatalf("%d bytes were kept by a store that is down", n)
		}
		s.restart(t)
		s.staged(t, "killed", b[:half])
	}
	n, err := s.Staging.Append(t.Context(), "killed", 4, half, bytes.NewReader(b[half:]), half)
	must(t, err)
	if n != half {
		t.Fatalf("kept %d bytes", n)
	}
	must(t, s.Staging.Promote(t.Context(), "killed", sum, int64(len(b))))
	must(t, s.Staging.Remove(t.Context(), "killed"))
	s.equal(t, sum, b)
}

func (s *mortal) staged(t *testing.T, id string, want []byte) {
	t.Helper()
	r, err := s.open(t).Staging.Open(t.Context(), id, int64(len(want)))
	must(t, err)
	got, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes staged are not the %d that were kept", len(got), len(want))
	}
}

// untracked is for those who need not know what is staged.
func untracked() error { return nil }

// A whole upload whose store dies takes the rest from the phone all the same, and says that nothing was kept.
func (s *mortal) whole(t *testing.T) {
	w, ok := s.Staging.(blob.Whole)
	if !ok {
		t.Fatal("this staging offers no Whole")
	}
	b, sum := random(2 << 20)
	n, done, err := w.StoreWhole(t.Context(), "whole-killed", 1, sum, int64(len(b)), s.killing(b, 1<<20), untracked)
	code(t, err, field.CodeStoreDown)
	if n != 0 || done {
		t.Fatalf("%d bytes, done %v", n, done)
	}
	s.restart(t)
	_, err = s.Store.Stat(t.Context(), sum)
	code(t, err, field.CodeNotFound)
	_, done, err = w.StoreWhole(t.Context(), "whole-killed", 2, sum, int64(len(b)), bytes.NewReader(b), untracked)
	must(t, err)
	if !done {
		t.Fatal("not done")
	}
	s.equal(t, sum, b)
}

// The moment is any between the beginning and the end of a promote that takes a while.
func (s *mortal) promote(t *testing.T) {
	const parts, part = 12, 1 << 20
	b, sum := random(parts * part)
	for i := range parts {
		_, err := s.Staging.Append(t.Context(), "promote-killed", int64(i), int64(i*part), bytes.NewReader(b[i*part:]), part)
		must(t, err)
	}
	done := make(chan error, 1)
	go func() {
		done <- s.Staging.Promote(context.WithoutCancel(t.Context()), "promote-killed", sum, int64(len(b)))
	}()
	s.place.Kill()
	if err := <-done; err != nil { // else it was quick
		code(t, err, field.CodeStoreDown)
	}
	s.restart(t)
	s.staged(t, "promote-killed", b)
	must(t, s.Staging.Promote(t.Context(), "promote-killed", sum, int64(len(b))))
	must(t, s.Staging.Remove(t.Context(), "promote-killed"))
	s.equal(t, sum, b)
}

func (s *mortal) read(t *testing.T) {
	b, sum := random(32 << 20) // more than the system holds between two ends of a connection
	s.store(t, sum, b)
	r, err := s.Store.Open(t.Context(), sum, 0, -1)
	must(t, err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	must(t, err)
	s.place.Kill()
	n, err := io.Copy(io.Discard, r)
	code(t, err, field.CodeStoreDown)
	if n+1000 >= int64(len(b)) {
		t.Fatal("all of it arrived")
	}
	_ = r.Close() // it has failed already
	_, err = s.Store.Open(t.Context(), sum, 0, -1)
	code(t, err, field.CodeStoreDown)
	s.restart(t)
	s.equal(t, sum, b)
}

// storm lets workers do everything at once, each with bytes of its own, and kills the place whenever some more of it
// has been acknowledged.
func (s *mortal) storm(t *testing.T) {
	const workers = 6
	kills := 2
	if long {
		kills = 5
	}
	var acknowledged atomic.Int64
	stop := make(chan struct{})
	results := make([]worker, workers)
	var group sync.WaitGroup
	for i := range workers {
		w := &results[i]
		*w = worker{s: s, name: fmt.Sprintf("storm-%d", i), random: rand.New(rand.NewPCG(7, uint64(i))), has: map[blob.Sum][]byte{}, acknowledged: &acknowledged}
		group.Go(func() {
			for w.err == nil {
				select {
				case <-stop:
					return
				default:
					w.err = w.step(context.WithoutCancel(t.Context()))
				}
			}
			acknowledged.Add(1 << 32) // nobody need wait any more
		})
	}
	var err error
	dice := rand.New(rand.NewPCG(7, 99))
	for range kills {
		until := acknowledged.Load() + 5 + dice.Int64N(25)
		for acknowledged.Load() < until {
			_ = s.Store.Ping(t.Context()) // gives the workers a moment; the store is up
		}
		s.place.Kill()
		if err = s.place.Restart(t.Context()); err != nil {
			break
		}
	}
	close(stop)
	group.Wait()
	must(t, err)
	down := 0
	for i := range results {
		w := &results[i]
		must(t, w.err)
		down += w.down
		for sum, b := range w.has {
			s.equal(t, sum, b)
		}
		for sum, b := range w.failed { // not there, or there whole
			if _, err := s.Store.Stat(t.Context(), sum); !field.Is(err, field.CodeNotFound) {
				must(t, err)
				s.equal(t, sum, b)
			}
			s.store(t, sum, b)
		}
	}
	if down == 0 {
		t.Fatal("no kill met anybody")
	}
	t.Logf("%d calls acknowledged, %d met a dead store", acknowledged.Load(), down)
}

// worker does one thing after the other and remembers what was acknowledged.
type worker struct {
	s            *mortal
	name         string
	random       *rand.Rand
	steps, down  int
	has          map[blob.Sum][]byte
	failed       map[blob.Sum][]byte
	acknowledged *atomic.Int64
	err          error
}

// step does one of the things that a server does. A dead store is no error of the step.
func (w *worker) step(ctx context.Context) error {
	w.steps++
	b, sum := random(1 + w.random.IntN(300_000))
	var err error
	switch n := w.random.IntN(4); {
	case n == 0 && len(w.has) > 0:
		for sum, b = range w.has {
			break
		}
		err = w.read(ctx, sum, b)
	case n == 1:
		err = w.upload(ctx, sum, b)
	default:
		_, err = w.s.Store.PutIfAbsent(ctx, sum, int64(len(b)), bytes.NewReader(b))
	}
	switch {
	case err == nil:
		w.acknowledged.Add(1)
		w.has[sum] = b
		return nil
	case field.Is(err, field.CodeStoreDown):
		w.down++
		if w.has[sum] == nil {
			if w.failed == nil {
				w.failed = map[blob.Sum][]byte{}
			}
			w.failed[sum] = b
		}
		return nil
	default:
		return fmt.Errorf("%s: step %d: %w", w.name, w.steps, err)
	}
}

// upload sends pieces, each until it is kept, and promotes. What was kept once is there in the end.
func (w *worker) upload(ctx context.Context, sum blob.Sum, b []byte) error {
	id := fmt.Sprintf("%s-%d", w.name, w.steps)
	at, gen := int64(0), int64(0)
	for at < int64(len(b)) {
		gen++
		n, err := w.s.Staging.Append(ctx, id, gen, at, bytes.NewReader(b[at:]), 1+w.random.Int64N(150_000))
		if field.Is(err, field.CodeStoreDown) && n == 0 {
			w.down++
			continue
		}
		if err != nil {
			return err
		}
		at += n
	}
	for {
		err := w.s.Staging.Promote(ctx, id, sum, int64(len(b)))
		if !field.Is(err, field.CodeStoreDown) {
			return errors.Join(err, w.tidy(ctx, id))
		}
		w.down++
	}
}

func (w *worker) tidy(ctx context.Context, id string) error {
	for {
		err := w.s.Staging.Remove(ctx, id)
		if !field.Is(err, field.CodeStoreDown) {
			return err
		}
		w.down++
	}
}

func (w *worker) read(ctx context.Context, sum blob.Sum, want []byte) error {
	r, err := w.s.Store.Open(ctx, sum, 0, -1)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	_ = r.Close() // only read
	if err == nil && !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes stored are not the %d that were put", len(got), len(want))
	}
	return err
}
