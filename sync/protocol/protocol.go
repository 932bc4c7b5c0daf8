// Package protocol holds what goes over the wire between a phone and the server, and what is written into the log:
// operations, outcomes, cursors and the body of an entry.
//
// Start with Push and Pull for the wire, and with Body for the log. Nothing here decides anything: sync/merge and
// sync/engine do.
package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Version is the version of the protocol and of the log's bodies.
const Version = 1

// The limits of a batch.
const (
	MaxOperations = 500
	MaxBatchBytes = 1 << 20
	MaxDepth      = 32
	MaxCursors    = 5000
	MaxPage       = 2000
	MaxAnswers    = 2000      // acknowledged batches in one pull, and receipted photos
	MinPageBytes  = 16 << 10  //
	MaxPageBytes  = 512 << 10 // a page is bounded by its bytes too: a slow link must make progress with every answer
	DefaultPage   = 500
)

// Operation is one thing that somebody did to one record: fields set, or a command.
type Operation struct {
	ID      field.RecordID         `json:"id"`
	Kind    field.Kind             `json:"kind"`
	Base    int64                  `json:"base"`              // the version of the record that the device last saw; 0: new
	Set     map[string]field.Value `json:"set,omitempty"`     // by name or by path; null removes
	Command string                 `json:"command,omitempty"` // or a command
	Args    map[string]field.Value `json:"args,omitempty"`    // of the command

	// Unknown is the whole operation as it came, when it has members that this server does not know: a newer app sent
	// it.
	Unknown json.RawMessage `json:"-"`
}

// OutcomeKind says what became of an operation.
type OutcomeKind string

// The outcomes.
const (
	Applied  OutcomeKind = "applied"  // it is in the record
	Merged   OutcomeKind = "merged"   // it is in the record, beside what somebody else has changed meanwhile
	Conflict OutcomeKind = "conflict" // somebody else changed the same; both values are kept, see Conflicts
	Rejected OutcomeKind = "rejected" // it could not be applied; it is kept, see RecordID
)

// Outcome is decided when the batch is committed, and stored with it.
type Outcome struct {
	Outcome   OutcomeKind      `json:"outcome"`
	Version   int64            `json:"version,omitempty"`   // of the record, after the operation
	Code      field.Code       `json:"code,omitempty"`      // why it was rejected
	Message   string           `json:"message,omitempty"`   // the same for a person, in English
	MessageZH string           `json:"messageZh,omitempty"` // and in Chinese
	RecordID  field.RecordID   `json:"recordId,omitempty"`  // the parked record that keeps a rejected operation
	Conflicts []field.RecordID `json:"conflicts,omitempty"` // the conflict records, one for each path
}

// PushRequest is a batch from one device for one scope.
type PushRequest struct {
	Device     field.DeviceID `json:"device"`
	Batch      int64          `json:"batch"`
	Scope      field.Scope    `json:"scope"`
	App        string         `json:"app,omitempty"`
	DeviceTime string         `json:"deviceTime,omitempty"` // RFC 3339 with milliseconds and offset
	SkewMS     int64          `json:"skewMs,omitempty"`     // device clock minus server clock, as the device measured it
	Seen       *Cursor        `json:"seen,omitempty"`       // how far the device had read the scope when it sealed the batch
	Operations []Operation    `json:"operations"`

	// The number of the batch that the device sealed before this one for the scope, 0 for the first; nil: not said. By
	// it a device id that stands for two phones is found out although no number is used twice.
	Previous *int64 `json:"previous,omitempty"`
}

// PushResponse answers a batch, and every repetition of it, with the same outcomes.
type PushResponse struct {
	Scope      field.Scope `json:"scope"`
	Seq        int64       `json:"seq"`
	Hash       string      `json:"hash"`
	Replayed   bool        `json:"replayed"`
	ServerTime string      `json:"serverTime"`
	Outcomes   []Outcome   `json:"outcomes"`

	// Records are those that a Strict batch has changed, as it left them: a click is answered with what it did,
	// whatever others have written since. nil for a batch that was in the log already. Read them only.
	Records map[field.RecordID]*field.Record `json:"-"`
}

