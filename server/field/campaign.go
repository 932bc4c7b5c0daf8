package field

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// States of a campaign; it begins as a draft.
const (
	CampaignApproved State = "approved"
	CampaignRunning  State = "running"
	CampaignClosing  State = "closing"
	CampaignReported State = "reported"
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

// Draw takes the sample: in each stratum, the units with the smallest SHA-256 of (frame hash, seed, unit). Anyone who
// has the frame and the seed draws the same sample again. How the seed comes about, so that nobody chooses it, says
// Drawing.
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
	{Name: "stratum", Type: Enum, Choices: strata, Required: true, ZH: "层", EN: "stratum"},
	{Name: "siteId", Type: ID, Of: KindSite, Required: true, ZH: "项目点", EN: "site"},
	{Name: "alias", Type: Text, Max: 40, ZH: "化名", EN: "alias"},
	{Name: "findings", Type: ID, Of: KindFinding, List: true, ZH: "发现问题", EN: "findings"},
	{Name: "photos", Type: ID, Of: KindPhoto, Evidence: OnlyNamed, List: true, ZH: "照片", EN: "photos"},
	{Name: "revisit", Type: ID, Of: KindRevisit, ZH: "回头看任务", EN: "revisit task"},
}

var campaignSpec = &Spec{
	Long: true, Kind: KindCampaign, ZH: "回头看", EN: "revisit campaign", Opens: OpensByID, Filed: FiledNone, Home: ScopeCampaign,
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
			{Name: "stratum", Type: Enum, Choices: strata, Required: true, ZH: "层", EN: "stratum"},
			{Name: "size", Type: Integer, Low: 0, High: 10_000, Required: true, ZH: "抽取数", EN: "how many to draw"},
			{Name: "frame", Type: Integer, Low: 0, High: 1e7, ZH: "总体数", EN: "how many there are to draw from"},
		}},
		{Name: "draws", Type: Object, List: true, Items: mostDraws, Server: true, Fields: drawingFields, ZH: "历次抽样", EN: "every draw, also those that do not stand"},
		{Name: "seed", Type: Text, Max: 600, Server: true, ZH: "随机种子", EN: "seed"},
		{Name: "frame", Type: Object, List: true, Items: 20_000, Server: true, Fields: unitFields, ZH: "抽样框", EN: "frame"},
		{Name: "frameHash", Type: Hash, Server: true, ZH: "抽样框哈希", EN: "hash of the frame"},
		{Name: "sample", Type: Object, List: true, Items: 20_000, Server: true, Fields: unitFields, ZH: "样本", EN: "sample"},
		{Name: "approvedBy", Type: ID, Of: KindPerson, Server: true, ZH: "批准人", EN: "approved by"},
		{Name: "reopened", Type: Integer, Low: 0, High: 1e6, Server: true, ZH: "重新派出或重新验收的任务数", EN: "tasks that had ended and were opened again"},
		{Name: "ended", Type: Object, List: true, Items: 4, Server: true, ZH: "收尾时的任务", EN: "how the tasks had ended when it was closed", Fields: []Field{
			{Name: "state", Type: Enum, Choices: endedStates, Required: true, ZH: "状态", EN: "state"},
			{Name: "tasks", Type: Integer, Low: 0, High: 1e6, Required: true, ZH: "任务数", EN: "tasks"},
		}},
		{Name: "reportText", Type: Text, Max: 20_000, Server: true, ZH: "总结", EN: "report"},
	},
	Made: planned, Edited: replanned,
	Commands: []Command{
		{
			Name: "announce", ZH: "公布种子产生办法", EN: "announce how the seed comes about", From: []State{StateDraft},
			Args: []Field{
				{Name: "seedHash", Type: Hash, ZH: "种子的哈希", EN: "of the seed; or source and date"},
				{Name: "source", Type: Text, Max: 100, ZH: "采用哪项公开摇号，号码按何顺序读取", EN: "which public draw, and in what order its numbers are read"},
				{Name: "date", Type: Date, ZH: "公开摇号日（北京时间），晚于今日", EN: "the day of the public draw (Beijing time), later than today"},
				{Name: "reason", Type: Text, Max: 1000, ZH: "重新抽样的理由", EN: "why the sample is drawn again"},
			},
			Do: announceSeed,
		},
		{
			// The frame is put together by the server from the records, never by a client.
			Name: "draw", ZH: "抽样", EN: "draw the sample", From: []State{StateDraft}, Server: true,
			Args: []Field{
				{Name: "seed", Type: Text, Max: 200, Required: true, ZH: "已公布哈希的种子，或公开摇号的号码", EN: "the seed whose hash was announced, or the numbers of the public draw"},
				{Name: "frame", Type: Object, List: true, Items: 20_000, ZH: "抽样框", EN: "frame", Fields: unitFields, Required: true, Long: true, Server: true},
			},
			Do: drawSample,
		},
		{Name: "approve", ZH: "批准", EN: "approve", From: []State{StateDraft}, To: CampaignApproved, Do: approveCampaign},
		{Name: "run", ZH: "启动", EN: "run", From: []State{CampaignApproved}, To: CampaignRunning, Do: notOver},
		{Name: "close", ZH: "收尾", EN: "close", From: []State{CampaignRunning}, To: CampaignClosing, Do: closeCampaign},
		{Name: "report", ZH: "总结", EN: "report", From: []State{CampaignClosing}, To: CampaignReported, Args: []Field{{Name: "text", Type: Text, Max: 20_000, Required: true, ZH: "总结", EN: "report"}}, Do: func(c *Case) error {
			if err := closeCampaign(c); err != nil { // an older server closed with open tasks
				return err
			}
			c.Set("reportText", c.Arg("text"))
			return nil
		}},
	},
	Desk: campaignDesk,
}

