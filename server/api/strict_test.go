package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
)

// operations walks over every operation of openapi.yaml, with a path that names nothing.
func operations(t *testing.T, visit func(t *testing.T, method, path string, op *openapi3.Operation)) {
	t.Helper()
	doc, _ := described()
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, op := range doc.Paths.Value(path).Operations() {
			filled := path
			for _, name := range []string{"id", "file", "code", "photo"} {
				filled = strings.ReplaceAll(filled, "{"+name+"}", "0193a000-0000-7000-8000-000000000009")
			}
			t.Run(op.OperationID, func(t *testing.T) { visit(t, method, filled, op) })
		}
	}
}

// A filter that is misspelt must not give the whole list to somebody who takes it for the filtered one.
func TestUnknownAndRepeatedParametersAreRefusedEverywhere(t *testing.T) {
	w := start(t)
	operations(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		w := *w
		w.t = t
		refused := func(query, named string) {
			t.Helper()
			a := w.send(method, path+"?"+query, nil, "Tus-Resumable", "1.0.0").want(400)
			var p api.Problem
			if method == http.MethodHead {
				return
			}
			if err := json.Unmarshal(a.body, &p); err != nil || p.Code != field.CodeBadRequest || !strings.Contains(p.Detail, named) {
				t.Errorf("?%s: %s %q does not name %s", query, p.Code, p.Detail, named)
			}
		}
		refused("nonsense=1", "nonsense")
		refused("nonsense", "nonsense")
		for _, p := range op.Parameters {
			if name := p.Value.Name; p.Value.In == "query" {
				refused(strings.ToUpper(name)+"=1", strings.ToUpper(name))
				refused(name+"=1&"+name+"=1", name)
			}
		}
	})
}

// Names of members are compared to the letter, on every route that takes JSON.
func TestMembersInOtherLettersAreRefusedEverywhere(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	var all []access.Role
	for _, r := range access.Roles() {
		if r := access.Role(r.Code); r != access.Administrator {
			all = append(all, r)
		}
	}
	ann := admin.hire("ann", all...)
	walked := 0
	operations(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
			return
		}
		names := members(op.RequestBody.Value.Content["application/json"].Schema)
		if len(names) == 0 {
			t.Fatal("its body has no members")
		}
		walked++
		for _, name := range names {
			other := strings.ToUpper(name)
			w := *w
			w.t = t
			refused := false
			for _, who := range []*user{ann, admin} { // who may not do it is told so first
				a := w.send(method, path, obj{other: nil}, "Authorization", "Bearer "+who.AccessToken, "Sec-Fetch-Site", "same-origin")
				var p api.Problem
				if a.status >= 500 || json.Unmarshal(a.body, &p) != nil {
					t.Fatalf("%s: %d %s", other, a.status, clip(a.body))
				}
				refused = refused || a.status == 400 && strings.Contains(p.Detail, other)
			}
			if !refused {
				t.Errorf("%s was taken for %s", other, name)
			}
		}
	})
	if walked < 40 {
		t.Errorf("only %d routes take JSON", walked)
	}
}

// members lists the members of an object, and of those that it is made of.
func members(s *openapi3.SchemaRef) []string {
	var names []string
	for name := range s.Value.Properties {
		names = append(names, name)
	}
	for _, part := range s.Value.AllOf {
		names = append(names, members(part)...)
	}
	slices.Sort(names)
	return names
}

func TestEveryAnswerTellsBrowsersToRunNothing(t *testing.T) {
	w := start(t, func(o *api.Options) { o.TrustedProxies = []string{"127.0.0.1"} })
	safe := func(t *testing.T, a answer) {
		t.Helper()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("the policy is %q", a.header.Get("Content-Security-Policy"))
		}
		if cache := a.header.Get("Cache-Control"); len(a.body) > 0 && cache != "no-store" && cache != "no-cache" {
			t.Errorf("an answer with content may be kept: %q", cache)
		}
	}
	operations(t, func(t *testing.T, method, path string, _ *openapi3.Operation) {
		w := *w
		w.t = t
		safe(t, w.send(method, path, nil, "Tus-Resumable", "1.0.0"))
	})
	t.Run("no route", func(t *testing.T) { safe(t, w.send("GET", "/v1/nowhere", nil)) })
	t.Run("too large", func(t *testing.T) { safe(t, w.send("POST", "/v1/setup", make([]byte, 64<<10))) })
	t.Run("signed in", func(t *testing.T) {
		admin := w.setUp()
		safe(t, w.send("GET", "/v1/me", nil, "Authorization", "Bearer "+admin.AccessToken).want(200))
	})
	t.Run("over TLS", func(t *testing.T) {
		if got := w.send("GET", "/healthz", nil, "X-Forwarded-Proto", "https").header.Get("Strict-Transport-Security"); got == "" {
			t.Error("a client that came by TLS is not told to stay with it")
		}
	})
}

func TestTheMetricsAreClosedToStrangers(t *testing.T) {
	w := start(t)
	w.send("GET", "/metrics", nil).refused(401, field.CodeTokenMissing)
	w.send("GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken+"x").refused(401, field.CodeTokenInvalid)
	admin := w.setUp()
	w.send("GET", "/metrics", nil, "Authorization", "Bearer "+admin.AccessToken).refused(401, field.CodeTokenInvalid)
	w.send("GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).want(200)
	closed := start(t, func(o *api.Options) { o.MetricsToken = "" })
	closed.send("GET", "/metrics", nil).refused(404, field.CodeNotFound)
	closed.send("GET", "/metrics", nil, "Authorization", "Bearer ").refused(404, field.CodeNotFound)
}
