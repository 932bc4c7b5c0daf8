package guard

import (
	"container/list"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener wraps the listener on which an app is served. A connection that is closed while its sender still sends would
// be reset, and the reset may overtake the answer on its way; so such a connection is half closed first and what still
// comes is thrown away, for linger at most and up to 16 MiB.
//
// At most so many connections are open at once (0: as many as come). Beyond that the one is closed that has been silent
// for the longest since it came, and while there is none the next ones wait to be accepted. When the process or the
// system has no descriptor left, the listener waits for one: fasthttp takes any error of Accept for the end.
func Listener(ln net.Listener, linger time.Duration, most int) net.Listener {
	l := &listener{Listener: ln, linger: linger, over: make(chan struct{})}
	if most > 0 {
		l.free = make(chan struct{}, most)
	}
	return l
}

const (
	lingerMax = 16 << 20
	fullWait  = 50 * time.Millisecond  // before a descriptor is asked for again
	hearing   = 300 * time.Millisecond // so long nobody counts as silent: what was sent may not have been read yet
)

type listener struct {
	net.Listener
	linger time.Duration

	free chan struct{} // holds a token for each open connection; nil: they are not counted
	over chan struct{} // closed by Close
	once sync.Once

	mu     sync.Mutex
	silent list.List // of *gentle from which nothing has come, the oldest first; guarded by mu
}

func (l *listener) Accept() (net.Conn, error) {
	if err := l.room(); err != nil {
		return nil, err
	}
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			g := &gentle{Conn: c, of: l, came: time.Now()}
			l.mu.Lock()
			g.place = l.silent.PushBack(g)
			l.mu.Unlock()
			return g, nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			l.closeSilent()
			select {
			case <-time.After(fullWait):
			case <-l.over:
			}
		case errors.Is(err, syscall.ECONNABORTED): // it was gone before it was accepted
		default:
			l.release()
			return nil, err
		}
	}
}

// room waits until one more connection may be open.
func (l *listener) room() error {
	if l.free == nil {
		return nil
	}
	select {
	case l.free <- struct{}{}:
		return nil
	default:
		l.closeSilent()
	}
	for {
		select {
		case l.free <- struct{}{}:
			return nil
		case <-l.over:
			return net.ErrClosed
		case <-time.After(fullWait): // one that was busy may be silent by now: new ones come while it waits
			l.closeSilent()
		}
	}
}

func (l *listener) release() {
	if l.free != nil {
		<-l.free
	}
}

// closeSilent closes the connection that has been silent for the longest since it came, if there is one.
func (l *listener) closeSilent() {
	l.mu.Lock()
	oldest := l.silent.Front()
	l.mu.Unlock()
	if oldest == nil {
		return
	}
	if g := oldest.Value.(*gentle); time.Since(g.came) > hearing { //nolint:forcetypeassert // nothing else is put in
		_ = g.Close() // the sender learns it, if he is there
	}
}

// heard notes that something came from a connection, or that it is over.
func (l *listener) heard(g *gentle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.place != nil {
		l.silent.Remove(g.place)
		g.place = nil
	}
}

// Close follows net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.over) })
	return l.Listener.Close()
}

type gentle struct {
	net.Conn
	of     *listener
	came   time.Time
	place  *list.Element // among the silent; guarded by of.mu
	spoke  atomic.Bool
	unread atomic.Bool // the guard left a part of a body unread
	closed atomic.Bool
}

// Read follows net.Conn.
func (g *gentle) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 && !g.spoke.Load() && g.spoke.CompareAndSwap(false, true) {
		g.of.heard(g)
	}
	return n, err
}

// Close follows net.Conn.
func (g *gentle) Close() error {
	if !g.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	g.of.heard(g)
	defer g.of.release()
	half, ok := g.Conn.(interface{ CloseWrite() error })
	if !ok || !g.unread.Load() {
		return g.Conn.Close()
	}
	if half.CloseWrite() == nil && g.SetReadDeadline(time.Now().Add(g.of.linger)) == nil {
		_, _ = io.CopyN(io.Discard, g.Conn, lingerMax) // ends by the sender, the deadline or the limit: all are fine
	}
	return g.Conn.Close()
}

// BoundUnsent tells the system how many bytes it may hold back for a client that does not read. Without it they grow to
// megabytes, of memory that no figure of the process shows.
func BoundUnsent(conn net.Conn, size int) {
	if g, ok := conn.(*gentle); ok {
		conn = g.Conn
	}
	if c, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = c.SetWriteBuffer(size) // a connection that is gone says so at the next write
	}
}
