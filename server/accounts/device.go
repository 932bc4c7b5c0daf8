package accounts

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Device is a phone or a browser that somebody signs in with. Its id is a UUIDv7 that it makes itself.
type Device struct {
	ID       field.DeviceID `json:"id"`
	Name     string         `json:"name"`
	Platform string         `json:"platform"`
}

// Enrolled is a device as an administrator sees it.
type Enrolled struct {
	Device
	Org        field.OrgID  `json:"org"`
	User       field.UserID `json:"user"` // who signed in last
	EnrolledAt time.Time    `json:"enrolledAt"`
	SignedInAt time.Time    `json:"signedInAt"`
	RevokedAt  *time.Time   `json:"revokedAt,omitempty"`
	RevokedBy  field.UserID `json:"revokedBy,omitempty"`
}

func (d Device) check() error {
	switch {
	case !field.ValidID(string(d.ID)):
		return field.Refuse(field.CodeBadID, "device.id is not a lower-case UUID of version 7.")
	case utf8.RuneCountInString(d.Name) > 100 || utf8.RuneCountInString(d.Platform) > 50:
		return field.Refuse(field.CodeTooLong, "device.name has at most 100 characters, device.platform 50.")
	}
	return nil
}

// enrol notes that somebody signs in with a device. A device may be shared within an organisation, not across.
func (a *Accounts) enrol(ctx context.Context, d Device, user field.UserID, org field.OrgID) error {
	for range rotateMost {
		e, doc, found, err := read[Enrolled](ctx, a.docs, store.Devices, string(d.ID))
		if err != nil {
			return err
		}
		now := a.now().UTC()
		switch {
		case e.RevokedAt != nil:
			return field.Refuse(field.CodeDeviceRevoked, "")
		case found && e.Org != org:
			return field.Refuse(field.CodeForeignDevice, "The device is enrolled with another organisation.")
		case !found:
			e = Enrolled{Org: org, EnrolledAt: now}
		}
		e.Device, e.User, e.SignedInAt = d, user, now
		doc.Key = string(org)
		if err = write(ctx, a.docs, doc, e); !field.Is(err, field.CodeStale) {
			return err
		}
	}
	return field.Refuse(field.CodeBusy, "")
}

// Devices lists the devices of the actor's organisation by id, after the given one.
func (a *Accounts) Devices(ctx context.Context, who *access.Actor, after string, limit int) ([]Enrolled, error) {
	docs, err := a.docs.DocsByKey(ctx, store.Devices, string(who.Org), after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Enrolled, 0, len(docs))
	for _, d := range docs {
		var e Enrolled
		if err := json.Unmarshal(d.Body, &e); err != nil {
			return nil, field.Refuse(field.CodeInternal, "").Because(err)
		}
		out = append(out, e)
	}
	return out, nil
}

// RevokeDevice shuts a device of the actor's organisation out for good: its tokens, and signing in with it, are
// CodeDeviceRevoked from now on (in other processes within the time that an actor is believed), but for handing in what was
// written on it. Repeating it changes nothing.
func (a *Accounts) RevokeDevice(ctx context.Context, who *access.Actor, id field.DeviceID) (Enrolled, error) {
	for range rotateMost {
		e, doc, found, err := read[Enrolled](ctx, a.docs, store.Devices, string(id))
		if err != nil {
			return Enrolled{}, err
		}
		if !found || e.Org != who.Org {
			return Enrolled{}, field.Refuse(field.CodeNotFound, "")
		}
		if e.RevokedAt != nil {
			return e, nil
		}
		now := a.now().UTC()
		e.RevokedAt, e.RevokedBy = &now, who.User
		err = write(ctx, a.docs, doc, e)
		if err == nil {
			a.actors.dropDevice(id)
			a.log.InfoContext(ctx, "device revoked", "device", id, "by", who.User)
			return e, nil
		}
		if !field.Is(err, field.CodeStale) {
			return Enrolled{}, err
		}
	}
	return Enrolled{}, field.Refuse(field.CodeBusy, "")
}
