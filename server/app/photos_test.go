package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/app"
	"fieldclue/server/checks"
	"fieldclue/server/config"
	"fieldclue/server/field"
)

type obj = map[string]any

// office is a server with an administrator, a supervisor, a site, and two inspectors of which one may go there.
type office struct {
	t           *testing.T
	a           *app.App
	admin       string // the administrator's token
	desk        string // the supervisor's
	ann         string // the inspector's, who may
	far         string // the other one's
	phone       field.RecordID
	pc          field.RecordID // the device at the desk
	adminDevice field.RecordID
	grant       version // of the inspector's, to the site
	site        field.RecordID
	scope       field.Scope
	batch       int

	people map[string]field.RecordID // by sign-in name
}

// version is a record as it was answered.
type version struct {
	ID      field.RecordID
	Version int64
}

func newID() field.RecordID {
	var r [10]byte
	_, _ = rand.Read(r[:]) // never fails
	return field.NewID(time.Now(), r)
}

// ask sends a request. bytes go as they are, anything else as JSON; headers are pairs.
func (o *office) ask(method, path, token string, body any, headers ...string) (status int, head http.Header, answer []byte) {
	o.t.Helper()
	raw, plain := body.([]byte)
	if !plain && body != nil {
		raw = field.Quote(body)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.a.URL()+path, bytes.NewReader(raw))
	if err != nil {
		o.t.Fatal(err)
	}
	if !plain && body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	answer, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it was read to its end
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, answer
}

// ok sends a request that must succeed and reads its answer.
func (o *office) ok(method, path, token string, body, into any) {
	o.t.Helper()
	status, _, answer := o.ask(method, path, token, body)
	if status >= 300 {
		o.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			o.t.Fatal(err)
		}
	}
}

const password = "kettle orchard violin"

func device(id field.RecordID) obj { return obj{"id": id, "name": "test", "platform": "test"} }

// person makes somebody with a role, signed in on a device.
func (o *office) person(login, role string, on field.RecordID) (id field.RecordID, token string) {
	o.t.Helper()
	return o.hire("", login, role, on)
}

// hire is person in any organisation.
func (o *office) hire(org, login, role string, on field.RecordID) (id field.RecordID, token string) {
	o.t.Helper()
	body := obj{"login": login, "password": password, "name": login, "roles": []obj{{"role": role}}}
	if org != "" {
		body["org"] = org
	}
	var p struct {
		ID         field.RecordID
		DeviceCode struct{ Code string }
	}
	o.ok("POST", "/v1/people", o.admin, body, &p)
	var s struct{ AccessToken string }
	o.ok("POST", "/v1/auth/sign-in", "", obj{"login": login, "password": password, "device": device(on), "code": p.DeviceCode.Code}, &s)
	if o.people == nil {
		o.people = map[string]field.RecordID{}
	}
	o.people[login] = p.ID
	return p.ID, s.AccessToken
}

// code is a one-time code for one more device of somebody.
func (o *office) code(login string) string {
	o.t.Helper()
	var c struct{ Code string }
	o.ok("POST", "/v1/people/"+string(o.people[login])+"/device-codes", o.admin, obj{}, &c)
	return c.Code
}

func open(t *testing.T, cfg config.Config) *office {
	t.Helper()
	o := &office{t: t, a: start(t, cfg), adminDevice: newID(), phone: newID(), site: newID()}
	o.scope = field.MakeScope(field.ScopeSite, string(o.site))
	code, err := o.a.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var admin struct{ AccessToken string }
	o.ok("POST", "/v1/setup", "", obj{
		"code": code, "org": obj{"code": "bijie", "name": "毕节", "region": "520500"}, "name": "管理员", "login": "admin", "password": password, "device": device(o.adminDevice),
	}, &admin)
	o.admin = admin.AccessToken
	o.pc = newID()
	_, o.desk = o.person("cai", "supervisor", o.pc)
	ann, token := o.person("ann", "inspector", o.phone)
	o.ann = token
	_, o.far = o.person("far", "inspector", newID())
	project := newID()
	o.ok("POST", "/v1/projects", o.desk, obj{"id": project, "fields": obj{"externalId": "P", "name": "茶园", "type": "industry", "county": "520502"}}, nil)
	o.ok("POST", "/v1/sites", o.desk, obj{"id": o.site, "fields": obj{"name": "一号", "projectId": project, "region": "520502", "position": obj{"lat": 27.3, "lon": 105.3}, "radius": 200}}, nil)
	o.ok("POST", "/v1/grants", o.desk, obj{"userId": ann, "scope": o.scope, "why": "检查"}, &o.grant)
	return o
}

