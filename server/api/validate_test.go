package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"fieldclue"
	"fieldclue/server/access"
	"fieldclue/server/field"
)

// described is openapi.yaml, parsed once: validating the document takes longer than most tests.
var described = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	doc, err := openapi3.NewLoader().LoadFromData(fieldclue.OpenAPI)
	if err != nil {
		panic("openapi.yaml: " + err.Error())
	}
	if err := doc.Validate(context.Background()); err != nil {
		panic("openapi.yaml: " + err.Error())
	}
	doc.Servers = nil // the router takes "/" for a prefix that every path lacks
	router, err := legacy.NewRouter(doc)
	if err != nil {
		panic("openapi.yaml: " + err.Error())
	}
	return doc, router
})

// validating holds every exchange of a test against openapi.yaml: what was accepted must have been a documented
// request, and every answer must be a documented one.
type validating struct {
	t    *testing.T
	next http.RoundTripper
}

func (v validating) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
		if len(sent) == 0 {
			req.Body = http.NoBody
		}
	}
	resp, err := v.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	v.check(req, sent, resp)
	return resp, nil
}

func (v validating) check(req *http.Request, sent []byte, resp *http.Response) {
	v.t.Helper()
	_, router := described()
	about := req.Method + " " + req.URL.Path + " → " + resp.Status
	again := req.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	route, params, err := router.FindRoute(again)
	if err != nil {
		if resp.StatusCode < 400 && req.Method != http.MethodHead {
			v.t.Errorf("%s: not in openapi.yaml: %v", about, err)
		}
		return
	}
	if resp.StatusCode < 400 {
		noteCall(req.Method, route.Path)
	}
	options := &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true, SkipSettingDefaults: true,
		ExcludeRequestBody: true, ExcludeResponseBody: true, // see fits
	}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: options}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var got []byte
	if media != "text/event-stream" {
		got, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it was read to its end
		if err != nil {
			v.t.Errorf("%s: %v", about, err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(got))
	}
	// A push takes what is wrong too, operation by operation, and rejects and keeps it.
	if rejects := bytes.Contains(got, []byte(`"outcome":"rejected"`)); resp.StatusCode < 400 && !rejects {
		err := openapi3filter.ValidateRequest(context.Background(), in)
		if sentAs, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil && sentAs == "application/json" {
			err = fitsRequest(route, sent)
		}
		if err != nil {
			v.t.Errorf("%s: the server took a request that openapi.yaml does not describe: %v\n%s", about, err, clip(sent))
		}
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: options}
	err = openapi3filter.ValidateResponse(context.Background(), answer)
	if err == nil && strings.HasSuffix(media, "json") && req.Method != http.MethodHead && resp.StatusCode != http.StatusNotModified {
		err = fitsResponse(route, resp.StatusCode, media, got)
	}
	if err != nil {
		v.t.Errorf("%s: an answer that openapi.yaml does not describe: %v\n%s", about, err, clip(got))
	}
	if resp.StatusCode >= 400 && len(got) > 0 && media != "application/problem+json" && req.URL.Path != "/readyz" {
		v.t.Errorf("%s: %s is no problem document", about, media)
	}
	v.sameFacts(about, got)
}

// fitsRequest holds a JSON body against what its operation takes.
func fitsRequest(route *routers.Route, body []byte) error {
	ref := route.Operation.RequestBody
	if ref == nil {
		return nil
	}
	if len(body) == 0 {
		if ref.Value.Required {
			return errors.New("the body is missing")
		}
		return nil
	}
	schema, value, err := fits(ref.Ref, []string{"paths", route.Path, strings.ToLower(route.Method), "requestBody"}, ref.Value.Content, "application/json", body)
	if err != nil || schema == nil {
		return err
	}
	return notTheServers(schema, value)
}

// notTheServers refuses what only the server may say: a validator of JSON Schema takes readOnly for a remark.
func notTheServers(s *jsonschema.Schema, value any) error {
	for ; s.Ref != nil; s = s.Ref {
		if err := notTheServers(&jsonschema.Schema{Properties: s.Properties}, value); err != nil {
			return err
		}
	}
	members, _ := value.(map[string]any) // nil: no object, and no properties
	for name, property := range s.Properties {
		of, there := members[name]
		if there && property.ReadOnly {
			return fmt.Errorf("%s is readOnly", name)
		}
		if there {
			if err := notTheServers(property, of); err != nil {
				return err
			}
		}
	}
	return nil
}

// fitsResponse holds a JSON body against what its operation answers with this status.
func fitsResponse(route *routers.Route, status int, media string, body []byte) error {
	ref, name := route.Operation.Responses.Status(status), strconv.Itoa(status)
	if ref == nil {
		ref, name = route.Operation.Responses.Default(), "default"
	}
	_, _, err := fits(ref.Ref, []string{"paths", route.Path, strings.ToLower(route.Method), "responses", name}, ref.Value.Content, media, body)
	return err
}

// schemas are those of openapi.yaml, each compiled once, by their JSON pointers; openapi3filter would compile the
// schema of every body.
var schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler // nil: not made yet
}

