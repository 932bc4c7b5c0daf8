package field

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Unit is one place or household that a campaign may visit: an element of the frame from which the sample is drawn.
type Unit struct {
	Stratum  string     `json:"stratum"`
	SiteID   SiteID     `json:"siteId"`
	Alias    string     `json:"alias,omitempty"`    // of a household that petitioned
	Findings []RecordID `json:"findings,omitempty"` // the problems that were fed back there
	Photos   []RecordID `json:"photos,omitempty"`   // the photos of those problems
	Revisit  RecordID   `json:"revisit,omitempty"`  // the task, once drawn
}

// key names a unit within a frame.
func (u Unit) key() string { return u.Stratum + "\x00" + string(u.SiteID) + "\x00" + u.Alias }

// Stratum is one layer of a campaign: how many of its units are visited.
type Stratum struct {
	Stratum string `json:"stratum"`
	Size    int    `json:"size"`
	Frame   int    `json:"frame"` // how many units there were to draw from
}

// FrameHash is the SHA-256, in hex, of the frame in the order of its keys: stratum, site, alias, one unit a line.
func FrameHash(frame []Unit) string {
	h := sha256.New()
	for _, u := range sortedFrame(frame) {
		_, _ = fmt.Fprintf(h, "%s\t%s\t%s\n", u.Stratum, u.SiteID, u.Alias) // a hash never fails to take bytes
	}
	return hex.EncodeToString(h.Sum(nil))
}

func sortedFrame(frame []Unit) []Unit {
	s := slices.Clone(frame)
	slices.SortFunc(s, func(a, b Unit) int { return strings.Compare(a.key(), b.key()) })
	return s
}

// Draw takes the sample: in each stratum, the units with the smallest SHA-256 of (frame hash, seed, unit). Whoever has
// the frame and the seed draws the same sample again, and nobody can choose a seed after seeing who it favours without
// changing what was published.
func Draw(frame []Unit, seed string, strata []Stratum) []Unit {
	frameHash := FrameHash(frame)
	lot := func(u Unit) string {
		h := sha256.Sum256([]byte(frameHash + "\n" + seed + "\n" + u.key()))
		return hex.EncodeToString(h[:])
	}
	var sample []Unit
	for _, s := range strata {
		var units []Unit
		for _, u := range frame {
			if u.Stratum == s.Stratum {
				units = append(units, u)
			}
		}
		slices.SortFunc(units, func(a, b Unit) int { return strings.Compare(lot(a), lot(b)) })
		sample = append(sample, units[:min(s.Size, len(units))]...)
	}
	return sample
}

var unitFields = []Field{
	{Name: "stratum", Type: Enum, Choices: strata, Required: true},
	{Name: "siteId", Type: ID, Of: KindSite, Required: true},
	{Name: "alias", Type: Text, Max: 40},
	{Name: "findings", Type: ID, Of: KindFinding, List: true},
	{Name: "photos", Type: ID, Of: KindPhoto, List: true},
	{Name: "revisit", Type: ID, Of: KindRevisit},
}

