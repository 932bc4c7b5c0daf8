package verify_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldclue/media/verify"
)

// The odd photos of these tests are the plain one of village with something changed. "The rest" is what is not about
// the change: whatever it is, the rest is read.

func exif(es ...entry) entry { return entry{tag: 0x8769, dir: es} }
func gps(es ...entry) entry  { return entry{tag: 0x8825, dir: es} }

func raw(tag, kind uint16, data ...byte) entry { return entry{tag: tag, kind: kind, data: data} }

func place() []entry {
	return []entry{ascii(1, "N"), rats(2, 27, 1, 18, 1, 3600, 100), ascii(3, "E"), rats(4, 105, 1, 17, 1, 0, 1)}
}

func facts(t *testing.T, file []byte) verify.Facts {
	t.Helper()
	f, err := verify.File(bytes.NewReader(file))
	must(t, err)
	return f
}

func TestTimesOfCameras(t *testing.T) {
	for _, c := range []struct {
		stated, local string
		noted         bool
	}{
		{"2026:11:30 10:00:00", "2026-11-30T10:00:00", false},
		{"2026:11:30 24:08:19", "2026-11-30T00:08:19", true}, // the hour after midnight, on the new day
		{"2026-11-30 10:00:00", "2026-11-30T10:00:00", true},
		{"2026-11-30T10:00:00", "2026-11-30T10:00:00", true},
		{"2026-11-30T10:00:00.123+08:00", "2026-11-30T10:00:00", true},
		{"2026/11/30 10:00:00", "2026-11-30T10:00:00", true},
		{"2026.11.30 10:00:00", "2026-11-30T10:00:00", true},
		{"2026:11:30T10:00:00Z", "2026-11-30T10:00:00", true},
		{"2026-11-30 10-00-00", "2026-11-30T10:00:00", true},
		{"2026年11月30日 10时00分00秒", "2026-11-30T10:00:00", true},
		{"20261130 100000", "2026-11-30T10:00:00", true},
		{"2026:11:30 10:00", "2026-11-30T10:00:00", true},
		{"2026:11:30 03:00:00 PM", "2026-11-30T15:00:00", true},
		{"2026:11:30 12:00:00 AM", "2026-11-30T00:00:00", true},
		{"2026:11:30 03:00:00下午", "2026-11-30T15:00:00", true},
		{"٢٠٢٦:١١:٣٠ ١٠:٠٠:٠٠", "2026-11-30T10:00:00", true}, // the phone speaks Arabic
		{"２０２６:11:30 10:00:00", "2026-11-30T10:00:00", true},
		{"2016:12:31 23:59:60", "2016-12-31T23:59:59", true},
		{"2026:11:30 10:00:00\x00junk", "2026-11-30T10:00:00", false},
		{"0000:00:00 00:00:00", "", true},
		{"    :  :     :  :  ", "", true},
		{"2026:02:30 10:00:00", "", true},
		{"2026:13:01 10:00:00", "", true},
		{"2026:11:30 25:00:00", "", true},
		{"2026:11:30 10:60:00", "", true},
		{"30/11/2026 10:00:00", "", true}, // day or month first: nobody knows
		{"2026:11:30", "", true},
		{"10:00:00", "", true},
		{"yesterday", "", true},
		{"2026:11:30 14:00:00 PM", "", true},
	} {
		f := facts(t, photo(t, 8, 8, exif(ascii(0x9003, c.stated)), gps(place()...)))
		if f.TakenLocal != c.local || (len(f.Problems) > 0) != c.noted || f.Position == nil {
			t.Errorf("%q: %q %q", c.stated, f.TakenLocal, f.Problems)
		}
	}
}

func TestOffsetsOfCameras(t *testing.T) {
	for _, c := range []struct {
		stated, offset string
		noted          bool
	}{
		{"+08:00", "+08:00", false},
		{"-05:30", "-05:30", false},
		{"Z", "+00:00", true},
		{"z", "+00:00", true},
		{"UTC", "+00:00", true},
		{"+0800", "+08:00", true},
		{"+08", "+08:00", true},
		{"+8", "+08:00", true},
		{"GMT+08:00", "+08:00", true},
		{"+08:00\x00x", "+08:00", false},
		{"   :  ", "", false}, // not known, as EXIF says it
		{"08:00", "", true},   // which way?
		{"+15:00", "", true},
		{"+08:60", "", true},
		{"CST", "", true},
	} {
		f := facts(t, photo(t, 8, 8, exif(ascii(0x9003, "2026:11:30 10:00:00"), ascii(0x9011, c.stated))))
		if f.TakenOffset != c.offset || (len(f.Problems) > 0) != c.noted || f.TakenLocal == "" {
			t.Errorf("%q: %q %q", c.stated, f.TakenOffset, f.Problems)
		}
	}
	f := facts(t, photo(t, 8, 8, exif(ascii(0x9003, "2026-11-30T02:00:00Z"))))
	if f.TakenOffset != "+00:00" {
		t.Errorf("the offset within the time: %+v", f)
	}
}

