package dir_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/blobtest"
	"fieldclue/media/blob/dir"
	"fieldclue/server/field"
)

func open(t *testing.T, root string) *dir.Store {
	t.Helper()
	s, err := dir.Open(dir.Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sumOf(b []byte) blob.Sum {
	h := sha256.Sum256(b)
	return blob.Sum(hex.EncodeToString(h[:]))
}

func TestContract(t *testing.T) {
	root := t.TempDir()
	blobtest.Run(t, func(t *testing.T) blobtest.Pair {
		s, err := dir.Open(dir.Config{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Pair{Store: s, Staging: s.Staging()}
	})
}

func TestFilesAreReadOnlyAndTempIsCleaned(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	sum := sumOf([]byte("abc"))
	for _, b := range []string{"abd", "abc"} {
		_, err := s.PutIfAbsent(t.Context(), sum, 3, bytes.NewReader([]byte(b)))
		if (err == nil) != (b == "abc") {
			t.Fatalf("%s: %v", b, err)
		}
	}
	st, err := os.Stat(filepath.Join(root, "data", string(sum[:2]), string(sum)))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o400 {
		t.Fatalf("mode %v", st.Mode())
	}
	left, err := os.ReadDir(filepath.Join(root, "tmp"))
	if err != nil || len(left) != 0 {
		t.Fatalf("%v %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(root, "tmp", "put-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	written, err := os.Stat(filepath.Join(root, "tmp", "put-123"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CleanTemp(written.ModTime()); err != nil {
		t.Fatal(err)
	}
	if left, err = os.ReadDir(filepath.Join(root, "tmp")); err != nil || len(left) != 1 {
		t.Fatalf("what may still be written was removed: %v %v", left, err)
	}
	if err := s.CleanTemp(written.ModTime().Add(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	left, err = os.ReadDir(filepath.Join(root, "tmp"))
	if err != nil || len(left) != 0 {
		t.Fatalf("%v %v", left, err)
	}
}

// What an earlier server has put a directory deeper is found, held and not put again.
func TestBlobsOfEarlierServers(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	sum := sumOf([]byte("abc"))
	deeper := filepath.Join(root, "data", string(sum[:2]), string(sum[2:4]))
	if err := os.MkdirAll(deeper, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(deeper, string(sum)), []byte("abc"), 0o400); err != nil {
		t.Fatal(err)
	}
	if created, err := s.PutIfAbsent(t.Context(), sum, 3, bytes.NewReader([]byte("abc"))); err != nil || created {
		t.Fatalf("put again: %v, %v", created, err)
	}
	if n, done, err := s.Staging().StoreWhole(t.Context(), "whole", 1, sum, 3, bytes.NewReader([]byte("abc")), func() error { return nil }); err != nil || n != 3 || !done {
		t.Fatalf("uploaded again: %d, %v, %v", n, done, err)
	}
	r, err := s.Open(t.Context(), sum, 1, -1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(got) != "bc" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := s.SetHold(t.Context(), sum, true); err != nil {
		t.Fatal(err)
	}
	held, err := s.Held(t.Context(), sum)
	if err != nil || !held {
		t.Fatalf("held: %v, %v", held, err)
	}
	n := 0
	err = s.Each(t.Context(), func(i blob.Info) error {
		if n++; i.Sum != sum || i.Size != 3 {
			t.Errorf("%+v", i)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Fatalf("%d blobs, %v", n, err)
	}
}

func TestADirectoryThatIsGoneIsDown(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := blobtest.Down(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// A file that lost its bytes does not stand for them: anyone who sends them again mends it.
func TestAnEmptiedFileIsNotTakenForTheBytes(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	b := []byte("evidence")
	sum := sumOf(b)
	path := filepath.Join(root, "data", string(sum[:2]), string(sum))
	for _, left := range []string{"", "evid", "evidence and more"} {
		if _, err := s.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(left), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader([]byte("EVIDENCE"))); !field.Is(err, field.CodeHashMismatch) {
			t.Errorf("other bytes: %v", err)
		}
		created, err := s.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(b))
		if err != nil || !created {
			t.Fatalf("created %v, %v", created, err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q, %v", got, err)
		}
	}
}
