package thumb_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/bits"
	"strconv"
	"testing"

	"fieldclue/media/thumb"
	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// corner is a picture with a red upper left quarter, a green upper right one and a blue lower left one.
func corner(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 255, 255, 255}
			switch {
			case x < w/2 && y < h/2:
				c = color.RGBA{255, 0, 0, 255}
			case y < h/2:
				c = color.RGBA{0, 255, 0, 255}
			case x < w/2:
				c = color.RGBA{0, 0, 255, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// stored turns an upright picture into what a camera would store under an orientation: the inverse of showing it.
func stored(up *image.RGBA, orientation int) *image.RGBA {
	w, h := up.Rect.Dx(), up.Rect.Dy()
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, sw, sh))
	for y := range h {
		for x := range w {
			row, col := y, x // the 0th row and column of EXIF, in words of the standard: top, left
			var sx, sy int
			switch orientation {
			case 1:
				sx, sy = col, row
			case 2:
				sx, sy = w-1-col, row
			case 3:
				sx, sy = w-1-col, h-1-row
			case 4:
				sx, sy = col, h-1-row
			case 5:
				sx, sy = row, col
			case 6: // 0th row is the right side
				sx, sy = row, w-1-col
			case 7:
				sx, sy = h-1-row, w-1-col
			case 8: // 0th row is the left side
				sx, sy = h-1-row, col
			}
			out.Set(sx, sy, up.At(x, y))
		}
	}
	return out
}

func TestEveryOrientationIsShownUpright(t *testing.T) {
	for o := 1; o <= 8; o++ {
		r, err := thumb.Make(stored(corner(800, 600), o), o)
		must(t, err)
		for _, c := range []struct {
			b    []byte
			w, h int
		}{{r.Small, 320, 240}, {r.Large, 800, 600}} {
			img, err := jpeg.Decode(bytes.NewReader(c.b))
			must(t, err)
			if img.Bounds().Dx() != c.w || img.Bounds().Dy() != c.h {
				t.Fatalf("orientation %d: %v", o, img.Bounds())
			}
			for _, p := range []struct {
				x, y    int
				r, g, b bool
			}{{1, 1, true, false, false}, {3, 1, false, true, false}, {1, 3, false, false, true}, {3, 3, true, true, true}} {
				cr, cg, cb, _ := img.At(c.w*p.x/4, c.h*p.y/4).RGBA()
				if (cr > 0x8000) != p.r || (cg > 0x8000) != p.g || (cb > 0x8000) != p.b {
					t.Fatalf("orientation %d: at %d/4, %d/4 is %x %x %x", o, p.x, p.y, cr, cg, cb)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct{ w, h, sw, sh, lw, lh int }{
		{4000, 3000, 320, 240, 1600, 1200},
		{3000, 4000, 240, 320, 1200, 1600},
		{100, 50, 100, 50, 100, 50},
		{5000, 2, 320, 1, 1600, 1},
		{1, 1, 1, 1, 1, 1},
	} {
		r, err := thumb.Make(image.NewYCbCr(image.Rect(0, 0, c.w, c.h), image.YCbCrSubsampleRatio420), 1)
		must(t, err)
		for _, p := range []struct {
			b    []byte
			w, h int
		}{{r.Small, c.sw, c.sh}, {r.Large, c.lw, c.lh}} {
			cfg, err := jpeg.DecodeConfig(bytes.NewReader(p.b))
			must(t, err)
			if cfg.Width != p.w || cfg.Height != p.h {
				t.Errorf("%d × %d became %d × %d", c.w, c.h, cfg.Width, cfg.Height)
			}
		}
	}
	if _, err := thumb.Make(image.NewRGBA(image.Rectangle{}), 1); !field.Is(err, field.CodeNotAPhoto) {
		t.Fatal(err)
	}
}

func TestTransparentBecomesWhite(t *testing.T) {
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 50, 50))))
	img, err := png.Decode(bytes.NewReader(b.Bytes()))
	must(t, err)
	r, err := thumb.Make(img, 1)
	must(t, err)
	out, err := jpeg.Decode(bytes.NewReader(r.Small))
	must(t, err)
	if y := color.GrayModel.Convert(out.At(25, 25)).(color.Gray).Y; y < 250 {
		t.Fatal(y)
	}
}

// Held in any way, one scene has one perceptual hash; and the picture that was turned has it again when it is turned
// back.
func TestTheHashDoesNotDependOnHowThePhoneWasHeld(t *testing.T) {
	scene := image.NewRGBA(image.Rect(0, 0, 1200, 900))
	for y := range 900 {
		for x := range 1200 {
			v := uint8((x*x/900 + y*3 + (x/150)*(y/110)*17) % 256)
			scene.SetRGBA(x, y, color.RGBA{v, 255 - v, uint8(y / 4), 255})
		}
	}
	var first uint64
	for i, o := range []int{1, 2, 3, 4, 5, 6, 7, 8} {
		r, err := thumb.Make(stored(scene, o), o)
		must(t, err)
		h, err := verify.PerceptualHash(r.Picture)
		must(t, err)
		v, err := strconv.ParseUint(h.Value, 16, 64)
		must(t, err)
		if i == 0 {
			first = v
		}
		if d := bits.OnesCount64(first ^ v); d > 3 {
			t.Errorf("orientation %d: distance %d", o, d)
		}
	}
}

func BenchmarkTwelveMegapixels(b *testing.B) {
	var file bytes.Buffer
	must(b, jpeg.Encode(&file, corner(4000, 3000), &jpeg.Options{Quality: 90}))
	b.ReportAllocs()
	for b.Loop() {
		f, err := verify.File(bytes.NewReader(file.Bytes()))
		must(b, err)
		img, err := jpeg.Decode(bytes.NewReader(file.Bytes()))
		must(b, err)
		r, err := thumb.Make(img, f.Orientation)
		must(b, err)
		_, err = verify.PerceptualHash(r.Picture)
		must(b, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
