package intake

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"hash"
	"hash/maphash"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// state is the document of an upload. Any server can go on from it: the bytes up to Offset are staged, and Hash is the
// SHA-256 in the middle of its work after them.
type state struct {
	PhotoID string    `json:"photoId"`
	By      Uploader  `json:"by"`
	Sum     blob.Sum  `json:"sha256"`
	Size    int64     `json:"size"`
	Type    string    `json:"type"`
	Created time.Time `json:"created"`

	Metadata string `json:"metadata,omitempty"` // as the request had it that began the upload

	Offset     int64  `json:"offset"`
	Hash       []byte `json:"hash,omitempty"` // base64; as crypto/sha256 marshals it
	Generation int64  `json:"generation"`     // of the request that may write; only ever rises, also over a new life

	Interruptions []Interruption `json:"interruptions,omitempty"` // the first of them
	Broken        int            `json:"broken,omitempty"`        // how many there were; 0 with some listed: an older server counted

	Already bool `json:"already,omitempty"` // the same bytes were here before all of this upload's had come

	Sealed  *sealedState `json:"sealed,omitempty"` // addresses for a sealed put were given away
	Expires time.Time    `json:"expires,omitzero"` // where it is not the due time of the document
	Ended   bool         `json:"ended,omitempty"`  // forgotten; it stays until nothing of it can arrive any more
}

// upload is a state with where it is kept and what this request knows besides.
type upload struct {
	state
	id      string
	version int64 // of the document; 0: there is none
	expires time.Time
	receipt json.RawMessage // as the log has it; nil: the log does not know the bytes yet
	stored  bool            // the blob is known to be there
	typed   bool            // the first bytes were found to be of the declared type

	// What this request has found at the sealed address, if that was nothing to take.
	looked  bool
	refused *field.Error
	whole   bool // all bytes lie there
}

// phase is where an upload stands on the way that the package comment draws.
type phase int

const (
	receiving phase = iota // bytes are missing
	complete               // all bytes are here, and it is not known yet whether they are the declared ones
	stored                 // they are the blob, of the declared type, and the log does not know yet
	recorded               // the log has the receipt, and a document is left over
	over                   // the log has the receipt, and nothing is left to do
)

func (u *upload) phase() phase {
	switch {
	case u.receipt != nil && (u.version == 0 || u.Ended):
		return over
	case u.receipt != nil:
		return recorded
	case u.stored && u.typed:
		return stored
	case u.stored || u.Offset == u.Size:
		return complete
	}
	return receiving
}

// past is an upload whose photo the log knows as stored. It needs no document.
func past(id string, d Declared) *upload {
	return &upload{id: id, receipt: d.Receipt, state: state{PhotoID: d.PhotoID, Sum: d.Sum, Size: d.Size, Type: d.Type, Offset: d.Size}}
}

// is reports whether an upload is of what is declared now, and not of a declaration that was corrected since.
func (u *upload) is(d Declared) bool { return u.Sum == d.Sum && u.Size == d.Size && u.Type == d.Type }

const maxInterruptions = 200

// broke is how often the upload broke.
func (u *upload) broke() int { return max(u.Broken, len(u.Interruptions)) }

func decode(d store.Doc) (*upload, error) {
	u := &upload{id: d.ID, version: d.Version, expires: d.Due}
	if err := json.Unmarshal(d.Body, &u.state); err != nil {
		return nil, field.Refuse(field.CodeInternal, "").Because(err).About(d.ID)
	}
	if !u.Expires.IsZero() {
		u.expires = u.Expires
	}
	return u, nil
}

func (u *upload) public() Upload {
	return Upload{
		ID: u.id, PhotoID: u.PhotoID, Sum: u.Sum, Type: u.Type, Offset: u.Offset, Size: u.Size, Expires: u.expires, Receipt: u.receipt,
		Metadata: u.Metadata,
	}
}