var campaignSpec = &Spec{
	Kind: KindCampaign, ZH: "回头看", EN: "revisit campaign", Home: ScopeCampaign,
	Initial: StateDraft,
	States: []Choice{
		{Code: "draft", ZH: "草稿", EN: "draft"},
		{Code: "approved", ZH: "已批准", EN: "approved"},
		{Code: "running", ZH: "进行中", EN: "running"},
		{Code: "closing", ZH: "收尾", EN: "closing"},
		{Code: "reported", ZH: "已报告", EN: "reported"},
	},
	Editable: []State{StateDraft},
	Fields: []Field{
		{Name: "title", Type: Text, Required: true, ZH: "标题", EN: "title"},
		{Name: "from", Type: Date, Required: true, ZH: "开始", EN: "from"},
		{Name: "to", Type: Date, Required: true, ZH: "结束", EN: "to"},
		{Name: "templateId", Type: ID, Of: KindTemplate, Required: true, ZH: "模板", EN: "template"},
		{Name: "strata", Type: Object, List: true, Items: 3, Required: true, ZH: "层", EN: "strata", Fields: []Field{
			{Name: "stratum", Type: Enum, Choices: strata, Required: true},
			{Name: "size", Type: Integer, Low: 0, High: 10_000, Required: true},
			{Name: "frame", Type: Integer, Low: 0, High: 1e7},
		}},
		{Name: "seed", Type: Text, Max: 100, Server: true, ZH: "随机种子", EN: "seed"},
		{Name: "frame", Type: Object, List: true, Items: 20_000, Server: true, Fields: unitFields, ZH: "抽样框", EN: "frame"},
		{Name: "frameHash", Type: Hash, Server: true, ZH: "抽样框哈希", EN: "hash of the frame"},
		{Name: "sample", Type: Object, List: true, Items: 20_000, Server: true, Fields: unitFields, ZH: "样本", EN: "sample"},
		{Name: "approvedBy", Type: ID, Of: KindPerson, Server: true, ZH: "批准人", EN: "approved by"},
		{Name: "reportText", Type: Text, Max: 20_000, Server: true, ZH: "总结", EN: "report"},
	},
	Made: campaignPeriod, Edited: campaignPeriod,
	Commands: []Command{
		{
			// The frame is put together by the server from the records, never by a client.
			Name: "draw", ZH: "抽样", EN: "draw the sample", From: []State{StateDraft}, Server: true,
			Args: []Field{
				{Name: "seed", Type: Text, Max: 100, Required: true},
				{Name: "frame", Type: Object, List: true, Items: 20_000, Fields: unitFields, Required: true},
			},
			Do: drawSample,
		},
		{Name: "approve", ZH: "批准", EN: "approve", From: []State{StateDraft}, To: "approved", Do: func(c *Case) error {
			if c.Record.Fields["sample"] == nil {
				return Refuse(CodeNotNow, "Draw the sample first: the approval covers it.")
			}
			if c.Record.Author == c.Who.User {
				return Refuse(CodeSecondPerson, "")
			}
			c.Set("approvedBy", c.Who.User)
			return nil
		}},
		{Name: "run", ZH: "启动", EN: "run", From: []State{"approved"}, To: "running"},
		{Name: "close", ZH: "收尾", EN: "close", From: []State{"running"}, To: "closing"},
		{Name: "report", ZH: "总结", EN: "report", From: []State{"closing"}, To: "reported", Args: []Field{{Name: "text", Type: Text, Max: 20_000, Required: true}}, Do: func(c *Case) error {
			c.Set("reportText", c.Arg("text"))
			return nil
		}},
	},
}

func campaignPeriod(c *Case) error {
	if c.Record.Text("from") > c.Record.Text("to") {
		return Refuse(CodeBadTime, "The campaign ends before it starts.")
	}
	if len(c.Record.Fields["sample"]) > 0 {
		for _, f := range []string{"frame", "frameHash", "sample", "seed"} {
			delete(c.Record.Fields, f) // what was drawn no longer fits the plan: draw again
		}
	}
	return nil
}

func drawSample(c *Case) error {
	var frame []Unit
	if err := json.Unmarshal(c.Args["frame"], &frame); err != nil {
		return Refuse(CodeWrongType, "The frame cannot be read.").Because(err)
	}
	var strata []Stratum
	if err := c.Record.Decode("strata", &strata); err != nil {
		return Refuse(CodeWrongType, "The strata cannot be read.").Because(err)
	}
	frame = sortedFrame(frame)
	for i := range strata {
		strata[i].Frame = 0
		for _, u := range frame {
			if u.Stratum == strata[i].Stratum {
				strata[i].Frame++
			}
		}
	}
	sample := Draw(frame, c.Arg("seed"), strata)
	for i := range sample {
		sample[i].Revisit = c.NewID("revisit", sample[i].key())
	}
	c.Set("strata", strata)
	c.Set("seed", c.Arg("seed"))
	c.Set("frame", frame)
	c.Set("frameHash", FrameHash(frame))
	c.Set("sample", sample)
	return nil
}
