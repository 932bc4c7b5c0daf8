package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/demo"
)

// playDemo starts the server on the embedded store and plays the demo against it. With --exit it ends with the story,
// otherwise it goes on serving. Without --data everything is gone afterwards.
func playDemo(ctx context.Context, args []string, out console) (err error) {
	exit, args := isSet(args, "exit")
	named := slices.ContainsFunc(args, func(a string) bool { return isFlag(a, "data") })
	if !named {
		dir, err := os.MkdirTemp("", "fieldclue-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary directory harms nobody
		args = append(args, "--data", dir)
	}
	if exit && !slices.ContainsFunc(args, func(a string) bool { return isFlag(a, "listen") }) {
		args = append(args, "--listen", "127.0.0.1:0") // nobody needs to find it
	}
	cfg, err := config.Load(args, nil) // not from the environment: invented people have no business in an office's database
	if err != nil {
		return helpOr(err, out)
	}
	a, err := app.Start(ctx, cfg, logger(quiet(cfg), os.Stderr))
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, a.Stop(last))
	}()
	code, err := a.SetupCode(ctx)
	if err != nil {
		return err
	}
	story := demo.Options{BaseURL: a.URL(), SetupCode: code, Dir: filepath.Join(cfg.Data, "demo"), Out: out, Verify: func(ctx context.Context) (string, error) {
		report, err := a.Verify(ctx)
		if err != nil {
			return "", err
		}
		if !report.Sound() {
			return report.String(), errors.New("verification found faults")
		}
		return report.String(), nil
	}}
	if err := demo.Run(ctx, story); err != nil || exit {
		return err
	}
	out.say("\nServing at %s until Ctrl-C.", a.URL())
	if !named {
		out.say("Everything is gone then; --data DIR keeps it.")
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.Failed():
		return err
	}
}

func isFlag(arg, name string) bool {
	for len(arg) > 0 && arg[0] == '-' {
		arg = arg[1:]
	}
	return arg == name || len(arg) > len(name) && arg[:len(name)+1] == name+"="
}

// quiet keeps the log of every request out of a story that is told on the same screen.
func quiet(cfg config.Config) config.Config {
	cfg.LogLevel = max(cfg.LogLevel, slog.LevelWarn)
	return cfg
}
