package badlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Cutter is a proxy of real TCP between phones and a server that lets no connection live: each is cut when its client
// has sent a drawn number of bytes, by FIN, by RST, or by silence. Some lose the answer to what has just arrived
// instead. A Link (link.go) breaks requests within the client; here both ends see what a bad network does to them.
type Cutter struct {
	to   string
	o    CutterOptions
	ln   *net.TCPListener
	work sync.WaitGroup

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	open   map[*net.TCPConn]bool
	counts CutterCounts
	closed bool
}

// CutterOptions of a Cutter. A zero value takes the default in brackets.
type CutterOptions struct {
	Seed uint64
	Most int64         // no connection passes more bytes of its client [2 MiB]
	Hold time.Duration // how long a silent connection is held open at most [30 s]
}

// CutterCounts says what a Cutter did.
type CutterCounts struct {
	Connections, FIN, RST, Silence int
	Answers                        int   // of the cuts, those that lost an answer
	Passed                         int64 // bytes of clients that were handed to the server
}

func (c CutterCounts) String() string {
	return fmt.Sprintf("%d connections, cut by FIN %d, RST %d, silence %d, of these %d with the answer lost",
		c.Connections, c.FIN, c.RST, c.Silence, c.Answers)
}

// NewCutter listens on loopback for connections to the server at to. The caller closes it.
func NewCutter(to string, o CutterOptions) (*Cutter, error) {
	if o.Most == 0 {
		o.Most = 2 << 20
	}
	if o.Hold == 0 {
		o.Hold = 30 * time.Second
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c := &Cutter{to: to, o: o, ln: ln, random: rand.New(rand.NewPCG(o.Seed, 3)), open: map[*net.TCPConn]bool{}}
	c.work.Go(c.accept)
	return c, nil
}

// Addr is where phones find the server.
func (c *Cutter) Addr() string { return c.ln.Addr().String() }

// Counts says what it did so far.
func (c *Cutter) Counts() CutterCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Close ends all connections and waits until nothing of the proxy runs.
func (c *Cutter) Close() error {
	err := c.ln.Close()
	c.mu.Lock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close() // it is broken on purpose
	}
	c.mu.Unlock()
	c.work.Wait()
	return err
}

func (c *Cutter) accept() {
	for {
		client, err := c.ln.AcceptTCP()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(time.Millisecond) // no descriptor for the moment
			continue
		}
		c.work.Go(func() { c.serve(client) })
	}
}

// way is one connection through the proxy.
type way struct {
	client, server *net.TCPConn
	kind           int   // of its end
	after          int64 // bytes of the client until then
	answer         bool  // it is the next answer after these that is lost

	sent  int64 // of the client; guarded by the Cutter's mu, as is ended
	ended bool
}

const (
	byFIN = iota
	byRST
	bySilence
)

// inFlight bounds what the system holds for the other end: a radio link holds little.
const inFlight = 128 << 10

func (c *Cutter) serve(client *net.TCPConn) {
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = client.Close() // nobody is there, and the client sees that
		return
	}
	w := &way{client: client, server: to.(*net.TCPConn)} //nolint:forcetypeassert // "tcp" gives no other
	_ = client.SetReadBuffer(inFlight)                   // wishes
	_ = w.server.SetWriteBuffer(inFlight)
	c.mu.Lock()
	w.kind, w.after, w.answer = c.random.IntN(3), 1+c.random.Int64N(c.o.Most), c.random.IntN(4) == 0
	if w.answer {
		w.after >>= c.random.IntN(12) // many are lost early, while short requests ask and declare
	}
	c.counts.Connections++
	c.open[w.client], c.open[w.server] = true, true
	if c.closed {
		_ = client.Close() // with the others
		_ = w.server.Close()
	}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.up(w) })
	both.Go(func() { c.down(w) })
	both.Wait()
	_ = w.client.Close() // whatever is left of it
	_ = w.server.Close()
	c.mu.Lock()
	delete(c.open, w.client)
	delete(c.open, w.server)
	c.mu.Unlock()
}

