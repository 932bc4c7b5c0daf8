package verify

import (
	"errors"
	"image"
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bep/imagemeta"

	"fieldclue/server/field"
)

// MaxPixels is how many pixels an image may have: 64 megapixels.
const MaxPixels = 64_000_000

// Facts is what the bytes of a photo say of themselves. Nothing here was checked against anything else.
type Facts struct {
	Type string `json:"type"` // by magic bytes
	// Pixels; of JPEG and PNG as stored, before Orientation; of HEIC as shown. Zero when the file has none.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`

	Orientation int    `json:"orientation,omitempty"` // 1 to 8 as in EXIF
	Make        string `json:"make,omitempty"`
	Model       string `json:"model,omitempty"`
	Software    string `json:"software,omitempty"`

	TakenLocal  string     `json:"takenLocal,omitempty"`  // DateTimeOriginal, such as "2026-05-04T09:30:00": a clock without a zone
	TakenOffset string     `json:"takenOffset,omitempty"` // OffsetTimeOriginal, such as "+08:00"
	GPSTime     *time.Time `json:"gpsTime,omitempty"`     // UTC of the satellites
	Position    *Position  `json:"position,omitempty"`

	// Every EXIF value used above as the file has it, under its directory and tag, such as
	// "IFD0/GPSInfoIFD GPSLatitude".
	Tags map[string]any `json:"tags,omitempty"`
	// What could not be read, in short English words; the rest of the facts stands.
	Problems []string `json:"problems,omitempty"`
}

// Position is the GPS position of the EXIF data, in the datum it names (WGS-84 when it names none).
type Position struct {
	Lat        float64  `json:"lat"`                  // degrees, north positive
	Lon        float64  `json:"lon"`                  // degrees, east positive
	Accuracy   *float64 `json:"accuracy,omitempty"`   // metres, GPSHPositioningError
	Bearing    *float64 `json:"bearing,omitempty"`    // degrees, GPSImgDirection
	BearingRef string   `json:"bearingRef,omitempty"` // T true north, M magnetic
	Datum      string   `json:"datum,omitempty"`
}

// File reads the facts of a file, from its start, without decoding its pixels. CodeNotAPhoto when it is none of the accepted types or
// its header is broken, CodePhotoTooBig when it has more than MaxPixels. EXIF data that cannot be read is a Problem,
// no error.
func File(r io.ReadSeeker) (f Facts, err error) {
	defer func() {
		if p := recover(); p != nil { // of a decoder; the file is hostile or broken
			f, err = Facts{}, field.Refuse(field.CodeNotAPhoto, "")
		}
	}()
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Facts{}, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	head := make([]byte, HeadSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Facts{}, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	f.Type, _, _ = strings.Cut(MediaType(head[:n]), ";")
	var format imagemeta.ImageFormat
	switch {
	case f.Type == "image/jpeg":
		format = imagemeta.JPEG
	case f.Type == "image/png" || f.Type == "image/vnd.mozilla.apng":
		f.Type, format = "image/png", imagemeta.PNG
	case IsHEIC(f.Type):
		format = imagemeta.HEIF
	case slices.Contains(families["video/mp4"], f.Type) || slices.Contains(families["audio/mp4"], f.Type):
		return f, nil // kept as they are
	default:
		return Facts{}, field.Refuse(field.CodeNotAPhoto, "")
	}
	if format != imagemeta.HEIF {
		if f.Width, f.Height, err = dimensions(r); err != nil {
			return Facts{}, err
		}
	}
	return f, f.exif(r, format)
}

func dimensions(r io.ReadSeeker) (width, height int, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, 0, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	cfg, _, err := image.DecodeConfig(r)
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return 0, 0, field.Refuse(field.CodeNotAPhoto, "The header of the image is broken.").Because(err)
	}
	if cfg.Width > MaxPixels/cfg.Height {
		return 0, 0, field.Refuse(field.CodePhotoTooBig, "")
	}
	return cfg.Width, cfg.Height, nil
}

// The EXIF directories that are believed. The library also gives tags of the interoperability directory under names
// of GPS tags.
const (
	ifd0   = "IFD0"
	ifdGPS = "IFD0/GPSInfoIFD"
)

func wanted(t imagemeta.TagInfo) bool {
	if t.Source != imagemeta.EXIF {
		return false
	}
	switch t.Namespace {
	case ifd0:
		switch t.Tag {
		case "Make", "Model", "Software", "Orientation":
			return true
		}
	case ifd0 + "/ExifIFDP", ifd0 + "/ExifIFD":
		return t.Tag == "DateTimeOriginal" || t.Tag == "OffsetTimeOriginal"
	case ifdGPS:
		switch t.Tag {
		case "GPSLatitude", "GPSLatitudeRef", "GPSLongitude", "GPSLongitudeRef", "GPSHPositioningError",
			"GPSImgDirection", "GPSImgDirectionRef", "GPSDateStamp", "GPSTimeStamp", "GPSMapDatum":
			return true
		}
	}
	return false
}

