package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// sameFlags are the versions of the flags that say of a photo that its file stands elsewhere, too.
func (o *office) sameFlags(photo field.RecordID) (versions []int64) {
	o.t.Helper()
	_, fields := o.state(photo)
	var page struct {
		Items []struct {
			Version int64
			Fields  struct{ Code, Severity, TargetID string }
		}
	}
	o.ok("GET", "/v1/flags?reportId="+textOf(fields["reportId"]), o.desk, nil, &page)
	for _, f := range page.Items {
		if f.Fields.TargetID == string(photo) && f.Fields.Code == "photo_same" {
			if f.Fields.Severity != "blocking" {
				o.t.Errorf("it is %s", f.Fields.Severity)
			}
			versions = append(versions, f.Version)
		}
	}
	return versions
}

// stored is the entry of the log by which the bytes of a photo are there.
func (o *office) stored(photo field.RecordID) int64 {
	o.t.Helper()
	var history struct {
		Items []struct {
			Seq   int64
			State field.State
		}
	}
	o.ok("GET", "/v1/records/"+string(photo)+"/history", o.desk, nil, &history)
	for _, e := range history.Items {
		if e.State == "stored" {
			return e.Seq
		}
	}
	o.t.Fatalf("the history of the photo is %+v", history)
	return 0
}

// That the same file stands in another report is flagged by the very entry that stores it, whichever way the bytes
// came, so that no report is approved before; and once, also after the picture was examined.
func TestTheSameFileIsFlaggedAsItIsStored(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 3)
		first, sum := o.declare(content, "image/jpeg")
		if _, _, rec := o.upload(o.ann, first, sum, content); rec == nil {
			t.Fatal("the first was not stored")
		}
		o.examined(first)
		if flags := o.sameFlags(first); len(flags) != 0 {
			t.Fatalf("the only one is flagged: %v", flags)
		}
		ways := map[string]func(photo field.RecordID){
			"in one request": func(photo field.RecordID) { o.upload(o.ann, photo, sum, content) },
			"in pieces": func(photo field.RecordID) {
				upload := o.create(photo, sum, len(content))
				o.piece(upload, 0, content[:100])
				o.piece(upload, 100, content[100:])
			},
		}
		for name, way := range ways {
			photo, _ := o.declare(content, "image/jpeg")
			way(photo)
			at := o.stored(photo)
			if flags := o.sameFlags(photo); !slices.Equal(flags, []int64{at}) {
				t.Errorf("%s: it is stored by entry %d and flagged by %v", name, at, flags)
			}
			o.examined(photo)
			if flags := o.sameFlags(photo); len(flags) != 1 {
				t.Errorf("%s: after the examination there are %d flags", name, len(flags))
			}
		}
		other := picture(t, 4)
		photo, sum := o.declare(other, "image/jpeg")
		o.upload(o.ann, photo, sum, other)
		if flags := o.sameFlags(photo); len(flags) != 0 {
			t.Errorf("another file is flagged: %v", flags)
		}
	})
}

// Bytes that come in pieces are held against the declared hash as well, once they are whole: what is not that is not
// stored, both languages say so, and the right file goes through afterwards.
func TestOtherBytesInPiecesAreNotStored(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := picture(t, 5)
		photo, sum := o.declare(content, "image/jpeg")
		flipped := bytes.Clone(content)
		flipped[len(flipped)-10] ^= 1
		overridden := func(upload string, offset int64, part []byte) (int, http.Header, []byte) { // for links that know no PATCH
			return o.ask("POST", upload, o.ann, part, "Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream",
				"Upload-Offset", strconv.FormatInt(offset, 10), "X-HTTP-Method-Override", "PATCH")
		}
		for name, last := range map[string]func(string, int64, []byte) (int, http.Header, []byte){"PATCH": o.piece, "POST": overridden} {
			upload := o.create(photo, sum, len(content))
			if status, _, answer := o.piece(upload, 0, flipped[:100]); status != 204 {
				t.Fatalf("%s: %d %s", name, status, answer)
			}
			status, _, answer := last(upload, 100, flipped[100:])
			var p struct {
				Code             field.Code
				Detail, DetailZH string
			}
			if err := json.Unmarshal(answer, &p); err != nil || status != 460 || p.Code != field.CodeHashMismatch || p.Detail == "" || !strings.Contains(p.DetailZH, "哈希") {
				t.Errorf("%s: %d %s", name, status, answer)
			}
			if state, fields := o.state(photo); state != "declared" || fields["receipt"] != nil {
				t.Fatalf("%s: the photo is %s", name, state)
			}
			if status, _, _ := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); status != 404 {
				t.Errorf("%s: the original answers %d", name, status)
			}
		}
		o.arrives(o.create(photo, sum, len(content)), photo, sum, content)
		report, err := o.a.Verify(t.Context())
		if err != nil || !report.Sound() || report.Photos != 1 {
			t.Errorf("%v\n%v", err, report)
		}
	})
}
