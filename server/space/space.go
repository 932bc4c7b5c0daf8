// Package space counts the bytes of originals for each organisation: what is stored, and what was declared and is on
// its way. docs/decisions/space.md says what counts, for whom, and why.
//
// The count is derived: it is read from the records when the program starts, and then follows what changes, no matter
// who wrote it. Nothing of it is kept on disk, so nothing can go wrong there. Index is the count; Room (limit.go) says
// whether one more photo fits. Not here: who is told, and when (server/evidence).
package space

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Store is what the count is read from. The contracts stand in server/store.
type Store interface {
	store.TailStore
	store.Lister
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
}

// Waits is how long a declared photo counts as on its way: as long as half an upload is kept.
const Waits = 30 * 24 * time.Hour

// Thresholds are the shares of a limit, in per cent, that an organisation's administrators are told of.
var Thresholds = []int64{80, 95, 100}

// Use is what an organisation takes up.
type Use struct {
	Org      field.OrgID
	Stored   int64 // bytes of originals
	Files    int64 // how many they are
	OnTheWay int64 // bytes that were declared in the last 30 days and have not arrived
	Limit    Limit
}

// Limit is what an organisation may take up.
type Limit struct {
	Bytes int64 // 0: any amount
	Set   int64 // the entry of the organisation's log that set it
}

// Reached is the highest of Thresholds that is reached; 0 when none is, or when there is no limit.
func (u Use) Reached() int64 {
	reached := int64(0)
	for _, t := range Thresholds {
		if u.Limit.Bytes > 0 && float64(u.Stored+u.OnTheWay) >= float64(u.Limit.Bytes)*float64(t)/100 {
			reached = t
		}
	}
	return reached
}

// Index is the count. Make it with New.
type Index struct {
	store Store
	now   func() time.Time

	turn chan struct{} // who holds its one token reads the store; it guards tail
	tail store.Tail

	mu    sync.RWMutex // guards what follows
	begun time.Time    // of the last look at the store that came to its end
	owner map[field.Scope]field.OrgID
	orgs  map[field.OrgID]*account
	waits map[field.RecordID]wait // the photos that are on their way
	limit map[field.OrgID]knownLimit
}

// account is the count of one organisation.
type account struct {
	stored int64
	have   map[sum]struct{}
	most   int64 // that is on its way: of coming, without regard to age and to equal bytes
	coming map[sum]map[field.RecordID]declared
}

// sum is half of a SHA-256: enough to tell photos apart, and half the memory.
type sum [16]byte

type declared struct {
	size int64
	at   time.Time
}

type wait struct {
	org field.OrgID
	sum sum
}

type knownLimit struct {
	Limit
	read time.Time
}

// New makes a count that is empty until it is first asked.
func New(s Store, now func() time.Time) *Index {
	x := &Index{store: s, now: now, turn: make(chan struct{}, 1), limit: map[field.OrgID]knownLimit{}}
	x.tail.Types = []field.ScopeType{field.ScopeSite, field.ScopeUser}
	x.owner = map[field.Scope]field.OrgID{}
	x.forget()
	x.turn <- struct{}{}
	return x
}

// forget empties the count. The caller holds mu.
func (x *Index) forget() {
	x.orgs, x.waits = map[field.OrgID]*account{}, map[field.RecordID]wait{}
}

// Of is the use of an organisation, with everything that any process had committed before the call.
func (x *Index) Of(ctx context.Context, org field.OrgID) (Use, error) {
	limit, err := x.limitOf(ctx, org, 0)
	if err == nil {
		err = x.since(ctx, x.now())
	}
	if err != nil {
		return Use{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	u := x.use(org)
	u.Limit = limit
	return u, nil
}

// Look brings the count and the limits up to date and gives the use of every organisation.
func (x *Index) Look(ctx context.Context) ([]Use, error) {
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindOrg}, Limit: page}
	err := store.EachPage(ctx, x.store, q, func(orgs []*field.Record) error {
		for _, r := range orgs {
			x.setLimit(field.OrgID(r.Text("code")), limitIn(r))
		}
		return nil
	})
	if err == nil {
		err = x.since(ctx, x.now())
	}
	if err != nil {
		return nil, err
	}
	return x.Last(), nil
}

// Last is the use of every organisation as of the last look at the store, by name; nil before the first.
func (x *Index) Last() []Use {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.begun.IsZero() {
		return nil
	}
	all := make([]Use, 0, len(x.limit))
	for org := range x.limit {
		all = append(all, x.use(org))
	}
	slices.SortFunc(all, func(a, b Use) int { return cmp.Compare(a.Org, b.Org) })
	return all
}

