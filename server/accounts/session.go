package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// sessionBody holds the secrets of a session; whose it is and whether it is open says its record in the log, and a body
// without one opens nothing. A refresh token is the session's id, a dot and 32 random bytes; only their hash is kept.
// The next secret is kept masked by the present one, so that anyone who has just used a token can be given the same
// answer again, and anyone who reads the store learns nothing.
type sessionBody struct {
	User    field.UserID   `json:"user"`
	Org     field.OrgID    `json:"org"`
	Device  field.DeviceID `json:"device"`
	Made    time.Time      `json:"made"`
	Hash    string         `json:"hash"`              // of the secret that is good now
	Used    []string       `json:"used,omitempty"`    // hashes of the secrets before it, the newest first
	Masked  []byte         `json:"masked,omitempty"`  // the secret that is good now, masked by the one before it
	Rotated time.Time      `json:"rotated,omitzero"`  //
	Nonce   string         `json:"nonce,omitempty"`   // hash of the name of the request that brought it; empty: it had none
	Browser bool           `json:"browser,omitempty"` // the secret lies in a browser's cookie and is not exchanged
	Closed  string         `json:"closed,omitempty"`  // by an older server, which did not write it into the log
}

const (
	usedMost   = 16 // hashes of used secrets that are remembered, to tell a reused token from an invented one
	rotateMost = 5  // tries against others who rotate the same session
)

