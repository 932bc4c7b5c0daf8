package engine

import (
	"context"
	"errors"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Could lists what the actor may do to a record as it stands, by the verbs of the desk: field.VerbEdit, and commands.
// It asks what a commit asks before the guard of a command: the access table, whose the record is, and its state. The
// guard sees the arguments, and may still refuse.
func (e *Engine) Could(ctx context.Context, who *access.Actor, r *field.Record) ([]string, error) {
	spec := e.kindOf(r.Kind)
	verbs := []string{}
	if spec == nil || spec.Desk == nil {
		return verbs, nil
	}
	b := &batch{e: e, in: &protocol.Batch{Actor: who, Scope: r.Scope}, at: e.serverTime(), view: newView(ctx, e.store)}
	b.view.loaded[r.ID] = r
	s := b.step()
	for i := range spec.Desk.Acts {
		act := &spec.Desk.Acts[i]
		op := &protocol.Operation{ID: r.ID, Kind: r.Kind, Base: r.Version}
		var err error
		switch {
		case act.Verb == field.VerbEdit:
			err = spec.Changeable(s.view, r)
		case act.Command != nil && act.Command.Allows(r.State):
			op.Command = act.Verb
			b.in.Trusted = act.Command.Server // the desk puts together what it gives
		default:
			continue
		}
		if err == nil {
			err = s.reachable(spec, op, r)
		}
		switch {
		case err == nil:
			verbs = append(verbs, act.Verb)
		case !refusal(err):
			return nil, err
		}
	}
	return verbs, nil
}

// refusal reports whether an error is the answer no, and not that there was none.
func refusal(err error) bool {
	var fe *field.Error
	return errors.As(err, &fe) && fe.Kind != field.ErrorInternal && fe.Kind != field.ErrorBusy && fe.Kind != field.ErrorFull
}
