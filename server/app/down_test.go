package app_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/media/blob/miniotest"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/store/mongotest"
)

// MinIO is killed in the middle of an upload: phones are told to come again, what was received stays, and goes on when
// MinIO is back. Records are read and written meanwhile.
func TestThePhotoStoreIsDown(t *testing.T) {
	s3 := miniotest.StartServer(t)
	cfg := configured(t, t.TempDir())
	cfg.S3 = config.S3{Endpoint: s3.Endpoint, AccessKey: config.Secret(s3.AccessKey), SecretKey: config.Secret(s3.SecretKey), Bucket: "down"}
	o := open(t, cfg)
	const size = 3 << 20
	begun, whole, old := noise(size, 3), noise(size, 7), noise(50<<10, 11)
	photo, sum := o.declare(begun, "image/jpeg")
	one, oneSum := o.declare(whole, "image/jpeg")
	stored, storedSum := o.declare(old, "image/jpeg")
	if _, _, rec := o.upload(o.ann, stored, storedSum, old); rec == nil {
		t.Fatal("no receipt")
	}
	upload := o.create(photo, sum, size)
	if status, _, answer := o.piece(upload, 0, begun[:1<<20]); status != 204 {
		t.Fatalf("the first piece: %d %s", status, answer)
	}

	s3.Kill()
	status, head, answer := o.piece(upload, 1<<20, begun[1<<20:])
	later(t, "the rest", status, head, answer, 503, field.CodeStoreDown)
	if at := o.offset(upload); at != 1<<20 {
		t.Errorf("the upload stands at %d", at)
	}
	status, head, answer = o.ask("POST", "/v1/uploads", o.ann, whole, o.tus(one, oneSum, size)...)
	later(t, "a whole photo", status, head, answer, 503, field.CodeStoreDown)
	status, head, answer = o.ask("GET", "/v1/photos/"+string(stored)+"/original", o.desk, nil)
	later(t, "looking at a photo", status, head, answer, 503, field.CodeStoreDown)
	if status, _, answer := o.ask("GET", "/readyz", "", nil); status != 503 || !strings.Contains(string(answer), `"blobs":"store_down"`) || !strings.Contains(string(answer), `"store":"ok"`) {
		t.Errorf("ready: %d %s", status, answer)
	}
	third, thirdSum := o.declare(noise(1000, 13), "image/jpeg")

	if err := s3.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.arrives(upload, photo, sum, begun)
	if _, _, rec := o.upload(o.ann, one, oneSum, whole); rec == nil {
		t.Error("the whole photo, again")
	}
	if _, _, rec := o.upload(o.ann, third, thirdSum, noise(1000, 13)); rec == nil {
		t.Error("what was declared meanwhile")
	}
	if _, _, b := o.ask("GET", "/v1/photos/"+string(stored)+"/original", o.desk, nil); !bytes.Equal(b, old) {
		t.Error("what was stored before is another")
	}
	sound(t, o.a, 4)
}

// tus is the head of a creation that brings bytes along.
func (o *office) tus(photo field.RecordID, sum string, size int) []string {
	return []string{
		"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream",
		"Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata(photo, sum),
	}
}

// The store of records is stopped: everything that needs it is answered 503, nothing is half done, and the same push
// and the same upload go on when it is back.
func TestTheStoreOfRecordsIsDown(t *testing.T) {
	t.Run("on the stand-in", func(t *testing.T) {
		if os.Getenv("FIELDCLUE_TEST_MONGODB_URI") != "" {
			t.Skip("the server that is named is not ours to stop")
		}
		dir := t.TempDir()
		server, stopStore := launch(t, dir)
		if server.Engine != "ferretdb" {
			stopStore()
			t.Skip("a replica set does not answer under another address")
		}
		r := relayTo(t, server.URI)
		cfg := configured(t, t.TempDir())
		cfg.MongoDB = config.MongoDB{URI: config.Secret("mongodb://" + r.address + "/"), Database: "down", AllowStandIn: true}
		o := open(t, cfg)
		content := noise(300<<10, 3)
		photo, sum := o.declare(content, "image/jpeg")
		upload := o.create(photo, sum, len(content))
		if status, _, answer := o.piece(upload, 0, content[:100<<10]); status != 204 {
			t.Fatalf("the first piece: %d %s", status, answer)
		}

		stopStore()
		r.cut()
		o.batch++
		var asked sync.WaitGroup // each waits for the driver to give up
		for what, send := range map[string]func() (int, http.Header, []byte){
			"a push":   func() (int, http.Header, []byte) { return o.note(o.batch) },
			"a piece":  func() (int, http.Header, []byte) { return o.piece(upload, 100<<10, content[100<<10:]) },
			"a record": func() (int, http.Header, []byte) { return o.ask("GET", "/v1/records/"+string(photo), o.ann, nil) },
			"a photo": func() (int, http.Header, []byte) {
				return o.ask("POST", "/v1/uploads", o.ann, content, o.tus(photo, sum, len(content))...)
			},
			"reading":      func() (int, http.Header, []byte) { return o.ask("GET", "/v1/inbox", o.desk, nil) },
			"an old token": func() (int, http.Header, []byte) { return o.ask("GET", "/v1/orgs", o.far, nil) },
		} {
			asked.Go(func() {
				status, head, answer := send()
				if status != 503 || head.Get("Retry-After") == "" {
					t.Errorf("%s: %d, Retry-After %q, %s", what, status, head.Get("Retry-After"), answer)
				}
			})
		}
		asked.Wait()
		if status, _, answer := o.ask("GET", "/readyz", "", nil); status != 503 || !strings.Contains(string(answer), `"blobs":"ok"`) {
			t.Errorf("ready: %d %s", status, answer)
		}

		again, stopAgain := launch(t, dir)
		t.Cleanup(stopAgain)
		r.to(again.URI)
		o.until("the server finds its store again", func() bool {
			status, _, _ := o.ask("GET", "/readyz", "", nil)
			return status == 200
		})
		if status, _, answer := o.note(o.batch); status != 200 || !strings.Contains(string(answer), `"applied"`) {
			t.Errorf("the same push: %d %s", status, answer)
		}
		if at := o.offset(upload); at < 100<<10 {
			t.Errorf("the upload stands at %d", at)
		}
		o.arrives(upload, photo, sum, content)
		sound(t, o.a, 1)
	})
}

func launch(t *testing.T, dir string) (mongotest.Server, func()) {
	t.Helper()
	server, stop, err := mongotest.Launch(dir)
	switch {
	case errors.Is(err, mongotest.ErrNone) && os.Getenv("FIELDCLUE_REQUIRE_ENGINES") != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return server, stop
}

// relay keeps one address for a server that comes back on another.
type relay struct {
	address string

	mu     sync.Mutex // guards what follows
	target string     // empty: the server is down
	conns  map[net.Conn]bool
}

func relayTo(t *testing.T, uri string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: ln.Addr().String(), conns: map[net.Conn]bool{}}
	r.to(uri)
	t.Cleanup(func() {
		_ = ln.Close() // nobody comes any more
		r.cut()
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *relay) to(uri string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = strings.TrimSuffix(strings.TrimPrefix(uri, "mongodb://"), "/")
}

// cut ends all connections, and new ones at once.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = ""
	for c := range r.conns {
		_ = c.Close() // the other side may have closed it
	}
	clear(r.conns)
}

func (r *relay) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // it is over
	r.mu.Lock()
	target := r.target
	r.conns[c] = true
	r.mu.Unlock()
	if target == "" {
		return
	}
	server, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, c) // its end is all that counts
		_ = server.Close()
	}()
	_, _ = io.Copy(c, server)
}
