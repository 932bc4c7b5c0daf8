package upkeep

import (
	"context"
	"errors"
	"log/slog"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// MoveHouseholds moves what older servers kept in org/, which units read that may be accused, to where it lies now:
// households into the scopes of their sites, payments into the ledgers of their projects; and gives each project
// without a ledger one. The log of what was stays as it is; the records and anyone who pulls them no longer have it.
func MoveHouseholds(ctx context.Context, s storage.Store, e *engine.Engine, log *slog.Logger) {
	moved := 0
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindProject, field.KindSite}, Limit: 100}
	err := store.EachPage(ctx, s, q, func(records []*field.Record) error {
		for _, r := range records {
			if done, err := setApart(ctx, s, e, r); err != nil {
				return err
			} else if done {
				moved++
			}
		}
		return nil
	})
	if moved > 0 {
		log.Info("households and payments were moved out of what everybody of an organisation reads", "records", moved)
	}
	if err != nil && ctx.Err() == nil {
		log.Error("households and payments could not all be moved out of what everybody of an organisation reads; the next start tries", "error", err)
	}
}

func setApart(ctx context.Context, s storage.Store, e *engine.Engine, r *field.Record) (bool, error) {
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
