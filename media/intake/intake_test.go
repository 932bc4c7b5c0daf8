package intake_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/media/intake"
	"fieldclue/media/intake/intaketest"
	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

var (
	me        = intake.Uploader{User: "u1", Device: "d1"}
	errCut    = field.Refuse(field.CodeBodyTruncated, "")
	errBroken = errors.New("broken on purpose")
)

// place is what several servers share.
type place struct {
	blobs   blob.Store
	staging blob.Staging
	docs    *intaketest.Docs
	ledger  *intaketest.Ledger
	key     ed25519.PrivateKey
	now     time.Time
}

func (p *place) server(change ...func(*intake.Config)) *intake.Service {
	cfg := intake.Config{
		Blobs: p.blobs, Staging: p.staging, Docs: p.docs, Ledger: p.ledger, Keys: receipt.NewRing(p.key).Always(),
		Now: func() time.Time { return p.now }, Checkpoint: 16 << 10,
	}
	for _, c := range change {
		c(&cfg)
	}
	return intake.New(cfg)
}

func onDir(t *testing.T) *place {
	t.Helper()
	s, err := dir.Open(dir.Config{Root: t.TempDir()})
	must(t, err)
	return newPlace(s, s.Staging())
}

func newPlace(b blob.Store, st blob.Staging) *place {
	return &place{
		blobs: b, staging: st, docs: intaketest.NewDocs(),
		ledger: intaketest.NewLedger(me.User),
		key:    ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		now:    time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC),
	}
}

var dice = rand.New(rand.NewPCG(1, 2))

// photo declares a photo of n bytes that begins like a JPEG.
func (p *place) photo(id string, n int) ([]byte, intake.Request) {
	b := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0}
	for len(b) < n {
		b = append(b, byte(dice.Uint32()))
	}
	b = b[:n]
	return b, p.declare(id, b, "image/jpeg")
}

func (p *place) declare(id string, b []byte, mediaType string) intake.Request {
	return p.ledger.Declare(id, b, mediaType)
}

func (p *place) check(t *testing.T, u intake.Upload, b []byte, req intake.Request) {
	t.Helper()
	var r receipt.Receipt
	if err := json.Unmarshal(u.Receipt, &r); err != nil {
		t.Fatalf("no receipt: %v (%+v)", err, u)
	}
	must(t, receipt.NewRing(p.key).Keys.Verify(r))
	if r.PhotoID != req.PhotoID || r.SHA256 != string(req.Sum) || r.Size != req.Size || u.Offset != u.Size {
		t.Fatalf("upload %+v, receipt %+v", u, r)
	}
	if got := p.ledger.Stored[req.PhotoID]; !bytes.Equal(got.Receipt, u.Receipt) || got.By != me {
		t.Fatalf("the log has %+v", got)
	}
	p.stored(t, req.Sum, b)
	if _, err := p.staging.Open(t.Context(), u.ID, 1); !field.Is(err, field.CodeNotFound) {
		t.Fatalf("still staged: %v", err)
	}
}

func (p *place) stored(t *testing.T, sum blob.Sum, b []byte) {
	t.Helper()
	f, err := p.blobs.Open(t.Context(), sum, 0, -1)
	must(t, err)
	got, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	if !bytes.Equal(got, b) {
		t.Fatal("other bytes are stored")
	}
}

func (p *place) untouched(t *testing.T, req intake.Request) {
	t.Helper()
	if _, err := p.blobs.Stat(t.Context(), req.Sum); !field.Is(err, field.CodeNotFound) {
		t.Fatalf("a blob is there: %v", err)
	}
	if len(p.ledger.Stored) != 0 {
		t.Fatalf("the log has %v", p.ledger.Stored)
	}
}

func piece(b []byte, from, to int) intake.Piece {
	return intake.Piece{Offset: int64(from), Length: int64(to - from), Body: bytes.NewReader(b[from:to])}
}

// cut is a piece of which only the first n bytes arrive.
func cut(b []byte, from, to, n int) intake.Piece {
	p := piece(b, from, to)
	p.Body = io.MultiReader(bytes.NewReader(b[from:from+n]), iotest.ErrReader(errCut))
	return p
}

