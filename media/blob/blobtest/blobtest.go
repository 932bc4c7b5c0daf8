// Package blobtest holds the suite that every blob.Store and blob.Staging passes. Start with Run.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Pair is a store and the staging area that promotes into it.
type Pair struct {
	Store   blob.Store
	Staging blob.Staging
}

// Run checks the contract. open gives one more instance on the same, at first empty, place each time it is called, as
// another server of the cluster would.
func Run(t *testing.T, open func(t *testing.T) Pair) {
	p := open(t)
	t.Log("store:", p.Store.Engine())
	s := &suite{Pair: p, open: open}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"what is put can be read and described", s.put},
		{"a second put changes nothing", s.twice},
		{"an empty blob", s.empty},
		{"wrong bytes leave nothing", s.wrong},
		{"what can be made again is replaced by nothing else", s.replace},
		{"a failing source leaves nothing", s.failing},
		{"ranges", s.ranges},
		{"of many writers one creates", s.race},
		{"each lists what is there", s.each},
		{"hold", s.hold},
		{"names that are no hash are refused", s.names},
		{"the store answers", func(t *testing.T) { must(t, p.Store.Ping(t.Context())) }},
		{"another server goes on with an upload", s.resume},
		{"what arrived before a failure stays", s.partial},
		{"an overtaken writer damages nothing", s.overtaken},
		{"promote refuses other bytes", s.promoteWrong},
		{"promote again is no error", s.promoteTwice},
		{"remove forgets", s.remove},
		{"a whole upload goes straight to its place", s.whole},
	} {
		t.Run(c.name, c.run)
	}
}

type suite struct {
	Pair
	open func(t *testing.T) Pair
}

func (s *suite) replace(t *testing.T) {
	over, ok := s.Store.(blob.Replaces)
	if !ok {
		t.Skip("this store replaces nothing")
	}
	b, sum := random(100)
	must(t, over.Replace(t.Context(), sum, 100, bytes.NewReader(b)))
	s.equal(t, sum, b)
	must(t, over.Replace(t.Context(), sum, 100, bytes.NewReader(b)))
	other, _ := random(100)
	if err := over.Replace(t.Context(), sum, 100, bytes.NewReader(other)); !field.Is(err, field.CodeHashMismatch) {
		t.Errorf("other bytes: %v", err)
	}
	s.equal(t, sum, b)
}

func (s *suite) put(t *testing.T) {
	for _, size := range []int{1, 100, 64 << 10, 5<<20 + 3} {
		b, sum := random(size)
		created, err := s.Store.PutIfAbsent(t.Context(), sum, int64(size), iotest.HalfReader(bytes.NewReader(b)))
		must(t, err)
		if !created {
			t.Fatalf("%d bytes: not created", size)
		}
		s.equal(t, sum, b)
		info, err := s.Store.Stat(t.Context(), sum)
		must(t, err)
		if info.Sum != sum || info.Size != int64(size) || info.StoredAt.IsZero() {
			t.Fatalf("stat says %+v", info)
		}
	}
	_, sum := random(10)
	_, err := s.Store.Stat(t.Context(), sum)
	code(t, err, field.CodeNotFound)
	_, err = s.Store.Open(t.Context(), sum, 0, -1)
	code(t, err, field.CodeNotFound)
}

func (s *suite) twice(t *testing.T) {
	b, sum := random(1000)
	s.store(t, sum, b)
	before, err := s.Store.Stat(t.Context(), sum)
	must(t, err)
	created, err := s.open(t).Store.PutIfAbsent(t.Context(), sum, 1000, bytes.NewReader(b))
	must(t, err)
	if created {
		t.Fatal("created a second time")
	}
	after, err := s.Store.Stat(t.Context(), sum)
	must(t, err)
	if before != after {
		t.Fatalf("changed from %+v to %+v", before, after)
	}
}

func (s *suite) empty(t *testing.T) {
	sum := sumOf(nil)
	if _, err := s.Store.PutIfAbsent(t.Context(), sum, 0, bytes.NewReader([]byte("x"))); err == nil {
		t.Fatal("a byte passed for nothing")
	}
	s.store(t, sum, nil)
	s.equal(t, sum, nil)
}

func (s *suite) wrong(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 3 << 20} {
		b, sum := random(size + 1)
		other := bytes.Clone(b)
		other[size/2] ^= 1
		_, err := s.Store.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(other))
		code(t, err, field.CodeHashMismatch)
		_, err = s.Store.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(b[:size]))
		code(t, err, field.CodeSizeMismatch)
		_, err = s.Store.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(append(bytes.Clone(b), 7)))
		code(t, err, field.CodeSizeMismatch)
		_, err = s.Store.Stat(t.Context(), sum)
		code(t, err, field.CodeNotFound)
		_, err = s.Store.Stat(t.Context(), sumOf(other))
		code(t, err, field.CodeNotFound)
		s.store(t, sum, b) // and the right bytes are still welcome
		s.equal(t, sum, b)
	}
}

