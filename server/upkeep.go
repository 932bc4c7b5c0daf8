package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"fieldclue/media/receipt"
	"fieldclue/server/app"
	"fieldclue/server/casefile"
	"fieldclue/server/config"
	"fieldclue/server/upkeep"
	"fieldclue/sync/engine"
)

// The commands with which what is stored is kept: looked after, copied, put back, moved, made anew.

// errFaults is what verification ends with when it found any: status 2, where 1 says that it could not be done.
var errFaults = errors.New("what is stored is not what was acknowledged; keep it as it is and call for help")

func verify(ctx context.Context, args, environ []string, out console) error {
	key, others, err := option(args, "key")
	if err != nil {
		return err
	}
	if len(others) > 0 && others[0] != "" && others[0][0] != '-' {
		return verifyCase(others[0], key, others[1:], out)
	}
	if key != "" {
		return errors.New("--key is for the file of a case: fieldclue verify FILE --key KEY")
	}
	file, args, err := option(args, "report")
	if err != nil {
		return err
	}
	witness, args, err := option(args, "witness")
	if err != nil {
		return err
	}
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	report, err := upkeep.Verify(ctx, cfg, logger(cfg, os.Stderr), upkeep.Look{Witness: witness, Progress: func(line string) { out.say("%s", line) }})
	if report != nil && (err == nil || !report.Sound()) {
		out.say("%s", report)
	}
	if err != nil && report != nil && !report.Sound() { // a damaged row stops the rest: what was found is named all the same
		return errors.Join(errFaults, fmt.Errorf("not everything could be looked at, verify again when this is mended: %w", err))
	}
	if err != nil {
		return err
	}
	if file != "" {
		if err := os.WriteFile(file, report.JSON(), 0o600); err != nil {
			return fmt.Errorf("the report: %w", err)
		}
	}
	if !report.Sound() {
		return errFaults
	}
	return nil
}

// errFalse is the same for the file of a case.
var errFalse = errors.New("this is not the file as the server made it: what is named above was changed, is missing or is surplus")

// verifyCase needs no configuration: it is for a stranger.
func verifyCase(file, key string, args []string, out console) error {
	if len(args) > 0 {
		return fmt.Errorf("fieldclue verify FILE takes --key and nothing else; not %s", args[0])
	}
	report, err := casefile.CheckFile(file, key)
	if err != nil {
		return err
	}
	out.say("%s", report)
	if !report.Sound() {
		return errFalse
	}
	return nil
}

func export(ctx context.Context, args, environ []string, out console) error {
	to, args, err := option(args, "to")
	if err != nil {
		return err
	}
	if len(args) < 2 || args[0] != "case" || args[1] == "" || args[1][0] == '-' {
		return errors.New("say which: fieldclue export case CLUE [--to FILE]")
	}
	cfg, err := config.Load(args[2:], environ)
	if err != nil {
		return helpOr(err, out)
	}
	done, file, err := app.ExportCase(ctx, cfg, logger(cfg, os.Stderr), args[1], to)
	if err != nil {
		return err
	}
	out.say("wrote %s: %d bytes, SHA-256 %s; the register says so\ncheck it anywhere with: fieldclue verify %s --key KEY", file, done.Int("size"), done.Text("sha256"), file)
	return nil
}

func backup(ctx context.Context, args, environ []string, out console) error {
	witness, args, err := option(args, "witness")
	if err != nil {
		return err
	}
	return withFolder(args, environ, out, "to", "backup --to DIR", func(cfg config.Config, dir string) error {
		if err := testify(ctx, cfg, witness); err != nil { // before an older copy would count as the last one
			return err
		}
		done, err := upkeep.Backup(ctx, cfg, dir, upkeep.Often(func(d *upkeep.Done) { out.say("%s so far", d) }))
		if err != nil {
			return err
		}
		out.say("backed up to %s: %s\ncheck it with: fieldclue verify --data %s", dir, done, dir)
		return nil
	})
}

func restore(ctx context.Context, args, environ []string, out console) error {
	return withFolder(args, environ, out, "from", "restore --from DIR", func(cfg config.Config, dir string) error {
		done, err := upkeep.Restore(ctx, cfg, logger(cfg, os.Stderr), dir, upkeep.Often(func(d *upkeep.Done) { out.say("%s so far", d) }))
		if err != nil {
			return err
		}
		out.say("put back into %s: %s\nPhones send again by themselves what they had sent since.", cfg.Data, done)
		for _, line := range done.Numbers {
			out.say("%s", line)
		}
		return nil
	})
}

func move(ctx context.Context, args, environ []string, out console) error {
	return withFolder(args, environ, out, "to", "move --to DIR, or move --to FILE with the settings of the new engines", func(from config.Config, place string) error {
		to, err := target(place)
		if err != nil {
			return err
		}
		done, err := upkeep.Move(ctx, from, to, logger(from, os.Stderr), upkeep.Often(func(d *upkeep.Done) { out.say("%s so far", d) }))
		if err != nil {
			return err
		}
		out.say("moved: %s; the ends of all logs are equal", done)
		return nil
	})
}

