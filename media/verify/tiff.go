package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// EXIF data is a TIFF: directories of entries that point to values. It is read entry by entry, and only the few tags of
// wanted; what is wrong with one entry is noted and ends nothing.

// The directories that are read, by the names under which their tags stand in Facts.Tags.
const (
	ifd0    = "IFD0"
	ifdExif = "IFD0/ExifIFDP"
	ifdGPS  = "IFD0/GPSInfoIFD"
)

// wanted are the tags that are read, by directory and number. No name stands twice.
var wanted = map[string]map[uint16]string{
	ifd0:    {0x010f: "Make", 0x0110: "Model", 0x0112: "Orientation", 0x0131: "Software"},
	ifdExif: {0x9003: "DateTimeOriginal", 0x9011: "OffsetTimeOriginal"},
	ifdGPS: {
		1: "GPSLatitudeRef", 2: "GPSLatitude", 3: "GPSLongitudeRef", 4: "GPSLongitude", 7: "GPSTimeStamp", 16: "GPSImgDirectionRef",
		17: "GPSImgDirection", 18: "GPSMapDatum", 29: "GPSDateStamp", 31: "GPSHPositioningError",
	},
}

// pointers are the tags that point to another directory. Some cameras hang the GPS directory under that of Exif.
var pointers = map[string]map[uint16]string{
	ifd0:    {0x8769: ifdExif, 0x8825: ifdGPS},
	ifdExif: {0x8825: ifdGPS},
}

// Types of values.
const (
	typeByte      = 1
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeSByte     = 6
	typeUndefined = 7
	typeSShort    = 8
	typeSLong     = 9
	typeSRational = 10
	typeFloat     = 11
	typeDouble    = 12
	typeIFD       = 13
	typeUTF8      = 129 // EXIF 3.0
)

var sizes = map[uint16]uint64{
	typeByte: 1, typeASCII: 1, typeShort: 2, typeLong: 4, typeRational: 8, typeSByte: 1, typeUndefined: 1, typeSShort: 2, typeSLong: 4,
	typeSRational: 8, typeFloat: 4, typeDouble: 8, typeIFD: 4, typeUTF8: 1,
}

// What is looked at, at most; a hostile file has more.
const (
	mostValue       = 4096 // bytes of one value
	mostNumbers     = 8    // numbers of one value
	mostDirectories = 8    // of one TIFF
	mostEntries     = 4000 // of one TIFF
)

// tags are the values that were read, by their names; the first that can be read counts.
type tags map[string]value

// value is what an entry holds, in the form of its type.
type value struct {
	dir  string
	text string   // of a text
	nums []number // of anything else
}

// number is a value with what it was divided by, so that 0/0 does not become 0.
type number struct {
	n     float64
	above float64
	below float64 // 1 of a type that is no rational
}

func (n number) ok() bool { return n.below != 0 && !math.IsNaN(n.n) && !math.IsInf(n.n, 0) }

func (n number) String() string {
	if n.below == 1 {
		return fmt.Sprint(n.above)
	}
	return fmt.Sprintf("%.0f/%.0f", n.above, n.below)
}

// plain is the value as it goes into Facts.Tags.
func (v value) plain() any {
	if len(v.nums) == 0 {
		return v.text
	}
	if len(v.nums) == 1 && v.nums[0].ok() {
		return v.nums[0].n
	}
	var s []string
	for _, n := range v.nums {
		s = append(s, n.String())
	}
	return strings.Join(s, " ")
}

// readTIFF reads the wanted tags out of EXIF data, which may begin with the prefix of JPEG or a few bytes of rubbish.
func readTIFF(data []byte, to tags, say *notes) {
	order, at := findTIFF(data)
	if at < 0 {
		say.add("the EXIF data has no TIFF header")
		return
	}
	data = data[at:]
	t := &tiffReader{data: data, order: order, tags: to, say: say, seen: map[uint64]bool{}}
	if order.Uint16(data[2:]) != 42 {
		say.add("the TIFF header of the EXIF data is odd")
	}
	t.directory(ifd0, uint64(order.Uint32(data[4:])))
}

// findTIFF finds the header of TIFF; -1 where there is none.
func findTIFF(data []byte) (binary.ByteOrder, int) {
	for at := 0; at <= 64 && at+8 <= len(data); at++ {
		switch {
		case bytes.HasPrefix(data[at:], []byte("II*\x00")):
			return binary.LittleEndian, at
		case bytes.HasPrefix(data[at:], []byte("MM\x00*")):
			return binary.BigEndian, at
		}
	}
	// A header with another number than 42, where a header must be.
	for _, at := range []int{0, 2, 6} {
		if at+8 > len(data) {
			break
		}
		switch string(data[at : at+2]) {
		case "II":
			return binary.LittleEndian, at
		case "MM":
			return binary.BigEndian, at
		}
	}
	return nil, -1
}

