package dir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Staging is the blob.Staging of a Store: one file per segment, named by offset and generation, so that no two writers
// ever share a file.
type Staging struct{ s *Store }

// Staging gives the half-finished uploads of the same directory, so that Promote can link instead of copy.
func (s *Store) Staging() *Staging { return &Staging{s: s} }

func (t *Staging) dir(id string) (string, error) {
	if id == "" || len(id) > 128 || strings.ContainsAny(id, `/\.`) {
		return "", field.Refuse(field.CodeUploadUnknown, "")
	}
	return filepath.Join(t.s.root, "staging", id), nil
}

// Append follows blob.Staging.
func (t *Staging) Append(_ context.Context, id string, generation, offset int64, r io.Reader, limit int64) (int64, error) {
	d, err := t.dir(id)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(d, 0o700); err != nil {
		return 0, down(err)
	}
	name := filepath.Join(d, fmt.Sprintf("%d-%d", offset, generation))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, down(err)
	}
	n, broken, err := blob.Copy(f, io.LimitReader(r, limit))
	if blob.Full(err) {
		broken = down(err)
		n, err = cutBack(f, n)
	}
	if err == nil && n > 0 {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if n == 0 || err != nil {
		_ = os.Remove(name) // a leftover is harmless: the next writer has a higher generation
		if err != nil {
			return 0, down(err)
		}
		return 0, broken
	}
	if err := errors.Join(syncDir(d), syncDir(filepath.Dir(d))); err != nil {
		return 0, down(err)
	}
	return n, broken
}

// spare is what an upload that filled the disk gives back of its last bytes. The store of records often lies on the
// same disk, and what it cannot write down was received in vain.
const spare = 1 << 20

// cutBack gives the spare bytes at the end of a file back and returns how many are left.
func cutBack(f *os.File, n int64) (int64, error) {
	n = max(0, n-spare)
	return n, f.Truncate(n)
}

func (t *Staging) chain(id string, size int64) (string, []blob.Segment, error) {
	d, err := t.dir(id)
	if err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(d)
	if err != nil {
		return "", nil, missing(err)
	}
	all := make([]blob.Segment, 0, len(entries))
	for _, e := range entries {
		from, generation, ok := strings.Cut(e.Name(), "-")
		offset, err1 := strconv.ParseInt(from, 10, 64)
		gen, err2 := strconv.ParseInt(generation, 10, 64)
		st, err3 := e.Info()
		if !ok || err1 != nil || err2 != nil || err3 != nil {
			continue // not one of ours, or removed while we looked
		}
		all = append(all, blob.Segment{Offset: offset, Generation: gen, Size: st.Size(), Name: filepath.Join(d, e.Name())})
	}
	segs, err := blob.Chain(all, size)
	return d, segs, err
}

// Open follows blob.Staging.
func (t *Staging) Open(_ context.Context, id string, size int64) (io.ReadCloser, error) {
	_, segs, err := t.chain(id, size)
	if err != nil {
		return nil, err
	}
	var files closers
	readers := make([]io.Reader, 0, len(segs))
	for _, s := range segs {
		f := &lazyFile{name: s.Name}
		files = append(files, f)
		readers = append(readers, f)
	}
	return joined{io.LimitReader(io.MultiReader(readers...), size), files}, nil
}

// Promote follows blob.Staging: one segment of the right size is hashed and linked, several are copied through the
// hash.
func (t *Staging) Promote(ctx context.Context, id string, sum blob.Sum, size int64) error {
	if st, err := t.s.Stat(ctx, sum); err == nil {
		if st.Size != size {
			return field.Refuse(field.CodeSizeMismatch, "")
		}
		return t.s.settled(sum)
	} else if !field.Is(err, field.CodeNotFound) {
		return err
	}
	_, segs, err := t.chain(id, size)
	if err != nil {
		return err
	}
	if len(segs) == 1 && segs[0].Size == size {
		if err := holds(segs[0].Name, sum); err != nil {
			return err
		}
		if err := os.Chmod(segs[0].Name, 0o400); err != nil {
			return down(err)
		}
		_, err = t.s.publish(segs[0].Name, sum)
		return err
	}
	r, err := t.Open(ctx, id, size)
	if err != nil {
		return err
	}
	defer func() {
		_ = r.Close() // only read
	}()
	_, err = t.s.PutIfAbsent(ctx, sum, size, r)
	return err
}

// holds is CodeHashMismatch when a file has other bytes than the hash says.
func holds(name string, sum blob.Sum) error {
	f, err := os.Open(name)
	if err != nil {
		return down(err)
	}
	defer func() {
		_ = f.Close() // only read
	}()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return down(err)
	}
	if blob.SumOf(h) != sum {
		return field.Refuse(field.CodeHashMismatch, "")
	}
	return nil
}

// Remove follows blob.Staging.
func (t *Staging) Remove(_ context.Context, id string) error {
	d, err := t.dir(id)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return down(err)
	}
	return nil
}

// lazyFile opens its file at the first read, so that an upload of thousands of segments does not hold as many
// descriptors, and closes it at the end.
type lazyFile struct {
	name string
	f    *os.File
}

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.f == nil {
		f, err := os.Open(l.name)
		if err != nil {
			return 0, missing(err)
		}
		l.f = f
	}
	n, err := l.f.Read(p)
	if err == io.EOF {
		_ = l.f.Close() // only read
	}
	return n, err
}

func (l *lazyFile) Close() error {
	if l.f == nil {
		return nil
	}
	if err := l.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

type closers []io.Closer

func (c closers) Close() error {
	var first error
	for _, x := range c {
		if err := x.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

type joined struct {
	io.Reader
	io.Closer
}
