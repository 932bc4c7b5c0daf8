// Package intake receives the bytes of declared photos in pieces, over links that drop, and proves at the end that they
// are the declared ones. Not here: HTTP (server/api/tus), how bytes are kept (media/blob), what they show
// (media/verify).
//
// An upload goes through these phases (state.go), and a crash between any two of them is made good by the next request
// or sweep:
//
//	            Create, Send, Seal
//	                    │
//	                    ▼
//	 ┌───────────► receiving ───────────────┐ Append: a piece came, or broke
//	 │ its time      │  │ ▲                 │ (receive.go)
//	 │ is over       │  │ └─────────────────┘
//	 │ (sweep.go)    │  │ the last byte came, or a sealed address holds the file (sealed.go),
//	 ▼               │  ▼ or the sender may read the same bytes here
//	forgotten        │ complete ── settle: not the declared bytes or type ──► forgotten
//	 ▲               │  │ settle: compared, and put into their place (finish.go)
//	 │ Terminate     │  ▼
//	 └───────────────┘ stored
//	                    │ record: the receipt is signed, and the log told
//	                    ▼
//	                  recorded
//	                    │ release: the document and what was staged go
//	                    ▼
//	                  over
//
// forgotten is an ended document that stays until nothing can come late any more; a new upload of the photo begins a
// new life in it. Of two requests for one upload the newer goes on and the older is stopped (turn.go); over several
// servers the generation in the document says which is newer.
//
// Start with Service: its methods are the doors, and advance in finish.go walks the phases.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/media/verify"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Uploader is who sends: the ids of the signed-in user and of the device.
type Uploader struct {
	User   string `json:"user"`
	Device string `json:"device"`
}

// Declared is what the log knows of a photo.
type Declared struct {
	PhotoID string
	Sum     blob.Sum
	Size    int64     // bytes
	Type    string    // media type
	Org     string    // the organisation for which the bytes count
	At      time.Time // when the log took the declaration
	Stored  bool      // its bytes are recorded as stored
	Receipt json.RawMessage
}

// StoredPhoto is what the log is told when the bytes are safe.
type StoredPhoto struct {
	PhotoID       string
	Sum           blob.Sum
	Size          int64
	Type          string
	By            Uploader  // who began the upload
	Already       bool      // the same bytes were here before all of this upload's had come, and no more were taken
	ReceivedAt    time.Time // the clock of the receipt
	Receipt       json.RawMessage
	Interruptions []Interruption // the first 200
	Broken        int            // how many there were
}

// Interruption is one break of an upload, kept for the custody of the photo.
type Interruption struct {
	Offset int64      `json:"offset"` // bytes kept when it broke
	At     time.Time  `json:"at"`
	Code   field.Code `json:"code"`
}

// Ledger is the way to the access rules and the log.
type Ledger interface {
	// DeclaredPhoto is asked at every request. CodePhotoNotDeclared, or CodeNotFound, when there is no such photo or
	// who may not upload it; the two must look alike to the sender.
	DeclaredPhoto(ctx context.Context, who Uploader, photoID string) (Declared, error)
	// Has reports whether the sender may read a stored photo with the same bytes. Only then are they not asked for:
	// that somebody knows a hash proves nothing.
	Has(ctx context.Context, who Uploader, d Declared) (bool, error)
	// Room is asked before the upload of a declared photo begins, and not again: CodeSpaceLimit when its organisation
	// has no room for it.
	Room(ctx context.Context, d Declared) error
	// PhotoStored records that the bytes are safe and returns the receipt that stands in the log: of several calls for
	// one photo the first counts, and the others change nothing and return its receipt.
	PhotoStored(ctx context.Context, p StoredPhoto) (json.RawMessage, error)
}

// Docs is the shelf of working documents that uploads need, with the contract stated at store.Doc.
type Docs interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	DocsByKey(ctx context.Context, shelf store.Shelf, key, after string, limit int) ([]store.Doc, error)
	PutDoc(ctx context.Context, d store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
	DocsDue(ctx context.Context, shelf store.Shelf, before time.Time, limit int) ([]store.Doc, error)
}

