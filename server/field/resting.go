package field

import "fmt"

// cause is why the ground of a record has moved.
type cause string

const (
	causeDiscredited cause = "photo_discredited"
	causeVoided      cause = "evidence_voided"
	causeDismissed   cause = "finding_dismissed"
	causeWithdrawn   cause = "report_voided"
)

// sentences say to who is asked about a record what has become of the evidence under it.
func (w cause) sentences(about, evidence *Spec) (zh, en string) {
	switch w {
	case causeDiscredited:
		return fmt.Sprintf("此%s所依据的一张照片已被认定不可采信，请复核该%s是否仍然成立。", about.ZH, about.ZH),
			fmt.Sprintf("A photo on which this %s rests was discredited. Say whether the %s still stands.", about.EN, about.EN)
	case causeDismissed:
		return fmt.Sprintf("此%s来源的发现问题已重新分类，不再作为问题线索，请复核该%s是否仍然成立。", about.ZH, about.ZH),
			fmt.Sprintf("The finding from which this %s came was classified anew, as no clue. Say whether the %s still stands.", about.EN, about.EN)
	case causeWithdrawn:
		return "此报告在提交后已被其作者一方作废，请复核。", "This report was voided by its own side after it was handed in. Say what is to be thought of it."
	}
	return fmt.Sprintf("此%s所依据的%s已作废，请复核该%s是否仍然成立。", about.ZH, evidence.ZH, about.ZH),
		fmt.Sprintf("Of what this %s rests on, one %s was voided. Say whether the %s still stands.", about.EN, evidence.EN, about.EN)
}

// toHandler is what the handler of a clue is told.
func (w cause) toHandler(evidence *Spec) Notice {
	switch w {
	case causeDiscredited:
		return Notice{Type: "info", ZH: "您承办的问题线索所依据的一张照片已被认定不可采信。", EN: "A photo on which a clue that you handle rests was discredited."}
	case causeDismissed:
		return Notice{Type: "info", ZH: "您承办的问题线索，其来源的发现问题已重新分类，不再作为问题线索。", EN: "The finding from which a clue that you handle came was classified anew, as no clue."}
	}
	return Notice{
		Type: "info", ZH: fmt.Sprintf("您承办的问题线索所依据的%s已作废。", evidence.ZH),
		EN: fmt.Sprintf("Of what a clue that you handle rests on, one %s was voided.", evidence.EN),
	}
}

// groundMoved asks about everything that rests on the case's record, in the same commit and wherever that lives, because it no
// longer counts: links to it say so, each record gets a review item beside it, and handlers are told; of a clue that nobody
// handles, those who manage clues.
func groundMoved(c *Case, resting Resting, because cause, why string) error {
	evidence := KindOf(c.Record.Kind)
	for _, l := range resting.Links {
		c.Effect(Effect{ID: l.ID, Kind: KindLink, Scope: l.Scope, Set: map[string]Value{"discredited": Quote(true)}})
	}
	for _, r := range resting.Records {
		ask(c, r, because, why)
		if r.Kind != KindClue {
			continue
		}
		if h := UserID(r.Text("handler")); h != "" {
			c.Notify(h, because.toHandler(evidence))
		} else if err := c.NotifyRole(r.Info.Owner(), RoleClueManager, Notice{
			Type: "info", ZH: "一件未分办的问题线索，其依据有变动，请复核。", EN: "The ground of a clue that nobody handles yet has moved. Look at it.",
		}); err != nil {
			return err
		}
	}
	return nil
}

// ask puts the question about a record beside it.
func ask(c *Case, about *Record, because cause, why string) {
	zh, en := because.sentences(KindOf(about.Kind), KindOf(c.Record.Kind))
	set := map[string]Value{
		"recordId": Quote(about.ID), "recordKind": Quote(about.Kind), "cause": Quote(because), "reason": Quote(why), "zh": Quote(zh), "en": Quote(en),
		"evidenceId": Quote(c.Record.ID),
	}
	if c.Record.Kind == KindPhoto {
		set["photoId"] = Quote(c.Record.ID)
	}
	c.Effect(Effect{ID: DeriveID(c.Now, "review", string(c.Record.ID), string(about.ID)), Kind: KindReview, Scope: about.Scope, Make: true, Set: set})
}

