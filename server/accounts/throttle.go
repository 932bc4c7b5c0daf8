package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// throttle counts failures in buckets that leak. They lie in working documents as well, so that starting the server
// again gives nobody a fresh set of guesses; between servers that run at the same time they are not shared: each slows
// guessing for itself.
//
// Who has an enrolled device has a bucket of the device and the address from which it speaks, and nothing that happens
// elsewhere fills it: not failures from other addresses, not strangers on the same address. Strangers, who show neither
// a device nor a code, share one for their address and one for all. They cost no hash, so theirs are deep.
type throttle struct {
	docs Docs
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	buckets map[string]*bucket
}

type bucket struct {
	Level float64   `json:"level"`
	At    time.Time `json:"at"`
}

type limit struct {
	depth float64
	leak  time.Duration // in which one is forgotten
	kept  bool          // over a restart
}

// By the first letter of the key.
var limits = map[byte]limit{
	'd': {10, 30 * time.Second, true},         // a device at an address
	'c': {10, 30 * time.Second, true},         // a one-time code
	'a': {100, 3 * time.Second, true},         // strangers at an address
	's': {2000, 10 * time.Millisecond, false}, // strangers in total
	'e': {60, 10 * time.Second, false},        // sign-ins of a device that were good: each is an entry in the log
}

const bucketsMost = 20_000

func deviceKey(d field.DeviceID, ip string) string { return "d " + string(d) + " " + ip }
func codeKey(id field.RecordID) string             { return "c " + string(id) }
func addressKey(ip string) string                  { return "a " + ip }
func enterKey(d field.DeviceID) string             { return "e " + string(d) }

const strangers = "s"

// allows is CodeTooMany, with the time after which one more is taken, when a bucket is full.
func (t *throttle) allows(ctx context.Context, key string) error {
	if key[0] == 'a' {
		if err := t.allows(ctx, strangers); err != nil {
			return err
		}
	}
	l := limits[key[0]]
	level := t.level(ctx, key, l)
	if level <= l.depth-1 {
		return nil
	}
	e := field.Refuse(field.CodeTooMany, "")
	e.After = time.Duration(math.Ceil((level-(l.depth-1))*l.leak.Seconds())) * time.Second
	return e
}

func (t *throttle) level(ctx context.Context, key string, l limit) float64 {
	now := t.now()
	t.mu.Lock()
	b := t.buckets[key]
	t.mu.Unlock()
	if b == nil && l.kept {
		stored, _, found, err := read[bucket](ctx, t.docs, store.Throttle, bucketID(key))
		if err == nil && found { // otherwise it is empty, as far as anybody knows
			t.mu.Lock()
			if t.buckets[key] == nil {
				t.put(now, key, &stored)
			}
			b = t.buckets[key]
			t.mu.Unlock()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return b.level(now, l)
}

// level is how full a bucket is. mu is held.
func (b *bucket) level(now time.Time, l limit) float64 {
	if b == nil {
		return 0
	}
	if b.At.After(now) { // the clock was ahead when it was filled: from now on it leaks
		b.At = now
	}
	return max(0, b.Level-float64(now.Sub(b.At))/float64(l.leak))
}

// put keeps a bucket. mu is held.
func (t *throttle) put(now time.Time, key string, b *bucket) {
	if t.buckets == nil {
		t.buckets = map[string]*bucket{}
	}
	if len(t.buckets) >= bucketsMost {
		for k, old := range t.buckets {
			if old.level(now, limits[k[0]]) == 0 || len(t.buckets) >= bucketsMost && limits[k[0]].kept { // they are read again
				delete(t.buckets, k)
			}
		}
	}
	t.buckets[key] = b
}

// failed counts one more.
func (t *throttle) failed(ctx context.Context, key string) {
	if key[0] == 'a' {
		t.failed(ctx, strangers)
	}
	l, now := limits[key[0]], t.now()
	t.mu.Lock()
	b := &bucket{Level: t.buckets[key].level(now, l) + 1, At: now.UTC()}
	t.put(now, key, b)
	t.mu.Unlock()
	if !l.kept {
		return
	}
	for range rotateMost {
		_, doc, _, err := read[bucket](ctx, t.docs, store.Throttle, bucketID(key))
		if err != nil {
			return // it counts in memory
		}
		doc.Due = now.Add(time.Duration(b.Level+1) * l.leak)
		if err := write(ctx, t.docs, doc, *b); !field.Is(err, field.CodeStale) {
			return
		}
	}
}

// succeeded forgets the failures of a bucket.
func (t *throttle) succeeded(ctx context.Context, key string) {
	t.mu.Lock()
	known := t.buckets[key]
	delete(t.buckets, key)
	t.mu.Unlock()
	if known == nil {
		return
	}
	if doc, err := t.docs.GetDoc(ctx, store.Throttle, bucketID(key)); err == nil {
		_ = t.docs.DeleteDoc(ctx, store.Throttle, doc.ID, doc.Version) // it leaks out by itself
	}
}

// enters counts a sign-in that is good; CodeTooMany when the device signs in for nothing else than to fill the log.
func (t *throttle) enters(ctx context.Context, d field.DeviceID) error {
	key := enterKey(d)
	if err := t.allows(ctx, key); err != nil {
		return err
	}
	t.failed(ctx, key)
	return nil
}

// bucketID is the id of a bucket's document: addresses do not lie about in the store.
func bucketID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
