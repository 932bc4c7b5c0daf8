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
	Added        int            `json:"added"` // of photos, findings, interviews and other parts: after the report was handed in
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
		parts, _, err := f.parts(ctx, who, r) // one report of more is counted cut: the queue does not end at it, its own page does
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
type parts struct{ photos, findings, interviews, flags, others []*field.Record }

// parts reads the records of a report, as many as a guard looks through; whole is false when there are more.
func (f *Flow) parts(ctx context.Context, who *access.Actor, report *field.Record) (p parts, whole bool, err error) {
	found, whole, err := f.all(ctx, who, store.Query{
		Scope: report.Scope, Kinds: append(field.FiledAs(field.FiledFlag), partKinds()...),
		Keys: where{}.is("reportId", string(report.ID)),
	}, field.MostFound)
	for _, r := range found {
		switch r.Kind.Filing() {
		case field.FiledPicture:
			p.photos = append(p.photos, r)
		case field.FiledProblem:
			p.findings = append(p.findings, r)
		case field.FiledWords:
			p.interviews = append(p.interviews, r)
		case field.FiledFlag:
			p.flags = append(p.flags, r)
		default:
			p.others = append(p.others, r)
		}
	}
	return p, whole, err
}

// partKinds are the kinds whose records are parts of a report.
func partKinds() (kinds []field.Kind) {
	for _, s := range field.Parts() {
		kinds = append(kinds, s.Kind)
	}
	return kinds
}

func (p parts) counts(report *field.Record) Counts {
	c := Counts{Photos: len(p.photos), Findings: len(p.findings), Interviews: len(p.interviews), Flags: map[string]int{}}
	for _, a := range answersOf(report) {
		c.Answers++
		if a.CannotObtain != "" {
			c.CannotObtain++
		}
	}
	for _, r := range slices.Concat(p.photos, p.findings, p.interviews, p.others) {
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
