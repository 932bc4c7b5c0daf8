package engine_test

import (
	"context"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// lively is a store in which somebody writes after each read of what changed in a scope, as long as there is something
// to write.
type lively struct {
	engine.Kept
	scope field.Scope
	write func()
	left  int
}

func (r *lively) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	rs, err := r.Kept.Changed(ctx, scope, after, upTo, limit)
	if scope == r.scope && r.left > 0 {
		r.left--
		r.write()
	}
	return rs, err
}

// A record that people go on changing while all is verified comes up again behind the others. It is looked at and
// counted once.
func TestWhatChangesWhileItIsVerifiedCountsOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		r := &lively{Kept: c.store, scope: c.scope, left: 3, write: func() {
			c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"summary": string(id())})})
		}}
		looked := map[field.RecordID]int{}
		v, err := engine.Verify(c.ctx, r, engine.Look{Record: func(rec *field.Record) error {
			looked[rec.ID]++
			return nil
		}})
		c.must(err)
		if len(v.Faults) != 0 || r.left != 0 {
			t.Errorf("%d writes did not come; %v", r.left, v.Faults)
		}
		for id, n := range looked {
			if n != 1 {
				t.Errorf("record %s was looked at %d times", id, n)
			}
		}
		if looked[report] != 1 || v.Records+v.Moved != int64(len(looked)) {
			t.Errorf("%d records and %d that moved, of %d", v.Records, v.Moved, len(looked))
		}
	})
}
