package guard_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/api/guard"
	"fieldclue/server/field"
)

// The handlers note what they saw, so that a test can say that a cut body never looked whole.
type server struct {
	addr string
	sent chan struct{} // closed by a test when /up/late has been sent its bytes
	mu   sync.Mutex
	saw  []string

	underWay func() (uploads, bodies int, memory int64)
}

func (s *server) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saw = append(s.saw, fmt.Sprintf(format, args...))
}

func (s *server) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.saw, "; ")
}

func start(t *testing.T, change func(*guard.Config)) *server {
	t.Helper()
	s := &server{sent: make(chan struct{})}
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			if fe, ok := guard.FromServer(err); ok {
				err = fe
			}
			if errors.Is(err, fiber.ErrNotFound) || strings.HasPrefix(err.Error(), "Cannot POST") {
				return c.SendStatus(404)
			}
			e := field.AsError(err)
			status := map[field.Code]int{
				field.CodeLengthRequired: 411, field.CodeBodyTooLarge: 413, field.CodeBodySlow: 408, field.CodeBodyTruncated: 400,
				field.CodeBadRequest: 400, field.CodeUnsupportedType: 415, field.CodeUploadReplaced: 409,
				field.CodeBodyTooMany: 429, field.CodeBodyBusy: 503, field.CodeTokenMissing: 401,
			}[e.Code]
			if status == 0 {
				status = 500
			}
			s.note("refused %s", e.Code)
			return c.Status(status).SendString(string(e.Code))
		},
	})
	cfg := guard.Config{
		Rules:  []guard.Rule{{Prefix: "/up", Max: 1 << 30, Stream: true}, {Prefix: "/big", Max: 1 << 20}},
		Header: 2 * time.Second, Idle: 2 * time.Second,
		Silence: 2 * time.Second, Window: 10 * time.Second, WindowMin: 1, Drain: 20 * time.Millisecond,
		Default: guard.Rule{Max: 10_000},
	}
	if change != nil {
		change(&cfg)
	}
	app.Post("/json", func(c *fiber.Ctx) error {
		s.note("json %d", len(c.Body()))
		return c.Send(c.Body())
	})
	app.Post("/big", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Body()))) })
	app.Post("/up/lazy", func(c *fiber.Ctx) error {
		s.note("lazy")
		return c.SendString("did not look")
	})
	up := func(c *fiber.Ctx) error {
		r, length := guard.Body(c)
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			s.note("up %d of %d: %s", n, length, field.AsError(err).Code)
			return err
		}
		s.note("up %d whole", n)
		return c.SendString(fmt.Sprint(n))
	}
	app.Post("/up", up)
	app.Post("/up/begin", func(c *fiber.Ctx) error {
		s.note("began")
		return up(c)
	})
	app.Post("/up/interrupt", func(c *fiber.Ctx) error {
		r, _ := guard.Body(c)
		stopper, ok := r.(interface{ Interrupt() })
		if !ok {
			return errors.New("no Interrupt")
		}
		go stopper.Interrupt()
		_, err := io.Copy(io.Discard, r)
		return err
	})
	app.Post("/up/late", func(c *fiber.Ctx) error {
		r, _ := guard.Body(c)
		stopper, ok := r.(interface{ Interrupt() })
		if !ok {
			return errors.New("no Interrupt")
		}
		<-s.sent
		stopper.Interrupt()
		n, err := io.Copy(io.Discard, r)
		s.note("late %d", n)
		return err
	})
	s.underWay = guard.Install(app, cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- app.Listener(guard.Listener(ln, time.Second, 0)) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

type link struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

func (s *server) dial(t *testing.T) *link {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	tc := c.(*net.TCPConn)
	t.Cleanup(func() { _ = tc.Close() }) // the test may have closed it
	if err := tc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &link{t, tc, bufio.NewReader(tc)}
}

func (l *link) send(parts ...string) {
	l.t.Helper()
	if _, err := l.Write([]byte(strings.Join(parts, ""))); err != nil {
		l.t.Fatal(err)
	}
}

// answer reads one response and checks its status and, when want is not empty, its text.
func (l *link) answer(status int, want string) *http.Response {
	l.t.Helper()
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if resp.StatusCode != status || (want != "" && string(b) != want) {
		l.t.Fatalf("answer %d %q, want %d %q", resp.StatusCode, b, status, want)
	}
	return resp
}

// status reads one response and gives its status.
func (l *link) status() int {
	l.t.Helper()
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode
}

// over checks that the server says nothing more and closes.
func (l *link) over() {
	l.t.Helper()
	if b, err := io.ReadAll(l.r); len(b) > 0 || (err != nil && !strings.Contains(err.Error(), "reset")) {
		l.t.Fatalf("after the end came %q, %v", b, err)
	}
}

func head(path string, length int, more ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n", path, length, strings.Join(more, ""))
}

func TestCutByFIN(t *testing.T) {
	for _, sent := range []int{0, 1, 100, 8191, 8192, 8193, 20_000, 99_999} {
		s := start(t, func(c *guard.Config) { c.Default.Max = 1 << 20 })
		for _, path := range []string{"/up", "/json"} {
			l := s.dial(t)
			l.send(head(path, 100_000), strings.Repeat("x", sent))
			if err := l.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			l.answer(400, "body_truncated")
			l.over()
		}
		if saw := s.seen(); strings.Contains(saw, "whole") || strings.Contains(saw, "json") {
			t.Fatalf("%d bytes of 100000: %s", sent, saw)
		}
	}
}

func TestCutByRST(t *testing.T) {
	s := start(t, func(c *guard.Config) { c.Default.Max = 1 << 20 })
	for _, path := range []string{"/up", "/json"} {
		for _, sent := range []int{10, 8192, 50_000} {
			l := s.dial(t)
			l.send(head(path, 100_000), strings.Repeat("x", sent))
			if err := l.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The six refusals come in their own time; a request that is answered after them proves the server alive.
	for tries := 0; strings.Count(s.seen(), "refused body_truncated") < 6 && tries < 1000; tries++ {
		l := s.dial(t)
		l.send(head("/up/lazy", 0))
		l.answer(200, "did not look")
	}
	saw := s.seen()
	if strings.Contains(saw, "whole") || strings.Contains(saw, "json") || strings.Count(saw, "refused body_truncated") < 6 {
		t.Fatal(saw)
	}
}

func TestSilence(t *testing.T) {
	s := start(t, func(c *guard.Config) {
		c.Silence, c.Header = 150*time.Millisecond, 200*time.Millisecond
	})
	for _, sent := range []int{5, 9_000} { // within what the server reads by itself, and beyond
		l := s.dial(t)
		l.send(head("/up", 100_000), strings.Repeat("x", sent))
		l.answer(408, "body_slow")
		l.over()
	}
	l := s.dial(t)
	l.send(head("/json", 9_900), strings.Repeat("x", 9_000))
	l.answer(408, "body_slow")
	l.over()
}

func TestSlowButSteadyIsFine(t *testing.T) {
	s := start(t, func(c *guard.Config) {
		c.Silence, c.Header, c.Window, c.WindowMin = 300*time.Millisecond, 300*time.Millisecond, 100*time.Millisecond, 100
	})
	l := s.dial(t)
	l.send(head("/up", 8192+20*1000), strings.Repeat("x", 8192))
	tick := time.NewTicker(30 * time.Millisecond) // the whole lasts longer than any single limit
	defer tick.Stop()
	for range 20 {
		<-tick.C
		l.send(strings.Repeat("y", 1000))
	}
	l.answer(200, "28192")
}

func TestSlowDrip(t *testing.T) {
	s := start(t, func(c *guard.Config) {
		c.Silence, c.Window, c.WindowMin = 5*time.Second, 200*time.Millisecond, 1000
	})
	l := s.dial(t)
	l.send(head("/up", 100_000), strings.Repeat("x", 8192))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := l.Write([]byte("y")); err != nil {
					return
				}
			}
		}
	}()
	l.answer(408, "body_slow")
}

