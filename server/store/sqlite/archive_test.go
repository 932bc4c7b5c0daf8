package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldclue/server/store"
)

// What archiving has freed goes back to the disk, and everything is there as before.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	s := openIn(t, dir)
	head := store.Head{Scope: "site/1"}
	var hashes []string
	for i := range 200 {
		w := next(head)
		w.Entries[0].Body = bytes.Repeat([]byte("x"), 9000)
		w.Entries[0].Hash = fmt.Sprint("h", i)
		w.Head.Hash = w.Entries[0].Hash
		hashes = append(hashes, w.Head.Hash)
		head = w.Head
		if err := s.Commit(ctx, []store.Write{w}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Archive(ctx, store.Bundled{Scope: "site/1", First: 1, Hashes: hashes[:190], Bundle: strings.Repeat("ab", 32)}); err != nil {
		t.Fatal(err)
	}
	if err := Compact(ctx, dir); err == nil {
		t.Error("a store in use was compacted")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, DataFile))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	before := size()
	for range 2 { // the second time there is nothing to give back
		if err := Compact(ctx, dir); err != nil {
			t.Fatal(err)
		}
		if after := size(); after > before/5 {
			t.Errorf("%d bytes before, %d after", before, after)
		}
	}
	s = openIn(t, dir)
	entries, err := s.Entries(ctx, "site/1", 188, 4)
	if err != nil || len(entries) != 4 || entries[1].Bundle == "" || len(entries[2].Body) != 9000 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
