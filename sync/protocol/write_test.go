package protocol_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// The hash of an entry covers its bytes, and encoding/json wrote the first of them.
func TestBodiesAreWrittenAsJSONWritesThem(t *testing.T) {
	written(t, protocol.Body{})
	rapid.Check(t, func(rt *rapid.T) {
		var b protocol.Body
		fill(rt, reflect.ValueOf(&b).Elem(), false)
		written(t, b)
	})
}

// A member that is added to a body and forgotten by the code that writes it would be lost for ever: here every one is
// set.
func TestNoMemberOfABodyIsForgotten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b protocol.Body
		fill(rt, reflect.ValueOf(&b).Elem(), true)
		written(t, b)
	})
}

func written(t *testing.T, b protocol.Body) {
	t.Helper()
	want, wantErr := json.Marshal(b)
	e, err := protocol.Seal(b, time.Time{})
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%v instead of %v", err, wantErr)
	}
	if err == nil && string(e.Body) != string(want) {
		t.Fatalf("written\n%s\ninstead of\n%s", e.Body, want)
	}
}

func TestAValueThatIsNoJSONIsNotSealed(t *testing.T) {
	for _, v := range []string{"", "tru", `"`, `{"a":}`, "\"a\nb\""} {
		written(t, protocol.Body{Changes: []protocol.Change{{Set: map[string]field.Value{"a": field.Value(v)}}}})
	}
}

var words = []string{
	"", "a", "site/0193", "付款与进度不符", "<b>&amp;</b>", "two\nlines\t\"quoted\" \\", "\u2028\u2029", "“引号”——…", "\xff\xfe", "\x00\x7f",
	strings.Repeat("台账与现场不符。", 8), "😀", "\xed\xa0\x80",
}

var raws = []string{
	`1`, `-0.5e10`, `true`, `false`, `null`, `"x"`, `"付款 与 进度"`, `"\u003c\n"`, `"<"`, `"a b"`, `{"b":1,"a":[ 1 , "x y" ]}`, `[]`, ` 7 `, `"\ud800"`, "\"\u2028\"",
	`{"lat":26.1,"lon":107.5}`, "\"\xff\"",
}

// fill sets the members of v, all of them or some.
func fill(rt *rapid.T, v reflect.Value, all bool) {
	if v.Type() == reflect.TypeFor[field.Value]() {
		v.SetBytes([]byte(rapid.SampledFrom(raws).Draw(rt, "raw")))
		return
	}
	if !all && rapid.IntRange(0, 3).Draw(rt, "leave") == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		s := rapid.SampledFrom(words).Draw(rt, "word")
		if all {
			s += "x"
		}
		v.SetString(s)
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(1, 1<<62).Draw(rt, "number"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(rt, "byte")))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(rt, "bool"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rt, v.Elem(), all)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rt, v.Field(i), all)
		}
	case reflect.Slice:
		n := rapid.IntRange(1, 3).Draw(rt, "items")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rt, v.Index(i), all)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(1, 4).Draw(rt, "members") {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rt, key, all)
			fill(rt, value, all)
			v.SetMapIndex(key, value)
		}
	default:
		panic(fmt.Sprint("a body holds a ", v.Kind()))
	}
}
