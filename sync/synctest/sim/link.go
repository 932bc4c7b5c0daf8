package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// link is the way from one phone to one of the servers.
type link struct {
	w *world
	p *person
}

// claimed is the point at which an app says that it has seen more than it has read.
const claimed = "an app claims what it has not read"

// late begins the name of the point at which something came too late for a report.
const late = "too late for a report that is "

var errLink = errors.New("the link broke")

// RoundTrip carries a request, unless it is lost, cut, repeated, or overtaken by an older one, or its answer is lost or
// cut, or nothing comes at all, or the battery is empty.
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
	if l.p.died != "" {
		return nil, errLink
	}
	if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		return answer(r, 200, field.Quote(map[string]any{"accessToken": "a", "refreshToken": "r", "user": map[string]any{"id": l.p.actor.User}})), nil
	}
	push := r.URL.Path == "/v1/sync/push"
	if w.at("request lost", 60) || push && w.at("battery empty before a push", 8) && l.die() {
		return nil, errLink
	}
	if w.at("request cut", 30) {
		return nil, l.cut(body)
	}
	if push {
		l.p.sent = append(l.p.sent, body)
		for w.at("an old request arrives late", 80) {
			if _, _, err := l.serve(true, l.p.sent[w.choose(len(l.p.sent))]); err != nil {
				return nil, err
			}
		}
	}
	status, out, err := l.serve(push, body)
	if err != nil {
		return nil, err
	}
	switch {
	case w.at("answer lost", 60):
		return nil, errLink
	case w.at("silence", 30):
		w.clock = w.clock.Add(time.Minute)
		return nil, errLink
	case w.at("battery empty after a request", 10) && l.die():
		return nil, errLink
	case w.at("answer cut", 30):
		resp := answer(r, status, out)
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(out[:len(out)/2]), broken{}))
		return resp, nil
	}
	l.known(push && status == 200, body, out)
	return answer(r, status, out), nil
}

// values are what people write.
var values = regexp.MustCompile(`"v\d+-\d+(-facts)?"`)

// known notes what the phone knows now that an answer came through: that what it sent is safe, and what others wrote.
func (l *link) known(pushed bool, body, out []byte) {
	if pushed {
		l.w.history.returned(body)
		for _, v := range values.FindAll(body, -1) {
			l.w.acked[unquoted(v)] = true
		}
	}
	at := l.w.history.tick()
	for _, v := range values.FindAll(out, -1) {
		if v := unquoted(v); l.p.read[v] == 0 {
			l.p.read[v] = at
		}
	}
}

// sameContent checks that what is answered as a repetition stands in the log.
func (l *link) sameContent(req protocol.PushRequest, resp protocol.PushResponse) error {
	if !resp.Replayed {
		return nil
	}
	entry, err := l.w.store.Entry(l.w.ctx, resp.Scope, resp.Seq)
	if err != nil {
		return err
	}
	var ids []field.RecordID
	for _, out := range resp.Outcomes {
		ids = append(ids, out.RecordID)
	}
	kept, err := l.w.store.Records(l.w.ctx, ids)
	if err != nil {
		return err
	}
	stands := entry.Body
	for _, k := range kept {
		stands = append(stands, k.Fields["operation"]...)
	}
	for i, op := range req.Operations {
		for _, v := range values.FindAll(field.Quote(op), -1) {
			if len(resp.Outcomes) <= i || !bytes.Contains(stands, v) {
				l.w.fault("phone %d, batch %d: %s is answered as if it had come before, with what another batch came to", l.p.n, req.Batch, v)
			}
		}
	}
	return nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errLink }

// die keeps what is on the phone's disk at this moment.
func (l *link) die() bool {
	l.p.died = filepath.Join(l.w.o.Dir, fmt.Sprint("died", l.p.n))
	if err := os.CopyFS(l.p.died, os.DirFS(l.p.o.Dir)); err != nil {
		l.w.fault("copying the phone: %v", err)
	}
	return true
}

// cut lets the first half of a request arrive: a server must not take it for a whole one.
func (l *link) cut(body []byte) error {
	var req protocol.PushRequest
	if json.Unmarshal(body[:len(body)/2], &req) == nil {
		l.w.fault("half a request was read as a whole one: %s", body[:len(body)/2])
	}
	return errLink
}

