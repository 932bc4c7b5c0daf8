package tus_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/media/blob/dir"
	"fieldclue/media/intake"
	"fieldclue/media/intake/intaketest"
	"fieldclue/media/receipt"
	"fieldclue/server/api/guard"
	"fieldclue/server/api/tus"
	"fieldclue/server/field"
)

type server struct {
	t      *testing.T
	addr   string
	ledger *intaketest.Ledger
	blobs  *dir.Store
	keys   receipt.Ring
}

func start(t *testing.T) *server {
	t.Helper()
	blobs, err := dir.Open(dir.Config{Root: t.TempDir()})
	must(t, err)
	s := &server{
		t: t, blobs: blobs, ledger: intaketest.NewLedger("u1"),
		keys: receipt.NewRing(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))),
	}
	svc := intake.New(intake.Config{
		Blobs: blobs, Staging: blobs.Staging(), Docs: intaketest.NewDocs(), Ledger: s.ledger, Keys: s.keys.Always(), Now: time.Now,
	})
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true, Immutable: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			if fe, ok := guard.FromServer(err); ok {
				err = fe
			}
			e := field.AsError(err)
			status, ok := tus.Status(e.Code)
			if !ok {
				status = map[field.ErrorKind]int{
					field.ErrorInvalid: 400, field.ErrorNotFound: 404, field.ErrorConflict: 409, field.ErrorUnsupported: 415,
					field.ErrorTooLarge: 413, field.ErrorTimeout: 408, field.ErrorLengthRequired: 411,
				}[e.Kind]
			}
			if fe := (*fiber.Error)(nil); errors.As(err, &fe) && fe.Code == 405 || e.Code == field.CodeMethodNotAllowed {
				status = 405
			}
			if status == 0 {
				status = 500
			}
			return c.Status(status).SendString(string(e.Code))
		},
	})
	tus.Register(app, svc, func(c *fiber.Ctx) intake.Uploader { return intake.Uploader{User: c.Get("User", "u1"), Device: "d1"} })
	guard.Install(app, guard.Config{Rules: []guard.Rule{{Prefix: tus.Path, Max: svc.MaxSize(), Stream: true}}})
	tus.Install(app)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- app.Listener(guard.Listener(ln, time.Second, 0)) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) photo(id string, n int) ([]byte, intake.Request) {
	b := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0}
	for len(b) < n {
		b = append(b, byte(rand.Uint32()))
	}
	return b, s.ledger.Declare(id, b, "image/jpeg")
}

// ask sends one request; headers come in pairs, and an empty value takes a header out.
func (s *server) ask(method, path string, body io.Reader, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, body)
	must(s.t, err)
	req.Header.Set("Tus-Resumable", "1.0.0")
	if body != nil {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	must(s.t, err)
	b, err := io.ReadAll(resp.Body)
	must(s.t, err)
	must(s.t, resp.Body.Close())
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp
}

func metadata(req intake.Request) string {
	e := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return "photoId " + e(req.PhotoID) + ",sha256 " + e(string(req.Sum)) + ", filetype " + e(req.Type) + ",is_draft"
}

func (s *server) create(req intake.Request, body io.Reader, headers ...string) *http.Response {
	s.t.Helper()
	return s.ask("POST", tus.Path, body, append([]string{
		"Upload-Length", strconv.FormatInt(req.Size, 10), "Upload-Metadata", metadata(req),
	}, headers...)...)
}

func (s *server) expect(resp *http.Response, status int, offset int) *http.Response {
	s.t.Helper()
	b, err := io.ReadAll(resp.Body)
	must(s.t, err)
	if resp.StatusCode != status || resp.Header.Get("Tus-Resumable") != "1.0.0" {
		s.t.Fatalf("%d %q %v, want %d", resp.StatusCode, b, resp.Header, status)
	}
	if offset >= 0 && resp.Header.Get("Upload-Offset") != strconv.Itoa(offset) {
		s.t.Fatalf("at %q, want %d", resp.Header.Get("Upload-Offset"), offset)
	}
	return resp
}

