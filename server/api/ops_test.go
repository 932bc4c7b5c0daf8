package api_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"fieldclue"
	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Ready means that the store and the blobs have answered; each is named when it does not.
func TestReadyAsksTheStoreAndTheBlobs(t *testing.T) {
	w := start(t)
	ready := func(status int, want map[string]string) {
		t.Helper()
		var h struct {
			Status string
			Checks map[string]string
		}
		w.send("GET", "/readyz", nil).want(status).into(&h)
		for name, v := range want {
			if h.Checks[name] != v {
				t.Errorf("%s is %q, want %q", name, h.Checks[name], v)
			}
		}
		if (h.Status == "ok") != (status == 200) {
			t.Errorf("%d and %q", status, h.Status)
		}
	}
	ready(200, map[string]string{"store": "ok", "blobs": "ok", "server": "ok"})
	w.blobUp.set(true)
	ready(503, map[string]string{"store": "ok", "blobs": "store_down"})
	w.send("GET", "/healthz", nil).want(200)
	w.blobUp.set(false)
	ready(200, nil)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	ready(503, map[string]string{"store": "store_down", "blobs": "ok"})
	w.send("POST", "/v1/auth/sign-in", obj{"login": "a", "password": password, "device": obj{"id": w.id(), "name": "P", "platform": "android"}}).
		refused(503, field.CodeStoreDown)
}

// The page that shows the API comes from the binary, and so does everything that it loads.
func TestTheReferenceIsServedWithoutTheNetwork(t *testing.T) {
	w := start(t)
	if got := w.send("GET", "/openapi.yaml", nil).want(200).body; !bytes.Equal(got, fieldclue.OpenAPI) {
		t.Errorf("%d bytes are not openapi.yaml", len(got))
	}
	page := string(w.send("GET", "/docs", nil).want(200).body)
	for _, far := range []string{"https://", "http://", "//cdn", "//unpkg"} {
		for _, attribute := range []string{`src="`, `href="`} {
			if strings.Contains(page, attribute+far) {
				t.Errorf("the page loads something from elsewhere: %s%s", attribute, far)
			}
		}
	}
	loaded := 0
	for _, part := range strings.Split(page, `"`) {
		if strings.HasPrefix(part, "/docs/") && strings.Contains(part, ".") {
			loaded++
			if got := w.send("GET", part, nil).want(200); len(got.body) == 0 {
				t.Errorf("%s is empty", part)
			}
		}
	}
	if loaded < 2 {
		t.Errorf("the page loads %d files of its own", loaded)
	}
}

// What is counted, and that neither the metrics nor the log hold what people wrote.
func TestTheMetricsCountAndTheLogIsSilentOnContent(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	ann := admin.hire("ann", access.Inspector)
	scope, site := w.place(ann)
	ann.push(scope, w.finding(site), obj{"id": w.id(), "kind": "interview", "base": 0, "set": obj{"siteId": site, "alias": "青松户", "text": "分红没有到账"}}).want(200)
	ann.push(scope, obj{"id": w.id(), "kind": "drone", "base": 0, "set": obj{"x": "秘密"}}).want(200)
	w.send("GET", "/v1/me", nil).want(401)
	metrics := string(w.send("GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).want(200).body)
	for _, want := range []string{
		`fieldclue_sync_operations_total{outcome="applied"} 2`, `fieldclue_sync_operations_total{outcome="rejected"} 1`, `route="/v1/sync/push"`, "go_goroutines",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, secret := range []string{"青松户", "分红", "屋顶", "秘密", password, ann.AccessToken, ann.RefreshToken} {
		if strings.Contains(w.log.String(), secret) || strings.Contains(metrics, secret) {
			t.Errorf("%q was logged or counted", secret)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if entry["msg"] == "request" && entry["requestId"] == nil {
			t.Errorf("a request without its id: %s", line)
		}
	}
}

// stream opens the stream of events and delivers its lines.
func (u *user) stream() (lines <-chan string, ended <-chan struct{}) {
	u.t.Helper()
	resp := u.events("")
	got, over := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = resp.Body.Close() }() // its end is what was waited for
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			got <- s.Text()
		}
	}()
	return got, over
}

// events opens a stream.
func (u *user) events(query string) *http.Response {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.t.Context(), "GET", u.url+"/v1/sync/events"+query, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.AccessToken)
	req.Header.Set("X-Forwarded-Proto", "https")
	resp, err := u.http.Do(req)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		u.t.Fatalf("%v: %+v", err, resp)
	}
	return resp
}

