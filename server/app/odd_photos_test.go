package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// flagsOf are the codes of the flags of a photo.
func (o *office) flagsOf(photo field.RecordID, fields map[string]json.RawMessage) []string {
	o.t.Helper()
	var report string
	if err := json.Unmarshal(fields["reportId"], &report); err != nil {
		o.t.Fatal(err)
	}
	var page struct {
		Items []struct {
			Fields struct{ Code, TargetID string }
		}
	}
	o.ok("GET", "/v1/flags?reportId="+report, o.desk, nil, &page)
	var codes []string
	for _, f := range page.Items {
		if f.Fields.TargetID == string(photo) {
			codes = append(codes, f.Fields.Code)
		}
	}
	return codes
}

// A picture that cannot be decoded, or only in part, is no way past the checks: somebody is told, whatever its type;
// and what browsers show is examined as any photo is.
func TestWhatCannotBeExaminedIsFlagged(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		whole := picture(t, 11)
		bomb := bytes.Clone(whole)
		copy(bomb[bytes.Index(bomb, []byte{0xff, 0xc0})+5:], []byte{0xff, 0xff, 0xff, 0xff})
		arithmetic := bytes.Clone(whole)
		arithmetic[bytes.Index(arithmetic, []byte{0xff, 0xc0})+1] = 0xc9
		for _, c := range []struct {
			name    string
			content []byte
			kind    string
			flagged bool
			shown   bool
		}{
			{"without its end", whole[:len(whole)-2], "image/jpeg", false, true},
			{"half of it", whole[:len(whole)/2], "image/jpeg", true, true},
			{"no pixels", whole[:bytes.Index(whole, []byte{0xff, 0xda})], "image/jpeg", true, false},
			{"too many pixels", bomb, "image/jpeg", true, false},
			{"arithmetic coding", arithmetic, "image/jpeg", true, false},
			{"a HEIC that is none", append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), bytes.Repeat([]byte{0xa5}, 500)...), "image/heic", true, false},
		} {
			photo, sum := o.declare(c.content, c.kind)
			if _, _, rec := o.upload(o.ann, photo, sum, c.content); rec == nil {
				t.Fatalf("%s: the evidence was refused", c.name)
			}
			fields := o.examined(photo)
			flags := o.flagsOf(photo, fields)
			if slices.Contains(flags, "photo_unexamined") != c.flagged || (fields["analysisNote"] != nil) != c.flagged || (fields["perceptual"] != nil) != c.shown ||
				fields["facts"] == nil {
				t.Errorf("%s: %v, %s", c.name, flags, fields)
			}
		}
	})
}

// Bombs are in before a photo is; the photo does not wait for them. They are examined, too, and the process that serves
// outlives them.
func TestAPhotoBesideBombs(t *testing.T) {
	bomb, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "images", "odd", "z1-progressive-8000.jpg"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("photos beside bombs: skipped, ../shared/images/odd is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	o := open(t, configured(t, t.TempDir()))
	var bombs []field.RecordID
	for i := range 3 {
		b := append(bytes.Clone(bomb), byte(i)) // bytes of its own
		photo, sum := o.declare(b, "image/jpeg")
		if _, _, rec := o.upload(o.ann, photo, sum, b); rec == nil {
			t.Fatal("evidence was refused")
		}
		bombs = append(bombs, photo)
	}
	content := picture(t, 21)
	photo, sum := o.declare(content, "image/jpeg")
	o.upload(o.ann, photo, sum, content)
	begun := time.Now()
	o.examined(photo)
	took := time.Since(begun)
	waiting := 0
	for _, b := range bombs {
		if state, _ := o.state(b); state != "analysed" {
			waiting++
		}
	}
	t.Logf("%d of %d bombs waited when the photo was examined, after %s", waiting, len(bombs), took.Round(time.Millisecond))
	for _, b := range bombs {
		if fields := o.examined(b); fields["perceptual"] == nil {
			t.Errorf("a bomb: %s", fields)
		}
	}
}
