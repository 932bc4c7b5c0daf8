package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// outcome is what became of an operation.
type outcome struct {
	Outcome, Message string
	Code             field.Code
	Version          int64
}

// push sends operations in the name of an inspector, from a phone of hers, and gives their outcomes.
func (o *office) push(token string, phone field.RecordID, batch int, operations ...obj) []outcome {
	o.t.Helper()
	var res struct{ Outcomes []outcome }
	o.ok("POST", "/v1/sync/push", token, obj{"device": phone, "batch": batch, "scope": o.scope, "operations": operations}, &res)
	return res.Outcomes
}

func (o *office) next() int {
	o.batch++
	return o.batch
}

func sumOf(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// set is an edit of a photo on the version that stands.
func (o *office) set(photo field.RecordID, fields obj) obj {
	o.t.Helper()
	return obj{"id": photo, "kind": "photo", "base": o.at(photo), "set": fields}
}

// at is the version at which a record stands.
func (o *office) at(id field.RecordID) int64 {
	o.t.Helper()
	var r version
	o.ok("GET", "/v1/records/"+string(id), o.desk, nil, &r)
	return r.Version
}

func textOf(v json.RawMessage) string {
	var s string
	_ = json.Unmarshal(v, &s) // what is none is ""
	return s
}

func is(t *testing.T, what string, got outcome, want string, code field.Code) {
	t.Helper()
	if got.Outcome != want || got.Code != code {
		t.Fatalf("%s: %+v, want %s %s", what, got, want, code)
	}
}

// The hash, the size and the type of a photo are corrected by an edit, by its author, for as long as no bytes are
// stored. What was declared first stays beside it, its report names the new hash, and nothing of the old declaration is
// waited for.
func TestAWrongDeclarationIsCorrected(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		otherPhone, content, thumbnail := newID(), picture(t, 9), picture(t, 12)[:20_000]
		bob, bobToken := o.person("bob", "inspector", otherPhone)
		o.ok("POST", "/v1/grants", o.desk, obj{"userId": bob, "scope": o.scope, "why": "检查"}, nil)
		template, report := newID(), newID()
		o.ok("POST", "/v1/templates", o.desk, obj{"id": template, "fields": obj{"title": "检查", "version": 1, "items": []obj{{"id": "roof", "zh": "屋顶", "type": "text"}}}}, nil)
		o.ok("POST", "/v1/templates/"+string(template)+"/publish", o.desk, obj{"version": o.at(template)}, nil)
		_, wrong := o.declare(thumbnail, "image/png") // the app hashed a thumbnail, and took its type
		is(t, "the report", o.push(o.ann, o.phone, o.next(), obj{"id": report, "kind": "report", "base": 0, "set": obj{
			"siteId": o.site, "templateId": template, "templateVersion": 1, "visitType": "visit", "inspectors": []field.RecordID{o.people["ann"], bob},
			"startedAt": "2026-11-20T09:00:00+08:00", "endedAt": "2026-11-20T10:00:00+08:00", "answers": obj{"roof": obj{"value": "leaks"}}, "photos": []string{wrong},
		}})[0], "applied", "")
		is(t, "queueing", o.push(o.ann, o.phone, o.next(), obj{"id": report, "kind": "report", "base": 0, "command": "queue", "args": obj{}})[0], "applied", "")

		// The photo of the report, not of another.
		own := newID()
		is(t, "the declaration", o.push(o.ann, o.phone, o.next(), obj{"id": own, "kind": "photo", "base": 0, "set": obj{
			"reportId": report, "siteId": o.site, "sha256": wrong, "size": len(thumbnail), "type": "image/png", "caption": "屋顶",
		}})[0], "applied", "")
		begun := o.create(own, wrong, len(thumbnail))
		if status, _, answer := o.piece(begun, 0, thumbnail[:100]); status != 204 {
			t.Fatalf("%d %s", status, answer)
		}
		right := obj{"sha256": sumOf(content), "size": len(content), "type": "image/jpeg"}
		is(t, "a colleague", o.push(bobToken, otherPhone, 1, o.set(own, right))[0], "rejected", "not_yours")
		is(t, "an image that nobody may send", o.push(o.ann, o.phone, o.next(), o.set(own, obj{"size": 65 << 20}))[0], "rejected", "photo_too_big")
		is(t, "the time at which it was taken", o.push(o.ann, o.phone, o.next(), o.set(own, obj{"takenAt": "2026-11-20T09:30:00+08:00"}))[0], "rejected", "read_only_field")
		if _, fields := o.state(own); textOf(fields["sha256"]) != wrong || fields["declaredFirst"] != nil {
			t.Fatalf("after what was refused: %s", fields)
		}
		is(t, "the correction", o.push(o.ann, o.phone, o.next(), o.set(own, right))[0], "applied", "")
		o.takes("after the correction", "bijie", 0, 0, len(thumbnail)+len(content)) // the other photo still waits

		if status, _, _ := o.ask("HEAD", begun, o.ann, nil, "Tus-Resumable", "1.0.0"); status != 404 {
			t.Errorf("the upload of what was declared before: %d", status)
		}
		if status, code, _ := o.upload(o.ann, own, wrong, thumbnail); status != 460 || code != "hash_mismatch" {
			t.Errorf("the old file: %d %s", status, code)
		}
		if _, _, rec := o.upload(o.ann, own, sumOf(content), content); rec == nil || rec.Type != "image/jpeg" {
			t.Fatalf("the right file: %+v", rec)
		}
		state, fields := o.state(own)
		var first struct {
			SHA256, Type string
			Size         int
		}
		if err := json.Unmarshal(fields["declaredFirst"], &first); err != nil || first.SHA256 != wrong || first.Size != len(thumbnail) || first.Type != "image/png" {
			t.Errorf("what was declared first: %s %v", fields["declaredFirst"], err)
		}
		if !field.PhotoIsStored(&field.Record{State: state}) || textOf(fields["caption"]) != "屋顶" {
			t.Errorf("%s %s", state, fields)
		}
		if state, fields := o.state(report); state != "submitted" || !strings.Contains(string(fields["photos"]), sumOf(content)) {
			t.Errorf("the report is %s with %s", state, fields["photos"])
		}
		is(t, "once the report was handed in with it", o.push(o.ann, o.phone, o.next(), o.set(own, obj{"sha256": wrong}))[0], "rejected", "part_frozen")
		var chain struct{ Events []struct{ Code string } }
		o.ok("GET", "/v1/photos/"+string(own)+"/custody", o.desk, nil, &chain)
		var codes string
		for _, e := range chain.Events {
			codes += e.Code + " "
		}
		if !strings.Contains(codes, "hashed declared redeclared received receipt ") {
			t.Errorf("the chain of hands: %s", codes)
		}

		// Of an upload that was begun only the type is wrong; what had come counts no more, and the same address takes
		// it.
		content = picture(t, 40)
		photo, sum := o.declare(content, "image/png")
		upload := o.create(photo, sum, len(content))
		if status, _, answer := o.piece(upload, 0, content[:100]); status != 204 {
			t.Fatalf("%d %s", status, answer)
		}
		is(t, "the type", o.push(o.ann, o.phone, o.next(), o.set(photo, obj{"type": "image/jpg"}))[0], "applied", "")
		if status, _, _ := o.piece(upload, 100, content[100:]); status != 404 {
			t.Errorf("going on with the old type: %d", status)
		}
		if again := o.create(photo, sum, len(content)); again != upload || o.offset(upload) != 0 {
			t.Errorf("begun again at %s, %d", again, o.offset(upload))
		}
		o.arrives(upload, photo, sum, content)
		is(t, "once the bytes are stored", o.push(o.ann, o.phone, o.next(), o.set(photo, obj{"sha256": wrong}))[0], "rejected", "read_only_field")
	})
}

