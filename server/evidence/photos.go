package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/access"
	"fieldclue/server/checks"
	"fieldclue/server/field"
	"fieldclue/server/space"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Ledger joins uploads to the log: what was declared there, and that it has arrived. It is the intake.Ledger of the
// server.
type Ledger struct {
	engine *engine.Engine
	store  storage.Store
	people People
	space  *space.Index
}

// People tells who somebody is right now, for what is done in the person's name: server/accounts does. CodeTokenInvalid
// when there is no such person, or the person has left.
type People interface {
	Actor(ctx context.Context, user field.UserID) (*access.Actor, error)
}

// NewLedger makes the ledger of a server.
func NewLedger(e *engine.Engine, s storage.Store, people People, room *space.Index) *Ledger {
	return &Ledger{engine: e, store: s, people: people, space: room}
}

// DeclaredPhoto finds the declaration of a photo that somebody may upload: who has declared it, also when the access
// ended since, so that no half of a photo is lost. Others have not taken it, and are told what is told of a photo that
// is not there. A declaration that was kept, because the access had ended when it came, counts too: the bytes wait with
// it.
func (l *Ledger) DeclaredPhoto(ctx context.Context, who intake.Uploader, photoID string) (intake.Declared, error) {
	var unknown error = field.Refuse(field.CodePhotoNotDeclared, "").About(photoID)
	actor, err := l.people.Actor(ctx, field.UserID(who.User))
	if err != nil {
		return intake.Declared{}, err
	}
	photo, err := l.photo(ctx, photoID)
	if err != nil {
		return intake.Declared{}, err
	}
	if photo == nil {
		kept, declared, err := l.keptPhoto(ctx, actor.User, photoID)
		if err != nil || kept == nil {
			if err == nil {
				err = unknown
			}
			return intake.Declared{}, err
		}
		return declared, nil
	}
	own := photo.Author == actor.User && !photo.Deleted
	if !own || photo.State != field.PhotoDeclared && access.May(actor, "photo.create", photo.Scope, photo.Info) != nil {
		if _, _, err := l.keptPhoto(ctx, actor.User, photoID); err != nil { // what is not there is looked for longest
			return intake.Declared{}, err
		}
		return intake.Declared{}, unknown
	}
	return intake.Declared{
		PhotoID: photoID, Sum: blob.Sum(photo.Text("sha256")), Size: photo.Int("size"), Type: photo.Text("type"),
		Org: string(photo.Info.Owner()), At: photo.CreatedAt, Stored: photo.Fields["receipt"] != nil, Receipt: json.RawMessage(photo.Fields["receipt"]),
	}, nil
}

// keptPhoto finds the declaration of a photo among the kept operations of somebody, for a scope in which the
// organisation takes part; nil when there is none. Of several it is the newest: what was wrong with the others was
// corrected in it.
func (l *Ledger) keptPhoto(ctx context.Context, user field.UserID, photoID string) (kept *field.Record, d intake.Declared, err error) {
	if !field.ValidID(photoID) {
		return nil, d, nil
	}
	q := store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindParked}, States: []field.State{field.StateOpen},
		Keys: []string{field.KeyFor("recordId", photoID), field.KeyFor("author", user)}, Limit: 100,
	}
	err = store.EachPage(ctx, l.store, q, func(page []*field.Record) error {
		for _, r := range page {
			declared, ok, err := l.declaredIn(ctx, r, photoID)
			if err != nil {
				return err
			}
			if ok && (kept == nil || !r.CreatedAt.Before(kept.CreatedAt)) {
				kept, d = r, declared
			}
		}
		return nil
	})
	return kept, d, err
}

