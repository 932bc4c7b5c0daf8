package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

const (
	maxTries    = 10                     // of a transaction that ran into another one
	firstPause  = 5 * time.Millisecond   // before the second try; doubles, with jitter
	longPause   = 250 * time.Millisecond // at most
	commitGrace = 5 * time.Second        // for a commit that is on its way when the caller goes
)

// plan is a commit, encoded once for all its tries.
type plan struct {
	scopes  []field.Scope
	from    []position // the stored head that each write follows on
	heads   []bson.Raw
	entries []any // bson.Raw
	ids     []string
	batches bson.A // queries that find an entry with a batch of the plan
	records []image
}

// image is a record as it will be stored.
type image struct {
	id    string
	scope string
	doc   bson.Raw
	fresh bool // it seems that this commit makes it
}

type position struct {
	seq  int64
	hash string
}

func newPlan(writes []store.Write) *plan {
	p := &plan{}
	for i := range writes {
		w := &writes[i]
		first := &w.Entries[0]
		p.scopes = append(p.scopes, w.Head.Scope)
		p.from = append(p.from, position{first.Seq - 1, first.Prev})
		p.heads = append(p.heads, encodeHead(&w.Head))
		for j := range w.Entries {
			e := &w.Entries[j]
			p.entries = append(p.entries, encodeEntry(e))
			p.ids = append(p.ids, entryID(e.Scope, e.Seq))
			p.batches = append(p.batches, bson.D{
				{Key: "scope", Value: string(e.Scope)}, {Key: "device", Value: string(e.Device)}, {Key: "batch", Value: e.Batch},
			})
		}
		for _, r := range w.Records {
			p.records = append(p.records, image{string(r.ID), string(r.Scope), encodeRecord(r), seemsMade(r, first)})
		}
	}
	return p
}

// seemsMade guesses that a record is new, because inserting many is faster than replacing each. If the guess is wrong
// the insertion fails, and the next try replaces.
func seemsMade(r *field.Record, first *store.Entry) bool {
	if r.CreatedAt.Before(first.At.Truncate(time.Millisecond)) {
		return false
	}
	for _, st := range r.Stamps {
		if st.Seq < first.Seq {
			return false
		}
	}
	return true
}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// errMoved says that a head is not where the plan expects it.
var errMoved = errors.New("mongo: no head at the expected place")

// Commit writes everything in one transaction with snapshot reads, acknowledged by the journals of a majority.
//
// When the context ends while the server commits, Commit waits some seconds more for the answer rather than leave it
// open. An error that is neither of store's two means that the commit may or may not have happened.
func (s *Store) Commit(ctx context.Context, writes []store.Write) error {
	if len(writes) == 0 {
		return nil
	}
	for _, w := range writes {
		if len(w.Entries) == 0 {
			return fmt.Errorf("mongo: a write to %s without an entry", w.Head.Scope)
		}
	}
	ctx, cancel, err := s.bound(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	p := newPlan(writes)
	if s.server.standIn {
		return s.commitStandIn(ctx, p)
	}
	return persist(ctx,
		func(replaceAll bool) error { return s.transact(ctx, p, replaceAll) },
		func() (why, err error) { return s.explain(ctx, p) })
}

// persist tries a transaction until it is committed, or it is known why it cannot be. From the second try on nothing is
// guessed about which records are new.
func persist(ctx context.Context, transact func(replaceAll bool) error, explain func() (why, err error)) error {
	for try := 0; ; try++ {
		err := transact(try > 0)
		if !again(err) {
			return fault("Commit", err)
		}
		why, lookErr := explain()
		switch {
		case lookErr != nil:
			return fault("Commit", errors.Join(lookErr, err))
		case why != nil:
			return why
		case errors.Is(err, errMoved):
			return store.ErrHeadMoved // seen inside the transaction, and not yet by a majority
		case try > 0 && mongo.IsDuplicateKeyError(err):
			return store.ErrHeadMoved // nothing was inserted on a guess: the id of a record is taken in another scope
		case try+1 >= maxTries || pause(ctx, try) != nil:
			return field.Refuse(field.CodeBusy, "").Because(err)
		}
	}
}

// again reports whether the transaction is known to have changed nothing, and is worth a look at why.
func again(err error) bool {
	return errors.Is(err, errMoved) || mongo.IsDuplicateKeyError(err) || hasLabel(err, "TransientTransactionError")
}

// explain says why nothing was written: ErrBatchKnown, ErrHeadMoved, or nil when the stored state is no obstacle.
func (s *Store) explain(ctx context.Context, p *plan) (why, err error) {
	known := s.log.FindOne(ctx, bson.D{{Key: "$or", Value: p.batches}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err := known.Err(); err == nil {
		return store.ErrBatchKnown, nil
	} else if !errors.Is(err, mongo.ErrNoDocuments) {
		return nil, err
	}
	heads, err := s.headsOf(ctx, p.scopes)
	if err != nil {
		return nil, err
	}
	for i, scope := range p.scopes {
		if h := heads[scope]; h.Seq != p.from[i].seq || h.Hash != p.from[i].hash {
			return store.ErrHeadMoved, nil
		}
	}
	return nil, nil
}

// headsOf reads heads by their scopes; those without a head are missing from the answer.
func (s *Store) headsOf(ctx context.Context, scopes []field.Scope) (map[field.Scope]store.Head, error) {
	heads := make(map[field.Scope]store.Head, len(scopes))
	err := find(ctx, s.scopes, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: texts(scopes)}}}}, options.Find(), func(doc []byte) error {
		h, err := decodeHead(doc)
		heads[h.Scope] = h
		return err
	})
	return heads, err
}