// campaignDesk is what the desk offers of it.
var campaignDesk = &Desk{
	Group: "campaigns",
	Filters: []Filter{
		{Name: "state"},
	},
	Acts: []Act{
		{
			Verb: "create", Says: "Plan a revisit campaign.",
			More: "For supervisors: the plan, as a draft. Next come the announcement of the seed, the draw and the " +
				"approval. `bad_time` when it ends before it starts; `bad_choice` when a stratum is named twice.",
			Example: "title: 2026年第四季度回头看, from: '2026-12-01', to: '2026-12-31', templateId: " +
				"0193a000-0000-7000-8000-000000000071, strata: [{stratum: problems, size: 10}]",
		},
		{Verb: "list", Says: "Revisit campaigns."},
		{
			Verb: "get", Says: "One campaign.",
			More: "The plan with its draws and its sample. `not_found` when there is none, or none that you may see.",
		},
		{
			Verb: "edit", Says: "Change a plan.",
			More:    "What was drawn for the plan before is dropped.",
			Example: "to: '2027-01-15'",
		},
		{
			Verb: "announce", ID: "announceSeed", Says: "Announce how the seed of the sample comes about.",
			More: "A draw begins with this, before the server looks which units there are. Either `seedHash`: the " +
				"SHA-256, in hex, of the UTF-8 bytes of a seed that the planner has chosen and keeps to himself " +
				"until the draw. Or `source` and `date`: a public draw (such as a lottery, and in what order its " +
				"numbers are read) of a later day. Every further announcement drops what was announced or drawn " +
				"before, and needs a `reason`. All of them stay in the campaign, in `draws`: who, when, why, seed " +
				"and hashes.",
			Example: "source: 双色球，红球按开奖顺序, date: '2026-12-03'",
		},
		{
			Verb: "draw", ID: "drawSample", Says: "Draw the sample.",
			More: "The server puts the frame together from the active sites of the organisation. `problems`: a site " +
				"with findings that are classified, but not dismissed, of a visit before the campaign's `from` " +
				"(Beijing time), as one unit; `unsampled`: a site that no visit has reached, and that is not a unit " +
				"of `problems`; `petitioners`: each household of a site that `petitioned`, by alias. `seed` is the " +
				"seed whose hash was announced, or the numbers of the public draw, on its day or later; of these " +
				"only the numbers count, not what stands between them, nor zeroes before them. Anything else is " +
				"`seed_not_announced`. The server adds a salt that nobody knew before the frame was there. The seed " +
				"of the campaign is what was given, a space and the salt; of a public draw, with `source` and " +
				"`date` and spaces before it. Anyone can draw the same sample again. `frameHash` is the SHA-256 in " +
				"hex of the units in the order of stratum, site and alias, each as stratum, tab, siteId, tab, " +
				"alias, line feed. The lot of a unit is the SHA-256 in hex of frameHash, line feed, seed, line " +
				"feed, stratum, a zero byte, siteId, a zero byte, alias (empty when there is none). In each stratum " +
				"the units with the smallest lots are drawn.",
			Example: "seed: '07 12 18 22 29 31'",
		},
		{Verb: "approve", Says: "Approve a plan and its sample.", More: "Refused to who planned it (second_person)."},
		{Verb: "run", Says: "Start an approved campaign.", More: "Its revisit tasks are made soon after."},
		{
			Verb: "close", Says: "End the visits of a campaign.",
			More: "Refused as `tasks_open`, with the tasks by name, while one is neither done nor missed, excused or " +
				"cancelled. How many ended how stands in `ended` of the campaign. From then on no task of it is " +
				"given out.",
		},
		{
			Verb: "report", Says: "Say what a campaign came to.",
			More:    "Nothing of its tasks changes from then on.",
			Example: "text: 抽查十户，九户已整改到位。",
		},
	},
}

// planned checks a plan.
func planned(c *Case) error {
	if c.Record.Text("from") > c.Record.Text("to") {
		return Refuse(CodeBadTime, "The campaign ends before it starts.").InChinese("回头看的结束日期早于开始日期。")
	}
	_, err := strataOf(c.Record)
	return err
}

