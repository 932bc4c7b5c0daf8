package verify

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// pngFile is what the chunks of a PNG say. Checksums are not looked at: browsers open a PNG with a wrong one in a text,
// and what was changed shows in the SHA-256.
type pngFile struct {
	width, height int
	bits          int // of one pixel
	interlaced    bool
	exif          [][]byte
}

// mostChunks and mostExifBytes bound what a PNG is asked.
const (
	mostChunks    = 100_000
	mostExifBytes = 1 << 20
)

func readPNG(r io.ReadSeeker, say *notes) (p pngFile, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if _, err := in.Discard(8); err != nil {
		return p, ended(err)
	}
	for range mostChunks {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return p, ended(err)
		}
		size, name := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		most := int64(0)
		switch name {
		case "IHDR":
			most = 13
		case "eXIf", "zTXt", "tEXt":
			most = mostExifBytes
		case "IEND":
			return p, nil
		}
		body := make([]byte, min(size, most))
		got, err := io.ReadFull(in, body)
		body = body[:got]
		switch {
		case name == "IHDR" && p.width == 0 && got == 13:
			p.header(body)
		case name == "eXIf" && len(p.exif) < mostExif:
			p.exif = append(p.exif, body)
		case (name == "zTXt" || name == "tEXt") && len(p.exif) < mostExif:
			if raw := profile(name, body); raw != nil {
				p.exif = append(p.exif, raw)
			}
		}
		if err != nil {
			return p, ended(err)
		}
		// Discard counts in ints; a chunk may be longer than the file.
		if _, err := io.CopyN(io.Discard, in, size-int64(got)+4); err != nil {
			return p, ended(err)
		}
	}
	say.add("the PNG has too many chunks")
	return p, nil
}

func (p *pngFile) header(b []byte) {
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return
	}
	p.width, p.height, p.interlaced = int(w), int(h), b[12] != 0
	channels := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[b[9]]
	p.bits = channels * int(b[8])
}

// profile is EXIF data as ImageMagick wrote it into PNG before eXIf was there: hexadecimal digits under a keyword.
func profile(chunk string, body []byte) []byte {
	keyword, text, found := bytes.Cut(body, []byte{0})
	if !found || string(keyword) != "Raw profile type exif" && string(keyword) != "Raw profile type APP1" {
		return nil
	}
	if chunk == "zTXt" {
		if len(text) < 1 || text[0] != 0 {
			return nil
		}
		z, err := zlib.NewReader(bytes.NewReader(text[1:]))
		if err != nil {
			return nil
		}
		if text, err = io.ReadAll(io.LimitReader(z, 2*mostExifBytes)); err != nil && len(text) == 0 {
			return nil
		}
	}
	lines := bytes.SplitN(bytes.TrimLeft(text, "\n"), []byte("\n"), 3) // name, length, digits
	if len(lines) < 3 {
		return nil
	}
	digits := bytes.Join(bytes.Fields(lines[2]), nil)
	raw := make([]byte, len(digits)/2)
	n, _ := hex.Decode(raw, digits[:len(digits)/2*2]) // what stands before a digit that is none
	return raw[:n]
}
