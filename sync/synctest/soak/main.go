// Command soak plays many seeds of the simulation of sync and names those that fail:
//
//	go run ./sync/synctest/soak -seeds 10000                     on the embedded store
//	go run ./sync/synctest/soak -seeds 10000 -mongodb-uri URI    on a replica set
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"fieldclue/server/field"
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
	uri := flag.String("mongodb-uri", "", "a MongoDB replica set to play on; each seed makes a database and drops it")
	standIn := flag.Bool("stand-in", false, "take a server that is not a replica set: no two servers meet inside a commit then")
	flag.Parse()
	one := onSQLite
	if *uri != "" {
		one = func(ctx context.Context, o sim.Options) (sim.Report, error) { return onMongoDB(ctx, o, *uri, *standIn) }
	}
	inPlace := func(ctx context.Context, o sim.Options) (sim.Report, error) { return inDirectory(ctx, o, one) }
	if err := play(ctx, o, *from, *seeds, inPlace); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "soak:", err) // nobody listens if that fails
		os.Exit(1)
	}
}

func play(ctx context.Context, o sim.Options, from, seeds uint64, one func(context.Context, sim.Options) (sim.Report, error)) error {
	began, last := time.Now(), time.Now()
	var failed, operations int
	for n := range seeds {
		o.Seed = from + n
		o.Copies = o.Seed%4 == 3
		r, err := one(ctx, o)
		operations += r.Operations
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			if field.Is(err, field.CodeStoreDown) && operations == 0 { // it was never up: the next seeds would wait for it as long
				return err
			}
			fmt.Printf("FAILED %v\n  again: go run ./sync/synctest/soak -from %d -seeds 1 -phones %d -servers %d -steps %d, on the same store\n", err, o.Seed, o.Phones, o.Servers, o.Steps)
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

// inDirectory gives a seed a directory of its own, for its phones and an embedded store.
func inDirectory(ctx context.Context, o sim.Options, one func(context.Context, sim.Options) (sim.Report, error)) (r sim.Report, err error) {
	// In memory where the system has such a place: no process ends here.
	dir, err := os.MkdirTemp("/dev/shm", "soak")
	if err != nil {
		if dir, err = os.MkdirTemp("", "soak"); err != nil {
			return r, err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.Dir = dir
	return one(ctx, o)
}

func onSQLite(ctx context.Context, o sim.Options) (sim.Report, error) {
	o.Copy = sqlite.Copy
	o.Open = func(ctx context.Context, dir string) (sim.Store, error) { return sqlite.Open(ctx, dir) }
	return sim.Run(ctx, o)
}
