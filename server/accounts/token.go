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

	headerType = "at+jwt" // RFC 9068
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
	private ed25519.PrivateKey // of the present key alone
	public  ed25519.PublicKey
	until   time.Time // zero: it is the present one
}

// ring is the present key and those before it whose tokens may still be about.
type ring []*signingKey

// find gives the key of an id that is good at a time; nil when there is none.
func (r ring) find(id string, now time.Time) *signingKey {
	for _, k := range r {
		if k.id == id && (k.until.IsZero() || now.Before(k.until)) {
			return k
		}
	}
	return nil
}

type keyBody struct {
	Seed  []byte     `json:"seed"` // of Ed25519
	Made  time.Time  `json:"made"`
	Older []olderKey `json:"older,omitempty"` // their public parts; nobody signs with them any more
}

type olderKey struct {
	Public []byte    `json:"public"`
	Until  time.Time `json:"until"` // when its last token has expired
}

const (
	keyFresh = time.Minute     // how long the keys are believed without looking again
	keyAgain = 5 * time.Second // until a store that was down is asked again
	keyLook  = time.Second     // until it is looked again for the key that a token names and nobody knows
)

// RotateTokenKey makes a new key for access tokens, which live for the given time. The one before is good for what it
// signed until that has expired, so nobody notices. A server that runs may sign with it for a minute more.
func RotateTokenKey(ctx context.Context, docs Docs, life time.Duration) error {
	return changeTokenKey(ctx, docs, func(b keyBody, now time.Time) []olderKey {
		public, _ := ed25519.NewKeyFromSeed(b.Seed).Public().(ed25519.PublicKey) // it is one
		older := []olderKey{{Public: public, Until: now.Add(life + 2*keyFresh)}}
		for _, k := range b.Older {
			if now.Before(k.Until) {
				older = append(older, k)
			}
		}
		return older
	})
}

// RenewTokenKey makes a new key for access tokens, because others may have the one before. Within a minute no server
// takes a token of an old one any more, whatever it says; anyone who has a session gets a new token for it.
func RenewTokenKey(ctx context.Context, docs Docs) error {
	return changeTokenKey(ctx, docs, func(keyBody, time.Time) []olderKey { return nil })
}

func changeTokenKey(ctx context.Context, docs Docs, older func(keyBody, time.Time) []olderKey) error {
	body, doc, found, err := read[keyBody](ctx, docs, store.Keys, keyDoc)
	if err != nil || !found {
		return err
	}
	if len(body.Seed) != ed25519.SeedSize {
		return errDamagedKey
	}
	now := time.Now().UTC()
	body = keyBody{Seed: make([]byte, ed25519.SeedSize), Made: now, Older: older(body, now)}
	random(body.Seed)
	return write(ctx, docs, doc, body)
}

var errDamagedKey = errors.New("accounts: the stored signing key is damaged")

func keyID(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:4])
}

// signing returns the keys that all processes on the store share, the present one first. The first that asks makes one.
// stale is how old what is known may be.
func (a *Accounts) signing(ctx context.Context, stale time.Duration) (ring, error) {
	a.keyMu.Lock()
	defer a.keyMu.Unlock()
	now := a.now()
	if a.keys != nil && now.Sub(a.keyAt) < stale && !now.Before(a.keyAt) {
		return a.keys, nil
	}
	body, doc, found, err := read[keyBody](ctx, a.docs, store.Keys, keyDoc)
	if err != nil && a.keys != nil {
		// Everybody waits here while the store is asked. It is down, and who comes next need not find that out again;
		// what a token may do is asked of the store in any case.
		a.keyAt = now.Add(keyAgain - keyFresh)
		return a.keys, nil
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
		return nil, field.Refuse(field.CodeInternal, "").Because(errDamagedKey)
	}
	private := ed25519.NewKeyFromSeed(body.Seed)
	public, _ := private.Public().(ed25519.PublicKey) // it is one
	keys := ring{{id: keyID(public), private: private, public: public}}
	for _, k := range body.Older {
		if len(k.Public) == ed25519.PublicKeySize {
			keys = append(keys, &signingKey{id: keyID(k.Public), public: k.Public, until: k.Until})
		}
	}
	a.keys, a.keyAt = keys, now
	return keys, nil
}