func (s *Store) startTransaction() (mongo.Session, error) {
	session, err := s.client.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return nil, err
	}
	err = session.StartTransaction(options.Transaction().
		SetReadConcern(readconcern.Snapshot()).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(durable(s.timeout)))
	if err != nil {
		session.EndSession(context.Background())
		return nil, err
	}
	return session, nil
}

// transact tries the plan once.
func (s *Store) transact(ctx context.Context, p *plan, replaceAll bool) error {
	session, err := s.startTransaction()
	if err != nil {
		return err
	}
	inside := mongo.NewSessionContext(ctx, session)
	if err := s.writeInside(inside, p, replaceAll); err != nil {
		s.giveUp(session)
		return err
	}
	if err := ctx.Err(); err != nil {
		s.giveUp(session)
		return err
	}
	// From here on the answer matters more than the caller's patience.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(commitGrace, untilDeadline(ctx)))
	defer cancel()
	defer session.EndSession(last)
	return settle(last, session.CommitTransaction)
}

func untilDeadline(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline() // bound has set one
	return time.Until(deadline)
}

// writeInside raises the heads first, so that of two at one head the second stops before it has written much.
func (s *Store) writeInside(ctx context.Context, p *plan, replaceAll bool) error {
	for i := range p.scopes {
		if err := s.raise(ctx, p, i); err != nil {
			return err
		}
	}
	if _, err := s.log.InsertMany(ctx, p.entries); err != nil {
		return err
	}
	return s.writeRecords(ctx, p, func(r *image) bool { return r.fresh && !replaceAll })
}

// writeRecords inserts the records that are fresh, and makes or replaces the others.
func (s *Store) writeRecords(ctx context.Context, p *plan, fresh func(*image) bool) error {
	var inserts []any
	var replaces []mongo.WriteModel
	for i := range p.records {
		r := &p.records[i]
		if fresh(r) {
			inserts = append(inserts, r.doc)
		} else {
			here := append(byID(r.id), bson.E{Key: "scope", Value: r.scope}) // in another scope: a duplicate key
			replaces = append(replaces, mongo.NewReplaceOneModel().SetFilter(here).SetReplacement(r.doc).SetUpsert(true))
		}
	}
	if len(inserts) > 0 {
		if _, err := s.records.InsertMany(ctx, inserts); err != nil {
			return err
		}
	}
	if len(replaces) > 0 {
		if _, err := s.records.BulkWrite(ctx, replaces); err != nil {
			return err
		}
	}
	return nil
}

// raise puts a head in its new place if it is in the expected one.
func (s *Store) raise(ctx context.Context, p *plan, i int) error {
	if p.from[i].seq == 0 {
		_, err := s.scopes.InsertOne(ctx, p.heads[i])
		return err
	}
	at := bson.D{{Key: "_id", Value: string(p.scopes[i])}, {Key: "seq", Value: p.from[i].seq}, {Key: "hash", Value: p.from[i].hash}}
	done, err := s.scopes.ReplaceOne(ctx, at, p.heads[i])
	if err == nil && done.MatchedCount == 0 {
		err = errMoved
	}
	return err
}

// giveUp aborts a transaction without letting the caller wait: on an idle set an abort has been seen to take long.
func (s *Store) giveUp(session mongo.Session) {
	s.aborts.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		// Fails when the server has aborted it already; and what is left over ends after 60 s by itself.
		_ = session.AbortTransaction(ctx)
		session.EndSession(ctx)
	})
}

// settle commits, and asks again as long as the server does not say what became of it. When it stays unknown the error
// says so, and the caller looks for {scope, device, batch}.
func settle(ctx context.Context, commit func(context.Context) error) error {
	for try := 0; ; try++ {
		err := commit(ctx)
		if err == nil || !hasLabel(err, "UnknownTransactionCommitResult") {
			return err
		}
		if try+1 >= maxTries || pause(ctx, try) != nil {
			return field.Refuse(field.CodeStoreDown, "The store did not confirm the commit. Send the same batch again.").
				InChinese("存储未确认提交，请重新发送同一批次。").Because(err)
		}
	}
}