func TestAPhotoInOneRequest(t *testing.T) {
	p := onDir(t)
	for i, n := range []int{20, 3071, 3072, 3073, 16 << 10, 16<<10 + 1, 100_000} {
		b, req := p.photo(fmt.Sprint("photo", i), n)
		s := p.server()
		u, err := s.Create(t.Context(), me, req)
		must(t, err)
		if u.Offset != 0 || u.Receipt != nil || !u.Expires.Equal(p.now.AddDate(0, 0, 30)) {
			t.Fatalf("%+v", u)
		}
		u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, n))
		must(t, err)
		p.check(t, u, b, req)
		again, err := p.server().Head(t.Context(), me, u.ID)
		must(t, err)
		if !bytes.Equal(again.Receipt, u.Receipt) || again.Offset != u.Size {
			t.Fatalf("%+v", again)
		}
	}
}

func TestAPhotoThatComesWholeLeavesNoDocument(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 10_000)
	writes := 0
	p.docs.Fail = func() error { writes++; return nil }
	u, err := p.server().Send(t.Context(), me, req, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, req)
	if writes != 0 || len(p.docs.All) != 0 {
		t.Fatalf("%d writes, documents %v", writes, p.docs.All)
	}

	// The phone that lost the answer asks again, in each way that it may.
	again, err := p.server().Head(t.Context(), me, u.ID)
	must(t, err)
	p.check(t, again, b, req)
	for _, from := range []int{0, len(b)} {
		_, err = p.server().Append(t.Context(), me, u.ID, piece(b, from, len(b)))
		if from == 0 {
			code(t, err, field.CodeOffsetMismatch)
		} else {
			must(t, err)
		}
	}
	again, err = p.server().Send(t.Context(), me, req, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, again, b, req)
	must(t, p.server().Terminate(t.Context(), me, u.ID))
	p.stored(t, req.Sum, b)

	_, err = p.server().Head(t.Context(), intake.Uploader{User: "u2"}, u.ID)
	code(t, err, field.CodeUploadUnknown)
	_, other := p.photo("other", 10_000)
	for _, id := range []string{intake.ID("photo", other.Sum), intake.ID("other", other.Sum), "photo_", "_", "photo"} {
		_, err = p.server().Head(t.Context(), me, id)
		code(t, err, field.CodeUploadUnknown)
	}
}

// Cuts at random places, another server every time, now and then a server that dies before it saves.
func TestAnyServerGoesOnAfterAnyCut(t *testing.T) {
	for _, kind := range []string{"directory", "minio"} {
		t.Run(kind, func(t *testing.T) {
			rounds := 30
			p := onDir(t)
			if kind == "minio" {
				rounds, p = 6, onMinIO(t)
			}
			for i := range rounds {
				n := 50 + dice.IntN(200_000)
				b, req := p.photo(fmt.Sprint("photo", i), n)
				one := func(c *intake.Config) {
					if i%2 == 0 {
						c.Checkpoint = 0 // the default: a whole one goes straight to its place
					}
				}
				u, err := p.server(one).Create(t.Context(), me, req)
				must(t, err)
				for tries := 0; u.Receipt == nil; tries++ {
					if tries > 200 {
						t.Fatal("no end")
					}
					if u, err = p.server(one).Head(t.Context(), me, u.ID); err != nil {
						t.Fatal(err)
					}
					from := int(u.Offset)
					to := n
					if dice.IntN(2) == 0 {
						to = from + dice.IntN(n-from+1)
					}
					pc := piece(b, from, to)
					if dice.IntN(3) > 0 {
						pc = cut(b, from, to, dice.IntN(to-from+1))
					}
					if dice.IntN(4) == 0 { // the store of documents fails from the second write on
						writes := 0
						p.docs.Fail = func() error {
							if writes++; writes > 1 {
								return errBroken
							}
							return nil
						}
					}
					send := p.server(one).Append
					if from == 0 && dice.IntN(2) == 0 { // as tus creates with the first bytes
						send = func(ctx context.Context, who intake.Uploader, _ string, pc intake.Piece) (intake.Upload, error) {
							return p.server(one).Send(ctx, who, req, pc)
						}
					}
					next, err := send(t.Context(), me, u.ID, pc)
					p.docs.Fail = nil
					if err == nil {
						u = next
					}
					p.now = p.now.Add(time.Millisecond)
				}
				p.check(t, u, b, req)
			}
		})
	}
}

func onMinIO(t *testing.T) *place {
	t.Helper()
	srv := miniotest.Start(t)
	s, err := minio.Open(t.Context(), minio.Config{
		Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Bucket: "originals", Locked: true, StagingBucket: "staging",
	})
	must(t, err)
	st, err := s.Staging()
	must(t, err)
	return newPlace(s, st)
}

