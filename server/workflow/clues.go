package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// ReceiveClue makes a clue that came in by any channel, in a scope of its own that belongs to the actor's organisation.
func (f *Flow) ReceiveClue(ctx context.Context, act Act, id field.ClueID, fields map[string]field.Value) (*field.Record, error) {
	return f.create(ctx, act, field.KindClue, field.MakeScope(field.ScopeClue, string(id)), field.RecordID(id), fields)
}

// EditClue changes what is written in a clue.
func (f *Flow) EditClue(ctx context.Context, act Act, id field.ClueID, version int64, fields map[string]field.Value) (*field.Record, error) {
	return f.edit(ctx, act, field.KindClue, field.RecordID(id), version, fields)
}

// RegisterClue gives a clue its number, the next of the organisation and year.
func (f *Flow) RegisterClue(ctx context.Context, act Act, id field.ClueID, version int64) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "register", nil)
}

// Registers lists the registers of clue numbers, one for each organisation and year, with the numbers that were passed over.
func (f *Flow) Registers(ctx context.Context, who *access.Actor, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindRegister}}, ask)
}

// AssignClue hands a clue to a handler, who sees it from then on.
func (f *Flow) AssignClue(ctx context.Context, act Act, id field.ClueID, version int64, handler field.UserID) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "assign", values{"handler": handler})
}

// ProposeDisposition says what the handler wants to do with a clue.
func (f *Flow) ProposeDisposition(ctx context.Context, act Act, id field.ClueID, version int64, disposition, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "propose", values{"disposition": disposition, "reason": reason})
}

// ApproveDisposition agrees to it; nobody approves the own proposal.
func (f *Flow) ApproveDisposition(ctx context.Context, act Act, id field.ClueID, version int64) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "approve", nil)
}

// HandleClue starts the work on an approved clue.
func (f *Flow) HandleClue(ctx context.Context, act Act, id field.ClueID, version int64) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "handle", nil)
}

// ReportClue says what the work came to.
func (f *Flow) ReportClue(ctx context.Context, act Act, id field.ClueID, version int64, outcome string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "report", values{"outcome": outcome})
}

// CloseClue ends a reported clue; who handled it does not close it.
func (f *Flow) CloseClue(ctx context.Context, act Act, id field.ClueID, version int64, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "close", values{"reason": reason})
}

// FileClue ends a reported clue as a case (立案); who handled it does not file it.
func (f *Flow) FileClue(ctx context.Context, act Act, id field.ClueID, version int64, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "file", values{"reason": reason})
}

// MergeClue ends a clue in favour of another one that the actor sees too.
func (f *Flow) MergeClue(ctx context.Context, act Act, id field.ClueID, version int64, into field.ClueID, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "merge", values{"into": into, "reason": reason})
}

// ReopenClue opens a closed clue again; how often is counted.
func (f *Flow) ReopenClue(ctx context.Context, act Act, id field.ClueID, version int64, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "reopen", values{"reason": reason})
}

// VoidClue takes a clue out of view, with a reason. It is not deleted.
func (f *Flow) VoidClue(ctx context.Context, act Act, id field.ClueID, version int64, reason string) (*field.Record, error) {
	return f.clue(ctx, act, id, version, "void", values{"reason": reason})
}

func (f *Flow) clue(ctx context.Context, act Act, id field.ClueID, version int64, name string, args values) (*field.Record, error) {
	return f.command(ctx, act, field.KindClue, field.RecordID(id), version, name, args)
}

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

// ConfirmEvidence says that a proposed link holds.
func (f *Flow) ConfirmEvidence(ctx context.Context, act Act, id field.RecordID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindLink, id, version, "confirm", nil)
}

// WithdrawEvidence takes a link back, with a reason. It stays in the history.
func (f *Flow) WithdrawEvidence(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindLink, id, version, "withdraw", values{"reason": reason})
}

// ClueFilter narrows a list of clues; empty: all.
type ClueFilter struct {
	State       field.State
	Channel     string
	Violation   string
	Urgency     string
	Batch       string
	Number      string
	Disposition string
	Handler     field.UserID
	FindingID   field.FindingID
}

// Clues lists clues: the most urgent first, then the oldest.
func (f *Flow) Clues(ctx context.Context, who *access.Actor, by ClueFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindClue}, States: states(by.State),
		Keys: where{}.is("channel", by.Channel).is("violation", by.Violation).is("urgency", by.Urgency).is("batch", by.Batch).
			is("number", by.Number).is("disposition", by.Disposition).is("handler", string(by.Handler)).is("findingId", string(by.FindingID)),
	}, ask)
}

// Links lists the evidence links of a clue, withdrawn ones included, the oldest first.
func (f *Flow) Links(ctx context.Context, who *access.Actor, clue field.ClueID, ask Ask) (Records, error) {
	if _, err := f.read(ctx, who, field.KindClue, field.RecordID(clue)); err != nil {
		return Records{}, err
	}
	return f.page(ctx, who, store.Query{Kinds: []field.Kind{field.KindLink}, Keys: where{}.is("clueId", string(clue))}, ask)
}
