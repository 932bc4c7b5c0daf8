package field_test

import (
	"bytes"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// absurd are values of every shape that are longer than anything that may be kept.
var absurd = []string{
	`"` + strings.Repeat("长", 1<<16) + `"`,
	`"` + strings.Repeat("\\u0001", 1<<15) + `"`,
	`1.` + strings.Repeat("3", 1<<16),
	`1` + strings.Repeat("0", 1<<16),
	`"2026-11-23T08:00:00.` + strings.Repeat("0", 1<<16) + `Z"`,
	`"2026-11-23T08:00:00Z` + strings.Repeat(" ", 1<<16) + `"`,
	`[` + strings.Repeat(`"x",`, 1<<16) + `"x"]`,
	`[` + strings.Repeat(`{},`, 1<<16) + `{}]`,
	strings.Repeat("[", 1<<16) + strings.Repeat("]", 1<<16),
	`{"lat":27.` + strings.Repeat("3", 1<<16) + `,"lon":105}`,
	`{"` + strings.Repeat("k", 1<<16) + `":1}`,
	`{"value":"` + strings.Repeat("长", 1<<16) + `"}`,
	`{"value":1.` + strings.Repeat("3", 1<<16) + `}`,
}

// Every field of every kind and every argument has a bound in bytes: what is longer is refused with a code, and no
// bound is beyond what a record may have, but for what the server itself puts together.
func TestEveryFieldHasABoundInBytes(t *testing.T) {
	check := func(where string, f *field.Field) {
		most := f.Bytes()
		if most <= 0 || !f.Server && !f.Long && most > field.MaxValue {
			t.Errorf("%s may have %d bytes", where, most)
		}
		for i, text := range absurd {
			v, err := f.Check(field.Value(text))
			switch {
			case err == nil && len(v) > most:
				t.Errorf("%s takes %d bytes of absurd value %d, its bound is %d", where, len(v), i, most)
			case err != nil && field.AsError(err).Kind != field.ErrorInvalid:
				t.Errorf("%s, absurd value %d: %v", where, i, err)
			}
		}
		if v, err := f.Check(field.Value(strings.Repeat(" ", 1<<20) + "null")); v != nil || err != nil {
			t.Errorf("%s: space before nothing is %s, %v", where, v, err)
		}
	}
	for _, s := range field.Kinds() {
		for i := range s.Fields {
			check(string(s.Kind)+"."+s.Fields[i].Name, &s.Fields[i])
		}
		for _, cmd := range s.Commands {
			for i := range cmd.Args {
				check(string(s.Kind)+"."+cmd.Name+"."+cmd.Args[i].Name, &cmd.Args[i])
			}
		}
	}
}

// A record grows up to a bound, and one that is over it already can still be worked with.
func TestARecordHasABound(t *testing.T) {
	report := field.KindOf(field.KindReport)
	full := &field.Record{Kind: field.KindReport, Fields: map[string]field.Value{}}
	for _, item := range []string{"a", "b", "c"} {
		full.Fields["answers."+item] = field.Value(`"` + strings.Repeat("x", 40_000) + `"`)
	}
	if err := report.Fits(nil, full); err != nil {
		t.Errorf("a long report: %v", err)
	}
	more := full.Clone()
	more.Fields["answers.d"] = full.Fields["answers.a"]
	if err := report.Fits(full, more); !field.Is(err, field.CodeTooLong) {
		t.Errorf("a report without end: %v", err)
	}
	less := more.Clone()
	less.Fields["answers.d"] = bytes.TrimSpace(field.Value(`"short"`))
	if err := report.Fits(more, less); err != nil {
		t.Errorf("an old one that becomes shorter: %v", err)
	}
}
