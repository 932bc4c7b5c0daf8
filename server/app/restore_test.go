package app_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/upkeep"
	"fieldclue/sync/phone"
)

// The server's directory is lost and put back from yesterday's copy. What phones had sent since, with an answer, they
// send again by themselves; nothing is believed stored that is not, and nothing that others wrote meanwhile is
// overwritten.
func TestAfterARestorePhonesSendWhatWasLost(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	cfg := configured(t, dir)
	o := open(t, cfg)
	enrol := func(login string) *phone.Phone {
		t.Helper()
		p, err := phone.Open(phone.Options{
			Dir: t.TempDir(), BaseURL: o.a.URL(), Device: phone.Device{ID: field.DeviceID(newID()), Name: login, Platform: "test"},
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
	ann := enrol("ann")
	sync := func(p *phone.Phone) {
		t.Helper()
		if err := p.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	find := func(id field.RecordID, title string) phone.Op {
		return phone.Create(o.scope, field.KindFinding, id, map[string]any{"siteId": o.site, "title": title})
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
	for name, op := range map[string]phone.Op{
		"second": find(second, "欠款"), "edit": phone.Edit(o.scope, field.KindFinding, first, map[string]any{"title": "漏雨严重"}),
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
	cai := enrol("cai")
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

// number registers a clue and gives its number.
func (o *office) number(manager string) string {
	o.t.Helper()
	var clue struct {
		ID      string
		Version int64
		Fields  struct{ Number string }
	}
	o.ok("POST", "/v1/clues", manager, obj{"fields": obj{"title": "信访件", "channel": "petition"}}, &clue)
	o.ok("POST", "/v1/clues/"+clue.ID+"/register", manager, obj{"version": clue.Version}, &clue)
	return clue.Fields.Number
}

// A copy, more work, the copy put back: by the commands, or beside the photo store that stayed. No number is given a
// second time, not even when the same copy is put back once more, and the register says why some are missing. The phone
// is asked for the photos that came after the copy, and sends them with all else that was lost.
func TestAfterARestoreNothingIsGivenTwiceAndPhotosComeAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		_, manager := o.person("dai", "clue_manager", newID())
		p, err := phone.Open(phone.Options{
			Dir: t.TempDir(), BaseURL: o.a.URL(), Device: phone.Device{ID: field.DeviceID(newID()), Name: "ann", Platform: "test"},
			Unlock: func() (string, string) { return "ann", password },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() }) // nothing is lost without it
		sync := func() {
			t.Helper()
			if err := p.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		take := func(shade uint8) field.RecordID {
			t.Helper()
			id := newID()
			f, err := p.Keep(string(id)+".jpg", picture(t, shade))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Write(string(id), phone.Photo(o.scope, id, f, map[string]any{"siteId": o.site, "reportId": newID()})); err != nil {
				t.Fatal(err)
			}
			return id
		}
		if err := p.Enrol(t.Context(), "ann", password, o.code("ann")); err != nil {
			t.Fatal(err)
		}
		photos := []field.RecordID{take(1)}
		sync()
		given := map[string]bool{o.number(manager): true}
		address := o.a.URL()[len("http://"):]

		// putBack gives the configuration of a server that was put back to the copy.
		var putBack func() (config.Config, []string)
		if cfg.MongoDB.URI == "" {
			backup := t.TempDir()
			if _, err := upkeep.Backup(t.Context(), cfg, backup, nil); err != nil {
				t.Fatal(err)
			}
			putBack = func() (config.Config, []string) {
				fresh := configured(t, t.TempDir())
				done, err := upkeep.Restore(t.Context(), fresh, quiet, backup, nil)
				if err != nil {
					t.Fatal(err)
				}
				return fresh, done.Numbers
			}
		} else {
			copies := 0
			copied := func(from config.Config) config.Config {
				copies++
				to := from
				to.MongoDB.Database += strconv.Itoa(copies)
				o.until("nobody writes any more", func() bool { // the server, which examines the photo, goes on meanwhile
					_, err := upkeep.Move(t.Context(), from, to, quiet, nil)
					if err != nil && !strings.Contains(err.Error(), "run this once more") {
						t.Fatal(err)
					}
					return err == nil
				})
				return to
			}
			dump := copied(cfg)
			putBack = func() (config.Config, []string) {
				fresh := copied(dump)
				_, _, told, err := upkeep.Anchor(t.Context(), fresh, quiet, true)
				if err != nil {
					t.Fatal(err)
				}
				return fresh, told
			}
		}
		for range 3 {
			given[o.number(manager)] = true
		}
		photos = append(photos, take(2), take(3))
		finding := newID()
		if err := p.Write("after the copy", phone.Create(o.scope, field.KindFinding, finding, map[string]any{"siteId": o.site, "title": "漏雨"})); err != nil {
			t.Fatal(err)
		}
		sync()
		if files, err := p.Files(); err != nil || len(files) != 3 || p.Stats().Receipts != 3 {
			t.Fatalf("%v %v, %d receipts", files, err, p.Stats().Receipts)
		}
		for range 2 {
			stop(t, o.a)
			fresh, told := putBack()
			if len(told) != 1 || !strings.Contains(told[0], "bijie-") {
				t.Errorf("it is told %q", told)
			}
			fresh.Listen = address
			o.a = start(t, fresh)
			for range 2 {
				n := o.number(manager)
				if given[n] {
					t.Errorf("%s was given twice", n)
				}
				given[n] = true
			}
			var registers struct {
				Items []struct {
					Fields struct {
						Last int64
						Gaps []field.Gap
					}
				}
			}
			o.ok("GET", "/v1/registers", manager, nil, &registers)
			if len(registers.Items) != 1 || len(registers.Items[0].Fields.Gaps) != 1 {
				t.Fatalf("the registers are %+v", registers.Items)
			}
			r := registers.Items[0].Fields
			if gap := r.Gaps[0]; gap.From != 2 || gap.To != r.Last-2 || gap.ZH == "" || gap.EN == "" || gap.Copy == "" {
				t.Errorf("the gap is %+v, the last number %d", gap, r.Last)
			}
			o.ok("GET", "/v1/registers", o.ann, nil, &registers)
			if len(registers.Items) != 0 {
				t.Error("an inspector reads the register")
			}

			sync()
			sync()
			for _, photo := range photos {
				if _, fields := o.state(photo); fields["receipt"] == nil {
					t.Errorf("photo %s has no receipt", photo)
				}
				if status, _, _ := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.desk, nil); status != 200 {
					t.Errorf("the original of photo %s answers %d", photo, status)
				}
			}
			o.ok("GET", "/v1/findings/"+string(finding), o.desk, nil, nil)
			ops, waiting := p.Waiting()
			if stats := p.Stats(); ops+waiting > 0 || len(stats.Problems) > 0 || stats.Receipts != 3 {
				t.Errorf("%d operations and %d photos wait, %d receipts, problems %v", ops, waiting, stats.Receipts, stats.Problems)
			}
		}
		report, err := o.a.Verify(t.Context())
		if err != nil || report.Photos != 3 {
			t.Fatalf("%v\n%v", err, report)
		}
	})
}

// The year turned between the copy and the day on which it was put back: the new year's register begins above what it
// may have given.
func TestARestorePassesOverTheNumbersOfANewYear(t *testing.T) {
	copied := time.Date(2025, 12, 31, 15, 0, 0, 0, time.UTC) // 23:00 in Beijing
	if field.YearOf(copied) != 2025 || field.YearOf(copied.Add(2*time.Hour)) != 2026 {
		t.Error("years are counted in Beijing")
	}
	for _, c := range []struct {
		after   time.Duration
		earlier int
		want    int64
	}{{0, 0, 1001}, {-time.Hour, 0, 1000}, {24 * time.Hour, 0, 2441}, {24 * time.Hour, 2, 4441}} {
		if got := field.Lost(copied, copied.Add(c.after), c.earlier); got != c.want {
			t.Errorf("after %v: %d numbers are passed over, want %d", c.after, got, c.want)
		}
	}
}
