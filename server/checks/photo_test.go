package checks_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"fieldclue/server/checks"
)

// Village squares of the counties in question; the offsets between GCJ-02 and WGS-84 there were measured as 448 to 637 m.
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
		if d := checks.Distance(p, checks.FromGCJ02(g)); d > 0.01 {
			t.Errorf("%s: comes back %.3f m off", name, d)
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

func TestPhotoRules(t *testing.T) {
	site := villages["Qixingguan, Bijie"]
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 8*3600))
	honest := func() checks.Photo {
		return checks.Photo{
			Position: &checks.Point{Lat: site.Lat + 0.0002, Lon: site.Lon}, Accuracy: 12, TakenAt: start.Add(20 * time.Minute),
			GPSTime: start.Add(20 * time.Minute).UTC(), Site: checks.Area{Center: &site, Radius: 80}, Start: start, End: start.Add(time.Hour),
		}
	}
	for _, c := range []struct {
		name   string
		change func(*checks.Photo)
		want   map[string]string
	}{
		{"an honest photo raises nothing", func(*checks.Photo) {}, map[string]string{}},
		{"the same file elsewhere blocks", func(p *checks.Photo) { p.SameCount = 1 }, map[string]string{"photo_same": "blocking"}},
		{"a phone that sends GCJ-02 is not a liar", func(p *checks.Photo) { g := checks.ToGCJ02(*p.Position); p.Position = &g }, map[string]string{"photo_coordinate_system": "info"}},
		{"stated GCJ-02 is simply converted", func(p *checks.Photo) { g := checks.ToGCJ02(*p.Position); p.Position = &g; p.System = "gcj02" }, map[string]string{}},
		{"two kilometres away", func(p *checks.Photo) { p.Position = &checks.Point{Lat: site.Lat + 0.02, Lon: site.Lon} }, map[string]string{"photo_far": "high"}},
		{"a poor fix gets the benefit", func(p *checks.Photo) {
			p.Position = &checks.Point{Lat: site.Lat + 0.005, Lon: site.Lon}
			p.Accuracy = 150
		}, map[string]string{}},
		{"no position", func(p *checks.Photo) { p.Position = nil }, map[string]string{"photo_no_position": "review"}},
		{"made-up position", func(p *checks.Photo) { p.Mock = true }, map[string]string{"photo_mock_position": "high"}},
		{"from the gallery", func(p *checks.Photo) { p.Picked = true }, map[string]string{"photo_picked": "review"}},
		{"nine minutes early is early enough", func(p *checks.Photo) { p.TakenAt = start.Add(-9 * time.Minute); p.GPSTime = p.TakenAt }, map[string]string{}},
		{"the day before", func(p *checks.Photo) { p.TakenAt = start.Add(-24 * time.Hour); p.GPSTime = p.TakenAt }, map[string]string{"photo_time_outside": "high"}},
		{"a camera clock that GPS contradicts", func(p *checks.Photo) { p.GPSTime = p.TakenAt.Add(6 * time.Minute) }, map[string]string{"photo_time_gps": "review"}},
		{"a phone clock that is wrong", func(p *checks.Photo) { p.SkewMS = -6 * 60_000 }, map[string]string{"photo_clock_skew": "review"}},
	} {
		p := honest()
		c.change(&p)
		got := codes(checks.All(p, checks.DefaultThresholds))
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for code, severity := range c.want {
			if got[code] != severity {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
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
