package app_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/config"
	"fieldclue/server/field"
)

// Possession of a photo's bytes is proved by sending them, never by knowing their hash; and what is another's answers,
// on every route of photos and uploads, as what is not there.
func TestThePhotosOfAnotherOrganisation(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg config.Config) {
		o := open(t, cfg)
		content := noise(300<<10, 5)
		photo, sum := o.declare(content, "image/jpeg")
		if _, _, rec := o.upload(o.ann, photo, sum, content); rec == nil {
			t.Fatal("no receipt")
		}
		o.ok("POST", "/v1/orgs", o.admin, obj{"code": "guangzhou", "name": "广州", "region": "440100"}, nil)
		there := o.elsewhere("guangzhou")

		theirs, _ := there.declare(content, "image/jpeg")
		upload := there.create(theirs, sum, len(content))
		if at := there.offset(upload); at != 0 {
			t.Fatalf("for a hash the upload stands at %d", at)
		}
		if state, fields := there.state(theirs); state != field.PhotoDeclared || fields["receipt"] != nil {
			t.Fatalf("for a hash the photo is %s", state)
		}
		for _, what := range []string{"original", "small", "large"} {
			if status, _, _ := there.ask("GET", "/v1/photos/"+string(theirs)+"/"+what, there.ann, nil); status != 404 {
				t.Errorf("%s of a photo that was never sent: %d", what, status)
			}
		}
		if _, _, rec := there.upload(there.ann, theirs, sum, noise(300<<10, 9)); rec != nil {
			t.Fatal("other bytes gave a receipt")
		}
		if _, _, rec := there.upload(there.ann, theirs, sum, content); rec == nil {
			t.Fatal("the bytes gave no receipt")
		}

		// A colleague's upload is under way; a stranger, and a colleague, ask for it and for nothing that there is.
		begun, begunSum := o.declare(noise(300<<10, 7), "image/jpeg")
		underWay := o.create(begun, begunSum, 300<<10)
		if status, _, _ := o.piece(underWay, 0, noise(300<<10, 7)[:100<<10]); status != 204 {
			t.Fatalf("the first piece: %d", status)
		}
		_, colleague := o.person("col", "inspector", newID())
		nothing := newID()
		tusd := []string{"Tus-Resumable", "1.0.0"}
		sends := append(slices.Clone(tusd), "Content-Type", "application/offset+octet-stream", "Upload-Offset", "102400")
		for _, who := range []string{there.ann, colleague} {
			for _, ask := range []struct {
				method, path string // with the photo
				body         any
				headers      []string
			}{
				{"HEAD", "/v1/uploads/%s_" + begunSum[:16], nil, tusd},
				{"PATCH", "/v1/uploads/%s_" + begunSum[:16], []byte("bytes"), sends},
				{"DELETE", "/v1/uploads/%s_" + begunSum[:16], nil, tusd},
				{"POST", "/v1/uploads", nil, nil},
				{"POST", "/v1/sealed-uploads/%s_" + begunSum[:16] + "/confirm", obj{}, nil},
				{"GET", "/v1/photos/%s/original", nil, nil},
				{"HEAD", "/v1/photos/%s/original", nil, nil},
				{"GET", "/v1/photos/%s/small", nil, nil},
				{"GET", "/v1/photos/%s/large", nil, nil},
				{"GET", "/v1/photos/%s/custody", nil, nil},
				{"GET", "/v1/photos/%s/similar", nil, nil},
			} {
				var said []string
				for _, id := range []field.RecordID{begun, photo, nothing} {
					headers := ask.headers
					path := ask.path
					if path == "/v1/uploads" {
						headers = append(slices.Clone(tusd), "Upload-Length", "307200", "Upload-Metadata", "photoId "+base64.StdEncoding.EncodeToString([]byte(id))+",sha256 "+base64.StdEncoding.EncodeToString([]byte(begunSum)))
					} else {
						path = fmt.Sprintf(path, id)
					}
					status, head, answer := o.ask(ask.method, path, who, ask.body, headers...)
					if status != 404 && status != 409 {
						t.Errorf("%s %s: %d", ask.method, ask.path, status)
					}
					said = append(said, alikeAnswer(status, head, answer, string(id)))
				}
				if said[0] != said[2] || said[1] != said[2] {
					t.Errorf("%s %s tells what is there:\n%s", ask.method, ask.path, strings.Join(said, "\n"))
				}
			}
		}
		if at := o.offset(underWay); at != 100<<10 {
			t.Errorf("the upload stands at %d after strangers asked", at)
		}
		o.arrives(underWay, begun, begunSum, noise(300<<10, 7))

		// HEAD of a photo is GET without its bytes.
		got, gotHead, _ := o.ask("GET", "/v1/photos/"+string(photo)+"/original", o.ann, nil)
		asked, head, body := o.ask("HEAD", "/v1/photos/"+string(photo)+"/original", o.ann, nil)
		if got != 200 || asked != got || len(body) != 0 || head.Get("Content-Length") != gotHead.Get("Content-Length") || head.Get("Etag") != gotHead.Get("Etag") {
			t.Errorf("HEAD answers %d %v, GET %d %v", asked, head, got, gotHead)
		}
	})
}

// alikeAnswer is an answer without what differs between any two.
func alikeAnswer(status int, head http.Header, answer []byte, id string) string {
	about := head.Get("X-Request-Id")
	text := strings.ReplaceAll(strings.ReplaceAll(string(answer), about, "REQUEST"), id, "ID")
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(head)) {
		if name != "Date" && name != "X-Request-Id" {
			lines = append(lines, name+"="+head.Get(name))
		}
	}
	return fmt.Sprintf("%d %s %s", status, strings.Join(lines, " "), text)
}
