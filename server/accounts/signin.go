package accounts

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

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
		return "", field.Refuse(field.CodeBadRequest, "A sign-in name has 2 to 64 of a-z, 0-9 and . _ - @.").
			InChinese("登录名由 2 至 64 个 a-z、0-9 或 . _ - @ 组成。")
	}
	return l, nil
}

// Attempt is what somebody says who wants in.
type Attempt struct {
	Login, Password string
	Device          Device
	Code            string // of a device that is not enrolled yet
	Browser         bool   // the session is a browser's: Tokens.RefreshToken is the secret of BrowserToken
}

// SignIn opens a session. It starts from the device, not from the name: one that is enrolled is one person's, and one
// that is not needs a one-time code, which is one person's too. So a stranger without either learns nothing about names
// and passwords and costs no work, and what he does starves nobody who has a device.
//
// ip is where the request comes from. CodeDeviceUnknown, CodeInvalidCode; CodeBadCredentials whether the name is
// unknown, the password wrong or the person gone, after the same work; CodeForeignDevice when name and password are
// somebody else's than the device; CodeDeviceRevoked; CodeTooMany after many failures.
func (a *Accounts) SignIn(ctx context.Context, s Attempt, ip string) (Tokens, error) {
	if err := s.Device.check(); err != nil {
		return Tokens{}, err
	}
	name, err := NormalLogin(s.Login)
	if err != nil {
		name = "?" // nobody's name; it is refused after the same work as any other
	}
	device, err := a.find(ctx, field.KindDevice, field.DeviceRecord(s.Device.ID))
	if err == nil {
		device, err = a.logged(ctx, device)
	}
	if err != nil {
		return Tokens{}, err
	}
	var code *field.Record
	whose, budget := device, deviceKey(s.Device.ID, ip)
	if device == nil {
		if err := a.throttle.allows(ctx, addressKey(ip)); err != nil {
			return Tokens{}, err
		}
		if code, err = a.openCode(ctx, s.Code, field.ForDevice); err != nil {
			return Tokens{}, err
		}
		if code == nil {
			a.throttle.failed(ctx, addressKey(ip))
			if s.Code == "" {
				return Tokens{}, field.Refuse(field.CodeDeviceUnknown, "")
			}
			return Tokens{}, field.Refuse(field.CodeInvalidCode, "")
		}
		whose, budget = code, codeKey(code.ID)
	}
	if err := a.throttle.allows(ctx, budget); err != nil {
		return Tokens{}, err
	}
	who, own, err := a.prove(ctx, whose, budget, name, s.Password)
	if err != nil {
		return Tokens{}, err
	}
	if who == nil {
		a.throttle.failed(ctx, budget)
		return Tokens{}, field.Refuse(field.CodeBadCredentials, "")
	}
	switch {
	case !own && device != nil:
		return Tokens{}, field.Refuse(field.CodeForeignDevice, "The device is enrolled for somebody else. The app makes a new device id for each person.").
			InChinese("该设备已登记给他人；应用应为每个人生成新的设备编号。")
	case !own:
		a.throttle.failed(ctx, budget)
		return Tokens{}, field.Refuse(field.CodeInvalidCode, "")
	case device != nil && (device.State == field.DeviceRevoked || device.State == field.DeviceMoved):
		return Tokens{}, field.Refuse(field.CodeDeviceRevoked, "")
	}
	if err := a.throttle.enters(ctx, s.Device.ID); err != nil {
		return Tokens{}, err
	}
	a.throttle.succeeded(ctx, budget)
	return a.enter(ctx, who, s.Device, s.Browser, code, nil)
}

// prove finds out who shows a name and a password on the device, or with the code, of somebody; nil when they do not
// fit. own says that it is that somebody. Whatever the case, one hash is computed, in turn with those for other keys.
func (a *Accounts) prove(ctx context.Context, whose *field.Record, key, name, password string) (who *access.Actor, own bool, err error) {
	acc, err := a.accountOf(ctx, field.UserID(whose.Text("personId")))
	if err != nil {
		return nil, false, err
	}
	if own = acc != nil && named(acc, name); !own {
		if acc, err = a.called(ctx, name, field.OrgID(whose.Scope.ID())); err != nil {
			return nil, false, err
		}
		if acc, err = a.logged(ctx, acc); err != nil {
			return nil, false, err
		}
	}
	hash := ""
	if acc != nil {
		if hash, err = a.hashOf(ctx, acc); err != nil {
			return nil, false, err
		}
	}
	good, err := a.hash.matches(ctx, key, hash, password)
	if err != nil || !good {
		return nil, false, err
	}
	user := field.UserID(acc.Text("personId"))
	if on, err := a.onRecord(ctx, user); err != nil || !on {
		return nil, own, err
	}
	who, err = a.person(ctx, user)
	if who != nil && string(who.Org) != acc.Scope.ID() {
		who = nil // an account of one organisation never stands for a person of another
	}
	return who, own, err
}

