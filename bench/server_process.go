package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// serveVariable names the directory that a process serves instead of measuring: the server of a part that looks at the
// memory of the server alone.
const serveVariable = "FIELDCLUE_BENCH_SERVE"

// greeting is what such a process says when it serves.
type greeting struct{ Address, Code string }

// serveApart is the life of such a process: it serves until its input ends. For every line of it, it gives back the
// memory that it does not need.
func serveApart(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a, err := serveHere(ctx, options{store: "sqlite", blobs: "dir", dir: dir})
	if err != nil {
		return err
	}
	code, err := a.SetupCode(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(greeting{a.URL(), code})
	}
	for asks := bufio.NewScanner(os.Stdin); err == nil && asks.Scan(); { // until the process that measures has gone
		debug.FreeOSMemory()
		_, err = fmt.Println()
	}
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(err, a.Stop(last))
}

// apart is a server in a process of its own.
type apart struct {
	greeting
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startApart(ctx context.Context, o options) (*apart, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &apart{cmd: exec.CommandContext(ctx, self)}
	p.cmd.Env = append(os.Environ(), serveVariable+"="+o.dir)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.greeting)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server's process: %w", err), p.stop())
	}
	return p, nil
}

// rest waits until the server has nothing to do, lets it give back the memory that it does not need, and reads its
// figures.
func (p *apart) rest(ctx context.Context, c *county) (figures, error) {
	if err := c.quiet(ctx); err != nil {
		return figures{}, err
	}
	return p.figures(ctx, c)
}

// figures lets the server give back the memory that it does not need, and reads its figures.
func (p *apart) figures(ctx context.Context, c *county) (figures, error) {
	if _, err := fmt.Fprintln(p.in); err != nil {
		return figures{}, err
	}
	if _, err := p.out.ReadString('\n'); err != nil {
		return figures{}, err
	}
	return c.figures(ctx)
}

func (p *apart) stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// SetupCode makes a process of its own as good as an app for settle.
func (p *apart) SetupCode(context.Context) (string, error) { return p.Code, nil }

// URL is where it answers.
func (p *apart) URL() string { return p.Address }

// figures are what the server says of itself.
type figures struct {
	heap, resident float64 // bytes
	files          float64 // that it may have open
	listeners      float64
	uploads        float64 // under way
	busy           float64 // seconds of processor time so far
}

const metricsToken = "the-token-of-the-bench"

func (c *county) figures(ctx context.Context) (figures, error) {
	var raw []byte
	err := c.as(metricsToken).Ask(ctx, "GET", "/metrics", nil, &raw)
	if err != nil {
		return figures{}, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(raw)) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				all[name] = n
			}
		}
	}
	f := figures{
		heap: all["go_memstats_heap_inuse_bytes"], resident: all["process_resident_memory_bytes"],
		files: all["process_max_fds"], listeners: all["fieldclue_event_listeners"], uploads: all["fieldclue_uploads_under_way"],
		busy: all["process_cpu_seconds_total"],
	}
	if f.heap == 0 {
		return f, errors.New("the server's metrics do not tell its heap")
	}
	return f, nil
}

// quiet waits until the server has nothing more to do: the followers of the log read what was filled in beside it.
func (c *county) quiet(ctx context.Context) error {
	const look, most = 500 * time.Millisecond, 2 * time.Minute
	last, err := c.figures(ctx)
	if err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < most; {
		if err := until(ctx, time.Now().Add(look)); err != nil {
			return err
		}
		now, err := c.figures(ctx)
		if err != nil {
			return err
		}
		if now.busy-last.busy < look.Seconds()/20 {
			return nil
		}
		last = now
	}
	return fmt.Errorf("the server is still busy after %s", most)
}

// peak watches the server's memory while something goes on.
func (c *county) peak(ctx context.Context, do func() error) (most figures, err error) {
	stop := make(chan struct{})
	var watching sync.WaitGroup
	var watchErr error
	watching.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			f, err := c.figures(ctx)
			if err != nil {
				watchErr = err
				return
			}
			most.heap, most.resident = max(most.heap, f.heap), max(most.resident, f.resident)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	err = do()
	close(stop)
	watching.Wait()
	return most, errors.Join(err, watchErr)
}

func mb(bytes float64) string { return fmt.Sprintf("%.0f MB", bytes/1e6) }

// firstLoad lets phones load everything that one user may read, page by page, and watches the memory of the server,
// which runs in a process of its own. The same is done with a tenth of the records: what grows with them is no stream.
func firstLoad(ctx context.Context, o options, say sayer) error {
	if o.store != "sqlite" {
		say("not measured: it fills the embedded store beside the server")
		return nil
	}
	say("the server in its own process; heap in use and resident set as it tells them itself, looked at every 20 ms")
	for _, records := range []int{o.sizes.first / 10, o.sizes.first} {
		in := o
		in.dir = filepath.Join(o.dir, strconv.Itoa(records))
		if err := loadFirst(ctx, in, records, say); err != nil {
			return err
		}
	}
	return nil
}

func loadFirst(ctx context.Context, o options, records int, say sayer) (err error) {
	p, err := startApart(ctx, o)
	if err != nil {
		return err
	}
	c, err := settle(ctx, p, o, layout{hands: 1, sites: readable, people: 1, reads: readable})
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	if err := fill(ctx, o, c.sites, records/readable, docBytes-250); err != nil {
		return err
	}
	if p, err = startApart(ctx, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c.url = p.URL()
	if err := c.quiet(ctx); err != nil {
		return err
	}
	rest, err := c.figures(ctx)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s records of about %d bytes: at rest heap %s, resident %s", thousands(float64(records)), docBytes, mb(rest.heap), mb(rest.resident))
	for _, phones := range []int{1, o.sizes.phones} {
		begin := time.Now()
		most, err := c.peak(ctx, func() error {
			return together(phones, func(int) error { return c.hands[0].loadAll(ctx, records) })
		})
		if err != nil {
			return err
		}
		line += fmt.Sprintf("; %d at once: peak heap %s, resident %s, %s docs/s", phones, mb(most.heap), mb(most.resident), thousands(float64(phones*records)/time.Since(begin).Seconds()))
	}
	say("%s", line)
	return nil
}

// loadAll reads everything from nothing, as one more phone of the hand's.
func (h *hand) loadAll(ctx context.Context, want int) error {
	one := &hand{county: h.county, token: h.token, device: h.device}
	got := 0
	for more := true; more; {
		n, again, err := one.page(ctx)
		if err != nil {
			return err
		}
		got, more = got+n, again
	}
	if got < want {
		return fmt.Errorf("%d records came of %d", got, want)
	}
	return nil
}
