// Package minio keeps blobs in MinIO, or another S3 store that knows object lock and conditional writes.
//
// The bucket for originals is made with object lock and versioning, which cannot be added later; renditions go to a
// bucket without. Start with Open; staging.go has the half-finished uploads, which live in a second bucket that is
// never locked, and sealed.go the addresses at which phones put bytes there themselves.
package minio

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Config names the server and the buckets.
type Config struct {
	Endpoint  string // host:port
	AccessKey string
	SecretKey string
	Secure    bool   // https
	Region    string // empty: the server's own

	Bucket string // made when it is not there
	Prefix string // before every name, such as "renditions/"; empty or ending in "/"
	Locked bool   // originals: object lock and versioning when the bucket is made, refused at Open if it lacks them

	// Retention of each new blob of a locked bucket: "GOVERNANCE" or "COMPLIANCE" for RetainDays days; empty: none.
	Retention  string
	RetainDays int

	StagingBucket string           // empty: this store takes no half-finished uploads
	PublicURL     string           // scheme, host and port under which phones reach the server; empty: it seals no puts
	SpoolDir      string           // where a segment waits on its way; empty: the system's temporary directory
	Now           func() time.Time // the clock for the end of a retention; nil: time.Now
}

// Store is a blob.Store and, through Staging, a blob.Staging.
type Store struct {
	cfg    Config
	core   minio.Core
	public *minio.Client // signs addresses for phones; nil: none are given
	server string
}

const (
	amzChecksum = "x-amz-checksum-sha256"
	typeBytes   = "application/octet-stream"
)

