package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Code is a one-time code that somebody is given by who administers: 80 random bits, good once.
type Code struct {
	Code  string    `json:"code"`
	Until time.Time `json:"until"`
}

// CodeSeedDoc is the working document with the seed of one-time codes.
const CodeSeedDoc = "one-time-codes"

type codeSeed struct {
	Seed []byte `json:"seed"`
}

// codeFor makes the one-time code of a click. The same click gets the same code, so an answer that was lost is given
// again although the code itself is kept nowhere.
func (a *Accounts) codeFor(ctx context.Context, purpose string, org field.OrgID, act Act) (string, error) {
	for range rotateMost {
		body, doc, found, err := read[codeSeed](ctx, a.docs, store.Keys, CodeSeedDoc)
		if err != nil {
			return "", err
		}
		if found {
			m := hmac.New(sha256.New, body.Seed)
			_, _ = fmt.Fprintf(m, "%s %s %s %d", purpose, org, act.Device, act.Number) // a hash never fails
			return spell(m.Sum(nil)), nil
		}
		body.Seed = make([]byte, sha256.Size)
		random(body.Seed)
		if err := write(ctx, a.docs, doc, body); err != nil && !field.Is(err, field.CodeStale) {
			return "", err
		}
	}
	return "", field.Refuse(field.CodeBusy, "")
}

// spell writes 80 bits as four groups of four letters and digits.
func spell(raw []byte) string {
	word := base32.StdEncoding.EncodeToString(raw[:10])
	return word[:4] + "-" + word[4:8] + "-" + word[8:12] + "-" + word[12:]
}

// normalCode is a code as it was given, however it was typed; empty when it cannot be one.
func normalCode(s string) string {
	s = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(s) != 16 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return ""
	}
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// openCode finds the record of a code that is good now; nil when there is none.
func (a *Accounts) openCode(ctx context.Context, code, purpose string) (*field.Record, error) {
	if code = normalCode(code); code == "" {
		return nil, nil
	}
	r, err := a.find(ctx, field.KindCode, field.CodeID(code))
	if err != nil || r == nil || r.State != field.CodeOpen || r.Text("purpose") != purpose || r.Text("digest") != field.CodeDigest(code) || a.now().After(r.Time("until")) {
		return nil, err
	}
	return a.logged(ctx, r)
}

// DeviceCode makes a code with which somebody enrols one more device. after names a device that must have been handed
// in before the code is good; empty: none.
func (a *Accounts) DeviceCode(ctx context.Context, act Act, user field.UserID, after field.DeviceID) (Code, error) {
	if after != "" && !field.ValidID(string(after)) {
		return Code{}, field.Refuse(field.CodeBadID, "after is not the id of a device.").InChinese("after 不是设备的编号。")
	}
	return a.makeCode(ctx, act, field.ForDevice, user, after)
}

// PasswordCode makes a code with which somebody who has forgotten the password sets a new one.
func (a *Accounts) PasswordCode(ctx context.Context, act Act, user field.UserID) (Code, error) {
	return a.makeCode(ctx, act, field.ForPassword, user, "")
}

func (a *Accounts) makeCode(ctx context.Context, act Act, purpose string, user field.UserID, after field.DeviceID) (Code, error) {
	person, err := a.managed(ctx, act.Actor, "person.edit", field.KindPerson, field.RecordID(user))
	if err != nil {
		return Code{}, err
	}
	if person.State != field.StateActive {
		return Code{}, field.Refuse(field.CodeNotNow, "The person has left.").InChinese("该人员已离岗。")
	}
	if purpose == field.ForPassword && string(act.Actor.User) == string(person.ID) {
		return Code{}, field.Refuse(field.CodeSecondPerson, "Those who know their password change it; others are given a code by somebody else.").
			InChinese("知道密码的人可自行更改；不知道的，由他人发给一次性代码。")
	}
	if acc, err := a.accountOf(ctx, user); err != nil {
		return Code{}, err
	} else if acc == nil {
		return Code{}, field.Refuse(field.CodeNotNow, "The person has no name to sign in with.").InChinese("该人员没有登录名。")
	}
	org := field.OrgID(person.Scope.ID())
	code, err := a.codeFor(ctx, purpose, org, act)
	if err != nil {
		return Code{}, err
	}
	id, scope := field.CodeID(code), field.SigninScope(org)
	old, err := a.find(ctx, field.KindCode, id)
	if err != nil {
		return Code{}, err
	}
	if old != nil { // the same click again
		if old.Text("personId") != string(user) || old.Text("purpose") != purpose || old.Text("afterDevice") != string(after) {
			return Code{}, field.Refuse(field.CodeBatchReused, "This Idempotency-Key was used for something else.").
				InChinese("该 Idempotency-Key 已用于其他请求。")
		}
		return Code{Code: code, Until: old.Time("until")}, nil
	}
	until := a.now().UTC().Truncate(time.Millisecond).Add(a.codeTTL)
	set := map[string]field.Value{
		"purpose": field.Quote(purpose), "personId": field.Quote(user), "digest": field.Quote(field.CodeDigest(code)), "until": field.Quote(protocol.Stamp(until)),
	}
	if after != "" {
		set["afterDevice"] = field.Quote(after)
	}
	if _, err := a.commit.Commit(ctx, act.desk(scope, protocol.Operation{ID: id, Kind: field.KindCode, Set: set})); err != nil {
		return Code{}, err
	}
	return Code{Code: code, Until: until}, nil
}

// Reset sets a new password by a one-time code and closes every session of the person. CodeInvalidCode whether the code
// is wrong, used, expired or somebody else's; CodeWeakPassword, and the code is still good; CodeTooMany.
func (a *Accounts) Reset(ctx context.Context, login, code, password, ip string) error {
	if err := a.throttle.allows(ctx, addressKey(ip)); err != nil {
		return err
	}
	refused := func() error {
		a.throttle.failed(ctx, addressKey(ip))
		return field.Refuse(field.CodeInvalidCode, "")
	}
	r, err := a.openCode(ctx, code, field.ForPassword)
	if err != nil {
		return err
	}
	if r == nil {
		return refused()
	}
	user, org := field.UserID(r.Text("personId")), field.OrgID(r.Scope.ID())
	acc, err := a.accountOf(ctx, user)
	if err != nil {
		return err
	}
	name, err := NormalLogin(login)
	if err != nil || acc == nil || !named(acc, name) {
		return refused()
	}
	who, err := a.person(ctx, user)
	if err != nil {
		return err
	}
	if who == nil {
		return refused()
	}
	digest, err := a.newPassword(ctx, password, acc.Text("login"), who.Name, org)
	if err != nil {
		return err
	}
	_, err = a.commit.Commit(ctx, a.asPerson(who, org, "reset/"+string(r.ID),
		protocol.Operation{ID: r.ID, Kind: field.KindCode, Base: r.Version, Command: "use", Args: map[string]field.Value{}},
		protocol.Operation{ID: acc.ID, Kind: field.KindAccount, Base: acc.Version, Command: "set", Args: map[string]field.Value{
			"digest": field.Quote(digest), "why": field.Quote(field.EndReset),
		}},
	))
	if err != nil {
		a.dropHash(ctx, digest, err)
	}
	if field.Is(err, field.CodeNotNow) { // somebody else used the code meanwhile
		return refused()
	}
	if err != nil {
		return err
	}
	a.passwordChanged(ctx, user, acc.Text("digest"))
	return nil
}
