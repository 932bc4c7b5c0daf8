package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/casefile"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// A case file leaves with those who may, and the register says so; the case itself does not change, so the file is the
// same for each of them.
func TestACaseFileLeavesOnRecord(t *testing.T) {
	o := newOffice(t)
	id := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	o.click(o.dai, "clues", id, "register", nil, "registered")
	o.click(o.dai, "clues", id, "assign", obj{"handler": o.han.User.ID}, "assigned")
	path := "/v1/clues/" + id + "/export"
	for _, u := range []*user{o.ann, o.cai, o.han, o.admin} {
		o.no(u, 403, field.CodeNotPermitted, "POST", path, nil)
	}
	o.no(o.dai, 404, field.CodeNotFound, "POST", "/v1/clues/"+o.id()+"/export", nil)

	before := fmt.Sprint(o.headOf(field.Scope("clue/" + id)))
	public := receipt.NewRing(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))).Keys
	auditor := o.admin.hire("aud", access.Auditor)
	var first []byte
	for i, u := range []*user{o.dai, o.eva, auditor, auditor} {
		a := o.ok(u, "POST", path, nil, nil, "Idempotency-Key", "export")
		report, err := casefile.Check(bytes.NewReader(a.body), int64(len(a.body)), public)
		if err != nil || !report.Sound() || string(report.About.Clue) != id {
			t.Fatalf("%v\n%v", err, report)
		}
		h := sha256.Sum256(a.body)
		sum := hex.EncodeToString(h[:])
		if a.header.Get("ETag") != `"`+sum+`"` || a.header.Get("Content-Disposition") != `attachment; filename="case-`+report.About.Number+`.zip"` {
			t.Errorf("headers: %v", a.header)
		}
		if i == 0 {
			first = a.body
		}
		if i == 1 && !bytes.Equal(a.body, first) {
			t.Error("another file for the leader")
		}
		records, err := o.store.List(t.Context(), store.Query{
			Visible: access.Everything, Kinds: []field.Kind{field.KindExport}, Keys: []string{field.KeyFor("clueId", id), field.KeyFor("by", u.User.ID)}, Limit: 10,
		})
		if err != nil || len(records) != 1 || records[0].Text("sha256") != sum || records[0].Int("size") != int64(len(a.body)) || records[0].Author != u.User.ID {
			t.Fatalf("the register about %s: %v %v", u.User.Name, records, err)
		}
	}
	if after := fmt.Sprint(o.headOf(field.Scope("clue/" + id))); after != before {
		t.Errorf("exporting changed the case: %s, before %s", after, before)
	}
}

func (o *office) headOf(scope field.Scope) store.Head {
	o.t.Helper()
	h, err := o.store.Head(o.t.Context(), scope)
	if err != nil {
		o.t.Fatal(err)
	}
	return h
}

// heldCases makes a case file when it is let go.
type heldCases struct {
	api.Cases
	begun chan struct{}
	let   chan struct{}
}

func (h *heldCases) Gather(ctx context.Context, visible access.Filter, clue field.ClueID) (*casefile.File, error) {
	h.begun <- struct{}{}
	<-h.let
	return h.Cases.Gather(ctx, visible, clue)
}

// Case files that are being made are bounded for each person and in all.
func TestCaseFilesAreBoundedForEachPersonAndInAll(t *testing.T) {
	held := &heldCases{begun: make(chan struct{}), let: make(chan struct{})}
	o := officeOf(start(t, func(opt *api.Options) { held.Cases, opt.Cases = opt.Cases, held }))
	auditor := o.admin.hire("aud", access.Auditor)
	id := o.make(o.dai, "clues", obj{"title": "信访件", "channel": "petition"})
	path := "/v1/clues/" + id + "/export"
	var all sync.WaitGroup
	for _, u := range []*user{o.dai, o.dai, o.eva, o.eva} {
		all.Go(func() {
			if a := u.do("POST", path, nil); a.status != 200 {
				t.Errorf("%s: %d %s", u.User.Name, a.status, a.body)
			}
		})
		<-held.begun
	}
	o.no(o.dai, 429, field.CodeTooMany, "POST", path, nil)
	o.no(auditor, 503, field.CodeBusy, "POST", path, nil)
	close(held.let)
	all.Wait()
	go func() {
		for range held.begun {
		}
	}()
	a := auditor.do("POST", path, nil)
	for a.status == 503 { // a place is given back after the last byte was sent
		a = auditor.do("POST", path, nil)
	}
	a.want(200)
	close(held.begun)
}
