package api_test

import (
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/api"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// rarely has no heartbeat within a test: what ends a stream is the end of the right.
func rarely(o *api.Options) { o.Heartbeat = time.Hour }

func ends(t *testing.T, lines <-chan string, ended <-chan struct{}) {
	t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for {
		select {
		case <-lines:
		case <-ended:
			return
		case <-limit.C:
			t.Fatal("the stream goes on")
		}
	}
}

func TestAStreamEndsWithItsRight(t *testing.T) {
	for name, end := range map[string]func(w *world, admin, ann *user, scope string){
		"signed out": func(_ *world, _, ann *user, _ string) { ann.do("POST", "/v1/auth/sign-out", nil).want(204) },
		"another password": func(_ *world, _, ann *user, _ string) {
			other := ann.world.signIn("ann")
			other.do("POST", "/v1/auth/password", obj{"login": "ann", "present": password, "next": password + " and more"}).want(204)
		},
		"the device is revoked": func(_ *world, admin, ann *user, _ string) {
			admin.do("POST", "/v1/devices/"+string(ann.Device.ID)+"/revoke", obj{"reason": "遗失"}).want(200)
		},
		"the person leaves": func(w *world, admin, ann *user, _ string) {
			admin.do("POST", "/v1/people/"+string(ann.User.ID)+"/leave", obj{"version": w.version(string(ann.User.ID)), "reason": "调离"}).want(200)
		},
		"the grant ends": func(w *world, _, ann *user, _ string) {
			own := field.MakeScope(field.ScopeUser, string(ann.User.ID))
			grants, err := w.store.List(w.t.Context(), store.Query{Visible: access.Everything, Scope: own, Kinds: []field.Kind{field.KindGrant}, Limit: 10})
			if err != nil || len(grants) != 1 {
				w.t.Fatalf("%d grants: %v", len(grants), err)
			}
			w.by(string(own), protocol.Operation{
				ID: grants[0].ID, Kind: field.KindGrant, Base: grants[0].Version, Command: "end", Args: map[string]field.Value{"reason": field.Quote("任务完成")},
			})
		},
		"a recusal": func(w *world, _, ann *user, scope string) {
			w.by("user/"+string(ann.User.ID), protocol.Operation{
				ID: field.RecordID(w.id()), Kind: field.KindRecusal, Set: map[string]field.Value{"scope": field.Quote(scope), "why": field.Quote("亲属")},
			})
		},
		"the token": func(w *world, _, _ *user, _ string) { w.clock.move(16 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, rarely)
			admin := w.setUp()
			ann := admin.hire("ann", access.Inspector)
			scope, _ := w.place(ann)
			lines, ended := ann.stream()
			hears(t, lines, scope, 1)
			end(w, admin, ann, scope)
			ends(t, lines, ended)
		})
	}
}

// What another server writes tells nobody here: it is looked for.
func TestAStreamEndsWhenAnotherServerEndsTheRight(t *testing.T) {
	w := start(t, rarely, func(o *api.Options) { o.Others, o.Pokes = true, deaf{} })
	admin := w.setUp()
	ann := admin.hire("ann", access.Inspector)
	scope, _ := w.place(ann)
	lines, ended := ann.stream()
	hears(t, lines, scope, 1)
	w.users.OnEnded(func(accounts.Ended) {}) // this server hears of nothing
	admin.do("POST", "/v1/devices/"+string(ann.Device.ID)+"/revoke", obj{"reason": "遗失"}).want(200)
	ends(t, lines, ended)
}

// deaf hears of no write.
type deaf struct{}

func (deaf) Listen(int) (<-chan engine.Poke, func()) { return make(chan engine.Poke), func() {} }

func TestStreamsAreBoundedForEachPersonAndInAll(t *testing.T) {
	w := start(t, rarely, func(o *api.Options) { o.UserStreams, o.Streams = 2, 3 })
	admin := w.setUp()
	ann, ben := admin.hire("ann", access.Inspector), admin.hire("ben", access.Inspector)
	scope, _ := w.place(ann, ben)
	open := func(u *user) (<-chan string, <-chan struct{}) {
		lines, ended := u.stream()
		hears(t, lines, scope, 1)
		return lines, ended
	}
	open(ann)
	open(ann)
	ann.do("GET", "/v1/sync/events", nil).refused(429, field.CodeTooManyStreams)
	lines, ended := open(ben)
	ben.do("GET", "/v1/sync/events", nil).refused(503, field.CodeBusy)
	ben.do("POST", "/v1/auth/sign-out", nil).want(204)
	ends(t, lines, ended)
	admin.stream() // there is room again
}

// A mandate ends with its day or when it is revoked, a grant at the time that it names: nobody writes anything then, or
// in another scope than the person's own.
func TestAStreamEndsAtATimeThatWasSet(t *testing.T) {
	for name, end := range map[string]func(j *joint, mandate string){
		"the mandate is revoked": func(j *joint, mandate string) {
			j.click(j.eva, "mandates", mandate, "revoke", obj{"reason": "委托结束"}, "revoked")
		},
		"the day is over":   func(j *joint, _ string) { j.clock.move(9 * time.Minute) },
		"the grant is over": func(j *joint, _ string) { j.clock.move(3 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, rarely)
			now := w.clock.now().UTC()
			evening := time.Date(now.Year(), now.Month(), now.Day()+1, 15, 52, 0, 0, time.UTC) // eight minutes to midnight in Beijing
			w.clock.move(evening.Sub(now))
			j := jointOf(officeOf(w))
			mandate := j.make(j.cai, "mandates", obj{
				"principal": "gz-liwan", "agent": "bijie", "subjects": []obj{{"kind": "site", "ref": j.site}}, "powers": []field.Power{field.PowerInspect},
				"validFrom": "2026-01-01", "validTo": evening.Format(time.DateOnly), "document": "委托函〔2026〕4号",
			})
			j.click(j.eva, "mandates", mandate, "approve", nil, "valid")
			grant := obj{"userId": j.lin.User.ID, "scope": j.scope, "why": "委托检查"}
			if name == "the grant is over" {
				grant["until"] = j.clock.now().Add(2 * time.Minute).UTC().Format(time.RFC3339)
			}
			j.ok(j.zhao, "POST", "/v1/grants", grant, nil)
			lines, ended := j.lin.stream()
			hears(t, lines, j.scope, 1)
			end(j, mandate)
			ends(t, lines, ended)
		})
	}
}

func TestAStreamNamesFewScopes(t *testing.T) {
	w := start(t, func(o *api.Options) { o.TrustedProxies = []string{"127.0.0.1"} })
	admin := w.setUp()
	var names []string
	for range 65 {
		names = append(names, "site/"+w.id())
	}
	admin.do("GET", "/v1/sync/events?scopes="+strings.Join(names, ","), nil).refused(400, field.CodeBadRequest)
	resp := admin.events("?scopes=" + strings.Join(names[1:], ","))
	if resp.Header.Get("Strict-Transport-Security") == "" {
		t.Error("a client that came by TLS is not told to stay with it")
	}
	_ = resp.Body.Close() // nothing is read of it
}
