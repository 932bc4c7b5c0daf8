package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/api"
	"fieldclue/server/api/guard"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// allocates measures what the whole process allocates while do runs: the test, the client and the server. It is an
// upper bound of what was in use at once.
func allocates(do func()) (megabytes uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

// bomb is less than a megabyte of gzip that becomes a gigabyte of spaces. A piece that was packed once stands in it a
// thousand times; only its checksum is wrong, which nobody learns who does not unpack all of it.
func bomb(t *testing.T) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte{' '}, 1<<20)
	var ends []int
	for range 3 {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, z.Len())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed := z.Bytes()
	all := slices.Concat(packed[:ends[1]], bytes.Repeat(packed[ends[1]:ends[2]], 900), packed[ends[2]:])
	if len(all) >= 1<<20 {
		t.Fatalf("the bomb has %d bytes: its length alone would be refused", len(all))
	}
	return all
}

// A body that costs its sender little: on push, pull and an ordinary route it is a clear problem, costs the server
// little, and moves nothing.
func TestAHostileBodyCostsLittleAndMovesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		scope, site := w.place(ann)
		ann.push(scope, w.finding(site)).want(200)
		exploding := bomb(t)
		op := func(more string) []byte {
			return fmt.Appendf(nil, `{"device":%q,"batch":900,"scope":%q,"operations":[{"id":%q,"kind":"finding","base":0,"set":{"siteId":%q,"title":"t"%s}}]}`,
				ann.Device.ID, scope, w.id(), site, more)
		}
		zip := []string{"Content-Encoding", "gzip"}
		const small, large = 24, 96 // megabytes that a case may allocate, the client and the comparison included
		for _, c := range []struct {
			name    string
			body    []byte
			headers []string
			status  int
			code    field.Code
			most    uint64
		}{
			{"a gzip bomb", exploding, zip, 413, field.CodeBodyTooLarge, large},
			{"a gzip bomb in gzip", zipped(t, exploding), zip, 400, field.CodeBadJSON, large},
			{"a gzip bomb that is said to be packed twice", zipped(t, exploding), []string{"Content-Encoding", "gzip, gzip"}, 415, field.CodeUnsupportedType, large},
			{"a million braces", bytes.Repeat([]byte{'{'}, 1_000_000), nil, 400, field.CodeTooDeep, large},
			{"a million braces, packed", zipped(t, bytes.Repeat([]byte{'{'}, 1_000_000)), zip, 400, field.CodeTooDeep, large},
			{"a million brackets in a field", op(`,"facts":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000)), nil, 400, field.CodeTooDeep, large},
			{"a name that stands twice", op(`,"title":"u"`), nil, 400, field.CodeBadJSON, small},
			{"a name that stands twice, written in two ways", op(`,"tit\u006ce":"u"`), nil, 400, field.CodeBadJSON, small},
			{"a name that stands twice, far down", op(`,"position":{"lat":1,"lon":2,"more":[{"a":1,"b":2,"a":3}]}`), nil, 400, field.CodeBadJSON, small},
			{"an envelope that says two things", append([]byte(`{"device":"x",`), op("")[1:]...), nil, 400, field.CodeBadJSON, small},
			{"a hundred thousand names", append(append([]byte(`{"a":{`), manyNames(100_000)...), '}', '}'), nil, 400, field.CodeBadRequest, large},
			{"a name that stands twice among many", append(append([]byte(`{"a":{`), manyNames(100)...), `,"7":1}}`...), nil, 400, field.CodeBadJSON, small},
			{"a number that no integer holds", []byte(`{"device":"x","batch":1e999999,"limit":1e999999}`), nil, 400, field.CodeBadRequest, small},
			{"numbers of 400,000 digits", []byte(`{"device":"x","batch":` + strings.Repeat("9", 400_000) + `,"limit":` + strings.Repeat("9", 400_000) + `}`), nil, 400, field.CodeBadRequest, large},
			{"not UTF-8", op(",\"facts\":\"\xff\xfe\""), nil, 400, field.CodeBadJSON, small},
			{"UTF-8 that is cut", op(",\"facts\":\"\xe5\xb1\""), nil, 400, field.CodeBadJSON, small},
			{"half a pair of surrogates, in bytes", op(",\"facts\":\"\xed\xa0\x80\""), nil, 400, field.CodeBadJSON, small},
		} {
			for _, path := range []string{"/v1/sync/push", "/v1/sync/pull", "/v1/auth/password"} {
				t.Run(c.name+" to "+path, func(t *testing.T) {
					w.t = t
					before := w.state()
					var a answer
					cost := allocates(func() { a = ann.do("POST", path, c.body, c.headers...) })
					want := c.code
					if want == field.CodeBodyTooLarge && path == "/v1/sync/push" {
						want = field.CodeBatchTooLarge
					}
					var p api.Problem
					a.into(&p)
					if a.status != c.status || p.Code != want || p.Detail == "" || p.DetailZH == "" || p.RequestID == "" || len(a.body) > 2000 {
						t.Errorf("%d %s, want %d %s with sentences: %s", a.status, p.Code, c.status, want, clip(a.body))
					}
					if cost > c.most {
						t.Errorf("it cost %d MB, at most %d are fine", cost, c.most)
					}
					if after := w.state(); after != before {
						t.Errorf("something moved:\n%s\n%s", before, after)
					}
				})
			}
		}
	})
}

func manyNames(n int) []byte {
	var b []byte
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `"%d":0`, i)
	}
	return b
}

// Numbers that are too large for their field reject the operation, which is kept; its neighbours are applied.
func TestHugeNumbersRejectTheirOperation(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		scope, site := w.place(ann)
		for _, number := range []string{"1e13", "-1", "1e400", "-1e999999999", strings.Repeat("9", 100_000), "0." + strings.Repeat("0", 100_000) + "1", "1." + strings.Repeat("0", 80)} {
			body := fmt.Appendf(nil, `{"device":%q,"batch":%d,"scope":%q,"operations":[`, ann.Device.ID, ann.batch+1, scope)
			body = fmt.Appendf(body, `{"id":%q,"kind":"finding","base":0,"set":{"siteId":%q,"title":"t","amount":%s}},`, w.id(), site, number)
			body = fmt.Appendf(body, `{"id":%q,"kind":"finding","base":0,"set":{"siteId":%q,"title":"t","amount":1}}]}`, w.id(), site)
			ann.batch++
			var res protocol.PushResponse
			cost := allocates(func() { ann.do("POST", "/v1/sync/push", body).want(200).into(&res) })
			first := res.Outcomes[0]
			if first.Outcome != protocol.Rejected || first.RecordID == "" || first.Message == "" || len(first.Message) > 1000 || res.Outcomes[1].Outcome != protocol.Applied {
				t.Errorf("%.20s…: %.2000s", number, fmt.Sprintf("%+v", res.Outcomes))
			}
			if cost > 64 {
				t.Errorf("%.20s… cost %d MB", number, cost)
			}
			if kept := w.record(string(first.RecordID)); kept.Kind != field.KindParked {
				t.Errorf("%.20s… is not kept", number)
			}
		}
	})
}

// A number that stands for other content already: refused, nothing moves, and the log holds both digests, so that
// anyone who is called can tell a restored phone from a forged batch.
func TestAReusedBatchNumberIsLoggedWithBothDigests(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		scope, site := w.place(ann)
		first := w.finding(site)
		ann.push(scope, first).want(200)
		before := w.state()
		send := func(op obj) answer {
			return ann.do("POST", "/v1/sync/push", obj{"device": ann.Device.ID, "batch": ann.batch, "scope": scope, "operations": []obj{op}})
		}
		send(w.finding(site)).refused(409, field.CodeBatchReused)
		if after := w.state(); after != before {
			t.Errorf("something moved:\n%s\n%s", before, after)
		}
		found := false
		for _, line := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
			var e struct {
				Level, Scope, Device, Stored, Sent string
				Batch                              int64
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if e.Stored == "" && e.Sent == "" {
				continue
			}
			found = true
			if e.Level != "WARN" || e.Scope != scope || e.Device != string(ann.Device.ID) || e.Batch != ann.batch || len(e.Stored) != 64 || len(e.Sent) != 64 || e.Stored == e.Sent {
				t.Errorf("the line of the log: %s", line)
			}
		}
		if !found {
			t.Error("the log does not hold the digests")
		}
		// The first content is still answered as it was.
		var again protocol.PushResponse
		send(first).want(200).into(&again)
		if !again.Replayed || again.Outcomes[0].Outcome != protocol.Applied {
			t.Errorf("%+v", again)
		}
	})
}

// A batch number is a name and no order: one that is lower than the last is as good as any other as long as it is new,
// and every batch is answered the same for ever.
func TestBatchNumbersMayGoBackwards(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		scope, site := w.place(ann)
		start := w.heads()[field.Scope(scope)]
		var bodies []obj
		numbers := []int64{100, 50, 1, 1 << 62, 49}
		send := func(i int) (res protocol.PushResponse) {
			ann.do("POST", "/v1/sync/push", bodies[i]).want(200).into(&res)
			return res
		}
		var answers []protocol.PushResponse
		for i, n := range numbers {
			bodies = append(bodies, obj{"device": ann.Device.ID, "batch": n, "scope": scope, "operations": []obj{w.finding(site)}})
			res := send(i)
			if res.Replayed || res.Seq != start+int64(i)+1 || res.Outcomes[0].Outcome != protocol.Applied {
				t.Errorf("batch %d: %+v", n, res)
			}
			answers = append(answers, res)
		}
		before := w.state()
		for i, n := range numbers {
			if res := send(i); !res.Replayed || res.Seq != answers[i].Seq || res.Hash != answers[i].Hash || res.Outcomes[0].Version != answers[i].Outcomes[0].Version {
				t.Errorf("batch %d again: %+v, first %+v", n, res, answers[i])
			}
		}
		if after := w.state(); after != before {
			t.Error("a repetition moved something")
		}
	})
}

// Cursors that no server gave to this phone: of a visible scope the phone is told to load it afresh, any other scope it
// is told to drop, alike whether it exists or not. Nothing that it may not see comes, and nothing moves.
func TestCursorsThatNobodyGave(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		admin := w.setUp()
		ann, ben := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector)
		mine, site := w.place(ann)
		theirs, other := w.place(ben)
		for range 3 {
			ann.push(mine, w.finding(site)).want(200)
			ben.push(theirs, w.finding(other)).want(200)
		}
		inbox := "user/" + string(ann.User.ID)
		full := ann.pull(nil).Cursors
		good, foreign := full[field.Scope(mine)], ben.pull(nil).Cursors[field.Scope(theirs)]
		before := w.state()
		for _, c := range []struct {
			name          string
			scope         string
			cursor        any
			restart, gone bool
		}{
			{"from the future", mine, protocol.Cursor{Seq: good.Seq + 1, Hash: good.Hash}, true, false},
			{"from the far future", mine, protocol.Cursor{Seq: 1<<63 - 1, Hash: good.Hash}, true, false},
			{"at the end of another history", mine, protocol.Cursor{Seq: good.Seq, Hash: strings.Repeat("0", 64)}, true, false},
			{"in the middle of another history", mine, protocol.Cursor{Seq: 2, Hash: good.Hash}, true, false},
			{"without a hash", mine, protocol.Cursor{Seq: 2}, true, false},
			{"of another scope", mine, foreign, true, false},
			{"of my inbox", mine, full[field.Scope(inbox)], true, false},
			{"of a scope that is not mine", theirs, foreign, false, true},
			{"from nothing, of a scope that is not mine", theirs, protocol.Cursor{}, false, true},
			{"of somebody's inbox", "user/" + string(ben.User.ID), protocol.Cursor{Seq: 1, Hash: good.Hash}, false, true},
			{"of a scope that there never was", "site/" + w.id(), foreign, false, true},
			{"of no scope at all", "moon/1", foreign, false, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				cursors := obj{c.scope: c.cursor}
				for scope, cursor := range full {
					if string(scope) != c.scope {
						cursors[string(scope)] = cursor
					}
				}
				got := ann.pull(cursors)
				if slices.Contains(got.Restart, field.Scope(c.scope)) != c.restart || slices.Contains(got.Gone, field.Scope(c.scope)) != c.gone {
					t.Errorf("restart %v, gone %v", got.Restart, got.Gone)
				}
				if len(got.Restart)+len(got.Gone) != 1 || len(got.Records) != 0 || len(got.Cursors) != 0 {
					t.Errorf("more than that was answered: %+v", got)
				}
			})
		}
		w.t = t
		for name, raw := range map[string]string{
			"a number that no integer holds": `{"seq":9223372036854775808,"hash":""}`, "a fraction": `{"seq":1.5,"hash":""}`, "a text": `{"seq":"1","hash":""}`,
			"a list": `[1,""]`, "negative": `{"seq":-1,"hash":"` + good.Hash + `"}`, "the most negative": `{"seq":-9223372036854775808,"hash":""}`,
		} {
			a := ann.do("POST", "/v1/sync/pull", fmt.Appendf(nil, `{"device":%q,"cursors":{%q:%s}}`, ann.Device.ID, mine, raw))
			if a.status != 400 || a.code() != field.CodeBadRequest {
				t.Errorf("%s: %d %s", name, a.status, clip(a.body))
			}
		}
		if after := w.state(); after != before {
			t.Errorf("something moved:\n%s\n%s", before, after)
		}
	})
}

// A pull takes as many cursors as its limit, and one more is a clear problem before anything is read for it.
func TestTheNumberOfCursorsIsBounded(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		mine, site := w.place(ann)
		ann.push(mine, w.finding(site)).want(200)
		before := w.state()
		ask := func(n int, cursor protocol.Cursor) (a answer, megabytes uint64) {
			cursors := obj{}
			for range n {
				cursors["site/"+w.id()] = cursor
			}
			body := field.Quote(obj{"device": ann.Device.ID, "cursors": cursors})
			megabytes = allocates(func() { a = ann.do("POST", "/v1/sync/pull", []byte(body)) })
			return a, megabytes
		}
		long := protocol.Cursor{Seq: 1 << 40, Hash: strings.Repeat("a", 64)}
		var at protocol.PullResponse
		a, cost := ask(protocol.MaxCursors, long)
		a.want(200).into(&at)
		if len(at.Gone) < 500 || len(a.body) > protocol.MaxPageBytes || len(at.Records) == 0 {
			t.Errorf("%d gone, %d records", len(at.Gone), len(at.Records))
		}
		// The test's own comparison with openapi.yaml takes most of this.
		if cost > 512 {
			t.Errorf("%d cursors cost %d MB", protocol.MaxCursors, cost)
		}
		for _, n := range []int{protocol.MaxCursors + 1, 10_000} {
			a, cost := ask(n, protocol.Cursor{Seq: 1})
			a.refused(400, field.CodeBadRequest)
			if !strings.Contains(string(a.body), fmt.Sprint(protocol.MaxCursors)) || cost > 64 {
				t.Errorf("%d cursors cost %d MB: %s", n, cost, clip(a.body))
			}
		}
		a, cost = ask(10_000, long) // over 1 MiB as well
		a.refused(413, field.CodeBodyTooLarge)
		if cost > 64 {
			t.Errorf("it cost %d MB", cost)
		}
		if after := w.state(); after != before {
			t.Error("something moved")
		}
	})
}

// A body that comes by single bytes, and bodies that never end: the server answers and hangs up.
func TestABodyThatDoesNotEndIsEnded(t *testing.T) {
	slow := func(o *api.Options) {
		o.Guard = guard.Config{Silence: 5 * time.Second, Window: 200 * time.Millisecond, WindowMin: 4 << 10, Header: 500 * time.Millisecond}
	}
	onBothStores(t, func(t *testing.T, w *world) {
		ann := w.setUp().hire("ann", access.Inspector)
		scope, site := w.place(ann)
		ann.push(scope, w.finding(site)).want(200)
		before := w.state()
		head := func(more string) string {
			return "POST /v1/sync/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + ann.AccessToken + "\r\n" + more + "\r\n\r\n"
		}
		begun := `{"device":"` + string(ann.Device.ID) + `","operations":[` + strings.Repeat(" ", 9000)
		for _, c := range []struct {
			name, first, piece string
			every              time.Duration
			status             int
			code               field.Code
		}{
			{"a slow drip", head("Content-Length: 1000000") + begun, " ", 5 * time.Millisecond, 408, field.CodeBodySlow},
			{"a slow drip from the first byte", head("Content-Length: 1000000"), " ", 5 * time.Millisecond, 408, field.CodeBodySlow},
			{"chunks without an end", head("Transfer-Encoding: chunked"), "1000\r\n" + strings.Repeat(" ", 0x1000) + "\r\n", 0, 411, field.CodeLengthRequired},
			{"a length without an end", head("Content-Length: 9223372036854775807") + begun, strings.Repeat(" ", 4096), 0, 413, field.CodeBatchTooLarge},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.t = t
				var status int
				var code field.Code
				cost := allocates(func() { status, code = w.endless(c.first, c.piece, c.every) })
				if status != c.status || code != c.code {
					t.Errorf("%d %s, want %d %s", status, code, c.status, c.code)
				}
				if cost > 64 {
					t.Errorf("it cost %d MB", cost)
				}
				if after := w.state(); after != before {
					t.Error("something moved")
				}
			})
		}
	}, slow)
}

// endless sends the beginning of a request and then pieces until the server has had enough, and reads what it says.
func (w *world) endless(first, piece string, every time.Duration) (status int, code field.Code) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server has closed it
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, first); err != nil {
		w.t.Fatal(err)
	}
	over := make(chan struct{})
	defer func() { <-over }()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(over)
		tick := time.NewTicker(max(every, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
		}
	}()
	var answered bytes.Buffer
	if _, err := io.Copy(&answered, conn); err != nil && answered.Len() == 0 {
		w.t.Errorf("no answer: %v", err)
		return 0, ""
	}
	head, body, _ := bytes.Cut(answered.Bytes(), []byte("\r\n\r\n"))
	if _, err := fmt.Sscanf(string(head), "HTTP/1.1 %d", &status); err != nil {
		w.t.Fatalf("%q: %v", head, err)
	}
	if !bytes.Contains(head, []byte("application/problem+json")) {
		w.t.Errorf("no problem document: %s", head)
	}
	return status, answer{t: w.t, body: body}.code()
}
