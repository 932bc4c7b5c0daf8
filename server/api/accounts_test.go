package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// checked compares secrets with the log.
func (w *world) checked() []string {
	w.t.Helper()
	c, err := accounts.Check(w.t.Context(), w.store, w.clock.now().Add(2*time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Faults
}

// sound fails the test when the two differ.
func (w *world) sound() {
	w.t.Helper()
	for _, f := range w.checked() {
		w.t.Error(f)
	}
}

// A person who exists cannot be made again to get a name to sign in with, no matter who asks and what the request says
// besides.
func TestNobodyGetsANameForSomebodyElse(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen := admin.hire("chen", access.ClueManager)
		admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节", "region": "520500"}).want(201)
		wang := admin.hireIn("bijie", "wang", access.Administrator)
		project := w.id()
		w.by("org/gz-liwan", protocol.Operation{ID: field.RecordID(project), Kind: field.KindProject, Set: map[string]field.Value{
			"externalId": field.Quote("P"), "name": field.Quote("茶园"), "type": field.Quote("industry"), "county": field.Quote("520502"),
		}})
		before := w.heads()
		taken := func(id string, change obj) obj {
			body := obj{"id": id, "login": "spy", "password": password, "name": "chen"}
			maps.Copy(body, change)
			return body
		}
		for name, c := range map[string]struct {
			who  *user
			body obj
		}{
			"of one's own organisation":                {admin, taken(string(chen.User.ID), nil)},
			"with what is on record":                   {admin, taken(string(chen.User.ID), obj{"roles": []obj{{"role": "clue_manager"}}})},
			"of another organisation":                  {wang, taken(string(chen.User.ID), nil)},
			"the founder's administrator, by partner":  {wang, taken(string(admin.User.ID), obj{"roles": []obj{{"role": "administrator"}}})},
			"the founder about a person elsewhere":     {admin, taken(string(wang.User.ID), obj{"org": "bijie"})},
			"a person elsewhere as one of one's own":   {admin, taken(string(wang.User.ID), nil)},
			"an id that something else has":            {admin, taken(project, nil)},
			"an id of the server's own":                {admin, taken(string(field.AccountID("gz-liwan", "spy")), nil)},
			"one's own id":                             {wang, taken(string(wang.User.ID), nil)},
			"a role that there is not":                 {admin, taken(w.id(), obj{"roles": []obj{{"role": "king"}}})},
			"a name too long":                          {admin, taken(w.id(), obj{"name": strings.Repeat("n", 51)})},
			"no name":                                  {admin, taken(w.id(), obj{"name": ""})},
			"a project that is none":                   {admin, taken(w.id(), obj{"roles": []obj{{"role": "inspector", "projects": []any{chen.User.ID}}}})},
			"a login that the organisation has":        {admin, taken(w.id(), obj{"login": "Chen"})},
			"an organisation that is none":             {admin, taken(w.id(), obj{"org": "nowhere"})},
			"another organisation, by its own manager": {wang, taken(w.id(), obj{"org": "gz-liwan"})},
			"somebody without the right":               {chen, taken(w.id(), nil)},
		} {
			key := "key " + name
			for range 2 { // a repetition does not get further
				if a := c.who.do("POST", "/v1/people", c.body, "Idempotency-Key", key); a.status < 400 || a.status >= 500 {
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
			}
			for _, on := range []*user{admin, chen, wang} {
				w.try("spy", password, string(on.Device.ID), "").refused(401, field.CodeBadCredentials)
				w.clock.move(time.Minute) // for the throttle
			}
		}
		after := w.heads()
		for scope, seq := range after {
			if before[scope] != seq {
				t.Errorf("%s was written to", scope)
			}
		}
		w.sound()
		again := w.signIn("chen")
		again.do("GET", "/v1/me", nil).want(200)
	})
}

// A click that is repeated gets its first answer, the code too; the same key for something else is refused.
func TestMakingAPersonIsRepeated(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		body := obj{"login": "chen", "password": password, "name": "陈"}
		type made struct {
			ID         string
			DeviceCode accounts.Code
		}
		var one, two made
		admin.do("POST", "/v1/people", body, "Idempotency-Key", "k").want(201).into(&one)
		admin.do("POST", "/v1/people", body, "Idempotency-Key", "k").want(201).into(&two)
		if one != two || one.DeviceCode.Code == "" {
			t.Errorf("%+v %+v", one, two)
		}
		admin.do("POST", "/v1/people", obj{"login": "li", "password": password, "name": "李"}, "Idempotency-Key", "k").refused(409, field.CodeBatchReused)
		admin.do("POST", "/v1/people", obj{"id": w.id(), "login": "chen", "password": password, "name": "陈"}, "Idempotency-Key", "k").refused(409, field.CodeBatchReused)
		var code, same accounts.Code
		path := "/v1/people/" + one.ID + "/device-codes"
		admin.do("POST", path, obj{}, "Idempotency-Key", "c").want(201).into(&code)
		admin.do("POST", path, obj{}, "Idempotency-Key", "c").want(201).into(&same)
		if code != same || code == one.DeviceCode {
			t.Errorf("%v %v", code, same)
		}
		admin.do("POST", path, obj{"after": w.id()}, "Idempotency-Key", "c").refused(409, field.CodeBatchReused)
		w.try("chen", password, w.id(), one.DeviceCode.Code).refused(403, field.CodeInvalidCode) // withdrawn by the later one
		w.enrol("chen", code.Code)
		w.sound()
	})
}

