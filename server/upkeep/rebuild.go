package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/worker"
	"fieldclue/server/accounts"
	"fieldclue/server/config"
	"fieldclue/server/evidence"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
	"fieldclue/sync/engine"
)

// Rebuilt is what Rebuild did.
type Rebuilt struct {
	*engine.Rebuilt
	Renditions int      // were missing or wrong, and are as the log says again
	Documents  int      // working documents that were missing or wrong
	Failed     []string // what could not be made anew, and why
}

// Rebuild makes everything anew that follows from something else: records and heads, and what they are found by, from
// the log; renditions from the originals; working documents from what they have to say by the log.
func Rebuild(ctx context.Context, cfg config.Config, log *slog.Logger, told func(*engine.Rebuilt)) (*Rebuilt, error) {
	p, err := storage.Open(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	done := &Rebuilt{}
	done.Rebuilt, err = engine.Rebuild(ctx, p.Store, told)
	if err == nil {
		err = done.derived(ctx, p, log)
	}
	return done, errors.Join(err, p.Close())
}

func (d *Rebuilt) failed(format string, args ...any) {
	d.Failed = append(d.Failed, fmt.Sprintf(format, args...))
}

// derived makes renditions and working documents anew.
func (d *Rebuilt) derived(ctx context.Context, p *storage.Engines, log *slog.Logger) error {
	renditions := evidence.NewRenditions(p)
	defer renditions.Close()
	jobs := worker.New(worker.Config{Docs: p.Store, Log: log, Now: time.Now})
	var found founding
	err := storage.EachHead(ctx, p.Store, func(h store.Head) error {
		return storage.EachRecord(ctx, p.Store, h.Scope, func(r *field.Record) error {
			found.see(r)
			if !r.Kind.DeclaresBytes() || r.Fields["receipt"] == nil {
				return nil
			}
			return d.renditions(ctx, p, renditions, r)
		})
	})
	if err != nil {
		return err
	}
	if err := d.documents(ctx, p, &found); err != nil {
		return err
	}
	// After the jobs that are none were removed.
	return storage.EachHead(ctx, p.Store, func(h store.Head) error {
		return storage.EachRecord(ctx, p.Store, h.Scope, func(r *field.Record) error {
			if !r.Kind.DeclaresBytes() || r.Fields["receipt"] == nil {
				return nil
			}
			lost, err := evidence.Unexamined(ctx, p.Store, r)
			if err != nil || !lost {
				return err
			}
			d.Documents++
			return evidence.ExamineLater(ctx, jobs, r.ID)
		})
	})
}

// renditions makes the renditions of a photo anew that are missing or wrong. They are named by their hash, so only the
// very same bytes will do; another version of this program may make others.
func (d *Rebuilt) renditions(ctx context.Context, p *storage.Engines, again *evidence.Renditions, photo *field.Record) error {
	wrong := map[string]blob.Sum{}
	for _, name := range []string{"small", "large"} {
		sum := blob.Sum(photo.Text(name))
		if sum == "" {
			continue
		}
		info, err := p.Small.Stat(ctx, sum)
		if err == nil {
			err = whole(ctx, p.Small, sum, info.Size)
		}
		if field.Is(err, field.CodeStoreDown) && p.Small.Ping(ctx) != nil {
			return err
		}
		if err != nil {
			wrong[name] = sum
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	made, err := again.Make(ctx, photo)
	if err != nil {
		d.failed("the renditions of photo %s of %s: %v", photo.ID, photo.Scope, err)
		return ctx.Err()
	}
	over, ok := p.Small.(blob.Replaces)
	for name, sum := range wrong {
		b, same := made[sum]
		switch {
		case !ok || !same:
			d.failed("the %s rendition %s of photo %s of %s: this program makes other bytes of the original; put the file back from a backup", name, sum, photo.ID, photo.Scope)
		default:
			if err := over.Replace(ctx, sum, int64(len(b)), bytes.NewReader(b)); err != nil {
				return err
			}
			d.Renditions++
		}
	}
	return nil
}

// documents removes working documents that are none, so that what they stand for begins again, and writes those anew
// that follow from the log and the statements.
func (d *Rebuilt) documents(ctx context.Context, p *storage.Engines, found *founding) error {
	now := time.Now()
	for _, shelf := range []store.Shelf{store.Jobs, store.Cursors, store.Uploads} {
		err := storage.EachDoc(ctx, p.Store, shelf, func(doc store.Doc) error {
			what, err := strange(ctx, p.Store, doc, now)
			if err != nil || what == "" {
				return err
			}
			d.Documents++
			return p.Store.DeleteDoc(ctx, shelf, doc.ID, doc.Version)
		})
		if err != nil {
			return fmt.Errorf("shelf %s: %w", shelf, err)
		}
	}
	return errors.Join(d.setup(ctx, p, found), d.remade(ctx, p), d.newest(ctx, p))
}

// setup closes the set-up that the log says is over.
func (d *Rebuilt) setup(ctx context.Context, p *storage.Engines, found *founding) error {
	doc, err := p.Store.GetDoc(ctx, store.Keys, setupDoc)
	if err != nil && !field.Is(err, field.CodeNotFound) || !found.over() {
		return err
	}
	if err == nil && found.wrong(doc) == "" {
		return nil
	}
	d.Documents++
	doc.Shelf, doc.ID = store.Keys, setupDoc
	doc.Body = field.Quote(setupState{Person: found.person, Done: true, Org: found.org})
	_, err = p.Store.PutDoc(ctx, doc)
	return err
}

// remade removes those of the server's own documents that are none and that are made again when they are needed: the
// key of access tokens, the seed of one-time codes, and that older accounts were lifted into the log.
func (d *Rebuilt) remade(ctx context.Context, p *storage.Engines) error {
	for _, id := range []string{tokenDoc, accounts.CodeSeedDoc, accounts.UpgradeDoc} {
		doc, err := p.Store.GetDoc(ctx, store.Keys, id)
		if field.Is(err, field.CodeNotFound) || err == nil && whyNotOwn(doc) == "" {
			continue
		}
		if err != nil {
			return err
		}
		d.Documents++
		if err := p.Store.DeleteDoc(ctx, store.Keys, id, doc.Version); err != nil {
			return err
		}
	}
	return nil
}

// newest makes the document about the newest statement say which one that is.
func (d *Rebuilt) newest(ctx context.Context, p *storage.Engines) error {
	key, _, err := storedKey(ctx, p.Store)
	if err != nil {
		return nil // what is wrong with the key is not made anew, and nothing can be said about statements without it
	}
	var newest anchored
	err = p.Anchors.Each(ctx, func(i blob.Info) error {
		msg, err := fetch(ctx, p.Anchors, i)
		if err != nil {
			return nil // verification names it
		}
		if s, err := anchor.Open(key.ring().Keys.Public(), msg); err == nil && s.At.After(newest.At) {
			newest = anchored{At: s.At, Sum: i.Sum}
		}
		return nil
	})
	if err != nil || newest.Sum == "" {
		return err
	}
	last, doc, err := lastAnchored(ctx, p)
	if err != nil && doc.Version == 0 { // otherwise it is there and cannot be read
		return err
	}
	if last.Sum == newest.Sum && last.At.Equal(newest.At) {
		return nil
	}
	d.Documents++
	doc.Body = field.Quote(newest)
	_, err = p.Store.PutDoc(ctx, doc)
	return err
}