// Open reaches the server, makes the buckets that are missing, and refuses a bucket without object lock where one is
// asked for. CodeStoreDown when the server does not answer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	trip, err := transport(cfg.Secure)
	if err != nil {
		return nil, field.Refuse(field.CodeBadRequest, "The certificates for the blob store cannot be read.").Because(err)
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Transport:       trip,
		Creds:           credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:          cfg.Secure,
		Region:          cfg.Region,
		TrailingHeaders: true,
		MaxRetries:      3,
	})
	if err != nil {
		return nil, field.Refuse(field.CodeBadRequest, "The address of the blob store is not usable: %v.", err)
	}
	s := &Store{cfg: cfg, core: minio.Core{Client: client}}
	if err := s.makeBucket(ctx, cfg.Bucket, cfg.Locked); err != nil {
		return nil, err
	}
	if cfg.StagingBucket != "" {
		if err := s.makeBucket(ctx, cfg.StagingBucket, false); err != nil {
			return nil, err
		}
	}
	if cfg.PublicURL != "" {
		if s.public, err = s.signer(ctx); err != nil {
			return nil, err
		}
	}
	s.server = "S3"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.EndpointURL().String(), nil)
	if err != nil {
		return nil, coded(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil { // only for its name; it has answered above
		if name := resp.Header.Get("Server"); name != "" {
			s.server = name
		}
		_ = resp.Body.Close() // nothing was read
	}
	return s, nil
}

func (s *Store) makeBucket(ctx context.Context, name string, locked bool) error {
	there, err := s.core.BucketExists(ctx, name)
	if err != nil {
		return coded(err)
	}
	if !there {
		err := s.core.MakeBucket(ctx, name, minio.MakeBucketOptions{Region: s.cfg.Region, ObjectLocking: locked})
		code := minio.ToErrorResponse(err).Code
		if err != nil && code != "BucketAlreadyOwnedByYou" && code != "BucketAlreadyExists" {
			return coded(err)
		}
	}
	if !locked {
		return nil
	}
	state, _, _, _, err := s.core.GetObjectLockConfig(ctx, name)
	if err != nil && minio.ToErrorResponse(err).Code != "ObjectLockConfigurationNotFoundError" {
		return coded(err)
	}
	if state != "Enabled" {
		return field.Refuse(field.CodeBadRequest,
			"Bucket %s was made without object lock, which cannot be added later. Name another bucket for originals.", name)
	}
	return nil
}

// Engine names the server for people.
func (s *Store) Engine() string { return s.server + " at " + s.cfg.Endpoint + "/" + s.cfg.Bucket }

// Ping asks whether the bucket answers.
func (s *Store) Ping(ctx context.Context) error {
	there, err := s.core.BucketExists(ctx, s.cfg.Bucket)
	if err != nil {
		return coded(err)
	}
	if !there {
		return field.Refuse(field.CodeStoreDown, "").Because(errors.New("the bucket is gone"))
	}
	return nil
}

func (s *Store) name(sum blob.Sum) string {
	return s.cfg.Prefix + string(sum[:2]) + "/" + string(sum[2:4]) + "/" + string(sum)
}

// PutIfAbsent follows blob.Store. The server checks the SHA-256 too and keeps it; If-None-Match makes the first of
// several writers the only one.
func (s *Store) PutIfAbsent(ctx context.Context, sum blob.Sum, size int64, r io.Reader) (bool, error) {
	if _, err := s.Stat(ctx, sum); err == nil {
		return false, nil
	} else if !field.Is(err, field.CodeNotFound) {
		return false, err
	}
	return s.put(ctx, sum, size, r)
}

// Replace follows blob.Replaces. Where the bucket keeps versions, the one before stays below.
func (s *Store) Replace(ctx context.Context, sum blob.Sum, size int64, r io.Reader) error {
	_, err := s.write(ctx, sum, size, r, true)
	return err
}

// put is PutIfAbsent for bytes that are not likely to be there.
func (s *Store) put(ctx context.Context, sum blob.Sum, size int64, r io.Reader) (bool, error) {
	return s.write(ctx, sum, size, r, false)
}

func (s *Store) write(ctx context.Context, sum blob.Sum, size int64, r io.Reader, over bool) (bool, error) {
	raw, err := rawSum(sum)
	if err != nil {
		return false, err
	}
	exact := blob.NewExact(r, sum, size)
	if size == 0 { // the client library reads nothing then, so judge here
		if _, err := exact.Read(make([]byte, 1)); exact.Err() != nil {
			return false, err
		}
	}
	opts := minio.PutObjectOptions{
		ContentType:          typeBytes,
		UserMetadata:         map[string]string{amzChecksum: base64.StdEncoding.EncodeToString(raw)},
		DisableContentSha256: true, // the checksum above is signed and compared instead: the server hashes once
	}
	if !over {
		opts.SetMatchETagExcept("*")
	}
	if s.cfg.Locked && s.cfg.Retention != "" {
		opts.Mode = minio.RetentionMode(s.cfg.Retention)
		opts.RetainUntilDate = s.cfg.Now().AddDate(0, 0, s.cfg.RetainDays)
	}
	body := &gate{r: exact}
	_, err = s.core.PutObject(ctx, s.cfg.Bucket, s.name(sum), body, size, "", "", opts)
	body.shut()
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil:
		return true, nil
	case exact.Err() != nil:
		return false, exact.Err()
	case code == "PreconditionFailed", code == "ConditionalRequestConflict":
		// It was there, and the store may say so before it has read a byte: anyone who has the blob's name has not
		// shown the bytes.
		if _, err := io.Copy(io.Discard, exact); err != nil {
			return false, err
		}
		// Another writer was first. If it has not finished it holds the lock until it has, so the blob is there now.
		if _, err := s.Stat(ctx, sum); err != nil {
			return false, field.Refuse(field.CodeBusy, "").Because(err)
		}
		return false, nil
	default:
		return false, coded(err)
	}
}

// Open follows blob.Store.
func (s *Store) Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error) {
	if _, err := rawSum(sum); err != nil {
		return nil, err
	}
	if offset < 0 || length < -1 {
		return nil, field.Refuse(field.CodeRangeInvalid, "")
	}
	// An empty range cannot be asked for, and an answer to one without an end does not say whether it began inside.
	if length == 0 || offset > 0 && length < 0 {
		info, err := s.Stat(ctx, sum)
		if err == nil {
			length, err = blob.CheckRange(offset, length, info.Size)
		}
		if err != nil {
			return nil, err
		}
		if length == 0 {
			return io.NopCloser(strings.NewReader("")), nil
		}
	}
	var opts minio.GetObjectOptions
	if length > 0 {
		if err := opts.SetRange(offset, offset+length-1); err != nil {
			return nil, field.Refuse(field.CodeRangeInvalid, "").Because(err)
		}
	}
	body, info, _, err := s.core.GetObject(ctx, s.cfg.Bucket, s.name(sum), opts)
	if err != nil {
		return nil, coded(err)
	}
	if length > 0 && info.Size < length { // the server gives what there is of a range
		_ = body.Close() // only read
		return nil, field.Refuse(field.CodeRangeInvalid, "")
	}
	return answer{body}, nil
}

