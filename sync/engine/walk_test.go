package engine_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// written is one row of docs/access.md, as its reader has it.
type written struct {
	kind          field.Kind
	verb          string
	by, others    []access.Role
	whose, server bool
	anyone        bool
	composed      bool // by the server, when somebody asks
}

var (
	accessRow  = regexp.MustCompile("(?m)^\\| `([a-z]+)\\.([a-z_]+)` \\| ([^|]*) \\| ([^|]*) \\| [^|]* \\|$")
	powerRow   = regexp.MustCompile("(?m)^\\| [^|]* \\(`([a-z]+)`\\) \\| ([^|]*) \\|$")
	everyPower = []field.Power{field.PowerInspect, field.PowerReview, field.PowerClassify, field.PowerRevisit, field.PowerHandle}
)

// readAccess reads docs/access.md: the actions, and which of them a mandate can empower to.
func readAccess(t *testing.T) (rows []written, empowers map[access.Action]bool) {
	t.Helper()
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]access.Role{access.Founder.EN(): access.Founder}
	for _, c := range access.Roles() {
		roles[c.EN] = access.Role(c.Code)
	}
	named := func(list string) (found []access.Role) {
		for _, n := range strings.Split(list, ", ") {
			if r, ok := roles[strings.TrimSpace(n)]; ok {
				found = append(found, r)
			}
		}
		return found
	}
	for _, m := range accessRow.FindAllStringSubmatch(string(text), -1) {
		by, _, anyone := strings.Cut(m[3], ";")
		by, _, composed := strings.Cut(by, ", at the desk")
		whose, others, _ := strings.Cut(m[4], "; others: ")
		rows = append(rows, written{
			kind: field.Kind(m[1]), verb: m[2], by: named(by), others: named(others), whose: whose != "", server: by == "the server",
			composed: composed, anyone: anyone || strings.HasPrefix(m[3], "everybody"),
		})
	}
	empowers = map[access.Action]bool{}
	for _, m := range powerRow.FindAllStringSubmatch(string(text), -1) {
		for _, a := range strings.Split(m[2], ", ") {
			empowers[access.Action(strings.Trim(a, "` "))] = true
		}
	}
	return rows, empowers
}

// wanderer is one actor of the walk.
type wanderer struct {
	*access.Actor
	role    access.Role
	side    string // owner, agent (under a mandate for everything), partner (without one), stranger
	granted bool   // the site and the clue were granted one by one
}

// Every operation, by every role, of every organisation, through every door, against what docs/access.md says. The
// records are the server's, so that they are nobody's own; what belongs to somebody is in server/api,
// TestAColleagueLeavesOthersWorkAlone.
func TestTheWalkOverEveryOperation(t *testing.T) {
	rows, empowers := readAccess(t)
	if len(rows) < 100 || len(empowers) < 30 {
		t.Fatalf("docs/access.md has %d actions and %d under mandates", len(rows), len(empowers))
	}
	c := onSQLite(t)
	w := newWalk(c)
	acceptor := w.actor(access.Supervisor, "owner", true)
	refusals, leaves := 0, 0
	for _, who := range w.people {
		pushed := w.pushAll(rows, who)
		for i, row := range rows {
			want := w.expected(row, empowers, who)
			for door, got := range map[string]bool{"push": pushed[i], "desk": w.clickOne(row, who)} {
				if want := want && (door == "desk" || !row.composed); got != want {
					t.Errorf("%s.%s as %s of the %s by %s: allowed %v, docs/access.md says %v", row.kind, row.verb, who.role, who.side, door, got, want)
				}
				if got {
					leaves++
				} else {
					refusals++
				}
			}
		}
	}
	// What was kept of somebody who may not is let in for nobody: the author may, with the grant that is lent, or who
	// accepts.
	for _, row := range rows {
		if row.kind == field.KindParked {
			continue
		}
		for _, who := range w.people {
			if who.side != "owner" || who.granted {
				continue
			}
			lent := w.actor(who.role, "owner", true)
			want := w.expected(row, empowers, lent) || w.expected(row, empowers, acceptor)
			got, known := w.accept(row, who, acceptor)
			if want = want && !row.composed; known && got != want {
				t.Errorf("%s.%s of a %s, accepted by a supervisor: let in %v, docs/access.md says %v", row.kind, row.verb, who.role, got, want)
			}
		}
	}
	t.Logf("%d actions, %d people: %d leaves, %d refusals", len(rows), len(w.people), leaves, refusals)
	c.sound()
}

