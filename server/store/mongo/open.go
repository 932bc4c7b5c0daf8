// Package mongo is the store for production: MongoDB 4.0 or newer, a replica set of one node at least. It is the only
// importer of the MongoDB driver, and passes the same contract as package sqlite: see server/store and storetest.
//
// Open is in this file, with what is asked of the server and how the collections and indexes are made and checked.
// commit.go is the one write path, read.go the log, the records and the lists, docs.go the working documents, watch.go
// the change stream, encode.go the shape of every document. Why it is as it is: docs/decisions/mongo.md.
//
// Retries of whole requests, caching and deciding what a record becomes do not live here.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Options say where the store is.
type Options struct {
	URI      string        // mongodb://…; read preference and concerns in it are overruled
	Database string        // its name
	Kinds    []field.Kind  // one view is made for each, such as reports
	Timeout  time.Duration // the deadline of a call that brings none; 0: 10 s
	Logger   *slog.Logger  // nil: discards

	// AllowStandIn lets FerretDB pass, which ignores transactions: for tests only.
	AllowStandIn bool
}

const defaultTimeout = 10 * time.Second

// Store keeps log, records and working documents in one database of a MongoDB server.
type Store struct {
	client  *mongo.Client
	log     *mongo.Collection
	scopes  *mongo.Collection
	records *mongo.Collection
	shelves map[store.Shelf]*mongo.Collection
	kinds   []field.Kind // that have a view
	server  server
	timeout time.Duration
	logger  *slog.Logger
	aborts  sync.WaitGroup // transactions that are being given up

	standIn sync.Mutex // held over every write to a server without transactions; a real one never needs it
}

// The names of the collections of the log and the records. Those of working documents are named like their shelf.
const (
	logName     = "log"
	scopesName  = "scopes"
	recordsName = "records"
)

var shelfNames = store.Shelves

// Open connects, checks what the server is, creates what is missing and verifies every index. It refuses a stand-alone
// server, one that is too old, and a database in which a unique index is missing and cannot be made.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{timeout: o.Timeout, logger: o.Logger, kinds: o.Kinds, shelves: map[store.Shelf]*mongo.Collection{}}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, 6*s.timeout) // building an index on a full database takes a while
	defer cancel()
	var err error
	if s.client, err = mongo.Connect(ctx, clientOptions(o.URI, s.timeout)); err != nil {
		return nil, fmt.Errorf("mongo: the connection string is not usable: %w", err)
	}
	if err := s.prepare(ctx, o); err != nil {
		// Nothing was begun, so a failed goodbye loses nothing.
		_ = s.client.Disconnect(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func clientOptions(uri string, timeout time.Duration) *options.ClientOptions {
	return options.Client().ApplyURI(uri).
		SetAppName("fieldclue").
		SetReadPreference(readpref.Primary()).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(durable(timeout)).
		SetRetryWrites(true).SetRetryReads(true).
		SetServerSelectionTimeout(timeout / 2)
}

// durable asks for the journals of a majority. The server gives up with the caller, not hours later.
func durable(timeout time.Duration) *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journal, WTimeout: timeout}
}

func (s *Store) prepare(ctx context.Context, o Options) error {
	h, err := hello(ctx, s.client)
	if err != nil {
		return explainUnreachable(ctx, o.URI, s.timeout, err)
	}
	if s.server, err = assess(h, o.URI, o.AllowStandIn); err != nil {
		return err
	}
	db := s.client.Database(o.Database)
	s.log, s.scopes, s.records = db.Collection(logName), db.Collection(scopesName), db.Collection(recordsName)
	for _, shelf := range shelfNames {
		s.shelves[shelf] = db.Collection(string(shelf))
	}
	if err := s.makeCollections(ctx, db); err != nil {
		return err
	}
	if !s.server.standIn {
		if err := s.tryTransaction(ctx); err != nil {
			return err
		}
	}
	return s.makeViews(ctx, db, o.Kinds)
}

// Close waits for transactions that are being given up, then disconnects. A second time it does nothing.
func (s *Store) Close() error {
	s.aborts.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	err := s.client.Disconnect(ctx)
	if errors.Is(err, mongo.ErrClientDisconnected) { // closed before: as with the embedded store, that is nothing
		return nil
	}
	return err
}

