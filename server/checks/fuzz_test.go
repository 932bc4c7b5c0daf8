package checks_test

import (
	"encoding/json"
	"testing"
	"time"

	"fieldclue/server/checks"
)

// FuzzEvidence: whatever an app and a file state, places and moments can be stored and the rules come to an end.
func FuzzEvidence(f *testing.F) {
	f.Add(27.3, 105.3, 5.0, "gcj02", 27.31, 105.28, "WGS-84", "2026-05-04T09:30:01", "+08:00", "2026-05-04T01:40:00Z", int64(0))
	f.Add(90.0, 180.0, 0.0, "", -90.0, -180.0, "TOKYO", "0000-00-00T00:00:00", "-14:00", "", int64(1e12))
	f.Add(0.0, 72.004, 1e300, "bd09", 55.8271, 137.8347, "\x00", "", "", "9999-12-31T23:59:59Z", int64(-1e12))
	site := villages["Duyun, Qiannan"]
	start := time.Date(2026, 5, 4, 1, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, lat, lon, accuracy float64, system string, elat, elon float64, datum, local, offset, taken string, skew int64) {
		for _, d := range []float64{lat, elat} {
			if !(d >= -90 && d <= 90) {
				return // nobody takes such a position in
			}
		}
		for _, d := range []float64{lon, elon} {
			if !(d >= -180 && d <= 180) {
				return
			}
		}
		if !(accuracy >= 0 && accuracy <= 1e6) {
			return
		}
		r := photo(map[string]any{"position": map[string]any{"lat": lat, "lon": lon, "accuracy": accuracy, "system": system}, "takenAt": taken, "clockSkewMs": skew})
		stated := checks.Stated{Position: &checks.Point{Lat: elat, Lon: elon}, Datum: datum, TakenLocal: local, TakenOffset: offset}
		places, err := checks.Places(r, stated)
		if err != nil || len(places) != 2 {
			t.Fatal(places, err)
		}
		moments := checks.Moments(r, stated)
		flags := checks.All(checks.Photo{
			Places: places, Moments: moments, SkewMS: skew, Site: checks.Area{Center: &site, Radius: 80}, Start: start, End: start.Add(time.Hour),
		}, checks.DefaultThresholds)
		if _, err := json.Marshal([]any{places, moments, flags}); err != nil {
			t.Fatal(err)
		}
	})
}
