package accounts

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// A browser keeps one secret for as long as its session lasts, in a cookie that no script can read. It is not exchanged
// with each use as the refresh token of an app is: a picture, a download or a stream of events that the browser asks
// for by itself could not bring the next secret home, and thirty pictures asked for at once would look like thirty
// thieves. So what a session was opened with stays with it: a cookie opens no refresh, and a refresh token is no
// cookie.

// visit is the access token that stands for a browser for a moment.
type visit struct {
	token string
	until time.Time
}

func (v visit) over(now time.Time) bool { return !now.Before(v.until) }

const (
	visitLife = time.Minute    // how long a secret is believed without looking at its session again; whether that is open is asked each time
	visitMore = 24 * time.Hour // how much of its life a session has lost when it is given the whole again
)

// BrowserToken gives the access token that the secret of a browser's session stands for, the same one for a minute.
// What it may do is asked as of any token. CodeTokenInvalid when it is no such secret or the session was not used for
// as long as sessions last.
func (a *Accounts) BrowserToken(ctx context.Context, secret string) (string, error) {
	sum := sha256.Sum256([]byte(secret))
	now := a.now().UTC()
	if v := a.visits.get(sum); !v.over(now) {
		return v.token, nil
	}
	session, key, err := splitRefresh(secret)
	if err != nil {
		return "", err
	}
	body, doc, found, err := read[sessionBody](ctx, a.docs, store.Sessions, session)
	if err != nil {
		return "", err
	}
	if !found || !body.Browser || !now.Before(doc.Due) || subtle.ConstantTimeCompare([]byte(body.Hash), []byte(hashSecret(key))) != 1 {
		return "", field.Refuse(field.CodeTokenInvalid, "The session has ended. Sign in again.").InChinese("会话已结束，请重新登录。")
	}
	if doc.Due.Before(now.Add(a.sessionTTL - visitMore)) {
		doc.Due = now.Add(a.sessionTTL)
		if err := write(ctx, a.docs, doc, body); err != nil && !field.Is(err, field.CodeStale) { // stale: another request did it
			return "", err
		}
	}
	token, err := a.mint(ctx, body.User, body.Org, body.Device, session)
	if err == nil {
		a.visits.put(sum, visit{token: token, until: now.Add(min(visitLife, a.accessTTL/2))}, now)
	}
	return token, err
}

// SessionLife is how long a session lasts that is not used.
func (a *Accounts) SessionLife() time.Duration { return a.sessionTTL }
