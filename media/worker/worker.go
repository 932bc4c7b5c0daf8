// Package worker does work that must not be lost: a bounded pool whose queue is in the store.
//
// A job is a document on the shelf store.Jobs. It is leased by compare-and-swap, so of several servers one does it, and
// renews the lease while it works; when it dies the lease runs out and another goes on. A job that fails comes back
// later and later, and after eight tries is set aside for people; one that fails because a store does not answer waits
// for the store instead. A kind of job that takes long has a lane of its own: however many of them wait, the others do
// not wait behind them. Here is nothing about what jobs do. Start with Pool.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Docs is the shelf of working documents that the queue needs, with the contract stated at store.Doc.
type Docs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, d store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
	DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error)
	DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error)
}

// Handler does one kind of job. It may be called again for a job that was done when a server dies at the wrong moment,
// so doing it twice must change nothing. Its context ends with the time for one try, or when the lease is lost.
type Handler func(ctx context.Context, payload json.RawMessage) error

// Config wires a Pool. Zero limits take the default in brackets.
type Config struct {
	Docs    Docs
	Now     func() time.Time
	Log     *slog.Logger
	Workers int           // jobs at once [2]
	Lease   time.Duration // how long the jobs of a server that died wait for another; renewed at each third of it [15 s]
	Try     time.Duration // time for one try [10 minutes]
	Retry   time.Duration // after the first failure; doubles with each, up to an hour [5 s]
	Poll    time.Duration // how often the queue is looked at without being asked [2 s]
}

// MaxTries is after how many failures a job is set aside.
const MaxTries = 8

// poisoned is the Key of jobs that were set aside; queued is that of all others, but for those in lanes.
const (
	poisoned = "poisoned"
	queued   = "queued"
)

// Pool runs jobs. Handle all kinds before Run.
type Pool struct {
	cfg   Config
	kinds map[string]Handler
	lanes map[string]chan struct{} // kinds with a lane, and how it is told that one may wait there
	poke  chan struct{}

	seen time.Time // the latest time of the clock; of the goroutine that hands jobs out
}

// New makes a pool without handlers.
func New(cfg Config) *Pool {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&cfg.Lease, 15*time.Second)
	def(&cfg.Try, 10*time.Minute)
	def(&cfg.Retry, 5*time.Second)
	def(&cfg.Poll, 2*time.Second)
	if cfg.Workers == 0 {
		cfg.Workers = 2
	}
	return &Pool{cfg: cfg, kinds: map[string]Handler{}, lanes: map[string]chan struct{}{}, poke: make(chan struct{}, 1)}
}

// Handle names who does a kind of job.
func (p *Pool) Handle(kind string, h Handler) { p.kinds[kind] = h }

// HandleApart names who does a kind of job, one at a time and beside all others.
func (p *Pool) HandleApart(kind string, h Handler) {
	p.kinds[kind], p.lanes[kind] = h, make(chan struct{}, 1)
}

// waits is the Key and the Due of a job that waits. In a lane it is due at no time: so the queue of the others does not
// see it, and the lane finds it by its key.
func (p *Pool) waits(kind string, due time.Time) (string, time.Time) {
	if p.lanes[kind] != nil {
		return laneKey(kind), time.Time{}
	}
	return queued, due
}

func laneKey(kind string) string { return "lane/" + kind }

// body is the document of a job.
type body struct {
	Kind    string          `json:"kind"`
	Payload json.RawMessage `json:"payload"`
	Tries   int             `json:"tries"`
	Error   string          `json:"error,omitempty"` // of the last try
	Since   time.Time       `json:"since"`
}

// Enqueue adds a job. A job of the same kind and id that waits, runs or was set aside is the same job: nothing changes
// then. When it returns nil the job will be done, whatever happens to this server.
func (p *Pool) Enqueue(ctx context.Context, kind, id string, payload any) error {
	raw, err := json.Marshal(payload)
	if err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err)
	}
	now := p.cfg.Now().UTC()
	key, due := p.waits(kind, now)
	d, err := document(kind+"/"+id, key, 0, due, body{Kind: kind, Payload: raw, Since: now})
	if err != nil {
		return err
	}
	if _, err := p.cfg.Docs.PutDoc(ctx, d); err != nil && !field.Is(err, field.CodeStale) {
		return err
	}
	p.wake(kind)
	return nil
}

