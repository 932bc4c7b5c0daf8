package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fieldclue/server/archive"
	"fieldclue/server/config"
	"fieldclue/server/storage"
	"fieldclue/server/store/sqlite"
)

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// archiveSoon is how long after its start a server first looks for what is old: others wait for it then.
const archiveSoon = 10 * time.Minute

// ArchiveDaily moves the bodies of old entries out of the log.
func ArchiveDaily(ctx context.Context, p *storage.Engines, cfg config.Config, log *slog.Logger) error {
	if cfg.ArchiveDays == 0 {
		return nil
	}
	again := time.NewTimer(archiveSoon)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		done, err := ArchiveOnce(ctx, p, cfg, p.Now(), nil)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("archiving stopped; it goes on tomorrow", "error", err, "entries", done.Entries)
		case done.Entries > 0:
			log.Info("archived", "entries", done.Entries, "bundles", done.Bundles, "bytes", done.Bytes, "packed", done.Packed)
		}
		again.Reset(24 * time.Hour)
	}
}

// ArchiveOnce moves what is old at a time out of the log, until it has done so much that others should come to it.
func ArchiveOnce(ctx context.Context, p *storage.Engines, cfg config.Config, now time.Time, told func(archive.Done)) (archive.Done, error) {
	return archive.Run(ctx, archive.Plan{Store: p.Raw, Blobs: p.Originals, Now: now, Age: days(cfg.ArchiveDays), Told: told})
}

// Archive moves the bodies of old entries out of the log until there is nothing left to move, and gives the room that
// becomes free in the embedded store back to the disk, for which no server may be running.
func Archive(ctx context.Context, cfg config.Config, log *slog.Logger, say func(string)) error {
	if cfg.ArchiveDays == 0 {
		return errors.New("nothing is archived while FIELDCLUE_ARCHIVE_DAYS is 0; set it to the age in days")
	}
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	for more := true; more; {
		var done archive.Done
		done, err = ArchiveOnce(ctx, p, cfg, p.Now(), func(d archive.Done) {
			if d.Bundles%100 == 0 {
				say(d.String())
			}
		})
		say(done.String())
		more = err == nil && done.More
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if cfg.MongoDB.URI != "" {
		return nil // MongoDB uses the room again by itself
	}
	if err := sqlite.Compact(ctx, cfg.Data); err != nil {
		return fmt.Errorf("everything is archived; the room in the database file is used again, but could not be given back to the disk: %w", err)
	}
	return nil
}
