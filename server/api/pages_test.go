package api_test

import (
	"regexp"
	"strings"
	"testing"

	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/web"
)

// A page may run its own files and ask this server, and is never kept; its files are kept for ever.
func TestPagesOfTheDesk(t *testing.T) {
	site, err := web.Build()
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *api.Options) { o.Pages = site })
	for _, path := range []string{"/desk", "/desk/", "/desk/reports/0193a000-0000-7000-8000-000000000002"} {
		a := w.plain("GET", path, nil).want(200)
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || a.header.Get("Cache-Control") != "no-cache" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, a.header)
		}
		files := regexp.MustCompile(`/assets/[^"]+`).FindAllString(string(a.body), -1)
		if len(files) != 2 {
			t.Fatalf("%s names %v", path, files)
		}
		for _, file := range files {
			if f := w.plain("GET", file, nil).want(200); !strings.Contains(f.header.Get("Cache-Control"), "immutable") || len(f.body) == 0 {
				t.Errorf("%s: %v", file, f.header)
			}
		}
	}
	if a := w.plain("GET", "/", nil); a.status != 200 { // the client followed to the desk
		t.Errorf("/: %d", a.status)
	}
	w.plain("GET", "/assets/main-OLD.js", nil).refused(404, field.CodeNotFound)
	w.plain("GET", "/assets/../openapi.yaml", nil).refused(404, field.CodeNotFound)
	w.plain("POST", "/desk", nil).refused(405, field.CodeMethodNotAllowed)
	start(t).plain("GET", "/desk", nil).refused(404, field.CodeNotFound)
}