func TestASetUpThatWasCutIsRepeated(t *testing.T) {
	const year, wrong = 365 * 24 * time.Hour, "the server dies while its clock is a year ahead"
	for _, cut := range []string{"hash", "session", "done", wrong} {
		t.Run(cut, func(t *testing.T) {
			w := start(t)
			if cut == wrong {
				w.clock.move(year)
			}
			docs := &cutDocs{documents: w.store}
			users := accounts.New(accounts.Options{
				Docs: docs, Records: w.store, Commit: w.engine, Now: w.clock.now, Hash: accounts.HashCost{MemoryKiB: 64, Passes: 1},
			})
			code, err := users.SetupCode(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s := accounts.Setup{
				Code: code, Org: accounts.Org{Code: "gz-liwan", Name: "荔湾", Region: "440103"}, Name: "管理员", Login: "admin", Password: password,
				Device: accounts.Device{ID: field.DeviceID(w.id())},
			}
			docs.cut = func(d store.Doc) bool {
				switch cut {
				case "hash":
					return d.Shelf == store.Accounts
				case "session":
					return d.Shelf == store.Sessions
				case wrong: // nor can it say any more that it has given up
					return d.Shelf == store.Accounts || d.Shelf == store.Keys && d.ID == "setup" && !strings.Contains(string(d.Body), `"begun"`)
				}
				return d.Shelf == store.Keys && d.ID == "setup" && strings.Contains(string(d.Body), `"done":true`)
			}
			if _, err := users.SetUp(t.Context(), s, "1.2.3.4"); err == nil {
				t.Fatal("it was not cut")
			}
			docs.cut = nil
			if cut == wrong {
				w.clock.move(-year)
			} else {
				w.clock.move(2 * time.Minute)
			}
			if cut != "hash" && cut != wrong { // it is begun, and with other details nobody goes on
				other := s
				other.Password = "another password altogether"
				if _, err := users.SetUp(t.Context(), other, "1.2.3.4"); !field.Is(err, field.CodeBadCredentials) {
					t.Errorf("with another password: %v", err)
				}
				other = s
				other.Login = "root"
				if _, err := users.SetUp(t.Context(), other, "1.2.3.4"); !field.Is(err, field.CodeBadCredentials) {
					t.Errorf("with another name: %v", err)
				}
			}
			s.Device.ID = field.DeviceID(w.id()) // the browser has forgotten
			tokens, err := users.SetUp(t.Context(), s, "1.2.3.4")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := users.Authenticate(t.Context(), tokens.AccessToken); err != nil {
				t.Error(err)
			}
			if _, err := users.SetUp(t.Context(), s, "1.2.3.4"); !field.Is(err, field.CodeSetupClosed) {
				t.Errorf("a second time: %v", err)
			}
			w.sound()
		})
	}
}

type documents = accounts.Docs

// cutDocs loses the connection to the store before a document is written.
type cutDocs struct {
	documents
	cut func(store.Doc) bool

	lost, count int // the removal that is lost, and how many there were
}

func (c *cutDocs) PutDoc(ctx context.Context, d store.Doc) (store.Doc, error) {
	if c.cut != nil && c.cut(d) {
		return d, field.Refuse(field.CodeStoreDown, "")
	}
	return c.documents.PutDoc(ctx, d)
}

func TestACodeIsOnePersonsForOneDeviceAndOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen, li := admin.hire("chen", access.Inspector), admin.hire("li", access.Inspector)
		code := w.deviceCode("chen")
		w.try("li", password, w.id(), code).refused(403, field.CodeInvalidCode)                // somebody else's
		w.try("chen", "not the password", w.id(), code).refused(401, field.CodeBadCredentials) // the code alone is not enough, and is not used up
		w.try("chen", password, string(li.Device.ID), code).refused(403, field.CodeForeignDevice)
		phone := w.id()
		w.try("chen", password, phone, strings.ToLower(strings.ReplaceAll(code, "-", " "))).want(200)
		w.try("chen", password, phone, code).want(200) // the answer was lost
		w.try("chen", password, w.id(), code).refused(403, field.CodeInvalidCode)
		w.try("li", password, phone, "").refused(403, field.CodeForeignDevice)
		w.try("li", password, phone, w.deviceCode("li")).refused(403, field.CodeForeignDevice)

		// Of two who use one code at once one gets in.
		code = w.deviceCode("chen")
		got := make([]answer, 2)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i] = w.try("chen", password, w.id(), code) })
		}
		wg.Wait()
		if got[0].status+got[1].status != 200+403 {
			t.Errorf("%d %d", got[0].status, got[1].status)
		}

		code = w.deviceCode("li")
		w.clock.move(73 * time.Hour)
		w.try("li", password, w.id(), code).refused(403, field.CodeInvalidCode)

		for range 2 {
			w.signIn("chen")
		}
		w.try("chen", password, w.id(), w.deviceCode("chen")).refused(409, field.CodeTooManyDevices)
		chen = w.again("chen", chen)
		admin = w.again("admin", admin)
		chen.do("POST", "/v1/people/"+string(chen.User.ID)+"/device-codes", obj{}).refused(403, field.CodeNotPermitted)
		admin.do("POST", "/v1/devices/"+phone+"/revoke", obj{}).want(200)
		w.signIn("chen") // there is room again
		w.sound()
	})
}

