package guard

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"fieldclue/server/field"
)

// stream reads one body: as many bytes as were declared or an error, with a deadline that rolls.
type stream struct {
	src    io.Reader
	conn   net.Conn
	length int64
	cfg    Config
	got    int64
	err    error // what ended it; io.EOF when it is complete

	opened   time.Time // start of the present window; the first begins with the first read
	inWindow int64

	mu          sync.Mutex // guards what follows, and the deadline of conn against it
	interrupted bool
	last        time.Time // when interrupted: no read goes on after it; zero before the first read since
}

// What had arrived when a read was interrupted is still given: it came over a link that may never bring it again. So a
// pause of arrived ends an interrupted body, or, if the sender goes on, the time of arrivedMost.
const (
	arrived     = 10 * time.Millisecond
	arrivedMost = 500 * time.Millisecond
)

func newStream(src io.Reader, conn net.Conn, length int64, cfg Config) *stream {
	return &stream{src: src, conn: conn, length: length, cfg: cfg}
}

// Read follows io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.err == nil && s.got == s.length {
		s.end(io.EOF)
	}
	if s.err != nil {
		return 0, s.err
	}
	if left := s.length - s.got; int64(len(p)) > left {
		p = p[:left]
	}
	for {
		if err := s.arm(); err != nil {
			return 0, err
		}
		n, err := s.src.Read(p)
		s.got += int64(n)
		s.inWindow += int64(n)
		switch {
		case s.got == s.length && n > 0:
			s.end(io.EOF)
			return n, nil
		case n > 0 && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)):
			return n, nil
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && s.nextWindow():
			continue
		default:
			s.end(s.broken(err))
			return n, s.err
		}
	}
}

// arm sets the deadline of the next read: the end of the silence or of the window, whichever is first.
func (s *stream) arm() error {
	now := time.Now()
	if s.opened.IsZero() {
		s.opened = now
	}
	if !now.Before(s.opened.Add(s.cfg.Window)) && !s.nextWindow() {
		s.end(field.Refuse(field.CodeBodySlow, ""))
		return s.err
	}
	until := now.Add(s.cfg.Silence)
	if w := s.opened.Add(s.cfg.Window); w.Before(until) {
		until = w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupted {
		if s.last.IsZero() {
			s.last = now.Add(arrivedMost)
		}
		if now.After(s.last) {
			s.end(field.Refuse(field.CodeUploadReplaced, ""))
			return s.err
		}
		until = now.Add(arrived)
	}
	if err := s.conn.SetReadDeadline(until); err != nil {
		s.end(field.Refuse(field.CodeBodyTruncated, "").Because(err))
		return s.err
	}
	return nil
}

// nextWindow opens a new window if the present one is over and brought enough.
func (s *stream) nextWindow() bool {
	s.mu.Lock()
	stop := s.interrupted
	s.mu.Unlock()
	now := time.Now()
	if stop || now.Before(s.opened.Add(s.cfg.Window)) || s.inWindow < s.cfg.WindowMin {
		return false
	}
	s.opened, s.inWindow = now, 0
	return true
}

func (s *stream) broken(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.interrupted:
		return field.Refuse(field.CodeUploadReplaced, "").Because(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return field.Refuse(field.CodeBodySlow, "").Because(err)
	default: // a FIN reads as io.EOF, a reset as an error of the network: both are a body that is not complete
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // code that asks errors.Is for io.EOF must not take this for a complete body
		}
		return field.Refuse(field.CodeBodyTruncated, "").Because(err)
	}
}

func (s *stream) end(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Interrupt ends the body with CodeUploadReplaced as soon as what has arrived of it was read. It may be called from any
// goroutine while the handler runs.
func (s *stream) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupted || s.conn == nil {
		return
	}
	s.interrupted = true
	_ = s.conn.SetReadDeadline(time.Now().Add(arrived)) // a connection that is gone has ended the read already
}

func (s *stream) declared() int64 { return s.length }

func (s *stream) came() int64 { return s.got }

// settle is called after the handler. It reports whether the connection can take another request: the body was read to
// its end, or the little that was left has been drained.
func (s *stream) settle(wait time.Duration) bool {
	s.mu.Lock()
	conn, stopped := s.conn, s.interrupted
	s.conn, s.interrupted = nil, true // from here on Interrupt touches nothing
	s.mu.Unlock()
	clean := s.got == s.length
	if !clean && !stopped && (s.err == nil || errors.Is(s.err, io.EOF)) {
		clean = s.drain(conn, wait)
	}
	s.end(io.ErrClosedPipe)
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return false
	}
	return clean
}

func (s *stream) drain(conn net.Conn, wait time.Duration) bool {
	left := s.length - s.got
	if left > drainMax {
		return false
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, io.LimitReader(s.src, left))
	s.got += n
	return err == nil && s.got == s.length
}
