package phone_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/sync/badlink"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// writeReport writes a report with one photo, as one group, and its submission.
func writeReport(t *testing.T, p *phone.Phone, name string, size int) field.RecordID {
	t.Helper()
	report, photo := id("report "+name), id("photo "+name)
	content := bytes.Repeat([]byte(name), size/len(name))
	f, err := p.Keep(string(photo)+".jpg", content)
	must(t, err)
	must(t, p.Write("visit "+name,
		phone.Create(site, field.KindReport, report, map[string]any{"siteId": id("site")}),
		phone.Edit(site, field.KindReport, report, map[string]any{"answers": map[string]any{"roof": map[string]any{"value": "leaks"}}}),
		phone.Photo(site, photo, f, map[string]any{"reportId": report}),
		phone.Command(site, field.KindReport, report, "submit", nil, photo)))
	return report
}

var submitted = []string{"report siteId", "report answers", "photo reportId+sha256+size+type", "report submit"}

func TestAVisitArrivesOnceAndItsSubmissionAfterItsPhoto(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	report := writeReport(t, p, "a", 100_000)
	must(t, p.Sync(t.Context()))
	if got := s.applied(); !slices.Equal(got, submitted) {
		t.Fatal(got)
	}
	if ops, photos := p.Waiting(); ops != 0 || photos != 0 {
		t.Fatalf("%d operations and %d photos are left", ops, photos)
	}
	files, err := p.Files()
	must(t, err)
	if st := p.Stats(); len(files) != 1 || st.Receipts != 1 || st.Acknowledged != 4 || st.Written[field.KindReport] != 1 {
		t.Fatalf("%v %+v", files, st)
	}
	w := p.Written()
	if w[0].ID != report || string(w[0].Fields["answers.roof"]) != `{"value":"leaks"}` {
		t.Fatalf("%+v", w)
	}
}

func TestAGroupIsWrittenOnce(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	writeReport(t, p, "a", 1000)
	writeReport(t, p, "a", 1000)
	if n := p.Stats().Operations; n != 4 {
		t.Fatalf("%d operations", n)
	}
}

