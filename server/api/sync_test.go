package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// state is everything that a request could have moved: the ends of all scopes and the versions of all records.
func (w *world) state() string {
	w.t.Helper()
	var b strings.Builder
	_, _ = fmt.Fprintln(&b, w.heads()) // never fails
	q := store.Query{Visible: access.Everything, Deleted: true, Limit: 1000}
	for {
		page, err := w.store.List(w.t.Context(), q)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range page {
			_, _ = fmt.Fprintln(&b, r.ID, r.Kind, r.State, r.Version, r.Deleted) // never fails
		}
		if len(page) < q.Limit {
			return b.String()
		}
		q.After = store.PlaceOf(page[len(page)-1])
	}
}

// finding is an operation that any inspector of the site may do.
func (w *world) finding(site string) obj {
	return obj{"id": w.id(), "kind": "finding", "base": 0, "set": obj{"siteId": site, "title": "屋顶漏雨"}}
}

// raw sends bytes over a connection of its own, closes the sending side, and reads the answer, if there is one.
func (w *world) raw(request string) (status int, code field.Code) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server may have closed it
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		w.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
	raw, err := io.ReadAll(conn)
	if err != nil || len(raw) == 0 {
		return 0, ""
	}
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	if _, err := fmt.Sscanf(string(head), "HTTP/1.1 %d", &status); err != nil {
		w.t.Fatalf("%q: %v", head, err)
	}
	return status, answer{t: w.t, body: body}.code()
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// A newer app says more than this server knows: what may be left out of account is, and an operation that is not
// understood is kept whole while its neighbours are applied. Said again, it is answered again.
func TestWhatANewerAppSaysIsKept(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann := admin.hire("ann", access.Inspector)
		scope, site := w.place(ann)
		newer := w.finding(site)
		newer["mood"] = obj{"deep": []int{1, 2}}
		body := obj{"device": ann.Device.ID, "batch": 900, "scope": scope, "battery": 12, "operations": []obj{newer, w.finding(site)}}
		var first, second protocol.PushResponse
		ann.do("POST", "/v1/sync/push", body).want(200).into(&first)
		out := first.Outcomes
		if len(out) != 2 || out[0].Outcome != protocol.Rejected || out[0].Code != field.CodeUnknownField || out[1].Outcome != protocol.Applied {
			t.Fatalf("%+v", out)
		}
		var kept struct{ Fields struct{ Operation obj } }
		ann.do("GET", "/v1/records/"+string(out[0].RecordID), nil).want(200).into(&kept)
		if got, want := string(field.Quote(kept.Fields.Operation)), string(field.Quote(newer)); got != want {
			t.Errorf("kept %s\nsent %s", got, want)
		}
		ann.do("POST", "/v1/sync/push", body).want(200).into(&second)
		if !second.Replayed || second.Hash != first.Hash {
			t.Errorf("%+v", second)
		}
		newer["mood"] = "other"
		ann.do("POST", "/v1/sync/push", body).refused(409, field.CodeBatchReused)
	})
}

