package sandbox

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/gen2brain/heic"

	"fieldclue/media/lenient"
	"fieldclue/media/thumb"
	"fieldclue/media/verify"
)

// What the decoders of the standard library may cost, by the headers of a file: bytes of memory, and scans.
// media/lenient takes the others, and what the library refuses; so one file is decoded alike on every machine.
const (
	strictMemory = 200 << 20
	strictScans  = 16
)

func strict(f verify.Facts) bool {
	samples, each := f.Coding.Samples, int64(1)
	switch {
	case f.Coding.Foreign || f.Width <= 0 || f.Coding.Scans > strictScans || samples > strictMemory:
		return false
	case f.Type == "image/png":
		each = max(4, int64(f.Coding.Bits/8)) // 8 bits of grey become 4 bytes at most
	case f.Coding.Progressive:
		each = 5 // a coefficient has 4 bytes
	}
	return samples*each <= strictMemory
}

// Cost is how long decoding a file may take.
type Cost int

// Small is a photo that phones take every day: half a second of the processor, seldom more. Large are the HEIC and the
// largest pictures of phones: some seconds. Giant is everything else.
const (
	Small Cost = iota
	Large
	Giant
)

// CostOf tells what decoding a file may take, by its headers. Facts are those of verify.File.
func CostOf(f verify.Facts) Cost {
	cost := func(n, small, large int64) Cost {
		switch {
		case n <= small:
			return Small
		case n <= large:
			return Large
		}
		return Giant
	}
	switch samples := f.Coding.Samples; {
	case f.Type == "image/jpeg": // 26 megapixels, or 13 in ten scans
		return max(cost(samples, 40<<20, 400<<20), cost(samples*int64(max(1, f.Coding.Scans)), 200<<20, 400<<20))
	case f.Type == "image/png":
		return cost(samples, 8<<20, 32<<20)
	case samples == 0: // none said is any number
		return Giant
	default: // HEIC, of which 12 megapixels take two seconds, and six on a busy machine
		return cost(samples, 0, 14<<20)
	}
}

// decode decodes a file in the child.
func decode(file []byte) (lenient.Picture, error) {
	f, err := verify.File(bytes.NewReader(file))
	if err != nil {
		return lenient.Picture{}, lenient.ErrBroken
	}
	whole := func(img image.Image, err error) (lenient.Picture, error) {
		if err != nil {
			return lenient.Picture{}, errors.Join(lenient.ErrBroken, err)
		}
		if b := img.Bounds(); b.Dx() < 1 || b.Dy() < 1 {
			return lenient.Picture{}, lenient.ErrBroken
		}
		return lenient.Picture{Image: thumb.Fit(img, MaxSide), Done: 1}, nil
	}
	var lax func([]byte, int) (lenient.Picture, error)
	var p lenient.Picture
	switch {
	case f.Type == "image/jpeg":
		if strict(f) {
			if p, err = whole(jpeg.Decode(bytes.NewReader(file))); err == nil {
				return p, nil
			}
		}
		lax = lenient.JPEG
	case f.Type == "image/png":
		if strict(f) {
			if p, err = whole(png.Decode(bytes.NewReader(file))); err == nil {
				return p, nil
			}
		}
		lax = lenient.PNG
	case verify.IsHEIC(f.Type):
		copy(file[8:12], "heic") // the decoder asks for its own brand; others are as good, and it finds out what is inside
		return whole(heic.Decode(bytes.NewReader(file)))
	default:
		return lenient.Picture{}, lenient.ErrUnsupported
	}
	if p, err = lax(file, MaxSide); err != nil {
		return lenient.Picture{}, err
	}
	p.Image = thumb.Fit(p.Image, MaxSide)
	return p, nil
}
