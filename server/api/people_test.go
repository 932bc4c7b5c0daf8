package api_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

func TestARevokedDeviceIsToldSoEverywhere(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	chen := admin.hire("chen", access.Inspector)
	device := string(chen.Device.ID)
	chen.do("POST", "/v1/devices/"+device+"/revoke", nil).refused(403, field.CodeNotPermitted)
	admin.do("POST", "/v1/devices/"+w.id()+"/revoke", nil).refused(404, field.CodeNotFound)
	admin.do("POST", "/v1/devices/"+device+"/revoke", nil).want(200)
	admin.do("POST", "/v1/devices/"+device+"/revoke", nil).want(200)

	chen.do("GET", "/v1/me", nil).refused(403, field.CodeDeviceRevoked)
	chen.do("POST", "/v1/sync/pull", obj{"device": device, "cursors": obj{}}).refused(403, field.CodeDeviceRevoked)
	w.send("POST", "/v1/auth/sign-in", obj{"login": "chen", "password": password, "device": obj{"id": device}}).refused(403, field.CodeDeviceRevoked)
	w.signIn("chen").do("GET", "/v1/me", nil).want(200)
	chen.do("POST", "/v1/auth/sign-out", nil).refused(403, field.CodeDeviceRevoked)

	var page struct {
		Items []struct {
			ID        string  `json:"id"`
			RevokedAt *string `json:"revokedAt"`
		} `json:"items"`
		Next string `json:"next"`
	}
	admin.do("GET", "/v1/devices?limit=2", nil).want(200).into(&page)
	seen := map[string]bool{}
	for {
		for _, d := range page.Items {
			seen[d.ID] = d.RevokedAt != nil
		}
		if page.Next == "" {
			break
		}
		next := page.Next
		page.Next = ""
		admin.do("GET", "/v1/devices?limit=2&after="+next, nil).want(200).into(&page)
	}
	if len(seen) != 3 || !seen[device] {
		t.Errorf("%v", seen)
	}
}

func TestADeviceBelongsToOneOrganisation(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节", "region": "520500"}).want(201)
	admin.hireIn("bijie", "wang", access.Inspector)
	w.send("POST", "/v1/auth/sign-in", obj{"login": "wang", "password": password, "device": obj{"id": admin.Device.ID}}).
		refused(403, field.CodeForeignDevice)
}

