package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

type object = map[string]any

// site is a scope that two pushers write to, and what it must hold by what they were answered.
type site struct {
	id     field.RecordID
	scope  field.Scope
	people []field.UserID // who write to it
	visit  field.RecordID // the report that names them all
	shared field.RecordID // a finding of it, that all its pushers edit
	base   int64          // entries before the soak
	first  *pusher        // one of those who write to it

	mu        sync.Mutex // guards what follows
	batches   int64      // acknowledged: each is one entry
	made      int64      // findings
	values    map[string]value
	conflicts map[field.RecordID]value // by the id of the conflict's record: what was offered
}

// value is what a field was set to, and by which entry.
type value struct {
	seq  int64
	text string
}

// pusher is one inspector with one device. It sends a batch again, byte for byte, until it has an answer, as phones do.
type pusher struct {
	name   string
	url    string
	http   *http.Client
	login  object // of its sign-in
	token  string
	user   field.UserID
	device field.DeviceID
	site   *site
	random *rand.Rand

	spill   *os.File // the bodies of all batches, one after another
	written int64    // bytes of it
	acked   []acked
	open    *sent // the batch that has no answer yet
	counted int   // of acked, in the last count
	own     []field.RecordID
	known   map[field.RecordID]kept   // as the answers say; every own record
	refused map[field.RecordID]string // what was in each rejected operation, by the record that keeps it
	touched []field.RecordID          // own records of the batches since the last count
	base    int64                     // version of the shared record that this device last saw

	held    map[field.RecordID]kept // as pulled, of the site, and what is kept in the author's own scope
	cursors map[field.Scope]protocol.Cursor

	inLog, notInLog int64 // batches that had no answer, by what their repetition showed
}

// acked is a batch with its answer.
type acked struct {
	at, size int64 // in the spill
	answer   [sha256.Size]byte
}

// sent is a batch on its way.
type sent struct {
	number   int64
	at, size int64
	body     []byte
	ops      []protocol.Operation
	tried    bool // it was sent before and there was no answer
}

// kept is what is compared of a record.
type kept struct {
	version int64
	title   string
	amount  float64
	kind    field.Kind
	fields  json.RawMessage // of shared, conflict and parked records
}

var (
	sharedPaths = []string{"facts", "item", "promise"}
	client      = func() *http.Client { return &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second} }
)

func quote(v any) field.Value { return field.Quote(v) }

// next makes the next batch: mostly one operation, sometimes many; findings made and edited, an edit of the record that
// others edit as well, something that must be rejected.
func (p *pusher) next() error {
	size := 1
	switch n := p.random.IntN(20); {
	case n == 0:
		size = 50
	case n < 6:
		size = 2 + p.random.IntN(9)
	}
	b := &sent{number: int64(len(p.acked)) + 1}
	for i := range size {
		token := fmt.Sprintf("%s %d.%d", p.name, b.number, i)
		amount := float64(p.random.IntN(1_000_000))
		op := protocol.Operation{ID: p.newID(), Kind: field.KindFinding}
		switch n := p.random.IntN(100); {
		case n < 5:
			op.Set = map[string]field.Value{"siteId": quote(p.site.id), "title": quote(token), "severity": quote("purple")}
		case n < 15:
			op.ID, op.Base = p.site.shared, p.base
			op.Set = map[string]field.Value{sharedPaths[p.random.IntN(len(sharedPaths))]: quote(token)}
		case n < 70 && len(p.own) > 0:
			op.ID = p.own[p.random.IntN(len(p.own))]
			op.Base = p.known[op.ID].version
			op.Set = map[string]field.Value{"title": quote(token), "amount": quote(amount)}
		default:
			op.Set = map[string]field.Value{"siteId": quote(p.site.id), "title": quote(token), "amount": quote(amount), "severity": quote("serious")}
		}
		b.ops = append(b.ops, op)
	}
	var err error
	b.body, err = json.Marshal(protocol.PushRequest{Device: p.device, Batch: b.number, Scope: p.site.scope, App: "crash", Operations: b.ops})
	if err != nil {
		return err
	}
	b.at, b.size = p.written, int64(len(b.body))
	if _, err := p.spill.WriteAt(b.body, b.at); err != nil {
		return err
	}
	p.written += b.size
	p.open = b
	return nil
}

