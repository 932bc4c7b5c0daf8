package field

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A note is read by many, an identity by three. A number that names a person has no place in a text: a mobile number of the
// mainland, the number of an identity card (GB 11643-1999 with its check digit, or the older one of 15 digits), a bank card.
// How such a number is told from an amount, a contract number or a coordinate, however it is written, and what is let
// through on purpose, stands in docs/decisions/identity.md. The folding of digits is done here by the tables of the standard library:
// package field is built on nothing else, and of NFKC only what turns into a digit or a separator matters.

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

// identityIn finds the numbers of a text; the first alone, if asked so. A number begins and ends with groups of digits, so that
// what stands between its digits does not hide it, and a longer number that contains its digits is not it.
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

// longList reports whether a comma stands between two groups as it would in a number of a person that somebody has cut: both
// are long, and none is part of a decimal number.
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

// amountAt counts the groups of an amount with commas for thousands, up to a billion billion fen: what is longer is none.
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

// isSerial reports whether groups i to j are written as numbers of papers and versions are: HT16-345454001, v3-1…. Nobody writes a
// telephone number with a dash behind its first or second digit, and a letter before that.
func isSerial(s string, groups []group, i, j int) bool {
	from := groups[i].from
	return j == i+1 && len(groups[i].digits) <= 2 && groups[j].gap.only == '-' && from > 0 && isWordByte(s[from-1]) && s[from-1] > '9'
}

// isMoney reports whether a currency stands at a number that is written as an amount is: whole, or with up to two decimals.
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

// number is what a row of digits may be.
type number int

const (
	noNumber number = iota
	mobile
	cardID // 18 characters
	oldID  // 15 digits
	bankCard
)

// maxNumber is the length of the longest.
const maxNumber = 19

// prefixes are what is dialled before a mobile number: out of another city, out of another country.
var prefixes = []string{"0", "86", "860", "0086", "00860"}

func numberOf(d string) number {
	switch {
	case isMobile(d), slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(d, p) && isMobile(d[len(p):]) }):
		return mobile
	case isCardID(d):
		return cardID
	case strings.Contains(d, "X"):
		return noNumber
	case isOldID(d):
		return oldID
	case isBankCard(d):
		return bankCard
	}
	return noNumber
}

func isMobile(d string) bool {
	return len(d) == 11 && d[0] == '1' && d[1] >= '3' && d[1] <= '9' && d[10] != 'X'
}

// provinces are the first two digits of GB/T 2260.
var provinces = []string{
	"11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44", "45", "46",
	"50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83",
}

func isRegion(d string) bool { return slices.Contains(provinces, d[:2]) && d[2:6] != "0000" }

func isDay(year int, d string) bool {
	if !between(d[:2], 1, 12) || !between(d[2:4], 1, 31) {
		return false
	}
	days := []int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days[1] = 29
	}
	month := int(d[0]-'0')*10 + int(d[1]-'0')
	return between(d[2:4], 1, days[month-1])
}

func value(d string) int {
	n := 0
	for _, c := range []byte(d) {
		n = 10*n + int(c-'0')
	}
	return n
}

// isCardID checks region, day and the check digit of GB 11643-1999 (ISO 7064, MOD 11-2).
func isCardID(d string) bool {
	if len(d) != 18 || strings.Contains(d[:17], "X") || !isRegion(d) || !between(d[6:10], 1850, 2099) || !isDay(value(d[6:10]), d[10:]) {
		return false
	}
	sum := 0
	for i, weight := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += weight * int(d[i]-'0')
	}
	return d[17] == "10X98765432"[sum%11]
}

// isOldID checks region and day. There is no check digit; they were given to nobody born after 1999, and whoever was born before 1921
// has had another one: so a project's number of region, year and sequence is none.
func isOldID(d string) bool {
	return len(d) == 15 && isRegion(d) && between(d[6:8], 21, 99) && isDay(1900+value(d[6:8]), d[8:])
}

