package field

import "fmt"

// reviewSpec is a question that the server puts about a record whose ground has moved: a photo on which it rests was
// discredited. It lives beside the record that it asks about, so that whoever decides about a clue sees it there.
var reviewSpec = &Spec{
	Kind: KindReview, ZH: "复核事项", EN: "review item", ServerOK: true,
	Initial: "open", States: []Choice{{Code: "open", ZH: "待复核", EN: "open"}, {Code: "decided", ZH: "已复核", EN: "decided"}},
	Fields: []Field{
		{Name: "recordId", Type: ID, Required: true, Server: true, Key: true, ZH: "对象", EN: "record to review"},
		{Name: "recordKind", Type: Text, Max: 40, Required: true, Server: true, Key: true, ZH: "类型", EN: "kind of that record"},
		{Name: "cause", Type: Enum, Choices: reviewCauses, Required: true, Server: true, Key: true, ZH: "起因", EN: "what it is about"},
		{Name: "photoId", Type: ID, Of: KindPhoto, Server: true, Key: true, ZH: "照片", EN: "photo"},
		{Name: "reason", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason that was given"},
		{Name: "zh", Type: Text, Max: 1000, Server: true, ZH: "说明", EN: "sentence in Chinese"},
		{Name: "en", Type: Text, Max: 1000, Server: true, ZH: "英文说明", EN: "sentence in English"},
		{Name: "decision", Type: Enum, Choices: reviewDecisions, Server: true, Key: true, ZH: "结论", EN: "decision"},
		{Name: "decisionReason", Type: Text, Max: 1000, Server: true, ZH: "结论理由", EN: "reason of the decision"},
		{Name: "decidedBy", Type: ID, Of: KindPerson, Server: true, ZH: "复核人", EN: "decided by"},
	},
	Commands: []Command{{
		Name: "decide", ZH: "作出结论", EN: "decide", From: []State{"open"}, To: "decided",
		Args: []Field{{Name: "decision", Type: Enum, Choices: reviewDecisions, Required: true}, reason},
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
}

// notItsAuthor refuses those who made a record, who wrote the report that it belongs to, or who handle it.
func notItsAuthor(c *Case, r *Record) error {
	report := r
	if r.Kind != KindReport {
		var err error
		if report, err = ReportOf(c.Look, r); err != nil {
			return err
		}
	}
	authors := []UserID{r.Author, UserID(r.Text("handler"))}
	if report != nil {
		authors = append(authors, Authors(report)...)
	}
	for _, a := range authors {
		if a != "" && a == c.Who.User {
			return Refuse(CodeReviewerIsAuthor, "")
		}
	}
	return nil
}

// discreditPhoto marks a photo as one that no longer proves anything, and asks about everything that rests on it, in the
// same commit and wherever that lives: its report, the findings that name it, the revisits that were answered with its
// report, and the clues that it or such a finding is linked to. The photo stays to be seen.
func discreditPhoto(c *Case) error {
	if Discredited(c.Record) {
		return Refuse(CodeNotNow, "The photo is discredited already.")
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
	for _, l := range resting.Links {
		c.Effect(Effect{ID: l.ID, Kind: KindLink, Scope: l.Scope, Set: map[string]Value{"discredited": Quote(true)}})
	}
	for _, r := range resting.Records {
		spec := KindOf(r.Kind)
		c.Effect(Effect{
			ID: DeriveID(c.Now, "review", string(c.Record.ID), string(r.ID)), Kind: KindReview, Scope: r.Scope, Make: true, Set: map[string]Value{
				"recordId": Quote(r.ID), "recordKind": Quote(r.Kind), "cause": Quote("photo_discredited"), "photoId": Quote(c.Record.ID), "reason": Quote(why),
				"zh": Quote(fmt.Sprintf("此%s所依据的一张照片已被认定不可采信，请复核其是否仍然成立。", spec.ZH)),
				"en": Quote(fmt.Sprintf("A photo on which this %s rests was discredited. Say whether the %s still stands.", spec.EN, spec.EN)),
			},
		})
		if h := UserID(r.Text("handler")); h != "" {
			c.Notify(h, Notice{Type: "info", ZH: "您承办的问题线索所依据的一张照片已被认定不可采信。", EN: "A photo on which a clue that you handle rests was discredited."})
		}
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

// Resting is what rests on a photo.
type Resting struct {
	Links   []*Record // evidence links that lead to it and are not withdrawn
	Records []*Record // its report, findings, answered revisits and clues, in this order, each once
}

// RestingOn finds what rests on a photo, wherever it lives.
func RestingOn(look Lookup, photo *Record) (Resting, error) {
	var out Resting
	seen := map[RecordID]bool{}
	add := func(r *Record) {
		if r != nil && !r.Deleted && !seen[r.ID] {
			seen[r.ID] = true
			out.Records = append(out.Records, r)
		}
	}
	var clues []RecordID
	linked := func(target RecordID) ([]*Record, error) {
		links, err := look.Find(KindLink, KeyFor("targetId", target))
		var live []*Record
		for _, l := range links {
			if l.State != LinkWithdrawn {
				live = append(live, l)
				clues = append(clues, RecordID(l.Text("clueId")))
			}
		}
		return live, err
	}
	report, err := ReportOf(look, photo)
	if err != nil {
		return out, err
	}
	add(report)
	if out.Links, err = linked(photo.ID); err != nil {
		return out, err
	}
	findings, err := look.FindIn(photo.Scope, KindFinding, KeyFor("evidence", photo.ID))
	if err != nil {
		return out, err
	}
	for _, f := range findings {
		add(f)
		clues = append(clues, RecordID(f.Text("clueId")))
		if _, err := linked(f.ID); err != nil {
			return out, err
		}
	}
	if report != nil {
		revisits, err := look.FindIn(photo.Scope, KindRevisit, KeyFor("siteId", photo.Text("siteId")))
		if err != nil {
			return out, err
		}
		for _, r := range revisits {
			if r.Text("reportId") == string(report.ID) {
				add(r)
			}
		}
	}
	for _, id := range clues {
		clue, err := look.Get(id)
		if err != nil {
			return out, err
		}
		if clue != nil && clue.State != StateVoided {
			add(clue)
		}
	}
	return out, nil
}
