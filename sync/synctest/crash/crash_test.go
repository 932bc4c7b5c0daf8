package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/blob/miniotest"
)

// long asks for the form that CI runs; the short one is for a person who waits.
var long = os.Getenv("FIELDCLUE_TEST_LONG") != ""

// binaries is the folder of the program that is killed.
var binaries string

// server is that program, built once for all tests.
var server = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "fieldclue")
	return path, buildProgram(context.Background(), path)
})

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "fieldclue-crash"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries) // else the system does it some day
	os.Exit(code)
}

func built(t *testing.T) string {
	t.Helper()
	path, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A few kills of each kind, so that the soak itself is known to work.
func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server and kills it; skipped with -short")
	}
	var out bytes.Buffer
	kills := 2
	if long {
		kills = 6
	}
	o := options{program: built(t), kills: kills, seed: 2, pushers: 4, phones: 1, dir: t.TempDir(), load: 150 * time.Millisecond, full: 3, say: time.Hour, out: &out}
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "nothing acknowledged is missing, changed, or there twice") {
		t.Error(out.String())
	}
	t.Log(out.String())
}

// A few files through a proxy that cuts every connection, so that the soak of uploads is known to work, too.
func TestUploadsOutliveCutsAndKills(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server and kills it; skipped with -short")
	}
	program := built(t)
	ways := map[string]options{
		"directory": {kills: 2, blobs: "dir", uploads: 6},
		"MinIO":     {kills: 1, blobs: "minio", blobKills: 1, uploads: 6},
	}
	if long {
		ways = map[string]options{
			"directory": {kills: 4, blobs: "dir", uploads: 12},
			"MinIO":     {kills: 2, blobs: "minio", blobKills: 2, uploads: 12},
		}
	}
	for name, o := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.blobs == "minio" {
				o.minio = miniotest.StartServer(t)
			}
			var out bytes.Buffer
			o.seed, o.dir, o.program, o.say, o.out = 3, t.TempDir(), program, time.Hour, &out
			o.largest = 4_000_000
			if err := run(t.Context(), o); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if !strings.Contains(out.String(), "wrong bytes: 0, missing: 0, twice: 0") {
				t.Error(out.String())
			}
			t.Log(out.String())
		})
	}
}

// A check that cannot fail is worth nothing: whatever is wrong in the blob store is named.
func TestAnAuditOfUploadsFindsWhatIsWrong(t *testing.T) {
	root := t.TempDir()
	store, err := dir.Open(dir.Config{Root: filepath.Join(root, "photos")})
	if err != nil {
		t.Fatal(err)
	}
	u := &uploads{server: &program{data: root}, sent: map[blob.Sum]int64{}}
	for _, text := range []string{"one photo", "and another"} {
		sum, size, _ := digestOf(strings.NewReader(text))
		if _, err := store.PutIfAbsent(t.Context(), blob.Sum(sum), size, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		u.sent[blob.Sum(sum)] = size
	}
	audit := func() error { return errors.Join(u.stored(t.Context()), u.nothingStaged(t.Context(), 0)) }
	if err := audit(); err != nil {
		t.Fatal(err)
	}
	sum, size, _ := digestOf(strings.NewReader("one photo"))
	at := filepath.Join(root, "photos", "data", sum[:2], sum)
	write := func(name, text string) func() error {
		return func() error {
			_ = os.Remove(name) // a blob can only be read
			return os.WriteFile(name, []byte(text), 0o600)
		}
	}
	for _, harm := range []struct {
		says     string
		do, undo func() error
	}{
		{"WRONG BYTES: the store holds 9 bytes", write(at, "One photo"), write(at, "one photo")},
		{"WRONG BYTES: the store holds 3 bytes", write(at, "one"), write(at, "one photo")},
		{"MISSING", func() error { return os.Remove(at) }, write(at, "one photo")},
		{
			"that nobody sent",
			func() error { delete(u.sent, blob.Sum(sum)); return nil },
			func() error { u.sent[blob.Sum(sum)] = size; return nil },
		},
		{
			"LEFT OVER: 1 pieces",
			write(filepath.Join(root, "photos", "staging", "0-1"), "x"),
			func() error { return os.Remove(filepath.Join(root, "photos", "staging", "0-1")) },
		},
	} {
		if err := harm.do(); err != nil {
			t.Fatal(err)
		}
		if err := audit(); err == nil || !strings.Contains(err.Error(), harm.says) {
			t.Errorf("got %v, want %q", err, harm.says)
		}
		if err := harm.undo(); err != nil {
			t.Fatal(err)
		}
	}
	if err := audit(); err != nil {
		t.Fatal(err)
	}
}
