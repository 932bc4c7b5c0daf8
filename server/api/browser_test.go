package api_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
)

const cookieName = "__Host-fieldclue"

// page is what a browser sends with what a page of this server asks.
var page = []string{"Sec-Fetch-Site", "same-origin"}

// browse signs somebody in at a page of the server, and gives the headers that the browser sends from then on.
func (w *world) browse(login, device, code string) (cookie string, got answer) {
	w.t.Helper()
	got = w.send("POST", "/v1/auth/browser", obj{
		"login": login, "password": password, "device": obj{"id": device, "name": "Office 3", "platform": "web"}, "code": code,
	}, page...).want(200)
	return cookieOf(w.t, got), got
}

func cookieOf(t *testing.T, a answer) string {
	t.Helper()
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", a.header.Values("Set-Cookie"))
	}
	c := cookies[0]
	if c.Name != cookieName || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %s", a.header.Get("Set-Cookie"))
	}
	return c.Name + "=" + c.Value
}

func with(cookie string, headers ...string) []string {
	return append([]string{"Cookie", cookie}, headers...)
}

// A page signs in, reads, writes, renews the cookie and signs out, and at no time has a token that a script could take.
func TestAPageSignsIn(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		w.setUp()
		cookie, got := w.browse("admin", w.id(), w.deviceCode("admin"))
		if strings.Contains(string(got.body), strings.Split(cookie, ".")[1]) || strings.Contains(string(got.body), "oken") {
			t.Errorf("the answer gives a secret away: %s", got.body)
		}
		again := cookieOf(t, w.send("GET", "/v1/me", nil, with(cookie)...).want(200)) // as <img> and downloads ask: no header of a page
		if again != cookie {
			t.Error("/v1/me gave another secret")
		}
		w.send("GET", "/v1/me", nil, with(cookie, "Sec-Fetch-Site", "none")...).want(200)
		hire := func(login string) obj {
			return obj{"login": login, "name": login, "password": password, "roles": []obj{{"role": access.Inspector}}}
		}
		w.send("POST", "/v1/people", hire("ben"), with(cookie, page...)...).want(201)
		w.send("POST", "/v1/people", hire("cao"), with(cookie, "Origin", w.url)...).want(201) // a browser without Sec-Fetch-Site

		w.clock.move(80 * 24 * time.Hour) // used once in 90 days, it goes on; an access token has ended long ago
		w.send("GET", "/v1/me", nil, with(cookie)...).want(200)
		w.clock.move(80 * 24 * time.Hour)
		w.send("GET", "/v1/me", nil, with(cookie)...).want(200)

		out := w.send("POST", "/v1/auth/sign-out", nil, with(cookie, page...)...).want(204)
		if gone := cookieOf(t, out); gone != cookieName+"=" || !strings.Contains(out.header.Get("Set-Cookie"), "expires=") {
			t.Errorf("signing out leaves %s", out.header.Get("Set-Cookie"))
		}
		w.send("GET", "/v1/me", nil, with(cookie)...).refused(401, field.CodeTokenInvalid)
	})
}

