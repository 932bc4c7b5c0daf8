package app

import (
	"context"
	"slices"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/sync/anchor"
)

// growing is a store of statements to which another is added when all were listed.
type growing struct {
	blob.Store
	then func()
}

func (g *growing) Each(ctx context.Context, fn func(blob.Info) error) error {
	err := g.Store.Each(ctx, fn)
	if then := g.then; then != nil {
		g.then = nil
		then()
	}
	return err
}

// The key is changed and statements are kept while others are read. None of that is a fault.
func TestStatementsAreHeardWhileTheKeyIsChanged(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		f.clue()
		p := &parts{store: f.holds.store, anchors: f.holds.originals}
		ring, err := p.keys(t.Context())
		f.must(err)
		say := func() {
			t.Helper()
			_, n, err := p.keepStatement(t.Context(), time.Now(), false)
			if f.must(err); n == 0 {
				t.Error("a statement about nothing")
			}
		}
		hear := func(what string, want int) {
			t.Helper()
			n, _, faults, err := p.hear(t.Context(), ring.Keys, &anchor.Witness{}) // as they were when verifying began
			if f.must(err); n != want || len(faults) > 0 {
				t.Errorf("%s: %d statements, want %d; faults %q", what, n, want, faults)
			}
		}
		say()
		hear("one key", 1)
		_, doc, err := storedKey(t.Context(), p.store)
		f.must(err)
		next, old := newKey(), slices.Clone(ring.Keys)
		old[0].Until = next.From
		next.Older = old
		doc.Body = field.Quote(next)
		_, err = p.store.PutDoc(t.Context(), doc)
		f.must(err)
		say()
		hear("by a new key", 2)
		p.anchors = &growing{p.anchors, say}
		hear("and one that came after the list", 2)
		hear("which is in the next", 3)
	})
}
