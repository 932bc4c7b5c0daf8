package exactjson

import "bytes"

// What is here takes any bytes, for it is asked before anybody has read them. It never recurses.

// Depth returns how deeply a text is nested.
func Depth(v []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(v); {
		switch v[i] {
		case '"':
			i = textEnd(v, i)
			continue
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
		i++
	}
	return deepest
}

// Leaves calls fn with the bytes v[from:to] of every string, names of members included, and of every number, as long as
// fn returns true. What is no JSON is read as far as it goes.
func Leaves(v []byte, fn func(from, to int) bool) {
	for at := 0; at < len(v); {
		end := at + 1
		switch c := v[at]; {
		case c == '"':
			end = textEnd(v, at)
		case c >= '0' && c <= '9' || c == '-':
			for end < len(v) && bytes.IndexByte([]byte("0123456789+-.eE"), v[end]) >= 0 {
				end++
			}
		default:
			at = end
			continue
		}
		if !fn(at, end) {
			return
		}
		at = end
	}
}

// textEnd gives where the string that begins at v[at] ends.
func textEnd(v []byte, at int) int {
	for at++; at < len(v); at++ {
		switch v[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(v)
}
