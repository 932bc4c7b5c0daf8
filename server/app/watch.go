package app

import (
	"context"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
)

// shared is a store that several processes write to.
type shared interface {
	// Watch tells of every head that any process raises, until the context ends or it returns why it cannot.
	Watch(ctx context.Context, seen func(scope field.Scope, seq int64)) error
}

// How often the heads are asked for: always now and then, because a stream that breaks misses what comes before the
// next one, and often where the server has no streams.
const (
	headsBesideStream = 30 * time.Second
	headsAlone        = time.Second
)

// hearOthers tells the engine what other processes have written, so that listeners, followers and what is remembered of
// people learn of it here. The embedded store has one process, and nobody to hear of.
func (a *App) hearOthers(ctx context.Context) error {
	s, ok := a.parts.Raw.(shared)
	if !ok {
		return nil
	}
	streams := make(chan bool) // whether the stream runs
	a.running.Go(func() { a.keepStream(ctx, s, streams) })
	known := map[field.Scope]int64{}
	every := headsAlone
	for first := true; ; first = false {
		if err := a.askHeads(ctx, known, first); err != nil && ctx.Err() == nil {
			a.log.Warn("what other servers wrote cannot be asked for; it is tried again", "error", err)
		}
		again := time.NewTimer(every)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case runs := <-streams:
			every = headsAlone
			if runs {
				every = headsBesideStream
			}
		case <-again.C:
		}
		again.Stop()
	}
}

// keepStream listens to the store's stream, and begins anew when it breaks.
func (a *App) keepStream(ctx context.Context, s shared, streams chan<- bool) {
	tell := func(runs bool) {
		select {
		case streams <- runs:
		case <-ctx.Done():
		}
	}
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		begun := time.Now()
		tell(true)
		err := s.Watch(ctx, func(scope field.Scope, seq int64) { a.engine.Tell(engine.Poke{Scope: scope, Seq: seq}) })
		if ctx.Err() != nil {
			return
		}
		tell(false)
		if time.Since(begun) > time.Minute {
			wait = time.Second
			a.log.Warn("the stream of what other servers write broke; it is opened again", "error", err)
		} else {
			a.log.Debug("no stream of what other servers write; the heads are asked for instead", "error", err)
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// askHeads tells of the heads that have moved. The first time there is nobody to tell: followers have just read all.
func (a *App) askHeads(ctx context.Context, known map[field.Scope]int64, first bool) error {
	q := store.ListScopes{Visible: access.Everything, Limit: 1000}
	for {
		heads, err := a.parts.Store.Heads(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if known[h.Scope] < h.Seq && !first {
				a.engine.Tell(engine.Poke{Scope: h.Scope, Seq: h.Seq})
			}
			known[h.Scope] = h.Seq
		}
		if len(heads) < q.Limit {
			return nil
		}
		q.After = heads[len(heads)-1].Scope
	}
}
