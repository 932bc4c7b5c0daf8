// Package guard stands before every handler and cures what fasthttp's streamed request bodies get wrong.
//
// With StreamRequestBody a body cut by FIN reads as a clean end, a reset leaves its error text as the body, limits stop
// applying, one read timeout spans the whole body, and what a handler leaves unread is parsed as the next request.
// Install wraps the server of a Fiber app so that none of this reaches a handler: ordinary routes find their complete
// body in c.Body(), upload routes stream it from Body. Here is nothing about what bodies mean; the app's ErrorHandler
// renders the refusals. Start with Install; bounds.go bounds what is under way for each user and in total, body.go
// reads, chunks.go where no length is declared, listener.go closes gently.
package guard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"fieldclue/server/field"
)

// Rule says what bodies the routes under a path take. The first rule that matches counts.
type Rule struct {
	Prefix string // of the path, compared without case; "" matches all
	Max    int64  // bytes of the body, also after decompression
	Stream bool   // the handler reads Body, which may come in chunks; otherwise the body is read before the handler and c.Body() is all of it
}

// Config holds the rules and the limits of time. A zero limit takes the default in brackets.
type Config struct {
	Rules   []Rule
	Default Rule // where no rule matches; Max 0 means 1 MiB

	Header time.Duration // for the headers and the first 8 KiB of a body, which the server reads by itself [30 s]
	Idle   time.Duration // between requests of one connection [75 s]
	// A body may be slow but not silent, and in every window it must bring a minimum.
	Silence   time.Duration // longest pause [30 s]
	Window    time.Duration // [60 s]
	WindowMin int64         // bytes in a window [8 KiB]
	// What a handler left unread is drained when it is at most 64 KiB and comes within this time [50 ms]; otherwise the
	// connection is closed after the answer.
	Drain time.Duration

	// Sender says who sends, from the headers alone; what it refuses is answered without reading the body. It is asked
	// about bodies of which more than 8 KiB would be held or waited for. nil: all are one.
	Sender func(*fasthttp.RequestCtx) (user string, err error)
	// What may be under way at once: bodies that a handler streams, others, and the bytes in memory of these.
	Uploads, UserUploads int   // [500, 16]
	UserBodies           int   // [16]
	Memory, UserMemory   int64 // bytes [128 MiB, 8 MiB]
}

// Free is how many bytes of a body fasthttp reads before any handler: they are neither counted nor waited for.
const Free = 8 << 10

const (
	drainMax = 64 << 10
	bodyKey  = "fieldclue.guard.body"
)

func (c Config) withDefaults() Config {
	pick := func(d *time.Duration, other time.Duration) {
		if *d == 0 {
			*d = other
		}
	}
	pick(&c.Header, 30*time.Second)
	pick(&c.Idle, 75*time.Second)
	pick(&c.Silence, 30*time.Second)
	pick(&c.Window, time.Minute)
	pick(&c.Drain, 50*time.Millisecond)
	if c.WindowMin == 0 {
		c.WindowMin = 8 << 10
	}
	if c.Default.Max == 0 {
		c.Default.Max = 1 << 20
	}
	if c.Sender == nil {
		c.Sender = func(*fasthttp.RequestCtx) (string, error) { return "", nil }
	}
	number := func(n *int, other int) {
		if *n == 0 {
			*n = other
		}
	}
	number(&c.Uploads, 500)
	number(&c.UserUploads, 16)
	number(&c.UserBodies, 16)
	if c.Memory == 0 {
		c.Memory = 128 << 20
	}
	if c.UserMemory == 0 {
		c.UserMemory = 8 << 20
	}
	return c
}

// Install puts the guard outermost in an app, before it serves. It also sets those options of the server on which the
// guard relies, whatever the app was made with: streamed bodies, no limit of fasthttp's own (it would swallow bytes of
// the next request), no parsing of forms before the handler. Serve the app on Listener's listener. The function that it
// gives tells what is under way: bodies that are streamed, others, and the bytes of these.
func Install(app *fiber.App, cfg Config) (underWay func() (uploads, bodies int, memory int64)) {
	cfg = cfg.withDefaults()
	srv := app.Server()
	srv.StreamRequestBody = true
	srv.DisablePreParseMultipartForm = true
	srv.ReduceMemoryUsage = false // gives the reader back while the body still needs it
	srv.MaxRequestBodySize = math.MaxInt
	srv.ReadTimeout = cfg.Header
	srv.IdleTimeout = cfg.Idle
	inner, all := srv.Handler, newBounds(cfg)
	srv.Handler = func(ctx *fasthttp.RequestCtx) {
		refuse := func(err error) {
			ctx.Response.Reset()
			c := app.AcquireCtx(ctx)
			defer app.ReleaseCtx(c)
			if e := app.Config().ErrorHandler(c, err); e != nil {
				ctx.Response.SetStatusCode(fasthttp.StatusInternalServerError)
			}
		}
		serve(ctx, cfg, all, inner, refuse)
	}
	return func() (uploads, bodies int, memory int64) {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.all.uploads, all.all.bodies, all.all.bytes
	}
}

