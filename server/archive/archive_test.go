package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/access"
	"fieldclue/server/archive"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
)

// Whatever was written, and wherever a phone stands: what it pulls, and what it is answered for a batch that it sends
// again, is byte for byte what it was before the log was archived.
func TestNobodyNoticesTheArchive(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("sqlite, seed ", seed), func(t *testing.T) { unnoticed(t, newWorld(t, seed, openSQLite(t)), 40) })
	}
	t.Run("mongo", func(t *testing.T) {
		w := newWorld(t, 1, openMongo(t))
		w.fewer = true
		unnoticed(t, w, 8)
	})
}

func unnoticed(t *testing.T, w *world, batches int) {
	w.live(batches)
	before := w.picture()
	half := w.plan()
	half.Most = 3
	done, err := archive.Run(w.ctx, half)
	if err != nil || done.Bundles != 3 || !done.More {
		t.Fatalf("%+v, %v", done, err)
	}
	w.same("half archived", before, w.picture())
	done, err = archive.Run(w.ctx, w.plan())
	if err != nil || done.More || done.Bundles == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.same("archived", before, w.picture())
	for _, body := range w.bodies() {
		if body != 0 {
			t.Fatal("there are bodies left in the log")
		}
	}
	if done, err = archive.Run(w.ctx, w.plan()); err != nil || done.Entries != 0 {
		t.Fatalf("a third time: %+v, %v", done, err)
	}
	w.live(6) // the log goes on
	before = w.picture()
	if done, err = archive.Run(w.ctx, w.plan()); err != nil || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.same("archived again", before, w.picture())
}

// bodies are the lengths of the bodies in the log, as it lies in the store.
func (w *world) bodies() (lengths []int) {
	w.t.Helper()
	heads, err := w.raw.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
	w.must(err)
	for _, h := range heads {
		entries, err := w.raw.Entries(w.ctx, h.Scope, 0, 10_000)
		w.must(err)
		for _, e := range entries {
			lengths = append(lengths, len(e.Body))
		}
	}
	return lengths
}

// broken is a store and a blob store in which the call with number at goes wrong: before it has an effect, or after.
type broken struct {
	raw
	blob.Store
	at, calls int
	after     bool
	failed    map[string]int // by step
}

var errPower = errors.New("the power failed")

// do makes a call, and fails when it is its turn. Once it has failed nothing works any more: the process is dead.
func (b *broken) do(step string, call func() error) error {
	b.calls++
	switch {
	case b.calls > b.at:
		return errPower
	case b.calls < b.at:
		return call()
	}
	b.failed[fmt.Sprint(step, b.after)]++
	if b.after {
		return errors.Join(errPower, call())
	}
	return errPower
}

func (b *broken) Archive(ctx context.Context, a store.Bundled) error {
	return b.do("Archive", func() error { return b.raw.Archive(ctx, a) })
}

func (b *broken) Entries(ctx context.Context, scope field.Scope, after int64, limit int) (list []store.Entry, err error) {
	err = b.do("Entries", func() (err error) { list, err = b.raw.Entries(ctx, scope, after, limit); return err })
	return list, err
}

func (b *broken) PutIfAbsent(ctx context.Context, sum blob.Sum, size int64, r io.Reader) (created bool, err error) {
	err = b.do("PutIfAbsent", func() (err error) { created, err = b.Store.PutIfAbsent(ctx, sum, size, r); return err })
	return created, err
}

func (b *broken) SetHold(ctx context.Context, sum blob.Sum, on bool) error {
	return b.do("SetHold", func() error { return b.Store.SetHold(ctx, sum, on) })
}

func (b *broken) Open(ctx context.Context, sum blob.Sum, offset, length int64) (r io.ReadCloser, err error) {
	err = b.do("Open", func() (err error) { r, err = b.Store.Open(ctx, sum, offset, length); return err })
	return r, err
}

