package engine

import (
	"sync"

	"fieldclue/server/access"
	"fieldclue/server/field"
)

// Actor is who acts.
type Actor = *access.Actor

// Poke says that a scope has an entry with this number.
type Poke struct {
	Scope field.Scope `json:"scope"`
	Seq   int64       `json:"seq"`
}

// hub hands pokes to listeners. A listener that does not keep up is dropped; it notices by its closed channel and asks
// again from where it stands.
type hub struct {
	mu        sync.Mutex
	listeners map[chan Poke]bool    // guarded by mu
	told      map[field.Scope]int64 // guarded by mu; the newest poke of each scope
}

// mostTold bounds what is remembered of who was told; a forgotten scope is told of once more, and nothing else happens.
const mostTold = 100_000

// Listen returns the pokes of every commit of this process from now on. The channel is closed when the listener falls
// behind by more than buffer pokes, and by cancel.
func (e *Engine) Listen(buffer int) (pokes <-chan Poke, cancel func()) {
	ch := make(chan Poke, buffer)
	h := &e.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[chan Poke]bool{}
	}
	h.listeners[ch] = true
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.listeners[ch] {
			delete(h.listeners, ch)
			close(ch)
		}
	}
}

func (h *hub) tell(p Poke) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told == nil || len(h.told) >= mostTold {
		h.told = map[field.Scope]int64{}
	}
	if h.told[p.Scope] >= p.Seq {
		return
	}
	h.told[p.Scope] = p.Seq
	for ch := range h.listeners {
		select {
		case ch <- p:
		default:
			delete(h.listeners, ch)
			close(ch)
		}
	}
}

// Tell passes on that a process has written to a scope. What the listeners know already is not said again.
func (e *Engine) Tell(p Poke) { e.hub.tell(p) }