// What an upload must refuse is refused when it is declared; other names for a type are taken for it.
func TestWhatMayBeDeclared(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		cfg.UploadMax = 2 << 20
		o := open(t, cfg)
		for _, tt := range []struct {
			media string
			size  int64
			code  field.Code
			kept  string
		}{
			{"image/jpeg", 2 << 20, "", "image/jpeg"},
			{"image/jpeg", 2<<20 + 1, "photo_too_big", ""},
			{"image/jpg", 2<<20 + 1, "photo_too_big", ""},
			{"image/heic", 3 << 20, "photo_too_big", ""},
			{"video/mp4", 2 << 30, "", "video/mp4"},
			{"audio/3gpp", 2<<30 + 1, "out_of_range", ""},
			{"image/jpeg", 0, "out_of_range", ""},
			{"image/gif", 100, "bad_choice", ""},
			{"IMAGE/JPEG", 100, "bad_choice", ""},
			{"image/jpg", 100, "", "image/jpeg"},
			{"image/heif", 100, "", "image/heic"},
			{"video/quicktime", 100, "", "video/quicktime"},
			{"video/3gpp", 100, "", "video/3gpp"},
			{"audio/x-m4a", 100, "", "audio/mp4"},
		} {
			photo := newID()
			got := o.push(o.ann, o.phone, o.next(), obj{"id": photo, "kind": "photo", "base": 0, "set": obj{
				"reportId": newID(), "siteId": o.site, "sha256": strings.Repeat("a", 64), "size": tt.size, "type": tt.media,
			}})[0]
			if tt.code != "" {
				is(t, tt.media, got, "rejected", tt.code)
				continue
			}
			is(t, tt.media, got, "applied", "")
			if _, fields := o.state(photo); textOf(fields["type"]) != tt.kept {
				t.Errorf("%s is kept as %s", tt.media, fields["type"])
			}
		}
	})
}

