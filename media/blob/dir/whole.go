package dir

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// StoreWhole follows blob.Whole: a temporary file becomes the blob or, when the link broke or the disk filled up, the
// first segment. So a whole upload flushes one file and one directory.
func (t *Staging) StoreWhole(ctx context.Context, id string, generation int64, sum blob.Sum, size int64, r io.Reader) (int64, bool, error) {
	d, err := t.dir(id)
	if err != nil {
		return 0, false, err
	}
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return 0, false, err
	}
	f, err := os.CreateTemp(filepath.Join(t.s.root, "tmp"), "put-")
	if err != nil {
		return 0, false, down(err)
	}
	tmp := f.Name()
	defer func() {
		_ = os.Remove(tmp) // gone already, or swept by CleanTemp
	}()
	h := sha256.New()
	src := &sourceError{r: io.LimitReader(r, size)}
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, io.TeeReader(src, h), make([]byte, 128<<10))
	failed := err // of the file, or of the source
	err = nil
	if src.err == nil && failed != nil {
		if full(failed) {
			n, err = cutBack(f, n)
		}
		failed = down(failed)
	}
	if failed == nil && n == size {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	switch {
	case err != nil:
		return 0, false, down(err)
	case failed != nil || n < size:
		if n == 0 {
			return 0, false, failed
		}
		if err := t.keep(d, tmp, fmt.Sprintf("0-%d", generation)); err != nil {
			return 0, false, err
		}
		return n, false, failed
	case blob.SumOf(h) != sum:
		return 0, false, field.Refuse(field.CodeHashMismatch, "")
	}
	if _, err := t.s.publish(tmp, sum); err != nil {
		return 0, false, err
	}
	return n, true, nil
}

// keep makes a flushed file a segment.
func (t *Staging) keep(d, from, name string) error {
	if err := makeDirs(d); err != nil {
		return down(err)
	}
	if err := os.Rename(from, filepath.Join(d, name)); err != nil {
		return down(err)
	}
	if err := syncDir(d); err != nil {
		return down(err)
	}
	return nil
}
