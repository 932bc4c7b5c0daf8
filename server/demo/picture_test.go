package demo

import (
	"bytes"
	"image/jpeg"
	"math"
	"testing"
	"time"

	"github.com/bep/imagemeta"
)

func TestAPictureIsARealPhotoWithEXIF(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	for seed := range uint64(8) {
		s := shot{Seed: seed, At: at, Lat: 27.30251, Lon: 105.28744, Accuracy: 6.5, Model: "Simulated 1"}
		b, err := picture(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := picture(s)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("the same shot gave other bytes (%v)", err)
		}
		if len(b) < 2_000_000 || len(b) > 6_000_000 {
			t.Errorf("seed %d: %d bytes", seed, len(b))
		}
		if _, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		tags := map[string]any{}
		var lat, lon float64
		_, err = imagemeta.Decode(imagemeta.Options{
			R: bytes.NewReader(b), ImageFormat: imagemeta.JPEG, Sources: imagemeta.EXIF,
			HandleTag: func(info imagemeta.TagInfo) error {
				tags[info.Tag] = info.Value
				switch info.Tag {
				case "GPSLatitude":
					lat, _ = info.Value.(float64)
				case "GPSLongitude":
					lon, _ = info.Value.(float64)
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if tags["DateTimeOriginal"] != "2026:11:23 09:02:03" || tags["OffsetTimeOriginal"] != "+08:00" || tags["GPSDateStamp"] != "2026:11:23" {
			t.Errorf("times: %v %v %v", tags["DateTimeOriginal"], tags["OffsetTimeOriginal"], tags["GPSDateStamp"])
		}
		if math.Abs(lat-s.Lat) > 1e-6 || math.Abs(lon-s.Lon) > 1e-6 {
			t.Errorf("at %v, %v", lat, lon)
		}
	}
}

func BenchmarkPicture(b *testing.B) {
	for i := range b.N {
		if _, err := picture(shot{Seed: uint64(i)}); err != nil {
			b.Fatal(err)
		}
	}
}