func (s *server) receipt(resp *http.Response, b []byte, req intake.Request) {
	s.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(resp.Header.Get(tus.ReceiptHeader))
	must(s.t, err)
	var r receipt.Receipt
	must(s.t, json.Unmarshal(raw, &r))
	must(s.t, s.keys.Keys.Verify(r))
	if r.SHA256 != string(req.Sum) || r.PhotoID != req.PhotoID {
		s.t.Fatalf("%+v", r)
	}
	f, err := s.blobs.Open(s.t.Context(), req.Sum, 0, -1)
	must(s.t, err)
	got, err := io.ReadAll(f)
	must(s.t, err)
	must(s.t, f.Close())
	if !bytes.Equal(got, b) {
		s.t.Fatal("other bytes are stored")
	}
}

func TestOptions(t *testing.T) {
	s := start(t)
	for _, path := range []string{tus.Path, tus.Path + "/x"} {
		resp := s.expect(s.ask("OPTIONS", path, nil, "Tus-Resumable", ""), 204, -1)
		for h, want := range map[string]string{
			"Tus-Version": "1.0.0", "Tus-Extension": "creation,creation-with-upload,checksum,termination,expiration",
			"Tus-Max-Size": "2147483648", "Tus-Checksum-Algorithm": "sha256,sha1",
		} {
			if resp.Header.Get(h) != want {
				t.Errorf("%s: %q", h, resp.Header.Get(h))
			}
		}
	}
}

func TestCreationThenPieces(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 100_000)
	resp := s.expect(s.create(req, nil), 201, 0)
	at := resp.Header.Get("Location")
	if !strings.HasPrefix(at, tus.Path+"/") {
		t.Fatal(at)
	}
	if when, err := http.ParseTime(resp.Header.Get("Upload-Expires")); err != nil || time.Until(when) < 29*24*time.Hour {
		t.Fatal(when, err)
	}
	resp = s.expect(s.ask("PATCH", at, bytes.NewReader(b[:40_000]), "Upload-Offset", "0"), 204, 40_000)
	if resp.Header.Get("Upload-Expires") == "" || resp.Header.Get(tus.ReceiptHeader) != "" {
		t.Fatal(resp.Header)
	}
	resp = s.expect(s.ask("HEAD", at, nil), 200, 40_000)
	if resp.Header.Get("Upload-Length") != "100000" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatal(resp.Header)
	}
	s.receipt(s.expect(s.ask("PATCH", at, bytes.NewReader(b[40_000:]), "Upload-Offset", "40000"), 204, 100_000), b, req)
	s.receipt(s.expect(s.ask("HEAD", at, nil), 200, 100_000), b, req)
	s.receipt(s.expect(s.create(req, nil), 201, 100_000), b, req)
}

func TestCreationWithUpload(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 100_000)
	s.receipt(s.expect(s.create(req, bytes.NewReader(b)), 201, 100_000), b, req)

	b, req = s.photo("in-parts", 100_000)
	resp := s.expect(s.create(req, bytes.NewReader(b[:30_000])), 201, 30_000)
	at := resp.Header.Get("Location")
	// The phone lost its database and begins anew: it is told where the upload stands.
	if again := s.expect(s.create(req, bytes.NewReader(b[:30_000])), 201, 30_000); again.Header.Get("Location") != at {
		t.Fatal(again.Header)
	}
	s.expect(s.create(req, bytes.NewReader(b[:20_000])), 201, 30_000)
	s.expect(s.create(req, bytes.NewReader(b[:40_000])), 201, 40_000)
	s.receipt(s.expect(s.ask("PATCH", at, bytes.NewReader(b[40_000:]), "Upload-Offset", "40000"), 204, 100_000), b, req)
	s.receipt(s.expect(s.create(req, bytes.NewReader(b)), 201, 100_000), b, req)
}

