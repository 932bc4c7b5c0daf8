// Package accounts knows who is signed in: sign-in names and password hashes, devices, sessions, tokens, and the actor
// that a token stands for. It also makes people and organisations, because a person is a record and an account at once.
//
// Open this file first. signin.go, session.go and token.go follow one sign-in from the password to the access token;
// actor.go turns a token into an access.Actor and caches it; setup.go, people.go, device.go and code.go are the
// administrator's. Who can sign in as whom and from where, and who did, are records in signin/<org>
// (server/field/signin.go), what a person is (name, roles) is one in org/<org>: written on the one write path, and
// nothing counts before it is. Working documents hold the secrets beside them, each worth nothing without its record;
// check.go compares the two. upgrade.go lifts what older servers kept beside the log into it. Not here: who may do what
// (server/access), HTTP (server/api).
package accounts

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Docs is what is needed of the working documents. The contract stands in server/store/docs.go.
type Docs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
	DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error)
	DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error)
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
}

// Records is what is read of the records. The contract stands in server/store/log.go.
type Records interface {
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
	Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error)
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
}

// Committer is the one write path.
type Committer interface {
	Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error)
}

// Options of Accounts. Docs, Records and Commit must be set.
type Options struct {
	Docs    Docs
	Records Records
	Commit  Committer

	Now        func() time.Time // nil: time.Now
	Log        *slog.Logger     // nil: discards
	AccessTTL  time.Duration    // of an access token; 0: 15 min
	SessionTTL time.Duration    // of a session that is not refreshed; 0: 90 days
	Grace      time.Duration    // in which a refresh token that was just used gets the same answer again; 0: 10 min
	CodeTTL    time.Duration    // of a one-time code; 0: 72 h
	Devices    int              // that one person may have; 0: 5
	Fresh      time.Duration    // how long an actor is believed without looking again; 0: 2 s
	Hash       HashCost         // of new passwords; zero: the cost noted in docs/decisions/accounts.md
}

// Accounts is safe for many goroutines, and for many processes on one store.
type Accounts struct {
	docs    Docs
	records Records
	commit  Committer
	now     func() time.Time
	log     *slog.Logger

	accessTTL, sessionTTL, grace, codeTTL time.Duration
	devices                               int

	contradictions atomic.Int64 // see Contradictions

	hash     *hasher
	throttle *throttle
	actors   actors

	keyMu  sync.Mutex // guards keys and keyAt
	keys   ring
	keyAt  time.Time // when they were read
	known  remembered[*claims]
	visits remembered[visit] // by the hash of a browser's secret: the access token that stands for it for a moment
}

// Contradictions counts the times since the start that a secret or a record was not what the log says, and let nobody
// in.
func (a *Accounts) Contradictions() int64 { return a.contradictions.Load() }

// New makes Accounts on a store.
func New(o Options) *Accounts {
	a := &Accounts{
		docs: o.Docs, records: o.Records, commit: o.Commit, now: o.Now, log: o.Log,
		accessTTL: o.AccessTTL, sessionTTL: o.SessionTTL, grace: o.Grace, codeTTL: o.CodeTTL, devices: o.Devices,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	pick := func(d *time.Duration, other time.Duration) {
		if *d == 0 {
			*d = other
		}
	}
	pick(&a.accessTTL, 15*time.Minute)
	pick(&a.sessionTTL, 90*24*time.Hour)
	pick(&a.grace, 10*time.Minute)
	pick(&a.codeTTL, 72*time.Hour)
	if a.devices == 0 {
		a.devices = 5
	}
	pick(&o.Fresh, 2*time.Second)
	a.hash = newHasher(o.Hash)
	a.throttle = &throttle{docs: o.Docs, now: a.now}
	a.actors.fresh = o.Fresh
	return a
}

// random fills b. It never fails: crypto/rand aborts the program instead.
func random(b []byte) { _, _ = crand.Read(b) }

// read loads a document into a T. found is false when there is none.
func read[T any](ctx context.Context, d Docs, shelf store.Shelf, id string) (body T, doc store.Doc, found bool, err error) {
	doc, err = d.GetDoc(ctx, shelf, id)
	if field.Is(err, field.CodeNotFound) {
		return body, store.Doc{Shelf: shelf, ID: id}, false, nil
	}
	if err != nil {
		return body, doc, false, err
	}
	if err := json.Unmarshal(doc.Body, &body); err != nil {
		return body, doc, false, field.Refuse(field.CodeInternal, "").Because(err)
	}
	return body, doc, true, nil
}

// write puts a document; CodeStale when somebody else has changed it since it was read.
func write(ctx context.Context, d Docs, doc store.Doc, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err)
	}
	doc.Body = raw
	_, err = d.PutDoc(ctx, doc)
	return err
}