func (p *pusher) newID() field.RecordID {
	var r [10]byte
	for i := range r {
		r[i] = byte(p.random.Uint32())
	}
	return field.NewID(time.Now(), r)
}

// work pushes until it is told to stop. While the server is gone it knocks again.
func (p *pusher) work(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if p.open == nil {
			if err := p.next(); err != nil {
				return err
			}
		}
		switch err := p.finish(ctx); {
		case errors.Is(err, errGone):
			select {
			case <-stop:
			case <-ctx.Done():
			case <-time.After(2 * time.Millisecond):
			}
		case err != nil:
			return err
		}
	}
}

// finish sends the open batch and takes its answer into the account.
func (p *pusher) finish(ctx context.Context) error {
	var resp protocol.PushResponse
	if err := p.ask(ctx, "/v1/sync/push", p.open.body, &resp); err != nil {
		p.open.tried = true
		return err
	}
	switch {
	case resp.Replayed && p.open.tried:
		p.inLog++
	case resp.Replayed:
		return fmt.Errorf("TWICE: %s: batch %d was never sent before and is known", p.name, p.open.number)
	case p.open.tried:
		p.notInLog++
	}
	return p.take(resp)
}

// take checks an answer and remembers what it promises.
func (p *pusher) take(resp protocol.PushResponse) error {
	b := p.open
	if len(resp.Outcomes) != len(b.ops) || resp.Scope != p.site.scope {
		return fmt.Errorf("%s: batch %d: an answer of another batch: %+v", p.name, b.number, resp)
	}
	s := p.site
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, out := range resp.Outcomes {
		op := &b.ops[i]
		switch {
		case string(op.Set["severity"]) == `"purple"`:
			if out.Outcome != protocol.Rejected || out.RecordID == "" {
				return fmt.Errorf("%s: batch %d: what cannot be was %s", p.name, b.number, out.Outcome)
			}
			p.refused[out.RecordID] = string(op.Set["title"])
		case op.ID == s.shared:
			if err := p.takeShared(op, out, resp.Seq); err != nil {
				return err
			}
		case out.Outcome != protocol.Applied || out.Version != resp.Seq:
			return fmt.Errorf("%s: batch %d: operation %d on its own record: %+v", p.name, b.number, i, out)
		default:
			if _, mine := p.known[op.ID]; !mine {
				s.made++
				p.own = append(p.own, op.ID)
			}
			k := kept{version: out.Version}
			if err := errors.Join(json.Unmarshal(op.Set["title"], &k.title), json.Unmarshal(op.Set["amount"], &k.amount)); err != nil {
				return err
			}
			p.known[op.ID] = k
			p.touched = append(p.touched, op.ID)
		}
	}
	s.batches++
	p.acked = append(p.acked, acked{at: b.at, size: b.size, answer: digest(resp)})
	p.open = nil
	return nil
}

// takeShared remembers what became of an edit of the shared record. The caller holds the site's lock.
func (p *pusher) takeShared(op *protocol.Operation, out protocol.Outcome, seq int64) error {
	for path, v := range op.Set {
		switch {
		case out.Outcome == protocol.Applied || out.Outcome == protocol.Merged:
			if p.site.values[path].seq <= seq {
				p.site.values[path] = value{seq, string(v)}
			}
		case out.Outcome == protocol.Conflict && len(out.Conflicts) == 1:
			if id := out.Conflicts[0]; p.site.conflicts[id].seq <= seq {
				p.site.conflicts[id] = value{seq, string(v)}
			}
		default:
			return fmt.Errorf("%s: an edit of the shared record: %+v", p.name, out)
		}
	}
	return nil
}

// digest is what must be the same in every answer to a batch.
func digest(resp protocol.PushResponse) [sha256.Size]byte {
	raw, err := json.Marshal([]any{resp.Scope, resp.Seq, resp.Hash, resp.Outcomes})
	if err != nil {
		panic(err) // it came from JSON
	}
	return sha256.Sum256(raw)
}