// Ping asks the primary for an answer.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return fault("Ping", s.client.Ping(ctx, readpref.Primary()))
}

// Engine names the server: "MongoDB", "4.0.28".
func (s *Store) Engine(context.Context) (name, version string, err error) {
	return s.server.name, s.server.version, nil
}

// bound gives a call its deadline. A call that comes too late asks nothing of the server.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if _, has := ctx.Deadline(); has {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	return ctx, cancel, nil
}

// server is what the other side is.
type server struct {
	name, version string
	standIn       bool // FerretDB: no transactions, no change streams, no views
}

// greeting is what a server says about itself, from the commands hello and buildInfo.
type greeting struct {
	SetName        string `bson:"setName"`
	IsReplicaSet   bool   `bson:"isreplicaset"` // started with --replSet, never initiated
	Message        string `bson:"msg"`          // "isdbgrid": a mongos
	MaxWireVersion int    `bson:"maxWireVersion"`
	Version        string `bson:"version"`
	FerretDB       string `bson:"ferretdbVersion"`
}

func hello(ctx context.Context, client *mongo.Client) (greeting, error) {
	var g greeting
	admin := client.Database("admin")
	err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&g)
	if hasCode(err, codeCommandNotFound) { // before 4.4.2
		err = admin.RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&g)
	}
	if err != nil {
		return g, err
	}
	return g, admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&g)
}

// The wire versions of MongoDB 4.0, the first with transactions, and 4.2, the first with transactions over shards.
const (
	wire40 = 7
	wire42 = 8
)

// assess decides whether the server will do.
func assess(g greeting, uri string, allowStandIn bool) (server, error) {
	if g.FerretDB != "" {
		if !allowStandIn {
			return server{}, errors.New("mongo: the server is FerretDB, which ignores transactions: a commit could be stored in part. Use MongoDB 4.0 or newer as a replica set")
		}
		return server{name: "FerretDB", version: strings.TrimPrefix(g.FerretDB, "v"), standIn: true}, nil
	}
	sv := server{name: "MongoDB", version: g.Version}
	switch host := hostOf(uri); {
	case g.Message == "isdbgrid" && g.MaxWireVersion < wire42:
		return sv, fmt.Errorf("mongo: MongoDB %s has no transactions over shards; a sharded cluster needs 4.2 or newer", g.Version)
	case g.MaxWireVersion < wire40:
		return sv, fmt.Errorf("mongo: MongoDB %s has no transactions; 4.0 or newer is needed", g.Version)
	case g.SetName != "" || g.Message == "isdbgrid":
		return sv, nil
	case g.IsReplicaSet:
		return sv, fmt.Errorf("mongo: the server was started with --replSet and not initiated yet. Run once:\n  %s", initiateCommand(host))
	default:
		return sv, fmt.Errorf("mongo: the server stands alone, and without a replica set it has no transactions. Its data can stay. "+
			"Stop it, start it again with the option\n  --replSet fieldclue\n(or replication.replSetName: fieldclue in mongod.conf), then run once:\n  %s\n"+
			"and add replicaSet=fieldclue to the options of the connection string", initiateCommand(host))
	}
}

func initiateCommand(host string) string {
	return fmt.Sprintf(`mongosh "mongodb://%s/?directConnection=true" --eval 'rs.initiate({_id: "fieldclue", members: [{_id: 0, host: "%s"}]})'`, host, host)
}

// hostOf is the first host of a connection string, with its port.
func hostOf(uri string) string {
	hosts := options.Client().ApplyURI(uri).Hosts
	if len(hosts) == 0 {
		return "127.0.0.1:27017"
	}
	if _, _, err := net.SplitHostPort(hosts[0]); err != nil {
		return hosts[0] + ":27017"
	}
	return hosts[0]
}

