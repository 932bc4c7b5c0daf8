package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fieldclue/server/app"
	"fieldclue/server/field"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// fill writes findings into sites through the engine, in the server's own name: each entry holds as many as a batch
// may. The store must not be served meanwhile.
func fill(ctx context.Context, o options, sites []field.RecordID, perSite, bytesEach int) (err error) {
	s, err := sqlite.Open(ctx, filepath.Join(o.dir, "data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e := engine.New(engine.Options{Store: s})
	text := field.Quote(strings.Repeat("x", bytesEach))
	title, severity := field.Quote("付款与进度不符"), field.Quote("serious")
	var next atomic.Int64
	return together(runtime.GOMAXPROCS(0), func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(sites) {
				return nil
			}
			site := field.Quote(sites[i])
			for left, number := perSite, int64(1); left > 0; number++ {
				n := min(left, protocol.MaxOperations)
				left -= n
				b := protocol.Batch{
					Actor: engine.Server, Device: "server/bench", Number: number, Strict: true, Trusted: true,
					Scope: field.MakeScope(field.ScopeSite, string(sites[i])),
				}
				for _, id := range newIDs(n) {
					b.Operations = append(b.Operations, protocol.Operation{ID: id, Kind: field.KindFinding, Set: map[string]field.Value{
						"siteId": site, "title": title, "severity": severity, "facts": text,
					}})
				}
				if _, err := e.Commit(ctx, b); err != nil {
					return err
				}
			}
		}
	})
}

// served is a filled store that is being served, and somebody who may read some of its sites.
type served struct {
	app     *app.App
	hand    *hand
	records int
	pull    []byte // the request that is measured
	none    []byte // a request that finds nothing new
}

// readable is how many sites the phone of the measurement may read.
const readable = 20

// serveMany makes a store of so many sites and serves it.
func serveMany(ctx context.Context, o options, sites, perSite int) (*served, error) {
	a, err := serveHere(ctx, o)
	if err != nil {
		return nil, err
	}
	c, err := settle(ctx, a, o, layout{hands: 1, sites: sites, people: 1, reads: readable})
	if err = errors.Join(err, a.Stop(ctx)); err != nil {
		return nil, err
	}
	if err := fill(ctx, o, c.sites, perSite, 300); err != nil {
		return nil, fmt.Errorf("filling %d sites: %w", sites, err)
	}
	if a, err = serveHere(ctx, o); err != nil {
		return nil, err
	}
	c.url = a.URL()
	m := &served{app: a, hand: c.hands[0], records: sites * perSite}
	return m, m.prepare(ctx)
}

// prepare reads everything once, writes some news at one site, and keeps the request that finds it.
func (m *served) prepare(ctx context.Context) error {
	h := m.hand
	load := func() error {
		for more := true; more; {
			var err error
			if _, more, err = h.page(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if err := load(); err != nil {
		return err
	}
	m.pull = h.request()
	for range news / batch {
		if _, err := h.push(batch)(ctx, 0, 0); err != nil {
			return err
		}
	}
	if err := load(); err != nil {
		return err
	}
	m.none = h.request()
	return h.quiet(ctx)
}

// news is how many records a measured pull finds.
const news = 200

// ask sends one of the requests and checks how many records came.
func (m *served) ask(ctx context.Context, body []byte, want int) (time.Duration, error) {
	begin := time.Now()
	var answer []byte
	err := m.hand.as(m.hand.token).Ask(ctx, "POST", "/v1/sync/pull", body, &answer)
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if got := bytes.Count(answer, []byte(`"createdAt":`)); got != want || !bytes.Contains(answer, []byte(`"more":false`)) {
		return 0, fmt.Errorf("%d records came, %d were new: %.300s", got, want, answer)
	}
	return took, nil
}

// pullFromMany asks two servers the same, by turns: one whose store is small, one whose store is a hundred times as
// large, in sites and in records.
func pullFromMany(ctx context.Context, o options, say sayer) (err error) {
	if o.store != "sqlite" {
		say("not measured: it fills the embedded store beside the server")
		return nil
	}
	var both []*served
	defer func() {
		for _, m := range both {
			err = errors.Join(err, m.app.Stop(context.WithoutCancel(ctx)))
		}
	}()
	for _, sites := range []int{max(readable, o.sizes.large/100), o.sizes.large} {
		in := o
		in.dir = filepath.Join(o.dir, fmt.Sprint(sites))
		begin := time.Now()
		m, err := serveMany(ctx, in, sites, o.sizes.perSite)
		if m != nil {
			both = append(both, m)
		}
		if err != nil {
			return err
		}
		say("%s records at %s sites were made through the engine in %.0f s", thousands(float64(m.records)), thousands(float64(sites)), time.Since(begin).Seconds())
	}
	for _, c := range []struct {
		what string
		body func(*served) []byte
		want int
	}{
		{fmt.Sprintf("%d changed records of one scope", news), func(m *served) []byte { return m.pull }, news},
		{"nothing new", func(m *served) []byte { return m.none }, 0},
	} {
		took := make([]times, len(both))
		for begin, n := time.Now(), 0; time.Since(begin) < o.duration; n++ {
			for i, m := range both {
				t, err := m.ask(ctx, c.body(m), c.want)
				if err != nil {
					return err
				}
				if n >= 5 { // both are warm
					took[i] = append(took[i], t)
				}
			}
		}
		small, large := took[0].sorted(), took[1].sorted()
		say("a pull with %d cursors that finds %s, one client, by turns, p50: %s records %.3f ms, %s records %.3f ms: %.2f times (goal: at most 1.2); p99 %.3f and %.3f ms; %d pulls each",
			cursorsIn(c.body(both[0])), c.what, thousands(float64(both[0].records)), ms(small.at(.5)), thousands(float64(both[1].records)), ms(large.at(.5)),
			float64(large.at(.5))/float64(max(small.at(.5), 1)), ms(small.at(.99)), ms(large.at(.99)), len(small))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func cursorsIn(body []byte) int {
	var req struct{ Cursors map[string]json.RawMessage }
	_ = json.Unmarshal(body, &req) // the bench made it
	return len(req.Cursors)
}

// request is a copy of the body of the next pull.
func (h *hand) request() []byte {
	h.buildPull()
	return slices.Clone(h.body)
}