// What the recorders of phones write is kept as it is, whichever of the ISO family they call it, and leaves as what it
// was declared to be.
func TestRecordings(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		for media, brand := range map[string]string{
			"video/mp4": "3gp4isom3gp4", "audio/mp4": "3gp4isom3gp4", "video/3gpp": "3gp5isom3gp5", "audio/3gpp": "3gp4isom3gp4", "video/quicktime": "qt  \x00\x00\x02\x00qt  ",
		} {
			brand = brand[:4] + "\x00\x00\x00\x00" + brand[len(brand)-4:]
			content := append([]byte("\x00\x00\x00\x14ftyp"+brand), bytes.Repeat([]byte("moov"+media), 5000)...)
			photo, sum := o.declare(content, media)
			if status, code, rec := o.upload(o.ann, photo, sum, content); rec == nil || rec.Type != media {
				t.Errorf("%s: %d %s %+v", media, status, code, rec)
				continue
			}
			status, head, b := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil)
			if status != 200 || !bytes.Equal(b, content) || head.Get("Content-Type") != media || head.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s leaves as %d %v", media, status, head)
			}
			if _, fields := o.state(photo); fields["receipt"] == nil {
				t.Errorf("%s: %s", media, fields)
			}
		}
		// Pictures are none.
		content := picture(t, 3)
		photo, sum := o.declare(content, "video/quicktime")
		if status, code, _ := o.upload(o.ann, photo, sum, content); status != 400 || code != "not_a_photo" {
			t.Errorf("a picture declared as a film: %d %s", status, code)
		}
	})
}

// Every answer under the address of uploads says which tus this is, also a refusal that comes before the routes.
func TestEveryAnswerSaysWhichTus(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 3)
		photo, sum := o.declare(content, "image/jpeg")
		upload := o.create(photo, sum, len(content))
		for _, tt := range []struct {
			method, path, token string
			body                any
			headers             []string
			status              int
		}{
			{"OPTIONS", "/v1/uploads", "", nil, nil, 204},
			{"OPTIONS", "/v1/uploads/", "", nil, nil, 204},
			{"HEAD", upload, o.ann, nil, nil, 412},
			{"HEAD", upload, "", nil, []string{"Tus-Resumable", "1.0.0"}, 401},
			{"HEAD", upload, "nonsense", nil, []string{"Tus-Resumable", "1.0.0"}, 401},
			{"HEAD", upload, o.far, nil, []string{"Tus-Resumable", "1.0.0"}, 404},
			{"HEAD", upload + "/", o.ann, nil, []string{"Tus-Resumable", "1.0.0"}, 200},
			{"HEAD", upload + "/x", o.ann, nil, []string{"Tus-Resumable", "1.0.0"}, 404},
			{"GET", upload, o.ann, nil, []string{"Tus-Resumable", "1.0.0"}, 405},
			{"GET", "/v1/uploads", o.ann, nil, nil, 405},
			{"POST", "/v1/uploads?x=1", o.ann, nil, nil, 400},
			{"POST", "/v1/uploads/", o.ann, nil, []string{"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", metadata(photo, sum)}, 201},
			{"POST", "/v1/uploads", "", content, []string{"Tus-Resumable", "1.0.0"}, 401},
			{"POST", "/v1/uploads", o.ann, content, []string{"Tus-Resumable", "1.0.0", "Content-Encoding", "gzip"}, 415},
			{"POST", upload, o.ann, content, []string{"X-HTTP-Method-Override", "PATCH", "Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "7"}, 409},
			{"POST", upload, o.ann, content, []string{"X-HTTP-Method-Override", "PATCH", "Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0"}, 204},
			{"PUT", upload, o.ann, nil, []string{"X-HTTP-Method-Override", "HEAD", "Tus-Resumable", "1.0.0"}, 200},
			{"POST", upload, o.ann, nil, []string{"X-HTTP-Method-Override", "SING", "Tus-Resumable", "1.0.0"}, 405},
		} {
			status, head, answer := o.ask(tt.method, tt.path, tt.token, tt.body, tt.headers...)
			if status != tt.status || head.Get("Tus-Resumable") != "1.0.0" {
				t.Errorf("%s %s %v: %d, Tus-Resumable %q, want %d: %s", tt.method, tt.path, tt.headers, status, head.Get("Tus-Resumable"), tt.status, answer)
			}
			if status == http.StatusOK && head.Get("Upload-Metadata") == "" {
				t.Errorf("%s %s: no Upload-Metadata", tt.method, tt.path)
			}
		}
		if _, head, _ := o.ask("GET", "/v1/me", o.ann, nil); head.Get("Tus-Resumable") != "" {
			t.Error("an answer that is not of uploads speaks of tus")
		}
	})
}
