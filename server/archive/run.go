package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Store is what archiving needs of a store: the store itself, not a Reader over it.
type Store interface {
	Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error)
	Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error)
	Archive(ctx context.Context, b store.Bundled) error
}

// Plan says what to archive.
type Plan struct {
	Store Store
	Blobs Blobs
	Now   time.Time
	Age   time.Duration // entries that are older than this

	// How large a bundle gets: it is full with so many entries or bytes of bodies. One that has not at least Few
	// entries waits for more, until its oldest entry is twice as old. Zero: 500, 2 MiB, 50.
	Entries, Bytes, Few int
	Most                int // bundles in one run; zero: 1,000. The next run goes on
	Told                func(Done)
}

// Done is what a run has moved so far.
type Done struct {
	Scopes, Bundles, Entries int
	Bytes, Packed            int64 // of the bodies, and of the bundles
	More                     bool  // Most was reached
}

func (d Done) String() string {
	s := fmt.Sprintf("%d entries of %d scopes archived: %d bytes in %d bundles of %d bytes", d.Entries, d.Scopes, d.Bytes, d.Bundles, d.Packed)
	if d.More {
		s += "; there is more for the next run"
	}
	return s
}

// readAtOnce is how many entries are read from the store at once.
const readAtOnce = 50

// Run archives what is old enough, scope by scope, each from its beginning. It may be interrupted at any moment, and
// run beside a server and beside another Run: a bundle is durable and has been read back before the log lets go of a
// body, and a bundle that is there already is used. An entry that is not what its hash says stays where it is, with all
// that follow in its scope; the error says so after the other scopes are done.
func Run(ctx context.Context, p Plan) (Done, error) {
	r := &run{Plan: p}
	for at, otherwise := range map[*int]int{&r.Plan.Entries: 500, &r.Plan.Bytes: 2 << 20, &r.Plan.Few: 50, &r.Most: 1000} {
		if *at <= 0 {
			*at = otherwise
		}
	}
	q := store.ListScopes{Visible: access.Everything, Limit: 500}
	for {
		heads, err := p.Store.Heads(ctx, q)
		if err != nil {
			return r.done, err
		}
		for _, h := range heads {
			err := r.scope(ctx, h)
			switch {
			case errors.Is(err, store.ErrDamaged):
				r.damaged = append(r.damaged, err)
			case field.Is(err, field.CodeStale): // another process archives this scope now, in bundles of its own
			case err != nil:
				return r.done, errors.Join(append(r.damaged, err)...)
			case r.done.More:
				return r.done, errors.Join(r.damaged...)
			}
		}
		if len(heads) < q.Limit {
			return r.done, errors.Join(r.damaged...)
		}
		q.After = heads[len(heads)-1].Scope
	}
}

type run struct {
	Plan
	done    Done
	damaged []error
}

func (r *run) scope(ctx context.Context, head store.Head) error {
	first, err := r.firstHere(ctx, head)
	if err != nil {
		return err
	}
	for moved := false; ; moved = true {
		entries, err := r.gather(ctx, head.Scope, first)
		if err != nil || len(entries) == 0 {
			return err
		}
		if r.done.Bundles >= r.Most {
			r.done.More = true
			return nil
		}
		if err := r.move(ctx, entries); err != nil {
			return fmt.Errorf("archive entries %d to %d of %s: %w", first, first+int64(len(entries))-1, head.Scope, err)
		}
		if !moved {
			r.done.Scopes++
		}
		first += int64(len(entries))
		if r.Told != nil {
			r.Told(r.done)
		}
	}
}

// firstHere finds the first entry whose body is in the log: those before it are archived, for a run goes from the
// beginning. Most scopes are looked at once and have nothing that is old.
func (r *run) firstHere(ctx context.Context, head store.Head) (int64, error) {
	var failed error
	n := sort.Search(int(head.Seq), func(i int) bool {
		if failed != nil {
			return true
		}
		marks, err := r.Store.Marks(ctx, head.Scope, int64(i), 1)
		if err == nil && (len(marks) == 0 || marks[0].Seq != int64(i)+1) {
			err = fmt.Errorf("%w: entry %d of %s is missing", store.ErrDamaged, i+1, head.Scope)
		}
		failed = err
		return err != nil || marks[0].Bundle == ""
	})
	return int64(n) + 1, failed
}

// gather reads the entries of the next bundle, none if it is not worth making one.
func (r *run) gather(ctx context.Context, scope field.Scope, first int64) ([]store.Entry, error) {
	var old []store.Entry
	size := 0
	full := func() bool { return len(old) >= r.Plan.Entries || size >= r.Bytes }
	for more := true; more && !full(); {
		page, err := r.Store.Entries(ctx, scope, first-1+int64(len(old)), readAtOnce)
		if err != nil {
			return nil, err
		}
		more = len(page) == readAtOnce
		for _, e := range page {
			if full() {
				break
			}
			if e.Bundle != "" || r.Now.Sub(e.At) <= r.Age {
				more = false
				break
			}
			if string(sumOf(e.Body)) != e.Hash {
				return nil, fmt.Errorf("%w: entry %d of %s is not what its hash says and is not archived", store.ErrDamaged, e.Seq, scope)
			}
			old = append(old, e)
			size += len(e.Body)
		}
	}
	if len(old) == 0 || !full() && len(old) < r.Few && r.Now.Sub(old[0].At) <= 2*r.Age {
		return nil, nil
	}
	return old, nil
}

// move puts entries into a bundle: first the bundle, durable and under a hold that no retention ends; then it is read
// back; only then the log lets go of the bodies.
func (r *run) move(ctx context.Context, entries []store.Entry) error {
	raw, err := pack(entries)
	if err != nil {
		return err
	}
	sum := sumOf(raw)
	if _, err := r.Blobs.PutIfAbsent(ctx, sum, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return err
	}
	if err := r.Blobs.SetHold(ctx, sum, true); err != nil {
		return err
	}
	there, err := fetch(ctx, r.Blobs, sum)
	if err != nil {
		return err
	}
	b := store.Bundled{Scope: entries[0].Scope, First: entries[0].Seq, Bundle: string(sum)}
	size := 0
	for _, e := range entries {
		if !bytes.Equal(there[nameOf(e.Scope, e.Seq)], e.Body) {
			return fmt.Errorf("%w: bundle %s was not read back as it was written", store.ErrDamaged, sum)
		}
		b.Hashes = append(b.Hashes, e.Hash)
		size += len(e.Body)
	}
	if err := r.Store.Archive(ctx, b); err != nil {
		return err
	}
	r.done.Bundles++
	r.done.Entries += len(entries)
	r.done.Bytes += int64(size)
	r.done.Packed += int64(len(raw))
	return nil
}
