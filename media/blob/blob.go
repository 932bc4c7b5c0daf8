// Package blob says what a store of photo bytes promises. Bytes are addressed by their SHA-256 and never change.
//
// Here are the contract (Store, Staging), its small types and the reader that believes nothing before it has hashed it.
// Not here: how bytes are kept (blob/dir, blob/minio) and how they arrive over HTTP (media/intake). Start with Store;
// blobtest holds what every implementation must pass.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	"fieldclue/server/field"
)

// Sum is a SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
type Sum string

// ParseSum accepts 64 hexadecimal digits in lower case; anything else is CodeBadRequest.
func ParseSum(s string) (Sum, error) {
	if len(s) != 2*sha256.Size {
		return "", field.Refuse(field.CodeBadRequest, "A SHA-256 is 64 lower-case hexadecimal digits.").
			InChinese("SHA-256 由 64 位小写十六进制数字组成。")
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", field.Refuse(field.CodeBadRequest, "A SHA-256 is 64 lower-case hexadecimal digits.").
				InChinese("SHA-256 由 64 位小写十六进制数字组成。")
		}
	}
	return Sum(s), nil
}

// SumOf is the Sum of a finished SHA-256 hash.
func SumOf(h hash.Hash) Sum { return Sum(hex.EncodeToString(h.Sum(nil))) }

// Info describes one stored blob. Size is in bytes; StoredAt is the clock of the store.
type Info struct {
	Sum      Sum
	Size     int64
	StoredAt time.Time
}

// Store keeps immutable bytes by their hash. All methods may be called from many goroutines and many processes at once.
// Errors are *field.Error; besides those named, every method may answer CodeStoreDown.
type Store interface {
	// PutIfAbsent stores what r gives as sum, unless it is there already: then created is false and r may be left
	// unread. The bytes are hashed while they stream. CodeHashMismatch when they are not sum; CodeSizeMismatch when r
	// gives fewer or more bytes than size; r's own error when it fails; CodeStorageFull when there is no room. After
	// any error nothing is stored; only after CodeStoreDown it may be there, whole, when the place died before it could
	// answer. When it returns nil the bytes survive a crash. Of several calls at once for one sum exactly one says
	// created.
	PutIfAbsent(ctx context.Context, sum Sum, size int64, r io.Reader) (created bool, err error)

	// Open reads length bytes from offset; length -1 reads to the end. CodeNotFound when there is no such blob,
	// CodeRangeInvalid when offset or offset+length lies outside it. The caller closes what it gets; reading from it
	// fails with CodeStoreDown when the store does, and never ends early without an error.
	Open(ctx context.Context, sum Sum, offset, length int64) (io.ReadCloser, error)

	// Stat describes a blob; CodeNotFound when there is none.
	Stat(ctx context.Context, sum Sum) (Info, error)

	// Each calls fn for every blob, in no stated order, and stops at the first error, which it returns.
	Each(ctx context.Context, fn func(Info) error) error

	// SetHold puts a blob under legal hold or releases it; repeating it changes nothing. CodeNotFound when there is no
	// such blob.
	SetHold(ctx context.Context, sum Sum, on bool) error

	// Held reports whether a blob is under legal hold. CodeNotFound when there is no such blob.
	Held(ctx context.Context, sum Sum) (bool, error)

	// Ping asks the store whether it could take and give bytes now.
	Ping(ctx context.Context) error

	// Engine names what keeps the bytes, with its version where it has one, for people to read.
	Engine() string
}

// Staging keeps half-finished uploads where every server of a cluster can go on with them. It keeps segments, each with
// the offset at which it starts and the generation of its writer. Where two start at one offset the higher generation
// counts, so a writer that was overtaken and wakes up late damages nothing. The caller knows how many bytes count (it
// keeps the offset) and raises the generation with every new writer.
type Staging interface {
	// Append keeps up to max bytes of r as those from offset on. It reads until r ends, fails, or max is reached. n is
	// the number of bytes that survive a crash: all that were read from r, also when err is r's own error. When they
	// could not be kept err is CodeStoreDown and n is 0, or it is CodeStorageFull and n is how many of them could be.
	Append(ctx context.Context, id string, generation, offset int64, r io.Reader, max int64) (n int64, err error)

	// Open reads the first size bytes of an upload. CodeNotFound when they are not all there. The caller closes it.
	Open(ctx context.Context, id string, size int64) (io.ReadCloser, error)

	// Promote makes the first size bytes of an upload the blob sum, without copying where the store can, and is content
	// when that blob is there already. Every byte is hashed again: between its way in and this lies a crash, or days.
	// CodeHashMismatch as for PutIfAbsent. The staged bytes may be gone afterwards; call Remove in any case.
	Promote(ctx context.Context, id string, sum Sum, size int64) error

	// Remove forgets an upload; one that is not there is no error.
	Remove(ctx context.Context, id string) error
}

// Replaces is what a Store may offer besides, for bytes that can be made again: Replace stores what r gives as sum,
// also in the place of a blob whose bytes are not that any more. They are hashed before anything is replaced; errors
// are those of PutIfAbsent.
type Replaces interface {
	Replace(ctx context.Context, sum Sum, size int64, r io.Reader) error
}

// OnDisk is what Open may give: the blob lies in a file of this machine, which was opened for reading only. Who takes
// the whole blob may move about in the file, and needs no copy.
type OnDisk interface{ File() *os.File }

