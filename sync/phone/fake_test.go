package phone_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

var (
	now    = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	site   = field.MakeScope(field.ScopeSite, string(id("site")))
	device = phone.Device{ID: field.DeviceID(id("device")), Name: "test", Platform: "simulated"}
)

func id(name string) field.RecordID { return field.DeriveID(now, "phone", name) }

// server speaks as much of the wire as a phone needs. It keeps operations as they come and merges nothing.
type server struct {
	t    *testing.T
	http *httptest.Server
	key  ed25519.PrivateKey

	mu      sync.Mutex // guards the rest
	access  string
	issued  int
	bodies  map[int64]string // of the batches, as they came first
	answers map[int64]protocol.PushResponse
	ops     []protocol.Operation // applied, each once
	seq     int64
	files   map[string][]byte // uploads by place
	sizes   map[string]int64
	photo   map[string]string // photo by place
	pieces  int               // bodies of uploads that have ended, whole or cut
	ended   chan struct{}     // is told of each
	cutter  *badlink.Link     // cuts nothing but pieces of uploads
	forge   bool              // receipts are signed with another key
	pages   []protocol.PullResponse
	cursors []map[field.Scope]protocol.Cursor // as the pulls sent them
	refuse  func(batch int64) *field.Error

	older     receipt.Keys       // those before key
	signs     ed25519.PrivateKey // nil: key does
	later     time.Duration      // after now, at which receipts are signed
	askedKeys int                // how often the keys were asked for
}

func newServer(t *testing.T) *server {
	s := &server{
		t: t, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), access: "token-0", bodies: map[int64]string{},
		answers: map[int64]protocol.PushResponse{}, files: map[string][]byte{}, ended: make(chan struct{}, 1), sizes: map[string]int64{}, photo: map[string]string{},
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPatch {
		s.patch(w, r, body)
		return
	}
	if err != nil || r.ContentLength > 0 && int64(len(body)) != r.ContentLength {
		s.problem(w, http.StatusBadRequest, field.CodeBodyTruncated)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		s.issued++
		s.access = fmt.Sprintf("token-%d", s.issued)
		s.json(w, map[string]any{"accessToken": s.access, "refreshToken": "refresh", "user": map[string]any{"id": id("user")}})
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+s.access {
		s.problem(w, http.StatusUnauthorized, field.CodeTokenExpired)
		return
	}
	switch {
	case r.URL.Path == "/v1/sync/push":
		s.push(w, body)
	case r.URL.Path == "/v1/sync/pull":
		s.pull(w, body)
	case r.URL.Path == "/v1/receipt-key":
		s.askedKeys++
		s.json(w, append(receipt.NewRing(s.key).Keys, s.older...).Publish())
	case strings.HasPrefix(r.URL.Path, "/v1/uploads"):
		s.upload(w, r)
	case strings.HasPrefix(r.URL.Path, "/v1/records/"):
		s.record(w, strings.TrimPrefix(r.URL.Path, "/v1/records/"))
	default:
		s.problem(w, http.StatusNotFound, field.CodeNotFound)
	}
}

func (s *server) push(w http.ResponseWriter, body []byte) {
	var req protocol.PushRequest
	if err := json.Unmarshal(body, &req); err != nil {
		s.problem(w, http.StatusBadRequest, field.CodeBadJSON)
		return
	}
	if s.refuse != nil {
		if e := s.refuse(req.Batch); e != nil {
			s.problem(w, http.StatusConflict, e.Code)
			return
		}
	}
	if first, ok := s.bodies[req.Batch]; ok {
		if first != string(body) {
			s.t.Errorf("batch %d came with other bytes", req.Batch)
		}
		again := s.answers[req.Batch]
		again.Replayed = true
		s.json(w, again)
		return
	}
	s.seq++
	answer := protocol.PushResponse{Scope: req.Scope, Seq: s.seq, Hash: "h", ServerTime: protocol.Stamp(now)}
	for range req.Operations {
		answer.Outcomes = append(answer.Outcomes, protocol.Outcome{Outcome: protocol.Applied, Version: s.seq})
	}
	s.ops = append(s.ops, req.Operations...)
	s.bodies[req.Batch], s.answers[req.Batch] = string(body), answer
	s.json(w, answer)
}

func (s *server) pull(w http.ResponseWriter, body []byte) {
	var req protocol.PullRequest
	if err := json.Unmarshal(body, &req); err != nil {
		s.problem(w, http.StatusBadRequest, field.CodeBadJSON)
		return
	}
	s.cursors = append(s.cursors, maps.Clone(req.Cursors))
	page := protocol.PullResponse{ServerTime: protocol.Stamp(now), Cursors: map[field.Scope]protocol.Cursor{}}
	if len(s.pages) > 0 {
		page, s.pages = s.pages[0], s.pages[1:]
		page.More = len(s.pages) > 0
		page.ServerTime = protocol.Stamp(now)
	}
	s.json(w, page)
}

func (s *server) upload(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("Upload-Offset", strconv.Itoa(len(s.files[r.URL.Path])))
		if _, ok := s.sizes[r.URL.Path]; !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	meta := map[string]string{}
	for pair := range strings.SplitSeq(r.Header.Get("Upload-Metadata"), ",") {
		k, v, _ := strings.Cut(pair, " ")
		raw, _ := base64.StdEncoding.DecodeString(v)
		meta[k] = string(raw)
	}
	at := "/v1/uploads/" + meta["sha256"][:16]
	size, _ := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	s.sizes[at], s.photo[at] = size, meta["photoId"]
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusCreated)
}

