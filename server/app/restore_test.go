package app_test

import (
	"os"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/synctest"
)

// The server's directory is lost and put back from yesterday's copy. What phones had sent since, with an answer, they
// send again by themselves; nothing is believed stored that is not, and nothing that others wrote meanwhile is
// overwritten.
func TestAfterARestorePhonesSendWhatWasLost(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	cfg := configured(t, dir)
	o := open(t, cfg)
	phone := func(login string) *synctest.Phone {
		t.Helper()
		p, err := synctest.Open(synctest.Options{
			Dir: t.TempDir(), BaseURL: o.a.URL(), Device: synctest.Device{ID: field.DeviceID(newID()), Name: login, Platform: "test"},
			Unlock: func() (string, string) { return login, password },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() }) // nothing is lost without it
		if err := p.Enrol(t.Context(), login, password, o.code(login)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ann := phone("ann")
	sync := func(p *synctest.Phone) {
		t.Helper()
		if err := p.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	find := func(id field.RecordID, title string) synctest.Op {
		return synctest.Create(o.scope, field.KindFinding, id, map[string]any{"siteId": o.site, "title": title})
	}
	first, second, third := newID(), newID(), newID()
	sync(ann)
	if err := ann.Write("first", find(first, "漏雨")); err != nil {
		t.Fatal(err)
	}
	sync(ann)

	address := o.a.URL()
	stop(t, o.a)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	cfg.Listen = address[len("http://"):]
	o.a = start(t, cfg)
	for name, op := range map[string]synctest.Op{
		"second": find(second, "欠款"), "edit": synctest.Edit(o.scope, field.KindFinding, first, map[string]any{"title": "漏雨严重"}),
	} {
		if err := ann.Write(name, op); err != nil {
			t.Fatal(err)
		}
		sync(ann)
	}
	stop(t, o.a)

	cfg = configured(t, copied)
	cfg.Listen = address[len("http://"):]
	o.a = start(t, cfg)
	// Somebody at the desk writes before the phone comes back.
	cai := phone("cai")
	if err := cai.Write("third", find(third, "新的")); err != nil {
		t.Fatal(err)
	}
	sync(cai)
	sync(ann)
	sync(ann)
	for id, title := range map[field.RecordID]string{first: "漏雨严重", second: "欠款", third: "新的"} {
		r, ok := ann.Record(id)
		if !ok {
			t.Fatalf("%q is not on the phone", title)
		}
		var f struct{ Title string }
		o.ok("GET", "/v1/findings/"+string(id), o.desk, nil, &struct{ Fields any }{&f})
		if f.Title != title {
			t.Errorf("the server has %q, the inspector wrote %q (%s)", f.Title, title, r.Fields)
		}
	}
	if stats := ann.Stats(); len(stats.Problems) > 0 {
		t.Errorf("problems: %v", stats.Problems)
	}
	if waiting, _ := ann.Waiting(); waiting > 0 {
		t.Errorf("%d operations wait", waiting)
	}
}
