package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/casefile"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/server/upkeep"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
)

// writeNew writes a file that must not be there yet, and leaves nothing behind when it fails.
func writeNew(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fieldclue-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // fails where somebody made it meanwhile
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// ExportCase writes the file of a case to a new file at path. clue is the id or the number of the clue; an empty path
// is made of it. The export is written into the register first, in nobody's name: who works on the machine is not known
// to it.
func ExportCase(ctx context.Context, cfg config.Config, log *slog.Logger, clue, path string) (done *field.Record, at string, err error) {
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	id, err := clueID(ctx, p, clue)
	if err != nil {
		return nil, "", err
	}
	file, err := (&casefile.Maker{Store: p.Store, Blobs: storage.PhotoBytes{Engines: p}, Keys: func(ctx context.Context) (receipt.Ring, error) { return upkeep.Ring(ctx, p) }}).Gather(ctx, access.Everything, id)
	if err != nil {
		return nil, "", err
	}
	if path == "" {
		path = file.Name()
	}
	flow := workflow.New(p.Store, engine.New(engine.Options{Store: p.Store, Log: log}), alike.New(p.Store, time.Now), time.Now)
	act := workflow.Act{Actor: engine.Server, Device: "server/export", Number: time.Now().UnixMilli()}
	err = writeNew(path, func(w io.Writer) error {
		sum, size, err := file.Write(ctx, w)
		if err != nil {
			return err
		}
		record, err := flow.ExportableClue(ctx, act, id)
		if err != nil {
			return err
		}
		done, err = flow.RecordExport(ctx, act, workflow.Exported{Clue: record, SHA256: sum, Size: size, Photos: file.Photos})
		return err
	})
	return done, path, err
}

// clueID finds a clue by its id or its number.
func clueID(ctx context.Context, p *storage.Engines, clue string) (field.ClueID, error) {
	if field.ValidID(clue) {
		return field.ClueID(clue), nil
	}
	found, err := p.Store.List(ctx, store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindClue}, Keys: []string{field.KeyFor("number", clue)}, Limit: 2})
	switch {
	case err != nil:
		return "", err
	case len(found) > 1:
		return "", fmt.Errorf("several clues have the number %s: give the clue's id", clue)
	case len(found) == 0:
		return "", fmt.Errorf("there is no clue with the number %s: give a number such as bijie-2026-0001, or the clue's id", clue)
	}
	return field.ClueID(found[0].ID), nil
}
