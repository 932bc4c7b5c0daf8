package verify

import (
	"errors"
	"io"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Facts is what the bytes of a photo say of themselves. Nothing here was checked against anything else, and nothing
// depends on whether its pixels can be decoded.
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
	// Why there is no Position although the file speaks of one: zero, incomplete, unreadable.
	NoPosition string `json:"noPosition,omitempty"`

	// Every EXIF value used above as the file has it, under its directory and tag, such as "IFD0/GPSInfoIFD
	// GPSLatitude".
	Tags map[string]any `json:"tags,omitempty"`
	// What could not be read, or was read from another form than EXIF's, in short English words; the rest of the facts
	// stands.
	Problems []string `json:"problems,omitempty"`

	Coding Coding `json:"-"` // for who decodes it
}

// Coding is how the pixels of a file are coded, as far as its headers tell: enough to know beforehand what decoding
// costs.
type Coding struct {
	Samples     int64 // of all components together
	Scans       int   // of a JPEG
	Progressive bool  // a JPEG
	Foreign     bool  // a JPEG coded otherwise than by Huffman in 8 bits
	Interlaced  bool  // a PNG
	Bits        int   // of a pixel of a PNG, of a channel of a HEIC
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

// File reads the facts of a file, from its start, without decoding its pixels. CodeNotAPhoto when it is none of the
// accepted types. Whatever else is wrong with it is a Problem, no error: the facts that can be read are read.
func File(r io.ReadSeeker) (f Facts, err error) {
	head := make([]byte, HeadSize)
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Facts{}, readError(err)
	}
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Facts{}, readError(err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Facts{}, readError(err)
	}
	f.Type, _, _ = strings.Cut(MediaType(head[:n]), ";")
	say := &notes{}
	var exif [][]byte
	switch {
	case f.Type == "image/jpeg":
		j, err := readJPEG(r, say)
		if err != nil {
			return Facts{}, err
		}
		f.Width, f.Height, exif = j.width, j.height, j.exif
		f.Coding = Coding{Samples: j.samples, Scans: j.scans, Progressive: j.progressive, Foreign: j.foreign}
	case f.Type == "image/png":
		p, err := readPNG(r, say)
		if err != nil {
			return Facts{}, err
		}
		f.Width, f.Height, exif = p.width, p.height, p.exif
		f.Coding = Coding{Samples: int64(p.width) * int64(p.height), Bits: p.bits, Interlaced: p.interlaced}
	case IsHEIC(f.Type):
		h, err := readHEIF(r, say)
		if err != nil {
			return Facts{}, err
		}
		f.Width, f.Height, exif = h.width, h.height, h.exif
		f.Coding = Coding{Samples: int64(h.width) * int64(h.height), Bits: h.bits}
	case IsRecording(f.Type):
		return f, nil // kept as they are
	default:
		return Facts{}, field.Refuse(field.CodeNotAPhoto, "")
	}
	if f.Width <= 0 || f.Height <= 0 {
		f.Width, f.Height = 0, 0
		say.add("the header of the image is broken: it has no size")
	}
	got := tags{}
	for _, data := range exif {
		readTIFF(data, got, say)
	}
	f.read(got, say)
	f.Problems = say.list
	return f, nil
}
