package guard

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Listener wraps the listener on which an app is served. A connection that is closed while its sender still sends
// would be reset, and the reset may overtake the answer on its way; so such a connection is half closed first and
// what still comes is thrown away, for linger at most and up to 16 MiB.
func Listener(ln net.Listener, linger time.Duration) net.Listener {
	return &listener{Listener: ln, linger: linger}
}

const lingerMax = 16 << 20

type listener struct {
	net.Listener
	linger time.Duration
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gentle{Conn: c, linger: l.linger}, nil
}

type gentle struct {
	net.Conn
	linger time.Duration
	unread atomic.Bool // the guard left a part of a body unread
	closed atomic.Bool
}

// Close follows net.Conn.
func (g *gentle) Close() error {
	if !g.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	half, ok := g.Conn.(interface{ CloseWrite() error })
	if !ok || !g.unread.Load() {
		return g.Conn.Close()
	}
	if half.CloseWrite() == nil && g.SetReadDeadline(time.Now().Add(g.linger)) == nil {
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