// up passes what the client sends, as far as it may.
func (c *Cutter) up(w *way) {
	most := w.after
	if w.answer {
		most = c.o.Most
	}
	buf := make([]byte, 16<<10)
	for sent := int64(0); sent < most; {
		n, err := w.client.Read(buf[:min(int64(len(buf)), most-sent)])
		if n > 0 && !c.pass(w, w.server, buf[:n]) {
			return
		}
		sent += int64(n)
		if err != nil { // the client has hung up or given up
			c.end(w, byFIN)
			return
		}
		c.mu.Lock()
		w.sent = sent
		c.counts.Passed += int64(n)
		c.mu.Unlock()
	}
	c.cut(w, false)
}

// down passes answers, but for the one that is to be lost.
func (c *Cutter) down(w *way) {
	buf := make([]byte, 16<<10)
	for {
		n, err := w.server.Read(buf)
		c.mu.Lock()
		lost := w.answer && w.sent >= w.after
		c.mu.Unlock()
		switch {
		case n > 0 && lost:
			c.cut(w, true)
			return
		case n > 0 && !c.pass(w, w.client, buf[:n]):
			return
		case errors.Is(err, io.EOF):
			c.end(w, byFIN)
			return
		case err != nil: // as a killed server ends
			c.end(w, byRST)
			return
		}
	}
}

// pass hands bytes on while the connection lives.
func (c *Cutter) pass(w *way, to *net.TCPConn, b []byte) bool {
	c.mu.Lock()
	ended := w.ended
	c.mu.Unlock()
	if ended {
		return false
	}
	if _, err := to.Write(b); err != nil {
		c.end(w, byRST)
		return false
	}
	return true
}

// cut ends a connection as its lot says, and counts it.
func (c *Cutter) cut(w *way, answer bool) {
	c.mu.Lock()
	if !w.ended {
		*[]*int{byFIN: &c.counts.FIN, byRST: &c.counts.RST, bySilence: &c.counts.Silence}[w.kind]++
		if answer {
			c.counts.Answers++
		}
	}
	c.mu.Unlock()
	c.end(w, w.kind)
}

// end ends both directions; of several calls the first says how.
func (c *Cutter) end(w *way, kind int) {
	c.mu.Lock()
	first := !w.ended
	w.ended = true
	c.mu.Unlock()
	if !first {
		return
	}
	switch kind {
	case byRST:
		for _, conn := range []*net.TCPConn{w.client, w.server} {
			_ = conn.SetLinger(0) // one that is gone needs no reset
			_ = conn.Close()
		}
	case byFIN: // what still comes is taken from both, because closing on unread bytes would send a RST
		var both sync.WaitGroup
		for _, conn := range []*net.TCPConn{w.client, w.server} {
			_ = conn.CloseWrite() // an end that is gone has no need of it
			_ = conn.SetReadDeadline(time.Now().Add(min(c.o.Hold, time.Second)))
			both.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // until it ends in whatever way
		}
		both.Wait()
	case bySilence: // neither end hears of the other again: what the server says is lost, what the client says piles up
		_ = w.server.SetReadDeadline(time.Now().Add(c.o.Hold)) // one that is gone is read to its end at once
		_, _ = io.Copy(io.Discard, w.server)                   // until the server gives it up
	}
	_ = w.client.Close() // again, or for good
	_ = w.server.Close()
}

// Impatient is a transport whose connections are given up when nothing has moved on them for a while, in either
// direction: what a phone must do on a network that falls silent.
func Impatient(patience time.Duration) *http.Transport {
	dialer := net.Dialer{Timeout: patience}
	t := &http.Transport{MaxIdleConnsPerHost: 4}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(inFlight) // a wish
		}
		return &impatient{conn, patience}, nil
	}
	return t
}

type impatient struct {
	net.Conn
	patience time.Duration
}

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
