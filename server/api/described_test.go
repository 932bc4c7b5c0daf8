package api_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Who reads a reference wants to know of each operation what it does, who may, and what a refusal means; and of each body
// one that can be sent as it stands.
func TestEveryOperationIsExplainedAndEveryBodyHasAnExample(t *testing.T) {
	doc, _ := described()
	operations, bodies := 0, 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			operations++
			about := method + " " + path
			if strings.TrimSpace(op.Summary) == "" || strings.TrimSpace(op.Description) == "" {
				t.Errorf("%s has no summary or no description", about)
			}
			if op.Description == op.Summary {
				t.Errorf("%s says the same twice", about)
			}
			if op.RequestBody == nil {
				continue
			}
			for media, content := range op.RequestBody.Value.Content {
				if media == "application/offset+octet-stream" {
					continue // the bytes of a photo
				}
				bodies++
				examples := openapi3.Examples{"example": {Value: &openapi3.Example{Value: content.Example}}}
				if content.Example == nil {
					examples = content.Examples
				}
				if len(examples) == 0 {
					t.Errorf("%s has no example of its body", about)
				}
				for name, example := range examples {
					if err := content.Schema.Value.VisitJSON(example.Value.Value, openapi3.VisitAsRequest(), openapi3.MultiErrors()); err != nil {
						t.Errorf("%s: the %s does not hold by the schema: %v", about, name, err)
					}
				}
			}
		}
	}
	if operations < 180 || bodies < 90 {
		t.Errorf("%d operations with %d bodies were found", operations, bodies)
	}
}