// enter opens the session of somebody who has shown who they are, and uses the code up that enrols the device; nil: it
// is enrolled. also is what is done in the same commit; nil: nothing.
func (a *Accounts) enter(
	ctx context.Context, who *access.Actor, d Device, browser bool, code *field.Record, also func(*field.Case) error,
) (Tokens, error) {
	session, refresh, doc, err := a.begin(ctx, who.User, who.Org, d.ID, browser)
	if err != nil {
		return Tokens{}, err
	}
	open := protocol.Operation{ID: field.RecordID(session), Kind: field.KindSession, Set: a.opened(who.User, d.ID)}
	on := *who
	on.Device = d.ID
	b := a.asPerson(&on, who.Org, "sign-in/"+string(d.ID), open)
	b.Then = also
	if code != nil {
		b.Operations = []protocol.Operation{{ID: code.ID, Kind: field.KindCode, Base: code.Version, Command: "use", Args: map[string]field.Value{
			"device": field.Quote(d.ID), "name": field.Quote(d.Name), "platform": field.Quote(d.Platform), "most": field.Quote(a.devices),
		}}, open}
	}
	_, err = a.commit.Commit(ctx, b)
	if code != nil && field.Is(err, field.CodeNotNow) {
		// The code was used meanwhile. If it was by this very device, whose first answer was lost, nothing is missing.
		err = field.Refuse(field.CodeInvalidCode, "")
		if r, look := a.find(ctx, field.KindDevice, field.DeviceRecord(d.ID)); look == nil && r != nil && r.State == field.StateActive && r.Text("personId") == string(who.User) {
			b.Operations, b.Number = b.Operations[1:], number()
			_, err = a.commit.Commit(ctx, b)
		}
	}
	if err != nil {
		a.dropSession(ctx, doc)
		return Tokens{}, err
	}
	return a.tokens(ctx, who, d, session, refresh)
}

// opened are the fields of a session that begins.
func (a *Accounts) opened(user field.UserID, device field.DeviceID) map[string]field.Value {
	return map[string]field.Value{
		"personId": field.Quote(user), "deviceId": field.Quote(device), "openFor": field.Quote(user), "openedAt": field.Quote(protocol.Stamp(a.now())),
	}
}

// number is the batch number of what the server writes once.
func number() int64 {
	var b [8]byte
	random(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>2) + 1
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

// Refresh exchanges a refresh token for new tokens. nonce names the request: the same again asks for the same answer.
// Empty: not said. CodeTokenInvalid, CodeTokenReused (the session is closed), CodeForeignDevice, CodeDeviceRevoked. The
// tokens of a device that was revoked or is being moved are good for handing in.
func (a *Accounts) Refresh(ctx context.Context, token string, device field.DeviceID, nonce string) (Tokens, error) {
	if len(nonce) > 100 {
		return Tokens{}, field.Refuse(field.CodeTooLong, "nonce has at most 100 characters.").InChinese("nonce 最多 100 个字符。")
	}
	body, session, next, err := a.rotate(ctx, token, device, nonce)
	if err != nil {
		return Tokens{}, err
	}
	who, err := a.load(ctx, seat{user: body.User, device: body.Device, session: session})
	if err != nil {
		return Tokens{}, err
	}
	d := Device{ID: body.Device}
	r, err := a.find(ctx, field.KindDevice, field.DeviceRecord(body.Device))
	if err == nil {
		r, err = a.logged(ctx, r)
	}
	if err != nil {
		return Tokens{}, err
	}
	if on, err := a.onRecord(ctx, body.User); err != nil {
		return Tokens{}, err
	} else if r == nil || !on {
		return Tokens{}, field.Refuse(field.CodeTokenInvalid, "The session has ended. Sign in again.").InChinese("会话已结束，请重新登录。")
	}
	d.Name, d.Platform = r.Text("name"), r.Text("platform")
	return a.tokens(ctx, who, d, session, next)
}

// ChangePassword sets a new password for the account of somebody who knows the present one, and closes the person's
// other sessions. CodeBadCredentials, CodeWeakPassword, CodeTooMany.
func (a *Accounts) ChangePassword(ctx context.Context, p Pass, login, present, next, ip string) error {
	name, err := NormalLogin(login)
	if err != nil {
		return err
	}
	budget := deviceKey(p.Actor.Device, ip)
	if err := a.throttle.allows(ctx, budget); err != nil {
		return err
	}
	acc, err := a.accountOf(ctx, p.Actor.User)
	if err != nil {
		return err
	}
	hash := ""
	if acc != nil && named(acc, name) {
		if hash, err = a.hashOf(ctx, acc); err != nil {
			return err
		}
	}
	good, err := a.hash.matches(ctx, budget, hash, present)
	if err != nil {
		return err
	}
	if !good {
		a.throttle.failed(ctx, budget)
		return field.Refuse(field.CodeBadCredentials, "")
	}
	digest, err := a.newPassword(ctx, next, acc.Text("login"), p.Actor.Name, p.Actor.Org)
	if err != nil {
		return err
	}
	_, err = a.commit.Commit(ctx, a.asPerson(p.Actor, p.Actor.Org, "password/"+string(p.Actor.Device), protocol.Operation{
		ID: acc.ID, Kind: field.KindAccount, Base: acc.Version, Command: "set", Args: map[string]field.Value{
			"digest": field.Quote(digest), "before": acc.Fields["digest"], "why": field.Quote(field.EndPassword), "keep": field.Quote(p.Session),
		},
	}))
	if err != nil {
		a.dropHash(ctx, digest, err)
		return err
	}
	a.passwordChanged(ctx, p.Actor.User, acc.Text("digest"))
	return nil
}
