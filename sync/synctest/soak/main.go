// Command soak plays many seeds of the simulation of sync, on the embedded store, and names those that fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"fieldclue/server/store/sqlite"
	"fieldclue/sync/synctest/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o sim.Options
	seeds := flag.Uint64("seeds", 10_000, "how many seeds to play")
	from := flag.Uint64("from", 0, "the first seed")
	flag.IntVar(&o.Phones, "phones", 0, "phones, 0 for 3")
	flag.IntVar(&o.Servers, "servers", 0, "server processes on the store, 0 for 2")
	flag.IntVar(&o.Steps, "steps", 0, "steps of one seed, 0 for 120")
	flag.Parse()
	if err := play(ctx, o, *from, *seeds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "soak:", err) // nobody listens if that fails
		os.Exit(1)
	}
}

func play(ctx context.Context, o sim.Options, from, seeds uint64) error {
	began, last := time.Now(), time.Now()
	var failed, operations int
	for n := range seeds {
		o.Seed = from + n
		r, err := one(ctx, o)
		operations += r.Operations
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			fmt.Printf("FAILED %v\n  again: go run ./sync/synctest/soak -from %d -seeds 1 -phones %d -servers %d -steps %d\n", err, o.Seed, o.Phones, o.Servers, o.Steps)
		}
		if time.Since(last) > 10*time.Second || n+1 == seeds {
			last = time.Now()
			fmt.Printf("%d of %d seeds, %d operations, %d failed, %s\n", n+1, seeds, operations, failed, time.Since(began).Round(time.Second))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d seeds failed", failed, seeds)
	}
	return nil
}

func one(ctx context.Context, o sim.Options) (r sim.Report, err error) {
	// In memory where the system has such a place: no process ends here.
	dir, err := os.MkdirTemp("/dev/shm", "soak")
	if err != nil {
		if dir, err = os.MkdirTemp("", "soak"); err != nil {
			return r, err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.Dir, o.Copy = dir, sqlite.Copy
	o.Open = func(ctx context.Context, dir string) (sim.Store, error) { return sqlite.Open(ctx, dir) }
	return sim.Run(ctx, o)
}
