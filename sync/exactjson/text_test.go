package exactjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"fieldclue/sync/exactjson"
)

var texts = []string{
	"", "a", "plain text of more than eight bytes", "付款与进度不符，账目“不清”——见附件…", "<b>", "a&b", ">", "seven77<", "eight888>", "tab\there",
	"line\nline", `quote"`, `back\slash`, "\x00", "\x1f", "\x7f", " ", "\u2028", "1234567\u2029", "\u2027\u202a", "\xff", "\xe4\xba", "ends in \xe4\xba",
	"\xed\xa0\x80 half a surrogate", "\xe0\x80\x80 too long", "\xf0\x9f\x98\x80 😀", "\xf4\x90\x80\x80", "\xc3\xa9é", "\xef\xbf\xbd", "=", "<=>", "\u00a0",
	strings.Repeat("台账与现场不符。", 40), strings.Repeat("x", 63) + "&",
}

// What is written here is what encoding/json writes, byte by byte: hashes of the log stand on it.
func TestTextsAreWrittenAsJSONWritesThem(t *testing.T) {
	for _, s := range texts {
		sameText(t, s)
		sameValue(t, []byte(s))
		sameValue(t, []byte(`"`+s+`"`))
		sameValue(t, []byte(`{"a" : "`+s+`", "b":[1 , 2]}`))
	}
	for _, v := range []string{
		"1", "-1.5e3", "true", "null", "tru", "{}", " {}", `{"a":"<"}`, `"a" `, ` "a"`, `"a""b"`, `"\u0041\n\/"`, `"\u004"`, `"\x"`, `"\"`, `"`,
		"[1 ,2]", "01", "[1,]", "\"a\nb\"", `"\ud800"`,
	} {
		sameValue(t, []byte(v))
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sameText(t, s)
		sameValue(t, []byte(s))
		sameValue(t, []byte(`"`+s+`"`))
	})
}

func sameText(t *testing.T, s string) {
	t.Helper()
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := exactjson.AppendText([]byte("-"), s); string(got) != "-"+string(want) {
		t.Errorf("%q is written %s instead of %s", s, got[1:], want)
	}
}

func sameValue(t *testing.T, v []byte) {
	t.Helper()
	want, err := json.Marshal(json.RawMessage(v))
	got, gotErr := exactjson.AppendValue([]byte("-"), v)
	if (err == nil) != (gotErr == nil) {
		t.Fatalf("%q: %v instead of %v", v, gotErr, err)
	}
	if err == nil && !bytes.Equal(got[1:], want) {
		t.Errorf("%q is written %s instead of %s", v, got[1:], want)
	}
	read, _ := exactjson.Text(v) // not a text: empty
	var s string
	if json.Unmarshal(v, &s) != nil || len(v) > 0 && v[0] != '"' {
		s = ""
	}
	if trimmed := bytes.TrimSpace(v); len(trimmed) == len(v) && read != s {
		t.Errorf("%q reads as %q instead of %q", v, read, s)
	}
}
