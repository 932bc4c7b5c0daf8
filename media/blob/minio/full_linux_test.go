package minio_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"fieldclue/media/blob/blobtest"
	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
)

const fileLimit = 3 << 20

// No room for the spool on this server's disk: files that end at 3 MiB. MinIO, which has room, keeps what was received
// but for the last half MiB at most, and the rest follows.
func TestNoRoomForTheSpool(t *testing.T) {
	blobtest.NoRoom(t, func(limit func(size uint64)) { noRoom(t, limit) })
}

func noRoom(t *testing.T, limit func(size uint64)) {
	s := open(t, config(miniotest.Start(t)))
	staging, err := s.Staging()
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB
	sum := sumOf(content)
	limit(fileLimit)
	kept := map[string]int64{}
	n, err := staging.Append(t.Context(), "pieces", 1, 0, bytes.NewReader(content), 16<<20)
	if kept["pieces"] = n; n < fileLimit-1<<20 || n > fileLimit || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a piece: %d, %v", n, err)
	}
	told := 0
	n, done, err := staging.StoreWhole(t.Context(), "whole", 1, sum, int64(len(content)), bytes.NewReader(content), func() error { told++; return nil })
	if kept["whole"] = n; n < fileLimit-1<<20 || n > fileLimit || done || told != 1 || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("a whole photo: %d, %v, %d, %v", n, done, told, err)
	}
	limit(1)
	if n, err := staging.Append(t.Context(), "nothing", 1, 0, bytes.NewReader(content[:1]), 16<<20); n != 1 || err != nil {
		t.Fatalf("one byte: %d, %v", n, err)
	}
	limit(0)
	if n, err := staging.Append(t.Context(), "nothing", 2, 1, bytes.NewReader(content), 16<<20); n != 0 || !field.Is(err, field.CodeStorageFull) {
		t.Fatalf("without any room: %d, %v", n, err)
	}

	limit(1 << 40)
	for _, id := range []string{"pieces", "whole"} {
		n, err := staging.Append(t.Context(), id, 2, kept[id], bytes.NewReader(content[kept[id]:]), 16<<20)
		if err != nil || n != int64(len(content))-kept[id] {
			t.Fatalf("%s, the rest: %d, %v", id, n, err)
		}
		r, err := staging.Open(t.Context(), id, int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %d bytes, %v", id, len(got), err)
		}
	}
	if err := staging.Promote(t.Context(), "pieces", sum, int64(len(content))); err != nil {
		t.Fatal(err)
	}
}
