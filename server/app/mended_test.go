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

// declares pushes a declaration of a photo under an id, with what is said differently than a good one says it.
func (o *office) declares(photo, report field.RecordID, content []byte, said obj) (outcome string, kept field.RecordID) {
	o.t.Helper()
	h := sha256.Sum256(content)
	set := obj{"reportId": report, "siteId": o.site, "sha256": hex.EncodeToString(h[:]), "size": len(content), "type": "image/jpeg", "capture": "app"}
	for name, v := range said {
		set[name] = v
	}
	o.batch++
	var res struct {
		Outcomes []struct {
			Outcome  string
			RecordID field.RecordID
		}
	}
	o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{
		{"id": photo, "kind": "photo", "base": 0, "set": set},
	}}, &res)
	return res.Outcomes[0].Outcome, res.Outcomes[0].RecordID
}

// A declaration is refused for something beside the file, the file is uploaded all the same, and the phone corrects the
// declaration under the same id: as often as it takes. The photo is stored in the end, whatever went wrong before.
func TestACorrectedDeclarationIsStored(t *testing.T) {
	wrong := map[string]obj{
		"a position that phones send when they know nothing": {"position": obj{"lat": 0, "lon": 0}},
		"a caption that is too long":                         {"caption": strings.Repeat("长", 501)},
		"another size":                                       {"caption": strings.Repeat("长", 501), "size": 77},
		"another type":                                       {"caption": strings.Repeat("长", 501), "type": "image/png"},
		"another file":                                       {"caption": strings.Repeat("长", 501), "sha256": strings.Repeat("ab", 32)},
	}
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		shade := uint8(0)
		for name, said := range wrong {
			for _, times := range []int{1, 3} {
				shade += 7
				content := picture(t, shade)
				h := sha256.Sum256(content)
				sum := hex.EncodeToString(h[:])
				photo, report := newID(), newID()
				for range times {
					if outcome, _ := o.declares(photo, report, content, said); outcome != "rejected" {
						t.Fatalf("%s: %s", name, outcome)
					}
					o.upload(o.ann, photo, sum, content) // may be refused, where the declaration says something else of the file
				}
				outcome, _ := o.declares(photo, report, content, nil)
				if outcome != "applied" {
					t.Fatalf("%s, %d times, and corrected: %s", name, times, outcome)
				}
				status, code, rec := o.upload(o.ann, photo, sum, content)
				if rec == nil || rec.SHA256 != sum || rec.Size != int64(len(content)) || rec.PhotoID != string(photo) {
					t.Errorf("%s, %d times, and corrected: %d %s %+v", name, times, status, code, rec)
					continue
				}
				if fields := o.examined(photo); fields["receipt"] == nil {
					t.Errorf("%s: the photo is not stored", name)
				}
			}
		}
	})
}

// What arrived for a declaration that was refused belongs to the corrected one: the phone has its receipt, and has
// freed the file.
func TestBytesThatArrivedForARefusedDeclarationAreNotAskedForAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 60)
		h := sha256.Sum256(content)
		sum := hex.EncodeToString(h[:])
		photo, report := newID(), newID()
		long := obj{"caption": strings.Repeat("长", 501)}
		_, first := o.declares(photo, report, content, long)
		if status, code, rec := o.upload(o.ann, photo, sum, content); rec == nil {
			t.Fatalf("%d %s", status, code)
		}
		// Corrected, and still wrong: the newest declaration is asked for, and the bytes are here.
		if outcome, _ := o.declares(photo, report, content, long); outcome != "rejected" {
			t.Fatal(outcome)
		}
		if status, code, rec := o.upload(o.ann, photo, sum, content); rec == nil {
			t.Fatalf("the second declaration: %d %s", status, code)
		}
		if outcome, _ := o.declares(photo, report, content, nil); outcome != "applied" {
			t.Fatal(outcome)
		}
		if state, fields := o.state(photo); fields["receipt"] == nil {
			t.Errorf("nobody sends the file again, and the photo is %s", state)
		}
		o.examined(photo)
		// Both that were kept are still there to be settled, and their acceptance changes nothing any more.
		if status, _, answer := o.ask(http.MethodPost, "/v1/parked/"+string(first)+"/settle", o.desk, obj{"version": o.versionOf(first), "reason": "已更正"}); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	})
}

// versionOf is the version of an operation that was kept.
func (o *office) versionOf(kept field.RecordID) int64 {
	o.t.Helper()
	var v version
	o.ok("GET", "/v1/records/"+string(kept), o.desk, nil, &v)
	return v.Version
}

