package blob_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"fieldclue/media/blob"
)

// dribble gives at most so many bytes at a time, as a socket does, by turns.
type dribble struct {
	r     io.Reader
	sizes []int
	n     int
}

func (d *dribble) Read(p []byte) (int, error) {
	size := d.sizes[d.n%len(d.sizes)]
	d.n++
	return d.r.Read(p[:min(len(p), size)])
}

func TestCopyGivesEveryByteOnce(t *testing.T) {
	all := make([]byte, 1<<20+7)
	_, _ = rand.Read(all)
	for _, sizes := range [][]int{{1 << 20}, {4 << 10}, {1}, {4 << 10, 128 << 10, 128 << 10, 100, 4 << 10, 60_000}} {
		var got bytes.Buffer
		n, readErr, writeErr := blob.Copy(&got, &dribble{r: bytes.NewReader(all), sizes: sizes})
		if n != int64(len(all)) || readErr != nil || writeErr != nil || !bytes.Equal(got.Bytes(), all) {
			t.Fatalf("%v: %d bytes, %v, %v", sizes, n, readErr, writeErr)
		}
	}
}

// fast is a link that always has as much as one asks for, until all links have given something.
type fast struct {
	r       io.Reader
	most    int // that was asked for at once
	waiting *sync.WaitGroup
	met     bool
}

func (f *fast) Read(p []byte) (int, error) {
	f.most = max(f.most, len(p))
	if len(p) > 4<<10 && !f.met {
		f.met = true
		f.waiting.Done()
		f.waiting.Wait() // every other transfer holds its buffer as well
	}
	return f.r.Read(p)
}

// Many at once: the large buffers are lent to some, the others go on with small ones, and nobody gets another's bytes.
func TestCopyLendsLargeBuffersToAFew(t *testing.T) {
	const transfers = 40
	for round := range 2 { // in the second they must all have been given back
		var meeting, all sync.WaitGroup
		meeting.Add(transfers)
		links := make([]*fast, transfers)
		for i := range links {
			content := bytes.Repeat([]byte{byte(i), byte(i >> 8), 1}, 400_000)
			links[i] = &fast{r: bytes.NewReader(content), waiting: &meeting}
			all.Go(func() {
				var got bytes.Buffer
				if n, readErr, writeErr := blob.Copy(&got, links[i]); n != int64(len(content)) || readErr != nil || writeErr != nil || !bytes.Equal(got.Bytes(), content) {
					t.Errorf("%d: %d bytes, %v, %v", i, n, readErr, writeErr)
				}
			})
		}
		all.Wait()
		large, held := 0, 0
		for _, l := range links {
			if held += l.most; l.most > 32<<10 {
				large++
			}
		}
		if large != 8 || held > 8*512<<10+(transfers-8)*32<<10 {
			t.Fatalf("round %d: %d large buffers, %d bytes", round, large, held)
		}
	}
}

func TestCopyTellsWhoseErrorItIs(t *testing.T) {
	broken := errors.New("broken")
	var got bytes.Buffer
	n, readErr, writeErr := blob.Copy(&got, io.MultiReader(bytes.NewReader(make([]byte, 9000)), iotest.ErrReader(broken)))
	if n != 9000 || got.Len() != 9000 || !errors.Is(readErr, broken) || writeErr != nil {
		t.Fatalf("%d bytes, %v, %v", n, readErr, writeErr)
	}
	n, readErr, writeErr = blob.Copy(full{}, bytes.NewReader(make([]byte, 9000)))
	if n != 10 || readErr != nil || !errors.Is(writeErr, io.ErrShortWrite) {
		t.Fatalf("%d bytes, %v, %v", n, readErr, writeErr)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 10, io.ErrShortWrite }