func (p *Pool) wake(kind string) {
	poke := p.lanes[kind]
	if poke == nil {
		poke = p.poke
	}
	select {
	case poke <- struct{}{}:
	default: // somebody looks already
	}
}

// Run does jobs until ctx ends, then waits for those that run. It returns nil.
func (p *Pool) Run(ctx context.Context) error {
	jobs := make(chan store.Doc)
	var workers sync.WaitGroup
	for range p.cfg.Workers {
		workers.Go(func() {
			for d := range jobs {
				p.work(ctx, d)
			}
		})
	}
	for kind, poke := range p.lanes {
		workers.Go(func() {
			p.rounds(ctx, poke, func() bool { return p.lane(ctx, kind) })
		})
	}
	p.rounds(ctx, p.poke, func() bool { return p.hand(ctx, jobs) })
	close(jobs)
	workers.Wait()
	return nil
}

// rounds calls do, which reports whether there may be more, whenever there may be something to do.
func (p *Pool) rounds(ctx context.Context, poke <-chan struct{}, do func() bool) {
	tick := time.NewTicker(p.cfg.Poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		if do() {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-poke:
		}
	}
}

// lane does the first job that waits in a lane, and reports whether there may be more.
func (p *Pool) lane(ctx context.Context, kind string) bool {
	after := ""
	for {
		page, err := p.cfg.Docs.DocsByKey(ctx, store.Jobs, laneKey(kind), after, 16)
		if err != nil {
			if ctx.Err() == nil {
				p.cfg.Log.Error("a lane of the job queue cannot be read", "lane", kind, "error", err)
			}
			return false
		}
		for _, d := range page {
			if d.Due.IsZero() { // others are leased; when that runs out they are due, and come back through hand
				p.work(ctx, d)
				return true
			}
			after = d.ID
		}
		if len(page) == 0 {
			return false
		}
	}
}

// hand leases what is due and gives it to the workers, one job at a time as they come free. It reports whether there
// may be more.
func (p *Pool) hand(ctx context.Context, jobs chan<- store.Doc) bool {
	if err := p.recall(ctx); err != nil {
		if ctx.Err() == nil {
			p.cfg.Log.Error("jobs that wait for a time that the clock had before cannot be called", "error", err)
		}
		return false
	}
	limit := 4 * p.cfg.Workers
	due, err := p.cfg.Docs.DocsDue(ctx, store.Jobs, p.cfg.Now(), limit)
	if err != nil {
		if ctx.Err() == nil {
			p.cfg.Log.Error("the job queue cannot be read", "error", err)
		}
		return false
	}
	for _, d := range due {
		if kind, apart := strings.CutPrefix(d.Key, "lane/"); apart {
			p.backToLane(ctx, kind, d)
			continue
		}
		select {
		case <-ctx.Done():
			return false
		case jobs <- d:
		}
	}
	return len(due) == limit
}

// recall makes due now what a clock that was ahead put off for longer than any job is. It looks when a pool begins, and
// when the clock was put back.
func (p *Pool) recall(ctx context.Context) error {
	now := p.cfg.Now().UTC().Truncate(time.Millisecond)
	if !p.seen.IsZero() && now.After(p.seen.Add(-time.Minute)) {
		if now.After(p.seen) {
			p.seen = now
		}
		return nil
	}
	keys := []string{queued}
	for kind := range p.lanes {
		keys = append(keys, laneKey(kind))
	}
	for _, key := range keys {
		for after := ""; ; {
			page, err := p.cfg.Docs.DocsByKey(ctx, store.Jobs, key, after, 500)
			if err != nil {
				return err
			}
			for _, d := range page {
				after = d.ID
				if !d.Due.After(now.Add(longestWait)) {
					continue
				}
				d.Due = now
				if _, err := p.cfg.Docs.PutDoc(ctx, d); err != nil && !field.Is(err, field.CodeStale) { // stale: another server was first
					return err
				}
			}
			if len(page) < 500 {
				break
			}
		}
	}
	p.seen = now
	return nil
}