func (s *suite) failing(t *testing.T) {
	cut := errors.New("the link is gone")
	b, sum := random(300 << 10)
	_, err := s.Store.PutIfAbsent(t.Context(), sum, int64(len(b)),
		io.MultiReader(bytes.NewReader(b[:200<<10]), iotest.ErrReader(cut)))
	if !errors.Is(err, cut) {
		t.Fatalf("got %v, want the source's own error", err)
	}
	_, err = s.Store.Stat(t.Context(), sum)
	code(t, err, field.CodeNotFound)
}

func (s *suite) ranges(t *testing.T) {
	b, sum := random(10_000)
	s.store(t, sum, b)
	for _, c := range []struct{ offset, length int64 }{{0, -1}, {0, 10_000}, {1, 1}, {9_999, 1}, {9_999, -1}, {10_000, -1}, {10_000, 0}, {5, 0}, {100, 8192}} {
		r, err := s.Store.Open(t.Context(), sum, c.offset, c.length)
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		must(t, r.Close())
		end := c.offset + c.length
		if c.length < 0 {
			end = 10_000
		}
		if !bytes.Equal(got, b[c.offset:end]) {
			t.Fatalf("range %+v gave %d wrong bytes", c, len(got))
		}
	}
	for _, c := range []struct{ offset, length int64 }{{-1, 5}, {10_001, -1}, {10_001, 0}, {9_999, 2}, {0, -2}, {5, 1 << 62}} {
		_, err := s.Store.Open(t.Context(), sum, c.offset, c.length)
		code(t, err, field.CodeRangeInvalid)
	}
}