func serve(ctx *fasthttp.RequestCtx, cfg Config, all *bounds, inner func(*fasthttp.RequestCtx), refuse func(error)) {
	rule := cfg.rule(string(ctx.Path()))
	held := all.share(ctx)
	defer held.release()
	body, err := admit(ctx, cfg, rule)
	if err == nil {
		if rule.Stream {
			err = held.upload(body.declared())
		} else {
			err = held.memory(body.declared())
		}
	}
	if err != nil {
		refuse(err)
		hangUp(ctx)
		return
	}
	if rule.Stream {
		if err = plain(ctx); err == nil {
			ctx.SetUserValue(bodyKey, body)
		}
	} else {
		err = readAll(ctx, body, rule.Max, held)
	}
	if err != nil {
		refuse(err)
	} else {
		inner(ctx)
	}
	if !body.settle(cfg.Drain) {
		hangUp(ctx)
	}
}

func (c Config) rule(path string) Rule {
	for _, r := range c.Rules {
		if len(path) >= len(r.Prefix) && strings.EqualFold(path[:len(r.Prefix)], r.Prefix) {
			return r
		}
	}
	return c.Default
}

// admit judges the headers before a byte of the body is believed.
func admit(ctx *fasthttp.RequestCtx, cfg Config, rule Rule) (body, error) {
	h := &ctx.Request.Header
	codings, lengths := headerLines(h.RawHeaders(), "transfer-encoding"), headerLines(h.RawHeaders(), "content-length")
	chunked := len(codings) > 0 || h.ContentLength() == -1 // fasthttp hides "identity", and takes anything else for chunks
	switch {
	case chunked && !rule.Stream:
		return nil, field.Refuse(field.CodeLengthRequired, "")
	case chunked && (len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") || len(lengths) > 0 || !h.IsHTTP11()):
		return nil, field.Refuse(field.CodeBadRequest, "Send one Content-Length, or Transfer-Encoding: chunked alone.").
			InChinese("请只发送一个 Content-Length，或只发送 Transfer-Encoding: chunked。")
	case len(lengths) > 1:
		return nil, field.Refuse(field.CodeBadRequest, "Send one Content-Length.").InChinese("请只发送一个 Content-Length。")
	}
	src := ctx.RequestBodyStream()
	if chunked && src != nil {
		h.SetContentLength(math.MaxInt) // its chunks are read here
		return newChunks(newStream(src, ctx.Conn(), 0, cfg), rule.Max), nil
	}
	length := int64(max(h.ContentLength(), 0))
	if length > rule.Max {
		return nil, field.Refuse(field.CodeBodyTooLarge, "")
	}
	if src == nil {
		src = bytes.NewReader(nil)
		length = 0
	}
	return newStream(src, ctx.Conn(), length, cfg), nil
}

// body is one that is read from the connection.
type body interface {
	io.Reader
	Interrupt()
	declared() int64 // its length, or Unknown
	came() int64     // what was read of it
	settle(wait time.Duration) bool
}

// hangUp ends the connection after the answer, so that nothing left of a body is taken for a request.
func hangUp(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetConnectionClose()
	if c, ok := ctx.Conn().(*gentle); ok {
		c.unread.Store(true)
	}
}

// headerLines are the values of the lines of a raw header block with the given lower-case name.
func headerLines(raw []byte, name string) (values []string) {
	for len(raw) > 0 {
		line := raw
		if end := bytes.IndexByte(raw, '\n'); end >= 0 {
			line, raw = raw[:end], raw[end+1:]
		} else {
			raw = nil
		}
		if colon := bytes.IndexByte(line, ':'); colon == len(name) && strings.EqualFold(string(line[:colon]), name) {
			values = append(values, strings.TrimSpace(string(line[colon+1:])))
		}
	}
	return values
}

// plain refuses encodings where bytes are taken as they are.
func plain(ctx *fasthttp.RequestCtx) error {
	if e := ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding); len(e) > 0 && !strings.EqualFold(string(e), "identity") {
		return field.Refuse(field.CodeUnsupportedType, "Send these bytes without a Content-Encoding.").
			InChinese("请发送未经压缩的内容，不带 Content-Encoding。")
	}
	return nil
}