// issuers are the first digits of bank cards, with the lengths of their numbers.
var issuers = []struct{ low, high, shortest, longest int }{
	{60, 60, 16, 19}, {62, 62, 16, 19}, {81, 81, 16, 19}, {9558, 9559, 16, 19}, {940, 940, 16, 19}, {690755, 690755, 15, 18}, // UnionPay, and older cards
	{4, 4, 13, 13}, {4, 4, 16, 16}, {4, 4, 19, 19}, // Visa
	{51, 55, 16, 16}, {2221, 2720, 16, 16}, // MasterCard
	{34, 34, 15, 15}, {37, 37, 15, 15}, {3528, 3589, 16, 16}, {30, 30, 14, 14}, {36, 36, 14, 14}, {38, 39, 14, 14}, {64, 65, 16, 16},
}

// isBankCard checks the issuer and the Luhn digit.
func isBankCard(d string) bool {
	if len(d) < 13 || len(d) > 19 {
		return false
	}
	known := slices.ContainsFunc(issuers, func(i struct{ low, high, shortest, longest int }) bool {
		n := 1
		for m := i.low; m >= 10; m /= 10 {
			n++
		}
		return between(d[:n], i.low, i.high) && i.shortest <= len(d) && len(d) <= i.longest
	})
	if !known || (d[0] == '4' || d[0] == '5') && isRegion(d) && between(d[6:10], 2000, 2049) { // a project's number: region, year
		return false
	}
	sum := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// digitOf is the value of a character that stands for a digit: of any script, full-width, raised, lowered or in a circle, and of
// the Chinese numerals that are read one by one.
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

// breaks reports whether a character cannot stand inside a number: a letter, another number, a unit. Spaces, dashes, dots,
// slashes and all other signs can.
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

// namedByMachine gives the length of a UUID, or of a hash or another name of that sort, that begins here; 0: of none. Their digits are of no person.
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

// eachText calls fn for every text of a JSON value, names of members included, and for every whole number, as long as
// fn returns true. It never recurses; what is no JSON is read as far as it goes.
func eachText(v []byte, fn func(from, to int, text string, isNumber bool) bool) {
	for at := 0; at < len(v); {
		switch c := v[at]; {
		case c == '"':
			end := textEnd(v, at)
			s, ok := readText(v[at:end])
			if !ok { // not well formed
				s = string(v[at:end])
			}
			if !fn(at, end, s, false) {
				return
			}
			at = end
		case c >= '0' && c <= '9' || c == '-':
			end := at + 1
			for end < len(v) && bytes.IndexByte([]byte("0123456789+-.eE"), v[end]) >= 0 {
				end++
			}
			if text, ok := wholeNumber(string(v[at:end])); ok && !fn(at, end, text, true) {
				return
			}
			at = end
		default:
			at++
		}
	}
}

// wholeNumber is the value of a JSON number in plain digits, if it is a whole one of a length that matters: 1.3812e4 is 13812.
func wholeNumber(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") {
		return s, true
	}
	mantissa, power, _ := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	shift := 0
	if power != "" {
		var err error
		if shift, err = strconv.Atoi(power); err != nil || shift < -2*maxNumber || shift > 2*maxNumber {
			return "", false
		}
	}
	point := len(whole) + shift
	digits := whole + fraction + strings.Repeat("0", max(0, shift-len(fraction)))
	if point < 0 || strings.Trim(digits[min(point, len(digits)):], "0") != "" {
		return "", false
	}
	return strings.TrimLeft(digits[:min(point, len(digits))], "-0"), true
}

// textEnd gives where the JSON string that begins at v[at] ends.
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

// IdentityIn reports whether a JSON value says a number of a person: in a text, in the name of a member, or as a number.
func IdentityIn(v Value) bool { return identityInValue(v, true) }

