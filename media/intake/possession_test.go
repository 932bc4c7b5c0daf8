package intake_test

import (
	"bytes"
	"errors"
	"testing"

	"fieldclue/media/intake"
	"fieldclue/server/field"
)

// Who names the hash of bytes that others have stored gets nothing for it: neither a receipt nor a word that they are
// here.
func TestAHashProvesNothing(t *testing.T) {
	p := onDir(t)
	b, first := p.photo("first", 40_000)
	u, err := p.server().Send(t.Context(), me, first, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, first)

	p.ledger.Lacks = true
	named := p.declare("named alone", b, "image/jpeg")
	u, err = p.server().Create(t.Context(), me, named)
	must(t, err)
	if u.Receipt != nil || u.Offset != 0 {
		t.Fatalf("for a hash it has a receipt or %d bytes", u.Offset)
	}
	u, err = p.server().Head(t.Context(), me, u.ID)
	must(t, err)
	if u.Receipt != nil || u.Offset != 0 {
		t.Fatal("asking again made it known")
	}
	// Other bytes of the same size, whole and in pieces, are no proof either.
	other := bytes.Clone(b)
	other[len(other)-1] ^= 1
	if _, err := p.server().Append(t.Context(), me, u.ID, piece(other, 0, len(other))); !field.Is(err, field.CodeHashMismatch) {
		t.Fatalf("other bytes: %v", err)
	}
	again := p.declare("named and sent otherwise", b, "image/jpeg")
	if _, err := p.server().Send(t.Context(), me, again, piece(other, 0, len(other))); !field.Is(err, field.CodeHashMismatch) {
		t.Fatalf("other bytes at once: %v", err)
	}
	if p.ledger.Calls != 1 {
		t.Errorf("the log was told of %d photos", p.ledger.Calls)
	}
	// The bytes are.
	u, err = p.server().Send(t.Context(), me, again, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, again)
	if p.ledger.Stored[again.PhotoID].Already {
		t.Error("the log does not know that they were sent")
	}
}

// A request for what is somebody else's answers as for what is not there, and does not touch it.
func TestAStrangersRequestDoesNotTouchAnUpload(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("mine", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	stranger := intake.Uploader{User: "stranger", Device: "d"}
	version := p.docs.All[u.ID].Version
	for _, id := range []string{u.ID, intake.ID("nobody's", req.Sum), "nonsense", ""} {
		_, head := s.Head(t.Context(), stranger, id)
		_, patch := s.Append(t.Context(), stranger, id, piece(b, 0, len(b)))
		end := s.Terminate(t.Context(), stranger, id)
		_, confirm := s.Confirm(t.Context(), stranger, id)
		for name, err := range map[string]error{"HEAD": head, "PATCH": patch, "DELETE": end, "confirm": confirm} {
			var e *field.Error
			if !errors.As(err, &e) || e.Code != field.CodeUploadUnknown || e.Record != "" {
				t.Errorf("%s of %q: %v", name, id, err)
			}
		}
	}
	if got := p.docs.All[u.ID].Version; got != version {
		t.Errorf("the document was written: version %d, was %d", got, version)
	}
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, req)
}

// And does not end the request that is under way.
func TestAStrangersRequestDoesNotEndTheOneUnderWay(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("mine", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	body := &asking{Reader: bytes.NewReader(b), ask: func() {
		_, err := s.Head(t.Context(), intake.Uploader{User: "stranger"}, u.ID)
		for name, err := range map[string]error{"head": err, "terminate": s.Terminate(t.Context(), intake.Uploader{User: "stranger"}, u.ID)} {
			if !field.Is(err, field.CodeUploadUnknown) {
				t.Errorf("%s by a stranger: %v", name, err)
			}
		}
	}}
	u, err = s.Append(t.Context(), me, u.ID, intake.Piece{Length: int64(len(b)), Body: body})
	must(t, err)
	p.check(t, u, b, req)
	if body.interrupted {
		t.Error("the body was interrupted")
	}
}

// asking is a body in the middle of which something else happens.
type asking struct {
	*bytes.Reader
	ask         func()
	interrupted bool
}

func (a *asking) Read(b []byte) (int, error) {
	if a.ask != nil {
		a.ask()
		a.ask = nil
	}
	return a.Reader.Read(b)
}

func (a *asking) Interrupt() { a.interrupted = true }

func TestUploadsThatWereBegunAreBoundedForEachPerson(t *testing.T) {
	p := onDir(t)
	s := p.server(func(c *intake.Config) { c.Begun, c.BegunBytes = 3, 100_000 })
	begin := func(id string, size int) (intake.Upload, error) {
		_, req := p.photo(id, size)
		return s.Create(t.Context(), me, req)
	}
	_, one := p.photo("one", 40_000)
	_, err := s.Create(t.Context(), me, one)
	must(t, err)
	second, err := begin("two", 40_000)
	must(t, err)
	if _, err := begin("over in bytes", 40_000); !field.Is(err, field.CodeTooManyUploads) {
		t.Fatalf("120,000 bytes outstanding: %v", err)
	}
	_, err = begin("three", 10_000)
	must(t, err)
	if _, err := begin("over in number", 1_000); !field.Is(err, field.CodeTooManyUploads) {
		t.Fatalf("a fourth: %v", err)
	}
	if len(p.docs.All) != 3 {
		t.Errorf("%d documents", len(p.docs.All))
	}
	// What was begun is found again, and what comes whole in one request has begun nothing.
	_, err = s.Create(t.Context(), me, one)
	must(t, err)
	b, whole := p.photo("whole", 16_000)
	u, err := s.Send(t.Context(), me, whole, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, whole)
	// Ending one makes room.
	must(t, s.Terminate(t.Context(), me, second.ID))
	_, err = begin("a third again", 1_000)
	must(t, err)
}
