package intake

import (
	"context"
	"errors"
	"io"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Over a good link a phone may put the bytes of an upload straight into the store, at an address that takes nothing but
// the declared bytes (blob.Seals). The upload is the same document as for tus, so whichever brings the bytes first
// completes it, and the other finds it complete. What was put counts for nothing before the steps of finish.go.

// sealedState is what a document keeps of the addresses that were given away.
type sealedState struct {
	Until  time.Time `json:"until"`            // when the last of them ends
	Looked bool      `json:"looked,omitempty"` // the sweep was there after that and found nothing to take
}

const (
	// sealedLook is how long after its end the sweep looks at an address from which nobody came back.
	sealedLook = time.Hour
	// sealedRest is how long after its end an address may still be receiving a put that began before.
	sealedRest = 24 * time.Hour
	// sealedPatience is how long an address that is no longer needed is waited for: a put that hangs there may hold it.
	sealedPatience = 2 * time.Second
)

// Sealed is where a phone puts the bytes of an upload by itself.
type Sealed struct {
	blob.SealedPut
	Until time.Time
}

// Seal is Create, and gives besides an address that takes the bytes, once and nothing else; nil when they are stored
// already. Its errors are those of Create, and CodeSealedPutOff where no addresses are given.
func (s *Service) Seal(ctx context.Context, who Uploader, req Request) (Upload, *Sealed, error) {
	if s.seals == nil || s.cfg.SealedLife == 0 {
		return Upload{}, nil, field.Refuse(field.CodeSealedPutOff, "")
	}
	up, err := s.Create(ctx, who, req)
	if err != nil || up.Receipt != nil {
		return up, nil, err
	}
	leave, err := s.enter(ctx, up.ID, nil)
	if err != nil {
		return Upload{}, nil, err
	}
	defer leave()
	u, err := s.take(ctx, who, up.ID)
	if err != nil {
		return Upload{}, nil, err
	}
	if err := s.advance(ctx, u); err != nil {
		return Upload{}, nil, err
	}
	if u.receipt != nil { // another request was faster
		return u.public(), nil, nil
	}
	// Written down before anybody has the address: what is put there will be found.
	u.Sealed = &sealedState{Until: s.cfg.Now().UTC().Add(s.cfg.SealedLife).Truncate(time.Millisecond)}
	if err := s.save(ctx, u); err != nil {
		return Upload{}, nil, err
	}
	put, err := s.seals.Seal(ctx, u.id, u.Sum, u.Size, s.cfg.SealedLife)
	if err != nil {
		return Upload{}, nil, err
	}
	return u.public(), &Sealed{put, u.Sealed.Until}, nil
}

// Confirm completes an upload whose bytes were put at a sealed address; the upload has the receipt. Asking again, also
// after tus has completed it, gives the same. CodeSealedPutMissing when nothing is there; CodeHashMismatch or
// CodeSizeMismatch when it is something else, which is removed; CodeNotAPhoto.
func (s *Service) Confirm(ctx context.Context, who Uploader, id string) (Upload, error) {
	u, err := s.Head(ctx, who, id)
	if err == nil && u.Receipt == nil {
		err = field.Refuse(field.CodeSealedPutMissing, "").About(u.PhotoID)
	}
	return u, err
}

// fromSealed makes what was put at a sealed address the blob, if something was. What is not the declared file goes.
func (s *Service) fromSealed(ctx context.Context, u *upload) error {
	refused, _, err := s.takeSealed(ctx, u)
	if err != nil || refused == nil {
		return err
	}
	if refused.Code == field.CodeNotAPhoto { // these are the declared bytes, and no other upload of them can do better
		err = s.forget(ctx, u)
	} else {
		err = s.seals.RemoveSealed(ctx, u.id)
	}
	return errors.Join(err, refused.About(u.PhotoID))
}

// takeSealed looks at a sealed address and, when the declared file is there, makes it the blob. whole says that all its
// bytes are there; refused why they may not become the blob. A request that has found nothing to take does not look
// again.
func (s *Service) takeSealed(ctx context.Context, u *upload) (refused *field.Error, whole bool, err error) {
	if s.seals == nil || u.Sealed == nil || u.stored || u.receipt != nil {
		return nil, false, nil
	}
	if u.looked {
		return u.refused, u.whole, nil
	}
	ctx = context.WithoutCancel(ctx) // a phone that hangs up now must find it done
	err = s.seals.CheckSealed(ctx, u.id, u.Sum, u.Size)
	if field.Is(err, field.CodeNotFound) {
		u.looked = true
		return nil, false, nil
	}
	if err == nil {
		err = typeIs(u, func(length int64) (io.ReadCloser, error) { return s.seals.OpenSealed(ctx, u.id, length) })
		whole = err == nil || field.Is(err, field.CodeNotAPhoto)
	}
	if err == nil {
		err = s.seals.PromoteSealed(ctx, u.id, u.Sum, u.Size)
	}
	switch {
	case err == nil:
		u.stored, u.typed = true, true
	case field.Is(err, field.CodeHashMismatch), field.Is(err, field.CodeSizeMismatch), field.Is(err, field.CodeNotAPhoto):
		u.looked, u.refused, u.whole = true, field.AsError(err), whole
		return u.refused, whole, nil
	}
	return nil, whole, err
}

// sealedLives reports whether something may still arrive at an address of the upload.
func (s *Service) sealedLives(u *upload) bool {
	return u.Sealed != nil && s.cfg.Now().Before(u.Sealed.Until.Add(sealedRest))
}

// closeSealed lets what was put go. While the address lives it is shut, so that nothing comes after. What it could not
// do costs room only: the sweep removes it with the document.
func (s *Service) closeSealed(ctx context.Context, u *upload) {
	if s.seals == nil || u.Sealed == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sealedPatience)
	defer cancel()
	if s.sealedLives(u) {
		_ = s.seals.ShutSealed(ctx, u.id) // see above
	} else {
		_ = s.seals.RemoveSealed(ctx, u.id) // see above
	}
}

// openSealed takes away what keeps an address of an earlier life shut. Where that cannot be done at once, a put there
// fails, and tus is left.
func (s *Service) openSealed(ctx context.Context, old *upload) {
	if s.seals == nil || old.Sealed == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sealedPatience)
	defer cancel()
	_ = s.seals.RemoveSealed(ctx, old.id) // see above
}

// due is when the sweep comes to an upload: at the end of its time, and before that when an address was given away and
// nobody has said since what came of it.
func (u *upload) due() time.Time {
	if u.Sealed != nil && !u.Sealed.Looked && !u.Ended {
		if look := u.Sealed.Until.Add(sealedLook); look.Before(u.expires) {
			return look
		}
	}
	return u.expires
}
