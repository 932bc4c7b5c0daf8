package engine_test

import (
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Two operations that were kept in one batch are read one after the other: what the server notes of the first look does
// not take the place of the second.
func TestEverythingKeptOfOneBatchCanBeRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		op := func() protocol.Operation {
			return protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": "身份证11010519491231002X"})}
		}
		resp := c.push(c.chen, c.scope, op(), op(), op())
		for i := range resp.Outcomes {
			kept := c.outcome(resp, i, protocol.Rejected).RecordID
			for range 2 {
				if content, err := c.Content(c.ctx, c.chen, kept); err != nil || len(content) == 0 {
					t.Errorf("operation %d: %v", i, err)
				}
			}
			if n := c.get(kept).Int("reads"); n != 2 {
				t.Errorf("operation %d was read %d times", i, n)
			}
		}
	})
}
