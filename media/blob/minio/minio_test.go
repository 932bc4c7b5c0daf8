package minio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	mc "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"fieldclue/media/blob"
	"fieldclue/media/blob/blobtest"
	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
)

func TestContract(t *testing.T) {
	srv := miniotest.Start(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Pair {
		s := open(t, config(srv))
		staging, err := s.Staging()
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Pair{Store: s, Staging: staging}
	})
}

func TestKilledAndRestartedInTheMiddle(t *testing.T) {
	srv := miniotest.StartServer(t)
	blobtest.RunKilled(t, func(t *testing.T) blobtest.Pair {
		s := open(t, config(srv.Config))
		staging, err := s.Staging()
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Pair{Store: s, Staging: staging}
	}, srv)
}

func TestRetentionKeepsTheOnlyVersion(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := config(srv)
	cfg.Retention, cfg.RetainDays = "COMPLIANCE", 1
	s := open(t, cfg)
	b := []byte("evidence")
	sum := sumOf(b)
	for range 2 {
		if _, err := s.PutIfAbsent(t.Context(), sum, int64(len(b)), bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	raw := client(t, srv)
	name := string(sum[:2]) + "/" + string(sum[2:4]) + "/" + string(sum)
	versions := 0
	for o := range raw.ListObjects(t.Context(), cfg.Bucket, mc.ListObjectsOptions{Prefix: name, Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		versions++
		if err := raw.RemoveObject(t.Context(), cfg.Bucket, name, mc.RemoveObjectOptions{VersionID: o.VersionID}); err == nil {
			t.Fatal("the administrator of the store could erase a blob under retention")
		}
	}
	if versions != 1 {
		t.Fatalf("%d versions", versions)
	}
}

func TestABucketWithoutLockIsRefusedForOriginals(t *testing.T) {
	srv := miniotest.Start(t)
	if err := client(t, srv).MakeBucket(t.Context(), "plain", mc.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	cfg := config(srv)
	cfg.Bucket = "plain"
	if _, err := minio.Open(t.Context(), cfg); !field.Is(err, field.CodeBadRequest) {
		t.Fatalf("got %v", err)
	}
}

func TestRenditionsShareABucketByPrefix(t *testing.T) {
	srv := miniotest.Start(t)
	a := open(t, minio.Config{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: "small", Prefix: "a/"})
	b := open(t, minio.Config{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: "small", Prefix: "b/"})
	sum := sumOf([]byte("x"))
	if _, err := a.PutIfAbsent(t.Context(), sum, 1, bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), sum); !field.Is(err, field.CodeNotFound) {
		t.Fatalf("got %v", err)
	}
	if err := a.SetHold(t.Context(), sum, true); !field.Is(err, field.CodeBadRequest) {
		t.Fatalf("got %v", err)
	}
	if _, err := a.Staging(); !field.Is(err, field.CodeBadRequest) {
		t.Fatalf("got %v", err)
	}
}

func TestAStoppedServerIsDown(t *testing.T) {
	srv, stop, err := miniotest.Launch(t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	s, err := minio.Open(t.Context(), config(srv))
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if err := blobtest.Down(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := minio.Open(t.Context(), config(srv)); !field.Is(err, field.CodeStoreDown) {
		t.Fatalf("got %v", err)
	}
}

func config(srv miniotest.Config) minio.Config {
	return minio.Config{
		Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Bucket: "originals", Locked: true, StagingBucket: "staging",
	}
}

func open(t *testing.T, cfg minio.Config) *minio.Store {
	t.Helper()
	s, err := minio.Open(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func client(t *testing.T, srv miniotest.Config) *mc.Client {
	t.Helper()
	c, err := mc.New(srv.Endpoint, &mc.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sumOf(b []byte) blob.Sum {
	h := sha256.Sum256(b)
	return blob.Sum(hex.EncodeToString(h[:]))
}
