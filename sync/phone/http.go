package phone

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
)

// ErrSignIn says that the session has ended and nobody was there to unlock the phone.
var ErrSignIn = errors.New("the session has ended: sign in again")

// errAgain asks retry for another attempt at once.
var errAgain = errors.New("the server asks for another attempt, again and again")

// answerLimit bounds what a phone reads of one answer.
const answerLimit = 64 << 20

// requestTime bounds one request but for the uploads of photos, which are as slow as the link.
const requestTime = time.Minute

// Refused is a problem that the server answered (RFC 9457).
type Refused struct {
	Status  int        `json:"status"`
	Code    field.Code `json:"code"`
	Detail  string     `json:"detail"`
	Highest int64      `json:"highestBatch"` // with batch_reused: of the device in the scope
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

func refusedWith(err error, codes ...field.Code) bool {
	var r *Refused
	if !errors.As(err, &r) {
		return false
	}
	for _, c := range codes {
		if r.Code == c {
			return true
		}
	}
	return false
}

// lasting reports whether another attempt would end the same way.
func lasting(err error) bool {
	var r *Refused
	if errors.As(err, &r) {
		return r.Status < 500 && r.Status != http.StatusTooManyRequests && r.Status != http.StatusRequestTimeout
	}
	return errors.Is(err, ErrSignIn)
}

// firstDelay and lastDelay bound the wait between attempts: it doubles, and a random part of it is waited, so that the
// phones of a team that comes back into signal do not all knock at once.
const (
	firstDelay = 500 * time.Millisecond
	lastDelay  = 30 * time.Second
)

// retry runs fn until it succeeds, fails for good, or the attempts are used up.
func (p *Phone) retry(ctx context.Context, fn func(context.Context) error) error {
	delay := firstDelay
	for attempt := 1; ; attempt++ {
		err := fn(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case lasting(err), attempt >= p.o.Attempts:
			return err
		case errors.Is(err, errAgain):
			continue
		}
		if err := p.note(event{Traffic: &trafficEvent{Retries: 1}}); err != nil {
			return err
		}
		p.mu.Lock()
		jitter := p.random.Float64()
		p.mu.Unlock()
		if err := p.o.Sleep(ctx, delay/2+time.Duration(jitter*float64(delay/2))); err != nil {
			return err
		}
		delay = min(2*delay, lastDelay)
	}
}

// SignIn opens a session on this device, which is enrolled.
func (p *Phone) SignIn(ctx context.Context, login, password string) error {
	return p.Enrol(ctx, login, password, "")
}

// Enrol opens the first session on this device, with the one-time code that its person was given.
func (p *Phone) Enrol(ctx context.Context, login, password, code string) error {
	return p.retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		t, err := p.client().SignIn(ctx, login, password, code, p.o.Device)
		if err != nil {
			return err
		}
		return p.holds(t)
	})
}

// client speaks as who is signed in.
func (p *Phone) client() Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Client{BaseURL: p.o.BaseURL, HTTP: p.http, Token: p.st.Session.Access}
}

// holds keeps the tokens of a session. Those of one that is renewed do not name the user.
func (p *Phone) holds(t Tokens) error {
	p.mu.Lock()
	s := session{User: p.st.Session.User, Access: t.Access, Refresh: t.Refresh}
	p.mu.Unlock()
	if t.User.ID != "" {
		s.User = t.User.ID
	}
	return p.note(event{Session: &s})
}

// renew gets a new access token, or signs in again when the refresh token no longer counts.
func (p *Phone) renew(ctx context.Context) error {
	p.mu.Lock()
	refresh := p.st.Session.Refresh
	p.mu.Unlock()
	if refresh != "" {
		if err := p.refresh(ctx, refresh); !unauthorised(err) {
			return err
		}
	}
	if p.o.Unlock == nil {
		return ErrSignIn
	}
	login, password := p.o.Unlock()
	return p.SignIn(ctx, login, password)
}

func (p *Phone) refresh(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	// The name of the exchange must be the same when the phone dies and asks again; here it follows from the token.
	sum := sha256.Sum256([]byte(string(p.o.Device.ID) + token))
	body := map[string]any{"refreshToken": token, "device": p.o.Device.ID, "nonce": hex.EncodeToString(sum[:8])}
	var t Tokens
	if err := (Client{BaseURL: p.o.BaseURL, HTTP: p.http}).Ask(ctx, http.MethodPost, "/v1/auth/refresh", body, &t); err != nil {
		return err
	}
	return p.holds(t)
}

// call sends one JSON request as the user and decodes the answer. An access token that has expired is renewed once.
// sent is how many bytes of the body the link took.
func (p *Phone) call(ctx context.Context, method, path string, body []byte, into any) (sent int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	for renewed := false; ; renewed = true {
		req, count, err := p.request(ctx, method, path, body)
		if err != nil {
			return sent, err
		}
		_, err = p.client().do(req, into)
		sent += count.Load()
		var r *Refused
		if !renewed && errors.As(err, &r) && r.Status == http.StatusUnauthorized {
			if err := p.renew(ctx); err != nil {
				return sent, err
			}
			continue
		}
		return sent, err
	}
}

// request makes a request whose body is counted as the link takes it.
func (p *Phone) request(ctx context.Context, method, path string, body []byte) (*http.Request, *atomic.Int64, error) {
	count := new(atomic.Int64)
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(&countingReader{r: bytes.NewReader(body), n: count}), nil
	}
	var first io.Reader
	if body != nil {
		first, _ = open() // never fails
	}
	req, err := http.NewRequestWithContext(ctx, method, p.o.BaseURL+path, first)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.ContentLength, req.GetBody = int64(len(body)), open
		req.Header.Set("Content-Type", "application/json")
	}
	return req, count, nil
}

func refusal(status int, raw []byte) error {
	r := &Refused{}
	_ = json.Unmarshal(raw, r) // not a problem document: the status says what there is to say
	r.Status = status
	return r
}

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// Fetch reads bytes that the server serves, such as a small picture.
func (p *Phone) Fetch(ctx context.Context, path string) ([]byte, error) {
	var raw []byte
	err := p.retry(ctx, func(ctx context.Context) error {
		raw = nil
		_, err := p.call(ctx, http.MethodGet, path, nil, &raw)
		return err
	})
	return raw, err
}
