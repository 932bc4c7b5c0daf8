package phone_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// An inspector notes a finding with a photo in a village without signal. Later the same Sync sends both.
func ExamplePhone() {
	dir, err := os.MkdirTemp("", "phone-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary directory harms nobody
	link := badlink.NewLink(badlink.LinkOptions{})
	link.Signal(false)

	p, err := phone.Open(phone.Options{
		Dir: dir, BaseURL: "https://fieldclue.example", Transport: link, Attempts: 1,
		Device: phone.Device{ID: "0193a000-0000-7000-8000-000000000002", Name: "phone of Li", Platform: "android"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = p.Close() }() // nothing is lost without it
	// With signal, once: p.Enrol(ctx, "li.na", password, code), with the code that the administrator gave.

	const (
		site    field.Scope    = "site/0193a000-0000-7000-8000-00000000000a"
		report  field.RecordID = "0193a000-0000-7000-8000-00000000000b"
		finding field.RecordID = "0193a000-0000-7000-8000-00000000000c"
		picture field.RecordID = "0193a000-0000-7000-8000-00000000000d"
	)
	file, err := p.Keep("well.jpg", []byte("the bytes of a JPEG"))
	if err != nil {
		log.Fatal(err)
	}
	err = p.Write("the finding at the well", // from here on it is on disk
		phone.Create(site, field.KindFinding, finding, map[string]any{"siteId": site.ID(), "reportId": report, "title": "水管未接通"}),
		phone.Photo(site, picture, file, map[string]any{"siteId": site.ID(), "reportId": report, "caption": "村口水管"}),
	)
	if err != nil {
		log.Fatal(err)
	}

	if err := p.Sync(context.Background()); errors.Is(err, badlink.ErrNoSignal) {
		fmt.Println("no signal: sync again later")
	}
	operations, photos := p.Waiting()
	fmt.Printf("%d operations and %d photo have not left the phone\n", operations, photos)
	for _, problem := range p.Stats().Problems { // conflicts and refusals; the server keeps each as a record
		fmt.Println(problem)
	}
	// Output:
	// no signal: sync again later
	// 2 operations and 1 photo have not left the phone
}

// A program that keeps its records elsewhere signs in, pulls the first page, and asks again with the cursors of that
// page.
func ExampleClient() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/auth/sign-in":
			_, _ = fmt.Fprint(w, `{"accessToken":"t","refreshToken":"r","user":{"id":"0193a000-0000-7000-8000-000000000001"}}`)
		case r.Header.Get("Authorization") == "Bearer t":
			_, _ = fmt.Fprint(w, `{"records":[{"id":"0193a000-0000-7000-8000-00000000000c","kind":"finding","version":3}],"cursors":{},"more":false}`)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, `{"code":"token_invalid","detail":"Sign in."}`)
		}
	}))
	defer server.Close()

	ctx := context.Background()
	c := phone.Client{BaseURL: server.URL}
	pull := protocol.PullRequest{Device: "0193a000-0000-7000-8000-000000000002"}
	var page protocol.PullResponse
	var refused *phone.Refused
	if err := c.Ask(ctx, "POST", "/v1/sync/pull", pull, &page); errors.As(err, &refused) {
		fmt.Println("before the sign-in:", refused.Code)
	}
	t, err := c.SignIn(ctx, "li.na", "kettle orchard violin", "", phone.Device{ID: pull.Device, Name: "import", Platform: "linux"})
	if err != nil {
		log.Fatal(err)
	}
	c.Token = t.Access
	if err := c.Ask(ctx, "POST", "/v1/sync/pull", pull, &page); err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Records[0].Kind, "in version", page.Records[0].Version)
	// Output:
	// before the sign-in: token_invalid
	// finding in version 3
}
