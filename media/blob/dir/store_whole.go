package dir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// StoreWhole follows blob.Whole: a temporary file becomes the blob or, when the link broke or the disk filled up, the
// first segment. So a whole upload flushes one file and one directory.
func (t *Staging) StoreWhole(ctx context.Context, id string, generation int64, sum blob.Sum, size int64, r io.Reader, staged func() error) (int64, bool, error) {
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
	n, failed, err := blob.Copy(f, io.TeeReader(io.LimitReader(r, size), h))
	if blob.Full(err) {
		failed = down(err)
		n, err = cutBack(f, n)
	}
	if failed == nil && n == size {
		err = f.Chmod(0o400)
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
		if err := staged(); err != nil {
			return 0, false, err
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
	if err := os.MkdirAll(d, 0o700); err != nil {
		return down(err)
	}
	if err := os.Rename(from, filepath.Join(d, name)); err != nil {
		return down(err)
	}
	if err := errors.Join(syncDir(d), syncDir(filepath.Dir(d))); err != nil {
		return down(err)
	}
	return nil
}
