// Package storagetest gives tests the engines of the program without the program: on this machine alone, and as in
// production where MongoDB and MinIO, or their stand-ins, are found.
package storagetest

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store/mongo"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/store/sqlite"
)

// OnBoth runs a test on SQLite with a directory, and on MongoDB or its stand-in with MinIO. One store of blobs is all of
// them; it locks where the engine can.
func OnBoth(t *testing.T, test func(*testing.T, *storage.Engines)) {
	t.Run("embedded", func(t *testing.T) {
		originals, err := dir.Open(dir.Config{Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		test(t, with(SQLite(t), originals))
	})
	t.Run("production", func(t *testing.T) {
		s := MongoDB(t) // first: where there is none, no MinIO is started for nothing
		s3 := miniotest.Start(t)
		originals, err := minio.Open(t.Context(), minio.Config{
			Endpoint: s3.Endpoint, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Bucket: name(), Locked: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		test(t, with(s, originals))
	})
}

func with(s storage.Store, blobs blob.Store) *storage.Engines {
	return &storage.Engines{Raw: s, Store: s, Originals: blobs, Anchors: blobs, Now: time.Now}
}

func name() string { return fmt.Sprintf("engines-%d-%d", os.Getpid(), time.Now().UnixNano()) }

// SQLite is an empty store of the embedded engine; it ends with the test.
func SQLite(t *testing.T) storage.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // what it keeps goes away with the test
	return s
}

// MongoDB is an empty store of MongoDB or its stand-in; the test is skipped where there is none.
func MongoDB(t *testing.T) storage.Store {
	t.Helper()
	var kinds []field.Kind
	for _, k := range field.Kinds() {
		kinds = append(kinds, k.Kind)
	}
	s, err := mongo.Open(t.Context(), mongo.Options{
		URI: mongotest.Start(t).URI, Database: name(), AllowStandIn: true, Logger: slog.New(slog.DiscardHandler), Kinds: kinds,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // what it keeps goes away with the test
	return s
}
