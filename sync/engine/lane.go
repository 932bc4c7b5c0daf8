package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// How a lane works: one batch after another is decided and committed in a scope. Anyone who comes while the lane is
// busy waits in the queue; the next one to hold the lane commits everything that waits in one transaction, several
// entries.
const (
	maxGroup      = 64               // batches in one transaction
	commitTimeout = 30 * time.Second // for deciding and committing a group
	maxTries      = 12               // after losing against another process
	maxIdleLanes  = 4096
)

type lane struct {
	token   chan struct{} // holds one value; the one who took it decides and commits
	head    *store.Head   // as this process committed it last; nil: ask. Guarded by the token
	waiting []*request    // guarded by Engine.mu
	refs    int           // guarded by Engine.mu
}

type request struct {
	in     *protocol.Batch
	digest string
	done   chan struct{}
	resp   protocol.PushResponse
	err    error
	need   []field.Scope // not done: to be committed across these scopes
}

func (r *request) finish(resp protocol.PushResponse, err error) {
	r.resp, r.err = resp, err
	close(r.done)
}

// mayBeToldNo reports whether a refusal of the request is answered without a commit. Nothing would find out then that
// another process has written since this one did, and who acts on what that wrote would be told for ever that it is not
// so: he is answered by the ends of the scopes as they are now.
func (r *request) mayBeToldNo() bool { return r.in.Strict && !r.in.Actor.Server }

func (r *request) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Commit decides a batch and makes it durable. A batch that was committed before, under the same scope, device and
// number, is answered with its first answer. Errors: the batch as a whole cannot be used (CodeBatchReused,
// CodeBadRequest), a Strict batch met a rejection or a conflict (its code), or the store failed; nothing is changed
// then, or the repetition finds out what was.
func (e *Engine) Commit(ctx context.Context, in protocol.Batch) (protocol.PushResponse, error) {
	if err := wellFormed(&in); err != nil {
		return protocol.PushResponse{}, err
	}
	digest, err := digestOf(&in)
	if err != nil {
		return protocol.PushResponse{}, err
	}
	req := &request{in: &in, digest: digest, done: make(chan struct{})}
	l := e.enter(in.Scope, req)
	defer e.leave(in.Scope, l)
	for !req.isDone() {
		select {
		case <-req.done:
		case <-ctx.Done():
			if e.withdraw(l, req) {
				return protocol.PushResponse{}, field.Refuse(field.CodeBusy, "").Because(ctx.Err())
			}
			<-req.done // a group has it, and ends within commitTimeout
		case <-l.token:
			if !req.isDone() {
				e.runGroup(ctx, in.Scope, l)
			}
			l.token <- struct{}{}
		}
	}
	if req.need != nil {
		req.resp, req.err = e.commitAcross(ctx, req)
	}
	if req.err == nil && !req.resp.Replayed {
		for _, o := range req.resp.Outcomes {
			e.observed(string(o.Outcome), 1)
		}
	}
	return req.resp, req.err
}

func wellFormed(in *protocol.Batch) error {
	switch {
	case in.Actor == nil || !in.Scope.Valid():
		return field.Refuse(field.CodeBadRequest, "The scope is not one of user/, org/, site/, clue/, campaign/, ledger/, register/, custody/, signin/ and an id.").
			InChinese("范围须为 user/、org/、site/、clue/、campaign/、ledger/、register/、custody/、signin/ 之一加编号。")
	case in.Device == "" || in.Number < 1:
		return field.Refuse(field.CodeBadRequest, "A batch needs a device and a number from 1.").InChinese("批次须有设备和从 1 起的批次号。")
	case in.Previous != nil && (*in.Previous < 0 || *in.Previous >= in.Number):
		return field.Refuse(field.CodeBadRequest, "previous is the number of an earlier batch of the scope, or 0.").InChinese("previous 须为该范围中较早批次的批次号，或为 0。")
	case len(in.Operations) == 0:
		return field.Refuse(field.CodeBadRequest, "A batch holds at least one operation.").InChinese("批次至少须有一项操作。")
	case len(in.Operations) > protocol.MaxOperations:
		return field.Refuse(field.CodeBatchTooLarge, "")
	}
	return nil
}

