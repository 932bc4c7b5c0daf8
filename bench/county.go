package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"fieldclue/server/app"
	"fieldclue/server/field"
)

type object = map[string]any

// county is who loads the server: as many inspectors as there are clients, each alone at a site.
type county struct {
	o     options
	url   string
	http  *http.Client
	hands []*hand
	files atomic.Int64 // that have been acknowledged

	picture []byte // of which photos are made
	noise   []byte // of which recordings are made, as long as a photo
}

// hand is one inspector with a phone.
type hand struct {
	*county
	token  string
	device field.RecordID
	site   field.RecordID
	scope  field.Scope
	report field.RecordID
	number int64             // of the last batch
	docs   []field.RecordID  // that have been acknowledged
	cursor map[string]string // raw, by scope
	body   []byte            // of the request that is built
}

func newID() field.RecordID {
	var r [10]byte
	_, _ = rand.Read(r[:]) // never fails: crypto/rand aborts the program instead
	return field.NewID(time.Now(), r)
}

// settle makes an organisation, its people, a project and a site for each client, all through the API.
func settle(ctx context.Context, a *app.App, o options) (*county, error) {
	c := &county{o: o, url: a.URL(), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients, DisableCompression: true}}}
	var err error
	if c.picture, err = picture(o.photoBytes); err != nil {
		return nil, err
	}
	c.noise = make([]byte, len(c.picture))
	_, _ = rand.Read(c.noise) // never fails: crypto/rand aborts the program instead
	code, err := a.SetupCode(ctx)
	if err != nil {
		return nil, err
	}
	const password = "bench bench bench"
	device := func() object { return object{"id": newID(), "name": "bench", "platform": "bench"} }
	var admin struct{ AccessToken string }
	err = c.ask(ctx, "POST", "/v1/setup", "", object{
		"code": code, "org": object{"code": "bench", "name": "测试", "region": "520500"}, "name": "管理员", "login": "admin", "password": password, "device": device(),
	}, &admin)
	if err != nil {
		return nil, err
	}
	person := func(login, role string) (id field.RecordID, err error) {
		var p struct{ ID field.RecordID }
		err = c.ask(ctx, "POST", "/v1/people", admin.AccessToken, object{"login": login, "password": password, "name": login, "roles": []object{{"role": role}}}, &p)
		return p.ID, err
	}
	signIn := func(login string, device object) (token string, err error) {
		var t struct{ AccessToken string }
		err = c.ask(ctx, "POST", "/v1/auth/sign-in", "", object{"login": login, "password": password, "device": device}, &t)
		return t.AccessToken, err
	}
	if _, err := person("supervisor", "supervisor"); err != nil {
		return nil, err
	}
	desk, err := signIn("supervisor", device())
	if err != nil {
		return nil, err
	}
	project := newID()
	if err := c.ask(ctx, "POST", "/v1/projects", desk, object{"id": project, "fields": object{"externalId": "B-1", "name": "茶厂", "type": "industry", "county": "520502"}}, nil); err != nil {
		return nil, err
	}
	for i := range o.clients {
		h := &hand{county: c, device: newID(), site: newID(), report: newID()}
		h.scope = field.MakeScope(field.ScopeSite, string(h.site))
		login := fmt.Sprintf("inspector%d", i)
		user, err := person(login, "inspector")
		if err != nil {
			return nil, err
		}
		err = c.ask(ctx, "POST", "/v1/sites", desk, object{"id": h.site, "fields": object{"name": login, "projectId": project, "region": "520502"}}, nil)
		if err != nil {
			return nil, err
		}
		if err := c.ask(ctx, "POST", "/v1/grants", desk, object{"userId": user, "scope": h.scope, "why": "bench"}, nil); err != nil {
			return nil, err
		}
		if h.token, err = signIn(login, object{"id": h.device, "name": login, "platform": "bench"}); err != nil {
			return nil, err
		}
		c.hands = append(c.hands, h)
	}
	return c, nil
}

// picture makes a JPEG of about the given size: soft noise, at 0.7 bytes a pixel or so.
func picture(size int) ([]byte, error) {
	var b bytes.Buffer
	for perPixel := 0.7; ; {
		width := max(16, int(math.Sqrt(float64(size)/perPixel*4/3)))
		img := image.NewGray(image.Rect(0, 0, width, width*3/4))
		_, _ = rand.Read(img.Pix) // never fails: crypto/rand aborts the program instead
		for i, v := range img.Pix {
			img.Pix[i] = 100 + v%64
		}
		again := b.Len() > 0
		b.Reset()
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil || again {
			return b.Bytes(), err
		}
		perPixel = float64(b.Len()) / float64(len(img.Pix))
	}
}

// ask sends one request as somebody and reads the JSON of the answer.
func (c *county) ask(ctx context.Context, method, path, token string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, _, err := c.send(ctx, method, path, token, raw, "Content-Type", "application/json")
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// send sends one request; headers are pairs. An answer that is no success is an error with its text.
func (c *county) send(ctx context.Context, method, path, token string, body []byte, headers ...string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	_, err = io.Copy(&b, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, nil, fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, b.Bytes())
	}
	return b.Bytes(), resp.Header, nil
}
