package intake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/media/intake"
	"fieldclue/server/field"
)

// onSealing is a place on a real MinIO that gives addresses for sealed puts.
func onSealing(t *testing.T) *place {
	t.Helper()
	srv := miniotest.Start(t)
	s, err := minio.Open(context.WithoutCancel(t.Context()), minio.Config{
		Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Bucket: "sealed-originals", Locked: true, StagingBucket: "sealed-staging", PublicURL: "http://" + srv.Endpoint,
	})
	must(t, err)
	staging, err := s.Staging()
	must(t, err)
	return newPlace(s, staging)
}

func sealing(c *intake.Config) { c.SealedLife = 15 * time.Minute }

// put sends bytes to an address as it demands, and gives the status.
func put(t *testing.T, at *intake.Sealed, b []byte) int {
	t.Helper()
	if at == nil {
		t.Fatal("no address was given")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, at.URL, bytes.NewReader(b))
	must(t, err)
	for name, value := range at.Header {
		if name != "Content-Length" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	must(t, errors.Join(err, resp.Body.Close()))
	return resp.StatusCode
}

func (p *place) seal(t *testing.T, req intake.Request) (intake.Upload, *intake.Sealed) {
	t.Helper()
	u, at, err := p.server(sealing).Seal(t.Context(), me, req)
	must(t, err)
	return u, at
}

// lies reports whether the whole file lies at its sealed address.
func (p *place) lies(t *testing.T, u intake.Upload, req intake.Request) bool {
	t.Helper()
	seals, ok := p.staging.(blob.Seals)
	if !ok {
		t.Fatal("no sealed puts")
	}
	return seals.CheckSealed(t.Context(), u.ID, req.Sum, req.Size) == nil
}

func TestASealedPutIsConfirmedByAnyServer(t *testing.T) {
	p := onSealing(t)
	b, req := p.photo("photo", 40_000)
	u, at := p.seal(t, req)
	if !at.Until.Equal(p.now.Add(15*time.Minute)) || u.Receipt != nil {
		t.Fatalf("%+v %+v", u, at)
	}
	_, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
	code(t, err, field.CodeSealedPutMissing)
	other := bytes.Clone(b)
	other[500] ^= 1
	for _, wrong := range [][]byte{other, b[1:], append(bytes.Clone(b), 0), {}} {
		if status := put(t, at, wrong); status < 400 {
			t.Fatalf("%d bytes that are not the file: %d", len(wrong), status)
		}
		_, err = p.server(sealing).Confirm(t.Context(), me, u.ID)
		code(t, err, field.CodeSealedPutMissing)
		p.untouched(t, req)
	}
	if status := put(t, at, b); status != http.StatusOK {
		t.Fatal(status)
	}
	p.untouched(t, req)
	_, err = p.server(sealing).Confirm(t.Context(), intake.Uploader{User: "u2"}, u.ID)
	code(t, err, field.CodeUploadUnknown)
	_, _, err = p.server(sealing).Seal(t.Context(), intake.Uploader{User: "u2"}, req)
	code(t, err, field.CodePhotoNotDeclared)
	p.untouched(t, req)
	done, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
	must(t, err)
	p.check(t, done, b, req)
	p.now = p.now.Add(time.Minute)
	again, err := p.server().Confirm(t.Context(), me, u.ID) // also by a server that gives no addresses
	must(t, err)
	if !bytes.Equal(again.Receipt, done.Receipt) {
		t.Fatalf("another receipt: %s, %s", again.Receipt, done.Receipt)
	}
	if status := put(t, at, b); status != http.StatusPreconditionFailed || p.lies(t, u, req) {
		t.Errorf("the address was used again: %d", status)
	}
	p.stored(t, req.Sum, b)
	asked, at := p.seal(t, req)
	if at != nil || !bytes.Equal(asked.Receipt, done.Receipt) {
		t.Errorf("a stored photo: %+v %+v", asked, at)
	}
	if n := p.ledger.Calls; n < 1 || len(p.ledger.Stored) != 1 {
		t.Errorf("the log was told %d times of %d photos", n, len(p.ledger.Stored))
	}
}

func TestASealedPutNeedsWhatAnUploadNeeds(t *testing.T) {
	p := onSealing(t)
	_, req := p.photo("photo", 40_000)
	s := p.server(sealing, func(c *intake.Config) { c.MaxImage = 50_000 })
	_, big := p.photo("big", 50_001)
	change := func(f func(*intake.Request)) intake.Request {
		r := req
		f(&r)
		return r
	}
	for name, c := range map[string]struct {
		req  intake.Request
		code field.Code
	}{
		"another hash":  {change(func(r *intake.Request) { r.Sum = big.Sum }), field.CodeHashMismatch},
		"another size":  {change(func(r *intake.Request) { r.Size++ }), field.CodeSizeMismatch},
		"another type":  {change(func(r *intake.Request) { r.Type = "image/png" }), field.CodeNotAPhoto},
		"not declared":  {change(func(r *intake.Request) { r.PhotoID = "x" }), field.CodePhotoNotDeclared},
		"over the size": {big, field.CodePhotoTooBig},
	} {
		if _, at, err := s.Seal(t.Context(), me, c.req); !field.Is(err, c.code) || at != nil {
			t.Errorf("%s: %v %v", name, at, err)
		}
	}
	if len(p.docs.All) != 0 {
		t.Errorf("something is left: %v", p.docs.All)
	}
	_, _, err := p.server().Seal(t.Context(), me, req)
	code(t, err, field.CodeSealedPutOff)
	d := onDir(t)
	_, req = d.photo("photo", 100)
	_, _, err = d.server(sealing).Seal(t.Context(), me, req)
	code(t, err, field.CodeSealedPutOff)
	if len(d.docs.All) != 0 {
		t.Errorf("something is left: %v", d.docs.All)
	}
}

func TestTusTakesAFailedSealedPutOver(t *testing.T) {
	p := onSealing(t)
	b, req := p.photo("cut", 40_000)
	u, err := p.server().Create(t.Context(), me, req) // begun by tus, then the link got good, then bad again
	must(t, err)
	_, err = p.server().Append(t.Context(), me, u.ID, cut(b, 0, 40_000, 9_000))
	code(t, err, field.CodeBodyTruncated)
	sealed, at := p.seal(t, req)
	if sealed.ID != u.ID || sealed.Offset != 9_000 {
		t.Fatalf("%+v", sealed)
	}
	u, err = p.server().Head(t.Context(), me, u.ID)
	must(t, err)
	u, err = p.server().Append(t.Context(), me, u.ID, piece(b, int(u.Offset), 40_000))
	must(t, err)
	p.check(t, u, b, req)
	if status := put(t, at, b); status != http.StatusPreconditionFailed {
		t.Errorf("the address still takes: %d", status)
	}
	again, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
	must(t, err)
	if !bytes.Equal(again.Receipt, u.Receipt) {
		t.Error("confirmed with another receipt")
	}

	// The put came through and its answer did not: tus finds the upload complete.
	b, req = p.photo("answer lost", 40_000)
	_, at = p.seal(t, req)
	put(t, at, b)
	u, err = p.server().Create(t.Context(), me, req)
	must(t, err)
	p.check(t, u, b, req)
}

// The server dies at each of its writes between the put and the receipt; the phone confirms again.
func TestAConfirmationGoesOnAfterACrash(t *testing.T) {
	p := onSealing(t)
	for step := range 5 {
		b, req := p.photo(string(rune('a'+step)), 10_000)
		u, at := p.seal(t, req)
		put(t, at, b)
		n := 0
		fail := func() error {
			if n++; n > step {
				return errBroken
			}
			return nil
		}
		p.docs.Fail, p.ledger.Fail = fail, fail
		_, _ = p.server(sealing).Confirm(t.Context(), me, u.ID) // may or may not get through
		p.docs.Fail, p.ledger.Fail = nil, nil
		u, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
		must(t, err)
		p.check(t, u, b, req)
	}
}

func TestWhatIsNoPhotoIsRefusedAtConfirm(t *testing.T) {
	p := onSealing(t)
	b := bytes.Repeat([]byte("<html>no photo</html>"), 1000)
	req := p.declare("page", b, "image/jpeg")
	u, at := p.seal(t, req)
	if status := put(t, at, b); status != http.StatusOK {
		t.Fatal(status)
	}
	_, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
	code(t, err, field.CodeNotAPhoto)
	p.untouched(t, req)
	_, err = p.server(sealing).Confirm(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadUnknown)
	if status := put(t, at, b); status != http.StatusPreconditionFailed {
		t.Errorf("the address takes it again: %d", status)
	}
	p.now = p.now.AddDate(0, 0, 31)
	silent := func(context.Context, intake.Expired) error { return errors.New("he was told") }
	_, err = p.server(sealing).Sweep(t.Context(), 10, silent)
	must(t, err)
	if len(p.docs.All) != 0 {
		t.Errorf("left: %v", p.docs.All)
	}
}

// careless stands for a store that lets other bytes in under a sealed address, and may not even say so when it is
// asked.
type careless struct {
	*minio.Staging
	takes  blob.Sum
	silent bool
}

func (c *careless) Seal(ctx context.Context, id string, _ blob.Sum, size int64, life time.Duration) (blob.SealedPut, error) {
	return c.Staging.Seal(ctx, id, c.takes, size, life)
}

func (c *careless) CheckSealed(ctx context.Context, id string, sum blob.Sum, size int64) error {
	err := c.Staging.CheckSealed(ctx, id, sum, size)
	if c.silent && field.Is(err, field.CodeHashMismatch) {
		return nil
	}
	return err
}

func TestOtherBytesAreFoundOutAtConfirm(t *testing.T) {
	p := onSealing(t)
	real, ok := p.staging.(*minio.Staging)
	if !ok {
		t.Fatal("another staging")
	}
	for name, silent := range map[string]bool{"by the checksum that is read back": false, "by hashing every byte": true} {
		b, req := p.photo(name, 40_000)
		other, otherReq := p.photo("other "+name, 40_000)
		p.staging = &careless{real, otherReq.Sum, silent}
		u, at := p.seal(t, req)
		if status := put(t, at, other); status != http.StatusOK {
			t.Fatal(status)
		}
		_, err := p.server(sealing).Confirm(t.Context(), me, u.ID)
		code(t, err, field.CodeHashMismatch)
		for _, sum := range []blob.Sum{req.Sum, otherReq.Sum} {
			if _, err := p.blobs.Stat(t.Context(), sum); !field.Is(err, field.CodeNotFound) {
				t.Errorf("%s: stored: %v", name, err)
			}
		}
		if len(p.ledger.Stored) != 0 {
			t.Errorf("%s: the log has %v", name, p.ledger.Stored)
		}
		_, err = p.server(sealing).Confirm(t.Context(), me, u.ID)
		code(t, err, field.CodeSealedPutMissing)
		p.staging = real
		u, err = p.server().Append(t.Context(), me, u.ID, piece(b, 0, len(b))) // tus takes it over
		must(t, err)
		p.check(t, u, b, req)
		p.ledger.Stored = map[string]intake.StoredPhoto{}
	}
}

func TestATerminatedUploadCanBeginAnew(t *testing.T) {
	p := onSealing(t)
	b, req := p.photo("photo", 10_000)
	u, at := p.seal(t, req)
	must(t, p.server().Terminate(t.Context(), me, u.ID))
	_, err := p.server().Head(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadUnknown)
	if status := put(t, at, b); status != http.StatusPreconditionFailed {
		t.Errorf("the address takes: %d", status)
	}
	u, at = p.seal(t, req)
	if status := put(t, at, b); status != http.StatusOK {
		t.Fatal(status)
	}
	u, err = p.server(sealing).Confirm(t.Context(), me, u.ID)
	must(t, err)
	p.check(t, u, b, req)
}

func TestWhatNobodyConfirmsIsNotLost(t *testing.T) {
	p := onSealing(t)
	var told []intake.Expired
	notify := func(_ context.Context, e intake.Expired) error {
		told = append(told, e)
		return nil
	}
	sweep := func() {
		t.Helper()
		_, err := p.server(sealing).Sweep(t.Context(), 100, notify)
		must(t, err)
	}
	came, cameReq := p.photo("came", 10_000)
	_, at := p.seal(t, cameReq)
	put(t, at, came)
	voided, voidedReq := p.photo("voided", 10_000)
	_, at = p.seal(t, voidedReq)
	put(t, at, voided)
	delete(p.ledger.Photos, "voided")
	page := bytes.Repeat([]byte("<html>"), 1000)
	pageReq := p.declare("page", page, "image/jpeg")
	_, at = p.seal(t, pageReq)
	put(t, at, page)
	_, neverReq := p.photo("never", 10_000)
	p.seal(t, neverReq)
	late, lateReq := p.photo("late", 10_000)
	_, atLate := p.seal(t, lateReq)

	sweep()
	if len(told) != 0 || len(p.ledger.Stored) != 0 {
		t.Fatalf("while the addresses are good: told %v, stored %v", told, p.ledger.Stored)
	}
	p.now = p.now.Add(2 * time.Hour)
	sweep()
	if len(p.ledger.Stored) != 1 || p.ledger.Stored["came"].By != me {
		t.Fatalf("stored: %v", p.ledger.Stored)
	}
	p.stored(t, cameReq.Sum, came)
	if len(told) != 1 || told[0].PhotoID != "page" || !told[0].Whole {
		t.Fatalf("told %+v", told)
	}
	put(t, atLate, late) // by MinIO's clock it is still good
	if docs := len(p.docs.All); docs != 5 {
		t.Fatalf("%d uploads are known", docs)
	}
	p.now = p.now.AddDate(0, 0, 31)
	sweep() // tells, and completes what came late
	p.now = p.now.Add(2 * time.Hour)
	sweep() // what might have come after that did not
	slices.SortFunc(told, func(a, b intake.Expired) int { return bytes.Compare([]byte(a.PhotoID), []byte(b.PhotoID)) })
	if len(told) != 3 || told[0].PhotoID != "never" || told[0].Whole || told[2].PhotoID != "voided" || !told[2].Whole {
		t.Errorf("told %+v", told)
	}
	if p.ledger.Stored["late"].Receipt == nil || len(p.ledger.Stored) != 2 {
		t.Errorf("stored: %v", p.ledger.Stored)
	}
	if len(p.docs.All) != 0 {
		t.Errorf("left: %v", p.docs.All)
	}
	for _, r := range []intake.Request{voidedReq, pageReq} {
		if _, err := p.blobs.Stat(t.Context(), r.Sum); !field.Is(err, field.CodeNotFound) {
			t.Errorf("%s is stored: %v", r.PhotoID, err)
		}
	}
	for _, r := range []intake.Request{cameReq, voidedReq, pageReq, neverReq, lateReq} {
		if p.lies(t, intake.Upload{ID: intake.ID(r.PhotoID, r.Sum)}, r) {
			t.Errorf("%s still lies at its address", r.PhotoID)
		}
	}
}
