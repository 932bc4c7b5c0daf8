// Package app builds the whole program from a configuration: store, blobs, engine, accounts, uploads, workers, HTTP.
// The main program, the demo and the tests start it the same way.
//
// Start is the one to read. watch.go hears what other servers write; export.go is the command that writes the file of a
// case. Which engines there are is in server/storage, what becomes of photos in server/evidence, what is stored is
// looked after in server/upkeep. Nothing here decides anything about a record. The tests play the whole server.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/media/intake"
	"fieldclue/media/receipt"
	"fieldclue/media/worker"
	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/alike"
	"fieldclue/server/api"
	"fieldclue/server/api/guard"
	"fieldclue/server/casefile"
	"fieldclue/server/config"
	"fieldclue/server/evidence"
	"fieldclue/server/field"
	"fieldclue/server/space"
	"fieldclue/server/storage"
	"fieldclue/server/upkeep"
	"fieldclue/server/web"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
)

// App is a running server.
type App struct {
	cfg     config.Config
	log     *slog.Logger
	parts   *storage.Engines
	engine  *engine.Engine
	users   *accounts.Accounts
	ledger  *evidence.Ledger
	alike   *alike.Index
	space   *space.Index
	uploads *intake.Service
	pool    *worker.Pool
	holds   *evidence.Holds
	doubt   atomic.Pointer[api.Warning] // of the clock; nil: none
	http    *api.Server
	ln      net.Listener
	figures *http.Server // gives the metrics on a listener of its own; nil: there is none
	watched net.Listener

	background context.CancelFunc
	running    sync.WaitGroup
	failed     chan error
}

// Start builds the program, listens and serves. The caller calls Stop.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (*App, error) {
	p, err := upkeep.OpenToServe(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := p.CleanTemp(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("the photo store: %w", err), p.Close())
	}
	a := &App{cfg: cfg, log: log, parts: p, failed: make(chan error, 1)}
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if a.ln, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen on %s: %w", cfg.Listen, err), p.Close())
	}
	if cfg.MetricsListen != "" {
		if a.watched, err = net.Listen("tcp", cfg.MetricsListen); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot listen on %s for the metrics: %w", cfg.MetricsListen, err), a.ln.Close(), p.Close())
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", a.http.MetricsHandler())
		a.figures = &http.Server{Handler: mux, ReadTimeout: time.Minute, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	}
	a.start()
	return a, nil
}

