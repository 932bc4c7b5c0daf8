package workflow

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// ReportView is everything that the review screen shows of one report.
type ReportView struct {
	Report       protocol.PulledRecord   `json:"report"`
	Items        []ItemView              `json:"items"`       // of the template, in its order
	OtherPhotos  []PhotoView             `json:"otherPhotos"` // that belong to no item
	Interviews   []protocol.PulledRecord `json:"interviews"`
	Findings     []protocol.PulledRecord `json:"findings"`
	Others       []protocol.PulledRecord `json:"others,omitempty"` // parts of other kinds
	Flags        []protocol.PulledRecord `json:"flags"`            // the most severe first
	Conflicts    []protocol.PulledRecord `json:"conflicts"`        // open ones about the report itself
	Approval     field.Approval          `json:"approval"`         // what stands before it
	Kept         []Kept                  `json:"kept"`             // what was refused for the report and its parts, is kept, and nobody has decided
	Counts       Counts                  `json:"counts"`
	Site         *protocol.PulledRecord  `json:"site,omitempty"`
	Template     *protocol.PulledRecord  `json:"template,omitempty"`
	Project      *protocol.PulledRecord  `json:"project,omitempty"`
	Works        *Works                  `json:"works,omitempty"`
	Revisit      *protocol.PulledRecord  `json:"revisit,omitempty"`      // the task that the visit answers
	Previous     *PreviousVisit          `json:"previous,omitempty"`     // the visit before this one at the same site
	PhotoPoints  []PhotoPair             `json:"photoPoints"`            // last visit and this visit at the same point
	PastFindings []protocol.PulledRecord `json:"pastFindings,omitempty"` // of earlier visits to the site, not dismissed; the last 50, the oldest of them first
	MorePast     bool                    `json:"morePastFindings,omitempty"`
	People       []*Named                `json:"people"` // authors, reviewer, and others who are named
}

// ItemView is one item of the checklist with what belongs beside it.
type ItemView struct {
	Item           field.Item      `json:"item"`
	Answer         json.RawMessage `json:"answer,omitempty"`
	Photos         []PhotoView     `json:"photos"`
	Returned       string          `json:"returned,omitempty"`       // the comment with which it last went back
	PreviousAnswer json.RawMessage `json:"previousAnswer,omitempty"` // to the same item, at the visit before
}

// PhotoView is a photo and how much rests on it, as far as the reader may see that.
type PhotoView struct {
	protocol.PulledRecord
	RestsOn RestsOn `json:"restsOn"`

	item, point string
}

// RestsOn counts what would be touched if a photo fell away.
type RestsOn struct {
	Findings int `json:"findings"`
	Links    int `json:"links"` // not withdrawn
	Clues    int `json:"clues"`
}

// PreviousVisit is the visit before a report's.
type PreviousVisit struct {
	ReportID  field.RecordID `json:"reportId"`
	State     field.State    `json:"state"`
	StartedAt string         `json:"startedAt,omitempty"`
	Summary   string         `json:"summary,omitempty"`
	Author    *Named         `json:"author"`
}

// PhotoPair is one photo point of the site, then and now.
type PhotoPair struct {
	Point    string                 `json:"point"`
	Label    string                 `json:"label,omitempty"`
	Current  []PhotoView            `json:"current"`
	Previous *protocol.PulledRecord `json:"previous,omitempty"` // the latest of an earlier visit
}

// Works sets the money paid against what is built, in percent; nil where the ledger does not say.
type Works struct {
	PaidPercent    *float64 `json:"paidPercent,omitempty"`    // payments of the budget
	BuiltPercent   *float64 `json:"builtPercent,omitempty"`   // weight of the milestones that are done
	PlannedPercent *float64 `json:"plannedPercent,omitempty"` // weight of those planned to be done by now
}

// ReportView puts together what one review needs.
func (f *Flow) ReportView(ctx context.Context, who *access.Actor, id field.ReportID) (*ReportView, error) {
	r, err := f.read(ctx, who, field.KindReport, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	p, whole, err := f.parts(ctx, who, r)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, field.FoundTooMany(field.KindFlag) // that it may be one of these is enough
	}
	visits, err := f.visits(ctx, who, r.Scope)
	if err != nil {
		return nil, err
	}
	v := &ReportView{
		Report: protocol.FromRecord(r), Interviews: wire(p.interviews), Findings: wire(p.findings), Others: wire(p.others), Flags: wire(p.flags),
		Counts: p.counts(r), Items: []ItemView{}, OtherPhotos: []PhotoView{}, PhotoPoints: []PhotoPair{}, People: []*Named{},
	}
	about, err := f.readMany(ctx, who, distinct([]field.RecordID{
		field.RecordID(r.Text("siteId")), field.RecordID(r.Text("templateId")), field.RecordID(r.Info.Project), field.RecordID(r.Text("revisitId")),
	}))
	if err != nil {
		return nil, err
	}
	site, project := about[field.RecordID(r.Text("siteId"))], about[field.RecordID(r.Info.Project)]
	template := about[field.RecordID(r.Text("templateId"))]
	v.Site, v.Template, v.Project, v.Revisit = wireOne(site), wireOne(template), wireOne(project), wireOne(about[field.RecordID(r.Text("revisitId"))])
	if project != nil {
		if v.Works, err = f.works(ctx, who, project); err != nil {
			return nil, err
		}
	}
	photos, err := f.photoViews(ctx, who, p.photos)
	if err != nil {
		return nil, err
	}
	previous := visitBefore(visits, r)
	if v.Items, v.OtherPhotos, err = itemViews(r, previous, template, photos); err != nil {
		return nil, err
	}
	if v.PhotoPoints, err = f.photoPairs(ctx, who, r, site, photos); err != nil {
		return nil, err
	}
	if err := f.surroundings(ctx, who, v, r); err != nil {
		return nil, err
	}
	if v.Approval, err = field.BeforeApproval(&looking{flow: f, ctx: ctx, who: who}, r); err != nil {
		return nil, err
	}
	return v, f.people(ctx, who, v, r, previous, p)
}

