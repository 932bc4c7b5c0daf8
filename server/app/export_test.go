package app

import (
	"context"
	"encoding/json"
	"time"

	"fieldclue/media/intake"
	"fieldclue/server/evidence"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// SweepAt forgets expired uploads as another server on the same stores would whose clock is at now.
func (a *App) SweepAt(ctx context.Context, now time.Time) (int, error) {
	other := intake.New(intake.Config{
		Blobs: a.parts.Originals, Staging: a.parts.Staging, Docs: a.parts.Store, Ledger: a.ledger, Keys: a.keys, Now: func() time.Time { return now },
	})
	return other.Sweep(ctx, 100, a.ledger.UploadExpired)
}

// LeaveComplete leaves the document of a complete upload, as a server that was killed before it could forget it.
func (a *App) LeaveComplete(ctx context.Context, id string, body field.Value) error {
	_, err := a.parts.Store.PutDoc(ctx, store.Doc{Shelf: store.Uploads, ID: id, Due: time.Now().AddDate(0, 0, 30), Body: json.RawMessage(body)})
	return err
}

// TellOfSpace does what the server does a few seconds after something was written; as one that has just started.
func (a *App) TellOfSpace(ctx context.Context) error {
	return a.ledger.TellOfSpace(ctx, evidence.Told{})
}
