package app_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// The posting ends, or the phone is revoked, while photos are on their way: one is declared, one is not yet. Both
// arrive, with receipts; the second waits with its declaration until a supervisor accepts it. Others cannot use the
// way.
func TestPhotosArriveAfterTheAccessHasEnded(t *testing.T) {
	over := func(o *office) {
		o.ok("POST", "/v1/grants/"+string(o.grant.ID)+"/end", o.desk, obj{"version": o.grant.Version, "reason": "任务结束"}, nil)
	}
	lost := func(o *office) { o.ok("POST", "/v1/devices/"+string(o.phone)+"/revoke", o.admin, nil, nil) }
	for name, end := range map[string]func(*office){"the posting is over": over, "the phone was lost": lost} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, cfg config.Config) { arrivesAfter(open(t, cfg), end) })
		})
	}
}

func arrivesAfter(o *office, end func(*office)) {
	t := o.t
	early, late := picture(t, 40), picture(t, 90)
	declared, earlySum := o.declare(early, "image/jpeg")
	end(o)

	if status, code, rec := o.upload(o.ann, declared, earlySum, early); rec == nil {
		t.Fatalf("what was declared before does not arrive: %d %s", status, code)
	}
	if state, _ := o.state(declared); state != field.PhotoStored && state != field.PhotoAnalysed {
		t.Errorf("the photo is %s", state)
	}

	h := sha256.Sum256(late)
	photo, lateSum := newID(), hex.EncodeToString(h[:])
	var res struct {
		Outcomes []struct {
			Outcome  string
			RecordID field.RecordID
		}
	}
	o.batch++
	o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{{
		"id": photo, "kind": "photo", "base": 0, "set": obj{
			"reportId": newID(), "siteId": o.site, "sha256": lateSum, "size": len(late), "type": "image/jpeg", "capture": "app",
		},
	}}}, &res)
	if res.Outcomes[0].Outcome != "rejected" {
		t.Fatalf("%+v", res)
	}
	if status, _, rec := o.upload(o.far, photo, lateSum, late); rec != nil || status != http.StatusNotFound {
		t.Errorf("somebody else uploads it: %d", status)
	}
	o.interrupt(o.ann, photo, lateSum, late, 12_000)
	status, code, rec := o.upload(o.ann, photo, lateSum, late)
	if rec == nil || rec.SHA256 != lateSum {
		t.Fatalf("%d %s: %+v", status, code, rec)
	}
	if status, _, rec := o.upload(o.ann, photo, lateSum, late); rec == nil { // the answer was lost
		t.Errorf("asked again: %d", status)
	}
	if status, _, _ := o.ask("GET", "/v1/records/"+string(photo), o.desk, nil); status != http.StatusNotFound {
		t.Errorf("the photo is evidence before anybody accepted it: %d", status)
	}
	parked := string(res.Outcomes[0].RecordID)
	var page struct{ Items []version }
	o.ok("GET", "/v1/parked?state=open", o.desk, nil, &page)
	if len(page.Items) != 1 || string(page.Items[0].ID) != parked {
		t.Fatalf("%+v", page)
	}
	o.ok("POST", "/v1/parked/"+parked+"/accept", o.desk, obj{"version": page.Items[0].Version}, nil)
	fields := o.examined(photo)
	if string(fields["sha256"]) != `"`+lateSum+`"` || fields["receipt"] == nil || fields["small"] == nil {
		t.Errorf("the photo is %s", field.Quote(fields))
	}
	o.broke(fields, 12_000)

	var custody workflow.Custody
	o.ok("GET", "/v1/photos/"+string(photo)+"/custody", o.desk, nil, &custody)
	var steps []string
	for _, e := range custody.Events {
		if e.Code != "flag_raised" { // it has no position
			steps = append(steps, e.Code)
		}
		if who := map[string]string{"kept": "ann", "hashed": "ann", "declared": "ann", "received": "ann", "accepted": "cai"}[e.Code]; who != "" && (e.By == nil || e.By.Name != who) {
			t.Errorf("%s by %+v", e.Code, e.By)
		}
	}
	if got := strings.Join(steps, " "); got != "kept hashed interrupted received receipt declared accepted examined" {
		t.Errorf("the custody page tells %s", got)
	}

	// The same bytes are declared again, and nothing is sent: that waits with the declaration too.
	photo = newID()
	o.batch++
	o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{{
		"id": photo, "kind": "photo", "base": 0, "set": obj{
			"reportId": newID(), "siteId": o.site, "sha256": lateSum, "size": len(late), "type": "image/jpeg", "capture": "app",
		},
	}}}, &res)
	o.create(photo, lateSum, len(late))
	o.ok("GET", "/v1/parked?state=open", o.desk, nil, &page)
	o.ok("POST", "/v1/parked/"+string(page.Items[0].ID)+"/accept", o.desk, obj{"version": page.Items[0].Version}, nil)
	o.ok("GET", "/v1/photos/"+string(photo)+"/custody", o.desk, nil, &custody)
	has := map[string]bool{}
	for _, e := range custody.Events {
		has[e.Code] = true
	}
	if !has["found"] || has["received"] {
		t.Errorf("of bytes that were here it tells %+v", custody.Events)
	}
}
