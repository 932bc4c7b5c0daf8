package workflow_test

import (
	"context"
	"testing"

	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/store/storetest"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// between lets somebody else write as soon as something is committed, before who committed it is answered.
type between struct {
	workflow.Committer
	other func()
}

func (b *between) Commit(ctx context.Context, batch protocol.Batch) (protocol.PushResponse, error) {
	resp, err := b.Committer.Commit(ctx, batch)
	b.other()
	return resp, err
}

// counted counts how often records are read by their ids.
type counted struct {
	storetest.Store
	reads int
}

func (c *counted) Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error) {
	c.reads++
	return c.Store.Records(ctx, ids)
}

// A click is answered with what it did, and not with what somebody else has made of the record since. It reads the
// record once.
func TestAClickIsAnsweredWithWhatItDid(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		read, others := &counted{Store: w.store}, &between{Committer: w.engine}
		flow := workflow.New(read, others, alike.New(w.store, w.now), w.now)
		id := w.id()
		others.other = func() {
			w.done(w.flow.Edit(w.ctx, w.act("dai"), field.KindClue, id, w.v(id), quoted(map[string]any{"title": "改过的标题"})))
		}
		made := w.done(flow.Make(w.ctx, w.act("dai"), field.KindClue, id, quoted(map[string]any{"title": "信访件", "channel": "petition"})))
		if made.Text("title") != "信访件" || made.Version >= w.v(id) {
			t.Errorf("who made it is told %s, version %d of %d", made.Document(), made.Version, w.v(id))
		}
		version := w.v(id)
		others.other = func() {
			w.done(w.click("dai", field.KindClue, id, w.v(id), "assign", map[string]any{"handler": w.people["han"].id}))
		}
		act := w.act("dai")
		read.reads = 0
		registered := w.done(flow.Click(w.ctx, act, field.KindClue, id, version, "register", nil))
		if registered.State != field.ClueRegistered || registered.Version != version+1 || registered.Fields["handler"] != nil {
			t.Errorf("who registered it is told %s, %s, version %d after %d", registered.State, registered.Document(), registered.Version, version)
		}
		if read.reads != 1 {
			t.Errorf("a click has read records %d times", read.reads)
		}
		if now := w.get(id); now.State != field.ClueAssigned {
			t.Errorf("nobody has written in between: it is %s", now.State)
		}
		// The same click again, because its answer was lost, gets the record as it stands.
		others.other = func() {}
		if again := w.done(flow.Click(w.ctx, act, field.KindClue, id, version, "register", nil)); again.State != field.ClueAssigned || again.Version != w.v(id) {
			t.Errorf("the repetition is told %s, version %d", again.State, again.Version)
		}
	})
}
