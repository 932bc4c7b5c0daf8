package lenient_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"fieldclue/media/lenient"
)

func scene(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(128 + 100*(x/16%2) - 100*(y/16%2)), 255})
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// apart is by how much two pictures differ in a sample, on average; the second is scaled to the first.
func apart(got *image.RGBA, want image.Image) float64 {
	as := image.NewRGBA(got.Rect)
	draw.Draw(as, as.Rect, image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(as, as.Rect, want, want.Bounds(), draw.Over, nil)
	sum := 0
	for i := range as.Pix {
		d := int(as.Pix[i]) - int(got.Pix[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(as.Pix))
}

func TestJPEGAsTheStandardLibrary(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 203, 97))
	draw.Draw(grey, grey.Rect, scene(203, 97), image.Point{}, draw.Src)
	for name, img := range map[string]image.Image{"colours": scene(203, 97), "grey": grey, "one pixel": scene(1, 1)} {
		file := asJPEG(t, img)
		want, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []int{1000, 100, 50, 20, 1} {
			p, err := lenient.JPEG(file, side)
			if err != nil || p.Done != 1 || max(p.Image.Rect.Dx(), p.Image.Rect.Dy()) < min(side, want.Bounds().Dx()) {
				t.Fatalf("%s to %d: %+v, %v", name, side, p.Image.Rect, err)
			}
			if side == 1000 && p.Image.Rect.Size() != want.Bounds().Size() {
				t.Errorf("%s: %v", name, p.Image.Rect)
			}
			if d := apart(p.Image, want); d > 4 && side > 50 || d > 15 { // far reduced, edges are a matter of taste
				t.Errorf("%s to %d: %.1f apart", name, side, d)
			}
		}
	}
}

// progressive is a JPEG of 64 × 48 pixels as cjpeg -progressive makes it, with spectral selection, successive
// approximation and refinement in ten scans.
var progressive = decoded64(progressiveFile)

func decoded64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(s, "\n", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestProgressiveJPEG(t *testing.T) {
	want, err := jpeg.Decode(bytes.NewReader(progressive))
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []int{64, 32, 16, 8} {
		p, err := lenient.JPEG(progressive, side)
		if err != nil || p.Done != 1 || p.Image.Rect.Dx() != side {
			t.Fatalf("to %d: %+v, %v", side, p.Image.Rect, err)
		}
		if d := apart(p.Image, want); side == 64 && d > 2 || d > 12 {
			t.Errorf("to %d: %.1f apart", side, d)
		}
	}
	// Cut off in any scan, what is there is shown; the share is that of the first, which has all of the picture
	// coarsely.
	for n := len(progressive) / 2; n < len(progressive); n += 7 {
		p, err := lenient.JPEG(progressive[:n], 64)
		if err != nil || p.Done != 1 || apart(p.Image, want) > 20 {
			t.Fatalf("the first %d bytes: %v, %v", n, p.Done, err)
		}
	}
}

// Scans that do nothing are repeated for as long as the file is: the picture that is there is enough, and there is an
// end.
func TestScansWithoutEnd(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 2048, 2048))
	plain := asJPEG(t, img)
	sof := bytes.Index(plain, []byte{0xff, 0xc0})
	plain[sof+1] = 0xc2
	sos := bytes.Index(plain, []byte{0xff, 0xda})
	dc := []byte{0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0} // the first scan: one code of "no difference" after the other
	again := []byte{0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0x10}
	file := slices.Concat(plain[:sos], dc, make([]byte, 2048*2048/64/4))
	for range 100_000 {
		file = append(file, again...)
	}
	p, err := lenient.JPEG(file, 1600)
	if err != nil || p.Done < .9 {
		t.Fatalf("%v, %v", p.Done, err)
	}
}

