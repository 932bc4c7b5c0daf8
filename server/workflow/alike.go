package workflow

import (
	"context"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Alike finds photos that look alike. Visibility is part of the question.
type Alike interface {
	Near(ctx context.Context, q alike.Question) (alike.Answer, error)
}

// Similar are the photos that look like one, as far as the reader may see them.
type Similar struct {
	Hash     string        `json:"hash,omitempty"` // the perceptual hash with its version; only its like are compared
	Distance int           `json:"distance"`       // up to which they were looked for, in bits of 64
	Total    int           `json:"total"`          // all that the reader may see, named or not
	Items    []SimilarItem `json:"items"`          // the nearest
}

// SimilarItem is one of them.
type SimilarItem struct {
	Photo    protocol.PulledRecord `json:"photo"`
	Distance int                   `json:"distance"`
	// SamePoint: it shows the same photo point, so it looks alike on purpose.
	SamePoint bool `json:"samePoint"`
}

const (
	// MaxSimilar is how many similar photos can be asked for. There are no pages: what looks like more than a hundred
	// is a picture of nothing, and the total says so.
	MaxSimilar = 100
	// DefaultSimilar is how many a screen shows.
	DefaultSimilar = 20
	similarAge     = time.Second // how long ago another server may have written what is not found yet
)

// SimilarPhotos gives the photos within a distance of 1 to 10 bits, the nearest first, at most limit of them, which is
// 1 to MaxSimilar.
func (f *Flow) SimilarPhotos(ctx context.Context, who *access.Actor, id field.PhotoID, distance, limit int) (*Similar, error) {
	photo, err := f.read(ctx, who, field.KindPhoto, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	out := &Similar{Hash: photo.Text("perceptual"), Distance: min(max(distance, 1), alike.MaxDistance), Items: []SimilarItem{}}
	var seen struct{ Turned []string }
	if err := photo.Decode("facts", &seen); err != nil {
		return nil, err
	}
	answer, err := f.alike.Near(ctx, alike.Question{
		Visible: access.Visible(who), Hash: out.Hash, Turned: seen.Turned, Within: out.Distance, Except: []field.RecordID{photo.ID}, Name: min(max(limit, 1), MaxSimilar), Age: similarAge,
	})
	if err != nil {
		return nil, err
	}
	ids := make([]field.RecordID, 0, len(answer.Nearest))
	for _, n := range answer.Nearest {
		ids = append(ids, n.ID)
	}
	records, err := f.readMany(ctx, who, ids)
	if err != nil {
		return nil, err
	}
	out.Total = answer.Total
	for _, n := range answer.Nearest {
		r := records[n.ID]
		if r == nil || r.Deleted { // since the index looked
			out.Total--
			continue
		}
		point := photo.Text("photoPoint")
		out.Items = append(out.Items, SimilarItem{
			Photo: protocol.FromRecord(r), Distance: n.Distance,
			SamePoint: point != "" && r.Scope == photo.Scope && r.Text("photoPoint") == point,
		})
	}
	return out, nil
}
