package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// keptKind is the kind of operations that were refused and are kept.
var keptKind = field.KindFor(field.UseKept)

// Inbox lists what lies in the actor's own inbox: work that came back first, then the newest.
func (f *Flow) Inbox(ctx context.Context, who *access.Actor, state field.State, ask Ask) (Records, error) {
	return f.Query(ctx, who, store.Query{
		Scope: field.MakeScope(field.ScopeUser, string(who.User)), Kinds: []field.Kind{field.KindFor(field.UseNotice)}, States: states(state),
	}, ask)
}

// Parked lists operations that could not be applied and are kept for review: those in scopes that the actor reads, and
// for who decides about them, those that people of the organisation sent to scopes that were closed to them. author and
// code narrow it.
func (f *Flow) Parked(ctx context.Context, who *access.Actor, state field.State, author field.UserID, code field.Code, ask Ask) (Page[Kept], error) {
	records, next, err := f.listOf(ctx, access.Quarantine(who), store.Query{
		Kinds: []field.Kind{keptKind}, States: states(state), Keys: where{}.is("author", string(author)).is("code", string(code)),
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

// keptFor lists what was kept for a report and its parts and nobody has decided, as far as the reader may see it, the
// oldest first.
func (f *Flow) keptFor(ctx context.Context, who *access.Actor, report *field.Record) ([]Kept, error) {
	found, err := f.everyOf(ctx, store.Query{
		Visible: access.Quarantine(who), Kinds: []field.Kind{keptKind}, States: []field.State{field.StateOpen}, Keys: where{}.is("reportId", string(report.ID)),
	})
	return keptViews(field.SentTo(found, report.Scope)), err
}

// KeptPhoto is the photo that a kept operation declares, as the record of it would be, if its bytes are here and the
// actor may see what was kept. Anything else is CodeNotFound.
func (f *Flow) KeptPhoto(ctx context.Context, who *access.Actor, id field.RecordID) (*field.Record, error) {
	r, err := f.read(ctx, who, keptKind, id)
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
	photo := &field.Record{ID: d.ID, Kind: d.Kind, Scope: target, Info: info, Author: field.UserID(r.Text("author")), Fields: map[string]field.Value{
		"sha256": field.Quote(d.SHA256), "type": field.Quote(d.Type), "receipt": r.Fields["receipt"],
	}}
	if field.ValidID(string(d.Report)) {
		photo.Fields["reportId"] = field.Quote(d.Report)
	}
	return photo, nil
}
