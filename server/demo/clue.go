package demo

import (
	"context"
	"fmt"
	"net/http"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// makeClue turns the finding of a visit into a clue: classified by the supervisor, numbered and assigned by the clue
// manager, who confirms the evidence that came with it.
func (d *demo) makeClue(ctx context.Context, v visit, name string, people map[string]field.UserID) error {
	clue := d.id(name)
	err := d.desk(supervisor).click(ctx, "classify "+v.name, "/v1/findings", d.id(v.problem()), "classify",
		object{"class": "clue", "violation": v.finding.violation, "reason": "涉嫌违纪，移送案管室", "clueId": clue}, field.FindingClassified, field.StateClosed)
	if err != nil {
		return err
	}
	k := d.desk(clues)
	if err := k.click(ctx, "register "+name, "/v1/clues", clue, "register", nil, field.ClueRegistered, field.ClueAssigned); err != nil {
		return err
	}
	if err := k.click(ctx, "assign "+name, "/v1/clues", clue, "assign", object{"handler": people[handler]}, field.ClueAssigned); err != nil {
		return err
	}
	links, err := d.links(ctx, clue)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := k.click(ctx, "confirm "+string(l.ID), "/v1/links", l.ID, "confirm", nil, field.LinkConfirmed); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) links(ctx context.Context, clue field.RecordID) ([]protocol.PulledRecord, error) {
	var links page[protocol.PulledRecord]
	err := d.desk(clues).get(ctx, "/v1/clues/"+string(clue)+"/links?limit=100", &links)
	return links.Items, err
}

// closeClue goes the rest of the way: proposal, approval, handling, report, end.
func (d *demo) closeClue(ctx context.Context, name string) error {
	id := d.id(name)
	h, l := d.desk(handler), d.desk(leader)
	for _, c := range []struct {
		by      *desk
		command string
		args    object
		to      field.State
	}{
		{h, "propose", object{"disposition": "inquiry", "reason": "金额已查清，拟谈话函询"}, field.ClueProposed},
		{l, "approve", nil, field.ClueApproved},
		{h, "handle", nil, field.ClueHandling},
		{h, "report", object{"outcome": "当事人作出说明并承诺退回款项"}, field.ClueReported},
		{l, "close", object{"reason": "同意了结，纳入回头看"}, field.StateClosed},
	} {
		if err := c.by.click(ctx, c.command+" "+name, "/v1/clues", id, c.command, c.args, c.to); err != nil {
			return err
		}
	}
	return nil
}

// playClue makes the day's gravest finding a clue and shows what rests on one photo.
func (d *demo) playClue(ctx context.Context, people map[string]field.UserID) error {
	first, _ := d.today()
	coop := first[0]
	const name = "clue of the cooperative"
	if err := d.makeClue(ctx, coop, name, people); err != nil {
		return err
	}
	k, clue := d.desk(clues), d.id(name)
	table := d.id(coop.photo(2))
	err := once(d, "link the table", func() error {
		return k.ask(ctx, http.MethodPost, "/v1/clues/"+string(clue)+"/links", "link the table", object{
			"id": d.id("link of the table"), "targetKind": "photo", "targetId": table, "relation": "identifies", "why": "公示表上三户对应同一行签收",
		}, nil)
	})
	if err != nil {
		return err
	}
	return once(d, "the clue is shown", func() error { return d.showClue(ctx, k, clue, d.id(coop.photo(0))) })
}

func (d *demo) showClue(ctx context.Context, k *desk, clue, photo field.RecordID) error {
	r, err := k.record(ctx, clue)
	if err != nil {
		return err
	}
	what, err := fieldsOf[struct{ Number, Title string }](r)
	if err != nil {
		return err
	}
	links, err := d.links(ctx, clue)
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, l := range links {
		of, err := fieldsOf[struct{ TargetKind string }](l)
		if err != nil {
			return err
		}
		kinds[of.TargetKind]++
	}
	if kinds["report"] == 0 || kinds["photo"] == 0 || kinds["interview"] == 0 {
		return fmt.Errorf("report, photo and interview should be linked to the clue; linked are %v", kinds)
	}
	d.say("   线索 %s %s: linked are %d report, %d photos, %d interviews, %d finding", what.Number, what.Title, kinds["report"], kinds["photo"], kinds["interview"], kinds["finding"])
	var impact struct {
		Findings []protocol.PulledRecord `json:"findings"`
		Links    []protocol.PulledRecord `json:"links"`
		Clues    []struct {
			ClueID      field.RecordID `json:"clueId"`
			Independent bool           `json:"independent"`
		} `json:"clues"`
	}
	if err := k.get(ctx, "/v1/photos/"+string(photo)+"/impact", &impact); err != nil {
		return err
	}
	if len(impact.Findings) != 1 || len(impact.Clues) != 1 || impact.Clues[0].ClueID != clue {
		return fmt.Errorf("on the photo rest %d findings and %d clues", len(impact.Findings), len(impact.Clues))
	}
	alone := "the clue stands without it too"
	if !impact.Clues[0].Independent {
		alone = "without it the clue has no support"
	}
	d.say("   这张照片支撑着什么 · what rests on photo %s: %d finding, %d evidence link, %d clue; %s", photo[len(photo)-6:], len(impact.Findings), len(impact.Links), len(impact.Clues), alone)
	return nil
}
