package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
)

// What a browser may do with an answer. No answer of the API is a page: nothing in it is run, shown within another
// page, or told of to others. photos and the page of the API say what is different for them.
const (
	nothingRuns = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	tlsOnly     = "max-age=31536000"
)

// secure sets the headers that every answer has; handlers may say otherwise.
func (s *Server) secure(c *fiber.Ctx) {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, nothingRuns)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCrossOriginResourcePolicy, "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
	if s.overTLS(c) {
		c.Set(fiber.HeaderStrictTransportSecurity, tlsOnly)
	}
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// pagePolicy lets the page of the API run its own files and the scripts that stand in it, by their hashes, and ask this
// server.
func pagePolicy(page http.Handler, path string) string {
	var w written
	page.ServeHTTP(&w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}})
	var scripts strings.Builder
	for _, m := range inlineScript.FindAllSubmatch(w.Bytes(), -1) {
		sum := sha256.Sum256(m[1])
		scripts.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return "default-src 'none'; script-src 'self'" + scripts.String() + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// written is an answer that nobody was sent.
type written struct {
	bytes.Buffer
	header http.Header
}

func (w *written) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *written) WriteHeader(int) {}

// page is the handler of the page of the API and its files.
func page(h http.Handler, path string) fiber.Handler {
	policy, serve := pagePolicy(h, path), wrapped(h)
	return func(c *fiber.Ctx) error {
		if err := serve(c); err != nil {
			return err
		}
		if missing(c) {
			return field.Refuse(field.CodeNotFound, "There is no such route.").InChinese("没有该接口。")
		}
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
		c.Set(fiber.HeaderCacheControl, "no-cache") // it changes with the program
		return nil
	}
}
