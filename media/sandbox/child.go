package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/gen2brain/heic"

	"fieldclue/media/thumb"
	"fieldclue/media/verify"
)

// workHEIC is the hidden argument.
const workHEIC = "decode-heic"

// How the child ends when the file is to blame. Every other end is an accident.
const (
	exitBroken = 3
	exitTooBig = 4
)

// ready is set when this program can be started again as a child.
var ready atomic.Bool

// Main is the first thing that main does. In a child it does the child's work and ends the process; in any other
// process it makes decoding possible and returns.
func Main() {
	if len(os.Args) == 4 && os.Args[1] == workHEIC {
		confine()
		os.Exit(decodeHEIC(os.Stdin, os.Stdout, os.Stderr))
	}
	ready.Store(true)
}

// confine takes from this process what a decoder does not need, for good.
func confine() {
	memory, err1 := strconv.ParseUint(os.Args[2], 10, 63)
	seconds, err2 := strconv.ParseUint(os.Args[3], 10, 31)
	if err1 != nil || err2 != nil {
		os.Exit(2)
	}
	if err := limit(memory, seconds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err) // if nobody hears it, the status still tells
		os.Exit(2)
	}
}

func decodeHEIC(in io.Reader, out, say io.Writer) int {
	failed := func(err error) int {
		_, _ = fmt.Fprintln(say, err) // if nobody hears it, the status still tells
		return exitBroken
	}
	file, err := io.ReadAll(in)
	if err != nil {
		return failed(err)
	}
	cfg, err := heic.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return failed(err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > verify.MaxPixels/cfg.Height {
		return exitTooBig
	}
	img, err := heic.Decode(bytes.NewReader(file))
	if err != nil {
		return failed(err)
	}
	if err := writePicture(out, thumb.Fit(img, MaxSide)); err != nil {
		return failed(err)
	}
	return 0
}
