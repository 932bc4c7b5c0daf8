package field

import (
	"fmt"
	"slices"
)

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

// toOwner is what those are told who answer for a record.
func (w cause) toOwner(t *Told, about, evidence *Spec) Notice {
	zh, en := fmt.Sprintf(t.ZH, about.ZH), fmt.Sprintf(t.EN, about.EN)
	switch w {
	case causeDiscredited:
		return Notice{Type: "info", ZH: zh + "所依据的一张照片已被认定不可采信。", EN: fmt.Sprintf("A photo on which %s rests was discredited.", en)}
	case causeDismissed:
		return Notice{Type: "info", ZH: zh + "，其来源的发现问题已重新分类，不再作为问题线索。", EN: fmt.Sprintf("The finding from which %s came was classified anew, as no clue.", en)}
	}
	return Notice{Type: "info", ZH: fmt.Sprintf("%s所依据的%s已作废。", zh, evidence.ZH), EN: fmt.Sprintf("Of what %s rests on, one %s was voided.", en, evidence.EN)}
}

// groundMoved asks about everything that rests on the case's record, in the same commit and wherever that lives,
// because it no longer counts: links to it say so, each record gets a review item beside it, and those are told whom
// its kind names (Told).
func groundMoved(c *Case, resting Resting, because cause, why string) error {
	for _, l := range resting.Links {
		c.Effect(Effect{ID: l.ID, Kind: l.Kind, Scope: l.Scope, Set: map[string]Value{"discredited": Quote(true)}})
	}
	for _, r := range resting.Records {
		ask(c, r, because, why)
		if err := KindOf(r.Kind).Told.tell(c, r, because); err != nil {
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
	Records []*Record // its report, what names it as evidence, what was answered with its report, and the cases, in this order, each once
}

// Matters reports whether the desk has built on it: a case or a link leads to it, a finding that rests on it was
// classified, or a revisit was ended with it (the Matters of their kinds). What lies with its authors alone is theirs
// to take back.
func (r Resting) Matters() bool {
	return len(r.Links) > 0 || slices.ContainsFunc(r.Records, func(x *Record) bool {
		s := KindOf(x.Kind)
		return s.Holds != nil || slices.Contains(s.Matters, x.State)
	})
}

// RestingOn finds what rests on a photo, an interview, a finding or a report, wherever it lives. On a report rests what
// rests on one of its parts. What names what stands with the kinds: Part, the Evidence of fields, Ties and Holds.
func RestingOn(look Lookup, evidence *Record) (Resting, error) {
	w := resting{look: look, seen: map[RecordID]bool{}}
	err := w.evidence(evidence)
	if err == nil {
		err = w.cases()
	}
	return w.Resting, err
}

type resting struct {
	Resting
	look Lookup
	seen map[RecordID]bool
	ids  []RecordID // of cases
}

func (w *resting) add(r *Record) {
	if r != nil && !r.Deleted && !w.seen[r.ID] {
		w.seen[r.ID] = true
		w.Records = append(w.Records, r)
	}
}

func (w *resting) evidence(e *Record) error {
	spec := KindOf(e.Kind)
	switch {
	case spec.Filed == FiledVisit:
		return w.report(e)
	case len(spec.rests) > 0:
		return w.conclusion(e, true)
	}
	report, err := ReportOf(w.look, e)
	if err != nil {
		return err
	}
	w.add(report)
	if err := w.linked(e.ID, true); err != nil {
		return err
	}
	for _, on := range Grounds(false) {
		found, err := w.look.FindIn(e.Scope, on.Kind, KeyFor(on.Name, e.ID))
		if err != nil {
			return err
		}
		for _, r := range found {
			w.add(r)
			if err := w.conclusion(r, false); err != nil {
				return err
			}
		}
	}
	if report != nil {
		return w.answered(report)
	}
	return nil
}

// report adds what rests on a report or on its parts, and of the findings in it those that were classified.
func (w *resting) report(report *Record) error {
	if err := w.linked(report.ID, true); err != nil {
		return err
	}
	for _, part := range Parts() {
		found, err := PartsOf(w.look, part.Kind, report)
		if err != nil {
			return err
		}
		for _, p := range found {
			if len(part.rests) == 0 {
				err = w.linked(p.ID, true)
			} else {
				err = w.conclusion(p, true)
				if slices.Contains(part.Matters, p.State) {
					w.add(p)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return w.answered(report)
}

// conclusion notes the cases to which something leads that was concluded from evidence, as a finding is. own: it is
// itself what was asked about, and links to it count as such.
func (w *resting) conclusion(r *Record, own bool) error {
	w.ids = append(w.ids, KindOf(r.Kind).Cases(r)...)
	return w.linked(r.ID, own)
}

// linked notes the cases to which something is linked. own: the links are part of what was asked for.
func (w *resting) linked(target RecordID, own bool) error {
	for _, s := range Tying() {
		links, err := w.look.Find(s.Kind, KeyFor(s.Ties.Evidence, target))
		if err != nil {
			return err
		}
		for _, l := range links {
			if !s.Ties.Stands(l) {
				continue
			}
			which, _ := s.Ties.Of(l)
			w.ids = append(w.ids, which)
			if own {
				w.Links = append(w.Links, l)
			}
		}
	}
	return nil
}

// answered adds what was answered with a report.
func (w *resting) answered(report *Record) error {
	for _, on := range Grounds(true) {
		found, err := w.look.In(report.Scope, on.Kind)
		if err != nil {
			return err
		}
		for _, r := range found {
			if slices.Contains(on.Refs(r.Fields[on.Name]), report.ID) {
				w.add(r)
			}
		}
	}
	return nil
}

func (w *resting) cases() error {
	for _, id := range w.ids {
		r, err := Standing(w.look, id)
		if err != nil {
			return err
		}
		if r != nil && r.State != StateVoided {
			w.add(r)
		}
	}
	return nil
}
