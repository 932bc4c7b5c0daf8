package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// TakeReport puts a report under the actor's review.
func (f *Flow) TakeReport(ctx context.Context, act Act, id field.ReportID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "take", nil)
}

// ReturnReport sends a report back to its authors with a comment for each item and a deadline, RFC 3339. It lands on
// top of their inboxes in the same commit.
func (f *Flow) ReturnReport(ctx context.Context, act Act, id field.ReportID, version int64, items []field.ReturnedItem, deadline string) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "return", values{"items": items, "deadline": deadline})
}

// RightTime says what a time was that a clock stated wrongly.
type RightTime struct {
	Of string `json:"of"` // path, such as startedAt or answers.roof.at
	To string `json:"to"` // RFC 3339
}

// CorrectReport puts the right times beside those that a report states. Both stay.
func (f *Flow) CorrectReport(ctx context.Context, act Act, id field.ReportID, version int64, times []RightTime, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "correct", values{"times": times, "reason": reason})
}

// CorrectPhoto does the same for a photo.
func (f *Flow) CorrectPhoto(ctx context.Context, act Act, id field.PhotoID, version int64, times []RightTime, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindPhoto, field.RecordID(id), version, "correct", values{"times": times, "reason": reason})
}

// CorrectInterview does the same for a note.
func (f *Flow) CorrectInterview(ctx context.Context, act Act, id field.InterviewID, version int64, times []RightTime, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindInterview, field.RecordID(id), version, "correct", values{"times": times, "reason": reason})
}

// ApproveReport accepts a report before which nothing stands any more (field.BeforeApproval). flags are the undecided ones of
// severity high that it names.
func (f *Flow) ApproveReport(ctx context.Context, act Act, id field.ReportID, version int64, flags []field.RecordID) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "approve", values{"flags": flags})
}

// ReopenReport puts an approved report back under review, with a reason.
func (f *Flow) ReopenReport(ctx context.Context, act Act, id field.ReportID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "reopen", values{"reason": reason})
}

// ArchiveReport puts an approved report away.
func (f *Flow) ArchiveReport(ctx context.Context, act Act, id field.ReportID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "archive", nil)
}

// VoidReport takes a report out of view, with a reason. It is not deleted.
func (f *Flow) VoidReport(ctx context.Context, act Act, id field.ReportID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindReport, field.RecordID(id), version, "void", values{"reason": reason})
}

// Class is what becomes of a finding. As a clue it needs a violation type, here or in the finding.
type Class struct {
	Class     string
	Reason    string
	Violation string
	ClueID    field.ClueID // for the clue that is made; empty: the server makes one
}

// ClassifyFinding decides what becomes of a finding. As a clue, the clue and its first links are made in the same commit.
func (f *Flow) ClassifyFinding(ctx context.Context, act Act, id field.FindingID, version int64, c Class) (*field.Record, error) {
	return f.command(ctx, act, field.KindFinding, field.RecordID(id), version, "classify", values{
		"class": c.Class, "reason": c.Reason, "violation": c.Violation, "clueId": c.ClueID,
	})
}

// CloseFinding ends a classified finding; whoever wrote it does not close it.
func (f *Flow) CloseFinding(ctx context.Context, act Act, id field.FindingID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindFinding, field.RecordID(id), version, "close", values{"reason": reason})
}

// ReopenFinding opens a finding again; how often is counted.
func (f *Flow) ReopenFinding(ctx context.Context, act Act, id field.FindingID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindFinding, field.RecordID(id), version, "reopen", values{"reason": reason})
}

// DecideFlag says what a flag came to: confirmed, explained or false_alarm, always with a reason.
func (f *Flow) DecideFlag(ctx context.Context, act Act, id field.RecordID, version int64, decision, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindFlag, id, version, "decide", values{"decision": decision, "reason": reason})
}

// ReviewInterview marks a note as read by a second person.
func (f *Flow) ReviewInterview(ctx context.Context, act Act, id field.InterviewID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindInterview, field.RecordID(id), version, "review", nil)
}

// SealInterview closes a reviewed note for good.
func (f *Flow) SealInterview(ctx context.Context, act Act, id field.InterviewID, version int64) (*field.Record, error) {
	return f.command(ctx, act, field.KindInterview, field.RecordID(id), version, "seal", nil)
}

// VoidInterview takes a note out of view, with a reason. It is not deleted.
func (f *Flow) VoidInterview(ctx context.Context, act Act, id field.InterviewID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindInterview, field.RecordID(id), version, "void", values{"reason": reason})
}