// declaredIn reads the declaration of a photo that a kept operation is; ok is false when it is none.
func (l *Ledger) declaredIn(ctx context.Context, r *field.Record, photoID string) (d intake.Declared, ok bool, err error) {
	said, ok := field.KeptDeclaration(r)
	if !ok || string(said.ID) != photoID {
		return d, false, nil
	}
	sum, err := blob.ParseSum(said.SHA256)
	if err != nil {
		return d, false, nil
	}
	head, err := l.store.Head(ctx, field.Scope(r.Text("target")))
	if field.Is(err, field.CodeNotFound) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	if len(r.Info.Orgs) == 0 || !head.Info.Has(r.Info.Orgs[0]) {
		return d, false, nil
	}
	return intake.Declared{
		PhotoID: photoID, Sum: sum, Size: said.Size, Type: said.Type,
		Org: string(r.Info.Owner()), At: r.CreatedAt, Stored: r.Fields["receipt"] != nil, Receipt: json.RawMessage(r.Fields["receipt"]),
	}, true, nil
}

// Has reports whether the sender has sent the same bytes before, or may read a photo with them that has arrived. A hash
// is no secret, and the receipt of a photo opens its original: anyone who names a hash must have the bytes, or be able
// to read them anyway.
func (l *Ledger) Has(ctx context.Context, who intake.Uploader, d intake.Declared) (bool, error) {
	actor, err := l.people.Actor(ctx, field.UserID(who.User))
	if err != nil {
		return false, err
	}
	has := false
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindPhoto}, Keys: []string{field.KeyFor("sha256", d.Sum)}, Limit: 100}
	err = store.EachPage(ctx, l.store, q, func(same []*field.Record) error {
		has = has || slices.ContainsFunc(same, func(r *field.Record) bool {
			return r.Fields["receipt"] != nil && r.Int("size") == d.Size && (r.Author == actor.User || access.MayRead(actor, r.Scope, r.Info))
		})
		return nil
	})
	return has, err
}

// Room asks whether the organisation has room for a declared photo.
func (l *Ledger) Room(ctx context.Context, d intake.Declared) error {
	return l.space.Room(ctx, space.Photo{
		ID: field.RecordID(d.PhotoID), Org: field.OrgID(d.Org), SHA256: string(d.Sum), Size: d.Size, DeclaredAt: d.At,
	})
}

// PhotoStored records that the bytes of a photo are safe, with the receipt, and so moves its report on. That the same
// bytes stand elsewhere is flagged in the same commit: no report is ahead of that.
func (l *Ledger) PhotoStored(ctx context.Context, p intake.StoredPhoto) (json.RawMessage, error) {
	photo, known, err := l.storedPhoto(ctx, p)
	if err != nil || known != nil {
		return known, err
	}
	args := map[string]field.Value{
		"receipt": field.Value(p.Receipt), "interruptions": field.Quote(p.Broken),
		"sentBy": field.Quote(p.By.User), "sentFrom": field.Quote(p.By.Device),
	}
	if len(p.Interruptions) > 0 {
		args["breaks"] = field.Quote(p.Interruptions)
	}
	if p.Already {
		args["already"] = field.Quote(true)
	}
	var flags []protocol.Operation
	if photo.Kind == field.KindPhoto {
		var in checks.Photo
		if in.SameCount, in.SameHash, err = l.same(ctx, photo); err != nil {
			return nil, err
		}
		flags = raise(photo, checks.Same(in))
	}
	// Named after the record, not after the photo: a photo may have been declared, refused and uploaded before.
	err = l.command(ctx, photo, "server/intake/"+string(photo.ID), "store", args, flags...)
	if err == nil {
		return p.Receipt, nil
	}
	if _, known, e := l.storedPhoto(ctx, p); e == nil && known != nil {
		return known, nil // another server was first
	}
	return nil, err
}

