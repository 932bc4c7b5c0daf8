package api

import (
	"cmp"
	"context"
	"net"
	"reflect"
	"slices"
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
	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

// Pokes says which scopes have been written to. The channel is closed when the listener fell behind, and by cancel.
type Pokes interface {
	Listen(buffer int) (pokes <-chan engine.Poke, cancel func())
}

const (
	pokesAhead  = 4096             // pokes that the hub may fall behind
	eventScopes = 5000             // scopes of one listener
	namedScopes = 64               // that it names: the head of a request has room for few more
	eventUnsent = 32 << 10         // bytes that the system may hold for a client that does not read
	eventWrite  = 10 * time.Second // a client that does not take a line within this time is dropped

	lookEvery = 500 * time.Millisecond // how often is seen whose token or whose day is over
	looksMost = 8                      // that ask the store at the same time
	looksTurn = 500                    // listeners whose right is looked at in one turn because another server may have ended it
)

func (s *Server) registerEvents() {
	s.route(fiber.MethodGet, "/v1/sync/events", "events", signedIn, s.events)
}

// events opens a stream of server-sent events: {"scope","seq"} of every scope asked for (all visible ones when none is
// named), first as they stand, then whenever they are written to. What several pokes say of one scope while the client
// is slow becomes one line. The stream ends with the token, when what the actor may see has changed, when the client
// does not read, and when the server stops; the client opens another. It ends within a second of the right: what this
// process writes is looked at when it is written, what others write may be missed and is looked for in turns.
func (s *Server) events(c *fiber.Ctx) error {
	who := pass(c)
	l := &listener{hub: s.hub, pass: who, head: eventHead, sees: access.Visible(who.Actor), wake: make(chan struct{}, 1), pending: map[field.Scope]int64{}}
	if s.overTLS(c) {
		l.head += fiber.HeaderStrictTransportSecurity + ": " + tlsOnly + "\r\n"
	}
	if origin := sharedWith(s.appOrigins, c.Context()); origin != "" {
		l.head += fiber.HeaderAccessControlAllowOrigin + ": " + origin + "\r\n" + fiber.HeaderVary + ": " + fiber.HeaderOrigin + "\r\n"
	}
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
	if err := s.hub.add(l); err != nil {
		return err
	}
	// Only now, so that nothing is missed in between.
	if heads, err = s.visibleHeads(c.UserContext(), l.sees, l.scopes); err != nil {
		s.hub.remove(l)
		return err
	}
	l.signal(func() { l.look = true }) // what ended since the request was let in has told nobody
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
	if len(names) > namedScopes {
		return nil, field.Refuse(field.CodeBadRequest, "Name at most %d scopes, or none for all.", namedScopes).
			InChinese("最多列明 %d 个范围；不列明即为全部。", namedScopes)
	}
	asked := make([]field.Scope, 0, len(names))
	for _, n := range names {
		if !field.Scope(n).Valid() {
			return nil, field.Refuse(field.CodeBadRequest, "scopes is a list of scopes, separated by commas.").
				InChinese("scopes 须为以逗号分隔的范围列表。")
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
	most   int           // streams in all
	each   int           // of one person
	others bool          // other servers write to the store
	looks  chan struct{} // holds one for each look at a right that goes on
	turns  int64         // that were taken; of the hub's goroutine

	mu        sync.Mutex                         // guards what follows
	closed    bool                               //
	listeners map[*listener]bool                 //
	byScope   map[field.Scope]map[*listener]bool //
	byUser    map[field.UserID]int               //
	serving   sync.WaitGroup                     // of listeners
}

func newHub(s *Server, o Options) *hub {
	h := &hub{
		server: s, pokes: o.Pokes, beat: o.Heartbeat, ended: make(chan struct{}), most: o.Streams, each: o.UserStreams, others: o.Others,
		looks:     make(chan struct{}, looksMost),
		listeners: map[*listener]bool{}, byScope: map[field.Scope]map[*listener]bool{}, byUser: map[field.UserID]int{},
	}
	if h.beat == 0 {
		h.beat = 15 * time.Second
	}
	if h.most == 0 {
		h.most = 20_000
	}
	if h.each == 0 {
		h.each = 8
	}
	o.Accounts.OnEnded(func(e accounts.Ended) {
		h.look(func(l *listener) bool {
			return e.User == l.pass.Actor.User || e.Device == l.pass.Actor.Device || e.Session == l.pass.Session
		})
	})
	return h
}

// add refuses with CodeBusy when the server stops or has as many streams as it may, and with CodeTooManyStreams when
// the person has.
func (h *hub) add(l *listener) error {
	h.start.Do(func() { go h.run() })
	h.mu.Lock()
	defer h.mu.Unlock()
	user := l.pass.Actor.User
	switch {
	case h.byUser[user] >= h.each:
		return field.Refuse(field.CodeTooManyStreams, "")
	case h.closed, len(h.listeners) >= h.most:
		return field.Refuse(field.CodeBusy, "")
	}
	h.byUser[user]++
	h.listeners[l] = true
	for _, scope := range l.scopes {
		if h.byScope[scope] == nil {
			h.byScope[scope] = map[*listener]bool{}
		}
		h.byScope[scope][l] = true
	}
	h.serving.Add(1)
	h.server.metrics.listeners.Inc()
	return nil
}

func (h *hub) remove(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.listeners[l] {
		return
	}
	delete(h.listeners, l)
	user := l.pass.Actor.User
	if h.byUser[user]--; h.byUser[user] == 0 {
		delete(h.byUser, user)
	}
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
	watch := time.NewTicker(lookEvery)
	defer watch.Stop()
	day := field.DayOf(h.server.now())
	for {
		select {
		case <-h.server.stopping:
			h.endAll(true)
			return
		case p, ok := <-pokes:
			if ok {
				h.tell(p)
				h.rights(p.Scope)
				continue
			}
			// Pokes were lost: every client shall ask anew where its scopes stand.
			h.endAll(false)
			pokes, cancel = h.pokes.Listen(pokesAhead)
		case <-watch.C:
			now := h.server.now()
			for _, l := range h.all() {
				switch until := l.pass.Actor.Until; {
				case !now.Before(l.pass.Expires):
					l.signal(func() { l.end = true })
				case !until.IsZero() && !now.Before(until):
					l.signal(func() { l.look = true })
				}
			}
			if today := field.DayOf(now); today != day { // mandates count by the day
				day = today
				h.look(func(*listener) bool { return true })
			} else if h.others {
				h.takeTurn(looksTurn)
			}
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

// rights looks at whose rights may rest on what stands in a scope that was written to: the person's own for grants and
// recusals, that of an organisation for roles and mandates.
func (h *hub) rights(scope field.Scope) {
	switch scope.Type() {
	case field.ScopeUser:
		h.look(func(l *listener) bool { return string(l.pass.Actor.User) == scope.ID() })
	case field.ScopeOrg:
		org := field.OrgID(scope.ID())
		h.look(func(l *listener) bool {
			a := l.pass.Actor
			return a.Org == org || slices.ContainsFunc(a.Mandates, func(m field.Mandate) bool { return m.Principal == org }) ||
				slices.ContainsFunc(a.Given, func(m field.Mandate) bool { return m.Agent == org })
		})
	}
}

// look lets those listeners see whether they still may listen.
func (h *hub) look(match func(*listener) bool) {
	for _, l := range h.all() {
		if match(l) {
			l.signal(func() { l.look = true })
		}
	}
}

// takeTurn lets so many listeners look who have not for the longest time.
func (h *hub) takeTurn(most int) {
	all := h.all()
	slices.SortFunc(all, func(a, b *listener) int { return cmp.Compare(a.turn, b.turn) })
	for _, l := range all[:min(most, len(all))] {
		h.turns++
		l.turn = h.turns
		l.signal(func() { l.look = true })
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
	head   string // of the answer
	sees   access.Filter
	scopes []field.Scope
	wake   chan struct{}
	turn   int64 // when it looked last without being told to; of the hub's goroutine

	mu      sync.Mutex // guards what follows
	pending map[field.Scope]int64
	beat    bool
	look    bool // the right may have ended
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
	"Referrer-Policy: no-referrer\r\nConnection: close\r\n"

// serve writes to the connection until the stream ends, and closes it.
func (l *listener) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // nothing is left to be done about a connection that does not close
	if !l.begin() {
		return
	}
	defer l.hub.remove(l)
	if !l.write(conn, []byte(l.head+"\r\nretry: 3000\n\n")) {
		return
	}
	for range l.wake {
		lines, beat, look, end := l.take()
		if (beat || look) && !end && !l.stillGood() {
			return // and what was written since is not told
		}
		if beat && !end {
			lines = append(lines, ": "...)
			lines = append(lines, protocol.Stamp(l.hub.server.now())...)
			lines = append(lines, "\n\n"...)
		}
		if len(lines) > 0 && !l.write(conn, lines) || end {
			return
		}
	}
}

func (l *listener) take() (lines []byte, beat, look, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for scope, seq := range l.pending {
		lines = append(lines, `data: {"scope":`...)
		lines = exactjson.AppendText(lines, string(scope))
		lines = append(lines, `,"seq":`...)
		lines = strconv.AppendInt(lines, seq, 10)
		lines = append(lines, "}\n\n"...)
	}
	clear(l.pending)
	beat, look, end = l.beat, l.look, l.end
	l.beat, l.look = false, false
	return lines, beat, look, end
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
	l.hub.looks <- struct{}{}
	defer func() { <-l.hub.looks }()
	ctx, cancel := context.WithTimeout(context.Background(), eventWrite)
	defer cancel()
	again, err := s.accounts.Look(ctx, l.pass)
	if err != nil {
		return field.AsError(err).Kind == field.ErrorBusy // a store that is down for a moment ends no stream
	}
	return reflect.DeepEqual(access.Visible(again.Actor), l.sees)
}
