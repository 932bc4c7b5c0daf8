package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// hashBody is a password hash as it is stored, under its own SHA-256. It is worth nothing unless an account in the log
// names that: so one that is written before the commit harms nobody, and one that was changed or swapped is found out.
type hashBody struct {
	Hash string    `json:"hash"` // Argon2id
	Made time.Time `json:"made"`
}

const (
	hashKey    = "hash"    // under which all of them are found
	hashUnborn = time.Hour // after which a hash that no account names is removed
)

func digestOf(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:])
}

// newPassword checks and hashes a password, and keeps the hash. It counts once an account names the digest.
func (a *Accounts) newPassword(ctx context.Context, password, login, name string, org field.OrgID) (digest string, err error) {
	words := []string{login, name, string(org)}
	if home, err := a.find(ctx, field.KindOrg, field.OrgRecord(org)); err != nil {
		return "", err
	} else if home != nil {
		words = append(words, home.Text("name"), home.Text("nameEn"))
	}
	if err := goodPassword(password, words...); err != nil {
		return "", err
	}
	hash, err := a.hash.make(ctx, password)
	if err != nil {
		return "", err
	}
	return digestOf(hash), a.keepHash(ctx, hash)
}

func (a *Accounts) keepHash(ctx context.Context, hash string) error {
	now := a.now().UTC()
	err := write(ctx, a.docs, store.Doc{Shelf: store.Accounts, ID: digestOf(hash), Key: hashKey, Due: now.Add(hashUnborn)}, hashBody{Hash: hash, Made: now})
	if field.Is(err, field.CodeStale) { // it is there
		return nil
	}
	return err
}

// hashOf gives the hash that an account names; empty when it is missing or is another one than the account says, which
// nobody can sign in with then.
func (a *Accounts) hashOf(ctx context.Context, acc *field.Record) (string, error) {
	body, _, found, err := read[hashBody](ctx, a.docs, store.Accounts, acc.Text("digest"))
	if err != nil {
		return "", err
	}
	if !found || digestOf(body.Hash) != acc.Text("digest") {
		a.contradictions.Add(1)
		a.log.ErrorContext(ctx, "the password hash of an account is not the one that the log names; sign-in is refused", "account", acc.ID)
		return "", nil
	}
	return body.Hash, nil
}

// passwordChanged forgets what a change of password made worthless.
func (a *Accounts) passwordChanged(ctx context.Context, user field.UserID, old string) {
	a.actors.dropUser(user)
	a.dropHash(ctx, old, nil)
}

// dropHash forgets a hash that no account names: one before, or the one of a commit that was refused. When it is not
// known whether the commit was, the hash stays, and a sweep decides.
func (a *Accounts) dropHash(ctx context.Context, digest string, refused error) {
	if momentary(refused) {
		return
	}
	doc, err := a.docs.GetDoc(ctx, store.Accounts, digest)
	if err == nil {
		_ = a.docs.DeleteDoc(ctx, store.Accounts, digest, doc.Version) // a sweep would, too
	}
}

// find reads one record of a kind; nil when there is none.
func (a *Accounts) find(ctx context.Context, kind field.Kind, id field.RecordID) (*field.Record, error) {
	found, err := a.records.Records(ctx, []field.RecordID{id})
	if err != nil || len(found) == 0 || found[0].Kind != kind {
		return nil, err
	}
	return found[0], nil
}

// accountOf gives the account of a person; nil when there is none. One that is not in the log is none.
func (a *Accounts) accountOf(ctx context.Context, user field.UserID) (*field.Record, error) {
	q := store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindAccount}, Keys: []string{field.KeyFor("personId", user)}, Limit: 10,
	}
	var acc *field.Record
	err := store.EachPage(ctx, a.records, q, func(page []*field.Record) (err error) {
		for i := 0; i < len(page) && acc == nil && err == nil; i++ {
			acc, err = a.logged(ctx, page[i])
		}
		return err
	})
	return acc, err
}