// declare pushes the declaration of a file.
func (o *office) declare(content []byte, kind string) (photo field.RecordID, sum string) {
	o.t.Helper()
	o.batch++
	h := sha256.Sum256(content)
	photo, sum = newID(), hex.EncodeToString(h[:])
	var res struct {
		Outcomes []struct{ Outcome, Code string }
	}
	o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{{
		"id": photo, "kind": "photo", "base": 0, "set": obj{
			"reportId": newID(), "siteId": o.site, "sha256": sum, "size": len(content), "type": kind, "capture": "app",
			"takenAt": time.Now().Format(time.RFC3339), "position": obj{"lat": 27.3, "lon": 105.3, "accuracy": 9, "system": "gcj02"},
		},
	}}}, &res)
	if res.Outcomes[0].Outcome != "applied" {
		o.t.Fatalf("the declaration: %+v", res)
	}
	return photo, sum
}

// upload sends a file in one request of tus.
func (o *office) upload(token string, photo field.RecordID, sum string, content []byte) (status int, code field.Code, rec *receipt.Receipt) {
	o.t.Helper()
	meta := func(name, value string) string { return name + " " + base64.StdEncoding.EncodeToString([]byte(value)) }
	status, head, answer := o.ask("POST", "/v1/uploads", token, content,
		"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Length", strconv.Itoa(len(content)),
		"Upload-Metadata", meta("photoId", string(photo))+","+meta("sha256", sum))
	if status >= 300 {
		var p struct{ Code field.Code }
		if err := json.Unmarshal(answer, &p); err != nil {
			o.t.Fatalf("%d %s: %v", status, answer, err)
		}
		return status, p.Code, nil
	}
	raw, err := base64.StdEncoding.DecodeString(head.Get("Fieldclue-Receipt"))
	if err != nil || json.Unmarshal(raw, &rec) != nil {
		o.t.Fatalf("%d without a receipt: %v", status, head)
	}
	return status, "", rec
}

// interrupt sends the first bytes of a file, over 8 KiB of them so that the server begins to read, and hangs up.
func (o *office) interrupt(token string, photo field.RecordID, sum string, content []byte, after int) {
	o.t.Helper()
	meta := func(name, value string) string { return name + " " + base64.StdEncoding.EncodeToString([]byte(value)) }
	conn, err := net.Dial("tcp", strings.TrimPrefix(o.a.URL(), "http://"))
	if err != nil {
		o.t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /v1/uploads HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\nUpload-Length: %d\r\nUpload-Metadata: %s,%s\r\n\r\n%s",
		token, len(content), len(content), meta("photoId", string(photo)), meta("sha256", sum), content[:after])
	if err = errors.Join(err, conn.(*net.TCPConn).CloseWrite()); err == nil {
		_, err = io.ReadAll(conn) // the server has understood that no more comes
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		o.t.Fatal(err)
	}
}

// state of a photo's record.
func (o *office) state(photo field.RecordID) (state field.State, fields map[string]json.RawMessage) {
	o.t.Helper()
	var r struct {
		State  field.State
		Fields map[string]json.RawMessage
	}
	o.ok("GET", "/v1/records/"+string(photo), o.desk, nil, &r)
	return r.State, r.Fields
}

func picture(t *testing.T, shade uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 1700, 800))
	for i := range img.Pix {
		img.Pix[i] = shade + uint8(i%97)
	}
	img.SetGray(3, 3, color.Gray{Y: 255})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// From bytes to evidence through the whole program, on the embedded engines and on those of production: what is not