func srats(tag uint16, pairs ...int32) entry {
	e := rats(tag)
	e.kind = 10
	for _, p := range pairs {
		e.data = binary.LittleEndian.AppendUint32(e.data, uint32(p))
	}
	return e
}

func doubles(tag uint16, ds ...float64) entry {
	e := entry{tag: tag, kind: 12}
	for _, d := range ds {
		e.data = binary.LittleEndian.AppendUint64(e.data, math.Float64bits(d))
	}
	return e
}

func TestPositionsOfCameras(t *testing.T) {
	lat := func(es ...entry) []entry { return append(es, ascii(3, "E"), rats(4, 105, 1, 17, 1, 0, 1)) }
	n := ascii(1, "N")
	for _, c := range []struct {
		name  string
		es    []entry
		lat   float64 // 0: none
		why   string
		noted bool
	}{
		{"plain", place(), 27.31, "", false},
		{"longitude divided by 0", []entry{n, rats(2, 27, 1, 18, 1, 36, 1), ascii(3, "E"), rats(4, 0, 0, 0, 0, 0, 0)}, 0, "unreadable", true},
		{"seconds divided by 0", lat(n, rats(2, 27, 1, 18, 1, 0, 0)), 0, "unreadable", true},
		{"something divided by 0", lat(n, rats(2, 27, 0, 18, 1, 36, 1)), 0, "unreadable", true},
		{"degrees alone", lat(n, rats(2, 2731, 100)), 27.31, "", true},
		{"degrees and minutes", lat(n, rats(2, 27, 1, 186, 10)), 27.31, "", true},
		{"four numbers", lat(n, rats(2, 27, 1, 18, 1, 36, 1, 9, 1)), 27.31, "", true},
		{"signed rationals", lat(n, srats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"south by its sign alone", lat(srats(2, -27, 1, 18, 1, 36, 1)), -27.31, "", false},
		{"a sign and a reference that agree", lat(ascii(1, "S"), srats(2, -27, 1, 18, 1, 36, 1)), -27.31, "", false},
		{"a sign and a reference that do not", lat(n, srats(2, -27, 1, 18, 1, 36, 1)), 0, "incomplete", true},
		{"doubles", lat(n, doubles(2, 27, 18, 36)), 27.31, "", false},
		{"no number at all", lat(n, doubles(2, math.NaN(), 18, 36)), 0, "unreadable", true},
		{"a text", lat(n, ascii(2, "27.31")), 27.31, "", true},
		{"another text", lat(n, ascii(2, "north of here")), 0, "unreadable", true},
		{"reference N\\0E\\0", lat(raw(1, 2, 'N', 0, 'E', 0), rats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"reference North", lat(ascii(1, "North"), rats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"reference n", lat(ascii(1, "n"), rats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"reference in Chinese", lat(ascii(1, "北纬"), rats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"reference South", lat(ascii(1, "South"), rats(2, 27, 1, 18, 1, 36, 1)), -27.31, "", false},
		{"reference as a byte", lat(raw(1, 1, 'S'), rats(2, 27, 1, 18, 1, 36, 1)), -27.31, "", false},
		{"reference without NUL", lat(raw(1, 2, 'N'), rats(2, 27, 1, 18, 1, 36, 1)), 27.31, "", false},
		{"reference of nothing", lat(raw(1, 2, 0, 0), rats(2, 27, 1, 18, 1, 36, 1)), 0, "incomplete", true},
		{"reference E of a latitude", lat(ascii(1, "E"), rats(2, 27, 1, 18, 1, 36, 1)), 0, "incomplete", true},
		{"no reference", lat(rats(2, 27, 1, 18, 1, 36, 1)), 0, "incomplete", true},
		{"one coordinate", []entry{n, rats(2, 27, 1, 18, 1, 36, 1)}, 0, "incomplete", true},
		{"off the Earth", lat(n, rats(2, 97, 1, 18, 1, 36, 1)), 0, "unreadable", true},
		{"the receiver had none", []entry{n, rats(2, 0, 1, 0, 1, 0, 1), ascii(3, "E"), rats(4, 0, 1, 0, 1, 0, 1)}, 0, "zero", true},
		{"no word of a position", nil, 0, "", false},
		{"an accuracy divided by 0", append(place(), rats(31, 0, 0)), 27.31, "", true},
	} {
		f := facts(t, photo(t, 8, 8, ascii(0x010f, "HUAWEI"), exif(ascii(0x9003, "2026:11:30 10:00:00")), gps(append(c.es, ascii(18, "WGS-84"))...)))
		if (f.Position != nil) != (c.lat != 0) || f.NoPosition != c.why || (len(f.Problems) > 0) != c.noted || f.Make != "HUAWEI" || f.TakenLocal == "" {
			t.Errorf("%s: %+v", c.name, f)
		}
		if p := f.Position; p != nil && (math.Abs(p.Lat-c.lat) > 1e-9 || math.Abs(p.Lon-105.28333333) > 1e-8 || p.Accuracy != nil) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestTimesOfSatellites(t *testing.T) {
	noon := rats(7, 2, 1, 0, 1, 5, 1)
	for _, c := range []struct {
		name string
		es   []entry
		want string
	}{
		{"plain", []entry{ascii(29, "2026:11:30"), noon}, "2026-11-30T02:00:05Z"},
		{"ten bytes without NUL, as of an iPhone 6", []entry{raw(29, 2, []byte("2026:11:30")...), noon}, "2026-11-30T02:00:05Z"},
		{"dashes", []entry{ascii(29, "2026-11-30"), noon}, "2026-11-30T02:00:05Z"},
		{"a time behind the date", []entry{ascii(29, "2026:11:30 02:00:05"), noon}, "2026-11-30T02:00:05Z"},
		{"parts of a second", []entry{ascii(29, "2026:11:30"), rats(7, 2, 1, 0, 1, 5500, 1000)}, "2026-11-30T02:00:05.5Z"},
		{"a text", []entry{ascii(29, "2026:11:30"), ascii(7, "02:00:05")}, "2026-11-30T02:00:05Z"},
		{"divided by 0", []entry{ascii(29, "2026:11:30"), rats(7, 0, 0, 0, 0, 0, 0)}, ""},
		{"one part divided by 0", []entry{ascii(29, "2026:11:30"), rats(7, 2, 1, 0, 0, 5, 1)}, ""},
		{"hours alone", []entry{ascii(29, "2026:11:30"), rats(7, 2, 1)}, ""},
		{"hours and minutes", []entry{ascii(29, "2026:11:30"), rats(7, 2, 1, 0, 1)}, ""},
		{"hour 24", []entry{ascii(29, "2026:11:30"), rats(7, 24, 1, 0, 1, 0, 1)}, ""},
		{"no such day", []entry{ascii(29, "2026:02:30"), noon}, ""},
		{"before there were satellites", []entry{ascii(29, "1970:01:01"), noon}, ""},
		{"no date", []entry{ascii(29, "    :  :  "), noon}, ""},
	} {
		f := facts(t, photo(t, 8, 8, gps(append(place(), c.es...)...)))
		got := ""
		if f.GPSTime != nil {
			got = f.GPSTime.Format("2006-01-02T15:04:05.999Z")
		}
		if got != c.want || (len(f.Problems) > 0) != (c.want == "") || f.Position == nil {
			t.Errorf("%s: %q %q", c.name, got, f.Problems)
		}
	}
}

// One entry, one pointer or one segment that is odd ends nothing: what else is there is read, and somebody is told.
func TestOddEXIF(t *testing.T) {
	jpegWith := func(segments ...[]byte) []byte {
		plain := photo(t, 8, 8)
		out := slices.Clone(plain[:2])
		for _, s := range segments {
			out = append(out, s...)
		}
		return append(out, plain[2:]...)
	}
	app1 := func(prefix string, body []byte) []byte {
		s := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(prefix)+len(body)))
		return append(append(s, prefix...), body...)
	}
	// patched changes 12 bytes of the first entry of IFD0, or of one behind it.
	patched := func(n int, change func(e []byte)) []byte {
		b := tiff(append([]entry{short(0x0100, 8), short(0x0101, 8)}, village()...))
		change(b[10+12*n:][:12])
		return b
	}
	whole := tiff(village())
	const header = "Exif\x00\x00"
	for _, c := range []struct {
		name  string
		file  []byte
		noted bool
	}{
		{"plain", jpegWith(app1(header, whole)), false},
		{"a zeroed entry first", jpegWith(app1(header, patched(0, func(e []byte) { clear(e) }))), true},
		{"type 14", jpegWith(app1(header, patched(0, func(e []byte) { e[2] = 14 }))), true},
		{"an entry that is not wanted points outside", jpegWith(app1(header, patched(0, func(e []byte) { binary.LittleEndian.PutUint32(e[4:], 1<<30) }))), false},
		{"a wanted one points outside", jpegWith(app1(header, patched(0, func(e []byte) {
			copy(e, []byte{0x31, 1, 2, 0, 200, 0, 0, 0, 255, 255, 255, 0})
		}))), true},
		{"a pointer to nothing first", jpegWith(app1(header, patched(0, func(e []byte) { copy(e, []byte{0x69, 0x87, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0}) }))), true},
		{"a pointer outside first", jpegWith(app1(header, patched(0, func(e []byte) { copy(e, []byte{0x69, 0x87, 4, 0, 1, 0, 0, 0, 0, 0, 0, 1}) }))), true},
		{"a pointer to itself first", jpegWith(app1(header, patched(0, func(e []byte) { copy(e, []byte{0x25, 0x88, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0}) }))), true},
		{"fill bytes before the segment", jpegWith(append([]byte{0xff, 0xff, 0xff}, app1(header, whole)...)), false},
		{"rubbish before the segment", jpegWith(app1("other", nil), append([]byte{1, 2, 3}, app1(header, whole)...)), false},
		{"an empty segment first", jpegWith(app1(header, nil), app1(header, whole)), true},
		{"a segment of other data first", jpegWith(app1("http://ns.adobe.com/xap/1.0/\x00", []byte("<x/>")), app1(header, whole)), false},
		{"a broken prefix", jpegWith(app1("Exif\x00\xff", whole)), false},
		{"no prefix but Exif", jpegWith(app1("Exif", whole)), false},
		{"an odd number for 42", jpegWith(app1(header, append([]byte("II\x55\x00"), whole[4:]...))), true},
	} {
		f := facts(t, c.file)
		if f.Make != "Huawei" || f.Model != "P60" || f.TakenLocal != "2026-05-04T09:30:01" || f.TakenOffset != "+08:00" || f.Position == nil || f.GPSTime == nil || f.Orientation != 6 {
			t.Errorf("%s: %+v", c.name, f)
		}
		if (len(f.Problems) > 0) != c.noted {
			t.Errorf("%s: %q", c.name, f.Problems)
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"cut off within a directory", whole[:20]},
		{"directory outside", append(slices.Clone(whole[:4]), 255, 255, 255, 0)},
		{"no TIFF at all", []byte("GIF89a--------")},
	} {
		if f := facts(t, jpegWith(app1(header, c.b))); len(f.Problems) == 0 || f.Width != 8 {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestTextsOfCameras(t *testing.T) {
	for _, c := range []struct {
		e    entry
		want string
	}{
		{ascii(0x010f, "HUAWEI\x00junk"), "HUAWEI"},
		{raw(0x010f, 2, []byte("HUAWEI")...), "HUAWEI"},
		{raw(0x010f, 129, []byte("华为")...), "华为"},
		{raw(0x010f, 7, []byte("HUAWEI\x00\x00")...), "HUAWEI"},
		{raw(0x010f, 1, []byte("HUAWEI\x00\x00")...), "HUAWEI"},
		{ascii(0x010f, "\x00junk"), ""},
		{ascii(0x010f, strings.Repeat("x", 300)), strings.Repeat("x", 200)},
	} {
		f := facts(t, photo(t, 8, 8, c.e, ascii(0x0110, "P60")))
		if f.Make != c.want || f.Model != "P60" {
			t.Errorf("%q: %q %q", c.e.data, f.Make, f.Model)
		}
	}
}

func chunk(name string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, name...), body...)
	return binary.BigEndian.AppendUint32(b, crc(b[4:]))
}

func TestEXIFOfPNG(t *testing.T) {
	var p bytes.Buffer
	must(t, png.Encode(&p, picture(9, 7)))
	whole := tiff(village())
	profile := fmt.Sprintf("Raw profile type exif\x00\nexif\n%d\n%x\n", 6+len(whole), append([]byte("Exif\x00\x00"), whole...))
	for name, c := range map[string][]byte{
		"plain":                   chunk("eXIf", whole),
		"with the prefix of JPEG": chunk("eXIf", append([]byte("Exif\x00\x00"), whole...)),
		"of ImageMagick":          chunk("tEXt", []byte(profile)),
		"behind a wrong checksum": append(append(chunk("tEXt", []byte("a\x00b"))[:12], 0, 0, 0, 0)[:15], chunk("eXIf", whole)...),
	} {
		b := p.Bytes()
		f := facts(t, slices.Concat(b[:33], c, b[33:]))
		if f.Make != "Huawei" || f.Position == nil || f.Width != 9 || f.Height != 7 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	animated := slices.Concat(p.Bytes()[:33], chunk("acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}), chunk("eXIf", whole), p.Bytes()[33:])
	if f := facts(t, animated); f.Type != "image/png" || f.Make != "Huawei" {
		t.Errorf("animated: %+v", f)
	}
	must(t, verify.Declared("image/png", animated))
}

func box(name string, body ...[]byte) []byte {
	b := slices.Concat(body...)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(b))), name...), b...)
}

// heif is a HEIF file with EXIF data, as phones lay it out in their ways.
func heif(brand string, metaLast, inIdat bool, padding int) []byte {
	exif := append([]byte{0, 0, 0, 6}, append([]byte("Exif\x00\x00"), tiff(village())...)...)
	ftyp := box("ftyp", []byte(brand), []byte{0, 0, 0, 0}, []byte("mif1"), []byte("heic"))
	full := []byte{0, 0, 0, 0}
	infe := func(id byte, kind string) []byte {
		return box("infe", []byte{2, 0, 0, 0, 0, id, 0, 0}, []byte(kind), []byte{0})
	}
	meta := func(exifAt int) []byte {
		method := byte(0)
		if inIdat {
			method, exifAt = 1, 0
		}
		at := binary.BigEndian.AppendUint32(nil, uint32(exifAt))
		size := binary.BigEndian.AppendUint32(nil, uint32(len(exif)))
		parts := [][]byte{
			full, box("pitm", full, []byte{0, 1}),
			box("iinf", full, []byte{0, 2}, infe(1, "hvc1"), infe(2, "Exif")),
			box("iloc", []byte{1, 0, 0, 0, 0x44, 0, 0, 1, 0, 2, 0, method, 0, 0, 0, 1}, at, size),
			box("iprp", box("ipco", box("ispe", full, []byte{0, 0, 0, 40, 0, 0, 0, 30}), box("irot", []byte{1})),
				box("ipma", full, []byte{0, 0, 0, 1, 0, 1, 2, 1, 2})),
		}
		if inIdat {
			parts = append(parts, box("idat", exif))
		}
		return box("meta", parts...)
	}
	mdat := box("mdat", make([]byte, padding), exif)
	if metaLast {
		return slices.Concat(ftyp, mdat, meta(len(ftyp)+8+padding))
	}
	before := len(ftyp) + len(meta(0)) + 8 + padding
	return slices.Concat(ftyp, meta(before), mdat)
}

func TestHEIFOfPhones(t *testing.T) {
	for name, b := range map[string][]byte{
		"plain":                      heif("heic", false, false, 0),
		"Exif at the end":            heif("heic", false, false, 600<<10),
		"meta behind 600 KiB":        heif("heic", true, false, 600<<10),
		"mif1":                       heif("mif1", false, false, 0),
		"msf1":                       heif("msf1", false, false, 0),
		"heix":                       heif("heix", false, false, 0),
		"hevc":                       heif("hevc", true, false, 9),
		"heim":                       heif("heim", false, false, 0),
		"a brand of the maker's own": heif("XYZ1", false, false, 0),
		"within the meta box":        heif("heic", false, true, 0),
	} {
		f := facts(t, b)
		if !verify.IsHEIC(f.Type) || f.Make != "Huawei" || f.Position == nil || f.Width != 30 || f.Height != 40 || len(f.Problems) > 0 {
			t.Errorf("%s: %+v", name, f)
		}
		if err := verify.Declared("image/heic", b[:min(len(b), verify.HeadSize)]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := heif("heic", true, false, 100)
	for i := range whole { // wherever it is cut off, what is read is read, and there is no error
		if f, err := verify.File(bytes.NewReader(whole[:i])); err == nil && f.Make == "" && len(f.Problems) == 0 {
			t.Fatalf("%d of %d bytes: %+v", i, len(whole), f)
		}
	}
}

// Of ten thousand items each says that it lies in 65,535 parts, in numbers of no bytes.
func TestPartsOfNoBytes(t *testing.T) {
	items := []byte{0, 0, 0, 0, 0, 0, 0x27, 0x10}
	for i := range 10_000 {
		items = append(items, byte(i>>8), byte(i), 0, 0, 0xff, 0xff)
	}
	full := []byte{0, 0, 0, 0}
	meta := box("meta", full, box("iloc", items), box("iinf", full, []byte{0, 1}, box("infe", []byte{2, 0, 0, 0, 0, 9, 0, 0}, []byte("Exif"), []byte{0})))
	b := slices.Concat(box("ftyp", []byte("heic"), full, []byte("mif1")), meta)
	if allocated := testing.AllocsPerRun(1, func() { facts(t, b) }); allocated > 2000 {
		t.Fatalf("%.0f allocations", allocated)
	}
	if f := facts(t, b); len(f.Problems) == 0 {
		t.Fatalf("%+v", f)
	}
}

// Facts of a JPEG do not depend on how its pixels are coded, on its size, or on where it ends.
func TestFactsWithoutPixels(t *testing.T) {
	whole := photo(t, 40, 30, village()...)
	sof := bytes.Index(whole, []byte{0xff, 0xc0})
	change := func(at int, b ...byte) []byte {
		c := slices.Clone(whole)
		copy(c[at:], b)
		return c
	}
	for name, b := range map[string][]byte{
		"without its end":   whole[:len(whole)-2],
		"without pixels":    whole[:sof+19],
		"arithmetic coding": change(sof+1, 0xc9),
		"12 bits":           change(sof+4, 12),
		"64 megapixels":     change(sof+5, 0x1b, 0x18, 0x24, 0x20),
		"4 gigapixels":      change(sof+5, 0xff, 0xff, 0xff, 0xff),
		"a trailer":         append(slices.Clone(whole), make([]byte, 5000)...),
	} {
		f := facts(t, b)
		if f.Make != "Huawei" || f.Position == nil || f.TakenLocal == "" || f.Width == 0 || f.Height == 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := facts(t, change(sof+5, 0x1b, 0x18, 0x24, 0x20)); f.Width != 9248 || f.Height != 6936 {
		t.Errorf("%d × %d", f.Width, f.Height)
	}
	late := slices.Concat(change(sof+5, 0, 0)[:len(whole)-2], []byte{0xff, 0xdc, 0, 4, 0, 30, 0xff, 0xd9}) // its height comes after the scan
	if f := facts(t, late); f.Height != 30 {
		t.Errorf("a height that comes late: %+v", f)
	}
	if f := facts(t, whole[:sof]); f.Make != "Huawei" || f.Width != 0 || len(f.Problems) == 0 {
		t.Errorf("without a header: %+v", f)
	}
}

// The made files beside the checkout, as their README has them.
func TestOddFilesBesideTheCheckout(t *testing.T) {
	dir := filepath.Join(shared(t), "odd")
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, n := range names {
		name := n.Name()
		if name[0] == 'z' || filepath.Ext(name) == ".md" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		f := facts(t, b)
		maker, local, offset := "Xiaomi", "2026-11-30T10:00:00", "+08:00"
		switch name[:3] {
		case "c01":
			maker = "HUAWEI"
		case "d01":
			local = "2026-11-30T00:08:19"
		case "d10":
			offset = "+00:00"
		}
		if f.Make != maker || f.Model != "M2012K11AC" || f.TakenLocal != local || f.TakenOffset != offset || f.Width == 0 {
			t.Errorf("%s: %+v", name, f)
		}
		if p := f.Position; name[:3] == "e02" {
			if p != nil || f.NoPosition != verify.PositionUnreadable {
				t.Errorf("%s: %+v", name, f)
			}
		} else if p == nil || math.Abs(p.Lat-27.33904) > 1e-5 || math.Abs(p.Lon-105.23140) > 1e-5 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
