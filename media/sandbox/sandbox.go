// Package sandbox decodes pictures with decoders that are not trusted: in a child process with bounds on memory and
// time, one at a time. Whatever such a picture does there, to the server it is a picture that cannot be shown.
//
// The child is the same program, started again with a hidden argument: main calls Main before anything else. Start with
// Decoder.HEIC; child.go is what runs on the other side, and what comes back over its standard output is written and
// read in picture.go.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"fieldclue/server/field"
)

// Limits bound one child. Zero values take the default in brackets.
type Limits struct {
	Memory  int64         // bytes of writable memory [1 GiB: a HEIC of about 40 megapixels]
	Time    time.Duration // from start to end, and of processor time [1 minute]
	Waiting time.Duration // for the child's end, once it was killed [5 s]
}

// Decoder starts the children, one at a time.
type Decoder struct {
	limits Limits
	turn   chan struct{} // holds a token while nobody decodes
	work   string        // the hidden argument
}

// New makes a decoder.
func New(l Limits) *Decoder {
	if l.Memory == 0 {
		l.Memory = 1 << 30
	}
	if l.Time == 0 {
		l.Time = time.Minute
	}
	if l.Waiting == 0 {
		l.Waiting = 5 * time.Second
	}
	d := &Decoder{limits: l, turn: make(chan struct{}, 1), work: workHEIC}
	d.turn <- struct{}{}
	return d
}

// HEIC decodes the file, from its start, to an upright picture whose longer side is at most MaxSide. What the file does
// to its child is an error of the file: CodeNotAPhoto when it is broken or takes more memory or time than it may,
// CodePhotoTooBig when it has too many pixels. Any other error says that the decoder could not be tried.
func (d *Decoder) HEIC(ctx context.Context, file io.ReadSeeker) (*image.RGBA, error) {
	if !ready.Load() {
		return nil, errors.New("sandbox: this program cannot start itself as a decoder: its main does not call sandbox.Main")
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.turn:
		defer func() { d.turn <- struct{}{} }()
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.run(ctx, file)
}

func (d *Decoder) run(ctx context.Context, file io.Reader) (*image.RGBA, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, cancel := context.WithTimeout(ctx, d.limits.Time)
	defer cancel()
	cmd := exec.CommandContext(in, self, d.work, strconv.FormatInt(d.limits.Memory, 10), strconv.FormatInt(int64(d.limits.Time/time.Second)+1, 10))
	// Not a word of the server's environment: it holds passwords.
	cmd.Env = []string{"GOMAXPROCS=1", "GOMEMLIMIT=" + strconv.FormatInt(d.limits.Memory/2, 10)}
	cmd.Stdin = struct{ io.Reader }{file} // through a pipe: the child gets no hold on the original
	said := &head{most: 4 << 10}
	cmd.Stderr = said
	cmd.WaitDelay = d.limits.Waiting
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	img, wrong := readPicture(out)
	if wrong != nil {
		_ = cmd.Process.Kill() // it has ended, or it says what nobody wants to hear
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil: // ours, not the file's
		return nil, ctx.Err()
	case in.Err() != nil:
		return nil, field.Refuse(field.CodeNotAPhoto, "The picture took longer than %s to decode.", d.limits.Time)
	case cmd.ProcessState.ExitCode() == exitBroken:
		return nil, field.Refuse(field.CodeNotAPhoto, "The image is broken.").Because(said)
	case cmd.ProcessState.ExitCode() == exitTooBig:
		return nil, field.Refuse(field.CodePhotoTooBig, "")
	case ended != nil || wrong != nil:
		return nil, field.Refuse(field.CodeNotAPhoto, "The decoder failed on the picture, or it took more than %d MiB.", d.limits.Memory>>20).
			Because(fmt.Errorf("%w: %w", errors.Join(ended, wrong), said))
	}
	return img, nil
}

// head keeps the start of what the child says to its standard error.
type head struct {
	most int
	buf  bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.buf.Write(p[:min(len(p), h.most-h.buf.Len())])
	return len(p), nil
}

func (h *head) Error() string { return "the decoder said: " + h.buf.String() }
