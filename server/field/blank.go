package field

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Blank reports whether nothing of a text can be seen: it is empty, or made of spaces (of any width, U+3000 too), of
// characters without width or of combining marks that stand on nothing. All that asks for a reason, a title, a name or
// an answer asks it, so that what cannot be seen is nowhere something that was said.
func Blank[T ~string | ~[]byte](text T) bool {
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		}
		if visible(r) {
			return false
		}
		i += size
	}
	return true
}

// visible goes by the categories of Unicode. Characters of private use are seen: rare ones of names stand there in
// older systems.
func visible(r rune) bool {
	switch {
	case r > ' ' && r < unicode.MaxASCII:
		return true
	case r == '\u2800', r == '\U0001d159': // a pattern of Braille without dots, and a note without a head
		return false
	}
	return !unicode.In(r, unicode.Z, unicode.M, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point)
}

// sameText reports whether two texts are the same to who reads them: é may be one character or two (Unicode's canonical
// equivalence, UAX 15). What was written is kept as it was written.
func sameText(a, b string) bool { return a == b || norm.NFC.String(a) == norm.NFC.String(b) }
