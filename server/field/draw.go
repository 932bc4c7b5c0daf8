package field

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Drawing is one draw of a campaign's sample. It is announced before the frame is known, in one of two ways: by the
// SHA-256 of a seed that the planner keeps to himself, or by a public draw of a later day. Then the server puts the
// frame together and draws, with what was announced and with a salt that nobody knew before. So neither who plans nor
// the server chooses alone. Who is not content draws again, and every draw stays in the campaign:
// docs/decisions/sampling.md.
type Drawing struct {
	AnnouncedAt string `json:"announcedAt"`
	AnnouncedBy UserID `json:"announcedBy"`
	Reason      string `json:"reason,omitempty"`   // of every one but the first
	SeedHash    string `json:"seedHash,omitempty"` // of the seed; or
	Source      string `json:"source,omitempty"`   // which public draw, and in what order its numbers are read
	Date        string `json:"date,omitempty"`     // on which it takes place

	DrawnAt    string `json:"drawnAt,omitempty"`
	DrawnBy    UserID `json:"drawnBy,omitempty"`
	Given      string `json:"given,omitempty"` // the seed whose hash was announced, or the numbers of the public draw
	Salt       string `json:"salt,omitempty"`
	Seed       string `json:"seed,omitempty"` // what Draw took
	FrameHash  string `json:"frameHash,omitempty"`
	SampleHash string `json:"sampleHash,omitempty"` // made of the sample like the hash of a frame
	Sample     int    `json:"sample,omitempty"`     // how many units were drawn

	DroppedAt  string `json:"droppedAt,omitempty"` // since then it does not stand
	DroppedBy  UserID `json:"droppedBy,omitempty"`
	DroppedFor string `json:"droppedFor,omitempty"` // why
}

// mostDraws bounds the draws of one campaign: who wants more plans another one.
const mostDraws = 50

var drawingFields = []Field{
	{Name: "announcedAt", Type: Time, Required: true, ZH: "公布时间", EN: "announced at"},
	{Name: "announcedBy", Type: ID, Of: KindPerson, Required: true, ZH: "公布人", EN: "announced by"},
	{Name: "reason", Type: Text, Max: 1000, ZH: "理由", EN: "reason"},
	{Name: "seedHash", Type: Hash, ZH: "种子的哈希", EN: "hash of the seed"},
	{Name: "source", Type: Text, Max: 100, ZH: "公开摇号来源", EN: "public draw"},
	{Name: "date", Type: Date, ZH: "公开摇号日", EN: "day of the public draw"},
	{Name: "drawnAt", Type: Time, ZH: "抽取时间", EN: "drawn at"},
	{Name: "drawnBy", Type: ID, Of: KindPerson, ZH: "抽取人", EN: "drawn by"},
	{Name: "given", Type: Text, Max: 200, ZH: "公布的种子", EN: "seed as given"},
	{Name: "salt", Type: Text, Max: 40, ZH: "服务器加的盐", EN: "salt of the server"},
	{Name: "seed", Type: Text, Max: 600, ZH: "抽取所用种子", EN: "seed of the draw"},
	{Name: "frameHash", Type: Hash, ZH: "抽样框哈希", EN: "hash of the frame"},
	{Name: "sampleHash", Type: Hash, ZH: "样本哈希", EN: "hash of the sample"},
	{Name: "sample", Type: Integer, Low: 0, High: 20_000, ZH: "抽取数", EN: "how many were drawn"},
	{Name: "droppedAt", Type: Time, ZH: "作废时间", EN: "dropped at"},
	{Name: "droppedBy", Type: ID, Of: KindPerson, ZH: "作废人", EN: "dropped by"},
	{Name: "droppedFor", Type: Text, Max: 1000, ZH: "作废原因", EN: "why it was dropped"},
}

// DrawingsOf reads the draws of a campaign, the first first.
func DrawingsOf(campaign *Record) ([]Drawing, error) {
	var draws []Drawing
	err := campaign.Decode("draws", &draws)
	return draws, err
}

// drop says of the newest draw that it does not stand, and why; of one that was dropped before it says nothing.
func drop(c *Case, draws []Drawing, why string) {
	last := &draws[len(draws)-1]
	if last.DroppedAt != "" {
		return
	}
	last.DroppedAt, last.DroppedBy, last.DroppedFor = stamp(c.Now), c.Who.User, why
	c.Set("draws", draws)
}