func TestOnMinIO(t *testing.T) {
	p := onMinIO(t)
	s := p.server(func(c *intake.Config) { c.Checkpoint = 0 })
	b, req := p.photo("straight", 300_000)
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, req)

	b, req = p.photo("wrong", 300_000)
	b[200_000] ^= 1
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, len(b)))
	code(t, err, field.CodeHashMismatch)
	_, err = s.Head(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadUnknown)
}

func TestOtherBytesThanDeclaredLeaveNothing(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 50_000)
	b[40_000] ^= 1
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 30_000))
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 30_000, 50_000))
	code(t, err, field.CodeHashMismatch)
	p.untouched(t, req)
	_, err = s.Head(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadUnknown)
	b[40_000] ^= 1 // the original is still welcome
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	u, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 50_000))
	must(t, err)
	p.check(t, u, b, req)
}

func TestAFileOfAnotherTypeIsRefused(t *testing.T) {
	p := onDir(t)
	text := bytes.Repeat([]byte("not a photo\n"), 1000)
	req := p.declare("photo", text, "image/jpeg")
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(text, 0, len(text)))
	code(t, err, field.CodeNotAPhoto) // at the first bytes
	for i := range 12 {
		_, err = s.Append(t.Context(), me, u.ID, piece(text, i*1000, (i+1)*1000))
		if i < 11 {
			must(t, err)
		}
	}
	code(t, err, field.CodeNotAPhoto) // at the end, when the pieces were too small to tell
	p.untouched(t, req)
}

func TestRequestsThatAreNotWhatWasDeclared(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 5_000)
	p.declare("text", b, "text/plain")
	p.declare("empty", nil, "image/jpeg")
	big := p.declare("big", b, "image/png")
	big.Size = 65 << 20
	p.ledger.Photos["big"] = intake.Declared{PhotoID: "big", Sum: big.Sum, Size: big.Size, Type: big.Type}
	for _, c := range []struct {
		name   string
		who    intake.Uploader
		change func(*intake.Request)
		want   field.Code
	}{
		{"another person's", intake.Uploader{User: "u2"}, func(*intake.Request) {}, field.CodePhotoNotDeclared},
		{"unknown", me, func(r *intake.Request) { r.PhotoID = "x" }, field.CodePhotoNotDeclared},
		{"hash", me, func(r *intake.Request) { r.Sum = blob.Sum(hex.EncodeToString(make([]byte, 32))) }, field.CodeHashMismatch},
		{"size", me, func(r *intake.Request) { r.Size++ }, field.CodeSizeMismatch},
		{"type", me, func(r *intake.Request) { r.Type = "image/png" }, field.CodeNotAPhoto},
		{"type not taken", me, func(r *intake.Request) { r.PhotoID, r.Type = "text", "" }, field.CodeUnsupportedType},
		{"nothing", me, func(r *intake.Request) {
			*r = intake.Request{PhotoID: "empty", Sum: p.ledger.Photos["empty"].Sum}
		}, field.CodeSizeMismatch},
		{"too big", me, func(r *intake.Request) { *r = big }, field.CodePhotoTooBig},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := req
			c.change(&r)
			_, err := p.server().Create(t.Context(), c.who, r)
			code(t, err, c.want)
			if len(p.docs.All) != 0 {
				t.Fatal("an upload was begun")
			}
		})
	}
}

func TestPiecesThatDoNotFit(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 5_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 4_000))
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 4_000))
	code(t, err, field.CodeOffsetMismatch)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 4_500, 5_000))
	code(t, err, field.CodeOffsetMismatch)
	long := piece(b, 4_000, 5_000)
	long.Length = 1_001
	_, err = s.Append(t.Context(), me, u.ID, long)
	code(t, err, field.CodeSizeMismatch)
	_, err = s.Append(t.Context(), intake.Uploader{User: "u2"}, u.ID, piece(b, 4_000, 5_000))
	code(t, err, field.CodeUploadUnknown)
	_, err = s.Append(t.Context(), me, "ffff", piece(b, 0, 1))
	code(t, err, field.CodeUploadUnknown)
	u, err = s.Head(t.Context(), me, u.ID)
	must(t, err)
	if u.Offset != 4_000 {
		t.Fatalf("at %d", u.Offset)
	}
}

