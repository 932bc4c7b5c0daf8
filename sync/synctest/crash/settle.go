package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

const password = "kettle orchard violin"

// desk sets things up through the public API, before the first kill.
type desk struct {
	url    string
	http   *http.Client
	random *rand.Rand
	admin  string // tokens
	super  string

	codes  map[string]string       // one-time codes for the first devices, by sign-in name
	people map[string]field.UserID //
}

func (d *desk) newID() field.RecordID {
	return (&pusher{random: d.random}).newID()
}

func (d *desk) ask(ctx context.Context, path, token string, body, into any) error {
	if err := (phone.Client{BaseURL: d.url, HTTP: d.http, Token: token}).Ask(ctx, http.MethodPost, path, body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (d *desk) device() object { return object{"id": d.newID(), "name": "desk", "platform": "crash"} }

// open makes the organisation with its administrator and its supervisor, and a project.
func (d *desk) open(ctx context.Context, code string) (project field.RecordID, err error) {
	var t struct{ AccessToken string }
	err = d.ask(ctx, "/v1/setup", "", object{
		"code": code, "org": object{"code": "crash", "name": "测试", "region": "520500"}, "name": "管理员", "login": "admin", "password": password, "device": d.device(),
	}, &t)
	if err != nil {
		return "", err
	}
	d.admin = t.AccessToken
	if _, err := d.person(ctx, "supervisor"); err != nil {
		return "", err
	}
	if err := d.ask(ctx, "/v1/auth/sign-in", "", object{"login": "supervisor", "password": password, "device": d.device(), "code": d.codes["supervisor"]}, &t); err != nil {
		return "", err
	}
	d.super, project = t.AccessToken, d.newID()
	return project, d.ask(ctx, "/v1/projects", d.super, object{"id": project, "fields": object{"externalId": "C-1", "name": "茶厂", "type": "industry", "county": "520502"}}, nil)
}

// person makes somebody; the login is the role, or begins with "inspector".
func (d *desk) person(ctx context.Context, login string) (field.UserID, error) {
	role := login
	if role != "supervisor" {
		role = "inspector"
	}
	var p struct {
		ID         field.UserID
		DeviceCode struct{ Code string }
	}
	err := d.ask(ctx, "/v1/people", d.admin, object{"login": login, "password": password, "name": login, "roles": []object{{"role": role}}}, &p)
	if d.codes == nil {
		d.codes, d.people = map[string]string{}, map[string]field.UserID{}
	}
	d.codes[login], d.people[login] = p.DeviceCode.Code, p.ID
	return p.ID, err
}

// another is a code for one more device of somebody.
func (d *desk) another(ctx context.Context, login string) (string, error) {
	var c struct{ Code string }
	err := d.ask(ctx, "/v1/people/"+string(d.people[login])+"/device-codes", d.admin, object{}, &c)
	return c.Code, err
}

// makeSite makes a site to which the named people may write.
func (d *desk) makeSite(ctx context.Context, project field.RecordID, logins ...string) (*site, error) {
	s := &site{id: d.newID(), values: map[string]value{}, conflicts: map[field.RecordID]value{}}
	s.scope = field.MakeScope(field.ScopeSite, string(s.id))
	if err := d.ask(ctx, "/v1/sites", d.super, object{"id": s.id, "fields": object{"name": "茶园", "projectId": project, "region": "520502"}}, nil); err != nil {
		return nil, err
	}
	for _, login := range logins {
		user, err := d.person(ctx, login)
		if err != nil {
			return nil, err
		}
		s.people = append(s.people, user)
		if err := d.ask(ctx, "/v1/grants", d.super, object{"userId": user, "scope": s.scope, "why": "crash"}, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// settle makes everybody: two pushers at each site, each phone at a site of its own.
func (s *soak) settle(ctx context.Context, code string) error {
	d := &desk{url: s.url(), http: client(), random: rand.New(rand.NewPCG(s.o.seed, 11))}
	project, err := d.open(ctx, code)
	if err != nil {
		return err
	}
	for n := 0; n < s.o.pushers; n += 2 {
		var logins []string
		for i := n; i < min(n+2, s.o.pushers); i++ {
			logins = append(logins, fmt.Sprintf("inspector%d", i))
		}
		at, err := d.makeSite(ctx, project, logins...)
		if err != nil {
			return err
		}
		var together []*pusher
		for i, login := range logins {
			p, err := s.pusher(ctx, n+i, login, d.codes[login], at)
			if err != nil {
				return err
			}
			together = append(together, p)
		}
		if err := share(ctx, together); err != nil {
			return err
		}
		s.pushers = append(s.pushers, together...)
	}
	for n := range s.o.phones {
		login := fmt.Sprintf("inspector-phone%d", n)
		at, err := d.makeSite(ctx, project, login)
		if err != nil {
			return err
		}
		if err := s.phone(ctx, n, login, d.codes[login], at); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) pusher(ctx context.Context, n int, login, code string, at *site) (*pusher, error) {
	p := &pusher{
		name: login, url: s.url(), http: client(), site: at, random: rand.New(rand.NewPCG(s.o.seed, uint64(100+n))),
		user: at.people[n%2], known: map[field.RecordID]kept{}, refused: map[field.RecordID]string{}, held: map[field.RecordID]kept{}, cursors: map[field.Scope]protocol.Cursor{},
	}
	p.device = field.DeviceID(p.newID())
	p.login = object{"login": login, "password": password, "device": object{"id": p.device, "name": login, "platform": "crash"}, "code": code}
	var err error
	if p.spill, err = os.Create(filepath.Join(s.o.dir, login+".sent")); err != nil {
		return nil, err
	}
	return p, p.signIn(ctx)
}

// share makes the report of a visit by all pushers of a site and the record of it that they all edit, and notes where
// the log stood before the soak.
func share(ctx context.Context, together []*pusher) error {
	first := together[0]
	at := first.site
	at.first, at.visit, at.shared = first, first.newID(), first.newID()
	body, err := json.Marshal(protocol.PushRequest{
		Device: first.device, Batch: 1 << 40, Scope: at.scope, // no number of the soak
		Operations: []protocol.Operation{
			{ID: at.visit, Kind: field.KindReport, Set: map[string]field.Value{"siteId": quote(at.id), "templateId": quote(first.newID()), "inspectors": quote(at.people)}},
			{ID: at.shared, Kind: field.KindFinding, Set: map[string]field.Value{"siteId": quote(at.id), "reportId": quote(at.visit), "title": quote("shared")}},
		},
	})
	if err != nil {
		return err
	}
	var resp protocol.PushResponse
	if err := first.ask(ctx, "/v1/sync/push", body, &resp); err != nil {
		return err
	}
	if len(resp.Outcomes) != 2 || resp.Outcomes[0].Outcome != protocol.Applied || resp.Outcomes[1].Outcome != protocol.Applied {
		return fmt.Errorf("the shared record: %+v", resp)
	}
	for _, p := range together {
		if err := p.pull(ctx); err != nil {
			return err
		}
	}
	at.base = first.cursors[at.scope].Seq
	if len(first.held) != 2 {
		return fmt.Errorf("a new site holds %d records", len(first.held))
	}
	return nil
}

// phone opens a simulated phone.
func (s *soak) phone(ctx context.Context, n int, login, code string, at *site) error {
	random := rand.New(rand.NewPCG(s.o.seed, uint64(200+n)))
	id := field.DeviceID((&pusher{random: random}).newID())
	p, err := phone.Open(phone.Options{
		Dir: filepath.Join(s.o.dir, login), BaseURL: s.url(), App: "crash", Seed: s.o.seed, Attempts: 3, Transport: &http.Transport{},
		Device: phone.Device{ID: id, Name: login, Platform: "crash"},
		Sleep:  soon, Unlock: func() (string, string) { return login, password },
	})
	if err != nil {
		return err
	}
	s.phones = append(s.phones, &inspector{name: login, phone: p, site: at, random: random})
	if err := p.Enrol(ctx, login, password, code); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

// soon waits less than a phone in the field would.
func soon(ctx context.Context, _ time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Millisecond):
		return nil
	}
}
