package engine_test

import (
	"slices"
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

// A version that a phone learnt from an outcome covers what others wrote in between and the phone never saw. What it
// had read when it sealed the batch bounds what it can know.
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

// A record that changes again while a phone reads its scope is left out of the page: the cursor passes a version that
// the phone never saw. An app that takes its base from an outcome must not count it as seen.
func TestACursorProvesNotThatARecordWasRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		edit := func(base int64, set m) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(set)}
		}
		first := c.get(report).Version
		c.outcome(c.push(c.lin, c.scope, edit(first, m{"summary": "林写的"})), 0, protocol.Applied)
		read := c.get(report).Version // as far as the page went, when lin wrote again
		c.outcome(c.push(c.lin, c.scope, edit(read, m{"activeSeconds": 60})), 0, protocol.Applied)
		resp, err := c.send(c.chen.Device, c.next(), read, edit(c.get(report).Version, m{"summary": "陈写的"}))
		c.must(err)
		c.outcome(resp, 0, protocol.Conflict)
		if got := c.get(report).Text("summary"); got != "林写的" {
			t.Errorf("%s has overwritten what its writer never read", got)
		}
		c.sound()
	})
}

// A phone that was put back to an older state, or cloned, uses a number again. What was written in its name until then
// may be the other copy's, and stands against it.
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
		// Both copies go on, and what each offers stays.
		resp, err = c.send(device, 1005, c.get(report).Version, edit(c.get(report).Version, "原机后来写的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Applied)
		var offered []string
		for i, text := range []string{"备份后来写的", "备份最后写的"} {
			resp, err = other.send(device, int64(1006+i), before, edit(before, text))
			c.must(err)
			conflict := c.outcome(resp, 0, protocol.Conflict).Conflicts[0]
			offered = append(offered, c.get(conflict).Text("offered"))
		}
		for _, r := range c.list(field.KindConflict, field.KeyFor("recordId", report)) {
			offered = slices.DeleteFunc(offered, func(text string) bool { return text == r.Text("offered") })
		}
		if r := c.get(report); r.Text("summary") != "原机后来写的" || len(offered) > 0 {
			t.Errorf("the summary is %s, and nobody finds %v any more", r.Text("summary"), offered)
		}
		// Who has pulled knows what there is, and writes on.
		now := c.get(report).Version
		resp, err = c.send(device, 1008, now, edit(now, "看过以后写的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Applied)
		c.sound()
	})
}

// Copies of a phone that write to one scope now and then never use a number twice there: they count on while they write
// elsewhere. What each says it sealed before tells them apart, whichever comes first.
func TestCopiesWhoseNumbersNeverMeetAreToldApart(t *testing.T) {
	for name, order := range map[string][]int64{"the lower number first": {1002, 1004}, "the lower number late": {1004, 1002}} {
		t.Run(name, func(t *testing.T) {
			onBothStores(t, func(t *testing.T, c *county) {
				report, device := c.newReport(c.chen), c.chen.Device
				seen := c.get(report).Version
				send := func(number, previous int64, set m) protocol.Outcome {
					t.Helper()
					resp, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: device, Batch: number, Previous: &previous, Scope: c.scope, Operations: []protocol.Operation{
						{ID: report, Kind: field.KindReport, Base: seen, Set: fields(set)},
					}})
					c.must(err)
					return resp.Outcomes[0]
				}
				before, err := c.store.LastBatch(c.ctx, c.scope, device)
				c.must(err)
				send(1000, before, m{"summary": "副本之前"}) // both copies know of it
				send(order[0], 1000, m{"summary": "甲"})
				if out := send(order[1], 1000, m{"summary": "乙"}); out.Outcome != protocol.Conflict {
					t.Errorf("%+v", out)
				}
				if out := send(1006, order[0], m{"summary": "甲又写的"}); out.Outcome != protocol.Conflict { // from now on only what was pulled is its own
					t.Errorf("%+v", out)
				}
				if got := c.get(report).Text("summary"); got != "甲" {
					t.Errorf("the summary is %s", got)
				}
				c.sound()
			})
		})
	}
}

// One phone is not taken for two: not when a batch comes late, nor when one was refused as a whole or lost with a store
// that was put back.
func TestOnePhoneIsNotTakenForTwo(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report, device := c.newReport(c.chen), c.chen.Device
		seen := c.get(report).Version
		send := func(number, previous int64, text string, want protocol.OutcomeKind) {
			t.Helper()
			resp, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: device, Batch: number, Previous: &previous, Scope: c.scope, Operations: []protocol.Operation{
				{ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"summary": text})},
			}})
			c.must(err)
			c.outcome(resp, 0, want)
		}
		before, err := c.store.LastBatch(c.ctx, c.scope, device)
		c.must(err)
		send(1000, before, "一", protocol.Applied)
		send(1003, 1000, "二", protocol.Applied)
		send(1009, 1006, "三", protocol.Applied)   // 1006 has not come
		send(1006, 1003, "迟到", protocol.Conflict) // and meets one that was sealed later
		scopes := c.chen.Scopes
		c.chen.Scopes = nil
		send(1010, 1009, "无权", protocol.Rejected) // refused as a whole: it stands in the sender's own scope
		c.chen.Scopes = scopes
		send(1012, 1010, "四", protocol.Applied)
		if _, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: device, Batch: 1013, Previous: new(int64(1013)), Scope: c.scope, Operations: []protocol.Operation{c.reportOp(id())}}); !field.Is(err, field.CodeBadRequest) {
			t.Errorf("a batch before itself: %v", err)
		}
		c.sound()
	})
}

