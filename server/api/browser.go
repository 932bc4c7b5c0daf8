package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"fieldclue/server/accounts"
	"fieldclue/server/field"
)

// How a browser is let in. A page of this server signs in and gets nothing that a script could read or pass on: its
// session is a cookie, which the browser brings with pictures, downloads and streams of events too. Because it brings
// it with everything, what comes with it must come from a page of this server, as the browser itself says. Apps go on
// to send a token that they hold.

// sessionCookie is bound by its name to this host, to every path and to an encrypted connection (RFC 6265bis, 4.1.3.2).
const sessionCookie = "__Host-fieldclue"

func (s *Server) registerBrowser() {
	s.route(fiber.MethodPost, "/v1/auth/browser", "signInBrowser", open, s.signInBrowser)
}

// signInBrowser opens a session for a page of this server.
func (s *Server) signInBrowser(c *fiber.Ctx) error {
	if err := s.fromOwnPage(c.Context()); err != nil {
		return err
	}
	if !s.keepsCookies(c) {
		return field.Refuse(field.CodeTLSRequired, "")
	}
	tokens, err := s.enter(c, true)
	if err != nil {
		return err
	}
	s.giveCookie(c, tokens.RefreshToken)
	return reply(c, struct {
		User   accounts.User   `json:"user"`
		Device accounts.Device `json:"device"`
	}{tokens.User, tokens.Device})
}

// giveCookie keeps a browser's secret for as long as a session lasts that is not used; an empty one takes the cookie
// away.
func (s *Server) giveCookie(c *fiber.Ctx, secret string) {
	life := s.accounts.SessionLife()
	if secret == "" {
		life = -time.Second
	}
	c.Cookie(&fiber.Cookie{
		Name: sessionCookie, Value: secret, Path: "/", Secure: true, HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode,
		Expires: s.now().Add(life),
	})
}

// cookie is the secret by which a request was let in; empty when it was by an app's token.
func cookie(c *fiber.Ctx) string {
	if c.Get(fiber.HeaderAuthorization) != "" {
		return ""
	}
	return c.Cookies(sessionCookie)
}

// keepsCookies reports whether a browser keeps a cookie that is for encrypted connections: it does so over TLS, and
// from the machine on which it runs.
func (s *Server) keepsCookies(c *fiber.Ctx) bool {
	if s.overTLS(c) {
		return true
	}
	host := (&url.URL{Host: string(c.Request().Host())}).Hostname()
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// credential is the access token of a request: what an app sends, or what the cookie of a browser stands for.
func (s *Server) credential(ctx *fasthttp.RequestCtx) (token string, err error) {
	header, secret := string(ctx.Request.Header.Peek(fiber.HeaderAuthorization)), string(ctx.Request.Header.Cookie(sessionCookie))
	if header != "" || secret == "" {
		return bearer(header)
	}
	if err := s.fromOwnPage(ctx); err != nil {
		return "", err
	}
	// fasthttp's own context is none to derive from: its Done races with the end of the server.
	within, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	return s.accounts.BrowserToken(within, secret)
}

// fromOwnPage is CodeCrossSite unless the browser says that a page of this server asks: net/http's
// CrossOriginProtection, and what it leaves open for clients that are no browsers. So a write without either header is
// refused, and so is a read that a page of another site, or of another port of this host, makes.
func (s *Server) fromOwnPage(ctx *fasthttp.RequestCtx) error {
	r := &http.Request{
		Method: string(ctx.Method()), Host: string(ctx.Host()), URL: &url.URL{Path: string(ctx.Path())}, Header: http.Header{},
	}
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} {
		if v := ctx.Request.Header.Peek(name); len(v) > 0 {
			r.Header.Set(name, string(v))
		}
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	reads := slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method)
	if reads && (site == "" || site == "same-origin" || site == "none") {
		return nil
	}
	if reads || site == "" && origin == "" || s.ownPages.Check(r) != nil {
		return field.Refuse(field.CodeCrossSite, "")
	}
	return nil
}

// ownPages knows the address of this server that its setting gives, for a proxy that passes on another Host. The
// configuration has looked at it: one that is no origin is a fault of the program.
func ownPages(publicURL string) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		if err := p.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			panic("api: the public address: " + err.Error())
		}
	}
	return p
}

// What apps in a WebView, whose pages come from elsewhere, may send and read. No cookie goes with it: they hold tokens.
const (
	corsMethods = "GET, HEAD, POST, PATCH, DELETE"
	corsSends   = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Range, Tus-Resumable, Upload-Checksum, Upload-Length, " +
		"Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, X-Request-ID"
	corsReads = "Content-Range, ETag, Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, " +
		"Tus-Version, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-Request-ID"
	corsKept = "600" // seconds for which a browser remembers what it was told
)

// share lets the pages of named origins ask this server. It stands outside of the guard: what is refused there must be
// readable too.
func share(app *fiber.App, origins []string) {
	if len(origins) == 0 {
		return
	}
	srv := app.Server()
	inner := srv.Handler
	srv.Handler = func(ctx *fasthttp.RequestCtx) {
		origin := sharedWith(origins, ctx)
		wanted := ctx.Request.Header.Peek(fiber.HeaderAccessControlRequestMethod)
		if origin != "" && string(ctx.Method()) == fiber.MethodOptions && len(wanted) > 0 { // it asks what it may
			ctx.SetStatusCode(fasthttp.StatusNoContent)
			ctx.Response.Header.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
			ctx.Response.Header.Set(fiber.HeaderAccessControlAllowHeaders, corsSends)
			ctx.Response.Header.Set(fiber.HeaderAccessControlMaxAge, corsKept)
		} else {
			inner(ctx)
		}
		ctx.Response.Header.Add(fiber.HeaderVary, fiber.HeaderOrigin)
		if origin != "" {
			ctx.Response.Header.Set(fiber.HeaderAccessControlAllowOrigin, origin)
			ctx.Response.Header.Set(fiber.HeaderAccessControlExposeHeaders, corsReads)
		}
	}
}

// sharedWith is the origin of a request when it is one of those; else empty.
func sharedWith(origins []string, ctx *fasthttp.RequestCtx) string {
	origin := string(ctx.Request.Header.Peek(fiber.HeaderOrigin))
	if slices.Contains(origins, origin) {
		return origin
	}
	return ""
}
