package accounts

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

const (
	audience  = "fieldclue"
	tokenType = "access"
	keyDoc    = "access-token"
)

// claims of an access token. The roles are not in it: they are looked up, so that they end when they end.
type claims struct {
	jwt.RegisteredClaims
	Type    string         `json:"typ"`
	Device  field.DeviceID `json:"dev"`
	Org     field.OrgID    `json:"org"`
	Session string         `json:"sid"`

	key string // the id of the key that signed it
}

// Validate is called by the parser after the registered claims were found good.
func (c *claims) Validate() error {
	if c.Type != tokenType || c.Subject == "" || c.Session == "" || c.Device == "" {
		return errors.New("not an access token")
	}
	return nil
}

type signingKey struct {
	id      string
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

type keyBody struct {
	Seed []byte    `json:"seed"` // of Ed25519
	Made time.Time `json:"made"`
}

const (
	keyFresh = time.Minute     // how long the key is believed without looking again
	keyAgain = 5 * time.Second // until a store that was down is asked again
)

// RenewTokenKey makes a new key for access tokens, because others may have the one before. Within a minute no server takes
// a token of the old one any more, whatever it says; whoever has a session gets a new token for it.
func RenewTokenKey(ctx context.Context, docs Docs) error {
	body, doc, found, err := read[keyBody](ctx, docs, store.Keys, keyDoc)
	if err != nil || !found {
		return err
	}
	body = keyBody{Seed: make([]byte, ed25519.SeedSize), Made: time.Now().UTC()}
	random(body.Seed)
	return write(ctx, docs, doc, body)
}

// signing returns the key that all processes on the store share. The first that asks makes it.
func (a *Accounts) signing(ctx context.Context) (*signingKey, error) {
	a.keyMu.Lock()
	defer a.keyMu.Unlock()
	now := a.now()
	if a.key != nil && now.Sub(a.keyAt) < keyFresh && !now.Before(a.keyAt) {
		return a.key, nil
	}
	body, doc, found, err := read[keyBody](ctx, a.docs, store.Keys, keyDoc)
	if err != nil && a.key != nil {
		// Everybody waits here while the store is asked. It is down, and who comes next need not find that out again; what a
		// token may do is asked of the store in any case.
		a.keyAt = now.Add(keyAgain - keyFresh)
		return a.key, nil
	}
	if err != nil {
		return nil, err
	}
	if !found {
		body = keyBody{Seed: make([]byte, ed25519.SeedSize), Made: a.now().UTC()}
		random(body.Seed)
		err := write(ctx, a.docs, doc, body)
		if field.Is(err, field.CodeStale) { // another process was first
			body, _, _, err = read[keyBody](ctx, a.docs, store.Keys, keyDoc)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(body.Seed) != ed25519.SeedSize {
		return nil, field.Refuse(field.CodeInternal, "").Because(errors.New("accounts: the stored signing key is damaged"))
	}
	private := ed25519.NewKeyFromSeed(body.Seed)
	public, _ := private.Public().(ed25519.PublicKey) // it is one
	sum := sha256.Sum256(public)
	a.key, a.keyAt = &signingKey{id: hex.EncodeToString(sum[:4]), private: private, public: public}, now
	return a.key, nil
}

func (a *Accounts) mint(ctx context.Context, user field.UserID, org field.OrgID, device field.DeviceID, session string) (string, error) {
	key, err := a.signing(ctx)
	if err != nil {
		return "", err
	}
	now := a.now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: audience, Audience: jwt.ClaimStrings{audience}, Subject: string(user),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(a.accessTTL)),
		},
		Type: tokenType, Device: device, Org: org, Session: session,
	})
	t.Header["kid"] = key.id
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", field.Refuse(field.CodeInternal, "").Because(err)
	}
	return signed, nil
}

// open checks an access token: EdDSA by our key and nothing else, audience, issuer, type, time. One that names another key
// has expired: it may be of the key before.
func (a *Accounts) open(ctx context.Context, token string) (*claims, error) {
	key, err := a.signing(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(token))
	if c := a.known.get(sum); c != nil && c.key == key.id {
		if !a.now().Before(c.ExpiresAt.Time) {
			return nil, field.Refuse(field.CodeTokenExpired, "")
		}
		return c, nil
	}
	c := &claims{key: key.id}
	parsed, err := jwt.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return key.public, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithAudience(audience), jwt.WithIssuer(audience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.now))
	if errors.Is(err, jwt.ErrTokenExpired) {
		return nil, field.Refuse(field.CodeTokenExpired, "").Because(err)
	}
	if err != nil && parsed != nil {
		if kid, ok := parsed.Header["kid"].(string); ok && kid != key.id {
			return nil, field.Refuse(field.CodeTokenExpired, "").Because(err)
		}
	}
	if err != nil {
		return nil, field.Refuse(field.CodeTokenInvalid, "").Because(err)
	}
	a.known.put(sum, c, a.now())
	return c, nil
}

// verified remembers tokens whose signature was found good: checking Ed25519 costs more than the rest of a request.
type verified struct {
	mu    sync.Mutex // guards bySum
	bySum map[[32]byte]*claims
}

const verifiedMost = 20_000

func (v *verified) get(sum [32]byte) *claims {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bySum[sum]
}

func (v *verified) put(sum [32]byte, c *claims, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bySum == nil {
		v.bySum = map[[32]byte]*claims{}
	}
	if len(v.bySum) >= verifiedMost {
		for s, old := range v.bySum {
			if !now.Before(old.ExpiresAt.Time) {
				delete(v.bySum, s)
			}
		}
		if len(v.bySum) >= verifiedMost {
			clear(v.bySum)
		}
	}
	v.bySum[sum] = c
}
