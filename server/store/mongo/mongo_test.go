package mongo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/store/storetest"
)

// The tests run on the server named in FIELDCLUE_TEST_MONGODB_URI, else on what mongotest finds. Every store gets a new
// database, which is dropped when its test ends.

var engine struct {
	mongotest.Server
	err error
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "fieldclue-mongo")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }() // the system clears what is left there
		server, stop, err := mongotest.Launch(dir)
		if err == nil {
			defer stop()
		}
		engine.Server, engine.err = server, err
		return m.Run()
	}())
}

// running returns the server, or skips the test where there is none.
func running(t *testing.T) mongotest.Server {
	t.Helper()
	if engine.err != nil {
		mongotest.Start(t) // says why, and whether that is a failure
	}
	return engine.Server
}

// newDatabase returns a database of the test's own.
func newDatabase(t *testing.T) *mongo.Database {
	t.Helper()
	uri := running(t).URI
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	db := client.Database("fieldclue_test_" + hex.EncodeToString(random[:]))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Errorf("drop %s: %v", db.Name(), err)
		}
		if err := client.Disconnect(ctx); err != nil {
			t.Error(err)
		}
	})
	return db
}

func optionsFor(db *mongo.Database) Options {
	return Options{
		URI: engine.URI, Database: db.Name(), Kinds: []field.Kind{field.KindReport, field.KindPerson, field.KindParked},
		Timeout: 20 * time.Second, AllowStandIn: true,
	}
}

func openOn(t *testing.T, db *mongo.Database) *Store {
	t.Helper()
	s, err := Open(t.Context(), optionsFor(db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	server := running(t)
	databases := map[storetest.Store]*mongo.Database{}
	open := func(t *testing.T, db *mongo.Database) storetest.Store {
		s := openOn(t, db)
		databases[s] = db
		return s
	}
	again := func(t *testing.T, s storetest.Store) storetest.Store { return open(t, databases[s]) }
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, newDatabase(t)) }, storetest.Capabilities{
		Transactions: server.Transactional,
		Processes:    server.Transactional,
		Reopen:       again,
		Second:       again,
	})
}

func needsMongod(t *testing.T, why string) {
	t.Helper()
	if !running(t).Transactional {
		t.Skipf("needs mongod: %s", why)
	}
}

func TestOpen(t *testing.T) {
	t.Run("twice on one database", func(t *testing.T) {
		db := newDatabase(t)
		openOn(t, db)
		s := openOn(t, db)
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		name, version, err := s.Engine(t.Context())
		if err != nil || !strings.EqualFold(name, engine.Engine) || version != engine.Version && version != "unknown" {
			t.Fatalf("engine %q %q %v, want %s", name, version, err, engine.Server)
		}
	})
	t.Run("every index is there", func(t *testing.T) {
		db := newDatabase(t)
		openOn(t, db)
		for _, ix := range indexes() {
			if ix.geo && !engine.Transactional {
				continue
			}
			have, err := listIndexes(t.Context(), db.Collection(ix.on))
			if err != nil {
				t.Fatal(err)
			}
			if err := ix.check(have[ix.name]); err != nil {
				t.Errorf("%s.%s %v", ix.on, ix.name, err)
			}
		}
	})
	t.Run("a unique index that cannot be made is a refusal", func(t *testing.T) {
		db := newDatabase(t)
		for i := range 2 {
			_, err := db.Collection(logName).InsertOne(t.Context(), bson.D{{Key: "_id", Value: fmt.Sprint(i)}, {Key: "scope", Value: "org/gz"}, {Key: "seq", Value: int64(1)}})
			if err != nil {
				t.Fatal(err)
			}
		}
		refuses(t, optionsFor(db), "scope_seq")
	})
	t.Run("a lost unique index is made again", func(t *testing.T) {
		db := newDatabase(t)
		openOn(t, db)
		if _, err := db.Collection(logName).Indexes().DropOne(t.Context(), "scope_device_batch"); err != nil {
			t.Fatal(err)
		}
		openOn(t, db)
		have, err := listIndexes(t.Context(), db.Collection(logName))
		if err != nil || have["scope_device_batch"] == nil || !have["scope_device_batch"].Unique {
			t.Fatalf("after the second start: %v, %v", have, err)
		}
	})
	for name, keys := range map[string]bson.D{
		"an index that is not unique is a refusal": up("scope", "device", "batch"),
		"an index on other keys is a refusal":      up("scope", "batch", "device"),
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t)
			_, err := db.Collection(logName).Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: keys, Options: options.Index().SetName("scope_device_batch")})
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, optionsFor(db), "scope_device_batch")
		})
	}
	t.Run("the stand-in is refused unless a test allows it", func(t *testing.T) {
		db := newDatabase(t)
		if engine.Engine != "ferretdb" {
			t.Skip("the server is no stand-in")
		}
		o := optionsFor(db)
		o.AllowStandIn = false
		refuses(t, o, "FerretDB")
		names, err := db.ListCollectionNames(t.Context(), bson.D{})
		if err != nil || len(names) > 0 {
			t.Fatalf("the refusal left %v, %v", names, err)
		}
	})
	t.Run("nobody at the address", func(t *testing.T) {
		_, err := Open(t.Context(), Options{URI: "mongodb://127.0.0.1:1/", Database: "x", Timeout: 200 * time.Millisecond})
		if !field.Is(err, field.CodeStoreDown) {
			t.Fatalf("got %v, want %s", err, field.CodeStoreDown)
		}
	})
	t.Run("a connection string that is none", func(t *testing.T) {
		refuses(t, Options{URI: "postgres://x", Database: "x"}, "connection string")
	})
}

