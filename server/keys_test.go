package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"fieldclue/media/receipt"
	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/upkeep"
)

// The command as it is typed: what it prints can be given to "verify FILE --key".
func TestTheKeysCommand(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Load([]string{"--data", dir, "--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	typed := func(args ...string) receipt.Keys {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), append(append([]string{"keys"}, args...), "--data", dir), nil, console{&out}); err != nil {
			t.Fatal(err)
		}
		keys, err := receipt.ParseKeys(out.Bytes())
		if err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return keys
	}
	first := typed()
	second := typed("rotate")
	if len(first) != 1 || len(second) != 2 || second[1].KeyID != first[0].KeyID || second[1].Leaked {
		t.Fatalf("%+v, %+v", first, second)
	}
	if third := typed("leaked", first[0].KeyID); !third[1].Leaked {
		t.Errorf("%+v", third)
	}
	if fourth := typed("rotate", "--leaked"); len(fourth) != 3 || !fourth[1].Leaked {
		t.Errorf("%+v", fourth)
	}
	for _, wrong := range [][]string{{"--leaked"}, {"leaked"}, {"leaked", "--data", dir}, {"change"}} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"keys"}, wrong...), nil, console{&out}); err == nil || !strings.Contains(err.Error(), "keys") || out.Len() > 0 {
			t.Errorf("%v: %v %s", wrong, err, out.String())
		}
	}
}

// The keys are changed by the same command while the server serves: what it signed holds, and who is signed in stays
// so.
func TestKeysAreRotatedWhileTheServerServes(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Load([]string{"--data", dir, "--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if report, err := upkeep.Verify(t.Context(), cfg, slog.New(slog.DiscardHandler), upkeep.Look{}); err != nil || !report.Sound() {
			t.Errorf("%v %s", err, report)
		}
	}()
	code, err := a.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, token, body string, status int, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, a.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it was read to its end
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %d %s, %v", method, path, resp.StatusCode, raw, err)
		}
		if into != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var in struct{ AccessToken string }
	ask("POST", "/v1/setup", "", `{"code":"`+code+`","org":{"code":"bijie","name":"毕节","region":"520500"},"name":"管理员","login":"admin",
		"password":"four unrelated words here","device":{"id":"0193a000-0000-7000-8000-000000000001","name":"office","platform":"web"}}`, http.StatusCreated, &in)
	var before, after struct{ KeyID string }
	ask("GET", "/v1/receipt-key", in.AccessToken, "", http.StatusOK, &before)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"keys", "rotate", "--data", dir}, nil, console{&out}); err != nil {
		t.Fatal(err)
	}
	ask("GET", "/v1/receipt-key", in.AccessToken, "", http.StatusOK, &after)
	if before.KeyID == "" || before.KeyID == after.KeyID || !strings.Contains(out.String(), after.KeyID) {
		t.Errorf("the key was %s and is %s; the command says %s", before.KeyID, after.KeyID, out.String())
	}
	ask("POST", "/v1/people", in.AccessToken, `{"login":"chen","name":"陈","password":"hill-lamp-river-42"}`, http.StatusCreated, nil)
}

// The file and its key stand in either order.
func TestTheFileAndItsKeyInEitherOrder(t *testing.T) {
	none := t.TempDir() + "/case.zip"
	for want, args := range map[string][][]string{
		"key is 32 bytes":  {{none, "--key", "K"}, {"--key", "K", none}, {"--key=K", none}},
		"file of a case":   {{"--key", "K"}, {"--key", "K", "--data", none}},
		"value is missing": {{none, "--key"}},
	} {
		for _, a := range args {
			err := run(t.Context(), append([]string{"verify"}, a...), nil, console{&bytes.Buffer{}})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want something of %q", a, err, want)
			}
		}
	}
}
