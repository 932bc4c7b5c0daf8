package api

import (
	"bytes"
	"encoding/json"
)

// fewNames is how many names of one object are compared one by one; past that they are kept in a map.
const fewNames = 16

// names are those of one object, or of a list, which has none.
type names struct {
	list     bool
	expected bool // a name comes next, not a value
	few      [][]byte
	many     map[string]bool
}

// repeated notes a name and reports whether it was there before.
func (n *names) repeated(name []byte) bool {
	if len(n.few) < fewNames {
		for _, known := range n.few {
			if bytes.Equal(known, name) {
				return true
			}
		}
		n.few = append(n.few, name)
		return false
	}
	if len(n.many) == 0 {
		n.many = map[string]bool{}
		for _, known := range n.few {
			n.many[string(known)] = true
		}
	}
	if n.many[string(name)] {
		return true
	}
	n.many[string(name)] = true
	return false
}

// repeatedName finds a name that stands twice in one object, at any depth. Readers differ on which of the two counts, so
// a body that has one is refused instead of being read in one of the two ways. The body must not be nested deeply; a text
// that is no JSON may be answered either way, and is refused by the handler that parses it.
func repeatedName(body []byte) (name string, found bool) {
	var stack []names
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if len(stack) < cap(stack) {
				stack = stack[:len(stack)+1]
			} else {
				stack = append(stack, names{})
			}
			top := &stack[len(stack)-1]
			*top = names{list: body[i] == '[', expected: body[i] == '{', few: top.few[:0]}
		case '}', ']':
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		case ',':
			if len(stack) > 0 {
				top := &stack[len(stack)-1]
				top.expected = !top.list
			}
		case '"':
			text, escaped := textAt(body[i+1:])
			if len(stack) > 0 && stack[len(stack)-1].expected {
				top := &stack[len(stack)-1]
				top.expected = false
				read := text
				if escaped {
					var s string
					if json.Unmarshal(body[i:min(i+len(text)+2, len(body))], &s) == nil {
						read = []byte(s)
					}
				}
				if top.repeated(read) {
					return string(read), true
				}
			}
			i += len(text) + 1
		}
	}
	return "", false
}

// textAt gives what stands before the quotation mark that ends a text, as it is written there.
func textAt(b []byte) (text []byte, escaped bool) {
	for at := 0; ; {
		quote := bytes.IndexByte(b[at:], '"')
		if quote < 0 {
			return b, escaped
		}
		slash := bytes.IndexByte(b[at:at+quote], '\\')
		if slash < 0 {
			return b[:at+quote], escaped
		}
		escaped = true
		if at += slash + 2; at > len(b) {
			return b, escaped
		}
	}
}
