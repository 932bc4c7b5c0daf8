package app_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"fieldclue/media/receipt"
	"fieldclue/server/config"
	"fieldclue/server/field"
	"fieldclue/server/upkeep"
)

// published are the server's keys as anybody is told them.
func (o *office) published() receipt.Keys {
	o.t.Helper()
	status, _, answer := o.ask("GET", "/v1/receipt-key", "", nil)
	keys, err := receipt.ParseKeys(answer)
	if err != nil || status != 200 {
		o.t.Fatalf("%d %s: %v", status, answer, err)
	}
	return keys
}

func (o *office) photo(shade uint8) (photo field.RecordID, paper receipt.Receipt) {
	o.t.Helper()
	content := picture(o.t, shade)
	photo, sum := o.declare(content, "image/jpeg")
	_, _, rec := o.upload(o.ann, photo, sum, content)
	if rec == nil {
		o.t.Fatal("no receipt")
	}
	return photo, *rec
}

// end stops the server where its store is for one process alone; again starts it then.
func (o *office) end(cfg config.Config) {
	if cfg.MongoDB.URI == "" {
		stop(o.t, o.a)
	}
}

func (o *office) again(cfg config.Config) {
	o.t.Helper()
	if cfg.MongoDB.URI != "" {
		return
	}
	old := o.ann
	o.a = start(o.t, cfg)
	if status, _, _ := o.ask("GET", "/v1/me", old, nil); status != 401 && len(o.published()) > 1 {
		o.t.Errorf("a token from before the leak is answered %d", status)
	}
	for login, to := range map[string]struct {
		token *string
		on    field.RecordID
	}{"ann": {&o.ann, o.phone}, "cai": {&o.desk, o.pc}} {
		var s struct{ AccessToken string }
		o.ok("POST", "/v1/auth/sign-in", "", obj{"login": login, "password": password, "device": device(to.on)}, &s)
		*to.token = s.AccessToken
	}
}

// The key may have leaked, in the middle of the night. After the change old receipts hold, new ones are of the new key,
// also those of a server that ran meanwhile, and the verification says what rests on what.
func TestTheKeyIsChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		quiet := slog.New(slog.DiscardHandler)
		o := open(t, cfg)
		photo, first := o.photo(1)
		keys := o.published()
		old := keys[0]
		if len(keys) != 1 || !old.From.IsZero() || keys.Verify(first) != nil {
			t.Fatalf("%+v", keys)
		}
		o.end(cfg)
		if _, _, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil { // by the old key
			t.Fatal(err)
		}
		changed, statement, err := upkeep.RotateKey(t.Context(), cfg, quiet, true)
		if err != nil || statement == "" {
			t.Fatal(statement, err)
		}
		o.again(cfg)
		keys = o.published()
		if len(keys) != 2 || keys[0].KeyID == old.KeyID || keys[1].KeyID != old.KeyID || !keys[1].Leaked || keys[1].Until.IsZero() ||
			!keys[1].Until.Equal(keys[0].From) || keys[0].KeyID != changed[0].KeyID {
			t.Fatalf("%+v", keys)
		}
		_, second := o.photo(2)
		if second.KeyID != keys[0].KeyID || keys.Verify(second) != nil || keys.Verify(first) != nil {
			t.Errorf("receipts: %+v %v, %+v %v", first, keys.Verify(first), second, keys.Verify(second))
		}
		var logged receipt.Receipt
		_, fields := o.state(photo)
		if err := json.Unmarshal(fields["receipt"], &logged); err != nil || logged != first {
			t.Errorf("the old receipt became %+v %v", logged, err)
		}
		report, err := o.a.Verify(t.Context())
		if err != nil || !report.Sound() || report.Photos != 2 || report.Statements < 2 ||
			!strings.Contains(report.String(), "REMARK      1 receipts are of the key "+old.KeyID+", which may be in other hands") {
			t.Errorf("%v\n%v", err, report)
		}
		// A routine change, of which it is found out later that it came too late.
		o.end(cfg)
		if keys, _, err = upkeep.RotateKey(t.Context(), cfg, quiet, false); err != nil || len(keys) != 3 || keys[1].Leaked {
			t.Fatalf("%v %+v", err, keys)
		}
		for id, says := range map[string]string{keys[0].KeyID: "keys rotate --leaked", "0123456789abcdef": "never had the key"} {
			if _, err := upkeep.MarkLeaked(t.Context(), cfg, quiet, id); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if keys, err = upkeep.MarkLeaked(t.Context(), cfg, quiet, keys[1].KeyID); err != nil || !keys[1].Leaked || !keys[2].Leaked || keys[0].Leaked {
			t.Fatalf("%v %+v", err, keys)
		}
		listed, err := upkeep.Keys(t.Context(), cfg, quiet)
		if err != nil || len(listed) != 3 || listed[0].KeyID != keys[0].KeyID {
			t.Errorf("%v %+v", err, listed)
		}
		report, err = upkeep.Verify(t.Context(), cfg, quiet, upkeep.Look{})
		if err != nil || !report.Sound() || report.Photos != 2 || strings.Count(report.String(), "REMARK") != 2 {
			t.Errorf("%v\n%v", err, report)
		}
	})
}

// A store that lost its keys, or was put back to a copy from before a change, says which key it does not know.
func TestAKeyThatTheStoreDoesNotKnowIsNamed(t *testing.T) {
	dir := t.TempDir()
	cfg, quiet := configured(t, dir), slog.New(slog.DiscardHandler)
	o := open(t, cfg)
	_, paper := o.photo(1)
	o.end(cfg)
	if _, _, _, err := upkeep.Anchor(t.Context(), cfg, quiet, false); err != nil {
		t.Fatal(err)
	}
	execute(t, dir, `DELETE FROM docs WHERE shelf = 'keys' AND id = 'receipts'`)
	if _, err := upkeep.Keys(t.Context(), cfg, quiet); err == nil || !strings.Contains(err.Error(), "there is no key yet") {
		t.Errorf("keys of a store without: %v", err)
	}
	if _, _, err := upkeep.RotateKey(t.Context(), cfg, quiet, false); err == nil || !strings.Contains(err.Error(), "there is no key yet") {
		t.Errorf("changing the key of a store without: %v", err)
	}
	refuses(t, cfg, "the key that signs receipts is gone")
	report, err := upkeep.Verify(t.Context(), cfg, quiet, upkeep.Look{})
	if err != nil || report.Sound() || !strings.Contains(report.String(), `its key "`+paper.KeyID+`" is not known`) ||
		!strings.Contains(report.String(), `the key with which it was signed is not known ("fieldclue"+`) {
		t.Errorf("%v\n%v", err, report)
	}
}
