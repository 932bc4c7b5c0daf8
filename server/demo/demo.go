// Package demo plays one day of inspection on a running server, through its public HTTP API and bad links: a county is
// set up, two inspectors work without signal, a supervisor reviews, a finding becomes a clue, and a revisit finds last
// year's problem again. At the end it compares what was written on the phones with what the server holds.
//
// Open story.go first: it is the day, step by step. memory.go is why the demo can be killed at any moment and goes on
// from where it was; desk.go is how the people at their desks ask the server, sync/phone the phones, over a link of
// sync/badlink; county.go holds the people and places, tally.go the comparison, picture.go makes the photos. All people
// and cases are invented.
//
// Not here: starting the server (server/app does) and anything that reaches around its HTTP API.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
)

// Options of a run. BaseURL, Dir and Out must be set.
type Options struct {
	BaseURL   string    // of the running server
	SetupCode string    // the one-time code of a server without an administrator; empty otherwise
	Dir       string    // what the demo remembers; the same directory goes on with the same story
	Out       io.Writer // progress and the table, for a person

	// Verify checks the log, the records and the photos of the server and says in a few lines what it found; an error
	// when anything is wrong. nil: not checked.
	Verify func(ctx context.Context) (string, error)
}

// ErrFigures says that the demo ran to its end and a figure is not right.
var ErrFigures = errors.New("demo: not every figure is right")

// Run plays the story to its end, or the rest of it where the directory says that it was begun. It returns ErrFigures
// when what the server holds is not what the phones wrote.
func Run(ctx context.Context, o Options) error {
	m, err := remember(o.Dir)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d := &demo{o: o, memory: m, desks: map[string]*desk{}, phones: map[string]*handset{}}
	err = d.play(ctx)
	for _, h := range d.phones {
		err = errors.Join(err, h.phone.Close())
	}
	return errors.Join(err, m.close())
}

type demo struct {
	o      Options
	memory *memory

	outMu sync.Mutex // guards writes to o.Out

	mu     sync.Mutex // guards desks and phones
	desks  map[string]*desk
	phones map[string]*handset
}

// say prints a line of progress.
func (d *demo) say(format string, args ...any) {
	d.outMu.Lock()
	defer d.outMu.Unlock()
	_, _ = fmt.Fprintf(d.o.Out, format+"\n", args...) // a console that is gone does not stop the demo
}

// title begins a part of the story.
func (d *demo) title(zh, en string) { d.say("\n━━ %s · %s", zh, en) }

// id is the id of something in the story: the same in every run on this directory.
func (d *demo) id(name string) field.RecordID {
	return field.DeriveID(d.memory.story.Start, "demo", d.memory.story.Seed, name)
}

// ago is a moment before the story began; the clocks of phones have milliseconds.
func (d *demo) ago(before time.Duration) time.Time { return d.memory.story.Start.Add(-before) }

func clock(t time.Time) string { return t.In(field.Beijing).Format("2006-01-02T15:04:05-07:00") }

// handset is a simulated phone with its link.
type handset struct {
	phone  *phone.Phone
	link   *badlink.Link
	login  string
	device string
	open   func() (*phone.Phone, error)
}

// handset opens the phone that a person carries. clockOff is how far its clock is wrong.
func (d *demo) handset(device, login string, clockOff time.Duration) (*handset, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.phones[device]; h != nil {
		return h, nil
	}
	seed := d.memory.number("link " + device)
	link := badlink.NewLink(badlink.LinkOptions{Seed: seed, Sleep: brief, Met: func(req *http.Request, f badlink.Fault) {
		where := req.URL.Path
		if strings.HasPrefix(where, "/v1/uploads/") {
			where = "/v1/uploads/…"
		}
		harm := f.Harm.String()
		if f.Harm == badlink.Cut && f.After > 0 {
			harm = fmt.Sprintf("cut after %s", megabytes(f.After))
		}
		d.say("   ⚡ %s: %s %s: %s", device, req.Method, where, harm)
	}})
	o := phone.Options{
		Dir: filepath.Join(d.o.Dir, "phones", device), BaseURL: d.o.BaseURL, App: "1.0.0-demo",
		Device:    phone.Device{ID: field.DeviceID(d.id("device " + device)), Name: device, Platform: "simulated"},
		Transport: link, Now: func() time.Time { return time.Now().Add(clockOff) }, Seed: seed, Sleep: brief, Attempts: 12,
		Unlock: func() (string, string) { return login, d.memory.password(login) },
	}
	h := &handset{link: link, login: login, device: device, open: func() (*phone.Phone, error) { return phone.Open(o) }}
	var err error
	if h.phone, err = h.open(); err != nil {
		return nil, err
	}
	d.phones[device] = h
	return h, nil
}

// restart ends the phone's process and starts it again, as an empty battery does.
func (h *handset) restart() error {
	if err := h.phone.Close(); err != nil {
		return err
	}
	var err error
	h.phone, err = h.open()
	return err
}

// brief waits a twentieth: nobody wants to sit through the back-off of a real phone.
func brief(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(min(d/20, 100*time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// await asks until the answer is yes. What follows the log on the server comes a little later than the click.
func await(ctx context.Context, what string, ready func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, err := ready()
		if err != nil || ok {
			return err
		}
		if brief(ctx, time.Second) != nil {
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
}

func megabytes(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
