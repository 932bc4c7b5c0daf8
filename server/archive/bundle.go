// Package archive keeps the bodies of old log entries in bundles beside the originals, and reads them where they lie.
//
// Run moves them, a bundle at a time, so that a crash at any moment loses nothing. Reader is put over a store: who
// reads entries through it does not notice whether they are archived. What stays in the log, and how, is the store's
// Archive; docs/decisions/archive.md says why it is so.
//
// A bundle holds consecutive entries of one scope, as a tar file in gzip:
//
//	site/0192…/0000000000000001.json
//	site/0192…/0000000000000002.json
//	…
//
// Each file is, byte for byte, what the hash of the entry covers, so that "tar xzf" and "sha256sum" are all that a
// stranger needs; its time is the entry's, in whole seconds. The name of the bundle is the SHA-256 of its bytes.
// Several bundles unpacked into one directory are the logs of their scopes.
package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"fieldclue/media/blob"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// mostUnpacked bounds what a bundle may grow to in memory; the bundles that are made here stay far below.
const mostUnpacked = 64 << 20

// nameOf is the name of an entry in its bundle.
func nameOf(scope field.Scope, seq int64) string { return fmt.Sprintf("%s/%016d.json", scope, seq) }

func sumOf(b []byte) blob.Sum {
	h := sha256.Sum256(b)
	return blob.Sum(hex.EncodeToString(h[:]))
}

// pack makes a bundle. The same entries give the same bytes.
func pack(entries []store.Entry) ([]byte, error) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	files := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: nameOf(e.Scope, e.Seq), Mode: 0o444, Size: int64(len(e.Body)), ModTime: e.At.Truncate(1e9)}
		if err := files.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := files.Write(e.Body); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack reads a bundle: bodies by their names.
func unpack(r io.Reader) (map[string][]byte, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	files := tar.NewReader(io.LimitReader(zip, mostUnpacked))
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return bodies, nil
		}
		if err != nil {
			return nil, err
		}
		if bodies[h.Name], err = io.ReadAll(files); err != nil {
			return nil, err
		}
	}
}