func TestAPieceWithAWrongChecksumIsNotKept(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 60_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	good := sha256.Sum256(b)
	c, err := intake.NewChecksum("sha256", good[:])
	must(t, err)
	bad := piece(append([]byte("x"), b[1:]...), 0, 60_000)
	bad.Check = c
	bad.Body = bytes.NewReader(append(bytes.Clone(b[:59_999]), ^b[59_999]))
	_, err = s.Append(t.Context(), me, u.ID, bad)
	code(t, err, field.CodeHashMismatch)
	if u, err = s.Head(t.Context(), me, u.ID); err != nil || u.Offset != 0 {
		t.Fatalf("%+v %v", u, err)
	}
	right := piece(b, 0, 60_000)
	right.Check = c
	u, err = s.Append(t.Context(), me, u.ID, right)
	must(t, err)
	p.check(t, u, b, req)
	for _, algorithm := range []string{"md5", "sha1", ""} {
		_, err = intake.NewChecksum(algorithm, good[:])
		code(t, err, field.CodeBadRequest)
	}
}

// slow is a body that waits on a dead link until it is interrupted.
type slow struct {
	io.Reader
	waiting chan struct{}
	stop    chan struct{}
	once    sync.Once
}

func (s *slow) Read(b []byte) (int, error) {
	if n, err := s.Reader.Read(b); err == nil {
		return n, nil
	}
	close(s.waiting)
	<-s.stop
	return 0, field.Refuse(field.CodeUploadReplaced, "")
}

func (s *slow) Interrupt() { s.once.Do(func() { close(s.stop) }) }

func TestTheNewestRequestWins(t *testing.T) {
	for _, name := range []string{"in the same server", "in another server"} {
		t.Run(name, func(t *testing.T) {
			p := onDir(t)
			b, req := p.photo("photo", 50_000)
			first := p.server()
			second := first
			if name == "in another server" {
				second = p.server()
			}
			u, err := first.Create(t.Context(), me, req)
			must(t, err)
			body := &slow{Reader: bytes.NewReader(b[:20_000]), waiting: make(chan struct{}), stop: make(chan struct{})}
			old := make(chan error, 1)
			go func() {
				_, err := first.Append(t.Context(), me, u.ID, intake.Piece{Length: 50_000, Body: body})
				old <- err
			}()
			<-body.waiting
			u, err = second.Head(t.Context(), me, u.ID)
			must(t, err)
			want := int64(20_000) // told to stop, the older one saved what it had
			if first != second {
				want = 16 << 10 // the last checkpoint
			}
			if u.Offset != want {
				t.Fatalf("at %d, want %d", u.Offset, want)
			}
			u, err = second.Append(t.Context(), me, u.ID, piece(b, int(u.Offset), 50_000))
			must(t, err)
			body.Interrupt()
			code(t, <-old, field.CodeUploadReplaced)
			p.check(t, u, b, req)
			u, err = first.Head(t.Context(), me, u.ID)
			must(t, err)
			p.check(t, u, b, req)
		})
	}
}

func TestManyAtOnceStoreOnce(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 80_000)
	servers := []*intake.Service{p.server(), p.server()}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := servers[i%2]
			for range 200 {
				var u intake.Upload
				var err error
				if i < 4 {
					u, err = s.Send(t.Context(), me, req, piece(b, 0, len(b)))
				} else {
					u, err = s.Create(t.Context(), me, req)
				}
				if err == nil && u.Receipt == nil {
					u, err = s.Append(t.Context(), me, u.ID, piece(b, int(u.Offset), len(b)))
				}
				if err == nil && u.Receipt != nil {
					return
				}
				<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // as a phone backs off
			}
			t.Error("never done")
		})
	}
	wg.Wait()
	u, err := p.server().Create(t.Context(), me, req)
	must(t, err)
	p.check(t, u, b, req)
}

