package phone

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"fieldclue/server/field"
)

// Client speaks to the server, one request at a time, and remembers nothing: for programs that keep what they have
// otherwise than a Phone does, and for what people do at a desk. Its methods may be called from several goroutines.
type Client struct {
	BaseURL string       // of the server, such as "http://127.0.0.1:8080"
	HTTP    *http.Client // nil: http.DefaultClient
	Token   string       // of access, from SignIn; empty: nobody is signed in
}

// Tokens are what a sign-in gives.
type Tokens struct {
	Access  string `json:"accessToken"`
	Refresh string `json:"refreshToken"`
	User    struct {
		ID field.UserID `json:"id"`
	} `json:"user"`
}

// SignIn opens a session on a device. The first on a device takes the one-time code that its person was given; empty:
// none.
func (c Client) SignIn(ctx context.Context, login, password, code string, device Device) (t Tokens, err error) {
	body := map[string]any{"login": login, "password": password, "device": device}
	if code != "" {
		body["code"] = code
	}
	c.Token = ""
	return t, c.Ask(ctx, http.MethodPost, "/v1/auth/sign-in", body, &t)
}

// Ask sends a request and decodes the JSON of the answer. body is JSON, or a value to be written as JSON, or nil; into
// may be nil, or a *[]byte that takes the answer as it is. headers are pairs of a name and a value, such as
// "Idempotency-Key". What the server refuses is a *Refused.
func (c Client) Ask(ctx context.Context, method, path string, body, into any, headers ...string) error {
	raw, ready := body.([]byte)
	if body != nil && !ready {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	_, err = c.do(req, into)
	return err
}

// Upload sends the bytes of a declared photo in one request, as on a good link, and fails without a receipt. Where
// links break, a Phone sends the rest of what is left.
func (c Client) Upload(ctx context.Context, photo field.RecordID, sha256, media string, size int64, content io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BaseURL+"/v1/uploads", content)
	if err != nil {
		return err
	}
	req.ContentLength, req.Header = size, UploadHeader(photo, sha256, media, size)
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	head, err := c.do(req, nil)
	if err == nil && head.Get("Fieldclue-Receipt") == "" {
		err = errNoReceipt
	}
	return err
}

var errNoReceipt = errors.New("the server has all bytes and gives no receipt yet")

// UploadHeader is what the creation of an upload says by tus 1.0 (docs/sync.md).
func UploadHeader(photo field.RecordID, sha256, media string, size int64) http.Header {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Length": {strconv.FormatInt(size, 10)},
		"Upload-Metadata": {fmt.Sprintf("photoId %s,sha256 %s,filetype %s", b64(string(photo)), b64(sha256), b64(media))},
	}
}

// do sends a request and decodes a JSON answer.
func (c Client) do(req *http.Request, into any) (http.Header, error) {
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	if n := res.ContentLength; n > 0 && n < answerLimit {
		raw.Grow(int(n) + bytes.MinRead)
	}
	_, err = raw.ReadFrom(io.LimitReader(res.Body, answerLimit))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, refusal(res.StatusCode, raw.Bytes())
	}
	if plain, ok := into.(*[]byte); ok {
		*plain = raw.Bytes()
		return res.Header, nil
	}
	if into == nil || raw.Len() == 0 {
		return res.Header, nil
	}
	if err := json.Unmarshal(raw.Bytes(), into); err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	return res.Header, nil
}
