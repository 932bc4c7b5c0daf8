package workflow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// together makes an active site in which both organisations take part.
func (w *world) together(c county) field.SiteID {
	w.t.Helper()
	id := field.SiteID(w.id())
	w.done(w.flow.Make(w.ctx, w.act("cai"), field.KindSite, field.RecordID(id), quoted(map[string]any{
		"name": "共管点", "projectId": c.project, "region": "520502", "orgs": []string{"gz", "elsewhere"}, "position": map[string]any{"lat": 27.3, "lon": 105.3},
		"photoPoints": map[string]any{"gate": map[string]any{"label": "大门"}},
	})))
	w.done(w.click("cai", field.KindSite, field.RecordID(id), w.v(field.RecordID(id)), "activate", nil))
	w.see("ann", siteScope(id))
	w.see("ben", siteScope(id))
	return id
}

// looks is how often it was noted, in the log of an organisation, that its people looked at photos of a site.
func (w *world) looks(site field.SiteID, org field.OrgID) int64 {
	return w.heads()[field.CustodyScope(site, org)]
}

func TestLookingAtAPhotoIsNotedOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		site := w.together(c)
		v := w.visit(c, site, 3*time.Hour, strings.Repeat("a", 64))
		other := w.visit(c, site, 2*time.Hour, strings.Repeat("b", 64))
		photo, twin := w.get(v.photo), w.get(v.photo)
		twin.ID = w.id() // another photo of the same report
		look := func(f *workflow.Flow, who *access.Actor, p *field.Record, what string) {
			t.Helper()
			w.must(f.RecordView(w.ctx, who, p, what))
		}
		noted := func(what string, want int64) {
			t.Helper()
			if n := w.looks(site, "gz"); n != want {
				t.Errorf("%s: %d entries, want %d", what, n, want)
			}
		}
		cai := w.as("cai")
		for range 3 {
			look(w.flow, cai, photo, workflow.ViewOriginal)
		}
		noted("one person, one photo, three ranges", 1)
		another := workflow.New(w.store, engine.New(engine.Options{Store: w.store, Now: w.now}), alike.New(w.store, w.now), w.now)
		look(another, cai, photo, workflow.ViewOriginal)
		noted("and another server", 1)
		look(w.flow, cai, photo, workflow.ViewLarge)
		noted("the rendition", 2)
		for _, p := range []*field.Record{photo, twin} {
			look(w.flow, cai, p, workflow.ViewSmall)
		}
		noted("the small pictures of one report", 3)
		look(w.flow, cai, w.get(other.photo), workflow.ViewSmall)
		noted("and of another", 4)
		tablet := *cai
		tablet.Device = field.DeviceID(w.id())
		look(w.flow, &tablet, photo, workflow.ViewOriginal)
		noted("on another device", 5)
		look(w.flow, w.as("dai"), photo, workflow.ViewOriginal)
		noted("another person", 6)
		w.pass(field.ViewWindow)
		look(w.flow, cai, photo, workflow.ViewOriginal)
		noted("a quarter of an hour later", 7)

		// What one organisation's people look at is not for the other.
		look(w.flow, w.as("xin"), photo, workflow.ViewOriginal)
		noted("somebody of the other organisation", 7)
		if n := w.looks(site, "elsewhere"); n != 1 {
			t.Errorf("of the other organisation: %d entries", n)
		}
		seen := func(name string) []field.RecordID {
			t.Helper()
			found, err := w.store.List(w.ctx, store.Query{Visible: access.Visible(w.as(name)), Kinds: []field.Kind{field.KindView}, Limit: 100})
			w.must(err)
			var by []field.RecordID
			for _, r := range found {
				if r.Text("device") == "" || r.Author != field.UserID(r.Text("by")) || r.Time("since").After(r.CreatedAt) {
					t.Errorf("%+v", r)
				}
				if under := r.Text("mandate") != ""; under != (name == "xin" || name == "yan" || name == "zoe") {
					t.Errorf("the view of %s is under mandate %q", name, r.Text("mandate"))
				}
				by = append(by, field.RecordID(r.Author))
			}
			slices.Sort(by)
			return slices.Compact(by)
		}
		ours := []field.RecordID{field.RecordID(w.people["cai"].id), field.RecordID(w.people["dai"].id)}
		for _, name := range []string{"cai", "dai", "eva", "aud"} {
			same(t, name+" sees the views of", seen(name), ours)
		}
		for _, name := range []string{"xin", "yan", "zoe"} {
			same(t, name+" sees the views of", seen(name), []field.RecordID{field.RecordID(w.people["xin"].id)})
		}
		for _, name := range []string{"ann", "ben", "han", "adm", "con", "gus"} {
			same(t, name+" sees the views of", seen(name), nil)
		}
		w.people["cai"].roles = []access.Grant{{Role: access.Supervisor, Regions: []string{"5227"}}}
		same(t, "a supervisor of another prefecture sees the views of", seen("cai"), nil)
		w.people["cai"].roles = []access.Grant{{Role: access.Supervisor}}

		verified, err := engine.Verify(w.ctx, w.store, engine.Look{})
		if err != nil || len(verified.Faults) > 0 {
			t.Errorf("%v %v", err, verified.Faults)
		}
	})
}