// The power fails at any step, before it has its effect or after. Nothing is lost, and the next run goes on.
func TestArchivingGoesOnAfterACrashAtAnyStep(t *testing.T) {
	failed := map[string]int{}
	for seed := range uint64(6) {
		w := newWorld(t, seed, openSQLite(t))
		w.fewer = true
		w.live(25)
		before := w.picture()
		for tries := 0; ; tries++ {
			// Later runs get further: to see that nothing is left to do takes a call for each scope.
			b := &broken{raw: w.raw, Store: w.blobs, at: 1 + w.random.IntN(14+tries/4), after: w.random.IntN(2) == 0, failed: failed}
			p := w.plan()
			p.Store, p.Blobs = b, b
			_, err := archive.Run(w.ctx, p)
			if err == nil {
				break
			}
			if !errors.Is(err, errPower) || tries > 500 {
				t.Fatal(err)
			}
			if tries%5 == 0 {
				w.same(fmt.Sprintf("after a crash in call %d", b.at), before, w.picture())
			}
		}
		w.same("at last", before, w.picture())
		for _, body := range w.bodies() {
			if body != 0 {
				t.Fatal("there are bodies left in the log")
			}
		}
	}
	for _, step := range []string{"Archive", "Entries", "PutIfAbsent", "SetHold", "Open"} {
		for _, after := range []bool{false, true} {
			if failed[fmt.Sprint(step, after)] == 0 {
				t.Errorf("no crash in %s, after it: %v", step, after)
			}
		}
	}
}

// lying is a blob store that gives back other bytes than it took.
type lying struct{ blob.Store }

func (l lying) Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error) {
	r, err := l.Store.Open(ctx, sum, offset, length)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	raw[len(raw)/2] ^= 1
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// The log lets go of nothing that cannot be read back, and nothing that is damaged already leaves it.
func TestTheLogLetsGoOfNothingThatIsNotSafe(t *testing.T) {
	w := newWorld(t, 1, openSQLite(t))
	w.live(20)
	before := w.bodies()
	p := w.plan()
	p.Blobs = lying{w.blobs}
	if done, err := archive.Run(w.ctx, p); !errors.Is(err, store.ErrDamaged) || done.Entries != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if fmt.Sprint(w.bodies()) != fmt.Sprint(before) {
		t.Fatal("bodies are gone")
	}
	p = w.plan()
	p.Store = forger{raw: w.raw}
	done, err := archive.Run(w.ctx, p)
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "entry 2 of org/bijie") || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if e, err := w.raw.Entry(w.ctx, "org/bijie", 1); err != nil || e.Bundle != "" {
		t.Errorf("entry 1 was archived with the damaged one: %+v, %v", e, err)
	}
}

// forger is a store in which the second entry of one scope has another body.
type forger struct{ raw }

func (f forger) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	list, err := f.raw.Entries(ctx, scope, after, limit)
	for i := range list {
		if scope == "org/bijie" && list[i].Seq == 2 {
			list[i].Body = []byte("{}")
		}
	}
	return list, err
}

// Two servers archive at once.
func TestTwoArchiveAtOnce(t *testing.T) {
	w := newWorld(t, 2, openSQLite(t))
	w.live(40)
	before := w.picture()
	errs := make(chan error)
	for i := range 2 {
		p := w.plan()
		p.Entries += i // one is of another version, and makes other bundles
		go func() {
			_, err := archive.Run(w.ctx, p)
			errs <- err
		}()
	}
	w.must(<-errs)
	w.must(<-errs)
	if _, err := archive.Run(w.ctx, w.plan()); err != nil {
		t.Fatal(err)
	}
	w.same("archived by two", before, w.picture())
}

