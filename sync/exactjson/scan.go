package exactjson

import (
	"bytes"
	"math/bits"
)

// Scanner steps over JSON by its grammar, token by token, and hands out slices of it. It stops at the first thing that
// it does not take: from then on it is Bad and at its end. That the text is UTF-8 is for the caller to ask.
type Scanner struct {
	Deepest int  // how many objects and lists may lie in each other; 0: any number
	Once    bool // Value takes no object in which a name stands twice, is written with an escape, or is one of over 32

	b     []byte
	at    int
	bad   bool
	first bool // an object or a list was opened, and nothing of it read yet
	depth int
	wide  bool
}

// Scan begins at the start of a text.
func Scan(text []byte) Scanner { return Scanner{b: text} }

// Bad reports whether something was not taken.
func (s *Scanner) Bad() bool { return s.bad }

// Whole reports whether all was taken, to the end.
func (s *Scanner) Whole() bool { return !s.bad && s.at == len(s.b) }

// Spaced reports whether there was white space between tokens.
func (s *Scanner) Spaced() bool { return s.wide }

// Fail makes the scanner bad.
func (s *Scanner) Fail() { s.bad, s.at = true, len(s.b) }

// Peek gives the next byte, 0 at the end.
func (s *Scanner) Peek() byte {
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

// Space steps over white space.
func (s *Scanner) Space() {
	for s.at < len(s.b) && (s.b[s.at] == ' ' || s.b[s.at] == '\n' || s.b[s.at] == '\r' || s.b[s.at] == '\t') {
		s.at++
		s.wide = true
	}
}

func (s *Scanner) take(c byte) {
	if s.Peek() != c {
		s.Fail()
		return
	}
	s.at++
	s.Space()
}

// Open steps over the bracket that opens an object or a list. What is in it is read with
//
//	for s.Open('['); s.More(']'); {
//		s.Value()
//	}
func (s *Scanner) Open(bracket byte) {
	s.take(bracket)
	s.first = true
	if s.depth++; s.Deepest > 0 && s.depth > s.Deepest {
		s.Fail()
	}
}

// More reports whether there is another member or item before the bracket that closes, and steps over what lies
// between.
func (s *Scanner) More(closing byte) bool {
	s.Space()
	first := s.first
	s.first = false
	switch {
	case s.bad:
		return false
	case s.Peek() == closing:
		s.at++
		s.depth--
		return false
	case !first:
		s.take(',')
		return !s.bad
	}
	return true
}

// Name reads the name of a member, and the colon.
func (s *Scanner) Name() (inner []byte, escaped bool) {
	inner, escaped = s.Text()
	s.Space()
	s.take(':')
	return inner, escaped
}

// Text steps over a string and returns what stands between its quotation marks, escapes and all.
func (s *Scanner) Text() (inner []byte, escaped bool) {
	if s.Peek() != '"' {
		s.Fail()
		return nil, false
	}
	from := s.at + 1
	for at := from; ; {
		at += plainPrefix(s.b[at:])
		switch {
		case at >= len(s.b) || s.b[at] < 0x20:
			s.Fail()
			return nil, false
		case s.b[at] == '"':
			s.at = at + 1
			return s.b[from:at], escaped
		}
		escaped = true
		if at = escapeEnd(s.b, at); at < 0 {
			s.Fail()
			return nil, false
		}
	}
}

// Number steps over a number.
func (s *Scanner) Number() []byte {
	from := s.at
	if s.Peek() == '-' {
		s.at++
	}
	if s.Peek() == '0' {
		s.at++
	} else {
		s.digits()
	}
	if s.Peek() == '.' {
		s.at++
		s.digits()
	}
	if c := s.Peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.Peek(); c == '+' || c == '-' {
			s.at++
		}
		s.digits()
	}
	return s.since(from)
}

func (s *Scanner) digits() {
	from := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	if s.at == from {
		s.Fail()
	}
}

// Word steps over true, false or null.
func (s *Scanner) Word(w string) {
	if len(s.b)-s.at < len(w) || string(s.b[s.at:s.at+len(w)]) != w {
		s.Fail()
		return
	}
	s.at += len(w)
}

// Value steps over any value and returns it; nil when it is not taken.
func (s *Scanner) Value() []byte {
	from := s.at
	switch c := s.Peek(); c {
	case '"':
		s.Text()
	case '{':
		s.object()
	case '[':
		for s.Open('['); s.More(']'); {
			s.Value()
		}
	case 't':
		s.Word("true")
	case 'f':
		s.Word("false")
	case 'n':
		s.Word("null")
	default:
		s.Number()
	}
	return s.since(from)
}

func (s *Scanner) object() {
	var few [32][]byte
	n := 0
	for s.Open('{'); s.More('}'); {
		name, escaped := s.Name()
		if s.Once {
			if escaped || n == len(few) {
				s.Fail()
				return
			}
			for _, known := range few[:n] {
				if bytes.Equal(known, name) {
					s.Fail()
					return
				}
			}
			few[n] = name
			n++
		}
		s.Value()
	}
}

// since gives what was stepped over, with no room behind it.
func (s *Scanner) since(from int) []byte {
	if s.bad {
		return nil
	}
	return s.b[from:s.at:s.at]
}

// plainPrefix counts the bytes before the first that does not stand for itself in a JSON string: a control character, a
// quotation mark or a backslash.
func plainPrefix(s []byte) int {
	n := 0
	for ; n+8 <= len(s); n += 8 {
		x := word(s[n : n+8])
		found := (x-eachByte*0x20)&^x&topBits | zeroes(x^eachByte*'"') | zeroes(x^eachByte*'\\')
		if found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(s) && s[n] >= 0x20 && s[n] != '"' && s[n] != '\\'; n++ {
	}
	return n
}

// escapeEnd gives where the escape that begins at the backslash b[at] ends; -1 when it is none.
func escapeEnd(b []byte, at int) int {
	if at+1 >= len(b) {
		return -1
	}
	switch b[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2
	case 'u':
		if at+6 > len(b) {
			return -1
		}
		for _, c := range b[at+2 : at+6] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return -1
			}
		}
		return at + 6
	}
	return -1
}
