package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// docBytes is about the size of a document as JSON.
const docBytes = 1000

// facts fills a finding up to docBytes.
var facts = strings.Repeat("台账与现场不符。", 30)

// push sends batches of new findings. Each answer is read, and what it acknowledges is remembered.
func (c *county) push(size int) func(ctx context.Context, client, n int) (float64, error) {
	return func(ctx context.Context, client, n int) (float64, error) {
		return c.hands[client].push(size)(ctx, client, n)
	}
}

func (h *hand) push(size int) func(ctx context.Context, client, n int) (float64, error) {
	return func(ctx context.Context, _, _ int) (float64, error) {
		ids := newIDs(size)
		h.buildPush(ids)
		if err := h.pushed(ctx, size); err != nil {
			return 0, err
		}
		h.docs = append(h.docs, ids...)
		return float64(size), nil
	}
}

// buildPush makes the body of the next batch, of new findings with these ids.
func (h *hand) buildPush(ids []field.RecordID) {
	b := h.begin()
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":"`...)
		b = append(b, id...)
		b = append(b, `","kind":"finding","base":0,"set":{"siteId":"`...)
		b = append(b, h.site...)
		b = append(b, `","title":"付款与进度不符","violation":"behind_plan","severity":"serious","amount":480000,"item":"built","facts":"`...)
		b = append(b, facts...)
		b = append(b, `"}}`...)
	}
	h.body = append(b, `]}`...)
}

// begin starts the body of the next batch.
func (h *hand) begin() []byte {
	h.number++
	b := append(h.body[:0], `{"device":"`...)
	b = append(b, h.device...)
	b = append(b, `","batch":`...)
	b = strconv.AppendInt(b, h.number, 10)
	b = append(b, `,"scope":"`...)
	b = append(b, h.scope...)
	return append(b, `","operations":[`...)
}

// pushed sends the batch that was built; every operation must have been applied.
func (h *hand) pushed(ctx context.Context, size int) error {
	var answer []byte
	if err := h.as(h.token).Ask(ctx, "POST", "/v1/sync/push", h.body, &answer); err != nil {
		return err
	}
	if n := bytes.Count(answer, []byte(`"outcome":"applied"`)); n != size {
		return fmt.Errorf("%d of %d operations were applied: %.300s", n, size, answer)
	}
	return nil
}

// pull reads one page of the hand's own records, and begins again from nothing after the last. Of a page it reads how
// many records there are and the cursors at its end: to decode every record would measure the client.
func (c *county) pull(ctx context.Context, client, _ int) (float64, error) {
	h := c.hands[client]
	n, more, err := h.page(ctx)
	if err == nil && !more {
		h.cursor = nil
	}
	return float64(n), err
}

// buildPull makes the body of the next pull.
func (h *hand) buildPull() {
	b := append(h.body[:0], `{"device":"`...)
	b = append(b, h.device...)
	b = append(b, `","limit":`...)
	b = strconv.AppendInt(b, protocol.MaxPage, 10)
	b = append(b, `,"cursors":{`...)
	for scope, cursor := range h.cursor {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, scope...)
		b = append(b, `":`...)
		b = append(b, cursor...)
	}
	h.body = append(b, `}}`...)
}

func (h *hand) page(ctx context.Context) (records int, more bool, err error) {
	h.buildPull()
	var answer []byte
	if err := h.as(h.token).Ask(ctx, "POST", "/v1/sync/pull", h.body, &answer); err != nil {
		return 0, false, err
	}
	var end struct {
		Cursors map[string]json.RawMessage
		More    bool
	}
	at := bytes.LastIndex(answer, []byte(`"cursors":`))
	if at < 0 {
		return 0, false, fmt.Errorf("a page without cursors: %.300s", answer)
	}
	if err := json.Unmarshal(append([]byte{'{'}, answer[at:]...), &end); err != nil {
		return 0, false, err
	}
	if h.cursor == nil {
		h.cursor = map[string]string{}
	}
	for scope, cursor := range end.Cursors {
		h.cursor[scope] = string(cursor)
	}
	return bytes.Count(answer[:at], []byte(`"createdAt":`)), end.More, nil
}

// file is what a phone uploads: its type, and bytes that no other file has. Only its head is its own; the rest is
// shared, so that the making of files is no part of what is measured.
type file struct {
	kind       string
	head, rest []byte
}

func (f file) size() int64 { return int64(len(f.head) + len(f.rest)) }
func (f file) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(f.head), bytes.NewReader(f.rest))
}

func (f file) sum() string {
	h := sha256.New()
	h.Write(f.head)
	h.Write(f.rest)
	return hex.EncodeToString(h.Sum(nil))
}

