package mongo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"pgregory.net/rapid"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

func TestAssess(t *testing.T) {
	const uri = "mongodb://db.bijie.example:27018/?retryWrites=true"
	for _, c := range []struct {
		name    string
		hello   greeting
		refused []string // words of the refusal; none: accepted
	}{
		{"replica set 4.0", greeting{SetName: "rs0", MaxWireVersion: 7, Version: "4.0.28"}, nil},
		{"replica set 8.0", greeting{SetName: "rs0", MaxWireVersion: 25, Version: "8.0.4"}, nil},
		{"replica set 3.6", greeting{SetName: "rs0", MaxWireVersion: 6, Version: "3.6.23"}, []string{"3.6.23", "4.0"}},
		{"mongos 4.2", greeting{Message: "isdbgrid", MaxWireVersion: 8, Version: "4.2.1"}, nil},
		{"mongos 4.0", greeting{Message: "isdbgrid", MaxWireVersion: 7, Version: "4.0.28"}, []string{"shards", "4.2"}},
		{
			"stand-alone",
			greeting{MaxWireVersion: 21, Version: "7.0.1"},
			[]string{"--replSet fieldclue", `mongosh "mongodb://db.bijie.example:27018/?directConnection=true"`, `rs.initiate({_id: "fieldclue", members: [{_id: 0, host: "db.bijie.example:27018"}]})`, "replicaSet=fieldclue"},
		},
		{"never initiated", greeting{IsReplicaSet: true, MaxWireVersion: 21, Version: "7.0.1"}, []string{"not initiated", "rs.initiate("}},
		{"ferretdb", greeting{FerretDB: "v1.24.0", MaxWireVersion: 21, Version: "7.0.42"}, []string{"FerretDB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sv, err := assess(c.hello, uri, false)
			if c.refused == nil {
				if err != nil || sv.standIn || sv.name != "MongoDB" || sv.version != c.hello.Version {
					t.Fatalf("got %+v, %v", sv, err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, word := range c.refused {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
	if sv, err := assess(greeting{FerretDB: "v1.24.0"}, uri, true); err != nil || !sv.standIn || sv.version != "1.24.0" {
		t.Fatalf("in a test: %+v, %v", sv, err)
	}
	for uri, want := range map[string]string{
		"mongodb://a":                    "a:27017",
		"mongodb://u:p@a:1,b:2/?w=1":     "a:1",
		"mongodb://[::1]:27017/fields":   "[::1]:27017",
		"not a connection string at all": "127.0.0.1:27017",
	} {
		if got := hostOf(uri); got != want {
			t.Errorf("host of %q: %q, want %q", uri, got, want)
		}
	}
}

func labelled(labels ...string) error {
	return mongo.CommandError{Code: 1, Labels: labels, Message: "canned"}
}

var (
	transient = mongo.CommandError{Code: 112, Name: "WriteConflict", Labels: []string{"TransientTransactionError"}}
	duplicate = mongo.WriteException{WriteErrors: []mongo.WriteError{{Code: 11000, Message: "E11000 duplicate key error"}}}
)

func TestPersist(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name     string
		answers  []error // of the tries; the last one repeats
		why      error
		lookErr  error
		want     error
		code     field.Code
		tries    int
		replaced bool // whether the last try replaced all records
	}{
		{"committed", []error{nil}, nil, nil, nil, "", 1, false},
		{"a conflict passes", []error{transient, transient, nil}, nil, nil, nil, "", 3, true},
		{"a record was not new", []error{duplicate, nil}, nil, nil, nil, "", 2, true},
		{"an id in another scope", []error{duplicate}, nil, nil, store.ErrHeadMoved, "", 2, true},
		{"the head moved", []error{errMoved}, store.ErrHeadMoved, nil, store.ErrHeadMoved, "", 1, false},
		{"the batch is known", []error{duplicate}, store.ErrBatchKnown, nil, store.ErrBatchKnown, "", 1, false},
		{"a conflict, and the head moved", []error{transient}, store.ErrHeadMoved, nil, store.ErrHeadMoved, "", 1, false},
		{"moved, and no majority has it yet", []error{errMoved}, nil, nil, store.ErrHeadMoved, "", 1, false},
		{"conflicts without end", []error{transient}, nil, nil, nil, field.CodeBusy, maxTries, true},
		{"nobody can say why", []error{duplicate}, nil, boom, boom, "", 1, false},
		{"another fault", []error{boom}, nil, nil, boom, "", 1, false},
		{"the disk is full", []error{mongo.CommandError{Code: codeOutOfDiskSpace}}, nil, nil, nil, field.CodeStorageFull, 1, false},
		{"the primary stepped down", []error{mongo.CommandError{Code: codePrimarySteppedDown}}, nil, nil, nil, field.CodeStoreDown, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tries, replaced := 0, false
			err := persist(t.Context(), func(all bool) error {
				tries++
				replaced = all
				return c.answers[min(tries, len(c.answers))-1]
			}, func() (error, error) { return c.why, c.lookErr })
			switch {
			case c.code != "":
				if !field.Is(err, c.code) {
					t.Fatalf("got %v, want %s", err, c.code)
				}
			case !errors.Is(err, c.want):
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if tries != c.tries || replaced != c.replaced {
				t.Fatalf("%d tries, replaced %v; want %d, %v", tries, replaced, c.tries, c.replaced)
			}
		})
	}
	t.Run("the caller goes", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := persist(ctx, func(bool) error { cancel(); return transient }, func() (error, error) { return nil, nil })
		if !field.Is(err, field.CodeBusy) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestSettle(t *testing.T) {
	unknown := labelled("UnknownTransactionCommitResult")
	tries := 0
	answer := func(answers ...error) func(context.Context) error {
		tries = 0
		return func(context.Context) error { tries++; return answers[min(tries, len(answers))-1] }
	}
	if err := settle(t.Context(), answer(unknown, unknown, nil)); err != nil || tries != 3 {
		t.Fatalf("an answer that was lost twice: %v after %d tries", err, tries)
	}
	if err := settle(t.Context(), answer(transient)); !hasLabel(err, "TransientTransactionError") || tries != 1 {
		t.Fatalf("a transaction that was undone: %v after %d tries", err, tries)
	}
	err := settle(t.Context(), answer(unknown))
	if !field.Is(err, field.CodeStoreDown) || errors.Is(err, store.ErrHeadMoved) || tries != maxTries {
		t.Fatalf("an answer that never comes: %v after %d tries", err, tries)
	}
	if strings.Contains(field.AsError(err).Sentence(), "Nothing was changed") {
		t.Fatalf("nobody knows that: %q", field.AsError(err).Sentence())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := settle(gone, answer(unknown)); !field.Is(err, field.CodeStoreDown) || tries != 1 {
		t.Fatalf("after the deadline: %v after %d tries", err, tries)
	}
}

func TestSeemsMade(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 123_456_789, time.UTC)
	first := &store.Entry{Seq: 5, At: at}
	stamp := func(seq int64) map[string]field.Stamp { return map[string]field.Stamp{"caption": {Seq: seq}} }
	for _, c := range []struct {
		name string
		r    field.Record
		want bool
	}{
		{"made by this entry", field.Record{CreatedAt: at.Truncate(time.Millisecond), Stamps: stamp(5)}, true},
		{"made by a later entry of the commit", field.Record{CreatedAt: at.Add(time.Second), Stamps: stamp(6)}, true},
		{"made before", field.Record{CreatedAt: at.Add(-time.Hour), Stamps: stamp(5)}, false},
		{"made before within the millisecond", field.Record{CreatedAt: at, Stamps: stamp(4)}, false},
	} {
		if got := seemsMade(&c.r, first); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Whatever JSON stands in a field comes back byte for byte.
func TestValuesComeBackAsTheyWere(t *testing.T) {
	for _, v := range []string{
		`"leaks"`, `"屋顶漏水 “两处”"`, `"\u003c\u0026\u003e"`, `"<&>"`, `"a\/b"`, `"\u0041"`, `"\u0000"`, `"\ud800"`, `"tab\t"`, `"\u2028"`, "\"\u2028\"", `""`,
		`0`, `-0`, `1`, `-1`, `2147483648`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`, `123456789012345678901234567890`,
		`1.5`, `1.50`, `1.0`, `1e3`, `1E+3`, `1e-7`, `0.000001`, `1e21`, `1e400`, `106.70001220703125`, `5e-324`, `-0.0`,
		`true`, `false`, `null`, `{}`, `[]`, `[1,"two",[],{},{"b":1,"a":[null,false]}]`, `{"b":1,"a":2}`, `{"a":1,"a":2}`,
		`{"$set":1}`, `{"x.y":1}`, `{"":1}`, `{"\u0000":1}`, `{"_id":1}`, `{"a":{"$where":"1"}}`, `[[106.7,26.6],[106.8,26.6]]`, `{"键":"值"}`,
		` 1`, `[1, 2]`, `{"a" :1}`, `"2026-11-23T08:00:00+08:00"`, strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		``, `not JSON`, "\"\xff\"", "\xff",
	} {
		for _, path := range []string{"note", "answers.roof", "startedAt", "$x", "a.b.c", "answers.", ".", "", "answers.$y"} {
			roundTrip(t, map[string]field.Value{path: field.Value(v), "answers.other": field.Value(`{"value":1}`)})
		}
	}
	roundTrip(t, map[string]field.Value{"answers": field.Value(`{"roof":1}`), "answers.roof": field.Value(`2`), "answers-x": field.Value(`3`), "answersx": field.Value(`4`)})
	roundTrip(t, map[string]field.Value{})
}

func TestAnyJSONComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOfN(rapid.StringMatching(`[a-c$]{0,2}(\.[a-c$.]{0,3})?`), rapid.Custom(anyJSON), 0, 6).Draw(t, "fields")
		roundTrip(t, fields)
	})
}

func anyJSON(t *rapid.T) field.Value {
	var value func(depth int) any
	value = func(depth int) any {
		switch rapid.IntRange(0, 7-2*min(depth, 1)).Draw(t, "type") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int64().Draw(t, "int")
		case 3:
			return rapid.Float64().Draw(t, "float")
		case 4:
			return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number"))
		case 5:
			return rapid.String().Draw(t, "text")
		case 6:
			list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
			for i := range list {
				list[i] = value(depth + 1)
			}
			return list
		default:
			object := map[string]any{}
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				object[rapid.String().Draw(t, "name")] = value(depth + 1)
			}
			return object
		}
	}
	raw, err := json.Marshal(value(0))
	if err != nil {
		t.Skip("no JSON number")
	}
	return raw
}

func roundTrip(t interface{ Fatalf(string, ...any) }, fields map[string]field.Value) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)
	r := &field.Record{
		ID: "0193594e-0000-7000-8000-000000000001", Kind: field.KindReport, Scope: "site/0193594e-0000-7000-8000-000000000002", Version: 7, State: "draft",
		Info: field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan", "bijie"}, Region: "522422"}, CreatedAt: at, UpdatedAt: at.Add(time.Hour),
		Rank: "0001", Keys: []string{"siteId=1"}, Fields: fields,
		Stamps: map[string]field.Stamp{"": {Seq: 1, Device: "a"}, "answers.roof": {Seq: 7, Device: "a"}, "note": {Seq: 7, Device: "b"}, "x": {Seq: 1, Device: "a"}},
	}
	raw := encodeRecord(r)
	if err := raw.Validate(); err != nil {
		t.Fatalf("%q is stored as no BSON: %v", fields, err)
	}
	got, err := decodeRecord(raw)
	if err != nil {
		t.Fatalf("%q: %v", fields, err)
	}
	if !maps.EqualFunc(got.Fields, fields, func(a, b field.Value) bool { return string(a) == string(b) }) {
		t.Fatalf("got %q, want %q, stored as %s", got.Fields, fields, raw)
	}
	got.Fields = fields
	if !reflect.DeepEqual(got, r) {
		t.Fatalf("got %+v, want %+v", got, r)
	}
	// The same with a stamp for every field, as the log makes them.
	seq := int64(0)
	for path := range fields {
		r.Stamps[path] = field.Stamp{Seq: 1 + seq%3, Device: "a"}
		seq++
	}
	got, err = decodeRecord(encodeRecord(r))
	if err != nil || !maps.Equal(got.Stamps, r.Stamps) {
		t.Fatalf("stamps %+v, want %+v, %v", got.Stamps, r.Stamps, err)
	}
}

// What people find in mongosh.
func TestRecordsAreLegible(t *testing.T) {
	r := &field.Record{
		ID: "id", Kind: field.KindReport, Scope: "site/s", Version: 3, CreatedAt: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		Fields: map[string]field.Value{
			"answers.roof": field.Value(`{"value":"漏水","seconds":12,"at":"2026-11-23T16:00:00+08:00"}`),
			"startedAt":    field.Value(`"2026-11-23T15:00:00.5+08:00"`),
			"position":     field.Value(`{"lat":26.6,"lon":106.7,"accuracy":8}`),
			"amount":       field.Value(`1.50`),
		},
		Stamps: map[string]field.Stamp{
			"": {Seq: 3, Device: "phone"}, "answers.roof": {Seq: 3, Device: "phone"}, "startedAt": {Seq: 3, Device: "phone"},
			"amount": {Seq: 2, Device: "desk"}, "position": {Seq: 2, Device: "desk"},
		},
	}
	const want = `{"_id":"id","kind":"report","scope":"site/s","state":"","deleted":false,"author":"",` +
		`"createdAt":{"$date":"2026-11-23T08:00:00Z"},"fields":{"amount":1.5,` +
		`"answers":{"roof":{"value":"漏水","seconds":12,"at":"2026-11-23T16:00:00+08:00"}},` +
		`"position":{"lat":26.6,"lon":106.7,"accuracy":8},"startedAt":{"$date":"2026-11-23T07:00:00.5Z"}},` +
		`"position":{"type":"Point","coordinates":[106.7,26.6]},` +
		`"_sync":{"version":3,"device":"","type":"site","orgs":[],"region":"","project":"","rank":"","keys":[],"keyed":["answers"],` +
		`"stamps":[{"seq":2,"device":"desk","paths":["amount","position"]},{"seq":3,"device":"phone","rest":true,"paths":[""]}],` +
		`"exact":[{"path":"amount","json":"1.50"},{"path":"startedAt","json":"\"2026-11-23T15:00:00.5+08:00\""}]}}`
	got, err := bson.MarshalExtJSON(encodeRecord(r), false, false)
	if err != nil || string(got) != want {
		t.Fatalf("%v\n got %s\nwant %s", err, got, want)
	}
	r.Fields["position"] = field.Value(`{"lat":26.6,"lon":106.7,"system":"gcj02"}`)
	if _, err := encodeRecord(r).LookupErr("position"); err == nil {
		t.Fatal("a position in a shifted system became GeoJSON")
	}
}

func TestFault(t *testing.T) {
	for _, c := range []struct {
		err  error
		code field.Code
	}{
		{context.DeadlineExceeded, field.CodeStoreDown},
		{fmt.Errorf("x: %w", context.Canceled), field.CodeStoreDown},
		{mongo.ErrClientDisconnected, field.CodeStoreDown},
		{mongo.CommandError{Labels: []string{"NetworkError"}}, field.CodeStoreDown},
		{mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: codeWriteConcernFailed}}, field.CodeStoreDown},
		{mongo.CommandError{Code: codeTransactionTooLarge}, field.CodeBatchTooLarge},
		{mongo.CommandError{Code: 1, Message: "write: No space left on device"}, field.CodeStorageFull},
		{field.Refuse(field.CodeStale, ""), field.CodeStale},
		{mongo.CommandError{Code: 2, Message: "BadValue"}, field.CodeInternal},
	} {
		if err := fault("Op", c.err); field.AsError(err).Code != c.code || !strings.Contains(err.Error(), c.err.Error()) {
			t.Errorf("%v became %v, want %s", c.err, err, c.code)
		}
	}
	if fault("Op", nil) != nil {
		t.Error("nothing became an error")
	}
}

func TestViewNames(t *testing.T) {
	for kind, want := range map[field.Kind]string{"report": "reports", "clue": "clues", "person": "people", "parked": "parked", "recusal": "recusals"} {
		if got := viewName(kind); got != want {
			t.Errorf("view of %s: %s", kind, got)
		}
	}
	taken := []string{logName, scopesName, recordsName}
	for _, shelf := range shelfNames {
		taken = append(taken, string(shelf))
	}
	for _, spec := range field.Kinds() {
		name := viewName(spec.Kind)
		if slices.Contains(taken, name) {
			t.Errorf("the view of %s has the name %s, which is taken", spec.Kind, name)
		}
		taken = append(taken, name)
	}
}

// aDocument is a report of about 1 KB with twelve answers.
func aDocument() *field.Record {
	r := &field.Record{
		ID: "0193594e-0000-7000-8000-000000000001", Kind: field.KindReport, Scope: "site/0193594e-0000-7000-8000-000000000002", Version: 7, State: "draft",
		Info:      field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan", "bijie"}, Region: "522422"},
		CreatedAt: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), UpdatedAt: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		Rank: "0001", Keys: []string{"siteId=0193594e-0000-7000-8000-000000000002", "taskId=0193594e-0000-7000-8000-000000000003"},
		Fields: map[string]field.Value{"startedAt": field.Value(`"2026-11-23T16:00:00+08:00"`), "summary": field.Value(`"屋顶漏水，已拍照，村干部在场。"`)},
		Stamps: map[string]field.Stamp{},
	}
	for i := range 12 {
		r.Fields[fmt.Sprintf("answers.item-%02d", i)] = field.Value(fmt.Sprintf(`{"value":"%s %d","seconds":%d}`, strings.Repeat("as found ", 3), i, i*7))
	}
	for p := range r.Fields {
		r.Stamps[p] = field.Stamp{Seq: 7, Device: "0193594e-0000-7000-8000-00000000000a"}
	}
	return r
}

func BenchmarkEncodeRecord(b *testing.B) {
	r := aDocument()
	b.ReportAllocs()
	for b.Loop() {
		encodeRecord(r)
	}
	b.ReportMetric(float64(len(encodeRecord(r))), "bytes/doc")
	b.ReportMetric(float64(len(r.Document())), "bytes/json")
}

func BenchmarkDecodeRecord(b *testing.B) {
	raw := encodeRecord(aDocument())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
}
