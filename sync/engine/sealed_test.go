package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

const (
	secretID    = "11010519491231002X"
	secretPhone = "13800138000"
)

// nowhere fails if a number of a person lies in the log, in a record, or in a document other than a key.
func (c *county) nowhere() {
	c.t.Helper()
	say := func(where, text string) {
		if slices.ContainsFunc([]string{secretID, secretPhone, "1.3800138e10", `"138","0013"`}, func(s string) bool { return strings.Contains(text, s) }) {
			c.t.Errorf("%s holds the number: %.300s", where, text)
		}
	}
	heads, err := c.store.Heads(c.ctx, store.ListScopes{Visible: access.Everything, Limit: 500})
	c.must(err)
	for _, h := range heads {
		entries, err := c.store.Entries(c.ctx, h.Scope, 0, 1000)
		c.must(err)
		for _, e := range entries {
			say("an entry of "+string(h.Scope), string(e.Body)+string(e.Device))
		}
		records, err := c.store.Changed(c.ctx, h.Scope, 0, h.Seq, 1000)
		c.must(err)
		for _, r := range records {
			say("a "+string(r.Kind)+" in "+string(h.Scope), string(r.Document())+strings.Join(r.Keys, " "))
		}
	}
}

// Whatever an operation is refused for: if it says a number of a person it is sealed, the shared scope holds nothing of
// it, its author reads it back and nobody else does, and a repetition has the same answer.
func TestWhatSaysANumberIsSealedForItsAuthor(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		report := c.newReport(c.chen)
		base := c.get(report).Version
		edit := func(set m) protocol.Operation {
			return protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Set: fields(set)}
		}
		made := func(kind field.Kind, set m) protocol.Operation {
			return protocol.Operation{ID: id(), Kind: kind, Set: fields(set)}
		}
		site := m{"siteId": c.site}
		with := func(more m) m {
			out := m{}
			for _, x := range []m{site, more} {
				for k, v := range x {
					out[k] = v
				}
			}
			return out
		}
		revoked := *c.chen
		revoked.HandsIn = true
		unknown := made(field.KindFinding, with(m{"title": "x"}))
		unknown.Unknown = json.RawMessage(`{"id":"` + string(unknown.ID) + `","kind":"finding","base":0,"mood":{"of":"` + secretID + `"},"set":{}}`)
		for _, row := range []struct {
			name  string
			who   *access.Actor
			scope field.Scope
			op    protocol.Operation
			code  field.Code
		}{
			{"an interview", c.chen, c.scope, made(field.KindInterview, with(m{"alias": "甲户", "text": "身份证" + secretID})), field.CodeIdentityInText},
			{"an alias", c.chen, c.scope, made(field.KindInterview, with(m{"alias": secretPhone})), field.CodeIdentityInText},
			{"how consent was given", c.chen, c.scope, made(field.KindInterview, with(m{"alias": "甲户", "consent": m{"given": true, "how": "打 " + secretPhone}})), field.CodeIdentityInText},
			{"a finding", c.chen, c.scope, made(field.KindFinding, with(m{"title": "x", "facts": "电话 138-0013-8000 " + secretPhone})), field.CodeIdentityInText},
			{"a caption", c.chen, c.scope, made(field.KindPhoto, with(m{"reportId": report, "sha256": strings.Repeat("c", 64), "size": 10, "type": "image/jpeg", "caption": secretPhone})), field.CodeIdentityInText},
			{"an answer that is a number", c.chen, c.scope, edit(m{"answers": m{"roof": m{"value": json.Number(secretPhone)}}}), field.CodeIdentityInText},
			{"an answer that is a number with an exponent", c.chen, c.scope, edit(m{"answers": m{"roof": m{"value": json.Number("1.3800138e10")}}}), field.CodeIdentityInText},
			{"an answer that is cut into a list", c.chen, c.scope, edit(m{"answers": m{"roof": m{"value": []string{"138", "0013", "8000"}}}}), field.CodeIdentityInText},
			{"a note of an answer", c.chen, c.scope, edit(m{"answers": m{"roof": m{"value": "好", "note": secretPhone}}}), field.CodeIdentityInText},
			{"why there is no answer", c.chen, c.scope, edit(m{"answers": m{"roof": m{"cannotObtain": secretPhone}}}), field.CodeIdentityInText},
			{"the key of an answer", c.chen, c.scope, edit(m{"answers": m{secretPhone: m{"value": "好"}}}), field.CodeIdentityInText},
			{"a summary", c.chen, c.scope, edit(m{"summary": "找 " + secretPhone}), field.CodeIdentityInText},
			{"a summary that is too long", c.chen, c.scope, edit(m{"summary": strings.Repeat("长", 10_001) + secretPhone}), field.CodeIdentityInText},
			{"a value of a wrong type", c.chen, c.scope, edit(m{"activeSeconds": secretPhone}), field.CodeIdentityInText},
			{"a reason", c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Command: "void", Args: fields(m{"reason": secretPhone})}, field.CodeIdentityInText},
			{"a command of another role", c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Command: "return", Args: fields(m{"reason": secretPhone})}, field.CodeIdentityInText},
			{"a field that is not known", c.chen, c.scope, edit(m{"weather": secretPhone}), field.CodeIdentityInText},
			{"a field of that name", c.chen, c.scope, edit(m{secretPhone: 1}), field.CodeIdentityInText},
			{"a kind that is not known", c.chen, c.scope, made("drone", m{"pilot": secretPhone}), field.CodeUnknownKind},
			{"a kind of that name", c.chen, c.scope, made(secretPhone, m{"x": 1}), field.CodeUnknownKind},
			{"an id of that name", c.chen, c.scope, protocol.Operation{ID: secretPhone, Kind: field.KindReport, Set: fields(site)}, field.CodeBadID},
			{"a command of that name", c.chen, c.scope, protocol.Operation{ID: report, Kind: field.KindReport, Base: base, Command: secretPhone}, field.CodeUnknownCommand},
			{"a member that is not known", c.chen, c.scope, unknown, field.CodeUnknownField},
			{"a scope that is closed", c.stranger, c.scope, made(field.KindFinding, with(m{"title": secretPhone})), field.CodeNotFound},
			{"a scope of another organisation", c.chen, "org/gz-liwan", made(field.KindProject, m{"name": secretPhone}), field.CodeIdentityInText},
			{"a phone that was revoked", &revoked, c.scope, edit(m{"summary": secretID}), field.CodeDeviceRevoked},
		} {
			t.Run(row.name, func(t *testing.T) {
				c.t = t
				sent, err := json.Marshal(row.op)
				c.must(err)
				if row.op.Unknown != nil {
					sent = row.op.Unknown
				}
				number := c.next()
				push := func() (protocol.PushResponse, error) {
					return c.Push(c.ctx, row.who, protocol.PushRequest{
						Device: row.who.Device, Batch: number, Scope: row.scope, Operations: []protocol.Operation{row.op}, App: "app of " + secretPhone, DeviceTime: secretPhone,
					})
				}
				resp, err := push()
				c.must(err)
				o := c.outcome(resp, 0, protocol.Rejected)
				if o.Code != row.code || strings.Contains(o.Message+o.MessageZH, secretPhone) {
					t.Errorf("%+v, want %s", o, row.code)
				}
				again, err := push()
				c.must(err)
				if r := again.Outcomes[0]; !again.Replayed || r.RecordID != o.RecordID || r.Code != o.Code || r.Message != o.Message {
					t.Errorf("repeated: %+v, at first %+v", r, o)
				}
				kept := c.get(o.RecordID)
				own := field.MakeScope(field.ScopeUser, string(row.who.User))
				if kept == nil || kept.Scope != own || !field.IsSealed(kept) || !strings.Contains(string(kept.Fields["operation"]), "▪") {
					t.Fatalf("kept as %+v", kept)
				}
				c.nowhere()
				reader := *row.who
				reader.HandsIn = false // a revoked phone reads nothing; its owner does, on another one
				content, err := c.Content(c.ctx, &reader, kept.ID)
				if err != nil || string(content) != string(sent) {
					t.Errorf("read back %v: %s, sent %s", err, content, sent)
				}
				if r := c.get(kept.ID); r.Int("reads") != 1 || r.Version == kept.Version {
					t.Errorf("the reading is not noted: %s", r.Document())
				}
				for _, other := range []*access.Actor{c.lin, c.zhao, c.wu, c.qian} {
					if content, err := c.Content(c.ctx, other, kept.ID); err == nil {
						t.Errorf("%s reads %s", other.Name, content)
					}
				}
				if err := c.click(c.zhao, c.get(kept.ID), "accept", nil); row.who.Org == c.zhao.Org && !field.Is(err, field.CodeIdentityInText) {
					t.Errorf("accepted: %v", err)
				}
			})
		}
		c.t = t
		c.sound()
	})
}

