// Package checks holds the rules that look at uploads: each says what it saw, how bad it would be, and why, in words
// for a person. A rule never decides anything; somebody decides the flag that it raises. It is pure.
//
// photo.go holds the rules on a photo (Q1 same photo and what could not be compared, Q2 place, Q3 time), alike.go Q1
// for pictures that look alike, evidence.go what each source states of place and time, geo.go the geometry and the
// coordinate systems. Thresholds are configuration with the defaults of DefaultThresholds.
package checks

// Flag is what a rule raises.
type Flag struct {
	Code     string         // stable: "photo_far"
	Rule     string         // rule and version: "Q2/2"
	Severity string         // info, review, high, blocking
	ZH, EN   string         // a sentence for a person
	Inputs   map[string]any // what the rule looked at, with units in the names
}

// Thresholds are the limits that the rules use.
type Thresholds struct {
	FarMetres       float64 // beyond the site's radius, before accuracy is added
	AccuracyFactor  float64 // how often the stated accuracy is added
	AccuracyMetres  float64 // up to which accuracy a position says where it is; a vaguer one counts as this one, and is flagged
	VisitMinutes    float64 // how far outside the visit a photo may be taken
	GPSClockMinutes float64 // how far the camera's clock may be from GPS time
	SkewMinutes     float64 // how far the phone's clock may be from the server's
	AlikeHigh       int     // up to how many of 64 bits two pictures differ and are the same picture
	AlikeReview     int     // and up to how many somebody should look
}

// DefaultThresholds are 100 m, 3 × accuracy, 10, 5 and 5 minutes, 5 and 10 bits. A phone under the sky knows its place
// to 20 m and within a house to 50; 100 m is a guess by the nearest mast.
var DefaultThresholds = Thresholds{FarMetres: 100, AccuracyFactor: 3, AccuracyMetres: 100, VisitMinutes: 10, GPSClockMinutes: 5, SkewMinutes: 5, AlikeHigh: 5, AlikeReview: 10}
