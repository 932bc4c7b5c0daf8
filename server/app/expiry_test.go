package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// Half a photo waits for 30 days and is never dropped silently: its author finds a notice, once, whichever server
// sweeps and however often. The photo stays declared, and can be sent anew.
func TestHalfUploadsExpireWithANoticeInTheInbox(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		half, whole := picture(t, 1), picture(t, 2)
		photo, sum := o.declare(half, "image/jpeg")
		upload := o.create(photo, sum, len(half))
		if status, _, answer := o.piece(upload, 0, half[:10_000]); status != 204 {
			t.Fatalf("the first piece: %d %s", status, answer)
		}
		other, otherSum := o.declare(whole, "image/jpeg")
		if _, _, rec := o.upload(o.ann, other, otherSum, whole); rec == nil {
			t.Fatal("the whole photo")
		}
		// A kill left the document of the complete one, and the photo was voided since: its sweep keeps no other
		// waiting.
		if err := o.a.LeaveComplete(t.Context(), string(other)+"_left", field.Quote(map[string]any{
			"photoId": other, "by": map[string]any{"user": newID(), "device": o.phone}, "sha256": otherSum, "size": len(whole),
			"type": "image/jpeg", "created": time.Now().UTC(), "offset": len(whole), "generation": 1,
		})); err != nil {
			t.Fatal(err)
		}
		o.void(other)
		inbox := func() (about []string) {
			t.Helper()
			var page struct {
				Items []struct {
					Fields struct{ RecordID, EN, ZH string }
				}
			}
			o.ok("GET", "/v1/inbox", o.ann, nil, &page)
			for _, n := range page.Items {
				if n.Fields.RecordID == string(photo) || n.Fields.RecordID == string(other) {
					about = append(about, n.Fields.RecordID)
					if !strings.Contains(n.Fields.EN, "10000 of") || !strings.Contains(n.Fields.ZH, "10000／") {
						t.Errorf("the notice says %q, %q", n.Fields.EN, n.Fields.ZH)
					}
				}
			}
			return about
		}
		sweep := func(days int) int {
			t.Helper()
			n, err := o.a.SweepAt(t.Context(), time.Now().AddDate(0, 0, days))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := sweep(29); n != 0 || len(inbox()) != 0 {
			t.Fatalf("after 29 days %d uploads were forgotten, and the inbox has %v", n, inbox())
		}
		if at := o.offset(upload); at != 10_000 {
			t.Fatalf("after 29 days the upload stands at %d", at)
		}
		if n := sweep(31); n != 2 {
			t.Fatalf("after 31 days %d uploads were forgotten", n)
		}
		if got := inbox(); len(got) != 1 || got[0] != string(photo) {
			t.Fatalf("the inbox has notices about %v", got)
		}
		if n := sweep(31); n != 0 || len(inbox()) != 1 {
			t.Fatalf("a second sweep forgot %d, and the inbox has %v", n, inbox())
		}
		if status, _, _ := o.ask("HEAD", upload, o.ann, nil, "Tus-Resumable", "1.0.0"); status != 404 {
			t.Errorf("the expired upload answers %d", status)
		}
		if cfg.S3.Endpoint == "" {
			left, err := os.ReadDir(filepath.Join(cfg.Data, "photos", "staging"))
			if len(left) != 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("still staged: %v, %v", left, err)
			}
		}
		if state, _ := o.state(photo); state != "declared" {
			t.Errorf("the photo is %s", state)
		}
		again := o.create(photo, sum, len(half))
		if at := o.offset(again); at != 0 {
			t.Errorf("a new life begins at %d", at)
		}
		o.arrives(again, photo, sum, half)
	})
}
