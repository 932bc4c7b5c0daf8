package guard_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"fieldclue/server/api/guard"
	"fieldclue/server/field"
)

// bounded asks the header X-User who sends; nobody is refused.
func bounded(more func(*guard.Config)) func(*guard.Config) {
	return func(c *guard.Config) {
		c.Silence, c.Header, c.Default.Max = 20*time.Second, 20*time.Second, 1<<20
		c.Sender = func(ctx *fasthttp.RequestCtx) (string, error) {
			user := string(ctx.Request.Header.Peek("X-User"))
			if user == "" {
				return "", field.Refuse(field.CodeTokenMissing, "")
			}
			return user, nil
		}
		more(c)
	}
}

func by(user, path string, length int, more ...string) string {
	return head(path, length, append([]string{"X-User: ", user, "\r\n"}, more...)...)
}

// under has a request half-way: its first bytes were sent, and the handler has them.
func (s *server) under(t *testing.T, user string, length int) *link {
	t.Helper()
	before := strings.Count(s.seen(), "began")
	l := s.dial(t)
	l.send(by(user, "/up/begin", length), strings.Repeat("x", 9_000))
	s.until(t, func() bool { return strings.Count(s.seen(), "began") > before })
	return l
}

// half sends the beginning of a body that is held in memory, and waits until it is counted.
func (s *server) half(t *testing.T, user, body string) *link {
	t.Helper()
	_, before, _ := s.underWay()
	l := s.dial(t)
	l.send(by(user, "/json", len(body)), body[:9_000])
	s.until(t, func() bool {
		_, now, _ := s.underWay()
		return now == before+1
	})
	return l
}

// until waits for something that the server does in its own time.
func (s *server) until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for tries := 0; !done(); tries++ {
		if tries == 20_000 {
			t.Fatalf("it never came: %s", s.seen())
		}
		<-tick.C
	}
}

// whole sends a complete body on a connection of its own and gives the status.
func (s *server) whole(t *testing.T, user, path string, body string, more ...string) int {
	t.Helper()
	l := s.dial(t)
	l.send(by(user, path, len(body), more...), body)
	return l.status()
}

// Bodies that stream are bounded for each user and in total, before they are read; what ends makes room.
func TestUploadsUnderWay(t *testing.T) {
	s := start(t, bounded(func(c *guard.Config) { c.UserUploads, c.Uploads = 2, 3 }))
	const size = 100_000
	one, two := s.under(t, "ann", size), s.under(t, "ann", size)

	// The third of the same user is refused while its body has not come, politely: the answer arrives, and the end.
	l := s.dial(t)
	l.send(by("ann", "/up", size), strings.Repeat("x", 8192))
	if resp := l.answer(429, "body_too_many"); !resp.Close {
		t.Error("the connection was to be closed")
	}
	l.over()
	// Also when its sender does not stop sending.
	l = s.dial(t)
	l.send(by("ann", "/up", size), strings.Repeat("x", size))
	l.answer(429, "body_too_many")
	l.over()
	// What fits into the first packet is not waited for, and so not counted.
	if status := s.whole(t, "ann", "/up", strings.Repeat("x", 8192)); status != 200 {
		t.Errorf("a little body: %d", status)
	}

	three := s.under(t, "bob", size) // somebody else is not starved by her
	l = s.dial(t)
	l.send(by("carl", "/up", size), strings.Repeat("x", 8192))
	l.answer(503, "body_busy")
	l.over()
	if saw := s.seen(); strings.Count(saw, "whole") != 1 || strings.Contains(saw, "up 0") {
		t.Errorf("a refused body came to a handler: %s", saw)
	}

	one.send(strings.Repeat("x", size-9_000)) // one comes to its end, one is cut
	one.answer(200, fmt.Sprint(size))
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	s.until(t, func() bool { uploads, _, _ := s.underWay(); return uploads == 1 })
	for _, user := range []string{"carl", "ann"} {
		if status := s.whole(t, user, "/up", strings.Repeat("x", size)); status != 200 {
			t.Errorf("%s, when there is room again: %d", user, status)
		}
		s.until(t, func() bool { uploads, _, _ := s.underWay(); return uploads == 1 })
	}
	three.send(strings.Repeat("x", size-9_000))
	three.answer(200, fmt.Sprint(size))
	// Nothing is left behind: all the room there was is there again.
	for _, l := range []*link{s.under(t, "ann", size), s.under(t, "ann", size), s.under(t, "bob", size)} {
		l.send(strings.Repeat("x", size-9_000))
		l.answer(200, fmt.Sprint(size))
	}
}

