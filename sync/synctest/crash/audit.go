package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/blob/minio"
	"fieldclue/media/receipt"
	"fieldclue/server/field"
)

const bucket = "fieldclue" // the default of the server

// audit looks at everything that the phones sent, without the phones that sent it: each person signs in on a new
// device, on a good link; what that device is given, what the server serves, and what lies in the blob store are held
// against the SHA-256 that was computed when the photo was taken.
func (u *uploads) audit(ctx context.Context) error {
	u.say("%6s  all files are receipted; now they are read back", u.elapsed())
	u.sent = map[blob.Sum]int64{}
	numbers := map[string]bool{}
	var resent int64
	for _, s := range u.senders {
		stats := s.phone.Stats()
		if ops, photos := s.phone.Waiting(); ops+photos > 0 || stats.Receipts != len(s.files) || len(stats.Problems) > 0 {
			return fmt.Errorf("%s: %d operations and %d photos wait, %d receipts for %d files, %d problems", s.name, ops, photos, stats.Receipts, len(s.files), len(stats.Problems))
		}
		left, err := s.phone.Files()
		if err != nil || len(left) > 0 {
			return fmt.Errorf("%s: %d files were not freed (%w)", s.name, len(left), errors.Join(err, errors.New("each has its receipt")))
		}
		resent += stats.BytesResent
		if err := u.readBack(ctx, s, numbers); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, f := range s.files {
			u.sent[blob.Sum(f.sha256)] = int64(f.size)
		}
	}
	if len(numbers) != u.o.uploads || len(u.sent) != u.o.uploads {
		return fmt.Errorf("%d receipts and %d hashes for %d files", len(numbers), len(u.sent), u.o.uploads)
	}
	// What a kill of MinIO kept from being removed goes with the sweep at the next start.
	if err := u.killServer(ctx, func() error { return nil }); err != nil {
		return err
	}
	u.kills-- // it had nothing to lose
	if err := u.nothingStaged(ctx, sweepTime); err != nil {
		return err
	}
	if err := u.life.kill(); err != nil {
		return err
	}
	if err := u.stored(ctx); err != nil {
		return err
	}
	report, err := u.server.verify(ctx)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(report), "\n")
	u.say("fieldclue verify: %s", lines[len(lines)-1])
	passed := u.cutter.Counts().Passed
	u.say("DONE: %s; passed beyond the files %.1f %%, lost on the link as the phones count it %.1f %%; wrong bytes: 0, missing: 0, twice: 0 (seed %d, %s)",
		u.figures(), percent(passed-u.all, u.all), percent(resent, u.all), u.o.seed, u.elapsed())
	return nil
}

// readBack gives a person a new device and compares what it is given.
func (u *uploads) readBack(ctx context.Context, s *sender, numbers map[string]bool) error {
	url := "http://" + u.server.listen
	fresh, err := u.openPhone(s, s.user+"-new", url, &http.Transport{})
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }() // only read
	if err := fresh.Enrol(ctx, s.user, password, s.fresh); err != nil {
		return err
	}
	if err := fresh.Sync(ctx); err != nil {
		return err
	}
	published, err := fresh.Fetch(ctx, "/v1/receipt-key")
	if err != nil {
		return err
	}
	keys, err := receipt.ParseKeys(published)
	if err != nil {
		return err
	}
	if got := fresh.Records(field.KindPhoto); len(got) != len(s.files) {
		return fmt.Errorf("MISSING or TWICE: %d photos were declared, %d are there", len(s.files), len(got))
	}
	for _, f := range s.files {
		r, there := fresh.Record(f.id)
		if !there {
			return fmt.Errorf("MISSING: photo %s", f.id)
		}
		var is struct {
			SHA256  string
			Size    int
			Receipt *receipt.Receipt
		}
		if err := json.Unmarshal(r.Fields, &is); err != nil {
			return err
		}
		if is.SHA256 != f.sha256 || is.Size != f.size || is.Receipt == nil {
			return fmt.Errorf("WRONG: photo %s with %d bytes %s is recorded as %+v", f.id, f.size, f.sha256, is)
		}
		if err := keys.Verify(*is.Receipt); err != nil {
			return fmt.Errorf("photo %s: %w", f.id, err)
		}
		if is.Receipt.SHA256 != f.sha256 || is.Receipt.Size != int64(f.size) || is.Receipt.PhotoID != string(f.id) || numbers[is.Receipt.Number] {
			return fmt.Errorf("WRONG: the receipt of photo %s, %d bytes %s, is for other bytes: %+v", f.id, f.size, f.sha256, *is.Receipt)
		}
		numbers[is.Receipt.Number] = true
		b, err := fresh.Fetch(ctx, "/v1/photos/"+string(f.id)+"/original")
		if err != nil {
			return fmt.Errorf("photo %s: %w", f.id, err)
		}
		if sum, _, _ := digestOf(bytes.NewReader(b)); sum != f.sha256 || len(b) != f.size {
			return fmt.Errorf("WRONG BYTES: the server serves %d bytes %s as photo %s with %d bytes %s", len(b), sum, f.id, f.size, f.sha256)
		}
	}
	return nil
}

