package minio

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Staging is the blob.Staging of a Store: one object per segment, uploads/<id>/<offset>-<generation>. A segment may
// have any size, so a photo of 4 MB resumes by the byte; parts of a multipart upload could not be under 5 MiB.
type Staging struct {
	s      *Store
	spools spools
}

// Staging gives the half-finished uploads; the Config must name a StagingBucket.
func (s *Store) Staging() (*Staging, error) {
	if s.cfg.StagingBucket == "" {
		return nil, field.Refuse(field.CodeBadRequest, "No bucket is named for half-finished uploads.")
	}
	return &Staging{s: s}, nil
}

func prefix(id string) (string, error) {
	if id == "" || len(id) > 128 || strings.ContainsAny(id, `/\.`) {
		return "", field.Refuse(field.CodeUploadUnknown, "")
	}
	return "uploads/" + id + "/", nil
}

// Append follows blob.Staging. What arrives waits in a temporary file, because an object's length must be known when it
// is put, and memory must not grow with the number of slow phones.
func (t *Staging) Append(ctx context.Context, id string, generation, offset int64, r io.Reader, limit int64) (int64, error) {
	if _, err := prefix(id); err != nil {
		return 0, err
	}
	sp, err := t.newSpool()
	if err != nil {
		return 0, err
	}
	defer t.drop(sp)
	srcErr, err := sp.fill(io.LimitReader(r, limit))
	if err != nil && !sp.filledUp(err) {
		return 0, err
	}
	if err != nil {
		srcErr = err
	}
	if err := t.keep(ctx, id, generation, offset, sp); err != nil {
		return 0, err
	}
	return sp.n, srcErr
}

// StoreWhole follows blob.Whole: the bytes go to the locked bucket and to the spool at once; the spool becomes a
// segment when the put fails.
func (t *Staging) StoreWhole(ctx context.Context, id string, generation int64, sum blob.Sum, size int64, r io.Reader, staged func() error) (int64, bool, error) {
	if _, err := prefix(id); err != nil {
		return 0, false, err
	}
	sp, err := t.newSpool()
	if err != nil {
		return 0, false, err
	}
	defer t.drop(sp)
	tee := &teeSpool{r: r, sp: sp}
	_, err = t.s.put(ctx, sum, size, tee)
	switch {
	case err == nil:
		return size, true, nil
	case tee.spoolErr != nil && !sp.filledUp(tee.spoolErr):
		return 0, false, tee.spoolErr
	case tee.spoolErr == nil && field.Is(err, field.CodeHashMismatch) && tee.srcErr == nil:
		return 0, false, err
	}
	srcErr := tee.srcErr
	if tee.spoolErr != nil {
		srcErr = tee.spoolErr
	} else if srcErr == nil && sp.n < size { // the store failed, not the phone: take the rest
		if srcErr, err = sp.fill(io.LimitReader(r, size-sp.n)); err != nil && !sp.filledUp(err) {
			return 0, false, err
		} else if err != nil {
			srcErr = err
		}
	}
	if sp.n == 0 {
		return 0, false, srcErr
	}
	if err := staged(); err != nil {
		return 0, false, err
	}
	if err := t.keep(ctx, id, generation, 0, sp); err != nil {
		return 0, false, err
	}
	return sp.n, false, srcErr
}

