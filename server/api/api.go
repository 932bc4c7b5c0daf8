// Package api is the HTTP door: routes, decoding, tokens, the problem table. It decides nothing.
//
// Open this file first: Options says what is needed, New puts the app together, route registers one route with its
// operationId and its rule. problem.go alone knows HTTP statuses. auth.go, browser.go, people.go, sync.go, events.go,
// photos.go, sealed.go, space.go and ops.go hold the routes of sign-in, of the cookies of browsers, administration,
// sync, live events, photo bytes, sealed puts, space and operation; kinds.go makes the routes of what the desk does
// with each kind (field.Desk), desk.go and the files it names hold its views. Not here: what the bodies of uploads mean
// (api/tus), and how bodies are kept honest before any handler sees them (api/guard).
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"fieldclue/media/intake"
	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/api/guard"
	"fieldclue/server/api/tus"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/tables"
	"fieldclue/server/web"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// Syncer is the way of pushes and pulls.
type Syncer interface {
	// Push commits a batch; each operation has its outcome. An error means that nothing was changed.
	Push(ctx context.Context, who *access.Actor, req protocol.PushRequest) (protocol.PushResponse, error)
	// Pull gives one page of what has changed in the actor's scopes.
	Pull(ctx context.Context, who *access.Actor, req protocol.PullRequest) (protocol.PullResponse, error)
	// Content gives what was sealed to who wrote it, and notes that.
	Content(ctx context.Context, who *access.Actor, id field.RecordID) (json.RawMessage, error)
	// Shred destroys the key of something whose record says that it is destroyed.
	Shred(ctx context.Context, id field.RecordID) error
}

// Reader is what is read here of the store. The contracts of the methods stand in server/store/log.go.
type Reader interface {
	Head(ctx context.Context, scope field.Scope) (store.Head, error)
	Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error)
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
	Ping(ctx context.Context) error
}

// Options of a server. Those without a default must be set.
type Options struct {
	Accounts *accounts.Accounts
	Engine   Syncer
	Pokes    Pokes
	Store    Reader
	Blobs    Blobs
	Flow     *workflow.Flow
	Cases    Cases
	Uploads  *intake.Service
	Jobs     Jobs
	Space    Space
	Receipts receipt.Holder // keys with which receipts are signed; the public ones are published

	Now            func() time.Time // nil: time.Now
	Doubt          func() *Warning  // what /readyz warns of; nil, or an answer of nil: nothing
	Log            *slog.Logger     // nil: discards
	Guard          guard.Config     // limits of time for bodies; its rules are set here
	RequestTimeout time.Duration    // of one request; 0: 30 s
	Connections    int              // that may be open at once; 0: as many as come
	Heartbeat      time.Duration    // of event streams; 0: 15 s
	Streams        int              // live event streams in all; 0: 20,000
	UserStreams    int              // of one person; 0: 8
	Others         bool             // other servers write to the same store: event streams look in turns at what they may have ended
	TrustedProxies []string         // addresses and networks whose X-Forwarded-For is believed; empty: nobody's
	Pages          *web.Site        // the screens; nil: none
	PublicURL      string           // address under which browsers reach the server; empty: the Host that they ask for
	AppOrigins     []string         // origins whose pages may ask this server with a token, such as https://localhost; empty: none
	MetricsToken   string           // with which /metrics is read; "": there is no such route, and MetricsHandler alone gives them
}

// Server is the HTTP side of the program.
type Server struct {
	accounts *accounts.Accounts
	engine   Syncer
	store    Reader
	blobs    Blobs
	flow     *workflow.Flow
	cases    Cases
	jobs     Jobs
	space    Space

	now     func() time.Time
	doubt   func() *Warning
	log     *slog.Logger
	timeout time.Duration

	app     *fiber.App
	routes  []Route
	metrics *metrics
	hub     *hub

	trusted      trust
	metricsToken string
	ownPages     *http.CrossOriginProtection
	appOrigins   []string

	exports     exports
	reading     sync.Mutex    // held while a table is read
	connections int           // that may be open at once
	stopping    chan struct{} // closed when the server shall take no new work
	stopOnce    sync.Once

	mu      sync.Mutex   // guards what follows
	ln      net.Listener // from Serve on
	stopped bool
}

