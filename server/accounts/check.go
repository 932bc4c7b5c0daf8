package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Checked is what Check has compared.
type Checked struct {
	Accounts, Devices, Sessions int
	Faults                      []string // what contradicts the log, each named
}

// Checkable is what Check reads. It changes nothing.
type Checkable interface {
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
	List(ctx context.Context, q store.Query) ([]*field.Record, error)
	Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
}

// Check compares the secrets in working documents with what the log says of them: every account has the very hash that
// its record names; every hash is named; whatever is kept of a session belongs to one that the log opened, for that
// person and that device; every account, device and session is that of a person of the organisation. The records
// themselves are compared with the log by the engine. now tells what is too young to have been named.
func Check(ctx context.Context, s Checkable, now time.Time) (*Checked, error) {
	c := &checker{ctx: ctx, s: s, now: now, out: &Checked{}}
	for _, step := range []func() error{c.accounts, c.hashes, c.devices, c.sessions} {
		if err := step(); err != nil {
			return c.out, err
		}
	}
	return c.out, nil
}

type checker struct {
	ctx context.Context
	s   Checkable
	now time.Time
	out *Checked

	hash   map[string]string // digests of the hashes that are there: what they are of
	digest map[string]bool   // that accounts name
}

func (c *checker) fault(format string, args ...any) {
	c.out.Faults = append(c.out.Faults, fmt.Sprintf(format, args...))
}

func (c *checker) docs(shelf store.Shelf, each func(store.Doc) error) error {
	for after := ""; ; {
		docs, err := c.s.Docs(c.ctx, shelf, after, 500)
		if err != nil {
			return err
		}
		for _, d := range docs {
			after = d.ID
			if err := each(d); err != nil {
				return err
			}
		}
		if len(docs) < 500 {
			return nil
		}
	}
}

// records gives the records of a kind, each page with the people whom they name.
func (c *checker) records(kind field.Kind, each func(r, person *field.Record)) error {
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{kind}, Limit: 500}
	return store.EachPage(c.ctx, c.s, q, func(page []*field.Record) error {
		var ids []field.RecordID
		for _, r := range page {
			ids = append(ids, field.RecordID(r.Text("personId")))
		}
		if len(ids) == 0 {
			return nil
		}
		found, err := c.s.Records(c.ctx, ids)
		if err != nil {
			return err
		}
		people := map[string]*field.Record{}
		for _, p := range found {
			people[string(p.ID)] = p
		}
		for _, r := range page {
			p := people[r.Text("personId")]
			if p == nil || p.Kind != field.KindPerson || p.Scope.ID() != r.Scope.ID() {
				c.fault("%s %s in %s is of %s, who is no person of that organisation", kind, r.ID, r.Scope, r.Text("personId"))
			}
			each(r, p)
		}
		return nil
	})
}

func (c *checker) accounts() error {
	c.hash, c.digest = map[string]string{}, map[string]bool{}
	err := c.docs(store.Accounts, func(d store.Doc) error {
		var body struct {
			hashBody
			User field.UserID `json:"user"`
		}
		if err := json.Unmarshal(d.Body, &body); err != nil {
			c.fault("the password hash %s cannot be read", d.ID)
			return nil
		}
		if body.User == "" { // otherwise an account of an older server, which the next start lifts
			c.hash[d.ID] = digestOf(body.Hash)
			if c.now.Sub(body.Made) < hashUnborn {
				c.digest[d.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.records(field.KindAccount, func(r, _ *field.Record) {
		c.out.Accounts++
		digest := r.Text("digest")
		c.digest[digest] = true
		switch sum, ok := c.hash[digest]; {
		case !ok:
			c.fault("account %s (%s in %s): its password hash is missing; nobody can sign in with it", r.ID, r.Text("login"), r.Scope)
		case sum != digest:
			c.fault("account %s (%s in %s): its password hash is another one than the log names; nobody can sign in with it", r.ID, r.Text("login"), r.Scope)
		}
	})
}

func (c *checker) hashes() error {
	for id := range c.hash {
		if !c.digest[id] {
			c.fault("the password hash %s is named by no account: a request was cut off before its commit, or somebody put it there; it opens nothing, and a running server removes it", id)
		}
	}
	return nil
}

func (c *checker) devices() error {
	return c.records(field.KindDevice, func(r, _ *field.Record) {
		c.out.Devices++
		if want := field.DeviceRecord(field.DeviceID(r.Text("deviceId"))); r.ID != want {
			c.fault("device %s stands under the id %s instead of %s", r.Text("deviceId"), r.ID, want)
		}
	})
}

func (c *checker) sessions() error {
	open := map[string]*field.Record{}
	err := c.records(field.KindSession, func(r, _ *field.Record) {
		c.out.Sessions++
		open[string(r.ID)] = r
	})
	if err != nil {
		return err
	}
	return c.docs(store.Sessions, func(d store.Doc) error {
		var body sessionBody
		if err := json.Unmarshal(d.Body, &body); err != nil {
			c.fault("session %s cannot be read", d.ID)
			return nil
		}
		r := open[d.ID]
		switch {
		case r == nil && (c.now.Sub(body.Made) < hashUnborn || body.Closed != ""): // just being opened, or closed by an older server
		case r == nil:
			c.fault("session %s of %s on device %s was never opened", d.ID, body.User, body.Device)
		case r.Text("personId") != string(body.User) || r.Text("deviceId") != string(body.Device):
			c.fault("session %s is kept for %s on device %s, and the log opened it for %s on %s", d.ID, body.User, body.Device, r.Text("personId"), r.Text("deviceId"))
		}
		return nil
	})
}