// Config wires a Service. Zero limits take the default in brackets.
type Config struct {
	Blobs   blob.Store
	Staging blob.Staging // of the same place as Blobs
	Docs    Docs
	Ledger  Ledger
	Keys    receipt.Holder // sign the receipts
	Now     func() time.Time

	Begun      int           // uploads that one person may have begun and not finished [200]
	BegunBytes int64         // that may be outstanding of these [16 GiB]
	MaxImage   int64         // bytes [64 MiB]
	MaxVideo   int64         // bytes of a recording, video or audio [2 GiB]
	Keep       time.Duration // how long a half-finished upload waits [30 days]
	Checkpoint int64         // bytes after which progress is saved within one request [16 MiB]
	Patience   time.Duration // how long a new request waits for the one it overtakes to save its bytes [5 s]
	SealedLife time.Duration // how long an address for a sealed put is good; 0: none are given
}

// Service receives uploads. Its methods may be called from many goroutines, and many servers may share the stores.
type Service struct {
	cfg   Config
	seals blob.Seals // nil: the store gives no addresses

	mu sync.Mutex // guards at
	at map[string]*turn

	beginning [64]sync.Mutex // held, by a hash of the person, while an upload is counted and begun

	failed   atomic.Int64 // of the last sweep
	withheld atomic.Int64 // receipts that would not have held
}

// New checks nothing: every part of the Config without a default must be given.
func New(cfg Config) *Service {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	if cfg.Begun == 0 {
		cfg.Begun = 200
	}
	def(&cfg.BegunBytes, 16<<30)
	def(&cfg.MaxImage, field.DefaultImageMax)
	def(&cfg.MaxVideo, field.RecordingMax)
	def(&cfg.Checkpoint, 16<<20)
	def((*int64)(&cfg.Keep), int64(30*24*time.Hour))
	def((*int64)(&cfg.Patience), int64(5*time.Second))
	s := &Service{cfg: cfg, at: map[string]*turn{}}
	s.seals, _ = cfg.Staging.(blob.Seals)
	return s
}

// Withheld counts how often no receipt was given since the start, because it would not have held.
func (s *Service) Withheld() int64 { return s.withheld.Load() }

// MaxSize is the largest file that is taken, in bytes.
func (s *Service) MaxSize() int64 { return max(s.cfg.MaxImage, s.cfg.MaxVideo) }

// Request asks for an upload. Type may be empty: then it is the declared one.
type Request struct {
	PhotoID  string
	Sum      blob.Sum
	Size     int64
	Type     string
	Metadata string // as the sender wrote it, for who asks where the upload stands; may be empty
}

// Upload is where an upload stands.
type Upload struct {
	ID      string
	PhotoID string
	Sum     blob.Sum
	Type    string
	Offset  int64 // bytes that are safe
	Size    int64
	Expires time.Time       // a half-finished upload is forgotten then
	Receipt json.RawMessage // nil until the photo is stored and recorded

	Metadata string // of the request that began it; empty when there was none, or the upload is over
}

// ID is the upload of a photo with certain bytes. There is only one, so a phone that lost its database finds its
// half-finished upload by asking for it again; and it names the photo, so that an upload which is over needs no
// document.
func ID(photoID string, sum blob.Sum) string { return photoID + "_" + string(sum[:16]) }

// Create begins the upload of a declared photo, or finds the one that was begun. When the bytes are stored already, and
// the sender may read them there, the upload is complete at once. CodeHashMismatch, CodeSizeMismatch or CodeNotAPhoto
// when the request is not what is declared now (until the bytes are stored a declaration can be corrected, and an
// upload of what it said before is over); CodePhotoTooBig; CodeUnsupportedType; CodeSpaceLimit, which an upload that
// was begun never meets.
func (s *Service) Create(ctx context.Context, who Uploader, req Request) (Upload, error) {
	return s.create(ctx, who, req, nil)
}

