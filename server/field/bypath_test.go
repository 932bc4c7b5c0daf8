package field_test

import (
	"testing"

	"fieldclue/server/field"
)

// A keyed field is set as an object, or one key of it by its path.
func TestFlattenTakesPaths(t *testing.T) {
	spec := field.KindOf(field.KindReport)
	for _, set := range []map[string]field.Value{
		{"answers": field.Value(`{"roof":{"value":"leaks"}}`)},
		{"answers.roof": field.Value(`{"value":"leaks"}`)},
	} {
		out, err := spec.Flatten(set, false)
		if err != nil || len(out) != 1 || string(out["answers.roof"]) != `{"value":"leaks"}` {
			t.Errorf("%v %v", out, err)
		}
	}
}