func (s *suite) race(t *testing.T) {
	b, sum := random(400 << 10)
	const writers = 8
	var wg sync.WaitGroup
	created := make([]bool, writers)
	errs := make([]error, writers)
	stores := []blob.Store{s.Store, s.open(t).Store}
	for i := range writers {
		wg.Go(func() {
			created[i], errs[i] = stores[i%2].PutIfAbsent(t.Context(), sum, int64(len(b)), iotest.HalfReader(bytes.NewReader(b)))
		})
	}
	wg.Wait()
	n := 0
	for i := range writers {
		must(t, errs[i])
		if created[i] {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d writers created it", n)
	}
	s.equal(t, sum, b)
}

func (s *suite) each(t *testing.T) {
	want := map[blob.Sum]int64{}
	for i := range 5 {
		b, sum := random(10 + i)
		s.store(t, sum, b)
		want[sum] = int64(len(b))
	}
	must(t, s.Store.Each(t.Context(), func(i blob.Info) error {
		if size, ok := want[i.Sum]; ok && size == i.Size && !i.StoredAt.IsZero() {
			delete(want, i.Sum)
		}
		return nil
	}))
	if len(want) > 0 {
		t.Fatalf("not listed: %v", want)
	}
	enough := errors.New("enough")
	if err := s.Store.Each(t.Context(), func(blob.Info) error { return enough }); !errors.Is(err, enough) {
		t.Fatalf("got %v, want what the function said", err)
	}
}

func (s *suite) hold(t *testing.T) {
	b, sum := random(500)
	code(t, s.Store.SetHold(t.Context(), sum, true), field.CodeNotFound)
	s.store(t, sum, b)
	for _, on := range []bool{false, true, true, false, false, true} {
		must(t, s.Store.SetHold(t.Context(), sum, on))
		held, err := s.open(t).Store.Held(t.Context(), sum)
		must(t, err)
		if held != on {
			t.Fatalf("held is %v, want %v", held, on)
		}
		s.equal(t, sum, b)
	}
}

func (s *suite) names(t *testing.T) {
	for _, bad := range []blob.Sum{"", "x", "../../etc/passwd", blob.Sum(bytes.Repeat([]byte{'A'}, 64)), blob.Sum(bytes.Repeat([]byte{'.'}, 64))} {
		_, err := s.Store.Stat(t.Context(), bad)
		code(t, err, field.CodeBadRequest)
		_, err = s.Store.PutIfAbsent(t.Context(), bad, 1, bytes.NewReader([]byte("x")))
		code(t, err, field.CodeBadRequest)
		_, err = s.Store.Open(t.Context(), bad, 0, -1)
		code(t, err, field.CodeBadRequest)
	}
	for _, bad := range []string{"", "..", "a/b", `a\b`} {
		_, err := s.Staging.Append(t.Context(), bad, 1, 0, bytes.NewReader([]byte("x")), 1)
		code(t, err, field.CodeUploadUnknown)
	}
}

func (s *suite) resume(t *testing.T) {
	b, sum := random(300_007)
	at := 0
	for gen := int64(1); at < len(b); gen++ {
		end := min(at+50_000, len(b))
		n, err := s.open(t).Staging.Append(t.Context(), "resume", gen, int64(at), bytes.NewReader(b[at:]), int64(end-at))
		must(t, err)
		if n != int64(end-at) {
			t.Fatalf("kept %d of %d bytes", n, end-at)
		}
		at = end
		r, err := s.Staging.Open(t.Context(), "resume", int64(at))
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		must(t, r.Close())
		if !bytes.Equal(got, b[:at]) {
			t.Fatalf("other bytes staged after %d", at)
		}
	}
	_, err := s.Staging.Open(t.Context(), "resume", int64(len(b))+1)
	code(t, err, field.CodeNotFound)
	must(t, s.open(t).Staging.Promote(t.Context(), "resume", sum, int64(len(b))))
	must(t, s.Staging.Remove(t.Context(), "resume"))
	s.equal(t, sum, b)
}

func (s *suite) partial(t *testing.T) {
	cut := errors.New("the link is gone")
	b, sum := random(70_000)
	n, err := s.Staging.Append(t.Context(), "partial", 1, 0, iotest.ErrReader(cut), 1<<20)
	if n != 0 || !errors.Is(err, cut) {
		t.Fatalf("%d bytes and %v of nothing", n, err)
	}
	n, err = s.Staging.Append(t.Context(), "partial", 2, 0, io.MultiReader(bytes.NewReader(b[:40_000]), iotest.ErrReader(cut)), 1<<20)
	if n != 40_000 || !errors.Is(err, cut) {
		t.Fatalf("kept %d bytes with %v", n, err)
	}
	n, err = s.open(t).Staging.Append(t.Context(), "partial", 3, n, bytes.NewReader(b[n:]), 1<<20)
	must(t, err)
	if n != 30_000 {
		t.Fatalf("kept %d bytes", n)
	}
	must(t, s.Staging.Promote(t.Context(), "partial", sum, 70_000))
	s.equal(t, sum, b)
}

func (s *suite) overtaken(t *testing.T) {
	b, sum := random(9_000)
	junk := bytes.Repeat([]byte("old"), 2_000)
	other := s.open(t).Staging
	add := func(st blob.Staging, gen, offset int64, p []byte) {
		_, err := st.Append(t.Context(), "overtaken", gen, offset, bytes.NewReader(p), int64(len(p)))
		must(t, err)
	}
	add(s.Staging, 5, 0, b[:3000])
	add(other, 7, 3000, b[3000:6000])
	add(s.Staging, 6, 3000, junk[:5000]) // the overtaken writer wakes up
	add(s.Staging, 6, 8000, junk[:1000])
	add(other, 8, 6000, b[6000:])
	must(t, other.Promote(t.Context(), "overtaken", sum, 9_000))
	add(s.Staging, 6, 0, junk)
	s.equal(t, sum, b)
}

func (s *suite) promoteWrong(t *testing.T) {
	b, _ := random(5_000)
	_, sum := random(5_000)
	for i := range 2 {
		_, err := s.Staging.Append(t.Context(), "wrong", int64(i), int64(i)*2500, bytes.NewReader(b[i*2500:]), 2500)
		must(t, err)
	}
	code(t, s.Staging.Promote(t.Context(), "wrong", sum, 5_000), field.CodeHashMismatch)
	_, err := s.Staging.Append(t.Context(), "wrong-whole", 1, 0, bytes.NewReader(b), 5_000)
	must(t, err)
	code(t, s.Staging.Promote(t.Context(), "wrong-whole", sum, 5_000), field.CodeHashMismatch)
	_, err = s.Store.Stat(t.Context(), sum)
	code(t, err, field.CodeNotFound)
	code(t, s.Staging.Promote(t.Context(), "wrong", sum, 6_000), field.CodeNotFound)
	code(t, s.Staging.Promote(t.Context(), "never-begun", sum, 5_000), field.CodeNotFound)
}

func (s *suite) promoteTwice(t *testing.T) {
	b, sum := random(5_000)
	_, err := s.Staging.Append(t.Context(), "twice", 1, 0, bytes.NewReader(b), 5_000)
	must(t, err)
	must(t, s.Staging.Promote(t.Context(), "twice", sum, 5_000))
	must(t, s.open(t).Staging.Promote(t.Context(), "twice", sum, 5_000))
	must(t, s.Staging.Remove(t.Context(), "twice"))
	must(t, s.Staging.Promote(t.Context(), "twice", sum, 5_000))
	s.equal(t, sum, b)
}

func (s *suite) remove(t *testing.T) {
	must(t, s.Staging.Remove(t.Context(), "unheard-of"))
	_, err := s.Staging.Append(t.Context(), "gone", 1, 0, bytes.NewReader([]byte("abc")), 3)
	must(t, err)
	must(t, s.open(t).Staging.Remove(t.Context(), "gone"))
	_, err = s.Staging.Open(t.Context(), "gone", 3)
	code(t, err, field.CodeNotFound)
}

func (s *suite) whole(t *testing.T) {
	w, ok := s.Staging.(blob.Whole)
	if !ok {
		t.Fatal("this staging offers no Whole")
	}
	b, sum := random(100_000)
	calls := 0
	staged := func() error { calls++; return nil }
	n, done, err := w.StoreWhole(t.Context(), "whole", 1, sum, 100_000, bytes.NewReader(b), staged)
	must(t, err)
	if n != 100_000 || !done || calls != 0 {
		t.Fatalf("%d bytes, done %v, staged %d times", n, done, calls)
	}
	s.equal(t, sum, b)

	b, sum = random(100_000)
	cut := errors.New("the link is gone")
	n, done, err = w.StoreWhole(t.Context(), "whole-cut", 1, sum, 100_000, io.MultiReader(bytes.NewReader(b[:60_000]), iotest.ErrReader(cut)), staged)
	if n != 60_000 || done || !errors.Is(err, cut) || calls != 1 {
		t.Fatalf("%d bytes, done %v, staged %d times, %v", n, done, calls, err)
	}
	_, err = s.Store.Stat(t.Context(), sum)
	code(t, err, field.CodeNotFound)
	_, err = s.Staging.Append(t.Context(), "whole-cut", 2, 60_000, bytes.NewReader(b[60_000:]), 100_000)
	must(t, err)
	must(t, s.Staging.Promote(t.Context(), "whole-cut", sum, 100_000))
	s.equal(t, sum, b)

	_, unheard := random(100_000)
	untold := errors.New("nobody could be told")
	n, done, err = w.StoreWhole(t.Context(), "whole-untold", 1, unheard, 100_000, io.MultiReader(bytes.NewReader(b[:60_000]), iotest.ErrReader(cut)), func() error { return untold })
	if n != 0 || done || !errors.Is(err, untold) {
		t.Fatalf("%d bytes, done %v, %v", n, done, err)
	}
	_, err = s.Staging.Open(t.Context(), "whole-untold", 1)
	code(t, err, field.CodeNotFound)

	junk, _ := random(100_000)
	_, sum = random(100_000)
	_, done, err = w.StoreWhole(t.Context(), "whole-wrong", 1, sum, 100_000, bytes.NewReader(junk), staged)
	code(t, err, field.CodeHashMismatch)
	if done {
		t.Fatal("done with wrong bytes")
	}
}

func (s *suite) store(t *testing.T, sum blob.Sum, b []byte) {
	t.Helper()
	_, err := s.Store.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(b))
	must(t, err)
}

