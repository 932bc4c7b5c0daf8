package mongo

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Every read asks the primary for what a majority has: it cannot be rolled back.

// find runs a query and hands over each document; the bytes are only valid during the call.
func find(ctx context.Context, c *mongo.Collection, query any, o *options.FindOptions, do func(doc []byte) error) error {
	cursor, err := c.Find(ctx, query, o)
	if err != nil {
		return err
	}
	// Read to its end or given up; the server forgets it either way.
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		if err := do(cursor.Current); err != nil {
			return err
		}
	}
	return cursor.Err()
}

// maxReply is how many documents the server is asked to put into one answer: a page comes in one round.
const maxReply = 2000

// list is find with a deadline, for a page of decoded documents. A limit below one gives an empty page.
func list[T any](ctx context.Context, s *Store, op string, c *mongo.Collection, query, sort bson.D, limit int, decode func([]byte) (T, error)) ([]T, error) {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if limit < 1 {
		return nil, nil
	}
	o := options.Find().SetSort(sort).SetLimit(int64(limit)).SetBatchSize(int32(min(limit, maxReply)))
	var page []T
	err = find(ctx, c, query, o, func(doc []byte) error {
		one, err := decode(doc)
		page = append(page, one)
		return err
	})
	if err != nil {
		return nil, fault(op, err)
	}
	return page, nil
}

// one reads the one document that the query finds; CodeNotFound when there is none.
func one[T any](ctx context.Context, s *Store, op string, c *mongo.Collection, query bson.D, decode func([]byte) (T, error)) (T, error) {
	var none T
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return none, err
	}
	defer cancel()
	doc, err := c.FindOne(ctx, query).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return none, field.Refuse(field.CodeNotFound, "")
	}
	if err != nil {
		return none, fault(op, err)
	}
	return decode(doc)
}

// Head returns the head of a scope, as a majority has it. A primary that was deposed and does not know it yet may
// answer with an older one; see HeadNow.
func (s *Store) Head(ctx context.Context, scope field.Scope) (store.Head, error) {
	return one(ctx, s, "Head", s.scopes, byID(string(scope)), decodeHead)
}

// HeadNow returns the head of a scope with a linearizable read: the server makes sure that it is still the primary. It
// costs a round to the majority, and decides whether a cursor beyond the end is a fork.
func (s *Store) HeadNow(ctx context.Context, scope field.Scope) (store.Head, error) {
	concern := readconcern.Linearizable()
	if s.server.standIn {
		concern = readconcern.Majority()
	}
	c, err := s.scopes.Clone(options.Collection().SetReadConcern(concern))
	if err != nil {
		return store.Head{}, fault("HeadNow", err)
	}
	return one(ctx, s, "HeadNow", c, byID(string(scope)), decodeHead)
}

// Heads returns a page of the visible heads, by scope.
func (s *Store) Heads(ctx context.Context, page store.ListScopes) ([]store.Head, error) {
	where, some := visible(page.Visible.Whole(), names{scope: "_id"})
	if !some {
		return nil, ctx.Err()
	}
	if len(page.Types) > 0 {
		where = append(where, in("type", page.Types))
	}
	if page.After != "" {
		where = append(where, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: string(page.After)}}}})
	}
	return list(ctx, s, "Heads", s.scopes, and(where), up("_id"), page.Limit, decodeHead)
}

// Entry returns one entry of a scope.
func (s *Store) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	return one(ctx, s, "Entry", s.log, byID(entryID(scope, seq)), decodeEntry)
}

// Batch returns the entry that holds a batch.
func (s *Store) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	return one(ctx, s, "Batch", s.log, bson.D{
		{Key: "scope", Value: string(scope)}, {Key: "device", Value: string(device)}, {Key: "batch", Value: batch},
	}, decodeEntry)
}

// LastBatch returns the highest number of a device's batches in a scope; 0 when there is none.
func (s *Store) LastBatch(ctx context.Context, scope field.Scope, device field.DeviceID) (int64, error) {
	found, err := list(ctx, s, "LastBatch", s.log, bson.D{{Key: "scope", Value: string(scope)}, {Key: "device", Value: string(device)}},
		bson.D{{Key: "batch", Value: -1}}, 1, decodeEntry)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].Batch, nil
}