// again signs somebody in on the device that they have.
func (w *world) again(login string, u *user) *user {
	w.t.Helper()
	n := &user{world: w, batch: u.batch}
	w.try(login, password, string(u.Device.ID), "").want(200).into(&n.Tokens)
	return n
}

// A phone goes from one person to another: it hands in what is on it, which counts, reads nothing more, and is then
// enrolled anew.
func TestAPhoneIsMoved(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, ben := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector)
		scope, site := w.place(ann)
		device := string(ann.Device.ID)
		version := w.version(string(field.DeviceRecord(ann.Device.ID)))
		admin.do("POST", "/v1/devices/"+device+"/move", obj{"version": version, "reason": ""}).refused(400, field.CodeMissingField)
		ann.do("POST", "/v1/devices/"+device+"/move", obj{"version": version, "reason": "x"}).refused(403, field.CodeNotPermitted)
		ann.do("POST", "/v1/devices/"+device+"/handed-in", nil).refused(409, field.CodeNotNow)
		var moving accounts.Enrolled
		admin.do("POST", "/v1/devices/"+device+"/move", obj{"version": version, "reason": "换人"}).want(200).into(&moving)
		if moving.State != field.DeviceMoving {
			t.Errorf("%+v", moving)
		}
		var code accounts.Code
		admin.do("POST", "/v1/people/"+string(ben.User.ID)+"/device-codes", obj{"after": device}).want(201).into(&code)
		next := w.id()
		w.try("ben", password, next, code.Code).refused(403, field.CodeDeviceMoving)

		ann.do("GET", "/v1/me", nil).refused(403, field.CodeDeviceMoving)
		ann.do("POST", "/v1/sync/pull", obj{"device": device, "cursors": obj{}}).refused(403, field.CodeDeviceMoving)
		ann.refresh(ann.RefreshToken).want(200).into(&ann.Tokens)
		var res protocol.PushResponse
		finding := w.finding(site)
		ann.push(scope, finding).want(200).into(&res)
		if res.Outcomes[0].Outcome != protocol.Applied {
			t.Errorf("what was left on it: %+v", res.Outcomes[0])
		}
		ben.do("POST", "/v1/devices/"+device+"/handed-in", nil).refused(403, field.CodeForeignDevice)
		ann.do("POST", "/v1/devices/"+device+"/handed-in", nil).want(204)
		ann.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
		ann.refresh(ann.RefreshToken).refused(401, field.CodeTokenReused)
		w.try("ann", password, device, "").refused(403, field.CodeDeviceRevoked)
		w.try("ben", password, device, code.Code).refused(403, field.CodeForeignDevice)
		w.try("ben", password, next, code.Code).want(200)
		w.sound()
	})
}