func TestWhatIsWorthABundle(t *testing.T) {
	w := newWorld(t, 3, openSQLite(t))
	w.live(30)
	day := 24 * time.Hour
	run := func(p archive.Plan) archive.Done {
		t.Helper()
		done, err := archive.Run(w.ctx, p)
		w.must(err)
		return done
	}
	p := w.plan()
	p.Age = 100 * 365 * day
	if done := run(p); done.Entries != 0 {
		t.Errorf("nothing is that old: %+v", done)
	}
	p = w.plan()
	p.Entries, p.Bytes, p.Few = 1000, 1<<20, 1000
	p.Age = w.now.Sub(time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC)) / 2
	old := run(p) // few, and of the scopes whose first entry is twice as old
	if old.Entries == 0 || old.Bundles != old.Scopes {
		t.Errorf("%+v", old)
	}
	p.Age = time.Hour
	p.Now = w.now.Add(90 * time.Minute)
	p.Few = 1
	if rest := run(p); rest.Entries+old.Entries != len(w.bodies()) {
		t.Errorf("%d and %d of %d", old.Entries, rest.Entries, len(w.bodies()))
	}
}

// What lies in the blob store is changed, lost, or not what the log names: reading refuses it, verification names it,
// and what does not need it goes on.
func TestADamagedBundleIsFoundAndNamed(t *testing.T) {
	site := func(w *world, n int) field.Scope { return field.MakeScope(field.ScopeSite, string(w.sites[n])) }
	for name, harm := range map[string]func(w *world, e, other store.Entry) *harmed{
		"changed": func(w *world, e, _ store.Entry) *harmed {
			raw, err := os.ReadFile(w.file(e.Bundle))
			w.must(err)
			raw[len(raw)-9] ^= 1
			w.overwrite(e.Bundle, raw)
			return nil
		},
		"cut": func(w *world, e, _ store.Entry) *harmed {
			raw, err := os.ReadFile(w.file(e.Bundle))
			w.must(err)
			w.overwrite(e.Bundle, raw[:len(raw)/2])
			return nil
		},
		"missing": func(w *world, e, _ store.Entry) *harmed {
			w.must(os.Remove(w.file(e.Bundle)))
			return nil
		},
		"another's bytes": func(w *world, e, other store.Entry) *harmed {
			raw, err := os.ReadFile(w.file(other.Bundle))
			w.must(err)
			w.overwrite(e.Bundle, raw)
			return nil
		},
		"another bundle of the scope": func(w *world, e, _ store.Entry) *harmed {
			next, err := w.raw.Entry(w.ctx, e.Scope, e.Seq+4)
			w.must(err)
			return &harmed{raw: w.raw, entry: e, bundle: next.Bundle}
		},
		"a bundle of another scope": func(w *world, e, other store.Entry) *harmed {
			return &harmed{raw: w.raw, entry: e, bundle: other.Bundle}
		},
		"a photo": func(w *world, e, _ store.Entry) *harmed {
			photo := []byte("\xff\xd8 a photo")
			sum := sha256.Sum256(photo)
			name := hex.EncodeToString(sum[:])
			_, err := w.blobs.PutIfAbsent(w.ctx, blob.Sum(name), int64(len(photo)), bytes.NewReader(photo))
			w.must(err)
			return &harmed{raw: w.raw, entry: e, bundle: name}
		},
		"a forged bundle": func(w *world, e, _ store.Entry) *harmed {
			forged := tarOf(w.t, fmt.Sprintf("%s/%016d.json", e.Scope, e.Seq), []byte(`{"forged":true}`))
			sum := sha256.Sum256(forged)
			name := hex.EncodeToString(sum[:])
			_, err := w.blobs.PutIfAbsent(w.ctx, blob.Sum(name), int64(len(forged)), bytes.NewReader(forged))
			w.must(err)
			return &harmed{raw: w.raw, entry: e, bundle: name}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 5, openSQLite(t))
			w.live(40)
			p := w.plan()
			p.Bytes = 1 << 20
			_, err := archive.Run(w.ctx, p)
			w.must(err)
			entry, err := w.raw.Entry(w.ctx, site(w, 0), 2)
			w.must(err)
			other, err := w.raw.Entry(w.ctx, site(w, 1), 2)
			w.must(err)
			bundle := entry.Bundle
			if h := harm(w, entry, other); h != nil {
				w.raw, bundle = h, h.bundle
			}
			s := w.restart()
			if _, err := s.Entry(w.ctx, entry.Scope, entry.Seq); !errors.Is(err, store.ErrDamaged) || !field.Is(err, field.CodeInternal) {
				t.Errorf("reading it: %v", err)
			}
			if _, err := s.Entry(w.ctx, other.Scope, other.Seq); err != nil {
				t.Errorf("reading another: %v", err)
			}
			v, err := engine.Verify(w.ctx, s, engine.Look{})
			w.must(err)
			if len(v.Faults) != 1 || !strings.Contains(v.Faults[0], bundle) || !strings.Contains(v.Faults[0], string(entry.Scope)) {
				t.Errorf("verification: %q does not name %s", v.Faults, bundle)
			}
			w.pull(map[string]string{}, "goes on", nil, 20)
		})
	}
}

