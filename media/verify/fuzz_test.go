package verify_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"slices"
	"testing"

	"fieldclue/media/thumb"
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
			if field.AsError(err).Kind == field.KindInternal {
				t.Fatal(err)
			}
			return
		}
		if _, err := json.Marshal(facts); err != nil {
			t.Fatalf("%+v: %v", facts, err)
		}
		if facts.Width < 0 || facts.Height < 0 || facts.Height > 0 && facts.Width > verify.MaxPixels/facts.Height || facts.Orientation < 0 || facts.Orientation > 8 {
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

// FuzzPicture: from bytes to renditions, as the examination goes.
func FuzzPicture(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := verify.File(bytes.NewReader(b))
		if err != nil || facts.Width*facts.Height > 1<<20 {
			return
		}
		img, err := verify.Decode(bytes.NewReader(b))
		if err != nil {
			if !slices.Contains([]field.Code{field.CodeNotAPhoto, field.CodePhotoTooBig, field.CodeUnsupportedType}, field.AsError(err).Code) {
				t.Fatal(err)
			}
			return
		}
		r, err := thumb.Make(img, facts.Orientation)
		if err != nil {
			t.Fatal(err)
		}
		for _, rendition := range [][]byte{r.Small, r.Large} {
			made, err := verify.File(bytes.NewReader(rendition))
			if err != nil || made.Type != thumb.Type || made.Tags != nil || made.Width > thumb.LargeSide || made.Height > thumb.LargeSide {
				t.Fatalf("%+v, %v", made, err)
			}
		}
		if h, err := verify.PerceptualHash(r.Picture); err != nil || len(h.Value) != 16 {
			t.Fatal(h, err)
		}
	})
}
