package app_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/store/mongotest"
)

// Every member of a document of every collection is changed, one is added, one taken out; verification names it.
func TestEveryMemberOfEveryCollection(t *testing.T) {
	if testing.Short() {
		t.Skip("tampers with everything in turn; skipped with -short")
	}
	server := mongotest.Start(t)
	cfg := configured(t, t.TempDir())
	cfg.MongoDB = config.MongoDB{URI: config.Secret(server.URI), Database: fmt.Sprintf("tamper-%d-%d", os.Getpid(), time.Now().UnixNano()), AllowStandIn: true}
	full(t, cfg)
	if text, sound := said(t, cfg, app.Look{}); !sound {
		t.Fatal(text)
	}
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	db := client.Database(cfg.MongoDB.Database)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = db.Drop(ctx)
		_ = client.Disconnect(ctx) // the server goes away with it
	})
	names, err := db.ListCollectionNames(t.Context(), bson.D{{Key: "type", Value: "collection"}})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if people(name) {
			continue
		}
		c := db.Collection(name)
		filter := bson.D{}
		if name == "records" {
			filter = bson.D{{Key: "kind", Value: "photo"}, {Key: "state", Value: "analysed"}}
		}
		cursor, err := c.Find(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.D
		if err := cursor.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		if name != "keys" && name != "cursors" && len(docs) > 1 {
			docs = docs[:1]
		}
		for _, doc := range docs {
			id := doc[0].Value // the server puts _id first
			for path, harmed := range harms(doc, name == "log") {
				what := fmt.Sprintf("%s %v: %s", name, id, path)
				if _, err := c.ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: id}}, harmed); err != nil {
					continue // the server itself refuses
				}
				text, sound := said(t, cfg, app.Look{})
				if sound && !free(name, fmt.Sprint(id), path) {
					t.Errorf("nobody noticed %s\n%s", what, text)
				}
				if _, err := c.ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: id}}, doc); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
				t.Fatal(err)
			}
			if text, sound := said(t, cfg, app.Look{}); sound && !slices.Contains([]string{"cursors", "uploads", "jobs"}, name) && id != "access-token" {
				t.Errorf("nobody noticed that %s %v is gone\n%s", name, id, text)
			}
			more := slices.Clone(doc)
			more[0].Value = "0193b8a0-0000-7000-8000-000000000001"
			if _, err := c.InsertMany(t.Context(), []any{doc, more}); err != nil {
				t.Logf("%s %v twice: %v", name, id, err)
			} else if text, sound := said(t, cfg, app.Look{}); sound {
				t.Errorf("nobody noticed another %s like %v\n%s", name, id, text)
			}
			if _, err := c.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: more[0].Value}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.CreateCollection(t.Context(), "notes"); err != nil {
		t.Fatal(err)
	}
	if text, sound := said(t, cfg, app.Look{}); sound || !strings.Contains(text, "notes: this program did not make it") {
		t.Errorf("another collection:\n%s", text)
	}
	if err := db.Collection("notes").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What is derived is made anew.
	for _, harm := range []func() error{
		func() error {
			_, err := db.Collection("records").UpdateMany(t.Context(), bson.D{{Key: "kind", Value: "photo"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "_sync.keys", Value: bson.A{}}}}})
			return err
		},
		func() error {
			_, err := db.Collection("records").DeleteMany(t.Context(), bson.D{{Key: "kind", Value: "finding"}})
			return err
		},
		func() error {
			_, err := db.Collection("records").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "x"}, {Key: "scope", Value: "site/none"}})
			return err
		},
		func() error {
			_, err := db.Collection("scopes").UpdateMany(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "type", Value: "x"}}}})
			return err
		},
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if text, sound := said(t, cfg, app.Look{}); sound {
			t.Errorf("nobody noticed:\n%s", text)
		}
		if done, err := app.Rebuild(t.Context(), cfg, quiet, nil); err != nil || len(done.Failed) > 0 {
			t.Fatalf("%v, %+v", err, done)
		}
		if text, sound := said(t, cfg, app.Look{}); !sound {
			t.Errorf("after rebuilding:\n%s", text)
		}
	}
}

// free is what may be changed without a word; harmless and TestEveryMemberOfAWorkingDocument say why.
func free(collection, id, path string) bool {
	return path == "version" && !slices.Contains([]string{"log", "records", "scopes"}, collection) ||
		id == "access-token" || collection == "uploads" || collection == "cursors" && strings.HasPrefix(path, "body.seq") ||
		id == "setup" && (strings.HasPrefix(path, "body.hash") || strings.HasPrefix(path, "body.begun"))
}

// harms are the document with one thing in it changed, by where that is.
func harms(doc bson.D, entry bool) map[string]bson.D {
	all := map[string]bson.D{"more": append(slices.Clone(doc), bson.E{Key: "more", Value: "x"})}
	for i, e := range doc {
		if e.Key == "_id" {
			continue
		}
		without := slices.Delete(slices.Clone(doc), i, i+1)
		all[e.Key+" taken out"] = without
		put := func(path string, v any) {
			changed := slices.Clone(doc)
			changed[i].Value = v
			all[path] = changed
		}
		if inner, ok := e.Value.(bson.D); ok && !entry {
			for path, v := range harms(inner, false) {
				put(e.Key+"."+path, v)
			}
			continue
		}
		put(e.Key, other(e.Value))
	}
	return all
}

// other is another value of the same type.
func other(v any) any {
	switch v := v.(type) {
	case string:
		return v + "x"
	case int32:
		return v + 1
	case int64:
		return v + 1
	case float64:
		return v + 1
	case bool:
		return !v
	case primitive.DateTime:
		return v + 1000
	case primitive.A:
		return append(slices.Clone(v), "x")
	}
	return "x"
}
