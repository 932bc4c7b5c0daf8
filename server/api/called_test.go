package api_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fieldclue/server/api"
	"fieldclue/server/field"
)

// calls are the routes there are, and those that some test of this package has called with success: "POST /v1/clues".
var calls struct {
	sync.Mutex
	routes []api.Route
	called map[string]bool
}

func noteRoutes(routes []api.Route) {
	calls.Lock()
	defer calls.Unlock()
	calls.routes = routes
}

func noteCall(method, path string) {
	calls.Lock()
	defer calls.Unlock()
	if calls.called == nil {
		calls.called = map[string]bool{}
	}
	calls.called[method+" "+path] = true
}

// elsewhere are the routes that take the whole server to call, each with the test that does: by folder and name.
var elsewhere = map[string][2]string{
	"uploadCreate":  {"../app", "TestOnlyTheBytesThatWereDeclaredBecomeEvidence"},
	"uploadOffset":  {"tus", "TestABadLink"},
	"uploadPiece":   {"tus", "TestCreationThenPieces"},
	"uploadEnd":     {"tus", "TestTermination"},
	"sealUpload":    {"../app", "TestASealedPutBecomesEvidence"},
	"confirmUpload": {"../app", "TestASealedPutBecomesEvidence"},
	"keptPhoto":     {"../app", "TestAReportShowsWhatIsKeptForIt"},
}

func TestWhatIsCalledElsewhereIsThere(t *testing.T) {
	for id, test := range elsewhere {
		files, err := filepath.Glob(test[0] + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		there := slices.ContainsFunc(files, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(text), "\nfunc "+test[1]+"(")
		})
		if !there {
			t.Errorf("%s is to be called by %s in %s, which is not there", id, test[1], test[0])
		}
	}
}

// A route that no test has called with success is one that nobody knows to work. It is asked when the tests were run as
// a whole.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && whole() {
		for _, r := range uncalled() {
			fmt.Printf("%s %s (%s): no test of server/api calls it with success. Write a story that does: docs/adding.md.\n", r.Method, r.Path, r.OperationID)
			code = 1
		}
	}
	os.Exit(code)
}

func whole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}

func uncalled() []api.Route {
	calls.Lock()
	defer calls.Unlock()
	return slices.DeleteFunc(slices.Clone(calls.routes), func(r api.Route) bool { return elsewhere[r.OperationID][0] != "" || calls.called[r.Method+" "+r.Path] })
}

// What a body of the desk may hold are the version and the arguments of its command, also where openapi.yaml says it by
// hand.
func TestTheBodiesOfTheDocumentAreTheArgumentsOfTheCommands(t *testing.T) {
	doc, _ := described()
	for _, spec := range field.Kinds() {
		if spec.Desk == nil {
			continue
		}
		for i := range spec.Desk.Acts {
			a := &spec.Desk.Acts[i]
			switch a.Verb {
			case field.VerbList, field.VerbGet, field.VerbCreate, field.VerbEdit:
				continue
			}
			if a.Command == nil {
				t.Errorf("the desk offers %s of a %s, which has no such command", a.Verb, spec.Kind)
				continue
			}
			want := []string{"version!"}
			for _, f := range a.Asked() {
				name := f.Said()
				if f.Required {
					name += "!"
				}
				want = append(want, name)
			}
			item := doc.Paths.Value("/v1/" + spec.Desk.Path + "/{id}/" + a.Verb)
			if item == nil || item.Post == nil {
				t.Errorf("%s is not in openapi.yaml: go run ./server/api/schemagen openapi.yaml", a.ID)
				continue
			}
			body := item.Post.RequestBody.Value.Content["application/json"].Schema.Value
			var written []string
			for name := range body.Properties {
				if slices.Contains(body.Required, name) {
					name += "!"
				}
				written = append(written, name)
			}
			slices.Sort(want)
			slices.Sort(written)
			if !slices.Equal(want, written) {
				t.Errorf("%s: openapi.yaml has %s, the command asks for %s", a.ID, strings.Join(written, " "), strings.Join(want, " "))
			}
		}
	}
}
