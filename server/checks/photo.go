package checks

import (
	"fmt"
	"math"
	"time"
)

// Photo is what the rules know about a photo: what the app sent beside the file, and what the file itself says.
type Photo struct {
	Position    *Point  // as the app sent it, or from EXIF when the app sent none
	System      string  // in which coordinate system
	Accuracy    float64 // metres; 0 unknown
	Mock        bool    // the phone says that the position is made up
	Picked      bool    // taken from the gallery instead of the app's camera
	TakenAt     time.Time
	GPSTime     time.Time // UTC from the GPS tags; zero: none
	SkewMS      int64     // device clock minus server clock
	Site        Area
	Start, End  time.Time // of the visit
	SameCount   int       // how many other photos have the same SHA-256 at another site or report
	SameHash    []string  // those of them that may be named
	IsStatement bool      // a scan of paper, video or sound: place and time of taking say nothing
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

// Place is Q2: whether the photo was taken at the site. A position that fits once it is read as GCJ-02 is a matter of
// coordinate systems, not of honesty.
func Place(p Photo, t Thresholds) []Flag {
	var flags []Flag
	add := func(code, severity, zh, en string, inputs map[string]any) {
		flags = append(flags, Flag{Code: code, Rule: "Q2/1", Severity: severity, ZH: zh, EN: en, Inputs: inputs})
	}
	if p.IsStatement {
		return nil
	}
	if p.Picked {
		add("photo_picked", "review", "照片来自相册，不是应用内拍摄。", "The photo was picked from the gallery, not taken in the app.", nil)
	}
	if p.Mock {
		add("photo_mock_position", "high", "手机报告位置为模拟位置。", "The phone says that its position is made up.", nil)
	}
	if p.Position == nil {
		add("photo_no_position", "review", "照片没有位置信息。", "The photo has no position.", nil)
		return flags
	}
	if !p.Site.Known() {
		return flags
	}
	allowed := t.FarMetres + t.AccuracyFactor*p.Accuracy
	away := p.Site.DistanceTo(ToWGS84(*p.Position, p.System))
	if away <= allowed {
		return flags
	}
	inputs := map[string]any{
		"distanceMetres": math.Round(away), "allowedMetres": math.Round(allowed), "accuracyMetres": p.Accuracy, "statedSystem": p.System,
	}
	if p.System == "" || p.System == "wgs84" {
		if as := p.Site.DistanceTo(FromGCJ02(*p.Position)); as <= allowed {
			inputs["distanceAsGCJ02Metres"] = math.Round(as)
			add("photo_coordinate_system", "info",
				"坐标系不一致：按 GCJ-02 换算后位于项目点内。", "Coordinate system mismatch: read as GCJ-02, the photo is at the site.", inputs)
			return flags
		}
	}
	add("photo_far", "high",
		fmt.Sprintf("照片位置距项目点边界 %.0f 米，允许 %.0f 米。", away, allowed),
		fmt.Sprintf("The photo was taken %.0f m outside the site; %.0f m are allowed.", away, allowed), inputs)
	return flags
}

// When is Q3: whether the photo was taken during the visit, by a clock that can be believed.
func When(p Photo, t Thresholds) []Flag {
	var flags []Flag
	add := func(code, severity, zh, en string, inputs map[string]any) {
		flags = append(flags, Flag{Code: code, Rule: "Q3/1", Severity: severity, ZH: zh, EN: en, Inputs: inputs})
	}
	if skew := math.Abs(float64(p.SkewMS)) / 60_000; skew > t.SkewMinutes {
		add("photo_clock_skew", "review", fmt.Sprintf("手机时钟与服务器相差 %.0f 分钟。", skew),
			fmt.Sprintf("The phone's clock is %.0f minutes off the server's.", skew), map[string]any{"skewMs": p.SkewMS})
	}
	if p.TakenAt.IsZero() || p.IsStatement {
		return flags
	}
	slack := time.Duration(t.VisitMinutes * float64(time.Minute))
	if !p.Start.IsZero() && !p.End.IsZero() && (p.TakenAt.Before(p.Start.Add(-slack)) || p.TakenAt.After(p.End.Add(slack))) {
		add("photo_time_outside", "high", "照片不是在检查期间拍摄的。", "The photo was not taken during the visit.", map[string]any{
			"takenAt": p.TakenAt.Format(time.RFC3339), "start": p.Start.Format(time.RFC3339), "end": p.End.Format(time.RFC3339),
		})
	}
	if off := math.Abs(p.TakenAt.Sub(p.GPSTime).Minutes()); !p.GPSTime.IsZero() && off > t.GPSClockMinutes {
		add("photo_time_gps", "review", fmt.Sprintf("拍摄时间与 GPS 时间相差 %.0f 分钟。", off),
			fmt.Sprintf("The time of taking is %.0f minutes off GPS time.", off), map[string]any{
				"takenAt": p.TakenAt.Format(time.RFC3339), "gpsTime": p.GPSTime.Format(time.RFC3339),
			})
	}
	return flags
}

// All runs every rule on a photo.
func All(p Photo, t Thresholds) []Flag {
	flags := Same(p)
	flags = append(flags, Place(p, t)...)
	return append(flags, When(p, t)...)
}
