package engine

import (
	"context"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// A phone that was restored from a backup, or cloned, counts its batches from where the backup was made, and so sends a
// number that was used with other content. That is the sign by which the server knows that one device id stands for two
// histories. Both may go on, in every scope and from then on for good: what is written in the name of the device counts
// as its own only once it was read. The sign is kept in a working document for each device, because it is a matter of
// caution and no evidence.

// Docs is where it is kept that devices have forked. The contract stands in server/store/docs.go.
type Docs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error)
}

// forks remembers which devices have forked.
type forks struct {
	docs Docs // nil: only this process knows
	now  func() time.Time

	mu    sync.Mutex
	known map[field.DeviceID]bool // guarded by mu; without docs
}

func forkDoc(device field.DeviceID) string { return "fork/" + string(device) }

// has reports whether a device has forked. It asks each time: another server may have seen the sign a moment ago, and
// the next batch of the phone comes here.
func (f *forks) has(ctx context.Context, device field.DeviceID) (bool, error) {
	if f.docs == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.known[device], nil
	}
	_, err := f.docs.GetDoc(ctx, store.Cursors, forkDoc(device))
	if field.Is(err, field.CodeNotFound) {
		return false, nil
	}
	return err == nil, err
}

// mark notes that a device has forked.
func (f *forks) mark(ctx context.Context, device field.DeviceID) error {
	if f.docs == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.known == nil {
			f.known = map[field.DeviceID]bool{}
		}
		f.known[device] = true
		return nil
	}
	if known, err := f.has(ctx, device); err != nil || known {
		return err
	}
	_, err := f.docs.PutDoc(ctx, store.Doc{Shelf: store.Cursors, ID: forkDoc(device), Body: field.Quote(map[string]string{"at": protocol.Stamp(f.now())})})
	if field.Is(err, field.CodeStale) { // another server was first
		return nil
	}
	return err
}
