package phone_test

import (
	"context"
	"fmt"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// An inspector notes a finding with a photo in the village, and sends both when there is signal again.
func ExamplePhone() {
	visit := func(ctx context.Context, site field.Scope, report, finding, picture field.RecordID, jpeg []byte) error {
		p, err := phone.Open(phone.Options{
			Dir: "/data/inspection", BaseURL: "https://fieldclue.example",
			Device: phone.Device{ID: "0193a000-0000-7000-8000-000000000002", Name: "phone of Li", Platform: "android"},
		})
		if err != nil {
			return err
		}
		defer func() { _ = p.Close() }() // nothing is lost without it
		// Once, with the code that the administrator gave; later only when Sync returns ErrSignIn.
		if err := p.Enrol(ctx, "li.na", "the password", "the one-time code"); err != nil {
			return err
		}
		file, err := p.Keep(string(picture)+".jpg", jpeg)
		if err != nil {
			return err
		}
		err = p.Write("the finding at the well",
			phone.Create(site, field.KindFinding, finding, map[string]any{"siteId": site.ID(), "reportId": report, "title": "水管未接通"}),
			phone.Photo(site, picture, file, map[string]any{"siteId": site.ID(), "reportId": report, "caption": "村口水管"}),
		)
		if err != nil {
			return err
		}
		if err := p.Sync(ctx); err != nil { // no signal: call it again later, it goes on where it was
			return err
		}
		operations, photos := p.Waiting()
		fmt.Printf("%d operations and %d photos have not left the phone\n", operations, photos)
		for _, problem := range p.Stats().Problems { // conflicts and refusals; the server keeps each as a record
			fmt.Println(problem)
		}
		return nil
	}
	_ = visit // this example is compiled and not run: it needs a server
}