func refuses(t *testing.T, o Options, because string) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		_ = s.Close() // the test has failed already
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), because) {
		t.Fatalf("the refusal %q does not name %q", err, because)
	}
}

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// next makes the write that follows on a head, with records made by it.
func next(head store.Head, records ...*field.Record) store.Write {
	e := store.Entry{Scope: head.Scope, Seq: head.Seq + 1, Prev: head.Hash, Device: "phone", Batch: head.Seq + 1, At: start}
	e.Body = fmt.Appendf(nil, `{"scope":%q,"seq":%d}`, e.Scope, e.Seq)
	sum := sha256.Sum256(e.Body)
	e.Hash = hex.EncodeToString(sum[:])
	for _, r := range records {
		r.Scope, r.Version, r.CreatedAt, r.UpdatedAt = e.Scope, e.Seq, start, start
	}
	return store.Write{
		Entries: []store.Entry{e}, Records: records,
		Head: store.Head{Scope: e.Scope, Seq: e.Seq, Hash: e.Hash, At: e.At, Info: field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan"}}},
	}
}

func note(id, text string) *field.Record {
	return &field.Record{ID: field.RecordID(id), Kind: field.KindReport, Fields: map[string]field.Value{"summary": field.Quote(text)}}
}

// A record that looks new and is stored already is replaced on the second try.
func TestWrongGuessIsPutRight(t *testing.T) {
	needsMongod(t, "the first try must leave nothing behind")
	s := openOn(t, newDatabase(t))
	first := next(store.Head{Scope: "org/aa"}, note("1", "one"))
	second := next(first.Head, note("1", "one, edited in the same millisecond"), note("2", "two"))
	for _, w := range []store.Write{first, second} {
		if err := s.Commit(t.Context(), []store.Write{w}); err != nil {
			t.Fatal(err)
		}
	}
	records, err := s.Changed(t.Context(), "org/aa", 0, 9, 9)
	if err != nil || len(records) != 2 || records[0].Version != 2 || records[0].Text("summary") != "one, edited in the same millisecond" {
		t.Fatalf("records %+v, %v", records, err)
	}
}

func TestHeadNow(t *testing.T) {
	s := openOn(t, newDatabase(t))
	w := next(store.Head{Scope: "org/aa"})
	if err := s.Commit(t.Context(), []store.Write{w}); err != nil {
		t.Fatal(err)
	}
	if head, err := s.HeadNow(t.Context(), "org/aa"); err != nil || head.Seq != 1 || head.Hash != w.Head.Hash {
		t.Fatalf("head %+v, %v", head, err)
	}
	if _, err := s.HeadNow(t.Context(), "org/bb"); !field.Is(err, field.CodeNotFound) {
		t.Fatalf("a scope without entries: %v", err)
	}
}

func TestWatch(t *testing.T) {
	db := newDatabase(t)
	s := openOn(t, db)
	if !engine.Transactional {
		err := s.Watch(t.Context(), func(field.Scope, int64) { t.Error("something was seen") })
		if !errors.Is(err, errNoStream) {
			t.Fatalf("got %v", err)
		}
		t.Skip("needs mongod: this engine has no change streams; the caller was told to poll")
	}
	other := openOn(t, db) // as another process
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen, ended := make(chan int64, 10_000), make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, func(scope field.Scope, seq int64) {
			if scope == "org/aa" {
				seen <- seq
			}
		})
	}()
	// Nobody says when the stream is open, so commits go on until one is seen.
	head, at := store.Head{Scope: "org/aa"}, int64(0)
	for at == 0 {
		w := next(head)
		if err := other.Commit(ctx, []store.Write{w}); err != nil {
			t.Fatal(err)
		}
		head = w.Head
		select {
		case at = <-seen:
		case err := <-ended:
			t.Fatal(err)
		default:
		}
	}
	for ; at < head.Seq; at++ {
		select {
		case got := <-seen:
			if got != at+1 {
				t.Fatalf("entry %d was announced after %d", got, at)
			}
		case err := <-ended:
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("the stream ended without saying why")
	}
}