// New puts the server together. It does not listen yet.
func New(o Options) *Server {
	s := &Server{
		accounts: o.Accounts, engine: o.Engine, store: o.Store, blobs: o.Blobs, flow: o.Flow, jobs: o.Jobs, space: o.Space,
		trusted: trustIn(o.TrustedProxies), metricsToken: o.MetricsToken,
		ownPages: ownPages(o.PublicURL), appOrigins: o.AppOrigins,
		cases: o.Cases, exports: exports{user: map[field.UserID]int{}},
		now: o.Now, doubt: o.Doubt, log: o.Log, timeout: o.RequestTimeout, connections: o.Connections,
		metrics: newMetrics(o.Space), stopping: make(chan struct{}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	s.metrics.signIn(o.Accounts.Contradictions)
	if o.Uploads != nil {
		s.metrics.receipts(o.Uploads.Withheld)
	}
	s.hub = newHub(s, o)
	s.app = fiber.New(fiber.Config{
		AppName: "fieldclue", DisableStartupMessage: true, ServerHeader: "",
		Immutable: true, StreamRequestBody: true, StrictRouting: true, CaseSensitive: true,
		UnescapePath: true, DisableDefaultContentType: true,
		ErrorHandler:            s.fail,
		WriteTimeout:            10 * time.Minute, // a photo goes out in one write; Range goes on where it stopped
		EnableTrustedProxyCheck: true,             // with no proxies: Fiber believes no header, client and overTLS judge them
	})
	s.app.Use(s.around)
	s.registerAuth()
	s.registerBrowser()
	s.registerPages(o.Pages)
	s.registerPeople()
	s.registerSync()
	s.registerEvents()
	s.registerPhotos()
	s.registerOps()
	s.registerJobs()
	s.registerDesk()
	s.registerUploads(o.Uploads, o.Receipts)
	s.registerSealed(o.Uploads)

	o.Guard.Rules = []guard.Rule{
		{Prefix: "/v1/auth/sign-in", Max: openMax},
		{Prefix: "/v1/auth/browser", Max: openMax},
		{Prefix: "/v1/auth/refresh", Max: openMax},
		{Prefix: "/v1/auth/reset", Max: openMax},
		{Prefix: "/v1/setup", Max: openMax},
		{Prefix: tus.Path, Max: o.Uploads.MaxSize(), Stream: true},
		{Prefix: "/v1/sync/", Max: protocol.MaxBatchBytes},
		{Prefix: "/v1/tables", Max: tables.MostBytes},
	}
	o.Guard.Default = guard.Rule{Max: 1 << 20}
	o.Guard.Sender = s.sender
	s.app.Server().KeepHijackedConns = true // event streams take their connection over
	s.metrics.bodies(guard.Install(s.app, o.Guard))
	tus.Install(s.app)
	share(s.app, o.AppOrigins)
	return s
}

// App is the Fiber app with every route. Serve it with Serve.
func (s *Server) App() *fiber.App { return s.app }

// Serve answers on the listener until Stop.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return ln.Close()
	}
	err := s.app.Listener(guard.Listener(ln, 2*time.Second, s.connections))
	select {
	case <-s.stopping:
		return nil
	default:
		return err
	}
}

// Stop ends event streams, refuses new connections and waits for the requests that run, at most until ctx is done.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stopping) })
	err := s.app.ShutdownWithContext(ctx)
	// Shutdown does nothing about a server that is only about to start: it would serve for ever.
	s.mu.Lock()
	s.stopped = true
	if s.ln != nil {
		_ = s.ln.Close() // closed already, as a rule
	}
	s.mu.Unlock()
	s.hub.wait()
	if errors.Is(err, net.ErrClosed) { // it was stopped before
		return nil
	}
	return err
}

