package store

import (
	"encoding/json"
	"time"
)

// Shelf names a collection of working documents beside the log.
type Shelf string

// The shelves. What stands on them is state of the machine room, not evidence: it is not in the log.
const (
	Accounts Shelf = "accounts" // password hashes
	Devices  Shelf = "devices"  // enrolled devices, of servers before devices were in the log
	Sessions Shelf = "sessions" // refresh tokens
	Uploads  Shelf = "uploads"  // half-finished uploads
	Jobs     Shelf = "jobs"     // the worker queue
	Cursors  Shelf = "cursors"  // how far each follower of the log has read
	Keys     Shelf = "keys"     // the server's own signing keys
	Throttle Shelf = "throttle" // failed sign-ins, for a while
	Sealed   Shelf = "sealed"   // the keys of what was refused for what it says, one each
)

// Shelves are all of them.
var Shelves = []Shelf{Accounts, Devices, Sessions, Uploads, Jobs, Cursors, Keys, Throttle, Sealed}

// Doc is one working document, changed by compare-and-swap.
//
// The contract of both stores, checked by storetest:
//
//	GetDoc(ctx, shelf, id)              the document; CodeNotFound when there is none
//	PutDoc(ctx, doc)                    writes it if the stored version is doc.Version (0: must not exist) and
//	                                    returns the new version; CodeStale otherwise, and nothing changed. Durable.
//	DeleteDoc(ctx, shelf, id, version)  removes it if the version is the stored one; CodeStale or CodeNotFound
//	DocsByKey(ctx, shelf, key, after, limit)  documents with that Key and an ID greater than after, by ID
//	DocsDue(ctx, shelf, before, limit)  documents whose Due is set and not later than before, by Due then ID
type Doc struct {
	Shelf   Shelf
	ID      string
	Version int64
	Key     string          // a second way to find it; empty: none
	Due     time.Time       // when it wants attention; zero: never. Kept to the millisecond
	Body    json.RawMessage // an object
}