// hears waits for the poke of a scope.
func hears(t *testing.T, lines <-chan string, scope string, from int64) {
	t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for {
		select {
		case line := <-lines:
			var p engine.Poke
			data, ok := strings.CutPrefix(line, "data: ")
			if ok && json.Unmarshal([]byte(data), &p) == nil && p.Scope == field.Scope(scope) && p.Seq >= from {
				return
			}
		case <-limit.C:
			t.Fatalf("nothing was heard of %s", scope)
		}
	}
}

// A phone that listens is poked when its scopes are written to, by whomever; of others' scopes it hears nothing; the
// stream ends with the right to read.
func TestListenersArePoked(t *testing.T) {
	w := start(t, func(o *api.Options) { o.Heartbeat = 20 * time.Millisecond })
	admin := w.setUp()
	ann, ben, far := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector), admin.hire("far", access.Inspector)
	scope, site := w.place(ann, ben)
	elsewhere, other := w.place(far)
	lines, ended := ben.stream()
	hears(t, lines, scope, 1) // how it stands
	var res protocol.PushResponse
	far.push(elsewhere, w.finding(other)).want(200)
	ann.push(scope, w.finding(site)).want(200).into(&res)
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for heard := false; !heard; {
		select {
		case line := <-lines:
			heard = strings.Contains(line, scope)
			if strings.Contains(line, elsewhere) {
				t.Errorf("a poke of somebody else's scope: %s", line)
			}
		case <-limit.C:
			t.Fatal("the write was not heard")
		}
	}
	admin.do("POST", "/v1/devices/"+string(ben.Device.ID)+"/revoke", obj{"reason": "遗失"}).want(200)
	select {
	case <-ended:
	case <-limit.C:
		t.Fatal("the stream of a revoked device goes on")
	}
}

// A stream is open as long as the token with which it was opened, to the next heartbeat, and no longer.
func TestAStreamEndsWithItsToken(t *testing.T) {
	w := start(t, func(o *api.Options) { o.Heartbeat = 20 * time.Millisecond })
	ann := w.setUp().hire("ann", access.Inspector)
	scope, site := w.place(ann)
	lines, ended := ann.stream()
	hears(t, lines, scope, 1)
	before := w.heads()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	w.clock.move(14 * time.Minute)
	for beats := 0; beats < 3; { // it lives as long as the token
		select {
		case line := <-lines:
			if strings.HasPrefix(line, ": ") {
				beats++
			}
		case <-ended:
			t.Fatal("the stream ended before its token")
		case <-limit.C:
			t.Fatal("no heartbeat")
		}
	}
	w.clock.move(2 * time.Minute)
	for over := false; !over; {
		select {
		case <-lines:
		case <-ended:
			over = true
		case <-limit.C:
			t.Fatal("the stream goes on after its token has expired")
		}
	}
	ann.do("GET", "/v1/sync/events", nil).refused(401, field.CodeTokenExpired)
	if after := w.heads(); after[field.Scope(scope)] != before[field.Scope(scope)] || len(after) != len(before) {
		t.Error("something was written")
	}
	var fresh user
	ann.refresh(ann.RefreshToken).want(200).into(&fresh.Tokens)
	ann.AccessToken = fresh.AccessToken
	lines, _ = ann.stream()
	var res protocol.PushResponse
	ann.push(scope, w.finding(site)).want(200).into(&res)
	hears(t, lines, scope, res.Seq)
}

