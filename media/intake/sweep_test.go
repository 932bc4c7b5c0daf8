package intake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/field"
)

// emptySeals gives addresses at which nothing lies; looking there fails as check says.
type emptySeals struct {
	blob.Staging
	check *error
}

func (s emptySeals) Seal(context.Context, string, blob.Sum, int64, time.Duration) (blob.SealedPut, error) {
	return blob.SealedPut{}, nil
}
func (s emptySeals) CheckSealed(context.Context, string, blob.Sum, int64) error { return *s.check }
func (emptySeals) OpenSealed(context.Context, string, int64) (io.ReadCloser, error) {
	return nil, errBroken
}
func (emptySeals) PromoteSealed(context.Context, string, blob.Sum, int64) error { return errBroken }
func (emptySeals) RemoveSealed(context.Context, string) error                   { return nil }
func (emptySeals) ShutSealed(context.Context, string) error                     { return nil }

// leaver is a ledger of which one photo's sender has left.
type leaver struct {
	intake.Ledger
	left *string
}

func (l leaver) DeclaredPhoto(ctx context.Context, who intake.Uploader, id string) (intake.Declared, error) {
	if *l.left == id {
		return intake.Declared{}, field.Refuse(field.CodeTokenInvalid, "The account is closed.")
	}
	return l.Ledger.DeclaredPhoto(ctx, who, id)
}

// Uploads of which one cannot be swept keep no other waiting: neither a sender who has left, nor a document that always
// fails.
func TestTheSweepGoesOnPastWhatFails(t *testing.T) {
	p := onDir(t)
	left, check := "", error(field.Refuse(field.CodeNotFound, ""))
	s := p.server(func(c *intake.Config) {
		c.Staging = emptySeals{p.staging, &check}
		c.SealedLife = 15 * time.Minute
		c.Ledger = leaver{p.ledger, &left}
	})
	_, req := p.photo("leaver", 40_000)
	_, _, err := s.Seal(t.Context(), me, req)
	must(t, err)
	begin := func(name string, n int) {
		b, req := p.photo(name, 40_000)
		u, err := s.Create(t.Context(), me, req)
		must(t, err)
		_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, n))
		must(t, err)
	}
	begin("stubborn", 10_000)
	p.now = p.now.Add(time.Second)
	begin("last", 20_000)
	left = "leaver"
	p.now = p.now.AddDate(0, 0, 31)
	told := map[string]int64{}
	notify := func(_ context.Context, e intake.Expired) error {
		if e.PhotoID == "stubborn" {
			return errBroken
		}
		told[e.PhotoID] = e.Offset
		return nil
	}
	for range 3 { // one upload a sweep, and the stubborn one is always the first
		if _, err := s.Sweep(t.Context(), 1, notify); err != nil && !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || told["last"] != 20_000 {
		t.Fatalf("told %v", told)
	}
}

// While the photo store is down nobody can say what lies at an address, so nobody is told anything.
func TestNothingIsToldOfAnAddressThatCannotBeSeen(t *testing.T) {
	p := onDir(t)
	check := error(field.Refuse(field.CodeStoreDown, ""))
	s := p.server(func(c *intake.Config) {
		c.Staging = emptySeals{p.staging, &check}
		c.SealedLife = 15 * time.Minute
	})
	_, req := p.photo("voided", 40_000)
	check = field.Refuse(field.CodeNotFound, "")
	_, _, err := s.Seal(t.Context(), me, req)
	must(t, err)
	delete(p.ledger.Photos, "voided")
	p.now = p.now.AddDate(0, 0, 31)
	var told []intake.Expired
	notify := func(_ context.Context, e intake.Expired) error { told = append(told, e); return nil }
	check = field.Refuse(field.CodeStoreDown, "")
	_, err = s.Sweep(t.Context(), 10, notify)
	code(t, err, field.CodeStoreDown)
	if len(told) != 0 {
		t.Fatalf("told %+v", told)
	}
	check = nil // it lies there whole
	_, err = s.Sweep(t.Context(), 10, notify)
	must(t, err)
	if len(told) != 1 || !told[0].Whole {
		t.Fatalf("told %+v", told)
	}
}

// meanwhile does something in the middle of a body.
type meanwhile struct {
	r  io.Reader
	do func()
}

func (m *meanwhile) Read(b []byte) (int, error) {
	if m.do != nil {
		m.do()
		m.do = nil
	}
	return m.r.Read(b)
}

