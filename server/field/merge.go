package field

import "slices"

// Clues are merged (并案) when they are one matter. The one that is merged ends, and whatever referred to it refers
// from then on to the one that goes on: its evidence, the finding that it came from, the questions that are open about
// it. If the other is voided, the clues that were merged into it are clues again.

// mostMerged is how far a chain of clues that were merged into each other is followed.
const mostMerged = 20

// goesOn reports whether a clue has not come to its end.
func goesOn(clue *Record) bool {
	switch clue.State {
	case StateClosed, ClueFiled, ClueMerged, StateVoided, ClueTransferred:
		return false
	}
	return !clue.Deleted
}

// mergeClue ends a clue in favour of another one of the same organisation that goes on. The other one is written in the
// same commit, so of two that are merged into each other at the same moment the second is refused.
func mergeClue(c *Case) error {
	other, err := c.See(RecordID(c.Arg("into")))
	if err != nil {
		return err
	}
	if other == nil || other.Kind != KindClue || other.ID == c.Record.ID || other.Info.Owner() != c.Record.Info.Owner() {
		return Refuse(CodeUnknownRecord, "There is no such clue to merge into.").InChinese("没有可并入的该问题线索。")
	}
	if other.State == ClueMerged {
		return Refuse(CodeClueEnded, "That clue was itself merged, into %s. Merge into a clue that goes on.", other.Text("mergedInto")).
			InChinese("该问题线索本身已并入 %s，请并入仍在办理的线索。", other.Text("mergedInto"))
	}
	if !goesOn(other) {
		return Refuse(CodeClueEnded, "That clue is %s. Merge into a clue that goes on.", other.State).
			InChinese("该问题线索的状态为“%s”，请并入仍在办理的线索。", other.StateZH())
	}
	c.Set("mergedInto", other.ID)
	c.Effect(Effect{ID: other.ID, Kind: KindClue, Scope: other.Scope, Set: map[string]Value{
		"mergedFrom":     Quote(append(other.Texts("mergedFrom"), string(c.Record.ID))),
		"formerHandlers": handledBy(other, c.Record),
	}})
	if err := moveLinks(c, other); err != nil {
		return err
	}
	if err := moveReviews(c, other); err != nil {
		return err
	}
	if err := c.leadFindings(c.Record.ID, other.ID); err != nil {
		return err
	}
	if h := UserID(other.Text("handler")); h != "" && h != c.Who.User {
		c.NotifyAbout(h, other, Notice{Type: "info", ZH: "另一件问题线索已并入您承办的线索。", EN: "Another clue was merged into one that you handle."})
	}
	return endHandling(c)
}

// handledBy lists who has handled one of two clues and does not now: none of them closes what the two have become.
func handledBy(clue, merged *Record) Value {
	list := users(clue, "formerHandlers")
	for _, u := range append(users(merged, "formerHandlers"), UserID(merged.Text("handler"))) {
		if u != "" && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return Quote(list)
}

// moveLinks takes the evidence of the case's clue along to another one. What that has already it does not get twice.
func moveLinks(c *Case, other *Record) error {
	links, err := c.Look.In(c.Record.Scope, KindLink)
	if err != nil {
		return err
	}
	has, err := c.Look.In(other.Scope, KindLink)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.State == LinkWithdrawn {
			continue
		}
		c.Effect(Effect{ID: l.ID, Kind: KindLink, Scope: l.Scope, State: LinkWithdrawn, Set: map[string]Value{
			"movedTo": Quote(other.ID), "withdrawReason": Quote("随线索并案转入 / went with its clue into " + string(other.ID)),
		}})
		if slices.ContainsFunc(has, func(h *Record) bool {
			return h.State != LinkWithdrawn && h.Text("targetId") == l.Text("targetId") && h.Text("relation") == l.Text("relation")
		}) {
			continue
		}
		set := map[string]Value{"clueId": Quote(other.ID)}
		for _, name := range []string{"targetKind", "targetId", "targetScope", "relation", "why", "discredited"} {
			if v := l.Fields[name]; v != nil {
				set[name] = v
			}
		}
		c.Effect(Effect{ID: DeriveID(c.Now, "link", string(other.ID), string(l.ID)), Kind: KindLink, Scope: other.Scope, Make: true, State: l.State, Set: set})
	}
	return nil
}

