package phone

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
)

// PhotoFile is a picture on the phone.
type PhotoFile struct {
	Path   string // within the phone's directory
	SHA256 string
	Size   int64 // bytes
}

// Keep stores a picture under a name until its bytes are on the server. The same name is replaced: anyone who makes the
// same picture again after a crash has it once.
func (p *Phone) Keep(name string, content []byte) (PhotoFile, error) {
	path := filepath.Join("photos", name)
	if err := WriteFile(filepath.Join(p.o.Dir, path), content); err != nil {
		return PhotoFile{}, err
	}
	sum := sha256.Sum256(content)
	return PhotoFile{Path: path, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content))}, nil
}

// upload sends the bytes of every photo whose declaration has reached the server.
func (p *Phone) upload(ctx context.Context) error {
	for _, id := range p.due() {
		if err := p.retry(ctx, func(ctx context.Context) error { return p.uploadOne(ctx, id) }); err != nil {
			return fmt.Errorf("photo %s: %w", id, err)
		}
	}
	return nil
}

// due lists the photos that are declared and have no receipt, in the order in which they were taken.
func (p *Phone) due() []field.RecordID {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := map[field.RecordID]bool{}
	for _, q := range p.st.Queue {
		waiting[q.Op.ID] = true
	}
	for _, pr := range p.st.Problems {
		if pr.Kind == field.KindPhoto && pr.Command == "" && pr.Outcome.RecordID != "" && !accessEnded(pr.Outcome.Code) {
			waiting[pr.ID] = true // its declaration was rejected: the server would not know it
		}
	}
	var ids []field.RecordID
	for _, id := range p.st.Order {
		if ph := p.st.Photos[id]; ph != nil && ph.Receipt == nil && !waiting[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// accessEnded reports whether an operation was kept because the sender may not write there any more. A photo that it
// declares is taken all the same, and waits with it.
func accessEnded(code field.Code) bool {
	return code == field.CodeNotFound || code == field.CodeNotPermitted || code == field.CodeRecused
}

// uploadOne brings one photo further by tus 1.0: create, ask where it stands, send the rest, take the receipt.
func (p *Phone) uploadOne(ctx context.Context, id field.RecordID) error {
	p.mu.Lock()
	ph := *p.st.Photos[id]
	p.mu.Unlock()
	if ph.Upload == "" {
		at, err := p.createUpload(ctx, id, &ph)
		if err != nil {
			return err
		}
		if err := p.note(event{Upload: &uploadEvent{Photo: id, Upload: at}}); err != nil {
			return err
		}
		ph.Upload = at
	}
	offset, err := p.head(ctx, ph.Upload)
	if refusedWith(err, field.CodeUploadUnknown, field.CodeUploadExpired, field.CodeNotFound) || gone(err) {
		return p.forgetUpload(id)
	}
	if err != nil {
		return err
	}
	for offset < ph.Size {
		next, err := p.patch(ctx, &ph, offset)
		if refusedWith(err, field.CodeHashMismatch) && p.o.Chunk == 0 {
			return errors.Join(err, p.forgetUpload(id))
		}
		if unauthorised(err) {
			return errors.Join(errAgain, p.renew(ctx))
		}
		if err != nil {
			return p.countLost(ctx, &ph, err)
		}
		offset = next
	}
	return p.takeReceipt(ctx, id, &ph)
}

func unauthorised(err error) bool {
	var r *Refused
	return errors.As(err, &r) && r.Status == http.StatusUnauthorized
}

func gone(err error) bool {
	var r *Refused
	return errors.As(err, &r) && (r.Status == http.StatusNotFound || r.Status == http.StatusGone)
}

// forgetUpload starts the upload anew.
func (p *Phone) forgetUpload(id field.RecordID) error {
	if err := p.note(event{Upload: &uploadEvent{Photo: id}}); err != nil {
		return err
	}
	return errAgain
}

func (p *Phone) createUpload(ctx context.Context, id field.RecordID, ph *photo) (string, error) {
	res, err := p.tus(ctx, http.MethodPost, p.o.BaseURL+"/v1/uploads", nil, 0, UploadHeader(id, ph.SHA256, ph.Type, ph.Size))
	if err != nil {
		return "", err
	}
	at, err := url.Parse(p.o.BaseURL + "/v1/uploads")
	if err == nil {
		at, err = at.Parse(res.Get("Location"))
	}
	if err != nil || res.Get("Location") == "" {
		return "", fmt.Errorf("the server named no place for the upload: %w", errors.Join(err, errors.New("no Location")))
	}
	return at.RequestURI(), nil
}

func (p *Phone) head(ctx context.Context, at string) (int64, error) {
	res, err := p.tus(ctx, http.MethodHead, p.o.BaseURL+at, nil, 0, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(res.Get("Upload-Offset"), 10, 64)
}

// patch sends what is left, or a chunk of it, and returns how far the upload is then.
func (p *Phone) patch(ctx context.Context, ph *photo, offset int64) (int64, error) {
	f, err := os.Open(filepath.Join(p.o.Dir, ph.File))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read
	n := ph.Size - offset
	header := http.Header{"Content-Type": {"application/offset+octet-stream"}, "Upload-Offset": {strconv.FormatInt(offset, 10)}}
	if p.o.Chunk > 0 {
		n = min(n, p.o.Chunk)
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, offset, n)); err != nil {
			return 0, err
		}
		header.Set("Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	count := new(atomic.Int64)
	res, err := p.tus(ctx, http.MethodPatch, p.o.BaseURL+ph.Upload, &countingReader{r: io.NewSectionReader(f, offset, n), n: count}, n, header)
	if e := p.note(event{Traffic: &trafficEvent{Sent: count.Load()}}); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, &brokenPatch{from: offset, sent: count.Load(), err: err}
	}
	return strconv.ParseInt(res.Get("Upload-Offset"), 10, 64)
}

// brokenPatch remembers how much of a piece was on its way when the link failed.
type brokenPatch struct {
	from, sent int64
	err        error
}

func (b *brokenPatch) Error() string { return b.err.Error() }
func (b *brokenPatch) Unwrap() error { return b.err }

// countLost asks how much of a broken piece arrived and counts the rest as sent again. The link may not answer now;
// then nothing is counted, and the next attempt goes on where the server stands.
func (p *Phone) countLost(ctx context.Context, ph *photo, err error) error {
	var b *brokenPatch
	// The link delivered a piece twice, or an older piece arrived late: nothing is wrong but the offset.
	moved := refusedWith(err, field.CodeOffsetMismatch, field.CodeUploadReplaced)
	if !errors.As(err, &b) || lasting(err) && !moved {
		return err
	}
	at, herr := p.head(ctx, ph.Upload)
	if herr != nil {
		return errors.Join(err, herr)
	}
	if lost := b.from + b.sent - at; lost > 0 {
		if e := p.note(event{Traffic: &trafficEvent{Resent: lost}}); e != nil {
			return e
		}
	}
	if moved {
		return errAgain
	}
	return err
}

// takeReceipt asks for the signed receipt and checks it with the server's published key against the bytes that are
// here. The file is kept as long as the receipt says.
func (p *Phone) takeReceipt(ctx context.Context, id field.RecordID, ph *photo) error {
	var rec struct {
		Fields struct {
			Receipt *receipt.Receipt `json:"receipt"`
		} `json:"fields"`
	}
	if _, err := p.call(ctx, http.MethodGet, "/v1/records/"+string(id), nil, &rec); err != nil {
		return err
	}
	r := rec.Fields.Receipt
	if r == nil {
		return errNoReceipt
	}
	if err := p.checkReceipt(ctx, *r); err != nil {
		return err
	}
	if r.PhotoID != string(id) || r.SHA256 != ph.SHA256 || r.Size != ph.Size {
		return fmt.Errorf("receipt %s is for other bytes", r.Number)
	}
	return p.note(event{Upload: &uploadEvent{Photo: id, Upload: ph.Upload, Receipt: r}})
}

// free removes the files that their receipts do not ask for any longer.
func (p *Phone) free(context.Context) error {
	p.mu.Lock()
	var due []field.RecordID
	for _, r := range p.st.Receipted {
		if p.o.FreeAtOnce || p.st.Photos[r.Photo].Receipt.Keep().Before(p.o.Now()) {
			due = append(due, r.Photo)
		}
	}
	p.mu.Unlock()
	for _, id := range due {
		p.mu.Lock()
		file := p.st.Photos[id].File
		p.mu.Unlock()
		if err := os.Remove(filepath.Join(p.o.Dir, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := p.note(event{Freed: &freedEvent{Photo: id}}); err != nil {
			return err
		}
	}
	return nil
}

// checkReceipt checks a receipt with the server's published keys, which are kept. When it does not hold, the server may
// have changed its key, or was put back to a copy from before it did: the keys are asked for once more.
func (p *Phone) checkReceipt(ctx context.Context, r receipt.Receipt) error {
	p.mu.Lock()
	kept := p.st.Keys
	p.mu.Unlock()
	if kept.Verify(r) == nil {
		return nil
	}
	var published json.RawMessage
	if _, err := p.call(ctx, http.MethodGet, "/v1/receipt-key", nil, &published); err != nil {
		return err
	}
	keys, err := receipt.ParseKeys(published)
	if err != nil {
		return err
	}
	if err := keys.Verify(r); err != nil {
		return err
	}
	return p.note(event{Key: &keyEvent{Keys: keys}})
}

// tus sends one request of the upload protocol and returns the headers of the answer.
func (p *Phone) tus(ctx context.Context, method, at string, body *countingReader, size int64, header http.Header) (http.Header, error) {
	for renewed := false; ; renewed = true {
		var r io.Reader
		if body != nil {
			r = body
		}
		req, err := http.NewRequestWithContext(ctx, method, at, r)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		maps.Copy(req.Header, header)
		req.Header.Set("Tus-Resumable", "1.0.0")
		head, err := p.client().do(req, nil)
		if unauthorised(err) && !renewed && body == nil {
			if err := p.renew(ctx); err != nil {
				return nil, err
			}
			continue
		}
		return head, err
	}
}

// Files lists the pictures that are on the phone.
func (p *Phone) Files() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.o.Dir, "photos"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
