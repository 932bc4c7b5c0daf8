// Command ferretdb runs FerretDB 1.24 on its SQLite backend: the stand-in for MongoDB in tests, for machines that have
// no mongod.
//
// The released program takes its version from a file that is missing in the published module and stops without it, so
// this one runs FerretDB as a library. It understands those flags of the released program that the tests use, and sends
// no telemetry (the library has none).
//
// With FERRETDB_STOP_WITH_STDIN=1 it leaves when its standard input closes, so that a test process that is killed
// leaves nothing running.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const library = "github.com/FerretDB/FerretDB"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		listen    = flag.String("listen-addr", "127.0.0.1:27017", "host and port to listen on")
		handler   = flag.String("handler", "sqlite", "backend; only sqlite is meant to be used here")
		sqlite    = flag.String("sqlite-url", "file:data/", "directory of the database, as file:DIR/")
		_         = flag.String("state-dir", "", "ignored: the library keeps no state file")
		_         = flag.String("debug-addr", "", "ignored: the library has no debug listener")
		_         = flag.String("telemetry", "", "ignored: the library has no telemetry")
		showBuild = flag.Bool("version", false, "print the version and leave")
	)
	flag.Parse()
	if *showBuild {
		fmt.Println("version:", libraryVersion())
		return nil
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("FERRETDB_STOP_WITH_STDIN") == "1" {
		go func() {
			// A read error ends the wait just as the end of the input does.
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:   *handler,
		SQLiteURL: *sqlite,
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// libraryVersion is the version of FerretDB that this program was built with, as "v1.24.0".
func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == library {
			return dep.Version
		}
	}
	return "unknown"
}
