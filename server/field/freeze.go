package field

import "slices"

// A photo, an interview and a finding are parts of a report when they name one, and freeze with it: what its reviewer
// has read, or approved, does not change behind him. Until it is handed in, and again when it was returned, they are
// their authors' to change, also while it is queued and waits for its photos. From the moment when it is handed in they
// stay as they are, and what is added is marked and told to who reviews it. Once it is approved, archived or voided
// nothing is added any more. What a phone sends all the same is kept and shown with the report (docs/sync.md).

// Changeable says why fields of a record may not be set now: because of its state, or of that of the report that it is
// a part of. CodeNotEditable, CodePartFrozen.
func (s *Spec) Changeable(look Lookup, r *Record) error {
	if !s.EditableIn(r.State) {
		return Refuse(CodeNotEditable, "")
	}
	report, err := s.reportOf(look, r)
	if err == nil && report != nil && frozen(r, report) {
		err = Refuse(CodePartFrozen, "")
	}
	return err
}

// reportOf is the report that a record is a part of; nil for one that is no part, and for one that has not arrived.
func (s *Spec) reportOf(look Lookup, r *Record) (*Record, error) {
	if s.Part == "" {
		return nil, nil
	}
	return ReportOf(look, r)
}

// over reports whether a report takes no more parts.
func over(report *Record) bool {
	return report.State == ReportApproved || report.State == ReportArchived || report.State == StateVoided
}

// waits reports whether a report lies with who reviews it.
func waits(report *Record) bool {
	return report.State == ReportSubmitted || report.State == ReportResubmitted || report.State == ReportUnderReview
}

// frozen reports whether a part of a report is out of its author's hands. A photo whose bytes have not arrived is none
// that anybody has reviewed: it was added, and can be corrected or taken back until the report is approved.
func frozen(part, report *Record) bool {
	return over(report) || waits(report) && part.State != PhotoDeclared
}

// partAdded runs when a part is made. One that comes after its report was handed in says so, and who reviews it is
// told.
func partAdded(c *Case) error {
	report, err := KindOf(c.Record.Kind).reportOf(c.Look, c.Record)
	if err != nil || report == nil {
		return err
	}
	if over(report) && !c.Who.Server {
		return Refuse(CodePartFrozen, "")
	}
	if report.Fields["submittedAt"] == nil {
		return nil
	}
	c.Set("afterSubmission", true)
	if waits(report) {
		c.tellReviewer(report, Notice{Type: "info", ZH: "您审核的报告在提交后有补充内容。", EN: "Something was added to a report under your review after it was handed in."})
	}
	return nil
}

// tellReviewer puts a notice about a report into the inbox of who reviews it, unless that is who acts.
func (c *Case) tellReviewer(report *Record, n Notice) {
	if reviewer := UserID(report.Text("reviewer")); reviewer != "" && reviewer != c.Who.User {
		c.NotifyAbout(reviewer, report, n)
	}
}

// tellOfKept tells who reviews a report that something was sent for it which could not be applied and is kept.
func tellOfKept(c *Case) {
	c.tellReviewer(c.Record, Notice{Type: "parked", ZH: "有人为您审核的报告发来内容，未予采用，已留存待查。", EN: "Something was sent for a report that you review. It was not applied and is kept."})
}

// partVoid takes a part out of view: for its people until the report is handed in, for who has the action "void_others"
// until it is approved. What the desk has built on it is asked about again.
func partVoid(from ...State) Command {
	cmd := ownVoid(nil, from...)
	void := cmd.Do
	cmd.Do = func(c *Case) error {
		before, err := c.Look.Get(c.Record.ID)
		if err != nil || before == nil {
			return err
		}
		report, err := ReportOf(c.Look, before)
		if err != nil {
			return err
		}
		if report != nil && !c.Who.Server {
			theirs := before.Author == c.Who.User || slices.Contains(Involved(report), c.Who.User)
			if theirs && frozen(before, report) || over(report) && report.State != StateVoided {
				return Refuse(CodePartFrozen, "")
			}
		}
		resting, err := RestingOn(c.Look, c.Record)
		if err != nil {
			return err
		}
		if err := void(c); err != nil || !resting.Matters() {
			return err
		}
		return groundMoved(c, resting, causeVoided, c.Arg("reason"))
	}
	return cmd
}

// afterSubmission marks a part that came after its report was handed in.
var afterSubmission = Field{Name: "afterSubmission", Type: Bool, Server: true, ZH: "提交后补充", EN: "added after the report was handed in"}
