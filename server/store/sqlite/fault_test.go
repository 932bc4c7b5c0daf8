package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// These cases stand inside the package because a full disk, a broken disk and a bad neighbour have to be staged.

var at = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func openIn(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the faults of this file may end in an error here
	return s
}

func first(n int, body string) store.Write {
	scope := field.MakeScope(field.ScopeSite, fmt.Sprint(n))
	e := store.Entry{Scope: scope, Seq: 1, Device: "d", Batch: 1, Hash: fmt.Sprint(n), At: at, Body: []byte(body)}
	return store.Write{Entries: []store.Entry{e}, Head: store.Head{Scope: scope, Seq: 1, Hash: e.Hash, At: at}}
}

func TestFullDisk(t *testing.T) {
	s := openIn(t, t.TempDir())
	ctx := t.Context()
	limit := func(pages int) {
		t.Helper()
		if err := s.writer.c.run(ctx, fmt.Sprintf("PRAGMA max_page_count=%d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(40)
	big := first(1, strings.Repeat("x", 1<<20))
	if err := s.Commit(ctx, []store.Write{big}); !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a commit on a full disk: %v", err)
	}
	if _, err := s.Head(ctx, big.Head.Scope); !field.Is(err, field.CodeNotFound) {
		t.Fatalf("after it: %v", err)
	}
	if err := s.Commit(ctx, []store.Write{first(2, "small")}); err != nil {
		t.Fatalf("what still fits: %v", err)
	}
	limit(1 << 30)
	if err := s.Commit(ctx, []store.Write{big}); err != nil {
		t.Fatalf("when there is room again: %v", err)
	}
}

// One request of a group cannot be written. Its neighbours are, and it alone is told.
func TestBadNeighbour(t *testing.T) {
	s := openIn(t, t.TempDir())
	ctx := t.Context()
	group := make([]*request, 0, 9)
	for i := range 9 {
		w := first(i, "good")
		if i == 4 { // the same batch twice: the second insert finds the first
			e := w.Entries[0]
			e.Seq, e.Prev, e.Hash = 2, e.Hash, "second"
			w.Entries = append(w.Entries, e)
			w.Head.Seq, w.Head.Hash = 2, e.Hash
		}
		ch, err := encodeCommit([]store.Write{w})
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, &request{change: ch, answer: make(chan error, 1)})
	}
	waiting := append([]*request{}, group...)
	s.writer.commit(group) // the writer's goroutine has nothing to do meanwhile
	for i, r := range waiting {
		err := <-r.answer
		_, herr := s.Head(ctx, field.MakeScope(field.ScopeSite, fmt.Sprint(i)))
		if i == 4 {
			if !errors.Is(err, errTwice) || !field.Is(herr, field.CodeNotFound) {
				t.Errorf("the bad one: %v, head %v", err, herr)
			}
		} else if err != nil || herr != nil {
			t.Errorf("neighbour %d: %v, head %v", i, err, herr)
		}
	}
}

// A caller who gave up while its commit waited was told that nothing changed.
func TestTakenBack(t *testing.T) {
	s := openIn(t, t.TempDir())
	var group []*request
	for i := range 3 {
		ch, err := encodeCommit([]store.Write{first(i, "x")})
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, &request{change: ch, answer: make(chan error, 1)})
	}
	group[1].state.Store(givenUp)
	s.writer.commit(group)
	for i := range 3 {
		_, err := s.Head(t.Context(), field.MakeScope(field.ScopeSite, fmt.Sprint(i)))
		if field.Is(err, field.CodeNotFound) != (i == 1) {
			t.Errorf("commit %d, of which 1 was taken back: %v", i, err)
		}
	}
}

// After a fault of the disk nobody knows what is on it, so nothing more is acknowledged, not even when the disk seems
// well again.
func TestBrokenDisk(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	ctx := t.Context()
	if err := s.Commit(ctx, []store.Write{first(1, "kept")}); err != nil {
		t.Fatal(err)
	}
	// The log of the database is cut off under the open store, and the pages in memory are forgotten.
	wal := filepath.Join(dir, DataFile+"-wal")
	whole, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(wal, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.c.run(ctx, "PRAGMA shrink_memory"); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := s.Commit(ctx, []store.Write{first(2+i, "lost")}); !field.Is(err, field.CodeStoreDown) {
			t.Fatalf("commit %d on a broken disk: %v", i, err)
		}
		if err := s.Ping(ctx); !field.Is(err, field.CodeStoreDown) {
			t.Fatalf("ping on a broken disk: %v", err)
		}
		if err := os.WriteFile(wal, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir)
	if _, err := s.Head(ctx, field.MakeScope(field.ScopeSite, "1")); err != nil {
		t.Fatalf("what was acknowledged before: %v", err)
	}
	if err := s.Commit(ctx, []store.Write{first(2, "again")}); err != nil {
		t.Fatalf("after it was opened again: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	if err := s.writer.c.run(t.Context(), fmt.Sprintf("INSERT INTO schema VALUES (%d)", schemaVersion+1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("open: %v", err)
	}
	if _, err := OpenReadOnly(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("open for reading: %v", err)
	}
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	ctx := t.Context()
	acked := make([]bool, 64)
	var wg sync.WaitGroup
	for i := range acked {
		wg.Go(func() {
			err := s.Commit(context.Background(), []store.Write{first(i, "x")})
			acked[i] = err == nil
			if err != nil && !field.Is(err, field.CodeStoreDown) {
				t.Errorf("commit while closing: %v", err)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatalf("closing twice: %v", err)
	}
	_, err := s.Head(ctx, "site/0")
	for what, err := range map[string]error{"Head": err, "Ping": s.Ping(ctx), "Commit": s.Commit(ctx, []store.Write{first(99, "x")})} {
		if !field.Is(err, field.CodeStoreDown) {
			t.Errorf("%s on a closed store: %v", what, err)
		}
	}
	s = openIn(t, dir)
	for i, acked := range acked {
		_, err := s.Head(ctx, field.MakeScope(field.ScopeSite, fmt.Sprint(i)))
		if (err == nil) != acked {
			t.Errorf("commit %d: acknowledged is %v, stored is %v", i, acked, err == nil)
		}
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("an empty directory: %v", err)
	}
	if err := openIn(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	s, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutDoc(t.Context(), store.Doc{Shelf: store.Jobs, ID: "a", Body: []byte(`{}`)})
	for what, err := range map[string]error{
		"Commit": s.Commit(t.Context(), []store.Write{first(1, "x")}), "PutDoc": err,
		"DeleteDoc": s.DeleteDoc(t.Context(), store.Jobs, "a", 1),
	} {
		if !field.Is(err, field.CodeStoreDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
