package app

import (
	"context"
	"errors"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// setApart moves what older servers kept in org/, which units read that may be accused, to where it lies now: households
// into the scopes of their sites, payments into the ledgers of their projects; and gives each project without a ledger one.
// The log of what was stays as it is; the records and whoever pulls them no longer have it.
func (a *App) setApart(ctx context.Context) {
	moved := 0
	q := store.Query{Visible: everything, Kinds: []field.Kind{field.KindProject, field.KindSite}, Limit: 100}
	err := store.EachPage(ctx, a.parts.store, q, func(records []*field.Record) error {
		for _, r := range records {
			if done, err := setApart(ctx, a.parts.store, a.engine, r); err != nil {
				return err
			} else if done {
				moved++
			}
		}
		return nil
	})
	if moved > 0 {
		a.log.Info("households and payments were moved out of what everybody of an organisation reads", "records", moved)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Error("households and payments could not all be moved out of what everybody of an organisation reads; the next start tries", "error", err)
	}
}

func setApart(ctx context.Context, s allStore, e *engine.Engine, r *field.Record) (bool, error) {
	for {
		due := field.HeldInOrg(r)
		if r.Kind == field.KindProject && !due {
			_, err := s.Head(ctx, field.LedgerScope(field.ProjectID(r.ID)))
			if err != nil && !field.Is(err, field.CodeNotFound) {
				return false, err
			}
			due = err != nil
		}
		if !due {
			return false, nil
		}
		_, err := e.Commit(ctx, protocol.Batch{
			Actor: engine.Server, Device: field.DeviceID("server/apart/" + string(r.ID)), Number: r.Version, Scope: r.Scope, Strict: true, Trusted: true,
			Operations: []protocol.Operation{{ID: r.ID, Kind: r.Kind, Base: r.Version, Command: "apart"}},
		})
		var refused *field.Error
		if err == nil || !errors.As(err, &refused) || refused.Code != field.CodeBatchReused {
			return err == nil, err
		}
		now, err := s.Records(ctx, []field.RecordID{r.ID}) // it has another version by now
		if err != nil || len(now) == 0 || now[0].Version == r.Version {
			return false, err
		}
		r = now[0]
	}
}
