package api_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Who reads a reference wants to know of each operation what it does, who may, and what a refusal means; and of each
// body one that can be sent as it stands.
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

// Generators name what stands inside of a schema after schema and member, and what belongs to an operation after it. No
// two names may meet: ogen made of a member "operation" of a schema that was called like an operation what did not
// compile.
func TestNoTwoNamesMeetInGeneratedCode(t *testing.T) {
	doc, _ := described()
	upper := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	made := map[string]string{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, of := range []string{"Operation", "Params", "Req", "Res", "OK", "JSONBody", "JSONRequestBody"} {
				made[upper(op.OperationID)+of] = "the operation " + op.OperationID
			}
		}
	}
	for name := range doc.Components.Schemas {
		if of := made[name]; of != "" {
			t.Errorf("the schema %s has a name that generators give to %s", name, of)
		}
	}
	inside := 0
	for name, s := range doc.Components.Schemas {
		for member, m := range s.Value.Properties {
			if m.Ref != "" || m.Value.Type.Is("string") && m.Value.Enum == nil || m.Value.Type.Is("integer") || m.Value.Type.Is("boolean") || m.Value.Type.Is("number") {
				continue
			}
			inside++
			at := name + upper(member)
			if of := made[at]; of != "" {
				t.Errorf("the member %s of the schema %s has a name that generators give to %s", member, name, of)
			}
			if doc.Components.Schemas[at] != nil {
				t.Errorf("the member %s of the schema %s has the name of the schema %s", member, name, at)
			}
		}
	}
	if inside < 50 {
		t.Errorf("only %d members were found", inside)
	}
}
