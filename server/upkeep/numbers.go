package upkeep

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// A server that was put back to a copy does not know which clue numbers it has given since; they stand in signed files
// and letters. Before it gives the next one, every register passes over as many as may have been given, and says so.
// docs/decisions/restore.md.

// skipNumbers lets all registers pass over the numbers that may have been given since the copy was made. earlier is how
// often the same copy was put back before. It tells where the numbers go on.
func skipNumbers(ctx context.Context, s storage.Store, log *slog.Logger, now time.Time, earlier int) (told []string, err error) {
	copied, latest, registers, err := endOfCopy(ctx, s, now)
	if err != nil {
		return nil, err
	}
	eng := engine.New(engine.Options{Store: s, Log: log})
	lost := field.Lost(copied, now, earlier)
	for _, scope := range registers {
		org := field.OrgID(scope.ID())
		for year := field.YearOf(copied); year <= field.YearOf(latest); year++ {
			id, register, err := field.RegisterOf(oneByOne{ctx: ctx, store: s}, org, year)
			if err != nil {
				return told, err
			}
			skip := protocol.Operation{ID: id, Kind: field.KindRegister, Command: "skip", Args: map[string]field.Value{
				"numbers": field.Quote(lost), "copy": field.Quote(protocol.Stamp(copied)),
			}}
			ops, last := []protocol.Operation{skip}, int64(0)
			if register == nil { // no number of that year had been given when the copy was made
				ops = []protocol.Operation{{ID: id, Kind: field.KindRegister, Set: map[string]field.Value{"year": field.Quote(year), "last": field.Quote(0)}}, skip}
			} else {
				last = register.Int("last")
			}
			_, err = eng.Commit(ctx, protocol.Batch{
				Actor: engine.Server, Device: field.DeviceID("server/restore/" + string(id)), Number: now.UnixMilli(), Scope: scope, Operations: ops, Strict: true, Trusted: true,
			})
			if err != nil {
				return told, fmt.Errorf("register %s of %d: %w", org, year, err)
			}
			told = append(told, fmt.Sprintf("clue numbers of %s go on with %s-%d-%04d; those from %04d on may have been given since the copy was made", org, org, year, last+lost+1, last+1))
		}
	}
	return told, nil
}

// endOfCopy is when the newest entry was written, and the scopes of the registers. An entry from when the clock was
// ahead says nothing of that, but years up to its own, latest, may have numbers.
func endOfCopy(ctx context.Context, s storage.Heads, now time.Time) (copied, latest time.Time, registers []field.Scope, err error) {
	latest = now
	err = storage.EachHead(ctx, s, func(h store.Head) error {
		switch {
		case h.At.After(latest):
			latest = h.At
		case h.At.After(copied) && !h.At.After(now):
			copied = h.At
		}
		if h.Scope.Type() == field.ScopeRegister {
			registers = append(registers, h.Scope)
		}
		return nil
	})
	if copied.IsZero() {
		copied = now
	}
	return copied, latest, registers, err
}

// oneByOne reads single records for field.RegisterOf, which asks for nothing else.
type oneByOne struct {
	field.Lookup
	ctx   context.Context
	store storage.Store
}

func (o oneByOne) Get(id field.RecordID) (*field.Record, error) {
	found, err := o.store.Records(o.ctx, []field.RecordID{id})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// restoredBefore counts the statements after the end of a copy that say that it was put back: the photo store outlives
// the database.
func restoredBefore(ctx context.Context, p *storage.Engines) (n int, err error) {
	copied, _, _, err := endOfCopy(ctx, p.Store, p.Now())
	if err != nil {
		return 0, err
	}
	ring, err := Ring(ctx, p)
	if err != nil {
		return 0, err
	}
	err = p.Anchors.Each(ctx, func(i blob.Info) error {
		msg, err := fetch(ctx, p.Anchors, i)
		if err != nil {
			return err
		}
		s, err := anchor.Open(ring.Keys.Public(), msg)
		if err == nil && s.Restored && s.At.After(copied) {
			n++
		}
		return nil // what does not hold is for verify
	})
	return n, err
}

// marksOf is the file in a backup with a line for each time that it was put back. A newer backup in its place begins
// without.
func marksOf(backup string) string { return filepath.Join(backup, "restored") }

// countMarks is how often a backup was put back.
func countMarks(backup string) (n int, err error) {
	f, err := os.Open(marksOf(backup))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		n++
	}
	return n, errors.Join(lines.Err(), f.Close())
}

// mark notes in a backup that it is being put back.
func mark(backup string, at time.Time) error {
	f, err := os.OpenFile(marksOf(backup), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("it has to be noted in the backup that it was put back, so that no number is given twice if that happens again; copy the backup to where it can be written: %w", err)
	}
	_, err = fmt.Fprintln(f, protocol.Stamp(at))
	return errors.Join(err, f.Sync(), f.Close())
}