// digestOf is the SHA-256 of what a batch asks for, by which a number that is used twice is noticed. The order of
// members and the space between tokens do not count.
func digestOf(in *protocol.Batch) (string, error) {
	h := sha256.New()
	var b []byte
	var names []string
	for i := range in.Operations {
		op := &in.Operations[i]
		b = strconv.AppendQuote(b[:0], string(op.ID))
		b = strconv.AppendQuote(append(b, ' '), string(op.Kind))
		b = strconv.AppendInt(append(b, ' '), op.Base, 10)
		b = strconv.AppendQuote(append(b, ' '), op.Command)
		b = strconv.AppendBool(append(b, ' '), op.Set == nil)
		var err error
		for _, values := range [...]map[string]field.Value{op.Set, op.Args} {
			b = strconv.AppendInt(append(b, ' '), int64(len(values)), 10)
			names = names[:0]
			for name := range values {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				b = append(strconv.AppendQuote(append(b, ' '), name), ' ')
				if b, err = appendCompact(b, values[name]); err != nil {
					return "", field.Refuse(field.CodeBadJSON, "").Because(err)
				}
			}
		}
		if op.Unknown != nil {
			b = append(append(b, " unknown "...), op.Unknown...)
		}
		_, _ = h.Write(append(b, '\n')) // a hash never fails to take bytes
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func appendCompact(b []byte, v field.Value) ([]byte, error) {
	if text := len(v) > 0 && v[0] == '"'; text || !bytes.ContainsAny(v, " \t\r\n") { // in a text space counts
		return append(b, v...), nil
	}
	w := bytes.NewBuffer(b)
	err := json.Compact(w, v)
	return w.Bytes(), err
}

func (e *Engine) enter(scope field.Scope, req *request) *lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.laneLocked(scope)
	l.waiting = append(l.waiting, req)
	return l
}

// withdraw takes a request back that no group has taken, so that an answer of "busy" means that nothing was changed.
func (e *Engine) withdraw(l *lane, req *request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(l.waiting)
	l.waiting = slices.DeleteFunc(l.waiting, func(r *request) bool { return r == req })
	return len(l.waiting) < n
}

func (e *Engine) laneLocked(scope field.Scope) *lane {
	l := e.lanes[scope]
	if l == nil {
		l = &lane{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		e.lanes[scope] = l
	}
	l.refs++
	return l
}

func (e *Engine) leave(scope field.Scope, l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.refs--
	if l.refs == 0 && len(l.waiting) == 0 && len(e.lanes) > maxIdleLanes {
		delete(e.lanes, scope)
	}
}

// take removes the next requests from the queue. A repetition of a batch that is in the group already waits for the
// next one, where it finds the answer.
func (e *Engine) take(l *lane) []*request {
	e.mu.Lock()
	defer e.mu.Unlock()
	type key struct {
		device field.DeviceID
		number int64
	}
	seen := map[key]bool{}
	var group, rest []*request
	for _, r := range l.waiting {
		k := key{r.in.Device, r.in.Number}
		if len(group) == maxGroup || seen[k] {
			rest = append(rest, r)
			continue
		}
		seen[k] = true
		group = append(group, r)
	}
	l.waiting = rest
	return group
}

// runGroup commits what waits in the lane. The caller holds the token.
func (e *Engine) runGroup(ctx context.Context, scope field.Scope, l *lane) {
	group := e.take(l)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	for try := 1; len(group) > 0; try++ {
		for _, r := range group {
			if r.mayBeToldNo() {
				l.head = nil
			}
		}
		root, err := e.rootView(ctx, map[field.Scope]*lane{scope: l})
		if err != nil {
			for _, r := range group {
				r.finish(protocol.PushResponse{}, err)
			}
			return
		}
		var decided []*request
		var decisions []*decision
		for _, r := range group {
			d, done := e.decideOne(ctx, root, r, []field.Scope{scope})
			if !done {
				decided, decisions = append(decided, r), append(decisions, d)
			}
		}
		if len(decided) == 0 {
			return
		}
		err = e.write(ctx, root, decisions, map[field.Scope]*lane{scope: l})
		if err == nil {
			for i, r := range decided {
				r.finish(answer(r, decisions[i]), nil)
			}
			return
		}
		group = decided
		if e.tryAgain(ctx, err, try) {
			continue
		}
		for _, r := range group {
			r.finish(e.resolve(r, err))
		}
		return
	}
}

// decideOne decides a request on top of the root. done: it needs no commit by this group, because it was answered,
// refused, or needs other lanes.
func (e *Engine) decideOne(ctx context.Context, root *view, r *request, held []field.Scope) (d *decision, done bool) {
	resp, known, err := e.known(ctx, r)
	if err != nil || known {
		r.finish(resp, err)
		return nil, true
	}
	d, err = e.decide(root, r.in, r.digest, held)
	var need *needScopes
	switch {
	case errors.As(err, &need):
		r.need = need.scopes
		r.finish(protocol.PushResponse{}, nil)
		return nil, true
	case err != nil:
		r.finish(protocol.PushResponse{}, err)
		return nil, true
	}
	maps.Copy(root.records, d.records)
	maps.Copy(root.heads, d.heads)
	root.decided = slices.AppendSeq(root.decided, maps.Values(d.entries))
	return d, false
}

// commitAcross commits one batch that touches several scopes. It holds all their lanes, taken in sorted order.
func (e *Engine) commitAcross(ctx context.Context, first *request) (protocol.PushResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	scopes := append([]field.Scope{first.in.Scope}, first.need...)
	for try := 1; ; try++ {
		slices.Sort(scopes)
		scopes = slices.Compact(scopes)
		r := &request{in: first.in, digest: first.digest, done: make(chan struct{})}
		timedOut, err := e.holding(ctx, scopes, func(lanes map[field.Scope]*lane) error {
			if r.mayBeToldNo() {
				for _, l := range lanes {
					l.head = nil
				}
			}
			root, err := e.rootView(ctx, lanes)
			if err != nil {
				return err
			}
			d, done := e.decideOne(ctx, root, r, scopes)
			if done {
				return nil
			}
			if err := e.write(ctx, root, []*decision{d}, lanes); err != nil {
				return err
			}
			r.finish(answer(r, d), nil)
			return nil
		})
		switch {
		case timedOut:
			return protocol.PushResponse{}, field.Refuse(field.CodeBusy, "").Because(err)
		case err != nil && e.tryAgain(ctx, err, try):
			continue
		case err != nil:
			return e.resolve(r, err)
		case r.need != nil && try < maxTries:
			scopes = append(scopes, r.need...)
			continue
		case r.need != nil:
			return protocol.PushResponse{}, field.Refuse(field.CodeBusy, "")
		}
		return r.resp, r.err
	}
}

// holding runs do while the lanes of all scopes are held. timedOut: they could not be had in time, and do did not run.
func (e *Engine) holding(ctx context.Context, scopes []field.Scope, do func(map[field.Scope]*lane) error) (timedOut bool, err error) {
	lanes := map[field.Scope]*lane{}
	defer func() {
		for scope, l := range lanes {
			l.token <- struct{}{}
			e.leave(scope, l)
		}
	}()
	for _, scope := range scopes {
		e.mu.Lock()
		l := e.laneLocked(scope)
		e.mu.Unlock()
		select {
		case <-l.token:
			lanes[scope] = l
		case <-ctx.Done():
			e.leave(scope, l)
			return true, ctx.Err()
		}
	}
	return false, do(lanes)
}

// rootView begins with the ends of the scopes that will be written to. They are read before any record: what another
// process writes after that makes the commit fail, so no image is made of a record that was read before a change and
// written after it.
func (e *Engine) rootView(ctx context.Context, lanes map[field.Scope]*lane) (*view, error) {
	root := newView(ctx, e.store)
	for _, scope := range slices.Sorted(maps.Keys(lanes)) {
		if l := lanes[scope]; l.head != nil {
			h := *l.head
			root.heads[scope] = &h
		} else if _, err := root.head(scope); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// write makes decisions durable in one transaction and tells those who listen.
func (e *Engine) write(ctx context.Context, root *view, decisions []*decision, lanes map[field.Scope]*lane) error {
	writes := map[field.Scope]*store.Write{}
	for _, d := range decisions {
		for scope, entry := range d.entries {
			w := writes[scope]
			if w == nil {
				w = &store.Write{}
				writes[scope] = w
			}
			w.Entries = append(w.Entries, entry)
			w.Head = *d.heads[scope]
		}
	}
	for _, id := range slices.Sorted(maps.Keys(root.records)) {
		r := root.records[id]
		if w := writes[r.Scope]; w != nil {
			w.Records = append(w.Records, r)
		}
	}
	list := make([]store.Write, 0, len(writes))
	for _, scope := range slices.Sorted(maps.Keys(writes)) {
		list = append(list, *writes[scope])
	}
	keys, err := e.putKeys(ctx, decisions)
	if err != nil {
		return err
	}
	err = e.store.Commit(ctx, list)
	if errors.Is(err, store.ErrHeadMoved) || errors.Is(err, store.ErrBatchKnown) {
		e.dropKeys(ctx, keys)
	}
	for scope, l := range lanes {
		l.head = nil
		if w := writes[scope]; err == nil && w != nil {
			h := w.Head
			l.head = &h
		}
	}
	if err != nil {
		return err
	}
	for _, w := range list {
		e.hub.tell(Poke{Scope: w.Head.Scope, Seq: w.Head.Seq})
	}
	return nil
}

// tryAgain reports whether a failed commit is certain to have changed nothing and is worth another try; it has waited a
// little then.
func (e *Engine) tryAgain(ctx context.Context, err error, try int) bool {
	if !errors.Is(err, store.ErrHeadMoved) && !errors.Is(err, store.ErrBatchKnown) || try >= maxTries {
		return false
	}
	wait := time.Duration(rand.Int64N(int64(time.Millisecond) << min(try, 6)))
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// resolve answers a request whose commit failed in an unclear way: the batch is in the log, or it is not.
func (e *Engine) resolve(r *request, cause error) (protocol.PushResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if resp, known, err := e.known(ctx, r); err == nil && known {
		return resp, nil
	}
	if errors.Is(cause, store.ErrHeadMoved) || errors.Is(cause, store.ErrBatchKnown) {
		return protocol.PushResponse{}, field.Refuse(field.CodeBusy, "").Because(cause)
	}
	var fe *field.Error
	if errors.As(cause, &fe) {
		return protocol.PushResponse{}, cause
	}
	return protocol.PushResponse{}, field.Refuse(field.CodeStoreDown, "").Because(cause)
}

// known looks for the batch in the log: in its scope, or in the sender's own scope if it was refused as a whole.
func (e *Engine) known(ctx context.Context, r *request) (protocol.PushResponse, bool, error) {
	entry, err := e.store.Batch(ctx, r.in.Scope, r.in.Device, r.in.Number)
	if field.Is(err, field.CodeNotFound) && !r.in.Strict && !r.in.Actor.Server {
		own := field.MakeScope(field.ScopeUser, string(r.in.Actor.User))
		entry, err = e.store.Batch(ctx, own, refusedDevice(r.in.Scope, r.in.Device), r.in.Number)
	}
	if field.Is(err, field.CodeNotFound) {
		return protocol.PushResponse{}, false, nil
	}
	if err != nil {
		return protocol.PushResponse{}, false, err
	}
	body, err := protocol.Open(entry)
	if err != nil {
		return protocol.PushResponse{}, false, err
	}
	if body.Digest != r.digest {
		level := slog.LevelWarn
		if r.in.Actor.Server { // two servers that write the same at once; the caller knows what it means
			level = slog.LevelDebug
		}
		e.log.Log(ctx, level, "batch number used with other content", "scope", r.in.Scope, "device", r.in.Device, "batch", r.in.Number, "stored", body.Digest, "sent", r.digest)
		return protocol.PushResponse{}, false, e.reused(ctx, r)
	}
	resp := protocol.PushResponse{Scope: entry.Scope, Seq: entry.Seq, Hash: entry.Hash, Replayed: true, ServerTime: protocol.Stamp(e.now())}
	for _, op := range body.Ops {
		resp.Outcomes = append(resp.Outcomes, op.Outcome)
	}
	return resp, true, nil
}

// reused refuses a number that stands for other content. To a phone it is told from where to count, and that its device
// id stands for two histories is noted.
func (e *Engine) reused(ctx context.Context, r *request) error {
	if r.in.Strict || r.in.Actor.Server {
		return field.Refuse(field.CodeBatchReused, "This Idempotency-Key stands for another request already. Use a new one for a new click.").
			InChinese("该 Idempotency-Key 已代表另一请求，新的点击请使用新的键。")
	}
	last, err := e.store.LastBatch(ctx, r.in.Scope, r.in.Device)
	if err != nil {
		return err
	}
	own, err := e.store.LastBatch(ctx, field.MakeScope(field.ScopeUser, string(r.in.Actor.User)), refusedDevice(r.in.Scope, r.in.Device))
	if err != nil {
		return err
	}
	if err := e.forks.mark(ctx, r.in.Device); err != nil {
		return err
	}
	last = max(last, own)
	refused := field.Refuse(field.CodeBatchReused, "This batch number was used with other content; the highest number used is %d. Keep the outbox, pull, and send it under a higher number.", last).
		InChinese("该批次号已用于其他内容，已用的最大批次号为 %d。请保留发件箱，先拉取，再以更大的批次号发送。", last)
	refused.Highest = last
	return refused
}

func answer(r *request, d *decision) protocol.PushResponse {
	entry := d.entries[d.home]
	resp := protocol.PushResponse{
		Scope: d.home, Seq: entry.Seq, Hash: entry.Hash, ServerTime: protocol.Stamp(entry.At), Outcomes: d.outcomes,
	}
	if r.in.Strict {
		resp.Records = d.records
	}
	return resp
}

// Push is Commit for a phone: the device must be the one that the access token was given to.
func (e *Engine) Push(ctx context.Context, actor Actor, req protocol.PushRequest) (protocol.PushResponse, error) {
	if req.Device == "" || req.Device != actor.Device {
		return protocol.PushResponse{}, field.Refuse(field.CodeForeignDevice, "")
	}
	resp, err := e.Commit(ctx, protocol.Batch{
		Actor: actor, Device: req.Device, Number: req.Batch, Scope: req.Scope, Operations: req.Operations,
		App: req.App, DeviceTime: req.DeviceTime, SkewMS: req.SkewMS, Seen: req.Seen, Previous: req.Previous,
	})
	if err != nil {
		return resp, fmt.Errorf("push to %s: %w", req.Scope, err)
	}
	return resp, nil
}
