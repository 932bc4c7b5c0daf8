package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Hashes returns a page of the perceptual hashes of photos, in the order of lists of photos. Nothing else of a record
// travels.
func (s *Store) Hashes(ctx context.Context, after store.Hash, limit int) ([]store.Hash, error) {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if limit < 1 {
		return nil, nil
	}
	where := []bson.D{
		{{Key: "kind", Value: string(field.KindPhoto)}},
		{{Key: "deleted", Value: false}},
		{{Key: "fields.perceptual", Value: bson.D{{Key: "$gt", Value: ""}}}},
	}
	if after.Place != (store.Place{}) {
		where = append(where, behind(after.Place)...)
	}
	o := options.Find().SetSort(up("_sync.rank", "_id")).SetLimit(int64(limit)).SetBatchSize(int32(min(limit, maxReply))).
		SetProjection(bson.D{{Key: "scope", Value: 1}, {Key: "_sync.rank", Value: 1}, {Key: "fields.perceptual", Value: 1}})
	var page []store.Hash
	err = find(ctx, s.records, and(where), o, func(doc []byte) error {
		raw := bsoncore.Document(doc)
		page = append(page, store.Hash{
			Scope: field.Scope(textOf(raw.Lookup("scope"))), Value: textOf(raw.Lookup("fields", "perceptual")),
			Place: store.Place{Rank: textOf(raw.Lookup("_sync", "rank")), ID: field.RecordID(textOf(raw.Lookup("_id")))},
		})
		return nil
	})
	return page, fault("Hashes", err)
}
