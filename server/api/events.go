package api

import (
	"context"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/api/guard"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Pokes says which scopes have been written to. The channel is closed when the listener fell behind, and by cancel.
type Pokes interface {
	Listen(buffer int) (pokes <-chan engine.Poke, cancel func())
}

const (
	pokesAhead  = 4096             // pokes that the hub may fall behind
	eventScopes = 5000             // scopes of one listener
	eventUnsent = 32 << 10         // bytes that the system may hold for a client that does not read
	eventWrite  = 10 * time.Second // a client that does not take a line within this time is dropped
)

func (s *Server) registerEvents() {
	s.route(fiber.MethodGet, "/v1/sync/events", "events", signedIn, s.events)
}

// events opens a stream of server-sent events: {"scope","seq"} of every scope asked for (all visible ones when none is
// named), first as they stand, then whenever they are written to. What several pokes say of one scope while the client
// is slow becomes one line. The stream ends with the token, when what the actor may see has changed, when the client
// does not read, and when the server stops; the client opens another.
func (s *Server) events(c *fiber.Ctx) error {
	who := pass(c)
	l := &listener{hub: s.hub, pass: who, sees: access.Visible(who.Actor), wake: make(chan struct{}, 1), pending: map[field.Scope]int64{}}
	asked, err := askedScopes(c.Query("scopes"))
	if err != nil {
		return err
	}
	heads, err := s.visibleHeads(c.UserContext(), l.sees, asked)
	if err != nil {
		return err
	}
	for _, h := range heads {
		l.scopes = append(l.scopes, h.Scope)
	}
	if !s.hub.add(l) {
		return field.Refuse(field.CodeBusy, "")
	}
	// Only now, so that nothing is missed in between.
	if heads, err = s.visibleHeads(c.UserContext(), l.sees, l.scopes); err != nil {
		s.hub.remove(l)
		return err
	}
	for _, h := range heads {
		l.poke(h.Scope, h.Seq)
	}
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(conn net.Conn) {
		if raw, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
			conn = raw.UnsafeConn()
		}
		guard.BoundUnsent(conn, eventUnsent)
		go l.serve(conn) // and give the buffers of the request back
	})
	return nil
}

func askedScopes(query string) ([]field.Scope, error) {
	if query == "" {
		return nil, nil
	}
	names := strings.Split(query, ",")
	if len(names) > eventScopes {
		return nil, field.Refuse(field.CodeBadRequest, "Name at most %d scopes.", eventScopes)
	}
	asked := make([]field.Scope, 0, len(names))
	for _, n := range names {
		if !field.Scope(n).Valid() {
			return nil, field.Refuse(field.CodeBadRequest, "scopes is a list of scopes, separated by commas.")
		}
		asked = append(asked, field.Scope(n))
	}
	return asked, nil
}

// visibleHeads gives the heads of those scopes, or of all, that may be seen. Others are left out without a word.
func (s *Server) visibleHeads(ctx context.Context, sees access.Filter, asked []field.Scope) ([]store.Head, error) {
	if asked != nil {
		heads := make([]store.Head, 0, len(asked))
		for _, scope := range asked {
			h, err := s.store.Head(ctx, scope)
			if field.Is(err, field.CodeNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if scope.Type().Pulled() && sees.Match(scope, h.Info) {
				heads = append(heads, h)
			}
		}
		return heads, nil
	}
	all := []store.Head{}
	q := store.ListScopes{Visible: sees, Types: field.PulledTypes, Limit: 1000}
	for {
		page, err := s.store.Heads(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < q.Limit || len(all) >= eventScopes {
			return all, nil
		}
		q.After = page[len(page)-1].Scope
	}
}

// hub hands the pokes of the engine to the listeners of their scope, and keeps their hearts beating.
type hub struct {
	server *Server
	pokes  Pokes
	beat   time.Duration
	start  sync.Once
	ended  chan struct{} // closed when the hub's goroutine has ended

	mu        sync.Mutex                         // guards what follows
	closed    bool                               //
	listeners map[*listener]bool                 //
	byScope   map[field.Scope]map[*listener]bool //
	serving   sync.WaitGroup                     // of listeners
}

func newHub(s *Server, pokes Pokes, beat time.Duration) *hub {
	if beat == 0 {
		beat = 15 * time.Second
	}
	return &hub{
		server: s, pokes: pokes, beat: beat, ended: make(chan struct{}),
		listeners: map[*listener]bool{}, byScope: map[field.Scope]map[*listener]bool{},
	}
}

// add reports false when the server stops.
func (h *hub) add(l *listener) bool {
	h.start.Do(func() { go h.run() })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.listeners[l] = true
	for _, scope := range l.scopes {
		if h.byScope[scope] == nil {
			h.byScope[scope] = map[*listener]bool{}
		}
		h.byScope[scope][l] = true
	}
	h.serving.Add(1)
	h.server.metrics.listeners.Inc()
	return true
}

func (h *hub) remove(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.listeners[l] {
		return
	}
	delete(h.listeners, l)
	for _, scope := range l.scopes {
		delete(h.byScope[scope], l)
		if len(h.byScope[scope]) == 0 {
			delete(h.byScope, scope)
		}
	}
	h.serving.Done()
	h.server.metrics.listeners.Dec()
}

func (h *hub) run() {
	defer close(h.ended)
	pokes, cancel := h.pokes.Listen(pokesAhead)
	defer func() { cancel() }()
	ticker := time.NewTicker(h.beat)
	defer ticker.Stop()
	for {
		select {
		case <-h.server.stopping:
			h.endAll(true)
			return
		case p, ok := <-pokes:
			if ok {
				h.tell(p)
				continue
			}
			// Pokes were lost: every client shall ask anew where its scopes stand.
			h.endAll(false)
			pokes, cancel = h.pokes.Listen(pokesAhead)
		case <-ticker.C:
			for _, l := range h.all() {
				if l.abandoned() {
					h.remove(l)
					continue
				}
				l.signal(func() { l.beat = true })
			}
		}
	}
}

func (h *hub) tell(p engine.Poke) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.byScope[p.Scope] {
		l.poke(p.Scope, p.Seq)
	}
}

func (h *hub) all() []*listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*listener, 0, len(h.listeners))
	for l := range h.listeners {
		all = append(all, l)
	}
	return all
}