// repeat sends an acknowledged batch again: it must be known, and answered as it was.
func (p *pusher) repeat(ctx context.Context, n int) error {
	a := p.acked[n]
	body := make([]byte, a.size)
	if _, err := p.spill.ReadAt(body, a.at); err != nil {
		return err
	}
	var resp protocol.PushResponse
	if err := p.ask(ctx, "/v1/sync/push", body, &resp); err != nil {
		return err
	}
	if !resp.Replayed || digest(resp) != a.answer {
		return fmt.Errorf("LOST: %s: batch %d was acknowledged and is answered otherwise now: %+v", p.name, n+1, resp)
	}
	return nil
}

// pull reads what is new into what the pusher holds. Nothing may be gone, and nothing may come twice.
func (p *pusher) pull(ctx context.Context) error {
	for more := true; more; {
		body, err := json.Marshal(protocol.PullRequest{Device: p.device, Cursors: p.cursors, Limit: protocol.MaxPage})
		if err != nil {
			return err
		}
		var page protocol.PullResponse
		if err := p.ask(ctx, "/v1/sync/pull", body, &page); err != nil {
			return err
		}
		if len(page.Gone)+len(page.Restart) > 0 {
			return fmt.Errorf("LOST: %s: the history behind %v is another one: gone %v, restart %v", p.name, p.cursors, page.Gone, page.Restart)
		}
		for i := range page.Records {
			if err := p.hold(&page.Records[i]); err != nil {
				return err
			}
		}
		for scope, cursor := range page.Cursors {
			p.cursors[scope] = cursor
		}
		more = page.More
	}
	return nil
}

func (p *pusher) hold(r *protocol.PulledRecord) error {
	switch own := field.MakeScope(field.ScopeUser, string(p.user)); {
	case r.Kind == field.KindParked && r.Scope != own:
		return fmt.Errorf("%s: an operation that was rejected is kept in %s", p.name, r.Scope)
	case r.Kind != field.KindParked && r.Scope != p.site.scope:
		return nil
	}
	var f struct {
		Title  string
		Amount float64
	}
	if err := json.Unmarshal(r.Fields, &f); err != nil {
		return err
	}
	if old, there := p.held[r.ID]; there && old.version >= r.Version {
		return fmt.Errorf("TWICE: %s: record %s was pulled at version %d and comes again at %d", p.name, r.ID, old.version, r.Version)
	}
	k := kept{version: r.Version, title: f.Title, amount: f.Amount, kind: r.Kind}
	if r.ID == p.site.shared || r.Kind == field.KindConflict || r.Kind == field.KindParked {
		k.fields = r.Fields
	}
	if r.ID == p.site.shared {
		p.base = r.Version
	}
	p.held[r.ID] = k
	return nil
}

// ask sends one request. errGone: there was no answer, or one that asks to come again.
func (p *pusher) ask(ctx context.Context, path string, body []byte, into any) error {
	for try := 0; ; try++ {
		status, answer, err := post(ctx, p.http, p.url+path, p.token, body)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil, status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
			return fmt.Errorf("%w: %d %w", errGone, status, errors.Join(err))
		case status == http.StatusUnauthorized && try == 0: // the token is an hour old
			if err := p.signIn(ctx); err != nil {
				return err
			}
		case status >= 300:
			return fmt.Errorf("%s: %s: %d %.300s", p.name, path, status, answer)
		default:
			return json.Unmarshal(answer, into)
		}
	}
}

func (p *pusher) signIn(ctx context.Context) error {
	body, err := json.Marshal(p.login)
	if err != nil {
		return err
	}
	status, answer, err := post(ctx, p.http, p.url+"/v1/auth/sign-in", "", body)
	if err != nil {
		return errors.Join(errGone, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s: sign-in: %d %.300s", p.name, status, answer)
	}
	var t struct{ AccessToken string }
	if err := json.Unmarshal(answer, &t); err != nil {
		return err
	}
	p.token = t.AccessToken
	return nil
}

// post sends JSON and reads the whole answer; one that was cut is an error.
func post(ctx context.Context, c *http.Client, url, token string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, errors.Join(err, resp.Body.Close())
}
