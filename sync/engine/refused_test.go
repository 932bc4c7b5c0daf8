package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Every operation that cannot be applied, in a batch between two good ones: it is rejected with its code and kept as a
// record, its neighbours are applied, and nothing else moves.
func TestOperationsThatCannotBeApplied(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		photo, foreign := id(), c.foreignSite
		c.push(c.chen, c.scope, protocol.Operation{ID: photo, Kind: field.KindPhoto, Set: fields(m{
			"reportId": report, "siteId": c.site, "sha256": strings.Repeat("c", 64), "size": 10, "type": "image/jpeg",
		})})
		voided := c.newReport(c.chen)
		c.push(c.chen, c.scope, protocol.Operation{ID: voided, Kind: field.KindReport, Base: c.get(voided).Version, Command: "void", Args: fields(m{"reason": "误建"})})
		base := c.get(report).Version
		edit := func(set m) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(set)}
		}
		command := func(name string, args m) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Command: name, Args: fields(args)}
		}
		makeOp := func(kind field.Kind, set m) protocol.Operation {
			return protocol.Operation{ID: id(), Kind: kind, Set: fields(set)}
		}
		raw := func(path, value string) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: map[string]field.Value{path: json.RawMessage(value)}}
		}
		for _, row := range []struct {
			name string
			op   protocol.Operation
			code field.Code
		}{
			{"a number where a text belongs", edit(m{"summary": 7}), field.CodeWrongType},
			{"a text where a number belongs", edit(m{"activeSeconds": "long"}), field.CodeWrongType},
			{"an object that is a list", edit(m{"answers": []string{"x"}}), field.CodeWrongType},
			{"an answer that is an object", edit(m{"answers": m{"roof": m{"value": m{"deep": 1}}}}), field.CodeWrongType},
			{"a text over its limit", edit(m{"summary": strings.Repeat("长", 10_001)}), field.CodeTooLong},
			{"a list over its limit", edit(m{"inspectors": make([]string, 21)}), field.CodeTooLong},
			{"a number that is NaN as text", edit(m{"position": m{"lat": "NaN", "lon": 105}}), field.CodeBadPosition},
			{"a latitude beyond the pole", edit(m{"position": m{"lat": 91, "lon": 105}}), field.CodeBadPosition},
			{"nowhere", edit(m{"position": m{"lat": 0, "lon": 0}}), field.CodeBadPosition},
			{"half a position", edit(m{"position": m{"lat": 27}}), field.CodeBadPosition},
			{"a number that does not fit", raw("activeSeconds", "1e999"), field.CodeOutOfRange},
			{"a negative duration", edit(m{"activeSeconds": -1}), field.CodeOutOfRange},
			{"a time without an offset", edit(m{"startedAt": "2026-11-23T08:00:00"}), field.CodeBadTime},
			{"an offset of a whole day", edit(m{"startedAt": "2026-11-23T08:00:00+24:00"}), field.CodeBadTime},
			{"a time without offset", edit(m{"startedAt": "2026-11-23T08:00:00"}), field.CodeBadTime},
			{"an id of another kind", edit(m{"inspectors": []any{c.project}}), field.CodeWrongKind},
			{"a foreign organisation's id", makeOp(field.KindFinding, m{"siteId": foreign, "title": "x"}), field.CodeWrongScope},
			{"another site than the scope's", makeOp(field.KindFinding, m{"siteId": id(), "title": "x"}), field.CodeWrongScope},
			{"a record of a foreign organisation", protocol.Operation{ID: foreign, Kind: field.KindSite, Base: 1, Set: fields(m{"name": "x"})}, field.CodeUnknownRecord},
			{"an id that is no UUIDv7", protocol.Operation{ID: "7", Kind: field.KindReport, Set: fields(m{"siteId": c.site})}, field.CodeBadID},
			{"a reference that is no id", edit(m{"inspectors": []string{"me"}}), field.CodeBadID},
			{"a kind that this server does not know", makeOp("drone", m{"x": 1}), field.CodeUnknownKind},
			{"a field that this server does not know", edit(m{"weather": "rain"}), field.CodeUnknownField},
			{"a member that this server does not know", edit(m{"answers": m{"roof": m{"mood": "bad"}}}), field.CodeUnknownField},
			{"a path into nothing", edit(m{"summary.x": "y"}), field.CodeUnknownField},
			{"a command that this server does not know", command("teleport", nil), field.CodeUnknownCommand},
			{"a field that only the server writes", edit(m{"severity": 0}), field.CodeReadOnlyField},
			{"a field that never changes", edit(m{"visitType": "desk", "templateId": id()}), field.CodeReadOnlyField},
			{"a choice that is none", edit(m{"visitType": "drone"}), field.CodeBadChoice},
			{"a required field taken away", edit(m{"siteId": nil}), field.CodeReadOnlyField},
			{"a record without its required fields", makeOp(field.KindReport, m{"siteId": c.site}), field.CodeMissingField},
			{"a command that the state does not allow", command("resubmit", nil), field.CodeNotNow},
			{"a command of somebody else's role", command("approve", nil), field.CodeNotPermitted},
			{"a command that is the server's own", protocol.Operation{ID: photo, Kind: field.KindPhoto, Base: 1, Command: "store"}, field.CodeNotPermitted},
			{"a record that only the server makes", makeOp(field.KindFlag, m{"code": "x"}), field.CodeNotPermitted},
			{"a kind that lives elsewhere", makeOp(field.KindTemplate, m{"title": "x"}), field.CodeWrongScope},
			{"an edit of a record that is not known", protocol.Operation{ID: id(), Kind: field.KindReport, Base: 3, Set: fields(m{"summary": "x"})}, field.CodeUnknownRecord},
			{"an edit of a voided record", protocol.Operation{ID: voided, Kind: field.KindReport, Base: 99, Set: fields(m{"summary": "x"})}, field.CodeVoided},
			{"an id that is another record's", protocol.Operation{ID: report, Kind: field.KindFinding, Base: 1, Set: fields(m{"title": "x"})}, field.CodeWrongKind},
			{"fields and a command at once", protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Command: "submit", Set: fields(m{"summary": "x"})}, field.CodeBadRequest},
			{"neither fields nor a command", protocol.Operation{ID: report, Kind: field.KindReport, Base: base}, field.CodeBadRequest},
			{"a negative base", protocol.Operation{ID: report, Kind: field.KindReport, Base: -1, Set: fields(m{"summary": "x"})}, field.CodeOutOfRange},
			{"a name's number in an interview", makeOp(field.KindInterview, m{"siteId": c.site, "alias": "甲户", "text": "身份证11010519491231002X。"}), field.CodeIdentityInText},
			{"an interview without alias", makeOp(field.KindInterview, m{"siteId": c.site}), field.CodeMissingField},
		} {
			t.Run(row.name, func(t *testing.T) {
				c.t = t
				before := c.get(report)
				parked, kinds := len(c.list(field.KindParked)), c.counts()
				good := protocol.Operation{ID: report, Kind: field.KindReport, Base: before.Version, Set: fields(m{"summary": "before " + row.name})}
				after := good
				after.Set = fields(m{"summary": "after " + row.name})
				resp := c.push(c.chen, c.scope, good, row.op, after)
				c.outcome(resp, 0, protocol.Applied)
				c.outcome(resp, 2, protocol.Applied)
				o := c.outcome(resp, 1, protocol.Rejected)
				if o.Code != row.code || o.Message == "" || o.MessageZH == "" {
					t.Errorf("%+v, want code %s with sentences", o, row.code)
				}
				kept := c.get(o.RecordID)
				if kept == nil || kept.Scope != field.MakeScope(field.ScopeUser, string(c.chen.User)) || kept.Text("code") != string(row.code) || field.UserID(kept.Text("author")) != c.chen.User {
					t.Fatalf("the operation is not kept: %+v", kept)
				}
				if n := len(c.list(field.KindParked)); n != parked+1 {
					t.Errorf("%d parked operations, want %d", n, parked+1)
				}
				now := c.get(report)
				for path, v := range now.Fields {
					if path != "summary" && string(v) != string(before.Fields[path]) {
						t.Errorf("%s moved", path)
					}
				}
				if now.State != before.State || len(now.Fields) != max(len(before.Fields), len(now.Fields)) || now.Text("summary") != "after "+row.name {
					t.Errorf("the report moved: %s, %q", now.State, now.Text("summary"))
				}
				for kind, n := range c.counts() {
					if kind != field.KindParked && n != kinds[kind] {
						t.Errorf("there are %d of %s, before %d", n, kind, kinds[kind])
					}
				}
			})
		}
		c.t = t
		c.sound()
	})
}

