package sim

import (
	"bytes"
	"fmt"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// check is what must hold in the end.
func (w *world) check() error {
	v, err := engine.Verify(w.ctx, w.o.Store, engine.Look{})
	if err != nil {
		return err
	}
	for _, f := range v.Faults {
		w.fault("verification: %s", f)
	}
	if err := w.onceEach(); err != nil {
		return err
	}
	for _, p := range w.people {
		if waiting, _ := p.phone.Waiting(); waiting > 0 {
			w.fault("phone %d still holds %d operations", p.n, waiting)
		}
		stats := p.phone.Stats()
		w.report.Problems += len(stats.Problems)
		if stats.Acknowledged+len(stats.Problems) != stats.Operations {
			w.fault("phone %d wrote %d operations and has %d answers", p.n, stats.Operations, stats.Acknowledged+len(stats.Problems))
		}
		if err := w.sameRecords(p); err != nil {
			return err
		}
	}
	return nil
}

// onceEach checks that every value that somebody wrote stands in the log once, as an operation with its outcome, and that
// what was not applied is kept in a record.
func (w *world) onceEach() error {
	ops := map[string]int{}
	kept := map[string]bool{}
	heads, err := w.o.Store.Heads(w.ctx, store.ListScopes{Visible: access.Everything, Limit: 1000})
	if err != nil {
		return err
	}
	find := func(raw []byte, found func(value string)) {
		for _, x := range w.writes {
			if bytes.Contains(raw, []byte(`"`+x.value+`"`)) {
				found(x.value)
			}
		}
	}
	refused := map[string]bool{}
	for _, h := range heads {
		entries, err := w.o.Store.Entries(w.ctx, h.Scope, 0, 100_000)
		if err != nil {
			return err
		}
		for _, e := range entries {
			body, err := protocol.Open(e)
			if err != nil {
				return err
			}
			for _, op := range body.Ops {
				find(field.Quote(op.Operation), func(value string) {
					ops[value]++
					refused[value] = op.Outcome.Outcome == protocol.Rejected || op.Outcome.Outcome == protocol.Conflict
				})
			}
			for _, c := range body.Changes {
				for _, path := range []string{"offered", "current", "operation"} {
					find(c.Set[path], func(value string) { kept[value] = true })
				}
			}
		}
	}
	for _, x := range w.writes {
		if ops[x.value] != 1 {
			w.fault("what phone %d wrote as %s stands %d times in the log", x.by, x.value, ops[x.value])
		} else if refused[x.value] && !kept[x.value] {
			w.fault("what phone %d wrote as %s was not applied and is not kept", x.by, x.value)
		}
	}
	return nil
}

// sameRecords checks that a phone holds what the server holds in the scopes that it may read, and nothing of the others.
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
	heads, err := w.o.Store.Heads(w.ctx, store.ListScopes{Visible: access.Visible(p.actor), Limit: 1000})
	if err != nil {
		return err
	}
	for _, h := range heads {
		for at := int64(0); at < h.Seq; {
			records, err := w.o.Store.Changed(w.ctx, h.Scope, at, h.Seq, 1000)
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
				delete(held, r.ID)
			}
		}
	}
	for id, what := range held {
		w.fault("phone %d holds %s, which it may not read or which is not there: %s", p.n, id, what)
	}
	return nil
}
