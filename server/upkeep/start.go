package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"fieldclue/media/blob"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store/sqlite"
)

// OpenToServe is storage.Open for a server. It refuses each start that would bury evidence: over what is left of a
// server whose database is gone or damaged a new one would begin, with new keys, and the next backup would take the
// place of a sound one. Nothing is changed then, and the error says what helps.
func OpenToServe(ctx context.Context, cfg config.Config, log *slog.Logger) (*storage.Engines, error) {
	if cfg.MongoDB.URI == "" {
		_, err := os.Stat(filepath.Join(cfg.Data, sqlite.DataFile))
		_, photos := os.Stat(filepath.Join(cfg.Data, "photos"))
		if errors.Is(err, fs.ErrNotExist) && photos == nil { // else an empty database would lie there from now on
			beside, err := storage.OpenBlobs(ctx, cfg)
			if err != nil {
				return nil, err
			}
			if err := nothingLeft(ctx, beside, cfg); err != nil {
				return nil, err
			}
		}
	}
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		if sqlite.Damaged(err) {
			err = fmt.Errorf("%w. The database is damaged. Leave %s as it is, and put the newest sound backup into another directory:\n"+
				"  fieldclue restore --from BACKUP --data NEW\n"+
				"What phones have sent since comes again. 数据库已损坏：请保持原目录不动，用上述命令把最近一份校验无误的备份恢复到新目录", err, cfg.Data)
		}
		return nil, err
	}
	if err := nothingMissing(ctx, p, cfg); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// nothingMissing reports what is missing of a server that has run before.
func nothingMissing(ctx context.Context, p *storage.Engines, cfg config.Config) error {
	ends, err := p.Store.LastEntries(ctx, "", 1)
	if err != nil {
		return err
	}
	if len(ends) == 0 {
		return nothingLeft(ctx, p, cfg)
	}
	if _, _, err := storedKey(ctx, p.Store); field.Is(err, field.CodeNotFound) {
		return errors.New("the log has entries, and the key that signs receipts is gone from the store. A new one would make every receipt " +
			"and statement so far look forged. Put a backup back:\n  fieldclue restore --from BACKUP --data NEW\n" +
			"日志中已有内容，但签发回执的密钥不在了：若另生成密钥，此前的回执都会被当作伪造。请恢复备份")
	}
	return nil
}

// errFound ends the walk through a store of blobs at the first one.
var errFound = errors.New("found")

// nothingLeft refuses an empty log beside photos or statements of where logs stood.
func nothingLeft(ctx context.Context, p *storage.Engines, cfg config.Config) error {
	place := cfg.Data
	if cfg.S3.Endpoint != "" {
		place = cfg.S3.Endpoint + "/" + cfg.S3.Bucket
	}
	for what, s := range map[string]blob.Store{"photos": p.Originals, "signed statements of where the log stood": p.Anchors} {
		err := s.Each(ctx, func(blob.Info) error { return errFound })
		switch {
		case errors.Is(err, errFound):
			return fmt.Errorf("there are %s in %s, and no record: the database was lost, or the settings name another one. "+
				"A server that begins here would be a new office beside old evidence. Correct the settings, or put a backup back:\n"+
				"  fieldclue restore --from BACKUP --data NEW\n"+
				"For a new office take another directory. 有照片或签名记录而没有任何业务记录：数据库已丢失，或设置指向了别处。请更正设置或恢复备份；新单位请另用目录",
				what, place)
		case err != nil:
			return err
		}
	}
	return nil
}