func TestJPEGThatIsCutOff(t *testing.T) {
	file := asJPEG(t, scene(320, 240))
	want := scene(320, 240)
	for _, share := range []float64{.3, .5, .9} {
		p, err := lenient.JPEG(file[:int(share*float64(len(file)))], 320)
		if err != nil || p.Done > share+.15 || p.Done < share-.25 {
			t.Fatalf("%.1f: %.2f, %v", share, p.Done, err)
		}
		top := image.Rect(0, 0, 320, int(p.Done*200))
		if d := apart(p.Image.SubImage(top).(*image.RGBA), want.SubImage(top)); d > 60 {
			t.Errorf("%.1f: what is there is %.1f apart", share, d)
		}
	}
	for name, b := range map[string][]byte{"no end": file[:len(file)-2], "a byte less": file[:len(file)-3], "a trailer": append(slices.Clone(file[:len(file)-2]), "SEFT"...)} {
		if p, err := lenient.JPEG(b, 320); err != nil || p.Done < .99 || apart(p.Image, want) > 4 {
			t.Errorf("%s: %v, %v", name, p.Done, err)
		}
	}
}

// The same third of a picture many times is a third.
func TestAScanThatComesAgainShowsNoMore(t *testing.T) {
	file := asJPEG(t, scene(320, 240))
	sos := bytes.Index(file, []byte{0xff, 0xda})
	third := file[sos : sos+(len(file)-sos)/3]
	if third[len(third)-1] == 0xff {
		third = third[:len(third)-1]
	}
	p, err := lenient.JPEG(slices.Concat(file[:sos], third, third, third, third), 320)
	if err != nil || p.Done > .6 {
		t.Fatalf("%v, %v", p.Done, err)
	}
}

func TestOddJPEG(t *testing.T) {
	file := asJPEG(t, scene(160, 120))
	sof := bytes.Index(file, []byte{0xff, 0xc0})
	at := func(i int, b ...byte) []byte {
		c := slices.Clone(file)
		copy(c[sof+i:], b)
		return c
	}
	for name, b := range map[string][]byte{
		"no frame":      file[:sof],
		"nothing":       nil,
		"no pixels":     at(7, 0, 0),
		"two planes":    at(9, 2),
		"no sampling":   at(11, 0),
		"no such quant": at(12, 9),
	} {
		if _, err := lenient.JPEG(b, 100); !errors.Is(err, lenient.ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"arithmetic": at(1, 0xc9), "12 bits": at(4, 12), "lossless": at(1, 0xc3)} {
		if _, err := lenient.JPEG(b, 100); !errors.Is(err, lenient.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := lenient.JPEG(at(5, 0xff, 0xff, 0xff, 0xff), 1600); !errors.Is(err, lenient.ErrTooBig) {
		t.Errorf("4 gigapixels: %v", err)
	}
	late := slices.Concat(at(5, 0, 0)[:len(file)-2], []byte{0xff, 0xdc, 0, 4, 0, 120, 0xff, 0xd9})
	if p, err := lenient.JPEG(late, 160); err != nil || p.Image.Rect.Dy() != 120 || apart(p.Image, scene(160, 120)) > 4 {
		t.Errorf("a height that comes late: %v", err)
	}
}

// pngChunk is a chunk with its checksum, or with a wrong one.
func pngChunk(name string, body []byte, right bool) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), name...)
	b = append(b, body...)
	sum := crc32.ChecksumIEEE(b[4:])
	if !right {
		sum++
	}
	return binary.BigEndian.AppendUint32(b, sum)
}

func TestPNGAsTheStandardLibrary(t *testing.T) {
	r := image.Rect(0, 0, 61, 43)
	clear := scene(61, 43)
	for i := 3; i < len(clear.Pix); i += 4 {
		clear.Pix[i] = uint8(i)
	}
	grey, grey16, deep := image.NewGray(r), image.NewGray16(r), image.NewNRGBA64(r)
	few := image.NewPaletted(r, color.Palette{color.White, color.RGBA{200, 10, 10, 255}, color.NRGBA{0, 0, 255, 100}})
	for _, d := range []draw.Image{grey, grey16, deep, few} {
		draw.Draw(d, r, scene(61, 43), image.Point{}, draw.Src)
	}
	for name, img := range map[string]image.Image{"colours": scene(61, 43), "transparent": clear, "grey": grey, "16 bits of grey": grey16, "16 bits": deep, "palette": few} {
		file := asPNG(t, img)
		p, err := lenient.PNG(file, 1000)
		if err != nil || p.Done != 1 || p.Image.Rect != r {
			t.Fatalf("%s: %v, %v", name, p.Done, err)
		}
		if d := apart(p.Image, img); d > 1 {
			t.Errorf("%s: %.2f apart", name, d)
		}
		if p, err = lenient.PNG(file, 20); err != nil || p.Image.Rect.Dx() != 21 || apart(p.Image, img) > 25 {
			t.Errorf("%s reduced: %v, %v", name, p.Image.Rect, err)
		}
		text := pngChunk("tEXt", []byte("a\x00b"), false)
		odd := slices.Concat(file[:33], pngChunk("acTL", make([]byte, 8), true), text, file[33:len(file)-12], pngChunk("fdAT", []byte{0, 0, 0, 1, 2, 3}, true))
		if p, err = lenient.PNG(odd, 1000); err != nil || p.Done != 1 || apart(p.Image, img) > 1 {
			t.Errorf("%s with odd chunks and no end: %v", name, err)
		}
	}
}

