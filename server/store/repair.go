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
//	Check(ctx, found)               looks at how everything lies in the store, beside what the other methods show of it: rows
//	                                and indexes by which queries find records, columns and members that reading leaves out,
//	                                records whose scope has no log, tables and indexes themselves. It tells found of each flaw
//	                                and changes nothing; an error says that it could not look to the end
//	Mend(ctx)                       makes anew what Check found and what follows from other rows: indexes, what lists find
//	                                records by. Records whose scope has no log are removed, and named

// Flaw is something in a store that the methods of the contract do not show, and that is not as this program writes it.
type Flaw struct {
	Where string // the table or collection and the row, or the file
	What  string
	Help  string // what the keeper of the store can do about it
	Blind bool   // nothing that is read from the store can be believed, so looking on is of no use
}

func (f Flaw) String() string { return f.Where + ": " + f.What + "; " + f.Help }

// What helps against what verification finds.
const (
	HelpRebuild = "fieldclue rebuild makes it anew"
	HelpRestore = "it cannot be made anew: keep the place as it is, and put it back from a backup"
)

// Repair is what a scope's head and records have to be, by its log. The log itself is never repaired.
type Repair struct {
	Head    Head
	Records []*field.Record  // images of records whose home is this scope, some or all
	Gone    []field.RecordID // are stored with this scope as their home and are not in its log
}
