package exactjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Texts are looked at eight bytes at a time: a byte is zero where subtracting one borrows, and below 0x20 where
// subtracting 0x20 does. Only the lowest byte that is found is certain, and only that one is asked for.
const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

func word[T []byte | string](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func zeroes(x uint64) uint64 { return (x - eachByte) & ^x & topBits }

// Canonical reports whether s between quotation marks is the JSON string of s: as encoding/json writes it, which
// escapes <, >, &, U+2028 and U+2029 too.
func Canonical[T []byte | string](s T) bool {
	n, high := 0, uint64(0)
	for ; n+8 <= len(s); n += 8 {
		x := word(s[n : n+8])
		found := (x-eachByte*0x20)&^x&topBits | zeroes(x^eachByte*'"') | zeroes(x^eachByte*'\\') |
			zeroes(x^eachByte*'&') | zeroes(x&^(eachByte*2)^eachByte*'<') // '<' and '>' differ in one bit
		if found != 0 {
			return false
		}
		high |= x
	}
	for ; n < len(s); n++ {
		switch c := s[n]; {
		case c < 0x20, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		default:
			high |= uint64(c)
		}
	}
	if high&topBits == 0 {
		return true
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c < utf8.RuneSelf:
			i++
			continue
		case c > 0xe2 && c < 0xf0 && c != 0xed && i+2 < len(s) && s[i+1]&0xc0 == 0x80 && s[i+2]&0xc0 == 0x80:
			i += 3 // most of what is written in Chinese
			continue
		}
		r, size := utf8.DecodeRune([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			return false
		}
		i += size
	}
	return true
}

// Plain returns what stands between the quotation marks of a JSON string that is as AppendText writes it, without an
// escape.
func Plain(v []byte) (inner []byte, ok bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, false
	}
	inner = v[1 : len(v)-1]
	return inner, Canonical(inner)
}

// Text reads a JSON string; false when v is something else.
func Text(v []byte) (s string, ok bool) {
	if inner, ok := Plain(v); ok {
		return string(inner), true
	}
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}

// Unescape reads what stands between the quotation marks of a JSON string.
func Unescape(inner []byte) (s string, ok bool) {
	return Text(slices.Concat([]byte{'"'}, inner, []byte{'"'}))
}

// AppendText appends s as a JSON string.
func AppendText(b []byte, s string) []byte {
	if !Canonical(s) {
		q, _ := json.Marshal(s) // a string always marshals
		return append(b, q...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// AppendValue appends a JSON value as encoding/json writes a RawMessage: without space between tokens, and with <, >,
// &, U+2028 and U+2029 escaped.
func AppendValue(b, v []byte) ([]byte, error) {
	if inner, ok := stringOf(v); ok && !escapedByJSON(inner) {
		return append(b, v...), nil
	}
	switch string(v) {
	case "true", "false", "null":
		return append(b, v...), nil
	}
	if len(v) > 0 && v[0] > '0' && v[0] <= '9' && !slices.ContainsFunc(v, func(c byte) bool { return c < '0' || c > '9' }) {
		return append(b, v...), nil
	}
	q, err := json.Marshal(json.RawMessage(v))
	return append(b, q...), err
}

// stringOf returns what stands between the quotation marks if v is one JSON string, escapes and all.
func stringOf(v []byte) (inner []byte, ok bool) {
	s := Scan(v)
	inner, _ = s.Text()
	return inner, s.Whole()
}

// escapedByJSON reports whether encoding/json would write one of the bytes in another way.
func escapedByJSON(s []byte) bool {
	for n := 0; n+8 <= len(s); n += 8 {
		x := word(s[n : n+8])
		if zeroes(x^eachByte*'&')|zeroes(x&^(eachByte*2)^eachByte*'<') != 0 {
			return true
		}
	}
	for _, c := range s[len(s)&^7:] {
		if c == '&' || c == '<' || c == '>' {
			return true
		}
	}
	for at := 0; ; {
		i := bytes.IndexByte(s[at:], 0xe2)
		if i < 0 {
			return false
		}
		if at += i + 1; at+1 < len(s) && s[at] == 0x80 && s[at+1]&^1 == 0xa8 {
			return true
		}
	}
}
