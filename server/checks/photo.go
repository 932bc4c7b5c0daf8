package checks

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"fieldclue/server/field"
)

// Photo is what the rules know about a photo: what the app sent beside the file, and what the file itself says.
type Photo struct {
	Places     []Place  // by each source; the rules look at the first
	Moments    []Moment // by each source
	Picked     bool     // taken from the gallery instead of the app's camera
	SkewMS     int64    // device clock minus server clock
	Site       Area
	Start, End time.Time // of the visit, as corrected; zero: not known yet
	SameCount  int       // how many other photos have the same SHA-256 at another site or report
	SameHash   []string  // those of them that may be named
	// Of the visit as the phone stated them, where a reviewer corrected them; both zero: nobody did. A photo by the
	// same wrong clock fits these. ClockWrong is what was added to the photo's own time.
	StatedStart, StatedEnd time.Time
	ClockWrong             time.Duration

	IsStatement bool     // a scan of paper, video or sound: place and time of taking say nothing
	NoPosition  string   // why the file has no position although it speaks of one: zero, incomplete, unreadable
	Problems    []string // what could not be read in the file
	Unexamined  string   // why its picture could not be examined, or not whole
}

// by is the moment that a source states; nil when it states none.
func (p Photo) by(source string) *Moment {
	for i := range p.Moments {
		if p.Moments[i].Source == source {
			return &p.Moments[i]
		}
	}
	return nil
}

// Same is Q1 for equal bytes (FIPS 180-4): one file stands as evidence in two places. No photo point excuses that: two
// pictures of one point look alike, and are never the same file.
func Same(p Photo) []Flag {
	if p.SameCount == 0 {
		return nil
	}
	return []Flag{{
		Code: "photo_same", Rule: "Q1/2", Severity: "blocking",
		ZH: "同一文件已用于其他报告或项目点。", EN: "The same file stands in another report or at another site.",
		Inputs: map[string]any{"otherPhotos": append([]string{}, p.SameHash...), "count": p.SameCount},
	}}
}

// Unseen is Q1 for what could not be looked at: such a photo is compared with no other, and that must be no way past
// the other rules.
func Unseen(p Photo) []Flag {
	if p.Unexamined == "" || p.IsStatement {
		return nil
	}
	return []Flag{{
		Code: "photo_unexamined", Rule: "Q1/3", Severity: "review",
		ZH: "照片的画面无法完整解析，未能与其他照片比对，请人工查看原件。", EN: "The picture could not be examined as a whole, and not be compared with others. Look at the original.",
		Inputs: map[string]any{"reason": p.Unexamined},
	}}
}

// Where is Q2: whether the photo was taken at the site. A position that fits once it is read in another coordinate
// system is a matter of systems, not of honesty.
func Where(p Photo, t Thresholds) []Flag {
	var flags []Flag
	add := func(code, severity, zh, en string, inputs map[string]any) {
		flags = append(flags, Flag{Code: code, Rule: "Q2/3", Severity: severity, ZH: zh, EN: en, Inputs: inputs})
	}
	if p.IsStatement {
		return nil
	}
	if p.Picked {
		add("photo_picked", "review", "照片来自相册，不是应用内拍摄。", "The photo was picked from the gallery, not taken in the app.",
			map[string]any{"capture": "picked"})
	}
	if len(p.Places) == 0 && (p.NoPosition == "incomplete" || p.NoPosition == "unreadable") { // nobody left it out
		add("photo_position_unread", "review", "照片文件中有位置信息，但无法读取。", "The photo's file has a position that cannot be read.",
			map[string]any{"reason": p.NoPosition, "problems": append([]string{}, p.Problems...)})
		return flags
	}
	if len(p.Places) == 0 {
		add("photo_no_position", "review", "照片没有位置信息。", "The photo has no position.",
			map[string]any{"positions": 0, "reason": p.NoPosition})
		return flags
	}
	at := p.Places[0]
	if at.Mock {
		add("photo_mock_position", "high", "手机报告位置为模拟位置。", "The phone says that its position is made up.",
			map[string]any{"source": at.Source, "lat": at.Lat, "lon": at.Lon})
	}
	// What the phone says against itself is believed only so far: or it would talk the next rule away.
	accuracy, stated := 0.0, 0.0
	if at.Accuracy != nil {
		stated = *at.Accuracy
		accuracy = min(stated, t.AccuracyMetres)
	}
	if stated > t.AccuracyMetres {
		add("photo_position_vague", "review", fmt.Sprintf("照片位置的精度只有 %.0f 米，不能说明拍摄地点。", stated),
			fmt.Sprintf("The position is only accurate to %.0f m: it does not say where the photo was taken.", stated),
			map[string]any{"source": at.Source, "accuracyMetres": stated, "believedMetres": t.AccuracyMetres})
	}
	if !slices.Contains(systems, at.System) {
		add("photo_datum_unknown", "review", "照片位置所用的大地基准“"+at.System+"”未知，按 WGS-84 处理。",
			"The position is stated in a datum that is not known, "+strconv.Quote(at.System)+"; it is taken as WGS-84.",
			map[string]any{"source": at.Source, "statedSystem": at.System})
	}
	if !p.Site.Known() {
		return flags
	}
	allowed := t.FarMetres + t.AccuracyFactor*accuracy + at.ErrorMetres
	away := p.Site.DistanceTo(Point(at.WGS84))
	if away <= allowed {
		return flags
	}
	inputs := map[string]any{
		"source": at.Source, "lat": at.Lat, "lon": at.Lon, "statedSystem": at.System, "distanceMetres": math.Round(away),
		"allowedMetres": math.Round(allowed), "accuracyMetres": stated, "believedMetres": accuracy, "conversionErrorMetres": at.ErrorMetres,
	}
	for _, other := range systems {
		if other == at.System {
			continue
		}
		w, off := Normalise(Point{at.Lat, at.Lon}, other)
		as := p.Site.DistanceTo(w)
		if as > t.FarMetres+t.AccuracyFactor*accuracy+off {
			continue
		}
		name := systemNames[other]
		inputs["fitsAs"], inputs["distanceAsFitMetres"] = other, math.Round(as)
		add("photo_coordinate_system", "info", "坐标系不一致：按 "+name+" 坐标解读时，照片位于项目点内。",
			"Coordinate system mismatch: read as "+name+", the photo is at the site.", inputs)
		return flags
	}
	add("photo_far", "high",
		fmt.Sprintf("照片位置距项目点边界 %.0f 米，允许 %.0f 米。", away, allowed),
		fmt.Sprintf("The photo was taken %.0f m outside the site; %.0f m are allowed.", away, allowed), inputs)
	return flags
}

