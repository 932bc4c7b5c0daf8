package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/intake"
	"fieldclue/media/receipt"
	"fieldclue/media/worker"
	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/alike"
	"fieldclue/server/api"
	"fieldclue/server/api/guard"
	"fieldclue/server/casefile"
	"fieldclue/server/field"
	"fieldclue/server/space"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// clock is the time of a test: the real one, moved.
type clock struct {
	mu      sync.Mutex
	moved   time.Duration
	stopped time.Time // zero: it runs
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.moved)
	}
	return time.Now().Add(c.moved)
}

// stop lets it stand, so that nothing depends on how long the requests take.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// world is a whole server on a free port, with the means to look behind it.
type world struct {
	t      *testing.T
	url    string
	addr   string
	clock  *clock
	store  storage.Store
	blobs  *dir.Store
	engine *engine.Engine
	users  *accounts.Accounts
	api    *api.Server
	log    *lockedBuffer
	admin  *user             // who set the server up
	people map[string]string // ids of those who were hired, by sign-in name
	blobUp *switchable
	http   *http.Client // validates every exchange
}

const metricsToken = "a-token-for-the-metrics"

type option func(*api.Options)

// start serves from the embedded store.
func start(t *testing.T, options ...option) *world {
	t.Helper()
	return startOn(t, storagetest.SQLite(t), options...)
}

// onBothStores runs a test on the embedded store and on MongoDB or its stand-in.
func onBothStores(t *testing.T, test func(t *testing.T, w *world), options ...option) {
	storagetest.OnBothStores(t, func(t *testing.T, s storage.Store) { test(t, startOn(t, s, options...)) })
}

func startOn(t *testing.T, s storage.Store, options ...option) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}, log: &lockedBuffer{}, store: s}
	var err error
	if w.blobs, err = dir.Open(dir.Config{Root: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	w.engine = engine.New(engine.Options{Store: w.store, Now: w.clock.now, Log: log, ActorOf: func(ctx context.Context, user field.UserID) (*access.Actor, error) {
		return w.users.Past(ctx, user)
	}})
	w.users = accounts.New(accounts.Options{
		Docs: w.store, Records: w.store, Commit: w.engine, Now: w.clock.now, Log: log,
		Hash: accounts.HashCost{MemoryKiB: 64, Passes: 1}, Fresh: time.Nanosecond,
	})
	keys := receipt.NewRing(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))).Always()
	w.blobUp = &switchable{Store: w.blobs}
	o := api.Options{
		Accounts: w.users, Engine: w.engine, Pokes: w.engine, Store: w.store, Blobs: w.blobUp,
		Flow: workflow.New(w.store, w.engine, alike.New(w.store, w.clock.now), w.clock.now), Receipts: keys,
		Cases: &casefile.Maker{Store: s, Blobs: w.blobs, Keys: keys},
		Uploads: intake.New(intake.Config{
			Blobs: w.blobs, Staging: w.blobs.Staging(), Docs: w.store, Ledger: nobodyUploads{}, Keys: keys, Now: w.clock.now,
		}),
		Space: space.New(w.store, w.clock.now),
		Jobs:  worker.New(worker.Config{Docs: w.store, Log: log, Now: w.clock.now}),
		Now:   w.clock.now, Log: log, MetricsToken: metricsToken, Guard: guard.Config{Silence: 300 * time.Millisecond},
	}
	for _, change := range options {
		change(&o)
	}
	w.api = api.New(o)
	noteRoutes(w.api.Routes())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	w.url = "http://" + w.addr
	served := make(chan error, 1)
	go func() { served <- w.api.Serve(ln) }()
	transport := &http.Transport{}
	w.http = &http.Client{Transport: validating{t, transport}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.api.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

// nobodyUploads: the stories of uploads are told in media/intake and server/app; here nothing is declared.
type nobodyUploads struct{}

func (nobodyUploads) DeclaredPhoto(context.Context, intake.Uploader, string) (intake.Declared, error) {
	return intake.Declared{}, field.Refuse(field.CodePhotoNotDeclared, "")
}

func (nobodyUploads) Has(context.Context, intake.Uploader, intake.Declared) (bool, error) {
	return false, nil
}

func (nobodyUploads) Room(context.Context, intake.Declared) error { return nil }

func (nobodyUploads) PhotoStored(context.Context, intake.StoredPhoto) (json.RawMessage, error) {
	return nil, nil
}

// switchable is the blob store, which a test may take down.
type switchable struct {
	*dir.Store
	mu   sync.Mutex
	down bool
}

func (s *switchable) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *switchable) Ping(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return field.Refuse(field.CodeStoreDown, "")
	}
	return s.Store.Ping(ctx)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

