package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fieldclue/media/blob"
	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
)

// uploads is one run of the soak of photos: phones that upload through a proxy which cuts every connection, and a
// server, and perhaps a MinIO, that are killed meanwhile. What is looked at in the end stands in audit.go.
type uploads struct {
	o       options
	server  *program
	life    *process
	minio   *miniotest.Server // nil: photos lie in the directory
	cutter  *badlink.Cutter
	random  *rand.Rand
	senders []*sender

	all              int64              // bytes of all files
	sent             map[blob.Sum]int64 // the sizes of all files, set in the end
	done             atomic.Int64       // receipts that a phone has checked
	begun            time.Time
	kills, blobKills int
	together         int // of the kills of MinIO, those with the server dead as well
}

const (
	smallest     = 1_000_000 // bytes of a file
	uploadPhones = 8
	patience     = 500 * time.Millisecond // of a phone whose connection is silent
	stalled      = 3 * time.Minute        // without a receipt nothing moves any more
)

// sender is one phone with its share of the files.
type sender struct {
	*inspector
	user  string
	fresh string // one-time code for the device on which it is read back
	files []file
}

// file is what a phone knows of a photo that it took.
type file struct {
	id     field.RecordID
	seed   uint64 // of the content
	size   int
	sha256 string
}

func soakUploads(ctx context.Context, o options) error {
	if o.largest < smallest {
		return fmt.Errorf("-largest %d is less than %d", o.largest, smallest)
	}
	u := &uploads{o: o, random: rand.New(rand.NewPCG(o.seed, 21)), begun: time.Now()}
	if err := u.run(ctx); err != nil {
		return fmt.Errorf("seed %d, after kill %d and %d of MinIO, in %s: %w", o.seed, u.kills, u.blobKills, o.dir, err)
	}
	return nil
}

func (u *uploads) say(format string, args ...any) { _, _ = fmt.Fprintf(u.o.out, format+"\n", args...) } // a console that is gone changes nothing

func (u *uploads) elapsed() time.Duration { return time.Since(u.begun).Round(time.Second) }

func (u *uploads) run(ctx context.Context) (err error) {
	if u.server, err = build(ctx, u.o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.server.log.Close()) }()
	switch u.o.blobs {
	case "minio":
		if u.minio = u.o.minio; u.minio == nil {
			if u.minio, err = miniotest.Run(filepath.Join(u.o.dir, "minio")); err != nil {
				return err
			}
			defer u.minio.Kill()
		}
		u.server.env = []string{
			"FIELDCLUE_S3_ENDPOINT=" + u.minio.Endpoint, "FIELDCLUE_S3_ACCESS_KEY=" + u.minio.AccessKey, "FIELDCLUE_S3_SECRET_KEY=" + u.minio.SecretKey,
		}
	case "dir", "":
		u.o.blobKills = 0
	default:
		return fmt.Errorf("-blobs %q is neither dir nor minio", u.o.blobs)
	}
	if u.life, err = u.server.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.life.kill()) }()
	if err := u.life.serving(ctx); err != nil {
		return err
	}
	if u.cutter, err = badlink.NewCutter(u.server.listen, badlink.CutterOptions{Seed: u.o.seed}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.cutter.Close()) }()
	defer func() {
		for _, s := range u.senders {
			_ = s.phone.Close() // nothing is lost without it
		}
	}()
	select {
	case code := <-u.life.code:
		if err := u.settle(ctx, code); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
	case <-time.After(10 * time.Second):
		return errors.New("the server printed no setup code")
	}
	if err := u.storm(ctx); err != nil {
		return err
	}
	return u.audit(ctx)
}

// settle makes the phones and draws what they will send.
func (u *uploads) settle(ctx context.Context, code string) error {
	d := &desk{url: "http://" + u.server.listen, http: client(), random: rand.New(rand.NewPCG(u.o.seed, 11))}
	project, err := d.open(ctx, code)
	if err != nil {
		return err
	}
	for n := range min(uploadPhones, u.o.uploads) {
		s := &sender{user: fmt.Sprintf("inspector-phone%d", n)}
		at, err := d.makeSite(ctx, project, s.user)
		if err != nil {
			return err
		}
		random := rand.New(rand.NewPCG(u.o.seed, uint64(200+n)))
		s.inspector = &inspector{name: s.user, site: at, random: random}
		if s.phone, err = u.openPhone(s, s.user, "http://"+u.cutter.Addr(), badlink.Impatient(patience)); err != nil {
			return err
		}
		u.senders = append(u.senders, s)
		for i := n; i < u.o.uploads; i += uploadPhones {
			f := file{id: s.newID(), seed: random.Uint64(), size: smallest + random.IntN(u.o.largest-smallest+1)}
			s.files = append(s.files, f)
			u.all += int64(f.size)
		}
		if err := s.again(ctx, func() error { return s.phone.Enrol(ctx, s.user, password, d.codes[s.user]) }); err != nil {
			return err
		}
		if s.fresh, err = d.another(ctx, s.user); err != nil {
			return err
		}
	}
	return nil
}

func (u *uploads) openPhone(s *sender, dir, url string, link http.RoundTripper) (*phone.Phone, error) {
	return phone.Open(phone.Options{
		FreeAtOnce: true,
		Dir:        filepath.Join(u.o.dir, dir), BaseURL: url, App: "crash", Seed: u.o.seed, Attempts: 30, Transport: link,
		Device: phone.Device{ID: field.DeviceID(s.newID()), Name: dir, Platform: "crash"},
		Sleep:  soon, Unlock: func() (string, string) { return s.user, password },
	})
}