// Entries returns a page of a scope's entries, in order.
func (s *Store) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	query := bson.D{{Key: "scope", Value: string(scope)}, {Key: "seq", Value: bson.D{{Key: "$gt", Value: after}}}}
	return list(ctx, s, "Entries", s.log, query, up("scope", "seq"), limit, decodeEntry)
}

// Marks returns the same entries without their bodies, which do not travel.
func (s *Store) Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if limit < 1 {
		return nil, nil
	}
	query := bson.D{{Key: "scope", Value: string(scope)}, {Key: "seq", Value: bson.D{{Key: "$gt", Value: after}}}}
	o := options.Find().SetSort(up("scope", "seq")).SetLimit(int64(limit)).SetProjection(bson.D{{Key: "body", Value: 0}})
	var marks []store.Entry
	err = find(ctx, s.log, query, o, func(doc []byte) error {
		e, err := decodeEntry(doc)
		marks = append(marks, e)
		return err
	})
	return marks, fault("Marks", err)
}

// Records returns those of the records that exist.
func (s *Store) Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error) {
	query := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: texts(ids)}}}}
	return list(ctx, s, "Records", s.records, query, up("_id"), len(ids), decodeRecord)
}

// Changed returns a page of what changed in a scope. The page is longer than the limit when the records of its last
// version would be cut.
func (s *Store) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	query := bson.D{{Key: "scope", Value: string(scope)}, {Key: "_sync.version", Value: bson.D{{Key: "$gt", Value: after}, {Key: "$lte", Value: upTo}}}}
	order := up("scope", "_sync.version", "_id")
	page, err := list(ctx, s, "Changed", s.records, query, order, limit, decodeRecord)
	if err != nil || len(page) == 0 || len(page) < limit {
		return page, err
	}
	last := page[len(page)-1]
	rest := bson.D{
		{Key: "scope", Value: string(scope)},
		{Key: "_sync.version", Value: last.Version},
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: string(last.ID)}}},
	}
	more, err := list(ctx, s, "Changed", s.records, rest, order, math.MaxInt32, decodeRecord)
	return append(page, more...), err
}

// List returns a page of records, by rank and id. Who may see them is part of the query.
func (s *Store) List(ctx context.Context, q store.Query) ([]*field.Record, error) {
	where, some := visible(q.Visible, names{scope: "scope", prefix: "_sync."})
	if !some {
		return nil, ctx.Err()
	}
	if q.Scope != "" {
		where = append(where, bson.D{{Key: "scope", Value: string(q.Scope)}})
	}
	if len(q.Kinds) > 0 {
		where = append(where, in("kind", q.Kinds))
	}
	if len(q.States) > 0 {
		where = append(where, in("state", q.States))
	}
	for _, key := range q.Keys {
		where = append(where, bson.D{{Key: "_sync.keys", Value: key}})
	}
	if !q.Deleted {
		where = append(where, bson.D{{Key: "deleted", Value: false}})
	}
	if q.After != (store.Place{}) {
		where = append(where, behind(q.After)...)
	}
	return list(ctx, s, "List", s.records, and(where), up("_sync.rank", "_id"), q.Limit, decodeRecord)
}

// behind are the records that follow on a place. The first condition bounds the index; the second cuts within the rank.
func behind(after store.Place) []bson.D {
	return []bson.D{
		{{Key: "_sync.rank", Value: bson.D{{Key: "$gte", Value: after.Rank}}}},
		{{Key: "$or", Value: bson.A{
			bson.D{{Key: "_sync.rank", Value: bson.D{{Key: "$gt", Value: after.Rank}}}},
			bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: string(after.ID)}}}},
		}}},
	}
}

// names says how a collection calls what access asks about.
type names struct {
	scope  string
	prefix string // of type, orgs, region, project
}

