package web_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/web"
)

// The screens are one page with two files, whose names say what is in them, and nothing is asked of elsewhere.
func TestTheScreensAreBundled(t *testing.T) {
	site, err := web.Build()
	if err != nil {
		t.Fatal(err)
	}
	again, err := web.Build()
	if err != nil {
		t.Fatal(err)
	}
	if len(site.Assets) != 2 || string(site.Desk) != string(again.Desk) {
		t.Errorf("%d files, and two builds give\n%s\n%s", len(site.Assets), site.Desk, again.Desk)
	}
	var named []string
	for _, m := range regexp.MustCompile(`"`+web.Base+`([^"]+)"`).FindAllStringSubmatch(string(site.Desk), -1) {
		named = append(named, m[1])
	}
	for name, file := range site.Assets {
		if !slices.Contains(named, name) || len(file.Body) < 1000 || file.Type == "" {
			t.Errorf("%s: %d bytes of %q", name, len(file.Body), file.Type)
		}
		if text := string(file.Body); strings.Contains(text, "://") && !strings.Contains(text, "http://www.w3.org/2000/svg") || strings.Contains(text, "innerHTML") {
			t.Errorf("%s names another place, or writes markup", name)
		}
	}
	if len(named) != 2 || strings.Contains(string(site.Desk), "<script>") || strings.Contains(string(site.Desk), "<style>") {
		t.Errorf("the page is\n%s", site.Desk)
	}
}
