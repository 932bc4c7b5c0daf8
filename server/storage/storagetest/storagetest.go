// Package storagetest gives tests the engines of the program without the program: on this machine alone, and as in
// production where MongoDB and MinIO, or their stand-ins, are found. Every story that is told on both stores is told by
// OnBothStores, or with photos by OnBoth.
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
	"fieldclue/server/storage"
	"fieldclue/server/store/mongo"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/store/sqlite"
)

// OnBoth runs a test on SQLite with a directory, and on MongoDB or its stand-in with MinIO. One store of blobs is all
// of them; it locks where the engine can.
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

// OnBothStores runs a test on an empty SQLite, and on an empty MongoDB or its stand-in.
func OnBothStores(t *testing.T, test func(*testing.T, storage.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("mongo", func(t *testing.T) { test(t, MongoDB(t)) })
}

// SQLite is an empty store of the embedded engine; it ends with the test.
func SQLite(t *testing.T) storage.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ended(t, s)
}

// MongoDB is an empty store of MongoDB or its stand-in; the test is skipped where there is none.
func MongoDB(t *testing.T) storage.Store {
	t.Helper()
	return At(t, mongotest.Start(t).URI)
}

// At is an empty store in a database of its own, on a server that several stores of a test share.
func At(t *testing.T, uri string) storage.Store {
	t.Helper()
	s, err := mongo.Open(t.Context(), mongo.Options{URI: uri, Database: name(), AllowStandIn: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return ended(t, s)
}

// ended closes a store after what the test itself has left for its end.
func ended(t *testing.T, s storage.Store) storage.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}
