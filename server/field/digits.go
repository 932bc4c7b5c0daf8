package field

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// digitOf is the value of a character that stands for a digit: of any script, full-width, raised, lowered or in a
// circle, and of the Chinese numerals that are read one by one.
func digitOf(r rune) (v int, chinese, ok bool) {
	switch {
	case r >= '0' && r <= '9':
		return int(r - '0'), false, true
	case r < 0x80:
		return 0, false, false
	case r >= 0x3400 && r < 0xa000, r == '〇', r == '○':
		v, ok = chineseDigit(r)
		return v, true, ok
	}
	for _, row := range circled {
		if row.first <= r && r <= row.first+rune(row.n-1) {
			return row.value + int(r-row.first), false, true
		}
	}
	switch r {
	case '⁰', '₀', '⓪', '⓿':
		return 0, false, true
	case '²':
		return 2, false, true
	case '³':
		return 3, false, true
	case '¹':
		return 1, false, true
	}
	if !unicode.Is(unicode.Nd, r) {
		return 0, false, false
	}
	for _, t := range unicode.Nd.R16 { // each range begins with a zero and is a multiple of ten long
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10, false, true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10, false, true
		}
	}
	return 0, false, false
}

// circled are rows of digits that are no decimal digits of Unicode.
var circled = []struct {
	first rune
	value int
	n     int
}{
	{'⁴', 4, 6},
	{'₁', 1, 9},
	{'①', 1, 9},
	{'⑴', 1, 9},
	{'⒈', 1, 9},
	{'⓵', 1, 9},
	{'❶', 1, 9},
	{'➀', 1, 9},
	{'➊', 1, 9},
	{'㈠', 1, 9},
	{'㊀', 1, 9},
	{'🄁', 0, 10},
}

func chineseDigit(r rune) (int, bool) {
	switch r {
	case '〇', '零', '○':
		return 0, true
	case '一', '壹', '弌', '幺':
		return 1, true
	case '二', '贰', '貳', '弍':
		return 2, true
	case '三', '叁', '參', '叄', '弎':
		return 3, true
	case '四', '肆':
		return 4, true
	case '五', '伍':
		return 5, true
	case '六', '陆', '陸':
		return 6, true
	case '七', '柒':
		return 7, true
	case '八', '捌':
		return 8, true
	case '九', '玖':
		return 9, true
	}
	return 0, false
}

// isCheckX reports whether a character is, or looks like, the X at the end of an identity card's number.
func isCheckX(r rune) bool {
	switch r {
	case 'X', 'x', 'Ｘ', 'ｘ', 'Ⅹ', 'ⅹ', 'Х', 'х', 'Χ', 'χ', 'Ⓧ', 'ⓧ', '🅇', '🆇', '🅧', 'ˣ', 'ₓ':
		return true
	}
	// The mathematical alphabets, of 26 capitals and 26 small letters each.
	return 0x1d400 <= r && r <= 0x1d6a3 && (r-0x1d400)%26 == 23
}

// isTimes reports whether a character is a cross that many type for the X; between digits it is a sign like others.
func isTimes(r rune) bool { return r == '×' || r == '✕' || r == '╳' }

func digitBegins(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	_, _, ok := digitOf(r)
	return ok
}

// invisible reports whether a character takes no room: it is passed over as if it were not there.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Cc) && !lists(r) || r == 'ㅤ' || r == 'ﾠ' || r == 'ᅟ' || r == 'ᅠ'
}

// breaks reports whether a character cannot stand inside a number: a letter, another number, a unit. Spaces, dashes,
// dots, slashes and all other signs can.
func breaks(r rune) bool {
	switch {
	case invisible(r), unicode.Is(unicode.Lm, r): // ー, ˗ and such are taken for dashes
		return false
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.Is(unicode.Sc, r):
		return true
	}
	return strings.ContainsRune("%％‰°℃℉′″", r)
}

// lists reports whether a character rather stands between numbers than in one.
func lists(r rune) bool { return strings.ContainsRune(",，、;；:：|\n\r\t\v\f\u2028\u2029", r) }

// namedByMachine gives the length of a UUID, or of a hash or another name of that sort, that begins here; 0: of none.
// Their digits are of no person.
func namedByMachine(s string, at int) int {
	if !isWordByte(s[at]) || at > 0 && isWordByte(s[at-1]) {
		return 0
	}
	if end := at + 36; end <= len(s) && isUUID(s[at:end]) && (end == len(s) || !isWordByte(s[end])) {
		return 36
	}
	end, letters, changes := at, 0, 0
	for hex := true; end < len(s) && isWordByte(s[end]); end++ {
		c := s[end]
		letter := c > '9'
		if letter {
			letters++
		}
		if end > at && letter != (s[end-1] > '9') {
			changes++
		}
		hex = hex && (!letter || c|0x20 <= 'f')
	}
	if n := end - at; n >= 32 && letters >= 2 || n >= 16 && changes >= 5 {
		return n
	}
	return 0
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isUUID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}
