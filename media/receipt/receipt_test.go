package receipt_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
)

var at = time.Date(2026, 5, 4, 9, 30, 0, 123_456_789, time.FixedZone("CST", 8*3600))

func signer(b byte) receipt.Signer {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = b
	return receipt.NewSigner(ed25519.NewKeyFromSeed(seed))
}

func TestAReceiptHoldsAfterItsJourney(t *testing.T) {
	s := signer(1)
	r := s.Sign("photo-1", strings.Repeat("ab", 32), 42, "image/jpeg", at)
	if again := s.Sign("photo-1", strings.Repeat("ab", 32), 42, "image/jpeg", at); string(again.JSON()) != string(r.JSON()) {
		t.Fatal("not deterministic")
	}
	var back receipt.Receipt
	if err := json.Unmarshal(r.JSON(), &back); err != nil {
		t.Fatal(err)
	}
	if err := receipt.Verify(s.PublicKey(), back); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedReceiptDoesNotHold(t *testing.T) {
	s := signer(1)
	good := s.Sign("photo-1", strings.Repeat("ab", 32), 42, "image/jpeg", at)
	for name, change := range map[string]func(*receipt.Receipt){
		"version":     func(r *receipt.Receipt) { r.V = 2 },
		"number":      func(r *receipt.Receipt) { r.Number = "R-1" },
		"hash":        func(r *receipt.Receipt) { r.SHA256 = strings.Repeat("cd", 32) },
		"size":        func(r *receipt.Receipt) { r.Size++ },
		"type":        func(r *receipt.Receipt) { r.Type = "image/png" },
		"photo":       func(r *receipt.Receipt) { r.PhotoID = "photo-2" },
		"time":        func(r *receipt.Receipt) { r.ReceivedAt = r.ReceivedAt.Add(time.Millisecond) },
		"key":         func(r *receipt.Receipt) { r.KeyID = "0" },
		"signature":   func(r *receipt.Receipt) { r.Signature = "" },
		"moved lines": func(r *receipt.Receipt) { r.Type = "image/jpeg\nphotoId photo-1" },
	} {
		r := good
		change(&r)
		if receipt.Verify(s.PublicKey(), r) == nil {
			t.Errorf("%s: still holds", name)
		}
	}
	if receipt.Verify(signer(2).PublicKey(), good) == nil || receipt.Verify(nil, good) == nil {
		t.Error("holds under another key")
	}
}

func ExampleReceipt_Text() {
	fmt.Print(signer(1).Sign("photo-1", strings.Repeat("ab", 32), 42, "image/jpeg", at).Text())
	// Output:
	// fieldclue receipt
	// v 1
	// number R-F71C-33EC-82C2-C3A3
	// sha256 abababababababababababababababababababababababababababababababab
	// size 42
	// type image/jpeg
	// photoId photo-1
	// receivedAt 2026-05-04T01:30:00.123Z
	// keyId fa4d86c3b551aa6c
}
