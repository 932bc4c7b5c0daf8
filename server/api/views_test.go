package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/store/storetest"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// fallible is the write path of the desk, which a test may take down.
type fallible struct {
	workflow.Committer
	down atomic.Bool
}

func (f *fallible) Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error) {
	if f.down.Load() {
		return protocol.PushResponse{}, errors.New("disk I/O error")
	}
	return f.Committer.Commit(ctx, b)
}

// fallibleLog puts it into a server.
func fallibleLog(f *fallible) option {
	return func(o *api.Options) {
		f.Committer = o.Engine.(*engine.Engine)
		s := o.Store.(storetest.Store)
		o.Flow = workflow.New(s, f, alike.New(s, o.Now), o.Now)
	}
}

// stored makes a photo whose bytes are here, with a small rendition.
func (w *world) stored(scope, site, report string, content, small []byte) (photo string) {
	w.t.Helper()
	photo = w.id()
	sum, smallSum := w.keep(content), w.keep(small)
	w.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Set: map[string]field.Value{
		"reportId": field.Quote(report), "siteId": field.Quote(site), "sha256": field.Quote(sum), "size": field.Quote(len(content)), "type": field.Quote("image/jpeg"),
	}})
	w.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Base: w.version(photo), Command: "store", Args: map[string]field.Value{"receipt": field.Quote(obj{"sha256": sum})}})
	w.by(scope, protocol.Operation{ID: field.RecordID(photo), Kind: field.KindPhoto, Base: w.version(photo), Command: "analyse", Args: map[string]field.Value{"small": field.Quote(smallSum), "large": field.Quote(smallSum)}})
	return photo
}

// The bytes of a photo leave after it is in the log who gets them, or not at all.
func TestNoBytesLeaveBeforeTheViewIsNoted(t *testing.T) {
	log := &fallible{}
	onBothStores(t, func(t *testing.T, w *world) {
		log.down.Store(false)
		admin := w.setUp()
		ann, far, cai := admin.hire("ann", access.Inspector), admin.hire("far", access.Inspector), admin.hire("cai", access.Supervisor)
		scope, site := w.place(ann)
		content := bytes.Repeat([]byte("0123456789"), 1000)
		report := w.id()
		photo := w.stored(scope, site, report, content, []byte("small"))
		twin := w.stored(scope, site, report, append(content, 'x'), []byte("twin"))
		path := "/v1/photos/" + photo
		looks := func(what string, want int64) {
			t.Helper()
			if n := w.heads()[field.CustodyScope(field.SiteID(site), "gz-liwan")]; n != want {
				t.Errorf("%s: %d views in the log, want %d", what, n, want)
			}
		}
		log.down.Store(true)
		for _, part := range []string{"/original", "/large", "/small"} {
			for _, headers := range [][]string{nil, {"Range", "bytes=0-1"}, {"If-None-Match", `"` + w.record(photo).Text("sha256") + `"`}} {
				got := cai.do("GET", path+part, nil, headers...).refused(503, field.CodeStoreDown)
				if got.header.Get("Retry-After") == "" || bytes.Contains(got.body, []byte("0123456789")) {
					t.Errorf("%s %v: %v %s", part, headers, got.header, got.body)
				}
			}
		}
		looks("the log was down", 0)
		log.down.Store(false)

		for _, who := range []*user{far, admin} {
			who.do("GET", path+"/original", nil).refused(404, field.CodeNotFound)
		}
		cai.do("GET", path+"/original", nil, "Range", "bytes=10000-").refused(416, field.CodeRangeInvalid)
		looks("nothing was sent", 0)
		cai.do("GET", path+"/original", nil, "Range", "bytes=0-9").want(206)
		cai.do("GET", path+"/original", nil, "Range", "bytes=10-").want(206)
		cai.do("GET", path+"/original", nil).want(200)
		looks("one original in three answers", 1)
		for _, p := range []string{photo, twin} {
			cai.do("GET", "/v1/photos/"+p+"/small", nil).want(200)
		}
		looks("two small ones of a report", 2)
		if got := ann.do("GET", path+"/small", nil).want(200); got.header.Get("Cache-Control") != "private, max-age=900" {
			t.Errorf("kept by the browser: %s", got.header.Get("Cache-Control"))
		}
		looks("somebody else", 3)
		w.clock.move(field.ViewWindow)
		for _, u := range []*user{cai, ann} { // their tokens are over
			u.Tokens = w.signIn(u.User.Name).Tokens
		}
		cai.do("GET", path+"/original", nil, "If-None-Match", `"`+w.record(photo).Text("sha256")+`"`).want(304)
		looks("looking again at what the browser has", 4)
		cai.do("GET", path+"/large", nil).want(200)
		looks("the large one", 5)
	}, fallibleLog(log))
}

// Looking at a photo wakes nobody: events do not speak of who looked, not even to those who may know.
func TestEventsDoNotSpeakOfViews(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	ann, cai := admin.hire("ann", access.Inspector), admin.hire("cai", access.Supervisor)
	scope, site := w.place(ann)
	photo := w.stored(scope, site, w.id(), []byte("original"), []byte("small"))
	cai.do("GET", "/v1/photos/"+photo+"/small", nil).want(200)
	lines, _ := cai.stream()
	cai.do("GET", "/v1/photos/"+photo+"/original", nil).want(200)
	var res protocol.PushResponse
	ann.push(scope, w.finding(site)).want(200).into(&res)
	for limit, last := time.After(20*time.Second), fmt.Sprintf(`"scope":"%s","seq":%d`, scope, res.Seq); ; {
		select {
		case line := <-lines:
			if strings.Contains(line, "custody/") {
				t.Fatalf("heard %s", line)
			}
			if !strings.Contains(line, last) {
				continue
			}
		case <-limit:
			t.Fatal("nothing was heard of the site")
		}
		break
	}
	if w.heads()[field.CustodyScope(field.SiteID(site), "gz-liwan")] != 2 {
		t.Error("the views are not in the log")
	}
}
