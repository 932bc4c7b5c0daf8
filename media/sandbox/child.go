package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"fieldclue/media/lenient"
)

// workDecode is the hidden argument.
const workDecode = "decode-pictures"

// ready is set when this program can be started again as a child.
var ready atomic.Bool

// Main is the first thing that main does. In a child it does the child's work and ends the process; in any other
// process it makes decoding possible and returns.
func Main() {
	if len(os.Args) == 5 && os.Args[1] == workDecode {
		confine()
		os.Exit(serve(os.Stdin, os.Stdout))
	}
	ready.Store(true)
}

// confine takes from this process what a decoder does not need, for good.
func confine() {
	memory, err1 := strconv.ParseUint(os.Args[2], 10, 63)
	seconds, err2 := strconv.ParseUint(os.Args[3], 10, 31)
	back, err3 := strconv.ParseBool(os.Args[4])
	if errors.Join(err1, err2, err3) != nil {
		os.Exit(2)
	}
	if err := limit(memory, seconds, back); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err) // if nobody hears it, the status still tells
		os.Exit(2)
	}
}

// How a file is answered.
const (
	decoded = iota
	broken
	tooBig
	unsupported
)

// question begins what the parent sends: a number that comes back with the answer, and the size of the file that
// follows. A child that was taken over by one file cannot answer for the next before it was asked.
type question struct{ Number, Size uint64 }

// answer begins what comes back; when it is decoded a picture follows, otherwise nothing.
type answer struct {
	Number uint64
	How    uint8
	Done   uint16 // thousandths of the picture that the file had
}

// serve decodes one file after the other until its standard input ends.
func serve(in io.Reader, to io.Writer) int {
	out := bufio.NewWriter(to)
	for {
		var q question
		if err := binary.Read(in, binary.BigEndian, &q); err != nil {
			return 0 // the parent is done with this child
		}
		file := make([]byte, q.Size)
		if _, err := io.ReadFull(in, file); err != nil {
			return 2
		}
		p, err := decode(file)
		a := answer{Number: q.Number, How: broken}
		switch {
		case err == nil:
			a.How, a.Done = decoded, uint16(p.Done*1000)
		case errors.Is(err, lenient.ErrTooBig):
			a.How = tooBig
		case errors.Is(err, lenient.ErrUnsupported):
			a.How = unsupported
		}
		if binary.Write(out, binary.BigEndian, a) != nil {
			return 2
		}
		if a.How == decoded && writePicture(out, p.Image) != nil {
			return 2
		}
		if out.Flush() != nil {
			return 2
		}
		debug.FreeOSMemory() // the next file may be long in coming
	}
}
