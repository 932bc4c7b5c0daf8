package sim

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// check is what must hold in the end.
func (w *world) check() error {
	v, err := engine.Verify(w.ctx, w.store, engine.Look{})
	if err != nil {
		return err
	}
	for _, f := range v.Faults {
		w.fault("verification: %s", f)
	}
	if err := w.onceEach(); err != nil {
		return err
	}
	if err := w.frozen(); err != nil {
		return err
	}
	if err := w.unseen(); err != nil {
		return err
	}
	if err := w.upgraded(); err != nil {
		return err
	}
	for _, p := range w.people {
		if waiting, _ := p.phone.Waiting(); waiting > 0 {
			w.fault("phone %d still holds %d operations", p.n, waiting)
		}
		stats := p.phone.Stats()
		w.report.Problems += len(stats.Problems)
		// After a restore some were answered twice, once in each history.
		if answers := stats.Acknowledged + len(stats.Problems); answers != stats.Operations && w.report.Restores == 0 {
			w.fault("phone %d wrote %d operations and has %d answers", p.n, stats.Operations, answers)
		}
		if err := w.sameRecords(p); err != nil {
			return err
		}
	}
	w.linear()
	return nil
}

// onceEach checks that every value that somebody wrote stands in the log once: as an operation with its outcome, or,
// when it was rejected, in the record that keeps it, which lies with who wrote it and is named by the outcome. So the
// sum of applied, merged, conflict and rejected is what was written. What a conflict did not apply is kept in a record
// too.
func (w *world) onceEach() error {
	ops := map[string]int{}
	kept := map[string]bool{}
	heads, err := w.heads(access.Everything)
	if err != nil {
		return err
	}
	find := func(raw []byte, found func(x write)) {
		for _, x := range w.writes {
			if bytes.Contains(raw, []byte(`"`+x.value+`"`)) {
				found(x)
			}
		}
	}
	refused := map[string]bool{}
	rejected := map[field.RecordID]int{} // the records that keep what was rejected, by how many outcomes name them
	for _, h := range heads {
		entries, err := w.store.Entries(w.ctx, h.Scope, 0, 100_000)
		if err != nil {
			return err
		}
		for _, e := range entries {
			body, err := protocol.Open(e)
			if err != nil {
				return err
			}
			for _, op := range body.Ops {
				if op.Outcome.Outcome == protocol.Rejected {
					rejected[op.Outcome.RecordID]++
					if op.Outcome.Code == field.CodeNotFound && h.Scope.Type() == field.ScopeSite { // a batch for a closed scope is kept with its sender
						w.fault("an operation on %s was rejected as not_found in the log of %s, which was open to its sender", op.ID, h.Scope)
					}
					find(field.Quote(op), func(x write) {
						w.fault("what phone %d wrote as %s was rejected, and stands in the entry of %s", x.by, x.value, h.Scope)
					})
				}
				find(field.Quote(op.Operation), func(x write) {
					ops[x.value]++
					refused[x.value] = op.Outcome.Outcome == protocol.Conflict
				})
			}
			for _, c := range body.Changes {
				for _, path := range []string{"offered", "current"} {
					find(c.Set[path], func(x write) { kept[x.value] = true })
				}
				if c.Kind != field.KindParked {
					continue
				}
				rejected[c.ID]--
				if string(c.Set["code"]) == string(field.Quote(field.CodePartFrozen)) {
					w.report.Frozen++
				}
				find(c.Set["operation"], func(x write) {
					ops[x.value]++
					if author := w.people[x.by].actor.User; h.Scope != field.MakeScope(field.ScopeUser, string(author)) || c.Author != author {
						w.fault("what phone %d wrote as %s was rejected, and is kept in %s as of %s", x.by, x.value, h.Scope, c.Author)
					}
				})
			}
		}
	}
	for id, n := range rejected {
		if n != 0 {
			w.fault("an outcome and the record that keeps its operation, %s, do not belong together", id)
		}
	}
	conflicted, err := w.conflicted()
	if err != nil {
		return err
	}
	for _, x := range w.writes {
		switch {
		case ops[x.value] == 0 && (x.lost || x.risky && w.report.Restores > 0):
		case ops[x.value] == 0 || ops[x.value] > 1+w.people[x.by].twin.copies: // what a copy still has to send it sends too
			w.fault("what phone %d wrote as %s stands %d times in the log", x.by, x.value, ops[x.value])
		case refused[x.value] && !kept[x.value] && !conflicted[x.value]:
			w.fault("what phone %d wrote as %s was not applied and is not kept", x.by, x.value)
		}
	}
	return nil
}

