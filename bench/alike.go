package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// hashName stands before the hashes of the measurement.
const hashName = "bench/1:"

// lookAlike asks which photos look like one, of as many photos as the large store has records, half of them at sites of
// the asking organisation: through the index, and beside it by reading the hashes from the store.
func lookAlike(ctx context.Context, o options, say sayer) (err error) {
	if o.store != "sqlite" {
		say("not measured: it fills the embedded store")
		return nil
	}
	s, err := sqlite.Open(ctx, filepath.Join(o.dir, "data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	random := rand.New(rand.NewPCG(1, 1))
	begin := time.Now()
	known, err := photosInto(ctx, s, random, o.sizes.large, o.sizes.perSite)
	if err != nil {
		return err
	}
	say("%s photos at %s sites were made through the engine in %.0f s", thousands(float64(o.sizes.large*o.sizes.perSite)), thousands(float64(o.sizes.large)), time.Since(begin).Seconds())

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin = time.Now()
	x := alike.New(s, time.Now)
	if err := x.Fresh(ctx); err != nil {
		return err
	}
	built := time.Since(begin)
	runtime.GC()
	runtime.ReadMemStats(&after)
	say("the index was read from the store in %.1f s and holds %.0f MB", built.Seconds(), float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6)

	mine := access.Filter{Any: []access.Clause{{Types: []field.ScopeType{field.ScopeSite}, Orgs: []field.OrgID{"mine"}}}}
	question := func(age time.Duration) alike.Question {
		return alike.Question{Visible: mine, Hash: hashText(random.Uint64()), Within: alike.MaxDistance, Name: 20, Age: age}
	}
	for _, c := range []struct {
		what string
		age  time.Duration
	}{{"as of the last second", time.Hour}, {"as of now", 0}} {
		var took times
		for begin := time.Now(); time.Since(begin) < o.duration || len(took) < 20; {
			q := question(c.age)
			from := time.Now()
			if _, err := x.Near(ctx, q); err != nil {
				return err
			}
			took = append(took, time.Since(from))
		}
		took = took.sorted()
		say("photos within distance %d in my organisation, %s, one caller: p50 %.2f ms, p99 %.2f ms; %d questions", alike.MaxDistance, c.what, ms(took.at(.5)), ms(took.at(.99)), len(took))
	}

	q := question(0)
	q.Hash = hashText(known)
	want, err := x.Near(ctx, q)
	if err != nil {
		return err
	}
	begin = time.Now()
	got, err := readAll(ctx, s, q)
	if err != nil {
		return err
	}
	if got != want.Total || got == 0 {
		return fmt.Errorf("the index finds %d photos, and reading all of them %d", want.Total, got)
	}
	say("the same by reading every hash from the store: %.1f s; it finds the same %d", time.Since(begin).Seconds(), got)
	return nil
}

func hashText(h uint64) string { return fmt.Sprintf("%s%016x", hashName, h) }

// photosInto makes sites, every other one of which is mine, and photos there. One hash in ten is near the one before
// it. known is the hash of a photo of mine.
func photosInto(ctx context.Context, s *sqlite.Store, random *rand.Rand, sites, perSite int) (known uint64, err error) {
	e := engine.New(engine.Options{Store: s})
	commit := func(scope field.Scope, number int64, ops []protocol.Operation) error {
		_, err := e.Commit(ctx, protocol.Batch{Actor: engine.Server, Device: "server/bench", Number: number, Scope: scope, Operations: ops, Strict: true, Trusted: true})
		return err
	}
	report, sum, last := field.Quote(newIDs(1)[0]), strings.Repeat("ab", 28), random.Uint64()
	for i, site := range newIDs(sites) {
		org := []string{"mine", "other"}[i%2]
		place := protocol.Operation{ID: site, Kind: field.KindSite, Set: map[string]field.Value{
			"name": field.Quote("村"), "projectId": report, "region": field.Quote("520502"), "orgs": field.Quote([]string{org}),
		}}
		if err := commit(field.MakeScope(field.ScopeOrg, org), int64(i+1), []protocol.Operation{place}); err != nil {
			return 0, err
		}
		scope := field.MakeScope(field.ScopeSite, string(site))
		for left, number := perSite, int64(1); left > 0; number++ {
			n := min(left, protocol.MaxOperations)
			left -= n
			var ops []protocol.Operation
			for _, id := range newIDs(n) {
				if random.IntN(10) == 0 {
					last ^= 1 << random.IntN(64)
				} else {
					last = random.Uint64()
				}
				ops = append(ops, protocol.Operation{ID: id, Kind: field.KindPhoto, Set: map[string]field.Value{
					"reportId": report, "siteId": field.Quote(site), "sha256": field.Quote(fmt.Sprintf("%s%08x", sum, random.Uint32())), "size": field.Quote(1000),
					"type": field.Quote("image/jpeg"), "perceptual": field.Quote(hashText(last)),
				}})
			}
			if err := commit(scope, number, ops); err != nil {
				return 0, err
			}
			if org == "mine" {
				known = last
			}
		}
	}
	return known, nil
}

// readAll counts what a question asks for without an index.
func readAll(ctx context.Context, s *sqlite.Store, q alike.Question) (n int, err error) {
	visible := map[field.Scope]bool{}
	ask := store.ListScopes{Visible: q.Visible, Limit: 1000}
	for more := true; more; {
		heads, err := s.Heads(ctx, ask)
		if err != nil {
			return 0, err
		}
		for _, h := range heads {
			visible[h.Scope] = true
			ask.After = h.Scope
		}
		more = len(heads) == ask.Limit
	}
	_, like, _ := alike.Parse(q.Hash)
	for at, more := (store.Hash{}), true; more; {
		page, err := s.Hashes(ctx, at, 5000)
		if err != nil {
			return 0, err
		}
		for _, p := range page {
			_, hash, ok := alike.Parse(p.Value)
			if ok && visible[p.Scope] && bits.OnesCount64(hash^like) <= q.Within {
				n++
			}
			at = p
		}
		more = len(page) == 5000
	}
	return n, nil
}