// content makes a file: a small picture, and behind its end noise up to the size, as phones put a film behind a moving
// photo.
func (f *file) content() ([]byte, error) {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(f.seed >> (8 * i))
	}
	noise := rand.NewChaCha8(seed)
	img := image.NewGray(image.Rect(0, 0, 160, 120))
	_, _ = noise.Read(img.Pix) // never fails
	var b bytes.Buffer
	b.Grow(f.size)
	if err := jpeg.Encode(&b, img, nil); err != nil {
		return nil, err
	}
	rest := make([]byte, f.size-b.Len())
	_, _ = noise.Read(rest) // never fails
	b.Write(rest)
	return b.Bytes(), nil
}

// again repeats what may fail for the link or for a dead server.
func (s *sender) again(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil || forGood(err) {
			return err
		}
		if err := soon(ctx, 0); err != nil {
			return err
		}
	}
}

const roll = 4 // photos that a phone takes before it syncs

// work takes the photos, a few at a time, and syncs until the receipts of all are there.
func (s *sender) work(ctx context.Context, done *atomic.Int64) error {
	for some := range slices.Chunk(s.files, roll) {
		var ops []phone.Op
		for i := range some {
			f := &some[i]
			b, err := f.content()
			if err != nil {
				return err
			}
			kept, err := s.phone.Keep(string(f.id)+".jpg", b)
			if err != nil {
				return err
			}
			f.sha256 = kept.SHA256
			ops = append(ops, phone.Photo(s.site.scope, f.id, kept, object{"siteId": s.site.id, "reportId": s.newID(), "capture": "app"}))
		}
		if err := s.phone.Write(string(some[0].id), ops...); err != nil {
			return err
		}
		counted := s.phone.Stats().Receipts
		err := s.again(ctx, func() error {
			err := s.phone.Sync(ctx)
			now := s.phone.Stats().Receipts
			done.Add(int64(now - counted))
			counted = now
			if err == nil {
				if ops, photos := s.phone.Waiting(); ops+photos > 0 {
					err = fmt.Errorf("%d operations and %d photos wait", ops, photos)
				}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// storm lets the phones send everything while server and MinIO are killed.
func (u *uploads) storm(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	over := make(chan struct{}) // closed when all phones are done
	var busy atomic.Int64
	busy.Store(int64(len(u.senders)))
	for _, s := range u.senders {
		group.Go(func() error {
			err := s.work(ctx, &u.done)
			if busy.Add(-1) == 0 {
				close(over)
			}
			return err
		})
	}
	group.Go(func() error { return u.killAll(ctx, over) })
	group.Go(func() error { return u.watch(ctx, over) })
	return group.Wait()
}

// watch tells how far it is, and ends a soak in which nothing moves.
func (u *uploads) watch(ctx context.Context, over <-chan struct{}) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	said, moved, done := time.Now(), time.Now(), int64(0)
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if now := u.done.Load(); now > done {
			moved, done = time.Now(), now
		}
		if time.Since(moved) > stalled {
			return fmt.Errorf("no receipt for %s: %s", stalled, u.figures())
		}
		if time.Since(said) > u.o.say {
			said = time.Now()
			u.say("%6s  %s", u.elapsed(), u.figures())
		}
	}
}

// moment is when to kill: when so many bytes have passed the proxy, and a little later.
type moment struct {
	passed int64
	later  time.Duration
	minio  bool
}

// moments spreads the kills over the work however fast it goes.
func (u *uploads) moments() []moment {
	var all []moment
	spread := func(n int, minio bool) {
		for i := range n {
			at := (float64(i) + u.random.Float64()) / float64(n) * float64(u.all)
			all = append(all, moment{int64(at), time.Duration(u.random.Int64N(int64(50 * time.Millisecond))), minio})
		}
	}
	spread(u.o.kills, false)
	spread(u.o.blobKills, true)
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.passed, b.passed) })
	return all
}

func (u *uploads) killAll(ctx context.Context, over <-chan struct{}) error {
	for _, m := range u.moments() {
		for u.cutter.Counts().Passed < m.passed {
			select {
			case <-over:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
		time.Sleep(m.later)
		var err error
		if m.minio {
			err = u.killMinIO(ctx)
		} else {
			err = u.killServer(ctx, func() error { return nil })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// killServer kills the server, does something while it is dead, and starts it again.
func (u *uploads) killServer(ctx context.Context, meanwhile func() error) error {
	if err := u.life.kill(); err != nil {
		return err
	}
	u.kills++
	err := meanwhile()
	if err != nil {
		return err
	}
	if u.life, err = u.server.start(); err != nil {
		return err
	}
	return u.life.serving(ctx)
}

// killMinIO kills MinIO and starts it again after a while, every fourth time with the server dead as well.
func (u *uploads) killMinIO(ctx context.Context) error {
	u.minio.Kill()
	u.blobKills++
	time.Sleep(time.Duration(u.random.Int64N(int64(time.Second))))
	restart := func() error { return u.minio.Restart(ctx) }
	if u.random.IntN(4) > 0 {
		return restart()
	}
	u.together++
	return u.killServer(ctx, restart)
}

// figures of the soak so far. What was sent again is what has passed the proxy beyond the bytes of the files.
func (u *uploads) figures() string {
	c := u.cutter.Counts()
	return fmt.Sprintf("%d of %d files (%.2f GB in all), %.2f GB passed; %s; %d kills of the server, %d of MinIO (%d with the server)",
		u.done.Load(), u.o.uploads, gb(u.all), gb(c.Passed), c, u.kills, u.blobKills, u.together)
}

func gb(n int64) float64 { return float64(n) / 1e9 }