func (h *hub) endAll(forGood bool) {
	h.mu.Lock()
	h.closed = h.closed || forGood
	h.mu.Unlock()
	for _, l := range h.all() {
		l.signal(func() { l.end = true })
		if forGood && l.abandoned() {
			h.remove(l)
		}
	}
}

// wait returns when the hub and its listeners have ended. The server is stopping.
func (h *hub) wait() {
	h.start.Do(func() { close(h.ended) }) // it never began
	<-h.ended
	h.serving.Wait()
}

// listener is one open stream.
type listener struct {
	hub    *hub
	pass   accounts.Pass
	sees   access.Filter
	scopes []field.Scope
	wake   chan struct{}

	mu      sync.Mutex // guards what follows
	pending map[field.Scope]int64
	beat    bool
	end     bool
	begun   bool // it has its connection
	asked   int  // how often abandoned was asked before that
	gone    bool // it is not listened to any more
}

// abandoned reports whether the client had gone before it was given the connection: such a listener has nobody who
// would remove it. The answer is final.
func (l *listener) abandoned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.asked++
		l.gone = l.gone || l.end || l.asked > 2
	}
	return l.gone
}

// begin reports whether the listener may be served.
func (l *listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = !l.gone
	return l.begun
}

func (l *listener) poke(scope field.Scope, seq int64) {
	l.signal(func() { l.pending[scope] = max(l.pending[scope], seq) })
}

func (l *listener) signal(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // it will look anyway
	}
}

const eventHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n" +
	"X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: " + nothingRuns + "\r\n" +
	"Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\nretry: 3000\n\n"

// serve writes to the connection until the stream ends, and closes it.
func (l *listener) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // nothing is left to be done about a connection that does not close
	if !l.begin() {
		return
	}
	defer l.hub.remove(l)
	if !l.write(conn, []byte(eventHead)) {
		return
	}
	for range l.wake {
		lines, beat, end := l.take()
		if beat && !end {
			end = !l.stillGood()
			lines = append(lines, ": "...)
			lines = append(lines, protocol.Stamp(l.hub.server.now())...)
			lines = append(lines, "\n\n"...)
		}
		if len(lines) > 0 && !l.write(conn, lines) || end {
			return
		}
	}
}

func (l *listener) take() (lines []byte, beat, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for scope, seq := range l.pending {
		lines = append(lines, `data: {"scope":`...)
		lines = field.AppendText(lines, string(scope))
		lines = append(lines, `,"seq":`...)
		lines = strconv.AppendInt(lines, seq, 10)
		lines = append(lines, "}\n\n"...)
	}
	clear(l.pending)
	beat, end = l.beat, l.end
	l.beat = false
	return lines, beat, end
}

func (l *listener) write(conn net.Conn, b []byte) bool {
	if err := conn.SetWriteDeadline(time.Now().Add(eventWrite)); err != nil {
		return false
	}
	_, err := conn.Write(b)
	return err == nil
}

// stillGood reports whether the token, the device and what the actor may see are as they were.
func (l *listener) stillGood() bool {
	s := l.hub.server
	if !s.now().Before(l.pass.Expires) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), eventWrite)
	defer cancel()
	again, err := s.accounts.Renew(ctx, l.pass)
	if err != nil {
		return field.AsError(err).Kind == field.KindBusy // a store that is down for a moment ends no stream
	}
	return reflect.DeepEqual(access.Visible(again.Actor), l.sees)
}
