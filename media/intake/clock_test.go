package intake_test

import (
	"testing"
	"time"

	"fieldclue/media/intake"
	"fieldclue/media/receipt"
	"fieldclue/server/field"
)

// The key was made by a clock that was a day ahead. No receipt is given that the published keys do not confirm; the
// bytes stay, also when the server starts anew, and the receipt follows when it holds.
func TestAReceiptThatWouldNotHoldIsNotGiven(t *testing.T) {
	p := onDir(t)
	ring := receipt.NewRing(p.key)
	ring.Keys[0].From = p.now.Add(24 * time.Hour)
	server := func() *intake.Service {
		return p.server(func(c *intake.Config) { c.Keys = ring.Always() })
	}
	s := server()
	b, req := p.photo("photo", 10_000)
	u, err := s.Send(t.Context(), me, req, piece(b, 0, len(b)))
	if !field.Is(err, field.CodeBusy) || field.AsError(err).ZH == "" || field.AsError(err).After == 0 || u.Receipt != nil {
		t.Fatalf("%+v %v", u, err)
	}
	if s.Withheld() != 1 || len(p.ledger.Stored) != 0 {
		t.Errorf("%d withheld, and the log has %v", s.Withheld(), p.ledger.Stored)
	}
	p.stored(t, req.Sum, b)
	s = server()
	if err := s.Tidy(t.Context()); !field.Is(err, field.CodeBusy) {
		t.Errorf("the start: %v", err)
	}
	if _, err := s.Head(t.Context(), me, intake.ID("photo", req.Sum)); !field.Is(err, field.CodeBusy) {
		t.Errorf("asked again: %v", err)
	}
	p.now = p.now.Add(24 * time.Hour)
	u, err = s.Head(t.Context(), me, intake.ID("photo", req.Sum))
	must(t, err)
	p.check(t, u, b, req)
}

// Half an upload of a clock that was a year ahead waits no longer than any other.
func TestHalfAnUploadDoesNotOutliveTheClock(t *testing.T) {
	p := onDir(t)
	right := p.now
	p.now = right.AddDate(1, 0, 0)
	b, req := p.photo("photo", 10_000)
	u, err := p.server().Create(t.Context(), me, req)
	must(t, err)
	p.now = right
	s := p.server()
	must(t, s.Tidy(t.Context()))
	u, err = s.Head(t.Context(), me, u.ID)
	must(t, err)
	if !u.Expires.Equal(right.Add(30 * 24 * time.Hour)) {
		t.Errorf("it waits until %s", u.Expires)
	}
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, req)
}
