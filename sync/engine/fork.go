package engine

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// A phone that was restored from a backup, or cloned, counts its batches from where the backup was made, and so sends a number
// that was used with other content. That is the sign by which the server knows that one device id stands for two histories: what
// was written in its name until then may be the other's, and from then on counts as somebody else's write. The sign is kept in
// a working document for each device, because it is a matter of caution and no evidence.

// Docs is where it is kept that devices have forked. The contract stands in server/store/docs.go.
type Docs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error)
}

// forks remembers up to which entry of a scope the writes of a device may be those of another copy of it.
type forks struct {
	docs Docs // nil: only this process knows
	now  func() time.Time

	mu    sync.Mutex // guards known
	known map[field.DeviceID]forked
}

type forked struct {
	at    time.Time // when it was read
	until map[field.Scope]int64
}

const (
	forksFresh = 2 * time.Second // how long what was read is believed: another server may have seen the sign
	forksMost  = 20_000          // devices that are remembered
	forkTries  = 5
)

func forkDoc(device field.DeviceID) string { return "fork/" + string(device) }

// of returns the number of the entry; 0 when the device has not forked.
func (f *forks) of(ctx context.Context, scope field.Scope, device field.DeviceID) (int64, error) {
	f.mu.Lock()
	k, ok := f.known[device]
	f.mu.Unlock()
	if f.docs != nil && (!ok || f.now().Sub(k.at) >= forksFresh || f.now().Before(k.at)) {
		until, _, err := f.read(ctx, device)
		if err != nil {
			return 0, err
		}
		k = f.put(device, until)
	}
	return k.until[scope], nil
}

// mark notes that the device has forked, and that everything up to an entry may be the other copy's.
func (f *forks) mark(ctx context.Context, scope field.Scope, device field.DeviceID, seq int64) error {
	if f.docs == nil {
		f.put(device, map[field.Scope]int64{scope: seq})
		return nil
	}
	var err error
	for range forkTries {
		var until map[field.Scope]int64
		var doc store.Doc
		if until, doc, err = f.read(ctx, device); err != nil {
			return err
		}
		if until[scope] >= seq {
			f.put(device, until)
			return nil
		}
		until[scope] = seq
		if doc.Body, err = json.Marshal(until); err != nil {
			return err
		}
		if _, err = f.docs.PutDoc(ctx, doc); err == nil {
			f.put(device, until)
			return nil
		}
		if !field.Is(err, field.CodeStale) {
			return err
		}
	}
	return err
}

func (f *forks) read(ctx context.Context, device field.DeviceID) (map[field.Scope]int64, store.Doc, error) {
	doc, err := f.docs.GetDoc(ctx, store.Cursors, forkDoc(device))
	if field.Is(err, field.CodeNotFound) {
		return map[field.Scope]int64{}, store.Doc{Shelf: store.Cursors, ID: forkDoc(device)}, nil
	}
	until := map[field.Scope]int64{}
	if err == nil {
		err = json.Unmarshal(doc.Body, &until)
	}
	return until, doc, err
}

func (f *forks) put(device field.DeviceID, until map[field.Scope]int64) forked {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= forksMost {
		f.known = map[field.DeviceID]forked{}
	}
	k := forked{at: f.now(), until: map[field.Scope]int64{}}
	for scope, seq := range until {
		k.until[scope] = max(seq, f.known[device].until[scope])
	}
	if f.docs == nil {
		for scope, seq := range f.known[device].until {
			k.until[scope] = max(seq, k.until[scope])
		}
	}
	f.known[device] = k
	return k
}