// readAll makes c.Body() the complete, decompressed body.
func readAll(ctx *fasthttp.RequestCtx, body body, limit int64, held *share) error {
	encoding := string(ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding))
	zipped := strings.EqualFold(encoding, "gzip")
	if !zipped && encoding != "" && !strings.EqualFold(encoding, "identity") {
		return field.Refuse(field.CodeUnsupportedType, "Send the body as it is or with Content-Encoding: gzip.").
			InChinese("请发送原样的内容，或以 Content-Encoding: gzip 压缩。")
	}
	if body.declared() == 0 && !zipped {
		ctx.Request.SetBodyRaw(nil)
		return nil
	}
	raw := make([]byte, body.declared()) // as much as was counted, and no more
	if _, err := io.ReadFull(body, raw); err != nil {
		return err
	}
	if zipped {
		var err error
		if raw, err = unzip(raw, limit, held); err != nil {
			return err
		}
	}
	ctx.Request.Header.Del(fasthttp.HeaderContentEncoding)
	ctx.Request.SetBodyRaw(raw) // closes the stream as well
	ctx.Request.Header.SetContentLength(len(raw))
	return nil
}

// unzip counts what comes out before it comes out, for a little can become a lot.
func unzip(raw []byte, limit int64, held *share) ([]byte, error) {
	bad := func(err error) error {
		return field.Refuse(field.CodeBadRequest, "The body is not the gzip that its header says.").
			InChinese("请求内容不是其头部所称的 gzip。").Because(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, bad(err)
	}
	out := make([]byte, 0, min(limit+1, unzipStep))
	for {
		n, err := z.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > limit:
			return nil, field.Refuse(field.CodeBodyTooLarge, "")
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, bad(err)
		case len(out) == cap(out):
			size := min(limit+1, 2*int64(cap(out)))
			if err := held.memory(int64(len(raw)) + size); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, size), out...)
		}
	}
}

// unzipStep is with how much room the unpacking of a body begins.
const unzipStep = 4 << 10

// Unknown is the length of a body that comes in chunks: it ends where its sender ends it.
const Unknown = -1

// Body is the body of a request and its declared length, or Unknown. Under a Stream rule it ends with io.EOF only when
// all of it came; otherwise with CodeBodyTruncated, CodeBodySlow or, where the length is Unknown, CodeBodyTooLarge. It
// must not be read after the handler returned. What it gives has a method Interrupt, which another goroutine may call
// to end a read that waits for the sender.
func Body(c *fiber.Ctx) (io.Reader, int64) {
	if s, ok := c.Context().UserValue(bodyKey).(body); ok {
		return s, s.declared()
	}
	b := c.Request().Body()
	return bytes.NewReader(b), int64(len(b))
}

// Came is how many bytes of the body a handler has read.
func Came(c *fiber.Ctx) int64 {
	if s, ok := c.Context().UserValue(bodyKey).(body); ok {
		return s.came()
	}
	return int64(len(c.Request().Body()))
}

// FromServer translates what fasthttp itself refuses before the guard is asked (a broken header, a body that stops
// within its first 8 KiB) as Fiber hands it to the ErrorHandler. ok is false for any other error.
func FromServer(err error) (refusal *field.Error, ok bool) {
	var fe *fiber.Error
	if !errors.As(err, &fe) {
		return nil, false
	}
	switch {
	case fe.Code == fiber.StatusRequestTimeout:
		return field.Refuse(field.CodeBodySlow, "").Because(err), true
	case fe.Code == fiber.StatusRequestEntityTooLarge:
		return field.Refuse(field.CodeBodyTooLarge, "").Because(err), true
	case fe.Code == fiber.StatusRequestHeaderFieldsTooLarge:
		return field.Refuse(field.CodeBadRequest, "The headers are too large.").InChinese("请求头过大。").Because(err), true
	case fe.Code == fiber.StatusBadGateway, fe.Code == fiber.StatusBadRequest && strings.Contains(fe.Message, "EOF"):
		return field.Refuse(field.CodeBodyTruncated, "").Because(err), true
	case fe.Code == fiber.StatusBadRequest:
		return field.Refuse(field.CodeBadRequest, "").Because(err), true
	}
	return nil, false
}

var _ net.Conn = (*gentle)(nil)
