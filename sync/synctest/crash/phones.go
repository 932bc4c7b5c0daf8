package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"reflect"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// inspector has a simulated phone, writes findings, takes photos and syncs, whatever happens to the server.
type inspector struct {
	name   string
	phone  *phone.Phone
	site   *site
	random *rand.Rand
	wrote  int
}

const (
	pace        = 40 * time.Millisecond // between two findings
	photosEvery = 8                     // findings to a photo
)

// work writes and syncs until it is told to stop.
func (p *inspector) work(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
		if err := p.write(); err != nil {
			return err
		}
		if err := p.phone.Sync(ctx); err != nil && forGood(err) {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
}

// forGood reports whether a phone failed in a way that a killed server does not explain.
func forGood(err error) bool {
	var refused *phone.Refused
	if errors.As(err, &refused) {
		return refused.Status < 500 && refused.Status != http.StatusTooManyRequests && refused.Status != http.StatusRequestTimeout
	}
	return errors.Is(err, phone.ErrSignIn)
}

func (p *inspector) newID() field.RecordID { return (&pusher{random: p.random}).newID() }

func (p *inspector) write() error {
	p.wrote++
	title := fmt.Sprintf("%s %d", p.name, p.wrote)
	ops := []phone.Op{phone.Create(p.site.scope, field.KindFinding, p.newID(), object{"siteId": p.site.id, "title": title})}
	if p.wrote%photosEvery == 0 {
		img := image.NewGray(image.Rect(0, 0, 160, 120))
		for i := range img.Pix {
			img.Pix[i] = byte(p.random.Uint32())
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			return err
		}
		file, err := p.phone.Keep(fmt.Sprintf("%d.jpg", p.wrote), b.Bytes())
		if err != nil {
			return err
		}
		ops = append(ops, phone.Photo(p.site.scope, p.newID(), file, object{"siteId": p.site.id, "reportId": p.newID(), "capture": "app"}))
	}
	return p.phone.Write(title, ops...)
}

// check brings everything to the server and compares each record that was written here with the one that comes back.
func (p *inspector) check(ctx context.Context) error {
	if err := p.phone.Sync(ctx); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if ops, photos := p.phone.Waiting(); ops+photos > 0 {
		return fmt.Errorf("%s: %d operations and %d photos do not leave the phone", p.name, ops, photos)
	}
	stats := p.phone.Stats()
	if len(stats.Problems) > 0 {
		return fmt.Errorf("%s: %d operations were not applied, such as %s", p.name, len(stats.Problems), stats.Problems[0])
	}
	if want := p.wrote / photosEvery; stats.Receipts != want || stats.Written[field.KindFinding] != p.wrote {
		return fmt.Errorf("%s: %d receipts for %d photos, %d findings of %d", p.name, stats.Receipts, want, stats.Written[field.KindFinding], p.wrote)
	}
	if n := len(p.phone.Records(field.KindFinding)); n != p.wrote {
		return fmt.Errorf("LOST or TWICE: %s wrote %d findings, the server holds %d", p.name, p.wrote, n)
	}
	for _, w := range p.phone.Written() {
		r, there := p.phone.Record(w.ID)
		var fields map[string]json.RawMessage
		if !there || json.Unmarshal(r.Fields, &fields) != nil {
			return fmt.Errorf("LOST: %s: %s %s", p.name, w.Kind, w.ID)
		}
		for path, v := range w.Fields {
			if !same(v, fields[path]) {
				return fmt.Errorf("LOST: %s: %s of %s %s is %s, written was %s", p.name, path, w.Kind, w.ID, fields[path], v)
			}
		}
	}
	return nil
}

func same(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
