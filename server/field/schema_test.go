package field_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/exactjson"
)

func TestWrongValuesAreRefusedWithTheirCode(t *testing.T) {
	long := `"` + strings.Repeat("字", 201) + `"`
	cases := []struct {
		kind        field.Kind
		path, value string
		code        field.Code // empty: accepted
	}{
		{field.KindSite, "name", `"水厂"`, ""},
		{field.KindSite, "name", `7`, field.CodeWrongType},
		{field.KindSite, "name", `"` + "\xff" + `"`, field.CodeWrongType},
		{field.KindSite, "name", `"a\u0000b"`, field.CodeWrongType},
		{field.KindSite, "name", `"  "`, field.CodeMissingField},
		{field.KindSite, "name", long, field.CodeTooLong},
		{field.KindSite, "radius", `300`, ""},
		{field.KindSite, "radius", `"300"`, field.CodeWrongType},
		{field.KindSite, "radius", `NaN`, field.CodeWrongType},
		{field.KindSite, "radius", `1e999`, field.CodeOutOfRange},
		{field.KindSite, "radius", `0`, field.CodeOutOfRange},
		{field.KindSite, "radius", `50001`, field.CodeOutOfRange},
		{field.KindSite, "region", `"520502"`, ""},
		{field.KindSite, "region", `"5205"`, field.CodeWrongType},
		{field.KindSite, "position", `{"lat":27.3,"lon":105.3,"accuracy":8,"source":"gnss","system":"wgs84"}`, ""},
		{field.KindSite, "position", `{"lat":91,"lon":105.3}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":27.3,"lon":-181}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":0,"lon":0}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":27.3}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":27.3,"lon":105.3,"accuracy":-1}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":"27","lon":105.3}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":27.3,"lon":105.3,"height":1}`, field.CodeBadPosition},
		{field.KindSite, "position", `{"lat":27.3,"lon":105.3,"source":"magic"}`, field.CodeBadChoice},
		{field.KindSite, "position", `{"lat":27.3,"lon":105.3,"system":"mars"}`, field.CodeBadChoice},
		{field.KindSite, "projectId", `"0193"`, field.CodeBadID},
		{field.KindSite, "projectId", `"019300F1-0000-7000-8000-000000000001"`, field.CodeBadID},
		{field.KindSite, "orgs", `["gz","B J"]`, field.CodeBadID},
		{field.KindSite, "orgs", `{"0":"gz"}`, field.CodeWrongType},
		{field.KindSite, "orgs", `[` + strings.TrimSuffix(strings.Repeat(`"gz",`, 11), ",") + `]`, field.CodeTooLong},
		{field.KindSite, "photoPoints", `{"gate":{"label":"大门"}}`, ""},
		{field.KindSite, "photoPoints", `{"the gate":{"label":"大门"}}`, field.CodeUnknownField},
		{field.KindSite, "photoPoints", `{"gate":{}}`, field.CodeMissingField},
		{field.KindSite, "photoPoints", `{"gate":{"label":"大门","colour":"red"}}`, field.CodeUnknownField},
		{field.KindSite, "photoPoints", `[]`, field.CodeWrongType},
		{field.KindSite, "households", `[{"alias":"甲户","petitioned":true}]`, field.CodeMovedField},
		{field.KindSite, "households", `null`, field.CodeMovedField},
		{field.KindHousehold, "petitioned", `"yes"`, field.CodeWrongType},
		{field.KindSite, "voidReason", `"r"`, field.CodeReadOnlyField},
		{field.KindSite, "colour", `"red"`, field.CodeUnknownField},
		{field.KindReport, "startedAt", `"2026-11-23T09:00:00+08:00"`, ""},
		{field.KindReport, "startedAt", `"2026-11-23T09:00:00"`, field.CodeBadTime},
		{field.KindReport, "startedAt", `"1970-01-01T00:00:00Z"`, ""},
		{field.KindReport, "startedAt", `"2038-01-19T03:14:08Z"`, ""},
		{field.KindReport, "startedAt", `"2026-11-25T02:00:00Z"`, ""},
		{field.KindReport, "startedAt", `"9999-12-31T23:59:59Z"`, field.CodeBadTime},
		{field.KindCode, "until", `"2101-01-01T00:00:00Z"`, field.CodeReadOnlyField},
		{field.KindReport, "activeSeconds", `1.5`, field.CodeWrongType},
		{field.KindReport, "activeSeconds", `-1`, field.CodeOutOfRange},
		{field.KindReport, "photos", `["` + strings.Repeat("a", 64) + `"]`, ""},
		{field.KindReport, "photos", `["` + strings.Repeat("A", 64) + `"]`, field.CodeWrongType},
		{field.KindReport, "answers", `{"roof":{"value":["a","b"]}}`, ""},
		{field.KindReport, "answers", `{"roof":{"value":{"deep":1}}}`, field.CodeWrongType},
		{field.KindReport, "answers", `{"roof":{"value":[1]}}`, field.CodeWrongType},
		{field.KindReport, "severity", `3`, field.CodeReadOnlyField},
		{field.KindProject, "type", `"industry"`, ""},
		{field.KindProject, "type", `"casino"`, field.CodeBadChoice},
		{field.KindProject, "milestones", `[{"name":"m","planned":"2026-02-30"}]`, field.CodeBadTime},
		{field.KindProject, "payments", `[{"date":"2026-01-01","amount":1}]`, field.CodeMovedField},
		{field.KindPayment, "payeeKind", `"ghost"`, field.CodeBadChoice},
		{field.KindFinding, "helpNeeded", `1`, field.CodeWrongType},
	}
	for _, tc := range cases {
		_, err := field.KindOf(tc.kind).Flatten(map[string]field.Value{tc.path: field.Value(tc.value)}, false)
		switch {
		case tc.code == "" && err != nil:
			t.Errorf("%s.%s = %s is refused: %v", tc.kind, tc.path, tc.value, err)
		case tc.code != "" && !field.Is(err, tc.code):
			t.Errorf("%s.%s = %s: want %s, got %v", tc.kind, tc.path, tc.value, tc.code, err)
		}
	}
}