// walk is the county with one record of every kind, and somebody of every role on every side.
type walk struct {
	*county
	records map[field.Kind]*field.Record
	reads   map[access.Role]map[field.ScopeType]string // as docs/access.md has it
	people  []wanderer
	clue    field.Scope
	body    field.RecordID // a person of the owner
	partner []field.Mandate
}

func newWalk(c *county) *walk {
	w := &walk{county: c, records: map[field.Kind]*field.Record{}, reads: readReads(c.t)}
	clue := id()
	w.clue = field.MakeScope(field.ScopeClue, string(clue))
	c.server(string(w.clue), protocol.Operation{ID: clue, Kind: field.KindClue, Set: fields(m{"title": "信访件", "channel": "petition", "managingOrg": "gz-liwan"})})
	// The server makes the scope of a clue for whom it writes; here it is the owner's.
	if head, err := c.store.Head(c.ctx, w.clue); err != nil || head.Info.Owner() != "gz-liwan" {
		clue = w.received()
	}
	all := id()
	c.server("org/gz-liwan",
		protocol.Operation{ID: all, Kind: field.KindMandate, Set: fields(m{
			"principal": "gz-liwan", "agent": "bijie", "subjects": []m{{"kind": "site", "ref": c.site}, {"kind": "clue", "ref": clue}}, "powers": everyPower,
			"validFrom": "2026-01-01", "validTo": "2026-12-31", "document": "委托函〔2026〕2号",
		})},
		protocol.Operation{ID: all, Kind: field.KindMandate, Command: "approve"})
	mandate, ok := field.MandateOf(c.get(all), c.clock.now())
	if !ok {
		c.t.Fatal("the mandate does not count")
	}
	w.partner = []field.Mandate{mandate}
	w.body = field.RecordID(c.person("gz-liwan", "孙", access.Inspector).User)
	w.place(all, clue)
	roles := []access.Role{access.Founder}
	for _, r := range access.Roles() {
		roles = append(roles, access.Role(r.Code))
	}
	for _, role := range roles {
		for _, side := range []string{"owner", "agent"} {
			w.people = append(w.people, w.actor(role, side, false), w.actor(role, side, true))
		}
		w.people = append(w.people, w.actor(role, "partner", true), w.actor(role, "stranger", true))
	}
	return w
}

// received makes the clue as a clue manager of the owner does.
func (w *walk) received() field.RecordID {
	clue := id()
	w.clue = field.MakeScope(field.ScopeClue, string(clue))
	w.outcome(w.push(w.wu, w.clue, protocol.Operation{ID: clue, Kind: field.KindClue, Set: fields(m{"title": "信访件", "channel": "petition"})}), 0, protocol.Applied)
	return clue
}

// place puts one record of every kind where it lives.
func (w *walk) place(mandate, clue field.RecordID) {
	inbox := field.MakeScope(field.ScopeUser, string(w.body))
	at := map[field.Kind]field.Scope{
		field.KindRegister: "register/gz-liwan", field.KindExport: "register/gz-liwan", field.KindHold: "register/gz-liwan",
		field.KindView: field.CustodyScope(field.SiteID(w.site), "gz-liwan"), field.KindLink: w.clue,
		field.KindAccount: "signin/gz-liwan", field.KindDevice: "signin/gz-liwan", field.KindCode: "signin/gz-liwan", field.KindSession: "signin/gz-liwan",
		field.KindPayment: field.LedgerScope(field.ProjectID(w.project)),
	}
	known := map[field.Kind]field.RecordID{
		field.KindOrg: field.OrgRecord("gz-liwan"), field.KindPerson: w.body, field.KindMandate: mandate, field.KindProject: w.project,
		field.KindSite: w.site, field.KindTemplate: w.template, field.KindClue: clue,
	}
	for _, spec := range field.Kinds() {
		made, ok := known[spec.Kind]
		if !ok && spec.Kind != field.KindParked {
			made = id()
			scope, there := at[spec.Kind]
			switch {
			case there:
			case spec.Home == field.ScopeUser:
				scope = inbox
			case spec.Home == field.ScopeCampaign:
				scope = field.MakeScope(field.ScopeCampaign, string(made))
			case spec.Home == field.ScopeOrg:
				scope = "org/gz-liwan"
			default:
				scope = w.scope
			}
			set := m{}
			for i := range spec.Fields {
				if f := &spec.Fields[i]; f.Required {
					set[f.Name] = w.sample(f, known)
				}
			}
			switch spec.Kind {
			case field.KindLink:
				set["targetKind"], set["targetId"], set["clueId"] = "report", known[field.KindReport], clue
			case field.KindRecusal:
				set["scope"] = field.MakeScope(field.ScopeSite, string(w.foreignSite))
			}
			if spec.Kind == field.KindCampaign { // made by who plans it: a scope of its own belongs to its maker's organisation
				w.outcome(w.push(w.zhao, scope, protocol.Operation{ID: made, Kind: spec.Kind, Set: fields(set)}), 0, protocol.Applied)
			} else {
				w.server(string(scope), protocol.Operation{ID: made, Kind: spec.Kind, Set: fields(set)})
			}
		}
		if spec.Kind == field.KindParked {
			kept := *w.chen
			kept.Scopes = nil
			made = w.outcome(w.push(&kept, w.scope, protocol.Operation{ID: id(), Kind: field.KindFinding, Set: fields(m{"siteId": w.site, "title": "漏雨"})}), 0, protocol.Rejected).RecordID
		}
		known[spec.Kind] = made
		if w.records[spec.Kind] = w.get(made); w.records[spec.Kind] == nil {
			w.t.Fatalf("there is no %s", spec.Kind)
		}
	}
}

