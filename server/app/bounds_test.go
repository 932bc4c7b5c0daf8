package app_test

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// slowly sends a piece that stands still after some of it, until it is let go.
func (o *office) slowly(token, upload string, content []byte, some int) (letGo func() int) {
	o.t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPatch, o.a.URL()+upload, r)
	if err != nil {
		o.t.Fatal(err)
	}
	req.ContentLength = int64(len(content))
	for name, value := range map[string]string{
		"Authorization": "Bearer " + token, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0",
	} {
		req.Header.Set(name, value)
	}
	status := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			o.t.Error(err)
			status <- 0
			return
		}
		_ = resp.Body.Close() // there is nothing in it
		status <- resp.StatusCode
	}()
	if _, err := w.Write(content[:some]); err != nil {
		o.t.Fatal(err)
	}
	return func() int {
		if _, err := io.Copy(w, bytes.NewReader(content[some:])); err != nil {
			o.t.Error(err)
		}
		_ = w.Close() // as its contract says, it never fails
		return <-status
	}
}

// One person's uploads are bounded, so that slow ones starve nobody; a phone that is told to wait has lost nothing.
func TestOnePersonsUploadsLeaveRoomForOthers(t *testing.T) {
	cfg := configured(t, t.TempDir())
	cfg.UploadsUser, cfg.Uploads = 2, 3
	o := open(t, cfg)
	const size = 200 << 10
	contents := [][]byte{noise(size, 3), noise(size, 7), noise(size, 11)}
	var photos []field.RecordID
	var sums, uploads []string
	for _, c := range contents {
		p, s := o.declare(c, "image/jpeg")
		photos, sums, uploads = append(photos, p), append(sums, s), append(uploads, o.create(p, s, size))
	}
	underWay := func(n int) {
		o.until("it is under way", func() bool { // its bytes are in a file of their own
			files, err := filepath.Glob(filepath.Join(cfg.Data, "photos", "tmp", "put-*"))
			return err == nil && len(files) == n
		})
	}
	one := o.slowly(o.ann, uploads[0], contents[0], 64<<10)
	underWay(1)
	two := o.slowly(o.ann, uploads[1], contents[1], 64<<10)
	underWay(2)
	status, head, answer := o.piece(uploads[2], 0, contents[2])
	later(t, "a third at once", status, head, answer, 429, field.CodeBodyTooMany)
	if at := o.offset(uploads[2]); at != 0 {
		t.Errorf("the third stands at %d", at)
	}
	// Everything else of hers goes on: asking, declaring, a body that fits into a packet.
	little := noise(8<<10, 13)
	photo, sum := o.declare(little, "image/jpeg")
	if _, _, rec := o.upload(o.ann, photo, sum, little); rec == nil {
		t.Error("a little photo")
	}
	// Somebody else, who may not upload there, is told just that: not that the server is busy.
	status, _, answer = o.ask("PATCH", uploads[2], o.far, contents[2], "Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0")
	if status != 404 || !strings.Contains(string(answer), "upload_unknown") {
		t.Errorf("somebody else: %d %s", status, answer)
	}
	if status := one(); status != 204 {
		t.Errorf("the first: %d", status)
	}
	o.until("the third has room", func() bool {
		status, _, _ := o.piece(uploads[2], 0, contents[2])
		return status == 204
	})
	if status := two(); status != 204 {
		t.Errorf("the second: %d", status)
	}
	for i := range contents {
		o.arrives(uploads[i], photos[i], sums[i], contents[i])
	}
	sound(t, o.a, 4)
}
