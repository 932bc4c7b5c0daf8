// Package receipt signs what the server promises about a stored file, and checks such promises without the server.
//
// A phone frees the space of a photo only on a receipt. Start with Receipt; Signer makes them, Verify needs only the
// published key, and Keys (keys.go) all that the server ever signed with. Nothing is stored here.
package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Receipt says that the server holds these bytes. The signature is Ed25519 (RFC 8032) over Text.
type Receipt struct {
	V          int       `json:"v"`      // 1
	Number     string    `json:"number"` // the same whenever the same photo and bytes are received
	SHA256     string    `json:"sha256"` // lower-case hexadecimal
	Size       int64     `json:"size"`   // bytes
	Type       string    `json:"type"`   // media type
	PhotoID    string    `json:"photoId"`
	ReceivedAt time.Time `json:"receivedAt"`         // the server's clock, UTC, whole milliseconds
	KeepUntil  time.Time `json:"keepUntil,omitzero"` // so long the phone keeps the file: see Kept; zero: an older server gave it
	KeyID      string    `json:"keyId"`
	Signature  string    `json:"signature"` // base64, standard alphabet with padding
}

// Kept is how long a phone keeps the file of a photo after it was received. A server that was put back to a copy asks
// for what it had received since, and a copy may be as old as that. KeepUntil says the day; it is not part of Text,
// because the phones of older versions could not check it then, and it follows from what is.
const Kept = 30 * 24 * time.Hour

// Keep is until when the phone keeps the file.
func (r Receipt) Keep() time.Time {
	if r.KeepUntil.IsZero() {
		return r.ReceivedAt.Add(Kept)
	}
	return r.KeepUntil
}

// Text is what is signed: one line a value, in a fixed order, each ended by a line feed.
func (r Receipt) Text() string {
	return fmt.Sprintf("fieldclue receipt\nv %d\nnumber %s\nsha256 %s\nsize %d\ntype %s\nphotoId %s\nreceivedAt %s\nkeyId %s\n",
		r.V, r.Number, r.SHA256, r.Size, r.Type, r.PhotoID, stamp(r.ReceivedAt), r.KeyID)
}

// JSON is the receipt as it is stored and sent.
func (r Receipt) JSON() json.RawMessage {
	b, err := json.Marshal(r)
	if err != nil {
		panic("receipt: a struct of strings and numbers does not marshal: " + err.Error())
	}
	return b
}

// Number derives the number of a receipt from what was received, such as "R-3F2A-…": people read it aloud.
func Number(photoID, sum string) string {
	h := sha256.Sum256([]byte("receipt\n" + photoID + "\n" + sum))
	s := strings.ToUpper(hex.EncodeToString(h[:8]))
	return "R-" + s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// KeyID names a public key: the first 16 hexadecimal digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	h := sha256.Sum256(key)
	return hex.EncodeToString(h[:8])
}

// Signer makes receipts with one key of the server.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner takes the server's key.
func NewSigner(key ed25519.PrivateKey) Signer { return Signer{key: key} }

// PublicKey is what clients need for Verify.
func (s Signer) PublicKey() ed25519.PublicKey {
	pub, ok := s.key.Public().(ed25519.PublicKey)
	if !ok {
		panic("receipt: an Ed25519 key without a public part")
	}
	return pub
}

// Sign gives the receipt of one stored file. The same arguments give the same receipt, byte for byte.
func (s Signer) Sign(photoID, sum string, size int64, mediaType string, receivedAt time.Time) Receipt {
	r := Receipt{
		V: 1, Number: Number(photoID, sum), SHA256: sum, Size: size, Type: mediaType, PhotoID: photoID,
		ReceivedAt: receivedAt.UTC().Truncate(time.Millisecond), KeyID: KeyID(s.PublicKey()),
	}
	r.KeepUntil = r.ReceivedAt.Add(Kept)
	r.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(s.key, []byte(r.Text())))
	return r
}

// Verify checks a receipt against a published key. CodeHashMismatch says which part does not hold.
func Verify(key ed25519.PublicKey, r Receipt) error {
	bad := func(what string) error {
		return field.Refuse(field.CodeHashMismatch, "The receipt does not hold: %s.", what)
	}
	sig, err := base64.StdEncoding.DecodeString(r.Signature)
	switch {
	case r.V != 1:
		return bad("its version is unknown")
	case len(key) != ed25519.PublicKeySize || r.KeyID != KeyID(key):
		return bad("it was signed with another key")
	case strings.ContainsAny(r.Number+r.SHA256+r.Type+r.PhotoID, "\n\r"):
		return bad("a value spans lines")
	case err != nil || !ed25519.Verify(key, []byte(r.Text()), sig):
		return bad("the signature is wrong")
	case r.Keep().Before(r.ReceivedAt.Add(Kept)):
		return bad("it would have the file removed too early")
	case r.Number != Number(r.PhotoID, r.SHA256):
		return bad("the number belongs to another file")
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
