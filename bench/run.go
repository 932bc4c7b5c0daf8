package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"fieldclue/media/blob/miniotest"
	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/field"
)

// batch is how many documents a batch of the second measurement holds.
const batch = 50

// row is a line of the table.
type row struct {
	what string
	unit string  // of the rate
	rate float64 // a second
	p50  time.Duration
	p99  time.Duration
	cpu  time.Duration // of the whole process, clients included, for one piece of work; 0: not known
	bare string        // the row that it is compared with
	goal float64       // from the design, 0 none
	note string
}

// run measures, prints, and checks that nothing was lost.
func run(ctx context.Context, o options) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "fieldclue-bench-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(o.dir) }() // a leftover in the temporary directory harms nobody
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(o.out, format+"\n", args...) } // a console that is gone changes nothing
	say("Fieldclue bench, %s; %d cores, %s %s/%s", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if o.only == "" || len(chosen(o)) == 0 {
		if err := runRows(ctx, o, say); err != nil {
			return err
		}
	}
	return runParts(ctx, o, say)
}

// runRows measures the rows of the table on one server, and the bare engines beside it.
func runRows(ctx context.Context, o options, say sayer) (err error) {
	cfg, err := configure(o)
	if err != nil {
		return err
	}
	var s3 miniotest.Config
	if o.blobs == "minio" {
		var stop func()
		if s3, stop, err = miniotest.Launch(filepath.Join(o.dir, "minio")); err != nil {
			return err
		}
		defer stop()
		cfg.S3 = config.S3{Endpoint: s3.Endpoint, AccessKey: config.Secret(s3.AccessKey), SecretKey: config.Secret(s3.SecretKey), Bucket: "bench"}
	}
	a, err := app.Start(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	c, err := settle(ctx, a, o, layout{hands: o.clients, sites: o.clients, people: o.clients})
	if err == nil {
		err = c.load()
	}
	if err != nil {
		return fmt.Errorf("setting the county up: %w", err)
	}
	say("%s", a.Engines(ctx))
	say("%d clients and the server in this process; %s for each measurement; documents of about %d bytes, photos of %.1f MB", o.clients, o.duration, docBytes, float64(o.photoBytes)/1e6)
	say("every write is durable before it is acknowledged, the server's and the bare engine's alike\n")

	b, err := openBare(ctx, o, s3)
	if err != nil {
		return fmt.Errorf("the bare engines: %w", err)
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	durable := o.store == "sqlite"
	goals := map[bool][3]float64{true: {3000, 35_000, 100_000}, false: {0, 25_000, 0}}[durable]
	each := max(perReport, int(fastDisk*o.duration.Seconds()/float64(o.photoBytes))) // files of each client
	announced := func(make func(*county, field.RecordID) file) func() (work, error) {
		return func() (work, error) {
			files, err := c.declare(ctx, each, make)
			return c.photo(files), err
		}
	}
	bareFiles := func(do func(files [][]declared) work) func() (work, error) {
		return func() (work, error) {
			files, err := b.files(each)
			return do(files), err
		}
	}
	steps := []struct {
		row
		prepare func() (work, error)
	}{
		{row{what: "single pushes", unit: "pushes/s", bare: "bare single writes", goal: goals[0]}, ready(c.push(1))},
		{row{what: "bare single writes", unit: "writes/s", note: b.how}, ready(b.write(1))},
		{row{what: fmt.Sprintf("documents in batches of %d", batch), unit: "docs/s", bare: "bare batches", goal: goals[1]}, ready(c.push(batch))},
		{row{what: "bare batches", unit: "docs/s", note: b.how}, ready(b.write(batch))},
		{row{what: "documents pulled, first load", unit: "docs/s", goal: goals[2]}, ready(c.pull)},
		{row{what: "bare photos", unit: "MB/s", note: b.photosHow}, bareFiles(b.photo)},
		{row{what: "bare photos by HTTP", unit: "MB/s", bare: "bare photos", note: "POST to net/http, hashed, and the same"}, bareFiles(b.photoByHTTP)},
		{row{what: "recordings in, nothing to examine", unit: "MB/s", bare: "bare photos"}, announced(recording)},
		{row{what: "photos in, examined beside", unit: "MB/s", bare: "bare photos"}, announced(jpegPhoto)}, // last: its jobs go on
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	var rows []row
	for _, s := range steps {
		if !o.picks(s.what) {
			continue
		}
		do, err := s.prepare()
		if err != nil {
			return fmt.Errorf("before %s: %w", s.what, err)
		}
		r, err := measure(ctx, o, s.row, do)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		rows = append(rows, r)
	}
	pprof.StopCPUProfile() // nothing, when none was started
	if err := table(o, rows); err != nil {
		return err
	}
	lost, twice, err := c.compare(ctx)
	if err != nil {
		return err
	}
	say("\n%d documents and %d files were acknowledged; %d are missing, %d are there twice", c.acknowledged(), c.files.Load(), lost, twice)
	report, err := a.Verify(ctx)
	if err != nil {
		return err
	}
	say("%s", report)
	if lost+twice > 0 || !report.Sound() {
		return errors.New("what is stored is not what was acknowledged")
	}
	return nil
}

func configure(o options) (config.Config, error) {
	cfg, err := config.Load([]string{"--data", filepath.Join(o.dir, "data"), "--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		return cfg, err
	}
	cfg.AccessTTL = time.Hour // nobody signs in again while a store is filled
	switch {
	case o.store == "mongodb" && o.mongoURI == "":
		return cfg, errors.New("-store mongodb needs -mongodb-uri or FIELDCLUE_TEST_MONGODB_URI")
	case o.store == "mongodb":
		cfg.MongoDB = config.MongoDB{URI: config.Secret(o.mongoURI), Database: fmt.Sprintf("bench_%d", time.Now().UnixMilli()), AllowStandIn: o.standIn}
	case o.store != "sqlite":
		return cfg, fmt.Errorf("there is no store %q: sqlite or mongodb", o.store)
	}
	if o.blobs != "dir" && o.blobs != "minio" {
		return cfg, fmt.Errorf("there is no blob store %q: dir or minio", o.blobs)
	}
	return cfg, nil
}

// work is what a client does once; it tells how much that was.
type work = func(ctx context.Context, client, n int) (float64, error)

func ready(do work) func() (work, error) { return func() (work, error) { return do, nil } }

// errDone is the work's when a client has no more to do.
var errDone = errors.New("no more to do")

// fastDisk is what one client may write in a second, in bytes: so many files are made and hashed before.
const fastDisk = 120e6

// measure lets all clients work for the duration and adds up what they did.
func measure(ctx context.Context, o options, r row, do func(ctx context.Context, client, n int) (float64, error)) (row, error) {
	type share struct {
		work  float64
		times []time.Duration
		err   error
	}
	runtime.GC() // nobody pays for the measurement before
	shares := make(chan share, o.clients)
	begin, used := time.Now(), cpuTime()
	for client := range o.clients {
		go func() {
			var s share
			for n := 0; time.Since(begin) < o.duration && ctx.Err() == nil; n++ {
				t := time.Now()
				work, err := do(ctx, client, n)
				if errors.Is(err, errDone) {
					break
				}
				if err != nil {
					s.err = err
					break
				}
				s.work += work
				s.times = append(s.times, time.Since(t))
			}
			shares <- s
		}()
	}
	var work float64
	var times []time.Duration
	var err error
	for range o.clients {
		s := <-shares
		work += s.work
		times = append(times, s.times...)
		err = errors.Join(err, s.err)
	}
	r.rate = work / time.Since(begin).Seconds()
	r.cpu = time.Duration(float64(cpuTime()-used) / max(work, 1))
	if err = errors.Join(err, ctx.Err()); err != nil {
		return r, err
	}
	slices.Sort(times)
	at := func(q float64) time.Duration {
		return times[min(len(times)-1, int(math.Ceil(q*float64(len(times))))-1)]
	}
	r.p50, r.p99 = at(0.5), at(0.99)
	return r, nil
}

func table(o options, rows []row) error {
	rates := map[string]float64{}
	for _, r := range rows {
		rates[r.what] = r.rate
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	lines := []string{"what\trate\tp50\tp99\tCPU\tof bare\tgoal\t", "----\t----\t---\t---\t---\t-------\t----\t"}
	for _, r := range rows {
		of, goal, cpu := "", "", ""
		if r.cpu > 0 {
			cpu = fmt.Sprintf("%.1f µs", float64(r.cpu.Nanoseconds())/1000)
		}
		if bare := rates[r.bare]; bare > 0 {
			of = fmt.Sprintf("%.2f", r.rate/bare)
		}
		if r.goal > 0 {
			goal = thousands(r.goal)
		}
		lines = append(lines, fmt.Sprintf("%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s", r.what, thousands(r.rate), r.unit, brief(r.p50), brief(r.p99), cpu, of, goal, r.note))
	}
	if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
		return err
	}
	return w.Flush()
}

func brief(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func thousands(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
