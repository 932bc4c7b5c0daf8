// Package badlink breaks connections on purpose: for the demo, whose story is told on a bad link, and for tests.
//
// A Link (link.go) is an http.RoundTripper between a client and the server: it cuts connections, loses answers,
// delivers twice and waits, as it was told to (Plan) or by chance (SetWeather), and the same seed meets the same harm.
// A Cutter (cutter.go) is a proxy of real TCP, so that both ends see what a bad network does to them; Impatient is how
// a client gets over its silence.
package badlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoSignal is what a request meets while the link is off.
var ErrNoSignal = errors.New("no signal")

// Harm is what a link does to a request.
type Harm int

// What can happen to a request.
const (
	Cut        Harm = iota + 1 // the connection breaks when After bytes of the request are through
	LoseAnswer                 // the server gets all of it and answers; the answer is lost
	Twice                      // it is delivered twice, one after the other; the second answer comes back
)

func (h Harm) String() string {
	return [...]string{"none", "cut", "answer lost", "delivered twice"}[h]
}

// Fault is a planned harm: the first request that fits meets it, and it is used up.
type Fault struct {
	Method string // empty: any
	Path   string // prefix
	Harm   Harm
	After  int64 // bytes of the request, its head included
	Reset  bool  // a Cut ends the connection by RST instead of FIN
	Silent bool  // not reported through Met
}

// Weather is harm by chance: the part of the requests that meet it, between 0 and 1. Delay is the longest wait before a
// request.
type Weather struct {
	Cut, LoseAnswer, Twice float64
	Delay                  time.Duration
}

// Link is a bad connection: an http.RoundTripper that fails as planned and as its weather says. The same seed and the
// same requests in the same order meet the same harm. It may be used by several goroutines.
type Link struct {
	base  *http.Transport
	sleep func(context.Context, time.Duration) error
	met   func(req *http.Request, f Fault)

	mu      sync.Mutex
	off     bool
	plan    []Fault
	weather Weather
	random  *rand.Rand
	conns   map[net.Conn]bool
	counts  Counts
}

// Counts says what a link did.
type Counts struct {
	Requests, Cut, AnswersLost, Twice, NoSignal int
}

// LinkOptions of a link. All may be left out.
type LinkOptions struct {
	Seed  uint64
	Sleep func(context.Context, time.Duration) error // waits out a delay; nil: until the time has passed
	Met   func(req *http.Request, f Fault)           // told of every planned fault that a request has met
}

// answerLimit bounds what is read of an answer that is dropped.
const answerLimit = 64 << 20 // bytes

// NewLink makes a link that is on, with good weather.
func NewLink(o LinkOptions) *Link {
	l := &Link{sleep: o.Sleep, met: o.Met, random: rand.New(rand.NewPCG(o.Seed, 2)), conns: map[net.Conn]bool{}}
	if l.sleep == nil {
		l.sleep = wait
	}
	if l.met == nil {
		l.met = func(*http.Request, Fault) {}
	}
	l.base = &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	return l
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Plan adds faults to those that are waiting.
func (l *Link) Plan(faults ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan = append(l.plan, faults...)
}

// Planned lists the faults that no request has met yet.
func (l *Link) Planned() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Fault(nil), l.plan...)
}

// SetWeather changes what happens by chance.
func (l *Link) SetWeather(w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
}

// Signal switches the link on or off. Off breaks what is on its way.
func (l *Link) Signal(on bool) {
	l.mu.Lock()
	l.off = !on
	var broken []net.Conn
	if l.off {
		for c := range l.conns {
			broken = append(broken, c)
		}
	}
	l.mu.Unlock()
	for _, c := range broken {
		_ = c.Close() // it is broken on purpose
	}
}