func TestRefusals(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	other := req
	other.Size++
	for _, c := range []struct {
		name   string
		resp   *http.Response
		status int
		code   string
	}{
		{"no version", s.ask("HEAD", at, nil, "Tus-Resumable", ""), 412, ""},
		{"other version", s.ask("PATCH", at, bytes.NewReader(b), "Tus-Resumable", "0.2.2", "Upload-Offset", "0"), 412, "tus_version"},
		{"content type", s.ask("PATCH", at, bytes.NewReader(b), "Content-Type", "image/jpeg", "Upload-Offset", "0"), 415, "unsupported_type"},
		{"no offset", s.ask("PATCH", at, bytes.NewReader(b)), 400, "bad_request"},
		{"negative offset", s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "-1"), 400, "bad_request"},
		{"offset ahead", s.ask("PATCH", at, bytes.NewReader(b[:10]), "Upload-Offset", "10"), 409, "offset_mismatch"},
		{"too much", s.ask("PATCH", at, bytes.NewReader(append(b, 1)), "Upload-Offset", "0"), 400, "size_mismatch"},
		{"unknown", s.ask("PATCH", tus.Path+"/ffff", bytes.NewReader(b), "Upload-Offset", "0"), 404, "upload_unknown"},
		{"unknown head", s.ask("HEAD", tus.Path+"/ffff", nil), 404, ""},
		{"another person's", s.ask("HEAD", at, nil, "User", "u2"), 404, ""},
		{"another person's creation", s.create(req, nil, "User", "u2"), 404, "photo_not_declared"},
		{"no metadata", s.create(req, nil, "Upload-Metadata", ""), 400, "bad_request"},
		{"broken metadata", s.create(req, nil, "Upload-Metadata", "photoId !!"), 400, "bad_request"},
		{"a telephone number for a file name", s.create(req, nil, "Upload-Metadata", metadata(req)+",filename "+base64.StdEncoding.EncodeToString([]byte("张三 138-0013-8000.jpg"))), 400, "identity_in_text"},
		{"metadata twice", s.create(req, nil, "Upload-Metadata", metadata(req)+",photoId eA=="), 400, "bad_request"},
		{"no length", s.create(req, nil, "Upload-Length", ""), 400, "bad_request"},
		{"deferred length", s.create(req, nil, "Upload-Defer-Length", "1"), 400, "bad_request"},
		{"other size", s.create(other, nil), 400, "size_mismatch"},
		{"checksum algorithm", s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "0", "Upload-Checksum", "md5 AAAA"), 400, "bad_request"},
		{"checksum broken", s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "0", "Upload-Checksum", "sha256 !"), 400, "bad_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := io.ReadAll(c.resp.Body)
			must(t, err)
			if string(got) != c.code {
				t.Fatalf("%d %q, want %q", c.resp.StatusCode, got, c.code)
			}
			s.expect(c.resp, c.status, -1)
		})
	}
	s.expect(s.ask("HEAD", at, nil), 200, 0) // nothing moved
}

func TestChecksums(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	big, small := sha256.Sum256(b[:30_000]), sha1.Sum(b[30_000:])
	sum := func(algorithm string, h []byte) string { return algorithm + " " + base64.StdEncoding.EncodeToString(h) }
	s.expect(s.ask("PATCH", at, bytes.NewReader(b[1:30_001]), "Upload-Offset", "0", "Upload-Checksum", sum("sha256", big[:])), 400, -1)
	wrong := append(bytes.Clone(b[:29_999]), ^b[29_999])
	s.expect(s.ask("PATCH", at, bytes.NewReader(wrong), "Upload-Offset", "0", "Upload-Checksum", sum("sha256", big[:])), 460, -1)
	s.expect(s.ask("HEAD", at, nil), 200, 0)
	s.expect(s.ask("PATCH", at, bytes.NewReader(b[:30_000]), "Upload-Offset", "0", "Upload-Checksum", sum("sha256", big[:])), 204, 30_000)
	s.receipt(s.expect(s.ask("PATCH", at, bytes.NewReader(b[30_000:]), "Upload-Offset", "30000", "Upload-Checksum", sum("sha1", small[:])), 204, 50_000), b, req)
}

