package accounts

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"fieldclue/server/field"
)

// HashCost is what one Argon2id (RFC 9106) costs.
type HashCost struct {
	MemoryKiB uint32
	Passes    uint32
}

var defaultCost = HashCost{MemoryKiB: 32 << 10, Passes: 2}

const (
	hashesAtOnce  = 2  // so that a flood of sign-ins holds 64 MiB, not the machine
	hashesWaiting = 64 // more than that are sent away

	passwordLeast = 12  // characters
	passwordMost  = 256 // bytes: hashing a longer one would be work for nothing
)

type hasher struct {
	cost    HashCost
	running chan struct{}
	waiting chan struct{}
	decoy   string // verified when the name is unknown, so that it takes as long
}

func newHasher(c HashCost) *hasher {
	if c == (HashCost{}) {
		c = defaultCost
	}
	h := &hasher{cost: c, running: make(chan struct{}, hashesAtOnce), waiting: make(chan struct{}, hashesAtOnce+hashesWaiting)}
	salt, key := make([]byte, 16), make([]byte, 32)
	random(salt)
	random(key)
	h.decoy = encodeHash(c, salt, key)
	return h
}

// enter waits for a place among those that hash.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, field.Refuse(field.CodeTooMany, "Too many people sign in at once. Try again after the time in Retry-After.")
	}
	select {
	case h.running <- struct{}{}:
		return func() { <-h.running; <-h.waiting }, nil
	case <-ctx.Done():
		<-h.waiting
		return nil, field.Refuse(field.CodeBusy, "").Because(ctx.Err())
	}
}

// make hashes a new password; CodeWeakPassword when it is too short or too long.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	if utf8.RuneCountInString(password) < passwordLeast || len(password) > passwordMost || !utf8.ValidString(password) {
		return "", field.Refuse(field.CodeWeakPassword, "Choose a password of at least %d characters and at most %d bytes.", passwordLeast, passwordMost)
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, 16)
	random(salt)
	return encodeHash(h.cost, salt, argon2.IDKey([]byte(password), salt, h.cost.Passes, h.cost.MemoryKiB, 1, 32)), nil
}

// matches reports whether the password is the one of the hash. An empty hash takes as long and never matches.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.decoy
	}
	cost, salt, key, err := decodeHash(hash)
	if err != nil {
		return false, field.Refuse(field.CodeInternal, "").Because(err)
	}
	if len(password) > passwordMost {
		password = ""
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	got := argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, 1, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1 && known, nil
}

// encodeHash writes the customary form: $argon2id$v=19$m=32768,t=2,p=1$salt$key.
func encodeHash(c HashCost, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, b64(salt), b64(key))
}

func decodeHash(s string) (c HashCost, salt, key []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, fmt.Errorf("accounts: a stored password hash is not Argon2id")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &c.MemoryKiB, &c.Passes); err != nil {
		return c, nil, nil, fmt.Errorf("accounts: cost of a stored password hash: %w", err)
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err == nil {
		key, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	return c, salt, key, err
}
