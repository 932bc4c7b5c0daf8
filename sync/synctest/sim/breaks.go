package sim

import (
	"context"
	"slices"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// Break is a deliberate break of one promise, with which the simulation shows that it would notice.
type Break string

// The breaks, by the number of the promise in docs/sync.md that each one breaks.
const (
	None         Break = ""
	NoFsync      Break = "1: a commit is acknowledged and not on disk when the server dies"
	LateRows     Break = "1: a number is taken before its commit is visible, and a cursor passes it"
	NoDedupe     Break = "2: a repeated batch has its effect again"
	LastWins     Break = "3: who comes later overwrites what he has not seen"
	SeenIgnored  Break = "3: a version that an app never read counts as read"
	NoQuarantine Break = "3: what is sent after the access ended is answered and not kept"

	CaptionsThaw   Break = "3: what is said of a photo can be changed after its report was handed in"
	InterviewsThaw Break = "3: an interview can be changed after its report was handed in"
	FindingsThaw   Break = "3: a finding can be changed after its report was handed in"
	VoidsThaw      Break = "3: a part can be voided after its report was handed in"
	ArchivesThaw   Break = "3: parts of an archived report are as free as those of a draft"
	AcceptedThaws  Break = "3: what came too late and is accepted changes what was handed in"
	TakesMore      Break = "3: an approved report takes more parts"
	LateUnmarked   Break = "3: what is added after its report was handed in does not say so"
	ForksIgnored   Break = "3: copies of one phone are taken for one"
	LateUntold     Break = "3: nobody tells the reviewer what was added"

	ReplaysOther Break = "2: a number that was used for other content gets the answer to that"
	ClockWins    Break = "4: the later clock wins"
	NoTombstones Break = "5: what was voided is not told"
	OutOfOrder   Break = "6: of two changes the older one is applied last"
	RefuseOld    Break = "7: an upgraded server refuses an old app"
	FilterLate   Break = "access: scopes are asked for that the user may not read"
)

// Breaks are all of them, with a part of what the checks say when they notice.
var Breaks = map[Break]string{
	ForksIgnored: "which it never read", ReplaysOther: "is answered as if it had come before",
	CaptionsThaw: "photo was changed while its report was", InterviewsThaw: "interview was changed while its report was",
	FindingsThaw: "finding was changed while its report was", VoidsThaw: "was voided while its report was",
	ArchivesThaw: "while its report was archived", AcceptedThaws: "and the desk did it",
	TakesMore: "was added while its report was", LateUnmarked: "its report was handed in, and does not say so", LateUntold: "its reviewer was not told",

	NoFsync: ": first [", LateRows: "held other records", NoDedupe: ": first [",
	LastWins: "no order explains this", NoQuarantine: "stands 0 times in the log", ClockWins: "no order explains this",
	SeenIgnored: "which it never read", NoTombstones: "held other records", OutOfOrder: "verification: ", RefuseOld: "on a good link", FilterLate: "which it may not read",
}

// breakCommit stands before a commit; done: it takes its place.
func (s *server) breakCommit(ctx context.Context, writes []store.Write) (done bool, err error) {
	w := s.w
	switch {
	case w.calm:
	case w.o.Break == NoFsync && w.chance(50):
		return true, nil // in memory only, and then the power fails
	case w.o.Break == LateRows:
		for _, x := range writes {
			delete(w.late, x.Head.Scope)
			if w.chance(200) {
				w.late[x.Head.Scope] = x.Head.Seq
			}
		}
	case w.o.Break == OutOfOrder && w.chance(200):
		for _, x := range writes {
			for i, r := range x.Records {
				before, err := s.Store.Records(ctx, []field.RecordID{r.ID})
				if err != nil {
					return true, err
				}
				if len(before) > 0 {
					c := r.Clone()
					c.Fields = before[0].Fields
					x.Records[i] = c
				}
			}
		}
	}
	return false, nil
}

// breakChanged stands before what a pull reads.
func (s *server) breakChanged(scope field.Scope, records []*field.Record) []*field.Record {
	switch s.w.o.Break {
	case LateRows:
		return slices.DeleteFunc(records, func(r *field.Record) bool { return r.Version == s.w.late[scope] })
	case NoTombstones:
		return slices.DeleteFunc(records, func(r *field.Record) bool { return r.Deleted })
	}
	return records
}

// hole is a way around the rule that parts freeze with their report.
type hole struct {
	of    func(op protocol.Operation) bool // what all operations of a batch must be that goes through it
	shown func(report *field.Record)       // as what the batch sees the report
}

func asDraft(report *field.Record) { report.State = field.StateDraft }

func edits(kind field.Kind) func(protocol.Operation) bool {
	return func(op protocol.Operation) bool { return op.Kind == kind && op.Command == "" && op.Base > 0 }
}

func adds(op protocol.Operation) bool {
	return op.Kind != field.KindReport && op.Command == "" && op.Base == 0
}

var holes = map[Break]hole{
	CaptionsThaw:   {edits(field.KindPhoto), asDraft},
	InterviewsThaw: {edits(field.KindInterview), asDraft},
	FindingsThaw:   {edits(field.KindFinding), asDraft},
	VoidsThaw:      {func(op protocol.Operation) bool { return op.Kind != field.KindReport && op.Command == "void" }, asDraft},
	ArchivesThaw: {func(op protocol.Operation) bool { return op.Kind != field.KindReport }, func(report *field.Record) {
		if report.State == field.ReportArchived {
			asDraft(report)
		}
	}},
	AcceptedThaws: {func(op protocol.Operation) bool { return op.Command == "accept" }, asDraft},
	TakesMore: {adds, func(report *field.Record) {
		if report.State == field.ReportApproved || report.State == field.ReportArchived {
			report.State = field.ReportUnderReview
		}
	}},
	LateUnmarked: {adds, func(report *field.Record) { delete(report.Fields, "submittedAt") }},
	LateUntold:   {adds, func(report *field.Record) { delete(report.Fields, "reviewer") }},
}

// breakBatch stands before a batch.
func (s *server) breakBatch(ops []protocol.Operation) {
	h, ok := holes[s.w.o.Break]
	s.thaws = ok && !slices.ContainsFunc(ops, func(op protocol.Operation) bool { return !h.of(op) })
}

// breakRecords stands before what a commit reads of records.
func (s *server) breakRecords(records []*field.Record) {
	if !s.thaws || s.w.calm {
		return
	}
	for i, r := range records {
		if r.Kind == field.KindReport {
			records[i] = r.Clone()
			holes[s.w.o.Break].shown(records[i])
		}
	}
}

// breakPush stands before a push; done: it takes its place.
func (l *link) breakPush(s *server, req *protocol.PushRequest, body []byte) (resp *protocol.PushResponse, err error, done bool) {
	w := l.w
	s.breakBatch(req.Operations)
	switch w.o.Break {
	case NoDedupe:
		w.batches++
		req.Batch = 1_000_000 + w.batches
	case SeenIgnored:
		req.Seen = nil
	case LastWins:
		req.Seen = nil
		return nil, l.seenAll(s, req, body), false
	case ClockWins:
		if at, err := time.Parse(time.RFC3339Nano, req.DeviceTime); err == nil && at.After(w.clock) {
			req.Seen = nil
			return nil, l.seenAll(s, req, body), false
		}
	case NoQuarantine:
		if req.Scope.Type() == field.ScopeSite && !slices.Contains(l.p.actor.Scopes, req.Scope) {
			resp = &protocol.PushResponse{Scope: req.Scope, ServerTime: protocol.Stamp(w.clock)}
			for range req.Operations {
				resp.Outcomes = append(resp.Outcomes, protocol.Outcome{Outcome: protocol.Rejected, Code: field.CodeNotFound})
			}
			return resp, nil, true
		}
	case RefuseOld:
		if req.App == oldApp && !s.old {
			return nil, field.Refuse(field.CodeBadRequest, ""), true
		}
	}
	return nil, nil, false
}

// breakReused stands after a batch was refused because its number was used for other content.
func (l *link) breakReused(req protocol.PushRequest, refused error) (protocol.PushResponse, error) {
	if l.w.o.Break != ReplaysOther {
		return protocol.PushResponse{}, refused
	}
	entry, err := l.w.store.Batch(l.w.ctx, req.Scope, req.Device, req.Batch)
	if err != nil {
		return protocol.PushResponse{}, refused // it lies with its author
	}
	body, err := protocol.Open(entry)
	resp := protocol.PushResponse{Scope: entry.Scope, Seq: entry.Seq, Hash: entry.Hash, Replayed: true}
	for _, op := range body.Ops {
		resp.Outcomes = append(resp.Outcomes, op.Outcome)
	}
	return resp, err
}

// GetDoc implements engine.Docs.
func (s *server) GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error) {
	if s.w.o.Break == ForksIgnored {
		return store.Doc{}, field.Refuse(field.CodeNotFound, "")
	}
	return s.w.store.GetDoc(ctx, shelf, id)
}

// PutDoc implements engine.Docs.
func (s *server) PutDoc(ctx context.Context, doc store.Doc) (store.Doc, error) {
	if s.w.o.Break == ForksIgnored {
		return doc, nil
	}
	return s.w.store.PutDoc(ctx, doc)
}

// seenAll lets a push claim that its device had seen everything; its repetitions claim the same.
func (l *link) seenAll(s *server, req *protocol.PushRequest, body []byte) error {
	claimed := l.p.twin.claimed
	if before, ok := claimed[string(body)]; ok {
		req.Operations = before
		return nil
	}
	req.Operations = slices.Clone(req.Operations)
	claimed[string(body)] = req.Operations
	for i := range req.Operations {
		now, err := s.Store.Records(l.w.ctx, []field.RecordID{req.Operations[i].ID})
		if err != nil {
			return err
		}
		if len(now) > 0 {
			req.Operations[i].Base = now[0].Version
		}
	}
	return nil
}

var (
	_ engine.Store = (*server)(nil)
	_ engine.Docs  = (*server)(nil)
)
