package accounts

import (
	"context"
	"time"
	"unicode/utf8"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Device is a phone or a browser that somebody signs in with. Its id is a UUIDv7 that it makes itself.
type Device struct {
	ID       field.DeviceID `json:"id"`
	Name     string         `json:"name"`
	Platform string         `json:"platform"`
}

// Enrolled is a device as an administrator sees it, from the log.
type Enrolled struct {
	Device
	Org         field.OrgID  `json:"org"`
	User        field.UserID `json:"user"` // whose it is
	State       field.State  `json:"state"`
	Version     int64        `json:"version"`
	EnrolledAt  time.Time    `json:"enrolledAt"`
	CodeBy      field.UserID `json:"codeBy,omitempty"` // who made the code it was enrolled with
	SignedInAt  time.Time    `json:"signedInAt,omitzero"`
	MovingSince time.Time    `json:"movingSince,omitzero"`
	MovedAt     time.Time    `json:"movedAt,omitzero"`
	RevokedAt   *time.Time   `json:"revokedAt,omitempty"`
	RevokedBy   field.UserID `json:"revokedBy,omitempty"`
}

func enrolled(r *field.Record) Enrolled {
	e := Enrolled{
		Device: Device{ID: field.DeviceID(r.Text("deviceId")), Name: r.Text("name"), Platform: r.Text("platform")},
		Org:    field.OrgID(r.Scope.ID()), User: field.UserID(r.Text("personId")), State: r.State, Version: r.Version,
		EnrolledAt: r.Time("enrolledAt"), CodeBy: field.UserID(r.Text("codeBy")),
		MovingSince: r.Time("movingSince"), MovedAt: r.Time("movedAt"), RevokedBy: field.UserID(r.Text("revokedBy")),
	}
	if at := r.Time("revokedAt"); r.State == field.DeviceRevoked {
		e.RevokedAt = &at
	}
	return e
}

func (d Device) check() error {
	switch {
	case !field.ValidID(string(d.ID)):
		return field.Refuse(field.CodeBadID, "device.id is not a lower-case UUID of version 7.").InChinese("device.id 不是小写的第 7 版 UUID。")
	case utf8.RuneCountInString(d.Name) > 100 || utf8.RuneCountInString(d.Platform) > 50:
		return field.Refuse(field.CodeTooLong, "device.name has at most 100 characters, device.platform 50.").
			InChinese("device.name 最多 100 个字符，device.platform 最多 50 个。")
	case field.HasIdentity(d.Name) || field.HasIdentity(d.Platform):
		return field.Refuse(field.CodeIdentityInText, "device.name or device.platform holds an ID, phone or bank card number.").
			InChinese("device.name 或 device.platform 中含有身份证号、电话号码或银行卡号。")
	}
	return nil
}

// Devices lists the devices of the actor's organisation by id, after the given one.
func (a *Accounts) Devices(ctx context.Context, who *access.Actor, after field.DeviceID, limit int) ([]Enrolled, error) {
	if err := mayLook(who); err != nil {
		return nil, err
	}
	q := store.Query{
		Visible: access.Visible(who), Scope: field.SigninScope(who.Org), Kinds: []field.Kind{field.KindDevice}, Limit: limit,
	}
	if after != "" {
		q.After = store.Place{Rank: string(after), ID: field.RecordID(deviceLast)}
	}
	records, err := a.records.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]Enrolled, 0, len(records))
	for _, r := range records {
		e := enrolled(r)
		last, err := a.first(ctx, field.KindSession, field.KeyFor("deviceId", e.ID)) // the newest comes first
		if err != nil {
			return nil, err
		}
		if last != nil {
			e.SignedInAt = last.Time("openedAt")
		}
		out = append(out, e)
	}
	return out, nil
}

const deviceLast = "ffffffff-ffff-ffff-ffff-ffffffffffff" // behind every record with the same rank

// RevokeDevice shuts a device out for good: its tokens, and signing in with it, are CodeDeviceRevoked from now on (in
// other processes within the time that an actor is believed), but for handing in what was written on it. Repeating it
// changes nothing.
func (a *Accounts) RevokeDevice(ctx context.Context, act Act, id field.DeviceID) (Enrolled, error) {
	for range rotateMost {
		r, err := a.managed(ctx, act.Actor, "device.revoke", field.KindDevice, field.DeviceRecord(id))
		if err != nil {
			return Enrolled{}, err
		}
		if r.State == field.DeviceRevoked {
			return enrolled(r), nil
		}
		_, err = a.commit.Commit(ctx, act.desk(r.Scope, protocol.Operation{
			ID: r.ID, Kind: field.KindDevice, Base: r.Version, Command: "revoke", Args: map[string]field.Value{},
		}))
		if err == nil {
			a.actors.dropDevice(id)
			a.log.InfoContext(ctx, "device revoked", "device", id, "by", act.Actor.User)
		} else if !field.Is(err, field.CodeStale) && !field.Is(err, field.CodeNotNow) { // somebody else was first: look again
			return Enrolled{}, err
		}
	}
	return Enrolled{}, field.Refuse(field.CodeBusy, "")
}

// MoveDevice begins to take a device from the person whose it is: from now on it hands in what was written on it, and
// reads nothing more.
func (a *Accounts) MoveDevice(ctx context.Context, act Act, id field.DeviceID, version int64, reason string) (Enrolled, error) {
	r, err := a.managed(ctx, act.Actor, "device.move", field.KindDevice, field.DeviceRecord(id))
	if err != nil {
		return Enrolled{}, err
	}
	done, err := a.commit.Commit(ctx, act.desk(r.Scope, protocol.Operation{
		ID: r.ID, Kind: field.KindDevice, Base: version, Command: "move", Args: map[string]field.Value{"reason": field.Quote(reason)},
	}))
	if err != nil {
		return Enrolled{}, err
	}
	a.actors.dropDevice(id)
	moved, err := a.left(ctx, done, field.KindDevice, r.ID)
	if err != nil {
		return Enrolled{}, err
	}
	return enrolled(moved), nil
}

// HandedIn is said by a device that is being moved: nothing is left on it. Its sessions end, and the hardware is free
// for somebody else. Repeating it changes nothing.
func (a *Accounts) HandedIn(ctx context.Context, p Pass, id field.DeviceID) error {
	if id != p.Actor.Device {
		return field.Refuse(field.CodeForeignDevice, "")
	}
	r, err := a.find(ctx, field.KindDevice, field.DeviceRecord(id))
	if err != nil {
		return err
	}
	if r == nil || r.State != field.DeviceMoving {
		return field.Refuse(field.CodeNotNow, "The device is not being moved.").InChinese("该设备并未在移交中。")
	}
	_, err = a.commit.Commit(ctx, a.asPerson(p.Actor, field.OrgID(r.Scope.ID()), "handed-in/"+string(id), protocol.Operation{
		ID: r.ID, Kind: field.KindDevice, Base: r.Version, Command: "arrive", Args: map[string]field.Value{},
	}))
	if err != nil {
		return err
	}
	a.actors.dropDevice(id)
	return nil
}