type tiffReader struct {
	data    []byte
	order   binary.ByteOrder
	tags    tags
	say     *notes
	seen    map[uint64]bool // where directories began that were read
	entries int
}

func (t *tiffReader) directory(name string, at uint64) {
	end := uint64(len(t.data))
	switch {
	case at < 8 || at+2 > end:
		t.say.add("the directory %s lies outside the EXIF data", name)
		return
	case t.seen[at] || len(t.seen) >= mostDirectories:
		t.say.add("the EXIF data has a directory twice, or too many")
		return
	}
	t.seen[at] = true
	n := uint64(t.order.Uint16(t.data[at:]))
	if fits := (end - at - 2) / 12; n > fits {
		t.say.add("the directory %s is cut off", name)
		n = fits
	}
	type pointer struct {
		to string
		at uint64
	}
	var follow []pointer
	for i := range n {
		if t.entries++; t.entries > mostEntries {
			t.say.add("the EXIF data has too many entries")
			return
		}
		e := t.data[at+2+12*i:][:12]
		tag, kind := t.order.Uint16(e), t.order.Uint16(e[2:])
		if sizes[kind] == 0 {
			t.say.add("an entry of %s has the type %d, which is none", name, kind)
			continue
		}
		if to := pointers[name][tag]; to != "" {
			if v, why := t.value(e, kind); why != "" {
				t.say.add("the pointer to %s %s", to, why)
			} else if len(v.nums) == 0 || v.nums[0].n <= 0 {
				t.say.add("the pointer to %s points nowhere", to)
			} else {
				follow = append(follow, pointer{to, uint64(v.nums[0].n)})
			}
			continue
		}
		what := wanted[name][tag]
		if what == "" {
			continue
		}
		v, why := t.value(e, kind)
		switch _, twice := t.tags[what]; {
		case why != "":
			t.say.add("%s %s", what, why)
		case twice:
			t.say.add("%s stands twice", what)
		default:
			v.dir = name
			t.tags[what] = v
		}
	}
	for i, p := range follow {
		for _, before := range follow[:i] {
			if before.to == p.to {
				t.say.add("%s stands twice", p.to)
			}
		}
		t.directory(p.to, p.at)
	}
}

// value reads what an entry of 12 bytes holds or points to, or says why it cannot.
func (t *tiffReader) value(e []byte, kind uint16) (value, string) {
	count := uint64(t.order.Uint32(e[4:]))
	size := count * sizes[kind]
	raw := e[8:12]
	if size <= 4 {
		raw = raw[:size]
	} else {
		at := uint64(t.order.Uint32(e[8:]))
		end := uint64(len(t.data))
		if at+min(size, mostValue) > end {
			return value{}, "lies outside the EXIF data"
		}
		raw = t.data[at:min(at+size, at+mostValue)]
	}
	switch kind {
	case typeASCII, typeUTF8, typeUndefined:
		return value{text: clean(string(raw))}, ""
	case typeByte:
		if count > 1 { // nothing that is read here is a list of bytes, and some write texts as such
			return value{text: clean(string(raw))}, ""
		}
	}
	var v value
	for step := int(sizes[kind]); len(raw) >= step && len(v.nums) < mostNumbers; raw = raw[step:] {
		v.nums = append(v.nums, t.number(raw, kind))
	}
	if len(v.nums) == 0 {
		return value{}, "is empty"
	}
	return v, ""
}

func (t *tiffReader) number(b []byte, kind uint16) number {
	whole := func(n float64) number { return number{n, n, 1} }
	part := func(a, b float64) number { return number{a / b, a, b} }
	o := t.order
	switch kind {
	case typeByte:
		return whole(float64(b[0]))
	case typeSByte:
		return whole(float64(int8(b[0])))
	case typeShort:
		return whole(float64(o.Uint16(b)))
	case typeSShort:
		return whole(float64(int16(o.Uint16(b))))
	case typeLong, typeIFD:
		return whole(float64(o.Uint32(b)))
	case typeSLong:
		return whole(float64(int32(o.Uint32(b))))
	case typeRational:
		return part(float64(o.Uint32(b)), float64(o.Uint32(b[4:])))
	case typeSRational:
		return part(float64(int32(o.Uint32(b))), float64(int32(o.Uint32(b[4:]))))
	case typeFloat:
		return whole(float64(math.Float32frombits(o.Uint32(b))))
	}
	return whole(math.Float64frombits(o.Uint64(b))) // typeDouble
}
