package accounts

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
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
	hashesAtOnce  = 2   // so that a flood of sign-ins holds 64 MiB, not the machine
	hashesWaiting = 256 // more than that are sent away
	hashesOfOne   = 4   // that wait for one who signs in

	passwordLeast = 12  // characters
	passwordMost  = 256 // bytes: hashing a longer one would be work for nothing
	passwordScore = 3   // of 4 by zxcvbn: over 10^8 guesses
	passwordRated = 64  // bytes that are rated: the work grows with the square of the length
)

// goodPassword is CodeWeakPassword for a password that is too short or too long, that is easy to guess, or that is made
// of words that everybody knows of its owner.
func goodPassword(password string, words ...string) error {
	if utf8.RuneCountInString(password) < passwordLeast || len(password) > passwordMost || !utf8.ValidString(password) {
		return field.Refuse(field.CodeWeakPassword, "Choose a password of at least %d characters and at most %d bytes.", passwordLeast, passwordMost).
			InChinese("密码至少 %d 个字符，最多 %d 字节。", passwordLeast, passwordMost)
	}
	rest := strings.ToLower(password)
	var known []string
	for _, w := range words {
		for _, part := range append(strings.FieldsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), w) {
			if part = strings.ToLower(part); len(part) > 1 {
				known = append(known, part)
				rest = strings.ReplaceAll(rest, part, "")
			}
		}
	}
	if utf8.RuneCountInString(rest) < passwordLeast/2 {
		return field.Refuse(field.CodeWeakPassword, "The password is made of your name, your sign-in name or your organisation. Choose another.").
			InChinese("密码由您的姓名、登录名或单位名构成，请另选。")
	}
	rated := strings.ToValidUTF8(password[:min(len(password), passwordRated)], "")
	if zxcvbn.PasswordStrength(rated, known).Score < passwordScore {
		return field.Refuse(field.CodeWeakPassword, "The password is easy to guess. Choose one that is longer, such as four words that have nothing to do with each other.").
			InChinese("密码容易被猜到，请选一个更长的，例如四个互不相干的词。")
	}
	return nil
}

// hasher computes hashes, few at a time, for all who wait in turn: anyone who knocks on many doors at once waits behind
// himself, not in front of the others.
type hasher struct {
	cost  HashCost
	decoy string // verified when the name is unknown, so that it takes as long

	mu      sync.Mutex // guards what follows
	running map[string]int
	count   int                        // of those that run
	queues  map[string][]chan struct{} // those that wait, by who they are for
	turns   []string                   // the keys of queues, whose turn it is first
	waiting int
}

func newHasher(c HashCost) *hasher {
	if c == (HashCost{}) {
		c = defaultCost
	}
	h := &hasher{cost: c, running: map[string]int{}, queues: map[string][]chan struct{}{}}
	salt, key := make([]byte, 16), make([]byte, 32)
	random(salt)
	random(key)
	h.decoy = encodeHash(c, salt, key)
	return h
}

// enter waits for a place among those that hash. One is computed at a time for one key.
func (h *hasher) enter(ctx context.Context, key string) (leave func(), err error) {
	h.mu.Lock()
	if len(h.queues[key]) >= hashesOfOne || h.waiting >= hashesWaiting {
		h.mu.Unlock()
		e := field.Refuse(field.CodeTooMany, "Too many people sign in at once. Try again after the time in Retry-After.").
			InChinese("同时登录的人过多，请按 Retry-After 稍后重试。")
		e.After = 2 * time.Second
		return nil, e
	}
	mine := make(chan struct{})
	if len(h.queues[key]) == 0 {
		h.turns = append(h.turns, key)
	}
	h.queues[key] = append(h.queues[key], mine)
	h.waiting++
	h.grant()
	h.mu.Unlock()
	select {
	case <-mine:
		return func() { h.leave(key) }, nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	i := slices.Index(h.queues[key], mine)
	if i >= 0 {
		h.queues[key] = slices.Delete(h.queues[key], i, i+1)
		h.waiting--
		if len(h.queues[key]) == 0 {
			h.forget(key)
		}
	}
	h.mu.Unlock()
	if i < 0 { // its turn came just now
		h.leave(key)
	}
	return nil, field.Refuse(field.CodeBusy, "").Because(ctx.Err())
}

func (h *hasher) leave(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if h.running[key]--; h.running[key] == 0 {
		delete(h.running, key)
	}
	h.grant()
}

// grant lets in whose turn it is. mu is held.
func (h *hasher) grant() {
	for i := 0; i < len(h.turns) && h.count < hashesAtOnce; {
		key := h.turns[i]
		if h.running[key] > 0 {
			i++
			continue
		}
		close(h.queues[key][0])
		h.queues[key] = h.queues[key][1:]
		h.waiting--
		h.count++
		h.running[key]++
		h.turns = slices.Delete(h.turns, i, i+1)
		if len(h.queues[key]) > 0 {
			h.turns = append(h.turns, key)
		} else {
			delete(h.queues, key)
		}
	}
}

// forget drops a queue that is empty. mu is held.
func (h *hasher) forget(key string) {
	delete(h.queues, key)
	h.turns = slices.DeleteFunc(h.turns, func(k string) bool { return k == key })
}

// make hashes a new password.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx, "new "+strconv.FormatInt(number(), 36))
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, 16)
	random(salt)
	return encodeHash(h.cost, salt, argon2.IDKey([]byte(password), salt, h.cost.Passes, h.cost.MemoryKiB, 1, 32)), nil
}

// matches reports whether the password is the one of the hash. An empty hash takes as long and never matches. queue
// says for whom it is computed.
func (h *hasher) matches(ctx context.Context, queue, hash, password string) (bool, error) {
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
	leave, err := h.enter(ctx, queue)
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
