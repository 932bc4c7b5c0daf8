package intake

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"hash"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// state is the document of an upload. Any server can go on from it: the bytes up to Offset are staged, and Hash is
// the SHA-256 in the middle of its work after them.
type state struct {
	PhotoID string    `json:"photoId"`
	By      Uploader  `json:"by"`
	Sum     blob.Sum  `json:"sha256"`
	Size    int64     `json:"size"`
	Type    string    `json:"type"`
	Created time.Time `json:"created"`

	Offset     int64  `json:"offset"`
	Hash       []byte `json:"hash,omitempty"` // base64; as crypto/sha256 marshals it
	Generation int64  `json:"generation"`     // of the request that may write; only ever rises, also over a new life

	Interruptions []Interruption  `json:"interruptions,omitempty"`
	Receipt       json.RawMessage `json:"receipt,omitempty"`   // set when the bytes are stored
	ReceivedAt    time.Time       `json:"receivedAt,omitzero"` // as in the receipt
	Recorded      bool            `json:"recorded,omitempty"`  // the log knows
}

// upload is a state with where it is kept and what this request knows besides.
type upload struct {
	state
	id      string
	version int64
	expires time.Time
	stored  bool // the blob is known to be there
	typed   bool // the first bytes were found to be of the declared type

	fresh    bool // this request began it, so nothing of it is staged yet
	straight bool // the bytes went to their place without being staged
}

const maxInterruptions = 200

func decode(d store.Doc) (*upload, error) {
	u := &upload{id: d.ID, version: d.Version, expires: d.Due}
	if err := json.Unmarshal(d.Body, &u.state); err != nil {
		return nil, field.Refuse(field.CodeInternal, "").Because(err).About(d.ID)
	}
	return u, nil
}

func (u *upload) public() Upload {
	p := Upload{ID: u.id, PhotoID: u.PhotoID, Offset: u.Offset, Size: u.Size, Expires: u.expires}
	if u.Recorded {
		p.Receipt = u.Receipt
	}
	return p
}

// save writes the state unless a newer request has written since: CodeUploadReplaced.
func (s *Service) save(ctx context.Context, u *upload) error {
	body, err := json.Marshal(u.state)
	if err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err).About(u.id)
	}
	saved, err := s.cfg.Docs.PutDoc(ctx, store.Doc{
		Shelf: store.Uploads, ID: u.id, Version: u.version, Key: u.PhotoID, Due: u.expires, Body: body,
	})
	if field.Is(err, field.CodeStale) {
		return field.Refuse(field.CodeUploadReplaced, "").About(u.PhotoID)
	}
	if err != nil {
		return err
	}
	u.version = saved.Version
	return nil
}

func (s *Service) load(ctx context.Context, id string) (*upload, error) {
	d, err := s.cfg.Docs.GetDoc(ctx, store.Uploads, id)
	if field.Is(err, field.CodeNotFound) {
		return nil, field.Refuse(field.CodeUploadUnknown, "")
	}
	if err != nil {
		return nil, err
	}
	return decode(d)
}

// take loads an upload for a request that may see it, and raises the generation: from here on no older request can
// write.
func (s *Service) take(ctx context.Context, who Uploader, id string) (*upload, error) {
	for tries := 0; ; tries++ {
		u, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if _, err := s.cfg.Ledger.DeclaredPhoto(ctx, who, u.PhotoID); err != nil {
			if field.Is(err, field.CodeNotFound) || field.Is(err, field.CodePhotoNotDeclared) {
				return nil, field.Refuse(field.CodeUploadUnknown, "").Because(err)
			}
			return nil, err
		}
		if u.Receipt == nil && !s.cfg.Now().Before(u.expires) {
			return nil, field.Refuse(field.CodeUploadExpired, "").About(u.PhotoID)
		}
		if u.Recorded {
			return u, nil // nobody writes any more
		}
		s.raise(u)
		err = s.save(ctx, u)
		if err == nil || tries == 20 || !field.Is(err, field.CodeUploadReplaced) {
			return u, err
		}
	}
}

// raise gives the upload a generation above all earlier ones. The clock keeps it above those of an earlier life, whose
// staged segments might not all have been removed.
func (s *Service) raise(u *upload) { u.Generation = max(u.Generation+1, s.cfg.Now().UnixMilli()) }

// begin finds or makes the document of an upload.
func (s *Service) begin(ctx context.Context, who Uploader, id string, req Request, d Declared) (*upload, error) {
	for tries := 0; ; tries++ {
		u, err := s.take(ctx, who, id)
		if err == nil {
			return u, nil
		}
		expired := field.Is(err, field.CodeUploadExpired)
		if !expired && !field.Is(err, field.CodeUploadUnknown) {
			return nil, err
		}
		if !d.Stored {
			if err := s.cfg.Ledger.Room(ctx, d); err != nil {
				return nil, err
			}
		}
		u = &upload{id: id}
		if expired { // a new life in the same document
			old, err := s.load(ctx, id)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Staging.Remove(ctx, id); err != nil {
				return nil, err
			}
			u.version, u.Generation = old.version, old.Generation
		}
		now := s.cfg.Now().UTC()
		u.state = state{
			PhotoID: req.PhotoID, By: who, Sum: req.Sum, Size: req.Size, Type: req.Type, Created: now,
			Generation: u.Generation,
		}
		if d.Stored && len(d.Receipt) > 0 {
			u.Offset, u.Receipt, u.Recorded = u.Size, d.Receipt, true
		}
		u.expires = now.Add(s.cfg.Keep).Truncate(time.Millisecond)
		s.raise(u)
		u.fresh = true
		err = s.save(ctx, u)
		if err == nil || tries == 20 || !field.Is(err, field.CodeUploadReplaced) {
			return u, err
		}
	}
}

func (s *Service) forget(ctx context.Context, u *upload) error {
	if err := s.cfg.Staging.Remove(ctx, u.id); err != nil {
		return err
	}
	err := s.cfg.Docs.DeleteDoc(ctx, store.Uploads, u.id, u.version)
	switch {
	case field.Is(err, field.CodeNotFound):
		return nil
	case field.Is(err, field.CodeStale):
		return field.Refuse(field.CodeUploadReplaced, "").About(u.PhotoID)
	}
	return err
}

func restoreHash(saved []byte) (hash.Hash, error) {
	h := sha256.New()
	if len(saved) == 0 {
		return h, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(saved); err != nil { //nolint:forcetypeassert // promised by crypto/sha256
		return nil, field.Refuse(field.CodeInternal, "").Because(err)
	}
	return h, nil
}

func saveHash(h hash.Hash) ([]byte, error) {
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary() //nolint:forcetypeassert // promised by crypto/sha256
	if err != nil {
		return nil, field.Refuse(field.CodeInternal, "").Because(err)
	}
	return b, nil
}
