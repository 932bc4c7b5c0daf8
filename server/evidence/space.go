package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/space"
	"fieldclue/server/store"
)

// How often the count of space is brought up to date: soon after something was written, now and then in any case,
// because declarations grow old, and once a day from the records alone.
const (
	spaceSoon  = 5 * time.Second
	spaceEvery = 10 * time.Minute
	spaceAnew  = 24 * time.Hour
)

// WatchSpace keeps the count of space fresh and tells administrators when it runs out.
func (l *Ledger) WatchSpace(ctx context.Context, log *slog.Logger) error {
	told := Told{}
	anew := time.NewTicker(spaceAnew)
	defer anew.Stop()
	for ctx.Err() == nil {
		pokes, cancel := l.engine.Listen(1024)
		wait := spaceEvery
		if err := l.TellOfSpace(ctx, told); err != nil && ctx.Err() == nil {
			log.Warn("what photos take up could not be counted; it is tried again", "error", err)
			wait = spaceSoon
		}
		again := time.NewTimer(wait)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case <-again.C:
				waiting = false
			case <-anew.C:
				if err := l.space.Recount(ctx); err != nil && ctx.Err() == nil {
					log.Warn("what photos take up could not be counted anew; the next day tries again", "error", err)
				}
			case _, open := <-pokes:
				if waiting = open; open {
					pokes = nil // one is enough
					again.Reset(spaceSoon)
				}
			}
		}
		again.Stop()
		cancel()
	}
	return nil
}

// threshold is what an organisation has reached of the limit that an entry of its log has set.
type threshold struct {
	org          field.OrgID
	set, reached int64
}

// Told remembers of which thresholds the administrators were told.
type Told map[threshold]bool

// TellOfSpace puts a notice into the inbox of the administrators of each organisation that has reached a threshold.
// What was told is remembered to save the asking; that nothing is told twice follows from the numbers of the batches.
func (l *Ledger) TellOfSpace(ctx context.Context, told Told) error {
	all, err := l.space.Look(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, u := range all {
		at := threshold{u.Org, u.Limit.Set, u.Reached()}
		if at.reached == 0 || told[at] {
			continue
		}
		if err := l.spaceRunsOut(ctx, u, at.reached); err != nil { // the others are told all the same
			failed = errors.Join(failed, err)
			continue
		}
		told[at] = true
	}
	return failed
}

// spaceRunsOut tells the administrators of an organisation, each once for every threshold of every limit that is set.
func (l *Ledger) spaceRunsOut(ctx context.Context, u space.Use, reached int64) error {
	org, err := l.store.Records(ctx, []field.RecordID{field.OrgRecord(u.Org)})
	if err != nil || len(org) == 0 {
		return err
	}
	zh := fmt.Sprintf("照片已占用本组织空间上限（%s）的 %d%%，含即将上传的照片。请清点或申请扩容。", size(u.Limit.Bytes), reached)
	en := fmt.Sprintf("Photos, with those on their way, have reached %d %% of the organisation's space of %s. Ask for more in time.", reached, size(u.Limit.Bytes))
	if reached >= 100 {
		zh = fmt.Sprintf("本组织的照片空间（%s）已满：已开始的上传可继续，新照片将留在手机上，直至扩容。", size(u.Limit.Bytes))
		en = fmt.Sprintf("The organisation's space for photos (%s) is used up: uploads that were begun go on, new photos wait on the phones until there is more.", size(u.Limit.Bytes))
	}
	q := store.Query{
		Visible: access.Everything, Scope: field.MakeScope(field.ScopeOrg, string(u.Org)),
		Kinds: []field.Kind{field.KindPerson}, States: []field.State{field.StateActive}, Limit: 500,
	}
	return store.EachPage(ctx, l.store, q, func(people []*field.Record) error {
		for _, p := range people {
			var roles []access.Grant
			if err := p.Decode("roles", &roles); err != nil {
				return field.Refuse(field.CodeInternal, "").Because(err).About(string(p.ID))
			}
			if !(&access.Actor{Roles: roles}).Has(access.Administrator) {
				continue
			}
			// The number of the batch follows from the limit and the threshold.
			err := l.notice(ctx, p.ID, "server/space/"+string(u.Org), u.Limit.Set*1000+reached, zh, en, map[string]field.Value{
				"recordId": field.Quote(org[0].ID), "recordKind": field.Quote(field.KindOrg), "recordScope": field.Quote(org[0].Scope),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.1f TiB", float64(n)/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
