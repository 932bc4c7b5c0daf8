package app_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/upkeep"
)

// wrong is how far the clock of a server is ahead.
type wrong struct{ by atomic.Int64 }

func (w *wrong) set(by time.Duration) { w.by.Store(int64(by)) }

func (w *wrong) clock(cfg config.Config) config.Config {
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(w.by.Load())) }
	return cfg
}

// anew starts the server again, on both stores, with people signed in at its present clock.
func (o *office) anew(cfg config.Config) {
	o.t.Helper()
	stop(o.t, o.a)
	o.a = start(o.t, cfg)
	var s struct{ AccessToken string }
	o.ok("POST", "/v1/auth/sign-in", "", obj{"login": "ann", "password": password, "device": device(o.phone)}, &s)
	o.ann = s.AccessToken
}

func (o *office) holds(papers ...receipt.Receipt) {
	o.t.Helper()
	keys := o.published()
	for i, paper := range papers {
		if err := keys.Verify(paper); err != nil {
			o.t.Errorf("receipt %d of %s: %v", i+1, paper.ReceivedAt, err)
		}
	}
	report, err := o.a.Verify(o.t.Context())
	if err != nil || !report.Sound() || report.Photos != int64(len(papers)) {
		o.t.Errorf("%v\n%v", err, report)
	}
}

func (o *office) ready() (warning, zh string) {
	o.t.Helper()
	var h struct{ Status, Warning, WarningZh string }
	o.ok("GET", "/readyz", "", nil, &h)
	if h.Status != "ok" {
		o.t.Errorf("%+v", h)
	}
	return h.Warning, h.WarningZh
}

var jumps = map[string]time.Duration{
	"11 minutes ahead": 11 * time.Minute, "a day ahead": 24 * time.Hour, "a year ahead": 365 * 24 * time.Hour, "a day behind": -24 * time.Hour, "a year behind": -365 * 24 * time.Hour,
}

// eachJump tests every wrong clock on the embedded store, and the farthest on MongoDB.
func eachJump(t *testing.T, test func(t *testing.T, cfg config.Config, w *wrong, by time.Duration)) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			w := &wrong{}
			test(t, w.clock(configured(t, t.TempDir())), w, by)
		})
	}
	t.Run("production", func(t *testing.T) {
		w := &wrong{}
		test(t, w.clock(onEngines(t)), w, jumps["a year ahead"])
	})
}

// The server was set up with a wrong clock, which was put right while it ran. What it signed before and after holds,
// also when it starts anew and when the key is changed, and statements follow each other.
func TestReceiptsHoldAfterTheClockWasPutRight(t *testing.T) {
	eachJump(t, func(t *testing.T, cfg config.Config, w *wrong, by time.Duration) {
		quiet := slog.New(slog.DiscardHandler)
		w.set(by)
		o := open(t, cfg)
		_, first := o.photo(1)
		stop(t, o.a)
		if _, n, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		w.set(0)
		o.anew(cfg)
		_, second := o.photo(2)
		o.holds(first, second)
		if warning, zh := o.ready(); (warning != "") != (by > 0) || (zh != "") != (by > 0) {
			t.Errorf("%q %q", warning, zh)
		}
		stop(t, o.a)
		if _, statement, err := upkeep.RotateKey(t.Context(), cfg, quiet, false); err != nil || statement == "" {
			t.Fatal(statement, err)
		}
		o.anew(cfg)
		_, third := o.photo(3)
		o.holds(first, second, third)
	})
}

// The key was changed while the clock was wrong. No receipt leaves that does not hold; the bytes stay, a person is
// told, and when the key is changed once more the receipt follows. What was signed meanwhile goes on to hold.
func TestTheKeyIsChangedWhileTheClockIsWrong(t *testing.T) {
	eachJump(t, func(t *testing.T, cfg config.Config, w *wrong, by time.Duration) {
		quiet := slog.New(slog.DiscardHandler)
		o := open(t, cfg)
		_, papers := o.photo(1)
		w.set(by)
		change := func() {
			t.Helper()
			stop(t, o.a)
			if _, statement, err := upkeep.RotateKey(t.Context(), cfg, quiet, false); err != nil || statement == "" {
				t.Fatal(statement, err)
			}
			o.anew(cfg)
		}
		change()
		_, wronged := o.photo(2)
		w.set(0)
		o.anew(cfg)
		content := picture(t, 3)
		photo, sum := o.declare(content, "image/jpeg")
		status, code, paper := o.upload(o.ann, photo, sum, content)
		if by < 0 {
			if paper == nil {
				t.Fatal(status, code)
			}
			o.holds(papers, wronged, *paper)
			return
		}
		if status != 503 || code != field.CodeBusy {
			t.Fatalf("%d %s, %+v", status, code, paper)
		}
		o.holds(papers, wronged)
		if warning, zh := o.ready(); !strings.Contains(warning, "keys rotate") || !strings.Contains(zh, "keys rotate") {
			t.Errorf("%q %q", warning, zh)
		}
		report, err := o.a.Verify(t.Context())
		if err != nil || !strings.Contains(report.String(), "REMARK      The server's clock says") {
			t.Errorf("%v\n%v", err, report)
		}
		if _, _, figures := o.ask("GET", "/metrics", "a-token-for-the-metrics", nil); !strings.Contains(string(figures), "\nfieldclue_receipts_withheld_total ") ||
			strings.Contains(string(figures), "\nfieldclue_receipts_withheld_total 0\n") {
			t.Errorf("%s", figures)
		}
		change()
		status, code, paper = o.upload(o.ann, photo, sum, content)
		if paper == nil {
			t.Fatal(status, code)
		}
		o.holds(papers, wronged, *paper)
	})
}

// An older program gave the first key the time at which the clock said that it was made. What it signed when the clock
// had been put right was taken for forged, and holds now.
func TestTheFirstKeyOfAnOlderProgram(t *testing.T) {
	dir := t.TempDir()
	cfg, quiet := configured(t, dir), slog.New(slog.DiscardHandler)
	o := open(t, cfg)
	_, first := o.photo(1)
	stop(t, o.a)
	execute(t, dir, `UPDATE docs SET body = CAST(json_set(CAST(body AS TEXT), '$.from', '2099-01-02T03:04:05Z') AS BLOB) WHERE shelf = 'keys' AND id = 'receipts'`)
	keys, err := upkeep.Keys(t.Context(), cfg, quiet)
	if err != nil || !keys[0].From.IsZero() {
		t.Fatalf("%+v %v", keys, err)
	}
	if _, _, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil {
		t.Fatal(err)
	}
	o.anew(cfg)
	_, second := o.photo(2)
	o.holds(first, second)
}
