package phone

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// applyPage takes a page and its cursors at once. Scopes that are gone or that start afresh lose their records, never
// what was written here and not yet sent.
func (s *state) applyPage(p *pageEvent) {
	for i := range s.Queue { // its base is a version of the history that is dropped, and says nothing in another
		q := &s.Queue[i]
		if at, ok := s.Cursors[q.Scope]; ok && q.Seen == nil && slices.Contains(slices.Concat(p.Gone, p.Restart), q.Scope) {
			q.Seen = &at
		}
	}
	for _, scope := range slices.Concat(p.Gone, p.Restart) {
		delete(s.Cursors, scope)
		maps.DeleteFunc(s.Records, func(_ field.RecordID, r protocol.PulledRecord) bool { return r.Scope == scope })
	}
	for _, r := range p.Records {
		if r.Deleted {
			delete(s.Records, r.ID)
		} else {
			s.Records[r.ID] = r
		}
	}
	s.prove(p)
	maps.Copy(s.Cursors, p.Cursors)
	s.SkewMS = p.SkewMS
}

// ask chooses the answered batches after which the next pull asks: those that were answered since the last one that had
// an answer, and the newest before. A store that was put back to a copy has lost the newest of what it lost, so as long
// as that one is there, the others are. When one is missing, the phone asks after all.
func (s *state) ask() (asked []*kept) {
	for i := len(s.Kept) - 1; i >= 0 && len(asked) < protocol.MaxAnswers; i-- {
		asked = append(asked, &s.Kept[i])
		if s.Kept[i].Proven && !s.Doubted {
			break
		}
	}
	return asked
}

// askPhotos chooses in the same way the photos after which the next pull asks.
func (s *state) askPhotos() (asked []protocol.Receipted) {
	for i := len(s.Receipted) - 1; i >= 0 && len(asked) < protocol.MaxAnswers; i-- {
		r := s.Receipted[i]
		asked = append(asked, protocol.Receipted{Photo: r.Photo, SHA256: s.Photos[r.Photo].SHA256})
		if r.Proven && !s.Doubted {
			break
		}
	}
	return asked
}

// prove takes what the server says of the batches and photos that it was asked after. When it has been asked after all,
// those that it has lost go back into the outbox, before everything that was written later, with the numbers and the
// bytes that they had; and the photos wait again to be sent.
func (s *state) prove(p *pageEvent) {
	if len(p.Asked) == 0 && len(p.Photos) == 0 {
		return
	}
	if len(p.Missing)+len(p.Lacking) > 0 && !p.All {
		s.Doubted = true
		return
	}
	s.Doubted = false
	var again []sealed
	s.Kept = slices.DeleteFunc(s.Kept, func(k kept) bool {
		lost := slices.Contains(p.Missing[k.Scope], k.Batch)
		if lost {
			again = append(again, k.sealed)
		}
		return lost
	})
	for i := range s.Kept {
		s.Kept[i].Proven = s.Kept[i].Proven || slices.Contains(p.Asked, s.Kept[i].Batch)
	}
	s.Sealed = append(again, s.Sealed...)
	s.Receipted = slices.DeleteFunc(s.Receipted, func(r receipted) bool {
		lost := slices.Contains(p.Lacking, r.Photo)
		if lost {
			s.Photos[r.Photo].Upload, s.Photos[r.Photo].Receipt = "", nil
		}
		return lost
	})
	for i := range s.Receipted {
		s.Receipted[i].Proven = s.Receipted[i].Proven || slices.Contains(p.Photos, s.Receipted[i].Photo)
	}
}

// Pull reads what has changed in all scopes of the user, page after page.
func (p *Phone) Pull(ctx context.Context) error {
	first := true
	for more := true; more; first = false {
		err := p.retry(ctx, func(ctx context.Context) error {
			var err error
			more, err = p.pullPage(ctx, first)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Phone) pullPage(ctx context.Context, first bool) (bool, error) {
	p.mu.Lock()
	req := protocol.PullRequest{Device: p.o.Device.ID, Cursors: maps.Clone(p.st.Cursors), Bytes: p.st.Bytes}
	var page pageEvent
	if first || p.st.Doubted {
		page.All = p.st.Doubted
		for _, k := range p.st.ask() {
			if req.Acknowledged == nil {
				req.Acknowledged = map[field.Scope][]protocol.Acknowledged{}
			}
			req.Acknowledged[k.Scope] = append(req.Acknowledged[k.Scope], protocol.Acknowledged{Batch: k.Batch, Hash: k.Hash})
			page.Asked = append(page.Asked, k.Batch)
		}
		req.Receipted = p.st.askPhotos()
		for _, r := range req.Receipted {
			page.Photos = append(page.Photos, r.Photo)
		}
	}
	if first { // only then, so that a phone that sums up wrongly does not start afresh for ever
		req.Digests = p.st.digests()
	}
	p.mu.Unlock()
	body, err := json.Marshal(req)
	if err != nil {
		return false, err
	}
	if _, err := p.call(ctx, http.MethodPost, "/v1/sync/pull", body, &page.PullResponse); err != nil {
		p.pageOf(req.Bytes, 0.5) // perhaps the answer was too long for the link
		return false, err
	}
	p.pageOf(req.Bytes, 2)
	if at, err := time.Parse(time.RFC3339Nano, page.ServerTime); err == nil {
		page.SkewMS = p.o.Now().Sub(at).Milliseconds()
	}
	if err := p.note(event{Page: &page}); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return page.More || p.st.Doubted, nil
}

// digests sums up the records of each scope.
func (s *state) digests() map[field.Scope]string {
	sums := make(map[field.Scope]protocol.Digest, len(s.Cursors))
	for _, r := range s.Records {
		sum := sums[r.Scope]
		sum.Mix(r.ID, r.Version)
		sums[r.Scope] = sum
	}
	out := make(map[field.Scope]string, len(s.Cursors))
	for scope := range s.Cursors {
		out[scope] = sums[scope].String()
	}
	return out
}

// pageOf asks for shorter or longer pages from now on.
func (p *Phone) pageOf(asked int, factor float64) {
	if asked == 0 {
		asked = protocol.MaxPageBytes
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.st.Bytes = min(max(int(float64(asked)*factor), protocol.MinPageBytes), protocol.MaxPageBytes)
}

// Sync does a whole round: the inbox and all that is new, the outbox, the photos, what waited for the photos, and what
// came of it.
func (p *Phone) Sync(ctx context.Context) error {
	for _, step := range []func(context.Context) error{p.Pull, p.push, p.upload, p.push, p.Pull, p.free} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