// backToLane lets a job wait in its lane whose server died, or whose next try is due.
func (p *Pool) backToLane(ctx context.Context, kind string, d store.Doc) {
	d.Due = time.Time{}
	if p.lanes[kind] == nil { // of another version of the program: somebody is told, as of any job that nobody handles
		d.Key, d.Due = queued, p.cfg.Now().UTC().Truncate(time.Millisecond)
	}
	if _, err := p.cfg.Docs.PutDoc(ctx, d); err != nil {
		if !field.Is(err, field.CodeStale) && ctx.Err() == nil { // stale: another server was first
			p.cfg.Log.Error("a job cannot be put back into its lane", "job", d.ID, "error", err)
		}
		return
	}
	p.wake(kind)
}

// work leases one job, does it, and notes how it ended.
func (p *Pool) work(ctx context.Context, d store.Doc) {
	var b body
	if err := json.Unmarshal(d.Body, &b); err != nil {
		p.cfg.Log.Error("a job cannot be read", "job", d.ID, "error", err)
		b.Tries = MaxTries
	}
	// The try is counted before it begins: one that kills the server counts as well.
	b.Tries++
	key, _ := p.waits(b.Kind, time.Time{})
	lease, err := document(d.ID, key, d.Version, p.cfg.Now().Add(p.cfg.Lease), b)
	if err != nil {
		p.cfg.Log.Error("a job cannot be leased", "job", d.ID, "error", err)
		return
	}
	if lease, err = p.cfg.Docs.PutDoc(ctx, lease); err != nil {
		if !field.Is(err, field.CodeStale) && ctx.Err() == nil { // stale: another server was first, or it is listed twice
			p.cfg.Log.Error("a job cannot be leased", "job", d.ID, "error", err)
		}
		return
	}
	if b.Tries > MaxTries {
		err = errors.New("tried too often: " + b.Error)
	} else {
		lease, err = p.hold(ctx, lease, func(ctx context.Context) error { return p.try(ctx, b) })
	}
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx) // how it ended is noted also while the pool stops
	if err == nil {
		if err := p.cfg.Docs.DeleteDoc(ctx, store.Jobs, d.ID, lease.Version); err != nil {
			p.cfg.Log.Error("a job that is done cannot be removed; it will be done again", "job", d.ID, "error", err)
		}
		return
	}
	if stopped { // the try was cut short by us: it does not count
		b.Tries--
	}
	p.later(ctx, lease, b, err)
}

// hold renews the lease while work goes on. It returns the lease as it stands and the error of the work, whose context
// ends when the lease is somebody else's.
func (p *Pool) hold(ctx context.Context, lease store.Doc, work func(context.Context) error) (store.Doc, error) {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	tick := time.NewTicker(p.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return lease, err
		case <-tick.C:
			next := lease
			next.Due = p.cfg.Now().Add(p.cfg.Lease).UTC().Truncate(time.Millisecond)
			renewed, err := p.cfg.Docs.PutDoc(context.WithoutCancel(ctx), next)
			switch {
			case err == nil:
				lease = renewed
			case field.Is(err, field.CodeStale):
				lost(errors.New("the lease was lost"))
				return lease, errors.Join(<-done, context.Cause(ctx))
			default:
				p.cfg.Log.Warn("a lease cannot be renewed", "job", lease.ID, "error", err)
			}
		}
	}
}

// later puts a job that failed back, or aside.
func (p *Pool) later(ctx context.Context, d store.Doc, b body, why error) {
	b.Error = why.Error()
	if field.Is(why, field.CodeStoreDown) { // nothing is wrong with the job, and nobody needs to ask for it when the store is back
		b.Tries = min(b.Tries, MaxTries-1)
	}
	key, _ := p.waits(b.Kind, time.Time{})
	due := p.cfg.Now().Add(p.delay(b.Tries))
	if b.Tries >= MaxTries {
		key, due = poisoned, time.Time{}
	}
	p.cfg.Log.Warn("a job failed", "job", d.ID, "tries", b.Tries, "aside", key == poisoned, "error", why)
	next, err := document(d.ID, key, d.Version, due, b)
	if err == nil {
		_, err = p.cfg.Docs.PutDoc(ctx, next)
	}
	if err != nil { // its lease runs out and it comes back
		p.cfg.Log.Error("the failure of a job cannot be noted", "job", d.ID, "error", err)
	}
}

// mostDelay is how long a job that failed waits at most. One that is due after longestWait was put off by a wrong
// clock.
const (
	mostDelay   = time.Hour
	longestWait = 2 * mostDelay
)

