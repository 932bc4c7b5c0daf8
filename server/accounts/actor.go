package accounts

import (
	"context"
	"slices"
	"sync"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Authenticate turns an access token into a pass. CodeTokenInvalid, CodeTokenExpired, CodeTokenKeyUnknown,
// CodeDeviceRevoked, CodeDeviceMoving.
func (a *Accounts) Authenticate(ctx context.Context, token string) (Pass, error) {
	c, err := a.open(ctx, token)
	if err != nil {
		return Pass{}, err
	}
	return a.Renew(ctx, Pass{
		Actor:   &access.Actor{User: field.UserID(c.Subject), Org: c.Org, Device: c.Device},
		Session: c.Session, Expires: c.ExpiresAt.Time,
	})
}

// Sender is the user whom a token was given to, by its signature and its time alone: nobody is looked up, and what the
// user may do is another question. Errors as Authenticate.
func (a *Accounts) Sender(ctx context.Context, token string) (field.UserID, error) {
	c, err := a.open(ctx, token)
	if err != nil {
		return "", err
	}
	return field.UserID(c.Subject), nil
}

// HandIn is Authenticate for what a device may still do that was revoked, is being moved, or whose person has left:
// hand in what was written on it. Nobody but who holds the device's own session gets here; sessions are not opened with
// a revoked device.
func (a *Accounts) HandIn(ctx context.Context, token string) (Pass, error) {
	c, err := a.open(ctx, token)
	if err != nil {
		return Pass{}, err
	}
	actor, err := a.actors.get(ctx, a.now(), seat{user: field.UserID(c.Subject), device: c.Device, session: c.Session}, a.load)
	return Pass{Actor: actor, Session: c.Session, Expires: c.ExpiresAt.Time}, err
}

// Renew looks again at who a pass stands for: the roles, grants and recusals as they are now. Errors as Authenticate.
func (a *Accounts) Renew(ctx context.Context, p Pass) (Pass, error) {
	actor, err := a.actors.get(ctx, a.now(), seat{user: p.Actor.User, device: p.Actor.Device, session: p.Session}, a.load)
	if err == nil && actor.HandsIn {
		err = field.Refuse(field.CodeDeviceRevoked, "")
	}
	if err == nil && actor.Moving {
		err = field.Refuse(field.CodeDeviceMoving, "")
	}
	if err != nil {
		return Pass{}, err
	}
	p.Actor = actor
	return p, nil
}

// Look is Renew without what is remembered, for a right that lasts beyond a request: anyone who uses it asks again and
// again, and must hear at once of an end that another server wrote.
func (a *Accounts) Look(ctx context.Context, p Pass) (Pass, error) {
	actor, err := a.load(ctx, seat{user: p.Actor.User, device: p.Actor.Device, session: p.Session})
	if err == nil && actor.HandsIn {
		err = field.Refuse(field.CodeDeviceRevoked, "")
	}
	if err != nil {
		return Pass{}, err
	}
	p.Actor = actor
	return p, nil
}

// Ended is who may have lost a right: one of them is named.
type Ended struct {
	User    field.UserID
	Device  field.DeviceID
	Session string
}

// OnEnded sets who is told when this process closes a session or an account or revokes a device, and when anything is
// written for a person. Nobody has been asked for anything before.
func (a *Accounts) OnEnded(told func(Ended)) { a.actors.told = told }

// Invalidate is told of every scope that was written to. An actor whose person, grants or recusals may have changed is
// loaded anew by the next request.
func (a *Accounts) Invalidate(scope field.Scope) {
	switch scope.Type() {
	case field.ScopeUser:
		a.actors.dropUser(field.UserID(scope.ID()))
	case field.ScopeOrg:
		a.actors.dropOrg(field.OrgID(scope.ID()))
	}
}

// load finds out who sits there: the person on record, with what was granted, if the log says that session and device
// are good.
func (a *Accounts) load(ctx context.Context, s seat) (*access.Actor, error) {
	found, err := a.records.Records(ctx, []field.RecordID{field.RecordID(s.session), field.DeviceRecord(s.device), field.RecordID(s.user)})
	if err != nil {
		return nil, err
	}
	var session, device, person *field.Record
	for _, r := range found {
		switch r.Kind {
		case field.KindSession:
			session = r
		case field.KindDevice:
			device = r
		case field.KindPerson:
			person = r
		}
	}
	over := session == nil || session.State != field.StateOpen || session.Text("personId") != string(s.user) || session.Text("deviceId") != string(s.device)
	switch {
	case device != nil && device.State == field.DeviceRevoked && (over || device.Text("personId") != string(s.user) || a.now().Sub(device.Time("revokedAt")) > handIn):
		return nil, field.Refuse(field.CodeDeviceRevoked, "")
	case over || device == nil || device.State == field.DeviceMoved || device.Text("personId") != string(s.user) || device.Scope != session.Scope:
		return nil, field.Refuse(field.CodeTokenInvalid, "The session has ended. Sign in again.").InChinese("会话已结束，请重新登录。")
	case person == nil || person.Deleted || person.Scope.ID() != session.Scope.ID() || person.State != field.StateActive && a.now().Sub(person.Time("leftAt")) > handIn:
		return nil, field.Refuse(field.CodeTokenInvalid, "The account is closed.").InChinese("该账号已停用。")
	}
	if device.State == field.DeviceRevoked || person.State != field.StateActive {
		return &access.Actor{User: s.user, Name: person.Text("name"), Org: field.OrgID(person.Scope.ID()), Device: s.device, HandsIn: true}, nil
	}
	who, err := a.actorOf(ctx, person)
	if err != nil {
		return nil, err
	}
	who.Device, who.Moving = s.device, device.State == field.DeviceMoving
	return who, nil
}

// handIn is how long a device may hand in after it was revoked, or after the person whose it is has left.
const handIn = 90 * 24 * time.Hour

// Actor is who a person is right now, for work that is done in the person's name. CodeTokenInvalid when there is no
// such person, or the person has left.
func (a *Accounts) Actor(ctx context.Context, user field.UserID) (*access.Actor, error) {
	who, err := a.person(ctx, user)
	if err == nil && who == nil {
		err = field.Refuse(field.CodeTokenInvalid, "The account is closed.").InChinese("该账号已停用。")
	}
	return who, err
}

// person makes the actor of a person on record, without a device; nil when there is none, or the person has left.
func (a *Accounts) person(ctx context.Context, user field.UserID) (*access.Actor, error) {
	records, err := a.records.Records(ctx, []field.RecordID{field.RecordID(user)})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Kind != field.KindPerson || records[0].State != field.StateActive || records[0].Deleted {
		return nil, nil
	}
	return a.actorOf(ctx, records[0])
}

// Past is what a person may do, or might when he was last here: who has left is judged by the roles that he had. nil
// when there is no such person.
func (a *Accounts) Past(ctx context.Context, user field.UserID) (*access.Actor, error) {
	records, err := a.records.Records(ctx, []field.RecordID{field.RecordID(user)})
	if err != nil || len(records) == 0 || records[0].Kind != field.KindPerson {
		return nil, err
	}
	return a.actorOf(ctx, records[0])
}

// actorOf makes the actor of a person's record: the roles, what follows from the organisation, the mandates that count
// today, the grants and the recusals.
func (a *Accounts) actorOf(ctx context.Context, p *field.Record) (*access.Actor, error) {
	who := &access.Actor{User: field.UserID(p.ID), Name: p.Text("name"), Org: field.OrgID(p.Scope.ID())}
	var err error
	if who.Roles, err = field.RolesOf(p); err != nil {
		return nil, err
	}
	orgs, err := a.records.Records(ctx, []field.RecordID{field.OrgRecord(who.Org)})
	if err != nil {
		return nil, err
	}
	who.Founder = len(orgs) == 1 && string(orgs[0].Fields["founding"]) == "true"
	now := a.now()
	if who.Mandates, err = a.mandates(ctx, "agent", who.Org, now); err != nil {
		return nil, err
	}
	if who.Given, err = a.mandates(ctx, "principal", who.Org, now); err != nil {
		return nil, err
	}
	q := store.Query{
		Visible: access.Everything, Scope: field.MakeScope(field.ScopeUser, string(who.User)),
		Kinds: []field.Kind{field.KindGrant, field.KindRecusal}, States: []field.State{field.StateActive}, Limit: 1000,
	}
	err = store.EachPage(ctx, a.records, q, func(page []*field.Record) error {
		for _, r := range page {
			switch scope := field.Scope(r.Text("scope")); r.Kind {
			case field.KindGrant:
				until := r.Time("until")
				if !until.IsZero() && !until.After(now) {
					continue
				}
				if !until.IsZero() && (who.Until.IsZero() || until.Before(who.Until)) {
					who.Until = until
				}
				who.Scopes = append(who.Scopes, scope)
			case field.KindRecusal:
				who.Recused = append(who.Recused, scope)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return who, nil
}

// mandates lists those that count now, of an organisation as principal or as agent.
func (a *Accounts) mandates(ctx context.Context, side string, org field.OrgID, now time.Time) ([]field.Mandate, error) {
	q := store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindMandate}, States: []field.State{field.MandateValid},
		Keys: []string{field.KeyFor(side, org)}, Limit: 500,
	}
	var found []field.Mandate
	err := store.EachPage(ctx, a.records, q, func(page []*field.Record) error {
		for _, r := range page {
			if m, ok := field.MandateOf(r, now); ok {
				found = append(found, m)
			}
		}
		return nil
	})
	return found, err
}

// seat is who sits where: the key under which an actor is remembered.
type seat struct {
	user    field.UserID
	device  field.DeviceID
	session string
}

// actors remembers actors for a short while. Requests that ask for the same one at the same time load it once.
type actors struct {
	fresh time.Duration
	mu    sync.Mutex // guards what follows, and the fields of an entry until it is ready
	seats map[field.UserID]map[seat]*entry
	count int // of entries

	told func(Ended) // nil: nobody
}

func (m *actors) tell(e Ended) {
	if m.told != nil {
		m.told(e)
	}
}

type entry struct {
	ready chan struct{} // closed when the rest is set
	at    time.Time
	actor *access.Actor
	err   error
}

const (
	seatsMost = 20_000
	loadTime  = 5 * time.Second
)

func (m *actors) get(ctx context.Context, now time.Time, s seat, load func(context.Context, seat) (*access.Actor, error)) (*access.Actor, error) {
	m.mu.Lock()
	e := m.seats[s.user][s]
	if e == nil || now.Sub(e.at) >= m.fresh || now.Before(e.at) {
		e = m.begin(now, s)
		m.mu.Unlock()
		// The others who wait must not fail because this request is cut short.
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
		defer cancel()
		actor, err := load(own, s)
		m.mu.Lock()
		e.actor, e.err = actor, err
		if momentary(err) && m.seats[s.user][s] == e {
			m.remove(s)
		}
		m.mu.Unlock()
		close(e.ready)
		return actor, err
	}
	m.mu.Unlock()
	select {
	case <-e.ready:
		return e.actor, e.err
	case <-ctx.Done():
		return nil, field.Refuse(field.CodeBusy, "").Because(ctx.Err())
	}
}

// momentary reports whether an error is a fault of the moment, which is not remembered.
func momentary(err error) bool {
	if err == nil {
		return false
	}
	kind := field.AsError(err).Kind
	return kind == field.ErrorBusy || kind == field.ErrorInternal
}

// begin puts an entry that is being loaded. mu is held.
func (m *actors) begin(now time.Time, s seat) *entry {
	if m.seats == nil {
		m.seats = map[field.UserID]map[seat]*entry{}
	}
	if m.count >= seatsMost {
		m.dropLocked(func(_ seat, e *entry) bool { return now.Sub(e.at) >= m.fresh })
	}
	if m.seats[s.user] == nil {
		m.seats[s.user] = map[seat]*entry{}
	}
	if m.seats[s.user][s] == nil {
		m.count++
	}
	e := &entry{ready: make(chan struct{}), at: now}
	m.seats[s.user][s] = e
	return e
}

func (m *actors) remove(s seat) {
	delete(m.seats[s.user], s)
	m.count--
	if len(m.seats[s.user]) == 0 {
		delete(m.seats, s.user)
	}
}

func (m *actors) dropLocked(match func(s seat, e *entry) bool) {
	for _, ofUser := range m.seats {
		for s, e := range ofUser {
			if match(s, e) {
				m.remove(s)
			}
		}
	}
}

func (m *actors) drop(match func(s seat, e *entry) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropLocked(match)
}

func (m *actors) dropUser(id field.UserID) {
	m.mu.Lock()
	m.count -= len(m.seats[id])
	delete(m.seats, id)
	m.mu.Unlock()
	m.tell(Ended{User: id})
}

// dropOrg forgets everybody of an organisation and everybody who acts for it, and those who are being loaded: theirs is
// not known yet. Who has just been given a mandate is loaded again within the time that an actor is believed.
func (m *actors) dropOrg(id field.OrgID) {
	m.drop(func(_ seat, e *entry) bool {
		return e.actor == nil || e.actor.Org == id || slices.ContainsFunc(e.actor.Mandates, func(m field.Mandate) bool { return m.Principal == id })
	})
}

func (m *actors) dropSession(id string) {
	m.drop(func(s seat, _ *entry) bool { return s.session == id })
	m.tell(Ended{Session: id})
}

func (m *actors) dropDevice(id field.DeviceID) {
	m.drop(func(s seat, _ *entry) bool { return s.device == id })
	m.tell(Ended{Device: id})
}
