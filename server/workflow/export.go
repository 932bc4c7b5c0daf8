package workflow

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// ExportableClue gives a clue whose case file the actor may take along.
func (f *Flow) ExportableClue(ctx context.Context, act Act, id field.ClueID) (*field.Record, error) {
	return f.reach(ctx, act, field.KindClue, field.RecordID(id), "export")
}

// Exported is a case file that is about to leave.
type Exported struct {
	Clue   *field.Record
	SHA256 string
	Size   int64
	Photos []field.RecordID // whose originals are in it
}

// RecordExport writes into the register of the managing organisation that a case file leaves, before it does. A click
// that is repeated for the same file is recorded once.
func (f *Flow) RecordExport(ctx context.Context, act Act, e Exported) (*field.Record, error) {
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) < 8 {
		return nil, field.Refuse(field.CodeBadRequest, "A SHA-256 is 64 hexadecimal digits.").InChinese("SHA-256 由 64 位十六进制数字组成。")
	}
	number := act.Number // the same click for another file is another one
	for _, b := range sum[:4] {
		number = (number<<8 | int64(b)) & (1<<62 - 1)
	}
	op := protocol.Operation{
		ID:   field.DeriveID(time.Unix(1_600_000_000, 0), "export", string(act.Device), strconv.FormatInt(act.Number, 10), e.SHA256),
		Kind: field.KindExport,
		Set:  values{"clueId": e.Clue.ID, "by": act.Actor.User, "sha256": e.SHA256, "size": e.Size, "photos": e.Photos}.quoted(),
	}
	// The right to export was asked for; the register itself is the server's to write.
	scribe := &access.Actor{User: act.Actor.User, Org: act.Actor.Org, Device: act.Actor.Device, Server: true}
	_, err = f.commit.Commit(ctx, protocol.Batch{
		Actor: scribe, Device: act.Device, Number: max(1, number), Operations: []protocol.Operation{op}, Strict: true, Trusted: true,
		Scope: field.MakeScope(field.ScopeRegister, e.Clue.Text("managingOrg")),
	})
	if err != nil {
		return nil, err
	}
	return f.load(ctx, field.KindExport, op.ID)
}