// strataOf reads the strata of a plan: at least one, each once.
func strataOf(campaign *Record) ([]Stratum, error) {
	var strata []Stratum
	if err := campaign.Decode("strata", &strata); err != nil {
		return nil, Refuse(CodeWrongType, "The strata cannot be read.").InChinese("各层无法读取。").Because(err)
	}
	if len(strata) == 0 {
		return nil, Refuse(CodeMissingField, "A campaign names at least one stratum.").InChinese("回头看至少须列明一个层。")
	}
	for i, s := range strata {
		if slices.ContainsFunc(strata[:i], func(t Stratum) bool { return t.Stratum == s.Stratum }) {
			return nil, Refuse(CodeBadChoice, "The stratum %s is named twice.", s.Stratum).InChinese("层 %s 重复列明。", s.Stratum)
		}
	}
	return strata, nil
}

// replanned checks a plan that was changed. What was drawn for the old one no longer fits: it is dropped, and stays
// listed.
func replanned(c *Case) error {
	if err := planned(c); err != nil {
		return err
	}
	draws, err := DrawingsOf(c.Record)
	if err != nil {
		return err
	}
	if len(draws) > 0 && draws[len(draws)-1].DrawnAt != "" {
		drop(c, draws, "计划已修改 / the plan was changed")
	}
	if c.Record.Fields["sample"] != nil {
		clearSample(c.Record)
	}
	return nil
}

func clearSample(campaign *Record) {
	for _, f := range []string{"frame", "frameHash", "sample", "seed"} {
		delete(campaign.Fields, f)
	}
}

func approveCampaign(c *Case) error {
	draws, err := DrawingsOf(c.Record)
	if err != nil {
		return err
	}
	if n := len(draws); c.Record.Fields["sample"] == nil || n == 0 || draws[n-1].DrawnAt == "" || draws[n-1].DroppedAt != "" {
		return Refuse(CodeNotNow, "Draw the sample first: the approval covers it.").InChinese("请先抽样：批准须涵盖样本。")
	}
	if _, err := strataOf(c.Record); err != nil {
		return err
	}
	if c.Record.Author == c.Who.User {
		return Refuse(CodeSecondPerson, "")
	}
	if err := notOver(c); err != nil {
		return err
	}
	c.Set("approvedBy", c.Who.User)
	return nil
}

// notOver refuses to begin a campaign whose last day has passed: nothing in it could be given out.
func notOver(c *Case) error {
	if to := c.Record.Text("to"); to < today(c) {
		return Refuse(CodeBadTime, "The campaign ended on %s. Plan another one.", to).InChinese("回头看已于 %s 结束，请另行计划。", to)
	}
	return nil
}

// endedStates are those in which a task may be when its campaign is closed.
var endedStates = func() []Choice {
	var ended []Choice
	for _, s := range []State{RevisitDone, RevisitMissed, RevisitExcused, RevisitCancelled} {
		i := slices.IndexFunc(revisitStates, func(c Choice) bool { return c.Code == string(s) })
		ended = append(ended, revisitStates[i])
	}
	return ended
}()

// mostNamed bounds how many open tasks a refusal names.
const mostNamed = 20

// closeCampaign refuses while a task is open, and names those that are. What became of the others stands in the
// campaign.
func closeCampaign(c *Case) error {
	var sample []Unit
	if err := c.Record.Decode("sample", &sample); err != nil {
		return err
	}
	ids := make([]RecordID, len(sample))
	for i, u := range sample {
		ids[i] = u.Revisit
	}
	tasks, err := c.Look.Several(ids)
	if err != nil {
		return err
	}
	counts, open, named := map[string]int{}, 0, []string{}
	for i, t := range tasks {
		state := "not made yet"
		if t != nil {
			state = string(t.State)
		}
		if slices.ContainsFunc(endedStates, func(e Choice) bool { return e.Code == state }) {
			counts[state]++
			continue
		}
		if open++; len(named) < mostNamed {
			named = append(named, fmt.Sprintf("%s (%s)", ids[i], state))
		}
	}
	if open > 0 {
		more, moreZH := "", ""
		if open > len(named) {
			more, moreZH = fmt.Sprintf(" and %d more", open-len(named)), fmt.Sprintf("，另有 %d 项", open-len(named))
		}
		return Refuse(CodeTasksOpen, "%d of %d tasks are open: %s%s. Finish, excuse, cancel or mark them as missed first.", open, len(sample), strings.Join(named, ", "), more).
			InChinese("有 %d 项任务（共 %d 项）尚未了结：%s%s。请先完成、免访、取消或记为逾期。", open, len(sample), strings.Join(named, "、"), moreZH)
	}
	type ended struct {
		State string `json:"state"`
		Tasks int    `json:"tasks"`
	}
	list := []ended{}
	for _, e := range endedStates {
		if n := counts[e.Code]; n > 0 {
			list = append(list, ended{e.Code, n})
		}
	}
	c.Set("ended", list)
	return nil
}