func TestTheFoundersMakeOrganisationsAndTheirFirstPeople(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	inspector := admin.hire("chen", access.Inspector)
	inspector.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节", "region": "520500"}).refused(403, field.CodeNotPermitted)

	admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节市纪委监委", "region": "520500"}, "Idempotency-Key", "k1").want(201)
	admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "毕节市纪委监委", "region": "520500"}, "Idempotency-Key", "k1").want(201)
	before := w.heads()
	admin.do("POST", "/v1/orgs", obj{"code": "bijie", "name": "别的", "region": "520500"}).refused(409, field.CodeTaken)
	admin.do("POST", "/v1/people", obj{"org": "nowhere", "login": "x-person", "password": password, "name": "X"}).refused(404, field.CodeNotFound)
	if after := w.heads(); !maps.Equal(before, after) {
		t.Errorf("refused, and yet: %v, before %v", after, before)
	}

	wang := admin.hireIn("bijie", "wang", access.Administrator)
	wang.do("POST", "/v1/orgs", obj{"code": "qiannan", "name": "黔南", "region": "522700"}).refused(403, field.CodeNotPermitted)
	wang.do("POST", "/v1/people", obj{"org": "gz-liwan", "login": "spy-spy", "password": password, "name": "S"}).refused(404, field.CodeNotFound)
	wang.do("POST", "/v1/people", obj{"login": "zhao", "password": password, "name": "赵", "roles": []obj{{"role": "supervisor"}}}).want(201)

	var orgs struct {
		Items []struct {
			Version int64 `json:"version"`
			Fields  struct {
				Code     string   `json:"code"`
				Partners []string `json:"partners"`
			} `json:"fields"`
		} `json:"items"`
	}
	wang.do("GET", "/v1/orgs", nil).want(200).into(&orgs)
	if len(orgs.Items) != 1 || orgs.Items[0].Fields.Code != "bijie" {
		t.Fatalf("%+v", orgs)
	}
	wang.do("PATCH", "/v1/orgs/bijie", obj{"version": orgs.Items[0].Version, "partners": []string{"gz-liwan"}}).want(200)
	wang.do("PATCH", "/v1/orgs/gz-liwan", obj{"version": 1, "name": "X"}).refused(404, field.CodeNotFound)
	admin.do("GET", "/v1/orgs", nil).want(200).into(&orgs)
	if len(orgs.Items) != 2 {
		t.Errorf("partners see each other: %+v", orgs)
	}
	// A partner reads; it does not administrate.
	wang.do("PATCH", "/v1/orgs/bijie", obj{"version": orgs.Items[0].Version, "spaceLimit": 5 << 40}).refused(403, field.CodeNotPermitted)
	wang.do("GET", "/v1/orgs/bijie/space", nil).want(200)
	wang.do("GET", "/v1/orgs/gz-liwan/space", nil).refused(404, field.CodeNotFound)
	admin.do("GET", "/v1/orgs/bijie/space", nil).want(200)
	admin.do("GET", "/v1/orgs/nowhere/space", nil).refused(404, field.CodeNotFound)
	admin.do("GET", "/v1/orgs/No%2Fwhere/space", nil).refused(404, field.CodeNotFound)
	inspector.do("GET", "/v1/orgs/gz-liwan/space", nil).refused(403, field.CodeNotPermitted)
	wang.do("PATCH", "/v1/orgs/bijie", obj{"version": 0}).refused(400, field.CodeMissingField)
}

func TestPeopleAreMadeWithAnAccountAndLeave(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	request := obj{"login": "Chen", "password": password, "name": "陈", "title": "科长", "roles": []obj{{"role": "inspector", "regions": []string{"5205"}}}}
	var made, again struct {
		ID         string `json:"id"`
		Version    int64  `json:"version"`
		DeviceCode struct {
			Code  string `json:"code"`
			Until string `json:"until"`
		} `json:"deviceCode"`
	}
	admin.do("POST", "/v1/people", request, "Idempotency-Key", "click").want(201).into(&made)
	admin.do("POST", "/v1/people", request, "Idempotency-Key", "click").want(201).into(&again)
	if made != again {
		t.Errorf("one click, two people: %v %v", made, again)
	}
	before := w.heads()
	admin.do("POST", "/v1/people", request).refused(409, field.CodeTaken)
	admin.do("POST", "/v1/people", obj{"login": "li", "password": "short", "name": "李"}).refused(400, field.CodeWeakPassword)
	admin.do("POST", "/v1/people", obj{"login": "li", "password": password, "name": "李", "roles": []obj{{"role": "king"}}}).refused(400, field.CodeBadChoice)
	admin.do("POST", "/v1/people", obj{"login": "l", "password": password, "name": "李"}).refused(400, field.CodeBadRequest)
	admin.do("POST", "/v1/people", obj{"login": "li", "password": password, "name": ""}).refused(400, field.CodeMissingField)
	if after := w.heads(); !maps.Equal(before, after) {
		t.Errorf("refused, and yet: %v, before %v", after, before)
	}
	admin.do("POST", "/v1/people", obj{"login": "li", "password": password, "name": "李"}).want(201) // the name was given back

	chen := w.enrol("chen", made.DeviceCode.Code)
	chen.do("POST", "/v1/people/"+made.ID+"/leave", obj{"version": made.Version, "reason": "x"}).refused(403, field.CodeNotPermitted)
	admin.do("POST", "/v1/people/"+made.ID+"/leave", obj{"version": made.Version, "reason": "调离"}).want(200)
	chen.do("GET", "/v1/me", nil).refused(403, field.CodeDeviceRevoked)
	w.try("chen", password, string(chen.Device.ID), "").refused(401, field.CodeBadCredentials)

	var people struct {
		Items []struct {
			State  string `json:"state"`
			Fields struct {
				Name string `json:"name"`
			} `json:"fields"`
		} `json:"items"`
		Next string `json:"next"`
	}
	admin.do("GET", "/v1/people?limit=2", nil).want(200).into(&people)
	total := len(people.Items)
	admin.do("GET", "/v1/people?limit=2&after="+people.Next, nil).want(200).into(&people)
	if total += len(people.Items); total != 3 {
		t.Errorf("%d people", total)
	}
	admin.do("GET", "/v1/people?after=nonsense", nil).refused(400, field.CodeBadRequest)
	admin.do("GET", "/v1/people?limit=0", nil).refused(400, field.CodeBadRequest)
}