// Rule says who may call a route: anybody, anybody who is signed in, or those with a role that allows an action. What
// the action needs on the record itself is asked on the one write path.
type Rule struct {
	signedIn bool
	revoked  bool // a revoked device, too, hands in what was written on it
	metrics  bool // who has the token of the metrics, and nobody else
	action   access.Action
}

var (
	open     = Rule{}
	signedIn = Rule{signedIn: true}
	handsIn  = Rule{signedIn: true, revoked: true}
	watches  = Rule{metrics: true}
)

// may is the rule of a route that carries out an action of the access table.
func may(a access.Action) Rule { return Rule{signedIn: true, action: a} }

// String names the rule: "open", "signed in", "metrics token", or the action.
func (r Rule) String() string {
	switch {
	case r.action != "":
		return string(r.action)
	case r.signedIn:
		return "signed in"
	case r.metrics:
		return "metrics token"
	}
	return "open"
}

// Route is one route as it was registered: its path in the form of openapi.yaml, such as /v1/reports/{id}/take.
type Route struct {
	Method, Path, OperationID string
	Rule                      Rule
}

// Routes lists every route.
func (s *Server) Routes() []Route { return s.routes }

// route registers one route. path is Fiber's, such as /v1/reports/:id/take. Inside the handler actor(c) is who asks
// (nil under the rule open), and c.UserContext() ends with the deadline of the request.
func (s *Server) route(method, path, operationID string, rule Rule, h fiber.Handler) {
	r := Route{Method: method, Path: documented(path), OperationID: operationID, Rule: rule}
	s.routes = append(s.routes, r)
	s.serve(method, r, path, h)
}

// serve lets the app answer a method under the rule of a route: its own, or HEAD for one of GET.
func (s *Server) serve(method string, r Route, path string, h fiber.Handler) {
	s.app.Add(method, path, func(c *fiber.Ctx) error {
		c.Locals(routeKey, r.Path)
		if err := checkQuery(c, r.OperationID); err != nil {
			return err
		}
		if err := s.admit(c, r.Rule); err != nil {
			return err
		}
		return h(c)
	})
}

// documented turns /a/:id into /a/{id}.
func documented(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}

// openMax is the largest body that somebody sends who is not signed in, in bytes.
const openMax = guard.Free

// sender tells the guard whose body it is, before the body is read. Anyone who is not signed in is told what admit
// would say.
func (s *Server) sender(ctx *fasthttp.RequestCtx) (string, error) {
	token, err := s.credential(ctx)
	if err != nil {
		return "", err
	}
	// fasthttp's own context is none to derive from: its Done races with the end of the server.
	within, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	user, err := s.accounts.Sender(within, token)
	return string(user), err
}

func bearer(header string) (token string, err error) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || token == "" {
		return "", field.Refuse(field.CodeTokenMissing, "")
	}
	return token, nil
}

// admit finds out who asks and whether the rule lets them in.
func (s *Server) admit(c *fiber.Ctx, rule Rule) error {
	if rule.metrics {
		return s.admitToMetrics(c)
	}
	if !rule.signedIn {
		return nil
	}
	token, err := s.credential(c.Context())
	if err != nil {
		return err
	}
	who := s.accounts.Authenticate
	if rule.revoked {
		who = s.accounts.HandIn
	}
	pass, err := who(c.UserContext(), token)
	if err != nil {
		return err
	}
	c.Locals(passKey, pass)
	if rule.action != "" && !access.MayAnywhere(pass.Actor, rule.action) {
		return field.Refuse(field.CodeNotPermitted, "")
	}
	return nil
}

type key int

const (
	passKey key = iota
	routeKey
	requestKey
	problemKey
)

func pass(c *fiber.Ctx) accounts.Pass {
	p, _ := c.Locals(passKey).(accounts.Pass) // missing under the rule open: the zero Pass
	return p
}

// actor is who asks; nil under the rule open. It is shared: read it only.
func actor(c *fiber.Ctx) *access.Actor { return pass(c).Actor }