func TestRolesAreChangedByAnother(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen := admin.hire("chen", access.Inspector)
		id := string(chen.User.ID)
		before := w.heads()
		edit := func(who *user, id string, body obj) answer {
			body["version"] = w.version(id)
			return who.do("PATCH", "/v1/people/"+id, body)
		}
		chen.do("GET", "/v1/people/"+id, nil).want(200)
		admin.do("GET", "/v1/people/"+w.id(), nil).refused(404, field.CodeNotFound)
		edit(chen, id, obj{"roles": []obj{{"role": "leader"}}}).refused(403, field.CodeNotPermitted)
		edit(admin, id, obj{"roles": []obj{{"role": "king"}}}).refused(400, field.CodeBadChoice)
		edit(admin, id, obj{}).refused(400, field.CodeMissingField)
		edit(admin, string(admin.User.ID), obj{"roles": []obj{{"role": "administrator"}, {"role": "leader"}}}).refused(403, field.CodeSecondPerson)
		admin.do("POST", "/v1/people/"+string(admin.User.ID)+"/leave", obj{"version": w.version(string(admin.User.ID)), "reason": "x"}).refused(409, field.CodeLastAdmin)
		if after := w.heads(); !maps.Equal(before, after) {
			t.Errorf("refused, and yet: %v, before %v", after, before)
		}
		// By push it is the same: the rule belongs to the person, not to the door.
		for _, push := range []obj{
			{"id": string(admin.User.ID), "kind": "person", "base": w.version(string(admin.User.ID)), "set": obj{"roles": []obj{{"role": "leader"}}}},
			{"id": id, "kind": "person", "base": w.version(id), "set": obj{"roles": []obj{{"role": "king"}}}},
			{"id": string(field.AccountID("gz-liwan", "chen")), "kind": "account", "base": 1, "command": "set", "args": obj{"digest": strings.Repeat("a", 64), "why": "password_reset"}},
		} {
			var res protocol.PushResponse
			admin.push("org/gz-liwan", push).want(200).into(&res)
			if res.Outcomes[0].Outcome != protocol.Rejected {
				t.Errorf("%v: %+v", push, res.Outcomes[0])
			}
			a := admin.push("signin/gz-liwan", push)
			if a.status == 200 {
				a.into(&res)
				if res.Outcomes[0].Outcome != protocol.Rejected {
					t.Errorf("into signin: %v: %+v", push, res.Outcomes[0])
				}
			}
		}
		edit(admin, id, obj{"roles": []obj{{"role": "administrator"}}, "title": "主任"}).want(200)
		chen.do("GET", "/v1/devices", nil).want(200) // counts at once
		edit(chen, string(admin.User.ID), obj{"roles": []obj{{"role": "auditor"}}}).want(200)
		edit(chen, id, obj{"name": "陈"}).want(200)
		admin.do("POST", "/v1/people/"+id+"/device-codes", obj{}).refused(403, field.CodeNotPermitted)
		w.sound()
	})
}

func TestAPasswordIsSetByACode(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen, li := admin.hire("chen", access.Inspector), admin.hire("li", access.Inspector)
		reset := func(login, code, password string) answer {
			return w.send("POST", "/v1/auth/reset", obj{"login": login, "code": code, "password": password})
		}
		var code, other accounts.Code
		admin.do("POST", "/v1/people/"+string(chen.User.ID)+"/password-codes", nil).want(201).into(&code)
		admin.do("POST", "/v1/people/"+string(admin.User.ID)+"/password-codes", nil).refused(403, field.CodeSecondPerson)
		li.do("POST", "/v1/people/"+string(chen.User.ID)+"/password-codes", nil).refused(403, field.CodeNotPermitted)
		const next = "lantern quarry biscuit"
		reset("li", code.Code, next).refused(403, field.CodeInvalidCode)
		reset("chen", "AAAA-BBBB-CCCC-DDDD", next).refused(403, field.CodeInvalidCode)
		reset("chen", w.deviceCode("chen"), next).refused(403, field.CodeInvalidCode) // good for something else
		w.try("chen", password, w.id(), code.Code).refused(403, field.CodeInvalidCode)
		for _, weak := range []string{"password1234", "aaaaaaaaaaaaaaaa", "chenchenchen", "gz-liwan-chen-gz-liwan", "123456789012345", "short", "荔湾区纪委监委荔湾区纪委监委"} {
			if a := reset("chen", code.Code, weak); a.status != 400 || a.code() != field.CodeWeakPassword && a.code() != field.CodeBadRequest {
				t.Errorf("%q: %d %s", weak, a.status, a.code())
			}
		}
		chen.do("GET", "/v1/me", nil).want(200)
		var wg sync.WaitGroup
		got := make([]answer, 2)
		for i := range got {
			wg.Go(func() { got[i] = reset("chen", code.Code, next) })
		}
		wg.Wait()
		if got[0].status+got[1].status != 204+403 {
			t.Errorf("%d %d", got[0].status, got[1].status)
		}
		chen.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
		li.do("GET", "/v1/me", nil).want(200)
		w.try("chen", password, string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)
		w.try("chen", next, string(chen.Device.ID), "").want(200)
		admin.do("POST", "/v1/people/"+string(li.User.ID)+"/password-codes", nil).want(201).into(&other)
		w.clock.move(73 * time.Hour)
		reset("li", other.Code, next).refused(403, field.CodeInvalidCode)
		w.sound()
	})
}

