package intake

import (
	"context"
	"io"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// advance takes an upload through the phases as far as it comes without more bytes. Each step can be repeated, so after
// a crash between any two of them the next request of the phone goes on.
func (s *Service) advance(ctx context.Context, u *upload) error {
	if u.receipt == nil {
		if err := s.fromSealed(ctx, u); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx) // a phone that hangs up now must find it done
	for {
		var err error
		switch u.phase() {
		case receiving, over:
			return nil
		case complete:
			err = s.settle(ctx, u)
		case stored:
			err = s.record(ctx, u)
		case recorded:
			s.release(ctx, u)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// release forgets an upload that the log knows. What stays behind costs room only. The next Sweep removes it; if that
// cannot be arranged either, Tidy does, or Sweep at the end of the upload's time.
func (s *Service) release(ctx context.Context, u *upload) {
	if err := s.forget(ctx, u); err != nil && u.version > 0 {
		_ = s.cfg.Staging.Remove(ctx, u.id)
		u.expires = s.cfg.Now().UTC().Truncate(time.Millisecond)
		_ = s.progress(ctx, u)
	}
}

// record signs the receipt and tells the log. Nobody has seen a receipt before the log has it. One that the published
// keys do not confirm, because the clock is wrong or was when the key was made, is not given: CodeBusy. The bytes stay,
// and the next request, or the next start, tries again.
func (s *Service) record(ctx context.Context, u *upload) error {
	u.Offset, u.Hash = u.Size, nil // the blob is there, whatever was staged on the way
	ring, err := s.cfg.Keys(ctx)
	if err != nil {
		return s.keep(ctx, u, err)
	}
	r := receipt.NewSigner(ring.Private).Sign(u.PhotoID, string(u.Sum), u.Size, u.Type, s.cfg.Now())
	if err := ring.Keys.Verify(r); err != nil {
		s.withheld.Add(1)
		wait := field.Refuse(field.CodeBusy, "The photo is safe here, and its receipt has to wait: the server's clock, or the time of its key, is wrong. "+
			"Keep the photo, ask again later, and tell the operator.").
			InChinese("照片已安全接收，但回执须等待：服务器时钟或密钥时间有误。请保留照片，稍后重试，并告知运维人员。").Because(err).About(u.PhotoID)
		wait.After = time.Minute
		return s.keep(ctx, u, wait)
	}
	recorded, err := s.cfg.Ledger.PhotoStored(ctx, StoredPhoto{
		PhotoID: u.PhotoID, Sum: u.Sum, Size: u.Size, Type: u.Type, By: u.By,
		ReceivedAt: r.ReceivedAt, Receipt: r.JSON(), Interruptions: u.Interruptions, Broken: u.broke(), Already: u.Already,
	})
	if err != nil {
		return s.keep(ctx, u, err)
	}
	u.receipt = recorded
	return nil
}

// keep writes down how far an upload came that could not be finished, and returns why.
func (s *Service) keep(ctx context.Context, u *upload, why error) error {
	if err := s.progress(ctx, u); err != nil {
		return err
	}
	return why
}

// settle makes complete bytes the blob, or throws them away.
func (s *Service) settle(ctx context.Context, u *upload) error {
	if !u.stored && (len(u.Hash) == 0 || u.Already) { // they went straight to their place or were there, and the log could not be told
		info, err := s.cfg.Blobs.Stat(ctx, u.Sum)
		if err != nil && !field.Is(err, field.CodeNotFound) {
			return err
		}
		if u.stored = err == nil && info.Size == u.Size; u.stored {
			if err := s.cfg.Staging.Promote(ctx, u.id, u.Sum, u.Size); err != nil { // makes sure that it is durable
				return err
			}
		}
	}
	refused, err := s.judge(ctx, u)
	if err == nil && refused == nil && !u.stored {
		err = s.cfg.Staging.Promote(ctx, u.id, u.Sum, u.Size)
		if field.Is(err, field.CodeHashMismatch) || field.Is(err, field.CodeNotFound) {
			refused, err = field.Refuse(field.CodeHashMismatch, "").Because(err), nil
		}
	}
	switch {
	case err != nil: // the store is down or full
		return s.keep(ctx, u, err)
	case refused != nil:
		if err := s.forget(ctx, u); err != nil {
			return err
		}
		return refused.About(u.PhotoID)
	}
	u.stored, u.typed = true, true
	return nil
}

// judge says whether the bytes may become the blob: refused when they are not what was declared, err when that could
// not be found out.
func (s *Service) judge(ctx context.Context, u *upload) (refused *field.Error, err error) {
	if !u.stored {
		h, err := restoreHash(u.Hash)
		if err != nil {
			return nil, err
		}
		if blob.SumOf(h) != u.Sum {
			return field.Refuse(field.CodeHashMismatch, ""), nil
		}
	}
	if u.typed {
		return nil, nil
	}
	err = typeIs(u, func(length int64) (io.ReadCloser, error) {
		if u.stored {
			return s.cfg.Blobs.Open(ctx, u.Sum, 0, length)
		}
		return s.cfg.Staging.Open(ctx, u.id, length)
	})
	if field.Is(err, field.CodeNotAPhoto) || field.Is(err, field.CodeUnsupportedType) {
		return field.AsError(err), nil
	}
	return nil, err
}

// typeIs reads the first bytes of a complete file and refuses one of another type than was declared.
func typeIs(u *upload, open func(length int64) (io.ReadCloser, error)) error {
	head := make([]byte, min(u.Size, verify.HeadSize))
	r, err := open(int64(len(head)))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, head)
	_ = r.Close() // only read
	if err != nil {
		return field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	return verify.Declared(u.Type, head)
}
