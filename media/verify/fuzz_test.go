package verify_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"slices"
	"strings"
	"testing"

	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// seeds are small files of every type that is taken, whole and damaged.
func seeds(f *testing.F) {
	var p bytes.Buffer
	must(f, png.Encode(&p, picture(9, 7)))
	whole := photo(f, 16, 16, village()...)
	for _, b := range [][]byte{
		whole, whole[:len(whole)/2], photo(f, 16, 16), p.Bytes(), bomb(100, 100), bomb(1<<30, 1<<30),
		{},
		heif("heic", false, false, 0), heif("mif1", true, false, 9), heif("heic", false, true, 0),
		append([]byte{0, 0, 0, 24}, []byte("ftypheic\x00\x00\x00\x00mif1heic")...),
		append([]byte{0, 0, 0, 32}, []byte("ftypisom\x00\x00\x02\x00isomiso2avc1mp41")...),
		append([]byte{0, 0, 0, 32}, []byte("ftypM4A \x00\x00\x02\x00M4A isomiso2\x00\x00\x00\x00")...),
	} {
		f.Add(b)
	}
}

// FuzzFile: whatever comes, the answer is a refusal with a code, or facts that can be stored and that keep what is
// promised of them.
func FuzzFile(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := verify.File(bytes.NewReader(b))
		if err != nil {
			if field.AsError(err).Kind == field.ErrorInternal {
				t.Fatal(err)
			}
			return
		}
		if _, err := json.Marshal(facts); err != nil {
			t.Fatalf("%+v: %v", facts, err)
		}
		if facts.Width < 0 || facts.Height < 0 || facts.Orientation < 0 || facts.Orientation > 8 {
			t.Fatalf("%+v", facts)
		}
		if facts.Position != nil && facts.NoPosition != "" || len(facts.Problems) > 20 {
			t.Fatalf("%+v", facts)
		}
		if p := facts.Position; p != nil && (p.Lat < -90 || p.Lat > 90 || p.Lon < -180 || p.Lon > 180) {
			t.Fatalf("%+v", p)
		}
	})
}

// FuzzDeclared: a file that is taken for what it was declared as is never examined as anything else.
func FuzzDeclared(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		head := b[:min(len(b), verify.HeadSize)]
		for _, declared := range []string{"image/jpeg", "image/png", "image/heic", "video/mp4", "audio/mp4"} {
			if err := verify.Declared(declared, head); err != nil {
				if !field.Is(err, field.CodeNotAPhoto) {
					t.Fatal(err)
				}
				continue
			}
			facts, err := verify.File(bytes.NewReader(b))
			if err != nil { // its header is broken, or it is too large
				continue
			}
			if (declared == "image/jpeg" || declared == "image/png") && facts.Type != declared || declared == "image/heic" != verify.IsHEIC(facts.Type) {
				t.Fatalf("declared as %s, examined as %s", declared, facts.Type)
			}
		}
	})
}

// FuzzEXIF: the TIFF in a photo, without the luck that it takes to change it within a whole file.
func FuzzEXIF(f *testing.F) {
	f.Add(tiff(village()))
	f.Add(append([]byte("Exif\x00\x00"), tiff([]entry{exif(ascii(0x9003, "2026:11:30 24:00:00")), gps(place()...)})...))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x0f\x00\x02\x00\x00\x00\x02a\x00\x00\x00\x00\x00\x00\x00"))
	var p bytes.Buffer
	must(f, png.Encode(&p, picture(2, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := slices.Concat(p.Bytes()[:33], chunk("eXIf", b), p.Bytes()[33:])
		facts, err := verify.File(bytes.NewReader(file))
		if err != nil || facts.Width != 2 {
			t.Fatalf("%+v, %v", facts, err)
		}
		if _, err := json.Marshal(facts); err != nil {
			t.Fatalf("%+v: %v", facts, err)
		}
		for name, text := range map[string]string{"make": facts.Make, "taken": facts.TakenLocal, "offset": facts.TakenOffset} {
			if strings.ContainsAny(text, "\x00\n\x1b") {
				t.Fatalf("%s is %q", name, text)
			}
		}
	})
}