// VoidPhoto takes a photo out of view, with a reason. Its bytes stay.
func (f *Flow) VoidPhoto(ctx context.Context, act Act, id field.PhotoID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindPhoto, field.RecordID(id), version, "void", values{"reason": reason})
}

// DiscreditPhoto says that a photo no longer proves anything, and why. It stays to be seen; on everything that rests on
// it a review item is opened in the same commit. Whoever took it, or was on the visit, does not.
func (f *Flow) DiscreditPhoto(ctx context.Context, act Act, id field.PhotoID, version int64, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindPhoto, field.RecordID(id), version, "discredit", values{"reason": reason})
}

// DecideReview says whether a record still stands after what it rested on has moved: stands, weakened or falls, with a
// reason. The record itself is not changed by it.
func (f *Flow) DecideReview(ctx context.Context, act Act, id field.RecordID, version int64, decision, reason string) (*field.Record, error) {
	return f.command(ctx, act, field.KindReview, id, version, "decide", values{"decision": decision, "reason": reason})
}

// QueueItem is one line of the review queue.
type QueueItem struct {
	ID             field.RecordID `json:"id"`
	Version        int64          `json:"version"`
	State          field.State    `json:"state"`
	VisitType      string         `json:"visitType,omitempty"`
	Site           *Named         `json:"site"`
	Author         *Named         `json:"author"`
	Inspectors     []*Named       `json:"inspectors"`
	Reviewer       *Named         `json:"reviewer,omitempty"` // who has taken it
	Severity       int64          `json:"severity"`           // of the worst undecided flag, 0 none to 3 blocking
	Returns        int64          `json:"returns"`            // how often it went back
	SubmittedAt    string         `json:"submittedAt,omitempty"`
	WaitingSeconds int64          `json:"waitingSeconds"` // since it was first submitted
	Counts         Counts         `json:"counts"`
}

// Counts says how much a report holds.
type Counts struct {
	Answers      int            `json:"answers"`
	CannotObtain int            `json:"cannotObtain"` // of the answers: "cannot obtain, because…"
	Photos       int            `json:"photos"`
	Findings     int            `json:"findings"`
	Interviews   int            `json:"interviews"`
	Added        int            `json:"added"` // of photos, findings and interviews: after the report was handed in
	Flags        map[string]int `json:"flags"` // undecided, by severity
}

// waiting are the states in which a report waits for its reviewer.
var waiting = []field.State{field.ReportSubmitted, field.ReportResubmitted, field.ReportUnderReview}

// ReviewQueue lists the reports that wait for review: those with the most severe undecided flags first, then the
// oldest.
func (f *Flow) ReviewQueue(ctx context.Context, who *access.Actor, ask Ask) (Page[QueueItem], error) {
	reports, next, err := f.list(ctx, who, store.Query{Kinds: []field.Kind{field.KindReport}, States: waiting}, ask)
	if err != nil {
		return Page[QueueItem]{}, err
	}
	var ids []field.RecordID
	for _, r := range reports {
		ids = append(ids, field.RecordID(r.Text("siteId")), field.RecordID(r.Text("reviewer")))
		for _, a := range field.Authors(r) {
			ids = append(ids, field.RecordID(a))
		}
	}
	name, err := f.named(ctx, who, ids)
	if err != nil {
		return Page[QueueItem]{}, err
	}
	page := Page[QueueItem]{Items: make([]QueueItem, 0, len(reports)), Next: next}
	for _, r := range reports {
		parts, err := f.parts(ctx, who, r)
		if err != nil {
			return Page[QueueItem]{}, err
		}
		since := r.Time("submittedAt")
		if since.IsZero() {
			since = r.CreatedAt
		}
		item := QueueItem{
			ID: r.ID, Version: r.Version, State: r.State, VisitType: r.Text("visitType"),
			Site: name(field.RecordID(r.Text("siteId"))), Author: name(field.RecordID(r.Author)), Reviewer: name(field.RecordID(r.Text("reviewer"))),
			Inspectors: []*Named{}, Severity: r.Int("severity"), Returns: r.Int("returns"), SubmittedAt: r.Text("submittedAt"),
			WaitingSeconds: max(0, int64(f.now().Sub(since)/time.Second)), Counts: parts.counts(r),
		}
		for _, i := range r.Texts("inspectors") {
			item.Inspectors = append(item.Inspectors, name(field.RecordID(i)))
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

// parts are the records that belong to a report.
type parts struct{ photos, findings, interviews, flags []*field.Record }

// mostParts is how many records of a report are read; a report of more is shown cut.
const mostParts = 2000

func (f *Flow) parts(ctx context.Context, who *access.Actor, report *field.Record) (parts, error) {
	found, _, err := f.all(ctx, who, store.Query{
		Scope: report.Scope, Kinds: []field.Kind{field.KindPhoto, field.KindFinding, field.KindInterview, field.KindFlag},
		Keys: where{}.is("reportId", string(report.ID)),
	}, mostParts)
	var p parts
	for _, r := range found {
		switch r.Kind {
		case field.KindPhoto:
			p.photos = append(p.photos, r)
		case field.KindFinding:
			p.findings = append(p.findings, r)
		case field.KindInterview:
			p.interviews = append(p.interviews, r)
		case field.KindFlag:
			p.flags = append(p.flags, r)
		}
	}
	return p, err
}

func (p parts) counts(report *field.Record) Counts {
	c := Counts{Photos: len(p.photos), Findings: len(p.findings), Interviews: len(p.interviews), Flags: map[string]int{}}
	for _, a := range answersOf(report) {
		c.Answers++
		if a.CannotObtain != "" {
			c.CannotObtain++
		}
	}
	for _, r := range slices.Concat(p.photos, p.findings, p.interviews) {
		if r.Fields["afterSubmission"] != nil {
			c.Added++
		}
	}
	for _, flag := range p.flags {
		if flag.State == field.FlagRaised {
			c.Flags[flag.Text("severity")]++
		}
	}
	return c
}

// ReportFilter narrows a list of reports; empty: all.
type ReportFilter struct {
	State     field.State
	SiteID    field.SiteID
	Inspector field.UserID
	Reviewer  field.UserID
}

// Reports lists reports, in the order of the review queue.
func (f *Flow) Reports(ctx context.Context, who *access.Actor, by ReportFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindReport}, States: states(by.State),
		Keys: where{}.is("siteId", string(by.SiteID)).is("inspectors", string(by.Inspector)).is("reviewer", string(by.Reviewer)),
	}, ask)
}

