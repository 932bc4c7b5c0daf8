package blob_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
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
