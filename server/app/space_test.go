package app_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// use is what the page of an organisation says.
type use struct {
	Org                              string
	Stored, Files, OnTheWay, Reached int64
	Limit                            *int64
}

func (o *office) space(token, org string) (u use) {
	o.t.Helper()
	o.ok("GET", "/v1/orgs/"+org+"/space", token, nil, &u)
	return u
}

// takes checks what an organisation takes up.
func (o *office) takes(what, org string, stored, files, onTheWay int) {
	o.t.Helper()
	if u := o.space(o.admin, org); u.Stored != int64(stored) || u.Files != int64(files) || u.OnTheWay != int64(onTheWay) {
		o.t.Fatalf("%s: %s has %d bytes in %d files and %d on the way, want %d, %d, %d", what, org, u.Stored, u.Files, u.OnTheWay, stored, files, onTheWay)
	}
}

// setLimit sets the limit of an organisation; 0: none.
func (o *office) setLimit(token, org string, limit int64) (status int) {
	o.t.Helper()
	var orgs struct {
		Items []struct {
			Version int64
			Fields  struct{ Code string }
		}
	}
	o.ok("GET", "/v1/orgs", token, nil, &orgs)
	version := int64(1)
	for _, r := range orgs.Items {
		if r.Fields.Code == org {
			version = r.Version
		}
	}
	set := any(limit)
	if limit == 0 {
		set = nil
	}
	status, _, _ = o.ask("PATCH", "/v1/orgs/"+org, token, obj{"version": version, "spaceLimit": set})
	return status
}

// begin asks for an upload.
func (o *office) begin(photo field.RecordID, sum string, size int) (status int, location, answer string) {
	o.t.Helper()
	status, head, body := o.ask("POST", "/v1/uploads", o.ann, nil,
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata(photo, sum))
	if status == 507 && head.Get("Retry-After") == "" {
		o.t.Errorf("no Retry-After: %v", head)
	}
	return status, head.Get("Location"), string(body)
}

// spaceNotices are the notices about space in an inbox.
func (o *office) spaceNotices(token string) (texts []string) {
	o.t.Helper()
	var page struct {
		Items []struct {
			Fields struct{ EN, ZH, RecordKind string }
		}
	}
	o.ok("GET", "/v1/inbox", token, nil, &page)
	for _, n := range page.Items {
		if n.Fields.RecordKind == "org" {
			texts = append(texts, n.Fields.EN)
			if n.Fields.ZH == "" {
				o.t.Error("a notice without Chinese")
			}
		}
	}
	slices.Sort(texts)
	return texts
}

// The space of an organisation on both pairs of engines: what counts and for whom, what a limit stops and what it lets
// go on, who is told and how often, and that it is the same after a restart.
func TestTheSpaceOfAnOrganisation(t *testing.T) {
	onBoth(t, spaceStory)
}

