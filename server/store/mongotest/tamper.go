package mongotest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Hands reach into a database past the program, for tests of what notices that.
type Hands struct {
	t  testing.TB
	db *mongo.Database
}

// Reach connects to a database, which is dropped when the test ends.
func Reach(t testing.TB, s Server, database string) *Hands {
	t.Helper()
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(s.URI))
	if err != nil {
		t.Fatal(err)
	}
	h := &Hands{t: t, db: client.Database(database)}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = h.db.Drop(ctx)
		_ = client.Disconnect(ctx) // the server goes away with it
	})
	return h
}

func (h *Hands) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Collections are the names of all of them.
func (h *Hands) Collections() []string {
	h.t.Helper()
	names, err := h.db.ListCollectionNames(h.t.Context(), bson.D{{Key: "type", Value: "collection"}})
	h.must(err)
	slices.Sort(names)
	return names
}

// Make makes a collection; Drop takes it away.
func (h *Hands) Make(name string) { h.t.Helper(); h.must(h.db.CreateCollection(h.t.Context(), name)) }

// Drop takes a collection away.
func (h *Hands) Drop(name string) { h.t.Helper(); h.must(h.db.Collection(name).Drop(h.t.Context())) }

// Set sets a member of all documents in which another has a value.
func (h *Hands) Set(collection, where string, is any, member string, to any) {
	h.t.Helper()
	_, err := h.db.Collection(collection).UpdateMany(h.t.Context(), bson.D{{Key: where, Value: is}}, bson.D{{Key: "$set", Value: bson.D{{Key: member, Value: to}}}})
	h.must(err)
}

// TakeOut removes all documents in which a member has a value.
func (h *Hands) TakeOut(collection, where string, is any) {
	h.t.Helper()
	_, err := h.db.Collection(collection).DeleteMany(h.t.Context(), bson.D{{Key: where, Value: is}})
	h.must(err)
}

// PutIn adds a document with these texts.
func (h *Hands) PutIn(collection string, members map[string]string) {
	h.t.Helper()
	_, err := h.db.Collection(collection).InsertOne(h.t.Context(), members)
	h.must(err)
}

// EachHarm changes a document of a collection in every way: each member changed, taken out and joined by another, the
// whole taken out, and a second one put in. look is called while the harm is there, with the id and with what was done.
// Of the documents that where finds, all are harmed or the first alone.
func (h *Hands) EachHarm(collection string, where map[string]string, all bool, look func(id, what string)) {
	h.t.Helper()
	ctx, c := h.t.Context(), h.db.Collection(collection)
	cursor, err := c.Find(ctx, where)
	h.must(err)
	var docs []bson.D
	h.must(cursor.All(ctx, &docs))
	if !all && len(docs) > 1 {
		docs = docs[:1]
	}
	for _, doc := range docs {
		id := doc[0].Value // the server puts _id first
		name, this := fmt.Sprint(id), bson.D{{Key: "_id", Value: id}}
		for path, harmed := range harms(doc) {
			if _, err := c.ReplaceOne(ctx, this, harmed); err != nil {
				continue // the server itself refuses
			}
			look(name, path)
			_, err := c.ReplaceOne(ctx, this, doc)
			h.must(err)
		}
		_, err := c.DeleteOne(ctx, this)
		h.must(err)
		look(name, TakenOut)
		_, err = c.InsertOne(ctx, doc)
		h.must(err)
		more := slices.Clone(doc)
		more[0].Value = "0193b8a0-0000-7000-8000-000000000001"
		if _, err := c.InsertOne(ctx, more); err != nil {
			continue // the server itself refuses
		}
		look(name, "another put in")
		_, err = c.DeleteOne(ctx, bson.D{{Key: "_id", Value: more[0].Value}})
		h.must(err)
	}
}

// TakenOut is what EachHarm says when the document is not there.
const TakenOut = "taken out"

// harms are the document with one thing in it changed, by where that is.
func harms(doc bson.D) map[string]bson.D {
	all := map[string]bson.D{"more": append(slices.Clone(doc), bson.E{Key: "more", Value: "x"})}
	for i, e := range doc {
		if e.Key == "_id" {
			continue
		}
		all[e.Key+" taken out"] = slices.Delete(slices.Clone(doc), i, i+1)
		put := func(path string, v any) {
			changed := slices.Clone(doc)
			changed[i].Value = v
			all[path] = changed
		}
		if inner, ok := e.Value.(bson.D); ok {
			for path, v := range harms(inner) {
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
