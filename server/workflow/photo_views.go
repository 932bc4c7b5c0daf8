package workflow

import (
	"context"
	"sync"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// The parts of a photo that somebody may be shown.
const (
	ViewOriginal = "original"
	ViewLarge    = "large"
	ViewSmall    = "small"
)

// RecordView writes into the log that somebody is about to see a photo, the original or a rendition; only when it
// returns nil may the bytes leave. Any failure is CodeStoreDown or CodeBusy: the bytes can be asked for again.
//
// It is written once for each person, device, photo, rendition and quarter of an hour, and small renditions once for
// each report: the number of the batch follows from these, so a second request, also at another server, writes nothing
// more. The id of the record is random: anyone who could work it out could ask whether somebody looked, or take it and
// so keep him out.
func (f *Flow) RecordView(ctx context.Context, who *access.Actor, photo *field.Record, what string) error {
	since := f.now().UTC().Truncate(field.ViewWindow)
	set := values{"what": what, "by": who.User, "device": who.Device, "since": since}
	if mandate, _ := access.ReadUnder(who, photo.Scope, photo.Info); mandate != "" {
		set["mandate"] = mandate
	}
	about := string(photo.ID)
	if what == ViewSmall {
		about = photo.Text("reportId")
		set["report"] = about
	} else {
		set["photo"] = about
	}
	once := field.DeriveID(since, "view", string(who.User), string(who.Device), about, what) // never the id of a record
	if f.views.has(once, since) {
		return nil
	}
	_, err := f.commit.Commit(ctx, protocol.Batch{
		// The right to see it was asked for; what is noted about readers is the server's to write.
		Actor:  &access.Actor{User: who.User, Org: who.Org, Device: who.Device, Server: true},
		Device: "view/" + who.Device, Number: numberOf(once, since.Unix(), 0), Strict: true, Trusted: true,
		Scope:      field.CustodyScope(field.SiteID(photo.Scope.ID()), who.Org),
		Operations: []protocol.Operation{{ID: field.RandomID(f.now()), Kind: field.KindView, Set: set.quoted()}},
	})
	switch {
	case field.Is(err, field.CodeBatchReused): // noted by an earlier request, or by another server
	case field.Is(err, field.CodeBusy):
		return err
	case err != nil:
		return field.Refuse(field.CodeStoreDown, "That you look at this photo could not be noted, so it is not shown; try again.").
			InChinese("未能记下您查看此照片一事，因此不予显示，请重试。").Because(err).About(string(photo.ID))
	}
	f.views.add(once, since)
	return nil
}

// mostViews bounds what is remembered; what was forgotten is looked up in the log.
const mostViews = 100_000

// noted remembers the views of this quarter of an hour that are in the log.
type noted struct {
	mu    sync.Mutex                  // guards what follows
	known map[field.RecordID]struct{} //
	since time.Time                   // the window of those
}

func (n *noted) has(id field.RecordID, since time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.known[id]
	return ok && n.since.Equal(since)
}

func (n *noted) add(id field.RecordID, since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || !n.since.Equal(since) || len(n.known) >= mostViews {
		n.known, n.since = map[field.RecordID]struct{}{}, since
	}
	n.known[id] = struct{}{}
}
