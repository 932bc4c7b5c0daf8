// Package thumb makes the small pictures that people look at: upright, without metadata.
//
// Start with Make. Decoding, with its limits, is in media/verify; what becomes of the bytes is the caller's.
package thumb

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/draw"

	"fieldclue/server/field"
)

// The longer sides of the renditions, in pixels. A picture that is smaller is not made larger.
const (
	SmallSide = 320
	LargeSide = 1600
)

// Type is the media type of every rendition.
const Type = "image/jpeg"

const quality = 80

// Renditions are JPEG files; Picture is the small one before it was encoded, for the perceptual hash.
type Renditions struct {
	Small, Large []byte
	Picture      *image.RGBA
}

// Make scales a decoded picture to both renditions and turns them upright; orientation is that of EXIF, 1 to 8, and
// anything else means 1. Transparent parts become white.
func Make(img image.Image, orientation int) (Renditions, error) {
	if b := img.Bounds(); b.Dx() <= 0 || b.Dy() <= 0 {
		return Renditions{}, field.Refuse(field.CodeNotAPhoto, "The image has no pixels.")
	}
	large := Fit(img, LargeSide)
	small := large
	// Scaling down by more than two at once would skip pixels.
	for side := LargeSide / 2; side > SmallSide; side /= 2 {
		small = Fit(small, side)
	}
	small = Turn(Fit(small, SmallSide), orientation)
	large = Turn(large, orientation)
	out := Renditions{Picture: small}
	for _, r := range []struct {
		to   *[]byte
		from image.Image
	}{{&out.Small, small}, {&out.Large, large}} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, r.from, &jpeg.Options{Quality: quality}); err != nil {
			return Renditions{}, field.Refuse(field.CodeInternal, "").Because(err)
		}
		*r.to = b.Bytes()
	}
	return out, nil
}

// Fit scales a picture so that its longer side is at most side, on white.
func Fit(img image.Image, side int) *image.RGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if r, ok := img.(*image.RGBA); ok && w <= side && h <= side && b.Min == (image.Point{}) && r.Opaque() {
		return r
	}
	if w > side || h > side {
		if w >= h {
			w, h = side, max(1, h*side/w)
		} else {
			w, h = max(1, w*side/h), side
		}
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	op := draw.Src
	if o, ok := img.(interface{ Opaque() bool }); ok && !o.Opaque() {
		draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
		op = draw.Over
	}
	draw.ApproxBiLinear.Scale(dst, dst.Bounds(), img, b, op, nil)
	return dst
}

// Turn applies an EXIF orientation: 2 mirrored, 3 half a turn, 4 upside down mirrored, 5 to 8 the same with a quarter
// turn.
func Turn(src *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if orientation >= 5 {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range dh {
		for x := range dw {
			var sx, sy int
			switch orientation {
			case 2:
				sx, sy = w-1-x, y
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sx, sy = x, h-1-y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(dst.Pix[dst.PixOffset(x, y):][:4], src.Pix[src.PixOffset(sx, sy):][:4])
		}
	}
	return dst
}
