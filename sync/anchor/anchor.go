// Package anchor signs where the logs stand, and reads such statements without the server.
//
// A Statement lists scopes with the number and the hash of their last entry. As every entry holds the hash of the one
// before, it vouches for all that came earlier: anyone who rewrites the database afterwards, however consistently,
// cannot make it agree with a statement that lies elsewhere. The server keeps one about all scopes every day
// (server/upkeep), and puts one about its scopes into an exported case. Witness is what verification asks.
//
// The form is a signed note (golang.org/x/mod/sumdb/note), so that other tools can read it.
package anchor

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"fieldclue/server/field"
)

// Statement says where logs stood at a time.
type Statement struct {
	At       time.Time // the server's clock, UTC, whole milliseconds
	Prev     string    // SHA-256 of the daily statement before, lower-case hexadecimal; empty: the first, or none of the row
	Restored bool      // the database was put back from a copy just before: earlier statements may know more than the logs
	Keys     string    // SHA-256 of the server's public keys as they were; empty: not said
	Heads    []Head    // by scope

	Key ed25519.PublicKey // that signed it: Open says so
}

// Head is the end of one log.
type Head struct {
	Scope field.Scope
	Seq   int64
	Hash  string // SHA-256 of the entry, lower-case hexadecimal
}

const (
	firstLine  = "fieldclue heads 1"
	signerName = "fieldclue"
	timeForm   = "2006-01-02T15:04:05.000Z"
)

// text is what is signed: a line for each value, then a line for each scope.
func (s *Statement) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nat %s\n", firstLine, s.At.UTC().Format(timeForm))
	if s.Prev != "" {
		fmt.Fprintf(&b, "prev %s\n", s.Prev)
	}
	if s.Restored {
		b.WriteString("restored\n")
	}
	if s.Keys != "" {
		fmt.Fprintf(&b, "keys %s\n", s.Keys)
	}
	for _, h := range s.Heads {
		fmt.Fprintf(&b, "%s %d %s\n", h.Scope, h.Seq, h.Hash)
	}
	return b.String()
}

// Sign writes a statement as a signed note. The same arguments give the same bytes.
func Sign(key ed25519.PrivateKey, s Statement) ([]byte, error) {
	public, _ := key.Public().(ed25519.PublicKey) // its documented type
	verifier, err := note.NewVerifier(VerifierKey(public))
	if err != nil {
		return nil, fmt.Errorf("the server's key: %w", err)
	}
	return note.Sign(&note.Note{Text: s.text()}, signer{verifier, key})
}

type signer struct {
	note.Verifier // its name and hash
	key           ed25519.PrivateKey
}

func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// VerifierKey is the public key in the form that tools for signed notes read; empty for what is no key.
func VerifierKey(key ed25519.PublicKey) string {
	k, err := note.NewEd25519VerifierKey(signerName, key)
	if err != nil {
		return ""
	}
	return k
}

// Open reads a statement that was signed with one of the keys. CodeHashMismatch when none of them did, or it is none.
func Open(keys []ed25519.PublicKey, msg []byte) (Statement, error) {
	bad := func(what string, cause error) (Statement, error) {
		return Statement{}, field.Refuse(field.CodeHashMismatch, "The statement does not hold: %s.", what).Because(cause)
	}
	var verifiers []note.Verifier
	byHash := map[uint32]ed25519.PublicKey{}
	for _, key := range keys {
		v, err := note.NewVerifier(VerifierKey(key))
		if err != nil {
			return bad("what is given to check it with is no key", err)
		}
		verifiers = append(verifiers, v)
		byHash[v.KeyHash()] = key
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) && len(unknown.Note.UnverifiedSigs) > 0 {
		sig := unknown.Note.UnverifiedSigs[0]
		return bad(fmt.Sprintf("the key with which it was signed is not known (%.40q+%08x)", sig.Name, sig.Hash), err)
	}
	if err != nil {
		return bad("it was not signed with this key", err)
	}
	s, err := parse(n.Text)
	if err != nil || s.text() != n.Text { // one way to say a thing
		return bad("it is no statement about logs", err)
	}
	s.Key = byHash[n.Sigs[0].Hash]
	return s, nil
}

func parse(text string) (s Statement, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 2 || lines[0] != firstLine {
		return s, fmt.Errorf("it begins with %q", lines[0])
	}
	for _, line := range lines[1:] {
		words := strings.Split(line, " ")
		switch {
		case len(words) == 2 && words[0] == "at":
			s.At, err = time.Parse(timeForm, words[1])
		case len(words) == 2 && words[0] == "prev":
			s.Prev = words[1]
		case line == "restored":
			s.Restored = true
		case len(words) == 2 && words[0] == "keys":
			s.Keys = words[1]
		case len(words) == 3:
			h := Head{Scope: field.Scope(words[0]), Hash: words[2]}
			h.Seq, err = strconv.ParseInt(words[1], 10, 64)
			s.Heads = append(s.Heads, h)
		default:
			err = fmt.Errorf("line %q", line)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// Witness holds what many statements say, until the logs confirm it. The zero value knows nothing.
type Witness struct {
	open     map[field.Scope]map[place]time.Time // the newest statement that says so
	restored time.Time                           // the newest statement after a restore
	keys     Statement                           // the newest that says something of the server's keys, without its heads
}

type place struct {
	seq  int64
	hash string
}

// Hear takes a statement in.
func (w *Witness) Hear(s Statement) {
	if w.open == nil {
		w.open = map[field.Scope]map[place]time.Time{}
	}
	if s.Keys != "" && s.At.After(w.keys.At) {
		w.keys = Statement{At: s.At, Keys: s.Keys}
	}
	if s.Restored && s.At.After(w.restored) {
		w.restored = s.At
	}
	for _, h := range s.Heads {
		of := w.open[h.Scope]
		if of == nil {
			of = map[place]time.Time{}
			w.open[h.Scope] = of
		}
		if p := (place{h.Seq, h.Hash}); s.At.After(of[p]) {
			of[p] = s.At
		}
	}
}

// Keys is what the newest statement that says something of the server's keys says of them; empty: none does.
func (w *Witness) Keys() (digest string, at time.Time) { return w.keys.Keys, w.keys.At }

// Confirm tells that an entry with this number and hash is in the log of a scope.
func (w *Witness) Confirm(scope field.Scope, seq int64, hash string) {
	if of := w.open[scope]; len(of) > 0 {
		delete(of, place{seq, hash})
	}
}

// Contradiction is something that a statement says and no log confirmed.
type Contradiction struct {
	Head
	At      time.Time // of the newest statement that says so
	Excused bool      // a later statement says that the database was put back from a copy
}

// Contradictions lists what is left when all logs were read, by scope and number.
func (w *Witness) Contradictions() []Contradiction {
	var all []Contradiction
	for scope, of := range w.open {
		for p, at := range of {
			all = append(all, Contradiction{Head{scope, p.seq, p.hash}, at, at.Before(w.restored)})
		}
	}
	slices.SortFunc(all, func(a, b Contradiction) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Hash, b.Hash))
	})
	return all
}