// An address was given away, and the phone went over to tus. The sweep that looks at the address takes nothing from it,
// in this server or in another.
func TestTheSweepReplacesNoRunningUpload(t *testing.T) {
	for _, where := range []string{"in this server", "in another"} {
		t.Run(where, func(t *testing.T) {
			p := onDir(t)
			check := error(field.Refuse(field.CodeNotFound, ""))
			seals := func(c *intake.Config) {
				c.Staging = emptySeals{p.staging, &check}
				c.SealedLife = 15 * time.Minute
				c.Checkpoint = 16 << 20
			}
			s := p.server(seals)
			sweeper := s
			if where == "in another" {
				sweeper = p.server(seals)
			}
			b, req := p.photo("photo", 40_000)
			u, _, err := s.Seal(t.Context(), me, req)
			must(t, err)
			p.now = p.now.Add(2 * time.Hour)
			part := piece(b, 0, 30_000)
			part.Body = io.MultiReader(bytes.NewReader(b[:20_000]), &meanwhile{bytes.NewReader(b[20_000:30_000]), func() {
				_, err := sweeper.Sweep(t.Context(), 10, func(context.Context, intake.Expired) error { return errBroken })
				must(t, err)
			}})
			u, err = s.Append(t.Context(), me, u.ID, part)
			must(t, err)
			if u.Offset != 30_000 {
				t.Fatalf("at %d", u.Offset)
			}
			u, err = s.Append(t.Context(), me, u.ID, piece(b, 30_000, 40_000))
			must(t, err)
			p.check(t, u, b, req)
		})
	}
}

// Half of a photo is staged, the same bytes arrive as another photo, and the log is down when that is found out. The
// half upload is complete, not wrong.
func TestEqualBytesCompleteAHalfUploadLater(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("one", 40_000)
	two := p.declare("two", b, "image/jpeg")
	s := p.server()
	u, err := s.Create(t.Context(), me, two)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 10_000))
	must(t, err)
	_, err = s.Send(t.Context(), me, req, piece(b, 0, len(b)))
	must(t, err)
	p.ledger.Fail = func() error { return field.Refuse(field.CodeStoreDown, "") }
	_, err = s.Create(t.Context(), me, two)
	code(t, err, field.CodeStoreDown)
	p.ledger.Fail = nil
	u, err = s.Head(t.Context(), me, u.ID)
	must(t, err)
	p.check(t, u, b, two)
}

// A request that was overtaken, and whose store was slow, stages its bytes when the upload is complete. They go too.
func TestWhatIsStagedTooLateGoes(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 40_000))
	must(t, err)
	_, err = p.staging.Append(t.Context(), u.ID, 1, 0, bytes.NewReader(b[:10_000]), 10_000)
	must(t, err)
	p.now = p.now.Add(2 * time.Hour)
	_, err = s.Sweep(t.Context(), 10, func(context.Context, intake.Expired) error { return errBroken })
	must(t, err)
	p.check(t, u, b, req)
	if len(p.docs.All) != 0 {
		t.Fatalf("%d documents", len(p.docs.All))
	}
}

// deaf is a staging area that was killed when it should forget.
type deaf struct{ blob.Staging }

func (deaf) Remove(context.Context, string) error { return field.Refuse(field.CodeStoreDown, "") }

// Complete bytes that the log was not told of, and nobody comes back: the sweep tells it.
func TestCompleteBytesReachTheLogThoughNobodyAsks(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	p.ledger.Fail = func() error {
		if p.blobHas(req.Sum) {
			return errBroken
		}
		return nil
	}
	_, err := p.server().Send(t.Context(), me, req, piece(b, 0, len(b)))
	if !errors.Is(err, errBroken) || len(p.ledger.Stored) != 0 {
		t.Fatalf("%v, the log has %v", err, p.ledger.Stored)
	}
	p.now = p.now.AddDate(0, 0, 31)
	silent := func(context.Context, intake.Expired) error { return errors.New("nothing is half finished") }
	if _, err := p.server().Sweep(t.Context(), 10, silent); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	p.ledger.Fail = nil
	for range 2 { // the document stays for an hour, for what may yet arrive of the upload
		_, err = p.server().Sweep(t.Context(), 10, silent)
		must(t, err)
		if p.ledger.Stored["photo"].Receipt == nil {
			t.Fatalf("the log has %d photos", len(p.ledger.Stored))
		}
		p.now = p.now.Add(2 * time.Hour)
	}
	if len(p.docs.All) != 0 {
		t.Fatalf("%d documents", len(p.docs.All))
	}
}

// A server is killed when the upload is forgotten and its bytes are not yet removed.
func TestTheStartRemovesWhatWasForgotten(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	staging := p.staging
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 20_000))
	must(t, err)
	p.staging = deaf{staging}
	recorded := false
	p.ledger.Fail = func() error { recorded = true; return nil }
	writes := 0
	p.docs.Fail = func() error {
		if writes++; recorded && writes > 3 { // the document is marked, and then everything stands still
			return errBroken
		}
		if recorded {
			writes = 3
		}
		return nil
	}
	u, err = p.server().Append(t.Context(), me, u.ID, piece(b, 20_000, 40_000))
	must(t, err)
	p.staging, p.docs.Fail = staging, nil
	if _, err := staging.Open(t.Context(), u.ID, 20_000); err != nil {
		t.Fatalf("nothing was left to remove: %v", err)
	}
	must(t, p.server().Tidy(t.Context()))
	p.check(t, u, b, req)
}

