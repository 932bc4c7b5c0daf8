// Command fieldclue is the server behind the field inspection app.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"fieldclue/media/sandbox"
	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
)

const help = `Fieldclue, the server for field inspection.

  fieldclue [serve] [flags]     serve phones and desks
  fieldclue demo [flags]        a believable county and one day of two inspectors, played through the API
  fieldclue verify [flags]      check the log's chain, that records, indexes and working documents are its image, every file's bytes,
                                every receipt, and the signed statements; --report FILE writes JSON; --witness FILE compares with
                                where the logs stood when the file was last written, and brings it up when all is well: keep it on
                                another machine (anchor, keys and backup take it too). Status 2: faults were found
  fieldclue verify FILE         check the file of a case, offline, with nothing but the published key: --key KEY or a file with it,
                                or with all keys that the server ever had.
                                Status 2: something does not hold, and is named
  fieldclue export case CLUE    write the file of a case, by the id or the number of its clue; --to FILE
  fieldclue backup --to DIR     copy the embedded store, photos too, while the server runs; the next time only what is new
  fieldclue restore --from DIR  put a backup into an empty data directory
  fieldclue move --to PLACE     bring everything to a directory, or to the engines that a file of settings names
  fieldclue rebuild [flags]     make anew what follows from the log and the originals: records, heads, indexes, renditions, working documents
  fieldclue anchor [flags]      keep a signed statement of where the logs stand now (the server does it every day);
                                --restored after the database was put back from a copy by other means
  fieldclue keys [flags]        print the public keys that receipts, statements and case files are checked with: to be published
  fieldclue keys rotate         sign with a new key from now on; --leaked says that others may have the one before
  fieldclue keys leaked KEYID   say the same of an older key
  fieldclue archive [flags]     move the bodies of old log entries into bundles, as FIELDCLUE_ARCHIVE_DAYS says
  fieldclue healthcheck [flags] ask a running server whether it is ready; status 0 if it is
  fieldclue help                this page
`

// console is where a person reads along. One that is gone stops nothing.
type console struct{ io.Writer }

func (c console) say(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\n", args...) }

// firstSteps is what a first start prints: the code, and what to do with it.
const firstSteps = `
  There is no administrator yet. This setup code makes one, once:  %s

  curl -s %s/v1/setup -H 'Content-Type: application/json' -d '{
    "code": "%s", "org": {"code": "my-office", "name": "…", "region": "520500"},
    "name": "…", "login": "admin", "password": "YOUR-OWN",
    "device": {"id": "0193a000-0000-7000-8000-000000000001", "name": "office computer", "platform": "web"}}'

  The password has at least 12 characters; choose your own. region is the code of GB/T 2260. The answer holds a token; the reference of the API shows what it opens.
`

func main() {
	sandbox.Main()
	storage.Private()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Environ(), console{os.Stdout}); err != nil {
		console{os.Stderr}.say("fieldclue: %v", err)
		if errors.Is(err, errFaults) || errors.Is(err, errFalse) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string, out console) error {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(ctx, args, environ, out)
	case "demo":
		return playDemo(ctx, args, out)
	case "verify":
		return verify(ctx, args, environ, out)
	case "export":
		return export(ctx, args, environ, out)
	case "backup":
		return backup(ctx, args, environ, out)
	case "restore":
		return restore(ctx, args, environ, out)
	case "move":
		return move(ctx, args, environ, out)
	case "rebuild":
		return rebuild(ctx, args, environ, out)
	case "anchor":
		return keepStatement(ctx, args, environ, out)
	case "keys":
		return keys(ctx, args, environ, out)
	case "archive":
		return archive(ctx, args, environ, out)
	case "healthcheck":
		return healthcheck(ctx, args, environ)
	case "help", "-h", "--help":
		out.say("%s", help)
		return config.WriteHelp(out)
	}
	return fmt.Errorf("there is no command %q; see fieldclue help", command)
}

func serve(ctx context.Context, args, environ []string, out console) error {
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	signal.Ignore(syscall.SIGHUP) // a terminal that closes ends no server; what is set is read at the start alone
	a, err := app.Start(ctx, cfg, logger(cfg, os.Stderr))
	if err != nil {
		return err
	}
	data, err := filepath.Abs(cfg.Data) // the place to back up: the keys are there with every engine
	if err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	out.say("Fieldclue is serving at %s\n  kept in   %s\n  data      %s\n  desk      %s/desk\n  API docs  %s/docs", a.URL(), a.Engines(ctx), data, a.URL(), a.URL())
	code, err := a.SetupCode(ctx)
	if err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	if code != "" {
		out.say(firstSteps, code, a.URL(), code)
	}
	select {
	case <-ctx.Done():
		out.say("Stopping: finishing what runs.")
	case err = <-a.Failed():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(err, a.Stop(last))
}

// healthcheck is for containers, which have no curl.
func healthcheck(ctx context.Context, args, environ []string) error {
	cfg, err := config.Load(args, environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.LocalURL()+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // nothing is read from it
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", resp.Status)
	}
	return nil
}

func helpOr(err error, out console) error {
	if errors.Is(err, flag.ErrHelp) {
		out.say("%s", help)
		return config.WriteHelp(out)
	}
	return err
}

func logger(cfg config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel, ReplaceAttr: withoutIdentity}
	if cfg.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// withoutIdentity masks numbers of people in whatever is logged: a library's error may repeat what somebody sent.
func withoutIdentity(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(field.MaskIdentity(v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = slog.StringValue(field.MaskIdentity(err.Error()))
		}
	default:
	}
	return a
}
