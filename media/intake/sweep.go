package intake

import (
	"context"
	"errors"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Expired is a half-finished upload whose time is over.
type Expired struct {
	UploadID, PhotoID string
	By                Uploader
	Offset, Size      int64
	Created           time.Time
	Whole             bool // all bytes lay at a sealed address, and could not be taken
}

// Sweep forgets up to limit uploads whose time is over and returns how many it could deal with. For each that was half
// finished notify is called first; when it fails the upload stays for the next sweep, so nothing expires silently. What
// was put at a sealed address and never confirmed is completed.
func (s *Service) Sweep(ctx context.Context, limit int, notify func(context.Context, Expired) error) (int, error) {
	// Those that failed the last time come first again, so it looks past them: one that always fails keeps no other
	// waiting.
	due, err := s.cfg.Docs.DocsDue(ctx, store.Uploads, s.cfg.Now(), limit+int(s.failed.Load()))
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, d := range due {
		err := s.sweepOne(ctx, d, notify)
		if err != nil && !field.Is(err, field.CodeUploadReplaced) { // replaced: somebody is at it
			failed = append(failed, err)
		}
	}
	s.failed.Store(int64(len(failed)))
	return len(due) - len(failed), errors.Join(failed...)
}

func (s *Service) sweepOne(ctx context.Context, d store.Doc, notify func(context.Context, Expired) error) error {
	u, err := decode(d)
	if err != nil {
		return err
	}
	if s.busy(u.id) {
		return nil // the next sweep comes soon
	}
	known, err := s.known(ctx, u)
	if err != nil {
		return err
	}
	whole := false
	if !known && u.Sealed != nil {
		over := false
		if over, whole, err = s.sweepSealed(ctx, u); err != nil || over {
			return err
		}
	}
	switch {
	case u.Ended:
		return s.drop(ctx, u)
	case known:
		s.release(ctx, u)
		return nil
	}
	e := Expired{UploadID: u.id, PhotoID: u.PhotoID, By: u.By, Offset: u.Offset, Size: u.Size, Created: u.Created, Whole: whole}
	if err := notify(ctx, e); err != nil {
		return err
	}
	if s.sealedLives(u) {
		return s.forget(ctx, u)
	}
	return s.drop(ctx, u)
}

// sweepSealed takes what lies whole at an address though nobody confirmed it, in the name of who asked for the address.
// over says that nothing more is to be done about the upload now; whole that all bytes lie there and may not be taken.
func (s *Service) sweepSealed(ctx context.Context, u *upload) (over, whole bool, err error) {
	_, err = s.cfg.Ledger.DeclaredPhoto(ctx, u.By, u.PhotoID)
	switch {
	case err != nil && gone(err): // nobody waits for it
		if s.seals != nil {
			err := s.seals.CheckSealed(ctx, u.id, u.Sum, u.Size)
			if whole = err == nil; !whole && !gone(err) {
				return false, false, err
			}
		}
	case err != nil:
		return false, false, err
	default:
		var refused *field.Error
		if refused, whole, err = s.takeSealed(ctx, u); err != nil {
			return false, false, err
		}
		if u.stored {
			return true, true, s.advance(ctx, u)
		}
		if refused != nil && refused.Code == field.CodeNotAPhoto {
			return false, true, nil
		}
	}
	if s.cfg.Now().Before(u.expires) {
		u.Sealed.Looked = true
		return true, whole, s.save(ctx, u)
	}
	return false, whole, nil
}

// Tidy removes at the start of a server what a crash left of uploads that the log knows, and tells it of those that are
// complete. Half uploads stay, for the phones that will go on with them; none longer than if it had been begun now,
// also if a clock that was ahead said so.
func (s *Service) Tidy(ctx context.Context) error {
	var failed []error
	for after := ""; ; {
		page, err := s.cfg.Docs.Docs(ctx, store.Uploads, after, tidyPage)
		if err != nil {
			return err
		}
		for _, d := range page {
			after = d.ID
			if err := s.tidyOne(ctx, d); err != nil {
				failed = append(failed, err)
			}
		}
		if len(page) < tidyPage {
			return errors.Join(failed...)
		}
	}
}

const tidyPage = 500

func (s *Service) tidyOne(ctx context.Context, d store.Doc) error {
	u, err := decode(d)
	switch {
	case err != nil:
		return err
	case s.busy(u.id):
		return nil
	}
	if latest := s.cfg.Now().UTC().Add(s.cfg.Keep).Truncate(time.Millisecond); u.expires.After(latest) {
		u.expires = latest
		if err := s.save(ctx, u); err != nil {
			if field.Is(err, field.CodeUploadReplaced) { // somebody is at it
				err = nil
			}
			return err
		}
	}
	switch {
	case u.Ended: // a crash may have come before its bytes were removed; the document stays for those that come late
		return s.cfg.Staging.Remove(ctx, u.id)
	}
	known, err := s.known(ctx, u)
	if err == nil && known {
		s.release(ctx, u)
	}
	return err
}

// known reports whether the log knows the photo of an upload. If a crash came before it was told of complete bytes, and
// nobody asked since, it is told now.
func (s *Service) known(ctx context.Context, u *upload) (bool, error) {
	if u.Ended {
		return true, nil
	}
	if u.Offset == u.Size {
		err := s.advance(ctx, u)
		if err == nil || gone(err) {
			return err == nil, nil
		}
		return false, err
	}
	d, err := s.cfg.Ledger.DeclaredPhoto(ctx, u.By, u.PhotoID)
	if err != nil && !gone(err) {
		return false, err
	}
	return err == nil && (d.Stored || !u.is(d)), nil // what was declared before is not waited for
}

// gone reports whether an error says that the photo is not there for the sender, or that the bytes are not the photo's.
func gone(err error) bool {
	switch field.AsError(err).Kind {
	case field.ErrorNotFound, field.ErrorForbidden, field.ErrorUnauthenticated, field.ErrorMismatch:
		return true
	default:
		return field.Is(err, field.CodePhotoNotDeclared) || field.Is(err, field.CodeNotAPhoto)
	}
}
