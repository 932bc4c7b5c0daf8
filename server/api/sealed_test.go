package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net/http"
	"testing"
	"time"

	"fieldclue/media/blob/minio"
	"fieldclue/media/blob/miniotest"
	"fieldclue/media/intake"
	"fieldclue/media/intake/intaketest"
	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// everybodys takes what was declared from anyone who asks. Who may upload is told in server/app.
type everybodys struct{ *intaketest.Ledger }

func (l everybodys) DeclaredPhoto(ctx context.Context, who intake.Uploader, id string) (intake.Declared, error) {
	return l.Ledger.DeclaredPhoto(ctx, intake.Uploader{Device: who.Device}, id)
}

// The exchange of a sealed put is what openapi.yaml says, and the address of one is in no log.
func TestASealedPutAsItIsDocumented(t *testing.T) {
	srv := miniotest.Start(t)
	s, err := minio.Open(context.WithoutCancel(t.Context()), minio.Config{
		Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Bucket: "api-originals", Locked: true, StagingBucket: "api-staging", PublicURL: "http://" + srv.Endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	staging, err := s.Staging()
	if err != nil {
		t.Fatal(err)
	}
	ledger := everybodys{intaketest.NewLedger("")}
	w := start(t, func(o *api.Options) {
		docs, ok := o.Store.(interface {
			intake.Docs
			PutDoc(context.Context, store.Doc) (store.Doc, error)
		})
		if !ok {
			t.Fatal("the store keeps no documents")
		}
		o.Uploads = intake.New(intake.Config{
			Blobs: s, Staging: staging, Docs: docs, Ledger: ledger, Now: time.Now, SealedLife: time.Minute,
			Keys: receipt.NewRing(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))).Always(),
		})
	})
	ann := w.setUp().hire("ann", access.Inspector)
	b := append([]byte{0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0}, bytes.Repeat([]byte("x"), 5000)...)
	req := ledger.Declare("photo", b, "image/jpeg")
	body := obj{"photoId": "photo", "sha256": req.Sum, "size": req.Size, "type": "image/jpeg"}
	ann.do("POST", "/v1/sealed-uploads", obj{"sha256": req.Sum, "size": req.Size}).refused(400, field.CodeMissingField)
	ann.do("POST", "/v1/sealed-uploads", obj{"photoId": "photo", "sha256": "AB", "size": req.Size}).refused(400, field.CodeBadRequest)
	ann.do("POST", "/v1/sealed-uploads", obj{"photoId": "other", "sha256": req.Sum, "size": req.Size}).refused(404, field.CodePhotoNotDeclared)
	ann.do("POST", "/v1/sealed-uploads/x/confirm", nil).refused(404, field.CodeUploadUnknown)
	var at struct {
		ID  string
		Put struct {
			Method, URL string
			Header      map[string]string
		}
	}
	ann.do("POST", "/v1/sealed-uploads", body).want(200).into(&at)
	confirm := "/v1/sealed-uploads/" + at.ID + "/confirm"
	ann.do("POST", confirm, nil).refused(409, field.CodeSealedPutMissing)
	put, err := http.NewRequestWithContext(t.Context(), at.Put.Method, at.Put.URL, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range at.Put.Header {
		put.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(put)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %+v", err, resp)
	}
	_ = resp.Body.Close() // its status says it
	var first, again struct{ Receipt receipt.Receipt }
	ann.do("POST", confirm, nil).want(200).into(&first)
	ann.do("POST", "/v1/sealed-uploads", body).want(200).into(&again)
	if first.Receipt.SHA256 != string(req.Sum) || again != first {
		t.Errorf("%+v, %+v", first, again)
	}
	ann.do("HEAD", "/v1/uploads/"+at.ID, nil, "Tus-Resumable", "1.0.0").want(200)
	if bytes.Contains([]byte(w.log.String()), []byte("Signature")) {
		t.Error("an address is in the log")
	}
}
