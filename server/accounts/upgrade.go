package accounts

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// What servers kept beside the log before accounts, devices and sessions were in it.
type (
	oldAccount struct {
		User field.UserID `json:"user"`
		Org  field.OrgID  `json:"org"`
		Hash string       `json:"hash"`
		Made time.Time    `json:"made"`
	}
	oldDevice struct {
		Device
		Org        field.OrgID  `json:"org"`
		User       field.UserID `json:"user"` // who signed in last
		EnrolledAt time.Time    `json:"enrolledAt"`
		RevokedAt  *time.Time   `json:"revokedAt"`
		RevokedBy  field.UserID `json:"revokedBy"`
	}
)

// UpgradeDoc is the working document that says that older accounts were lifted into the log.
const UpgradeDoc = "accounts-in-log"

// Upgrade lifts accounts, devices and sessions into the log that an older server kept beside it. It may be cut off
// anywhere and begun again; done once, it costs one look. A device that several people shared is that of the last who
// signed in; the others need a code for a device of their own.
func (a *Accounts) Upgrade(ctx context.Context) error {
	_, doc, done, err := read[struct{}](ctx, a.docs, store.Keys, UpgradeDoc)
	if err != nil || done {
		return err
	}
	for _, step := range []struct {
		shelf store.Shelf
		lift  func(context.Context, store.Doc) error
	}{{store.Accounts, a.liftAccount}, {store.Devices, a.liftDevice}, {store.Sessions, a.liftSession}} {
		for after := ""; ; {
			docs, err := a.docs.Docs(ctx, step.shelf, after, 500)
			if err != nil {
				return err
			}
			for _, d := range docs {
				after = d.ID
				if err := step.lift(ctx, d); err != nil {
					return err
				}
			}
			if len(docs) < 500 {
				break
			}
		}
	}
	err = write(ctx, a.docs, doc, struct{}{})
	if field.Is(err, field.CodeStale) { // another process did the same
		return nil
	}
	return err
}

// lift writes the record of a document, once, and then removes the document if it is of no more use.
func (a *Accounts) lift(ctx context.Context, org field.OrgID, user field.UserID, d store.Doc, ops ...protocol.Operation) error {
	sum := hashSecret([]byte(string(d.Shelf) + " " + d.ID))
	_, err := a.commit.Commit(ctx, protocol.Batch{
		Actor: &access.Actor{User: user, Org: org, Server: true}, Device: field.DeviceID("server/upgrade/" + string(d.Shelf)),
		Number: int64(binary.BigEndian.Uint64([]byte(sum[:8]))>>2) + 1, Scope: field.SigninScope(org), Operations: ops, Strict: true, Trusted: true,
	})
	return err
}

func (a *Accounts) drop(ctx context.Context, d store.Doc) error {
	err := a.docs.DeleteDoc(ctx, d.Shelf, d.ID, d.Version)
	if field.Is(err, field.CodeNotFound) || field.Is(err, field.CodeStale) { // another process did the same
		return nil
	}
	return err
}

// home is the organisation of a person on record; empty when there is no such person.
func (a *Accounts) home(ctx context.Context, user field.UserID) (field.OrgID, error) {
	r, err := a.find(ctx, field.KindPerson, field.RecordID(user))
	if err != nil || r == nil {
		return "", err
	}
	return field.OrgID(r.Scope.ID()), nil
}

func (a *Accounts) liftAccount(ctx context.Context, d store.Doc) error {
	var old oldAccount
	if err := json.Unmarshal(d.Body, &old); err != nil || old.User == "" {
		return nil // a hash under its digest, as it should be
	}
	org, err := a.home(ctx, old.User)
	if err != nil {
		return err
	}
	if org == "" || org != old.Org { // a name whose person was never written signed nobody in
		return a.drop(ctx, d)
	}
	if err := a.keepHash(ctx, old.Hash); err != nil {
		return err
	}
	known, err := a.find(ctx, field.KindAccount, field.AccountID(org, d.ID))
	if err != nil {
		return err
	}
	if known == nil {
		err = a.lift(ctx, org, old.User, d, protocol.Operation{ID: field.AccountID(org, d.ID), Kind: field.KindAccount, Set: map[string]field.Value{
			"login": field.Quote(d.ID), "personId": field.Quote(old.User), "digest": field.Quote(digestOf(old.Hash)), "setAt": field.Quote(protocol.Stamp(old.Made)),
		}})
		if err != nil {
			return err
		}
	}
	return a.drop(ctx, d)
}

func (a *Accounts) liftDevice(ctx context.Context, d store.Doc) error {
	var old oldDevice
	if err := json.Unmarshal(d.Body, &old); err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err)
	}
	org, err := a.home(ctx, old.User)
	if err != nil {
		return err
	}
	id := field.DeviceRecord(field.DeviceID(d.ID))
	known, err := a.find(ctx, field.KindDevice, id)
	if err != nil {
		return err
	}
	if org == "" || known != nil {
		return a.drop(ctx, d)
	}
	set := map[string]field.Value{
		"deviceId": field.Quote(d.ID), "personId": field.Quote(old.User), "liveFor": field.Quote(old.User),
		"name": field.Quote(old.Name), "platform": field.Quote(old.Platform), "enrolledAt": field.Quote(protocol.Stamp(old.EnrolledAt)),
	}
	ops := []protocol.Operation{{ID: id, Kind: field.KindDevice, Set: set}}
	if old.RevokedAt != nil {
		set["revokedAt"] = field.Quote(protocol.Stamp(*old.RevokedAt))
		if field.ValidID(string(old.RevokedBy)) {
			set["revokedBy"] = field.Quote(old.RevokedBy)
		}
		ops = append(ops, protocol.Operation{ID: id, Kind: field.KindDevice, Command: "revoke", Args: map[string]field.Value{}})
	}
	if err := a.lift(ctx, org, old.User, d, ops...); err != nil {
		return err
	}
	return a.drop(ctx, d)
}

func (a *Accounts) liftSession(ctx context.Context, d store.Doc) error {
	var old sessionBody
	if err := json.Unmarshal(d.Body, &old); err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err)
	}
	known, err := a.find(ctx, field.KindSession, field.RecordID(d.ID))
	if err != nil || known != nil {
		return err
	}
	device, err := a.find(ctx, field.KindDevice, field.DeviceRecord(old.Device))
	if err != nil {
		return err
	}
	if old.Closed != "" || device == nil || device.Text("personId") != string(old.User) || device.Scope != field.SigninScope(old.Org) {
		return a.drop(ctx, d)
	}
	return a.lift(ctx, old.Org, old.User, d, protocol.Operation{ID: field.RecordID(d.ID), Kind: field.KindSession, Set: map[string]field.Value{
		"personId": field.Quote(old.User), "deviceId": field.Quote(old.Device), "openFor": field.Quote(old.User), "openedAt": field.Quote(protocol.Stamp(old.Made)),
	}})
}
