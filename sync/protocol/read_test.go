package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

// What phones send is taken in one pass; the rest is refused or left to encoding/json.
var pushes = []struct {
	body  string
	taken bool
}{
	{`{"device":"d","batch":1,"scope":"site/1","operations":[]}`, true},
	{`{"device":"d","batch":1,"scope":"site/1","app":"1.4.0","deviceTime":"2026-11-23T08:00:00.123+08:00","skewMs":-12,"seen":{"seq":3,"hash":"ab"},` +
		`"operations":[{"id":"0193","kind":"report","base":0,"set":{"title":"付款与进度不符","amount":-1.5e+3,"at":{"lat":1,"lon":[2,3,{}]},"x":null,"y":true,"z":false}},` +
		`{"id":"0193","kind":"report","base":7,"command":"submit","args":{}}]}`, true},
	{" {\t\"device\" : \"d\" ,\r\n \"operations\" : [ { \"set\" : { \"a\" : [ 1 , \"\\u00e9\\n\\\"\" ] , \"b\" : { } } } , {} ] } \n", true},
	{`{"operations":[{"set":{"a":"\ud800"}}]}`, true}, // half a surrogate is a matter of who reads the text
	{`{"seen":{"seq":3,"hash":"ab","load":"12 cd"}}`, true},
	{`{}`, true},

	{`{"Device":"d"}`, false}, // encoding/json takes it, phones do not write it
	{`{"device":"d\u0065"}`, false},
	{`{"operations":[{"set":{"\u0061":1}}]}`, false},
	{`{"operations":null}`, false},
	{`{"operations":[{"set":null}]}`, false},
	{`{"operations":[null]}`, false},
	{`{"seen":null}`, false},
	{`{"batch":1e2}`, false},
	{`{"batch":1.0}`, false},
	{`{"batch":"1"}`, false},
	{`{"batch":9223372036854775808}`, false},
	{`{"batch":01}`, false},
	{`{"batch":-}`, false},
	{`{"batch":}`, false},
	{`{"batch":1,}`, false},
	{`{"batch":1 "device":"d"}`, false},
	{`{,"batch":1}`, false},
	{`{"device":"d","device":"d"}`, false},
	{`{"device":"d"}{}`, false},
	{`{"device":"d"} x`, false},
	{`{"device":"d`, false},
	{`{"device":"d` + "\n" + `"}`, false},
	{`{"device":"d` + "\x00" + `"}`, false},
	{"{\"device\":\"\xff\"}", false},
	{`{"device":"\x"}`, false},
	{`{"unknown":1}`, false},
	{`{"operations":[{"unknown":1}]}`, false},
	{`{"operations":[{"set":{"a":1,"a":2}}]}`, false},
	{`{"operations":[{"set":{"a":{"b":1,"b":2}}}]}`, false},
	{`{"operations":[{"set":{"a":tru}}]}`, false},
	{`{"operations":[{"set":{"a":1.}}]}`, false},
	{`{"operations":[{"set":{"a":.5}}]}`, false},
	{`{"operations":[{"set":{"a":+1}}]}`, false},
	{`{"operations":[{"set":{"a":1e}}]}`, false},
	{`{"operations":[{"set":{"a":"\u12g4"}}]}`, false},
	{`{"operations":[{"set":{"a":[1,]}}]}`, false},
	{`{"operations":[{"set":{"a":[1}}]}`, false},
	{`{"operations":[{"set":{"a":` + strings.Repeat("[", 29) + strings.Repeat("]", 29) + `}}]}`, false},
	{`{"operations":[{"set":{"a":` + strings.Repeat("[", 28) + strings.Repeat("]", 28) + `}}]}`, true},
	{`[]`, false},
	{`null`, false},
	{``, false},
}

func TestReadPushAgreesWithJSON(t *testing.T) {
	for _, p := range pushes {
		req, ok := protocol.ReadPush([]byte(p.body))
		if ok != p.taken {
			t.Errorf("%v for %s", ok, p.body)
		}
		agree(t, []byte(p.body), req, ok)
	}
}

// agree checks that what was taken reads the same by encoding/json, as strict as the door is: no unknown members,
// nothing behind the value, UTF-8, and names once.
func agree(t *testing.T, body []byte, got protocol.PushRequest, ok bool) {
	t.Helper()
	if !ok {
		return
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var want protocol.PushRequest
	if err := d.Decode(&want); err != nil {
		t.Fatalf("%v in %q, which was taken", err, body)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("there is more in %q, which was taken", body)
	}
	if !utf8.Valid(body) || exactjson.Depth(body) > protocol.MaxDepth {
		t.Fatalf("%q was taken", body)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\nis read as  %+v\ninstead of %+v", body, got, want)
	}
}

func FuzzReadPush(f *testing.F) {
	for _, p := range pushes {
		f.Add([]byte(p.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, ok := protocol.ReadPush(body)
		agree(t, body, req, ok)
	})
}

// The values of a batch do not move when the buffer of the request is used again.
func TestReadPushKeepsACopy(t *testing.T) {
	body := []byte(`{"operations":[{"id":"1","kind":"finding","set":{"title":"abc"}}]}`)
	req, ok := protocol.ReadPush(body)
	clear(body)
	if !ok || string(req.Operations[0].Set["title"]) != `"abc"` || req.Operations[0].Kind != "finding" {
		t.Errorf("%v %+v", ok, req)
	}
	if v := req.Operations[0].Set["title"]; cap(v) != len(v) {
		t.Error("what is appended to a value runs into the next")
	}
}
