package intake

import (
	"context"
	"io"

	"fieldclue/media/blob"
	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// finishIfDue takes the steps that a complete upload still needs. Each can be repeated, so after a crash between any
// two of them the next request of the phone goes on: stored, receipt saved, recorded in the log, staging removed.
func (s *Service) finishIfDue(ctx context.Context, u *upload) error {
	if u.Recorded || (u.Offset < u.Size && !u.stored && u.Receipt == nil) {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // a phone that hangs up now must find it done
	again := u.Receipt != nil
	if !again {
		if err := s.settle(ctx, u); err != nil {
			return err
		}
	}
	if err := s.record(ctx, u); err != nil {
		return err
	}
	u.Recorded = true
	// That the log knows is written down for the one who asks a second time: most never do, and the log can be told again.
	if again {
		if err := s.save(ctx, u); err != nil && !field.Is(err, field.CodeUploadReplaced) {
			return err
		}
	}
	if !u.straight {
		// Bytes that stay behind cost room only; Sweep removes them with the document.
		_ = s.cfg.Staging.Remove(ctx, u.id)
	}
	return nil
}

func (s *Service) record(ctx context.Context, u *upload) error {
	return s.cfg.Ledger.PhotoStored(ctx, StoredPhoto{
		PhotoID: u.PhotoID, Sum: u.Sum, Size: u.Size, Type: u.Type, By: u.By,
		ReceivedAt: u.ReceivedAt, Receipt: u.Receipt, Interruptions: u.Interruptions,
	})
}

// owed tells the log of bytes that were receipted, if a crash came before it was told and nobody asked since.
func (s *Service) owed(ctx context.Context, u *upload) error {
	if u.Receipt == nil || u.Recorded {
		return nil
	}
	err := s.record(ctx, u)
	if field.Is(err, field.CodePhotoNotDeclared) || field.Is(err, field.CodeNotFound) {
		return nil // the declaration is gone, and nobody waits
	}
	return err
}

// settle makes complete bytes the blob and saves the receipt, or throws them away.
func (s *Service) settle(ctx context.Context, u *upload) error {
	refused, err := s.judge(ctx, u)
	if err == nil && refused == nil && !u.stored {
		err = s.cfg.Staging.Promote(ctx, u.id, u.Sum, u.Size)
		if field.Is(err, field.CodeHashMismatch) || field.Is(err, field.CodeNotFound) {
			refused, err = field.Refuse(field.CodeHashMismatch, "").Because(err), nil
		}
	}
	switch {
	case err != nil: // the store is down or full: keep how far the phone came
		if e := s.progress(ctx, u); e != nil {
			return e
		}
		return err
	case refused != nil:
		if err := s.forget(ctx, u); err != nil {
			return err
		}
		return refused.About(u.PhotoID)
	}
	r := s.cfg.Signer.Sign(u.PhotoID, string(u.Sum), u.Size, u.Type, s.cfg.Now())
	u.Offset, u.Hash, u.Receipt, u.ReceivedAt = u.Size, nil, r.JSON(), r.ReceivedAt
	return s.progress(ctx, u)
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
	head := make([]byte, min(u.Size, verify.HeadSize))
	var r io.ReadCloser
	if u.stored {
		r, err = s.cfg.Blobs.Open(ctx, u.Sum, 0, int64(len(head)))
	} else {
		r, err = s.cfg.Staging.Open(ctx, u.id, int64(len(head)))
	}
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(r, head)
	_ = r.Close() // only read
	if err != nil {
		return nil, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	if err := verify.Declared(u.Type, head); err != nil {
		return field.AsError(err), nil
	}
	return nil, nil
}