// visible turns a filter into conditions that must all hold. some is false when nothing can be visible.
func visible(f access.Filter, n names) (where []bson.D, some bool) {
	if len(f.Any) == 0 {
		return nil, false
	}
	var ways bson.A
	for _, c := range f.Any {
		way := clause(c, n)
		if len(way) == 0 { // it covers everything
			ways = nil
			break
		}
		ways = append(ways, and(way))
	}
	if len(ways) > 0 {
		where = append(where, bson.D{{Key: "$or", Value: ways}})
	}
	if len(f.Hidden) > 0 && n.prefix != "" {
		where = append(where, bson.D{{Key: n.prefix + "keys", Value: bson.D{{Key: "$nin", Value: texts(f.Hidden)}}}})
	}
	if len(f.Except) > 0 {
		where = append(where, bson.D{{Key: n.scope, Value: bson.D{{Key: "$nin", Value: texts(f.Except)}}}})
	}
	return where, true
}

func clause(c access.Clause, n names) []bson.D {
	var all []bson.D
	if len(c.Types) > 0 {
		all = append(all, in(n.prefix+"type", c.Types))
	}
	if len(c.Scopes) > 0 {
		all = append(all, in(n.scope, c.Scopes))
	}
	if len(c.Orgs) > 0 {
		all = append(all, in(n.prefix+"orgs", c.Orgs))
	}
	if len(c.Owners) > 0 {
		all = append(all, in(n.prefix+"orgs.0", c.Owners))
	}
	if len(c.Regions) > 0 && !slices.Contains(c.Regions, "") {
		var starts bson.A
		for _, p := range c.Regions {
			starts = append(starts, bson.D{{Key: n.prefix + "region", Value: primitive.Regex{Pattern: "^" + regexp.QuoteMeta(p)}}})
		}
		all = append(all, bson.D{{Key: "$or", Value: starts}})
	}
	if len(c.Projects) > 0 {
		all = append(all, in(n.prefix+"project", c.Projects))
	}
	if len(c.Keys) > 0 {
		all = append(all, in(n.prefix+"keys", c.Keys))
	}
	return all
}

// and joins conditions; none match everything.
func and(all []bson.D) bson.D {
	switch len(all) {
	case 0:
		return bson.D{}
	case 1:
		return all[0]
	}
	list := make(bson.A, 0, len(all))
	for _, d := range all {
		list = append(list, d)
	}
	return bson.D{{Key: "$and", Value: list}}
}

func in[T ~string](name string, values []T) bson.D {
	if len(values) == 1 {
		return bson.D{{Key: name, Value: string(values[0])}}
	}
	return bson.D{{Key: name, Value: bson.D{{Key: "$in", Value: texts(values)}}}}
}

func texts[T ~string](values []T) bson.A {
	list := make(bson.A, 0, len(values))
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

// errNoStream is what Watch answers where the server has no change streams.
var errNoStream = errors.New("mongo: this server has no change streams; ask for the heads from time to time")

// Watch calls seen for every head that any process raises from now on, until the context ends or the stream breaks:
// then it returns why, and the caller asks for the heads (what was missed is in them) and may watch again. Calls for
// one scope come in order, and several entries of one commit make one call.
func (s *Store) Watch(ctx context.Context, seen func(scope field.Scope, seq int64)) error {
	if s.server.standIn {
		return errNoStream
	}
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "replace"}}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "fullDocument._id", Value: 1}, {Key: "fullDocument.seq", Value: 1}}}},
	}
	stream, err := s.scopes.Watch(ctx, pipeline, options.ChangeStream().SetMaxAwaitTime(time.Second))
	if err != nil {
		return fault("Watch", err)
	}
	// It broke or the caller went: the server forgets it either way.
	defer func() { _ = stream.Close(context.WithoutCancel(ctx)) }()
	for stream.Next(ctx) {
		full := stream.Current.Lookup("fullDocument")
		head, err := decodeHead(full.Value)
		if err != nil {
			return fault("Watch", err)
		}
		seen(head.Scope, head.Seq)
	}
	if err := stream.Err(); err != nil {
		return fault("Watch", err)
	}
	return ctx.Err()
}
