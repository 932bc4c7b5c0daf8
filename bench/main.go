// Command bench starts the real server on a chosen store, loads it through its public HTTP API, and measures the bare
// engine under the same load beside it, in one run:
//
//	go run ./bench                                  the embedded store, photos in a directory
//	go run ./bench -blobs minio                     photos on a real MinIO
//	go run ./bench -store mongodb -mongodb-uri URI  records on MongoDB
//	go run ./bench -only hot-scope                  one part alone
//	go run ./bench -all                             everything, about five minutes
//
// Open run.go first: it is the order of the measurements. load.go is the load on the server, bare.go the engines
// without it, county.go what must exist before anybody can write. After the rows of the table come the parts
// (parts.go), each with a server of its own: many.go compares a large store with a small one, server_process.go watches
// the memory of a server in its own process, listeners.go opens event streams, uploads.go sends halves of files and
// very large ones, examine.go looks at one photo. The program ends with status 1 when an acknowledged document is
// missing or there twice, or when the verification finds a fault; it does not judge speed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"fieldclue/media/sandbox"
)

type options struct {
	store, mongoURI string
	blobs           string
	clients         int
	duration        time.Duration // of each measurement
	photoBytes      int
	dir             string // empty: a temporary one, removed afterwards
	standIn         bool
	only, profile   string
	all             bool // the long parts as well
	sizes           sizes
	out             io.Writer
}

// picks says whether -only asks for a row or a part.
func (o options) picks(name string) bool {
	for word := range strings.SplitSeq(o.only, ",") {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func main() {
	sandbox.Main()
	if dir := os.Getenv(serveVariable); dir != "" {
		if err := serveApart(dir); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "bench:", err) // a console that is gone changes nothing
			os.Exit(1)
		}
		return
	}
	if path := os.Getenv(examineVariable); path != "" {
		if err := examineApart(path); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "bench:", err) // a console that is gone changes nothing
			os.Exit(1)
		}
		return
	}
	o := options{out: os.Stdout, sizes: fullSizes}
	flag.StringVar(&o.store, "store", "sqlite", "sqlite or mongodb")
	flag.StringVar(&o.mongoURI, "mongodb-uri", os.Getenv("FIELDCLUE_TEST_MONGODB_URI"), "the replica set for -store mongodb; a database of its own is made in it")
	flag.BoolVar(&o.standIn, "stand-in", false, "take a server that is not a replica set: its figures say nothing about MongoDB")
	flag.StringVar(&o.blobs, "blobs", "dir", "dir or minio (FIELDCLUE_TEST_S3_ENDPOINT, or an executable is started)")
	flag.IntVar(&o.clients, "clients", 8, "how many clients at once, each at a site of its own")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "of each measurement")
	flag.IntVar(&o.photoBytes, "photo-bytes", 4_000_000, "size of a photo")
	flag.StringVar(&o.dir, "dir", "", "where to keep the data; empty: a temporary directory")
	flag.StringVar(&o.only, "only", "", "measure the rows and the parts whose name holds this, or one of these between commas; the parts are "+partNames())
	flag.BoolVar(&o.all, "all", false, "measure the parts that take long as well: pull-1m, alike, first-load, listeners, large-file, review-screen")
	flag.StringVar(&o.profile, "cpuprofile", "", "write CPU profiles of the measurements to files whose names begin with this; with -only of one row, of that row")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err) // a console that is gone changes nothing
		os.Exit(1)
	}
}
