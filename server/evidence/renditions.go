package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"fieldclue/media/blob"
	"fieldclue/media/verify"
	"fieldclue/server/field"
	"fieldclue/server/storage"
)

// Renditions makes the small pictures of photos anew. The caller closes it.
type Renditions struct{ examiner *Examiner }

// NewRenditions reads originals in a store of blobs. Nothing is written.
func NewRenditions(p *storage.Engines) *Renditions {
	return &Renditions{&Examiner{engines: p, slow: slowDecoder()}}
}

// Close ends the decoder.
func (r *Renditions) Close() { r.examiner.slow.Close() }

// Make makes the renditions of a photo from its original, by their hash.
func (r *Renditions) Make(ctx context.Context, photo *field.Record) (map[blob.Sum][]byte, error) {
	x := r.examiner
	file, err := x.fetch(ctx, photo)
	if err != nil {
		return nil, err
	}
	defer file.close()
	facts, err := verify.File(file)
	if err != nil {
		return nil, err
	}
	v, err := x.view(ctx, file, facts, x.slow)
	if err != nil {
		return nil, err
	}
	made := map[blob.Sum][]byte{}
	for _, b := range [][]byte{v.renditions.Small, v.renditions.Large} {
		h := sha256.Sum256(b)
		made[blob.Sum(hex.EncodeToString(h[:]))] = b
	}
	return made, nil
}
