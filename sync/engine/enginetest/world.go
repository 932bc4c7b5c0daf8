// Package enginetest is the world in which stories on the write path begin: organisations, people, projects and sites
// that are there, and mandates, as the server itself writes them. It is for tests of whatever stands on the engine
// without accounts and HTTP; those of the API and of the whole server make their world through these doors, and those
// of the nouns in memory, because server/field knows no engine.
package enginetest

import (
	"context"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// World writes what must be there before a story. All of it must be set; Engine is asked each time, because a story may
// start its server again.
type World struct {
	T       *testing.T
	Engine  func() *engine.Engine
	Records func(ctx context.Context, ids []field.RecordID) ([]*field.Record, error)
	Now     func() time.Time
	ID      func() field.RecordID
	Number  func() int64 // of the next batch of the server
}

// Set are fields or arguments as JSON.
type Set map[string]any

// Fields are values as a record has them.
func Fields(set Set) map[string]field.Value {
	out := make(map[string]field.Value, len(set))
	for name, v := range set {
		out[name] = field.Quote(v)
	}
	return out
}

// Server commits as the server itself; the test ends when it is refused.
func (w *World) Server(scope field.Scope, ops ...protocol.Operation) {
	w.T.Helper()
	_, err := w.Engine().Commit(w.T.Context(), protocol.Batch{
		Actor: engine.Server, Device: "server/setup", Number: w.Number(), Scope: scope, Operations: ops, Strict: true, Trusted: true,
	})
	if err != nil {
		w.T.Fatalf("the server may not write %s: %v", scope, err)
	}
}

// Org makes an organisation with partners.
func (w *World) Org(code field.OrgID, partners ...field.OrgID) {
	w.T.Helper()
	w.Server(field.MakeScope(field.ScopeOrg, string(code)), protocol.Operation{ID: field.OrgRecord(code), Kind: field.KindOrg, Set: Fields(Set{
		"code": code, "name": code, "region": "520500", "partners": partners,
	})})
}

// Person makes somebody with roles in the whole organisation, and a device.
func (w *World) Person(org field.OrgID, name string, roles ...access.Role) *access.Actor {
	w.T.Helper()
	id := w.ID()
	a := &access.Actor{User: field.UserID(id), Org: org, Name: name, Device: field.DeviceID(w.ID())}
	for _, r := range roles {
		a.Roles = append(a.Roles, access.Grant{Role: r})
	}
	w.Server(field.MakeScope(field.ScopeOrg, string(org)), protocol.Operation{ID: id, Kind: field.KindPerson, Set: Fields(Set{
		"name": name, "roles": a.Roles,
	})})
	return a
}

// Project makes a project of an organisation.
func (w *World) Project(org field.OrgID) field.RecordID {
	w.T.Helper()
	id := w.ID()
	w.Server(field.MakeScope(field.ScopeOrg, string(org)), protocol.Operation{ID: id, Kind: field.KindProject, Set: Fields(Set{
		"externalId": "P-1", "name": "茶厂", "type": "industry", "county": "520502",
	})})
	return id
}

// Site makes a site of the first of its organisations, of 80 m around a place in Qixingguan.
func (w *World) Site(project field.RecordID, orgs ...field.OrgID) field.RecordID {
	w.T.Helper()
	id := w.ID()
	w.Server(field.MakeScope(field.ScopeOrg, string(orgs[0])), protocol.Operation{ID: id, Kind: field.KindSite, Set: Fields(Set{
		"name": "村口", "projectId": project, "region": "520502", "orgs": orgs, "position": Set{"lat": 27.3, "lon": 105.28}, "radius": 80,
	})})
	return id
}

// Mandate lets an organisation act for another about one subject, from one day to another.
func (w *World) Mandate(principal, agent field.OrgID, kind string, ref any, from, to string, powers ...field.Power) field.Mandate {
	w.T.Helper()
	id := w.ID()
	w.Server(field.MakeScope(field.ScopeOrg, string(principal)), protocol.Operation{ID: id, Kind: field.KindMandate, Set: Fields(Set{
		"principal": principal, "agent": agent, "subjects": []Set{{"kind": kind, "ref": ref}}, "powers": powers,
		"validFrom": from, "validTo": to, "document": "委托函〔2026〕1号",
	})}, protocol.Operation{ID: id, Kind: field.KindMandate, Command: "approve"})
	given, err := w.Records(w.T.Context(), []field.RecordID{id})
	if err != nil || len(given) != 1 {
		w.T.Fatalf("the mandate: %v, %v", given, err)
	}
	m, ok := field.MandateOf(given[0], w.Now())
	if !ok {
		w.T.Fatal("the mandate does not count today")
	}
	return m
}
