package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Follower does what may come a little later than a commit: renditions, tasks for a whole sample. It gets every entry
// of the scopes that it asks for at least once and in order per scope; what it writes it derives from the entry (ids,
// batch numbers), so that a repetition has no further effect.
type Follower interface {
	Name() string
	Types() []field.ScopeType
	Entry(ctx context.Context, e store.Entry) error
}

// CursorDocs keeps how far each follower has read.
type CursorDocs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, d store.Doc) (store.Doc, error)
}

const (
	followPage   = 200
	followRescan = 5 * time.Minute // finds what another process left behind
	followRetry  = 2 * time.Second

	// A cursor is saved when so many entries have been read since, and at the end. After a crash they are read again,
	// which has no effect; saving it for every entry would double the durable writes of a server.
	followUnsaved = 100
	followPause   = 50 * time.Millisecond // what is written to a scope meanwhile is read in one go
	mostCursors   = 50_000                // kept in memory
)

// Follow runs followers until the context ends. It starts with everything that they have not seen yet.
func (e *Engine) Follow(ctx context.Context, docs CursorDocs, followers ...Follower) error {
	f := &following{e: e, docs: docs, followers: followers, cursors: map[string]*cursor{}}
	for ctx.Err() == nil {
		pokes, cancel := e.Listen(4096)
		err := f.all(ctx)
		again := time.NewTimer(followRescan)
		if err != nil && ctx.Err() == nil {
			e.log.Error("a follower of the log failed; it tries again", "error", err)
			again.Reset(followRetry)
		}
		poked := map[field.Scope]bool{}
		pause := time.NewTimer(followPause)
		for open := true; open; {
			select {
			case <-ctx.Done():
				open = false
			case <-again.C:
				open = false
			case p, ok := <-pokes:
				open = ok // closed: it fell behind, and starts over from the cursors
				poked[p.Scope] = ok
			case <-pause.C:
				for scope := range poked {
					if err := f.scope(ctx, scope); err != nil && ctx.Err() == nil {
						e.log.Error("a follower of the log failed; it tries again", "scope", scope, "error", err)
						again.Reset(followRetry)
					}
				}
				clear(poked)
				pause.Reset(followPause)
			}
		}
		pause.Stop()
		again.Stop()
		cancel()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	f.save(last)
	return ctx.Err()
}

// following is the state of Follow.
type following struct {
	e         *Engine
	docs      CursorDocs
	followers []Follower
	cursors   map[string]*cursor // by follower and scope
}

// cursor is how far a follower has read a scope: seq, and as it is saved.
type cursor struct {
	doc   store.Doc
	seq   int64
	saved int64
}

func (f *following) all(ctx context.Context) error {
	q := store.ListScopes{Visible: everything, Limit: 1000}
	var failed error
	for {
		heads, err := f.e.store.Heads(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if err := f.scope(ctx, h.Scope); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if len(heads) < q.Limit || ctx.Err() != nil {
			return failed
		}
		q.After = heads[len(heads)-1].Scope
	}
}

func (f *following) scope(ctx context.Context, scope field.Scope) error {
	for _, one := range f.followers {
		if !slices.Contains(one.Types(), scope.Type()) {
			continue
		}
		if err := f.one(ctx, one, scope); err != nil {
			return fmt.Errorf("follower %s of %s: %w", one.Name(), scope, err)
		}
	}
	return nil
}

// one gives a follower what it has not seen of a scope.
func (f *following) one(ctx context.Context, follower Follower, scope field.Scope) error {
	at, err := f.at(ctx, follower.Name()+"@"+string(scope))
	if err != nil {
		return err
	}
	for {
		entries, err := f.e.store.Entries(ctx, scope, at.seq, followPage)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			if err := follower.Entry(ctx, entry); err != nil {
				return err
			}
			at.seq = entry.Seq
		}
		if at.seq-at.saved >= followUnsaved {
			if err := f.put(ctx, at); err != nil {
				return err
			}
		}
	}
}

type followed struct {
	Seq int64 `json:"seq"`
}

// at returns the cursor with an id, from memory or from where it was saved.
func (f *following) at(ctx context.Context, id string) (*cursor, error) {
	if at := f.cursors[id]; at != nil {
		return at, nil
	}
	if len(f.cursors) >= mostCursors {
		f.save(ctx)
		clear(f.cursors)
	}
	at := &cursor{doc: store.Doc{Shelf: store.Cursors, ID: id}}
	doc, err := f.docs.GetDoc(ctx, store.Cursors, id)
	switch {
	case field.Is(err, field.CodeNotFound):
	case err != nil:
		return nil, err
	default:
		var saved followed
		if err := json.Unmarshal(doc.Body, &saved); err != nil {
			return nil, err
		}
		at.doc, at.seq, at.saved = doc, saved.Seq, saved.Seq
	}
	f.cursors[id] = at
	return at, nil
}

// put saves a cursor. Where another process has saved its own, this one forgets what it knew and reads that one next
// time: both have read the entries, and one of the two cursors is enough.
func (f *following) put(ctx context.Context, at *cursor) error {
	at.doc.Body = field.Quote(followed{at.seq})
	doc, err := f.docs.PutDoc(ctx, at.doc)
	if field.Is(err, field.CodeStale) {
		delete(f.cursors, at.doc.ID)
		return nil
	}
	if err != nil {
		return err
	}
	at.doc, at.saved = doc, at.seq
	return nil
}

// save saves all cursors. What cannot be saved is read again.
func (f *following) save(ctx context.Context) {
	for _, at := range f.cursors {
		if at.seq == at.saved {
			continue
		}
		if err := f.put(ctx, at); err != nil {
			f.e.log.Warn("how far a follower has read cannot be saved; it reads that again", "cursor", at.doc.ID, "error", err)
			return
		}
	}
}
