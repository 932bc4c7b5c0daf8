package upkeep

import (
	"context"
	"fmt"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/storage"
	"fieldclue/server/store"
)

// The server's own clock may be wrong, and be put right while it runs. Nothing that it dated is changed then; see
// docs/decisions/clocks.md. Here is what tells a person, and what keys.go and anchor.go ask of the log.

// Warning is what a person should see to while the server goes on.
type Warning struct{ EN, ZH string }

// warn is a warning in both languages that names the same times.
func warn(en, zh string, times ...time.Time) *Warning {
	var named []any
	for _, t := range times {
		named = append(named, t.UTC().Format(time.RFC3339))
	}
	return &Warning{EN: fmt.Sprintf(en, named...), ZH: fmt.Sprintf(zh, named...)}
}

// Doubt says when the clock is behind what the log or the key knows; nil: it is not, by more than clocks may differ.
func Doubt(ctx context.Context, p *storage.Engines) (*Warning, error) {
	var newest time.Time
	err := storage.EachHead(ctx, p.Store, func(h store.Head) error {
		if h.At.After(newest) {
			newest = h.At
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	now := p.Now()
	latest := now.Add(receipt.Clocks)
	if key, _, err := storedKey(ctx, p.Store); err == nil && key.ring().Keys[0].From.After(latest) { // an error is said elsewhere
		return warn("The server's clock says %s, and its key signs from %s on, so no receipt of a photo is given: set the clock right; if it is right now and was ahead before, run fieldclue keys rotate.",
			"服务器时钟为 %s，而签名密钥自 %s 起才有效，因此暂不开具照片回执：请校准时钟；如时钟现已正确、此前偏快，请运行 fieldclue keys rotate。", now, key.From), nil
	}
	if newest.After(latest) {
		return warn("The server's clock says %s, and the newest entry of its log is of %s: the clock is behind, or was ahead before. Set it right; entries keep the time that they have.",
			"服务器时钟为 %s，而日志最新条目的时间为 %s：时钟偏慢，或此前偏快。请校准时钟；已有条目的时间不变。", now, newest), nil
	}
	return nil, nil
}

// latest is the latest time that anything signed may have: now, or that of an entry or a statement from when the clock
// was ahead. A receipt is older than the entry that has it, and a case file has the time of an entry. It reads the
// whole log: the newest entry of a scope need not be the latest, for the clock may have been put right between them.
func latest(ctx context.Context, p *storage.Engines, now time.Time) (time.Time, error) {
	last, _, err := lastAnchored(ctx, p)
	if err != nil {
		return now, err
	}
	latest := now
	if last.At.After(latest) {
		latest = last.At
	}
	err = storage.EachHead(ctx, p.Raw, func(h store.Head) error {
		for after := int64(0); after < h.Seq; {
			page, err := p.Raw.Entries(ctx, h.Scope, after, 200)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				if after = e.Seq; e.At.After(latest) {
					latest = e.At
				}
			}
		}
		return nil
	})
	return latest, err
}
