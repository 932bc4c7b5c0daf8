package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
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
func (f *Flow) Parked(ctx context.Context, who *access.Actor, state field.State, author field.UserID, code field.Code, ask Ask) (Page[Kept], error) {
	records, next, err := f.listOf(ctx, access.Quarantine(who), store.Query{
		Kinds: []field.Kind{field.KindParked}, States: states(state), Keys: where{}.is("author", string(author)).is("code", string(code)),
	}, ask)
	if err != nil {
		return Page[Kept]{}, err
	}
	return Page[Kept]{Items: keptViews(records), Next: next}, nil
}

// Kept is an operation that was kept, with how it can be resolved and, if it declares a photo, the photo.
type Kept struct {
	protocol.PulledRecord
	Ways  []field.Way `json:"ways"`
	Photo *KeptPhoto  `json:"photo,omitempty"`
}

// KeptPhoto is a photo whose declaration was kept.
type KeptPhoto struct {
	ID      field.RecordID `json:"id"`
	SHA256  string         `json:"sha256"`
	Size    int64          `json:"size"` // bytes
	Type    string         `json:"type"`
	Arrived bool           `json:"arrived"` // its bytes are here: GET /v1/parked/{id}/photo
}

func keptViews(records []*field.Record) []Kept {
	out := make([]Kept, 0, len(records))
	for _, r := range records {
		k := Kept{PulledRecord: protocol.FromRecord(r), Ways: field.WaysFor(r)}
		if d, ok := field.KeptDeclaration(r); ok {
			k.Photo = &KeptPhoto{ID: d.ID, SHA256: d.SHA256, Size: d.Size, Type: d.Type, Arrived: r.Fields["receipt"] != nil}
		}
		out = append(out, k)
	}
	return out
}

// keptFor lists what was kept for a report and its parts and nobody has decided, as far as the reader may see it, the oldest first.
func (f *Flow) keptFor(ctx context.Context, who *access.Actor, report *field.Record) ([]Kept, error) {
	found, _, err := f.upTo(ctx, store.Query{
		Visible: access.Quarantine(who), Kinds: []field.Kind{field.KindParked}, States: []field.State{field.StateOpen}, Keys: where{}.is("reportId", string(report.ID)),
	}, mostParts)
	return keptViews(field.SentTo(found, report.Scope)), err
}

// KeptPhoto is the photo that a kept operation declares, as the record of it would be, if its bytes are here and the actor may see what was
// kept. Anything else is CodeNotFound.
func (f *Flow) KeptPhoto(ctx context.Context, who *access.Actor, id field.RecordID) (*field.Record, error) {
	r, err := f.read(ctx, who, field.KindParked, id)
	if err != nil {
		return nil, err
	}
	d, ok := field.KeptDeclaration(r)
	target := field.Scope(r.Text("target"))
	if !ok || r.Fields["receipt"] == nil || target.Type() != field.ScopeSite {
		return nil, field.Refuse(field.CodeNotFound, "These bytes are not here yet.").InChinese("该文件内容尚未到达。").About(string(id))
	}
	info := r.Info
	if head, err := f.store.Head(ctx, target); err == nil {
		info = head.Info
	} else if !field.Is(err, field.CodeNotFound) {
		return nil, err
	}
	photo := &field.Record{ID: d.ID, Kind: field.KindPhoto, Scope: target, Info: info, Author: field.UserID(r.Text("author")), Fields: map[string]field.Value{
		"sha256": field.Quote(d.SHA256), "type": field.Quote(d.Type), "receipt": r.Fields["receipt"],
	}}
	if field.ValidID(string(d.Report)) {
		photo.Fields["reportId"] = field.Quote(d.Report)
	}
	return photo, nil
}

// AcceptParked lets a kept operation take its effect, in the name of who sent it, with what a correction puts in place of parts of
// it; nil: as it is.
func (f *Flow) AcceptParked(ctx context.Context, act Act, id field.RecordID, version int64, correction field.Value) (*field.Record, error) {
	args := values{}
	if correction != nil {
		args["correction"] = correction
	}
	return f.command(ctx, act, field.KindParked, id, version, "accept", args)
}

// TakeOver is how the content of a kept operation came into the record by hand: an operation that is done now, or the version of a
// record that somebody has made.
type TakeOver struct {
	Operation     field.Value    `json:"operation"` // as in a push, with scope where it is another one than was meant
	RecordID      field.RecordID `json:"recordId"`
	RecordVersion int64          `json:"recordVersion"`
	Note          string         `json:"note"`
}

// TakeOverParked resolves a kept operation by an act of the actor's own, or by one that was done before.
func (f *Flow) TakeOverParked(ctx context.Context, act Act, id field.RecordID, version int64, t TakeOver) (*field.Record, error) {
	args := values{"recordId": t.RecordID, "reason": t.Note}
	if t.Operation != nil {
		args["operation"] = t.Operation
	}
	if t.RecordVersion != 0 {
		args["recordVersion"] = t.RecordVersion
	}
	return f.command(ctx, act, field.KindParked, id, version, "takeover", args)
}

// SettleParked says what was done about a parked operation.
func (f *Flow) SettleParked(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindParked, id, version, "settle", values{"reason": reason})
}

// DestroyParked says that what was sealed of an operation may be read no more. Whoever serves this destroys the key then.
func (f *Flow) DestroyParked(ctx context.Context, act Act, id field.RecordID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindParked, id, version, "destroy", values{"reason": reason})
}
