package probe

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

// Declared checks the first bytes of a file against its declared media type: CodeUnsupportedType when that type is
// not taken at all, CodeNotAPhoto when the bytes show another.
func Declared(declared string, head []byte) error {
	t, taken := field.MediaTypeOf(declared)
	if !taken {
		var pictures, recordings []string
		for _, t := range field.MediaTypes {
			if t.Recording {
				recordings = append(recordings, t.Code)
			} else {
				pictures = append(pictures, t.Code)
			}
		}
		return field.Refuse(field.CodeUnsupportedType, "Photos are %s; recordings %s.", anyOf(pictures, ", ", " or "), anyOf(recordings, ", ", " or ")).
			InChinese("照片须为 %s；音像须为 %s。", anyOf(pictures, "、", " 或 "), anyOf(recordings, "、", " 或 "))
	}
	is, _, _ := strings.Cut(MediaType(head), ";")
	if slices.Contains(t.Bytes, is) {
		return nil
	}
	return field.Refuse(field.CodeNotAPhoto, "The file was declared as %s and is %s.", declared, is).
		InChinese("该文件声明为 %s，实为 %s。", declared, is)
}

func anyOf(names []string, comma, or string) string {
	last := len(names) - 1
	return strings.Join(names[:last], comma) + or + names[last]
}