// One name in two organisations is two people: neither learns of the other, and the device says which is meant.
func TestANameIsOnePersonsInEachOrganisation(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节", "region": "520500"}).want(201)
		wang := admin.hireIn("bijie", "wang", access.Administrator)
		ours := admin.hire("chen", access.Inspector)
		theirs := wang.hireIn("bijie", "chen", access.Inspector)
		if ours.User.ID == theirs.User.ID {
			t.Fatal("one person")
		}
		for u, org := range map[*user]string{ours: "gz-liwan", theirs: "bijie"} {
			for _, login := range []string{"chen", "chen@" + org} {
				var got accounts.Tokens
				w.try(login, password, string(u.Device.ID), "").want(200).into(&got)
				if got.User.ID != u.User.ID {
					t.Errorf("%s signs %s in", login, got.User.Org)
				}
			}
		}
		w.try("chen@bijie", password, string(ours.Device.ID), "").refused(403, field.CodeForeignDevice)
		w.try("wang", password, string(ours.Device.ID), "").refused(403, field.CodeForeignDevice)
		// Who administers one organisation reads and does nothing in the other.
		for _, path := range []string{"/v1/accounts", "/v1/sign-ins", "/v1/devices"} {
			a := wang.do("GET", path, nil).want(200)
			if strings.Contains(string(a.body), string(ours.User.ID)) || !strings.Contains(string(a.body), string(theirs.User.ID)) {
				t.Errorf("%s: %s", path, a.body)
			}
			ours.do("GET", path, nil).refused(403, field.CodeNotPermitted)
			if strings.Contains(string(a.body), "digest") || strings.Contains(string(a.body), "argon2") {
				t.Errorf("%s: %s", path, a.body)
			}
		}
		for _, path := range []string{"/v1/people/" + string(ours.User.ID) + "/device-codes", "/v1/people/" + string(ours.User.ID) + "/password-codes"} {
			wang.do("POST", path, obj{}).refused(404, field.CodeNotFound)
		}
		wang.do("POST", "/v1/devices/"+string(ours.Device.ID)+"/revoke", obj{}).refused(404, field.CodeNotFound)
		wang.do("POST", "/v1/devices/"+string(ours.Device.ID)+"/move", obj{"version": 1, "reason": "x"}).refused(404, field.CodeNotFound)
		w.sound()
	})
}

// Who can sign in as whom, and who did, is on record, for who administers and for the auditor.
func TestSignInsAreOnRecord(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen, aud := admin.hire("chen", access.Inspector), admin.hire("aud", access.Auditor)
		chen.do("POST", "/v1/auth/sign-out", nil).want(204)
		for _, who := range []*user{admin, aud} {
			var all struct{ Items []accounts.SignInView }
			who.do("GET", "/v1/sign-ins?person="+string(chen.User.ID), nil).want(200).into(&all)
			if len(all.Items) != 1 || all.Items[0].Why != field.EndSignedOut || all.Items[0].Device != chen.Device.ID {
				t.Errorf("%+v", all)
			}
			var page struct {
				Items []accounts.AccountView
				Next  string
			}
			logins := []string{}
			for path := "/v1/accounts?limit=2"; ; path = "/v1/accounts?limit=2&after=" + page.Next {
				page.Next = ""
				who.do("GET", path, nil).want(200).into(&page)
				for _, a := range page.Items {
					logins = append(logins, fmt.Sprint(a.Login, len(a.Devices), a.Sessions))
				}
				if page.Next == "" {
					break
				}
			}
			slices.Sort(logins)
			if !slices.Equal(logins, []string{"admin1 1", "aud1 1", "chen1 0"}) && !slices.Equal(logins, []string{"admin11", "aud11", "chen10"}) {
				t.Errorf("%v", logins)
			}
		}
	})
}