func TestOfTwoWhoTakeOneNameOneGetsIt(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	var wg sync.WaitGroup
	got := make([]answer, 2)
	for i := range got {
		wg.Go(func() {
			got[i] = admin.do("POST", "/v1/people", obj{"login": "chen", "password": password, "name": "陈"})
		})
	}
	wg.Wait()
	if a, b := got[0].status, got[1].status; a+b != 201+409 {
		t.Errorf("%d %d", a, b)
	}
}

func TestTheLabelsOfEverythingAreGivenToEverybody(t *testing.T) {
	w := start(t)
	var all struct {
		Enums map[string][]field.Choice `json:"enums"`
		Kinds []struct {
			Kind string `json:"kind"`
		} `json:"kinds"`
		Roles []field.Choice `json:"roles"`
	}
	a := w.send("GET", "/v1/enums", nil, "Accept-Encoding", "identity").want(200)
	a.into(&all)
	if len(all.Enums) != len(field.Enums()) || len(all.Kinds) != len(field.Kinds()) || len(all.Roles) != 12 {
		t.Errorf("%d enums, %d kinds, %d roles", len(all.Enums), len(all.Kinds), len(all.Roles))
	}
	for name, choices := range all.Enums {
		for _, c := range choices {
			if c.ZH == "" || c.EN == "" {
				t.Errorf("%s %s has no label", name, c.Code)
			}
		}
	}
}

