package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// With a listener of their own the metrics are given there, and beside the API only to who has the token, if there is
// one.
func TestTheMetricsHaveAListenerOfTheirOwn(t *testing.T) {
	cfg := configured(t, t.TempDir())
	cfg.MetricsListen, cfg.MetricsToken = "127.0.0.1:0", ""
	a := start(t, cfg)
	get := func(url string) (int, string) {
		t.Helper()
		resp, err := http.Get(url) //nolint:noctx // of this process
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }() // only read
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := get("http://" + a.MetricsAddress() + "/metrics"); status != 200 || !strings.Contains(body, "fieldclue_event_listeners") {
		t.Errorf("the listener answers %d", status)
	}
	for _, path := range []string{"/", "/v1/me", "/debug/pprof/"} {
		if status, _ := get("http://" + a.MetricsAddress() + path); status != 404 {
			t.Errorf("the listener answers %d to %s", status, path)
		}
	}
	if status, _ := get(a.URL() + "/metrics"); status != 404 {
		t.Errorf("beside the API they answer %d", status)
	}
}
