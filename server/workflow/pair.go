package workflow

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/checks"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Pair sets a photo beside the latest one that an earlier visit took at the same photo point of the site.
type Pair struct {
	Point    string `json:"point,omitempty"`
	Label    string `json:"label,omitempty"`
	Current  Shot   `json:"current"`
	Previous *Shot  `json:"previous,omitempty"`
	// Between the positions of both, by the first source of each, and how far off that may be: both accuracies and the
	// errors of both conversions.
	DistanceMetres *float64 `json:"distanceMetres,omitempty"`
	MarginMetres   *float64 `json:"marginMetres,omitempty"`
	ElapsedSeconds *int64   `json:"elapsedSeconds,omitempty"` // from one takenAt to the other
}

// Shot is a photo with its places in one system and its moments in one zone, by every source that states any.
type Shot struct {
	Photo      protocol.PulledRecord `json:"photo"`
	Places     []checks.Place        `json:"places"`
	Moments    []checks.Moment       `json:"moments"`
	TakenAt    time.Time             `json:"takenAt"` // by which pairs are made: see takenAt
	ReceivedAt *time.Time            `json:"receivedAt,omitempty"`
	VisitStart *time.Time            `json:"visitStart,omitempty"` // of its report, where that is known
}

// PhotoPair gives a photo and the one before it. A photo that belongs to no photo point has none before it.
func (f *Flow) PhotoPair(ctx context.Context, who *access.Actor, id field.PhotoID) (*Pair, error) {
	photo, err := f.read(ctx, who, field.KindPhoto, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	near, err := f.readMany(ctx, who, distinct([]field.RecordID{field.RecordID(photo.Text("siteId")), field.RecordID(photo.Text("reportId"))}))
	if err != nil {
		return nil, err
	}
	report := near[field.RecordID(photo.Text("reportId"))]
	pair := &Pair{Point: photo.Text("photoPoint")}
	if pair.Current, err = shotOf(photo, report); err != nil || pair.Point == "" {
		return pair, err
	}
	labels, err := pointLabels(near[field.RecordID(photo.Text("siteId"))])
	if err != nil {
		return nil, err
	}
	pair.Label = labels[pair.Point]
	visit := earlierThan{scope: photo.Scope, report: field.RecordID(photo.Text("reportId")), start: takenAt(photo)}
	if report != nil {
		visit.start = startOf(report)
	}
	before, err := f.earlierPhoto(ctx, who, visit, pair.Point)
	if err != nil || before == nil {
		return pair, err
	}
	if report, err = f.reportOf(ctx, who, before); err != nil {
		return nil, err
	}
	previous, err := shotOf(before, report)
	if err != nil {
		return nil, err
	}
	pair.compare(previous)
	return pair, nil
}

func (f *Flow) reportOf(ctx context.Context, who *access.Actor, photo *field.Record) (*field.Record, error) {
	id := field.RecordID(photo.Text("reportId"))
	found, err := f.readMany(ctx, who, []field.RecordID{id})
	return found[id], err
}

func (p *Pair) compare(previous Shot) {
	p.Previous = &previous
	elapsed := int64(p.Current.TakenAt.Sub(previous.TakenAt).Seconds())
	p.ElapsedSeconds = &elapsed
	if len(p.Current.Places) == 0 || len(previous.Places) == 0 {
		return
	}
	a, b := p.Current.Places[0], previous.Places[0]
	apart := math.Round(10*checks.Distance(checks.Point(a.WGS84), checks.Point(b.WGS84))) / 10
	margin := a.ErrorMetres + b.ErrorMetres
	for _, accuracy := range []*float64{a.Accuracy, b.Accuracy} {
		if accuracy != nil {
			margin += *accuracy
		}
	}
	p.DistanceMetres, p.MarginMetres = &apart, &margin
}

// shotOf shows a photo. What the file says is known once it was examined.
func shotOf(photo, report *field.Record) (Shot, error) {
	s := Shot{Photo: protocol.FromRecord(photo), TakenAt: takenAt(photo).In(field.Beijing)}
	var seen struct {
		Places  []checks.Place
		Moments []checks.Moment
	}
	if err := photo.Decode("facts", &seen); err != nil {
		return s, err
	}
	s.Places, s.Moments = seen.Places, seen.Moments
	var err error
	if len(s.Places) == 0 {
		s.Places, err = checks.Places(photo, checks.Stated{})
	}
	if len(s.Moments) == 0 {
		s.Moments = checks.Moments(photo, checks.Stated{})
	}
	s.Places, s.Moments = append([]checks.Place{}, s.Places...), append([]checks.Moment{}, s.Moments...)
	var receipt struct{ ReceivedAt time.Time }
	if photo.Decode("receipt", &receipt) == nil && !receipt.ReceivedAt.IsZero() {
		at := receipt.ReceivedAt.In(field.Beijing)
		s.ReceivedAt = &at
	}
	if report != nil {
		at := startOf(report).In(field.Beijing)
		s.VisitStart = &at
	}
	return s, err
}

// takenAt is when a photo was taken, as the app says or a reviewer corrected it; when the record was made, without a
// word from it and where its clock is doubtful.
func takenAt(photo *field.Record) time.Time {
	if t := photo.Moment("takenAt"); !t.IsZero() && !photo.Doubtful("takenAt") {
		return t
	}
	return photo.CreatedAt
}

// pointLabels are what the photo points of a site are called.
func pointLabels(site *field.Record) (map[string]string, error) {
	labels := map[string]string{}
	if site == nil {
		return labels, nil
	}
	keys, points := site.Keyed("photoPoints")
	for _, k := range keys {
		var at struct{ Label string }
		if err := json.Unmarshal(points[k], &at); err != nil {
			return nil, err
		}
		labels[k] = at.Label
	}
	return labels, nil
}

// earlierThan is the visit to a site before which something was.
type earlierThan struct {
	scope  field.Scope
	report field.RecordID
	start  time.Time
}

// earlierPhoto is the latest photo of a point that another report took before a visit; nil when there is none.
func (f *Flow) earlierPhoto(ctx context.Context, who *access.Actor, visit earlierThan, point string) (*field.Record, error) {
	found, err := f.every(ctx, who, store.Query{Scope: visit.scope, Kinds: []field.Kind{field.KindPhoto}, Keys: where{}.is("photoPoint", point)})
	if err != nil {
		return nil, err
	}
	var latest *field.Record
	for _, p := range found {
		if p.Text("reportId") != string(visit.report) && field.PhotoIsStored(p) && takenAt(p).Before(visit.start) && (latest == nil || takenAt(p).After(takenAt(latest))) {
			latest = p
		}
	}
	return latest, nil
}