// What is kept for a report lies before its reviewer, photos with their pictures, and the approval says what was not
// decided.
func TestAReportShowsWhatIsKeptForIt(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 33)
		h := sha256.Sum256(content)
		sum := hex.EncodeToString(h[:])
		template, report, photo, finding := newID(), newID(), newID(), newID()
		o.ok("POST", "/v1/templates", o.desk, obj{"id": template, "fields": obj{"title": "清单", "version": 1, "items": []obj{{"id": "roof", "zh": "屋顶", "type": "text"}}}}, nil)
		var v version
		o.ok("GET", "/v1/records/"+string(template), o.desk, nil, &v)
		o.ok("POST", "/v1/templates/"+string(template)+"/publish", o.desk, obj{"version": v.Version}, nil)
		var res struct {
			Outcomes []struct {
				Outcome, Code string
				RecordID      field.RecordID
			}
		}
		push := func(ops ...obj) {
			t.Helper()
			o.batch++
			res.Outcomes = nil
			o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": ops}, &res)
		}
		push(
			obj{"id": report, "kind": "report", "base": 0, "set": obj{
				"siteId": o.site, "templateId": template, "inspectors": []field.RecordID{o.people["ann"], o.people["far"]},
				"startedAt": "2026-01-05T08:00:00+08:00", "endedAt": "2026-01-05T09:00:00+08:00",
			}},
			obj{"id": finding, "kind": "finding", "base": 0, "set": obj{"siteId": o.site, "reportId": report, "title": "漏雨"}},
		)
		foundAt := func() (v version) {
			o.ok("GET", "/v1/records/"+string(finding), o.desk, nil, &v)
			return v
		}
		o.ok("GET", "/v1/records/"+string(report), o.desk, nil, &v)
		push(
			obj{"id": report, "kind": "report", "base": v.Version, "set": obj{"summary": strings.Repeat("长", 10_001)}},
			obj{"id": finding, "kind": "finding", "base": foundAt().Version, "set": obj{"facts": 7}},
			obj{"id": newID(), "kind": "finding", "base": 0, "set": obj{"siteId": o.site, "reportId": newID(), "title": 7}}, // of another report
		)
		_, kept := o.declares(photo, report, content, obj{"caption": strings.Repeat("长", 501)})
		var shown struct {
			Report version
			Kept   []struct {
				version
				Ways  []field.Way
				Photo *workflow.KeptPhoto
			}
		}
		o.ok("GET", "/v1/reports/"+string(report), o.desk, nil, &shown)
		if len(shown.Kept) != 3 {
			t.Fatalf("%d operations are shown: %+v", len(shown.Kept), shown.Kept)
		}
		path := "/v1/parked/" + string(kept) + "/photo"
		if status, _, _ := o.ask("GET", path, o.desk, nil); status != http.StatusNotFound {
			t.Errorf("bytes that have not arrived: %d", status)
		}
		if status, code, rec := o.upload(o.ann, photo, sum, content); rec == nil {
			t.Fatalf("%d %s", status, code)
		}
		o.ok("GET", "/v1/reports/"+string(report), o.desk, nil, &shown)
		for _, k := range shown.Kept {
			if len(k.Ways) == 0 || (k.ID == kept) != (k.Photo != nil) {
				t.Errorf("%+v", k)
			}
			if k.Photo != nil && (k.Photo.ID != photo || k.Photo.SHA256 != sum || !k.Photo.Arrived) {
				t.Errorf("the photo is %+v", k.Photo)
			}
		}
		for who, token := range map[string]string{"the reviewer": o.desk, "who sent it": o.ann} {
			if status, head, answer := o.ask("GET", path, token, nil); status != http.StatusOK || string(answer) != string(content) || head.Get("ETag") != `"`+sum+`"` {
				t.Errorf("%s gets %d with %d bytes", who, status, len(answer))
			}
		}
		if status, _, _ := o.ask("GET", path, o.far, nil); status != http.StatusNotFound {
			t.Errorf("somebody else gets %d", status)
		}
		o.ok("GET", "/v1/records/"+string(report), o.desk, nil, &v)
		push(obj{"id": report, "kind": "report", "base": v.Version, "command": "submit"})
		if res.Outcomes[0].Outcome != "applied" {
			t.Fatalf("%+v", res)
		}
		o.ok("POST", "/v1/parked/"+string(kept)+"/accept", o.desk, obj{"version": o.versionOf(kept), "correction": obj{"set": obj{"caption": "屋顶"}}}, nil)
		o.examined(photo)
		o.ok("GET", "/v1/records/"+string(report), o.desk, nil, &v)
		var approved struct {
			State  field.State
			Fields struct{ KeptUndecided []field.RecordID }
		}
		o.ok("POST", "/v1/reports/"+string(report)+"/approve", o.desk, obj{"version": v.Version}, &approved)
		if approved.State != field.ReportApproved || len(approved.Fields.KeptUndecided) != 2 {
			t.Errorf("the approval says %+v", approved)
		}
	})
}
