package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// LastEntries returns the last entry of each scope in the log. Two lookups in the index for each: it is asked by the
// one who verifies everything.
func (s *Store) LastEntries(ctx context.Context, after field.Scope, limit int) ([]store.Entry, error) {
	var last []store.Entry
	for len(last) < limit {
		beyond := bson.D{{Key: "scope", Value: bson.D{{Key: "$gt", Value: string(after)}}}}
		next, err := list(ctx, s, "LastEntries", s.log, beyond, up("scope", "seq"), 1, decodeEntry)
		if err != nil || len(next) == 0 {
			return last, err
		}
		after = next[0].Scope
		of := bson.D{{Key: "scope", Value: string(after)}}
		end, err := list(ctx, s, "LastEntries", s.log, of, bson.D{{Key: "scope", Value: -1}, {Key: "seq", Value: -1}}, 1, decodeEntry)
		if err != nil {
			return last, err
		}
		last = append(last, end...)
	}
	return last, nil
}

// Docs returns a page of the documents of a shelf, by id.
func (s *Store) Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error) {
	c, err := s.shelf(shelf)
	if err != nil {
		return nil, err
	}
	return list(ctx, s, "Docs", c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}, up("_id"), limit, onShelf(shelf))
}

// Repair makes a scope's head and records what its log says.
func (s *Store) Repair(ctx context.Context, r store.Repair) error {
	err := s.whole(ctx, func(ctx context.Context) error { return s.repairInside(ctx, r) })
	if errors.Is(err, store.ErrHeadMoved) {
		return store.ErrHeadMoved
	}
	return fault("Repair", err)
}

// whole does something in one transaction, again when another one was in its way. On the stand-in, which has none, it
// is done alone.
func (s *Store) whole(ctx context.Context, inside func(context.Context) error) error {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if s.server.standIn {
		s.standIn.Lock()
		defer s.standIn.Unlock()
		return inside(ctx)
	}
	for try := 0; ; try++ {
		err := s.once(ctx, inside)
		if !hasLabel(err, "TransientTransactionError") || try+1 >= maxTries || pause(ctx, try) != nil {
			return err
		}
	}
}

func (s *Store) once(ctx context.Context, inside func(context.Context) error) error {
	session, err := s.startTransaction()
	if err != nil {
		return err
	}
	if err := inside(mongo.NewSessionContext(ctx, session)); err != nil {
		s.giveUp(session)
		return err
	}
	defer session.EndSession(ctx)
	return settle(ctx, session.CommitTransaction)
}

// repairInside writes the head, with which it runs into every commit to the scope that is under way.
func (s *Store) repairInside(ctx context.Context, r store.Repair) error {
	h := r.Head
	newest := s.log.FindOne(ctx, bson.D{{Key: "scope", Value: string(h.Scope)}}, options.FindOne().SetSort(bson.D{{Key: "scope", Value: -1}, {Key: "seq", Value: -1}}))
	raw, err := newest.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return store.ErrHeadMoved
	}
	if err != nil {
		return err
	}
	if e, err := decodeEntry(raw); err != nil {
		return err
	} else if e.Seq != h.Seq || e.Hash != h.Hash {
		return store.ErrHeadMoved
	}
	if _, err := s.scopes.ReplaceOne(ctx, byID(string(h.Scope)), encodeHead(&h), options.Replace().SetUpsert(true)); err != nil {
		return err
	}
	var changes []mongo.WriteModel
	for _, rec := range r.Records {
		changes = append(changes, mongo.NewReplaceOneModel().SetFilter(byID(string(rec.ID))).SetReplacement(encodeRecord(rec)).SetUpsert(true))
	}
	if len(r.Gone) > 0 {
		gone := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: texts(r.Gone)}}}, {Key: "scope", Value: string(h.Scope)}}
		changes = append(changes, mongo.NewDeleteManyModel().SetFilter(gone))
	}
	if len(changes) == 0 {
		return nil
	}
	_, err = s.records.BulkWrite(ctx, changes)
	return err
}
