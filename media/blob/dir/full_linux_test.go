package dir_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"fieldclue/media/blob/blobtest"
	"fieldclue/server/field"
)

const fileLimit = 3 << 20

// Files that end at 3 MiB. What was received stays but for the last MiB, and the rest follows when there is room.
func TestNoRoom(t *testing.T) {
	blobtest.NoRoom(t, func(limit func(size uint64)) { noRoom(t, limit) })
}

func noRoom(t *testing.T, limit func(size uint64)) {
	root := t.TempDir()
	s := open(t, root)
	staging := s.Staging()
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB
	sum := sumOf(content)
	const kept = fileLimit - 1<<20

	limit(fileLimit)
	n, err := staging.Append(t.Context(), "pieces", 1, 0, bytes.NewReader(content), 16<<20)
	if n != kept || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a piece without room: %d, %v", n, err)
	}
	n, done, err := staging.StoreWhole(t.Context(), "whole", 1, sum, int64(len(content)), bytes.NewReader(content), func() error { return nil })
	if n != kept || done || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a whole photo without room: %d, %v, %v", n, done, err)
	}
	if _, err := s.PutIfAbsent(t.Context(), sum, int64(len(content)), bytes.NewReader(content)); !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a blob without room: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(root, "tmp", "*")); err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
	// Less than the spare: nothing of it is kept, and nothing is left.
	limit(1 << 19)
	n, err = staging.Append(t.Context(), "little", 1, 0, bytes.NewReader(content), 16<<20)
	if n != 0 || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("half a MiB without room: %d, %v", n, err)
	}

	limit(1 << 40)
	for _, id := range []string{"pieces", "whole"} {
		n, err := staging.Append(t.Context(), id, 2, kept, bytes.NewReader(content[kept:]), 16<<20)
		if err != nil || n != int64(len(content))-kept {
			t.Fatalf("%s, the rest: %d, %v", id, n, err)
		}
		r, err := staging.Open(t.Context(), id, int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		_ = r.Close() // only read
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %d bytes, %v", id, len(got), err)
		}
	}
	if err := staging.Promote(t.Context(), "pieces", sum, int64(len(content))); err != nil {
		t.Fatal(err)
	}
}
