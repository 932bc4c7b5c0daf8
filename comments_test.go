package fieldclue_test

import (
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
	everyText(t, func(path, text string) {
		if !strings.HasSuffix(path, ".go") || path == "comments_test.go" {
			return
		}
		for n, line := range strings.Split(text, "\n") {
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
	})
	if lines < 3000 {
		t.Errorf("%d lines of comments", lines)
	}
}