func TestADocumentHoldsWhatWasSet(t *testing.T) {
	set := map[string]field.Value{
		"siteId":  field.Quote(siteID),
		"answers": field.Value(`{"roof":{"value":"leaks"},"a-b":{"cannotObtain":"因为 <雨>"}}`),
		"summary": field.Value(`"quote \" and é"`),
	}
	flat, err := field.KindOf(field.KindReport).Flatten(set, false)
	if err != nil {
		t.Fatal(err)
	}
	doc := (&field.Record{Fields: flat}).Document()
	var got, want any
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	whole, _ := json.Marshal(set) // raw values marshal
	if err := json.Unmarshal(whole, &want); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)  // came from JSON
	b, _ := json.Marshal(want) // came from JSON
	if !bytes.Equal(a, b) {
		t.Errorf("\n%s\nwant\n%s", a, b)
	}
}

// Whatever bytes come, the answer is a refusal with a code, or values that are stored as valid JSON and are taken again
// unchanged.
func FuzzFlatten(f *testing.F) {
	for _, seed := range []string{
		`{"answers":{"roof":{"value":"leaks"}}}`, `{"position":{"lat":27,"lon":105}}`, `{"inspectors":["` + string(ann) + `"]}`,
		`{"photos":[null]}`, `{"answers":null}`, `{"answers":{"a":null}}`, `{"answers.a":{"value":1e400}}`, `{"startedAt":""}`, `{"returnedItems":[]}`,
	} {
		for i := range field.Kinds() {
			f.Add(i, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind int, raw []byte) {
		var set map[string]field.Value
		if kind < 0 || exactjson.Depth(raw) > 32 || json.Unmarshal(raw, &set) != nil {
			return
		}
		spec := field.Kinds()[kind%len(field.Kinds())]
		for _, server := range []bool{false, true} {
			flat, err := spec.Flatten(set, server)
			if err != nil {
				var e *field.Error
				if !errors.As(err, &e) || e.Kind == field.ErrorInternal {
					t.Fatalf("%s: %v", raw, err)
				}
				continue
			}
			again := map[string]field.Value{}
			for path, v := range flat {
				if v == nil {
					continue
				}
				if !json.Valid(v) {
					t.Fatalf("%s is stored as %q", path, v)
				}
				f, _ := spec.Field(path)
				c, err := f.Check(v)
				if err != nil || !bytes.Equal(c, v) {
					t.Fatalf("%s: %q is not taken again: %q, %v", path, v, c, err)
				}
				again[path] = v
			}
			r := &field.Record{Kind: spec.Kind, Fields: again, CreatedAt: time.Now()}
			field.Index(r)
			if doc := r.Document(); !json.Valid(doc) {
				t.Fatalf("the document of %s is %q", raw, doc)
			}
		}
	})
}

func TestIDsAreDerivedAlikeAndValid(t *testing.T) {
	a := field.DeriveID(morning, "notice", "x")
	if a != field.DeriveID(morning, "notice", "x") || a == field.DeriveID(morning, "notic", "ex") || !field.ValidID(string(a)) {
		t.Errorf("derived %s", a)
	}
	for _, bad := range []string{"", "x", strings.ToUpper(string(a)), strings.Replace(string(a), "-7", "-4", 1), string(a) + "0"} {
		if field.ValidID(bad) {
			t.Errorf("%q passes for an id", bad)
		}
	}
}

func TestReservedIDs(t *testing.T) {
	at := func(s string) field.RecordID {
		when, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return field.RandomID(when)
	}
	for id, want := range map[field.RecordID]bool{
		field.ServerID("grant", "x"): true, at("2027-01-01T00:00:00Z"): true, at("2027-01-01T08:00:00+08:00"): true,
		at("2020-01-01T00:00:00Z"): true, at("2027-01-01T00:00:00.001Z"): false, at("2026-12-31T23:59:59.999Z"): false,
		at("1970-01-01T00:00:00Z"): false, at("2026-11-28T14:00:00Z"): false, "": false, "0": false, "zzzzzzzz-zzzz-7": false,
	} {
		if field.ReservedID(id) != want {
			t.Errorf("%s: %v", id, !want)
		}
	}
}

// Who sends a value that is none of the choices is told which there are.
func TestTheChoicesAreNamed(t *testing.T) {
	f := field.Field{Name: "type", Type: field.Enum, Choices: []field.Choice{{Code: "road"}, {Code: "water"}}}
	_, err := f.Check(field.Quote("bridge"))
	if e := field.AsError(err); e.Code != field.CodeBadChoice || !strings.HasSuffix(e.Sentence(), ": road, water.") || !strings.HasSuffix(e.SentenceZH(), "：road、water。") {
		t.Errorf("%v %s", err, e.SentenceZH())
	}
}