// Whole is what a Staging may offer besides: when an upload arrives from its first byte to its last in one request, the
// bytes go straight to their place and are staged only if something fails on the way.
type Whole interface {
	// StoreWhole tries to store all of r as the blob sum. done means that it is stored, as if PutIfAbsent had said so.
	// Otherwise n and err are as those of Append at offset 0, or CodeHashMismatch with nothing kept. staged is called
	// before a byte is staged, so that somebody knows of it; its error is given back, and nothing is kept.
	StoreWhole(ctx context.Context, id string, generation int64, sum Sum, size int64, r io.Reader, staged func() error) (n int64, done bool, err error)
}

// Seals is what a Staging may offer besides: somebody with a good link puts the bytes into the store himself, at an
// address that takes these bytes, once, and nothing else. Nothing that lies there counts before it was promoted.
type Seals interface {
	// Seal signs the address of an upload, good for life from now on. Two of one upload are one place. CodeSealedPutOff
	// when the store has no address for phones.
	Seal(ctx context.Context, id string, sum Sum, size int64, life time.Duration) (SealedPut, error)

	// CheckSealed reads back the size and the hash of what was put: nil when they are these. CodeNotFound when nothing
	// is there, CodeSizeMismatch or CodeHashMismatch when it is something else.
	CheckSealed(ctx context.Context, id string, sum Sum, size int64) error

	// OpenSealed reads the first length bytes of what was put. The caller closes it.
	OpenSealed(ctx context.Context, id string, length int64) (io.ReadCloser, error)

	// PromoteSealed makes what was put the blob sum, and hashes every byte on the way; it is content when that blob is
	// there already. CodeHashMismatch and CodeSizeMismatch as for PutIfAbsent, CodeNotFound when nothing is there.
	PromoteSealed(ctx context.Context, id string, sum Sum, size int64) error

	// RemoveSealed forgets what was put, or that the address was shut; neither is no error.
	RemoveSealed(ctx context.Context, id string) error

	// ShutSealed forgets what was put and lets the address take nothing any more.
	ShutSealed(ctx context.Context, id string) error
}

// SealedPut is an address for one PUT. Every header must be sent as it stands here: they are signed.
type SealedPut struct {
	URL    string // anyone who has it may put these bytes there while it is good: it belongs into no log
	Header map[string]string
}

// Exact reads exactly size bytes with the given hash from a source, and gives the last of them away only when the hash
// and the size are right: a consumer that waits for size bytes cannot complete on wrong ones.
type Exact struct {
	r    io.Reader
	h    hash.Hash
	sum  Sum
	size int64
	got  int64
	err  error // what stopped it, io.EOF when all is well
}

// NewExact wraps r. The errors of Read are CodeHashMismatch, CodeSizeMismatch, or the source's own.
func NewExact(r io.Reader, sum Sum, size int64) *Exact {
	return &Exact{r: r, h: sha256.New(), sum: sum, size: size}
}

// Read follows io.Reader. An empty source needs one Read to be judged.
func (e *Exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	if left := e.size - e.got; left > 0 {
		if int64(len(p)) > left {
			p = p[:left]
		}
		var err error
		n, err = e.r.Read(p)
		_, _ = e.h.Write(p[:n]) // a hash never fails
		e.got += int64(n)
		if err != nil && (!errors.Is(err, io.EOF) || e.got < e.size) {
			e.err = err
			if errors.Is(err, io.EOF) {
				e.err = field.Refuse(field.CodeSizeMismatch, "")
			}
			return 0, e.err
		}
	}
	if e.got < e.size {
		return n, nil
	}
	e.err = e.judge()
	if !errors.Is(e.err, io.EOF) {
		return 0, e.err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Err is what stopped the reader: nil while it goes on and when everything was right.
func (e *Exact) Err() error {
	if e.err == nil || errors.Is(e.err, io.EOF) {
		return nil
	}
	return e.err
}

func (e *Exact) judge() error {
	var more [1]byte
	for tries := 0; ; tries++ {
		n, err := e.r.Read(more[:])
		switch {
		case n > 0 || tries > 100:
			return field.Refuse(field.CodeSizeMismatch, "")
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		case SumOf(e.h) != e.sum:
			return field.Refuse(field.CodeHashMismatch, "")
		default:
			return io.EOF
		}
	}
}

// CheckRange turns an offset and a length (-1: to the end) into the number of bytes to read of a blob of the given
// size, or refuses with CodeRangeInvalid.
func CheckRange(offset, length, size int64) (int64, error) {
	if length == -1 {
		length = size - offset
	}
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return 0, field.Refuse(field.CodeRangeInvalid, "")
	}
	return length, nil
}

// Segment is one stored piece of a staged upload, as an implementation lists it.
type Segment struct {
	Offset, Generation, Size int64
	Name                     string
}

// Chain picks the segments that make up the first size bytes of an upload: at each offset that of the highest
// generation. The last may be longer than needed. CodeNotFound when there is a gap.
func Chain(all []Segment, size int64) ([]Segment, error) {
	best := make(map[int64]Segment, len(all))
	for _, s := range all {
		if b, ok := best[s.Offset]; s.Size > 0 && (!ok || s.Generation > b.Generation) {
			best[s.Offset] = s
		}
	}
	var chain []Segment
	for at := int64(0); at < size; {
		s, ok := best[at]
		if !ok {
			return nil, field.Refuse(field.CodeNotFound, "")
		}
		chain = append(chain, s)
		at += s.Size
	}
	return chain, nil
}
