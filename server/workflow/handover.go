package workflow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Work is one piece of open work of a person.
type Work struct {
	ID      field.RecordID `json:"id"`
	Kind    field.Kind     `json:"kind"`
	Scope   field.Scope    `json:"scope"`
	State   field.State    `json:"state"`
	Version int64          `json:"version"`
	Role    string         `json:"role"` // what the person is in it: handler, assignee, companion, author
	Due     string         `json:"due,omitempty"`
	Movable bool           `json:"movable"` // a command moves it to somebody else in this state, and who asks may give it
}

// OpenWork is what somebody has not finished, as far as who asks may see it.
type OpenWork struct {
	Items []Work `json:"items"`
	Whole bool   `json:"whole"` // false: there is more
}

// mostWork bounds what is listed and moved in one go.
const mostWork = 500

// openWork is what a person can have to do, by the kinds that say so: what a command moves to somebody else comes
// first.
func openWork() []kindOfWork {
	var moves, stays []kindOfWork
	for _, spec := range field.Kinds() {
		for _, w := range spec.Work {
			if w.Move != "" {
				moves = append(moves, kindOfWork{spec, w})
			} else {
				stays = append(stays, kindOfWork{spec, w})
			}
		}
	}
	return slices.Concat(moves, stays)
}

type kindOfWork struct {
	*field.Spec
	field.Work
}

// WorkOf lists the open work of a person of one's own organisation.
func (f *Flow) WorkOf(ctx context.Context, who *access.Actor, id field.UserID) (OpenWork, error) {
	if _, err := f.read(ctx, who, field.KindPerson, field.RecordID(id)); err != nil {
		return OpenWork{}, err
	}
	out := OpenWork{Items: []Work{}, Whole: true}
	for _, w := range openWork() {
		found, whole, err := f.all(ctx, who, store.Query{Kinds: []field.Kind{w.Kind}, States: w.Open, Keys: []string{field.KeyFor(w.As, id)}}, mostWork)
		if err != nil {
			return out, err
		}
		out.Whole = out.Whole && whole
		over, err := f.campaignsOver(ctx, found)
		if err != nil {
			return out, err
		}
		for _, r := range found {
			if slices.ContainsFunc(out.Items, func(i Work) bool { return i.ID == r.ID }) {
				continue
			}
			item := Work{ID: r.ID, Kind: r.Kind, Scope: r.Scope, State: r.State, Version: r.Version, Role: cmp.Or(w.Role, w.As), Due: r.Text("due")}
			if c := w.Command(w.Move); c != nil && c.Allows(r.State) && !over[field.RecordID(r.Text("campaignId"))] {
				item.Movable = access.May(who, access.ActionFor(w.Kind, w.Move), r.Scope, r.Info) == nil
			}
			out.Items = append(out.Items, item)
		}
	}
	return out, nil
}

// campaignsOver are the campaigns of tasks in which no work is given out any more.
func (f *Flow) campaignsOver(ctx context.Context, tasks []*field.Record) (map[field.RecordID]bool, error) {
	var ids []field.RecordID
	for _, t := range tasks {
		if t.Kind == field.KindRevisit {
			ids = append(ids, field.RecordID(t.Text("campaignId")))
		}
	}
	over := map[field.RecordID]bool{}
	if len(ids) == 0 {
		return over, nil
	}
	campaigns, err := f.store.Records(ctx, distinct(ids))
	for _, c := range campaigns {
		over[c.ID] = c.Kind == field.KindCampaign && (c.State != field.CampaignRunning || c.Text("to") < f.today())
	}
	return over, err
}

func (f *Flow) today() string { return field.DayOf(f.now()) }

// HandedOver is what a hand-over came to.
type HandedOver struct {
	Moved []Work `json:"moved"`
	Left  []Work `json:"left"` // of what was not named: no command moves it in its state, or it is for somebody else to move it
}

// holds reports whether a person has one of the roles.
func holds(person *field.Record, roles []access.Role) bool {
	has, err := field.RolesOf(person)
	return err == nil && slices.ContainsFunc(has, func(g access.Grant) bool { return slices.Contains(roles, g.Role) })
}

