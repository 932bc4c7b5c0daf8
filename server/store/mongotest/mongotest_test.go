package mongotest

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

func TestServerKeepsAUniqueIndex(t *testing.T) {
	server := Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	db := client.Database("fieldclue_mongotest")
	t.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	log := db.Collection("log")
	key := bson.D{{Key: "scope", Value: 1}, {Key: "seq", Value: 1}}
	unique := mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)}
	if _, err := log.Indexes().CreateOne(ctx, unique); err != nil {
		t.Fatal(err)
	}
	entry := func(seq int) bson.D { return bson.D{{Key: "scope", Value: "site/a"}, {Key: "seq", Value: seq}} }
	for seq := 1; seq <= 2; seq++ {
		if _, err := log.InsertOne(ctx, entry(seq)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := log.InsertOne(ctx, entry(2)); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a second entry 2 gave %v, want a duplicate key error", err)
	}
	if n, err := log.CountDocuments(ctx, bson.D{}); err != nil || n != 2 {
		t.Errorf("%d entries (error %v), want 2", n, err)
	}
}

func TestStartedServerIsGoneAfterStop(t *testing.T) {
	t.Setenv(uriVariable, "") // a named server is not ours to stop
	server, stop, err := Launch(t.TempDir())
	if errors.Is(err, ErrNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop()
	address, err := url.Parse(server.URI)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", address.Host); err == nil {
		t.Error("the server still answers", conn.Close())
	}
}

func TestNoEngineIsToldApart(t *testing.T) {
	t.Setenv(uriVariable, "")
	t.Setenv(toolsVariable, "")
	t.Setenv("PATH", t.TempDir())
	if _, _, err := Launch(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
}

func TestAServerIsCalledWhatItIs(t *testing.T) {
	rows := []struct {
		name, version, ferretdb, set, msg string
		want                              string
		transactional                     bool
	}{
		{"FerretDB", "7.0.42", "v1.24.0", "", "", "ferretdb 1.24.0 (SQLite backend, claims MongoDB 7.0.42, ignores transactions)", false},
		{"FerretDB posing as a set", "7.0.42", "v1.24.0", "rs0", "", "ferretdb 1.24.0 (SQLite backend, claims MongoDB 7.0.42, ignores transactions)", false},
		{"replica set", "7.0.14", "", "rs0", "", "mongodb 7.0.14 (replica set rs0)", true},
		{"sharded", "7.0.14", "", "", "isdbgrid", "mongodb 7.0.14 (sharded cluster)", true},
		{"stand-alone", "4.0.28", "", "", "", "mongodb 4.0.28 (stand-alone, no transactions)", false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := describe("mongodb://x", row.version, row.ferretdb, row.set, row.msg, "")
			if got.String() != row.want || got.Transactional != row.transactional {
				t.Errorf("got %q, transactional %v; want %q, %v", got, got.Transactional, row.want, row.transactional)
			}
		})
	}
}
