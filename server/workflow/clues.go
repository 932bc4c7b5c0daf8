package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Evidence is what a link ties to a clue.
type Evidence struct {
	Kind     field.Kind // report, photo, interview or finding
	ID       field.RecordID
	Relation string // supports, contradicts, identifies
	Why      string
}

// LinkEvidence ties evidence that the actor can see to a clue.
func (f *Flow) LinkEvidence(ctx context.Context, act Act, id field.RecordID, clue field.ClueID, e Evidence) (*field.Record, error) {
	c, err := f.read(ctx, act.Actor, field.KindClue, field.RecordID(clue))
	if err != nil {
		return nil, err
	}
	return f.create(ctx, act, field.KindLink, c.Scope, id, values{
		"clueId": clue, "targetKind": e.Kind, "targetId": e.ID, "relation": e.Relation, "why": e.Why,
	}.quoted())
}

// Links lists the evidence links of a clue, withdrawn ones included, the oldest first.
func (f *Flow) Links(ctx context.Context, who *access.Actor, clue field.ClueID, ask Ask) (Records, error) {
	if _, err := f.read(ctx, who, field.KindClue, field.RecordID(clue)); err != nil {
		return Records{}, err
	}
	return f.Query(ctx, who, store.Query{Kinds: []field.Kind{field.KindLink}, Keys: where{}.is("clueId", string(clue))}, ask)
}
