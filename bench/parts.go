package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"fieldclue/server/app"
	"fieldclue/server/field"
)

// part is a measurement with a server and a county of its own. It prints what it compares on what.
type part struct {
	name  string // for -only
	title string
	long  bool // only when it is named, or with -all
	do    func(ctx context.Context, o options, say sayer) error
}

type sayer func(format string, args ...any)

var parts = []part{
	{"half-load", "a single push at half the load", false, halfLoad},
	{"examine", "a photo of 12 megapixels becomes facts, a hash and two renditions", false, examine},
	{"half-sent", "uploads that stopped in the middle, and the memory they hold", false, halfSent},
	{"hot-scope", "one scope to which everybody writes", false, hotScope},
	{"sign-in-flood", "people sign in while others flood the sign-in", false, signInFlood},
	{"pull-1m", "a pull from a store a hundred times as large", true, pullFromMany},
	{"alike", "photos that look like one, among as many", true, lookAlike},
	{"first-load", "a phone loads everything for the first time", true, firstLoad},
	{"listeners", "phones that listen", true, manyListeners},
	{"large-file", "a file of 2 GB, and the memory it takes", true, largeFile},
	{"review-screen", "the renditions of a report, from a cold cache", true, reviewScreen},
}

// sizes of the parts. The test takes smaller ones.
type sizes struct {
	pushRate  int // a second, at half the load
	devices   int // of the hot scope
	large     int // sites of the large store; the small one has a hundredth, and both have perSite records at each
	perSite   int
	first     int // records of the first load
	phones    int // that load at once
	listeners int
	deaf      int           // listeners that do not read
	photo     image.Point   // that is examined
	idle      time.Duration // for which listeners wait before they are looked at
	half      int           // uploads that are half sent at once
	file      int64         // bytes of the large file; the small one has a hundredth
	screen    int           // photos of the review screen
}

var fullSizes = sizes{pushRate: 1500, devices: 200, large: 2000, perSite: 500, first: 100_000, phones: 20, listeners: 10_000, deaf: 1000, photo: image.Pt(4000, 3000), idle: 16 * time.Second, half: 200, file: 2_000_000_000, screen: 30}

// chosen lists the parts whose name holds what -only says; without it those that are quick, and with -all every one.
func chosen(o options) []part {
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return !o.picks(p.name) || p.long && o.only == "" && !o.all
	})
}

func partNames() string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return strings.Join(all, ", ")
}

