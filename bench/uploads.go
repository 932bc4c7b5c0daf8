package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// withUploads serves in a process of its own, with hands that have bytes to send.
func withUploads(ctx context.Context, o options, hands int, do func(c *county, p *apart) error) (err error) {
	p, err := startApart(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c, err := settle(ctx, p, o, layout{hands: hands, sites: 1, people: hands})
	if err == nil {
		err = c.load()
	}
	if err == nil {
		err = c.quiet(ctx)
	}
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	return do(c, p)
}

// halfSent opens many uploads at once, sends half of each and waits, as phones do that lost their signal. What the
// server holds in memory meanwhile is looked at; then the other halves follow, and every file must be receipted.
func halfSent(ctx context.Context, o options, say sayer) error {
	if o.store != "sqlite" || o.blobs != "dir" {
		say("not measured: the server's own process takes the embedded store and a directory")
		return nil
	}
	hands := (o.sizes.half + perReport - 1) / perReport
	return withUploads(ctx, o, hands, func(c *county, p *apart) error {
		var due []declared
		for _, h := range c.hands {
			more, err := h.declare(ctx, recording)
			if err != nil {
				return err
			}
			due = append(due, more...)
		}
		due = due[:o.sizes.half]
		before, err := p.rest(ctx, c)
		if err != nil {
			return err
		}
		waiting := make([]*half, len(due))
		defer func() {
			for _, w := range waiting {
				if w != nil {
					_ = w.conn.Close() // answered, or given up
				}
			}
		}()
		most, err := c.peak(ctx, func() error {
			for i, d := range due {
				if waiting[i], err = c.hands[i/perReport].sendHalf(ctx, d, d.file); err != nil {
					return err
				}
			}
			return c.underWay(ctx, len(due))
		})
		if err != nil {
			return err
		}
		still, err := p.figures(ctx, c)
		if err != nil {
			return err
		}
		err = together(len(due), func(i int) error { return waiting[i].rest(due[i].file) })
		if err != nil {
			return err
		}
		say("%d uploads of %.1f MB, half of each sent, all connections open; the server in its own process, as it tells its memory itself, looked at every 20 ms", len(due), float64(o.photoBytes)/1e6)
		say("resident %s before; %s while they wait, %s more; %s at most while they came, %s more (goal: 20 MB); heap in use %s, %s, %s; before and while they wait after a collection", mb(before.resident),
			mb(still.resident), mb(still.resident-before.resident), mb(most.resident), mb(most.resident-before.resident), mb(before.heap), mb(still.heap), mb(most.heap))
		say("then the other halves were sent: %d of %d were receipted", len(due), len(due))
		return nil
	})
}

// underWay waits until so many uploads send at the same time.
func (c *county) underWay(ctx context.Context, n int) error {
	for begin := time.Now(); ; {
		f, err := c.figures(ctx)
		if err != nil || int(f.uploads) == n {
			return err
		}
		if time.Since(begin) > silence {
			return fmt.Errorf("%.0f uploads are under way of %d", f.uploads, n)
		}
		if err := until(ctx, time.Now().Add(20*time.Millisecond)); err != nil {
			return err
		}
	}
}

const silence = 25 * time.Second // a little less than the server waits for a body that says nothing

// half is an upload that waits in the middle.
type half struct{ conn net.Conn }

func (h *hand) sendHalf(ctx context.Context, d declared, f file) (*half, error) {
	conn, host, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	w := &half{conn}
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "POST /v1/uploads HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n", host, h.token, f.size()) // a buffer never fails
	err = phone.UploadHeader(d.id, d.sum, f.kind, f.size()).Write(&b)
	b.WriteString("\r\n")
	b.Write(f.head)
	b.Write(f.rest[:len(f.rest)/2])
	if err == nil {
		_, err = conn.Write(b.Bytes())
	}
	return w, err
}

// rest sends the other half and reads the receipt.
func (w *half) rest(f file) error {
	if _, err := w.conn.Write(f.rest[len(f.rest)/2:]); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(w.conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated || answer.Header.Get("Fieldclue-Receipt") == "" {
		return fmt.Errorf("half an upload went on to %s, without a receipt", answer.Status)
	}
	return nil
}

// largeFile sends a small recording and a very large one, each in one request, and watches the memory of the server:
// what it needs must not grow with the file.
func largeFile(ctx context.Context, o options, say sayer) error {
	if o.store != "sqlite" || o.blobs != "dir" {
		say("not measured: the server's own process takes the embedded store and a directory")
		return nil
	}
	return withUploads(ctx, o, 1, func(c *county, p *apart) error {
		h := c.hands[0]
		say("a recording in one request; the server in its own process, as it tells its memory itself, looked at every 20 ms")
		for _, size := range []int64{o.sizes.file / 100, o.sizes.file} {
			body := func() io.Reader { return io.LimitReader(&endless{head: recording(c, newID()).head}, size) }
			d, err := h.declareOne(ctx, "audio/mp4", size, body())
			if err != nil {
				return err
			}
			before, err := p.rest(ctx, c)
			if err != nil {
				return err
			}
			begin := time.Now()
			most, err := c.peak(ctx, func() error { return h.upload(ctx, d, "audio/mp4", size, body()) })
			if err != nil {
				return err
			}
			say("%.0f MB in %.1f s: resident %s before, %s at most: %s more; heap in use %s and %s", float64(size)/1e6, time.Since(begin).Seconds(), mb(before.resident), mb(most.resident),
				mb(most.resident-before.resident), mb(before.heap), mb(most.heap))
		}
		return nil
	})
}

// endless is a recording that never ends, the same each time it is read from the start.
type endless struct {
	head []byte
	at   int64
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		if e.at < 32 { // the type; what follows differs from place to place
			p[i] = e.head[e.at]
		} else {
			p[i] = byte(e.at ^ e.at>>8 ^ e.at>>16)
		}
		e.at++
	}
	return len(p), nil
}