func (f *Facts) exif(r io.ReadSeeker, format imagemeta.ImageFormat) error {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	got := map[string]any{} // by tag alone: the directories do not overlap in what we want
	f.Tags = map[string]any{}
	sources := imagemeta.EXIF
	if format == imagemeta.HEIF {
		sources |= imagemeta.CONFIG
	}
	res, err := imagemeta.Decode(imagemeta.Options{
		R: r, ImageFormat: format, Sources: sources, LimitNumTags: 2000,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool { return wanted(t) },
		HandleTag: func(t imagemeta.TagInfo) error {
			if _, twice := got[t.Tag]; twice || !wanted(t) {
				return nil
			}
			if v := value(t.Value); v != nil {
				got[t.Tag] = v
				f.Tags[t.Namespace+" "+t.Tag] = v
			}
			return nil
		},
	})
	if err != nil {
		f.Problems = append(f.Problems, "the EXIF data is broken in part")
	}
	if format == imagemeta.HEIF {
		f.Width, f.Height = res.ImageConfig.Width, res.ImageConfig.Height
		if f.Width < 0 || f.Height < 0 {
			f.Width, f.Height = 0, 0
		}
		if f.Height > 0 && f.Width > MaxPixels/f.Height {
			return field.Refuse(field.CodePhotoTooBig, "")
		}
	}
	f.read(got)
	if len(f.Tags) == 0 {
		f.Tags = nil
	}
	return nil
}

var offsetForm = regexp.MustCompile(`^[+-](0\d|1[0-4]):[0-5]\d$`)

func (f *Facts) read(got map[string]any) {
	text := func(tag string) string {
		s, _ := got[tag].(string)
		return s
	}
	f.Make, f.Model, f.Software = text("Make"), text("Model"), text("Software")
	if o, ok := number(got["Orientation"]); ok && o >= 1 && o <= 8 && o == math.Trunc(o) {
		f.Orientation = int(o)
	}
	if s := text("DateTimeOriginal"); s != "" {
		if at, err := time.Parse("2006:01:02 15:04:05", s); err == nil {
			f.TakenLocal = at.Format("2006-01-02T15:04:05")
		} else {
			f.Problems = append(f.Problems, "DateTimeOriginal is no time")
		}
	}
	if s := text("OffsetTimeOriginal"); offsetForm.MatchString(s) {
		f.TakenOffset = s
	} else if s != "" {
		f.Problems = append(f.Problems, "OffsetTimeOriginal is no offset")
	}
	if d, c := text("GPSDateStamp"), text("GPSTimeStamp"); d != "" && c != "" {
		if at, err := time.Parse("2006:01:02 15:04:05", d+" "+c); err == nil { // takes fractions as well
			f.GPSTime = &at
		} else {
			f.Problems = append(f.Problems, "GPSDateStamp and GPSTimeStamp are no time")
		}
	}
	f.position(got, text)
}

func (f *Facts) position(got map[string]any, text func(string) string) {
	lat, ok1 := number(got["GPSLatitude"])
	lon, ok2 := number(got["GPSLongitude"])
	if !ok1 && !ok2 {
		return
	}
	latRef, lonRef := strings.ToUpper(text("GPSLatitudeRef")), strings.ToUpper(text("GPSLongitudeRef"))
	switch {
	case !ok1 || !ok2 || (latRef != "N" && latRef != "S") || (lonRef != "E" && lonRef != "W"):
		f.Problems = append(f.Problems, "the GPS position lacks a coordinate or its reference")
		return
	case lat < 0 || lat > 90 || lon < 0 || lon > 180:
		f.Problems = append(f.Problems, "the GPS position is not on Earth")
		return
	case lat == 0 && lon == 0:
		f.Problems = append(f.Problems, "the GPS position is 0, 0: the receiver had none")
		return
	}
	if latRef == "S" {
		lat = -lat
	}
	if lonRef == "W" {
		lon = -lon
	}
	p := &Position{Lat: lat, Lon: lon, Datum: text("GPSMapDatum")}
	if a, ok := number(got["GPSHPositioningError"]); ok && a >= 0 {
		p.Accuracy = &a
	}
	if b, ok := number(got["GPSImgDirection"]); ok && b >= 0 && b <= 360 {
		p.Bearing = &b
		if ref := strings.ToUpper(text("GPSImgDirectionRef")); ref == "T" || ref == "M" {
			p.BearingRef = ref
		}
	}
	f.Position = p
}

// value turns a value of the library into a string, a finite float64 or nil.
func value(v any) any {
	if s, ok := v.(string); ok {
		if s = clean(s); s != "" {
			return s
		}
		return nil
	}
	if n, ok := number(v); ok {
		return n
	}
	return nil
}

func number(v any) (float64, bool) {
	var n float64
	switch x := v.(type) {
	case float64:
		n = x
	case float32:
		n = float64(x)
	case int:
		n = float64(x)
	case uint8:
		n = float64(x)
	case uint16:
		n = float64(x)
	case uint32:
		n = float64(x)
	case int32:
		n = float64(x)
	case interface{ Float64() float64 }:
		n = x.Float64()
	default:
		return 0, false
	}
	return n, !math.IsNaN(n) && !math.IsInf(n, 0)
}

const maxText = 200 // characters of an EXIF text

// clean makes a text of a camera fit for people: valid, without control characters, short.
func clean(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText])
	}
	return s
}
