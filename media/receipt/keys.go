package receipt

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"fieldclue/server/field"
)

// Key is a public key of the server, and the time in which it signs.
type Key struct {
	KeyID     string    `json:"keyId"`
	Algorithm string    `json:"algorithm"`        // "Ed25519"
	PublicKey []byte    `json:"publicKey"`        // in JSON base64, standard alphabet with padding
	From      time.Time `json:"from,omitzero"`    // zero: since there was a server
	Until     time.Time `json:"until,omitzero"`   // zero: it signs now
	Leaked    bool      `json:"leaked,omitempty"` // others may have it: its signatures prove nothing by themselves
}

// NewKey is a key that signs from a time on; zero: since there was a server.
func NewKey(public ed25519.PublicKey, from time.Time) Key {
	return Key{KeyID: KeyID(public), Algorithm: "Ed25519", PublicKey: public, From: from}
}

// Clocks is how far the clocks of servers may be apart, and how long one may go on with a key that was changed just
// now.
const Clocks = 10 * time.Minute

// Signed refuses a time at which the key did not sign with CodeHashMismatch.
func (k Key) Signed(at time.Time) error {
	switch {
	case !k.Until.IsZero() && at.After(k.Until.Add(Clocks)):
		return field.Refuse(field.CodeHashMismatch, "The key %s signs nothing since %s, and this is of %s.", k.KeyID, stamp(k.Until), stamp(at))
	case at.Before(k.From.Add(-Clocks)) && !k.From.IsZero():
		return field.Refuse(field.CodeHashMismatch, "The key %s signs since %s, and this is of %s.", k.KeyID, stamp(k.From), stamp(at))
	}
	return nil
}

// Keys are public keys of one server, the present one first.
type Keys []Key

// Find gives the key with an id.
func (k Keys) Find(id string) (Key, bool) {
	i := slices.IndexFunc(k, func(k Key) bool { return k.KeyID == id })
	if i < 0 {
		return Key{}, false
	}
	return k[i], true
}

// Public are the keys themselves.
func (k Keys) Public() []ed25519.PublicKey {
	var all []ed25519.PublicKey
	for _, one := range k {
		all = append(all, one.PublicKey)
	}
	return all
}

// Verify checks a receipt against the key that it names, and that this key signed at its time. CodeHashMismatch says
// which part does not hold; a key that is not among these is named.
func (k Keys) Verify(r Receipt) error {
	key, ok := k.Find(r.KeyID)
	if !ok {
		return field.Refuse(field.CodeHashMismatch, "The receipt does not hold: its key %.40q is not known.", r.KeyID)
	}
	if err := Verify(key.PublicKey, r); err != nil {
		return err
	}
	return key.Signed(r.ReceivedAt)
}

// Published is how keys are published: the present one, as it ever was, and the older ones beside it.
type Published struct {
	Key
	Older []Key `json:"older,omitempty"` // the newest first
}

// Publish gives the form in which keys are published; there must be one.
func (k Keys) Publish() Published { return Published{k[0], k[1:]} }

// Keys are the keys that were published.
func (p Published) Keys() Keys { return append(Keys{p.Key}, p.Older...) }

// ParseKeys reads public keys as the server publishes them: the JSON of /v1/receipt-key, or one or several in base64 of
// their 32 bytes, each on a line, or in PEM. Ids are never believed.
func ParseKeys(b []byte) (Keys, error) {
	b = bytes.TrimSpace(b)
	if block, _ := pem.Decode(b); block != nil {
		return parsePEM(b)
	}
	if bytes.HasPrefix(b, []byte("{")) {
		var p Published
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, fmt.Errorf("the published keys cannot be read: %w", err)
		}
		return p.Keys().checked()
	}
	var keys Keys
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil {
			return nil, errNoKey
		}
		keys = append(keys, Key{PublicKey: raw})
	}
	return keys.checked()
}

var errNoKey = errors.New("a key is 32 bytes in base64, the answer of /v1/receipt-key, or PEM")

func parsePEM(b []byte) (Keys, error) {
	var keys Keys
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			if len(bytes.TrimSpace(b)) > 0 {
				return nil, errNoKey
			}
			return keys.checked()
		}
		known, err := x509.ParsePKIXPublicKey(block.Bytes)
		key, ok := known.(ed25519.PublicKey)
		if !ok {
			return nil, errors.Join(errors.New("it is no Ed25519 key"), err)
		}
		keys, b = append(keys, Key{PublicKey: key}), rest
	}
}

// checked computes the ids, and refuses what is no key or is there twice.
func (k Keys) checked() (Keys, error) {
	var keys Keys
	for _, one := range k {
		if len(one.PublicKey) != ed25519.PublicKeySize {
			return nil, errNoKey
		}
		id := KeyID(one.PublicKey)
		if one.KeyID != "" && one.KeyID != id {
			return nil, fmt.Errorf("a key has the id %s and is called %.40q", id, one.KeyID)
		}
		if _, twice := keys.Find(id); twice {
			return nil, fmt.Errorf("key %s is there twice", id)
		}
		one.KeyID, one.Algorithm = id, "Ed25519"
		keys = append(keys, one)
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	return keys, nil
}

// Ring is what the server itself holds: the private key that signs now, and every public one. Of older keys nobody has
// the private part any more.
type Ring struct {
	Private ed25519.PrivateKey
	Keys    Keys
}

// NewRing is a ring of one key that was never changed.
func NewRing(key ed25519.PrivateKey) Ring {
	return Ring{Private: key, Keys: Keys{NewKey(NewSigner(key).PublicKey(), time.Time{})}}
}

// Holder gives the ring of the moment. It is asked each time that something is signed, because the key may be changed
// while servers run.
type Holder func(ctx context.Context) (Ring, error)

// Always is the holder of a ring that does not change.
func (r Ring) Always() Holder { return func(context.Context) (Ring, error) { return r, nil } }