// pause waits a little longer each time, somewhere between half and all of it.
func pause(ctx context.Context, try int) error {
	d := min(longPause, firstPause<<min(try, 10))
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitStandIn commits on a server that ignores transactions: for tests. Everything that can refuse is looked at
// first, then the unique indexes of the log decide, and the heads come last, so that a failure leaves no head moved.
// What is promised about crashes and about other processes does not hold here.
func (s *Store) commitStandIn(ctx context.Context, p *plan) error {
	s.standIn.Lock()
	defer s.standIn.Unlock()
	why, err := s.explain(ctx, p)
	if err != nil {
		return fault("Commit", err)
	}
	if why != nil {
		return why
	}
	// A caller who goes now would leave half of it behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	there, err := s.knownRecords(ctx, p)
	if err != nil {
		return fault("Commit", err)
	}
	for _, r := range p.records {
		if in, known := there[r.id]; known && in != r.scope {
			return store.ErrHeadMoved
		}
	}
	if _, err := s.log.InsertMany(ctx, p.entries); err != nil {
		if !mongo.IsDuplicateKeyError(err) {
			return fault("Commit", err)
		}
		return s.clearStandIn(ctx, p)
	}
	if err := s.writeRecords(ctx, p, func(r *image) bool { return there[r.id] == "" }); err != nil {
		return fault("Commit", err)
	}
	for i := range p.scopes {
		if err := s.raise(ctx, p, i); err != nil {
			return fault("Commit", err)
		}
	}
	return nil
}

// knownRecords says which records of the plan are stored, and in which scopes: every replacement costs the stand-in a
// walk through all.
func (s *Store) knownRecords(ctx context.Context, p *plan) (map[string]string, error) {
	ids := make([]string, 0, len(p.records))
	for _, r := range p.records {
		ids = append(ids, r.id)
	}
	there := map[string]string{}
	if len(ids) == 0 {
		return there, nil
	}
	o := options.Find().SetProjection(bson.D{{Key: "scope", Value: 1}})
	err := find(ctx, s.records, in("_id", ids), o, func(doc []byte) error {
		there[bson.Raw(doc).Lookup("_id").StringValue()] = bson.Raw(doc).Lookup("scope").StringValue()
		return nil
	})
	return there, err
}

// clearStandIn takes back the entries beyond the heads after one of them met an entry that was there.
func (s *Store) clearStandIn(ctx context.Context, p *plan) error {
	why, err := s.explain(ctx, p)
	if err != nil {
		return fault("Commit", err)
	}
	for i, raw := range p.entries {
		// Only what is byte for byte ours: another process may have taken the number.
		mine := bson.D{{Key: "_id", Value: p.ids[i]}, {Key: "hash", Value: raw.(bson.Raw).Lookup("hash").StringValue()}}
		if _, err := s.log.DeleteOne(ctx, mine); err != nil {
			return fault("Commit", err)
		}
	}
	if why == nil {
		why = store.ErrHeadMoved
	}
	return why
}

// Numbers of the server's errors.
const (
	codeCommandNotFound      = 59
	codeNamespaceExists      = 48
	codeTransactionTooLarge  = 257
	codeOutOfDiskSpace       = 14031
	codeWriteConcernFailed   = 64
	codeMaxTimeMSExpired     = 50
	codeExceededTimeLimit    = 262
	codeShutdownInProgress   = 91
	codePrimarySteppedDown   = 189
	codeNotWritablePrimary   = 10107
	codeInterruptedShutdown  = 11600
	codeInterruptedStateMove = 11602
	codeNotPrimaryNoSlaveOK  = 13435
	codeNotPrimaryRecovering = 13436
)

var downCodes = []int{
	codeWriteConcernFailed, codeMaxTimeMSExpired, codeExceededTimeLimit, codeShutdownInProgress, codePrimarySteppedDown,
	codeNotWritablePrimary, codeInterruptedShutdown, codeInterruptedStateMove, codeNotPrimaryNoSlaveOK, codeNotPrimaryRecovering,
}

// fault turns what the driver answers into the errors of the contract.
func fault(op string, err error) error {
	var known *field.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case hasCode(err, codeOutOfDiskSpace) || saysFull(err):
		return refusal(field.CodeStorageFull, op, err)
	case hasCode(err, codeTransactionTooLarge):
		return refusal(field.CodeBatchTooLarge, op, err)
	case mongo.IsNetworkError(err), mongo.IsTimeout(err), errors.Is(err, mongo.ErrClientDisconnected), hasCode(err, downCodes...),
		errors.Is(err, context.Canceled), isUnreachable(err):
		return refusal(field.CodeStoreDown, op, err)
	}
	return fmt.Errorf("mongo: %s: %w", op, err)
}

func refusal(code field.Code, op string, err error) error {
	return field.Refuse(code, "").Because(fmt.Errorf("mongo: %s: %w", op, err))
}

// isUnreachable recognises that no server was found in time; the driver gives that error no kind of its own.
func isUnreachable(err error) bool { return strings.Contains(err.Error(), "server selection error") }

// saysFull recognises a full disk below the server, which is passed on as a text.
func saysFull(err error) bool {
	text := err.Error()
	return strings.Contains(text, "No space left on device") || strings.Contains(text, "database or disk is full")
}

func hasCode(err error, codes ...int) bool {
	var se mongo.ServerError
	if !errors.As(err, &se) {
		return false
	}
	for _, c := range codes {
		if se.HasErrorCode(c) {
			return true
		}
	}
	return false
}

func hasLabel(err error, label string) bool {
	var labelled mongo.LabeledError
	return errors.As(err, &labelled) && labelled.HasErrorLabel(label)
}
