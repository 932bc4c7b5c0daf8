package field

import (
	"strings"
	"unicode/utf8"
)

// A note is read by many, an identity by three. A number that names a person has no place in a text: a mobile number of
// the mainland, the number of an identity card (GB 11643-1999 with its check digit, or the older one of 15 digits), a
// bank card. How such a number is told from an amount, a contract number or a coordinate, however it is written, and
// what is let through on purpose, stands in docs/decisions/identity.md. The folding of digits is done here by the
// tables of the standard library: package field is built on nothing else, and of NFKC only what turns into a digit or a
// separator matters.

// HasIdentity reports whether a text holds a number that names a person.
func HasIdentity(s string) bool { return mayIdentify(s) && len(identityIn(s, true)) > 0 }

// MaskIdentity puts ▪ for each character of such numbers and leaves the rest of the text as it is.
func MaskIdentity(s string) string {
	if !mayIdentify(s) {
		return s
	}
	found := identityIn(s, false)
	if len(found) == 0 {
		return s
	}
	var b strings.Builder
	next, to := 0, 0 // the stretches begin one behind the other
	for at, r := range s {
		for ; next < len(found) && found[next].from <= at; next++ {
			to = max(to, found[next].to)
		}
		in := at < to
		if _, _, digit := digitOf(r); in && (digit || isCheckX(r)) {
			b.WriteString(masked)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

const masked = "▪"

// stretch is a part of a text, in bytes.
type stretch struct{ from, to int }

// fewest is how many digits the shortest of the numbers has.
const fewest = 11

// mayIdentify counts digits: most texts have too few of them to be looked at further.
func mayIdentify[T []byte | string](s T) bool {
	n := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			n++
			i++
		case c == '\\': // an escape of JSON may stand for a digit
			n++
			i++
		case c|0x20 == 'e' && i > 0 && s[i-1] >= '0' && s[i-1] <= '9': // and so may the power of a JSON number
			return true
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			if _, _, ok := digitOf(r); ok {
				n++
			}
			i += size
		}
		if n >= fewest {
			return true
		}
	}
	return false
}

// group is a run of digits with nothing between them.
type group struct {
	stretch
	digits  string // '0' to '9', as many as matter; the check character X is a group of its own
	chinese bool
	gap     gap // between the group before and this one
}

// gap says what stands between two groups.
type gap struct {
	broken bool // they do not belong together
	list   bool // a comma, a colon or a new line: they seldom do
	only   rune // the gap is this character alone; 0: another gap
}

func (g *group) isX() bool { return g.digits == "X" }

// identityIn finds the numbers of a text; the first alone, if asked so. A number begins and ends with groups of digits,
// so that what stands between its digits does not hide it, and a longer number that contains its digits is not it.
func identityIn(s string, first bool) []stretch {
	groups := groupsOf(s)
	parts := partsOf(groups)
	var found []stretch
	var digits [maxNumber + 1]byte
	for i := range groups {
		if groups[i].isX() {
			continue
		}
		d := digits[:0]
		for j := i; j < len(groups) && (j == i || !groups[j].gap.broken); j++ {
			if len(d)+len(groups[j].digits) > maxNumber {
				break
			}
			d = append(d, groups[j].digits...)
			if len(d) < fewest {
				continue
			}
			if kind := numberOf(string(d)); kind != noNumber && !otherwise(s, groups, parts, i, j, kind) {
				found = append(found, stretch{groups[i].from, groups[j].to})
				if first {
					return found
				}
			}
			if groups[j].isX() {
				break
			}
		}
	}
	return found
}

// groupsOf reads the digits of a text.
func groupsOf(s string) []group {
	var groups []group
	next := gap{broken: true}
	fresh := true // the next digit begins a group
	between := 0  // characters since the last digit
	for at := 0; at < len(s); {
		if n := namedByMachine(s, at); n > 0 {
			next, fresh = gap{broken: true}, true
			at += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		v, chinese, ok := digitOf(r)
		x := !ok && (isCheckX(r) || isTimes(r) && !digitBegins(s[at+size:]))
		switch last := len(groups) - 1; {
		case (ok || x) && !fresh && !x && !groups[last].isX() && groups[last].chinese == chinese:
			if len(groups[last].digits) <= maxNumber {
				groups[last].digits += string(rune('0' + v))
			}
			groups[last].to = at + size
		case ok || x:
			g := group{stretch: stretch{at, at + size}, digits: "X", chinese: chinese, gap: next}
			if ok {
				g.digits = string(rune('0' + v))
			}
			if !fresh {
				g.gap = gap{}
			}
			groups = append(groups, g)
			next, fresh, between = gap{}, false, 0
		default:
			if fresh = true; !invisible(r) {
				between++
				next.only = r
				if between > 1 {
					next.only = 0
				}
			}
			next.broken = next.broken || breaks(r)
			next.list = next.list || lists(r)
		}
		at += size
	}
	for i := range groups {
		if g := &groups[i]; g.gap.list && !g.gap.broken {
			g.gap.broken = !longList(groups, i)
		}
	}
	return groups
}

// longList reports whether a comma stands between two groups as it would in a number of a person that somebody has cut:
// both are long, and none is part of a decimal number.
func longList(groups []group, i int) bool {
	dotted := func(i int) bool {
		return i > 0 && i < len(groups) && !groups[i].gap.broken && groups[i].gap.only == '.'
	}
	ends := i == len(groups)-1 || i == len(groups)-2 && groups[i+1].isX()
	return len(groups[i-1].digits) >= 3 && (len(groups[i].digits) >= 3 || ends) && !dotted(i-1) && !dotted(i+1)
}

// part is a stretch of groups that says something else: it is no part of a number, or only as a whole.
type part struct {
	first, last int
	kind        int
}

const (
	anAmount = iota // 1,234,567.89
	aDate           // 2026-01-02
	aPlace          // 26.647661 106.630153
)

// partsOf finds amounts, dates and coordinates: for each group the one to which it belongs, or nil.
func partsOf(groups []group) []*part {
	parts := make([]*part, len(groups))
	put := func(i, n, kind int) int {
		p := &part{i, i + n - 1, kind}
		for k := i; k < i+n; k++ {
			parts[k] = p
		}
		return n - 1
	}
	for i := 0; i < len(groups); i++ {
		if n := amountAt(groups, i); n > 0 {
			i += put(i, n, anAmount)
		} else if dateAt(groups, i) {
			i += put(i, 3, aDate)
		} else if placeAt(groups, i) {
			i += put(i, 4, aPlace)
		}
	}
	return parts
}

// amountAt counts the groups of an amount with commas for thousands, up to a billion billion fen: what is longer is
// none.
func amountAt(groups []group, i int) int {
	if len(groups[i].digits) > 3 || groups[i].isX() || i > 0 && isComma(groups[i].gap.only) {
		return 0
	}
	n, whole := 1, len(groups[i].digits)
	for i+n < len(groups) && isComma(groups[i+n].gap.only) {
		if len(groups[i+n].digits) != 3 {
			return 0
		}
		whole += 3
		n++
	}
	if n == 1 || whole > 12 {
		return 0
	}
	if i+n < len(groups) && groups[i+n].gap.only == '.' && len(groups[i+n].digits) <= 2 {
		n++
	}
	return n
}

func isComma(r rune) bool { return r == ',' || r == '，' }

// dateAt reports whether three groups are a day: 2026-01-02, 2026/1/2, 2026.1.2.
func dateAt(groups []group, i int) bool {
	if i+2 >= len(groups) || len(groups[i].digits) != 4 {
		return false
	}
	sep := groups[i+1].gap.only
	return (sep == '-' || sep == '/' || sep == '.') && groups[i+2].gap.only == sep &&
		between(groups[i].digits, 1900, 2099) && len(groups[i+1].digits) <= 2 && len(groups[i+2].digits) <= 2 &&
		between(groups[i+1].digits, 1, 12) && between(groups[i+2].digits, 1, 31)
}

// placeAt reports whether four groups are a latitude and a longitude of China in degrees, in either order.
func placeAt(groups []group, i int) bool {
	if i+3 >= len(groups) || groups[i+1].gap.only != '.' || groups[i+3].gap.only != '.' || len(groups[i+1].digits) < 4 || len(groups[i+3].digits) < 4 {
		return false
	}
	a, b := groups[i].digits, groups[i+2].digits
	lat := func(s string) bool { return len(s) == 2 && between(s, 15, 54) }
	lon := func(s string) bool { return len(s) <= 3 && between(s, 73, 136) }
	return lat(a) && lon(b) || lon(a) && lat(b)
}

func between(digits string, low, high int) bool {
	n := 0
	for _, c := range []byte(digits) {
		if c == 'X' || n > 1e6 {
			return false
		}
		n = 10*n + int(c-'0')
	}
	return low <= n && n <= high
}

// otherwise reports whether what looks like a number of a person, in groups i to j, says something else.
func otherwise(s string, groups []group, parts []*part, i, j int, kind number) bool {
	for _, p := range parts[i : j+1] {
		if p == nil {
			continue
		}
		whole := i <= p.first && p.last <= j
		switch {
		case kind == cardID:
			continue // its check digit and its date are not there by chance
		case p.kind == anAmount, !whole, p.kind == aDate && kind == mobile, p.kind == aPlace && kind != mobile:
			return true
		}
	}
	if kind == mobile && isSerial(s, groups, i, j) {
		return true
	}
	return kind == mobile && len(groups[i].digits)+len(groups[j].digits) >= fewest && j-i <= 1 && isMoney(s, groups, i, j)
}

// isSerial reports whether groups i to j are written as numbers of papers and versions are: HT16-345454001, v3-1….
// Nobody writes a telephone number with a dash behind its first or second digit, and a letter before that.
func isSerial(s string, groups []group, i, j int) bool {
	from := groups[i].from
	return j == i+1 && len(groups[i].digits) <= 2 && groups[j].gap.only == '-' && from > 0 && isWordByte(s[from-1]) && s[from-1] > '9'
}

// isMoney reports whether a currency stands at a number that is written as an amount is: whole, or with up to two
// decimals.
func isMoney(s string, groups []group, i, j int) bool {
	if j == i+1 && (groups[j].gap.only != '.' || len(groups[j].digits) > 2) {
		return false
	}
	to := groups[j].to
	if j == i && j+1 < len(groups) && groups[j+1].gap.only == '.' && len(groups[j+1].digits) <= 2 {
		to = groups[j+1].to
	}
	before, after := strings.TrimRight(s[:groups[i].from], " "), strings.TrimLeft(s[to:], " ")
	for _, c := range []string{"¥", "￥", "$", "€", "人民币", "RMB", "CNY", "金额"} {
		if strings.HasSuffix(before, c) {
			return true
		}
	}
	for _, c := range []string{"元", "圆", "万元", "亿元", "人民币", "RMB", "CNY", "yuan"} {
		if strings.HasPrefix(after, c) {
			return true
		}
	}
	return false
}
