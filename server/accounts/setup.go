package accounts

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

const (
	setupDoc   = "setup"
	setupLease = time.Minute // in which a set-up that was begun is left alone
)

// setupBody is how far the set-up of this server has come. The person's id is chosen once, so that a set-up that was
// cut off can be repeated.
type setupBody struct {
	Hash   string         `json:"hash"` // of the code
	Person field.RecordID `json:"person"`
	Begun  time.Time      `json:"begun,omitzero"`
	Done   bool           `json:"done,omitempty"`
	Org    field.OrgID    `json:"org,omitempty"` // the founding organisation
}

// SetupCode returns a fresh one-time code for the first set-up, to be shown on the console, and makes an earlier code
// worthless; empty when the server has been set up. Only the code's hash is kept.
func (a *Accounts) SetupCode(ctx context.Context) (string, error) {
	var raw [10]byte
	random(raw[:])
	code := spell(raw[:])
	for range rotateMost {
		body, doc, found, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
		if err != nil {
			return "", err
		}
		if body.Done {
			return "", nil
		}
		if !found {
			body.Person = field.RandomID(a.now())
		}
		body.Hash, body.Begun = hashSecret([]byte(code)), time.Time{}
		if err = write(ctx, a.docs, doc, body); err == nil {
			return code, nil
		}
		if !field.Is(err, field.CodeStale) {
			return "", err
		}
	}
	return "", field.Refuse(field.CodeBusy, "")
}

// SetupOpen reports whether the server waits for its first set-up.
func (a *Accounts) SetupOpen(ctx context.Context) (bool, error) {
	body, _, found, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
	return found && !body.Done, err
}

// Setup is what the first administrator says about themselves.
type Setup struct {
	Code            string
	Org             Org
	Name            string
	Login, Password string
	Device          Device
}

// SetUp makes the founding organisation, its administrator and the account, signs the administrator in, and closes the
// set-up for good. CodeSetupClosed when it is closed or the code is wrong. When it was cut off it may be repeated with
// the same code and the same details.
func (a *Accounts) SetUp(ctx context.Context, s Setup, ip string) (Tokens, error) {
	if err := a.throttle.allows(ctx, addressKey(ip)); err != nil {
		return Tokens{}, err
	}
	body, doc, found, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
	if err != nil {
		return Tokens{}, err
	}
	code := strings.ToUpper(strings.TrimSpace(s.Code))
	if !found || body.Done || subtle.ConstantTimeCompare([]byte(hashSecret([]byte(code))), []byte(body.Hash)) != 1 {
		a.throttle.failed(ctx, addressKey(ip))
		return Tokens{}, field.Refuse(field.CodeSetupClosed, "")
	}
	if since := a.now().Sub(body.Begun); since > -setupLease && since < setupLease { // further ahead is a clock that was put right
		return Tokens{}, field.Refuse(field.CodeBusy, "The set-up is under way. Try again in a minute.").InChinese("初始化正在进行，请一分钟后重试。")
	}
	login, err := NormalLogin(s.Login)
	if err != nil {
		return Tokens{}, err
	}
	if err := s.Device.check(); err != nil {
		return Tokens{}, err
	}
	if err := goodPassword(s.Password, login, s.Name, string(s.Org.Code), s.Org.Name, s.Org.NameEN); err != nil {
		return Tokens{}, err
	}
	body.Begun = a.now().UTC()
	if err := write(ctx, a.docs, doc, body); err != nil {
		if field.Is(err, field.CodeStale) {
			return Tokens{}, field.Refuse(field.CodeBusy, "The set-up is under way. Try again in a minute.").
				InChinese("初始化正在进行，请一分钟后重试。")
		}
		return Tokens{}, err
	}
	tokens, err := a.found(ctx, s, login, body)
	if err != nil {
		a.releaseSetup(ctx)
	}
	return tokens, err
}

