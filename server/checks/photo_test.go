package checks_test

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"fieldclue/server/checks"
	"fieldclue/server/field"
)

// Village squares of the counties in question; the offsets between GCJ-02 and WGS-84 there were measured as 448 to 637
// m.
var villages = map[string]checks.Point{
	"Qixingguan, Bijie": {Lat: 27.3017, Lon: 105.2863},
	"Duyun, Qiannan":    {Lat: 26.2594, Lon: 107.5187},
	"Yingde, Qingyuan":  {Lat: 24.1866, Lon: 113.4050},
	"Meixian, Meizhou":  {Lat: 24.2659, Lon: 116.0816},
}

func TestCoordinateSystemsGoThereAndBack(t *testing.T) {
	for name, p := range villages {
		g := checks.ToGCJ02(p)
		if d := checks.Distance(p, g); d < 300 || d > 800 {
			t.Errorf("%s: GCJ-02 is %.0f m away, outside the known range", name, d)
		}
		if d := checks.Distance(p, checks.FromGCJ02(g)); d > 0.001 {
			t.Errorf("%s: comes back from GCJ-02 %.4f m off", name, d)
		}
		b := checks.ToBD09(p)
		if d := checks.Distance(g, b); d < 400 || d > 1200 {
			t.Errorf("%s: BD-09 is %.0f m from GCJ-02, outside the known range", name, d)
		}
		if d := checks.Distance(p, checks.FromBD09(b)); d > 0.001 {
			t.Errorf("%s: comes back from BD-09 %.4f m off", name, d)
		}
	}
	if paris := (checks.Point{Lat: 48.8566, Lon: 2.3522}); checks.ToGCJ02(paris) != paris {
		t.Error("a position outside China was moved")
	}
}

func TestDistanceOfOneDegreeOfLatitude(t *testing.T) {
	// 2 π × 6371008.8 m / 360
	if d := checks.Distance(checks.Point{Lat: 26, Lon: 105}, checks.Point{Lat: 27, Lon: 105}); math.Abs(d-111195.1) > 1 {
		t.Errorf("one degree is %.1f m", d)
	}
}

func TestOutlineOfASite(t *testing.T) {
	square := checks.Area{Outline: []checks.Point{{27, 105}, {27, 105.01}, {27.01, 105.01}, {27.01, 105}}}
	if d := square.DistanceTo(checks.Point{Lat: 27.005, Lon: 105.005}); d != 0 {
		t.Errorf("inside is %.0f m outside", d)
	}
	if d := square.DistanceTo(checks.Point{Lat: 27.011, Lon: 105.005}); math.Abs(d-111) > 1 {
		t.Errorf("0.001° north is %.0f m outside, not 111", d)
	}
}

func codes(flags []checks.Flag) map[string]string {
	m := map[string]string{}
	for _, f := range flags {
		m[f.Code] = f.Severity
		if f.ZH == "" || f.EN == "" || f.Rule == "" {
			m[f.Code] += " without words"
		}
	}
	return m
}

// photo is a record of what an app sent.
func photo(set map[string]any) *field.Record {
	r := &field.Record{Kind: field.KindPhoto, Fields: map[string]field.Value{}}
	for name, v := range set {
		r.Fields[name] = field.Quote(v)
	}
	return r
}

// shot is a photo as it comes from a phone.
type shot struct {
	lat, lon, accuracy float64
	system             string
	mock, nowhere      bool
	at                 time.Time // by the camera
	gps                time.Time
	inputs             checks.Photo // the rest
}

func (s shot) photo(t *testing.T) checks.Photo {
	t.Helper()
	r := photo(nil)
	if !s.nowhere {
		r = photo(map[string]any{"position": map[string]any{"lat": s.lat, "lon": s.lon, "accuracy": s.accuracy, "system": s.system, "mock": s.mock}})
	}
	stated := checks.Stated{GPSTime: &s.gps}
	if !s.at.IsZero() {
		stated.TakenLocal = s.at.In(field.Beijing).Format("2006-01-02T15:04:05")
	}
	var err error
	if s.inputs.Places, err = checks.Places(r, stated); err != nil {
		t.Fatal(err)
	}
	s.inputs.Moments = checks.Moments(r, stated)
	return s.inputs
}

func (s *shot) move(to checks.Point, system string) { s.lat, s.lon, s.system = to.Lat, to.Lon, system }