// Recount counts everything anew, so that what went wrong unseen (records that were mended by hand beside the running
// server) is right again without a restart. Questions are answered meanwhile.
func (x *Index) Recount(ctx context.Context) error {
	other := New(x.store, x.now)
	if err := other.tail.CatchUp(ctx, other.store, count{other}); err != nil {
		return err
	}
	select {
	case <-x.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := other.tail.CatchUp(ctx, other.store, count{other}) // what came while it counted
	if err == nil {
		x.tail = other.tail
		x.mu.Lock()
		x.owner, x.orgs, x.waits = other.owner, other.orgs, other.waits
		x.mu.Unlock()
	}
	x.turn <- struct{}{}
	return err
}

// use is what is counted for an organisation. The caller holds mu.
func (x *Index) use(org field.OrgID) Use {
	u := Use{Org: org, Limit: x.limit[org].Limit}
	a := x.orgs[org]
	if a == nil {
		return u
	}
	u.Stored, u.Files = a.stored, int64(len(a.have))
	u.OnTheWay = a.onTheWay(x.now().Add(-Waits), nil)
	return u
}

// onTheWay sums up what was declared since then and before a place; nil: all of it. Equal bytes count once.
func (a *account) onTheWay(since time.Time, before *place) int64 {
	var bytes int64
	for s, photos := range a.coming {
		if _, stored := a.have[s]; stored {
			continue
		}
		most := int64(0)
		for id, d := range photos {
			if d.at.After(since) && (before == nil || before.sum != s && before.after(id, d.at)) {
				most = max(most, d.size)
			}
		}
		bytes += most
	}
	return bytes
}

const page = 500

// since returns when a look at the store that began after the given time has come to its end. Callers who wait together
// share one.
func (x *Index) since(ctx context.Context, at time.Time) error {
	select {
	case <-x.turn:
	case <-ctx.Done():
		return field.Refuse(field.CodeBusy, "").Because(ctx.Err())
	}
	defer func() { x.turn <- struct{}{} }()
	x.mu.RLock()
	done := x.begun.After(at)
	x.mu.RUnlock()
	if done {
		return nil
	}
	begun := x.now()
	if err := x.tail.CatchUp(ctx, x.store, count{x}); err != nil {
		return err
	}
	x.mu.Lock()
	x.begun = begun
	x.mu.Unlock()
	return nil
}

// count is the index as a store.Derived.
type count struct{ *Index }

// Moved follows store.Derived: it notes to whom the scopes belong. That never changes in the life of a scope; but a log
// that was rebuilt may say something else, and then everything is counted anew.
func (x count) Moved(heads []store.Head) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range heads {
		org := h.Info.Owner()
		if old, known := x.owner[h.Scope]; known && old != org {
			clear(x.owner)
			x.forget()
			return true
		}
		x.owner[h.Scope] = org
	}
	return false
}

// Build follows store.Derived. It begins from nothing: half a count must not be added to.
func (x count) Build(ctx context.Context) error {
	x.mu.Lock()
	x.forget()
	x.mu.Unlock()
	q := store.Query{Visible: access.Everything, Kinds: append(field.WithBytes(), field.KindParked), Deleted: true, Limit: page}
	return store.EachPage(ctx, x.store, q, func(records []*field.Record) error {
		x.Changed(records)
		return nil
	})
}

// Changed follows store.Derived.
func (x count) Changed(records []*field.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range records {
		switch {
		case r.Kind.DeclaresBytes():
			x.photo(r)
		case r.Kind == field.KindParked:
			x.parked(r)
		}
	}
}

// photo counts a photo. Once its bytes are there they stay, whatever becomes of the record. The caller holds mu, as for
// all that follow.
func (x *Index) photo(r *field.Record) {
	switch {
	case r.Fields["receipt"] != nil:
		x.arrived(r, r.Text("sha256"), r.Int("size"))
	case r.State == field.KindOf(r.Kind).Initial && !r.Deleted:
		x.expected(r, r.Text("sha256"), r.Int("size"))
	default:
		x.unexpected(r.ID)
	}
}

// parked counts the bytes that wait with a declaration which could not be applied.
func (x *Index) parked(r *field.Record) {
	var receipt struct {
		SHA256 string
		Size   int64
	}
	var op struct {
		Kind field.Kind
		Set  struct {
			SHA256 string
			Size   int64
		}
	}
	switch {
	case r.Fields["receipt"] != nil:
		if json.Unmarshal(r.Fields["receipt"], &receipt) == nil {
			x.arrived(r, receipt.SHA256, receipt.Size)
		}
	case r.State == field.StateOpen && r.Decode("operation", &op) == nil && op.Kind.DeclaresBytes() && op.Set.SHA256 != "":
		x.expected(r, op.Set.SHA256, op.Set.Size)
	default:
		x.unexpected(r.ID)
	}
}

func (x *Index) account(org field.OrgID) *account {
	a := x.orgs[org]
	if a == nil {
		a = &account{have: map[sum]struct{}{}, coming: map[sum]map[field.RecordID]declared{}}
		x.orgs[org] = a
	}
	return a
}

func (x *Index) arrived(r *field.Record, sha256 string, size int64) {
	x.unexpected(r.ID)
	org, s, ok := chargedTo(r, sha256)
	if !ok {
		return
	}
	a := x.account(org)
	if _, known := a.have[s]; !known {
		a.have[s] = struct{}{}
		a.stored += size
	}
}

func (x *Index) expected(r *field.Record, sha256 string, size int64) {
	x.unexpected(r.ID)
	org, s, ok := chargedTo(r, sha256)
	if !ok || size < 1 {
		return
	}
	a := x.account(org)
	if a.coming[s] == nil {
		a.coming[s] = map[field.RecordID]declared{}
	}
	a.coming[s][r.ID] = declared{size: size, at: r.CreatedAt}
	a.most += size
	x.waits[r.ID] = wait{org, s}
}

func (x *Index) unexpected(id field.RecordID) {
	w, ok := x.waits[id]
	if !ok {
		return
	}
	delete(x.waits, id)
	a := x.orgs[w.org]
	photos := a.coming[w.sum]
	a.most -= photos[id].size
	delete(photos, id)
	if len(photos) == 0 {
		delete(a.coming, w.sum)
	}
}

// chargedTo is for whom a record's bytes count, and which they are: for the organisation that owns the scope.
func chargedTo(r *field.Record, sha256 string) (org field.OrgID, s sum, ok bool) {
	s, ok = sumOf(sha256)
	org = r.Info.Owner()
	return org, s, ok && org != ""
}

func sumOf(sha256 string) (s sum, ok bool) {
	if len(sha256) != 64 {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(sha256[64-2*len(s):]))
	return s, err == nil
}
