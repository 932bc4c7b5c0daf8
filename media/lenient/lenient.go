// Package lenient decodes JPEG and PNG files that strict decoders refuse and browsers show: cut off, with odd
// samplings, wrong checksums or a height that comes late. What it makes is a picture to look at and to compare, reduced
// while it is decoded, so that its memory follows the picture that comes out and not the one that goes in.
//
// It is pure, takes hostile input and does not panic; what one file may cost is bounded by counting, not by a clock.
// Start with JPEG and PNG. Files that the standard library decodes at a bearable cost are not for here: media/sandbox
// decides.
package lenient

import (
	"errors"
	"image"
)

// Picture is what could be decoded.
type Picture struct {
	Image *image.RGBA // its longer side is at least that which was asked for, or that of the file
	Done  float64     // which share of it the file had: 1 for all
}

// Why there is no picture.
var (
	ErrBroken      = errors.New("the image is broken")
	ErrUnsupported = errors.New("the image is coded in a way that browsers do not show either")
	ErrTooBig      = errors.New("the image has too many pixels")
)

// reader takes big-endian numbers off a file in memory.
type reader struct {
	b  []byte
	at int
}

func (r *reader) byte() int {
	if r.at >= len(r.b) {
		r.at++
		return -1
	}
	r.at++
	return int(r.b[r.at-1])
}

func (r *reader) short() int {
	hi, lo := r.byte(), r.byte()
	if hi < 0 || lo < 0 {
		return -1
	}
	return hi<<8 | lo
}
