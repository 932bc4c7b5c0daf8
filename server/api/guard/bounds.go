package guard

import (
	"sync"

	"github.com/valyala/fasthttp"

	"fieldclue/server/field"
)

// bounds knows what bodies are under way in this process, and bounds them for each user and in total. The first 8 KiB
// of a body are not counted: the server has read them before anybody is asked, and they wait for nothing.
type bounds struct {
	cfg Config

	mu    sync.Mutex // guards what follows
	all   load
	users map[string]load // those who have something under way
}

// load is what is under way.
type load struct {
	uploads int   // bodies that a handler streams
	bodies  int   // others
	bytes   int64 // of these, in memory
}

func (l load) plus(o load) load {
	return load{l.uploads + o.uploads, l.bodies + o.bodies, l.bytes + o.bytes}
}

func (l load) minus(o load) load {
	return load{l.uploads - o.uploads, l.bodies - o.bodies, l.bytes - o.bytes}
}

func newBounds(cfg Config) *bounds { return &bounds{cfg: cfg, users: map[string]load{}} }

// take adds to what a user has under way, or refuses and adds nothing.
func (b *bounds) take(user string, more load) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, own := b.all.plus(more), b.users[user].plus(more)
	switch {
	case own.uploads > b.cfg.UserUploads, own.bodies > b.cfg.UserBodies, own.bytes > b.cfg.UserMemory:
		return field.Refuse(field.CodeBodyTooMany, "")
	case all.uploads > b.cfg.Uploads, all.bytes > b.cfg.Memory:
		return field.Refuse(field.CodeBodyBusy, "")
	}
	b.all, b.users[user] = all, own
	return nil
}

func (b *bounds) give(user string, less load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = b.all.minus(less)
	if own := b.users[user].minus(less); own == (load{}) {
		delete(b.users, user)
	} else {
		b.users[user] = own
	}
}

// share is what one request has of the bounds.
type share struct {
	b     *bounds
	ctx   *fasthttp.RequestCtx
	known bool
	user  string
	has   load
}

func (b *bounds) share(ctx *fasthttp.RequestCtx) *share { return &share{b: b, ctx: ctx} }

// upload is asked before the first byte of a body that a handler streams.
func (s *share) upload(length int64) error {
	if length <= Free && length != Unknown {
		return nil
	}
	return s.take(load{uploads: 1})
}

// memory is asked before so many bytes in all are held for the request.
func (s *share) memory(total int64) error {
	if total <= Free || total <= s.has.bytes {
		return nil
	}
	more := load{bytes: total - s.has.bytes}
	if s.has.bodies == 0 {
		more.bodies = 1
	}
	return s.take(more)
}

func (s *share) take(more load) error {
	if !s.known {
		user, err := s.b.cfg.Sender(s.ctx)
		if err != nil {
			return err
		}
		s.known, s.user = true, user
	}
	if err := s.b.take(s.user, more); err != nil {
		return err
	}
	s.has = s.has.plus(more)
	return nil
}

func (s *share) release() {
	if s.has != (load{}) {
		s.b.give(s.user, s.has)
		s.has = load{}
	}
}