// Bodies that are held in memory are bounded by their bytes and their number, for each user and in total. A slow sender
// holds what is his, and nobody else waits for him.
func TestBodiesInMemory(t *testing.T) {
	s := start(t, bounded(func(c *guard.Config) { c.UserMemory, c.Memory, c.UserBodies = 100_000, 150_000, 2 }))
	body := strings.Repeat("b", 60_000)
	slow := s.half(t, "ann", body)
	if status := s.whole(t, "ann", "/json", body); status != 429 {
		t.Fatalf("beside her own slow one: %d", status)
	}
	for range 20 {
		if status := s.whole(t, "bob", "/json", body); status != 200 {
			t.Fatalf("beside a slow sender: %d", status)
		}
	}
	if status := s.whole(t, "ann", "/json", body[:8192]); status != 200 {
		t.Errorf("a little body: %d", status)
	}
	other := s.half(t, "bob", body)
	if status := s.whole(t, "carl", "/json", body); status != 503 {
		t.Fatalf("without room for anybody: %d", status)
	}
	if status := s.whole(t, "carl", "/json", body[:20_000]); status != 200 {
		t.Errorf("what still fits: %d", status)
	}
	// By their number.
	second := s.half(t, "ann", body[:10_000])
	if status := s.whole(t, "ann", "/json", body[:9_000]); status != 429 {
		t.Fatalf("a third body of hers: %d", status)
	}
	// One is cut, one is finished, one is reset: all make room.
	if err := slow.Close(); err != nil {
		t.Fatal(err)
	}
	other.send(body[9_000:])
	other.answer(200, body)
	if err := second.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	s.until(t, func() bool { _, _, memory := s.underWay(); return memory == 0 })
	if status := s.whole(t, "ann", "/json", strings.Repeat("b", 100_000)); status != 200 {
		t.Fatalf("when there is room again: %d", status)
	}
	// A promise costs as much as it says, and one that nobody can keep is refused at once.
	l := s.dial(t)
	l.send(by("ann", "/json", 100_001), body[:8192])
	l.answer(429, "body_too_many")
	l.over()
}

// What comes out of a gzip is counted before it comes out.
func TestUnpackedBodiesInMemory(t *testing.T) {
	s := start(t, bounded(func(c *guard.Config) { c.UserMemory = 200_000 }))
	zip := func(n int) string {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(bytes.Repeat([]byte("z"), n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	gz := []string{"Content-Encoding: gzip\r\n"}
	for range 20 { // and given back every time
		if status := s.whole(t, "ann", "/json", zip(90_000), gz...); status != 200 {
			t.Fatalf("90,000 bytes: %d", status)
		}
		if status := s.whole(t, "ann", "/json", zip(900_000), gz...); status != 429 {
			t.Fatalf("900,000 bytes: %d", status)
		}
	}
}

// Anyone who sends more than a little says first who it is, and is refused before the body is read.
func TestStrangersSendLittle(t *testing.T) {
	s := start(t, bounded(func(*guard.Config) {}))
	for _, path := range []string{"/json", "/up", "/nowhere"} {
		l := s.dial(t)
		l.send(head(path, 100_000), strings.Repeat("x", 8192))
		l.answer(401, "token_missing")
		l.over()
	}
	l := s.dial(t)
	l.send(head("/json", 8192), strings.Repeat("x", 8192), head("/up", 10), "0123456789")
	l.answer(200, strings.Repeat("x", 8192))
	l.answer(200, "10")
}