func (s *suite) equal(t *testing.T, sum blob.Sum, want []byte) {
	t.Helper()
	r, err := s.open(t).Store.Open(t.Context(), sum, 0, -1)
	must(t, err)
	got, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes stored are not the %d that were put", len(got), len(want))
	}
}

var dice = struct {
	sync.Mutex
	*rand.ChaCha8
}{ChaCha8: rand.NewChaCha8([32]byte{3})}

func random(n int) ([]byte, blob.Sum) {
	dice.Lock()
	defer dice.Unlock()
	b := make([]byte, n)
	_, _ = dice.Read(b) // never fails
	return b, sumOf(b)
}

func sumOf(b []byte) blob.Sum {
	h := sha256.Sum256(b)
	return blob.Sum(hex.EncodeToString(h[:]))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(t *testing.T, err error, want field.Code) {
	t.Helper()
	if !field.Is(err, want) {
		t.Fatalf("got %v, want %s", err, want)
	}
}

// Down checks that a store whose place is gone says so; the caller has made it unreachable.
func Down(ctx context.Context, s blob.Store) error {
	b, sum := random(10)
	if err := s.Ping(ctx); !field.Is(err, field.CodeStoreDown) {
		return fmt.Errorf("ping of a store that is down: %w", err)
	}
	if _, err := s.PutIfAbsent(ctx, sum, 10, bytes.NewReader(b)); !field.Is(err, field.CodeStoreDown) {
		return fmt.Errorf("put to a store that is down: %w", err)
	}
	return nil
}
