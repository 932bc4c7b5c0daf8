package api

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/gzip"

	"fieldclue/server/api/tus"
	"fieldclue/server/field"
	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

// around stands before every handler: request id, deadline, recovery, the access log and the metrics.
func (s *Server) around(c *fiber.Ctx) error {
	start := time.Now()
	c.Locals(requestKey, newRequestID(c.Get(fiber.HeaderXRequestID)))
	c.Set(fiber.HeaderXRequestID, requestID(c))
	s.secure(c)
	if !strings.HasPrefix(c.Path(), tus.Path) { // the guard bounds a body that streams
		ctx, cancel := context.WithTimeout(c.UserContext(), s.timeout)
		defer cancel()
		c.SetUserContext(ctx)
	}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()

	if err := s.recovered(c); err != nil {
		if err = s.fail(c, err); err != nil {
			return err
		}
	}
	s.observe(c, time.Since(start))
	return nil
}

// recovered runs the handlers and turns a panic into an error with its stack.
func (s *Server) recovered(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = field.Refuse(field.CodeInternal, "").Because(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return c.Next()
}

// observe writes the one line of a request. It holds no query, no body and no header but the request id.
func (s *Server) observe(c *fiber.Ctx, took time.Duration) {
	pattern, ok := c.Locals(routeKey).(string)
	if !ok {
		pattern = "unknown"
	}
	status := c.Response().StatusCode()
	s.metrics.observe(c.Method(), pattern, status, took)
	level := slog.LevelInfo
	if pattern == "/healthz" || pattern == "/readyz" || pattern == "/metrics" {
		level = slog.LevelDebug
	}
	if !s.log.Enabled(c.UserContext(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("requestId", requestID(c)), slog.String("method", c.Method()), slog.String("route", pattern),
		slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000),
	}
	if a := actor(c); a != nil {
		attrs = append(attrs, slog.String("user", string(a.User)))
	}
	if code, ok := c.Locals(problemKey).(field.Code); ok {
		attrs = append(attrs, slog.String("code", string(code)))
	}
	s.log.LogAttrs(c.UserContext(), level, "request", attrs...)
}

// newRequestID takes the id that a proxy gave when it is one, and makes one otherwise.
func newRequestID(given string) string {
	if len(given) >= 8 && len(given) <= 64 && strings.Trim(given, "0123456789abcdefABCDEF-") == "" {
		return given
	}
	var b [12]byte
	_, _ = crand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(b[:])
}

func requestID(c *fiber.Ctx) string {
	if id, ok := c.Locals(requestKey).(string); ok {
		return id
	}
	id := newRequestID("") // the guard refused before the app was asked
	c.Locals(requestKey, id)
	c.Set(fiber.HeaderXRequestID, id)
	return id
}

// decode reads the JSON body of a request into a T. Anything but one object of exactly the documented members is
// refused: CodeUnsupportedType, CodeBadJSON, CodeTooDeep (over 32 levels), CodeBadRequest. A name that stands twice in
// one object is CodeBadJSON; one in other letters than documented is no member.
func decode[T any](c *fiber.Ctx) (T, error) {
	var into T
	body, err := jsonBody(c)
	if err != nil {
		return into, err
	}
	if err := exactjson.Exact(body, &into); err != nil {
		return into, badBody(err)
	}
	return into, nil
}

// isJSON reports whether a request says that its body is JSON.
func isJSON(c *fiber.Ctx) bool {
	media, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	return strings.EqualFold(strings.TrimSpace(media), fiber.MIMEApplicationJSON)
}

func jsonBody(c *fiber.Ctx) ([]byte, error) {
	if !isJSON(c) {
		return nil, field.Refuse(field.CodeUnsupportedType, "Send Content-Type: application/json.").
			InChinese("请发送 Content-Type: application/json。")
	}
	body := c.Request().Body() // complete and inflated: the guard has seen to it
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return nil, field.Refuse(field.CodeBadJSON, "The body is empty.").InChinese("请求内容为空。")
	case !utf8.Valid(body):
		return nil, field.Refuse(field.CodeBadJSON, "The body is not UTF-8.").InChinese("请求内容不是 UTF-8。")
	case exactjson.Depth(body) > protocol.MaxDepth:
		return nil, field.Refuse(field.CodeTooDeep, "")
	}
	return body, nil
}

// clipName shortens a name that a sentence repeats.
func clipName(name string) string {
	if r := []rune(name); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return name
}

func badBody(err error) error {
	var f *exactjson.Fault
	switch {
	case !errors.As(err, &f):
		return field.Refuse(field.CodeBadRequest, "").Because(err)
	case f.Twice:
		return field.Refuse(field.CodeBadJSON, "%s stands twice in one object.", strconv.Quote(clipName(f.Where))).
			InChinese("%s 在同一对象中重复出现。", strconv.Quote(clipName(f.Where))).Because(err)
	case f.Syntax:
		return field.Refuse(field.CodeBadJSON, "").Because(err)
	case f.Unknown:
		return field.Refuse(field.CodeBadRequest, "%s is not a member of this request. Names are compared to the letter.", strconv.Quote(clipName(f.Where))).
			InChinese("%s 不是此请求的成员，名称须逐字符一致。", strconv.Quote(clipName(f.Where))).Because(err)
	case f.Where != "":
		return field.Refuse(field.CodeBadRequest, "%s has the wrong type.", clipName(f.Where)).
			InChinese("%s 的类型错误。", clipName(f.Where)).Because(err)
	}
	return field.Refuse(field.CodeBadRequest, "").Because(err)
}

// gzipFrom is the size of a body in bytes from which it is worth compressing.
const gzipFrom = 1 << 10

var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a valid one
	return z
}}

// reply answers with JSON, compressed when the client takes gzip.
func reply(c *fiber.Ctx, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replyJSON(c, body)
}

func replyJSON(c *fiber.Ctx, body []byte) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	// Fiber takes a client that names no encoding for one that takes all; curl is one that names none and inflates
	// none.
	if len(body) < gzipFrom || c.Get(fiber.HeaderAcceptEncoding) == "" || c.AcceptsEncodings("gzip") != "gzip" {
		return c.Send(body)
	}
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(c.Response().BodyWriter())
	if _, err := z.Write(body); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentEncoding, "gzip")
	return nil
}

// click says as which device and under which batch number a request of the desk is committed. A request that is
// repeated with the same Idempotency-Key gets the same number, and so has its effect once.
func click(c *fiber.Ctx) (device field.DeviceID, number int64, err error) {
	device = "desk/" + actor(c).Device
	given := c.Get("Idempotency-Key")
	if len(given) > 200 {
		return "", 0, field.Refuse(field.CodeBadRequest, "An Idempotency-Key has at most 200 characters.").
			InChinese("Idempotency-Key 最多 200 个字符。")
	}
	var sum [32]byte
	if given != "" {
		sum = sha256.Sum256([]byte(given))
	} else {
		_, _ = crand.Read(sum[:]) // never fails: crypto/rand aborts the program instead
	}
	return device, int64(binary.BigEndian.Uint64(sum[:8])>>2) + 1, nil
}
