package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/config"
	"fieldclue/server/field"
)

// sealed is what the routes of sealed puts answer.
type sealed struct {
	ID, PhotoID, Upload string
	Receipt             *receipt.Receipt
	Put                 *struct {
		Method, URL string
		Header      map[string]string
		Until       time.Time
	}
}

// seal asks for an address, or confirms that it was used.
func (o *office) seal(token, path string, body any) (s sealed, status int, code field.Code) {
	o.t.Helper()
	status, _, answer := o.ask("POST", path, token, body)
	var p struct{ Code field.Code }
	if err := json.Unmarshal(answer, &p); err != nil {
		o.t.Fatalf("%d %s: %v", status, answer, err)
	}
	if status < 300 {
		if err := json.Unmarshal(answer, &s); err != nil {
			o.t.Fatal(err)
		}
	}
	return s, status, p.Code
}

// put does what a phone does with the address.
func (o *office) put(s sealed, content []byte) int {
	o.t.Helper()
	if s.Put == nil {
		o.t.Fatal("no address")
	}
	req, err := http.NewRequestWithContext(o.t.Context(), s.Put.Method, s.Put.URL, bytes.NewReader(content))
	if err != nil {
		o.t.Fatal(err)
	}
	for name, value := range s.Put.Header {
		if name != "Content-Length" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = resp.Body.Close() // its status says it
	return resp.StatusCode
}

const askSealed = "/v1/sealed-uploads"

// A photo that a phone puts into MinIO by itself becomes the evidence that it would have become by tus: receipt, log,
// examination, legal hold, retention. Whatever else it does with the address changes nothing.
func TestASealedPutBecomesEvidence(t *testing.T) {
	cfg := onEngines(t)
	cfg.S3.PublicURL, cfg.S3.SealedTTL, cfg.S3.RetentionDays = "http://"+cfg.S3.Endpoint, 15*time.Minute, 1
	o := open(t, cfg)
	good := picture(t, 1)
	photo, sum := o.declare(good, "image/jpeg")
	body := obj{"photoId": photo, "sha256": sum, "size": len(good)}
	untouched := func(when string) {
		t.Helper()
		if state, fields := o.state(photo); state != "declared" || fields["receipt"] != nil {
			t.Fatalf("%s the photo is %s", when, state)
		}
		if status, _, _ := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); status != 404 {
			t.Fatalf("%s the original answers %d", when, status)
		}
	}
	for _, c := range []struct {
		name   string
		token  string
		change obj
		status int
		code   field.Code
	}{
		{"nobody", "", nil, 401, field.CodeTokenMissing},
		{"somebody who may not", o.far, nil, 404, field.CodePhotoNotDeclared},
		{"the wrong hash", o.ann, obj{"sha256": strings.Repeat("ab", 32)}, 460, field.CodeHashMismatch},
		{"the wrong size", o.ann, obj{"size": len(good) + 1}, 400, field.CodeSizeMismatch},
		{"the wrong type", o.ann, obj{"type": "image/png"}, 400, field.CodeNotAPhoto},
		{"what was not declared", o.ann, obj{"photoId": newID()}, 404, field.CodePhotoNotDeclared},
	} {
		changed := obj{}
		for name, v := range body {
			changed[name] = v
		}
		for name, v := range c.change {
			changed[name] = v
		}
		if _, status, code := o.seal(c.token, askSealed, changed); status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
		}
	}
	at, _, code := o.seal(o.ann, askSealed, body)
	if code != "" || at.PhotoID != string(photo) || at.Upload != "/v1/uploads/"+at.ID {
		t.Fatalf("%s %+v", code, at)
	}
	confirm := askSealed + "/" + at.ID + "/confirm"
	if _, status, code := o.seal(o.ann, confirm, nil); status != 409 || code != field.CodeSealedPutMissing {
		t.Errorf("confirmed before the put: %d %s", status, code)
	}
	other := bytes.Clone(good)
	other[len(other)/2] ^= 1
	for _, wrong := range [][]byte{other, good[:len(good)-1]} {
		if status := o.put(at, wrong); status < 400 {
			t.Errorf("%d other bytes: %d", len(wrong), status)
		}
		if _, status, code := o.seal(o.ann, confirm, nil); status != 409 || code != field.CodeSealedPutMissing {
			t.Errorf("confirmed after other bytes: %d %s", status, code)
		}
		untouched("after other bytes")
	}
	if status := o.put(at, good); status != 200 {
		t.Fatal(status)
	}
	untouched("before the confirmation")
	if _, status, code := o.seal(o.far, confirm, nil); status != 404 || code != field.CodeUploadUnknown {
		t.Errorf("confirmed by somebody who may not: %d %s", status, code)
	}
	if _, status, code := o.seal("", confirm, nil); status != 401 {
		t.Errorf("confirmed by nobody: %d %s", status, code)
	}
	untouched("after strangers confirmed")
	done, _, code := o.seal(o.ann, confirm, nil)
	var published struct{ PublicKey []byte }
	o.ok("GET", "/v1/receipt-key", o.ann, nil, &published)
	if code != "" || done.Receipt == nil || receipt.Verify(published.PublicKey, *done.Receipt) != nil || done.Receipt.SHA256 != sum {
		t.Fatalf("%s %+v", code, done)
	}
	again, _, _ := o.seal(o.ann, confirm, nil)
	asked, _, _ := o.seal(o.ann, askSealed, body)
	_, _, byTus := o.upload(o.ann, photo, sum, good)
	if again.Receipt == nil || *again.Receipt != *done.Receipt || asked.Put != nil || asked.Receipt == nil || *asked.Receipt != *done.Receipt || *byTus != *done.Receipt {
		t.Errorf("confirmed, asked for and uploaded again: %+v, %+v, %+v", again, asked, byTus)
	}
	if status := o.put(at, good); status != 412 {
		t.Errorf("the address was used again: %d", status)
	}
	fields := o.examined(photo)
	if fields["facts"] == nil || fields["small"] == nil {
		t.Errorf("after the examination: %s", fields)
	}
	if _, _, b := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); !bytes.Equal(b, good) {
		t.Error("the original is not the bytes that were put")
	}
	report, err := o.a.Verify(t.Context())
	if err != nil || !report.Sound() || report.Photos != 1 {
		t.Errorf("%v\n%v", err, report)
	}

	// A phone that lost the answer goes on by tus, and its upload is whole already.
	lost := picture(t, 2)
	photo, sum = o.declare(lost, "image/jpeg")
	at, _, _ = o.seal(o.ann, askSealed, obj{"photoId": photo, "sha256": sum, "size": len(lost), "type": "image/jpeg"})
	o.put(at, lost)
	if status, _, rec := o.upload(o.ann, photo, sum, lost); rec == nil || rec.PhotoID != string(photo) {
		t.Errorf("taken over by tus: %d %+v", status, rec)
	}
	// What is no photo is not taken, though its hash is right.
	page := []byte("<html>" + strings.Repeat("no photo ", 100))
	photo, sum = o.declare(page, "image/jpeg")
	at, _, _ = o.seal(o.ann, askSealed, obj{"photoId": photo, "sha256": sum, "size": len(page)})
	o.put(at, page)
	if _, status, code := o.seal(o.ann, askSealed+"/"+at.ID+"/confirm", nil); status != 400 || code != field.CodeNotAPhoto {
		t.Errorf("no photo: %d %s", status, code)
	}
	untouched("no photo:")
}

// Off unless it is configured, and never on the directory.
func TestNoAddressIsGivenUnlessConfigured(t *testing.T) {
	for name, engine := range map[string]func(*testing.T) config.Config{
		"directory": func(t *testing.T) config.Config { return configured(t, t.TempDir()) }, "MinIO": onEngines,
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, engine(t))
			good := picture(t, 1)
			photo, sum := o.declare(good, "image/jpeg")
			if _, status, code := o.seal(o.ann, askSealed, obj{"photoId": photo, "sha256": sum, "size": len(good)}); status != 409 || code != field.CodeSealedPutOff {
				t.Errorf("%d %s", status, code)
			}
			if _, _, rec := o.upload(o.ann, photo, sum, good); rec == nil {
				t.Error("tus did not take it")
			}
		})
	}
}