// what was declared leaves nothing behind; what is gets a receipt that anybody can check, facts, and two renditions.
func TestOnlyTheBytesThatWereDeclaredBecomeEvidence(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		good := picture(t, 1)
		photo, sum := o.declare(good, "image/jpeg")
		flipped := bytes.Clone(good)
		flipped[len(flipped)/2] ^= 1
		page := []byte("<html>" + strings.Repeat("no photo ", 100))
		fake, fakeSum := o.declare(page, "image/jpeg")
		for _, c := range []struct {
			name    string
			token   string
			photo   field.RecordID
			sum     string
			content []byte
			status  int
			code    field.Code
		}{
			{"other bytes", o.ann, photo, sum, flipped, 460, field.CodeHashMismatch},
			{"a byte too few", o.ann, photo, sum, good[:len(good)-1], 400, field.CodeSizeMismatch},
			{"a byte too many", o.ann, photo, sum, append(bytes.Clone(good), 0), 400, field.CodeSizeMismatch},
			{"another hash", o.ann, photo, fakeSum, good, 460, field.CodeHashMismatch},
			{"no photo", o.ann, fake, fakeSum, page, 400, field.CodeNotAPhoto},
			{"not declared", o.ann, newID(), sum, good, 404, field.CodePhotoNotDeclared},
			{"by somebody who may not", o.far, photo, sum, good, 404, field.CodePhotoNotDeclared},
			{"by nobody", "", photo, sum, good, 401, field.CodeTokenMissing},
		} {
			status, code, _ := o.upload(c.token, c.photo, c.sum, c.content)
			if code != c.code || status != c.status {
				t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
			}
			if state, fields := o.state(photo); state != "declared" || fields["receipt"] != nil {
				t.Fatalf("%s: the photo is %s", c.name, state)
			}
			if status, _, _ := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); status != 404 {
				t.Errorf("%s: the original answers %d", c.name, status)
			}
		}
		report, err := o.a.Verify(t.Context())
		if err != nil || !report.Sound() || report.Photos != 0 {
			t.Fatalf("%v\n%v", err, report)
		}

		_, _, rec := o.upload(o.ann, photo, sum, good)
		var published struct{ PublicKey []byte }
		o.ok("GET", "/v1/receipt-key", o.ann, nil, &published)
		if rec == nil || receipt.Verify(published.PublicKey, *rec) != nil || rec.SHA256 != sum || rec.PhotoID != string(photo) || rec.Size != int64(len(good)) {
			t.Fatalf("receipt %+v", rec)
		}
		if _, _, again := o.upload(o.ann, photo, sum, good); *again != *rec {
			t.Errorf("a second upload got another receipt: %+v, %+v", again, rec)
		}
		fields := o.examined(photo)
		if fields["facts"] == nil || fields["small"] == nil || fields["large"] == nil || fields["perceptual"] == nil {
			t.Errorf("after the examination: %s", fields)
		}
		for name, width := range map[string]int{"small": 320, "large": 1600} {
			_, _, b := o.ask("GET", "/v1/photos/"+string(photo)+"/"+name, o.desk, nil)
			if size, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || size.Width != width {
				t.Errorf("%s: %v, %+v", name, err, size)
			}
		}
		if _, _, b := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); !bytes.Equal(b, good) {
			t.Error("the original is not the bytes that were sent")
		}
		// The same bytes for another photo are stored once, and both are evidence.
		twin, _ := o.declare(good, "image/jpeg")
		if _, _, rec := o.upload(o.ann, twin, sum, good); rec == nil || rec.PhotoID != string(twin) {
			t.Errorf("the twin's receipt: %+v", rec)
		}
		o.examined(twin)
		report, err = o.a.Verify(t.Context())
		if err != nil || !report.Sound() || report.Photos != 2 {
			t.Errorf("%v\n%v", err, report)
		}
	})
}

// What an upload went through is in the log: how often it broke, and where, when and why each time.
func TestInterruptionsOfAnUploadAreInTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 3)
		photo, sum := o.declare(content, "image/jpeg")
		o.interrupt(o.ann, photo, sum, content, 16_000)
		o.interrupt(o.ann, photo, sum, content, 26_000)
		o.upload(o.ann, photo, sum, content)
		_, fields := o.state(photo)
		o.broke(fields, 16_000, 26_000)
		whole, _ := o.declare(content, "image/jpeg")
		o.upload(o.ann, whole, sum, content)
		_, fields = o.state(whole)
		o.broke(fields)
		report, err := o.a.Verify(t.Context())
		if err != nil || !report.Sound() {
			t.Errorf("%v\n%v", err, report)
		}
	})
}

// broke compares the interruptions of a photo's record with the offsets at which its upload broke.
func (o *office) broke(fields map[string]json.RawMessage, at ...int64) {
	o.t.Helper()
	var breaks []struct {
		Offset int64
		At     time.Time
		Code   field.Code
	}
	if raw := fields["breaks"]; raw != nil {
		if err := json.Unmarshal(raw, &breaks); err != nil {
			o.t.Fatal(err)
		}
	}
	if len(breaks) != len(at) || string(fields["interruptions"]) != strconv.Itoa(len(at)) {
		o.t.Fatalf("%s interruptions, of which %s; want %v", fields["interruptions"], fields["breaks"], at)
	}
	for i, b := range breaks {
		if b.Offset != at[i] || b.Code != field.CodeBodyTruncated || time.Since(b.At) > time.Hour {
			o.t.Errorf("interruption %d: %+v", i, b)
		}
	}
}