func TestOtherBytesThanDeclared(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	b[40_000] ^= 1
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	s.expect(s.ask("PATCH", at, bytes.NewReader(b), "Upload-Offset", "0"), 460, -1)
	s.expect(s.ask("HEAD", at, nil), 404, -1)
	if len(s.ledger.Stored) != 0 {
		t.Fatal(s.ledger.Stored)
	}
}

func TestTermination(t *testing.T) {
	s := start(t)
	b, req := s.photo("photo", 50_000)
	at := s.expect(s.create(req, bytes.NewReader(b[:100])), 201, 100).Header.Get("Location")
	s.expect(s.ask("DELETE", at, nil), 204, -1)
	s.expect(s.ask("HEAD", at, nil), 404, -1)
}

// The link breaks at random places by FIN and by RST; every byte that the server has counts.
func TestABadLink(t *testing.T) {
	s := start(t)
	for i := range 10 {
		b, req := s.photo(fmt.Sprint("photo", i), 100_000+rand.IntN(3_000_000))
		at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
		offset := 0
		for offset < len(b) {
			s.breakOff(at, b, offset, rand.IntN(min(len(b)-offset, 600_000)+1), rand.IntN(2) == 0)
			resp := s.ask("HEAD", at, nil)
			next, err := strconv.Atoi(resp.Header.Get("Upload-Offset"))
			must(t, err)
			if next < offset {
				t.Fatalf("fell back from %d to %d", offset, next)
			}
			offset = next
			if rand.IntN(4) == 0 {
				resp = s.ask("PATCH", at, bytes.NewReader(b[offset:]), "Upload-Offset", strconv.Itoa(offset))
				if resp.StatusCode == http.StatusConflict {
					continue // the broken piece was read only now, and moved the offset: ask again, as every client must
				}
				s.expect(resp, 204, len(b))
				offset = len(b)
			}
		}
		s.receipt(s.expect(s.ask("HEAD", at, nil), 200, len(b)), b, req)
	}
}

// A link that ends in the middle of a piece costs nothing of what came before the end. (Of a piece that ends within its
// first 8 KiB nothing is kept: fasthttp reads so much before it calls the handler.)
func TestWhatCameBeforeTheEndStays(t *testing.T) {
	s := start(t)
	b, req := s.photo("cut", 1_000_000)
	at := s.expect(s.create(req, nil), 201, 0).Header.Get("Location")
	offset := 0
	for _, n := range []int{10_000, 100_000, 400_000} {
		s.breakOff(at, b, offset, n, false)
		offset += n
		s.expect(s.ask("HEAD", at, nil), 200, offset)
	}
	resp := s.ask("PATCH", at, bytes.NewReader(b[offset:]), "Upload-Offset", strconv.Itoa(offset))
	s.receipt(s.expect(resp, 204, len(b)), b, req)
}

// breakOff promises the rest of the file, sends n bytes of it, and breaks the link: by a reset, or by an end that waits
// for the answer.
func (s *server) breakOff(path string, b []byte, offset, n int, reset bool) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	defer func() {
		_ = c.Close() // broken on purpose
	}()
	_, err = fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n",
		path, offset, len(b)-offset)
	must(s.t, err)
	_, err = c.Write(b[offset : offset+n])
	must(s.t, err)
	tc, ok := c.(*net.TCPConn)
	if !ok {
		s.t.Fatal("no TCP")
	}
	if reset {
		must(s.t, tc.SetLinger(0))
		return
	}
	must(s.t, tc.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(s.t, err)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		s.t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
