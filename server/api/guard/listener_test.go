package guard_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/api/guard"
)

// serveOn serves an app that answers every request, and returns its address.
func serveOn(t *testing.T, ln net.Listener) string {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(func(c *fiber.Ctx) error { return c.SendString("here") })
	done := make(chan error, 1)
	go func() { done <- app.Listener(ln) }()
	t.Cleanup(func() {
		_ = app.ShutdownWithTimeout(time.Second) // those that still wait are cut
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the other side may have closed it
	return c
}

func answers(t *testing.T, address string) {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read below
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "here" {
		t.Fatalf("%q, %v", body, err)
	}
}

// Those who connect and say nothing take the place of nobody: beyond the bound the one that has waited longest goes.
func TestSilentConnectionsAreBounded(t *testing.T) {
	address := serveOn(t, guard.Listener(listen(t), time.Second, 8))
	first := dial(t, address)
	for range 40 {
		dial(t, address)
	}
	answers(t, address)
	if err := first.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest is still open: %v", err)
	}
}

// Who has begun to speak is not cut off for others: they wait until one has ended.
func TestBusyConnectionsAreNotCut(t *testing.T) {
	const most = 4
	address := serveOn(t, guard.Listener(listen(t), time.Second, most))
	var busy []net.Conn
	for range most {
		c := dial(t, address)
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n")); err != nil { // the rest of it comes later
			t.Fatal(err)
		}
		busy = append(busy, c)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		answers(t, address)
	}()
	for i, c := range busy { // each of them gets its answer, and the first to end makes room
		if _, err := c.Write([]byte("Connection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(c); err != nil || len(answer) == 0 {
			t.Errorf("connection %d: %q, %v", i, answer, err)
		}
	}
	<-served
}

// exhausted has no descriptor left for a while.
type exhausted struct {
	net.Listener
	left atomic.Int32
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return e.Listener.Accept()
}

// A server that has no descriptor left waits for one. It ended, and with it everything that it did.
func TestAServerWithoutDescriptorsGoesOn(t *testing.T) {
	ln := &exhausted{Listener: listen(t)}
	ln.left.Store(3)
	address := serveOn(t, guard.Listener(ln, time.Second, 0))
	answers(t, address)
	if ln.left.Load() >= 0 {
		t.Error("the listener was not asked again")
	}
}