// A visit whose end is known only after its photos have arrived is held against them then, once, and on both stores.
func TestPhotosAreCheckedAgainWhenTheVisitHasEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 7)
		photo, sum := o.declare(content, "image/jpeg")
		o.upload(o.ann, photo, sum, content)
		fields := o.examined(photo)
		var report string
		if err := json.Unmarshal(fields["reportId"], &report); err != nil {
			t.Fatal(err)
		}
		outside := func() (n int) {
			var page struct {
				Items []struct {
					Fields struct{ Code, TargetID string }
				}
			}
			o.ok("GET", "/v1/flags?reportId="+report, o.desk, nil, &page)
			for _, f := range page.Items {
				if f.Fields.Code == "photo_time_outside" && f.Fields.TargetID == string(photo) {
					n++
				}
			}
			return n
		}
		if n := outside(); n != 0 {
			t.Fatalf("%d flags before anybody knew when the visit was", n)
		}
		times := func(id string, base int64, set obj) (version int64) {
			o.batch++
			var res struct {
				Outcomes []struct {
					Outcome       string
					Code, Message string
					Version       int64
				}
			}
			o.ok("POST", "/v1/sync/push", o.ann, obj{"device": o.phone, "batch": o.batch, "scope": o.scope, "operations": []obj{
				{"id": id, "kind": "report", "base": base, "set": set},
			}}, &res)
			if res.Outcomes[0].Outcome != "applied" {
				t.Fatalf("%+v", res)
			}
			return res.Outcomes[0].Version
		}
		ago := func(h time.Duration) string { return time.Now().Add(-h * time.Hour).Format(time.RFC3339) }
		v := times(report, 0, obj{"siteId": o.site, "templateId": newID(), "startedAt": ago(30)}) // the photo is of now: not too early
		v = times(report, v, obj{"endedAt": ago(28)})
		o.until("the photo is flagged", func() bool { return outside() == 1 })
		times(report, v, obj{"endedAt": ago(27)})
		// By the time that another photo was examined the report has mostly been looked at again.
		other, _ := o.declare(content, "image/jpeg")
		o.upload(o.ann, other, sum, content)
		o.examined(other)
		if n := outside(); n != 1 {
			t.Errorf("%d flags for one photo", n)
		}
	})
}

// A picture that would fill the memory once it is decoded is kept as it came, and not decoded.
func TestAPictureTooLargeToDecodeIsKeptAsItIs(t *testing.T) {
	o := open(t, configured(t, t.TempDir()))
	bomb := bytes.Clone(picture(t, 9))
	at := bytes.Index(bomb, []byte{0xff, 0xc0}) // the frame's header: its height and width
	copy(bomb[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	photo, sum := o.declare(bomb, "image/jpeg")
	if _, _, rec := o.upload(o.ann, photo, sum, bomb); rec == nil {
		t.Fatal("evidence was refused for its dimensions")
	}
	if fields := o.examined(photo); fields["analysisNote"] == nil || fields["small"] != nil {
		t.Errorf("after the examination: %s", fields)
	}
}

// until waits for something that goes on beside the requests.
func (o *office) until(what string, done func() bool) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			o.t.Fatalf("it never came that %s", what)
		}
	}
}

// examined waits until the worker has looked at a photo.
func (o *office) examined(photo field.RecordID) (fields map[string]json.RawMessage) {
	o.t.Helper()
	o.until("somebody looked at the photo", func() bool {
		var state field.State
		state, fields = o.state(photo)
		return state == "analysed" && fields["comparing"] == nil
	})
	return fields
}