func TestPhotoRules(t *testing.T) {
	site := villages["Qixingguan, Bijie"]
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, field.Beijing)
	spot := checks.Point{Lat: site.Lat + 0.0002, Lon: site.Lon}
	honest := func() *shot {
		return &shot{
			lat: spot.Lat, lon: spot.Lon, accuracy: 12, at: start.Add(20 * time.Minute), gps: start.Add(20 * time.Minute),
			inputs: checks.Photo{Site: checks.Area{Center: &site, Radius: 80}, Start: start, End: start.Add(time.Hour)},
		}
	}
	metres := func(m float64) checks.Point { return checks.Point{Lat: site.Lat + m/111_195, Lon: site.Lon} }
	for _, c := range []struct {
		name   string
		change func(*shot)
		want   map[string]string
	}{
		{"an honest photo raises nothing", func(*shot) {}, nil},
		{"the same file elsewhere blocks", func(s *shot) { s.inputs.SameCount = 1 }, map[string]string{"photo_same": "blocking"}},
		{"a phone that sends GCJ-02 is not a liar", func(s *shot) { s.move(checks.ToGCJ02(spot), "") }, map[string]string{"photo_coordinate_system": "info"}},
		{"nor is one that sends BD-09", func(s *shot) { s.move(checks.ToBD09(spot), "wgs84") }, map[string]string{"photo_coordinate_system": "info"}},
		{"nor one that says GCJ-02 and sends WGS-84", func(s *shot) { s.move(spot, "gcj02") }, map[string]string{"photo_coordinate_system": "info"}},
		{"stated GCJ-02 is simply converted", func(s *shot) { s.move(checks.ToGCJ02(spot), "gcj02") }, nil},
		{"stated BD-09 is simply converted", func(s *shot) { s.move(checks.ToBD09(spot), "bd09") }, nil},
		{"two kilometres away", func(s *shot) { s.move(metres(2000), "") }, map[string]string{"photo_far": "high"}},
		{"radius, 100 m and three times the accuracy are near", func(s *shot) { s.move(metres(80+100+36-1), "") }, nil},
		{"two metres more are far", func(s *shot) { s.move(metres(80+100+36+1), "") }, map[string]string{"photo_far": "high"}},
		{"the error of the conversion is allowed as well", func(s *shot) { s.move(checks.ToGCJ02(metres(80+100+36+1)), "gcj02") }, nil},
		{"but no more than that", func(s *shot) { s.move(checks.ToGCJ02(metres(80+100+36+3)), "gcj02") }, map[string]string{"photo_far": "high"}},
		{
			"a stated error of a million kilometres allows no more than one of 100 m", func(s *shot) { s.move(metres(80+100+300+1), ""); s.accuracy = 1e9 },
			map[string]string{"photo_far": "high", "photo_position_vague": "review"},
		},
		{"and a vague position at the site is a matter of its own", func(s *shot) { s.accuracy = 17_000 }, map[string]string{"photo_position_vague": "review"}},
		{"a hundred metres are not vague", func(s *shot) { s.accuracy = 100 }, nil},
		{
			"nor is a vague position read in another system to fit", func(s *shot) { s.move(metres(5000), "gcj02"); s.accuracy = 1e9 },
			map[string]string{"photo_far": "high", "photo_position_vague": "review"},
		},
		{"a vague position where no site is known", func(s *shot) { s.accuracy, s.inputs.Site = 2000, checks.Area{} }, map[string]string{"photo_position_vague": "review"}},
		{"a datum of no name allows nothing", func(s *shot) { s.move(metres(80+100+36+1), "x") }, map[string]string{"photo_far": "high", "photo_datum_unknown": "review"}},
		{"a datum of no name at the site", func(s *shot) { s.system = "TOKYO" }, map[string]string{"photo_datum_unknown": "review"}},
		{"a position that cannot be read is nobody's fault", func(s *shot) { s.nowhere, s.inputs.NoPosition = true, "unreadable" }, map[string]string{"photo_position_unread": "review"}},
		{"nor is one without a reference", func(s *shot) { s.nowhere, s.inputs.NoPosition = true, "incomplete" }, map[string]string{"photo_position_unread": "review"}},
		{"a receiver without a fix has no position", func(s *shot) { s.nowhere, s.inputs.NoPosition = true, "zero" }, map[string]string{"photo_no_position": "review"}},
		{"the app's position stands for one that cannot be read", func(s *shot) { s.inputs.NoPosition = "unreadable" }, nil},
		{"a picture that could not be examined", func(s *shot) { s.inputs.Unexamined = "The image is broken." }, map[string]string{"photo_unexamined": "review"}},
		{"a recording has no picture", func(s *shot) { s.inputs.Unexamined, s.inputs.IsStatement = "No picture.", true }, nil},
		{"a week counter that rolled over is no other time", func(s *shot) { s.gps = s.at.Add(-1024 * 7 * 24 * time.Hour) }, map[string]string{"photo_gps_rollover": "info"}},
		{"twice", func(s *shot) { s.gps = s.at.Add(-2048*7*24*time.Hour + 4*time.Minute) }, map[string]string{"photo_gps_rollover": "info"}},
		{
			"and hides no other difference", func(s *shot) { s.gps = s.at.Add(-1024*7*24*time.Hour + 6*time.Minute) },
			map[string]string{"photo_gps_rollover": "info", "photo_time_gps": "review"},
		},
		{"a thousand weeks are no rollover", func(s *shot) { s.gps = s.at.Add(-1000 * 7 * 24 * time.Hour) }, map[string]string{"photo_time_gps": "review"}},
		{"no position", func(s *shot) { s.nowhere = true }, map[string]string{"photo_no_position": "review"}},
		{"made-up position", func(s *shot) { s.mock = true }, map[string]string{"photo_mock_position": "high"}},
		{"from the gallery", func(s *shot) { s.inputs.Picked = true }, map[string]string{"photo_picked": "review"}},
		{"a recording has no place to be at", func(s *shot) { s.nowhere, s.inputs.Picked, s.inputs.IsStatement = true, true, true }, nil},
		{"ten minutes early is early enough", func(s *shot) { s.at, s.gps = start.Add(-10*time.Minute), start.Add(-10*time.Minute) }, nil},
		{"eleven are not", func(s *shot) { s.at, s.gps = start.Add(-11*time.Minute), start.Add(-11*time.Minute) }, map[string]string{"photo_time_outside": "high"}},
		{"nor are eleven after the end", func(s *shot) { s.at, s.gps = start.Add(71*time.Minute), start.Add(71*time.Minute) }, map[string]string{"photo_time_outside": "high"}},
		{"the day before a visit that goes on", func(s *shot) {
			s.at, s.gps, s.inputs.End = start.Add(-24*time.Hour), start.Add(-24*time.Hour), time.Time{}
		}, map[string]string{"photo_time_outside": "high"}},
		{"later, in a visit that goes on", func(s *shot) {
			s.at, s.gps, s.inputs.End = start.Add(24*time.Hour), start.Add(24*time.Hour), time.Time{}
		}, nil},
		{"a camera clock that GPS contradicts", func(s *shot) { s.gps = s.at.Add(6 * time.Minute) }, map[string]string{"photo_time_gps": "review"}},
		{"five minutes are no contradiction", func(s *shot) { s.gps = s.at.Add(-5 * time.Minute) }, nil},
		{"a phone clock that is wrong", func(s *shot) { s.inputs.SkewMS = -6 * 60_000 }, map[string]string{"photo_clock_skew": "review"}},
		{"five minutes are right enough", func(s *shot) { s.inputs.SkewMS = 5 * 60_000 }, nil},
	} {
		s := honest()
		c.change(s)
		flags := checks.All(s.photo(t), checks.DefaultThresholds)
		got := codes(flags)
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for _, f := range flags {
			if len(f.Inputs) == 0 {
				t.Errorf("%s: %s says nothing of what it looked at", c.name, f.Code)
			}
		}
	}
}

