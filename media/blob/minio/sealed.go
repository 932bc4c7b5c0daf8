package minio

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"fieldclue/media/blob"
	"fieldclue/server/field"
)

// Sealed puts (blob.Seals): one object per upload, sealed/<id>, in the bucket without lock. Its name is signed together
// with the length, the hash and "only if nothing is there", so whatever somebody does with the address, the object is
// either absent or the declared bytes.

const sealedPrefix = "sealed/"

func sealedName(id string) (string, error) {
	if _, err := prefix(id); err != nil {
		return "", err
	}
	return sealedPrefix + id, nil
}

// signer signs addresses under which phones reach the server. It never speaks to it: the region is asked for beside.
func (s *Store) signer(ctx context.Context) (*minio.Client, error) {
	at, err := url.Parse(s.cfg.PublicURL)
	if err != nil {
		return nil, field.Refuse(field.CodeBadRequest, "The public address of the blob store is not usable: %v.", err)
	}
	region := s.cfg.Region
	if region == "" {
		if region, err = s.core.GetBucketLocation(ctx, s.cfg.StagingBucket); err != nil {
			return nil, coded(err)
		}
	}
	client, err := minio.New(at.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(s.cfg.AccessKey, s.cfg.SecretKey, ""),
		Secure:       at.Scheme == "https",
		Region:       region,
		BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, field.Refuse(field.CodeBadRequest, "The public address of the blob store is not usable: %v.", err)
	}
	return client, nil
}

// Seal follows blob.Seals.
func (t *Staging) Seal(ctx context.Context, id string, sum blob.Sum, size int64, life time.Duration) (blob.SealedPut, error) {
	if t.s.public == nil {
		return blob.SealedPut{}, field.Refuse(field.CodeSealedPutOff, "")
	}
	name, err := sealedName(id)
	if err != nil {
		return blob.SealedPut{}, err
	}
	raw, err := rawSum(sum)
	if err != nil {
		return blob.SealedPut{}, err
	}
	put := blob.SealedPut{Header: map[string]string{
		"Content-Length":        strconv.FormatInt(size, 10),
		"If-None-Match":         "*",
		"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(raw),
	}}
	signed := http.Header{}
	for key, value := range put.Header {
		signed.Set(key, value)
	}
	u, err := t.s.public.PresignHeader(ctx, http.MethodPut, t.s.cfg.StagingBucket, name, life, nil, signed)
	if err != nil {
		return blob.SealedPut{}, coded(err)
	}
	put.URL = u.String()
	return put, nil
}

// CheckSealed follows blob.Seals: the size and the SHA-256 as the server has them. A server that keeps no checksum is
// believed until PromoteSealed hashes the bytes. While a put runs, or hangs on a link that is gone, MinIO holds the
// name locked for half a minute and more, so it is asked for in a listing first, which waits for nobody.
func (t *Staging) CheckSealed(ctx context.Context, id string, sum blob.Sum, size int64) error {
	name, err := sealedName(id)
	if err != nil {
		return err
	}
	raw, err := rawSum(sum)
	if err != nil {
		return err
	}
	there, err := t.listed(ctx, name)
	if err != nil {
		return err
	}
	if !there {
		return field.Refuse(field.CodeNotFound, "")
	}
	o, err := t.s.core.StatObject(ctx, t.s.cfg.StagingBucket, name, minio.StatObjectOptions{Checksum: true})
	if minio.ToErrorResponse(err).StatusCode == http.StatusBadRequest { // under a key of the sender's own: nobody can read it
		return field.Refuse(field.CodeHashMismatch, "").Because(err)
	}
	switch {
	case err != nil:
		return coded(err)
	case o.Size == 0: // shut
		return field.Refuse(field.CodeNotFound, "")
	case o.Size != size:
		return field.Refuse(field.CodeSizeMismatch, "")
	case o.ChecksumSHA256 != "" && o.ChecksumSHA256 != base64.StdEncoding.EncodeToString(raw):
		return field.Refuse(field.CodeHashMismatch, "")
	}
	return nil
}

func (t *Staging) listed(ctx context.Context, name string) (bool, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for o := range t.s.core.Client.ListObjects(ctx, t.s.cfg.StagingBucket, minio.ListObjectsOptions{Prefix: name, Recursive: true}) {
		if o.Err != nil {
			return false, coded(o.Err)
		}
		if o.Key == name {
			return true, nil
		}
	}
	return false, nil
}

// OpenSealed follows blob.Seals.
func (t *Staging) OpenSealed(ctx context.Context, id string, length int64) (io.ReadCloser, error) {
	name, err := sealedName(id)
	if err != nil {
		return nil, err
	}
	var opts minio.GetObjectOptions
	if err := opts.SetRange(0, length-1); err != nil {
		return nil, field.Refuse(field.CodeRangeInvalid, "").Because(err)
	}
	body, _, _, err := t.s.core.GetObject(ctx, t.s.cfg.StagingBucket, name, opts)
	if err != nil {
		return nil, coded(err)
	}
	return answer{body}, nil
}

// PromoteSealed follows blob.Seals: the bytes stream through the hash into the other bucket.
func (t *Staging) PromoteSealed(ctx context.Context, id string, sum blob.Sum, size int64) error {
	name, err := sealedName(id)
	if err != nil {
		return err
	}
	body, _, _, err := t.s.core.GetObject(ctx, t.s.cfg.StagingBucket, name, minio.GetObjectOptions{})
	if err != nil {
		return coded(err)
	}
	defer func() {
		_ = body.Close() // only read
	}()
	_, err = t.s.PutIfAbsent(ctx, sum, size, answer{body})
	return err
}

// RemoveSealed follows blob.Seals.
func (t *Staging) RemoveSealed(ctx context.Context, id string) error {
	name, err := sealedName(id)
	if err != nil {
		return err
	}
	if err := t.s.core.RemoveObject(ctx, t.s.cfg.StagingBucket, name, minio.RemoveObjectOptions{}); err != nil {
		return coded(err)
	}
	return nil
}

// ShutSealed follows blob.Seals: an object without bytes stands where another would have to be the first.
func (t *Staging) ShutSealed(ctx context.Context, id string) error {
	name, err := sealedName(id)
	if err != nil {
		return err
	}
	_, err = t.s.core.PutObject(ctx, t.s.cfg.StagingBucket, name, http.NoBody, 0, "", "", minio.PutObjectOptions{ContentType: typeBytes})
	if err != nil {
		return coded(err)
	}
	return nil
}