// A phone is lost and found again: what was written on it comes in and is kept for review, item by item. It reads
// nothing, does nothing, and after a while it does not even hand in.
func TestARevokedDeviceHandsIn(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann := admin.hire("ann", access.Inspector)
		admin.hire("cai", access.Supervisor)
		scope, site := w.place(ann)
		own := "user/" + string(ann.User.ID)
		before := w.finding(site)
		ann.push(scope, before).want(200)
		notice := w.id()
		w.by(own, protocol.Operation{ID: field.RecordID(notice), Kind: field.KindNotice, Set: map[string]field.Value{
			"type": field.Quote("info"), "zh": field.Quote("通知"), "en": field.Quote("news"), "recordId": field.Quote(notice), "recordKind": field.Quote("notice"),
		}})
		var first, again protocol.PushResponse
		admin.do("POST", "/v1/devices/"+string(ann.Device.ID)+"/revoke", nil).want(200)
		ann.do("POST", "/v1/sync/push", obj{"device": ann.Device.ID, "batch": ann.batch, "scope": scope, "operations": []obj{before}}).want(200).into(&again)
		if !again.Replayed || again.Outcomes[0].Outcome != protocol.Applied {
			t.Errorf("what was answered before: %+v", again)
		}
		unsent := w.finding(site)
		ann.push(scope, unsent, obj{"id": before["id"], "kind": "finding", "base": 2, "set": obj{"facts": "东屋"}}).want(200).into(&first)
		var inbox protocol.PushResponse
		ann.push(own, obj{"id": notice, "kind": "notice", "base": w.version(notice), "command": "read"}).want(200).into(&inbox)
		for _, out := range append(first.Outcomes, inbox.Outcomes...) {
			if kept := w.record(string(out.RecordID)); out.Outcome != protocol.Rejected || out.Code != field.CodeDeviceRevoked || kept.Scope != field.Scope(own) {
				t.Errorf("%+v, kept in %s", out, kept.Scope)
			}
		}
		if found, err := w.store.Records(t.Context(), []field.RecordID{field.RecordID(unsent["id"].(string))}); err != nil || len(found) != 0 || w.version(before["id"].(string)) != 2 {
			t.Errorf("a revoked device wrote to the site: %v, %v", found, err)
		}
		for _, path := range []string{"/v1/me", "/v1/inbox", "/v1/findings", "/v1/records/" + before["id"].(string), "/v1/records/" + string(first.Outcomes[0].RecordID)} {
			ann.do("GET", path, nil).refused(403, field.CodeDeviceRevoked)
		}
		ann.do("POST", "/v1/findings/"+before["id"].(string)+"/close", obj{"version": 2, "reason": "x"}).refused(403, field.CodeDeviceRevoked)
		ann.do("HEAD", "/v1/uploads/"+w.id(), nil, "Tus-Resumable", "1.0.0").want(404) // let in, and nothing is declared

		w.clock.move(time.Hour)
		ann.refresh(ann.RefreshToken).want(200).into(&ann.Tokens)
		ann.do("POST", "/v1/sync/pull", obj{"device": ann.Device.ID, "cursors": obj{}}).refused(403, field.CodeDeviceRevoked)
		ann.push(scope, w.finding(site)).want(200)

		kept := string(first.Outcomes[0].RecordID)
		w.signIn("cai").do("POST", "/v1/parked/"+kept+"/accept", obj{"version": w.version(kept)}).want(200)
		if r := w.record(unsent["id"].(string)); r.Author != ann.User.ID || r.Device != ann.Device.ID {
			t.Errorf("accepted, it is by %s on %s", r.Author, r.Device)
		}

		for range 4 {
			w.clock.move(20 * 24 * time.Hour)
			ann.refresh(ann.RefreshToken).want(200).into(&ann.Tokens)
		}
		w.clock.move(20 * 24 * time.Hour)
		state := w.state()
		ann.refresh(ann.RefreshToken).refused(403, field.CodeDeviceRevoked)
		if w.state() != state {
			t.Error("it still writes")
		}
	})
}

// meanwhile lets somebody else write as soon as something is committed, before who committed it is answered.
type meanwhile struct {
	accounts.Committer
	other func()
}

func (m meanwhile) Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error) {
	done, err := m.Committer.Commit(ctx, b)
	m.other()
	return done, err
}

// Who administers is answered with what he did, and not with what another administrator has made of it since.
func TestAnAdministratorIsAnsweredWithWhatHeDid(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		who, err := w.users.Authenticate(t.Context(), admin.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		org := string(field.OrgRecord("gz-liwan"))
		users := accounts.New(accounts.Options{Docs: w.store, Records: w.store, Now: w.clock.now, Commit: meanwhile{w.engine, func() {
			admin.do("PATCH", "/v1/orgs/gz-liwan", obj{"version": w.version(org), "name": "另一个名称"}).want(200)
		}}})
		r, err := users.EditOrg(t.Context(), accounts.Act{Actor: who.Actor, Device: "desk/" + who.Actor.Device, Number: 7}, "gz-liwan", w.version(org), map[string]field.Value{"name": field.Quote("荔湾")})
		if err != nil || r.Text("name") != "荔湾" || r.Version >= w.version(org) {
			t.Errorf("who changed it is told %+v, version %d of %d: %v", r, r.Version, w.version(org), err)
		}
		if now := w.record(org).Text("name"); now != "另一个名称" {
			t.Errorf("nobody has written in between: %s", now)
		}
	})
}
