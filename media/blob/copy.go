package blob

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	sip     = 4 << 10   // held by a transfer that waits
	gulp    = 512 << 10 // lent to one whose bytes are there: a file is written the cheaper the more comes at once
	gulps   = 8         // are lent at a time
	swallow = 32 << 10  // lent to the others
)

var (
	large = sync.Pool{New: func() any { return new([gulp]byte) }}
	small = sync.Pool{New: func() any { return new([swallow]byte) }}
	lent  atomic.Int64 // of the large ones
)

// lend gives a buffer until it is given back.
func lend() (buf []byte, back func()) {
	if lent.Add(1) <= gulps {
		b, _ := large.Get().(*[gulp]byte) // it holds nothing else
		return b[:], func() {
			large.Put(b)
			lent.Add(-1)
		}
	}
	lent.Add(-1)
	b, _ := small.Get().(*[swallow]byte) // it holds nothing else
	return b[:], func() { small.Put(b) }
}

// Copy is io.Copy for links that stall. It holds 4 KiB while it waits for bytes, and one of the shared buffers as long
// as they fill it, so hundreds of phones without signal cost next to nothing, and hundreds with good links 10 MB. An
// empty source is read once as well. The errors of the two sides are told apart; readErr is nil at io.EOF.
func Copy(dst io.Writer, src io.Reader) (n int64, readErr, writeErr error) {
	var own [sip]byte
	buf, back := own[:], func() {}
	defer func() { back() }()
	for {
		got, err := src.Read(buf)
		if got > 0 {
			wrote, werr := dst.Write(buf[:got])
			n += int64(wrote)
			if werr != nil {
				return n, nil, werr
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err, nil
		}
		switch full := got == len(buf); {
		case full && len(buf) == sip:
			buf, back = lend()
		case !full && len(buf) > sip: // the rest is not there yet
			back()
			buf, back = own[:], func() {}
		}
	}
}

// Full reports whether an error of a file says that there is no room: on the disk, for this user, or in a file of this
// process.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