// A request that cannot be used: a problem document with a stable code, and nothing is changed. On both stores.
func TestAnUnusableRequestMovesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, ben := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector)
		scope, site := w.place(ann, ben)
		ann.push(scope, w.finding(site)).want(200)
		batch := func(change obj) obj {
			b := obj{"device": ann.Device.ID, "batch": 900, "scope": scope, "operations": []obj{w.finding(site)}}
			for k, v := range change {
				b[k] = v
			}
			return b
		}
		many := make([]obj, protocol.MaxOperations+1)
		for i := range many {
			many[i] = w.finding(site)
		}
		large := batch(nil)
		large["operations"] = []obj{{"id": w.id(), "kind": "finding", "set": obj{"siteId": site, "title": "t", "facts": strings.Repeat("x", 1<<20)}}}
		whole := string(field.Quote(batch(nil)))
		deep := strings.Replace(whole, `"title"`, `"facts":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,"title"`, 1)
		bearer := "Authorization: Bearer " + ann.AccessToken
		post := func(headers, body string) string {
			return "POST /v1/sync/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers + "\r\n\r\n" + body
		}
		for _, c := range []struct {
			name    string
			path    string
			body    any
			headers []string
			status  int
			code    field.Code
		}{
			{"no JSON", "push", []byte(`{"device":`), nil, 400, field.CodeBadJSON},
			{"an empty body", "push", []byte(``), nil, 400, field.CodeBadJSON},
			{"a list", "push", []byte(`[1,2]`), nil, 400, field.CodeBadRequest},
			{"two values", "push", []byte(whole + whole), nil, 400, field.CodeBadJSON},
			{"not UTF-8", "push", []byte(strings.Replace(whole, "屋顶", "\xff\xfe", 1)), nil, 400, field.CodeBadJSON},
			{"NaN", "push", []byte(strings.Replace(whole, `"title"`, `"amount":NaN,"title"`, 1)), nil, 400, field.CodeBadJSON},
			{"deep nesting", "push", []byte(deep), nil, 400, field.CodeTooDeep},
			{"a million braces", "push", []byte(strings.Repeat(`{"a":`, 200_000)), nil, 400, field.CodeTooDeep},
			{"501 operations", "push", batch(obj{"operations": many}), nil, 413, field.CodeBatchTooLarge},
			{"over 1 MiB", "push", large, nil, 413, field.CodeBatchTooLarge},
			{"over 1 MiB once it is inflated", "push", zipped(t, field.Quote(large)), []string{"Content-Encoding", "gzip"}, 413, field.CodeBatchTooLarge},
			{"gzip that is none", "push", []byte(whole), []string{"Content-Encoding", "gzip"}, 400, field.CodeBadRequest},
			{"an encoding that is not spoken", "push", []byte(whole), []string{"Content-Encoding", "br"}, 415, field.CodeUnsupportedType},
			{"not declared as JSON", "push", []byte(whole), []string{"Content-Type", "text/plain"}, 415, field.CodeUnsupportedType},
			{"a member of another type", "push", batch(obj{"batch": "1"}), nil, 400, field.CodeBadRequest},
			{"members that nobody knows, of another type", "push", batch(obj{"trusted": true, "batch": "1"}), nil, 400, field.CodeBadRequest},
			{"batch number 0", "push", batch(obj{"batch": 0}), nil, 400, field.CodeBadRequest},
			{"no operation", "push", batch(obj{"operations": []obj{}}), nil, 400, field.CodeBadRequest},
			{"a scope that cannot be", "push", batch(obj{"scope": "moon/1"}), nil, 400, field.CodeBadRequest},
			{"somebody else's device", "push", batch(obj{"device": ben.Device.ID}), nil, 403, field.CodeForeignDevice},
			{"a device that nobody has", "push", batch(obj{"device": w.id()}), nil, 403, field.CodeForeignDevice},
			{"no device", "push", batch(obj{"device": ""}), nil, 403, field.CodeForeignDevice},
			{"a number that was used for something else", "push", batch(obj{"batch": ann.batch}), nil, 409, field.CodeBatchReused},
			{"a token of nobody", "push", batch(nil), []string{"Authorization", "Bearer " + ann.AccessToken[:len(ann.AccessToken)-6] + "AAAAAA"}, 401, field.CodeTokenInvalid},
			{"no token", "push", batch(nil), []string{"Authorization", ""}, 401, field.CodeTokenMissing},
			{"a pull with somebody else's device", "pull", obj{"device": ben.Device.ID, "cursors": obj{}}, nil, 403, field.CodeForeignDevice},
			{"a page too large", "pull", obj{"device": ann.Device.ID, "cursors": obj{}, "limit": protocol.MaxPage + 1}, nil, 400, field.CodeBadRequest},
			{"a cursor that is none", "pull", obj{"device": ann.Device.ID, "cursors": obj{scope: "7"}}, nil, 400, field.CodeBadRequest},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				before := w.state()
				a := ann.do("POST", "/v1/sync/"+c.path, c.body, c.headers...)
				var p struct{ Detail, DetailZH, RequestID string }
				a.into(&p)
				if a.status != c.status || a.code() != c.code || p.Detail == "" || p.DetailZH == "" || p.RequestID == "" {
					t.Errorf("%d %s, want %d %s with sentences: %s", a.status, a.code(), c.status, c.code, clip(a.body))
				}
				if after := w.state(); after != before {
					t.Errorf("something moved:\n%s\n%s", before, after)
				}
			})
		}
		for _, c := range []struct {
			name, request string
			status        int
			code          field.Code
		}{
			{"a body cut short", post(bearer+fmt.Sprintf("\r\nContent-Length: %d", len(whole)), whole[:len(whole)-40]), 400, field.CodeBodyTruncated},
			{"a body that is missing", post(bearer+fmt.Sprintf("\r\nContent-Length: %d", len(whole)), ""), 400, field.CodeBodyTruncated},
			{"a body of unknown length", post(bearer+"\r\nTransfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(whole), whole)), 411, field.CodeLengthRequired},
			{"no length, so no body", post(bearer, ""), 400, field.CodeBadJSON},
			{"two lengths", post(bearer+fmt.Sprintf("\r\nContent-Length: %d\r\nContent-Length: 5", len(whole)), whole), 400, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				before := w.state()
				status, code := w.raw(c.request)
				if status != c.status || c.code != "" && code != c.code {
					t.Errorf("%d %s, want %d %s", status, code, c.status, c.code)
				}
				if after := w.state(); after != before {
					t.Errorf("something moved:\n%s\n%s", before, after)
				}
			})
		}
		w.t = t
		w.clock.move(16 * time.Minute)
		before := w.state()
		ann.do("POST", "/v1/sync/push", batch(nil)).refused(401, field.CodeTokenExpired)
		if after := w.state(); after != before {
			t.Error("an expired token moved something")
		}
	})
}

