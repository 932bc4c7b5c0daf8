package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Inbox lists what lies in the actor's own inbox: work that came back first, then the newest.
func (f *Flow) Inbox(ctx context.Context, who *access.Actor, state field.State, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Scope: field.MakeScope(field.ScopeUser, string(who.User)), Kinds: []field.Kind{field.KindNotice}, States: states(state),
	}, ask)
}

// ReadNotice marks a notice of the own inbox as read.
func (f *Flow) ReadNotice(ctx context.Context, act Act, id field.RecordID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindNotice, id, version, "read", nil)
}

// Conflicts lists values that lost against another one: both are kept until somebody chooses. recordID narrows it to
// one record.
func (f *Flow) Conflicts(ctx context.Context, who *access.Actor, state field.State, recordID field.RecordID, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindConflicts}, States: states(state), Keys: where{}.is("recordId", string(recordID)),
	}, ask)
}

// ResolveConflict chooses between the current value and the offered one, or writes a third.
func (f *Flow) ResolveConflict(ctx context.Context, act Act, id field.RecordID, version int64, take string, value field.Value) (*field.Record, error) {
	args := values{"take": take}
	if value != nil {
		args["value"] = value
	}
	return f.command(ctx, act, field.KindConflicts, id, version, "resolve", args)
}

// Parked lists operations that could not be applied and are kept for review: those in scopes that the actor reads, and
// for who decides about them, those that people of the organisation sent to scopes that were closed to them. author and
// code narrow it.
func (f *Flow) Parked(ctx context.Context, who *access.Actor, state field.State, author field.UserID, code field.Code, ask Ask) (Records, error) {
	records, next, err := f.listOf(ctx, access.Quarantine(who), store.Query{
		Kinds: []field.Kind{field.KindParked}, States: states(state), Keys: where{}.is("author", string(author)).is("code", string(code)),
	}, ask)
	if err != nil {
		return Records{}, err
	}
	return Records{Items: wire(records), Next: next}, nil
}

// AcceptParked lets a kept operation take its effect, in the name of who sent it.
func (f *Flow) AcceptParked(ctx context.Context, act Act, id field.RecordID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindParked, id, version, "accept", nil)
}

// SettleParked says what was done about a parked operation.
func (f *Flow) SettleParked(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindParked, id, version, "settle", values{"reason": reason})
}

// DestroyParked says that what was sealed of an operation may be read no more. Whoever serves this destroys the key then.
func (f *Flow) DestroyParked(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindParked, id, version, "destroy", values{"reason": reason})
}