func (c *county) counts() map[field.Kind]int {
	c.t.Helper()
	var kinds []field.Kind
	for _, s := range field.Kinds() {
		kinds = append(kinds, s.Kind)
	}
	rs, err := c.store.List(c.ctx, store.Query{Visible: access.Everything, Kinds: kinds, Limit: 1000, Deleted: true})
	c.must(err)
	n := map[field.Kind]int{}
	for _, r := range rs {
		n[r.Kind]++
	}
	return n
}

// At the desk the same refusals are errors, and nothing at all is written.
func TestARefusedClickWritesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		head, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		pokes, cancel := c.Listen(8)
		defer cancel()
		for _, row := range []struct {
			command string
			args    m
			code    field.Code
		}{
			{"approve", nil, field.CodeNotNow},
			{"teleport", nil, field.CodeUnknownCommand},
			{"void", nil, field.CodeMissingField},
			{"void", m{"reason": "   "}, field.CodeMissingField},
			{"void", m{"reason": "x", "more": 1}, field.CodeUnknownField},
		} {
			if err := c.click(c.zhao, c.get(report), row.command, row.args); !field.Is(err, row.code) {
				t.Errorf("%s %v: %v, want %s", row.command, row.args, err, row.code)
			}
		}
		now, err := c.store.Head(c.ctx, c.scope)
		c.must(err)
		if now.Seq != head.Seq || now.Hash != head.Hash || len(c.list(field.KindParked)) != 0 {
			t.Error("a refused click was written")
		}
		select {
		case p := <-pokes:
			t.Errorf("a refused click was announced: %+v", p)
		default:
		}
	})
}