func (a *Accounts) mint(ctx context.Context, user field.UserID, org field.OrgID, device field.DeviceID, session string) (string, error) {
	keys, err := a.signing(ctx, keyFresh)
	if err != nil {
		return "", err
	}
	key, now := keys[0], a.now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: audience, Audience: jwt.ClaimStrings{audience}, Subject: string(user),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(a.accessTTL)),
		},
		Type: tokenType, Device: device, Org: org, Session: session,
	})
	t.Header["kid"], t.Header["typ"] = key.id, headerType
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", field.Refuse(field.CodeInternal, "").Because(err)
	}
	return signed, nil
}

// open checks an access token: its header says that it is one and by which of our keys, nothing in it is critical that
// we do not know, EdDSA and nothing else, audience, issuer, time. One whose key is not known is CodeTokenKeyUnknown: it
// may be of a key that was taken out of use, and a refresh mends that.
func (a *Accounts) open(ctx context.Context, token string) (*claims, error) {
	keys, err := a.signing(ctx, keyFresh)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(token))
	if c := a.known.get(sum); c != nil && keys.find(c.key, a.now()) != nil {
		if !a.timely(c) {
			return nil, field.Refuse(field.CodeTokenExpired, "")
		}
		return c, nil
	}
	c, unknown := &claims{}, false
	_, err = jwt.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		_, critical := t.Header["crit"]
		if t.Header["typ"] != headerType || kid == "" || critical {
			return nil, errors.New("not the header of an access token")
		}
		key := keys.find(kid, a.now())
		if key == nil { // another process may have made it just now
			if keys, err = a.signing(ctx, keyLook); err != nil {
				return nil, err
			}
			key = keys.find(kid, a.now())
		}
		if unknown = key == nil; unknown {
			return nil, errors.New("unknown key")
		}
		c.key = kid
		return key.public, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithAudience(audience), jwt.WithIssuer(audience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.now), jwt.WithStrictDecoding())
	switch {
	case unknown:
		return nil, field.Refuse(field.CodeTokenKeyUnknown, "").Because(err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, field.Refuse(field.CodeTokenExpired, "").Because(err)
	case err != nil:
		return nil, field.Refuse(field.CodeTokenInvalid, "").Because(err)
	case !a.timely(c):
		return nil, field.Refuse(field.CodeTokenExpired, "")
	}
	a.known.put(sum, c, a.now())
	return c, nil
}

// clocks is by how much the clocks of two servers may differ.
const clocks = 10 * time.Minute

// timely reports whether a token is of the present. One that is good for longer than any that is given now is of a
// clock that was ahead and has been put right: it would go on for as long as the clock was ahead, and a refresh brings
// another.
func (a *Accounts) timely(c *claims) bool {
	now := a.now()
	return now.Before(c.ExpiresAt.Time) && !c.ExpiresAt.After(now.Add(a.accessTTL+clocks))
}

// over reports whether a token's time has passed.
func (c *claims) over(now time.Time) bool { return !now.Before(c.ExpiresAt.Time) }

// remembered keeps by the hash of a secret what was found out about it: checking Ed25519 costs more than the rest of a
// request.
type remembered[T interface{ over(now time.Time) bool }] struct {
	mu    sync.Mutex // guards bySum
	bySum map[[sha256.Size]byte]T
}

const rememberedMost = 20_000

// get gives what is known; the zero value when nothing is.
func (r *remembered[T]) get(sum [sha256.Size]byte) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bySum[sum]
}

func (r *remembered[T]) put(sum [sha256.Size]byte, known T, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bySum == nil {
		r.bySum = map[[sha256.Size]byte]T{}
	}
	if len(r.bySum) >= rememberedMost {
		for s, old := range r.bySum {
			if old.over(now) {
				delete(r.bySum, s)
			}
		}
		if len(r.bySum) >= rememberedMost {
			clear(r.bySum)
		}
	}
	r.bySum[sum] = known
}
