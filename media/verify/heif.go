package verify

import (
	"encoding/binary"
	"io"
	"slices"
)

// heifFile is what the boxes of a HEIF file say (ISO/IEC 23008-12), wherever they lie in it.
type heifFile struct {
	width, height int // of the primary item, as shown
	bits          int // of one channel
	exif          [][]byte
}

// mostMeta bounds the box that says what lies where, and mostBoxes how many boxes are looked at.
const (
	mostMeta  = 16 << 20
	mostBoxes = 10_000
)

func readHEIF(r io.ReadSeeker, say *notes) (h heifFile, err error) {
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return h, readError(err)
	}
	at := int64(0)
	for range mostBoxes {
		name, start, next, err := boxAt(r, at, end)
		if err != nil {
			return h, ended(err)
		}
		if name == "meta" {
			if next-start > mostMeta {
				say.add("the meta box of the HEIF file is too large")
				return h, nil
			}
			if next > end {
				say.add("the HEIF file is cut off")
				next = end
			}
			body := make([]byte, next-start)
			if _, err := io.ReadFull(r, body); err != nil {
				return h, ended(err)
			}
			return h, h.meta(r, body, end, say)
		}
		if next <= at || next >= end {
			break
		}
		at = next
	}
	say.add("the HEIF file has no meta box")
	return h, nil
}

// boxAt reads the head of the box at an offset, and leaves r behind it.
func boxAt(r io.ReadSeeker, at, end int64) (name string, start, next int64, err error) {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return "", 0, 0, err
	}
	var head [16]byte
	if _, err := io.ReadFull(r, head[:8]); err != nil {
		return "", 0, 0, err
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	start = at + 8
	switch size {
	case 0: // to the end of the file
		size = end - at
	case 1: // 64 bits
		if _, err := io.ReadFull(r, head[8:]); err != nil {
			return "", 0, 0, err
		}
		start += 8
		if size = int64(binary.BigEndian.Uint64(head[8:])); size < 0 || size > end {
			size = end - at
		}
	}
	return string(head[4:8]), start, max(start, at+size), nil
}

// reading takes numbers off the front of a box; after its end they are 0 and short is set.
type reading struct {
	b     []byte
	short bool
}

func (r *reading) uint(bytes int) uint64 {
	if bytes > len(r.b) {
		r.short, r.b = true, nil
		return 0
	}
	var n uint64
	for _, b := range r.b[:bytes] {
		n = n<<8 | uint64(b)
	}
	r.b = r.b[bytes:]
	return n
}

func (r *reading) skip(bytes uint64) {
	if bytes > uint64(len(r.b)) {
		r.short, bytes = true, uint64(len(r.b))
	}
	r.b = r.b[bytes:]
}

