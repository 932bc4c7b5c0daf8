package intake

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // tus names it; it guards against a bad line, not against an enemy
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/verify"
	"fieldclue/server/field"
)

// Checksum is what the sender says of one piece.
type Checksum struct {
	Algorithm string // "sha256" or "sha1"
	Sum       []byte
}

// NewChecksum refuses algorithms that are not known and sums of another length with CodeBadRequest.
func NewChecksum(algorithm string, sum []byte) (*Checksum, error) {
	c := &Checksum{Algorithm: algorithm, Sum: sum}
	h := c.hash()
	if h == nil || h.Size() != len(sum) {
		return nil, field.Refuse(field.CodeBadRequest, "Upload-Checksum is sha256 or sha1, a space, and the base64 of the hash.").
			InChinese("Upload-Checksum 须为 sha256 或 sha1，后接一个空格和哈希的 base64。")
	}
	return c, nil
}

func (c *Checksum) hash() hash.Hash {
	switch c.Algorithm {
	case "sha256":
		return sha256.New()
	case "sha1":
		return sha1.New() //nolint:gosec // see above
	}
	return nil
}

// saveTime bounds the saving of progress, which must go on when the request itself is over.
const saveTime = 10 * time.Second

// receive takes the bytes of a piece and saves how far it came. It returns the body's error after saving.
func (s *Service) receive(ctx context.Context, u *upload, p Piece) error {
	body, err := s.look(u, p)
	if err != nil {
		return err
	}
	// From here on the bytes count more than the sender's patience.
	ctx = context.WithoutCancel(ctx)
	if s.whole(&p, u.Size) {
		return s.receiveWhole(ctx, u, body)
	}
	var check hash.Hash
	if p.Check != nil {
		check = p.Check.hash()
		body = io.TeeReader(body, check)
	}
	at, mark := u.Offset, u.Hash
	for left := p.Length; left > 0; {
		h, err := restoreHash(mark)
		if err != nil {
			return err
		}
		src := &counted{r: io.TeeReader(body, h)}
		most := min(left, s.cfg.Checkpoint)
		n, bodyErr := s.cfg.Staging.Append(ctx, u.id, u.Generation, at, src, most)
		ended := p.open && bodyErr == nil && src.n < most
		if ended && src.n == 0 {
			break
		}
		if n == 0 || n > src.n || n < src.n && bodyErr == nil {
			if bodyErr == nil {
				bodyErr = field.Refuse(field.CodeBodyTruncated, "")
			}
			// The body broke before its first byte, or the store could not keep what came: the rest stays.
			return s.interrupted(ctx, u, at, mark, bodyErr)
		}
		if n < src.n { // the disk filled up, and the hash has seen more than was kept
			mark, err = s.stagedHash(ctx, u.id, at+n)
		} else {
			mark, err = saveHash(h)
		}
		if err != nil {
			return err
		}
		at, left = at+n, left-n
		if bodyErr != nil {
			return s.interrupted(ctx, u, at, mark, bodyErr)
		}
		if ended {
			break
		}
		if left > 0 && check == nil { // with a checksum nothing counts before the whole piece is known to be right
			u.Offset, u.Hash = at, mark
			if err := s.progress(ctx, u); err != nil {
				return err
			}
		}
	}
	if p.open {
		if err := ends(body); field.Is(err, field.CodeSizeMismatch) {
			return err
		} else if err != nil {
			return s.interrupted(ctx, u, at, mark, err)
		}
	}
	if check != nil && !bytes.Equal(check.Sum(nil), p.Check.Sum) {
		return field.Refuse(field.CodeHashMismatch, "The piece is not what its checksum says. Send it again.").
			InChinese("该分段与其校验和不符，请重新发送。").About(u.PhotoID)
	}
	u.Offset, u.Hash = at, mark
	if u.Offset == u.Size {
		return nil // finish tells the log; where that fails it saves this
	}
	return s.progress(ctx, u)
}

