package api_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update", false, "write testdata/operations.txt anew")

const promised = "testdata/operations.txt"

// promises are the lines of what each operation is for those who call it: method, path, operationId, rule, what is
// asked for in the query, and the members of the body with their types; "!" is behind those that must be there.
func promises(t *testing.T) (lines []string) {
	doc, _ := described()
	for _, r := range start(t).api.Routes() {
		item := doc.Paths.Value(r.Path)
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s %s is not in openapi.yaml", r.Method, r.Path)
			continue
		}
		line := fmt.Sprintf("%s %s %s [%s]", r.Method, r.Path, r.OperationID, r.Rule)
		op := item.GetOperation(r.Method)
		for _, p := range op.Parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				line += " ?" + p.Value.Name
			}
		}
		if op.RequestBody != nil {
			for _, content := range op.RequestBody.Value.Content {
				if content.Schema != nil {
					line += " " + shapeOf(content.Schema, 0)
				}
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// shapeOf writes a schema in short. What goes deeper than the members of the items of a list is another test's.
func shapeOf(ref *openapi3.SchemaRef, depth int) string {
	s := ref.Value
	kind := "any"
	if types := s.Type.Slice(); len(types) > 0 {
		kind = strings.Join(types, "|")
	}
	switch {
	case s.Items != nil:
		return "[" + shapeOf(s.Items, depth) + "]"
	case len(s.Properties) == 0 || depth == 2:
		return kind
	}
	var members []string
	for name, m := range s.Properties {
		if strings.HasSuffix(ref.Ref, "Fields") { // the fields of kinds are added to: server/field has them
			return kind
		}
		must := ""
		if slices.Contains(s.Required, name) {
			must = "!"
		}
		members = append(members, name+must+":"+shapeOf(m, depth+1))
	}
	slices.Sort(members)
	return "{" + strings.Join(members, " ") + "}"
}

// What was promised stands: each operation that the file lists is there, with its id, its rule and its body. Operations
// are added, and members that a body may leave out: run the test with -update, and read in the diff of the file that
// nothing else changed.
func TestOperationsStandAsTheyWerePromised(t *testing.T) {
	now := promises(t)
	if *update {
		if err := os.WriteFile(promised, []byte(strings.Join(now, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(promised)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) < 170 {
		t.Fatalf("%s lists %d operations", promised, len(lines))
	}
	for _, line := range lines {
		if !slices.Contains(now, line) {
			t.Errorf("promised, and not so any more: %s", line)
		}
	}
}
