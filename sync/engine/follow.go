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

// Follower does what may come a little later than a commit: renditions, tasks for a whole sample. It gets every entry of
// the scopes that it asks for at least once and in order per scope; what it writes it derives from the entry (ids, batch
// numbers), so that a repetition has no further effect.
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
)

// Follow runs followers until the context ends. It starts with everything that they have not seen yet.
func (e *Engine) Follow(ctx context.Context, docs CursorDocs, followers ...Follower) error {
	for ctx.Err() == nil {
		pokes, cancel := e.Listen(4096)
		err := e.followAll(ctx, docs, followers)
		again := time.NewTimer(followRescan)
		if err != nil {
			e.log.Error("a follower of the log failed; it tries again", "error", err)
			again.Reset(followRetry)
		}
		for open := true; open; {
			select {
			case <-ctx.Done():
				open = false
			case <-again.C:
				open = false
			case p, ok := <-pokes:
				if open = ok; !ok {
					break // fell behind: start over from the stored cursors
				}
				if err := e.followScope(ctx, docs, followers, p.Scope); err != nil && ctx.Err() == nil {
					e.log.Error("a follower of the log failed; it tries again", "scope", p.Scope, "error", err)
					again.Reset(followRetry)
				}
			}
		}
		again.Stop()
		cancel()
	}
	return ctx.Err()
}

func (e *Engine) followAll(ctx context.Context, docs CursorDocs, followers []Follower) error {
	q := store.ListScopes{Visible: everything, Limit: 1000}
	var failed error
	for {
		heads, err := e.store.Heads(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if err := e.followScope(ctx, docs, followers, h.Scope); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if len(heads) < q.Limit || ctx.Err() != nil {
			return failed
		}
		q.After = heads[len(heads)-1].Scope
	}
}

func (e *Engine) followScope(ctx context.Context, docs CursorDocs, followers []Follower, scope field.Scope) error {
	for _, f := range followers {
		if !slices.Contains(f.Types(), scope.Type()) {
			continue
		}
		if err := e.followOne(ctx, docs, f, scope); err != nil {
			return fmt.Errorf("follower %s of %s: %w", f.Name(), scope, err)
		}
	}
	return nil
}

type followed struct {
	Seq int64 `json:"seq"`
}

func (e *Engine) followOne(ctx context.Context, docs CursorDocs, f Follower, scope field.Scope) error {
	id := f.Name() + "@" + string(scope)
	doc, err := docs.GetDoc(ctx, store.Cursors, id)
	if field.Is(err, field.CodeNotFound) {
		doc = store.Doc{Shelf: store.Cursors, ID: id}
	} else if err != nil {
		return err
	}
	var at followed
	if len(doc.Body) > 0 {
		if err := json.Unmarshal(doc.Body, &at); err != nil {
			return err
		}
	}
	for {
		entries, err := e.store.Entries(ctx, scope, at.Seq, followPage)
		if err != nil || len(entries) == 0 {
			return err
		}
		var failed error
		before := at.Seq
		for _, entry := range entries {
			if failed = f.Entry(ctx, entry); failed != nil {
				break
			}
			at.Seq = entry.Seq
		}
		if at.Seq > before {
			doc.Body = field.Quote(at)
			if doc, err = docs.PutDoc(ctx, doc); err != nil {
				if field.Is(err, field.CodeStale) {
					return nil // another process follows this scope as well
				}
				return err
			}
		}
		if failed != nil {
			return failed
		}
	}
}
