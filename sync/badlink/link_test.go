package badlink_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"fieldclue/sync/badlink"
)

func TestTheSameSeedMeetsTheSameHarm(t *testing.T) {
	harm := func() badlink.Counts {
		server := httptest.NewServer(http.NotFoundHandler())
		defer server.Close()
		link := badlink.NewLink(badlink.LinkOptions{Seed: 5})
		link.SetWeather(badlink.Weather{Cut: 0.3, LoseAnswer: 0.2})
		client := http.Client{Transport: link}
		for range 60 {
			res, err := client.Post(server.URL+"/v1/auth/sign-in", "application/json", bytes.NewReader([]byte("{}")))
			if err == nil {
				_ = res.Body.Close() // only the harm counts
			}
		}
		return link.Counts()
	}
	a, b := harm(), harm()
	if a != b || a.Cut == 0 || a.AnswersLost == 0 {
		t.Fatalf("%+v, then %+v", a, b)
	}
}
