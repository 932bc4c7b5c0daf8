package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

const (
	spareFiles  = 500 // that both processes need besides the streams
	openAtOnce  = 32
	patience    = 2 * time.Minute // until the last has heard, until the last that is deaf is dropped
	attentive   = 10              // listeners that do read, beside those that are deaf
	smallBuffer = 4 << 10         // of a connection that nobody reads
)

// stream is one open event stream, spoken by hand: a client of a library would cost more than the server.
type stream struct {
	conn net.Conn
	r    *bufio.Reader
}

// open asks for the stream of everything that the hand may see. head: read the answer's head, which says that the
// server has taken the listener in.
func (h *hand) open(ctx context.Context, head bool) (*stream, error) {
	conn, host, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, r: bufio.NewReaderSize(conn, 512)}
	if _, err := fmt.Fprintf(conn, "GET /v1/sync/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", host, h.token); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if !head {
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return nil, errors.Join(errors.New("no TCP connection"), conn.Close())
		}
		return s, tcp.SetReadBuffer(smallBuffer)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	status, err := s.r.ReadString('\n')
	if err != nil || !strings.Contains(status, " 200 ") {
		return nil, errors.Join(fmt.Errorf("the stream was answered %q", status), err, conn.Close())
	}
	return s, conn.SetReadDeadline(time.Time{})
}

// hear reads until the stream says that the scope is at the number, or ends.
func (s *stream) hear(scope field.Scope, seq int64) error {
	for {
		line, err := s.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var p struct {
			Scope field.Scope
			Seq   int64
		}
		if err := json.Unmarshal(data, &p); err != nil {
			return err
		}
		if p.Scope == scope && p.Seq >= seq {
			return nil
		}
	}
}

// dial opens a connection to the server, for requests that are spoken by hand: a stream that is not read, ten thousand
// of them without a goroutine each, an upload that stops in the middle. net/http would do none of it.
func (c *county) dial(ctx context.Context) (conn net.Conn, host string, err error) {
	at, err := url.Parse(c.url)
	if err != nil {
		return nil, "", err
	}
	var d net.Dialer
	conn, err = d.DialContext(ctx, "tcp", at.Host)
	return conn, at.Host, err
}

// openMany opens streams of all hands by turns.
func (c *county) openMany(ctx context.Context, n int, head bool) ([]*stream, error) {
	all := make([]*stream, n)
	var mu sync.Mutex
	next := 0
	err := together(openAtOnce, func(int) error {
		for {
			mu.Lock()
			i := next
			next++
			mu.Unlock()
			if i >= n {
				return nil
			}
			s, err := c.hands[i%len(c.hands)].open(ctx, head)
			if err != nil {
				return fmt.Errorf("stream %d: %w", i+1, err)
			}
			all[i] = s
		}
	})
	return all, err
}

func closeAll(all []*stream) {
	for _, s := range all {
		if s != nil {
			_ = s.conn.Close() // nothing is sent on it any more
		}
	}
}

// manyListeners opens event streams in a server of its own, looks at its memory before and after, pokes all of them
// with one push, and then sees what happens to listeners that do not read.
func manyListeners(ctx context.Context, o options, say sayer) error {
	if o.store != "sqlite" {
		say("not measured: the server's own process takes the embedded store")
		return nil
	}
	idle, deaf := o, o
	idle.dir, deaf.dir = filepath.Join(o.dir, "idle"), filepath.Join(o.dir, "deaf")
	return errors.Join(withListeners(ctx, idle, say, idleListeners), withListeners(ctx, deaf, say, deafListeners))
}