// Photos are served whole, by ranges and by their tag, to those who may see the site, and to nobody else.
func TestPhotosAreServed(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	ann, far, cai := admin.hire("ann", access.Inspector), admin.hire("far", access.Inspector), admin.hire("cai", access.Supervisor)
	scope, site := w.place(ann)
	content := bytes.Repeat([]byte("0123456789"), 1000)
	small := []byte("a small rendition")
	sum, smallSum := w.keep(content), w.keep(small)
	photo, waiting := w.id(), w.id()
	declare := func(id, hash string, size int) protocol.Operation {
		return protocol.Operation{ID: field.RecordID(id), Kind: field.KindPhoto, Set: map[string]field.Value{
			"reportId": field.Quote(w.id()), "siteId": field.Quote(site), "sha256": field.Quote(hash), "size": field.Quote(size), "type": field.Quote("image/jpeg"),
		}}
	}
	empty := sha256.Sum256(nil)
	w.by(scope, declare(photo, sum, len(content)), declare(waiting, hex.EncodeToString(empty[:]), 1))
	w.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Base: w.version(photo), Command: "store", Args: map[string]field.Value{"receipt": field.Quote(obj{"sha256": sum})}})
	w.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Base: w.version(photo), Command: "analyse", Args: map[string]field.Value{"small": field.Quote(smallSum)}})
	original := "/v1/photos/" + photo + "/original"
	for _, who := range []*user{ann, cai} {
		if got := who.do("GET", original, nil).want(200); !bytes.Equal(got.body, content) || got.header.Get("Content-Type") != "image/jpeg" || got.header.Get("ETag") != `"`+sum+`"` {
			t.Errorf("%s gets %d bytes, %v", who.User.Name, len(got.body), got.header)
		}
	}
	if got := ann.do("GET", "/v1/photos/"+photo+"/small", nil).want(200); !bytes.Equal(got.body, small) {
		t.Errorf("the rendition: %q", got.body)
	}
	for header, want := range map[string]string{"bytes=0-9": "0123456789", "bytes=9995-": "56789", "bytes=-3": "789", "bytes=9998-20000": "89"} {
		got := ann.do("GET", original, nil, "Range", header).want(206)
		if string(got.body) != want || !strings.HasSuffix(got.header.Get("Content-Range"), "/10000") {
			t.Errorf("%s: %q, %s", header, got.body, got.header.Get("Content-Range"))
		}
	}
	if got := ann.do("GET", original, nil, "Range", "bytes=0-9", "If-Range", `"other"`).want(200); len(got.body) != len(content) {
		t.Errorf("a range of other bytes gave %d bytes", len(got.body))
	}
	ann.do("GET", original, nil, "Range", "bytes=10000-").refused(416, field.CodeRangeInvalid)
	if got := ann.do("GET", original, nil, "If-None-Match", `"`+sum+`"`).want(304); len(got.body) != 0 {
		t.Error("what is known was sent again")
	}
	ann.do("GET", "/v1/photos/"+photo+"/large", nil).refused(404, field.CodeNotFound)
	ann.do("GET", "/v1/photos/"+waiting+"/original", nil).refused(404, field.CodeNotFound)
	for _, who := range []*user{far, admin} {
		for _, path := range []string{original, "/v1/photos/" + photo + "/small", "/v1/photos/" + w.id() + "/original"} {
			who.do("GET", path, nil).refused(404, field.CodeNotFound)
		}
	}
	w.send("GET", original, nil).refused(401, field.CodeTokenMissing)
	ann.push(scope, obj{"id": photo, "kind": "photo", "base": w.version(photo), "command": "void", "args": obj{"reason": "误传"}}).want(200)
	if got := cai.do("GET", original, nil).want(200); !bytes.Equal(got.body, content) {
		t.Error("a voided photo cannot be seen any more")
	}
}

// The description is there as JSON too, and says the same.
func TestTheDescriptionAsJSON(t *testing.T) {
	w := start(t)
	a := w.send("GET", "/openapi.json", nil).want(200)
	doc, err := openapi3.NewLoader().LoadFromData(a.body)
	if err != nil {
		t.Fatal(err)
	}
	same, _ := described()
	if doc.Info.Title != same.Info.Title || doc.Paths.Len() != same.Paths.Len() || len(doc.Components.Schemas) != len(same.Components.Schemas) {
		t.Errorf("%d paths and %d schemas, want %d and %d", doc.Paths.Len(), len(doc.Components.Schemas), same.Paths.Len(), len(same.Components.Schemas))
	}
}