// conflicted are the values that were applied in an operation of which another value was not.
func (w *world) conflicted() (map[string]bool, error) {
	found := map[string]bool{}
	for _, scope := range w.scopes() {
		err := w.entries(scope, func(body protocol.Body) {
			for _, c := range body.Changes {
				for _, paths := range texts {
					for _, path := range paths {
						found[unquoted(c.Set[path])] = true
					}
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// stood is a value as the log says that it was there.
type stood struct {
	value string
	seq   int64
	batch int64 // of a phone
	kept  bool  // it came by an operation that was kept and accepted
}

// unseen reads the log again and checks that nobody overwrote, or voided, what he had never read: no value of a part,
// and no value that a conflict offers. The copies of a phone are different people here, from when the server knew that
// there were some. Who resolves a conflict has both before him, and who accepts that something is voided has it as it
// is.
func (w *world) unseen() error {
	by := map[string]write{}
	for _, x := range w.writes {
		by[x.value] = x
	}
	for _, scope := range w.scopes() {
		there := map[field.RecordID]map[string]stood{}
		err := w.entries(scope, func(body protocol.Body) {
			resolves := slices.ContainsFunc(body.Ops, func(op protocol.Decided) bool { return op.Command == "resolve" })
			for _, c := range body.Changes {
				if there[c.ID] == nil {
					there[c.ID] = map[string]stood{}
				}
				for path, raw := range c.Set {
					now := stood{value: unquoted(raw), seq: body.Seq, batch: body.Batch, kept: c.Device != ""}
					if path == "voidReason" && c.Device == "" {
						for path, before := range there[c.ID] {
							w.mayOverwrite(by, scope, path, before, now)
						}
					}
					if by[now.value].value == "" || path == newField || path == "voidReason" || path == "current" {
						continue
					}
					if !resolves {
						w.mayOverwrite(by, scope, path, there[c.ID][path], now)
					}
					there[c.ID][path] = now
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mayOverwrite checks that who wrote a value had read the one before it.
func (w *world) mayOverwrite(by map[string]write, scope field.Scope, path string, before, now stood) {
	x, old := by[now.value], by[before.value]
	if x.value == "" || old.value == "" {
		return
	}
	twin, until := w.people[x.by].twin, x.at
	if now.kept || w.claiming(twin, now.batch) { // it was sealed later, and says so
		until = math.MaxInt64
	}
	if slices.ContainsFunc(x.read, func(read map[string]int64) bool { at := read[before.value]; return 0 < at && at <= until }) {
		return
	}
	w.fault("phone %d overwrote %s of phone %d, which it never read, with %s: %s in entry %d of %s", x.by, before.value, old.by, now.value, path, now.seq, scope)
}

// handedIn are the states in which a report lies with the desk, or is done with. In the second ones it takes no more
// parts.
var (
	waiting  = []field.State{field.ReportSubmitted, field.ReportResubmitted, field.ReportUnderReview}
	over     = []field.State{field.ReportApproved, field.ReportArchived, field.StateVoided}
	handedIn = slices.Concat(waiting, over)
)

// texts are the fields that people set here, of each kind.
var texts = map[field.Kind][2]string{
	field.KindFinding: {"title", "facts"}, field.KindPhoto: {"caption", "item"}, field.KindInterview: {"text", "alias"},
}

// part is what the log says of a photo, an interview or a finding of a report.
type part struct {
	kind   field.Kind
	report field.RecordID
	state  field.State
}

// whole is what the log says of a report.
type whole struct {
	state    field.State
	once     bool // it was handed in at least once
	reviewer string
}

// frozen reads the log again and checks that no part of a report was changed or voided while the report was handed in,
// by whatever way, that none was added once it was approved, and that those which were added in between say so and were
// told to the reviewer. Two things are free: a photo whose bytes have not come is its author's until the approval, and
// the desk may void a part until then, and those of a voided report.
func (w *world) frozen() error {
	for _, scope := range w.scopes() {
		reports, parts := map[field.RecordID]*whole{}, map[field.RecordID]*part{}
		err := w.entries(scope, func(body protocol.Body) {
			for _, c := range body.Changes {
				if c.Kind == field.KindReport {
					reports[c.ID] = &whole{}
				}
				if r := reports[c.ID]; r != nil {
					r.follow(c)
				}
				if p := parts[c.ID]; p != nil {
					w.stayed(p, reports[p.report], body, c)
				} else if _, ok := texts[c.Kind]; ok && c.Set["reportId"] != nil {
					p := &part{kind: c.Kind, report: field.RecordID(unquoted(c.Set["reportId"])), state: field.KindOf(c.Kind).Initial}
					parts[c.ID] = p
					w.came(reports[p.report], body, c)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// entries gives what the entries of a scope say, each change with its values.
func (w *world) entries(scope field.Scope, each func(protocol.Body)) error {
	entries, err := w.store.Entries(w.ctx, scope, 0, 100_000)
	if err != nil {
		return err
	}
	for _, e := range entries {
		body, err := protocol.Open(e)
		if err != nil {
			return err
		}
		for i := range body.Changes {
			if c := &body.Changes[i]; c.Op > 0 {
				c.Set = body.Ops[c.Op-1].Set
			}
		}
		each(body)
	}
	return nil
}

func unquoted(v field.Value) string { return strings.Trim(string(v), `"`) }

func (r *whole) follow(c protocol.Change) {
	if c.State != "" {
		r.state = c.State
		r.once = r.once || slices.Contains(waiting, c.State)
	}
	if v := c.Set["reviewer"]; v != nil {
		r.reviewer = unquoted(v)
	}
}

// stayed checks one change of a part.
func (w *world) stayed(p *part, report *whole, body protocol.Body, c protocol.Change) {
	spec := field.KindOf(p.kind)
	theirs := func(path string) bool { f, _ := spec.Field(path); return f != nil && !f.Server }
	what := ""
	switch {
	case c.Deleted != nil:
		what = "voided"
	case slices.ContainsFunc(slices.Collect(maps.Keys(c.Set)), theirs) || slices.ContainsFunc(c.Unset, theirs):
		what = "changed"
	case c.State == field.ReportSubmitted && report != nil && slices.Contains(over, report.state):
		what = "submitted"
	}
	before := p.state
	if c.State != "" {
		p.state = c.State
	}
	desk := body.Actor == w.desk.User
	switch {
	case what == "" || report == nil || !slices.Contains(handedIn, report.state):
		return
	case before == field.PhotoDeclared && slices.Contains(waiting, report.state): // nobody has seen it yet
		return
	case what == "voided" && desk && (report.state == field.StateVoided || slices.Contains(waiting, report.state)):
		return
	}
	who := ""
	if desk {
		who = ", and the desk did it"
	}
	w.fault("%s was %s while its report was %s: %s in entry %d of %s%s", p.kind, what, report.state, c.ID, body.Seq, body.Scope, who)
}

// came checks that a part was added in time, or says that it was not.
func (w *world) came(report *whole, body protocol.Body, c protocol.Change) {
	if report == nil {
		return
	}
	said := fmt.Sprintf("%s was added while its report was %s: %s in entry %d of %s", c.Kind, report.state, c.ID, body.Seq, body.Scope)
	if slices.Contains(over, report.state) {
		w.fault("%s", said)
	}
	if report.once && string(c.Set["afterSubmission"]) != "true" {
		w.fault("%s, after its report was handed in, and does not say so", said)
	}
	inbox := field.MakeScope(field.ScopeUser, report.reviewer)
	if slices.Contains(waiting, report.state) && report.reviewer != "" && report.reviewer != string(body.Actor) &&
		!slices.ContainsFunc(body.With, func(l protocol.Link) bool { return l.Scope == inbox }) {
		w.fault("%s, and its reviewer was not told", said)
	}
}

// upgraded checks that what an older server kept, because it did not know it, has taken effect: the record is there, it
// is not part of a report that was handed in, and who wrote it may still write.
func (w *world) upgraded() error {
	kept, err := w.store.List(w.ctx, store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindParked}, States: []field.State{field.StateOpen},
		Keys: []string{field.KeyFor("code", field.CodeUnknownField)}, Limit: 1000,
	})
	if err != nil {
		return err
	}
	for _, k := range kept {
		author, err := w.person(w.ctx, field.UserID(k.Text("author")))
		if err != nil {
			return err
		}
		target, err := w.store.Records(w.ctx, []field.RecordID{field.RecordID(k.Text("recordId"))})
		if err != nil {
			return err
		}
		own := len(target) == 1 && (target[0].Author == author.User || target[0].Fields["reportId"] != nil)
		if own {
			report, err := w.store.Records(w.ctx, []field.RecordID{field.RecordID(target[0].Text("reportId"))})
			if err != nil {
				return err
			}
			if len(report) == 1 && slices.Contains(handedIn, report[0].State) {
				continue
			}
		}
		if own && !target[0].Deleted && slices.Contains(author.Scopes, target[0].Scope) {
			w.fault("an operation of a newer app is kept and did not take effect after the upgrade: %s", k.Document())
		}
	}
	return nil
}

// sameRecords checks that a phone holds what the server holds in the scopes that it may read, and nothing of the
// others.
func (w *world) sameRecords(p *person) error {
	held := map[field.RecordID]string{}
	for _, spec := range field.Kinds() {
		for _, r := range p.phone.Records(spec.Kind) {
			held[r.ID] = fmt.Sprintf("%s %d %s", r.Scope, r.Version, r.Fields)
			if r.Scope.Type() == field.ScopeSite && !slices.Contains(p.actor.Scopes, r.Scope) {
				w.fault("phone %d still holds %s of %s", p.n, r.ID, r.Scope)
			}
		}
	}
	heads, err := w.heads(access.Visible(p.actor))
	if err != nil {
		return err
	}
	for _, h := range heads {
		for at := int64(0); at < h.Seq; {
			records, err := w.store.Changed(w.ctx, h.Scope, at, h.Seq, 1000)
			if err != nil {
				return err
			}
			if len(records) == 0 {
				break
			}
			for _, r := range records {
				at = r.Version
				if want := fmt.Sprintf("%s %d %s", r.Scope, r.Version, r.Document()); !r.Deleted && held[r.ID] != want {
					w.fault("phone %d holds %q, the server %q", p.n, held[r.ID], want)
				}
				if !r.Deleted {
					delete(held, r.ID)
				}
			}
		}
	}
	for id, what := range held {
		w.fault("phone %d holds %s, which it may not read or which is not there: %s", p.n, id, what)
	}
	return nil
}
