package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

func (s *Store) shelf(shelf store.Shelf) (*mongo.Collection, error) {
	c := s.shelves[shelf]
	if c == nil {
		return nil, fmt.Errorf("mongo: there is no shelf %q", shelf)
	}
	return c, nil
}

func onShelf(shelf store.Shelf) func([]byte) (store.Doc, error) {
	return func(doc []byte) (store.Doc, error) { return decodeDoc(shelf, doc) }
}

// GetDoc returns a document.
func (s *Store) GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error) {
	c, err := s.shelf(shelf)
	if err != nil {
		return store.Doc{}, err
	}
	return one(ctx, s, "GetDoc", c, byID(id), onShelf(shelf))
}

// PutDoc makes a document (Version 0) or replaces the version that the caller saw, in the journals of a majority.
func (s *Store) PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error) {
	c, err := s.shelf(doc.Shelf)
	if err != nil {
		return store.Doc{}, err
	}
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return store.Doc{}, err
	}
	defer cancel()
	if s.server.standIn {
		s.standIn.Lock()
		defer s.standIn.Unlock()
	}
	if err := s.swap(ctx, c, &doc); err != nil {
		return store.Doc{}, fault("PutDoc", err)
	}
	doc.Version++
	if !doc.Due.IsZero() {
		doc.Due = time.UnixMilli(doc.Due.UnixMilli()).UTC()
	}
	return doc, nil
}

func (s *Store) swap(ctx context.Context, c *mongo.Collection, doc *store.Doc) error {
	stale := field.Refuse(field.CodeStale, "").About(doc.ID)
	raw := encodeDoc(doc, doc.Version+1)
	if doc.Version != 0 {
		done, err := c.ReplaceOne(ctx, versionOf(doc.ID, doc.Version), raw)
		if err == nil && done.MatchedCount == 0 {
			return stale
		}
		return err
	}
	// Look first: an insertion that fails on a unique index with majority concern has been seen to wait for seconds on
	// an idle set.
	switch err := c.FindOne(ctx, byID(doc.ID)).Err(); {
	case err == nil:
		return stale
	case !errors.Is(err, mongo.ErrNoDocuments):
		return err
	}
	_, err := c.InsertOne(ctx, raw)
	if mongo.IsDuplicateKeyError(err) {
		return stale
	}
	return err
}

func versionOf(id string, version int64) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "version", Value: version}}
}

// DeleteDoc removes the version that the caller saw.
func (s *Store) DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error {
	c, err := s.shelf(shelf)
	if err != nil {
		return err
	}
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if s.server.standIn {
		s.standIn.Lock()
		defer s.standIn.Unlock()
	}
	done, err := c.DeleteOne(ctx, versionOf(id, version))
	if err != nil {
		return fault("DeleteDoc", err)
	}
	if done.DeletedCount == 1 {
		return nil
	}
	switch err := c.FindOne(ctx, byID(id)).Err(); {
	case errors.Is(err, mongo.ErrNoDocuments):
		return field.Refuse(field.CodeNotFound, "").About(id)
	case err != nil:
		return fault("DeleteDoc", err)
	}
	return field.Refuse(field.CodeStale, "").About(id)
}

// DocsByKey returns a page of the documents with a key, by id.
func (s *Store) DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error) {
	c, err := s.shelf(shelf)
	if err != nil {
		return nil, err
	}
	query := bson.D{{Key: "key", Value: key}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}
	return list(ctx, s, "DocsByKey", c, query, up("key", "_id"), limit, onShelf(shelf))
}

// DocsDue returns the documents that are due, by due then id.
func (s *Store) DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error) {
	c, err := s.shelf(shelf)
	if err != nil {
		return nil, err
	}
	query := bson.D{{Key: "due", Value: bson.D{{Key: "$lte", Value: before}}}}
	return list(ctx, s, "DocsDue", c, query, up("due", "_id"), limit, onShelf(shelf))
}
