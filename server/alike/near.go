package alike

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
)

// MaxDistance is up to which distance photos can be asked for: beyond it, of 64 bits, pictures have nothing in common.
const MaxDistance = 10

// Question asks for the photos that look like one.
type Question struct {
	Visible access.Filter
	Hash    string   // as the photo's record has it; only hashes of the same name and version are compared
	Turned  []string // of the same picture turned and mirrored; the nearest of all counts
	Within  int      // 0 to MaxDistance bits of 64
	Except  []field.RecordID
	NotAt   field.Scope   // leaves out a site; empty: none
	Name    int           // at most so many are named, the nearest first
	Age     time.Duration // how long ago what counts may have been committed; 0: everything committed before the call does
}

// Found is one photo.
type Found struct {
	ID       field.RecordID
	Scope    field.Scope
	Distance int
}

// Answer names the nearest, by distance and id, and says how many there are.
type Answer struct {
	Nearest []Found
	Total   int // all that are within the distance and visible, named or not
}

// Near answers a question. What is not visible is neither named nor counted. A hash that is none has no likeness.
func (x *Index) Near(ctx context.Context, q Question) (Answer, error) {
	name, hash, ok := Parse(q.Hash)
	if !ok || len(q.Visible.Any) == 0 {
		return Answer{}, ctx.Err()
	}
	if err := x.within(ctx, q.Age); err != nil {
		return Answer{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	kind := slices.Index(x.names, name)
	if kind < 0 {
		return Answer{}, nil
	}
	var except []uuid
	for _, id := range q.Except {
		u, _ := parseUUID(id) // what is no id is no photo either
		except = append(except, u)
	}
	seen := sight{x: x, visible: q.Visible, notAt: q.NotAt, known: make([]byte, len(x.sites))}
	var a Answer
	within := min(q.Within, MaxDistance)
	hashes := []uint64{hash}
	for _, t := range q.Turned {
		if n, h, ok := Parse(t); ok && n == name {
			hashes = append(hashes, h)
		}
	}
	for i, h := range x.hash {
		d := 64
		for _, mine := range hashes {
			d = min(d, bits.OnesCount64(h^mine))
		}
		if d > within || int(x.kind[i]) != kind || slices.Contains(except, x.id[i]) || !seen.sees(x.at[i]) {
			continue
		}
		a.Total++
		a.keep(x, i, d, q.Name)
	}
	return a, nil
}

// keep puts a row among the nearest if it is one of them.
func (a *Answer) keep(x *Index, i, distance, most int) {
	if len(a.Nearest) == most && (most == 0 || distance > a.Nearest[most-1].Distance) {
		return
	}
	f := Found{ID: x.id[i].record(), Scope: x.sites[x.at[i]].scope, Distance: distance}
	at, _ := slices.BinarySearchFunc(a.Nearest, f, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
	})
	a.Nearest = slices.Insert(a.Nearest, at, f)
	if len(a.Nearest) > most {
		a.Nearest = a.Nearest[:most]
	}
}

// sight is what a question may see, decided once for each site.
type sight struct {
	x       *Index
	visible access.Filter
	notAt   field.Scope
	known   []byte // 0 not asked yet, 1 visible, 2 not
}

func (s *sight) sees(at uint32) bool {
	if s.known[at] == 0 {
		s.known[at] = 2
		if site := &s.x.sites[at]; site.scope != s.notAt && s.visible.Match(site.scope, site.info) {
			s.known[at] = 1
		}
	}
	return s.known[at] == 1
}
