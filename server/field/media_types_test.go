package field_test

import (
	"slices"
	"testing"

	"fieldclue/server/field"
)

// What the table says of one type agrees with what it says of the others: whoever asks it by a name or by bytes gets one answer.
func TestTheTableOfMediaTypesAgreesWithItself(t *testing.T) {
	seen := map[string]bool{}
	for _, media := range field.MediaTypes {
		for _, name := range append([]string{media.Code}, media.Names...) {
			if got, ok := field.MediaTypeOf(name); seen[name] || !ok || got.Code != media.Code {
				t.Errorf("%s stands twice, or is found as %q", name, got.Code)
			}
			seen[name] = true
		}
		if !slices.Contains(media.Bytes, media.Code) || media.Ext == "" || media.ZH == "" || media.Sound && !media.Recording {
			t.Errorf("%s is not whole", media.Code)
		}
		for _, shown := range media.Bytes {
			if got, ok := field.ShownType(shown); !ok || got.Recording != media.Recording || !media.Recording && got.Code != media.Code {
				t.Errorf("bytes that show %s are %q, and those of %s may show it too", shown, got.Code, media.Code)
			}
		}
	}
	if _, ok := field.MediaTypeOf(""); ok {
		t.Error("no name is a type")
	}
	if _, ok := field.ShownType("application/pdf"); ok {
		t.Error("a PDF is taken")
	}
}
