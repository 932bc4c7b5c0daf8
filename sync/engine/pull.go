package engine

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

const (
	pullChunk = 200    // records that are read from the store at once
	leastRead = 50     // where tombstones are left out, and few records come of many
	mostRead  = 20_000 // records that are read for one request, whether they come on the page or not
)

// Subscriptions lists the ends of all scopes that the actor's phone holds, in the order in which it pulls them: the
// inbox first. The desk may read other people's inboxes; a phone only holds its own.
func (e *Engine) Subscriptions(ctx context.Context, actor Actor) ([]store.Head, error) {
	own := field.MakeScope(field.ScopeUser, string(actor.User))
	q := store.ListScopes{Visible: access.Visible(actor), Types: field.PulledTypes, Limit: 1000}
	var heads []store.Head
	for {
		page, err := e.store.Heads(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, h := range page {
			if h.Scope.Type() == field.ScopeUser && h.Scope != own {
				continue
			}
			heads = append(heads, h)
		}
		if len(page) < q.Limit {
			break
		}
		q.After = page[len(page)-1].Scope
	}
	sort.SliceStable(heads, func(i, j int) bool {
		return slices.Index(field.ScopeTypes, heads[i].Scope.Type()) < slices.Index(field.ScopeTypes, heads[j].Scope.Type())
	})
	return heads, nil
}

// Pull reads what has changed since the cursors, each record once in its latest state, up to one page.
func (e *Engine) Pull(ctx context.Context, actor Actor, req protocol.PullRequest) (protocol.PullResponse, error) {
	if req.Device == "" || req.Device != actor.Device {
		return protocol.PullResponse{}, field.Refuse(field.CodeForeignDevice, "")
	}
	if len(req.Cursors) > protocol.MaxCursors {
		return protocol.PullResponse{}, field.Refuse(field.CodeBadRequest, "A pull carries at most %d cursors.", protocol.MaxCursors).
			InChinese("一次拉取最多带 %d 个游标。", protocol.MaxCursors)
	}
	limit := req.Limit
	if limit <= 0 {
		limit = protocol.DefaultPage
	}
	p := page{e: e, ctx: ctx, device: req.Device, left: min(limit, protocol.MaxPage), room: pageBytes(req.Bytes)}
	p.Records, p.Cursors = []protocol.PulledRecord{}, map[field.Scope]protocol.Cursor{}
	p.Scopes, p.Gone, p.Restart = []field.Scope{}, []field.Scope{}, []field.Scope{}
	heads, err := e.Subscriptions(ctx, actor)
	if err != nil {
		return protocol.PullResponse{}, fmt.Errorf("pull: %w", err)
	}
	if heads, err = p.tasksFirst(actor, heads, req.Cursors); err != nil {
		return protocol.PullResponse{}, fmt.Errorf("pull: %w", err)
	}
	p.name(heads, req.Cursors)
	if p.Missing, err = e.missing(ctx, actor, req.Acknowledged); err != nil {
		return protocol.PullResponse{}, fmt.Errorf("pull: %w", err)
	}
	if p.Lacking, err = e.lacking(ctx, actor, req.Receipted); err != nil {
		return protocol.PullResponse{}, fmt.Errorf("pull: %w", err)
	}
	for i := range heads {
		from, given := req.Cursors[heads[i].Scope]
		if err := p.scope(&heads[i], from, given, req.Digests[heads[i].Scope]); err != nil {
			return protocol.PullResponse{}, fmt.Errorf("pull %s: %w", heads[i].Scope, err)
		}
	}
	p.ServerTime = protocol.Stamp(e.now())
	return p.PullResponse, nil
}

// mostTasks bounds how many open tasks of one person are looked at.
const mostTasks = 500

// tasksFirst puts the sites at which the actor has something to do before everything else but the inbox. It is asked
// only when there is more than one site to read: then they may not all fit on the page, or not for many pages of a slow
// link.
func (p *page) tasksFirst(actor Actor, heads []store.Head, from map[field.Scope]protocol.Cursor) ([]store.Head, error) {
	behind := 0
	for i := range heads {
		if h := &heads[i]; h.Scope.Type() == field.ScopeSite && from[h.Scope].Hash != h.Hash {
			behind++
		}
	}
	if behind < 2 {
		return heads, nil
	}
	first := map[field.Scope]bool{}
	for _, spec := range field.Kinds() {
		for _, work := range spec.Work {
			if len(work.Next) == 0 {
				continue
			}
			tasks, err := p.e.store.List(p.ctx, store.Query{
				Visible: access.Visible(actor), Kinds: []field.Kind{spec.Kind}, States: work.Next,
				Keys: []string{field.KeyFor(work.As, actor.User)}, Limit: mostTasks,
			})
			if err != nil {
				return nil, err
			}
			for _, t := range tasks {
				first[t.Scope] = true
			}
		}
	}
	rank := func(h store.Head) int {
		switch {
		case h.Scope.Type() == field.ScopeUser:
			return 0
		case first[h.Scope]:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(heads, func(a, b store.Head) int { return rank(a) - rank(b) })
	return heads, nil
}

func pageBytes(asked int) int {
	if asked <= 0 {
		return protocol.MaxPageBytes
	}
	return min(max(asked, protocol.MinPageBytes), protocol.MaxPageBytes)
}

// missing finds out which of the batches that the device holds an answer for are not in this history: after a restore
// from a backup the phone sends them again, and the numbers decide what is new.
func (e *Engine) missing(ctx context.Context, actor Actor, acked map[field.Scope][]protocol.Acknowledged) (map[field.Scope][]int64, error) {
	n := 0
	for _, batches := range acked {
		n += len(batches)
	}
	if n > protocol.MaxAnswers {
		return nil, field.Refuse(field.CodeBadRequest, "A pull asks after at most %d batches.", protocol.MaxAnswers).
			InChinese("一次拉取最多查询 %d 个批次。", protocol.MaxAnswers)
	}
	own := field.MakeScope(field.ScopeUser, string(actor.User))
	var lost map[field.Scope][]int64
	for scope, batches := range acked {
		for _, a := range batches {
			entry, err := e.store.Batch(ctx, scope, actor.Device, a.Batch)
			if field.Is(err, field.CodeNotFound) {
				entry, err = e.store.Batch(ctx, own, refusedDevice(scope, actor.Device), a.Batch)
			}
			if err != nil && !field.Is(err, field.CodeNotFound) {
				return nil, err
			}
			if err == nil && entry.Hash == a.Hash {
				continue
			}
			if lost == nil {
				lost = map[field.Scope][]int64{}
			}
			lost[scope] = append(lost[scope], a.Batch)
		}
	}
	return lost, nil
}

// lacking finds out which of the photos for which the device holds a receipt were not received in this history. What is
// not there, is somebody else's, or is known with other bytes is one to who asks. A declaration that was kept counts as
// well: the bytes wait with it.
func (e *Engine) lacking(ctx context.Context, actor Actor, receipted []protocol.Receipted) ([]field.RecordID, error) {
	if len(receipted) > protocol.MaxAnswers {
		return nil, field.Refuse(field.CodeBadRequest, "A pull asks after at most %d photos.", protocol.MaxAnswers).
			InChinese("一次拉取最多查询 %d 张照片。", protocol.MaxAnswers)
	}
	var ids []field.RecordID
	for _, r := range receipted {
		if field.ValidID(string(r.Photo)) && !slices.Contains(ids, r.Photo) {
			ids = append(ids, r.Photo)
		}
	}
	found := map[field.RecordID][]*field.Record{}
	for part := range slices.Chunk(ids, pullChunk) {
		photos, err := e.store.Records(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, p := range photos {
			if p.Kind.DeclaresBytes() && p.Author == actor.User {
				found[p.ID] = append(found[p.ID], p)
			}
		}
	}
	var lost []field.RecordID
	for _, r := range receipted {
		kept := found[r.Photo]
		if len(kept) == 0 && field.ValidID(string(r.Photo)) {
			q := store.Query{
				Visible: everything, Scope: field.MakeScope(field.ScopeUser, string(actor.User)), Kinds: []field.Kind{keptKind},
				Keys: []string{field.KeyFor("recordId", r.Photo)}, Limit: 100,
			}
			err := store.EachPage(ctx, e.store, q, func(page []*field.Record) error {
				kept = append(kept, page...)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		if !slices.ContainsFunc(kept, func(p *field.Record) bool { return receivedAs(p, r.SHA256) }) && !slices.Contains(lost, r.Photo) {
			lost = append(lost, r.Photo)
		}
	}
	return lost, nil
}

// receivedAs reports whether a photo, or the kept declaration of one, has the receipt of these bytes.
func receivedAs(r *field.Record, sum string) bool {
	var receipt struct {
		SHA256 string `json:"sha256"`
	}
	return r.Fields["receipt"] != nil && r.Decode("receipt", &receipt) == nil && receipt.SHA256 == sum
}

type page struct {
	protocol.PullResponse
	e      *Engine
	ctx    context.Context
	device field.DeviceID
	left   int // records that still fit
	room   int // bytes that still fit
	read   int // records that were read from the store
}

const (
	recordBytes = 400 // about what a record takes on a page besides its fields
	cursorBytes = 300 // and a cursor
	scopeBytes  = 80  // and the name of a scope
)

// name tells the device what it may read, in the order in which it comes, and what it may not read any more. Each list
// takes an eighth of the page at most: the page is there for records. Where not all fit, those that are new to the
// device are named; it knows the others. Of those that are gone others are named each time then, so that none waits
// behind those that it cannot give up yet.
func (p *page) name(heads []store.Head, from map[field.Scope]protocol.Cursor) {
	most := p.room / 8 / scopeBytes
	visible := make(map[field.Scope]bool, len(heads))
	for i := range heads {
		scope := heads[i].Scope
		visible[scope] = true
		if _, held := from[scope]; (!held || len(heads) <= most) && len(p.Scopes) < most {
			p.Scopes = append(p.Scopes, scope)
		}
	}
	for scope := range from { // a map is walked from another place each time
		if !visible[scope] && len(p.Gone) < most {
			p.Gone = append(p.Gone, scope)
		}
	}
	slices.Sort(p.Gone)
	p.room -= scopeBytes * (len(p.Scopes) + len(p.Gone))
}

// scope adds one scope to the page. given: the device has sent a cursor. digest is what it makes of its records; empty:
// it does not say.
func (p *page) scope(head *store.Head, from protocol.Cursor, given bool, digest string) error {
	if from.Seq == head.Seq && from.Hash == head.Hash {
		return p.compare(head, digest)
	}
	if p.room <= 0 {
		p.More = true
		return nil
	}
	way, err := p.setOut(head, from, given)
	if err != nil {
		return err
	}
	if way.afresh {
		p.restart(head.Scope)
		return nil
	}
	at, part, whole := from.Seq, from.Part(), false
	for !whole && p.left > 0 && p.room > 0 && p.read < mostRead {
		// In chunks, because most pages are full by their bytes long before they are full by their number.
		chunk := min(p.left, pullChunk)
		if at < way.loaded {
			chunk = max(chunk, leastRead)
		}
		records, err := p.e.store.Changed(p.ctx, head.Scope, at, head.Seq, chunk)
		if err != nil {
			return err
		}
		p.read += len(records)
		whole = len(records) < chunk
		if part != "" { // what the device has of the next entry
			records = slices.DeleteFunc(records, func(r *field.Record) bool { return r.Version == at+1 && r.ID <= part })
		}
		taken := p.take(records, &way)
		if taken > 0 {
			at, part = records[taken-1].Version, ""
		}
		if taken < len(records) {
			whole = false
			if taken > 0 && records[taken].Version == at {
				at, part = at-1, records[taken-1].ID
			}
			break
		}
	}
	if whole || at == head.Seq {
		p.Cursors[head.Scope] = protocol.Cursor{Seq: head.Seq, Hash: head.Hash, Load: protocol.Whole}
		p.room -= cursorBytes
		return nil
	}
	p.More = true
	if at == from.Seq && part == from.Part() {
		return nil
	}
	cursor := protocol.Cursor{Seq: at, Load: protocol.Within(way.load(at), part)}
	if at > 0 {
		mark, err := p.e.mark(p.ctx, head.Scope, at)
		if err != nil {
			return err
		}
		cursor.Hash = mark.Hash
	}
	p.Cursors[head.Scope] = cursor
	p.room -= cursorBytes
	return nil
}

// restart tells the device to load a scope afresh.
func (p *page) restart(scope field.Scope) {
	p.Restart, p.More = append(p.Restart, scope), true
	p.room -= scopeBytes
}

// compare finds out whether a device that has read all of a scope holds what the server holds.
func (p *page) compare(head *store.Head, digest string) error {
	if digest == "" || p.room <= 0 { // it is sent again another day
		return nil
	}
	ours, err := p.e.digest(p.ctx, head)
	if err != nil || ours == "" || digest == ours {
		return err
	}
	p.e.log.Warn("a device holds other records than the server at the same cursor; it starts the scope afresh", "scope", head.Scope, "seq", head.Seq, "device", p.device, "sent", digest, "stored", ours)
	p.restart(head.Scope)
	p.Diverged = append(p.Diverged, head.Scope)
	p.room -= scopeBytes
	return nil
}

// digest sums a scope up at its head. The answer is remembered until the scope moves on; empty: it has moved on
// already, and what is stored is no longer what it was at that head.
func (e *Engine) digest(ctx context.Context, head *store.Head) (string, error) {
	e.mu.Lock()
	known, ok := e.digests[head.Scope]
	e.mu.Unlock()
	if ok && known.hash == head.Hash {
		return known.digest, nil
	}
	var sum protocol.Digest
	for at := int64(0); at < head.Seq; {
		records, err := e.store.Changed(ctx, head.Scope, at, head.Seq, pullChunk)
		if err != nil {
			return "", err
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			if !r.Deleted {
				sum.Mix(r.ID, r.Version)
			}
			at = r.Version
		}
	}
	now, err := e.store.Head(ctx, head.Scope)
	if err != nil || now.Hash != head.Hash {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.digests == nil || len(e.digests) >= mostTold {
		e.digests = map[field.Scope]summed{}
	}
	e.digests[head.Scope] = summed{hash: head.Hash, digest: sum.String()}
	return sum.String(), nil
}

// summed is the digest of a scope at the entry with a hash.
type summed struct{ hash, digest string }

// take adds records to the page while there is room, and returns how many it has dealt with. An empty page takes one in
// any case. Tombstones up to the version way.loaded are left out: see way. For a device that gets entries whole, the
// records of one version go together.
func (p *page) take(records []*field.Record, way *way) (taken int) {
	for taken < len(records) && p.left > 0 {
		n := 1
		for way.entire && taken+n < len(records) && records[taken+n].Version == records[taken].Version {
			n++
		}
		size := 0
		pulled := make([]protocol.PulledRecord, 0, n)
		for _, r := range records[taken : taken+n] {
			if r.Deleted && r.Version <= way.loaded {
				continue
			}
			one := protocol.FromRecord(field.Pulled(r))
			pulled = append(pulled, one)
			size += len(one.Fields) + recordBytes
		}
		if p.room < size && len(p.Records) > 0 {
			p.room = 0
			return taken
		}
		p.Records = append(p.Records, pulled...)
		p.room, p.left = p.room-size, p.left-len(pulled)
		taken += n
	}
	return taken
}