// save writes the state unless a newer request has written since: CodeUploadReplaced.
func (s *Service) save(ctx context.Context, u *upload) error {
	due := u.due()
	if u.Expires = u.expires; due.Equal(u.expires) {
		u.Expires = time.Time{}
	}
	body, err := json.Marshal(u.state)
	if err != nil {
		return field.Refuse(field.CodeInternal, "").Because(err).About(u.id)
	}
	saved, err := s.cfg.Docs.PutDoc(ctx, store.Doc{
		Shelf: store.Uploads, ID: u.id, Version: u.version, Key: u.key(), Due: due, Body: body,
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

// KeyFor is the key of an upload's document: under whom it is counted until it has ended. An older server wrote the
// photo's id there; such an upload counts for nobody.
func KeyFor(user string, ended bool) string {
	if ended {
		return "ended"
	}
	return "by " + user
}

func (u *upload) key() string { return KeyFor(u.By.User, u.Ended) }

// may is asked before a request touches an upload. What is not the sender's is not known: a request for it must neither
// end the one that is under way nor wait for it.
func (s *Service) may(ctx context.Context, who Uploader, id string) error {
	photo, _, _ := strings.Cut(id, "_")
	_, err := s.declared(ctx, who, photo)
	return err
}

// saveNew is save for an upload that begins. CodeTooManyUploads when the person has begun as much as one may.
func (s *Service) saveNew(ctx context.Context, u *upload) error {
	one := &s.beginning[maphash.String(stripes, u.By.User)%uint64(len(s.beginning))]
	one.Lock()
	defer one.Unlock()
	begun, err := s.cfg.Docs.DocsByKey(ctx, store.Uploads, u.key(), "", s.cfg.Begun+1)
	if err != nil {
		return err
	}
	count, outstanding := 1, u.Size
	for _, d := range begun {
		other, err := decode(d)
		if err != nil {
			return err
		}
		if other.id != u.id {
			count++
			outstanding += other.Size - other.Offset
		}
	}
	if count > s.cfg.Begun || count > 1 && outstanding > s.cfg.BegunBytes {
		return field.Refuse(field.CodeTooManyUploads, "").About(u.PhotoID)
	}
	return s.save(ctx, u)
}

var stripes = maphash.MakeSeed()

// take finds an upload for a request that may see it, also one that is over. From here on no older request can write.
func (s *Service) take(ctx context.Context, who Uploader, id string) (*upload, error) {
	u, err := s.claim(ctx, who, id)
	photo, _, named := strings.Cut(id, "_")
	if !field.Is(err, field.CodeUploadUnknown) || !named {
		return u, err
	}
	d, e := s.declared(ctx, who, photo)
	if e != nil {
		return nil, e
	}
	if !d.Stored || ID(photo, d.Sum) != id {
		return nil, err
	}
	return past(id, d), nil
}

// declared is asked by those who name an upload: a photo that is not theirs is an upload that is not known.
func (s *Service) declared(ctx context.Context, who Uploader, photo string) (Declared, error) {
	d, err := s.cfg.Ledger.DeclaredPhoto(ctx, who, photo)
	if field.Is(err, field.CodeNotFound) || field.Is(err, field.CodePhotoNotDeclared) {
		err = field.Refuse(field.CodeUploadUnknown, "").Because(err)
	}
	return d, err
}

// claim loads the document of an upload and raises the generation. With CodeUploadExpired, and with CodeUploadUnknown
// when it was forgotten, or is of a declaration that was corrected, and its document is still here, it gives what was
// left.
func (s *Service) claim(ctx context.Context, who Uploader, id string) (*upload, error) {
	for tries := 0; ; tries++ {
		u, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		d, err := s.declared(ctx, who, u.PhotoID)
		if err != nil {
			return nil, err
		}
		if d.Stored && d.Sum == u.Sum {
			u.Offset, u.receipt = u.Size, d.Receipt
			return u, nil // nobody writes any more
		}
		if u.Ended || !u.is(d) {
			return u, field.Refuse(field.CodeUploadUnknown, "")
		}
		if !s.cfg.Now().Before(u.expires) {
			return u, field.Refuse(field.CodeUploadExpired, "").About(u.PhotoID)
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

// begin finds or makes the document of an upload. One that comes whole in this request is written down only when that
// fails, so that a photo over a good link costs one write to the log and no other.
func (s *Service) begin(ctx context.Context, who Uploader, id string, req Request, d Declared, whole bool) (*upload, error) {
	for tries := 0; ; tries++ {
		old, err := s.claim(ctx, who, id)
		switch {
		case err == nil && (old.receipt != nil || old.Size == req.Size && old.Type == req.Type):
			return old, nil
		case err == nil: // the declaration was corrected since, and with it what the bytes must be
		case !field.Is(err, field.CodeUploadExpired) && !field.Is(err, field.CodeUploadUnknown):
			return nil, err
		}
		if d.Stored {
			return past(id, d), nil
		}
		if err := s.cfg.Ledger.Room(ctx, d); err != nil {
			return nil, err
		}
		now := s.cfg.Now().UTC()
		u := &upload{id: id}
		u.state = state{PhotoID: req.PhotoID, By: who, Sum: req.Sum, Size: req.Size, Type: req.Type, Created: now, Metadata: req.Metadata}
		if old != nil { // a new life in the same document; what is staged of the old one has lower generations
			s.openSealed(ctx, old)
			u.version, u.Generation, u.Sealed = old.version, old.Generation, old.Sealed
		}
		u.expires = now.Add(s.cfg.Keep).Truncate(time.Millisecond)
		s.raise(u)
		if whole && u.version == 0 {
			return u, nil
		}
		err = s.saveNew(ctx, u)
		if err == nil || tries == 20 || !field.Is(err, field.CodeUploadReplaced) {
			return u, err
		}
	}
}

// lateRest is how long after its end something may still come of an upload: a request that was overtaken, and whose
// store was slow, may yet stage what it has.
const lateRest = time.Hour

// forget removes what was staged of an upload. Its document stays until nothing can arrive any more, for drop.
func (s *Service) forget(ctx context.Context, u *upload) error {
	if u.version == 0 {
		return nil // without a document nothing was staged
	}
	rest := &upload{id: u.id, version: u.version, expires: s.cfg.Now().UTC().Add(lateRest).Truncate(time.Millisecond), state: state{
		PhotoID: u.PhotoID, By: u.By, Sum: u.Sum, Size: u.Size, Type: u.Type, Created: u.Created, Generation: u.Generation,
		Sealed: u.Sealed, Ended: true,
	}}
	if s.sealedLives(u) {
		rest.expires = u.Sealed.Until.Add(sealedRest)
	}
	if err := s.save(ctx, rest); err != nil {
		return err
	}
	u.version = rest.version
	s.closeSealed(ctx, u)
	return s.cfg.Staging.Remove(ctx, u.id)
}

// drop ends a forgotten upload: what came late goes, and the document.
func (s *Service) drop(ctx context.Context, u *upload) error {
	if err := s.cfg.Staging.Remove(ctx, u.id); err != nil {
		return err
	}
	if s.seals != nil && u.Sealed != nil {
		if err := s.seals.RemoveSealed(ctx, u.id); err != nil {
			return err
		}
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
