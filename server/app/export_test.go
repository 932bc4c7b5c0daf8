package app

import (
	"context"
	"time"

	"fieldclue/media/intake"
)

// SweepAt forgets expired uploads as another server on the same stores would whose clock is at now.
func (a *App) SweepAt(ctx context.Context, now time.Time) (int, error) {
	other := intake.New(intake.Config{
		Blobs: a.parts.originals, Staging: a.parts.staging, Docs: a.parts.store, Ledger: a.ledger, Now: func() time.Time { return now },
	})
	return other.Sweep(ctx, 100, a.ledger.uploadExpired)
}

// TellOfSpace does what the server does a few seconds after something was written; as one that has just started.
func (a *App) TellOfSpace(ctx context.Context) error { return a.tellOfSpace(ctx, map[string]bool{}) }