func (w *world) file(sum string) string { return filepath.Join(w.dir, "data", sum[:2], sum) }

func (w *world) overwrite(sum string, with []byte) {
	w.t.Helper()
	w.must(os.Remove(w.file(sum)))
	w.must(os.WriteFile(w.file(sum), with, 0o444))
}

// harmed is a store in which an entry names another bundle.
type harmed struct {
	raw
	entry  store.Entry
	bundle string
}

func (h *harmed) swap(e store.Entry) store.Entry {
	if e.Scope == h.entry.Scope && e.Seq == h.entry.Seq {
		e.Bundle = h.bundle
	}
	return e
}

func (h *harmed) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	e, err := h.raw.Entry(ctx, scope, seq)
	return h.swap(e), err
}

func (h *harmed) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	list, err := h.raw.Entries(ctx, scope, after, limit)
	for i := range list {
		list[i] = h.swap(list[i])
	}
	return list, err
}

func tarOf(t *testing.T, name string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	files := tar.NewWriter(zip)
	err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o444, Size: int64(len(body))})
	if err == nil {
		_, err = files.Write(body)
	}
	if err := errors.Join(err, files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A stranger with tar and sha256sum reads a bundle: its files are named by scope and number, and the hash of a file is
// that of the entry.
func TestABundleIsReadByAStranger(t *testing.T) {
	w := newWorld(t, 4, openSQLite(t))
	w.live(20)
	_, err := archive.Run(w.ctx, w.plan())
	w.must(err)
	files := map[string]string{} // hashes by name
	w.must(w.blobs.Each(w.ctx, func(info blob.Info) error {
		if held, err := w.blobs.Held(w.ctx, info.Sum); err != nil || !held {
			t.Errorf("%s is not held: %v", info.Sum, err)
		}
		r, err := w.blobs.Open(w.ctx, info.Sum, 0, -1)
		if err != nil {
			return err
		}
		zip, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		bundle := tar.NewReader(zip)
		for {
			h, err := bundle.Next()
			if errors.Is(err, io.EOF) {
				return r.Close()
			}
			if err != nil {
				return err
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, bundle); err != nil {
				return err
			}
			files[h.Name] = hex.EncodeToString(sum.Sum(nil))
		}
	}))
	heads, err := w.raw.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
	w.must(err)
	for _, h := range heads {
		marks, err := w.raw.Marks(w.ctx, h.Scope, 0, 1000)
		w.must(err)
		for _, e := range marks {
			name := fmt.Sprintf("%s/%016d.json", e.Scope, e.Seq)
			if files[name] != e.Hash {
				t.Errorf("%s is %q", name, files[name])
			}
			delete(files, name)
		}
	}
	if len(files) > 0 {
		t.Errorf("there is more in the bundles: %v", files)
	}
}
