package sim

import (
	"context"
	"errors"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
)

// server is one process: an engine, and the store as this process reaches it. Each call to the store is a named point
// at which the process may die, the store may fail, or another phone may come first.
type server struct {
	engine.Store
	w      *world
	engine *engine.Engine
	old    bool // does not know what the newer app writes
	busy   bool // answers somebody
	dead   bool
	thaws  bool // of holes: the batch that it decides goes through one
}

var olderKinds = map[field.Kind]*field.Spec{field.KindFinding: field.KindOf(field.KindFinding).Without(newField)}

func (w *world) boot(old bool) *server {
	s := &server{Store: w.store, w: w, old: old}
	o := engine.Options{Store: s, Now: w.now, Horizon: horizon, Secret: secret, ActorOf: w.person}
	if old {
		o.Kinds = func(k field.Kind) *field.Spec {
			if older := olderKinds[k]; older != nil {
				return older
			}
			return field.KindOf(k)
		}
	}
	s.engine = engine.New(o)
	return s
}

// pick chooses a server that answers nobody; nil when there is none.
func (w *world) pick() (int, *server) {
	var free []int
	for i, s := range w.servers {
		if !s.busy {
			free = append(free, i)
		}
	}
	if len(free) == 0 {
		return 0, nil
	}
	i := free[w.choose(len(free))]
	return i, w.servers[i]
}

// crash puts another process into the place of one that ended.
func (w *world) crash(i int) {
	s := w.servers[i]
	s.dead = true
	w.servers[i] = w.boot(s.old)
}

var (
	errDead  = field.Refuse(field.CodeStoreDown, "").Because(errors.New("the process has died"))
	errStore = field.Refuse(field.CodeStoreDown, "").Because(errors.New("the store did not answer"))
)

// calls are the ways to the store at which something may go wrong.
var calls = []string{
	"before Commit", "after Commit", "before Head", "before Heads", "before Batch", "before Marks", "before Records", "before Changed",
}

// Points are the names of all places at which something goes wrong.
func Points() []string {
	points := []string{
		"request lost", "request cut", "an old request arrives late", "answer lost", "answer cut", "silence",
		claimed, "battery empty before a push", "battery empty after a request", "a server is killed at rest",
	}
	for _, c := range calls {
		points = append(points, "crash "+c, "store error "+c, "somebody comes first "+c)
	}
	for _, state := range handedIn {
		points = append(points, late+string(state))
	}
	return points
}

// point is where something may go wrong on the way to the store, or back from it.
func (s *server) point(name string) error {
	switch {
	case s.dead:
		return errDead
	case s.w.at("crash "+name, 4):
		s.dead = true
		return errDead
	case s.w.at("store error "+name, 5):
		return errStore
	case !s.w.inside && !s.w.o.Alone && s.w.chance(20):
		s.w.meanwhile(name)
	}
	if s.dead {
		return errDead
	}
	return nil
}

// meanwhile lets somebody else come first, through another server.
func (w *world) meanwhile(name string) {
	p := w.people[w.choose(len(w.people))]
	if _, s := w.pick(); s == nil || p.busy {
		return
	}
	w.report.Points["somebody comes first "+name]++
	w.inside = true
	var err error
	if w.choose(4) == 0 {
		err = w.deskWork()
	} else {
		err = w.sync(p)
	}
	w.inside = false
	if err != nil {
		w.fault("inside of another's call: %v", err)
	}
}

func read[T any](s *server, name string, call func() (T, error)) (got T, err error) {
	if err := s.point("before " + name); err != nil {
		return got, err
	}
	return call()
}

// Commit goes wrong in every way that it can: refused, made and not answered, and with the process dying before or
// after.
func (s *server) Commit(ctx context.Context, writes []store.Write) error {
	if err := s.point("before Commit"); err != nil {
		return err
	}
	if done, err := s.breakCommit(ctx, writes); done {
		return err
	}
	if err := s.Store.Commit(ctx, writes); err != nil {
		return err
	}
	return s.point("after Commit")
}

// Head implements engine.Store.
func (s *server) Head(ctx context.Context, scope field.Scope) (store.Head, error) {
	return read(s, "Head", func() (store.Head, error) { return s.Store.Head(ctx, scope) })
}

// Heads implements engine.Store.
func (s *server) Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error) {
	return read(s, "Heads", func() ([]store.Head, error) { return s.Store.Heads(ctx, q) })
}

// Batch implements engine.Store.
func (s *server) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	return read(s, "Batch", func() (store.Entry, error) { return s.Store.Batch(ctx, scope, device, batch) })
}

// Marks implements engine.Store.
func (s *server) Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	return read(s, "Marks", func() ([]store.Entry, error) { return s.Store.Marks(ctx, scope, after, limit) })
}

// Records implements engine.Store.
func (s *server) Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error) {
	return read(s, "Records", func() ([]*field.Record, error) {
		records, err := s.Store.Records(ctx, ids)
		s.breakRecords(records)
		return records, err
	})
}

// Changed implements engine.Store.
func (s *server) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	return read(s, "Changed", func() ([]*field.Record, error) {
		records, err := s.Store.Changed(ctx, scope, after, upTo, limit)
		return s.breakChanged(scope, records), err
	})
}
