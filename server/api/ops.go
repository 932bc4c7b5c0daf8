package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/swaggest/swgui/v5emb"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"fieldclue"
	"fieldclue/server/field"
)

// askTime is how long the store and the blobs may take to say that they are there.
const askTime = 3 * time.Second

func (s *Server) registerOps() {
	s.route(fiber.MethodGet, "/healthz", "healthz", open, s.healthz)
	s.route(fiber.MethodGet, "/readyz", "readyz", open, s.readyz)
	s.route(fiber.MethodGet, "/metrics", "metrics", watches, wrapped(s.MetricsHandler()))
	s.route(fiber.MethodGet, "/openapi.yaml", "openapi", open, s.openapi)
	s.route(fiber.MethodGet, "/openapi.json", "openapiJson", open, s.openapiJSON)

	docs := page(v5emb.New("Fieldclue", "/openapi.yaml", "/docs/"), "/docs/")
	s.route(fiber.MethodGet, "/docs", "docs", open, docs)
	s.route(fiber.MethodGet, "/docs/:file", "docsFile", open, docs)
}

// wrapped serves a handler of net/http. It is for small answers to requests without a body only: the adaptor holds both
// in memory.
func wrapped(h http.Handler) fiber.Handler { return adaptor.HTTPHandler(h) }

// MetricsHandler gives the figures to anyone who reaches it: it is for a listener of its own.
func (s *Server) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
}

// admitToMetrics lets in who has the token. How much is sent and by how many organisations is nobody else's business;
// and an address proves nothing here: behind a proxy on this machine everybody comes from loopback.
func (s *Server) admitToMetrics(c *fiber.Ctx) error {
	if s.metricsToken == "" {
		return field.Refuse(field.CodeNotFound, "There is no such route.").InChinese("没有该接口。")
	}
	token, err := bearer(c.Get(fiber.HeaderAuthorization))
	if err != nil {
		return err
	}
	given, own := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.metricsToken))
	if subtle.ConstantTimeCompare(given[:], own[:]) != 1 {
		return field.Refuse(field.CodeTokenInvalid, "")
	}
	return nil
}

type health struct {
	Status string            `json:"status"` // "ok", or "down"
	Checks map[string]string `json:"checks,omitempty"`
	*Warning
}

// Warning is what a person should see to while the server goes on.
type Warning struct {
	EN string `json:"warning"`
	ZH string `json:"warningZh"`
}

// healthz says that the process answers.
func (s *Server) healthz(c *fiber.Ctx) error { return reply(c, health{Status: "ok"}) }

// readyz asks the store and the blobs, and says which of them fails. A warning changes nothing of that.
func (s *Server) readyz(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), askTime)
	defer cancel()
	var store, blobs error
	var both errgroup.Group
	both.Go(func() error { store = s.store.Ping(ctx); return nil })
	both.Go(func() error { blobs = s.blobs.Ping(ctx); return nil })
	_ = both.Wait() // the errors stand in store and blobs

	h := health{Status: "ok", Checks: map[string]string{"store": verdict(store), "blobs": verdict(blobs), "server": "ok"}}
	if s.doubt != nil {
		h.Warning = s.doubt()
	}
	select {
	case <-s.stopping:
		h.Checks["server"] = "stopping"
	default:
	}
	for _, v := range h.Checks {
		if v != "ok" {
			h.Status = "down"
		}
	}
	if h.Status != "ok" {
		unready(c)
	}
	return reply(c, h)
}

// verdict names a failure by its code; its text could hold addresses.
func verdict(err error) string {
	if err == nil {
		return "ok"
	}
	return string(field.AsError(err).Code)
}

// asJSON is openapi.yaml as JSON.
var asJSON = sync.OnceValues(func() ([]byte, error) {
	var doc any
	if err := yaml.Unmarshal(fieldclue.OpenAPI, &doc); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
})

func (s *Server) openapiJSON(c *fiber.Ctx) error {
	doc, err := asJSON()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.SendStream(bytes.NewReader(doc), len(doc))
}

func (s *Server) openapi(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/yaml")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.SendStream(bytes.NewReader(fieldclue.OpenAPI), len(fieldclue.OpenAPI))
}
