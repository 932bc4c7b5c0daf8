package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
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
	device := func(id field.RecordID) phone.Device {
		return phone.Device{ID: field.DeviceID(id), Name: "bench", Platform: "bench"}
	}
	var set phone.Tokens
	err = c.as("").Ask(ctx, "POST", "/v1/setup", object{
		"code": code, "org": object{"code": "bench", "name": "测试", "region": "520500"}, "name": "管理员", "login": "admin", "password": password, "device": device(newID()),
	}, &set)
	if err != nil {
		return nil, err
	}
	admin := c.as(set.Access)
	person := func(login, role string) (id field.RecordID, err error) {
		var p struct{ ID field.RecordID }
		err = admin.Ask(ctx, "POST", "/v1/people", object{"login": login, "password": password, "name": login, "roles": []object{{"role": role}}}, &p)
		return p.ID, err
	}
	var enrolling sync.Map // sign-in name to the lock of its person: a code withdraws the one before
	signIn := func(login string, person field.RecordID, device phone.Device) (token string, err error) {
		known, _ := enrolling.LoadOrStore(login, &sync.Mutex{})
		lock, _ := known.(*sync.Mutex) // it is one
		lock.Lock()
		defer lock.Unlock()
		var code struct{ Code string }
		if err := admin.Ask(ctx, "POST", "/v1/people/"+string(person)+"/device-codes", object{}, &code); err != nil {
			return "", err
		}
		t, err := c.as("").SignIn(ctx, login, password, code.Code, device)
		return t.Access, err
	}
	boss, err := person("supervisor", "supervisor")
	if err != nil {
		return nil, err
	}
	if c.desk, err = signIn("supervisor", boss, device(newID())); err != nil {
		return nil, err
	}
	desk := c.as(c.desk)
	project := newID()
	if err := desk.Ask(ctx, "POST", "/v1/projects", object{"id": project, "fields": object{"externalId": "B-1", "name": "茶厂", "type": "industry", "county": "520502"}}, nil); err != nil {
		return nil, err
	}
	c.sites = newIDs(l.sites)
	err = together(settlers, func(part int) error {
		for i := part; i < l.sites; i += settlers {
			err := desk.Ask(ctx, "POST", "/v1/sites", object{"id": c.sites[i], "fields": object{"name": fmt.Sprintf("site %d", i), "projectId": project, "region": "520502"}}, nil)
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
				if err := desk.Ask(ctx, "POST", "/v1/grants", grant, nil); err != nil {
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
			if h.token, err = signIn(login(i%l.people), people[i%l.people], device(h.device)); err != nil {
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

// as speaks to the server as who holds a token, as a phone does. What is measured is the server: the loads give it
// bodies that are ready, and of the answers they read what they count.
func (c *county) as(token string) phone.Client {
	return phone.Client{BaseURL: c.url, HTTP: c.http, Token: token}
}
