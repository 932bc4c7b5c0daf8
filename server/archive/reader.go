package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Log is what a Reader needs of a store.
type Log interface {
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
	Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
}

// Blobs is where bundles lie.
type Blobs interface {
	PutIfAbsent(ctx context.Context, sum blob.Sum, size int64, r io.Reader) (created bool, err error)
	Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error)
	SetHold(ctx context.Context, sum blob.Sum, on bool) error
}

// Reader gives entries whole, wherever their bodies lie. A body that is not what the entry's hash says, or that is not
// in the bundle that the entry names, is never given: the error is store.ErrDamaged and names entry and bundle.
type Reader struct {
	log   Log
	blobs Blobs

	mu     sync.Mutex
	opened []opened // guarded by mu; the one used last at the end
}

// opened is a bundle in memory. Anyone who reads a log reads the entries of a bundle one after another.
type opened struct {
	bundle string
	bodies map[string][]byte
}

const mostOpened = 8

// Over makes a Reader.
func Over(log Log, blobs Blobs) *Reader { return &Reader{log: log, blobs: blobs} }

// Entry returns one entry; CodeNotFound.
func (r *Reader) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	e, err := r.log.Entry(ctx, scope, seq)
	if err != nil {
		return e, err
	}
	return r.whole(ctx, e)
}

// Batch returns the entry that holds the batch; CodeNotFound.
func (r *Reader) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	e, err := r.log.Batch(ctx, scope, device, batch)
	if err != nil {
		return e, err
	}
	return r.whole(ctx, e)
}

// Entries returns entries with a number greater than after, in order.
func (r *Reader) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	entries, err := r.log.Entries(ctx, scope, after, limit)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if entries[i], err = r.whole(ctx, entries[i]); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (r *Reader) whole(ctx context.Context, e store.Entry) (store.Entry, error) {
	if e.Bundle == "" {
		return e, nil
	}
	bodies, err := r.open(ctx, e.Bundle)
	if err != nil {
		return store.Entry{}, inBundle(e, err)
	}
	body, ok := bodies[nameOf(e.Scope, e.Seq)]
	switch {
	case !ok:
		return store.Entry{}, inBundle(e, fmt.Errorf("%w: the bundle does not hold it", store.ErrDamaged))
	case string(sumOf(body)) != e.Hash:
		return store.Entry{}, inBundle(e, fmt.Errorf("%w: it is not what its hash says", store.ErrDamaged))
	}
	e.Body, e.Bundle = bytes.Clone(body), ""
	return e, nil
}

// inBundle says which entry cannot be read, and from where.
func inBundle(e store.Entry, err error) error {
	code := field.CodeInternal
	var known *field.Error
	if !errors.Is(err, store.ErrDamaged) && errors.As(err, &known) {
		code = known.Code
	}
	return field.Refuse(code, "").Because(fmt.Errorf("entry %d of %s in bundle %s: %w", e.Seq, e.Scope, e.Bundle, err))
}

// open returns the bodies of a bundle.
func (r *Reader) open(ctx context.Context, bundle string) (map[string][]byte, error) {
	r.mu.Lock()
	i := slices.IndexFunc(r.opened, func(o opened) bool { return o.bundle == bundle })
	if i >= 0 {
		found := r.opened[i]
		r.opened = append(slices.Delete(r.opened, i, i+1), found)
		r.mu.Unlock()
		return found.bodies, nil
	}
	r.mu.Unlock()
	bodies, err := fetch(ctx, r.blobs, blob.Sum(bundle))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.opened) >= mostOpened {
		r.opened = slices.Delete(r.opened, 0, 1)
	}
	r.opened = append(r.opened, opened{bundle, bodies})
	return bodies, nil
}

// fetch reads a bundle, and believes nothing of it before all its bytes have the right hash.
func fetch(ctx context.Context, blobs Blobs, sum blob.Sum) (map[string][]byte, error) {
	body, err := blobs.Open(ctx, sum, 0, -1)
	if field.Is(err, field.CodeNotFound) || field.Is(err, field.CodeBadRequest) {
		return nil, fmt.Errorf("%w: the bundle is missing", store.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(body, mostUnpacked))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if sumOf(raw) != sum {
		return nil, fmt.Errorf("%w: the bundle has other bytes", store.ErrDamaged)
	}
	bodies, err := unpack(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: the bundle does not unpack: %w", store.ErrDamaged, err)
	}
	return bodies, nil
}
