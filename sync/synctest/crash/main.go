// Command crash kills the real server again and again, with SIGKILL at random moments, and counts after each kill that
// everything it had acknowledged is still there, once:
//
//	go run ./sync/synctest/crash -kills 1000 -seed 7
//
// It builds the program, starts it on a directory with the embedded store, and sets up an organisation through the
// public API. Pushers (pusher.go) send single operations and batches without a pause; phones (phones.go) are those of
// sync/phone and send findings and photos. soak.go is the order of things, server.go the process that is killed,
// count.go what is compared. A kill falls while the server starts and recovers, while it is under load, or while what
// it holds is being counted. The program ends with status 1 when anything acknowledged is missing, changed, or there
// twice, or when the verification of the directory finds a fault.
//
// With -uploads it is about photos instead (uploads.go): phones send files of 1 to 12 MB through a proxy that cuts
// every connection within 2 MiB by FIN, RST or silence, to the directory or, with -blobs minio, to a real MinIO that is
// killed and restarted too:
//
//	go run ./sync/synctest/crash -uploads 1000 -kills 60 -seed 7 -blobs minio
//
// A kill of the process leaves what the system holds for the disk: that a commit waits for the disk is the business of
// the store's own tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"fieldclue/media/blob/miniotest"
)

type options struct {
	kills   int
	seed    uint64
	pushers int
	phones  int
	dir     string        // empty: a temporary one, removed afterwards unless something is wrong
	program string        // empty: it is built
	load    time.Duration // the longest time under load before a kill
	full    int           // kills between two full counts
	say     time.Duration // between two lines of progress

	uploads   int               // files that are uploaded; 0: this soak is not about them
	blobs     string            // "dir" or "minio"
	largest   int               // bytes of a file
	blobKills int               // how often MinIO is killed
	minio     *miniotest.Server // empty: one is started when it is needed
	out       io.Writer
}

func main() {
	o := options{out: os.Stdout}
	flag.IntVar(&o.kills, "kills", 1000, "how often the server is killed; with -uploads 60 unless given")
	flag.Uint64Var(&o.seed, "seed", 1, "chooses the moments and what is written")
	flag.IntVar(&o.pushers, "pushers", 6, "how many push at once, two at each site")
	flag.IntVar(&o.phones, "phones", 2, "how many simulated phones write findings and photos beside them")
	flag.DurationVar(&o.load, "load", 400*time.Millisecond, "the longest time under load before a kill")
	flag.IntVar(&o.full, "full", 100, "kills between two counts of everything from the beginning")
	flag.DurationVar(&o.say, "progress", 15*time.Second, "time between two lines of progress")
	flag.IntVar(&o.uploads, "uploads", 0, "how many files are uploaded through a proxy that cuts; 0: pushes are counted instead")
	flag.IntVar(&o.largest, "largest", 12_000_000, "with -uploads: bytes of the largest file; the smallest has 1,000,000")
	flag.StringVar(&o.blobs, "blobs", "dir", "with -uploads: where photos lie, dir or minio")
	flag.IntVar(&o.blobKills, "blobkills", 12, "with -blobs minio: how often MinIO is killed and restarted")
	flag.StringVar(&o.dir, "dir", "", "where to keep the data; empty: a temporary directory")
	flag.StringVar(&o.program, "program", "", "the server's program; empty: it is built")
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "kills" })
	if o.uploads > 0 && !given {
		o.kills = 60
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "crash:", err) // a console that is gone changes nothing
		os.Exit(1)
	}
}

// run does the whole soak. Whatever went wrong, the directory is kept and named in the error.
func run(ctx context.Context, o options) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "fieldclue-crash-"); err != nil {
			return err
		}
		defer func() {
			if err == nil || ctx.Err() != nil {
				err = errors.Join(err, os.RemoveAll(o.dir))
			}
		}()
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	if o.uploads > 0 {
		return soakUploads(ctx, o)
	}
	s := &soak{o: o}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("seed %d, after kill %d, in %s: %w", o.seed, s.kills, o.dir, err)
	}
	return nil
}
