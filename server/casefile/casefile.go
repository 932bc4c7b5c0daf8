// Package casefile makes the file of a case: a ZIP that a stranger can check without the server, years later, with
// nothing but the published key. It also checks such files.
//
// Maker.Gather decides what belongs to a case (gather.go) and what of each entry of the log may be shown (redact.go);
// File writes it (write.go, zip.go); page.go makes the page that people read. Check (check.go) trusts nothing that a
// file says. Why a file looks as it does, and what a stranger can and cannot check, stands in
// docs/decisions/case-file.md. Not here: who may export, and that it is written into the log (server/workflow).
package casefile

import (
	"fmt"
	"strings"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// The files of a case. Names hold nothing but letters, digits, "-", "_", "." and "/".
const (
	manifestName  = "manifest.txt" // the SHA-256 of every other file, in the form of sha256sum
	signatureName = "manifest.sig" // Ed25519 over the manifest's bytes, base64
	keyName       = "key.pem"      // the server's public key: believed only by who has no better source
	keysName      = "keys.json"    // where there were older keys: all of them, vouched for by the manifest's signature
	headsName     = "heads.txt"    // signed statement of where the logs stood (sync/anchor)
	aboutName     = "case.json"
	pageName      = "index.html"

	logDir       = "log/"       // log/site-0192…/chain.txt and, of the entries that speak of the case, 0000000017.json
	recordsDir   = "records/"   // report-0192….json: the record as it stands, and what happened to it
	receiptsDir  = "receipts/"  // 0192….json, by photo
	originalsDir = "originals/" // by SHA-256
	smallDir     = "small/"     // renditions of 320 px, for the page

	chainName = "chain.txt"
	wholeEnd  = ".json"      // the bytes that the entry's hash covers
	partEnd   = ".part.json" // what may be shown of an entry that also speaks of something else
)

// The limits of a case file, for who writes it and for who reads it.
const (
	maxFiles   = 50_000
	maxText    = 16 << 20  // bytes of one text file but the chain
	maxAllText = 256 << 20 // of all texts that are held in memory
	maxRecords = 10_000
)

// About is case.json: what the file is about, and what is not in it.
type About struct {
	V       int            `json:"v"` // 1
	Clue    field.RecordID `json:"clue"`
	Number  string         `json:"number,omitempty"`
	Logs    []Log          `json:"logs"`
	LeftOut []LeftOut      `json:"leftOut"`
}

// Log says how much of the log of a scope is in the file.
type Log struct {
	Scope    field.Scope `json:"scope"`
	Entries  int64       `json:"entries"`  // that the log had, and chain.txt lists
	Whole    int         `json:"whole"`    // of which the file holds every byte that the hash covers
	Parts    int         `json:"parts"`    // of which it holds what concerns the case: the server's word, no proof
	Withheld int         `json:"withheld"` // of the parts, those whose hash is left out too: it would confirm a guess
}

// LeftOut is a record near the case that is not in the file.
type LeftOut struct {
	ID   field.RecordID `json:"id"`
	Kind field.Kind     `json:"kind"`
	Why  string         `json:"why"`
}

// Why something is left out. That it belongs to another case is not said: that case may be a secret.
const (
	whyElsewhere = "not part of this case"
	whyVoided    = "a voided interview"
	whyInterview = "a remark about an interview: it may quote what was said"
	whyHidden    = "not open to the person who exported"
)

// Filed is the content of a file in records/: a record as it stands, and its history from the log.
type Filed struct {
	Record  protocol.PulledRecord `json:"record"`
	History []protocol.Event      `json:"history"`
}

// Part is what may be shown of an entry that also speaks of something else.
type Part struct {
	Hash  string        `json:"hash"` // of the whole entry; empty: withheld
	Entry protocol.Body `json:"entry"`
}

// Fault is something that does not hold.
type Fault struct {
	File string `json:"file"`
	What string `json:"what"`
}

func (f Fault) String() string { return f.File + ": " + f.What }

func scopeDir(s field.Scope) string { return logDir + strings.Replace(string(s), "/", "-", 1) + "/" }

func entryName(s field.Scope, seq int64, whole bool) string {
	end := partEnd
	if whole {
		end = wholeEnd
	}
	return fmt.Sprintf("%s%010d%s", scopeDir(s), seq, end)
}

func recordName(kind field.Kind, id field.RecordID) string {
	return recordsDir + string(kind) + "-" + string(id) + ".json"
}

func originalName(sum, media string) string {
	t, _ := field.PhotoTypeOf(media)
	return originalsDir + sum + t.Ext
}

func smallName(sum string) string { return smallDir + sum + ".jpg" }
