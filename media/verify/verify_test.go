package verify_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// entry is one EXIF value; a map stands for a directory.
type entry struct {
	tag  uint16
	kind uint16
	data []byte
	dir  []entry
}

func ascii(tag uint16, s string) entry { return entry{tag: tag, kind: 2, data: append([]byte(s), 0)} }

func short(tag, v uint16) entry {
	return entry{tag: tag, kind: 3, data: binary.LittleEndian.AppendUint16(nil, v)}
}

func rats(tag uint16, pairs ...uint32) entry {
	var b []byte
	for _, p := range pairs {
		b = binary.LittleEndian.AppendUint32(b, p)
	}
	return entry{tag: tag, kind: 5, data: b}
}

// tiff lays out directories as EXIF wants them.
func tiff(entries []entry) []byte {
	out := []byte{'I', 'I', 42, 0, 8, 0, 0, 0}
	var lay func(es []entry)
	lay = func(es []entry) {
		at := len(out)
		out = binary.LittleEndian.AppendUint16(out, uint16(len(es)))
		out = append(out, make([]byte, 12*len(es)+4)...)
		for i, e := range es {
			p := out[at+2+12*i:]
			binary.LittleEndian.PutUint16(p, e.tag)
			if e.dir != nil {
				binary.LittleEndian.PutUint16(p[2:], 4)
				binary.LittleEndian.PutUint32(p[4:], 1)
				binary.LittleEndian.PutUint32(p[8:], uint32(len(out)))
				lay(e.dir)
				continue
			}
			size := map[uint16]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 12: 8, 129: 1}[e.kind]
			binary.LittleEndian.PutUint16(p[2:], e.kind)
			binary.LittleEndian.PutUint32(p[4:], uint32(len(e.data)/size))
			if len(e.data) <= 4 {
				copy(p[8:12], e.data)
				continue
			}
			binary.LittleEndian.PutUint32(p[8:], uint32(len(out)))
			out = append(out, e.data...)
			if len(out)%2 == 1 {
				out = append(out, 0)
			}
		}
	}
	lay(entries)
	return out
}

func picture(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x ^ y) & 0x3f), 255})
		}
	}
	return img
}

// photo is a JPEG with the given EXIF entries.
func photo(t testing.TB, w, h int, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, picture(w, h), nil))
	if len(entries) == 0 {
		return b.Bytes()
	}
	body := append([]byte("Exif\x00\x00"), tiff(entries)...)
	out := []byte{0xff, 0xd8, 0xff, 0xe1}
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	return append(append(out, body...), b.Bytes()[2:]...)
}

func village() []entry {
	return []entry{
		ascii(0x010f, "Huawei"), ascii(0x0110, " P60 "), short(0x0112, 6), ascii(0x0131, "Fieldclue 1.0"),
		{tag: 0x8769, dir: []entry{ascii(0x9003, "2026:05:04 09:30:01"), ascii(0x9011, "+08:00")}},
		{tag: 0x8825, dir: []entry{
			ascii(1, "N"), rats(2, 27, 1, 18, 1, 3600, 100), ascii(3, "E"), rats(4, 105, 1, 17, 1, 0, 1),
			rats(7, 1, 1, 30, 1, 2, 1), ascii(16, "T"), rats(17, 1805, 10), ascii(18, "WGS-84"), ascii(29, "2026:05:04"), rats(31, 45, 10),
		}},
	}
}

func TestFactsOfAPhone(t *testing.T) {
	f, err := verify.File(bytes.NewReader(photo(t, 40, 30, village()...)))
	must(t, err)
	acc, bearing := 4.5, 180.5
	at := time.Date(2026, 5, 4, 1, 30, 2, 0, time.UTC)
	if f.Position == nil || math.Abs(f.Position.Lat-27.31) > 1e-9 || math.Abs(f.Position.Lon-105.283333333) > 1e-8 {
		t.Fatalf("%+v", f.Position)
	}
	f.Position.Lat, f.Position.Lon = 0, 0
	tags := f.Tags
	f.Tags, f.Coding = nil, verify.Coding{}
	want := verify.Facts{
		Type: "image/jpeg", Width: 40, Height: 30, Orientation: 6, Make: "Huawei", Model: "P60", Software: "Fieldclue 1.0",
		TakenLocal: "2026-05-04T09:30:01", TakenOffset: "+08:00", GPSTime: &at,
		Position: &verify.Position{Accuracy: &acc, Bearing: &bearing, BearingRef: "T", Datum: "WGS-84"},
	}
	if !reflect.DeepEqual(f, want) {
		t.Fatalf("%+v\n%+v", f, want)
	}
	if tags["IFD0/GPSInfoIFD GPSLatitudeRef"] != "N" || tags["IFD0/ExifIFDP DateTimeOriginal"] != "2026:05:04 09:30:01" || tags["IFD0 Model"] != "P60" {
		t.Fatal(tags)
	}
}