// A click is refused and nothing of it is kept. The supervisor and the author can destroy what is sealed: the log goes
// on to hold, and is rebuilt the same.
func TestWhatIsSealedCanBeDestroyed(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		keys := func() int {
			n := 0
			for _, r := range c.list(field.KindParked) {
				if _, err := c.store.GetDoc(c.ctx, store.Sealed, string(r.ID)); err == nil {
					n++
				}
			}
			return n
		}
		seal := func() *field.Record {
			resp := c.push(c.chen, c.scope, protocol.Operation{ID: id(), Kind: field.KindInterview, Set: fields(m{"siteId": c.site, "alias": "甲户", "text": secretID})})
			return c.get(c.outcome(resp, 0, protocol.Rejected).RecordID)
		}
		report := c.newReport(c.chen)
		heads := c.scopesAt()
		err := c.click(c.zhao, c.get(report), "void", m{"reason": secretPhone})
		if !field.Is(err, field.CodeIdentityInText) || strings.Contains(err.Error(), secretPhone) {
			t.Errorf("a click: %v", err)
		}
		if now := c.scopesAt(); now != heads || keys() != 0 {
			t.Errorf("a refused click wrote something: %s, before %s", now, heads)
		}

		first, second := seal(), seal()
		opens := func(r *field.Record, want bool) {
			t.Helper()
			if err := engine.Opens(c.ctx, c.store, c.get(r.ID)); (err == nil) != want {
				t.Errorf("%s: verification says %v", r.State, err)
			}
		}
		opens(first, true)
		for _, other := range []*access.Actor{c.lin, c.wu, c.qian, c.stranger} {
			if err := c.click(other, first, "destroy", m{"reason": "不该"}); err == nil {
				t.Errorf("%s destroys it", other.Name)
			}
		}
		if err := c.click(c.zhao, first, "destroy", nil); !field.Is(err, field.CodeMissingField) {
			t.Errorf("without a reason: %v", err)
		}
		c.must(c.click(c.zhao, first, "destroy", m{"reason": "已另行登记"}))
		if _, err := c.Content(c.ctx, c.chen, first.ID); !field.Is(err, field.CodeContentDestroyed) {
			t.Errorf("read although it is destroyed: %v", err)
		}
		if keys() != 2 {
			t.Errorf("%d keys before the follower", keys())
		}
		opens(first, false) // the key is still there
		own := c.get(first.ID).Scope
		entries, err := c.store.Entries(c.ctx, own, 0, 1000)
		c.must(err)
		for range 2 { // a follower may see an entry twice
			for _, e := range entries {
				c.must(engine.Shredder{Engine: c.Engine}.Entry(c.ctx, e))
			}
		}
		if keys() != 1 {
			t.Errorf("%d keys after the follower", keys())
		}
		opens(first, true)
		lost := seal()
		c.must(c.Shred(c.ctx, lost.ID))
		opens(lost, false)
		c.must(c.click(c.chen, second, "destroy", m{"reason": "写错了"}))
		c.must(c.Shred(c.ctx, second.ID))
		c.must(c.Shred(c.ctx, second.ID))
		if r := c.get(second.ID); keys() != 0 || r.State != field.ParkedDestroyed || r.Text("decidedBy") != string(c.chen.User) || r.Text("destroyedAt") == "" || r.Text("note") != "写错了" {
			t.Errorf("%d keys, %s", keys(), r.Document())
		}
		c.nowhere()
		c.sound()
		_, err = engine.Rebuild(c.ctx, c.store, nil)
		c.must(err)
		c.sound()
	})
}

// What was written before it was refused stays in the log. Verification names the entries, without the number, and
// calls them no fault.
func TestOldNumbersAreNamed(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *county) {
		c.server(string(c.scope), protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": c.site, "title": secretPhone})})
		v, err := engine.Verify(c.ctx, c.store, engine.Look{})
		c.must(err)
		if len(v.Faults) != 0 || v.Numbers != 1 || len(v.NumbersIn) != 1 || !strings.HasPrefix(v.NumbersIn[0], string(c.scope)+" entry ") {
			t.Errorf("%+v", v)
		}
	})
}

// scopesAt says where the log of each scope ends.
func (c *county) scopesAt() string {
	c.t.Helper()
	heads, err := c.store.Heads(c.ctx, store.ListScopes{Visible: access.Everything, Limit: 500})
	c.must(err)
	var b strings.Builder
	for _, h := range heads {
		b.WriteString(string(h.Scope) + " " + h.Hash + "\n")
	}
	return b.String()
}