// An operation that cannot be applied, between two that can: it is rejected with its code and kept for its author and
// the supervisor, its neighbours are applied, no other record moves. Over HTTP, on both stores; the engine's tests go
// through more of them.
func TestAnInapplicableOperationIsKept(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, cai := admin.hire("ann", access.Inspector), admin.hire("cai", access.Supervisor)
		scope, site := w.place(ann)
		admin.do("POST", "/v1/orgs", obj{"code": "elsewhere", "name": "别处", "region": "110101"}).want(201)
		foreign := w.id()
		w.by("org/elsewhere", protocol.Operation{ID: field.RecordID(foreign), Kind: field.KindSite, Set: map[string]field.Value{
			"name": field.Quote("外地"), "projectId": field.Quote(w.id()), "region": field.Quote("110101"), "orgs": field.Quote([]string{"elsewhere"}),
		}})
		good, draft := w.finding(site), w.id()
		ann.push(scope, good, obj{"id": draft, "kind": "report", "base": 0, "set": obj{"siteId": site, "templateId": w.id()}}).want(200)
		set := func(kind string, fields obj) obj { return obj{"id": w.id(), "kind": kind, "base": 0, "set": fields} }
		edit := func(fields obj) obj { return obj{"id": good["id"], "kind": "finding", "base": 1, "set": fields} }
		for _, c := range []struct {
			name string
			op   obj
			code field.Code
		}{
			{"a wrong type", edit(obj{"title": 7}), field.CodeWrongType},
			{"a text over its limit", edit(obj{"title": strings.Repeat("长", 201)}), field.CodeTooLong},
			{"NaN as a text", edit(obj{"amount": "NaN"}), field.CodeWrongType},
			{"absurd coordinates", set("report", obj{"siteId": site, "templateId": w.id(), "position": obj{"lat": 91, "lon": 200}}), field.CodeBadPosition},
			{"coordinates that are NaN", set("report", obj{"siteId": site, "templateId": w.id(), "position": obj{"lat": "NaN", "lon": 1}}), field.CodeBadPosition},
			{"a time without an offset", set("report", obj{"siteId": site, "templateId": w.id(), "startedAt": "2026-11-23T08:00:00"}), field.CodeBadTime},
			{"a time with a comma", set("report", obj{"siteId": site, "templateId": w.id(), "startedAt": "2026-11-23T08:00:00,5+08:00"}), field.CodeBadTime},
			{"an id of another kind", set("finding", obj{"siteId": site, "title": "x", "reportId": good["id"]}), field.CodeWrongKind},
			{"a foreign organisation's id", set("finding", obj{"siteId": foreign, "title": "x"}), field.CodeWrongScope},
			{"a command that the state does not allow", obj{"id": draft, "kind": "report", "base": 1, "command": "resubmit"}, field.CodeNotNow},
			{"a command of another role", obj{"id": good["id"], "kind": "finding", "base": 1, "command": "close", "args": obj{"reason": "x"}}, field.CodeNotPermitted},
			{"a command on a version that is not there", obj{"id": good["id"], "kind": "finding", "base": 99, "command": "void", "args": obj{"reason": "x"}}, field.CodeStale},
			{"an unknown kind", set("drone", obj{"x": 1}), field.CodeUnknownKind},
			{"an unknown field", edit(obj{"colour": "red"}), field.CodeUnknownField},
			{"an unknown command", obj{"id": good["id"], "kind": "finding", "base": 1, "command": "teleport"}, field.CodeUnknownCommand},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				before := strings.Split(w.state(), "\n")[1:] // without the heads
				first, last := w.finding(site), w.finding(site)
				var res protocol.PushResponse
				ann.push(scope, first, c.op, last).want(200).into(&res)
				out := res.Outcomes[1]
				if out.Outcome != protocol.Rejected || out.Code != c.code || out.Message == "" || out.MessageZH == "" {
					t.Fatalf("%+v, want rejected, %s", out, c.code)
				}
				if res.Outcomes[0].Outcome != protocol.Applied || res.Outcomes[2].Outcome != protocol.Applied {
					t.Errorf("its neighbours: %+v", res.Outcomes)
				}
				after := strings.Split(w.state(), "\n")
				for _, line := range before {
					if !slices.Contains(after, line) {
						t.Errorf("a record moved: %s", line)
					}
				}
				if len(after)-1 != len(before)+3 { // two findings and what is kept
					t.Errorf("%d records became %d", len(before), len(after)-1)
				}
				for _, who := range []*user{ann, cai} {
					var kept protocol.PulledRecord
					who.do("GET", "/v1/records/"+string(out.RecordID), nil).want(200).into(&kept)
					if kept.Kind != field.KindParked || !bytes.Contains(kept.Fields, []byte(`"code":"`+string(c.code)+`"`)) {
						t.Errorf("%s sees %s", who.User.Name, kept.Fields)
					}
				}
				if pulled := ann.pull(nil); !slices.ContainsFunc(pulled.Records, func(r protocol.PulledRecord) bool { return r.ID == out.RecordID }) {
					t.Error("the author's phone does not get what was kept")
				}
			})
		}
	})
}