// Counts says what the link did so far.
func (l *Link) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// RoundTrip sends a request through the weather.
func (l *Link) RoundTrip(req *http.Request) (*http.Response, error) {
	f, planned, delay, err := l.draw(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if delay > 0 {
		if err := l.sleep(req.Context(), delay); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	if planned && !f.Silent {
		defer l.met(req, f)
	}
	switch f.Harm {
	case Twice:
		return l.twice(req)
	case Cut, LoseAnswer:
		return l.harmed(req, f)
	}
	return l.base.RoundTrip(req)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // RoundTrip must close it, whatever becomes of the request
	}
}

// draw says what happens to a request.
func (l *Link) draw(req *http.Request) (f Fault, planned bool, delay time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Requests++
	w := l.weather
	chance, size, pause := l.random.Float64(), l.random.Float64(), l.random.Float64()
	if l.off {
		l.counts.NoSignal++
		return f, false, 0, &net.OpError{Op: "dial", Net: "tcp", Err: ErrNoSignal}
	}
	delay = time.Duration(pause * float64(w.Delay))
	for i, p := range l.plan {
		if (p.Method == "" || p.Method == req.Method) && strings.HasPrefix(req.URL.Path, p.Path) && (p.Harm != Twice || req.GetBody != nil) {
			l.plan = append(l.plan[:i:i], l.plan[i+1:]...)
			f, planned = p, true
			break
		}
	}
	if !planned {
		switch {
		case chance < w.Cut:
			f = Fault{Harm: Cut, After: int64(size * float64(max(req.ContentLength, 0)+400)), Reset: pause < 0.5}
		case chance < w.Cut+w.LoseAnswer:
			f = Fault{Harm: LoseAnswer}
		case chance < w.Cut+w.LoseAnswer+w.Twice && req.GetBody != nil:
			f = Fault{Harm: Twice}
		}
	}
	switch f.Harm {
	case Cut:
		l.counts.Cut++
	case LoseAnswer:
		l.counts.AnswersLost++
	case Twice:
		l.counts.Twice++
	}
	return f, planned, delay, nil
}

// twice delivers a request, drops the answer, and delivers it again.
func (l *Link) twice(req *http.Request) (*http.Response, error) {
	again := req.Clone(req.Context())
	body, err := req.GetBody()
	if err != nil {
		closeBody(req)
		return nil, err
	}
	again.Body = body
	first, err := l.base.RoundTrip(req)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	_, err = io.Copy(io.Discard, io.LimitReader(first.Body, answerLimit))
	if err = errors.Join(err, first.Body.Close()); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return l.base.RoundTrip(again)
}

// harmed gives the request a connection of its own, which fails.
func (l *Link) harmed(req *http.Request, f Fault) (*http.Response, error) {
	once := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := l.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &harmedConn{Conn: c, fault: f}, nil
	}}
	defer once.CloseIdleConnections()
	res, err := once.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Harm, err)
	}
	return res, nil // the server answered before the cut
}

func (l *Link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	t := &trackedConn{Conn: c, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off {
		return nil, errors.Join(ErrNoSignal, c.Close())
	}
	l.conns[t] = true
	return t, nil
}

type trackedConn struct {
	net.Conn
	link *Link
}

func (c *trackedConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// harmedConn breaks as its fault says.
type harmedConn struct {
	net.Conn
	fault Fault
	up    atomic.Int64
}

func (c *harmedConn) Write(b []byte) (int, error) {
	if c.fault.Harm != Cut {
		return c.Conn.Write(b)
	}
	left := c.fault.After - c.up.Load()
	if int64(len(b)) < left {
		n, err := c.Conn.Write(b)
		c.up.Add(int64(n))
		return n, err
	}
	n := 0
	if left > 0 {
		n, _ = c.Conn.Write(b[:left]) // the connection ends here anyhow
		c.up.Add(int64(n))
	}
	if t, ok := c.Conn.(*trackedConn); ok && c.fault.Reset {
		if tcp, ok := t.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset that cannot be had is a plain end
		}
	}
	return n, errors.Join(io.ErrClosedPipe, c.Close())
}

func (c *harmedConn) Read(b []byte) (int, error) {
	if c.fault.Harm != LoseAnswer {
		return c.Conn.Read(b)
	}
	var first [1]byte
	if _, err := c.Conn.Read(first[:]); err != nil { // until the server has answered
		return 0, err
	}
	return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
}
