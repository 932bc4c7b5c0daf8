package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"
)

// program is the server that is started and killed, always on the same port.
type program struct {
	path, data, listen string
	env                []string // beside the environment of this process
	log                *os.File // its standard error
}

// process is one life of the server.
type process struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it serves
	ended  chan struct{} // closed when it is gone; err is set then
	err    error
	killed atomic.Bool
	code   chan string // the setup code, when it printed one
	begun  time.Time
}

// build makes the program, unless one was given, and chooses where it listens.
func build(ctx context.Context, o options) (*program, error) {
	p := &program{path: o.program, data: filepath.Join(o.dir, "data")}
	if p.path == "" {
		p.path = filepath.Join(o.dir, "fieldclue")
		if err := buildProgram(ctx, p.path); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.listen = ln.Addr().String()
	if err := ln.Close(); err != nil {
		return nil, err
	}
	p.log, err = os.OpenFile(filepath.Join(o.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return p, err
}

func buildProgram(ctx context.Context, to string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", to, "fieldclue/server").CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return nil
}

var setupCode = regexp.MustCompile(`This setup code makes one, once: +(\S+)`)

// start begins another life. It does not wait until the server serves.
func (p *program) start() (*process, error) {
	cmd := exec.Command(p.path, "serve", "--data", p.data, "--listen", p.listen, "--log-level", "warn")
	cmd.Env = append(append(os.Environ(), "FIELDCLUE_ACCESS_TTL=1h"), p.env...)
	cmd.Stderr = p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	life := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{}), code: make(chan string, 1), begun: time.Now()}
	go func() {
		lines := bufio.NewScanner(out)
		for first := true; lines.Scan(); {
			if first {
				close(life.ready) // its first words are that it serves
				first = false
			}
			if m := setupCode.FindStringSubmatch(lines.Text()); m != nil {
				life.code <- m[1]
			}
		}
		life.err = cmd.Wait()
		close(life.ended)
	}()
	return life, nil
}

// kill ends the process with SIGKILL and waits until it is gone. An end that was not ours is an error.
func (l *process) kill() error {
	select {
	case <-l.ended:
		return l.strange()
	default:
	}
	l.killed.Store(true)
	if err := l.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-l.ended
	return nil
}

// errGone says that the server was not there to answer.
var errGone = errors.New("the server is gone")

// serving waits until the server serves.
func (l *process) serving(ctx context.Context) error {
	select {
	case <-l.ready:
		return nil
	case <-l.ended:
		return errors.Join(errGone, l.strange())
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("the server does not start to serve within a minute")
	}
}

// strange says that the server ended by itself; nil when it was killed.
func (l *process) strange() error {
	if l.killed.Load() {
		return nil
	}
	return fmt.Errorf("the server ended by itself, see server.log: %w", errors.Join(l.err, errors.New("nobody killed it")))
}

// verify runs the program's own verification of everything that is stored.
func (p *program) verify(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, p.path, "verify", "--data", p.data)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("fieldclue verify: %w\n%s", err, out)
	}
	return string(out), nil
}
