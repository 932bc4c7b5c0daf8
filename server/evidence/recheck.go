package evidence

import (
	"context"
	"encoding/json"
	"strconv"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// recheckJob is the job of judging the photos of a report once more, because its visit began or ended at another time
// than was known when they arrived.
const recheckJob = "recheck"

// timesOf names the records of which an entry sets when they began or ended, or corrects it. Reports have photos; one
// whose own time is corrected is looked at itself.
func timesOf(body protocol.Body) []field.RecordID {
	var found []field.RecordID
	for _, c := range body.Changes {
		set := c.Set
		if c.Op > 0 {
			set = body.Ops[c.Op-1].Set
		}
		if set["startedAt"] != nil || set["endedAt"] != nil || set["corrections"] != nil {
			found = append(found, c.ID)
		}
	}
	return found
}

// recheckLater queues the job. Each entry has one of its own: a later one must not be taken for one that runs already.
func (a *Arrivals) recheckLater(ctx context.Context, id field.RecordID, seq int64) error {
	return a.Pool.Enqueue(ctx, recheckJob, string(id)+"/"+strconv.FormatInt(seq, 10), id)
}

// report is the job.
func (x *Examiner) report(ctx context.Context, payload json.RawMessage) error {
	var id field.RecordID
	if err := json.Unmarshal(payload, &id); err != nil {
		return err
	}
	found, err := x.engines.Store.Records(ctx, []field.RecordID{id})
	if err != nil || len(found) == 0 {
		return err
	}
	if found[0].Kind == field.KindPhoto {
		return x.recheck(ctx, found[0])
	}
	q := store.Query{
		Visible: access.Everything, Scope: found[0].Scope, Kinds: []field.Kind{field.KindPhoto}, Keys: []string{field.KeyFor("reportId", id)}, Limit: 100,
	}
	return store.EachPage(ctx, x.engines.Store, q, func(photos []*field.Record) error {
		for _, photo := range photos {
			if err := x.recheck(ctx, photo); err != nil {
				return err
			}
		}
		return nil
	})
}

// recheck raises what the rules see now in a photo that was examined and did not see before. Each flag is a batch of
// its own name, so it is raised once; one that was raised stays, whatever was found since: somebody decides it.
func (x *Examiner) recheck(ctx context.Context, photo *field.Record) error {
	if photo.Deleted || !field.PhotoIsStored(photo) || photo.Fields["facts"] == nil {
		return nil
	}
	var seen analysis
	if err := photo.Decode("facts", &seen); err != nil {
		return err
	}
	flags, err := x.flags(ctx, photo, seen)
	if err == nil {
		flags, err = x.fresh(ctx, photo, flags)
	}
	if err != nil {
		return err
	}
	for _, f := range flags {
		code, err := codeOf(f)
		if err != nil {
			return err
		}
		if err := x.commit(ctx, "server/recheck/"+code+"/", photo, []protocol.Operation{f}); err != nil {
			return err
		}
	}
	return nil
}

func codeOf(flag protocol.Operation) (code string, err error) {
	return code, json.Unmarshal(flag.Set["code"], &code)
}

// fresh leaves out the flags of codes that were raised on a photo before.
func (x *Examiner) fresh(ctx context.Context, photo *field.Record, flags []protocol.Operation) (fresh []protocol.Operation, err error) {
	if len(flags) == 0 {
		return nil, nil
	}
	known := map[string]bool{} // by code
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindFlag}, Keys: []string{field.KeyFor("targetId", photo.ID)}, Limit: 100}
	err = store.EachPage(ctx, x.engines.Store, q, func(raised []*field.Record) error {
		for _, r := range raised {
			known[r.Text("code")] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range flags {
		code, err := codeOf(f)
		if err != nil {
			return nil, err
		}
		if !known[code] {
			fresh = append(fresh, f)
		}
	}
	return fresh, nil
}
