package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// The rows of a group are measured by turns: a shared machine is now fast and now slow, and a virtual one pays for
	// every page of memory that it has not used before.
	groups := [][]step{
		{
			{row{what: "single pushes", unit: "pushes/s", bare: "bare single writes", goal: goals[0]}, ready(c.push(1))},
			{row{what: "bare single writes", unit: "writes/s", note: b.how}, ready(b.write(1))},
		}, {
			{row{what: fmt.Sprintf("documents in batches of %d", batch), unit: "docs/s", bare: "bare batches", goal: goals[1]}, ready(c.push(batch))},
			{row{what: "bare batches", unit: "docs/s", note: b.how}, ready(b.write(batch))},
		}, {
			{row{what: "documents pulled, first load", unit: "docs/s", goal: goals[2]}, ready(c.pull)},
		}, {
			{row{what: "bare photos", unit: "MB/s", note: b.photosHow}, bareFiles(b.photo)},
			{row{what: "bare photos by HTTP", unit: "MB/s", bare: "bare photos", note: "POST to net/http, hashed, and the same"}, bareFiles(b.photoByHTTP)},
			{row{what: "the link and the hash alone", unit: "MB/s", bare: "bare photos", note: "POST to net/http, hashed, not kept"}, bareFiles(b.photoByLink)},
			{row{what: "recordings in, nothing to examine", unit: "MB/s", bare: "bare photos"}, announced(recording)},
		}, { // last: its jobs go on
			{row{what: "photos in, examined beside", unit: "MB/s", bare: "bare photos"}, announced(jpegPhoto)},
		},
	}
	var rows []row
	for _, group := range groups {
		group = slices.DeleteFunc(group, func(s step) bool { return !o.picks(s.what) })
		measured, err := byTurns(ctx, c, group)
		if err != nil {
			return err
		}
		rows = append(rows, measured...)
	}
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

// profile writes a CPU profile until stop, if one is wanted, to a file of its own named after what is measured.
func profile(o options, name string) (stop func() error, err error) {
	if o.profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(o.profile + "." + strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

func configure(o options) (config.Config, error) {
	cfg, err := config.Load([]string{"--data", filepath.Join(o.dir, "data"), "--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		return cfg, err
	}
	cfg.AccessTTL = time.Hour // nobody signs in again while a store is filled
	cfg.Devices = 1000        // a few people stand for many
	cfg.MetricsToken = metricsToken
	cfg.StreamsUser, cfg.Begun = cfg.Streams, 1_000_000 // a few people stand for a county
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

// step is a row and how its work is made ready, which is not measured.
type step struct {
	row
	prepare func() (work, error)
}

// byTurns measures the rows of a group, each for the duration, in slices of about a second that take turns. What a
// slice leaves to be done by the server afterwards is waited for.
func byTurns(ctx context.Context, c *county, group []step) (rows []row, err error) {
	if len(group) == 0 {
		return nil, nil
	}
	o, turns := c.o, 1
	if len(group) > 1 {
		turns = max(1, int(c.o.duration/time.Second))
	}
	all := make([]*tally, len(group))
	for i, s := range group {
		do, err := s.prepare()
		if err != nil {
			return nil, fmt.Errorf("before %s: %w", s.what, err)
		}
		all[i] = &tally{do: do, next: make([]int, o.clients)}
	}
	stop, err := profile(o, group[0].what)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for range turns {
		for i, t := range all {
			begin := time.Now()
			if err := t.slice(ctx, o.duration/time.Duration(turns)); err != nil {
				return nil, fmt.Errorf("%s: %w", group[i].what, err)
			}
			if err := c.quiet(ctx); err != nil {
				return nil, err
			}
			if group[i].unit != "MB/s" {
				continue
			}
			for _, dir := range []string{"bare", filepath.Join("data", "photos"), "minio"} {
				if err := forgetWritten(filepath.Join(o.dir, dir), begin); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return nil, err
				}
			}
		}
	}
	for i, t := range all {
		rows = append(rows, t.row(group[i].row))
	}
	return rows, nil
}

// tally is what the clients did for a row so far.
type tally struct {
	do      work
	next    []int // of each client
	work    float64
	times   []time.Duration
	elapsed time.Duration
	cpu     time.Duration
}

// slice lets all clients work for the duration.
func (t *tally) slice(ctx context.Context, d time.Duration) error {
	type share struct {
		work  float64
		times []time.Duration
		err   error
	}
	runtime.GC() // nobody pays for the slice before
	shares := make(chan share, len(t.next))
	begin, used := time.Now(), cpuTime()
	for client := range t.next {
		go func() {
			var s share
			for time.Since(begin) < d && ctx.Err() == nil {
				began := time.Now()
				work, err := t.do(ctx, client, t.next[client])
				t.next[client]++
				if errors.Is(err, errDone) {
					break
				}
				if err != nil {
					s.err = err
					break
				}
				s.work += work
				s.times = append(s.times, time.Since(began))
			}
			shares <- s
		}()
	}
	var err error
	for range t.next {
		s := <-shares
		t.work += s.work
		t.times = append(t.times, s.times...)
		err = errors.Join(err, s.err)
	}
	t.elapsed += time.Since(begin)
	t.cpu += cpuTime() - used
	return errors.Join(err, ctx.Err())
}

// row fills a row in.
func (t *tally) row(r row) row {
	r.rate = t.work / t.elapsed.Seconds()
	r.cpu = time.Duration(float64(t.cpu) / max(t.work, 1))
	slices.Sort(t.times)
	at := func(q float64) time.Duration {
		if len(t.times) == 0 {
			return 0
		}
		return t.times[min(len(t.times)-1, int(math.Ceil(q*float64(len(t.times))))-1)]
	}
	r.p50, r.p99 = at(0.5), at(0.99)
	return r
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