// A HEIC is decoded in a child process: what a phone made gets everything that a JPEG gets, and what breaks the decoder
// is kept with a note, while the next photo is examined as ever.
func TestHEIC(t *testing.T) {
	o := open(t, configured(t, t.TempDir()))
	broken := append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), bytes.Repeat([]byte{0xa5}, 5000)...)
	photo, sum := o.declare(broken, "image/heic")
	if _, _, rec := o.upload(o.ann, photo, sum, broken); rec == nil {
		t.Fatal("evidence was refused because nobody can decode it")
	}
	if fields := o.examined(photo); fields["analysisNote"] == nil || fields["facts"] == nil || fields["small"] != nil {
		t.Errorf("after the examination of the broken one: %s", fields)
	}
	phone, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "images", "heic", "iphone_13_pro_max.HEIC"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("a HEIC photo of a phone: skipped, ../shared/images/heic is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	photo, sum = o.declare(phone, "image/heic")
	o.upload(o.ann, photo, sum, phone)
	fields := o.examined(photo)
	if fields["analysisNote"] != nil || fields["perceptual"] == nil {
		t.Errorf("after the examination: %s", fields)
	}
	var facts struct {
		Tags    map[string]any
		Places  []checks.Place
		Moments []checks.Moment
	}
	if err := json.Unmarshal(fields["facts"], &facts); err != nil {
		t.Fatal(err)
	}
	if len(facts.Tags) < 5 || len(facts.Moments) != 2 || facts.Moments[0].Source != checks.FromApp || facts.Moments[1].Source != checks.FromEXIF ||
		facts.Moments[0].At.Equal(facts.Moments[1].At) || len(facts.Places) == 0 || facts.Places[0].Source != checks.FromApp || facts.Places[0].System != checks.GCJ02 {
		t.Errorf("what the app and the file say does not stand side by side: %s", fields["facts"])
	}
	for name, height := range map[string]int{"small": 320, "large": 1600} {
		_, _, b := o.ask("GET", "/v1/photos/"+string(photo)+"/"+name, o.desk, nil)
		if size, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || size.Height != height || size.Width != height*3/4 {
			t.Errorf("%s: %v, %+v: not upright, or of another size", name, err, size)
		}
	}
}

func metadata(photo field.RecordID, sum string) string {
	encode := base64.StdEncoding.EncodeToString
	return "photoId " + encode([]byte(photo)) + ",sha256 " + encode([]byte(sum))
}

// create asks for an upload and gives its path.
func (o *office) create(photo field.RecordID, sum string, size int) string {
	o.t.Helper()
	status, head, answer := o.ask("POST", "/v1/uploads", o.ann, nil,
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata(photo, sum))
	if status != 201 {
		o.t.Fatalf("creating an upload: %d %s", status, answer)
	}
	return head.Get("Location")
}

// piece sends bytes from an offset on.
func (o *office) piece(upload string, offset int64, content []byte) (status int, head http.Header, answer []byte) {
	o.t.Helper()
	return o.ask("PATCH", upload, o.ann, content,
		"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.FormatInt(offset, 10))
}

// offset asks where an upload stands.
func (o *office) offset(upload string) int64 {
	o.t.Helper()
	status, head, _ := o.ask("HEAD", upload, o.ann, nil, "Tus-Resumable", "1.0.0")
	n, err := strconv.ParseInt(head.Get("Upload-Offset"), 10, 64)
	if status != 200 || err != nil {
		o.t.Fatalf("asking for the offset: %d %v", status, head)
	}
	return n
}

// later is the answer that tells a phone to keep what it has and come again.
func later(t *testing.T, what string, status int, head http.Header, answer []byte, want int, code field.Code) {
	t.Helper()
	wait, err := strconv.Atoi(head.Get("Retry-After"))
	if status != want || err != nil || wait < 1 || !strings.Contains(string(answer), `"code":"`+string(code)+`"`) {
		t.Fatalf("%s: %d, Retry-After %q, %s; want %d %s", what, status, head.Get("Retry-After"), answer, want, code)
	}
}

// arrives sends what is left of an upload and checks the receipt and the bytes.
func (o *office) arrives(upload string, photo field.RecordID, sum string, content []byte) {
	o.t.Helper()
	at := o.offset(upload)
	if at < int64(len(content)) {
		if status, _, answer := o.piece(upload, at, content[at:]); status != 204 {
			o.t.Fatalf("the rest from %d on: %d %s", at, status, answer)
		}
	}
	if _, _, rec := o.upload(o.ann, photo, sum, content); rec == nil || rec.SHA256 != sum || rec.Size != int64(len(content)) {
		o.t.Fatalf("the receipt: %+v", rec)
	}
	if status, _, b := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); status != 200 || !bytes.Equal(b, content) {
		o.t.Fatalf("the original: %d, %d bytes", status, len(b))
	}
}
