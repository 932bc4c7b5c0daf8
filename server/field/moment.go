package field

import (
	"time"

	"fieldclue/sync/exactjson"
)

// A point in time is written in one way: RFC 3339 to the letter, in UTC, to the millisecond, which is what MongoDB
// keeps. So two texts of one moment are equal byte for byte, and order as the moments do. Phones write it in each way
// that RFC 3339 has.

// momentForm is how points in time are stored.
const momentForm = "2006-01-02T15:04:05.000Z"

// The years within which a stated time is taken, whatever the clock said: with them every zone has four digits for the
// year.
var (
	firstMoment = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	lastMoment  = time.Date(9998, 12, 31, 0, 0, 0, 0, time.UTC)
)

// ParseTime reads a point in time as RFC 3339 (section 5.6) has it, and as nothing else: two digits for the hour, a
// full stop before at most nine digits of a second, an offset of less than a day, a day that the month has. A
// lower-case t or z is legal, and so is the leap second :60 at the end of a month in UTC, which becomes the second
// after it, as in POSIX. The package time takes more than that and knows no leap second. Times are in UTC, to the
// millisecond.
func ParseTime(s string) (at time.Time, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || len(s) > len("2006-01-02T15:04:05.999999999+08:00") {
		return at, false
	}
	for i, c := range []byte("0000-00-00T00:00:00") {
		digit := s[i] >= '0' && s[i] <= '9'
		if c == '0' && !digit || c == 'T' && s[i] != 'T' && s[i] != 't' || (c == '-' || c == ':') && s[i] != c {
			return at, false
		}
	}
	year, month, day := int(s[0]-'0')*1000+int(s[1]-'0')*100+pair(s[2:]), pair(s[5:]), pair(s[8:])
	hour, minute, second := pair(s[11:]), pair(s[14:]), pair(s[17:])
	rest, nanos := s[19:], 0
	if rest[0] == '.' {
		n := 1
		for unit := 100_000_000; n < len(rest) && rest[n] >= '0' && rest[n] <= '9'; n, unit = n+1, unit/10 {
			if unit == 0 { // the tenth digit
				return at, false
			}
			nanos += int(rest[n]-'0') * unit
		}
		if n == 1 {
			return at, false
		}
		rest = rest[n:]
	}
	offset, ok := offsetOf(rest)
	if !ok || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60 {
		return at, false
	}
	leap := second == 60
	if leap {
		second = 59
	}
	at = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if at.Day() != day { // the month has no such day
		return at, false
	}
	at = at.Add(-offset)
	if leap {
		at = at.Add(time.Second)
		if at.Day() != 1 || at.Hour() != 0 || at.Minute() != 0 || at.Second() != 0 {
			return at, false
		}
	}
	return at.Truncate(time.Millisecond), true
}

func pair(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

func offsetOf(s string) (time.Duration, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) != len("+08:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	for _, i := range []int{1, 2, 4, 5} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hours, minutes := pair(s[1:]), pair(s[4:])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// stamp writes a point in time.
func stamp(t time.Time) string { return t.UTC().Format(momentForm) }

// checkTime reads a stated time. Ahead: a plan, which lies within this century. Every other is what a clock said:
// evidence, which is taken as it was stated. What makes it doubtful is said beside it (see clock.go).
func (f *Field) checkTime(s string) (Value, error) {
	at, ok := ParseTime(s)
	switch {
	case !ok:
		return nil, f.refuse(CodeBadTime, "is not a time such as 2026-11-23T09:00:00.000+08:00 (RFC 3339, with an offset)", "不是时间（RFC 3339，须带时区，格式如 2026-11-23T09:00:00.000+08:00）")
	case f.Ahead && (at.Before(earliest) || at.After(latest)):
		return nil, f.refuse(CodeBadTime, "is not between 2000 and 2100", "不在 2000 年至 2100 年之间")
	case at.Before(firstMoment) || at.After(lastMoment):
		return nil, f.refuse(CodeBadTime, "has a year that no clock shows", "的年份不是任何时钟会显示的")
	}
	return exactjson.AppendText(nil, stamp(at)), nil
}

// Same reports whether two values of the field say the same: a time that an older server kept as it came is the moment
// that it states.
func (f *Field) Same(a, b Value) bool {
	if string(a) == string(b) {
		return true
	}
	if a == nil || b == nil || !f.holdsTime() {
		return false
	}
	x, err := f.Check(a)
	if err != nil {
		return false
	}
	y, err := f.Check(b)
	return err == nil && string(x) == string(y)
}

func (f *Field) holdsTime() bool {
	if f.Type == Time {
		return true
	}
	for i := range f.Fields {
		if f.Fields[i].holdsTime() {
			return true
		}
	}
	return false
}

// Beijing is the zone in which people read times, cameras without a zone count, and days and years begin. China has one
// zone and no summer time.
var Beijing = time.FixedZone("UTC+8", 8*60*60)

// DayOf is the day of a moment in Beijing, such as "2026-11-23".
func DayOf(t time.Time) string { return t.In(Beijing).Format(time.DateOnly) }
