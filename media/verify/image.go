package verify

import (
	"fmt"
	"image"

	"github.com/corona10/goimagehash"

	"fieldclue/server/field"
)

// HashName names the perceptual hash and its version: two hashes compare only under one name.
const HashName = "phash/goimagehash-1.1.0"

// Hash is a perceptual hash: Value is 64 bits as 16 hexadecimal digits. Equal pictures differ in few bits.
type Hash struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PerceptualHash hashes a picture. Give it the upright small rendition, so that the hash does not depend on how the
// phone was held.
func PerceptualHash(img image.Image) (Hash, error) {
	h, err := goimagehash.PerceptionHash(img)
	if err != nil {
		return Hash{}, field.Refuse(field.CodeNotAPhoto, "").Because(err)
	}
	return Hash{Name: HashName, Value: fmt.Sprintf("%016x", h.GetHash())}, nil
}
