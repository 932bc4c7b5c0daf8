package accounts

import (
	"context"
	"errors"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// account is a sign-in name as it is stored, under the name itself: so no two people have one.
type account struct {
	User field.UserID `json:"user"`
	Org  field.OrgID  `json:"org"`
	Hash string       `json:"hash"`         // Argon2id
	Made time.Time    `json:"made"`         //
	By   string       `json:"by,omitempty"` // the click that made it: device and number
}

// User is a person as they see themselves.
type User struct {
	ID    field.UserID   `json:"id"`
	Login string         `json:"login,omitempty"`
	Name  string         `json:"name"`
	Org   field.OrgID    `json:"org"`
	Roles []access.Grant `json:"roles"`
}

// Tokens is what a sign-in and a refresh give. ExpiresIn is in seconds.
type Tokens struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"`
	User         User   `json:"user"`
	Device       Device `json:"device"`
}

// NormalLogin is the form in which a sign-in name is kept: lower case, 2 to 64 of a-z, 0-9 and . _ - @. It is
// CodeBadRequest when it cannot be one.
func NormalLogin(login string) (string, error) {
	l := strings.ToLower(strings.TrimSpace(login))
	if len(l) < 2 || len(l) > 64 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789._-@") != "" {
		return "", field.Refuse(field.CodeBadRequest, "A sign-in name has 2 to 64 of a-z, 0-9 and . _ - @.")
	}
	return l, nil
}

// SignIn opens a session. ip is where the request comes from, for the throttle. CodeBadCredentials whether the name is
// unknown, the password wrong or the person gone, after the same work; CodeTooMany after many failures.
func (a *Accounts) SignIn(ctx context.Context, login, password string, d Device, ip string) (Tokens, error) {
	if err := d.check(); err != nil {
		return Tokens{}, err
	}
	name, err := NormalLogin(login)
	if err != nil {
		name = "?" // nobody's name; it is refused after the same work as any other
	}
	if !a.throttle.allows(a.now(), name, ip) {
		return Tokens{}, field.Refuse(field.CodeTooMany, "")
	}
	acc, _, _, err := read[account](ctx, a.docs, store.Accounts, name)
	if err != nil {
		return Tokens{}, err
	}
	good, err := a.hash.matches(ctx, acc.Hash, password)
	if err != nil {
		return Tokens{}, err
	}
	var who *access.Actor
	if good {
		if who, err = a.person(ctx, acc.User); err != nil {
			return Tokens{}, err
		}
	}
	if who == nil {
		a.throttle.failed(a.now(), name, ip)
		return Tokens{}, field.Refuse(field.CodeBadCredentials, "")
	}
	a.throttle.succeeded(name, ip)
	return a.enter(ctx, who, d)
}

// enter enrols the device and opens the session of somebody whose password was right.
func (a *Accounts) enter(ctx context.Context, who *access.Actor, d Device) (Tokens, error) {
	if err := a.enrol(ctx, d, who.User, who.Org); err != nil {
		return Tokens{}, err
	}
	session, refresh, err := a.begin(ctx, who.User, who.Org, d.ID)
	if err != nil {
		return Tokens{}, err
	}
	return a.tokens(ctx, who, d, session, refresh)
}

func (a *Accounts) tokens(ctx context.Context, who *access.Actor, d Device, session, refresh string) (Tokens, error) {
	token, err := a.mint(ctx, who.User, who.Org, d.ID, session)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{
		AccessToken: token, RefreshToken: refresh, ExpiresIn: int(a.accessTTL / time.Second),
		User: AsUser(who), Device: d,
	}, nil
}

// AsUser shows an actor to themselves.
func AsUser(who *access.Actor) User {
	roles := who.Roles
	if roles == nil {
		roles = []access.Grant{}
	}
	return User{ID: who.User, Name: who.Name, Org: who.Org, Roles: roles}
}

// Refresh exchanges a refresh token for new tokens. CodeTokenInvalid, CodeTokenReused (the session is closed),
// CodeForeignDevice, CodeDeviceRevoked. The tokens of a revoked device are good for handing in.
func (a *Accounts) Refresh(ctx context.Context, token string, device field.DeviceID) (Tokens, error) {
	body, session, next, err := a.rotate(ctx, token, device)
	if err != nil {
		return Tokens{}, err
	}
	who, err := a.load(ctx, seat{user: body.User, device: body.Device, session: session})
	if err != nil {
		return Tokens{}, err
	}
	d, _, _, err := read[Enrolled](ctx, a.docs, store.Devices, string(body.Device))
	if err != nil {
		return Tokens{}, err
	}
	return a.tokens(ctx, who, d.Device, session, next)
}

// ChangePassword sets a new password for the account of somebody who knows the present one, and closes the person's
// other sessions. CodeBadCredentials, CodeWeakPassword, CodeTooMany.
func (a *Accounts) ChangePassword(ctx context.Context, p Pass, login, present, next, ip string) error {
	name, err := NormalLogin(login)
	if err != nil {
		return err
	}
	if !a.throttle.allows(a.now(), name, ip) {
		return field.Refuse(field.CodeTooMany, "")
	}
	acc, doc, _, err := read[account](ctx, a.docs, store.Accounts, name)
	if err != nil {
		return err
	}
	good, err := a.hash.matches(ctx, acc.Hash, present)
	if err != nil {
		return err
	}
	if !good || acc.User != p.Actor.User {
		a.throttle.failed(a.now(), name, ip)
		return field.Refuse(field.CodeBadCredentials, "")
	}
	if acc.Hash, err = a.hash.make(ctx, next); err != nil {
		return err
	}
	doc.Key = string(acc.User)
	if err := write(ctx, a.docs, doc, acc); err != nil {
		return err
	}
	return a.closeOthers(ctx, p)
}

// closeOthers closes every session of the person but the one of the pass.
func (a *Accounts) closeOthers(ctx context.Context, p Pass) error {
	after := ""
	for {
		docs, err := a.docs.DocsByKey(ctx, store.Sessions, string(p.Actor.User), after, 100)
		if err != nil {
			return err
		}
		for _, d := range docs {
			after = d.ID
			if d.ID == p.Session {
				continue
			}
			if err := a.SignOut(ctx, Pass{Session: d.ID}); err != nil {
				return err
			}
		}
		if len(docs) < 100 {
			return nil
		}
	}
}

var errNoPerson = errors.New("accounts: the person who was just written is not on record")
