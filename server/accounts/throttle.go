package accounts

import (
	"sync"
	"time"
)

// throttle counts failed sign-ins in buckets that leak. It is kept per process: it slows guessing, it proves nothing.
type throttle struct {
	mu      sync.Mutex // guards buckets
	buckets map[string]bucket
}

type bucket struct {
	level float64
	at    time.Time
}

// A pair of name and address takes 10 failures at once and one more every 30 s; an address, behind which a whole office
// may sit, 100 and one every 3 s. A name alone is not throttled: a stranger could lock its owner out.
const (
	pairDepth, pairLeak       = 10, 30 * time.Second
	addressDepth, addressLeak = 100, 3 * time.Second
	bucketsMost               = 20_000
)

func pairKey(login, ip string) string { return "p " + ip + " " + login }
func addressKey(ip string) string     { return "a " + ip }

// allows reports whether another try may be made.
func (t *throttle) allows(now time.Time, login, ip string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.level(now, pairKey(login, ip), pairLeak) <= pairDepth-1 && t.level(now, addressKey(ip), addressLeak) <= addressDepth-1
}

func (t *throttle) level(now time.Time, key string, leak time.Duration) float64 {
	b, ok := t.buckets[key]
	if !ok {
		return 0
	}
	return max(0, b.level-float64(now.Sub(b.at))/float64(leak))
}

func (t *throttle) failed(now time.Time, login, ip string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets == nil {
		t.buckets = map[string]bucket{}
	}
	if len(t.buckets) >= bucketsMost {
		t.sweep(now)
	}
	t.buckets[pairKey(login, ip)] = bucket{t.level(now, pairKey(login, ip), pairLeak) + 1, now}
	t.buckets[addressKey(ip)] = bucket{t.level(now, addressKey(ip), addressLeak) + 1, now}
}

// succeeded forgets the failures of the pair.
func (t *throttle) succeeded(login, ip string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.buckets, pairKey(login, ip))
}

// sweep drops what has leaked out; if that is not enough, the pairs: their addresses stay counted.
func (t *throttle) sweep(now time.Time) {
	for key, b := range t.buckets {
		if now.Sub(b.at) > pairDepth*pairLeak {
			delete(t.buckets, key)
		}
	}
	if len(t.buckets) < bucketsMost {
		return
	}
	for key := range t.buckets {
		if key[0] == 'p' {
			delete(t.buckets, key)
		}
	}
	if len(t.buckets) >= bucketsMost {
		clear(t.buckets)
	}
}