// announceSeed begins a draw. One that was begun or made before is dropped, for a reason.
func announceSeed(c *Case) error {
	draws, err := DrawingsOf(c.Record)
	if err != nil {
		return err
	}
	hash, source, date, why := c.Arg("seedHash"), strings.TrimSpace(c.Arg("source")), c.Arg("date"), strings.TrimSpace(c.Arg("reason"))
	switch {
	case hash == "" && (source == "" || date == ""):
		return Refuse(CodeMissingField, "Announce the SHA-256 of the seed (seedHash), or a public draw (source and date).").
			InChinese("请公布种子的 SHA-256（seedHash），或公开摇号（source 和 date）。")
	case hash != "" && (source != "" || date != ""):
		return Refuse(CodeBadRequest, "Announce the hash of a seed or a public draw, not both.").InChinese("种子的哈希与公开摇号只能公布其一。")
	case date != "" && date <= today(c):
		return Refuse(CodeBadTime, "The public draw of %s may be known already. Name one of a later day.", date).
			InChinese("%s 的公开摇号结果可能已为人所知，请指定之后某日的摇号。", date)
	case date > c.Record.Text("to"):
		return Refuse(CodeBadTime, "The public draw of %s comes after the end of the campaign.", date).
			InChinese("%s 的公开摇号晚于回头看的结束日期。", date)
	case len(draws) == mostDraws:
		return Refuse(CodeTooLong, "The sample was drawn %d times. Plan another campaign.", mostDraws).
			InChinese("已抽样 %d 次，请另行计划回头看。", mostDraws)
	case len(draws) > 0 && why == "":
		return Refuse(CodeReasonMissing, "Say why the sample is drawn again; it stays in the campaign.").
			InChinese("请说明重新抽样的理由，该理由将留在回头看记录中。")
	case hash != "" && slices.ContainsFunc(draws, func(d Drawing) bool { return d.SeedHash == hash }):
		return Refuse(CodeBadChoice, "This seed was announced before. Take another one.").InChinese("该种子此前已公布过，请另选。")
	}
	if len(draws) > 0 {
		drop(c, draws, why)
	}
	clearSample(c.Record)
	c.Set("draws", append(draws, Drawing{AnnouncedAt: stamp(c.Now), AnnouncedBy: c.Who.User, Reason: why, SeedHash: hash, Source: source, Date: date}))
	return nil
}

// given is what the planner brings to the draw, in one form; a refusal when it is not what was announced.
func (d *Drawing) given(c *Case, seed string) (string, error) {
	switch {
	case d.DroppedAt != "" || d.DrawnAt != "":
		return "", Refuse(CodeSeedNotAnnounced, "")
	case d.SeedHash != "":
		if h := sha256.Sum256([]byte(seed)); hex.EncodeToString(h[:]) != d.SeedHash {
			return "", Refuse(CodeSeedNotAnnounced, "This is not the seed whose SHA-256 was announced.").InChinese("该种子与已公布的 SHA-256 不符。")
		}
		return seed, nil
	case today(c) < d.Date:
		return "", Refuse(CodeNotNow, "The public draw takes place on %s.", d.Date).InChinese("公开摇号将于 %s 进行。", d.Date)
	}
	numbers := numbersIn(seed)
	if numbers == "" {
		return "", Refuse(CodeMissingField, "Write the numbers of the public draw.").InChinese("请填写公开摇号的号码。")
	}
	return numbers, nil
}

// numbersIn reads the numbers of a public draw: one form, whatever stands between them and whether zeroes stand before,
// so that nobody tries ways of writing them until he likes the sample.
func numbersIn(s string) string {
	var numbers []string
	open := false
	for _, r := range s {
		v, chinese, ok := digitOf(r)
		if ok = ok && !chinese; ok && !open {
			numbers = append(numbers, "")
		}
		if open = ok; ok {
			numbers[len(numbers)-1] += strconv.Itoa(v)
		}
	}
	for i, n := range numbers {
		if numbers[i] = strings.TrimLeft(n, "0"); numbers[i] == "" {
			numbers[i] = "0"
		}
	}
	return strings.Join(numbers, " ")
}

func drawSample(c *Case) error {
	draws, err := DrawingsOf(c.Record)
	if err != nil {
		return err
	}
	if len(draws) == 0 {
		return Refuse(CodeSeedNotAnnounced, "")
	}
	d := &draws[len(draws)-1]
	given, err := d.given(c, c.Arg("seed"))
	if err != nil {
		return err
	}
	var frame []Unit
	if err := json.Unmarshal(c.Args["frame"], &frame); err != nil {
		return Refuse(CodeWrongType, "The frame cannot be read.").InChinese("抽样框无法读取。").Because(err)
	}
	strata, err := strataOf(c.Record)
	if err != nil {
		return err
	}
	frame = sortedFrame(frame)
	for i := range len(frame) - 1 {
		if frame[i].key() == frame[i+1].key() {
			return Refuse(CodeBadChoice, "The frame names the unit %s of %s twice.", frame[i].Alias, frame[i].SiteID).
				InChinese("抽样框中的单元 %s（属 %s）重复列明。", frame[i].Alias, frame[i].SiteID)
		}
	}
	for i := range strata {
		strata[i].Frame = 0
		for _, u := range frame {
			if u.Stratum == strata[i].Stratum {
				strata[i].Frame++
			}
		}
	}
	d.Given, d.Salt = given, string(c.NewID("salt", fmt.Sprint(len(draws))))
	d.Seed = given + " " + d.Salt
	if d.Source != "" {
		d.Seed = d.Source + " " + d.Date + " " + d.Seed
	}
	sample := Draw(frame, d.Seed, strata)
	if len(sample) == 0 {
		return Refuse(CodeNotNow, "Nothing was drawn: the strata ask for nothing that there is.").InChinese("未抽到任何单元：各层的要求没有对应的对象。")
	}
	for i := range sample {
		sample[i].Revisit = c.NewID("revisit", sample[i].key(), fmt.Sprint(len(draws)))
	}
	d.DrawnAt, d.DrawnBy = stamp(c.Now), c.Who.User
	d.FrameHash, d.SampleHash, d.Sample = FrameHash(frame), FrameHash(sample), len(sample)
	c.Set("draws", draws)
	c.Set("strata", strata)
	c.Set("seed", d.Seed)
	c.Set("frame", frame)
	c.Set("frameHash", d.FrameHash)
	c.Set("sample", sample)
	return nil
}