func TestBatchesThatCannotBeUsed(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		ok := c.reportOp(id())
		for _, row := range []struct {
			name string
			req  protocol.PushRequest
			code field.Code
		}{
			{"somebody else's device", protocol.PushRequest{Device: c.lin.Device, Batch: 1, Scope: c.scope, Operations: []protocol.Operation{ok}}, field.CodeForeignDevice},
			{"no device", protocol.PushRequest{Batch: 1, Scope: c.scope, Operations: []protocol.Operation{ok}}, field.CodeForeignDevice},
			{"batch number 0", protocol.PushRequest{Device: c.chen.Device, Scope: c.scope, Operations: []protocol.Operation{ok}}, field.CodeBadRequest},
			{"no operation", protocol.PushRequest{Device: c.chen.Device, Batch: 1, Scope: c.scope}, field.CodeBadRequest},
			{"a scope that cannot be", protocol.PushRequest{Device: c.chen.Device, Batch: 1, Scope: "moon/1", Operations: []protocol.Operation{ok}}, field.CodeBadRequest},
			{"501 operations", protocol.PushRequest{Device: c.chen.Device, Batch: 1, Scope: c.scope, Operations: make([]protocol.Operation, 501)}, field.CodeBatchTooLarge},
		} {
			if _, err := c.Push(c.ctx, c.chen, row.req); !field.Is(err, row.code) {
				t.Errorf("%s: %v, want %s", row.name, err, row.code)
			}
		}
		if n := len(c.list(field.KindReport)) + len(c.list(field.KindParked)); n != 0 {
			t.Errorf("%d records were written", n)
		}
	})
}

// A clue that is refused leaves no scope behind: the corrected one is made under the same id, a repetition has the
// first answer, and a clue that is not there answers like somebody else's.
func TestARefusedClueIsMadeWhenItIsCorrected(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		clue := id()
		scope := field.MakeScope(field.ScopeClue, string(clue))
		made := func(title string) protocol.Operation {
			return protocol.Operation{ID: clue, Kind: field.KindClue, Set: fields(m{"title": title, "channel": "petition"})}
		}
		number := c.next()
		push := func() protocol.PushResponse {
			resp, err := c.Push(c.ctx, c.wu, protocol.PushRequest{
				Device: c.wu.Device, Batch: number, Scope: scope, Operations: []protocol.Operation{made("找 " + secretPhone)},
			})
			c.must(err)
			return resp
		}
		first := push()
		if o := c.outcome(first, 0, protocol.Rejected); o.Code != field.CodeIdentityInText || first.Scope != field.MakeScope(field.ScopeUser, string(c.wu.User)) {
			t.Errorf("refused in %s: %+v", first.Scope, o)
		}
		if again := push(); !again.Replayed || again.Outcomes[0].RecordID != first.Outcomes[0].RecordID {
			t.Errorf("repeated: %+v, at first %+v", again, first)
		}
		if _, err := c.store.Head(c.ctx, scope); !field.Is(err, field.CodeNotFound) {
			t.Errorf("the scope of a clue that was refused: %v", err)
		}
		register := func(id field.RecordID) protocol.Outcome {
			op := protocol.Operation{ID: id, Kind: field.KindClue, Base: 1, Command: "register", Args: fields(m{})}
			return c.outcome(c.push(c.wu, field.MakeScope(field.ScopeClue, string(id)), op), 0, protocol.Rejected)
		}
		if o := register(clue); o.Code != field.CodeNotFound {
			t.Errorf("a command to a clue that is not there: %+v", o)
		}
		c.outcome(c.push(c.wu, scope, made("信访件")), 0, protocol.Applied)
		c.sound()
	})
}
