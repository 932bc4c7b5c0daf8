package synctest

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
	maps.Copy(s.Cursors, p.Cursors)
	s.SkewMS = p.SkewMS
}

// Pull reads what has changed in all scopes of the user, page after page.
func (p *Phone) Pull(ctx context.Context) error {
	for more := true; more; {
		err := p.retry(ctx, func(ctx context.Context) error {
			var err error
			more, err = p.pullPage(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Phone) pullPage(ctx context.Context) (bool, error) {
	p.mu.Lock()
	req := protocol.PullRequest{Device: p.o.Device.ID, Cursors: maps.Clone(p.st.Cursors)}
	p.mu.Unlock()
	body, err := json.Marshal(req)
	if err != nil {
		return false, err
	}
	var page pageEvent
	if _, err := p.call(ctx, http.MethodPost, "/v1/sync/pull", body, &page.PullResponse); err != nil {
		return false, err
	}
	if at, err := time.Parse(time.RFC3339Nano, page.ServerTime); err == nil {
		page.SkewMS = p.o.Now().Sub(at).Milliseconds()
	}
	if err := p.note(event{Page: &page}); err != nil {
		return false, err
	}
	return page.More, nil
}

// Sync does a whole round: the inbox and all that is new, the outbox, the photos, what waited for the photos, and what
// came of it.
func (p *Phone) Sync(ctx context.Context) error {
	for _, step := range []func(context.Context) error{p.Pull, p.push, p.upload, p.push, p.Pull} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
