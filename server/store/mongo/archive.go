package mongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Archive takes the bodies of entries out of the log; they lie in a bundle.
func (s *Store) Archive(ctx context.Context, b store.Bundled) error {
	if b.Bundle == "" {
		return field.Refuse(field.CodeBadRequest, "").Because(fmt.Errorf("mongo: a bundle without a name"))
	}
	return fault("Archive", s.whole(ctx, func(ctx context.Context) error { return s.archiveInside(ctx, b) }))
}

// archiveInside looks at all entries before it changes one.
func (s *Store) archiveInside(ctx context.Context, b store.Bundled) error {
	last := b.First + int64(len(b.Hashes)) - 1
	these := bson.D{{Key: "scope", Value: string(b.Scope)}, {Key: "seq", Value: bson.D{{Key: "$gte", Value: b.First}, {Key: "$lte", Value: last}}}}
	o := options.Find().SetSort(up("scope", "seq")).SetProjection(bson.D{{Key: "body", Value: 0}})
	n := 0
	err := find(ctx, s.log, these, o, func(doc []byte) error {
		e, err := decodeEntry(doc)
		switch {
		case err != nil:
			return err
		case e.Seq != b.First+int64(n):
			return field.Refuse(field.CodeNotFound, "")
		case e.Hash != b.Hashes[n], e.Bundle != "" && e.Bundle != b.Bundle:
			return field.Refuse(field.CodeStale, "")
		}
		n++
		return nil
	})
	switch {
	case err != nil:
		return err
	case n != len(b.Hashes):
		return field.Refuse(field.CodeNotFound, "")
	}
	still := append(these, bson.E{Key: "bundle", Value: bson.D{{Key: "$exists", Value: false}}})
	_, err = s.log.UpdateMany(ctx, still, bson.D{
		{Key: "$set", Value: bson.D{{Key: "bundle", Value: b.Bundle}}},
		{Key: "$unset", Value: bson.D{{Key: "body", Value: ""}}},
	})
	return err
}