// first gives the first record of a kind with a key; nil when there is none.
func (a *Accounts) first(ctx context.Context, kind field.Kind, key string) (*field.Record, error) {
	found, err := a.records.List(ctx, store.Query{Visible: access.Everything, Kinds: []field.Kind{kind}, Keys: []string{key}, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// named reports whether an account answers to a name: its own, or that with the organisation behind it.
func named(acc *field.Record, name string) bool {
	login := acc.Text("login")
	return name == login || name == login+"@"+acc.Scope.ID()
}

// called finds the account that a name means to somebody of an organisation: the one that name@org says exactly, that
// of one's own organisation, or the oldest of all; nil when there is none.
func (a *Accounts) called(ctx context.Context, name string, org field.OrgID) (*field.Record, error) {
	ids := []field.RecordID{field.AccountID(org, name)}
	if i := strings.LastIndexByte(name, '@'); i > 0 && field.ValidOrg(name[i+1:]) {
		ids = append([]field.RecordID{field.AccountID(field.OrgID(name[i+1:]), name[:i])}, ids...)
	}
	found, err := a.records.Records(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		for _, r := range found {
			if r.ID == id && r.Kind == field.KindAccount {
				return r, nil
			}
		}
	}
	return a.first(ctx, field.KindAccount, field.KeyFor("login", name))
}

// asPerson puts a batch together that the server writes for somebody who has shown who they are.
func (a *Accounts) asPerson(who *access.Actor, org field.OrgID, what string, ops ...protocol.Operation) protocol.Batch {
	return protocol.Batch{
		Actor:  &access.Actor{User: who.User, Name: who.Name, Org: org, Device: who.Device, Server: true},
		Device: field.DeviceID("server/" + what), Number: number(), Scope: field.SigninScope(org), Operations: ops, Strict: true, Trusted: true,
	}
}

// mayLook is CodeNotPermitted for who does not read the sign-in scope of one's own organisation.
func mayLook(who *access.Actor) error {
	if !access.MayRead(who, field.SigninScope(who.Org), field.ScopeInfo{Orgs: []field.OrgID{who.Org}}) {
		return field.Refuse(field.CodeNotPermitted, "")
	}
	return nil
}

// AccountView is who can sign in as whom.
type AccountView struct {
	ID       field.RecordID `json:"id"`
	Login    string         `json:"login"`
	Org      field.OrgID    `json:"org"`
	Person   field.UserID   `json:"person"`
	Name     string         `json:"name"`
	State    field.State    `json:"state"` // of the person
	Roles    []access.Grant `json:"roles"`
	Since    time.Time      `json:"since"`
	SetAt    time.Time      `json:"passwordSetAt"`
	SetBy    field.UserID   `json:"passwordSetBy,omitempty"`
	Devices  []Enrolled     `json:"devices"`
	Sessions int            `json:"sessions"` // that are open
}

// Accounts lists who can sign in as whom, from the log: of the organisation of who asks, for those who may see it.
func (a *Accounts) Accounts(ctx context.Context, who *access.Actor, after store.Place, limit int) ([]AccountView, []store.Place, error) {
	if err := mayLook(who); err != nil {
		return nil, nil, err
	}
	records, err := a.records.List(ctx, store.Query{
		Visible: access.Visible(who), Scope: field.SigninScope(who.Org), Kinds: []field.Kind{field.KindAccount}, After: after, Limit: limit,
	})
	if err != nil {
		return nil, nil, err
	}
	var ids []field.RecordID
	for _, r := range records {
		ids = append(ids, field.RecordID(r.Text("personId")))
	}
	people := map[field.RecordID]*field.Record{}
	if len(ids) > 0 {
		found, err := a.records.Records(ctx, ids)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range found {
			people[p.ID] = p
		}
	}
	out, places := make([]AccountView, 0, len(records)), make([]store.Place, 0, len(records))
	for _, r := range records {
		v := AccountView{
			ID: r.ID, Login: r.Text("login"), Org: field.OrgID(r.Scope.ID()), Person: field.UserID(r.Text("personId")), Since: r.CreatedAt,
			SetAt: r.Time("setAt"), SetBy: field.UserID(r.Text("setBy")), Roles: []access.Grant{}, Devices: []Enrolled{},
		}
		if p := people[field.RecordID(v.Person)]; p != nil && p.Kind == field.KindPerson {
			v.Name, v.State = p.Text("name"), p.State
			_ = p.Decode("roles", &v.Roles) // checked when they were set
		}
		devices, err := a.list(ctx, field.KindDevice, field.KeyFor("personId", v.Person))
		if err != nil {
			return nil, nil, err
		}
		for _, d := range devices {
			v.Devices = append(v.Devices, enrolled(d))
		}
		sessions, err := a.list(ctx, field.KindSession, field.KeyFor("openFor", v.Person))
		if err != nil {
			return nil, nil, err
		}
		v.Sessions = len(sessions)
		out, places = append(out, v), append(places, store.PlaceOf(r))
	}
	return out, places, nil
}

// list gives all records of a kind with a key.
func (a *Accounts) list(ctx context.Context, kind field.Kind, key string) ([]*field.Record, error) {
	var all []*field.Record
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{kind}, Keys: []string{key}, Limit: 500}
	err := store.EachPage(ctx, a.records, q, func(page []*field.Record) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// SignInView is one session, as the log has it.
type SignInView struct {
	ID       field.RecordID `json:"id"`
	Person   field.UserID   `json:"person"`
	Device   field.DeviceID `json:"device"`
	State    field.State    `json:"state"`
	OpenedAt time.Time      `json:"openedAt"`
	ClosedAt time.Time      `json:"closedAt,omitzero"`
	Why      string         `json:"why,omitempty"`
}

// SignIns lists the sessions that were opened in the organisation of who asks, the newest first. person: of one alone;
// empty: all.
func (a *Accounts) SignIns(ctx context.Context, who *access.Actor, person field.UserID, after store.Place, limit int) ([]SignInView, []store.Place, error) {
	if err := mayLook(who); err != nil {
		return nil, nil, err
	}
	q := store.Query{
		Visible: access.Visible(who), Scope: field.SigninScope(who.Org), Kinds: []field.Kind{field.KindSession}, After: after, Limit: limit,
	}
	if person != "" {
		q.Keys = []string{field.KeyFor("personId", person)}
	}
	records, err := a.records.List(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	out, places := make([]SignInView, 0, len(records)), make([]store.Place, 0, len(records))
	for _, r := range records {
		out, places = append(out, SignInView{
			ID: r.ID, Person: field.UserID(r.Text("personId")), Device: field.DeviceID(r.Text("deviceId")), State: r.State,
			OpenedAt: r.Time("openedAt"), ClosedAt: r.Time("closedAt"), Why: r.Text("why"),
		}), append(places, store.PlaceOf(r))
	}
	return out, places, nil
}