// The phone has its receipt and never asks again: what could not be removed then goes with the next sweep, not at the
// end of the upload's time.
func TestStagedBytesThatCouldNotBeRemovedGoSoon(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	staging := p.staging
	p.staging = deaf{staging}
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 20_000))
	must(t, err)
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 20_000, 40_000))
	must(t, err)
	if _, err := staging.Open(t.Context(), u.ID, 20_000); err != nil {
		t.Fatal(err)
	}
	p.staging = staging
	_, err = p.server().Sweep(t.Context(), 10, func(context.Context, intake.Expired) error { return errors.New("nothing is half finished") })
	must(t, err)
	p.check(t, u, b, req)
	u, err = p.server().Create(t.Context(), me, req)
	must(t, err)
	p.check(t, u, b, req)
}

// A server is killed when the log knows the photo and the upload is not forgotten yet. The one that comes first cleans
// up: the phone that asks again, in any way, or the start of the next server.
func TestWhatACrashLeftOfACompleteUploadGoes(t *testing.T) {
	for name, next := range map[string]func(t *testing.T, p *place, req intake.Request){
		"head": func(t *testing.T, p *place, req intake.Request) {
			_, err := p.server().Head(t.Context(), me, intake.ID(req.PhotoID, req.Sum))
			must(t, err)
		},
		"create": func(t *testing.T, p *place, req intake.Request) {
			_, err := p.server().Create(t.Context(), me, req)
			must(t, err)
		},
		"start": func(t *testing.T, p *place, _ intake.Request) { must(t, p.server().Tidy(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			p := onDir(t)
			b, req := p.photo("photo", 40_000)
			half, halfReq := p.photo("half", 40_000)
			for _, r := range []intake.Request{req, halfReq} {
				_, err := p.server().Create(t.Context(), me, r)
				must(t, err)
			}
			_, err := p.server().Append(t.Context(), me, intake.ID("half", halfReq.Sum), piece(half, 0, 10_000))
			must(t, err)
			_, err = p.server().Append(t.Context(), me, intake.ID("photo", req.Sum), piece(b, 0, 20_000))
			must(t, err)
			staging := p.staging
			p.staging = deaf{staging}
			recorded := false
			p.ledger.Fail = func() error { recorded = true; return nil }
			p.docs.Fail = func() error {
				if recorded {
					return errBroken
				}
				return nil
			}
			u, err := p.server().Append(t.Context(), me, intake.ID("photo", req.Sum), piece(b, 20_000, 40_000))
			must(t, err)
			p.staging, p.docs.Fail = staging, nil
			if _, err := staging.Open(t.Context(), u.ID, 20_000); err != nil || len(p.docs.All) != 2 {
				t.Fatalf("nothing was left to clean up: %v, %v", err, p.docs.All)
			}
			next(t, p, req)
			p.check(t, u, b, req)
			p.now = p.now.Add(2 * time.Hour)
			_, err = p.server().Sweep(t.Context(), 10, func(context.Context, intake.Expired) error { return errors.New("nothing has expired") })
			must(t, err)
			if len(p.docs.All) != 1 {
				t.Fatalf("%d documents", len(p.docs.All))
			}
			h, err := p.server().Head(t.Context(), me, intake.ID("half", halfReq.Sum))
			must(t, err)
			if h.Offset != 10_000 {
				t.Fatalf("the half one is at %d", h.Offset)
			}
		})
	}
}

func TestHalfUploadsExpireWithNotice(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("half", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 10_000))
	must(t, err)
	full, fullReq := p.photo("full", 1_000)
	done, err := s.Create(t.Context(), me, fullReq)
	must(t, err)
	_, err = s.Append(t.Context(), me, done.ID, piece(full, 0, 1_000))
	must(t, err)

	var notices []intake.Expired
	notify := func(_ context.Context, e intake.Expired) error {
		notices = append(notices, e)
		return nil
	}
	p.now = p.now.AddDate(0, 0, 30).Add(-time.Second)
	n, err := s.Sweep(t.Context(), 10, notify)
	must(t, err)
	if n != 1 || len(notices) != 0 { // what stays for an hour of the complete one
		t.Fatalf("swept %d", n)
	}
	p.now = p.now.Add(2 * time.Second)
	_, err = s.Head(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadExpired)
	if _, err = s.Sweep(t.Context(), 10, func(context.Context, intake.Expired) error { return errBroken }); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	n, err = s.Sweep(t.Context(), 10, notify)
	must(t, err)
	if len(notices) != 1 || notices[0].PhotoID != "half" || notices[0].Offset != 10_000 || notices[0].By != me || n < 1 {
		t.Fatalf("%d swept, notices %+v", n, notices)
	}
	if len(p.docs.All) != 0 {
		t.Fatal(p.docs.All)
	}
	p.stored(t, fullReq.Sum, full)
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	if u.Offset != 0 {
		t.Fatalf("at %d", u.Offset)
	}
}

func TestAnExpiredUploadBeginsANewLife(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("half", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 10_000))
	must(t, err)
	p.now = p.now.AddDate(0, 0, 31)
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 40_000))
	must(t, err)
	p.check(t, u, b, req)
}
