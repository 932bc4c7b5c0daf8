package fieldclue_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quotedTests = regexp.MustCompile("`([a-z/]+)`: (`(?:Test|Fuzz)[A-Za-z0-9]+`(?:, `(?:Test|Fuzz)[A-Za-z0-9]+`)*)")
	quotedTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	quotedPlace = regexp.MustCompile("`((?:server|sync|media|tools)/[a-z/]+(?:\\.go)?)`(?: \\(([^)]*)\\))?")
	quotedName  = regexp.MustCompile("`([A-Za-z]+)`")
)

// The page of what is enforced names tests, files and functions that are there.
func TestThePageOfSecurityNamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	found := 0
	for _, m := range quotedTests.FindAllStringSubmatch(page, -1) {
		tests := sources(t, m[1], true)
		for _, name := range quotedTest.FindAllStringSubmatch(m[2], -1) {
			found++
			if !strings.Contains(tests, "\nfunc "+name[1]+"(") {
				t.Errorf("%s has no %s", m[1], name[1])
			}
		}
	}
	if all := len(quotedTest.FindAllString(page, -1)); found != all || all < 100 {
		t.Errorf("%d tests are named, and %d of them behind a package", all, found)
	}
	for _, m := range quotedPlace.FindAllStringSubmatch(page, -1) {
		code := sources(t, m[1], false)
		for _, name := range quotedName.FindAllStringSubmatch(m[2], -1) {
			if !regexp.MustCompile(`\nfunc (\([^)]*\) )?` + name[1] + `[\[(]|\nvar ` + name[1] + ` `).MatchString(code) {
				t.Errorf("%s has no %s", m[1], name[1])
			}
		}
	}
}

// sources reads a file, or those of a folder: its tests, or the others.
func sources(t *testing.T, place string, tests bool) string {
	t.Helper()
	if _, err := os.Stat(place); err != nil {
		t.Error(err)
		return ""
	}
	var all strings.Builder
	err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && path == place {
			return err
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests {
			return nil
		}
		text, err := os.ReadFile(path)
		all.WriteString("\n" + string(text))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return all.String()
}

// A decision is one page, and so is the README: what needs more is two decisions.
func TestADecisionIsOnePage(t *testing.T) {
	pages, err := filepath.Glob("docs/decisions/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d decisions, %v", len(pages), err)
	}
	onePage(t, "README.md", 150)
	for _, page := range pages {
		onePage(t, page, 82)
	}
}

func onePage(t *testing.T, page string, most int) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > most {
		t.Errorf("%s has %d lines; a page has %d", page, lines, most)
	}
}

var (
	linked    = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)           // [a page](decisions/keys.md#how)
	citedPage = regexp.MustCompile("(?:`|docs/)((?:[a-z-]+/)*[a-z-]+\\.md)") // `keys.md`, docs/decisions/keys.md
)

// What a page links to, and what code and pages cite by its name, is there.
func TestPagesThatAreCitedAreThere(t *testing.T) {
	found := 0
	everyText(t, func(path, text string) {
		there := func(name string, folders ...string) {
			found++
			for _, folder := range folders {
				if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
					return
				}
			}
			t.Errorf("%s cites %s, which is not there", path, name)
		}
		if strings.HasSuffix(path, ".md") {
			for _, m := range linked.FindAllStringSubmatch(text, -1) {
				there(m[1], filepath.Dir(path))
			}
		}
		for _, m := range citedPage.FindAllStringSubmatch(text, -1) {
			there(m[1], filepath.Dir(path), ".", "docs", "docs/decisions")
		}
	})
	if found < 100 {
		t.Errorf("%d pages are cited", found)
	}
}

// everyText reads the pages and the code of the repository, one after the other, by their paths.
func everyText(t *testing.T, read func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			read(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