// A crash is a step that fails and everything after it; repeating the last request goes on.
func TestACrashBetweenAnyTwoSteps(t *testing.T) {
	for step := range 12 {
		for _, repeat := range []string{"head", "append", "create"} {
			t.Run(fmt.Sprint(step, repeat), func(t *testing.T) {
				p := onDir(t)
				b, req := p.photo("photo", 40_000)
				u, err := p.server().Create(t.Context(), me, req)
				must(t, err)
				_, err = p.server().Append(t.Context(), me, u.ID, piece(b, 0, 20_000))
				must(t, err)
				n := 0
				fail := func() error {
					if n++; n > step {
						return errBroken
					}
					return nil
				}
				p.docs.Fail, p.ledger.Fail = fail, fail
				_, _ = p.server().Append(t.Context(), me, u.ID, piece(b, 20_000, 40_000)) // may or may not get through
				p.docs.Fail, p.ledger.Fail = nil, nil
				p.now = p.now.Add(time.Hour)
				switch repeat {
				case "head":
					u, err = p.server().Head(t.Context(), me, u.ID)
				case "create":
					u, err = p.server().Create(t.Context(), me, req)
				case "append":
					if u, err = p.server().Head(t.Context(), me, u.ID); err == nil {
						u, err = p.server().Append(t.Context(), me, u.ID, piece(b, int(u.Offset), int(u.Offset)))
					}
				}
				must(t, err)
				if u.Receipt == nil { // it had crashed before the bytes were saved
					u, err = p.server().Append(t.Context(), me, u.ID, piece(b, int(u.Offset), 40_000))
					must(t, err)
				}
				p.check(t, u, b, req)
			})
		}
	}
}

func (p *place) blobHas(sum blob.Sum) bool {
	_, err := p.blobs.Stat(context.Background(), sum)
	return err == nil
}

func TestAFileThatIsStoredIsAnsweredAtOnce(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 40_000))
	must(t, err)
	other := p.declare("same-bytes", b, "image/jpeg")
	u, err = s.Create(t.Context(), me, other)
	must(t, err)
	p.check(t, u, b, other)

	lying := p.declare("same-bytes-as-png", b, "image/png")
	_, err = s.Create(t.Context(), me, lying)
	code(t, err, field.CodeNotAPhoto)

	// The log says stored, and every working document is lost.
	d := p.ledger.Photos["photo"]
	d.Stored, d.Receipt = true, p.ledger.Stored["photo"].Receipt
	p.ledger.Photos["photo"] = d
	p.docs.All = map[string]store.Doc{}
	calls := p.ledger.Calls
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	p.check(t, u, b, req)
	if p.ledger.Calls != calls {
		t.Fatal("recorded once more")
	}
}

// Who declares bytes that are here already gets a receipt, and the log is not told that they were sent.
func TestBytesThatWereHereAreNotSaidToBeSent(t *testing.T) {
	p := onDir(t)
	b, first := p.photo("first", 40_000)
	u, err := p.server().Send(t.Context(), me, first, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, first)
	says := func(req intake.Request, want bool) {
		t.Helper()
		if got := p.ledger.Stored[req.PhotoID]; got.Receipt == nil || got.Already != want {
			t.Errorf("of %s the log has already: %v, receipt %s", req.PhotoID, got.Already, got.Receipt)
		}
	}
	says(first, false)

	asked := p.declare("asked without a body", b, "image/jpeg")
	u, err = p.server().Create(t.Context(), me, asked)
	must(t, err)
	p.check(t, u, b, asked)
	says(asked, true)
	sent := p.declare("sent, and not read", b, "image/jpeg")
	u, err = p.server().Send(t.Context(), me, sent, piece(b, 0, len(b)))
	must(t, err)
	p.check(t, u, b, sent)
	says(sent, true)

	// The log is down when they are found; another server tells it, and knows as much.
	down := p.declare("found while the log was down", b, "image/jpeg")
	p.ledger.Fail = func() error { return errBroken }
	_, err = p.server().Create(t.Context(), me, down)
	p.ledger.Fail = nil
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	u, err = p.server().Head(t.Context(), me, intake.ID(down.PhotoID, down.Sum))
	must(t, err)
	p.check(t, u, b, down)
	says(down, true)

	// Two send the same; one is done while the other stands at the half, and the log is down when that is found.
	b, half := p.photo("half", 40_000)
	whole := p.declare("whole", b, "image/jpeg")
	u, err = p.server().Send(t.Context(), me, half, piece(b, 0, 20_000))
	must(t, err)
	_, err = p.server().Send(t.Context(), me, whole, piece(b, 0, len(b)))
	must(t, err)
	says(whole, false)
	p.ledger.Fail = func() error { return errBroken }
	_, err = p.server().Create(t.Context(), me, half)
	p.ledger.Fail = nil
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	u, err = p.server().Head(t.Context(), me, u.ID)
	must(t, err)
	p.check(t, u, b, half)
	says(half, true)

	// All of it was sent, and the log was down: it was sent.
	b, all := p.photo("all", 40_000)
	p.ledger.Fail = func() error { return errBroken }
	_, err = p.server().Send(t.Context(), me, all, piece(b, 0, len(b)))
	p.ledger.Fail = nil
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	u, err = p.server().Create(t.Context(), me, all)
	must(t, err)
	p.check(t, u, b, all)
	says(all, false)
}