// jpegPhoto is the county's picture with a comment of its own: as slow to examine as any, and known to nobody yet.
func jpegPhoto(c *county, id field.RecordID) file {
	b := append([]byte{}, c.picture[:2]...)       // start of image
	b = append(b, 0xff, 0xfe, 0, byte(2+len(id))) // comment
	return file{"image/jpeg", append(b, id...), c.picture[2:]}
}

// recording is a sound file: stored and receipted like a photo, with nothing to be examined.
func recording(c *county, id field.RecordID) file {
	const head = "\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A isom\x00\x00\x00\x00mdat"
	b := append([]byte(head), id...)
	return file{"audio/mp4", b, c.noise[min(len(b), len(c.noise)):]}
}

// perReport is how many files a report declares in one push, as the phone does when its report is written.
const perReport = 10

// declared is a file that the server waits for, hashed as a phone does when it takes a photo.
type declared struct {
	id   field.RecordID
	sum  string
	file file
}

// upload sends the next of a client's files by tus, in one request as on a good link. What is stored of it counts, not
// how it was made, hashed and declared before.
func (c *county) photo(waiting [][]declared) func(ctx context.Context, client, n int) (float64, error) {
	return func(ctx context.Context, client, n int) (float64, error) {
		if n >= len(waiting[client]) {
			return 0, errDone
		}
		h, d := c.hands[client], waiting[client][n]
		if err := h.upload(ctx, d, d.file.kind, d.file.size(), d.file.reader()); err != nil {
			return 0, err
		}
		h.docs = append(h.docs, d.id)
		c.files.Add(1)
		return float64(d.file.size()) / 1e6, nil
	}
}

// declare makes and hashes files for every client, and pushes their declarations, those of a report together.
func (c *county) declare(ctx context.Context, each int, make func(*county, field.RecordID) file) ([][]declared, error) {
	waiting := slices.Repeat([][]declared{nil}, len(c.hands))
	return waiting, together(len(c.hands), func(client int) error {
		for len(waiting[client]) < each {
			more, err := c.hands[client].declare(ctx, make)
			if err != nil {
				return err
			}
			waiting[client] = append(waiting[client], more...)
		}
		return nil
	})
}

// upload sends a declared file in one request.
func (h *hand) upload(ctx context.Context, d declared, kind string, size int64, body io.Reader) error {
	return h.as(h.token).Upload(ctx, d.id, d.sum, kind, size, body)
}

// declare hashes the files of a report and pushes their declarations.
func (h *hand) declare(ctx context.Context, make func(*county, field.RecordID) file) ([]declared, error) {
	var all []declared
	b := h.begin()
	for _, id := range newIDs(perReport) {
		f := make(h.county, id)
		if len(all) > 0 {
			b = append(b, ',')
		}
		all = append(all, declared{id, f.sum(), f})
		b = h.declaration(b, all[len(all)-1], f.kind, f.size())
	}
	h.body = append(b, `]}`...)
	return all, h.pushed(ctx, perReport)
}

func (h *hand) declaration(b []byte, d declared, kind string, size int64) []byte {
	return fmt.Appendf(b, `{"id":"%s","kind":"photo","base":0,"set":{"reportId":"%s","siteId":"%s","sha256":"%s","size":%d,"type":"%s","capture":"app"}}`,
		d.id, h.report, h.site, d.sum, size, kind)
}

func (c *county) acknowledged() int {
	n := 0
	for _, h := range c.hands {
		n += len(h.docs)
	}
	return n
}

// compare loads every site afresh, decodes every record, and looks for each document that was acknowledged.
func (c *county) compare(ctx context.Context) (lost, twice int, err error) {
	for _, h := range c.hands {
		held := map[field.RecordID]int{}
		cursors := map[field.Scope]protocol.Cursor{}
		for more := true; more; {
			var page protocol.PullResponse
			err := h.as(h.token).Ask(ctx, "POST", "/v1/sync/pull", protocol.PullRequest{Device: field.DeviceID(h.device), Cursors: cursors, Limit: protocol.MaxPage}, &page)
			if err != nil {
				return 0, 0, err
			}
			seen := map[field.RecordID]bool{} // a photo that was examined meanwhile comes again with a later page
			for _, r := range page.Records {
				if seen[r.ID] {
					twice++
				}
				seen[r.ID] = true
				held[r.ID]++
			}
			for scope, cursor := range page.Cursors {
				cursors[scope] = cursor
			}
			// A record that is written again while a page is read lies behind that page's end: ask until nothing moves.
			more = page.More || len(page.Cursors) > 0
		}
		for _, id := range h.docs {
			if held[id] == 0 {
				lost++
			}
		}
	}
	return lost, twice, nil
}