// answer is the body of an answer, whose errors have codes.
type answer struct{ io.ReadCloser }

func (a answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = coded(err)
	}
	return n, err
}

// Stat follows blob.Store.
func (s *Store) Stat(ctx context.Context, sum blob.Sum) (blob.Info, error) {
	if _, err := rawSum(sum); err != nil {
		return blob.Info{}, err
	}
	o, err := s.core.StatObject(ctx, s.cfg.Bucket, s.name(sum), minio.StatObjectOptions{})
	if err != nil {
		return blob.Info{}, coded(err)
	}
	return blob.Info{Sum: sum, Size: o.Size, StoredAt: o.LastModified.UTC()}, nil
}

// Each follows blob.Store.
func (s *Store) Each(ctx context.Context, fn func(blob.Info) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // ends the listing when fn fails
	for o := range s.core.Client.ListObjects(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix, Recursive: true}) {
		if o.Err != nil {
			return coded(o.Err)
		}
		sum, err := blob.ParseSum(o.Key[strings.LastIndexByte(o.Key, '/')+1:])
		if err != nil || s.name(sum) != o.Key {
			continue // not a blob of this store
		}
		if err := fn(blob.Info{Sum: sum, Size: o.Size, StoredAt: o.LastModified.UTC()}); err != nil {
			return err
		}
	}
	return nil
}

// SetHold follows blob.Store with the legal hold of the server. A store that is not Locked has none: CodeBadRequest.
func (s *Store) SetHold(ctx context.Context, sum blob.Sum, on bool) error {
	if _, err := s.Stat(ctx, sum); err != nil {
		return err
	}
	if !s.cfg.Locked {
		return field.Refuse(field.CodeBadRequest, "This bucket has no object lock, so it cannot hold.")
	}
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	if err := s.core.PutObjectLegalHold(ctx, s.cfg.Bucket, s.name(sum), minio.PutObjectLegalHoldOptions{Status: &status}); err != nil {
		return coded(err)
	}
	return nil
}

// Held follows blob.Store.
func (s *Store) Held(ctx context.Context, sum blob.Sum) (bool, error) {
	if _, err := s.Stat(ctx, sum); err != nil {
		return false, err
	}
	if !s.cfg.Locked {
		return false, nil
	}
	status, err := s.core.GetObjectLegalHold(ctx, s.cfg.Bucket, s.name(sum), minio.GetObjectLegalHoldOptions{})
	if minio.ToErrorResponse(err).Code == "NoSuchObjectLockConfiguration" {
		return false, nil // never held
	}
	if err != nil {
		return false, coded(err)
	}
	return status != nil && *status == minio.LegalHoldEnabled, nil
}

func rawSum(sum blob.Sum) ([]byte, error) {
	if _, err := blob.ParseSum(string(sum)); err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(string(sum))
	if err != nil {
		return nil, field.Refuse(field.CodeBadRequest, "").Because(err)
	}
	return raw, nil
}

// gate lets nobody read after it was shut. The HTTP transport may still be reading a request body when its call has
// returned; the body of a phone's request must not be touched then.
type gate struct {
	mu sync.Mutex // guards r
	r  io.Reader  // nil: shut
}

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return 0, io.ErrClosedPipe
	}
	return g.r.Read(p)
}

func (g *gate) shut() {
	g.mu.Lock()
	g.r = nil
	g.mu.Unlock()
}

// coded gives an error of the client library its code; one that has a code keeps it.
func coded(err error) error {
	var known *field.Error
	if errors.As(err, &known) {
		return known
	}
	answer := minio.ToErrorResponse(err)
	switch {
	case answer.Code == "NoSuchKey", answer.Code == "NoSuchVersion", answer.Code == "NoSuchUpload":
		return field.Refuse(field.CodeNotFound, "")
	case answer.Code == "XMinioStorageFull", answer.Code == "XMinioAdminBucketQuotaExceeded", answer.StatusCode == http.StatusInsufficientStorage:
		return field.Refuse(field.CodeStorageFull, "").Because(err)
	case answer.Code == "InvalidRange":
		return field.Refuse(field.CodeRangeInvalid, "")
	case answer.Code == "XAmzContentChecksumMismatch", answer.Code == "XAmzContentSHA256Mismatch", answer.Code == "BadDigest":
		return field.Refuse(field.CodeHashMismatch, "").Because(err)
	default:
		return field.Refuse(field.CodeStoreDown, "").Because(err)
	}
}
