package verify

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"fieldclue/server/field"
)

// mostExif is how many segments, chunks or items with EXIF data are read; a photo has one.
const mostExif = 4

// jpegFile is what the markers of a JPEG say (ITU-T T.81, annex B).
type jpegFile struct {
	width, height int
	components    int
	samples       int64 // of all components, in pixels' worth
	progressive   bool
	foreign       bool // arithmetic, lossless or hierarchical coding, or not 8 bits
	scans         int
	exif          [][]byte
}

// readJPEG walks over the markers. Of entropy-coded data it looks for the next marker only.
func readJPEG(r io.ReadSeeker, say *notes) (j jpegFile, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if _, err := in.Discard(2); err != nil {
		return j, readError(err)
	}
	for {
		marker, err := nextMarker(in)
		if err != nil {
			return j, ended(err)
		}
		switch {
		case marker == 0xd9: // the end; what phones append after it is not this picture
			return j, nil
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd8: // these stand alone
			continue
		case marker == 0xe1 && j.scans > 0:
			if _, err := segment(in, 0); err != nil {
				return j, ended(err)
			}
			continue
		}
		most := 64
		if marker == 0xe1 {
			most = 1 << 16
		}
		body, err := segment(in, most)
		if marker == 0xe1 && len(body) >= 4 && bytes.EqualFold(body[:4], []byte("Exif")) {
			if len(j.exif) < mostExif {
				j.exif = append(j.exif, body[4:])
			}
			if err != nil {
				say.add("the EXIF segment is cut off")
			}
		}
		if err != nil {
			return j, ended(err)
		}
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if j.components == 0 {
				j.frame(marker, body)
			}
		case marker == 0xdc && len(body) >= 2 && j.height == 0: // the number of lines, after the first scan
			j.height = int(binary.BigEndian.Uint16(body))
		case marker == 0xda:
			j.scans++
		}
	}
}

func (j *jpegFile) frame(marker byte, body []byte) {
	if len(body) < 6 {
		return
	}
	j.height, j.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	j.components = int(body[5])
	j.progressive = marker == 0xc2
	j.foreign = marker > 0xc2 || body[0] != 8
	var area, most int64
	for c := body[6:]; len(c) >= 3; c = c[3:] {
		h, v := int64(c[1]>>4), int64(c[1]&15)
		area += h * v
		most = max(most, h*v)
	}
	j.samples = area
	if most > 0 && j.height > 0 {
		j.samples = int64(j.width) * int64(j.height) * area / most
	}
}

// nextMarker skips to the next marker: fill bytes, stuffed zeros, restarts and rubbish between segments.
func nextMarker(in *bufio.Reader) (byte, error) {
	for {
		if _, err := in.ReadSlice(0xff); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, err
		} else if err != nil {
			continue
		}
		for {
			b, err := in.ReadByte()
			if err != nil {
				return 0, err
			}
			if b == 0xff { // fill bytes (T.81, B.1.1.2)
				continue
			}
			if b != 0 {
				return b, nil
			}
			break
		}
	}
}

// segment reads a segment, of which it returns at most the given number of bytes.
func segment(in *bufio.Reader, most int) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return nil, nil
	}
	body := make([]byte, min(n, most))
	got, err := io.ReadFull(in, body)
	if err == nil {
		_, err = in.Discard(n - len(body))
	}
	return body[:got], err
}

// ended takes the end of a file for what it is in a file that is cut off: no error.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return readError(err)
}

// readError is of the store, not of the file.
func readError(err error) error { return field.Refuse(field.CodeStoreDown, "").Because(err) }