func spaceStory(t *testing.T, cfg config.Config) {
	o := open(t, cfg)
	const kib = 1 << 10
	o.takes("at first", "bijie", 0, 0, 0)

	// A declaration is on its way; what arrived is stored; bytes that are there already take no more.
	first := noise(300*kib, 1)
	photo, sum := o.declare(first, "image/jpeg")
	o.takes("declared", "bijie", 0, 0, 300*kib)
	twin, _ := o.declare(first, "image/jpeg")
	o.takes("declared twice", "bijie", 0, 0, 300*kib)
	if _, _, rec := o.upload(o.ann, photo, sum, first); rec == nil {
		t.Fatal("no receipt")
	}
	o.takes("one of two has arrived", "bijie", 300*kib, 1, 0)
	if _, _, rec := o.upload(o.ann, twin, sum, first); rec == nil {
		t.Fatal("no receipt for the twin")
	}
	o.takes("both have arrived", "bijie", 300*kib, 1, 0)

	// Another organisation that has the same bytes answers for them, too: each may need them alone.
	o.ok("POST", "/v1/orgs", o.admin, obj{"code": "guangzhou", "name": "广州", "region": "440100"}, nil)
	there := o.elsewhere("guangzhou")
	theirs, _ := there.declare(first, "image/jpeg")
	if _, _, rec := there.upload(there.ann, theirs, sum, first); rec == nil {
		t.Fatal("no receipt in the other organisation")
	}
	o.takes("theirs", "guangzhou", 300*kib, 1, 0)
	o.takes("ours as before", "bijie", 300*kib, 1, 0)

	// The founder's administrator sets the limit; who is limited reads it, and nobody else.
	if status := o.setLimit(there.admin, "guangzhou", 5<<20); status != 403 {
		t.Errorf("the limited organisation set its own limit: %d", status)
	}
	if status, _, _ := o.ask("GET", "/v1/orgs/bijie/space", there.admin, nil); status != 404 {
		t.Errorf("another organisation's space answers %d", status)
	}
	if status, _, _ := o.ask("GET", "/v1/orgs/bijie/space", o.desk, nil); status != 403 {
		t.Errorf("the space answers a supervisor %d", status)
	}
	if u := o.space(there.admin, "guangzhou"); u.Limit != nil || u.Stored != 300*kib {
		t.Errorf("theirs: %+v", u)
	}
	// By sync it is no other: what a role may set is judged at the commit.
	byPush := func(token string, on field.RecordID) (outcome, code string) {
		var res struct {
			Outcomes []struct{ Outcome, Code string }
		}
		o.ok("POST", "/v1/sync/push", token, obj{"device": on, "batch": 1, "scope": "org/guangzhou", "operations": []obj{{
			"id": field.OrgRecord("guangzhou"), "kind": "org", "base": 1, "set": obj{"spaceLimit": 5 << 30},
		}}}, &res)
		return res.Outcomes[0].Outcome, res.Outcomes[0].Code
	}
	if outcome, code := byPush(there.admin, there.adminDevice); outcome != "rejected" || code != "not_permitted" {
		t.Errorf("the limited organisation sets its limit by sync: %s %s", outcome, code)
	}
	if u := o.space(there.admin, "guangzhou"); u.Limit != nil {
		t.Errorf("a refused limit counts: %+v", u)
	}
	if outcome, code := byPush(o.admin, o.adminDevice); outcome != "applied" {
		t.Errorf("the founder's administrator sets a limit by sync: %s %s", outcome, code)
	}
	if u := o.space(there.admin, "guangzhou"); u.Limit == nil || *u.Limit != 5<<30 {
		t.Errorf("the limit by sync: %+v", u)
	}

	// 1200 KiB: 300 are stored; 400 are begun, 400 fit beside them, 400 do not.
	if status := o.setLimit(o.admin, "bijie", 1200*kib); status != 200 {
		t.Fatalf("setting the limit: %d", status)
	}
	contents := [][]byte{noise(400*kib, 11), noise(400*kib, 15), noise(400*kib, 19)}
	var photos []field.RecordID
	var sums []string
	for _, c := range contents {
		p, s := o.declare(c, "image/jpeg")
		photos, sums = append(photos, p), append(sums, s)
	}
	o.takes("three more", "bijie", 300*kib, 1, 1200*kib)
	if status, _, answer := o.begin(photos[2], sums[2], 400*kib); status != 507 || !strings.Contains(answer, `"code":"space_limit"`) || !strings.Contains(answer, "stays on the phone") {
		t.Fatalf("the last in line: %d %s", status, answer)
	}
	status, begun, answer := o.begin(photos[0], sums[0], 400*kib)
	if status != 201 {
		t.Fatalf("the first in line: %d %s", status, answer)
	}
	if status, _, _ := o.piece(begun, 0, contents[0][:100*kib]); status != 204 {
		t.Fatalf("the first piece: %d", status)
	}
	// A limit that is lowered stops nothing that was begun.
	if status := o.setLimit(o.admin, "bijie", 1<<20); status != 200 {
		t.Fatalf("lowering the limit: %d", status)
	}
	if status, _, _ := o.begin(photos[1], sums[1], 400*kib); status != 507 {
		t.Fatalf("the second in line, under a lower limit: %d", status)
	}
	if status, again, _ := o.begin(photos[0], sums[0], 400*kib); status != 201 || again != begun {
		t.Fatalf("asking again for what was begun: %d", status)
	}
	o.arrives(begun, photos[0], sums[0], contents[0])
	o.takes("what was begun has arrived", "bijie", 700*kib, 2, 800*kib)
	if state, _ := o.state(photos[1]); state != "declared" {
		t.Errorf("a photo that waits is %s", state)
	}
	// Bytes that are there already need no room.
	again, _ := o.declare(first, "image/jpeg")
	if _, _, rec := o.upload(o.ann, again, sum, first); rec == nil {
		t.Error("bytes that are stored already were refused for want of room")
	}

	// Who is told: administrators, once for each limit and threshold, whatever server looks and how often.
	for range 3 {
		if err := o.a.TellOfSpace(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := o.spaceNotices(o.admin)
	if len(before) != 1 && len(before) != 2 { // the limit of 1200 KiB was there for a moment only, and may have been seen
		t.Fatalf("notices: %v", before)
	}
	if n := o.spaceNotices(o.desk); len(n) != 0 {
		t.Errorf("a supervisor was told: %v", n)
	}
	if n := o.spaceNotices(there.admin); len(n) != 0 {
		t.Errorf("another organisation was told: %v", n)
	}

	// More room: what waited goes. 1500 of 1800 KiB are 83 per cent.
	if status := o.setLimit(o.admin, "bijie", 1800*kib); status != 200 {
		t.Fatal(status)
	}
	var both sync.WaitGroup
	for range 2 { // two servers look at once
		both.Go(func() {
			if err := o.a.TellOfSpace(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := o.spaceNotices(o.admin); len(got) != len(before)+1 || !strings.Contains(strings.Join(got, "\n"), "reached 80 % of the organisation's space of 1.8 MiB") {
		t.Fatalf("at 83 per cent: %q", got)
	}
	for i := range 2 {
		if _, _, rec := o.upload(o.ann, photos[i+1], sums[i+1], contents[i+1]); rec == nil {
			t.Fatalf("photo %d, with more room", i+1)
		}
	}
	o.takes("all have arrived", "bijie", 1500*kib, 4, 0)
	if u := o.space(o.admin, "bijie"); u.Limit == nil || *u.Limit != 1800*kib || u.Reached != 80 {
		t.Errorf("the page: %+v", u)
	}
	// A declaration that is voided is on its way no longer; bytes that have arrived stay, and count.
	voided, voidedSum := o.declare(noise(290*kib, 21), "image/jpeg")
	o.takes("one more", "bijie", 1500*kib, 4, 290*kib)
	if err := o.a.TellOfSpace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.spaceNotices(o.admin); len(got) != len(before)+2 {
		t.Fatalf("at 99 per cent: %q", got)
	}
	o.void(voided)
	o.void(photos[1])
	o.takes("voided", "bijie", 1500*kib, 4, 0)
	if status, _, _ := o.begin(voided, voidedSum, 290*kib); status != 404 {
		t.Errorf("a voided photo: %d", status)
	}
	if err := o.a.TellOfSpace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.spaceNotices(o.admin); len(got) != len(before)+2 {
		t.Fatalf("back at 83 per cent somebody was told again: %q", got)
	}

	// The figures are those of the log: another server counts the same, and tells nobody what was told.
	_, _, metrics := o.ask("GET", "/metrics", string(cfg.MetricsToken), nil)
	for _, line := range []string{
		`fieldclue_space_stored_bytes{org="bijie"} 1.536e+06`, `fieldclue_space_stored_bytes{org="guangzhou"} 307200`,
		`fieldclue_space_on_the_way_bytes{org="bijie"} 0`, `fieldclue_space_limit_bytes{org="bijie"} 1.8432e+06`,
	} {
		if !strings.Contains(string(metrics), line) {
			t.Errorf("no %s", line)
		}
	}
	if cfg.MongoDB.URI == "" {
		stop(t, o.a)
	}
	o.a = start(t, cfg)
	o.takes("counted anew", "bijie", 1500*kib, 4, 0)
	o.takes("counted anew", "guangzhou", 300*kib, 1, 0)
	if err := o.a.TellOfSpace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.spaceNotices(o.admin); len(got) != len(before)+2 {
		t.Fatalf("another server told it again: %q", got)
	}
	if status := o.setLimit(o.admin, "bijie", 0); status != 200 {
		t.Fatalf("taking the limit away: %d", status)
	}
	last := noise(900*kib, 31)
	free, freeSum := o.declare(last, "image/jpeg")
	if _, _, rec := o.upload(o.ann, free, freeSum, last); rec == nil {
		t.Error("without a limit")
	}
}

// elsewhere is another organisation on the same server, with an administrator, a supervisor, an inspector and a site.
func (o *office) elsewhere(org string) *office {
	o.t.Helper()
	b := &office{t: o.t, a: o.a, phone: newID(), site: newID(), adminDevice: newID()}
	b.scope = field.MakeScope(field.ScopeSite, string(b.site))
	hire := func(login, role string, on field.RecordID) (id field.RecordID, token string) {
		return o.hire(org, login, role, on)
	}
	_, b.admin = hire(org+"-admin", "administrator", b.adminDevice)
	_, b.desk = hire(org+"-desk", "supervisor", newID())
	ann, token := hire(org+"-ann", "inspector", b.phone)
	b.ann = token
	project := newID()
	b.ok("POST", "/v1/projects", b.desk, obj{"id": project, "fields": obj{"externalId": "P", "name": "果园", "type": "industry", "county": "520502"}}, nil)
	b.ok("POST", "/v1/sites", b.desk, obj{"id": b.site, "fields": obj{"name": "二号", "projectId": project, "region": "520502", "position": obj{"lat": 27.4, "lon": 105.4}, "radius": 200}}, nil)
	b.ok("POST", "/v1/grants", b.desk, obj{"userId": ann, "scope": b.scope, "why": "检查"}, &b.grant)
	return b
}

// void takes a photo back.
func (o *office) void(photo field.RecordID) {
	o.t.Helper()
	var r struct{ Version int64 }
	o.ok("GET", "/v1/records/"+string(photo), o.desk, nil, &r)
	o.batch++
	var res struct {
		Outcomes []struct{ Outcome, Code string }
	}
	o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{
		{"id": photo, "kind": "photo", "base": r.Version, "command": "void", "args": obj{"reason": "拍错了"}},
	}}, &res)
	if res.Outcomes[0].Outcome != "applied" {
		o.t.Fatalf("voiding a photo: %+v", res)
	}
}
