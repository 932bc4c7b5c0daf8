package verify

import (
	"fmt"
	"slices"
)

// notes are problems in the order in which they were met, each once and not many: a hostile file has thousands.
type notes struct{ list []string }

const mostNotes = 20

func (n *notes) add(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if len(n.list) < mostNotes && !slices.Contains(n.list, s) {
		n.list = append(n.list, s)
	}
}