// A body of unknown length is taken where it is streamed. Where two ways to find its end would stand beside each other,
// or an encoding that is not spoken here, it is refused and the connection ends: the rest might be read as a request.
func TestChunkedIsRefused(t *testing.T) {
	s := start(t, nil)
	for _, tt := range []struct {
		version, header string
		stream          bool // what a streamed route says: 400
	}{
		{"1.1", "Transfer-Encoding: chunked\r\n", true},
		{"1.1", "Transfer-Encoding: identity\r\nContent-Length: 4\r\n", false},
		{"1.1", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", false},
		{"1.1", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", false},
		{"1.1", "Transfer-Encoding: gzip, chunked\r\n", false},
		{"1.1", "Transfer-Encoding: chunked, chunked\r\n", false},
		{"1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", false},
		{"1.1", "Transfer-Encoding: xchunked\r\n", false},
		{"1.1", "Transfer-Encoding:\r\n chunked\r\n", false},
		{"1.0", "Transfer-Encoding: chunked\r\n", false},
	} {
		request := func(path string) *link {
			l := s.dial(t)
			l.send("POST ", path, " HTTP/", tt.version, "\r\nHost: x\r\n", tt.header, "\r\n4\r\nabcd\r\n0\r\n\r\n")
			return l
		}
		l := request("/json")
		l.answer(411, "length_required")
		l.over()
		l = request("/up")
		if tt.stream {
			l.answer(200, "4")
			continue
		}
		l.answer(400, "bad_request")
		l.over()
	}
	if saw := s.seen(); strings.Contains(saw, "json") || strings.Count(saw, "whole") != 1 {
		t.Fatal(saw)
	}
}

const chunkedUp = "POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

// cut writes a body as chunks of n bytes.
func cut(body string, n int) string {
	var b strings.Builder
	for len(body) > 0 {
		n = min(n, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

func TestChunks(t *testing.T) {
	s := start(t, nil)
	whole := strings.Repeat("0123456789", 10_000)
	l := s.dial(t)
	// Several on one connection; extensions and what follows the last chunk are not looked at.
	for _, n := range []int{1000, 8192, 100_000} {
		l.send(chunkedUp, cut(whole, n), "0\r\n\r\n")
		l.answer(200, "100000")
	}
	l.send(chunkedUp, "4;name=value\r\nabcd\r\n0\r\nAuthorization: Bearer other\r\n\r\n")
	l.answer(200, "4")
	l.send(chunkedUp, "0\r\n\r\n")
	l.answer(200, "0")
	l.send(chunkedUp, cut(whole, 50_000), "0\r\n\r\n")
	l.answer(200, "100000")
	// What comes at once behind a body is no request of this connection.
	l.send(chunkedUp, "4\r\nabcd\r\n0\r\n\r\n", head("/json", 3), "abc")
	l.answer(200, "4")
	l.over()
	if saw := s.seen(); strings.Contains(saw, "json") || strings.Contains(saw, "refused") {
		t.Fatal(saw)
	}
}

// A body ends where its sender says so: cut anywhere before, also between two chunks, it is not whole.
func TestChunksThatAreCut(t *testing.T) {
	body := cut(strings.Repeat("x", 20_000), 10_000) + "0\r\n\r\n"
	s := start(t, nil)
	for _, sent := range []int{0, 1, 4, 5, 6, 5_000, 10_006, 10_007, 10_008, 10_009, 20_016, len(body) - 5, len(body) - 4, len(body) - 3, len(body) - 2, len(body) - 1} {
		l := s.dial(t)
		l.send(chunkedUp, body[:sent])
		if err := l.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		l.answer(400, "body_truncated")
		l.over()
	}
	if saw := s.seen(); strings.Contains(saw, "whole") {
		t.Fatal(saw)
	}
}

func TestChunksThatAreNone(t *testing.T) {
	s := start(t, func(c *guard.Config) { c.Rules[0].Max = 50_000 })
	for body, want := range map[string]string{
		"xyz\r\nabc\r\n0\r\n\r\n":                                    "bad_request",
		"4\r\nabcdef\r\n0\r\n\r\n":                                   "bad_request",
		"-4\r\nabcd\r\n0\r\n\r\n":                                    "bad_request",
		"ffffffffffffffffff\r\nabcd":                                 "bad_request",
		"4" + strings.Repeat(";x", 10_000) + "\r\nabcd\r\n0\r\n\r\n": "bad_request",
		strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 200) + "0\r\n\r\n": "bad_request",
		"0\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n":                            "bad_request",
		cut(strings.Repeat("x", 50_001), 1000) + "0\r\n\r\n":                          "body_too_large",
	} {
		l := s.dial(t)
		l.send(chunkedUp, body)
		l.answer(map[string]int{"bad_request": 400, "body_too_large": 413}[want], want)
		l.over()
	}
	l := s.dial(t)
	l.send(chunkedUp, cut(strings.Repeat("x", 50_000), 1000), "0\r\n\r\n")
	l.answer(200, "50000")
}

// Chunks have the deadlines of any body, count among what is under way, and can be interrupted.
func TestChunksAreBounded(t *testing.T) {
	s := start(t, func(c *guard.Config) { c.Silence = 150 * time.Millisecond })
	for _, sent := range []string{"", "4", "4\r\nab", "4\r\nabcd\r\n", "4\r\nabcd\r\n0\r\n"} {
		l := s.dial(t)
		l.send(chunkedUp, sent)
		l.answer(408, "body_slow")
		l.over()
	}
	s = start(t, func(c *guard.Config) { c.Silence = 20 * time.Second })
	l := s.dial(t)
	l.send("POST /up/interrupt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nab")
	l.answer(409, "upload_replaced")
	l.over()
	s = start(t, bounded(func(c *guard.Config) { c.UserUploads = 1 }))
	s.under(t, "ann", 100_000)
	l = s.dial(t)
	l.send("POST /up HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n0\r\n\r\n")
	l.answer(429, "body_too_many")
	l.over()
}

func TestTwoLengthsAreRefused(t *testing.T) {
	s := start(t, nil)
	l := s.dial(t)
	l.send("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\ncontent-length: 2\r\n\r\nhi", head("/json", 2), "no")
	l.answer(400, "bad_request")
	l.over()
}

func TestLongerThanDeclaredIsTheNextRequest(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/up", "/json"} {
		l := s.dial(t)
		l.send(head(path, 3), "abc", "these are no request\r\n\r\n")
		l.answer(200, "")
		l.answer(400, "Invalid http method")
	}
}

func TestShorterThanDeclaredWaitsThenFails(t *testing.T) {
	s := start(t, func(c *guard.Config) { c.Silence, c.Header = 100*time.Millisecond, 100*time.Millisecond })
	for _, n := range []int{100, 9_000} {
		l := s.dial(t)
		l.send(head("/up", n+1), strings.Repeat("x", n))
		l.answer(408, "body_slow")
		l.over()
	}
}

func TestOverTheLimitOfTheRoute(t *testing.T) {
	s := start(t, nil)
	l := s.dial(t)
	l.send(head("/json", 10_001), strings.Repeat("x", 10_001))
	l.answer(413, "body_too_large")
	l.over()
	l = s.dial(t)
	l.send(head("/json", 10_000), strings.Repeat("x", 10_000), head("/BIG", 1<<20), strings.Repeat("y", 1<<20))
	l.answer(200, strings.Repeat("x", 10_000))
	l.answer(200, "1048576")
	l = s.dial(t)
	l.send(head("/up", 2<<30))
	// fasthttp waits for the first 8 KiB before it asks anybody.
	l.send(strings.Repeat("z", 8192))
	l.answer(413, "body_too_large")
}

func TestAnUnreadBodyIsNotTheNextRequest(t *testing.T) {
	s := start(t, nil)
	smuggled := head("/json", 5) + "evil!"

	l := s.dial(t) // little was left and is here: drained, and the connection lives
	l.send(head("/up/lazy", len(smuggled)), smuggled, head("/json", 2), "ok")
	l.answer(200, "did not look")
	l.answer(200, "ok")

	l = s.dial(t) // a little more than the server has read by itself
	body := strings.Repeat(smuggled, 400)
	l.send(head("/up/lazy", len(body)), body, head("/json", 2), "ok")
	l.answer(200, "did not look")
	l.answer(200, "ok")

	l = s.dial(t) // too much to drain: closed, and the answer still arrives
	body = strings.Repeat(smuggled, 4000)
	l.send(head("/up/lazy", len(body)), body, head("/json", 2), "no")
	resp := l.answer(200, "did not look")
	if !resp.Close {
		t.Fatal("the connection was to be closed")
	}
	l.over()

	l = s.dial(t) // little, but it does not come
	l.send(head("/up/lazy", 20_000), strings.Repeat("x", 9_000))
	l.answer(200, "did not look")
	l.over()

	l = s.dial(t) // a route that is not there, and a method that is none
	l.send(head("/up/nowhere", len(body)), body)
	l.answer(404, "")
	l.over()
	l = s.dial(t)
	l.send(strings.Replace(head("/up", len(body)), "POST", "STEAL", 1), body)
	l.answer(400, "")
	l.over()
	if saw := s.seen(); strings.Contains(saw, "json 5") {
		t.Fatal(saw)
	}
}

func TestRequestsInOnePacketAndBorders(t *testing.T) {
	s := start(t, func(c *guard.Config) { c.Default.Max = 1 << 20 })
	for _, n := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16383, 16384, 16385} {
		l := s.dial(t)
		body := strings.Repeat("b", n)
		l.send(head("/up", n), body, head("/json", n), body, head("/up", n), body, head("/json", 1), "e")
		l.answer(200, fmt.Sprint(n))
		l.answer(200, body)
		l.answer(200, fmt.Sprint(n))
		l.answer(200, "e")
	}
}

func TestGzip(t *testing.T) {
	s := start(t, nil)
	zip := func(b string) string {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write([]byte(b)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, c := range []struct {
		name, path, encoding, body string
		status                     int
		want                       string
	}{
		{"is unpacked", "/json", "gzip", zip("hello"), 200, "hello"},
		{"a bomb is not", "/json", "gzip", zip(strings.Repeat("\x00", 5<<20)), 413, "body_too_large"},
		{"to the limit", "/json", "GZIP", zip(strings.Repeat("a", 10_000)), 200, strings.Repeat("a", 10_000)},
		{"cut short", "/json", "gzip", zip("hello")[:20], 400, "bad_request"},
		{"not gzip", "/json", "gzip", "hello", 400, "bad_request"},
		{"empty", "/json", "gzip", "", 400, "bad_request"},
		{"twice", "/json", "gzip, gzip", zip(zip("hello")), 415, "unsupported_type"},
		{"brotli", "/json", "br", "hello", 415, "unsupported_type"},
		{"identity", "/json", "identity", "hello", 200, "hello"},
		{"on an upload", "/up", "gzip", zip("hello"), 415, "unsupported_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := s.dial(t)
			l.send(head(c.path, len(c.body), "Content-Encoding: ", c.encoding, "\r\n"), c.body)
			l.answer(c.status, c.want)
		})
	}
}

func TestInterruptEndsAReadThatWaits(t *testing.T) {
	s := start(t, nil)
	l := s.dial(t)
	l.send(head("/up/interrupt", 1<<20), strings.Repeat("x", 100_000))
	l.answer(409, "upload_replaced")
	l.over()
}

// A phone whose link broke asks at once where its upload stands. What the server has of the broken request, and had no
// time to read, is not thrown away for that.
func TestWhatHasArrivedSurvivesAnInterruption(t *testing.T) {
	s := start(t, nil)
	l := s.dial(t)
	l.send(head("/up/late", 1<<20), strings.Repeat("x", 40_000))
	close(s.sent)
	l.answer(409, "upload_replaced")
	l.over()
	if saw := s.seen(); !strings.Contains(saw, "late 40000") {
		t.Error(saw)
	}
}

func TestExpectContinue(t *testing.T) {
	s := start(t, nil)
	l := s.dial(t)
	l.send(head("/up", 5, "Expect: 100-continue\r\n"))
	if resp, err := http.ReadResponse(l.r, nil); err != nil || resp.StatusCode != 100 {
		t.Fatal(resp, err)
	}
	l.send("hello")
	l.answer(200, "5")
}
