package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// The two versions of the app. What the newer one writes, a promise, a server of the older version does not know.
const (
	oldApp, newApp = "1.0.0", "1.3.0"
	newField       = "promise"
)

// checklistItem is the one item of the template: nobody need answer it, and a report goes back for it.
const checklistItem = "roof"

// step lets one thing happen.
func (w *world) step(n int) error {
	p := w.people[w.choose(len(w.people))]
	switch dice := w.choose(100); {
	case dice < 39, dice < 43 && !w.o.Copies:
		return w.writeSomething(p, n)
	case dice < 43:
		return w.copyPhone(p)
	case dice < 68:
		return w.sync(p)
	case dice < 72:
		return w.deskWork()
	case dice < 74:
		return w.arrive()
	case dice < 77:
		return w.review()
	case dice < 80: // the battery is empty
		return w.reopen(p)
	case dice < 84:
		w.clock = w.clock.Add(time.Duration(w.choose(80)-8) * time.Hour) // a clock that was set is put back, too
	case dice < 87:
		p.skew = time.Duration(w.choose(5)-2) * day
	case dice < 88:
		w.clock = w.clock.Add(horizon + day)
	case dice < 92: // access ends, or begins again
		scope := w.scopes()[w.choose(len(w.sites))]
		if i := slices.Index(p.actor.Scopes, scope); i >= 0 && w.choose(2) == 0 {
			w.report.Revoked++
			p.actor.Scopes = slices.Delete(slices.Clone(p.actor.Scopes), i, i+1)
		} else if i < 0 {
			p.actor.Scopes = append(slices.Clone(p.actor.Scopes), scope)
		}
	case dice < 94: // an app is upgraded
		p.o.App = newApp
		return w.reopen(p)
	case dice < 96: // a server is upgraded
		return w.upgrade(w.choose(len(w.servers)))
	case dice < 98:
		return w.backup()
	default:
		w.report.Points["a server is killed at rest"]++
		w.crash(w.choose(len(w.servers)))
	}
	return nil
}

// writeSomething makes a finding, a photo or an interview, or changes or voids one that the phone knows, or hands a
// report in, offline.
func (w *world) writeSomething(p *person, n int) error {
	value := fmt.Sprintf("v%d-%d", n, w.random.Uint32())
	if w.choose(12) == 11 {
		return w.handIn(p, value)
	}
	kind := field.KindFinding
	switch w.choose(8) {
	case 6:
		kind = field.KindPhoto
	case 7:
		kind = field.KindInterview
	}
	known, text := p.phone.Records(kind), texts[kind]
	var op phone.Op
	if len(known) == 0 || w.choose(4) == 0 {
		op = w.newPart(kind, value)
	} else {
		r := known[w.choose(len(known))]
		if w.choose(3) == 2 { // what lies at the desk is what people remember too late
			r = w.lying(known, r)
		}
		what := w.choose(20)
		switch {
		case what == 19 || what == 18 && kind != field.KindFinding:
			op = phone.Command(r.Scope, kind, r.ID, "void", set{"reason": value})
		case what == 17 && kind == field.KindInterview:
			return p.phone.Write(value, phone.Command(r.Scope, kind, r.ID, "submit", nil))
		case what >= 15 && kind == field.KindFinding && p.o.App == newApp:
			op = phone.Edit(r.Scope, kind, r.ID, set{newField: value})
		case what >= 13:
			other := value + "-facts"
			op = phone.Edit(r.Scope, kind, r.ID, set{text[0]: value, text[1]: other})
			w.wrote(p, other)
		default:
			op = phone.Edit(r.Scope, kind, r.ID, set{text[what%2]: value})
		}
	}
	if err := p.phone.Write(value, op); err != nil {
		return err
	}
	w.wrote(p, value)
	w.report.Operations++
	return nil
}

func (w *world) wrote(p *person, value string) {
	at := w.history.tick()
	w.writes = append(w.writes, write{by: p.n, value: value, at: at, read: []map[string]int64{p.read}})
	p.read[value] = at
}