// Nobody's phone carries who has looked at what, and nobody's phone writes it.
func TestViewsAreNotSynced(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	site := w.together(c)
	v := w.visit(c, site, time.Hour, strings.Repeat("a", 64))
	aud := w.as("aud")
	w.must(w.flow.RecordView(w.ctx, aud, w.get(v.photo), workflow.ViewLarge))
	scope := field.CustodyScope(site, "gz")
	pulled, err := w.engine.Pull(w.ctx, aud, protocol.PullRequest{Device: aud.Device, Cursors: map[field.Scope]protocol.Cursor{scope: {Seq: 1, Hash: "x"}}})
	w.must(err)
	if slices.Contains(pulled.Scopes, scope) || !slices.Contains(pulled.Gone, scope) {
		t.Errorf("scopes %v, gone %v", pulled.Scopes, pulled.Gone)
	}
	for _, r := range pulled.Records {
		if r.Kind == field.KindView {
			t.Errorf("pulled %+v", r)
		}
	}
	resp, err := w.engine.Push(w.ctx, aud, protocol.PushRequest{Device: aud.Device, Batch: 1, Scope: scope, Operations: []protocol.Operation{
		{ID: w.id(), Kind: field.KindView, Set: quoted(map[string]any{"photo": v.photo, "what": "original", "by": w.people["cai"].id, "since": w.now()})},
	}})
	w.must(err)
	if resp.Outcomes[0].Outcome != protocol.Rejected || w.looks(site, "gz") != 1 {
		t.Errorf("%+v; %d entries", resp.Outcomes, w.looks(site, "gz"))
	}
}

// Who knows a person, a device and a photo can neither learn whether the one has looked at the other, nor keep him from
// it: the id that such a view had once is a free one.
func TestNobodyTakesTheIdOfAView(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		c := w.county()
		site := w.together(c)
		v := w.visit(c, site, time.Hour, strings.Repeat("a", 64))
		xin := w.as("xin")
		take := func(what string) {
			t.Helper()
			id := field.DeriveID(w.now().Truncate(field.ViewWindow), "view", string(xin.User), string(xin.Device), string(v.photo), what)
			w.push("ann", siteScope(site), protocol.Operation{ID: id, Kind: field.KindFinding, Set: quoted(map[string]any{
				"reportId": v.report, "siteId": site, "title": "x", "facts": "y",
			})})
		}
		w.must(w.flow.RecordView(w.ctx, xin, w.get(v.photo), workflow.ViewOriginal))
		take(workflow.ViewOriginal) // after xin has looked
		take(workflow.ViewLarge)    // and before
		w.must(w.flow.RecordView(w.ctx, xin, w.get(v.photo), workflow.ViewLarge))
		if n := w.looks(site, "elsewhere"); n != 2 {
			t.Errorf("%d looks are noted", n)
		}
	})
}

type brokenLog struct {
	workflow.Committer
	err error
}

func (b brokenLog) Commit(context.Context, protocol.Batch) (protocol.PushResponse, error) {
	return protocol.PushResponse{}, b.err
}

// Whatever keeps a view from being noted, the reader is told to come again.
func TestAViewThatCannotBeNotedIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.county()
	site := w.together(c)
	photo := w.get(w.visit(c, site, time.Hour, strings.Repeat("a", 64)).photo)
	for _, cause := range []error{errors.New("disk I/O error"), field.Refuse(field.CodeStorageFull, ""), field.Refuse(field.CodeBusy, ""), context.DeadlineExceeded} {
		f := workflow.New(w.store, brokenLog{err: cause}, alike.New(w.store, w.now), w.now)
		for range 2 { // a failure is not remembered as a success
			if err := f.RecordView(w.ctx, w.as("cai"), photo, workflow.ViewSmall); field.AsError(err).Kind != field.ErrorBusy || !errors.Is(err, cause) {
				t.Errorf("%v: %v", cause, err)
			}
		}
	}
}