// surroundings adds the open conflicts of the report, what was kept for it and the earlier findings of the site.
func (f *Flow) surroundings(ctx context.Context, who *access.Actor, v *ReportView, r *field.Record) error {
	conflicts, err := f.every(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindConflict}, States: []field.State{field.StateOpen}, Keys: where{}.is("recordId", string(r.ID)),
	})
	if err != nil {
		return err
	}
	v.Conflicts = wire(conflicts)
	if v.Kept, err = f.keptFor(ctx, who, r); err != nil {
		return err
	}
	past := store.Query{Visible: access.Visible(who), Scope: r.Scope, Kinds: []field.Kind{field.KindFinding}, Limit: wholePage}
	return store.EachPage(ctx, f.store, past, func(page []*field.Record) error {
		for _, x := range page {
			if x.Text("reportId") != string(r.ID) && x.Text("class") != "dismissed" {
				v.PastFindings = append(v.PastFindings, protocol.FromRecord(x))
			}
		}
		if more := len(v.PastFindings) - mostPast; more > 0 {
			v.PastFindings, v.MorePast = slices.Clone(v.PastFindings[more:]), true
		}
		return nil
	})
}

// mostPast are the findings of earlier visits that the page of a report shows: a site that was visited for ten years
// has many, and each page would carry them all. GET /v1/findings with siteId has the others.
const mostPast = 50

func (f *Flow) people(ctx context.Context, who *access.Actor, v *ReportView, r, previous *field.Record, p parts) error {
	ids := []field.RecordID{field.RecordID(r.Text("reviewer"))}
	for _, a := range field.Authors(r) {
		ids = append(ids, field.RecordID(a))
	}
	for _, x := range slices.Concat(p.findings, p.interviews, p.photos, p.others) {
		ids = append(ids, field.RecordID(x.Author))
	}
	for _, x := range p.flags {
		ids = append(ids, field.RecordID(x.Text("decidedBy")))
	}
	if previous != nil {
		ids = append(ids, field.RecordID(previous.Author))
	}
	ids = distinct(ids)
	name, err := f.named(ctx, who, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		v.People = append(v.People, name(id))
	}
	if previous != nil {
		v.Previous = &PreviousVisit{
			ReportID: previous.ID, State: previous.State, StartedAt: previous.Text("startedAt"), Summary: previous.Text("summary"),
			Author: name(field.RecordID(previous.Author)),
		}
	}
	return nil
}

// visited are the states in which a report is more than an intention.
var visited = []field.State{
	field.ReportSubmitted, field.ReportUnderReview, field.ReportReturned, field.ReportResubmitted, field.ReportApproved, field.ReportArchived,
}

// visits are the reports of a site that count as visits: a desk review never does.
func (f *Flow) visits(ctx context.Context, who *access.Actor, site field.Scope) ([]*field.Record, error) {
	reports, err := f.every(ctx, who, store.Query{Scope: site, Kinds: []field.Kind{field.KindReport}, States: visited})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(reports, func(r *field.Record) bool { return r.Text("visitType") == "desk" }), nil
}

// startOf is when a visit took place, as its inspectors say or a reviewer corrected it; when the report was made,
// without a word from them and where their clock is doubtful.
func startOf(report *field.Record) time.Time {
	if t := report.Moment("startedAt"); !t.IsZero() && !report.Doubtful("startedAt") {
		return t
	}
	return report.CreatedAt
}

func visitBefore(visits []*field.Record, r *field.Record) *field.Record {
	var before *field.Record
	for _, v := range visits {
		if v.ID != r.ID && startOf(v).Before(startOf(r)) && (before == nil || startOf(v).After(startOf(before))) {
			before = v
		}
	}
	return before
}