// copyPhone makes copies of all phones; or puts one back to the copy that there is, as if it had been bought anew; or
// starts the copy as a second phone beside it. What the phone had not sent when it was put back is gone.
func (w *world) copyPhone(p *person) error {
	if p.copied == "" {
		for _, p := range w.people {
			if p.copied != "" {
				continue
			}
			p.copied, p.copiedAt, p.hadRead = filepath.Join(w.o.Dir, fmt.Sprint("copy", p.n, "of", len(w.writes), "-", w.report.Copies)), len(w.writes), maps.Clone(p.read)
			if err := os.CopyFS(p.copied, os.DirFS(p.o.Dir)); err != nil {
				return err
			}
		}
		return nil
	}
	dir := p.copied
	p.copied = ""
	w.report.Copies++
	p.twin.copies++
	if w.choose(2) == 1 && len(w.people) < w.o.Phones+2 {
		q := &person{n: len(w.people), actor: p.actor, skew: p.skew, sent: slices.Clone(p.sent), read: p.hadRead, twin: p.twin}
		w.people = append(w.people, q)
		for i := range w.writes[:p.copiedAt] {
			if x := &w.writes[i]; w.people[x.by].twin == p.twin {
				x.read = append(x.read, q.read)
			}
		}
		return w.start(q, dir, p.o.App)
	}
	for i := range w.writes {
		switch x := &w.writes[i]; {
		case i < p.copiedAt && w.people[x.by].twin == p.twin: // it may be on the copy
			x.read = append(x.read, p.hadRead)
		case i >= p.copiedAt && x.by == p.n:
			x.lost, x.risky = !w.acked[x.value], true
		}
	}
	p.read = p.hadRead
	return w.putBack(p, dir)
}

// putBack puts another directory into the place of a phone's.
func (w *world) putBack(p *person, dir string) error {
	if err := p.phone.Close(); err != nil {
		return err
	}
	if err := os.RemoveAll(p.o.Dir); err != nil {
		return err
	}
	if err := os.Rename(dir, p.o.Dir); err != nil {
		return err
	}
	var err error
	p.phone, err = phone.Open(p.o)
	return err
}

// lying picks one of the parts of reports that are handed in and reviewed; if there is none, the other.
func (w *world) lying(known []protocol.PulledRecord, other protocol.PulledRecord) protocol.PulledRecord {
	known = slices.DeleteFunc(known, func(r protocol.PulledRecord) bool {
		return !slices.ContainsFunc(w.sites, func(site field.RecordID) bool { return bytes.Contains(r.Fields, field.Quote(w.handed[site])) })
	})
	if len(known) == 0 {
		return other
	}
	return known[w.choose(len(known))]
}

// newPart makes a part of one of the reports of a site, or a finding by itself.
func (w *world) newPart(kind field.Kind, value string) phone.Op {
	site := w.sites[w.choose(len(w.sites))]
	made := set{"siteId": site, texts[kind][0]: value, "reportId": w.visits[site]}
	switch dice := w.choose(8); {
	case dice == 0 && kind == field.KindFinding: // what somebody found alone is nobody else's to edit
		delete(made, "reportId")
	case dice >= 4:
		made["reportId"] = w.handed[site]
	}
	switch kind {
	case field.KindPhoto:
		made["sha256"], made["size"], made["type"] = hashOf(value), len(value), "image/jpeg"
	case field.KindInterview:
		made["alias"] = "甲户"
	}
	return phone.Create(field.MakeScope(field.ScopeSite, string(site)), kind, w.id(), made)
}

func hashOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// arrive lets the bytes of all photos come that were declared, and the server look at them.
func (w *world) arrive() error {
	for _, scope := range w.scopes() {
		declared, err := w.store.List(w.ctx, store.Query{
			Visible: access.Everything, Scope: scope, Kinds: []field.Kind{field.KindPhoto}, States: []field.State{field.PhotoDeclared}, Limit: 100,
		})
		if err != nil {
			return err
		}
		var ops []protocol.Operation
		for _, r := range declared {
			ops = append(ops,
				protocol.Operation{ID: r.ID, Kind: r.Kind, Command: "store", Args: quoted(set{"receipt": set{"sha256": r.Text("sha256")}})},
				protocol.Operation{ID: r.ID, Kind: r.Kind, Command: "analyse", Args: quoted(set{"facts": set{"type": "image/jpeg"}})})
		}
		if len(ops) == 0 {
			continue
		}
		if err := w.given(engine.Server, scope, ops...); err != nil {
			return err
		}
	}
	return nil
}

// handIn submits a report that the phone knows, or lets the server submit it when its photos are there; seldom it is
// voided.
func (w *world) handIn(p *person, group string) error {
	report := w.handed[w.sites[w.choose(len(w.sites))]]
	known := p.phone.Records(field.KindReport)
	i := slices.IndexFunc(known, func(r protocol.PulledRecord) bool { return r.ID == report })
	if i < 0 {
		return nil
	}
	command, args := []string{"submit", "submit", "queue", "queue", "queue", "queue", "queue", "queue", "void"}[w.choose(9)], set(nil)
	switch {
	case command == "void":
		args = set{"reason": "重复"}
	case command == "submit" && known[i].State == field.ReportReturned:
		command = "resubmit"
	}
	w.report.Operations++
	return p.phone.Write(group, phone.Command(known[i].Scope, field.KindReport, report, command, args))
}

// sync lets a phone talk to the servers. The link may fail it; it goes on where it was. One whose battery went empty
// meanwhile starts again with what was on its disk at that moment.
func (w *world) sync(p *person) error {
	p.busy = true
	_ = p.phone.Sync(w.ctx)
	p.busy = false
	if p.died == "" {
		return nil
	}
	dir := p.died
	p.died = ""
	return w.putBack(p, dir)
}

func (w *world) reopen(p *person) error {
	if err := p.phone.Close(); err != nil {
		return err
	}
	var err error
	p.phone, err = phone.Open(p.o)
	return err
}

// upgrade starts a server anew that knows what the newer app writes. It takes up what was kept because an older one did
// not.
func (w *world) upgrade(i int) error {
	if !w.servers[i].old {
		return nil
	}
	w.report.Upgrades++
	w.servers[i].dead = true
	w.servers[i] = w.boot(false)
	_, err := w.quiet().Reconsider(w.ctx, w.person)
	return err
}

// backup makes a backup, or loses the store and puts the last backup back: everything since then is gone from it.
func (w *world) backup() error {
	switch {
	case w.o.Copy == nil:
		return nil
	case w.copied == "":
		w.copied = filepath.Join(w.o.Dir, fmt.Sprint("copy", len(w.opened)))
		return w.o.Copy(w.ctx, w.dir, w.copied)
	}
	if err := w.open(w.copied); err != nil {
		return err
	}
	w.copied = ""
	w.report.Restores++
	for i, s := range w.servers {
		s.dead = true
		w.servers[i] = w.boot(s.old)
	}
	for _, p := range w.people {
		p.twin.first = map[string]string{} // what was answered then may be answered in another way now
	}
	return nil
}

// deskWork is a supervisor who resolves a conflict, or accepts or settles an operation that was kept.
func (w *world) deskWork() error {
	kind, state := field.KindConflict, field.State(field.StateOpen)
	if w.choose(2) == 0 {
		kind = field.KindParked
	}
	found, err := w.store.List(w.ctx, store.Query{Visible: access.Quarantine(w.desk), Kinds: []field.Kind{kind}, States: []field.State{state}, Limit: 50})
	if err != nil || len(found) == 0 {
		return err
	}
	r := found[w.choose(len(found))]
	op := protocol.Operation{ID: r.ID, Kind: r.Kind, Base: r.Version}
	switch {
	case kind == field.KindConflict:
		op.Command, op.Args = "resolve", quoted(set{"take": []string{"current", "offered"}[w.choose(2)]})
	case w.choose(3) == 0:
		op.Command, op.Args = "settle", quoted(set{"reason": "重复"})
	default:
		op.Command = "accept"
	}
	call := w.history.tick()
	resp, err := w.click(r.Scope, op)
	if err != nil {
		return nil // refused: somebody was first, or the operation is still no good
	}
	w.report.Desk++
	w.history.clicked(r, op, resp, call)
	if op.Command == "accept" {
		now, err := w.store.Records(w.ctx, []field.RecordID{r.ID})
		if err != nil {
			return err
		}
		return w.history.accepted(now[0], call)
	}
	return nil
}

