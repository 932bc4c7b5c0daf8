package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// soak is one run: a server, who writes to it, and what has happened so far.
type soak struct {
	o       options
	server  *program
	random  *rand.Rand
	pushers []*pusher
	phones  []*inspector

	kills                      int
	starting, counting, loaded int          // kills by their moment
	counts, fulls              int          // finished
	repeated                   atomic.Int64 // batches that were sent again and answered as before
	begun, said                time.Time
	longestStart, lastCount    time.Duration
}

func (s *soak) url() string { return "http://" + s.server.listen }

func (s *soak) say(format string, args ...any) { _, _ = fmt.Fprintf(s.o.out, format+"\n", args...) } // a console that is gone changes nothing

func (s *soak) run(ctx context.Context) (err error) {
	s.random = rand.New(rand.NewPCG(s.o.seed, 5))
	if s.server, err = build(ctx, s.o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.log.Close()) }()
	s.begun = time.Now()
	s.said = s.begun
	life, err := s.server.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, life.kill()) }()
	if err := life.serving(ctx); err != nil {
		return err
	}
	defer s.close()
	select {
	case code := <-life.code:
		if err := s.settle(ctx, code); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
	case <-time.After(10 * time.Second):
		return errors.New("the server printed no setup code")
	}

	// The phones go on all the time; whatever goes wrong on one ends the soak.
	phones, phoneCtx := errgroup.WithContext(ctx)
	stop := make(chan struct{})
	for _, p := range s.phones {
		phones.Go(func() error { return p.work(phoneCtx, stop) })
	}
	for s.kills < s.o.kills && err == nil {
		if err = s.cycle(phoneCtx, &life); err == nil {
			s.progress()
		}
	}
	close(stop)
	if err2 := phones.Wait(); err2 != nil { // the cause, when the rest was cancelled for it
		err = errors.Join(err2, err)
	}
	if err != nil {
		return err
	}
	return s.finish(ctx, &life)
}

func (s *soak) close() {
	for _, p := range s.pushers {
		_ = p.spill.Close() // what it holds has been compared
	}
	for _, p := range s.phones {
		_ = p.phone.Close() // nothing is lost without it
	}
}

// cycle kills the server at a random moment of one of three kinds, starts it again, and counts.
func (s *soak) cycle(ctx context.Context, life **process) error {
	// Under load. Most kills are of this kind.
	if err := s.loadAndKill(ctx, *life, time.Duration(s.random.Int64N(int64(s.o.load)))); err != nil {
		return err
	}
	s.loaded++
	for {
		next, err := s.server.start()
		if err != nil {
			return err
		}
		*life = next
		if s.kills < s.o.kills && s.random.IntN(4) == 0 { // while it starts and recovers, with everybody knocking
			if err := s.loadAndKill(ctx, next, time.Duration(s.random.Int64N(int64(startup)))); err != nil {
				return err
			}
			s.starting++
			continue
		}
		if err := next.serving(ctx); err != nil {
			return err
		}
		s.longestStart = max(s.longestStart, time.Since(next.begun))
		if err := next.cmd.Process.Signal(syscall.SIGHUP); err != nil { // as from a terminal that closes: it must not end
			return err
		}
		var timer *time.Timer
		if s.kills < s.o.kills && s.random.IntN(8) == 0 { // while everything is counted
			after := time.Duration(s.random.Int64N(int64(max(s.lastCount, time.Millisecond))))
			timer = time.AfterFunc(after, func() {
				next.killed.Store(true)
				_ = next.cmd.Process.Kill() // one that has ended by itself is found out below
			})
		}
		begin := time.Now()
		err = s.count(ctx, (s.counts+1)%s.o.full == 0, false)
		if timer != nil && !timer.Stop() {
			<-next.ended
			s.kills++
			s.counting++
			if err != nil && !errors.Is(err, errGone) {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		s.lastCount = time.Since(begin)
		if s.counts++; s.counts%s.o.full == 0 {
			s.fulls++
		}
		return nil
	}
}

// startup is about twice as long as a start takes.
const startup = 40 * time.Millisecond

// loadAndKill lets the pushers work, kills the server after a while, and waits until they have stopped.
func (s *soak) loadAndKill(ctx context.Context, life *process, after time.Duration) error {
	stop := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range s.pushers {
		group.Go(func() error { return p.work(ctx, stop) })
	}
	select {
	case <-time.After(after):
	case <-life.ended:
	case <-ctx.Done():
	}
	err := life.kill()
	close(stop)
	if err2 := group.Wait(); err2 != nil {
		return errors.Join(err2, err)
	}
	s.kills++
	return err
}

// finish counts everything once more from the beginning, sends every batch again, compares the phones, and lets the
// program verify its directory.
func (s *soak) finish(ctx context.Context, life **process) error {
	s.say("%d kills done after %s; now everything is counted from the beginning and every batch is sent again", s.kills, s.elapsed())
	if err := s.count(ctx, true, true); err != nil {
		return err
	}
	s.counts++
	s.fulls++
	for _, p := range s.phones {
		if err := p.check(ctx); err != nil {
			return err
		}
	}
	if err := (*life).kill(); err != nil {
		return err
	}
	report, err := s.server.verify(ctx)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(report), "\n")
	s.say("fieldclue verify: %s", lines[len(lines)-1])
	s.say("DONE: %s; nothing acknowledged is missing, changed, or there twice (seed %d, %s)", s.figures(), s.o.seed, s.elapsed())
	return nil
}

func (s *soak) elapsed() time.Duration { return time.Since(s.begun).Round(time.Second) }

func (s *soak) progress() {
	if time.Since(s.said) < s.o.say {
		return
	}
	s.said = time.Now()
	s.say("%6s  %s", s.elapsed(), s.figures())
}

func (s *soak) figures() string {
	var batches, records, parked, conflicts, inLog, notInLog int64
	for _, p := range s.pushers {
		batches, inLog, notInLog = batches+int64(len(p.acked)), inLog+p.inLog, notInLog+p.notInLog
		parked += int64(len(p.refused))
		if p.site.first == p {
			p.site.mu.Lock()
			records, conflicts = records+p.site.made, conflicts+int64(len(p.site.conflicts))
			p.site.mu.Unlock()
		}
	}
	return fmt.Sprintf("%d kills (%d under load, %d while it started, %d while it was counted), %d counts (%d from the beginning), "+
		"%d batches acknowledged (%d records, %d rejections, %d conflicts), %d repetitions answered as before, "+
		"%d batches were without answer at a kill: %d of them were in the log; longest start %d ms",
		s.kills, s.loaded, s.starting, s.counting, s.counts, s.fulls, batches, records, parked, conflicts, s.repeated.Load(),
		inLog+notInLog, inLog, s.longestStart.Milliseconds())
}