func TestPNGThatIsCutOff(t *testing.T) {
	img := scene(300, 200)
	for i := range img.Pix { // so that it does not compress
		img.Pix[i] ^= uint8(i * i >> 7)
	}
	file := asPNG(t, img)
	p, err := lenient.PNG(file[:len(file)/2], 300)
	if err != nil || p.Done < .2 || p.Done > .8 {
		t.Fatalf("%v, %v", p.Done, err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "no data": file[:33], "no size": append(slices.Clone(file[:16]), make([]byte, 40)...)} {
		if _, err := lenient.PNG(b, 100); !errors.Is(err, lenient.ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := slices.Clone(file)
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0})
	if _, err := lenient.PNG(huge, 100); !errors.Is(err, lenient.ErrTooBig) {
		t.Errorf("4 gigapixels: %v", err)
	}
}

// The photos beside the checkout look as the standard library has them, wherever it has them.
func TestPhotosBesideTheCheckout(t *testing.T) {
	images := filepath.Join("..", "..", "..", "shared", "images")
	if _, err := os.Stat(images); errors.Is(err, fs.ErrNotExist) {
		t.Skip("photos beside the checkout: skipped, ../shared/images is not there")
	}
	compared := 0
	err := filepath.WalkDir(filepath.Join(images, "jpg"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.ToLower(filepath.Ext(path)) != ".jpg" {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if len(file) > 1<<20 {
			return nil // large ones take their time and show nothing new
		}
		want, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			return nil // what that one refuses has nothing to be compared with
		}
		p, err := lenient.JPEG(file, 400)
		if err != nil || p.Done < .99 {
			t.Errorf("%s: %v, %v", path, p.Done, err)
			return nil
		}
		compared++
		if d := apart(p.Image, want); d > 6 {
			t.Errorf("%s: %.1f apart", path, d)
		}
		return nil
	})
	if err != nil || compared < 50 {
		t.Fatalf("%d photos compared, %v", compared, err)
	}
}

func FuzzJPEG(f *testing.F) {
	whole := asJPEG(f, scene(40, 30))
	f.Add(whole)
	f.Add(whole[:len(whole)-40])
	f.Add(progressive)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, frame := range []byte{0xc0, 0xc1, 0xc2} {
			if i := bytes.Index(b, []byte{0xff, frame}); i >= 0 && i+9 < len(b) && (b[i+5] > 1 || b[i+7] > 1) {
				return // large pictures take their time
			}
		}
		check(t)(lenient.JPEG(b, 64))
	})
}

func FuzzPNG(f *testing.F) {
	f.Add(asPNG(f, scene(20, 15)))
	f.Add(asPNG(f, image.NewPaletted(image.Rect(0, 0, 9, 9), color.Palette{color.White, color.Black})))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 24 && binary.BigEndian.Uint32(b[16:])*binary.BigEndian.Uint32(b[20:]) > 1<<16 {
			return
		}
		check(t)(lenient.PNG(b, 64))
	})
}

func check(t *testing.T) func(lenient.Picture, error) {
	return func(p lenient.Picture, err error) {
		if err == nil && (p.Image.Rect.Empty() || p.Done <= 0 || p.Done > 1 || !p.Image.Opaque()) {
			t.Fatalf("%v, %v", p.Image.Rect, p.Done)
		}
	}
}