func (p *Pool) delay(tries int) time.Duration {
	d := p.cfg.Retry
	for range tries - 1 {
		d *= 2
	}
	return min(d, mostDelay)
}

// try calls the handler; a panic is a failure like any other.
func (p *Pool) try(ctx context.Context, b body) (err error) {
	h, ok := p.kinds[b.Kind]
	if !ok {
		return fmt.Errorf("nobody handles jobs of kind %q", b.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Try)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return h(ctx, b.Payload)
}

// Job is one that was set aside.
type Job struct {
	ID    string    `json:"id"` // kind/id
	Kind  string    `json:"kind"`
	Tries int       `json:"tries"`
	Error string    `json:"error"`
	Since time.Time `json:"since"`
}

// Aside lists up to limit jobs that were set aside, by ID, from the one after the given ID.
func (p *Pool) Aside(ctx context.Context, after string, limit int) ([]Job, error) {
	docs, err := p.cfg.Docs.DocsByKey(ctx, store.Jobs, poisoned, after, limit)
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, 0, len(docs))
	for _, d := range docs {
		var b body
		if err := json.Unmarshal(d.Body, &b); err != nil {
			return nil, field.Refuse(field.CodeInternal, "").Because(err).About(d.ID)
		}
		jobs = append(jobs, Job{ID: d.ID, Kind: b.Kind, Tries: b.Tries, Error: b.Error, Since: b.Since})
	}
	return jobs, nil
}

// Again puts a job that was set aside back to the start of its tries. CodeNotFound when there is no such job,
// CodeNotNow when it was not set aside.
func (p *Pool) Again(ctx context.Context, id string) error {
	d, err := p.cfg.Docs.GetDoc(ctx, store.Jobs, id)
	if err != nil {
		return err
	}
	if d.Key != poisoned {
		return field.Refuse(field.CodeNotNow, "This job was not set aside.").InChinese("该后台任务并未被搁置。").About(id)
	}
	var b body
	if err := json.Unmarshal(d.Body, &b); err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err).About(id)
	}
	b.Tries = 0
	key, due := p.waits(b.Kind, p.cfg.Now())
	next, err := document(id, key, d.Version, due, b)
	if err != nil {
		return err
	}
	if _, err := p.cfg.Docs.PutDoc(ctx, next); err != nil {
		return err
	}
	p.wake(b.Kind)
	return nil
}

// Wrong says in what a document on the shelf of jobs is none that a pool of these kinds wrote by now, or will come to;
// empty: in nothing. The payload of a job is an id here, with which that of the job begins. Kinds that are apart have a
// lane.
func Wrong(d store.Doc, now time.Time, kinds, apart []string) string {
	var b body
	var about string
	kind, id, ok := strings.Cut(d.ID, "/")
	switch {
	case json.Unmarshal(d.Body, &b) != nil || !ok || b.Kind != kind || !slices.Contains(kinds, kind) && !slices.Contains(apart, kind):
		return "it is no job"
	case json.Unmarshal(b.Payload, &about) != nil || about == "" || !strings.HasPrefix(id, about):
		return "the job is about something else than its name says"
	case d.Key == poisoned && d.Due.IsZero(), d.Key == laneKey(kind) && d.Due.IsZero() && slices.Contains(apart, kind):
		return ""
	case d.Key == laneKey(kind) && slices.Contains(apart, kind) && !d.Due.After(now.Add(farOff)): // leased
		return ""
	case d.Key != queued || d.Due.IsZero():
		return "the job is neither waiting nor set aside: nobody comes to it"
	case d.Due.After(now.Add(farOff)):
		return "the job waits until " + d.Due.Format(time.RFC3339)
	case b.Tries < 0:
		return "the job was tried fewer times than never"
	}
	return ""
}

// farOff is more than any job is put off, clocks that disagree included.
const farOff = 48 * time.Hour

func document(id, key string, version int64, due time.Time, b body) (store.Doc, error) {
	if len(b.Payload) == 0 {
		b.Payload = json.RawMessage("null")
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return store.Doc{}, field.Refuse(field.CodeInternal, "").Because(err).About(id)
	}
	return store.Doc{Shelf: store.Jobs, ID: id, Version: version, Key: key, Due: due.UTC().Truncate(time.Millisecond), Body: raw}, nil
}
