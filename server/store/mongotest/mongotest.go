// Package mongotest finds or starts a server that speaks MongoDB's protocol, for tests and benchmarks.
//
// It takes the first of: the server named in FIELDCLUE_TEST_MONGODB_URI, a mongod on PATH (started as a replica set of
// one node), FerretDB in $FIELDCLUE_TOOLS/bin or on PATH (SQLite backend). What it starts listens on loopback, keeps
// its files in a temporary directory and is stopped at the end. What it finds it asks for its true nature, because
// FerretDB answers to MongoDB's name: see Server.Transactional.
//
// The store itself is not here (server/store/mongo), nor are its cases (server/store/storetest). Open this file first;
// launch.go starts processes.
package mongotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

const (
	// uriVariable names a running server to use instead of starting one.
	uriVariable = "FIELDCLUE_TEST_MONGODB_URI"
	// requireVariable, set to 1, makes a missing engine a failure.
	requireVariable = "FIELDCLUE_REQUIRE_ENGINES"
	// toolsVariable names the folder whose bin/ holds the tools of CI.
	toolsVariable = "FIELDCLUE_TOOLS"

	startDeadline = 60 * time.Second
)

// ErrNone says that this machine has no engine to run the tests on.
var ErrNone = errors.New("no MongoDB engine: set " + uriVariable +
	", or put mongod or ferretdb on PATH (bash .ci/run builds ferretdb)")

// Server is a running server and what it said about itself.
type Server struct {
	// URI connects the official driver.
	URI string
	// Engine is "mongodb" or "ferretdb".
	Engine string
	// Version is the engine's own version, without a leading v.
	Version string
	// Transactional says whether the server keeps several writes together and takes majority concerns seriously: a
	// replica set or a mongos of the real MongoDB. FerretDB accepts transactions and ignores them.
	Transactional bool

	detail string
}

// String is the line that a test run shows about its engine.
func (s Server) String() string {
	return fmt.Sprintf("%s %s (%s)", s.Engine, s.Version, s.detail)
}

// Start gives the test a server and stops it when the test ends. Without an engine the test is skipped, or fails when
// FIELDCLUE_REQUIRE_ENGINES=1. A server from FIELDCLUE_TEST_MONGODB_URI outlives the test and may be shared: use a
// database name of your own and drop it.
func Start(t testing.TB) Server {
	t.Helper()
	server, stop, err := Launch(t.TempDir())
	switch {
	case errors.Is(err, ErrNone) && os.Getenv(requireVariable) != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return server
}

// Launch does the work of Start for a caller without a test: files go below dir, the caller calls stop. It prints one
// line "engine: …" on standard output. The error is ErrNone when there is nothing to launch.
func Launch(dir string) (Server, func(), error) {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	uri, binary, stop, err := open(ctx, dir)
	if err != nil {
		return Server{}, nil, err
	}
	server, err := identify(ctx, uri, binary)
	if err != nil {
		stop()
		return Server{}, nil, fmt.Errorf("mongotest: ask the server at %s what it is: %w", redact(uri), err)
	}
	fmt.Println("engine:", server)
	return server, stop, nil
}

// identify asks the server what it is. The binary, where this package started one, helps out when FerretDB runs as a
// library and does not know its version.
func identify(ctx context.Context, uri, binary string) (Server, error) {
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(uri).SetServerSelectionTimeout(20*time.Second))
	if err != nil {
		return Server{}, err
	}
	// The client is only a question; a failed goodbye changes no answer.
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()

	var build struct {
		Version  string `bson:"version"`
		FerretDB string `bson:"ferretdbVersion"`
	}
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		return Server{}, err
	}
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	// isMaster and not hello: servers before 4.4.2 do not know hello.
	if err := admin.RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&hello); err != nil {
		return Server{}, err
	}
	return describe(uri, build.Version, build.FerretDB, hello.SetName, hello.Msg, binary), nil
}