// What lies beside the log is worth nothing by itself, and what was changed there is found.
func TestSecretsThatWereTamperedWithOpenNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen, li := admin.hire("chen", access.ClueManager), admin.hire("li", access.Inspector)
		if faults := w.checked(); len(faults) != 0 {
			t.Fatal(faults)
		}
		digest := func(login string) string { return w.record(string(field.AccountID("gz-liwan", login))).Text("digest") }
		get := func(shelf store.Shelf, id string) store.Doc {
			d, err := w.store.GetDoc(t.Context(), shelf, id)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		put := func(d store.Doc) {
			if _, err := w.store.PutDoc(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		// li's hash in the place of chen's: li's password does not open chen's account, nor does any.
		swapped := get(store.Accounts, digest("chen"))
		honest := swapped
		swapped.Body = get(store.Accounts, digest("li")).Body
		put(swapped)
		w.try("chen", password, string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)
		honest.Version = get(store.Accounts, digest("chen")).Version
		// A session of li's that is said to be chen's.
		session, _, _ := strings.Cut(li.RefreshToken, ".")
		d := get(store.Sessions, session)
		d.Body = []byte(strings.ReplaceAll(string(d.Body), string(li.User.ID), string(chen.User.ID)))
		put(d)
		li.refresh(li.RefreshToken).refused(401, field.CodeTokenInvalid)
		// One that nobody opened, and an account in the old place.
		d.ID, d.Version = w.id(), 0
		put(d)
		put(store.Doc{Shelf: store.Accounts, ID: "root", Key: string(chen.User.ID), Body: field.Quote(obj{"user": chen.User.ID, "org": "gz-liwan", "hash": "x"})})
		w.try("root", password, string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)
		forged := li.RefreshToken[len(session):]
		li.refresh(d.ID+forged).refused(401, field.CodeTokenInvalid)
		put(store.Doc{Shelf: store.Accounts, ID: strings.Repeat("a", 64), Key: "hash", Body: field.Quote(obj{"hash": "x"})})
		faults := strings.Join(w.checked(), "\n")
		for _, want := range []string{"another one than the log names", "is named by no account", "was never opened", "is kept for"} {
			if !strings.Contains(faults, want) {
				t.Errorf("%q is not among\n%s", want, faults)
			}
		}
		put(honest)
		w.try("chen", password, string(chen.Device.ID), "").want(200)
	})
}

