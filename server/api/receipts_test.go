package api_test

import (
	"bytes"
	"crypto/ed25519"
	"reflect"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/api"
)

// The keys before the present one are published as openapi.yaml says.
func TestOlderKeysArePublished(t *testing.T) {
	ring := receipt.NewRing(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	ring.Keys[0].From = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)
	for i := range byte(2) {
		old := receipt.NewRing(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i + 1}, ed25519.SeedSize))).Keys[0]
		old.Until, old.Leaked = ring.Keys[0].From.AddDate(0, -int(i), 0), i == 0
		ring.Keys = append(ring.Keys, old)
	}
	w := start(t, func(o *api.Options) { o.Receipts = ring.Always() })
	got, err := receipt.ParseKeys(w.send("GET", "/v1/receipt-key", nil).want(200).body)
	if err != nil || !reflect.DeepEqual(got, ring.Keys) {
		t.Errorf("%v %+v", err, got)
	}
}
