package exactjson_test

import (
	"errors"
	"testing"

	"fieldclue/sync/exactjson"
)

func TestExactTakesNamesToTheLetterAndOnce(t *testing.T) {
	type inner struct {
		Seq int64 `json:"seq"`
	}
	type request struct {
		Device string           `json:"device"`
		Seen   inner            `json:"seen"`
		Many   map[string]inner `json:"many"`
	}
	for text, want := range map[string]exactjson.Fault{
		`{"device":"a","seen":{"seq":1}}`:     {},
		`{"Device":"a"}`:                      {Where: "Device", Unknown: true},
		`{"device":"a","DEVICE":"b"}`:         {Where: "DEVICE", Unknown: true},
		`{"seen":{"SEQ":1}}`:                  {Where: "seen.SEQ", Unknown: true},
		`{"many":{"a":{"Seq":1}}}`:            {Where: "many.a.Seq", Unknown: true},
		`{"\u017feen":{"seq":1}}`:             {Where: "ſeen", Unknown: true},
		`{"device":"a","device":"b"}`:         {Where: "device", Twice: true, Syntax: true},
		`{"device":"a","\u0064evice":"b"}`:    {Where: "device", Twice: true, Syntax: true},
		`{"many":{"a":{},"a":{}}}`:            {Where: "many.a", Twice: true, Syntax: true},
		`{"device":1,"new":[{"a":{},"a":1}]}`: {Where: "new.0.a", Twice: true, Syntax: true},
		`{"seen":{"seq":"1"}}`:                {Where: "seen.seq"},
		`{"device":"a"} {}`:                   {Syntax: true},
		`{"device":"a"`:                       {Syntax: true},
		``:                                    {Syntax: true},
	} {
		var r request
		err := exactjson.Exact([]byte(text), &r)
		if (want == exactjson.Fault{}) {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		var f *exactjson.Fault
		if !errors.As(err, &f) {
			t.Errorf("%s: taken, or refused with something else: %v", text, err)
			continue
		}
		if f.Where != want.Where || f.Unknown != want.Unknown || f.Twice != want.Twice || f.Syntax != want.Syntax {
			t.Errorf("%s: %+v, want %+v", text, f, want)
		}
	}
}

func TestKnownPassesOverOtherNames(t *testing.T) {
	var r struct {
		Device string `json:"device"`
	}
	if err := exactjson.Known([]byte(`{"Device":"b","device":"a","DEVICE":"c","new":{}}`), &r); err != nil || r.Device != "a" {
		t.Errorf("%q %v", r.Device, err)
	}
	if err := exactjson.Known([]byte(`{"device":"a","device":"b"}`), &r); err == nil {
		t.Error("a name that stands twice was taken")
	}
}