// found does what SetUp promises, once the right to do so is held. Organisation, person, account and device are one
// commit; when it was cut off after that, repeating it finds all of it and opens a session.
func (a *Accounts) found(ctx context.Context, s Setup, login string, body setupBody) (Tokens, error) {
	user, org := field.UserID(body.Person), s.Org.Code
	digest, err := a.newPassword(ctx, s.Password, login, s.Name, org)
	if err != nil {
		return Tokens{}, err
	}
	home := s.Org.fields()
	home["founding"] = field.Quote(true)
	person := Person{Name: s.Name, Roles: []access.Grant{{Role: access.Administrator}}}
	enrol := func(c *field.Case) error {
		return field.Enrol(c, org, s.Device.ID, user, s.Device.Name, s.Device.Platform, "", a.devices)
	}
	_, err = a.commit.Commit(ctx, protocol.Batch{
		Actor:  &access.Actor{User: user, Org: org, Server: true},
		Device: "server/setup", Number: 1, Scope: field.MakeScope(field.ScopeOrg, string(org)),
		Operations: []protocol.Operation{
			{ID: field.OrgRecord(org), Kind: field.KindOrg, Set: home},
			{ID: body.Person, Kind: field.KindPerson, Set: person.fields()},
		},
		Strict: true, Trusted: true,
		Then: func(c *field.Case) error {
			if err := field.NewAccount(c, org, login, user, digest); err != nil {
				return err
			}
			return enrol(c)
		},
	})
	if err != nil {
		a.dropHash(ctx, digest, err)
		return Tokens{}, err
	}
	who, err := a.person(ctx, user)
	if err != nil {
		return Tokens{}, err
	}
	acc, err := a.accountOf(ctx, user)
	if err != nil {
		return Tokens{}, err
	}
	if who == nil || acc == nil {
		return Tokens{}, field.Refuse(field.CodeInternal, "").Because(errNoPerson)
	}
	if acc.Text("digest") != digest { // all of it was done before, with a hash of its own
		a.dropHash(ctx, digest, nil)
	}
	hash, err := a.hashOf(ctx, acc)
	if err != nil {
		return Tokens{}, err
	}
	good, err := a.hash.matches(ctx, setupDoc, hash, s.Password)
	if err != nil {
		return Tokens{}, err
	}
	if !good || !named(acc, login) { // it was begun with other details
		return Tokens{}, field.Refuse(field.CodeBadCredentials, "The set-up was begun with another sign-in name or password. Repeat it with those.").
			InChinese("初始化是以另一登录名或密码开始的，请用原来的重试。")
	}
	// Begun on another device and cut off: the code of the console stands for a one-time code of this one.
	device, err := a.find(ctx, field.KindDevice, field.DeviceRecord(s.Device.ID))
	if err != nil {
		return Tokens{}, err
	}
	if device != nil && device.Text("personId") != string(user) {
		return Tokens{}, field.Refuse(field.CodeForeignDevice, "")
	}
	tokens, err := a.enter(ctx, who, s.Device, false, nil, enrol)
	if err != nil {
		return Tokens{}, err
	}
	last, doc, _, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
	if err != nil {
		return Tokens{}, err
	}
	last.Done, last.Org, last.Hash = true, org, ""
	return tokens, write(ctx, a.docs, doc, last)
}

var errNoPerson = errors.New("accounts: the person who was just written is not on record")

// releaseSetup lets a set-up that was refused be tried again at once.
func (a *Accounts) releaseSetup(ctx context.Context) {
	body, doc, found, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
	if err != nil || !found || body.Done {
		return
	}
	body.Begun = time.Time{}
	_ = write(ctx, a.docs, doc, body) // when it fails the lease runs out by itself
}

// MarkFounder writes into the log which organisation set the server up, where a server of before noted it outside the
// log only.
func (a *Accounts) MarkFounder(ctx context.Context) error {
	body, _, found, err := read[setupBody](ctx, a.docs, store.Keys, setupDoc)
	if err != nil || !found || !body.Done {
		return err
	}
	org, err := a.record(ctx, field.KindOrg, field.OrgRecord(body.Org))
	if field.Is(err, field.CodeNotFound) || err == nil && org.Fields["founding"] != nil {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = a.commit.Commit(ctx, protocol.Batch{
		Actor: &access.Actor{Server: true}, Device: "server/founder", Number: 1, Scope: org.Scope, Strict: true, Trusted: true,
		Operations: []protocol.Operation{{ID: org.ID, Kind: field.KindOrg, Base: org.Version, Set: map[string]field.Value{"founding": field.Quote(true)}}},
	})
	return err
}
