// Package storage opens what a configuration names: the store of the records, and those of photos, renditions and
// signed statements. Nothing else chooses an engine, so a third store would be a change here.
//
// Open is for a server and for commands that write, OpenToRead for those that look on beside a running server,
// OpenBeside for those that change working documents beside one. private.go sees to it that nobody else on the machine
// reaches the directory; walk.go walks through what is kept. What is kept in the stores, and by which rules, is not
// known here.
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/blob/minio"
	"fieldclue/server/archive"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/mongo"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/engine"
)

// Store is what both stores of records offer.
type Store interface {
	engine.Kept
	Archive(ctx context.Context, b store.Bundled) error
	Hashes(ctx context.Context, after store.Hash, limit int) ([]store.Hash, error)
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, d store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
	DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error)
	DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error)
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
	Ping(ctx context.Context) error
	Engine(ctx context.Context) (name, version string, err error)
	Close() error
}

// Engines are what a program stands on. Close ends them.
type Engines struct {
	Raw       Store        // as it was opened
	Store     Store        // the same, with archived entries whole: for everybody
	Originals blob.Store   // evidence: immutable, locked where the engine can
	Small     blob.Store   // renditions: can be made again
	Staging   blob.Staging // half-finished uploads, beside the originals
	Anchors   blob.Store   // signed statements of where the logs stand, kept for StatementDays where the engine can

	Now        func() time.Time // the server's clock
	SealedLife time.Duration    // of an address at which a phone may put a photo; 0: none are given
}

// StatementDays is how long a signed statement of where the logs stand is locked.
const StatementDays = 3650

// Close ends the store; the stores of blobs need no end.
func (p *Engines) Close() error { return p.Store.Close() }

// CleanTemp removes what a server that was killed left half written in directories. The embedded store keeps a second
// server out; on MongoDB others may share the directories, and what they write is never an hour without a byte.
func (p *Engines) CleanTemp(cfg config.Config) error {
	before := time.Now()
	if cfg.MongoDB.URI != "" {
		before = before.Add(-time.Hour)
	}
	var all error
	for _, s := range []blob.Store{p.Originals, p.Small, p.Anchors} {
		if d, ok := s.(*dir.Store); ok {
			all = errors.Join(all, d.CleanTemp(before))
		}
	}
	return all
}

// OpenToRead reaches the engines without changing anything in them, beside a running server if need be.
func OpenToRead(ctx context.Context, cfg config.Config, log *slog.Logger) (*Engines, error) {
	if cfg.MongoDB.URI != "" {
		return Open(ctx, cfg, log)
	}
	return beside(ctx, cfg, sqlite.OpenReadOnly)
}

// beside opens the embedded store in a way that leaves it to a running server, and the blobs.
func beside(ctx context.Context, cfg config.Config, open func(ctx context.Context, dir string) (*sqlite.Store, error)) (*Engines, error) {
	s, err := open(ctx, cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("the store in %s: %w", cfg.Data, err)
	}
	p, err := OpenBlobs(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	p.use(s)
	return p, nil
}

// Open reaches the engines that the configuration names, or makes the embedded ones in the data directory.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*Engines, error) {
	if cfg.MongoDB.URI == "" || cfg.S3.Endpoint == "" { // else nothing lies there
		if err := KeepPrivate(cfg.Data, log); err != nil {
			return nil, err
		}
	}
	p, err := OpenBlobs(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.MongoDB.URI != "" {
		s, err := mongo.Open(ctx, mongo.Options{URI: string(cfg.MongoDB.URI), Database: cfg.MongoDB.Database, Logger: log, Kinds: kinds(), AllowStandIn: cfg.MongoDB.AllowStandIn})
		if err != nil {
			return nil, fmt.Errorf("MongoDB: %w", err)
		}
		p.use(s)
		return p, nil
	}
	s, err := sqlite.Open(ctx, cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("the store in %s: %w", cfg.Data, err)
	}
	p.use(s)
	return p, nil
}

// OpenBeside is Open for a command that changes working documents alone, and may run while a server has the directory.
func OpenBeside(ctx context.Context, cfg config.Config, log *slog.Logger) (*Engines, error) {
	if cfg.MongoDB.URI != "" {
		return Open(ctx, cfg, log)
	}
	return beside(ctx, cfg, sqlite.OpenBeside)
}

// use takes a store. The blobs are open.
func (p *Engines) use(s Store) { p.Raw, p.Store = s, &wholeLog{s, archive.Over(s, p.Originals)} }

// wholeLog is a store whose entries are whole, wherever their bodies lie.
type wholeLog struct {
	Store
	log *archive.Reader
}

func (w *wholeLog) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	return w.log.Entry(ctx, scope, seq)
}

func (w *wholeLog) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	return w.log.Batch(ctx, scope, device, batch)
}

func (w *wholeLog) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	return w.log.Entries(ctx, scope, after, limit)
}

func kinds() []field.Kind {
	var all []field.Kind
	for _, s := range field.Kinds() {
		all = append(all, s.Kind)
	}
	return all
}

// OpenBlobs opens the stores of blobs alone.
func OpenBlobs(ctx context.Context, cfg config.Config) (*Engines, error) {
	p := &Engines{Now: cfg.Clock()}
	if err := p.openBlobs(ctx, cfg); err != nil {
		return nil, fmt.Errorf("the photo store: %w", err)
	}
	return p, nil
}

func (p *Engines) openBlobs(ctx context.Context, cfg config.Config) error {
	if cfg.S3.Endpoint == "" {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return err
		}
		originals, err := dir.Open(dir.Config{Root: filepath.Join(cfg.Data, "photos")})
		if err != nil {
			return err
		}
		small, err := dir.Open(dir.Config{Root: filepath.Join(cfg.Data, "renditions")})
		if err != nil {
			return err
		}
		anchors, err := dir.Open(dir.Config{Root: filepath.Join(cfg.Data, "anchors")})
		if err != nil {
			return err
		}
		p.Originals, p.Small, p.Staging, p.Anchors = originals, small, originals.Staging(), anchors
		return nil
	}
	c := minio.Config{
		Endpoint: cfg.S3.Endpoint, AccessKey: string(cfg.S3.AccessKey), SecretKey: string(cfg.S3.SecretKey), Secure: cfg.S3.TLS, Region: cfg.S3.Region,
		Bucket: cfg.S3.Bucket, Locked: true, StagingBucket: cfg.S3.Bucket + "-staging", PublicURL: cfg.S3.PublicURL,
	}
	if cfg.S3.PublicURL != "" {
		p.SealedLife = cfg.S3.SealedTTL
	}
	if cfg.S3.RetentionDays > 0 {
		c.Retention, c.RetainDays = "GOVERNANCE", cfg.S3.RetentionDays
	}
	originals, err := minio.Open(ctx, c)
	if err != nil {
		return err
	}
	staging, err := originals.Staging()
	if err != nil {
		return err
	}
	c.PublicURL = ""
	c.Bucket, c.StagingBucket, c.Retention, c.RetainDays = cfg.S3.Bucket+"-anchors", "", "COMPLIANCE", StatementDays
	anchors, err := minio.Open(ctx, c)
	if err != nil {
		return err
	}
	c.Bucket, c.Locked, c.Retention, c.RetainDays = cfg.S3.Bucket+"-renditions", false, "", 0
	small, err := minio.Open(ctx, c)
	if err != nil {
		return err
	}
	p.Originals, p.Small, p.Staging, p.Anchors = originals, small, staging, anchors
	return nil
}