func digestOf(r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// stored reads what lies in the blob store: all that was sent, and nothing else.
func (u *uploads) stored(ctx context.Context) error {
	store, err := u.originals(ctx)
	if err != nil {
		return err
	}
	n := 0
	err = store.Each(ctx, func(i blob.Info) error {
		n++
		if size, ok := u.sent[i.Sum]; !ok || size != i.Size {
			return fmt.Errorf("WRONG BYTES: the store holds %d bytes %s that nobody sent", i.Size, i.Sum)
		}
		r, err := store.Open(ctx, i.Sum, 0, -1)
		if err != nil {
			return err
		}
		sum, size, err := digestOf(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		if sum != string(i.Sum) || size != i.Size {
			return fmt.Errorf("WRONG BYTES: the store holds %d bytes %s as %s", size, sum, i.Sum)
		}
		return nil
	})
	if err == nil && n != len(u.sent) {
		err = fmt.Errorf("MISSING or TWICE: %d files were sent, the store holds %d", len(u.sent), n)
	}
	return err
}

func (u *uploads) originals(ctx context.Context) (blob.Store, error) {
	if u.minio == nil {
		return dir.Open(dir.Config{Root: filepath.Join(u.server.data, "photos")})
	}
	return minio.Open(ctx, minio.Config{
		Endpoint: u.minio.Endpoint, AccessKey: u.minio.AccessKey, SecretKey: u.minio.SecretKey, Bucket: bucket, Locked: true,
	})
}

// nothingStaged waits until no half-finished upload lies on the disk, be it that of the server or that of MinIO.
func (u *uploads) nothingStaged(ctx context.Context, patience time.Duration) error {
	places := []string{filepath.Join(u.server.data, "photos", "staging"), filepath.Join(u.server.data, "photos", "tmp")}
	if u.minio != nil {
		places = []string{filepath.Join(u.minio.Dir, bucket+"-staging")}
	}
	for until := time.Now().Add(patience); ; {
		left, err := files(places)
		if u.minio != nil {
			// An object is there by its xl.meta alone. A MinIO that is killed while it deletes one may leave its data
			// behind, which nobody can read and MinIO's own scanner removes.
			left = slices.DeleteFunc(left, func(path string) bool { return filepath.Base(path) != "xl.meta" })
		}
		switch {
		case err != nil:
			return err
		case len(left) == 0:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("LEFT OVER: %d pieces of uploads that are complete, such as %s", len(left), left[0])
		}
		if err := soon(ctx, 0); err != nil {
			return err
		}
	}
}

const sweepTime = 30 * time.Second // the sweep comes right after the start

// files lists all files under some folders. One that goes while it looks is not there.
func files(places []string) ([]string, error) {
	var all []string
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path != place {
				return nil
			}
			if err == nil && !d.IsDir() {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func percent(part, of int64) float64 { return 100 * float64(part) / float64(of) }