func (a *App) wire(ctx context.Context) error {
	p := a.parts
	if _, err := a.keys(ctx); err != nil { // made at the first start, or what is wrong with them is said at once
		return err
	}
	a.engine = engine.New(engine.Options{Store: p.Store, Log: a.log, Now: p.Now, Horizon: time.Duration(a.cfg.HorizonDays) * 24 * time.Hour, Kept: a.cfg.Kept, KeptBytes: a.cfg.KeptBytes, ImageMax: a.cfg.UploadMax, ActorOf: func(ctx context.Context, user field.UserID) (*access.Actor, error) {
		return a.users.Past(ctx, user)
	}})
	upkeep.MoveHouseholds(ctx, p.Store, a.engine, a.log)
	a.users = accounts.New(accounts.Options{Docs: p.Store, Records: p.Store, Commit: a.engine, AccessTTL: a.cfg.AccessTTL, Devices: a.cfg.Devices, CodeTTL: a.cfg.CodeTTL, Hash: hashCost(a.cfg), Now: p.Now, Log: a.log})
	if err := a.users.MarkFounder(ctx); err != nil {
		return err
	}
	if err := a.users.Upgrade(ctx); err != nil {
		return fmt.Errorf("lifting accounts, devices and sessions into the log: %w", err)
	}
	a.space = space.New(p.Store, p.Now)
	a.ledger = evidence.NewLedger(a.engine, p.Store, a.users, a.space)
	a.alike = alike.New(p.Store, p.Now)
	a.uploads = intake.New(intake.Config{
		Blobs: p.Originals, Staging: p.Staging, Docs: p.Store, Ledger: a.ledger, Keys: a.keys, Now: p.Now, MaxImage: a.cfg.UploadMax,
		Begun: a.cfg.Begun, BegunBytes: a.cfg.BegunBytes,
		Keep:       space.Waits, // a declaration counts for as long as half an upload is kept
		SealedLife: p.SealedLife,
	})
	a.pool = worker.New(worker.Config{Docs: p.Store, Workers: a.cfg.Workers, Log: a.log, Now: p.Now})
	if err := a.lookAtClock(ctx); err != nil {
		return err
	}
	a.holds = evidence.NewHolds(p.Store, a.engine, p.Originals, a.log)
	pages, err := web.Build()
	if err != nil {
		return err
	}
	a.http = api.New(api.Options{
		Pages:    pages,
		Accounts: a.users, Engine: a.engine, Pokes: a.engine, Store: p.Store, Blobs: storage.PhotoBytes{Engines: p},
		Flow: workflow.New(p.Store, a.engine, a.alike, p.Now), Cases: &casefile.Maker{Store: p.Store, Blobs: storage.PhotoBytes{Engines: p}, Keys: a.keys},
		Uploads: a.uploads, Jobs: a.pool, Space: a.space, Receipts: a.keys, Now: p.Now, Doubt: a.doubt.Load, Log: a.log,
		Guard: guard.Config{
			Uploads: a.cfg.Uploads, UserUploads: a.cfg.UploadsUser, Memory: a.cfg.BodyMemory, UserMemory: a.cfg.BodyMemoryUser,
		},
		Connections: connections(), RequestTimeout: a.cfg.RequestTimeout, TrustedProxies: a.cfg.TrustedProxies, PublicURL: a.cfg.PublicURL, AppOrigins: a.cfg.AppOrigins, MetricsToken: string(a.cfg.MetricsToken),
		Streams: a.cfg.Streams, UserStreams: a.cfg.StreamsUser, Others: a.cfg.MongoDB.URI != "",
	})
	return nil
}

// hashCost is zero, which stands for the cost that was decided, but in tests.
func hashCost(cfg config.Config) accounts.HashCost {
	if cfg.HashKiB == 0 {
		return accounts.HashCost{}
	}
	return accounts.HashCost{MemoryKiB: cfg.HashKiB, Passes: 1}
}

// keys gives the keys that sign receipts, statements and case files, as they are now.
func (a *App) keys(ctx context.Context) (receipt.Ring, error) { return upkeep.Ring(ctx, a.parts) }

// start begins to serve, and everything that goes on beside the requests.
func (a *App) start() {
	ctx, stop := context.WithCancel(context.Background())
	a.background = stop
	a.running.Go(func() {
		if err := a.http.Serve(a.ln); err != nil {
			a.failed <- fmt.Errorf("the HTTP server ended: %w", err)
		}
	})
	if a.figures != nil {
		a.running.Go(func() {
			if err := a.figures.Serve(a.watched); !errors.Is(err, http.ErrServerClosed) {
				a.failed <- fmt.Errorf("the listener of the metrics ended: %w", err)
			}
		})
	}
	goOn := func(what string, run func(context.Context) error) {
		a.running.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				a.failed <- fmt.Errorf("%s ended: %w", what, err)
			}
		})
	}
	examine := evidence.NewExaminer(a.parts, a.ledger, a.alike, a.pool, a.cfg.Workers)
	goOn("the examination of photos", func(ctx context.Context) error {
		defer examine.Close()
		return a.pool.Run(ctx)
	})
	goOn("following the log", func(ctx context.Context) error {
		return a.engine.Follow(ctx, a.parts.Store, workflow.NewCampaigns(a.parts.Store, a.engine), workflow.NewAliases(a.parts.Store, a.engine), &evidence.Arrivals{Pool: a.pool}, a.holds, engine.Shredder{Engine: a.engine})
	})
	goOn("taking in what newer apps had sent", a.reconsider)
	goOn("hearing what other servers write", a.hearOthers)
	goOn("reading the hashes of photos", a.readHashes)
	goOn("counting the space of photos", func(ctx context.Context) error { return a.ledger.WatchSpace(ctx, a.log) })
	goOn("keeping access fresh", a.keepAccessFresh)
	goOn("housekeeping", a.keepHouse)
	goOn("keeping signed statements of the logs", func(ctx context.Context) error { return upkeep.AnchorDaily(ctx, a.parts, a.log) })
	goOn("archiving", func(ctx context.Context) error { return upkeep.ArchiveDaily(ctx, a.parts, a.cfg, a.log) })
	goOn("mending legal holds", a.holds.MendDaily)
}