// sample is a value that a field takes.
func (w *walk) sample(f *field.Field, known map[field.Kind]field.RecordID) any {
	var one any
	switch f.Type {
	case field.Number, field.Integer:
		one = max(f.Low, 1)
	case field.Bool:
		one = true
	case field.Enum:
		one = f.Choices[0].Code
	case field.Time:
		one = "2026-11-23T08:00:00+08:00"
	case field.Date:
		one = "2026-11-23"
	case field.ID:
		if one = known[f.Of]; f.Of == "" {
			one = known[field.KindReport]
		}
	case field.Hash:
		one = strings.Repeat("a", 64)
	case field.Org:
		one = "gz-liwan"
	case field.Home:
		one = w.scope
	case field.Region:
		one = "520502"
	case field.Position:
		one = m{"lat": 27.3, "lon": 105.28}
	case field.Object:
		o := m{}
		for i := range f.Fields {
			if f.Fields[i].Required {
				o[f.Fields[i].Name] = w.sample(&f.Fields[i], known)
			}
		}
		one = o
	default:
		one = "甲"
	}
	if f.List {
		return []any{one}
	}
	return one
}

func (w *walk) actor(role access.Role, side string, granted bool) wanderer {
	org := map[string]field.OrgID{"owner": "gz-liwan", "agent": "bijie", "partner": "bijie", "stranger": "qiannan"}[side]
	a := &access.Actor{User: field.UserID(id()), Org: org, Device: field.DeviceID(id()), Roles: []access.Grant{{Role: role}}}
	if role == access.Founder {
		a.Founder, a.Roles = true, []access.Grant{{Role: access.Administrator}}
	}
	if side == "agent" {
		a.Mandates = w.partner
	}
	if granted {
		a.Scopes = []field.Scope{w.scope, w.clue}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.county.people[a.User] = a
	return wanderer{Actor: a, role: role, side: side, granted: granted}
}

// readReads reads who reads what from docs/access.md.
func readReads(t *testing.T) map[access.Role]map[field.ScopeType]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "| role |")
	head, rest, _ := strings.Cut(rest, "\n")
	_, rest, _ = strings.Cut(rest, "\n")
	body, _, _ := strings.Cut(rest, "\n\n")
	types := strings.Split(strings.Trim(head, " |"), "|")
	reads := map[access.Role]map[field.ScopeType]string{}
	for _, line := range strings.Split(body, "\n") {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		role := access.Role("")
		for _, c := range access.Roles() {
			if strings.HasPrefix(strings.TrimSpace(cells[0]), c.EN+" ") {
				role = access.Role(c.Code)
			}
		}
		if strings.HasPrefix(strings.TrimSpace(cells[0]), access.Founder.EN()) {
			role = access.Founder
		}
		reads[role] = map[field.ScopeType]string{}
		for i, cell := range cells[1:] {
			reads[role][field.ScopeType(strings.Trim(types[i], " `/"))] = strings.TrimSpace(cell)
		}
	}
	if len(reads) != len(access.Roles())+1 {
		t.Fatalf("docs/access.md says of %d roles what they read", len(reads))
	}
	return reads
}

// expected says what docs/access.md lets somebody do with the record of the walk, which is nobody's own.
func (w *walk) expected(row written, empowers map[access.Action]bool, who wanderer) bool {
	roles := []access.Role{who.role}
	if who.role == access.Founder {
		roles = append(roles, access.Administrator)
	}
	for _, role := range roles {
		if !row.server && w.may(row, empowers, who, role) {
			return true
		}
	}
	return false
}

