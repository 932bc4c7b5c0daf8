package protocol

import (
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

// Exact reads a JSON text into a value: one value, with the members that the value has and no others. Names are compared
// to the letter, and none stands twice: encoding/json takes "Device" for "device" and lets the later of two win, so that
// what one reader has checked is not what another reads. The error is a *Fault.
func Exact(text []byte, into any) error {
	return fault(json.Unmarshal(text, into, json.RejectUnknownMembers(true)))
}

// Known is Exact for what a newer program may have written: members of other names are passed over.
func Known(text []byte, into any) error { return fault(json.Unmarshal(text, into)) }

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
