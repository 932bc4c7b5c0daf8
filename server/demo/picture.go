package demo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"time"

	"fieldclue/server/field"
)

// shot is a picture to be made: what its EXIF says, and the chance from which its pixels come. The same shot gives the
// same bytes.
type shot struct {
	Seed     uint64
	At       time.Time
	Lat, Lon float64 // degrees, WGS-84
	Accuracy float64 // metres
	Model    string
}

// picture makes a JPEG of 2 to 6 MB: soft light of a random kind, under noise that cannot be compressed.
func picture(s shot) ([]byte, error) {
	random := rand.New(rand.NewPCG(s.Seed, 7))
	width := 2176 + 64*random.IntN(10) // to 2752
	height := width * 3 / 4
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	paint(img.Y, img.YStride, width, height, random, 40)
	paint(img.Cb, img.CStride, width/2, height/2, random, 6)
	paint(img.Cr, img.CStride, width/2, height/2, random, 6)
	var b bytes.Buffer
	b.Grow(7 << 20)
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	plain := b.Bytes()
	exif := exifOf(s)
	out := make([]byte, 0, len(plain)+len(exif))
	out = append(out, plain[:2]...) // start of image
	out = append(out, exif...)
	return append(out, plain[2:]...), nil
}

// paint fills a plane with a few broad waves, which a perceptual hash tells apart, and noise of the given strength.
func paint(plane []byte, stride, width, height int, random *rand.Rand, noise int) {
	const waves = 5
	var fx, fy, phase [waves]float64
	for i := range waves {
		fx[i], fy[i] = float64(random.IntN(9)-4), float64(random.IntN(9)-4)
		phase[i] = random.Float64() * 2 * math.Pi
	}
	const cell = 16 // the waves are broad, so one value does for a square
	row := make([]int, width/cell+1)
	state := random.Uint64() | 1
	for y := range height {
		if y%cell == 0 {
			for c := range row {
				sum := 0.0
				for i := range waves {
					sum += math.Sin(2*math.Pi*(fx[i]*float64(c*cell)/float64(width)+fy[i]*float64(y)/float64(height)) + phase[i])
				}
				row[c] = 128 + int(sum*17) - noise
			}
		}
		line := plane[y*stride : y*stride+width]
		for x := range line {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			line[x] = byte(row[x/cell] + int(state>>40)%(2*noise))
		}
	}
}

// exifOf makes the APP1 segment: when, where, how exactly, with what (EXIF 2.3, little endian).
func exifOf(s shot) []byte {
	at := s.At.In(field.Beijing)
	utc := s.At.UTC()
	gps := directory{
		{0x0000, typeByte, 4, []byte{2, 3, 0, 0}},
		ascii(0x0001, hemisphere(s.Lat, "N", "S")), rationals(0x0002, degrees(s.Lat)...),
		ascii(0x0003, hemisphere(s.Lon, "E", "W")), rationals(0x0004, degrees(s.Lon)...),
		rationals(0x0007, uint32(utc.Hour()), 1, uint32(utc.Minute()), 1, uint32(utc.Second()), 1),
		ascii(0x0012, "WGS-84"),
		ascii(0x001d, utc.Format("2006:01:02")),
		rationals(0x001f, uint32(math.Round(s.Accuracy*10)), 10),
	}
	exif := directory{
		{0x9000, typeUndefined, 4, []byte("0230")},
		ascii(0x9003, at.Format("2006:01:02 15:04:05")),
		ascii(0x9004, at.Format("2006:01:02 15:04:05")),
		ascii(0x9011, "+08:00"),
	}
	main := func(exifAt, gpsAt uint32) directory {
		return directory{
			ascii(0x010f, "Fieldclue"), ascii(0x0110, s.Model),
			{0x0112, typeShort, 1, []byte{1, 0}},
			ascii(0x0132, at.Format("2006:01:02 15:04:05")),
			long(0x8769, exifAt), long(0x8825, gpsAt),
		}
	}
	const first = 8
	exifAt := first + main(0, 0).size()
	gpsAt := exifAt + exif.size()
	tiff := []byte{'I', 'I', 42, 0, first, 0, 0, 0}
	tiff = main(exifAt, gpsAt).append(tiff, first)
	tiff = exif.append(tiff, exifAt)
	tiff = gps.append(tiff, gpsAt)
	segment := []byte{0xff, 0xe1}
	segment = binary.BigEndian.AppendUint16(segment, uint16(2+6+len(tiff)))
	segment = append(segment, "Exif\x00\x00"...)
	return append(segment, tiff...)
}

// The types of EXIF values in use here.
const (
	typeByte      = 1
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeUndefined = 7
)

type entry struct {
	tag, kind uint16
	count     uint32
	value     []byte
}

func ascii(tag uint16, s string) entry {
	return entry{tag, typeASCII, uint32(len(s) + 1), append([]byte(s), 0)}
}

func long(tag uint16, v uint32) entry {
	return entry{tag, typeLong, 1, binary.LittleEndian.AppendUint32(nil, v)}
}

func rationals(tag uint16, v ...uint32) entry {
	var b []byte
	for _, n := range v {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return entry{tag, typeRational, uint32(len(v) / 2), b}
}

// degrees are degrees, minutes and seconds as three rationals; a second is 31 m, so it is given to a thousandth.
func degrees(v float64) []uint32 {
	v = math.Abs(v)
	whole := math.Floor(v)
	minutes := math.Floor((v - whole) * 60)
	seconds := (v - whole - minutes/60) * 3600
	return []uint32{uint32(whole), 1, uint32(minutes), 1, uint32(math.Round(seconds * 1000)), 1000}
}

func hemisphere(v float64, positive, negative string) string {
	if v < 0 {
		return negative
	}
	return positive
}

// directory is an IFD. Values of over four bytes stand behind it.
type directory []entry

func (d directory) size() uint32 {
	n := 2 + 12*len(d) + 4
	for _, e := range d {
		if len(e.value) > 4 {
			n += len(e.value) + len(e.value)%2
		}
	}
	return uint32(n)
}

func (d directory) append(b []byte, at uint32) []byte {
	behind := at + uint32(2+12*len(d)+4)
	var values []byte
	b = binary.LittleEndian.AppendUint16(b, uint16(len(d)))
	for _, e := range d {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.kind)
		b = binary.LittleEndian.AppendUint32(b, e.count)
		if len(e.value) <= 4 {
			var v [4]byte
			copy(v[:], e.value)
			b = append(b, v[:]...)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, behind+uint32(len(values)))
		values = append(values, e.value...)
		if len(e.value)%2 == 1 {
			values = append(values, 0)
		}
	}
	b = append(b, 0, 0, 0, 0) // no further directory
	return append(b, values...)
}
