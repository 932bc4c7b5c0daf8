package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// server is one process: an engine, and the store as this process reaches it.
type server struct {
	engine.Store
	w      *world
	engine *engine.Engine
	dead   bool
}

func (w *world) boot() *server {
	s := &server{Store: w.o.Store, w: w}
	s.engine = engine.New(engine.Options{Store: s, Now: w.now})
	return s
}

// crash ends a process and starts another in its place.
func (w *world) crash(i int) {
	w.report.Crashes++
	w.servers[i].dead = true
	w.servers[i] = w.boot()
}

var (
	errLink  = errors.New("the link broke")
	errDead  = field.Refuse(field.CodeStoreDown, "").Because(errors.New("the process has died"))
	errStore = field.Refuse(field.CodeStoreDown, "").Because(errors.New("the store did not answer"))
)

// Commit goes wrong in every way that it can: refused, made and not answered, and with the process dying before or after.
func (s *server) Commit(ctx context.Context, writes []store.Write) error {
	if s.dead {
		return errDead
	}
	switch {
	case s.w.chance(3):
		return errStore
	case s.w.chance(3):
		return errors.Join(errStore, s.Store.Commit(ctx, writes))
	case s.w.chance(2):
		s.dead = true
		return errDead
	case s.w.chance(2):
		err := s.Store.Commit(ctx, writes)
		s.dead = true
		return errors.Join(errDead, err)
	case s.w.o.Break == NoFsync && s.w.chance(5):
		return nil // in memory only, and then the power fails
	}
	return s.Store.Commit(ctx, writes)
}

// Batch fails in a dead process, and now and then in a living one.
func (s *server) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	if s.dead {
		return store.Entry{}, errDead
	}
	if s.w.chance(1) {
		return store.Entry{}, errStore
	}
	return s.Store.Batch(ctx, scope, device, batch)
}

// Changed is where a pull reads.
func (s *server) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	if s.dead {
		return nil, errDead
	}
	records, err := s.Store.Changed(ctx, scope, after, upTo, limit)
	if s.w.o.Break == LateRows && len(records) > 0 && len(records) < limit && s.w.chance(20) {
		records = records[:len(records)-1]
	}
	return records, err
}

// link is the way from one phone to one of the servers.
type link struct {
	w *world
	p *person
}

// RoundTrip carries a request, unless it is lost, repeated, overtaken by an older one, or its answer is lost.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it was read to its end
	}
	w := l.w
	if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		return answer(r, 200, map[string]any{"accessToken": "a", "refreshToken": "r", "user": map[string]any{"id": l.p.actor.User}}), nil
	}
	if w.chance(10) {
		w.report.Lost++
		return nil, errLink
	}
	push := r.URL.Path == "/v1/sync/push"
	if push {
		l.p.sent = append(l.p.sent, body)
		for w.chance(10) { // something that was on its way for long
			w.report.Repeated++
			old := l.p.sent[w.random.IntN(len(l.p.sent))]
			if _, _, err := l.serve(true, old); err != nil {
				return nil, err
			}
		}
	}
	status, out, err := l.serve(push, body)
	if err != nil {
		return nil, err
	}
	if w.chance(10) {
		w.report.Lost++
		return nil, errLink
	}
	return answer(r, status, out), nil
}

// serve lets one of the servers answer. A server that died over it gives no answer.
func (l *link) serve(push bool, body []byte) (status int, out any, err error) {
	w := l.w
	i := w.random.IntN(len(w.servers))
	s := w.servers[i]
	if push {
		out, err = l.push(s, body)
	} else {
		out, err = l.pull(s, body)
	}
	if s.dead {
		w.crash(i)
		return 0, nil, errLink
	}
	if err == nil {
		return 200, out, nil
	}
	fe := field.AsError(err)
	switch fe.Kind {
	case field.KindInternal:
		w.fault("an internal error: %v", err)
		fallthrough
	case field.KindBusy, field.KindFull:
		return 503, map[string]any{"code": fe.Code}, nil
	}
	return 409, map[string]any{"code": fe.Code}, nil
}

func (l *link) push(s *server, body []byte) (any, error) {
	var req protocol.PushRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	if l.w.o.Break == NoDedupe {
		l.w.batches++
		req.Batch = 1_000_000 + l.w.batches
	}
	resp, err := s.engine.Push(l.w.ctx, l.p.actor, req)
	if err != nil {
		return nil, err
	}
	// Every repetition gets the first answer.
	key, outcomes := string(body), string(field.Quote(resp.Outcomes))
	if first, ok := l.p.first[key]; ok && first != outcomes {
		l.w.fault("phone %d, batch %d: first %s, then %s", l.p.n, req.Batch, first, outcomes)
	}
	l.p.first[key] = outcomes
	return resp, nil
}

func (l *link) pull(s *server, body []byte) (any, error) {
	var req protocol.PullRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	actor := l.p.actor
	if l.w.o.Break == FilterLate {
		all := *actor
		all.Scopes = l.w.scopes()
		actor = &all
	}
	resp, err := s.engine.Pull(l.w.ctx, actor, req)
	if err != nil {
		return nil, err
	}
	for _, scope := range resp.Diverged {
		l.w.fault("phone %d held other records of %s than the server at the same cursor", l.p.n, scope)
	}
	for i, r := range resp.Records {
		if r.Scope.Type() == field.ScopeSite && !slices.Contains(l.p.actor.Scopes, r.Scope) {
			l.w.fault("phone %d was given %s of %s, which it may not read", l.p.n, r.ID, r.Scope)
		}
		if !access.MayRead(l.p.actor, r.Scope, field.ScopeInfo{Orgs: []field.OrgID{"bijie"}}) {
			l.w.fault("phone %d was given %s of %s against the table", l.p.n, r.ID, r.Scope)
		}
		if l.w.o.Break == OldImage && r.Kind == field.KindFinding && l.w.random.IntN(10) == 0 {
			resp.Records[i].Fields = json.RawMessage(`{"title":"as it was"}`)
		}
	}
	return resp, nil
}

func answer(r *http.Request, status int, out any) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": []string{"application/json"}}, Body: io.NopCloser(bytes.NewReader(field.Quote(out))),
	}
}