// Send is Create with the bytes from the first on, all of them or some; its errors are also those of Append. A phone
// that asks again for an upload that was begun sends from the start: what is here already is read and let go, because
// hanging up on a client that still sends would hide the answer from it.
func (s *Service) Send(ctx context.Context, who Uploader, req Request, p Piece) (Upload, error) {
	return s.create(ctx, who, req, &p)
}

func (s *Service) create(ctx context.Context, who Uploader, req Request, p *Piece) (Upload, error) {
	d, err := s.cfg.Ledger.DeclaredPhoto(ctx, who, req.PhotoID)
	if err != nil {
		return Upload{}, err
	}
	if req.Type == "" {
		req.Type = d.Type
	}
	if t, ok := field.PhotoTypeOf(req.Type); ok {
		req.Type = t.Code
	}
	switch {
	case req.Sum != d.Sum:
		return Upload{}, field.Refuse(field.CodeHashMismatch, "The photo was declared with another SHA-256.").
			InChinese("该照片声明的是另一个 SHA-256。").About(req.PhotoID)
	case req.Size != d.Size || req.Size <= 0:
		return Upload{}, field.Refuse(field.CodeSizeMismatch, "The photo was declared with %d bytes.", d.Size).
			InChinese("该照片声明的大小为 %d 字节。", d.Size).About(req.PhotoID)
	case req.Type != d.Type:
		return Upload{}, field.Refuse(field.CodeNotAPhoto, "The photo was declared as %s.", d.Type).
			InChinese("该照片声明的类型为 %s。", d.Type).About(req.PhotoID)
	case !verify.Accepted(req.Type):
		return Upload{}, verify.Declared(req.Type, nil)
	case req.Size > s.limit(req.Type):
		return Upload{}, field.Refuse(field.CodePhotoTooBig, "A file of this type may have %d bytes.", s.limit(req.Type)).
			InChinese("此类型的文件最多 %d 字节。", s.limit(req.Type)).About(req.PhotoID)
	}
	id := ID(req.PhotoID, req.Sum)
	var stopper Interrupter
	if p != nil {
		stopper, _ = p.Body.(Interrupter)
	}
	leave, err := s.enter(ctx, id, stopper)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	u, err := s.begin(ctx, who, id, req, d, p != nil && s.whole(p, req.Size))
	if err != nil {
		return Upload{}, err
	}
	if u.receipt == nil {
		if err := s.findStored(ctx, who, d, u); err != nil {
			return Upload{}, err
		}
	}
	if err := s.advance(ctx, u); err != nil {
		return Upload{}, err
	}
	if p == nil {
		return u.public(), nil
	}
	rest := Piece{Offset: min(u.Offset, p.Length), Body: p.Body}
	if p.Length == Open {
		rest.Offset = u.Offset
	}
	if rest.Offset == 0 {
		rest.Check = p.Check // it speaks of all that was sent; after a part the hash of the file covers the rest
	}
	_, err = io.CopyN(io.Discard, p.Body, rest.Offset)
	if p.Length == Open {
		rest.Length = Open
	} else {
		rest.Length = p.Length - rest.Offset
	}
	if over := p.Length == Open && errors.Is(err, io.EOF); over || err != nil || rest.Length == 0 {
		if over {
			err = nil
		}
		return u.public(), err
	}
	return s.proceed(ctx, u, rest)
}

// findStored looks whether the sender has the bytes here already, and notes when that spares the upload some: who did
// not send them is not to be named as who did. What was put at a sealed address comes first, it was sent.
func (s *Service) findStored(ctx context.Context, who Uploader, d Declared, u *upload) error {
	if _, _, err := s.takeSealed(ctx, u); err != nil || u.stored { // if it was refused, advance says so
		return err
	}
	if has, err := s.cfg.Ledger.Has(ctx, who, d); err != nil || !has {
		return err
	}
	info, err := s.cfg.Blobs.Stat(ctx, u.Sum)
	switch {
	case err == nil && info.Size == u.Size:
		// Its place may have been taken a moment ago by somebody who is still making that durable.
		if err := s.cfg.Staging.Promote(ctx, u.id, u.Sum, u.Size); err != nil {
			return err
		}
		u.stored = true
		u.Already = u.Already || u.Offset < u.Size
	case err != nil && !field.Is(err, field.CodeNotFound):
		return err
	}
	return nil
}

