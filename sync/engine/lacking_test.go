package engine_test

import (
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// A phone asks after photos for which it holds receipts: what the server did not receive is named, and what is somebody
// else's answers as what is not there. A declaration that was kept, because the access had ended, counts.
func TestTheServerNamesThePhotosThatItLacks(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		sum, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
		declare := func(photo field.RecordID) protocol.Operation {
			return protocol.Operation{ID: photo, Kind: field.KindPhoto, Set: fields(m{"siteId": c.site, "reportId": id(), "sha256": sum, "size": 10, "type": "image/jpeg"})}
		}
		store := func(r *field.Record) {
			c.server(string(r.Scope), protocol.Operation{ID: r.ID, Kind: r.Kind, Base: r.Version, Command: "store", Args: fields(m{"receipt": m{"sha256": sum}})})
		}
		received, declared, hers, kept, waits := id(), id(), id(), id(), id()
		c.push(c.chen, c.scope, declare(received), declare(declared))
		c.push(c.lin, c.scope, declare(hers))
		store(c.get(received))
		store(c.get(hers))
		open := c.chen.Scopes
		c.chen.Scopes = nil
		resp := c.push(c.chen, c.scope, declare(kept), declare(waits))
		store(c.get(c.outcome(resp, 0, protocol.Rejected).RecordID))
		c.chen.Scopes = open
		ask := func(receipted ...protocol.Receipted) []field.RecordID {
			t.Helper()
			page, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Receipted: receipted})
			c.must(err)
			return page.Lacking
		}
		unknown := id()
		lacking := ask(
			protocol.Receipted{Photo: received, SHA256: sum}, protocol.Receipted{Photo: declared, SHA256: sum}, protocol.Receipted{Photo: hers, SHA256: sum},
			protocol.Receipted{Photo: kept, SHA256: sum}, protocol.Receipted{Photo: waits, SHA256: sum}, protocol.Receipted{Photo: unknown, SHA256: sum},
			protocol.Receipted{Photo: "17", SHA256: "x"}, protocol.Receipted{Photo: unknown, SHA256: sum},
		)
		if want := []field.RecordID{declared, hers, waits, unknown, "17"}; !slices.Equal(lacking, want) {
			t.Errorf("lacking are %v, want %v", lacking, want)
		}
		if got := ask(protocol.Receipted{Photo: received, SHA256: other}); !slices.Equal(got, []field.RecordID{received}) {
			t.Errorf("of other bytes %v are lacking", got)
		}
		if got := ask(); len(got) != 0 {
			t.Errorf("who asks for nothing is told %v", got)
		}
		_, err := c.Pull(c.ctx, c.chen, protocol.PullRequest{Device: c.chen.Device, Receipted: make([]protocol.Receipted, protocol.MaxAnswers+1)})
		if !field.Is(err, field.CodeBadRequest) {
			t.Errorf("too many: %v", err)
		}
	})
}
