package minio

import (
	"context"
	"io"
	"net"
	"net/http"

	"github.com/minio/minio-go/v7"

	"fieldclue/media/blob"
)

// transport is that of the client library, but what goes to the server is read and written half a MiB at a time where
// it comes fast: the standard library takes 32 KiB of a body, and each of them is hashed, spooled and passed on by
// itself. With TLS it is as it was.
func transport(secure bool) (http.RoundTripper, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn{c}, nil
	}
	return t, nil
}

type conn struct{ net.Conn }

// ReadFrom is how net/http sends a body.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	n, readErr, writeErr := blob.Copy(c.Conn, r)
	if readErr != nil {
		return n, readErr
	}
	return n, writeErr
}