// explainUnreachable finds out why no primary answers: a server that was never initiated belongs to no set, so the
// driver waits for it in vain, but it tells when it is asked directly.
func explainUnreachable(ctx context.Context, uri string, timeout time.Duration, cause error) error {
	o := clientOptions(uri, timeout)
	if len(o.Hosts) == 1 {
		o.ReplicaSet = nil
		o.SetDirect(true)
		if client, err := mongo.Connect(ctx, o); err == nil {
			g, err := hello(ctx, client)
			_ = client.Disconnect(context.WithoutCancel(ctx)) // it was only asked for its name
			if err == nil && g.SetName == "" {
				if _, refusal := assess(g, uri, false); refusal != nil {
					return refusal
				}
			}
		}
	}
	return field.Refuse(field.CodeStoreDown, "").Because(fmt.Errorf("mongo: no primary answers at %s: %w", strings.Join(o.Hosts, ","), cause))
}

// index is one that Open makes and verifies.
type index struct {
	on     string
	name   string
	keys   bson.D
	unique bool
	geo    bool // the stand-in knows none
}

func up(names ...string) bson.D {
	keys := make(bson.D, 0, len(names))
	for _, n := range names {
		keys = append(keys, bson.E{Key: n, Value: int32(1)})
	}
	return keys
}

// indexes lists every index. All keys of log and records begin with the scope or serve lists over all scopes, so that
// the two can be sharded by scope.
func indexes() []index {
	list := []index{
		{on: logName, name: "scope_seq", keys: up("scope", "seq"), unique: true},
		{on: logName, name: "scope_device_batch", keys: up("scope", "device", "batch"), unique: true},
		{on: scopesName, name: "type_scope", keys: up("type", "_id")},
		{on: scopesName, name: "orgs_scope", keys: up("orgs", "_id")},
		{on: recordsName, name: "scope_version", keys: up("scope", "_sync.version", "_id")},
		{on: recordsName, name: "kind_rank", keys: up("kind", "_sync.rank", "_id")},
		{on: recordsName, name: "kind_state_rank", keys: up("kind", "state", "_sync.rank", "_id")},
		{on: recordsName, name: "keys_rank", keys: up("_sync.keys", "_sync.rank", "_id")},
		{on: recordsName, name: "position", keys: bson.D{{Key: "position", Value: "2dsphere"}}, geo: true},
	}
	for _, shelf := range shelfNames {
		list = append(list,
			index{on: string(shelf), name: "key_id", keys: up("key", "_id")},
			index{on: string(shelf), name: "due_id", keys: up("due", "_id")})
	}
	return list
}

// makeCollections creates collections and indexes that are missing (MongoDB 4.0 creates none inside a transaction), and
// then checks that every index is there and is what it should be.
func (s *Store) makeCollections(ctx context.Context, db *mongo.Database) error {
	there, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return fmt.Errorf("mongo: list the collections of %s: %w", db.Name(), err)
	}
	want := map[string][]index{}
	for _, ix := range indexes() {
		if !ix.geo || !s.server.standIn {
			want[ix.on] = append(want[ix.on], ix)
		}
	}
	for name, list := range want {
		if !slices.Contains(there, name) {
			if err := db.CreateCollection(ctx, name); err != nil && !hasCode(err, codeNamespaceExists) {
				return fmt.Errorf("mongo: create the collection %s: %w", name, err)
			}
		}
		if err := makeIndexes(ctx, db.Collection(name), list); err != nil {
			return err
		}
	}
	return nil
}

func makeIndexes(ctx context.Context, c *mongo.Collection, want []index) error {
	have, err := listIndexes(ctx, c)
	if err != nil {
		return err
	}
	made := 0
	for _, ix := range want {
		if _, ok := have[ix.name]; ok {
			continue
		}
		model := mongo.IndexModel{Keys: ix.keys, Options: options.Index().SetName(ix.name)}
		if ix.unique {
			model.Options.SetUnique(true)
		}
		if _, err := c.Indexes().CreateOne(ctx, model); err != nil {
			if mongo.IsDuplicateKeyError(err) {
				return fmt.Errorf("mongo: the unique index %s of %s is missing and cannot be made, because the collection holds two documents with one key. "+
					"The log has been written to by something else; restore it from a backup before starting: %w", ix.name, c.Name(), err)
			}
			return fmt.Errorf("mongo: create the index %s of %s: %w", ix.name, c.Name(), err)
		}
		made++
	}
	if made > 0 {
		if have, err = listIndexes(ctx, c); err != nil {
			return err
		}
	}
	for _, ix := range want {
		if err := ix.check(have[ix.name]); err != nil {
			return fmt.Errorf("mongo: the index %s of %s %w. Drop it with db.%s.dropIndex(%q) and start again", ix.name, c.Name(), err, c.Name(), ix.name)
		}
	}
	return nil
}