// A phone loads everything by pages, goes on from its cursors, and is told what it may no longer hold and what it must
// load again.
func TestAPhonePulls(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, ben := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector)
		scope, site := w.place(ann, ben)
		var made []field.RecordID
		for range 3 {
			var ops []obj
			for range 4 {
				op := w.finding(site)
				made = append(made, field.RecordID(op["id"].(string)))
				ops = append(ops, op)
			}
			ann.push(scope, ops...).want(200)
		}
		cursors, held := map[field.Scope]protocol.Cursor{}, map[field.RecordID]protocol.PulledRecord{}
		load := func(limit int) (pages int) {
			for {
				var page protocol.PullResponse
				ben.do("POST", "/v1/sync/pull", obj{"device": ben.Device.ID, "cursors": cursors, "limit": limit}).want(200).into(&page)
				pages++
				for _, r := range page.Records {
					held[r.ID] = r
				}
				for s, c := range page.Cursors {
					cursors[s] = c
				}
				if !page.More {
					return pages
				}
			}
		}
		if pages := load(5); pages < 3 {
			t.Errorf("all came in %d pages", pages)
		}
		for _, id := range made {
			if held[id].Kind != field.KindFinding {
				t.Errorf("finding %s did not come", id)
			}
		}
		if own := field.Scope("user/" + string(ben.User.ID)); cursors[own].Seq == 0 {
			t.Error("no inbox")
		}
		before := len(held)
		if pages := load(0); pages != 1 || len(held) != before {
			t.Errorf("%d more pages, %d more records, though nothing was written", pages, len(held)-before)
		}

		ann.push(scope, obj{"id": made[0], "kind": "finding", "base": held[made[0]].Version, "set": obj{"title": "已修"}}).want(200)
		load(0)
		if !bytes.Contains(held[made[0]].Fields, []byte("已修")) {
			t.Error("the change did not come")
		}

		forked := map[field.Scope]protocol.Cursor{field.Scope(scope): {Seq: 2, Hash: strings.Repeat("0", 64)}}
		if got := ben.pull(obj{scope: forked[field.Scope(scope)]}); !slices.Contains(got.Restart, field.Scope(scope)) {
			t.Errorf("a cursor of another history: %+v", got.Restart)
		}
		if got := ben.pull(obj{scope: protocol.Cursor{Seq: 999, Hash: strings.Repeat("0", 64)}}); !slices.Contains(got.Restart, field.Scope(scope)) {
			t.Errorf("a cursor beyond the end: %+v", got.Restart)
		}

		grant := slices.IndexFunc(ben.pull(nil).Records, func(r protocol.PulledRecord) bool { return r.Kind == field.KindGrant })
		if grant < 0 {
			t.Fatal("ben does not see his own grant")
		}
		g := ben.pull(nil).Records[grant]
		w.by(string(g.Scope), protocol.Operation{ID: g.ID, Kind: g.Kind, Base: g.Version, Command: "end", Args: map[string]field.Value{"reason": field.Quote("调离")}})
		w.clock.move(time.Second)
		got := ben.pull(obj{scope: cursors[field.Scope(scope)]})
		if !slices.Contains(got.Gone, field.Scope(scope)) || slices.Contains(got.Scopes, field.Scope(scope)) || len(got.Records) == 0 {
			t.Errorf("after the grant has ended: gone %v of %v", got.Gone, got.Scopes)
		}
		for _, r := range got.Records {
			if r.Scope == field.Scope(scope) {
				t.Errorf("%s %s came although the scope is closed", r.Kind, r.ID)
			}
		}
		// What was written offline is not lost: every operation is kept in the sender's own scope.
		var res protocol.PushResponse
		ben.push(scope, w.finding(site)).want(200).into(&res)
		if res.Scope != field.Scope("user/"+string(ben.User.ID)) || res.Outcomes[0].Outcome != protocol.Rejected || w.record(string(res.Outcomes[0].RecordID)).Kind != field.KindParked {
			t.Errorf("a push to a closed scope: %+v", res)
		}
		nowhere := w.id()
		ben.push("site/"+nowhere, w.finding(nowhere)).want(200).into(&res)
		if res.Outcomes[0].Outcome != protocol.Rejected || res.Outcomes[0].Code != field.CodeNotFound || w.record(string(res.Outcomes[0].RecordID)).Kind != field.KindParked {
			t.Errorf("a push to a scope that there never was: %+v", res)
		}
	})
}

// Answers are packed for those who ask for it, and for nobody else.
func TestOnlyThoseWhoUnpackGetPacked(t *testing.T) {
	w := start(t)
	u := w.setUp()
	for accepted, want := range map[string]string{"": "", "identity": "", "br": "", "gzip": "gzip", "br, gzip;q=0.8": "gzip"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/enums", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+u.AccessToken)
		if accepted != "" {
			req.Header.Set("Accept-Encoding", accepted)
		}
		resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // only its header counts
		if got := resp.Header.Get("Content-Encoding"); resp.StatusCode != 200 || got != want {
			t.Errorf("Accept-Encoding %q: %d, Content-Encoding %q, want %q", accepted, resp.StatusCode, got, want)
		}
	}
}