func identityInValue(v Value, numbers bool) (found bool) {
	if !mayIdentify([]byte(v)) {
		return false
	}
	eachText(v, func(_, _ int, text string, isNumber bool) bool {
		found = (numbers || !isNumber) && HasIdentity(text)
		return !found
	})
	return found
}

// MaskedValue is a JSON value with such numbers masked, and otherwise as it is.
func MaskedValue(v Value) Value {
	if !IdentityIn(v) {
		return v
	}
	var out []byte
	last := 0
	eachText(v, func(from, to int, text string, isNumber bool) bool {
		if m := MaskIdentity(text); m != text {
			out = AppendText(append(out, v[last:from]...), m)
			last = to
		}
		return true
	})
	return append(out, v[last:]...)
}

// identityIn reports whether what is to be set in a field says a number of a person. A field of numbers may hold any number.
func (f *Field) identityIn(v Value) bool {
	if !mayIdentify([]byte(v)) {
		return false
	}
	if f.Keyed { // given whole, with a value for each key, or as the value of one
		one := *f
		one.Keyed = false
		var members map[string]Value
		if json.Unmarshal(v, &members) == nil {
			for key, m := range members {
				if HasIdentity(key) || one.identityIn(m) {
					return true
				}
			}
		}
		return one.identityIn(v)
	}
	switch {
	case f.Type == Object:
		var list []Value
		if json.Unmarshal(v, &list) == nil {
			return slices.ContainsFunc(list, f.identityIn)
		}
		var members map[string]Value
		if json.Unmarshal(v, &members) != nil {
			return IdentityIn(v)
		}
		for name, m := range members {
			i := slices.IndexFunc(f.Fields, func(x Field) bool { return x.Name == name })
			if HasIdentity(name) || i < 0 && IdentityIn(m) || i >= 0 && f.Fields[i].identityIn(m) {
				return true
			}
		}
		return false
	case f.Type == Number || f.Type == Integer:
		return identityInValue(v, false)
	}
	return IdentityIn(v) || HasIdentity(strings.Join((&Record{Fields: map[string]Value{"": v}}).Texts(""), "\n"))
}

// Identity finds, among what is to be set in records of the kind or given to one of its commands, the first name of
// something that says a number of a person; empty: nothing does. It takes values as they came, checked or not, any command, and a
// nil kind. What the kind does not know is looked at all the same.
func (s *Spec) Identity(set map[string]Value, command string, args map[string]Value) string {
	found := ""
	look := func(name string, f *Field, v Value) {
		if (found == "" || name < found) && (HasIdentity(name) || f == nil && IdentityIn(v) || f != nil && f.identityIn(v)) {
			found = name
		}
	}
	for path, v := range set {
		look(path, s.Named(path), v)
	}
	if found != "" || len(args) == 0 {
		return found
	}
	var known []Field
	if s != nil && s.Command(command) != nil {
		known = s.Command(command).Args
	}
	for name, v := range args {
		var f *Field
		if i := slices.IndexFunc(known, func(x Field) bool { return x.Name == name }); i >= 0 {
			f = &known[i]
		}
		look(name, f, v)
	}
	return found
}

// Named is the field of a path, or of a keyed field's own name; nil when there is none, or no kind.
func (s *Spec) Named(path string) *Field {
	if s == nil {
		return nil
	}
	if f, _ := s.Field(path); f != nil {
		return f
	}
	return s.field[path]
}

// Spoken refuses a number of a person in anything that somebody sets or gives as an argument: every kind, every text. The
// name of the field is told, the number never.
func (s *Spec) Spoken(set map[string]Value, command string, args map[string]Value) error {
	if name := s.Identity(set, command, args); name != "" {
		return Refuse(CodeIdentityInText, "%s holds an ID, phone or bank card number. Identities belong in the vault, not in a text.", clip(MaskIdentity(name))).
			InChinese("%s 中含有身份证号、电话号码或银行卡号；身份信息应存入保密库，不得写入任何文本。", clip(MaskIdentity(name)))
	}
	return nil
}