// The work of somebody who leaves is told, listed and moved; what is still on the phone comes in.
func TestTheWorkOfWhoLeaves(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		cai, dai, eva := admin.hire("cai", access.Supervisor), admin.hire("dai", access.ClueManager), admin.hire("eva", access.Leader)
		han, hu := admin.hire("han", access.Handler, access.Inspector), admin.hire("hu", access.Handler)
		scope, site := w.place(han)
		clues := []string{}
		for range 2 {
			id := w.id()
			dai.do("POST", "/v1/clues", obj{"id": id, "fields": obj{"title": "信访件", "channel": "petition"}}).want(201)
			dai.do("POST", "/v1/clues/"+id+"/register", obj{"version": w.version(id)}).want(200)
			dai.do("POST", "/v1/clues/"+id+"/assign", obj{"version": w.version(id), "handler": han.User.ID}).want(200)
			clues = append(clues, id)
		}
		// Work that has begun moves, too, and goes on where it stands.
		begun := clues[1]
		han.do("POST", "/v1/clues/"+begun+"/propose", obj{"version": w.version(begun), "disposition": "verification", "reason": "可查"}).want(200)
		eva.do("POST", "/v1/clues/"+begun+"/approve", obj{"version": w.version(begun)}).want(200)
		path := "/v1/people/" + string(han.User.ID)
		var left struct {
			State    field.State
			OpenWork struct{ Items []any }
		}
		admin.do("POST", path+"/leave", obj{"version": w.version(string(han.User.ID)), "reason": "调离"}).want(200).into(&left)
		if left.State != field.StateLeft || len(left.OpenWork.Items) != 0 {
			t.Errorf("the administrator is shown %+v", left)
		}
		if inbox := cai.do("GET", "/v1/inbox", nil).want(200); !strings.Contains(string(inbox.body), "离岗") {
			t.Errorf("the supervisor is not told: %s", inbox.body)
		}
		var res protocol.PushResponse
		han.push(scope, w.finding(site)).want(200).into(&res)
		if out := res.Outcomes[0]; out.Outcome != protocol.Rejected || w.record(string(out.RecordID)).Kind != field.KindParked {
			t.Errorf("what was on the phone: %+v", out)
		}
		w.try("han", password, string(han.Device.ID), "").refused(401, field.CodeBadCredentials)

		var work struct {
			Items []struct {
				ID      string
				Movable bool
			}
		}
		dai.do("GET", path+"/work", nil).want(200).into(&work)
		if len(work.Items) != 2 || !work.Items[0].Movable {
			t.Errorf("%+v", work)
		}
		cai.do("GET", path+"/work", nil).want(200).into(&work)
		if len(work.Items) != 0 {
			t.Errorf("the supervisor is shown clues: %+v", work)
		}
		heads := w.heads()
		dai.do("POST", path+"/hand-over", obj{"to": cai.User.ID, "reason": "调离"}).refused(409, field.CodeCannotDo)
		dai.do("POST", path+"/hand-over", obj{"to": hu.User.ID, "reason": ""}).refused(400, field.CodeReasonMissing)
		dai.do("POST", path+"/hand-over", obj{"to": hu.User.ID, "reason": "x", "items": []string{clues[0], w.id()}}).refused(404, field.CodeNotFound)
		cai.do("POST", path+"/hand-over", obj{"to": hu.User.ID, "reason": "x", "items": clues}).refused(404, field.CodeNotFound)
		if after := w.heads(); !maps.Equal(heads, after) {
			t.Errorf("refused, and yet: %v, before %v", after, heads)
		}
		var out struct{ Moved, Left []struct{ ID string } }
		for range 2 {
			dai.do("POST", path+"/hand-over", obj{"to": hu.User.ID, "reason": "调离", "items": clues}, "Idempotency-Key", "h").want(200).into(&out)
			if len(out.Moved) != 2 || len(out.Left) != 0 {
				t.Errorf("%+v", out)
			}
		}
		for _, id := range clues {
			if got := w.record(id).Text("handler"); got != string(hu.User.ID) {
				t.Errorf("handled by %s", got)
			}
		}
		w.clock.move(91 * 24 * time.Hour)
		han.refresh(han.RefreshToken).refused(401, field.CodeTokenInvalid)
	})
}

