package tus

import (
	"strings"
	"testing"

	"fieldclue/server/field"
)

// FuzzMetadata: whatever an Upload-Metadata header says, the answer is a refusal with a code, or every pair of it,
// once.
func FuzzMetadata(f *testing.F) {
	for _, h := range []string{"", "photoId cGhvdG8=", "photoId cGhvdG8=,sha256 YQ==", "a,b", "photoId !", ",", " ", "photoId  cGhvdG8=", "photoId cGhvdG8=,photoId YQ=="} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, err := metadata(header)
		if err != nil {
			if field.AsError(err).Kind == field.ErrorInternal {
				t.Fatal(err)
			}
			return
		}
		if pairs := strings.Count(header, ",") + 1; len(m) != pairs {
			t.Fatalf("%q: %d pairs became %v", header, pairs, m)
		}
	})
}
