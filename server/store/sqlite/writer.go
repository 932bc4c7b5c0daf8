package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// The limits of what is committed together. A group is never waited for: it is what came while the group before it was
// written to disk.
const (
	maxGroup      = 256
	maxGroupBytes = 16 << 20
	maxWaiting    = 1024
)

// change is something to write. It either changes nothing and returns a refusal (see refusal), or does all of it and
// returns nil, or fails, and the transaction with it.
type change interface {
	apply(w *writer) error
	bytes() int
}

// writer is the one goroutine that writes. It takes all changes that wait, makes them one transaction, and answers when
// the transaction is on disk: many callers share one flush.
type writer struct {
	c        *conn
	requests chan *request
	done     chan struct{}
	last     int64 // the version that the newest document was given

	mu     sync.RWMutex // closed
	closed bool

	poisoned atomic.Pointer[error] // after a failed write or flush nothing is written until the file is opened again
}

// A request is cancelled by its caller or taken by the writer, by the one that is first.
const (
	waiting = iota
	taken
	givenUp
)

type request struct {
	change change
	state  atomic.Int32
	answer chan error
}

func (w *writer) start(lastDocVersion int64) {
	w.last = lastDocVersion
	w.requests = make(chan *request, maxWaiting)
	w.done = make(chan struct{})
	go w.loop()
}

// stop writes what waits and closes the connection.
func (w *writer) stop() error {
	if w.requests != nil {
		w.mu.Lock()
		w.closed = true
		close(w.requests)
		w.mu.Unlock()
		<-w.done
	}
	return w.c.close()
}

func (w *writer) health() error {
	if err := w.poisoned.Load(); err != nil {
		return *err
	}
	return nil
}

// write hands a change to the writer and waits until it is on disk. When the context ends first, the error wraps the
// context's; the change is then not made if it still waited, and its fate is unknown if it was being written.
func (w *writer) write(ctx context.Context, op string, ch change) error {
	if err := ctx.Err(); err != nil {
		return late(op, err)
	}
	r := &request{change: ch, answer: make(chan error, 1)}
	if err := w.enqueue(ctx, op, r); err != nil {
		return err
	}
	select {
	case err := <-r.answer:
		return broken(op, err)
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return late(op, ctx.Err())
		}
		select {
		case err := <-r.answer:
			return broken(op, err)
		default:
			return late(op, fmt.Errorf("%w while it was being written", ctx.Err()))
		}
	}
}

func (w *writer) enqueue(ctx context.Context, op string, r *request) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return closed(op)
	}
	select {
	case w.requests <- r:
		return nil
	case <-ctx.Done():
		return late(op, ctx.Err())
	}
}

func (w *writer) loop() {
	defer close(w.done)
	group := make([]*request, 0, maxGroup)
	for r := range w.requests {
		group = append(group[:0], r)
		size := r.change.bytes()
	gather:
		for len(group) < maxGroup && size < maxGroupBytes {
			select {
			case r, ok := <-w.requests:
				if !ok {
					break gather
				}
				group = append(group, r)
				size += r.change.bytes()
			default:
				break gather
			}
		}
		w.commit(group)
	}
}

// commit writes a group. When one of several fails in a way that is not a refusal, each gets a transaction of its own,
// so that a bad neighbour harms nobody.
func (w *writer) commit(group []*request) {
	live := group[:0]
	for _, r := range group {
		if r.state.CompareAndSwap(waiting, taken) {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return
	}
	answers := make([]error, len(live))
	err := w.transaction(live, answers)
	if err != nil && len(live) > 1 && w.health() == nil {
		for i, r := range live {
			if err := w.transaction(live[i:i+1], answers[i:i+1]); err != nil {
				answers[i] = err
			}
			r.answer <- answers[i]
		}
		return
	}
	for i, r := range live {
		if err != nil {
			answers[i] = err
		}
		r.answer <- answers[i]
	}
}

// transaction makes the changes of a group durable and fills in the refusals; with an error nothing is changed, except
// that after a failed flush nobody knows.
func (w *writer) transaction(group []*request, refusals []error) error {
	if err := w.health(); err != nil {
		return err
	}
	if _, err := w.c.exec("BEGIN IMMEDIATE", nil); err != nil {
		return w.failed(err)
	}
	for i, r := range group {
		switch err := r.change.apply(w); {
		case err == nil:
		case refusal(err):
			refusals[i] = err
		default:
			return w.failed(err)
		}
	}
	if _, err := w.c.exec("COMMIT", nil); err != nil {
		return w.failed(err)
	}
	return nil
}

// failed takes the transaction back. After an I/O error the system may have dropped what it could not write, and a
// second flush would succeed without it; so the store takes no more writes.
func (w *writer) failed(err error) error {
	_, _ = w.c.exec("ROLLBACK", nil) // SQLite may have rolled back already; then this is the error that is left out
	if resultCode(err) == codeIO {
		cause := broken("write", fmt.Errorf("writing stopped after a fault of the disk; start the server again: %w", err))
		w.poisoned.Store(&cause)
	}
	return err
}

// refusal reports whether err is an answer, after which nothing has been changed, and no fault.
func refusal(err error) bool {
	var e *field.Error
	return errors.Is(err, store.ErrHeadMoved) || errors.Is(err, store.ErrBatchKnown) || errors.As(err, &e)
}