// ends is nil when a body has nothing more: CodeSizeMismatch when it has, else what it broke of.
func ends(body io.Reader) error {
	n, err := io.ReadFull(body, make([]byte, 1))
	switch {
	case n > 0:
		return field.Refuse(field.CodeSizeMismatch, "More came than the upload lacks.").InChinese("收到的内容超过该上传尚缺的部分。")
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// whole reports whether a piece is a file that can go straight to its place.
func (s *Service) whole(p *Piece, size int64) bool {
	_, can := s.cfg.Staging.(blob.Whole)
	return can && p.Check == nil && !p.open && p.Offset == 0 && p.Length == size && size <= s.cfg.Checkpoint
}

// receiveWhole lets the store hash the bytes on their way to their place. Only when the link breaks are they hashed
// again, as they were staged, to save the SHA-256 in the middle of its work.
func (s *Service) receiveWhole(ctx context.Context, u *upload, body io.Reader) error {
	staged := func() error { return nil }
	if u.version == 0 {
		staged = func() error { return s.progress(ctx, u) }
	}
	store := s.cfg.Staging.(blob.Whole) //nolint:forcetypeassert // asked by whole
	n, done, err := store.StoreWhole(ctx, u.id, u.Generation, u.Sum, u.Size, body, staged)
	switch {
	case done:
		u.Offset, u.stored = u.Size, true
		return nil
	case field.Is(err, field.CodeHashMismatch):
		if e := s.forget(ctx, u); e != nil {
			return e
		}
		return field.Refuse(field.CodeHashMismatch, "").About(u.PhotoID)
	case n == 0:
		return s.interrupted(ctx, u, u.Offset, u.Hash, err)
	}
	mark, e := s.stagedHash(ctx, u.id, n)
	if e != nil {
		return e
	}
	if err != nil {
		return s.interrupted(ctx, u, n, mark, err)
	}
	u.Offset, u.Hash = n, mark
	return nil
}

func (s *Service) stagedHash(ctx context.Context, id string, n int64) ([]byte, error) {
	r, err := s.cfg.Staging.Open(ctx, id, n)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, field.Refuse(field.CodeStoreDown, "").Because(err)
	}
	return saveHash(h)
}

// look refuses a file of another type by its first bytes, if the piece holds enough of them to tell.
func (s *Service) look(u *upload, p Piece) (io.Reader, error) {
	if p.Offset != 0 || p.Length < min(u.Size, verify.HeadSize) {
		return p.Body, nil
	}
	head := make([]byte, min(u.Size, verify.HeadSize))
	n, err := io.ReadFull(p.Body, head)
	if err != nil {
		if p.open && (errors.Is(err, io.EOF) || err == io.ErrUnexpectedEOF) { // ReadFull's own: the body has ended
			return bytes.NewReader(head[:n]), nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = field.Refuse(field.CodeBodyTruncated, "")
		}
		return io.MultiReader(bytes.NewReader(head[:n]), failed{err}), nil
	}
	if err := verify.Declared(u.Type, head); err != nil {
		return nil, err
	}
	u.typed = true
	return io.MultiReader(bytes.NewReader(head), p.Body), nil
}

// interrupted saves how far the bytes came and notes the break; it returns why, or that a newer request took over.
func (s *Service) interrupted(ctx context.Context, u *upload, at int64, mark []byte, why error) error {
	u.Offset, u.Hash = at, mark
	u.Broken = u.broke() + 1
	if len(u.Interruptions) < maxInterruptions {
		u.Interruptions = append(u.Interruptions, Interruption{Offset: at, At: s.cfg.Now().UTC(), Code: field.AsError(why).Code})
	}
	return s.keep(ctx, u, why)
}

func (s *Service) progress(ctx context.Context, u *upload) error {
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	err := s.save(ctx, u)
	if u.version == 0 || !field.Is(err, field.CodeUploadReplaced) {
		return err
	}
	// A sweep of another server may have noted something, and does not take the upload over by that.
	now, e := s.load(ctx, u.id)
	if e != nil || now.Generation != u.Generation || now.Ended {
		return err
	}
	u.version, u.Sealed = now.version, now.Sealed
	return s.save(ctx, u)
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
