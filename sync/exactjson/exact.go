package exactjson

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Fault is why a JSON text was not read.
type Fault struct {
	Where   string // the member that is wrong, such as device.id; "" when it is no member
	Unknown bool   // there is no member of that name, written exactly like this
	Twice   bool   // the member stands twice in its object
	Syntax  bool   // it is no JSON, or goes on after its value
	cause   error
}

// Error is for the log.
func (f *Fault) Error() string { return f.cause.Error() }

// Unwrap gives what the reader of JSON said.
func (f *Fault) Unwrap() error { return f.cause }

// Exact reads a JSON text into a value: one value, with the members that the value has and no others. Names are
// compared to the letter, and none stands twice: encoding/json takes "Device" for "device" and lets the later of two
// win, so that what one reader has checked is not what another reads. Half a surrogate pair is U+FFFD, as encoding/json
// has it: an app that cuts a text in the middle of an emoji sends one. The error is a *Fault.
func Exact(text []byte, into any) error {
	err := json.Unmarshal(text, into, halves, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if twice := jsontext.NewDecoder(bytes.NewReader(text), halves).SkipValue(); errors.Is(twice, jsontext.ErrDuplicateName) {
		err = twice // it says two things: that goes before what is wrong with either
	}
	return fault(err)
}

// Known is Exact for what a newer program may have written: members of other names are passed over.
func Known(text []byte, into any) error { return fault(json.Unmarshal(text, into, halves)) }

// Members reads the members of an object, each as it stands there. A name that stands twice, at any depth, is a *Fault;
// null is no object.
func Members(text []byte) (map[string]stdjson.RawMessage, error) {
	var members map[string]stdjson.RawMessage
	if err := Known(text, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, &Fault{cause: errors.New("null is no object")}
	}
	return members, nil
}

var halves = jsontext.AllowInvalidUTF8(true)

func fault(err error) error {
	if err == nil {
		return nil
	}
	f := &Fault{cause: err}
	var syntax *jsontext.SyntacticError
	var wrong *json.SemanticError
	switch {
	case errors.As(err, &syntax):
		f.Syntax = true
		if errors.Is(err, jsontext.ErrDuplicateName) {
			f.Twice, f.Where = true, dotted(syntax.JSONPointer)
		}
	case errors.As(err, &wrong):
		f.Where, f.Unknown = dotted(wrong.JSONPointer), errors.Is(err, json.ErrUnknownName)
	}
	return f
}

// dotted writes /device/id as device.id.
func dotted(p jsontext.Pointer) string {
	var names []string
	for token := range p.Tokens() {
		names = append(names, token)
	}
	return strings.Join(names, ".")
}