// storedPhoto finds the record, or the kept declaration, that the bytes belong to, with the receipt if it has one.
func (l *Ledger) storedPhoto(ctx context.Context, p intake.StoredPhoto) (*field.Record, json.RawMessage, error) {
	photo, err := l.photo(ctx, p.PhotoID)
	if err != nil {
		return nil, nil, err
	}
	if photo != nil {
		if r := photo.Fields["receipt"]; r != nil { // whatever has become of the photo since
			return photo, json.RawMessage(r), nil
		}
		if photo.Deleted || photo.State != field.PhotoDeclared {
			return nil, nil, field.Refuse(field.CodePhotoNotDeclared, "").About(p.PhotoID)
		}
		return photo, nil, nil
	}
	kept, declared, err := l.keptPhoto(ctx, field.UserID(p.By.User), p.PhotoID)
	if err == nil && kept == nil {
		err = field.Refuse(field.CodePhotoNotDeclared, "").About(p.PhotoID)
	}
	return kept, declared.Receipt, err
}

// command gives one of the server's own commands to a photo, or to the kept declaration of one, and raises flags with
// it; under the same device it has its effect once.
func (l *Ledger) command(ctx context.Context, photo *field.Record, device, name string, args map[string]field.Value, flags ...protocol.Operation) error {
	_, err := l.engine.Commit(ctx, protocol.Batch{
		Actor: engine.Server, Device: field.DeviceID(device), Number: 1, Scope: photo.Scope, Strict: true, Trusted: true,
		Operations: append([]protocol.Operation{{ID: photo.ID, Kind: photo.Kind, Base: photo.Version, Command: name, Args: args}}, flags...),
	})
	return err
}

// photo reads a photo's record; nil when there is none.
func (l *Ledger) photo(ctx context.Context, id string) (*field.Record, error) {
	if !field.ValidID(id) {
		return nil, nil
	}
	rs, err := l.store.Records(ctx, []field.RecordID{field.RecordID(id)})
	if err != nil || len(rs) == 0 || rs[0].Kind != field.KindPhoto {
		return nil, err
	}
	return rs[0], nil
}

// UploadExpired puts a notice into the sender's inbox: half an upload is never dropped silently, and a whole one that
// could not be taken even less.
func (l *Ledger) UploadExpired(ctx context.Context, e intake.Expired) error {
	zh := fmt.Sprintf("一张照片只收到 %d／%d 字节，上传已过期；请重新上传。", e.Offset, e.Size)
	en := fmt.Sprintf("Of a photo only %d of %d bytes arrived, and the upload has expired; upload it again.", e.Offset, e.Size)
	if e.Whole {
		zh = fmt.Sprintf("一张照片的 %d 字节已直传到位，但无法采用：照片已作废、您已无权上传，或文件与声明的类型不符。所传内容将删除。", e.Size)
		en = fmt.Sprintf("All %d bytes of a photo lay at its sealed address and cannot be taken: the photo was voided, you may not upload it any more, or it is not of the declared type. They are removed.", e.Size)
	}
	return l.notice(ctx, field.RecordID(e.By.User), "server/expired/"+e.UploadID, max(1, e.Created.UnixMilli()), zh, en, map[string]field.Value{
		"recordId": field.Quote(e.PhotoID), "recordKind": field.Quote(field.KindPhoto),
	})
}

// notice puts a notice into somebody's inbox. That it is there once follows from the device and the number, whatever
// server comes to it and however it is worded then. Its id is random: nobody can work it out, and take it first.
func (l *Ledger) notice(ctx context.Context, to field.RecordID, device string, number int64, zh, en string, about map[string]field.Value) error {
	about["type"], about["zh"], about["en"] = field.Quote("info"), field.Quote(zh), field.Quote(en)
	_, err := l.engine.Commit(ctx, protocol.Batch{
		Actor: engine.Server, Device: field.DeviceID(device), Number: number,
		Scope: field.MakeScope(field.ScopeUser, string(to)), Strict: true, Trusted: true,
		Operations: []protocol.Operation{{ID: l.engine.NewID(), Kind: field.KindNotice, Set: about}},
	})
	if field.Is(err, field.CodeBatchReused) {
		return nil // told
	}
	return err
}
