package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/sync/engine"
)

const helpRendition = "fieldclue rebuild makes it anew from the original"

// files is what is known of the files: each was read once, before the records that name them. A file takes 33 bytes of
// memory.
type files struct {
	photos, small tree
	claimed       int64 // originals that records name, each once
}

// tree is one blob store.
type tree struct {
	sums  [][32]byte // in order
	named []bool     // by a record
	bad   map[blob.Sum]error
}

var errOther = errors.New("its bytes are not what its name says")

// read hashes every file.
func (t *tree) read(ctx context.Context, s blob.Store, seen func(blob.Info)) error {
	t.bad = map[blob.Sum]error{}
	err := s.Each(ctx, func(i blob.Info) error {
		if err := whole(ctx, s, i.Sum, i.Size); err != nil {
			if field.Is(err, field.CodeStoreDown) && (ctx.Err() != nil || s.Ping(ctx) != nil) {
				return err
			}
			t.bad[i.Sum] = err
		}
		t.sums = append(t.sums, bytesOf(i.Sum))
		seen(i)
		return nil
	})
	slices.SortFunc(t.sums, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	t.sums = slices.Compact(t.sums)
	t.named = make([]bool, len(t.sums))
	return err
}

// whole reads a file to its end.
func whole(ctx context.Context, s blob.Store, sum blob.Sum, size int64) error {
	r, err := s.Open(ctx, sum, 0, -1)
	if field.Is(err, field.CodeNotFound) {
		return errors.New("it is not where its name belongs")
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, blob.NewExact(r, sum, size))
	err = errors.Join(err, r.Close())
	if field.Is(err, field.CodeHashMismatch) || field.Is(err, field.CodeSizeMismatch) {
		return errOther
	}
	return err
}

func bytesOf(sum blob.Sum) (b [32]byte) {
	for i := range b {
		b[i] = nibble(sum[2*i])<<4 | nibble(sum[2*i+1])
	}
	return b
}

func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// claim says that a record names a file. known is false when the file was not there when all were read; first, when no
// other record named it before.
func (t *tree) claim(sum blob.Sum) (known, first bool, err error) {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return false, false, err
	}
	at, known := slices.BinarySearchFunc(t.sums, bytesOf(sum), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	if known {
		first = !t.named[at]
		t.named[at] = true
	}
	return known, first, t.bad[sum]
}

// original looks at the file of a photo that is acknowledged.
func (f *files) original(ctx context.Context, s blob.Store, sum blob.Sum, size int64) error {
	known, first, err := f.photos.claim(sum)
	if first {
		f.claimed++
	}
	info, missing := s.Stat(ctx, sum)
	switch {
	case missing != nil:
		err = fmt.Errorf("photo %s is acknowledged and cannot be read: %w", sum, missing)
	case err == errOther, err == nil && info.Size != size:
		err = fmt.Errorf("photo %s is not the bytes that were received", sum)
	case err != nil:
		err = fmt.Errorf("photo %s cannot be read: %w", sum, err)
	case !known: // it came since all were read
		err = whole(ctx, s, sum, size)
	}
	if err != nil {
		return engine.Helped{Err: err, Help: helpFile}
	}
	return nil
}

// rendition looks at the file of a rendition.
func (f *files) rendition(ctx context.Context, s blob.Store, sum blob.Sum) error {
	known, _, err := f.small.claim(sum)
	if err != nil {
		return err
	}
	info, err := s.Stat(ctx, sum)
	if err == nil && !known {
		err = whole(ctx, s, sum, info.Size)
	}
	return err
}

// walk reads all files.
func (r *Report) walk(ctx context.Context, p *storage.Engines, progress func(string)) error {
	told := time.Now()
	seen := func(blob.Info) {
		if r.Files++; progress != nil && time.Since(told) > 5*time.Second {
			told = time.Now()
			progress(fmt.Sprintf("%d files so far", r.Files))
		}
	}
	if err := r.files.photos.read(ctx, p.Originals, seen); err != nil {
		return err
	}
	return r.files.small.read(ctx, p.Small, seen)
}

// unclaimed names the files that are wrong and that no record names: anyone who sends their bytes would be told that
// they are there.
func (r *Report) unclaimed() {
	for _, t := range []struct {
		place string
		tree  *tree
	}{{"photos", &r.files.photos}, {"renditions", &r.files.small}} {
		for sum, err := range t.tree.bad {
			r.Files--
			at, known := slices.BinarySearchFunc(t.tree.sums, bytesOf(sum), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
			if !known || t.tree.named[at] {
				continue // the fault stands with the record
			}
			r.Fault("no record names it: move it away", "%s/%s: %v", t.place, sum, err)
		}
	}
	r.Unknown = int64(len(r.files.photos.sums)) - r.files.claimed
}

// What lies below the data directory of the embedded engines, and nothing else.
var (
	ownFiles = regexp.MustCompile(`^(restored|fieldclue\.db(-wal|-shm|-journal|\.part)?|fieldclue\.lock(-wal|-shm|-journal)?|next/fieldclue\.db(-wal|-shm|-journal|\.part)?` +
		`|(photos|renditions|anchors)/tmp/[^/]+|photos/staging/[^/]+/[0-9]+-[0-9]+)$`)
	ownBlob = regexp.MustCompile(`^(photos|renditions|anchors)/data/([0-9a-f]{2})(/[0-9a-f]{2})?/([0-9a-f]{64})(\.hold)?$`)
)

// strangers names what does not belong into the data directory. It does no harm there, but nobody of this program put
// it there.
func (r *Report) strangers(ctx context.Context, data string) error {
	holds := map[string]bool{}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // taken away since
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(data, path)
		if err == nil && d.IsDir() && name == "demo" {
			r.Remarks = append(r.Remarks, "demo holds the phones of fieldclue demo, which goes on from there; nothing that was acknowledged rests on it")
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		name = filepath.ToSlash(name)
		parts := ownBlob.FindStringSubmatch(name)
		switch {
		case d.Type()&fs.ModeType != 0 && (parts != nil || ownFiles.MatchString(name)):
			r.Fault("put a file in its place from a backup", "%s: it is no file but a way to another place", name)
		case parts == nil && !ownFiles.MatchString(name), parts != nil && !strings.HasPrefix(parts[4], parts[2]+strings.TrimPrefix(parts[3], "/")):
			r.Remarks = append(r.Remarks, name+" is no file of this program; nothing reads it. Look at it and move it away")
		case parts != nil && parts[5] != "":
			holds[strings.TrimSuffix(path, ".hold")] = true
		}
		return nil
	})
	for file := range holds {
		if matches, _ := filepath.Glob(file); len(matches) == 0 { // a path without wildcards is never malformed
			r.Remarks = append(r.Remarks, filepath.Base(file)+".hold marks a legal hold of a file that is not there")
		}
	}
	slices.Sort(r.Remarks)
	return err
}