// serve lets one of the servers answer. A server that died over it gives no answer.
func (l *link) serve(push bool, body []byte) (status int, out []byte, err error) {
	w := l.w
	i, s := w.pick()
	if s == nil {
		return 0, nil, errLink
	}
	var resp any
	s.busy = true
	if push {
		resp, err = l.push(s, body)
	} else {
		resp, err = l.pull(s, body)
	}
	s.busy = false
	if s.dead {
		w.crash(i)
		return 0, nil, errLink
	}
	if err == nil {
		return 200, field.Quote(resp), nil
	}
	fe := field.AsError(err)
	problem := field.Quote(map[string]any{"code": fe.Code, "highestBatch": fe.Highest})
	switch fe.Kind {
	case field.ErrorInternal:
		w.fault("an internal error: %v", err)
		fallthrough
	case field.ErrorBusy, field.ErrorFull:
		return 503, problem, nil
	}
	return 409, problem, nil
}

func (l *link) push(s *server, body []byte) (any, error) {
	var req protocol.PushRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	if err := l.claims(s, &req, body); err != nil {
		return nil, err
	}
	l.w.history.called(l.p.n, req)
	if resp, err, done := l.breakPush(s, &req, body); done {
		return resp, err
	}
	resp, err := s.engine.Push(l.w.ctx, l.p.actor, req)
	if field.Is(err, field.CodeBatchReused) {
		if resp, err = l.breakReused(req, err); err != nil {
			l.w.report.Forks++
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := l.sameContent(req, resp); err != nil {
		return nil, err
	}
	// Every repetition gets the first answer.
	key, outcomes := string(body), string(field.Quote(resp.Outcomes))
	if first, ok := l.p.twin.first[key]; ok && first != outcomes {
		l.w.fault("phone %d, batch %d: first %s, then %s", l.p.n, req.Batch, first, outcomes)
	}
	l.p.twin.first[key] = outcomes
	l.w.history.decided(body, resp)
	return resp, l.tooLate(resp)
}

// tooLate names the points at which something came too late for a report, by the report's state.
func (l *link) tooLate(resp protocol.PushResponse) error {
	var kept []field.RecordID
	for _, out := range resp.Outcomes {
		if out.Code == field.CodePartFrozen && !resp.Replayed {
			kept = append(kept, out.RecordID)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	parked, err := l.w.store.Records(l.w.ctx, kept)
	if err != nil {
		return err
	}
	for _, k := range parked {
		report, err := l.w.store.Records(l.w.ctx, []field.RecordID{field.RecordID(k.Text("reportId"))})
		if err != nil {
			return err
		}
		if len(report) == 0 {
			l.w.fault("what came too late for a report is kept and names none: %s", k.Document())
			continue
		}
		l.w.report.Points[late+string(report[0].State)]++
	}
	return nil
}

// claims lets some batches come from an app with another rule for the base: it takes the version that stands on the
// server, as an outcome may have told it, for what its user has seen. How far it says to have read the scope must bound
// that.
func (l *link) claims(s *server, req *protocol.PushRequest, body []byte) error {
	if req.Seen == nil || !l.w.claiming(l.p.twin, req.Batch) {
		return nil
	}
	l.w.report.Points[claimed]++
	return l.seenAll(s, req, body)
}

// claiming reports whether a batch is of such an app.
func (w *world) claiming(d *device, batch int64) bool {
	return w.o.Break == SeenIgnored || (int(batch)+d.n)%2 == 0
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
	call := l.w.history.tick()
	resp, err := s.engine.Pull(l.w.ctx, actor, req)
	if err != nil {
		return nil, err
	}
	l.w.history.read(l.p.n, resp.Records, call)
	for _, scope := range resp.Diverged {
		l.w.fault("phone %d held other records of %s than the server at the same cursor", l.p.n, scope)
	}
	for _, r := range resp.Records {
		if r.Scope.Type() == field.ScopeSite && !slices.Contains(l.p.actor.Scopes, r.Scope) {
			l.w.fault("phone %d was given %s of %s, which it may not read", l.p.n, r.ID, r.Scope)
		}
		if !access.MayRead(l.p.actor, r.Scope, field.ScopeInfo{Orgs: []field.OrgID{"bijie"}}) {
			l.w.fault("phone %d was given %s of %s against the table", l.p.n, r.ID, r.Scope)
		}
	}
	return resp, nil
}

func answer(r *http.Request, status int, out []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": []string{"application/json"}}, Body: io.NopCloser(bytes.NewReader(out)),
	}
}
