package store

import (
	"context"
	"errors"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
)

// Entry is one entry of a scope's log as it is stored: the columns by which it is found, and the bytes that the hash
// covers. What the bytes say is sync/protocol's business.
type Entry struct {
	Scope  field.Scope
	Seq    int64 // from 1, without gaps
	Device field.DeviceID
	Batch  int64
	Hash   string // SHA-256 of Body, lower-case hex
	Prev   string // hash of entry Seq-1; empty at 1
	At     time.Time
	Actor  field.UserID
	Body   []byte // JSON; nil where it lies in a bundle
	Bundle string // SHA-256 of the bundle that holds the body, lower-case hex; empty: the body is here
}

// Bundled says that the bodies of consecutive entries of a scope lie in a bundle (server/archive). All else of an entry
// stays in the log: a number is never free again, and a batch is known for ever.
type Bundled struct {
	Scope  field.Scope
	First  int64    // the number of the first of them
	Hashes []string // theirs, in order
	Bundle string   // SHA-256 of the bundle, lower-case hex
}

// Head is the end of a scope's log. A scope without entries has no head.
type Head struct {
	Scope field.Scope
	Seq   int64
	Hash  string
	Info  field.ScopeInfo
	At    time.Time // server time of the newest entry
}

// Write is what one commit does to one scope: consecutive entries, the records' new images and the new head.
type Write struct {
	Entries []Entry         // at least one; the first follows on the stored head
	Records []*field.Record // each once, in its final image; their home is this scope
	Head    Head            // after the last entry
}

// What Commit answers when it changed nothing because somebody else was first. Any other error is ambiguous: the caller
// looks for {scope, device, batch}.
var (
	ErrHeadMoved  = errors.New("store: another process has written to this scope, or a record that was new is in another")
	ErrBatchKnown = errors.New("store: this batch is in the log already")
)

// ErrDamaged says that the body of an archived entry is not in its bundle as it was put there.
var ErrDamaged = errors.New("store: an archived entry is damaged")

// The contract of the log in both stores, checked by storetest:
//
//	Commit(ctx, writes)                  one transaction over all writes; durable when it returns nil. A stored head that is
//	                                     not right before the first entry: ErrHeadMoved, also when a record's id is stored in
//	                                     another scope. {scope, device, batch} stored before: ErrBatchKnown. Nothing is
//	                                     changed then.
//	Head(ctx, scope)                     the head; CodeNotFound when the scope has no entries
//	Heads(ctx, ListScopes)               heads of visible scopes, by Scope, key-paged
//	Entry(ctx, scope, seq)               one entry; CodeNotFound
//	Batch(ctx, scope, device, batch)     the entry that holds the batch; CodeNotFound
//	LastBatch(ctx, scope, device)        the highest number of the device's batches in the scope; 0 when there is none
//	Entries(ctx, scope, after, limit)    entries with Seq greater than after, in order
//	Marks(ctx, scope, after, limit)      the same entries without their bodies
//	Archive(ctx, Bundled)                one transaction, durable when it returns nil: the entries name the bundle and lose
//	                                     their bodies. Repeating it changes nothing. One that is missing: CodeNotFound; one
//	                                     with another hash or in another bundle: CodeStale. Nothing is changed then.
//	Records(ctx, ids)                    the records that exist, in no order; tombstones included
//	Changed(ctx, scope, after, upTo, limit)  records with after < Version <= upTo by (Version, ID), tombstones included;
//	                                     about limit of them: the last version is always whole
//	List(ctx, Query)                     records by (Rank, ID)

// ListScopes asks for a page of heads.
type ListScopes struct {
	Visible access.Filter
	Types   []field.ScopeType // empty: all
	After   field.Scope
	Limit   int
}

// Query asks for a page of records. Every condition that is set must hold.
type Query struct {
	Visible access.Filter
	Scope   field.Scope
	Kinds   []field.Kind
	States  []field.State
	Keys    []string // each is one of the record's Keys, such as "reportId=0192…"
	Deleted bool     // tombstones too
	After   Place    // the last of the page before; zero: from the start
	Limit   int
}

// Place is where a record stands in a list.
type Place struct {
	Rank string
	ID   field.RecordID
}

// PlaceOf says where a record stands.
func PlaceOf(r *field.Record) Place { return Place{Rank: r.Rank, ID: r.ID} }

// Lister is a store of which lists are read.
type Lister interface {
	List(ctx context.Context, q Query) ([]*field.Record, error)
}

// EachPage reads a list to its end and gives fn every page of q.Limit records. It stops at the first error, which it
// returns.
func EachPage(ctx context.Context, s Lister, q Query, fn func([]*field.Record) error) error {
	for {
		records, err := s.List(ctx, q)
		if err == nil {
			err = fn(records)
		}
		if err != nil || len(records) < q.Limit {
			return err
		}
		q.After = PlaceOf(records[len(records)-1])
	}
}