// What people find in mongosh.
func TestViews(t *testing.T) {
	needsMongod(t, "this engine has no views")
	db := newDatabase(t)
	s := openOn(t, db)
	if err := s.Commit(t.Context(), []store.Write{next(store.Head{Scope: "org/aa"}, note("1", "one"))}); err != nil {
		t.Fatal(err)
	}
	for view, want := range map[string]int64{"reports": 1, "people": 0, "parked": 0} {
		if n, err := db.Collection(view).CountDocuments(t.Context(), bson.D{}); err != nil || n != want {
			t.Errorf("%d documents in %s, want %d, %v", n, view, want, err)
		}
	}
}

// The queries of pulls, lists and queues walk along an index, in its order.
func TestQueriesUseIndexes(t *testing.T) {
	needsMongod(t, "this engine scans")
	db := newDatabase(t)
	openOn(t, db)
	for name, q := range map[string]struct {
		on           string
		filter, sort bson.D
	}{
		"Entries":   {logName, bson.D{{Key: "scope", Value: "org/aa"}, {Key: "seq", Value: bson.D{{Key: "$gt", Value: int64(1)}}}}, up("scope", "seq")},
		"Batch":     {logName, bson.D{{Key: "scope", Value: "org/aa"}, {Key: "device", Value: "phone"}, {Key: "batch", Value: int64(1)}}, bson.D{}},
		"Changed":   {recordsName, bson.D{{Key: "scope", Value: "org/aa"}, {Key: "_sync.version", Value: bson.D{{Key: "$gt", Value: int64(1)}}}}, up("scope", "_sync.version", "_id")},
		"by kind":   {recordsName, bson.D{{Key: "kind", Value: "report"}, {Key: "deleted", Value: false}}, up("_sync.rank", "_id")},
		"by state":  {recordsName, bson.D{{Key: "kind", Value: "report"}, {Key: "state", Value: "submitted"}}, up("_sync.rank", "_id")},
		"by key":    {recordsName, bson.D{{Key: "_sync.keys", Value: "siteId=1"}}, up("_sync.rank", "_id")},
		"DocsDue":   {"jobs", bson.D{{Key: "due", Value: bson.D{{Key: "$lte", Value: start}}}}, up("due", "_id")},
		"DocsByKey": {"jobs", bson.D{{Key: "key", Value: "a"}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: "b"}}}}, up("key", "_id")},
	} {
		t.Run(name, func(t *testing.T) {
			find := bson.D{{Key: "find", Value: q.on}, {Key: "filter", Value: q.filter}, {Key: "sort", Value: q.sort}}
			answer, err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
			if err != nil {
				t.Fatal(err)
			}
			plan := answer.Lookup("queryPlanner", "winningPlan").String()
			if !strings.Contains(plan, `"IXSCAN"`) || strings.Contains(plan, `"COLLSCAN"`) || strings.Contains(plan, `"SORT"`) {
				t.Fatalf("the plan is %s", plan)
			}
		})
	}
}