// review is a supervisor who takes up a report that was handed in, approves it, gives it back, voids a part of it,
// archives one that was approved, or puts one under review again. In place of one that was voided, or is not there
// after a restore, another visit is made.
func (w *world) review() error {
	var r *field.Record
	for i, first := 0, w.choose(len(w.sites)); i < len(w.sites) && (r == nil || !slices.Contains(handedIn, r.State)); i++ {
		site := w.sites[(first+i)%len(w.sites)]
		found, err := w.store.Records(w.ctx, []field.RecordID{w.handed[site]})
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].Deleted {
			author := *w.people[0].actor
			author.Scopes = w.scopes()
			w.handed[site], err = w.visit(&author, site)
			return err
		}
		r = found[0]
	}
	op := protocol.Operation{ID: r.ID, Kind: r.Kind, Base: r.Version}
	dice := w.choose(6)
	switch {
	case slices.Contains(over, r.State) && (dice < 3 || r.State == field.ReportArchived):
		op.Command, op.Args = "reopen", quoted(set{"reason": "补充核实"})
	case slices.Contains(over, r.State):
		op.Command = "archive"
	case !slices.Contains(waiting, r.State):
		return nil
	case dice < 3:
		op.Command = "approve"
	case dice == 3:
		op.Command, op.Args = "return", quoted(set{
			"items": []set{{"item": checklistItem, "comment": "请补充"}}, "deadline": protocol.Stamp(w.clock.Add(horizon)),
		})
	case dice == 4 && r.State != field.ReportUnderReview:
		op.Command = "take"
	default:
		parts, err := w.store.List(w.ctx, store.Query{
			Visible: access.Everything, Scope: r.Scope, Kinds: []field.Kind{field.KindPhoto, field.KindInterview}, Keys: []string{field.KeyFor("reportId", r.ID)}, Limit: 100,
		})
		if err != nil || len(parts) == 0 {
			return err
		}
		part := parts[w.choose(len(parts))]
		op = protocol.Operation{ID: part.ID, Kind: part.Kind, Base: part.Version, Command: "void", Args: quoted(set{"reason": "重复"})}
	}
	if _, err := w.click(r.Scope, op); err == nil { // else a conflict is open, a photo has not come, or somebody was first
		w.report.Reviews++
	}
	return nil
}

// click gives the desk's command to one server after another, under one number, until one answers.
func (w *world) click(scope field.Scope, op protocol.Operation) (resp protocol.PushResponse, err error) {
	w.batches++
	in := protocol.Batch{Actor: w.desk, Device: w.desk.Device, Number: w.batches, Scope: scope, Operations: []protocol.Operation{op}, Strict: true}
	for range 4 {
		i, s := w.pick()
		if s == nil {
			break
		}
		s.busy = true
		s.breakBatch(in.Operations)
		resp, err = s.engine.Commit(w.ctx, in)
		s.busy = false
		if s.dead {
			w.crash(i)
			continue
		}
		if kind := field.AsError(err); err == nil || kind.Kind != field.ErrorBusy && kind.Kind != field.ErrorFull {
			return resp, err
		}
	}
	calm := w.calm
	w.calm = true
	defer func() { w.calm = calm }()
	return engine.New(engine.Options{Store: w.store, Now: w.now, Secret: secret, ActorOf: w.person}).Commit(w.ctx, in)
}
