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

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// sessionBody is a session as it is stored. A refresh token is the session's id, a dot and 32 random bytes; only their
// hash is kept. The next secret is kept masked by the present one, so that whoever has just used a token can be given
// the same answer again, and whoever reads the store learns nothing.
type sessionBody struct {
	User    field.UserID   `json:"user"`
	Org     field.OrgID    `json:"org"`
	Device  field.DeviceID `json:"device"`
	Made    time.Time      `json:"made"`
	Hash    string         `json:"hash"`             // of the secret that is good now
	Used    []string       `json:"used,omitempty"`   // hashes of the secrets before it, the newest first
	Masked  []byte         `json:"masked,omitempty"` // the secret that is good now, masked by the one before it
	Rotated time.Time      `json:"rotated,omitzero"` //
	Closed  string         `json:"closed,omitempty"` // why; empty: it is open
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

// begin opens a session for a person on a device and returns its first refresh token.
func (a *Accounts) begin(ctx context.Context, user field.UserID, org field.OrgID, device field.DeviceID) (session, refresh string, err error) {
	secret := make([]byte, sha256.Size)
	random(secret)
	session = string(a.newID())
	now := a.now().UTC()
	doc := store.Doc{Shelf: store.Sessions, ID: session, Key: string(user), Due: now.Add(a.sessionTTL)}
	body := sessionBody{User: user, Org: org, Device: device, Made: now, Hash: hashSecret(secret)}
	return session, refreshToken(session, secret), write(ctx, a.docs, doc, body)
}

// rotate exchanges a refresh token for the next. The token that was exchanged last gets the same answer again for the
// grace period: an answer that was lost must not sign anybody out. Later, or for an older token, the session is closed.
func (a *Accounts) rotate(ctx context.Context, token string, device field.DeviceID) (body sessionBody, session, next string, err error) {
	session, secret, err := splitRefresh(token)
	if err != nil {
		return body, "", "", err
	}
	for range rotateMost {
		var doc store.Doc
		var found bool
		body, doc, found, err = read[sessionBody](ctx, a.docs, store.Sessions, session)
		if err != nil {
			return body, "", "", err
		}
		now := a.now().UTC()
		hash := hashSecret(secret)
		used := slices.Index(body.Used, hash)
		switch {
		case !found || hash != body.Hash && used < 0 || !now.Before(doc.Due):
			return body, "", "", field.Refuse(field.CodeTokenInvalid, "")
		case body.Device != device:
			return body, "", "", field.Refuse(field.CodeForeignDevice, "")
		case body.Closed != "":
			return body, "", "", field.Refuse(field.CodeTokenReused, "The session is closed: %s. Sign in again.", body.Closed)
		case used == 0 && now.Sub(body.Rotated) <= a.grace:
			return body, session, refreshToken(session, mask(secret, body.Masked)), nil
		case used >= 0:
			body.Closed = "a refresh token was used twice"
			err = write(ctx, a.docs, doc, body)
			if err == nil {
				a.actors.dropSession(session)
				a.log.WarnContext(ctx, "refresh token used twice, session closed", "user", body.User, "device", body.Device)
				return body, "", "", field.Refuse(field.CodeTokenReused, "")
			}
		default:
			fresh := make([]byte, sha256.Size)
			random(fresh)
			body.Used = append([]string{hash}, body.Used[:min(len(body.Used), usedMost-1)]...)
			body.Hash, body.Masked, body.Rotated = hashSecret(fresh), mask(secret, fresh), now
			doc.Due = now.Add(a.sessionTTL)
			err = write(ctx, a.docs, doc, body)
			if err == nil {
				return body, session, refreshToken(session, fresh), nil
			}
		}
		if !field.Is(err, field.CodeStale) {
			return body, "", "", err
		}
	}
	return body, "", "", field.Refuse(field.CodeBusy, "").Because(err)
}

// SignOut closes the session of a pass. Doing it again changes nothing.
func (a *Accounts) SignOut(ctx context.Context, p Pass) error {
	for range rotateMost {
		body, doc, found, err := read[sessionBody](ctx, a.docs, store.Sessions, p.Session)
		if err != nil {
			return err
		}
		if !found || body.Closed != "" {
			return nil
		}
		body.Closed = "signed out"
		err = write(ctx, a.docs, doc, body)
		if err == nil {
			a.actors.dropSession(p.Session)
			return nil
		}
		if !field.Is(err, field.CodeStale) {
			return err
		}
	}
	return field.Refuse(field.CodeBusy, "")
}

// Sweep removes sessions that ended long ago, at most limit of them, and returns how many.
func (a *Accounts) Sweep(ctx context.Context, limit int) (int, error) {
	docs, err := a.docs.DocsDue(ctx, store.Sessions, a.now(), limit)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range docs {
		err := a.docs.DeleteDoc(ctx, store.Sessions, d.ID, d.Version)
		switch {
		case err == nil:
			n++
		case !field.Is(err, field.CodeStale) && !field.Is(err, field.CodeNotFound): // another process was first
			return n, err
		}
	}
	return n, nil
}
