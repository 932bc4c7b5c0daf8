package storage

import (
	"context"
	"errors"
	"io"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// PhotoBytes finds renditions and originals alike: the photo routes name both by their hash.
type PhotoBytes struct{ *Engines }

// Stat tells the size of a file.
func (b PhotoBytes) Stat(ctx context.Context, sum blob.Sum) (blob.Info, error) {
	info, err := b.Small.Stat(ctx, sum)
	if field.Is(err, field.CodeNotFound) {
		return b.Originals.Stat(ctx, sum)
	}
	return info, err
}

// Open reads a part of a file.
func (b PhotoBytes) Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error) {
	r, err := b.Small.Open(ctx, sum, offset, length)
	if field.Is(err, field.CodeNotFound) {
		return b.Originals.Open(ctx, sum, offset, length)
	}
	return r, err
}

// Ping asks both stores whether they answer.
func (b PhotoBytes) Ping(ctx context.Context) error {
	return errors.Join(b.Originals.Ping(ctx), b.Small.Ping(ctx))
}
