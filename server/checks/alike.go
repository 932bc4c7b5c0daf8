package checks

import "fmt"

// Likeness is what is known of the pictures at other sites that look like a photo. Pictures of its own site are not
// among them: those of one photo point look alike on purpose, and a photo point belongs to one site.
type Likeness struct {
	Hash    string // name and version of the perceptual hash, the same for all
	Nearest []Like // the nearest first; some or all
	Total   int    // all of them
}

// Like is one picture.
type Like struct {
	Photo    string
	Distance int // bits of 64
}

// Alike is Q1 for pictures that are not the same file: one scene stands as evidence at two sites, also turned or
// mirrored. A picture that looks like hundreds, black or full of sky, raises one flag that says how many, and names the
// nearest.
func Alike(l Likeness, t Thresholds) []Flag {
	if len(l.Nearest) == 0 || l.Nearest[0].Distance > t.AlikeReview {
		return nil
	}
	nearest := l.Nearest[0].Distance
	severity := "review"
	if nearest <= t.AlikeHigh {
		severity = "high"
	}
	var others []string
	var distances []int
	for _, o := range l.Nearest {
		others, distances = append(others, o.Photo), append(distances, o.Distance)
	}
	zh := fmt.Sprintf("其他项目点有 %d 张照片与其相似，最接近的一张 64 位感知哈希相差 %d 位", l.Total, nearest)
	en := fmt.Sprintf("At other sites %d photos look like this one; the nearest differs in %d of 64 bits", l.Total, nearest)
	if l.Total == 1 {
		en = fmt.Sprintf("At another site a photo looks like this one; it differs in %d of 64 bits", nearest)
	}
	if more := l.Total - len(others); more > 0 {
		zh += fmt.Sprintf("；依据中列出最接近的 %d 张", len(others))
		en += fmt.Sprintf("; the inputs name the nearest %d", len(others))
	}
	return []Flag{{
		Code: "photo_alike", Rule: "Q1/3", Severity: severity, ZH: zh + "。", EN: en + ".",
		Inputs: map[string]any{
			"distance": nearest, "otherPhotos": others, "distances": distances, "count": l.Total, "hashVersion": l.Hash,
			"highUpTo": t.AlikeHigh, "reviewUpTo": t.AlikeReview,
		},
	}}
}