func (a answer) code() field.Code {
	var p api.Problem
	_ = json.Unmarshal(a.body, &p) // no problem document: no code
	return p.Code
}

// want fails the test unless the status is the expected one.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, clip(a.body))
	}
	return a
}

// refused fails the test unless the answer is this status and code.
func (a answer) refused(status int, code field.Code) answer {
	a.t.Helper()
	if a.status != status || a.code() != code {
		a.t.Fatalf("%d %s, want %d %s: %s", a.status, a.code(), status, code, clip(a.body))
	}
	return a
}

// send does one request. body is sent as JSON unless it is bytes already; headers are pairs.
func (w *world) send(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	raw, ok := body.([]byte)
	if !ok && body != nil {
		raw = field.Quote(body)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.answer(w.http, req)
}

func (w *world) answer(client *http.Client, req *http.Request) answer {
	w.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{w.t, resp.StatusCode, resp.Header, got}
}

type obj = map[string]any

func (w *world) id() string {
	var r [10]byte
	for i := range r {
		r[i] = byte(rand.IntN(256))
	}
	return string(field.NewID(w.clock.now(), r))
}

// user is somebody who is signed in on a device.
type user struct {
	*world
	accounts.Tokens
	batch int64
}

func (u *user) do(method, path string, body any, headers ...string) answer {
	u.t.Helper()
	return u.send(method, path, body, append([]string{"Authorization", "Bearer " + u.AccessToken}, headers...)...)
}

const password = "correct horse battery"

// setUp makes the founding organisation and returns its administrator.
func (w *world) setUp() *user {
	w.t.Helper()
	code, err := w.users.SetupCode(w.t.Context())
	if err != nil || code == "" {
		w.t.Fatalf("setup code %q: %v", code, err)
	}
	u := &user{world: w}
	w.send("POST", "/v1/setup", obj{
		"code": code, "org": obj{"code": "gz-liwan", "name": "荔湾区纪委监委", "region": "440103"},
		"name": "管理员", "login": "Admin", "password": password, "device": obj{"id": w.id(), "name": "Desk", "platform": "web"},
	}).want(201).into(&u.Tokens)
	w.admin, w.people = u, map[string]string{"admin": string(u.User.ID)}
	return u
}

// hire makes a person with roles and signs them in on a device of their own.
func (u *user) hire(login string, roles ...access.Role) *user {
	u.t.Helper()
	return u.hireIn("gz-liwan", login, roles...)
}

// hireIn is hire in any organisation.
func (u *user) hireIn(org, login string, roles ...access.Role) *user {
	u.t.Helper()
	grants := []access.Grant{}
	for _, r := range roles {
		grants = append(grants, access.Grant{Role: r})
	}
	var made struct {
		ID         string        `json:"id"`
		DeviceCode accounts.Code `json:"deviceCode"`
	}
	u.do("POST", "/v1/people", obj{"org": org, "login": login, "password": password, "name": login, "roles": grants}).want(201).into(&made)
	u.people[login] = made.ID
	return u.enrol(login, made.DeviceCode.Code)
}

// signIn signs somebody in on a new device, with a code that the administrator makes for it.
func (w *world) signIn(login string) *user {
	w.t.Helper()
	return w.enrol(login, w.deviceCode(login))
}

// deviceCode is a code for one more device of somebody who was hired.
func (w *world) deviceCode(login string) string {
	w.t.Helper()
	admin, err := w.users.Actor(w.t.Context(), w.admin.User.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	code, err := w.users.DeviceCode(w.t.Context(), accounts.Act{Actor: admin, Device: "desk/test", Number: rand.Int64N(1 << 60)}, field.UserID(w.people[login]), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return code.Code
}

// enrol signs somebody in on a new device.
func (w *world) enrol(login, code string) *user {
	w.t.Helper()
	n := &user{world: w}
	w.try(login, password, w.id(), code).want(200).into(&n.Tokens)
	return n
}

// try tries to sign in on a device, with a one-time code unless it is empty.
func (w *world) try(login, password, device, code string) answer {
	w.t.Helper()
	body := obj{"login": login, "password": password, "device": obj{"id": device, "name": "P", "platform": "android"}}
	if code != "" {
		body["code"] = code
	}
	return w.send("POST", "/v1/auth/sign-in", body)
}

func (u *user) push(scope string, operations ...obj) answer {
	u.t.Helper()
	u.batch++
	return u.do("POST", "/v1/sync/push", obj{"device": u.Device.ID, "batch": u.batch, "scope": scope, "operations": operations})
}

func (u *user) pull(cursors obj) protocol.PullResponse {
	u.t.Helper()
	var res protocol.PullResponse
	if cursors == nil {
		cursors = obj{}
	}
	u.do("POST", "/v1/sync/pull", obj{"device": u.Device.ID, "cursors": cursors}).want(200).into(&res)
	return res
}

// by commits in the server's own name: what other parts of the program have done.
func (w *world) by(scope string, ops ...protocol.Operation) {
	w.t.Helper()
	_, err := w.engine.Commit(w.t.Context(), protocol.Batch{
		Actor: engine.Server, Device: "server/test", Number: rand.Int64N(1 << 60), Scope: field.Scope(scope), Operations: ops, Strict: true, Trusted: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// place makes an active site in the organisation of the inspectors and gives them access to it.
func (w *world) place(inspectors ...*user) (scope, site string) {
	w.t.Helper()
	project, site := w.id(), w.id()
	w.by("org/gz-liwan",
		protocol.Operation{ID: field.RecordID(project), Kind: field.KindProject, Set: map[string]field.Value{
			"externalId": field.Quote("P-1"), "name": field.Quote("茶园"), "type": field.Quote("industry"), "county": field.Quote("520502"),
		}},
		protocol.Operation{ID: field.RecordID(site), Kind: field.KindSite, Set: map[string]field.Value{
			"name": field.Quote("茶园一号"), "projectId": field.Quote(project), "region": field.Quote("520502"),
			"orgs": field.Quote([]string{"gz-liwan"}), "position": field.Quote(obj{"lat": 27.3, "lon": 105.3}), "radius": field.Quote(200),
		}},
	)
	w.by("org/gz-liwan", protocol.Operation{ID: field.RecordID(site), Kind: field.KindSite, Base: w.version(site), Command: "activate"})
	scope = "site/" + site
	for _, i := range inspectors {
		w.by("user/"+string(i.User.ID), protocol.Operation{ID: field.RecordID(w.id()), Kind: field.KindGrant, Set: map[string]field.Value{"scope": field.Quote(scope)}})
	}
	return scope, site
}

// record reads a record behind the server's back.
func (w *world) record(id string) *field.Record {
	w.t.Helper()
	found, err := w.store.Records(w.t.Context(), []field.RecordID{field.RecordID(id)})
	if err != nil || len(found) != 1 {
		w.t.Fatalf("record %s: %d found, %v", id, len(found), err)
	}
	return found[0]
}

func (w *world) version(id string) int64 { return w.record(id).Version }

// heads is the state of the whole log: equal before and after means that nothing was written.
func (w *world) heads() map[field.Scope]int64 {
	w.t.Helper()
	heads, err := w.store.Heads(w.t.Context(), store.ListScopes{Visible: access.Everything, Limit: 5000})
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[field.Scope]int64{}
	for _, h := range heads {
		all[h.Scope] = h.Seq
	}
	return all
}

// keep puts bytes into the blob store.
func (w *world) keep(b []byte) string {
	w.t.Helper()
	sum := sha256.Sum256(b)
	name := hex.EncodeToString(sum[:])
	if _, err := w.blobs.PutIfAbsent(w.t.Context(), blob.Sum(name), int64(len(b)), bytes.NewReader(b)); err != nil {
		w.t.Fatal(err)
	}
	return name
}
