package space

import (
	"context"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Photo is what Room is asked about.
type Photo struct {
	ID         field.RecordID
	Org        field.OrgID // that it counts for
	SHA256     string
	Size       int64
	DeclaredAt time.Time
}

// young is how old an answer may be that is far from the limit, and how old what is known of the limit itself.
const young = time.Second

// Room says whether a photo's bytes may begin to arrive: they fit beside what is stored and what was declared before
// them. CodeSpaceLimit when they do not. The order of the declarations stands in the log, so all servers give the same
// answer and two of them do not both give the last room away. Far from the limit the count may be a second old.
func (x *Index) Room(ctx context.Context, p Photo) error {
	limit, err := x.limitOf(ctx, p.Org, young)
	if err != nil || limit.Bytes == 0 {
		return err
	}
	if err := x.since(ctx, x.now().Add(-young)); err != nil {
		return err
	}
	if x.atMost(p.Org)+p.Size <= limit.Bytes-limit.Bytes/20 {
		return nil
	}
	if limit, err = x.limitOf(ctx, p.Org, 0); err != nil || limit.Bytes == 0 {
		return err
	}
	if err := x.since(ctx, x.now()); err != nil {
		return err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	a := x.orgs[p.Org]
	if a == nil {
		a = &account{}
	}
	s, _ := sumOf(p.SHA256) // what is no hash was refused before
	if _, stored := a.have[s]; stored {
		return nil // it takes no more
	}
	since := x.now().Add(-Waits)
	mine := place{sum: s, id: p.ID, at: p.DeclaredAt}
	for id, d := range a.coming[s] { // bytes that were declared more than once stand where they were declared first
		if d.at.After(since) && mine.after(id, d.at) {
			mine.id, mine.at = id, d.at
		}
	}
	before := a.onTheWay(since, &mine)
	if a.stored+before+p.Size <= limit.Bytes {
		return nil
	}
	return field.Refuse(field.CodeSpaceLimit, "").About(string(p.ID))
}

// atMost is a bound of what an organisation takes up that costs nothing to know.
func (x *Index) atMost(org field.OrgID) int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if a := x.orgs[org]; a != nil {
		return a.stored + a.most
	}
	return 0
}

// place is where a photo stands in the order of the declarations.
type place struct {
	sum sum
	id  field.RecordID
	at  time.Time
}

// after reports whether the photo of the place comes after another one.
func (p *place) after(id field.RecordID, at time.Time) bool {
	if c := p.at.Compare(at); c != 0 {
		return c > 0
	}
	return strings.Compare(string(p.id), string(id)) > 0
}

// limitOf reads the limit of an organisation, unless it was read no longer ago than age.
func (x *Index) limitOf(ctx context.Context, org field.OrgID, age time.Duration) (Limit, error) {
	x.mu.RLock()
	known, ok := x.limit[org]
	x.mu.RUnlock()
	if ok && age > 0 && x.now().Sub(known.read) < age {
		return known.Limit, nil
	}
	records, err := x.store.Records(ctx, []field.RecordID{field.OrgRecord(org)})
	if err != nil || len(records) == 0 {
		return Limit{}, err
	}
	limit := limitIn(records[0])
	x.setLimit(org, limit)
	return limit, nil
}

func (x *Index) setLimit(org field.OrgID, limit Limit) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.limit[org] = knownLimit{Limit: limit, read: x.now()}
}

func limitIn(r *field.Record) Limit {
	limit := Limit{Bytes: r.Int("spaceLimit")}
	if limit.Bytes > 0 {
		limit.Set = r.Stamps["spaceLimit"].Seq
	}
	return limit
}
