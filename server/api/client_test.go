package api

import (
	"net"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"fieldclue"
)

// asked makes a request that came from a peer with header lines.
func asked(t *testing.T, peer string, lines ...string) *fiber.Ctx {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", peer)
	if err != nil {
		t.Fatal(err)
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, at, nil)
	for i := 0; i+1 < len(lines); i += 2 {
		ctx.Request.Header.Add(lines[i], lines[i+1])
	}
	app := fiber.New()
	c := app.AcquireCtx(&ctx)
	t.Cleanup(func() { app.ReleaseCtx(c) })
	return c
}

func TestTheClientIsTheLastThatATrustedProxyAppended(t *testing.T) {
	s := &Server{trusted: trustIn([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "::ffff:172.16.0.0/108"})}
	const forwarded = "X-Forwarded-For"
	for _, c := range []struct {
		name, peer string
		said       []string
		want       string
	}{
		{"nobody in between", "203.0.113.9:1", nil, "203.0.113.9"},
		{"an untrusted peer names somebody", "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"an untrusted peer names a trusted proxy", "203.0.113.9:1", []string{"10.0.0.1"}, "203.0.113.9"},
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"the client wrote the first", "10.0.0.1:1", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"the client wrote a trusted one first", "10.0.0.1:1", []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 192.0.2.7"}, "198.51.100.1"},
		{"several lines are one list", "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"a network in IPv6", "[2001:db8:1::5]:1", []string{"1.1.1.1, 2001:db8:2::1"}, "2001:db8:2::1"},
		{"with ports", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1:4711, 10.0.0.2:80"}, "198.51.100.1"},
		{"IPv6 with a port", "10.0.0.1:1", []string{"[2001:db8:2::1]:4711"}, "2001:db8:2::1"},
		{"IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8:2::1]"}, "2001:db8:2::1"},
		{"one client, one spelling", "10.0.0.1:1", []string{"2001:DB8:2:0:0::1"}, "2001:db8:2::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"a trusted network in IPv6 spelling", "172.17.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"nonsense stands for its proxy", "10.0.0.1:1", []string{"1.1.1.1, unknown"}, "10.0.0.1"},
		{"nonsense behind a good one", "10.0.0.1:1", []string{"1.1.1.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"an empty list", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"nothing but trusted ones", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for _, v := range c.said {
				lines = append(lines, forwarded, v)
			}
			if got := s.client(asked(t, c.peer, lines...)); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
		})
	}
	if got := (&Server{}).client(asked(t, "127.0.0.1:1", forwarded, "1.1.1.1")); got != "127.0.0.1" {
		t.Errorf("without a trusted proxy the client is %q", got)
	}
}

func TestTLSIsBelievedOfTrustedProxies(t *testing.T) {
	s := &Server{trusted: trustIn([]string{"10.0.0.1"})}
	const proto = "X-Forwarded-Proto"
	for _, c := range []struct {
		peer string
		said []string
		want bool
	}{
		{"10.0.0.1:1", []string{proto, "https"}, true},
		{"10.0.0.1:1", []string{proto, "HTTPS"}, true},
		{"10.0.0.1:1", []string{proto, "http"}, false},
		{"10.0.0.1:1", []string{proto, "https, http"}, false},
		{"10.0.0.1:1", nil, false},
		{"10.0.0.2:1", []string{proto, "https"}, false},
	} {
		if got := s.overTLS(asked(t, c.peer, c.said...)); got != c.want {
			t.Errorf("%s %v: %v", c.peer, c.said, got)
		}
	}
}

func TestQueriesAreThoseOfTheDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(fieldclue.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string][]string{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
				if p.Value.In == "query" {
					written[op.OperationID] = append(written[op.OperationID], p.Value.Name)
				}
			}
		}
	}
	for id := range queries {
		slices.Sort(written[id])
		if known := slices.Sorted(slices.Values(queries[id])); !slices.Equal(known, written[id]) {
			t.Errorf("%s takes %v, openapi.yaml says %v", id, known, written[id])
		}
	}
	for id := range written {
		if queries[id] == nil {
			t.Errorf("%s takes nothing, openapi.yaml says %v", id, written[id])
		}
	}
}
