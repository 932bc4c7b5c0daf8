package api_test

import (
	"slices"
	"testing"

	"fieldclue/server/access"
)

// Who may call an operation is said in openapi.yaml as x-rule: in the words of the route's own rule, which the server
// asks, and an action in it is one that the access table gives to somebody.
func TestTheDocumentSaysWhoMayCall(t *testing.T) {
	doc, _ := described()
	given := allActions()
	for _, r := range start(t).api.Routes() {
		item := doc.Paths.Value(r.Path)
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s %s is not in openapi.yaml", r.Method, r.Path)
			continue
		}
		said, _ := item.GetOperation(r.Method).Extensions["x-rule"].(string)
		if said != r.Rule.String() {
			t.Errorf("%s %s: x-rule is %q, the server asks for %q", r.Method, r.Path, said, r.Rule)
		}
		if !slices.Contains([]string{"open", "signed in", "metrics token"}, said) && !slices.Contains(given, access.Action(said)) {
			t.Errorf("%s %s: the access table gives %q to nobody", r.Method, r.Path, said)
		}
	}
}