func hashSecret(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

// mask hides 32 bytes under a secret of 32 random bytes that is used for this once.
func mask(secret, plain []byte) []byte {
	m := hmac.New(sha256.New, secret)
	_, _ = m.Write([]byte("fieldclue refresh token, the next")) // a hash never fails
	pad := m.Sum(nil)
	out := make([]byte, len(plain))
	subtle.XORBytes(out, plain, pad)
	return out
}

func refreshToken(session string, secret []byte) string {
	return session + "." + base64.RawURLEncoding.EncodeToString(secret)
}

func splitRefresh(token string) (session string, secret []byte, err error) {
	session, word, ok := strings.Cut(token, ".")
	if ok && field.ValidID(session) {
		secret, err = base64.RawURLEncoding.DecodeString(word)
	}
	if err != nil || len(secret) != sha256.Size {
		return "", nil, field.Refuse(field.CodeTokenInvalid, "")
	}
	return session, secret, nil
}

// begin keeps the secrets of a session that is about to be opened, and returns its first refresh token, or a browser's
// secret.
func (a *Accounts) begin(ctx context.Context, user field.UserID, org field.OrgID, device field.DeviceID, browser bool) (
	session, refresh string, doc store.Doc, err error,
) {
	secret := make([]byte, sha256.Size)
	random(secret)
	session = string(field.RandomID(a.now()))
	now := a.now().UTC()
	doc = store.Doc{Shelf: store.Sessions, ID: session, Key: string(user), Due: now.Add(a.sessionTTL)}
	body := sessionBody{User: user, Org: org, Device: device, Made: now, Hash: hashSecret(secret), Browser: browser}
	return session, refreshToken(session, secret), doc, write(ctx, a.docs, doc, body)
}

// dropSession forgets the secrets of a session that was not opened after all.
func (a *Accounts) dropSession(ctx context.Context, doc store.Doc) {
	doc, err := a.docs.GetDoc(ctx, doc.Shelf, doc.ID)
	if err == nil {
		_ = a.docs.DeleteDoc(ctx, doc.Shelf, doc.ID, doc.Version) // without a record in the log they open nothing
	}
}

// rotate exchanges a refresh token for the next. The token that was exchanged last gets the same answer again for the
// grace period, if it is asked for under the same nonce and the next one was not used: an answer that was lost must not
// sign anybody out. Otherwise, or for an older token, the session is closed.
func (a *Accounts) rotate(ctx context.Context, token string, device field.DeviceID, nonce string) (body sessionBody, session, next string, err error) {
	session, secret, err := splitRefresh(token)
	if err != nil {
		return body, "", "", err
	}
	named := ""
	if nonce != "" {
		named = hashSecret([]byte(nonce))
	}
	for range rotateMost {
		var doc store.Doc
		var found bool
		body, doc, found, err = read[sessionBody](ctx, a.docs, store.Sessions, session)
		if err != nil {
			return body, "", "", err
		}
		r, err := a.find(ctx, field.KindSession, field.RecordID(session))
		if err != nil {
			return body, "", "", err
		}
		now := a.now().UTC()
		hash := hashSecret(secret)
		used := slices.Index(body.Used, hash)
		switch {
		case !found || r == nil || body.Browser || hash != body.Hash && used < 0 || !now.Before(doc.Due):
			return body, "", "", field.Refuse(field.CodeTokenInvalid, "")
		case r.Text("personId") != string(body.User) || r.Text("deviceId") != string(body.Device):
			a.log.ErrorContext(ctx, "the secrets of a session are kept for somebody else than the log says; they open nothing", "session", session)
			return body, "", "", field.Refuse(field.CodeTokenInvalid, "")
		case body.Device != device:
			return body, "", "", field.Refuse(field.CodeForeignDevice, "")
		case r.State != field.StateOpen:
			why := r.Chosen("why")
			return body, "", "", field.Refuse(field.CodeTokenReused, "The session is closed: %s. Sign in again.", why.EN).
				InChinese("会话已关闭：%s。请重新登录。", why.ZH)
		case used == 0 && now.Sub(body.Rotated) <= a.grace && body.Nonce == named:
			return body, session, refreshToken(session, mask(secret, body.Masked)), nil
		case used >= 0:
			if err := a.closeSession(ctx, r, field.EndReused); err != nil {
				return body, "", "", err
			}
			a.log.WarnContext(ctx, "refresh token used twice, session closed", "user", body.User, "device", body.Device)
			return body, "", "", field.Refuse(field.CodeTokenReused, "")
		}
		fresh := make([]byte, sha256.Size)
		random(fresh)
		body.Used = append([]string{hash}, body.Used[:min(len(body.Used), usedMost-1)]...)
		body.Hash, body.Masked, body.Rotated, body.Nonce = hashSecret(fresh), mask(secret, fresh), now, named
		doc.Due = now.Add(a.sessionTTL)
		err = write(ctx, a.docs, doc, body)
		if err == nil {
			return body, session, refreshToken(session, fresh), nil
		}
		if !field.Is(err, field.CodeStale) {
			return body, "", "", err
		}
	}
	return body, "", "", field.Refuse(field.CodeBusy, "").Because(err)
}

// closeSession ends a session in the log. One that has ended already stays as it is.
func (a *Accounts) closeSession(ctx context.Context, r *field.Record, why string) error {
	who := &access.Actor{User: field.UserID(r.Text("personId")), Device: field.DeviceID(r.Text("deviceId"))}
	_, err := a.commit.Commit(ctx, a.asPerson(who, field.OrgID(r.Scope.ID()), "sign-out/"+string(r.ID), protocol.Operation{
		ID: r.ID, Kind: field.KindSession, Base: r.Version, Command: "close", Args: map[string]field.Value{"why": field.Quote(why)},
	}))
	if err != nil && !field.Is(err, field.CodeNotNow) {
		return err
	}
	a.actors.dropSession(string(r.ID))
	return nil
}

// SignOut closes the session of a pass. Doing it again changes nothing.
func (a *Accounts) SignOut(ctx context.Context, p Pass) error {
	r, err := a.find(ctx, field.KindSession, field.RecordID(p.Session))
	if err != nil || r == nil || r.State != field.StateOpen {
		return err
	}
	return a.closeSession(ctx, r, field.EndSignedOut)
}

// Sweep removes what has expired, at most limit of each: sessions that nobody refreshed, password hashes that no
// account names, and what is remembered of failed sign-ins. It returns how many sessions.
func (a *Accounts) Sweep(ctx context.Context, limit int) (int, error) {
	now := a.now()
	n, err := a.sweep(ctx, store.Sessions, now, limit, func(d store.Doc) (bool, error) {
		r, err := a.find(ctx, field.KindSession, field.RecordID(d.ID))
		if err == nil && r != nil && r.State == field.StateOpen {
			err = a.closeSession(ctx, r, field.EndExpired)
		}
		return err == nil, err
	})
	if err != nil {
		return n, err
	}
	_, err = a.sweep(ctx, store.Accounts, now, limit, func(d store.Doc) (bool, error) {
		acc, err := a.first(ctx, field.KindAccount, field.KeyFor("digest", d.ID))
		if err != nil || acc == nil {
			return err == nil, err
		}
		d.Due = time.Time{} // it is in use
		_, err = a.docs.PutDoc(ctx, d)
		return false, err
	})
	if err != nil {
		return n, err
	}
	_, err = a.sweep(ctx, store.Throttle, now, limit, func(store.Doc) (bool, error) { return true, nil })
	return n, err
}

// sweep removes those of the documents that are due that useless says may go.
func (a *Accounts) sweep(ctx context.Context, shelf store.Shelf, now time.Time, limit int, useless func(store.Doc) (bool, error)) (n int, err error) {
	docs, err := a.docs.DocsDue(ctx, shelf, now, limit)
	if err != nil {
		return 0, err
	}
	for _, d := range docs {
		gone, err := useless(d)
		if err == nil && gone {
			if err = a.docs.DeleteDoc(ctx, shelf, d.ID, d.Version); err == nil {
				n++
			}
		}
		if err != nil && !field.Is(err, field.CodeStale) && !field.Is(err, field.CodeNotFound) { // another process was first
			return n, err
		}
	}
	return n, nil
}