// Without room nothing begins, and nothing that was begun is stopped.
func TestWithoutRoom(t *testing.T) {
	p := onDir(t)
	s := p.server()
	b, req := p.photo("begun", 40_000)
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 10_000))
	must(t, err)
	half, halfReq := p.photo("half", 40_000)
	old, err := s.Create(t.Context(), me, halfReq)
	must(t, err)
	_, err = s.Append(t.Context(), me, old.ID, piece(half, 0, 10_000))
	must(t, err)

	p.ledger.Full = field.Refuse(field.CodeSpaceLimit, "")
	docs := len(p.docs.All)
	late, lateReq := p.photo("late", 1_000)
	_, err = s.Create(t.Context(), me, lateReq)
	code(t, err, field.CodeSpaceLimit)
	_, err = s.Send(t.Context(), me, lateReq, piece(late, 0, 1_000))
	code(t, err, field.CodeSpaceLimit)
	if len(p.docs.All) != docs {
		t.Fatal("the refused upload left a document")
	}
	p.untouched(t, lateReq)
	u, err = s.Send(t.Context(), me, req, piece(b, 0, 40_000))
	must(t, err)
	p.check(t, u, b, req)
	u, err = s.Create(t.Context(), me, req) // its receipt, again
	must(t, err)
	p.check(t, u, b, req)

	// What has expired begins anew, and for that there is no room. Its notice comes all the same.
	p.now = p.now.AddDate(0, 0, 31)
	_, err = s.Create(t.Context(), me, halfReq)
	code(t, err, field.CodeSpaceLimit)
	told := 0
	_, err = s.Sweep(t.Context(), 10, func(_ context.Context, e intake.Expired) error {
		if told++; e.PhotoID != "half" || e.Offset != 10_000 {
			t.Errorf("the notice: %+v", e)
		}
		return nil
	})
	must(t, err)
	if told != 1 {
		t.Errorf("%d notices", told)
	}
}

func TestTerminate(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 0, 10_000))
	must(t, err)
	code(t, s.Terminate(t.Context(), intake.Uploader{User: "u2"}, u.ID), field.CodeUploadUnknown)
	must(t, s.Terminate(t.Context(), me, u.ID))
	_, err = s.Head(t.Context(), me, u.ID)
	code(t, err, field.CodeUploadUnknown)
	p.untouched(t, req)
}

func TestInterruptionsAreKeptForCustody(t *testing.T) {
	p := onDir(t)
	b, req := p.photo("photo", 40_000)
	s := p.server()
	u, err := s.Create(t.Context(), me, req)
	must(t, err)
	_, err = s.Append(t.Context(), me, u.ID, cut(b, 0, 40_000, 7_000))
	code(t, err, field.CodeBodyTruncated)
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 7_000, 40_000))
	must(t, err)
	got := p.ledger.Stored["photo"].Interruptions
	if len(got) != 1 || got[0].Offset != 7_000 || got[0].Code != field.CodeBodyTruncated || !got[0].At.Equal(p.now) {
		t.Fatalf("%+v", got)
	}

	// Of a link that breaks without end the first 200 are listed, and all are counted.
	b, req = p.photo("far", 40_000)
	u, err = s.Create(t.Context(), me, req)
	must(t, err)
	for i := range 205 {
		_, err = s.Append(t.Context(), me, u.ID, cut(b, 10*i, 40_000, 10))
		code(t, err, field.CodeBodyTruncated)
	}
	_, err = s.Append(t.Context(), me, u.ID, piece(b, 2_050, 40_000))
	must(t, err)
	far := p.ledger.Stored["far"]
	if far.Broken != 205 || len(far.Interruptions) != 200 || far.Interruptions[199].Offset != 2_000 {
		t.Fatalf("%d breaks, %d listed, the last at %d", far.Broken, len(far.Interruptions), far.Interruptions[len(far.Interruptions)-1].Offset)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(t *testing.T, err error, want field.Code) {
	t.Helper()
	if !field.Is(err, want) {
		t.Fatalf("got %v, want %s", err, want)
	}
}