// plant puts a record among the others past the log, as who has the database can.
func (w *world) plant(r *field.Record) {
	w.t.Helper()
	scope := field.MakeScope(field.ScopeCampaign, w.id())
	entry, err := protocol.Seal(protocol.Body{V: protocol.Version, Scope: scope, Seq: 1, Device: "server/plant", Batch: 1}, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	field.Index(r)
	err = w.store.Commit(w.t.Context(), []store.Write{{
		Entries: []store.Entry{entry}, Records: []*field.Record{r}, Head: store.Head{Scope: scope, Seq: 1, Hash: entry.Hash, At: w.clock.now()},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Who has the database puts an account or a device among the records, or gives somebody another role there: nobody
// signs in by it, and no session goes on with it.
func TestRecordsPastTheLogLetNobodyIn(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen, li := admin.hire("chen", access.ClueManager), admin.hire("li", access.Inspector)

		ghost := w.record(string(field.AccountID("gz-liwan", "chen"))).Clone()
		ghost.ID, ghost.Fields["login"] = field.AccountID("gz-liwan", "ghost"), field.Quote("ghost")
		w.plant(ghost)
		w.try("ghost", password, string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)

		phone := w.id()
		device := w.record(string(field.DeviceRecord(chen.Device.ID))).Clone()
		device.ID, device.Fields["deviceId"] = field.DeviceRecord(field.DeviceID(phone)), field.Quote(phone)
		w.plant(device)
		w.try("chen", password, phone, "").refused(403, field.CodeDeviceUnknown)

		honest := w.record(string(li.User.ID))
		raised := honest.Clone()
		raised.Fields["roles"] = field.Quote([]obj{{"role": "administrator"}})
		w.plant(raised)
		w.try("li", password, string(li.Device.ID), "").refused(401, field.CodeBadCredentials)
		li.refresh(li.RefreshToken).refused(401, field.CodeTokenInvalid)
		if text := string(w.send("GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).want(200).body); strings.Contains(text, "fieldclue_signin_contradictions_total 0") {
			t.Error("the metrics do not count what contradicts the log")
		}
		w.plant(honest)
		w.try("li", password, string(li.Device.ID), "").want(200)
		w.try("chen", password, string(chen.Device.ID), "").want(200)
	})
}

// What an older server kept beside the log is lifted into it, once, however often that is cut off: the same people sign
// in with the same devices and sessions, and nobody else.
func TestAccountsOfAnOlderServerAreLifted(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		model, err := w.store.GetDoc(t.Context(), store.Accounts, w.record(string(field.AccountID("gz-liwan", "admin"))).Text("digest"))
		if err != nil {
			t.Fatal(err)
		}
		var hash struct{ Hash string }
		answer{t: t, body: model.Body}.into(&hash)
		put := func(shelf store.Shelf, id, key string, body obj) {
			t.Helper()
			if _, err := w.store.PutDoc(t.Context(), store.Doc{Shelf: shelf, ID: id, Key: key, Due: w.clock.now().Add(time.Hour), Body: field.Quote(body)}); err != nil {
				t.Fatal(err)
			}
		}
		person, phone, lost, session, over := w.id(), w.id(), w.id(), w.id(), w.id()
		w.by("org/gz-liwan", protocol.Operation{ID: field.RecordID(person), Kind: field.KindPerson, Set: map[string]field.Value{"name": field.Quote("陈")}})
		made := w.clock.now().Add(-time.Hour)
		put(store.Accounts, "chen", person, obj{"user": person, "org": "gz-liwan", "hash": hash.Hash, "made": made})
		put(store.Accounts, "half", w.id(), obj{"user": w.id(), "org": "gz-liwan", "hash": hash.Hash, "made": made}) // its person was never written
		put(store.Accounts, "spy", person, obj{"user": person, "org": "bijie", "hash": hash.Hash, "made": made})     // nor is it of that organisation
		put(store.Devices, phone, "gz-liwan", obj{"id": phone, "name": "P", "platform": "android", "org": "gz-liwan", "user": person, "enrolledAt": made})
		put(store.Devices, lost, "gz-liwan", obj{"id": lost, "name": "L", "platform": "android", "org": "gz-liwan", "user": person, "enrolledAt": made, "revokedAt": made, "revokedBy": admin.User.ID})
		secret := make([]byte, 32)
		sum := sha256.Sum256(secret)
		put(store.Sessions, session, person, obj{"user": person, "org": "gz-liwan", "device": phone, "made": made, "hash": hex.EncodeToString(sum[:])})
		put(store.Sessions, over, person, obj{"user": person, "org": "gz-liwan", "device": phone, "made": made, "hash": hex.EncodeToString(sum[:]), "closed": "signed out"})
		w.try("chen", password, phone, "").refused(403, field.CodeDeviceUnknown)

		docs := &cutDocs{documents: w.store, lost: 1}
		users := accounts.New(accounts.Options{Docs: docs, Records: w.store, Commit: w.engine, Now: w.clock.now})
		for tries := 0; ; tries++ {
			if err := users.Upgrade(t.Context()); err == nil {
				break
			} else if tries > 30 {
				t.Fatal(err)
			}
			docs.lost++ // every time a little later
			docs.count = 0
		}
		heads := w.heads()
		if err := w.users.Upgrade(t.Context()); err != nil || !maps.Equal(heads, w.heads()) {
			t.Errorf("a second time: %v", err)
		}
		var tokens accounts.Tokens
		w.try("chen", password, phone, "").want(200).into(&tokens)
		if string(tokens.User.ID) != person {
			t.Errorf("%+v", tokens.User)
		}
		token := func(session string) obj {
			return obj{"refreshToken": session + "." + base64.RawURLEncoding.EncodeToString(secret), "device": phone}
		}
		w.send("POST", "/v1/auth/refresh", token(session)).want(200)
		w.send("POST", "/v1/auth/refresh", token(over)).refused(401, field.CodeTokenInvalid)
		w.try("chen", password, lost, "").refused(403, field.CodeDeviceRevoked)
		for _, name := range []string{"half", "spy"} {
			w.try(name, password, phone, "").refused(401, field.CodeBadCredentials)
		}
		w.again("admin", admin).do("GET", "/v1/me", nil).want(200)
		w.sound()
	})
}

// DeleteDoc loses the connection at the given write, too.
func (c *cutDocs) DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error {
	if c.lost > 0 {
		if c.count++; c.count == c.lost {
			return field.Refuse(field.CodeStoreDown, "")
		}
	}
	return c.documents.DeleteDoc(ctx, shelf, id, version)
}
