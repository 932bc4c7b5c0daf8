package sim_test

import (
	"os"
	"testing"

	"fieldclue/server/store/sqlite"
	"fieldclue/sync/synctest/sim"
)

// fast is a directory in memory where the system has one: a simulated crash ends no process, so nothing needs the disk.
func fast(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sim")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // it is in memory
	return dir
}

func run(t *testing.T, o sim.Options) (sim.Report, error) {
	t.Helper()
	dir := fast(t)
	s, err := sqlite.Open(t.Context(), dir+"/store")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir) // and once more at the end
	}()
	o.Dir, o.Store = dir, s
	return sim.Run(t.Context(), o)
}

func TestNothingIsLostDoubledOrLeaked(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 40
	}
	var all sim.Report
	for seed := range seeds {
		r, err := run(t, sim.Options{Seed: seed})
		if err != nil {
			t.Errorf("%v\n  again: go run ./sync/synctest/soak -from %d -seeds 1", err, seed)
		}
		all.Operations += r.Operations
		all.Problems += r.Problems
		all.Crashes += r.Crashes
		all.Lost += r.Lost
		all.Repeated += r.Repeated
		all.Revoked += r.Revoked
	}
	t.Logf("%d seeds: %+v", seeds, all)
	if all.Operations == 0 || all.Problems == 0 || all.Crashes == 0 || all.Lost == 0 || all.Repeated == 0 || all.Revoked == 0 {
		t.Errorf("something never happened: %+v", all)
	}
}

func TestASeedReplaysExactly(t *testing.T) {
	for seed := range uint64(5) {
		first, err := run(t, sim.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		second, err := run(t, sim.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if first != second || first.Digest == "" {
			t.Errorf("seed %d: %+v and %+v", seed, first, second)
		}
	}
}

// A check that cannot fail is worth nothing: each promise is broken once, and noticed.
func TestEveryBreakIsNoticed(t *testing.T) {
	for _, b := range []sim.Break{sim.NoDedupe, sim.LateRows, sim.OldImage, sim.FilterLate, sim.NoFsync} {
		t.Run(string(b), func(t *testing.T) {
			for seed := range uint64(30) {
				if _, err := run(t, sim.Options{Seed: seed, Break: b}); err != nil {
					t.Logf("noticed with seed %d", seed)
					return
				}
			}
			t.Error("30 seeds did not notice")
		})
	}
}
