package field

import "slices"

// States of a question; it begins open.
const (
	ReviewDecided State = "decided"
	ReviewMoved   State = "moved" // the clue that it is about was merged: it is asked about the other one
)

// reviewSpec is a question that the server puts about a record whose ground has moved: a photo on which it rests was
// discredited, evidence was voided. It lives beside the record that it asks about, so that the person who decides about
// a clue sees it there.
var reviewSpec = &Spec{
	Kind: KindReview, ZH: "复核事项", EN: "review item", Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: StateOpen, States: []Choice{
		{Code: "open", ZH: "待复核", EN: "open"}, {Code: "decided", ZH: "已复核", EN: "decided"}, {Code: "moved", ZH: "随并案转出", EN: "asked about the clue into which this one was merged"},
	},
	Fields: []Field{
		{Name: "recordId", Type: ID, Required: true, Server: true, Key: true, ZH: "对象", EN: "record to review"},
		{Name: "recordKind", Type: Text, Max: 40, Required: true, Server: true, Key: true, ZH: "类型", EN: "kind of that record"},
		{Name: "cause", Type: Enum, Choices: reviewCauses, Required: true, Server: true, Key: true, ZH: "起因", EN: "what it is about"},
		{Name: "evidenceId", Type: ID, Server: true, Key: true, ZH: "证据", EN: "what no longer counts"},
		{Name: "photoId", Type: ID, Of: KindPhoto, Evidence: OnlyNamed, Server: true, Key: true, ZH: "照片", EN: "photo, if it is one"},
		{Name: "reason", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason that was given"},
		{Name: "zh", Type: Text, Max: 1000, Server: true, ZH: "说明", EN: "sentence in Chinese"},
		{Name: "en", Type: Text, Max: 1000, Server: true, ZH: "英文说明", EN: "sentence in English"},
		{Name: "decision", Type: Enum, Choices: reviewDecisions, Server: true, Key: true, ZH: "结论", EN: "decision"},
		{Name: "decisionReason", Type: Text, Max: 1000, Server: true, ZH: "结论理由", EN: "reason of the decision"},
		{Name: "decidedBy", Type: ID, Of: KindPerson, Server: true, ZH: "复核人", EN: "decided by"},
	},
	Commands: []Command{{
		Name: "decide", ZH: "作出结论", EN: "decide", From: []State{StateOpen}, To: ReviewDecided,
		Args: []Field{{Name: "decision", Type: Enum, Choices: reviewDecisions, Required: true, ZH: "处置", EN: "decision"}, reason},
		Do: func(c *Case) error {
			about, err := c.Look.Get(RecordID(c.Record.Text("recordId")))
			if err != nil {
				return err
			}
			if about != nil {
				if err := notItsAuthor(c, about); err != nil {
					return err
				}
			}
			c.Set("decision", c.Arg("decision"))
			c.Set("decisionReason", c.Arg("reason"))
			c.Set("decidedBy", c.Who.User)
			return nil
		},
	}},
	Desk: reviewDesk,
}

// reviewDesk is what the desk offers of it.
var reviewDesk = &Desk{
	Group: "review",
	Filters: []Filter{
		{Name: "state"},
		{Name: "kind", Key: "recordKind", Says: "About records of this kind."},
		{Name: "recordId", Says: "About this record."},
		{Name: "photoId", Says: "Because of this photo."},
	},
	Acts: []Act{
		{Verb: "list", Says: "Review items.", More: "The oldest first."},
		{
			Verb: "decide", Says: "Say whether a record still stands.",
			More:    "The record itself is not changed by it. Who wrote or handles it does not decide.",
			Example: "decision: weakened, reason: 其余照片仍能证明",
		},
	},
}

// notItsAuthor refuses those who made a record, who were ever on the report that it belongs to, or who handle it or
// once did.
func notItsAuthor(c *Case, r *Record) error {
	report := r
	if r.Kind != KindReport {
		var err error
		if report, err = ReportOf(c.Look, r); err != nil {
			return err
		}
	}
	authors := append([]UserID{r.Author, UserID(r.Text("handler"))}, users(r, "formerHandlers")...)
	if report != nil {
		authors = append(authors, Involved(report)...)
	}
	if c.Who.User != "" && slices.Contains(authors, c.Who.User) {
		return Refuse(CodeReviewerIsAuthor, "")
	}
	return nil
}

// discreditPhoto marks a photo as one that no longer proves anything, and asks about everything that rests on it, in
// the same commit and wherever that lives: its report, the findings that name it, the revisits that were answered with
// its report, and the clues that it or such a finding is linked to. The photo stays to be seen.
func discreditPhoto(c *Case) error {
	if Discredited(c.Record) {
		return Refuse(CodeNotNow, "The photo is discredited already.").InChinese("该照片已被认定不可采信。")
	}
	if err := notItsAuthor(c, c.Record); err != nil {
		return err
	}
	why := c.Arg("reason")
	c.Set("discreditedAt", stamp(c.Now))
	c.Set("discreditedBy", c.Who.User)
	c.Set("discreditReason", why)

	resting, err := RestingOn(c.Look, c.Record)
	if err != nil {
		return err
	}
	if err := groundMoved(c, resting, causeDiscredited, why); err != nil {
		return err
	}
	if c.Record.Author != "" {
		c.Notify(c.Record.Author, Notice{Type: "info", ZH: "您的一张照片已被认定不可采信：" + clipTo(why, 300), EN: "A photo of yours was discredited: " + clipTo(why, 300)})
	}
	return nil
}

func clipTo(s string, runes int) string {
	if r := []rune(s); len(r) > runes {
		return string(r[:runes]) + "…"
	}
	return s
}

// Discredited reports whether a photo no longer proves anything.
func Discredited(photo *Record) bool { return photo.Fields["discreditedAt"] != nil }
