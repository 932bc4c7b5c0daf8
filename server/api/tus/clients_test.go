package tus_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"fieldclue/media/intake"
	"fieldclue/server/api/tus"
)

// chunked hides a length, so that the body goes in chunks.
func chunked(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

// java sends a piece as tus-java-client does (TusUploader.openConnection, 0.5.x): by POST where the platform has no
// PATCH, in chunks always, and never more than requestPayloadSize in one request.
func (s *server) java(at string, b []byte, offset int) *http.Response {
	s.t.Helper()
	return s.ask("POST", at, chunked(b), "X-HTTP-Method-Override", "PATCH", "Upload-Offset", strconv.Itoa(offset))
}

func TestPiecesInChunks(t *testing.T) {
	s := start(t)
	for _, size := range []int{1, 11, 3_000, 100_000, 3_000_000} {
		b, req := s.photo(fmt.Sprint("photo", size), size)
		if size == 1 { // too little to be a photo: the whole story but for its end
			b = b[:1]
			req = s.ledger.Declare(req.PhotoID, b, "image/jpeg")
		}
		at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
		s.expect(s.java(at, nil, 0), 204, 0)
		if size == 1 {
			s.expect(s.java(at, b, 0), 400, -1)
			continue
		}
		step := (len(b) + 2) / 3
		for offset := 0; offset < len(b); offset += step {
			end := min(offset+step, len(b))
			resp := s.expect(s.java(at, b[offset:end], offset), 204, end)
			if end == len(b) {
				s.receipt(resp, b, req)
			}
		}
		s.receipt(s.expect(s.ask("HEAD", at, nil), 200, len(b)), b, req)
		s.receipt(s.expect(s.java(at, nil, len(b)), 204, len(b)), b, req)
	}
}

func TestCreationWithUploadInChunks(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 100_000)
	s.receipt(s.expect(s.create(req, chunked(b)), 201, 100_000), b, req)
	s.receipt(s.expect(s.create(req, chunked(b)), 201, 100_000), b, req)

	b, req = s.photo("in-parts", 100_000)
	at := s.expect(s.create(req, chunked(b[:30_000])), 201, 30_000).Header.Get("Location")
	s.expect(s.create(req, chunked(b[:20_000])), 201, 30_000)
	s.expect(s.create(req, chunked(nil)), 201, 30_000)
	s.expect(s.create(req, chunked(b[:40_000])), 201, 40_000)
	s.receipt(s.expect(s.java(at, b[40_000:], 40_000), 204, 100_000), b, req)
}