var systemNames = map[string]string{WGS84: "WGS-84", GCJ02: "GCJ-02", BD09: "BD-09"}

// When is Q3: whether the photo was taken during the visit, by a clock that can be believed. The camera's clock is
// asked first (DateTimeOriginal, at +08:00 where it states no offset), then the app's.
func When(p Photo, t Thresholds) []Flag {
	var flags []Flag
	add := func(code, severity, zh, en string, inputs map[string]any) {
		flags = append(flags, Flag{Code: code, Rule: "Q3/3", Severity: severity, ZH: zh, EN: en, Inputs: inputs})
	}
	if skew := math.Abs(float64(p.SkewMS)) / 60_000; skew > t.SkewMinutes {
		add("photo_clock_skew", "review", fmt.Sprintf("手机时钟与服务器相差 %.0f 分钟。", skew),
			fmt.Sprintf("The phone's clock is %.0f minutes off the server's.", skew), map[string]any{"skewMs": p.SkewMS, "allowedMinutes": t.SkewMinutes})
	}
	taken, gps := p.by(FromEXIF), p.by(FromGPS)
	if taken == nil {
		taken = p.by(FromApp)
	}
	if taken == nil || p.IsStatement {
		return flags
	}
	clock := map[string]any{"source": taken.Source, "takenAt": taken.At.Format(time.RFC3339), "offsetAssumed": taken.OffsetAssumed}
	slack := time.Duration(t.VisitMinutes * float64(time.Minute))
	outside := func(at, start, end time.Time) bool {
		return !start.IsZero() && at.Before(start.Add(-slack)) || !end.IsZero() && at.After(end.Add(slack))
	}
	corrected := !p.StatedStart.IsZero() || !p.StatedEnd.IsZero()
	if outside(taken.At.Add(p.ClockWrong), p.Start, p.End) && (!corrected || outside(taken.At, p.StatedStart, p.StatedEnd)) {
		inputs := maps.Clone(clock)
		inputs["allowedMinutes"] = t.VisitMinutes
		for name, bound := range map[string]time.Time{"start": p.Start, "end": p.End} {
			if !bound.IsZero() {
				inputs[name] = bound.In(field.Beijing).Format(time.RFC3339)
			}
		}
		add("photo_time_outside", "high", "照片不是在检查期间拍摄的。", "The photo was not taken during the visit.", inputs)
	}
	if gps == nil {
		return flags
	}
	satellites := gps.At
	if gps.Corrected != nil {
		satellites = *gps.Corrected
		add("photo_gps_rollover", "info", "GPS 接收机的周计数翻转，日期早了 1,024 周的整数倍；已更正后再比较。",
			"The week counter of the GPS receiver rolled over: its date is a multiple of 1,024 weeks early, and was corrected before it was compared.",
			map[string]any{"gpsTime": gps.At.Format(time.RFC3339), "correctedGpsTime": satellites.Format(time.RFC3339)})
	}
	if off := math.Abs(taken.At.Sub(satellites).Minutes()); off > t.GPSClockMinutes {
		inputs := maps.Clone(clock)
		inputs["gpsTime"], inputs["allowedMinutes"] = satellites.Format(time.RFC3339), t.GPSClockMinutes
		add("photo_time_gps", "review", fmt.Sprintf("拍摄时间与 GPS 时间相差 %.0f 分钟。", off),
			fmt.Sprintf("The time of taking is %.0f minutes off GPS time.", off), inputs)
	}
	return flags
}

// All runs every rule on a photo.
func All(p Photo, t Thresholds) []Flag {
	flags := append(Same(p), Unseen(p)...)
	flags = append(flags, Where(p, t)...)
	return append(flags, When(p, t)...)
}