// Cursor says how far a device has read a scope: the number of an entry and that entry's hash.
type Cursor struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`

	// Load says how the device came by what it holds of the scope; it keeps the text and gives it back. "whole": it has
	// read the scope to an end once. "12 ab…": it is reading the scope from nothing, and the log ended with entry 12,
	// whose hash is ab…, when it began. Empty: not known; the device does not keep the text. With an id behind it, the
	// device has also read a part of the next entry: its records up to that id.
	Load string `json:"load,omitempty"`
}

// Within adds to a Load how far the entry behind the cursor was read: up to this record.
func Within(load string, last field.RecordID) string {
	if last == "" {
		return load
	}
	return load + " " + string(last)
}

// Part is up to which record the device has read the entry behind the cursor; empty: nothing of it.
func (c Cursor) Part() field.RecordID {
	if i := strings.LastIndexByte(c.Load, ' '); i >= 0 && field.ValidID(c.Load[i+1:]) {
		return field.RecordID(c.Load[i+1:])
	}
	return ""
}

// Came is Load without Part.
func (c Cursor) Came() string {
	if part := c.Part(); part != "" {
		return c.Load[:len(c.Load)-len(part)-1]
	}
	return c.Load
}

// Read is up to which version the device has read a record: no device has seen more of a record than of its scope.
func (c Cursor) Read(id field.RecordID) int64 {
	if part := c.Part(); part != "" && id <= part {
		return c.Seq + 1
	}
	return c.Seq
}

// Whole is the Load of a cursor whose device has read the scope to an end.
const Whole = "whole"

// Loading is the Load of a cursor whose device began to read when the log ended so.
func Loading(seq int64, hash string) string { return strconv.FormatInt(seq, 10) + " " + hash }

// Began reads what Loading wrote; false for anything else.
func (c Cursor) Began() (seq int64, hash string, ok bool) {
	number, hash, ok := strings.Cut(c.Came(), " ")
	if !ok {
		return 0, "", false
	}
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, hash, err == nil && seq > 0
}

// PullRequest asks for what has changed in all scopes of the user.
type PullRequest struct {
	Device  field.DeviceID         `json:"device"`
	Cursors map[field.Scope]Cursor `json:"cursors"`
	Limit   int                    `json:"limit,omitempty"`
	Bytes   int                    `json:"bytes,omitempty"` // of the page, at most, unless one record has more; a slow link asks for little

	// Of scopes that the device holds whole: the Digest of its records, now and then. One that is wrong at an equal
	// cursor is healed by starting afresh.
	Digests map[field.Scope]string `json:"digests,omitempty"`

	// What the device holds answers for in scopes that start afresh: the server names in Missing what it does not know.
	Acknowledged map[field.Scope][]Acknowledged `json:"acknowledged,omitempty"`

	// The photos for which the device holds receipts, and still the files: the server names in Lacking those that it
	// does not have.
	Receipted []Receipted `json:"receipted,omitempty"`
}

// Receipted is a photo for which a receipt was given, and the bytes that the receipt is for.
type Receipted struct {
	Photo  field.RecordID `json:"photo"`
	SHA256 string         `json:"sha256"`
}

// Acknowledged is a batch that was answered once: its number, and the entry that the answer named.
type Acknowledged struct {
	Batch int64  `json:"batch"`
	Hash  string `json:"hash"`
}

// PulledRecord is the latest state of one record.
type PulledRecord struct {
	ID        field.RecordID  `json:"id"`
	Kind      field.Kind      `json:"kind"`
	Scope     field.Scope     `json:"scope"`
	Version   int64           `json:"version"`
	State     field.State     `json:"state"`
	Deleted   bool            `json:"deleted"`
	Author    field.UserID    `json:"author,omitempty"`
	CreatedAt string          `json:"createdAt"`
	UpdatedAt string          `json:"updatedAt"`
	Fields    json.RawMessage `json:"fields"`
}

// FromRecord makes the wire form of a record.
func FromRecord(r *field.Record) PulledRecord {
	return PulledRecord{
		ID: r.ID, Kind: r.Kind, Scope: r.Scope, Version: r.Version, State: r.State, Deleted: r.Deleted, Author: r.Author,
		CreatedAt: Stamp(r.CreatedAt), UpdatedAt: Stamp(r.UpdatedAt), Fields: r.Document(),
	}
}

// Stamp formats a time for the wire: RFC 3339 in UTC with milliseconds.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// PullResponse is one page.
type PullResponse struct {
	Records  []PulledRecord         `json:"records"`
	Cursors  map[field.Scope]Cursor `json:"cursors"`            // of the scopes on this page
	Scopes   []field.Scope          `json:"scopes"`             // all that may be read, the inbox first; too many: those not in the request, as many as fit
	Gone     []field.Scope          `json:"gone"`               // in the request, and no longer readable: drop them; as many as fit
	Restart  []field.Scope          `json:"restart"`            // their history forked: load them afresh, keep the outbox
	Diverged []field.Scope          `json:"diverged,omitempty"` // of Restart: the digest was wrong
	More     bool                   `json:"more"`               // ask again at once

	// Of the acknowledged batches of the request, those whose entry is not in the log: send them again, as they were.
	Missing map[field.Scope][]int64 `json:"missing,omitempty"`
	// Of the receipted photos of the request, those that were not received in this history: send their bytes again.
	Lacking    []field.RecordID `json:"lacking,omitempty"`
	ServerTime string           `json:"serverTime"`
}

// Digest is an order-free hash over the records of a scope that are not deleted: the exclusive or of the first eight
// bytes of the SHA-256 of "id@version", as 16 hexadecimal digits. It is cheap to keep up to date: mixing a pair in a
// second time takes it out.
type Digest uint64

// Mix adds a record in one version, or takes it out.
func (d *Digest) Mix(id field.RecordID, version int64) {
	h := sha256.Sum256(strconv.AppendInt([]byte(id+"@"), version, 10))
	*d ^= Digest(binary.BigEndian.Uint64(h[:]))
}

func (d Digest) String() string { return fmt.Sprintf("%016x", uint64(d)) }

// Decided is an operation in the log: as it came, with its outcome. Set holds the validated values by path where the
// operation was understood, and what came otherwise.
type Decided struct {
	Operation
	Outcome Outcome `json:"outcome"`
}

// Change is what an entry does to one record. Replaying the log means applying the changes; nothing is decided again.
type Change struct {
	ID      field.RecordID         `json:"id"`
	Kind    field.Kind             `json:"kind,omitempty"` // only when it is made
	Author  field.UserID           `json:"author,omitempty"`
	Device  field.DeviceID         `json:"device,omitempty"` // on which it was written, where that is not the entry's
	Op      int                    `json:"op,omitempty"`     // the values are those of operation number Op, counted from 1
	Set     map[string]field.Value `json:"set,omitempty"`
	Unset   []string               `json:"unset,omitempty"`
	State   field.State            `json:"state,omitempty"`
	Deleted *bool                  `json:"deleted,omitempty"`
}

// Link names an entry of another scope that was written in the same commit.
type Link struct {
	Scope field.Scope `json:"scope"`
	Seq   int64       `json:"seq"`
}

// Body is what the bytes of an entry say.
type Body struct {
	V          int              `json:"v"`
	Scope      field.Scope      `json:"scope"`
	Seq        int64            `json:"seq"`
	Prev       string           `json:"prev"`
	Device     field.DeviceID   `json:"device"`
	Batch      int64            `json:"batch"`
	Previous   *int64           `json:"previous,omitempty"` // the device's batch before in the scope, as it said
	Digest     string           `json:"digest"`             // of the batch as it came
	Actor      field.UserID     `json:"actor,omitempty"`
	Org        field.OrgID      `json:"org,omitempty"`
	Mandate    field.RecordID   `json:"mandate,omitempty"` // under which somebody acted in the scope of another organisation
	App        string           `json:"app,omitempty"`
	At         string           `json:"at"` // server time
	DeviceTime string           `json:"deviceTime,omitempty"`
	SkewMS     int64            `json:"skewMs,omitempty"`
	With       []Link           `json:"with,omitempty"`
	Info       *field.ScopeInfo `json:"info,omitempty"` // attributes of the scope, when this entry sets them
	Ops        []Decided        `json:"ops,omitempty"`
	Changes    []Change         `json:"changes,omitempty"`
	Sealed     []Sealed         `json:"sealed,omitempty"`
}

// Sealed is an operation that was refused for what it says, as it came and encrypted (AES-256-GCM, with ID as the
// additional data). The key lies beside the log: without it nobody knows what this is, and the entry stays what its
// hash says.
type Sealed struct {
	ID    field.RecordID `json:"id"` // the parked record that stands for it
	Nonce []byte         `json:"nonce"`
	Text  []byte         `json:"text"`
}

// Seal turns a body into an entry.
func Seal(b Body, at time.Time) (store.Entry, error) {
	raw, err := appendBody(make([]byte, 0, sizeOf(&b)), &b)
	if err != nil {
		return store.Entry{}, fmt.Errorf("entry %s %d: %w", b.Scope, b.Seq, err)
	}
	return store.Entry{
		Scope: b.Scope, Seq: b.Seq, Device: b.Device, Batch: b.Batch, Hash: HashOf(raw), Prev: b.Prev,
		At: at, Actor: b.Actor, Body: raw,
	}, nil
}

// HashOf is the SHA-256 of bytes in lower-case hex.
func HashOf(raw []byte) string {
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:])
}

// Open reads the body of an entry.
func Open(e store.Entry) (Body, error) {
	var b Body
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return b, fmt.Errorf("entry %s %d does not parse: %w", e.Scope, e.Seq, err)
	}
	return b, nil
}

// Apply makes the new image of a record from its old one (nil: it is made) and a change of the entry.
func Apply(b *Body, c Change, at time.Time, old *field.Record, info field.ScopeInfo) *field.Record {
	var r *field.Record
	device := b.Device
	if c.Device != "" {
		device = c.Device
	}
	set := c.Set
	if c.Op > 0 {
		set = b.Ops[c.Op-1].Set
	}
	if old == nil {
		r = &field.Record{
			ID: c.ID, Kind: c.Kind, Scope: b.Scope, Author: c.Author, Device: device, CreatedAt: at,
			Fields: make(map[string]field.Value, len(set)), Stamps: make(map[string]field.Stamp, len(set)+1),
		}
	} else {
		r = old.Clone()
	}
	stamp := field.Stamp{Seq: b.Seq, Device: device}
	for p, v := range set {
		if v == nil || string(v) == "null" {
			delete(r.Fields, p)
		} else {
			r.Fields[p] = v
		}
		r.Stamps[p] = stamp
	}
	for _, p := range c.Unset {
		delete(r.Fields, p)
		r.Stamps[p] = stamp
	}
	if c.State != "" {
		r.State = c.State
		r.Stamps[""] = stamp
	}
	if c.Deleted != nil {
		r.Deleted = *c.Deleted
	}
	r.Version, r.UpdatedAt, r.Info = b.Seq, at, info
	field.Index(r)
	return r
}

// Batch is what the write path takes, from a phone's push, a supervisor's click or a follower of the log alike.
type Batch struct {
	Actor      *access.Actor
	Device     field.DeviceID // "desk/…" for a click, "server/…" for the server itself
	Number     int64          // with Scope and Device: the key by which a repetition is known
	Scope      field.Scope
	Operations []Operation
	App        string
	DeviceTime string
	SkewMS     int64
	KeptAt     time.Time // when the operation that is accepted now was kept; zero: it comes now
	Seen       *Cursor   // nil: not said
	Previous   *int64    // of the device in the scope; nil: not said

	Strict  bool          // a click: a rejected or conflicting operation is an error, and nothing at all is written
	Sender  *access.Actor // of a kept operation that the server itself tries again: who sent it, with what he may do now
	Trusted bool          // the server put the operations together: commands and fields that are the server's own are allowed

	// Then is asked after the operations of a Strict batch were decided, in the same commit: it may refuse, and add
	// effects to the record of the first of them. What belongs to a person and may not lie beside the person's name is
	// made so. A repetition is answered without it.
	Then func(*field.Case) error
}