// boxes walks over the boxes within a box.
func boxes(b []byte, do func(name string, body []byte)) {
	for range mostBoxes {
		if len(b) < 8 {
			return
		}
		size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		if size == 1 && len(b) >= 16 {
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size == 0 || size > uint64(len(b)) {
			size = uint64(len(b))
		}
		if size < head {
			return
		}
		do(string(b[4:8]), b[head:size])
		b = b[size:]
	}
}

// extent is where a part of an item lies.
type extent struct{ at, size uint64 }

// mostExtents bounds in how many parts an item may lie that is read. Numbers of no bytes are legal, so the file's size
// bounds nothing.
const mostExtents = 64

type location struct {
	method  uint64 // 0 in the file, 1 in idat
	extents []extent
}

func (h *heifFile) meta(r io.ReadSeeker, body []byte, end int64, say *notes) error {
	if len(body) < 4 {
		say.add("the HEIF file is cut off")
		return nil
	}
	var primary uint64
	var exif []uint64
	var places map[uint64]location
	var properties, idat []byte
	var associations [][]byte
	boxes(body[4:], func(name string, b []byte) { // behind version and flags
		switch name {
		case "pitm":
			f := reading{b: b}
			bytes := 2
			if f.uint(4)>>24 > 0 {
				bytes = 4
			}
			primary = f.uint(bytes)
		case "iinf":
			exif = exifItems(b)
		case "iloc":
			places = locations(b)
		case "idat":
			idat = b
		case "iprp":
			boxes(b, func(name string, b []byte) {
				switch name {
				case "ipco":
					properties = b
				case "ipma":
					associations = append(associations, b)
				}
			})
		}
	})
	for _, a := range associations {
		h.shape(properties, a, primary)
	}
	for _, id := range exif {
		raw, err := item(r, places[id], idat, end)
		if err != nil {
			return err
		}
		if len(raw) == 0 {
			say.add("the EXIF data lies outside the file")
			continue
		}
		h.exif = append(h.exif, raw)
	}
	return nil
}

// exifItems are the ids of the items of type Exif.
func exifItems(b []byte) (ids []uint64) {
	f := reading{b: b}
	bytes := 2
	if f.uint(4)>>24 > 0 {
		bytes = 4
	}
	f.uint(bytes)
	boxes(f.b, func(name string, b []byte) {
		e := reading{b: b}
		version := e.uint(4) >> 24
		if name != "infe" || version < 2 {
			return
		}
		bytes := 2
		if version > 2 {
			bytes = 4
		}
		id := e.uint(bytes)
		e.uint(2) // protection
		if e.uint(4) == 0x45786966 && len(ids) < mostExif && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	})
	return ids
}

func locations(b []byte) map[uint64]location {
	f := reading{b: b}
	version := f.uint(4) >> 24
	s := f.uint(2)
	offset, length, base, index := int(s>>12), int(s>>8&15), int(s>>4&15), int(s&15)
	if max(offset, length, base, index) > 8 {
		return nil
	}
	bytes := 2
	if version == 2 {
		bytes = 4
	}
	all := map[uint64]location{}
	for n := f.uint(bytes); n > 0 && !f.short && len(all) < mostBoxes; n-- {
		id := f.uint(bytes)
		var l location
		if version > 0 {
			l.method = f.uint(2) & 15
		}
		f.uint(2) // of another file
		from := f.uint(base)
		k := f.uint(2)
		if k > mostExtents {
			each := offset + length
			if version > 0 {
				each += index
			}
			f.skip(k * uint64(each))
			continue
		}
		for ; k > 0 && !f.short; k-- {
			if version > 0 {
				f.uint(index)
			}
			at := f.uint(offset)
			l.extents = append(l.extents, extent{from + at, f.uint(length)})
		}
		all[id] = l
	}
	return all
}

// item reads an item; nothing when it lies outside the file.
func item(r io.ReadSeeker, l location, idat []byte, end int64) ([]byte, error) {
	var raw []byte
	for _, e := range l.extents {
		if len(raw) > mostExifBytes {
			break
		}
		most := uint64(end)
		if l.method == 1 {
			most = uint64(len(idat))
		}
		if l.method > 1 || e.at >= most {
			return nil, nil
		}
		if e.size == 0 || e.size > most-e.at { // 0: to the end
			e.size = most - e.at
		}
		e.size = min(e.size, mostExifBytes)
		if l.method == 1 {
			raw = append(raw, idat[e.at:e.at+e.size]...)
			continue
		}
		if _, err := r.Seek(int64(e.at), io.SeekStart); err != nil {
			return nil, readError(err)
		}
		part := make([]byte, e.size)
		n, err := io.ReadFull(r, part)
		raw = append(raw, part[:n]...)
		if err != nil {
			return raw, ended(err)
		}
	}
	return raw, nil
}

// shape finds the size of the primary item, turned as it is shown.
func (h *heifFile) shape(properties, associations []byte, primary uint64) {
	type property struct {
		name string
		body []byte
	}
	var all []property
	boxes(properties, func(name string, b []byte) { all = append(all, property{name, b}) })
	f := reading{b: associations}
	head := f.uint(4)
	idBytes, indexBytes := 2, 1
	if head>>24 > 0 {
		idBytes = 4
	}
	if head&1 != 0 {
		indexBytes = 2
	}
	turned := false
	for n := f.uint(4); n > 0 && !f.short; n-- {
		id := f.uint(idBytes)
		for k := f.uint(1); k > 0 && !f.short; k-- {
			i := int(f.uint(indexBytes) & (1<<(8*indexBytes-1) - 1))
			if id != primary || i < 1 || i > len(all) {
				continue
			}
			p := reading{b: all[i-1].body}
			switch all[i-1].name {
			case "ispe":
				p.uint(4)
				w, hi := p.uint(4), p.uint(4)
				if !p.short && w < 1<<31 && hi < 1<<31 {
					h.width, h.height = int(w), int(hi)
				}
			case "pixi":
				p.uint(5)
				h.bits = int(p.uint(1))
			case "irot":
				turned = p.uint(1)&1 == 1
			}
		}
	}
	if turned && h.width > 0 {
		h.width, h.height = h.height, h.width
	}
}
