package blob

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

const (
	sip  = 4 << 10   // held by a transfer that waits
	gulp = 128 << 10 // lent to one whose bytes are there
)

var gulps = sync.Pool{New: func() any { return new([gulp]byte) }}

// Copy is io.Copy for links that stall. It holds 4 KiB while it waits for bytes, and one of the shared large buffers only
// while they are there, so hundreds of phones without signal cost next to nothing. An empty source is read once as well.
// The errors of the two sides are told apart; readErr is nil at io.EOF.
func Copy(dst io.Writer, src io.Reader) (n int64, readErr, writeErr error) {
	var small [sip]byte
	var large *[gulp]byte
	defer func() {
		if large != nil {
			gulps.Put(large)
		}
	}()
	for {
		buf := small[:]
		if large != nil {
			buf = large[:]
		}
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
		switch {
		case large == nil && got == len(buf):
			large, _ = gulps.Get().(*[gulp]byte) // it holds nothing else
		case large != nil && got < len(buf): // the rest is not there yet
			gulps.Put(large)
			large = nil
		}
	}
}

// Full reports whether an error of a file says that there is no room: on the disk, for this user, or in a file of this process.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