func TestABatchKeepsItsNumberAndBytesUntilItIsAnswered(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	link := badlink.NewLink(badlink.LinkOptions{})
	p := s.phone(t, dir, link)
	must(t, p.SignIn(t.Context(), "somebody", "password"))
	writeReport(t, p, "a", 1000)
	link.Plan(badlink.Fault{Path: "/v1/sync/push", Harm: badlink.LoseAnswer, Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	dying := phone.Options{
		Dir: dir, BaseURL: s.http.URL, Device: device, Transport: link, Now: func() time.Time { return now },
		Sleep: func(context.Context, time.Duration) error { cancel(); return ctx.Err() },
	}
	must(t, p.Close())
	p, err := phone.Open(dying)
	must(t, err)
	if err := p.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, p.Close())

	p = s.phone(t, dir, nil) // the process starts again; the server checks that the bytes are the same
	must(t, p.Write("more", phone.Edit(site, field.KindReport, id("report a"), map[string]any{"summary": "more"})))
	must(t, p.Sync(t.Context()))
	want := append(slices.Clone(submitted[:3]), "report summary", "report submit")
	if got := s.applied(); !reflect.DeepEqual(sorted(got), sorted(want)) {
		t.Fatal(got)
	}
	if st := p.Stats(); st.Replayed != 1 || st.BytesResent == 0 {
		t.Fatalf("%+v", st)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestACutUploadGoesOnWhereItStood(t *testing.T) {
	s := newServer(t)
	link := badlink.NewLink(badlink.LinkOptions{})
	s.cutter = link
	p := s.phone(t, t.TempDir(), link)
	writeReport(t, p, "a", 3_000_000)
	link.Plan(
		badlink.Fault{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 1_000_000},
		badlink.Fault{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.Cut, After: 500_000, Reset: true},
		badlink.Fault{Method: http.MethodPatch, Path: "/v1/uploads", Harm: badlink.LoseAnswer},
	)
	must(t, p.Sync(t.Context()))
	if len(link.Planned()) != 0 || link.Counts().Cut != 2 || link.Counts().AnswersLost != 1 {
		t.Fatalf("not met: %v %+v", link.Planned(), link.Counts())
	}
	st := p.Stats()
	if st.Receipts != 1 || st.BytesResent == 0 || st.BytesResent > 3_000_000 || st.BytesSent < 3_000_000 {
		t.Fatalf("%+v", st)
	}
}

func TestAPhotoIsFreedOnlyOnAReceiptThatHolds(t *testing.T) {
	s := newServer(t)
	s.forge = true
	p := s.phone(t, t.TempDir(), nil)
	writeReport(t, p, "a", 1000)
	if err := p.Sync(t.Context()); !field.Is(err, field.CodeHashMismatch) {
		t.Fatal(err)
	}
	files, err := p.Files()
	must(t, err)
	if len(files) != 1 || p.Stats().Receipts != 0 || slices.Contains(s.applied(), "report submit") {
		t.Fatalf("files %v, applied %v", files, s.applied())
	}
	s.forge = false
	must(t, p.Sync(t.Context()))
	// A server that is put back to a copy asks for it again: it stays as long as the receipt says.
	if files, err = p.Files(); err != nil || len(files) != 1 || p.Stats().Receipts != 1 {
		t.Fatal(files, err)
	}
	began := now
	defer func() { now = began }()
	for freed, days := range []int{29, 31} {
		now = began.AddDate(0, 0, days)
		must(t, p.Sync(t.Context()))
		if files, err = p.Files(); err != nil || len(files) != 1-freed {
			t.Errorf("after %d days there are %v, %v", days, files, err)
		}
	}
}

// The server changes its key: photos are freed by receipts of either, the keys are asked for when one is not known, and
// kept.
func TestAPhoneFollowsAChangedKey(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	p := s.phone(t, dir, nil)
	freed := func(what string, receipts, asked int) {
		t.Helper()
		writeReport(t, p, what, 1000)
		must(t, p.Sync(t.Context()))
		if got := p.Stats().Receipts; got != receipts || s.askedKeys != asked {
			t.Errorf("%s: %d photos have a receipt, want %d; the keys were asked for %d times, want %d", what, got, receipts, s.askedKeys, asked)
		}
	}
	freed("a", 1, 1)
	before := s.key
	old := receipt.NewRing(before).Keys[0]
	old.Until = now
	s.key, s.older = ed25519.NewKeyFromSeed(slices.Repeat([]byte{3}, ed25519.SeedSize)), receipt.Keys{old}
	freed("b", 2, 2)
	s.signs = before // it was received just before the change, and the phone was away
	freed("c", 3, 2)
	s.signs = nil
	must(t, p.Close())
	p = s.phone(t, dir, nil)
	freed("d", 4, 2)
	// Put back to a copy from before the change: the older key signs again, after what was its end.
	s.key, s.older, s.later = before, nil, time.Hour
	freed("e", 5, 3)
	s.forge = true
	writeReport(t, p, "g", 1000)
	forger := receipt.KeyID(receipt.NewSigner(ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, ed25519.SeedSize))).PublicKey())
	if err := p.Sync(t.Context()); !field.Is(err, field.CodeHashMismatch) || !strings.Contains(err.Error(), forger) {
		t.Errorf("a key that the server never had: %v", err)
	}
	if files, err := p.Files(); err != nil || len(files) != 6 {
		t.Errorf("%v are left, %v", files, err)
	}
}

func TestAChunkedUploadCarriesChecksums(t *testing.T) {
	s := newServer(t)
	p, err := phone.Open(phone.Options{
		Dir: t.TempDir(), BaseURL: s.http.URL, Device: device, Chunk: 4096, Unlock: func() (string, string) { return "somebody", "password" },
	})
	must(t, err)
	writeReport(t, p, "a", 10_000)
	must(t, p.Sync(t.Context()))
	if st := p.Stats(); st.Receipts != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestWhatWasWrittenOutlivesALostScope(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	rec := protocol.PulledRecord{ID: id("old"), Kind: field.KindReport, Scope: site, Version: 3, Fields: []byte(`{}`)}
	other := field.MakeScope(field.ScopeOrg, "gz")
	s.pages = []protocol.PullResponse{
		{Records: []protocol.PulledRecord{rec}, Cursors: map[field.Scope]protocol.Cursor{site: {Seq: 3, Hash: "x"}}},
		{Cursors: map[field.Scope]protocol.Cursor{other: {Seq: 1, Hash: "y"}}},
	}
	must(t, p.Pull(t.Context()))
	if r, ok := p.Record(id("old")); !ok || r.Version != 3 || len(p.Scopes()) != 2 {
		t.Fatalf("%v %v", r, p.Scopes())
	}
	must(t, p.Write("edit", phone.Edit(site, field.KindReport, id("old"), map[string]any{"summary": "mine"})))
	s.pages = []protocol.PullResponse{{Gone: []field.Scope{site}}}
	must(t, p.Sync(t.Context()))
	if _, ok := p.Record(id("old")); ok || slices.Contains(p.Scopes(), site) {
		t.Fatal("the scope is still on the phone")
	}
	if got := s.applied(); !slices.Equal(got, []string{"report summary"}) {
		t.Fatal(got)
	}
	if s.ops[0].Base != 3 {
		t.Fatalf("base %d", s.ops[0].Base)
	}

	s.pages = []protocol.PullResponse{{Restart: []field.Scope{other}}}
	must(t, p.Pull(t.Context()))
	must(t, p.Pull(t.Context()))
	if last := s.cursors[len(s.cursors)-1]; len(last) != 0 {
		t.Fatalf("the scope does not start afresh: %v", last)
	}
}

// A server that was put back to a copy gives out numbers again: the base of what was written before is a version of
// another history.
func TestWhatWasWrittenBeforeARestartGoesWithTheCursorOfThatTime(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	page := func(hash string) protocol.PullResponse {
		return protocol.PullResponse{
			Records: []protocol.PulledRecord{{ID: id("old"), Kind: field.KindReport, Scope: site, Version: 3, Fields: []byte(`{}`)}},
			Cursors: map[field.Scope]protocol.Cursor{site: {Seq: 3, Hash: hash}},
		}
	}
	edit := func(text string) {
		t.Helper()
		must(t, p.Write(text, phone.Edit(site, field.KindReport, id("old"), map[string]any{"summary": text})))
	}
	s.pages = []protocol.PullResponse{page("before")}
	must(t, p.Pull(t.Context()))
	edit("written before")
	s.pages = []protocol.PullResponse{{Restart: []field.Scope{site}}, page("after")}
	must(t, p.Pull(t.Context()))
	edit("written after")
	must(t, p.Sync(t.Context()))
	for batch, want := range []string{"before", "after"} {
		var req protocol.PushRequest
		must(t, json.Unmarshal([]byte(s.bodies[int64(batch+1)]), &req))
		if len(req.Operations) != 1 || string(req.Operations[0].Set["summary"]) != `"written `+want+`"` || req.Seen == nil || req.Seen.Hash != want {
			t.Errorf("batch %d: %s", batch+1, s.bodies[int64(batch+1)])
		}
	}
}

func TestANumberThatWasUsedIsReplaced(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	s.refuse = func(batch int64) *field.Error {
		if batch < 1000 {
			return field.Refuse(field.CodeBatchReused, "")
		}
		return nil
	}
	writeReport(t, p, "a", 1000)
	must(t, p.Sync(t.Context()))
	if got := s.applied(); !slices.Equal(got, submitted) {
		t.Fatal(got)
	}
}

func TestBatchesStayWithinTheLimits(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	p := s.phone(t, dir, nil)
	for g := range 3 {
		var ops []phone.Op
		for i := range 400 {
			ops = append(ops, phone.Create(site, field.KindFinding, id(fmt.Sprint(g, i)), map[string]any{"title": fmt.Sprint(g)}))
		}
		must(t, p.Write(fmt.Sprint("group ", g), ops...))
	}
	var big []phone.Op
	for i := range 600 {
		big = append(big, phone.Create(site, field.KindFinding, id(fmt.Sprint("big", i)), map[string]any{"facts": string(bytes.Repeat([]byte("x"), 3000))}))
	}
	must(t, p.Write("big", big...))
	must(t, p.Sync(t.Context()))
	if len(s.ops) != 1800 {
		t.Fatalf("%d operations", len(s.ops))
	}
	for n, body := range s.bodies {
		if len(body) > protocol.MaxBatchBytes || len(s.answers[n].Outcomes) > protocol.MaxOperations {
			t.Errorf("batch %d: %d bytes, %d operations", n, len(body), len(s.answers[n].Outcomes))
		}
	}
	for i, op := range s.ops[:1200] {
		if want := id(fmt.Sprint(i/400, i%400)); op.ID != want {
			t.Fatalf("operation %d is out of order", i)
		}
	}

	before := p.Stats()
	must(t, p.Close())
	for range 2 { // the journal is long enough to be compacted
		p = s.phone(t, dir, nil)
		if after := p.Stats(); !reflect.DeepEqual(before, after) {
			t.Fatalf("%+v became %+v", before, after)
		}
		must(t, p.Close())
	}
	journal, err := os.ReadFile(filepath.Join(dir, "journal"))
	must(t, err)
	if events := bytes.Count(journal, []byte("\n")); events != 1 {
		t.Fatalf("the journal was not compacted: it has %d events", events)
	}
}

func TestWithoutSignalNothingIsLost(t *testing.T) {
	s := newServer(t)
	link := badlink.NewLink(badlink.LinkOptions{})
	p := s.phone(t, t.TempDir(), link)
	link.Signal(false)
	writeReport(t, p, "a", 1000)
	if err := p.Sync(t.Context()); !errors.Is(err, badlink.ErrNoSignal) {
		t.Fatal(err)
	}
	link.Signal(true)
	must(t, p.Sync(t.Context()))
	if got := s.applied(); !slices.Equal(got, submitted) {
		t.Fatal(got)
	}
}

func TestBadWeatherChangesNothing(t *testing.T) {
	for seed := range uint64(20) {
		s := newServer(t)
		link := badlink.NewLink(badlink.LinkOptions{Seed: seed})
		link.SetWeather(badlink.Weather{Cut: 0.2, LoseAnswer: 0.2, Twice: 0.1})
		dir := t.TempDir()
		p := s.phone(t, dir, link)
		writeReport(t, p, "a", 300_000)
		writeReport(t, p, "b", 300_000)
		must(t, p.Sync(t.Context()))
		if got := s.applied(); len(got) != 8 || p.Stats().Receipts != 2 {
			t.Fatalf("seed %d: %v", seed, got)
		}
	}
}

// A process may end at any byte of the journal: what is left is what was written before.
func TestAJournalThatEndsAnywhereOpens(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	p := s.phone(t, dir, nil)
	writeReport(t, p, "a", 1000)
	must(t, p.Sync(t.Context()))
	must(t, p.Close())
	whole, err := os.ReadFile(filepath.Join(dir, "journal"))
	must(t, err)
	last := 0
	for end := 0; end <= len(whole); end += 61 {
		cut := t.TempDir()
		must(t, os.WriteFile(filepath.Join(cut, "journal"), whole[:end], 0o600))
		p := s.phone(t, cut, nil)
		n := p.Stats().Operations*10 + p.Stats().Acknowledged
		if n < last {
			t.Fatalf("at byte %d of %d the phone remembers less than before", end, len(whole))
		}
		last = n
		must(t, p.Write("after", phone.Create(site, field.KindFinding, id("after"), map[string]any{"title": "x"})))
		must(t, p.Close())
		p = s.phone(t, cut, nil)
		if !p.Wrote("after") {
			t.Fatalf("at byte %d: what was written after the crash is lost", end)
		}
		must(t, p.Close())
	}
	damaged := bytes.Clone(whole)
	damaged[20] ^= 1
	must(t, os.WriteFile(filepath.Join(dir, "journal"), damaged, 0o600))
	if _, err := phone.Open(phone.Options{Dir: dir}); err == nil {
		t.Fatal("a damaged journal was taken for a torn one")
	}
}

func TestReturnedWorkLiesOnTop(t *testing.T) {
	s := newServer(t)
	p := s.phone(t, t.TempDir(), nil)
	notice := func(name, kind, at string, state field.State) protocol.PulledRecord {
		return protocol.PulledRecord{ID: id(name), Kind: field.KindNotice, Scope: "user/x", Version: 1, State: state, CreatedAt: at, Fields: []byte(`{"type":"` + kind + `"}`)}
	}
	s.pages = []protocol.PullResponse{{Records: []protocol.PulledRecord{
		notice("old", "info", "2026-01-01", "unread"), notice("back", "returned", "2026-01-02", "unread"),
		notice("new", "assigned", "2026-01-03", "unread"), notice("seen", "returned", "2026-01-04", "read"),
	}}}
	must(t, p.Pull(t.Context()))
	var order []field.RecordID
	for _, n := range p.Inbox() {
		order = append(order, n.ID)
	}
	if !slices.Equal(order, []field.RecordID{id("back"), id("new"), id("old")}) {
		t.Fatal(order)
	}
}
