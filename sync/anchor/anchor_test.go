package anchor_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/anchor"
)

func key(b byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = b
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func of(ks ...ed25519.PrivateKey) (keys []ed25519.PublicKey) {
	for _, k := range ks {
		keys = append(keys, public(k))
	}
	return keys
}

func hash(n int) string { return fmt.Sprintf("%064x", n) }

var at = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func statement(seqs ...int64) anchor.Statement {
	s := anchor.Statement{At: at, Prev: hash(9)}
	for i, seq := range seqs {
		s.Heads = append(s.Heads, anchor.Head{Scope: field.Scope(fmt.Sprintf("site/%d", i)), Seq: seq, Hash: hash(int(seq))})
	}
	return s
}

func TestAStatementIsReadAsItWasSigned(t *testing.T) {
	for _, s := range []anchor.Statement{statement(3, 9), {At: at}, {At: at, Restored: true, Heads: statement(1).Heads}} {
		msg, err := anchor.Sign(key(1), s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := anchor.Sign(key(1), s)
		if err != nil || !bytes.Equal(msg, again) {
			t.Errorf("not the same bytes twice: %v", err)
		}
		got, err := anchor.Open(of(key(2), key(1), key(3)), msg) // whatever other keys the server has had
		s.Key = public(key(1))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v; signed %+v", got, err, s)
		}
	}
}

func TestNoByteOfAStatementCanBeChanged(t *testing.T) {
	msg, err := anchor.Sign(key(1), statement(3, 9))
	if err != nil {
		t.Fatal(err)
	}
	for i := range msg {
		bad := bytes.Clone(msg)
		bad[i] ^= 1
		if got, err := anchor.Open(of(key(1)), bad); !field.Is(err, field.CodeHashMismatch) {
			t.Fatalf("byte %d changed: %+v, %v", i, got, err)
		}
	}
	_, name, _ := strings.Cut(anchor.VerifierKey(public(key(1))), "+")
	name, _, _ = strings.Cut(name, "+")
	if _, err := anchor.Open(of(key(2), key(3)), msg); !field.Is(err, field.CodeHashMismatch) || !strings.Contains(field.AsError(err).Sentence(), name) {
		t.Errorf("under other keys: %v does not name %s", err, name)
	}
	if _, err := anchor.Open(nil, msg); !field.Is(err, field.CodeHashMismatch) {
		t.Errorf("under no key: %v", err)
	}
	if !strings.HasPrefix(anchor.VerifierKey(public(key(1))), "fieldclue+") {
		t.Error("the key has another form than tools for notes read")
	}
}

func TestAWitnessNamesWhatNoLogConfirms(t *testing.T) {
	var w anchor.Witness
	w.Confirm("site/0", 1, hash(1)) // nobody spoke of it
	w.Hear(statement(3, 9, 4))
	later := statement(5)
	later.At = at.Add(time.Hour)
	w.Hear(later)
	for seq := range int64(5) {
		w.Confirm("site/0", seq+1, hash(int(seq+1)))
		w.Confirm("site/1", seq+1, hash(int(seq+1)))
	}
	w.Confirm("site/2", 4, hash(5))
	got := w.Contradictions()
	want := []anchor.Contradiction{
		{Head: anchor.Head{Scope: "site/1", Seq: 9, Hash: hash(9)}, At: at},
		{Head: anchor.Head{Scope: "site/2", Seq: 4, Hash: hash(4)}, At: at},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	w.Hear(anchor.Statement{At: at.Add(2 * time.Hour), Restored: true})
	for _, c := range w.Contradictions() {
		if !c.Excused {
			t.Errorf("%+v is older than the restore", c)
		}
	}
}
