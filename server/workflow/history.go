package workflow

import (
	"bytes"
	"context"
	"strconv"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Event is one entry of the log that concerns a record.
type Event = protocol.Event

// mostEntries is how many entries one page of a history reads; a page may hold fewer events than asked for, or none,
// and still name a next one.
const mostEntries = 2000

// History tells what happened to a record, the oldest first: who, on which device, when by the device and by the
// server, what changed, and what became of each operation. It reads the log of the record's scope.
func (f *Flow) History(ctx context.Context, who *access.Actor, kind field.Kind, id field.RecordID, ask Ask) (Page[Event], error) {
	r, err := f.read(ctx, who, kind, id)
	if err != nil {
		return Page[Event]{}, err
	}
	after := int64(0)
	if ask.After != "" {
		if after, err = strconv.ParseInt(ask.After, 10, 64); err != nil || after < 0 {
			return Page[Event]{}, field.Refuse(field.CodeBadRequest, "after is not the next of an earlier page.").
				InChinese("after 不是此前某页的 next。")
		}
	}
	head, err := f.store.Head(ctx, r.Scope)
	if err != nil {
		return Page[Event]{}, err
	}
	page := Page[Event]{Items: []Event{}}
	needle := []byte(`"` + string(id) + `"`)
	var by []field.RecordID
	for read := 0; after < head.Seq; {
		if read >= mostEntries || len(page.Items) >= ask.size() {
			page.Next = strconv.FormatInt(after, 10)
			break
		}
		entries, err := f.store.Entries(ctx, r.Scope, after, min(200, mostEntries-read))
		if err != nil {
			return Page[Event]{}, err
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if len(page.Items) >= ask.size() {
				break
			}
			after = e.Seq
			read++
			if !bytes.Contains(e.Body, needle) {
				continue
			}
			body, err := protocol.Open(e)
			if err != nil {
				return Page[Event]{}, err
			}
			if event, ok := protocol.EventOf(&body, e.Hash, id); ok {
				page.Items = append(page.Items, event)
				by = append(by, field.RecordID(body.Actor))
			}
		}
	}
	name, err := f.named(ctx, who, by)
	if err != nil {
		return Page[Event]{}, err
	}
	for i := range page.Items {
		page.Items[i].By = name(by[i])
	}
	return page, f.onlyReadable(ctx, who, page.Items)
}

// onlyReadable leaves out of events what was written with them in scopes that the reader may not read: the name of such
// a scope alone tells which clue rests on a photo.
func (f *Flow) onlyReadable(ctx context.Context, who *access.Actor, events []Event) error {
	readable := map[field.Scope]bool{}
	for i := range events {
		var with []protocol.Link
		for _, l := range events[i].With {
			may, known := readable[l.Scope]
			if !known {
				head, err := f.store.Head(ctx, l.Scope)
				if err != nil && !field.Is(err, field.CodeNotFound) {
					return err
				}
				may = err == nil && access.MayRead(who, l.Scope, head.Info)
				readable[l.Scope] = may
			}
			if may {
				with = append(with, l)
			}
		}
		events[i].With = with
	}
	return nil
}