func itemViews(r, previous, template *field.Record, photos []PhotoView) (items []ItemView, others []PhotoView, err error) {
	items, others = []ItemView{}, []PhotoView{}
	var asked []field.Item
	if template != nil {
		if asked, err = field.TemplateItems(template); err != nil {
			return nil, nil, err
		}
	}
	_, answers := r.Keyed("answers")
	var before map[string]field.Value
	if previous != nil {
		_, before = previous.Keyed("answers")
	}
	var returned []field.ReturnedItem
	if err := r.Decode("returnedItems", &returned); err != nil {
		return nil, nil, err
	}
	at := make(map[string]int, len(asked))
	for i, item := range asked {
		at[item.ID] = i
		v := ItemView{Item: item, Answer: answers[item.ID], PreviousAnswer: before[item.ID], Photos: []PhotoView{}}
		for _, x := range returned {
			if x.Item == item.ID {
				v.Returned = x.Comment
			}
		}
		items = append(items, v)
	}
	for _, p := range photos {
		if i, ok := at[p.item]; ok {
			items[i].Photos = append(items[i].Photos, p)
		} else {
			others = append(others, p)
		}
	}
	return items, others, nil
}

func (f *Flow) photoViews(ctx context.Context, who *access.Actor, photos []*field.Record) ([]PhotoView, error) {
	out := make([]PhotoView, 0, len(photos))
	for _, p := range photos {
		rests, err := f.restsOn(ctx, who, p)
		if err != nil {
			return nil, err
		}
		out = append(out, PhotoView{PulledRecord: protocol.FromRecord(p), RestsOn: rests, item: p.Text("item"), point: p.Text("photoPoint")})
	}
	return out, nil
}

func (f *Flow) restsOn(ctx context.Context, who *access.Actor, photo *field.Record) (RestsOn, error) {
	links, findings, err := f.resting(ctx, who, photo)
	if err != nil {
		return RestsOn{}, err
	}
	clues := map[string]bool{}
	for _, l := range links {
		clues[l.Text("clueId")] = true
	}
	for _, x := range findings {
		if c := x.Text("clueId"); c != "" {
			clues[c] = true
		}
	}
	return RestsOn{Findings: len(findings), Links: len(links), Clues: len(clues)}, nil
}

// photoPairs sets what was photographed at each point now beside the latest photo of an earlier visit.
func (f *Flow) photoPairs(ctx context.Context, who *access.Actor, r, site *field.Record, photos []PhotoView) ([]PhotoPair, error) {
	current := map[string][]PhotoView{}
	for _, p := range photos {
		if p.point != "" {
			current[p.point] = append(current[p.point], p)
		}
	}
	labels, err := pointLabels(site)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(labels))
	for p := range labels {
		names[p] = true
	}
	for p := range current {
		names[p] = true
	}
	pairs := make([]PhotoPair, 0, len(names))
	for point := range names {
		pair := PhotoPair{Point: point, Label: labels[point], Current: current[point]}
		if pair.Current == nil {
			pair.Current = []PhotoView{}
		}
		earlier, err := f.earlierPhoto(ctx, who, earlierThan{r.Scope, r.ID, startOf(r)}, point)
		if err != nil {
			return nil, err
		}
		pair.Previous = wireOne(earlier)
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b PhotoPair) int { return strings.Compare(a.Point, b.Point) })
	return pairs, nil
}

// mostPayments of one project are added up.
const mostPayments = 5000

// works compares what was paid with what was built. What was paid is told to who may read the payments.
func (f *Flow) works(ctx context.Context, who *access.Actor, project *field.Record) (*Works, error) {
	w := worksOf(project, f.now())
	var budget float64
	ledger := field.LedgerScope(field.ProjectID(project.ID))
	head, err := f.store.Head(ctx, ledger)
	if field.Is(err, field.CodeNotFound) || err == nil && !access.MayRead(who, ledger, head.Info) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	if project.Decode("budget", &budget) != nil || budget <= 0 {
		return w, nil
	}
	payments, whole, err := f.all(ctx, who, store.Query{Scope: ledger, Kinds: []field.Kind{field.KindPayment}}, mostPayments)
	if err != nil || !whole {
		return w, err
	}
	paid := 0.0
	for _, p := range payments {
		var amount float64
		if err := p.Decode("amount", &amount); err != nil {
			return nil, err
		}
		paid += amount
	}
	w.PaidPercent = percent(paid, budget)
	return w, nil
}

func worksOf(project *field.Record, now time.Time) *Works {
	var w Works
	var milestones []struct {
		Planned, Actual string
		Weight          float64
	}
	if project.Decode("milestones", &milestones) == nil {
		today := field.DayOf(now)
		var whole, built, planned float64
		for _, m := range milestones {
			whole += m.Weight
			if m.Actual != "" && m.Actual <= today {
				built += m.Weight
			}
			if m.Planned != "" && m.Planned <= today {
				planned += m.Weight
			}
		}
		if whole > 0 {
			w.BuiltPercent, w.PlannedPercent = percent(built, whole), percent(planned, whole)
		}
	}
	return &w
}

func percent(part, whole float64) *float64 {
	p := math.Round(1000*part/whole) / 10
	return &p
}
