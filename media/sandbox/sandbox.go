// Package sandbox decodes pictures: in child processes with bounds on memory and time. Whatever a file does there, to
// the server it is a file that cannot be shown. The server itself never decodes pixels.
//
// A child is the same program, started again with a hidden argument: main calls Main before anything else. It decodes
// one file after the other, and is replaced when it has failed, was killed, or has worked for long. Start with
// Decoder.Decode; child.go is what runs on the other side, decode.go says which decoder takes which file and what may
// take long, and what comes back over the child's standard output is written and read in picture.go.
package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"fieldclue/server/field"
)

// Limits bound the children. Zero values take the default in brackets.
type Limits struct {
	Children   int           // at once [1]
	Memory     int64         // bytes of writable memory of one [512 MiB: a HEIC of about 18 megapixels]
	Time       time.Duration // of the processor for one file; of the clock where the system does not tell [1 minute]
	Wall       time.Duration // of the clock for one file, waiting for a turn not counted [4 times Time]
	Waiting    time.Duration // for a child's end, once it was killed [5 s]
	Idle       time.Duration // after which a child that has nothing to do ends [30 s]
	Background bool          // they stand behind all others that want the processor
}

// Picture is what a file shows.
type Picture struct {
	Image *image.RGBA // its longer side is at most MaxSide; a HEIC is upright, others are as stored
	Done  float64     // which share of it the file had: less than 1 when it is cut off
}

// ErrLimits is among the causes when a file took more time or memory than it may, or broke its child otherwise: a
// decoder with other limits may do better.
var ErrLimits = errors.New("the decoder came to its limits")

// Decoder keeps the children.
type Decoder struct {
	limits Limits
	turns  chan *child // one for each that may run: a child that waits, or nil
	work   string      // the hidden argument
}

// New makes a decoder. It starts no child before there is something to decode.
func New(l Limits) *Decoder {
	if l.Children == 0 {
		l.Children = 1
	}
	if l.Memory == 0 {
		l.Memory = 512 << 20
	}
	if l.Time == 0 {
		l.Time = time.Minute
	}
	if l.Wall == 0 {
		l.Wall = 4 * l.Time
	}
	if l.Waiting == 0 {
		l.Waiting = 5 * time.Second
	}
	if l.Idle == 0 {
		l.Idle = 30 * time.Second
	}
	d := &Decoder{limits: l, turns: make(chan *child, l.Children), work: workDecode}
	for range l.Children {
		d.turns <- nil
	}
	return d
}

// Decode decodes a JPEG, PNG or HEIC file, from its start. What the file does to its child is an error of the file:
// CodeNotAPhoto when it is broken or takes more memory or time than it may (ErrLimits is then among its causes),
// CodePhotoTooBig when it has too many pixels, CodeUnsupportedType when it is coded as no browser shows it. Any other
// error says that the decoder could not be tried.
func (d *Decoder) Decode(ctx context.Context, file io.ReadSeeker) (Picture, error) {
	if !ready.Load() {
		return Picture{}, errors.New("sandbox: this program cannot start itself as a decoder: its main does not call sandbox.Main")
	}
	var c *child
	select {
	case <-ctx.Done():
		return Picture{}, ctx.Err()
	case c = <-d.turns:
	}
	defer func() { d.rest(c) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return Picture{}, err
	}
	for {
		used := c != nil
		if !used {
			if c, err = d.start(); err != nil {
				return Picture{}, err
			}
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return Picture{}, err
		}
		p, err := d.ask(ctx, c, file, uint64(size))
		if c.failed {
			late := c.late
			c = nil
			// One that had waited may have died of something else.
			if used && !late && ctx.Err() == nil {
				continue
			}
		}
		return p, err
	}
}

// rest puts a child back, or away when it has worked for long: its processor time is bounded as a whole.
func (d *Decoder) rest(c *child) {
	if c != nil && c.worked > d.limits.Time {
		c.end()
		c = nil
	}
	if c != nil {
		c.since = time.Now()
		time.AfterFunc(d.limits.Idle, d.tidy)
	}
	d.turns <- c
}

// tidy ends the children that had nothing to do.
func (d *Decoder) tidy() {
	for range cap(d.turns) {
		select {
		case c := <-d.turns:
			if c != nil && time.Since(c.since) >= d.limits.Idle {
				c.end()
				c = nil
			}
			d.turns <- c
		default: // the others are at work
			return
		}
	}
}

// Close ends the children, after what they are at. Nothing is decoded afterwards.
func (d *Decoder) Close() {
	for range cap(d.turns) {
		if c := <-d.turns; c != nil {
			c.end()
		}
	}
}

// child is a process. It belongs to the one who took it from the turns.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	said   *head
	worked time.Duration
	since  time.Time // when it came to rest
	failed bool      // it is of no more use
	late   bool      // because it took too long
}