// Resting is what rests on a piece of evidence.
type Resting struct {
	Links   []*Record // evidence links that lead to it and are not withdrawn
	Records []*Record // its report, findings, answered revisits and clues, in this order, each once
}

// Matters reports whether the desk has built on it: a clue or a link leads to it, a finding that rests on it was classified, or a
// revisit was ended with it. What lies with its authors alone is theirs to take back.
func (r Resting) Matters() bool {
	for _, x := range r.Records {
		if x.Kind == KindClue || x.Kind == KindFinding && x.State != StateOpen || x.Kind == KindRevisit && x.State == RevisitDone {
			return true
		}
	}
	return len(r.Links) > 0
}

// RestingOn finds what rests on a photo, an interview, a finding or a report, wherever it lives. On a report rests what rests on
// one of its parts.
func RestingOn(look Lookup, evidence *Record) (Resting, error) {
	w := resting{look: look, seen: map[RecordID]bool{}}
	err := w.evidence(evidence)
	if err == nil {
		err = w.clues()
	}
	return w.Resting, err
}

type resting struct {
	Resting
	look Lookup
	seen map[RecordID]bool
	ids  []RecordID // of clues
}

func (w *resting) add(r *Record) {
	if r != nil && !r.Deleted && !w.seen[r.ID] {
		w.seen[r.ID] = true
		w.Records = append(w.Records, r)
	}
}

func (w *resting) evidence(e *Record) error {
	switch e.Kind {
	case KindReport:
		return w.report(e)
	case KindFinding:
		return w.finding(e, true)
	}
	report, err := ReportOf(w.look, e)
	if err != nil {
		return err
	}
	w.add(report)
	if err := w.linked(e.ID, true); err != nil {
		return err
	}
	findings, err := w.look.FindIn(e.Scope, KindFinding, KeyFor("evidence", e.ID))
	if err != nil {
		return err
	}
	for _, f := range findings {
		w.add(f)
		if err := w.finding(f, false); err != nil {
			return err
		}
	}
	if report != nil {
		return w.revisits(report)
	}
	return nil
}

// report adds what rests on a report or on its parts, and of the findings in it those that were classified.
func (w *resting) report(report *Record) error {
	if err := w.linked(report.ID, true); err != nil {
		return err
	}
	for _, kind := range []Kind{KindFinding, KindPhoto, KindInterview} {
		parts, err := PartsOf(w.look, kind, report)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if kind != KindFinding {
				err = w.linked(p.ID, true)
			} else {
				err = w.finding(p, true)
				if p.State != StateOpen {
					w.add(p)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return w.revisits(report)
}

// finding notes the clues that a finding leads to. own: it is itself the evidence, and links to it count as such.
func (w *resting) finding(f *Record, own bool) error {
	w.ids = append(w.ids, RecordID(f.Text("clueId")))
	return w.linked(f.ID, own)
}

// linked notes the clues to which something is linked. own: the links are part of what was asked for.
func (w *resting) linked(target RecordID, own bool) error {
	links, err := w.look.Find(KindLink, KeyFor("targetId", target))
	for _, l := range links {
		if l.State == LinkWithdrawn {
			continue
		}
		w.ids = append(w.ids, RecordID(l.Text("clueId")))
		if own {
			w.Links = append(w.Links, l)
		}
	}
	return err
}

func (w *resting) revisits(report *Record) error {
	tasks, err := w.look.FindIn(report.Scope, KindRevisit, KeyFor("siteId", report.Text("siteId")))
	for _, r := range tasks {
		if r.Text("reportId") == string(report.ID) {
			w.add(r)
		}
	}
	return err
}

func (w *resting) clues() error {
	for _, id := range w.ids {
		clue, err := StandingClue(w.look, id)
		if err != nil {
			return err
		}
		if clue != nil && clue.State != StateVoided {
			w.add(clue)
		}
	}
	return nil
}
