package verify

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A value is read, or it is absent and the reason is noted. What cannot be read is never zero.

func (f *Facts) read(got tags, say *notes) {
	f.Make, f.Model, f.Software = got["Make"].text, got["Model"].text, got["Software"].text
	if v, there := got["Orientation"]; there {
		if o, ok := v.single(); ok && o >= 1 && o <= 8 && o == math.Trunc(o) {
			f.Orientation = int(o)
		} else {
			say.add("Orientation is none")
		}
	}
	f.taken(got, say)
	f.satellites(got, say)
	f.position(got, say)
	if len(got) == 0 {
		return
	}
	f.Tags = map[string]any{}
	for name, v := range got {
		if p := v.plain(); p != "" {
			f.Tags[v.dir+" "+name] = p
		}
	}
}

// single is the number of a value of one; also of a text that is a number.
func (v value) single() (float64, bool) {
	if len(v.nums) > 0 {
		return v.nums[0].n, v.nums[0].ok()
	}
	n, err := strconv.ParseFloat(v.text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// blank reports whether a text is what EXIF has for "not known": spaces and colons, or zeros.
func blank(s string) bool { return strings.Trim(s, " :0-/") == "" }

// Forms of a moment: that of EXIF and those that are met instead of it, all from the year to the second.
var (
	momentForm  = regexp.MustCompile(`^(\d{4})[:\-/._年 ](\d{1,2})[:\-/._月 ](\d{1,2})日?[Tt ]+(\d{1,2})[:\-.时 ](\d{1,2})(?:[:\-.分 ](\d{1,2})秒?)?(?:[.,]\d{1,9})? ?(AM|PM|am|pm|上午|下午)? ?([Zz]|[+-]\d\d?:?\d{0,2})?$`)
	compactForm = regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)[Tt ]?(\d\d)(\d\d)(\d\d)()([Zz]|[+-]\d\d?:?\d{0,2})?$`)
	plainForm   = regexp.MustCompile(`^\d{4}:\d\d:\d\d \d\d:\d\d:\d\d$`)
)

func (f *Facts) taken(got tags, say *notes) {
	inside := "" // an offset within DateTimeOriginal
	if v, there := got["DateTimeOriginal"]; there {
		s := digits(v.text)
		at, offset, why := moment(s)
		switch {
		case why != "":
			say.add("DateTimeOriginal %s", why)
		case s != v.text || !plainForm.MatchString(s) || s[11:13] == "24" || s[17:] == "60":
			say.add("DateTimeOriginal is written in another form than EXIF's: %s", s)
			fallthrough
		default:
			f.TakenLocal, inside = at.Format("2006-01-02T15:04:05"), offset
		}
	}
	stated := got["OffsetTimeOriginal"].text
	if blank(stated) && !strings.Contains(stated, "0") {
		stated = inside
	}
	if stated == "" {
		return
	}
	offset, exact := offsetOf(stated)
	if offset == "" {
		say.add("OffsetTimeOriginal is no offset")
		return
	}
	if !exact {
		say.add("OffsetTimeOriginal is written in another form than EXIF's: %s", stated)
	}
	f.TakenOffset = offset
}

// moment reads a time of a camera, and an offset that stands within; or says why not.
func moment(s string) (at time.Time, offset, why string) {
	if blank(s) {
		return at, "", "is empty: the clock was not set"
	}
	m := momentForm.FindStringSubmatch(s)
	if m == nil {
		m = compactForm.FindStringSubmatch(s)
	}
	if m == nil {
		return at, "", "is no time"
	}
	part := func(i int) int {
		n, _ := strconv.Atoi(m[i]) // only digits, or nothing: the seconds were left out
		return n
	}
	year, month, day, hour, minute, second := part(1), part(2), part(3), part(4), part(5), part(6)
	switch strings.ToLower(m[7]) {
	case "am", "上午":
		if hour > 12 {
			return at, "", "is no time"
		}
		hour %= 12
	case "pm", "下午":
		if hour > 12 {
			return at, "", "is no time"
		}
		hour = hour%12 + 12
	}
	if hour == 24 { // some phones count the hour after midnight so, on the new day
		hour = 0
	}
	if second == 60 { // a leap second
		second = 59
	}
	at = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if month < 1 || month > 12 || at.Day() != day || hour > 23 || minute > 59 || second > 59 || year < 1 {
		return at, "", "is no time"
	}
	return at, m[8], ""
}

var (
	offsetForm = regexp.MustCompile(`^[+-](0\d|1[0-4]):[0-5]\d$`)
	looseForm  = regexp.MustCompile(`^([+-])(\d\d?)(?::?([0-5]\d))?$`)
)

// offsetOf reads an offset from UTC; exact when it is written as EXIF wants it.
func offsetOf(s string) (offset string, exact bool) {
	s = digits(s)
	if offsetForm.MatchString(s) {
		return s, true
	}
	switch strings.ToUpper(s) {
	case "Z", "UTC", "GMT":
		return "+00:00", false
	}
	s = strings.NewReplacer("−", "-", " ", "", "UTC", "", "GMT", "").Replace(strings.ToUpper(s))
	m := looseForm.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	hours, _ := strconv.Atoi(m[2]) // two digits
	if m[3] == "" {
		m[3] = "00"
	}
	offset = fmt.Sprintf("%s%02d:%s", m[1], hours, m[3])
	if !offsetForm.MatchString(offset) {
		return "", false
	}
	return offset, false
}

// digits writes the digits of other scripts in Latin ones: the cameras of some phones follow the language of the phone.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 127 && unicode.IsDigit(r) {
			zero := r
			for unicode.IsDigit(zero-1) && r-zero < 9 { // digits of a script stand together, from its zero
				zero--
			}
			return '0' + (r - zero)
		}
		return r
	}, s)
}

var dayForm = regexp.MustCompile(`^(\d{4})[:\-/. ](\d{1,2})[:\-/. ](\d{1,2})`)

// satellites reads the time of the GPS receiver.
func (f *Facts) satellites(got tags, say *notes) {
	date, there := got["GPSDateStamp"]
	clock, too := got["GPSTimeStamp"]
	if !there || !too {
		return // receivers that have no fix write one of them
	}
	none := func(why string) { say.add("GPSDateStamp and GPSTimeStamp are no time: %s", why) }
	d := dayForm.FindStringSubmatch(digits(date.text))
	if d == nil {
		none("the date cannot be read")
		return
	}
	y, _ := strconv.Atoi(d[1]) // digits all of them
	m, _ := strconv.Atoi(d[2])
	day, _ := strconv.Atoi(d[3])
	nums := clock.numbers()
	if len(nums) < 3 {
		none("the clock has no hours, minutes and seconds")
		return
	}
	for _, n := range nums[:3] {
		if !n.ok() {
			none("a part of the clock is divided by 0")
			return
		}
	}
	h, min, s := nums[0].n, nums[1].n, nums[2].n
	at := time.Date(y, time.Month(m), day, 0, 0, 0, 0, time.UTC)
	if m < 1 || m > 12 || at.Day() != day || y < 1980 || h < 0 || h >= 24 || min < 0 || min >= 60 || s < 0 || s >= 61 {
		none("there is no such day or hour")
		return
	}
	at = at.Add(time.Duration(math.Round((h*3600+min*60+s)*1e3)) * time.Millisecond)
	f.GPSTime = &at
}

// numbers are those of a value; a text of numbers counts, with whatever stands between them.
func (v value) numbers() []number {
	if len(v.nums) > 0 || v.text == "" {
		return v.nums
	}
	var out []number
	for _, s := range strings.FieldsFunc(v.text, func(r rune) bool { return !unicode.IsDigit(r) && r != '.' && r != '-' && r != '+' }) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil
		}
		if out = append(out, number{n, n, 1}); len(out) == mostNumbers {
			break
		}
	}
	return out
}

// Why there is no position although the file speaks of one.
const (
	PositionZero       = "zero"       // 0, 0: the receiver had no fix
	PositionIncomplete = "incomplete" // a coordinate or its reference is missing
	PositionUnreadable = "unreadable" // what stands there is no position
)

func (f *Facts) position(got tags, say *notes) {
	none := func(code, why string) {
		f.NoPosition = code
		say.add("%s", why)
	}
	latitude, ok1 := got["GPSLatitude"]
	longitude, ok2 := got["GPSLongitude"]
	if !ok1 && !ok2 {
		return
	}
	if !ok1 || !ok2 {
		none(PositionIncomplete, "the GPS position lacks a coordinate")
		return
	}
	lat, why1 := degrees(latitude, "GPSLatitude", say)
	lon, why2 := degrees(longitude, "GPSLongitude", say)
	if why := cmp.Or(why1, why2); why != "" {
		none(PositionUnreadable, "there is no GPS position: "+why)
		return
	}
	if lat == 0 && lon == 0 {
		none(PositionZero, "the GPS position is 0, 0: the receiver had none")
		return
	}
	var ok bool
	if lat, ok = signed(lat, got["GPSLatitudeRef"], 'N', 'S', "北南"); ok {
		lon, ok = signed(lon, got["GPSLongitudeRef"], 'E', 'W', "东西東西")
	}
	switch {
	case !ok:
		none(PositionIncomplete, "the GPS position lacks the reference of a coordinate, or it cannot be read")
		return
	case math.Abs(lat) > 90 || math.Abs(lon) > 180:
		none(PositionUnreadable, "the GPS position is not on Earth")
		return
	}
	p := &Position{Lat: lat, Lon: lon, Datum: got["GPSMapDatum"].text}
	if v, there := got["GPSHPositioningError"]; there {
		if a, ok := v.single(); ok && a >= 0 {
			p.Accuracy = &a
		} else {
			say.add("GPSHPositioningError is no number")
		}
	}
	if v, there := got["GPSImgDirection"]; there {
		if b, ok := v.single(); ok && b >= 0 && b <= 360 {
			p.Bearing = &b
			if ref := strings.ToUpper(got["GPSImgDirectionRef"].text); strings.HasPrefix(ref, "T") || strings.HasPrefix(ref, "M") {
				p.BearingRef = ref[:1]
			}
		} else {
			say.add("GPSImgDirection is no direction")
		}
	}
	f.Position = p
}

// degrees reads degrees, minutes and seconds; or degrees and minutes, or degrees alone, with their fractions.
func degrees(v value, name string, say *notes) (float64, string) {
	nums := v.numbers()
	if len(nums) == 0 {
		return 0, name + " cannot be read"
	}
	if len(nums) != 3 || v.text != "" {
		say.add("%s is written in another form than EXIF's", name)
	}
	sum, unit := 0.0, 1.0
	for i, n := range nums[:min(3, len(nums))] {
		if !n.ok() {
			return 0, name + " is divided by 0"
		}
		if i > 0 && (n.n < 0 || n.n > 60) {
			if n.n < 0 {
				return 0, name + " cannot be read"
			}
			say.add("%s has more than 60 minutes or seconds", name)
		}
		part := n.n / unit
		if nums[0].n < 0 && i > 0 {
			part = -part
		}
		sum += part
		unit *= 60
	}
	return sum, ""
}

// signed gives a coordinate the sign of its reference, of which the first letter counts. A negative coordinate without
// a reference has its sign already.
func signed(d float64, ref value, plus, minus rune, words string) (float64, bool) {
	text := strings.ToUpper(ref.text)
	if len(ref.nums) > 0 { // one byte
		text = strings.ToUpper(string(rune(int(math.Max(0, math.Min(127, ref.nums[0].n))))))
	}
	first, _ := utf8.DecodeRuneInString(text)
	for i, w := range []rune(words) {
		if first == w {
			first = []rune{plus, minus}[i%2]
		}
	}
	switch {
	case first == plus && d >= 0:
		return d, true
	case first == minus:
		return -math.Abs(d), true
	case d < 0 && (text == "" || first == plus):
		return d, text == ""
	}
	return 0, false
}

const maxText = 200 // characters of an EXIF text

// clean makes a text of a camera fit for people: valid, without control characters, short, and ended by its NUL.
func clean(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText])
	}
	return s
}
