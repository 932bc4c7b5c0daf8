package workflow

import (
	"context"

	"fieldclue/server/field"
)

// Scoping says whom a grant or a recusal is for, and about what. Until is when a grant ends by itself; empty: never.
type Scoping struct {
	UserID field.UserID
	Scope  field.Scope
	Why    string
	Until  string
}

// GrantAccess lets somebody see one site or clue. Nobody gives what he cannot see himself.
func (f *Flow) GrantAccess(ctx context.Context, act Act, id field.RecordID, g Scoping) (*field.Record, error) {
	return f.create(ctx, act, field.KindGrant, field.MakeScope(field.ScopeUser, string(g.UserID)), id, values{"scope": g.Scope, "why": g.Why, "until": g.Until}.quoted())
}

// DeclareRecusal keeps somebody away from a site, a clue or a campaign (回避), whatever else would allow it.
func (f *Flow) DeclareRecusal(ctx context.Context, act Act, id field.RecordID, r Scoping) (*field.Record, error) {
	return f.create(ctx, act, field.KindRecusal, field.MakeScope(field.ScopeUser, string(r.UserID)), id, values{"scope": r.Scope, "why": r.Why}.quoted())
}
