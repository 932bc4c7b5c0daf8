package field

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind is the short closed list of ways in which a request or an operation can fail. Phones compile the kinds in:
// add, never rename.
type ErrorKind string

// The kinds. Only server/api knows which HTTP status each becomes.
const (
	ErrorInvalid         ErrorKind = "invalid"         // the input can never be accepted as it is
	ErrorUnauthenticated ErrorKind = "unauthenticated" // who is asking is not known, or no longer
	ErrorForbidden       ErrorKind = "forbidden"       // known, and not allowed
	ErrorNotFound        ErrorKind = "not_found"       // does not exist, or may not be known to exist
	ErrorConflict        ErrorKind = "conflict"        // somebody else was first: read again, decide again
	ErrorState           ErrorKind = "state"           // the life cycle does not allow this now
	ErrorTooLarge        ErrorKind = "too_large"       // over a limit
	ErrorLengthRequired  ErrorKind = "length_required" // a body without Content-Length
	ErrorUnsupported     ErrorKind = "unsupported"     // a media type or protocol version that is not spoken here
	ErrorMismatch        ErrorKind = "mismatch"        // bytes are not what was declared
	ErrorTimeout         ErrorKind = "timeout"         // the sender fell silent
	ErrorBusy            ErrorKind = "busy"            // try again after a while
	ErrorFull            ErrorKind = "full"            // no room to store more
	ErrorTooMany         ErrorKind = "too_many"        // asked too often
	ErrorInternal        ErrorKind = "internal"        // a fault of the server; the text stays in the log
)

// Error is the one error type of the program.
type Error struct {
	Kind   ErrorKind
	Code   Code   // the stable code that a client acts on
	Op     string // the action during which it happened, such as "ReturnReport"
	Record string // the id of the record concerned, if any
	Detail string // one English sentence that says what to do; empty: the sentence of Code
	ZH     string // the same in Chinese; empty: the sentence of Code
	Err    error  // the cause, for the log only

	After   time.Duration // when it may be tried again; 0: not said
	Highest int64         // with CodeBatchReused: the highest batch number that the device has used in the scope
}

// Error gives the whole story for the log; Sentence is what a person is told.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Record != "" {
		s += " " + e.Record
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + MaskIdentity(e.Err.Error())
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sentence is what a person is told: the detail, or the sentence of the code.
func (e *Error) Sentence() string {
	if e.Detail != "" {
		return e.Detail
	}
	return e.Code.Sentence()
}

// SentenceZH is what a person is told, in Chinese.
func (e *Error) SentenceZH() string {
	if e.ZH != "" {
		return e.ZH
	}
	return e.Code.SentenceZH()
}

// Refuse makes the error of a code, with a sentence for a person when format is not empty. What it repeats of
// somebody's input is read by others and logged, so a number of a person is masked in it.
func Refuse(code Code, format string, args ...any) *Error {
	e := &Error{Kind: code.Kind(), Code: code}
	if format != "" {
		e.Detail = MaskIdentity(fmt.Sprintf(format, args...))
	}
	return e
}

// InChinese adds what Detail says, in Chinese. Numbers of persons are masked as there.
func (e *Error) InChinese(format string, args ...any) *Error {
	e.ZH = MaskIdentity(fmt.Sprintf(format, args...))
	return e
}

// Because adds the cause, which goes to the log and never to a client.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

// About names the record concerned.
func (e *Error) About(id string) *Error { e.Record = MaskIdentity(id); return e }

// AsError returns the *Error in err's chain; anything else becomes an internal error that keeps err as its cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: ErrorInternal, Code: CodeInternal, Err: err}
}

// Is reports whether err carries the given code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
