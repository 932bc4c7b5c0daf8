package main

import (
	"context"
	"encoding/json"
	"fmt"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"

	"golang.org/x/sync/errgroup"
)

// older is how many batches of earlier counts are looked at again in every count, by each pusher.
const older = 10

// count looks for all that was acknowledged. First every batch that is still open gets its answer, and every batch
// since the last count is sent again: it must be known, with the outcomes that it had. Then each pusher pulls. The
// site's head must have moved by one entry for each acknowledged batch and no further; the records must be those that
// the answers promised, with these values and versions, and no others. What was rejected is kept whole in the scope of
// who sent it. What was counted before stands under the same hash: a cursor that the server still takes says so.
//
// full reads everything from the beginning instead; all sends every batch again.
func (s *soak) count(ctx context.Context, full, all bool) error {
	err := s.each(ctx, func(ctx context.Context, p *pusher) error {
		if p.open != nil {
			if err := p.finish(ctx); err != nil {
				return err
			}
		}
		return s.repeat(ctx, p, all)
	})
	if err != nil {
		return err
	}
	return s.each(ctx, func(ctx context.Context, p *pusher) error {
		if full {
			p.held, p.cursors = map[field.RecordID]kept{}, map[field.Scope]protocol.Cursor{}
		}
		if err := p.pull(ctx); err != nil {
			return err
		}
		if err := p.compare(full); err != nil {
			return err
		}
		p.counted, p.touched = len(p.acked), nil
		return nil
	})
}

// repeat sends acknowledged batches again: those since the last count and some older ones, or all.
func (s *soak) repeat(ctx context.Context, p *pusher, all bool) error {
	from := p.counted
	if all {
		from = 0
	}
	for n := from; n < len(p.acked); n++ {
		if err := p.repeat(ctx, n); err != nil {
			return err
		}
		s.repeated.Add(1)
	}
	for range min(older, from) {
		if err := p.repeat(ctx, p.random.IntN(from)); err != nil {
			return err
		}
		s.repeated.Add(1)
	}
	return nil
}

// each lets every pusher do something, all at once.
func (s *soak) each(ctx context.Context, do func(context.Context, *pusher) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range s.pushers {
		group.Go(func() error { return do(ctx, p) })
	}
	return group.Wait()
}

// compare holds what was pulled against what was promised.
func (p *pusher) compare(full bool) error {
	s := p.site
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, want := p.cursors[s.scope].Seq, s.base+s.batches; got != want {
		return fmt.Errorf("LOST or TWICE: %s: the log of %s ends at %d, and by the acknowledged batches it is %d", p.name, s.scope, got, want)
	}
	if got, want := int64(len(p.held)), 2+s.made+int64(len(s.conflicts)+len(p.refused)); got != want {
		return fmt.Errorf("LOST or TWICE: %s: %s holds %d records, %d were acknowledged", p.name, s.scope, got, want)
	}
	looked := p.touched
	if full {
		looked = p.own
	}
	for _, id := range looked {
		want, got := p.known[id], p.held[id]
		if got.version != want.version || got.title != want.title || got.amount != want.amount {
			return fmt.Errorf("LOST: %s: record %s is %+v, acknowledged was %+v", p.name, id, got, want)
		}
	}
	for id, title := range p.refused {
		var r struct {
			Operation struct{ Set map[string]json.RawMessage }
		}
		if err := json.Unmarshal(p.held[id].fields, &r); err != nil || p.held[id].kind != field.KindParked || string(r.Operation.Set["title"]) != title {
			return fmt.Errorf("LOST: %s: the rejected operation %s in record %s is not kept (%w)", p.name, title, id, err)
		}
	}
	return p.compareShared()
}

// compareShared looks at the record that several edit, and at their conflicts. The caller holds the site's lock.
func (p *pusher) compareShared() error {
	var now map[string]json.RawMessage
	if err := json.Unmarshal(p.held[p.site.shared].fields, &now); err != nil {
		return fmt.Errorf("LOST: %s: the shared record: %w", p.name, err)
	}
	for path, want := range p.site.values {
		if string(now[path]) != want.text {
			return fmt.Errorf("LOST: %s: %s of the shared record is %s, acknowledged was %s", p.name, path, now[path], want.text)
		}
	}
	for id, want := range p.site.conflicts {
		var c struct{ Offered json.RawMessage }
		if err := json.Unmarshal(p.held[id].fields, &c); err != nil || string(c.Offered) != want.text {
			return fmt.Errorf("LOST: %s: conflict %s offers %s, written was %s (%w)", p.name, id, c.Offered, want.text, err)
		}
	}
	return nil
}
