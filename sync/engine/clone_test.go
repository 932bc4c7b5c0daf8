package engine_test

import (
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// send pushes one batch with its number and how far the phone had read.
func (c *county) send(who field.DeviceID, number, seen int64, op protocol.Operation) (protocol.PushResponse, error) {
	in := protocol.PushRequest{Device: who, Batch: number, Scope: c.scope, Operations: []protocol.Operation{op}}
	if seen > 0 {
		marks, err := c.store.Marks(c.ctx, c.scope, seen-1, 1)
		c.must(err)
		in.Seen = &protocol.Cursor{Seq: seen, Hash: marks[0].Hash}
	}
	return c.Push(c.ctx, c.chen, in)
}

// A version that a phone learnt from an outcome covers what others wrote in between and the phone never saw. What it had read
// when it sealed the batch bounds what it can know.
func TestAVersionFromAnOutcomeCoversNothingUnseen(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		seen := c.get(report).Version
		c.outcome(c.push(c.lin, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"summary": "林写的"})}), 0, protocol.Applied)
		resp, err := c.send(c.chen.Device, c.next(), seen, protocol.Operation{ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"activeSeconds": 60})})
		c.must(err)
		learnt := c.outcome(resp, 0, protocol.Merged).Version

		resp, err = c.send(c.chen.Device, c.next(), seen, protocol.Operation{ID: report, Kind: field.KindReport, Base: learnt, Set: fields(m{"summary": "陈写的"})})
		c.must(err)
		c.outcome(resp, 0, protocol.Conflict)
		if got := c.get(report).Text("summary"); got != "林写的" {
			t.Errorf("the summary that the phone never saw is overwritten by %s", got)
		}
		resp, err = c.send(c.chen.Device, c.next(), seen, protocol.Operation{ID: report, Kind: field.KindReport, Base: learnt, Command: "void", Args: fields(m{"reason": "重复"})})
		c.must(err)
		if out := c.outcome(resp, 0, protocol.Rejected); out.Code != field.CodeStale {
			t.Errorf("a command on what was never seen: %+v", out)
		}
		// Its own earlier write is no conflict, though it has not pulled since.
		resp, err = c.send(c.chen.Device, c.next(), seen, protocol.Operation{ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"activeSeconds": 90})})
		c.must(err)
		c.outcome(resp, 0, protocol.Merged)
		c.sound()
	})
}

// A phone that was put back to an older state, or cloned, uses a number again. What was written in its name until then may be
// the other copy's, and stands against it.
func TestACopyOfAPhoneOverwritesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		seen, device := c.get(report).Version, c.chen.Device
		edit := func(base int64, text string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(m{"summary": text})}
		}
		resp, err := c.send(device, 1000, seen, edit(seen, "原机写的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Applied)
		resp, err = c.send(device, 1001, seen, edit(seen, "原机又写的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Applied)

		before := c.get(report).Version
		_, err = c.send(device, 1000, seen, edit(seen, "备份里的"))
		if e := field.AsError(err); e.Code != field.CodeBatchReused || e.Highest != 1001 {
			t.Fatalf("a number that was used: %v, highest %d", err, e.Highest)
		}
		resp, err = c.send(device, 1002, seen, edit(seen, "备份里的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Conflict)
		if r := c.get(report); r.Text("summary") != "原机又写的" || r.Version != before {
			t.Errorf("the copy has overwritten %s at %d", r.Text("summary"), r.Version)
		}
		// Another server learns of it from the store.
		other := c.anotherServer()
		if resp, err = other.send(device, 1003, seen, edit(seen, "又一次")); err != nil {
			t.Fatal(err)
		}
		c.outcome(resp, 0, protocol.Conflict)
		// Who has pulled knows what there is, and writes on.
		now := c.get(report).Version
		resp, err = c.send(device, 1004, now, edit(now, "看过以后写的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Applied)
		c.sound()
	})
}