// storedIndex is an index as the server lists it.
type storedIndex struct {
	Name    string   `bson:"name"`
	Keys    bson.D   `bson:"key"`
	Unique  bool     `bson:"unique"`
	Partial bson.Raw `bson:"partialFilterExpression"`
	Sparse  bool     `bson:"sparse"`
}

func listIndexes(ctx context.Context, c *mongo.Collection) (map[string]*storedIndex, error) {
	cursor, err := c.Indexes().List(ctx)
	if err != nil {
		return nil, fmt.Errorf("mongo: list the indexes of %s: %w", c.Name(), err)
	}
	var list []*storedIndex
	if err := cursor.All(ctx, &list); err != nil {
		return nil, fmt.Errorf("mongo: list the indexes of %s: %w", c.Name(), err)
	}
	have := make(map[string]*storedIndex, len(list))
	for _, ix := range list {
		have[ix.Name] = ix
	}
	return have, nil
}

func (ix index) check(have *storedIndex) error {
	switch {
	case have == nil:
		return errors.New("was made and is not there")
	case !sameKeys(have.Keys, ix.keys):
		return fmt.Errorf("has the keys %v and should have %v", have.Keys, ix.keys)
	case have.Unique != ix.unique:
		return fmt.Errorf("has unique: %v and should have %v", have.Unique, ix.unique)
	case len(have.Partial) > 0 || have.Sparse:
		return errors.New("covers a part of the collection only")
	}
	return nil
}

// sameKeys compares names, order and direction; servers give 1 back as 1, 1.0 or Long(1).
func sameKeys(a, b bson.D) bool {
	return slices.EqualFunc(a, b, func(a, b bson.E) bool { return a.Key == b.Key && fmt.Sprint(a.Value) == fmt.Sprint(b.Value) })
}

// tryTransaction shows that transactions really work: an upgraded server with the feature compatibility of 3.6, or with
// the storage engine MMAPv1, looks right until the first one.
func (s *Store) tryTransaction(ctx context.Context) error {
	session, err := s.startTransaction()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	err = s.scopes.FindOne(mongo.NewSessionContext(ctx, session), bson.D{{Key: "_id", Value: ""}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = session.CommitTransaction(ctx)
	}
	if err != nil {
		return fmt.Errorf("mongo: the server refuses transactions (does db.adminCommand({getParameter: 1, featureCompatibilityVersion: 1}) say 4.0 or more, and is the storage engine WiredTiger?): %w", err)
	}
	return nil
}

// makeViews makes one view per kind, for people in mongosh. They are no part of the program: it never reads them.
func (s *Store) makeViews(ctx context.Context, db *mongo.Database, kinds []field.Kind) error {
	if s.server.standIn {
		return nil
	}
	for _, kind := range kinds {
		name := viewName(kind)
		if err := db.CreateView(ctx, name, recordsName, viewOf(kind)); err != nil && !hasCode(err, codeNamespaceExists) {
			return fmt.Errorf("mongo: create the view %s: %w", name, err)
		}
	}
	return nil
}

func viewOf(kind field.Kind) bson.A {
	return bson.A{
		bson.D{{Key: "$match", Value: bson.D{{Key: "kind", Value: string(kind)}}}},
		bson.D{{Key: "$project", Value: bson.D{{Key: "_sync", Value: int32(0)}}}},
	}
}

func viewName(kind field.Kind) string {
	switch kind { // collections of working documents have the plain names
	case field.KindAccount, field.KindDevice, field.KindSession:
		return "signin_" + string(kind) + "s"
	}
	switch kind {
	case field.KindPerson:
		return "people"
	case field.KindParked:
		return "parked"
	}
	return string(kind) + "s"
}