func TestPositionsThatAreNone(t *testing.T) {
	gps := func(es ...entry) []entry { return []entry{{tag: 0x8825, dir: es}} }
	for name, es := range map[string][]entry{
		"zero":           gps(ascii(1, "N"), rats(2, 0, 1, 0, 1, 0, 1), ascii(3, "E"), rats(4, 0, 1, 0, 1, 0, 1)),
		"one coordinate": gps(ascii(1, "N"), rats(2, 27, 1, 0, 1, 0, 1)),
		"no reference":   gps(rats(2, 27, 1, 0, 1, 0, 1), ascii(3, "E"), rats(4, 105, 1, 0, 1, 0, 1)),
		"off the Earth":  gps(ascii(1, "N"), rats(2, 97, 1, 0, 1, 0, 1), ascii(3, "E"), rats(4, 105, 1, 0, 1, 0, 1)),
		"divided by 0":   gps(ascii(1, "N"), rats(2, 27, 0, 0, 0, 0, 0), ascii(3, "E"), rats(4, 105, 0, 0, 0, 0, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			f, err := verify.File(bytes.NewReader(photo(t, 8, 8, es...)))
			must(t, err)
			if f.Position != nil {
				t.Fatalf("%+v", f.Position)
			}
			if _, err := json.Marshal(f); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSouthAndWestAreNegative(t *testing.T) {
	f, err := verify.File(bytes.NewReader(photo(t, 8, 8, entry{tag: 0x8825, dir: []entry{
		ascii(1, "S"), rats(2, 33, 1, 30, 1, 0, 1), ascii(3, "W"), rats(4, 70, 1, 15, 1, 0, 1),
	}})))
	must(t, err)
	if f.Position == nil || f.Position.Lat != -33.5 || f.Position.Lon != -70.25 {
		t.Fatalf("%+v", f.Position)
	}
}

func TestTimesThatAreNone(t *testing.T) {
	f, err := verify.File(bytes.NewReader(photo(t, 8, 8, entry{tag: 0x8769, dir: []entry{
		ascii(0x9003, "0000:00:00 00:00:00"), ascii(0x9011, "eight"),
	}})))
	must(t, err)
	if f.TakenLocal != "" || f.TakenOffset != "" || len(f.Problems) != 2 {
		t.Fatalf("%+v", f)
	}
}

func TestTypes(t *testing.T) {
	var p bytes.Buffer
	must(t, png.Encode(&p, picture(9, 7)))
	mp4 := append([]byte{0, 0, 0, 32}, []byte("ftypisom\x00\x00\x02\x00isomiso2avc1mp41")...)
	m4a := append([]byte{0, 0, 0, 32}, []byte("ftypM4A \x00\x00\x02\x00M4A isomiso2\x00\x00\x00\x00")...)
	heic := append([]byte{0, 0, 0, 24}, []byte("ftypheic\x00\x00\x00\x00mif1heic")...)
	jpg := photo(t, 8, 8)
	for _, c := range []struct {
		declared string
		b        []byte
		want     field.Code
	}{
		{"image/jpeg", jpg, ""},
		{"image/png", p.Bytes(), ""},
		{"image/heic", heic, ""},
		{"image/heif", heic, ""},
		{"video/mp4", mp4, ""},
		{"audio/mp4", mp4, ""},
		{"audio/mp4", m4a, ""},
		{"image/jpeg", p.Bytes(), field.CodeNotAPhoto},
		{"image/png", jpg, field.CodeNotAPhoto},
		{"video/mp4", heic, field.CodeNotAPhoto},
		{"image/jpeg", []byte("<html>"), field.CodeNotAPhoto},
		{"image/jpeg", nil, field.CodeNotAPhoto},
		{"image/gif", []byte("GIF89a"), field.CodeUnsupportedType},
		{"", jpg, field.CodeUnsupportedType},
	} {
		err := verify.Declared(c.declared, c.b)
		if (c.want == "") != (err == nil) || (err != nil && !field.Is(err, c.want)) {
			t.Errorf("%s of %.12q: %v, want %q", c.declared, c.b, err, c.want)
		}
	}
	f, err := verify.File(bytes.NewReader(p.Bytes()))
	must(t, err)
	if f.Type != "image/png" || f.Width != 9 || f.Height != 7 {
		t.Fatalf("%+v", f)
	}
	f, err = verify.File(bytes.NewReader(mp4))
	must(t, err)
	if f.Type != "video/mp4" {
		t.Fatalf("%+v", f)
	}
	for _, bad := range [][]byte{nil, []byte("text"), []byte("GIF89a")} {
		if _, err := verify.File(bytes.NewReader(bad)); !field.Is(err, field.CodeNotAPhoto) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// bomb is a PNG header that promises far more pixels than it brings.
func bomb(w, h uint32) []byte {
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	ihdr := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	ihdr = append(binary.BigEndian.AppendUint32(ihdr, h), 8, 2, 0, 0, 0)
	b = append(b, ihdr...)
	return binary.BigEndian.AppendUint32(b, crc(ihdr))
}

// Nothing is decoded here, so nothing is too large: the facts of a bomb are facts.
func TestABombHasFacts(t *testing.T) {
	f, err := verify.File(bytes.NewReader(bomb(1<<30, 1<<30)))
	must(t, err)
	if f.Type != "image/png" || f.Width != 1<<30 || f.Coding.Samples != 1<<60 {
		t.Fatalf("%+v", f)
	}
}

func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, x := range b {
		c ^= uint32(x)
		for range 8 {
			c = c>>1 ^ 0xedb88320&-(c&1)
		}
	}
	return ^c
}

func TestPerceptualHashIsStable(t *testing.T) {
	h, err := verify.PerceptualHash(picture(320, 240))
	must(t, err)
	if h.Name != "phash/goimagehash-1.1.0" || len(h.Value) != 16 {
		t.Fatalf("%+v", h)
	}
	again, err := verify.PerceptualHash(picture(320, 240))
	must(t, err)
	if again != h {
		t.Fatalf("%v and %v", h, again)
	}
}

// shared finds the photos beside the checkout.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	images := filepath.Join(dir, "..", "shared", "images")
	if _, err := os.Stat(images); err != nil {
		t.Skip("photos beside the checkout: skipped, ../shared/images is not there")
	}
	return images
}

func TestPhotosBesideTheCheckout(t *testing.T) {
	images := shared(t)
	n := 0
	must(t, filepath.WalkDir(images, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(".jpg.jpeg.heic.heif", strings.ToLower(filepath.Ext(path))) || filepath.Ext(path) == "" {
			return err
		}
		b, err := os.ReadFile(path)
		must(t, err)
		_, err = verify.File(bytes.NewReader(b))
		if err != nil && !field.Is(err, field.CodeNotAPhoto) {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			n++
		}
		return nil
	}))
	if n < 50 {
		t.Fatalf("%d photos had facts", n)
	}
	open := func(name string) verify.Facts {
		b, err := os.ReadFile(filepath.Join(images, name))
		must(t, err)
		f, err := verify.File(bytes.NewReader(b))
		must(t, err)
		return f
	}
	f := open("jpg/gps/DSCN0010.jpg")
	if f.Position == nil || math.Abs(f.Position.Lat-43.4674483) > 1e-6 || f.GPSTime == nil || f.GPSTime.Format(time.RFC3339) != "2008-10-23T14:27:07Z" {
		t.Fatalf("%+v", f)
	}
	if f = open("jpg/Canon_40D.jpg"); f.Position != nil { // the trap: interoperability tags under GPS names
		t.Fatalf("%+v", f.Position)
	}
	if f = open("heic/IMG_5195.HEIC"); f.Position == nil || f.Position.Lon > -94 || f.Position.Accuracy == nil || f.TakenOffset != "-05:00" {
		t.Fatalf("%+v", f)
	}
}

// The expected values come from another program, where it is installed.
func TestAgainstExiftool(t *testing.T) {
	tool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skip("comparison with exiftool: skipped, it is not installed")
	}
	images := shared(t)
	out, err := exec.Command(tool, "-json", "-n", "-r", "-ext", "jpg", "-ext", "heic", "-ExifIFD:DateTimeOriginal", "-ExifIFD:OffsetTimeOriginal",
		"-EXIF:GPSLatitude", "-EXIF:GPSLongitude", "-EXIF:GPSLatitudeRef", "-EXIF:GPSLongitudeRef", "-IFD0:Make", "-IFD0:Model", "-IFD0:Orientation", "-IFD0:Software",
		"-EXIF:GPSHPositioningError", "-EXIF:GPSImgDirection", "-EXIF:GPSImgDirectionRef", "-EXIF:GPSDateStamp", "-EXIF:GPSTimeStamp", "-EXIF:GPSMapDatum", images).Output()
	if len(out) == 0 {
		t.Fatal(err) // files that it finds broken make it fail, with the answer still there
	}
	var want []map[string]any
	must(t, json.Unmarshal(out, &want))
	compared, positions, accuracies, bearings, clocks := 0, 0, 0, 0, 0
	for _, w := range want {
		path, ok := w["SourceFile"].(string)
		if !ok {
			t.Fatal(w)
		}
		b, err := os.ReadFile(path)
		must(t, err)
		f, err := verify.File(bytes.NewReader(b))
		if err != nil || strings.Contains(path, "invalid") || strings.Contains(path, "/odd/") {
			continue // broken files have no one truth
		}
		compared++
		name := strings.TrimPrefix(path, images)
		same := func(what, got string, want any) {
			if s, ok := want.(string); ok && strings.TrimSpace(s) != got && !strings.Contains(s, "\x00") {
				t.Errorf("%s: %s is %q here, %q there", name, what, got, s)
			}
		}
		same("Make", f.Make, w["Make"])
		same("Model", f.Model, w["Model"])
		same("Software", f.Software, w["Software"])
		same("OffsetTimeOriginal", f.TakenOffset, w["OffsetTimeOriginal"])
		if s, ok := w["DateTimeOriginal"].(string); ok && len(s) == 19 && f.TakenLocal != strings.Replace(strings.Replace(s, ":", "-", 2), " ", "T", 1) {
			t.Errorf("%s: taken %q here, %q there", name, f.TakenLocal, s)
		}
		if o, ok := w["Orientation"].(float64); ok && o >= 1 && o <= 8 && int(o) != f.Orientation {
			t.Errorf("%s: orientation %d here, %v there", name, f.Orientation, o)
		}
		lat, ok1 := w["GPSLatitude"].(float64)
		lon, ok2 := w["GPSLongitude"].(float64)
		if ok1 != (f.Position != nil) && (lat != 0 || lon != 0) && ok1 && ok2 {
			t.Errorf("%s: position %+v here, %v %v there", name, f.Position, lat, lon)
		}
		if d, ok := w["GPSDateStamp"].(string); ok && f.GPSTime != nil {
			clocks++
			c, _ := w["GPSTimeStamp"].(string) // else the comparison fails
			if at := f.GPSTime.Format("2006:01:02 15:04:05"); !strings.HasPrefix(d+" "+c, at) {
				t.Errorf("%s: GPS time %s here, %s %s there", name, at, d, c)
			}
		} else if (ok && d != "" && w["GPSTimeStamp"] != nil) != (f.GPSTime != nil) {
			t.Errorf("%s: GPS time %v here, %v %v there", name, f.GPSTime, d, w["GPSTimeStamp"])
		}
		if f.Position != nil && ok1 && ok2 {
			positions++
			near := func(what string, got *float64, want any, seen *int) {
				n, ok := want.(float64)
				if ok != (got != nil) || ok && math.Abs(*got-n) > 1e-3 {
					t.Errorf("%s: %s is %v here, %v there", name, what, got, want)
				}
				if ok {
					*seen++
				}
			}
			near("GPSHPositioningError", f.Position.Accuracy, w["GPSHPositioningError"], &accuracies)
			near("GPSImgDirection", f.Position.Bearing, w["GPSImgDirection"], &bearings)
			same("GPSImgDirectionRef", f.Position.BearingRef, w["GPSImgDirectionRef"])
			same("GPSMapDatum", f.Position.Datum, w["GPSMapDatum"])
			if math.Abs(math.Abs(f.Position.Lat)-math.Abs(lat)) > 1e-6 || math.Abs(math.Abs(f.Position.Lon)-math.Abs(lon)) > 1e-6 {
				t.Errorf("%s: position %+v here, %v %v there", name, f.Position, lat, lon)
			}
		}
	}
	t.Logf("%d files, %d positions, %d accuracies, %d bearings and %d GPS times agree with exiftool", compared, positions, accuracies, bearings, clocks)
	if compared < 40 || positions < 5 || accuracies < 1 || bearings < 2 || clocks < 5 {
		t.Fatal("too few to mean anything")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
