package field_test

import (
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
)

func TestATimeIsRFC3339ToTheLetter(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-23T09:00:00+08:00":       "2026-11-23T01:00:00.000Z",
		"2026-11-23t01:00:00z":            "2026-11-23T01:00:00.000Z",
		"2026-11-23T01:00:00.5Z":          "2026-11-23T01:00:00.500Z",
		"2026-11-23T01:00:00.999999999Z":  "2026-11-23T01:00:00.999Z",
		"2026-11-23T01:00:00-00:00":       "2026-11-23T01:00:00.000Z",
		"2026-11-23T00:30:00+23:59":       "2026-11-22T00:31:00.000Z",
		"2024-02-29T00:00:00Z":            "2024-02-29T00:00:00.000Z",
		"2016-12-31T23:59:60Z":            "2017-01-01T00:00:00.000Z",
		"2017-01-01T07:59:60.25+08:00":    "2017-01-01T00:00:00.250Z",
		"1969-07-20T20:17:40Z":            "1969-07-20T20:17:40.000Z",
		"1970-01-01T08:00:00+08:00":       "1970-01-01T00:00:00.000Z",
		"2038-01-19T03:14:08Z":            "2038-01-19T03:14:08.000Z",
		"2026-11-23T01:00:00.1234567890Z": "",
		"2026-11-23T01:00:00.Z":           "",
		"2026-11-23T01:00:00,5Z":          "",
		"2026-11-23T9:00:00Z":             "",
		"2026-11-23T09:00Z":               "",
		"2026-11-23 09:00:00Z":            "",
		"2026-11-23T09:00:00":             "",
		"2026-11-23T09:00:00+0800":        "",
		"2026-11-23T09:00:00+08":          "",
		"2026-11-23T09:00:00+24:00":       "",
		"2026-11-23T09:00:00+08:60":       "",
		"2026-11-23T24:00:00Z":            "",
		"2026-11-23T09:60:00Z":            "",
		"2026-11-23T09:00:61Z":            "",
		"2026-11-23T09:00:60Z":            "", // no leap second is put in there
		"2016-12-31T23:59:60+08:00":       "",
		"2026-02-29T00:00:00Z":            "",
		"2026-13-01T00:00:00Z":            "",
		"2026-00-01T00:00:00Z":            "",
		"2026-11-00T00:00:00Z":            "",
		"02026-11-23T09:00:00Z":           "",
		"+2026-11-23T09:00:00Z":           "",
		"2026-11-23T09:00:00Z ":           "",
		" 2026-11-23T09:00:00Z":           "",
		"2026-11-23T09:00:00ZZ":           "",
		"２０２６-11-23T09:00:00Z":            "",
		"2026-11-23T09:00:00−08:00":       "",
		"2026-W48-1T09:00:00Z":            "",
		"9999-12-31T23:59:59Z":            "",
		"":                                "",
	} {
		got, err := field.KindOf(field.KindReport).Flatten(map[string]field.Value{"startedAt": field.Quote(text)}, false)
		switch {
		case want == "" && !field.Is(err, field.CodeBadTime):
			t.Errorf("%q is taken for %s: %v", text, got["startedAt"], err)
		case want != "" && (err != nil || string(got["startedAt"]) != `"`+want+`"`):
			t.Errorf("%q became %s, want %s: %v", text, got["startedAt"], want, err)
		}
	}
}

// Whatever is taken is what package time takes for the same moment, and is taken again as it is stored.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-23T09:00:00.123+08:00", "2016-12-31T23:59:60Z", "2026-11-23t09:00:00z", "2026-11-23T9:00:00,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := field.ParseTime(s)
		if !ok {
			return
		}
		if !strings.Contains(s, ":60") {
			want, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s))
			if err != nil || !want.Truncate(time.Millisecond).Equal(at) {
				t.Fatalf("%q is %s, and by package time %s: %v", s, at, want, err)
			}
		}
		if at.Year() < 1 || at.Year() > 9998 {
			return
		}
		stored := at.Format("2006-01-02T15:04:05.000Z")
		if again, ok := field.ParseTime(stored); !ok || !again.Equal(at) {
			t.Fatalf("%q is stored as %q, which is %s", s, stored, again)
		}
	})
}

func TestTimesThatSayTheSameAreTheSame(t *testing.T) {
	f, _ := field.KindOf(field.KindReport).Field("answers.roof")
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"at":"2026-11-23T09:00:00+08:00","value":1}`, `{"at":"2026-11-23T01:00:00.000Z","value":1}`, true},
		{`{"at":"2026-11-23T09:00:00+08:00","value":1}`, `{"at":"2026-11-23T01:00:01.000Z","value":1}`, false},
		{`{"at":"2026-11-23T09:00:00+08:00","value":1}`, `{"at":"2026-11-23T01:00:00.000Z","value":2}`, false},
		{`{"value":1}`, `{"value":1}`, true},
	} {
		if f.Same(field.Value(c.a), field.Value(c.b)) != c.same {
			t.Errorf("%s and %s: same is %v", c.a, c.b, !c.same)
		}
	}
}
