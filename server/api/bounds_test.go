package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/api/guard"
	"fieldclue/server/field"
)

// Who sends is known by the token before the body is read, and one person's bodies leave room for everybody else's.
func TestBodiesUnderWayAreBoundedForEachPerson(t *testing.T) {
	little := func(o *api.Options) {
		o.Guard = guard.Config{Silence: 20 * time.Second, Header: 20 * time.Second, UserMemory: 100_000, Memory: 150_000}
	}
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, bob, carl := admin.hire("ann", access.Inspector), admin.hire("bob", access.Inspector), admin.hire("carl", access.Inspector)
		scope, site := w.place(ann, bob, carl)
		before := w.state()

		slow := w.half(ann.AccessToken, 60_000) // sends a little of a push, and then nothing
		defer slow()
		w.memory(60_000)
		a := w.wait(ann.AccessToken, 60_000, 429, field.CodeBodyTooMany)
		if a == "" {
			t.Error("429 without Retry-After")
		}
		if got := w.state(); got != before {
			t.Error("something was written")
		}
		ann.push(scope, w.finding(site)).want(200) // a little goes on
		for range 5 {
			bob.push(scope, w.long(site)...).want(200)
		}
		other := w.half(bob.AccessToken, 60_000)
		w.memory(120_000)
		if a := w.wait(carl.AccessToken, 60_000, 503, field.CodeBodyBusy); a == "" {
			t.Error("503 without Retry-After")
		}
		other()
		w.memory(60_000)
		carl.push(scope, w.long(site)...).want(200)

		// Strangers, and tokens that are no longer good, are told so before their bodies are read.
		for token, code := range map[string]field.Code{"": field.CodeTokenMissing, "x.y.z": field.CodeTokenInvalid, ann.AccessToken + "x": field.CodeTokenInvalid} {
			w.wait(token, 60_000, 401, code)
		}
		w.clock.move(time.Hour)
		w.wait(ann.AccessToken, 60_000, 401, field.CodeTokenExpired)
		w.send("POST", "/v1/auth/sign-in", obj{"login": strings.Repeat("a", 9_000), "password": password}).refused(413, field.CodeBodyTooLarge)
	}, little)
}

// long is some operations of more than 8 KiB together.
func (w *world) long(site string) (ops []obj) {
	for range 40 {
		ops = append(ops, w.finding(site))
	}
	return ops
}

// open sends the head of a push and its first bytes.
func (w *world) open(token string, length int) net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	bearer := ""
	if token != "" {
		bearer = "Authorization: Bearer " + token + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "POST /v1/sync/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", bearer, length, strings.Repeat(" ", 9_000))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// half leaves a push half sent until it is called.
func (w *world) half(token string, length int) (end func()) {
	conn := w.open(token, length)
	return func() { _ = conn.Close() } // a second time it is closed already
}

// memory waits until so many bytes are counted.
func (w *world) memory(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d bytes are under way", n), func() bool {
		return strings.Contains(string(w.send("GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).body), fmt.Sprintf("\nfieldclue_body_memory_bytes %d\n", n))
	})
}

// wait sends the beginning of a push, waits for its refusal, and gives Retry-After.
func (w *world) wait(token string, length, status int, code field.Code) string {
	w.t.Helper()
	conn := w.open(token, length)
	defer func() { _ = conn.Close() }() // the server has closed it
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{t: w.t, status: resp.StatusCode, body: body}
	a.refused(status, code)
	if !resp.Close {
		w.t.Errorf("%s: the connection stays open", code)
	}
	return resp.Header.Get("Retry-After")
}

// until waits for something that the server does in its own time.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; !done(); tries++ {
		if tries == 2_000 {
			w.t.Fatalf("it never came that %s", what)
		}
		<-tick.C
	}
}
