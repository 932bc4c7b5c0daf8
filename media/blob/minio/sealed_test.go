package minio_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	mc "github.com/minio/minio-go/v7"

	"fieldclue/media/blob"
	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
)

// sealing is a store that gives addresses for phones.
func sealing(t *testing.T) (miniotest.Config, *minio.Store, *minio.Staging) {
	t.Helper()
	srv := miniotest.Start(t)
	cfg := config(srv)
	cfg.PublicURL = "http://" + srv.Endpoint
	s := open(t, cfg)
	staging, err := s.Staging()
	if err != nil {
		t.Fatal(err)
	}
	return srv, s, staging
}

// put sends bytes to a sealed address with its headers, as changed, and gives the status and the server's code.
func put(t *testing.T, at blob.SealedPut, b []byte, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, at.URL, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range at.Header {
		if name != "Content-Length" {
			req.Header.Set(name, value)
		}
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // read to its end
	_, code, _ := strings.Cut(string(answer), "<Code>")
	code, _, _ = strings.Cut(code, "</Code>")
	return resp.StatusCode, code
}

func TestASealedAddressTakesItsBytesOnceAndNothingElse(t *testing.T) {
	srv, s, staging := sealing(t)
	good := bytes.Repeat([]byte("evidence "), 20_000)
	sum, size := sumOf(good), int64(len(good))
	other := bytes.Clone(good)
	other[77] ^= 1
	at, err := staging.Seal(t.Context(), "one", sum, size, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := staging.Seal(t.Context(), "two", sum, size, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	without := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	query := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Set(name, value)
			r.URL.RawQuery = q.Encode()
		}
	}
	raw := sumOf(other)
	b, err := rawOf(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		bytes  []byte
		change func(*http.Request)
		status int
		code   string
	}{
		{"other bytes of the same length", other, nil, 400, "XAmzContentChecksumMismatch"},
		{"a byte too few", good[:len(good)-1], nil, 403, "SignatureDoesNotMatch"},
		{"a byte too many", append(bytes.Clone(good), 'x'), nil, 403, "SignatureDoesNotMatch"},
		{"no bytes", nil, nil, 403, "SignatureDoesNotMatch"},
		{"in chunks, without a length", good, func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(bytes.NewReader(good))
		}, 0, ""},
		{"the hash of the other bytes", other, header("X-Amz-Checksum-Sha256", b), 403, "SignatureDoesNotMatch"},
		{"no hash", good, without("X-Amz-Checksum-Sha256"), 400, "AccessDenied"},
		{"another condition", good, header("If-None-Match", `"etag"`), 403, "SignatureDoesNotMatch"},
		{"no condition", good, without("If-None-Match"), 400, "AccessDenied"},
		{"a longer life", good, query("X-Amz-Expires", "86400"), 403, "SignatureDoesNotMatch"},
		{"fewer signed headers", good, query("X-Amz-SignedHeaders", "host"), 403, "SignatureDoesNotMatch"},
		{"another upload's place", good, func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "one", "three", 1) }, 403, "SignatureDoesNotMatch"},
		{"the bucket of the originals", good, func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "/staging/", "/originals/", 1) }, 403, "SignatureDoesNotMatch"},
		{"no signature", good, func(r *http.Request) { r.URL.RawQuery = "" }, 403, "AccessDenied"},
		{"to read instead", nil, func(r *http.Request) { r.Method = http.MethodGet }, 403, "SignatureDoesNotMatch"},
		{"to remove instead", nil, func(r *http.Request) { r.Method = http.MethodDelete }, 403, "SignatureDoesNotMatch"},
	} {
		status, code := put(t, at, c.bytes, c.change)
		if c.status != 0 && (status != c.status || code != c.code) || status < 300 {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
		}
		if err := staging.CheckSealed(t.Context(), "one", sum, size); !field.Is(err, field.CodeNotFound) {
			t.Fatalf("%s: after it the check says %v", c.name, err)
		}
	}
	if status, code := put(t, at, good, nil); status != 200 {
		t.Fatalf("the right bytes: %d %s", status, code)
	}
	if err := staging.CheckSealed(t.Context(), "one", sum, size); err != nil {
		t.Fatal(err)
	}
	if status, code := put(t, at, good, nil); status != 412 {
		t.Errorf("a second time: %d %s", status, code)
	}
	for what, want := range map[string]struct {
		sum  blob.Sum
		size int64
		code field.Code
	}{
		"another hash": {raw, size, field.CodeHashMismatch}, "another size": {sum, size - 1, field.CodeSizeMismatch},
	} {
		if err := staging.CheckSealed(t.Context(), "one", want.sum, want.size); !field.Is(err, want.code) {
			t.Errorf("read back with %s: %v", what, err)
		}
	}
	head, err := staging.OpenSealed(t.Context(), "one", 8)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(head); err != nil || string(b) != "evidence" {
		t.Errorf("%q %v", b, err)
	}
	_ = head.Close() // only read
	if err := staging.PromoteSealed(t.Context(), "one", raw, size); !field.Is(err, field.CodeHashMismatch) {
		t.Errorf("promoted under another hash: %v", err)
	}
	for range 2 {
		if err := staging.PromoteSealed(t.Context(), "one", sum, size); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := s.Stat(t.Context(), sum); err != nil || info.Size != size {
		t.Fatalf("%+v %v", info, err)
	}
	if err := staging.ShutSealed(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if status, code := put(t, at, good, nil); status != 412 {
		t.Errorf("after it was shut: %d %s", status, code)
	}
	if err := staging.CheckSealed(t.Context(), "one", sum, size); !field.Is(err, field.CodeNotFound) {
		t.Errorf("shut, the check says %v", err)
	}
	if status, code := put(t, elsewhere, good, nil); status != 200 {
		t.Errorf("the other address: %d %s", status, code)
	}
	for range 2 {
		for _, id := range []string{"one", "two"} {
			if err := staging.RemoveSealed(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for o := range client(t, srv).ListObjects(t.Context(), "staging", mc.ListObjectsOptions{Recursive: true}) {
		t.Errorf("%s is left (%v)", o.Key, o.Err)
	}
	versions := 0
	for o := range client(t, srv).ListObjects(t.Context(), "originals", mc.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if versions++; o.Err != nil || o.Size != size || o.IsDeleteMarker {
			t.Errorf("%+v", o)
		}
	}
	if versions != 1 {
		t.Errorf("the original has %d versions", versions)
	}
}

func TestASealedAddressExpires(t *testing.T) {
	_, _, staging := sealing(t)
	b := []byte("evidence")
	at, err := staging.Seal(t.Context(), "one", sumOf(b), int64(len(b)), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := time.Parse("20060102T150405Z", u.Query().Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	life, err := strconv.Atoi(u.Query().Get("X-Amz-Expires"))
	if err != nil || life != 1 {
		t.Fatalf("%d s %v", life, err)
	}
	end := time.NewTimer(time.Until(begun.Add(2 * time.Second))) // its end, and the second that is cut off
	<-end.C
	if status, code := put(t, at, b, nil); status != 403 || code != "AccessDenied" {
		t.Errorf("%d %s", status, code)
	}
	if err := staging.CheckSealed(t.Context(), "one", sumOf(b), int64(len(b))); !field.Is(err, field.CodeNotFound) {
		t.Error(err)
	}
}

// A put whose link is gone hangs at the server, which holds the name locked. Anyone who asks what came, and tus that
// takes the upload over, must not wait for it.
func TestAHangingPutKeepsNobodyWaiting(t *testing.T) {
	_, s, staging := sealing(t)
	b := bytes.Repeat([]byte("evidence"), 4<<20) // more than what fits into the buffers between
	sum, size := sumOf(b), int64(len(b))
	at, err := staging.Seal(t.Context(), "one", sum, size, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{}) // the server has answered, or hung up
	go func() {
		defer close(over)
		_, _ = conn.Read(make([]byte, 1)) // whatever comes
	}()
	request := "PUT " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n"
	for name, value := range at.Header {
		request += name + ": " + value + "\r\n"
	}
	if _, err := conn.Write(append([]byte(request+"\r\n"), b[:len(b)-1]...)); err != nil {
		t.Fatal(err)
	}
	// Anyone who waits for the lock waits for half a minute, and gets the same answer then.
	soon, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := staging.CheckSealed(soon, "one", sum, size); !field.Is(err, field.CodeNotFound) {
		t.Errorf("the check says %v", err)
	}
	if _, err := staging.Append(t.Context(), "one", 1, 0, bytes.NewReader(b), size); err != nil {
		t.Error(err)
	}
	if err := staging.Promote(t.Context(), "one", sum, size); err != nil {
		t.Error(err)
	}
	select {
	case <-over:
		t.Error("all this came only after the put had ended")
	default:
	}
	if _, err := s.Stat(t.Context(), sum); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	<-over
	if err := staging.CheckSealed(t.Context(), "one", sum, size); !field.Is(err, field.CodeNotFound) {
		t.Errorf("the cut put left something: %v", err)
	}
}

func TestNoAddressesWithoutAPlaceForPhones(t *testing.T) {
	srv := miniotest.Start(t)
	staging, err := open(t, config(srv)).Staging()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staging.Seal(t.Context(), "one", sumOf(nil), 1, time.Minute); !field.Is(err, field.CodeSealedPutOff) {
		t.Error(err)
	}
}

func rawOf(sum blob.Sum) (string, error) {
	raw, err := hex.DecodeString(string(sum))
	return base64.StdEncoding.EncodeToString(raw), err
}
