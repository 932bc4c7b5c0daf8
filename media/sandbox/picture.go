package sandbox

import (
	"encoding/binary"
	"errors"
	"image"
	"io"

	"fieldclue/media/thumb"
)

// MaxSide is the longer side of the pictures that come back, in pixels: that of the large rendition.
const MaxSide = thumb.LargeSide

var errPicture = errors.New("what came back is no picture")

// A picture goes over the pipe as width and height, 4 bytes each (big-endian), then 4 bytes a pixel: red, green, blue,
// 255.

func writePicture(w io.Writer, img *image.RGBA) error {
	size := img.Rect.Size()
	top := binary.BigEndian.AppendUint32(nil, uint32(size.X))
	if _, err := w.Write(binary.BigEndian.AppendUint32(top, uint32(size.Y))); err != nil {
		return err
	}
	for y := range size.Y {
		if _, err := w.Write(img.Pix[y*img.Stride:][:4*size.X]); err != nil {
			return err
		}
	}
	return nil
}

// readPicture believes nothing: it takes at most MaxSide² pixels.
func readPicture(r io.Reader) (*image.RGBA, error) {
	var top [8]byte
	if _, err := io.ReadFull(r, top[:]); err != nil {
		return nil, errPicture
	}
	w, h := binary.BigEndian.Uint32(top[:]), binary.BigEndian.Uint32(top[4:])
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide {
		return nil, errPicture
	}
	img := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	if _, err := io.ReadFull(r, img.Pix); err != nil {
		return nil, errPicture
	}
	for i := 3; i < len(img.Pix); i += 4 { // a picture that says it is opaque is
		img.Pix[i] = 255
	}
	return img, nil
}