// patch keeps what arrived, also of a body that was cut.
func (s *server) patch(w http.ResponseWriter, r *http.Request, body []byte) {
	at := r.URL.Path
	offset, _ := strconv.Atoi(r.Header.Get("Upload-Offset"))
	s.pieces++
	select {
	case s.ended <- struct{}{}:
	default: // nobody waits
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.access:
		s.problem(w, http.StatusUnauthorized, field.CodeTokenExpired)
	case offset != len(s.files[at]):
		s.problem(w, http.StatusConflict, field.CodeOffsetMismatch)
	default:
		s.files[at] = append(s.files[at], body...)
		w.Header().Set("Upload-Offset", strconv.Itoa(len(s.files[at])))
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *server) record(w http.ResponseWriter, photo string) {
	fields := map[string]any{}
	for at, p := range s.photo {
		if p != photo || int64(len(s.files[at])) != s.sizes[at] {
			continue
		}
		key := s.key
		if s.signs != nil {
			key = s.signs
		}
		if s.forge {
			key = ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, ed25519.SeedSize))
		}
		sum := sha256.Sum256(s.files[at])
		fields["receipt"] = receipt.NewSigner(key).Sign(photo, hex.EncodeToString(sum[:]), s.sizes[at], "image/jpeg", now.Add(s.later))
	}
	s.json(w, map[string]any{"id": photo, "fields": fields})
}

func (s *server) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Log(err) // the link was cut
	}
}

func (s *server) problem(w http.ResponseWriter, status int, code field.Code) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	s.json(w, map[string]any{"status": status, "code": code, "detail": code.Sentence()})
}

// applied lists the operations that took effect: "report submit", "report summary".
func (s *server) applied() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, op := range s.ops {
		what := op.Command
		if what == "" {
			what = strings.Join(slices.Sorted(maps.Keys(op.Set)), "+")
		}
		out = append(out, string(op.Kind)+" "+what)
	}
	return out
}

func (s *server) phone(t *testing.T, dir string, link *badlink.Link) *phone.Phone {
	t.Helper()
	o := phone.Options{
		Dir: dir, BaseURL: s.http.URL, Device: device, Now: func() time.Time { return now }, Attempts: 40,
		Sleep:  func(context.Context, time.Duration) error { s.awaitCuts(); return nil },
		Unlock: func() (string, string) { return "somebody", "password" },
	}
	if link != nil {
		o.Transport = link
	}
	p, err := phone.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // some tests close it themselves
	return p
}

// awaitCuts waits until every piece that cutter has cut ended here too: unlike the real server, this one does not end
// the request before when it is asked how far an upload is. One that was reset before its head was read never ends
// here, so the wait is bounded.
func (s *server) awaitCuts() {
	never := time.After(2 * time.Second)
	for {
		s.mu.Lock()
		all := s.cutter == nil || s.pieces >= s.cutter.Counts().Cut
		s.mu.Unlock()
		if all {
			return
		}
		select {
		case <-s.ended:
		case <-never:
			return
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
