// Package alike finds photos that look alike: all whose perceptual hash is within a distance of another's, among those
// that somebody may see. It holds every hash in memory, 8 bytes each, and looks at all of them: for a million that
// takes about a millisecond, and docs/decisions/perceptual.md says why nothing cleverer is here.
//
// The index is derived: it is read from the store (index.go) when the program starts, and then follows what changes, no
// matter who wrote it. A question (near.go) says how old the answer may be. Nothing here decides what a likeness means;
// that is server/checks.
package alike

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Store is what the index reads. The contracts stand in server/store.
type Store interface {
	store.TailStore
	Hashes(ctx context.Context, after store.Hash, limit int) ([]store.Hash, error)
}

// Index is the hashes of all photos. Make it with New.
type Index struct {
	store Store
	now   func() time.Time

	turn   chan struct{} // who holds its one token reads the store; it guards tail
	tail   store.Tail
	roundM sync.Mutex
	begun  time.Time // of the last round that came to its end; guarded by roundM
	asked  int64     // who waits for a round; guarded by roundM
	served int64     // of these, who has had it; guarded by roundM

	mu     sync.RWMutex // guards what follows
	sites  []site
	siteOf map[field.Scope]uint32
	names  []string // of the kinds of hashes, with their versions

	// One row for each photo.
	hash []uint64
	id   []uuid
	at   []uint32 // which of sites
	kind []uint16 // which of names
	row  map[uuid]uint32
}

type site struct {
	scope field.Scope
	info  field.ScopeInfo
}

type uuid [16]byte

// New makes an index that is empty until it is first asked, or Fresh is called.
func New(s Store, now func() time.Time) *Index {
	x := &Index{
		store: s, now: now, turn: make(chan struct{}, 1), tail: store.Tail{Types: []field.ScopeType{field.ScopeSite}},
		siteOf: map[field.Scope]uint32{}, row: map[uuid]uint32{},
	}
	x.turn <- struct{}{}
	return x
}

// Fresh returns when the index holds everything that any process had committed before the call. Callers that wait
// together share one look at the store. The first call reads all hashes.
func (x *Index) Fresh(ctx context.Context) error {
	x.roundM.Lock()
	x.asked++
	mine := x.asked
	x.roundM.Unlock()
	select {
	case <-x.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { x.turn <- struct{}{} }()
	x.roundM.Lock()
	done, upTo, begun := x.served >= mine, x.asked, x.now()
	x.roundM.Unlock()
	if done {
		return nil
	}
	if err := x.tail.CatchUp(ctx, x.store, image{x}); err != nil {
		return err
	}
	x.roundM.Lock()
	x.served, x.begun = upTo, begun
	x.roundM.Unlock()
	return nil
}

// within is Fresh unless a round that began no longer ago than age has come to its end.
func (x *Index) within(ctx context.Context, age time.Duration) error {
	x.roundM.Lock()
	young := age > 0 && !x.begun.IsZero() && x.now().Sub(x.begun) <= age
	x.roundM.Unlock()
	if young {
		return nil
	}
	return x.Fresh(ctx)
}

const hashPage = 5000

// image is the index as a store.Derived.
type image struct{ *Index }

// Moved follows store.Derived: it learns who may see the sites.
func (x image) Moved(heads []store.Head) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range heads {
		x.sites[x.siteAt(h.Scope)].info = h.Info
	}
	return false
}

// Build begins anew when one before it was cut short: what was voided meanwhile must not stay.
func (x image) Build(ctx context.Context) error {
	x.mu.Lock()
	x.hash, x.id, x.at, x.kind = nil, nil, nil, nil
	clear(x.row)
	x.mu.Unlock()
	for after := (store.Hash{}); ; {
		page, err := x.store.Hashes(ctx, after, hashPage)
		if err != nil {
			return err
		}
		x.mu.Lock()
		for _, h := range page {
			x.put(h.Place.ID, h.Scope, h.Value)
		}
		x.mu.Unlock()
		if len(page) < hashPage {
			return nil
		}
		after = page[len(page)-1]
	}
}

// Changed follows store.Derived.
func (x image) Changed(records []*field.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range records {
		switch {
		case r.Kind != field.KindPhoto:
		case r.Deleted:
			x.drop(r.ID)
		default:
			x.put(r.ID, r.Scope, r.Text("perceptual"))
		}
	}
}

// siteAt finds or makes the row of a site. The caller holds mu, as for all that follow.
func (x *Index) siteAt(scope field.Scope) uint32 {
	i, ok := x.siteOf[scope]
	if !ok {
		i = uint32(len(x.sites))
		x.sites = append(x.sites, site{scope: scope})
		x.siteOf[scope] = i
	}
	return i
}

func (x *Index) put(id field.RecordID, scope field.Scope, value string) {
	name, hash, ok := Parse(value)
	key, valid := parseUUID(id)
	if !ok || !valid {
		x.drop(id)
		return
	}
	i, known := x.row[key]
	if !known {
		i = uint32(len(x.hash))
		x.row[key] = i
		x.hash, x.id, x.at, x.kind = append(x.hash, 0), append(x.id, key), append(x.at, 0), append(x.kind, 0)
	}
	x.hash[i], x.at[i], x.kind[i] = hash, x.siteAt(scope), x.named(name)
}

func (x *Index) named(name string) uint16 {
	for i, n := range x.names {
		if n == name {
			return uint16(i)
		}
	}
	x.names = append(x.names, name)
	return uint16(len(x.names) - 1)
}

// drop takes a photo out: the last row moves to its place.
func (x *Index) drop(id field.RecordID) {
	key, _ := parseUUID(id)
	i, ok := x.row[key]
	if !ok {
		return
	}
	last := uint32(len(x.hash) - 1)
	x.hash[i], x.id[i], x.at[i], x.kind[i] = x.hash[last], x.id[last], x.at[last], x.kind[last]
	x.row[x.id[i]] = i
	delete(x.row, key)
	x.hash, x.id, x.at, x.kind = x.hash[:last], x.id[:last], x.at[:last], x.kind[:last]
}

// Parse reads a hash as the photo's record has it: its name with the version, and 64 bits as 16 hexadecimal digits.
func Parse(value string) (name string, hash uint64, ok bool) {
	i := strings.LastIndexByte(value, ':')
	if i < 1 || len(value)-i-1 != 16 {
		return "", 0, false
	}
	hash, err := strconv.ParseUint(value[i+1:], 16, 64)
	return value[:i], hash, err == nil
}

func parseUUID(id field.RecordID) (u uuid, ok bool) {
	if !field.ValidID(string(id)) {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(strings.ReplaceAll(string(id), "-", "")))
	return u, err == nil
}

func (u uuid) record() field.RecordID {
	h := hex.EncodeToString(u[:])
	return field.RecordID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
