package fieldclue_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// commentWidth is at which column comments are wrapped, a tab counting for four.
const commentWidth = 120

var (
	prose   = regexp.MustCompile(`^\t*// [^\s*#|•-]`) // no list, no table, no code
	unclear = regexp.MustCompile(`(?i)\b(whoever|the own)\b`)
)

// Comments are wrapped at one width, and no sentence of ours says "whoever" or leaves open whose own a thing is.
func TestCommentsReadAlike(t *testing.T) {
	lines := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || path == "comments_test.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			_, comment, found := strings.Cut(line, "//")
			if found && unclear.MatchString(comment) {
				t.Errorf("%s:%d: say who, or whose: %s", path, n+1, strings.TrimSpace(comment))
			}
			if !prose.MatchString(line) {
				continue
			}
			lines++
			if width := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); width > commentWidth {
				t.Errorf("%s:%d: a comment of %d columns; they are wrapped at %d", path, n+1, width, commentWidth)
			}
		}
		return nil
	})
	if err != nil || lines < 3000 {
		t.Errorf("%d lines of comments, %v", lines, err)
	}
}