// runParts measures the chosen parts, each in a directory that is emptied after it.
func runParts(ctx context.Context, o options, say sayer) error {
	for _, p := range chosen(o) {
		runtime.GC() // nobody pays for the measurement before
		begin := time.Now()
		say("\n%s: %s", p.name, p.title)
		in := o
		in.dir = filepath.Join(o.dir, p.name)
		err := os.MkdirAll(in.dir, 0o700)
		if err == nil {
			err = p.do(ctx, in, func(format string, args ...any) { say("  "+format, args...) })
		}
		if err = errors.Join(err, os.RemoveAll(in.dir)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		say("  (%.0f s)", time.Since(begin).Seconds())
	}
	return nil
}

// serveHere starts the server of a part in this process.
func serveHere(ctx context.Context, o options) (*app.App, error) {
	cfg, err := configure(o)
	if err != nil {
		return nil, err
	}
	return app.Start(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

// times are how long something took, each time.
type times []time.Duration

func (t times) at(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[min(len(t)-1, max(0, int(math.Ceil(q*float64(len(t))))-1))]
}

func (t times) sorted() times {
	slices.Sort(t)
	return t
}

// halfLoad sends single pushes by the clock, whether the one before has been answered or not, and measures each from
// the moment at which it was due: a server that stops for a while is charged for everybody who would have come
// meanwhile.
func halfLoad(ctx context.Context, o options, say sayer) (err error) {
	a, err := serveHere(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	c, err := settle(ctx, a, o, layout{hands: o.clients, sites: o.clients, people: o.clients})
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	push := c.push(1)
	every := time.Duration(o.clients) * time.Second / time.Duration(o.sizes.pushRate)
	count := int(2 * o.duration / every)
	took := make([]times, o.clients)
	begin := time.Now().Add(50 * time.Millisecond)
	err = together(o.clients, func(client int) error {
		for n := range count {
			due := begin.Add(time.Duration(n)*every + every*time.Duration(client)/time.Duration(o.clients))
			if err := until(ctx, due); err != nil {
				return err
			}
			if _, err := push(ctx, client, n); err != nil {
				return err
			}
			took[client] = append(took[client], time.Since(due))
		}
		return nil
	})
	if err != nil {
		return err
	}
	spent := time.Since(begin)
	all := times(slices.Concat(took...)).sorted()
	say("single pushes, %d clients, open loop: %d /s were due, %s /s were answered; each is measured from the moment at which it was due", o.clients, o.sizes.pushRate, thousands(float64(len(all))/spent.Seconds()))
	say("p50 %s   p90 %s   p99 %s (goal: under 20 ms)   p99.9 %s   longest %s", brief(all.at(.5)), brief(all.at(.9)), brief(all.at(.99)), brief(all.at(.999)), brief(all.at(1)))
	return c.nothingLost(ctx, say)
}

// hotScope lets many devices push to one site, each as soon as it has its answer.
func hotScope(ctx context.Context, o options, say sayer) (err error) {
	a, err := serveHere(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	c, err := settle(ctx, a, o, layout{hands: o.sizes.devices, sites: 1, people: min(20, o.sizes.devices)})
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections() // a server that stops waits for connections on which nothing was asked yet
	push := c.push(1)
	took := make([]times, len(c.hands))
	begin := time.Now()
	err = together(len(c.hands), func(client int) error {
		for n := 0; time.Since(begin) < o.duration && ctx.Err() == nil; n++ {
			t := time.Now()
			if _, err := push(ctx, client, n); err != nil {
				return err
			}
			took[client] = append(took[client], time.Since(t))
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	spent := time.Since(begin)
	var counts []int
	var longest times
	for _, t := range took {
		counts = append(counts, len(t))
		longest = append(longest, t.sorted().at(1))
	}
	slices.Sort(counts)
	longest = longest.sorted()
	all := times(slices.Concat(took...)).sorted()
	say("single pushes to one scope, %d devices in a closed loop: %s pushes/s (goal: over 2,000); p50 %s, p99 %s", len(took), thousands(float64(len(all))/spent.Seconds()), brief(all.at(.5)), brief(all.at(.99)))
	say("pushes of one device: least %d, median %d, most %d; its longest wait: median %s, of the worst device %s, which is %.1f times the median wait for one push",
		counts[0], counts[len(counts)/2], counts[len(counts)-1], brief(longest.at(.5)), brief(longest.at(1)), float64(longest.at(1))/float64(max(all.at(.5), 1)))
	// Every device reads the same scope: one looks for what all of them were promised.
	one := &hand{county: c, token: c.hands[0].token, device: c.hands[0].device}
	for _, h := range c.hands {
		one.docs = append(one.docs, h.docs...)
	}
	whole := &county{o: c.o, url: c.url, http: c.http, hands: []*hand{one}}
	return whole.nothingLost(ctx, say)
}

// nothingLost looks for every document that was acknowledged.
func (c *county) nothingLost(ctx context.Context, say sayer) error {
	lost, twice, err := c.compare(ctx)
	if err != nil {
		return err
	}
	say("%d documents were acknowledged; %d are missing, %d are there twice", c.acknowledged(), lost, twice)
	if lost+twice > 0 {
		return errors.New("what is stored is not what was acknowledged")
	}
	return nil
}

// together runs n at once and waits for all.
func together(n int, do func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func until(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// newIDs makes as many ids.
func newIDs(n int) []field.RecordID {
	ids := make([]field.RecordID, n)
	for i := range ids {
		ids[i] = newID()
	}
	return ids
}