// The sign that there are two copies is found in one scope and holds in all, and at once with every server: the next
// batch goes to another one.
func TestTheSignOfACopyHoldsEverywhere(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report, device := c.newReport(c.chen), c.chen.Device
		seen := c.get(report).Version
		edit := func(text string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"summary": text})}
		}
		other := c.anotherServer()
		for i, server := range []*county{c, other} { // both have asked before there is a sign
			resp, err := server.send(device, int64(1000+i), seen, edit([]string{"原机写的", "原机又写的"}[i]))
			c.must(err)
			c.outcome(resp, 0, protocol.Applied)
		}
		own := field.MakeScope(field.ScopeUser, string(c.chen.User))
		for _, text := range []string{"甲", "乙"} { // the number is used twice, somewhere else
			_, err := c.Push(c.ctx, c.chen, protocol.PushRequest{Device: device, Batch: 7, Scope: own, Operations: []protocol.Operation{
				{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": text})},
			}})
			if text == "乙" && !field.Is(err, field.CodeBatchReused) {
				t.Fatalf("a number that was used: %v", err)
			}
		}
		resp, err := other.send(device, 1002, seen, edit("备份里的"))
		c.must(err)
		c.outcome(resp, 0, protocol.Conflict)
		if got := c.get(report).Text("summary"); got != "原机又写的" {
			t.Errorf("the copy has overwritten it with %s", got)
		}
		c.sound()
	})
}

// A batch with a lower number was sealed before one with a higher, or by a copy. It comes later and overwrites nothing
// of it.
func TestAnOlderBatchOverwritesNoNewerOne(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		seen := c.get(report).Version
		for i, batch := range []struct {
			number int64
			want   protocol.OutcomeKind
		}{{1002, protocol.Applied}, {1001, protocol.Conflict}, {1003, protocol.Applied}} {
			resp, err := c.send(c.chen.Device, batch.number, seen, protocol.Operation{
				ID: report, Kind: field.KindReport, Base: seen, Set: fields(m{"summary": []string{"后写的", "先写的", "再后写的"}[i]}),
			})
			c.must(err)
			c.outcome(resp, 0, batch.want)
		}
		if got := c.get(report).Text("summary"); got != "再后写的" {
			t.Errorf("the summary is %s", got)
		}
		c.sound()
	})
}

// A server that does not know yet what another one wrote keeps a batch of somebody whose access has ended. What the
// phone had read by then was read in this history, and when the batch is accepted it overwrites nothing and meets no
// conflict either.
func TestWhatIsKeptSaysHowFarItsPhoneHadRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		edit := func(text string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Set: fields(m{"summary": text})}
		}
		other := c.anotherServer()
		_, err := other.send(c.chen.Device, 1000, c.get(report).Version, edit("陈写的"))
		c.must(err)
		c.outcome(c.push(c.lin, c.scope, edit("林写的")), 0, protocol.Applied)
		scopes, read := c.chen.Scopes, c.get(report).Version
		c.chen.Scopes = nil
		resp, err := other.send(c.chen.Device, 1001, read, edit("看过以后写的"))
		c.must(err)
		kept := c.outcome(resp, 0, protocol.Rejected).RecordID
		if got := c.get(kept).Int("seen"); got != read {
			t.Errorf("the phone had read up to %d, and what is kept says %d", read, got)
		}
		c.chen.Scopes = scopes
		c.must(c.click(c.zhao, c.get(kept), "accept", nil))
		if got := c.get(report).Text("summary"); got != "看过以后写的" {
			t.Errorf("the summary is %s", got)
		}
		c.sound()
	})
}

// Somebody at the desk has read what another server wrote, and clicks on it at a server that has not heard of it.
func TestAClickMeetsWhatAnotherServerWrote(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen) // this server knows the end of the scope
		_, err := c.anotherServer().send(c.chen.Device, 1000, c.get(report).Version, protocol.Operation{ID: report, Kind: field.KindReport, Base: c.get(report).Version, Command: "submit"})
		c.must(err)
		c.must(c.click(c.zhao, c.get(report), "take", nil))
		c.sound()
	})
}
