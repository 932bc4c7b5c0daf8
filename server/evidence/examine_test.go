package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/bits"
	"testing"
	"time"

	"fieldclue/media/sandbox"
	"fieldclue/media/thumb"
	"fieldclue/media/verify"
	"fieldclue/server/alike"
)

func village(w, h int) *image.RGBA {
	scene := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8((x*x/300 + y*2 + (x/60)*(y/45)*17) % 256)
			scene.SetRGBA(x, y, color.RGBA{v, 255 - v, uint8(y / 2), 255})
		}
	}
	return scene
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// One scene, held or turned in any of eight ways and saved so, is found among the hashes of each other.
func TestPicturesThatWereTurnedAreAlike(t *testing.T) {
	scene := village(480, 360)
	x := &Examiner{quick: sandbox.New(sandbox.Limits{})}
	var views []view
	for as := 1; as <= 8; as++ {
		file := &original{ReadSeeker: bytes.NewReader(encoded(t, thumb.Turn(scene, as)))}
		facts, err := verify.File(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := x.view(t.Context(), file, facts, x.quick)
		if err != nil || len(v.turned) != 7 || v.missing != "" {
			t.Fatalf("%+v, %v", v, err)
		}
		views = append(views, v)
	}
	_, first, _ := alike.Parse(views[0].hash)
	for i, v := range views {
		nearest := 64
		for _, text := range append([]string{v.hash}, v.turned...) {
			_, h, ok := alike.Parse(text)
			if !ok {
				t.Fatal(text)
			}
			nearest = min(nearest, bits.OnesCount64(h^first))
		}
		if nearest > 5 {
			t.Errorf("turned as %d: %d bits", i+1, nearest)
		}
	}
}

// What takes long by its headers, or longer than it should, is left to the lane of such photos; everything else is not.
func TestPhotosThatTakeLongGoApart(t *testing.T) {
	plain := encoded(t, village(1700, 800))
	sized := func(width, height uint16) []byte {
		b := bytes.Clone(plain)
		at := bytes.Index(b, []byte{0xff, 0xc0}) + 5
		binary.BigEndian.PutUint16(b[at:], height)
		binary.BigEndian.PutUint16(b[at+2:], width)
		return b
	}
	for _, c := range []struct {
		name         string
		file         []byte
		limits       sandbox.Limits
		quick, large error
	}{
		{"a photo", plain, sandbox.Limits{}, nil, nil},
		{"64 megapixels by the header", sized(9248, 6936), sandbox.Limits{}, errLarge, nil},
		{"a giant by its header", sized(0xffff, 0xffff), sandbox.Limits{}, errSlow, errSlow},
		{"one for which there was no time", plain, sandbox.Limits{Time: time.Nanosecond}, errSlow, errSlow},
		{"one that is broken", plain[:30], sandbox.Limits{}, nil, nil},
	} {
		x := &Examiner{quick: sandbox.New(c.limits), large: sandbox.New(c.limits), slow: sandbox.New(sandbox.Limits{})}
		file := &original{ReadSeeker: bytes.NewReader(c.file)}
		facts, err := verify.File(file)
		if err != nil {
			t.Fatal(err)
		}
		for lane, with := range map[string]*sandbox.Decoder{"quick": x.quick, "large": x.large, "slow": x.slow} {
			_, err = x.view(t.Context(), file, facts, with)
			var goesTo error
			if errors.Is(err, errLarge) || errors.Is(err, errSlow) {
				goesTo = err
			}
			if goesTo != map[string]error{"quick": c.quick, "large": c.large}[lane] { // the slow lane takes everything
				t.Errorf("%s among the %s: %v", c.name, lane, err)
			}
		}
	}
}