// A body of unknown length brings at most what the upload lacks, and a checksum holds for all of it.
func TestWhatChunksMustNotBring(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	refused := func(resp *http.Response, status int, code string) {
		t.Helper()
		got, err := io.ReadAll(resp.Body)
		must(t, err)
		if string(got) != code {
			t.Fatalf("%d %q, want %q", resp.StatusCode, got, code)
		}
		s.expect(resp, status, -1)
		s.expect(s.ask("HEAD", at, nil), 200, 0)
	}
	refused(s.java(at, append(bytes.Clone(b), 1), 0), 400, "size_mismatch")
	refused(s.java(at, bytes.Repeat(b, 40), 0), 400, "size_mismatch")
	refused(s.java(at, b[10:], 10), 409, "offset_mismatch")
	refused(s.java(at, []byte("%PDF-1.7"+strings.Repeat(" ", 49_992)), 0), 400, "not_a_photo")
	refused(s.ask("PATCH", at, chunked(b[:1000]), "Upload-Offset", "0", "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(make([]byte, 32))), 460, "hash_mismatch")
	if len(s.ledger.Stored) != 0 {
		t.Fatal(s.ledger.Stored)
	}
	s.receipt(s.expect(s.java(at, b, 0), 204, 50_000), b, req)
}

// A body in chunks is cut in the middle, between two chunks, and before the last one that says that it was all.
func TestChunksThatBreak(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 100_000)
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	for _, sent := range []struct {
		chunk  int // bytes that its first line says
		bytes  int
		end    string
		offset int // afterwards
	}{{30_000, 20_000, "", 20_000}, {30_000, 30_000, "\r\n", 50_000}, {50_000, 50_000, "\r\n", 100_000}} {
		offset := sent.offset - sent.bytes
		c, err := net.Dial("tcp", s.addr)
		must(t, err)
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: PATCH\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\n"+
			"Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s%s", at, offset, sent.chunk, b[offset:sent.offset], sent.end)
		must(t, err)
		must(t, c.(*net.TCPConn).CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		s.expect(resp, 400, -1)
		must(t, c.Close())
		s.expect(s.ask("HEAD", at, nil), 200, sent.offset)
	}
	s.receipt(s.expect(s.ask("HEAD", at, nil), 200, 100_000), b, req)
}

// The header names the method, whatever method the request itself has; the answer is framed by that one.
func TestMethodOverride(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.ask("PUT", tus.Path, nil, "X-HTTP-Method-Override", "POST", "Upload-Length", "50000", "Upload-Metadata", metadata(req)), 201, 0).Header.Get("Location")
	for range 2 { // on one connection
		s.expect(s.ask("POST", at, nil, "X-HTTP-Method-Override", "HEAD"), 200, 0)
		s.expect(s.ask("HEAD", at, bytes.NewReader(b[:10]), "X-HTTP-Method-Override", "GET"), 405, -1)
	}
	s.expect(s.ask("GET", at, nil, "X-HTTP-Method-Override", "head"), 200, 0)
	s.expect(s.ask("POST", at, nil, "X-HTTP-Method-Override", "OPTIONS", "Tus-Resumable", ""), 204, -1)
	s.expect(s.ask("PATCH", at, bytes.NewReader(b), "X-HTTP-Method-Override", "SING", "Upload-Offset", "0"), 405, -1)
	s.expect(s.ask("HEAD", at, nil), 200, 0)
	s.expect(s.ask("POST", at, bytes.NewReader(b[:30_000]), "X-HTTP-Method-Override", "PATCH", "Upload-Offset", "0"), 204, 30_000)
	s.expect(s.ask("POST", at, nil, "X-HTTP-Method-Override", "DELETE"), 204, -1)
	s.expect(s.ask("HEAD", at, nil), 404, -1)
}

func TestATrailingSlash(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.ask("POST", tus.Path+"/", nil, "Upload-Length", "50000", "Upload-Metadata", metadata(req)), 201, 0).Header.Get("Location")
	s.expect(s.ask("OPTIONS", tus.Path+"/", nil, "Tus-Resumable", ""), 204, -1)
	s.expect(s.ask("PATCH", at+"/", bytes.NewReader(b[:100]), "Upload-Offset", "0"), 204, 100)
	s.expect(s.ask("HEAD", at+"/", nil), 200, 100)
	s.expect(s.ask("DELETE", at+"/", nil), 204, -1)
}

// HEAD gives back what was said at the creation, but for what is not kept; of an upload that is over, what the log
// knows.
func TestMetadataOfAnUpload(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	e := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	said := "filetype " + e("image/jpeg") + ",sha256 " + e(string(req.Sum)) + ",photoId " + e(req.PhotoID)
	is := func(resp *http.Response, want string) {
		t.Helper()
		if got := resp.Header.Get("Upload-Metadata"); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	at := s.expect(s.create(req, nil, "Upload-Metadata", said), 201, 0).Header.Get("Location")
	is(s.expect(s.ask("HEAD", at, nil), 200, 0), said)
	s.expect(s.create(req, nil), 201, 0) // the first says it
	is(s.expect(s.ask("HEAD", at, nil), 200, 0), said)
	s.expect(s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "0"), 204, 50_000)
	is(s.expect(s.ask("HEAD", at, nil), 200, 50_000), "photoId "+e(req.PhotoID)+",sha256 "+e(string(req.Sum))+",filetype "+e("image/jpeg"))

	_, req = s.photo("named", 50_000)
	said = "photoId " + e(req.PhotoID) + ",sha256 " + e(string(req.Sum))
	at = s.expect(s.create(req, nil, "Upload-Metadata", "filename "+e("张三家的屋顶.jpg")+","+said+",is_draft"), 201, 0).Header.Get("Location")
	is(s.expect(s.ask("HEAD", at, nil), 200, 0), said)
}

// Some libraries say image/jpg.
func TestImageJPG(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	as := func(media string) intake.Request {
		other := req
		other.Type = media
		return other
	}
	s.expect(s.create(as("image/png"), nil), 400, -1)
	at := s.expect(s.create(as("image/jpg"), nil), 201, 0).Header.Get("Location")
	resp := s.expect(s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "0"), 204, 50_000)
	s.receipt(resp, b, req)
}