// keepAccessFresh forgets what is remembered about people as soon as this process commits something about them.
func (a *App) keepAccessFresh(ctx context.Context) error {
	for ctx.Err() == nil {
		pokes, cancel := a.engine.Listen(1024)
		for open := true; open; {
			select {
			case <-ctx.Done():
				open = false
			case p, ok := <-pokes:
				if open = ok; ok {
					a.users.Invalidate(p.Scope)
				}
			}
		}
		cancel()
	}
	return nil
}

// readHashes fills the index of photos that look alike, so that the first question does not wait for it. From then on
// every question brings it up to date.
func (a *App) readHashes(ctx context.Context) error {
	begun := time.Now()
	if err := a.alike.Fresh(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("the hashes of the photos could not be read; the first question tries again", "error", err)
	} else if err == nil {
		a.log.Debug("the hashes of the photos are read", "took", time.Since(begun))
	}
	return nil
}

// reconsider lets operations take effect that came from newer apps than the program was then.
func (a *App) reconsider(ctx context.Context) error {
	n, err := a.engine.Reconsider(ctx, a.users.Actor)
	if n > 0 {
		a.log.Info("operations of newer apps took effect", "operations", n)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("operations of newer apps could not be tried again; the next start tries", "error", err)
	}
	return nil
}

// keepHouse removes what has expired: half-finished uploads after 30 days, sessions that are over.
func (a *App) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	if err := a.uploads.Tidy(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("tidying up uploads", "error", err)
	}
	for {
		if _, err := a.uploads.Sweep(ctx, 100, a.ledger.UploadExpired); err != nil && ctx.Err() == nil {
			a.log.Warn("sweeping uploads", "error", err)
		}
		if _, err := a.users.Sweep(ctx, 1000); err != nil && ctx.Err() == nil {
			a.log.Warn("sweeping sessions", "error", err)
		}
		if err := a.lookAtClock(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("comparing the clock with the log", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lookAtClock keeps what /readyz warns of, and logs it when it begins.
func (a *App) lookAtClock(ctx context.Context) error {
	doubt, err := upkeep.Doubt(ctx, a.parts)
	if err != nil {
		return err
	}
	if before := a.doubt.Swap((*api.Warning)(doubt)); doubt != nil && before == nil {
		a.log.Warn(doubt.EN)
	}
	return nil
}

// Verify checks everything that this server stores.
func (a *App) Verify(ctx context.Context) (*upkeep.Report, error) {
	return upkeep.Check(ctx, a.parts, upkeep.Look{})
}

// URL is where the server answers.
func (a *App) URL() string { return "http://" + a.ln.Addr().String() }

// MetricsAddress is where the metrics are given on a listener of their own; empty when there is none.
func (a *App) MetricsAddress() string {
	if a.watched == nil {
		return ""
	}
	return a.watched.Addr().String()
}

// Engines names the store and the blob store with their versions, for people.
func (a *App) Engines(ctx context.Context) string {
	name, version, err := a.parts.Store.Engine(ctx)
	if err != nil {
		name, version = "store", "unknown"
	}
	return fmt.Sprintf("%s %s, %s", name, version, a.parts.Originals.Engine())
}

// SetupCode is the one-time code with which the first administrator is made; empty once there is one.
func (a *App) SetupCode(ctx context.Context) (string, error) { return a.users.SetupCode(ctx) }

// Failed delivers the error that ended the server before Stop.
func (a *App) Failed() <-chan error { return a.failed }

// Stop takes no new work, finishes what runs, and closes the stores.
func (a *App) Stop(ctx context.Context) error {
	err := a.http.Stop(ctx)
	if a.figures != nil {
		err = errors.Join(err, a.figures.Close())
	}
	a.background()
	a.running.Wait()
	return errors.Join(err, a.parts.Close())
}