func (w *walk) may(row written, empowers map[access.Action]bool, who wanderer, role access.Role) bool {
	has := func(list []access.Role) bool {
		for _, r := range list {
			if r == role {
				return true
			}
		}
		return false
	}
	if !has(row.by) || row.whose && row.verb != "create" && !has(row.others) {
		return false
	}
	at := w.records[row.kind].Scope.Type()
	if row.kind == field.KindParked {
		at = field.ScopeSite // what it was meant for
	}
	switch reach := w.reads[role][at]; {
	case row.verb == "create" && (row.kind == field.KindClue || row.kind == field.KindCampaign || row.kind == field.KindOrg):
		return true // in a scope of its own
	case at == field.ScopeOrg || at == field.ScopeUser || at == field.ScopeSignin:
		return who.side == "owner" || role == access.Founder
	case who.side == "stranger" || who.side == "partner" || reach == "" || reach == "granted" && !who.granted:
		return false
	case who.side == "agent":
		others := !row.whose || row.verb == "create" || empowers[access.ActionFor(row.kind, row.verb+"_others")] || row.kind == field.KindConflict && empowers["conflict.arbitrate"]
		return (at == field.ScopeSite || at == field.ScopeClue) && empowers[access.ActionFor(row.kind, row.verb)] && others
	}
	return true
}

func (w *walk) operation(row written) (field.Scope, protocol.Operation) {
	r := w.records[row.kind]
	op := protocol.Operation{ID: r.ID, Kind: row.kind, Base: w.get(r.ID).Version, Command: row.verb}
	scope := r.Scope
	switch row.verb {
	case "create":
		op = protocol.Operation{ID: id(), Kind: row.kind, Set: nonsense}
		switch row.kind {
		case field.KindClue, field.KindCampaign:
			scope = field.MakeScope(scope.Type(), string(op.ID))
		case field.KindOrg:
			scope = field.Scope("org/new-" + string(op.ID)[24:])
		}
	case "edit":
		op.Command, op.Set = "", nonsense
	}
	return scope, op
}

// nonsense is a field that no kind has: who may write gets that far, and nothing changes.
var nonsense = map[string]field.Value{"nonsense": field.Value("1")}

// pushAll sends every operation as one phone does, a batch for each scope, and says which get past the judgement.
func (w *walk) pushAll(rows []written, who wanderer) []bool {
	passed := make([]bool, len(rows))
	type home struct {
		scope field.Scope
		kept  bool // what was kept lies with others, and is decided in batches of its own
	}
	batches, places := map[home][]protocol.Operation{}, map[home][]int{}
	for i, row := range rows {
		scope, op := w.operation(row)
		at := home{scope, row.kind == field.KindParked && row.verb != "create"}
		batches[at], places[at] = append(batches[at], op), append(places[at], i)
	}
	for at, ops := range batches {
		resp := w.push(who.Actor, at.scope, ops...)
		for i, o := range resp.Outcomes {
			passed[places[at][i]] = passes(o.Code)
		}
	}
	return passed
}

// clickOne gives one operation as the desk does.
func (w *walk) clickOne(row written, who wanderer) bool {
	scope, op := w.operation(row)
	_, err := w.Commit(w.ctx, protocol.Batch{
		Actor: who.Actor, Device: "desk/" + who.Device, Number: w.next(), Scope: scope, Operations: []protocol.Operation{op}, Strict: true, Trusted: row.composed,
	})
	code := codeOf(err)
	if code == field.CodeInternal || code == field.CodeStoreDown || code == field.CodeBusy {
		w.t.Fatalf("%s.%s: %v", row.kind, row.verb, err)
	}
	return passes(code)
}

// passes reports whether an operation got past the judgement: it was applied, or refused for what it says and not for
// who says it.
func passes(code field.Code) bool {
	switch code {
	case field.CodeNotPermitted, field.CodeNotFound, field.CodeNotYours, field.CodeRecused, field.CodeUnknownRecord:
		return false
	}
	return true
}

// accept has somebody's operation kept, and a supervisor accept it. known is false where it was not kept.
func (w *walk) accept(row written, who, acceptor wanderer) (in, known bool) {
	scope, op := w.operation(row)
	if scope.Type() != field.ScopeSite { // the walk over acceptance is about sites; what is sent elsewhere is nobody's to accept
		return false, false
	}
	gone := *who.Actor
	gone.HandsIn = true
	resp := w.push(&gone, scope, op)
	kept := w.get(w.outcome(resp, 0, protocol.Rejected).RecordID)
	err := w.click(acceptor.Actor, kept, "accept", nil)
	return passes(codeOf(err)), true
}

func codeOf(err error) field.Code {
	if err == nil {
		return ""
	}
	return field.AsError(fmt.Errorf("%w", err)).Code
}
