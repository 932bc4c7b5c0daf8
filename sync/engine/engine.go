// Package engine is the one write path and the one read path of the records. A phone's push, a supervisor's click and a
// follower of the log all end in Commit: operations are decided one by one (decide.go), written with their outcomes as
// one entry per scope (lane.go), and everybody who listens is told (listen.go). Pull (pull.go) reads what has changed.
// Followers (follow.go) do later what may come later. Verify (verify.go) checks that the records are the log's image.
//
// What is to be done with a kind is said by its field.Spec. Named here are the kinds that the engine writes itself
// (conflicts, kept operations), those that it asks before it tells somebody (notices, people, recusals), and three of
// the field, as docs/decisions/kinds.md says.
//
// Not here: who may do what (server/access), what a command means (server/field), how values merge (sync/merge), HTTP.
package engine

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Store is what the engine needs of a store. The contract stands in server/store.
type Store interface {
	Commit(ctx context.Context, writes []store.Write) error
	Head(ctx context.Context, scope field.Scope) (store.Head, error)
	Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error)
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
	Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	LastBatch(ctx context.Context, scope field.Scope, device field.DeviceID) (int64, error)
	Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
	SealKeys
}

// What sync itself writes: of which kind these records are is said by the kinds.
var (
	conflictKind = field.KindFor(field.UseConflict) // the value that lost
	keptKind     = field.KindFor(field.UseKept)     // the operation that was refused
)

// Options of an engine. Only Store must be set.
type Options struct {
	Store    Store
	Now      func() time.Time // server time; nil: time.Now
	Log      *slog.Logger     // nil: discards
	Observed func(outcome string, n int)
	Horizon  time.Duration // a phone that has been away for longer loads afresh; 0: never

	Kinds func(field.Kind) *field.Spec // the kinds that operations may be of; nil: field.KindOf
	// ActorOf says what a person may do now, also one who has left: whose operation was kept and is accepted. nil: only
	// what the one who accepts may do is let in.
	ActorOf   func(context.Context, field.UserID) (*access.Actor, error)
	Kept      int    // operations of one person that may lie undecided; 0: 2000
	KeptBytes int64  // of these; 0: 32 MiB
	ImageMax  int64  // bytes of the largest image that may be declared; 0: field.DefaultImageMax
	Secret    string // goes into the ids of what commands bring about, so that nobody takes them first; empty: drawn
}

// Engine serialises the writes to each scope of its process and decides them.
type Engine struct {
	store    Store
	now      func() time.Time
	log      *slog.Logger
	observed func(outcome string, n int)
	horizon  time.Duration
	kindOf   func(field.Kind) *field.Spec
	secret   string
	imageMax int64

	keptMost  int
	keptBytes int64

	actorOf func(context.Context, field.UserID) (*access.Actor, error)

	mu      sync.Mutex
	lanes   map[field.Scope]*lane  // guarded by mu
	digests map[field.Scope]summed // guarded by mu

	hub   hub
	forks forks
}

// New makes an engine on a store.
func New(o Options) *Engine {
	e := &Engine{store: o.Store, now: o.Now, log: o.Log, observed: o.Observed, horizon: o.Horizon, kindOf: o.Kinds, secret: o.Secret, imageMax: o.ImageMax, actorOf: o.ActorOf, lanes: map[field.Scope]*lane{}}
	if e.now == nil {
		e.now = time.Now
	}
	if e.keptMost = o.Kept; e.keptMost == 0 {
		e.keptMost = keptMost
	}
	if e.keptBytes = o.KeptBytes; e.keptBytes == 0 {
		e.keptBytes = keptBytes
	}
	if e.secret == "" {
		e.secret = rand.Text()
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.kindOf == nil {
		e.kindOf = field.KindOf
	}
	docs, _ := o.Store.(Docs) // a store without: only this process knows
	e.forks = forks{docs: docs, now: e.now}
	if e.observed == nil {
		e.observed = func(string, int) {}
	}
	return e
}

// NewID makes the id of a record that is made on the server.
func (e *Engine) NewID() field.RecordID { return field.RandomID(e.now()) }

// serverTime is the time of an entry: milliseconds, because that is what MongoDB keeps.
func (e *Engine) serverTime() time.Time { return e.now().UTC().Truncate(time.Millisecond) }

// Server is the actor under whose name the server itself writes.
var Server = &access.Actor{Server: true}