func (t *Staging) keep(ctx context.Context, id string, generation, offset int64, sp *spool) error {
	if sp.n == 0 {
		return nil
	}
	p, err := prefix(id)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, sp.content()); err != nil {
		return field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	name, sum := fmt.Sprintf("%s%020d-%d", p, offset, generation), base64.StdEncoding.EncodeToString(h.Sum(nil))
	for try := 1; ; try++ {
		// Each try has a reader of its own: where the answer came early, the transport may still be reading the one
		// before. The library would wind that one back, so it is not told that it can.
		body := struct{ io.Reader }{sp.content()}
		_, err = t.s.core.PutObject(ctx, t.s.cfg.StagingBucket, name, body, sp.n, "", "", minio.PutObjectOptions{
			ContentType: typeBytes, UserMetadata: map[string]string{amzChecksum: sum}, DisableContentSha256: true,
		})
		if err == nil {
			return nil
		}
		sp.failed = true // as above
		if err = coded(err); try == putTries || !field.Is(err, field.CodeStoreDown) {
			return err
		}
		pause := time.NewTimer(time.Duration(try) * 200 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// putTries is how often a segment is put that the store does not answer for.
const putTries = 3

func (t *Staging) list(ctx context.Context, id string) ([]blob.Segment, error) {
	p, err := prefix(id)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all []blob.Segment
	for o := range t.s.core.Client.ListObjects(ctx, t.s.cfg.StagingBucket, minio.ListObjectsOptions{Prefix: p, Recursive: true}) {
		if o.Err != nil {
			return nil, coded(o.Err)
		}
		from, generation, _ := strings.Cut(strings.TrimPrefix(o.Key, p), "-")
		offset, err1 := strconv.ParseInt(from, 10, 64)
		gen, err2 := strconv.ParseInt(generation, 10, 64)
		if err1 != nil || err2 != nil {
			continue // not one of ours
		}
		all = append(all, blob.Segment{Offset: offset, Generation: gen, Size: o.Size, Name: o.Key})
	}
	return all, nil
}

// Open follows blob.Staging.
func (t *Staging) Open(ctx context.Context, id string, size int64) (io.ReadCloser, error) {
	all, err := t.list(ctx, id)
	if err != nil {
		return nil, err
	}
	chain, err := blob.Chain(all, size)
	if err != nil {
		return nil, err
	}
	seq := &sequence{ctx: ctx, t: t, left: chain}
	return joined{io.LimitReader(seq, size), seq}, nil
}

// Promote follows blob.Staging: the segments stream through the hash into the other bucket.
func (t *Staging) Promote(ctx context.Context, id string, sum blob.Sum, size int64) error {
	if st, err := t.s.Stat(ctx, sum); err == nil {
		if st.Size != size {
			return field.Refuse(field.CodeSizeMismatch, "")
		}
		return nil
	} else if !field.Is(err, field.CodeNotFound) {
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

// Remove follows blob.Staging.
func (t *Staging) Remove(ctx context.Context, id string) error {
	all, err := t.list(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := t.s.core.RemoveObject(ctx, t.s.cfg.StagingBucket, s.Name, minio.RemoveObjectOptions{}); err != nil {
			return coded(err)
		}
	}
	return nil
}

// sequence reads one segment after the other, one open object at a time.
type sequence struct {
	ctx  context.Context //nolint:containedctx // lives as long as the reader that Open gave away
	t    *Staging
	left []blob.Segment
	body io.ReadCloser
}

func (q *sequence) Read(p []byte) (int, error) {
	for {
		if q.body == nil {
			if len(q.left) == 0 {
				return 0, io.EOF
			}
			body, _, _, err := q.t.s.core.GetObject(q.ctx, q.t.s.cfg.StagingBucket, q.left[0].Name, minio.GetObjectOptions{})
			if err != nil {
				return 0, coded(err)
			}
			q.body, q.left = body, q.left[1:]
		}
		n, err := q.body.Read(p)
		if errors.Is(err, io.EOF) {
			_ = q.body.Close() // only read
			q.body, err = nil, nil
			if n == 0 {
				continue
			}
		}
		if err != nil {
			err = coded(err)
		}
		return n, err
	}
}

func (q *sequence) Close() error {
	if q.body == nil {
		return nil
	}
	return q.body.Close()
}

type joined struct {
	io.Reader
	io.Closer
}

// spool is a temporary file.
type spool struct {
	f      *os.File
	n      int64
	failed bool // no further use
}

// spools keeps the files of spools that are over for the next ones: writing where a file has been written costs a
// third.
type spools struct {
	mu   sync.Mutex // guards idle
	idle []*os.File
}

const maxIdleSpools = 8 // of at most 16 MiB each

func (t *Staging) newSpool() (*spool, error) {
	t.spools.mu.Lock()
	if n := len(t.spools.idle); n > 0 {
		f := t.spools.idle[n-1]
		t.spools.idle = t.spools.idle[:n-1]
		t.spools.mu.Unlock()
		return &spool{f: f}, nil
	}
	t.spools.mu.Unlock()
	f, err := os.CreateTemp(t.s.cfg.SpoolDir, "fieldclue-segment-")
	if err != nil {
		return nil, spoolError(err)
	}
	_ = os.Remove(f.Name()) // nameless where the system allows it, so that a kill leaves nothing; else removed by drop
	return &spool{f: f}, nil
}

func (t *Staging) drop(s *spool) {
	t.spools.mu.Lock()
	defer t.spools.mu.Unlock()
	if len(t.spools.idle) < maxIdleSpools && !s.failed {
		t.spools.idle = append(t.spools.idle, s.f)
		return
	}
	_ = s.f.Close()           // the file is thrown away
	_ = os.Remove(s.f.Name()) // usually gone already
}

func (s *spool) content() *io.SectionReader { return io.NewSectionReader(s.f, 0, s.n) }

func (s *spool) Write(p []byte) (int, error) {
	n, err := s.f.WriteAt(p, s.n)
	s.n += int64(n)
	if err != nil {
		s.failed = true
		return n, spoolError(err)
	}
	return n, nil
}

// filledUp reports whether an error of the spool says that this disk is full, and there is something in it: the store
// has room for that, perhaps, and what was received stays.
func (s *spool) filledUp(err error) bool { return s.n > 0 && field.Is(err, field.CodeStorageFull) }

// fill copies r to its end. It tells the source's error from its own.
func (s *spool) fill(r io.Reader) (srcErr, err error) {
	tee := &teeSpool{r: r, sp: s}
	_, _, _ = blob.Copy(io.Discard, tee) // its errors are kept in tee
	return tee.srcErr, tee.spoolErr
}

// teeSpool writes what it reads to the spool.
type teeSpool struct {
	r                io.Reader
	sp               *spool
	srcErr, spoolErr error
}

func (t *teeSpool) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n > 0 {
		if _, werr := t.sp.Write(p[:n]); werr != nil {
			t.spoolErr = werr
			return 0, werr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.srcErr = err
	}
	return n, err
}

// spoolError blames the local disk: what cannot be spooled cannot be taken now.
func spoolError(err error) error {
	if blob.Full(err) {
		return field.Refuse(field.CodeStorageFull, "").Because(err)
	}
	return field.Refuse(field.CodeStoreDown, "").Because(err)
}
