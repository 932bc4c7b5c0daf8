package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// notUnderstood is an operation of every sort that this server does not understand.
func notUnderstood() []protocol.Operation {
	return []protocol.Operation{
		{ID: id(), Kind: "drone", Set: fields(m{"x": "y"})},
		{ID: id(), Kind: field.KindSite, Set: fields(m{"mood": "bad"})},
		{ID: id(), Kind: field.KindProject, Base: 1, Command: "teleport"},
		{ID: id(), Kind: field.KindSite, Base: 1, Set: fields(m{"name": "x"})},
	}
}

// Nonsense stays with its author, whatever shared scope it is sent to: nobody else pulls it.
func TestNonsenseStaysWithItsAuthor(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		own := field.MakeScope(field.ScopeUser, string(c.chen.User))
		for _, scope := range []field.Scope{"org/bijie", "org/gz-liwan", "org/qiannan", c.scope, "clue/" + field.Scope(id()), "user/" + field.Scope(c.lin.User)} {
			resp := c.push(c.chen, scope, notUnderstood()...)
			for i := range resp.Outcomes {
				if r := c.get(c.outcome(resp, i, protocol.Rejected).RecordID); r.Scope != own {
					t.Errorf("what was sent to %s lies in %s", scope, r.Scope)
				}
			}
		}
		all, err := c.store.List(t.Context(), store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindParked}, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Scope != own {
				t.Errorf("%s lies in %s", r.Text("code"), r.Scope)
			}
			for _, other := range []*access.Actor{c.lin, c.stranger} {
				if access.MayRead(other, r.Scope, r.Info) {
					t.Errorf("%s pulls it", other.Name)
				}
			}
		}
	})
}

// What lies undecided of one person is bounded. Over it a batch is refused as a whole, with what was good in it, and
// comes again.
func TestWhatIsKeptOfOnePersonIsBounded(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.Engine = engine.New(engine.Options{Store: c.store, Now: c.clock.now, ActorOf: c.whois, Kept: 5, KeptBytes: 100_000})
		first := c.push(c.chen, c.scope, notUnderstood()...)
		before := c.state()
		good := id()
		batch := protocol.PushRequest{
			Device: c.chen.Device, Batch: 9001, Scope: c.scope,
			Operations: append([]protocol.Operation{c.reportOp(good)}, notUnderstood()...),
		}
		refused := func(what string, req protocol.PushRequest) {
			t.Helper()
			if _, err := c.Push(t.Context(), c.chen, req); !field.Is(err, field.CodeTooMuchKept) {
				t.Fatalf("%s: %v", what, err)
			}
			if after := c.state(); after != before {
				t.Errorf("%s: something was written:\n%s\n%s", what, before, after)
			}
		}
		refused("four more, with a good one", batch)
		refused("one that is large", protocol.PushRequest{Device: c.chen.Device, Batch: 9002, Scope: "org/gz-liwan", Operations: []protocol.Operation{
			{ID: id(), Kind: "drone", Set: fields(m{"x": strings.Repeat("x", 100_000)})},
		}})
		// Others, and what is good, go on.
		c.push(c.lin, c.scope, notUnderstood()...)
		c.outcome(c.push(c.chen, c.scope, c.reportOp(id())), 0, protocol.Applied)
		// One is decided: there is room for that one, and the batch comes whole when there is room for all.
		for i := range first.Outcomes {
			c.must(c.click(c.zhao, c.get(first.Outcomes[i].RecordID), "settle", m{"reason": "误发"}))
		}
		resp, err := c.Push(t.Context(), c.chen, batch)
		if err != nil || len(resp.Outcomes) != 5 || c.get(good) == nil {
			t.Fatalf("the batch came again: %v %+v", err, resp)
		}
		if again, err := c.Push(t.Context(), c.chen, batch); err != nil || !again.Replayed {
			t.Errorf("a batch that is repeated: %v", err)
		}
	})
}

// state is where all scopes stand.
func (c *county) state() string {
	c.t.Helper()
	heads, err := c.store.Heads(c.ctx, store.ListScopes{Visible: access.Everything, Limit: 5000})
	if err != nil {
		c.t.Fatal(err)
	}
	var all strings.Builder
	for _, h := range heads {
		fmt.Fprintf(&all, "%s %d %x\n", h.Scope, h.Seq, h.Hash)
	}
	return all.String()
}