// FindingFilter narrows a list of findings; empty: all.
type FindingFilter struct {
	State     field.State
	Class     string
	Violation string
	SiteID    field.SiteID
	ReportID  field.ReportID
}

// Findings lists findings, the oldest first.
func (f *Flow) Findings(ctx context.Context, who *access.Actor, by FindingFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindFinding}, States: states(by.State),
		Keys: where{}.is("class", by.Class).is("violation", by.Violation).is("siteId", string(by.SiteID)).is("reportId", string(by.ReportID)),
	}, ask)
}

// InterviewFilter narrows a list of interview notes; empty: all.
type InterviewFilter struct {
	State    field.State
	SiteID   field.SiteID
	ReportID field.ReportID
}

// Interviews lists interview notes, the oldest first.
func (f *Flow) Interviews(ctx context.Context, who *access.Actor, by InterviewFilter, ask Ask) (Records, error) {
	q := store.Query{Kinds: []field.Kind{field.KindInterview}, States: states(by.State), Keys: where{}.is("reportId", string(by.ReportID))}
	if by.SiteID != "" {
		q.Scope = field.MakeScope(field.ScopeSite, string(by.SiteID))
	}
	return f.page(ctx, who, q, ask)
}

// FlagFilter narrows a list of flags; empty: all.
type FlagFilter struct {
	State    field.State
	Code     string
	ReportID field.ReportID
}

// Flags lists flags, the most severe first.
func (f *Flow) Flags(ctx context.Context, who *access.Actor, by FlagFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindFlag}, States: states(by.State), Keys: where{}.is("code", by.Code).is("reportId", string(by.ReportID)),
	}, ask)
}

// ReviewFilter narrows a list of review items; empty: all.
type ReviewFilter struct {
	State    field.State
	Kind     string
	RecordID field.RecordID
	PhotoID  field.PhotoID
}

// Reviews lists review items, the oldest first.
func (f *Flow) Reviews(ctx context.Context, who *access.Actor, by ReviewFilter, ask Ask) (Records, error) {
	return f.page(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindReview}, States: states(by.State),
		Keys: where{}.is("recordKind", by.Kind).is("recordId", string(by.RecordID)).is("photoId", string(by.PhotoID)),
	}, ask)
}

// answersOf reads the answers of a report by item; one that cannot be read is left out.
func answersOf(report *field.Record) map[string]field.Answer {
	keys, given := report.Keyed("answers")
	out := make(map[string]field.Answer, len(keys))
	for _, k := range keys {
		var a field.Answer
		if err := json.Unmarshal(given[k], &a); err == nil {
			out[k] = a
		}
	}
	return out
}