// moveReviews puts the open questions about the case's clue about another one: who decides about that has to answer
// them.
func moveReviews(c *Case, other *Record) error {
	open, err := c.Look.FindIn(c.Record.Scope, KindReview, KeyFor("recordId", c.Record.ID))
	if err != nil {
		return err
	}
	for _, r := range open {
		if r.State != StateOpen {
			continue
		}
		c.Effect(Effect{ID: r.ID, Kind: KindReview, Scope: r.Scope, State: ReviewMoved})
		set := map[string]Value{"recordId": Quote(other.ID)}
		for _, name := range []string{"recordKind", "cause", "evidenceId", "photoId", "reason", "zh", "en"} {
			if v := r.Fields[name]; v != nil {
				set[name] = v
			}
		}
		c.Effect(Effect{ID: DeriveID(c.Now, "review", string(r.ID), string(other.ID)), Kind: KindReview, Scope: other.Scope, Make: true, Set: set})
	}
	return nil
}

// leadFindings lets the findings that lead to one clue lead to another.
func (c *Case) leadFindings(from, to RecordID) error {
	findings, err := c.Look.Find(KindFinding, KeyFor("clueId", from))
	for _, f := range findings {
		c.Effect(Effect{ID: f.ID, Kind: KindFinding, Scope: f.Scope, Set: map[string]Value{"clueId": Quote(to)}})
	}
	return err
}

// voidClue takes a clue out of view. The clues that were merged into it are clues again, as they were, and the one who
// classifies findings is told of those that led to it.
func voidClue(from ...State) Command {
	cmd := void(from...)
	plain := cmd.Do
	cmd.Do = func(c *Case) error {
		if err := plain(c); err != nil {
			return err
		}
		var back []string // the findings that lead to another clue again
		for _, id := range c.Record.Texts("mergedFrom") {
			finding, err := unmerge(c, RecordID(id))
			if err != nil {
				return err
			}
			back = append(back, finding)
		}
		findings, err := c.Look.Find(KindFinding, KeyFor("clueId", c.Record.ID))
		if err != nil {
			return err
		}
		for _, f := range findings {
			if slices.Contains(back, string(f.ID)) || f.State != FindingClassified {
				continue
			}
			if err := c.NotifyRole(f.Info.Owner(), RoleSupervisor, Notice{
				Type: "info", ZH: "由发现问题转来的一件线索已作废；如问题仍然成立，请重新打开并分类。", EN: "A clue that was made from a finding was voided. If the finding stands, open it again and classify it.",
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// unmerge makes a clue that was merged into the case's one a clue again, with its evidence and its finding, which it
// returns.
func unmerge(c *Case, id RecordID) (finding string, err error) {
	clue, err := c.Look.Get(id)
	if err != nil || clue == nil || clue.State != ClueMerged || clue.Text("mergedInto") != string(c.Record.ID) {
		return "", err
	}
	back := ReopenedClue(clue)
	if clue.Text("number") == "" {
		back = ClueReceived
	}
	c.Effect(Effect{ID: clue.ID, Kind: KindClue, Scope: clue.Scope, State: back, Set: map[string]Value{
		"mergedInto": nil, "reopened": Quote(clue.Int("reopened") + 1), "reopenedBy": Quote("并入的线索已作废 / the clue it was merged into was voided"),
	}})
	links, err := c.Look.In(clue.Scope, KindLink)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if l.State == LinkWithdrawn && l.Text("movedTo") == string(c.Record.ID) {
			c.Effect(Effect{ID: l.ID, Kind: KindLink, Scope: l.Scope, State: LinkProposed, Set: map[string]Value{"movedTo": nil, "withdrawReason": nil}})
		}
	}
	if err := backToHandler(c, clue); err != nil {
		return "", err
	}
	found, err := c.Look.Get(RecordID(clue.Text("findingId")))
	if err != nil || found == nil || found.Text("clueId") != string(c.Record.ID) {
		return "", err
	}
	c.Effect(Effect{ID: found.ID, Kind: KindFinding, Scope: found.Scope, Set: map[string]Value{"clueId": Quote(clue.ID)}})
	return string(found.ID), nil
}
