// Package storetest is the contract of the two stores as cases that both pass. The contract in words stands in the
// comments of server/store; a new promise starts here as a new case.
//
// Start with Store and Run. commit.go holds the log, archive.go its bundles, records.go the images, list.go lists and
// visibility, hashes.go what looks alike, docs.go the working documents, durable.go what outlives a process, repair.go
// what verification and repair ask; desk.go is the caller that the cases share.
//
// A case that the engine under test cannot pass, because it has no transactions or no second process, is skipped with a
// message that starts with "needs mongod", and is never reported as passed.
package storetest

import (
	"context"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Store is everything that a store promises. Its callers declare what they call; only the tests need all of it.
type Store interface {
	Commit(ctx context.Context, writes []store.Write) error
	Head(ctx context.Context, scope field.Scope) (store.Head, error)
	Heads(ctx context.Context, page store.ListScopes) ([]store.Head, error)
	Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error)
	Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error)
	LastBatch(ctx context.Context, scope field.Scope, device field.DeviceID) (int64, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Archive(ctx context.Context, b store.Bundled) error
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error)
	List(ctx context.Context, query store.Query) ([]*field.Record, error)

	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
	DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error)
	DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error)

	Hashes(ctx context.Context, after store.Hash, limit int) ([]store.Hash, error)

	LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error)
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
	Repair(ctx context.Context, r store.Repair) error
	Check(ctx context.Context, found func(store.Flaw)) error
	Mend(ctx context.Context) ([]field.RecordID, error)

	// Ping asks the engine for an answer. Engine names it for people, such as "sqlite", "3.50.4".
	Ping(ctx context.Context) error
	Engine(ctx context.Context) (name, version string, err error)
	Close() error
}

// Capabilities say what the engine under test can be asked for.
type Capabilities struct {
	Transactions bool // a commit is one transaction, and a compare-and-swap is atomic
	Processes    bool // several server processes may write to one store at the same time; Second opens another

	// Reopen abandons a store as kill -9 would, without Close where that is possible, and opens the same data again.
	// Nil: the cases that need it are skipped.
	Reopen func(t *testing.T, s Store) Store
	// Second opens the data of s once more while s is in use, as another process would. Needed where Processes is set.
	Second func(t *testing.T, s Store) Store
}

type suite struct {
	open func(t *testing.T) Store
	caps Capabilities
}

// Run checks a store. open returns an empty store of the case's own and closes it when the case ends.
func Run(t *testing.T, open func(t *testing.T) Store, caps Capabilities) {
	s := &suite{open: func(t *testing.T) Store {
		s := open(t)
		t.Cleanup(func() { unflawed(t, s) })
		return s
	}, caps: caps}
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"commit", commitCases},
		{"records", recordCases},
		{"list", listCases},
		{"hashes", hashCases},
		{"docs", docCases},
		{"archive", archiveCases},
		{"durable", durableCases},
		{"keep", keepCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					s.require(t, c.needs)
					c.run(t, s)
				})
			}
		})
	}
}

// unflawed checks, when a case has ended, that whatever it wrote lies in the store as Check expects it.
func unflawed(t *testing.T, s Store) {
	t.Helper()
	if t.Skipped() || s.Ping(context.Background()) != nil { // the case has closed it
		return
	}
	err := s.Check(context.Background(), func(f store.Flaw) { t.Errorf("flaw: %s", f) })
	if err != nil {
		t.Errorf("looking for flaws: %v", err)
	}
}

type need int

const (
	anyEngine need = iota
	transactions
	processes
	reopening
)

type testCase struct {
	name  string
	needs need
	run   func(t *testing.T, s *suite)
}

func (s *suite) require(t *testing.T, n need) {
	t.Helper()
	switch {
	case n == transactions && !s.caps.Transactions:
		t.Skip("needs mongod: this engine has no transactions")
	case n == processes && (!s.caps.Processes || s.caps.Second == nil):
		t.Skip("needs mongod: one process at a time on this engine")
	case n == reopening && s.caps.Reopen == nil:
		t.Skip("needs mongod: this engine's data cannot be opened again here")
	}
}
