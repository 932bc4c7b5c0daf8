package checks

import (
	"slices"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Stated is what the bytes of a photo say of where and when it was taken. Zero values: they say nothing.
type Stated struct {
	Position    *Point
	Datum       string // GPSMapDatum
	Accuracy    *float64
	Bearing     *float64
	TakenLocal  string // DateTimeOriginal, such as "2026-05-04T09:30:00": a clock without a zone
	TakenOffset string // OffsetTimeOriginal, such as "+08:00"
	GPSTime     *time.Time
}

// Who states a place or a moment.
const (
	FromApp  = "app"  // the app, beside the file
	FromEXIF = "exif" // the camera, in the file
	FromGPS  = "gps"  // the satellites, in the file
)

// Place is a position as one source states it, and the same place in WGS-84. Sources stand beside each other: none
// replaces another.
type Place struct {
	Source      string   `json:"source"` // app, exif
	Lat         float64  `json:"lat"`    // as stated
	Lon         float64  `json:"lon"`
	System      string   `json:"system"` // as stated: wgs84, gcj02, bd09; or the name of another datum, which is taken as it stands
	WGS84       LatLon   `json:"wgs84"`
	ErrorMetres float64  `json:"errorMetres"`        // of the conversion alone, at most
	Accuracy    *float64 `json:"accuracy,omitempty"` // metres
	Bearing     *float64 `json:"bearing,omitempty"`  // degrees
	Mock        bool     `json:"mock,omitempty"`     // the phone says that it is made up
}

// LatLon is a Point on the wire.
type LatLon struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Moment is when a photo was taken, as one source states it.
type Moment struct {
	Source        string    `json:"source"` // app, exif, gps
	Stated        string    `json:"stated"` // as the source has it
	At            time.Time `json:"at"`     // the same moment in Beijing time
	OffsetAssumed bool      `json:"offsetAssumed,omitempty"`
	// Of the app, where the skew is known: At by the server's clock, less what the phone's clock was ahead. Of the
	// satellites: At with the weeks that a receiver lost whose counter of ten bits rolled over.
	Corrected *time.Time `json:"corrected,omitempty"`
}

// Places are where a photo was taken, by the app first.
func Places(photo *field.Record, s Stated) ([]Place, error) {
	var places []Place
	var fix field.Fix
	if err := photo.Decode("position", &fix); err != nil {
		return nil, err
	}
	if fix.Lat != nil && fix.Lon != nil {
		p := placeAt(FromApp, Point{*fix.Lat, *fix.Lon}, fix.System)
		p.Accuracy, p.Mock = fix.Accuracy, fix.Mock
		places = append(places, p)
	}
	if s.Position != nil {
		p := placeAt(FromEXIF, *s.Position, systemOf(s.Datum))
		p.Accuracy, p.Bearing = s.Accuracy, s.Bearing
		places = append(places, p)
	}
	return places, nil
}

func placeAt(source string, p Point, system string) Place {
	if system == "" {
		system = WGS84
	}
	w, off := Normalise(p, system)
	return Place{Source: source, Lat: p.Lat, Lon: p.Lon, System: system, WGS84: LatLon(w), ErrorMetres: off}
}

// systemOf reads the datum that a camera names, such as "WGS-84"; of one that is none of ours the name is kept.
func systemOf(datum string) string {
	switch name := strings.ToUpper(strings.NewReplacer("-", "", " ", "", "_", "").Replace(datum)); name {
	case "", "WGS84", "WGS1984", "WORLDGEODETICSYSTEM1984", "EPSG:4326",
		// China's own, which lies within centimetres of it.
		"CGCS2000", "CHINAGEODETICCOORDINATESYSTEM2000", "EPSG:4490", "国家大地坐标系2000", "2000国家大地坐标系":
		return WGS84
	case "GCJ02":
		return GCJ02
	case "BD09":
		return BD09
	}
	return datum
}

// rolledOver tells what a GPS receiver lost whose week counter, of ten bits, rolled over without its knowing: a
// multiple of 1,024 weeks. 0 when that does not explain the difference to when the photo was taken.
func rolledOver(gps, taken time.Time) time.Duration {
	const era = 1024 * 7 * 24 * time.Hour
	lost := (taken.Sub(gps) + era/2) / era * era
	if lost < era || lost > 3*era || (taken.Sub(gps)-lost).Abs() > 48*time.Hour { // a zone, and a clock that is a day off
		return 0
	}
	return lost
}

// Moments are when a photo was taken, by the app first.
func Moments(photo *field.Record, s Stated) []Moment {
	var moments []Moment
	if t := photo.Time("takenAt"); !t.IsZero() {
		m := Moment{Source: FromApp, Stated: photo.Text("takenAt"), At: t.In(field.Beijing)}
		if _, known := photo.Fields["clockSkewMs"]; known {
			c := time.UnixMilli(m.At.UnixMilli() - photo.Int("clockSkewMs")).In(field.Beijing) // as a duration it may be too long
			if y := c.Year(); y > 0 && y < 9999 {                                              // else it cannot be written
				m.Corrected = &c
			}
		}
		moments = append(moments, m)
	}
	if s.TakenLocal != "" {
		offset := s.TakenOffset
		if offset == "" {
			offset = "+08:00"
		}
		// A clock that cannot be read says nothing.
		if t, err := time.Parse("2006-01-02T15:04:05Z07:00", s.TakenLocal+offset); err == nil {
			moments = append(moments, Moment{Source: FromEXIF, Stated: s.TakenLocal + s.TakenOffset, At: t.In(field.Beijing), OffsetAssumed: s.TakenOffset == ""})
		}
	}
	if s.GPSTime != nil {
		m := Moment{Source: FromGPS, Stated: s.GPSTime.UTC().Format(time.RFC3339Nano), At: s.GPSTime.In(field.Beijing)}
		for _, other := range slices.Backward(moments) { // the camera first
			if lost := rolledOver(m.At, other.At); lost > 0 {
				c := m.At.Add(lost)
				m.Corrected = &c
				break
			}
		}
		moments = append(moments, m)
	}
	return moments
}
