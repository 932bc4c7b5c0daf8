package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/api/guard"
	"fieldclue/server/api/tus"
	"fieldclue/server/field"
)

// statuses is the only place where kinds of error meet HTTP. Codes that need a status of their own stand in statusOf.
var statuses = map[field.ErrorKind]int{
	field.ErrorInvalid:         fiber.StatusBadRequest,
	field.ErrorUnauthenticated: fiber.StatusUnauthorized,
	field.ErrorForbidden:       fiber.StatusForbidden,
	field.ErrorNotFound:        fiber.StatusNotFound,
	field.ErrorConflict:        fiber.StatusConflict,
	field.ErrorState:           fiber.StatusConflict,
	field.ErrorTooLarge:        fiber.StatusRequestEntityTooLarge,
	field.ErrorLengthRequired:  fiber.StatusLengthRequired,
	field.ErrorUnsupported:     fiber.StatusUnsupportedMediaType,
	field.ErrorMismatch:        460, // tus 1.0, checksum mismatch
	field.ErrorTimeout:         fiber.StatusRequestTimeout,
	field.ErrorBusy:            fiber.StatusServiceUnavailable,
	field.ErrorFull:            fiber.StatusInsufficientStorage,
	field.ErrorTooMany:         fiber.StatusTooManyRequests,
	field.ErrorInternal:        fiber.StatusInternalServerError,
}

func statusOf(e *field.Error) int {
	switch e.Code {
	case field.CodeMethodNotAllowed:
		return fiber.StatusMethodNotAllowed
	case field.CodeRangeInvalid:
		return fiber.StatusRequestedRangeNotSatisfiable
	case field.CodeTusVersion:
		return fiber.StatusPreconditionFailed
	case field.CodeUploadExpired:
		return fiber.StatusGone
	}
	if status, ok := statuses[e.Kind]; ok {
		return status
	}
	return fiber.StatusInternalServerError
}

// created answers that something was made.
func created(c *fiber.Ctx, v any) error {
	c.Status(fiber.StatusCreated)
	return reply(c, v)
}

// done answers that there is nothing to say.
func done(c *fiber.Ctx) error {
	c.Status(fiber.StatusNoContent)
	return nil
}

// notModified answers that the client has it already.
func notModified(c *fiber.Ctx) error {
	c.Status(fiber.StatusNotModified)
	return nil
}

// partial and unready are the two other answers of this server that are not errors of a request.
func partial(c *fiber.Ctx) { c.Status(fiber.StatusPartialContent) }
func unready(c *fiber.Ctx) { c.Status(fiber.StatusServiceUnavailable) }

// missing reports whether a handler of net/http has found nothing, and takes its answer back.
func missing(c *fiber.Ctx) bool {
	if c.Response().StatusCode() != fiber.StatusNotFound {
		return false
	}
	c.Response().ResetBody()
	return true
}

// titles are the short names of the kinds for people.
var titles = map[field.ErrorKind]string{
	field.ErrorInvalid:         "The request cannot be used",
	field.ErrorUnauthenticated: "Not signed in",
	field.ErrorForbidden:       "Not allowed",
	field.ErrorNotFound:        "Not found",
	field.ErrorConflict:        "Somebody was first",
	field.ErrorState:           "Not in this state",
	field.ErrorTooLarge:        "Too large",
	field.ErrorLengthRequired:  "Length required",
	field.ErrorUnsupported:     "Not spoken here",
	field.ErrorMismatch:        "Other bytes than declared",
	field.ErrorTimeout:         "The sender fell silent",
	field.ErrorBusy:            "Busy",
	field.ErrorFull:            "No room",
	field.ErrorTooMany:         "Too many requests",
	field.ErrorInternal:        "The server failed",
}

// mediaProblem is the media type of RFC 9457.
const mediaProblem = "application/problem+json"

// Problem is the body of every answer that is not a success (RFC 9457).
type Problem struct {
	Type      string     `json:"type"` // "urn:fieldclue:problem:" and the code
	Title     string     `json:"title"`
	Status    int        `json:"status"`
	Detail    string     `json:"detail"`
	DetailZH  string     `json:"detailZh"`
	Code      field.Code `json:"code"`
	RequestID string     `json:"requestId"`
	RecordID  string     `json:"recordId,omitempty"`     // the record concerned
	Highest   int64      `json:"highestBatch,omitempty"` // with batch_reused: the highest number that the device has used in the scope
}

// fail renders any error that a handler, Fiber or the guard gives back. It logs faults of the server, once.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	e := refusal(c, err)
	status := statusOf(e)
	p := Problem{
		Type: "urn:fieldclue:problem:" + string(e.Code), Title: titles[e.Kind], Status: status,
		Detail: e.Sentence(), DetailZH: e.SentenceZH(), Code: e.Code, RequestID: requestID(c), RecordID: e.Record, Highest: e.Highest,
	}
	if e.Kind == field.ErrorInternal { // its text stays in the log
		p.Detail, p.DetailZH = e.Code.Sentence(), e.Code.SentenceZH()
	}
	switch e.Kind {
	case field.ErrorInternal:
		s.log.LogAttrs(c.UserContext(), slog.LevelError, "failed", slog.String("requestId", p.RequestID), slog.String("error", err.Error()))
	case field.ErrorFull: // somebody has to make room first
		if e.Code == field.CodeSpaceLimit { // no fault of the server, and its administrators have a notice
			c.Set(fiber.HeaderRetryAfter, "600")
			break
		}
		c.Set(fiber.HeaderRetryAfter, "60")
		s.log.LogAttrs(c.UserContext(), slog.LevelError, "no room", slog.String("requestId", p.RequestID), slog.String("error", err.Error()))
	case field.ErrorBusy:
		s.log.LogAttrs(c.UserContext(), slog.LevelWarn, "busy", slog.String("requestId", p.RequestID), slog.String("error", err.Error()))
		again(c, e, 2*time.Second)
	case field.ErrorTooMany:
		again(c, e, 30*time.Second)
	case field.ErrorUnauthenticated:
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	c.Locals(problemKey, e.Code)
	s.secure(c) // again: a handler may have said otherwise of what it did not send

	if _, early := guard.FromServer(err); early { // it may have been an upload: its path is not known any more
		tus.Mark(c.Response())
	}
	c.Set(fiber.HeaderContentType, mediaProblem)
	return c.Status(status).Send(body)
}

// again says when it may be tried again, where the error does not say.
func again(c *fiber.Ctx, e *field.Error, after time.Duration) {
	if e.After > 0 {
		after = e.After
	}
	c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(after.Seconds()))))
}

// refusal finds what an error says to a client.
func refusal(c *fiber.Ctx, err error) *field.Error {
	var e *field.Error
	var fe *fiber.Error
	switch {
	case errors.As(err, &e):
		if e.Code == field.CodeBodyTooLarge && c.Path() == pathPush {
			return field.Refuse(field.CodeBatchTooLarge, "").Because(err)
		}
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return field.Refuse(field.CodeBusy, "").Because(err)
	case errors.As(err, &fe):
		if e, ok := guard.FromServer(err); ok {
			return e
		}
		switch fe.Code {
		case fiber.StatusNotFound:
			return field.Refuse(field.CodeNotFound, "There is no such route.").InChinese("没有该接口。")
		case fiber.StatusMethodNotAllowed:
			return field.Refuse(field.CodeMethodNotAllowed, "")
		}
	}
	return field.AsError(err)
}
