package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fieldclue/server/store/mongo"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/store/sqlite"
	"fieldclue/sync/synctest/sim"
)

// run plays one seed on the embedded store. It lies in memory where the system has such a place: a simulated crash ends
// no process, so nothing needs the disk.
func run(t testing.TB, o sim.Options) (sim.Report, error) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sim")
	if err != nil {
		dir = t.TempDir()
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in memory
	o.Dir, o.Copy = dir, sqlite.Copy
	if o.Break != sim.None {
		o.Copies = o.Break == sim.ForksIgnored || o.Break == sim.ReplaysOther
		o.Copy, o.Steps = nil, 240 // after a restore nobody looks for an order, and a report takes long to come to its end
	}
	o.Open = func(ctx context.Context, dir string) (sim.Store, error) { return sqlite.Open(ctx, dir) }
	return sim.Run(t.Context(), o)
}

// sum adds up what happened.
type sum struct {
	sim.Report
	points map[string]int
}

func (s *sum) add(r sim.Report) {
	s.Operations += r.Operations
	s.Problems += r.Problems
	s.Revoked += r.Revoked
	s.Upgrades += r.Upgrades
	s.Restores += r.Restores
	s.Desk += r.Desk
	s.Reviews += r.Reviews
	s.Frozen += r.Frozen
	s.Copies += r.Copies
	s.Forks += r.Forks
	s.Linear += r.Linear
	if s.points == nil {
		s.points = map[string]int{}
	}
	for name, n := range r.Points {
		s.points[name] += n
	}
}

func (s *sum) String() string {
	return fmt.Sprintf("%d operations, %d of them not applied, %d of those too late; %d acts of the desk, %d of review; access ended %d times, %d upgrades, %d restores; %d phones put back or cloned, %d numbers used twice; %d answers in order; %v",
		s.Operations, s.Problems, s.Frozen, s.Desk, s.Reviews, s.Revoked, s.Upgrades, s.Restores, s.Copies, s.Forks, s.Linear, s.points)
}

// long asks for the form that CI runs; the short one is for a person who waits.
var long = os.Getenv("FIELDCLUE_TEST_LONG") != ""

func TestNothingIsLostDoubledOrLeaked(t *testing.T) {
	seeds := uint64(30)
	if long {
		seeds = 170
	}
	var all sum
	for seed := range seeds {
		r, err := run(t, sim.Options{Seed: seed, Copies: seed%4 == 3})
		if err != nil {
			t.Errorf("%v\n  again: go run ./sync/synctest/soak -from %d -seeds 1", err, seed)
		}
		all.add(r)
	}
	t.Logf("%d seeds: %s", seeds, &all)
	if all.Operations == 0 || all.Problems == 0 || all.Desk == 0 || all.Reviews == 0 || all.Frozen == 0 || all.Copies == 0 || all.Forks == 0 || all.Revoked == 0 || all.Upgrades == 0 || all.Restores == 0 || all.Linear == 0 {
		t.Error("something never happened")
	}
	for _, name := range sim.Points() {
		if all.points[name] == 0 && long {
			t.Errorf("nothing ever went wrong here: %s", name)
		}
	}
}

// The same on MongoDB. The stand-in of the tests holds no transaction together, so nobody comes first inside a commit
// on it.
func TestNothingIsLostOnMongoDB(t *testing.T) {
	server := mongotest.Start(t)
	seeds, steps := uint64(100), 120
	if !server.Transactional {
		seeds, steps = 3, 60
	}
	var all sum
	for seed := range seeds {
		r, err := sim.Run(t.Context(), sim.Options{
			Seed: seed, Steps: steps, Copies: seed%4 == 3, Dir: t.TempDir(), Alone: !server.Transactional,
			Open: func(ctx context.Context, _ string) (sim.Store, error) {
				return mongo.Open(ctx, mongo.Options{
					URI: server.URI, Database: fmt.Sprintf("sim_%d_%d", os.Getpid(), seed), AllowStandIn: true, Logger: slog.New(slog.DiscardHandler),
				})
			},
		})
		if err != nil {
			t.Error(err)
		}
		all.add(r)
	}
	t.Logf("%d seeds: %s", seeds, &all)
}

func TestASeedReplaysExactly(t *testing.T) {
	for seed := range uint64(5) {
		first, err := run(t, sim.Options{Seed: seed, Copies: seed%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		second, err := run(t, sim.Options{Seed: seed, Copies: seed%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(first, second) || first.Digest == "" {
			t.Errorf("seed %d: %+v and %+v", seed, first, second)
		}
	}
}

// Stories whose every turn is drawn, so that one that fails shrinks to the few turns that it needs.
func TestShortStories(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.IntRange(1, 40).Draw(r, "steps")
		_, err := run(t, sim.Options{Steps: steps, Copies: rapid.Bool().Draw(r, "copies"), Choose: func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "turn") }})
		if err != nil {
			r.Fatal(err)
		}
	})
}

// A check that cannot fail is worth nothing: each promise is broken once, and noticed. The short form breaks six.
func TestEveryBreakIsNoticed(t *testing.T) {
	breaks := slices.Sorted(maps.Keys(sim.Breaks))
	if !long {
		breaks = breaks[:6]
	}
	for _, b := range breaks {
		said := sim.Breaks[b]
		t.Run(string(b), func(t *testing.T) {
			for seed := range uint64(60) {
				if _, err := run(t, sim.Options{Seed: seed, Break: b}); err != nil && strings.Contains(err.Error(), said) {
					t.Logf("noticed with seed %d", seed)
					return
				}
			}
			t.Errorf("60 seeds did not notice: none said %q", said)
		})
	}
}