// target reads where to move: a directory for the embedded engines, or a file of settings, one VARIABLE=value a line.
func target(place string) (config.Config, error) {
	if st, err := os.Stat(place); err != nil || st.IsDir() {
		return config.Load([]string{"--data", place}, nil)
	}
	f, err := os.Open(place)
	if err != nil {
		return config.Config{}, err
	}
	var environ []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			environ = append(environ, line)
		}
	}
	if err := errors.Join(lines.Err(), f.Close()); err != nil {
		return config.Config{}, err
	}
	return config.Load(nil, environ)
}

func rebuild(ctx context.Context, args, environ []string, out console) error {
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	done, err := upkeep.Rebuild(ctx, cfg, logger(cfg, os.Stderr), upkeep.Often(func(r *engine.Rebuilt) {
		out.say("%d logs, %d records so far", r.Scopes, r.Records)
	}))
	if done != nil && done.Rebuilt != nil {
		for _, id := range done.Gone {
			out.say("removed, because its scope has no log: %s", id)
		}
		for _, what := range done.Failed {
			out.say("not made anew: %s", what)
		}
		for _, r := range done.Strange {
			out.say("removed, because no log knows it: %s %s of %s: %s", r.Kind, r.ID, r.Scope, r.Document())
		}
		out.say("%d records of %d logs were made anew; %d had been wrong or missing, %d heads, %d renditions and %d working documents too",
			done.Records, done.Scopes, done.Wrong, done.Heads, done.Renditions, done.Documents)
	}
	if err == nil && len(done.Failed) > 0 {
		err = errors.New("what is named above could not be made anew")
	}
	return err
}

func archive(ctx context.Context, args, environ []string, out console) error {
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	return upkeep.Archive(ctx, cfg, logger(cfg, os.Stderr), func(line string) { out.say("%s", line) })
}

func keepStatement(ctx context.Context, args, environ []string, out console) error {
	restored, args := isSet(args, "restored")
	witness, args, err := option(args, "witness")
	if err != nil {
		return err
	}
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	sum, n, told, err := upkeep.Anchor(ctx, cfg, logger(cfg, os.Stderr), restored)
	for _, line := range told {
		out.say("%s", line)
	}
	if err != nil {
		return err
	}
	out.say("kept a signed statement of %d logs: %s", n, sum)
	return testify(ctx, cfg, witness)
}

// keys prints the public keys, or changes them first.
func keys(ctx context.Context, args, environ []string, out console) error {
	verb := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		verb, args = args[0], args[1:]
	}
	id := ""
	if verb == "leaked" {
		if len(args) == 0 || args[0] == "" || args[0][0] == '-' {
			return errors.New("say which: fieldclue keys leaked KEYID")
		}
		id, args = args[0], args[1:]
	}
	leaked, args := isSet(args, "leaked")
	if leaked && verb != "rotate" {
		return errors.New("--leaked goes with fieldclue keys rotate; of an older key say fieldclue keys leaked KEYID")
	}
	witness, args, err := option(args, "witness")
	if err != nil {
		return err
	}
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	var all receipt.Keys
	switch log := logger(cfg, os.Stderr); verb {
	case "":
		all, err = upkeep.Keys(ctx, cfg, log)
	case "rotate":
		var statement string
		all, statement, err = upkeep.RotateKey(ctx, cfg, log, leaked)
		if err == nil { // beside the keys, so that these can be written to a file
			console{os.Stderr}.say("the key was changed; the statement that now vouches for the logs is %s", cmp.Or(statement, "not needed: nothing was written yet"))
			console{os.Stderr}.say("take a backup, and publish these keys where the old one was published")
		}
	case "leaked":
		all, err = upkeep.MarkLeaked(ctx, cfg, log, id)
	default:
		return fmt.Errorf("fieldclue keys does not know %q: it prints the keys, rotate changes the present one, leaked KEYID marks an older one", verb)
	}
	if len(all) == 0 {
		return err
	}
	text, failed := json.MarshalIndent(all.Publish(), "", "  ")
	out.say("%s", text)
	if err == nil {
		err = testify(ctx, cfg, witness)
	}
	return errors.Join(err, failed)
}

// testify brings up the witness that the operator names; without one there is nothing to do.
func testify(ctx context.Context, cfg config.Config, file string) error {
	if file == "" {
		return nil
	}
	return upkeep.Testify(ctx, cfg, logger(cfg, os.Stderr), file)
}

// withFolder runs a command that needs the configuration and one more place.
func withFolder(args, environ []string, out console, name, usage string, run func(config.Config, string) error) error {
	place, args, err := option(args, name)
	if err != nil {
		return err
	}
	cfg, err := config.Load(args, environ)
	if err != nil {
		return helpOr(err, out)
	}
	if place == "" {
		return fmt.Errorf("say where: fieldclue %s", usage)
	}
	return run(cfg, place)
}

// option takes --name VALUE or --name=VALUE out of the arguments.
func option(args []string, name string) (value string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		switch {
		case !isFlag(args[i], name):
			rest = append(rest, args[i])
		case strings.Contains(args[i], "="):
			_, value, _ = strings.Cut(args[i], "=")
		case i+1 == len(args):
			return "", nil, fmt.Errorf("--%s: the value is missing", name)
		default:
			i++
			value = args[i]
		}
	}
	return value, rest, nil
}

// isSet takes a flag without a value out of the arguments.
func isSet(args []string, name string) (set bool, rest []string) {
	for _, a := range args {
		if isFlag(a, name) {
			set = true
		} else {
			rest = append(rest, a)
		}
	}
	return set, rest
}
