package api_test

import (
	"fmt"
	"testing"

	"fieldclue/media/worker"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
)

// Jobs that were set aside are listed to who runs the server, page by page, and go back into the queue when told.
func TestJobsThatWereSetAside(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		chen := admin.hire("chen", access.Supervisor)
		for i := range 3 {
			body := fmt.Sprintf(`{"kind":"examine","payload":"%d","tries":8,"error":"no luck","since":"2026-05-01T00:00:00Z"}`, i)
			key := []string{"poisoned", "poisoned", "queued"}[i]
			if _, err := w.store.PutDoc(t.Context(), store.Doc{Shelf: store.Jobs, ID: fmt.Sprintf("examine/%d", i), Key: key, Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		var page workflow.Page[worker.Job]
		admin.do("GET", "/v1/jobs?limit=1", nil).want(200).into(&page)
		if len(page.Items) != 1 || page.Items[0].ID != "examine/0" || page.Items[0].Error != "no luck" || page.Items[0].Tries != 8 || page.Next == "" {
			t.Fatalf("%+v", page)
		}
		next := page.Next
		page = workflow.Page[worker.Job]{}
		admin.do("GET", "/v1/jobs?limit=1&after="+next, nil).want(200).into(&page)
		if len(page.Items) != 1 || page.Items[0].ID != "examine/1" || page.Next != "" {
			t.Fatalf("%+v", page)
		}
		chen.do("GET", "/v1/jobs", nil).refused(403, field.CodeNotPermitted)
		chen.do("POST", "/v1/jobs/again", obj{"id": "examine/0"}).refused(403, field.CodeNotPermitted)
		admin.do("POST", "/v1/jobs/again", obj{"id": "examine/9"}).refused(404, field.CodeNotFound)
		admin.do("POST", "/v1/jobs/again", obj{"id": "examine/2"}).refused(409, field.CodeNotNow)
		admin.do("POST", "/v1/jobs/again", obj{"id": ""}).refused(400, field.CodeMissingField)
		admin.do("POST", "/v1/jobs/again", obj{"id": "examine/0"}).want(204)
		page = workflow.Page[worker.Job]{}
		admin.do("GET", "/v1/jobs", nil).want(200).into(&page)
		if len(page.Items) != 1 || page.Items[0].ID != "examine/1" {
			t.Fatalf("%+v", page)
		}
	})
}
