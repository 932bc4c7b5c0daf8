package verify

import (
	"slices"

	"github.com/gabriel-vasile/mimetype"

	"fieldclue/server/field"
)

// HeadSize is how many bytes from the start of a file MediaType and Declared want to see; fewer when the file is
// shorter.
const HeadSize = 3072

// families maps each declared media type that is accepted to the types that its bytes may show. An .m4a without the
// brand of Apple looks like any MP4.
var families = map[string][]string{
	"image/jpeg": {"image/jpeg"},
	"image/png":  {"image/png", "image/vnd.mozilla.apng"},
	"image/heic": {"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"},
	"image/heif": {"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"},
	"video/mp4":  {"video/mp4", "video/x-m4v"},
	"audio/mp4":  {"audio/mp4", "audio/x-m4a", "video/mp4"},
}

// MediaType tells the type of a file by its first bytes, such as "image/jpeg"; "application/octet-stream" when they
// say nothing.
func MediaType(head []byte) string { return mimetype.Detect(head).String() }

// IsHEIC reports whether a type told by MediaType is one of those of HEIC.
func IsHEIC(media string) bool { return slices.Contains(families["image/heic"], media) }

// Accepted reports whether files of a declared media type are taken at all.
func Accepted(declared string) bool { return families[declared] != nil }

// Declared checks the first bytes of a file against its declared media type: CodeUnsupportedType when that type is
// not taken at all, CodeNotAPhoto when the bytes show another.
func Declared(declared string, head []byte) error {
	if !Accepted(declared) {
		return field.Refuse(field.CodeUnsupportedType, "Photos are image/jpeg, image/png or image/heic; recordings video/mp4 or audio/mp4.")
	}
	is := mimetype.Detect(head)
	for _, ok := range families[declared] {
		if is.Is(ok) {
			return nil
		}
	}
	return field.Refuse(field.CodeNotAPhoto, "The file was declared as %s and is %s.", declared, is.String())
}