func TestTheSystemThatFitsIsNamed(t *testing.T) {
	site := villages["Duyun, Qiannan"]
	s := shot{inputs: checks.Photo{Site: checks.Area{Center: &site, Radius: 80}}}
	s.move(checks.ToBD09(site), "gcj02")
	flags := checks.Where(s.photo(t), checks.DefaultThresholds)
	if len(flags) != 1 || flags[0].Inputs["fitsAs"] != "bd09" || flags[0].Inputs["statedSystem"] != "gcj02" ||
		!strings.Contains(flags[0].ZH, "BD-09") || !strings.Contains(flags[0].EN, "Coordinate system mismatch: read as BD-09") {
		t.Fatalf("%+v", flags)
	}
}

// What the app sent and what the file says stand beside each other, as they were stated.
func TestEverySourceIsKept(t *testing.T) {
	gps := time.Date(2026, 5, 4, 1, 30, 2, 0, time.UTC)
	accuracy, bearing := 4.5, 180.5
	stated := checks.Stated{
		Position: &checks.Point{Lat: 27.31, Lon: 105.28}, Datum: "WGS-84", Accuracy: &accuracy, Bearing: &bearing,
		TakenLocal: "2026-05-04T09:30:01", GPSTime: &gps,
	}
	g := checks.ToGCJ02(checks.Point{Lat: 27.3, Lon: 105.3})
	r := photo(map[string]any{
		"position": map[string]any{"lat": g.Lat, "lon": g.Lon, "accuracy": 8, "system": "gcj02"}, "takenAt": "2026-05-04T01:40:00Z", "clockSkewMs": 600_000,
	})
	places, err := checks.Places(r, stated)
	if err != nil || len(places) != 2 {
		t.Fatalf("%+v, %v", places, err)
	}
	app, exif := places[0], places[1]
	if app.Source != "app" || app.Lat != g.Lat || app.System != "gcj02" || app.ErrorMetres != 2 || math.Abs(app.WGS84.Lat-27.3) > 1e-7 || *app.Accuracy != 8 {
		t.Errorf("%+v", app)
	}
	if exif.Source != "exif" || exif.System != "wgs84" || exif.ErrorMetres != 0 || exif.WGS84 != (checks.LatLon{Lat: 27.31, Lon: 105.28}) || *exif.Accuracy != 4.5 || *exif.Bearing != 180.5 {
		t.Errorf("%+v", exif)
	}
	m := checks.Moments(r, stated)
	if len(m) != 3 {
		t.Fatalf("%+v", m)
	}
	shown := func(t time.Time) string { return t.Format(time.RFC3339) }
	if m[0].Source != "app" || m[0].Stated != "2026-05-04T01:40:00Z" || shown(m[0].At) != "2026-05-04T09:40:00+08:00" || shown(*m[0].Corrected) != "2026-05-04T09:30:00+08:00" {
		t.Errorf("%+v", m[0])
	}
	if m[1].Source != "exif" || m[1].Stated != "2026-05-04T09:30:01" || shown(m[1].At) != "2026-05-04T09:30:01+08:00" || !m[1].OffsetAssumed {
		t.Errorf("%+v", m[1])
	}
	if m[2].Source != "gps" || shown(m[2].At) != "2026-05-04T09:30:02+08:00" {
		t.Errorf("%+v", m[2])
	}
	stated.TakenOffset = "+00:00"
	if m = checks.Moments(r, stated); shown(m[1].At) != "2026-05-04T17:30:01+08:00" || m[1].OffsetAssumed {
		t.Errorf("%+v", m[1])
	}
	for datum, system := range map[string]string{
		"GCJ-02": "gcj02", "gcj02": "gcj02", "BD 09": "bd09", "TOKYO": "TOKYO", "": "wgs84", "WGS-84": "wgs84", "WGS 84": "wgs84", "wgs_84": "wgs84",
		"WGS1984": "wgs84", "CGCS2000": "wgs84", "CGCS 2000": "wgs84", "x": "x", "WGS-72": "WGS-72", "Beijing 1954": "Beijing 1954",
	} {
		stated.Datum = datum
		places, err := checks.Places(r, stated)
		if err != nil || places[1].System != system || (places[1].ErrorMetres > 0) != (system == "gcj02" || system == "bd09") {
			t.Errorf("%s: %+v, %v", datum, places, err)
		}
	}
}

