package phone_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
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
