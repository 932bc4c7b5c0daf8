package api_test

import (
	"maps"
	"sync"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
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
	chen.push("user/"+string(chen.User.ID), obj{"id": w.id(), "kind": "report", "base": 0}).refused(403, field.CodeDeviceRevoked)
	chen.refresh(chen.RefreshToken).refused(403, field.CodeDeviceRevoked)
	w.send("POST", "/v1/auth/sign-in", obj{"login": "chen", "password": password, "device": obj{"id": device}}).refused(403, field.CodeDeviceRevoked)
	w.signIn("chen").do("GET", "/v1/me", nil).want(200)

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
	admin.do("POST", "/v1/people", obj{"org": "bijie", "login": "wang", "password": password, "name": "王", "roles": []obj{{"role": "inspector"}}}).want(201)
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

	admin.do("POST", "/v1/people", obj{
		"org": "bijie", "login": "wang", "password": password, "name": "王", "roles": []obj{{"role": "administrator"}},
	}).want(201)
	wang := w.signIn("wang")
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
	wang.do("PATCH", "/v1/orgs/bijie", obj{"version": 0}).refused(400, field.CodeMissingField)
}

func TestPeopleAreMadeWithAnAccountAndLeave(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	request := obj{"login": "Chen", "password": password, "name": "陈", "title": "科长", "roles": []obj{{"role": "inspector", "regions": []string{"5205"}}}}
	var made, again struct {
		ID      string `json:"id"`
		Version int64  `json:"version"`
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

	chen := w.signIn("chen")
	chen.do("POST", "/v1/people/"+made.ID+"/leave", obj{"version": made.Version, "reason": "x"}).refused(403, field.CodeNotPermitted)
	admin.do("POST", "/v1/people/"+made.ID+"/leave", obj{"version": made.Version, "reason": "调离"}).want(200)
	chen.do("GET", "/v1/me", nil).refused(401, field.CodeTokenInvalid)
	chen.refresh(chen.RefreshToken).refused(401, field.CodeTokenInvalid)
	w.send("POST", "/v1/auth/sign-in", obj{"login": "chen", "password": password, "device": obj{"id": w.id()}}).refused(401, field.CodeBadCredentials)

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