func withListeners(ctx context.Context, o options, say sayer, do func(ctx context.Context, c *county, say sayer) error) (err error) {
	p, err := startApart(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	hands := min(readable, max(2, o.sizes.listeners/100))
	c, err := settle(ctx, p, o, layout{hands: hands, sites: hands, people: hands, reads: hands})
	if err != nil {
		return err
	}
	return do(ctx, c, say)
}

// pushAt sends one finding from a hand to its own site, and returns the number of its entry.
func (c *county) pushAt(ctx context.Context, client int) (field.Scope, int64, error) {
	h := c.hands[client%len(c.hands)]
	h.buildPush(newIDs(1))
	var answer protocol.PushResponse
	err := h.as(h.token).Ask(ctx, "POST", "/v1/sync/push", h.body, &answer)
	return h.scope, answer.Seq, err
}

func idleListeners(ctx context.Context, c *county, say sayer) error {
	before, err := c.figures(ctx)
	if err != nil {
		return err
	}
	n := c.o.sizes.listeners
	if most := int(before.files) - spareFiles; before.files > 0 && n > most {
		say("only %d listeners: a process may have %.0f files open here, and both ends need one for each", most, before.files)
		n = most
	}
	begin := time.Now()
	all, err := c.openMany(ctx, n, true)
	defer func() { closeAll(all) }()
	if err != nil {
		return err
	}
	opened := time.Since(begin)
	// Over a heartbeat (15 s), at which the server looks at each of them.
	most, err := c.peak(ctx, func() error { return until(ctx, time.Now().Add(c.o.sizes.idle)) })
	if err != nil {
		return err
	}
	after, err := c.figures(ctx)
	if err != nil {
		return err
	}
	say("%d listeners with %d scopes each, the server in its own process; opened in %.1f s; %.0f are open %s later", n, len(c.hands)+2, opened.Seconds(), after.listeners, c.o.sizes.idle)
	say("resident set: %s before, %s after a heartbeat (at most %s; goal: under 500 MB), %.1f KB for each; heap in use %s before, %s after",
		mb(before.resident), mb(after.resident), mb(most.resident), (after.resident-before.resident)/float64(n)/1e3, mb(before.heap), mb(after.heap))

	heard := make(times, n)
	var ready sync.WaitGroup
	var pushed time.Time
	var scope field.Scope
	var seq int64
	begun := make(chan struct{})
	done := make(chan error, 1)
	ready.Add(n)
	go func() {
		done <- together(n, func(i int) error {
			ready.Done()
			<-begun
			if err := all[i].conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			if err := all[i].hear(scope, seq); err != nil {
				return fmt.Errorf("listener %d did not hear: %w", i+1, err)
			}
			heard[i] = time.Since(pushed)
			return nil
		})
	}()
	ready.Wait()
	pushed = time.Now()
	scope, seq, err = c.pushAt(ctx, 0)
	close(begun)
	if err = errors.Join(err, <-done); err != nil {
		return err
	}
	heard = heard.sorted()
	say("one push to a scope that all of them listen to: every one of %d heard of it; from before the push p50 %s, p99 %s, the last %s", n, brief(heard.at(.5)), brief(heard.at(.99)), brief(heard.at(1)))
	return nil
}

// deafListeners opens streams that nobody reads and writes until the server has dropped them.
func deafListeners(ctx context.Context, c *county, say sayer) error {
	before, err := c.figures(ctx)
	if err != nil {
		return err
	}
	n := min(c.o.sizes.deaf, max(1, int(before.files)-spareFiles))
	reading, err := c.openMany(ctx, attentive, true)
	defer func() { closeAll(reading) }()
	if err != nil {
		return err
	}
	for _, s := range reading {
		go func() { _, _ = io.Copy(io.Discard, s.r) }() // until it is closed
	}
	deaf, err := c.openMany(ctx, n, false)
	defer func() { closeAll(deaf) }()
	if err != nil {
		return err
	}
	begin, pushes, most := time.Now(), 0, figures{}
	opened := false
	for {
		if _, _, err := c.pushAt(ctx, pushes); err != nil {
			return err
		}
		pushes++
		if pushes%10 != 0 {
			continue
		}
		now, err := c.figures(ctx)
		if err != nil {
			return err
		}
		most.heap, most.resident = max(most.heap, now.heap), max(most.resident, now.resident)
		opened = opened || int(now.listeners) == n+attentive
		switch {
		case opened && int(now.listeners) <= attentive:
			if int(now.listeners) < attentive {
				return fmt.Errorf("%d listeners that read were dropped as well", attentive-int(now.listeners))
			}
			say("%d listeners that do not read, beside %d that do: all of them dropped after %.1f s and %d pushes, none of those that read; resident set %s before, at most %s; heap in use %s before, at most %s",
				n, attentive, time.Since(begin).Seconds(), pushes, mb(before.resident), mb(most.resident), mb(before.heap), mb(most.heap))
			return nil
		case time.Since(begin) > patience:
			return fmt.Errorf("%.0f of %d listeners that do not read are still there after %s", now.listeners-attentive, n, patience)
		}
	}
}
