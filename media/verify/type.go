package verify

import (
	"encoding/binary"
	"slices"
	"strings"

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
	"image/png":  {"image/png"},
	"image/heic": {"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"},
	"image/heif": {"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"},
	"video/mp4":  {"video/mp4", "video/x-m4v"},
	"audio/mp4":  {"audio/mp4", "audio/x-m4a", "video/mp4"},
}

// MediaType tells the type of a file by its first bytes, such as "image/jpeg"; "application/octet-stream" when they
// say nothing.
func MediaType(head []byte) string {
	switch media := mimetype.Detect(head).String(); {
	case media == "image/apng": // animated, and a PNG
		return "image/png"
	case (media == "application/octet-stream" || media == "video/mp4") && heifBrand(head):
		return "image/heif"
	default:
		return media
	}
}

// heifBrand reports whether a file of the ISO family names HEIC among the brands that it is compatible with. Its major
// brand may be the maker's own.
func heifBrand(head []byte) bool {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return false
	}
	brands := head[8:min(len(head), max(16, int(binary.BigEndian.Uint32(head))))]
	for i := 0; i+4 <= len(brands); i += 4 {
		switch string(brands[i : i+4]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "mif2", "msf1":
			return i != 4 // where the minor version stands
		}
	}
	return false
}

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
	is, _, _ := strings.Cut(MediaType(head), ";")
	if slices.Contains(families[declared], is) {
		return nil
	}
	return field.Refuse(field.CodeNotAPhoto, "The file was declared as %s and is %s.", declared, is)
}