// What a browser brings along for a page of another site, or that is no browser's at all, opens nothing and changes
// nothing.
func TestAnotherSiteUsesNobodysCookie(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	cookie, _ := w.browse("admin", w.id(), w.deviceCode("admin"))
	before := w.heads()
	hire := obj{"login": "eve", "name": "eve", "password": password, "roles": []obj{{"role": access.Administrator}}}
	for name, headers := range map[string][]string{
		"no word on where from":      nil,
		"another site":               {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"another port of this host":  {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
		"another origin alone":       {"Origin", "https://evil.example"},
		"a sandboxed frame":          {"Origin", "null"},
		"its own word against it":    {"Sec-Fetch-Site", "cross-site", "Origin", w.url},
		"an origin that only begins": {"Origin", w.url + ".evil.example"},
	} {
		for _, path := range []string{"/v1/people", "/v1/auth/sign-out", "/v1/sync/pull"} {
			if a := w.send("POST", path, hire, with(cookie, headers...)...); a.status != 403 || a.code() != field.CodeCrossSite {
				t.Errorf("%s: POST %s: %d %s", name, path, a.status, a.code())
			}
		}
		in := obj{"login": "admin", "password": password, "device": obj{"id": w.id()}, "code": "AAAA-BBBB-CCCC-DDDD"}
		w.send("POST", "/v1/auth/browser", in, headers...).refused(403, field.CodeCrossSite)
	}
	for _, site := range []string{"cross-site", "same-site"} {
		w.send("GET", "/v1/people", nil, with(cookie, "Sec-Fetch-Site", site)...).refused(403, field.CodeCrossSite)
	}
	for scope, seq := range w.heads() {
		if before[scope] != seq {
			t.Errorf("%s was written to", scope)
		}
	}
	// A token that an app holds is no business of browsers, and its refresh token is no cookie, nor the other way
	// round.
	admin.do("GET", "/v1/people", nil, "Sec-Fetch-Site", "cross-site").want(200)
	w.send("GET", "/v1/me", nil, with(cookieName+"="+admin.RefreshToken)...).refused(401, field.CodeTokenInvalid)
	w.send("GET", "/v1/me", nil, with(cookieName+"="+admin.AccessToken)...).refused(401, field.CodeTokenInvalid)
	secret := strings.TrimPrefix(cookie, cookieName+"=")
	w.send("GET", "/v1/me", nil, "Authorization", "Bearer "+secret).refused(401, field.CodeTokenInvalid)
	w.send("POST", "/v1/auth/refresh", obj{"refreshToken": secret, "device": admin.Device.ID}).refused(401, field.CodeTokenInvalid)
	w.send("GET", "/v1/me", nil, with(cookie)...).want(200) // and it was not closed by that
	w.send("GET", "/v1/me", nil, with(cookie[:len(cookie)-2])...).refused(401, field.CodeTokenInvalid)
	if a := admin.do("GET", "/v1/me", nil, "Cookie", cookie).want(200); a.header.Get("Set-Cookie") != "" {
		t.Error("an app's request was given a cookie")
	}
	// Somebody who sends a token is that somebody, whatever cookie comes along.
	w.send("GET", "/v1/me", nil, with(cookie, "Authorization", "Bearer nonsense")...).refused(401, field.CodeTokenInvalid)
}

// A session that an administrator ends, and one that nobody used for 90 days, opens nothing.
func TestABrowsersSessionEnds(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	admin.hire("ben", access.Inspector)
	device := w.id()
	cookie, _ := w.browse("ben", device, w.deviceCode("ben"))
	w.send("GET", "/v1/me", nil, with(cookie)...).want(200)
	admin.do("POST", "/v1/devices/"+device+"/revoke", obj{"reason": "lost"}).want(200)
	w.send("GET", "/v1/me", nil, with(cookie)...).refused(403, field.CodeDeviceRevoked)

	cookie, _ = w.browse("admin", w.id(), w.deviceCode("admin"))
	w.clock.move(91 * 24 * time.Hour)
	w.send("GET", "/v1/me", nil, with(cookie)...).refused(401, field.CodeTokenInvalid)
}

// Where a browser would drop the cookie it is told so, instead of being signed in for one request.
func TestABrowserSignsInOverTLS(t *testing.T) {
	w := start(t, func(o *api.Options) { o.TrustedProxies = []string{"127.0.0.1"}; o.PublicURL = "https://office.example" })
	w.setUp()
	ask := func(host string, headers ...string) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/auth/browser",
			strings.NewReader(`{"login":"admin","password":"`+password+`","device":{"id":"`+w.id()+`"},"code":"AAAA-BBBB-CCCC-DDDD"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		return w.answer(w.http, req)
	}
	ask("10.1.2.3:8080", page...).refused(403, field.CodeTLSRequired)
	ask("office.example", page...).refused(403, field.CodeTLSRequired)
	ask("localhost.evil.example", page...).refused(403, field.CodeTLSRequired)
	for _, host := range []string{"localhost:8080", "127.0.0.1:8080", "[::1]:8080"} {
		ask(host, page...).refused(403, field.CodeInvalidCode)
	}
	ask("office.example", append([]string{"X-Forwarded-Proto", "https"}, page...)...).refused(403, field.CodeInvalidCode)
	// A proxy that passes on a Host of its own: the address that the setting gives is this server's too.
	ask("inner:8080", "X-Forwarded-Proto", "https", "Origin", "https://office.example").refused(403, field.CodeInvalidCode)
	ask("inner:8080", "X-Forwarded-Proto", "https", "Origin", "https://other.example").refused(403, field.CodeCrossSite)
}

// plain does a request that no description speaks of.
func (w *world) plain(method, path string, body []byte, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.answer(http.DefaultClient, req)
}

// A stream of events takes the cookie.
func TestEventsOfAPage(t *testing.T) {
	w := start(t)
	w.setUp()
	cookie, _ := w.browse("admin", w.id(), w.deviceCode("admin"))
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it has been read
	if _, err := conn.Write([]byte("GET /v1/sync/events HTTP/1.1\r\nHost: " + w.addr + "\r\nSec-Fetch-Site: same-origin\r\nCookie: " + cookie + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second)) // a connection that is open takes one
	lines := bufio.NewReader(conn)
	status, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(status, "200") {
		t.Fatal(status, err)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "data:") {
			return
		}
	}
}

// Pages of named origins may ask with a token, also what is refused before it is read; others, and cookies, may not.
func TestAppsInAWebView(t *testing.T) {
	const origin = "capacitor://localhost"
	w := start(t, func(o *api.Options) { o.AppOrigins = []string{"https://localhost", origin} })
	admin := w.setUp()
	asks := []string{"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,upload-offset"}
	allowed := func(a answer, want string) {
		t.Helper()
		if got := a.header.Get("Access-Control-Allow-Origin"); got != want || a.header.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(a.header.Values("Vary"), "Origin") {
			t.Errorf("%d: allowed is %q, want %q; %v", a.status, got, want, a.header)
		}
	}
	ask := w.plain("OPTIONS", "/v1/uploads/x", nil, append([]string{"Origin", origin}, asks...)...).want(204)
	allowed(ask, origin)
	for _, name := range []string{"Authorization", "Upload-Offset", "Idempotency-Key"} {
		if !strings.Contains(ask.header.Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("%s may not be sent", name)
		}
	}
	allowed(admin.do("GET", "/v1/me", nil, "Origin", origin).want(200), origin)
	allowed(w.send("GET", "/v1/me", nil, "Origin", origin).refused(401, field.CodeTokenMissing), origin)
	allowed(w.plain("POST", "/v1/auth/sign-in", make([]byte, 100<<10), "Origin", origin, "Content-Type", "application/json").refused(413, field.CodeBodyTooLarge), origin) // the guard refuses it
	for _, other := range []string{"https://evil.example", "null", "https://localhost:1", "capacitor://localhost.evil"} {
		allowed(admin.do("GET", "/v1/me", nil, "Origin", other).want(200), "")
		if a := w.plain("OPTIONS", "/v1/me", nil, append([]string{"Origin", other}, asks...)...); a.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: %v", other, a.header)
		}
	}
	cookie, _ := w.browse("admin", w.id(), w.deviceCode("admin"))
	w.send("POST", "/v1/sync/pull", obj{}, with(cookie, "Origin", origin, "Sec-Fetch-Site", "cross-site")...).refused(403, field.CodeCrossSite)
}