// fits holds a body against the schema for its media type at a place of the document: where the reference points to, or
// the path.
func fits(ref string, path []string, content openapi3.Content, media string, body []byte) (*jsonschema.Schema, any, error) {
	if len(content) == 0 {
		return nil, nil, nil
	}
	if described := content[media]; described == nil {
		return nil, nil, fmt.Errorf("%s is not described", media)
	} else if described.Schema == nil {
		return nil, nil, nil
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D")
	if ref == "" {
		ref = "#"
		for _, name := range path {
			ref += "/" + escape.Replace(name)
		}
	}
	schema, err := compiled("openapi.json" + ref + "/content/" + escape.Replace(media) + "/schema")
	if err != nil {
		return nil, nil, err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	return schema, value, schema.Validate(value)
}

func compiled(at string) (*jsonschema.Schema, error) {
	schemas.mu.Lock()
	defer schemas.mu.Unlock()
	if schemas.compiler == nil {
		doc, _ := described()
		text, err := doc.MarshalJSON()
		if err != nil {
			return nil, err
		}
		whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		if err := c.AddResource("openapi.json", whole); err != nil {
			return nil, err
		}
		schemas.compiler = c
	}
	return schemas.compiler.Compile(at)
}

var (
	// What was refused, at the desk or in a push, in English and then in Chinese.
	sayings = regexp.MustCompile(`"(?:detail|message)":("(?:[^"\\]|\\.)*"),"(?:detailZh|messageZh)":("(?:[^"\\]|\\.)*")`)
	// Ids, hashes, times and numbers.
	fact = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9]+(?:[.,:-][0-9]+)*`)
)

// sameFacts holds what is said in Chinese against what is said in English: the same ids, times and numbers, whatever
// the sentence was put together from.
func (v validating) sameFacts(about string, body []byte) {
	v.t.Helper()
	for _, said := range sayings.FindAllSubmatch(body, -1) {
		en, zh := fact.FindAllString(string(said[1]), -1), fact.FindAllString(string(said[2]), -1)
		slices.Sort(en)
		if slices.Sort(zh); !slices.Equal(en, zh) {
			v.t.Errorf("%s: %q in English and %q in Chinese: %s", about, en, zh, said[0])
		}
	}
}

func clip(b []byte) string { return string(b[:min(len(b), 600)]) }

func TestEveryRouteIsDescribedAndHasARule(t *testing.T) {
	doc, _ := described()
	s := start(t)
	type operation struct{ method, path, id string }
	var registered, written []operation
	actions := allActions()
	for _, r := range s.api.Routes() {
		registered = append(registered, operation{r.Method, r.Path, r.OperationID})
		if rule := r.Rule.String(); rule != "open" && rule != "signed in" && rule != "metrics token" && !slices.Contains(actions, access.Action(rule)) {
			t.Errorf("%s %s: no role may do %s", r.Method, r.Path, rule)
		}
		item := doc.Paths.Value(r.Path)
		if item == nil || item.GetOperation(r.Method) == nil {
			continue // reported below
		}
		op := item.GetOperation(r.Method)
		openDoc := op.Security != nil && len(*op.Security) == 0
		if isOpen := r.Rule.String() == "open"; isOpen != openDoc {
			t.Errorf("%s %s: the rule is %q, the document says open: %v", r.Method, r.Path, r.Rule, openDoc)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			written = append(written, operation{method, path, op.OperationID})
		}
	}
	for _, r := range registered {
		if !slices.Contains(written, r) {
			t.Errorf("%s %s (%s) is not in openapi.yaml", r.method, r.path, r.id)
		}
	}
	for _, w := range written {
		if !slices.Contains(registered, w) {
			t.Errorf("%s %s (%s) is in openapi.yaml and nowhere else", w.method, w.path, w.id)
		}
	}
	// What Fiber really serves is what was registered, but for HEAD, which it adds to GET, and middleware.
	for _, stack := range s.api.App().Stack() {
		for _, r := range stack {
			path := documented(r.Path)
			known := slices.ContainsFunc(registered, func(o operation) bool {
				return o.path == path && (o.method == r.Method || r.Method == http.MethodHead && o.method == http.MethodGet)
			})
			if !known && path != "/" && path != "/v1/uploads" {
				t.Errorf("%s %s is served and was not registered", r.Method, r.Path)
			}
		}
	}
}

func documented(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}

// allActions lists the actions that some role may do.
func allActions() []access.Action {
	all := []access.Action{"clue.export"} // no step of a life cycle: nothing about the clue changes
	for _, spec := range field.Kinds() {
		verbs := []string{"create", "edit"}
		for _, c := range spec.Commands {
			verbs = append(verbs, c.Name)
		}
		for _, verb := range verbs {
			for _, role := range access.Roles() {
				who := &access.Actor{Founder: true, Roles: []access.Grant{{Role: access.Role(role.Code)}}}
				if a := access.ActionFor(spec.Kind, verb); access.MayAnywhere(who, a) && !slices.Contains(all, a) {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

func TestTheCodesInTheDocumentAreThoseOfTheProgram(t *testing.T) {
	doc, _ := described()
	var written, known []string
	for _, v := range doc.Components.Schemas["Code"].Value.Enum {
		written = append(written, v.(string))
	}
	for _, c := range field.Codes() {
		known = append(known, string(c))
	}
	slices.Sort(written)
	slices.Sort(known)
	if !slices.Equal(written, known) {
		t.Errorf("openapi.yaml has %v\nfield has %v", written, known)
	}
}
