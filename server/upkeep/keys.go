package upkeep

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/accounts"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
)

// serverKey is the document with the key that signs receipts, statements and case files. It lies in the store, so every
// server has the same one, and anyone who changes it changes it for all in one write.
const serverKey = "receipts"

// keyBody is that document. Of older keys it has the public part alone: nobody signs with them again.
type keyBody struct {
	Seed  []byte       `json:"seed"`
	From  time.Time    `json:"from,omitzero"`
	Older receipt.Keys `json:"older,omitempty"` // the newest first
}

// ring is what the document says. The first key of a server signs since there was one, whatever the document says: an
// older program wrote there what the clock had said, and a clock that is put right later makes everything older than
// that.
func (k keyBody) ring() receipt.Ring {
	ring := receipt.Ring{Private: ed25519.NewKeyFromSeed(k.Seed), Keys: k.keys()}
	ring.Keys[len(ring.Keys)-1].From = time.Time{}
	return ring
}

// keys are the public keys, to the letter of the document.
func (k keyBody) keys() receipt.Keys {
	keys := receipt.NewRing(ed25519.NewKeyFromSeed(k.Seed)).Keys
	keys[0].From = k.From
	return append(keys, k.Older...)
}

// storedKey reads the document; CodeNotFound when there is none yet.
func storedKey(ctx context.Context, docs storage.Store) (k keyBody, doc store.Doc, err error) {
	if doc, err = docs.GetDoc(ctx, store.Keys, serverKey); err != nil {
		return k, doc, err
	}
	if err := json.Unmarshal(doc.Body, &k); err != nil || len(k.Seed) != ed25519.SeedSize {
		return k, doc, fmt.Errorf("the server's key is damaged: %w", errors.Join(err, errors.New("wrong length")))
	}
	return k, doc, nil
}

// newKey makes a key that signs from a time on; the first one of a server has none.
func newKey(from time.Time) keyBody {
	k := keyBody{Seed: make([]byte, ed25519.SeedSize), From: from}
	_, _ = rand.Read(k.Seed) // never fails: crypto/rand aborts the program instead
	return k
}

// Ring gives the server's keys as they are now; the first process to need them makes one.
func Ring(ctx context.Context, p *storage.Engines) (receipt.Ring, error) {
	for range 3 {
		k, _, err := storedKey(ctx, p.Store)
		if err == nil {
			return k.ring(), nil
		}
		if !field.Is(err, field.CodeNotFound) {
			return receipt.Ring{}, err
		}
		_, err = p.Store.PutDoc(ctx, store.Doc{Shelf: store.Keys, ID: serverKey, Body: field.Quote(newKey(time.Time{}))})
		if err != nil && !field.Is(err, field.CodeStale) {
			return receipt.Ring{}, err
		}
	}
	return receipt.Ring{}, errors.New("the server's key can neither be read nor made")
}

// Keys are the public keys of the server that the configuration names, to be published. It may run meanwhile.
func Keys(ctx context.Context, cfg config.Config, log *slog.Logger) (receipt.Keys, error) {
	p, err := storage.OpenToRead(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	k, _, err := storedKey(ctx, p.Store)
	if err = errors.Join(noKey(err), p.Close()); err != nil {
		return nil, err
	}
	return k.ring().Keys, nil
}

func noKey(err error) error {
	if field.Is(err, field.CodeNotFound) {
		return errors.New("there is no key yet: the server makes one when it starts for the first time")
	}
	return err
}

// RotateKey makes a new key, with which everything is signed from now on, and destroys the private part of the one
// before. With leaked the old one is marked: others may have it, and so the key of access tokens that lies beside it,
// which is renewed too. A statement with the new key vouches at once for all that the logs hold, so that what the old
// key signed does not rest on it alone. The old key was good until the latest time that it may have signed, which is
// later than now if the clock was ahead meanwhile. statement is empty when nothing was written yet. It may run while a
// server serves: that looks at its keys again within a minute, and takes tokens of the key before until they end.
func RotateKey(ctx context.Context, cfg config.Config, log *slog.Logger, leaked bool) (keys receipt.Keys, statement string, err error) {
	p, err := storage.OpenBeside(ctx, cfg, log)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	k, doc, err := storedKey(ctx, p.Store)
	if err != nil {
		return nil, "", noKey(err)
	}
	now := p.Now().UTC().Truncate(time.Millisecond)
	until, err := latest(ctx, p, now)
	if err != nil {
		return nil, "", err
	}
	next, old := newKey(now), k.ring().Keys
	old[0].Until, old[0].Leaked = until, leaked
	next.Older = old
	doc.Body = field.Quote(next)
	if _, err := p.Store.PutDoc(ctx, doc); err != nil {
		return nil, "", err // CodeStale: somebody else changed it just now, which is as good
	}
	if leaked {
		err = accounts.RenewTokenKey(ctx, p.Store)
	} else {
		err = accounts.RotateTokenKey(ctx, p.Store, cfg.AccessTTL)
	}
	if err != nil {
		return next.ring().Keys, "", fmt.Errorf("the key of receipts was changed and that of access tokens was not; do it again: %w", err)
	}
	sum, _, err := keepStatement(ctx, p, p.Now(), false)
	if err != nil {
		return next.ring().Keys, "", fmt.Errorf("the key was changed, and the statement that has to follow was not kept (run fieldclue anchor): %w", err)
	}
	return next.ring().Keys, string(sum), nil
}

// MarkLeaked says of an older key that others may have it, and so the key of access tokens that lay beside it, which is
// renewed.
func MarkLeaked(ctx context.Context, cfg config.Config, log *slog.Logger, id string) (keys receipt.Keys, err error) {
	p, err := storage.OpenBeside(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	k, doc, err := storedKey(ctx, p.Store)
	if err != nil {
		return nil, noKey(err)
	}
	if k.ring().Keys[0].KeyID == id {
		return nil, errors.New("this is the present key: fieldclue keys rotate --leaked replaces and marks it")
	}
	found := false
	for i := range k.Older {
		if k.Older[i].KeyID == id {
			k.Older[i].Leaked, found = true, true
		}
	}
	if !found {
		return nil, fmt.Errorf("this server never had the key %.40q: fieldclue keys lists those that it had", id)
	}
	doc.Body = field.Quote(k)
	if _, err := p.Store.PutDoc(ctx, doc); err != nil {
		return nil, err
	}
	if _, _, err := keepStatement(ctx, p, p.Now(), false); err != nil {
		return k.ring().Keys, fmt.Errorf("the key was marked, and the statement that says so was not kept (run fieldclue anchor): %w", err)
	}
	if err := accounts.RenewTokenKey(ctx, p.Store); err != nil {
		return k.ring().Keys, fmt.Errorf("the key of receipts was marked and that of access tokens was not changed; do it again: %w", err)
	}
	return k.ring().Keys, nil
}
