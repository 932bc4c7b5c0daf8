package app_test

import (
	"net/http"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// Through the whole program, on the embedded engines and on those of production: an upload that breaks, a supervisor
// who looks, a clue that takes the photo under legal hold, a case file that leaves. The custody page tells all of it,
// and the log says so.
func TestTheCustodyPageTellsWhatThePhotoWentThrough(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		_, dai := o.person("dai", "clue_manager", newID())
		content := picture(t, 5)
		photo, sum := o.declare(content, "image/jpeg")
		o.interrupt(o.ann, photo, sum, content, 16_000)
		o.upload(o.ann, photo, sum, content)
		o.examined(photo)
		path := "/v1/photos/" + string(photo)
		for _, part := range []string{"/small", "/large", "/original"} {
			if status, _, b := o.ask("GET", path+part, o.desk, nil); status != http.StatusOK {
				t.Fatalf("%s: %d %s", part, status, b)
			}
		}
		var clue version
		o.ok("POST", "/v1/clues", dai, obj{"fields": obj{"title": "信访件", "channel": "petition"}}, &clue)
		o.ok("POST", "/v1/clues/"+string(clue.ID)+"/links", dai, obj{"targetKind": "photo", "targetId": photo, "relation": "supports"}, nil)
		o.ok("POST", "/v1/clues/"+string(clue.ID)+"/register", dai, obj{"version": clue.Version}, nil)
		page := func(token string) (c workflow.Custody, codes string) {
			t.Helper()
			o.ok("GET", path+"/custody", token, nil, &c)
			for _, e := range c.Events {
				codes += e.Code + " "
			}
			return c, codes
		}
		o.until("it is held", func() bool { _, codes := page(dai); return strings.Contains(codes, "hold_set") })
		if status, _, b := o.ask("POST", "/v1/clues/"+string(clue.ID)+"/export", dai, nil); status != http.StatusOK {
			t.Fatalf("the case file: %d %s", status, b)
		}

		// A flag says what the app's position and clock have against the site and the visit; there may be some.
		c, codes := page(dai)
		for _, want := range []string{"captured hashed declared interrupted received receipt examined ", "viewed_list viewed viewed linked hold_set exported "} {
			if !strings.Contains(codes, want) {
				t.Errorf("the clue manager is told %s, not %s", codes, want)
			}
		}
		for _, e := range c.Events {
			if e.Code == "interrupted" && (string(e.Details["offset"]) != "16000" || e.By == nil || e.By.Name != "ann" || e.Device != field.DeviceID(o.phone)) {
				t.Errorf("interrupted: %+v", e)
			}
			if strings.HasPrefix(e.Code, "viewed") && (e.By == nil || e.By.Name != "cai" || e.Device == "") {
				t.Errorf("viewed: %+v", e)
			}
		}
		if c, codes := page(o.desk); !c.Views || c.Exports || strings.Count(codes, "viewed") != 3 || strings.Contains(codes, "linked") || strings.Contains(codes, "hold") || strings.Contains(codes, "exported") {
			t.Errorf("the supervisor is told %s", codes)
		}
		if c, codes := page(o.ann); c.Views || c.Exports || strings.Contains(codes, "viewed") || !strings.HasPrefix(codes, "captured hashed declared interrupted received") {
			t.Errorf("the inspector is told %s", codes)
		}
		for _, token := range []string{o.far, o.admin} {
			if status, _, _ := o.ask("GET", path+"/custody", token, nil); status != http.StatusNotFound {
				t.Errorf("a stranger: %d", status)
			}
		}

		// Somebody who knows the hash declares it once more, and sends nothing.
		photo, sum = o.declare(content, "image/jpeg")
		o.create(photo, sum, len(content))
		path = "/v1/photos/" + string(photo)
		if c, codes := page(o.ann); !strings.HasPrefix(codes, "captured hashed declared found receipt ") || strings.Contains(codes, "received") {
			t.Errorf("of bytes that nobody sent it tells %s: %+v", codes, c.Events)
		}
		report, err := o.a.Verify(t.Context())
		if err != nil || !report.Sound() {
			t.Errorf("%v\n%v", err, report)
		}
	})
}