// Head says where an upload stands. It overtakes a request that is still writing, so what it says stays true; and it
// finishes what a crash left undone. A broken request that the server reads only now may overtake the question itself:
// then it is asked again. CodeUploadUnknown, CodeUploadExpired.
func (s *Service) Head(ctx context.Context, who Uploader, id string) (Upload, error) {
	for tries := 1; ; tries++ {
		u, err := s.head(ctx, who, id)
		if tries == 5 || !field.Is(err, field.CodeUploadReplaced) {
			return u, err
		}
	}
}

func (s *Service) head(ctx context.Context, who Uploader, id string) (Upload, error) {
	if err := s.may(ctx, who, id); err != nil {
		return Upload{}, err
	}
	leave, err := s.enter(ctx, id, nil)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	u, err := s.take(ctx, who, id)
	if err != nil {
		return Upload{}, err
	}
	if err := s.advance(ctx, u); err != nil {
		return Upload{}, err
	}
	return u.public(), nil
}

// Piece is one run of bytes of an upload.
type Piece struct {
	Offset int64
	Length int64 // declared by the sender, or Open
	Body   io.Reader
	Check  *Checksum // nil: none was sent

	open bool // Length is what may come at most
}

// Open is the Length of a piece that ends where its Body does. It may bring as much as the upload still lacks.
const Open = -1

// Interrupter is a body whose waiting read another goroutine can end.
type Interrupter interface{ Interrupt() }

// Append takes a piece and, with the last one, finishes the upload. What arrived before the body failed stays; the
// body's error is given back and Head tells the offset. CodeOffsetMismatch when the piece does not begin where the
// upload stands, CodeSizeMismatch when it would overrun, CodeUploadReplaced when a newer request took over,
// CodeHashMismatch when the piece is not what its Check says (nothing of it is kept) or the whole is not what was
// declared (the upload is forgotten).
func (s *Service) Append(ctx context.Context, who Uploader, id string, p Piece) (Upload, error) {
	if err := s.may(ctx, who, id); err != nil {
		return Upload{}, err
	}
	stopper, _ := p.Body.(Interrupter)
	leave, err := s.enter(ctx, id, stopper)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	u, err := s.take(ctx, who, id)
	if err != nil {
		return Upload{}, err
	}
	return s.proceed(ctx, u, p)
}

// proceed takes a piece for the request that holds the upload.
func (s *Service) proceed(ctx context.Context, u *upload, p Piece) (Upload, error) {
	if p.Offset != u.Offset {
		return u.public(), field.Refuse(field.CodeOffsetMismatch, "The upload stands at %d.", u.Offset).
			InChinese("上传已进行到 %d 字节处。", u.Offset).About(u.PhotoID)
	}
	if p.Length == Open {
		p.Length, p.open = u.Size-u.Offset, true
	}
	if p.Length < 0 || p.Length > u.Size-u.Offset {
		return u.public(), field.Refuse(field.CodeSizeMismatch, "").About(u.PhotoID)
	}
	if p.Length > 0 || p.open {
		if err := s.receive(ctx, u, p); err != nil {
			return u.public(), err
		}
	}
	if err := s.advance(ctx, u); err != nil {
		return Upload{}, err
	}
	return u.public(), nil
}

// Terminate forgets an upload and its staged bytes; a photo that was stored stays.
func (s *Service) Terminate(ctx context.Context, who Uploader, id string) error {
	if err := s.may(ctx, who, id); err != nil {
		return err
	}
	leave, err := s.enter(ctx, id, nil)
	if err != nil {
		return err
	}
	defer leave()
	u, err := s.take(ctx, who, id)
	if err != nil {
		return err
	}
	return s.forget(ctx, u)
}

func (s *Service) limit(mediaType string) int64 {
	if t, _ := field.PhotoTypeOf(mediaType); t.Recording {
		return s.cfg.MaxVideo
	}
	return s.cfg.MaxImage
}
