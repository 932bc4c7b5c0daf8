package verify

import (
	"fmt"
	"image"
	"io"

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

// Decode decodes a JPEG or PNG, after its header has shown that it is within MaxPixels. CodeUnsupportedType for any
// other type, CodePhotoTooBig, CodeNotAPhoto when the data is broken.
func Decode(r io.ReadSeeker) (img image.Image, err error) {
	defer func() {
		if p := recover(); p != nil { // of a decoder; the file is hostile or broken
			img, err = nil, field.Refuse(field.CodeNotAPhoto, "")
		}
	}()
	f, err := File(r)
	if err != nil {
		return nil, err
	}
	if f.Type != "image/jpeg" && f.Type != "image/png" {
		return nil, field.Refuse(field.CodeUnsupportedType, "No picture can be made of %s here.", f.Type)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	img, _, err = image.Decode(r)
	if err != nil {
		return nil, field.Refuse(field.CodeNotAPhoto, "The image is broken.").Because(err)
	}
	return img, nil
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