func (h *hand) declareOne(ctx context.Context, kind string, size int64, body io.Reader) (declared, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return declared{}, err
	}
	d := declared{id: newID(), sum: hex.EncodeToString(sum.Sum(nil))}
	h.body = append(h.declaration(h.begin(), d, kind, size), `]}`...)
	return d, h.pushed(ctx, 1)
}

// browsers open this many connections to one server.
const browserConnections = 6

// reviewScreen fetches the renditions of a report's photos as a supervisor's browser does, from a server that has just
// started and whose files are in nobody's cache.
func reviewScreen(ctx context.Context, o options, say sayer) (err error) {
	if o.store != "sqlite" || o.blobs != "dir" {
		say("not measured: the server's own process takes the embedded store and a directory")
		return nil
	}
	var c *county
	photos := make([]field.RecordID, 0, o.sizes.screen)
	err = withUploads(ctx, o, 1, func(set *county, _ *apart) error {
		c = set
		files, e := c.declare(ctx, o.sizes.screen, func(*county, field.RecordID) file { // no two alike, or they would share their renditions
			b, e := picture(min(o.photoBytes, enoughBytes))
			err = errors.Join(err, e)
			return file{"image/jpeg", b, nil}
		})
		if err = errors.Join(err, e); err != nil {
			return err
		}
		upload := c.photo(files)
		for n := range o.sizes.screen {
			if _, err := upload(ctx, 0, n); err != nil {
				return err
			}
		}
		photos = c.hands[0].docs
		return c.examined(ctx, photos)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"small", "large"} {
		if err := c.screen(ctx, photos, name, say); err != nil {
			return err
		}
	}
	return nil
}

const enoughBytes = 1_600_000 // of an original that is just wide enough for the large rendition

// examined waits until every photo has its renditions.
func (c *county) examined(ctx context.Context, photos []field.RecordID) error {
	for _, id := range photos {
		for begin := time.Now(); ; {
			var p struct{ Fields map[string]any }
			if err := c.as(c.desk).Ask(ctx, "GET", "/v1/photos/"+string(id), nil, &p); err != nil {
				return err
			}
			if p.Fields["small"] != nil && p.Fields["large"] != nil {
				break
			}
			if time.Since(begin) > patience {
				return fmt.Errorf("photo %s has no renditions after %s", id, patience)
			}
			if err := until(ctx, time.Now().Add(20*time.Millisecond)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *county) screen(ctx context.Context, photos []field.RecordID, name string, say sayer) (err error) {
	cached, err := forgetFiles(c.o.dir)
	if err != nil {
		return err
	}
	p, err := startApart(ctx, c.o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c.url = p.URL()
	defer c.http.CloseIdleConnections()
	if err := c.look(ctx, photos, name, "a server that has just started, "+cached, say); err != nil {
		return err
	}
	return c.look(ctx, photos, name, "the same again, within the quarter of an hour in which one looks once", say)
}

func (c *county) look(ctx context.Context, photos []field.RecordID, name, how string, say sayer) error {
	took := make(times, len(photos))
	var next, size atomic.Int64
	begin := time.Now()
	err := together(browserConnections, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(photos) {
				return nil
			}
			t := time.Now()
			var b []byte
			if err := c.as(c.desk).Ask(ctx, "GET", "/v1/photos/"+string(photos[i])+"/"+name, nil, &b); err != nil {
				return err
			}
			took[i] = time.Since(t)
			size.Add(int64(len(b)))
		}
	})
	if err != nil {
		return err
	}
	all := time.Since(begin)
	took = took.sorted()
	say("%d %s renditions, %.1f MB, over %d connections, each in the log as seen before it leaves; %s: %s (goal: 1 s); p50 %s, longest %s",
		len(photos), name, float64(size.Load())/1e6, browserConnections, how, brief(all), brief(took.at(.5)), brief(took.at(1)))
	return nil
}

// dataFiles calls fn for every file of a server.
func dataFiles(dir string, fn func(path string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return fn(path)
	})
}
