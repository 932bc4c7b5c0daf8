package field

import (
	"slices"
	"strings"
)

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

// isOldID checks region and day. There is no check digit; they were given to nobody born after 1999, and who was born
// before 1921 has had another one: so a project's number of region, year and sequence is none.
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
