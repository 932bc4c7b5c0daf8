package store

import "fieldclue/server/field"

// What keeping a store asks of both: verification, rebuilding, moving. Checked by storetest:
//
//	LastEntries(ctx, after, limit)  the last entry in the log of each scope that has one, by scope, from those after one,
//	                                without its body where that lies in a bundle;
//	                                whatever the heads say
//	Docs(ctx, shelf, after, limit)  documents with an ID greater than after, by ID
//	Repair(ctx, repair)             one transaction, durable when it returns nil: makes the head and the records what the
//	                                log says they are. ErrHeadMoved, and nothing changed, when the log's last entry is not
//	                                the one that the head names

// Repair is what a scope's head and records have to be, by its log. The log itself is never repaired.
type Repair struct {
	Head    Head
	Records []*field.Record  // images of records whose home is this scope, some or all
	Gone    []field.RecordID // are stored with this scope as their home and are not in its log
}
