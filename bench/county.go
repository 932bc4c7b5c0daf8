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
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
)

type object = map[string]any

const password = "kettle orchard violin" // of everybody

// county is who loads the server: as many inspectors as there are clients, each alone at a site.
type county struct {
	o     options
	url   string
	http  *http.Client
	hands []*hand
	sites []field.RecordID
	files atomic.Int64 // that have been acknowledged
	desk  string       // the supervisor's token

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

// host is a server that a county can be set up on: in this process or in one of its own.
type host interface {
	URL() string
	SetupCode(ctx context.Context) (string, error)
}

// layout says who is at which site. A hand writes to the site of its number and belongs to the person of its number;
// past their end both begin again.
type layout struct {
	hands, sites, people int
	reads                int // how many of the first sites everybody may see; 0: each person those of his own hands
}

// sees reports whether a person may see a site.
func (l layout) sees(person, site int) bool {
	if l.reads > 0 {
		return site < l.reads
	}
	for hand := person; hand < l.hands; hand += l.people {
		if hand%l.sites == site {
			return true
		}
	}
	return false
}

// settle makes an organisation, its people, a project and the sites, all through the API.
func settle(ctx context.Context, a host, o options, l layout) (*county, error) {
	c := &county{o: o, url: a.URL(), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: max(l.hands, o.clients), DisableCompression: true}}}
	code, err := a.SetupCode(ctx)
	if err != nil {
		return nil, err
	}
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
	var enrolling sync.Map // sign-in name to the lock of its person: a code withdraws the one before
	signIn := func(login string, person field.RecordID, device object) (token string, err error) {
		known, _ := enrolling.LoadOrStore(login, &sync.Mutex{})
		lock, _ := known.(*sync.Mutex) // it is one
		lock.Lock()
		defer lock.Unlock()
		var code struct{ Code string }
		if err := c.ask(ctx, "POST", "/v1/people/"+string(person)+"/device-codes", admin.AccessToken, object{}, &code); err != nil {
			return "", err
		}
		var t struct{ AccessToken string }
		err = c.ask(ctx, "POST", "/v1/auth/sign-in", "", object{"login": login, "password": password, "device": device, "code": code.Code}, &t)
		return t.AccessToken, err
	}
	boss, err := person("supervisor", "supervisor")
	if err != nil {
		return nil, err
	}
	desk, err := signIn("supervisor", boss, device())
	c.desk = desk
	if err != nil {
		return nil, err
	}
	project := newID()
	if err := c.ask(ctx, "POST", "/v1/projects", desk, object{"id": project, "fields": object{"externalId": "B-1", "name": "茶厂", "type": "industry", "county": "520502"}}, nil); err != nil {
		return nil, err
	}
	c.sites = newIDs(l.sites)
	err = together(settlers, func(part int) error {
		for i := part; i < l.sites; i += settlers {
			err := c.ask(ctx, "POST", "/v1/sites", desk, object{"id": c.sites[i], "fields": object{"name": fmt.Sprintf("site %d", i), "projectId": project, "region": "520502"}}, nil)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	login := func(i int) string { return fmt.Sprintf("inspector%d", i) }
	people := make([]field.RecordID, l.people)
	err = together(settlers, func(part int) error {
		for i := part; i < l.people; i += settlers {
			user, err := person(login(i), "inspector")
			if err != nil {
				return err
			}
			people[i] = user
			for n, site := range c.sites {
				if !l.sees(i, n) {
					continue
				}
				grant := object{"userId": user, "scope": field.MakeScope(field.ScopeSite, string(site)), "why": "bench"}
				if err := c.ask(ctx, "POST", "/v1/grants", desk, grant, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.hands = make([]*hand, l.hands)
	return c, together(settlers, func(part int) error {
		for i := part; i < l.hands; i += settlers {
			h := &hand{county: c, device: newID(), site: c.sites[i%l.sites], report: newID()}
			h.scope = field.MakeScope(field.ScopeSite, string(h.site))
			var err error
			if h.token, err = signIn(login(i%l.people), people[i%l.people], object{"id": h.device, "name": "bench", "platform": "bench"}); err != nil {
				return err
			}
			c.hands[i] = h
		}
		return nil
	})
}

// settlers are how many requests go out at once while a county is set up.
const settlers = 4

// load gives the county the bytes that photos and recordings are made of.
func (c *county) load() (err error) {
	if c.picture, err = picture(c.o.photoBytes); err != nil {
		return err
	}
	c.noise = make([]byte, len(c.picture))
	_, _ = rand.Read(c.noise) // never fails: crypto/rand aborts the program instead
	return nil
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
