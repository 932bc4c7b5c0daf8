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

// families maps each media type that may be declared to the types that its bytes may show. What the files of the ISO
// family call themselves says little: an .m4a without the brand of Apple looks like any MP4, phones name a 3GP file
// .mp4 and a QuickTime film too.
var families = map[string][]string{
	"image/jpeg":      {"image/jpeg"},
	"image/png":       {"image/png"},
	"image/heic":      {"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"},
	"video/mp4":       films,
	"video/quicktime": films,
	"video/3gpp":      films,
	"audio/mp4":       slices.Concat(sounds, films),
	"audio/3gpp":      slices.Concat(sounds, films),
}

var (
	films  = []string{"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "video/3gpp2"}
	sounds = []string{"audio/mp4", "audio/x-m4a", "audio/3gpp", "audio/3gpp2"}
)

// MediaType tells the type of a file by its first bytes, such as "image/jpeg"; "application/octet-stream" when they say
// nothing.
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

// IsRecording reports whether a type told by MediaType is one of those of film and sound.
func IsRecording(media string) bool {
	return slices.Contains(films, media) || slices.Contains(sounds, media)
}

// Accepted reports whether files of a declared media type are taken at all.
func Accepted(declared string) bool {
	_, ok := field.PhotoTypeOf(declared)
	return ok
}

// Declared checks the first bytes of a file against its declared media type: CodeUnsupportedType when that type is not
// taken at all, CodeNotAPhoto when the bytes show another.
func Declared(declared string, head []byte) error {
	if !Accepted(declared) {
		return field.Refuse(field.CodeUnsupportedType, "Photos are image/jpeg, image/png or image/heic; "+
			"recordings video/mp4, video/quicktime, video/3gpp, audio/mp4 or audio/3gpp.").
			InChinese("照片须为 image/jpeg、image/png 或 image/heic；音像须为 video/mp4、video/quicktime、video/3gpp、audio/mp4 或 audio/3gpp。")
	}
	is, _, _ := strings.Cut(MediaType(head), ";")
	if t, _ := field.PhotoTypeOf(declared); slices.Contains(families[t.Code], is) {
		return nil
	}
	return field.Refuse(field.CodeNotAPhoto, "The file was declared as %s and is %s.", declared, is).
		InChinese("该文件声明为 %s，实为 %s。", declared, is)
}