func TestPicturesThatLookAlike(t *testing.T) {
	many := make([]checks.Like, 20)
	for i := range many {
		many[i] = checks.Like{Photo: fmt.Sprint(i)}
	}
	for _, c := range []struct {
		name     string
		nearest  []checks.Like
		total    int
		severity string
	}{
		{"nothing is like it", nil, 0, ""},
		{"the same picture, saved again", []checks.Like{{"a", 0}, {"b", 9}}, 2, "high"},
		{"at the border of the same", []checks.Like{{"a", 5}}, 1, "high"},
		{"alike", []checks.Like{{"a", 6}}, 1, "review"},
		{"at the border of alike", []checks.Like{{"a", 10}}, 1, "review"},
		{"not alike", []checks.Like{{"a", 11}}, 1, ""},
		{"black, as thousands", many, 4711, "high"},
	} {
		flags := checks.Alike(checks.Likeness{Hash: "phash/1", Nearest: c.nearest, Total: c.total}, checks.DefaultThresholds)
		if c.severity == "" {
			if len(flags) != 0 {
				t.Errorf("%s: %+v", c.name, flags)
			}
			continue
		}
		if got := codes(flags); len(got) != 1 || got["photo_alike"] != c.severity {
			t.Errorf("%s: %v, want %s", c.name, got, c.severity)
			continue
		}
		f := flags[0]
		if others := f.Inputs["otherPhotos"].([]string); len(others) != len(c.nearest) || f.Inputs["count"] != c.total ||
			f.Inputs["hashVersion"] != "phash/1" || f.Inputs["distance"] != c.nearest[0].Distance {
			t.Errorf("%s: inputs %v", c.name, f.Inputs)
		}
		for _, text := range []string{f.ZH, f.EN} {
			if !strings.Contains(text, fmt.Sprint(c.nearest[0].Distance)) || c.total > 1 && !strings.Contains(text, fmt.Sprint(c.total)) ||
				c.total > len(c.nearest) && !strings.Contains(text, fmt.Sprint(len(c.nearest))) {
				t.Errorf("%s says %q", c.name, text)
			}
		}
	}
}