// HandOver moves the open work of somebody to somebody else who can do it, by the commands by which each piece is given
// out: clues are assigned, revisit tasks reassigned. only names pieces; empty: all that who asks may move. What is
// named and may not be moved is refused before anything is written. The pieces lie in many scopes and are moved one
// after the other; cut off, the same request goes on where it stopped.
func (f *Flow) HandOver(ctx context.Context, act Act, from, to field.UserID, reason string, only []field.RecordID) (HandedOver, error) {
	out := HandedOver{Moved: []Work{}, Left: []Work{}}
	if from == to {
		return out, field.Refuse(field.CodeSecondPerson, "The work is that person's already.").InChinese("该项工作本来就由此人承担。")
	}
	if field.Blank(reason) {
		return out, field.Refuse(field.CodeReasonMissing, "")
	}
	work, err := f.WorkOf(ctx, act.Actor, from)
	if err != nil {
		return out, err
	}
	giver, err := f.load(ctx, field.KindPerson, field.RecordID(from))
	if err != nil {
		return out, err
	}
	taker, err := f.read(ctx, act.Actor, field.KindPerson, field.RecordID(to))
	if err != nil {
		return out, err
	}
	var moves []Work
	for _, item := range work.Items {
		switch named := slices.Contains(only, item.ID); {
		case len(only) > 0 && !named:
		case item.Movable:
			moves = append(moves, item)
		case named:
			return out, field.Refuse(field.CodeNotPermitted, "It is not for you to move it, or not in its state.").
				InChinese("您无权移交该项工作，或其当前状态不能移交。").About(string(item.ID))
		default:
			out.Left = append(out.Left, item)
		}
	}
	for _, id := range only {
		if slices.ContainsFunc(work.Items, func(i Work) bool { return i.ID == id }) {
			continue
		}
		moved, err := f.movedBefore(ctx, act, id)
		if err != nil {
			return out, err
		}
		if moved == nil {
			return out, field.Refuse(field.CodeNotFound, "").About(string(id))
		}
		out.Moved = append(out.Moved, *moved)
	}
	for _, item := range moves {
		if taker.State != field.StateActive || taker.Scope != giver.Scope || !holds(taker, workOf(item).Takes) {
			return out, field.Refuse(field.CodeCannotDo, "").About(string(item.ID))
		}
	}
	for _, item := range moves {
		r, err := f.move(ctx, act, item, from, to, reason)
		if err != nil {
			return out, err
		}
		item.State, item.Version = r.State, r.Version
		out.Moved = append(out.Moved, item)
	}
	return out, nil
}

// movedBefore is a piece of work that was named and is the taker's by now, because this is a repetition; nil when it is
// not.
func (f *Flow) movedBefore(ctx context.Context, act Act, id field.RecordID) (*Work, error) {
	r, err := f.read(ctx, act.Actor, "", id)
	if field.Is(err, field.CodeNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	once := act
	once.Number = moveNumber(act.Number, id)
	done, err := f.done(ctx, once, r.Scope)
	if err != nil || !done {
		return nil, err
	}
	return &Work{ID: r.ID, Kind: r.Kind, Scope: r.Scope, State: r.State, Version: r.Version}, nil
}

// moveNumber is the number of the click for one piece.
func moveNumber(number int64, id field.RecordID) int64 {
	sum := sha256.Sum256([]byte(strconv.FormatInt(number, 10) + " " + string(id)))
	return int64(binary.BigEndian.Uint64(sum[:8])>>2) + 1
}

func (f *Flow) move(ctx context.Context, act Act, item Work, from, to field.UserID, reason string) (*field.Record, error) {
	act.Number = moveNumber(act.Number, item.ID)
	r, err := f.load(ctx, item.Kind, item.ID)
	if err != nil {
		return nil, err
	}
	w := workOf(item)
	return f.Click(ctx, act, item.Kind, item.ID, item.Version, w.Move, w.Args(r, from, to, reason, f.today()))
}

// workOf is what the kind of a piece of work says about it.
func workOf(item Work) field.Work {
	work := field.KindOf(item.Kind).Work
	return work[slices.IndexFunc(work, func(w field.Work) bool { return cmp.Or(w.Role, w.As) == item.Role })]
}

// Person is a person of an organisation that one sees: one's own and its partners.
func (f *Flow) Person(ctx context.Context, who *access.Actor, id field.UserID) (*field.Record, error) {
	return f.read(ctx, who, field.KindPerson, field.RecordID(id))
}