func (d *Decoder) start() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	seconds := 2*int64(d.limits.Time/time.Second) + 2
	c := &child{said: &head{most: 4 << 10}}
	c.cmd = exec.Command(self, d.work, strconv.FormatInt(d.limits.Memory, 10), strconv.FormatInt(seconds, 10), strconv.FormatBool(d.limits.Background))
	// Not a word of the server's environment: it holds passwords.
	c.cmd.Env = []string{"GOMAXPROCS=1", "GOMEMLIMIT=" + strconv.FormatInt(d.limits.Memory/2, 10)}
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = d.limits.Waiting
	if c.in, err = c.cmd.StdinPipe(); err != nil { // through a pipe: the child gets no hold on the original
		return nil, err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	return c, nil
}

// end ends the process, whatever it does.
func (c *child) end() {
	_ = c.in.Close()         // an honest child ends at that
	_ = c.cmd.Process.Kill() // it has ended, or it is not honest
	_ = c.cmd.Wait()         // how it ended was seen before
}

// ask sends a file and waits for the picture.
func (d *Decoder) ask(ctx context.Context, c *child, file io.Reader, size uint64) (Picture, error) {
	c.said.reset()
	begun := time.Now()
	late := d.hurry(c)
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() }) // it may have ended
	q := question{Number: rand.Uint64(), Size: size}
	from := &source{r: file}
	sent := make(chan error, 1)
	go func() {
		err := binary.Write(c.in, binary.BigEndian, q)
		if err == nil {
			_, err = io.CopyN(c.in, from, int64(size))
		}
		sent <- err
	}()
	p, how, err := read(c.out, q.Number)
	timely, heeded := !late(), stop()
	c.late = !timely
	if err != nil || !timely || !heeded {
		c.failed = true
		_ = c.cmd.Process.Kill() // what else it says nobody wants to hear; and the sending comes to its end
	}
	wrong := <-sent
	if wrong != nil {
		c.failed = true
	}
	if c.failed {
		c.end()
	}
	c.worked += time.Since(begun)
	switch {
	case !heeded: // ours, not the file's
		return Picture{}, ctx.Err()
	case from.err != nil:
		return Picture{}, from.err
	case !timely:
		return Picture{}, field.Refuse(field.CodeNotAPhoto, "The picture took longer than %s to decode.", d.limits.Time).Because(ErrLimits)
	case err != nil || wrong != nil:
		return Picture{}, field.Refuse(field.CodeNotAPhoto, "The decoder failed on the picture, or it took more than %d MiB.", d.limits.Memory>>20).
			Because(errors.Join(ErrLimits, err, wrong, c.said))
	case how == tooBig:
		return Picture{}, field.Refuse(field.CodePhotoTooBig, "")
	case how == unsupported:
		return Picture{}, field.Refuse(field.CodeUnsupportedType, "The picture is coded in a way that cannot be shown.")
	case how != decoded:
		return Picture{}, field.Refuse(field.CodeNotAPhoto, "The image is broken.")
	}
	return p, nil
}

// hurry watches a child until late is called, which reports whether the child took too long. One that does is killed.
// On a busy machine the clock says little about a file, so what counts is what the child had of the processor.
func (d *Decoder) hurry(c *child) (late func() bool) {
	begun, pid := time.Now(), c.cmd.Process.Pid
	before, told := processorTime(pid)
	past := func() bool {
		onClock := time.Since(begun)
		if !told {
			return onClock > d.limits.Time
		}
		now, ok := processorTime(pid)
		return onClock > d.limits.Wall || ok && now-before > d.limits.Time
	}
	over, was := make(chan struct{}), make(chan bool, 1)
	go func() {
		look := time.NewTicker(min(d.limits.Time, d.limits.Wall, 100*time.Millisecond))
		defer look.Stop()
		for {
			select {
			case <-over:
				was <- past()
				return
			case <-look.C:
				if past() {
					_ = c.cmd.Process.Kill() // it may have ended
					was <- true
					return
				}
			}
		}
	}()
	return func() bool {
		close(over)
		return <-was
	}
}

// source keeps apart what is wrong with the original from what is wrong with the child.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// read reads an answer, and believes nothing.
func read(out io.Reader, number uint64) (p Picture, how uint8, err error) {
	var a answer
	if err := binary.Read(out, binary.BigEndian, &a); err != nil {
		return p, 0, err
	}
	if a.Number != number || a.How > unsupported || a.Done > 1000 {
		return p, 0, errPicture
	}
	if a.How != decoded {
		return p, a.How, nil
	}
	p.Done = float64(a.Done) / 1000
	p.Image, err = readPicture(out)
	return p, decoded, err
}

// head keeps the start of what the child says to its standard error.
type head struct {
	most int
	mu   sync.Mutex
	buf  bytes.Buffer // guarded by mu
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), h.most-h.buf.Len())])
	return len(p), nil
}

func (h *head) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Reset()
}

func (h *head) Error() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return "the decoder said: " + h.buf.String()
}
